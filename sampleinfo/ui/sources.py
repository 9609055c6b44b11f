"""The Sources page: the verdict, what it rests on, and everything behind it in four tabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from sampleinfo import store
from sampleinfo.errors import SampleInfoError
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.sources import described, restricted
from sampleinfo.reports.sources_members import LARGEST, Member, caveats, members, sources_of
from sampleinfo.reports.sources_verdict import verdict
from sampleinfo.reports.sources_words import long
from sampleinfo.reports.truest import score_of
from sampleinfo.store import Run
from sampleinfo.ui import trouble
from sampleinfo.ui.fidelity import COLOURS, badge, fidelity
from sampleinfo.ui.frame import run_label
from sampleinfo.ui.questions import answered
from sampleinfo.ui.sources_choice import choose, other_run
from sampleinfo.ui.sources_images import galleries, image_by_image, mark, source_maps
from sampleinfo.ui.sources_whole import as_a_whole
from sampleinfo.ui.words import count, plain, shortened

PAGE = "pages/sources.py"
IMAGES, WHOLE, GALLERIES, MAP = "Image by image", "As a whole", "Galleries", "Map"
TABS = (IMAGES, WHOLE, GALLERIES, MAP)
#: Titles of further axes are as readable as those of the first; long headings are not larger than they need be.
STYLE = """<style>
@media (prefers-color-scheme: light) {
  .js-plotly-plot :is(.x2title, .x3title, .y2title, .x2tick text, .x3tick text) {fill: #56616a !important}
}
</style>"""
WORDS = (
    "**Not compared yet.** Which source is worth more: what an image of each adds, what the whole source adds given "
    "the others, what each source alone teaches the network about the others, and what 100 more images would be "
    "worth. All in closed form, nothing is trained."
)


def sources(run: Run) -> None:
    """The page, for a run."""
    with st.container(key="sources-choice"):
        other = other_run(run)
        try:
            found = members(run, other)
        except SampleInfoError as error:
            st.error(plain(error), icon=":material/error:")
            return
        if other is None and len(found) < 2:
            _one_source(found)
            return
        shown = choose(run, found)
    try:
        tables = _tables(run, other)
        if tables is None:
            return
        if len(shown) < 2:
            st.info("Choose two sources or more above.")
            return
        _page(run, other, shown, tables)
    except SampleInfoError as error:
        trouble.tell(error, run)


def _one_source(found: Sequence[Member]) -> None:
    """What to do where there is nothing to compare."""
    name = plain(shortened(found[0].source, 60)) if found else "none"
    st.info(
        f"**This run has one source, {name}.** To compare sources, score several data sets as one run: choose *Digits* "
        "on Home, join your own with a plus (`camera-a/+camera-b/`), give a folder of folders with "
        "`--layout source/class`, or a table with a column `source`. Two runs of the same task can be compared as "
        "well: choose the second one above."
    )
    st.page_link("app.py", label="Go to Home", icon=":material/home:")


def _tables(run: Run, other: Run | None) -> Tables | None:
    if other is None:
        return answered(run, "sources", PAGE, WORDS, "Compare sources")
    return _beside(str(run.path), str(other.path), run.meta["fingerprint"], other.meta["fingerprint"])


@st.cache_data(max_entries=8, show_spinner="Comparing the two runs …")
def _beside(run: str, other: str, *fingerprints: str) -> Tables:  # noqa: ARG001 - they are part of the key
    both = store.open_run(run), store.open_run(other)
    return described(members(*both), score_of(*both).name)


def _page(run: Run, other: Run | None, shown: Sequence[Member], tables: Tables) -> None:
    part = restricted(tables, [each.label for each in shown])
    score = score_of(run, other)
    st.html(STYLE)
    st.markdown(f"#### {_held_together(plain(verdict(part)))}")
    fidelity(run, score.name)
    if other is not None:
        found = badge(other, score.name)
        st.markdown(f":{COLOURS[found.level]}-badge[{found.words}] {plain(run_label(other))}", help=found.help)
    _facts(run, other, shown, tables)
    for name, tab in zip(TABS, st.tabs(list(TABS), key="part", bind="query-params"), strict=True):
        if tab.open:
            with tab:
                if name == IMAGES:
                    image_by_image(shown, part, score)
                elif name == WHOLE:
                    as_a_whole(run, shown, part)
                elif name == GALLERIES:
                    galleries(shown, score)
                else:
                    source_maps(run, shown)


def _held_together(words: str) -> str:
    """The same, without line breaks inside of brackets and before a percent sign."""
    return re.sub(r"\[[^\]]*\]", lambda found: found[0].replace(" ", "\u00a0"), words).replace(" %", "\u00a0%")


def _facts(run: Run, other: Run | None, shown: Sequence[Member], tables: Tables) -> None:
    """Who is compared, in which colour, and what stands against the comparison."""
    legend = " · ".join(
        f"{mark(place)} {plain(shortened(each.label, 60))}: {count(len(each.rows), 'image')}"
        for place, each in enumerate(shown)
    )
    with st.container(horizontal=True, vertical_alignment="center", key="sources-facts"):
        st.markdown(legend, width="content")
        st.download_button(
            "Every number (CSV)", lambda: long(tables).to_csv(index=False), f"sources-{run.id}.csv", "text/csv",
            key="sources-csv", on_click="ignore", icon=":material/download:", type="tertiary",
        )  # fmt: skip
    all_of_them = len(sources_of(run))
    words = [f"The {LARGEST} largest of {all_of_them} sources are compared."] if all_of_them > LARGEST else []
    words += caveats(run, other) if other is not None else [_mix(shown)]
    st.caption(plain(" ".join(words)))


def _mix(shown: Sequence[Member]) -> str:
    """What F-SI is measured on, and what rarity does to it."""
    parts = ", ".join(f"{each.validation} of {shortened(each.label, 60)}" for each in shown)
    return (
        f"Measured on all validation images as they are mixed ({parts}). An image of a smaller source tends to be "
        "worth more, being rarer; As a whole compares equally many of each."
    )
