"""The gallery of images that a set is built from, and the filters over it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.scores import SCORES
from sampleinfo.store import Run
from sampleinfo.types import IntArray
from sampleinfo.ui.explore import ORDERS, in_order
from sampleinfo.ui.filters import Filter, filter_control
from sampleinfo.ui.gallery import picker
from sampleinfo.ui.map import View
from sampleinfo.ui.sets import CANDIDATES, Members, acknowledged, take_picks
from sampleinfo.ui.words import count, plain

PAGE = 120
EVERY, OUTSIDE, INSIDE = "All", "Not in the set", "In the set"
#: A new list is made when the choice changes, and not when an image joins or leaves: what is clicked stays in place.
LIST = "candidates-list"


@dataclass(frozen=True)
class Choice(Filter):
    """A filter that may also name the rows that pass."""

    only: tuple[int, ...] | None = None

    def __bool__(self) -> bool:
        return super().__bool__() or self.only is not None

    def rows(self, samples: pd.DataFrame) -> np.ndarray:
        """(N,) mask of the images that meet every condition."""
        mask = super().rows(samples)
        if self.only is not None:
            mask &= np.isin(np.arange(len(samples)), self.only)
        return mask


def choice_control(run: Run, score: str, tags: Mapping[str, Sequence[str]]) -> Choice:
    """Filters by class, source, the data set's own columns, score, disagreement and tag."""
    chosen = filter_control(run)
    keys = {name: f"choice-{run.id}-{name}" for name in ("ranks", "wrong", "tags")}
    low, high = st.session_state.get(keys["ranks"], (0, 100))
    wrong, named = (st.session_state.get(keys[name]) for name in ("wrong", "tags"))
    active = (low > 0 or high < 100) + bool(wrong) + bool(named)
    title = SCORES[score].title
    with st.popover(f"Score and tags ({active})" if active else "Score and tags", icon=":material/tune:", key="more"):
        low, high = st.slider(
            f"{title}: rank among the training images, %", 0, 100, (0, 100), key=keys["ranks"],
            help="0 % is the least informative image, 100 % the most informative one.",
        )  # fmt: skip
        wrong = st.toggle(
            "Only where the prediction disagrees with the label", key=keys["wrong"],
            help="Predicted when the image itself is left out of training.",
        )  # fmt: skip
        named = st.multiselect(
            "Tags", list(tags), key=keys["tags"], format_func=plain, disabled=not tags,
            placeholder="any" if tags else "no image has a tag",
        )  # fmt: skip
    mask = None
    if active:
        mask = _passing(
            run, score, (low, high), bool(wrong), {each for name in named for each in tags.get(name, ())}, named
        )
    return Choice(chosen.values, chosen.ranges, None if mask is None else tuple(np.flatnonzero(mask).tolist()))


def _passing(
    run: Run, score: str, ends: tuple[int, int], wrong: bool, tagged: Collection[str], named: Sequence[str]
) -> np.ndarray:
    mask = run.training.copy()
    if ends != (0, 100):
        ranks = run.column(score).where(mask).rank(pct=True) * 100
        mask &= ranks.between(*ends).to_numpy()
    if wrong:
        mask &= (run.column("predicted") != run.column("class_name")).to_numpy()
    if named:
        mask &= run.column("sample_id").isin(list(tagged)).to_numpy()
    return mask


def candidates(run: Run, view: View, selection: Sequence[int], name: str, members: Members) -> None:
    """The images to pick from: what is selected on the map, or all, as far as they pass the filters."""
    with st.container(horizontal=True, vertical_alignment="center", key="candidates-head"):
        show = st.segmented_control(
            "Show", (EVERY, OUTSIDE, INSIDE), default=EVERY, key="show", required=True, label_visibility="collapsed"
        )
        order = st.selectbox(
            "Sort", list(ORDERS), format_func=ORDERS.__getitem__, key="order", label_visibility="collapsed", width=180
        )
        facts = st.container(width="content")
    rows = _listed(run, view, selection, members, name, str(show), order)
    words = count(len(rows), "image")
    with facts:
        st.caption(f"{words} selected on the map" if selection else words)
    if not len(rows):
        st.info(
            {INSIDE: "No image of the set passes the filters.", OUTSIDE: "Every image that passes is in the set."}.get(
                str(show), "No image passes the filters."
            )
            if not selection
            else "None of the images selected on the map passes the filters."
        )
        return
    pages, key = -(-len(rows) // PAGE), f"candidates-page-{run.id}-{len(rows)}"
    page = min(int(st.session_state.get(key) or 1), pages)
    shown = rows[(page - 1) * PAGE : page * PAGE]
    ids, inside = run.column("sample_id").to_numpy()[shown], set(members.ids)
    values = run.column(view.score).to_numpy(dtype=np.float64)[shown]
    picker(
        run, shown.tolist(), [figures.short(value) for value in values], [each for each in ids if each in inside],
        key=CANDIDATES, label="Candidates", target=name, acknowledged=acknowledged(CANDIDATES),
        on_pick=lambda: take_picks(run), height=320,
    )  # fmt: skip
    if pages > 1:
        st.pagination(pages, key=key)
    st.caption(
        f"Below each image: label, {SCORES[view.score].title} in {SCORES[view.score].unit}. A tick: in the set. "
        "Click or Space picks, Shift a range, arrows move."
    )


def _listed(
    run: Run, view: View, selection: Sequence[int], members: Members, name: str, show: str, order: str
) -> IntArray:
    """The rows to list; the same as before until the choice changes."""
    signature = (run.id, name, view.filter, view.score, tuple(selection), show, order)
    before = st.session_state.get(LIST)
    if before is not None and before[0] == signature:
        return np.asarray(before[1])
    mask = view.filter.passing(run) & run.training
    if selection:
        mask &= np.isin(np.arange(len(mask)), selection)
    if show != EVERY:
        mask &= np.isin(np.arange(len(mask)), members.rows) == (show == INSIDE)
    rows = in_order(run, np.flatnonzero(mask), view.score, order)
    st.session_state[LIST] = (signature, rows)
    return rows
