"""The map: what it shows, and which images are selected on it.

A change of the figure clears the browser's selection silently, so the page keeps its own copy: an empty selection
that comes right after such a change is no news.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from sampleinfo import figures
from sampleinfo.scores import SCORES
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.ui.filters import Filter, filter_control, is_number
from sampleinfo.ui.state import open_sample

CATEGORIES = {"class_name": "Class", "source": "Source", "outcome": "Right or wrong"}
ERROR = {"prediction_error": "Prediction error"}
#: Stands for "none": a figure without any bright row draws all of them bright.
NO_ROW = -1
LAYOUTS = {"umap": "UMAP", "pca": "PCA"}


@dataclass(frozen=True)
class View:
    """What the map shows: colour column, layout, ``linear`` or ``log`` colours, which splits, and what stays bright.

    ``score`` is what the rest of the page ranks by.
    """

    colour: str
    layout: str
    scale: str
    splits: tuple[str, ...]
    filter: Filter
    score: str


def map_controls(run: Run) -> View:
    """The row of controls above the map."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        titles, numbers = colour_titles(run)
        if st.session_state.get("colour") not in (None, *titles):
            del st.session_state["colour"]
        colour = st.selectbox(
            "Colour", list(titles), format_func=titles.__getitem__, key="colour", bind="query-params", width=260,
            help="Scores exist for training images. Prediction error: distance of the output from the label, for "
            "training images when left out of training.",
        )  # fmt: skip
        layout = st.segmented_control(
            "Layout", list(LAYOUTS), default="umap", format_func=LAYOUTS.__getitem__, key="layout", required=True,
            help="Both show the penultimate features of the network; near means alike to the network.",
        )  # fmt: skip
        scale = st.segmented_control(
            "Colour scale", ["log", "linear"], default="log", key="scale", required=True,
            disabled=colour not in numbers or is_signed(colour),
            help="Information is heavy-tailed: most images give little, a few much. Scores below 0 are always linear.",
        )  # fmt: skip
        both = st.toggle(
            "Show validation images", key="validation",
            help="They have a prediction but no score: on a map of a score they are hollow and grey.",
        )  # fmt: skip
        chosen = filter_control(run)
    splits = (TRAIN, "validation") if both else (TRAIN,)
    score = str(colour) if colour in run.scores else next(iter(run.scores))
    return View(str(colour), layout or "umap", "linear" if is_signed(colour) else scale or "log", splits, chosen, score)


def is_signed(colour: str | None) -> bool:
    """Whether a column is a score whose values may be below 0."""
    return colour in SCORES and SCORES[str(colour)].signed


def colour_titles(run: Run) -> tuple[dict[str, str], dict[str, str]]:
    """Columns that colours can show, and those of them that are numbers; with their titles."""
    numbers = _numbers(run)
    return numbers | CATEGORIES | run.metadata, numbers


def _numbers(run: Run) -> dict[str, str]:
    """Columns that colours can show, and their titles; the truest score first."""
    return {name: score.title for name, score in run.scores.items()} | ERROR


def map_panel(
    run: Run, view: View, *, key: str = "map", height: int | None = None, open_single: bool = True
) -> list[int]:  # fmt: skip
    """Draw the map; the rows selected on it.

    ``open_single``: an image that is selected alone is opened.
    """
    samples = run.samples
    rows = np.flatnonzero(samples["split"].isin(view.splits))
    kept = selected(run)
    signature = (run.id, view)
    changed = st.session_state.get(f"{key}-signature") != signature or key not in st.session_state
    if changed:
        st.session_state[f"{key}-signature"] = signature
        passing = set(np.flatnonzero(view.filter.rows(samples))) if view.filter else None
        bright = kept if passing is None else [row for row in kept or rows if int(row) in passing]
        st.session_state[f"{key}-bright"] = [int(row) for row in bright] or [NO_ROW] * (passing is not None)
        figure = _figure(run, view, rows, st.session_state[f"{key}-bright"])
        st.session_state[f"{key}-figure"] = figure.update_layout(height=height) if height else figure
    event = st.plotly_chart(
        st.session_state[f"{key}-figure"], key=key, on_select="rerun", selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["autoScale2d", "toImage"]},
        alt=f"Map of {len(rows)} images coloured by {(_numbers(run) | CATEGORIES | run.metadata)[view.colour]}",
    )  # fmt: skip
    picked = _picked(event, len(samples))
    news = picked != st.session_state.get(f"{key}-event", [])
    st.session_state[f"{key}-event"] = picked
    if news and (picked or not changed):
        kept = st.session_state[f"selection-{run.id}"] = picked
        if len(picked) == 1 and open_single:
            open_sample(run, picked[0])
    return [row for row in kept if row < len(samples)]


def selected(run: Run) -> list[int]:
    """The rows selected on the map of a run; the pages share them."""
    rows: list[int] = st.session_state.setdefault(f"selection-{run.id}", [])
    return rows


def clear_selection(run: Run, key: str = "map") -> None:
    """Forget the selection and draw the map anew."""
    st.session_state[f"selection-{run.id}"] = []
    st.session_state[f"{key}-event"] = []
    st.session_state.pop(f"{key}-signature", None)
    st.session_state.pop(key, None)


def _picked(event: object, count: int) -> list[int]:
    """Sorted row numbers of an event."""
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    rows = set()
    for point in points:
        value = point["customdata"]
        row = int(value[0] if isinstance(value, list) else value)
        if 0 <= row < count:
            rows.add(row)
    return sorted(rows)


def _figure(run: Run, view: View, rows: np.ndarray, bright: list[int]) -> go.Figure:
    samples = run.samples
    if view.colour in run.metadata and is_number(samples[view.colour]):
        title = run.metadata[view.colour]
        return figures.score_map(samples, rows, view.layout, view.colour, title, "linear", bright)
    if view.colour in run.metadata:
        samples = samples.assign(**{view.colour: samples[view.colour].astype(object).fillna("none").astype(str)})
    if view.colour in (numbers := _numbers(run)):
        unit = SCORES[view.colour].unit if view.colour in SCORES else "output units"
        title = f"{numbers[view.colour]}, {unit}"
        return figures.score_map(samples, rows, view.layout, view.colour, title, view.scale, bright)
    if view.colour == "outcome":
        right = samples["predicted"] == samples["class_name"]
        samples = samples.assign(outcome=np.where(right, "right", "wrong"))
    return figures.category_map(samples, rows, view.layout, view.colour, bright)
