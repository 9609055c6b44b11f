"""Review: suspicious images one by one, with the evidence; keep, relabel or drop them."""

from sampleinfo.ui.frame import begin_page, pick_run
from sampleinfo.ui.questions import answered
from sampleinfo.ui.review import QUESTION, WORDS, review

begin_page("Review")
run = pick_run()
if run is not None:
    tables = answered(run, QUESTION, "pages/review.py", WORDS, "Look for suspicious images")
    if tables is not None:
        review(run, tables)
