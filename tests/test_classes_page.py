"""The Classes page without a browser."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import analysing, cli, jobs, store
from sampleinfo.reports import analysis, class_judgement, class_words, classes
from sampleinfo.reports.class_judgement import SMALL_INFORMATIVE, conclusion
from sampleinfo.store import Run
from sampleinfo.ui.classes import numbers
from sampleinfo.ui.words import plain
from tests.test_pages import ROOT, ended, opened, texts

PAGE = "pages/classes.py"


@pytest.fixture
def answered(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose classes have been compared; its class 9 has a small and informative group of five, planted here."""
    known = classes.evidence_of(run)
    tables = analysing.ANALYSES["classes"].compute(run, lambda *_: None)
    members, groups = tables["members"], tables["groups"]
    nines = members[members["label"] == 1]
    members["group"] = np.where(members["row"].isin(nines["row"].tail(5)), 2, 1)
    first = groups[groups["label"] == 1].iloc[0]
    parts = []
    for number, verdict in ((1, "typical"), (2, SMALL_INFORMATIVE)):
        size = int((members.loc[members["label"] == 1, "group"] == number).sum())
        new = {"group": number, "size": size, "share_of_class": size / len(nines), "verdict": verdict, "ratio": 2.0,
               "ratio_low": 1.5, "ratio_high": 3.0, "measured_on": "group" if number == 1 else "class"}  # fmt: skip
        parts.append(pd.Series({**first, **new}))
    other = groups[groups["label"] == 0].iloc[:1].assign(group=1, size=known.n - len(nines), verdict="the whole class")
    tables["groups"] = pd.concat([other, pd.DataFrame(parts)], ignore_index=True)
    analysis.keep(run, classes.ANALYSIS, tables)
    return run


def tables(run: Run) -> dict[str, pd.DataFrame]:
    return analysing.analyse(run, "classes")


def shown_rows(test: AppTest, run: Run) -> int:
    """How many images the heading of the gallery tells of."""
    heads = [each.value for each in test.markdown if each.value.startswith("**") and " image" in each.value
             and ("of the class" in each.value or "of group" in each.value)]  # fmt: skip
    return int(heads[-1].removeprefix("**").split(" ")[0])


def test_without_runs(empty_home: object) -> None:
    assert "There are no runs yet" in texts(opened(PAGE))


def test_before_it_is_asked_a_button_asks_and_the_job_answers(run: Run) -> None:
    test = opened(PAGE, run=run.id)
    assert "Not compared yet." in texts(test) and "About **" in texts(test)
    test.button(key="ask-classes").click().run()
    assert not test.exception
    job = jobs.list_jobs()[0]
    assert job.task == jobs.ANALYSE and job.options == {"run": run.id, "question": "classes"}
    ended("done")
    test.run()
    assert not test.exception and "Not compared yet" not in texts(test)
    known = tables(run)
    assert plain(conclusion(known["classes"], known["groups"])) in texts(test)
    home = opened("app.py")
    assert "Compare classes: mnist-4v9" in texts(home)  # the job has a name wherever it is listed


def test_page_and_command_line_show_the_same_numbers(answered: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["classes", answered.id]) == 0
    said = " ".join(capsys.readouterr().out.split())
    test = opened(PAGE, run=answered.id)
    known = tables(answered)
    sentence = conclusion(known["classes"], known["groups"])
    assert sentence in said and plain(sentence) in texts(test)
    shown = test.dataframe[0].value
    pd.testing.assert_frame_equal(shown, numbers(known["classes"]))
    for (_, row), (_, line) in zip(known["classes"].iterrows(), shown.iterrows(), strict=True):
        for cell in (line["need"], line["training images right"], line["validation images right"]):
            assert all(part in said for part in cell.split())
        assert line["need"] == class_words.need_words(row) and line["images"] == row["train"]
        assert line["under-sampled"] == ("yes" if row["under_sampled"] else "")
    for words in (class_judgement.NEED, class_judgement.UNDER_SAMPLED):
        word, rest = words.split(": ", 1)
        assert f"**{word}:** {plain(rest)}" in texts(test)  # the definitions are on the page


def test_the_class_is_chosen_by_address_keyboard_and_click(answered: Run) -> None:
    test = opened(PAGE, run=answered.id)
    key = f"class-choice-{answered.id}"
    first = tables(answered)["classes"]["class_name"].iloc[0]
    assert test.selectbox(key=key).value == first
    for name in ("4", "9"):
        test.selectbox(key=key).set_value(name).run()
        assert not test.exception and test.query_params["class"] in (name, [name])
        assert any(each.value == f"Class {name}" for each in test.subheader)
    test.session_state["class-needs"] = {"selection": {"points": [{"customdata": 0}]}}  # a click on the bar of class 4
    test.run()
    assert test.query_params["class"] in ("4", ["4"]) and test.selectbox(key=key).value == "4"
    linked = opened(PAGE, run=answered.id, **{"class": "9", "group": "2"})
    assert linked.selectbox(key=key).value == "9" and shown_rows(linked, answered) == 5


def test_what_an_address_names_and_is_not_there_is_said(answered: Run) -> None:
    test = opened(PAGE, run=answered.id, **{"class": "<b>7</b>"})
    assert "There is no class called" in texts(test) and not test.exception
    test = opened(PAGE, run=answered.id, **{"class": "9", "group": "7"})
    assert "There is no group '7'" in texts(test) and not test.exception


def test_the_group_is_chosen_by_keyboard_and_click_and_the_gallery_follows(answered: Run) -> None:
    test = opened(PAGE, run=answered.id, **{"class": "9"})
    whole = int((tables(answered)["members"]["label"] == 1).sum())
    assert shown_rows(test, answered) == whole
    key = f"group-choice-{answered.id}-1"
    test.selectbox(key=key).set_value(2).run()
    assert not test.exception and shown_rows(test, answered) == 5
    assert test.query_params["group"] in ("2", ["2"])
    assert "small and informative" in texts(test) and "on all validation images of the class" in texts(test)
    test.session_state["group-needs"] = {"selection": {"points": [{"customdata": [1]}]}}
    test.run()
    assert test.query_params["group"] in ("1", ["1"]) and shown_rows(test, answered) == whole - 5
    row = int(tables(answered)["members"].query("label == 1 and group == 2")["row"].iloc[0])
    test.session_state["group-map"] = {"selection": {"points": [{"customdata": row}]}}
    test.run()
    assert test.query_params["group"] in ("2", ["2"])
    test.selectbox(key=key).set_value(0).run()
    assert "group" not in test.query_params and shown_rows(test, answered) == whole
    test.selectbox(key=f"class-choice-{answered.id}").set_value("4").run()
    assert not test.exception and "one group" in texts(test)


def test_explore_is_opened_with_the_class_and_the_group(answered: Run) -> None:
    test = opened(PAGE, run=answered.id, **{"class": "9", "group": "2"})
    test.button(key="class-explore").click().run()
    assert not test.exception
    members = tables(answered)["members"]
    rows = members.loc[(members["label"] == 1) & (members["group"] == 2), "row"].tolist()
    assert test.session_state[f"selection-{answered.id}"] == rows
    assert test.session_state[f"filter-{answered.id}-class_name"] == ["9"]


def test_a_damaged_answer_is_said(answered: Run) -> None:
    (classes.ANALYSIS.folder(answered) / "groups.parquet").write_bytes(b"no")
    assert "has no readable groups.parquet" in texts(opened(PAGE, run=answered.id)).replace("\\", "")


def test_the_page_starts_without_heavy_libraries(answered: Run) -> None:
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; test = AppTest.from_file('app.py', default_timeout=60); "
        f"test.query_params['run'] = {answered.id!r}; test.switch_page({PAGE!r}); test.run(); "
        "assert not test.exception; print([name for name in ('torch', 'umap', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
    assert store.open_run(answered.path).id == answered.id
