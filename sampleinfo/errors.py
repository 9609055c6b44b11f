"""Errors a user can do something about. Each message says what was wrong, what was got and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar


def printable(text: str) -> str:
    """Text of any origin on one line: what cannot be printed is written out."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class SampleInfoError(Exception):
    """Base of every error whose text is meant for the user: one printable line, whatever names it quotes."""

    def __str__(self) -> str:
        return printable(super().__str__())


class UnknownName(SampleInfoError):
    """A data set, model, class or score that does not exist."""

    def __init__(self, kind: str, got: str, known: Iterable[str], more: str = "") -> None:
        names = list(known)
        near = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown {kind} {got!r}.{hint} Known: {', '.join(names)}.{' ' * bool(more)}{more}")


Value = TypeVar("Value")


def lookup(kind: str, name: str, known: Mapping[str, Value]) -> Value:
    """What is called ``name`` among the ``known`` ones of a kind.

    Raises:
        UnknownName: with the known names.
    """
    if name not in known:
        raise UnknownName(kind, name, known)
    return known[name]


class InvalidSetting(SampleInfoError):
    """A setting outside its allowed range, or settings that contradict each other."""


class NeedsKernel(InvalidSetting):
    """A question that a run of too many images for a kernel cannot answer; others it can."""


class InvalidData(SampleInfoError):
    """Data that cannot be scored."""


class Unreadable(SampleInfoError):
    """One image that cannot be read; its text is the reason."""


class InvalidRun(SampleInfoError):
    """A folder that is not a run, is damaged, or was written by another format version."""


class StorageError(SampleInfoError):
    """A file or folder that cannot be read or written."""


class NumericalError(SampleInfoError):
    """A problem that has no finite solution with the given settings."""


class Cancelled(SampleInfoError):
    """The user stopped the work; finished blocks are kept."""
