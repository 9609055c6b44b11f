"""Which classes of a run need more images, and which groups inside them: three tables, kept with the run.

``classes``: a row per class, the one that needs images most first. ``groups``: a row per group of alike images inside
a class (``groups.find``). ``members``: a row per training image, with its group and its place from the group's centre.
The needs are closed form on the kernel of the run (``class_needs``); what the words mean stands in ``class_judgement``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import whatif
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import Accuracy
from sampleinfo.linearized import Fit
from sampleinfo.reports import class_judgement, groups
from sampleinfo.reports.analysis import Analysis, Tables
from sampleinfo.reports.class_needs import DRAWS, Interval, cost, mean_interval, ratio_interval, share_intervals
from sampleinfo.reports.truest import score_of
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, FloatArray, IntArray, Reporter

NAME = "classes"
#: Share of a class, and of a group, that is left out at random.
CLASS_SHARE, GROUP_SHARE = 0.2, 0.5
#: Validation images nearest to a group from which on its need is measured on them alone.
NEAREST = 5
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is asked: n training and m validation images of ``names`` classes.

    ``labels``: (n + m,); ``nats``: (n,) F-SI; ``right``: (n + m,) whether the prediction is right, of training images
    when left out; ``features``: (n + m, d).
    """

    fit: Fit
    names: tuple[str, ...]
    labels: IntArray
    nats: FloatArray
    right: FloatArray
    features: FloatArray

    @property
    def n(self) -> int:
        """Training images."""
        return len(self.nats)

    def training(self, label: int) -> IntArray:
        """Training rows of a class."""
        return np.flatnonzero(self.labels[: self.n] == label)

    def validation(self, label: int) -> IntArray:
        """Validation images of a class, counted from 0."""
        return np.flatnonzero(self.labels[self.n :] == label)


def evidence_of(run: Run) -> Evidence:
    """What a finished run knows.

    Raises:
        InvalidRun: an array is missing or damaged.
    """
    samples = run.samples
    n = int((samples["split"] == TRAIN).sum())
    right = (samples["predicted"] == samples["class_name"]).to_numpy().astype(np.float64)
    return Evidence(
        whatif.fit_of(run), tuple(str(each) for each in run.meta["dataset"]["class_names"]),
        samples["label"].to_numpy(np.int64), samples[score_of(run).name].to_numpy(np.float64)[:n], right,
        np.array(run.array("embedding"), dtype=np.float64),
    )  # fmt: skip


def classes_table(known: Evidence, report: Reporter) -> pd.DataFrame:
    """A row per class, the greatest need first."""
    shares = share_intervals(known.nats, known.labels[: known.n], len(known.names))
    rows = []
    for label, name in enumerate(known.names):
        training, validation = known.training(label), known.validation(label)
        row: dict[str, Any] = {"label": label, "class_name": name, "train": len(training),
                               "validation": len(validation), "share": len(training) / known.n}  # fmt: skip
        row |= _interval("information_share", shares[label]) | _distribution(known.nats[training])
        row |= _accuracy("leave_one_out", known.right[training])
        row |= _accuracy("validation", known.right[known.n + validation])
        rows.append(row | _class_need(known, training, validation))
        report(NAME, 0.5 * (label + 1) / len(known.names), 1)
    table = pd.DataFrame(rows)
    needs = [table[name].to_numpy(np.float64) for name in ("need", "need_low", "need_high")]
    table["rank_low"], table["rank_high"] = _ranks(*needs)
    table["under_sampled"] = class_judgement.under_sampled(
        needs[0], needs[1], table["share"].to_numpy(), table["information_share_low"].to_numpy()
    )
    return table.sort_values("need", ascending=False, kind="stable", na_position="last", ignore_index=True)


def _ranks(need: FloatArray, low: FloatArray, high: FloatArray) -> tuple[IntArray, IntArray]:
    """Rank ranges of the classes whose need is known; 0 for the others."""
    known = np.isfinite(need)
    best, worst = np.zeros(len(need), dtype=np.int64), np.zeros(len(need), dtype=np.int64)
    best[known], worst[known] = class_judgement.rank_ranges(low[known], high[known])
    return best, worst


def _class_need(known: Evidence, training: IntArray, validation: IntArray) -> dict[str, Any]:
    if not (len(training) and len(validation)) or len(training) == known.n:
        empty = Interval(np.nan, np.nan, np.nan)
        return {"removed": 0} | _interval("rise", empty) | _interval("fall", empty) | _interval("need", empty)
    found = cost(known.fit, training, validation, CLASS_SHARE)
    return (
        {"removed": found.removed} | _interval("rise", found.rise()) | _interval("fall", found.fall())
        | _interval("need", found.need())
    )  # fmt: skip


def _interval(name: str, found: Interval) -> dict[str, float]:
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def _distribution(nats: FloatArray) -> dict[str, float]:
    """Sum, mean and quantiles of F-SI."""
    if not len(nats):
        return {"information": 0.0, "mean": np.nan} | {f"q{round(100 * each):02d}": np.nan for each in QUANTILES}
    cuts = np.quantile(nats, QUANTILES)
    places = {f"q{round(100 * each):02d}": float(cut) for each, cut in zip(QUANTILES, cuts, strict=True)}
    return {"information": float(nats.sum()), "mean": float(nats.mean())} | places


def _accuracy(name: str, right: FloatArray) -> dict[str, float]:
    """Share of right predictions with Wilson's interval."""
    if not len(right):
        return _interval(name + "_accuracy", Interval(np.nan, np.nan, np.nan))
    found = Accuracy(len(right), float(right.mean()), 0.0)
    return _interval(name + "_accuracy", Interval(found.accuracy, *found.interval()))


def groups_tables(known: Evidence, report: Reporter) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per group, and a row per training image."""
    rows, members = [], []
    for label, name in enumerate(known.names):
        training, validation = known.training(label), known.validation(label)
        if len(training):
            features = known.features[: known.n][training], known.features[known.n :][validation]
            found = groups.find(*features, seed=label)
            facts = {"label": label, "class_name": name}
            rows += [facts | _group(known, found, number, training, validation) for number in range(found.count)]
            members.append(_members(known, found, label, training))
        report(NAME, 0.5 + 0.5 * (label + 1) / len(known.names), 1)
    return pd.DataFrame(rows), pd.concat(members, ignore_index=True).sort_values("row", ignore_index=True)


def _group(
    known: Evidence, found: groups.Grouping, number: int, training: IntArray, validation: IntArray
) -> dict[str, Any]:
    """What is known of one group; its need on the validation images of the class that are nearest to it.

    ``nearest``: the share of the validation images of the class that are; ``class_need``: the need, spread over all
    validation images of the class.
    """
    inside = found.members == number
    mine, others = known.nats[training[inside]], known.nats[training[~inside]]
    mean, ratio = mean_interval(mine), ratio_interval(mine, others)
    nearest = validation[found.others == number]
    few = len(nearest) < NEAREST
    images = validation if few else nearest
    size = int(inside.sum())
    need, validated = Interval(np.nan, np.nan, np.nan), max(1, len(validation))
    if len(images) and known.n > max(1, round(GROUP_SHARE * size)):
        need = cost(known.fit, training[inside], images, GROUP_SHARE).need()
    word = class_judgement.group_word(size, len(training), ratio.low, found.count)
    return (
        {"group": number + 1, "size": size, "share_of_class": size / len(training)} | _interval("mean", mean)
        | _interval("ratio", ratio) | _interval("need", need)
        | {"measured_on": "class" if few else "group", "validation": len(images), "nearest": len(nearest) / validated,
           "class_need": need.mean * len(images) / validated, "verdict": word}
    )  # fmt: skip


def _members(known: Evidence, found: groups.Grouping, label: int, training: IntArray) -> pd.DataFrame:
    """``place``: 0 for the image nearest to the centre of its group."""
    place = np.empty(len(training), dtype=np.int64)
    for number in range(found.count):
        inside = np.flatnonzero(found.members == number)
        place[inside[np.argsort(found.distances[inside], kind="stable")]] = np.arange(len(inside))
    return pd.DataFrame({
        "row": training, "label": label, "group": found.members + 1, "place": place, "nats": known.nats[training],
    })  # fmt: skip


def seconds(run: Run) -> float:
    """Expected seconds, on one core; three groups per class are reckoned with.

    Raises:
        InvalidSetting: no validation images, or no kernel.
    """
    run.check_kernel()
    sizes = run.meta["sizes"]
    n, k, classes = int(sizes["train"]), int(sizes["outputs"]), len(run.meta["dataset"]["class_names"])
    if not int(sizes["validation"]):
        raise InvalidSetting("the need of classes is measured on validation images, and this run has none.")
    rows = n if run.meta["kernel"].get("shared") else n * k
    slow = 1.0 if run.meta["training"]["steps"] is None else 20.0
    removed = CLASS_SHARE * rows / classes
    once = 3e-4 + slow * 4e-10 * rows * removed * (k * n / rows + 2) + 2e-10 * removed**3
    return 1.0 + 1e-10 * slow * rows**3 + 4 * DRAWS * classes * once + classes * (0.2 + 0.001 * n / classes)


def _compute(run: Run, report: Reporter) -> Tables:
    report(NAME, 0, 1)
    known = evidence_of(run)
    classes = classes_table(known, report)
    found, members = groups_tables(known, report)
    members.insert(1, "sample_id", run.samples["sample_id"].astype(str).to_numpy()[members["row"]])
    place = {label: number for number, label in enumerate(classes["label"])}
    order = found["label"].map(place).sort_values(kind="stable").index
    return {"classes": classes, "groups": found.loc[order].reset_index(drop=True), "members": members}


ANALYSIS = Analysis(NAME, 1, ("classes", "groups", "members"), seconds, _compute)
