"""Sources side by side: each has one colour and one symbol everywhere (``SET_COLOURS``, ``SYMBOLS``)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sampleinfo.figures.common import MARGIN, NEUTRAL, escape, log_ticks, logarithm, short
from sampleinfo.figures.common import limits as colour_limits
from sampleinfo.figures.curves import SET_COLOURS, SYMBOLS
from sampleinfo.figures.raster import RASTER_FROM
from sampleinfo.figures.raster_parts import panels, parts_map
from sampleinfo.types import FloatArray

#: Classes up to which cells carry their numbers; beyond that only hovering does.
WRITTEN = 12
#: Letters of a line of a name, and lines: left of a figure, and below it.
LEFT, BELOW = (17, 2), (12, 3)
#: Images of other sources in small multiples.
FAINT = "rgba(138,150,158,0.28)"
#: Images of a source that a distribution is drawn of: of more, so many quantiles.
MOST = 2000
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def source_distributions(values: Mapping[str, FloatArray], title: str, scale: str) -> go.Figure:
    """Share of the images up to each score (ECDF), and below on the same axis the density of each source (violins).

    ``values``: of each source, in the order of the colours; ``scale``: of the scores, log or linear.
    """
    everything = np.concatenate(list(values.values()))
    shown = logarithm(everything) if scale == "log" else everything
    parts = np.split(shown, np.cumsum([len(each) for each in values.values()])[:-1])
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.04, row_heights=[0.55, 0.45]
    )  # fmt: skip
    for place, (name, own, part) in enumerate(zip(values, values.values(), parts, strict=True)):
        order, colour = _thinned(np.argsort(part, kind="stable")), SET_COLOURS[place]
        figure.add_scatter(
            x=part[order], y=_thinned(np.arange(1, len(part) + 1)) / len(part), mode="lines", name=escape(name),
            line={"color": colour, "width": 2.5, "shape": "hv"}, text=[short(each, 3) for each in own[order]],
            hovertemplate=f"{escape(name)}<br>%{{y:.0%}} of the images: up to %{{text}} nats<extra></extra>",
            legendgroup=str(place), row=1, col=1,
        )  # fmt: skip
        figure.add_violin(
            x=part[order], y=np.full(len(order), -place), orientation="h", name=escape(name), legendgroup=str(place),
            line={"color": colour, "width": 1.5}, fillcolor=_faded(colour), box={"visible": True, "width": 0.18},
            points=False, showlegend=False, hoverinfo="skip", spanmode="hard", width=0.9, row=2, col=1,
        )  # fmt: skip
    if scale == "log":
        places, texts = log_ticks(float(shown.min()), float(shown.max()))
        figure.update_xaxes(tickvals=places, ticktext=texts)
    figure.update_xaxes(title=title, row=2, col=1)
    figure.update_yaxes(title="share of images", tickformat=".0%", range=[0, 1.02], row=1, col=1)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, title="density", row=2, col=1)
    return figure.update_layout(
        height=420 + 40 * len(values), margin=MARGIN | {"t": 30}, legend=LEGEND, hovermode="closest"
    )


def source_intervals(
    table: pd.DataFrame, columns: Sequence[tuple[str, str, str]], titles: Sequence[str], places: Mapping[str, int]
) -> go.Figure:
    """Means with their intervals, one panel per number: a row of ``table`` is a ``source``.

    ``columns``: the value of each panel and the ends of its interval; ``places``: of each source, its colour.
    """
    figure = make_subplots(rows=1, cols=len(columns), shared_yaxes=True, horizontal_spacing=0.06)
    for panel, ((value, low, high), title) in enumerate(zip(columns, titles, strict=True), 1):
        for line, row in enumerate(table.to_dict("records")):
            name, at = str(row["source"]), places[str(row["source"])]
            middle, ends = float(row[value]), (float(row[low]), float(row[high]))
            known = bool(np.isfinite(ends).all())
            words = f" [{short(ends[0], 3)}, {short(ends[1], 3)}]" if known else ""
            figure.add_scatter(
                x=[middle], y=[line], mode="markers", name=escape(name), showlegend=False,
                marker={"color": SET_COLOURS[at], "symbol": SYMBOLS[at], "size": 13},
                error_x={"type": "data", "symmetric": False, "array": [ends[1] - middle if known else 0],
                         "arrayminus": [middle - ends[0] if known else 0], "thickness": 2.5, "width": 7,
                         "color": SET_COLOURS[at]},
                hovertemplate=f"{escape(name)}<br>{title}: {short(middle, 3)}{words}<extra></extra>",
                row=1, col=panel,
            )  # fmt: skip
        figure.update_xaxes(title=title, rangemode="tozero", nticks=5, tickformat="~g", zeroline=True,
                            zerolinecolor=NEUTRAL, row=1, col=panel)  # fmt: skip
    names = [wrapped(str(each), *LEFT) for each in table["source"]]
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.6], zeroline=False
    )
    return figure.update_layout(height=120 + 44 * len(names), margin=MARGIN, hovermode="closest")


def source_classes(table: pd.DataFrame, title: str) -> go.Figure:
    """Heat map of ``mean`` over ``source`` x ``class_name``; a cell says the mean and how many ``images`` it is of."""
    sources, classes = table["source"].unique().tolist(), table["class_name"].unique().tolist()
    texts = [f"{short(m)}<br>n = {n}" if n else "none" for m, n in zip(table["mean"], table["images"], strict=True)]
    hover = [
        f"{escape(s)}, class {escape(c)}<br>" + (f"mean {short(m, 3)} nats of {n} images" if n else "no images")
        for s, c, m, n in zip(table["source"], table["class_name"], table["mean"], table["images"], strict=True)
    ]
    grid = (len(sources), len(classes))
    figure = _heat(
        table["mean"].to_numpy(dtype=np.float64).reshape(grid), texts, hover, grid,
        {"title": {"text": title, "side": "right"}}, len(classes) <= WRITTEN,
    )  # fmt: skip
    return _axes(figure, sources, classes, "class", "").update_layout(height=110 + 62 * len(sources))


def teaching(table: pd.DataFrame) -> go.Figure:
    """Heat map of ``accuracy`` over ``trained_on`` x ``tested_on``, with interval and ``count``; 0 to 100 %."""
    rows, columns = table["trained_on"].unique().tolist(), table["tested_on"].unique().tolist()
    texts, hover = [], []
    for each in table.to_dict("records"):
        count, reached = int(each["count"]), float(each["accuracy"])
        known, why = bool(np.isfinite(reached)), "diverges" if count else "none held out"
        low, high = (f"{100 * float(each[end]):.0f}" if known else "" for end in ("low", "high"))
        texts.append(f"<b>{100 * reached:.0f} %</b><br>{low}–{high}, n = {count}" if known else why)
        words = f"{100 * reached:.1f} % of {count}, 95 % interval {low}–{high} %" if known else why
        hover.append(f"trained on {escape(each['trained_on'])}<br>on images of {escape(each['tested_on'])}<br>{words}")
    grid = (len(rows), len(columns))
    numbers = 100 * table["accuracy"].to_numpy(dtype=np.float64).reshape(grid)
    bar = {"title": {"text": "accuracy, %", "side": "right"}}
    figure = _heat(numbers, texts, hover, grid, bar, True, (0.0, 100.0))
    sizes = dict(zip(table["trained_on"], table["images"], strict=True))
    figure = _axes(figure, rows, columns, "measured on", "trained on")
    figure.update_yaxes(ticktext=[f"{wrapped(name, *LEFT)} ({sizes[name]})" for name in rows])
    return figure.update_layout(height=130 + 62 * len(rows))


def equal_sizes(table: pd.DataFrame, everything: str, places: Mapping[str, int]) -> go.Figure:
    """Accuracy against the number of random images of one source alone: mean and band of one standard deviation.

    ``everything``: the source that stands for a mix of all of them, which is grey.
    """
    figure = go.Figure()
    for name in table["source"].unique():
        part = table[(table["source"] == name) & table["accuracy"].notna()].sort_values("size")
        if part.empty:
            continue
        mixed = name == everything
        colour = NEUTRAL if mixed else SET_COLOURS[places[name]]
        middle, spread = part["accuracy"].to_numpy(), part["accuracy_sd"].to_numpy()
        edges = np.concatenate([np.minimum(middle + spread, 1), np.maximum(middle - spread, 0)[::-1]])
        sizes, shown = part["size"].to_numpy(), "a mix of all" if mixed else escape(name)
        figure.add_scatter(
            x=np.concatenate([sizes, sizes[::-1]]), y=edges, fill="toself", fillcolor=_faded(colour), mode="lines",
            line={"width": 0}, hoverinfo="skip", showlegend=False, legendgroup=str(name),
        )  # fmt: skip
        figure.add_scatter(
            x=sizes, y=middle, mode="lines+markers", name=shown, legendgroup=str(name),
            line={"color": colour, "width": 2.5, "dash": "dot" if mixed else "solid"},
            marker={"symbol": "x" if mixed else SYMBOLS[places[name]], "size": 10},
            text=[f"± {100 * each:.1f}" for each in spread],
            hovertemplate=f"{shown}<br>%{{x}} images<br>accuracy %{{y:.1%}} %{{text}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="random images of one source alone", tickvals=sorted(table["size"].unique()),
                        rangemode="tozero")  # fmt: skip
    figure.update_yaxes(title="predicted accuracy", tickformat=".0%")
    return figure.update_layout(height=320, margin=MARGIN | {"t": 30}, legend=LEGEND, hovermode="closest")


def source_map(
    samples: pd.DataFrame, rows: Sequence[np.ndarray], names: Sequence[str], layout: str, places: Sequence[int]
) -> go.Figure:
    """One point per image, the sources over each other, each in its colour and symbol; ``rows`` of each source.

    ``layout`` is the prefix of the coordinate columns; ``places`` decide the colours.
    """
    if sum(len(own) for own in rows) > RASTER_FROM:
        colours = [SET_COLOURS[place] for place in places]
        return parts_map(samples, rows, layout, colours, names).update_layout(height=460, dragmode="pan")
    figure = go.Figure()
    for place, own, name in zip(places, rows, names, strict=True):
        figure.add_trace(_points(samples, own, layout, place).update(name=escape(name)))
    return _bare(figure).update_layout(height=460, legend={"orientation": "h", "y": -0.02, "title": None})


def source_panels(
    samples: pd.DataFrame, rows: Sequence[np.ndarray], names: Sequence[str], layout: str, places: Sequence[int]
) -> go.Figure:
    """The same map once for each source, all on the same axes; the other sources are grey."""
    across = 2 if len(names) > 1 else 1
    figure = make_subplots(
        rows=-(-len(names) // across), cols=across, shared_xaxes="all", shared_yaxes="all", horizontal_spacing=0.03,
        vertical_spacing=0.09, subplot_titles=[escape(name) for name in names],
    )  # fmt: skip
    large = sum(len(own) for own in rows) > RASTER_FROM
    if large:
        panels(figure, samples, rows, layout, [SET_COLOURS[place] for place in places], across)
    for panel, (own, place) in enumerate(() if large else zip(rows, places, strict=True)):
        at = {"row": panel // across + 1, "col": panel % across + 1}
        rest = np.concatenate([np.zeros(0, dtype=int), *(each for n, each in enumerate(rows) if n != panel)])
        grey = _points(samples, rest, layout, place)
        figure.add_trace(grey.update(marker={"color": FAINT, "symbol": "circle", "size": 5}, hoverinfo="skip",
                                     hovertemplate=None), **at)  # fmt: skip
        figure.add_trace(_points(samples, own, layout, place), **at)
    return _bare(figure).update_layout(height=60 + 330 * -(-len(names) // across), showlegend=False,
                                       margin=MARGIN | {"t": 34})  # fmt: skip


def _thinned(order: np.ndarray) -> np.ndarray:
    """Of more than ``MOST`` so many, evenly: first and last among them."""
    if len(order) <= MOST:
        return order
    return np.asarray(order[np.linspace(0, len(order) - 1, MOST).round().astype(np.int64)])


def wrapped(name: str, width: int, lines: int) -> str:
    """A name for an axis: escaped, on so many lines of so many letters at most."""
    cut = textwrap.wrap(name, width, break_on_hyphens=False) or [name]
    if len(cut) > lines:
        cut = [*cut[: lines - 1], f"{cut[lines - 1][: width - 1]}…"]
    return "<br>".join(escape(each) for each in cut)


def _points(samples: pd.DataFrame, rows: np.ndarray, layout: str, place: int) -> go.Scattergl:
    part = samples.iloc[rows]
    texts = [
        f"{escape(i)}<br>label {escape(c)}, predicted {escape(p)}<br>{escape(s)}"
        for i, c, p, s in zip(part["sample_id"], part["class_name"], part["predicted"], part["source"], strict=True)
    ]
    return go.Scattergl(
        x=part[f"{layout}_x"].to_numpy(dtype=np.float32), y=part[f"{layout}_y"].to_numpy(dtype=np.float32),
        mode="markers", customdata=rows.astype(int), text=texts, hovertemplate="%{text}<extra></extra>",
        marker={"color": SET_COLOURS[place], "symbol": SYMBOLS[place], "size": 8, "opacity": 0.8},
    )  # fmt: skip


def _bare(figure: go.Figure) -> go.Figure:
    """Distances mean little on these maps: no ticks, no grid."""
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False, ticks="")
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, ticks="")
    return figure.update_layout(margin=MARGIN, hovermode="closest", dragmode="pan")


def _heat(
    numbers: FloatArray, texts: Sequence[str], hover: Sequence[str], grid: tuple[int, int], bar: Mapping[str, object],
    written: bool, limits: tuple[float, float] | None = None,
) -> go.Figure:  # fmt: skip
    low, high = limits or colour_limits(numbers)
    figure = go.Figure(go.Heatmap(
        z=numbers, colorscale="Viridis", xgap=2, ygap=2, zmin=low, zmax=high, hoverongaps=True,
        customdata=np.array(hover, dtype=object).reshape(grid), hovertemplate="%{customdata}<extra></extra>",
        colorbar={"thickness": 12, "outlinewidth": 0, "tickformat": "~g", **bar},
    ))  # fmt: skip
    for place, value in enumerate(numbers.ravel() if written else ()):
        figure.add_annotation(
            x=place % grid[1], y=place // grid[1], text=texts[place], showarrow=False,
            font={"size": 12, "color": _ink((value - low) / (high - low))},
        )  # fmt: skip
    return figure


def _ink(share: float) -> str:
    """What is read on a place of viridis from 0 to 1, or on no colour at all."""
    return NEUTRAL if not np.isfinite(share) else "#ffffff" if share < 0.47 else "#111111"


def _axes(figure: go.Figure, rows: Sequence[str], columns: Sequence[str], across: str, down: str) -> go.Figure:
    """Names along both axes, the first row on top; numbers as names stay names."""
    figure.update_xaxes(tickvals=list(range(len(columns))), ticktext=[wrapped(each, *BELOW) for each in columns],
                        title=across, tickangle=0 if len(columns) <= WRITTEN else None, showgrid=False,
                        zeroline=False)  # fmt: skip
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=[wrapped(each, *LEFT) for each in rows], title=down,
                        autorange="reversed", showgrid=False, zeroline=False)  # fmt: skip
    return figure.update_layout(margin=MARGIN)


def _faded(colour: str) -> str:
    """A colour of six digits at a fifth of its strength."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"
