"""Pictures in the rows of Parquet files, of which those of one piece of a row group are in memory at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sampleinfo.datasets.decoding import decode
from sampleinfo.datasets.files import os_words, size, stamp
from sampleinfo.errors import Unreadable
from sampleinfo.types import ImageArray, IntArray

#: Rows, and about as many bytes, that are in memory at a time; readers that are open at a time.
PIECE, PIECE_BYTES, BUFFER, MOST_OPEN = 128, 32 * 2**20, 2**20, 16


@dataclass(frozen=True, eq=False)
class ParquetImages:
    """Pictures in the rows of Parquet files: row ``rows[i]`` of ``files[owner[i]]``, in ``column``; ``counts`` are the
    rows of the files."""

    files: tuple[str, ...]
    column: str
    owner: IntArray
    rows: IntArray
    counts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> ImageArray:
        return decode(_cursor(self.files[int(self.owner[index])], self.column).read(int(self.rows[index])))

    def narrow(self, rows: Sequence[int]) -> ParquetImages:
        """Only the pictures at ``rows``."""
        picked = np.asarray(rows, dtype=np.int64)
        return ParquetImages(self.files, self.column, self.owner[picked], self.rows[picked], self.counts)

    def stamps(self) -> list[str]:
        """What changes when a file does, with the row and the column."""
        files = [f"{stamp(file)}:{self.column}" for file in self.files]
        return [f"{files[owner]}:{row}" for owner, row in zip(self.owner, self.rows, strict=True)]

    def bytes(self) -> int:
        """Size of the files, in proportion to the rows wanted of each."""
        wanted = np.bincount(self.owner, minlength=len(self.files))
        shares = (wanted / np.maximum(1, self.counts)).tolist()
        return int(sum(size(file) * share for file, share in zip(self.files, shares, strict=True)))


class _Cursor:
    """Reads one file forwards, a piece of a row group at a time; a step back begins its row group again."""

    def __init__(self, path: str, column: str) -> None:
        self.file = pq.ParquetFile(path, buffer_size=BUFFER)
        self.column = column
        groups = [self.file.metadata.row_group(i) for i in range(self.file.num_row_groups)]
        self.starts = list(accumulate((group.num_rows for group in groups), initial=0))
        means = [max(1, group.total_byte_size // max(1, group.num_rows)) for group in groups]
        self.sizes = [max(1, min(PIECE, PIECE_BYTES // mean)) for mean in means]
        self.group = -1
        self.pieces: Iterator[pa.RecordBatch] = iter(())
        self.first, self.piece = 0, pa.array([])
        #: Of a damaged row group the first row that cannot be read.
        self.damaged: dict[int, int] = {}

    def read(self, row: int) -> bytes:
        """The bytes of one image.

        Raises:
            Unreadable: no image in the row, or the file is damaged there.
        """
        group = bisect_right(self.starts, row) - 1
        if row >= self.damaged.get(group, row + 1):
            raise Unreadable("the Parquet file is damaged here")
        if group != self.group or row < self.first:
            self.group, self.first, self.piece = group, self.starts[group], pa.array([])
            self.pieces = self.file.iter_batches(
                self.sizes[group], row_groups=[group], columns=[self.column], use_threads=False
            )
        while row >= self.first + len(self.piece):
            self.first += len(self.piece)
            self.piece = self._next()
        value = self.piece[row - self.first].as_py()
        if value is None:
            raise Unreadable("no image in this row")
        return bytes(value)

    def _next(self) -> pa.Array:
        try:
            return _binary(next(self.pieces).column(0))
        except (OSError, pa.ArrowException, StopIteration) as error:
            self.damaged[self.group], self.group = self.first, -1
            raise Unreadable("the Parquet file is damaged here") from error


_open: dict[tuple[str, str, str], _Cursor] = {}


def _cursor(path: str, column: str) -> _Cursor:
    """The one open reader of a file in this process; another one when the file has changed."""
    key = (path, column, stamp(path))
    try:
        if key not in _open:
            if len(_open) >= MOST_OPEN:
                _open.pop(next(iter(_open)))
            _open[key] = _Cursor(path, column)
        return _open[key]
    except (OSError, pa.ArrowException) as error:
        raise Unreadable(os_words(error) if isinstance(error, OSError) else "the Parquet file is damaged") from error


def _binary(column: Any) -> Any:
    return column.field("bytes") if pa.types.is_struct(column.type) else column
