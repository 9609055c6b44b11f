"""Whatever is given: the right picture, or a reason on that entry and all others kept, or one error of one line."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import socket
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from sampleinfo import datasets
from sampleinfo.datasets import archive, manifest, problems, tables
from sampleinfo.datasets.decoding import decode
from sampleinfo.datasets.options import Options
from sampleinfo.errors import InvalidData, SampleInfoError, Unreadable
from sampleinfo.types import Dataset
from tests import fixtures
from tests.fixtures import encode, parquet_of, samples, write

pytestmark = pytest.mark.timeout(30)
GOOD = [each for each in samples() if each.label != "three"]
IDS = {f"{each.label}/{each.name}" for each in GOOD}
PNG = samples()[-1].png


@pytest.fixture(autouse=True)
def bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A data folder of its own; no test may take more than 700 MiB beyond what was taken before."""
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 * 1024


def one_line(error: SampleInfoError) -> str:
    words = str(error)
    assert words.isprintable()
    assert words.endswith(".")
    return words


def refused(name: object, words: str, options: Options = datasets.DEFAULTS) -> None:
    """Both ways to ask give the same error."""
    found = []
    for ask in (datasets.find_facts, datasets.prepare):
        with pytest.raises(SampleInfoError, match=words) as caught:
            ask(str(name), options)
        found.append(one_line(caught.value))
    assert found[0] == found[1]


def kept(
    name: object, skipped: dict[str, str], others: set[str] = IDS, options: Options = datasets.DEFAULTS
) -> Dataset:
    """All ``others`` are kept, and nothing else; ``skipped`` are names and the beginning of their reasons."""
    datasets.find_facts(str(name), options)
    ready = datasets.prepare(str(name), options)
    assert set(ready.sample_ids) == others
    assert len(ready.sample_ids) == len(others)
    reasons = {each.name: each.reason for each in ready.skipped}
    assert set(reasons) == set(skipped)
    for each, words in skipped.items():
        assert reasons[each].startswith(words), reasons[each]
        assert reasons[each].isprintable()
    found = {each.image: each.reason for each in problems.findings(ready) if each.kind == problems.SKIPPED}
    assert found == reasons
    return ready


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of 16 good images of two classes."""
    return fixtures.class_folder(tmp_path / "data", GOOD)


# --- image files

JPEG = encode(samples()[1].pixels, "JPEG", quality=90)
PROGRESSIVE = encode(samples()[1].pixels, "JPEG", progressive=True)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(
    width: int, height: int, rest: bytes = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + rest


def text_bomb() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "0" * (80 * 2**20), zip=True)
    return encode(samples()[0].pixels, pnginfo=info)


def scan_bomb() -> bytes:
    large = encode(Image.new("L", (4000, 4000)), "JPEG", progressive=True)
    first = large.index(b"\xff\xda")
    return large[:first] + large[first:-2] * 400 + large[-2:]


def bad_checksum() -> bytes:
    place = PNG.index(b"IDAT") + 20
    return PNG[:place] + bytes([PNG[place] ^ 255]) + PNG[place + 1 :]


CUT = "cut off or damaged|damaged|not an image|empty"
FILES: dict[str, tuple[str, Callable[[], bytes], str | None]] = {
    **{f"JPEG cut at {tenth}0 %": ("x.jpg", lambda n=tenth: JPEG[: len(JPEG) * n // 10], CUT) for tenth in range(10)},
    **{f"PNG cut at {tenth}0 %": ("x.png", lambda n=tenth: PNG[: len(PNG) * n // 10], CUT) for tenth in range(10)},
    "progressive JPEG cut in half": ("x.jpg", lambda: PROGRESSIVE[: len(PROGRESSIVE) // 2], CUT),
    "GIF cut in half": ("x.gif", lambda: encode(samples()[1].pixels, "GIF")[:-200], CUT),
    "WebP cut in half": ("x.webp", lambda: encode(samples()[1].pixels, "WEBP")[:200], CUT),
    "TIFF cut in half": ("x.tif", lambda: encode(samples()[1].pixels, "TIFF")[:400], CUT),
    "BMP cut in half": ("x.bmp", lambda: encode(samples()[1].pixels, "BMP")[:400], CUT),
    "PPM cut in half": ("x.ppm", lambda: encode(samples()[1].pixels, "PPM")[:400], CUT),
    "no bytes": ("x.png", lambda: b"", "empty file (0 bytes)"),
    "one byte": ("x.png", lambda: b"\x89", "not an image of a known format"),
    "zeros": ("x.jpg", lambda: b"\0" * 5000, "not an image of a known format"),
    "noise": ("x.jpg", lambda: np.random.default_rng(0).bytes(5000), "not an image of a known format"),
    "text": ("x.png", lambda: b"hello\n", "not an image of a known format"),
    "HTML": ("x.jpg", lambda: b"<!doctype html><title>404</title>", "not an image of a known format"),
    "SVG": ("x.png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a known format"),
    "PDF": ("x.png", lambda: b"%PDF-1.4\n", "not an image of a known format"),
    "EPS": ("x.png", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF",
        "not an image of a known format"),
    "a pickle": ("x.png", lambda: pickle.dumps({"a": 1}), "not an image of a known format"),
    "GIF named .jpg": ("x.jpg", lambda: encode(samples()[0].pixels, "GIF"),
        "a GIF file with the name of a JPEG (.jpg)"),
    "JPEG named .png": ("x.PNG", lambda: JPEG, "a JPEG file with the name of a PNG (.png)"),
    "50000 x 50000 px": ("x.png", lambda: header(50_000, 50_000), "too large: "),
    "10000 x 10000 px": ("x.png", lambda: header(10_000, 10_000), "too large: 10000 x 10000 px, at most 64 million"),
    "2^31 px wide": ("x.png", lambda: header(2**31 - 1, 1), "too large"),
    "no pixels": ("x.png", lambda: header(0, 0), "damaged|not an image"),
    "a GIF of 65535 x 65535 px": ("x.gif", lambda: b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;",
        "too large"),
    "a text that unpacks to 80 MiB": ("x.png", text_bomb, "damaged: Decompressed data too large"),
    "a profile that unpacks to 80 MiB": (
        "x.png", lambda: PNG[:33] + chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * (80 * 2**20))) + PNG[33:],
            "damaged: Decompressed data too large"),
    "pixels that unpack to 80 MiB more": (
        "x.png", lambda: header(10, 10, chunk(b"IDAT", zlib.compress(b"\0" * (80 * 2**20))) + chunk(b"IEND", b"")),
            None),
    "a JPEG of 4000 scans": ("x.jpg", scan_bomb, "a JPEG with "),
    "a wrong checksum": ("x.png", bad_checksum, "damaged|cut off"),
    "one px": ("x.png", lambda: encode(np.array([[7]], dtype=np.uint8)), None),
    "20000 x 10 px": ("x.png", lambda: encode(np.full((10, 20_000), 9, dtype=np.uint8)), None),
    "CMYK": ("x.jpg", lambda: encode(Image.new("CMYK", (9, 9), (9, 200, 9, 9)), "JPEG"), None),
    "16 bits": ("x.png", lambda: encode(np.full((9, 9), 30_000, dtype=np.uint16)), None),
    "animated": ("x.gif", lambda: encode(Image.new("L", (9, 9), 7), "GIF", save_all=True,
                                         append_images=[Image.new("L", (9, 9))]), None),
    "something behind its end": ("x.png", lambda: encode(np.full((9, 9), 3, dtype=np.uint8)) + b"<?php ?>" * 1000,
        None),
    "a name without an image's suffix": ("x.txt", lambda: PNG, "not an image by its name"),
}  # fmt: skip
CONTAINERS = ("folder", "manifest", "Parquet", "zip")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("case", FILES)
def test_image_file(case: str, container: str, data: Path) -> None:
    name, make, reason = FILES[case]
    content, entry, others = make(), f"four/{name}", IDS
    place: Path = data
    if container == "Parquet":
        cells = [each.png for each in GOOD]
        place = parquet_of(data / "p.parquet", [*cells[:5], content, *cells[5:]], ["a"] * 9 + ["b"] * 8, names=None)
        entry, others = "p-000005", {f"p-{row:06d}" for row in range(17) if row != 5}
        if " with the name of " in (reason or "") or case == "a name without an image's suffix":
            reason = None  # a cell has no name
    else:
        write(data / entry, content)
    if container == "manifest":
        place = data / "list.csv"
        place.write_text("path,label\n" + "".join(f"{each},{each[:4]}\n" for each in sorted(IDS | {entry})))
        if case == "a name without an image's suffix":
            reason = None  # the manifest says that it is one
    if container == "zip":
        place = fixtures.zipped(data.parent / "z.zip", data)
        reason = "neither an image nor a table" if case == "a name without an image's suffix" else reason
    ready = datasets.prepare(str(place))
    reasons = {each.name: each.reason for each in ready.skipped}
    if reason is None:
        assert (reasons, set(ready.sample_ids)) == ({}, others | {entry})
        return
    assert list(reasons) == [entry]
    assert any(reasons[entry].startswith(words) for words in reason.split("|")), reasons[entry]
    assert set(ready.sample_ids) == others
    assert reasons[entry].isprintable()


def test_a_file_too_large_is_not_read(data: Path) -> None:
    with (data / "four/x.png").open("wb") as file:
        file.truncate(2**40)
    kept(data, {"four/x.png": "too large: 1048576 MiB, at most 200 MiB"})


def test_flipped_bytes_of_an_image() -> None:
    rng = np.random.default_rng(0)
    tiff = encode(samples()[1].pixels, "TIFF", compression="tiff_lzw")
    for good in (PNG, JPEG, PROGRESSIVE, tiff, encode(samples()[1].pixels, "GIF"), encode(samples()[1].pixels, "WEBP")):
        for _ in range(150):
            bad = bytearray(good)
            for place in rng.integers(0, len(bad), rng.integers(1, 6)):
                bad[place] = rng.integers(0, 256)
            try:
                assert decode(bytes(bad)).dtype == np.uint8
            except Unreadable as error:
                assert str(error).isprintable()


# --- names

NAMES = [
    "a b.png", " .png", "it's.png", 'say "hi".png', "line\nbreak.png", "tab\t.png", "🐈.png",
        "<script>alert(1)</script>.png",
    "na\u0308me.png", "\u202egnp.png", "%2e%2e%2f.png", "$(touch x).png", "-rf.png", "a,b;c.png", "#.png",
        "back\\slash.png",
    "C:x.png", "x" * 250 + ".png", "x.tar.png", "x.png.PNG", "\x1b[31mred.png", "é.JPG.png", "NUL.png", "*.png",
        "~.png",
    "bell\x07.png",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_file_name(name: str, data: Path) -> None:
    write(data / "four" / name, PNG)
    assert len(kept(data, {}, IDS | {f"four/{name}"})) == 17


@pytest.mark.parametrize("name", [each for each in NAMES if each.strip() == each], ids=lambda each: str(len(each)))
def test_file_name_in_json_lines(name: str, data: Path) -> None:
    write(data / "four" / name, PNG)
    rows = [{"path": each, "label": each[:4]} for each in sorted(IDS | {f"four/{name}"})]
    write(data / "list.jsonl", "\n".join(map(json.dumps, rows)).encode())
    kept(data / "list.jsonl", {}, IDS | {f"four/{name}"})


def test_file_names_that_are_no_text(data: Path) -> None:
    for name in (b"\xff.png", b"\xfe\xff.png"):
        write(Path(os.fsdecode(os.fsencode(data / "four") + b"/" + name)), PNG)
    write(data / "four/\\udcff.png", PNG)
    write(Path(os.fsdecode(os.fsencode(data) + b"/cl\xff/x.png")), PNG)
    more = {"four/\\udcff.png", "four/\\udcff.png#2", "four/\\udcfe\\udcff.png", "cl\\udcff/x.png"}
    ready = kept(data, {}, IDS | more)
    assert ready.class_names == ("cl\\udcff", "four", "nine")
    assert ready.fingerprint()


@pytest.mark.parametrize(
    "name", ["da\nta", "d\x1b[0m", "d" * 200, "<b>", "a+b", "d.zip", "d.csv", "digits ", "torchvision"]
)
def test_name_of_a_folder(name: str, tmp_path: Path) -> None:
    folder = fixtures.class_folder(tmp_path / name, GOOD)
    assert kept(folder, {}).name == name
    refused(folder / "nine", "has no image files|has its images directly in it")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "name of the data set is empty"), ("\0", "Unknown data set"), ("a\0b/c", "no such file or folder"),
        ("x" * 5000, "Unknown data set"), ("/" + "x" * 5000, "no such file or folder"), ("~nobody-here/x",
            "no such file"),
        ("/dev/zero", "/dev/zero is not a data set"), ("/dev/null", "is not a data set"), ("no\nsuch/file",
            "no such file"),
        ("../../../nothing", "no such file"), ("nothing.csv", "no such file"), ("torchvision:\n",
            "Unknown torchvision"),
        ("+", "joined as FIRST"), ("digits++mnist", "joined as FIRST"), ("digits+nothing",
            "Unknown data set 'nothing'"),
        ("\udcff/x", "no such file"), ("\ud800", "Unknown data set"),
    ],
    ids=range(17),
)  # fmt: skip
def test_name_of_nothing(name: str, words: str) -> None:
    refused(name, words)


# --- folders

Made = Callable[[Path], object]
SECRET = samples()[0].png


def link(path: Path, to: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(str(to))


def bind(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)
    socket.socket(socket.AF_UNIX).bind(path.name)
    os.chdir(before)


def deep(path: Path) -> None:
    write(path.joinpath(*["d"] * 60, "x.png"), PNG)


OUT = "a link that leads out of the folder of the data set"
TREES: dict[str, tuple[Made, dict[str, str]]] = {
    "a link to a file outside": (
        lambda root: link(root / "four/x.png", write(root.parent / "secret.png", SECRET)),
        {"four/x.png": "leads out of the folder of the data set"}),
    "a relative link to a file outside": (
        lambda root: (write(root.parent / "secret.png", SECRET), link(root / "four/x.png", "../../secret.png")),
        {"four/x.png": "leads out of the folder of the data set"}),
    "a link to /dev/zero": (lambda root: link(root / "four/x.png", "/dev/zero"),
                            {"four/x.png": "leads out of the folder of the data set"}),
    "a link to nothing": (lambda root: link(root / "four/x.png", "nothing"), {"four/x.png": "no such file"}),
    "a link to itself": (lambda root: link(root / "four/x.png", "x.png"), {"four/x.png": "cannot be read: too many"}),
    "a class that links outside": (
        lambda root: link(root / "out", fixtures.class_folder(root.parent / "other", GOOD) / "four"), {"out": OUT}),
    "a class that links to /": (lambda root: link(root / "out", "/"), {"out": OUT}),
    "a class that links above": (lambda root: link(root / "up", ".."), {"up": OUT}),
    "a class that links to itself": (lambda root: link(root / "loop", "loop"), {"loop": "not an image by its name"}),
    "a loop inside a class": (lambda root: link(root / "four/again", ".."),
                              {"four/again": "a link to a folder: not followed inside a class"}),
    "two links to each other": (lambda root: (link(root / "four/a", "b"), link(root / "four/b", "a")),
                                {"four/a": "not an image by its name", "four/b": "not an image by its name"}),
    "a pipe": (lambda root: os.mkfifo(root / "four/x.jpg"), {"four/x.jpg": "not a regular file"}),
    "a pipe at the top": (lambda root: os.mkfifo(root / "x.csv"), {"x.csv": "not an image by its name"}),
    "a socket": (lambda root: bind(root / "four/x.jpg"), {"four/x.jpg": "not a regular file"}),
    "a folder called x.jpg": (lambda root: (root / "four/x.jpg").mkdir(),
                              {"four/x.jpg": "a folder with the name of an image"}),
    "an empty class": (lambda root: (root / "empty").mkdir(), {}),
    "hidden files": (lambda root: (write(root / ".git/x.png", PNG), write(root / "four/._x.png", b"")), {}),
    "files of other programs": (
        lambda root: (write(root / "Thumbs.db", b"x"), write(root / "four/desktop.ini", b"x")),
        {"Thumbs.db": "not an image by its name", "four/desktop.ini": "not an image by its name"}),
    "an image at the top": (lambda root: write(root / "x.png", PNG), {"x.png": "lies in no class folder"}),
    "sixty folders deep": (lambda root: deep(root / "four"),
                           {"four" + "/d" * 51: "more than 50 folders deep"}),
    "tables beside the classes": (lambda root: (write(root / "a.csv", b"x"), write(root / "b.parquet", b"x")),
                                  {"a.csv": "not an image by its name", "b.parquet": "not an image by its name"}),
    "one table beside the classes": (lambda root: write(root / "notes.csv", b"x"),
                                     {"notes.csv": "not an image by its name"}),
    "a manifest that links outside": (
        lambda root: link(root / "metadata.csv", write(root.parent / "m.csv", b"path,label\nx.png,a\n")),
        {"metadata.csv": "not an image by its name"}),
}  # fmt: skip


@pytest.mark.parametrize("case", TREES)
def test_folder(case: str, data: Path) -> None:
    make, skipped = TREES[case]
    make(data)
    kept(data, skipped)


def test_links_inside_the_folder_are_followed(data: Path) -> None:
    link(data / "more", "four")
    link(data / "nine/x.png", "../four/mnist0.png")
    more = {"nine/x.png", *(each.replace("four", "more") for each in IDS if each.startswith("four"))}
    kept(data, {}, IDS | more)


def test_a_device_in_the_folder(data: Path) -> None:
    try:
        os.mknod(data / "four/x.png", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices can only be made by root")
    kept(data, {"four/x.png": "not a regular file"})


def test_no_permission(data: Path) -> None:
    path = write(data / "four/x.png", PNG)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    kept(data, {"four/x.png": "no permission to read it"})
    path.chmod(0o600)
    kept(data, {}, IDS | {"four/x.png"})


def test_an_error_is_not_kept_for_ever(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sampleinfo.datasets import files

    def broken(root: str, path: str) -> bytes:
        if path.endswith("mnist0.png"):
            raise Unreadable("cannot be read: input/output error")
        return read(root, path)

    read = files.read_inside
    monkeypatch.setattr(files, "read_inside", broken)
    bad = {"four/mnist0.png": "cannot be read: input/output error", "nine/mnist0.png": "cannot be read: input"}
    kept(data, bad, IDS - set(bad))
    monkeypatch.setattr(files, "read_inside", read)
    kept(data, {})


def test_a_file_changed_in_place_is_read_again(data: Path) -> None:
    path = data / "four/mnist0.png"
    before = datasets.prepare(str(data)).hashes
    facts = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    kept(data, {"four/mnist0.png": "not an image"}, IDS - {"four/mnist0.png"})
    assert before is not None


def test_the_data_folder_cannot_be_written(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "file", b"")
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "file"))
    kept(data, {})
    refused(fixtures.zipped(tmp_path / "z.zip", data), r"cannot unpack .*z\.zip into .*file/unpacked")
    with pytest.raises(SampleInfoError, match="cannot be kept in"):
        datasets.fetch("torchvision:MNIST", download=False)


def test_folders_that_are_no_data_set(tmp_path: Path, data: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty holds no images: expected a folder for every class")
    refused(data / "four", "four has its images directly in it, in no folder of a class")
    refused(tmp_path / "nothing", "no such file or folder")
    refused(write(tmp_path / "a.txt", b"x"), r"a\.txt is not a data set: expected a folder of images, \.parquet")
    refused(data, "has no image files in the layout 'split/class'", Options("split/class"))


def test_nothing_but_bad_images(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for number in range(3):
            write(tmp_path / f"data/{label}/{number}\n.png", b"x")
    assert datasets.find_facts(str(tmp_path / "data")).images == 6
    with pytest.raises(InvalidData, match="none of the 6 images of data can be read") as caught:
        datasets.prepare(str(tmp_path / "data"))
    one_line(caught.value)


def test_one_class(tmp_path: Path) -> None:
    one = fixtures.class_folder(tmp_path / "data", GOOD[:4])
    known = datasets.find_facts(str(one))
    assert len(datasets.prepare(str(one))) == 4
    with pytest.raises(InvalidData, match="data has only the class 'four'; at least two are needed") as caught:
        known.sizes(None, None, "auto")
    one_line(caught.value)


def test_a_class_of_which_nothing_can_be_read_is_none(data: Path) -> None:
    write(data / "zebra/x.png", b"x")
    assert kept(data, {"zebra/x.png": "not an image"}).class_names == ("four", "nine")
    with pytest.raises(
        InvalidData, match=r"class 'zebra' of data has 1 image to train on; every class needs at least 2"
    ):
        datasets.find_facts(str(data)).sizes(None, None, "auto")


def test_a_thousand_classes(tmp_path: Path) -> None:
    for number in range(1000):
        image = encode(np.array([[number % 256, number // 256]], dtype=np.uint8))
        for each in range(2):
            write(tmp_path / f"data/{number}/{each}.png", image)
    ready = datasets.prepare(str(tmp_path / "data"))
    assert ready.class_names == tuple(map(str, range(1000)))
    with pytest.raises(InvalidData, match=r"would have|too few"):
        datasets.split(ready, 1000, 500, seed=0)


def test_equal_images_with_different_labels(data: Path) -> None:
    write(data / "nine/again.png", GOOD[0].png)
    write(data / "nine/again.bmp", encode(GOOD[0].pixels, "BMP"))
    ready = datasets.prepare(str(data))
    found = [each for each in problems.findings(ready) if each.kind == problems.CONFLICT]
    assert [each.image for each in found] == ["four/mnist0.png", "nine/again.bmp", "nine/again.png"]
    assert found[0].reason == "same picture as nine/again.bmp (nine) and 1 more"
    assert problems.counts(found) == {problems.CONFLICT: 3}


# --- manifests

ROWS = "".join(f"{each},{each[:4]}\n" for each in sorted(IDS))
ENTRIES: dict[str, tuple[str, str, str]] = {
    "an absolute path": ("/etc/passwd,a", "/etc/passwd", "leads out of the folder of the manifest"),
    "a path above": ("../secret.png,a", "../secret.png", "leads out of the folder of the manifest"),
    "a path up and down": (
        "four/../../secret.png,a",
        "four/../../secret.png",
        "leads out of the folder of the manifest",
    ),
    "the folder itself": (".,a", ".", "leads out of the folder of the manifest"),
    "a path through a link": ("up/secret.png,a", "up/secret.png", "leads out of the folder of the data set"),
    "a folder": ("four,a", "four", "not a regular file"),
    "a file below a file": ("four/mnist0.png/x,a", "four/mnist0.png/x", "cannot be read: not a directory"),
    "no such file": ("four/none.png,a", "four/none.png", "no such file"),
    "a zero byte": ("four/\0.png,a", "four/\0.png", "a path that no file can have"),
    "no path": (",a", "row 1", "no path"),
    "blank path": ('"   ",a', "row 1", "no path"),
    "no label": ("four/x.png,", "four/x.png", "no label"),
    "too few cells": ("four/x.png", "four/x.png", "no label"),
    "too many cells": ("four/x,png,a", "four/x", "3 cells in a table of 2 columns"),
    "a negative label": ("four/x.png,-1", "four/x.png", "label -1 is negative"),
    "a name too long": ("x" * 300 + ".png,a", "x" * 300 + ".png", "cannot be read: file name too long"),
    "a URL": ("https://example.org/x.png,a", "https://example.org/x.png", "no such file"),
    "a Windows path": ("C:\\x.png,a", "C:\\x.png", "no such file"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_entry_of_a_manifest(case: str, data: Path) -> None:
    row, name, reason = ENTRIES[case]
    write(data.parent / "secret.png", SECRET)
    write(data / "four/x.png", PNG)
    link(data / "up", "..")
    path = write(data / "list.csv", f"path,label\n{row}\n{ROWS}".encode())
    kept(path, {name: reason})


def nested(count: int) -> bytes:
    return b'{"path": ' + b"[" * count + b"]" * count + b', "label": 1}\n'


WHOLE: dict[str, tuple[str, bytes, str]] = {
    "empty": ("l.csv", b"", "has no column for path among none"),
    "only a header": ("l.csv", b"path,label\n", "l has no usable image. It is empty."),
    "no column of paths": ("l.csv", b"where,label\nx,1\n",
        "has no column for path among where, label; name it: path=COL"),
    "no column of labels": ("l.csv", b"path,what\nx,1\n",
        "has no column for label among path, what; name it: label=COL"),
    "a column twice": ("l.csv", b"path,label,label\nx,1,2\n", "names a column twice: path, label, label"),
    "not UTF-8": ("l.csv", b"path,label\n\xff\xfe,a\n", r"is not UTF-8 text: invalid start byte at byte 11"),
    "UTF-16": ("l.csv", "path,label\nx,a\n".encode("utf-16"), "is not UTF-8 text"),
    "rubbish": ("l.csv", np.random.default_rng(0).bytes(3000), "is not UTF-8 text"),
    "zeros": ("l.csv", b"\0" * 3000, "no column for path"),
    "an open quote": ("l.csv", b'path,label\n"x.png,a\nfour/mnist0.png,four\n', "line 3 of .* unexpected end of data"),
    "a huge cell": ("l.csv", b"path,label\n" + b"x" * 200_000 + b",a\n", "line 2 of .* field larger than field limit"),
    "tabs in a CSV": ("l.csv", b"path\tlabel\nx\ta\n", r"has no column for path among path\\tlabel"),
    "JSON that is broken": ("l.jsonl", b'{"path": "x", "label": 1}\n{"path": \n', "line 2 of .* is not JSON"),
    "JSON that is one list": ("l.jsonl", b'[{"path": "x", "label": 1}]\n', "line 1 of .* is not a JSON object"),
    "JSON of nested lists": ("l.jsonl", nested(200_000), "line 1 of .* is not JSON"),
    "JSON of many columns": ("l.jsonl", b"".join(b'{"%d": 1}\n' % i for i in range(5000)),
        "has 5000 columns; at most 1000"),
    "JSON with a number of 5000 digits": ("l.jsonl", b'{"path": "x", "label": ' + b"9" * 5000 + b"}", "is not JSON"),
    "JSON that is not UTF-8": ("l.jsonl", b'{"path": "\xff", "label": 1}\n', "is not UTF-8 text"),
    "JSON that is empty": ("l.jsonl", b"\n\n", "has no column for path among none"),
    "a CSV of many columns": ("l.csv", b"path,label," + b",".join(b"%d" % i for i in range(2000)) + b"\nx\n",
        "2002 columns"),
    "Parquet that is none": ("l.parquet", b"PAR1 is not enough", "is not a readable Parquet file"),
    "Parquet of no bytes": ("l.parquet", b"", "is not a readable Parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE)
def test_manifest_that_is_none(case: str, data: Path) -> None:
    name, content, words = WHOLE[case]
    refused(write(data / name, content), words)


def test_odd_cells_of_json_lines(data: Path) -> None:
    rows: list[dict[str, object]] = [
        {"path": "four/mnist0.png", "label": "four", "more": {"a": [1]}}, {"path": "nine/mnist0.png", "label": 9.0},
        {"path": "four/mnist1.png", "label": True}, {"path": ["four"], "label": "four"}, {"path": "a", "label": ["b"]},
        {"path": "b", "label": {"c": 1}}, {"path": "c", "label": 1e999}, {"path": "d", "label": 0.5}, {"path": "e"},
        {"label": "four"}, {"path": "\ud800.png", "label": "\udcff"}, {"path": "four/mnist2.png", "label": "--5"},
        {"path": "four/mnist3.png", "label": 10**400}, {"path": "nine/mnist1.png", "label": "²", "more": 10**30},
    ]  # fmt: skip
    path = write(data / "l.jsonl", "\n".join(map(json.dumps, rows)).encode())
    ready = kept(path, {
        "row 4": "no path", "a": "the label is a list", "b": "the label is a list", "c": "label inf is neither",
        "d": "label 0.5 is neither", "e": "no label", "row 10": "no path",
            "\\ud800.png": "a path that no file can have",
    }, {"four/mnist0.png", "nine/mnist0.png", "four/mnist1.png", "four/mnist2.png", "four/mnist3.png",
        "nine/mnist1.png"},
    )  # fmt: skip
    assert set(ready.class_names) == {"four", "9", "True", "--5", "1" + "0" * 400, "²"}
    assert set(ready.metadata["more"]) == {"{'a': [1]}", None, "1" + "0" * 30}


def test_ids_of_a_manifest_are_unique(data: Path) -> None:
    lines = ["four/mnist0.png,a", "four/mnist0.png,b", "four/mnist0.png#2,c", "four/mnist0.png,a"]
    write(data / "four/mnist0.png#2", PNG)
    path = write(data / "l.csv", "\n".join(["path,label", *lines]).encode())
    kept(path, {}, {f"four/mnist0.png{more}" for more in ("", "#2", "#3", "#2#2")})
    given = [f"{line},{i}" for line, i in zip(lines, ("x", "x", "", "y"), strict=True)]
    path = write(data / "g.csv", "\n".join(["path,label,id", *given]).encode())
    ready = datasets.prepare(str(path))
    assert ready.sample_ids == ("x", "y")
    assert [each.reason for each in ready.skipped] == ["sample_id 'x' was there before", "no sample_id"]


def test_a_manifest_too_large(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(data / "l.csv", b"path,label\n" + ROWS.encode())
    with path.open("ab") as file:
        file.truncate(2**40)
    refused(path, "is larger than the 256 MiB that a manifest may have")
    monkeypatch.setattr(tables, "MOST_ROWS", 10)
    refused(write(data / "m.csv", b"path,label\n" + ROWS.encode()), r"m\.csv has 16 rows; at most 10 are read")


def test_a_manifest_that_is_a_pipe(data: Path) -> None:
    os.mkfifo(data / "l.csv")
    refused(data / "l.csv", "is not a data set")


def test_bytes_of_a_manifest_that_were_flipped(data: Path) -> None:
    rng = np.random.default_rng(0)
    good = [("l.csv", b"path,label\n" + ROWS.encode()),
            ("l.jsonl", b"".join(b'{"path": "%s", "label": "%s"}\n' % (i.encode(),
                i[:4].encode()) for i in sorted(IDS))),
            ("l.parquet", fixtures.manifest(data.parent / "m", ".parquet").read_bytes())]  # fmt: skip
    for name, content in good:
        for _ in range(60):
            survives(flipped(rng, data / name, content))


def flipped(rng: np.random.Generator, path: Path, content: bytes) -> Path:
    bad = bytearray(content)
    for place in rng.integers(0, len(bad), rng.integers(1, 6)):
        bad[place] = rng.integers(0, 256)
    return write(path, bytes(bad[: rng.integers(1, len(bad) + 1)] if rng.random() < 0.3 else bad))


def survives(path: Path) -> None:
    """A data set or one error."""
    for ask in (datasets.find_facts, datasets.prepare):
        try:
            ask(str(path))
        except SampleInfoError as error:
            one_line(error)


# --- zip archives


def zip_of(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    """The good images, and ``entries``."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        warnings.simplefilter("ignore")
        for each in GOOD:
            file.writestr(f"{each.label}/{each.name}", each.png)
        for name, content in entries:
            file.writestr(name, content, how if isinstance(name, str) else None)
    return path


def info(name: str, mode: int, how: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr, entry.compress_type = mode << 16, how
    return entry


def patch(path: Path, local: dict[int, bytes], central: dict[int, bytes]) -> Path:
    """Overwrite bytes of the last entry's headers."""
    with zipfile.ZipFile(path) as file:
        start = file.infolist()[-1].header_offset
    content = bytearray(path.read_bytes())
    for at, changes in ((start, local), (content.rindex(b"PK\1\2"), central)):
        for offset, new in changes.items():
            content[at + offset : at + offset + len(new)] = new
    path.write_bytes(bytes(content))
    return path


ZEROS = 220 * 2**20
X, XB = ("four/x.png", PNG), "four/x.png"
ZIPS: dict[str, tuple[Callable[[Path], Path], dict[str, str]]] = {
    **{f"a name that leads out: {name!r}": (
        lambda path, name=name: zip_of(path, (name, PNG)), {name: "leads out of the archive's folder"})
       for name in ("../x.png", "/x.png", "four/../../x.png", "..\\x.png", "C:/x.png", "C:\\x.png", "\\\\host\\x.png",
                    "four/../x.png", "//x.png")},
    "a link": (lambda path: zip_of(path, (info(XB, 0o120777), b"/etc/passwd")), {XB: "a link"}),
    "a link and a file through it": (
        lambda path: zip_of(path, (info("out", 0o120777), b"/tmp"), ("out/x.png", PNG)), {"out": "a link"}),
    "a device": (lambda path: zip_of(path, (info(XB, 0o020666), b"")), {XB: "empty file"}),
    "an encrypted entry": (lambda path: patch(zip_of(path, X), {6: b"\1"}, {8: b"\1"}), {XB: "encrypted"}),
    "a wrong checksum": (lambda path: patch(zip_of(path, X), {14: b"abcd"}, {16: b"abcd"}),
                         {XB: "damaged in the archive: Bad CRC-32"}),
    "broken data": (lambda path: patch(zip_of(path, X), {42: b"\xff" * 30}, {}), {XB: "damaged in the archive"}),
    "a header of another entry": (lambda path: patch(zip_of(path, X), {30: b"nine/x.png"}, {}),
                                  {XB: "damaged in the archive: File name in directory"}),
    "a header that is none": (lambda path: patch(zip_of(path, X), {0: b"XX"}, {}), {XB: "damaged in the archive"}),
    "a header beyond the end": (lambda path: patch(zip_of(path, X), {}, {42: b"\xff\xff\xff\x7f"}),
                                {XB: "damaged in the archive"}),
    "the same name twice": (lambda path: zip_of(path, X, (XB, b"other")), {XB: "a second entry of the same name"}),
    "the same name otherwise": (lambda path: zip_of(path, X, ("four//./x.png", b"other")),
                                {"four//./x.png": "a second entry of the same name"}),
    "a bomb": (lambda path: zip_of(path, (XB, b"\0" * ZEROS)), {XB: "unpacks to 220 MiB, at most 200 MiB"}),
    "a bomb that claims to be small": (
        lambda path: patch(zip_of(path, (XB, b"\0" * ZEROS)), {22: b"\x64\0\0\0"}, {24: b"\x64\0\0\0"}),
        {XB: "damaged in the archive: Bad CRC-32"}),
    "a claim of 4 GiB": (lambda path: patch(zip_of(path, X), {}, {24: b"\xfe\xff\xff\xff"}),
        {XB: "unpacks to 4096 MiB"}),
    "a bomb of bzip2": (lambda path: zip_of(path, (XB, b"\0" * ZEROS), how=zipfile.ZIP_BZIP2),
                        {XB: "compressed otherwise than by deflate"}),
    "LZMA": (lambda path: zip_of(path, X, how=zipfile.ZIP_LZMA), {XB: "compressed otherwise than by deflate"}),
    "an unknown method": (lambda path: patch(zip_of(path, X), {8: b"\x63\0"}, {10: b"\x63\0"}),
                          {XB: "compressed otherwise than by deflate"}),
    "an entry below a file": (lambda path: zip_of(path, ("four/mnist0.png/x.png", PNG)),
                              {"four/mnist0.png/x.png": "cannot be unpacked"}),
    "a name too long": (lambda path: zip_of(path, ("four/" + "x" * 300 + ".png", PNG)),
                        {"four/" + "x" * 300 + ".png": "cannot be unpacked: "}),
    "a program": (lambda path: zip_of(path, ("four/run.sh", b"#!/bin/sh\n")),
                  {"four/run.sh": "neither an image nor a table by its name"}),
    "a zip": (lambda path: zip_of(path, ("four/x.zip", b"PK")), {"four/x.zip": "neither an image nor a table"}),
    "hidden files": (lambda path: zip_of(path, ("__MACOSX/four/._x.png", b"x"), (".git/config", b"x")), {}),
    "a folder called x.png": (lambda path: zip_of(path, ("four/x.png/", b"")), {}),
    "no name": (lambda path: zip_of(path, (info(".", 0), PNG)), {".": "neither an image nor a table by its name"}),
    "an image at the top": (lambda path: zip_of(path, ("x.png", PNG)), {"x.png": "lies in no class folder"}),
    "something before the archive": (lambda path: write(path, b"#!/bin/sh\n" * 99 + zip_of(path).read_bytes()), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ZIPS)
def test_entry_of_a_zip(case: str, tmp_path: Path) -> None:
    make, skipped = ZIPS[case]
    also = {"a link and a file through it": {"out/x.png"}, "the same name twice": {XB}, "the same name otherwise": {XB}}
    kept(make(tmp_path / "z.zip"), skipped, IDS | also.get(case, set()))
    outside = {"z.zip", "home"}
    assert {each.name for each in tmp_path.iterdir()} == outside


def bare(path: Path, content: bytes) -> Path:
    return write(path, content)


def empty_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return path


ARCHIVES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no bytes": (lambda path: bare(path, b""), "is not a readable zip archive: File is not a zip file"),
    "text": (lambda path: bare(path, b"hello"), "is not a readable zip archive"),
    "half of one": (lambda path: bare(path, zip_of(path).read_bytes()[:5000]), "is not a readable zip archive"),
    "without a directory": (lambda path: bare(path, zip_of(path).read_bytes()[:-30]), "is not a readable zip archive"),
    "nothing in it": (empty_zip, "holds no files that could be unpacked"),
    "only what leads out": (lambda path: empty_zip(path, "../\n.png"),
        r"could be unpacked\. \.\./\\n\.png: leads out of"),
    "only programs": (lambda path: empty_zip(path, "a/b.exe"), "a/b.exe: neither an image nor a table"),
    "one image": (lambda path: empty_zip(path, "x.png"), "has its images directly in it"),
    "a version to come": (lambda path: patch(zip_of(path), {}, {6: b"\xff\0"}),
        "not a readable zip archive: zip file ver"),
    "names that are no UTF-8": (
        lambda path: patch(zip_of(path, ("four/é.png", PNG)), {}, {46: b"four/\xff\xff.png"}),
            "not a readable zip archive"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARCHIVES)
def test_zip_that_is_none(case: str, tmp_path: Path) -> None:
    make, words = ARCHIVES[case]
    refused(make(tmp_path / "z.zip"), words)
    assert not list((tmp_path / "home/unpacked").glob("*")) or case == "one image"


def test_a_zip_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(tmp_path / "z.zip")
    monkeypatch.setattr(archive, "MOST_TOTAL", 1000)
    refused(path, "unpacks to more than 0 GiB: unpack it and give the folder instead")
    monkeypatch.setattr(archive, "MOST_ENTRIES", 3)
    refused(path, "has 16 entries; at most 3 are unpacked")


def test_bytes_of_a_zip_that_were_flipped(tmp_path: Path) -> None:
    rng, good = np.random.default_rng(0), zip_of(tmp_path / "z.zip", X).read_bytes()
    for _ in range(60):
        survives(flipped(rng, tmp_path / "z.zip", good))


# --- image Parquet

CELLS = [each.png for each in GOOD]


@pytest.mark.parametrize(
    ("cell", "label", "reason"),
    [
        (None, 1, "no image in this row"), (b"", 1, "empty file (0 bytes)"), (b"x" * 99, 1, "not an image"),
        (PNG, None, "no label"), (PNG, -1, "label -1 is negative"), (PNG, 3, "label 3 has no name: there are 3 class"),
        (PNG, 2**40, "label 1099511627776 has no name"), (PNG[:99], 0, "cut off"),
    ],
)  # fmt: skip
def test_cell_of_parquet(cell: bytes | None, label: int | None, reason: str, tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "p.parquet", [*CELLS[:8], cell, *CELLS[8:]], [0] * 8 + [label] + [1] * 8)
    kept(path, {"p-000008": reason}, {f"p-{row:06d}" for row in range(17) if row != 8})


@pytest.mark.parametrize("labels", [[0.0] * 8 + [np.nan] + [1.0] * 8, ["a"] * 8 + [""] + ["b"] * 8])
def test_label_that_is_none(labels: list[object], tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "p.parquet", [*CELLS[:8], PNG, *CELLS[8:]], labels, names=None)
    kept(path, {"p-000008": "no label"}, {f"p-{row:06d}" for row in range(17) if row != 8})


def arrow(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def cut(path: Path, share: float) -> Path:
    fixtures.image_parquet(path)
    return write(path, path.read_bytes()[: int(path.stat().st_size * share)])


def twice(path: Path) -> Path:
    pq.write_table(
        pa.Table.from_arrays([pa.array(CELLS), pa.array(CELLS), pa.array(["a"] * 16)], ["i", "i", "label"]), path
    )
    return path


TABLES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut in half": (lambda path: cut(path, 0.5), "is not a readable Parquet file"),
    "without its end": (lambda path: cut(path, 0.99), "is not a readable Parquet file"),
    "no image column": (lambda path: arrow(path, label=[1, 2]), "has no column for path among label"),
    "no label column": (lambda path: arrow(path, image=CELLS),
        "p.parquet has no label column among none; name it: label="),
    "labels that are lists": (lambda path: arrow(path, image=CELLS[:2], label=[[1], [2]]),
        "column 'label' .* not text or"),
    "labels that are structs": (lambda path: arrow(path, image=CELLS[:1], label=[{"a": 1}]),
        "holds struct.*, not text or"),
    "images that are numbers": (
        lambda path: arrow(path, image=[{"bytes": 10**12, "path": "x"}], label=[1]), "path|has no column of images"),
    "images in a struct too many": (
        lambda path: arrow(path, image=[{"bytes": {"bytes": PNG}}], label=[1]), "can be read|'row 1': no path"),
    "images that are text": (lambda path: arrow(path, image=["x"], label=["a"]), "can be read. 'x': no such file"),
    "images that are all null": (lambda path: parquet_of(path, [None] * 4, [0, 0, 1, 1]),
        "p-000000': no image in this row"),
    "no rows": (lambda path: parquet_of(path, [], pa.array([], pa.int64())), "p has no usable image. It is empty."),
    "labels that are all null": (lambda path: parquet_of(path, CELLS, [None] * 16),
        "'p-000000': no label.*, and 13 more"),
    "labels that are no text": (lambda path: arrow(path, image=CELLS[:1], label=pa.array([b"\xff"]).cast(
        pa.string(), safe=False)), "is damaged: 'utf-8' codec"),
    "a column twice": (twice, "names a column twice: i, i, label"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_parquet_that_is_none(case: str, tmp_path: Path) -> None:
    make, words = TABLES[case]
    path = make(tmp_path / "p.parquet")
    with pytest.raises(SampleInfoError, match=words) as caught:
        datasets.prepare(str(path))
    one_line(caught.value)
    survives(path)


def test_names_of_classes_that_are_none(tmp_path: Path) -> None:
    for names in ([1, 2], ["a", "a"], [], "ab", None, [["a"]]):
        features = {"image": {"_type": "Image"}, "label": {"names": names}}
        plain = pq.read_table(parquet_of(tmp_path / "p.parquet", CELLS, [0, 1] * 8, names=None))
        for meta in (
            json.dumps({"info": {"features": features}}),
            "{",
            "[]",
            '{"info": 1}',
            json.dumps({"info": {"features": []}}),
        ):
            pq.write_table(plain.replace_schema_metadata({"huggingface": meta}), tmp_path / "p.parquet")
            assert datasets.read(str(tmp_path / "p.parquet")).class_names == ("0", "1")


def test_a_damaged_shard_is_named_and_the_others_kept(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        fixtures.image_parquet(tmp_path / f"d/{name}.parquet", GOOD)
    cut(tmp_path / "d/b.parquet", 0.5)
    arrow(tmp_path / "d/stats.parquet", number=[1, 2])
    others = {f"{name}-{row:06d}" for name in "ac" for row in range(16)}
    ready = datasets.prepare(str(tmp_path / "d"))
    assert set(ready.sample_ids) == others
    assert {each.name: each.reason.split("d/")[1][:40] for each in ready.skipped} == {
        "b": "b.parquet is not a readable Parquet file", "stats": "stats.parquet has no column of images; i",
    }  # fmt: skip


def test_a_damaged_page_costs_its_row_group(tmp_path: Path) -> None:
    path = fixtures.image_parquet(tmp_path / "p.parquet", row_group=6)
    column = pq.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(content))
    bad = {f"p-{row:06d}": "the Parquet file is damaged here" for row in range(6, 12)}
    kept(path, bad, {f"p-{row:06d}" for row in (*range(6), *range(12, 24))})


def test_parquet_of_many_empty_rows(tmp_path: Path) -> None:
    rows = 6_000_000
    path = arrow(tmp_path / "p.parquet", image=pa.nulls(rows, pa.binary()), label=pa.nulls(rows, pa.int8()))
    assert path.stat().st_size < 100_000
    refused(path, "has 6000000 rows; at most 5000000 are read")


def test_parquet_that_changes_while_it_is_open(tmp_path: Path) -> None:
    path = fixtures.image_parquet(tmp_path / "p.parquet")
    images = datasets.read(str(path)).images
    assert images[0].shape == (28, 28)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(Unreadable, match="damaged"):
        images[20]
    path.unlink()
    with pytest.raises(Unreadable, match="no such file"):
        images[0]


def test_parquet_outside_the_folder(tmp_path: Path) -> None:
    fixtures.image_parquet(tmp_path / "d/a.parquet", GOOD)
    link(tmp_path / "d/b.parquet", fixtures.image_parquet(tmp_path / "out/secret.parquet"))
    link(tmp_path / "d/more", tmp_path / "out")
    kept(tmp_path / "d", {}, {f"a-{row:06d}" for row in range(16)})


def test_bytes_of_parquet_that_were_flipped(tmp_path: Path) -> None:
    rng, good = np.random.default_rng(1), fixtures.image_parquet(tmp_path / "p.parquet").read_bytes()
    for _ in range(100):
        survives(flipped(rng, tmp_path / "p.parquet", good))


# --- NumPy archives


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


U1 = np.zeros((4, 5, 5), dtype=np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None]
LABELS = np.array([0, 0, 1, 1])


def entries(path: Path, how: int = zipfile.ZIP_DEFLATED, **arrays: bytes) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in arrays.items():
            file.writestr(f"{name}.npy", content)
    return path


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def lying(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + b"\0" * 100


ARRAYS: dict[str, tuple[dict[str, object], str]] = {
    "no labels": ({"images": U1}, "has no array 'labels'; it has images"),
    "no images": ({"labels": LABELS}, "has no array 'images'; it has labels"),
    "nothing": ({}, "has no array 'images'; it has nothing"),
    "flat images": (
        {"images": U1.reshape(4, 25), "labels": LABELS},
        r"the shape \(4, 25\) and type uint8; expected \(N, h",
    ),
    "two channels": ({"images": U1[..., None].repeat(2, 3), "labels": LABELS}, r"\(4, 5, 5, 2\)"),
    "images without pixels": ({"images": U1[:, :0], "labels": LABELS}, r"\(4, 0, 5\)"),
    "integers": ({"images": U1.astype(np.int64), "labels": LABELS}, "type int64; expected"),
    "complex numbers": ({"images": U1.astype(complex), "labels": LABELS}, "type complex128; expected"),
    "text": ({"images": np.array(["a"]), "labels": LABELS}, "type <U1; expected"),
    "floats to 255": ({"images": U1.astype(float) * 80, "labels": LABELS}, "are floats from 0 to 240; expected 0 to 1"),
    "floats to 255 and infinity": ({"images": np.where(U1 == 0, np.inf, U1 * 80.0), "labels": LABELS}, "from 0 to 240"),
    "negative floats": ({"images": U1 / -3.0, "labels": LABELS}, "from -1 to 0"),
    "too few labels": (
        {"images": U1, "labels": LABELS[:3]},
        r"has 4 images and labels of shape \(3,\); expected one each",
    ),
    "labels one-hot": ({"images": U1, "labels": np.eye(4)}, r"labels of shape \(4, 4\)"),
    "a single label": ({"images": U1, "labels": np.int64(1)}, r"labels of shape \(\)"),
    "a class twice": ({"images": U1, "labels": LABELS, "class_names": np.array(["a", "a"])}, "name a class twice"),
    "too few sources": ({"images": U1, "labels": LABELS, "sources": np.array(["a"])}, r"sources .* the shape \(1,\)"),
    "no rows": ({"images": U1[:0], "labels": LABELS[:0]}, "a has no usable image. It is empty."),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_are_no_data_set(case: str, tmp_path: Path) -> None:
    arrays, words = ARRAYS[case]
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    refused(tmp_path / "a.npz", words)


NPZ: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no bytes": (lambda path: write(path, b""), "is not a readable .npz archive: it is damaged"),
    "an array alone": (lambda path: write(path, npy(U1)), "is not a readable .npz archive"),
    "cut in half": (lambda path: write(path, entries(path, images=npy(U1)).read_bytes()[:60]), "not a readable .npz"),
    "an entry that is no array": (lambda path: entries(path, images=b"hello", labels=npy(LABELS)),
        "images .* not a NumPy"),
    "an entry cut off": (lambda path: entries(path, images=npy(U1)[:150], labels=npy(LABELS)), "not a readable .npz"),
    "a shape of 10^15": (lambda path: entries(path, images=lying((10**5,) * 3), labels=npy(LABELS)),
        "not a readable .npz"),
    "a negative shape": (lambda path: entries(path, images=lying((-1, 5, 5)), labels=npy(LABELS)),
        "not a readable .npz"),
    "a header of code": (
        lambda path: entries(path, images=b"\x93NUMPY\1\0\x40\0" + b"__import__('os').abort()".ljust(63) + b"\n",
                             labels=npy(LABELS)), "not a readable .npz"),
    "bzip2": (lambda path: entries(path, zipfile.ZIP_BZIP2, images=npy(U1), labels=npy(LABELS)),
        "compressed otherwise"),
}  # fmt: skip


@pytest.mark.parametrize("case", NPZ)
def test_npz_that_is_none(case: str, tmp_path: Path) -> None:
    make, words = NPZ[case]
    refused(make(tmp_path / "a.npz"), words)


@pytest.mark.parametrize("where", ["images", "labels", "class_names", "unused"])
def test_pickled_objects_never_run(where: str, tmp_path: Path) -> None:
    arrays: dict[str, object] = {"images": U1, "labels": LABELS}
    arrays[where] = np.array([Payload(tmp_path / "ran")] * 4, dtype=object)
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    if where == "unused":
        assert len(datasets.prepare(str(tmp_path / "a.npz"))) == 4
    else:
        refused(tmp_path / "a.npz", "it holds Python objects, which are never read")
    write(tmp_path / "b.npz", pickle.dumps(Payload(tmp_path / "ran")))
    refused(tmp_path / "b.npz", "is not a readable .npz archive")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_image_that_is_not_finite(bad: float, tmp_path: Path) -> None:
    images = U1 / 3.0
    images[1, 2, 2] = bad
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    kept(tmp_path / "a.npz", {"a-000001": "pixels that are not finite numbers"}, {f"a-{i:06d}" for i in (0, 2, 3)})


@pytest.mark.parametrize(
    "labels", [np.array([0.0, np.nan, 1, 1]), np.array(["a", "", "b", "b"]), np.array([0, -1, 1, 1])]
)
def test_one_label_that_is_none(labels: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=U1, labels=labels)
    kept(tmp_path / "a.npz", {"a-000001": ""}, {f"a-{i:06d}" for i in (0, 2, 3)})


def test_bytes_of_npz_that_were_flipped(tmp_path: Path) -> None:
    rng, good = np.random.default_rng(2), fixtures.npz(tmp_path / "a.npz", "float").read_bytes()
    for _ in range(60):
        survives(flipped(rng, tmp_path / "a.npz", good))


# --- several at once


def test_reasons_of_joined_data_sets_say_where(data: Path, tmp_path: Path) -> None:
    write(data / "four/x.png", b"")
    cells = parquet_of(tmp_path / "p.parquet", [*CELLS, None], [0] * 8 + [1] * 9)
    ready = datasets.prepare(f"{data}+{cells}")
    assert {each.name: each.reason for each in ready.skipped} == {
        "data:four/x.png": "empty file (0 bytes)", "p:p-000016": "no image in this row",
    }  # fmt: skip
    assert len(ready) == 32
    assert ready.class_names == ("four", "nine")
    refused(f"{data}+{tmp_path / 'nothing.csv'}", "no such file or folder")


def test_a_process_that_is_ended_from_outside(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sampleinfo import parallel

    monkeypatch.setattr(parallel, "WORTH", 1)
    monkeypatch.setattr(parallel, "workers", lambda: 2)
    with pytest.raises(SampleInfoError, match="the system ended a process that reads images") as caught:
        list(parallel.over_images(_end, datasets.read(str(data)).images, lambda *_: None, "images", (0, 1)))
    one_line(caught.value)
    kept(data, {})


def _end(images: object) -> list[int]:
    os._exit(1)


def test_limits_are_what_the_messages_say() -> None:
    assert (manifest.MOST_BYTES, tables.MOST_ROWS, archive.MOST_TOTAL) == (256 * 2**20, 5_000_000, 4 * 2**30)
