"""The pages of a run with 50,000 training images, without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import figures, store
from sampleinfo.store import Run
from sampleinfo.ui import map_picture
from sampleinfo.ui.explore import in_order
from sampleinfo.ui.tables import LINES
from tests.large_run import enlarge
from tests.test_pages import opened, texts

TRAIN, VALIDATION = 50_000, 30


@pytest.fixture(scope="module")
def large_run(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run without a kernel, 50,000 training images of ten classes and two sources."""
    return enlarge(small_run, tmp_path_factory.mktemp("large") / "runs" / "large", TRAIN, VALIDATION)


@pytest.fixture(autouse=True)
def home(large_run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store with nothing but that run."""
    folder = large_run.path.parents[1]
    monkeypatch.setenv("SAMPLEINFO_HOME", str(folder))
    return folder


def chart(test: AppTest, place: int = 0) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(test.get("plotly_chart")[place].proto.spec)
    return figure


def sent(test: AppTest) -> list[int]:
    """Bytes of every chart and component that the browser gets."""
    return [element.proto.ByteSize() for kind in ("plotly_chart", "bidi_component") for element in test.get(kind)]


def test_the_browser_gets_a_picture_and_no_points(large_run: Run) -> None:
    test = opened("pages/explore.py", run=large_run.id)
    assert f"All {TRAIN} training images" in texts(test)
    figure = chart(test)
    assert len(figure["layout"]["images"]) == 1 and len(figure["data"]) == 1
    assert figure["data"][0]["x"][0] < large_run.samples["umap_x"].min()
    assert max(sent(test)) < 500_000 and len(sent(test)) > 4


@pytest.mark.parametrize("colour", ["prediction_error", "class_name", "source", "outcome", "meta.hour", "meta.pen"])
def test_every_colour_is_a_picture(large_run: Run, colour: str) -> None:
    test = opened("pages/explore.py", run=large_run.id)
    test.selectbox(key="colour").set_value(colour).run()
    assert not test.exception
    figure = chart(test)
    assert len(figure["layout"]["images"]) == 1 and max(sent(test)) < 500_000
    names = {"class_name": 10, "source": 2, "outcome": 2, "meta.pen": 2}.get(colour, 0)
    assert len(figure["data"]) == 1 + names
    assert ("colorbar" in figure["data"][0]["marker"]) == (names == 0)


def test_a_selection_is_kept_and_drawn(large_run: Run) -> None:
    test = opened("pages/explore.py", run=large_run.id)
    before = chart(test)["layout"]["images"][0]["source"]
    rows = np.flatnonzero(large_run.samples["umap_x"].to_numpy()[:TRAIN] < 0).tolist()
    test.session_state[f"selection-{large_run.id}"] = rows
    test.run()
    assert f"**{len(rows)} selected** of {TRAIN} images" in texts(test)
    assert chart(test)["layout"]["images"][0]["source"] == before  # a picture is laid over it
    test.selectbox(key="colour").set_value("class_name").run()
    assert f"**{len(rows)} selected**" in texts(test) and max(sent(test)) < 500_000
    test.button(key="clear").click().run()
    assert f"All {TRAIN} training images" in texts(test)


def test_a_class_is_filtered(large_run: Run) -> None:
    test = opened("pages/explore.py", run=large_run.id)
    test.multiselect(key=f"filter-{large_run.id}-class_name").set_value(["kind 3"]).run()
    count = int((large_run.samples["class_name"][:TRAIN] == "kind 3").sum())
    assert f"**{count} training images** pass the filter" in texts(test) and not test.exception


def test_validation_images_are_drawn_and_the_other_layout(large_run: Run) -> None:
    test = opened("pages/explore.py", run=large_run.id)
    test.toggle(key="validation").set_value(True).run()
    test.segmented_control(key="layout").set_value("pca").run()
    assert not test.exception and len(chart(test)["layout"]["images"]) == 1
    assert chart(test)["data"][0]["x"][0] < large_run.samples["pca_x"].min()


def test_the_filter_hears_of_a_new_table(large_run: Run) -> None:
    path = large_run.path / store.SAMPLES
    before = path.read_bytes()
    try:
        large_run.samples.assign(**{"meta.ink": np.where(np.arange(TRAIN + VALIDATION) % 2, "a", "b")}).to_parquet(path)
        test = opened("pages/explore.py", run=large_run.id)
        assert test.multiselect(key=f"filter-{large_run.id}-meta.ink").options == ["a", "b"]
    finally:
        path.write_bytes(before)


def test_a_long_list_of_problems_has_pages(large_run: Run) -> None:
    count = LINES + 20
    table = pd.DataFrame({"kind": "left out", "image": [f"{n}.png" for n in range(count)], "reason": "no image"})
    store.write_problems(large_run.path, table)
    try:
        test = opened("pages/explore.py", run=large_run.id)
        assert [len(each.value) for each in test.dataframe] == [LINES]
    finally:
        (large_run.path / store.PROBLEMS).unlink()


def test_orders_are_those_of_pandas(large_run: Run) -> None:
    rows = np.random.default_rng(0).permutation(TRAIN + VALIDATION)[:5000]
    for order, column, ascending in (
        ("high", "influence", False),
        ("low", "influence", True),
        ("class", "class_name", True),
    ):
        wanted = large_run.samples.iloc[rows].sort_values(column, ascending=ascending, kind="stable").index
        np.testing.assert_array_equal(in_order(large_run, rows, "influence", order), wanted)


HOME = figures.Window((0.0, 10.0), (0.0, 5.0), 600, 300)


def said(monkeypatch: pytest.MonkeyPatch, **message: object) -> None:
    monkeypatch.setattr(map_picture, "st", SimpleNamespace(session_state={"map-picture": message}))


def view(**changes: object) -> dict[str, object]:
    return {"x": [1, 2], "y": [3, 4], "width": 500, "height": 250, "ratio": 1.0, "token": "run umap", **changes}


def test_what_is_looked_at_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    said(monkeypatch, view=view())
    window = map_picture.window_of("map", "run umap", HOME)
    assert (window.x, window.y, window.width, window.height, window.sharpness) == ((1, 2), (3, 4), 500, 250, 1.5)
    other = map_picture.window_of("map", "run pca", HOME)  # another map: only the pixels are the same
    assert (other.x, other.y, other.width) == (HOME.x, HOME.y, 500)
    said(monkeypatch, view=view(x=[-1, 11], y=[-1, 6], ratio=3))
    whole = map_picture.window_of("map", "run umap", HOME)
    assert (whole.x, whole.y, whole.sharpness) == (HOME.x, HOME.y, 2.0)


@pytest.mark.parametrize(
    "changes", [{"x": [2, 1]}, {"x": [1]}, {"y": ["a", 2]}, {"width": 1e9}, {"ratio": float("nan")}, {"x": None}]
)
def test_what_makes_no_sense_is_not_heard(monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    said(monkeypatch, view=view(**changes))
    assert map_picture.window_of("map", "run umap", HOME) == HOME


def test_clicks_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.array([[0.0, 0.0], [1.0, 1.0]])
    said(monkeypatch, click={"at": [0.9, 1.0], "unit": [0.02, 0.02]})
    assert map_picture.clicked("map", places) == 1 and not map_picture.cleared("map")
    said(monkeypatch, click={"at": [0.5, 0.5], "unit": [0.02, 0.02]})
    assert map_picture.clicked("map", places) is None
    said(monkeypatch, click={"clear": True})
    assert map_picture.cleared("map") and map_picture.clicked("map", places) is None
    said(monkeypatch, click={"at": [0.9, 1.0], "unit": [0, 0]})
    assert map_picture.clicked("map", places) is None


def test_a_long_table_has_pages_and_can_be_taken_away_whole() -> None:
    def page() -> None:
        import pandas as pd
        import streamlit as st

        from sampleinfo.ui.tables import LINES, page_of, pages

        for lines, key in ((2 * LINES + 3, "long"), (LINES, "short")):
            table = pd.DataFrame({"line": range(lines)})
            st.dataframe(page_of(table, key))
            pages(table, key)

    test = AppTest.from_function(page).run()
    assert not test.exception and [len(each.value) for each in test.dataframe] == [LINES, LINES]
    assert [each.proto.label for each in test.get("download_button")] == [f"All {2 * LINES + 3} lines (CSV)"]
    test.session_state["long-page"] = 3
    assert test.run().dataframe[0].value["line"].tolist() == [2 * LINES, 2 * LINES + 1, 2 * LINES + 2]
