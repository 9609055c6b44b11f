"""Maps of more images than a browser can hold: a picture under two points that nobody sees.

The points carry the colour bar and say how far the axes reach. What is selected, and which image is near a place,
is found by who draws the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from sampleinfo.figures.common import PALETTE, escape, limits
from sampleinfo.figures.maps import MOST_NAMED, bare, category_map, colour_scale, scaled
from sampleinfo.figures.raster import MOST_COLOURS, RASTER_FROM, Points, Window, levels, picture, whole

#: Pixels of a place in the legend.
MARK = 8


@dataclass(frozen=True, eq=False)
class Drawing:
    """Points, and how their colours are explained: the scale of a marker, or the names of categories."""

    points: Points
    scale: dict[str, object] | None = None
    names: tuple[str, ...] = ()


def score_drawing(
    samples: pd.DataFrame, rows: np.ndarray, layout: str, column: str, title: str, scale: str
) -> Drawing:  # fmt: skip
    """The rows coloured by a numeric column as ``score_map`` does; a pixel shows its largest value."""
    values = samples[column].to_numpy(dtype=np.float64)[rows]
    known = np.isfinite(values)
    shown = np.full(len(values), np.nan)
    shown[known] = scaled(values[known], scale)
    codes = levels(shown, limits(shown))
    return Drawing(
        Points(places_of(samples, rows, layout), codes, _viridis(), "largest"), colour_scale(shown[known], title, scale)
    )


def category_drawing(samples: pd.DataFrame, rows: np.ndarray, layout: str, column: str) -> Drawing:
    """The rows coloured by category as ``category_map`` does; a pixel shows its commonest category."""
    values = samples[column].iloc[rows]
    names = sorted(values.unique())
    codes = pd.Categorical(values, names).codes.astype(np.int64) + 1
    colours = [PALETTE[number % len(PALETTE)] for number in range(min(len(names), len(PALETTE)) or 1)]
    return coloured(places_of(samples, rows, layout), codes, colours, [str(name) for name in names])


def coloured(places: np.ndarray, codes: np.ndarray, colours: Sequence[str], names: Sequence[str]) -> Drawing:
    """Places (n, 2) in the colours (``#rrggbb``) of their codes 1, 2, ...; ``names`` for the legend."""
    return Drawing(Points(places, codes, rgb(colours), "commonest"), None, tuple(names))


def raster_map(drawing: Drawing, bright: np.ndarray | None, window: Window, home: Window) -> go.Figure:
    """The picture of all points, which are in ``home``; the axes show ``window``, and go back to all.

    ``bright``: (n,) mask of the points that do not fade, None: all.
    """
    figure = go.Figure(_ends(home, drawing.scale))
    listed = drawing.names if len(drawing.names) <= MOST_NAMED else ()
    for number, name in enumerate(listed):
        colour = drawing.points.colours[number % len(drawing.points.colours)]
        figure.add_trace(_mark(name, "#" + bytes(colour).hex()))
    bare(figure).update_xaxes(range=list(window.x)).update_yaxes(range=list(window.y))
    legend = {"orientation": "h", "y": -0.02, "title": None, "itemclick": False, "itemdoubleclick": False}
    home = replace(home, width=window.width, height=window.height, sharpness=window.sharpness)
    image = image_at(picture(drawing.points, bright, home), home)
    return figure.update_layout(images=[image], legend=legend, hovermode=False)


def preview_map(table: pd.DataFrame) -> go.Figure:
    """The first results of a run: places by PCA, colours by class."""
    rows = np.arange(len(table))
    if len(table) <= RASTER_FROM:
        figure = category_map(table, rows, "pca", "class_name", ())
    else:
        drawing = category_drawing(table, rows, "pca", "class_name")
        home = whole(drawing.points.places, height=300)
        figure = raster_map(drawing, None, home, home)
    return figure.update_layout(height=320, dragmode="pan")


def places_of(samples: pd.DataFrame, rows: np.ndarray, layout: str) -> np.ndarray:
    """(n, 2) places of some rows on a map; ``layout`` is the prefix of the coordinate columns."""
    return np.column_stack([samples[f"{layout}_{axis}"].to_numpy(dtype=np.float64)[rows] for axis in "xy"])


def rgb(colours: Sequence[str]) -> np.ndarray:
    """(C, 3) uint8 of colours written as ``#rrggbb``."""
    return np.array([[int(each[at : at + 2], 16) for at in (1, 3, 5)] for each in colours], dtype=np.uint8)


def _viridis() -> np.ndarray:
    shares = (np.arange(MOST_COLOURS) + 0.5) / MOST_COLOURS
    colours = sample_colorscale("Viridis", shares.tolist(), colortype="tuple")
    return np.asarray(np.rint(255 * np.array(colours)), dtype=np.uint8)


def _ends(home: Window, scale: dict[str, object] | None) -> go.Scatter:
    """Two points in the corners of a window that are not seen; they show the colour bar."""
    marker: dict[str, object] = {"size": 1, "opacity": 0}
    if scale is not None:
        marker |= {**scale, "color": [scale["cmin"], scale["cmax"]], "showscale": True}
    return go.Scatter(
        x=list(home.x), y=list(home.y), mode="markers", marker=marker, hoverinfo="skip", showlegend=False
    )  # fmt: skip


def _mark(name: str, colour: str) -> go.Scatter:
    """A line of the legend, without a point on the map."""
    return go.Scatter(
        x=[None], y=[None], mode="markers", name=escape(name), marker={"color": colour, "size": MARK}, hoverinfo="skip",
        showlegend=True,
    )  # fmt: skip


def image_at(source: str, window: Window, xref: str | None = None, yref: str | None = None) -> dict[str, object]:
    """A picture below the points of a figure, where its window is on these axes."""
    (left, right), (low, high) = window.x, window.y
    return {
        "source": source, "xref": xref or "x", "yref": yref or "y", "x": left, "y": high, "sizex": right - left,
        "sizey": high - low, "xanchor": "left", "yanchor": "top", "sizing": "stretch", "layer": "below",
    }  # fmt: skip
