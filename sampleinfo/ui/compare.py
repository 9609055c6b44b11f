"""Up to four sets side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.errors import SampleInfoError
from sampleinfo.evaluation import Evaluation
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, IntArray
from sampleinfo.ui import desks, sets
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.panel import HELP, accuracy_words
from sampleinfo.ui.words import count, plain, shortened

MOST, SHOWN, TILE = 4, 100, 40
SET, STRATEGY = "set", "strategy"


def compare(run: Run) -> None:
    """The tab: which sets, then each in a column, then what they share."""
    try:
        book = sets.book_of(run)
        named = {f"{SET}: {each.name}": each.name for each in book.sets()}
        size = int(st.session_state.get(f"budget-{run.id}") or max(1, round(0.1 * int(run.meta["sizes"]["train"]))))
        ready = {f"{STRATEGY}: {each.title}, {size} images": name for name, each in STRATEGIES.items()}
        chosen = st.multiselect(
            "Sets to compare", [*named, *ready], list(named)[:MOST], max_selections=MOST, key=f"compare-{run.id}",
            placeholder="Choose up to four", format_func=lambda each: each.removeprefix(f"{SET}: "),
            persist_state="page", help="Your own sets, and what each strategy keeps for the budget on *Strategies*.",
        )  # fmt: skip
        found = {
            each.removeprefix(f"{SET}: "): _rows(run, book.members(named[each]))
            if each in named else desks.summary(run, ready[each], size)
            for each in chosen
        }  # fmt: skip
        if not found:
            st.info("Choose two sets or more: their images, classes, overlap and predicted accuracy, side by side.")
            return
        reached = {name: desks.alone(run, rows) for name, rows in found.items() if len(rows)}
        _columns(run, found, reached)
        with st.container(key="halves"):
            left, right = st.columns(2, gap="large")
            with left:
                _classes(run, found, reached)
            with right:
                _overlap(found)
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")


def _rows(run: Run, ids: list[str]) -> IntArray:
    return sets.members_of(run.samples, ids).rows


def _columns(run: Run, found: dict[str, IntArray], reached: dict[str, Evaluation]) -> None:
    score = next(iter(run.scores))
    for column, (name, rows) in zip(st.columns(len(found), gap="medium"), found.items(), strict=True):
        with column:
            st.markdown(f"**{plain(name)}**")
            if name not in reached:
                st.caption("No image of this set is in this run." if len(found) else "")
                continue
            overall = reached[name].overall
            band = desks.desk(run).random(len(rows))
            low, high = overall.interval()
            st.metric(
                f"{count(len(rows), 'image')} alone", f"{100 * overall.accuracy:.1f} %",
                f"random {100 * band.mean:.1f} ± {100 * band.spread:.1f} %", delta_color="off", delta_arrow="off",
                help=f"{HELP['alone']} Here {100 * low:.0f}–{100 * high:.0f} %. {HELP['random']}",
            )  # fmt: skip
            values = run.samples[score].to_numpy(dtype=np.float64)[rows[:SHOWN]]
            opened = gallery(
                run, rows[:SHOWN].tolist(), [figures.short(each) for each in values], key=f"compare-{name}",
                label=f"Images of {name}", opened="", height=240, tile=TILE,
            )  # fmt: skip
            if len(rows) > SHOWN:
                st.caption(f"The first {SHOWN} of {len(rows)}.")
            if opened:
                st.switch_page("pages/explore.py", query_params={"run": run.id, "sample": opened})


def _classes(run: Run, found: dict[str, IntArray], reached: dict[str, Evaluation]) -> None:
    """Images per class, and the predicted accuracy on each class."""
    samples = run.samples[run.samples["split"] == TRAIN]
    names = {int(label): str(name) for label, name in samples.groupby("label")["class_name"].first().items()}  # type: ignore[call-overload]
    labels = samples["label"].to_numpy(np.int64)
    sizes = pd.DataFrame({
        name: [int((labels[rows] == label).sum()) for label in names] for name, rows in found.items()
    }, index=pd.Index([shortened(each, 40) for each in names.values()], name="class"))  # fmt: skip
    st.markdown("**Images per class**")
    st.dataframe(sizes, key="compare-sizes", height="auto" if len(names) <= 12 else 300)
    scores = pd.DataFrame({
        name: [accuracy_words(each.per_class[label]) if label in each.per_class else "none held out" for label in names]
        for name, each in reached.items()
    }, index=sizes.index)  # fmt: skip
    st.markdown("**Predicted accuracy on each class**", help=HELP["alone"])
    st.dataframe(scores, key="compare-accuracy", height="auto" if len(names) <= 12 else 300)


def _overlap(found: dict[str, IntArray]) -> None:
    """Images that two sets share."""
    st.markdown("**Shared images**", help="How many images are in both sets; in brackets the share of the row's set.")
    held = {name: set(rows.tolist()) for name, rows in found.items()}
    table = pd.DataFrame(
        [[_shared(held[row], held[column]) for column in held] for row in held],
        index=pd.Index(list(held), name="set"), columns=list(held),
    )  # fmt: skip
    st.dataframe(table, key="compare-overlap")


def _shared(one: set[int], other: set[int]) -> str:
    both = len(one & other)
    return f"{both} ({100 * both / len(one):.0f} %)" if one else "0"
