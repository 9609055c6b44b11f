"""What an edit changed, in a form that can be turned round: the log keeps it as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple


class Version(NamedTuple):
    """What stands for an image - a place in a set, a note, a verdict, or nothing - and which edit left it so."""

    value: str | int | None
    revision: int


#: Before anything was written.
NOTHING = Version(None, 0)


class Change(NamedTuple):
    """What one image had before, and has after."""

    sample_id: str
    before: Version
    after: Version


@dataclass(frozen=True)
class Delta:
    """The change of one set or tag (``group``), or of notes or verdicts (``kind``).

    ``alive``: it came to be, or was deleted; ``renamed``: from, to.
    """

    group: int | None = None
    alive: bool | None = None
    renamed: tuple[str, str] | None = None
    kind: str = ""
    changes: tuple[Change, ...] = ()

    def inverse(self) -> Delta:
        """What takes it back."""
        return Delta(
            group=self.group,
            alive=None if self.alive is None else not self.alive,
            renamed=None if self.renamed is None else (self.renamed[1], self.renamed[0]),
            kind=self.kind,
            changes=tuple(Change(each.sample_id, each.after, each.before) for each in self.changes),
        )

    def size(self) -> int:
        """How many things it changes."""
        return (self.alive is not None) + (self.renamed is not None) + len(self.changes)

    def given(self) -> list[str]:
        """The images that have something after it which they had not, or had otherwise."""
        return [each.sample_id for each in self.changes if each.after.value is not None]

    def taken(self) -> list[str]:
        """The images that had something before it which they have no longer."""
        return [each.sample_id for each in self.changes if each.after.value is None]

    def to_json(self) -> str:
        """As text, without what is empty."""
        return json.dumps({name: value for name, value in vars(self).items() if value not in (None, "", ())})

    @classmethod
    def from_json(cls, text: str) -> Delta:
        """The inverse of ``to_json``."""
        given = json.loads(text)
        renamed = given.get("renamed")
        return cls(
            group=given.get("group"),
            alive=given.get("alive"),
            renamed=None if renamed is None else (renamed[0], renamed[1]),
            kind=given.get("kind", ""),
            changes=tuple(Change(name, Version(*a), Version(*b)) for name, a, b in given.get("changes", ())),
        )
