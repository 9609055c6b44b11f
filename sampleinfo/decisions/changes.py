"""What a wish means at this moment: the change that a new edit makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, select

from sampleinfo.decisions.applying import SET, Edit, changed_value, group_named, places, texts, when
from sampleinfo.decisions.deltas import NOTHING, Change, Delta, Version
from sampleinfo.decisions.tables import groups, members
from sampleinfo.errors import InvalidSetting, SampleInfoError, UnknownName


def creation(edit: Edit, name: str, ids: Sequence[str]) -> Delta:
    """A new set.

    Raises:
        InvalidSetting: the name is taken.
    """
    _refuse_taken(edit, name)
    return Delta(new_group(edit, SET, name, alive=False), alive=True, changes=_placed(edit, ids, {}, 0))


def renaming(edit: Edit, name: str, new: str) -> Delta:
    """Another name for a set.

    Raises:
        UnknownName, InvalidSetting: no such set, or the new name is taken.
    """
    group = set_named(edit, name)
    if new == name:
        return Delta()
    _refuse_taken(edit, new)
    return Delta(group, renamed=(name, new))


def addition(edit: Edit, group: int, ids: Sequence[str]) -> Delta:
    """Those of the images that are not yet there, at the end."""
    there = places(group).versions(edit, ids)
    new = [each for each in ids if there.get(each, NOTHING).value is None]
    return Delta(group, changes=_placed(edit, new, there, _next_place(edit, group)))


def removal(edit: Edit, group: int, ids: Sequence[str]) -> Delta:
    """Those of the images that are there."""
    there = places(group).versions(edit, ids)
    return Delta(group, changes=_taken_out(edit, {each: there[each] for each in ids if each in there}))


def replacement(edit: Edit, group: int, ids: Sequence[str]) -> Delta:
    """These images in this order. What already stands before the first that has to move is left alone."""
    query = select(members).where(members.c.group_id == group).order_by(members.c.place)
    there = {row.sample_id: Version(row.place, row.revision) for row in edit.connection.execute(query)}
    wanted = set(ids)
    staying = [name for name, version in there.items() if name in wanted and version.value is not None]
    same = next((n for n, (a, b) in enumerate(zip(staying, ids, strict=False)) if a != b), len(staying))
    out = _taken_out(edit, {name: version for name, version in there.items() if name not in wanted})
    return Delta(group, changes=out + _placed(edit, ids[same:], there, _next_place(edit, group)))


def rewriting(edit: Edit, kind: str, ids: Sequence[str], new: str | None, seen: Mapping[str, str | None]) -> Delta:
    """Notes or verdicts of images; those that already are as wished stay.

    Raises:
        Conflict: one of them is neither as wished nor as it was seen.
    """
    cells = texts(edit, kind)
    rows = cells.find(edit, ids)
    changes = []
    for each in ids:
        before = cells.version(rows.get(each))
        if before.value == new:
            continue
        if before.value != (seen.get(each) or None):
            raise changed_value(kind, each, rows.get(each), seen.get(each))
        changes.append(Change(each, before, Version(new, edit.revision)))
    return Delta(kind=kind, changes=tuple(changes))


def set_named(edit: Edit, name: str) -> int:
    """The number of a set.

    Raises:
        UnknownName: there is none of that name; the message tells who deleted it, if somebody did.
    """
    found = group_named(edit, SET, name)
    if found is None:
        query = select(groups).where(groups.c.collection_id == edit.collection_id, groups.c.kind == SET)
        raise unknown_set(edit.connection.execute(query.order_by(groups.c.id)).all(), name)
    return int(found.id)


def unknown_set(rows: Iterable[Row[*tuple[Any, ...]]], name: str) -> SampleInfoError:
    """The error about a name that no set has; ``rows`` are all sets, the deleted ones too."""
    sets = list(rows)
    gone = [row for row in sets if row.name == name and not row.alive]
    more = f"{gone[-1].author} deleted a set of this name, {when(gone[-1].changed)}." if gone else ""
    return UnknownName(SET, name, [row.name for row in sets if row.alive] or ["none yet"], more)


def new_group(edit: Edit, kind: str, name: str, alive: bool) -> int:
    """A new row for a set or a tag; its number."""
    row = {"collection_id": edit.collection_id, "kind": kind, "name": name, "alive": alive, "next_place": 0}
    row |= {"created": edit.at, "changed": edit.at, "author": edit.author}
    return int(edit.connection.execute(insert(groups).values(row).returning(groups.c.id)).scalar_one())


def _refuse_taken(edit: Edit, name: str) -> None:
    other = group_named(edit, SET, name)
    if other is not None:
        raise InvalidSetting(
            f"there is a set called {name!r} already ({other.author}, {when(other.changed)}); choose another name."
        )


def _next_place(edit: Edit, group: int) -> int:
    return int(edit.connection.execute(select(groups.c.next_place).where(groups.c.id == group)).scalar_one())


def _placed(edit: Edit, ids: Sequence[str], there: Mapping[str, Version], first: int) -> tuple[Change, ...]:
    """Images get places one after the other."""
    return tuple(
        Change(each, there.get(each, NOTHING), Version(place, edit.revision)) for place, each in enumerate(ids, first)
    )


def _taken_out(edit: Edit, there: Mapping[str, Version]) -> tuple[Change, ...]:
    """Images lose their places, where they have one."""
    nowhere = Version(None, edit.revision)
    return tuple(Change(name, before, nowhere) for name, before in there.items() if before.value is not None)
