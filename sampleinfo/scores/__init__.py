"""Scores of training images. One file per score; a new one is added here and nowhere else."""

from __future__ import annotations

from sampleinfo.errors import lookup
from sampleinfo.scores import (
    el2n,
    functional_information,
    functional_information_along,
    grand,
    influence,
    laplace_information,
    leave_one_out_error,
    leave_one_out_margin,
    mpe_sensitivity,
    prototypicality,
    vog,
    weight_information,
    weight_information_along,
)
from sampleinfo.scores.base import (
    ALONG,
    CHECKPOINTS,
    DIFFICULTY,
    FEATURES,
    FIT,
    INFORMATION,
    KINDS,
    SUSPICION,
    Evidence,
    Score,
)

__all__ = [
    "ALONG", "CHECKPOINTS", "DIFFICULTY", "FEATURES", "FIT", "INFORMATION", "KINDS", "SCORES", "SUSPICION", "Evidence",
    "Score", "find",
]  # fmt: skip

#: The truest first: the first one that a run has is the one it shows.
SCORES: dict[str, Score] = {
    module.SCORE.name: module.SCORE
    for module in (
        functional_information_along,
        weight_information_along,
        functional_information,
        weight_information,
        leave_one_out_error,
        leave_one_out_margin,
        influence,
        el2n,
        grand,
        vog,
        prototypicality,
        mpe_sensitivity,
        laplace_information,
    )
}


def find(name: str) -> Score:
    """The score called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("score", name, SCORES)
