"""Up to four sets side by side: what they hold, how they grow and what they share; each has one colour and one mark."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.errors import SampleInfoError
from sampleinfo.evaluation import Evaluation
from sampleinfo.reports.growing import POINT, RELATIVE, settled
from sampleinfo.reports.sets import DRAWS
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.reports.summaries import RANDOM
from sampleinfo.store import Run
from sampleinfo.ui import desks, sets, trouble
from sampleinfo.ui.compared import STRATEGY, Compared, budget, choose, compared, keep, title
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.making import HAND_TAB, TAB
from sampleinfo.ui.panel import HELP, accuracy_words
from sampleinfo.ui.words import count, plain, shortened

SHOWN, TILE = 100, 40
#: Letters of a name at the head of a column or line.
HEAD = 18
#: What a set is compared with where there is nothing else.
PROPOSED = ("greedy-pool", RANDOM)
MEASURES = {"accuracy": "Accuracy", "loss": "Loss"}
#: Columns go below each other before they get too narrow.
STYLE = """<style>
.st-key-compared > div > [data-testid="stHorizontalBlock"], .st-key-compared > [data-testid="stHorizontalBlock"]
  {flex-wrap: wrap}
.st-key-compared [data-testid="stColumn"] {min-width: 260px}
.st-key-compared [data-testid="stMetricValue"] {font-size: 1.6rem; line-height: 1.3}
.st-key-compared p:has(> strong) {overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
</style>"""


def compare(run: Run) -> None:
    """The tab: which sets, then each in a column, how they grow, and what they share."""
    try:
        book = sets.book_of(run)
        names = [each.name for each in book.sets()]
        tokens = choose(run, names)
        shown = compared(run, book, tokens)
        _too_few(run, tokens, shown, names)
        if not shown:
            return
        st.html(STYLE)
        with st.container(key="compared"):
            _columns(run, shown)
        _growth(run, [each for each in shown if each.reached is not None])
        with st.container(key="halves"):
            left, right = st.columns([3, 2], gap="large")
            with left:
                _classes(run, shown)
            with right:
                if len(shown) > 1:
                    _overlap(shown)
    except SampleInfoError as error:
        trouble.tell(error, run)


def _too_few(run: Run, tokens: Sequence[str], found: Sequence[Compared], names: Sequence[str]) -> None:
    """What to do where there are not two sets to compare."""
    if len(found) >= 2:
        return
    size = len(found[0].rows) if found and len(found[0].rows) else budget(run)
    words = (
        f"**One set only.** Choose another above, or see beside it what a strategy keeps of {count(size, 'image')}."
        if found else
        "**Choose two sets or more:** their images, classes, overlap and predicted accuracy, side by side, and how "
        "each gets there image by image." + ("" if names else " There are no sets of your own yet; strategies will do.")
    )  # fmt: skip
    st.info(words)
    with st.container(horizontal=True, key="too-few"):
        for name in PROPOSED if found else ():
            token = f"{STRATEGY}{name}:{size}"
            if token not in tokens:
                st.button(
                    f"Beside: {title(token)}", icon=":material/add:", key=f"beside-{name}", on_click=keep,
                    args=(run, [*tokens, token]),
                )  # fmt: skip
        if not found:
            both = [f"{STRATEGY}{name}:{size}" for name in PROPOSED]
            st.button(
                f"Compare {STRATEGIES[PROPOSED[0]].title} with {STRATEGIES[PROPOSED[1]].title}", key="two-strategies",
                on_click=keep, args=(run, both),
            )  # fmt: skip
        if not names:
            st.button("Make a set by hand", icon=":material/touch_app:", key="by-hand", on_click=_by_hand)


def _by_hand() -> None:
    st.session_state[TAB] = HAND_TAB


def _columns(run: Run, found: Sequence[Compared]) -> None:
    for column, each in zip(st.columns(len(found), gap="medium"), found, strict=True):
        with column:
            st.markdown(f"{_mark(each)} **{plain(shortened(each.title, 80))}**")
            if each.reached is None:
                st.caption(plain(each.reason))
            else:
                _column(run, each, each.reached)


def _mark(each: Compared) -> str:
    """The mark of a set in its colour."""
    return f':color[{figures.SET_MARKS[each.place]}]{{foreground="{figures.SET_COLOURS[each.place]}"}}'


def _column(run: Run, each: Compared, reached: Evaluation) -> None:
    """What a set reaches alone, and its images."""
    rows, overall, score = each.rows, reached.overall, next(iter(run.scores))
    band = desks.desk(run).random(len(rows))
    low, high = overall.interval()
    st.metric(
        f"{count(len(rows), 'image')} alone", f"{100 * overall.accuracy:.1f} %",
        f"random {100 * band.mean:.1f} ± {100 * band.spread:.1f} %", delta_color="off", delta_arrow="off",
        help=f"{HELP['alone']} Here {100 * low:.0f}–{100 * high:.0f} %. {HELP['random']}",
    )  # fmt: skip
    values = run.column(score).to_numpy(dtype=np.float64)[rows[:SHOWN]]
    opened = gallery(
        run, rows[:SHOWN].tolist(), [figures.short(each) for each in values], key=f"compare-{each.label}",
        label=f"Images of {each.title}", opened="", height=240, tile=TILE,
    )  # fmt: skip
    if len(rows) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(rows)}.")
    if opened:
        st.switch_page("pages/explore.py", query_params={"run": run.id, "sample": opened})


def _growth(run: Run, found: Sequence[Compared]) -> None:
    """The predicted curve of every set as it grows, beside random sets."""
    if not found:
        return
    st.markdown(
        "**As each set grows**",
        help="Predicted in closed form for every beginning of a set, in its order: as its images were added, or as the "
        "strategy ranks them. Where a curve runs flat, the images that follow teach little that is new.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="growth-controls"):
        measure = str(st.segmented_control(
            "Measure", list(MEASURES), default="accuracy", format_func=MEASURES.__getitem__, key="growth-measure",
            required=True, persist_state="session", help="Loss: mean squared distance of the outputs from the labels, "
            "halved. It moves with every image, accuracy only in steps of one held-out image.",
        ))  # fmt: skip
        scale = str(st.segmented_control(
            "Sizes", ["linear", "log"], default="linear", key="growth-scale", required=True, persist_state="session",
            help="Log gives the first images more room.",
        ))  # fmt: skip
    try:
        curves = [desks.growth(run, each.rows) for each in found]
    except SampleInfoError as error:
        trouble.tell(error, run)
        return
    band = desks.random_growth(run, max(len(each.rows) for each in found), measure)
    named = [(each.title, each.place, curve) for each, curve in zip(found, curves, strict=True)]
    figure = figures.growth_curves(named, band, measure, scale)
    st.plotly_chart(
        figure, key="growth", config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage", "lasso2d",
        "select2d"]}, alt=f"Predicted {measure} of every beginning of the compared sets against its size",
    )  # fmt: skip
    st.caption(_growth_words(run, found, curves, measure))


def _growth_words(run: Run, found: Sequence[Compared], curves: Sequence[pd.DataFrame], measure: str) -> str:
    """Where each set has taught what it teaches, and how exact that is."""
    assert found[0].reached is not None  # only such have a curve
    images, training = found[0].reached.overall.count, desks.desk(run).pool.training
    points = round(100 * max(POINT, 1 / images), 1)
    near = (
        f"{points:g} {'point' if points == 1 else 'points'} of accuracy" if measure == "accuracy" else f"{RELATIVE:.0%}"
    )
    ends = ", ".join(
        f"{_mark(each)} **from image {settled(curve, measure, images)} of {len(each.rows)}** on"
        for each, curve in zip(found, curves, strict=True)
    )
    words = f"Never again more than {near} worse than at its end: {ends}. Dotted: {DRAWS} random sets ± one standard "
    words += "deviation."
    if training.steps is None:
        return words + " Exact for the linearized network."
    return words + (
        f" This run trains for {training.steps} steps: the points are exact, at sizes on which so many steps do not "
        "diverge; random sets are predicted with the ridge that stands for the steps."
    )


def _classes(run: Run, found: Sequence[Compared]) -> None:
    """Images per class, and the predicted accuracy on each class."""
    samples = run.table(["label", "class_name", "split"])[run.training]
    names = {int(label): str(name) for label, name in samples.groupby("label")["class_name"].first().items()}  # type: ignore[call-overload]
    labels = samples["label"].to_numpy(np.int64)
    sizes = pd.DataFrame({
        shortened(each.label, HEAD): [int((labels[each.rows] == label).sum()) for label in names] for each in found
    }, index=pd.Index([shortened(each, 40) for each in names.values()], name="class"))  # fmt: skip
    st.markdown("**Images per class**")
    st.dataframe(sizes, key="compare-sizes", height="auto" if len(names) <= 12 else 300)
    scores = pd.DataFrame({
        shortened(each.label, HEAD): [_words(each.reached, label) for label in names]
        for each in found if each.reached is not None
    }, index=sizes.index)  # fmt: skip
    st.markdown("**Predicted accuracy on each class**", help=HELP["alone"])
    st.dataframe(scores, key="compare-accuracy", height="auto" if len(names) <= 12 else 300)


def _words(reached: Evaluation, label: int) -> str:
    return accuracy_words(reached.per_class[label]) if label in reached.per_class else "none held out"


def _overlap(found: Sequence[Compared]) -> None:
    """Images that two sets share."""
    st.markdown("**Shared images**", help="How many images are in both sets; in brackets the share of the row's set.")
    held = {shortened(each.label, HEAD): set(each.rows.tolist()) for each in found}
    table = pd.DataFrame(
        [[_shared(held[row], held[column]) for column in held] for row in held],
        index=pd.Index(list(held), name="set"), columns=[figures.SET_MARKS[each.place] for each in found],
    )  # fmt: skip
    st.dataframe(table, key="compare-overlap")


def _shared(one: set[int], other: set[int]) -> str:
    both = len(one & other)
    return f"{both} ({100 * both / len(one):.0f} %)" if one else "0"
