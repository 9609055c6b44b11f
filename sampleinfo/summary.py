"""What a run says of itself: the content of its run.json."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from sampleinfo import corrections, datasets, planting, store
from sampleinfo.config import NOTHING, RunConfig
from sampleinfo.datasets import problems
from sampleinfo.linearized import Training
from sampleinfo.settling import Settled, find_model, network_identity
from sampleinfo.tuning import Choice
from sampleinfo.types import TRAIN

PACKAGES = ("sampleinfo", "torch", "torchvision", "numpy", "scipy", "umap-learn", "scikit-learn", "pandas")


@dataclass(frozen=True)
class Results:
    """Fingerprints of run and data, what is known of network and kernel, how it was trained, seconds per stage, the
    share of the true nearest neighbours found (None: all), what is known of the real training run, where there was one,
    and of the network that judges labels."""

    identity: str
    data_identity: str
    network: dict[str, Any]
    kernel: dict[str, Any]
    training: Training
    choice: Choice | None
    seconds: dict[str, float]
    recall: float | None = None
    along: dict[str, Any] | None = None
    suspicion: dict[str, Any] | None = None


def summary(config: RunConfig, settled: Settled, results: Results, table: pd.DataFrame) -> dict[str, Any]:
    """Ready for JSON."""
    data, plan, spec = settled.dataset, settled.plan, find_model(config)
    training, choice = results.training, results.choice
    right = (table["predicted"] == table["class_name"]).groupby(table["split"]).mean()
    title = datasets.PRESETS[config.dataset].facts.title if config.dataset in datasets.PRESETS else data.name
    return {
        "format": store.FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": " · ".join([data.name, spec.name, *_changes(config)]),
        "fingerprint": results.identity,
        "config": config.as_dict(),
        "dataset": {"name": data.name, "title": title, "fingerprint": results.data_identity,
                    "class_names": list(data.class_names), "sources": sorted(set(data.sources)),
                    "problems": problems.counts(settled.findings)},
        "model": {"title": _model_title(config), "parameters": spec.parameters(plan.outputs),
                  "outputs": config.outputs, **network_identity(config), **results.network,
                  "head": {"seed": config.seed, **results.network["head"]}},
        "sizes": {"train": plan.train, "validation": plan.validation, "outputs": plan.outputs},
        "kernel": results.kernel,
        "training": {"steps": training.steps, "lr": training.lr, "continuous": training.continuous,
                     "chosen": None if choice is None else ("ridge" if training.steps is None else "steps"),
                     "grid": list(choice.grid) if choice else [], "errors": list(choice.errors) if choice else []},
        "ridge": {"value": training.ridge,
                  "how": "leave-one-out error" if choice and training.steps is None else "given"},
        "accuracy": {"validation": float(right["validation"]), "leave_one_out": float(right[TRAIN])},
        "along": results.along, "suspicion": results.suspicion,
        "neighbours": {"recall": results.recall},
        "noise_variance": 1.0,
        "timings": results.seconds,
        "planned_seconds": round(plan.seconds, 1), "planned_memory": plan.memory,
        "versions": versions(), "machine": machine(),
    }  # fmt: skip


def _changes(config: RunConfig) -> list[str]:
    """What was corrected and planted, in words."""
    relabelled, dropped = corrections.counts(config.corrections)
    parts = [f"{relabelled} relabelled"] * bool(relabelled) + [f"{dropped} dropped"] * bool(dropped)
    found = [f"corrected: {', '.join(parts)}"] if parts else []
    if config.plant != NOTHING:
        found.append(f"{config.planted:.0%} planted: {planting.find(config.plant).title.lower()}")
    return found


def versions() -> dict[str, str]:
    """Of the packages that the results rest on."""
    return {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()}


def machine() -> dict[str, Any]:
    """What the results were computed on."""
    return {"system": platform.system(), "cpu": platform.machine(), "cores": os.cpu_count()}


def _model_title(config: RunConfig) -> str:
    """The network, whose weights it has, and what is not usual about it."""
    spec, weights = find_model(config), config.weights
    given = weights is not None and weights not in spec.weights_names
    words = [spec.title.split(",")[0], f"weights {Path(weights).name}"] if given and weights else [spec.title]
    words += [f"{config.norm} norm"] * (config.norm != "batch") + ["leaky ReLU"] * (config.activation == "leaky")
    return ", ".join([*words, *(["trained head"] if config.head == "trained" else [])])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
