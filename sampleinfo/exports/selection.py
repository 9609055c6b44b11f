"""A set of a run's images that is taken away, and the original images where they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from sampleinfo.datasets.files import readable_name
from sampleinfo.errors import InvalidSetting, SampleInfoError
from sampleinfo.exports.originals import Originals, built_in
from sampleinfo.problem import checked_indices
from sampleinfo.store import Run
from sampleinfo.types import IntArray, Reporter, silent

#: The stage that is reported.
STAGE = "export"
#: Columns of a run's table that are taken away before and after the scores, where it has them.
FACTS, PREDICTED = ("label", "class_name", "source", "split"), ("predicted", "prediction_error")
#: The column of the classes as the run has them, where a set has others.
GIVEN = "given_class_name"
#: Every label as the run has it.
AS_GIVEN: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Selection:
    """``rows`` of ``run.samples``, in the order of the set; ``report`` is told how many images are written.

    ``corrected``: the right class of every image of the set that has another in the run. Scores stay what they are.
    """

    run: Run
    rows: IntArray
    report: Reporter = silent
    corrected: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, run: Run, rows: Sequence[int] | IntArray, report: Reporter = silent, labels: Mapping[str, str] = AS_GIVEN
    ) -> Selection:
        """The set of these rows, with the classes ``labels`` in place of the run's.

        Raises:
            InvalidSetting: no row, one that the run does not have, or one given twice; or a class that it does not
                have.
        """
        chosen = checked_indices(np.asarray(rows), len(run.samples))
        if not len(chosen):
            raise InvalidSetting("there is nothing to take away: the set is empty.")
        corrected = touching(run, chosen, labels)
        check_classes(run, corrected)
        return cls(run, chosen, report, corrected)

    def __len__(self) -> int:
        return len(self.rows)

    def told(self, numbers: Iterable[int], before: int = 0) -> Iterator[int]:
        """The same numbers of images; ``report`` is told of each when it is finished, and of ``before`` done earlier.

        Raises:
            Cancelled: where ``report`` does.
        """
        for done, number in enumerate(numbers, before):
            self.report(STAGE, done, len(self))
            yield number
            self.report(STAGE, done + 1, len(self))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The run's table of these images, with the corrected labels; then what the run has is in ``GIVEN``."""
        found = self.run.samples.iloc[self.rows].reset_index(drop=True)
        if not self.corrected:
            return found
        given, numbers = list(found["class_name"]), {name: label for label, name in enumerate(self.class_names)}
        pairs = zip(found["sample_id"].astype(str), given, strict=True)
        found["class_name"] = [self.corrected.get(name, class_name) for name, class_name in pairs]
        found["label"] = np.array([numbers[str(each)] for each in found["class_name"]], dtype=np.int64)
        found.insert(list(found.columns).index("class_name") + 1, GIVEN, given)
        return found

    @property
    def ids(self) -> list[str]:
        """Sample ids."""
        return [str(each) for each in self.samples["sample_id"]]

    @property
    def given(self) -> list[str]:
        """``GIVEN`` where the table has that column."""
        return [GIVEN] if self.corrected else []

    @property
    def labels(self) -> IntArray:
        """Numbers of ``class_names``."""
        return self.samples["label"].to_numpy(np.int64)

    @property
    def class_names(self) -> list[str]:
        """All classes of the run."""
        return [str(each) for each in self.run.meta["dataset"]["class_names"]]

    @cached_property
    def originals(self) -> Originals:
        """The images themselves.

        Raises:
            InvalidData: they are not there any more.
        """
        return Originals.of(self.run, self.rows)

    @cached_property
    def paths(self) -> list[str | None]:
        """The file of every image as text; None where it has none, or where the data set is gone."""
        if built_in(self.run):
            return [None] * len(self)
        try:
            files = [self.originals.file(number) for number in range(len(self))]
        except SampleInfoError:
            return [None] * len(self)
        return [None if file is None else readable_name(file.path) for file in files]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Id, path, label, class, source, split, scores, prediction and the data set's own columns, a row per image.

        Where labels are corrected, ``GIVEN`` stands behind the class. Scores are those of the run: of its own labels.
        """
        columns = [*FACTS[:2], *self.given, *FACTS[2:], *self.run.scores, *PREDICTED, *self.run.metadata]
        found = self.samples[["sample_id", *columns]].copy()
        found.insert(1, "path", pd.Series(self.paths, dtype=object))
        return found

    def without_files(self) -> str:
        """That some images are no files of their own, in words; empty where all are.

        Raises:
            InvalidData: the data set is gone.
        """
        if built_in(self.run):
            without = list(range(len(self)))
        else:
            without = [number for number in range(len(self)) if self.originals.file(number) is None]
        if not without:
            return ""
        example = self.ids[without[0]]
        return f"{len(without)} of the {len(self)} images have no file of their own (such as {example!r})."

    def check_files(self, others: Sequence[str] = ()) -> None:
        """Whether every image is a file of its own; ``others`` are the formats that do not need that.

        Raises:
            InvalidSetting: one is not.
            InvalidData: the data set is gone, or a file of it.
        """
        words = self.without_files()
        if words:
            raise InvalidSetting(words + (f" These formats do not need one: {', '.join(others)}." if others else ""))
        gone = next((n for n in range(len(self)) if not Path(self.originals.path(n)).is_file()), None)
        if gone is not None:
            raise self.originals.lost(gone, "no such file")

    def check_images(self) -> None:
        """Whether the data set still lists every image.

        Raises:
            InvalidData: it does not.
        """
        if not built_in(self.run):
            _ = self.originals


def touching(run: Run, rows: IntArray, labels: Mapping[str, str]) -> dict[str, str]:
    """Those of the ``labels`` (a class for an image) that are of these rows, and are not what the run has anyway."""
    if not labels:
        return {}
    table = run.samples[["sample_id", "class_name"]].iloc[rows].astype(str)
    pairs = table.itertuples(index=False, name=None)
    return {name: labels[name] for name, given in pairs if labels.get(name, given) != given}


def check_classes(run: Run, labels: Mapping[str, str]) -> None:
    """Whether the run has every class of the ``labels``.

    Raises:
        InvalidSetting: with the first that it does not have, and the image.
    """
    known = [str(each) for each in run.meta["dataset"]["class_names"]]
    name = next((name for name, class_name in labels.items() if class_name not in known), None)
    if name is not None:
        raise InvalidSetting(
            f"image {name!r} was relabelled as {labels[name]!r}, a class that the run does not have (it has "
            f"{', '.join(known)}). Take that verdict back, or take the labels as given."
        )
