"""Building a set by hand as a person does it, in Chromium: by clicks, by lasso and by keyboard."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from sampleinfo.decisions import Book, collection_of, open_decisions
from sampleinfo.store import Run
from tests.browsing import OUTPUT, fresh, ids, server, settle

pytestmark = pytest.mark.browser
#: 200 clicks on 60 images: all go in, 50 out, these in again, and 40 out.
PLACES = [*range(60), *range(50), *range(50), *range(20, 60)]


def book(run: Run, author: str | None = None) -> Book:
    return open_decisions().book(collection_of(run), author)


def ready(page: Page) -> None:
    page.locator("[role=listbox][aria-label='Candidates'] [role=option]").first.wait_for()
    page.locator(".nsewdrag").first.wait_for()
    settle(page)


def opened(chromium: Browser, url: str, run: Run, name: str) -> Page:
    page = fresh(chromium)
    page.goto(f"{url}/summaries?run={run.id}&tab=By+hand&set={name}")
    ready(page)
    return page


def holds(page: Page, number: int) -> None:
    expect(page.get_by_text(f"{number} image{'s' * (number != 1)} alone", exact=True)).to_be_visible()
    settle(page)


def ticked(page: Page) -> set[str]:
    chosen = page.locator("[role=listbox][aria-label='Candidates'] [role=option][aria-selected=true]")
    return set(chosen.evaluate_all("all => all.map((each) => each.dataset.sampleId)"))


def lasso(page: Page, train: pd.DataFrame, below: float) -> set[str]:
    """Drag a lasso around all points left of ``below``; the ids inside, from the figure's own axes."""
    area = page.locator(".nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    low, high = page.evaluate("document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range")
    left, top, bottom = box["x"] + 2, box["y"] + 2, box["y"] + box["height"] - 2
    right = box["x"] + box["width"] * (below - low) / (high - low)
    page.mouse.move(left, top)
    page.mouse.down()
    for to in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(*to, steps=3)
    page.mouse.up()
    settle(page)
    return set(train["sample_id"][train["umap_x"] < below])


def test_twelve_by_click_and_lasso_survive_reload_and_restart(chromium: Browser, run: Run, port: int) -> None:
    OUTPUT.mkdir(exist_ok=True)
    train = run.samples[run.samples["split"] == "train"]
    page = fresh(chromium)
    with server(port) as url:
        page.goto(f"{url}/summaries?run={run.id}&tab=By+hand")
        settle(page)
        page.get_by_label("Name", exact=True).fill("twelve")
        page.keyboard.press("Enter")
        ready(page)
        expect(page.get_by_text("This set is empty.")).to_be_visible()
        options = page.locator("[role=listbox][aria-label='Candidates'] [role=option]")
        clicked = {ids(page, "Candidates")[i] for i in (0, 2, 3, 5, 7)}
        for place in (0, 2, 3, 5, 7):
            options.nth(place).click()
        holds(page, 5)
        assert set(book(run).members("twelve")) == clicked == ticked(page)
        rest = train[~train["sample_id"].isin(clicked)].sort_values("umap_x")["umap_x"].to_numpy()
        inside = lasso(page, train, float(rest[6] + rest[7]) / 2)
        assert len(inside - clicked) == 7
        expect(page.get_by_role("button", name="Add selection (7)")).to_be_enabled()
        page.get_by_role("button", name="Add selection (7)").click()
        holds(page, 12)
        assert page.locator("svg.rings circle").count() == 12
        page.screenshot(path=OUTPUT / "twelve.png")
        _undo_and_redo(page, run, clicked, inside)
        page.reload()
        ready(page)
        holds(page, 12)
    with server(port) as url:
        again = opened(chromium, url, run, "twelve")
        holds(again, 12)
        assert ticked(again) == clicked | inside
        again.keyboard.press("Control+z")
        holds(again, 5)  # the way back survives as well


def _undo_and_redo(page: Page, run: Run, clicked: set[str], inside: set[str]) -> None:
    page.get_by_role("button", name="Undo").click()
    holds(page, 5)
    assert set(book(run).members("twelve")) == clicked
    page.keyboard.press("Control+Shift+z")
    holds(page, 12)
    assert set(book(run).members("twelve")) == clicked | inside
    page.keyboard.press("Control+z")
    holds(page, 5)
    page.get_by_role("button", name="Redo").click()
    holds(page, 12)


def test_by_keyboard_alone(chromium: Browser, run: Run, port: int) -> None:
    """Pick, a range, a proposal, undo at once after a pick; Ctrl+Z in a text field is about the text."""
    book(run).create_set("keys")
    with server(port) as url:
        page = opened(chromium, url, run, "keys")
        page.locator("[role=listbox][aria-label='Candidates'] [role=option]").first.focus()
        order = ids(page, "Candidates")
        page.keyboard.press("Space")
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+Space")
        holds(page, 5)
        assert set(book(run).members("keys")) == set(order[:5])
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        page.keyboard.press("Control+z")
        settle(page)
        holds(page, 5)
        assert set(book(run).members("keys")) == set(order[:5])
        proposed = page.locator("[role=listbox][aria-label='Add next'] [role=option]").first
        wanted = str(proposed.get_attribute("data-sample-id"))
        proposed.focus()
        page.keyboard.press("Space")
        holds(page, 6)
        assert wanted in book(run).members("keys") and wanted not in ids(page, "Add next")
        page.get_by_role("button", name="New set").focus()
        page.keyboard.press("Enter")
        field = page.get_by_label("Name", exact=True)
        field.focus()
        page.keyboard.type("x")
        page.keyboard.press("Control+z")
        settle(page)
        page.keyboard.press("Escape")
        holds(page, 6)


def test_no_click_is_lost_and_others_edits_stay(chromium: Browser, run: Run, port: int) -> None:
    """Forty fast clicks while somebody else edits the same set."""
    book(run).create_set("both")
    with server(port) as url:
        page = opened(chromium, url, run, "both")
        order = ids(page, "Candidates")
        theirs = order[50:55]
        options = page.locator("[role=listbox][aria-label='Candidates'] [role=option]")
        for place in range(40):
            options.nth(place).click(no_wait_after=True)
            if place == 20:
                book(run, "ann").add("both", theirs)
        holds(page, 45)
        assert set(book(run).members("both")) == {*order[:40], *theirs} == ticked(page)


def shown(page: Page) -> int:
    """How many images the panel says the set holds."""
    label = page.locator(".st-key-accuracies [data-testid=stMetricLabel]").first
    return int(label.inner_text().split()[0]) if label.count() else 0


def test_what_is_acknowledged_outlives_a_kill(chromium: Browser, run: Run, port: int) -> None:
    """Two hundred edits as fast as they can be clicked; the server is killed while they come in, and started again."""
    mine, acknowledged = book(run), 0
    mine.create_set("fast")
    with server(port) as url:
        page = opened(chromium, url, run, "fast")
        order, states = ids(page, "Candidates"), [set[str]()]  # what the set holds after so many clicks
        states += itertools.accumulate(({order[place]} for place in PLACES), set.__xor__)
        options = page.locator("[role=listbox][aria-label='Candidates'] [role=option]")
        for place in PLACES[:100]:
            options.nth(place).click(no_wait_after=True)
            acknowledged = next(p for p in range(acknowledged, 101) if len(states[p]) == shown(page))
        stored = set(mine.members("fast"))
    held = set(mine.members("fast"))
    done = max(p for p, state in enumerate(states[:101]) if state == held)  # nothing but what was clicked, in order
    assert done >= max(acknowledged, states.index(stored)) > 0
    page.close()
    with server(port) as url:
        page = opened(chromium, url, run, "fast")
        holds(page, len(held))
        assert ticked(page) == held
        options = page.locator("[role=listbox][aria-label='Candidates'] [role=option]")
        for place in PLACES[done:]:
            options.nth(place).click(no_wait_after=True)
        holds(page, 20)
        assert set(mine.members("fast")) == states[200] == ticked(page)


def test_a_tab_left_open_does_not_repeat_what_was_undone(chromium: Browser, run: Run, port: int) -> None:
    book(run).create_set("open")
    with server(port) as url:
        page = opened(chromium, url, run, "open")
        options = page.locator("[role=listbox][aria-label='Candidates'] [role=option]")
        options.nth(0).click()
        holds(page, 1)
        options.nth(1).click()
        holds(page, 2)
        page.get_by_role("button", name="Undo").click()
        holds(page, 1)
        held = book(run).members("open")
    with server(port):
        options.nth(2).click()  # the tab finds the server again by itself, and then says this
        expect(page.get_by_text("2 images alone", exact=True)).to_be_visible(timeout=60_000)
        assert book(run).members("open") == [*held, ids(page, "Candidates")[2]]


def test_strategies_and_a_set_of_one(chromium: Browser, run: Run, port: int) -> None:
    OUTPUT.mkdir(exist_ok=True)
    page = fresh(chromium, "dark", 800)
    with server(port) as url:
        page.goto(f"{url}/summaries?run={run.id}")
        settle(page)
        page.get_by_role("button", name="Compare strategies").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Choose for a budget")).to_be_visible(timeout=240_000)
        settle(page)
        page.screenshot(path=OUTPUT / "strategies.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name="Make a set of it").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Look at it by hand").click()
        ready(page)
        made = book(run).sets()[0]
        holds(page, made.size)
        assert "set=" in page.url and "tab=By+hand" in page.url
        page.get_by_role("button", name="Take away").click()
        with page.expect_download() as file:
            page.get_by_role("button", name="Ids and scores, CSV").click()
        table = pd.read_csv(file.value.path(), dtype={"sample_id": str})
        assert table["sample_id"].tolist() == book(run).members(made.name)
        assert "functional_information" in table
        page.get_by_role("tab", name="Compare").focus()
        page.keyboard.press("Escape")
        page.get_by_role("tab", name="Compare").click()
        page.get_by_role("button", name="Beside").first.click()
        expect(page.get_by_text("Shared images")).to_be_visible()
        page.screenshot(path=OUTPUT / "compared.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("tab", ["Strategies", "By hand", "Compare"])
def test_every_tab_opened_first(chromium: Browser, run: Run, port: int, tab: str, width: int, theme: str) -> None:
    book(run).create_set("a", run.samples["sample_id"][:9])
    page = fresh(chromium, theme, width)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    with server(port) as url:
        page.on(
            "request", lambda r: problems.append(r.url) if not r.url.startswith((url, "ws", "data", "blob")) else None
        )
        page.goto(f"{url}/summaries?tab={tab.replace(' ', '+')}")
        settle(page)
        if tab == "By hand":
            ready(page)
        page.wait_for_timeout(1000)
        page.screenshot(path=OUTPUT / f"summaries-{tab.replace(' ', '-').lower()}-{theme}-{width}.png")
        assert problems == [] and page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
