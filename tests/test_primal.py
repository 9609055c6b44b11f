"""The primal solver against the dual one on the same features, and against brute force."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sampleinfo import information, linearized, primal, primal_blocks, primal_sets, tuning
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.information import between, group_information
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.primal import PrimalFit
from sampleinfo.primal_passes import Selection, in_turn, sums
from sampleinfo.primal_problem import PrimalProblem
from sampleinfo.primal_sets import Moments, weights_of
from sampleinfo.shards import Shards
from tests.reference import LinearNetwork, random_network, shared_network, shared_problem

pytestmark = pytest.mark.usefixtures("one_thread")
TIMES = [(None, False), (1, False), (50, False), (2000, False), (0.37, True), (2000, True)]
KINDS = [(1, 1), (2, 2), (3, 3), (10, 10), (3, 1)]


def deviation(got: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference relative to the largest value."""
    return float(np.max(np.abs(got - wanted)) / np.max(np.abs(wanted)))


@dataclass(frozen=True)
class Memory:
    """Rows in memory, cut into shards of uneven size; counts what is read."""

    values: np.ndarray
    rows: int
    cuts: tuple[int, ...]

    @property
    def dimension(self) -> int:
        return self.values.shape[1]

    def sizes(self) -> Sequence[int]:
        return [stop - start for start, stop in zip((0, *self.cuts), (*self.cuts, self._samples), strict=True)]

    @property
    def _samples(self) -> int:
        return len(self.values) // self.rows

    def read(self, number: int) -> np.ndarray:
        start, stop = ((0, *self.cuts, self._samples)[number + each] for each in (0, 1))
        return self.values[start * self.rows : stop * self.rows]


def exact(network: LinearNetwork) -> LinearNetwork:
    """The same with Jacobians that float32 holds exactly."""
    rounded = (each.astype(np.float32).astype(np.float64) for each in (network.jacobian, network.val_jacobian))
    jacobian, val_jacobian = rounded
    return replace(network, jacobian=jacobian, val_jacobian=val_jacobian)


def features(jacobian: np.ndarray, q: int) -> np.ndarray:
    """(n q, D) rows: of a shared network those of the first output."""
    n, k, p = jacobian.shape
    return (jacobian.reshape(n * k, p) if q == k else jacobian[:, 0, : p // k]).astype(np.float32)


def both(network: LinearNetwork, q: int) -> tuple[PrimalProblem, Problem]:
    """The primal and the dual problem of a network."""
    k = network.jacobian.shape[1]
    dual = network.problem() if q == k else shared_problem(network)
    train, val = (features(each, q) for each in (network.jacobian, network.val_jacobian))
    n, m = network.n, len(network.val_jacobian)
    cuts, val_cuts = tuple({1, n // 3, n // 2, n - 1} - {0, n}), tuple({m // 2} - {0})
    return PrimalProblem(
        Memory(train, q, tuple(sorted(cuts))), Memory(val, q, val_cuts), dual.residual, dual.val_outputs,
        dual.val_targets, dual.targets,
    ), dual  # fmt: skip


def network_of(k: int, q: int, n: int, p: int, m: int = 6, seed: int = 0) -> LinearNetwork:
    return exact(random_network(n, m, k, p, seed) if q == k else shared_network(n, m, k, p, seed))


def training_of(network: LinearNetwork, steps: float | None, continuous: bool, share: float) -> Training:
    """With a ridge of ``share`` times the kernel's mean diagonal."""
    rows = network.jacobian.reshape(-1, network.jacobian.shape[2])
    ridge = share * float(np.mean(np.sum(rows**2, axis=1)))
    return Training(steps, network.stable_lr(ridge), ridge, continuous)


def check_everything(got: PrimalFit, wanted: Fit, bound: float) -> None:
    """Outputs, errors, both informations, leverage and prediction changes."""
    loo, dual = got.leave_each_out(), wanted.leave_each_out()
    assert (got.n, got.k, got.m) == (wanted.problem.n, wanted.problem.k, wanted.problem.m)
    assert deviation(got.val_outputs, wanted.val_outputs) < bound
    assert np.max(np.abs(got.train_errors - wanted.train_errors)) < bound * np.abs(wanted.residual).max()
    assert deviation(loo.errors, dual.errors) < bound
    assert deviation(loo.weight_information, information.weight_information(wanted)) < bound
    assert deviation(loo.functional_information, information.functional_information(wanted)) < bound
    chosen = np.random.default_rng(0).permutation(got.n)[: max(1, got.n // 2)]
    assert deviation(loo.val_change(chosen), dual.val_change[:, :, chosen]) < bound


@pytest.mark.parametrize("k, q", KINDS)
@pytest.mark.parametrize("n, p", [(14, 180), (40, 12), (12, 12)])
@pytest.mark.parametrize("share", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize(("steps", "continuous"), TIMES)
def test_equal_to_the_dual(k: int, q: int, n: int, p: int, share: float, steps: float | None, continuous: bool) -> None:
    network = network_of(k, q, n, p, m=6 if n != 12 else 30)
    problem, dual = both(network, q)
    training = training_of(network, steps, continuous, share)
    if steps is None and share == 0:
        return  # below: only one of the two has an answer
    check_everything(primal.fit(problem, training, "float64"), linearized.fit(dual, training), 1e-8)


@pytest.mark.parametrize("k, q", KINDS)
@pytest.mark.parametrize(("steps", "continuous"), TIMES)
@pytest.mark.parametrize("n, p", [(14, 180), (40, 9)])
def test_equal_to_retraining(k: int, q: int, n: int, p: int, steps: float | None, continuous: bool) -> None:
    network = network_of(k, q, n, p if q == k or n > p else p // k, seed=k)
    training = training_of(network, steps, continuous, 0.01)
    got = primal.fit(both(network, q)[0], training, "float64")
    loo = got.leave_each_out()
    assert deviation(got.val_outputs, network.predict(network.train(np.arange(n), training))) < 1e-8
    assert deviation(got.train_errors, network.held_in_errors(training)) < 1e-8
    assert deviation(loo.errors, network.held_out_errors(training)) < 1e-8
    assert deviation(loo.weight_information, network.weight_information(training, 1.0)) < 1e-8
    assert deviation(loo.functional_information, network.functional_information(training, 1.0)) < 1e-8
    assert deviation(loo.val_change(np.arange(n)), network.prediction_changes(training)) < 1e-8
    if q == k:
        assert deviation(loo.leverage, network.own_gain(training)) < 1e-7


@pytest.mark.parametrize("k, q", KINDS)
@pytest.mark.parametrize("lost", [0, 3])
def test_least_squares_without_a_ridge(k: int, q: int, lost: int) -> None:
    """More rows than features: the kernel is singular, the features' products are not, or have a null space."""
    network = network_of(k, q, 40, 9)
    width = network.jacobian.shape[2] // (1 if q == k else k)
    for each in (network.jacobian, network.val_jacobian):
        for output in range(1 if q == k else k):
            each[:, :, output * width : output * width + lost] = 0.0
    training = Training()
    got = primal.fit(both(network, q)[0], training, "float64")
    loo = got.leave_each_out()
    assert deviation(got.val_outputs, network.predict(network.train(np.arange(40), training))) < 1e-8
    assert deviation(loo.errors, network.held_out_errors(training)) < 1e-8
    assert deviation(loo.functional_information, network.functional_information(training, 1.0)) < 1e-8
    rest = got.without([3, 1, 4])
    assert deviation(rest.val_outputs, network.predict(network.without([3, 1, 4], training))) < 1e-8


def test_interpolation_without_a_ridge_is_refused() -> None:
    network = network_of(2, 2, 14, 180)
    problem, dual = both(network, 2)
    got = primal.fit(problem, Training(), "float64")
    assert deviation(got.val_outputs, linearized.fit(dual, Training()).val_outputs) < 1e-8
    rest = got.without([2, 7])
    assert deviation(rest.val_outputs, network.predict(network.without([2, 7], Training()))) < 1e-8
    with pytest.raises(NumericalError, match=r"not determined by the others'.*use a larger ridge .* mean diagonal is"):
        got.leave_each_out().errors  # noqa: B018
    with pytest.raises(NumericalError, match="not determined by the others'"):
        got.leave_each_out().val_change([0])
    with pytest.raises(NumericalError, match="with ridge 1e-300 are singular to working precision"):
        primal.fit(problem, Training(ridge=1e-300)).val_outputs  # noqa: B018
    alone = network_of(1, 1, 20, 6)
    alone.jacobian[3, 0, 5], alone.jacobian[np.arange(20) != 3, 0, 5] = 1.0, 0.0
    with pytest.raises(NumericalError, match=r"or a finite number of steps\."):
        primal.fit(both(alone, 1)[0], Training(), "float64").leave_each_out().errors  # noqa: B018


@pytest.mark.parametrize("k, q", [(1, 1), (3, 3), (3, 1)])
@pytest.mark.parametrize("n, p", [(14, 70), (30, 8)])
@pytest.mark.parametrize(("steps", "share"), [(None, 0.1), (None, 0.0), (300, 0.0), (300, 0.1)])
@pytest.mark.parametrize("removed", [0, 1, 2, 7, 12, 14])
def test_sets_equal_retraining(k: int, q: int, n: int, p: int, steps: int | None, share: float, removed: int) -> None:
    network = network_of(k, q, n, p, seed=removed)
    training = replace(training_of(network, steps, False, share), lr=0.1 * network.stable_lr(0.0))
    samples = np.random.default_rng(removed).permutation(n)[:removed]
    stay = np.random.default_rng(1).permutation(np.setdiff1d(np.arange(n), samples))
    fit = primal.fit(both(network, q)[0], training, "float64")
    wanted = network.predict(network.train(stay, training))
    assert deviation(fit.without(samples).val_outputs, wanted) < 1e-8
    kept = fit.keep(stay)
    assert deviation(kept.val_outputs, wanted) < 1e-8
    if len(stay) and removed:
        changes = network.train(np.arange(n), training) - network.train(stay, training)
        moved = network.val_jacobian @ changes
        weight, functional = fit.between(kept)
        assert weight == pytest.approx(np.sum(changes**2) / 2, rel=1e-8)
        assert functional == pytest.approx(np.sum(moved**2) / (2 * len(moved)), rel=1e-8)


@pytest.mark.parametrize("k, q", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("steps", [None, 40])
@pytest.mark.parametrize("n, p", [(14, 70), (30, 8)])
def test_all_ways_to_a_set_agree(k: int, q: int, continuous: bool, steps: int | None, n: int, p: int) -> None:
    network = network_of(k, q, n, p)
    training = replace(training_of(network, steps, continuous, 0.05), lr=0.5 / n * network.stable_lr(0.0))
    moments = primal.prepare(both(network, q)[0], "float64").moments
    for count in (1, 5, n - 2, n - 1):
        samples = np.sort(np.random.default_rng(count).permutation(n)[:count])
        wanted = weights_of(moments, training, samples)
        for way in (primal_sets._left_out, primal_sets._kept, primal_sets._summed):
            assert deviation(way(moments, training, samples), wanted) < 1e-8


@pytest.mark.parametrize("k, q", [(1, 1), (3, 3), (3, 1)])
@pytest.mark.parametrize(("steps", "share"), [(None, 0.1), (40, 0.1)])
def test_leaving_each_out_of_a_part(k: int, q: int, steps: int | None, share: float) -> None:
    network = network_of(k, q, 20, 15)
    problem, dual = both(network, q)
    training = replace(training_of(network, steps, False, share), lr=0.1 * network.stable_lr(0.0))
    ours, theirs = primal.fit(problem, training, "float64"), linearized.fit(dual, training)
    for change in ([4, 0, 11], list(range(15))):
        check_everything(ours.without(change), theirs.without(change), 1e-8)
    order = [7, 3, 12, 0, 19, 5]
    check_everything(ours.keep(order), theirs.keep(order), 1e-8)
    check_everything(ours.keep(order).without([1, 4]), theirs.keep(order).without([1, 4]), 1e-8)
    assert deviation(ours.keep(order).train_errors, theirs.keep(order).train_errors) < 1e-8


@pytest.mark.parametrize("k, q", [(1, 1), (3, 3), (3, 1)])
@pytest.mark.parametrize("steps", [None, 40])
def test_relabelling_equals_the_dual(k: int, q: int, steps: int | None) -> None:
    network = network_of(k, q, 20, 15)
    problem, dual = both(network, q)
    training = replace(training_of(network, steps, False, 0.1), lr=0.1 * network.stable_lr(0.0))
    wanted = np.random.default_rng(0).normal(size=(3, k))
    ours = primal.fit(problem, training, "float64")
    theirs = linearized.fit(dual, training).relabel([7, 1, 4], wanted)
    check_everything(ours.relabel([7, 1, 4], wanted), theirs, 1e-8)
    check_everything(ours.keep([9, 7, 1, 4, 0]).relabel([1, 2, 3], wanted), theirs.keep([9, 7, 1, 4, 0]), 1e-8)
    with pytest.raises(InvalidSetting, match=r"targets must have shape \(1, "):
        ours.relabel([0], np.zeros((2, k)))
    with pytest.raises(InvalidSetting, match="make the problem with targets=Y"):
        primal.fit(replace(problem, targets=None), training).relabel([0], np.zeros((1, k)))
    with pytest.raises(NumericalError, match="not finite"):
        ours.relabel([0], np.full((1, k), np.nan))


@pytest.mark.parametrize("k, q", KINDS)
@pytest.mark.parametrize("n, p", [(14, 100), (40, 12)])
def test_ridge_is_chosen_by_the_true_error(k: int, q: int, n: int, p: int) -> None:
    network = network_of(k, q, n, p)
    problem, dual = both(network, q)
    choice = primal.prepare(problem, "float64").choose_ridge()
    wanted = tuning.choose_ridge(tuning.Data(dual.gram, dual.residual.reshape(n * q, -1), q))
    assert choice.grid == pytest.approx(wanted.grid, rel=1e-12)
    assert choice.errors == pytest.approx(wanted.errors, rel=1e-6)
    assert choice.errors[6:] == pytest.approx(wanted.errors[6:], rel=1e-8)
    assert choice.value == choice.grid[int(np.argmin(wanted.errors))]
    true = np.mean(np.sum(network.held_out_errors(Training(ridge=choice.value)) ** 2, axis=1))
    assert min(choice.errors) == pytest.approx(true, rel=1e-8)
    single = primal.prepare(problem).choose_ridge()
    assert single.value == choice.value
    assert np.all(np.isinf(single.errors) | np.isclose(single.errors, choice.errors, rtol=5e-3))


def test_a_group_has_the_information_of_the_dual() -> None:
    network = network_of(3, 3, 20, 30)
    problem, dual = both(network, 3)
    training = training_of(network, None, False, 0.1)
    got = primal.group_information(primal.fit(problem, training, "float64"), [1, 2, 5], 0.5)
    wanted = group_information(linearized.fit(dual, training), [1, 2, 5], 0.5)
    assert got.samples == wanted.samples == 3
    for ours, theirs in ((got.without, wanted.without), (got.full, wanted.full)):
        assert ours is not None and theirs is not None
        assert ours.overall.accuracy == theirs.overall.accuracy
        assert ours.overall.loss == pytest.approx(theirs.overall.loss, rel=1e-8)
    assert got.weight == pytest.approx(wanted.weight, rel=1e-8)
    assert got.functional == pytest.approx(wanted.functional, rel=1e-8)
    one, other = linearized.fit(dual, training), linearized.fit(dual, training).keep([3, 4, 5])
    mine = primal.fit(problem, training, "float64")
    assert mine.between(mine.keep([3, 4, 5])) == pytest.approx(between(one, other), rel=1e-8)
    bare = primal.group_information(primal.fit(replace(problem, val_targets=None), training), [0])
    assert bare.without is None and bare.full is None


def shuffled(work: Callable[[int], object], numbers: Sequence[int]) -> Iterable[object]:
    """Elsewhere and in any order: the work travels as bytes."""
    order = np.random.default_rng(len(numbers)).permutation(list(numbers))
    return [pickle.loads(pickle.dumps(work))(int(number)) for number in order]


def in_threads(work: Callable[[int], object], numbers: Sequence[int]) -> Iterable[object]:
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(work, numbers))


@pytest.mark.parametrize("mapper", [shuffled, in_threads])
@pytest.mark.parametrize("k, q", [(1, 1), (3, 3), (3, 1)])
@pytest.mark.parametrize("steps", [None, 40])
def test_order_and_place_of_the_work_do_not_matter(mapper: object, k: int, q: int, steps: int | None) -> None:
    network = network_of(k, q, 40, 12, m=30)
    problem, _ = both(network, q)
    training = training_of(network, steps, False, 0.1)
    here, there = (primal.fit(problem, training, "float64", each) for each in (in_turn, mapper))  # type: ignore[arg-type]
    for name in ("errors", "weight_information", "functional_information", "leverage"):
        assert deviation(getattr(there.leave_each_out(), name), getattr(here.leave_each_out(), name)) < 1e-11
    assert deviation(there.without([3, 9]).val_outputs, here.without([3, 9]).val_outputs) < 1e-11
    assert deviation(there.train_errors, here.train_errors) < 1e-11
    assert np.allclose(there.solver.choose_ridge().errors, here.solver.choose_ridge().errors, rtol=1e-9)


@pytest.mark.parametrize("scale", [1, 32, 1024])
@pytest.mark.parametrize("dimension", [64, 180])
def test_leaving_out_an_outlier_leaves_no_rounding_of_it(dimension: int, scale: int) -> None:
    """Fewer rows than features and no ridge: what is left of a large row must not count as a direction of its own."""
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(14, dimension)).astype(np.float32), rng.normal(size=(14, 1))
    rows[3] *= scale
    problem = PrimalProblem(Memory(rows, 1, (7,)), Memory(rows[:5], 1, (2,)), targets, np.zeros((5, 1)))
    found = primal.fit(problem, Training(), "float64").without([3]).weights
    others = np.delete(np.arange(14), 3)
    wanted = np.linalg.lstsq(rows[others].astype(float), targets[others], rcond=None)[0]
    assert deviation(found, wanted) < 1e-6


def test_shards_are_summed_in_groups_of_many_rows() -> None:
    """Whole, in order, each once, and without those that hold nothing of the selection."""
    source = Memory(np.ones((2 * 120, 3), np.float32), 2, tuple(range(10, 120, 10)))
    everything = Selection.everything(source)
    assert [each.tolist() for each in everything.groups(60)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [each.tolist() for each in everything.groups(50)] == [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9], [10, 11]]
    assert [each.tolist() for each in everything.groups(1)] == [[number] for number in range(12)]
    some = everything.only(np.array([3, 44, 45, 119]))
    assert [each.tolist() for each in some.groups(4)] == [[0, 4], [11]]
    calls: list[int] = []

    def counted(work: Callable[[int], object], numbers: Sequence[int]) -> Iterable[object]:
        calls.append(len(numbers))
        return in_turn(work, numbers)

    rng = np.random.default_rng(0)
    rows, residual = rng.normal(size=(2000, 6)).astype(np.float32), rng.normal(size=(2000, 1, 1))
    gram, target = sums(
        Selection.everything(Memory(rows, 1, tuple(range(20, 2000, 20)))),
        residual,
        counted,  # type: ignore[arg-type]
    )
    assert calls == [21]
    wide = rows.astype(np.float64)
    assert deviation(gram, wide.T @ wide) < 1e-14 and deviation(target, wide.T @ residual[:, 0]) < 1e-13


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([(1, 1), (3, 3), (3, 1)]), st.sampled_from([None, 40]))
def test_order_of_samples_and_cuts_do_not_matter(seed: int, kind: tuple[int, int], steps: int | None) -> None:
    rng = np.random.default_rng(seed)
    (k, q), n = kind, 24
    problem, _ = both(network_of(k, q, n, 10, seed=seed), q)
    assert isinstance(problem.train, Memory)
    order = rng.permutation(n)
    cuts = tuple(sorted(int(x) for x in rng.choice(np.arange(1, n), size=rng.integers(0, 6), replace=False)))
    values = problem.train.values.reshape(n, q, -1)[order].reshape(n * q, -1)
    other = replace(
        problem, train=Memory(values, q, cuts), residual=problem.residual[order], targets=None,
    )  # fmt: skip
    scale = float(np.sum(values.astype(float) ** 2)) / (n * q)
    largest = float(np.linalg.norm(values.astype(float), 2) ** 2)
    training = Training(steps, 0.5 * n / largest, 0.05 * scale)
    one, two = (primal.fit(each, training, "float64").leave_each_out() for each in (problem, other))
    for name in ("errors", "weight_information", "functional_information", "leverage"):
        assert deviation(getattr(two, name), getattr(one, name)[order]) < 1e-9
    assert deviation(two.val_change([1, 5]), one.val_change(order[[1, 5]])) < 1e-9


@pytest.mark.parametrize("k, q", KINDS)
@pytest.mark.parametrize("share", [1e-3, 0.1])
@pytest.mark.parametrize("steps", [None, 2000])
def test_products_in_single_precision(k: int, q: int, share: float, steps: int | None) -> None:
    """Measured: at most 8e-6 of the largest score where rows outnumber features, 4e-4 where they do not."""
    for n, p, bound in ((60, 12, 3e-5), (14, 180, 1e-3)):
        network = network_of(k, q, n, p)
        training = training_of(network, steps, False, share)
        single, double = (
            primal.fit(both(network, q)[0], training, precision).leave_each_out()
            for precision in ("float32", "float64")
        )
        for name in ("errors", "weight_information", "functional_information", "leverage"):
            assert deviation(getattr(single, name), getattr(double, name)) < bound


def test_single_precision_refuses_what_it_cannot_tell() -> None:
    problem, dual = both(network_of(1, 1, 14, 180), 1)
    training = Training(ridge=1e-8 * float(np.trace(dual.gram)))
    with pytest.raises(NumericalError, match=r"or products in float64, or a finite number of steps\."):
        primal.fit(problem, training).leave_each_out().errors  # noqa: B018
    check_everything(primal.fit(problem, training, "float64"), linearized.fit(dual, training), 1e-6)


def test_features_on_disk_in_half_precision(tmp_path: Path) -> None:
    """The rounding of float16 alone: scores off by a few thousandths at most, their order all but the same."""
    network = random_network(300, 50, 1, 40, 0)
    rows, val = (features(each, 1) for each in (network.jacobian, network.val_jacobian))
    residual, training = network.targets - network.outputs, training_of(network, None, False, 0.1)
    scores = []
    for dtype in ("float32", "float16"):
        store = Shards.create(tmp_path / dtype, 1, 40, dtype, 128)  # type: ignore[arg-type]
        for number, start in enumerate(range(0, 300, 128)):
            store.write(number, rows[start : start + 128])
        held = Shards.create(tmp_path / f"{dtype}-val", 1, 40, dtype, 50)  # type: ignore[arg-type]
        held.write(0, val)
        fit = primal.fit(PrimalProblem(store, held, residual, network.val_outputs), training)
        scores.append(fit.leave_each_out().functional_information)
    assert deviation(scores[1], scores[0]) < 5e-3
    assert stats.spearmanr(scores[1], scores[0]).statistic > 0.9999
    exactly = network.functional_information(training, 1.0)
    assert deviation(scores[0], exactly) < 1e-5


def test_memory_does_not_grow_with_the_square_of_the_samples() -> None:
    n, size = 20_000, 32
    rng = np.random.default_rng(0)
    train = Memory(rng.normal(size=(n, size)).astype(np.float32), 1, tuple(range(1000, n, 1000)))
    val = Memory(rng.normal(size=(5000, size)).astype(np.float32), 1, (2500,))
    problem = PrimalProblem(train, val, rng.normal(size=(n, 1)), np.zeros((5000, 1)))
    tracemalloc.start()
    try:
        solver = primal.prepare(problem)
        fit = solver.fit(Training(ridge=solver.choose_ridge().value))
        assert fit.leave_each_out().functional_information.shape == (n,)
        assert fit.without(np.arange(n // 2)).leave_each_out().errors.shape == (n // 2, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 * 2**20  # n x n would be 3 GB, m x n 800 MB


def test_only_the_shards_asked_for_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = both(network_of(1, 1, 30, 8), 1)
    fit = primal.fit(problem, Training(ridge=1.0))
    _ = fit.solver.moments.spectrum
    seen: list[int] = []
    read = Memory.read
    monkeypatch.setattr(Memory, "read", lambda self, number: seen.append(number) or read(self, number))
    starts = np.concatenate([[0], np.cumsum(problem.train.sizes())])
    fit.without([int(starts[2])]).weights  # noqa: B018
    assert seen == [2]


def test_rates_that_diverge_name_the_largest_stable_one() -> None:
    network = network_of(1, 1, 10, 40)
    problem, dual = both(network, 1)
    largest = np.linalg.eigvalsh(dual.gram)[-1]
    stable = 2 * 10 / (largest + 0.5)
    primal.fit(problem, Training(5, 0.999 * stable, 0.5))
    with pytest.raises(InvalidSetting, match=rf"diverges: with 10 training images .* must stay below {stable:.4g}"):
        primal.fit(problem, Training(5, 1.001 * stable, 0.5))
    fit = primal.fit(problem, Training(5, 0.95 * stable, 0.5))
    with pytest.raises(InvalidSetting, match="diverges: with 9 training images"):
        fit.leave_each_out().errors  # noqa: B018
    with pytest.raises(InvalidSetting, match="diverges: with 1 training images"):
        fit.keep([int(np.argmax(np.diag(dual.gram)))]).val_outputs  # noqa: B018


@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("steps", [None, 20])
def test_the_only_sample_and_none(q: int, steps: int | None) -> None:
    network = network_of(3, q, 1, 9)
    training = training_of(network, steps, False, 0.2)
    fit = primal.fit(both(network, q)[0], training, "float64")
    loo = fit.leave_each_out()
    assert deviation(loo.val_change([0])[:, :, 0], fit.val_outputs - network.val_outputs) < 1e-10
    assert deviation(loo.errors, network.targets - network.outputs) < 1e-10
    nothing = fit.keep([])
    assert np.array_equal(nothing.val_outputs, network.val_outputs)
    assert nothing.train_errors.shape == (0, 3)
    empty = nothing.leave_each_out()
    assert empty.errors.shape == (0, 3) and empty.leverage.shape == (0, q, q)
    assert empty.val_change([]).shape == (6, 3, 0) and empty.functional_information.shape == (0,)


def test_useless_poles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = both(network_of(1, 1, 20, 8), 1)
    fit = primal.fit(problem, Training(20, 1e-3))
    found = primal_sets.fit_poles
    for error, kind in ((1e-9, RuntimeWarning), (1e-7, NumericalError)):
        monkeypatch.setattr(primal_sets, "fit_poles", lambda *given, error=error: replace(found(*given), error=error))
        context = pytest.warns(kind, match="reach an error of 1e-09 only") if kind is RuntimeWarning else pytest.raises(
            NumericalError, match="use fewer steps, a ridge, or training to convergence"
        )  # fmt: skip
        with context:
            replace(fit).leave_each_out().errors  # noqa: B018


def test_clear_errors() -> None:
    problem, _ = both(network_of(3, 3, 6, 9), 3)
    with pytest.raises(InvalidSetting, match=r"the shards hold 6 training images, the arrays 5; at least 1 of each\."):
        replace(problem, residual=problem.residual[:5], targets=None)
    with pytest.raises(InvalidSetting, match="the shards hold 6 validation images, the arrays 2"):
        replace(problem, val_outputs=problem.val_outputs[:2], val_targets=None)
    with pytest.raises(InvalidSetting, match=r"features must have 2 rows per image or 1, .* got 3 and 3 rows"):
        replace(problem, residual=problem.residual[:, :2], val_outputs=problem.val_outputs[:, :2], val_targets=None,
                targets=None)  # fmt: skip
    with pytest.raises(InvalidSetting, match=r"val_outputs must have shape \(6, 3\), got \(6, 2\)"):
        replace(problem, val_outputs=problem.val_outputs[:, :2])
    with pytest.raises(NumericalError, match="residual holds values that are not finite"):
        replace(problem, residual=problem.residual * np.nan)
    fit = primal.fit(problem, Training(ridge=1.0))
    for bad, words in (([6], "between 0 and 5"), ([1, 1], "given twice"), ([0.5], "whole numbers")):
        for method in (fit.without, fit.keep, fit.leave_each_out().val_change):
            with pytest.raises(InvalidSetting, match=words):
                method(bad)
    with pytest.raises(InvalidSetting, match="noise_variance must be a finite number above 0, got 0"):
        fit.between(fit, 0.0)
    assert isinstance(problem.train, Memory)
    nothing = Memory(np.zeros_like(problem.train.values), 3, problem.train.cuts)
    with pytest.raises(NumericalError, match="the features are zero"):
        primal.prepare(replace(problem, train=nothing)).choose_ridge()
    huge = Memory(problem.train.values * np.nan, 3, problem.train.cuts)
    with pytest.raises(NumericalError, match="features' products are not finite"):
        primal.prepare(replace(problem, train=huge))


def test_sums_of_a_part_come_from_the_smaller_side(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = primal.prepare(both(network_of(2, 2, 20, 8), 2)[0]).moments
    counts: list[int] = []
    sums = primal_sets.sums
    monkeypatch.setattr(
        primal_sets, "sums", lambda selection, *rest: counts.append(len(selection)) or sums(selection, *rest)
    )
    parts: list[Moments] = [moments.subset(np.arange(count)) for count in (4, 17)]
    assert counts == [4, 3]
    for part, count in zip(parts, (4, 17), strict=True):
        rows = moments.selection.source.values[: 2 * count].astype(float)  # type: ignore[attr-defined]
        assert deviation(part.gram.matrix, rows.T @ rows) < 1e-12


@pytest.mark.parametrize("seed", [0, 4, 10, 12, 23, 24, 34, 45, 54, 57])
@pytest.mark.parametrize("steps", [10**5, 10**6, 10**7])
@pytest.mark.parametrize("continuous", [False, True])
def test_long_trainings_without_ridge_on_few_images(seed: int, steps: int, continuous: bool) -> None:
    """The rational fit leaves poles at 0 but for rounding errors, where I - P vanishes; they add nothing."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 10))
    for k, q in ((1, 1), (3, 3), (3, 1)):
        network = network_of(k, q, n, int(rng.integers(n * k + 1, 60)) * (k if q != k else 1), seed=seed)
        problem, dual = both(network, q)
        training = training_of(network, steps, continuous, 0.0)
        got, wanted = primal.fit(problem, training, "float64").leave_each_out(), linearized.fit(dual, training)
        assert deviation(got.weight_information, information.weight_information(wanted)) < 1e-6
        assert deviation(got.functional_information, information.functional_information(wanted)) < 1e-6


def test_one_sample_without_a_solution_leaves_the_others_theirs() -> None:
    products = np.stack([np.eye(2) / 2, np.eye(2), np.zeros((2, 2))])[:, None]
    found = primal_blocks.solve(products, np.ones((3, 1, 2, 1)))
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2], 0, :, 0], [[2, 2], [1, 1]])


def test_scores_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = both(network_of(1, 1, 9, 4), 1)
    fit = primal.fit(problem, Training(50, lr=1e-3))
    monkeypatch.setattr(primal_blocks, "solve", lambda products, errors: np.full_like(errors, np.nan))
    with pytest.raises(NumericalError, match="the scores are not finite; use a larger ridge"):
        _ = fit.leave_each_out().errors
