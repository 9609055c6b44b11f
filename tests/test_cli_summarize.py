"""The command that compares strategies, chooses a set of images and takes it away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torchvision.datasets import ImageFolder

from sampleinfo import exports, summarizing
from sampleinfo.amounts import quotas_of
from sampleinfo.decisions import collection_of, open_decisions
from sampleinfo.evaluation import evaluate
from sampleinfo.reports import kept, strategies, summaries
from sampleinfo.reports.pool import Pool
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.store import Run
from tests.test_cli import call

SHARES = (0.05, 0.1, 0.25, 0.5, 0.75)


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A folder to write to."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def taken(run: Run, path: Path) -> list[int]:
    """The rows of a set that was written as a table."""
    rows = {name: row for row, name in enumerate(run.samples["sample_id"])}
    return [rows[name] for name in pd.read_csv(path)["sample_id"]]


def test_the_table_and_the_advice(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, err = call(capsys, "summarize", run.id)
    assert code == 0 and "comparing strategies, about" in err and "Comparing the strategies" in err
    table = kept.curves(run)
    assert table is not None
    for size in summaries.sizes_of(60, SHARES):
        best = summaries.advise(table, size)
        line = next(
            line for line in printed.splitlines() if line.startswith(f"To keep {size / 60:.0%} ({size} images)")
        )
        assert f": {best.strategy}, predicted {best.reached.accuracy:.1%}; random {100 * best.random:.1f} ± " in line
        assert ("no clear difference" in line) != best.clear
    for name in STRATEGIES:
        row = next(line for line in printed.splitlines() if line.startswith(f"{name} "))
        at = table[(table["strategy"] == name) & (table["size"] == 15)]
        assert f"{100 * at['accuracy'].mean():.1f}" in row and f"{at['loss'].mean():.3f}".removeprefix("0") in row
        assert row.count("±") == (10 if name == "random" else 0)
    again = call(capsys, "summarize", run.id)
    assert again == (0, printed, ""), "the curves are kept"
    equal = call(capsys, "summarize", run.id, "--numbers", "equal")
    assert equal[0] == 0 and kept.curves(run, "equal") is not None and equal[1] != printed


@pytest.mark.parametrize(("keep", "size"), [("0.3", 18), ("30%", 18), ("18", 18), ("1", 1), ("100%", 60), ("0.001", 1)])
def test_a_strategy_is_taken_away(
    run: Run, out: Path, capsys: pytest.CaptureFixture[str], keep: str, size: int
) -> None:
    path = out / "set.csv"
    code, printed, err = call(
        capsys, "summarize", run.id, "--strategy", "greedy-pool", "--keep", keep, "--out", str(path)
    )
    assert (code, err) == (0, "") and f"written    {size} images to {path} (Table, CSV)" in printed
    pool = Pool.of(run)
    rows = summarizing.chosen(pool, "any", "greedy-pool", size)
    assert taken(run, path) == rows.tolist()
    found = summaries.summaries(pool, "greedy-pool", [size])[0].reached
    assert f"predicted  accuracy {found.accuracy:.1%}, loss {found.loss:.4f} with these {size} of the 60" in printed


def test_numbers_and_seeds(run: Run, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = Pool.of(run)
    per_class = strategies.choose(pool, "random", 7, 0, {0: 2, 1: 5})
    known = {
        "equal": (["--keep", "8", "--numbers", "equal"], summarizing.chosen(pool, "equal", "random", 8)),
        "seed": (["--keep", "8", "--seed", "3"], summarizing.chosen(pool, "any", "random", 8, 3)),
        "class": (["--per-class", "4=2,9=5"], per_class),
        "classes": (
            ["--per-class", "9=5", "--per-class", "4=2"],
            strategies.choose(pool, "random", 7, 0, {0: 2, 1: 5}),
        ),
    }
    for name, (words, rows) in known.items():
        path = out / f"{name}.csv"
        code, _, err = call(capsys, "summarize", run.id, "--strategy", "random", *words, "--out", str(path))
        assert (code, err) == (0, "") and taken(run, path) == rows.tolist()


def test_class_names_with_marks_in_them() -> None:
    names = ["a,b", "c=d", "e"]
    assert quotas_of(["a,b=2", "c=d=3,e=1"], names) == {0: 2, 1: 3, 2: 1}


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_every_format_has_its_option(run: Run, out: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = out / f"set{exports.FORMATS[kind].ending}"
    words = ["--strategy", "top", "--keep", "6", "--out", str(path), "--format", kind]
    code, printed, err = call(capsys, "summarize", run.id, *words)
    if exports.FORMATS[kind].needs == exports.FILES:
        assert code == 1 and "6 of the 6 images have no file of their own" in err and not path.exists()
    else:
        assert (code, err) == (0, "") and f"({exports.FORMATS[kind].title})" in printed and path.exists()


def test_a_folder_without_an_ending(run: Run, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--strategy", "top", "--keep", "6", "--out", str(out / "set")]
    assert call(capsys, "summarize", run.id, *words)[0] == 0
    assert len(ImageFolder(str(out / "set"))) == 6
    code, _, err = call(capsys, "summarize", run.id, *words)
    assert code == 1 and err == f"sampleinfo: {out / 'set'} exists already; choose another name, or remove it first.\n"


def test_named_sets(run: Run, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--strategy", "easy", "--keep", "5", "--save-as", "Five easy ones"]
    code, printed, err = call(capsys, "summarize", run.id, *words)
    assert (code, err) == (0, "") and "saved      as the set 'Five easy ones'" in printed
    rows = summarizing.chosen(Pool.of(run), "any", "easy", 5)
    book = open_decisions().book(collection_of(run))
    assert book.members("Five easy ones") == list(run.samples["sample_id"].iloc[rows])
    code, _, err = call(capsys, "summarize", run.id, *words)
    assert code == 1 and "there is a set called 'Five easy ones' already; choose another name" in err
    book.add("Five easy ones", ["elsewhere-1", run.samples["sample_id"].iloc[70]])
    words = ["--set", "Five easy ones", "--out", str(out / "set.csv")]
    code, printed, err = call(capsys, "summarize", run.id, *words)
    assert code == 0 and taken(run, out / "set.csv") == [*rows.tolist(), 70]
    assert "1 of the 7 images of the set 'Five easy ones' are not in the run" in err
    assert "with these 5 of the 60 training images alone" in printed
    book.create_set("Others", ["elsewhere-1"])
    assert "none of its 1 images is in the run" in call(capsys, "summarize", run.id, "--set", "Others")[2]
    assert "Five easy ones" in call(capsys, "summarize", run.id, "--set", "Fife")[2]


def test_retraining(along_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--strategy", "bottom,random", "--retrain", "0.25,7"]
    code, printed, err = call(capsys, "summarize", along_run.id, *words)
    assert code == 0 and "real training on 4 summaries, about" in err
    real = kept.real(along_run)
    assert real is not None and "really     trained 6 steps at lr" in printed
    pool = Pool.of(along_run)
    for name in ("bottom", "random"):
        for size in (6, 7):
            row = real[(real["strategy"] == name) & (real["size"] == size)].iloc[0]
            reached = evaluate(pool.trained_on(summarizing.chosen(pool, "any", name, size))).overall
            numbers = [f"{reached.accuracy:.1%}", f"{row['accuracy']:.1%}", f"{reached.loss:.4f}", f"{row['loss']:.4f}"]
            lines = [line.split() for line in printed.splitlines() if line.startswith(f"{STRATEGIES[name].title} ")]
            assert [*[f"{size / 24:.0%}", f"({size})"], *numbers] in [line[-6:] for line in lines]
    assert "Everything" in printed


def test_without_strategies_the_advised_one_and_random_are_retrained(
    along_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = call(capsys, "summarize", along_run.id, "--retrain", "25%")
    table = kept.curves(along_run)
    assert code == 0 and table is not None
    for name in (summaries.advise(table, 6).strategy, "random"):
        assert any(line.startswith(STRATEGIES[name].title) for line in printed.splitlines())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stopped_retraining_says_how_to_go_on(
    along_run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summarizing.summarize(along_run)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(summarizing, "_retrain", stop)
    code, printed, err = call(capsys, "summarize", along_run.id, "--retrain", "5")
    assert code == 130 and printed == "" and "stopped; finished retrainings are kept" in err


BAD = [
    (["--strategy", "gready-pool", "--keep", "3"], "Unknown strategy 'gready-pool'. Did you mean 'greedy-pool'?"),
    (["--strategy", "top"], "--strategy needs --keep or --per-class, one of them"),
    (["--strategy", "top", "--keep", "3", "--per-class", "4=2"], "--strategy needs --keep or --per-class, one of them"),
    (["--strategy", "top,easy", "--keep", "3"], "Unknown strategy 'top,easy'."),
    (["--strategy", "top", "--keep", "61"], "a summary holds between 1 and 60 of the training images, got 61."),
    (["--strategy", "top", "--keep", "0"], "a summary holds between 1 and 60 of the training images, got 0."),
    (
        ["--strategy", "top", "--keep", "1.5"],
        "or 30%, or a number such as 300; got '1.5'.",
    ),
    (
        ["--strategy", "top", "--keep", "120%"],
        "or 30%, or a number such as 300; got '120%'.",
    ),
    (["--strategy", "top", "--keep", "nan"], "keep must be a share such as 0.3"),
    (["--strategy", "top", "--keep=-3"], "keep must be a share such as 0.3"),
    (["--strategy", "top", "--keep", "some"], "keep must be a share such as 0.3"),
    (["--strategy", "top", "--keep", "3", "--numbers", "few"], "numbers must be one of any, equal; got 'few'."),
    (["--strategy", "top", "--keep", "3", "--seed", "-1"], "seed must be between 0 and 4294967295, got -1."),
    (["--strategy", "top", "--per-class", "4=2,5=1"], "Unknown class '5'. Known: 4, 9."),
    (["--strategy", "top", "--per-class", "4=2,4=1"], "per class names '4' twice."),
    (["--strategy", "top", "--per-class", "4"], "per class must be pairs such as 4=20, by commas; got '4'."),
    (["--strategy", "top", "--per-class", "4=31"], "class '4' has 30 training images, 31 cannot be kept."),
    (["--strategy", "top", "--per-class", "4=0"], "a summary holds between 1 and 60 of the training images, got 0."),
    (
        ["--strategy", "top", "--per-class", "4=2", "--numbers", "equal"],
        "--numbers and --per-class contradict",
    ),
    (["--strategy", "top", "--keep", "3", "--out", "a.xls"], "the ending must be one of .csv, .parquet, .json, .txt"),
    (["--strategy", "top", "--keep", "3", "--out", "a.csv", "--format", "exel"], "Unknown format 'exel'."),
    (["--strategy", "top", "--keep", "3", "--out", "a.csv", "--format", "json"], "its ending must be .json."),
    (["--strategy", "top", "--keep", "3", "--format", "json"], "--format needs --out."),
    (
        ["--strategy", "top", "--keep", "3", "--out", "/no/such/a.csv"],
        "there is no folder /no/such.",
    ),
    (["--strategy", "top", "--keep", "3", "--save-as", " "], "the name of the set cannot be used: got ' '."),
    (["--out", "a.csv"], "--out needs --strategy or --set."),
    (["--keep", "3"], "--keep needs --strategy or --set."),
    (["--save-as", "a"], "--save-as needs --strategy or --set."),
    (["--set", "a"], "set 'a'"),
    (["--set", "a", "--keep", "3"], "--set takes no --keep: the set is as it was made."),
    (["--set", "a", "--strategy", "top"], "not allowed with argument"),
    (["--retrain", "0.1", "--keep", "3"], "--retrain takes no --keep: its numbers say how many are kept."),
    (["--retrain", "0.1", "--out", "a.csv"], "--retrain takes no --out"),
    (["--retrain", "0.1,,2"], "retrain must be a share such as 0.3 or 30%, or a number such as 300; got ''."),
    (["--retrain", "0.1", "--strategy", "top,best"], "Unknown strategy 'best'."),
]


@pytest.mark.parametrize(("args", "sentence"), BAD, ids=[" ".join(args) for args, _ in BAD])
def test_bad_input_gets_one_sentence(
    run: Run, args: list[str], sentence: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, out: Path,
) -> None:  # fmt: skip
    summarizing.summarize(run)
    monkeypatch.chdir(out)
    code, printed, err = call(capsys, "summarize", run.id, *args)
    assert code != 0 and sentence in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not list(out.iterdir())
    assert printed == "" or "per-class" in " ".join(args)


def test_the_same_from_python(run: Run, out: Path) -> None:
    """As the docstring has it."""
    table = summarizing.summarize(run)
    rows = summarizing.chosen(Pool.of(run), "any", "greedy-pool", 18)
    exports.take_away(run, rows, out / "summary.csv")
    assert len(table) and np.array_equal(taken(run, out / "summary.csv"), rows)
