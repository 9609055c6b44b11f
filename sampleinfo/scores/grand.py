"""GraNd: how hard an image pulls at the weights before training has begun.

Source: Paul, Ganguli and Dziugaite, "Deep learning on a data diet", NeurIPS 2021 (arXiv 2107.07075): the expected norm
of the loss gradient of a sample. There the mean is over initial weights; here it is the one network that the run
starts from. The gradient of 1/2 ||f_w(x_i) - y_i||^2 at w0 is -J_i^T r_i, and its length needs the kernel alone:

    GraNd_i = ||J_i^T r_i|| = sqrt(r_i^T K_ii r_i)

K_ii: the (k, k) block of sample i; r_i: its residual (k,). A kernel shared by all outputs has one number for K_ii. With
centred outputs all residuals have the same length, whatever the label, and little is left of the error in the score.
"""

import numpy as np

from sampleinfo.blocks import diagonal_blocks
from sampleinfo.linearized import Fit
from sampleinfo.scores.base import DIFFICULTY, Score
from sampleinfo.types import FloatArray


def grand(fit: Fit) -> FloatArray:
    """(n,) norms of the loss gradients at the initial weights."""
    problem = fit.problem
    residual = problem.residual.reshape(problem.n, problem.rows, -1)
    pulled = diagonal_blocks(problem.gram, problem.rows) @ residual
    return np.asarray(np.sqrt(np.maximum(np.einsum("iqc,iqc->i", residual, pulled), 0.0)))


SCORE = Score(
    name="grand",
    title="Gradient norm (GraNd)",
    unit="gradient norm",
    sentence="How hard this image alone pulls at the weights before training: large for images that the network would "
    "have to change most for.",
    assumes="Looks at the weights that training starts from and at nothing that comes later; instant.",
    compute=lambda evidence: grand(evidence.fit),
    kind=DIFFICULTY,
)
