"""Rank correlations of the scores of a run as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from sampleinfo.figures.common import escape
from sampleinfo.types import FloatArray

#: Pixels of a cell, of the titles at the side and of those below; letters of a title.
CELL, SIDE, BELOW, LONG = 38, 225, 190, 36
#: From opposite over unrelated to the same order: blue and orange are told apart by colour-blind eyes.
DIVERGING = (
    (0.0, "#a6501e"), (0.25, "#e08a4f"), (0.45, "#f3d9c6"), (0.5, "#f2f2f2"), (0.55, "#cfdfec"), (0.75, "#5b95c4"),
    (1.0, "#14507f"),
)  # fmt: skip
#: Where the cell is so dark that its number is white.
DARK = 0.6


def score_agreement(values: FloatArray, titles: Sequence[str]) -> go.Figure:
    """A heat map of (S, S) correlations, NaN where there is none; scores that agree stand beside each other.

    Numbers stand in the cells; pointing at one tells both ``titles`` in full.
    """
    order = similar_order(values)
    shown = values[np.ix_(order, order)]
    names = [escape(titles[place]) for place in order]
    words = [escape(_cut(titles[place], LONG)) for place in order]
    figure = go.Figure(go.Heatmap(
        z=shown, zmin=-1, zmax=1, colorscale=[list(each) for each in DIVERGING], xgap=1, ygap=1, hoverongaps=False,
        customdata=[[f"{one}<br>{other}" for other in names] for one in names],
        hovertemplate="%{customdata}<br>rank correlation %{z:.3f}<extra></extra>",
        colorbar={"title": None, "tickvals": [-1, 0, 1], "ticktext": ["−1 opposite", "0 unrelated", "1 same"],
                  "thickness": 12, "len": 0.5, "y": 1, "yanchor": "top"},
    ))  # fmt: skip
    for row, column in zip(*np.nonzero(np.isfinite(shown)), strict=True):
        value = shown[row, column]
        figure.add_annotation(
            x=int(column), y=int(row), text=correlation(float(value)), showarrow=False,
            font={"size": 10, "color": "#ffffff" if abs(value) > DARK else "#1c2226"},
        )  # fmt: skip
    ticks = {"tickvals": list(range(len(names))), "showgrid": False, "zeroline": False,
             "fixedrange": True}  # fmt: skip
    room = CELL * len(names)
    return figure.update_layout(
        xaxis=ticks | {"ticktext": words, "tickangle": -50}, yaxis=ticks | {"ticktext": words, "autorange": "reversed"},
        width=room + SIDE + 110, height=room + BELOW + 8, margin={"l": SIDE, "r": 110, "t": 8, "b": BELOW},
        dragmode=False,
    )  # fmt: skip


def similar_order(values: FloatArray) -> np.ndarray:
    """(S,) an order in which scores that agree are near each other: by the angle of the first two principal axes."""
    known = np.nan_to_num(values, nan=0.0)
    if len(known) < 3:
        return np.arange(len(known))
    _, vectors = np.linalg.eigh((known + known.T) / 2)
    first, second = vectors[:, -1], vectors[:, -2]
    first = first * (np.sign(first.sum()) or 1.0)
    second = second * (np.sign(second[0]) or 1.0)
    return np.argsort(np.arctan2(second, first), kind="stable")


def correlation(value: float) -> str:
    """``0.93`` or ``−0.20``."""
    words = f"{value:.2f}".replace("-", "−")
    return "0.00" if words == "−0.00" else words


def _cut(title: str, most: int) -> str:
    return title if len(title) <= most else f"{title[: most - 1]}…"
