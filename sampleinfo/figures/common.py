"""What all figures share: colours, round numbers, and texts that are never read as markup."""

from __future__ import annotations

import numpy as np

from sampleinfo.types import FloatArray

#: Ten colours that stay apart for colour-blind eyes (Tol's muted scheme and black's substitute).
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999933", "#ee8866", "#882255", "#44aa99")
#: Pixels of a point.
MARKER = 8
#: Around points, so that the darkest colours are seen on a dark page and the brightest on a white one.
OUTLINE = "#8a969e"
#: Letters of a name in a legend or a hover text.
LONGEST = 80
#: Rings around marked points, and the line of random draws, on light and dark pages alike.
MARKED, NEUTRAL = "#d6248f", "#8a969e"
MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def limits(values: FloatArray) -> tuple[float, float]:
    """Robust colour limits: the 1st and 99th percentile of the finite values, never equal."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(finite, (1, 99)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def logarithm(values: FloatArray) -> FloatArray:
    """log10, with zeros at the smallest positive value."""
    positive = values[values > 0]
    return np.asarray(np.log10(np.maximum(values, positive.min() if positive.size else 1.0)))


def short(value: float, digits: int = 2) -> str:
    """A few digits, exponents without padding: 0.00073, 5e-7."""
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Round numbers between 10**low and 10**high, at most about seven: their logarithms and their texts."""
    decades = np.arange(np.floor(low), np.ceil(high) + 1)
    for factors in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        places = np.sort(np.add.outer(decades, np.log10(factors)).ravel())
        places = places[(places >= low - 1e-9) & (places <= high + 1e-9)]
        if places.size <= 7:
            break
    places = places[:: max(1, -(-places.size // 7))]
    if places.size < 2:
        places = np.linspace(low, high, 3)
    return places.tolist(), [short(10**place) for place in places]


def escape(text: object) -> str:
    """Text of unknown origin, never read as markup, and not too long."""
    words = str(text)
    words = words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
