"""Names of files and folders for classes and ids of any kind."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

#: Bytes of a name; file systems allow 255, and a number and an ending come behind it.
LONGEST = 200


def plain(text: str) -> str:
    """One name that is no path, not hidden, printable and not too long; what is so already stays as it is."""
    name = "".join("_" if each in "/\\" or not each.isprintable() else each for each in text) or "_"
    if name.startswith("."):
        name = f"_{name[1:]}"
    data = name.encode()
    if len(data) <= LONGEST:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{data[: LONGEST - 9].decode(errors='ignore')}-{digest}"


def distinct(texts: Iterable[str]) -> list[str]:
    """Plain names, different also where capitals or the way accents are written make no difference."""
    taken: set[str] = set()
    found = []
    for text in texts:
        name, number = plain(text), 1
        fresh = name
        while _key(fresh) in taken:
            number += 1
            fresh = f"{name}-{number}"
        taken.add(_key(fresh))
        found.append(fresh)
    return found


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
