"""Every score from features is that of the kernel of these features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleinfo import linearized, primal, primal_scores, targets
from sampleinfo.linearized import Problem, Training
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_scores import Seen
from sampleinfo.scores import ALONG, CHECKPOINTS, SCORES, Evidence
from sampleinfo.shards import Shards

pytestmark = pytest.mark.usefixtures("one_thread")
N, M, D, SHARD = 23, 11, 17, 6


def stored(folder: Path, features: np.ndarray) -> Shards:
    store = Shards.create(folder, features.shape[1], features.shape[2], "float32", SHARD)
    for number, start in enumerate(range(0, len(features), SHARD)):
        store.write(number, features[start : start + SHARD].reshape(-1, features.shape[2]))
    return store


@pytest.mark.parametrize("training", [Training(ridge=0.7), Training(40, 0.02), Training(30.5, 0.02, 0.3, True)])
@pytest.mark.parametrize(("k", "q"), [(1, 1), (3, 3), (3, 1)])
def test_all_scores_are_those_of_the_kernel(k: int, q: int, training: Training, tmp_path: Path) -> None:
    rng = np.random.default_rng(k + q)
    rows = rng.integers(-8, 9, (N + M, q, D)) / 16.0  # exact in float32
    classes = max(k, 2)
    labels = rng.permutation(np.arange(N + M) % classes)
    encoded, start = targets.encode(labels, classes), 1 / classes
    residual, val = encoded[:N] - start, np.full((M, k), start)
    flat, val_flat = rows[:N].reshape(-1, D), rows[N:].reshape(-1, D)
    dual = Problem(flat @ flat.T, val_flat @ flat.T, residual, val, encoded[N:], encoded[:N])
    stores = (stored(tmp_path / name, part) for name, part in (("train", rows[:N]), ("val", rows[N:])))
    problem = PrimalProblem(*stores, residual, val, encoded[N:], encoded[:N])
    features, mirrored, smoothed = (rng.normal(size=(N, 5)) for _ in range(3))
    seen = Seen(labels[:N], features, mirrored, smoothed, rng.normal(size=(N, 4)), 0)
    fit = primal.fit(problem, training, "float64")
    judged = primal_scores.held_out(fit, seen)
    found = primal_scores.all_scores(fit, seen, judged)
    views = {"mirrored": mirrored, "smoothed": smoothed, "appearance": seen.appearance}
    evidence = Evidence(linearized.fit(dual, training), labels[:N], features, **views)
    assert list(found) == [name for name, each in SCORES.items() if each.needs not in (ALONG, CHECKPOINTS)]
    for name, values in found.items():
        if name in ("label_suspicion", "adversarial_suspicion"):  # these choose between other kernels
            continue
        wanted = SCORES[name].compute(evidence)
        np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-7 * np.abs(wanted).max(), err_msg=name)
    suspicion = np.linalg.norm(encoded[:N] - judged.outputs, axis=1)
    np.testing.assert_allclose(found["label_suspicion"], suspicion)
    np.testing.assert_allclose(found["adversarial_suspicion"], suspicion * found["squeezing"])
    assert set(judged.errors) == {"run", "head", "mirror"} and judged.kernel in judged.errors
    errors = fit.leave_each_out().errors
    assert judged.errors["run"] == pytest.approx(float(np.mean(np.sum(errors**2, axis=1))))
    assert replace(seen, seed=1) != seen
