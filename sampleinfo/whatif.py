"""What a finished run says about other training sets and labels: exact for its linearized network, nothing is trained.

The run keeps the kernel, so that every answer is a correction of the fit it came from (``linearized``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampleinfo import information, linearized, targets
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.evaluation import Evaluation, evaluate
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, IntArray


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
    """
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


def without(run: Run, sample_ids: Sequence[str]) -> Answer:
    """The run without these images."""
    fit = fit_of(run)
    return _answer(run, fit, fit.without(rows_of(run, sample_ids)))


def keep(run: Run, sample_ids: Sequence[str]) -> Answer:
    """The run with these images alone."""
    fit = fit_of(run)
    return _answer(run, fit, fit.keep(rows_of(run, sample_ids)))


def relabel(run: Run, sample_ids: Sequence[str], class_name: str) -> Answer:
    """The run with these images in another class.

    Raises:
        UnknownName: a class that the run does not have.
    """
    names = run.meta["dataset"]["class_names"]
    if class_name not in names:
        raise UnknownName("class", class_name, names)
    fit, rows = fit_of(run), rows_of(run, sample_ids)
    labels = np.full(len(rows), names.index(class_name), dtype=np.int64)
    return _answer(run, fit, fit.relabel(rows, targets.encode(labels, len(names))))


def _answer(run: Run, fit: Fit, changed: Fit) -> Answer:
    samples = run.samples
    sources = list(samples["source"][(samples["split"] != TRAIN).to_numpy()])
    weight, functional = information.between(fit, changed)
    return Answer(len(changed.kept), weight, functional, evaluate(fit, sources), evaluate(changed, sources))
