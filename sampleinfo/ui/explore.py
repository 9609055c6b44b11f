"""The parts of the Explore page around the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.scores import SCORES
from sampleinfo.store import PROBLEMS, Run, kernel_words, training_words
from sampleinfo.ui.data_form import findings_table
from sampleinfo.ui.fidelity import fidelity
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.map import View, clear_selection
from sampleinfo.ui.state import open_by_id, opened_id
from sampleinfo.ui.words import count, plain

PAGE, EXTREMES, SMALL_TILE = 200, 10, 52
ORDERS = {
    "high": "Score, highest first", "low": "Score, lowest first", "error": "Prediction error", "class": "Class",
    "id": "Sample id",
}  # fmt: skip


def run_facts(run: Run, view: View) -> None:
    """What the scores rest on, in one line, and how true the one that is shown is."""
    meta = run.meta
    sizes, accuracy = meta["sizes"], meta["accuracy"]
    st.caption(
        f"{plain(meta['dataset']['title'])} · {plain(meta['model']['title'])} · {sizes['train']} training and "
        f"{sizes['validation']} validation images · kernel: {kernel_words(run)} · trained {training_words(run)} · "
        f"predicted accuracy {accuracy['validation']:.1%} on validation, {accuracy['leave_one_out']:.1%} leave-one-out"
        + (f" · really trained {run.meta['along']['accuracy']:.1%}" if run.meta.get("along") else "")
    )
    fidelity(run, view.score)
    found = run.problems
    if not found.empty:
        words = ", ".join(f"{number} {kind}" for kind, number in found["kind"].value_counts().items())
        with st.popover(f"Data: {words}", icon=":material/warning:", key="problems"):
            findings_table(found, "nothing is wrong", "problems")
            st.caption(f"The same list is in {plain(run.path / PROBLEMS)}.")


def score_histogram(run: Run, view: View, selection: Sequence[int]) -> None:
    """Distribution of the score over the training images, the selection marked."""
    values = run.column(view.score).to_numpy(dtype=np.float64)
    score = SCORES[view.score]
    chosen = values[_chosen(run, view, selection)] if selection or view.filter else np.array([])
    figure = figures.histogram(
        values[np.isfinite(values)], chosen[np.isfinite(chosen)], f"{score.title}, {score.unit}", view.scale
    )
    st.plotly_chart(figure, key="histogram", config={"displayModeBar": False}, alt=f"Histogram of {score.title}")


def selection_gallery(run: Run, view: View, selection: Sequence[int]) -> None:
    """The selected images, or all training images where nothing is selected."""
    rows = _chosen(run, view, selection)
    if not len(rows):
        st.info("No image passes the filter" + (" and the selection." if selection else "."))
    drawn = count(int(run.column("split").isin(view.splits).sum()), "image")
    with st.container(horizontal=True, vertical_alignment="center", key="gallery-head"):
        st.markdown(
            f"**{len(rows)} selected** of {drawn}"
            if selection
            else f"**{len(rows)} training images** pass the filter"
            if view.filter
            else f"**All {len(rows)} training images**",
            width="content",
        )
        order = st.selectbox(
            "Sort", list(ORDERS), format_func=ORDERS.__getitem__, key="order", label_visibility="collapsed", width=180
        )
        if selection:
            st.button("Clear selection", key="clear", on_click=clear_selection, args=(run,), type="tertiary")
        else:
            st.caption("Lasso on the map to choose.", width="content")
    ordered = in_order(run, rows, view.score, order)
    pages = -(-len(ordered) // PAGE)
    key = f"page-{run.id}-{len(ordered)}"
    page = min(int(st.session_state.get(key) or 1), pages)
    shown = ordered[(page - 1) * PAGE : page * PAGE]
    opened = gallery(
        run, shown.tolist(), _notes(run, shown, view.score), key="gallery", label="Images", height=300,
        opened=opened_id(run),
    )  # fmt: skip
    if pages > 1:
        st.pagination(pages, key=key)
    open_by_id(run, opened)


def extremes(run: Run, view: View) -> None:
    """The ten images with the largest and the ten with the smallest score."""
    ranked = in_order(run, _chosen(run, view, ()), view.score, "high")
    score = SCORES[view.score]
    high, low = ("most informative", "least informative") if score.unit == "nats" else ("highest", "lowest")
    for words, rows in ((high, ranked[:EXTREMES]), (low, ranked[::-1][:EXTREMES])):
        title = f"{len(rows)} {words}"
        st.markdown(f"**{title}** · {score.title}", help=f"{score.sentence} {score.assumes}")
        opened = gallery(
            run, rows.tolist(), _notes(run, rows, view.score), key=f"extreme-{words}", label=title,
            opened=opened_id(run), tile=SMALL_TILE,
        )  # fmt: skip
        open_by_id(run, opened)


def _chosen(run: Run, view: View, selection: Sequence[int]) -> np.ndarray:
    """The selected rows, or those of all training images where nothing is selected, as far as they pass the filter."""
    passing = view.filter.passing(run)
    if selection:
        rows = np.asarray(selection, dtype=int)
        return np.asarray(rows[passing[rows]])
    return np.flatnonzero(run.training & passing)


def in_order(run: Run, rows: np.ndarray, score: str, order: str) -> np.ndarray:
    """The rows in one of the orders of ``ORDERS``."""
    column, ascending = {
        "high": (score, False), "low": (score, True), "error": ("prediction_error", False),
        "class": ("class_name", True), "id": ("sample_id", True),
    }[order]  # fmt: skip
    values = run.column(column).iloc[rows]
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype=np.float64)
        return np.asarray(rows[np.argsort(numbers if ascending else -numbers, kind="stable")])
    places = values.reset_index(drop=True).sort_values(ascending=ascending, kind="stable").index
    return np.asarray(rows[places.to_numpy()])


def _notes(run: Run, rows: np.ndarray, score: str) -> list[str]:
    values = run.column(score).to_numpy(dtype=np.float64)[rows]
    return [figures.short(v) if np.isfinite(v) else "validation" for v in values]
