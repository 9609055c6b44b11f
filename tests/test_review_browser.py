"""The Review page as an auditor uses it, in Chromium: by keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from sampleinfo import analysing, store
from sampleinfo.decisions import DROP, KEEP, RELABEL, UNSURE, Book, Verdict, collection_of, open_decisions
from sampleinfo.store import Run
from tests.browsing import OUTPUT, fresh, ids, server, settle

pytestmark = pytest.mark.browser
PATIENCE = 120_000
PICTURE = ".st-key-review-picture img"


def book(run: Run, author: str | None = None) -> Book:
    return open_decisions().book(collection_of(run), author)


def ranked(run: Run) -> list[str]:
    images = analysing.analyse(run, "review")["images"]
    return images.sort_values("mislabeled_rank")["sample_id"].tolist()


def opened(chromium: Browser, address: str) -> Page:
    page = fresh(chromium)
    page.goto(address)
    page.locator(PICTURE).wait_for()
    settle(page)
    return page


def looks_at(page: Page, sample_id: str) -> None:
    expect(page.locator(PICTURE)).to_have_attribute("alt", sample_id)


def press(page: Page, key: str, then: str) -> None:
    """Press a key; the image ``then`` must come."""
    page.keyboard.press(key)
    looks_at(page, then)
    settle(page)


def test_six_images_by_keyboard_survive_and_are_scored(
    chromium: Browser, run: Run, port: int, tmp_path: Path
) -> None:  # fmt: skip
    """Judge six, undo one, reload, restart the server, take the review away, score the corrected data set, open it."""
    OUTPUT.mkdir(exist_ok=True)
    order = ranked(run)
    suggested = analysing.analyse(run, "review")["images"].set_index("sample_id")["suggested"]
    wanted = {
        order[0]: Verdict(KEEP), order[1]: Verdict(RELABEL, suggested[order[1]]), order[2]: Verdict(DROP),
        order[3]: Verdict(UNSURE), order[4]: Verdict(KEEP),
    }  # fmt: skip
    with server(port) as url:
        page = opened(chromium, f"{url}/review?run={run.id}")
        looks_at(page, order[0])
        for place, key in enumerate("krdukd", 1):
            press(page, key, order[place])
        assert book(run).verdicts() == wanted | {order[5]: Verdict(DROP)}
        press(page, "Control+z", order[5])
        expect(page.get_by_text(f"Undid: dropped image '{order[5]}'.").first).to_be_visible()
        assert book(run).verdicts() == wanted
        expect(page.get_by_text("5 of 50 judged")).to_be_visible()
        page.reload()
        page.locator(PICTURE).wait_for()
        looks_at(page, order[5])
        expect(page.get_by_text("5 of 50 judged")).to_be_visible()
        address = page.url
    with server(port):
        page = opened(chromium, address)
        looks_at(page, order[5])
        expect(page.get_by_text("5 of 50 judged")).to_be_visible()
        _take_away(page, wanted, tmp_path)
        page.screenshot(path=OUTPUT / "review.png")
        _score_and_open(page, run, order)
        page.close()


def _take_away(page: Page, wanted: dict[str, Verdict], folder: Path) -> None:
    page.get_by_role("button", name="Take away the review").click()
    with page.expect_download() as waiting:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="CSV").click()
    waiting.value.save_as(folder / "review.csv")
    table = pd.read_csv(folder / "review.csv", index_col="sample_id", dtype=str)
    found = table.loc[table["verdict"].notna(), ["verdict", "new_class"]]
    assert {name: (each["verdict"], each["new_class"]) for name, each in found.fillna("").iterrows()} == {
        name: (each.kind, each.class_name or "") for name, each in wanted.items()
    }
    page.keyboard.press("Escape")


def _score_and_open(page: Page, run: Run, order: list[str]) -> None:
    page.get_by_role("button", name="Score the corrected data set").click()
    page.get_by_role("link", name="Review the corrected run").click(timeout=PATIENCE)
    page.get_by_role("button", name="Look for suspicious images").click()
    expect(page.get_by_text("This run is already made of the corrected data set")).to_be_visible(timeout=PATIENCE)
    settle(page)
    found = store.open_run(parse_qs(urlparse(page.url).query)["run"][0])
    assert found.id != run.id and dict(store.config_of(found).corrections).keys() == {order[1], order[2]}
    training = found.samples[found.samples["split"] == "train"].set_index("sample_id")["class_name"]
    assert order[2] not in training.index and len(training) == 59
    before = run.samples.set_index("sample_id")["class_name"]
    assert training[order[1]] == dict(store.config_of(found).corrections)[order[1]] != before[order[1]]


def test_keys_leave_fields_lists_and_unseen_images_alone(chromium: Browser, run: Run, url: str) -> None:
    order = ranked(run)
    page = opened(chromium, f"{url}/review?run={run.id}")
    page.get_by_label("Queue length", exact=True).focus()
    page.keyboard.press("d")
    page.keyboard.press("Control+z")
    page.get_by_label("Rank by", exact=True).focus()
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_text("A key pressed in a text field")).to_be_visible()
    page.get_by_text("A key pressed in a text field").click()
    page.keyboard.press("Escape")
    settle(page)
    assert book(run).verdicts() == {}
    looks_at(page, order[0])
    page.locator(PICTURE).click()
    press(page, "ArrowRight", order[1])
    press(page, "n", order[2])
    press(page, "ArrowLeft", order[1])
    press(page, "p", order[0])
    page.set_viewport_size({"width": 800, "height": 300})
    page.get_by_role("heading", name="What you decided").scroll_into_view_if_needed()
    page.get_by_role("heading", name="What you decided").click()
    page.keyboard.press("k")  # brings the picture into view
    settle(page)
    assert book(run).verdicts() == {}
    press(page, "k", order[1])
    assert book(run).verdicts() == {order[0]: Verdict(KEEP)}
    page.keyboard.press("k")
    page.keyboard.press("d")  # before the next image has come: not an answer about it
    looks_at(page, order[2])
    settle(page)
    assert book(run).verdicts() == {order[0]: Verdict(KEEP), order[1]: Verdict(KEEP)}
    page.close()


def test_queue_filters_and_others_verdicts(chromium: Browser, run: Run, url: str) -> None:
    """The choice is in the address, a click in the queue looks at an image, and what others decide appears."""
    OUTPUT.mkdir(exist_ok=True)
    order = ranked(run)
    page = opened(chromium, f"{url}/review?run={run.id}")
    page.locator("[role=listbox][aria-label='Queue'] [role=option]").nth(4).click()
    looks_at(page, order[4])
    book(run, "Ada").judge([order[4]], Verdict(DROP), {})
    expect(page.get_by_text(re.compile("Ada.*Dropped image")).first).to_be_visible()
    expect(page.get_by_text("1 of 50 judged")).to_be_visible()
    page.get_by_label("Rank by", exact=True).click()
    page.get_by_role("option", name="Corrupted").click()
    settle(page)
    page.keyboard.press("u")  # the focus is not in the list any more
    expect(page.get_by_text("1 unsure").first).to_be_visible()
    page.get_by_label("Given label", exact=True).click()
    page.get_by_role("option", name="9", exact=True).click()
    page.get_by_role("radio", name="All", exact=True).click()
    settle(page)
    shown = ids(page, "Queue")
    page.reload()
    page.locator(PICTURE).wait_for()
    settle(page)
    assert ids(page, "Queue") == shown
    nines = run.samples.set_index("sample_id")["class_name"]
    assert {nines[each] for each in shown} == {"9"}
    page.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 800)])
def test_nothing_is_wider_than_the_page(chromium: Browser, run: Run, url: str, theme: str, width: int) -> None:
    OUTPUT.mkdir(exist_ok=True)
    ranked(run)
    page = fresh(chromium, theme, width)
    for part in ("Review", "Scores"):
        page.goto(f"{url}/review?run={run.id}&view={part}")
        page.locator(PICTURE if part == "Review" else ".st-key-agreement .js-plotly-plot").wait_for()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=OUTPUT / f"review-{part}-{width}.png", full_page=True)
    page.close()
