"""Whether the tensors of a checkpoint are those of a network, and in words why not. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from sampleinfo.models.specs import MODELS, ModelSpec

Shape = tuple[int, ...]
STATISTICS = ("running_mean", "running_var")
SHOWN, LONGEST = 6, 60


def problem(shapes: Mapping[str, Shape | None], wanted: Mapping[str, Shape], spec: ModelSpec, norm: str) -> str | None:
    """What is wrong with the ``shapes`` found, as the rest of a sentence; None when they are the ``wanted`` ones.

    None as a shape is something that is not a tensor.
    """
    missing = [name for name in wanted if name not in shapes]
    unexpected = [name for name in shapes if name not in wanted]
    differing = [name for name in wanted if name in shapes and shapes[name] != wanted[name]]
    if not (missing or unexpected or differing):
        return None
    statistics = [name for name in shapes if name.endswith(STATISTICS)]
    if norm == "group" and statistics:
        return (
            f"holds running statistics ({listed(statistics)}): it was trained with BatchNorm, which norm 'group' does "
            "not have; use --norm batch."
        )
    if norm == "batch" and not unexpected and not differing and not statistics and _only_statistics(missing):
        return "lacks the running statistics of BatchNorm; if it was trained with GroupNorm, use --norm group."
    parts = []
    if missing:
        parts.append(f"{len(missing)} missing ({listed(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} unexpected ({listed(unexpected)})")
    if differing:
        pairs = [f"{name}: {_words(shapes[name])} where {_words(wanted[name])} is needed" for name in differing]
        parts.append(f"{len(differing)} of another shape ({listed(pairs, '; ')})")
    others = _others(shapes, spec)
    hint = f" It fits {' or '.join(others)}: use --model." if others else ""
    return f"does not fit {spec.name}, of its tensors are {', '.join(parts)}.{hint}"


def listed(names: Iterable[object], separator: str = ", ") -> str:
    """The first few of some names, shortened, and how many more there are."""
    everything = list(names)
    text = separator.join(shown(name) for name in everything[:SHOWN])
    more = len(everything) - SHOWN
    return f"{text} and {more} more" if more > 0 else text or "none"


def shown(name: object) -> str:
    """A name out of a foreign file, on one line and not too long."""
    text = str(name)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 2 * LONGEST else f"{text[:LONGEST]}…"


def _only_statistics(names: list[str]) -> bool:
    return all(name.endswith(STATISTICS) for name in names)


def _others(shapes: Mapping[str, Shape | None], spec: ModelSpec) -> list[str]:
    """Networks whose parameters have these names and sizes."""
    sizes = {
        name: -1 if shape is None else math.prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(STATISTICS)
    }
    return [each.name for each in MODELS.values() if each.name != spec.name and dict(each.tensors) == sizes]


def _words(shape: Shape | None) -> str:
    return "no tensor" if shape is None else " x ".join(map(str, shape)) or "one number"
