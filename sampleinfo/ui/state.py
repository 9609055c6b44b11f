"""Which image is open: kept in the address, so that a reload and a link show the same."""

from __future__ import annotations

import numpy as np
import streamlit as st

from sampleinfo.store import Run


def open_sample(run: Run, row: int) -> None:
    """Open the image in ``row``."""
    st.query_params["run"] = run.id
    st.query_params["sample"] = str(run.column("sample_id").iloc[row])


def opened_row(run: Run) -> int | None:
    """The row of the image named in the address; the most informative one when none is named; None if unknown."""
    wanted = st.query_params.get("sample")
    if wanted is None:
        return int(np.nanargmax(run.column(next(iter(run.scores))).to_numpy()))
    found = np.flatnonzero((run.column("sample_id") == wanted).to_numpy())
    return int(found[0]) if found.size else None


def opened_id(run: Run) -> str:
    """Its id, or an empty string."""
    row = opened_row(run)
    return "" if row is None else str(run.column("sample_id").iloc[row])


def open_by_id(run: Run, sample_id: str | None) -> None:
    """Open the image with this id and draw the page anew."""
    if sample_id and sample_id != st.query_params.get("sample"):
        row = int(np.flatnonzero((run.column("sample_id") == sample_id).to_numpy())[0])
        open_sample(run, row)
        st.rerun()
