"""Sets picked by hand against training on them, and on the others, from the beginning."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from sampleinfo import information, linearized
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import evaluate
from sampleinfo.linearized import Problem, Training
from sampleinfo.reports.pool import Pool
from sampleinfo.reports.sets import Desk
from tests.test_summaries import pool


@pytest.mark.parametrize(
    "training", [Training(ridge=0.2), Training(ridge=1e-5), Training(steps=40, lr=0.05), Training(40, 0.05, 0.1, True)]
)
@pytest.mark.parametrize(("classes", "shared"), [(2, False), (3, False), (3, True), (10, True)])
def test_a_panel_is_training_on_the_set_and_on_the_others(classes: int, shared: bool, training: Training) -> None:
    """Of small and large sets, on a kernel without full rank."""
    known = pool(classes=classes, shared=shared, training=training)
    desk, fit, order = Desk(known), linearized.fit(known.judged(known.measuring), training), [17, 2, 9, 5]
    order += [row for row in range(known.n) if row not in order]
    for size in (1, 4, 12, 13, 20, 23):
        rows = np.array(order[:size])
        found = desk.panel(rows)
        assert found.size == size and found.full.loss == pytest.approx(evaluate(fit).overall.loss, rel=1e-9)
        assert found.alone is not None and found.without is not None
        for reached, kept in ((found.alone, rows), (found.without, np.array(order[size:]))):
            wanted = evaluate(linearized.fit(fit.whole.subset(kept), training)).overall
            assert reached.accuracy == wanted.accuracy and reached.loss == pytest.approx(wanted.loss, rel=1e-7)
        group = information.group_information(fit, rows)
        assert found.weight == pytest.approx(group.weight, rel=1e-7)
        assert found.functional == pytest.approx(group.functional, rel=1e-8)
        singles = information.functional_information(fit)[rows].sum()
        assert found.interaction == pytest.approx(group.functional - singles, rel=1e-6, abs=1e-9)


def loss(known: Pool, rows: list[int]) -> float:
    fit = linearized.fit(known.itself, Training(ridge=known.ridge)).keep(np.array(rows, dtype=np.int64))
    return evaluate(fit).overall.loss


@pytest.mark.parametrize("training", [Training(ridge=0.2), Training(ridge=1e-5), Training(steps=40, lr=0.05)])
@pytest.mark.parametrize("size", [4, 19])
@pytest.mark.parametrize("classes", [2, 3])
def test_proposals_are_what_training_again_would_give(classes: int, size: int, training: Training) -> None:
    known = pool(classes=classes, training=training)
    rows = [20, 1, 8, 14, *range(2, 8), *range(9, 14), *range(15, 19)][:size]
    found = Desk(known).proposals(np.array(rows))
    before = loss(known, rows)
    add = {row: before - loss(known, [*rows, row]) for row in range(known.n) if row not in rows}
    drop = {row: before - loss(known, [each for each in rows if each != row]) for row in rows}
    for proposed, wanted in ((found.add, add), (found.drop, drop)):
        for each in proposed:
            assert each.gain == pytest.approx(wanted[each.row], rel=1e-7, abs=1e-12)
        best = sorted(wanted.values(), reverse=True)[: len(proposed)]
        np.testing.assert_allclose([each.gain for each in proposed], best, rtol=1e-7, atol=1e-12)
    assert len(found.add) == min(12, known.n - size) and len(found.drop) == min(12, size)


@pytest.mark.parametrize("training", [Training(ridge=0.2), Training(steps=40, lr=0.05)])
@pytest.mark.parametrize("classes", [2, 3])
def test_nothing_and_everything(classes: int, training: Training) -> None:
    known = pool(classes=classes, training=training)
    desk = Desk(known)
    nothing, everything = desk.panel(np.array([], dtype=int)), desk.panel(np.arange(known.n))
    assert nothing.alone is None and nothing.without == desk.full
    assert everything.without is None and everything.alone is not None
    of_nothing, of_everything = desk.proposals(np.array([], dtype=int)), desk.proposals(np.arange(known.n))
    assert len(of_nothing.add) == 12 == len(of_everything.drop) and of_nothing.drop == [] == of_everything.add
    assert desk.proposals(np.array([3])).drop == []
    assert everything.alone.accuracy == desk.full.accuracy
    fit = known.fit
    moved = fit.val_outputs - fit.whole.val_outputs
    assert everything.functional == pytest.approx(float((moved**2).sum()) / (2 * len(moved)))


def test_two_of_a_kind_are_redundant() -> None:
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(20, 40)), rng.normal(size=(16, 40))
    x[7] = x[3]
    y = np.sign(x[:, :1])
    known = Pool(
        Problem(x @ x.T, v @ x.T, y, np.zeros((16, 1)), np.sign(v[:, :1]), y), Training(ridge=1.0),
        (y[:, 0] > 0).astype(int), x, np.arange(8), np.arange(8, 16),
    )  # fmt: skip
    found = Desk(known).panel(np.array([3, 7]))
    assert found.interaction > 0  # each alone is hardly missed, both together are
    apart = Desk(known).panel(np.array([3, 12]))
    assert abs(apart.interaction) < found.interaction


def test_the_random_band_holds_most_random_sets() -> None:
    known = pool(n=60, m=80)
    desk = Desk(known)
    band, inside = desk.random(12), 0
    for seed in range(40):
        rows = np.random.default_rng(1000 + seed).permutation(60)[:12]
        found = desk.panel(rows).alone
        assert found is not None
        inside += abs(found.accuracy - band.mean) <= 2 * band.spread + 1 / 40
    assert inside >= 34


def test_a_click_costs_a_few_products_of_the_kernel() -> None:
    rng = np.random.default_rng(0)
    n, m = 2000, 1000
    x, v, w = rng.normal(size=(n, 300)), rng.normal(size=(m, 300)), rng.normal(size=(300, 1))
    y, yv = (x @ w > 0).astype(float), (v @ w > 0).astype(float)
    known = Pool(
        Problem(x @ x.T / 300, v @ x.T / 300, y - 0.5, np.full((m, 1), 0.5), yv, y), Training(ridge=0.1),
        y[:, 0].astype(int), x, np.arange(500), np.arange(500, 1000),
    )  # fmt: skip
    desk = Desk(known)
    desk.panel(np.arange(3))
    gram = known.problem.gram

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    product = best(lambda: gram @ gram)  # 16 billion operations: a fifth of a second on two free cores
    for size in (12, 200, 1000, 1900):
        rows = np.random.default_rng(size).permutation(n)[:size]
        assert best(lambda rows=rows: (desk.panel(rows), desk.proposals(rows))) < 1.5 * product  # type: ignore[misc]


def test_refusals() -> None:
    with pytest.raises(InvalidSetting, match="between 0 and 23"):
        Desk(pool()).panel(np.array([24]))
    with pytest.raises(InvalidSetting, match="given twice"):
        Desk(pool()).panel(np.array([2, 2]))
    with pytest.raises(InvalidSetting, match="given twice"):
        Desk(pool()).proposals(np.array([2, 2]))
