"""How true the scores on a page are, beside the run's name."""

from __future__ import annotations

import streamlit as st

from sampleinfo import validations
from sampleinfo.scores import ALONG, FIT, SCORES
from sampleinfo.store import Run
from sampleinfo.validations import PREDICTIONS, WEIGHTS, Badge

COLOURS = {"none": "orange", "weak": "red", "fair": "orange", "good": "green"}


def fidelity(run: Run, score: str) -> None:
    """The badge of a score, what the score assumes, and the way to the Validate page."""
    shown = SCORES[score]
    with st.container(horizontal=True, vertical_alignment="center", key="fidelity"):
        if shown.needs in (FIT, ALONG):  # of what is measured against real retraining
            found = badge(run, score)
            st.markdown(f":{COLOURS[found.level]}-badge[{found.words}]", help=found.help, width="content")
        st.caption(f"{shown.title}: {shown.assumes}", width="content")
        st.page_link(
            "pages/validate.py", label="Validate", icon=":material/verified:", query_params={"run": run.id},
            width="content",
        )  # fmt: skip


def badge(run: Run, score: str) -> Badge:
    """How true a score of a run is."""
    method = validations.ALONG if SCORES[score].needs == ALONG else validations.RUN
    return validations.badge(run, method, WEIGHTS if score.startswith("weight") else PREDICTIONS)


def best_badge(run: Run) -> Badge:
    """The badge of the truest score of a run."""
    along = "functional_information_along"
    return badge(run, along if run.meta.get("along") else "functional_information")
