"""Which network, with which weights."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sampleinfo import models
from sampleinfo.config import HEADS
from sampleinfo.ui.words import plain

WEIGHTS_HELP = (
    "Weights that come with the network, or the path of your own (.pth, .pt, .ckpt, .bin, .safetensors) on the machine "
    "that runs this dashboard. The head is always a new one for the classes at hand."
)
SIZE_HELP = "Side of the square that the network sees. Cost grows with its square."
NORM_HELP = "Group needs weights of your own that were trained with GroupNorm."
ACTIVATION_HELP = "Leaky replaces every ReLU, as linear quadratic fine-tuning (LQF) does, which linearizes better."
HEAD_HELP = (
    "Random, as in the paper; or trained first, in closed form, on the frozen features of the training images. It then "
    "shapes the gradients; that training is not undone when an image is left out."
)
HEAD_NAMES = {"random": "Random", "trained": "Trained first on the frozen features"}


def network_form() -> dict[str, Any]:
    """The settings of a run that say which network."""
    name = st.selectbox("Network", list(models.MODELS), format_func=lambda n: models.MODELS[n].title, key="model")
    spec = models.MODELS[str(name)]
    known = list(reversed(spec.weights_names))
    weights = st.selectbox(
        "Weights", known, index=0 if known else None, key=f"weights-{name}", help=WEIGHTS_HELP,
        accept_new_options=True, placeholder="path of a .pth or .safetensors file",
    )  # fmt: skip
    if weights in known and spec.family != "cifar":
        st.caption(f"The weights {plain(weights)} are downloaded when they are used for the first time.")
    with st.expander("More about the network"):
        left, right = st.columns(2)
        size = left.number_input(
            "Image size, px", 16, 1024, None, key=f"size-{name}", placeholder=str(spec.image_size), help=SIZE_HELP
        )
        head = right.selectbox("Head", HEADS, key="head", format_func=HEAD_NAMES.__getitem__, help=HEAD_HELP)
        left, right = st.columns(2)
        norm = left.selectbox("Normalisation", models.NORMS, key="norm", help=NORM_HELP)
        activation = right.selectbox("Activation", models.ACTIVATIONS, key="activation", help=ACTIVATION_HELP)
    default = weights is None or (bool(known) and weights == known[0])
    return {
        "model": name, "weights": None if default else weights, "image_size": None if size is None else int(size),
        "norm": norm, "activation": activation, "head": head,
    }  # fmt: skip
