"""Pictures that a run keeps: the thumbnail of every image, wherever it stands, and the sheets that browsers fetch."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sampleinfo import pictures, store
from sampleinfo.pictures import GROUP, SHEET_SIDE, TILE, Kept
from sampleinfo.store import Run
from sampleinfo.ui import media

COUNT = 2 * GROUP + 5


def colour(row: int) -> np.ndarray:
    """A colour of its own for every row."""
    return np.array([40 + row, 255 - row, 3 * row % 200], dtype=np.uint8)


def plain(value: np.ndarray) -> np.ndarray:
    return np.broadcast_to(value, (TILE, TILE, 3)).copy()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures.write((Kept(pictures._tile(plain(colour(row))), b"", row, row) for row in range(COUNT)), tmp_path)
    return tmp_path


def tiles(packed: bytes, count: int) -> list[np.ndarray]:
    sheet = np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))
    places = [divmod(place, SHEET_SIDE) for place in range(count)]
    return [sheet[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] for y, x in places]


def near(tile: np.ndarray, value: np.ndarray) -> bool:
    return bool(np.abs(tile.astype(int) - value).max() <= 12)


@pytest.mark.parametrize("count", [1, SHEET_SIDE, SHEET_SIDE + 1, 60])
def test_a_sheet_holds_the_images_asked_for_in_their_order(folder: Path, count: int) -> None:
    rows = np.random.default_rng(count).permutation(COUNT)[:count].tolist()
    found = tiles(pictures.sheet(folder, rows), count)
    assert all(near(tile, colour(row)) for row, tile in zip(rows, found, strict=True))
    assert found[0].shape == (TILE, TILE, 3)


def test_some_are_replaced_and_the_others_stay(folder: Path) -> None:
    before = list(pictures.everything(folder))
    other = {0: plain(np.array([255, 0, 0], np.uint8)), GROUP: plain(np.array([0, 0, 255], np.uint8))}
    pictures.replace_some(folder, other)
    after = list(pictures.everything(folder))
    assert [row for row in range(COUNT) if after[row] != before[row]] == [0, GROUP]
    assert [(each.height, each.width) for each in after] == [(row, row) for row in range(COUNT)]
    red, same, blue = tiles(pictures.sheet(folder, [0, 1, GROUP]), 3)
    assert near(red, np.array([255, 0, 0])) and near(same, colour(1)) and near(blue, np.array([0, 0, 255]))
    assert sorted(path.name for path in folder.iterdir()) == [pictures.PICTURES, pictures.THUMBNAILS]


def test_pictures_of_any_shape_are_centred() -> None:
    wide = np.full((10, 20, 3), 200, np.uint8)
    tile = np.asarray(Image.open(io.BytesIO(pictures._tile(wide))).convert("RGB"))
    assert tile.shape == (TILE, TILE, 3)
    assert tile[:12].max() < 30 and tile[-12:].max() < 30 and tile[20:44].min() > 170


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(media, "app_folder", lambda: tmp_path)
    return tmp_path / "static"


def test_sheets_have_addresses_that_last_and_that_nobody_can_guess(small_run: Run, static: Path) -> None:
    first = media.publish(small_run, [3, 1, 2])
    assert media.publish(small_run, np.array([3, 1, 2])) == first  # type: ignore[arg-type]
    assert media.publish(small_run, [1, 2, 3]) != first
    token, name = first.removeprefix("app/static/").split("/")
    assert len(token) >= 32 and (static / token / name).read_bytes() == pictures.sheet(small_run.path, [3, 1, 2])
    assert sorted(path.suffix for path in (static / token).iterdir()) == [".jpg", ".jpg"]
    media.withdraw(small_run)
    assert not (static / token).exists()
    assert media.publish(small_run, [3, 1, 2]) == first and (static / token / name).is_file()


def test_sheets_that_nobody_looks_at_go(small_run: Run, static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MOST", 3)
    made = [static.parent / media.publish(small_run, [row]).removeprefix("app/") for row in range(3)]
    for age, path in enumerate(made):
        os.utime(path, (1000 + age, 1000 + age))
    media.publish(small_run, [0])  # looked at again
    newest = static.parent / media.publish(small_run, [9]).removeprefix("app/")
    assert {path.name for path in newest.parent.iterdir()} == {made[0].name, made[2].name, newest.name}


def test_runs_of_an_earlier_form_are_refused(small_run: Run, tmp_path: Path) -> None:
    shutil.copytree(small_run.path, tmp_path / "old")
    store.write_json(tmp_path / "old" / store.SUMMARY, {**small_run.meta, "format": 1})
    with pytest.raises(store.InvalidRun, match=r"format 1 in run\.json, expected 2\. Compute it again\."):
        store.open_run(tmp_path / "old")
