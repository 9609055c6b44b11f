"""Adversarial samples in the training set carry more information."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.reproduction import data, drawing, measures, paper, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import Setup, fitted, pretrained, trained_how
from sampleinfo import information, targets
from sampleinfo.linearized import Fit
from sampleinfo.models.heads import closed_form_head
from sampleinfo.models.pretrained import Network
from sampleinfo.types import Dataset, FloatArray

HELP = "F-SI of adversarial images in the training set against the others'"
FIGURE = "adversarial"
SHARE = 0.1
#: Largest change of a pixel, in shares of the whole range of values.
EPSILON = {"mnist-4v9": 0.1, "dogs-vs-cats": 8 / 255}
FULL, QUICK = Sizes(600, 400), Sizes(100, 60)
GROUPS = ("adversarial", "the same images, unchanged", "all others")


def run(options: Options) -> None:
    """Attack a tenth of the training images of every data set that is there."""
    names = data.chosen({name: name for name in EPSILON}, options, Journal(FIGURE))
    numbers = {name: _measured(name, options, Journal(f"{FIGURE} {name}")) for name in names}
    text = (
        "ResNet-20 with the bundled CIFAR-10 weights; its head is trained in closed form on the clean training images. "
        f"{SHARE:.0%} of these are then replaced by FGSM images (Goodfellow et al. 2015): every pixel moves by epsilon "
        "in the direction that raises the network's squared loss, labels stay as they are. F-SI in closed form with "
        "the exact kernel of all layers, the network's own outputs (residual y - f_0) and clean validation images; "
        "the ridge is chosen by leave-one-out error unless given. *The same images, unchanged*: their F-SI in the "
        "clean training set, with the same ridge. Intervals are 95 % bootstrap intervals of means; AUROC: adversarial "
        "against all others."
    )
    columns = ("data", "epsilon", "n", "m", "wrong before -> after", "images", "mean F-SI", "95 % interval", "median",
               "AUROC", "the paper")  # fmt: skip
    rows = [row for name, found in numbers.items() for row in _rows(name, found, options)]
    sections = report.sections(FIGURE, numbers, options, "F-SI of adversarial and other images")
    parts: list[str | Table] = [text, Table(columns, rows), *sections]
    pictures = {name: _histogram(name, found) for name, found in numbers.items()}
    report.write(Page(FIGURE, "Adversarial samples", parts, numbers, pictures), options)


def fgsm(network: Network, images: Tensor, wanted: Tensor, epsilon: float) -> Tensor:
    """Prepared images (b, 3, s, s), each pixel moved by ``epsilon`` of its range, and kept inside it."""
    std = torch.tensor(network.spec.transform.std)[:, None, None]
    mean = torch.tensor(network.spec.transform.mean)[:, None, None]
    given = images.clone().requires_grad_()
    loss = (network.module(given) - wanted).square().sum() / 2
    (slope,) = torch.autograd.grad(loss, given)
    moved = images + epsilon / std * slope.sign()
    return torch.maximum(torch.minimum(moved, (1 - mean) / std), -mean / std)


def _measured(name: str, options: Options, journal: Journal) -> dict[str, Any]:
    dataset = data.split(name, options.sizes(QUICK, FULL), options, journal)
    n = data.training_images(dataset)
    network = pretrained(1, options.seed)
    clean, wanted = network.prepare(dataset.images, range(len(dataset))), targets.encode(dataset.labels, 2)
    _train_head(network, clean[:n], wanted[:n])
    rows = np.sort(np.random.default_rng(options.seed).permutation(n)[: max(1, round(SHARE * n))])
    images = clean.clone()
    images[rows] = fgsm(network, clean[rows], torch.from_numpy(wanted[rows]).float(), EPSILON[name])
    after = _fit(network, images, dataset, n, options, journal)
    before = _fit(network, clean, dataset, n, replace(options, ridge=after.training.ridge), journal)
    nats = information.functional_information(after)
    attacked = np.isin(np.arange(n), rows)
    return {
        "train": n, "validation": len(dataset) - n, "epsilon": EPSILON[name], "trained": trained_how(after.training),
        "seed": options.seed, "wrong": [_wrong(network, each[rows], wanted[rows]) for each in (clean, images)],
        "auroc": measures.ranking(attacked, nats)["auroc"], "seconds": journal.seconds, "machine": report.facts(),
        "nats": dict(zip(GROUPS, (
            nats[rows].tolist(), information.functional_information(before)[rows].tolist(), nats[~attacked].tolist(),
        ), strict=True)),
    }  # fmt: skip


def _train_head(network: Network, images: Tensor, wanted: FloatArray) -> None:
    features = torch.cat([network.features_and_outputs(part)[0] for part in images.split(128)])
    head = closed_form_head(features.double().numpy(), wanted)
    network.set_head(head.weight, head.bias)


def _fit(network: Network, images: Tensor, dataset: Dataset, n: int, options: Options, journal: Journal) -> Fit:
    return fitted(Setup.plain(network.module, images, dataset.labels, 2, n), options, journal)


def _wrong(network: Network, images: Tensor, wanted: FloatArray) -> float:
    """Share that the network predicts wrongly."""
    _, outputs = network.features_and_outputs(images)
    return float((targets.decode(outputs.numpy()) != targets.decode(wanted)).mean())


def _rows(name: str, found: dict[str, Any], options: Options) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    before, after = found["wrong"]
    for group, nats in found["nats"].items():
        values, first = np.array(nats), group == GROUPS[0]
        rows.append((
            name, f"{found['epsilon']:.3g}", str(found["train"]), str(found["validation"]),
            f"{before:.0%} -> {after:.0%}" if first else "-", f"{group} ({len(nats)})", f"**{values.mean():.3g}**",
            report.between(*measures.mean_interval(values, options.seed)), f"{np.median(values):.3g}",
            f"**{found['auroc']:.3f}**" if first else "-", paper.ADVERSARIAL if first else "-",
        ))  # fmt: skip
    return rows


def _histogram(name: str, found: dict[str, Any]) -> Figure:
    order = (GROUPS[2], GROUPS[0], GROUPS[1])
    return drawing.information(name, {group: np.array(found["nats"][group]) for group in order})
