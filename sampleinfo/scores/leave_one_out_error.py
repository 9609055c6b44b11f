"""Leave-one-out error: how wrong the network is about an image it was not trained on."""

import numpy as np

from sampleinfo.linearized import Fit
from sampleinfo.scores.base import LINEAR, SUSPICION, Score
from sampleinfo.types import FloatArray


def leave_one_out_error(fit: Fit) -> FloatArray:
    """(n,) norms ||y_i - f_-i(x_i)|| of the errors of the network trained without sample i (``linearized``)."""
    return np.asarray(np.linalg.norm(fit.leave_each_out().errors, axis=1))


SCORE = Score(
    name="leave_one_out_error",
    title="Leave-one-out error",
    unit="output units",
    sentence="How far the prediction for this image is from its label when the network has not seen it: "
    "large values point to odd or mislabeled images.",
    assumes=LINEAR,
    compute=lambda evidence: leave_one_out_error(evidence.fit),
    kind=SUSPICION,
)
