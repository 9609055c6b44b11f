"""Planted errors: how many, which, how strong; and that the attacks do what they are for."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from sampleinfo import models, planting, targets
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.models.heads import closed_form_head
from sampleinfo.models.pretrained import Network
from tests import fixtures

SPOILING, ATTACKS = tuple(planting.CORRUPTIONS), tuple(planting.STEPS)


@cache
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """24 real pictures as the network sees them, and their labels."""
    transform = models.find("resnet20").transform
    found = fixtures.samples()
    labels = np.array([fixtures.CLASSES.index(each.label) for each in found])
    return np.stack([transform.apply(each.pixels) for each in found]), labels


def network(outputs: int) -> Network:
    return models.load(models.find("resnet20"), outputs, seed=0)


def test_every_plant_is_a_wrong_label_a_spoilt_picture_or_an_attack() -> None:
    of_images = {name for name, plant in planting.PLANTS.items() if plant.changes == planting.IMAGES}
    assert of_images == {*SPOILING, *ATTACKS}
    assert set(planting.PLANTS) - of_images == {"labels"}
    assert all(
        name == plant.name and plant.title and plant.words.endswith(".") for name, plant in planting.PLANTS.items()
    )
    with pytest.raises(UnknownName, match="Known: labels, noise, blur, occlusion, contrast, fgsm, pgd"):
        planting.find("fog")


@pytest.mark.parametrize(("n", "share", "count"), [(1000, 0.1, 100), (24, 0.1, 2), (5, 0.01, 1), (10, 0.99, 9)])
def test_rows_are_the_share_sorted_and_distinct(n: int, share: float, count: int) -> None:
    rows = planting.rows(n, share, seed=3)
    assert len(rows) == count
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0 and rows[-1] < n
    assert (rows == planting.rows(n, share, seed=3)).all()


def test_other_seeds_choose_other_rows() -> None:
    assert (planting.rows(1000, 0.1, 0) != planting.rows(1000, 0.1, 1)).any()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_impossible_shares(share: float) -> None:
    with pytest.raises(InvalidSetting, match="the planted share must lie between 0 and 100 %, got"):
        planting.rows(10, share, 0)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_wrong_labels_are_another_class_each_equally_likely(classes: int) -> None:
    labels = np.arange(9000) % classes
    rows = planting.rows(len(labels), 0.5, 0)
    changed = planting.wrong_labels(labels, classes, rows, seed=1)
    assert (np.flatnonzero(changed != labels) == rows).all()
    assert changed.min() == 0 and changed.max() == classes - 1
    steps = np.bincount((changed - labels)[rows] % classes, minlength=classes)
    assert steps[0] == 0
    assert np.abs(steps[1:] / len(rows) - 1 / (classes - 1)).max() < 0.03
    assert (changed == planting.wrong_labels(labels, classes, rows, seed=1)).all()
    assert classes == 2 or (changed != planting.wrong_labels(labels, classes, rows, seed=2)).any()


def test_wrong_labels_need_two_classes() -> None:
    with pytest.raises(InvalidSetting, match="at least two classes, got 1"):
        planting.wrong_labels(np.zeros(4, dtype=np.int64), 1, np.array([0]), 0)


@pytest.mark.parametrize("plant", SPOILING)
def test_spoilt_pictures_differ_and_keep_their_shape(plant: str) -> None:
    pixels, _ = pictures()
    before = pixels.copy()
    spoilt = planting.corrupted(pixels, plant, seed=0)
    assert (pixels == before).all()
    assert spoilt.shape == pixels.shape and spoilt.dtype == np.uint8
    assert (spoilt != pixels).any(axis=(1, 2, 3)).all()
    assert (spoilt == planting.corrupted(pixels, plant, seed=0)).all()
    drawn = plant in ("noise", "occlusion")
    assert (spoilt != planting.corrupted(pixels, plant, seed=1)).any() == drawn


def test_how_strong_the_spoiling_is() -> None:
    grey = np.full((3, 64, 64, 3), 100, dtype=np.uint8)
    noise = planting.corrupted(grey, "noise", 0).astype(float) - 100
    assert noise.std() == pytest.approx(0.15 * 255, rel=0.02)
    square = planting.corrupted(grey, "occlusion", 0) == 128
    assert (square.all(axis=3).sum(axis=(1, 2)) == 24**2).all()
    half = grey.copy()
    half[:, :32] = 200
    assert sorted(np.unique(planting.corrupted(half, "contrast", 0))) == [135, 165]
    point = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    point[0, 28:36, 28:36] = 255
    blurred = planting.corrupted(point, "blur", 0)[0, :, :, 0].astype(float)
    places = np.arange(64) - 31.5
    spread = (blurred.sum(axis=1) * places**2).sum() / blurred.sum()
    assert spread == pytest.approx(3.0**2 + (8**2 - 1) / 12, rel=0.1)  # twice as wide at 64 pixels as at 32


def test_only_corruptions_spoil_and_only_attacks_attack() -> None:
    pixels, labels = pictures()
    with pytest.raises(UnknownName, match="Unknown corruption 'fgsm'"):
        planting.corrupted(pixels, "fgsm", 0)
    with pytest.raises(UnknownName, match="Unknown attack 'blur'"):
        planting.attacked(network(3), pixels, labels, 3, "blur")
    with pytest.raises(UnknownName, match="Unknown corruption 'labels'"):
        planting.planted(network(3), pixels, labels, 3, "labels", np.array([0]), 0)


def loss(of: Network, pixels: np.ndarray, labels: np.ndarray, classes: int, trained_on: np.ndarray) -> np.ndarray:
    """(n,) squared losses of the network with its head trained on clean pictures."""
    features = of.features_and_outputs(of.normalise(trained_on.copy()))[0].double().numpy()
    wanted = targets.encode(labels, classes)
    head = closed_form_head(features, wanted)
    of.set_head(head.weight, head.bias)
    outputs = of.features_and_outputs(of.normalise(pixels.copy()))[1].double().numpy()
    return np.asarray(np.square(outputs - wanted).sum(axis=1))


@pytest.mark.parametrize("plant", ATTACKS)
@pytest.mark.parametrize("classes", [2, 3])
def test_attacks_stay_near_and_raise_the_loss(plant: str, classes: int) -> None:
    pixels, labels = pictures()
    kept = labels < classes
    pixels, labels = pixels[kept], labels[kept]
    chosen = network(targets.num_outputs(classes))
    head = [each.detach().clone() for each in (chosen.head.weight, chosen.head.bias)]
    moved = planting.attacked(chosen, pixels, labels, classes, plant)
    assert moved.shape == pixels.shape and moved.dtype == np.uint8
    assert np.abs(moved.astype(int) - pixels).max() == planting.EPSILON
    assert torch.equal(head[0], chosen.head.weight) and torch.equal(head[1], chosen.head.bias)
    assert all(each.grad is None for each in chosen.module.parameters())
    before, after = (loss(chosen, each, labels, classes, pixels) for each in (pixels, moved))
    assert after.mean() > 2 * before.mean()
    assert (after > before).mean() > 0.8


def test_ten_steps_raise_the_loss_more_than_one() -> None:
    pixels, labels = pictures()
    once, often = (planting.attacked(network(3), pixels, labels, 3, plant) for plant in ("fgsm", "pgd"))
    assert loss(network(3), often, labels, 3, pixels).mean() > loss(network(3), once, labels, 3, pixels).mean()


@pytest.mark.parametrize("plant", ["noise", "pgd"])
def test_planted_changes_its_rows_and_no_others(plant: str) -> None:
    pixels, labels = pictures()
    before, rows = pixels.copy(), np.array([1, 5, 6])
    told: list[float] = []
    changed = planting.planted(
        network(3), pixels, labels, 3, plant, rows, 0, lambda stage, done, total: told.append(done / total)
    )
    assert (pixels == before).all()
    assert (np.flatnonzero((changed != pixels).any(axis=(1, 2, 3))) == rows).all()
    if plant == "pgd":
        assert told[-1] == 1
        assert (changed[rows] == planting.attacked(network(3), pixels, labels, 3, plant)[rows]).mean() > 0.99
