"""Data sets by name. One file per format; each offers ``load`` and is listed in ``REGISTRY``."""

from __future__ import annotations

from sampleinfo.datasets.builtin import PRESETS, Preset
from sampleinfo.datasets.splitting import check_classes, choose_classes, split
from sampleinfo.errors import UnknownName
from sampleinfo.types import Dataset

__all__ = ["PRESETS", "Preset", "check_classes", "choose_classes", "find", "load", "split"]


def find(name: str) -> Preset:
    """The data set called ``name``.

    Raises:
        UnknownName: with the known names and the nearest one.
    """
    if name not in PRESETS:
        raise UnknownName("data set", name, PRESETS)
    return PRESETS[name]


def load(name: str, classes: tuple[str, ...] = ()) -> Dataset:
    """All images of a data set, or those of ``classes``, not yet split."""
    dataset = find(name).load()
    return choose_classes(dataset, classes) if classes else dataset
