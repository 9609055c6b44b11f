"""Works for the tests of execution, importable by worker processes, and a driver that may be killed.

``python -m tests.execution_works FOLDER BACKEND COUNT SECONDS`` computes the shards that FOLDER lacks.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from sampleinfo import execution
from sampleinfo.errors import InvalidData, UnknownName
from sampleinfo.execution import Backend, Event, InProcess, Processes, Ray
from sampleinfo.execution_storage import Place
from sampleinfo.types import FloatArray

# A token of this session's own, so that Ray leaves none in the home folder; read when Ray is first loaded.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def need_ray() -> None:
    """Skip the test where Ray is not installed."""
    import pytest

    pytest.importorskip("ray", reason="Ray is not installed: pip install 'sampleinfo[ray]'")


@contextmanager
def disk_of(folder: Path, size: str) -> Iterator[Path]:
    """A new folder that is a disk of its own, its size as mount writes it; skips the test where that is forbidden."""
    import pytest

    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def rows(number: int) -> FloatArray:
    """The features of a shard: (64, 32)."""
    return np.random.default_rng(number).standard_normal((64, 32))


@dataclass(frozen=True)
class Products:
    """Phi^T Phi of a shard: (32, 32); shards of odd number take longer."""

    scale: FloatArray
    seconds: float = 0.0

    def __call__(self, number: int) -> FloatArray:
        time.sleep(self.seconds * (number % 2))
        scaled = rows(number) * self.scale
        return scaled.T @ scaled


@dataclass(frozen=True)
class Noted:
    """Writes a shard in two halves with a pause between them, and notes each call in a file that holds its pid."""

    folder: str
    seconds: float = 0.0

    def __call__(self, number: int) -> FloatArray:
        note = Path(self.folder) / "calls" / f"{number}-{uuid4().hex}"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.with_suffix(".new").write_text(str(os.getpid()))
        note.with_suffix(".new").replace(note)
        content = rows(number)
        with self.place.writing(shard(number)) as file:
            file.write(content[:32].tobytes())
            self.pause()
            file.write(content[32:].tobytes())
        return content.sum(axis=0)

    def pause(self) -> None:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            execution.pulse()
            time.sleep(0.01)

    @property
    def place(self) -> Place:
        return Place(f"{self.folder}/shards")

    def calls(self) -> list[int]:
        """The shards that were begun, one entry per call."""
        folder = Path(self.folder) / "calls"
        return sorted(int(path.name.split("-")[0]) for path in folder.iterdir() if not path.suffix)

    def at_work(self) -> dict[int, int]:
        """Shards begun and not there yet, and the process of each."""
        found = {}
        for path in (Path(self.folder) / "calls").glob("*"):
            number = int(path.name.split("-")[0])
            if not path.suffix and not self.place.exists(shard(number)):
                found[number] = int(path.read_text())
        return found

    def finished(self) -> set[int]:
        return {int(name[1:5]) for name in self.place.names()}

    def whole(self, count: int) -> bool:
        """Whether every shard is there with the right content, and nothing else."""
        names = {path.name for path in Path(f"{self.folder}/shards").iterdir()}
        right = all(self.place.get(shard(number)) == rows(number).tobytes() for number in range(count))
        return right and names == {shard(number) for number in range(count)}


def shard(number: int) -> str:
    return f"s{number:04d}.bin"


@dataclass(frozen=True)
class Deadly:
    """Ends its own worker at one number, as the system does where memory runs out."""

    folder: str
    number: int

    def __call__(self, number: int) -> int:
        (Path(self.folder) / f"{number}-{uuid4().hex}").touch()
        if number == self.number:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


@dataclass(frozen=True)
class Faulty:
    """Raises at number 2."""

    kind: str

    def __call__(self, number: int) -> int:
        if number == 2:
            if self.kind == "data":
                raise InvalidData("the labels of shard two are missing.")
            if self.kind == "name":
                raise UnknownName("class", "dgo", ["cat", "dog"])
            raise KeyError("gone")
        return number


@dataclass(frozen=True)
class Threads:
    """Threads that the matrix libraries of a worker use."""

    def __call__(self, number: int) -> dict[str, int]:
        import torch
        from threadpoolctl import threadpool_info

        most = max((int(library["num_threads"]) for library in threadpool_info()), default=1)
        return {"libraries": most, "torch": torch.get_num_threads(), "omp": int(os.environ["OMP_NUM_THREADS"])}


@dataclass(frozen=True)
class Large:
    """Writes shards of 300 KiB."""

    folder: str

    def __call__(self, number: int) -> int:
        Place(self.folder).put(shard(number), bytes([number]) * (300 * 1024))
        return number


def backend(name: str) -> Backend:
    """By name, or on the cluster at an address."""
    known = {"in-process": InProcess(), "processes": Processes(2, 1), "ray": Ray("local", most=2)}
    return known.get(name) or Ray(name)


def main(folder: str, name: str, count: str, seconds: str) -> None:
    """Compute the missing shards; results and events go to ``FOLDER/end.json``."""
    work = Noted(folder, float(seconds))
    work.place.sweep()
    events: list[Event] = []
    results = execution.map(work, range(int(count)), backend(name), work.finished(), tell=events.append)
    numbers = [number for number, _ in results]
    end = {"computed": numbers, "events": [[event.number, event.words] for event in events]}
    (Path(folder) / "end.json").write_text(json.dumps(end))


if __name__ == "__main__":
    main(*sys.argv[1:])
