"""A table for cleanlab: the label of every image, and the probability of each class where it was left out.

    table = pandas.read_csv("summary.csv")
    probabilities = table.filter(regex="^probability_").to_numpy()
    find_label_issues(labels=table["given_label"].to_numpy(), pred_probs=probabilities)
    Datalab(data=table[["sample_id", "given_label"]], label_name="given_label").find_issues(pred_probs=probabilities)

``probability_0``, ... are out of sample: for a training image of the linearized network trained on all others, for a
validation image of the one trained on every training image. Outputs of the squared loss are no probabilities; they are
the nearest ones (projected onto the simplex), with the same class in front.

Where labels are corrected, ``given_label`` holds the corrected ones, and ``given_class_name`` the classes of the run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sampleinfo import whatif
from sampleinfo.exports.selection import Selection
from sampleinfo.store import Run
from sampleinfo.types import FloatArray


def write(selection: Selection, target: Path) -> None:
    """The table.

    Raises:
        InvalidRun: an array of the run is missing or damaged.
    """
    table = selection.table.rename(columns={"label": "given_label"})
    for label, values in enumerate(probabilities(selection.run)[selection.rows].T):
        table[f"probability_{label}"] = values
    table.to_csv(target, index=False, errors="backslashreplace")


def probabilities(run: Run) -> FloatArray:
    """(N, classes) out-of-sample probabilities for every row of ``run.samples``.

    Raises:
        InvalidRun: an array of the run is missing or damaged.
    """
    outputs = _outputs(run)
    return nearest(np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs)


def nearest(outputs: FloatArray) -> FloatArray:
    """(n, c) the points of the simplex nearest to (n, c) outputs (Held, Wolfe and Crowder 1974)."""
    falling = -np.sort(-outputs, axis=1)
    excess = (np.cumsum(falling, axis=1) - 1) / np.arange(1, outputs.shape[1] + 1)
    support = np.sum(falling > excess, axis=1)
    found = np.maximum(outputs - excess[np.arange(len(outputs)), support - 1][:, None], 0)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _outputs(run: Run) -> FloatArray:
    """(N, k) leave-one-out outputs of the training images, then outputs of the validation images."""
    fit = whatif.fit_of(run)
    wanted = fit.whole.targets
    assert wanted is not None  # a run's fit has them
    return np.concatenate([wanted - fit.leave_each_out().errors, fit.val_outputs])
