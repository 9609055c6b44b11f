"""From the bytes of an image file to pixels as a person sees them.

EXIF rotation is applied; palettes, CMYK and other colour spaces become RGB; transparent pixels are laid on white;
16-bit grey is scaled to 8 bits; of an animation the first frame is taken. Nothing is guessed: a file that is cut off,
of another kind than its name says, or too large is ``Unreadable`` with the reason.
"""

from __future__ import annotations

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sampleinfo.errors import Unreadable
from sampleinfo.types import ImageArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
#: File name suffixes and the formats they promise.
SUFFIXES = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".mpo": "JPEG", ".png": "PNG", ".apng": "PNG",
    ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP", ".dib": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM",
    ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
}  # fmt: skip
MOST_BYTES, MOST_PIXELS = 200 * 2**20, 64_000_000
ORIENTATION = 0x0112
#: Where a format but TIFF may say how the picture is to be turned.
EXIF = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
#: What every scan of a JPEG begins with, and how many of the largest pictures are still decoded.
SCAN, MOST_SCANS = b"\xff\xda", 20


def decode(data: bytes, name: str | None = None) -> ImageArray:
    """(h, w) or (h, w, 3) uint8 pixels; a ``name`` must have the suffix of its format, if it has an image's at all.

    Raises:
        Unreadable: with the reason.
    """
    check_size(len(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are checked below; oddities in metadata do not matter
            return _decoded(data, name)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise Unreadable(_too_many()) from error
    except MemoryError as error:
        raise Unreadable("too large for the memory") from error
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error on damaged files
        raise Unreadable(_reason(error)) from error


def check_size(count: int) -> None:
    """Whether an image file may have so many bytes.

    Raises:
        Unreadable: none, or too many.
    """
    if not count:
        raise Unreadable("empty file (0 bytes)")
    if count > MOST_BYTES:
        raise Unreadable(f"too large: {count / 2**20:.0f} MiB, at most {MOST_BYTES // 2**20} MiB")


def _decoded(data: bytes, name: str | None) -> ImageArray:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        _check_name(str(picture.format), name)
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise Unreadable(_too_many(f"{width} x {height} px, "))
        scans = data.count(SCAN) if picture.format in ("JPEG", "MPO") else 1
        if scans * width * height > MOST_SCANS * MOST_PIXELS:
            raise Unreadable(f"a JPEG with {scans} scans of {width} x {height} px, which would take too long")
        picture.load()
        pixels = np.asarray(_plain(_upright(picture)))
    if pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise Unreadable(f"pixels of an unexpected kind ({pixels.dtype}, {pixels.shape})")
    return pixels


def _check_name(found: str, name: str | None) -> None:
    suffix = os.path.splitext(name)[1].lower() if name else ""
    found = "JPEG" if found == "MPO" else found
    if suffix in SUFFIXES and SUFFIXES[suffix] != found:
        raise Unreadable(f"a {found} file with the name of a {SUFFIXES[suffix]} ({suffix})")


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF block says; a block that cannot be read says nothing."""
    if picture.format != "TIFF" and EXIF.isdisjoint(picture.info):
        return picture
    try:
        turned = picture.getexif().get(ORIENTATION, 1)
        return ImageOps.exif_transpose(picture) if turned in range(2, 9) else picture
    except Exception:
        return picture


def _plain(picture: Image.Image) -> Image.Image:
    """In mode L or RGB."""
    mode = picture.mode
    clear = picture.info.get("transparency")
    if mode in ("L", "RGB") and clear is None:
        return picture
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _scaled(np.asarray(picture), clear)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or clear is not None:
        straight = {"RGBa": "RGBA", "La": "LA"}.get(mode, mode)
        return on_white(picture.convert(straight).convert("RGBA"))
    return picture.convert("L" if mode == "1" else "RGB")


def on_white(picture: Image.Image) -> Image.Image:
    """An RGBA picture as RGB, its transparent pixels on white."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _scaled(values: np.ndarray, clear: object) -> Image.Image:
    """16-bit grey, or 32-bit integers in its range, or fractions of 1, as 8-bit grey; the value ``clear`` as white."""
    top = 1 if values.dtype.kind == "f" else 65535
    if not np.isfinite(values).all():
        raise Unreadable("pixels that are not finite numbers")
    if values.min() < 0 or values.max() > top:
        raise Unreadable(f"32-bit pixels outside 0 to {top}: how bright they are meant to be is unknown")
    grey = np.round(values.astype(np.float32) * np.float32(255 / top)).astype(np.uint8)
    return Image.fromarray(grey if clear is None else np.where(values == clear, np.uint8(255), grey))


def _too_many(size: str = "") -> str:
    return f"too large: {size}at most {MOST_PIXELS // 10**6} million pixels"


def _reason(error: Exception) -> str:
    words = (str(error).splitlines() or [""])[0].strip() or type(error).__name__
    cut = any(word in words.lower() for word in ("truncat", "premature", "broken", "unexpected end"))
    return f"{'cut off or damaged' if cut else 'damaged'}: {words}"
