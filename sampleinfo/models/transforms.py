"""From a picture of any size to the square of pixels that a network was trained on. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sampleinfo.types import ImageArray

#: Per-channel mean and standard deviation, in [0, 1], of the images that the networks were trained on.
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Sides in a larger proportion than this are cut down to the middle before they are resized.
LONGEST = 16


@dataclass(frozen=True)
class Transform:
    """Resize, crop, and the ``mean`` and ``std`` by which the network's input is normalised.

    ``resize`` is the length of the shorter side before a centre crop of ``crop`` pixels, bilinear and with the
    roundings of torchvision's ``Resize`` and ``CenterCrop``; None squashes the picture to ``crop`` x ``crop``.
    """

    resize: int | None
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, image: ImageArray) -> ImageArray:
        """(h, w) or (h, w, 3) uint8 to (crop, crop, 3) uint8, RGB."""
        if self.resize is None:
            squashed = _rgb(image).resize((self.crop, self.crop), Image.Resampling.BILINEAR)
            return np.asarray(squashed)
        height, width = image.shape[:2]
        short, long = min(height, width), max(height, width)
        if long > LONGEST * short and self.resize >= self.crop:
            return self._middle(image, self.resize)
        new_long = int(self.resize * long / short)
        new = (self.resize, new_long) if width <= height else (new_long, self.resize)
        resized = _rgb(image).resize(new, Image.Resampling.BILINEAR)
        left, top = _start(new[0], self.crop), _start(new[1], self.crop)
        return np.asarray(resized.crop((left, top, left + self.crop, top + self.crop)))

    def _middle(self, image: ImageArray, resize: int) -> ImageArray:
        """The same for long strips, of which only what the crop shows is resized, and what is next to it."""
        boxes = []
        height, width = image.shape[:2]
        for side in (width, height):
            new = resize if side == min(height, width) else int(resize * side / min(height, width))
            scale = side / new
            start = _start(new, self.crop)
            low, high = start * scale, (start + self.crop) * scale
            margin = math.ceil(scale) + 2
            first, last = max(0, math.floor(low) - margin), min(side, math.ceil(high) + margin)
            boxes.append((first, last, low - first, min(high - first, last - first)))
        (left, right, x0, x1), (top, bottom, y0, y1) = boxes
        part = _rgb(image[top:bottom, left:right])
        return np.asarray(part.resize((self.crop, self.crop), Image.Resampling.BILINEAR, box=(x0, y0, x1, y1)))


def _rgb(image: ImageArray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image)).convert("RGB")


def _start(side: int, crop: int) -> int:
    """Where a centre crop begins; below 0 where zeros are put around a picture that is too small."""
    return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)
