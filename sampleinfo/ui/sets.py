"""Named sets on a page: which one is open, edits of it, and the way back.

Edits are made in callbacks, before the page is drawn anew; what went wrong is kept until the next edit and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.decisions import Action, Book, Conflict, collection_of, default_author, open_decisions
from sampleinfo.errors import SampleInfoError
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, IntArray
from sampleinfo.ui.gallery import Picks, picks
from sampleinfo.ui.words import count, plain

#: Keys of the galleries to pick from.
CANDIDATES, ADD_NEXT, DROP_NEXT = PICKERS = ("candidates", "add-next", "drop-next")
#: Edits of everybody that are looked through for the way back.
REMEMBERED = 300
TROUBLE, PASSED, SEEN = "set-trouble", "set-passed", "set-seen"


@dataclass(frozen=True, eq=False)
class Members:
    """The images of a set as one run has them.

    ``rows``: (s,) its training images, in order; ``missing`` and ``validation`` count the others.
    """

    ids: list[str]
    rows: IntArray
    missing: int
    validation: int


def author() -> str:
    """Under whose name this session edits: as in the address, else who is logged in at the server."""
    named = st.query_params.get("author") or st.session_state.get("author")
    if named:
        st.session_state["author"] = named
    return str(named or default_author())


def book_of(run: Run) -> Book:
    """The decisions about the data set of a run.

    Raises:
        SampleInfoError: they cannot be read, or the author's name cannot be used.
    """
    return open_decisions().book(collection_of(run), author())


def members_of(samples: pd.DataFrame, ids: Sequence[str]) -> Members:
    """The images ``ids`` as far as a run has them."""
    known = pd.Index(samples["sample_id"]).get_indexer(pd.Index(list(ids), dtype=object))
    found = known[known >= 0]
    training = (samples["split"] == TRAIN).to_numpy()[found]
    return Members(list(ids), found[training].astype(np.int64), int((known < 0).sum()), int((~training).sum()))


def edit(run: Run, change: Callable[[Book], object]) -> bool:
    """Make an edit, after what was picked before it; whether it was made. What goes wrong is shown on the page."""
    take_picks(run)
    return _attempt(run, change)


def take_picks(run: Run) -> None:
    """Carry out what was picked in the galleries and has not been carried out yet."""
    for key in PICKERS:
        found = picks(key)
        if found is None or found.number <= acknowledged(key):
            continue
        st.session_state[f"{key}-done"] = found.number
        _attempt(run, partial(_carry_out, found))


def _carry_out(found: Picks, book: Book) -> None:
    if found.add:
        book.add(found.target, found.add)
    if found.remove:
        book.remove(found.target, found.remove)


def acknowledged(key: str) -> int:
    """The number of the last message of a gallery that was carried out."""
    return int(st.session_state.get(f"{key}-done", 0))


def _attempt(run: Run, change: Callable[[Book], object]) -> bool:
    try:
        change(book_of(run))
    except SampleInfoError as error:
        st.session_state[TROUBLE] = str(error)
        return False
    st.session_state.pop(TROUBLE, None)
    return True


def trouble() -> None:
    """What went wrong with the last edit."""
    if TROUBLE in st.session_state:
        st.error(plain(st.session_state[TROUBLE]), icon=":material/error:")


def set_name(names: Sequence[str]) -> str | None:
    """The set named in the address, the first where none is named; None where there is none of that name."""
    wanted = st.query_params.get("set")
    if wanted is None:
        return names[0] if names else None
    return wanted if wanted in names else None


def open_set(name: str | None) -> None:
    """Open a set: its name goes into the address."""
    if name is None:
        st.query_params.pop("set", None)
    else:
        st.query_params["set"] = name


def create(run: Run, name: str, ids: Sequence[str] = ()) -> bool:
    """Make a set and open it; whether that went well."""
    made = edit(run, lambda book: book.create_set(name, ids))
    if made:
        open_set(name)
    return made


def free_name(wanted: str, names: Collection[str]) -> str:
    """The name, with a number where it is taken."""
    number, name = 2, wanted
    while name in names:
        number, name = number + 1, f"{wanted} ({number})"
    return name


def way_back(history: Sequence[Action], name: str, passed: Collection[int] = ()) -> tuple[Action | None, Action | None]:
    """What the author's next undo takes back, and what the next redo does again.

    Args:
        history: the edits of everybody, the newest first.
        name: the author.
        passed: edits that were passed over, because others have changed everything about them.
    """
    done: list[Action] = []
    undone: list[Action] = []
    for each in reversed([action for action in history if action.author == name and action.revision not in passed]):
        if each.kind == "undo":
            undone += [done.pop()] if done else []
        elif each.kind == "redo":
            done += [undone.pop()] if undone else []
        else:
            done.append(each)
            undone.clear()
    return (done[-1] if done else None), (undone[-1] if undone else None)


def step_back(run: Run, way: Callable[[Book], object], about: Action) -> None:
    """Undo or redo; an edit that others have changed since is passed over, and who and when is said."""

    def change(book: Book) -> None:
        try:
            way(book)
        except Conflict:
            st.session_state.setdefault(PASSED, set()).add(about.revision)
            raise

    edit(run, change)


def undo_bar(run: Run, history: Sequence[Action]) -> None:
    """Undo and redo, what they would do, and what was done last."""
    if not history:
        return
    back, again = way_back(history, author(), st.session_state.get(PASSED, ()))
    for label, icon, about, way, keys in (
        ("Undo", ":material/undo:", back, Book.undo, "Ctrl+Z"),
        ("Redo", ":material/redo:", again, Book.redo, "Ctrl+Shift+Z"),
    ):
        words = "nothing of yours is left" if about is None else plain(_lower(about.words))
        st.button(
            label, icon=icon, key=label.lower(), disabled=about is None, help=f"{label}: {words}", shortcut=keys,
            on_click=step_back, args=(run, way, about),
        )  # fmt: skip
    last = history[0]
    st.caption(f"{plain(last.words)} {plain(last.author)}, {last.at:%H:%M} UTC", width="content")


def others(history: Sequence[Action], revision: int) -> None:
    """Say what other people have edited since this page was drawn last."""
    seen = st.session_state.get(SEEN)
    st.session_state[SEEN] = revision
    news = [each for each in history if seen is not None and each.revision > seen and each.author != author()]
    if news:
        more = f" And {count(len(news) - 1, 'edit')} before." if len(news) > 1 else ""
        st.toast(f"**{plain(news[0].author)}**, {news[0].at:%H:%M} UTC: {plain(news[0].words)}{more}")


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
