"""What every score offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sampleinfo.linearized import Fit
from sampleinfo.types import FloatArray


@dataclass(frozen=True)
class Score:
    """One number per training image; ``compute`` maps a fit to (n,) finite values, larger meaning more of it.

    ``name`` is the column in a run's table; ``sentence`` explains a value to the person looking at it.
    """

    name: str
    title: str
    unit: str
    sentence: str
    compute: Callable[[Fit], FloatArray]
