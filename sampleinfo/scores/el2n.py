"""EL2N: how wrong the network still is about an image early in training.

Source: Paul, Ganguli and Dziugaite, "Deep learning on a data diet", NeurIPS 2021 (arXiv 2107.07075): the norm of the
error p(x) - y a few epochs after the start, p the softmax of the outputs. The squared loss compares the outputs
themselves with the targets, and the linearized network knows every moment of its training, so that here

    EL2N_i = ||y_i - f_early(x_i)||

with the training of the fit stopped at a tenth of its time (``EARLY``):

    t steps, or gradient flow for time t      t / 10, at least one step
    to convergence, ridge > 0                 to convergence with ten times the ridge
    to convergence, ridge 0                   to convergence with ten times the kernel's mean eigenvalue as the ridge

Gradient flow stopped at time t and a ridge of 1 / t fit the same directions to about the same degree (Ali, Kolter and
Tibshirani, AISTATS 2019), so that a converged training with a ridge has lasted for a time of 1 / ridge, and a tenth of
that is a ridge of ten times the size. Without a ridge nothing but the kernel's own scale is a time: there the mean
eigenvalue stands in for the ridge.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from sampleinfo import linearized
from sampleinfo.blocks import finite, product
from sampleinfo.errors import NumericalError
from sampleinfo.linearized import Fit, LeaveEachOut
from sampleinfo.problem import Training, columns
from sampleinfo.scores.base import DIFFICULTY, LINEAR, Score
from sampleinfo.scores.leverage import inverse_of, spectrum_of
from sampleinfo.types import FloatArray

#: Share of the training's time at which it is looked at.
EARLY = 0.1
#: Relative residual of the linear system that is good enough.
_TOLERANCE = 1e-10


def el2n(fit: Fit) -> FloatArray:
    """(n,) norms of the errors after a tenth of the training."""
    known = fit.leave_each_out()
    training, problem = known.training, known.problem
    if training.steps is not None:
        errors = _after(known, early(training))
    elif training.ridge > 0:
        errors = _with_more_ridge(known)
    else:
        mean = float(np.trace(problem.gram)) / max(len(problem.gram), 1)
        errors = linearized.fit(problem, Training(ridge=mean / EARLY)).train_errors
    return finite(np.linalg.norm(errors.reshape(problem.n, -1), axis=1), "early errors")


def early(training: Training) -> Training:
    """A finite training stopped at a tenth of its time."""
    assert training.steps is not None
    share = EARLY * training.steps
    return replace(training, steps=share if training.continuous else max(1, round(share)))


def _after(known: LeaveEachOut, training: Training) -> FloatArray:
    """(N, c) r - K h(K) r by the eigendecomposition that the fit has."""
    spectrum, problem = spectrum_of(known.solver), known.problem
    assert spectrum is not None
    residual, s = columns(problem.residual, problem.rows), spectrum.eigenvalues
    fitted = (s * training.filter(problem.n)(s))[:, None] * product(spectrum.vectors.T, residual)
    return residual - product(spectrum.vectors, fitted)


def _with_more_ridge(known: LeaveEachOut) -> FloatArray:
    """(N, c) errors mu x, x = (K + mu I)^-1 r, mu = 10 ridge, by conjugate gradients and without another factor.

    With the fit's G = (K + ridge I)^-1 and its coefficients a = G r: (I + (mu - ridge) G) x = a, whose eigenvalues lie
    between 1 and 10, so that some thirty products with G are enough, whatever the kernel.
    """
    problem, ridge = known.problem, known.training.ridge
    inverse, residual = inverse_of(known.solver), columns(problem.residual, problem.rows)
    assert inverse is not None
    wanted, more = ridge / EARLY, ridge / EARLY - ridge
    operator = LinearOperator(
        inverse.shape, matvec=lambda v: v + more * product(inverse, v.reshape(-1, 1))[:, 0], dtype=np.float64
    )
    found = np.empty_like(residual)
    for number, column in enumerate(known.solver.coefficients(residual).T):
        size = float(np.abs(column).max(initial=0.0)) or 1.0
        solution, left = cg(operator, column / size, rtol=_TOLERANCE, maxiter=500)
        if left:
            raise NumericalError("the early errors did not converge; use a larger ridge.")
        found[:, number] = wanted * size * solution
    return found


SCORE = Score(
    name="el2n",
    title="Early error (EL2N)",
    unit="output units",
    sentence="How far the prediction for this image still is from its label after a tenth of the training: large for "
    "images that are learned late.",
    assumes=LINEAR,
    compute=lambda evidence: el2n(evidence.fit),
    kind=DIFFICULTY,
)
