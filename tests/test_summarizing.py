"""Curves kept with a run, and points retrained for real."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest

from sampleinfo import descent, jobs, retraining, store, summarizing, whatif
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.evaluation import evaluate_outputs
from sampleinfo.reports import kept, summaries
from sampleinfo.reports.pool import Pool
from sampleinfo.store import Run
from sampleinfo.validation import recipe_of, reopen
from sampleinfo.validations import Request


def test_curves_are_kept_and_made_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = summarizing.summarize(run)
    known = kept.curves(run)
    assert known is not None and known.equals(first)
    assert set(first["size"]) == set(summaries.sizes_of(60))
    monkeypatch.setattr(summaries, "curves", None)
    assert summarizing.summarize(run).equals(first)
    assert kept.plan(run)["curves"] < 1


def test_equal_numbers_are_another_table(run: Run) -> None:
    table, pool = summarizing.summarize(run, "equal"), Pool.of(run)
    assert kept.curves(run, "equal") is not None
    rows = summarizing.chosen(pool, "equal", "top", 6)
    assert np.bincount(pool.labels[rows]).tolist() == [3, 3]
    assert len(table) == len(summarizing.summarize(run, "any"))


def test_retrained_points_are_the_network_trained_on_the_summary_alone(along_run: Run) -> None:
    shutil.rmtree(kept.folder(along_run), ignore_errors=True)
    points = [("greedy-pool", 6), ("random", 8)]
    summarizing.summarize(along_run, "any", points)
    table = kept.real(along_run)
    assert table is not None and table["strategy"].tolist() == ["greedy-pool", "random", "everything"]
    pool, recipe = Pool.of(along_run), recipe_of(along_run, Request(), whatif.fit_of(along_run))
    ready = reopen(along_run)
    task = ready.task(pool.problem.residual)
    rows = summarizing.chosen(pool, "any", "greedy-pool", 6)
    weights = descent.train(task, recipe, np.setdiff1d(np.arange(24), rows))
    outputs = task.val_outputs(weights) - ready.outputs[24:] + pool.problem.val_outputs
    assert pool.problem.val_targets is not None
    reached = evaluate_outputs(outputs[pool.measuring], pool.problem.val_targets[pool.measuring]).overall
    assert table["accuracy"][0] == reached.accuracy and table["loss"][0] == pytest.approx(reached.loss, rel=1e-4)
    assert table["recipe"].str.contains("6 steps").all()


def test_finished_retrainings_are_kept(along_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    summarizing.summarize(along_run, "any", [("bottom", 7)])
    before = kept.real(along_run)

    def never(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(retraining, "_run", never)
    summarizing.summarize(along_run, "any", [("bottom", 7)])
    after = kept.real(along_run)
    assert before is not None and after is not None and len(after) == len(before)


def test_a_job_does_the_same(run: Run) -> None:
    job = jobs.start(store.config_of(run), jobs.SUMMARIZE, {"run": run.id, "numbers": "any", "real": []})
    deadline = time.monotonic() + 120
    while jobs.status(job).active and time.monotonic() < deadline:
        time.sleep(0.3)
    assert jobs.status(job).state == "done", jobs.status(job).message
    assert kept.curves(run) is not None


def test_refusals(run: Run) -> None:
    with pytest.raises(InvalidSetting, match="numbers must be one of any, equal"):
        summarizing.summarize(run, "some")
    with pytest.raises(UnknownName, match="strategy"):
        kept.plan(run, "any", [("best", 3)])
    with pytest.raises(InvalidSetting, match="between 1 and 60"):
        jobs.start(store.config_of(run), jobs.SUMMARIZE, {"run": run.id, "real": [["top", 61]]})
