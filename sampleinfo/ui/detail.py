"""One image in detail."""

from __future__ import annotations

import base64
import html
import math
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.state import open_by_id, opened_row
from sampleinfo.ui.words import plain, shortened

#: Pixels of the large picture and of a tile in a strip; tiles in a strip.
SIDE, TILE, AFFECTED = 168, 52, 8


def detail(run: Run) -> None:
    """Picture, label, prediction, scores, neighbours and what it changes, or what changes it."""
    row = opened_row(run)
    if row is None:
        wanted = plain(repr(st.query_params.get("sample")))
        st.warning(f"This run has no image called {wanted}. Pick one in the gallery.")
        return
    sample = run.samples.iloc[row]
    with st.container(border=True, key="detail"):
        picture, facts = st.columns([2, 5], gap="small")
        with picture:
            size = _picture(run, row)
        with facts:
            _facts(run, row, size)
        if sample["split"] == TRAIN:
            _scores(run, row)
        _neighbours(run, row)
        if sample["split"] == TRAIN:
            _affected(run, row)
        else:
            _affecting(run, row)
        _link(run, row)


def _picture(run: Run, row: int) -> tuple[int, int]:
    """Show it; height and width of the original in pixels."""
    webp, height, width = run.picture(row)
    tiny = max(height, width) < SIDE
    st.html(
        f'<img alt="{html.escape(str(run.column("sample_id").iloc[row]))}" style="width:100%;max-width:{SIDE}px;'
        f"aspect-ratio:1;object-fit:contain;background:#000;border-radius:6px;display:block;"
        f'image-rendering:{"pixelated" if tiny else "auto"}" '
        f'src="data:image/webp;base64,{base64.b64encode(webp).decode()}">'
    )
    return height, width


def _facts(run: Run, row: int, size: tuple[int, int]) -> None:
    sample, (height, width) = run.samples.iloc[row], size
    right = sample["predicted"] == sample["class_name"]
    training = sample["split"] == TRAIN
    verdict = ":green-badge[right]" if right else ":red-badge[wrong]"
    st.markdown(f"#### {plain(sample['sample_id'])}")
    st.markdown(
        f"Label **{plain(sample['class_name'])}** · predicted **{plain(sample['predicted'])}** {verdict} "
        f"{'when left out of training' if training else 'after training'}  \n"
        f"{plain(sample['source'])} · {'training' if training else 'validation'} image · {width} x {height} px  \n"
        f"prediction error {sample['prediction_error']:.3f} output units"
    )
    known = [(title, sample[column]) for column, title in run.metadata.items() if not pd.isna(sample[column])]
    if known:
        st.markdown(" · ".join(f"{plain(title)} **{plain(_cell(value))}**" for title, value in known))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else f"{value:.6g}"
    return shortened(value)


def _scores(run: Run, row: int) -> None:
    for name, score in run.scores.items():
        values = run.column(name).to_numpy(dtype=np.float64)
        value = float(values[row])
        st.markdown(
            f"**{score.title}** {figures.short(value, 3)} {score.unit} · {_rank(values[run.training], value)}  \n"
            f":small[{score.sentence}]",
            help=score.assumes,
        )


def _rank(values: np.ndarray, value: float) -> str:
    """Where a value stands among those of the training images, in words."""
    below = int((values < value).sum())
    if below == len(values) - 1:
        return f"the highest of {len(values)} training images"
    return f"higher than {math.floor(100 * below / len(values))} % of the training images"


def _neighbours(run: Run, row: int) -> None:
    rows = np.asarray(run.array("neighbours")[row])[:AFFECTED]
    st.markdown("**Nearest in the network's features**")
    notes = ["training" if run.training[r] else "validation" for r in rows]
    _strip(run, rows, notes, "Nearest images")


def _affected(run: Run, row: int) -> None:
    """Validation images whose prediction changes most when the image is left out."""
    if _without_kernel(run):
        return
    change = np.asarray(run.array("val_change")[:, row])
    loss = np.asarray(run.array("val_loss_change")[:, row])
    order = np.argsort(-change)[:AFFECTED]
    st.markdown(
        "**Validation images it changes most**  \n:small[How far their prediction moves, in output units, if this "
        "image is left out. Helps: their loss would rise without it; hurts: it would fall.]"
    )
    notes = [_effect(change[j], loss[j]) for j in order]
    _strip(run, order + int(run.meta["sizes"]["train"]), notes, "Changed most")


def _without_kernel(run: Run) -> bool:
    """Whether the run has no changes of single predictions, which is then said."""
    if not run.has_kernel:
        st.caption(
            "Which image changes which prediction is not kept: that would be one number for each pair of images. Score "
            "fewer images to see it."
        )
    return not run.has_kernel


def _affecting(run: Run, row: int) -> None:
    """Training images that change this validation image's prediction most."""
    if _without_kernel(run):
        return
    place = row - int(run.meta["sizes"]["train"])
    change = np.asarray(run.array("val_change")[place])
    loss = np.asarray(run.array("val_loss_change")[place])
    order = np.argsort(-change)[:AFFECTED]
    st.markdown(
        "**Training images that change it most**  \n:small[How far this prediction moves, in output units, if they are "
        "left out. Helps: this image's loss would rise without them; hurts: it would fall.]"
    )
    _strip(run, order, [_effect(change[i], loss[i]) for i in order], "Changing it most")


def _effect(change: float, loss: float) -> str:
    return f"{figures.short(change, 1)} {'helps' if loss > 0 else 'hurts'}"


def _strip(run: Run, rows: np.ndarray, notes: list[str], label: str) -> None:
    key = label.lower().replace(" ", "-")
    open_by_id(run, gallery(run, rows.tolist(), notes, key=key, label=label, opened="", tile=TILE))


def _link(run: Run, row: int) -> None:
    """The address of this page with this image open, ready to copy."""
    query = urlencode({"run": run.id, "sample": str(run.column("sample_id").iloc[row])})
    page = str(st.context.url or "").split("?")[0]
    st.caption("Link to this image")
    st.code(f"{page}?{query}", language=None, wrap_lines=True)
