"""Building a set by hand: which set, the map, the candidates, and the panel that answers every click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from sampleinfo.decisions import NamedSet
from sampleinfo.errors import SampleInfoError
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.ui import sets
from sampleinfo.ui.candidates import candidates, choice_control
from sampleinfo.ui.map import View, clear_selection, colour_titles, is_signed, map_panel, selected
from sampleinfo.ui.panel import set_panel
from sampleinfo.ui.rings import rings
from sampleinfo.ui.sets import Members, WayBack
from sampleinfo.ui.takeaway import take_away
from sampleinfo.ui.words import count, plain

MAP, HEIGHT, MADE = "hand-map", 340, "sets-made-by-hand"


@st.fragment(key=sets.HAND)
def by_hand(run: Run) -> None:
    """The whole of it; a click draws only this part of the page anew, and so does an edit of somebody else."""
    sets.watch(run, _drawn(run))


def _drawn(run: Run) -> int | None:
    """Draw it; up to which edit of anybody, or None where the decisions cannot be read."""
    revision = sets.revision_of(run)  # before all else: what is edited meanwhile is drawn the next time
    try:
        book = sets.book_of(run)
        found, way, tags = book.sets(), WayBack.of(book), book.tags()
        name = sets.set_name([each.name for each in found])
        members = None if name is None else sets.members_of(run.table(sets.KNOWN), book.members(name))
    except SampleInfoError as error:
        sets.trouble()
        st.error(plain(error), icon=":material/error:")
        return revision
    sets.others(run, way.history, revision)
    _bar(run, found, name, members, way)
    sets.trouble()
    if name is None or members is None:
        _first(run, found)
    else:
        _desk(run, name, members, tags)
    return revision


def _desk(run: Run, name: str, members: Members, tags: dict[str, list[str]]) -> None:
    """The set that is open, and what it is picked from."""
    with st.container(key="halves"):
        left, right = st.columns([7, 5], gap="medium")
        with right, st.container(key="set-panel"):
            set_panel(run, name, members)
        with left:
            controls = st.container(horizontal=True, vertical_alignment="bottom", key="controls")
            place = st.container()
            with controls:
                view = _view(run, tags)
            chosen = selected(run)
            with place:
                chosen = map_panel(run, view, key=MAP, height=HEIGHT, open_single=False)
                rings(run, members.rows.tolist(), view.layout, MAP)
                _selection_bar(run, view, chosen, name, members)
            candidates(run, view, chosen, name, members)


def _bar(
    run: Run, found: Sequence[NamedSet], name: str | None, members: Members | None, way: WayBack
) -> None:  # fmt: skip
    """Which set is open, and what can be done with a whole one."""
    wanted = st.query_params.get("set")
    if wanted is not None and name is None:
        st.error(
            f"There is no set called {plain(repr(wanted))} of this data set."
            + (" Choose another, or make a new one." if found else "")
        )
    names = [each.name for each in found]  # shown as they are: a text that changes would be taken for another choice
    with st.container(horizontal=True, vertical_alignment="bottom", key="set-bar"):
        if found:
            st.session_state["set-choice"] = name
            st.selectbox(
                "Set", names, index=0 if name else None, key="set-choice", width=320, placeholder="Choose a set",
                on_change=lambda: _switch(run), help="Sets belong to the data set: every run on it has the same ones.",
            )  # fmt: skip
            _new(run, names)
        if name is not None and members is not None:
            _more(run, name)
            take_away(run, members.rows, name)
        sets.undo_bar(run, way)
    sets.last_edit(way)


def _switch(run: Run) -> None:
    sets.take_picks(run)
    sets.open_set(st.session_state["set-choice"])


def _new(run: Run, names: Sequence[str]) -> None:
    with st.popover("New set", icon=":material/add:", key="new"):
        _new_form(run, names)


def _new_form(run: Run, names: Sequence[str]) -> None:
    made = st.session_state.get(MADE, 0)  # a new form after each, but not when somebody else makes a set
    key = f"new-name-{made}"
    with st.form(f"new-form-{made}", border=False):
        st.text_input("Name", sets.free_name(f"Set {len(names) + 1}", names), key=key, max_chars=80)
        with st.container(horizontal=True):
            st.form_submit_button("Create", type="primary", on_click=_create, args=(run, key, []))
            rows = selected(run)
            if rows:
                ids = run.column("sample_id").to_numpy()[_training(run, rows)].tolist()
                st.form_submit_button(
                    f"Create with the {count(len(ids), 'selected image')}",
                    on_click=_create,
                    args=(run, key, ids),
                )


def _create(run: Run, key: str, ids: Sequence[str]) -> None:
    if sets.create(run, str(st.session_state[key]).strip(), ids):
        st.session_state[MADE] = st.session_state.get(MADE, 0) + 1


def _more(run: Run, name: str) -> None:
    """Rename, delete, and under whose name one edits."""
    with st.popover("Rename, delete …", key="set-more", type="tertiary"):
        with st.form(f"rename-{name}", border=False):
            st.text_input("New name", name, key="rename-to", max_chars=80)
            st.form_submit_button("Rename", on_click=lambda: _rename(run, name))
        st.button(
            "Delete this set", icon=":material/delete:", key="delete-set", on_click=lambda: _delete(run, name),
            help="Undo brings it back with all its images.",
        )  # fmt: skip
        with st.form("author-form", border=False):
            st.text_input(
                "You edit as", sets.author(), key="author-name", max_chars=80,
                help="Undo takes back your own edits only. Give a name of your own where several people share this "
                "server; it is kept in the address.",
            )  # fmt: skip
            st.form_submit_button("Use this name", on_click=_author)


def _rename(run: Run, name: str) -> None:
    new = st.session_state["rename-to"].strip()
    if sets.edit(run, lambda book: book.rename_set(name, new)):
        sets.open_set(new)


def _delete(run: Run, name: str) -> None:
    if sets.edit(run, lambda book: book.delete_set(name)):
        sets.open_set(None)


def _author() -> None:
    name = st.session_state["author-name"].strip()
    if name:
        st.query_params["author"] = st.session_state["author"] = name


def _first(run: Run, found: Sequence[NamedSet]) -> None:
    """What to do where no set is open."""
    if found:
        st.info("Choose a set above, or make a new one.")
        return
    st.info(
        "**No sets yet.** A set is a list of images under a name. Make one here and fill it by clicking images, or let "
        "a strategy choose the first ones on the tab *Strategies*. Every edit is kept at once."
    )
    with st.container(width=420):
        _new_form(run, ())


def _view(run: Run, tags: dict[str, list[str]]) -> View:
    """What the map shows, and which images stay bright on it."""
    titles, numbers = colour_titles(run)
    if st.session_state.get("colour") not in (None, *titles):
        del st.session_state["colour"]
    colour = st.selectbox(
        "Colour", list(titles), format_func=titles.__getitem__, key="colour", bind="query-params", width=230,
        help="What the colours of the map mean. Rings mark the images of the set.",
    )  # fmt: skip
    score = str(colour) if colour in run.scores else next(iter(run.scores))
    filter_ = choice_control(run, score, tags)
    scale = "log" if colour in numbers and not is_signed(colour) else "linear"
    return View(str(colour), "umap", scale, (TRAIN,), filter_, score)


def _training(run: Run, rows: Sequence[int]) -> np.ndarray:
    """Those of the rows that are training images."""
    found = np.asarray(rows, dtype=int)
    return np.asarray(found[run.training[found]])


def _selection_bar(run: Run, view: View, chosen: Sequence[int], name: str, members: Members) -> None:
    """What can be done with the images selected on the map."""
    rows = _training(run, chosen)
    rows = rows[view.filter.passing(run)[rows]]
    inside = np.isin(rows, members.rows)
    ids = run.column("sample_id").to_numpy()
    new, old = ids[rows[~inside]].tolist(), ids[rows[inside]].tolist()
    with st.container(horizontal=True, vertical_alignment="center", key="selection-bar"):
        st.button(
            f"Add selection ({len(new)})", key="add-selection", icon=":material/add:", disabled=not new,
            on_click=_add, args=(run, name, new), help="Images selected on the map that are not in the set.",
        )  # fmt: skip
        st.button(
            f"Remove selection ({len(old)})", key="remove-selection", icon=":material/remove:", disabled=not old,
            on_click=_remove, args=(run, name, old), help="Images selected on the map that are in the set.",
        )  # fmt: skip
        st.button(
            "Clear selection", key="clear", type="tertiary", disabled=not chosen, on_click=clear_selection,
            args=(run, MAP),
        )  # fmt: skip
        ring = f':small[:color[◯]{{foreground="{"#d6248f"}"}} in the set. Draw a lasso to select.]'
        st.markdown(ring, width="content")


def _add(run: Run, name: str, ids: Sequence[str]) -> None:
    sets.edit(run, lambda book: book.add(name, ids))


def _remove(run: Run, name: str, ids: Sequence[str]) -> None:
    sets.edit(run, lambda book: book.remove(name, ids))
