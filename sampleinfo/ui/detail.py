"""One image in detail."""

from __future__ import annotations

import base64
import math

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.scores import SCORES
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.state import open_by_id, opened_row

SIDE, AFFECTED = 168, 8


def detail(run: Run) -> None:
    """Picture, label, prediction, scores, neighbours and the validation images it changes most."""
    row = opened_row(run)
    if row is None:
        st.warning(f"This run has no image called {st.query_params.get('sample')!r}. Pick one in the gallery.")
        return
    sample = run.samples.iloc[row]
    with st.container(border=True, key="detail"):
        picture, facts = st.columns([2, 5], gap="small")
        with picture:
            _picture(run, row)
        with facts:
            _facts(sample)
        if sample["split"] == TRAIN:
            _scores(run, row)
        _neighbours(run, row)
        if sample["split"] == TRAIN:
            _affected(run, row)
        st.caption("Link to this image: copy the address of this page.")


def _picture(run: Run, row: int) -> None:
    data = base64.b64encode(run.picture(row)).decode()
    st.html(
        f'<img alt="the image" style="width:100%;max-width:{SIDE}px;aspect-ratio:1;object-fit:contain;background:#000;'
        f'image-rendering:pixelated;border-radius:6px" src="data:image/png;base64,{data}">'
    )


def _facts(sample: pd.Series) -> None:
    right = sample["predicted"] == sample["class_name"]
    split = "training" if sample["split"] == TRAIN else "validation"
    how = "when left out of training" if sample["split"] == TRAIN else "after training"
    verdict = ":green-badge[right]" if right else ":red-badge[wrong]"
    st.markdown(f"#### {sample['sample_id']}")
    st.markdown(
        f"Label **{sample['class_name']}** · predicted **{sample['predicted']}** {verdict} {how}  \n"
        f"{sample['source']} · {split} image · prediction error {sample['prediction_error']:.3f}"
    )


def _scores(run: Run, row: int) -> None:
    train = run.samples[run.samples["split"] == TRAIN]
    for name, score in SCORES.items():
        value = float(run.samples[name].iloc[row])
        st.markdown(
            f"**{score.title}** {value:.3g} {score.unit} · {_rank(train[name], value)}  \n:small[{score.sentence}]"
        )


def _rank(values: pd.Series, value: float) -> str:
    """Where a value stands among those of the training images, in words."""
    below = int((values < value).sum())
    if below == len(values) - 1:
        return f"the highest of {len(values)} training images"
    return f"higher than {math.floor(100 * below / len(values))} % of the training images"


def _neighbours(run: Run, row: int) -> None:
    rows = np.asarray(run.array("neighbours")[row])[:AFFECTED]
    st.markdown("**Nearest in the network's features**")
    notes = [str(run.samples["split"].iloc[r]) for r in rows]
    open_by_id(run, gallery(run, rows.tolist(), notes, key="neighbours", label="Nearest images", opened=""))


def _affected(run: Run, row: int) -> None:
    """Validation images whose prediction changes most when the image is left out."""
    change = np.asarray(run.array("val_change")[:, row])
    loss = np.asarray(run.array("val_loss_change")[:, row])
    order = np.argsort(-change)[:AFFECTED]
    train = int(run.meta["sizes"]["train"])
    st.markdown(
        "**Validation images it changes most**",
        help="How far the prediction moves (output units) when this image is left out, and whether that makes it "
        "worse (this image helps) or better (it hurts).",
    )
    notes = [f"{change[j]:.1g} {'helps' if loss[j] > 0 else 'hurts'}" for j in order]
    open_by_id(run, gallery(run, (order + train).tolist(), notes, key="affected", label="Changed most", opened=""))
