"""The parts of the Validate page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures, jobs, store, validations
from sampleinfo.agreement import Agreement
from sampleinfo.errors import SampleInfoError
from sampleinfo.store import Run
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.words import count, duration, plain
from sampleinfo.validations import (
    ACCURACY,
    ALONG,
    CHOICES,
    KINDS,
    LOSS,
    METHODS,
    PREDICTIONS,
    RUN,
    SETS,
    TRUE,
    WEIGHTS,
    Request,
    Validation,
    short,
)

#: Images of the worst misses, and pixels of one.
MISSES, WIDE = 10, 92
CHOICE_NAMES = {"stratified": "Spread over the ranking", "random": "At random", "all": "Every training image"}
CHOICE_HELP = (
    "Spread over the ranking: the images are ranked by their information, cut into as many equal parts, and one is "
    "drawn from each. So rare informative images and many uninformative ones are both seen."
)
SETS_HELP = (
    "Whole sets are left out as well: the most and the least informative tenth and third, and random ones of the same "
    "size. They show whether the predicted change of accuracy is true."
)
KIND_NAMES = {
    PREDICTIONS: "Predictions (F-SI)", WEIGHTS: "Weights (SI)", ACCURACY: "Accuracy without a set",
    LOSS: "Loss without a set",
}  # fmt: skip
AXES = {
    PREDICTIONS: "F-SI, nats", WEIGHTS: "SI, nats", ACCURACY: "change of accuracy, percentage points",
    LOSS: "change of the mean loss",
}  # fmt: skip


def validate_form(run: Run) -> None:
    """Settings, the expected time, and the button."""
    st.subheader("Retrain for real", anchor=False)
    st.caption(
        "The network itself is trained on all images, then again without some of them, everything else being the same. "
        "What changes is the truth that the scores are held against."
    )
    n = int(run.meta["sizes"]["train"])
    left, right = st.columns(2)
    choose = left.selectbox(
        "Images left out", CHOICES, format_func=CHOICE_NAMES.__getitem__, key="choose", help=CHOICE_HELP
    )
    removals = right.number_input(
        "Retrainings", 4, n, min(24, n), key=f"removals-{run.id}", disabled=choose == "all",
        help="Each leaves out one image. With 24 a correlation of .97 is known to about .03.",
    )  # fmt: skip
    with st.expander("More settings"):
        settings = _settings(run, n)
    try:
        request = Request(removals=int(removals), choose=str(choose), **settings)
        stages, seconds = validations.plan(run, request)
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        st.button("Validate", type="primary", icon=":material/verified:", disabled=True)
        return
    st.caption(
        f"About **{duration(seconds)}** on this machine, {duration(stages['retraining'])} of it retraining. You may "
        "leave or close the page: it goes on, and finished retrainings are kept."
    )
    if st.button("Validate", type="primary", icon=":material/verified:", key="validate"):
        _start(run, request)


def _settings(run: Run, n: int) -> dict[str, Any]:
    """How the network is trained; what is left empty is the run's own, or a default."""
    trained = run.meta.get("along") or run.meta["training"]["steps"] is not None
    same, rate = ("as the run", "as the run") if trained else ("100", "a quarter of what is stable")
    left, right = st.columns(2)
    steps = left.number_input(
        "Steps",
        1,
        100_000,
        None,
        key="steps",
        placeholder=same,
        help="Of plain gradient descent, the same in every run.",
    )
    lr = right.number_input(
        "Learning rate", 1e-12, 1e6, None, format="%.3g", key="lr", placeholder=rate,
        help="On the mean loss. At the edge of what is stable, runs part ways by chance and nothing predicts them.",
    )  # fmt: skip
    left, right = st.columns(2)
    batch = left.number_input("Batch size", 1, n, None, key=f"batch-{run.id}", placeholder="all images")
    own = f"{run.meta['ridge']['value']:.3g}, as the run"
    ridge = right.number_input(
        "Ridge", 0.0, 1e9, None, format="%.3g", key="ridge", placeholder=own, help="Pull towards the initial weights."
    )
    left, right = st.columns(2)
    sets = left.number_input("Sets left out", 0, len(SETS), 6, key="sets", help=SETS_HELP)
    segments = right.number_input(
        "Segments", 1, 64, None, key="segments", placeholder="automatic",
        help="Of the recorded training run. By itself, 1, 2, 4, 8 are tried until doubling them changes little.",
    )  # fmt: skip
    influence = st.toggle(
        "Compare with influence functions", True, key="influence",
        help="The usual estimate, by conjugate gradients for each image left out.",
    )  # fmt: skip
    return {
        "steps": steps, "lr": lr, "batch_size": batch, "ridge": ridge, "sets": int(sets), "segments": segments,
        "influence": influence,
    }  # fmt: skip


def _start(run: Run, request: Request) -> None:
    config = store.config_of(run)
    try:
        jobs.start(config, jobs.VALIDATE, {"run": run.id, **request.as_dict()})
    except SampleInfoError as error:
        st.error(plain(error))
        return
    st.rerun()


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
    best = validations.trusted(run)
    chosen = next(iter(by_id))
    if len(found) > 1:
        picked = st.selectbox(
            "Validation", list(by_id), index=list(by_id).index(best.id if best else chosen), key=f"validation-{run.id}",
            format_func=lambda name: _label(by_id[name]),
        )  # fmt: skip
        chosen = str(picked)
    _show(run, by_id[chosen])


def _label(found: Validation) -> str:
    meta = found.meta
    return f"{meta['removals']} retrainings · {store.recipe_words(meta['recipe'])} · {str(meta['created'])[:16]}"


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
        _sets(found)
    else:
        _misses(run, found, str(kind))


def _facts(run: Run, found: Validation) -> None:
    """The verdict, and what it rests on."""
    meta = found.meta
    method = ALONG if run.meta.get("along") else RUN
    badge = validations.badge_of(found, method)
    best = max(found.methods, key=lambda name: _pearson(found.agreement(name, PREDICTIONS)))
    st.subheader(f"{METHODS[best].title} foretells retraining best", anchor=False)
    st.markdown(
        f"This run's scores: **{badge.words}**.  \n:small[The network reached an accuracy of {meta['accuracy']:.1%} in "
        f"{store.recipe_words(meta['recipe'])}. Left out: {count(meta['removals'], 'image')} one by one, and "
        f"{count(meta['sets'], 'set')}. {_segments_words(meta['segments'])}]",
        help=badge.help,
    )
    if method == RUN and best == ALONG:
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
            row[f"{title}, ratio"] = "" if known is None or known.ratio is None else figures.short(known.ratio)
        rows.append(row)
    help_ = {
        "r": "Pearson's correlation of the estimated nats with the real ones [95 % interval]",
        "ranks": "Spearman's correlation: of the order alone",
        "ratio": "Median of estimate / truth over the images left out; 1 is right",
    }
    columns = {
        f"{title}, {name}": st.column_config.TextColumn(help=words)
        for title in ("F-SI", "SI") for name, words in help_.items()
    }  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="agreement", column_config=columns)
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
    estimates = {
        METHODS[name].title: factor * table[f"{name}_{column}"].to_numpy(dtype=np.float64)
        for name in found.methods if f"{name}_{column}" in table
    }  # fmt: skip
    names = table["sample_id"] if single else table["name"]
    figure = figures.truth_scatter(
        factor * table[f"{TRUE}_{column}"].to_numpy(dtype=np.float64), estimates, list(names), AXES[kind], single
    )
    st.plotly_chart(
        figure, key="truth", config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage"]},
        alt=f"Estimates of {KIND_NAMES[kind]} against real retraining",
    )  # fmt: skip


def _sets(found: Validation) -> None:
    """Accuracy after leaving out each set: real and foretold."""
    table = found.sets
    shown = pd.DataFrame({"left out": table["name"], "images": table["size"]})
    for name in (TRUE, *found.methods):
        if f"{name}_accuracy" in table:
            title = "really" if name == TRUE else METHODS[name].title
            shown[title] = [f"{a:.1%} ({100 * c:+.1f})" for a, c in zip(
                table[f"{name}_accuracy"], table[f"{name}_accuracy_change"], strict=True)]  # fmt: skip
    st.markdown("**Accuracy without each set** :small[(percentage points against all images)]")
    st.dataframe(shown, hide_index=True, key="sets-table")


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
