"""Feature rows on disk or on an object store, in shards that are there whole or not at all.

A store is a folder (``execution_storage.Place``): ``index.json`` (what all shards share), and for shard s the file
``00000s.npy`` with its rows and the note ``00000s.json`` (samples, bytes, SHA-256, scale). Both are written whole or
not at all, the note last, so that a shard counts as finished once its note agrees with its file. The notes lie beside
the shards, not in the index, since many processes write shards of one store at the same time.

float16 rows are stored in units of a power of two of their shard, chosen such that its largest value lies in
[2^14, 2^15): nothing overflows, and values down to 2^-29 of the largest keep 11 significant bits.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sampleinfo.errors import InvalidData, InvalidRun, InvalidSetting, StorageError
from sampleinfo.execution_storage import Place

Rows = npt.NDArray[np.float32]
Kind = Literal["float16", "float32"]
Folder = Place | Path | str
FORMAT, INDEX = 1, "index.json"
KINDS: tuple[Kind, ...] = ("float16", "float32")
#: The largest value of a float16 shard lies below 2 to this power, whatever its rows are.
_TOP = 15
#: Units below are not normal numbers of float32.
_LEAST_UNIT = -120
NO_NOTE = "its note is missing or damaged"
#: Files whose checksum this process has found right, by place and name: their stamp and checksum.
_seen_whole: dict[tuple[Place, str], tuple[tuple[int, str], str]] = {}


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

    place: Place
    rows: int
    dimension: int
    dtype: Kind
    samples_per_shard: int

    @classmethod
    def create(cls, folder: Folder, rows: int, dimension: int, dtype: Kind, samples_per_shard: int) -> Shards:
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
        wanted = cls(_place(folder), rows, dimension, dtype, samples_per_shard)
        if wanted.place.exists(INDEX):
            if (found := cls.open(wanted.place)) != wanted:
                raise InvalidRun(
                    f"{wanted.place} holds features of another kind ({found._index}, wanted {wanted._index}); "
                    "give another folder or delete this one."
                )
            return found
        wanted.place.put(INDEX, _json({"format": FORMAT, **wanted._index}))
        return wanted

    @classmethod
    def open(cls, folder: Folder) -> Shards:
        """The store in a folder.

        Raises:
            InvalidRun: no store is there, its index is damaged, or it was written by another format version.
        """
        place = _place(folder)
        found = _load(place, INDEX)
        if found is None:
            raise InvalidRun(f"{place} is not a store of features: {INDEX} is missing or cannot be read.")
        if found.get("format") != FORMAT:
            raise InvalidRun(f"{place} has format {found.get('format')!r}, this version reads {FORMAT}.")
        names = ("rows", "dimension", "samples_per_shard")
        if found.get("dtype") not in KINDS or not all(isinstance(found.get(name), int) for name in names):
            raise InvalidRun(f"{INDEX} of the store {place} is damaged; delete the folder and compute it again.")
        return cls(place, found["rows"], found["dimension"], found["dtype"], found["samples_per_shard"])

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
        self.place.remove(_note_of(number))
        with self.place.writing(_file_of(number)) as file:
            file.write(view)
        self.place.put(_note_of(number), _json(vars(note)))

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
        return tuple(number for number, trouble in self.troubles().items() if trouble is None)

    def troubles(self) -> dict[int, str | None]:
        """What is wrong with each shard that was finished once, ascending; None: it is whole."""
        return {number: self._trouble(number, self._note(number)) for number in _numbers(self.place.names())}

    def sizes(self) -> tuple[int, ...]:
        """The number of samples of every shard.

        Raises:
            DamagedShard: a shard before the last is missing, or the file of one.
        """
        names = set(self.place.names())
        notes = {number: self._note(number) for number in _numbers(names)}
        for number in range(max(notes, default=-1) + 1):
            if notes.get(number) is None or _file_of(number) not in names:
                raise self._damaged(number, "it is missing")
        return tuple(note.samples for note in notes.values() if note is not None)

    def read(self, number: int) -> Rows:
        """(b q, D) the rows of a shard. Its checksum is verified when this process first reads it.

        Raises:
            DamagedShard: it is missing, truncated or changed.
        """
        note = self._note(number)
        content = None if self.place.local else self._content(number)  # one request, for checksum and rows
        if note is None or (trouble := self._trouble(number, note, content)) is not None:
            raise self._damaged(number, NO_NOTE if note is None else trouble)
        try:
            source = self.place.path(_file_of(number)) if content is None else io.BytesIO(content)
            stored = np.load(source, allow_pickle=False)
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
            _seen_whole.pop((self.place, _file_of(number)), None)
            if (trouble := self._trouble(number, self._note(number))) is not None:
                raise self._damaged(number, trouble)

    def tidy(self) -> None:
        """Delete what killed writers left aside; only while nobody writes."""
        self.place.sweep()

    def _trouble(self, number: int, note: Note | None, content: bytes | None = None) -> str | None:
        """What is wrong with a shard, whose file may have been read already."""
        name = _file_of(number)
        stamp = self.place.stamp(name)
        if stamp is None:
            return "its file is missing"
        if note is None:
            return NO_NOTE
        if stamp[0] != note.bytes:
            return f"it has {stamp[0]} bytes instead of {note.bytes}"
        if _seen_whole.get((self.place, name)) != (stamp, note.sha256):
            found = self.place.digest(name) if content is None else hashlib.sha256(content).hexdigest()
            if found != note.sha256:
                return "its checksum is another"
            _seen_whole[self.place, name] = stamp, note.sha256
        return None

    def _content(self, number: int) -> bytes | None:
        """All of a shard's file; None where there is none."""
        return None if self.place.stamp(_file_of(number)) is None else self.place.get(_file_of(number))

    def _damaged(self, number: int, trouble: str | None) -> DamagedShard:
        return DamagedShard(
            f"shard {number} of {self.place} cannot be used: {trouble}. Run again with the same "
            "settings: it is made anew."
        )

    def _note(self, number: int) -> Note | None:
        found = _load(self.place, _note_of(number)) or {}
        try:
            note = Note(**found)
        except TypeError:
            return None
        fits = isinstance(note.samples, int) and isinstance(note.bytes, int) and isinstance(note.scale, float)
        return note if fits else None


def _place(folder: Folder) -> Place:
    return folder if isinstance(folder, Place) else Place(str(folder))


def _file_of(number: int) -> str:
    return f"{number:06d}.npy"


def _note_of(number: int) -> str:
    return f"{number:06d}.json"


def _numbers(names: Iterable[str]) -> list[int]:
    """Of the shards that have a note, ascending."""
    stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


def _load(place: Place, name: str) -> dict[str, Any] | None:
    """The JSON object of a file, None where there is none."""
    try:
        found = json.loads(place.get(name))
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
