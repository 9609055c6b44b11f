"""Every score keeps the contract."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleinfo import information, linearized, scores
from sampleinfo.linearized import Problem, Training
from sampleinfo.scores import ALONG, APPEARANCE, CHECKPOINTS, FEATURES, FIT, KINDS, SCORES, SMOOTHED, Evidence, find
from sampleinfo.unrolled import Changes
from tests.reference import LinearNetwork, random_network, shared_network, shared_problem

pytestmark = pytest.mark.usefixtures("one_thread")
N, M, D = 12, 5, 4
TRAININGS: dict[str, Callable[[float], Training]] = {
    "ridge": lambda _: Training(ridge=0.5),
    "small ridge": lambda _: Training(ridge=1e-4),
    "no ridge": lambda _: Training(),
    "steps": lambda lr: Training(37, lr),
    "one step": lambda lr: Training(1, lr),
    "steps with a ridge": lambda lr: Training(200, lr, 0.5),
    "flow": lambda lr: Training(52.5, lr, continuous=True),
}


def network_of(k: int, seed: int = 0) -> tuple[LinearNetwork, np.ndarray]:
    """A linear network whose targets are labels (N,), and these; labels of all classes where there are that many."""
    classes = max(k, 2)
    labels = np.random.default_rng(seed).permutation(np.arange(N) % classes)
    encoded = labels[:, None] * 1.0 if k == 1 else np.eye(k)[labels]
    return replace(random_network(N, M, k, 16 * k + N * k, seed), targets=encoded), labels


def evidence_of(problem: Problem, labels: np.ndarray, training: Training, seed: int = 1) -> Evidence:
    """With everything that a run can have."""
    rng, fit = np.random.default_rng(seed), linearized.fit(problem, training)
    changes = Changes(fit.leave_each_out().val_change, 2 * information.weight_information(fit))
    features = rng.normal(size=(N, D))
    views = {"mirrored": features + rng.normal(size=(N, D)), "smoothed": features + rng.normal(size=(N, D)) / 4}
    return Evidence(
        fit, labels, features, 0, changes, rng.uniform(1, 2, N), appearance=rng.normal(size=(N, 4)), **views
    )


def reordered(evidence: Evidence, order: np.ndarray) -> Evidence:
    """The same with the samples in another order."""
    changes, features, spread = evidence.changes, evidence.features, evidence.gradient_spread
    assert changes is not None and features is not None and spread is not None
    views = {name: getattr(evidence, name)[order] for name in ("mirrored", "smoothed", "appearance")}
    fit = linearized.fit(evidence.fit.problem.subset(order), evidence.fit.training)
    moved = Changes(changes.val_change[:, :, order], changes.weight_change[order])
    return Evidence(fit, evidence.labels[order], features[order], evidence.seed, moved, spread[order], **views)


def some_evidence(k: int = 1, training: str = "ridge", seed: int = 0) -> tuple[LinearNetwork, Evidence]:
    network, labels = network_of(k, seed)
    chosen = TRAININGS[training](network.stable_lr(0.5))
    return network, evidence_of(network.problem(), labels, chosen)


def close(got: np.ndarray, wanted: np.ndarray, bound: float = 1e-7) -> bool:
    """Relative to the largest value."""
    return float(np.abs(got - wanted).max()) <= bound * float(np.abs(wanted).max()) + 1e-13


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_every_score_keeps_the_contract(k: int, training: str) -> None:
    _, evidence = some_evidence(k, training)
    order = np.random.default_rng(2).permutation(N)
    other, again = reordered(evidence, order), some_evidence(k, training)[1]
    for name, score in SCORES.items():
        values = score.compute(evidence)
        assert values.shape == (N,) and values.dtype == np.float64 and np.isfinite(values).all(), name
        assert score.signed or (values >= 0).all(), name
        assert np.array_equal(values, score.compute(again)), name
        assert close(score.compute(other), values[order]), name


@pytest.mark.parametrize("name", SCORES)
def test_every_score_says_what_it_is(name: str) -> None:
    score = find(name)
    assert score.name == name and importlib.import_module(f"sampleinfo.scores.{name}").SCORE is score
    assert score.sentence.endswith(".") and score.assumes.endswith(".") and score.unit and score.title
    assert score.kind in KINDS and score.needs in (FIT, FEATURES, ALONG, CHECKPOINTS, SMOOTHED, APPEARANCE)


def test_the_first_scores_stay_the_first() -> None:
    assert list(SCORES)[:5] == [
        "functional_information_along", "weight_information_along", "functional_information", "weight_information",
        "leave_one_out_error",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_there_where_what_it_needs_is(name: str) -> None:
    _, evidence = some_evidence()
    assert find(name).available(evidence)
    bare = Evidence(evidence.fit, evidence.labels)
    assert find(name).available(bare) == (find(name).needs == FIT)


@pytest.mark.parametrize("training", ["ridge", "no ridge", "steps", "flow"])
def test_scores_of_a_shared_kernel_are_those_of_the_whole_one(training: str) -> None:
    labels = np.arange(N) % 3
    network = replace(shared_network(N, M, 3, 20, 1), targets=np.eye(3)[labels])
    chosen = TRAININGS[training](network.stable_lr(0.5))
    shared, whole = (evidence_of(p, labels, chosen) for p in (shared_problem(network), network.problem()))
    for name, score in SCORES.items():
        assert close(score.compute(shared), score.compute(whole), 1e-6), name


@pytest.mark.parametrize("name", ["leave_one_out_margin", "el2n", "mpe_sensitivity", "influence", "grand"])
def test_scores_of_some_samples_are_those_of_a_fit_on_them(name: str) -> None:
    _, evidence = some_evidence(3)
    rows = np.array([1, 4, 5, 7, 10])
    part = Evidence(evidence.fit.keep(rows), evidence.labels[rows])
    alone = Evidence(linearized.fit(evidence.fit.problem.subset(rows), evidence.fit.training), evidence.labels[rows])
    assert close(find(name).compute(part), find(name).compute(alone))


@pytest.mark.parametrize("name", ["functional_information", "weight_information"])
def test_the_same_changes_give_the_same_nats(name: str) -> None:
    _, evidence = some_evidence(3)
    np.testing.assert_allclose(find(f"{name}_along").compute(evidence), find(name).compute(evidence), rtol=1e-12)


def test_evidence_and_scores_are_named_in_one_place() -> None:
    files = {path.stem for path in Path(scores.__file__).parent.glob("*.py")}
    assert files - {"__init__", "base", "held_out", "leverage"} == set(SCORES)
