"""The paper's figures at the smallest sizes: every page has its columns, every number is finite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import reproduce
from benchmarks.reproduction import data, measures, mislabeled, report, samples, setups, strategies, table1
from benchmarks.reproduction.options import Journal, Options, Sizes
from sampleinfo import descent
from sampleinfo.recipe import Recipe
from sampleinfo.reports.strategies import STRATEGIES

TINY = Options(quick=True, train=16, validation=8, steps=5, removals=4, segments=2, settings=("mnist-4v9",))


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(each)
    elif isinstance(value, float | int):
        yield float(value)


def header(text: str, first: str) -> list[str]:
    """Column names of the table that begins with the column ``first``."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [each.strip() for each in line.strip("|").split("|")]


def checked(folder: Path, figure: str, pictures: int) -> tuple[str, dict[str, Any]]:
    """Page and numbers of a figure that was made with --quick."""
    numbers = json.loads((folder / f"{figure}-quick.json").read_text())
    assert np.isfinite(list(numbers_in(numbers))).all()
    drawn = list(folder.glob(f"{figure}-quick-*.png"))
    text = (folder / f"{figure}-quick.md").read_text()
    assert len(drawn) == pictures
    assert all(f"]({each.name})" in text for each in drawn)
    assert "nan" not in text
    assert str(folder) not in text
    return text, numbers


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """The folder of Table 1 with one setting."""
    folder = tmp_path_factory.mktemp("table1")
    table1.run(replace(TINY, settings=("mnist-mlp",), to=folder))
    return folder


def test_table1(measured: Path) -> None:
    text, numbers = checked(measured, "table1", pictures=1)
    assert header(text, "setting")[2:5] == ["estimate", "the paper's Pearson", "our Pearson"]
    found = numbers["settings"]["mnist-mlp"]
    assert set(found["correlations"]) == set(table1.ESTIMATES)
    assert {len(values) for method in found["nats"].values() for values in method.values()} == {4}
    assert found["correlations"][table1.ALONG]["predictions"]["pearson"] > 0.99
    assert text.count("0.993 (MNIST 4v9 MLP, ridge 0)") == 1


def test_settings_are_kept_one_by_one(measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads((measured / "table1-quick.json").read_text())["settings"]["mnist-mlp"]
    monkeypatch.setattr(table1, "measure", lambda name, *_: {**found, "task": name})
    for name in ("mnist-cnn", "mnist-mlp"):
        table1.run(replace(TINY, settings=(name,), to=tmp_path))
    kept = json.loads((tmp_path / "table1-quick.json").read_text())["settings"]
    assert list(kept) == ["mnist-mlp", "mnist-cnn"]
    assert [each["task"] for each in kept.values()] == ["mnist-mlp", "mnist-cnn"]


def test_samples(tmp_path: Path, one_thread: None) -> None:
    samples.run(replace(TINY, steps=None, to=tmp_path))
    text, numbers = checked(tmp_path, "samples", pictures=2)
    assert header(text, "data")[-1] == "the paper"
    assert len(numbers["mnist-4v9"]["nats"]) == 16


def test_strategies(tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(strategies.TASKS, "mnist-4v9", ((Sizes(40, 16), 16), (Sizes(40, 16), 16)))
    strategies.run(replace(TINY, train=None, validation=None, steps=None, to=tmp_path))
    text, numbers = checked(tmp_path, "strategies", pictures=1)
    assert header(text, "strategy")[1:] == ["keep 5%", "keep 10%", "keep 25%", "keep 50%", "keep 75%"]
    found = numbers["mnist-4v9"]
    assert found["kept"] == [2, 4, 10, 20, 30] and len(found["draws"]) == 2
    for draw in found["draws"]:
        assert draw["test"] == 16 and set(draw["accuracy"]) == {*STRATEGIES, "recommended"}
        for place, advised in enumerate(draw["advice"]):
            assert draw["accuracy"]["recommended"][0][place] == draw["accuracy"][advised][0][place]


def test_mislabeled(tmp_path: Path, one_thread: None) -> None:
    mislabeled.run(replace(TINY, steps=None, to=tmp_path))
    text, numbers = checked(tmp_path, "mislabeled", pictures=1)
    assert header(text, "data")[3:6] == ["score", "AUROC", "average precision"]
    found = numbers["mnist-4v9"]
    assert sum(found["mislabeled"]) == 2
    assert set(found["scores"]) == set(mislabeled.SCORES)


def test_noise_changes_the_labels_it_names() -> None:
    labels = np.arange(50) % 5
    changed, wrong = mislabeled.noisy(labels, 5, 10, seed=0)
    assert wrong.sum() == 10
    np.testing.assert_array_equal(changed != labels, wrong)
    assert changed.max() < 5


def test_centred_training_begins_at_the_centre(one_thread: None) -> None:
    module = setups.from_scratch("mlp", 0)
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    setup = setups.Setup.centred(module, images, np.array([0, 1, 0, 1, 0, 1]), 2, 4)
    np.testing.assert_allclose(setup.residual[:, 0], [-0.5, 0.5, -0.5, 0.5])
    task = setup.task()
    noted = descent.Noted()
    descent.train(task, Recipe(1, 1e-3), noted=noted)
    np.testing.assert_allclose(noted.residuals[0], -setup.residual, atol=1e-6)
    before = setup.predictions(task.val_outputs(task.initial()), slice(4, None))
    np.testing.assert_allclose(before, 0.5, atol=1e-6)


def test_intervals_hold_what_they_are_of() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=40)
    second = first + 0.3 * rng.normal(size=40)
    low, high = measures.pearson_interval(first, second, 0)
    assert low < measures.pearson(first, second) < high <= 1
    low, high = measures.mean_interval(first, 0)
    assert low < first.mean() < high
    low, high = measures.ratio_interval(first + 9, second + 3, 0)
    assert low < (first + 9).mean() / (second + 3).mean() < high


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["subclass"], "cifar10-pets needs images that do not come with the package: pass --data DIR"),
        (["table1", "--setting", "dogs-resnet20"], "DIR holds the folder dogs-vs-cats"),
        (["sources", "--setting", "mnist"], "sources has no settings to choose from"),
        (["samples", "--setting", "mnist-4v8"], "Did you mean 'mnist-4v9'?"),
    ],
)
def test_refusals_say_what_to_pass(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce.main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert words in lines[-1]


def test_what_has_no_data_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert data.chosen({"a": "mnist-4v9", "b": "dogs-vs-cats"}, Options(), Journal("figure")) == ["a"]
    assert capsys.readouterr().err == "figure: left out for want of data (see --data): b\n"


def test_the_command_names_no_folder() -> None:
    options = Options(quick=True, train=20, seed=3, data=Path("/some/where"))
    assert report.command("samples", options) == (
        "python -m benchmarks.reproduce samples --quick --train 20 --seed 3 --data DIR"
    )
