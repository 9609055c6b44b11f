"""Distributions of a score, and estimates against the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from sampleinfo.figures.common import MARKER, PALETTE, escape, log_ticks, logarithm
from sampleinfo.types import FloatArray

#: Of kinds of estimates.
SYMBOLS = ("circle-open", "diamond-open", "square-open", "cross-open", "triangle-up-open", "star-open", "x-open")


def histogram(values: FloatArray, selected: FloatArray, title: str, scale: str) -> go.Figure:
    """Distribution of a score, the selection in a second colour on the same bins."""
    shown, chosen = (logarithm(x) if scale == "log" and x.size else x for x in (values, selected))
    edges = np.histogram_bin_edges(shown, bins=40)
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    figure = go.Figure()
    for part, name, colour in ((shown, "all training images", "#9aa7b0"), (chosen, "selection", "#ee6677")):
        counts, _ = np.histogram(part, bins=edges)
        figure.add_bar(
            x=middles, y=counts, width=widths, name=name, marker_color=colour, showlegend=bool(chosen.size),
            hovertemplate="%{y} images<extra></extra>",
        )  # fmt: skip
    if scale == "log":
        places, texts = log_ticks(float(edges[0]), float(edges[-1]))
        figure.update_xaxes(tickvals=places, ticktext=texts)
    return figure.update_layout(
        barmode="overlay", margin={"l": 8, "r": 8, "t": 24, "b": 8}, height=220, xaxis_title=title,
        yaxis_title="images", legend={"orientation": "h", "y": 1.18, "x": 0},
    )  # fmt: skip


def truth_scatter(
    truth: FloatArray, estimates: dict[str, FloatArray], places: Sequence[int], names: Sequence[str], title: str,
    logarithmic: bool,
) -> go.Figure:  # fmt: skip
    """Estimates against the truth, one colour and symbol for each kind of estimate; on the line they agree.

    ``places``: of each kind of estimate among all there are, so that it looks the same whichever others are shown.
    Logarithmic axes are equally long in decades; zeros stand at the smallest positive value.
    """
    everything = np.concatenate([truth, *estimates.values()])
    shown = {name: np.asarray(values, dtype=np.float64) for name, values in estimates.items()}
    if logarithmic:
        least = everything[everything > 0].min(initial=np.inf)
        least = least if np.isfinite(least) else 1.0
        truth, shown = np.maximum(truth, least), {name: np.maximum(each, least) for name, each in shown.items()}
        low, high = np.log10(least), np.log10(max(everything.max(initial=least), least))
    else:
        low, high = float(everything.min(initial=0.0)), float(everything.max(initial=0.0))
    room = 0.06 * (high - low) or 0.5
    low, high = float(low - room), float(high + room)
    ends = [10**low, 10**high] if logarithmic else [low, high]
    figure = go.Figure(go.Scatter(
        x=ends, y=ends, mode="lines", name="exactly right", line={"color": "#9aa7b0", "dash": "dash"}, hoverinfo="skip",
    ))  # fmt: skip
    for place, (name, values) in zip(places, shown.items(), strict=True):
        colour, symbol = PALETTE[place % len(PALETTE)], SYMBOLS[place % len(SYMBOLS)]
        figure.add_scatter(
            x=truth, y=values, mode="markers", name=name, text=[escape(each) for each in names],
            marker={"color": colour, "symbol": symbol, "size": MARKER + 2, "line": {"width": 2}},
            hovertemplate="%{text}<br>really %{x:.3g}<br>" + escape(name) + " %{y:.3g}<extra></extra>",
        )  # fmt: skip
    axis: dict[str, object] = {
        "type": "log" if logarithmic else "linear",
        "range": [low, high],
        "zeroline": not logarithmic,
    }
    if logarithmic:
        ticks, texts = log_ticks(low, high)
        axis |= {"tickvals": [10**tick for tick in ticks], "ticktext": texts}
    return figure.update_layout(
        xaxis=axis | {"title": f"really: {title}"}, yaxis=axis | {"title": f"estimated: {title}"}, height=460,
        margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
