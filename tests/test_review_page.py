"""The Review page without a browser."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import analysing, figures, jobs, pipeline, store
from sampleinfo.config import RunConfig
from sampleinfo.decisions import DROP, KEEP, RELABEL, UNSURE, Book, Verdict, collection_of, open_decisions
from sampleinfo.figures.review import similar_order
from sampleinfo.reports.review import CAUSES
from sampleinfo.reports.review_words import conclusion
from sampleinfo.store import Run
from sampleinfo.ui.review_answers import class_keys
from sampleinfo.ui.review_corrected import comparison, comparison_words, corrected_config
from sampleinfo.ui.review_decided import kept_rows, review_file, verdict_table
from sampleinfo.ui.review_evidence import share_words
from sampleinfo.ui.review_queue import EVERY, JUDGED, WAITING, Queue, ranking
from sampleinfo.ui.review_scores import agreement_words
from sampleinfo.ui.review_words import cut, made_by, points_words, short_verdict, signed, tally
from sampleinfo.ui.words import plain
from tests.test_pages import ended, opened, texts

PAGE = "pages/review.py"


def book(run: Run, author: str | None = None) -> Book:
    return open_decisions().book(collection_of(run), author)


def images_of(run: Run) -> pd.DataFrame:
    return analysing.analyse(run, "review")["images"]


def ranked(run: Run, cause: str = "mislabeled") -> list[str]:
    images = images_of(run)
    return images.sort_values(f"{cause}_rank")["sample_id"].tolist()


def row_of(run: Run, sample_id: str) -> int:
    return int(np.flatnonzero(run.samples["sample_id"].to_numpy() == sample_id)[0])


@pytest.fixture
def known(run: Run) -> Run:
    """A copy of the small run with its evidence, in a store of its own without decisions."""
    images_of(run)
    return run


def address(test: AppTest, name: str) -> str | None:
    found = test.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def answer(test: AppTest, run: Run, kind: str, sample_id: str | None = None) -> AppTest:
    """Press an answer on the image that is looked at; it must be ``sample_id``."""
    found = [each for each in test.button if str(each.key).startswith(f"{kind}-")]
    assert len(found) == 1
    if sample_id is not None:
        assert found[0].key == f"{kind}-{row_of(run, sample_id)}"
    found[0].click().run()
    assert not test.exception
    return test


def test_without_runs(empty_home: object) -> None:
    assert "There are no runs yet" in texts(opened(PAGE))


def test_before_it_is_asked_a_button_asks_and_the_job_answers(run: Run) -> None:
    test = opened(PAGE, run=run.id)
    assert "No evidence yet." in texts(test) and "About **" in texts(test)
    test.button(key="ask-review").click().run()
    job = jobs.list_jobs()[0]
    assert job.task == jobs.ANALYSE and job.options == {"run": run.id, "question": "review"}
    ended("done")
    test.run()
    assert not test.exception
    assert plain(conclusion(images_of(run), run.meta["suspicion"])) in texts(test)
    assert "Look for suspicious images: mnist-4v9" in texts(opened("app.py"))


def test_a_run_made_before_is_refused_with_what_to_do(run: Run) -> None:
    (run.path / "held_out.npy").unlink()
    assert "score it again" in texts(opened(PAGE, run=run.id))


def test_the_evidence_of_the_first_image(known: Run) -> None:
    test = opened(PAGE, run=known.id)
    row = images_of(known).set_index("sample_id").loc[ranked(known)[0]]
    said = texts(test) + " ".join(str(each.value) for each in test.html)
    assert f"Labelled **{row['class_name']}** · predicted without it **{row['predicted']}**" in said
    assert f"Nearest labelled **{row['suggested']}**" in said and f"Relabel to {row['suggested']}" in said
    assert ("contradicted" if row["disagrees"] else "agreed") in said
    assert f"{round(row['relabel_accuracy'] * 40):+d}".replace("+0", "0").replace("-", "−") + " of 40 (" in said
    for each in CAUSES.values():
        assert known.scores[each.score].title in said
    assert "100 %" in said and "Nothing yet." in said


def test_answers_go_to_the_book_and_the_next_image_comes(known: Run) -> None:
    order, test = ranked(known), opened(PAGE, run=known.id)
    assert "**0 of 50 judged**" in progress(test)
    suggested = images_of(known).set_index("sample_id")["suggested"]
    for sample_id, kind in zip(order, (KEEP, RELABEL, DROP, UNSURE), strict=False):
        answer(test, known, kind, sample_id)
    assert book(known).verdicts() == {
        order[0]: Verdict(KEEP), order[1]: Verdict(RELABEL, suggested[order[1]]), order[2]: Verdict(DROP),
        order[3]: Verdict(UNSURE),
    }  # fmt: skip
    assert address(test, "sample") == order[4]
    assert "**4 of 50 judged** · 1 kept, 1 relabelled, 1 dropped, 1 unsure" in progress(test)
    table = test.dataframe[0].value
    assert table["image"].tolist() == order[:4][::-1] and table["verdict"].tolist() == [UNSURE, DROP, RELABEL, KEEP]
    assert table["new label"].tolist()[2] == suggested[order[1]] and table["by"].nunique() == 1
    assert table["at"].notna().all()
    again = opened(PAGE, run=known.id)  # a new session
    assert "**4 of 50 judged**" in progress(again)
    answer(again, known, KEEP, order[4])


def progress(test: AppTest) -> str:
    return " ".join(str(each.proto.text) for each in test.get("progress"))


def test_undo_says_what_it_undid_and_goes_back_there(known: Run) -> None:
    order, test = ranked(known), opened(PAGE, run=known.id)
    assert test.button(key="review-undo").disabled
    answer(answer(test, known, KEEP, order[0]), known, DROP, order[1])
    test.button(key="review-undo").click().run()
    assert book(known).verdicts() == {order[0]: Verdict(KEEP)} and address(test, "sample") == order[1]
    assert f"Undid: dropped image '{order[1]}'." in test.toast[0].value.replace("\\", "")
    test.button(key="review-redo").click().run()
    assert book(known).verdicts()[order[1]] == Verdict(DROP) and address(test, "sample") == order[1]
    answer(test, known, "take-back", order[1])
    assert order[1] not in book(known).verdicts() and address(test, "sample") == order[1]


def test_what_was_edited_elsewhere_is_not_undone_here(known: Run) -> None:
    book(known).create_set("mine", ranked(known)[:2])
    test = opened(PAGE, run=known.id)
    button = test.button(key="review-undo")
    assert button.disabled and "Created the set" in button.proto.help


def test_a_verdict_of_somebody_else_is_not_overwritten(known: Run) -> None:
    first, test = ranked(known)[0], opened(PAGE, run=known.id)
    book(known, "Ada").judge([first], Verdict(DROP), {})
    answer(test, known, KEEP, first)
    assert "Ada" in " ".join(str(each.value) for each in test.error)
    assert book(known).verdicts() == {first: Verdict(DROP)} and address(test, "sample") != first


def test_the_queue_is_chosen_and_kept_in_the_address(known: Run) -> None:
    images, test = images_of(known), opened(PAGE, run=known.id)
    test.selectbox(key="rank").set_value("corrupted").run()
    answer(test, known, UNSURE, ranked(known, "corrupted")[0])
    test.selectbox(key="only").set_value("9").run()
    nines = images[images["class_name"] == "9"]
    left = [each for each in ranked(known, "corrupted") if each in set(nines["sample_id"])]
    left = [each for each in left if each not in book(known).verdicts()]
    answer(test, known, KEEP, left[0])
    test.number_input(key="queue").set_value(3).run()
    assert " of 3 judged" in progress(test)
    test.selectbox(key="rank").set_value("functional_information").run()
    nats = known.samples["functional_information"].to_numpy()[: len(images)]
    top = ranking(known, images, "functional_information", "9")
    assert nats[top[0]] == nats[(images["class_name"] == "9").to_numpy()].max() and not test.exception
    linked = opened(PAGE, run=known.id, sample=left[2])
    answer(linked, known, KEEP, left[2])
    assert "no training image called" in texts(opened(PAGE, run=known.id, sample="<b>nobody</b>"))


def test_a_queue_that_is_done_says_so_and_goes_on(known: Run) -> None:
    order, test = ranked(known), opened(PAGE, run=known.id)
    test.number_input(key="queue").set_value(2).run()
    answer(answer(test, known, KEEP, order[0]), known, KEEP, order[1])
    done = " ".join(str(each.value) for each in test.success)
    assert "All 2 images of this queue are judged." in done and "sample" not in test.query_params
    test.session_state["listed"] = JUDGED
    test.run()
    answer(test, known, DROP, order[0])
    assert book(known).verdicts()[order[0]] == Verdict(DROP)
    test.session_state["listed"] = WAITING
    del test.query_params["sample"]  # as the control does
    test.run()
    test.button(key="review-more").click().run()
    assert test.number_input(key="queue").value == 52
    answer(test, known, KEEP, order[2])
    empty = opened(PAGE, run=known.id)
    empty.session_state["listed"] = JUDGED
    book(known).undo(), book(known).undo(), book(known).undo(), book(known).undo()
    assert not empty.run().exception and "None of the images of this queue" in texts(empty)


def test_errors_that_were_planted_are_not_judged(known: Run) -> None:
    values = {**store.config_of(known).as_dict(), "plant": "labels"}
    store.write_json(known.path / store.SUMMARY, {**known.meta, "config": values})
    test = opened(PAGE, run=known.id)
    assert "Errors were planted into this run" in texts(test)
    assert not [each for each in test.button if str(each.key).startswith("keep-")]


def test_scoring_the_corrected_data_set_starts_a_run_with_the_verdicts(
    known: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(jobs, "start", lambda *given: started.append(given))
    order, test = ranked(known), opened(PAGE, run=known.id)
    answer(test, known, KEEP, order[0])
    assert "there is nothing to correct" in texts(test)
    answer(answer(test, known, RELABEL, order[1]), known, DROP, order[2])
    assert "1 training image relabelled and 1 training image dropped" in texts(test)
    test.button(key="review-score").click().run()
    config = replace(store.config_of(known), corrections=book(known).corrections())
    assert started == [(config, jobs.SCORE, {"run": known.id})] and len(config.corrections) == 2
    _as_if_scored(known, config, 0.95)
    test.run()
    assert not test.exception and "97.5 % → 95.0 %" in texts(test) and "−1 of 40 images" in texts(test)
    links = [each for each in test.get("page_link") if "corrected" in str(each.proto.label)]
    assert len(links) == 1
    there = opened(PAGE, run="corrected")
    assert "already made of the corrected data set" in texts(there)


def _as_if_scored(run: Run, config: RunConfig, accuracy: float) -> Run:
    path = run.path.with_name("corrected")
    shutil.copytree(run.path, path)
    meta = {**run.meta, "config": config.as_dict(), "accuracy": {**run.meta["accuracy"], "validation": accuracy},
            "fingerprint": "corrected"}  # fmt: skip
    store.write_json(path / store.SUMMARY, meta)
    return store.open_run(path)


def test_runs_with_other_validation_images_are_not_compared(known: Run) -> None:
    config = corrected_config(known, {ranked(known)[0]: Verdict(DROP)})
    other = _as_if_scored(known, config, 1.0)
    same = comparison(known, other)
    assert same.same and "+1 of 40 images" in comparison_words(same) and "no fair" not in comparison_words(same)
    assert "No difference" in comparison_words(replace(same, after=same.before))
    table = other.samples.copy()
    table.loc[len(table) - 1, "class_name"] = "4" if table["class_name"].iloc[-1] == "9" else "9"
    table.to_parquet(other.path / store.SAMPLES, index=False)
    store.write_json(other.path / store.SUMMARY, {**other.meta, "fingerprint": "changed"})
    assert "no fair comparison" in comparison_words(comparison(known, store.open_run(other.path)))


def test_the_review_is_taken_away_with_the_verdicts(known: Run) -> None:
    images, order = images_of(known), ranked(known)
    verdicts = {order[0]: Verdict(RELABEL, "4"), order[1]: Verdict(DROP)}
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet), (".json", pd.read_json)):
        found = read(io.BytesIO(review_file(images, verdicts, suffix))).set_index("sample_id")  # type: ignore[operator]
        assert len(found) == 60 and found.loc[order[0], "verdict"] == RELABEL
        assert str(found.loc[order[0], "new_class"]).startswith("4") and found.loc[order[1], "verdict"] == DROP
        assert found["verdict"].notna().sum() == 2 and np.allclose(found["margin"], images["margin"])
    assert row_of(known, order[1]) not in kept_rows(images, verdicts) and len(kept_rows(images, verdicts)) == 59


def test_scores_and_the_stress_test_have_tabs(known: Run) -> None:
    test = opened(PAGE, run=known.id, view="Scores")
    assert "Rank correlations" in texts(test) and len(test.dataframe) == 1
    assert test.dataframe[0].value.shape == (len(known.scores), len(known.scores))
    assert not opened(PAGE, run=known.id, view="Stress test").exception


@pytest.fixture(scope="module")
def ten(small_home: Path) -> Iterator[Run]:
    """Twenty training images of ten classes with long and odd names."""
    run = pipeline.score(RunConfig("mnist", train=20, validation=20, kernel="shared"))
    names = [f"a class with quite a long name <b> & number *{digit}*, of ten" for digit in range(10)]
    table = run.samples.copy()
    for column in ("class_name", "predicted"):
        table[column] = [names[int(each)] for each in table[column]]
    table.to_parquet(run.path / store.SAMPLES, index=False)
    facts = {**run.meta["dataset"], "class_names": names}
    store.write_json(run.path / store.SUMMARY, {**run.meta, "dataset": facts})
    yield store.open_run(run.path)
    store.delete_run(run)


def test_ten_classes_with_long_names_and_twenty_images(
    ten: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLEINFO_DATABASE", f"sqlite:///{tmp_path / 'ten.sqlite'}")
    images = images_of(ten)
    test = opened(PAGE, run=ten.id)
    assert "**0 of 20 judged**" in progress(test)
    first = images.sort_values("mislabeled_rank").iloc[0]
    names = ten.meta["dataset"]["class_names"]
    other = next(each for each in names if each not in (first["class_name"], first["suggested"]))
    digit = str((names.index(other) + 1) % 10)
    answer(test, ten, f"class{digit}", first["sample_id"])
    assert book(ten).verdicts() == {first["sample_id"]: Verdict(RELABEL, other)}
    second = images.sort_values("mislabeled_rank").iloc[1]
    own = str((names.index(second["class_name"]) + 1) % 10)
    answer(test, ten, f"class{own}", second["sample_id"])
    assert book(ten).verdicts()[second["sample_id"]] == Verdict(KEEP)
    assert "Labelled **a class with quite a" in texts(test)
    assert not any("<b> &" in str(each.value) for each in test.html)


def test_the_order_in_which_images_come() -> None:
    queue = Queue(("a", "b", "c", "d"), 9, {"b": Verdict(KEEP), "z": Verdict(DROP)})
    assert queue.judged == 1 and queue.shown == ["a", "c", "d"] and queue.first() == "a"
    assert [queue.after(each) for each in "abcdz"] == ["c", "c", "d", "a", "a"]
    assert [queue.beside(each, 1) for each in "abcd"] == ["c", "c", "d", None]
    assert [queue.beside(each, -1) for each in "abcd"] == [None, "a", "a", "c"]
    assert queue.around("c", 1, 2) == ["a", "c"] and queue.around("b", 1, 3) == ["a", "b", "c"]
    assert queue.around("z", 1, 2) == ["a", "c"] and queue.around(None, 1, 2) == ["a", "c"]
    assert replace(queue, show=EVERY).shown == ["a", "b", "c", "d"]
    judged = replace(queue, show=JUDGED, verdicts={"b": Verdict(KEEP), "d": Verdict(UNSURE)})
    assert judged.shown == ["b", "d"] and judged.after("b") == "d" and judged.after("d") is None
    assert Queue(("a",), 1, {}).after("a") is None and Queue((), 0, {}).first() is None


def test_each_class_has_a_key() -> None:
    digits = [str(each) for each in range(10)]
    assert class_keys(digits, np.zeros(10)) == dict(zip(digits, digits, strict=True))
    assert class_keys(["x", "y", "z"], np.zeros(3)) == {"1": "x", "2": "y", "3": "z"}
    assert class_keys([f"c{each}" for each in range(10)], np.zeros(10))["0"] == "c9"
    many = class_keys([f"c{each}" for each in range(30)], np.arange(30.0))
    assert len(many) == 9 and many["1"] == "c29" and many["9"] == "c21"


def test_words() -> None:
    assert (signed(2), signed(-2), signed(0)) == ("+2", "−2", "0")
    assert (points_words(0.025), points_words(-0.025), points_words(-1e-9)) == (
        "+2.5 points",
        "−2.5 points",
        "0 points",
    )
    assert (share_words(100), share_words(99.96), share_words(12.3), share_words(0)) == (
        "100 %",
        "99.9 %",
        "12 %",
        "0 %",
    )
    assert cut("abcdefghij", 7) == "abcd…ij" and cut("abc", 3) == "abc"
    assert tally([Verdict(DROP), Verdict(KEEP), Verdict(DROP)]) == "1 kept, 2 dropped" and tally([]) == ""
    assert short_verdict(Verdict(RELABEL, "x")) == "→ x" and short_verdict(None) == ""


def test_who_gave_a_verdict_is_read_from_the_log(run: Run) -> None:
    ada, ben = book(run, "Ada"), book(run, "Ben")
    ada.judge(["a", "b"], Verdict(KEEP), {})
    ben.judge(["c"], Verdict(RELABEL, "x"), {})
    ada.judge(["d"], Verdict(DROP), {})
    ada.undo(), ada.redo()
    ben.judge(["e"], Verdict(DROP), {})
    ben.undo()
    verdicts = ada.verdicts()
    made = made_by(verdicts, ada.history())
    assert {name: each.author for name, each in made.items()} == {"c": "Ben", "d": "Ada"}  # two at once are not named
    images = pd.DataFrame({"sample_id": ["a", "c"], "class_name": ["y", "y"]})
    table = verdict_table(images, verdicts, made).set_index("image")
    assert table.index[0] == "c" and table.loc["d", "given"] == "not in this run" and table.loc["c", "new label"] == "x"


def test_the_picture_of_the_agreement() -> None:
    values = np.array([[1, 0.1, 0.95, np.nan], [0.1, 1, 0.05, np.nan], [0.95, 0.05, 1, np.nan], [np.nan] * 4])
    order = similar_order(values).tolist()
    assert sorted(order) == [0, 1, 2, 3] and abs(order.index(0) - order.index(2)) == 1
    figure = figures.score_agreement(values, ["one", "two <b>", "three", "four"])
    assert len(figure.layout.annotations) == 9 and figure.data[0].zmin == -1 and figure.data[0].zmax == 1
    assert "<b>" not in str(figure.data[0].customdata) and figures.correlation(-0.004) == "0.00"
    names = ["label_suspicion", "odd_pixels", "x", "y"]
    words = agreement_words(pd.DataFrame(values, names, names), ["Label", "Odd", "X", "Y"])
    assert "look at different things" in words and "Label and X (0.95)" in words
    nothing = pd.DataFrame(np.full((2, 2), np.nan), names[:2], names[:2])
    assert "nothing to compare" in agreement_words(nothing, ["Label", "Odd"])
    assert figures.score_agreement(nothing.to_numpy(), ["a", "b"]).data[0].type == "heatmap"
