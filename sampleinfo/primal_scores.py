"""Every score of a run whose kernel does not exist: from features in shards (``primal``), each by its own definition.

The numbers are those of ``scores``: with features Phi the kernel is Phi Phi^T, and whatever a score asks of it can be
had from rows and D x D matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sampleinfo.blocks import finite, product
from sampleinfo.primal import PrimalFit
from sampleinfo.primal_passes import Mapper, Selection, blocks, outputs
from sampleinfo.scores.adversarial_suspicion import SCORE as ADVERSARIAL
from sampleinfo.scores.el2n import EARLY, early
from sampleinfo.scores.held_out import RUN, HeldOut, directions, judge, thin
from sampleinfo.scores.label_suspicion import label_suspicion
from sampleinfo.scores.laplace_information import laplace_information
from sampleinfo.scores.leave_one_out_margin import margins
from sampleinfo.scores.odd_pixels import odd_pixels
from sampleinfo.scores.outlyingness import outlyingness
from sampleinfo.scores.prototypicality import prototypicality
from sampleinfo.scores.squeezing import squeezing
from sampleinfo.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of the n training images besides: labels, features (n, d) of images, of their mirror images and of
    smoothed ones, statistics (n, 4) of the pixels, and the seed of what is drawn."""

    labels: IntArray
    features: FloatArray
    mirrored: FloatArray
    smoothed: FloatArray
    appearance: FloatArray
    seed: int


def held_out(fit: PrimalFit, seen: Seen) -> HeldOut:
    """As ``scores.held_out``, of the run's own features and those before the head, each by itself."""
    rows = directions(seen.features, seen.mirrored)
    ridge = fit.training.ridge / fit.moments.scale
    own = {RUN: (ridge, fit.leave_each_out().errors)}
    return judge(seen.labels, 2 if fit.k == 1 else fit.k, ((name, thin(each)) for name, each in rows.items()), own)


def all_scores(fit: PrimalFit, seen: Seen, judged: HeldOut) -> dict[str, FloatArray]:
    """(n,) values of every score that the closed form gives, by name, in the order of ``scores.SCORES``."""
    known, whole = fit.leave_each_out(), fit.whole
    assert whole.targets is not None
    errors, suspicion = known.errors, label_suspicion(judged)
    moved = squeezing(seen.features, seen.smoothed)
    found = {
        "functional_information": known.functional_information,
        "weight_information": known.weight_information,
        "leave_one_out_error": np.linalg.norm(errors, axis=1),
        "leave_one_out_margin": margins(whole.targets - errors, seen.labels),
        "influence": influence(fit),
        "el2n": np.linalg.norm(early_errors(fit), axis=1),
        "grand": gradient_norms(fit),
        "prototypicality": prototypicality(seen.features, len(np.unique(seen.labels)), seen.seed),
        "mpe_sensitivity": sensitivity(fit),
        "laplace_information": laplace_information(seen.features, whole.residual),
        "label_suspicion": suspicion,
        "odd_pixels": odd_pixels(seen.appearance),
        "outlyingness": outlyingness(seen.features, seen.seed),
        "squeezing": moved,
        ADVERSARIAL.name: suspicion * moved,
    }
    return {name: finite(np.asarray(values), f"values of {name}") for name, values in found.items()}


def influence(fit: PrimalFit) -> FloatArray:
    """(n,) see ``scores.influence``: -(1/m) sum_o (Phi_i h(A) Phi_val^T (y_val - f_val))_o e_io."""
    whole, moments = fit.whole, fit.moments
    assert whole.val_targets is not None
    wrong = (whole.val_targets - fit.val_outputs).reshape(whole.m, whole.q, -1)
    pulled = pulled_back(fit.solver.validation.selection, wrong, moments.map)
    values, vectors = moments.filtered(fit.training.filter(fit.n)), moments.spectrum.vectors
    direction = product(vectors, values[:, None] * product(vectors.T, pulled))
    felt = outputs(moments.selection, direction, moments.map)
    return np.asarray(-np.einsum("iqc,iqc->i", felt, fit.train_errors.reshape(felt.shape)) / whole.m)


def early_errors(fit: PrimalFit) -> FloatArray:
    """(n, k) see ``scores.el2n``: the errors after a tenth of the training."""
    training = fit.training
    if training.steps is not None:
        return fit.solver.fit(early(training)).train_errors
    ridge = training.ridge if training.ridge > 0 else fit.moments.scale
    return fit.solver.fit(replace(training, ridge=ridge / EARLY)).train_errors


def sensitivity(fit: PrimalFit) -> FloatArray:
    """(n,) see ``scores.mpe_sensitivity``: ||P_i e_i||."""
    leverage = fit.leave_each_out().leverage
    errors = fit.train_errors.reshape(fit.n, leverage.shape[1], -1)
    return np.asarray(np.linalg.norm((leverage @ errors).reshape(fit.n, -1), axis=1))


def gradient_norms(fit: PrimalFit) -> FloatArray:
    """(n,) see ``scores.grand``: the norm of Phi_i^T r_i over all outputs."""
    moments = fit.moments
    found = np.empty(moments.n)
    for where, squares in moments.map(SquaredNorms(moments.selection, moments.residual), moments.selection.numbers):
        found[where] = np.sqrt(squares)
    return found


def pulled_back(selection: Selection, values: FloatArray, run: Mapper) -> FloatArray:
    """(D, c) Phi^T v of values (n, q, c)."""
    found = np.zeros((selection.source.dimension, values.shape[2]))
    for part in run(PulledBack(selection, values), selection.numbers):
        found += part
    return found


@dataclass(frozen=True, eq=False)
class PulledBack:
    """Phi_s^T v_s over the samples of a shard."""

    selection: Selection
    values: FloatArray

    def __call__(self, number: int) -> FloatArray:
        """(D, c)."""
        where, rows = self.selection.read(number)
        found = np.zeros((rows.shape[2], self.values.shape[2]))
        for part in blocks(rows):
            block = rows[part].reshape(-1, rows.shape[2]).astype(np.float64)
            found += product(block.T, self.values[where][part].reshape(len(block), -1))
        return found


@dataclass(frozen=True, eq=False)
class SquaredNorms:
    """||Phi_i^T r_i||^2 of the samples of a shard."""

    selection: Selection
    residual: FloatArray

    def __call__(self, number: int) -> tuple[slice, FloatArray]:
        """Places and squares (b,)."""
        where, rows = self.selection.read(number)
        pulled = np.einsum("iqd,iqc->icd", rows, self.residual[where].astype(np.float32), optimize=True)
        return where, np.einsum("icd,icd->i", pulled, pulled).astype(np.float64)
