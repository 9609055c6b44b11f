"""The Sources page without a browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import analysing, jobs, store
from sampleinfo.reports import sources
from sampleinfo.reports.analysis import answer
from sampleinfo.reports.sources_members import LARGEST
from sampleinfo.store import Run
from tests.test_pages import opened, texts
from tests.test_sources import twin

PAGE = "pages/sources.py"


def said(test: AppTest) -> str:
    return texts(test).replace("\u00a0", " ")


def charts(test: AppTest) -> int:
    return len(test.get("plotly_chart"))


def with_sources(run: Run, number: int) -> Run:
    """The run as if its images came from so many sources, the first ones larger."""
    table = run.samples.copy()
    table["source"] = [f"s{min(row % (number + 2), number - 1) if row % 7 else 0:02d}" for row in range(len(table))]
    table.to_parquet(run.path / store.SAMPLES, index=False)
    return store.open_run(run.path)


def test_without_runs(empty_home: Path) -> None:
    assert "There are no runs yet" in texts(opened(PAGE))


def test_one_source_says_what_to_do(run: Run) -> None:
    test = opened(PAGE, run=run.id)
    assert "This run has one source, MNIST." in said(test) and "--layout source/class" in said(test)
    assert not charts(test) and not test.selectbox(key=f"run-{run.id}").disabled


def test_it_asks_before_it_computes(sources_run: Run) -> None:
    test = opened(PAGE, run=sources_run.id)
    assert "Not compared yet." in said(test) and test.button(key="ask-sources").label == "Compare sources"
    test.button(key="ask-sources").click().run()
    assert not test.exception
    for _ in range(240):
        if answer(sources_run, sources.ANALYSIS) is not None and not any(job.active for job in jobs.list_jobs()):
            break
        time.sleep(0.5)
    assert answer(sources_run, sources.ANALYSIS) is not None
    test.run()
    assert "Not compared yet." not in said(test) and "F-SI per image" in said(test) and charts(test) == 3


@pytest.mark.parametrize(
    ("part", "figures", "words"),
    [
        ("Image by image", 3, "What an image is worth"),
        ("As a whole", 3, "The next ones will be worth about as much or somewhat less"),
        ("Galleries", 0, "Most informative images of each source"),
        ("Map", 1, "Training images only."),
    ],
)
def test_every_tab_opens_first(sources_run: Run, part: str, figures: int, words: str) -> None:
    analysing.analyse(sources_run, "sources")
    test = opened(PAGE, run=sources_run.id, part=part)
    assert words in said(test) and charts(test) == figures and "not validated" in said(test)
    assert "tablet \\<b\\>: 20 images" in said(test) and "as they are mixed" in said(test)


def test_the_map_in_small_multiples(sources_run: Run) -> None:
    analysing.analyse(sources_run, "sources")
    test = opened(PAGE, run=sources_run.id, part="Map")
    test.session_state["source-panels"] = "side by side"
    test.run()
    assert not test.exception and "The other sources are grey." in said(test)


def test_of_many_sources_the_largest_are_shown_or_those_chosen(sources_run: Run) -> None:
    run = with_sources(sources_run, 11)
    tables = analysing.analyse(run, "sources")
    assert len(tables["worth"]) == LARGEST
    test = opened(PAGE, run=run.id)
    names = tables["worth"]["source"].tolist()
    box = test.multiselect(key=f"sources-{run.id}-None")
    assert box.value == names[:4] and f"The {LARGEST} largest of 11 sources are compared." in said(test)
    assert test.dataframe[0].value["source"].tolist() == names[:4]
    test = opened(PAGE, run=run.id, source=names[5])
    assert "Choose two sources or more above." in said(test)
    box = test.multiselect(key=f"sources-{run.id}-None")
    box.set_value([names[5], names[1]]).run()
    assert not test.exception and test.dataframe[0].value["source"].tolist() == [names[1], names[5]]
    assert test.query_params["source"] == [names[5], names[1]]


def test_a_second_run_stands_beside_it(sources_run: Run) -> None:
    other = twin(sources_run, "other")
    test = opened(PAGE, run=sources_run.id, **{"with": other.id})
    assert "pen (other)" in said(test) and "Each is measured on the validation images of its own run." in said(test)
    for part, words in (("As a whole", "Two runs have two kernels."), ("Map", "Each run has a map of its own"),
                        ("Galleries", "pen (other)")):  # fmt: skip
        test = opened(PAGE, run=sources_run.id, part=part, **{"with": other.id})
        assert words in said(test)


def test_a_second_run_is_chosen_and_taken_away(sources_run: Run) -> None:
    analysing.analyse(sources_run, "sources")
    twin(sources_run, "other")
    test = opened(PAGE, run=sources_run.id)
    test.selectbox(key=f"with-{sources_run.id}-None").set_value("other").run()
    assert not test.exception and test.query_params["with"] in ("other", ["other"]) and "pen (other)" in said(test)
    test.selectbox(key=f"with-{sources_run.id}-other").set_value("").run()
    assert not test.exception and "with" not in test.query_params and "pen (other)" not in said(test)


def test_a_second_run_that_does_not_match_is_refused(sources_run: Run) -> None:
    analysing.analyse(sources_run, "sources")
    twin(sources_run, "other", kernel={**sources_run.meta["kernel"], "scope": "head"})
    test = opened(PAGE, run=sources_run.id, **{"with": "other"})
    assert "they differ in layers trained (all and head)" in said(test)
    assert "does not match" in " ".join(test.selectbox(key=f"with-{sources_run.id}-other").options)
    assert "F-SI per image" in said(test), "the run is still compared with itself"
    test = opened(PAGE, run=sources_run.id, **{"with": "gone"})
    assert "'gone'" in said(test) and "not a run that is here" in said(test)


def test_two_runs_of_one_source_each(run: Run) -> None:
    twin(run, "other")
    test = opened(PAGE, run=run.id, **{"with": "other"})
    assert "MNIST (other)" in said(test) and charts(test) == 3 and "No clear difference" in said(test)
