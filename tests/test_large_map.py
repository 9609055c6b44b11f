"""Maps of very many images: the picture shows what points would, and a lasso finds what it finds on points."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from PIL import Image
from plotly.colors import sample_colorscale

from sampleinfo import figures
from sampleinfo.figures import raster, raster_maps, raster_parts
from sampleinfo.figures.raster import FAINT, MOST_COLOURS, Points, Window
from sampleinfo.store import Run
from sampleinfo.ui import map_hover, map_select, rings
from tests.large_run import enlarged


def decoded(source: str) -> np.ndarray:
    """(rows, columns, 4) of a picture."""
    kind, _, data = source.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def at(image: np.ndarray, window: Window, place: np.ndarray) -> np.ndarray:
    """The pixel where the axes of a chart put a place."""
    x = (place[0] - window.x[0]) / (window.x[1] - window.x[0]) * image.shape[1]
    y = (window.y[1] - place[1]) / (window.y[1] - window.y[0]) * image.shape[0]
    return np.asarray(image[int(y), int(x)])


def spots(*places: tuple[float, float], codes: tuple[int, ...], rule: Any = "largest", colours: int = 3) -> Points:
    shades = np.array([[200, 10 * number, 40] for number in range(colours)], dtype=np.uint8)
    return Points(np.array(places, dtype=float), np.array(codes), shades, rule)


SQUARE = Window((0.0, 10.0), (0.0, 5.0), 200, 100, 1.0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.3, 9.7), st.floats(0.3, 4.7)), min_size=1, max_size=4), st.sampled_from([1, 1.5, 2])
)
def test_points_are_where_the_axes_put_them(places: list[tuple[float, float]], sharpness: float) -> None:
    window = Window(SQUARE.x, SQUARE.y, 200, 100, sharpness)
    points = spots(*places, codes=(2,) * len(places))
    image = decoded(raster.picture(points, None, window))
    assert image.shape == (round(100 * sharpness), round(200 * sharpness), 4)
    for place in points.places:
        assert at(image, window, place).tolist() == [200, 10, 40, 255]
    rows, columns = np.nonzero(image[..., 3])
    centres = np.column_stack([(columns + 0.5) / image.shape[1] * 10, 5 - (rows + 0.5) / image.shape[0] * 5])
    distance = np.linalg.norm((centres[:, None] - points.places) * 20, axis=2).min(axis=1)
    assert distance.max() < raster.LARGEST / 2 + 3  # pixels on screen: a disc and its line


def test_a_pixel_shows_the_largest_value() -> None:
    generator = np.random.default_rng(0)
    places, codes = generator.uniform((0, 0), (10, 5), (4000, 2)), generator.integers(1, MOST_COLOURS + 1, 4000)
    window = Window(SQUARE.x, SQUARE.y, 60, 30, 1.0)
    points = Points(places, codes, np.zeros((MOST_COLOURS, 3), dtype=np.uint8), "largest")
    shown = raster.indices(points, None, window).astype(int)
    inside, pixels = window.pixels(places)
    assert inside.all()
    best = np.zeros(60 * 30, dtype=int)
    for pixel, code in zip(pixels, codes, strict=True):
        best[pixel] = max(best[pixel], code)
    reach = raster.diameter(4000) / 2
    rows, columns = np.divmod(np.arange(60 * 30), 60)
    for pixel in range(0, 60 * 30, 7):
        near = (rows - rows[pixel]) ** 2 + (columns - columns[pixel]) ** 2 <= reach**2
        wanted = best[near].max()
        assert shown.ravel()[pixel] == (raster.FIRST + wanted - 1 if wanted else shown.ravel()[pixel])
        assert wanted or shown.ravel()[pixel] in (raster.EMPTY, raster.OUTLINED)


def test_a_pixel_shows_the_commonest_category() -> None:
    same = [(2.0, 2.0)] * 3 + [(2.0, 2.0)] * 2 + [(7.0, 2.0)] * 2
    points = spots(*same, codes=(3, 3, 3, 1, 1, 2, 1), rule="commonest")
    image = decoded(raster.picture(points, None, SQUARE))
    assert at(image, SQUARE, np.array([2.0, 2.0])).tolist() == [200, 20, 40, 255]
    assert at(image, SQUARE, np.array([7.0, 2.0])).tolist() == [200, 0, 40, 255]  # equally common: the first


def test_more_categories_than_colours_repeat_them() -> None:
    points = spots((1.0, 1.0), (5.0, 1.0), codes=(250, 251), rule="commonest", colours=10)
    image = decoded(raster.picture(points, None, SQUARE))
    assert at(image, SQUARE, np.array([1.0, 1.0]))[1] == 90 and at(image, SQUARE, np.array([5.0, 1.0]))[1] == 0


def test_what_is_not_selected_fades_below_what_is() -> None:
    points = spots((2.0, 2.0), (2.0, 2.0), (7.0, 2.0), (9.0, 4.0), codes=(1, 3, 2, 0))
    image = decoded(raster.picture(points, np.array([True, False, False, False]), SQUARE))
    assert at(image, SQUARE, np.array([2.0, 2.0])).tolist() == [200, 0, 40, 255]
    assert at(image, SQUARE, np.array([7.0, 2.0])).tolist() == [200, 10, 40, FAINT]
    assert at(image, SQUARE, np.array([9.0, 4.0])).tolist() == [*raster.GREY, FAINT]
    none = decoded(raster.picture(points, np.zeros(4, dtype=bool), SQUARE))
    assert none[..., 3].max() == FAINT


def test_one_selected_among_many_is_large() -> None:
    generator = np.random.default_rng(1)
    points = Points(
        generator.uniform(0, 1, (60_000, 2)), np.ones(60_000, dtype=np.int64), np.full((1, 3), 9), "largest"
    )
    window, bright = Window((0.0, 1.0), (0.0, 1.0), 400, 400, 1.0), np.arange(60_000) == 7
    assert (raster.indices(points, bright, window) == raster.FIRST).sum() > 40


def test_places_that_are_nowhere_are_not_drawn() -> None:
    points = spots((np.nan, 1.0), (np.inf, 2.0), (30.0, 2.0), codes=(1, 1, 1))
    assert not raster.indices(points, None, SQUARE).any()
    assert raster.whole(points.places[:1]).x == (-0.03, 1.03)
    alone = raster.whole(np.array([[3.0, 4.0]]))
    assert alone.x == (2.5, 3.5) and alone.y == (3.5, 4.5)


@pytest.fixture(scope="module")
def samples(small_run: Run) -> pd.DataFrame:
    """2000 training and 100 validation images of a run."""
    return enlarged(small_run.samples, 2000, 100)


def test_colours_are_those_of_the_bar(samples: pd.DataFrame) -> None:
    rows = np.arange(2000)
    drawing = raster_maps.score_drawing(samples, rows, "umap", "functional_information", "F-SI, nats", "log")
    home = raster.whole(drawing.points.places)
    figure = figures.raster_map(drawing, None, home, home)
    scatter = figures.score_map(samples, rows, "umap", "functional_information", "F-SI, nats", "log", ())
    marker, before = figure.data[0].marker, scatter.data[0].marker
    assert (marker.cmin, marker.cmax) == (before.cmin, before.cmax) and marker.opacity == 0
    assert marker.colorbar.to_plotly_json() == before.colorbar.to_plotly_json()
    assert marker.colorscale == before.colorscale
    shares = np.clip((before.color - before.cmin) / (before.cmax - before.cmin), 0, 1)
    wanted = 255 * np.array(sample_colorscale("Viridis", shares.tolist(), colortype="tuple"))
    got = drawing.points.colours[drawing.points.codes - 1]
    assert np.abs(got - wanted).max() < 4  # of 255: 120 steps
    np.testing.assert_allclose(
        drawing.points.places, np.column_stack([scatter.data[0].x, scatter.data[0].y]), rtol=1e-5
    )


def test_the_picture_is_on_the_axes(samples: pd.DataFrame) -> None:
    drawing = raster_maps.category_drawing(samples, np.arange(2100), "pca", "class_name")
    home = raster.whole(drawing.points.places, 300, 200, 1.0)
    part = Window((0.0, 4.0), (-2.0, 2.0), 300, 200, 1.0)
    figure = figures.raster_map(drawing, None, part, home)
    image, ends = figure.layout.images[0], figure.data[0]
    assert (image.x, image.y) == (home.x[0], home.y[1])
    assert (image.x + image.sizex, image.y - image.sizey) == pytest.approx((home.x[1], home.y[0]))
    assert list(ends.x) == list(home.x) and list(ends.y) == list(home.y)
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == (part.x, part.y)
    shown = decoded(image.source)
    rows = np.flatnonzero((samples["class_name"] == "kind 4").to_numpy())
    colours = {tuple(at(shown, home, place)[:3]) for place in drawing.points.places[rows]}
    assert tuple(drawing.points.colours[4]) in colours
    assert [trace.name for trace in figure.data[1:]] == [f"kind {number}" for number in range(10)]
    assert sum(len(trace.x) for trace in figure.data) < 20


def test_validation_images_have_no_value_and_are_grey(samples: pd.DataFrame) -> None:
    drawing = raster_maps.score_drawing(samples, np.arange(2100), "umap", "functional_information", "F-SI", "linear")
    assert (drawing.points.codes == 0).sum() == 100 and (drawing.points.codes[2000:] == 0).all()


def test_a_preview_of_many_images_is_a_picture(samples: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not figures.preview_map(samples).layout.images
    monkeypatch.setattr(raster_maps, "RASTER_FROM", 1000)
    figure = figures.preview_map(samples)
    assert len(figure.layout.images) == 1 and figure.layout.height == 320


@pytest.mark.parametrize("draw", ["source_map", "source_panels"])
def test_maps_of_sources_are_pictures(samples: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, draw: str) -> None:
    rows = [np.flatnonzero((samples["source"] == name).to_numpy()) for name in ("pen", "tablet")]
    before = getattr(figures, draw)(samples, rows, ["pen", "<b>"], "umap", [0, 1])
    monkeypatch.setattr("sampleinfo.figures.sources.RASTER_FROM", 1000)
    figure = getattr(figures, draw)(samples, rows, ["pen", "<b>"], "umap", [0, 1])
    assert len(figure.layout.images) == (1 if draw == "source_map" else 2) and not before.layout.images
    assert sum(len(trace.x) for trace in figure.data) <= 6 and figure.layout.height == before.layout.height
    home = raster.whole(raster_maps.places_of(samples, np.arange(2100), "umap"))
    for number, image in enumerate(figure.layout.images):
        assert (image.xref, image.yref) == (("x", "x2")[number], ("y", "y2")[number])
        shown = decoded(image.source)
        own = raster_parts.rgb(["#5588cc", "#bb8800"])[number]
        assert (shown[..., :3] == own).all(axis=-1).any() and image.x == pytest.approx(home.x[0])


def test_the_map_of_groups_is_a_picture_with_the_class_over_it(
    samples: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.flatnonzero((samples["class_name"] == "kind 1").to_numpy()[:2000])
    members = pd.DataFrame({"row": rows, "group": 1 + np.arange(len(rows)) % 2, "nats": 0.1})
    monkeypatch.setattr("sampleinfo.figures.classes.RASTER_FROM", 1000)
    figure = figures.group_map(samples, members, None)
    assert len(figure.layout.images) == 1 and len(figure.data[0].x) == 2
    assert sum(len(trace.x) for trace in figure.data[1:]) == len(rows)
    monkeypatch.setattr("sampleinfo.figures.classes.RASTER_FROM", 100)
    for chosen, names in ((None, ["group 1", "group 2", "others"]), (2, ["group 2", "others"])):
        figure = figures.group_map(samples, members, chosen)
        assert [trace.name for trace in figure.data[1:]] == names and len(figure.layout.images) == 1


def test_distributions_of_many_images_are_thinned_and_stay_the_same() -> None:
    values = np.random.default_rng(2).lognormal(-6, 1, 50_000)
    figure = figures.source_distributions({"pen": values}, "F-SI", "log")
    line, violin = figure.data
    assert len(line.x) == len(violin.x) == 2000
    assert line.y[-1] == 1 and line.x[-1] == pytest.approx(np.log10(values.max()))
    exact = np.searchsorted(np.sort(np.log10(values)), line.x, side="right") / len(values)
    np.testing.assert_allclose(line.y, exact, atol=1e-12)


coordinate = st.floats(-3, 3).map(lambda each: round(each, 3))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=14))
def test_a_lasso_finds_what_matplotlib_finds(corners: list[tuple[float, float]]) -> None:
    places = np.random.default_rng(3).uniform(-3, 3, (400, 2))
    found = map_select.within(places, *zip(*corners, strict=True))
    np.testing.assert_array_equal(found, Outline([*corners, corners[0]]).contains_points(places))
    closed = [*corners, corners[0]]
    np.testing.assert_array_equal(found, map_select.within(places, *zip(*closed, strict=True)))


def test_an_event_has_boxes_and_lassos() -> None:
    places = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [np.nan, 1.0]])
    box = {"xref": "x", "yref": "y", "x": [1.5, 0.5], "y": [0.5, 1.5]}
    lasso = {"x": [1.5, 2.5, 2.5, 1.5], "y": [1.5, 1.5, 2.5, 2.5]}
    event: dict[str, Any] = {"selection": {"points": [], "box": [box], "lasso": [lasso]}}
    assert map_select.selected_places(event, places).tolist() == [False, True, True, False]
    event["selection"]["box"] = []
    assert map_select.selected_places(event, places).tolist() == [False, False, True, False]
    assert not map_select.selected_places(None, places).any()
    assert not map_select.selected_places({"selection": {}}, places).any()


def test_a_click_finds_the_nearest_on_screen() -> None:
    places = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 0.0]])
    assert map_select.nearest(places, (0.6, 0.0), (0.1, 0.1), 10) == 1
    assert map_select.nearest(places, (0.4, 3.0), (0.1, 1.0), 10) == 0  # a pixel is ten times as high as it is wide
    assert map_select.nearest(places, (0.6, 0.0), (0.01, 0.01), 10) is None
    assert map_select.nearest(places[:0], (0.6, 0.0), (0.01, 0.01), 10) is None


def test_the_pointer_is_told_of_the_nearest_image(samples: pd.DataFrame) -> None:
    x, y = (float(samples[f"umap_{axis}"].iloc[5]) for axis in "xy")
    said = {"at": [x, y], "unit": [1e-6, 1e-6], "number": 12}
    tip = map_hover.tip_at(samples, "umap", ("train",), "functional_information", "F-SI", said)
    assert tip is not None and tip["number"] == 12 and (tip["x"], tip["y"]) == (x, y)
    value = figures.short(float(samples["functional_information"].iloc[5]), 3)
    assert tip["lines"][0] == "img-000005" and tip["lines"][-1] == f"F-SI: {value}"
    assert map_hover.tip_at(samples, "umap", ("validation",), "outcome", "", said) is None
    assert map_hover.tip_at(samples, "umap", ("train",), "outcome", "", {"at": "here"}) is None
    outcome = map_hover.tip_at(samples, "umap", ("train",), "outcome", "", said)
    assert outcome is not None and outcome["lines"][-1] in ("right", "wrong")


def test_rings_of_very_many_images_are_thinned() -> None:
    places = np.random.default_rng(4).uniform(0, 1, (50_000, 2))
    window = raster.whole(places)
    few = rings.thinned(places, window)
    assert len(few) <= (window.width // rings.APART + 1) * (window.height // rings.APART + 1)
    assert len(rings.thinned(places[:100], window)) == 100
    step = np.array([window.x[1] - window.x[0], window.y[1] - window.y[0]]) / [window.width, window.height]
    for place in places[::500]:
        assert (np.abs((few - place) / step) <= 1.1 * rings.APART).all(axis=1).any()
