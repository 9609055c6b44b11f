"""What a finished run says about other training sets and labels; nothing is trained.

The run keeps the kernel, so that every answer is a correction of the fit it came from, exact for its linearized network
(``linearized``); a run along the training keeps the recorded run, and answers from that (``unrolled``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampleinfo import information, linearized, targets, unrolled
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.evaluation import Evaluation, evaluate, evaluate_outputs
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.recipe import Recipe
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, FloatArray, IntArray
from sampleinfo.unrolled import Changes, Record, Segments


@dataclass(frozen=True)
class Answer:
    """What the run reaches on its validation images as it is (``now``) and after the change (``then``).

    ``weight`` and ``functional`` are the nats between the two; ``kept`` counts the training images after the change.
    """

    kept: int
    weight: float
    functional: float
    now: Evaluation
    then: Evaluation


def fit_of(run: Run) -> Fit:
    """The fit that the run's scores came from.

    Raises:
        InvalidRun: an array is missing or damaged.
        InvalidSetting: a run without a kernel.
    """
    run.check_kernel()
    gram, cross, residual, outputs, coefficients = (
        np.array(run.array(name)) for name in ("gram", "cross", "residual", "val_outputs", "coefficients")
    )
    samples, classes = run.samples, len(run.meta["dataset"]["class_names"])
    encoded = targets.encode(samples["label"].to_numpy(np.int64), classes)
    train = (samples["split"] == TRAIN).to_numpy()
    moved = cross @ coefficients.reshape(cross.shape[1], -1)
    initial = outputs - moved.reshape(outputs.shape)
    how = run.meta["training"]
    training = Training(how["steps"], how["lr"], run.meta["ridge"]["value"], how["continuous"])
    return linearized.fit(Problem(gram, cross, residual, initial, encoded[~train], encoded[train]), training)


def rows_of(run: Run, sample_ids: Sequence[str]) -> IntArray:
    """The training rows of these images, as ``Fit.without`` counts them.

    Raises:
        InvalidSetting: an id that the run does not have, a validation image, or an id given twice.
    """
    samples = run.samples
    rows = {name: row for row, name in enumerate(samples["sample_id"])}
    splits = samples["split"].to_numpy()
    found = []
    for name in sample_ids:
        if name not in rows:
            raise InvalidSetting(
                f"Unknown image {name!r}; the ids of this run look like {samples['sample_id'].iloc[0]!r}."
            )
        if splits[rows[name]] != TRAIN:
            raise InvalidSetting(f"{name} is a validation image; what-if questions are about training images.")
        found.append(rows[name])
    if len(set(found)) != len(found):
        raise InvalidSetting("an image is given twice.")
    return np.asarray(found, dtype=np.int64)


def targets_in(run: Run, class_name: str, count: int) -> FloatArray:
    """(count, k) targets of images in a class.

    Raises:
        UnknownName: a class that the run does not have.
    """
    names = run.meta["dataset"]["class_names"]
    if class_name not in names:
        raise UnknownName("class", class_name, names)
    return targets.encode(np.full(count, names.index(class_name), dtype=np.int64), len(names))


def without(run: Run, sample_ids: Sequence[str]) -> Answer:
    """The run without these images."""
    rows = rows_of(run, sample_ids)
    if run.meta.get("along"):
        return _left_out(run, rows)
    fit = fit_of(run)
    return _answer(run, fit, fit.without(rows))


def keep(run: Run, sample_ids: Sequence[str]) -> Answer:
    """The run with these images alone."""
    rows = rows_of(run, sample_ids)
    if run.meta.get("along"):
        return _left_out(run, np.setdiff1d(np.arange(run.meta["sizes"]["train"]), rows))
    fit = fit_of(run)
    return _answer(run, fit, fit.keep(rows))


def relabel(run: Run, sample_ids: Sequence[str], class_name: str) -> Answer:
    """The run with these images in another class.

    Raises:
        UnknownName: a class that the run does not have.
    """
    wanted = targets_in(run, class_name, len(sample_ids))
    rows = rows_of(run, sample_ids)
    if run.meta.get("along"):
        record, segments = recorded_of(run)
        shift = np.zeros((record.n, record.k))
        labels = run.samples["label"].to_numpy(np.int64)[rows]
        shift[rows] = wanted - targets.encode(labels, len(run.meta["dataset"]["class_names"]))
        return _followed(run, record.n, unrolled.relabel(record, segments, shift))
    fit = fit_of(run)
    return _answer(run, fit, fit.relabel(rows, wanted))


def recorded_of(run: Run) -> tuple[Record, Segments]:
    """The recorded training run of a run along the training, and its kernels.

    Raises:
        InvalidRun: an array is missing or damaged.
    """
    gram, cross, residuals = (np.array(run.array(f"along_{name}")) for name in ("gram", "cross", "residuals"))
    facts = run.meta["along"]
    record = Record(Recipe(**facts["recipe"]), int(run.meta["sizes"]["train"]), residuals)
    return record, Segments(gram, cross, int(facts["segments"]["count"]))


def _left_out(run: Run, rows: IntArray) -> Answer:
    record, segments = recorded_of(run)
    if len(rows) >= record.n:
        raise InvalidSetting("nothing would be left to train on; keep at least one image.")
    return _followed(run, record.n - len(rows), unrolled.leave_out(record, segments, [rows]))


def _followed(run: Run, kept: int, changes: Changes) -> Answer:
    """From the outputs of the real training run."""
    samples = run.samples
    held_out = (samples["split"] != TRAIN).to_numpy()
    labels = samples["label"].to_numpy(np.int64)[held_out]
    wanted = targets.encode(labels, len(run.meta["dataset"]["class_names"]))
    now, sources = np.array(run.array("along_outputs")), list(samples["source"][held_out])
    return Answer(
        kept, float(changes.weight_information()[0]), float(changes.functional_information()[0]),
        evaluate_outputs(now, wanted, sources), evaluate_outputs(now - changes.val_change[:, :, 0], wanted, sources),
    )  # fmt: skip


def _answer(run: Run, fit: Fit, changed: Fit) -> Answer:
    samples = run.samples
    sources = list(samples["source"][(samples["split"] != TRAIN).to_numpy()])
    weight, functional = information.between(fit, changed)
    return Answer(len(changed.kept), weight, functional, evaluate(fit, sources), evaluate(changed, sources))
