"""Sets of images taken away, read back by the library that each format is for."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from sampleinfo import datasets, exports, pictures, samples, store, whatif
from sampleinfo.config import RunConfig
from sampleinfo.datasets import Options
from sampleinfo.errors import InvalidData, InvalidSetting, StorageError, UnknownName
from sampleinfo.exports import cleanlab, names, originals
from sampleinfo.settling import find_model
from sampleinfo.store import Run
from sampleinfo.types import Dataset, silent
from tests import fixtures

ROWS = [17, 3, 59, 61, 0]
FOLDERS, FILES = ("copies", "links", "previews"), ("csv", "parquet", "json", "paths", "indices", "hugging-face")


def run_on(folder: Path, reference: str | Path, **settings: Any) -> Run:
    """What exports need of a run on a data set: every readable image of it, with one score."""
    config = RunConfig(datasets.canonical(str(reference)), **settings)
    data = datasets.prepare(config.dataset, Options.of(config), config.classes)
    folder.mkdir()
    table = samples.identity(data).assign(split="train", functional_information=np.arange(len(data)) / 7)
    places = dict.fromkeys(("umap_x", "umap_y", "pca_x", "pca_y", "prediction_error"), 0.0)
    table.assign(**places, predicted=table["class_name"]).to_parquet(folder / store.SAMPLES)
    pictures.make(data, find_model(config).transform.apply, folder, silent, (0, 1))
    facts = {"title": data.name, "class_names": list(data.class_names)}
    return Run(folder, {"config": config.as_dict(), "dataset": facts, "title": data.name})


@pytest.fixture(scope="module")
def own_run(own_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On a person's own folder of classes, in which some files are no good."""
    return run_on(tmp_path_factory.mktemp("runs") / "own", own_images)


def of_files(run: Run, root: Path) -> Run:
    """The same run as if its images had been files in a folder of classes."""
    table, names = run.samples.copy(), []
    for row, class_name in enumerate(table["class_name"].astype(str)):
        names.append(f"{class_name}/{row:03d}.png")
        (root / class_name).mkdir(parents=True, exist_ok=True)
        Image.open(io.BytesIO(run.picture(row)[0])).convert("L").save(root / names[-1])
    table.assign(sample_id=names).to_parquet(run.path / store.SAMPLES)
    meta = {**run.meta, "config": {**run.meta["config"], "dataset": str(root), "classes": []}}
    store.write_json(run.path / store.SUMMARY, meta)
    return store.open_run(run.path)


def ids(run: Run, rows: Sequence[int]) -> list[str]:
    return [str(each) for each in run.samples["sample_id"].iloc[rows]]


def listed(run: Run) -> Dataset:
    config = store.config_of(run)
    return datasets.read(config.dataset, Options.of(config))


def pixels(run: Run, name: str) -> np.ndarray:
    """The original image of an id, in RGB."""
    data = listed(run)
    return fixtures.rgb(data.images[data.sample_ids.index(name)])


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_tables_hold_the_set_in_its_order(small_run: Run, own_run: Run, tmp_path: Path, kind: str) -> None:
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "json": pd.read_json}[kind]
    assert exports.take_away(small_run, ROWS, tmp_path / f"set.{kind}") == len(ROWS)
    table = read(tmp_path / f"set.{kind}")
    wanted = small_run.samples.iloc[ROWS].reset_index(drop=True)
    columns = ["sample_id", "label", "source", "split", *small_run.scores]
    predicted = ["predicted", "prediction_error"]
    assert list(table.columns) == ["sample_id", "path", "label", "class_name", *columns[2:], *predicted]
    pd.testing.assert_frame_equal(table[columns], wanted[columns], check_dtype=False, rtol=1e-13)
    assert table["path"].isna().all() and list(table["class_name"].astype(str)) == list(wanted["class_name"])
    exports.take_away(own_run, [5, 2], tmp_path / f"own.{kind}")
    paths = read(tmp_path / f"own.{kind}")["path"]
    root = Path(store.config_of(own_run).dataset).resolve()
    assert list(paths) == [str(root / name) for name in ids(own_run, [5, 2])] and all(map(os.path.isfile, paths))


def test_paths_are_those_of_the_files(own_run: Run, tmp_path: Path) -> None:
    rows = [40, 7, 3]
    exports.take_away(own_run, rows, tmp_path / "set.txt")
    lines = (tmp_path / "set.txt").read_text().splitlines()
    for line, name in zip(lines, ids(own_run, rows), strict=True):
        assert line.endswith(f"/{name}") and np.array_equal(
            np.asarray(Image.open(line).convert("RGB")), pixels(own_run, name)
        )


@pytest.mark.parametrize("kind", ["paths", "links"])
def test_data_sets_without_files_have_no_paths(small_run: Run, tmp_path: Path, kind: str) -> None:
    sentence = (
        "5 of the 5 images have no file of their own .*do not need one: csv, parquet, json, indices, copies, prev"
    )
    with pytest.raises(InvalidSetting, match=sentence):
        exports.take_away(small_run, ROWS, tmp_path / "set.txt", kind)
    assert not list(tmp_path.iterdir())


def test_indices_count_as_image_folder_does(own_run: Run, tmp_path: Path) -> None:
    rows = [50, 1, 33, 31, 2]
    exports.take_away(own_run, rows, tmp_path / "set.json", "indices")
    chosen = json.loads((tmp_path / "set.json").read_text())
    whole = ImageFolder(chosen["root"])
    assert len(whole) > len(own_run.samples), "ImageFolder lists files that cannot be read; they count"
    subset = Subset(whole, chosen["indices"])
    assert chosen["sample_ids"] == ids(own_run, rows) and len(subset) == len(rows)
    for (picture, label), name in zip(subset, chosen["sample_ids"], strict=True):
        assert np.array_equal(np.asarray(picture), pixels(own_run, name))
        assert whole.classes[label] == own_run.samples.set_index("sample_id")["class_name"][name]


def test_indices_of_other_data_sets_count_what_is_read(small_run: Run, tmp_path: Path) -> None:
    table = run_on(tmp_path / "table", fixtures.manifest(tmp_path, ".csv"), classes=("three", "four"))
    parquet = run_on(tmp_path / "parquet", fixtures.image_parquet(tmp_path / "some.parquet"))
    for number, run in enumerate((small_run, table, parquet)):
        rows = [4, 0, 11]
        exports.take_away(run, rows, tmp_path / f"{number}.json", "indices")
        chosen, data = json.loads((tmp_path / f"{number}.json").read_text()), listed(run)
        assert chosen["order"] == "sampleinfo.datasets.read" and "root" not in chosen
        subset = Subset(data.images, chosen["indices"])  # type: ignore[arg-type]
        names = [data.class_names[data.labels[place]] for place in chosen["indices"]]
        assert names == chosen["class_names"] == list(run.samples["class_name"].iloc[rows])
        for image, name in zip(subset, ids(run, rows), strict=True):
            assert np.array_equal(fixtures.rgb(image), pixels(run, name))


def assert_read_back(run: Run, rows: Sequence[int], folder: Path) -> None:
    """``ImageFolder`` gives every image of the set, with its class; the table beside tells which is which."""
    read, table = ImageFolder(str(folder)), pd.read_csv(folder / "images.csv", dtype={"class_name": str})
    assert list(table["sample_id"]) == ids(run, rows) and len(read) == len(rows)
    known = {str(Path(path).relative_to(folder)): label for path, label in read.samples}
    assert set(known) == set(table["path"])
    for name, path, class_name in table[["sample_id", "path", "class_name"]].itertuples(index=False):
        assert read.classes[known[path]] == names.plain(class_name)
        assert np.array_equal(np.asarray(read.loader(str(folder / path))), pixels(run, name))
    assert_inside(folder)


def assert_inside(folder: Path) -> None:
    entries = list(folder.rglob("*"))
    assert all(len(each.relative_to(folder).parts) <= 2 and not each.name.startswith(".") for each in entries)


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_are_read_by_image_folder(own_run: Run, small_run: Run, tmp_path: Path, kind: str) -> None:
    rows = [50, 1, 33, 31, 2]
    assert exports.take_away(own_run, rows, tmp_path / "set", kind) == 5
    assert_read_back(own_run, rows, tmp_path / "set")
    files = [each for each in (tmp_path / "set").rglob("*") if not each.is_dir() and each.suffix != ".csv"]
    assert all(each.is_symlink() == (kind == "links") for each in files)
    if kind != "previews":
        root = Path(store.config_of(own_run).dataset)
        assert all((root / name).read_bytes() == (tmp_path / "set" / name).read_bytes() for name in ids(own_run, rows))
    if kind != "links":
        exports.take_away(small_run, ROWS, tmp_path / "built-in", kind)
        assert_read_back(small_run, ROWS, tmp_path / "built-in")
        suffixes = {each.suffix for each in (tmp_path / "built-in").rglob("*.*")}
        assert suffixes == {".csv", ".png" if kind == "copies" else ".webp"}


def hostile_table(root: Path) -> Path:
    """Classes and ids that would lead elsewhere, are hidden, too long, or equal once they are cleaned."""
    labels = [
        "../up",
        ".",
        "..",
        "a/b",
        "a_b",
        "A_B",
        "Zoë",
        "Zoe\u0308",
        "x" * 300,
        "x" * 301,
        ".git",
        "nul\u202e",
        "日本",
    ]
    known = [
        "../../etc/passwd",
        "/abs.png",
        "..",
        ".hidden.png",
        "a/b.png",
        "c/b.png",
        "b.PNG",
        "y" * 400,
        "x/" * 40,
        "\u200b",
    ]
    rows = []
    for number, each in enumerate(fixtures.samples()):
        fixtures.write(root / "pictures" / f"{number}.png", each.png)
        name = known[number] if number < len(known) else f"{number}"
        rows.append({"path": f"pictures/{number}.png", "label": labels[number % len(labels)], "sample_id": name})
    pd.DataFrame(rows).to_csv(root / "list.csv", index=False)
    return root / "list.csv"


@pytest.mark.parametrize("kind", FOLDERS)
def test_hostile_names_stay_inside(tmp_path: Path, kind: str) -> None:
    run = run_on(tmp_path / "run", hostile_table(tmp_path / "data"))
    before, rows = {*tmp_path.rglob("*")}, range(len(run.samples))
    exports.take_away(run, rows, tmp_path / "set", kind)
    read = ImageFolder(str(tmp_path / "set"))
    assert len(read) == len(rows) == 24 and len(read.classes) == len(run.meta["dataset"]["class_names"])
    assert_inside(tmp_path / "set")
    assert all((tmp_path / "set") in each.parents for each in {*tmp_path.rglob("*")} - before - {tmp_path / "set"})
    table = pd.read_csv(tmp_path / "set" / "images.csv")
    for name, path in table[["sample_id", "path"]].itertuples(index=False):
        assert np.array_equal(np.asarray(read.loader(str(tmp_path / "set" / path))), pixels(run, name))
    assert table.groupby("class_name")["path"].agg(lambda paths: len({Path(each).parent for each in paths})).eq(1).all()


def test_hostile_names_in_flat_folders_and_parquet(tmp_path: Path) -> None:
    run = run_on(tmp_path / "run", hostile_table(tmp_path / "data"))
    exports.take_away(run, range(24), tmp_path / "fiftyone", "fiftyone")
    assert_fiftyone(run, range(24), tmp_path / "fiftyone")
    exports.take_away(run, range(24), tmp_path / "set.parquet", "hugging-face")
    assert_hugging_face(run, range(24), tmp_path / "set.parquet", tmp_path / "cache")


def test_names_are_distinct_and_plain() -> None:
    found = names.distinct(["a/b", "a_b", "A_b", "é", "e\u0301", "", ".", "..", "x" * 300, "x" * 301, "ok name (1)"])
    assert found[:6] == ["a_b", "a_b-2", "A_b-3", "é", "e\u0301-2", "_"] and found[-1] == "ok name (1)"
    assert len({each.casefold() for each in found}) == len(found)
    assert all(0 < len(each.encode()) <= 220 and "/" not in each and not each.startswith(".") for each in found)
    assert originals.LISTED == IMG_EXTENSIONS


def test_files_that_image_folder_passes_over(tmp_path: Path) -> None:
    root = fixtures.class_folder(tmp_path / "data")
    for each in root.glob("nine/*.png"):
        Image.open(each).convert("L").save(each.with_suffix(".gif"))
        each.unlink()
    run = run_on(tmp_path / "run", root)
    rows = [*np.flatnonzero(run.samples["class_name"] == "nine")[:3].tolist(), 0]
    exports.take_away(run, rows, tmp_path / "set", "copies")
    assert_read_back(run, rows, tmp_path / "set")
    with pytest.raises(InvalidSetting, match=r"passes over \(.gif\); the format 'copies' writes those as PNG"):
        exports.take_away(run, rows, tmp_path / "links", "links")
    with pytest.raises(InvalidData, match=r"3 images of the set .* have no position there"):
        exports.take_away(run, rows, tmp_path / "set.json", "indices")
    exports.take_away(run, [0], tmp_path / "set.json", "indices")


def assert_hugging_face(run: Run, rows: Sequence[int], path: Path, cache: Path) -> None:
    import datasets as hub

    read = hub.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(cache))
    assert (
        isinstance(read.features["image"], hub.Image)
        and read.features["label"].names == run.meta["dataset"]["class_names"]
    )
    wanted = run.samples.iloc[list(rows)]
    assert read["sample_id"][:] == ids(run, list(rows)) and read["label"][:] == wanted["label"].tolist()
    for score in run.scores:
        assert np.array_equal(read[score][:], wanted[score].tolist(), equal_nan=True)
    for one in read:
        assert np.array_equal(np.asarray(one["image"].convert("RGB")), pixels(run, one["sample_id"]))


@pytest.mark.parametrize("which", ["small_run", "own_run"])
def test_hugging_face_reads_images_and_class_names(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    import datasets as hub

    run, path = request.getfixturevalue(which), tmp_path / "set.parquet"
    exports.take_away(run, ROWS, path, "hugging-face")
    assert_hugging_face(run, ROWS, path, tmp_path / "cache")
    again = hub.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "again"))
    assert again.features["label"].int2str(again[0]["label"]) == run.samples["class_name"].iloc[ROWS[0]]
    own = datasets.read(str(path))
    assert list(own.sample_ids) == ids(run, ROWS) and own.class_names == tuple(run.meta["dataset"]["class_names"])


def assert_fiftyone(run: Run, rows: Sequence[int], folder: Path) -> None:
    """As FiftyOne's importer reads it: files of ``data/`` by their names without ending, classes by number."""
    found = json.loads((folder / "labels.json").read_text())
    assert set(found) == {"classes", "labels"} and found["classes"] == run.meta["dataset"]["class_names"]
    files = {each.stem: each for each in (folder / "data").iterdir()}
    assert set(files) == set(found["labels"]) and len(files) == len(rows)
    table = pd.read_csv(folder / "samples.csv", dtype={"uuid": str, "sample_id": str, "class_name": str})
    assert list(table["sample_id"]) == ids(run, list(rows))
    for uuid, name, class_name in table[["uuid", "sample_id", "class_name"]].itertuples(index=False):
        assert found["classes"][found["labels"][uuid]] == class_name
        assert np.array_equal(np.asarray(Image.open(files[uuid]).convert("RGB")), pixels(run, name))


def test_fiftyone_has_the_documented_structure(small_run: Run, own_run: Run, tmp_path: Path) -> None:
    for number, run in enumerate((small_run, own_run)):
        exports.take_away(run, ROWS, tmp_path / str(number), "fiftyone")
        assert_fiftyone(run, ROWS, tmp_path / str(number))


def test_cleanlab_gets_out_of_sample_probabilities(small_run: Run, tmp_path: Path) -> None:
    exports.take_away(small_run, ROWS, tmp_path / "set.csv", "cleanlab")
    table = pd.read_csv(tmp_path / "set.csv")
    assert {"sample_id", "given_label", "class_name", *small_run.scores} <= set(table.columns)
    assert list(table["given_label"]) == small_run.samples["label"].iloc[ROWS].tolist()
    found = table.filter(regex="^probability_").to_numpy()
    fit = whatif.fit_of(small_run)
    for place, row in enumerate(ROWS):
        if row < 60:  # trained again without the image, and asked for it
            others = np.delete(np.arange(60), row)
            coefficients = fit.without([row]).coefficients
            change = fit.problem.gram[row][others] @ coefficients
            assert fit.problem.targets is not None
            output = float((fit.problem.targets - fit.problem.residual)[row, 0] + change)
        else:
            output = float(fit.val_outputs[row - 60, 0])
        assert found[place] == pytest.approx([1 - np.clip(output, 0, 1), np.clip(output, 0, 1)], abs=1e-8)


def test_probabilities_speak_for_the_predicted_class(small_run: Run, along_run: Run) -> None:
    for run in (small_run, along_run):
        classes = np.array(run.meta["dataset"]["class_names"])
        assert list(classes[cleanlab.probabilities(run).argmax(axis=1)]) == list(run.samples["predicted"])


def test_the_nearest_probabilities() -> None:
    outputs = np.random.default_rng(0).normal(0.3, 0.7, (40, 5))
    found = cleanlab.nearest(outputs)
    assert np.allclose(found.sum(axis=1), 1) and (found >= 0).all()
    assert np.array_equal(found.argmax(axis=1), outputs.argmax(axis=1))
    others = np.random.default_rng(1).dirichlet(np.ones(5), 500)
    for one, output in zip(found, outputs, strict=True):
        assert np.linalg.norm(one - output) <= np.linalg.norm(others - output, axis=1).min()


def test_cleanlab_reads_its_table(small_run: Run, tmp_path: Path) -> None:
    filters = pytest.importorskip("cleanlab.filter", reason="cleanlab is not among the requirements")
    exports.take_away(small_run, range(60), tmp_path / "set.csv", "cleanlab")
    table = pd.read_csv(tmp_path / "set.csv")
    table.loc[:2, "given_label"] = 1 - table.loc[:2, "given_label"]
    probabilities = table.filter(regex="^probability_").to_numpy()
    found = filters.find_label_issues(
        table["given_label"].to_numpy(), probabilities, return_indices_ranked_by="self_confidence"
    )
    assert len(found) and set(found) <= {0, 1, 2}


def test_originals_that_are_gone(tmp_path: Path) -> None:
    root = fixtures.class_folder(tmp_path / "data")
    run = run_on(tmp_path / "run", root)
    names_before, gone = ids(run, [2, 9]), root / ids(run, [2])[0]
    fixtures.write(gone, fixtures.samples()[5].png)
    for kind, target in (("copies", "set"), ("hugging-face", "set.parquet"), ("fiftyone", "set")):
        with pytest.raises(InvalidData, match=r"it is another picture by now. The format 'previews' takes the"):
            exports.take_away(run, [9, 2], tmp_path / target, kind)
    gone.unlink()
    with pytest.raises(InvalidData, match="1 of the 2 images are not in data any more"):
        exports.take_away(run, [9, 2], tmp_path / "set", "copies")
    root.rename(tmp_path / "elsewhere")
    for kind in ("copies", "links"):
        with pytest.raises(InvalidData, match="the original images of data cannot be read any more: no such file"):
            exports.take_away(run, [9, 2], tmp_path / "set", kind)
    assert {each.name for each in tmp_path.iterdir()} == {"run", "elsewhere"}
    exports.take_away(run, [2, 9], tmp_path / "set", "previews")
    exports.take_away(run, [2, 9], tmp_path / "set.csv")
    table = pd.read_csv(tmp_path / "set.csv")
    assert list(table["sample_id"]) == names_before and table["path"].isna().all()
    assert len(ImageFolder(str(tmp_path / "set"))) == 2


def test_large_pictures_are_recognised(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise[:7, :9]).resize((900, 700), Image.Resampling.BICUBIC))
    for place, (label, picture) in enumerate([("a", noise), ("b", smooth)] * 2):
        fixtures.write(tmp_path / "data" / label / f"{place}.png", fixtures.encode(picture))
    run = run_on(tmp_path / "run", tmp_path / "data")
    assert exports.take_away(run, range(4), tmp_path / "set", "copies") == 4
    (tmp_path / "data/a/0.png").write_bytes((tmp_path / "data/b/1.png").read_bytes())
    with pytest.raises(InvalidData, match="another picture"):
        exports.take_away(run, range(4), tmp_path / "again", "copies")


def test_nothing_is_left_half_written(small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(originals.Originals, "encoded", stop)
    for name, kind in (("set", "copies"), ("set", "fiftyone"), ("set.parquet", "hugging-face")):
        with pytest.raises(KeyboardInterrupt):
            exports.take_away(small_run, ROWS, tmp_path / name, kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_what_is_there_already_stays(small_run: Run, tmp_path: Path, kind: str) -> None:
    ending = exports.FORMATS[kind].ending
    target, link = tmp_path / f"set{ending}", tmp_path / f"link{ending}"
    target.mkdir()
    link.symlink_to(tmp_path / "nowhere")
    for path in (target, link):
        with pytest.raises(StorageError, match="exists already; choose another name, or remove it first"):
            exports.take_away(small_run, ROWS, path, kind)
    assert not list(target.iterdir()) and len(list(tmp_path.iterdir())) == 2


def test_refusals(small_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    for rows, sentence in (([], "the set is empty"), ([100], "between 0 and 99"), ([2, 2], "twice"), ([0.5], "whole")):
        with pytest.raises(InvalidSetting, match=sentence):
            exports.take_away(small_run, rows, path)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match=r"Unknown format 'hugingface'. Did you mean 'hugging-face'"):
        exports.take_away(small_run, ROWS, path, "hugingface")
    with pytest.raises(InvalidSetting, match=r"cannot write json to 'set.csv': its ending must be .json"):
        exports.take_away(small_run, ROWS, path, "json")
    with pytest.raises(InvalidSetting, match=r"must be one of .csv, .parquet, .json, .txt, or none for a folder"):
        exports.take_away(small_run, ROWS, tmp_path / "set.xls")
    with pytest.raises(StorageError, match=r"cannot write .*no/set.csv: there is no folder .*/no\."):
        exports.take_away(small_run, ROWS, tmp_path / "no" / "set.csv")
    assert not list(tmp_path.iterdir())


def test_formats_are_guessed(tmp_path: Path) -> None:
    found = {name: exports.guess(tmp_path / name).name for name in ("a.csv", "a.PARQUET", "a.json", "a.txt", "a")}
    assert list(found.values()) == ["csv", "parquet", "json", "paths", "copies"]
    assert all(each.title and each.sentence.endswith(".") for each in exports.FORMATS.values())


def test_a_training_loop_takes_the_indices(own_run: Run, tmp_path: Path) -> None:
    from torchvision.transforms import ToTensor

    exports.take_away(own_run, [0, 40, 20], tmp_path / "set.json", "indices")
    chosen = json.loads((tmp_path / "set.json").read_text())
    whole = ImageFolder(chosen["root"], ToTensor())
    batch, labels = next(iter(torch.utils.data.DataLoader(Subset(whole, chosen["indices"]), batch_size=3)))
    assert batch.shape == (3, 3, 28, 28) and [whole.classes[each] for each in labels] == chosen["class_names"]
