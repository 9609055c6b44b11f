"""The one sentence above the comparison of sources: what the evidence supports and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sampleinfo.evaluation import Accuracy
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.sources_members import ALL
from sampleinfo.reports.sources_numbers import apart, interval, listed, number, reached, times_interval, two_digits


def verdict(tables: Tables) -> str:
    """What the evidence supports and no more: of the worth of an image, and of what sources teach each other."""
    first = _of_images(tables)
    second = _of_teaching(tables["teaches"]) if "teaches" in tables else ""
    return f"{first}{'; ' if second else ''}{second}.{_caution(tables)}"


def _of_images(tables: Tables) -> str:
    """Of the widest clear gap; the intervals of ``ratios`` hold together, so that it may be picked."""
    names = [str(each) for each in tables["worth"]["source"]]
    gap = _gap(tables)
    if gap is None:
        widest = tables["ratios"].sort_values("ratio", ascending=False, kind="stable").iloc[0]
        if len(names) == 2:
            pair = f"an image of {widest['first']} and one of {widest['second']}"
            return f"No clear difference between {pair} ({_times(widest)}, F-SI per image)"
        return f"No clear difference between images of these {len(names)} sources (F-SI per image)"
    first, second = str(gap["first"]), str(gap["second"])
    words = f"An image of {first} is worth {_times(gap)} one of {second} (F-SI per image)"
    unclear = [name for name in names if name not in (first, second) and not _clearly(tables, first, name)]
    if len(names) == 2:
        return words
    return words + (f", and not clearly more than one of {listed(unclear)}" if unclear else ", and the most of all")


def _gap(tables: Tables) -> pd.Series | None:
    """The row of ``ratios`` with the largest ratio of those that are clearly above 1."""
    ratios = tables["ratios"]
    clear = ratios[ratios["low"] > 1].sort_values("ratio", ascending=False, kind="stable")
    return clear.iloc[0] if len(clear) else None


def _clearly(tables: Tables, first: str, second: str) -> bool:
    """Whether an image of ``first`` is clearly worth more than one of ``second``."""
    ratios = tables["ratios"]
    found = ratios[(ratios["first"] == first) & (ratios["second"] == second)]
    return bool((found["low"] > 1).any())


def _times(row: pd.Series) -> str:
    return f"{number(row['ratio'], 2)} times {times_interval(row['low'], row['high'])}"


def _of_teaching(teaches: pd.DataFrame) -> str:
    """Of what each source alone reaches on the validation images of the others."""
    names = [str(each) for each in teaches["trained_on"].unique() if each != ALL]
    cells = teaches[(teaches["trained_on"] != ALL) & (teaches["tested_on"] != ALL)]
    cells = cells[(cells["trained_on"] != cells["tested_on"]) & cells["accuracy"].notna()]
    if len(names) == 2:
        found = [f"{each.trained_on} teaches {each.tested_on} to {reached(each)}" for each in cells.itertuples()]
        if not found:
            return ""
        unclear = len(cells) == 2 and not apart(cells.iloc[0], cells.iloc[1])
        return f"alone, {' and '.join(found) if unclear else ', '.join(found)}{', no clear difference' * unclear}"
    pooled = pd.DataFrame([_pooled(cells[cells["trained_on"] == name]) for name in names]).dropna()
    if len(pooled) < 2:
        return ""
    pooled = pooled.sort_values("accuracy", ascending=False, kind="stable")
    best, worst = next(pooled.itertuples()), list(pooled.itertuples())[-1]
    if not apart(pooled.iloc[0], pooled.iloc[-1]):
        return f"alone, no source clearly teaches the others better ({reached(best)} to {reached(worst)})"
    return (
        f"alone, {best.trained_on} teaches the others to {reached(best)}, {worst.trained_on}, which teaches them "
        f"least, to {reached(worst)}"
    )


def _pooled(cells: pd.DataFrame) -> dict[str, object]:
    """What a source reaches on the validation images of all others, with Wilson's interval."""
    count = int(cells["count"].sum())
    if not count:
        return {"trained_on": None, "accuracy": np.nan, "low": np.nan, "high": np.nan}
    found = Accuracy(count, float((cells["accuracy"] * cells["count"]).sum() / count), 0.0)
    low, high = found.interval()
    return {"trained_on": cells["trained_on"].iloc[0], "accuracy": found.accuracy, "low": low, "high": high}


def _caution(tables: Tables) -> str:
    """F-SI says how much images change, not whether for the better: a word where batches do not clearly help."""
    gap = _gap(tables)
    if "batches" not in tables or gap is None:
        return ""
    batches = tables["batches"]
    row = batches[batches["source"] == gap["first"]].iloc[0]
    low, high = float(row["loss_gain_low"]), float(row["loss_gain_high"])
    if not np.isfinite(low) or low > 0:
        return ""
    return (
        f" F-SI says how much images change, not whether for the better: without {row['size']} random images of "
        f"{gap['first']} the validation loss changes by {number(row['loss_gain'], 2)} {interval(low, high, two_digits)}"
        f", {'so they do harm' if high < 0 else 'not clearly for the worse'}."
    )
