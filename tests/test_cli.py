"""The command line as a user meets it: real processes, exit codes, one sentence per error."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision

from sampleinfo import cli, jobs, pipeline, planning, store
from sampleinfo.config import RunConfig
from sampleinfo.errors import Cancelled, InvalidRun, InvalidSetting, StorageError
from sampleinfo.partial import Partial
from sampleinfo.store import Run
from tests.conftest import SMALL


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    try:
        code = cli.main(args)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


BAD = [
    (
        ["score", "digts"],
        "Unknown data set 'digts'. Did you mean 'digits'? Known: digits, mnist-4v9, mnist, uci-digits. "
        "Or give the path of your own, or torchvision:NAME.",
    ),
    (["score", "digits", "--model", "renset20"], "Unknown model 'renset20'. Did you mean 'resnet20'? Known: resnet20"),
    (["score", "digits", "--classes", "3,x"], "Unknown class of digits 'x'."),
    (["score", "digits", "--classes", "3"], "classes must be at least two different ones, got 3."),
    (["score", "digits", "--classes", "3,3"], "classes must be at least two different ones, got 3, 3."),
    (["score", "mnist-4v9", "--train", "900", "--validation", "200"], "mnist-4v9 has 1000 images; 900 for training"),
    (["score", "digits", "--train", "0"], "train must be at least 4 images, got 0."),
    (["score", "digits", "--train", "-5"], "train must be at least 4 images, got -5."),
    (["score", "digits", "--validation", "0"], "validation must be at least 1 images, got 0."),
    (["score", "digits", "--train", "12"], "fewer than two samples; ask for at least 20."),
    (["score", "digits", "--train", "6000", "--validation", "100", "--kernel", "exact"], "GiB of memory"),
    (["score", "/no/such/folder"], "no such file or folder: /no/such/folder."),
    (["score", "torchvision:CIFAR9"], "Unknown torchvision data set 'CIFAR9'. Did you mean 'CIFAR10'?"),
    (["score", "torchvision:CIFAR10"], "torchvision:CIFAR10 is not on this machine yet."),
    (
        ["score", "digits", "--layout", "flat"],
        "layout must be one of auto, class, split/class, source/class; got 'flat'.",
    ),
    (["score", "digits", "--columns", "path"], "columns must be pairs such as path=FILE_COLUMN; got 'path'."),
    (["score", "digits", "--per-class", "1"], "per class must be at least 2 images, got 1."),
    (["score", "digits", "--validation-split", "test"], "digits has no split 'test': it brings no splits along."),
    (["score", "digits", "--weights", "best"], "weights of resnet20 must be one of bundled, or a file"),
    (["score", "digits", "--weights", "/no/such.pth"], "cannot read the weights /no/such.pth"),
    (["score", "digits", "--model", "resnet56"], "resnet56 comes without weights; give a file with --weights"),
    (["score", "digits", "--norm", "layer"], "norm must be one of batch, group; got 'layer'."),
    (["score", "digits", "--norm", "group"], "were trained with BatchNorm and do not fit norm 'group'"),
    (["score", "digits", "--activation", "gelu"], "activation must be one of relu, leaky; got 'gelu'."),
    (["score", "digits", "--head", "none"], "head must be one of random, trained; got 'none'."),
    (["score", "digits", "--image-size", "8"], "image size must be between 16 and 1024 pixels, got 8."),
    (["check", "/no/such/folder"], "no such file or folder: /no/such/folder."),
    (["check", "digits", "--to", "a.xls"], "the ending must be one of .csv, .parquet, .json."),
    (
        ["score", "digits", "--train", "many"],
        "a number such as 300 or a share such as 20%, got 'many'",
    ),
    (["score", "digits", "--train", "120%"], "train as a share must lie between 0 and 100 %, got 120 %."),
    (
        ["score", "digits", "--train", "90%", "--validation", "20%"],
        "digits has 6797 images; 6117 for training and",
    ),
    (["score", "digits", "--ridge", "-1"], "ridge must be a finite number, 0 or above, or 'auto'; got -1.0."),
    (["score", "digits", "--steps", "0"], "steps must be at least 1, 'auto', or left out for convergence; got 0."),
    (["score", "digits", "--steps", "few"], "steps must be 'auto' or a whole number, got 'few'."),
    (["score", "digits", "--lr", "0.1"], "a learning rate and gradient flow need a number of steps"),
    (["score", "digits", "--steps", "9", "--lr", "0"], "lr must be a finite number above 0, or 'auto'; got 0.0."),
    (["score", "digits", "--scope", "tail"], "scope must be one of all, last-stage, head; got 'tail'."),
    (["score", "digits", "--device", "abacus"], "device must be one of auto, cpu, cuda, mps; got 'abacus'."),
    (["score", "digits", "--memory", "1.7", "--kernel", "exact"], "What fits, best first: --train"),
    (["score", "digits", "--memory", "1.2"], "the limit is 1.2 GiB (given). Nothing fits: raise the limit"),
    (["score", "digits", "--ridge", "nan"], "ridge must be a finite number, 0 or above"),
    (["score", "digits", "--ridge", "big"], "ridge must be 'auto' or a number, 0 or above; got 'big'."),
    (["score", "digits", "--kernel", "fast"], "kernel must be one of auto, exact, subset, shared, primal; got 'fast'."),
    (["score", "digits", "--seed", "-1"], "seed must be between 0 and 4294967295, got -1."),
    (["score", "digits", "--out", "/proc/x/run"], "cannot write to /proc/x"),
    (["show", "nothing"], "no run called 'nothing', and no such folder."),
    (["show", ""], "no run called ''"),
    (["export", "nothing", "--to", "a.csv"], "no run called 'nothing'"),
    (["app", "--port", "99999"], "port must be between 1 and 65535, got 99999."),
    (["job", "/nowhere"], "/nowhere is not the folder of a job."),
    (["frobnicate"], "invalid choice: 'frobnicate'"),
    ([], "the following arguments are required: COMMAND"),
]


@pytest.mark.parametrize(("args", "sentence"), BAD, ids=[" ".join(args) or "nothing" for args, _ in BAD])
def test_bad_input_gets_one_sentence(
    args: list[str], sentence: str, empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *args)
    assert code != 0 and out == ""
    assert sentence in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_lists(small_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert "mnist-4v9" in call(capsys, "datasets")[1]
    assert "269,722" in call(capsys, "models")[1]
    assert small_run.id in call(capsys, "runs")[1]


def test_show(small_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "show", small_run.id, "--count", "3")
    train = small_run.samples[small_run.samples["split"] == "train"].sort_values("functional_information")
    assert code == 0 and out.index(train["sample_id"].iloc[-1]) < out.index(train["sample_id"].iloc[0])
    assert call(capsys, "show", str(small_run.path), "--score", "weight_information")[0] == 0
    assert "Unknown score 'f'" in call(capsys, "show", small_run.id, "--score", "f")[2]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_export_is_read_back(small_run: Run, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"scores{suffix}"
    assert call(capsys, "export", small_run.id, "--to", str(path))[0] == 0
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    table = readers[suffix](path)
    assert list(table["sample_id"]) == list(small_run.samples["sample_id"])
    for name in ("functional_information", "weight_information"):
        assert np.allclose(table[name].astype(float), small_run.samples[name], rtol=1e-9, atol=1e-15, equal_nan=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_export_errors(small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "must be one of .csv, .parquet, .json" in call(capsys, "export", small_run.id, "--to", "a.xls")[2]
    assert "cannot write" in call(capsys, "export", small_run.id, "--to", str(tmp_path / "no" / "a.csv"))[2]


def damaged(run: Run, tmp_path: Path) -> dict[str, Path]:
    """Folders that look like runs and are not."""
    made = {name: tmp_path / name for name in ("empty", "text", "version", "lacking", "cut", "table")}
    for name, path in made.items():
        if name != "empty":
            shutil.copytree(run.path, path)
    made["empty"].mkdir()
    (made["text"] / "run.json").write_text("{")
    (made["version"] / "run.json").write_text('{"format": 99}')
    (made["lacking"] / "run.json").write_text(f'{{"format": {store.FORMAT}}}')
    (made["cut"] / "samples.parquet").unlink()
    (made["table"] / "samples.parquet").write_bytes(b"no table")
    return made


def test_broken_and_foreign_runs(small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {"empty": "it has no run.json", "text": "cannot be read", "version": "format 99", "lacking": "lacks",
               "cut": "no samples.parquet", "table": "no readable samples.parquet"}  # fmt: skip
    for name, path in damaged(small_run, tmp_path).items():
        for command in (["show", str(path)], ["export", str(path), "--to", str(tmp_path / "x.csv")]):
            code, _, err = call(capsys, *command)
            assert code == 1 and reasons[name] in err and len(err.strip().splitlines()) == 1
    found = store.broken_runs(tmp_path)
    assert set(found) == {"empty", "text", "version", "lacking", "cut"}
    assert store.list_runs(tmp_path)[0].path.name == "table"


def test_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = call(capsys, "app", "--port", str(port))
    assert code == 1 and f"port {port} cannot be used (address already in use)" in err


def test_a_run_is_whole(small_run: Run) -> None:
    samples = small_run.samples
    assert len(samples) == 100 and samples["sample_id"].is_unique
    assert list(samples["split"]) == ["train"] * 60 + ["validation"] * 40
    scores = samples[["functional_information", "weight_information", "leave_one_out_error"]]
    assert np.isfinite(scores[:60]).all(axis=None) and scores[60:].isna().all(axis=None)
    assert np.isfinite(samples[["umap_x", "umap_y", "pca_x", "pca_y", "prediction_error"]]).all(axis=None)
    assert small_run.array("val_change").shape == (40, 60)
    assert small_run.array("neighbours").shape == (100, 12)
    information = np.sum(np.asarray(small_run.array("val_change"), float) ** 2, axis=0) / (2 * 40)
    assert np.allclose(information, samples["functional_information"][:60], rtol=1e-5)
    webp, height, width = small_run.picture(99)
    assert webp[8:12] == b"WEBP" and (height, width) == (28, 28)
    assert json.loads((small_run.path / "run.json").read_text())["accuracy"]["validation"] > 0.8
    assert not list(small_run.path.parent.glob("*.partial"))


def test_the_same_settings_are_not_computed_again(small_run: Run) -> None:
    before = (small_run.path / "run.json").stat().st_mtime_ns
    assert pipeline.score(SMALL).path == small_run.path
    assert (small_run.path / "run.json").stat().st_mtime_ns == before


def test_another_ridge_reuses_the_kernel_and_foreign_folders_are_left_alone(small_run: Run, tmp_path: Path) -> None:
    run = pipeline.score(RunConfig("mnist-4v9", train=60, validation=40, ridge=500.0), tmp_path / "other")
    assert run.meta["kernel"]["from_run"] == small_run.id
    assert run.meta["ridge"] == {"value": 500.0, "how": "given"}
    assert np.array_equal(run.array("gram"), small_run.array("gram"))
    with pytest.raises(StorageError, match="holds another run"):
        pipeline.score(SMALL, tmp_path / "other")
    (tmp_path / "mine").mkdir()
    with pytest.raises(StorageError, match="exists already and is not a run"):
        pipeline.score(SMALL, tmp_path / "mine")


def test_check_lists_what_is_wrong(
    own_images: Path, empty_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "check", str(own_images), "--to", str(tmp_path / "found.csv"))
    assert code == 0 and "62 readable images, 2 classes" in out
    assert "4 left out" in out and "2 equal to the last pixel, with different labels" in out
    found = pd.read_csv(tmp_path / "found.csv").set_index("image")
    assert found["reason"]["one/empty.png"] == "empty file (0 bytes)"
    assert "cut off" in found["reason"]["one/cut.png"] and "PNG file" in found["reason"]["seven <b>/00.jpg"]
    assert found["kind"]["seven <b>/other.png"] == found["kind"]["one/02.png"] == "conflicting labels"
    assert found["kind"]["one/twin.png"] == "duplicate" and len(found) == 8
    assert "nothing wrong was found" in call(capsys, "check", "mnist-4v9")[1]


def test_own_images_own_weights_and_a_trained_head(
    own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    module = torchvision.models.resnet18(num_classes=7)
    weights = tmp_path / "mine.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in module.state_dict().items()}}, weights)
    code, _, err = call(
        capsys, "score", str(own_images / "table.csv"), "--model", "resnet18", "--weights", str(weights),
        "--image-size", "32", "--head", "trained", "--train", "16", "--validation", "8", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert code == 0, err
    run = store.open_run(tmp_path / "run")
    assert run.meta["model"]["title"] == "ResNet-18, weights mine.pth, trained head"
    assert run.meta["model"]["sha256"] and run.meta["model"]["head"]["initialisation"].startswith("trained")
    assert run.metadata == {"meta.pen": "pen", "meta.hour": "hour"}
    assert set(run.samples["meta.pen"]) <= {"blue", "black"} and run.samples["meta.hour"].between(0, 15).all()
    assert sorted(run.samples["class_name"].unique()) == ["one", "seven <b>"]
    assert run.problems.empty and not (run.path / "inputs.npy").exists()
    scores = run.samples[["functional_information", "weight_information"]][:16]
    assert np.isfinite(scores).all(axis=None)


def test_what_comes_later_is_listed_and_a_damaged_run_is_passed_over(
    own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    folder = tmp_path / "pictures"
    shutil.copytree(own_images / "one", folder / "one", ignore=shutil.ignore_patterns("cut*", "empty*", "twin*"))
    shutil.copytree(own_images / "seven <b>", folder / "seven", ignore=shutil.ignore_patterns("*.jpg", "other*"))
    config = RunConfig(str(folder), train=12, validation=6)
    run = pipeline.score(config)
    assert run.problems.empty
    (folder / "one" / "later.png").write_bytes(b"x")
    again = pipeline.score(config)
    assert again.path == run.path and list(again.problems["image"]) == ["one/later.png"]
    assert again.meta["dataset"]["problems"] == {"left out": 1}
    (run.path / "gram.npy").write_bytes(b"")
    other = pipeline.score(replace(config, ridge=1.0))
    assert "from_run" not in other.meta["kernel"]


def test_sources_splits_and_caps(own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    table = own_images / "split.csv"
    rows = [f"one/{i:02d}.png,one,{'train' if i < 20 else 'test'}" for i in range(30)]
    rows += [f"seven <b>/{i:02d}.png,7,{'train' if i < 20 else 'test'}" for i in range(30)]
    table.write_text("\n".join(["path,label,split", *rows]))
    config = RunConfig(f"{table}+mnist", classes=("7", "one"), per_class=40, train=24, validation=12)
    run = pipeline.score(config, tmp_path / "run")
    assert set(run.samples["source"]) == {"split", "mnist"}
    for split, part in run.samples[run.samples["source"] == "split"].groupby("split"):
        number = part["sample_id"].str.extract(r"(\d\d)\.png")[0].astype(int)
        assert (number < 20).all() if split == "train" else (number >= 20).all()
    table.unlink()


def test_subset_kernel_carries_its_error(small_run: Run, tmp_path: Path) -> None:
    config = RunConfig("mnist-4v9", train=60, validation=40, kernel="subset", outputs="initial")
    run = pipeline.score(config, tmp_path / "subset")
    facts = run.meta["kernel"]
    assert facts["kind"] == "subset" and 0 < facts["fidelity"] < 0.2
    assert facts["coordinates"] < small_run.meta["kernel"]["coordinates"]
    exact, got = (np.asarray(each.array("gram")) for each in (small_run, run))
    assert np.linalg.norm(got - exact) / np.linalg.norm(exact) == pytest.approx(facts["fidelity"], rel=0.5)


def test_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    for name in ("LEAST_WORK", "MOST_WORK"):
        monkeypatch.setattr(planning, name, 2**23)
    config, out = RunConfig("mnist-4v9", train=20, validation=10), tmp_path / "run"

    def stop(stage: str, done: float, total: float) -> None:
        if stage == "kernel" and done > 0.6:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        pipeline.score(config, out, stop)
    assert not out.exists() and json.loads((Partial.folder(out) / "state.json").read_text())["groups"] >= 1
    seen: list[float] = []
    run = pipeline.score(config, out, lambda stage, done, total: seen.append(done) if stage == "kernel" else None)
    assert min(seen) > 0.2 and run.path == out
    again = pipeline.score(config, tmp_path / "second")
    for name in ("functional_information", "weight_information"):
        assert np.allclose(again.samples[name][:20], run.samples[name][:20], rtol=1e-6)


def test_ctrl_c_leaves_a_resumable_state(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sampleinfo", "score", "mnist-4v9", "--train", "200", "--validation", "100",
               "--out", str(tmp_path / "run")]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "SAMPLEINFO_HOME": str(tmp_path)}
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "kernel" in line and "%" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "finished blocks are kept" in err and "Traceback" not in err
    assert Partial.folder(tmp_path / "run").is_dir() and not (tmp_path / "run").exists()


def wait_for(job: str, *states: str) -> jobs.JobStatus:
    deadline = time.monotonic() + 120
    while (status := jobs.status(job)).state not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    return status


def test_job_of_a_finished_run_cancel_and_loss(small_run: Run) -> None:
    done = wait_for(jobs.start(SMALL), "done", "failed")
    assert done.run_id == small_run.id and done.fraction == 1.0
    jobs.dismiss(done.id)
    config = RunConfig("mnist-4v9", train=300, validation=200)
    job = jobs.start(config)
    assert jobs.start(config) == job
    with pytest.raises(InvalidSetting, match="cancel it first"):
        jobs.dismiss(job)
    wait_for(job, "running")
    jobs.cancel(job)
    assert "kept" in wait_for(job, "cancelled").message
    lost = jobs.start(config)
    wait_for(lost, "running")
    process = json.loads((jobs._folder(lost) / "process.json").read_text())["pid"]
    os.kill(process, signal.SIGKILL)
    assert "start it again" in wait_for(lost, "lost").message
    with pytest.raises(InvalidSetting, match="no job called"):
        jobs.status("../../etc")


def test_run_references_stay_inside(small_run: Run) -> None:
    for reference in ("..", ".", "../runs"):
        with pytest.raises(InvalidRun):
            store.open_run(reference)
