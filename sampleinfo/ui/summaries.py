"""What each strategy would keep: curves, advice for a budget, sets made of it, and points retrained for real."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sampleinfo import figures, jobs, store
from sampleinfo.errors import SampleInfoError
from sampleinfo.reports import kept
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.reports.summaries import RANDOM, SHARES, Advice, advise, sizes_of
from sampleinfo.store import Run
from sampleinfo.ui import trouble
from sampleinfo.ui.budget import Budget, budget_form
from sampleinfo.ui.fidelity import fidelity
from sampleinfo.ui.making import make_set
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.words import count, duration, plain

TITLES = {name: each.title for name, each in STRATEGIES.items()}
MEASURES = {"accuracy": "Accuracy", "loss": "Loss"}
#: Shares that are retrained for real at once at most, and those proposed.
MOST, PROPOSED = 6, (0.05, 0.1, 0.25, 0.5)


def by_strategy(run: Run) -> None:
    """The tab: curves, then what to do with a budget."""
    equal = bool(st.session_state.get(f"equal-{run.id}"))
    numbers = kept.EQUAL if equal else kept.ANY
    try:
        table, real = kept.curves(run, numbers), kept.real(run)
    except SampleInfoError as error:
        trouble.tell(error, run)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="curve-controls"):
        if table is not None:
            measure, scale = _axes()
        st.toggle(
            "Equal numbers per class", key=f"equal-{run.id}", persist_state="page",
            help="Every strategy keeps equally many images of each class, as far as there are enough.",
        )  # fmt: skip
        if table is not None:
            _explained()
    if table is None:
        _compare(run, numbers)
        return
    mine = None if real is None else real[real["numbers"] == numbers]
    _chart(table, mine, measure, scale)
    fidelity(run, "functional_information")
    with st.container(key="halves"):
        left, right = st.columns([7, 5], gap="large")
        with left:
            _budget(run, table, equal)
        with right:
            _retrain(run, numbers, table)


def _axes() -> tuple[str, str]:
    measure = st.segmented_control(
        "Measure", list(MEASURES), default="accuracy", format_func=MEASURES.__getitem__, key="measure",
        required=True, persist_state="page",
        help="Loss: mean squared distance of the outputs from the labels, halved. It moves with every image, "
        "accuracy only in steps of one held-out image.",
    )  # fmt: skip
    scale = st.segmented_control(
        "Shares", ["log", "linear"], default="log", key="share-scale", required=True, persist_state="page",
        help="Log gives the small shares, where strategies differ most, more room.",
    )  # fmt: skip
    return str(measure), str(scale)


def _explained() -> None:
    with st.popover("What the strategies do", icon=":material/help:", key="explained"):
        _sentences()


def _sentences() -> None:
    for each in STRATEGIES.values():
        st.markdown(f"**{each.title}.** {each.sentence}")


def _compare(run: Run, numbers: str) -> None:
    """What the comparison would show, and the button that makes it."""
    st.info(
        "**Not compared yet.** Press *Compare strategies*: for each strategy and every share the network is predicted, "
        "in closed form, as if it were trained on those images alone. Nothing is trained."
    )
    try:
        seconds = sum(kept.plan(run, numbers).values())
    except SampleInfoError as error:
        trouble.tell(error, run)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Compare strategies", type="primary", icon=":material/monitoring:", key="compare-strategies"):
            _start(run, numbers, [])
        st.caption(f"About **{duration(seconds)}** on this machine. You may leave or close the page: it goes on.")
    jobs_panel(jobs.SUMMARIZE, run.id, "pages/summaries.py")
    _sentences()


def _start(run: Run, numbers: str, points: list[tuple[str, int]]) -> None:
    options = {"run": run.id, "numbers": numbers, "real": [list(each) for each in points]}
    try:
        jobs.start(store.config_of(run), jobs.SUMMARIZE, options)
    except SampleInfoError as error:
        trouble.tell(error, run)
        return
    st.rerun()


def _chart(table: pd.DataFrame, real: pd.DataFrame | None, measure: str, scale: str) -> None:
    empty = pd.DataFrame(columns=["strategy", "share", "size", "accuracy", "loss", "recipe"])
    points = empty if real is None else real
    figure = figures.strategy_curves(table, points, TITLES, RANDOM, measure, scale)
    st.plotly_chart(
        figure, key="curves", config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage", "lasso2d",
        "select2d"]}, alt=f"Predicted {measure} of every strategy against the share of images kept",
    )  # fmt: skip
    draws = int(table.loc[table["strategy"] == RANDOM, "seed"].nunique())
    words = f"Grey: mean of {draws} random draws ± one standard deviation. Click a name to hide its line."
    if len(points):
        recipes = " or ".join(plain(each) for each in points["recipe"].unique())
        words += f" **Open circles: the network really retrained**, {recipes}; pink: on all images."
    st.caption(words)


def _budget(run: Run, table: pd.DataFrame, equal: bool) -> None:
    """How many images may be kept, what is advised for that many, and the set that comes of it."""
    st.subheader("Choose for a budget", anchor=False)
    budget = budget_form(run, equal)
    if budget is None:
        return
    advice = advise(table, budget.size)
    st.markdown(_advice_words(advice, budget))
    if budget.quotas is not None and not equal:
        st.caption(
            "Predicted for the numbers per class that each strategy chooses by itself; the tab *By hand* predicts the "
            "set as it is made."
        )
    make_set(run, budget, advice.strategy)


def _advice_words(advice: Advice, budget: Budget) -> str:
    reached = advice.reached
    low, high = reached.interval()
    place = f"At {count(advice.size, 'image')}"
    place += "" if advice.size == budget.size else f" (the point of the curves nearest to {budget.size})"
    verdict = (
        "**clearly better** than a random draw, by more than the standard deviation of the draws and of the held-out "
        "images" if advice.clear else
        "no clear difference from a random draw: **any of them will do**"
    )  # fmt: skip
    return (
        f"{place}: **{TITLES[advice.strategy]}** reaches {100 * reached.accuracy:.1f} % ({100 * low:.0f}–"
        f"{100 * high:.0f} %), random draws {100 * advice.random:.1f} ± {100 * advice.spread:.1f} %: {verdict}.  \n"
        f":small[Predicted for {reached.count} held-out images, which no strategy has looked at; chosen by the least "
        "loss there. In brackets the 95 % interval for so many images.]"
    )


def _retrain(run: Run, numbers: str, table: pd.DataFrame) -> None:
    """Points of the curves that the network itself is trained on."""
    st.subheader("Retrain points for real", anchor=False)
    st.caption("The network itself is trained on what a strategy keeps; the result appears in the chart.")
    best = advise(table, max(1, round(0.1 * int(run.meta["sizes"]["train"])))).strategy
    names = st.multiselect(
        "Strategies", list(TITLES), [best, RANDOM], format_func=TITLES.__getitem__, key="real-strategies",
        persist_state="page",
    )  # fmt: skip
    shares = st.multiselect(
        "Shares", [each for each in SHARES if each < 1], list(PROPOSED), format_func=lambda each: f"{each:.0%}",
        max_selections=MOST, key="real-shares", help=f"Up to {MOST}.", persist_state="page",
    )  # fmt: skip
    sizes = sizes_of(int(run.meta["sizes"]["train"]), shares)
    points = [(str(name), size) for name in names for size in sizes]
    try:
        seconds = sum(kept.plan(run, numbers, points).values())
    except SampleInfoError as error:
        trouble.tell(error, run)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Retrain for real", icon=":material/verified:", key="retrain", disabled=not points):
            _start(run, numbers, points)
        st.caption(
            f"{count(len(points), 'retraining')}, about **{duration(seconds)}** on this machine; finished ones are kept"
            if points else "Choose at least one strategy and one share."
        )  # fmt: skip
    jobs_panel(jobs.SUMMARIZE, run.id, "pages/summaries.py")
