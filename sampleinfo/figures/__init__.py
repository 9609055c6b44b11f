"""Data frame -> plotly figure. No streamlit, no files."""

from sampleinfo.figures.charts import histogram, truth_scatter
from sampleinfo.figures.classes import class_needs, class_spread, group_colour, group_map, group_needs
from sampleinfo.figures.common import MARKED, NEUTRAL, PALETTE, limits, log_ticks, short
from sampleinfo.figures.curves import SET_COLOURS, SET_MARKS, growth_curves, strategy_curves
from sampleinfo.figures.maps import category_map, preview_map, score_map
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
    "MARKED", "NEUTRAL", "PALETTE", "SET_COLOURS", "SET_MARKS", "category_map", "class_needs", "class_spread",
    "correlation", "equal_sizes", "found_curves", "group_colour", "group_map", "group_needs", "growth_curves",
    "histogram", "limits", "log_ticks", "precision_curves", "preview_map", "roc_curves", "score_agreement", "score_map",
    "short", "source_classes", "source_distributions", "source_intervals", "source_map", "source_panels",
    "strategy_curves", "teaching", "truth_scatter",
]  # fmt: skip
