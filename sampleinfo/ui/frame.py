"""The frame of every page: one call sets the page up, draws the menu and, where asked, the run picker."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sampleinfo import store
from sampleinfo.errors import InvalidRun
from sampleinfo.store import Run
from sampleinfo.ui.words import plain

STYLE = """<style>
.block-container {padding-top: 1.2rem; padding-bottom: 3rem; max-width: 1600px}
header[data-testid="stHeader"] {height: 0; min-height: 0}
[data-testid="stCaptionContainer"] {opacity: .8}
@media (prefers-color-scheme: light) {
  .js-plotly-plot :is(.xtitle, .ytitle, .xtick text, .ytick text, .cbtitle text, .cbaxis text)
    {fill: #56616a !important}
}
@media (prefers-color-scheme: dark) {
  [data-testid="stButtonGroup"] [aria-checked="true"] {color: #6bb6df !important}
}
</style>"""
PAGES = (
    ("app.py", "Home", ":material/home:"), ("pages/explore.py", "Explore", ":material/scatter_plot:"),
    ("pages/summaries.py", "Summaries", ":material/filter_list:"),
    ("pages/sources.py", "Sources", ":material/compare_arrows:"),
    ("pages/classes.py", "Classes", ":material/category:"),
    ("pages/review.py", "Review", ":material/rule:"),
    ("pages/validate.py", "Validate", ":material/verified:"),
)  # fmt: skip


def stacking(width: int, *keys: str) -> str:
    """Style: up to so many pixels the columns in the containers with these keys stand below each other."""
    rows = [f'.st-key-{key}{inside} > [data-testid="stHorizontalBlock"]' for key in keys for inside in (" > div", "")]
    columns = [f'{row} > [data-testid="stColumn"]' for row in rows]
    return (
        f"<style>@media (max-width: {width}px) {{{', '.join(rows)} {{flex-direction: column}} "
        f"{', '.join(columns)} {{width: 100%; flex: 1 1 auto}}}}</style>"
    )


def begin_page(title: str) -> None:
    """Page settings, style and menu; the first call of every page."""
    st.set_page_config(
        page_title=f"{title} · sampleinfo", page_icon=str(app_folder() / "assets" / "icon.png"), layout="wide"
    )
    st.html(STYLE + stacking(1100, "halves"))
    with st.container(horizontal=True, vertical_alignment="center", key="menu"):
        st.markdown("**sampleinfo**", width="content")
        for path, label, icon in PAGES:
            st.page_link(path, label=label, icon=icon, width="content")


def pick_run() -> Run | None:
    """The run named in the address, or chosen here; None with a word of what to do when there is none."""
    by_id = {run.id: run for run in store.list_runs()}
    wanted = st.query_params.get("run")
    if wanted and wanted not in by_id:
        st.error(f"There is no run called {plain(repr(wanted))} here." + (" Choose another below." if by_id else ""))
    if not by_id:
        st.info("There are no runs yet. Start one on Home: the built-in digits take about a minute or two.")
        st.page_link("app.py", label="Go to Home", icon=":material/home:")
        return None
    ids = list(by_id)
    place = (ids.index(wanted) if wanted in by_id else None) if wanted else 0
    chosen = st.selectbox(
        "Run", ids, index=place, format_func=lambda i: run_label(by_id[i]), key=f"run-{wanted or ids[0]}",
        label_visibility="collapsed", placeholder="Choose a run",
    )  # fmt: skip
    if chosen is None:
        return None
    if wanted and chosen != wanted:
        st.query_params.clear()
        st.query_params["run"] = chosen
        st.rerun()
    st.query_params["run"] = chosen
    return _readable(by_id[chosen])


def _readable(run: Run) -> Run | None:
    try:
        _ = run.names, run.table(sorted(store.COLUMNS))
    except InvalidRun as error:
        st.error(str(error))
        return None
    return run


def run_label(run: Run) -> str:
    """A run in one line."""
    sizes, created = run.meta["sizes"], str(run.meta["created"])[:16].replace("T", " ")
    return f"{run.title} · {sizes['train']} + {sizes['validation']} images · {created} · {run.id[-10:]}"


def app_folder() -> Path:
    """The folder of app.py."""
    return Path(__file__).resolve().parents[2]
