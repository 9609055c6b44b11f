"""Brute force by definition: train in weight space, once per set of samples.

Nothing here uses a kernel, a leave-one-out identity, poles or a factor of the product's code. Training to convergence
is least squares; gradient descent and gradient flow are affine maps of the weights, applied as powers and exponentials
of their (p + 1, p + 1) matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from sampleinfo.linearized import Problem, Training


@dataclass(frozen=True)
class LinearNetwork:
    """f_w(x) = f_0(x) + J(x) (w - w0): Jacobians (n, k, p) and (m, k, p), targets (n, k), initial outputs."""

    jacobian: np.ndarray
    val_jacobian: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    val_outputs: np.ndarray

    @property
    def n(self) -> int:
        return len(self.jacobian)

    def train(self, rows: np.ndarray, training: Training) -> np.ndarray:
        """(p,) w - w0 after training on ``rows``."""
        p = self.jacobian.shape[2]
        design = self.jacobian[rows].reshape(-1, p)
        wanted = (self.targets - self.outputs)[rows].ravel()
        if len(rows) == 0:
            return np.zeros(p)
        if training.steps is None:
            stacked = np.vstack([design, np.sqrt(training.ridge) * np.eye(p)])
            return np.linalg.lstsq(stacked, np.concatenate([wanted, np.zeros(p)]), rcond=None)[0]
        slope = np.zeros((p + 1, p + 1))
        slope[:p, :p] = -(design.T @ design + training.ridge * np.eye(p)) / len(rows)
        slope[:p, p] = design.T @ wanted / len(rows)
        if training.continuous:
            return linalg.expm(training.lr * training.steps * slope)[:p, p]
        return np.linalg.matrix_power(np.eye(p + 1) + training.lr * slope, training.steps)[:p, p]

    def without(self, samples: list[int] | np.ndarray, training: Training) -> np.ndarray:
        """(p,) w - w0 after training on the other samples."""
        return self.train(np.delete(np.arange(self.n), samples), training)

    def predict(self, weights: np.ndarray) -> np.ndarray:
        """(m, k) outputs on the validation images."""
        return self.val_outputs + self.val_jacobian @ weights

    def weight_changes(self, training: Training) -> np.ndarray:
        """(n, p) w - w_-i."""
        full = self.train(np.arange(self.n), training)
        return np.stack([full - self.without([i], training) for i in range(self.n)])

    def prediction_changes(self, training: Training) -> np.ndarray:
        """(m, k, n) f - f_-i."""
        return np.einsum("jkp,ip->jki", self.val_jacobian, self.weight_changes(training))

    def weight_information(self, training: Training, noise_variance: float) -> np.ndarray:
        """(n,) 1 / (2 sigma^2) ||w - w_-i||^2."""
        return np.sum(self.weight_changes(training) ** 2, axis=1) / (2 * noise_variance)

    def functional_information(self, training: Training, noise_variance: float) -> np.ndarray:
        """(n,) 1 / (2 sigma^2 m) sum_j ||f(x_j) - f_-i(x_j)||^2."""
        changes = self.prediction_changes(training)
        return np.sum(changes**2, axis=(0, 1)) / (2 * noise_variance * len(self.val_jacobian))

    def sgd_information(self, training: Training, batch_size: int, floor: float) -> np.ndarray:
        """(n,) with the Lyapunov equation solved in weight space."""
        p = self.jacobian.shape[2]
        design = self.jacobian.reshape(-1, p)
        errors = self.held_in_errors(training)
        gradients = np.stack([-each.T @ error for each, error in zip(self.jacobian, errors, strict=True)])
        noise = gradients.T @ gradients / self.n - np.outer(gradients.mean(axis=0), gradients.mean(axis=0))
        hessian = design.T @ design + training.ridge * np.eye(p)
        sigma = linalg.solve_continuous_lyapunov(hessian, training.lr / batch_size * noise)
        changes = self.weight_changes(training)
        return np.einsum("ip,ip->i", changes, np.linalg.solve(sigma + floor * np.eye(p), changes.T).T) / 2

    def held_in_errors(self, training: Training) -> np.ndarray:
        """(n, k) y_i - f(x_i)."""
        return self.targets - self.outputs - self.jacobian @ self.train(np.arange(self.n), training)

    def held_out_errors(self, training: Training) -> np.ndarray:
        """(n, k) y_i - f_-i(x_i)."""
        errors = [
            self.targets[i] - self.outputs[i] - self.jacobian[i] @ self.without([i], training) for i in range(self.n)
        ]
        return np.stack(errors)

    def train_weighted(self, importance: np.ndarray, ridge: float) -> np.ndarray:
        """(p,) w - w0 at the minimum of the loss with a weight (n,) on each sample."""
        p, scale = self.jacobian.shape[2], np.sqrt(importance)[:, None]
        design = (scale[:, :, None] * self.jacobian).reshape(-1, p)
        wanted = (scale * (self.targets - self.outputs)).ravel()
        stacked = np.vstack([design, np.sqrt(ridge) * np.eye(p)])
        return np.linalg.lstsq(stacked, np.concatenate([wanted, np.zeros(p)]), rcond=None)[0]

    def own_gain(self, training: Training) -> np.ndarray:
        """(n, k, k) by how much output o of sample i moves after training when its target o' grows by 1."""
        everything, before = np.arange(self.n), self.train(np.arange(self.n), training)
        out = np.empty((self.n, self.jacobian.shape[1], self.jacobian.shape[1]))
        for i in range(self.n):
            for o in range(self.jacobian.shape[1]):
                target = self.targets[i].copy()
                target[o] += 1.0
                moved = self.relabelled([i], target[None]).train(everything, training) - before
                out[i, :, o] = self.jacobian[i] @ moved
        return out

    def relabelled(self, samples: list[int], targets: np.ndarray) -> LinearNetwork:
        """The same network with other targets for ``samples``."""
        changed = self.targets.copy()
        changed[samples] = targets
        return replace(self, targets=changed)

    def problem(self) -> Problem:
        """The kernel form."""
        p = self.jacobian.shape[2]
        train, val = self.jacobian.reshape(-1, p), self.val_jacobian.reshape(-1, p)
        labels = np.arange(len(val) // self.jacobian.shape[1]) % max(self.jacobian.shape[1], 2)
        wanted = np.eye(self.jacobian.shape[1])[labels] if self.jacobian.shape[1] > 1 else labels[:, None] * 1.0
        return Problem(
            train @ train.T, val @ train.T, self.targets - self.outputs, self.val_outputs, wanted, self.targets
        )

    def stable_lr(self, ridge: float) -> float:
        """Half of the largest learning rate that is stable with one sample left out."""
        design = self.jacobian.reshape(-1, self.jacobian.shape[2])
        return float(max(self.n - 1, 1) / (np.linalg.norm(design, 2) ** 2 + ridge))


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and precision (D, D)."""

    mean: np.ndarray
    precision: np.ndarray

    def divergence(self, other: Gaussian) -> float:
        """KL(self || other) in nats, by the textbook formula with every matrix inverted."""
        covariance, shift = np.linalg.inv(self.precision), other.mean - self.mean
        determinants = np.linalg.slogdet(self.precision)[1] - np.linalg.slogdet(other.precision)[1]
        inside = np.trace(other.precision @ covariance) - len(shift) + shift @ other.precision @ shift
        return float(inside + determinants) / 2


def head_posterior(features: np.ndarray, targets: np.ndarray, ridge: float, noise_variance: float) -> Gaussian:
    """Of all weights (k (d + 1),) of a linear head with a bias that has no prior, output by output."""
    design = np.hstack([features, np.ones((len(features), 1))])
    prior = ridge * np.diag([1.0] * features.shape[1] + [0.0])
    precision = (design.T @ design + prior) / noise_variance
    means = np.linalg.solve(precision, design.T @ targets / noise_variance)
    return Gaussian(means.T.ravel(), np.kron(np.eye(targets.shape[1]), precision))


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


def shared_network(n: int, m: int, k: int, p: int, seed: int) -> LinearNetwork:
    """k outputs with weights of their own (k p in all) on the same p features: its kernel is Kbar kron I_k."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n + m, p)) / np.sqrt(np.arange(1, p + 1))
    jacobian = np.einsum("ip,oq->ioqp", features, np.eye(k)).reshape(n + m, k, k * p)
    return LinearNetwork(
        jacobian[:n], jacobian[n:], rng.normal(size=(n, k)), 0.1 * rng.normal(size=(n, k)),
        0.1 * rng.normal(size=(m, k)),
    )  # fmt: skip


def shared_problem(network: LinearNetwork) -> Problem:
    """The problem of ``shared_network`` with one (n, n) kernel for all outputs."""
    whole, k = network.problem(), network.jacobian.shape[1]
    return replace(whole, gram=whole.gram[::k, ::k].copy(), cross=whole.cross[::k, ::k].copy())
