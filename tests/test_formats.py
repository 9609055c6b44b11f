"""Every format gives the same images, labels, splits and sources; pictures of every kind; plans that splits keep."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sampleinfo import datasets, parallel
from sampleinfo.datasets import facts, problems
from sampleinfo.datasets.decoding import decode
from sampleinfo.datasets.options import Options
from sampleinfo.errors import Cancelled, InvalidData, InvalidSetting, SampleInfoError, StorageError, UnknownName
from sampleinfo.types import TRAIN, VALIDATION, Dataset, Images, image_hash, narrowed
from tests import fixtures
from tests.fixtures import CLASSES, encode, samples

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


# --- one contract for all formats


@dataclass(frozen=True)
class Format:
    """``make`` writes it and gives its name; whether it knows splits; its only source, else it knows the real ones."""

    make: Callable[[Path], Path | str]
    splits: bool = False
    source: str | None = None
    options: Options = datasets.DEFAULTS
    count: int = 24


def shards(root: Path) -> Path:
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        some = [each for each in samples() if each.split == split]
        for part in range(2):
            fixtures.image_parquet(root / f"data/{name}-{part:05d}-of-00002.parquet", some[part::2], row_group=2)
    return root


def joined(root: Path) -> str:
    parts = [[each for each in samples() if each.source == source] for source in ("mnist", "uci")]
    folder = fixtures.class_folder(root / "mnist", parts[0])
    return f"{folder}+{fixtures.image_parquet(root / 'uci.parquet', parts[1])}"


def torchvision_arrays(root: Path) -> str:
    """MNIST, as three of its ten classes: grey only."""
    raw = datasets.torchvision.folder() / "MNIST/raw"
    for prefix, splits in (("train", ("train", "val")), ("t10k", ("test",))):
        some = [each for each in samples() if each.split in splits and each.source == "mnist"]
        fixtures.idx(raw / f"{prefix}-images-idx3-ubyte", np.stack([each.pixels for each in some]))
        fixtures.idx(raw / f"{prefix}-labels-idx1-ubyte", np.array([fixtures.DIGIT[each.label] for each in some]))
    datasets.fetch("torchvision:MNIST", download=False)
    return "torchvision:MNIST"


def torchvision_files(root: Path) -> str:
    fixtures.class_folder(datasets.torchvision.folder() / "eurosat/2750")
    datasets.fetch("torchvision:EuroSAT", download=False)
    return "torchvision:EuroSAT"


def food(root: Path) -> str:
    base = datasets.torchvision.folder() / "food-101"
    for split in ("train", "test"):
        some = [each for each in samples() if (each.split == "test") == (split == "test")]
        names = {label: [f"{label}/{s.source}-{s.name}" for s in some if s.label == label] for label in CLASSES}
        fixtures.write(base / f"meta/{split}.json", json.dumps(names).encode())
        for each in some:
            path = base / f"images/{each.label}/{each.source}-{each.name}.jpg"
            fixtures.write(path, encode(each.pixels, "JPEG"))
    datasets.fetch("torchvision:Food101", download=False)
    return "torchvision:Food101"


def table(suffix: str, name: str = "list") -> Callable[[Path], Path]:
    return lambda root: fixtures.manifest(root / "data", suffix, name)


FORMATS = {
    "class folder": Format(lambda root: fixtures.class_folder(root / "data"), source="data"),
    "split folder": Format(lambda root: fixtures.split_folder(root / "data"), True, "data"),
    "source folder": Format(lambda root: fixtures.source_folder(root / "data"), options=Options("source/class")),
    "image Parquet": Format(lambda root: fixtures.image_parquet(root / "one.parquet"), source="one"),
    "image Parquet with columns": Format(lambda root: fixtures.image_parquet(
        root / "one.parquet", extra={"split": [each.split for each in samples()],
                                     "source": [each.source for each in samples()]}), True),
    "image Parquet in shards": Format(lambda root: shards(root / "hub"), True, "hub"),
    "CSV": Format(table(".csv"), True),
    "TSV": Format(table(".tsv"), True),
    "JSON lines": Format(table(".jsonl"), True),
    "Parquet manifest": Format(table(".parquet"), True),
    "folder with a manifest": Format(lambda root: table(".csv", "metadata")(root).parent, True),
    "folder with one table": Format(lambda root: table(".jsonl", "labels")(root).parent, True),
    "npz": Format(lambda root: fixtures.npz(root / "a.npz", "uint8"), True),
    "npz of floats": Format(lambda root: fixtures.npz(root / "a.npz", "float"), True),
    "npz, channels first": Format(lambda root: fixtures.npz(root / "a.npz", "channels first"), True),
    "zip of a folder": Format(
        lambda root: fixtures.zipped(root / "z.zip", fixtures.class_folder(root / "data")), source="z"),
    "zip with one top folder": Format(
        lambda root: fixtures.zipped(root / "z.zip", fixtures.split_folder(root / "data"), "top"), True, "z"),
    "zip with ./ before its names": Format(
        lambda root: fixtures.zipped(root / "z.zip", fixtures.class_folder(root / "data"), "./."), source="z"),
    "zip of Parquet": Format(
        lambda root: fixtures.zipped(root / "z.zip", fixtures.image_parquet(root / "data/one.parquet").parent),
        source="z"),
    "zip of a manifest": Format(
        lambda root: fixtures.zipped(root / "z.zip", table(".csv")(root).parent, "deep/deeper"), True),
    "zip of npz": Format(
        lambda root: fixtures.zipped(root / "z.zip", fixtures.npz(root / "data/a.npz", "uint8").parent), True),
    "joined": Format(joined),
    "torchvision arrays": Format(torchvision_arrays, source="MNIST", count=12),
    "torchvision files": Format(torchvision_files, source="EuroSAT"),
}  # fmt: skip


def bytes_of(images: Images) -> list[str]:
    return [image_hash(fixtures.rgb(images[row])) for row in range(len(images))]


@pytest.mark.parametrize("kind", FORMATS)
def test_contract(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = FORMATS[kind]
    name = str(form.make(tmp_path))
    whole = datasets.read(name, form.options)
    known = {image_hash(fixtures.rgb(each.pixels)): each for each in samples()}
    pixels = bytes_of(whole.images)
    found = [known[each] for each in pixels]
    assert len(set(pixels)) == len(found) == form.count

    labels = [whole.class_names[label] for label in whole.labels]
    if kind == "torchvision arrays":
        assert labels == [f"{fixtures.DIGIT[each.label]} - {each.label}" for each in found]
        assert whole.split == tuple("test" if each.split == "test" else "train" for each in found)
    else:
        assert labels == [each.label for each in found]
        assert sorted(whole.class_names) == list(CLASSES)
    if kind not in ("torchvision arrays",):
        splits = tuple("validation" if each.split == "val" else each.split for each in found)
        assert whole.split == (splits if form.splits else None)
    assert whole.sources == tuple(form.source or each.source for each in found)
    assert len(set(whole.sample_ids)) == form.count
    assert not whole.skipped

    again = datasets.read(name, form.options)
    assert again.fingerprint() == whole.fingerprint()
    assert again.sample_ids == whole.sample_ids

    rows = [form.count - 1, 0, 5, 5]
    assert bytes_of(narrowed(whole.images, rows)) == [pixels[row] for row in rows]
    assert bytes_of(whole.subset(rows).subset([2, 1]).images) == [pixels[5], pixels[0]]
    assert bytes_of(narrowed(whole.subset(rows).images, [1])) == [pixels[0]]
    assert bytes_of(pickle.loads(pickle.dumps(narrowed(whole.images, rows)))) == [pixels[row] for row in rows]

    counts = datasets.find_facts(name, form.options)
    assert (counts.images, set(counts.class_names)) == (form.count, set(labels))
    monkeypatch.setattr(parallel, "WORTH", 1)
    monkeypatch.setattr(parallel, "CHUNK", 5)
    monkeypatch.setattr(parallel, "workers", lambda: 2)
    ready = datasets.prepare(name, form.options)
    assert (ready.sample_ids, ready.labels.tolist()) == (whole.sample_ids, whole.labels.tolist())
    assert ready.fingerprint() == whole.fingerprint()
    assert problems.findings(ready) == []
    assert datasets.prepare(name, form.options).hashes == ready.hashes
    assert datasets.known_findings(name, form.options) == []


def test_pictures_reach_processes_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = datasets.read(str(fixtures.class_folder(tmp_path / "data"))).images
    monkeypatch.setattr(parallel, "WORTH", 1)
    monkeypatch.setattr(parallel, "CHUNK", 3)
    monkeypatch.setattr(parallel, "workers", lambda: 2)
    steps: list[float] = []
    found = list(
        parallel.over_images(bytes_of, images, lambda _, done, total: steps.append(done / total), "s", (0.2, 1))
    )
    assert found == bytes_of(images)
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(1)


def test_an_unreadable_picture_leaves_its_reason_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = datasets.read(str(fixtures.class_folder(tmp_path / "data"))).images
    sorted((tmp_path / "data").rglob("*.png"))[4].write_bytes(b"nothing")
    monkeypatch.setattr(parallel, "WORTH", 1)
    monkeypatch.setattr(parallel, "workers", lambda: 2)
    function = pickle.loads(pickle.dumps(parallel.Each(np.shape)))
    found = list(parallel.over_images(function, images, lambda *_: None, "s", (0, 1)))
    reasons = [each for each in found if isinstance(each, str)]
    assert len(found) == len(images) and len(reasons) == 1 and reasons[0]
    assert all(isinstance(each, (str, tuple)) for each in found)


def test_work_in_processes_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(fixtures.class_folder(tmp_path / "data"))
    for each, value in (("WORTH", 1), ("CHUNK", 2), ("workers", lambda: 2)):
        monkeypatch.setattr(parallel, each, value)

    def cancel(_: str, done: float, total: float) -> None:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        datasets.prepare(name, report=cancel)
    assert len(datasets.prepare(name)) == 24


def test_ids_do_not_depend_on_what_else_is_there(tmp_path: Path) -> None:
    path = fixtures.image_parquet(tmp_path / "train.parquet")
    alone = datasets.read(str(path))
    fixtures.image_parquet(tmp_path / "test.parquet")
    assert datasets.read(str(path)).fingerprint() == alone.fingerprint()
    assert alone.split is None
    assert datasets.read(str(tmp_path)).split == ("test",) * 24 + ("train",) * 24


def test_splits_of_the_hub_may_be_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        fixtures.image_parquet(tmp_path / f"default/{split}/0000.parquet")
    found = datasets.read(str(tmp_path))
    assert found.split == ("test",) * 24 + ("train",) * 24
    assert len(set(found.sample_ids)) == 48


def test_metadata_are_numbers_or_text(tmp_path: Path) -> None:
    fixtures.class_folder(tmp_path)
    head = ["path", "label", "whole", "fraction", "zip", "batch", "mixed", "long", "empty"]
    rows = [
        ["four/mnist0.png", "four", "7", "0.5", "00123", "2020_01", "1", "1" * 25, ""],
        ["nine/mnist0.png", "nine", "", "1e-3", "00007", "2020_02", "x", "2" * 25, " "],
    ]
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    assert datasets.read(str(tmp_path / "list.csv")).metadata == {
        "whole": (7, None), "fraction": (0.5, 0.001), "zip": ("00123", "00007"), "batch": ("2020_01", "2020_02"),
        "mixed": ("1", "x"), "long": ("1" * 25, "2" * 25), "empty": (None, None),
    }  # fmt: skip


def test_columns_of_any_name(tmp_path: Path) -> None:
    path = fixtures.manifest(tmp_path, ".csv")
    text = path.read_text().replace("path,label,split", "where,what,fold", 1)
    path.write_text(text)
    with pytest.raises(InvalidData, match=r"no column for path among where, what, .* name it: path=COLUMN\."):
        datasets.read(str(path))
    options = Options(columns=(("path", "where"), ("label", "what"), ("split", "fold")))
    found = datasets.prepare(str(path), options)
    assert (len(found), set(found.split or ())) == (24, {"train", "validation", "test"})
    with pytest.raises(InvalidSetting, match=r"has no column 'nothing' for label; it has where, what"):
        datasets.read(str(path), Options(columns=(("path", "where"), ("label", "nothing"))))


def test_image_column_of_any_name(tmp_path: Path) -> None:
    cells = [each.png for each in samples()]
    labels = [each.label for each in samples()]
    pq.write_table(pa.table({"thumb": [cells[0]] * 24, "full": cells, "label": labels}), tmp_path / "two.parquet")
    options = Options(columns=(("image", "full"),))
    first = datasets.prepare(str(tmp_path / "two.parquet"))
    second = datasets.prepare(str(tmp_path / "two.parquet"), options)
    assert (len(set(first.hashes or ())), len(set(second.hashes or ()))) == (1, 24)


def test_manifest_with_a_column_of_bytes_stays_a_manifest(tmp_path: Path) -> None:
    path = fixtures.manifest(tmp_path, ".parquet")
    table = pq.read_table(path)
    pq.write_table(table.append_column("md5", pa.array([b"0"] * 24)), path)
    assert len(datasets.prepare(str(path))) == 24


def test_a_folder_with_unlabelled_test_images_is_one_with_splits(tmp_path: Path) -> None:
    fixtures.class_folder(tmp_path / "train")
    fixtures.write(tmp_path / "test/1.png", samples()[0].png)
    (tmp_path / "docs").mkdir()
    fixtures.write(tmp_path / "docs/readme.txt", b"x")
    found = datasets.prepare(str(tmp_path))
    assert (found.class_names, set(found.split or ())) == (CLASSES, {"train"})
    assert [(each.name, each.reason) for each in found.skipped] == [
        ("docs/readme.txt", "not an image by its name"), ("test/1.png", "lies in no class folder"),
    ]  # fmt: skip


def test_joined_data_sets_match_classes_by_name_and_keep_their_sources(tmp_path: Path) -> None:
    both = datasets.read(
        f"{fixtures.manifest(tmp_path / 'a', '.csv')}+{fixtures.class_folder(tmp_path / 'b' / 'v1.0')}"
    )
    assert set(both.sources) == {"list/mnist", "list/uci", "v1.0"}
    assert both.class_names == CLASSES
    assert (both.split or ())[24:] == ("",) * 24
    assert both.metadata["word"][23:25] == ("uci3.png", None)
    twice = datasets.prepare("uci-digits+uci-digits")
    assert sorted(set(twice.sources)) == ["uci-digits", "uci-digits 2"]
    assert len(set(twice.sample_ids)) == 2 * 1797


def test_a_name_with_a_plus_is_a_path_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fixtures.class_folder(tmp_path / "a+b")
    assert len(datasets.read(str(folder))) == 24
    assert len(datasets.read(f"{folder}+uci-digits")) == 24 + 1797
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(datasets.read("~/a+b")) == 24
    assert datasets.canonical("~/a+b+uci-digits") == f"{folder}+uci-digits"
    with pytest.raises(InvalidSetting, match=r"joined as FIRST\+SECOND; got 'uci-digits\+'"):
        datasets.read("uci-digits+")
    with pytest.raises(InvalidSetting, match="the name of the data set is empty"):
        datasets.read(" ")


# --- torchvision


def test_torchvision_files_of_two_splits(tmp_path: Path) -> None:
    found = datasets.prepare(food(tmp_path))
    assert (len(found), found.name, set(found.split or ())) == (24, "Food101", {"train", "test"})
    assert [found.class_names[label] for label in found.labels] == [i.split("/")[2] for i in found.sample_ids]


def test_torchvision_without_a_connection(home: Path) -> None:
    with pytest.raises(InvalidData, match=r"CIFAR10 is not on this machine yet\. Ask for its download"):
        datasets.find_facts("torchvision:CIFAR10")
    assert datasets.missing("uci-digits+torchvision:CIFAR10") == ["torchvision:CIFAR10"]
    with pytest.raises(InvalidData, match="is not on this machine yet"):
        datasets.fetch("torchvision:CIFAR10", download=False)


def test_torchvision_says_where_to_put_the_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.error
    import urllib.request

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(StorageError) as caught:
        datasets.fetch("torchvision:CIFAR10", download=True)
    assert "could not be downloaded (URLError: <urlopen error no network>)" in str(caught.value)
    assert f"put cifar-10-python.tar.gz or the folder cifar-10-batches-py into {home / 'torchvision'}" in str(
        caught.value
    )


@pytest.mark.parametrize("name", ["torchvision:", "torchvision:CIFAR", "torchvision:../MNIST", "torchvision:datasets"])
def test_unknown_torchvision_data_set(name: str) -> None:
    for ask in (datasets.read, datasets.missing, datasets.find_facts):
        with pytest.raises(UnknownName, match=r"Unknown torchvision data set .* Known: MNIST, FashionMNIST"):
            ask(name)


# --- pictures of every kind

CORNERS = np.zeros((3, 4), dtype=np.uint8)
CORNERS[0, 0], CORNERS[0, 3], CORNERS[2, 0] = 60, 140, 220
TURNED = {
    1: CORNERS, 2: CORNERS[:, ::-1], 3: CORNERS[::-1, ::-1], 4: CORNERS[::-1], 5: CORNERS.T,
    6: np.rot90(CORNERS, -1), 7: CORNERS[::-1, ::-1].T, 8: np.rot90(CORNERS),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_rotation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(CORNERS if kind != "WEBP" else fixtures.rgb(CORNERS))
    data = encode(picture, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = TURNED[orientation]
    assert np.array_equal(decode(data), expected if kind != "WEBP" else fixtures.rgb(expected))


@pytest.mark.parametrize("orientation", TURNED)
def test_exif_rotation_of_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = np.kron(CORNERS, np.ones((8, 8), dtype=np.uint8))
    found = decode(encode(Image.fromarray(large), "JPEG", quality=100, exif=exif.tobytes()), "a.jpg")
    expected = np.kron(TURNED[orientation], np.ones((8, 8)))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 12


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*" + b"\xff" * 40])
def test_broken_exif_turns_nothing(exif: bytes) -> None:
    grey = np.full((8, 12), 90, dtype=np.uint8)
    assert np.array_equal(decode(encode(Image.fromarray(grey), "JPEG", exif=exif)), grey)


COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], dtype=np.uint8)
ALPHA = np.array([[255, 0], [51, 255]], dtype=np.uint8)
ON_WHITE = np.array([[[255, 0, 0], [255, 255, 255]], [[204, 204, 255], [10, 20, 30]]], dtype=np.uint8)


def palette(clear: int | bytes | None) -> bytes:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8)).convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return encode(picture, "PNG", **({} if clear is None else {"transparency": clear}))


GREY = np.array([[0, 100], [200, 255]], dtype=np.uint8)
SIXTEEN = np.array([[0, 128, 129, 257], [32767, 32896, 65407, 65535]], dtype=np.uint16)
EIGHT = np.array([[0, 0, 1, 1], [127, 128, 255, 255]], dtype=np.uint8)
R, G, B, W = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]
KINDS: dict[str, tuple[bytes, np.ndarray | list[object]]] = {
    "RGBA": (encode(np.dstack([COLOURS, ALPHA])), ON_WHITE),
    "RGBA WebP": (encode(np.dstack([COLOURS, ALPHA]), "WEBP", lossless=True, exact=True), ON_WHITE),
    "LA": (encode(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])),
           fixtures.rgb(np.array([[0, 255], [244, 255]], dtype=np.uint8))),
    "palette": (palette(None), [[R, G], [B, G]]),
    "palette, one clear": (palette(1), [[R, W], [B, W]]),
    "palette, many clear": (palette(bytes([0, 255, 51])), [[W, G], [[204, 204, 255], G]]),
    "grey, one clear": (encode(GREY, transparency=100), fixtures.rgb(np.array([[0, 255], [200, 255]], dtype=np.uint8))),
    "colour, one clear": (encode(COLOURS, transparency=(0, 0, 255)), [[R, G], [W, [10, 20, 30]]]),
    "16-bit PNG": (encode(SIXTEEN), EIGHT),
    "16-bit PNG, one clear": (encode(SIXTEEN, transparency=0),
                              np.array([[255, 0, 1, 1], [127, 128, 255, 255]], dtype=np.uint8)),
    "16-bit TIFF": (encode(SIXTEEN, "TIFF"), EIGHT),
    "16-bit TIFF, big-endian": (
        encode(Image.frombytes("I;16B", (4, 2), SIXTEEN.astype(">u2").tobytes()), "TIFF"), EIGHT),
    "16-bit PGM": (b"P5 4 2 65535\n" + SIXTEEN.astype(">u2").tobytes(), EIGHT),
    "32-bit integers": (encode(SIXTEEN.astype(np.int32), "TIFF"), EIGHT),
    "32-bit fractions": (encode((SIXTEEN / 65535).astype(np.float32), "TIFF"), EIGHT),
    "1-bit": (encode(Image.fromarray(np.array([[True, False]]))), np.array([[255, 0]], dtype=np.uint8)),
    "1-bit, one clear": (encode(Image.fromarray(np.array([[True, False]])), transparency=0), [[W, W]]),
    "BMP": (encode(COLOURS, "BMP"), COLOURS),
    "PPM": (encode(COLOURS, "PPM"), COLOURS),
    "TIFF, packed": (encode(COLOURS, "TIFF", compression="tiff_lzw"), COLOURS),
    "CMYK TIFF": (encode(Image.fromarray(COLOURS).convert("CMYK"), "TIFF"), COLOURS),
    "animated GIF": (encode(Image.fromarray(GREY), "GIF", save_all=True, append_images=[Image.new("L", (2, 2))]), GREY),
    "animated WebP": (encode(Image.fromarray(COLOURS), "WEBP", save_all=True, lossless=True, exact=True,
                             append_images=[Image.new("RGB", (2, 2))]), COLOURS),
    "animated PNG": (encode(Image.fromarray(COLOURS), "PNG", save_all=True, append_images=[Image.new("RGB", (2, 2))]),
                     COLOURS),
    "TIFF of two pages": (encode(Image.fromarray(GREY), "TIFF", save_all=True,
                                 append_images=[Image.new("L", (5, 5))]), GREY),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_look_as_a_person_sees_them(kind: str) -> None:
    data, expected = KINDS[kind]
    found = decode(data)
    assert found.dtype == np.uint8
    assert np.array_equal(fixtures.rgb(found), fixtures.rgb(np.asarray(expected, dtype=np.uint8)))


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"optimize": True, "subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_of_every_kind(mode: str, how: dict[str, object]) -> None:
    ramp = np.linspace(40, 200, 32)
    smooth = np.stack([*np.meshgrid(ramp, ramp[::-1]), np.full((32, 32), 90.0)], axis=2)
    picture = Image.fromarray(smooth.astype(np.uint8)).convert(mode)
    found = decode(encode(picture, "JPEG", quality=98, **how), "a.JPEG")
    assert np.abs(found.astype(int) - np.asarray(picture.convert("RGB" if mode != "L" else "L"))).max() <= 6


@pytest.mark.parametrize("values", [np.full((2, 2), np.nan), np.full((2, 2), np.inf), np.full((2, 2), -1.0),
                                    np.full((2, 2), 255.0)])  # fmt: skip
def test_fractions_outside_their_range(values: np.ndarray) -> None:
    with pytest.raises(SampleInfoError, match=r"not finite numbers|outside 0 to 1"):
        decode(encode(values.astype(np.float32), "TIFF"))


# --- facts, splits, plans


@pytest.mark.parametrize("name", datasets.PRESETS)
def test_facts_of_a_preset_are_those_of_its_images(name: str) -> None:
    preset = datasets.PRESETS[name]
    counted = facts.of(preset.load(), preset.facts.title)
    assert replace(counted, name=name, defaults=preset.facts.defaults) == preset.facts
    assert datasets.find_facts(name) is preset.facts


def test_facts_see_a_table_that_was_written_anew(tmp_path: Path) -> None:
    path = fixtures.image_parquet(tmp_path / "data/all.parquet")
    assert datasets.find_facts(str(path.parent)).images == 24
    fixtures.image_parquet(path, samples()[:10])
    assert datasets.find_facts(str(path.parent)).images == 10


def test_facts_count_bytes_in_proportion(tmp_path: Path) -> None:
    path = fixtures.image_parquet(tmp_path / "all.parquet")
    whole = datasets.read(str(path))
    assert facts.of(whole, "").bytes == path.stat().st_size
    assert facts.of(whole.subset(range(6)), "").bytes == path.stat().st_size // 4


def test_a_class_is_capped_in_proportion_to_its_sources_and_splits(tmp_path: Path) -> None:
    name = str(fixtures.manifest(tmp_path, ".csv"))
    capped = datasets.prepare(name, per_class=4, seed=3)
    assert facts.of(capped, "").per_class() == dict.fromkeys(CLASSES, 4)
    assert facts.of(capped, "").strata == datasets.find_facts(name).chosen((), 4).strata
    assert datasets.prepare(name, per_class=4, seed=3).sample_ids == capped.sample_ids
    assert datasets.prepare(name, per_class=4, seed=4).sample_ids != capped.sample_ids
    assert len(datasets.prepare(name, classes=("nine", "four"), per_class=100)) == 16


@pytest.mark.parametrize(("how", "train", "validation"), [
    ("auto", {"train"}, {"validation"}), ("test", {"train"}, {"test"}), ("val", {"train"}, {"validation"}),
    ("train", {"validation"}, {"train"}),
])  # fmt: skip
def test_own_splits_are_respected(how: str, train: set[str], validation: set[str], tmp_path: Path) -> None:
    whole = datasets.prepare(str(fixtures.split_folder(tmp_path)))
    own = dict(zip(whole.sample_ids, whole.split or (), strict=True))
    part = datasets.split(whole, 6, 3, seed=0, validation_split=how)
    sides = {side: {own[i] for i, s in zip(part.sample_ids, part.split or (), strict=True) if s == side}
             for side in (TRAIN, VALIDATION)}  # fmt: skip
    assert sides == {TRAIN: train, VALIDATION: validation}


def test_share_ignores_the_own_splits(tmp_path: Path) -> None:
    whole = datasets.prepare(str(fixtures.split_folder(tmp_path)))
    assert len(datasets.split(whole, 18, 6, seed=0, validation_split="share")) == 24
    with pytest.raises(InvalidSetting, match=r"has 18 images; 18 for training and 6 for .* Ask for at most 18"):
        datasets.split(whole, 18, 6, seed=0)


def test_unknown_split(tmp_path: Path) -> None:
    whole = datasets.prepare(str(fixtures.split_folder(tmp_path)))
    with pytest.raises(InvalidSetting, match=r"has no split 'fold'; it has test, train, validation, or give 'share'\."):
        datasets.split(whole, 6, 3, 0, "fold")
    with pytest.raises(InvalidSetting, match=r"has no split 'fold': it brings no splits along\."):
        datasets.find_facts("mnist").sizes(None, None, "fold")


def test_equal_images_across_splits_stay_on_one_side(tmp_path: Path) -> None:
    fixtures.split_folder(tmp_path)
    fixtures.write(tmp_path / "val/four/again.png", samples()[0].png)
    whole = datasets.prepare(str(tmp_path))
    [first, second] = [each for each in problems.findings(whole) if each.kind == problems.ACROSS]
    assert {first.image, second.image} == {"train/four/mnist0.png", "val/four/again.png"}
    assert "same picture as" in first.reason
    part = datasets.split_at_most(whole, 12, 7, seed=0)
    assert len({first.image, second.image} & set(part.sample_ids)) == 1


STRATUM = st.tuples(
    st.integers(0, 3), st.sampled_from("xy"), st.sampled_from(["", "train", "validation", "test", "other"]),
    st.integers(1, 25),
)  # fmt: skip
HOW = st.sampled_from(["auto", "share", "validation", "test", "train"])
Strata = list[tuple[int, str, str, int]]


def of_strata(strata: Strata) -> Dataset:
    rows = [(label, source, split) for label, source, split, count in strata for _ in range(count)]
    labels = sorted({row[0] for row in rows})
    images = np.arange(len(rows), dtype=np.uint32).view(np.uint8).reshape(-1, 2, 2)
    return Dataset(
        "toy", tuple(map(str, range(len(rows)))), images,
        np.array([labels.index(row[0]) for row in rows]), tuple("abcd"[label] for label in labels),
        tuple(row[1] for row in rows), tuple(row[2] for row in rows),
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(STRATUM, min_size=1, max_size=10), HOW, st.data())
def test_a_split_keeps_the_planned_sizes(strata: Strata, how: str, data: st.DataObject) -> None:
    dataset = of_strata(strata)
    known = facts.of(dataset, "")
    asked = st.one_of(st.none(), st.integers(1, len(dataset)))
    try:
        train, validation = known.sizes(data.draw(asked), data.draw(asked), how)
    except SampleInfoError:
        return
    if train < 2 * len(dataset.class_names):  # refused by the plan of a run
        return
    part = datasets.split(dataset, train, validation, 0, how)
    assert part.split == (TRAIN,) * train + (VALIDATION,) * validation
    assert np.bincount(part.labels[:train]).min() >= 2


@settings(max_examples=100, deadline=None)
@given(st.lists(STRATUM, min_size=1, max_size=10), st.integers(2, 12), st.integers(0, 3))
def test_a_cap_is_the_one_planned(strata: Strata, most: int, seed: int) -> None:
    dataset = of_strata(strata)
    capped = datasets.splitting.cap(dataset, most, seed)
    assert facts.of(capped, "").strata == facts.of(dataset, "").chosen((), most).strata


def test_a_folder_beside_the_splits_is_skipped_by_name(tmp_path: Path) -> None:
    for split in ("train", "eval"):
        fixtures.class_folder(tmp_path / split)
    fixtures.write(tmp_path / "unlabeled/1.png", samples()[0].png)
    fixtures.write(tmp_path / "__MACOSX/train/._1.png", b"x")
    found = datasets.read(str(tmp_path))
    assert (found.class_names, set(found.split or ())) == (CLASSES, {"train", "validation"})
    assert [(each.name, each.reason[:27]) for each in found.skipped] == [("unlabeled", "a folder beside the splits;")]
    assert datasets.read(str(tmp_path), Options("class")).class_names == ("eval", "train", "unlabeled")


def test_a_cap_is_filled_up_with_readable_images(tmp_path: Path) -> None:
    fixtures.class_folder(tmp_path)
    for name in CLASSES:
        for number in range(12):
            fixtures.write(tmp_path / name / f"bad{number}.png", b"x")
    found = datasets.prepare(str(tmp_path), per_class=5, seed=3)
    assert np.bincount(found.labels).tolist() == [5] * len(CLASSES)
    assert all("bad" in each.name for each in found.skipped) and not any("bad" in i for i in found.sample_ids)
    assert datasets.prepare(str(tmp_path), per_class=5, seed=3).sample_ids == found.sample_ids
