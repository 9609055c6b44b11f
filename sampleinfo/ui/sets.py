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

from sampleinfo.decisions import Action, Book, collection_of, default_author, open_decisions
from sampleinfo.errors import SampleInfoError
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, IntArray
from sampleinfo.ui.gallery import Picks, picks
from sampleinfo.ui.words import count, plain

#: Keys of the galleries to pick from.
CANDIDATES, ADD_NEXT, DROP_NEXT = PICKERS = ("candidates", "add-next", "drop-next")
#: Columns by which a run knows the images of a set.
KNOWN = ("sample_id", "split")
#: Seconds between two looks for edits of others, and the fragment that is drawn anew where there are any.
EVERY, HAND = 3, "by-hand-tab"
#: Ticks as a click does. (Streamlit's own ``run_every`` left the page running for ever where an undo followed a pick.)
CLOCK = """
export default function ({ data, parentElement, setTriggerValue }) {
  clearInterval(parentElement.clock)
  parentElement.clock = setInterval(() => { if (!document.hidden) setTriggerValue('look', Date.now()) }, data.every)
  return () => clearInterval(parentElement.clock)
}
"""
TROUBLE, SEEN = "set-trouble", "set-seen"
STYLE = "<style>.st-key-last-edit p {overflow: hidden; text-overflow: ellipsis; white-space: nowrap}</style>"
_clock = st.components.v2.component("sampleinfo_clock", js=CLOCK)


@dataclass(frozen=True, eq=False)
class Members:
    """The images of a set as one run has them.

    ``rows``: (s,) its training images, in order; ``missing`` and ``validation`` count the others.
    """

    ids: list[str]
    rows: IntArray
    missing: int
    validation: int


@dataclass(frozen=True)
class WayBack:
    """The last edits of everybody, the newest first; what the author's next undo and redo are about."""

    history: list[Action]
    back: Action | None
    again: Action | None

    @classmethod
    def of(cls, book: Book) -> WayBack:
        """As it is now."""
        return cls(book.history(), book.next_undo(), book.next_redo())


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
        again = f"{key}-done" not in st.session_state
        st.session_state[f"{key}-done"] = found.number
        if not (again and _done_before(run, found)):
            _attempt(run, partial(_carry_out, found))


def _done_before(run: Run, found: Picks) -> bool:
    """Whether this author has picked since: a tab that stayed open tells a server that was started again its last pick.

    It may have been undone meanwhile. The number of a pick is its time in the browser, in milliseconds.
    """
    try:
        last = [each for each in book_of(run).history() if each.author == author() and each.kind in ("add", "remove")]
    except SampleInfoError:  # the edit itself will say so
        return False
    return bool(last) and 1000 * last[0].at.timestamp() > found.number


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


def _take(run: Run, step: Callable[[Book], object]) -> None:
    edit(run, step)


def undo_bar(run: Run, way: WayBack) -> None:
    """Undo and redo, and what they would do."""
    if not way.history:
        return
    for label, icon, about, step, keys in (
        ("Undo", ":material/undo:", way.back, Book.undo, "Ctrl+Z"),
        ("Redo", ":material/redo:", way.again, Book.redo, "Ctrl+Shift+Z"),
    ):
        words = "nothing of yours is left" if about is None else plain(_lower(about.words))
        st.button(
            label, icon=icon, key=label.lower(), disabled=about is None, help=f"{label}: {words}", shortcut=keys,
            on_click=_take, args=(run, step),
        )  # fmt: skip


def last_edit(way: WayBack) -> None:
    """What was done last, in one line however long it is: what follows stays in its place."""
    if not way.history:
        return
    st.html(STYLE)
    last = way.history[0]
    with st.container(key="last-edit"):
        st.caption(f"{plain(last.words)} {plain(last.author)}, {last.at:%H:%M} UTC")


def others(run: Run, history: Sequence[Action], revision: int | None) -> None:
    """Say what other people have edited since this page was drawn last; ``revision``: up to which edit it is drawn."""
    if revision is None:
        return
    key = f"{SEEN}-{collection_of(run)}"
    seen = st.session_state.get(key, revision)
    st.session_state[key] = revision
    news = [each for each in history if seen < each.revision <= revision and each.author != author()]
    if news:
        more = f" And {count(len(news) - 1, 'edit')} before." if len(news) > 1 else ""
        st.toast(f"**{plain(news[0].author)}**, {news[0].at:%H:%M} UTC: {plain(news[0].words)}{more}")


@st.fragment
def watch(run: Run, drawn: int | None, fragment: str = HAND) -> None:
    """Draw the tab anew when anybody has edited, here or elsewhere. It looks every few seconds while this is open.

    ``drawn``: up to which edit the tab is drawn; None where the decisions could not be read. ``fragment``: its key.
    """

    def look() -> None:
        if revision_of(run) != drawn:
            st.rerun(fragment)

    _clock(key="watch", data={"every": 1000 * EVERY}, on_look_change=look, height=1)


def revision_of(run: Run) -> int | None:
    """The number of the last edit of anybody; None where the decisions cannot be read: the page drawn anew says why."""
    try:
        return book_of(run).revision()
    except SampleInfoError:
        return None


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
