"""A question about a run on a page: its answer where it is kept, else the button that asks it."""

from __future__ import annotations

import streamlit as st

from sampleinfo import analysing, jobs, store
from sampleinfo.errors import SampleInfoError
from sampleinfo.reports.analysis import Tables, answer
from sampleinfo.store import Run
from sampleinfo.ui import trouble
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.words import duration, plain


def answered(run: Run, question: str, page: str, words: str, button: str) -> Tables | None:
    """The tables of the answer; None, and on the page what it would show and the button, where it is still to come.

    ``page``: the file of the page; ``words``: what the answer will say (markdown); ``button``: what the button says.
    """
    try:
        analysis = analysing.find(question)
        known = answer(run, analysis)
        seconds = 0.0 if known is not None else analysis.seconds(run)
    except SampleInfoError as error:
        trouble.tell(error, run)
        return None
    if known is not None:
        return known
    st.info(words)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(button, type="primary", icon=":material/monitoring:", key=f"ask-{question}"):
            _start(run, question)
        st.caption(f"About **{duration(seconds)}** on this machine. You may leave or close the page: it goes on.")
    jobs_panel(jobs.ANALYSE, run.id, page, f"job-{question}")
    return None


def _start(run: Run, question: str) -> None:
    try:
        jobs.start(store.config_of(run), jobs.ANALYSE, {"run": run.id, "question": question})
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.rerun()
