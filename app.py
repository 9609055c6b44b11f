"""Home: choose data, network and settings, start a run, follow it, come back to finished ones."""

import streamlit as st

from sampleinfo.ui.frame import begin_page
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.run_form import run_form
from sampleinfo.ui.run_list import run_list

begin_page("Home")
st.header("Which images does the network learn from?", anchor=False)
st.markdown(
    "Every image gets its **unique information**, in nats: what training on all the others would miss without it. "
    "Start a run, then look at its map."
)
with st.container(key="halves"):
    left, right = st.columns([5, 6], gap="large")
    with left:
        run_form()
    with right:
        jobs_panel()
        run_list()
