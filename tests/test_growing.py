"""Curves of growing sets against training on each of their beginnings alone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sampleinfo import figures
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import evaluate
from sampleinfo.linearized import Training
from sampleinfo.reports import growing
from sampleinfo.reports.growing import beginnings, random_sets, settled, sizes_to
from sampleinfo.reports.sets import DRAWS, Desk
from tests.test_summaries import pool

TRAININGS = [Training(ridge=0.2), Training(steps=40, lr=0.05), Training(steps=40, lr=0.05, ridge=0.1, continuous=True)]


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize(("classes", "shared"), [(2, False), (3, False), (3, True)])
def test_every_beginning_is_training_on_it_alone(classes: int, shared: bool, training: Training) -> None:
    known = pool(classes=classes, shared=shared, training=training)
    order = np.random.default_rng(5).permutation(known.n)[:11]
    found = beginnings(known, order)
    assert found["size"].tolist() == list(range(1, 12))
    for row in found.itertuples():
        wanted = evaluate(known.trained_on(order[: row.size])).overall
        assert row.accuracy == pytest.approx(wanted.accuracy)
        assert row.loss == pytest.approx(wanted.loss, rel=1e-9)


def test_the_order_decides_the_way_and_not_the_end() -> None:
    known = pool()
    order = np.random.default_rng(5).permutation(known.n)[:9]
    one, other = beginnings(known, order), beginnings(known, order[::-1])
    assert one["loss"].iloc[-1] == pytest.approx(other["loss"].iloc[-1])
    assert not np.allclose(one["loss"].iloc[:-1], other["loss"].iloc[:-1])


@pytest.mark.parametrize("training", TRAININGS[:2])
def test_long_sets_are_followed_at_a_limited_number_of_sizes(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(growing, "FOLLOWED", 8)
    monkeypatch.setattr(growing, "TRAINED", 5)
    known = pool(training=training)
    order, most = np.arange(known.n), 8 if training.steps is None else 5
    found = beginnings(known, order)
    assert len(found) <= most and found["size"].is_monotonic_increasing and found["size"].is_unique
    assert found["size"].iloc[0] == 1 and found["size"].iloc[-1] == known.n
    assert found["loss"].iloc[-1] == pytest.approx(evaluate(known.trained_on(order)).overall.loss)


def test_beginnings_on_which_training_diverges_are_left_out() -> None:
    known = pool()
    order = np.argsort(-np.diag(known.problem.gram))  # the steepest images first
    largest = [np.linalg.eigvalsh(known.problem.gram[np.ix_(order[:size], order[:size])])[-1] / size
               for size in range(1, known.n + 1)]  # fmt: skip
    descending = replace(known, training=Training(steps=40, lr=2 / (1.01 * largest[7])))
    found = beginnings(descending, order[:10])
    stable = [size for size in range(1, 11) if largest[size - 1] < 1.01 * largest[7]]
    assert found["size"].tolist() == stable and 1 not in stable and 10 in stable
    with pytest.raises(InvalidSetting, match="diverges"):
        beginnings(descending, order[:1])


def test_nothing_has_no_beginnings() -> None:
    for training in TRAININGS:
        assert beginnings(pool(training=training), np.array([], dtype=int)).empty


@pytest.mark.parametrize("training", TRAININGS[:2])
def test_random_sets_are_those_a_set_is_compared_with(training: Training) -> None:
    known = pool(n=40, m=30, training=training)
    desk = Desk(known)
    found = random_sets(desk, 15, "accuracy")
    assert found["size"].tolist() == list(range(1, 16))
    end = desk.random(15)
    assert found[["mean", "spread"]].iloc[-1].tolist() == pytest.approx([end.mean, end.spread])


@pytest.mark.parametrize("training", TRAININGS[:2])
def test_the_loss_of_random_sets_is_over_the_same_draws(training: Training) -> None:
    known = pool(training=training)
    found = random_sets(Desk(known), 6, "loss")
    fitting = replace(known, training=Training(ridge=known.ridge))
    reached = [evaluate(fitting.trained_on(np.random.default_rng(draw).permutation(known.n)[:6])).overall
               for draw in range(DRAWS)]  # fmt: skip
    losses, accuracies = [each.loss for each in reached], [each.accuracy for each in reached]
    assert found[["mean", "spread"]].iloc[-1].tolist() == pytest.approx([np.mean(losses), np.std(losses, ddof=1)])
    assert Desk(known).random(6).mean == pytest.approx(np.mean(accuracies))


def test_sizes() -> None:
    assert sizes_to(0, 5) == [] and sizes_to(4, 5) == [1, 2, 3, 4]
    many = sizes_to(5000, 300)
    assert many[0] == 1 and many[-1] == 5000 and len(many) <= 300 and many == sorted(set(many))
    assert max(b / a for a, b in itertools.pairwise(many[50:])) < 1.1


@pytest.mark.parametrize(
    ("accuracy", "images", "size"),
    [
        ([0.5, 0.8, 0.9, 0.9], 1000, 3), ([0.5, 0.895, 0.9, 0.9], 1000, 2), ([0.9, 0.5, 0.9], 1000, 3),
        ([0.95, 0.9], 1000, 1), ([0.5], 1000, 1), ([0.5, 0.85, 0.9], 20, 2), ([0.5, 0.8, 0.9], 20, 3),
    ],
)  # fmt: skip
def test_where_a_curve_settles(accuracy: list[float], images: int, size: int) -> None:
    curve = pd.DataFrame({"size": range(1, len(accuracy) + 1), "accuracy": accuracy})
    assert settled(curve, "accuracy", images) == size


def test_where_a_loss_settles() -> None:
    curve = pd.DataFrame({"size": [1, 2, 4, 8], "loss": [0.5, 0.2, 0.104, 0.1]})
    assert settled(curve, "loss", 20) == 4
    assert settled(curve.assign(loss=[0.1, 0.0, 0.0, 0.0]), "loss", 20) == 2


def test_refusals() -> None:
    with pytest.raises(InvalidSetting, match="between 0 and 23"):
        beginnings(pool(), np.array([24]))
    with pytest.raises(InvalidSetting, match="given twice"):
        beginnings(pool(), np.array([2, 2]))


def test_figures_of_growing_sets() -> None:
    curve = pd.DataFrame({"size": [1, 2, 3], "accuracy": [0.5, 0.7, 0.9], "loss": [0.3, 0.2, 0.1]})
    few = pd.DataFrame({"size": [1, 9], "accuracy": [0.4, 0.95], "loss": [0.3, 0.05]})
    band = pd.DataFrame({"size": [1, 9], "mean": [0.5, 0.99], "spread": [0.6, 0.1]})
    for measure in ("accuracy", "loss"):
        for scale in ("linear", "log"):
            figure = figures.growth_curves([("<b>", 0, curve), ("b", 3, few)], band, measure, scale)
            ends = [each for each in figure.data if each.marker.symbol in ("circle", "triangle-up")]
            assert [(list(each.x), list(each.y)) for each in ends] == [
                ([3], [curve[measure][2]]),
                ([9], [few[measure][1]]),
            ]
            assert [each.line.color for each in ends] == [figures.SET_COLOURS[0], figures.SET_COLOURS[3]]
            assert ends[0].name == "&lt;b&gt;" and min(figure.data[0].y) >= 0
            assert [each.mode for each in figure.data if each.name == "b"] == ["lines+markers"] * 2
    assert max(figures.growth_curves([("a", 0, curve)], band, "accuracy", "log").data[0].y) <= 1


@pytest.mark.parametrize("size", [1, 2, 3, 60, 5000])
def test_sizes_on_a_log_axis_are_whole_numbers(size: int) -> None:
    curve = pd.DataFrame({"size": [1, size], "accuracy": [0.5, 0.7], "loss": [0.3, 0.2]})
    band = pd.DataFrame({"size": [1], "mean": [0.5], "spread": [0.1]})
    axis = figures.growth_curves([("a", 0, curve)], band, "accuracy", "log").layout.xaxis
    assert [f"{each:,}" for each in axis.tickvals] == list(axis.ticktext) and axis.tickvals[0] == 1
    assert axis.range[0] < 0 < axis.range[1]


#: Linear sRGB as seen without one kind of cones (Machado, Oliveira and Fernandes 2009), and to XYZ.
SEEN = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(XYZ @ np.clip(light, 0.0, 1.0) / XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_of_sets_stay_apart_for_every_eye_and_on_every_page() -> None:
    for seen in SEEN:
        for one, other in itertools.combinations(figures.SET_COLOURS, 2):
            assert np.linalg.norm(lab(seen @ linear(one)) - lab(seen @ linear(other))) > 20
    for colour, page in itertools.product(figures.SET_COLOURS, ("#ffffff", "#12181d")):
        low, high = sorted(float((XYZ @ linear(each))[1]) + 0.05 for each in (colour, page))
        assert high / low > 2.5
    assert len(figures.SET_COLOURS) == len(figures.SET_MARKS) == 4
