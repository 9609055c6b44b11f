"""Feature shards: whole or missing, never half; rounding of float16 measured."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleinfo import execution_storage, shards
from sampleinfo.errors import InvalidData, InvalidRun, InvalidSetting, StorageError
from sampleinfo.execution_storage import Place
from sampleinfo.shards import DamagedShard, Shards


def features(samples: int, q: int = 2, dimension: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples * q, dimension))


@pytest.fixture
def store(tmp_path: Path) -> Shards:
    """Three shards of 4, 2 and 3 samples."""
    made = Shards.create(tmp_path / "store", 2, 5, "float32", 4)
    for number, samples in enumerate((4, 2, 3)):
        made.write(number, features(samples, seed=number))
    return made


def folder(store: Shards) -> Path:
    return Path(store.place.address)


def forget() -> None:
    """As in a new process."""
    shards._seen_whole.clear()


def test_written_rows_come_back(store: Shards) -> None:
    assert store.finished() == (0, 1, 2)
    assert store.sizes() == (4, 2, 3)
    for number, samples in enumerate((4, 2, 3)):
        rows = store.read(number)
        assert rows.dtype == np.float32
        assert np.array_equal(rows, features(samples, seed=number).astype(np.float32))
    store.verify()
    assert Shards.open(store.place) == store
    index = json.loads((folder(store) / "index.json").read_text())
    assert index == {"format": 1, "rows": 2, "dimension": 5, "dtype": "float32", "samples_per_shard": 4}
    assert sorted(each.name for each in folder(store).iterdir()) == [
        "000000.json", "000000.npy", "000001.json", "000001.npy", "000002.json", "000002.npy", "index.json",
    ]  # fmt: skip


def test_on_an_object_store(store: Shards) -> None:
    """The same files with the same content, found damaged in the same way."""
    there = Shards.create(f"memory://{folder(store).parent.name}", 2, 5, "float32", 4)
    for number, samples in enumerate((4, 2, 3)):
        there.write(number, features(samples, seed=number))
    assert there.place.names() == store.place.names()
    assert all(there.place.get(name) == store.place.get(name) for name in store.place.names())
    assert Shards.open(there.place.address) == there
    assert (there.sizes(), there.finished()) == (store.sizes(), store.finished())
    assert all(np.array_equal(there.read(number), store.read(number)) for number in range(3))
    there.place.put("000001.npy", there.place.get("000001.npy")[:-1])
    content = bytearray(there.place.get("000002.npy"))
    content[-3] ^= 1
    there.place.put("000002.npy", bytes(content))
    assert there.finished() == (0,)
    for number, words in ((1, "bytes instead of"), (2, "its checksum is another")):
        with pytest.raises(DamagedShard, match=f"shard {number} .* {words}"):
            there.read(number)
    there.place.remove("000000.npy")
    with pytest.raises(DamagedShard, match=r"shard 0 .* its file is missing"):
        there.read(0)


def test_reopening_keeps_shards_and_refuses_another_kind(store: Shards) -> None:
    again = Shards.create(store.place, 2, 5, "float32", 4)
    assert again.finished() == (0, 1, 2)
    with pytest.raises(InvalidRun, match=r"holds features of another kind .*'dimension': 5.*'dimension': 6"):
        Shards.create(store.place, 2, 6, "float32", 4)


@pytest.mark.parametrize("known", ["read before", "new process"])
def test_a_truncated_shard_counts_as_missing(store: Shards, known: str) -> None:
    store.verify()
    path = folder(store) / "000001.npy"
    path.write_bytes(path.read_bytes()[:-1])
    if known == "new process":
        forget()
    assert store.finished() == (0, 2)
    with pytest.raises(DamagedShard, match=r"shard 1 of .* cannot be used: it has \d+ bytes instead of \d+. Run again"):
        store.read(1)
    with pytest.raises(DamagedShard, match="shard 1"):
        store.verify()
    store.write(1, features(2, seed=1))
    assert store.finished() == (0, 1, 2)
    store.verify()


def test_a_changed_byte_is_found(store: Shards) -> None:
    path = folder(store) / "000002.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    forget()
    assert store.finished() == (0, 1)
    with pytest.raises(DamagedShard, match=r"shard 2 .* its checksum is another"):
        store.read(2)


def test_the_checksum_is_verified_once_per_process(store: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    calls: list[int] = []
    digest = Place.digest
    monkeypatch.setattr(Place, "digest", lambda *given: calls.append(1) or digest(*given))
    for _ in range(3):
        store.read(0)
        store.finished()
    assert len(calls) == 3  # one per shard
    store.verify()
    assert len(calls) == 6
    store.write(0, features(4, seed=9))
    store.read(0)
    assert len(calls) == 7


@pytest.mark.parametrize("lost", ["000000.npy", "000000.json"])
def test_a_missing_file_is_named(store: Shards, lost: str) -> None:
    (folder(store) / lost).unlink()
    assert store.finished() == (1, 2)
    with pytest.raises(DamagedShard, match=r"shard 0 .* missing"):
        store.sizes()
    with pytest.raises(DamagedShard, match=r"shard 0 .* missing"):
        store.read(0)


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"samples": 1}', '{"samples": "4", "bytes": 1, "sha256": 0}'])
def test_a_damaged_note_makes_a_shard_missing(store: Shards, note: str) -> None:
    (folder(store) / "000001.json").write_text(note)
    assert store.finished() == (0, 2)


def test_a_note_about_another_shape_is_found(store: Shards) -> None:
    note = json.loads((folder(store) / "000001.json").read_text())
    (folder(store) / "000001.json").write_text(json.dumps({**note, "samples": 3}))
    with pytest.raises(DamagedShard, match=r"shard 1 .* it holds float32 of shape \(4, 5\)"):
        store.read(1)


def test_a_killed_writer_leaves_nothing_that_counts(store: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = os.replace

    def killed(source: Path, target: Path) -> None:
        if Path(target).name == "000003.json":
            raise KeyboardInterrupt
        replaced(source, target)

    monkeypatch.setattr(execution_storage.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(3, features(1))
    monkeypatch.undo()
    assert store.finished() == (0, 1, 2)
    (folder(store) / ".000004.npy.abc.aside").write_bytes(b"half")
    assert store.finished() == (0, 1, 2)
    store.tidy()
    assert not list(folder(store).glob(".*"))


def test_a_full_disk_is_a_clear_error(store: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(execution_storage.os, "fsync", full)
    with pytest.raises(
        StorageError, match=r"cannot write 000003\.npy in .*: no space left on the disk; make space and"
    ):
        store.write(3, features(1))
    monkeypatch.undo()
    assert store.finished() == (0, 1, 2)
    assert not list(folder(store).glob(".*"))


def test_clear_errors(store: Shards, tmp_path: Path) -> None:
    for bad in (features(5), features(1)[:1], features(1, dimension=4), features(1)[0], features(0)):
        with pytest.raises(InvalidSetting, match=r"shape \(b 2, 5\) with 1 to 4 samples b; got"):
            store.write(3, bad)
    with pytest.raises(InvalidSetting, match="a number of 0 or above"):
        store.write(-1, features(1))
    for value in (np.nan, np.inf, 1e39):
        with pytest.raises(InvalidData, match="the features of shard 3 are not finite"):
            store.write(3, features(1) * value)
    with pytest.raises(InvalidSetting, match=r"a dtype of float16 or float32; got 1 rows .* and 'float64'"):
        Shards.create(tmp_path / "other", 1, 5, "float64", 4)  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="at least 1"):
        Shards.create(tmp_path / "other", 0, 5, "float32", 4)
    with pytest.raises(InvalidRun, match=r"is not a store of features: index.json is missing"):
        Shards.open(tmp_path / "nothing")
    (folder(store) / "index.json").write_text('{"format": 2}')
    with pytest.raises(InvalidRun, match="has format 2, this version reads 1"):
        Shards.open(store.place)
    (folder(store) / "index.json").write_text('{"format": 1, "rows": 2}')
    with pytest.raises(InvalidRun, match=r"index.json of the store .* is damaged"):
        Shards.open(store.place)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(-37, 37), st.floats(0.0, 7.0))
def test_rounding_of_float16(tmp_path_factory: pytest.TempPathFactory, seed: int, power: int, spread: float) -> None:
    """Half a unit of the eleventh bit, whatever the scale, for values down to 2^-29 of the largest."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(6, 8)) * 10.0 ** rng.uniform(-spread, 0, size=(6, 8)) * 10.0**power
    exact = values.astype(np.float32)
    store = Shards.create(tmp_path_factory.mktemp("half"), 1, 8, "float16", 8)
    store.write(0, exact)
    got, wanted = store.read(0).astype(np.float64), exact.astype(np.float64)
    assert np.isfinite(got).all()
    largest = np.abs(wanted).max()
    if largest > 1e-30:
        assert np.all(np.abs(got - wanted) <= np.maximum(2.0**-11 * np.abs(wanted), 2.0**-39 * largest))
    assert np.abs(got - wanted).max() <= max(2.0**-11 * largest, 1e-36)


def test_zeros_stay_zeros(tmp_path: Path) -> None:
    store = Shards.create(tmp_path, 1, 3, "float16", 2)
    store.write(0, np.zeros((2, 3)))
    assert not store.read(0).any()
    assert (folder(store) / "000000.npy").stat().st_size == 128 + 2 * 3 * 2
