"""What the network that has not seen an image says about it, with the kernel and the ridge that make it least wrong.

Labels are judged best by whatever predicts them best. Every image is therefore predicted without itself by kernel ridge
regression on its centred target, y - 1/k (1/2 for one output), with several kernels between the n images:

    run        the run's own, the mean over its outputs, each image's gradients scaled to length 1
    head       the features of the frozen network, scaled to length 1
    mirror     the same features, averaged with those of the mirrored image
    run+head, run+mirror    sums, so that both have the same mean diagonal

and with the ridges of ``tuning.RIDGES``. The pair with the least leave-one-out error, 1/n sum_i ||y_i - f_-i(x_i)||^2,
is taken: no label is needed for the choice but those that are there, wrong ones among them. Scaling to length 1 keeps
images of large gradients, which are often the odd ones, from deciding for all.

With K = U diag(s) U^T and the ridge p (Rifkin and Lippert, "Notes on regularized least squares", 2007), U thin where K
comes from few features,

    y_i - f_-i(x_i) = ([I - U h U^T] y)_i / (1 - (U^2 h)_i),    h = s / (s + p).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sampleinfo.blocks import product
from sampleinfo.errors import NumericalError
from sampleinfo.linearized import Fit
from sampleinfo.spectral import Spectrum
from sampleinfo.targets import centre, encode
from sampleinfo.tuning import RIDGES
from sampleinfo.types import FloatArray, IntArray

RUN, HEAD, MIRROR = "run", "head", "mirror"
TITLES = {
    RUN: "the run's own kernel",
    HEAD: "the features of the frozen network",
    MIRROR: "the features of the image and its mirror image",
    f"{RUN}+{HEAD}": "the run's kernel and the features together",
    f"{RUN}+{MIRROR}": "the run's kernel and the features of the image and its mirror image together",
}


@dataclass(frozen=True, eq=False)
class HeldOut:
    """(n, k) ``outputs`` f_-i(x_i) of the best ``kernel`` (of ``TITLES``) with its ``ridge``, in mean diagonals.

    ``targets`` (n, k) are those of the given labels, ``errors`` the least leave-one-out error of every kernel tried.
    """

    outputs: FloatArray
    targets: FloatArray
    kernel: str
    ridge: float
    errors: dict[str, float]

    def facts(self) -> dict[str, object]:
        """JSON-ready: how the outputs came about."""
        return {"kernel": self.kernel, "title": TITLES[self.kernel], "ridge": self.ridge, "errors": self.errors}


def held_out(fit: Fit, labels: IntArray, features: FloatArray | None, mirrored: FloatArray | None) -> HeldOut:
    """Predict every image without itself, by the best of the kernels that can be made.

    Args:
        fit: the run's; its kernel is used.
        labels: (n,) given labels.
        features, mirrored: (n, d) of the images and of their mirror images; None where they are unknown.

    Raises:
        NumericalError: a kernel that is zero, or features that are not finite.
    """
    return judge(labels, 2 if fit.problem.k == 1 else fit.problem.k, _spectra(fit, features, mirrored))


def judge(
    labels: IntArray, classes: int, spectra: Iterable[tuple[str, Spectrum]],
    known: Mapping[str, tuple[float, FloatArray]] | None = None,
) -> HeldOut:  # fmt: skip
    """The best of kernels with the mean diagonal 1, and of those whose ridge and errors (n, k) are ``known``."""
    wanted = encode(labels, classes)
    residual = wanted - centre(classes)
    found = {name: (float(np.sum(errors**2) / len(errors)), ridge, errors) for name, (ridge, errors) in
             (known or {}).items()}  # fmt: skip
    for name, spectrum in spectra:
        found[name] = _best(spectrum, residual)
    chosen = min(found, key=lambda name: found[name][0])
    _, ridge, errors = found[chosen]
    return HeldOut(wanted - errors, wanted, chosen, ridge, {name: each[0] for name, each in found.items()})


def _spectra(fit: Fit, features: FloatArray | None, mirrored: FloatArray | None) -> Iterator[tuple[str, Spectrum]]:
    """Every kernel."""
    own = _run_kernel(fit)
    yield RUN, Spectrum.of(own)
    for name, rows in directions(features, mirrored).items():
        yield name, thin(rows)
        yield f"{RUN}+{name}", Spectrum.of((own + product(rows, rows.T)) / 2)


def directions(features: FloatArray | None, mirrored: FloatArray | None) -> dict[str, FloatArray]:
    """(n, d) rows of length 1 by the name of their kernel, as far as they are known."""
    found = {} if features is None else {HEAD: unit(features)}
    return found if features is None or mirrored is None else {**found, MIRROR: unit(features + mirrored)}


def _run_kernel(fit: Fit) -> FloatArray:
    """(n, n) mean over the outputs of the run's kernel, with the diagonal 1."""
    problem = fit.problem
    q = problem.rows
    mean = sum(problem.gram[output::q, output::q] for output in range(q)) / q
    lengths = np.sqrt(np.maximum(np.diag(mean), 0.0))
    if not lengths.max(initial=0.0) > 0:
        raise NumericalError("the kernel is zero: the network's outputs do not depend on its weights.")
    lengths = np.where(lengths > 0, lengths, 1.0)
    return np.asarray(mean / lengths[:, None] / lengths[None, :])


def unit(features: FloatArray) -> FloatArray:
    """(n, d) rows of length 1; a row of zeros stays.

    Raises:
        NumericalError: values that are not finite.
    """
    if not np.isfinite(features).all():
        raise NumericalError("the features hold values that are not finite.")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)


def thin(rows: FloatArray) -> Spectrum:
    """Of the kernel rows rows^T, without the eigenvalues that are 0 because there are few columns."""
    vectors, lengths, _ = np.linalg.svd(rows, full_matrices=False)
    return Spectrum(lengths[::-1] ** 2, np.ascontiguousarray(vectors[:, ::-1]))


def _best(spectrum: Spectrum, residual: FloatArray) -> tuple[float, float, FloatArray]:
    """The least leave-one-out error, its ridge, and the errors (n, k)."""
    projected, squares = product(spectrum.vectors.T, residual), spectrum.vectors**2
    found: tuple[float, float, FloatArray] | None = None
    for ridge in RIDGES:
        shares = spectrum.eigenvalues / (spectrum.eigenvalues + ridge)
        left = residual - product(spectrum.vectors, shares[:, None] * projected)
        errors = left / np.maximum(1 - squares @ shares, np.finfo(float).eps)[:, None]
        error = float(np.sum(errors**2) / len(errors))
        if found is None or error < found[0]:
            found = error, float(ridge), errors
    assert found is not None
    return found
