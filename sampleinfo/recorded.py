"""One real training run with notes, and what it says about every sample (``unrolled``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sampleinfo import descent, kernels, unrolled
from sampleinfo.descent import Noted, Task, Weights
from sampleinfo.jacobians import Coordinates
from sampleinfo.recipe import Recipe
from sampleinfo.segments import segment_kernels
from sampleinfo.types import FloatArray, IntArray, Reporter, silent
from sampleinfo.unrolled import Record, Segments

#: Numbers of segments that may be tried; samples that two of them are compared on, and the deviation that is enough.
CANDIDATES, COMPARED, ENOUGH = (1, 2, 4, 8), 32, 0.05
#: Rows of the largest kernel that is tried without being asked for: 1.7 GB with its copy for the recursion.
MOST_ROWS = 12_000
RESIDUALS, FINAL = "residuals.npy", "final.safetensors"


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run's record, its final weights, and the weights before some of its steps, kept in ``folder``: those in the
    middle of each of ``finest`` segments and, where nobody said how many segments there are, of fewer."""

    record: Record
    final: Weights
    folder: Path
    finest: int

    def weights(self, step: int) -> Weights:
        """The weights before a step that was noted."""
        return load_file(_noted(self.folder, step))

    def checkpoints(self, count: int) -> list[Weights]:
        """The weights in the middle of each of ``count`` segments."""
        return [self.weights(step) for step in unrolled.middles(self.record.recipe.steps, count)]


def record(task: Task, recipe: Recipe, folder: Path, report: Reporter = silent, count: int | None = None) -> Recorded:
    """Train on all samples and take notes for ``count`` segments, or for all numbers of them that may be tried.

    What an earlier call has kept in ``folder`` is taken from there. Reports the stage ``training``.

    Raises:
        NumericalError: a learning rate that diverges.
    """
    counts = candidates(recipe) if count is None else [count]
    steps = frozenset(step for each in counts for step in unrolled.middles(recipe.steps, each))
    if not (folder / FINAL).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        noted = Noted(steps)
        final = descent.train(task, recipe, noted=noted, progress=lambda share: report("training", share, 1))
        for step, weights in noted.weights.items():
            save_file(_plain(weights), _noted(folder, step))
        np.save(folder / RESIDUALS, np.stack(noted.residuals))
        save_file(_plain(final), folder / f"{FINAL}.tmp")
        (folder / f"{FINAL}.tmp").replace(folder / FINAL)
    report("training", 1, 1)
    residuals = np.load(folder / RESIDUALS, allow_pickle=False)
    return Recorded(Record(recipe, task.n, residuals), load_file(folder / FINAL), folder, max(counts))


def gradient_spread(task: Task, run: Recorded, labels: IntArray, report: Reporter = silent) -> FloatArray:
    """(n,) how far the slope of the output of each training image's own class by its pixels varies along the run.

    Slopes are averaged over the colour channels; of each pixel the standard deviation over the start, the middles of
    the finest segments and the end is taken; of these the mean over the pixels (``scores.vog``). Cost: one derivative
    back to the pixels for every image and moment. Reports the stage ``training``, which it is the end of.
    """
    steps = unrolled.middles(run.record.recipe.steps, run.finest)
    out = np.empty(task.n)
    for start in range(0, task.n, task.chunk):
        rows = np.arange(start, min(start + task.chunk, task.n))
        images = task.images(rows).detach()
        wanted = torch.from_numpy(labels[rows]).to(images.device)
        moments = (task.initial(), *(run.weights(step) for step in steps if step), run.final)
        slopes = torch.stack([_slopes(task, weights, images, wanted) for weights in moments])
        out[rows] = slopes.double().std(dim=0, correction=0).mean(dim=1).cpu().numpy()
        report("training", 1, 1)
    return out


def _slopes(task: Task, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
    """(b, pixels) of the output of each image's label, or of the only output, averaged over the channels."""
    pixels = images.clone().requires_grad_()
    outputs = task.forward({name: value.to(images.device) for name, value in weights.items()}, pixels)
    own = outputs[:, 0] if outputs.shape[1] == 1 else outputs.gather(1, labels[:, None])[:, 0]
    (slopes,) = torch.autograd.grad(own.sum(), pixels)
    return slopes.flatten(2).mean(dim=1) if slopes.dim() > 2 else slopes


def candidates(recipe: Recipe) -> list[int]:
    """Numbers of segments that a run of so many steps can have."""
    return [count for count in CANDIDATES if count <= recipe.steps]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Kernels of as many segments as it takes.

    ``deviation``: relative difference of the prediction changes with half as many segments, on some samples; None where
    the number was given. ``enough`` says whether it is as small as it should be.
    """

    segments: Segments
    deviation: float | None

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"count": self.segments.count, "deviation": self.deviation, "enough": ENOUGH}


def choose_segments(
    task: Task, run: Recorded, coordinates: list[Coordinates], count: int | None = None, seed: int = 0,
    report: Reporter = silent, memory: int = kernels.MEMORY, shared: bool = False,
) -> Chosen:  # fmt: skip
    """The kernels of ``count`` segments; by default of the first number whose result that of half of it confirms.

    1, 2, 4, 8 segments are tried in turn. The changes of the predictions that L and 2L segments foretell are compared
    on some samples; where they deviate by at most ``ENOUGH`` (relative, Frobenius), 2L are kept. Kernels of more than
    ``MOST_ROWS`` rows are not tried. Reports the stage ``segments``.

    Raises:
        InvalidSetting: more segments than can be had.
    """
    rows = task.n * (1 if shared else task.targets.shape[1])
    possible = [each for each in candidates(run.record.recipe) if each == 1 or each * rows <= MOST_ROWS]
    wanted = possible if count is None else [count]
    whole = sum(each**2 for each in wanted)

    def compute(each: int) -> Segments:
        before = sum(other**2 for other in wanted if other < each)

        def tell(stage: str, done: float, total: float) -> None:  # noqa: ARG001
            report("segments", before + each**2 * done / total, whole)

        return segment_kernels(task, run.checkpoints(each), run.final, coordinates, tell, memory=memory, shared=shared)

    found, before, deviation = compute(wanted[0]), None, None
    if count is not None:
        return Chosen(found, None)
    some = np.sort(np.random.default_rng(seed).permutation(task.n)[:COMPARED])
    sets = [np.array([row]) for row in some]
    before = unrolled.leave_out(run.record, found, sets).val_change
    for each in wanted[1:]:
        found = compute(each)
        now = unrolled.leave_out(run.record, found, sets).val_change
        deviation, before = _deviation(before, now), now
        if deviation <= ENOUGH:
            break
    report("segments", 1, 1)
    return Chosen(found, deviation)


def _deviation(coarse: FloatArray, fine: FloatArray) -> float:
    size = float(np.linalg.norm(fine))
    return float(np.linalg.norm(coarse - fine)) / size if size > 0 else 0.0


def _noted(folder: Path, step: int) -> Path:
    return folder / f"weights-{step:07d}.safetensors"


def _plain(weights: Weights) -> Weights:
    return {name: value.detach().cpu().contiguous() for name, value in weights.items()}
