"""Maps with one point per image, for so many that a browser can hold them; ``raster_maps`` draws the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sampleinfo.figures.common import MARGIN, MARKER, OUTLINE, PALETTE, escape, limits, log_ticks, logarithm, short
from sampleinfo.types import FloatArray

#: Opacity of what is not selected.
FADED = 0.12
#: Values of a category up to which a legend names them; beyond that only hovering does.
MOST_NAMED = 40


def score_map(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, column: str, title: str, scale: str, selected: Sequence[int]
) -> go.Figure:
    """One point per row, coloured by a numeric column; ``scale`` is ``linear`` or ``log``.

    ``layout`` is the prefix of the coordinate columns; ``selected`` rows stay bright, the others fade. Rows without a
    value are hollow and grey, below the others.
    """
    everything = samples[column].to_numpy(dtype=np.float64)
    missing, rows = rows[~np.isfinite(everything[rows])], rows[np.isfinite(everything[rows])]
    values = everything[rows]
    shown = scaled(values, scale)
    marker = {"color": shown.astype(np.float32), **colour_scale(shown, title, scale), "size": MARKER,
              "line": {"width": 1, "color": OUTLINE}}  # fmt: skip
    hollow = {"color": OUTLINE, "symbol": "circle-open", "size": MARKER - 1}
    figure = go.Figure()
    if missing.size:
        figure.add_trace(_points(samples, missing, layout, hollow, [f"{escape(title)}: none"] * len(missing), selected))
    texts = [f"{escape(title)}: {short(v, 3)}" for v in values]
    return bare(figure.add_trace(_points(samples, rows, layout, marker, texts, selected)))


def scaled(values: FloatArray, scale: str) -> FloatArray:
    """The values as their colours show them: ``linear`` or ``log``."""
    return logarithm(values) if scale == "log" else values


def colour_scale(shown: FloatArray, title: str, scale: str) -> dict[str, object]:
    """Colours, their limits and a bar with round numbers for scaled values, as a marker has them."""
    low, high = limits(shown)
    bar = {"title": {"text": escape(title), "side": "right"}, "thickness": 12, "outlinewidth": 0}
    if scale == "log":
        places, texts = log_ticks(low, high)
        bar |= {"tickvals": places, "ticktext": texts}
    return {"colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar}


def category_map(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, column: str, selected: Sequence[int]
) -> go.Figure:
    """One point per row, one colour per value of ``column``, named in the legend."""
    figure = go.Figure()
    part = samples.iloc[rows]
    names = sorted(part[column].unique())
    for number, value in enumerate(names):
        members = rows[part[column].to_numpy() == value]
        marker = {"color": PALETTE[number % len(PALETTE)], "size": MARKER}
        trace = _points(samples, members, layout, marker, [escape(value)] * len(members), selected)
        figure.add_trace(trace.update(name=escape(value), showlegend=len(names) <= MOST_NAMED))
    return bare(figure).update_layout(legend={"orientation": "h", "y": -0.02, "title": None})


def _points(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, marker: dict[str, object], values: list[str],
    selected: Sequence[int],
) -> go.Scattergl:  # fmt: skip
    bright = np.flatnonzero(np.isin(rows, selected)) if len(selected) else None
    part = samples.iloc[rows]
    return go.Scattergl(
        x=part[f"{layout}_x"].to_numpy(dtype=np.float32), y=part[f"{layout}_y"].to_numpy(dtype=np.float32),
        mode="markers", marker=marker, customdata=rows.astype(int), showlegend=False, selectedpoints=bright,
        selected={"marker": {"opacity": 1.0}}, unselected={"marker": {"opacity": FADED}},
        text=[f"{label}<br>{value}" for label, value in zip(_labels(samples, rows), values, strict=True)]
        if "predicted" in samples else values,
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _labels(samples: pd.DataFrame, rows: np.ndarray) -> list[str]:
    part = samples.iloc[rows]
    return [
        f"{escape(i)}<br>label {escape(c)}, predicted {escape(p)}<br>{escape(s)}"
        for i, c, p, s in zip(part["sample_id"], part["class_name"], part["predicted"], part["source"], strict=True)
    ]


def bare(figure: go.Figure) -> go.Figure:
    """Distances mean little on these maps: no axes, no grid, and all the room is used."""
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    return figure.update_layout(
        xaxis=axis, yaxis=axis, margin=MARGIN, height=460, dragmode="lasso", hovermode="closest"
    )
