"""How a data set is to be read, where that is not plain from the files."""

from __future__ import annotations

from dataclasses import dataclass

from sampleinfo.config import RunConfig
from sampleinfo.errors import InvalidSetting

LAYOUTS = ("auto", "class", "split/class", "source/class")
#: What a column may stand for, and the names taken for it when none is given.
COLUMNS = {
    "path": ("path", "file_name", "filename", "file", "image_path", "filepath", "image"),
    "image": ("image", "img"),
    "label": ("label", "labels", "class", "class_name", "target", "category", "fine_label"),
    "split": ("split", "subset", "partition"),
    "source": ("source", "origin"),
    "sample_id": ("sample_id", "id"),
}


@dataclass(frozen=True)
class Options:
    """``layout`` of folders, one of ``LAYOUTS``; ``columns`` are pairs (what it stands for, column of the table)."""

    layout: str = "auto"
    columns: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InvalidSetting(f"layout must be one of {', '.join(LAYOUTS)}; got {self.layout!r}.")
        for role, column in self.columns:
            if role not in COLUMNS or not column:
                raise InvalidSetting(
                    f"columns must be pairs such as path=FILE_COLUMN, of {', '.join(COLUMNS)}; got {role}={column}."
                )
        if len({role for role, _ in self.columns}) < len(self.columns):
            raise InvalidSetting(f"columns name one thing twice: {', '.join(f'{a}={b}' for a, b in self.columns)}.")

    @classmethod
    def of(cls, config: RunConfig) -> Options:
        """Those of a run's settings."""
        return cls(config.layout, config.columns)

    def column(self, role: str, present: list[str], where: str) -> str | None:
        """The column that stands for ``role``: the one given, or the first usual name among those ``present``.

        Raises:
            InvalidSetting: the given column is not there.
        """
        given = dict(self.columns).get(role)
        if given is not None:
            if given not in present:
                raise InvalidSetting(f"{where} has no column {given!r} for {role}; it has {', '.join(present)}.")
            return given
        lower = {name.lower(): name for name in reversed(present)}
        return next((lower[name] for name in COLUMNS[role] if name in lower), None)


SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "eval": "validation", "evaluation": "validation", "validate": "validation", "test": "test",
    "testing": "test",
}  # fmt: skip


def split_name(given: str) -> str:
    """``train``, ``validation`` or ``test`` for their usual spellings; any other name as it is."""
    return SPLIT_NAMES.get(given.strip().lower(), given.strip())
