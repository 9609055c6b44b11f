"""The maps of sources, and of the groups of a class, where there are more images than a browser can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sampleinfo.figures.common import NEUTRAL
from sampleinfo.figures.raster import Points, Window, picture, whole
from sampleinfo.figures.raster_maps import coloured, image_at, places_of, raster_map, rgb

#: These maps are not drawn anew for the part that is looked at: their pictures bear being enlarged.
SHARPNESS = 2.0
#: Pixels of a map among others on screen.
PANEL = (330, 300)


def parts_map(
    samples: pd.DataFrame, rows: Sequence[np.ndarray], layout: str, colours: Sequence[str], names: Sequence[str]
) -> go.Figure:
    """Several parts of the samples over each other, each in its colour; a pixel shows the commonest part."""
    places = places_of(samples, np.concatenate(rows), layout)
    codes = np.repeat(np.arange(1, len(rows) + 1), [len(own) for own in rows])
    home = whole(places, sharpness=SHARPNESS)
    return raster_map(coloured(places, codes, colours, names), None, home, home)


def panels(
    figure: go.Figure, samples: pd.DataFrame, rows: Sequence[np.ndarray], layout: str, colours: Sequence[str],
    across: int,
) -> go.Figure:  # fmt: skip
    """Put such parts into the panels of a figure, ``across`` beside each other: one in its colour, the rest grey."""
    everything = np.concatenate(rows)
    places = places_of(samples, everything, layout)
    part = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    home = replace(whole(places, *PANEL), sharpness=SHARPNESS)
    for number, colour in enumerate(colours):
        own = part == number
        source = picture(Points(places, own.astype(np.int64), rgb([colour]), "commonest"), own, home)
        figure.add_trace(corners(home), row=number // across + 1, col=number % across + 1)
        axes = figure.data[-1]
        figure.add_layout_image(image_at(source, home, axes.xaxis, axes.yaxis))
    return figure


def grey_map(samples: pd.DataFrame, rows: np.ndarray, layout: str, home: Window) -> go.Figure:
    """Nothing but some images in grey, to draw others over."""
    places = places_of(samples, rows, layout)
    points = Points(places, np.ones(len(rows), dtype=np.int64), rgb([NEUTRAL]), "commonest")
    figure = go.Figure(corners(home))
    return figure.add_layout_image(image_at(picture(points, np.zeros(len(rows), dtype=bool), home), home))


def corners(home: Window) -> go.Scatter:
    """Two points that nobody sees: they say how far the axes reach."""
    return go.Scatter(
        x=list(home.x), y=list(home.y), mode="markers", marker={"size": 1, "opacity": 0}, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
