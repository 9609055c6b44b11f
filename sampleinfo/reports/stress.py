"""The stress test: errors were planted into the training images of a run; how well does each score find them?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sampleinfo import planting, store
from sampleinfo.config import NOTHING, RunConfig
from sampleinfo.errors import InvalidRun
from sampleinfo.planting import Plant
from sampleinfo.reports.stress_measures import Mask, Ranking, found_after, interval, resampled, steps
from sampleinfo.store import PLANTED, Run
from sampleinfo.types import TRAIN, FloatArray

#: Shares of the training images that are inspected, and the columns that say how many of the planted were found.
INSPECTED = (0.05, 0.1, 0.2, 0.5)
FOUND = tuple(f"found_{round(100 * share):02d}" for share in INSPECTED)
#: Lines that charts show at first.
SHOWN = 4


def plant_of(run: Run) -> tuple[Plant, float]:
    """What was planted into a run, and into what share of its training images.

    Raises:
        InvalidRun: nothing was.
    """
    config = store.config_of(run)
    if config.plant == NOTHING:
        raise InvalidRun(f"nothing was planted into the run {run.id}; plant something with 'sampleinfo stress'.")
    return planting.find(config.plant), config.planted


def planted_config(run: Run, plant: str, share: float) -> RunConfig:
    """The settings of the same run with errors planted.

    Raises:
        SampleInfoError: no such plant, or an impossible share.
    """
    planting.find(plant)
    return replace(store.config_of(run), plant=plant, planted=share)


def planted_runs(run: Run) -> list[Run]:
    """The finished runs of the same data set and settings that hold planted errors, the newest first."""
    wanted = _without_plant(run)
    return [each for each in store.list_runs() if _is_planted(each) and _without_plant(each) == wanted]


def find_planted(run: Run, plant: str, share: float) -> Run | None:
    """The newest of these with this plant in this share; None where there is none."""
    wanted = planted_config(run, plant, share).identity()
    return next((each for each in planted_runs(run) if store.config_of(each).identity() == wanted), None)


def _is_planted(run: Run) -> bool:
    return bool(run.meta["config"].get("plant", NOTHING) != NOTHING)


def _without_plant(run: Run) -> dict[str, Any]:
    config = store.config_of(run)
    return replace(config, plant=NOTHING, planted=RunConfig.planted).identity()


def evidence(run: Run) -> tuple[Mask, dict[str, FloatArray]]:
    """(n,) which training images were planted, and of every score of the run its values (n,).

    Raises:
        InvalidRun: nothing was planted, or everything.
    """
    plant_of(run)
    if PLANTED not in run.samples.columns:
        raise InvalidRun(f"the run {run.id} does not say which images were planted; plant again.")
    samples = run.samples[run.samples["split"] == TRAIN]
    planted = samples[PLANTED].to_numpy(dtype=bool)
    if not 0 < planted.sum() < len(planted):
        raise InvalidRun(
            f"the run {run.id} has {planted.sum()} planted images among {len(planted)}; a stress test needs some of "
            "both kinds: plant again."
        )
    return planted, {name: samples[name].to_numpy(dtype=np.float64) for name in run.scores}


def table(run: Run) -> pd.DataFrame:
    """How well each score finds the planted images, the best average precision first.

    Columns: ``score``, ``title``, ``auroc`` and ``precision`` (average precision), each with the ends ``_low`` and
    ``_high`` of its 95 % bootstrap interval over the images, ``difference`` (average precision minus that of the first
    row) with its paired interval, and the shares of the planted that are found after inspecting the first 5, 10, 20 and
    50 % of the training images: ``FOUND``.

    Raises:
        InvalidRun: nothing was planted, or everything.
    """
    planted, scores = evidence(run)
    return measured(planted, scores).assign(title=lambda frame: [run.scores[name].title for name in frame["score"]])


def measured(planted: Mask, scores: dict[str, FloatArray]) -> pd.DataFrame:
    """The ``table`` of scores (n,) by name, without titles."""
    rankings = [Ranking.of(planted, values) for values in scores.values()]
    points, draws = np.stack([ranking.point() for ranking in rankings]), resampled(rankings)
    best = int(np.argmax(points[:, 1]))
    rows = []
    for (name, each), point, drawn in zip(scores.items(), points, draws, strict=True):
        row: dict[str, Any] = {"score": name}
        for measure, value, values in zip(("auroc", "precision"), point, drawn, strict=True):
            row[measure] = float(value)
            row[f"{measure}_low"], row[f"{measure}_high"] = interval(values)
        row["difference"] = float(point[1] - points[best, 1])
        row["difference_low"], row["difference_high"] = interval(drawn[1] - draws[best, 1])
        for column, share in zip(FOUND, INSPECTED, strict=True):
            row[column] = found_after(planted, each, inspected_images(len(planted), share)) / planted.sum()
        rows.append(row)
    return pd.DataFrame(rows).sort_values("precision", ascending=False, kind="stable", ignore_index=True)


def inspected_images(n: int, share: float) -> int:
    """How many images a share is, at least one."""
    return max(1, round(share * n))


def curves(run: Run) -> pd.DataFrame:
    """Points of three curves of every score: ``score``, ``inspected`` (share of the training images), ``found`` (share
    of the planted among them, also recall), ``false_alarms`` (share of the others among them) and ``precision``.

    A point for every distinct value of the score; each curve begins at (0, 0).

    Raises:
        InvalidRun: nothing was planted, or everything.
    """
    planted, scores = evidence(run)
    return pd.concat([_curve(name, planted, values) for name, values in scores.items()], ignore_index=True)


def _curve(name: str, planted: Mask, values: FloatArray) -> pd.DataFrame:
    hits, others = steps(planted, values)
    precision = hits / (hits + others)
    return pd.DataFrame({
        "score": name,
        "inspected": np.append(0.0, (hits + others) / len(planted)),
        "found": np.append(0.0, hits / planted.sum()),
        "false_alarms": np.append(0.0, others / (~planted).sum()),
        "precision": np.append(precision[0], precision),
    })  # fmt: skip


def conclusion(run: Run, found: pd.DataFrame) -> str:
    """What the ``table`` says, in two sentences."""
    plant, _ = plant_of(run)
    planted, _ = evidence(run)
    n, count, best = len(planted), int(planted.sum()), found.iloc[0]
    first = inspected_images(n, INSPECTED[1])
    caught = best[FOUND[1]] * count
    words = (
        f"{plant.title}: {best['title']} finds {caught:.0f} of the {count} planted errors among the {first} of {n} "
        f"training images that it ranks highest; a random order finds {first * count / n:.2g}. Its average precision "
        f"is {interval_words(best, 'precision')}"
    )
    close = found.iloc[1:][found["difference_high"].iloc[1:] >= 0]["title"].tolist()
    if not close:
        return f"{words}, clearly above every other score."
    rest = "" if len(close) == 1 else f" and {len(close) - 1} more"
    return f"{words}, which is not clearly above {close[0]}{rest}."


def interval_words(row: pd.Series, measure: str) -> str:
    """``0.912 (0.871 to 0.944)``."""
    return f"{row[measure]:.3f} ({row[f'{measure}_low']:.3f} to {row[f'{measure}_high']:.3f})"


def numbers(found: pd.DataFrame) -> pd.DataFrame:
    """The ``table`` as people read it."""
    shown = {
        "score": found["title"],
        "average precision": [interval_words(row, "precision") for _, row in found.iterrows()],
        "AUROC": [interval_words(row, "auroc") for _, row in found.iterrows()],
    }
    for column, share in zip(FOUND, INSPECTED, strict=True):
        shown[f"found in {share:.0%}"] = [f"{value:.0%}" for value in found[column]]
    return pd.DataFrame(shown)
