"""The stress test on the Review page without a browser."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import analysing, jobs, planting, store
from sampleinfo.reports import stress
from sampleinfo.reports.analysis import FOLDER
from sampleinfo.store import Run
from sampleinfo.ui.words import plain
from tests.test_pages import ROOT, ended, texts
from tests.test_pages import opened as page
from tests.test_stress import as_stress

PAGE, TAB = "pages/review.py", "Stress test"


@pytest.fixture
def run(run: Run) -> Run:
    """A run that has been reviewed: its page has the tab."""
    analysing.analyse(run, "review")
    return run


def opened(run: Run, **query: str) -> AppTest:
    """The Review page with the tab open."""
    return page(PAGE, run=run.id, view=TAB, **query)


def test_before_anything_is_planted_the_tab_says_what_it_is_for(run: Run) -> None:
    test = opened(run)
    assert "Nothing planted yet." in texts(test) and "About **" in texts(test)
    assert list(test.selectbox(key="stress-plant").options) == [each.title for each in planting.PLANTS.values()]
    assert not test.dataframe
    for name, plant in planting.PLANTS.items():
        test.selectbox(key="stress-plant").set_value(name).run()
        assert not test.exception and plant.words in texts(test)


def test_the_button_starts_a_job_that_can_be_cancelled(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(jobs, "start", lambda config, task, options: started.append((config, task, options)))
    test = opened(run)
    test.selectbox(key="stress-plant").set_value("blur").run()
    test.number_input(key="stress-share").set_value(25).run()
    test.button(key="stress-start").click().run()
    assert not test.exception
    ((config, task, options),) = started
    assert task == jobs.SCORE and config == stress.planted_config(run, "blur", 0.25)
    assert run.id in options["run"]


def test_a_job_shows_its_progress_here(run: Run) -> None:
    test = opened(run)
    test.button(key="stress-start").click().run()
    assert not test.exception
    job = jobs.list_jobs()[0]
    assert job.task == jobs.SCORE and job.config.plant == "labels"
    cancel = next(each for each in test.button if each.label == "Cancel")
    cancel.click().run()
    ended("cancelled")
    test.run()
    assert not test.exception and "cancelled" in texts(test)


def test_what_was_planted_is_measured_and_shown(run: Run) -> None:
    planted = as_stress(run)
    test = opened(run)
    table = stress.table(planted)
    assert "Nothing planted yet" not in texts(test)
    assert plain(stress.conclusion(planted, table)) in texts(test)
    pd.testing.assert_frame_equal(test.dataframe[0].value, stress.numbers(table))
    chosen = test.multiselect(key=f"stress-scores-{planted.id}")
    assert chosen.value == table["score"].head(4).tolist()
    assert len(test.get("plotly_chart")) == 3
    chosen.set_value(table["score"].tail(2).tolist()).run()
    assert not test.exception and len(test.get("plotly_chart")) == 3
    chosen.set_value([]).run()
    assert not test.exception


def test_of_several_planted_runs_one_is_chosen_and_the_address_keeps_it(run: Run) -> None:
    few, many = as_stress(run), as_stress(run, share=0.3)
    test = opened(run, planted=few.id)
    key = f"stress-run-{run.id}"
    assert test.selectbox(key=key).value == few.id
    assert {*test.selectbox(key=key).options} == {
        f"Wrong labels, {share} of 60 images · {str(run.meta['created'])[:16].replace('T', ' ')}"
        for share in ("20%", "30%")
    }
    test.selectbox(key=key).set_value(many.id).run()
    assert not test.exception and test.query_params["planted"] in (many.id, [many.id])
    assert "of the 18 planted" in texts(test)
    shutil.copytree(run.path / FOLDER, few.path / FOLDER)
    assert opened(few).selectbox(key=f"stress-run-{few.id}").value == few.id  # the open run is one itself
    lost = opened(run, planted="<b>x</b>")
    assert "There is no planted run called" in texts(lost)


def test_what_was_planted_before_is_shown_and_not_made_again(run: Run) -> None:
    few, _ = as_stress(run, share=0.1), as_stress(run, share=0.3)
    test = opened(run)
    button = test.button(key="stress-start")
    assert button.label == "Show it" and "planted and scored already" in texts(test)
    button.click().run()
    assert not test.exception and test.query_params["planted"] in (few.id, [few.id]) and not jobs.list_jobs()


def test_a_damaged_planted_run_is_said(run: Run) -> None:
    planted = as_stress(run)
    planted.samples.drop(columns="planted").to_parquet(planted.path / store.SAMPLES, index=False)
    assert "does not say which images were planted" in texts(opened(run)).replace("\\", "")
    (planted.path / store.SAMPLES).write_bytes(b"no")
    assert "has no readable samples.parquet" in texts(opened(run)).replace("\\", "")


def test_the_tab_starts_without_heavy_libraries(run: Run) -> None:
    as_stress(run)
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; test = AppTest.from_file('app.py', default_timeout=60); "
        f"test.query_params['run'] = {run.id!r}; test.query_params['view'] = {TAB!r}; test.switch_page({PAGE!r}); "
        "test.run(); assert not test.exception; assert test.multiselect; "
        "print([name for name in ('torch', 'umap', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
