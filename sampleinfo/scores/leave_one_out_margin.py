"""Leave-one-out margin: by how much another class beats the given label when the network has not seen the image.

With the outputs f_-i(x_i) of the network trained without sample i (``linearized``) and its label y,

    k outputs                     max_{c != y} f_-i,c(x_i) - f_-i,y(x_i)
    one output, 0/1 target        (1 - 2 y) (2 f_-i(x_i) - 1),

the second being the first for the two outputs 1 - f and f. Above 0 the network contradicts the label. Confident
learning prunes by the same margin, of cross-validated probabilities (Northcutt, Jiang and Chuang, "Confident learning:
estimating uncertainty in dataset labels", JAIR 2021: pruning by noise rate).
"""

import numpy as np

from sampleinfo.errors import InvalidSetting
from sampleinfo.scores.base import LINEAR, SUSPICION, Evidence, Score
from sampleinfo.types import FloatArray, IntArray


def leave_one_out_margin(evidence: Evidence) -> FloatArray:
    """(n,) output of the best other class minus that of the label, both without the image.

    Raises:
        InvalidSetting: a problem that was made without ``targets``.
    """
    known, labels = evidence.fit.leave_each_out(), evidence.labels
    if known.problem.targets is None:
        raise InvalidSetting("the margin needs the training targets; make the problem with Problem(..., targets=Y).")
    return margins(known.problem.targets - known.errors, labels)


def margins(outputs: FloatArray, labels: IntArray) -> FloatArray:
    """(n,) the best other output minus that of the label, of outputs (n, k)."""
    if outputs.shape[1] == 1:
        return np.asarray((1 - 2 * labels) * (2 * outputs[:, 0] - 1), dtype=np.float64)
    rows, others = np.arange(len(labels)), outputs.copy()
    others[rows, labels] = -np.inf
    return np.asarray(others.max(axis=1) - outputs[rows, labels])


SCORE = Score(
    name="leave_one_out_margin",
    title="Leave-one-out margin",
    unit="output units",
    sentence="By how much another class beats this image's label when the network has not seen the image: above zero "
    "the network contradicts the label.",
    assumes=LINEAR,
    compute=leave_one_out_margin,
    kind=SUSPICION,
    signed=True,
)
