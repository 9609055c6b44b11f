"""Taking a set away: the formats of other tools."""

from __future__ import annotations

import re

import streamlit as st

from sampleinfo.store import Run
from sampleinfo.types import IntArray
from sampleinfo.ui.words import count, plain

#: Columns that mean nothing outside of the map.
PLACES = ["umap_x", "umap_y", "pca_x", "pca_y"]


def take_away(run: Run, rows: IntArray, name: str) -> None:
    """Downloads of a set of images: ``rows`` of the run's table, in order."""
    with st.popover("Take away", icon=":material/download:", key="take-away", disabled=not len(rows)):
        st.markdown(f"**{plain(name)}**, {count(len(rows), 'image')} of this run")

        def csv() -> str:
            return run.samples.iloc[rows].drop(columns=PLACES).to_csv(index=False)

        st.download_button(
            "Ids and scores, CSV", csv, f"{file_name(name)}.csv", "text/csv", key="csv", on_click="ignore",
            icon=":material/table:", help="One row per image: id, label, class, source, prediction and every score.",
        )  # fmt: skip


def file_name(name: str) -> str:
    """A name of a set as the name of a file."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "set"
