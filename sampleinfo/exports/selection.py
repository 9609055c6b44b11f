"""A set of a run's images that is taken away, and the original images where they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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


@dataclass(frozen=True, eq=False)
class Selection:
    """``rows`` of ``run.samples``, in the order of the set; ``report`` is told how many images are written."""

    run: Run
    rows: IntArray
    report: Reporter = silent

    @classmethod
    def of(cls, run: Run, rows: Sequence[int] | IntArray, report: Reporter = silent) -> Selection:
        """The set of these rows.

        Raises:
            InvalidSetting: none, one that the run does not have, or one given twice.
        """
        chosen = checked_indices(np.asarray(rows), len(run.samples))
        if not len(chosen):
            raise InvalidSetting("there is nothing to take away: the set is empty.")
        return cls(run, chosen, report)

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
        """The run's table of these images."""
        return self.run.samples.iloc[self.rows].reset_index(drop=True)

    @property
    def ids(self) -> list[str]:
        """Sample ids."""
        return [str(each) for each in self.samples["sample_id"]]

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
        """Id, path, label, class, source, split, scores, prediction and the data set's own columns, a row per image."""
        columns = [*FACTS, *self.run.scores, *PREDICTED, *self.run.metadata]
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
