"""The dashboard as a person uses it, in Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import OUTPUT, ROOT, free_port, fresh, ids, server, settle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A running dashboard on an empty store: its address and the store."""
    home = tmp_path_factory.mktemp("browser-home")
    with server(free_port(), home) as url:
        yield url, home


def test_pages_say_what_to_do_when_there_is_nothing(chromium: Browser, address: tuple[str, Path]) -> None:
    page = fresh(chromium)
    page.goto(f"{address[0]}/explore")
    settle(page)
    expect(page.get_by_text("There are no runs yet")).to_be_visible()
    page.goto(address[0])
    settle(page)
    expect(page.get_by_text("None yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Compute sample information")).to_be_enabled()


def test_impossible_sizes_are_explained(chromium: Browser, address: tuple[str, Path]) -> None:
    page = fresh(chromium)
    page.goto(address[0])
    settle(page)
    field = page.get_by_label("Training images", exact=True)
    field.fill("6797")
    field.press("Enter")
    expect(page.get_by_text("digits has 6797 images")).to_be_visible()
    expect(page.get_by_role("button", name="Compute sample information")).to_be_disabled()


def test_run_lasso_open_and_link(chromium: Browser, address: tuple[str, Path]) -> None:
    url, home = address
    page = fresh(chromium)
    page.goto(url)
    settle(page)
    _start_small_run(page)
    page.get_by_text("about").first.wait_for()
    page.get_by_text("finished in").wait_for(timeout=240_000)
    run = next(path for path in (home / "runs").iterdir() if path.suffix != ".partial" and path.name[0] != ".")
    page.get_by_role("link", name="Explore it").click()
    page.locator("[role=listbox][aria-label='Images'] [role=option]").first.wait_for()
    settle(page)
    samples = pd.read_parquet(run / "samples.parquet")
    train = samples[samples["split"] == "train"]
    by_information = train.sort_values("functional_information", ascending=False, kind="stable")["sample_id"]
    assert ids(page, "Images") == list(by_information)
    chosen = _lasso_left_half(page, train)
    expect(page.get_by_text(f"{len(chosen)} selected")).to_be_visible()
    assert set(ids(page, "Images")) == chosen
    page.screenshot(path=OUTPUT / "lasso.png")
    _colours_keep_the_selection(page, chosen)
    _open_by_keyboard_and_follow_the_link(chromium, page)


def _start_small_run(page: Page) -> None:
    page.get_by_label("Data", exact=True).click()
    page.get_by_role("option", name="MNIST 4 against 9").click()
    settle(page)
    for label, value in (("Training images", "60"), ("Validation images", "40")):
        _fill(page, label, value)
    page.get_by_role("button", name="Compute sample information").click()
    page.get_by_role("button", name="Cancel").wait_for()


def _lasso_left_half(page: Page, train: pd.DataFrame) -> set[str]:
    """Drag a lasso around the left half of the map; the ids that lie inside, from the figure's own axes."""
    area = page.locator(".nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    low, high = page.evaluate("document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range")
    x = np.sort(train["umap_x"].to_numpy())
    gap = int(np.argmax(np.diff(x[10:-10]))) + 10
    edge = (x[gap] + x[gap + 1]) / 2
    right = box["x"] + box["width"] * (edge - low) / (high - low)
    left, top, bottom = box["x"] + 2, box["y"] + 2, box["y"] + box["height"] - 2
    page.mouse.move(left, top)
    page.mouse.down()
    for x_to, y_to in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x_to, y_to, steps=3)
    page.mouse.up()
    settle(page)
    page.get_by_role("button", name="Clear selection").wait_for()
    return set(train["sample_id"][train["umap_x"] < edge])


def _colours_keep_the_selection(page: Page, chosen: set[str]) -> None:
    page.get_by_role("radio", name="linear").or_(page.get_by_role("button", name="linear")).first.click()
    settle(page)
    page.wait_for_timeout(1500)
    assert set(ids(page, "Images")) == chosen


def _open_by_keyboard_and_follow_the_link(chromium: Browser, page: Page) -> None:
    page.locator("[role=listbox][aria-label='Images'] [role=option]").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    third = ids(page, "Images")[2]
    assert page.evaluate("document.activeElement.shadowRoot?.activeElement?.dataset.sampleId "
                         "?? document.activeElement.dataset.sampleId") == third  # fmt: skip
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=third)).to_be_visible()
    assert f"sample={third}" in page.url and "run=" in page.url
    other = fresh(chromium)
    other.goto(page.url)
    settle(other)
    expect(other.get_by_role("heading", name=third)).to_be_visible()


def test_a_run_is_validated(chromium: Browser, address: tuple[str, Path]) -> None:
    """By keyboard: settings, the button, the verdict; it survives a reload, and Explore wears the badge."""
    url, home = address
    run = next(path for path in (home / "runs").iterdir() if path.suffix != ".partial" and path.name[0] != ".")
    page = fresh(chromium)
    page.goto(f"{url}/validate?run={run.name}")
    settle(page)
    expect(page.get_by_text("Not validated yet.")).to_be_visible()
    _fill(page, "Retrainings", "4")
    page.get_by_text("More settings").click()
    settle(page)
    for label, value in (("Steps", "5"), ("Segments", "2"), ("Sets left out", "2")):
        _fill(page, label, value)
    page.get_by_text("Compare with influence functions").click()
    settle(page)
    page.get_by_role("button", name="Validate").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Cancel").wait_for()
    expect(page.get_by_text("foretells retraining best")).to_be_visible(timeout=240_000)
    expect(page.get_by_text("finished in")).to_be_visible()
    expect(page.get_by_role("link", name="See how true it is")).to_have_count(0)
    expect(page.get_by_text("The real network was trained with 5 steps")).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_text("4 retrainings, predictions r =").first).to_be_visible()
    page.get_by_text("Accuracy without a set").click()
    settle(page)
    expect(page.get_by_text("Accuracy without each set")).to_be_visible()
    page.get_by_text("Predictions (F-SI)").click()
    page.locator("[role=listbox][aria-label='Worst misses'] [role=option]").nth(3).wait_for()
    misses = ids(page, "Worst misses")
    assert len(misses) == 4
    page.screenshot(path=OUTPUT / "validated.png", full_page=True)
    page.locator("[role=listbox][aria-label='Worst misses'] [role=option]").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=misses[0])).to_be_visible()
    assert "explore" in page.url
    expect(page.get_by_text("4 retrainings, predictions r =")).to_be_visible()


def test_own_images_are_looked_at_checked_and_run(
    chromium: Browser, address: tuple[str, Path], own_images: Path
) -> None:
    """By keyboard: path, check, sizes, run; then the list of what was wrong beside the run."""
    page = fresh(chromium)
    page.goto(address[0])
    settle(page)
    page.get_by_label("Data", exact=True).focus()
    page.keyboard.type("Images of your own")
    page.keyboard.press("Enter")
    settle(page)
    _fill(page, "Path", str(own_images))
    expect(page.get_by_text("65 images of 2 classes")).to_be_visible()
    page.locator("figure img").first.wait_for()
    assert page.locator("figure").count() == 24 and page.locator("figure b").count() == 0
    page.get_by_role("button", name="Check every image").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("left out: they cannot be read or used")).to_be_visible(timeout=120_000)
    page.screenshot(path=OUTPUT / "own.png", full_page=True)
    _fill(page, "Training images", "30")
    _fill(page, "Validation images", "12")
    page.get_by_role("button", name="Compute sample information").focus()
    page.keyboard.press("Enter")
    job = page.locator("[class*='st-key-job-']", has_text="pictures, 30 + 12 images")
    job.get_by_role("link", name="Explore it").click(timeout=240_000)
    page.get_by_role("button", name="Data: 4 left out").click()
    expect(page.get_by_text("with different labels")).to_be_visible()


def test_a_zip_is_uploaded(chromium: Browser, address: tuple[str, Path], own_images: Path, tmp_path: Path) -> None:
    page = fresh(chromium, "dark", 800)
    page.goto(address[0])
    settle(page)
    page.get_by_label("Data", exact=True).click()
    page.get_by_role("option", name="Images of your own").click()
    settle(page)
    archive = shutil.make_archive(str(tmp_path / "upload"), "zip", own_images.parent, "pictures")
    page.locator("input[type=file]").set_input_files(archive)
    expect(page.get_by_text("images of 2 classes")).to_be_visible()
    page.locator("figure img").first.wait_for()
    page.screenshot(path=OUTPUT / "upload.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def _fill(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("place", ["", "explore", "validate"])
def test_every_page_opened_first(
    chromium: Browser, address: tuple[str, Path], place: str, width: int, theme: str
) -> None:
    OUTPUT.mkdir(exist_ok=True)
    page = fresh(chromium, theme, width)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda r: problems.append(r.url) if not r.url.startswith((address[0], "ws", "data", "blob")) else None,
    )
    page.goto(f"{address[0]}/{place}")
    settle(page)
    if place == "explore":
        page.locator("[role=listbox][aria-label='Images'] [role=option]").first.wait_for()
        page.locator(".nsewdrag").first.wait_for()
    if place == "validate":
        page.get_by_role("heading", name="Retrain for real").wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=OUTPUT / f"{place or 'home'}-{theme}-{width}.png")
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if os.environ.get("SAMPLEINFO_UPDATE_SCREENSHOT") and (place, theme, width) == ("explore", "light", 1440):
        page.screenshot(path=ROOT / "docs" / "screenshot.png")
