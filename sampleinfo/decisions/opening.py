"""Where everything begins: the decisions at an address."""

from __future__ import annotations

from dataclasses import dataclass

from sampleinfo.decisions import checks
from sampleinfo.decisions.book import Book
from sampleinfo.decisions.database import Database, close, open_database
from sampleinfo.decisions.identity import default_author
from sampleinfo.errors import InvalidSetting


@dataclass(frozen=True, eq=False)
class Decisions:
    """An open database of decisions."""

    database: Database

    @property
    def where(self) -> str:
        """The file or server, for people; without a password."""
        return self.database.where

    def book(self, collection: str, author: str | None = None) -> Book:
        """The decisions about one data set, written under one name (None: who is logged in).

        Raises:
            InvalidSetting: the collection is empty, or the name cannot be used.
        """
        if not collection:
            raise InvalidSetting("the collection must be named; it is empty.")
        return Book(self.database, collection, checks.name("author", default_author() if author is None else author))

    def close(self) -> None:
        """Close every connection; ``open_decisions`` opens it again."""
        close(self.database)


def open_decisions(address: str | None = None) -> Decisions:
    """The decisions at an address; None is that of ``SAMPLEINFO_DATABASE``, or a file in the folder of runs.

    Raises:
        StorageError: the address is not understood, the database cannot be used, or was written by a newer version.
    """
    return Decisions(open_database(address))
