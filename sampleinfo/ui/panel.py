"""The live panel beside a set: what it teaches, what is missed without it, and what to add or drop next."""

from __future__ import annotations

import html
import zlib
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures, whatif_primal
from sampleinfo.errors import SampleInfoError
from sampleinfo.evaluation import Accuracy
from sampleinfo.reports.sets import DRAWS, Panel, Proposal
from sampleinfo.store import Run
from sampleinfo.ui import desks
from sampleinfo.ui.fidelity import COLOURS, badge
from sampleinfo.ui.gallery import picker
from sampleinfo.ui.sets import ADD_NEXT, DROP_NEXT, Members, acknowledged, take_picks
from sampleinfo.ui.words import count, duration, plain

#: Pixels of a proposed image; classes and sources that the composition lists.
TILE, LISTED = 46, 30
#: A difference of the whole from its parts, relative to them, that is not worth a word.
ALIKE = 0.05
#: Seconds that a click may take without being asked for.
AT_ONCE = 4.0
HELP = {
    "alone": "Share of held-out images that the network is predicted to get right when it is trained on this set "
    "alone: a closed form on this run's kernel or features, nothing is trained. In brackets the 95 % interval (Wilson) "
    "for so many held-out images. No strategy and no proposal has looked at them.",
    "random": f"Against {DRAWS} random sets of the same size: mean ± one standard deviation of the draws.",
    "without": "The opposite question: trained on every training image that is not in this set.",
    "SI": "Smooth unique information of the set, in nats: how far the weights move when the whole set is left out.",
    "F-SI": "Functional information of the set, in nats: how far the predictions on the held-out images move when the "
    "whole set is left out of training.",
    "together": "The sum of F-SI over its images, each left out alone. Where the whole set is worth more, what one "
    "image says the others say too, so that each alone is hardly missed. Where it is worth less, each image matters "
    "only beside the others, or they pull in different directions and what they change cancels.",
    "add": "Below each image: by how much the mean loss over all training images falls if it joins the set. No "
    "validation image is looked at.",
    "drop": "Below each image: by how much the mean loss over all training images falls (+) or rises (−) if it leaves.",
}  # fmt: skip
NO_PROPOSALS = (
    "Random sets to compare with, and what to add or drop next, need a kernel between all images, which this run does "
    "not keep."
)
STYLE = """<style>
.st-key-set-panel [data-testid="stMetricValue"] {font-size: 1.4rem; line-height: 1.3}
.st-key-set-panel [data-testid="stMetricDelta"] {font-size: .8rem}
.st-key-set-panel [data-testid="stMetricLabel"] {opacity: .85}
@media (min-width: 1101px) {.st-key-set-panel {position: sticky; top: 1rem}}
.parts {display: grid; grid-template-columns: minmax(3rem, max-content) 3.2rem 1fr; gap: 2px 10px;
  align-items: center; font-size: .85rem; max-height: 180px; overflow-y: auto}
.parts span {overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 14rem}
.parts b {text-align: right; font-weight: 500; white-space: nowrap}
.parts i {display: block; height: 9px; border-radius: 3px; background: #4477aa}
</style>"""


def set_panel(run: Run, name: str, members: Members) -> None:
    """Everything about the set that is open; the numbers first, the proposals take longer."""
    st.html(STYLE)
    try:
        if not run.has_kernel and not _wanted(run, members):
            return
        _numbers(run, members, desks.panel(run, members.rows))
        if not run.has_kernel:
            st.caption(NO_PROPOSALS)
            return
        proposed = desks.proposals(run, members.rows)
    except SampleInfoError as error:
        st.error(plain(error))
        return
    ids = run.column("sample_id").to_numpy()
    _proposals(run, name, "Add next", proposed.add, [], ADD_NEXT, HELP["add"])
    inside = [str(ids[each.row]) for each in proposed.drop]
    _proposals(run, name, "Drop next", proposed.drop, inside, DROP_NEXT, HELP["drop"])


def _wanted(run: Run, members: Members) -> bool:
    """Whether to predict a set of a run without a kernel: at once where that is quick, else once it is asked for."""
    seconds = whatif_primal.seconds(run, len(members.rows))
    key = f"predict-{run.id}-{zlib.crc32(np.sort(members.rows).tobytes())}"
    if seconds <= AT_ONCE or st.session_state.get(key):
        return True
    _absent(members)
    st.caption(f"{count(len(members.rows), 'image')}: to predict what they teach takes about {duration(seconds)}.")
    st.button("Predict this set", icon=":material/calculate:", key="predict", on_click=_predict, args=(key,))
    return False


def _predict(key: str) -> None:
    st.session_state[key] = True


def _numbers(run: Run, members: Members, found: Panel) -> None:
    _absent(members)
    if not found.size:
        st.info(
            "**This set is empty.** Click images in the gallery, draw a lasso on the map and press *Add selection*, or "
            "click one of the proposals below. What the set teaches appears here."
        )
    else:
        _accuracy(run, found)
        _information(found)
        table = run.table(["class_name", "source"])
        composition(table.iloc[members.rows], table[run.training])


def _absent(members: Members) -> None:
    words = []
    if members.missing:
        verb = "is" if members.missing == 1 else "are"
        words.append(f"{members.missing} of this set's images {verb} not in this run")
    if members.validation:
        verb = "is a validation image" if members.validation == 1 else "are validation images"
        words.append(f"{members.validation} {verb} here and cannot be trained on")
    if words:
        st.caption(f":material/info: {'; '.join(words)}: the numbers below are without them.")


def accuracy_words(found: Accuracy) -> str:
    """``87.0 % (76–94 %)``."""
    low, high = found.interval()
    return f"{100 * found.accuracy:.1f} % ({100 * low:.0f}–{100 * high:.0f} %)"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points"


def _accuracy(run: Run, found: Panel) -> None:
    assert found.alone is not None  # the set is not empty
    reached, full = found.alone, found.full.accuracy
    with st.container(horizontal=True, key="accuracies"):
        _number(
            f"{count(found.size, 'image')} alone",
            f"{100 * reached.accuracy:.1f} %", f"{_points(reached.accuracy - full)} to everything",
            f"{HELP['alone']} Here: {reached.count} held-out images. Everything: {accuracy_words(found.full)}.",
        )  # fmt: skip
        if found.random is not None:
            gain = reached.accuracy - found.random.mean
            _number(
                f"{found.size} at random", f"{100 * found.random.mean:.1f} ± {100 * found.random.spread:.1f} %",
                f"{_points(gain)} by this set", HELP["random"], "normal" if abs(gain) > found.random.spread else "off",
            )  # fmt: skip
        if found.without is not None:
            _number(
                "All the others", f"{100 * found.without.accuracy:.1f} %",
                f"{_points(found.without.accuracy - full)} to everything", HELP["without"],
            )  # fmt: skip
    known = badge(run, "functional_information")
    st.caption(
        f":{COLOURS[known.level]}-badge[{known.words}] "
        f"Predicted in closed form for {reached.count} held-out images that no choice has looked at. 95 % interval of "
        f"this set {_range(reached)}, of everything {_range(found.full)}.",
        help=known.help,
    )


def _number(label: str, value: str, change: str | None, help_: str, colour: Literal["normal", "off"] = "off") -> None:
    st.metric(label, value, change, delta_color=colour, delta_arrow="off", help=help_, width=158)


def _range(found: Accuracy) -> str:
    low, high = found.interval()
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def _information(found: Panel) -> None:
    single = found.functional - found.interaction
    with st.container(horizontal=True, key="information"):
        _number("SI of the set", f"{figures.short(found.weight, 3)} nats", None, HELP["SI"])
        _number("F-SI of the set", f"{figures.short(found.functional, 3)} nats", None, HELP["F-SI"])
        if found.size > 1:
            _number("F-SI one by one", f"{figures.short(single, 3)} nats", None, HELP["together"])
    if found.size > 1:
        words = (
            "is worth about as much as its images, each left out alone: they **hardly overlap**."
            if abs(found.interaction) < ALIKE * single
            else "is worth **more** than the sum of its images, each left out alone: they **repeat each other**."
            if found.interaction > 0
            else "is worth **less** than the sum of its images, each left out alone: they **need each other or "
            "contradict each other**."
        )
        st.caption(f"As a whole the set {words}")


def composition(part: pd.DataFrame, whole: pd.DataFrame) -> None:
    """How many images of each class and source, with a bar for each."""
    for column, title in (("class_name", "class"), ("source", "source")):
        names = whole[column].astype(str).value_counts()
        if column == "source" and len(names) < 2:
            continue
        counts = part[column].astype(str).value_counts().reindex(names.index, fill_value=0)
        counts = counts.sort_index() if len(counts) <= LISTED else counts.sort_values(ascending=False, kind="stable")
        top, cells = max(1, int(counts.max())), []
        for name, number in counts.head(LISTED).items():
            share = 100 * int(number) / top
            cells.append(f"<span>{html.escape(str(name))}</span><b>{int(number)}</b><i style='width:{share:.1f}%'></i>")
        more = len(counts) - LISTED
        st.markdown(f"**Images per {title}**" + (f" :small[(the {LISTED} largest of {len(counts)})]" * (more > 0)))
        st.html(f"<div class='parts'>{''.join(cells)}</div>")


def _proposals(
    run: Run, name: str, title: str, proposals: list[Proposal], picked: list[str], key: str, help_: str
) -> None:
    if not proposals:
        return
    st.markdown(f"**{title}** :small[a click {'adds' if key == ADD_NEXT else 'drops'} it]", help=help_)
    notes = [figures.short(each.gain).replace("-", "−", 1) if each.gain < 0 else f"+{figures.short(each.gain)}"
             for each in proposals]  # fmt: skip
    picker(
        run, [each.row for each in proposals], notes, picked, key=key, label=title, target=name,
        acknowledged=acknowledged(key), on_pick=lambda: take_picks(run), tile=TILE, row=True,
    )  # fmt: skip
