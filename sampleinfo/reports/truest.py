"""The score that a run's images are compared by."""

from __future__ import annotations

from sampleinfo.errors import InvalidSetting
from sampleinfo.scores import SCORES, Score
from sampleinfo.store import Run


def score_of(run: Run, other: Run | None = None) -> Score:
    """The truest functional information that the run has, or that both have.

    Raises:
        InvalidSetting: there is none.
    """
    both = [name for name in run.scores if other is None or name in other.scores]
    for name in both:
        if name.startswith("functional_information"):
            return SCORES[name]
    raise InvalidSetting(f"the run {run.id} has no functional information; score its data again.")
