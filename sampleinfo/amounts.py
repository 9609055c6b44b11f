"""How many images to keep, as people write it: a share, a percentage, a number, numbers per class."""

from __future__ import annotations

from collections.abc import Sequence

from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.reports import strategies


def size_of(option: str, given: str, n: int) -> int:
    """How many of n images a share such as 0.3 or 30 %, or a number such as 300, means.

    Raises:
        InvalidSetting: neither, or out of range.
    """
    text = given.strip()
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = float("nan")
    if 0 < share < 1 or (text.endswith("%") and share == 1):
        return max(1, round(share * n))
    if not text.isascii() or not text.isdigit():
        raise InvalidSetting(f"{option} must be a share such as 0.3 or 30%, or a number such as 300; got {given!r}.")
    strategies.check_size(int(text), n)
    return int(text)


def quotas_of(given: Sequence[str], class_names: list[str]) -> dict[int, int]:
    """Images to keep by label, from texts such as CLASS=20,CLASS=30.

    Raises:
        UnknownName: a class that the run does not have.
        InvalidSetting: a text of another kind, or a class given twice.
    """
    quotas: dict[int, int] = {}
    for text in given:
        for pair in [text] if text.rpartition("=")[0] in class_names else text.split(","):
            name, _, number = pair.rpartition("=")
            if not (name and number.isascii() and number.isdigit()):
                raise InvalidSetting(f"per class must be pairs such as {class_names[0]}=20, by commas; got {pair!r}.")
            if name not in class_names:
                raise UnknownName("class", name, class_names)
            if class_names.index(name) in quotas:
                raise InvalidSetting(f"per class names {name!r} twice.")
            quotas[class_names.index(name)] = int(number)
    return quotas
