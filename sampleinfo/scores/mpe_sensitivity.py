"""MPE sensitivity: how much the network's prediction for an image rests on that image itself.

Source: Nickl, Xu, Tailor, Moellenhoff and Khan, "The memory-perturbation equation", NeurIPS 2023 (arXiv 2310.19273):
the output of a sample moves by about its prediction error times its posterior predictive variance when the sample is
left out. In kernel form: squared loss and ridge are the negative logarithm of a posterior with unit noise and a prior
of variance 1 / ridge around w0, so that its covariance is H^-1 = (J^T J + ridge I)^-1, and the outputs of sample i have
the predictive covariance

    V_i = J_i H^-1 J_i^T = E_i^T K G E_i = I - ridge E_i^T G E_i                       (k, k), the leverage of sample i,

    S_i = ||V_i e_i||,    e_i = y_i - f(x_i): the error (k,) after training.

With one output this is |e_i| v_i. For a finite training K h(K) stands for K G: what the outputs gain from the targets.
"""

import numpy as np

from sampleinfo.linearized import Fit
from sampleinfo.scores.base import INFORMATION, LINEAR, Score
from sampleinfo.scores.leverage import leverage
from sampleinfo.types import FloatArray


def mpe_sensitivity(fit: Fit) -> FloatArray:
    """(n,) norms of predictive covariance times error."""
    problem = fit.problem
    errors = fit.train_errors.reshape(problem.n, problem.rows, -1)
    return np.asarray(np.linalg.norm((leverage(fit) @ errors).reshape(problem.n, -1), axis=1))


SCORE = Score(
    name="mpe_sensitivity",
    title="Sensitivity (MPE)",
    unit="output units",
    sentence="How far the prediction for this image itself would move without it, to first order: large where the "
    "network is both unsure and wrong.",
    assumes=LINEAR,
    compute=lambda evidence: mpe_sensitivity(evidence.fit),
    kind=INFORMATION,
)
