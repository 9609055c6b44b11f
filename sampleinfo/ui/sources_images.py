"""The tabs of the Sources page about single images: their scores, their galleries, and where they lie on the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from sampleinfo import figures
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.sources_members import Member
from sampleinfo.reports.sources_words import Section, sections
from sampleinfo.scores import Score
from sampleinfo.store import Run
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.words import count, plain, shortened

#: Images at each end of a source's ranking, and the side of a picture in pixels.
ENDS, TILE = 60, 56
#: Columns of names, and how wide they are, so that long names do not push the numbers out of sight.
NAMED, NAMES = ("source", "and", "an image of", "one of", "trained on"), 150
PLAIN = {"displaylogo": False, "modeBarButtonsToRemove": ["toImage", "lasso2d", "select2d"]}
STILL = {"displayModeBar": False}


def mark(place: int) -> str:
    """The mark of a source in its colour."""
    return f':color[{figures.SET_MARKS[place]}]{{foreground="{figures.SET_COLOURS[place]}"}}'


def places(shown: Sequence[Member]) -> dict[str, int]:
    """The place of each source, which decides its colour and mark."""
    return {each.label: place for place, each in enumerate(shown)}


def heading(section: Section) -> None:
    """Title and explanation of a part."""
    st.markdown(f"**{section.title}**")
    st.caption(section.words)


def numbers(section: Section, key: str) -> None:
    """The numbers of a part as a table."""
    names = {each: st.column_config.Column(width=NAMES) for each in section.table.columns if each in NAMED}
    st.dataframe(section.table, hide_index=True, key=key, column_config=names)


def image_by_image(shown: Sequence[Member], tables: Tables, score: Score) -> None:
    """Distribution and mean of the score of each source, and class by class."""
    parts, place = sections(tables), places(shown)
    with st.container(key="halves"):
        left, right = st.columns([6, 5], gap="large")
        with left:
            _distribution(shown, score)
        with right:
            heading(parts["worth"])
            st.plotly_chart(
                figures.source_intervals(
                    tables["worth"], [("mean", "low", "high")], ["mean F-SI, nats"], place
                ),
                key="source-means", config=STILL, alt="Mean functional information of an image of each source",
            )  # fmt: skip
            numbers(parts["worth"], "worth-numbers")
            heading(parts["ratios"])
            numbers(parts["ratios"], "ratio-numbers")
    heading(parts["classes"])
    st.plotly_chart(
        figures.source_classes(tables["classes"], "mean F-SI, nats"), key="source-classes", config=STILL,
        alt="Mean functional information of the images of each class and source",
    )  # fmt: skip
    with st.expander("Numbers", key="class-numbers-open"):
        numbers(parts["classes"], "class-numbers")


def _distribution(shown: Sequence[Member], score: Score) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="source-scale-row"):
        st.markdown(
            f"**{score.title} of all images**",
            help="Above: which share of a source's images has a score up to so much. The further right a line runs, "
            "the more its images are worth. Below: how dense the scores lie; the box holds the middle half, its line "
            "is the median.",
        )
        scale = st.segmented_control(
            "Scale", ["log", "linear"], default="log", key="source-scale", required=True, persist_state="session",
            label_visibility="collapsed",
        )  # fmt: skip
    st.plotly_chart(
        figures.source_distributions(
            {each.label: each.values(score.name) for each in shown}, f"{score.title}, nats", str(scale)
        ),
        key="source-distributions", config=PLAIN, alt=f"Distribution of {score.title} in each source",
    )  # fmt: skip


def galleries(shown: Sequence[Member], score: Score) -> None:
    """The images at both ends of each source, in strips that scroll together."""
    for words, sign in (("Most informative", -1), ("Least informative", 1)):
        st.markdown(
            f"**{words} images of each source**",
            help=f"{score.sentence} The strips scroll together, so that images of equal rank stand below each other. "
            "A red caption is a wrong prediction. Enter opens an image on Explore.",
        )
        for place, each in enumerate(shown):
            nats = each.values(score.name)
            order = np.argsort(sign * nats, kind="stable")[:ENDS]
            title = f"{words}: {each.label}"
            st.markdown(f"{mark(place)} {plain(shortened(each.label, 60))}")
            opened = gallery(
                each.run, each.rows[order].tolist(), [figures.short(nats[at]) for at in order],
                key=f"strip-{sign}-{place}-{each.run.id}", label=title, opened="", row=True, tile=TILE,
                group=f"strips-{sign}",
            )  # fmt: skip
            if opened:
                st.switch_page("pages/explore.py", query_params={"run": each.run.id, "sample": opened})


def source_maps(run: Run, shown: Sequence[Member]) -> None:
    """The sources of the run on its map, over each other or each in a map of its own."""
    own = [each for each in shown if each.own]
    with st.container(horizontal=True, vertical_alignment="bottom", key="source-map-controls"):
        layout = st.segmented_control(
            "Layout", ["umap", "pca"], default="umap", format_func=str.upper, key="source-layout", required=True,
            persist_state="session",
            help="Both show the penultimate features of the network; near means alike to the network.",
        )  # fmt: skip
        panels = st.segmented_control(
            "Sources", ["over each other", "side by side"], default="over each other", key="source-panels",
            required=True, persist_state="session",
        )  # fmt: skip
    rows, names = [each.rows for each in own], [each.label for each in own]
    draw = figures.source_map if panels == "over each other" else figures.source_panels
    st.plotly_chart(
        draw(run.samples, rows, names, str(layout), [places(shown)[name] for name in names]), key="source-map",
        config={**PLAIN, "scrollZoom": True}, alt=f"Map of the images of {count(len(own), 'source')}",
    )  # fmt: skip
    words = "Training images only. "
    if panels != "over each other":
        words += "The other sources are grey. "
    words += "Where two sources lie apart, they look different to the network before it is trained."
    if len(own) < len(shown):
        words += " Each run has a map of its own: the sources of the second run are not on this one."
    st.caption(words)
