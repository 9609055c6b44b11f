"""Scores of training images. One file per score; a new one is added here and nowhere else."""

from __future__ import annotations

from sampleinfo.errors import lookup
from sampleinfo.scores import (
    adversarial_suspicion,
    el2n,
    functional_information,
    functional_information_along,
    grand,
    influence,
    label_suspicion,
    laplace_information,
    leave_one_out_error,
    leave_one_out_margin,
    mpe_sensitivity,
    odd_pixels,
    outlyingness,
    prototypicality,
    squeezing,
    vog,
    weight_information,
    weight_information_along,
)
from sampleinfo.scores.base import (
    ALONG,
    APPEARANCE,
    CHECKPOINTS,
    DIFFICULTY,
    FEATURES,
    FIT,
    INFORMATION,
    KINDS,
    SMOOTHED,
    SUSPICION,
    Evidence,
    Score,
)

__all__ = [
    "ALONG", "APPEARANCE", "CHECKPOINTS", "DIFFICULTY", "FEATURES", "FIT", "INFORMATION", "KINDS", "SCORES", "SMOOTHED",
    "SUSPICION", "Evidence", "Score", "find",
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
        label_suspicion,
        odd_pixels,
        outlyingness,
        squeezing,
        adversarial_suspicion,
    )
}


def find(name: str) -> Score:
    """The score called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("score", name, SCORES)
