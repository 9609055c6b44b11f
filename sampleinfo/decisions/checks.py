"""What names, images and texts may be."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sampleinfo.errors import InvalidSetting

LONGEST_NAME, LONGEST_TEXT = 80, 20_000
#: Control characters, halves of characters, and breaks of lines and paragraphs.
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")


def name(kind: str, text: str) -> str:
    """The name of a set, a tag or an author, unchanged.

    Raises:
        InvalidSetting: it is empty, too long, or has characters that no name may have.
    """
    rule = f"It must have 1 to {LONGEST_NAME} characters, no control characters, and no space at either end."
    if not text or text != text.strip() or len(text) > LONGEST_NAME:
        got = f"{len(text)} characters" if len(text) > LONGEST_NAME else repr(text)
        raise InvalidSetting(f"the name of the {kind} cannot be used: got {got}. {rule}")
    bad = next((each for each in text if unicodedata.category(each) in FORBIDDEN), None)
    if bad is not None:
        raise InvalidSetting(f"the name of the {kind} cannot be used: it has the character U+{ord(bad):04X}. {rule}")
    return text


def ids(sample_ids: Iterable[str]) -> list[str]:
    """The ids of images, each once, in the order given.

    Raises:
        InvalidSetting: one text instead of several, or something that is no id.
    """
    if isinstance(sample_ids, str):
        raise InvalidSetting(f"expected a list of ids of images, got one text: {shortened(sample_ids)}.")
    found = dict.fromkeys(sample_ids)
    for each in found:
        if not isinstance(each, str) or not each:
            raise InvalidSetting(f"the id of an image must be a text that is not empty, got {each!r}.")
    return [str(each) for each in found]


def text(kind: str, given: str | None) -> str | None:
    """The text of a note, or the name of a class; None where it is empty.

    Raises:
        InvalidSetting: it is too long.
    """
    if given is not None and len(given) > LONGEST_TEXT:
        raise InvalidSetting(f"the {kind} may have {LONGEST_TEXT} characters at most, got {len(given)}.")
    return given or None


def shortened(given: str, longest: int = 60) -> str:
    """A text in quotation marks, cut where it is long."""
    return repr(given if len(given) <= longest else given[: longest - 1] + "…")


def images(sample_ids: list[str]) -> str:
    """Images in words: the one, or how many."""
    if len(sample_ids) == 1:
        return f"image {shortened(sample_ids[0])}"
    return f"{len(sample_ids) or 'no'} images"
