"""Columns of Parquet tables in memory: read when they are first asked for, and once in a process.

Pages filter and sort with numpy and pandas on such columns, on the server. Measured on 1,000,000 rows x 20 columns (a
file of 124 MB, 2 cores, 26 November 2026): the rows of some classes with a score in a range, sorted by that score, page
p of 60; for 1 class of 100 and for 50 of them; memory of the process beyond the libraries:

    the three columns, held           3 to 5 ms    53 to 60 ms    81 MB
    all 20 columns, held              6 to 7 ms    60 to 62 ms   361 MB
    pyarrow.dataset, from the file     19 ms       79 to 82 ms    91 MB
    DuckDB, from the file            9 to 14 ms    16 to 20 ms    77 MB

All are well below the tenth of a second or more in which a page is drawn, and DuckDB would be one more dependency.

What a process holds is bounded: columns of the ``TABLES`` tables used last, 8 bytes for a number, 10 to 20 for a text.
With all of its 28 columns a run of 50,000 images takes 13 MB, one of 1,000,000 takes 260 MB.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import pandas as pd
import pyarrow.parquet as pq

#: Tables of which columns are held.
TABLES = 3
#: What pandas calls an index that is not just a count.
_INDEX = "__index_level_"
#: Path, and what tells another file of that name: time of the last change, bytes, and number in the file system.
_Key = tuple[str, int, int, int]


@dataclass(frozen=True, eq=False)
class _Held:
    """The columns of a table that were read so far, of those that it has."""

    path: Path
    names: tuple[str, ...]
    columns: dict[str, pd.Series] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


_held: OrderedDict[_Key, _Held] = OrderedDict()
_lock = Lock()


def names(path: Path) -> tuple[str, ...]:
    """The columns of a table.

    Raises:
        OSError, ValueError: it is missing or damaged.
    """
    return _of(path).names


def read(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
    """Some columns of a table, by name; what is changed in the result changes nothing here.

    Raises:
        OSError, ValueError: it is missing or damaged.
        KeyError: it has no such column.
    """
    held = _of(path)
    with held.lock:
        missing = [name for name in dict.fromkeys(wanted) if name not in held.columns]
        if unknown := [name for name in missing if name not in held.names]:
            raise KeyError(unknown[0])
        if missing:
            found = pd.read_parquet(path, columns=missing)
            held.columns.update({name: found[name] for name in missing})
        return pd.DataFrame({name: held.columns[name] for name in wanted}, copy=False)


def _of(path: Path) -> _Held:
    stat = path.stat()
    key = (str(path.absolute()), stat.st_mtime_ns, stat.st_size, stat.st_ino)
    with _lock:
        if key not in _held:
            for old in [each for each in _held if each[0] == key[0]]:
                del _held[old]
            columns = pq.read_schema(path).names
            _held[key] = _Held(path, tuple(name for name in columns if not name.startswith(_INDEX)))
            while len(_held) > TABLES:
                _held.popitem(last=False)
        _held.move_to_end(key)
        return _held[key]
