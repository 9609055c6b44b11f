"""The tables: the same in SQLite and in PostgreSQL.

Texts of any length and content are found by their digest, since a database limits what an index may hold.
"""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

#: The version of the tables below.
VERSION = 1
#: What begins a text that no database stores as it is.
WRITTEN_OUT = "json:"


def digest(given: str) -> str:
    """A short text that stands for a long one."""
    return hashlib.blake2b(given.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class AnyText(TypeDecorator[str]):
    """Text with anything in it: with a NUL or half a character it is written out as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """As stored."""
        if value is None or not (value.startswith(WRITTEN_OUT) or "\0" in value or _halves(value)):
            return value
        return WRITTEN_OUT + json.dumps(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        """As it was given."""
        if value is None or not value.startswith(WRITTEN_OUT):
            return value
        return str(json.loads(value.removeprefix(WRITTEN_OUT)))


def _halves(value: str) -> bool:
    return not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value)


metadata = MetaData()

schema = Table("decisions_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

#: ``revision`` counts the edits; who writes locks this row, so edits of one collection come one after the other.
collections = Table(
    "decisions_collections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(32), nullable=False, unique=True),
    Column("name", AnyText, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

#: Named sets and tags. A deleted one stays with its members, not ``alive``, so that it can come back.
groups = Table(
    "decisions_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("collection_id", ForeignKey(collections.c.id), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("name", Text, nullable=False),
    Column("alive", Boolean, nullable=False),
    Column("next_place", BigInteger, nullable=False),
    Column("created", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("author", Text, nullable=False),
)
Index(
    "decisions_groups_name", groups.c.collection_id, groups.c.kind, groups.c.name,
    unique=True, sqlite_where=text("alive"), postgresql_where=text("alive"),
)  # fmt: skip

#: ``place`` orders them, and is empty where an image was taken out; ``revision`` is the edit that left it so.
members = Table(
    "decisions_members",
    metadata,
    Column("group_id", ForeignKey(groups.c.id), primary_key=True),
    Column("digest", String(32), primary_key=True),
    Column("sample_id", AnyText, nullable=False),
    Column("place", BigInteger),
    Column("revision", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Notes and verdicts (see ``verdicts``). One that was removed has no text; ``revision`` is the edit that left it so.
values = Table(
    "decisions_values",
    metadata,
    Column("collection_id", ForeignKey(collections.c.id), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("digest", String(32), primary_key=True),
    Column("sample_id", AnyText, nullable=False),
    Column("text", AnyText),
    Column("revision", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: The log. ``delta`` is what changed (see ``deltas``); ``target`` is the edit that an undo or a redo is about.
actions = Table(
    "decisions_actions",
    metadata,
    Column("collection_id", ForeignKey(collections.c.id), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("words", Text, nullable=False),
    Column("group_id", ForeignKey(groups.c.id)),
    Column("target", BigInteger),
    Column("state", String(8), nullable=False),
    Column("delta", Text, nullable=False),
)
Index("decisions_actions_state", actions.c.collection_id, actions.c.author, actions.c.state, actions.c.revision)
Index("decisions_actions_target", actions.c.collection_id, actions.c.target, actions.c.revision)
