"""Information of samples, of sets, under the smoothing of SGD, and predicted accuracy, against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleinfo import linearized
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.evaluation import Accuracy, evaluate
from sampleinfo.information import (
    functional_information,
    group_information,
    interaction,
    sgd_information,
    weight_information,
)
from sampleinfo.linearized import Training
from sampleinfo.smoothing import sgd_smoothing
from tests.reference import LinearNetwork, random_network, shared_network, shared_problem
from tests.test_linearized import deviation, training_of

pytestmark = pytest.mark.usefixtures("one_thread")
HOW = [(None, False, 0.01), (None, False, 100.0), (40, False, 0.0), (40, True, 0.5), (3000, False, 0.5)]


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize(("steps", "continuous", "ridge"), HOW)
def test_information_of_each_sample(k: int, steps: int | None, continuous: bool, ridge: float) -> None:
    network = random_network(n=15, m=6, k=k, p=190, seed=k)
    training = training_of(network, steps, continuous, ridge)
    fit = linearized.fit(network.problem(), training)
    assert deviation(weight_information(fit, 0.5), network.weight_information(training, 0.5)) < 1e-9
    assert deviation(functional_information(fit, 0.5), network.functional_information(training, 0.5)) < 1e-9


@pytest.mark.parametrize(("steps", "continuous", "ridge"), HOW)
def test_information_with_a_shared_kernel(steps: int | None, continuous: bool, ridge: float) -> None:
    network = shared_network(n=12, m=5, k=4, p=25, seed=2)
    training = training_of(network, steps, continuous, ridge)
    fit = linearized.fit(shared_problem(network), training)
    assert deviation(weight_information(fit), network.weight_information(training, 1.0)) < 1e-9
    assert deviation(functional_information(fit), network.functional_information(training, 1.0)) < 1e-9
    whole = linearized.fit(network.problem(), training)
    assert deviation(sgd_information(fit, 4, 1e-3), sgd_information(whole, 4, 1e-3)) < 1e-8


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(("steps", "continuous", "ridge"), HOW)
@pytest.mark.parametrize("floor", [1e-10, 1e-4])
def test_sgd_smoothing_equals_the_lyapunov_solve_in_weight_space(
    k: int, steps: int | None, continuous: bool, ridge: float, floor: float
) -> None:
    network = random_network(n=10, m=4, k=k, p=48, seed=k)
    training = replace(training_of(network, steps, continuous, ridge))
    fit = linearized.fit(network.problem(), training)
    wanted = network.sgd_information(training, 5, floor)
    if ridge > 0:
        assert deviation(sgd_information(fit, 5, floor), wanted) < 1e-6
    else:
        # Without a ridge H is singular outside the span of the gradients: the Lyapunov solve needs a little of one.
        nearly = replace(training, ridge=1e-9)
        near = linearized.fit(network.problem(), nearly)
        assert deviation(sgd_information(near, 5, floor), network.sgd_information(nearly, 5, floor)) < 1e-3


@pytest.mark.parametrize(("n", "k", "p"), [(120, 1, 15), (60, 3, 20)])
@pytest.mark.parametrize(("share", "bound"), [(1e-8, 1e-5), (1e-5, 1e-8), (1e-2, 1e-10)])
def test_tiny_ridges_on_kernels_without_full_rank(n: int, k: int, p: int, share: float, bound: float) -> None:
    """Coefficients that move no weight are then up to 1e8 times larger than those that do."""
    network = random_network(n, 8, k, p, 0)
    problem = network.problem()
    training = Training(ridge=share * float(np.trace(problem.gram)) / len(problem.gram))
    fit = linearized.fit(problem, training)
    assert deviation(weight_information(fit), network.weight_information(training, 1.0)) < bound
    assert deviation(functional_information(fit), network.functional_information(training, 1.0)) < bound
    weight, functional = set_information(network, training, [1, 5, 8])
    group = group_information(fit, [1, 5, 8])
    assert (group.weight, group.functional) == (pytest.approx(weight, rel=bound), pytest.approx(functional, rel=bound))


def test_sgd_smoothing_says_what_the_floor_filled() -> None:
    network = random_network(n=10, m=4, k=1, p=48, seed=0)
    fit = linearized.fit(network.problem(), Training(ridge=5.0))
    tiny, huge = sgd_smoothing(fit, 5, 1e-30), sgd_smoothing(fit, 5, 1e6)
    assert tiny.directions == 10 and tiny.filled_directions <= 0.1 and tiny.filled_variance < 1e-15
    assert huge.filled_directions == 1.0 and huge.filled_variance > 0.999
    assert deviation(sgd_information(fit, 5, 1e6), weight_information(fit, 1e6)) < 1e-6
    interpolating = linearized.fit(network.problem(), Training(ridge=1e-9))
    assert sgd_smoothing(interpolating, 5, 1e-10).filled_directions == 1.0
    assert np.isfinite(sgd_information(interpolating, 5)).all()


def test_sgd_smoothing_scales() -> None:
    network = random_network(n=10, m=4, k=1, p=48, seed=0)
    fit = linearized.fit(network.problem(), Training(ridge=1.0, lr=1e-3))
    faster = linearized.fit(network.problem(), Training(ridge=1.0, lr=1e-2))
    assert deviation(sgd_information(fit, 1, 1e-13), sgd_information(faster, 10, 1e-13)) < 1e-6
    with pytest.raises(InvalidSetting, match="batch_size must be between 1 and the 10 training images, got 11"):
        sgd_information(fit, 11)
    with pytest.raises(InvalidSetting, match="floor must be a finite number above 0, got 0"):
        sgd_information(fit, 2, 0.0)
    zero = replace(fit.problem, gram=np.zeros((10, 10)), cross=np.zeros((4, 10)))
    with pytest.raises(NumericalError, match="the kernel is zero"):
        sgd_information(linearized.fit(zero, Training(ridge=1.0)), 2)


def set_information(network: LinearNetwork, training: Training, samples: list[int]) -> tuple[float, float]:
    """SI and F-SI of a set by retraining."""
    moved = network.train(np.arange(network.n), training) - network.without(samples, training)
    return float(moved @ moved / 2), float(np.sum((network.val_jacobian @ moved) ** 2) / 2 / len(network.val_jacobian))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("steps", "continuous", "ridge"), HOW)
def test_information_of_a_set(k: int, steps: int | None, continuous: bool, ridge: float) -> None:
    network = random_network(n=12, m=8, k=k, p=70, seed=k)
    lr = 0.3 * network.stable_lr(ridge)
    training = Training(steps, lr, ridge, continuous)
    fit = linearized.fit(network.problem(), training)
    samples, others = [1, 5, 8], [0, 2]
    group = group_information(fit, samples)
    weight, functional = set_information(network, training, samples)
    assert (group.weight, group.functional) == (pytest.approx(weight, rel=1e-8), pytest.approx(functional, rel=1e-8))
    assert group.samples == 3 and group.without is not None and group.full is not None
    wanted = network.problem().val_targets
    assert wanted is not None
    outputs = network.predict(network.without(samples, training))
    right = (outputs.argmax(1) == wanted.argmax(1)) if k > 1 else ((outputs > 0.5) == (wanted > 0.5))[:, 0]
    assert group.without.overall.accuracy == pytest.approx(right.mean())
    assert group.without.overall.loss == pytest.approx(np.sum((wanted - outputs) ** 2, axis=1).mean() / 2, rel=1e-9)
    both = interaction(fit, samples, others)
    parts = [np.array(set_information(network, training, each)) for each in (samples + others, samples, others)]
    wanted_pair = parts[0] - parts[1] - parts[2]
    assert np.allclose([both.weight, both.functional], wanted_pair, rtol=1e-6, atol=1e-9 * parts[0].max())
    single = group_information(fit, [4])
    assert single.functional == pytest.approx(functional_information(fit)[4], rel=1e-8)
    assert single.weight == pytest.approx(weight_information(fit)[4], rel=1e-8)


def duplicated(network: LinearNetwork, sample: int) -> LinearNetwork:
    """The same network with one sample twice."""
    order = [*range(network.n), sample]
    return replace(
        network, jacobian=network.jacobian[order], targets=network.targets[order], outputs=network.outputs[order]
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]), st.integers(0, 9))
def test_a_duplicate_takes_the_unique_information_away(seed: int, k: int, sample: int) -> None:
    network = random_network(n=10, m=6, k=k, p=50, seed=seed)
    once = linearized.fit(network.problem(), Training(ridge=1e-4))
    twice = linearized.fit(duplicated(network, sample).problem(), Training(ridge=1e-4))
    scores = weight_information(twice)
    assert scores[sample] == pytest.approx(scores[-1], rel=1e-3, abs=1e-12)
    assert scores[sample] < 0.01 * weight_information(once)[sample]
    assert interaction(twice, [sample], [10]).weight > 0
    pair = group_information(twice, [sample, 10])
    assert pair.weight == pytest.approx(weight_information(once)[sample], rel=1e-2)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
def test_noise_variance_only_rescales(seed: int, variance: float) -> None:
    fit = linearized.fit(random_network(10, 4, 2, 45, seed).problem(), Training(ridge=1.0))
    for score in (weight_information, functional_information):
        assert np.allclose(score(fit, variance) * variance, score(fit, 1.0), rtol=1e-12)
    group, plain = group_information(fit, [1, 2], variance), group_information(fit, [1, 2])
    assert group.weight * variance == pytest.approx(plain.weight, rel=1e-12)
    assert group.functional * variance == pytest.approx(plain.functional, rel=1e-12)


def test_clear_errors() -> None:
    fit = linearized.fit(random_network(10, 4, 2, 45, 0).problem(), Training(ridge=1.0))
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidSetting, match="noise_variance must be a finite number above 0"):
            functional_information(fit, bad)
        with pytest.raises(InvalidSetting, match="noise_variance must be a finite number above 0"):
            group_information(fit, [1], bad)
    with pytest.raises(InvalidSetting, match="the two sets share 1 samples, the first is 2"):
        interaction(fit, [1, 2], [2, 3])
    nobody = replace(fit.problem, cross=np.zeros((0, 20)), val_outputs=np.zeros((0, 2)), val_targets=None)
    with pytest.raises(InvalidSetting, match="needs at least one validation image"):
        functional_information(linearized.fit(nobody, Training(ridge=1.0)))
    unknown = linearized.fit(replace(fit.problem, val_targets=None), Training(ridge=1.0))
    assert group_information(unknown, [1]).without is None
    with pytest.raises(InvalidSetting, match="needs the validation targets"):
        evaluate(unknown)


def test_constant_images_and_one_class() -> None:
    network = random_network(8, 5, 1, 30, 0)
    constant = replace(network, jacobian=np.repeat(network.jacobian[:1], 8, axis=0), targets=np.ones((8, 1)))
    fit = linearized.fit(constant.problem(), Training(ridge=0.1))
    training = Training(ridge=0.1)
    wanted = constant.functional_information(training, 1.0)
    assert deviation(functional_information(fit), wanted) < 1e-6 * max(1.0, 1 / wanted.max())
    settled = replace(network, outputs=network.targets)
    fit = linearized.fit(settled.problem(), Training(ridge=0.1))
    assert np.array_equal(functional_information(fit), np.zeros(8))
    assert np.array_equal(weight_information(fit), np.zeros(8))
    assert np.isfinite(sgd_information(fit, 2)).all()


def test_overflow_is_an_error_and_not_a_nan() -> None:
    problem = random_network(8, 5, 1, 30, 0).problem()
    huge = replace(problem, residual=problem.residual * 1e200)
    with pytest.raises(NumericalError, match="are not finite"):
        functional_information(linearized.fit(huge, Training(ridge=1.0)))


def test_evaluation_per_class_and_source() -> None:
    network = random_network(10, 9, 3, 60, 1)
    fit = linearized.fit(network.problem(), Training(ridge=1.0))
    sources = ["a", "b", "a"] * 3
    found = evaluate(fit, sources)
    wanted = network.problem().val_targets
    assert wanted is not None
    right = fit.val_outputs.argmax(1) == wanted.argmax(1)
    assert found.overall.count == 9 and found.overall.accuracy == pytest.approx(right.mean())
    for label in range(3):
        assert found.per_class[label].accuracy == pytest.approx(right[wanted.argmax(1) == label].mean())
    assert found.per_source["b"].accuracy == pytest.approx(right[1::3].mean())
    assert sum(each.count for each in found.per_source.values()) == 9
    with pytest.raises(InvalidSetting, match="sources must name each of the 9 validation images, got 2"):
        evaluate(fit, ["a", "b"])


def test_wilson_interval() -> None:
    low, high = Accuracy(count=10, accuracy=0.9, loss=0.0).interval()
    assert (low, high) == (pytest.approx(0.5958, abs=1e-4), pytest.approx(0.9821, abs=1e-4))
    assert Accuracy(5, 1.0, 0.0).interval()[1] == pytest.approx(1.0)
    assert Accuracy(5, 0.0, 0.0).interval()[0] == pytest.approx(0.0)
