"""Scores of training images. One file per score; a new one is added here and nowhere else."""

from __future__ import annotations

from sampleinfo.errors import UnknownName
from sampleinfo.scores import (
    functional_information,
    functional_information_along,
    leave_one_out_error,
    weight_information,
    weight_information_along,
)
from sampleinfo.scores.base import ALONG, FIT, Score

__all__ = ["ALONG", "FIT", "SCORES", "Score", "find"]

SCORES: dict[str, Score] = {
    module.SCORE.name: module.SCORE
    for module in (
        functional_information_along,
        weight_information_along,
        functional_information,
        weight_information,
        leave_one_out_error,
    )
}


def find(name: str) -> Score:
    """The score called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    if name not in SCORES:
        raise UnknownName("score", name, SCORES)
    return SCORES[name]
