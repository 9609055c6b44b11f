"""Taking a set away from the page in every format, and reading it back with the library that each is for."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from torch.utils.data import Subset
from torchvision.datasets import ImageFolder

from sampleinfo import exports, jobs
from sampleinfo.exports import FORMATS
from sampleinfo.store import Run
from tests.browsing import OUTPUT, fresh, server, settle
from tests.test_exports import assert_fiftyone, assert_hugging_face, assert_read_back, ids, of_files, pixels
from tests.test_summaries_browser import book, ready

pytestmark = pytest.mark.browser
ROWS = [17, 3, 59, 41, 0]


def opened(page: Page, url: str, run: Run, name: str) -> None:
    page.goto(f"{url}/summaries?run={run.id}&tab=By+hand&set={name}")
    ready(page)
    page.get_by_role("button", name="Take away").focus()
    page.keyboard.press("Enter")
    radios(page).first.wait_for()
    settle(page)


def radios(page: Page) -> Locator:
    return page.get_by_role("radiogroup", name=f"Format ({len(FORMATS)})").get_by_role("radio")


def test_every_format_is_read_back(
    chromium: Browser, run: Run, port: int, tmp_path: Path
) -> None:  # fmt: skip
    OUTPUT.mkdir(exist_ok=True)
    run = of_files(run, tmp_path / "pictures")
    book(run).create_set("five", ids(run, ROWS))
    page, files, started = fresh(chromium), tmp_path / "files", []
    files.mkdir()
    with server(port) as url:
        opened(page, url, run, "five")
        radios(page).first.focus()
        for number, kind in enumerate(FORMATS.values()):
            if number:
                page.keyboard.press("ArrowDown")
            expect(radios(page).nth(number)).to_be_checked()
            settle(page)
            if kind.pictures:
                offered = exports.targets.proposed("five", kind)
                expect(page.get_by_label("Write to", exact=True)).to_have_value(str(offered))
                page.get_by_role("button", name="Write 5 images").click()
                started.append(kind)
                settle(page)
                radios(page).nth(number).focus()
                continue
            with page.expect_download() as file:
                page.locator("[class*='st-key-take-away-download'] button").click()
            file.value.save_as(files / f"{kind.name}{kind.ending}")
            radios(page).nth(number).focus()
        _wait(len(started))
        folder = exports.targets.folder()
        expect(page.get_by_text("finished in")).to_have_count(3)
        settle(page)
        page.screenshot(path=OUTPUT / "take-away-done.png")
        with page.expect_download() as file:
            page.get_by_role("button", name="Download as ZIP").first.click()
        _check_archive(Path(file.value.path()), folder / "five-fiftyone")
    _check_files(run, files)
    for name in ("copies", "links", "previews"):
        assert_read_back(run, ROWS, folder / f"five-{name}")
    assert_hugging_face(run, ROWS, folder / "five-hugging-face.parquet", tmp_path / "cache")
    assert_fiftyone(run, ROWS, folder / "five-fiftyone")
    assert {each.name for each in folder.iterdir()} == {f"five-{each.name}{each.ending}" for each in started}


def _wait(number: int) -> None:
    deadline = time.monotonic() + 120
    while [each.state for each in jobs.list_jobs()] != ["done"] * number:
        assert time.monotonic() < deadline, jobs.list_jobs()
        time.sleep(0.3)


def _check_files(run: Run, files: Path) -> None:
    wanted, dtype = ids(run, ROWS), {"sample_id": str, "class_name": str}
    for table in (pd.read_csv(files / "csv.csv", dtype=dtype), pd.read_parquet(files / "parquet.parquet"),
                  pd.read_json(files / "json.json", dtype=dtype)):  # fmt: skip
        assert table["sample_id"].tolist() == wanted
        for score in run.scores:
            assert np.allclose(table[score], run.samples[score].iloc[ROWS], equal_nan=True)
    lines = (files / "paths.txt").read_text().splitlines()
    chosen = json.loads((files / "indices.json").read_text())
    subset = Subset(ImageFolder(chosen["root"]), chosen["indices"])
    for line, (picture, _), name in zip(lines, subset, wanted, strict=True):
        assert np.array_equal(np.asarray(Image.open(line).convert("RGB")), pixels(run, name))
        assert np.array_equal(np.asarray(picture), pixels(run, name))
    table = pd.read_csv(files / "cleanlab.csv")
    assert table["sample_id"].tolist() == wanted
    assert np.allclose(table.filter(regex="^probability_").sum(axis=1), 1)


def _check_archive(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        found = {name: packed.read(name) for name in packed.namelist()}
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert found == {str(each.relative_to(folder.parent)): each.read_bytes() for each in files}


def test_what_is_impossible_is_said_before(
    chromium: Browser, run: Run, port: int
) -> None:  # fmt: skip
    OUTPUT.mkdir(exist_ok=True)
    book(run).create_set("five", ids(run, ROWS))
    with server(port) as url:
        for theme, width in (("light", 1440), ("dark", 800)):
            page = fresh(chromium, theme, width)
            opened(page, url, run, "five")
            page.screenshot(path=OUTPUT / f"take-away-{theme}-{width}.png")
            page.get_by_text("List of paths", exact=True).click()
            expect(page.get_by_text("List of paths is not possible here:")).to_be_visible()
            expect(page.get_by_text("5 of the 5 images have no file of their own")).to_be_visible()
            page.screenshot(path=OUTPUT / f"take-away-impossible-{theme}-{width}.png")
            page.get_by_text("Image folder, copies", exact=True).click()
            field = page.get_by_label("Write to", exact=True)
            field.fill("../elsewhere")
            field.press("Enter")
            expect(page.get_by_text("leads out of")).to_be_visible()
            expect(page.get_by_role("button", name="Write 5 images")).to_be_disabled()
            settle(page)
            page.screenshot(path=OUTPUT / f"take-away-refused-{theme}-{width}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            panel = page.locator("[class*='st-key-take-away-panel']").bounding_box()
            assert panel is not None and panel["x"] >= 0 and panel["x"] + panel["width"] <= width
