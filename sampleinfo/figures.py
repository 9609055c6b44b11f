"""Data frame -> plotly figure. No streamlit, no files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sampleinfo.types import FloatArray

#: Ten colours that stay apart for colour-blind eyes (Tol's muted scheme and black's substitute).
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999933", "#ee8866", "#882255", "#44aa99")
FADED, MARKER = 0.12, 8
MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def limits(values: FloatArray) -> tuple[float, float]:
    """Robust colour limits: the 1st and 99th percentile of the finite values, never equal."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(finite, (1, 99)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _logarithm(values: FloatArray) -> FloatArray:
    """log10, with zeros at the smallest positive value."""
    positive = values[values > 0]
    return np.asarray(np.log10(np.maximum(values, positive.min() if positive.size else 1.0)))


def _labels(samples: pd.DataFrame, rows: np.ndarray) -> list[str]:
    part = samples.iloc[rows]
    return [
        f"{_escape(i)}<br>label {_escape(c)}, predicted {_escape(p)}<br>{_escape(s)}"
        for i, c, p, s in zip(part["sample_id"], part["class_name"], part["predicted"], part["source"], strict=True)
    ]


def _escape(text: object) -> str:
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def score_map(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, column: str, title: str, scale: str, selected: Sequence[int]
) -> go.Figure:
    """One point per row, coloured by a numeric column; ``scale`` is ``linear`` or ``log``.

    ``layout`` is the prefix of the coordinate columns; ``selected`` rows stay bright, the others fade.
    """
    values = samples[column].to_numpy(dtype=np.float64)[rows]
    shown = _logarithm(values) if scale == "log" else values
    low, high = limits(shown)
    bar = {"title": {"text": title, "side": "right"}, "thickness": 12, "outlinewidth": 0}
    if scale == "log":
        ticks = np.linspace(low, high, 5)
        bar |= {"tickvals": ticks.tolist(), "ticktext": [f"{10**t:.1e}" for t in ticks]}
    marker = {"color": shown.astype(np.float32), "colorscale": "Viridis", "cmin": low, "cmax": high, "size": MARKER,
              "colorbar": bar}  # fmt: skip
    figure = go.Figure(_points(samples, rows, layout, marker, [f"{v:.3g}" for v in values], selected))
    return _bare(figure)


def category_map(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, column: str, selected: Sequence[int]
) -> go.Figure:
    """One point per row, one colour per value of ``column``, named in the legend."""
    figure = go.Figure()
    part = samples.iloc[rows]
    for number, value in enumerate(sorted(part[column].unique())):
        members = rows[part[column].to_numpy() == value]
        marker = {"color": PALETTE[number % len(PALETTE)], "size": MARKER}
        trace = _points(samples, members, layout, marker, [str(value)] * len(members), selected)
        figure.add_trace(trace.update(name=_escape(value), showlegend=True))
    return _bare(figure).update_layout(legend={"orientation": "h", "y": -0.02, "title": None})


def _points(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, marker: dict[str, object], values: list[str],
    selected: Sequence[int],
) -> go.Scattergl:  # fmt: skip
    chosen = set(selected)
    bright = [place for place, row in enumerate(rows) if int(row) in chosen] if chosen else None
    part = samples.iloc[rows]
    return go.Scattergl(
        x=part[f"{layout}_x"].to_numpy(dtype=np.float32), y=part[f"{layout}_y"].to_numpy(dtype=np.float32),
        mode="markers", marker=marker, customdata=rows.astype(int), showlegend=False, selectedpoints=bright,
        selected={"marker": {"opacity": 1.0}}, unselected={"marker": {"opacity": FADED}},
        text=[f"{label}<br>{value}" for label, value in zip(_labels(samples, rows), values, strict=True)]
        if "predicted" in samples else values,
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _bare(figure: go.Figure) -> go.Figure:
    """Distances mean little on these maps: no axes, no grid."""
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    return figure.update_layout(
        xaxis=axis, yaxis=axis, margin=MARGIN, height=460, dragmode="lasso", hovermode="closest"
    )


def histogram(values: FloatArray, selected: FloatArray, title: str, scale: str) -> go.Figure:
    """Distribution of a score, the selection in a second colour on the same bins."""
    shown, chosen = (_logarithm(x) if scale == "log" and x.size else x for x in (values, selected))
    edges = np.histogram_bin_edges(shown, bins=40)
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    figure = go.Figure()
    for part, name, colour in ((shown, "all training images", "#9aa7b0"), (chosen, "selection", "#ee6677")):
        counts, _ = np.histogram(part, bins=edges)
        figure.add_bar(x=middles, y=counts, width=widths, name=name, marker_color=colour)
    if scale == "log":
        ticks = np.linspace(edges[0], edges[-1], 6)
        figure.update_xaxes(tickvals=ticks, ticktext=[f"{10**t:.0e}" for t in ticks])
    return figure.update_layout(
        barmode="overlay", margin={"l": 8, "r": 8, "t": 24, "b": 8}, height=220, xaxis_title=title,
        yaxis_title="images", legend={"orientation": "h", "y": 1.18, "x": 0},
    )  # fmt: skip


def preview_map(table: pd.DataFrame) -> go.Figure:
    """The first results of a run: places by PCA, colours by class."""
    return category_map(table, np.arange(len(table)), "pca", "class_name", ()).update_layout(height=320, dragmode="pan")
