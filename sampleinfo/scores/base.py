"""What every score offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sampleinfo.types import FloatArray

#: What scores are computed from: a ``linearized.Fit``, or the ``unrolled.Changes`` of a recorded training run.
FIT, ALONG = "fit", "along"


@dataclass(frozen=True)
class Score:
    """One number per training image; ``compute`` maps what it ``needs`` to (n,) finite values, larger meaning more.

    ``name`` is the column in a run's table; ``sentence`` explains a value to the person looking at it, ``assumes`` what
    it rests on.
    """

    name: str
    title: str
    unit: str
    sentence: str
    assumes: str
    compute: Callable[[Any], FloatArray]
    needs: str = FIT


LINEAR = "Assumes that training keeps the network so near its initial weights that it is linear in them; instant."
PATH = "Follows one real training run and assumes that leaving out an image bends its path only a little."
