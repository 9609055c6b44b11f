"""Comparing sources as a person does it, in Chromium: by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sampleinfo import analysing
from sampleinfo.reports.sources_verdict import verdict
from sampleinfo.store import Run
from tests.browsing import OUTPUT, fresh, ids, server, settle
from tests.test_sources import twin

pytestmark = pytest.mark.browser
PATIENCE = 60_000
MOST = "Most informative: "


@pytest.fixture
def url(sources_run: Run, port: int) -> Iterator[str]:
    """A dashboard on the store of one run with two sources."""
    with server(port) as address:
        yield address


def scrolled(page: Page, label: str) -> int:
    return round(page.locator(f"[role=listbox][aria-label='{label}']").evaluate("grid => grid.scrollLeft"))


def test_sources_are_compared(chromium: Browser, sources_run: Run, url: str) -> None:
    page = fresh(chromium)
    page.goto(f"{url}/sources?run={sources_run.id}")
    settle(page)
    expect(page.get_by_text("Not compared yet.")).to_be_visible()
    page.get_by_role("button", name="Compare sources").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("What an image is worth")).to_be_visible(timeout=2 * PATIENCE)
    settle(page)
    words = verdict(analysing.analyse(sources_run, "sources"))
    shown = page.locator("h4").inner_text().replace("\u00a0", " ")
    assert shown == words
    page.get_by_role("tab", name="Image by image").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Which source teaches which")).to_be_visible(timeout=PATIENCE)
    assert "part=As+a+whole" in page.url
    page.reload()
    expect(page.get_by_text("Which source teaches which")).to_be_visible(timeout=PATIENCE)
    settle(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(3, timeout=PATIENCE)
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / "sources.png", full_page=True)
    _galleries_scroll_together(page, sources_run)
    page.close()


def _galleries_scroll_together(page: Page, run: Run) -> None:
    page.set_viewport_size({"width": 700, "height": 1000})
    page.get_by_role("tab", name="Galleries").click()
    first, second = (page.locator(f"[role=listbox][aria-label='{MOST}{name}']") for name in ("pen", "tablet <b>"))
    second.locator("[role=option]").first.wait_for()
    settle(page)
    train = run.samples[run.samples["split"] == "train"]
    for name in ("pen", "tablet <b>"):
        mine = train[train["source"] == name].sort_values("functional_information", ascending=False, kind="stable")
        assert ids(page, f"{MOST}{name}") == mine["sample_id"].tolist()
    first.evaluate("grid => { grid.scrollLeft = 240 }")
    page.wait_for_timeout(300)
    assert scrolled(page, f"{MOST}pen") == scrolled(page, f"{MOST}tablet <b>") == 240
    assert scrolled(page, "Least informative: pen") == 0
    second.evaluate("grid => { grid.scrollLeft = 60 }")
    page.wait_for_timeout(300)
    assert scrolled(page, f"{MOST}pen") == scrolled(page, f"{MOST}tablet <b>") == 60
    second.locator("[role=option]").first.focus()
    page.keyboard.press("End")  # to the last of 20, in both
    page.wait_for_timeout(300)
    assert scrolled(page, f"{MOST}pen") == scrolled(page, f"{MOST}tablet <b>") > 240
    wanted = ids(page, f"{MOST}tablet <b>")[-1]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=wanted)).to_be_visible(timeout=PATIENCE)
    assert "explore" in page.url and f"run={run.id}" in page.url


def test_a_second_run_is_in_the_address(chromium: Browser, sources_run: Run, url: str) -> None:
    analysing.analyse(sources_run, "sources")
    twin(sources_run, "other")
    page, problems = fresh(chromium, "dark", 800), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{url}/sources?run={sources_run.id}&with=other&part=As+a+whole")
    expect(page.get_by_text("Two runs have two kernels.")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("tab", name="Image by image").click()
    expect(page.locator(".legendtext", has_text="pen (other)").first).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.screenshot(path=OUTPUT / "sources-with.png", full_page=True)
    assert problems == [] and page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()
