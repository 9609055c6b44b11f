"""Which training images of a run deserve a second look, and the evidence for each: three tables, kept with the run.

``images``: a row per training image in the run's order: what the network that has not seen it says about its label,
how suspicious it is by each cause, and what relabelling or dropping it changes on the validation images, in closed form
(``review_effects``). ``neighbours``: the training images most alike with the given label, and with the suggested one.
``agreement``: rank correlations between the scores of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sampleinfo import targets, whatif
from sampleinfo.errors import InvalidRun, InvalidSetting, lookup
from sampleinfo.reports.agreement_matrix import score_agreement
from sampleinfo.reports.analysis import Analysis, Tables
from sampleinfo.reports.review_effects import Effects
from sampleinfo.reports.review_neighbours import nearest_of_class
from sampleinfo.scores.leave_one_out_margin import margins
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, FloatArray, IntArray, Reporter

if TYPE_CHECKING:
    from sampleinfo.decisions.verdicts import Verdict

NAME = "review"
#: The array of the outputs f_-i(x_i) of the network behind the suspicion of wrong labels.
HELD_OUT = "held_out"
#: Neighbours shown of each side.
NEIGHBOURS = 3
GIVEN, SUGGESTED = "given", "suggested"


@dataclass(frozen=True)
class Cause:
    """Why an image may be suspicious: ``name`` in tables, ``title`` and ``words`` for people.

    ``score`` is the column of a run that ranks by it, larger meaning more suspicious.
    """

    name: str
    title: str
    score: str
    words: str

    @property
    def rank(self) -> str:
        """The column of the ranks in ``images``."""
        return f"{self.name}_rank"


CAUSES = {
    each.name: each
    for each in (
        Cause(
            "mislabeled", "Mislabeled", "label_suspicion",
            "How far the given label is from what the network predicts that has not seen the image.",
        ),
        Cause(
            "corrupted", "Corrupted", "odd_pixels",
            "How unusual the sharpness, contrast, flatness and brightness of the image are.",
        ),
        Cause(
            "adversarial", "Adversarial", "adversarial_suspicion",
            "How far the given label is from that prediction, times how far what the network sees moves when the image "
            "is smoothed a little.",
        ),
    )
}  # fmt: skip


def find(name: str) -> Cause:
    """The cause called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("cause", name, CAUSES)


def suggestions(outputs: FloatArray, labels: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """(n,) predicted labels, the best label other than the given one, and the margin of the given one over that.

    Args:
        outputs: (n, k) of each image by a network that has not seen it; one output f stands for 1 - f and f.
        labels: (n,) given labels.
    """
    each = np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else np.array(outputs)
    each[np.arange(len(labels)), labels] = -np.inf
    best = each.argmax(axis=1)
    return targets.decode(outputs), np.asarray(best, dtype=np.int64), -margins(outputs, labels)


def ranks(scores: FloatArray) -> IntArray:
    """(n,) ranks from 1 for the largest; equal ones in the order of the rows."""
    found = np.empty(len(scores), dtype=np.int64)
    found[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return found


def most_suspicious(images: pd.DataFrame, cause: Cause, count: int) -> pd.DataFrame:
    """The first ``count`` rows of ``images`` by a cause."""
    return images.sort_values(cause.rank, kind="stable").head(count)


def evidence_for(tables: Mapping[str, pd.DataFrame], sample_id: str) -> tuple[pd.Series, pd.DataFrame]:
    """One image's row of ``images``, and its ``neighbours``.

    Raises:
        InvalidSetting: no training image of the run.
    """
    images, neighbours = tables["images"], tables["neighbours"]
    found = images[images["sample_id"] == sample_id]
    if found.empty:
        raise InvalidSetting(
            f"{sample_id!r} is no training image of this run; their ids look like {images['sample_id'].iloc[0]!r}."
        )
    return found.iloc[0], neighbours[neighbours["sample_id"] == sample_id].reset_index(drop=True)


def with_verdicts(images: pd.DataFrame, verdicts: Mapping[str, Verdict]) -> pd.DataFrame:
    """``images`` with what was decided: ``verdict`` (None where nothing was) and, where relabelled, ``new_class``."""
    found = [verdicts.get(name) for name in images["sample_id"]]
    kinds = pd.Series([None if each is None else each.kind for each in found], images.index, dtype=object)
    names = pd.Series([None if each is None else each.class_name for each in found], images.index, dtype=object)
    return images.assign(verdict=kinds, new_class=names)


def check(run: Run) -> None:
    """Refuse runs that lack the evidence.

    Raises:
        InvalidRun: made before there was a review.
        InvalidSetting: no validation images.
    """
    missing = [each.score for each in CAUSES.values() if each.score not in run.samples.columns]
    missing += [] if (run.path / f"{HELD_OUT}.npy").is_file() else [HELD_OUT]
    missing += [] if run.meta.get("suspicion") else ["suspicion"]
    if missing:
        raise InvalidRun(
            f"the run {run.id} lacks {', '.join(missing)}, which the review needs; score it again with this version."
        )
    if not int(run.meta["sizes"]["validation"]):
        raise InvalidSetting("relabelling and dropping are measured on validation images, and this run has none.")


def images_table(run: Run, report: Reporter) -> pd.DataFrame:
    """A row per training image."""
    samples, names = _training(run), np.array([str(each) for each in run.meta["dataset"]["class_names"]], dtype=object)
    labels = samples["label"].to_numpy(np.int64)
    predicted, suggested, margin = suggestions(np.array(run.array(HELD_OUT), dtype=np.float64), labels)
    table = pd.DataFrame({
        "sample_id": samples["sample_id"].astype(str), "class_name": names[labels],
        "source": samples["source"].astype(str), "predicted": names[predicted], "suggested": names[suggested],
        "margin": margin, "disagrees": predicted != labels,
    })  # fmt: skip
    for cause in CAUSES.values():
        table[cause.name] = samples[cause.score].to_numpy(np.float64)
        table[cause.rank] = ranks(table[cause.name].to_numpy())
    effects = Effects(whatif.fit_of(run))
    relabelled = effects.relabelled(targets.encode(suggested, len(names)))
    report(NAME, 0.4, 1)
    dropped = effects.left_out()
    report(NAME, 0.8, 1)
    for name, effect in (("relabel", relabelled), ("drop", dropped)):
        table[f"{name}_accuracy"], table[f"{name}_loss"] = effect.accuracy, effect.loss
    return table


def neighbours_table(run: Run, images: pd.DataFrame) -> pd.DataFrame:
    """The nearest training images of each, those with its label and those with the suggested one."""
    names = [str(each) for each in run.meta["dataset"]["class_names"]]
    ids, n = images["sample_id"].to_numpy(), len(images)
    features = np.array(run.array("embedding")[:n], dtype=np.float64)
    places = {name: place for place, name in enumerate(names)}
    given, suggested = (
        np.array([places[name] for name in images[each]], dtype=np.int64) for each in ("class_name", "suggested")
    )
    parts = []
    for side, wanted in ((GIVEN, given), (SUGGESTED, suggested)):
        rows, distances = nearest_of_class(features, given, wanted, NEIGHBOURS)
        part = pd.DataFrame({
            "row": np.repeat(np.arange(n), NEIGHBOURS), "sample_id": np.repeat(ids, NEIGHBOURS), "side": side,
            "place": np.tile(np.arange(1, NEIGHBOURS + 1), n), "neighbour": ids[rows.ravel()],
            "distance": distances.ravel(),
        })  # fmt: skip
        parts.append(part[rows.ravel() >= 0])
    return pd.concat(parts).sort_values("row", kind="stable", ignore_index=True).drop(columns="row")


def agreement_table(run: Run) -> pd.DataFrame:
    """Rank correlations of all pairs of the run's scores, in the order of the run; NaN where nothing can be ranked."""
    found = score_agreement(_training(run), list(run.scores))
    return _long(found.to_numpy(), list(found.columns))


def _long(values: FloatArray, names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({
        "first": np.repeat(np.array(names, dtype=object), len(names)), "second": list(names) * len(names),
        "correlation": values.ravel(),
    })  # fmt: skip


def matrix_of(agreement: pd.DataFrame) -> pd.DataFrame:
    """(S, S) the agreement as a matrix, the scores in their order."""
    names = list(dict.fromkeys(agreement["first"]))
    return agreement.pivot(index="first", columns="second", values="correlation").loc[names, names]


def _training(run: Run) -> pd.DataFrame:
    samples = run.samples
    return samples[samples["split"] == TRAIN].reset_index(drop=True)


def seconds(run: Run) -> float:
    """Expected seconds, on one core.

    Raises:
        InvalidRun, InvalidSetting: what ``check`` refuses.
    """
    check(run)
    run.check_kernel()
    sizes = run.meta["sizes"]
    n, m, k = (int(sizes[name]) for name in ("train", "validation", "outputs"))
    shared = k == 1 or bool(run.meta["kernel"].get("shared"))
    rows, outputs, columns = (n, k, m) if shared else (n * k, 1, n)
    if run.meta["training"]["steps"] is None:
        solving = 2e-11 * rows**2 * (rows + 4 * columns)
    else:
        solving = rows**2 * (1.3e-10 * rows + 6e-11 * n * outputs)
    return 1.0 + solving + 3e-8 * n * m * k + 5e-9 * n**2


def _compute(run: Run, report: Reporter) -> Tables:
    check(run)
    report(NAME, 0, 1)
    images = images_table(run, report)
    neighbours = neighbours_table(run, images)
    report(NAME, 0.95, 1)
    return {"images": images, "neighbours": neighbours, "agreement": agreement_table(run)}


ANALYSIS = Analysis(NAME, 1, ("images", "neighbours", "agreement"), seconds, _compute)
