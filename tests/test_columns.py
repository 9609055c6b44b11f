"""Columns of tables in memory: read once, only those that are asked for, and never changed by who gets them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sampleinfo import columns, store
from sampleinfo.errors import InvalidRun
from sampleinfo.store import Run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The columns of every reading of a file."""
    found: list[Sequence[str]] = []
    real = pd.read_parquet

    def read(path: Path, columns: Sequence[str] | None = None, **settings: Any) -> pd.DataFrame:
        if columns is not None:
            found.append(list(columns))
        return real(path, columns=columns, **settings)

    monkeypatch.setattr(columns.pd, "read_parquet", read)
    return found


def written(path: Path, **values: Any) -> Path:
    pd.DataFrame({"name": ["a", "b", None], "size": [1.5, np.nan, 2.0], "many": [1, 2, 3]} | values).to_parquet(path)
    return path


def test_a_column_is_read_once_and_others_are_not(tmp_path: Path, asked: list[Sequence[str]]) -> None:
    path = written(tmp_path / "table.parquet")
    assert columns.names(path) == ("name", "size", "many") and not asked
    assert columns.read(path, ["size"])["size"].sum() == 3.5
    table = columns.read(path, ["name", "size"])
    assert list(table) == ["name", "size"] and asked == [["size"], ["name"]]
    pd.testing.assert_frame_equal(columns.read(path, columns.names(path)), pd.read_parquet(path))
    with pytest.raises(KeyError, match="colour"):
        columns.read(path, ["size", "colour"])


def test_what_is_changed_in_a_table_changes_no_other(tmp_path: Path) -> None:
    path = written(tmp_path / "table.parquet")
    table = columns.read(path, ["many"])
    table.loc[0, "many"] = 100
    table["new"] = 1
    assert columns.read(path, ["many"])["many"].tolist() == [1, 2, 3] and list(columns.read(path, ["many"])) == ["many"]


def test_another_file_of_that_name_is_read_and_few_tables_are_held(tmp_path: Path) -> None:
    path = written(tmp_path / "table.parquet")
    columns.read(path, ["many"])
    written(path, many=[4, 5, 6])
    assert columns.read(path, ["many"])["many"].tolist() == [4, 5, 6]
    for number in range(columns.TABLES + 2):
        columns.read(written(tmp_path / f"{number}.parquet"), ["many"])
    assert len(columns._held) == columns.TABLES


def test_runs_share_their_table(run: Run, asked: list[Sequence[str]]) -> None:
    assert run.column("split").iloc[0] == "train" and run.training.sum() == 60
    again = store.open_run(run.path)
    assert list(again.scores) and list(again.table(["split", "label"])) == ["split", "label"]
    assert asked == [["split"], ["label"]]
    assert tuple(again.samples) == again.names == tuple(pd.read_parquet(run.path / store.SAMPLES))


def test_what_is_wrong_with_a_table_is_said(run: Run) -> None:
    path = run.path / store.SAMPLES
    run.samples.drop(columns="label").to_parquet(path)
    with pytest.raises(InvalidRun, match=r"lacks the columns label\.$"):
        _ = store.open_run(run.path).names
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InvalidRun, match=r"has no readable samples\.parquet"):
        _ = store.open_run(run.path).samples
