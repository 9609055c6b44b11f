"""The sources that are compared: those of one run, or of two runs whose numbers can stand beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleinfo.errors import InvalidSetting
from sampleinfo.store import Run
from sampleinfo.types import TRAIN, FloatArray, IntArray

#: The row or column of all sources together.
ALL = "all sources"
#: Sources of a run that are compared, the largest ones, and those that are shown at once.
LARGEST, SHOWN = 8, 4


@dataclass(frozen=True, eq=False)
class Member:
    """One source of one run. ``rows``: its training images, as the run's fit counts them; ``label``: what tells it from
    the others; ``validation``: how many validation images it has; ``own``: whether it is of the first run."""

    run: Run
    source: str
    label: str
    rows: IntArray
    validation: int
    own: bool = True

    def values(self, score: str) -> FloatArray:
        """(n,) the score of its training images."""
        return self.run.samples[score].to_numpy(dtype=np.float64)[self.rows]


def sources_of(run: Run) -> list[str]:
    """The sources with training images, the largest first."""
    samples = run.samples
    counts = samples.loc[samples["split"] == TRAIN, "source"].astype(str).value_counts()
    return sorted(counts.index, key=lambda name: (-int(counts[name]), str(name)))


def members(run: Run, other: Run | None = None) -> list[Member]:
    """The ``LARGEST`` sources of a run, then those of another one.

    Raises:
        InvalidSetting: the numbers of the two cannot stand beside each other.
    """
    if other is None:
        return _of(run, own=True)
    check_match(run, other)
    found = [*_of(run, own=True), *_of(other, own=False)]
    names = Counter(each.source for each in found)
    titles = Counter(each.run.title for each in (found[0], found[-1]))
    return [_renamed(each, names[each.source] > 1, titles[each.run.title] > 1) for each in found]


def shown_first(found: Sequence[Member]) -> list[Member]:
    """Those shown where nobody has chosen: the ``SHOWN`` first, at least as many as fit of a second run."""
    own, others = [each for each in found if each.own], [each for each in found if not each.own]
    few = min(len(others), max(SHOWN - len(own), SHOWN // 2))
    return [*own[: SHOWN - few], *others[:few]]


def check_match(run: Run, other: Run) -> None:
    """Whether scores of two runs can stand beside each other: one task, one network, one way to train it.

    Raises:
        InvalidSetting: with every setting that differs.
    """
    if run.path == other.path:
        raise InvalidSetting("a run cannot be compared with itself; choose another run.")
    one, two = settings(run), settings(other)
    differing = [f"{name} ({one[name]} and {two[name]})" for name in one if one[name] != two[name]]
    if differing:
        raise InvalidSetting(
            f"the runs {run.id} and {other.id} cannot be compared: they differ in {', '.join(differing)}. Choose a run "
            "that has them in common, or score the data again with the same settings."
        )


def settings(run: Run) -> dict[str, str]:
    """What two runs must have in common, in words."""
    meta = run.meta
    model, how = meta["model"], meta.get("training", {})
    names = [str(each) for each in meta["dataset"]["class_names"]]
    steps = "to convergence" if how.get("steps") is None else "gradient flow" if how["continuous"] else "steps"
    return {
        "classes": ", ".join(names),
        "network": str(model.get("title", model.get("name"))),
        "input size": str(model.get("image_size")),
        "weights": str(model.get("sha256") or model.get("weights"))[:12],
        "layers trained": str(meta["kernel"].get("scope")),
        "kernel": _kernel(meta["kernel"]),
        "outputs": str(model.get("outputs")),
        "method": "along the training" if meta.get("along") else "closed form",
        "training": steps,
    }


def caveats(run: Run, other: Run) -> list[str]:
    """What differs between two runs that match and still moves the scores, in sentences."""
    found = []
    sizes = [int(each.meta["sizes"]["train"]) for each in (run, other)]
    if sizes[0] != sizes[1]:
        found.append(
            f"The runs have {sizes[0]} and {sizes[1]} training images: the more there are, the less each one adds."
        )
    ridges = [float(each.meta["ridge"]["value"]) for each in (run, other)]
    if ridges[0] != ridges[1]:
        found.append(f"Their ridges are {ridges[0]:.3g} and {ridges[1]:.3g}: a larger one makes every score smaller.")
    trained = [{name: (each.meta.get("training") or {}).get(name) for name in ("steps", "lr")} for each in (run, other)]
    if trained[0] != trained[1] and trained[0]["steps"] is not None:
        words = " and ".join(f"{each['steps']} steps at {each['lr']:.3g}" for each in trained)
        found.append(f"They train for {words}: longer training makes most scores larger.")
    found.append("Each is measured on the validation images of its own run.")
    return found


def _kernel(facts: dict[str, Any]) -> str:
    return f"{facts['kind']}{', shared' if facts.get('shared') and facts['kind'] != 'shared' else ''}"


def _of(run: Run, own: bool) -> list[Member]:
    samples, found = run.samples, []
    train = (samples["split"] == TRAIN).to_numpy()
    sources = samples["source"].astype(str).to_numpy()
    for name in sources_of(run)[:LARGEST]:
        mine = sources == name
        found.append(Member(run, name, _label(name), np.flatnonzero(train & mine), int((mine & ~train).sum()), own))
    return found


def _label(source: str) -> str:
    """What a source is called; one without a name, or with that of all together, is told apart."""
    return "(no name)" if not source.strip() else f"{source} (one source)" if source == ALL else source


def _renamed(member: Member, shared_name: bool, shared_title: bool) -> Member:
    if not shared_name:
        return member
    run = member.run
    label = f"{member.label} ({run.id[-10:] if shared_title else run.title})"
    return Member(run, member.source, label, member.rows, member.validation, member.own)
