"""The map: what it shows, and which images are selected on it.

A change of the figure clears the browser's selection silently, so the page keeps its own copy: an empty selection
that comes right after such a change is no news. Above ``figures.RASTER_FROM`` images the map is a picture
(``map_raster``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from sampleinfo import figures
from sampleinfo.figures import Drawing
from sampleinfo.scores import SCORES
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.ui.filters import Filter, filter_control, is_number
from sampleinfo.ui.map_hover import hover
from sampleinfo.ui.map_raster import Raster
from sampleinfo.ui.state import open_sample

CATEGORIES = {"class_name": "Class", "source": "Source", "outcome": "Right or wrong"}
ERROR = {"prediction_error": "Prediction error"}
#: Stands for "none": a figure without any bright row draws all of them bright.
NO_ROW = -1
#: Pixels.
HEIGHT = 460
LAYOUTS = {"umap": "UMAP", "pca": "PCA"}


@dataclass(frozen=True)
class Kind:
    """How a chart lets one select, and its buttons."""

    modes: tuple[Literal["points", "box", "lasso"], ...]
    config: dict[str, Any]


POINTS = Kind(("points", "box", "lasso"), {"modeBarButtonsToRemove": ["autoScale2d", "toImage"]})
#: A picture may be made while only a part is looked at: back to the beginning would be that part.
PICTURE = Kind(("box", "lasso"), {"modeBarButtonsToRemove": ["resetScale2d", "toImage"], "doubleClick": "autosize"})


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
    run: Run, view: View, *, key: str = "map", height: int = HEIGHT, open_single: bool = True
) -> list[int]:  # fmt: skip
    """Draw the map, ``height`` pixels high; the rows selected on it.

    ``open_single``: an image that is selected alone is opened. Above ``RASTER_FROM`` images the map is a picture.
    """
    rows = np.flatnonzero(run.column("split").isin(view.splits))
    raster = None
    if len(rows) > figures.RASTER_FROM:
        raster = Raster(key, f"{run.id} {view.layout}", _drawing(run, view, rows), rows, height)
    clicked = None if raster is None else raster.clicked()
    kept = selected(run) if clicked is None else _select(run, clicked, open_single)
    signature = (run.id, view, st.session_state.get(f"{key}-anew", 0))
    changed = st.session_state.get(f"{key}-signature") != signature or key not in st.session_state
    if changed:
        bright = _bright(run, view, rows, kept)
        figure = _figure(run, view, rows, bright) if raster is None else raster.figure(bright)
        st.session_state[f"{key}-signature"] = signature
        st.session_state[f"{key}-figure"] = figure.update_layout(height=height, meta=signature[-1])
    with st.container(gap=None, key=f"{key}-frame"):
        event = _chart(run, view, key, len(rows), POINTS if raster is None else PICTURE)
        picked = _picked(event, len(run.training)) if raster is None else raster.picked(event)
        news = picked != st.session_state.get(f"{key}-event", [])
        st.session_state[f"{key}-event"] = picked
        if news and (picked or not changed):
            kept = _select(run, picked, open_single)
        if raster is not None:
            raster.over(_bright(run, view, rows, kept))
            hover(run, key, view.layout, view.splits, view.colour, _title(run, view))
    count = len(run.training)
    return [row for row in kept if row < count]


def _chart(run: Run, view: View, key: str, images: int, kind: Kind) -> Any:
    """The figure that is kept for this key; what was selected on it."""
    return st.plotly_chart(
        st.session_state[f"{key}-figure"], key=key, on_select="rerun", selection_mode=kind.modes,
        config={"displaylogo": False, "scrollZoom": True, **kind.config},
        alt=f"Map of {images} images coloured by {_title(run, view)}",
    )  # fmt: skip


def _select(run: Run, rows: list[int], open_single: bool) -> list[int]:
    st.session_state[f"selection-{run.id}"] = rows
    if len(rows) == 1 and open_single:
        open_sample(run, rows[0])
    return rows


def _bright(run: Run, view: View, rows: np.ndarray, kept: Sequence[int]) -> np.ndarray | None:
    """The rows that stay bright: those that are selected and pass the filter; None where all do."""
    if not kept and not view.filter:
        return None
    among = np.asarray(kept, dtype=np.int64) if kept else rows
    among = among[among < len(run.training)]
    return np.asarray(among[view.filter.passing(run)[among]]) if view.filter else among


def selected(run: Run) -> list[int]:
    """The rows selected on the map of a run; the pages share them."""
    rows: list[int] = st.session_state.setdefault(f"selection-{run.id}", [])
    return rows


def clear_selection(run: Run, key: str = "map") -> None:
    """Forget the selection and draw the map anew, as another figure: the browser remembers what was drawn on this."""
    st.session_state[f"selection-{run.id}"] = []
    st.session_state[f"{key}-event"] = []
    st.session_state[f"{key}-anew"] = st.session_state.get(f"{key}-anew", 0) + 1
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


def _figure(run: Run, view: View, rows: np.ndarray, bright: np.ndarray | None) -> go.Figure:
    """One point per image."""
    chosen = () if bright is None else bright.tolist() or [NO_ROW]
    if _is_number(run, view):
        title, scale = _scale(run, view)
        return figures.score_map(run.samples, rows, view.layout, view.colour, title, scale, chosen)
    return figures.category_map(_named(run, view), rows, view.layout, view.colour, chosen)


def _drawing(run: Run, view: View, rows: np.ndarray) -> Drawing:
    """The same for a picture."""
    if _is_number(run, view):
        title, scale = _scale(run, view)
        return figures.score_drawing(run.samples, rows, view.layout, view.colour, title, scale)
    return figures.category_drawing(_named(run, view), rows, view.layout, view.colour)


def _is_number(run: Run, view: View) -> bool:
    """Whether the colour of the view is a number, and not a category."""
    return view.colour in _numbers(run) or (view.colour in run.metadata and is_number(run.column(view.colour)))


def _title(run: Run, view: View) -> str:
    return (_numbers(run) | CATEGORIES | run.metadata)[view.colour]


def _scale(run: Run, view: View) -> tuple[str, str]:
    """What the colour bar says, and whether colours are ``linear`` or ``log``."""
    if view.colour in run.metadata:
        return run.metadata[view.colour], "linear"
    unit = SCORES[view.colour].unit if view.colour in SCORES else "output units"
    return f"{_title(run, view)}, {unit}", view.scale


def _named(run: Run, view: View) -> pd.DataFrame:
    """The samples with a name for the category of each."""
    samples = run.samples
    if view.colour in run.metadata:
        return samples.assign(**{view.colour: samples[view.colour].astype(object).fillna("none").astype(str)})
    if view.colour == "outcome":
        right = samples["predicted"] == samples["class_name"]
        return samples.assign(outcome=np.where(right, "right", "wrong"))
    return samples
