"""Sets of images taken away with corrected labels, read back by the library that each format is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch.utils.data import Subset
from torchvision.datasets import ImageFolder

from sampleinfo import datasets, exports
from sampleinfo.errors import InvalidSetting
from sampleinfo.exports import names
from sampleinfo.store import Run
from tests.test_exports import (
    FOLDERS,
    ROWS,
    assert_fiftyone,
    assert_hugging_face,
    assert_inside,
    assert_read_back,
    hostile_table,
    ids,
    run_on,
)


@pytest.fixture(scope="module")
def own_run(own_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On a person's own folder of classes, in which some files are no good."""
    return run_on(tmp_path_factory.mktemp("runs") / "own", own_images)


def other(run: Run, row: int) -> str:
    """The class, of two, that an image has not."""
    return next(each for each in run.meta["dataset"]["class_names"] if each != run.samples["class_name"].iloc[row])


def corrected_run(run: Run, labels: Mapping[str, str]) -> Run:
    """The run as if its data set had had these labels, to compare what is read back with."""
    table = run.samples.copy()
    pairs = zip(table["sample_id"], table["class_name"], strict=True)
    table["class_name"] = [labels.get(name, given) for name, given in pairs]
    names = run.meta["dataset"]["class_names"]
    table["label"] = [names.index(each) for each in table["class_name"]]
    again = Run(run.path, run.meta)
    vars(again)["samples"] = table
    return again


@pytest.fixture
def fixed(own_run: Run) -> tuple[Run, list[int], dict[str, str]]:
    """A run, rows of it, and labels: two of them corrected, one confirmed, one of an image outside, one unheard of."""
    rows = [50, 1, 33, 31, 2]
    names = ids(own_run, [50, 2, 1, 7])
    labels = {names[0]: "one", names[1]: "seven <b>", names[2]: "one", names[3]: "seven <b>", "elsewhere": "nonsense"}
    assert exports.touching(own_run, np.array(rows), labels) == {names[0]: "one", names[1]: "seven <b>"}
    return own_run, rows, labels


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_tables_hold_corrected_labels(fixed: tuple[Run, list[int], dict[str, str]], tmp_path: Path, kind: str) -> None:
    run, rows, labels = fixed
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": pd.read_json}[kind]
    assert exports.take_away(run, rows, tmp_path / f"set.{kind}", labels=labels) == 5
    table, wanted = read(tmp_path / f"set.{kind}"), corrected_run(run, labels).samples.iloc[rows]
    given = run.samples.iloc[rows]
    assert list(table.columns[:6]) == ["sample_id", "path", "label", "class_name", "given_class_name", "source"]
    assert list(table["class_name"]) == list(wanted["class_name"]) != list(given["class_name"])
    assert list(table["label"]) == list(wanted["label"])
    assert list(table["given_class_name"]) == list(given["class_name"])
    assert list(table["functional_information"]) == pytest.approx(list(given["functional_information"]))
    exports.take_away(run, rows, tmp_path / f"given.{kind}")
    outside = {name: label for name, label in labels.items() if name not in ids(run, [50, 2])}
    exports.take_away(run, rows, tmp_path / f"same.{kind}", labels=outside)
    assert (tmp_path / f"same.{kind}").read_bytes() == (tmp_path / f"given.{kind}").read_bytes()
    assert "given_class_name" not in read(tmp_path / f"given.{kind}")


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_are_of_corrected_classes(
    fixed: tuple[Run, list[int], dict[str, str]], tmp_path: Path, kind: str
) -> None:
    run, rows, labels = fixed
    exports.take_away(run, rows, tmp_path / "set", kind, labels=labels)
    assert_read_back(corrected_run(run, labels), rows, tmp_path / "set")
    table = pd.read_csv(tmp_path / "set" / "images.csv")
    assert list(table["given_class_name"]) == list(run.samples["class_name"].iloc[rows])
    moved = table[table["given_class_name"] != table["class_name"]]
    assert [Path(each).parent.name for each in moved["path"]] == ["one", "seven <b>"]
    read = ImageFolder(str(tmp_path / "set"))
    kept = {str(Path(path).relative_to(tmp_path / "set")): read.classes[label] for path, label in read.samples}
    assert kept == dict(zip(table["path"], table["class_name"], strict=True))


def test_a_folder_of_one_class_may_become_another(small_run: Run, tmp_path: Path) -> None:
    rows = np.flatnonzero(small_run.samples["class_name"] == "4")[:4].tolist()
    exports.take_away(small_run, rows, tmp_path / "set", "copies", labels=dict.fromkeys(ids(small_run, rows), "9"))
    assert ImageFolder(str(tmp_path / "set")).classes == ["9"]
    table = pd.read_csv(tmp_path / "set" / "images.csv", dtype=str)
    assert set(table["class_name"]) == {"9"} and set(table["given_class_name"]) == {"4"}


def test_other_formats_hold_corrected_labels(fixed: tuple[Run, list[int], dict[str, str]], tmp_path: Path) -> None:
    import datasets as hub

    run, rows, labels = fixed
    right = corrected_run(run, labels)
    given = list(run.samples["class_name"].iloc[rows])
    exports.take_away(run, rows, tmp_path / "set.parquet", "hugging-face", labels=labels)
    assert_hugging_face(right, rows, tmp_path / "set.parquet", tmp_path / "cache")
    read = hub.Dataset.from_parquet(str(tmp_path / "set.parquet"), cache_dir=str(tmp_path / "again"))
    assert read["given_class_name"][:] == given
    own = datasets.read(str(tmp_path / "set.parquet"))
    assert [own.class_names[label] for label in own.labels] == list(right.samples["class_name"].iloc[rows])
    exports.take_away(run, rows, tmp_path / "fiftyone", "fiftyone", labels=labels)
    assert_fiftyone(right, rows, tmp_path / "fiftyone")
    assert list(pd.read_csv(tmp_path / "fiftyone" / "samples.csv")["given_class_name"]) == given
    exports.take_away(run, rows, tmp_path / "set.json", "indices", labels=labels)
    chosen = json.loads((tmp_path / "set.json").read_text())
    assert chosen["class_names"] == list(right.samples["class_name"].iloc[rows])
    whole = ImageFolder(chosen["root"])
    there = [whole.classes[label] for _, label in Subset(whole, chosen["indices"])]
    assert there == chosen["given_class_names"] == given
    exports.take_away(run, rows, tmp_path / "set.txt", labels=labels)
    assert (tmp_path / "set.txt").read_bytes() == exports.content(run, rows, "paths")
    assert exports.content(run, rows, "indices", labels) == (tmp_path / "set.json").read_bytes()


def test_cleanlab_gets_corrected_labels(small_run: Run, tmp_path: Path) -> None:
    labels = {name: other(small_run, row) for row, name in zip(ROWS[:2], ids(small_run, ROWS[:2]), strict=True)}
    exports.take_away(small_run, ROWS, tmp_path / "set.csv", "cleanlab", labels=labels)
    exports.take_away(small_run, ROWS, tmp_path / "given.csv", "cleanlab")
    table, before = (pd.read_csv(tmp_path / name, dtype={"class_name": str}) for name in ("set.csv", "given.csv"))
    assert list(table["given_label"] != before["given_label"]) == [True, True, False, False, False]
    assert list(table["class_name"][:2]) == list(labels.values())
    assert list(table["given_class_name"].astype(str)) == list(before["class_name"])
    columns = [each for each in table if each.startswith("probability_")]
    assert np.array_equal(table[columns], before[columns]), "left out, an image does not speak of its own label"


def test_hostile_classes_stay_inside_where_labels_move(tmp_path: Path) -> None:
    run = run_on(tmp_path / "run", hostile_table(tmp_path / "data"))
    classes = run.meta["dataset"]["class_names"]
    labels = (run.samples["label"].to_numpy() + 1) % len(classes)
    turned = {name: classes[label] for name, label in zip(ids(run, range(24)), labels, strict=True)}
    exports.take_away(run, range(24), tmp_path / "set", "copies", labels=turned)
    read = ImageFolder(str(tmp_path / "set"))
    assert_inside(tmp_path / "set")
    table = pd.read_csv(tmp_path / "set" / "images.csv", keep_default_na=False)
    assert dict(zip(table["sample_id"], table["class_name"], strict=True)) == turned
    assert len(read.classes) == len(classes)
    folders = dict(zip(classes, names.distinct(classes), strict=True))
    assert [Path(each).parent.name for each in table["path"]] == [folders[each] for each in table["class_name"]]


def test_a_class_that_the_run_does_not_have_is_named(small_run: Run, tmp_path: Path) -> None:
    name, away = ids(small_run, [3, 4])
    sentence = rf"image '{name}' was relabelled as '7', a class that .* \(it has 4, 9\)"
    for kind in exports.FORMATS.values():
        with pytest.raises(InvalidSetting, match=sentence):
            exports.take_away(small_run, ROWS, tmp_path / f"set{kind.ending}", kind.name, labels={name: "7"})
    assert not list(tmp_path.iterdir())
    assert exports.take_away(small_run, ROWS, tmp_path / "set.csv", labels={away: "7"}) == 5
