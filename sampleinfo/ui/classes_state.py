"""Which class and which group are looked at: kept in the address, so that a reload and a link show the same."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sampleinfo.ui.words import plain

CLASS, GROUP = "class", "group"


def chosen_class(table: pd.DataFrame) -> pd.Series:
    """The row of the class named in the address; the one that needs images most where none is named, or an unknown."""
    wanted = st.query_params.get(CLASS)
    found = table[table["class_name"] == wanted]
    if wanted is not None and found.empty:
        st.warning(f"There is no class called {plain(repr(wanted))} in this run.", icon=":material/warning:")
    return table.iloc[0] if found.empty else found.iloc[0]


def chosen_group(table: pd.DataFrame) -> int | None:
    """The group named in the address; None where none is named, or an unknown one."""
    wanted = st.query_params.get(GROUP)
    known = {str(each): int(each) for each in table["group"]}
    if wanted is not None and wanted not in known:
        st.warning(f"There is no group {plain(repr(wanted))} in this class.", icon=":material/warning:")
    return known.get(wanted or "")


def choose_class(name: str) -> None:
    """Look at this class, and at no group."""
    if name != st.query_params.get(CLASS):
        st.query_params[CLASS] = name
        st.query_params.pop(GROUP, None)


def choose_group(group: int | None) -> None:
    """Look at this group, or at the whole class."""
    if group is None:
        st.query_params.pop(GROUP, None)
    else:
        st.query_params[GROUP] = str(group)


def clicked(event: object, key: str) -> int | None:
    """The number of the bar or point that was just clicked in a chart; None where that is no news.

    A change of the figure clears the browser's selection silently: an empty selection is no news.
    """
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    value = points[0]["customdata"] if points else None
    found = None if value is None else int(value[0] if isinstance(value, list) else value)
    before = st.session_state.get(f"{key}-clicked")
    st.session_state[f"{key}-clicked"] = found
    return found if found != before else None
