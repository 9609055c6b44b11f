"""The pages without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from sampleinfo import datasets, figures, jobs, pipeline, store
from sampleinfo.config import RunConfig
from sampleinfo.store import Run

ROOT = Path(__file__).resolve().parents[1]
VALIDATIONS = "validations/*/validation.json"


def opened(page: str, **query: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    if page != "app.py":
        test.switch_page(page)
    test.run()
    assert not test.exception
    return test


def ended(state: str) -> None:
    """Wait for the newest job, which must end so."""
    for _ in range(200):
        if not jobs.list_jobs()[0].active:
            break
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"], check=True)
    assert jobs.list_jobs()[0].state == state, jobs.list_jobs()[0].message


def texts(test: AppTest) -> str:
    return "\n".join(
        str(e.value) for kind in ("markdown", "caption", "info", "error", "warning") for e in test.get(kind)
    )


def test_home_without_runs(empty_home: Path) -> None:
    test = opened("app.py")
    assert "None yet" in texts(test)
    assert test.selectbox(key="data").value == "digits"
    assert "Exact kernel" in texts(test)
    assert test.button(key="start").label == "Compute sample information"


def test_home_explains_impossible_settings(empty_home: Path) -> None:
    test = opened("app.py")
    test.number_input(key="train-digits").set_value(2).run()
    assert "train must be at least 4 images, got 2" in texts(test)
    test.number_input(key="train-digits").set_value(12).run()
    assert "ask for at least 20" in texts(test)
    test.number_input(key="train-digits").set_value(5000).run()
    assert "GiB" in texts(test)
    assert not test.exception


def own(test: AppTest, path: Path | str) -> AppTest:
    test.selectbox(key="data").set_value("own images").run()
    test.text_input(key="path").set_value(str(path)).run()
    assert not test.exception
    return test


def test_home_looks_at_own_images(own_images: Path, empty_home: Path) -> None:
    test = opened("app.py")
    test.selectbox(key="data").set_value("own images").run()
    assert "Name a path" in texts(test) and test.button[-1].disabled
    own(test, own_images)
    assert "65 images of 2 classes" in texts(test)
    assert test.number_input(key=f"train-{own_images}").value == 43
    sheet = next(str(each.value) for each in test.html if "<figure" in str(each.value))
    assert sheet.count("<img") + sheet.count("dashed") == 24
    assert "seven &lt;b&gt;" in sheet and "<b>" not in sheet
    assert test.dataframe[0].value["images"].tolist() == [33, 32]
    datasets.prepare(str(own_images))
    test.run()
    assert "4** left out" in texts(test) and "with different labels" in texts(test)
    assert len(test.dataframe[1].value) == 8


@pytest.mark.parametrize(
    ("path", "words"),
    [("/no/such", "no such file or folder: /no/such"), ("/etc/hostname", "is not a data set: expected a folder"),
     ("nothing", "Unknown data set 'nothing'")],
)  # fmt: skip
def test_home_says_why_not(empty_home: Path, path: str, words: str) -> None:
    test = own(opened("app.py"), path)
    assert words in texts(test).replace("\\", "") and test.button[-1].disabled


def test_home_takes_a_zip(own_images: Path, empty_home: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "my photos!"), "zip", own_images.parent, "pictures"))
    test = opened("app.py")
    test.selectbox(key="data").set_value("own images").run()
    test.file_uploader(key="upload").upload(archive.name, archive.read_bytes(), "application/zip").run()
    assert not test.exception
    assert "images of 2 classes" in texts(test)
    assert [path.name for path in (empty_home / "uploads").rglob("*.zip")] == ["my-photos.zip"]


def test_home_offers_torchvision_and_networks(empty_home: Path) -> None:
    test = opened("app.py")
    test.selectbox(key="data").set_value("torchvision").run()
    assert "cifar" not in texts(test) and "is not on this machine yet" in texts(test)
    assert test.button(key="download").label == "Download"
    test.selectbox(key="data").set_value("mnist-4v9").run()
    test.selectbox(key="model").set_value("resnet50").run()
    assert test.selectbox(key="weights-resnet50").value == "IMAGENET1K_V2" and "downloaded" in texts(test)
    test.selectbox(key="model").set_value("resnet56").run()
    assert "comes without weights" in texts(test) and not test.exception


def test_explore_filters_and_colours_by_metadata(
    own_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    run = pipeline.score(RunConfig(str(own_images / "table.csv"), train=30, validation=10))
    test = opened("pages/explore.py", run=run.id)
    for column in run.metadata:
        test.selectbox(key="colour").set_value(column).run()
        assert not test.exception
    train = run.samples[run.samples["split"] == "train"]
    test.multiselect(key=f"filter-{run.id}-meta.pen").set_value(["black"]).run()
    assert not test.exception
    assert f"{(train['meta.pen'] == 'black').sum()} training images** pass the filter" in texts(test)
    assert "px" in texts(test) and "pen **" in texts(test)
    test.multiselect(key=f"filter-{run.id}-class_name").set_value(["one"]).run()
    test.slider(key=f"filter-{run.id}-meta.hour").set_range(0.0, 0.0).run()
    assert not test.exception
    assert "No image passes the filter" in texts(test) or "pass the filter" in texts(test)


def test_home_lists_runs(small_run: Run) -> None:
    assert small_run.title in texts(opened("app.py"))


def test_explore_without_runs(empty_home: Path) -> None:
    assert "There are no runs yet" in texts(opened("pages/explore.py"))


def test_explore_shows_the_most_informative_first(small_run: Run) -> None:
    shown = texts(opened("pages/explore.py", run=small_run.id))
    best = small_run.samples["functional_information"].idxmax()
    assert f"#### {small_run.samples['sample_id'][best]}" in shown
    assert "All 60 training images" in shown and "orange-badge[not validated]" in shown


def test_explore_opens_the_sample_of_the_link(small_run: Run) -> None:
    validation = small_run.samples["sample_id"].iloc[-1]
    shown = texts(opened("pages/explore.py", run=small_run.id, sample=validation))
    assert f"#### {validation}" in shown and "after training" in shown


def test_explore_with_a_wrong_link(small_run: Run) -> None:
    assert "no image called 'nothing'" in texts(opened("pages/explore.py", run=small_run.id, sample="nothing"))
    assert "There is no run called 'gone'" in texts(opened("pages/explore.py", run="gone"))


def test_validate_without_runs_and_without_a_validation(empty_home: Path) -> None:
    assert "There are no runs yet" in texts(opened("pages/validate.py"))


def test_validate_says_what_to_do_and_what_is_impossible(small_run: Run) -> None:
    test = opened("pages/validate.py", run=small_run.id)
    assert "Not validated yet." in texts(test) and "Along the training" in texts(test)
    assert test.number_input(key=f"removals-{small_run.id}").value == 24
    test.number_input(key=f"batch-{small_run.id}").set_value(60).run()
    assert not test.exception and not test.error
    test.selectbox(key="choose").set_value("all").run()
    assert test.number_input(key=f"removals-{small_run.id}").disabled


def test_validate_shows_estimates_beside_the_truth(validated_run: Run) -> None:
    test = opened("pages/validate.py", run=validated_run.id)
    shown = texts(test)
    assert "foretells retraining best" in "".join(str(each.value) for each in test.subheader)
    assert "**5 retrainings, predictions r = " in shown and "6 steps at lr" in shown
    table = test.dataframe[0].value
    titles = ["Closed form, as this run's scores", "Along the training", "Influence function"]
    assert table["estimate"].tolist() == titles and table["F-SI, r"].str.match(r"^-?(1)?\.\d\d \[").all()
    for kind, words in (("weights", "estimate / truth"), ("accuracy", "Accuracy without each set"),
                        ("loss", "Loss without each set")):  # fmt: skip
        test.session_state["kind"] = kind
        test.run()
        assert not test.exception and words in texts(test)
    assert len(test.table[0].value) == 3 and not test.warning


@pytest.fixture
def changed_run(validated_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """A copy of the validated run in a store of its own, with other facts in its summary or in its validation's."""
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))

    def change(run: dict[str, Any], recipe: dict[str, Any]) -> Run:
        path = tmp_path / "home" / "runs" / validated_run.id
        shutil.copytree(validated_run.path, path)
        for file, facts in ((path / "run.json", run), *((each, {"recipe": recipe}) for each in path.glob(VALIDATIONS))):
            known = json.loads(file.read_text())
            for name, values in facts.items():
                known[name] = {**known[name], **values} if values is not None else None
            file.write_text(json.dumps(known))
        return store.open_run(path)

    return change


def test_validate_warns_of_a_run_to_convergence(changed_run: Callable[..., Run]) -> None:
    run = changed_run({"along": None, "training": {"steps": None}, "ridge": {"value": 3.0}}, {})
    test = opened("pages/validate.py", run=run.id)
    said = str(test.warning[0].value).replace("\u00a0", " ")
    assert said.startswith("**The real network was trained with 6 steps, ridge 0; the scores of this run assume "
                           "training to convergence, ridge 3, agree with r = ")  # fmt: skip
    assert " times the real nats" in said and "Look at *Along the training* (r = " in said
    assert "*Along the training* and 6 steps at lr" in said
    assert "is trained with 100 steps; the scores of this run assume training to convergence" in texts(test)


def test_validate_warns_of_a_recording_of_other_steps(changed_run: Callable[..., Run]) -> None:
    run = changed_run({}, {"steps": 9, "batch_size": 8})
    test = opened("pages/validate.py", run=run.id)
    assert "**The real network was trained with 9 steps, batches of 8; the scores of this run assume 6 steps, full "\
        "batches.**" in str(test.warning[0].value)  # fmt: skip
    assert "not the numbers of this run" in texts(test) and "The same method in another training: **5" in texts(test)


def test_validate_says_before_it_starts_that_another_training_is_asked_for(along_run: Run) -> None:
    test = opened("pages/validate.py", run=along_run.id)
    assert "the scores of this run assume" not in texts(test)
    test.number_input(key="steps").set_value(9).run()
    assert "The network is trained with 9 steps; the scores of this run assume 6 steps." in texts(test)


def test_validate_says_which_table_is_damaged(changed_run: Callable[..., Run]) -> None:
    run = changed_run({}, {})
    next(run.path.glob("validations/*/sets.parquet")).write_bytes(b"no table")
    assert "sets.parquet" in str(opened("pages/validate.py", run=run.id).error[0].value)


def test_estimates_keep_their_colour_whichever_others_are_shown() -> None:
    truth, names = np.array([1.0, 2.0]), ["a", "b"]
    every = figures.truth_scatter(truth, {"x": truth, "y": truth, "z": truth}, [0, 1, 2], names, "nats", True)
    some = figures.truth_scatter(truth, {"x": truth, "z": truth}, [0, 2], names, "nats", True)
    looks = [
        {trace.name: (trace.marker.color, trace.marker.symbol) for trace in each.data[1:]} for each in (every, some)
    ]
    assert looks[1] == {name: looks[0][name] for name in ("x", "z")} and len(set(looks[0].values())) == 3
    many = {str(number): truth for number in range(12)}
    assert len(figures.truth_scatter(truth, many, range(12), names, "nats", False).data) == 13


def test_a_finished_job_links_only_to_other_pages(along_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.JobStatus(
        "job", "done", "", 1.0, None, 60.0, "", along_run.id, store.config_of(along_run), jobs.VALIDATE,
        {"run": along_run.id},
    )  # fmt: skip
    monkeypatch.setattr(jobs, "list_jobs", lambda: [job])
    links = [
        [each.proto.label for each in opened(page, run=along_run.id).get("page_link")]
        for page in ("app.py", "pages/validate.py")
    ]
    assert "See how true it is" in links[0] and "See how true it is" not in links[1]


def test_the_badge_belongs_to_the_score_that_is_shown(validated_run: Run) -> None:
    test = opened("pages/explore.py", run=validated_run.id)
    assert test.selectbox(key="colour").value == "functional_information_along"
    assert "green-badge[5 retrainings, predictions r = " in texts(test) and "Follows one real training run" in texts(
        test
    )
    test.selectbox(key="colour").set_value("weight_information").run()
    assert "badge[5 retrainings, weights r = " in texts(test) and "linear in them" in texts(test)
    assert "badge[5 retrainings, predictions r = " in texts(opened("app.py"))


@pytest.mark.parametrize("colour", ["weight_information", "leave_one_out_error", "prediction_error", "class_name",
                                    "source", "outcome"])  # fmt: skip
def test_explore_colours(small_run: Run, colour: str) -> None:
    test = opened("pages/explore.py", run=small_run.id)
    test.selectbox(key="colour").set_value(colour).run()
    assert not test.exception


def test_selection_survives_a_change_of_colour(small_run: Run) -> None:
    test = opened("pages/explore.py", run=small_run.id)
    test.session_state[f"selection-{small_run.id}"] = [3, 4, 5]
    test.run()
    assert "3 selected" in texts(test)
    test.selectbox(key="colour").set_value("class_name").run()
    assert "3 selected" in texts(test)
    test.button(key="clear").click().run()
    assert "All 60 training images" in texts(test)


def test_pages_import_no_heavy_library() -> None:
    code = (
        "import sys, sampleinfo.ui.map, sampleinfo.ui.detail, sampleinfo.ui.explore, sampleinfo.ui.run_form, "
        "sampleinfo.ui.run_list, sampleinfo.ui.progress, sampleinfo.ui.data_form, sampleinfo.ui.validate, "
        "sampleinfo.ui.validate_form; "
        "print([m for m in ('torch', 'umap', 'sklearn', 'numba') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
