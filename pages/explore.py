"""Explore: the map of a run, what is selected on it, and one image in detail."""

import streamlit as st

from sampleinfo.ui.detail import detail
from sampleinfo.ui.explore import extremes, run_facts, score_histogram, selection_gallery
from sampleinfo.ui.frame import begin_page, pick_run
from sampleinfo.ui.map import map_controls, map_panel

begin_page("Explore")
run = pick_run()
if run is not None:
    facts = st.container()
    view = map_controls(run)
    with facts:
        run_facts(run, view)
    with st.container(key="halves"):
        left, right = st.columns([6, 5], gap="medium")
        with left:
            selection = map_panel(run, view)
            score_histogram(run, view, selection)
            extremes(run, view)
        with right:
            selection_gallery(run, view, selection)
            detail(run)
