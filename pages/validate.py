"""Validate: what retraining for real did, beside what every estimate said it would do."""

import streamlit as st

from sampleinfo.ui.frame import begin_page, pick_run
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.trouble import lacks_kernel
from sampleinfo.ui.validate import results
from sampleinfo.ui.validate_form import validate_form

begin_page("Validate")
run = pick_run()
if run is not None and not lacks_kernel(run):
    with st.container(key="halves"):
        left, right = st.columns([4, 8], gap="large")
        with left:
            validate_form(run)
            jobs_panel("validate", run.id, "pages/validate.py")
        with right:
            results(run)
