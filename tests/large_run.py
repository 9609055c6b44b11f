"""A run as large as one likes, made of a small real one: for tests of pages that must stay quick with many images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sampleinfo import pictures, store
from sampleinfo.store import Run
from sampleinfo.types import TRAIN

CLASSES, NEIGHBOURS = 10, 16


def enlarge(run: Run, folder: Path, train: int, validation: int, seed: int = 0) -> Run:
    """A run in the new ``folder`` with so many images: classes, places and scores are drawn, pictures are repeated.

    It has no kernel: what needs one is not offered.
    """
    folder.mkdir(parents=True)
    table = enlarged(run.samples, train, validation, seed)
    table.to_parquet(folder / store.SAMPLES, index=False)
    _pictures(run, folder, len(table))
    generator = np.random.default_rng(seed)
    np.save(folder / "neighbours.npy", generator.integers(0, train, (len(table), NEIGHBOURS)))
    for name in ("val_change", "val_loss_change") if run.has_kernel else ():
        np.save(folder / f"{name}.npy", generator.lognormal(-6, 1, (validation, train)).astype(np.float32))
    meta = {
        **run.meta, "title": f"{train} images", "fingerprint": f"{folder.name} {len(run.samples)}",
        "sizes": {**run.meta["sizes"], "train": train, "validation": validation},
    }  # fmt: skip
    store.write_json(folder / store.SUMMARY, meta)
    return store.open_run(folder)


def enlarged(samples: pd.DataFrame, train: int, validation: int, seed: int = 0) -> pd.DataFrame:
    """The table of such a run."""
    count, generator = train + validation, np.random.default_rng(seed)
    kinds = generator.integers(0, CLASSES, count)
    centres = generator.normal(0, 6, (CLASSES, 2))
    names = np.array([f"kind {kind}" for kind in range(CLASSES)])
    wrong = generator.random(count) < 0.1
    table = {
        "sample_id": [f"img-{row:06d}" for row in range(count)], "label": kinds, "class_name": names[kinds],
        "source": np.where(generator.random(count) < 0.3, "tablet", "pen"),
        "split": np.where(np.arange(count) < train, TRAIN, "validation"),
        "predicted": names[np.where(wrong, (kinds + 1) % CLASSES, kinds)],
        "prediction_error": generator.exponential(0.3, count),
    }  # fmt: skip
    for layout in ("umap", "pca"):
        for axis, centre in zip("xy", centres.T, strict=True):
            table[f"{layout}_{axis}"] = centre[kinds] + generator.normal(0, 1.4, count)
    for name in samples.columns:
        if name not in table:
            values = generator.lognormal(-6, 1.2, count)
            values[train:] = np.nan
            table[name] = values
    return pd.DataFrame(table)[list(samples.columns)].assign(**{
        f"{store.METADATA}hour": generator.uniform(0, 24, count).round(3),
        f"{store.METADATA}pen": np.where(generator.random(count) < 0.2, "black", "blue"),
    })  # fmt: skip


def _pictures(run: Run, folder: Path, count: int) -> None:
    """Thumbnails and larger copies, repeated as often as it takes."""
    known = list(pictures.everything(run.path))
    pictures.write((known[row % len(known)] for row in range(count)), folder)
