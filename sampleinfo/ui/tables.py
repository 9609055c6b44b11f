"""Tables of any length: the browser gets one page of lines, the whole as a file made when it is asked for."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sampleinfo.ui.words import count

#: Lines that the browser gets at once.
LINES = 500


def page_of(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The lines of the page that is looked at; ``pages`` with this key, below, chooses it."""
    page = min(int(st.session_state.get(f"{key}-page") or 1), max(1, -(-len(table) // LINES)))
    return table.iloc[(page - 1) * LINES : page * LINES]


def pages(table: pd.DataFrame, key: str) -> None:
    """Which page of a table with more than ``LINES`` lines, and all of it to take away; nothing for a shorter one."""
    if len(table) <= LINES:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.pagination(-(-len(table) // LINES), key=f"{key}-page")
        st.download_button(
            f"All {count(len(table), 'line')} (CSV)", lambda: table.to_csv(index=False), f"{key}.csv", "text/csv",
            key=f"{key}-csv", on_click="ignore", icon=":material/download:", type="tertiary",
        )  # fmt: skip
