"""Scores in runs, and what only a real training run has to say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sampleinfo import descent, pipeline, recorded, store, targets, whatif
from sampleinfo.cli import main
from sampleinfo.descent import Task
from sampleinfo.jacobians import all_coordinates
from sampleinfo.linearized import Fit
from sampleinfo.recipe import Recipe
from sampleinfo.scores import ALONG, CHECKPOINTS, SCORES, Evidence
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from tests import conftest
from tests.test_scores import M, N, close

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("k", [1, 3])
def test_gradient_spread_is_the_deviation_of_the_slopes_by_definition(k: int, tmp_path: Path) -> None:
    torch.manual_seed(k)
    layers = nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 9, k)
    module = nn.Sequential(*layers).double().eval()
    images = torch.randn(N + M, 2, 5, 5, dtype=torch.float64)
    labels = np.arange(N) % max(k, 2)
    encoded = torch.from_numpy(targets.encode(labels, max(k, 2)))
    names = descent.trained_names(module, all_coordinates(module))
    task, recipe = Task(module, lambda rows: images[rows], encoded, N + M, names, chunk=5), Recipe(9, 0.3)
    run = recorded.record(task, recipe, tmp_path)
    found = recorded.gradient_spread(task, run, labels)
    moments: list[np.ndarray] = []

    def look(weights: descent.Weights) -> None:
        own = []
        for i in range(N):
            pixels = images[i : i + 1].clone().requires_grad_()
            output = task.forward(weights, pixels)[0, 0 if k == 1 else labels[i]]
            own.append(torch.autograd.grad(output, pixels)[0][0].mean(dim=0).numpy())
        moments.append(np.stack(own))

    look(task.initial())
    for step in range(1, recipe.steps + 1):
        weights = descent.train(task, replace(recipe, steps=step))
        if step in recorded_steps(recipe) or step == recipe.steps:
            look(weights)
    wanted = np.std(np.stack(moments), axis=0).mean(axis=(1, 2))
    assert len(moments) == 10 - (0 in recorded_steps(recipe)) and close(found, wanted, 1e-9)
    assert np.array_equal(found, recorded.gradient_spread(task, recorded.record(task, recipe, tmp_path), labels))


def recorded_steps(recipe: Recipe) -> list[int]:
    """The steps before which the weights of eight segments are noted."""
    edges = np.round(np.linspace(0, recipe.steps, 9)).astype(int)
    return [int(low + high) // 2 for low, high in pairwise(edges)]


def train_rows(run: Run, name: str) -> np.ndarray:
    return run.samples.loc[run.samples["split"] == TRAIN, name].to_numpy()


def of_a_run(run: Run) -> Evidence:
    """What its scores were computed from, as far as it is kept."""
    fit: Fit = whatif.fit_of(run)
    n = fit.problem.n
    labels = run.samples["label"].to_numpy(np.int64)[:n]
    return Evidence(fit, labels, run.array("embedding")[:n].astype(np.float64), store.config_of(run).seed)


def test_a_run_has_its_scores(small_run: Run, along_run: Run) -> None:
    assert list(along_run.scores) == list(SCORES)
    assert list(small_run.scores) == [name for name, each in SCORES.items() if each.needs not in (ALONG, CHECKPOINTS)]
    for run in (small_run, along_run):
        evidence, validation = of_a_run(run), run.samples["split"] != TRAIN
        for name, score in run.scores.items():
            values = train_rows(run, name)
            assert np.isfinite(values).all() and np.ptp(values) > 0
            assert run.samples.loc[validation, name].isna().all()
            if score.available(evidence) and name != "label_suspicion":  # that needs the mirrored images, too
                assert close(values, score.compute(evidence), 1e-6), name
    spread, labels = train_rows(along_run, "vog"), along_run.samples["label"].to_numpy()[:24]
    for label in np.unique(labels):
        assert spread[labels == label].mean() == pytest.approx(0, abs=1e-9)
        assert spread[labels == label].std() == pytest.approx(1)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_can_be_shown(name: str, along_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", along_run.id, "--score", name, "--count", "2"]) == 0
    assert SCORES[name].title.split()[0] in capsys.readouterr().out


def test_scores_are_exported(along_run: Run, tmp_path: Path) -> None:
    assert main(["export", along_run.id, "--to", str(tmp_path / "scores.csv")]) == 0
    header = (tmp_path / "scores.csv").read_text().splitlines()[0].split(",")
    assert set(SCORES) <= set(header)


def test_an_older_run_opens_and_gives_its_kernel_to_a_newer_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = run.samples.drop(columns=[name for name in list(SCORES)[5:] if name in run.samples])
    fewer.to_parquet(run.path / store.SAMPLES, index=False)
    old = store.open_run(run.path)
    assert list(old.scores) == ["functional_information", "weight_information", "leave_one_out_error"]
    assert main(["show", str(run.path)]) == 0
    monkeypatch.setattr(pipeline, "METHOD", pipeline.METHOD + 1)
    new = pipeline.score(conftest.SMALL)
    assert new.path != run.path and new.meta["kernel"]["from_run"] == run.id
    assert set(new.scores) > set(old.scores)
