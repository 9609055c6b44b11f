"""Why a page cannot show what it is there for, and what to do instead."""

from __future__ import annotations

import streamlit as st

from sampleinfo.errors import NeedsKernel, SampleInfoError
from sampleinfo.store import Run
from sampleinfo.ui.words import plain


def lacks_kernel(run: Run) -> bool:
    """Whether a page has nothing to show of the run because it keeps no kernel; then it has said so."""
    try:
        run.check_kernel()
    except NeedsKernel as error:
        tell(error, run)
        return True
    return False


def tell(error: SampleInfoError, run: Run) -> None:
    """An error in red; what a run of so many images does not keep is none: say so, and name the ways on."""
    words = plain(error)
    if not isinstance(error, NeedsKernel):
        st.error(words, icon=":material/error:")
        return
    st.info(words[:1].upper() + words[1:], icon=":material/info:")
    with st.container(horizontal=True, key="ways-on"):
        query = {"run": run.id}
        st.page_link("app.py", label="Score fewer images", icon=":material/home:", width="content")
        st.page_link(
            "pages/explore.py", label="Explore this run", icon=":material/scatter_plot:", query_params=query,
            width="content",
        )  # fmt: skip
        st.page_link(
            "pages/summaries.py", label="Pick a set by hand", icon=":material/touch_app:",
            query_params={**query, "tab": "By hand"}, width="content",
        )  # fmt: skip
