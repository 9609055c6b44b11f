"""A folder of shard files on a disk or an object store: a file is there whole or not at all.

On a disk a file is written aside and renamed. On an object store (``s3://``, ``gs://``, ``memory://``, whatever fsspec
knows) a put is whole by itself, so a file is collected in memory first; nothing is ever put that is not complete.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from sampleinfo.errors import InvalidSetting, StorageError, printable

#: Files that are being written begin and end so; no shard does.
BEFORE, AFTER = ".", ".aside"
#: What file systems call the mark of one version of a file; bytes that are copied at a time.
STAMPS, PIECE = ("ETag", "etag", "md5Hash", "LastModified", "updated", "mtime", "created"), 2**22


@dataclass(frozen=True)
class Place:
    """A folder given as a path or an address such as ``s3://bucket/folder``; picklable.

    Every method that takes a ``name`` refuses (InvalidSetting) whatever is not a plain file name: letters, digits and
    ``. _ = -``, a letter, digit or ``_`` first. So nothing outside the folder can be named.
    """

    address: str

    def __post_init__(self) -> None:
        if not self.address or "::" in self.address or "\0" in self.address:
            raise InvalidSetting(f"the address of a folder is a path or PROTOCOL://PLACE; got {self.address!r}.")
        if "://" not in self.address:  # workers may have another current folder
            object.__setattr__(self, "address", str(Path(self.address).expanduser().absolute()))

    def __reduce__(self) -> tuple[type[Place], tuple[str]]:
        return Place, (self.address,)

    def __str__(self) -> str:
        return re.sub(r"//[^/@]*:[^/@]*@", "//", self.address)  # without a user's name and password

    @cached_property
    def _found(self) -> tuple[Any, str]:
        """The file system and the folder's path there."""
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise InvalidSetting(f"the storage {str(self)!r} cannot be used: {_why(error)}.") from error
        return system, str(path).rstrip("/") or "/"

    @property
    def local(self) -> bool:
        """Whether it is a folder of a disk."""
        return "file" in _protocols(self._found[0])

    def inner(self, name: str) -> Place:
        """The folder of that name inside.

        Raises:
            InvalidSetting: not a plain name.
        """
        self.path(name)
        return Place(f"{self.address.rstrip('/')}/{name}")

    def path(self, name: str) -> str:
        """Where a file is, as its file system writes it.

        Raises:
            InvalidSetting: not a plain file name.
        """
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,199}", name):
            raise InvalidSetting(
                f"the name of a file in {self} must be plain (letters, digits and . _ = -); got {name!r}."
            )
        return f"{self._found[1].rstrip('/')}/{name}"

    def names(self) -> list[str]:
        """The whole files that are there now, sorted; none where there is no folder.

        Raises:
            StorageError: the folder cannot be read.
        """
        return sorted(name for name in self._listed() if not name.startswith(BEFORE))

    def exists(self, name: str) -> bool:
        """Whether a whole file of that name is there now.

        Raises:
            StorageError: the folder cannot be read.
        """
        system, path = self._found[0], self.path(name)
        with _told(f"cannot read {self}"):
            system.invalidate_cache()
            return bool(system.isfile(path))

    def stamp(self, name: str) -> tuple[int, str] | None:
        """The bytes of a whole file, and what becomes another when it is written again; None where there is none.

        Raises:
            StorageError: the folder cannot be read.
        """
        system, path = self._found[0], self.path(name)
        with _told(f"cannot read {self}"):
            try:
                if self.local:
                    facts = Path(path).stat()
                    return facts.st_size, str(facts.st_mtime_ns)
                system.invalidate_cache()
                known = system.info(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return int(known["size"]), str(next((known[key] for key in STAMPS if known.get(key)), ""))

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file to read from.

        Raises:
            StorageError: it is not there, or cannot be read.
        """
        path = self.path(name)
        with _told(f"cannot read {name} in {self}"), self._found[0].open(path, "rb") as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write to, which appears under its name, in place of an older one, if all goes well.

        Whatever ends the writing, even a signal that raises, leaves the older file and nothing else; after the sudden
        death of the process something is left aside, which ``sweep`` removes.

        Raises:
            StorageError: the disk is full, or the file cannot be written.
        """
        path = self.path(name)
        with _told(f"cannot write {name} in {self}"):
            if self.local:
                with _aside(Path(path)) as file:
                    yield file
            else:
                with io.BytesIO() as collected:
                    yield collected
                    self._put(lambda: self._found[0].pipe_file(path, collected.getvalue()))

    def _put(self, put: Callable[[], Any]) -> None:
        """Put a file on a store; the folder is made first where stores have folders and this one is missing."""
        system, folder = self._found
        try:
            put()
        except FileNotFoundError:
            system.makedirs(folder, exist_ok=True)
            put()

    def put(self, name: str, content: bytes) -> None:
        """Write a file at once; as ``writing``."""
        with self.writing(name) as file:
            file.write(content)

    def get(self, name: str) -> bytes:
        """All of a file; as ``open``."""
        with self.open(name) as file:
            return file.read()

    def digest(self, name: str) -> str:
        """SHA-256 of a file, in hexadecimal; as ``open``."""
        found = hashlib.sha256()
        with self.open(name) as file:
            while piece := file.read(PIECE):
                found.update(piece)
        return found.hexdigest()

    def upload(self, name: str, source: Path) -> None:
        """Put a copy of a file of this machine there, in pieces, whole or not at all.

        Raises:
            StorageError: the file cannot be read, or its copy not be written.
        """
        path = self.path(name)
        with _told(f"cannot read {source}"), source.open("rb") as file:
            if self.local:
                with self.writing(name) as copy:
                    shutil.copyfileobj(file, copy, PIECE)
                return
        with _told(f"cannot write {name} in {self}"):
            self._put(lambda: self._found[0].put_file(str(source), path))

    def download(self, name: str, target: Path) -> None:
        """Put a copy of a file into a new file of this machine, in pieces.

        Raises:
            StorageError: it is not there, or cannot be read or written.
        """
        with self.open(name) as file, _told(f"cannot write {target}"), target.open("xb") as copy:
            shutil.copyfileobj(file, copy, PIECE)

    def remove(self, name: str) -> None:
        """Remove a file if it is there.

        Raises:
            StorageError: it cannot be removed.
        """
        path = self.path(name)
        with _told(f"cannot remove {name} in {self}"), suppress(FileNotFoundError):
            self._found[0].rm_file(path)

    def sweep(self) -> int:
        """Remove what processes that died have left aside; how many files. Nobody may be writing here meanwhile.

        Raises:
            StorageError: the folder cannot be read, or a file not be removed.
        """
        left = [name for name in self._listed() if name.startswith(BEFORE) and name.endswith(AFTER)]
        with _told(f"cannot tidy up {self}"):
            for name in left:
                self._found[0].rm_file(f"{self._found[1].rstrip('/')}/{name}")
        return len(left)

    def folders(self) -> list[str]:
        """The folders inside, sorted.

        Raises:
            StorageError: the folder cannot be read.
        """
        return sorted(self._listed("directory"))

    def _listed(self, kind: str = "file") -> list[str]:
        system, folder = self._found
        with _told(f"cannot read {self}"):
            system.invalidate_cache()
            try:
                entries = system.ls(folder, detail=True)
            except FileNotFoundError:
                return []
        return [Path(entry["name"]).name for entry in entries if entry["type"] == kind]


@contextmanager
def _aside(path: Path) -> Iterator[IO[bytes]]:
    """Write beside ``path`` and rename; the name is new, so that two writers of one shard do not meet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{BEFORE}{path.name}.{uuid4().hex}{AFTER}")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Errors of the system as one that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"{what}: no space left on the disk; make space and start again. Finished shards are kept."
            ) from error
        raise StorageError(f"{what}: {_why(error)}.") from error


def _why(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return printable(str(words)).rstrip(".")


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
