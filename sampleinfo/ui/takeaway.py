"""Taking a set away: the formats of other tools, and the labels that were corrected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from sampleinfo import exports, jobs, store
from sampleinfo.decisions import Verdict, verdicts
from sampleinfo.errors import SampleInfoError
from sampleinfo.exports import Format, targets
from sampleinfo.store import Run
from sampleinfo.tasks import export_options
from sampleinfo.types import IntArray
from sampleinfo.ui import sets
from sampleinfo.ui.progress import jobs_panel
from sampleinfo.ui.words import count, plain, shortened

#: What the buttons of formats that are done at once are called.
BUTTONS = {
    "csv": "Ids and scores, CSV", "parquet": "Ids and scores, Parquet", "json": "Ids and scores, JSON",
    "paths": "Paths, text", "indices": "Indices, JSON", "cleanlab": "Labels and probabilities, CSV",
}  # fmt: skip
MIME = {".csv": "text/csv", ".json": "application/json", ".txt": "text/plain"}
TARGET_HELP = (
    "On the machine that runs this dashboard. A name alone goes into the exports folder; an absolute path goes "
    "anywhere. Nothing is ever written over."
)
#: Pixels of the panel, and of its list of formats.
WIDTH, HEIGHT = 800, 400


def take_away(run: Run, rows: IntArray, name: str, key: str = "take-away") -> None:
    """Every format for a set of images: ``rows`` of the run's table, in order. ``key``: another for each on a page."""
    _popover(run, rows, name, key)


@st.fragment
def _popover(run: Run, rows: IntArray, name: str, key: str) -> None:
    """The button and, while it is open, the panel; what is done in it draws only the panel anew."""
    place = st.popover("Take away", icon=":material/download:", key=key, disabled=not len(rows), on_change="rerun")
    if place.open and len(rows):
        with place, st.container(width=WIDTH, key=f"{key}-panel"):
            st.markdown(f"**{plain(name)}**, {count(len(rows), 'image')} of this run")
            try:
                judged = sets.book_of(run).verdicts()
            except SampleInfoError as error:
                st.error(plain(error), icon=":material/error:")
                return
            _dropped(run, rows, judged)
            left, right = st.columns([6, 5], gap="medium")
            impossible = _obstacles(str(run.path), str(run.meta["fingerprint"]), np.asarray(rows, np.int64).tobytes())
            with left, st.container(height=HEIGHT):
                kind = _choice(impossible, key)
            with right:
                labels = _labels(run, rows, judged, kind, key)
                if labels is not None:
                    _action(run, rows, labels, name, kind, impossible.get(kind.name), key)
                jobs_panel(jobs.EXPORT, run.id, "pages/summaries.py", key)


@st.cache_data(ttl=60, max_entries=32, show_spinner="Looking for the files of the images …")
def _obstacles(path: str, fingerprint: str, rows: bytes) -> dict[str, str]:  # noqa: ARG001 - it is part of the key
    """Why formats are impossible for a set; looked up again after a while, as files come and go."""
    return exports.obstacles(store.open_run(Path(path)), np.frombuffer(rows, dtype=np.int64))


def _choice(impossible: dict[str, str], key: str) -> Format:
    """The format that is chosen, among all with what they are for."""
    kinds = exports.FORMATS
    name = st.radio(
        f"Format ({len(kinds)})", list(kinds), format_func=lambda each: kinds[each].title, key=f"{key}-format",
        persist_state="page",
        captions=[
            plain(each.sentence) + (" **Not possible here.**" if each.name in impossible else "")
            for each in kinds.values()
        ],
    )  # fmt: skip
    return kinds[name or next(iter(kinds))]


def _dropped(run: Run, rows: IntArray, judged: Mapping[str, Verdict]) -> None:
    """How many images of the set are to be dropped: a set is what was chosen, so they are taken away all the same."""
    number = int(run.column("sample_id").iloc[rows].isin(verdicts.dropped_of(judged)).sum())
    if number:
        st.caption(f"{count(number, 'image')} of this set {_are(number)} marked to be dropped.")


def _labels(
    run: Run, rows: IntArray, judged: Mapping[str, Verdict], kind: Format, key: str
) -> Mapping[str, str] | None:  # fmt: skip
    """The corrected labels to apply, and what becomes of them in words; None where the run lacks a class of them."""
    labels = exports.touching(run, rows, verdicts.labels_of(judged))
    if not labels:
        return labels
    words = f"{count(len(labels), 'corrected label')} {_are(len(labels))}"
    if st.checkbox("Labels as given", key=f"{key}-as-given", help="Leave out what was corrected on the page Review."):
        st.caption(f"{words} left out.")
        return exports.AS_GIVEN
    try:
        exports.check_classes(run, labels)
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    st.caption(f"{words} {plain(kind.corrected)}.")
    return labels


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _action(
    run: Run, rows: IntArray, labels: Mapping[str, str], name: str, kind: Format, impossible: str | None, key: str
) -> None:
    """The download at once, or the job that writes the images; why neither where the format is impossible."""
    if impossible is not None:
        st.warning(f"**{plain(kind.title)} is not possible here:** {plain(impossible)}", icon=":material/block:")
    elif kind.pictures:
        _write(run, rows, labels, name, kind, key)
    else:
        st.download_button(
            BUTTONS.get(kind.name, kind.title), lambda: exports.content(run, rows, kind.name, labels),
            f"{file_name(name)}{kind.ending}", MIME.get(kind.ending), key=f"{key}-download", on_click="ignore",
            icon=":material/download:", type="primary",
        )  # fmt: skip
        st.caption(f"Downloads {plain(file_name(name) + kind.ending)}; a large set takes a moment.")


def _write(run: Run, rows: IntArray, labels: Mapping[str, str], name: str, kind: Format, key: str) -> None:
    """Where the images are to be written, and the button that starts it."""
    offered, field = str(targets.proposed(file_name(name), kind, _busy())), f"{key}-target"
    if field not in st.session_state or st.session_state.get(f"{field}-offered") != offered:
        st.session_state[field] = st.session_state[f"{field}-offered"] = offered
    text = st.text_input("Write to", key=field, help=TARGET_HELP)
    try:
        exports.check_target(targets.place(text or ""), kind.name)
        problem = ""
    except SampleInfoError as error:
        problem = str(error)
    st.button(
        f"Write {count(len(rows), 'image')}", key=f"{key}-write", icon=":material/save:", type="primary",
        disabled=bool(problem), on_click=_start, args=(run, rows, labels, name, kind, field, key),
    )  # fmt: skip
    problem = problem or st.session_state.pop(f"{key}-trouble", "")
    if problem:
        st.error(plain(problem), icon=":material/error:")
    st.caption("Written in the background: you may close this or leave the page. It is there whole or not at all.")


def _start(
    run: Run, rows: IntArray, labels: Mapping[str, str], name: str, kind: Format, field: str, key: str
) -> None:  # fmt: skip
    """Start the job that writes to what the field says by now."""
    try:
        path = targets.place(st.session_state[field])
        options = export_options(run, rows, path, kind.name, shortened(name, 80), labels)
        jobs.start(store.config_of(run), jobs.EXPORT, options, rows, labels)
    except SampleInfoError as error:
        st.session_state[f"{key}-trouble"] = str(error)


def _busy() -> list[str]:
    """Paths that jobs are writing to."""
    return [str(job.options["path"]) for job in jobs.list_jobs() if job.active and job.task == jobs.EXPORT]


def file_name(name: str) -> str:
    """A name of a set as the name of a file."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "set"
