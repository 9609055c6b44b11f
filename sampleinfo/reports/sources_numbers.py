"""Numbers of the comparison of sources as people read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd


def apart(one: pd.Series, two: pd.Series) -> bool:
    """Whether two intervals share nothing."""
    return bool(one["low"] > two["high"] or two["low"] > one["high"])


def reached(row: object) -> str:
    """Accuracy and interval of a row with ``accuracy``, ``low`` and ``high``: ``71 % [62, 78]``."""
    accuracy, low, high = (float(getattr(row, name)) for name in ("accuracy", "low", "high"))
    return f"{100 * accuracy:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def listed(names: list[str]) -> str:
    """``a, b or c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def sizes(table: pd.DataFrame) -> str:
    """The sizes in a table: ``53``, or ``20 to 53``."""
    low, high = int(table["size"].min()), int(table["size"].max())
    return str(low) if low == high else f"{low} to {high}"


def number(value: float, digits: int = 3) -> str:
    """A few digits, exponents without padding; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def two_digits(value: float) -> str:
    """The same with two digits."""
    return number(value, 2)


def points(value: float) -> str:
    """A share in points of a hundred."""
    return f"{100 * value:.1f}" if np.isfinite(value) else "–"


def interval(low: float, high: float, words: Callable[[float], str] = number) -> str:
    """``[low, high]``."""
    return f"[{words(low)}, {words(high)}]" if np.isfinite(low) and np.isfinite(high) else "[no interval]"


def times_interval(low: float, high: float) -> str:
    """The same of a ratio: two digits, or three where two would not tell an end from 1."""
    near = any(np.isfinite(end) and end != 1 and two_digits(end) == "1" for end in (low, high))
    return interval(low, high, number if near else two_digits)


def intervals(table: pd.DataFrame, words: Callable[[float], str] = number) -> list[str]:
    """Of every row."""
    return [interval(low, high, words) for low, high in zip(table["low"], table["high"], strict=True)]


def texts(column: pd.Series) -> list[str]:
    """The numbers of a column."""
    return [number(float(each)) for each in column]


def percents(column: pd.Series) -> list[str]:
    """The shares of a column."""
    return [f"{100 * each:.1f} %" if np.isfinite(each) else "–" for each in column]
