"""What is wrong with a data set, as one list: entries left out, equal images, equal images with different labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from sampleinfo.datasets.inspection import duplicates
from sampleinfo.types import Dataset

SKIPPED, DUPLICATE, ACROSS, CONFLICT = "left out", "duplicate", "duplicate across splits", "conflicting labels"
KINDS = (SKIPPED, CONFLICT, ACROSS, DUPLICATE)
WORDS = {
    SKIPPED: "left out: they cannot be read or used",
    CONFLICT: "equal to the last pixel, with different labels",
    ACROSS: "equal to the last pixel, in different splits",
    DUPLICATE: "equal to the last pixel",
}


@dataclass(frozen=True)
class Finding:
    """``kind`` is one of ``KINDS``; ``image`` a sample id, or the name of an entry that is none."""

    kind: str
    image: str
    reason: str


def findings(dataset: Dataset) -> list[Finding]:
    """All findings on an inspected data set, the gravest kind of each image."""
    found = [Finding(SKIPPED, each.name, each.reason) for each in dataset.skipped]
    groups = duplicates(dataset)
    conflicting, across = set(groups.conflicting), set(groups.across_splits)
    for group in groups.groups:
        kind = CONFLICT if group in conflicting else ACROSS if group in across else DUPLICATE
        found += _equal(dataset, group, kind)
    return sorted(found, key=lambda each: KINDS.index(each.kind))


def _equal(dataset: Dataset, group: tuple[int, ...], kind: str) -> Iterator[Finding]:
    """Every image of a group beside another one, if possible one that differs in what the kind is about."""
    split = dataset.split or ("",) * len(dataset)
    differs: dict[str, Callable[[int, int], bool]] = {
        CONFLICT: lambda a, b: bool(dataset.labels[a] != dataset.labels[b]),
        ACROSS: lambda a, b: split[a] != split[b],
        DUPLICATE: lambda a, b: a != b,
    }
    for row in group:
        other = next((each for each in group if differs[kind](row, each)), group[row == group[0]])
        more = f" and {len(group) - 2} more" if len(group) > 2 else ""
        words = ", ".join(filter(None, (dataset.class_names[dataset.labels[other]], split[other])))
        yield Finding(kind, dataset.sample_ids[row], f"same picture as {dataset.sample_ids[other]} ({words}){more}")


def table(found: Sequence[Finding]) -> pd.DataFrame:
    """One row per finding: kind, image, reason."""
    return pd.DataFrame([(each.kind, each.image, each.reason) for each in found], columns=["kind", "image", "reason"])


def counts(found: Sequence[Finding]) -> dict[str, int]:
    """Findings of each kind that occurs."""
    return {kind: number for kind in KINDS if (number := sum(each.kind == kind for each in found))}
