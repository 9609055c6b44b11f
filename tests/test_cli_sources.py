"""The command that compares sources, and that the page shows the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from sampleinfo import analysing, store
from sampleinfo.reports.sources_verdict import verdict
from sampleinfo.reports.sources_words import long, sections
from sampleinfo.store import Run
from tests.test_cli import call
from tests.test_pages import opened, texts
from tests.test_sources import twin

PAGE = "pages/sources.py"


def test_it_compares_once_and_says_what_it_found(sources_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, err = call(capsys, "sources", sources_run.id)
    assert code == 0 and "comparing the sources, about" in err and "Comparing the sources" in err
    tables = analysing.analyse(sources_run, "sources")
    assert f"verdict  {verdict(tables)}" in printed
    lines = {" ".join(line.split()) for line in printed.splitlines()}
    for section in sections(tables).values():
        assert f"{section.title}. {section.words.replace('*', '')}" in lines
        for row in section.table.astype(str).to_numpy().tolist():
            assert " ".join(" ".join(row).split()) in lines
    assert call(capsys, "sources", sources_run.id) == (0, printed, ""), "the tables are kept"


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_every_number_is_written(
    sources_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = tmp_path / f"sources.{ending}"
    code, printed, _ = call(capsys, "sources", sources_run.id, "--to", str(path))
    wanted = long(analysing.analyse(sources_run, "sources"))
    assert code == 0 and f"{len(wanted)} rows written to {path}" in printed
    if ending == "csv":
        found = pd.read_csv(path, keep_default_na=True)
    else:
        found = pd.DataFrame(json.loads(path.read_text())) if ending == "json" else pd.read_parquet(path)
    assert list(found.columns) == list(wanted.columns) and found["source"].tolist() == wanted["source"].tolist()
    for name in ("value", "low", "high"):
        pd.testing.assert_series_equal(found[name].astype(float), wanted[name], rtol=1e-12)


def test_the_page_shows_the_same_numbers(sources_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = call(capsys, "sources", sources_run.id)
    lines, seen = {" ".join(line.split()) for line in printed.splitlines()}, 0
    for part, least in (("Image by image", 3), ("As a whole", 5)):
        page = opened(PAGE, run=sources_run.id, part=part)
        said = texts(page).replace("\\", "").replace("\u00a0", " ")
        assert next(line for line in lines if line.startswith("verdict")).removeprefix("verdict ") in said
        assert len(page.dataframe) == least
        for table in page.dataframe:
            for row in table.value.astype(str).to_numpy().tolist():
                assert " ".join(" ".join(row).split()) in lines
                seen += 1
    assert seen >= 12


def test_a_second_run(sources_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    other = twin(sources_run, "other")
    code, printed, err = call(capsys, "sources", sources_run.id, "--with", "other")
    assert code == 0 and err == "" and str(other.path) in printed
    assert "pen (other)" in printed and "The whole source" not in printed
    assert "No clear difference" in printed or "is worth" in printed
    page = opened(PAGE, run=sources_run.id, **{"with": "other"})
    lines = {" ".join(line.split()) for line in printed.splitlines()}
    assert len(page.dataframe) == 3
    for table in page.dataframe:
        for row in table.value.astype(str).to_numpy().tolist():
            assert " ".join(" ".join(row).split()) in lines


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--to", "x.txt"], "the ending must be one of .csv, .parquet, .json"),
        (["--with", "nowhere"], "no run called 'nowhere'"),
    ],
)
def test_mistakes_are_named(sources_run: Run, capsys: pytest.CaptureFixture[str], more: list[str], words: str) -> None:
    code, _, err = call(capsys, "sources", sources_run.id, *more)
    assert code == 1 and words in err


def test_runs_that_do_not_match(sources_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    twin(sources_run, "other", kernel={**sources_run.meta["kernel"], "kind": "subset"})
    code, _, err = call(capsys, "sources", sources_run.id, "--with", "other")
    assert code == 1 and "they differ in kernel (exact and subset)" in err


def test_one_source(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "sources", run.id)
    assert code == 1 and "has one source, 'MNIST'" in err


def test_of_many_sources_the_largest_are_shown(
    sources_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sources_run.samples.copy()
    table["source"] = [f"s{row % 6}" for row in range(len(table))]
    table.to_parquet(sources_run.path / store.SAMPLES, index=False)
    path = tmp_path / "all.csv"
    code, printed, _ = call(capsys, "sources", sources_run.id, "--to", str(path))
    assert code == 0 and "Shown are 4 of 6 sources" in printed and "s5" not in printed
    assert "s5" in set(pd.read_csv(path)["source"])
