"""Influence: what leaving out an image does to the loss on the validation images, to first order.

Source: Koh and Liang, "Understanding black-box predictions via influence functions", ICML 2017 (arXiv 1703.04730). Give
sample i the weight 1 - t in the training loss. The trained outputs on the validation images then move at the rate

    d f_val / dt = -K_val G E_i e_i,    e_i = y_i - f(x_i) after training, G = (K + ridge I)^-1,

and the mean validation loss L = 1 / (2 m) sum_j ||y'_j - f(x'_j)||^2, with errors e'_j, at the rate

    d L / dt = 1/m sum_j e'_j^T (K_val G E_i e_i)_j = 1/m b_i^T e_i,    b = G K_val^T e'.

One solve serves all n samples. The score is -dL/dt, the first-order *fall* of the loss when the sample is left out:
above 0 the sample does harm. What leaving it out adds to its own leverage is not in it (``linearized`` has it). For a
finite training h(K) stands for G, as stopping early stands for a ridge.
"""

import numpy as np

from sampleinfo.blocks import finite, product
from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Fit
from sampleinfo.problem import columns
from sampleinfo.scores.base import LINEAR, SUSPICION, Score
from sampleinfo.types import FloatArray


def influence(fit: Fit) -> FloatArray:
    """(n,) first-order fall of the mean validation loss without each sample; below 0 where the loss would rise.

    Raises:
        InvalidSetting: a problem without validation images or their targets.
    """
    known = fit.leave_each_out()
    problem = known.problem
    if problem.val_targets is None or problem.m == 0:
        raise InvalidSetting("influence needs validation images and their targets; give the problem val_targets=Y.")
    wrong = columns(problem.val_targets - fit.val_outputs, problem.rows)
    felt = known.solver.coefficients(product(problem.cross.T, wrong)).reshape(problem.n, -1)
    return finite(-np.einsum("io,io->i", felt, fit.train_errors) / problem.m, "influences")


SCORE = Score(
    name="influence",
    title="Harm to validation loss (influence)",
    unit="validation loss",
    sentence="How much the loss on the validation images would fall, to first order, if this image were left out: "
    "above zero it does harm, below zero it helps.",
    assumes=LINEAR,
    compute=lambda evidence: influence(evidence.fit),
    kind=SUSPICION,
    signed=True,
)
