"""Feature rows on disk, in shards that are there whole or not at all.

A store is a folder: ``index.json`` (what all shards share), and for shard s the file ``00000s.npy`` with its rows and
the note ``00000s.json`` (samples, bytes, SHA-256, scale). Both are written aside and renamed, the note last, so that a
shard counts as finished once its note agrees with its file. The notes lie beside the shards, not in the index, since
many processes write shards of one store at the same time.

float16 rows are stored in units of a power of two of their shard, chosen such that its largest value lies in
[2^14, 2^15): nothing overflows, and values down to 2^-29 of the largest keep 11 significant bits.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from sampleinfo.errors import InvalidData, InvalidRun, InvalidSetting, StorageError

Rows = npt.NDArray[np.float32]
Kind = Literal["float16", "float32"]
FORMAT, INDEX, ASIDE = 1, "index.json", ".tmp"
KINDS: tuple[Kind, ...] = ("float16", "float32")
#: The largest value of a float16 shard lies below 2 to this power, whatever its rows are.
_TOP = 15
#: Units below are not normal numbers of float32.
_LEAST_UNIT = -120
#: Files whose checksum this process has found right, by path: size, time of change and checksum.
_seen_whole: dict[Path, tuple[int, int, str]] = {}


class DamagedShard(InvalidRun):
    """A shard that is missing, truncated or changed; the text names it."""


@dataclass(frozen=True)
class Note:
    """What is known of one finished shard; ``scale`` times what is stored are its rows."""

    samples: int
    bytes: int
    sha256: str
    scale: float


@dataclass(frozen=True)
class Shards:
    """A store of feature rows, sample-major: ``rows`` rows of ``dimension`` features for each sample.

    Shards are numbered from 0 and hold 1 to ``samples_per_shard`` samples each; sample numbers run through them.
    Made by ``create`` or ``open``.
    """

    path: Path
    rows: int
    dimension: int
    dtype: Kind
    samples_per_shard: int

    @classmethod
    def create(cls, path: Path, rows: int, dimension: int, dtype: Kind, samples_per_shard: int) -> Shards:
        """A new store, or the one that is there if it is of the same kind: its finished shards then stay.

        Raises:
            InvalidSetting: a number below 1 or another dtype.
            InvalidRun: the folder holds a store of another kind.
            StorageError: it cannot be written.
        """
        if dtype not in KINDS or min(rows, dimension, samples_per_shard) < 1:
            raise InvalidSetting(
                f"shards need whole numbers of at least 1 and a dtype of {' or '.join(KINDS)}; got {rows} rows per "
                f"sample, dimension {dimension}, {samples_per_shard} samples per shard and {dtype!r}."
            )
        wanted = cls(path, rows, dimension, dtype, samples_per_shard)
        if (path / INDEX).exists():
            if (found := cls.open(path)) != wanted:
                raise InvalidRun(
                    f"{path} holds features of another kind ({found._index}, wanted {wanted._index}); "
                    "give another folder or delete this one."
                )
            return found
        with _storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        _put(path / INDEX, lambda file: file.write(_json({"format": FORMAT, **wanted._index})))
        return wanted

    @classmethod
    def open(cls, path: Path) -> Shards:
        """The store in a folder.

        Raises:
            InvalidRun: no store is there, its index is damaged, or it was written by another format version.
        """
        found = _load(path / INDEX)
        if found is None:
            raise InvalidRun(f"{path} is not a store of features: {INDEX} is missing or cannot be read.")
        if found.get("format") != FORMAT:
            raise InvalidRun(f"{path} has format {found.get('format')!r}, this version reads {FORMAT}.")
        names = ("rows", "dimension", "samples_per_shard")
        if found.get("dtype") not in KINDS or not all(isinstance(found.get(name), int) for name in names):
            raise InvalidRun(f"{INDEX} of the store {path} is damaged; delete the folder and compute it again.")
        return cls(path, found["rows"], found["dimension"], found["dtype"], found["samples_per_shard"])

    @property
    def _index(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("rows", "dimension", "dtype", "samples_per_shard")}

    def write(self, number: int, features: npt.NDArray[np.floating[Any]]) -> None:
        """Store the rows (b q, D) of the b samples of a shard, in place of what is there.

        Raises:
            InvalidSetting: a negative number, or another shape.
            InvalidData: values that are not finite, in float32.
            StorageError: the disk is full or cannot be written; what was there before may be gone, nothing half is.
        """
        samples = self._checked(number, features)
        with np.errstate(over="ignore"):
            values = np.asarray(features, dtype=np.float32)
        largest = float(np.abs(values).max())
        if not math.isfinite(largest):
            raise InvalidData(f"the features of shard {number} are not finite in float32.")
        scale = self._unit(largest)
        stored = np.ascontiguousarray(np.divide(values, np.float32(scale)).astype(self.dtype))
        buffer = io.BytesIO()
        np.save(buffer, stored, allow_pickle=False)
        view = buffer.getbuffer()
        note = Note(samples, len(view), hashlib.sha256(view).hexdigest(), scale)
        with _storage_errors(self.path):
            self._note_path(number).unlink(missing_ok=True)
        _put(self._file(number), lambda file: file.write(view))
        _put(self._note_path(number), lambda file: file.write(_json(vars(note))))

    def _checked(self, number: int, features: npt.NDArray[np.floating[Any]]) -> int:
        samples = len(features) // self.rows if features.ndim == 2 else 0
        fits = features.shape == (samples * self.rows, self.dimension) and 1 <= samples <= self.samples_per_shard
        if number < 0 or not fits:
            raise InvalidSetting(
                f"shard {number} must have a number of 0 or above and the shape (b {self.rows}, {self.dimension}) with "
                f"1 to {self.samples_per_shard} samples b; got {features.shape}."
            )
        return samples

    def _unit(self, largest: float) -> float:
        if self.dtype == "float32" or largest == 0:
            return 1.0
        return 2.0 ** max(math.frexp(largest)[1] - _TOP, _LEAST_UNIT)

    def finished(self) -> tuple[int, ...]:
        """The numbers of the shards that are there and whole, ascending; others have to be computed (again)."""
        return tuple(number for number in self._noted() if self._trouble(number) is None)

    def sizes(self) -> tuple[int, ...]:
        """The number of samples of every shard.

        Raises:
            DamagedShard: a shard before the last is missing, or the file of one.
        """
        numbers = self._noted()
        for number in range(numbers[-1] + 1 if numbers else 0):
            if self._note(number) is None or not self._file(number).exists():
                raise self._damaged(number, "it is missing")
        return tuple(note.samples for number in numbers if (note := self._note(number)) is not None)

    def read(self, number: int) -> Rows:
        """(b q, D) the rows of a shard. Its checksum is verified when this process first reads it.

        Raises:
            DamagedShard: it is missing, truncated or changed.
        """
        if (trouble := self._trouble(number)) is not None:
            raise self._damaged(number, trouble)
        note = self._note(number)
        assert note is not None
        try:
            stored = np.load(self._file(number), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(number, "it cannot be read") from error
        if stored.shape != (note.samples * self.rows, self.dimension) or stored.dtype != self.dtype:
            raise self._damaged(number, f"it holds {stored.dtype} of shape {stored.shape}")
        values = np.asarray(stored, dtype=np.float32)
        return values if note.scale == 1.0 else np.multiply(values, np.float32(note.scale), out=values)

    def verify(self) -> None:
        """Read every shard and compare its checksum, whatever was verified before.

        Raises:
            DamagedShard: the first one that is missing, truncated or changed.
        """
        for number in range(len(self.sizes())):
            _seen_whole.pop(self._file(number), None)
            if (trouble := self._trouble(number)) is not None:
                raise self._damaged(number, trouble)

    def tidy(self) -> None:
        """Delete what killed writers left aside; only while nobody writes."""
        with _storage_errors(self.path):
            for each in self.path.glob(f".*{ASIDE}"):
                each.unlink(missing_ok=True)

    def _trouble(self, number: int) -> str | None:
        """What is wrong with a shard."""
        note, path = self._note(number), self._file(number)
        try:
            facts = path.stat()
        except OSError:
            return "its file is missing"
        if note is None:
            return "its note is missing or damaged"
        if facts.st_size != note.bytes:
            return f"it has {facts.st_size} bytes instead of {note.bytes}"
        seen = (facts.st_size, facts.st_mtime_ns, note.sha256)
        if _seen_whole.get(path) != seen:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != note.sha256:
                    return "its checksum is another"
            _seen_whole[path] = seen
        return None

    def _damaged(self, number: int, trouble: str) -> DamagedShard:
        return DamagedShard(f"shard {number} of {self.path} cannot be used: {trouble}. Run again: it is made anew.")

    def _noted(self) -> list[int]:
        """Numbers of the shards that have a note."""
        return sorted(int(each.stem) for each in self.path.glob("*.json") if each.stem.isdecimal())

    def _note(self, number: int) -> Note | None:
        found = _load(self._note_path(number)) or {}
        try:
            note = Note(**found)
        except TypeError:
            return None
        fits = isinstance(note.samples, int) and isinstance(note.bytes, int) and isinstance(note.scale, float)
        return note if fits else None

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06d}.npy"

    def _note_path(self, number: int) -> Path:
        return self.path / f"{number:06d}.json"


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turns errors of the file system into ``StorageError``."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error


def _put(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file aside and give it its name once it is on the disk."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{ASIDE}")
    with _storage_errors(path):
        try:
            with aside.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


def _load(path: Path) -> dict[str, Any] | None:
    """The JSON object of a file, None where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
