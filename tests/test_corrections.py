"""Runs of a corrected data set, and runs with planted errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleinfo import corrections, decisions, pictures, pipeline, planting, store, validation
from sampleinfo.config import PLANTS, RunConfig
from sampleinfo.errors import InvalidData, InvalidSetting, UnknownName
from sampleinfo.scores import SCORES
from sampleinfo.store import Run

pytestmark = pytest.mark.usefixtures("one_thread", "plain_map")


@pytest.fixture(scope="module")
def whole(small_home: Path) -> Run:
    return pipeline.score(RunConfig("mnist-4v9", train=24, validation=16))


def train_ids(run: Run, label: str) -> list[str]:
    chosen = (run.samples["split"] == "train") & (run.samples["class_name"] == label)
    return list(run.samples.loc[chosen, "sample_id"])


def test_a_corrected_run_is_that_of_the_data_set_with_other_labels_and_fewer_images(whole: Run, tmp_path: Path) -> None:
    fours, nines = train_ids(whole, "4"), train_ids(whole, "9")
    held_out = str(whole.samples["sample_id"].iloc[-1])
    wanted = ((fours[0], "9"), (nines[1], None), (nines[3], None), (held_out, None), ("not in this run", None))
    config = replace(store.config_of(whole), corrections=wanted)
    found = pipeline.score(config)
    assert found.meta["kernel"]["from_run"] == whole.id
    assert found.meta["sizes"]["train"] == 22 and found.meta["sizes"]["validation"] == 15
    assert found.meta["title"].endswith("corrected: 1 relabelled, 4 dropped")
    dropped = {nines[1], nines[3], held_out}
    kept = whole.samples[~whole.samples["sample_id"].isin(dropped)]
    assert list(found.samples["sample_id"]) == list(kept["sample_id"])
    labels = dict(zip(kept["sample_id"], kept["class_name"], strict=True)) | {fours[0]: "9"}
    assert dict(zip(found.samples["sample_id"], found.samples["class_name"], strict=True)) == labels
    rows = kept.index.to_numpy()
    train, rest = rows[rows < 24], rows[rows >= 24] - 24
    np.testing.assert_array_equal(found.array("gram"), whole.array("gram")[np.ix_(train, train)])
    np.testing.assert_array_equal(found.array("cross"), whole.array("cross")[np.ix_(rest, train)])
    np.testing.assert_array_equal(found.array("embedding"), whole.array("embedding")[rows])
    # the same without an earlier run to take the kernel from
    fresh = replace(config, seed=config.seed)
    before = store.list_runs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "list_runs", lambda folder=None: [] if folder is None else before(folder))
        alone = pipeline.score(fresh, tmp_path / "alone")
    assert "from_run" not in alone.meta["kernel"]
    np.testing.assert_allclose(alone.array("gram"), found.array("gram"), rtol=1e-4)
    for name in ("functional_information", "label_suspicion", "odd_pixels"):
        np.testing.assert_allclose(alone.samples[name], found.samples[name], rtol=1e-2)


def test_a_corrected_run_is_found_again_and_can_be_retrained_for_real(whole: Run) -> None:
    wanted = ((train_ids(whole, "4")[0], "9"), (train_ids(whole, "9")[0], None))
    config = replace(store.config_of(whole), corrections=wanted)
    first = pipeline.score(config)
    again = pipeline.score(store.config_of(first))
    assert again.id == first.id != whole.id
    assert len(validation.reopen(first).dataset) == 39


def test_corrections_that_cannot_be_are_refused(whole: Run) -> None:
    config = store.config_of(whole)
    with pytest.raises(UnknownName, match=r"class 'five'.*4, 9"):
        pipeline.score(replace(config, corrections=((train_ids(whole, "4")[0], "five"),)))
    ids = whole.samples["sample_id"]
    with pytest.raises(InvalidData, match="no training or no validation image is left"):
        pipeline.score(replace(config, corrections=tuple((str(name), None) for name in ids[24:])))
    with pytest.raises(InvalidSetting, match="train must be at least 4 images, got 3"):
        pipeline.score(replace(config, corrections=tuple((str(name), None) for name in ids[3:24])))
    with pytest.raises(InvalidSetting, match="corrected twice"):
        replace(config, corrections=(("a", None), ("a", "4")))


def test_settings_with_corrections_and_plants_survive_json() -> None:
    config = RunConfig("digits", corrections=(("a", "4"), ("b", None)), plant="blur", planted=0.2)
    assert RunConfig.from_dict(config.as_dict()) == config
    assert corrections.counts(config.corrections) == (1, 1)
    assert RunConfig("digits").identity() == RunConfig("digits", planted=0.3).identity()
    with pytest.raises(InvalidSetting, match=r"plant must be one of nothing, labels.*'mud'"):
        RunConfig("digits", plant="mud")
    with pytest.raises(InvalidSetting, match="share must lie between 0 and 100 %, got 120 %"):
        RunConfig("digits", planted=1.2)
    assert ("nothing", *planting.PLANTS) == PLANTS


def test_planted_labels_keep_the_kernel(whole: Run) -> None:
    found = pipeline.score(replace(store.config_of(whole), plant="labels", planted=0.25))
    planted = found.samples[store.PLANTED].to_numpy()
    assert planted[:24].sum() == 6 and not planted[24:].any()
    np.testing.assert_array_equal(planted, found.samples["class_name"] != whole.samples["class_name"])
    assert found.meta["kernel"]["from_run"] == whole.id
    np.testing.assert_array_equal(found.array("gram"), whole.array("gram"))
    assert found.meta["title"].endswith("25% planted: wrong labels")


@pytest.mark.parametrize("plant", ["occlusion", "fgsm"])
def test_planted_pictures_are_seen_by_the_network_and_by_people(plant: str, whole: Run) -> None:
    found = pipeline.score(replace(store.config_of(whole), plant=plant))
    planted = found.samples[store.PLANTED].to_numpy()
    assert planted.sum() == 2 and "from_run" not in found.meta["kernel"]
    moved = np.abs(found.array("embedding") - whole.array("embedding")).max(axis=1) > 0
    np.testing.assert_array_equal(moved, planted)
    for row in range(len(planted)):
        assert (pictures.read(found.path, row) != pictures.read(whole.path, row)) == planted[row]
    np.testing.assert_array_equal(found.samples["label"], whole.samples["label"])
    ready = validation.reopen(found)
    np.testing.assert_array_equal(ready.features.astype(np.float32), found.array("embedding"))
    if plant == "occlusion":
        assert found.samples["odd_pixels"][planted].min() > found.samples["odd_pixels"].median()


def test_a_run_has_the_scores_that_look_for_errors(whole: Run) -> None:
    names = {"label_suspicion", "odd_pixels", "outlyingness", "squeezing", "adversarial_suspicion"}
    assert names <= set(whole.scores) <= set(SCORES)
    labels = whole.samples["label"].to_numpy()[:24]
    outputs = whole.array("held_out")
    np.testing.assert_allclose(np.abs(labels - outputs[:, 0]), whole.samples["label_suspicion"][:24], rtol=1e-12)
    facts = whole.meta["suspicion"]
    assert facts["kernel"] == min(facts["errors"], key=facts["errors"].get)
    error = float(np.mean((labels - outputs[:, 0]) ** 2))
    assert error == pytest.approx(facts["errors"][facts["kernel"]], rel=1e-9)


def test_decisions_about_a_planted_copy_are_not_about_the_data_set(whole: Run) -> None:
    planted = pipeline.score(replace(store.config_of(whole), plant="labels", planted=0.25))
    names = {decisions.collection_of(run) for run in (whole, planted)}
    assert names == {"mnist-4v9", "mnist-4v9 with labels planted, 0.25, 0"}
