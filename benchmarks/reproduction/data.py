"""Where the images of a figure come from: the installed libraries, or the folder given by ``--data``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from benchmarks.reproduction.options import Journal, Options, Sizes
from sampleinfo import datasets
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.types import Dataset

#: What DIR of ``--data DIR`` may hold.
FOLDERS = {
    "cifar10": "image Parquet files with the splits train and test",
    "dogs-vs-cats": "a folder of images for each class",
    "mnist": "image Parquet files with the splits train and test",
}
#: Classes of a task, and the folder that holds it. Those of MNIST are built in as well, with 500 images of each class.
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "mnist-4v9": ("mnist", ("4", "9")),
    "mnist": ("mnist", ()),
    "dogs-vs-cats": ("dogs-vs-cats", ()),
    "cifar10-pets": ("cifar10", ("cat", "dog", "deer")),
    "cifar10-deer-horse": ("cifar10", ("deer", "horse")),
}


def is_there(task: str, options: Options) -> bool:
    """Whether the images of a task are built in or in the folder given."""
    return task in datasets.PRESETS or _in_folder(task, options)


def _in_folder(task: str, options: Options) -> bool:
    return options.data is not None and (options.data / TASKS[task][0]).is_dir()


def origin(task: str, options: Options) -> str:
    """Where the images come from, in words."""
    return "images of --data" if _in_folder(task, options) else "built-in images"


def check(task: str, options: Options) -> None:
    """Refuse a task whose images are not there.

    Raises:
        InvalidSetting: one sentence on what to pass.
    """
    if not is_there(task, options):
        folder = TASKS[task][0]
        raise InvalidSetting(
            f"{task} needs images that do not come with the package: pass --data DIR, where DIR holds the folder "
            f"{folder} ({FOLDERS[folder]})."
        )


def chosen(settings: dict[str, str], options: Options, journal: Journal) -> list[str]:
    """The settings asked for, or all whose data are there; ``settings``: the task of each.

    Raises:
        UnknownName: a setting that the figure does not have.
        InvalidSetting: one that was asked for and has no data.
    """
    for name in options.settings:
        if name not in settings:
            raise UnknownName("setting", name, settings)
        check(settings[name], options)
    if options.settings:
        return list(options.settings)
    there = {name: is_there(task, options) for name, task in settings.items()}
    if not all(there.values()):
        left = ", ".join(name for name, known in there.items() if not known)
        journal.say(f"left out for want of data (see --data): {left}")
    return [name for name, known in there.items() if known]


def load(task: str, options: Options, per_class: int | None = None) -> Dataset:
    """The readable images of a task, at most ``per_class`` of each class.

    Raises:
        InvalidSetting: a task whose images are not there.
    """
    check(task, options)
    folder, classes = TASKS[task]
    name = str(options.data / folder) if options.data and _in_folder(task, options) else task
    whole = datasets.prepare(name, classes=() if name == task else classes, per_class=per_class, seed=options.seed)
    return replace(whole, name=task)


def split(task: str, sizes: Sizes, options: Options, journal: Journal) -> Dataset:
    """Training images first, then those to validate on, drawn by the seed.

    Where there are too few images for the figure's own sizes, both are made smaller in proportion.

    Raises:
        SampleInfoError: as ``load`` and ``datasets.split_at_most``.
    """
    classes = 10 if task == "mnist" else 2
    whole = load(task, options, per_class=-(-(sizes.train + sizes.validation) // classes) + 5)
    train, validation = sizes.train, sizes.validation
    if train + validation > len(whole) and not (options.train or options.validation):
        train = len(whole) * train // (train + validation)
        validation = len(whole) - train
        journal.say(f"{task} has {len(whole)} images: {train} to train and {validation} to validate on")
    return datasets.split_at_most(whole, train, validation, options.seed, "share")


def training_images(dataset: Dataset) -> int:
    """How many come first."""
    return sum(side == "train" for side in dataset.split or ())


def balanced(groups: Iterable[tuple[np.ndarray, int]], seed: int) -> np.ndarray:
    """Rows drawn without replacement: so many of each group of rows."""
    rng = np.random.default_rng(seed)
    return np.concatenate([np.sort(rng.permutation(rows)[:count]) for rows, count in groups])
