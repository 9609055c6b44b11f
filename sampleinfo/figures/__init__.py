"""Data frame -> plotly figure. No streamlit, no files."""

from sampleinfo.figures.charts import histogram, truth_scatter
from sampleinfo.figures.classes import class_needs, class_spread, group_colour, group_map, group_needs
from sampleinfo.figures.common import MARKED, NEUTRAL, PALETTE, limits, log_ticks, short
from sampleinfo.figures.curves import SET_COLOURS, SET_MARKS, growth_curves, strategy_curves
from sampleinfo.figures.maps import category_map, score_map
from sampleinfo.figures.raster import RASTER_FROM, Points, Window, picture, whole
from sampleinfo.figures.raster_maps import Drawing, category_drawing, preview_map, raster_map, score_drawing
from sampleinfo.figures.review import correlation, score_agreement
from sampleinfo.figures.sources import (
    equal_sizes,
    source_classes,
    source_distributions,
    source_intervals,
    source_map,
    source_panels,
    teaching,
)  # fmt: skip
from sampleinfo.figures.stress import found_curves, precision_curves, roc_curves

__all__ = [
    "MARKED", "NEUTRAL", "PALETTE", "RASTER_FROM", "SET_COLOURS", "SET_MARKS", "Drawing", "Points", "Window",
    "category_drawing", "category_map", "class_needs", "class_spread", "correlation", "equal_sizes", "found_curves",
    "group_colour", "group_map", "group_needs", "growth_curves", "histogram", "limits", "log_ticks", "picture",
    "precision_curves", "preview_map", "raster_map", "roc_curves", "score_agreement", "score_drawing", "score_map",
    "short", "source_classes", "source_distributions", "source_intervals", "source_map", "source_panels",
    "strategy_curves", "teaching", "truth_scatter", "whole",
]  # fmt: skip
