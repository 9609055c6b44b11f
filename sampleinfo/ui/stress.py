"""The stress test of the Review page: plant errors into a copy, score it, and see which scores find them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from sampleinfo import figures, jobs, planning, store
from sampleinfo.config import RunConfig
from sampleinfo.errors import SampleInfoError
from sampleinfo.planting import PLANTS
from sampleinfo.reports import stress as report
from sampleinfo.store import Run
from sampleinfo.ui.frame import stacking
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.words import count, duration, plain

PAGE = "pages/review.py"
#: The planted run that is looked at, in the address; and the share that is proposed, in percent, with its limits.
CHOSEN, PROPOSED, LEAST, MOST = "planted", 10, 1, 50
EMPTY = (
    "**Nothing planted yet.** How far can the scores be trusted on *these* images? Plant errors you know of: a copy "
    "of the data set gets them, is scored as this run was, and here you see how many of them each score finds. Your "
    "data set and this run stay as they are."
)
READ = (
    "**Found after inspecting:** go through the training images in the order of a score; the line says how many of the "
    "planted errors you have met by then. **ROC:** the same against the share of the *other* images named; its area is "
    "the AUROC, .5 for a random order. **Precision and recall:** how many of those named are planted; its area is the "
    "average precision, the planted share for a random order. Intervals are 95 % bootstrap intervals over the images "
    "of this one planting; they say nothing of other data or other kinds of error."
)
COLUMNS = {
    "average precision": "Mean precision over the planted errors, with its 95 % bootstrap interval over the images. A "
    "random order has the planted share.",
    "AUROC": "Chance that a planted image ranks above another one, with its 95 % interval. A random order has .5.",
    **{f"found in {share:.0%}": f"Share of the planted among the {share:.0%} of the training images with the highest "
       "score; of equal scores the mean over all orders." for share in report.INSPECTED},
}  # fmt: skip
CHART = {"displayModeBar": False}


def stress(run: Run) -> None:
    """The tab."""
    st.html(stacking(1100, "stress-charts"))
    found = report.planted_runs(run)
    if not found:
        st.info(EMPTY)
    _form(run)
    jobs_panel(jobs.SCORE, _purpose(run), PAGE, "job-stress")
    if found:
        _result(_choice(run, found))


def _form(run: Run) -> None:
    """What to plant, into how many images, and the button."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="stress-form"):
        plant = st.selectbox(
            "Plant", list(PLANTS), key="stress-plant", width=280, format_func=lambda name: PLANTS[name].title,
            help="The kind of error. " + " ".join(f"**{each.title}:** {each.words}" for each in PLANTS.values()),
        )  # fmt: skip
        percent = st.number_input(
            "Share in %", LEAST, MOST, PROPOSED, key="stress-share", width=130,
            help="Of the training images; which ones is drawn by the run's seed. Validation images stay clean.",
        )  # fmt: skip
        place = st.container(width="content")
    try:
        config = report.planted_config(run, str(plant), percent / 100)
        seconds = _seconds(config)
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return
    known = report.find_planted(run, str(plant), percent / 100)
    words = f"{PLANTS[str(plant)].words} "
    if known is None:
        words += f"About **{duration(seconds)}** on this machine. You may leave or close the page: it goes on."
    else:
        words += "This has been planted and scored already."
    st.caption(words)
    label = "Plant and score" if known is None else "Show it"
    if place.button(label, type="primary", icon=":material/bug_report:", key="stress-start"):
        _start(run, config) if known is None else _look_at(known)


@st.cache_data(max_entries=64, show_spinner=False)
def _seconds(config: RunConfig) -> float:
    return planning.estimate(config).seconds


def _start(run: Run, config: RunConfig) -> None:
    try:
        jobs.start(config, jobs.SCORE, {"run": _purpose(run)})
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.query_params.pop(CHOSEN, None)  # the new one is shown when it is there
    st.rerun()


def _purpose(run: Run) -> str:
    """What the jobs of this tab are marked with: other panels that follow the run do not show them."""
    return f"stress test of {run.id}"


def _look_at(planted: Run) -> None:
    st.query_params[CHOSEN] = planted.id
    st.rerun()


def _choice(run: Run, found: list[Run]) -> Run:
    """The planted run that is looked at: named in the address, this one itself, or the newest."""
    by_id = {each.id: each for each in found}
    ids = list(by_id)
    wanted = st.query_params.get(CHOSEN, "")
    if wanted and wanted not in by_id:
        st.warning(f"There is no planted run called {plain(repr(wanted))} here.", icon=":material/warning:")
    chosen = next((each for each in (wanted, run.id) if each in by_id), ids[0])
    key = f"stress-run-{run.id}"
    st.session_state[key] = chosen
    with st.container(horizontal=True, vertical_alignment="bottom", key="stress-bar"):
        st.selectbox(
            "Planted", ids, key=key, format_func=lambda each: _words(by_id[each]), width=520,
            on_change=lambda: st.query_params.update({CHOSEN: str(st.session_state[key])}),
        )  # fmt: skip
        st.page_link(
            "pages/explore.py", label="Look at its images", icon=":material/scatter_plot:", width="content",
            query_params={"run": chosen},
        )  # fmt: skip
        with st.popover("How to read this", icon=":material/help:", key="stress-words"):
            st.markdown(READ)
    return by_id[chosen]


def _words(planted: Run) -> str:
    plant, share = report.plant_of(planted)
    created = str(planted.meta["created"])[:16].replace("T", " ")
    return f"{plant.title}, {share:.0%} of {count(int(planted.meta['sizes']['train']), 'image')} · {created}"


def _result(planted: Run) -> None:
    """One sentence, three charts, and the table."""
    try:
        table, curves, sentence = _measured(str(planted.path), str(planted.meta["fingerprint"]))
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return
    with st.container(border=True, key="stress-conclusion"):
        st.markdown(plain(sentence))
    titles = dict(zip(table["score"], table["title"], strict=True))
    chosen = st.multiselect(
        "Scores in the charts", list(titles), list(titles)[: report.SHOWN], format_func=titles.__getitem__,
        key=f"stress-scores-{planted.id}", help="The best average precision first; the four best are shown at first.",
    )  # fmt: skip
    _charts(planted, curves[curves["score"].isin(chosen)], titles)
    shown = report.numbers(table)
    st.dataframe(
        shown, hide_index=True, key="stress-table",
        column_config={name: st.column_config.Column(help=words) for name, words in COLUMNS.items()},
    )  # fmt: skip
    st.caption("Best average precision first. In brackets 95 % intervals over the images of this planting.")


@st.cache_data(max_entries=16, show_spinner="Measuring how well the scores find the planted errors …")
def _measured(path: str, fingerprint: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:  # noqa: ARG001 - part of the key
    planted = store.open_run(Path(path))
    table = report.table(planted)
    return table, report.curves(planted), report.conclusion(planted, table)


def _charts(planted: Run, curves: pd.DataFrame, titles: dict[str, str]) -> None:
    mask, _ = report.evidence(planted)
    share = float(mask.mean())
    drawn = {
        "Found after inspecting": figures.found_curves(curves, titles, share),
        "ROC": figures.roc_curves(curves, titles),
        "Precision and recall": figures.precision_curves(curves, titles, share),
    }
    with st.container(key="stress-charts"):
        for column, (title, figure) in zip(st.columns(3, gap="medium"), drawn.items(), strict=True):
            with column:
                st.markdown(f"**{title}**")
                st.plotly_chart(figure, key=f"stress-{title}", config=CHART, alt=f"{title}: the chosen scores")
