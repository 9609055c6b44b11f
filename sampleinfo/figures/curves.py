"""Predicted accuracy and loss against the number of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sampleinfo.figures.common import MARGIN, MARKED, NEUTRAL, PALETTE, escape, log_ticks, short

#: Of sets that are compared: apart for colour-blind eyes, and seen on light and dark pages alike.
SET_COLOURS = ("#5588cc", "#bb8800", "#aa3377", "#ee6677")
#: The same as marks, in figures and in texts.
SYMBOLS, SET_MARKS = ("circle", "diamond", "square", "triangle-up"), "●◆■▲"
#: The band of random draws.
BAND = "rgba(138,150,158,0.25)"


def strategy_curves(
    table: pd.DataFrame, real: pd.DataFrame, titles: dict[str, str], random: str, measure: str, scale: str
) -> go.Figure:  # fmt: skip
    """Predicted ``accuracy`` or ``loss`` against the share kept, one line per strategy; random as mean and band.

    ``table`` and ``real``: strategy, seed, size, share, accuracy, loss; ``real`` are open markers of the same colour.
    ``titles``: name -> title of every strategy, which decide the colours. ``scale``: of the shares, log or linear.
    """
    figure = go.Figure()
    drawn = table[table["strategy"] == random].groupby("share")[[measure, "size"]].agg(["mean", "std"])
    middle, spread = (drawn[measure][each].fillna(0.0).to_numpy() for each in ("mean", "std"))
    edges = [middle + spread, (middle - spread)[::-1]]
    edges = [np.clip(each, 0.0, 1.0) for each in edges] if measure == "accuracy" else edges
    shares, hover = drawn.index.to_numpy(), _curve_hover(measure)
    figure.add_scatter(
        x=np.concatenate([shares, shares[::-1]]), y=np.concatenate(edges),
        fill="toself", fillcolor=BAND, mode="lines", line={"width": 0}, hoverinfo="skip", legendgroup=random,
        name=f"{titles[random]} ± 1 standard deviation", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=shares, y=middle, mode="lines", line={"color": NEUTRAL, "width": 3}, name=titles[random],
        legendgroup=random, customdata=drawn["size"]["mean"].to_numpy(), text=[f"± {_measured(s, measure)}" for s in
        spread], hovertemplate=hover.replace("<extra>", " %{text}<extra>"),
    )  # fmt: skip
    others = [name for name in titles if name != random]
    colours = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(others)} | {random: NEUTRAL}
    for name in others:
        part = table[table["strategy"] == name].sort_values("share")
        figure.add_scatter(
            x=part["share"], y=part[measure], mode="lines+markers", marker={"size": 5}, name=titles[name],
            line={"color": colours[name], "width": 2}, customdata=part["size"], hovertemplate=hover, legendgroup=name,
        )  # fmt: skip
    for name in real["strategy"].unique():
        part = real[real["strategy"] == name]
        figure.add_scatter(
            x=part["share"], y=part[measure], mode="markers", name=titles.get(str(name), "everything"),
            showlegend=False, legendgroup=str(name), customdata=part["size"], text=part["recipe"],
            marker={"color": colours.get(str(name), MARKED), "symbol": "circle-open", "size": 13, "line": {"width": 3}},
            hovertemplate="<b>really retrained</b><br>" + hover.replace("<extra>", "<br>%{text}<extra>"),
        )  # fmt: skip
    ticks = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0] if scale == "log" else [0.1 * step for step in range(11)]
    figure.update_xaxes(type=scale, tickvals=ticks, tickformat=".0%", title="share of the training images kept")
    figure.update_yaxes(tickformat=".0%" if measure == "accuracy" else "", title=f"predicted {measure}")
    return figure.update_layout(
        height=430, margin=MARGIN, hovermode="closest", uirevision="curves",
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
    )  # fmt: skip


def growth_curves(
    curves: Sequence[tuple[str, int, pd.DataFrame]], band: pd.DataFrame, measure: str, scale: str
) -> go.Figure:
    """Predicted ``accuracy`` or ``loss`` of every beginning of some sets; their ends are marked.

    ``curves``: of each set its name, the place of its colour and mark, and a table: size, accuracy, loss. ``band``:
    size, mean and spread of random sets. ``scale``: of the sizes, log or linear.
    """
    largest = max(int(curve["size"].max()) for _, _, curve in curves)
    figure = _random_band(band, measure)
    for name, place, curve in curves:
        colour, symbol, group = SET_COLOURS[place], SYMBOLS[place], str(place)
        few = len(curve) < int(curve["size"].max())
        figure.add_scatter(
            x=curve["size"], y=curve[measure], mode="lines+markers" if few else "lines", name=escape(name),
            line={"color": colour, "width": 2.5}, marker={"size": 5}, legendgroup=group, showlegend=False,
            hovertemplate=_growth_hover(name, "the first %{x} alone", measure),
        )  # fmt: skip
        figure.add_scatter(
            x=curve["size"].tail(1), y=curve[measure].tail(1), mode="lines+markers", name=escape(name),
            line={"color": colour, "width": 2.5}, legendgroup=group, cliponaxis=False,
            marker={"color": colour, "symbol": symbol, "size": 14, "line": {"width": 1.5, "color": "#ffffff"}},
            hovertemplate=_growth_hover(name, "all %{x}", measure),
        )  # fmt: skip
    figure.update_xaxes(**_size_axis(largest, scale))
    figure.update_yaxes(tickformat=".0%" if measure == "accuracy" else "", title=f"predicted {measure}")
    return figure.update_layout(
        height=400, margin=MARGIN, hovermode="closest", uirevision="growth",
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
    )  # fmt: skip


def _random_band(band: pd.DataFrame, measure: str) -> go.Figure:
    """Mean and standard deviation of random sets."""
    sizes, middle, spread = (band[name].to_numpy(dtype=np.float64) for name in ("size", "mean", "spread"))
    low, high = np.maximum(middle - spread, 0.0), middle + spread
    high = np.minimum(high, 1.0) if measure == "accuracy" else high
    words = [f"± {_measured(each, measure)}" for each in spread]
    figure = go.Figure()
    figure.add_scatter(
        x=np.concatenate([sizes, sizes[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", fillcolor=BAND,
        mode="lines", line={"width": 0}, hoverinfo="skip", legendgroup="random", showlegend=False,
    )  # fmt: skip
    return figure.add_scatter(
        x=sizes, y=middle, mode="lines", line={"color": NEUTRAL, "width": 2, "dash": "dot"}, legendgroup="random",
        name="random sets, mean ± 1 standard deviation", text=words,
        hovertemplate=_growth_hover("random sets", "%{x} images", measure).replace("<extra>", " %{text}<extra>"),
    )  # fmt: skip


def _growth_hover(name: str, which: str, measure: str) -> str:
    return f"{escape(name)}<br>{which}<br>{measure} %{{y:{'.1%' if measure == 'accuracy' else '.3g'}}}<extra></extra>"


def _size_axis(largest: int, scale: str) -> dict[str, object]:
    """Sizes up to ``largest``, with room for the mark of the end."""
    title = "images of the set, in its order"
    if scale == "linear":
        return {"range": [0, 1.03 * largest + 0.3], "title": title}
    ticks, _ = log_ticks(0.0, float(np.log10(max(largest, 2))))
    sizes = sorted({round(10**tick) for tick in ticks})
    end = 1.03 * np.log10(max(largest, 2))
    return {
        "type": "log", "range": [-0.03 * end, end], "tickvals": sizes, "ticktext": [f"{size:,}" for size in sizes],
        "title": title,
    }  # fmt: skip


def _curve_hover(measure: str) -> str:
    return "%{fullData.name}<br>%{customdata:.0f} images (%{x:.1%})<br>" + measure + " %{y:" + (
        ".1%" if measure == "accuracy" else ".3g"
    ) + "}<extra></extra>"  # fmt: skip


def _measured(value: float, measure: str) -> str:
    return f"{100 * value:.1f} points" if measure == "accuracy" else short(value)
