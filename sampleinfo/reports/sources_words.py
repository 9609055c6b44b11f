"""The numbers of the comparison of sources as people read them, one section for each table.

The page and the command line show these texts, so that both show the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.sources_numbers import (
    interval,
    intervals,
    number,
    percents,
    points,
    reached,
    sizes,
    texts,
    times_interval,
    two_digits,
)

#: Rows of the long table: its table here, what the number is, its unit, and the columns of source, other, images,
#: value, interval and spread ("": none).
LONG = (
    ("worth", "F-SI per image", "nats", "source", "", "images", "mean", "low", "high", ""),
    ("worth", "median F-SI of an image", "nats", "source", "", "images", "median", "", "", ""),
    ("ratios", "ratio of F-SI per image to the other's", "times", "first", "second", "", "ratio", "low", "high", ""),
    ("classes", "F-SI per image of the class", "nats", "source", "class_name", "images", "mean", "", "", ""),
    ("groups", "F-SI of the source given the others", "nats", "source", "", "images", "functional", "low", "high", ""),
    ("groups", "the same per image", "nats", "source", "", "images", "per_image", "", "", ""),
    ("groups", "accuracy without the source", "share", "source", "", "images", "accuracy_without", "", "", ""),
    ("groups", "loss without the source", "loss", "source", "", "images", "loss_without", "", "", ""),
    ("pairs", "interaction with the other", "nats", "first", "second", "", "interaction", "low", "high", ""),
    ("teaches", "accuracy on the other, trained on the source alone", "share", "trained_on", "tested_on", "count",
     "accuracy", "low", "high", ""),
    ("teaches", "loss on the other, trained on the source alone", "loss", "trained_on", "tested_on", "count", "loss",
     "", "", ""),
    ("batches", "loss that a random batch saves", "loss", "source", "", "size", "loss_gain", "loss_gain_low",
     "loss_gain_high", ""),
    ("batches", "accuracy that a random batch adds", "share", "source", "", "size", "accuracy_gain",
     "accuracy_gain_low", "accuracy_gain_high", ""),
    ("batches", "F-SI of a random batch", "nats", "source", "", "size", "functional", "functional_low",
     "functional_high", ""),
    ("equal", "accuracy of random images alone", "share", "source", "", "size", "accuracy", "", "", "accuracy_sd"),
    ("equal", "loss of random images alone", "loss", "source", "", "size", "loss", "", "", "loss_sd"),
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One part of the comparison: its title, what it says, and its numbers as text."""

    title: str
    words: str
    table: pd.DataFrame


def sections(tables: Tables) -> dict[str, Section]:
    """Every table as text, by name, in the order of the page."""
    return {name: make(tables[name]) for name, make in _SECTIONS.items() if name in tables}


def _worth(table: pd.DataFrame) -> Section:
    shown = pd.DataFrame({
        "source": table["source"], "images": table["images"], "mean F-SI, nats": texts(table["mean"]),
        "95 % interval": intervals(table), "median": texts(table["median"]),
    })  # fmt: skip
    return Section(
        "What an image is worth",
        "Mean F-SI of the training images of each source: how far the predictions move when one image is left out.",
        shown,
    )


def _ratios(table: pd.DataFrame) -> Section:
    ends = [times_interval(low, high) for low, high in zip(table["low"], table["high"], strict=True)]
    shown = pd.DataFrame({
        "an image of": table["first"], "is worth": [f"{number(x, 2)} times" for x in table["ratio"]],
        "interval": ends, "one of": table["second"],
        "clear": ["yes" if low > 1 else "no" for low in table["low"]],
    })  # fmt: skip
    return Section("How many times as much", "The intervals of all pairs hold together with 95 %.", shown)


def _classes(table: pd.DataFrame) -> Section:
    cells = [f"{number(m)} ({n})" if n else "none" for m, n in zip(table["mean"], table["images"], strict=True)]
    return Section(
        "Class by class",
        "Mean F-SI of the training images of a class, in nats; in brackets how many there are.",
        _wide("source", table["source"].tolist(), table["class_name"].tolist(), cells),
    )


def _groups(table: pd.DataFrame) -> Section:
    shown = pd.DataFrame({
        "source": table["source"], "images": table["images"], "F-SI, nats": texts(table["functional"]),
        "95 % interval": intervals(table), "per image": texts(table["per_image"]),
        "accuracy without it": percents(table["accuracy_without"]),
        "with all": percents(table["accuracy_full"]),
    })  # fmt: skip
    return Section(
        "The whole source, given the others",
        "How far the predictions move when the whole source is left out: what only it gives. Exact for the linearized "
        "network; the interval is that of so many validation images.",
        shown,
    )


def _pairs(table: pd.DataFrame) -> Section:
    shown = pd.DataFrame({
        "source": table["first"], "and": table["second"], "F-SI together, nats": texts(table["together"]),
        "interaction, nats": texts(table["interaction"]), "95 % interval": intervals(table),
        "they": [_interplay(low, high) for low, high in zip(table["low"], table["high"], strict=True)],
    })  # fmt: skip
    return Section(
        "Two sources together",
        "F-SI of leaving out both, minus that of each: above 0 they repeat each other, so that both together are "
        "missed more than the sum; below 0 each matters only beside the other: leaving out either loses what both "
        "give.",
        shown,
    )


def _interplay(low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "cannot be said"
    return "repeat each other" if low > 0 else "matter beside each other" if high < 0 else "show no clear interaction"


def _teaches(table: pd.DataFrame) -> Section:
    cells = [cell(each) for each in table.itertuples()]
    names = [f"{each.trained_on} ({each.images})" for each in table.itertuples()]
    wide = _wide("trained on", names, table["tested_on"].tolist(), cells)
    return Section(
        "Which source teaches which",
        "Predicted accuracy on the validation images of the source in the column, trained on the one in the row alone "
        "(in brackets its images); 95 % interval, and how many images it is measured on.",
        wide,
    )


def cell(row: object) -> str:
    """One cell of ``teaches``: accuracy, interval and count; or why there is none."""
    count, accuracy = int(getattr(row, "count")), float(getattr(row, "accuracy"))  # noqa: B009 - a method of tuples
    if np.isfinite(accuracy):
        return f"{reached(row)} of {count}"
    return "none held out" if not count else "diverges"


def _batches(table: pd.DataFrame) -> Section:
    def both(name: str, words: Callable[[float], str]) -> list[str]:
        columns = (table[name], table[f"{name}_low"], table[f"{name}_high"])
        return [f"{words(x)} {interval(a, b, words)}" for x, a, b in zip(*columns, strict=True)]

    shown = pd.DataFrame({
        "source": table["source"], "images": table["size"], "loss saved": both("loss_gain", two_digits),
        "accuracy added, points": both("accuracy_gain", points),
        "F-SI of the batch, nats": both("functional", two_digits),
    })  # fmt: skip
    return Section(
        f"What {sizes(table)} more images are worth",
        "Random images of a source, left out of everything: what the *last* so many have added. The next ones will be "
        f"worth about as much or somewhat less. Mean of {int(table['draws'].max())} draws; 95 % of them lie in the "
        "brackets.",
        shown,
    )


def _equal(table: pd.DataFrame) -> Section:
    pm = [f"{100 * m:.1f} ± {100 * s:.1f} %" if np.isfinite(m) else "diverges"
          for m, s in zip(table["accuracy"], table["accuracy_sd"], strict=True)]  # fmt: skip
    wide = _wide("source", table["source"].tolist(), [f"{size} images" for size in table["size"]], pm)
    return Section(
        "Equally many images of each",
        "Predicted accuracy on all validation images, trained on random images of one source alone (mean ± standard "
        f"deviation of {int(table['draws'].max())} draws).",
        wide,
    )


def _wide(head: str, rows: list[str], columns: list[str], cells: list[str]) -> pd.DataFrame:
    """A matrix of texts, rows and columns in the order in which they come; ``head`` stands above the rows' names."""
    known = dict(zip(zip(rows, columns, strict=True), cells, strict=True))
    names, across = list(dict.fromkeys(rows)), list(dict.fromkeys(columns))
    while head in across:
        head += " "
    return pd.DataFrame({head: names} | {each: [known.get((row, each), "too few") for row in names] for each in across})


_SECTIONS: dict[str, Callable[[pd.DataFrame], Section]] = {
    "worth": _worth, "ratios": _ratios, "classes": _classes, "groups": _groups, "pairs": _pairs, "teaches": _teaches,
    "batches": _batches, "equal": _equal,
}  # fmt: skip


def long(tables: Tables) -> pd.DataFrame:
    """Every number in one table: ``quantity``, ``source``, ``other`` (a source or a class), ``images``, ``value``, its
    interval ``low`` to ``high`` or its standard deviation ``spread``, and ``unit``."""
    parts = []
    for name, quantity, unit, *columns in LONG:
        if name in tables:
            names = ("source", "other", "images", "value", "low", "high", "spread")
            table = tables[name]
            part = {new: table[old] if old else "" if new == "other" else np.nan for new, old in
                    zip(names, columns, strict=True)}  # fmt: skip
            parts.append(pd.DataFrame(part, index=table.index).assign(unit=unit).assign(quantity=quantity))
    whole = pd.concat(parts, ignore_index=True)
    numbers = {each: whole[each].astype(float) for each in ("value", "low", "high", "spread")}
    whole = whole.assign(**numbers, images=whole["images"].astype("Int64"))
    return whole[["quantity", "source", "other", "images", "value", "low", "high", "spread", "unit"]]


def reasons(tables: Tables) -> list[str]:
    """Why some numbers are missing, each reason once."""
    found = [tables[name]["reason"] for name in ("groups", "pairs", "teaches") if name in tables]
    return [str(each) for each in dict.fromkeys(text for column in found for text in column) if each]
