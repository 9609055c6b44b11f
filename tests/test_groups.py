"""Groups inside a class, found without labels."""

from __future__ import annotations

import numpy as np
import pytest

from sampleinfo.errors import InvalidSetting
from sampleinfo.reports import groups
from sampleinfo.types import FloatArray


def blobs(sizes: tuple[int, ...], seed: int = 0, spread: float = 0.06, dimensions: int = 24) -> FloatArray:
    """Features around far centres, as many around each as said."""
    rng = np.random.default_rng(seed)
    centres = np.abs(rng.normal(size=(len(sizes), dimensions)))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return np.concatenate([
        centre + rng.normal(scale=spread, size=(size, dimensions)) for centre, size in zip(centres, sizes, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("sizes", [(60, 60), (400, 20), (100, 50, 25)])
def test_planted_groups_are_found_the_largest_first(sizes: tuple[int, ...]) -> None:
    features = blobs(sizes)
    found = groups.find(features, blobs(sizes, spread=0.03))
    truth = np.repeat(np.arange(len(sizes)), sizes)
    assert found.count == len(sizes) and np.bincount(found.members).tolist() == sorted(sizes, reverse=True)
    for number in range(found.count):  # every group is one of the planted ones
        inside = truth[found.members == number]
        assert (inside == inside[0]).all()
        assert (found.others[truth == inside[0]] == number).all()  # and others of it belong to it
    assert (np.diff(np.bincount(found.members)) <= 0).all()
    assert found.gains[found.count - 1] == np.nanmax(found.gains) > 0 == found.gains[0]


@pytest.mark.parametrize("size", [30, 100, 400])
def test_one_blob_is_one_group(size: int) -> None:
    for seed in range(3):
        assert groups.find(blobs((size,), seed), blobs((3,), seed)).count == 1


def test_few_equal_or_no_features_are_one_group() -> None:
    few = groups.find(blobs((4, 4)), blobs((1,)))
    assert few.count == 1 and few.members.tolist() == [0] * 8 and few.others.tolist() == [0]
    equal = groups.find(np.ones((50, 6)), np.zeros((0, 6)))
    assert equal.count == 1 and equal.others.shape == (0,)
    assert groups.find(np.zeros((50, 6)), np.ones((2, 6))).count == 1
    with pytest.raises(InvalidSetting, match="at least one image"):
        groups.find(np.zeros((0, 6)), np.zeros((2, 6)))
    with pytest.raises(InvalidSetting, match="features of one length"):
        groups.find(np.zeros((3, 6)), np.zeros((2, 5)))


def test_no_group_is_smaller_than_allowed() -> None:
    features = blobs((80, 3))  # three images far from the others
    assert np.bincount(groups.find(features, features[:0]).members).min() >= groups.SMALLEST


def test_of_many_images_some_are_looked_at_and_all_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LOOKED_AT", 120)
    found = groups.find(blobs((200, 100)), blobs((5, 5)))
    assert np.bincount(found.members).tolist() == [200, 100]


def test_the_same_seed_gives_the_same_groups_and_length_does_not_matter() -> None:
    features = blobs((60, 30))
    lengths = np.random.default_rng(1).uniform(0.5, 2.0, size=(90, 1))
    one, other = groups.find(features, features), groups.find(features * lengths, features * 3)
    assert (one.members == other.members).all() and (one.others == other.others).all()
    assert np.allclose(one.distances, other.distances)
