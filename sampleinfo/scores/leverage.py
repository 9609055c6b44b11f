"""What the scores share: the fitted values of a training are a linear map of the residuals, r -> K h(K) r.

The blocks of K h(K) on the diagonal, one per image, say how much of its own error an image takes away from itself. All
comes from what the fit has computed already, its inverse or its eigendecomposition; nothing is factored again.
"""

from __future__ import annotations

import numpy as np

from sampleinfo.blocks import diagonal_blocks
from sampleinfo.linearized import Fit, LeaveEachOut
from sampleinfo.resolvent import Resolvent
from sampleinfo.solvers import Solver
from sampleinfo.spectral import Spectral, Spectrum
from sampleinfo.types import FloatArray

#: Numbers that a piece of the work on blocks may hold.
PIECE = 2**22


def inverse_of(solver: Solver) -> FloatArray | None:
    """(N, N) G = (K + ridge I)^-1, which training to convergence has; None for any other training."""
    return solver.inverse() if isinstance(solver, Resolvent) else None


def spectrum_of(solver: Solver) -> Spectrum | None:
    """K = U diag(s) U^T, which a finite training has; None for training to convergence."""
    return solver.spectrum if isinstance(solver, Spectral) else None


def leverage(fit: Fit) -> FloatArray:
    """(n, q, q) blocks E_i^T K h(K) E_i for the n samples with q kernel rows each.

    To convergence K h(K) = I - ridge G; otherwise K h(K) = U diag(s h(s)) U^T, h the filter of the training.
    """
    known = fit.leave_each_out()
    q, ridge = known.problem.rows, known.training.ridge
    if (inverse := inverse_of(known.solver)) is not None:
        return np.asarray(np.eye(q) - ridge * diagonal_blocks(inverse, q))
    return _spectral_blocks(known, q)


def _spectral_blocks(known: LeaveEachOut, q: int) -> FloatArray:
    spectrum = spectrum_of(known.solver)
    assert spectrum is not None
    n, size = known.problem.n, len(spectrum.eigenvalues)
    weights = spectrum.eigenvalues * known.training.filter(n)(spectrum.eigenvalues)
    if q == 1:
        return np.asarray((np.square(spectrum.vectors) @ weights)[:, None, None])
    out, step = np.empty((n, q, q)), max(1, PIECE // (q * size))
    for start in range(0, n, step):
        rows = spectrum.vectors[start * q : (start + step) * q].reshape(-1, q, size)
        out[start : start + step] = (rows * weights) @ rows.transpose(0, 2, 1)
    return out
