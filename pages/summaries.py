"""Summaries: a small set that teaches almost as much, by strategy and by hand."""

import streamlit as st

from sampleinfo.ui.compare import compare
from sampleinfo.ui.frame import begin_page, pick_run
from sampleinfo.ui.hand import by_hand
from sampleinfo.ui.making import COMPARE_TAB, HAND_TAB, STRATEGY_TAB, TAB, TABS
from sampleinfo.ui.summaries import by_strategy

begin_page("Summaries")
run = pick_run()
if run is not None:
    draw = {STRATEGY_TAB: by_strategy, HAND_TAB: by_hand, COMPARE_TAB: compare}
    for name, tab in zip(TABS, st.tabs(list(TABS), key=TAB, bind="query-params"), strict=True):
        if tab.open:
            with tab:
                draw[name](run)
