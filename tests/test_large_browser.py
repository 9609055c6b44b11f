"""Explore with 50,000 training images, in Chromium: quick, and all that the map with points can do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sampleinfo.store import Run
from sampleinfo.ui.map_select import within
from tests.browsing import OUTPUT, free_port, fresh, ids, server, settle
from tests.large_run import enlarge

pytestmark = pytest.mark.browser
TRAIN = 50_000
#: Seconds wanted on a machine of one's own, and how many times as long a busy one may take.
MAP, GALLERY, PATIENCE = 3.0, 1.0, 4.0


@pytest.fixture(scope="module")
def large_run(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return enlarge(small_run, tmp_path_factory.mktemp("large") / "runs" / "large", TRAIN, 30)


@pytest.fixture(scope="module")
def address(large_run: Run) -> Iterator[str]:
    """Explore of that run, on a server that has shown it before."""
    with server(free_port(), large_run.path.parents[1]) as url:
        yield f"{url}/explore?run={large_run.id}"


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    page = fresh(chromium)
    page.goto(address)
    shown(page)
    settle(page)
    yield page
    page.close()


def shown(page: Page) -> None:
    """The map is there, and there are images in the gallery."""
    page.locator(".st-key-map .imagelayer image").first.wait_for(state="attached")
    page.locator(".st-key-map .nsewdrag").first.wait_for()
    page.locator("[role=listbox][aria-label='Images'] [role=option]").first.wait_for()


def axes(page: Page) -> tuple[list[float], list[float]]:
    x, y = page.evaluate(
        "(() => {const l = document.querySelector('.st-key-map .js-plotly-plot')._fullLayout; "
        "return [[...l.xaxis.range], [...l.yaxis.range]]})()"
    )
    return x, y


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """The pixel of the page where the map has these coordinates."""
    box = area(page).bounding_box()
    assert box is not None
    (left, right), (low, high) = axes(page)
    return box["x"] + box["width"] * (x - left) / (right - left), box["y"] + box["height"] * (high - y) / (high - low)


def area(page: Page) -> Locator:
    return page.locator(".st-key-map .nsewdrag").first


def lasso(page: Page, corners: np.ndarray) -> None:
    points = [place(page, *corner) for corner in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in [*points[1:], points[0]]:
        page.mouse.move(*point, steps=2)
    page.mouse.up()


def selected(page: Page) -> int:
    text = page.get_by_text(re.compile(r"^\d+ selected of")).first.inner_text()
    return int(text.split()[0])


def over(page: Page) -> str:
    """The picture that is laid over the map."""
    return page.locator(".st-key-map g.raster image").first.get_attribute("href") or ""


def test_map_lasso_and_gallery_are_quick(chromium: Browser, address: str, large_run: Run, page: Page) -> None:
    OUTPUT.mkdir(exist_ok=True)
    again = page.context.new_page()
    started = time.perf_counter()
    again.goto(address)
    shown(again)
    assert time.perf_counter() - started < PATIENCE * MAP
    page.close()
    settle(again)
    assert again.locator("[role=option]").count() < 300
    fetched = again.evaluate(
        "performance.getEntriesByType('resource').filter((each) => each.name.includes('/static/') && "
        "each.name.endsWith('.jpg')).map((each) => each.decodedBodySize)"
    )
    assert 1 <= len(fetched) <= 6 and sum(fetched) < 1_000_000  # thumbnails, whatever the places of their images
    samples = large_run.samples[:TRAIN]
    (left, right), (low, high) = axes(again)
    corners = np.array([[0.1, 0.1], [0.55, 0.15], [0.5, 0.9], [0.12, 0.8]]) * [right - left, high - low] + [left, low]
    lasso(again, corners)
    started = time.perf_counter()
    again.get_by_role("button", name="Clear selection").wait_for()
    assert time.perf_counter() - started < PATIENCE * GALLERY
    settle(again)
    inside = within(samples[["umap_x", "umap_y"]].to_numpy(), *corners.T.tolist())
    assert selected(again) == pytest.approx(inside.sum(), rel=0.03)  # corners are whole pixels
    shown_ids = ids(again, "Images")
    assert len(shown_ids) == 200 and set(shown_ids) <= set(
        samples["sample_id"][within(samples[["umap_x", "umap_y"]].to_numpy(), *grown(corners).T.tolist())]
    )
    assert over(again).startswith("data:image/png")
    again.screenshot(path=OUTPUT / "large-lasso.png")
    again.get_by_role("button", name="Clear selection").click()
    expect(again.get_by_text(f"All {TRAIN} training images")).to_be_visible()
    again.locator(".st-key-order").get_by_role("combobox").click()
    again.get_by_role("option", name="Sample id").click()
    settle(again)
    expect(again.get_by_text(f"All {TRAIN} training images")).to_be_visible()
    assert ids(again, "Images")[0] == "img-000000"


def grown(corners: np.ndarray) -> np.ndarray:
    middle = corners.mean(axis=0)
    return np.asarray(middle + 1.02 * (corners - middle))


def test_zoom_point_click_and_colours(page: Page, large_run: Run) -> None:
    """Zoomed in the picture is drawn anew; the pointer is told an image, which a click opens; colours keep the zoom."""
    OUTPUT.mkdir(exist_ok=True)
    samples = large_run.samples[:TRAIN]
    row = int(samples["umap_x"].argmin())  # far from the others
    x, y = (float(samples[f"umap_{axis}"].iloc[row]) for axis in "xy")
    page.mouse.move(*place(page, x, y))
    for _ in range(8):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(60)
    page.locator(".st-key-map g.raster image").first.wait_for(state="attached")
    settle(page)
    (left, right), _ = axes(page)
    assert left < x < right < samples["umap_x"].max()
    name = str(samples["sample_id"].iloc[row])
    spot = place(page, x, y)
    page.mouse.move(spot[0] + 2, spot[1])
    page.mouse.move(*spot)
    expect(page.locator(".tip").first).to_contain_text(name)
    page.screenshot(path=OUTPUT / "large-tip.png")
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text("1 selected of")).to_be_visible()
    assert f"sample={name}" in page.url
    settle(page)
    before, ranges = over(page), axes(page)
    page.get_by_label("Colour", exact=True).click()
    page.get_by_role("option", name="Class", exact=True).click()
    settle(page)
    page.wait_for_function(
        "before => document.querySelector('.st-key-map g.raster image')?.getAttribute('href') !== before", arg=before
    )
    np.testing.assert_allclose(axes(page), ranges)
    expect(page.get_by_text("1 selected of")).to_be_visible()
    page.screenshot(path=OUTPUT / "large-zoomed.png")
    box = area(page).bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 2, box["y"] + 2)
    expect(page.get_by_text(f"All {TRAIN} training images")).to_be_visible()
    page.locator("[data-title='Autoscale']").first.click()
    page.wait_for_function(
        "right => document.querySelector('.st-key-map .js-plotly-plot')._fullLayout.xaxis.range[1] > right",
        arg=float(samples["umap_x"].max()),
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 800])
def test_it_fits_and_is_quiet(chromium: Browser, address: str, theme: str, width: int) -> None:
    page = fresh(chromium, theme, width)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    shown(page)
    settle(page)
    page.screenshot(path=OUTPUT / f"large-{theme}-{width}.png")
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()
