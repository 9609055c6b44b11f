"""What is decided about one image: it stays, its label changes, it goes, or somebody else should look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sampleinfo.decisions import checks
from sampleinfo.errors import InvalidSetting, StorageError

KEEP, RELABEL, DROP, UNSURE = KINDS = ("keep", "relabel", "drop", "unsure")
#: Between the kind and the class in a stored text.
MARK = ":"


@dataclass(frozen=True)
class Verdict:
    """``kind`` is one of ``KINDS``; ``class_name``: the right class, with ``RELABEL`` alone.

    Raises:
        InvalidSetting: another kind, a class where there is none to give, or none where one is needed.
    """

    kind: str
    class_name: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidSetting(f"a verdict must be one of {', '.join(KINDS)}; got {self.kind!r}.")
        if self.kind != RELABEL and self.class_name is not None:
            got = checks.shortened(self.class_name)
            raise InvalidSetting(f"only the verdict {RELABEL!r} has a class; got {got} with {self.kind!r}.")
        if self.kind == RELABEL and checks.text("name of a class", self.class_name) is None:
            raise InvalidSetting(f"the verdict {RELABEL!r} needs the class that is right; got none.")

    def to_text(self) -> str:
        """As it is stored: ``keep``, ``drop``, ``unsure``, or ``relabel:CLASS``."""
        return self.kind if self.class_name is None else f"{self.kind}{MARK}{self.class_name}"

    @classmethod
    def from_text(cls, text: str) -> Verdict:
        """The inverse of ``to_text``.

        Raises:
            StorageError: it is no verdict that this version knows.
        """
        kind, mark, class_name = text.partition(MARK)
        try:
            return cls(kind, class_name if mark else None)
        except InvalidSetting as error:
            raise StorageError(
                f"the decisions hold a verdict that this version does not know: {checks.shortened(text)}. Update "
                "sampleinfo."
            ) from error

    def __str__(self) -> str:
        return self.kind if self.class_name is None else f"{self.kind} as {self.class_name}"


def labels_of(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """The class of every image that was relabelled."""
    return {name: each.class_name for name, each in verdicts.items() if each.class_name is not None}


def dropped_of(verdicts: Mapping[str, Verdict]) -> list[str]:
    """The images that are to be dropped, sorted."""
    return sorted(name for name, each in verdicts.items() if each.kind == DROP)


def corrections_of(verdicts: Mapping[str, Verdict]) -> tuple[tuple[str, str | None], ...]:
    """What a run changes of the data set: the right class of an image, or None where it is dropped; sorted by image."""
    return tuple(
        (name, verdicts[name].class_name) for name in sorted(verdicts) if verdicts[name].kind in (RELABEL, DROP)
    )


def words(verdict: Verdict | None, about: str) -> str:
    """The edit that gives it, in words; None takes it back. ``about``: the images."""
    if verdict is None:
        return f"Took the verdict on {about} back."
    if verdict.class_name is not None:
        return f"Relabelled {about} as {checks.shortened(verdict.class_name)}."
    return {KEEP: f"Kept {about}.", DROP: f"Dropped {about}."}.get(verdict.kind, f"Marked {about} as unsure.")
