"""Carry out a change: of what it finds, only what is as the change expects it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, insert, select, update

from sampleinfo.decisions.checks import shortened
from sampleinfo.decisions.deltas import NOTHING, Change, Delta, Version
from sampleinfo.decisions.tables import actions, digest, groups, members, values
from sampleinfo.decisions.verdicts import Verdict
from sampleinfo.errors import SampleInfoError

SET, TAG, NOTE, VERDICT = "set", "tag", "note", "verdict"
#: Digests in one question to the database; it allows some ten thousands.
TOGETHER = 1000


class Conflict(SampleInfoError):
    """Somebody changed meanwhile what was to be changed: ``author``, to what (``value``; None: removed), and when."""

    def __init__(self, message: str, author: str, value: str | None, at: datetime) -> None:
        super().__init__(message)
        self.author, self.value, self.at = author, value, at


@dataclass(frozen=True)
class Edit:
    """A transaction that changes one collection: the number of the edit, who makes it and when."""

    connection: Connection
    collection_id: int
    revision: int
    author: str
    at: str


def when(at: str) -> str:
    """A time for people."""
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC"


def group_named(edit: Edit, kind: str, name: str, alive: bool = True) -> Row[*tuple[Any, ...]] | None:
    """The set or tag of a name; of deleted ones the last."""
    mine = (groups.c.collection_id == edit.collection_id, groups.c.kind == kind, groups.c.name == name)
    query = select(groups).where(*mine, groups.c.alive == alive).order_by(groups.c.id.desc()).limit(1)
    return edit.connection.execute(query).first()


@dataclass(frozen=True)
class Cells:
    """Where the versions of one set or tag, or of the notes or verdicts, stand: one cell for each image."""

    table: Table
    column: str
    key: Mapping[str, str | int]

    def find(self, edit: Edit, ids: Iterable[str]) -> dict[str, Row[*tuple[Any, ...]]]:
        """The rows of images, also of those that have nothing any more."""
        rows: dict[str, Row[*tuple[Any, ...]]] = {}
        for digests in _packs(ids):
            query = select(self.table).where(*self._mine(), self.table.c.digest.in_(digests))
            rows |= {row.sample_id: row for row in edit.connection.execute(query)}
        return rows

    def version(self, row: Row[*tuple[Any, ...]] | None) -> Version:
        """What stands in a row."""
        return NOTHING if row is None else Version(getattr(row, self.column), row.revision)

    def versions(self, edit: Edit, ids: Iterable[str]) -> dict[str, Version]:
        """What stands for images; nothing is not told."""
        return {name: self.version(row) for name, row in self.find(edit, ids).items()}

    def write(self, edit: Edit, versions: Mapping[str, Version]) -> None:
        """Put new versions in the place of what was there."""
        for digests in _packs(versions):
            edit.connection.execute(delete(self.table).where(*self._mine(), self.table.c.digest.in_(digests)))
        more = {"author": edit.author, "at": edit.at} if "author" in self.table.c else {}
        rows = [
            {**self.key, **more, "digest": digest(name), "sample_id": name, self.column: value, "revision": revision}
            for name, (value, revision) in versions.items()
        ]
        if rows:
            edit.connection.execute(insert(self.table), rows)

    def _mine(self) -> Iterator[ColumnElement[bool]]:
        return (self.table.c[name] == value for name, value in self.key.items())


def places(group: int) -> Cells:
    """The members of a set or a tag."""
    return Cells(members, "place", {"group_id": group})


def texts(edit: Edit, kind: str) -> Cells:
    """The notes or verdicts of a collection."""
    return Cells(values, "text", {"collection_id": edit.collection_id, "kind": kind})


def changed_value(kind: str, sample_id: str, row: Row[*tuple[Any, ...]] | None, seen: str | None) -> Conflict:
    """The conflict about a note or a verdict that is not as it was ``seen``."""
    about = f"the {kind} on image {shortened(sample_id)} is not as you saw it"
    if row is None:
        return Conflict(f"{about}: there is none, and there never was.", "", None, datetime.now(UTC))
    to = "removed it" if row.text is None else f"changed it to {_shown(kind, row.text)}"
    words = f"{about} ({'none' if seen is None else _shown(kind, seen)}): {row.author} {to}, {when(row.at)}."
    return Conflict(words, row.author, row.text, datetime.fromisoformat(row.at))


def _shown(kind: str, text: str) -> str:
    return shortened(str(Verdict.from_text(text)) if kind == VERDICT else text)


def apply(edit: Edit, change: Delta, since: int) -> Delta:
    """Carry out what still can be of a change that was true at the edit ``since``; what was carried out.

    Raises:
        Conflict: somebody else changed what it is about. The transaction must be undone then.
    """
    if change.kind:
        return _apply_texts(edit, change)
    if change.group is None:
        return change
    group = edit.connection.execute(select(groups).where(groups.c.id == change.group)).one()
    if not group.alive and change.alive is None:
        message = f"the set {group.name!r} is no longer there: {group.author} deleted it, {when(group.changed)}."
        raise Conflict(message, group.author, None, datetime.fromisoformat(group.changed))
    now: dict[str, Any] = {"changed": edit.at, "author": edit.author}
    if change.alive is not None:
        _check_unchanged(edit, group, since) if group.alive else _check_free(edit, group, group.name)
        now["alive"] = change.alive
    if change.renamed is not None:
        _check_name(edit, group, change.renamed)
        now["name"] = change.renamed[1]
    cells = places(group.id)
    rows = cells.find(edit, [each.sample_id for each in change.changes])
    done = replace(change, changes=_fitting(cells, rows, change))
    if done.size():
        cells.write(edit, {each.sample_id: each.after for each in done.changes})
        taken = (each.after.value for each in done.changes)
        now["next_place"] = max([group.next_place, *(place + 1 for place in taken if isinstance(place, int))])
        edit.connection.execute(update(groups).where(groups.c.id == group.id).values(now))
    return done


def _check_unchanged(edit: Edit, group: Row[*tuple[Any, ...]], since: int) -> None:
    """A set goes only when nobody else has worked on it: their work would go with it."""
    others = (actions.c.group_id == group.id, actions.c.revision > since, actions.c.author != edit.author)
    mine = actions.c.collection_id == edit.collection_id
    query = select(actions).where(mine, *others).order_by(actions.c.revision.desc()).limit(1)
    last = edit.connection.execute(query).first()
    if last is not None:
        message = f"the set {group.name!r} stays: {last.author} changed it, {when(last.at)} ({last.words})."
        raise Conflict(message, last.author, group.name, datetime.fromisoformat(last.at))


def _check_name(edit: Edit, group: Row[*tuple[Any, ...]], renamed: tuple[str, str]) -> None:
    if group.name != renamed[0]:
        message = f"the set {renamed[0]!r} has another name: {group.name!r} ({group.author}, {when(group.changed)})."
        raise Conflict(message, group.author, group.name, datetime.fromisoformat(group.changed))
    _check_free(edit, group, renamed[1])


def _check_free(edit: Edit, group: Row[*tuple[Any, ...]], name: str) -> None:
    other = group_named(edit, group.kind, name)
    if other is not None and other.id != group.id:
        message = f"there is another set called {name!r} now ({other.author}, {when(other.changed)})."
        raise Conflict(message, other.author, name, datetime.fromisoformat(other.changed))


def _apply_texts(edit: Edit, change: Delta) -> Delta:
    cells = texts(edit, change.kind)
    rows = cells.find(edit, [each.sample_id for each in change.changes])
    done = replace(change, changes=_fitting(cells, rows, change))
    if change.changes and not done.changes:
        first = change.changes[0]
        seen = None if first.before.value is None else str(first.before.value)
        raise changed_value(change.kind, first.sample_id, rows.get(first.sample_id), seen)
    cells.write(edit, {each.sample_id: each.after for each in done.changes})
    return done


def _fitting(cells: Cells, rows: Mapping[str, Row[*tuple[Any, ...]]], change: Delta) -> tuple[Change, ...]:
    """Those of the changes whose images are as the change expects them: nobody else has touched them since."""
    return tuple(each for each in change.changes if cells.version(rows.get(each.sample_id)) == each.before)


def _packs(ids: Iterable[str]) -> Iterable[list[str]]:
    """Digests, a limited number at a time."""
    digests = [digest(each) for each in ids]
    return (digests[start : start + TOGETHER] for start in range(0, len(digests), TOGETHER))
