"""What one person reads of the decisions about one data set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, func, select

from sampleinfo.decisions import changes, log, verdicts
from sampleinfo.decisions.applying import NOTE, SET, TAG, VERDICT
from sampleinfo.decisions.database import Database
from sampleinfo.decisions.log import Action
from sampleinfo.decisions.tables import actions, collections, digest, groups, members, values
from sampleinfo.decisions.verdicts import Verdict


@dataclass(frozen=True)
class NamedSet:
    """A named set of images; ``author`` is who changed it last."""

    name: str
    size: int
    created: datetime
    changed: datetime
    author: str


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads the decisions about one data set; every method raises StorageError when the database cannot be used.

    ``author`` is who reads: the way back is of one's own edits.
    """

    database: Database
    collection: str
    author: str

    def members(self, name: str) -> list[str]:
        """The images of a set in the order in which they were added.

        Raises:
            UnknownName: no such set.
        """
        mine = (groups.c.kind == SET, groups.c.name == name, groups.c.alive)
        query = select(members.c.sample_id, members.c.place).join_from(groups, members, isouter=True)
        with self.database.reading() as connection:
            rows = connection.execute(self._of(query, groups).where(*mine).order_by(members.c.place)).all()
            if not rows:
                every = self._of(select(groups), groups).where(groups.c.kind == SET).order_by(groups.c.id)
                raise changes.unknown_set(connection.execute(every), name)
        return [row.sample_id for row in rows if row.place is not None]

    def sets(self) -> list[NamedSet]:
        """Every set, in the order in which they were created."""
        query = select(groups, func.count(members.c.place).label("size")).join_from(groups, members, isouter=True)
        query = self._of(query, groups).where(groups.c.kind == SET, groups.c.alive)
        with self.database.reading() as connection:
            rows = connection.execute(query.group_by(groups.c.id).order_by(groups.c.id)).all()
        time = datetime.fromisoformat
        return [NamedSet(row.name, row.size, time(row.created), time(row.changed), row.author) for row in rows]

    def tags(self) -> dict[str, list[str]]:
        """Of every tag that is in use its images, in the order in which they got it."""
        query = select(groups.c.name, members.c.sample_id).join_from(groups, members)
        query = self._of(query, groups).where(groups.c.kind == TAG, members.c.place.is_not(None))
        query = query.order_by(groups.c.id, members.c.place)
        found: dict[str, list[str]] = {}
        with self.database.reading() as connection:
            for name, sample_id in connection.execute(query):
                found.setdefault(name, []).append(sample_id)
        return found

    def notes(self) -> dict[str, str]:
        """The note of every image that has one."""
        return self._values(NOTE)

    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on every image that has one."""
        return {name: Verdict.from_text(text) for name, text in self._values(VERDICT).items()}

    def labels(self) -> dict[str, str]:
        """The right class of every image that was relabelled."""
        return verdicts.labels_of(self.verdicts())

    def dropped(self) -> list[str]:
        """The images that are to be dropped, sorted."""
        return verdicts.dropped_of(self.verdicts())

    def corrections(self) -> tuple[tuple[str, str | None], ...]:
        """For ``RunConfig.corrections``: images and their right classes, None where one is dropped; sorted."""
        return verdicts.corrections_of(self.verdicts())

    def history(self, limit: int = 50) -> list[Action]:
        """The last edits of everybody, the newest first."""
        return self._logged(log.newest(limit))

    def revision(self) -> int:
        """A number that grows with every edit of anybody; 0 before the first."""
        query = select(collections.c.revision).where(collections.c.digest == digest(self.collection))
        with self.database.reading() as connection:
            return connection.scalar(query) or 0

    def next_undo(self) -> Action | None:
        """The edit that the next ``undo`` is about; None: there is none."""
        return next(iter(self._logged(log.to_undo(self.author))), None)

    def next_redo(self) -> Action | None:
        """The edit that the next ``redo`` is about; None: there is none."""
        return next(iter(self._logged(log.to_redo(self.author))), None)

    def _of(self, query: Select[*tuple[Any, ...]], table: Table) -> Select[*tuple[Any, ...]]:
        """Only this collection's rows."""
        mine = select(collections.c.id).where(collections.c.digest == digest(self.collection)).scalar_subquery()
        return query.where(table.c.collection_id == mine)

    def _values(self, kind: str) -> dict[str, str]:
        query = select(values.c.sample_id, values.c.text).where(values.c.kind == kind, values.c.text.is_not(None))
        with self.database.reading() as connection:
            return {row.sample_id: row.text for row in connection.execute(self._of(query, values))}

    def _logged(self, query: Select[*tuple[Any, ...]]) -> list[Action]:
        with self.database.reading() as connection:
            return log.actions_found(connection, self._of(query, actions))
