"""What scores find of planted errors: found against inspected, ROC, and precision against recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sampleinfo.figures.common import MARGIN, NEUTRAL, PALETTE, escape

#: Points of a line, and dashes of the lines in their order: apart without colours, too.
POINTS, DASHES = 400, ("solid", "dash", "dashdot", "dot")


def found_curves(table: pd.DataFrame, titles: Mapping[str, str], share: float) -> go.Figure:
    """Share of the planted that is found against the share of the images inspected, a line per score.

    ``table``: score, inspected, found, false_alarms, precision, as ``reports.stress.curves`` gives it; ``titles``: of
    every score, the best first, which decide colours: those of scores without a line in ``table`` are kept free.
    ``share``: planted.
    """
    figure = go.Figure()
    _guide(figure, [0, share, 1], [0, 1, 1], "best possible", "dash")
    _guide(figure, [0, 1], [0, 1], "random order", "dot")
    _lines(figure, table, titles, "inspected", "found", "linear", "%{x:.1%} inspected, %{y:.1%} found")
    return _axes(figure, "training images inspected", "planted errors found")


def roc_curves(table: pd.DataFrame, titles: Mapping[str, str]) -> go.Figure:
    """True against false positive rate; arguments as ``found_curves``."""
    figure = go.Figure()
    _guide(figure, [0, 1], [0, 1], "random order", "dot")
    _lines(figure, table, titles, "false_alarms", "found", "linear", "%{x:.1%} of the others, %{y:.1%} of the planted")
    return _axes(figure, "others named (false positive rate)", "planted errors named (true positive rate)")


def precision_curves(table: pd.DataFrame, titles: Mapping[str, str], share: float) -> go.Figure:
    """Precision against recall, in steps whose area is the average precision; arguments as ``found_curves``."""
    figure = go.Figure()
    _guide(figure, [0, 1], [share, share], "random order", "dot")
    _lines(figure, table, titles, "found", "precision", "vh", "%{x:.1%} found, %{y:.1%} of those named are planted")
    return _axes(figure, "planted errors found (recall)", "share of those named (precision)")


def _lines(
    figure: go.Figure, table: pd.DataFrame, titles: Mapping[str, str], x: str, y: str, shape: str, hover: str
) -> None:
    shown = set(table["score"])
    for place, (name, title) in enumerate(titles.items()):
        if name not in shown:
            continue
        part = _thinned(table[table["score"] == name])
        figure.add_scatter(
            x=part[x], y=part[y], mode="lines", name=escape(title), cliponaxis=False, legendrank=place,
            line={"color": PALETTE[place % len(PALETTE)], "width": 2.5, "shape": shape,
                  "dash": DASHES[place % len(DASHES)]},
            hovertemplate=f"{escape(title)}<br>{hover}<extra></extra>",
        )  # fmt: skip


def _thinned(part: pd.DataFrame) -> pd.DataFrame:
    """At most about ``POINTS`` rows, closer together at the beginning, where the curves differ; ends stay."""
    if len(part) <= POINTS:
        return part
    places = np.unique(np.rint((len(part) - 1) * np.linspace(0, 1, POINTS) ** 2).astype(int))
    return part.iloc[places]


def _guide(figure: go.Figure, x: list[float], y: list[float], words: str, dash: str) -> None:
    figure.add_scatter(
        x=x, y=y, mode="lines", name=words, hoverinfo="skip", legendrank=2000,
        line={"color": NEUTRAL, "width": 1.5, "dash": dash},
    )  # fmt: skip


def _axes(figure: go.Figure, x: str, y: str) -> go.Figure:
    axis: dict[str, Any] = {"range": [-0.01, 1.02], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    figure.update_xaxes(title=x, **axis)
    figure.update_yaxes(title=y, **axis)
    return figure.update_layout(
        height=430, margin=MARGIN, hovermode="closest", uirevision="stress", showlegend=True,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
    )  # fmt: skip
