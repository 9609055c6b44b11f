"""How many images a summary may hold, in all and of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.reports.strategies import equal_quotas
from sampleinfo.store import Run
from sampleinfo.ui.words import plain, shortened

#: Classes up to which each has a field of its own, and fields in a line.
FIELDS, LINE = 12, 4
RANKED, EQUAL, OWN = "as ranked", "equal", "own numbers"


@dataclass(frozen=True)
class Budget:
    """Images to keep; ``quotas``: of each class (label), None: as a strategy ranks them."""

    size: int
    quotas: dict[int, int] | None


def budget_form(run: Run, equal: bool) -> Budget | None:
    """The fields of a budget; None where it is empty."""
    train = run.table(["label", "class_name", "split"])[run.training]
    n, key, share = len(train), f"budget-{run.id}", f"budget-share-{run.id}"
    st.session_state.setdefault(key, max(1, round(0.1 * n)))
    st.session_state[key] = min(n, max(1, st.session_state[key] or 1))
    st.session_state[share] = round(100 * st.session_state[key] / n, 2)
    with st.container(horizontal=True, vertical_alignment="bottom", key="budget"):
        how = st.segmented_control(
            "Of each class", (RANKED, EQUAL, OWN), default=EQUAL if equal else RANKED, key=f"per-class-{equal}",
            required=True, persist_state="page",
        )  # fmt: skip
        own = how == OWN
        st.number_input("Images", 1, n, key=key, width=140, disabled=own, persist_state="page")
        st.number_input(
            "or share, %", 0.0, 100.0, step=1.0, key=share, width=140, disabled=own, format="%.3g",
            on_change=lambda: _by_share(key, share, n),
        )  # fmt: skip
    labels = train["label"].to_numpy(np.int64)
    if own:
        quotas = _own(run, train)
        size = sum(quotas.values())
        if not size:
            st.caption("Give at least one class an image.")
            return None
        st.caption(f"**{size}** images in all, {size / n:.1%} of the training images.")
        return Budget(size, quotas)
    size = int(st.session_state[key])
    return Budget(size, equal_quotas(labels, size) if how == EQUAL else None)


def _by_share(key: str, share: str, n: int) -> None:
    st.session_state[key] = min(n, max(1, round(n * (st.session_state[share] or 0.0) / 100)))


def _own(run: Run, train: pd.DataFrame) -> dict[int, int]:
    """A number for each class, by its label."""
    known = train.groupby("label")["class_name"].agg(["first", "size"])
    names = {int(label): str(name) for label, name in known["first"].items()}  # type: ignore[call-overload]
    counts = {int(label): int(number) for label, number in known["size"].items()}  # type: ignore[call-overload]
    start = equal_quotas(train["label"].to_numpy(np.int64), int(st.session_state[f"budget-{run.id}"]))
    if len(names) > FIELDS:
        return _edited(run, names, counts, start)
    quotas, labels = {}, list(names)
    for begin in range(0, len(labels), LINE):
        columns = st.columns(LINE)
        for column, label in zip(columns, labels[begin : begin + LINE], strict=False):
            quotas[label] = int(column.number_input(
                f"{plain(shortened(names[label], 30))} (of {counts[label]})", 0, counts[label], start[label],
                key=f"quota-{run.id}-{label}", persist_state="page",
            ))  # fmt: skip
    return quotas


def _edited(run: Run, names: dict[int, str], counts: dict[int, int], start: dict[int, int]) -> dict[int, int]:
    """The same as a table."""
    table = pd.DataFrame(
        {"class": list(names.values()), "of": list(counts.values()), "images": [start[label] for label in names]}
    )
    edited = st.data_editor(
        table, hide_index=True, disabled=["class", "of"], key=f"quotas-{run.id}", height=260,
        column_config={"images": st.column_config.NumberColumn(min_value=0, step=1, required=True)},
    )  # fmt: skip
    return {label: min(int(number), counts[label]) for label, number in zip(names, edited["images"], strict=True)}
