"""Corrected labels where a set is taken away: the panel without a browser, the job, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from torchvision.datasets import ImageFolder

from sampleinfo import exports, jobs, store, tasks
from sampleinfo.config import home
from sampleinfo.decisions import DROP, KEEP, RELABEL, Book, Verdict, collection_of, open_decisions
from sampleinfo.errors import StorageError
from sampleinfo.exports import targets
from sampleinfo.progress import Tracker
from sampleinfo.store import Run
from sampleinfo.tasks import TASKS, Order, export_options
from tests.test_cli import call
from tests.test_exports import ids
from tests.test_jobs_export import wait_for
from tests.test_pages import opened, texts
from tests.test_takeaway import ROWS, choose

AS_GIVEN = "take-away-as-given"


@pytest.fixture
def book(run: Run) -> Book:
    """A set of five images; of its training images one of each class is relabelled as the other, and one dropped."""
    book, table = open_decisions().book(collection_of(run)), run.samples
    book.create_set("five", ids(run, ROWS))
    four, nine = (next(row for row in ROWS if table["class_name"].iloc[row] == name) for name in ("4", "9"))
    book.judge(ids(run, [four]), Verdict(RELABEL, "9"), expected={})
    book.judge(ids(run, [nine]), Verdict(RELABEL, "4"), expected={})
    rest = [row for row in ROWS if row not in (four, nine)]
    book.judge(ids(run, [rest[0]]), Verdict(DROP), expected={})
    book.judge(ids(run, [rest[1], 8]), Verdict(KEEP), expected={})
    book.judge(ids(run, [rest[2]]), Verdict(RELABEL, str(table["class_name"].iloc[rest[2]])), expected={})
    book.judge(ids(run, [30]), Verdict(RELABEL, "seven"), expected={})  # of no image of the set
    return book


def opened_panel(run: Run) -> AppTest:
    test = opened("pages/summaries.py", run=run.id, tab="By hand", set="five")
    test.session_state["take-away"] = True
    test.run()
    assert not test.exception
    return test


def applied(run: Run, book: Book) -> dict[str, str]:
    """The corrections that touch the set: two."""
    labels = {name: book.labels()[name] for name in ids(run, ROWS) if name in book.labels()}
    given = dict(zip(run.samples["sample_id"], run.samples["class_name"], strict=True))
    found = {name: label for name, label in labels.items() if given[name] != label}
    assert len(labels) == 3 and len(found) == 2
    return found


def classes(path: Path) -> dict[str, str]:
    table = pd.read_csv(path, dtype=str)
    return dict(zip(table["sample_id"], table["class_name"], strict=True))


# ---- the panel


def test_the_panel_says_what_becomes_of_corrections(run: Run, book: Book) -> None:
    test = opened_panel(run)
    assert "2 corrected labels are applied." in texts(test)
    assert "1 image of this set is marked to be dropped." in texts(test)
    choose(test, "indices")
    assert "2 corrected labels are applied to the file's class" in texts(test)
    test.checkbox(key=AS_GIVEN).check().run()
    assert "2 corrected labels are left out." in texts(test)
    book.judge(ids(run, ROWS), None, expected=book.verdicts())
    test = opened_panel(run)
    assert "corrected" not in texts(test) and "dropped" not in texts(test)
    assert not [each for each in test.checkbox if each.key == AS_GIVEN]
    book.judge(ids(run, ROWS[:2]), Verdict(DROP), expected={})
    assert "2 images of this set are marked to be dropped." in texts(opened_panel(run))


def test_downloads_hold_what_the_panel_says(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(exports, "content", lambda *given: made.append(given) or b"")
    offered: list[Any] = []
    monkeypatch.setattr("streamlit.download_button", lambda label, data, *_, **__: offered.append(data))
    test = opened_panel(run)
    offered[-1]()
    test.checkbox(key=AS_GIVEN).check().run()
    offered[-1]()
    assert [dict(labels) for *_, labels in made] == [applied(run, book), {}]


def test_a_class_that_the_run_lacks_stops_it_unless_labels_are_as_given(run: Run, book: Book) -> None:
    name = ids(run, ROWS)[0]
    book.judge([name], Verdict(RELABEL, "<seven>"), expected=book.verdicts())
    test = opened_panel(run)
    assert f"image '{name}' was relabelled as '\\<seven\\>', a class that the run does not have" in test.error[-1].value
    assert not [each for each in test.get("download_button") if each.key == "take-away-download"]
    test.checkbox(key=AS_GIVEN).check().run()
    assert not test.error and [each for each in test.get("download_button") if each.key == "take-away-download"]


def test_the_panel_says_when_decisions_cannot_be_read(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Book) -> None:
        raise StorageError("the decisions are damaged.")

    monkeypatch.setattr(Book, "verdicts", fail)
    test = opened_panel(run)
    assert "the decisions are damaged" in test.error[-1].value and not test.get("download_button")


def test_images_are_written_with_corrected_labels(run: Run, book: Book) -> None:
    test = choose(opened_panel(run), "previews")
    assert "2 corrected labels are applied." in texts(test)
    test.button(key="take-away-write").click().run()
    assert not test.exception
    (job,) = jobs.list_jobs()
    assert wait_for(job.id, "done", "failed").state == "done"
    folder = targets.folder() / "five-previews"
    given = dict(zip(ids(run, ROWS), run.samples["class_name"].iloc[ROWS], strict=True))
    assert classes(folder / "images.csv") == given | applied(run, book)
    read = ImageFolder(str(folder))
    counts = pd.Series([read.classes[label] for label in read.targets]).value_counts().to_dict()
    assert counts == pd.Series(given | applied(run, book)).value_counts().to_dict()


# ---- the job


def test_labels_are_part_of_what_a_job_is(run: Run, book: Book, tmp_path: Path) -> None:
    labels, path, rows = applied(run, book), tmp_path / "set", np.array(ROWS)
    with_labels, without = (export_options(run, rows, path, "previews", "five", each) for each in (labels, {}))
    assert with_labels == export_options(run, rows, path, "previews", "five", dict(reversed(labels.items())))
    assert with_labels != without == export_options(run, rows, path, "previews", "five")
    changed = export_options(run, rows, path, "previews", "five", dict.fromkeys(labels, "4"))
    assert changed != with_labels and json.loads(json.dumps(with_labels)) == with_labels
    config = store.config_of(run)
    first, again, other = (
        jobs.start(config, jobs.EXPORT, options, rows, given)
        for options, given in ((with_labels, labels), (with_labels, labels), (without, {}))
    )
    assert first == again != other
    folder = home() / "jobs" / first
    assert json.loads((folder / tasks.LABELS).read_text()) == labels
    assert not (home() / "jobs" / other / tasks.LABELS).exists()
    states = sorted(wait_for(job, "done", "failed").state for job in (first, other))
    assert states == ["done", "failed"], "the second finds something at its place"


@pytest.mark.parametrize("content", [None, "", "[1]", "{", '"a"'])
def test_damaged_labels(run: Run, book: Book, tmp_path: Path, content: str | None) -> None:
    labels, config = applied(run, book), store.config_of(run)
    np.save(tmp_path / tasks.ROWS, np.array(ROWS))
    if content is not None:
        (tmp_path / tasks.LABELS).write_text(content)
    options = export_options(run, np.array(ROWS), tmp_path / "set", "previews", "five", labels)
    order = Order(config, options, tmp_path, lambda *_: None, Tracker({exports.STAGE: 1.0}, 1.0))
    with pytest.raises(StorageError, match=r"labels.json cannot be read; choose the set again"):
        TASKS[jobs.EXPORT].work(order)
    assert not (tmp_path / "set").exists()


def test_labels_with_anything_in_them_reach_the_job(run: Run, tmp_path: Path) -> None:
    odd = {"half \ud83d": "\udcff", "a\0": "b\n"}
    job = jobs.start(
        store.config_of(run), jobs.EXPORT, export_options(run, np.array(ROWS), tmp_path / "set", "previews", "x", odd),
        np.array(ROWS), odd,
    )  # fmt: skip
    assert json.loads((home() / "jobs" / job / tasks.LABELS).read_text()) == odd
    assert wait_for(job, "done", "failed").state == "done", "they are of no image of the set"


# ---- the command line


def test_the_command_applies_corrections(
    run: Run, book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = dict(zip(ids(run, ROWS), run.samples["class_name"].iloc[ROWS], strict=True))
    right, words = applied(run, book), ["summarize", run.id, "--set", "five"]
    code, printed, err = call(capsys, *words, "--out", str(tmp_path / "set.csv"))
    assert (code, err) == (0, "") and "corrected  2 labels: applied (--as-given leaves them out)\n" in printed
    assert classes(tmp_path / "set.csv") == given | right
    code, printed, err = call(capsys, *words, "--out", str(tmp_path / "given.csv"), "--as-given")
    assert (code, err) == (0, "") and "corrected" not in printed
    assert classes(tmp_path / "given.csv") == given
    assert (tmp_path / "given.csv").read_bytes() == exports.content(run, ROWS, "csv")
    assert (tmp_path / "set.csv").read_bytes() == exports.content(run, ROWS, "csv", book.labels())
    assert "corrected" not in call(capsys, *words)[1], "nothing is taken away"
    code, printed, _ = call(capsys, *words, "--out", str(tmp_path / "set.json"), "--format", "indices")
    assert "corrected  2 labels: applied to the file's class_names; the data set itself still gives its own" in printed


def test_what_the_command_refuses(run: Run, book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book.judge(ids(run, ROWS[:1]), Verdict(RELABEL, "seven"), expected=book.verdicts())
    words = ["summarize", run.id, "--set", "five", "--out", str(tmp_path / "set.csv")]
    code, printed, err = call(capsys, *words)
    assert (code, printed) == (1, "") and "was relabelled as 'seven', a class that the run does not have" in err
    assert not (tmp_path / "set.csv").exists()
    assert call(capsys, *words, "--as-given")[0] == 0 and (tmp_path / "set.csv").exists()
    for more, sentence in (
        (["--set", "five", "--as-given"], "--as-given needs --out."),
        (["--as-given"], "--as-given needs --strategy or --set."),
        (["--retrain", "0.1", "--as-given"], "--retrain takes no --as-given"),
    ):
        code, printed, err = call(capsys, "summarize", run.id, *more)
        assert (code, printed) == (1, "") and sentence in err and len(err.strip().splitlines()) == 1
