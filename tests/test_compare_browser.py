"""Comparing sets and editing them together as people do it, in Chromium."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from sampleinfo.store import Run
from tests.browsing import OUTPUT, fresh, ids, settle
from tests.test_summaries_browser import book, ready, ticked

pytestmark = pytest.mark.browser
#: Milliseconds that a busy machine may take, where time is not what is tested.
PATIENCE = 60_000


def chosen(page: Page) -> list[str]:
    return parse_qs(urlparse(page.url).query, keep_blank_values=True).get("compare", [])


def shows(page: Page, *titles: str) -> None:
    expect(page.locator(".st-key-compared strong")).to_have_text(list(titles), timeout=PATIENCE)
    settle(page)


def height(page: Page) -> float:
    """Where the candidates begin."""
    box = page.locator("[role=listbox][aria-label='Candidates']").bounding_box()
    assert box is not None
    return box["y"]


def test_what_is_compared_survives_a_reload_and_other_pages(chromium: Browser, run: Run, url: str) -> None:
    train = run.samples["sample_id"][run.samples["split"] == "train"].tolist()
    for place, name in enumerate(("one", "two", "three")):
        book(run).create_set(name, train[10 * place : 10 * place + 12])
    page = fresh(chromium)
    page.goto(f"{url}/summaries?run={run.id}&tab=Compare&compare=set:two&compare=set:gone")
    expect(page.get_by_text("There is no set called 'gone'.")).to_be_visible(timeout=PATIENCE)
    shows(page, "two")
    page.get_by_role("button", name="Beside: Random, 12 images").click()
    expect(page.get_by_text("There is no set called")).to_have_count(0, timeout=PATIENCE)
    shows(page, "two", "Random, 12 images")
    wanted = ["set:two", "strategy:random:12"]
    assert chosen(page) == wanted
    page.reload()
    shows(page, "two", "Random, 12 images")
    assert chosen(page) == wanted
    legend = page.locator(".st-key-growth .legendtext").all_text_contents()
    assert legend == ["random sets, mean ± 1 standard deviation", "two", "Random, 12 images"]
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / "growing.png", full_page=True)
    page.get_by_role("link", name="Explore").click()
    page.wait_for_url("**/explore*")
    settle(page)
    page.get_by_role("link", name="Summaries").click()
    page.wait_for_url("**/summaries*")
    page.get_by_role("tab", name="Compare").click()
    shows(page, "two", "Random, 12 images")
    assert chosen(page) == wanted
    page.close()


def test_an_edit_of_somebody_else_appears_by_itself(chromium: Browser, run: Run, url: str) -> None:
    """Two browsers, one set: what one adds the other sees without a click, and what it was about to do stays."""
    book(run).create_set("both")
    ann, bob = fresh(chromium), fresh(chromium)
    for page, name in ((ann, "ann"), (bob, "bob")):
        page.goto(f"{url}/summaries?run={run.id}&tab=By+hand&set=both&author={name}")
        ready(page)
    order = ids(ann, "Candidates")
    ann.get_by_role("button", name="New set").click()
    ann.get_by_label("Name", exact=True).fill("half typed")
    before = height(ann)
    options = bob.locator("[role=listbox][aria-label='Candidates'] [role=option]")
    options.nth(3).click()
    expect(ann.get_by_text("1 image alone", exact=True)).to_be_visible(timeout=8000)
    expect(ann.get_by_text(re.compile(r"bob, \d\d:\d\d UTC: Added image"))).to_be_visible()
    assert ticked(ann) == {order[3]} and ann.get_by_label("Name", exact=True).input_value() == "half typed"
    assert height(ann) == before
    ann.keyboard.press("Escape")
    options = ann.locator("[role=listbox][aria-label='Candidates'] [role=option]")
    for place in range(10, 30):
        options.nth(place).click(no_wait_after=True)
        if place % 10 == 5:
            book(run, "cat").add("both", [order[40 + place // 10]])  # a look for edits comes in between
    wanted = {order[3], *order[10:30], order[41], order[42]}
    for page in (ann, bob):
        expect(page.get_by_text(f"{len(wanted)} images alone", exact=True)).to_be_visible(timeout=PATIENCE)
        settle(page)
        assert ticked(page) == wanted
    assert set(book(run).members("both")) == wanted
    ann.close()
    bob.close()


def test_it_looks_for_edits_only_while_somebody_looks(chromium: Browser, run: Run, url: str) -> None:
    book(run).create_set("a", run.samples["sample_id"][:9])
    page, sent = fresh(chromium), []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda _: sent.append(page.url))

    page.on("websocket", listen)
    page.goto(f"{url}/summaries?run={run.id}&tab=By+hand&set=a")
    ready(page)
    sent.clear()
    page.wait_for_timeout(6500)
    assert 1 <= len(sent) <= 3  # one every three seconds, and nothing else
    page.get_by_role("tab", name="Compare").click()
    expect(page.get_by_text("One set only.")).to_be_visible(timeout=PATIENCE)
    settle(page)
    sent.clear()
    page.wait_for_timeout(4000)
    assert sent == []
    page.close()
