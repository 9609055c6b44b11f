"""Validations of a run: what real retraining did, beside what was estimated. Each is a folder inside the run's.

``validation.json`` (settings, agreements, timings), ``removals.parquet`` (one row per sample left out) and
``sets.parquet`` (one row per set left out). Free of torch: pages read them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from sampleinfo import planning
from sampleinfo.agreement import LEAST, Agreement
from sampleinfo.config import REAL_STEPS
from sampleinfo.errors import InvalidSetting
from sampleinfo.settling import find_model
from sampleinfo.store import Run, config_of, read_table, recipe_words
from sampleinfo.trainings import differences, is_descent, own_recipe

FORMAT = 1
FOLDER, SUMMARY, REMOVALS_FILE, SETS_FILE = "validations", "validation.json", "removals.parquet", "sets.parquet"
WEIGHTS, PREDICTIONS, ACCURACY, LOSS = "weights", "predictions", "accuracy", "loss"
#: What agreements are about, with the column that an estimate and the truth have in the tables.
KINDS = {WEIGHTS: "weight", PREDICTIONS: "functional", ACCURACY: "accuracy_change", LOSS: "loss_change"}
#: Iterations of conjugate gradients for each image, at most.
ITERATIONS = 100
#: Steps of training that solving for one image usually costs: some ten iterations.
SOLVING = 30
RUN, MATCHED, ALONG, INFLUENCE, TRUE = "run", "matched", "along", "influence", "true"


CHOICES = ("stratified", "random", "all")


@dataclass(frozen=True)
class Request:
    """What to validate: how the real network is trained, and what is left out of it.

    ``steps``, ``lr``, ``ridge``, ``batch_size``: None takes those of the run where it has them; else 100 steps, a
    quarter of the largest stable rate, the run's ridge, and full batches. ``removals`` training images, chosen
    ``stratified`` by score, at ``random``, or ``all``; the first so many of ``SETS``; ``influence``: solve for
    influence functions too. ``segments``: see ``RunConfig``.

    Raises:
        InvalidSetting: a value outside its range.
    """

    removals: int = 24
    choose: str = "stratified"
    sets: int = 6
    influence: bool = True
    steps: int | None = None
    lr: float | None = None
    ridge: float | None = None
    batch_size: int | None = None
    segments: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.choose not in CHOICES:
            raise InvalidSetting(f"choose must be one of {', '.join(CHOICES)}; got {self.choose!r}.")
        if self.removals < LEAST:
            raise InvalidSetting(f"a correlation needs at least {LEAST} removals, got {self.removals}.")
        if not 0 <= self.sets <= len(SETS):
            raise InvalidSetting(f"sets must be between 0 and {len(SETS)}, got {self.sets}.")
        for name in ("steps", "batch_size", "segments"):
            value, words = getattr(self, name), name.replace("_", " ")
            if value is not None and value < 1:
                raise InvalidSetting(f"{words} must be at least 1, got {value}.")
        if self.lr is not None and not (math.isfinite(self.lr) and self.lr > 0):
            raise InvalidSetting(f"lr must be a finite number above 0, got {self.lr}.")
        if self.ridge is not None and not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise InvalidSetting(f"ridge must be a finite number, 0 or above; got {self.ridge}.")

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return asdict(self)


#: Sets that are left out: the share of the training images, and which of them.
SETS = ((0.1, "most"), (0.1, "random"), (0.1, "least"), (0.3, "most"), (0.3, "random"), (0.3, "least"),
        (0.5, "most"), (0.5, "random"), (0.5, "least"), (0.7, "random"))  # fmt: skip


@dataclass(frozen=True)
class Method:
    """A way to estimate what leaving samples out does; ``sentence`` says what it assumes."""

    title: str
    sentence: str


METHODS = {
    RUN: Method(
        "Closed form, as this run's scores",
        "Assumes that the network stays so near its initial weights that it is linear in them, and is trained as the "
        "run says.",
    ),
    MATCHED: Method(
        "Closed form, trained as long",
        "The same linear network, stopped after as many full-batch steps at the same rate as the real one.",
    ),
    ALONG: Method(
        "Along the training",
        "Follows one real training run and assumes that leaving samples out bends its path only a little.",
    ),
    INFLUENCE: Method(
        "Influence function",
        "First order at the end of the training: what an infinitely small weight on the sample would do, scaled up "
        "(Koh and Liang 2017).",
    ),
}


def plan(run: Run, request: Request) -> tuple[dict[str, float], float]:
    """Expected seconds per stage, and in all.

    Raises:
        SampleInfoError: a request that this run does not allow.
    """
    run.check_kernel()
    config, sizes = config_of(run), run.meta["sizes"]
    n = int(sizes["train"])
    if request.choose != "all" and request.removals > n:
        raise InvalidSetting(f"the run has {n} training images, {request.removals} cannot be left out of it in turn.")
    known = own_recipe(run)
    steps = request.steps or (known["steps"] if is_descent(run) else REAL_STEPS)
    batch = request.batch_size or known["batch_size"] or n
    spec, removals = find_model(config), n if request.choose == "all" else request.removals
    once = steps * planning.step_seconds(spec, batch)
    real = planning.along_stages(
        config, steps, batch, request.segments, (n, int(sizes["validation"])), int(sizes["outputs"])
    )
    stages = {
        "images": 12.0, "features": 1.0, **real,
        "retraining": once * (removals + sum(1 - share for share, _ in SETS[: request.sets])),
        "influence": SOLVING * removals * planning.step_seconds(spec, n) * request.influence, "writing": 1.0,
    }  # fmt: skip
    return stages, sum(stages.values())


@dataclass(frozen=True, eq=False)
class Validation:
    """A finished validation. ``meta`` is validation.json."""

    path: Path
    meta: dict[str, Any]

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @cached_property
    def removals(self) -> pd.DataFrame:
        """One row per sample that was left out: ``sample_id``, ``true_weight`` and ``true_functional`` (nats), and the
        same for every estimate.

        Raises:
            InvalidRun: the table is missing or damaged.
        """
        return read_table("validation", self.path, REMOVALS_FILE)

    @cached_property
    def sets(self) -> pd.DataFrame:
        """One row per set that was left out: ``name``, ``size``, ``true_accuracy``, ``true_loss`` and the changes
        ``true_accuracy_change``, ``true_loss_change``, ``true_functional``, ``true_weight``, and the same for every
        estimate that sets have.

        Raises:
            InvalidRun: the table is missing or damaged.
        """
        return read_table("validation", self.path, SETS_FILE)

    @property
    def methods(self) -> list[str]:
        """The estimates that were compared, in the order of ``METHODS``."""
        return [name for name in METHODS if name in self.meta["agreement"]]

    def agreement(self, method: str, kind: str) -> Agreement | None:
        """How well ``method`` agrees with retraining; None where it says nothing about that."""
        found = self.meta["agreement"].get(method, {}).get(kind)
        return None if found is None else Agreement.from_dict(found)


def folder(run: Run) -> Path:
    """Where the validations of a run are kept."""
    return run.path / FOLDER


def list_validations(run: Run) -> list[Validation]:
    """The readable validations of a run, newest first."""
    place = folder(run)
    found = [_open(path) for path in place.iterdir()] if place.is_dir() else []
    return sorted((each for each in found if each), key=lambda each: str(each.meta["created"]), reverse=True)


def _open(path: Path) -> Validation | None:
    try:
        meta = json.loads((path / SUMMARY).read_text())
    except (OSError, ValueError):
        return None
    if path.suffix == ".partial" or not isinstance(meta, dict) or meta.get("format") != FORMAT:
        return None
    return Validation(path, meta)


def trusted(run: Run) -> Validation | None:
    """The validation that a run's badge rests on: one of the run's own training before others, the one with the most
    removals of these, the newest of those."""
    return max(list_validations(run), key=lambda each: (_own(run, each), int(each.meta["removals"])), default=None)


def _own(run: Run, known: Validation) -> bool:
    """Whether the real training was the one that the run's scores are of."""
    return not differences(run, known.meta["recipe"])


@dataclass(frozen=True)
class Badge:
    """How true the scores of a run are, in a few words: ``level`` is none, weak, fair or good."""

    words: str
    level: str
    help: str


NOT_VALIDATED = Badge(
    "not validated", "none",
    "No real retraining has been set beside these scores yet: the Validate page, or 'sampleinfo validate', does so.",
)  # fmt: skip
#: Pearson correlations from which on an estimate counts as good and as fair.
GOOD, FAIR = 0.95, 0.8


def badge(run: Run, method: str = RUN, kind: str = PREDICTIONS) -> Badge:
    """What the run's scores of ``kind`` rest on: the correlation of ``method`` with real retraining, or nothing yet."""
    known = trusted(run)
    if known is None or (method == ALONG and not _own(run, known)):  # there it is of another recorded run
        return NOT_VALIDATED
    return badge_of(known, method, kind)


def badge_of(known: Validation, method: str, kind: str = PREDICTIONS) -> Badge:
    """The same by one validation."""
    found = known.agreement(method, kind)
    if found is None or found.pearson is None or found.pearson_interval is None:
        return NOT_VALIDATED
    low, high = found.pearson_interval
    words = f"{found.count} retrainings, {kind} r = {short(found.pearson)} [{short(low)}, {short(high)}]"
    level = "good" if low >= FAIR and found.pearson >= GOOD else "fair" if found.pearson >= FAIR else "weak"
    return Badge(
        words, level,
        f"{METHODS[method].title}: Pearson correlation of the nats with those of {found.count} real retrainings "
        f"({recipe_words(known.meta['recipe'])}), with its 95 % bootstrap interval.",
    )  # fmt: skip


def short(correlation: float) -> str:
    """A correlation with two digits and without the zero: .97, -.12, 1.00."""
    text = f"{correlation:.2f}"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def badges(run: Run) -> str:
    """What all scores of a run rest on, in a few words."""
    found = {name: badge(run, name) for name in ((ALONG, RUN) if run.meta.get("along") else (RUN,))}
    if all(each is NOT_VALIDATED for each in found.values()):
        return f"{NOT_VALIDATED.words}; 'sampleinfo validate {run.id}' retrains for real"
    return "; ".join(f"{METHODS[name].title.lower()}: {each.words}" for name, each in found.items())
