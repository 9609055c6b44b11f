"""The database: where it is, one engine for each address and process, transactions, and errors in words."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from sampleinfo.config import home
from sampleinfo.decisions import tables
from sampleinfo.errors import StorageError

ADDRESS = "SAMPLEINFO_DATABASE"
FILE = "decisions.sqlite"
#: Seconds to wait for others who write, and for a server to answer.
PATIENCE, ANSWER = 30, 10
#: Any number, the same in every process: who holds it on a PostgreSQL server may create the tables.
CREATING = 7_215_046_331
EXAMPLES = "for example sqlite:////folder/decisions.sqlite or postgresql://user:password@host/database"
OTHERWISE = f"or set {ADDRESS} to another address"
#: What SQLite says, and what it means.
HINTS = (
    ("readonly", f"cannot be written; make the file and its folder writable, {OTHERWISE}"),
    ("unable to open", f"cannot be opened; make sure that the folder exists and is writable, {OTHERWISE}"),
    ("locked", f"have been in use by another program for {PATIENCE} seconds; try again, or end that program"),
    ("not a database", f"are not an SQLite database; remove the file, {OTHERWISE}"),
    ("malformed", f"are damaged; bring the file back from a copy, {OTHERWISE}"),
    ("is full", "cannot be written: no space is left; free some and try again"),
    ("no such table", "were removed meanwhile; try again, which begins a new file, or bring back the old one"),
)
_LOCK = threading.Lock()
_OPEN: dict[tuple[str, int], tuple[Database, tuple[int, ...]]] = {}


@dataclass(frozen=True, eq=False)
class Database:
    """An open database. ``where`` names it for people, without its password."""

    engine: Engine
    where: str

    @contextmanager
    def reading(self, begin: str = "BEGIN") -> Iterator[Connection]:
        """A connection to read with; ``begin`` is how SQLite begins.

        Raises:
            StorageError: the database cannot be read.
        """
        with self._explained(), self.engine.connect().execution_options(begin=begin) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: kept at the end, or undone by any error. SQLite lets one in at a time, the others wait.

        Raises:
            StorageError: the database cannot be written.
        """
        # Who will write takes the lock at once: to wait for it later, after reading, SQLite does not allow.
        with self.reading("BEGIN IMMEDIATE") as connection, connection.begin():
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StorageError(self._words(error)) from error

    def _words(self, error: SQLAlchemyError) -> str:
        said = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        reason = said[0].rstrip(".:")
        if self.engine.url.password:
            reason = reason.replace(str(self.engine.url.password), "***")
        if self.engine.dialect.name == "sqlite":
            hint = next((hint for mark, hint in HINTS if mark in reason), f"cannot be used: {reason}")
            return f"the decisions in {self.where} {hint}."
        if isinstance(error, OperationalError):
            return f"the database {self.where} does not answer: {reason}. Start it, correct {ADDRESS}, or remove that."
        return f"the database {self.where} cannot be used: {reason}. Correct its settings, {OTHERWISE}."


def open_database(address: str | None = None) -> Database:
    """The database at an address; None is that of ``SAMPLEINFO_DATABASE``, or a file in the folder of runs.

    It is opened once in a process; an SQLite file that was removed or replaced meanwhile is opened anew.

    Raises:
        StorageError: the address is not understood, the database cannot be used, or was written by a newer version.
    """
    url = _url(address)
    key = (url.render_as_string(hide_password=False), os.getpid())
    with _LOCK:
        if key in _OPEN:
            database, file = _OPEN[key]
            if file == _file(url):
                return database
            close(database)
        database = Database(_engine(url), url.database or "" if _is_file(url) else _without_secrets(url))
        try:
            _prepare(database)
        except BaseException:
            database.engine.dispose()
            raise
        _OPEN[key] = database, _file(url)
        return database


def close(database: Database) -> None:
    """Close every connection; the next ``open_database`` begins anew."""
    for key in [key for key, (other, _) in _OPEN.items() if other is database]:
        _OPEN.pop(key, None)
    database.engine.dispose()


def _url(address: str | None) -> URL:
    given = address or os.environ.get(ADDRESS, "")
    if not given.strip():
        return URL.create("sqlite", database=str(home() / FILE))
    try:
        url = make_url(given.strip())
    except (ArgumentError, ValueError):
        # Nothing is quoted, nor the cause kept: a password may stand anywhere in it.
        raise StorageError(
            f"the address of the database in {ADDRESS} is not understood; expected {EXAMPLES}."
        ) from None
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise StorageError(f"decisions are kept in SQLite or PostgreSQL, got {kind!r}; expected {EXAMPLES}.")
    if kind == "sqlite" and (url.database or ":memory:") == ":memory:":
        raise StorageError(f"an SQLite database in memory does not last; name a file, {EXAMPLES}.")
    return url if kind == "sqlite" else url.set(drivername="postgresql+psycopg")


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _file(url: URL) -> tuple[int, ...]:
    """What tells a file from another one at the same path."""
    if not _is_file(url):
        return ()
    try:
        facts = Path(str(url.database)).stat()
    except (OSError, ValueError):
        return ()
    return facts.st_dev, facts.st_ino


def _without_secrets(url: URL) -> str:
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def _engine(url: URL) -> Engine:
    try:
        if _is_file(url):
            if not str(url.database).startswith("file:"):
                Path(str(url.database)).absolute().parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            answer = {} if "connect_timeout" in url.query else {"connect_timeout": ANSWER}
            engine = create_engine(url, connect_args=answer, pool_pre_ping=True, hide_parameters=True)
            event.listen(engine, "connect", _set_up_postgres)
    except OSError as error:
        raise StorageError(
            f"no folder for the decisions can be made at {url.database}: {error.strerror or error}; "
            f"make it writable, {OTHERWISE}."
        ) from error
    except ImportError as error:
        raise StorageError(
            f"PostgreSQL needs a library that is missing: {error}. Install it: pip install 'sampleinfo[postgres]'."
        ) from error
    except (SQLAlchemyError, ValueError, TypeError):
        raise StorageError(
            f"the address of the database in {ADDRESS} is not understood; expected {EXAMPLES}."
        ) from None
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where ``_begin_sqlite`` says
    for setting in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {setting}").close()


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get("begin", "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)


def _set_up_postgres(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = '{PATIENCE}s'")
    connection.commit()


def _prepare(database: Database) -> None:
    """Create the tables where there are none.

    Raises:
        StorageError: that is impossible, or they were made by another version.
    """
    if database.engine.dialect.name == "sqlite":
        _write_ahead(database)
    with database.writing() as connection:
        if database.engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({CREATING})"))
        if not inspect(connection).has_table(tables.schema.name):
            tables.metadata.create_all(connection)
            connection.execute(insert(tables.schema).values(version=tables.VERSION))
        found = connection.scalar(select(tables.schema.c.version))
        # Changes nothing, but a database that cannot be written says so here and not at the first edit.
        connection.execute(update(tables.schema).where(tables.schema.c.version == tables.VERSION).values(version=found))
    if found is not None and found > tables.VERSION:
        raise StorageError(
            f"the decisions in {database.where} were written by a newer version of sampleinfo: format {found}, this "
            f"version knows {tables.VERSION}. Update sampleinfo, {OTHERWISE}."
        )
    if found != tables.VERSION:
        raise StorageError(
            f"the decisions in {database.where} have no format that is known: {found}, expected {tables.VERSION}. "
            f"Bring them back from a copy, {OTHERWISE}."
        )


def _write_ahead(database: Database) -> None:
    """SQLite's write-ahead log: readers and a writer do not wait for each other. The file remembers it."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with database.reading(begin="") as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except StorageError as error:
            # Others who do the same at this moment are not waited for by SQLite itself.
            if "locked" not in str(error.__cause__) or time.monotonic() > end:
                raise
            time.sleep(0.05)
