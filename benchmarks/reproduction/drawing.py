"""Pictures: light background, the colour-blind-safe colours of Okabe and Ito (2008), no display needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from sampleinfo.types import FloatArray, ImageArray

BLUE, ORANGE, GREEN, PURPLE, SKY, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#666666"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, GREY)
MARKERS = ("o", "s", "^", "D", "v", "x")
SIZE = 11


def panels(count: int, width: float = 5.0, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A row of empty axes."""
    figure = Figure(figsize=(width * count, height), layout="constrained")
    axes = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for each in axes:
        each.tick_params(labelsize=SIZE - 1)
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
    return figure, axes


def name(axes: Axes, title: str, x: str, y: str) -> None:
    """Title and axis labels."""
    axes.set_title(title, fontsize=SIZE + 1)
    axes.set_xlabel(x, fontsize=SIZE)
    axes.set_ylabel(y, fontsize=SIZE)


def logarithmic(axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis for values from ``low`` to ``high``, with labels that do not touch however short it is."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    every = np.outer(decades, (1, 2, 5) if high < 100 * low else (1,)).ravel()
    inside = every[(every >= low) & (every <= high)]
    ticks = inside.tolist() if len(inside) > 1 else [low, high]
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(lambda value, _: f"{value:.2g}")
    axis.set_minor_formatter(NullFormatter())


def histogram(axes: Axes, groups: Mapping[str, FloatArray], bins: int = 30) -> None:
    """Share of each group's samples per bin of nats, on a logarithmic axis; what is below a millionth of the largest is
    in the lowest bin."""
    every = np.concatenate([*groups.values()])
    edges = np.geomspace(max(every.min(), every.max() * 1e-6), every.max(), bins + 1).tolist()
    for (words, values), colour in zip(groups.items(), COLOURS, strict=False):
        weights = np.full(len(values), 1 / len(values))
        shown = np.maximum(values, edges[0])
        label = f"{words} ({len(values)})" if words else None
        axes.hist(shown, edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.35)
        axes.hist(shown, edges, weights=weights, histtype="step", color=colour, linewidth=1.6, label=label)
    axes.set_xscale("log")
    if any(groups):
        axes.set_ylim(top=1.35 * axes.get_ylim()[1])
        axes.legend(fontsize=SIZE - 1, frameon=False)


def information(title: str, groups: Mapping[str, FloatArray]) -> Figure:
    """One ``histogram`` of F-SI."""
    figure, (axes,) = panels(1, width=6.5)
    histogram(axes, groups)
    name(axes, title, "F-SI, nats", "share of the group")
    return figure


def against_truth(axes: Axes, title: str, truth: FloatArray, estimates: Mapping[str, FloatArray]) -> None:
    """Nats estimated against those of retraining, one colour and marker each; on the line they agree."""
    for (words, values), colour, marker in zip(estimates.items(), COLOURS, MARKERS, strict=False):
        axes.scatter(truth, values, s=26, c=colour, marker=marker, alpha=0.8, label=words)
    axes.plot([truth.min(), truth.max()], [truth.min(), truth.max()], color=GREY, linewidth=1)
    every = np.concatenate([*estimates.values()])
    logarithmic(axes.xaxis, truth.min(), truth.max())
    logarithmic(axes.yaxis, every.min(), every.max())
    name(axes, title, "nats by retraining", "nats estimated")
    axes.legend(fontsize=SIZE - 2, frameon=False)


def contact_sheet(rows: Mapping[str, Sequence[tuple[ImageArray, str]]]) -> Figure:
    """Pictures with captions, a named row each."""
    width = max(len(row) for row in rows.values())
    figure = Figure(figsize=(1.15 * width, 1.65 * len(rows)), layout="constrained")
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (words, row) in zip(parts, rows.items(), strict=True):
        part.suptitle(words, fontsize=SIZE, x=0.01, ha="left")
        for place, (picture, caption) in enumerate(row):
            axes = part.add_subplot(1, width, place + 1)
            axes.imshow(picture, cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=255)
            axes.set_title(caption, fontsize=SIZE - 3)
            axes.set_axis_off()
    return figure
