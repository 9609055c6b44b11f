"""Strategies, curves and advice against training on each set from the beginning."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sampleinfo import linearized
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.evaluation import Accuracy, evaluate
from sampleinfo.information import functional_information
from sampleinfo.linearized import Problem, Training
from sampleinfo.reports import strategies, summaries
from sampleinfo.reports.pool import Pool, halves
from sampleinfo.reports.strategies import STRATEGIES, choose, equal_quotas
from sampleinfo.store import Run
from sampleinfo.types import IntArray

RIDGE = 0.2


def pool(n: int = 24, m: int = 16, classes: int = 2, shared: bool = False, training: Training | None = None) -> Pool:
    rng = np.random.default_rng(3)
    k = 1 if classes == 2 else classes
    labels, val_labels = (np.arange(size) * classes // size for size in (n, m))
    centres = rng.normal(size=(classes, 12))
    x, v = (2 * centres[each] + rng.normal(size=(len(each), 12)) for each in (labels, val_labels))
    gram, cross = x @ x.T / 12, v @ x.T / 12
    if k > 1 and not shared:
        gram, cross = np.kron(gram, np.eye(k)), np.kron(cross, np.eye(k))
    one_hot = [each[:, None].astype(float) if k == 1 else np.eye(k)[each] for each in (labels, val_labels)]
    start = 1 / classes
    problem = Problem(gram, cross, one_hot[0] - start, np.full((m, k), start), one_hot[1], one_hot[0])
    choosing, measuring = halves(val_labels, 0)
    return Pool(problem, training or Training(ridge=RIDGE), labels, x, choosing, measuring)


def test_halves_share_no_image_and_hold_every_class() -> None:
    labels = np.repeat([0, 1, 2], [6, 4, 5])
    first, second = halves(labels, 1)
    assert sorted([*first, *second]) == list(range(15))
    for label, count in ((0, 6), (1, 4), (2, 5)):
        assert abs(int((labels[first] == label).sum()) - count / 2) < 1


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_ranks_every_image_once(name: str, classes: int) -> None:
    known = pool(classes=classes)
    order = STRATEGIES[name].rank(known, 7, 0)
    assert sorted(order) == list(range(known.n))
    np.testing.assert_array_equal(choose(known, name, 7), order[:7])
    if STRATEGIES[name].nested and not name.startswith("greedy"):
        np.testing.assert_array_equal(order, STRATEGIES[name].rank(known, 20, 0))
    drawn = not np.array_equal(order, STRATEGIES[name].rank(known, 7, 1))
    assert drawn == STRATEGIES[name].drawn


def test_the_greedy_choice_is_the_best_of_all() -> None:
    known = pool()
    problem = known.itself
    fit = linearized.fit(problem, known.training)

    def loss(rows: list[int]) -> float:
        assert problem.val_targets is not None
        return float(np.sum((problem.val_targets - fit.keep(np.array(rows)).val_outputs) ** 2))

    chosen: list[int] = []
    for row in choose(known, "greedy-pool", 5):
        best = min((loss([*chosen, each]), each) for each in range(known.n) if each not in chosen)
        assert loss([*chosen, int(row)]) == pytest.approx(best[0], rel=1e-9)
        chosen.append(int(row))


def test_bottom_iterative_scores_again_after_each_step() -> None:
    known = pool(n=40)  # 5 % are two images
    problem, left = known.judged(known.choosing), np.arange(40)
    for _ in range(10):
        nats = functional_information(linearized.fit(problem.subset(left), Training(ridge=RIDGE)))
        left = left[np.sort(np.argsort(nats, kind="stable")[2:])]
    assert sorted(choose(known, "bottom-iterative", 20)) == sorted(left)


def test_bottom_and_top_are_the_two_ends_of_one_ranking() -> None:
    known = pool()
    nats = functional_information(known.choosing_fit)
    assert set(choose(known, "bottom", 6)) == set(np.argsort(-nats)[:6])
    assert set(choose(known, "top", 6)) == set(np.argsort(nats)[:6])


def test_k_centre_covers_better_than_chance() -> None:
    known = pool(n=60)

    def radius(rows: IntArray) -> float:
        return float(np.linalg.norm(known.features[:, None] - known.features[rows], axis=2).min(axis=1).max())

    drawn = [radius(choose(known, "random", 8, seed)) for seed in range(20)]
    assert radius(choose(known, "k-centre", 8)) < np.mean(drawn)


@pytest.mark.parametrize("name", STRATEGIES)
def test_numbers_per_class(name: str) -> None:
    known = pool(classes=3)
    quotas = {0: 5, 1: 1, 2: 0}
    rows = choose(known, name, 6, quotas=quotas)
    assert [int((known.labels[rows] == label).sum()) for label in range(3)] == [5, 1, 0]
    order = STRATEGIES[name].rank(known, 6, 0)
    for label in range(3):  # the best of the class
        members = [row for row in order if known.labels[row] == label][: quotas[label]]
        assert set(members) <= set(rows.tolist())


def test_equal_numbers_where_a_class_is_small() -> None:
    labels = np.repeat([0, 1, 2], [10, 2, 10])
    assert equal_quotas(labels, 6) == {0: 2, 1: 2, 2: 2}
    assert equal_quotas(labels, 11) == {0: 5, 1: 2, 2: 4}
    assert equal_quotas(labels, 22) == {0: 10, 1: 2, 2: 10}


@pytest.mark.parametrize("training", [Training(ridge=RIDGE), Training(steps=30, lr=0.05)])
@pytest.mark.parametrize(("classes", "shared"), [(2, False), (3, False), (3, True)])
def test_curves_are_training_on_each_summary_alone(classes: int, shared: bool, training: Training) -> None:
    known = pool(classes=classes, shared=shared, training=training)
    sizes = [4, 9, 24]
    table = summaries.curves(known, ["greedy-pool", "k-means", "random"], sizes, draws=2)
    assert len(table) == 3 * (1 + 1 + 2)
    fit = linearized.fit(known.judged(known.measuring), training)
    for row in table.itertuples():
        rows = choose(known, str(row.strategy), int(row.size), int(row.seed))
        if row.strategy == "greedy-pool":
            rows = choose(known, "greedy-pool", 24)[: int(row.size)]
        reached = evaluate(fit.keep(rows)).overall
        assert row.accuracy == reached.accuracy and row.loss == pytest.approx(reached.loss, rel=1e-9)
        assert row.share == row.size / 24


def test_equal_numbers_in_curves() -> None:
    known = pool(classes=3)
    table = summaries.curves(known, ["top"], [6], equal=True)
    rows = choose(known, "top", 6, quotas={0: 2, 1: 2, 2: 2})
    assert table["accuracy"][0] == evaluate(known.fit.keep(rows)).overall.accuracy


def test_choosing_never_looks_at_the_measuring_half() -> None:
    known = pool()
    problem = known.problem
    assert problem.val_targets is not None
    cross, wanted = problem.cross.copy(), problem.val_targets.copy()
    cross[known.measuring] *= -3.0
    wanted[known.measuring] = 1 - wanted[known.measuring]
    other = replace(known, problem=replace(problem, cross=cross, val_targets=wanted))
    for name in STRATEGIES:
        np.testing.assert_array_equal(choose(known, name, 8), choose(other, name, 8))


def test_advice_is_the_smallest_predicted_loss() -> None:
    known = pool()
    table = summaries.curves(known, sizes=[4, 12], draws=5)
    for size in (4, 12):
        found, at = summaries.advise(table, size), table[table["size"] == size]
        others = at[at["strategy"] != "random"]
        assert (
            found.reached.loss == others["loss"].min()
            and found.reached.count == len(known.measuring)
            and found.strategy in set(others["strategy"])
        )
        drawn = at[at["strategy"] == "random"]["accuracy"]
        assert found.random == pytest.approx(drawn.mean()) and found.spread == pytest.approx(drawn.std())
        assert not found.clear or found.reached.accuracy - found.random > found.spread


def test_a_clear_difference_is_above_the_noise_of_draws_and_of_held_out_images() -> None:
    def clear(images: int, spread: float) -> bool:
        return summaries.Advice(9, "top", Accuracy(images, 0.9, 0.1), 0.87, spread).clear

    assert clear(1000, 0.02) and not clear(1000, 0.04) and not clear(40, 0.02)


def test_a_run_that_stops_early_gets_the_ridge_of_its_end() -> None:
    known = pool(training=Training(steps=200, lr=0.06))
    assert known.ridge == pytest.approx(24 / (0.06 * 200))
    assert pool().ridge == RIDGE


def test_the_pool_of_a_run(small_run: Run) -> None:
    known = Pool.of(small_run)
    assert known.n == 60 and known.features.shape[0] == 60
    assert len(known.choosing) == len(known.measuring) == 20
    table = summaries.curves(known, draws=3)
    whole = table[table["share"] == 1.0]
    assert whole["accuracy"].nunique() == 1
    np.testing.assert_allclose(whole["loss"], known_loss(known), rtol=1e-6)


def known_loss(known: Pool) -> float:
    return evaluate(known.fit).overall.loss


def test_refusals() -> None:
    known = pool()
    with pytest.raises(UnknownName, match="strategy"):
        choose(known, "best", 3)
    for size in (0, 25):
        with pytest.raises(InvalidSetting, match="between 1 and 24"):
            choose(known, "top", size)
    with pytest.raises(InvalidSetting, match="add up to 4, not to 5"):
        choose(known, "top", 5, quotas={0: 2, 1: 2})
    with pytest.raises(InvalidSetting, match="class 1 has 12 training images, 13 cannot"):
        choose(known, "top", 14, quotas={0: 1, 1: 13})
    with pytest.raises(InvalidSetting, match="at least two validation images"):
        replace(known, choosing=np.array([], dtype=int))
    with pytest.raises(InvalidSetting, match="must not be the same"):
        replace(known, choosing=known.measuring)


def test_sizes() -> None:
    assert summaries.sizes_of(3) == [1, 2, 3]
    assert summaries.sizes_of(1000)[0] == 20 and summaries.sizes_of(1000)[-1] == 1000
    assert all(low < high for low, high in itertools.pairwise(summaries.sizes_of(50)))


def test_within_keeps_the_order() -> None:
    order, labels = np.array([3, 1, 0, 2]), np.array([0, 1, 0, 1])
    np.testing.assert_array_equal(strategies.within(order, labels, {0: 1, 1: 1}, 2), [3, 0])
