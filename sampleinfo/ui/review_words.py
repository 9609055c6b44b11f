"""Verdicts, ranks and effects as people read them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from sampleinfo.decisions import DROP, KEEP, RELABEL, UNSURE, Verdict
from sampleinfo.decisions.checks import images as about_images
from sampleinfo.decisions.log import Action
from sampleinfo.decisions.verdicts import words as edit_words
from sampleinfo.reports.review_words import more_right

#: Verdicts in the order of the answers, and what is said of an image that has one.
KINDS = {KEEP: "kept", RELABEL: "relabelled", DROP: "dropped", UNSURE: "unsure"}


def verdict_words(verdict: Verdict) -> str:
    """``kept``, ``dropped``, ``unsure`` or ``relabelled as CLASS``."""
    return KINDS[verdict.kind] + ("" if verdict.class_name is None else f" as {verdict.class_name}")


def short_verdict(verdict: Verdict | None) -> str:
    """The same below a thumbnail; nothing where there is none."""
    if verdict is None:
        return ""
    return f"→ {verdict.class_name}" if verdict.class_name is not None else KINDS[verdict.kind]


def tally(verdicts: Iterable[Verdict]) -> str:
    """``5 kept, 4 relabelled``: how many of each verdict; nothing where there is none."""
    kinds = [each.kind for each in verdicts]
    return ", ".join(f"{kinds.count(kind)} {words}" for kind, words in KINDS.items() if kind in kinds)


def points_words(difference: float) -> str:
    """A difference of two shares: ``+0.8 points``, ``−0.8 points``, ``0 points``."""
    points = f"{100 * difference:+.1f}".replace("-", "−")
    return f"{'0' if points in ('+0.0', '−0.0') else points} points"


def cut(name: object, most: int) -> str:
    """A name with its beginning and its end; the middle of one with more than ``most`` letters is left out."""
    words, half = str(name), most // 2
    return words if len(words) <= most else f"{words[: most - half]}…{words[1 - half :]}"


def signed(number: int) -> str:
    """``+2``, ``−2`` or ``0``."""
    return f"{number:+d}".replace("-", "−") if number else "0"


def right_words(row: pd.Series, change: str, validation: int) -> str:
    """``+2 of 40 (+5.0 points)``: by how many more validation images are right after ``change``."""
    return f"{signed(more_right(row, change, validation))} of {validation} ({points_words(row[f'{change}_accuracy'])})"


def made_by(verdicts: Mapping[str, Verdict], history: Collection[Action]) -> dict[str, Action]:
    """Of each verdict the edit that gave it, as far as the log names it; ``history``: the newest edits first."""
    standing: dict[str, Action] = {}
    for action in history:
        if not action.undone:
            standing.setdefault(_given(action.words), action)
    found = {name: standing.get(edit_words(verdict, about_images([name]))) for name, verdict in verdicts.items()}
    return {name: action for name, action in found.items() if action is not None}


def _given(words: str) -> str:
    """What an edit did; of one that was done again, what it did the first time."""
    again = "Did again: "
    return words if not words.startswith(again) else words[len(again) :][:1].upper() + words[len(again) + 1 :]
