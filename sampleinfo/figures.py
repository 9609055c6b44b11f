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
#: Around points, so that the darkest colours are seen on a dark page and the brightest on a white one.
OUTLINE = "#8a969e"
SYMBOLS = ("circle-open", "diamond-open", "square-open", "cross-open", "triangle-up-open", "star-open", "x-open")
#: Values of a category up to which a legend names them; beyond that only hovering does.
MOST_NAMED = 40
#: Letters of a name in a legend or a hover text.
LONGEST = 80
#: Rings around marked points, and the line of random draws, on light and dark pages alike.
MARKED, NEUTRAL = "#d6248f", "#8a969e"
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


def short(value: float, digits: int = 2) -> str:
    """A few digits, exponents without padding: 0.00073, 5e-7."""
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Round numbers between 10**low and 10**high, at most about seven: their logarithms and their texts."""
    decades = np.arange(np.floor(low), np.ceil(high) + 1)
    for factors in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        places = np.sort(np.add.outer(decades, np.log10(factors)).ravel())
        places = places[(places >= low - 1e-9) & (places <= high + 1e-9)]
        if places.size <= 7:
            break
    places = places[:: max(1, -(-places.size // 7))]
    if places.size < 2:
        places = np.linspace(low, high, 3)
    return places.tolist(), [short(10**place) for place in places]


def _labels(samples: pd.DataFrame, rows: np.ndarray) -> list[str]:
    part = samples.iloc[rows]
    return [
        f"{_escape(i)}<br>label {_escape(c)}, predicted {_escape(p)}<br>{_escape(s)}"
        for i, c, p, s in zip(part["sample_id"], part["class_name"], part["predicted"], part["source"], strict=True)
    ]


def _escape(text: object) -> str:
    words = str(text)
    words = words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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
    shown = _logarithm(values) if scale == "log" else values
    low, high = limits(shown)
    bar = {"title": {"text": _escape(title), "side": "right"}, "thickness": 12, "outlinewidth": 0}
    if scale == "log":
        places, texts = log_ticks(low, high)
        bar |= {"tickvals": places, "ticktext": texts}
    marker = {"color": shown.astype(np.float32), "colorscale": "Viridis", "cmin": low, "cmax": high, "size": MARKER,
              "colorbar": bar, "line": {"width": 1, "color": OUTLINE}}  # fmt: skip
    hollow = {"color": OUTLINE, "symbol": "circle-open", "size": MARKER - 1}
    figure = go.Figure()
    if missing.size:
        figure.add_trace(
            _points(samples, missing, layout, hollow, [f"{_escape(title)}: none"] * len(missing), selected)
        )
    texts = [f"{_escape(title)}: {short(v, 3)}" for v in values]
    return _bare(figure.add_trace(_points(samples, rows, layout, marker, texts, selected)))


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
        trace = _points(samples, members, layout, marker, [_escape(value)] * len(members), selected)
        figure.add_trace(trace.update(name=_escape(value), showlegend=len(names) <= MOST_NAMED))
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
    """Distances mean little on these maps: no axes, no grid, and all the room is used."""
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


def preview_map(table: pd.DataFrame) -> go.Figure:
    """The first results of a run: places by PCA, colours by class."""
    return category_map(table, np.arange(len(table)), "pca", "class_name", ()).update_layout(height=320, dragmode="pan")


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
            x=truth, y=values, mode="markers", name=name, text=[_escape(each) for each in names],
            marker={"color": colour, "symbol": symbol, "size": MARKER + 2, "line": {"width": 2}},
            hovertemplate="%{text}<br>really %{x:.3g}<br>" + _escape(name) + " %{y:.3g}<extra></extra>",
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
        fill="toself", fillcolor="rgba(138,150,158,0.25)", line={"width": 0}, hoverinfo="skip", legendgroup=random,
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


def _curve_hover(measure: str) -> str:
    return "%{fullData.name}<br>%{customdata:.0f} images (%{x:.1%})<br>" + measure + " %{y:" + (
        ".1%" if measure == "accuracy" else ".3g"
    ) + "}<extra></extra>"  # fmt: skip


def _measured(value: float, measure: str) -> str:
    return f"{100 * value:.1f} points" if measure == "accuracy" else short(value)
