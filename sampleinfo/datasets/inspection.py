"""Reading every image once: which cannot be read and why, and which are equal to the last pixel.

The hashes are kept below the data folder and used again as long as no file changes.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sampleinfo.config import home
from sampleinfo.errors import InvalidData, Unreadable
from sampleinfo.parallel import over_images
from sampleinfo.types import Concatenated, Dataset, Images, Reporter, Skipped, Subset, image_hash, narrowed, silent

#: Raised when images are decoded otherwise than before.
VERSION = 1


@dataclass(frozen=True)
class Duplicates:
    """Groups of row numbers with equal pixels; ``across_splits`` and ``conflicting`` (labels differ) are some of
    ``groups``."""

    groups: tuple[tuple[int, ...], ...]
    across_splits: tuple[tuple[int, ...], ...]
    conflicting: tuple[tuple[int, ...], ...]


def inspect(dataset: Dataset, report: Reporter = silent, steps: tuple[float, float] = (0.0, 1.0)) -> Dataset:
    """Only the samples whose image can be read, with their hashes; the others join ``skipped`` with the reason.

    Raises:
        InvalidData: no image can be read.
    """
    found = _found(dataset, report, steps)
    bad = [row for row, (_, reason) in enumerate(found) if reason]
    if len(bad) == len(dataset):
        raise InvalidData(_none_readable(dataset, [Skipped(dataset.sample_ids[row], found[row][1]) for row in bad]))
    skipped = tuple(Skipped(dataset.sample_ids[row], found[row][1]) for row in bad)
    good = dataset if not bad else dataset.subset(sorted(set(range(len(dataset))) - set(bad)))
    hashes = tuple(found[row][0] for row in range(len(dataset)) if not found[row][1])
    return replace(drop_empty_classes(good), skipped=dataset.skipped + skipped, hashes=hashes)


def drop_empty_classes(dataset: Dataset) -> Dataset:
    """Without the classes that have no samples."""
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    kept = np.flatnonzero(counts)
    if len(kept) == len(dataset.class_names):
        return dataset
    number = np.full(len(counts), -1)
    number[kept] = np.arange(len(kept))
    names = tuple(dataset.class_names[place] for place in kept)
    return replace(dataset, labels=number[dataset.labels], class_names=names)


def duplicates(dataset: Dataset) -> Duplicates:
    """Groups of equal images, largest first."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, each in enumerate(dataset.image_hashes()):
        rows[each].append(row)
    groups = sorted((tuple(group) for group in rows.values() if len(group) > 1), key=lambda g: (-len(g), g))
    split, labels = dataset.split or ("",) * len(dataset), dataset.labels
    return Duplicates(
        groups=tuple(groups),
        across_splits=tuple(group for group in groups if len({split[row] for row in group}) > 1),
        conflicting=tuple(group for group in groups if len({int(labels[row]) for row in group}) > 1),
    )


def is_known(dataset: Dataset) -> bool:
    """Whether every image was read before, so that ``inspect`` answers at once."""
    found = stamps(dataset.images)
    return found is None or _cache(found).is_file()


def _look(images: Images) -> list[tuple[str, str]]:
    """(hash, reason why it cannot be read) of each picture; one of the two is empty."""
    found = []
    for row in range(len(images)):
        try:
            found.append((image_hash(images[row]), ""))
        except Unreadable as error:
            found.append(("", str(error)))
    return found


def _found(dataset: Dataset, report: Reporter, steps: tuple[float, float]) -> list[tuple[str, str]]:
    """(hash, reason) of every image; what could not be read before is tried again."""
    known = stamps(dataset.images)
    if known is None:
        return _look(dataset.images)
    path = _cache(known)
    found = [(each, "") for each in _read(path, len(dataset))]
    rows = [row for row, (each, _) in enumerate(found) if not each]
    fresh = over_images(_look, narrowed(dataset.images, rows), report, "images", steps)
    for row, each in zip(rows, fresh, strict=True):
        found[row] = each
    if any(found[row][0] for row in rows):
        _write(path, [each for each, _ in found])
    return found


def stamps(images: Images) -> list[str] | None:
    """What changes when an image's file does, for every image; None where none comes from a file."""
    if isinstance(images, Subset):
        inner = stamps(images.images)
        return None if inner is None else [inner[row] for row in images.rows]
    if isinstance(images, Concatenated):
        parts = [stamps(part) for part in images.parts]
        if all(part is None for part in parts):
            return None
        return [
            stamp
            for part, found in zip(images.parts, parts, strict=True)
            for stamp in (found if found is not None else [each for each, _ in _look(part)])
        ]
    own = getattr(images, "stamps", None)
    return None if own is None else list(own())


def _cache(stamps: Sequence[str]) -> Path:
    digest = hashlib.sha256(f"{VERSION}".encode())
    for stamp in stamps:
        digest.update(stamp.encode("utf-8", "backslashreplace") + b"\0")
    return home() / "inspected" / f"{digest.hexdigest()[:40]}.parquet"


def _read(path: Path, count: int) -> list[str]:
    """The hashes kept; empty where there is none."""
    try:
        kept = pq.read_table(path, columns=["hash"])["hash"].to_pylist()
    except (OSError, pa.ArrowException, KeyError):
        kept = []
    return kept if len(kept) == count else [""] * count


def _write(path: Path, hashes: list[str]) -> None:
    """Keep what was found; a folder that cannot be written only costs the next reading."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"hash": hashes}), temporary)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _none_readable(dataset: Dataset, skipped: Sequence[Skipped]) -> str:
    first = "; ".join(f"{each.name!r}: {each.reason}" for each in skipped[:3])
    return f"none of the {len(dataset)} images of {dataset.name} can be read. {first}."
