"""Scoring the corrected data set: the button, its progress, and the two runs compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import streamlit as st

from sampleinfo import jobs, planning, store
from sampleinfo.config import RunConfig
from sampleinfo.decisions import DROP, RELABEL, Verdict
from sampleinfo.decisions.verdicts import corrections_of
from sampleinfo.errors import SampleInfoError
from sampleinfo.evaluation import Accuracy
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.review_words import points_words, signed
from sampleinfo.ui.words import count, duration, plain

TROUBLE = "review-score-trouble"


@dataclass(frozen=True)
class Comparison:
    """Two runs on their validation images; ``same``: these, and their labels, are the same in both.

    ``train``: training images of the second.
    """

    before: Accuracy
    after: Accuracy
    same: bool
    train: int


def corrected(run: Run, images: pd.DataFrame, verdicts: Mapping[str, Verdict]) -> None:
    """The button, or what the corrected data set reaches where it has been scored."""
    st.markdown("**Score the corrected data set**")
    config, here = corrected_config(run, verdicts), set(images["sample_id"])
    relabelled, dropped = (
        sum(each.kind == kind and name in here for name, each in verdicts.items()) for kind in (RELABEL, DROP)
    )
    if not relabelled + dropped:
        st.caption(
            "No training image is relabelled or dropped yet: there is nothing to correct. Images that are kept or "
            "unsure change nothing."
        )
        return
    if config == store.config_of(run):
        st.caption("This run is already made of the corrected data set: every relabelled and dropped image counts.")
        return
    known = _scored(config)
    if known is not None:
        _compared(run, known)
    else:
        _button(run, config, relabelled, dropped)
    jobs_panel(jobs.SCORE, run.id, "pages/review.py", "review-job")


def corrected_config(run: Run, verdicts: Mapping[str, Verdict]) -> RunConfig:
    """The settings of the run, on the data set with the verdicts applied."""
    return replace(store.config_of(run), corrections=corrections_of(verdicts))


def _button(run: Run, config: RunConfig, relabelled: int, dropped: int) -> None:
    words = " and ".join(
        f"{count(number, 'training image')} {verb}"
        for number, verb in ((relabelled, "relabelled"), (dropped, "dropped")) if number
    )  # fmt: skip
    seconds = _seconds(store.config_of(run))
    if isinstance(seconds, str):
        st.error(plain(seconds), icon=":material/error:")
        return
    st.caption(f"A new run with the same settings, with {words}. About **{duration(seconds)}** on this machine.")
    st.button(
        "Score the corrected data set", key="review-score", icon=":material/play_arrow:", type="primary",
        on_click=_start, args=(run, config),
    )  # fmt: skip
    if TROUBLE in st.session_state:
        st.error(plain(st.session_state.pop(TROUBLE)), icon=":material/error:")


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def _seconds(config: RunConfig) -> float | str:
    """How long the run took to plan, which corrections hardly change; or why it cannot be."""
    try:
        return planning.estimate(config).seconds
    except SampleInfoError as error:
        return str(error)


def _start(run: Run, config: RunConfig) -> None:
    """Start the job. It bears the id of the run that is reviewed: only its own panel shows it here."""
    try:
        jobs.start(config, jobs.SCORE, {"run": run.id})
    except SampleInfoError as error:
        st.session_state[TROUBLE] = str(error)


def _scored(config: RunConfig) -> Run | None:
    """The newest run with these settings."""
    folder = store.runs_folder()
    if not folder.is_dir():
        return None
    known = _configs(str(folder), folder.stat().st_mtime_ns)
    return next((store.open_run(name) for name, each in known.items() if each == config), None)


@st.cache_data(max_entries=4, show_spinner=False)
def _configs(folder: str, changed: int) -> dict[str, RunConfig]:  # noqa: ARG001 - it is part of the key
    """The settings of all runs in a folder, the newest first."""
    return {each.id: store.config_of(each) for each in store.list_runs(Path(folder))}


def comparison(run: Run, other: Run) -> Comparison:
    """The run and the one of the corrected data set."""
    found = [_validation(str(each.path), str(each.meta["fingerprint"])) for each in (run, other)]
    before, after = (
        Accuracy(int(each.meta["sizes"]["validation"]), float(each.meta["accuracy"]["validation"]), float("nan"))
        for each in (run, other)
    )
    return Comparison(before, after, found[0] == found[1], int(other.meta["sizes"]["train"]))


@st.cache_data(max_entries=16, show_spinner=False)
def _validation(path: str, fingerprint: str) -> dict[str, str]:  # noqa: ARG001 - it is part of the key
    """The validation images of a run and their labels."""
    samples = store.open_run(Path(path)).samples
    held = samples[samples["split"] != TRAIN]
    return dict(zip(held["sample_id"].astype(str), held["class_name"].astype(str), strict=True))


def _compared(run: Run, other: Run) -> None:
    st.markdown(comparison_words(comparison(run, other)))
    with st.container(horizontal=True, vertical_alignment="center", key="review-corrected"):
        for path, label, icon in (
            ("pages/review.py", "Review the corrected run", ":material/rule:"),
            ("pages/explore.py", "Explore it", ":material/scatter_plot:"),
        ):
            st.page_link(path, label=label, icon=icon, query_params={"run": other.id}, width="content")


def comparison_words(found: Comparison) -> str:
    """The difference, and whether so few images can tell it from none."""
    before, after = found.before, found.after
    change = after.accuracy - before.accuracy
    low, high = before.interval()
    images = f", {signed(round(change * before.count))} of {count(before.count, 'image')}" if found.same else ""
    if not found.same:
        verdict = "The two runs do not have the same validation images and labels: this is no fair comparison."
    elif after.accuracy == before.accuracy:
        verdict = "No difference on these images."
    elif low <= after.accuracy <= high:
        verdict = "So few images cannot tell such a difference from none."
    else:
        verdict = "The change is outside it."
    return (
        f"Predicted validation accuracy **{100 * before.accuracy:.1f} % → {100 * after.accuracy:.1f} %** "
        f"({points_words(change)}{images}), trained on {count(found.train, 'image')}.  \n"
        f":small[95 % interval before: {100 * low:.0f} % to {100 * high:.0f} %. {verdict}]"
    )
