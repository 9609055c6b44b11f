"""The second tab of the Review page: which scores of a run say the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.reports.review import CAUSES, matrix_of
from sampleinfo.store import Run
from sampleinfo.ui.words import plain

HELP = (
    "Spearman's rank correlation over the training images: 1 where two scores put the images into the same order, 0 "
    "where knowing one says nothing about the other, −1 where the orders are opposite."
)
#: Below so much, two scores are said to look at different things; above so much, at the same.
DIFFERENT, ALIKE = 0.3, 0.9


def scores(run: Run, agreement: pd.DataFrame) -> None:
    """The tab, from the table of the report."""
    matrix = matrix_of(agreement)
    titles = [run.scores[str(name)].title if name in run.scores else str(name) for name in matrix.columns]
    st.markdown("**Which scores say the same**", help=HELP)
    st.markdown(plain(agreement_words(matrix, titles)))
    with st.container(key="review-agreement"):
        st.plotly_chart(
            figures.score_agreement(matrix.to_numpy(dtype=np.float64), titles), key="agreement", width="content",
            config={"displayModeBar": False}, alt="Rank correlations between the scores of the run",
        )  # fmt: skip
    st.caption("Rank correlations. Scores that agree stand beside each other; an empty cell: nothing to rank.")
    with st.expander("All numbers", icon=":material/table:", key="agreement-numbers"):
        st.dataframe(
            matrix.set_axis(titles, axis=0).set_axis(titles, axis=1).round(3), key="agreement-table",
            height="content" if len(titles) < 25 else 580,
        )  # fmt: skip


def agreement_words(matrix: pd.DataFrame, titles: list[str]) -> str:
    """What the correlations say, in plain text: how far the causes differ, and which scores repeat each other."""
    values, names = matrix.to_numpy(dtype=np.float64), [str(each) for each in matrix.columns]
    title = dict(zip(names, titles, strict=True))
    found = [_causes(matrix, title)]
    pairs = [
        (values[one, other], one, other)
        for one in range(len(names)) for other in range(one) if np.isfinite(values[one, other])
    ]  # fmt: skip
    alike = sum(value >= ALIKE for value, *_ in pairs)
    if pairs:
        value, one, other = max(pairs)
        found.append(
            f"{alike} of {len(pairs)} pairs of scores put the images into nearly the same order (above {ALIKE}), first "
            f"of all {titles[other]} and {titles[one]} ({figures.correlation(value)})."
            if alike else
            f"No two scores put the images into nearly the same order; nearest are {titles[other]} and {titles[one]} "
            f"({figures.correlation(value)})."
        )  # fmt: skip
    return " ".join(filter(None, found)) or "There is nothing to compare: the scores of this run are constant."


def _causes(matrix: pd.DataFrame, title: dict[str, str]) -> str:
    """Whether the scores of the causes look at different things."""
    there = [each for each in CAUSES.values() if each.score in matrix.columns]
    pairs = [(one, other) for place, one in enumerate(there) for other in there[:place]]
    found = {pair: float(matrix.loc[pair[0].score, pair[1].score]) for pair in pairs}  # type: ignore[arg-type]
    known = {pair: value for pair, value in found.items() if np.isfinite(value)}
    if not known:
        return ""
    (one, other), value = max(known.items(), key=lambda each: abs(each[1]))
    number = figures.correlation(value)
    if abs(value) < DIFFERENT:
        return (
            f"The scores of the {len(there)} causes look at different things (rank correlations of at most "
            f"{number.lstrip('−')}): what is first by one is seldom so by another."
        )
    both = f"{title[other.score]} ({other.name}) and {title[one.score]} ({one.name})"
    if value < 0:
        return f"{both} oppose each other ({number}): what is suspicious by one is seldom so by the other."
    how = "closely" if value >= ALIKE else "in part"
    return f"{both} agree {how} ({number}): an image that is first by one is often suspicious by the other as well."
