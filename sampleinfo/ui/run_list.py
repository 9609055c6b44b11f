"""The finished runs."""

from __future__ import annotations

import streamlit as st

from sampleinfo import store
from sampleinfo.store import Run, kernel_words, training_words
from sampleinfo.ui import media
from sampleinfo.ui.fidelity import COLOURS, best_badge
from sampleinfo.ui.words import plain

SHOWN = 30


def run_list() -> None:
    """Every run with its facts, a link and a way to delete it; broken folders with the reason."""
    st.subheader("Runs", anchor=False)
    runs, broken = store.list_runs(), store.broken_runs()
    if not runs:
        st.info("None yet. The settings on this page are ready for a first one: real digits from two sources.")
    for run in runs[:SHOWN]:
        _row(run)
    if len(runs) > SHOWN:
        st.caption(f"{len(runs) - SHOWN} older runs are listed by `sampleinfo runs`.")
    if broken:
        with st.expander(f"{len(broken)} folders are not readable runs"):
            for name, reason in broken.items():
                st.text(f"{name}: {reason}")


def _row(run: Run) -> None:
    meta, badge = run.meta, best_badge(run)
    with st.container(border=True, key=f"run-{run.id}"):
        st.markdown(
            f"**{plain(run.title)}** · {meta['sizes']['train']} + {meta['sizes']['validation']} images  \n"
            f":small[accuracy {meta['accuracy']['validation']:.1%} · {training_words(run)} · "
            f"{kernel_words(run)} kernel · {str(meta['created'])[:16].replace('T', ' ')} UTC]  \n"
            f":{COLOURS[badge.level]}-badge[{badge.words}]"
        )
        _links(run)


def _links(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/explore.py", label="Explore", icon=":material/scatter_plot:",
                     query_params={"run": run.id}, width="content")  # fmt: skip
        st.page_link("pages/validate.py", label="Validate", icon=":material/verified:",
                     query_params={"run": run.id}, width="content")  # fmt: skip
        with st.popover("Delete", type="tertiary"):
            st.write("The run's scores and arrays go; this cannot be undone.")
            if st.button("Delete this run", key=f"delete-{run.id}"):
                media.withdraw(run)
                store.delete_run(run)
                st.rerun()
