"""What one person reads and writes of the decisions about one data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from sampleinfo.decisions import changes, checks, log, verdicts
from sampleinfo.decisions.applying import NOTE, SET, TAG, VERDICT, Conflict, Edit, apply, group_named
from sampleinfo.decisions.deltas import Delta
from sampleinfo.decisions.log import Action
from sampleinfo.decisions.reading import Reader
from sampleinfo.decisions.tables import collections, digest
from sampleinfo.decisions.verdicts import Verdict


@dataclass(frozen=True, eq=False)
class Book(Reader):
    """Reads and edits; every edit is one transaction. What edits nothing returns None and leaves no trace.

    Every method raises StorageError when the database cannot be used. Ids that are already in a set, or not in it,
    are passed over: so two people who edit one set both keep their edits.
    """

    def create_set(self, name: str, sample_ids: Iterable[str] = ()) -> Action | None:
        """A new set.

        Raises:
            InvalidSetting: the name is taken or cannot be used.
        """
        checks.name(SET, name)
        ids = checks.ids(sample_ids)
        return self._edit(
            "create_set",
            lambda edit: changes.creation(edit, name, ids),
            f"Created the set {name!r} with {checks.images(ids)}.",
        )

    def rename_set(self, name: str, new: str) -> Action | None:
        """Another name for a set.

        Raises:
            UnknownName: no such set.
            InvalidSetting: the new name is taken or cannot be used.
        """
        checks.name(SET, new)
        return self._edit(
            "rename_set",
            lambda edit: changes.renaming(edit, name, new),
            f"Renamed the set {name!r} to {new!r}.",
        )

    def delete_set(self, name: str) -> Action | None:
        """Remove a set; ``undo`` brings it back with its images in order.

        Raises:
            UnknownName: no such set.
        """
        return self._edit(
            "delete_set",
            lambda edit: Delta(changes.set_named(edit, name), alive=False),
            f"Deleted the set {name!r}.",
        )

    def add(self, name: str, sample_ids: Iterable[str]) -> Action | None:
        """Put images at the end of a set.

        Raises:
            UnknownName: no such set.
        """
        ids = checks.ids(sample_ids)
        return self._edit(
            "add",
            lambda edit: changes.addition(edit, changes.set_named(edit, name), ids),
            lambda delta: f"Added {checks.images(delta.given())} to the set {name!r}.",
        )

    def remove(self, name: str, sample_ids: Iterable[str]) -> Action | None:
        """Take images out of a set.

        Raises:
            UnknownName: no such set.
        """
        ids = checks.ids(sample_ids)
        return self._edit(
            "remove",
            lambda edit: changes.removal(edit, changes.set_named(edit, name), ids),
            lambda delta: f"Removed {checks.images(delta.taken())} from the set {name!r}.",
        )

    def replace(self, name: str, sample_ids: Iterable[str]) -> Action | None:
        """Make a set hold these images, in this order.

        Raises:
            UnknownName: no such set.
        """
        ids = checks.ids(sample_ids)

        def words(delta: Delta) -> str:
            moves = f"{checks.images(delta.given())} in, {checks.images(delta.taken())} out"
            return f"Replaced the set {name!r} by {checks.images(ids)}: {moves}."

        return self._edit("replace", lambda edit: changes.replacement(edit, changes.set_named(edit, name), ids), words)

    def tag(self, sample_ids: Iterable[str], tag: str) -> Action | None:
        """Give images a tag.

        Raises:
            InvalidSetting: the tag cannot be used.
        """
        checks.name(TAG, tag)
        ids = checks.ids(sample_ids)

        def change(edit: Edit) -> Delta:
            if not ids:
                return Delta()
            group = group_named(edit, TAG, tag)
            number = changes.new_group(edit, TAG, tag, alive=True) if group is None else group.id
            return changes.addition(edit, number, ids)

        return self._edit("tag", change, lambda delta: f"Tagged {checks.images(delta.given())} {tag!r}.")

    def untag(self, sample_ids: Iterable[str], tag: str) -> Action | None:
        """Take a tag off images."""
        ids = checks.ids(sample_ids)

        def change(edit: Edit) -> Delta:
            group = group_named(edit, TAG, tag)
            return Delta() if group is None else changes.removal(edit, group.id, ids)

        return self._edit("untag", change, lambda delta: f"Took the tag {tag!r} off {checks.images(delta.taken())}.")

    def note(self, sample_id: str, text: str | None, expected: str | None) -> Action | None:
        """Write the note of an image (None or empty: remove it) where ``expected`` was seen before.

        Raises:
            Conflict: somebody else wrote another one meanwhile.
        """
        new = checks.text(NOTE, text)
        ids = checks.ids([sample_id])
        about = checks.images(ids)
        words = f"Removed the note on {about}." if new is None else f"Noted on {about}: {checks.shortened(new)}."
        return self._edit(NOTE, lambda edit: changes.rewriting(edit, NOTE, ids, new, {sample_id: expected}), words)

    def judge(
        self, sample_ids: Iterable[str], verdict: Verdict | None, expected: Mapping[str, Verdict | None]
    ) -> Action | None:
        """Give a verdict on images (None: take it back), of which ``expected`` tells what was seen before.

        ``expected`` is what ``verdicts`` gave; an image that is not in it had none. Either all are changed or none is.

        Raises:
            Conflict: somebody else gave another verdict on one of them meanwhile.
        """
        new = None if verdict is None else verdict.to_text()
        ids = checks.ids(sample_ids)
        seen = {name: None if each is None else each.to_text() for name, each in expected.items()}
        return self._edit(
            "judge",
            lambda edit: changes.rewriting(edit, VERDICT, ids, new, seen),
            lambda delta: verdicts.words(verdict, checks.images([each.sample_id for each in delta.changes])),
        )

    def undo(self) -> Action | None:
        """Take back this author's last edit, as far as others have not changed it since; None: there is none.

        Raises:
            Conflict: nothing of it is as it was left. It is passed over, so the next ``undo`` is about the one before.
        """
        return self._step(log.undo)

    def redo(self) -> Action | None:
        """Do again what this author undid last; None: there is nothing, or a new edit came after it.

        Raises:
            Conflict: as ``undo``.
        """
        return self._step(log.redo)

    @contextmanager
    def _transaction(self) -> Iterator[Edit]:
        """The next edit; others who edit this collection wait until it ends."""
        key = digest(self.collection)
        query = select(collections.c.id, collections.c.revision).where(collections.c.digest == key).with_for_update()
        with self.database.writing() as connection:
            found = connection.execute(query).first()
            if found is None:
                new = insert(collections).values(digest=key, name=self.collection, revision=0)
                with suppress(IntegrityError), connection.begin_nested():  # somebody else may be first
                    connection.execute(new)
                found = connection.execute(query).one()
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            yield Edit(connection, found.id, found.revision + 1, self.author, at)

    def _edit(self, kind: str, change: Callable[[Edit], Delta], words: str | Callable[[Delta], str]) -> Action | None:
        with self._transaction() as edit:
            wanted = change(edit)
            if not wanted.size():
                return None
            done = apply(edit, wanted, edit.revision)
            return log.write(edit, kind, words if isinstance(words, str) else words(done), done)

    def _step(self, way: Callable[[Edit], Action | Conflict | None]) -> Action | None:
        with self._transaction() as edit:
            result = way(edit)
        if isinstance(result, Conflict):
            raise result
        return result
