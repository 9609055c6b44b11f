"""Numbers and names as people read them."""

from __future__ import annotations

import re


def plain(text: object) -> str:
    """Text of unknown origin (a class, a file name) for Markdown: shown as it is, never read as markup."""
    marked = re.sub(r"([\\`*_{}\[\]<>|$~:&])", r"\\\1", " ".join(str(text).split()))
    return re.sub(r"(?i)www\.", r"www\\.", marked)


def shortened(text: object, most: int = 120) -> str:
    """Text of unknown length, cut with an ellipsis."""
    words = str(text)
    return words if len(words) <= most else f"{words[: most - 1]}…"


def duration(seconds: float) -> str:
    """``42 s``, ``4 min 40 s`` or ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def times(ratio: float) -> str:
    """A factor: ``0.87``, ``2.3``, ``320``, ``1,400``."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def count(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
