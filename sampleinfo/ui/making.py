"""A named set out of what a strategy keeps."""

from __future__ import annotations

import streamlit as st

from sampleinfo.errors import SampleInfoError
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.store import Run
from sampleinfo.ui import desks, sets
from sampleinfo.ui.budget import Budget
from sampleinfo.ui.words import count, plain

#: The tabs of the page, whose names are in the address, and the key of the open one.
STRATEGY_TAB, HAND_TAB, COMPARE_TAB = TABS = ("Strategies", "By hand", "Compare")
TAB, MADE = "tab", "set-made"


def make_set(run: Run, budget: Budget, advised: str) -> None:
    """Strategy, name, and the button."""
    try:
        names = [each.name for each in sets.book_of(run).sets()]
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="make"):
        strategy = st.selectbox(
            "Strategy", list(STRATEGIES), list(STRATEGIES).index(advised), key=f"make-{advised}-{budget.size}",
            format_func=lambda name: f"{STRATEGIES[name].title}{' (advised)' if name == advised else ''}",
            help=" ".join(STRATEGIES[advised].sentence.split()), width=350,
        )  # fmt: skip
        proposed = sets.free_name(f"{strategy} {budget.size}", names)
        name = st.text_input("Name of the set", proposed, key=f"make-name-{proposed}", max_chars=80, width=220)
        pressed = st.button("Make a set of it", type="primary", icon=":material/bookmark_add:", key="make-set")
    sets.trouble()
    if pressed:
        _make(run, str(strategy), budget, name.strip())
    made = st.session_state.get(MADE)
    if made and made[0] == run.id and made[1] in [*names, name.strip()]:
        with st.container(horizontal=True, vertical_alignment="center", key="made"):
            st.markdown(f":green[:material/check_circle:] **{plain(made[1])}** holds {count(made[2], 'image')}.")
            st.button("Look at it by hand", key="look", on_click=_look, args=(made[1],), type="tertiary")


def _make(run: Run, strategy: str, budget: Budget, name: str) -> None:
    try:
        rows = desks.summary(run, strategy, budget.size, budget.quotas)
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return
    ids = run.column("sample_id").to_numpy()[rows].tolist()
    if sets.create(run, name, ids):
        st.session_state[MADE] = (run.id, name, len(ids))
    st.rerun()


def _look(name: str) -> None:
    sets.open_set(name)
    st.session_state[TAB] = HAND_TAB
