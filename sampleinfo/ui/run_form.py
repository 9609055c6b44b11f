"""The form that starts a run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sampleinfo import jobs, planning
from sampleinfo.config import ALONG_TRAINING, CLOSED_FORM, KERNELS, METHODS, REAL_STEPS, SCOPES, RunConfig
from sampleinfo.datasets import Facts
from sampleinfo.errors import SampleInfoError
from sampleinfo.ui.data_form import Chosen, data_form
from sampleinfo.ui.network_form import network_form
from sampleinfo.ui.words import duration, plain

KERNEL_HELP = (
    "Which parameters the comparison of two images uses. Exact: all of them. Subset: 2000 random coordinates per "
    "parameter tensor, faster. Shared: one kernel for all outputs, with many classes far less memory. Primal: no "
    "kernel but some thousand features of each image, for data sets whose kernel does not fit; it ranks images less "
    "truly, and other questions cannot be asked of it. All but the first carry their measured error. Auto: exact where "
    "that takes at most ten minutes, else the best that fits."
)
SCOPE_HELP = (
    "What is trained. All layers is what scores best; the last stage or the head alone cost less, and the run says how "
    "far their kernel agrees with that of all layers."
)
RIDGE_HELP = (
    "Strength of the pull towards the pre-trained weights. Automatic: the value with the smallest leave-one-out error, "
    "found in closed form on this data; 0 where training stops early."
)
STEPS_HELP = (
    "Gradient descent that stops early, instead of training to convergence. Automatic: the number of steps with the "
    "smallest leave-one-out error."
)
LR_HELP = "Learning rate on the mean loss. Automatic: half of the largest stable one for this data."
MEMORY_HELP = "A run that would need more is refused before it starts, with what would fit instead."
SPLIT_HELP = (
    "Automatic: the data set's own validation or test split where it has one, else a random share. Images with equal "
    "pixels are always kept on one side."
)
PER_CLASS_HELP = "Of large data sets only so many images of every class are read at all, drawn at random."
SCOPE_NAMES = {"all": "All layers", "last-stage": "Last stage and head", "head": "Head only"}
TRAINING = ("To convergence", "A number of steps", "The best number of steps")
METHOD_NAMES = {CLOSED_FORM: "Closed form: at once", ALONG_TRAINING: "Along the training: truer"}
METHOD_HELP = (
    "Closed form: assumes that the network stays so near its pre-trained weights that it is linear in them. "
    "Along the training: the real network is trained once as well, and every image's absence is followed through that "
    "run; its scores are nearly as true as retraining without each image, at the cost of one training."
)
BATCH_HELP = "Images of one step of the real training."


def run_form() -> None:
    """Settings, the expected cost, and the button."""
    st.subheader("New run", anchor=False)
    found = data_form()
    network = network_form()
    if found is None:
        st.button("Compute sample information", type="primary", icon=":material/play_arrow:", disabled=True)
        return
    config = _settings(*found, network)
    plan = _plan(config) if isinstance(config, RunConfig) else config
    if isinstance(config, str) or isinstance(plan, str):
        st.error(plain(plan), icon=":material/error:")
        st.button("Compute sample information", type="primary", icon=":material/play_arrow:", disabled=True)
        return
    _start(config, plan)


def _settings(chosen: Chosen, facts: Facts, network: dict[str, Any]) -> RunConfig | str:
    """The chosen settings, or what is wrong with them."""
    name, place = chosen.name, st.container()
    method = st.segmented_control(
        "Method", METHODS, default=CLOSED_FORM, format_func=METHOD_NAMES.__getitem__, key="method", required=True,
        help=METHOD_HELP,
    )  # fmt: skip
    with st.expander("More settings"):
        classes, split, per_class = _which_images(facts, name)
        left, right = st.columns(2)
        kernel = left.selectbox("Kernel", KERNELS, key="kernel", help=KERNEL_HELP)
        scope = right.selectbox("Trained", SCOPES, key="scope", help=SCOPE_HELP, format_func=SCOPE_NAMES.__getitem__)
        real = _real() if method == ALONG_TRAINING else {}
        steps, lr = (real.pop("steps"), real.pop("lr")) if real else _training()
        given = st.toggle("Set the ridge by hand", key="ridge-by-hand", help=RIDGE_HELP)
        ridge = st.number_input("Ridge", 0.0, 1e9, 1.0, format="%.3g", key="ridge", disabled=not given)
        left, right = st.columns(2)
        seed = left.number_input("Seed", 0, 2**32 - 1, 0, key="seed", help="Of the split, the new head and the map.")
        memory = right.number_input(
            "Memory limit, GiB", 0.5, 4096.0, None, step=1.0, key="memory", help=MEMORY_HELP,
            placeholder="70 % of what is free",
        )  # fmt: skip
    sizes = _default_sizes(facts, classes, per_class, split)
    first, second = place.columns(2)
    train = first.number_input(
        "Training images", 1, max(1, facts.images), step=50, key=_offered(f"train-{name}", sizes[0]),
        help="These are scored. Time grows with the square of their number.",
    )  # fmt: skip
    validation = second.number_input(
        "Validation images", 1, max(1, facts.images), step=50, key=_offered(f"validation-{name}", sizes[1]),
        help="The information of a training image is measured on the predictions for these.",
    )  # fmt: skip
    try:
        return RunConfig(
            dataset=name, layout=chosen.options.layout, columns=chosen.options.columns, train=_unless(train, sizes[0]),
            validation=_unless(validation, sizes[1]), classes=classes,
            per_class=per_class, validation_split=split, kernel=kernel, scope=scope, steps=steps, lr=lr,
            ridge=float(ridge) if given else None, seed=int(seed), memory=memory, method=str(method), **real, **network,
        )  # fmt: skip
    except SampleInfoError as error:
        return str(error)


def _which_images(facts: Facts, name: str) -> tuple[tuple[str, ...], str, int | None]:
    """Classes (none: all), where the validation images come from, and at most how many images of every class."""
    classes = st.multiselect(
        "Classes", facts.class_names, key=f"classes-{name}", placeholder="all classes",
        help="Two classes are trained with one output, more with one output per class.",
    )  # fmt: skip
    left, right = st.columns(2)
    splits = {"auto": "Automatic", "share": "A random share of all images"}
    splits |= {each: f"The split {each}" for each in facts.splits}
    split = left.selectbox(
        "Validation images from", list(splits), format_func=splits.__getitem__, key=f"split-{name}", help=SPLIT_HELP
    )
    per_class = right.number_input(
        "At most per class", 2, 10**9, None, key=f"per-class-{name}", placeholder="all", help=PER_CLASS_HELP
    )
    return tuple(classes), split or "auto", None if per_class is None else int(per_class)


def _offered(key: str, default: int) -> str:
    """The key of a field that shows ``default`` until something else is typed, and again when the default changes."""
    if key not in st.session_state or st.session_state.get(f"{key}-default") != default:
        st.session_state[key] = default
    st.session_state[f"{key}-default"] = default
    return key


def _unless(size: float, default: int) -> int | None:
    """A number of images; None for the default, which then gives way where fewer can be read."""
    return None if size == default else int(size)


def _default_sizes(facts: Facts, classes: tuple[str, ...], per_class: int | None, split: str) -> tuple[int, int]:
    """Numbers of images to begin with; whether they are possible is said below the form."""
    try:
        return facts.chosen(classes, per_class).sizes(None, None, split)
    except SampleInfoError:
        return max(1, facts.images * 2 // 3), max(1, facts.images // 3)


def _real() -> dict[str, Any]:
    """How the real network is trained."""
    left, right = st.columns(2)
    steps = left.number_input("Steps", 1, 100_000, REAL_STEPS, key="real-steps", help="Of plain gradient descent.")
    lr = right.number_input(
        "Learning rate", 1e-12, 1e6, None, format="%.3g", key="real-lr", placeholder="a quarter of what is stable",
        help="On the mean loss.",
    )  # fmt: skip
    left, right = st.columns(2)
    batch = left.number_input("Batch size", 1, 10**6, None, key="batch", placeholder="all images", help=BATCH_HELP)
    segments = right.number_input("Segments", 1, 64, None, key="segments", placeholder="automatic")
    return {"steps": int(steps), "lr": lr, "batch_size": batch, "segments": segments}


def _training() -> tuple[int | str | None, float | None]:
    """Steps and learning rate; None and None to convergence."""
    how = st.selectbox("Training time", TRAINING, key="training", help=STEPS_HELP)
    if how == TRAINING[0]:
        return None, None
    left, right = st.columns(2)
    steps = left.number_input("Steps", 1, 10**7, 1000, key="steps", disabled=how == TRAINING[2])
    lr = right.number_input(
        "Learning rate", 1e-12, 1e6, None, format="%.3g", key="lr", help=LR_HELP, placeholder="automatic"
    )
    return ("auto" if how == TRAINING[2] else int(steps)), lr


def _plan(config: RunConfig) -> planning.Estimate | str:
    """What the run will cost, or why it cannot be."""
    try:
        return planning.estimate(config)
    except SampleInfoError as error:
        return str(error)


def _start(config: RunConfig, plan: planning.Estimate) -> None:
    st.caption(
        f"{plan.train} training and {plan.validation} validation images: about **{duration(plan.seconds)}** and at "
        f"most **{plan.memory / 2**30:.1f} GiB** on this machine. {plan.kernel.capitalize()} kernel ({plan.reason})."
    )
    if st.button("Compute sample information", type="primary", icon=":material/play_arrow:", key="start"):
        try:
            jobs.start(config)
        except SampleInfoError as error:
            st.error(plain(error))
