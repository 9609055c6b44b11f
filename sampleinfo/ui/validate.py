"""The results of a validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures, store, validations
from sampleinfo.agreement import Agreement
from sampleinfo.errors import InvalidRun
from sampleinfo.store import Run
from sampleinfo.trainings import differences
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.mismatch import mismatch
from sampleinfo.ui.words import count, plain, times
from sampleinfo.validations import (
    ACCURACY,
    ALONG,
    KINDS,
    LOSS,
    METHODS,
    PREDICTIONS,
    RUN,
    TRUE,
    WEIGHTS,
    Validation,
    short,
)

#: Images of the worst misses, and pixels of one.
MISSES, WIDE = 10, 92
#: A space that does not break, for the cells of a table.
SOLID = "\u00a0"
KIND_NAMES = {
    PREDICTIONS: "Predictions (F-SI)", WEIGHTS: "Weights (SI)", ACCURACY: "Accuracy without a set",
    LOSS: "Loss without a set",
}  # fmt: skip
AXES = {
    PREDICTIONS: "F-SI, nats", WEIGHTS: "SI, nats", ACCURACY: "change of accuracy, percentage points",
    LOSS: "change of the mean loss",
}  # fmt: skip


def results(run: Run) -> None:
    """The chosen validation; a word of what to do where there is none."""
    found = validations.list_validations(run)
    if not found:
        st.info(
            "**Not validated yet.** The scores of this run are estimates. Press *Validate*: the network is trained "
            "again for real without some images, and this page shows how well each estimate foretold it."
        )
        for name in (RUN, ALONG):
            st.markdown(f"**{METHODS[name].title}.** {METHODS[name].sentence}")
        return
    by_id = {each.id: each for each in found}
    chosen, best = found[0].id, validations.trusted(run)
    if best is not None and st.session_state.setdefault(f"validations-{run.id}", len(found)) >= len(found):
        chosen = best.id  # what came since the page was opened is shown first
    if len(found) > 1:
        picked = st.selectbox(
            "Validation", list(by_id), index=list(by_id).index(chosen), key=f"validation-{run.id}-{len(found)}",
            format_func=lambda name: _label(by_id[name]),
        )  # fmt: skip
        chosen = str(picked)
    try:
        _ = by_id[chosen].removals, by_id[chosen].sets
    except InvalidRun as error:
        st.error(plain(error))
        return
    _show(run, by_id[chosen])


def _label(found: Validation) -> str:
    meta = found.meta
    created = str(meta["created"])[:16].replace("T", " ")
    return f"{meta['removals']} retrainings · {store.recipe_words(meta['recipe'])} · {created} UTC"


def _show(run: Run, found: Validation) -> None:
    _facts(run, found)
    _table(found)
    kinds = [kind for kind in KIND_NAMES if any(found.agreement(name, kind) for name in found.methods)]
    with st.container(horizontal=True, vertical_alignment="bottom", key="validate-controls"):
        kind = st.segmented_control(
            "Compare", kinds, default=kinds[0], format_func=KIND_NAMES.__getitem__, key="kind", required=True
        )
    _scatter(found, str(kind))
    if kind in (ACCURACY, LOSS):
        _sets(found, str(kind))
    else:
        _misses(run, found, str(kind))


def _facts(run: Run, found: Validation) -> None:
    """The verdict, and what it rests on."""
    meta = found.meta
    method = ALONG if run.meta.get("along") else RUN
    badge = validations.badge_of(found, method)
    best = max(found.methods, key=lambda name: _pearson(found.agreement(name, PREDICTIONS)))
    st.subheader(f"{METHODS[best].title} foretells retraining best", anchor=False)
    own = method == RUN or not differences(run, meta["recipe"])
    sets = f", and {count(meta['sets'], 'set')}" if meta["sets"] else ""
    whose = "This run's scores" if own else "The same method in another training"
    st.markdown(
        f"{whose}: **{badge.words}**.  \n:small[The network reached an accuracy of {meta['accuracy']:.1%} in "
        f"{store.recipe_words(meta['recipe'])}. Left out: {count(meta['removals'], 'image')} one by one{sets}. "
        f"{_segments_words(meta['segments'])}]",
        help=badge.help,
    )
    if not mismatch(run, found) and method == RUN and best == ALONG:
        st.caption("To score all images so, start a run on Home with the method *Along the training*.")


def _segments_words(segments: dict[str, float | None]) -> str:
    words = f"Along the training in {count(int(segments['count'] or 0), 'segment')}"
    if segments["deviation"] is None:
        return f"{words}."
    return f"{words}; with half as many the predictions deviate by {segments['deviation']:.1%}."


def _pearson(found: Agreement | None) -> float:
    return -2.0 if found is None or found.pearson is None else found.pearson


def _table(found: Validation) -> None:
    """Correlations of every method with the truth."""
    rows = []
    for name in found.methods:
        row = {"estimate": METHODS[name].title}
        for kind, title in ((PREDICTIONS, "F-SI"), (WEIGHTS, "SI")):
            known = found.agreement(name, kind)
            row[f"{title}, r"] = _words(known)
            row[f"{title}, ranks"] = "" if known is None or known.spearman is None else short(known.spearman)
            row[f"{title}, ratio"] = "" if known is None or known.ratio is None else times(known.ratio)
        rows.append(row)
    help_ = {
        "r": "Pearson's correlation of the estimated nats with the real ones [95 % interval]",
        "ranks": "Spearman's, of their order alone",
        "ratio": "median of estimate / truth over the images left out, 1 is right",
    }
    columns = {
        f"{title}, {name}": st.column_config.TextColumn(help=words)
        for title in ("F-SI", "SI") for name, words in help_.items()
    }  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="agreement", column_config=columns)
    st.caption(" · ".join(f"**{name}**: {words}" for name, words in help_.items()))
    with st.expander("What each estimate assumes"):
        for name in found.methods:
            st.markdown(f"**{METHODS[name].title}.** {METHODS[name].sentence}")


def _words(found: Agreement | None) -> str:
    if found is None or found.pearson is None or found.pearson_interval is None:
        return ""
    return f"{short(found.pearson)} [{', '.join(map(short, found.pearson_interval))}]"


def _scatter(found: Validation, kind: str) -> None:
    """Estimate against truth, one colour for each method."""
    column, single = KINDS[kind], kind in (PREDICTIONS, WEIGHTS)
    table = found.removals if single else found.sets
    factor = 100.0 if kind == ACCURACY else 1.0
    shown = [name for name in found.methods if f"{name}_{column}" in table]
    estimates = {METHODS[name].title: factor * table[f"{name}_{column}"].to_numpy(dtype=np.float64) for name in shown}
    places = [list(METHODS).index(name) for name in shown]
    names = table["sample_id"] if single else table["name"]
    truth = factor * table[f"{TRUE}_{column}"].to_numpy(dtype=np.float64)
    figure = figures.truth_scatter(truth, estimates, places, list(names), AXES[kind], single)
    st.plotly_chart(
        figure, key="truth", config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage"]},
        alt=f"Estimates of {KIND_NAMES[kind]} against real retraining",
    )  # fmt: skip


def _sets(found: Validation, kind: str) -> None:
    """Accuracy or loss after leaving out each set: real and foretold."""
    table, column = found.sets, "accuracy" if kind == ACCURACY else "loss"
    shown = pd.DataFrame({"left out": table["name"].str.replace(" ", SOLID), "images": table["size"]})
    for name in (TRUE, *found.methods):
        if f"{name}_{column}" in table:
            title, pairs = (
                "really" if name == TRUE else METHODS[name].title,
                (f"{name}_{column}", f"{name}_{column}_change"),
            )
            shown[title] = [_changed(kind, *pair) for pair in zip(*(table[each] for each in pairs), strict=True)]
    unit = "change in percentage points" if kind == ACCURACY else "change"
    st.markdown(f"**{column.capitalize()} without each set** :small[({unit})]")
    st.table(shown.set_index("left out"), border="horizontal")
    known = [f"{METHODS[name].title} {_words(found.agreement(name, kind))}" for name in found.methods
             if _words(found.agreement(name, kind))]  # fmt: skip
    if known:
        st.caption(f"Pearson's r of the changes with the real ones [95 % interval]: {' · '.join(known)}")


def _changed(kind: str, value: float, change: float) -> str:
    words = f"{value:.1%} ({100 * change:+.1f})" if kind == ACCURACY else f"{value:.3g} ({change:+.2g})"
    return words.replace(" ", SOLID)


def _misses(run: Run, found: Validation, kind: str) -> None:
    """The images about which an estimate was most wrong."""
    column = KINDS[kind]
    names = [name for name in found.methods if f"{name}_{column}" in found.removals]
    wanted = ALONG if run.meta.get("along") else RUN
    method = st.selectbox(
        "Worst misses of", names, index=names.index(wanted), format_func=lambda name: METHODS[name].title, key="misses"
    )
    truth, estimate = (found.removals[f"{name}_{column}"].to_numpy(dtype=np.float64) for name in (TRUE, str(method)))
    order = np.argsort(-np.abs(estimate - truth), kind="stable")[:MISSES]
    rows = found.removals["row"].to_numpy(dtype=int)[order]
    notes = [f"{figures.short(estimate[i])} / {figures.short(truth[i])}" for i in order]
    st.caption(
        "Below each image its label, and estimate / truth in nats; largest difference first. Open one to see it on "
        "Explore."
    )
    opened = gallery(run, rows.tolist(), notes, key="worst", label="Worst misses", opened="", tile=WIDE)
    if opened:
        st.switch_page("pages/explore.py", query_params={"run": run.id, "sample": opened})
