"""Classes of a run and the groups inside them: needs, shares, distributions and maps, one line per class or group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sampleinfo.figures.common import MARGIN, MARKER, NEUTRAL, OUTLINE, PALETTE, escape, short
from sampleinfo.figures.raster import RASTER_FROM, whole
from sampleinfo.figures.raster_maps import places_of
from sampleinfo.figures.raster_parts import SHARPNESS, grey_map, parts_map

#: Pixels of a line, of everything else, and letters of a name.
LINE, FRAME, NAME = 30, 100, 18
PLAIN, MARKED_BAR, HELD = "#4477aa", "#ee8866", "#aa3377"
#: Colours of up to eight groups on the map and in the bars.
GROUPS = PALETTE[:8]
#: Pixels of everything else where there is no legend.
SHORT = 64
#: Ratio of quantiles from which on their axis is logarithmic.
DECADES = 30.0


def class_needs(table: pd.DataFrame, chosen: int) -> go.Figure:
    """Need, and share of the information beside share of the images, with 95 % intervals; a line per class.

    ``table``: as the analysis *classes* gives it; ``chosen``: the label in bold. Bars know their label (customdata).
    """
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04, column_widths=[0.52, 0.48],
        subplot_titles=("need", "share of the information"),
    )  # fmt: skip
    places = np.arange(len(table))
    marked = table["under_sampled"].to_numpy(dtype=bool)
    for mask, colour, name in ((~marked, PLAIN, "not under-sampled"), (marked, MARKED_BAR, "under-sampled")):
        part, where = table[mask], places[mask]
        if part.empty:
            continue
        for column, measure in ((1, "need"), (2, "information_share")):
            figure.add_trace(_bars(part, where, measure, colour, name, column == 1, part["label"]), 1, column)
    figure.add_scatter(
        x=table["share"], y=places, mode="markers", name="share of the images", customdata=table["label"], row=1, col=2,
        marker={"symbol": "diamond", "size": 10, "color": HELD, "line": {"width": 1.5, "color": "#ffffff"}},
        text=[escape(each) for each in table["class_name"]],
        hovertemplate="%{text}<br>share of the images %{x:.1%}<extra></extra>",
    )  # fmt: skip
    known = table["need"].dropna()
    if len(known) > 1:
        figure.add_vline(
            float(known.median()), line={"color": NEUTRAL, "dash": "dot", "width": 2}, row=1, col=1,
        )  # fmt: skip
    figure.update_xaxes(tickformat=".0%", col=2)
    return _lines(figure, table["class_name"], table["label"] == chosen)


def class_spread(table: pd.DataFrame, chosen: int) -> go.Figure:
    """F-SI of the images of each class (5, 25, 50, 75, 95 %), and its accuracy on training and validation images."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04, column_widths=[0.52, 0.48],
        subplot_titles=("F-SI per image, nats", "accuracy"),
    )  # fmt: skip
    places = np.arange(len(table))
    figure.add_trace(go.Box(
        y=places, q1=table["q25"], median=table["q50"], q3=table["q75"], lowerfence=table["q05"],
        upperfence=table["q95"], orientation="h", width=0.55, line={"color": PLAIN, "width": 1.5}, showlegend=False,
        name="F-SI", hoverinfo="x",
    ), 1, 1)  # fmt: skip
    figure.add_scatter(
        x=table["mean"], y=places, mode="markers", name="mean F-SI", row=1, col=1,
        marker={"symbol": "x-thin", "size": 9, "line": {"width": 2.5, "color": HELD}},
        text=[escape(each) for each in table["class_name"]],
        hovertemplate="%{text}<br>mean F-SI %{x:.3g} nats<extra></extra>",
    )  # fmt: skip
    for measure, name, colour, symbol, shift in (
        ("leave_one_out_accuracy", "training images, left out", PLAIN, "circle", -0.15),
        ("validation_accuracy", "validation images", MARKED_BAR, "diamond", 0.15),
    ):
        figure.add_scatter(
            x=table[measure], y=places + shift, mode="markers", name=name, error_x=_ends(table, measure, colour),
            marker={"symbol": symbol, "size": 9, "color": colour}, row=1, col=2,
            text=_texts(table, measure, "{:.1%}"), hovertemplate="%{text}<br>" + name + "<extra></extra>",
        )  # fmt: skip
    low, high = (table[each].to_numpy(dtype=np.float64) for each in ("q05", "q95"))
    if np.nanmin(low, initial=np.inf) > 0 and np.nanmax(high, initial=0.0) > DECADES * np.nanmin(low):
        figure.update_xaxes(type="log", dtick=1, col=1)
    else:
        _round_ticks(figure, float(np.nanmax(high, initial=0.0)))
    figure.update_xaxes(tickformat=".0%", col=2)
    return _lines(figure, table["class_name"], table["label"] == chosen)


def group_needs(groups: pd.DataFrame, chosen: int | None) -> go.Figure:
    """Mean F-SI and need of the groups of one class with 95 % intervals; bars know their group (customdata)."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=("mean F-SI, nats", "need"),
    )  # fmt: skip
    for place, (_, row) in enumerate(groups.iterrows()):
        part, colour = groups.iloc[[place]], group_colour(int(row["group"]))
        names = part.assign(class_name=f"group {row['group']}")
        for column, measure in ((1, "mean"), (2, "need")):
            figure.add_trace(
                _bars(names, np.array([place]), measure, colour, f"group {row['group']}", False, part["group"]),
                1, column,
            )  # fmt: skip
    _round_ticks(figure, float(groups["mean_high"].fillna(groups["mean"]).max()))
    lines = [f"{row['group']} · {row['size']} images" for _, row in groups.iterrows()]
    return _lines(figure, lines, groups["group"] == chosen).update_layout(
        showlegend=False, height=SHORT + LINE * len(groups), margin={"l": 8, "r": 16, "t": SHORT - 8, "b": 8}
    )


def group_map(samples: pd.DataFrame, members: pd.DataFrame, chosen: int | None) -> go.Figure:
    """The training images by UMAP: those of one class coloured by group, the others small and grey.

    ``members``: row of ``samples``, group and nats of the images of the class. Points know their row (customdata).
    """
    inside = members["row"].to_numpy()
    others = np.setdiff1d(np.flatnonzero((samples["split"] == "train").to_numpy()), inside)
    if len(inside) > RASTER_FROM:
        return _group_picture(samples, members, chosen)
    figure = _others(samples, others, inside)
    ids = samples["sample_id"].to_numpy()
    for group in np.sort(members["group"].unique()):
        part = members[members["group"] == group]
        rows = part["row"].to_numpy()
        figure.add_trace(go.Scattergl(
            x=samples["umap_x"].to_numpy(np.float32)[rows], y=samples["umap_y"].to_numpy(np.float32)[rows],
            mode="markers", name=f"group {group}", customdata=rows.astype(int),
            marker={"color": group_colour(int(group)), "size": MARKER, "line": {"width": 1, "color": OUTLINE},
                    "opacity": 1.0 if chosen in (None, group) else 0.15},
            unselected={"marker": {"opacity": 1.0 if chosen in (None, group) else 0.15}},
            text=[f"{escape(ids[row])}<br>F-SI {short(nats, 3)}" for row, nats in zip(rows, part["nats"], strict=True)],
            hovertemplate="%{text}<br>%{fullData.name}<extra></extra>",
        ))  # fmt: skip
    return _map(figure)


def _map(figure: go.Figure) -> go.Figure:
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    return figure.update_layout(
        xaxis=axis, yaxis=axis, margin=MARGIN, height=400, dragmode="pan", hovermode="closest",
        clickmode="event+select", legend={"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "title": None},
    )  # fmt: skip


def _group_picture(samples: pd.DataFrame, members: pd.DataFrame, chosen: int | None) -> go.Figure:
    """The groups of so large a class that its images are no points any more: only its bars can be clicked."""
    groups = sorted(int(each) for each in members["group"].unique() if chosen in (None, each))
    rows = [members.loc[members["group"] == group, "row"].to_numpy() for group in groups]
    training = np.flatnonzero((samples["split"] == "train").to_numpy())
    parts, colours = [*rows, np.setdiff1d(training, np.concatenate(rows))], [*map(group_colour, groups), NEUTRAL]
    names = [*(f"group {group}" for group in groups), "others"]
    return _map(parts_map(samples, parts, "umap", colours, names))


def _others(samples: pd.DataFrame, others: np.ndarray, inside: np.ndarray) -> go.Figure:
    """The images that are no members, small and grey; as a picture where there are many."""
    if len(others) + len(inside) > RASTER_FROM:
        home = whole(places_of(samples, np.concatenate([others, inside]), "umap"), sharpness=SHARPNESS)
        return grey_map(samples, others, "umap", home)
    return go.Figure(go.Scattergl(
        x=samples["umap_x"].to_numpy(np.float32)[others], y=samples["umap_y"].to_numpy(np.float32)[others],
        mode="markers", marker={"color": NEUTRAL, "size": 4, "opacity": 0.3}, name="other classes", hoverinfo="skip",
    ))  # fmt: skip


def group_colour(group: int) -> str:
    """The colour of group 1, 2, ..."""
    return GROUPS[(group - 1) % len(GROUPS)]


def _bars(
    part: pd.DataFrame, places: np.ndarray, measure: str, colour: str, name: str, legend: bool, numbers: pd.Series
) -> go.Bar:
    """Horizontal bars with intervals; clicking one leaves the others as they are."""
    words, form = {
        "need": ("need", "{:.3g}"), "information_share": ("share of the information", "{:.1%}"),
        "mean": ("mean F-SI", "{:.3g}"),
    }[measure]  # fmt: skip
    return go.Bar(
        x=part[measure], y=places, orientation="h", width=0.62, name=name, legendgroup=name, showlegend=legend,
        marker={"color": colour}, error_x=_ends(part, measure, OUTLINE), customdata=numbers,
        unselected={"marker": {"opacity": 1.0}}, text=_texts(part, measure, form), textposition="none",
        hovertemplate="%{text}<br>" + words + "<extra></extra>",
    )  # fmt: skip


def _cut(name: str) -> str:
    """A name with its beginning and its end; the middle of a long one is left out."""
    half = NAME // 2
    return name if len(name) <= NAME else f"{name[:half]}…{name[1 - half :]}"


def _round_ticks(figure: go.Figure, high: float) -> None:
    """Round numbers from 0 to ``high`` on the first axis, however small they are."""
    if not (np.isfinite(high) and high > 0):
        return
    size = 10 ** np.floor(np.log10(high / 3))
    step = next(size * each for each in (1, 2, 5, 10) if high / (size * each) <= 4)
    places = step * np.arange(int(high / step) + 1)
    figure.update_xaxes(tickvals=places, ticktext=[short(each) for each in places], col=1)


def _ends(part: pd.DataFrame, measure: str, colour: str) -> dict[str, Any]:
    middle, low, high = (part[f"{measure}{end}"].to_numpy(np.float64) for end in ("", "_low", "_high"))
    return {
        "type": "data", "symmetric": False, "array": np.nan_to_num(high - middle).clip(0),
        "arrayminus": np.nan_to_num(middle - low).clip(0), "thickness": 2, "width": 4, "color": colour,
    }  # fmt: skip


def _texts(part: pd.DataFrame, measure: str, form: str) -> list[str]:
    """``name: value [low, high]`` of every line."""
    columns = ["class_name", measure, f"{measure}_low", f"{measure}_high"]
    return [
        f"{escape(name)}: {form.format(middle)} [{form.format(low)}, {form.format(high)}]"
        for name, middle, low, high in part[columns].itertuples(index=False)
    ]


def _lines(figure: go.Figure, names: Sequence[str] | pd.Series, bold: pd.Series) -> go.Figure:
    """One line per name, the first on top; the axes of the values stand above, where they are seen first."""
    shown = [escape(_cut(str(name))) for name in names]
    texts = [f"<b>▸ {name}</b>" if strong else name for name, strong in zip(shown, bold, strict=True)]
    figure.update_yaxes(
        range=[len(shown) - 0.4, -0.6],
        tickvals=list(range(len(shown))),
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(ticktext=texts, col=1)
    figure.update_xaxes(fixedrange=True, nticks=5, zeroline=True, zerolinecolor=NEUTRAL, side="top", exponentformat="e")
    figure.for_each_annotation(lambda each: each.update(font={"size": 13}, yshift=22))
    return figure.update_layout(
        height=FRAME + LINE * len(shown), margin={"l": 8, "r": 16, "t": FRAME - 8, "b": 8}, barmode="overlay",
        dragmode=False, clickmode="event+select", hovermode="closest",
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0, "title": None},
    )  # fmt: skip
