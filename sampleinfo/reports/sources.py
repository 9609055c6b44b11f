"""Which source is worth more? The sources of a run compared: image by image, as a whole, and as teachers of each other.

Tables (``TABLES``), one row per source, pair of sources, or cell of a matrix; numbers with ``_low`` and ``_high`` (or
``low``, ``high``) are followed by their interval, 95 % unless said otherwise:

- ``worth``: images, and mean and median F-SI of an image in nats; bootstrap over the images;
- ``ratios``: mean F-SI of an image of ``first`` over that of ``second``; the intervals of all pairs hold together;
- ``classes``: mean F-SI and number of the images of a class;
- ``groups``: F-SI of leaving out the whole source, given the others; bootstrap over the validation images;
- ``pairs``: F-SI(A u B) - F-SI(A) - F-SI(B), as ``information.Interaction``; bootstrap over the validation images;
- ``teaches``: accuracy (Wilson's interval) on the validation images of ``tested_on``, trained on ``trained_on`` alone;
- ``batches``: what random batches of ``size`` images add, given everything else; the middle 95 % of the draws;
- ``equal``: what random sets of ``size`` images of a source alone reach on all validation images; mean and standard
  deviation over the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from sampleinfo import whatif
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import evaluate_outputs
from sampleinfo.linearized import Fit
from sampleinfo.reports import source_values as values
from sampleinfo.reports.analysis import Analysis, Tables
from sampleinfo.reports.source_values import LEVEL, Parts
from sampleinfo.reports.sources_members import ALL, SHOWN, Member, members, sources_of
from sampleinfo.reports.truest import score_of
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, FloatArray, IntArray, Reporter

TABLES = ("worth", "ratios", "classes", "groups", "pairs", "teaches", "batches", "equal")
#: Those that only the scores of the images are needed for, so that two runs can share them.
OF_IMAGES = TABLES[:3]
#: Images of a batch at most, random batches, and random sets of one size.
BATCH, BATCHES, SETS = 100, 24, 20
SEED = 0
#: Columns that name a source.
_NAMES = ("source", "first", "second", "trained_on", "tested_on")
#: Million kernel rows cubed -> seconds on one core: by factorisations, and by eigendecompositions and poles.
_FACTORS, _POLES = 0.015, 0.2


@dataclass(frozen=True, eq=False)
class Compared:
    """The sources of a run that are compared, its network on parts of them, and the sources of its validation images.

    ``told`` is called with the share of the work that is done.
    """

    members: Sequence[Member]
    parts: Parts
    tested: np.ndarray
    told: Callable[[float], None]

    @property
    def fit(self) -> Fit:
        """Trained on everything."""
        return self.parts.fit

    @property
    def wanted(self) -> FloatArray:
        """(m, k) validation targets."""
        found = self.fit.whole.val_targets
        assert found is not None  # a run has them
        return found


def described(found: Sequence[Member], score: str) -> Tables:
    """The tables of ``OF_IMAGES``: what an image of each source is worth by ``score``, a column of every run."""
    return {"worth": _worth(found, score), "ratios": _ratios(found, score), "classes": _classes(found, score)}


def compare(fit: Fit, found: Sequence[Member], tested: np.ndarray, told: Callable[[float], None]) -> Tables:
    """The other tables: what the sources are worth as a whole. ``tested``: (m,) source of each validation image."""
    work = Compared(found, Parts(fit), tested, told)
    return {
        "groups": _groups(work), "pairs": _pairs(work), "teaches": _teaches(work), "batches": _batches(work),
        "equal": _equal(work),
    }  # fmt: skip


def restricted(tables: Tables, names: Sequence[str]) -> Tables:
    """The tables with these sources only, and with all of them together."""
    known = {*names, ALL}
    return {
        name: table[np.logical_and.reduce([table[column].isin(known) for column in _NAMES if column in table])]
        .reset_index(drop=True)
        for name, table in tables.items()
    }  # fmt: skip


def batch_size(found: Sequence[Member], member: Member) -> int:
    """Images of a batch: as many for every source shown first, so that they compare; at most half of any of them."""
    shown = [len(each.rows) // 2 for each in found[:SHOWN]]
    return max(1, min(BATCH, len(member.rows) // 2, *shown))


def seconds(run: Run) -> float:
    """How long comparing its sources takes on one core.

    Raises:
        InvalidSetting: the run has one source, or no kernel.
    """
    run.check_kernel()
    names = sources_of(run)
    if len(names) < 2:
        raise InvalidSetting(
            f"the run {run.id} has one source, {names[0] if names else 'none'!r}; score several as one data set, such "
            "as FIRST+SECOND, or compare it with another run."
        )
    sizes, how = run.meta["sizes"], run.meta.get("training", {})
    n = int(sizes["train"])
    size = n * (1 if run.meta["kernel"].get("shared") else int(sizes["outputs"])) / 1000
    found = members(run)
    count, batch = len(found), batch_size(found, found[0]) / n
    solves = 1 + count * (count + 3) / 2
    if how.get("steps") is None:
        return float(2 + _FACTORS * size**3 * (3 + solves + BATCHES * count * batch))
    return float(2 + _POLES * size**3 * (2 + solves + 4 * BATCHES * count * batch**2))


def _compute(run: Run, report: Reporter) -> Tables:
    found, samples = members(run), run.samples
    report("sources", 0, 1)
    tested = samples["source"].astype(str).to_numpy()[(samples["split"] != TRAIN).to_numpy()]
    tables = described(found, score_of(run).name)
    whole = compare(whatif.fit_of(run), found, tested, lambda share: report("sources", share, 1))
    return {**tables, **whole}


ANALYSIS = Analysis("sources", 1, TABLES, seconds, _compute)


def _worth(found: Sequence[Member], score: str) -> pd.DataFrame:
    rows = []
    for place, each in enumerate(found):
        nats = each.values(score)
        low, high = values.mean_interval(nats, (SEED, place))
        rows.append((each.label, len(nats), each.validation, nats.mean(), low, high, float(np.median(nats)), score))
    columns = ["source", "images", "validation", "mean", "low", "high", "median", "score"]
    return pd.DataFrame(rows, columns=columns)


def _ratios(found: Sequence[Member], score: str) -> pd.DataFrame:
    """Of every pair; the intervals hold together with 95 % (Bonferroni), so that the widest gap may be picked."""
    nats = {each.label: each.values(score) for each in found}
    drawn = {each.label: values.resampled_means(nats[each.label], (SEED, at)) for at, each in enumerate(found)}
    pairs = list(combinations(nats, 2))
    level, rows = 1 - (1 - LEVEL) / max(1, len(pairs)), []
    for pair in pairs:
        first, second = sorted(pair, key=lambda name: -nats[name].mean())
        few = min(len(nats[first]), len(nats[second])) < 2
        low, high = (np.nan, np.nan) if few else values.ratio_interval(drawn[first], drawn[second], level)
        below = float(nats[second].mean())
        rows.append((first, second, float(nats[first].mean()) / below if below > 0 else np.nan, low, high))
    return pd.DataFrame(rows, columns=["first", "second", "ratio", "low", "high"])


def _classes(found: Sequence[Member], score: str) -> pd.DataFrame:
    rows = []
    for each in found:
        nats, labels = each.values(score), each.run.samples["class_name"].astype(str).to_numpy()[each.rows]
        for name in each.run.meta["dataset"]["class_names"]:
            mine = nats[labels == str(name)]
            rows.append((each.label, str(name), len(mine), float(mine.mean()) if len(mine) else np.nan))
    return pd.DataFrame(rows, columns=["source", "class_name", "images", "mean"])


def _groups(work: Compared) -> pd.DataFrame:
    full, rows = evaluate_outputs(work.fit.val_outputs, work.wanted).overall, []
    for place, each in enumerate(work.members):
        size, reason = len(each.rows), ""
        numbers = [np.nan] * 5
        try:
            nats = work.parts.nats(each.rows)
            left = evaluate_outputs(work.parts.without(each.rows), work.wanted).overall
            numbers = [nats.mean(), *values.mean_interval(nats, (SEED, 1, place)), left.accuracy, left.loss]
        except InvalidSetting as error:
            reason = str(error)
        work.told(0.1 * (place + 1) / len(work.members))
        rows.append((each.label, size, *numbers[:3], numbers[0] / size, full.accuracy, numbers[3], full.loss,
                     numbers[4], reason))  # fmt: skip
    columns = ["source", "images", "functional", "low", "high", "per_image", "accuracy_full", "accuracy_without",
               "loss_full", "loss_without", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _pairs(work: Compared) -> pd.DataFrame:
    rows, pairs = [], list(combinations(work.members, 2))
    for place, (one, two) in enumerate(pairs):
        numbers, reason = [np.nan] * 4, ""
        try:
            both = work.parts.nats(np.concatenate([one.rows, two.rows]))
            more = both - work.parts.nats(one.rows) - work.parts.nats(two.rows)
            numbers = [both.mean(), more.mean(), *values.mean_interval(more, (SEED, 2, place))]
        except InvalidSetting as error:
            reason = str(error)
        work.told(0.1 + 0.2 * (place + 1) / len(pairs))
        rows.append((one.label, two.label, *numbers, reason))
    return pd.DataFrame(rows, columns=["first", "second", "together", "interaction", "low", "high", "reason"])


def _teaches(work: Compared) -> pd.DataFrame:
    """Rows: trained on each source alone, then on everything; columns: each source's validation images, then all."""
    rows: list[tuple[object, ...]] = []
    teachers = [(each.label, each.rows) for each in work.members]
    teachers.append((ALL, np.arange(len(work.fit.kept))))
    tested = [(each.label, np.asarray(work.tested == each.source)) for each in work.members]
    tested.append((ALL, np.ones(len(work.tested), dtype=bool)))
    for place, (teacher, images) in enumerate(teachers):
        outputs, reason = None, ""
        try:
            outputs = work.parts.on(images)
        except InvalidSetting as error:
            reason = str(error)
        work.told(0.3 + 0.1 * (place + 1) / len(teachers))
        for pupil, asked in tested:
            rows.append((teacher, len(images), pupil, int(asked.sum()), *_reached(work, outputs, asked), reason))
    columns = ["trained_on", "images", "tested_on", "count", "accuracy", "low", "high", "loss", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _reached(work: Compared, outputs: FloatArray | None, asked: np.ndarray) -> tuple[float, float, float, float]:
    """Accuracy with its interval, and loss; NaN where there is nothing to measure."""
    found = None if outputs is None else values.accuracy_on(outputs, work.wanted, asked)
    return (np.nan,) * 4 if found is None else (found.accuracy, *found.interval(), found.loss)


def _batches(work: Compared) -> pd.DataFrame:
    rows, steps = [], _steps(work.told, 0.4, 0.8, len(work.members) * BATCHES)
    for place, each in enumerate(work.members):
        size = batch_size(work.members, each)
        drawn = values.batch_worth(work.fit, each.rows, size, BATCHES, (SEED, 3, place), steps)
        numbers = [part for column in drawn.T for part in (column.mean(), *values.percentiles(column))]
        rows.append((each.label, size, BATCHES, *numbers))
    names = [name + end for name in ("loss_gain", "accuracy_gain", "functional") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["source", "size", "draws", *names])


def _equal(work: Compared) -> pd.DataFrame:
    everything = np.arange(len(work.fit.kept))
    sizes = values.sizes_alone(min(len(each.rows) for each in work.members[:SHOWN]))
    sets: list[tuple[str, IntArray]] = [(each.label, each.rows) for each in work.members] + [(ALL, everything)]
    rows, steps = [], _steps(work.told, 0.8, 1.0, len(sets) * SETS)
    for place, (name, images) in enumerate(sets):
        fitting = [size for size in sizes if size <= len(images)]
        drawn = values.random_alone(work.fit, images, fitting, SETS, (SEED, 4, place), steps)
        for at, size in enumerate(fitting):
            reached = drawn[:, at]
            mean, spread = reached.mean(axis=0), reached.std(axis=0, ddof=1)
            rows.append((name, size, SETS, mean[0], spread[0], mean[1], spread[1]))
    return pd.DataFrame(rows, columns=["source", "size", "draws", "accuracy", "accuracy_sd", "loss", "loss_sd"])


def _steps(told: Callable[[float], None], start: float, end: float, count: int) -> Callable[[], None]:
    """A function that tells of one more of ``count`` steps between two shares of the work."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        told(start + (end - start) * min(done, count) / count)

    return step
