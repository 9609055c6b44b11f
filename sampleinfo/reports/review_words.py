"""The review in plain words, on the page and on the command line alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from sampleinfo.reports.class_words import short_interval
from sampleinfo.reports.review import CAUSES

MARGIN = (
    "Margin: the output of the given class minus that of the best other one, by the network that has not seen the "
    "image; below 0 it predicts another class."
)
EFFECT = (
    "Relabelling gives the image the suggested class, dropping leaves it out: by how many more validation images are "
    "then predicted rightly, and how the mean validation loss moves (below 0 is better). In closed form, exact for the "
    "run's linearized network, each image alone: the effects of several do not simply add up."
)


def network_words(suspicion: Mapping[str, Any]) -> str:
    """The network behind the predictions, from ``run.meta["suspicion"]``."""
    error = float(suspicion["errors"][suspicion["kernel"]])
    return f"kernel: {suspicion['title']}, leave-one-out error {short_interval(error)}"


def conclusion(images: pd.DataFrame, suspicion: Mapping[str, Any], judged: Collection[str] = ()) -> str:
    """What the evidence supports, in plain text.

    Args:
        images: the table of the review.
        suspicion: ``run.meta["suspicion"]``.
        judged: the ids of images that have a verdict.
    """
    found = images[images["disagrees"]]
    what, network = _images(len(found), len(images)), network_words(suspicion)
    if found.empty:
        return (
            f"{what} predicted to be another class by the network that has not seen it ({network}): no label is "
            "contradicted."
        )
    them = "it" if len(found) == 1 else "them"
    first = f"{what} predicted to be another class by the network that has not seen {them} ({network})."
    return " ".join(filter(None, (first, _start(found, judged), _gains(found))))


def _images(some: int, of: int) -> str:
    """``37 of 400 training images are``."""
    return f"{some or 'None'} of {of} training images {'is' if some <= 1 else 'are'}"


def _start(found: pd.DataFrame, judged: Collection[str]) -> str:
    """Where to start, or how far the verdicts are."""
    done = int(found["sample_id"].isin(list(judged)).sum())
    if done == len(found):
        return "Every one of them has a verdict." if done > 1 else "It has a verdict."
    if done:
        others = "others" if len(found) - done > 1 else "other"
        return f"{done} of them {'has' if done == 1 else 'have'} a verdict; go on with the {others}."
    return "Start with these." if len(found) > 1 else "Start with it."


def _gains(found: pd.DataFrame) -> str:
    """For how many of them the suggested class is predicted to help."""
    better = int((found["relabel_loss"] < 0).sum())
    if len(found) == 1:
        return f"Relabelling it is predicted to {'lower' if better else 'raise'} the validation loss."
    which = "each" if better == len(found) else "none" if not better else str(better)
    return f"Relabelling is predicted to lower the validation loss for {which} of them, taken one by one."


def explained(row: pd.Series, train: int, validation: int) -> tuple[str, ...]:
    """The evidence for one image, a sentence each.

    Args:
        row: of the table ``images``.
        train, validation: how many images the run has of both.
    """
    suggested = row["suggested"]
    return (
        _prediction(row), _places(row, train),
        f"Relabelled as {suggested}: {_effect(row, 'relabel', validation)}",
        f"Dropped: {_effect(row, 'drop', validation)}",
    )  # fmt: skip


def _prediction(row: pd.Series) -> str:
    """What is predicted without the image, and how clearly."""
    given, by = row["class_name"], short_interval(abs(float(row["margin"])))
    if row["disagrees"]:
        return f"It is labelled {given}; the network that has not seen it predicts {row['predicted']}, by {by}."
    return f"It is labelled {given}, and the network that has not seen it agrees: {by} ahead of {row['suggested']}."


def _places(row: pd.Series, train: int) -> str:
    places = [f"{row[each.rank]} as {each.name}" for each in CAUSES.values()]
    return f"By suspicion it is number {', '.join(places[:-1])} and {places[-1]}, of {train} training images."


def more_right(row: pd.Series, change: str, validation: int) -> int:
    """How many more validation images are predicted rightly after ``change``: ``relabel`` or ``drop``."""
    return round(float(row[f"{change}_accuracy"]) * validation)


def _effect(row: pd.Series, change: str, validation: int) -> str:
    more, loss = more_right(row, change, validation), float(row[f"{change}_loss"])
    count = f"{abs(more)} {'more' if more > 0 else 'fewer'}" if more else "as many"
    verb = "is" if abs(more) == 1 else "are"
    moves = f"{'falls' if loss < 0 else 'rises'} by {short_interval(abs(loss))}" if loss else "stays"
    now = "" if more else " as now"
    return f"{count} of the {validation} validation images {verb} predicted rightly{now}, and their mean loss {moves}."


def effect_words(row: pd.Series, change: str, validation: int) -> str:
    """The same for a table: ``+2, loss −0.00012``."""
    more, loss = more_right(row, change, validation), float(row[f"{change}_loss"])
    images = f"{more:+d}".replace("-", "−") if more else "0"
    return f"{images}, loss {'+' * (loss > 0)}{short_interval(loss)}"
