"""What people decide about images, kept for good: named sets, tags, notes, verdicts, and the log of every edit.

    decisions = open_decisions()
    book = decisions.book(collection_of(run), default_author())
    book.create_set("Blurry", ["img-7", "img-9"])
    book.judge(["img-8"], Verdict(RELABEL, "seven"), expected=book.verdicts())
    book.undo()

Decisions belong to a *collection* (a data set, not a run) and name images by ``sample_id`` alone, so runs may be
computed again or removed. They lie in one SQLite file, or in a PostgreSQL database that several people share. Every
edit is one transaction: it is either there, in the log and on disk, or not at all.
"""

from sampleinfo.decisions.applying import Conflict
from sampleinfo.decisions.book import Book
from sampleinfo.decisions.identity import collection_of, default_author
from sampleinfo.decisions.log import Action
from sampleinfo.decisions.opening import Decisions, open_decisions
from sampleinfo.decisions.reading import NamedSet
from sampleinfo.decisions.verdicts import DROP, KEEP, RELABEL, UNSURE, Verdict

__all__ = [
    "DROP", "KEEP", "RELABEL", "UNSURE", "Action", "Book", "Conflict", "Decisions", "NamedSet", "Verdict",
    "collection_of", "default_author", "open_decisions",
]  # fmt: skip
