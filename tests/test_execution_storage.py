"""Shard files on a disk and on an object store: whole or not at all, and nowhere else."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from sampleinfo.errors import InvalidSetting, StorageError
from sampleinfo.execution_storage import Place


@pytest.fixture(params=["path", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    addresses = {
        "path": str(tmp_path / "a b" / "shards"),
        "file": f"file://{tmp_path}/shards/",
        "memory": f"memory://{tmp_path.name}/shards",
    }
    made = Place(addresses[request.param])
    yield made
    for name in made.names():
        made.remove(name)


def test_written_read_listed_removed(place: Place) -> None:
    assert place.names() == []
    assert not place.exists("a.npy")
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    with place.writing("a.npy") as file:
        np.save(file, rows)
    place.put("b_1=2-3.npy", b"two")
    assert place.names() == ["a.npy", "b_1=2-3.npy"]
    assert place.exists("a.npy")
    with place.open("a.npy") as file:
        assert np.array_equal(np.load(file, allow_pickle=False), rows)
    assert place.get("b_1=2-3.npy") == b"two"
    place.remove("a.npy")
    place.remove("a.npy")
    assert place.names() == ["b_1=2-3.npy"]


def test_folders_inside_copies_and_stamps(place: Place, tmp_path: Path) -> None:
    assert place.folders() == []
    assert place.stamp("a.bin") is None
    inside = place.inner("within")
    inside.put("a.bin", b"older")
    assert place.folders() == ["within"]
    assert place.names() == []
    first = inside.stamp("a.bin")
    assert first is not None and first[0] == 5
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(b"newer" * 2_000_000)
    inside.upload("a.bin", source)
    second = inside.stamp("a.bin")
    assert second is not None and second[0] == 10_000_000 and second != first
    inside.download("a.bin", target)
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(StorageError, match=r"cannot write .*target\.bin: File exists"):
        inside.download("a.bin", target)
    with pytest.raises(StorageError, match=r"cannot read .*nowhere: No such file"):
        inside.upload("b.bin", tmp_path / "nowhere")
    assert inside.names() == ["a.bin"]
    inside.remove("a.bin")
    with pytest.raises(InvalidSetting, match="must be plain"):
        place.inner("..")


def test_an_older_file_is_replaced_whole_or_stays(place: Place) -> None:
    place.put("a.bin", b"older")
    for stop in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(stop), place.writing("a.bin") as file:
            file.write(b"half")
            file.flush()
            assert place.names() == ["a.bin"]
            assert place.get("a.bin") == b"older"
            raise stop
    assert place.get("a.bin") == b"older"
    assert place.sweep() == 0
    place.put("a.bin", b"newer")
    assert place.get("a.bin") == b"newer"


def test_two_writers_of_one_shard_do_not_meet(place: Place) -> None:
    with place.writing("a.bin") as one:
        one.write(b"o" * 1000)
        with place.writing("a.bin") as two:
            two.write(b"t" * 500)
        assert place.get("a.bin") == b"t" * 500
        one.write(b"o" * 1000)
    assert place.get("a.bin") == b"o" * 2000
    assert place.names() == ["a.bin"]


def test_it_travels_to_other_processes(place: Place) -> None:
    place.put("a.bin", b"here")
    there = pickle.loads(pickle.dumps(place))
    assert there == place
    assert there.get("a.bin") == b"here"


def test_what_a_killed_writer_leaves_is_not_a_shard_and_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, signal; from sampleinfo.execution_storage import Place\n"
        f"with Place({str(tmp_path)!r}).writing('a.bin') as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    place = Place(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
    assert place.names() == []
    assert not place.exists("a.bin")
    (tmp_path / ".gitignore").write_text("not ours")
    assert place.sweep() == 1
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "a/b",
        "/etc/passwd",
        "~root",
        "a\\b",
        ".hidden",
        "-a",
        "a\0",
        "a\n",
        "s3://x/y",
        "é",
        "a" * 201,
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(place: Place, name: str) -> None:
    for use in (place.exists, place.get, place.remove, place.path, lambda bad: place.put(bad, b"")):
        with pytest.raises(InvalidSetting, match="must be plain"):
            use(name)


@given(st.text(max_size=12))
def test_whatever_the_name_the_file_is_in_the_folder(name: str) -> None:
    place = Place("/data/shards")
    try:
        path = place.path(name)
    except InvalidSetting:
        return
    assert os.path.normpath(path) == path
    assert Path(path).parent == Path("/data/shards")


def test_a_path_means_the_same_folder_wherever_a_worker_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place("shards")
    monkeypatch.chdir("/")
    place.put("a.bin", b"here")
    assert (tmp_path / "shards" / "a.bin").read_bytes() == b"here"


def test_what_stands_before_the_at_sign_is_shown_unless_it_holds_a_password() -> None:
    """Without it the folder could not be found again."""
    assert str(Place("abfs://container@account/folder")) == "abfs://container@account/folder"
    assert str(Place("ftp://me:secret@host/folder")) == "ftp://host/folder"


def test_a_store_with_folders_gets_the_one_that_is_missing(tmp_path: Path) -> None:
    class Strict(LocalFileSystem):
        """Makes no folder unasked, as servers of files do."""

        protocol = "strict"

    fsspec.register_implementation("strict", Strict, clobber=True)
    place = Place(f"strict://{tmp_path}/a/b")
    assert not place.local
    place.put("x.bin", b"content")
    source = tmp_path / "source"
    source.write_bytes(b"copied")
    place.inner("c").upload("y.bin", source)
    assert place.get("x.bin") == b"content"
    assert place.inner("c").get("y.bin") == b"copied"


def test_digest(place: Place) -> None:
    place.put("x.bin", b"content")
    assert place.digest("x.bin") == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(StorageError, match=r"cannot read y\.bin"):
        place.digest("y.bin")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(InvalidSetting, match=r"a file in memory://host/x must be plain") as no:
        Place("memory://user:secret@host/x").get("../a")
    assert "secret" not in str(no.value)


@pytest.mark.parametrize("address", ["", "zip://a::http://b", "a\0b"])
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(InvalidSetting, match="PROTOCOL://PLACE; got"):
        Place(address)


def test_an_unknown_storage_is_told() -> None:
    with pytest.raises(InvalidSetting, match=r"the storage 'nope://x' cannot be used: Protocol not known: nope"):
        Place("nope://x").names()


def test_what_is_missing_or_in_the_way_is_told(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "shards"))
    with pytest.raises(StorageError, match=r"cannot read a\.bin in .*: No such file or directory\.$"):
        place.get("a.bin")
    (tmp_path / "shards").write_text("a file, not a folder")
    with pytest.raises(StorageError, match=r"cannot write a\.bin in .*shards: "):
        place.put("a.bin", b"")


def test_a_full_store_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(
            StorageError, match=r"cannot write a\.bin in .*: no space left on the disk; make space and start"
        ),
        place.writing("a.bin"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert place.names() == []
    assert place.sweep() == 0
