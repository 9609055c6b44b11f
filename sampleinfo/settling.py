"""From a run's settings to what is really read: the data set with its split, the network's identity, the plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sampleinfo import corrections, datasets, models, planning, planting
from sampleinfo.config import NOTHING, RunConfig
from sampleinfo.datasets import Facts, Options, facts, problems
from sampleinfo.datasets.problems import Finding
from sampleinfo.errors import InvalidData
from sampleinfo.models import ModelSpec
from sampleinfo.planning import Estimate
from sampleinfo.types import TRAIN, Dataset, IntArray, Reporter

#: Share of the stage "images" after which every image has been read once.
INSPECTED = 0.6


@dataclass(frozen=True)
class Settled:
    """The images of a run, training images first; the plan for them; what was found wrong with the whole data set.

    ``given`` is the data set before corrections and plants, ``kept`` (N,) the rows of it that ``dataset`` consists of.
    ``planted``: the training rows of ``dataset`` that an error is planted into.
    """

    dataset: Dataset
    plan: Estimate
    findings: tuple[Finding, ...]
    given: Dataset
    kept: IntArray
    planted: IntArray

    @property
    def sizes(self) -> tuple[int, int]:
        """Training and validation images before any was dropped: what has to be asked for to get the same split."""
        assert self.given.split is not None
        train = self.given.split.count(TRAIN)
        return train, len(self.given) - train


def canonical(config: RunConfig) -> RunConfig:
    """The same settings with absolute paths."""
    weights = config.weights
    if weights is not None and weights not in models.find(config.model).weights_names:
        weights = str(Path(weights).expanduser().absolute())
    return replace(config, dataset=datasets.canonical(config.dataset), weights=weights)


def find_model(config: RunConfig) -> ModelSpec:
    """The network of a run."""
    return models.find(config.model, config.image_size, config.weights)


def network_identity(config: RunConfig) -> dict[str, Any]:
    """What determines the network of a run, its head included."""
    spec = find_model(config)
    known = models.identity(spec, config.weights, config.norm, config.activation)
    return {"name": spec.name, "head_kind": config.head, **known}


def settle(config: RunConfig, report: Reporter) -> Settled:
    """Read the data set and split it; sizes that were not asked for as numbers give way to equal images.

    Raises:
        SampleInfoError: a data set that cannot be read, or settings it does not allow.
    """
    options = Options.of(config)
    whole = datasets.prepare(
        config.dataset, options, config.classes, config.per_class, config.seed, report, (0.0, INSPECTED)
    )
    name = config.dataset if config.dataset in datasets.PRESETS else whole.name
    whole = replace(whole, name=name)
    plan = planning.estimate(config, _known(config, whole))
    parts = datasets.split_at_most(whole, plan.train, plan.validation, config.seed, config.validation_split)
    assert parts.split is not None
    train = parts.split.count(TRAIN)
    _check_asked(config, whole.name, train, len(parts) - train)
    dataset, rows = _corrected(parts, config)
    assert dataset.split is not None
    train = dataset.split.count(TRAIN)
    if (train, len(dataset) - train) != (plan.train, plan.validation):
        plan = planning.estimate(replace(config, train=train, validation=len(dataset) - train), facts.of(whole, name))
    dataset, planted = _planted(dataset, train, config)
    return Settled(dataset, plan, tuple(problems.findings(whole)), parts, rows, planted)


def _corrected(dataset: Dataset, config: RunConfig) -> tuple[Dataset, IntArray]:
    """With the right labels and without what is dropped; and the rows that are left.

    Raises:
        InvalidData: nothing is left to train or to validate on.
    """
    if not config.corrections:
        return dataset, np.arange(len(dataset))
    rows = corrections.kept(dataset, config.corrections)
    found = corrections.relabelled(dataset, config.corrections).subset(rows)
    if len(set(found.split or ())) < 2:
        raise InvalidData("no training or no validation image is left; drop fewer.")
    return found, rows


def _planted(dataset: Dataset, train: int, config: RunConfig) -> tuple[Dataset, IntArray]:
    """With wrong labels where these are planted; and the training rows that an error goes into."""
    if config.plant == NOTHING:
        return dataset, np.zeros(0, dtype=np.int64)
    rows = planting.rows(train, config.planted, config.seed)
    if planting.find(config.plant).changes != planting.LABELS:
        return dataset, rows
    wrong = planting.wrong_labels(dataset.labels, len(dataset.class_names), rows, config.seed)
    return replace(dataset, labels=wrong), rows


def _check_asked(config: RunConfig, name: str, train: int, validation: int) -> None:
    """Whether what was asked for as a number was found."""
    for words, asked, found in (("train", config.train, train), ("validation", config.validation, validation)):
        if isinstance(asked, int) and found < asked:
            raise InvalidData(
                f"{name} has too many equal images to keep them on one side of the split, or too few of some class: "
                f"asked for {asked} with --{words}, found {found} beside {validation if words == 'train' else train} "
                "on the other side. Ask for fewer on either side."
            )


def _known(config: RunConfig, whole: Dataset) -> Facts:
    """Counts of the readable images, with the default sizes of a built-in data set."""
    found = facts.of(whole, whole.name)
    preset = datasets.PRESETS.get(config.dataset)
    return found if preset is None else replace(found, defaults=preset.facts.defaults)
