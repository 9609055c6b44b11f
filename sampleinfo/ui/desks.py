"""What sets of a run are judged with, kept in memory between clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import store
from sampleinfo.evaluation import Evaluation, evaluate
from sampleinfo.reports import growing, sets_primal, strategies
from sampleinfo.reports.sets import Desk, Panel, Proposals
from sampleinfo.store import Run
from sampleinfo.types import IntArray

#: Runs, and sets, of which everything is kept in memory.
RUNS, SETS = 2, 128


def desk(run: Run) -> Desk:
    """The desk of a run, ready to answer at once.

    Raises:
        SampleInfoError: the run is damaged, or has fewer than two validation images.
    """
    return _desk(str(run.path), str(run.meta["fingerprint"]))


def panel(run: Run, rows: IntArray) -> Panel:
    """All that is known of a set of training rows.

    Raises:
        SampleInfoError: the run is damaged, or keeps neither a kernel nor the sums over its features.
    """
    if not run.has_kernel:
        return _features_panel(str(run.path), str(run.meta["fingerprint"]), _packed(rows))
    return _panel(str(run.path), str(run.meta["fingerprint"]), _packed(rows))


def proposals(run: Run, rows: IntArray) -> Proposals:
    """What to add to this set next, and what to drop."""
    return _proposals(str(run.path), str(run.meta["fingerprint"]), _packed(rows))


def alone(run: Run, rows: IntArray) -> Evaluation:
    """What the network is predicted to reach with this set alone (not empty), overall and per class."""
    return _alone(str(run.path), str(run.meta["fingerprint"]), _packed(rows))


def growth(run: Run, rows: IntArray) -> pd.DataFrame:
    """What the network is predicted to reach with every beginning of this set alone, in its order.

    Raises:
        SampleInfoError: the kernel of the run is not positive definite without a larger ridge.
    """
    return _growth(str(run.path), str(run.meta["fingerprint"]), rows.astype(np.int64).tobytes())


def random_growth(run: Run, largest: int, measure: str) -> pd.DataFrame:
    """The same of random sets, up to ``largest`` images or somewhat more."""
    upper = min(1 << (largest - 1).bit_length(), int(run.meta["sizes"]["train"]))
    return _random_growth(str(run.path), str(run.meta["fingerprint"]), upper, measure)


def summary(run: Run, strategy: str, size: int, quotas: dict[int, int] | None = None) -> IntArray:
    """The training rows that a strategy keeps, best first.

    Raises:
        SampleInfoError: a size or numbers per class that cannot be.
    """
    packed = None if quotas is None else tuple(sorted(quotas.items()))
    return _summary(str(run.path), str(run.meta["fingerprint"]), strategy, size, packed)


def _packed(rows: IntArray) -> bytes:
    return np.sort(rows).astype(np.int64).tobytes()


@st.cache_resource(max_entries=RUNS, show_spinner="Getting this run ready, once …")
def _desk(path: str, fingerprint: str) -> Desk:  # noqa: ARG001 - it is part of the key
    from sampleinfo.reports.pool import Pool

    found = Desk(Pool.of(store.open_run(Path(path))))
    few = np.arange(min(2, found.pool.n))
    found.panel(few), found.proposals(few)  # what is the same for every set is computed here
    return found


@st.cache_resource(max_entries=SETS, show_spinner=False)
def _panel(path: str, fingerprint: str, rows: bytes) -> Panel:
    return _desk(path, fingerprint).panel(np.frombuffer(rows, dtype=np.int64))


@st.cache_resource(max_entries=SETS, show_spinner="Training without these images, and on them alone …")
def _features_panel(path: str, fingerprint: str, rows: bytes) -> Panel:  # noqa: ARG001 - it is part of the key
    return sets_primal.panel(store.open_run(Path(path)), np.frombuffer(rows, dtype=np.int64))


@st.cache_resource(max_entries=SETS, show_spinner=False)
def _proposals(path: str, fingerprint: str, rows: bytes) -> Proposals:
    return _desk(path, fingerprint).proposals(np.frombuffer(rows, dtype=np.int64))


@st.cache_resource(max_entries=SETS, show_spinner=False)
def _alone(path: str, fingerprint: str, rows: bytes) -> Evaluation:
    return evaluate(_desk(path, fingerprint).pool.trained_on(np.frombuffer(rows, dtype=np.int64)))


@st.cache_resource(max_entries=SETS, show_spinner="Choosing the images …")
def _summary(
    path: str, fingerprint: str, strategy: str, size: int, quotas: tuple[tuple[int, int], ...] | None
) -> IntArray:
    pool = _desk(path, fingerprint).pool
    return strategies.choose(pool, strategy, size, quotas=None if quotas is None else dict(quotas))


@st.cache_resource(max_entries=SETS, show_spinner="Following the sets as they grow …")
def _growth(path: str, fingerprint: str, rows: bytes) -> pd.DataFrame:
    return growing.beginnings(_desk(path, fingerprint).pool, np.frombuffer(rows, dtype=np.int64))


@st.cache_resource(max_entries=SETS, show_spinner="Following random sets as they grow …")
def _random_growth(path: str, fingerprint: str, largest: int, measure: str) -> pd.DataFrame:
    return growing.random_sets(_desk(path, fingerprint), largest, measure)
