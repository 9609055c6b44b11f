"""Data frame -> plotly figure. No streamlit, no files."""

from sampleinfo.figures.charts import histogram, truth_scatter
from sampleinfo.figures.common import MARKED, NEUTRAL, PALETTE, limits, log_ticks, short
from sampleinfo.figures.curves import SET_COLOURS, SET_MARKS, growth_curves, strategy_curves
from sampleinfo.figures.maps import category_map, preview_map, score_map

__all__ = [
    "MARKED", "NEUTRAL", "PALETTE", "SET_COLOURS", "SET_MARKS", "category_map", "growth_curves", "histogram", "limits",
    "log_ticks", "preview_map", "score_map", "short", "strategy_curves", "truth_scatter",
]  # fmt: skip
