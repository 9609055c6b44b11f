"""A map of very many images as a picture: pixels are made here, and the browser gets no points.

A pixel that several points share shows the largest value (the most frequent category), never the mean: what is rare
and large stays seen. numpy does it in milliseconds; datashader would do the same for seven more packages (18 MB) and
seconds of compiling in every process that shows a page.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from sampleinfo.types import FloatArray, IntArray

#: Images up to which a map has a point for each; beyond that it is a picture.
RASTER_FROM = 20_000
#: Colours of a picture: a palette of 256 holds them twice, bright and faded, and a few more.
MOST_COLOURS = 120
#: Pixels a picture has on screen unless the browser has said how many it has, and per pixel of the screen.
WIDTH, HEIGHT, SHARPNESS = 620, 444, 1.5
#: Room around the outermost points, as a share of the whole.
ROOM = 0.03
#: Diameters of a point on screen, in pixels: the largest, up to so many points, and the smallest.
LARGEST, FEW, SMALLEST = 8.0, 5_000, 2.0
#: Bright points are as large as so many times as many points would be, and not smaller than faded ones.
FOUND = 10
#: Opacities of 256: of points that are not selected, and of the line around those that are.
FAINT, LINE = 58, 200
GREY = (138, 150, 158)
EMPTY, OUTLINED, HOLLOW, HOLLOW_FAINT, FIRST = range(5)


@dataclass(frozen=True)
class Window:
    """The part of the plane that is shown: from the least to the largest of each coordinate, in their units.

    ``width`` and ``height``: its pixels on screen; ``sharpness``: pixels of the picture for one of the screen.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT
    sharpness: float = SHARPNESS

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        return max(1, round(self.height * self.sharpness)), max(1, round(self.width * self.sharpness))

    def wider(self, share: float) -> Window:
        """The same with ``share`` of its width and height more on every side, as sharp as before."""
        (left, right), (low, high) = self.x, self.y
        across, up = share * (right - left), share * (high - low)
        return replace(
            self, x=(left - across, right + across), y=(low - up, high + up),
            width=round(self.width * (1 + 2 * share)), height=round(self.height * (1 + 2 * share)),
        )  # fmt: skip

    def pixels(self, places: FloatArray) -> tuple[np.ndarray, IntArray]:
        """Which of the (n, 2) places are inside, and the pixel of each of those, counted along the rows of pixels."""
        rows, columns = self.shape
        across = (places[:, 0] - self.x[0]) / (self.x[1] - self.x[0])
        down = (self.y[1] - places[:, 1]) / (self.y[1] - self.y[0])
        inside = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
        column = np.minimum((across[inside] * columns).astype(np.int64), columns - 1)
        return inside, np.minimum((down[inside] * rows).astype(np.int64), rows - 1) * columns + column


@dataclass(frozen=True, eq=False)
class Points:
    """What is drawn: (n, 2) places and (n,) codes, 0 for a point without a value and else 1, 2, ...

    Code c has colour (c - 1) modulo the number of ``colours`` (C, 3), at most ``MOST_COLOURS``. ``rule``: which code
    a pixel shows that several points share.
    """

    places: FloatArray
    codes: IntArray
    colours: np.ndarray
    rule: Literal["largest", "commonest"]


def whole(places: FloatArray, width: int = WIDTH, height: int = HEIGHT, sharpness: float = SHARPNESS) -> Window:
    """The window with every one of the (n, 2) places, and some room around them."""
    known = [axis[np.isfinite(axis)] for axis in places.T]
    if not all(len(axis) for axis in known):
        known = [np.array([0.0, 1.0])] * 2
    low, high = (np.array([end(axis) for axis in known]) for end in (np.min, np.max))
    room = np.where(high > low, ROOM * (high - low), 0.5)
    (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
    return Window((left, right), (bottom, top), width, height, sharpness)


def levels(values: FloatArray, limits: tuple[float, float]) -> IntArray:
    """(n,) codes 1 to ``MOST_COLOURS`` of values between two limits, even steps; 0 where there is no value."""
    low, high = limits
    known = np.isfinite(values)
    share = np.clip((np.where(known, values, low) - low) / (high - low), 0, 1)
    return np.where(known, 1 + np.minimum((share * MOST_COLOURS).astype(np.int64), MOST_COLOURS - 1), 0)


def diameter(count: int) -> float:
    """Pixels on screen of each of so many points: they shrink with the cube root of their number."""
    return float(np.clip(LARGEST * (FEW / max(count, 1)) ** (1 / 3), SMALLEST, LARGEST))


def indices(points: Points, bright: np.ndarray | None, window: Window) -> np.ndarray:
    """(rows, columns) uint8: which colour of the palette every pixel has.

    ``bright``: (n,) mask of the points that stay bright, None: all. From below: points without a value, faded points,
    a line around bright ones, bright ones. Few bright ones are large, so that they are found among the others.
    """
    inside, pixels = window.pixels(points.places)
    codes = points.codes[inside]
    stays = np.ones(len(codes), dtype=bool) if bright is None else bright[inside]
    small = diameter(len(codes)) * window.sharpness / 2
    large = max(small, diameter(FOUND * int(stays.sum())) * window.sharpness / 2)
    image = np.zeros(window.shape, dtype=np.uint8)
    many, used = int(points.codes.max(initial=0)), len(points.colours)
    for among, colour, radius in ((~stays, HOLLOW_FAINT, small), (stays, HOLLOW, large)):
        mask = among & (codes == 0)
        if mask.any():
            image[_spread(pixels[mask], np.ones(int(mask.sum()), dtype=np.int64), radius, window) > 0] = colour
    for among, first, radius in ((~stays, FIRST + used, small), (stays, FIRST, large)):
        mask = among & (codes > 0)
        if not mask.any():
            continue
        sole, weights = _per_pixel(pixels[mask], codes[mask], points.rule, many)
        if first == FIRST:
            image[_spread(sole, weights, radius + window.sharpness, window) > 0] = OUTLINED
        spread = _spread(sole, weights, radius, window)
        place = spread > 0
        image[place] = first + _colour(spread[place], points.rule, many) % used
    return image


def picture(points: Points, bright: np.ndarray | None, window: Window) -> str:
    """The picture as a ``data:`` address of a PNG, transparent where there is no point."""
    image = Image.fromarray(indices(points, bright, window))
    palette, opacity = _palette(points.colours)
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", transparency=opacity.tobytes(), compress_level=4)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _palette(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(256, 3) colours and (256,) opacities, both uint8."""
    palette, opacity = np.zeros((256, 3), dtype=np.uint8), np.zeros(256, dtype=np.uint8)
    palette[[OUTLINED, HOLLOW, HOLLOW_FAINT]] = GREY
    opacity[[OUTLINED, HOLLOW, HOLLOW_FAINT]] = LINE, LINE, FAINT
    for first, strength in ((FIRST, 255), (FIRST + len(colours), FAINT)):
        palette[first : first + len(colours)], opacity[first : first + len(colours)] = colours, strength
    return palette, opacity


def _per_pixel(pixels: IntArray, codes: IntArray, rule: str, many: int) -> tuple[IntArray, IntArray]:
    """The pixels that are hit, each once, and a weight > 0 of each: the larger one wins where points overlap.

    ``largest``: the weight is the code. ``commonest``: the number of points with the commonest code, times ``many``,
    plus a rest that says the code (the smallest where several are equally common).
    """
    if rule == "largest":
        weights = np.zeros(int(pixels.max()) + 1, dtype=np.int64)
        np.maximum.at(weights, pixels, codes)
    else:
        pairs, counts = np.unique(pixels * many + (codes - 1), return_counts=True)
        weights = np.zeros(int(pixels.max()) + 1, dtype=np.int64)
        np.maximum.at(weights, pairs // many, counts * many + (many - 1 - pairs % many))
    sole = np.flatnonzero(weights)
    return sole, weights[sole]


def _colour(weights: IntArray, rule: str, many: int) -> IntArray:
    """The code that a weight stands for, less one."""
    return weights - 1 if rule == "largest" else many - 1 - weights % many


def _spread(pixels: IntArray, weights: IntArray, radius: float, window: Window) -> IntArray:
    """(rows, columns) int64: the largest weight of the discs around the pixels that reach each pixel, 0 where none."""
    rows, columns = window.shape
    row, column = np.divmod(pixels, columns)
    reach = int(radius)
    out = np.zeros((rows + 2 * reach) * (columns + 2 * reach), dtype=np.int64)
    home = (row + reach) * (columns + 2 * reach) + column + reach
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down**2 + right**2 <= radius**2:
                np.maximum.at(out, home + down * (columns + 2 * reach) + right, weights)
    return out.reshape(rows + 2 * reach, -1)[reach : reach + rows, reach : reach + columns]
