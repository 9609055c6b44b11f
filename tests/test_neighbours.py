"""Nearest images: all pairs against the definition, the index against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from sampleinfo import embedding, neighbours
from sampleinfo.errors import NumericalError
from sampleinfo.scores.outlyingness import outlyingness

pytestmark = pytest.mark.usefixtures("one_thread")


def clusters(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Features of several groups, as a network's are."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(20, d))
    return (centres[rng.integers(20, size=n)] + rng.normal(size=(n, d)) / np.sqrt(np.arange(1, d + 1))).astype(
        np.float32
    )


def test_all_pairs_are_compared_where_there_are_few() -> None:
    features = clusters(300, 7)
    apart = np.linalg.norm(features[:, None].astype(float) - features[None].astype(float), axis=2)
    np.fill_diagonal(apart, np.inf)
    found = neighbours.nearest(features, 9)
    assert found.recall is None
    np.testing.assert_allclose(found.distances, np.sort(apart, axis=1)[:, :9], rtol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(apart, found.rows, 1), found.distances, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fewer_images_than_neighbours(n: int) -> None:
    found = neighbours.nearest(np.arange(2.0 * n).reshape(n, 2), 5)
    assert found.rows.shape == found.distances.shape == (n, n - 1)
    assert np.isfinite(found.distances).all()


def test_equal_images_are_each_others_neighbours_and_not_their_own() -> None:
    for exact in (100, 10):
        found = neighbours.nearest(np.ones((40, 3)), 5, exact=exact)
        assert (found.rows != np.arange(40)[:, None]).all()
        assert not found.distances.any()


def test_the_index_finds_nearly_all_and_says_how_many() -> None:
    features = clusters(3000, 32)
    true, found, again = (neighbours.nearest(features, 10, 3, exact) for exact in (3000, 10, 10))
    np.testing.assert_array_equal(found.rows, again.rows)
    shared = np.mean([np.isin(ours, theirs).mean() for ours, theirs in zip(found.rows, true.rows, strict=True)])
    assert found.recall == pytest.approx(shared, abs=0.02)
    assert shared > 0.97
    assert (found.distances >= true.distances - 1e-9).all()
    exact, approximate = outlyingness(features), outlyingness(features, 3, 10)
    assert np.corrcoef(exact, approximate)[0, 1] > 0.999
    assert np.max(np.abs(approximate / exact - 1)) < 0.05


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(NumericalError, match="not finite"):
        neighbours.nearest(np.array([[0.0], [np.inf]]), 1)


def test_a_map_of_many_images_keeps_groups_together() -> None:
    features = clusters(1200, 16)
    whole = embedding.umap(features, 0, most=600)
    np.testing.assert_array_equal(whole, embedding.umap(features, 0, most=600))
    near = neighbours.nearest(features, 5).rows
    apart = np.linalg.norm(whole[:, None] - whole[near], axis=2).mean()
    random = np.linalg.norm(whole - whole[np.random.default_rng(0).permutation(1200)], axis=1).mean()
    assert apart < random / 5
