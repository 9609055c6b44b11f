"""Built-in data sets, choosing classes, splitting."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleinfo import datasets
from sampleinfo.datasets import splitting
from sampleinfo.errors import InvalidData, InvalidSetting, UnknownName
from sampleinfo.types import TRAIN, VALIDATION, Dataset


def toy(labels: list[int], sources: list[str] | None = None, same: tuple[tuple[int, int], ...] = ()) -> Dataset:
    """Random 4 x 4 images; ``same`` names pairs (a, b) where image b repeats image a."""
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4), dtype=np.uint8)
    for original, copy in same:
        images[copy] = images[original]
    return Dataset(
        name="toy",
        sample_ids=tuple(f"toy-{i}" for i in range(len(labels))),
        images=images,
        labels=np.asarray(labels, dtype=np.int64),
        class_names=tuple("abcdef"[: max(labels) + 1]),
        sources=tuple(sources or ["only"] * len(labels)),
    )


def sides(dataset: Dataset) -> dict[str, str]:
    assert dataset.split is not None
    return dict(zip(dataset.sample_ids, dataset.split, strict=True))


@pytest.mark.parametrize("name", datasets.PRESETS)
def test_preset_holds_what_its_table_says(name: str) -> None:
    known, dataset = datasets.PRESETS[name].facts, datasets.read(name)
    assert known.name == name
    assert known.images == len(dataset)
    assert (known.class_names, set(known.sources)) == (dataset.class_names, set(dataset.sources))
    assert set(dataset.labels) == set(range(len(known.class_names)))
    assert len(set(dataset.sample_ids)) == len(dataset)
    assert known.sizes(None, None, "auto") == known.defaults


def test_ids_are_stable_and_survive_the_choice_of_classes() -> None:
    whole, two = datasets.read("mnist"), datasets.read("mnist-4v9")
    assert (whole.sample_ids[0], whole.sample_ids[-1]) == ("mnist-0000", "mnist-4999")
    assert datasets.read("uci-digits").sample_ids[-1] == "uci-digits-1796"
    row = whole.sample_ids.index(two.sample_ids[700])
    assert np.array_equal(whole.images[row], two.images[700])
    assert whole.class_names[whole.labels[row]] == two.class_names[two.labels[700]] == "9"


def test_digits_are_both_sources_behind_each_other() -> None:
    both, uci = datasets.read("digits"), datasets.read("uci-digits")
    assert Counter(both.sources) == {"MNIST": 5000, "UCI digits": 1797}
    assert both.images[0].shape == (28, 28)
    assert np.array_equal(both.images[5000 + 3], uci.images[3])
    assert (uci.images[0].min(), uci.images[0].max(), uci.images[0].dtype) == (0, 239, np.uint8)
    with pytest.raises(IndexError):
        both.images[len(both)]


def test_classes_are_relabelled_in_the_order_given() -> None:
    chosen = datasets.choose_classes(datasets.read("mnist"), ("9", "4"))
    assert chosen.class_names == ("9", "4")
    assert Counter(chosen.labels.tolist()) == {0: 500, 1: 500}
    assert set(chosen.sample_ids) == set(datasets.read("mnist-4v9").sample_ids)


@pytest.mark.parametrize(("train", "validation"), [(400, 200), (401, 199), (23, 1), (5000, 1797)])
def test_split_has_the_sizes_asked_for_training_first(train: int, validation: int) -> None:
    part = datasets.split(datasets.read("digits"), train, validation, seed=3)
    assert part.split == (TRAIN,) * train + (VALIDATION,) * validation
    assert len(set(part.sample_ids)) == train + validation


@pytest.mark.parametrize("seed", [0, 1])
def test_split_gives_every_class_and_source_its_share(seed: int) -> None:
    whole = datasets.read("digits")
    part = datasets.split(whole, 400, 200, seed)
    strata = Counter(zip(whole.labels.tolist(), whole.sources, strict=True))
    for rows, size in ((slice(0, 400), 400), (slice(400, 600), 200)):
        got = Counter(zip(part.labels[rows].tolist(), part.sources[rows], strict=True))
        for stratum, count in strata.items():
            assert abs(got[stratum] - size * count / len(whole)) < 1


def test_split_depends_on_the_seed_alone() -> None:
    whole = datasets.read("mnist-4v9")
    first, again, other = (datasets.split(whole, 60, 40, seed) for seed in (7, 7, 8))
    assert sides(first) == sides(again)
    assert first.fingerprint() == again.fingerprint()
    assert sides(first) != sides(other)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.tuples(st.integers(0, 39), st.integers(40, 79)), max_size=8))
def test_duplicates_stay_on_one_side(seed: int, same: list[tuple[int, int]]) -> None:
    dataset = toy([0, 1] * 40, same=tuple(same))
    part = datasets.split(dataset, 30, 20, seed)
    side_of: dict[str, str] = {}
    assert part.split is not None
    for image_hash, side in zip(part.image_hashes(), part.split, strict=True):
        assert side_of.setdefault(image_hash, side) == side


def test_duplicates_of_other_shape_are_other_images() -> None:
    dataset = toy([0, 0])
    flat = np.zeros((2, 8), dtype=np.uint8)
    hashes = list(replace(dataset, images=(flat, flat.reshape(4, 4)), labels=dataset.labels).image_hashes())
    assert hashes[0] != hashes[1]


def test_fingerprint_sees_every_pixel_label_source_id_side_and_value() -> None:
    dataset = toy([0, 1] * 5)
    images = np.array(dataset.images)
    images[3, 2, 1] ^= 1
    labels = dataset.labels.copy()
    labels[0] = 1
    changed = (
        replace(dataset, images=images),
        replace(dataset, labels=labels),
        replace(dataset, sources=("other", *dataset.sources[1:])),
        replace(dataset, sample_ids=("other", *dataset.sample_ids[1:])),
        replace(dataset, split=(TRAIN,) * 10),
        replace(dataset, metadata={"size": (1,) * 10}),
    )
    assert len({dataset.fingerprint(), *(each.fingerprint() for each in changed)}) == 7
    assert toy([0, 1] * 5).fingerprint() == dataset.fingerprint()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.data())
def test_shares_sum_up_and_stay_within_their_limits(sizes: list[int], data: st.DataObject) -> None:
    counts = np.asarray(sizes, dtype=np.int64)
    train = data.draw(st.integers(0, int(counts.sum())))
    validation = data.draw(st.integers(0, int(counts.sum()) - train))
    first = splitting.shares(counts, train, counts)
    second = splitting.shares(counts, validation, counts - first)
    assert (first.sum(), second.sum()) == (train, validation)
    assert np.all(np.abs(first - counts * train / counts.sum()) < 1)
    assert np.all((second >= 0) & (first + second <= counts))


def test_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Unknown data set 'mnis'\. Did you mean 'mnist'\? Known: digits, mnist-4v9"):
        datasets.read("mnis")


def test_unknown_class_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"Unknown class of mnist 'x'\. Known: 0, 1, 2"):
        datasets.prepare("mnist", classes=("4", "x"))


@pytest.mark.parametrize(("classes", "got"), [(("4",), "got 4"), (("4", "4"), "got 4, 4")])
def test_classes_must_be_two_different_ones(classes: tuple[str, ...], got: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"at least two different ones, {got}\."):
        datasets.prepare("mnist", classes=classes)


def test_more_images_than_there_are() -> None:
    with pytest.raises(InvalidSetting, match=r"toy has 10 images; 8 for training and 3 for .* make 11\. Ask for at mo"):
        datasets.split(toy([0, 1] * 5), 8, 3, seed=0)


def test_class_with_fewer_than_two_training_images() -> None:
    with pytest.raises(InvalidData, match=r"class 'b' of toy would have 1 training images .* needs at least 2"):
        datasets.split(toy([0] * 18 + [1]), 10, 5, seed=0)


def test_a_small_class_gives_its_images_for_training_first() -> None:
    part = datasets.split(toy([0] * 18 + [1] * 2), 10, 5, seed=0)
    assert np.bincount(part.labels[:10]).tolist() == [8, 2]


def test_too_many_duplicates() -> None:
    same = tuple((0, i) for i in range(1, 10)) + tuple((10, i) for i in range(11, 20))
    with pytest.raises(InvalidData, match=r"too many identical images .* asked for 8 training and 8 validation"):
        datasets.split(toy([0] * 10 + [1] * 10, same=same), 8, 8, seed=0)
