"""The panel *Take away* without a browser, and what it asks of the exports."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from torchvision.datasets import ImageFolder

from sampleinfo import exports, jobs
from sampleinfo.decisions import collection_of, open_decisions
from sampleinfo.errors import InvalidSetting
from sampleinfo.exports import FORMATS, indices, packing, targets
from sampleinfo.store import Run
from tests import fixtures
from tests.test_exports import run_on
from tests.test_pages import opened, texts

ROWS = [17, 3, 59, 41, 0]
PICTURES = [each.name for each in FORMATS.values() if each.pictures]


@pytest.fixture
def panel(run: Run) -> AppTest:
    """The page with a set of five images, and the panel open."""
    ids = [str(each) for each in run.samples["sample_id"].iloc[ROWS]]
    open_decisions().book(collection_of(run)).create_set("five", ids)
    test = opened("pages/summaries.py", run=run.id, tab="By hand", set="five")
    assert not [each for each in test.radio if each.key == "take-away-format"], "nothing is drawn while it is closed"
    test.session_state["take-away"] = True
    test.run()
    assert not test.exception
    return test


def choose(test: AppTest, name: str) -> AppTest:
    test.radio(key="take-away-format").set_value(name).run()
    assert not test.exception
    return test


def written(number: int) -> list[jobs.JobStatus]:
    deadline = time.monotonic() + 120
    while len(found := [each for each in jobs.list_jobs() if not each.active]) < number:
        assert time.monotonic() < deadline, jobs.list_jobs()
        time.sleep(0.1)
    return found


def test_every_format_is_offered_with_what_it_is_for(panel: AppTest) -> None:
    radio = panel.radio(key="take-away-format")
    assert radio.options == [each.title for each in FORMATS.values()] and radio.value == "csv"
    captions = list(radio.proto.captions)
    marked = [name for name, caption in zip(FORMATS, captions, strict=True) if "Not possible here" in caption]
    assert marked == ["paths", "links"] and all(captions)
    assert "**five**, 5 images of this run" in texts(panel)
    assert "Ids and scores, CSV" in [each.label for each in panel.get("download_button")]


def test_impossible_formats_say_why_and_offer_nothing(panel: AppTest) -> None:
    for name in ("paths", "links"):
        choose(panel, name)
        assert "is not possible here:** 5 of the 5 images have no file of their own" in panel.warning[-1].value
        keys = [each.key for each in (*panel.button, *panel.get("download_button"))]
        assert not {"take-away-write", "take-away-download"} & set(keys)


@pytest.mark.parametrize("name", ["parquet", "json", "indices", "cleanlab"])
def test_small_formats_are_downloads(panel: AppTest, run: Run, name: str) -> None:
    choose(panel, name)
    assert [each.key for each in panel.button if each.key == "take-away-write"] == []
    assert FORMATS[name].title in panel.radio(key="take-away-format").options
    data = exports.content(run, ROWS, name)
    if name == "parquet":
        assert pd.read_parquet(io.BytesIO(data))["sample_id"].tolist() == run.samples["sample_id"].iloc[ROWS].tolist()
    assert data


def test_images_are_written_by_a_job_and_shown(panel: AppTest, run: Run) -> None:
    choose(panel, "previews")
    offered = targets.folder() / "five-previews"
    field = next(each for each in panel.text_input if each.label == "Write to")
    assert field.value == str(offered) and not panel.button(key="take-away-write").disabled
    panel.button(key="take-away-write").click().run()
    assert not panel.exception
    (job,) = written(1)
    assert (job.state, job.options["path"], job.options["name"]) == ("done", str(offered), "five")
    assert len(ImageFolder(str(offered))) == 5
    panel.run()
    assert str(offered) in [each.value for each in panel.code]
    assert any(each.label.startswith("Download as ZIP") for each in panel.get("download_button"))
    field = next(each for each in panel.text_input if each.label == "Write to")
    assert field.value == f"{offered}-2"
    assert "Image folder, the run's own copies: five, 5 images" in texts(opened("app.py"))


def test_targets_are_refused_before_one_presses(panel: AppTest, tmp_path: Path) -> None:
    choose(panel, "copies")
    for text, sentence in (("../five", "leads out of"), (str(tmp_path), "exists already"), (" ", "name the file"),
                           (str(tmp_path / "no/five"), "there is no folder")):  # fmt: skip
        next(each for each in panel.text_input if each.label == "Write to").set_value(text).run()
        assert sentence in texts(panel) and panel.button(key="take-away-write").disabled, text
    assert jobs.list_jobs() == []


def test_an_empty_set_has_nothing_to_take(run: Run) -> None:
    open_decisions().book(collection_of(run)).create_set("none")
    test = opened("pages/summaries.py", run=run.id, tab="By hand", set="none")
    test.session_state["take-away"] = True
    test.run()
    assert not test.exception and not [each for each in test.radio if each.key == "take-away-format"]


def test_obstacles_of_files(tmp_path: Path) -> None:
    root = fixtures.class_folder(tmp_path / "data")
    run = run_on(tmp_path / "run", root)
    assert exports.obstacles(run, [2, 9]) == {}
    gone = root / str(run.samples["sample_id"].iloc[2])
    gone.unlink()
    found = exports.obstacles(run, [2, 9])
    assert set(found) == {each.name for each in FORMATS.values() if each.needs != exports.NOTHING}
    assert all("1 of the 2 images are not in data any more" in each for each in found.values())
    assert exports.obstacles(run, [9]) == {}
    table = run_on(tmp_path / "parquet", fixtures.image_parquet(tmp_path / "some.parquet"))
    assert set(exports.obstacles(table, [0, 1])) == {"paths", "links"}


def test_obstacles_of_built_in_data_need_no_reading(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports.selection.Originals, "of", lambda *_: pytest.fail("the data set was read"))
    assert set(exports.obstacles(run, ROWS)) == {"paths", "links"}
    assert exports.content(run, ROWS, "csv").startswith(b"sample_id,path,label")


def test_content_is_what_take_away_writes(run: Run, tmp_path: Path) -> None:
    exports.take_away(run, ROWS, tmp_path / "set.json", "indices")
    assert exports.content(run, ROWS, "indices") == (tmp_path / "set.json").read_bytes()
    with pytest.raises(InvalidSetting, match="copies makes a folder, not a file"):
        exports.content(run, ROWS, "copies")


def test_the_listing_is_that_of_image_folder(tmp_path: Path) -> None:
    root, png = tmp_path / "data", fixtures.samples()[0].png
    for name in ("b/2.PNG", "b/10.png", "b/.hidden.png", "b/z/1.jpeg", "b/a/1.png", "a b/x.gif", "a b/y.tiff",
                 "B/1.bmp", ".c/1.png", "Zoë/1.png", "e/notes.txt"):  # fmt: skip
        fixtures.write(root / name, png)
    fixtures.write(root / "loose.png", png)
    (root / "b" / "link").symlink_to(root / "b" / "z")
    (root / "d").symlink_to(root / "b")
    whole = ImageFolder(str(root), allow_empty=True)
    assert indices.listing(str(root)) == [path for path, _ in whole.samples] and len(whole) == 16


def test_packing(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name, data in (("a/1.png", b"one"), ("b/ü.png", b"three"), ("list.csv", b"x")):
        fixtures.write(folder / name, data)
    os.utime(folder / "list.csv", (0, 0))
    (folder / "b" / "link.png").symlink_to("/etc/hostname")
    assert packing.size(folder) == 9 and packing.size(folder / "a" / "1.png") == 3
    with zipfile.ZipFile(io.BytesIO(packing.packed(folder))) as archive:
        assert archive.namelist() == ["set/list.csv", "set/a/1.png", "set/b/ü.png"]
        assert archive.read("set/b/ü.png") == b"three"
    assert packing.packed(folder / "a" / "1.png") == b"one"


def test_nothing_is_imported_that_is_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, sampleinfo.ui.takeaway, sampleinfo.ui.progress; from sampleinfo.exports import indices; "
        "assert not {'torch', 'torchvision', 'umap', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_all_formats_with_images_are_marked() -> None:
    assert PICTURES == ["copies", "links", "previews", "hugging-face", "fiftyone"]
    assert np.all([each.sentence.startswith("For ") and each.sentence.endswith(".") for each in FORMATS.values()])
