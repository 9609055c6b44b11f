"""The Review page: suspicious images one by one, which scores agree, and how well they find planted errors."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from sampleinfo.errors import SampleInfoError
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.review import CAUSES
from sampleinfo.reports.review_words import conclusion
from sampleinfo.store import Run
from sampleinfo.ui import sets
from sampleinfo.ui.fidelity import fidelity
from sampleinfo.ui.frame import stacking
from sampleinfo.ui.review_desk import desk
from sampleinfo.ui.review_scores import scores
from sampleinfo.ui.stress import stress
from sampleinfo.ui.words import plain

QUESTION = "review"
WORDS = (
    "**No evidence yet.** Press *Look for suspicious images*: for each training image, what the network that has not "
    "seen it says about its label, which images are most alike, and what relabelling or dropping it would change. All "
    "of it is predicted in closed form; nothing is trained."
)
REVIEW, SCORES, STRESS = "Review", "Scores", "Stress test"
#: The key of the tabs, and their name in the address.
PART = "view"
STYLE = """<style>
table.review-effects {border-collapse: collapse; font-size: .9rem; width: 100%; max-width: 560px}
table.review-effects :is(td, th) {padding: 2px 14px 2px 0; text-align: left; font-weight: 400; vertical-align: top}
table.review-effects td {white-space: nowrap}
table.review-effects th {font-weight: 600; overflow-wrap: anywhere}
table.review-effects tr:first-child td {font-size: .8rem; opacity: .75}
.st-key-review-progress {min-width: 220px}
.review-scores {display: grid; grid-template-columns: minmax(8rem, 1.4fr) minmax(6rem, 1fr) minmax(3rem, 1fr) 3.2rem;
  gap: 3px 10px; align-items: center; font-size: .85rem}
.review-scores span {cursor: help}
.review-scores em {opacity: .7; font-size: .8rem}
.review-scores b {font-weight: 500; text-align: right}
.review-scores b small {font-weight: 400; opacity: .75}
.review-scores .track {height: 9px; border-radius: 3px; background: rgba(128, 140, 150, .25)}
.review-scores .track i {display: block; height: 9px; border-radius: 3px; background: #4477aa}
.st-key-review-answers button, .st-key-review-classes button {white-space: nowrap}
@media (max-width: 1000px) {
  .st-key-review-neighbours > div > [data-testid="stHorizontalBlock"],
  .st-key-review-neighbours > [data-testid="stHorizontalBlock"] {gap: .3rem}
}
</style>"""


def review(run: Run, tables: Tables) -> None:
    """The page, from the tables of the answer."""
    st.html(STYLE + stacking(1000, "review-neighbours") + stacking(720, "review-halves", "review-results"))
    with st.container(border=True, key="conclusion"):
        st.markdown(plain(conclusion(tables["images"], run.meta["suspicion"], _judged(run))))
    fidelity(run, CAUSES["mislabeled"].score)
    draw: dict[str, Callable[[], None]] = {
        REVIEW: lambda: desk(run, tables), SCORES: lambda: scores(run, tables["agreement"]),
        STRESS: lambda: stress(run),
    }  # fmt: skip
    for tab, show in zip(st.tabs(list(draw), key=PART, bind="query-params"), draw.values(), strict=True):
        if tab.open:
            with tab:
                show()


def _judged(run: Run) -> list[str]:
    """The images that have a verdict; what keeps the decisions from being read is said below."""
    try:
        return list(sets.book_of(run).verdicts())
    except SampleInfoError:
        return []
