"""What is known of a data set before any image is read: counts, from which a run is planned."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from sampleinfo.datasets.splitting import check_classes, eligible, shares
from sampleinfo.errors import InvalidData, InvalidSetting
from sampleinfo.types import Concatenated, Dataset, Images, Subset

#: Default numbers of training and validation images: of two classes, and of more.
TWO, MORE = (600, 400), (300, 150)


@dataclass(frozen=True)
class Stratum:
    """Number of images of a class, source and split of the data set's own (empty: none)."""

    class_name: str
    source: str
    split: str
    images: int


@dataclass(frozen=True)
class Facts:
    """Counts of a data set. ``bytes`` is the size of its files (0: in memory already); ``defaults`` the numbers of
    training and validation images when none are asked for."""

    name: str
    title: str
    class_names: tuple[str, ...]
    strata: tuple[Stratum, ...]
    bytes: int = 0
    defaults: tuple[int, int] | None = None

    @property
    def images(self) -> int:
        """Number of all images."""
        return sum(each.images for each in self.strata)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(dict.fromkeys(each.source for each in self.strata))

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that the data set brings along."""
        return tuple(dict.fromkeys(each.split for each in self.strata if each.split))

    def per_class(self) -> dict[str, int]:
        """Images of every class."""
        counts = Counter(dict.fromkeys(self.class_names, 0))
        for each in self.strata:
            counts[each.class_name] += each.images
        return dict(counts)

    def chosen(self, classes: tuple[str, ...], per_class: int | None) -> Facts:
        """Only ``classes``, at most ``per_class`` images of each.

        Raises:
            UnknownName, InvalidSetting: see ``check_classes``.
        """
        if classes:
            check_classes(self.name, self.class_names, classes)
        names = classes or self.class_names
        strata = [each for each in self.strata if each.class_name in names]
        if per_class is not None:
            strata = [
                part for name in names for part in _capped([s for s in strata if s.class_name == name], per_class)
            ]
        return replace(
            self, class_names=names, strata=tuple(strata),
            bytes=self.bytes * sum(s.images for s in strata) // max(1, self.images),
        )  # fmt: skip

    def room(self, validation_split: str) -> tuple[int, int, int]:
        """Images that may be trained on, that may be validated on when every class keeps two, and all that are either.

        Raises:
            InvalidSetting: a split that the data set does not have.
        """
        splits = tuple(each.split for each in self.strata)
        train, validation = eligible(self.name, splits if self.splits else None, len(splits), validation_split)
        sizes = np.array([each.images for each in self.strata], dtype=np.int64)
        names = np.array([each.class_name for each in self.strata])
        needed = 0
        for each in self.class_names:
            own, free = (int(sizes[may & (names == each)].sum()) for may in (train & ~validation, train & validation))
            needed += min(free, max(0, 2 - own))
        return int(sizes[train].sum()), int(sizes[validation].sum()) - needed, int(sizes[train | validation].sum())

    def sizes(
        self, train: int | float | None, validation: int | float | None, validation_split: str
    ) -> tuple[int, int]:
        """Numbers of training and validation images: those asked for, or the defaults as far as they fit.

        Numbers between 0 and 1 are shares of all images.

        Raises:
            InvalidSetting: more than there are; the message says how many there are.
            InvalidData: fewer than two classes, or a class with fewer than two images to train on.
        """
        self._check_classes(validation_split)
        most_train, most_validation, both = self.room(validation_split)
        train, validation = (
            max(1, int(size * both + 1e-9)) if isinstance(size, float) else size for size in (train, validation)
        )
        wanted = self.defaults or (TWO if len(self.class_names) == 2 else MORE)
        usual = max(wanted[0], min(4 * len(self.class_names), most_train)), wanted[1]
        if train is None and validation is None:
            if usual[0] > most_train or usual[1] > most_validation or sum(usual) > both:
                share = both * 2 // 3
                usual = min(share, most_train), max(1, min(both - share, most_validation))
                usual = usual if sum(usual) <= both else (both - usual[1], usual[1])
            return usual
        train = min(usual[0], most_train, both - (validation or 0)) if train is None else train
        validation = max(1, min(usual[1], most_validation, both - train)) if validation is None else validation
        self._check_room(train, validation, validation_split)
        return train, validation

    def _check_room(self, train: int, validation: int, validation_split: str) -> None:
        most_train, most_validation, both = self.room(validation_split)
        if train + validation > both or train <= 0:
            raise InvalidSetting(
                f"{self.name} has {both} images; {train} for training and {validation} for validation make "
                f"{train + validation}. Ask for at most {both} in all."
            )
        for count, most, words in ((train, most_train, "training"), (validation, most_validation, "validation")):
            if count > most:
                raise InvalidSetting(f"{self.name} has {most} {words} images, not {count}; ask for at most {most}.")

    def _check_classes(self, validation_split: str) -> None:
        counts = {name: number for name, number in self.per_class().items() if number}
        if len(counts) < 2:
            only = f"only the class {next(iter(counts))!r}" if counts else "no class"
            raise InvalidData(f"{self.name} has {only}; at least two are needed to learn anything.")
        trainable, _ = eligible(
            self.name, tuple(s.split for s in self.strata) if self.splits else None, len(self.strata), validation_split
        )
        can = Counter[str]()
        for each, may in zip(self.strata, trainable, strict=True):
            can[each.class_name] += each.images if may else 0
        if not any(can.values()):
            raise InvalidData(
                f"{self.name} has no images to train on beside those to validate on: its splits are "
                f"{', '.join(self.splits)}. Use --validation-split share, or the name of another split."
            )
        poor = [name for name in self.class_names if can[name] < 2]
        if poor:
            count = can[poor[0]]
            others = f" (and {len(poor) - 1} more like it)" if len(poor) > 1 else ""
            raise InvalidData(
                f"class {poor[0]!r}{others} of {self.name} has {count} image{'s' * (count != 1)} to train on; every "
                "class needs at least 2, or leaving one out would remove the class. Choose classes without it, or add "
                "images."
            )


def of(dataset: Dataset, title: str) -> Facts:
    """Count the images of a data set."""
    split = dataset.split or ("",) * len(dataset)
    counts = Counter(zip(dataset.labels.tolist(), dataset.sources, split, strict=True))
    strata = tuple(Stratum(dataset.class_names[label], s, p, n) for (label, s, p), n in sorted(counts.items()))
    return Facts(dataset.name, title, dataset.class_names, strata, _bytes(dataset.images))


def _bytes(images: Images) -> int:
    """Size of the files; of some of their pictures in proportion."""
    if isinstance(images, Subset):
        return _bytes(images.images) * len(images) // max(1, len(images.images))
    if isinstance(images, Concatenated):
        return sum(_bytes(part) for part in images.parts)
    count = getattr(images, "bytes", None)
    return int(count()) if count is not None else 0


def _capped(strata: list[Stratum], most: int) -> list[Stratum]:
    sizes = np.array([each.images for each in strata], dtype=np.int64)
    if sizes.sum() <= most:
        return strata
    return [replace(each, images=int(n)) for each, n in zip(strata, shares(sizes, most, sizes), strict=True) if n]
