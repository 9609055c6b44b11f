"""The Classes page: what the classes need, in a sentence, two charts and a table; then one class by itself."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from sampleinfo import figures
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.class_judgement import NEED, UNDER_SAMPLED, conclusion
from sampleinfo.reports.class_words import accuracy_words, fall_words, need_words, percent_words, rank_words, rise_words
from sampleinfo.reports.truest import score_of
from sampleinfo.scores import ALONG
from sampleinfo.store import Run
from sampleinfo.ui.classes_groups import one_class
from sampleinfo.ui.classes_state import choose_class, chosen_class, clicked
from sampleinfo.ui.fidelity import fidelity
from sampleinfo.ui.frame import stacking
from sampleinfo.ui.words import plain, shortened

QUESTION = "classes"
WORDS = (
    "**Not compared yet.** Press *Compare classes*: for each class, how much more its images would be worth, how much "
    "of the information it holds, and which groups of alike images are inside it. All of it is predicted in closed "
    "form; nothing is trained."
)
#: Classes up to which the charts are shown whole; beyond, they scroll in so many pixels.
WHOLE, HEIGHT = 16, 580
CHART = {"displayModeBar": False}
COLUMNS = {
    "rank": "Rank of need; a range where the intervals overlap: no clear order.",
    "class": None,
    "images": "Training images.",
    "need": NEED,
    "loss without a fifth": "By how much the mean loss on its validation images rises without a random fifth of its "
    "training images, mean over 20 draws; 95 % interval over the draws alone.",
    "accuracy without a fifth": "How the accuracy on its validation images changes then.",
    "share of the images": None,
    "share of the information": "Its share of the sum of F-SI over all training images, with the 95 % bootstrap "
    "interval over the images.",
    "mean F-SI": "Mean F-SI of an image of the class, in nats.",
    "training images right": "Accuracy on its training images, each predicted by the network that was trained without "
    "it; 95 % interval (Wilson).",
    "validation images right": "Predicted accuracy on its validation images; 95 % interval (Wilson).",
    "under-sampled": UNDER_SAMPLED,
}


def classes(run: Run, tables: Tables) -> None:
    """The page, from the tables of the answer."""
    table, groups, members = (tables[name] for name in ("classes", "groups", "members"))
    st.html(stacking(1100, "class-halves"))
    with st.container(border=True, key="conclusion"):
        st.markdown(plain(conclusion(table, groups)))
    fidelity(run, score_of(run).name)
    row = _choice(run, table)
    with st.container(key="halves"):
        left, right = st.columns(2, gap="medium")
        with left:
            _needs(table, int(row["label"]))
        with right:
            _spread(run, table, int(row["label"]))
    _numbers(table)
    label = int(row["label"])
    one_class(run, row, groups[groups["label"] == label], members[members["label"] == label])


def _choice(run: Run, table: pd.DataFrame) -> pd.Series:
    """The class that is looked at, to be changed by keyboard as well; and what the words mean."""
    row = chosen_class(table)
    key = f"class-choice-{run.id}"
    ranks = {str(each["class_name"]): rank_words(each) for _, each in table.iterrows()}
    st.session_state[key] = str(row["class_name"])
    with st.container(horizontal=True, vertical_alignment="bottom", key="class-bar"):
        st.selectbox(
            "Class", list(ranks), key=key, format_func=lambda name: f"{shortened(name, 60)} · rank {ranks[name]}",
            on_change=lambda: choose_class(str(st.session_state[key])), width=320,
            help="The same as a click on a bar. The first one needs more images most.",
        )  # fmt: skip
        with st.popover("What the words mean", icon=":material/help:", key="class-words"):
            for each in (NEED, UNDER_SAMPLED):
                word, rest = each.split(":", 1)
                st.markdown(f"**{word}:** {plain(rest)}")
            st.markdown(
                "**Rank:** a class ranks below those whose whole interval is above its own. Where intervals overlap "
                "there is no clear order, and the rank is a range."
            )
            if score_of(run).needs == ALONG:
                st.markdown(
                    "F-SI is the run's own, along the training; needs are predicted in closed form at the initial "
                    "weights."
                )
    return row


def _needs(table: pd.DataFrame, label: int) -> None:
    st.markdown("**What each class needs** :small[click a bar to look at the class]", help=f"{NEED} {UNDER_SAMPLED}")
    figure = figures.class_needs(table, label)
    with _scrolling(table, "needs"):
        event = st.plotly_chart(
            figure, key="class-needs", on_select="rerun", selection_mode="points", config=CHART,
            alt="Need and share of the information of each class",
        )  # fmt: skip
    found = clicked(event, "class-needs")
    hit = table.loc[table["label"] == found, "class_name"]
    if not hit.empty:
        choose_class(str(hit.iloc[0]))
        st.rerun()
    st.caption("Lines: 95 % intervals. Dotted: the median need of the classes." + _more(table))


def _spread(run: Run, table: pd.DataFrame, label: int) -> None:
    along = " along the training" if score_of(run).needs == ALONG else ""
    st.markdown(
        "**Information and accuracy**",
        help=f"F-SI{along} of the training images of each class, and the share of its training images (each left out) "
        "and of its validation images that is predicted rightly.",
    )
    figure: go.Figure = figures.class_spread(table, label)
    with _scrolling(table, "spread"):
        st.plotly_chart(figure, key="class-spread", config=CHART, alt="F-SI and accuracy of each class")
    st.caption("Boxes: middle half and median; whiskers: 5 to 95 % of the images. Lines: 95 % intervals (Wilson).")


def _scrolling(table: pd.DataFrame, key: str) -> st.delta_generator.DeltaGenerator:
    return st.container(height=HEIGHT if len(table) > WHOLE else "content", border=False, key=f"scroll-{key}")


def _more(table: pd.DataFrame) -> str:
    return f" {len(table)} classes, the greatest need first: scroll for more." if len(table) > WHOLE else ""


def _numbers(table: pd.DataFrame) -> None:
    """All numbers of the charts; the table can be sorted, searched and downloaded."""
    with st.expander("All numbers", icon=":material/table:", key="class-numbers"):
        st.dataframe(
            numbers(table), hide_index=True, height="auto" if len(table) <= WHOLE else HEIGHT, key="class-table",
            column_config={name: st.column_config.Column(help=words) for name, words in COLUMNS.items() if words},
        )  # fmt: skip


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it; the columns of ``COLUMNS``."""
    rows = [
        (
            rank_words(row), row["class_name"], row["train"], need_words(row), rise_words(row), fall_words(row),
            f"{row['share']:.0%}", percent_words(row, "information_share"), float(f"{row['mean']:.3g}"),
            accuracy_words(row, "leave_one_out"), accuracy_words(row, "validation"),
            "yes" if row["under_sampled"] else "",
        )
        for _, row in table.iterrows()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
