"""What is selected on a map that has no points in the browser: places inside what was drawn, or near a click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sampleinfo.types import FloatArray


def within_box(places: FloatArray, x: Sequence[float], y: Sequence[float]) -> np.ndarray:
    """(n,) mask of the (n, 2) places in a box; ``x`` and ``y`` are two of its corners, in any order."""
    low, high = np.array([min(x), min(y)]), np.array([max(x), max(y)])
    return np.asarray(((places >= low) & (places <= high)).all(axis=1))


def within(places: FloatArray, x: Sequence[float], y: Sequence[float]) -> np.ndarray:
    """(n,) mask of the (n, 2) places inside a polygon with these corners, closed or not; even-odd where it crosses.

    A ray to the right of a place crosses the outline an odd number of times exactly if the place is inside.
    """
    if len(x) < 3:
        return np.zeros(len(places), dtype=bool)
    near = np.flatnonzero(within_box(places, x, y))
    across, up = places[near].T
    odd = np.zeros(len(near), dtype=bool)
    for (x0, y0), (x1, y1) in zip(
        zip(x, y, strict=True), zip([*x[1:], x[0]], [*y[1:], y[0]], strict=True), strict=True
    ):
        if y0 != y1:
            odd ^= ((y0 > up) != (y1 > up)) & (across < (x1 - x0) * (up - y0) / (y1 - y0) + x0)
    mask = np.zeros(len(places), dtype=bool)
    mask[near[odd]] = True
    return mask


def selected_places(event: Mapping[str, object] | None, places: FloatArray) -> np.ndarray:
    """(n,) mask of the (n, 2) places in any of the boxes and lassos of an event of a chart."""
    mask = np.zeros(len(places), dtype=bool)
    selection = event["selection"] if event else {}
    for kind, inside in (("box", within_box), ("lasso", within)):
        for shape in selection.get(kind) or ():  # type: ignore[attr-defined]
            x, y = ([float(each) for each in shape[axis]] for axis in "xy")
            if len(x) == len(y) > 1:
                mask |= inside(places, x, y)
    return mask


def nearest(places: FloatArray, at: Sequence[float], unit: Sequence[float], reach: float) -> int | None:
    """The number of the place nearest to ``at`` on screen; None where none is within ``reach`` pixels.

    ``unit``: how much of each coordinate a pixel spans.
    """
    if not len(places):
        return None
    apart = (places - np.asarray(at, dtype=np.float64)) / np.asarray(unit, dtype=np.float64)
    distance = np.nan_to_num(apart[:, 0] ** 2 + apart[:, 1] ** 2, nan=np.inf)
    best = int(np.argmin(distance))
    return best if distance[best] <= reach**2 else None
