"""Brute force by definition: retrain the ridge problem in weight space, once per sample left out.

Nothing here uses a kernel, a leave-one-out identity or a factor of the product's code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LinearNetwork:
    """f_w(x) = f_0(x) + J(x) (w - w0): Jacobians (n, k, p) and (m, k, p), targets (n, k), initial outputs."""

    jacobian: np.ndarray
    val_jacobian: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    val_outputs: np.ndarray

    def train(self, rows: np.ndarray, ridge: float) -> np.ndarray:
        """(p,) w - w0 that minimises the summed squared loss over ``rows`` plus ridge, by least squares."""
        design = self.jacobian[rows].reshape(-1, self.jacobian.shape[2])
        wanted = (self.targets - self.outputs)[rows].ravel()
        p = design.shape[1]
        stacked = np.vstack([design, np.sqrt(ridge) * np.eye(p)])
        return np.linalg.lstsq(stacked, np.concatenate([wanted, np.zeros(p)]), rcond=None)[0]

    def predict(self, weights: np.ndarray) -> np.ndarray:
        """(m, k) outputs on the validation images."""
        return self.val_outputs + self.val_jacobian @ weights

    def weight_changes(self, ridge: float) -> np.ndarray:
        """(n, p) w - w_-i."""
        n = len(self.jacobian)
        full = self.train(np.arange(n), ridge)
        return np.stack([full - self.train(np.delete(np.arange(n), i), ridge) for i in range(n)])

    def weight_information(self, ridge: float, noise_variance: float) -> np.ndarray:
        """(n,) 1 / (2 sigma^2) ||w - w_-i||^2."""
        return np.sum(self.weight_changes(ridge) ** 2, axis=1) / (2 * noise_variance)

    def functional_information(self, ridge: float, noise_variance: float) -> np.ndarray:
        """(n,) 1 / (2 sigma^2 m) sum_j ||f(x_j) - f_-i(x_j)||^2."""
        changes = np.einsum("jkp,ip->ijk", self.val_jacobian, self.weight_changes(ridge))
        return np.sum(changes**2, axis=(1, 2)) / (2 * noise_variance * len(self.val_jacobian))

    def held_out_errors(self, ridge: float) -> np.ndarray:
        """(n, k) y_i - f_-i(x_i)."""
        n = len(self.jacobian)
        errors = []
        for i in range(n):
            weights = self.train(np.delete(np.arange(n), i), ridge)
            errors.append(self.targets[i] - self.outputs[i] - self.jacobian[i] @ weights)
        return np.stack(errors)


def random_network(n: int, m: int, k: int, p: int, seed: int) -> LinearNetwork:
    """Correlated random Jacobians with a decaying spectrum, random targets and outputs."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(p, p)) / np.sqrt(np.arange(1, p + 1))[:, None]
    return LinearNetwork(
        rng.normal(size=(n, k, p)) @ mixing,
        rng.normal(size=(m, k, p)) @ mixing,
        rng.normal(size=(n, k)),
        0.1 * rng.normal(size=(n, k)),
        0.1 * rng.normal(size=(m, k)),
    )
