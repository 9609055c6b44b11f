"""Errors planted into some training images, so that one can measure which scores find them.

Wrong labels, four ways to spoil a picture, and two attacks on the network. Pictures are those the network sees:
(b, s, s, 3) uint8. All is drawn by seeds. The attacks are written out here, being ten lines: ready-made ones pin old
versions of other packages and attack the cross-entropy, while the networks of a run are trained on the squared loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from sampleinfo import planning, targets
from sampleinfo.config import NOTHING
from sampleinfo.errors import InvalidSetting, lookup
from sampleinfo.types import FloatArray, ImageArray, IntArray, Reporter, silent

if TYPE_CHECKING:
    from sampleinfo.models.pretrained import Network

#: What a plant changes.
LABELS, IMAGES = "labels", "images"
#: Standard deviation of the noise, in levels of 0 to 255; of the blur, in pixels at 32 pixels a side; the side of the
#: square as a share of the picture's, and its grey; what is left of the contrast.
NOISE, BLUR, SQUARE, GREY, CONTRAST = 0.15 * 255, 1.5 / 32, 3 / 8, 128, 0.3
#: How far an attack may move a pixel, in levels of 0 to 255, and its steps: how many, and how long each.
EPSILON = 8
STEPS = {"fgsm": (1, EPSILON), "pgd": (10, EPSILON // 4)}
#: Streams of random numbers that do not depend on each other.
_LABELS, _PICTURES = 1, 2


@dataclass(frozen=True)
class Plant:
    """A kind of error. ``changes`` is "labels" or "images"; ``words`` say what is done to an image."""

    name: str
    title: str
    changes: str
    words: str


PLANTS: dict[str, Plant] = {
    plant.name: plant
    for plant in (
        Plant("labels", "Wrong labels", LABELS, "The label becomes another class, each of the others equally likely."),
        Plant("noise", "Noise", IMAGES, "Gaussian noise with a standard deviation of 15 % of the range of values."),
        Plant("blur", "Blur", IMAGES, "A Gaussian blur of 1.5 pixels in a picture of 32, wider in larger ones."),
        Plant("occlusion", "Grey square", IMAGES, "A grey square at a random place hides 3/8 of the width and height."),
        Plant("contrast", "Low contrast", IMAGES, "The contrast shrinks to 30 % around the picture's mean colour."),
        Plant("fgsm", "Attack in one step (FGSM)", IMAGES,
              "Every pixel moves by 8 of 255 levels in the direction that raises the network's loss "
              "(Goodfellow, Shlens and Szegedy 2015)."),
        Plant("pgd", "Attack in ten steps (PGD)", IMAGES,
              "Ten steps of 2 of 255 levels that raise the network's loss, never further than 8 from the picture "
              "(Madry et al. 2018)."),
    )
}  # fmt: skip


def find(name: str) -> Plant:
    """The plant called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("plant", name, PLANTS)


def changes_pictures(name: str) -> bool:
    """Whether a plant, or none (``config.NOTHING``), changes the pictures themselves.

    Raises:
        UnknownName: no such plant.
    """
    return name != NOTHING and find(name).changes == IMAGES


def rows(n: int, share: float, seed: int) -> IntArray:
    """Sorted rows of ``n`` to be changed: that share of them, but at least one and not all.

    Raises:
        InvalidSetting: a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InvalidSetting(f"the planted share must lie between 0 and 100 %, got {100 * share:g} %.")
    count = min(n - 1, max(1, round(share * n)))
    return np.sort(np.random.default_rng(seed).permutation(n)[:count]).astype(np.int64)


def wrong_labels(labels: IntArray, classes: int, rows: IntArray, seed: int) -> IntArray:
    """(n,) labels in which those at ``rows`` are another class, drawn uniformly from the others.

    Raises:
        InvalidSetting: fewer than two classes.
    """
    if classes < 2:
        raise InvalidSetting(f"wrong labels need at least two classes, got {classes}.")
    out = np.array(labels, dtype=np.int64)
    shift = np.random.default_rng((seed, _LABELS)).integers(1, classes, size=len(rows))
    out[rows] = (out[rows] + shift) % classes
    return out


def planted(
    network: Network,
    pixels: ImageArray,
    labels: IntArray,
    classes: int,
    plant: str,
    rows: IntArray,
    seed: int,
    report: Reporter = silent,
) -> ImageArray:
    """Clean training images (n, s, s, 3) with those at ``rows`` spoilt or attacked; a copy.

    Raises:
        UnknownName: no such plant.
        InvalidSetting: one that changes labels.
    """
    out = np.array(pixels)
    if find(plant).name in STEPS:
        out[rows] = attacked(network, out, labels, classes, plant, report, rows)
    else:
        out[rows] = corrupted(out[rows], plant, seed)
    return out


def corrupted(pixels: ImageArray, plant: str, seed: int) -> ImageArray:
    """(b, s, s, 3) pictures, spoilt: ``noise``, ``blur``, ``occlusion`` or ``contrast``.

    Raises:
        UnknownName: another plant.
    """
    spoil = lookup("corruption", plant, CORRUPTIONS)
    rng = np.random.default_rng((seed, _PICTURES))
    out = np.empty_like(pixels)
    for place, picture in enumerate(pixels):
        out[place] = np.clip(np.rint(spoil(picture.astype(np.float64), rng)), 0, 255)
    return out


def _noise(picture: FloatArray, rng: np.random.Generator) -> FloatArray:
    return picture + rng.normal(0, NOISE, picture.shape)


def _blur(picture: FloatArray, _: np.random.Generator) -> FloatArray:
    width = BLUR * len(picture)
    return np.asarray(ndimage.gaussian_filter(picture, (width, width, 0)))


def _occlusion(picture: FloatArray, rng: np.random.Generator) -> FloatArray:
    side = round(SQUARE * len(picture))
    top, left = rng.integers(0, len(picture) - side + 1, size=2)
    picture[top : top + side, left : left + side] = GREY
    return picture


def _contrast(picture: FloatArray, _: np.random.Generator) -> FloatArray:
    mean = picture.mean(axis=(0, 1))
    return np.asarray(mean + CONTRAST * (picture - mean))


CORRUPTIONS: dict[str, Callable[[FloatArray, np.random.Generator], FloatArray]] = {
    "noise": _noise, "blur": _blur, "occlusion": _occlusion, "contrast": _contrast,
}  # fmt: skip


def attacked(
    network: Network,
    pixels: ImageArray,
    labels: IntArray,
    classes: int,
    plant: str,
    report: Reporter = silent,
    rows: IntArray | None = None,
) -> ImageArray:
    """(len(rows), s, s, 3): the pictures at ``rows`` (None: all), moved to raise the network's squared loss.

    ``pixels`` (n, s, s, 3) and ``labels`` (n,) are the clean training images: the head is trained on their frozen
    features in closed form for the attack, and is what it was afterwards. With f the network with that head, in levels
    of 0 to 255 and projected to [x - 8, x + 8] and [0, 255] after every step,

        FGSM    x' = x + 8 sign(grad_x ||f(x) - y||^2)
        PGD     x <- x + 2 sign(grad_x ||f(x) - y||^2), ten times, from the picture itself

    (Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015; Madry, Makelov,
    Schmidt, Tsipras and Vladu, "Towards deep learning models resistant to adversarial attacks", ICLR 2018). Steps being
    whole levels, every value stays whole.

    Raises:
        UnknownName: a plant that is no attack.
    """
    lookup("attack", plant, STEPS)
    chosen = np.arange(len(pixels)) if rows is None else rows
    wanted = targets.encode(labels, classes)
    out = np.empty((len(chosen), *pixels.shape[1:]), dtype=np.uint8)
    step = planning.batch_size(network.spec)
    with _trained_head(network, pixels, wanted):
        for start in range(0, len(chosen), step):
            batch = chosen[start : start + step]
            out[start : start + step] = _raised(network, pixels[batch], wanted[batch], *STEPS[plant])
            report("features", min(start + step, len(chosen)), len(chosen))
    return out


@contextmanager
def _trained_head(network: Network, pixels: ImageArray, wanted: FloatArray) -> Iterator[None]:
    """The head trained in closed form on the features of all pictures, as long as this lasts."""
    from sampleinfo.features import features_and_outputs
    from sampleinfo.models.heads import closed_form_head

    features = features_and_outputs(network, pixels)[0].astype(np.float64)
    before = [values.detach().cpu().numpy().copy() for values in (network.head.weight, network.head.bias)]
    head = closed_form_head(features, wanted)
    network.set_head(head.weight, head.bias)
    try:
        yield
    finally:
        network.set_head(before[0], before[1])


def _raised(network: Network, pictures: ImageArray, wanted: FloatArray, steps: int, length: int) -> ImageArray:
    """(b, s, s, 3) after so many steps of the sign of the loss' slope; that of the pixels is that of the input."""
    import torch

    from sampleinfo.devices import device_of

    device = device_of(network.module)
    target = torch.from_numpy(wanted.astype(np.float32)).to(device)
    clean = pictures.astype(np.int64)
    low, high = np.maximum(clean - EPSILON, 0), np.minimum(clean + EPSILON, 255)
    moved = clean
    for _ in range(steps):
        inputs = network.normalise(moved.astype(np.uint8)).to(device).requires_grad_()
        loss = (network.module(inputs) - target).square().sum()
        (slope,) = torch.autograd.grad(loss, inputs)
        sign = slope.sign().permute(0, 2, 3, 1).cpu().numpy().astype(np.int64)
        moved = np.clip(moved + length * sign, low, high)
    return moved.astype(np.uint8)
