"""The log of edits, and the way back and forth in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select, update

from sampleinfo.decisions.applying import Conflict, Edit, apply
from sampleinfo.decisions.deltas import Delta
from sampleinfo.decisions.tables import actions, collections
from sampleinfo.errors import printable

UNDO, REDO = "undo", "redo"
#: An edit stands (and can be undone), or was undone (and can be done again).
DONE, UNDONE = "done", "undone"
#: The same, with no way back any more.
STANDS, GONE = "stands", "gone"
#: What an ``Action`` is read from: everything but the change, which may be long.
LINE = (actions.c.revision, actions.c.author, actions.c.at, actions.c.kind, actions.c.words, actions.c.state)


@dataclass(frozen=True)
class Action:
    """An edit in the log: who did what and when, in ``words``. ``undone``: it was taken back."""

    revision: int
    author: str
    at: datetime
    kind: str
    words: str
    undone: bool = False


def write(edit: Edit, kind: str, words: str, change: Delta) -> Action:
    """A new edit in the log; nothing that its author undid before can be done again after it."""
    mine = (actions.c.collection_id == edit.collection_id, actions.c.author == edit.author)
    edit.connection.execute(update(actions).where(*mine, actions.c.state == UNDONE).values(state=GONE))
    return _append(edit, kind, words, change, DONE, None)


def undo(edit: Edit) -> Action | Conflict | None:
    """Take back the author's last edit that stands. None: there is none."""
    last = _first(edit, to_undo(edit.author))
    return None if last is None else _turn_round(edit, last, UNDO, "Undid", UNDONE)


def redo(edit: Edit) -> Action | Conflict | None:
    """Do again what the author undid last. None: there is nothing."""
    first = _first(edit, to_redo(edit.author))
    return None if first is None else _turn_round(edit, first, REDO, "Did again", DONE)


def to_undo(author: str) -> Select[*tuple[Any, ...]]:
    """The edit that the next undo is about: the author's last that stands. Of which collection is left open."""
    return _own(author, DONE).order_by(actions.c.revision.desc()).limit(1)


def to_redo(author: str) -> Select[*tuple[Any, ...]]:
    """The edit that the next redo is about: what the author undid last. Of which collection is left open."""
    return _own(author, UNDONE).order_by(actions.c.revision).limit(1)


def newest(limit: int) -> Select[*tuple[Any, ...]]:
    """The last edits of everybody, the newest first. Of which collection is left open."""
    return select(actions).order_by(actions.c.revision.desc()).limit(limit)


def actions_found(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[Action]:
    """The edits that a query finds, in its order."""
    return [_action(row) for row in connection.execute(query.with_only_columns(*LINE))]


def _own(author: str, state: str) -> Select[*tuple[Any, ...]]:
    return select(actions).where(actions.c.author == author, actions.c.target.is_(None), actions.c.state == state)


def _first(edit: Edit, query: Select[*tuple[Any, ...]]) -> Row[*tuple[Any, ...]] | None:
    """What a query finds in the collection that is edited."""
    return edit.connection.execute(query.where(actions.c.collection_id == edit.collection_id)).first()


def _turn_round(edit: Edit, target: Row[*tuple[Any, ...]], kind: str, verb: str, state: str) -> Action | Conflict:
    """Reverse the last that happened about an edit. On a conflict nothing is changed, and the edit is passed over."""
    mine = actions.c.collection_id == edit.collection_id
    about = or_(actions.c.revision == target.revision, actions.c.target == target.revision)
    last = edit.connection.execute(select(actions).where(mine, about).order_by(actions.c.revision.desc())).first()
    assert last is not None
    wanted = Delta.from_json(last.delta).inverse()
    this = update(actions).where(mine, actions.c.revision == target.revision)
    try:
        with edit.connection.begin_nested():
            change = apply(edit, wanted, last.revision)
    except Conflict as conflict:
        edit.connection.execute(this.values(state=STANDS if kind == UNDO else GONE))
        words = f"cannot {kind} ({target.words[:-1]}): {str(conflict)[:-1]}. It was passed over; nothing was changed."
        return Conflict(words, conflict.author, conflict.value, conflict.at)
    edit.connection.execute(this.values(state=state))
    words = f"{verb}: {target.words[0].lower()}{target.words[1:]}"
    if change.size() < wanted.size():
        words = f"{words[:-1]} ({change.size()} of {wanted.size()}; others have changed the rest since)."
    return _append(edit, kind, words, change, STANDS, target.revision)


def _append(edit: Edit, kind: str, words: str, change: Delta, state: str, target: int | None) -> Action:
    """One more line, and the collection's number goes up."""
    line = {
        "collection_id": edit.collection_id, "revision": edit.revision, "author": edit.author, "at": edit.at,
        "kind": kind, "words": printable(words), "group_id": change.group, "target": target, "state": state,
        "delta": change.to_json(),
    }  # fmt: skip
    edit.connection.execute(insert(actions).values(line))
    this = collections.c.id == edit.collection_id
    edit.connection.execute(update(collections).where(this).values(revision=edit.revision))
    return Action(edit.revision, edit.author, datetime.fromisoformat(edit.at), kind, printable(words))


def _action(row: Row[*tuple[Any, ...]]) -> Action:
    at = datetime.fromisoformat(row.at)
    return Action(row.revision, row.author, at, row.kind, row.words, row.state in (UNDONE, GONE))
