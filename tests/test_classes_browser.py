"""The Classes page as a person uses it, in Chromium."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from sampleinfo import analysing
from sampleinfo.reports import analysis, classes
from sampleinfo.reports.class_judgement import SMALL_INFORMATIVE
from sampleinfo.store import Run
from tests.browsing import OUTPUT, fresh, ids, settle

pytestmark = pytest.mark.browser
PATIENCE = 60_000


def query(page: Page, name: str) -> str:
    return parse_qs(urlparse(page.url).query).get(name, [""])[0]


def split_in_two(run: Run) -> set[str]:
    """Answer, with the last five images of class 9 as a group of their own; their ids."""
    tables = analysing.ANALYSES["classes"].compute(run, lambda *_: None)
    members, groups = tables["members"], tables["groups"]
    rows = members[members["label"] == 1]["row"].tail(5)
    members["group"] = members["row"].isin(rows).astype(int) + 1
    first = groups[groups["label"] == 1].iloc[0]
    groups = groups[groups["label"] == 0].iloc[:1].assign(group=1)
    for group, size, verdict in ((1, 25, "typical"), (2, 5, SMALL_INFORMATIVE)):
        row = {**first, "group": group, "size": size, "verdict": verdict, "ratio": 2.0, "ratio_low": 1.2,
               "ratio_high": 3.0}  # fmt: skip
        groups.loc[len(groups) + 10] = row
    analysis.keep(run, classes.ANALYSIS, {**tables, "groups": groups.reset_index(drop=True)})
    return set(run.samples["sample_id"].iloc[rows.tolist()])


def bar(page: Page, chart: str, place: int, panel: int = 0) -> None:
    """Click the bar of a line; lines and panels count from 0."""
    area = page.locator(f".st-key-{chart} .nsewdrag").nth(panel)
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    figure = f"document.querySelector('.st-key-{chart} .js-plotly-plot')._fullLayout"
    low, high = page.evaluate(f"{figure}.yaxis.range")
    left, right = page.evaluate(f"{figure}.xaxis{'' if panel == 0 else panel + 1}.range")
    x = box["x"] + box["width"] * (0.02 * right - left) / (right - left)
    page.mouse.click(x, box["y"] + box["height"] * (place - high) / (low - high))


def test_from_the_button_to_explore(chromium: Browser, run: Run, url: str) -> None:
    """Ask, look at a class by a click on its bar, at a group by keyboard, and at its images on Explore."""
    OUTPUT.mkdir(exist_ok=True)
    page = fresh(chromium)
    page.goto(f"{url}/classes?run={run.id}")
    page.get_by_role("button", name="Compare classes").click()
    expect(page.get_by_text("What each class needs")).to_be_visible(timeout=PATIENCE)
    settle(page)
    first, second = analysing.analyse(run, "classes")["classes"]["class_name"]
    expect(page.get_by_role("heading", name=f"Class {first}")).to_be_visible()
    bar(page, "class-needs", 1)
    expect(page.get_by_role("heading", name=f"Class {second}")).to_be_visible()
    assert query(page, "class") == second
    bar(page, "class-needs", 0, panel=1)
    expect(page.get_by_role("heading", name=f"Class {first}")).to_be_visible()
    page.get_by_label("Class", exact=True).focus()
    page.keyboard.type(f"{second} ·")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Class {second}")).to_be_visible()
    settle(page)
    page.screenshot(path=OUTPUT / "classes.png", full_page=True)
    page.close()


def test_a_group_is_looked_at_and_shown_in_explore(chromium: Browser, run: Run, url: str) -> None:
    few = split_in_two(run)
    page = fresh(chromium, "dark", 800)
    page.goto(f"{url}/classes?run={run.id}&class=9")
    settle(page)
    expect(page.get_by_role("heading", name="Class 9")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Group", exact=True).focus()
    page.keyboard.type("Group 2")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("^5 images of group 2"))).to_be_visible()
    settle(page)
    assert query(page, "group") == "2" and set(ids(page, "Images of the class")) == few
    bar(page, "group-needs", 0)
    expect(page.get_by_text(re.compile("^25 images of group 1"))).to_be_visible()
    page.go_back()
    page.reload()
    settle(page)
    page.goto(f"{url}/classes?run={run.id}&class=9&group=2")
    expect(page.get_by_text(re.compile("^5 images of group 2"))).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Show in Explore").click()
    page.wait_for_url("**/explore*")
    expect(page.get_by_text("5 selected")).to_be_visible(timeout=PATIENCE)
    settle(page)
    assert set(ids(page, "Images")) == few
    expect(page.get_by_role("button", name="Filter (1)")).to_be_visible()
    page.close()
