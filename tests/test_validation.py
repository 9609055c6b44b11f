"""Runs along the training, and validations by real retraining."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleinfo import scores, store, validation, validations, whatif
from sampleinfo.config import RunConfig
from sampleinfo.errors import InvalidData, InvalidSetting, SampleInfoError
from sampleinfo.scores import SCORES
from sampleinfo.store import Run
from sampleinfo.types import TRAIN
from sampleinfo.validations import ALONG, INFLUENCE, PREDICTIONS, RUN, WEIGHTS, Request
from tests import conftest


def scored(run: Run, name: str) -> np.ndarray:
    return run.samples.loc[run.samples["split"] == TRAIN, name].to_numpy()


def test_a_run_along_the_training_has_both_scores(along_run: Run, small_run: Run) -> None:
    assert list(along_run.scores) == list(SCORES)
    recorded = (scores.ALONG, scores.CHECKPOINTS)
    assert list(small_run.scores) == [name for name, score in SCORES.items() if score.needs not in recorded]
    closed, along = scored(along_run, "functional_information"), scored(along_run, "functional_information_along")
    assert np.isfinite(along).all() and (along > 0).all()
    assert np.corrcoef(closed, along)[0, 1] > 0.8 and not np.allclose(closed, along)
    facts = along_run.meta["along"]
    assert facts["recipe"]["steps"] == 6 and facts["segments"]["count"] == 2 and facts["loss"][1] < facts["loss"][0]
    assert "the real network once as long, 2 segments" in store.training_words(along_run)


def test_what_if_is_answered_along_the_training(along_run: Run) -> None:
    ids = along_run.samples["sample_id"].tolist()
    one = whatif.without(along_run, ids[3:4])
    assert one.functional == pytest.approx(scored(along_run, "functional_information_along")[3], rel=1e-3)
    assert one.weight == pytest.approx(scored(along_run, "weight_information_along")[3], rel=1e-3)
    assert one.now.overall.accuracy == pytest.approx(along_run.meta["along"]["accuracy"])
    some = whatif.without(along_run, ids[:4])
    kept = whatif.keep(along_run, ids[4:24])
    assert some.kept == kept.kept == 20
    assert some.functional == pytest.approx(kept.functional, rel=1e-6)
    other = next(name for name in ("4", "9") if name != along_run.samples["class_name"].iloc[0])
    assert whatif.relabel(along_run, ids[:1], other).functional > 0
    assert whatif.relabel(along_run, ids[:1], along_run.samples["class_name"].iloc[0]).functional == 0
    with pytest.raises(InvalidSetting, match="keep at least one image"):
        whatif.keep(along_run, [])


def test_what_a_validation_says(validated_run: Run) -> None:
    (found,) = validations.list_validations(validated_run)
    assert found.methods == [RUN, ALONG, INFLUENCE]  # the closed form is trained as long already
    removals, sets = found.removals, found.sets
    assert len(removals) == 5 and len(sets) == 3
    ids = validated_run.samples["sample_id"].to_numpy()
    assert removals["sample_id"].tolist() == ids[removals["row"]].tolist()
    for column, score in (("functional", "functional_information"), ("weight", "weight_information")):
        np.testing.assert_allclose(removals[f"run_{column}"], scored(validated_run, score)[removals["row"]], rtol=1e-6)
        along = scored(validated_run, f"{score}_along")[removals["row"]]
        np.testing.assert_allclose(removals[f"along_{column}"], along, rtol=0.05)
        assert (removals[f"true_{column}"] > 0).all()
    for kind in (WEIGHTS, PREDICTIONS):
        known = found.agreement(ALONG, kind)
        assert known is not None and known.pearson is not None and known.pearson > 0.97
    assert sets["name"].tolist() == ["10% most informative", "10% at random", "10% least informative"]
    assert {"true_accuracy", "along_accuracy_change", "run_loss", "true_loss_change"} <= set(sets.columns)
    assert np.isfinite(sets.drop(columns="name").to_numpy(dtype=float)).all()
    np.testing.assert_allclose(sets["along_loss_change"], sets["true_loss_change"], atol=0.01)
    badge = validations.badge(validated_run, ALONG)
    assert badge.words.startswith("5 retrainings, predictions r = ") and badge.level == "good"


def test_the_same_validation_is_not_made_twice(validated_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation.Work, "run", lambda _: pytest.fail("made again"))
    again = validation.validate(validated_run, conftest.REQUEST)
    assert [again.id] == [each.id for each in validations.list_validations(validated_run)]


def test_stopped_work_goes_on(along_run: Run) -> None:
    request = Request(removals=4, sets=1, influence=False, choose="random", seed=5)

    def stop(stage: str, done: float, total: float) -> None:
        if stage == "retraining" and done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validation.validate(along_run, request, stop)
    (partial,) = validations.folder(along_run).glob("*.partial")
    assert (partial / "working" / "final.safetensors").is_file() and list(partial.rglob("0000*.npy"))
    before = {each.id for each in validations.list_validations(along_run)}
    stages: list[str] = []
    found = validation.validate(along_run, request, lambda stage, *_: stages.append(stage))
    assert found.id not in before and not list(validations.folder(along_run).glob("*.partial"))
    assert found.meta["removals"] == 4 and INFLUENCE not in found.methods and stages.count("training") == 1
    shutil.rmtree(found.path)


def test_other_images_are_refused(along_run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(along_run.path, copy)
    meta = json.loads((copy / "run.json").read_text())
    meta["dataset"]["fingerprint"] = "other"
    (copy / "run.json").write_text(json.dumps(meta))
    with pytest.raises(InvalidData, match="are not those that the run copy was made of; score them again"):
        validation.validate(store.open_run(copy), Request(removals=4, sets=0, influence=False))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"removals": 3}, "at least 4 removals, got 3"), ({"removals": 25}, "24 training images, 25 cannot be left"),
        ({"choose": "best"}, "choose must be one of stratified, random, all; got 'best'"),
        ({"sets": 11}, "sets must be between 0 and 10, got 11"), ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"lr": -1.0}, "lr must be a finite number above 0"), ({"ridge": -1.0}, "ridge must be a finite number, 0 or"),
        ({"batch_size": 25}, "a batch of 25 images does not fit the 24 training images"),
        ({"segments": 7}, "segments must be between 1 and the 6 steps of the run, got 7"),
        ({"lr": 1e9}, "training diverged at step"),
    ],
)  # fmt: skip
def test_impossible_requests(along_run: Run, settings: dict[str, object], words: str) -> None:
    with pytest.raises(SampleInfoError, match=words):
        validation.validate(along_run, Request(**{"removals": 4, "sets": 0, "influence": False, **settings}))  # type: ignore[arg-type]
    for left in validations.folder(along_run).glob("*.partial"):
        shutil.rmtree(left)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "closed-form", "batch_size": 5}, "batch size belongs to the method 'along-training'"),
        ({"method": "along-training", "steps": "auto"}, "trains for a number of steps; got steps 'auto'"),
        ({"method": "along-training", "steps": 5, "continuous": True}, "got gradient flow"),
        ({"method": "magic"}, "method must be one of closed-form, along-training; got 'magic'"),
    ],
)  # fmt: skip
def test_impossible_methods(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        RunConfig("mnist-4v9", **settings)  # type: ignore[arg-type]


def test_a_run_knows_its_method(along_run: Run) -> None:
    assert RunConfig.from_dict(along_run.meta["config"]).method == "along-training"
    assert replace(conftest.ALONG, segments=None).identity() != conftest.ALONG.identity()
    old = {name: value for name, value in along_run.meta["config"].items() if name not in ("method", "segments")}
    assert RunConfig.from_dict({**old, "steps": None, "batch_size": None}).method == "closed-form"


def test_the_command(validated_run: Run, small_home: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sampleinfo",
        "validate",
        str(validated_run.path),
        "--removals",
        "5",
        "--sets",
        "3",
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    assert "left out   5 images one by one, 3 sets" in found.stdout and "Along the training" in found.stdout
    show = subprocess.run(
        [sys.executable, "-m", "sampleinfo", "show", str(validated_run.path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "validated  along the training: 5 retrainings, predictions r =" in show.stdout
    assert "F-SI (along training), nats" in show.stdout and "really     trained once" in show.stdout
    wrong = subprocess.run([*command[:-4], "--removals", "2"], capture_output=True, text=True, timeout=300)
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1 and "at least 4 removals" in wrong.stderr
