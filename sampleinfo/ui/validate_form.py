"""The form that starts a validation."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sampleinfo import jobs, store, validations
from sampleinfo.config import REAL_STEPS
from sampleinfo.errors import SampleInfoError
from sampleinfo.store import Run
from sampleinfo.trainings import is_descent
from sampleinfo.ui.mismatch import foretold
from sampleinfo.ui.words import duration, plain
from sampleinfo.validations import CHOICES, SETS, Request

CHOICE_NAMES = {"stratified": "Spread over the ranking", "random": "At random", "all": "Every training image"}
CHOICE_HELP = (
    "Spread over the ranking: the images are ranked by their information, cut into as many equal parts, and one is "
    "drawn from each. So rare informative images and many uninformative ones are both seen."
)
SETS_HELP = (
    "Whole sets are left out as well: the most and the least informative tenth and third, and random ones of the same "
    "size. They show whether the predicted change of accuracy is true."
)


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
    if words := foretold(run, request):
        st.caption(f":material/info: {words}")
    if st.button("Validate", type="primary", icon=":material/verified:", key="validate"):
        _start(run, request)


def _settings(run: Run, n: int) -> dict[str, Any]:
    """How the network is trained; what is left empty is the run's own, or a default."""
    same, rate = ("as the run",) * 2 if is_descent(run) else (str(REAL_STEPS), "a quarter of what is stable")
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
