"""The tab of the Sources page about whole sources: what they teach, what they add, and what more of them would."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sampleinfo import figures
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.sources_members import ALL, Member
from sampleinfo.reports.sources_words import reasons, sections
from sampleinfo.store import Run
from sampleinfo.ui.fidelity import COLOURS, badge
from sampleinfo.ui.sources_images import STILL, heading, numbers, places
from sampleinfo.ui.words import plain

CLOSED = "functional_information"
BATCH = ("loss_gain", "accuracy_gain", "functional")


def as_a_whole(run: Run, shown: Sequence[Member], tables: Tables) -> None:
    """Teaching, equal sizes, batches, whole sources and pairs."""
    if "teaches" not in tables:
        st.info(
            "**Two runs have two kernels.** What a whole source adds, what sources teach each other and what more "
            "images are worth is told within one run: take the second run away above, or score the data of both as "
            "one run (`FIRST+SECOND`)."
        )
        return
    parts, place = sections(tables), places(shown)
    _closed_form(run)
    for reason in reasons(tables):
        st.warning(
            f"Where it says *diverges*, so few images cannot be trained as this run is: {plain(reason)}",
            icon=":material/info:",
        )
    with st.container(key="halves"):
        left, right = st.columns([6, 5], gap="large")
        with left:
            heading(parts["teaches"])
            st.plotly_chart(
                figures.teaching(tables["teaches"]), key="teaching", config=STILL,
                alt="Accuracy on each source's validation images, trained on each source alone",
            )  # fmt: skip
            with st.expander("Numbers", key="teaches-open"):
                numbers(parts["teaches"], "teaches-numbers")
        with right:
            heading(parts["equal"])
            st.plotly_chart(
                figures.equal_sizes(tables["equal"], ALL, place), key="equal", config=STILL,
                alt="Accuracy against the number of random images of one source alone",
            )  # fmt: skip
            with st.expander("Numbers", key="equal-open"):
                numbers(parts["equal"], "equal-numbers")
    _batches(tables, place)
    for name in ("groups", "pairs"):
        heading(parts[name])
        numbers(parts[name], f"{name}-numbers")


def _batches(tables: Tables, place: dict[str, int]) -> None:
    section, table = sections(tables)["batches"], tables["batches"].copy()
    columns = [(name, f"{name}_low", f"{name}_high") for name in BATCH]
    table[list(columns[1])] *= 100
    heading(section)
    st.plotly_chart(
        figures.source_intervals(
            table, columns, ["loss saved", "accuracy added, points", "F-SI of the batch, nats"], place
        ),
        key="batches", config=STILL, alt="What random images of each source add, given everything else",
    )  # fmt: skip
    numbers(section, "batch-numbers")


def _closed_form(run: Run) -> None:
    """How true this tab is, where it is another method than that of the scores."""
    words = "All of this is closed form on the kernel of this run."
    if run.meta.get("along"):
        found = badge(run, CLOSED)
        with st.container(horizontal=True, vertical_alignment="center", key="closed-form"):
            st.markdown(f":{COLOURS[found.level]}-badge[{found.words}]", help=found.help, width="content")
            st.caption(f"{words} The scores of single images follow the real training run instead.", width="content")
    else:
        st.caption(f"{words} Nothing was trained; how true it is says the badge above.")
