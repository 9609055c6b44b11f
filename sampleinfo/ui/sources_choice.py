"""Which sources are compared: of the run, and of a second one. Both choices are in the address."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sampleinfo import store
from sampleinfo.errors import SampleInfoError
from sampleinfo.reports.sources_members import SHOWN, Member, check_match, shown_first
from sampleinfo.store import Run
from sampleinfo.ui.frame import run_label
from sampleinfo.ui.words import plain, shortened

WITH, SOURCE = "with", "source"
#: Stands for no second run.
NONE = ""


def other_run(run: Run) -> Run | None:
    """The second run that is named in the address or chosen here; None without one, or where it does not match."""
    others = {each.id: each for each in store.list_runs() if each.id != run.id}
    wanted = st.query_params.get(WITH)
    chosen = _chosen(run, others, wanted) if others else None
    if wanted and wanted not in others:
        itself = "the run itself" if wanted == run.id else "not a run that is here"
        st.error(f"{plain(repr(wanted))} is {itself}." + (" Choose another one above." if others else ""))
        return None
    if chosen is None:
        return None
    why = _mismatch(run, others[chosen])
    if why:
        st.error(plain(why), icon=":material/error:")
        return None
    return others[chosen]


def _chosen(run: Run, others: dict[str, Run], wanted: str | None) -> str | None:
    """The control; runs that match come first."""
    reasons = {name: _mismatch(run, each) for name, each in others.items()}
    names = [NONE, *sorted(others, key=lambda name: bool(reasons[name]))]

    def words(name: str) -> str:
        if name == NONE:
            return "None: only the sources of this run"
        return run_label(others[name]) + (" · does not match" if reasons[name] else "")

    before = wanted if wanted in others else NONE
    chosen = st.selectbox(
        "Beside another run", names, index=names.index(before), format_func=words, key=f"with-{run.id}-{wanted}",
        help="A second run of the same task (classes, network, kernel and training): its sources stand beside these.",
    )  # fmt: skip
    if chosen != before:
        st.query_params.pop(SOURCE, None)
        st.query_params.pop(WITH, None)
        if chosen != NONE:
            st.query_params[WITH] = chosen
        st.rerun()
    return None if chosen == NONE else chosen


def _mismatch(run: Run, other: Run) -> str:
    """Why two runs cannot be compared; empty where they can."""
    try:
        check_match(run, other)
    except SampleInfoError as error:
        return str(error)
    return ""


def choose(run: Run, found: Sequence[Member]) -> list[Member]:
    """Those that are shown: all of a few, else the choice."""
    if len(found) <= SHOWN:
        return list(found)
    by_label = {each.label: each for each in found}
    asked = [each for each in st.query_params.get_all(SOURCE) if each in by_label]
    chosen = list(dict.fromkeys(asked))[:SHOWN] or [each.label for each in shown_first(found)]
    key = f"sources-{run.id}-{st.query_params.get(WITH)}"
    st.session_state[key] = chosen

    def keep() -> None:
        st.query_params[SOURCE] = list(st.session_state[key])

    st.multiselect(
        "Sources", list(by_label), max_selections=SHOWN, key=key, on_change=keep,
        format_func=lambda label: f"{shortened(label, 60)}, {len(by_label[label].rows)} images",
        help=f"Up to {SHOWN} at once; the largest ones unless chosen.",
    )  # fmt: skip
    return [each for each in found if each.label in chosen]
