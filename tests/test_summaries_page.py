"""The Summaries page without a browser."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import figures, summarizing
from sampleinfo.decisions import Book, collection_of, open_decisions
from sampleinfo.reports import kept
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.reports.summaries import RANDOM
from sampleinfo.store import Run
from sampleinfo.ui import sets
from sampleinfo.ui.candidates import Choice
from sampleinfo.ui.compared import places, understood
from sampleinfo.ui.takeaway import file_name
from tests.test_pages import ROOT, opened, texts

PAGE = "pages/summaries.py"


def book(run: Run, author: str | None = None) -> Book:
    return open_decisions().book(collection_of(run), author)


def by_hand(run: Run, **query: str) -> AppTest:
    return opened(PAGE, run=run.id, tab="By hand", **query)


def labels(test: AppTest) -> list[str]:
    return [each.label for each in test.metric]


def ids(run: Run, *rows: int) -> list[str]:
    return [str(each) for each in run.samples["sample_id"].iloc[list(rows)]]


def test_without_runs(empty_home: Path) -> None:
    assert "There are no runs yet" in texts(opened(PAGE))


def test_it_says_what_a_comparison_is_before_there_is_one(run: Run) -> None:
    test = opened(PAGE, run=run.id)
    assert "Not compared yet." in texts(test) and not test.button(key="compare-strategies").disabled
    for each in STRATEGIES.values():
        assert each.title in texts(test)


def test_curves_advice_and_a_set_of_it(run: Run) -> None:
    table = summarizing.summarize(run)
    test = opened(PAGE, run=run.id)
    shown = texts(test)
    assert "Not compared yet" not in shown and "Predicted for 20 held-out images" in shown
    assert "mean of 10 random draws" in shown and "not validated" in shown
    test.number_input(key=f"budget-share-{run.id}").set_value(50.0).run()
    assert test.number_input(key=f"budget-{run.id}").value == 30 and "At 30 images" in texts(test)
    test.button(key="make-set").click().run()
    assert not test.exception
    made = book(run).sets()
    assert [each.size for each in made] == [30] and f"**{made[0].name.replace('_', '')}** holds 30 images" in texts(
        test
    )
    assert f"{made[0].name} (2)" in [each.value for each in test.text_input]
    test.button(key="look").click().run()
    assert not test.exception and test.session_state["tab"] == "By hand" and "30 images alone" in labels(test)
    best = made[0].name.removesuffix(" 30")
    point = table[(table["strategy"] == best) & (table["size"] == 30)]["accuracy"].iloc[0]
    assert test.metric[0].value == f"{100 * point:.1f} %"  # the panel and the curve agree


def test_equal_numbers_are_another_comparison(run: Run) -> None:
    summarizing.summarize(run)
    test = opened(PAGE, run=run.id)
    test.toggle(key=f"equal-{run.id}").set_value(True).run()
    assert "Not compared yet." in texts(test)
    summarizing.summarize(run, kept.EQUAL)
    test.run()
    assert "Not compared yet." not in texts(test) and not test.exception


def test_a_budget_for_each_class(run: Run) -> None:
    summarizing.summarize(run)
    test = opened(PAGE, run=run.id)
    test.session_state["per-class-False"] = "own numbers"
    test.run()
    assert not test.exception
    for label, number in ((0, 4), (1, 2)):
        test.number_input(key=f"quota-{run.id}-{label}").set_value(number).run()
    assert "**6** images in all, 10.0%" in texts(test)
    test.button(key="make-set").click().run()
    members = book(run).members(book(run).sets()[0].name)
    found = run.samples.set_index("sample_id").loc[members, "label"]
    assert found.value_counts().to_dict() == {0: 4, 1: 2}


def test_points_that_were_retrained_are_told_apart(run: Run) -> None:
    table = summarizing.summarize(run)
    real = pd.DataFrame({"strategy": ["bottom", "everything"], "share": [0.1, 1.0], "size": [6, 60],
                         "accuracy": [0.8, 0.9], "loss": [0.1, 0.05], "recipe": ["100 steps"] * 2})  # fmt: skip
    titles = {name: each.title for name, each in STRATEGIES.items()}
    figure = figures.strategy_curves(table, real, titles, RANDOM, "accuracy", "log")
    points = [each for each in figure.data if each.marker.symbol == "circle-open"]
    line = next(each for each in figure.data if each.name == titles["bottom"])
    assert [list(each.y) for each in points] == [[0.8], [0.9]] and points[0].marker.color == line.line.color
    band = figure.data[0].y
    assert min(band) >= 0 and max(band) <= 1
    kept.keep_real(run, real.assign(numbers="any", seed=0))
    shown = texts(opened(PAGE, run=run.id))
    assert "Open circles: the network really retrained" in shown and "100 steps" in shown


def test_a_first_set_is_made_and_filled_from_the_map(run: Run) -> None:
    test = by_hand(run)
    assert "No sets yet." in texts(test)
    test.text_input(key="new-name-0").set_value("mine <b> $x$")
    next(each for each in test.button if each.label == "Create").click()
    test.run()
    assert not test.exception and "This set is empty." in texts(test)
    assert test.query_params["set"] in ("mine <b> $x$", ["mine <b> $x$"])
    test.session_state[f"selection-{run.id}"] = [3, 4, 5, 70]  # the last one is a validation image
    test.run()
    assert test.button(key="add-selection").label == "Add selection (3)"
    test.button(key="add-selection").click().run()
    assert book(run).members("mine <b> $x$") == ids(run, 3, 4, 5) and "3 images alone" in labels(test)
    test.button(key="undo").click().run()
    assert book(run).members("mine <b> $x$") == [] and "This set is empty." in texts(test)
    test.button(key="redo").click().run()
    assert "3 images alone" in labels(test) and "Did again" in texts(test)
    test.button(key="remove-selection").click().run()
    assert "This set is empty." in texts(test) and not test.exception


def test_links_to_sets(run: Run) -> None:
    book(run).create_set("a", ids(run, 0, 1))
    book(run).create_set("b", [*ids(run, 2, 3, 4, 61), "gone-1", "gone-2"])
    shown = by_hand(run, set="b")
    assert "3 images alone" in labels(shown)
    assert "2 of this set's images are not in this run; 1 is a validation image here" in texts(shown)
    test = by_hand(run, set="c")
    assert "There is no set called 'c'" in texts(test) and not labels(test)
    test.selectbox(key="set-choice").set_value("a").run()
    assert "2 images alone" in labels(test) and "no set called" not in texts(test)


def test_the_first_set_is_open_where_the_address_names_none(run: Run) -> None:
    book(run).create_set("a", ids(run, 0, 1))
    assert "2 images alone" in labels(by_hand(run))


def test_an_undo_that_others_stand_in_the_way_of_says_who(run: Run) -> None:
    book(run).tag(ids(run, 4), "odd")
    book(run).create_set("a", ids(run, 0))
    test = by_hand(run)
    book(run, "ann").add("a", ids(run, 1))
    test.run()
    assert "2 images alone" in labels(test)
    assert any("ann" in each.value for each in test.toast)
    test.button(key="undo").click().run()
    said = "".join(str(each.value) for each in test.error)
    assert "ann" in said and "UTC" in said and "passed over" in said
    assert not test.exception and "tagged image" in str(test.button(key="undo").help)
    assert "2 images alone" in labels(test)


def test_what_a_deleted_set_is_edited_for_is_said(run: Run) -> None:
    book(run).create_set("a", ids(run, 0))
    test = by_hand(run, set="a")
    test.session_state[f"selection-{run.id}"] = [3]
    test.run()
    book(run, "ann").delete_set("a")
    test.button(key="add-selection").click().run()
    assert not test.exception and "Unknown set 'a'" in texts(test)


def test_renaming_deleting_and_another_author(run: Run) -> None:
    book(run).create_set("a", ids(run, 0))
    test = by_hand(run)
    test.text_input(key="author-name").set_value("bo")
    next(each for each in test.button if each.label == "Use this name").click()
    test.run()
    test.text_input(key="rename-to").set_value("b")
    next(each for each in test.button if each.label == "Rename").click()
    test.run()
    assert [each.name for each in book(run).sets()] == ["b"] and book(run).history()[0].author == "bo"
    test.button(key="delete-set").click().run()
    assert book(run).sets() == [] and "No sets yet." in texts(test)
    test.button(key="undo").click().run()
    assert [each.name for each in book(run).sets()] == ["b"] and not test.exception


def test_filters_of_candidates(run: Run) -> None:
    samples = run.samples
    wrong = np.flatnonzero(((samples["predicted"] != samples["class_name"]) & (samples["split"] == "train")).to_numpy())
    book(run).create_set("a", ids(run, 0, 1))
    book(run).tag(ids(run, 5, 6, 7), "blurred [x]")
    test = by_hand(run)
    assert "60 images" in texts(test)
    test.session_state["show"] = "In the set"
    test.run()
    assert "2 images" in texts(test)
    test.session_state["show"] = "All"
    test.multiselect(key=f"choice-{run.id}-tags").set_value(["blurred [x]"]).run()
    assert not test.exception and "3 images" in texts(test)
    test.multiselect(key=f"choice-{run.id}-tags").set_value([]).run()
    test.toggle(key=f"choice-{run.id}-wrong").set_value(True).run()
    assert not test.exception
    assert (f"{len(wrong)} image" in texts(test)) if len(wrong) else ("No image passes" in texts(test))
    test.toggle(key=f"choice-{run.id}-wrong").set_value(False).run()
    test.slider(key=f"choice-{run.id}-ranks").set_range(90, 100).run()
    assert "7 images" in texts(test) or "6 images" in texts(test)


def test_a_choice_names_rows() -> None:
    samples = pd.DataFrame({"class_name": ["a", "b", "a"]})
    assert not Choice() and Choice(only=(0,)) and Choice(only=())
    assert Choice((("class_name", ("a",)),), only=(1, 2)).rows(samples).tolist() == [False, False, True]


def compared(run: Run, *tokens: str) -> AppTest:
    """The tab *Compare* opened at an address that names these; without any, none is named."""
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    test.query_params["run"], test.query_params["tab"] = run.id, "Compare"
    if tokens:
        test.query_params["compare"] = list(tokens)
    test.switch_page(PAGE)
    test.run()
    assert not test.exception
    return test


def test_comparing(run: Run) -> None:
    book(run).create_set("a", ids(run, *range(10)))
    book(run).create_set("b", ids(run, *range(5, 20)))
    test = compared(run)
    assert labels(test) == ["10 images alone", "15 images alone"]
    sizes, accuracy, shared = (each.value for each in test.dataframe)
    assert sizes.sum().tolist() == [10, 15] and accuracy.shape == (2, 2)
    assert shared.loc["● a", "◆"] == "5 (50 %)" and shared.loc["◆ b", "●"] == "5 (33 %)"
    test.multiselect(key=f"compare-{run.id}").set_value(["set:b", "strategy:easy:6"]).run()
    assert not test.exception and labels(test) == ["15 images alone", "6 images alone"]
    assert test.query_params["compare"] == ["set:b", "strategy:easy:6"]
    assert test.dataframe[2].value.index.tolist() == ["◆ b", "● Keep the easy o…"]  # b is as it was
    assert list(test.dataframe[0].value) == ["◆ b", "● Keep the easy o…"]


def test_a_link_to_a_comparison(run: Run) -> None:
    for name in "abc":
        book(run).create_set(name, ids(run, 0, 1, 2))
    test = compared(run, "set:c", "strategy:random:9", "a")
    assert labels(test) == ["3 images alone", "9 images alone", "3 images alone"]
    assert not test.warning
    test.multiselect(key=f"compare-{run.id}").set_value([]).run()
    assert "Choose two sets or more" in texts(test) and not labels(test)
    test.run()
    assert not labels(test) and test.query_params["compare"] == ""  # nothing is a choice as well


def test_what_a_link_names_and_is_not_there_is_said(run: Run) -> None:
    book(run).create_set("a", ids(run, 0, 1, 2))
    test = compared(run, "set:a", "set:gone *x*", "strategy:best:6", "strategy:easy:61")
    said = test.warning[0].value
    for words in ("There is no set called 'gone \\*x\\*'", "no strategy called 'best'", "between 1 and 60 images"):
        assert words in said
    assert labels(test) == ["3 images alone"]
    test.multiselect(key=f"compare-{run.id}").set_value(["set:a", "strategy:easy:6"]).run()
    assert not test.warning and len(labels(test)) == 2


def test_a_deleted_set_is_missed_in_a_comparison_and_comes_back(run: Run) -> None:
    mine = book(run)
    for name in "ab":
        mine.create_set(name, ids(run, 0, 1, 2))
    test = compared(run, "set:a", "set:b")
    mine.delete_set("a")
    test.run()
    assert "no set called 'a'" in test.warning[0].value and len(labels(test)) == 1
    mine.undo()
    test.run()
    assert not test.warning and len(labels(test)) == 2


def test_with_less_than_two_sets_there_is_a_way_on(run: Run) -> None:
    test = compared(run)
    assert "Choose two sets or more" in texts(test) and "no sets of your own yet" in texts(test)
    test.button(key="two-strategies").click().run()
    assert not test.exception and labels(test) == ["6 images alone", "6 images alone"]
    assert test.query_params["compare"] == ["strategy:greedy-pool:6", "strategy:random:6"]
    book(run).create_set("a", ids(run, *range(9)))
    test = compared(run)
    assert "**One set only.**" in texts(test) and labels(test) == ["9 images alone"]
    test.button(key="beside-random").click().run()
    assert not test.exception and labels(test) == ["9 images alone", "9 images alone"]
    assert "One set only" not in texts(test)


def test_by_hand_is_one_click_away(run: Run) -> None:
    test = compared(run)
    test.button(key="by-hand").click().run()
    assert not test.exception and "No sets yet." in texts(test)


def test_sets_without_images_are_compared_as_well(run: Run) -> None:
    book(run).create_set("none")
    book(run).create_set("elsewhere", ["x", "y"])
    test = compared(run)
    assert "This set is empty." in texts(test) and "No image of this set is in this run." in texts(test)
    assert not labels(test)
    book(run).create_set("a", ids(run, 0, 1))
    test = compared(run)
    assert labels(test) == ["2 images alone"] and "As each set grows" in texts(test)


def test_where_each_set_saturates(run: Run) -> None:
    book(run).create_set("a", ids(run, *range(10)))
    book(run).create_set("b", ids(run, *range(5, 20)))
    test = compared(run)
    shown = texts(test)
    assert "Never again more than 5 points of accuracy worse than at its end" in shown and "of 15** on" in shown
    assert "Exact for the linearized network" in shown
    test.session_state["growth-measure"], test.session_state["growth-scale"] = "loss", "log"
    test.run()
    assert not test.exception and "more than 5% worse than at its end" in texts(test)


def test_an_address_of_a_comparison() -> None:
    names = ["a", "b", "c", "d", "e", "set:a", "x:y"]
    assert understood(["set:a", "a", "", "set:b"], names, 9) == (["set:set:a", "set:a", "set:b"], [])
    assert understood(["set:x:y", "strategy:easy:07", "strategy:easy:7"], names, 9)[0] == ["set:x:y", "strategy:easy:7"]
    tokens, unknown = understood([*"abcde"], names, 9)
    assert tokens == ["set:a", "set:b", "set:c", "set:d"] and unknown == ["Only the first 4 of 5 are compared."]
    wrong = ["", ":", ":0", ":10", ":²", ":-1", ":" + "9" * 6000]
    for value in [*(f"strategy:easy{size}" for size in wrong), "strategy:", "strategy:best:3", "set:", "set:z", "z"]:
        tokens, unknown = understood([value, value], names, 9)
        assert tokens == [] and len(unknown) == 1


def test_a_set_keeps_its_mark_while_others_come_and_go() -> None:
    first = places(["a", "b", "c"], {})
    assert first == {"a": 0, "b": 1, "c": 2}
    assert places(["d", "c", "b", "e"], first) == {"d": 0, "c": 2, "b": 1, "e": 3}


def test_an_edit_elsewhere_is_noticed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    book(run).create_set("a", ids(run, 0))
    assert sets.revision_of(run) == book(run).revision() == 1
    book(run, "ann").add("a", ids(run, 1))
    assert sets.revision_of(run) == 2
    monkeypatch.setenv("SAMPLEINFO_DATABASE", "mysql://x/y")
    assert sets.revision_of(run) is None


def test_a_look_for_edits_is_cheap(run: Run) -> None:
    book(run).create_set("a", ids(run, *range(40)))
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        sets.revision_of(run)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.02  # 1 ms where nothing else runs


def test_the_form_for_a_new_set_stays_while_others_make_sets(run: Run) -> None:
    book(run).create_set("a", ids(run, 0))
    test = by_hand(run)
    before = test.text_input(key="new-name-0").id
    book(run, "ann").create_set("b")
    test.run()
    assert test.text_input(key="new-name-0").id == before
    next(each for each in test.button if each.label == "Create").click()
    test.run()
    assert not test.exception and len(book(run).sets()) == 3
    assert [each.key for each in test.text_input if str(each.key).startswith("new-name")] == ["new-name-1"]


def test_names() -> None:
    assert sets.free_name("a", ["a", "a (2)"]) == "a (3)" and sets.free_name("b", ["a"]) == "b"
    assert file_name("mine / <b> 1.") == "mine-b-1" and file_name("???") == "set"


def test_the_page_imports_no_heavy_library() -> None:
    code = (
        "import sys, sampleinfo.ui.summaries, sampleinfo.ui.hand, sampleinfo.ui.compare; "
        "print([m for m in ('torch', 'umap', 'sklearn', 'numba') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
