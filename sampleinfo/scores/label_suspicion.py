"""Label suspicion: how far the given label is from what the best network says that has not seen the image.

The leave-one-out error ||y_i - f_-i(x_i)|| as in ``leave_one_out_error``, but of the kernel and the ridge that have the
least of it over all images (``held_out``), instead of the run's own.
"""

import numpy as np

from sampleinfo.scores.base import SUSPICION, Score
from sampleinfo.scores.held_out import HeldOut
from sampleinfo.types import FloatArray


def label_suspicion(held_out: HeldOut) -> FloatArray:
    """(n,) norms of the errors, in units of the outputs."""
    return np.asarray(np.linalg.norm(held_out.targets - held_out.outputs, axis=1))


SCORE = Score(
    name="label_suspicion",
    title="Label suspicion",
    unit="output units",
    sentence="How far the prediction for this image is from its label, by the network that has not seen it and that "
    "predicts unseen images best: large values point to wrong labels.",
    assumes="Trains a linear model without each image, on whichever of several kernels errs least; instant.",
    compute=lambda evidence: label_suspicion(evidence.held_out),
    kind=SUSPICION,
)
