"""The numbers of classes and groups as people read them, on the page and on the command line alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

UNKNOWN = "–"


def short_interval(mean: float, low: float = np.nan, high: float = np.nan) -> str:
    """``0.0123`` or ``0.0123 [0.01, 0.015]``."""
    if not np.isfinite(mean):
        return UNKNOWN
    return _short(mean) if not np.isfinite(low) else f"{_short(mean)} [{_short(low, 2)}, {_short(high, 2)}]"


def _short(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("-", "−").replace("e−", "e-")


def need_words(row: pd.Series) -> str:
    """Need in loss units per whole class or group, with its interval."""
    return short_interval(row["need"], row["need_low"], row["need_high"])


def rank_words(row: pd.Series) -> str:
    """``1``, or ``2–4`` where there is no clear order."""
    low, high = int(row["rank_low"]), int(row["rank_high"])
    return UNKNOWN if low == 0 else str(low) if low == high else f"{low}–{high}"


def percent_words(row: pd.Series, name: str) -> str:
    """``31 % [28, 35]``."""
    mean, low, high = (100 * float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return UNKNOWN if not np.isfinite(mean) else f"{mean:.0f} % [{low:.0f}, {high:.0f}]"


def accuracy_words(row: pd.Series, name: str) -> str:
    """The accuracy on training images when left out (``leave_one_out``) or on ``validation`` images."""
    return percent_words(row, f"{name}_accuracy")


def rise_words(row: pd.Series) -> str:
    """Rise of the loss without a fifth of the images: ``+0.004 [0.003, 0.005]``; the interval is over draws."""
    words = short_interval(float(row["rise"]), float(row["rise_low"]), float(row["rise_high"]))
    return f"+{words}" if row["rise"] > 0 else words


def fall_words(row: pd.Series) -> str:
    """Change of the accuracy: ``−1.2 [−2.0, −0.4] points``; the interval is over draws."""
    if not np.isfinite(row["fall"]):
        return UNKNOWN
    mean, low, high = (-100 * float(row[each]) for each in ("fall", "fall_high", "fall_low"))
    between = f" [{_points(low)}, {_points(high)}]" if np.isfinite(low) else ""
    return f"{_points(mean)}{between} points"


def _points(value: float) -> str:
    """``+1.2``, ``−0.3``; ``0.0`` has no sign."""
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def ratio_words(row: pd.Series) -> str:
    """``2.3 [1.6, 3.1] times``."""
    if not np.isfinite(row["ratio"]):
        return UNKNOWN
    return f"{row['ratio']:.2g} [{row['ratio_low']:.2g}, {row['ratio_high']:.2g}] times"
