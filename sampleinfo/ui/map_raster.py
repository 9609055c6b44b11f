"""A map of very many images: a picture, whose selections are found on the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from sampleinfo import figures
from sampleinfo.figures import Drawing, Window
from sampleinfo.types import IntArray
from sampleinfo.ui import map_picture
from sampleinfo.ui.map_picture import Laid
from sampleinfo.ui.map_select import selected_places

#: Pixels of a chart above and below its map.
FRAME = 16


@dataclass(frozen=True, eq=False)
class Raster:
    """The drawing of some ``rows`` on the chart with this ``key``, which is ``height`` pixels high.

    ``token`` names run and layout: what the browser says of another map is not heard.
    """

    key: str
    token: str
    drawing: Drawing
    rows: IntArray
    height: int

    @cached_property
    def home(self) -> Window:
        """All of it."""
        return figures.whole(self.drawing.points.places, height=self.height - FRAME)

    @cached_property
    def window(self) -> Window:
        """What is looked at."""
        return map_picture.window_of(self.key, self.token, self.home)

    def clicked(self) -> list[int] | None:
        """The row that was just clicked, none after a double click; None where neither happened."""
        if map_picture.cleared(self.key):
            return []
        found = map_picture.clicked(self.key, self.drawing.points.places)
        return None if found is None else [int(self.rows[found])]

    def figure(self, bright: IntArray | None) -> go.Figure:
        """The chart, with a picture of everything; ``bright``: the rows that do not fade, None: all."""
        st.session_state[f"{self.key}-drawn"] = (self.window, bright)
        return figures.raster_map(self.drawing, self._mask(bright), self.window, self.home)

    def picked(self, event: Mapping[str, Any] | None) -> list[int]:
        """The rows in the boxes and lassos of an event of the chart."""
        inside = selected_places(event, self.drawing.points.places)
        return [int(row) for row in self.rows[inside]]

    def over(self, bright: IntArray | None) -> None:
        """Lay over the chart what it does not show itself."""
        window, shown = st.session_state[f"{self.key}-drawn"]
        whole = (self.window.x, self.window.y) == (self.home.x, self.home.y)
        same = bright is shown or (bright is not None and shown is not None and np.array_equal(bright, shown))
        if same and whole and self.window == window:
            map_picture.follow(self.key, self.token, self.window)
        else:
            part = self.window if whole else self.window.wider(map_picture.BEYOND)
            picture = figures.picture(self.drawing.points, self._mask(bright), part)
            map_picture.follow(self.key, self.token, self.window, Laid(picture, part.x, part.y))

    def _mask(self, bright: IntArray | None) -> np.ndarray | None:
        return None if bright is None else np.isin(self.rows, bright)
