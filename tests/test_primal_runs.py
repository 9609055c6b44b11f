"""Runs without a kernel: through the pipeline, beside the run with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from sampleinfo import feature_shards, models, pipeline, planning, store
from sampleinfo.config import RunConfig
from sampleinfo.errors import Cancelled, InvalidSetting
from sampleinfo.scores import ALONG, CHECKPOINTS, SCORES
from sampleinfo.shards import Shards
from sampleinfo.store import Run

pytestmark = pytest.mark.usefixtures("one_thread", "plain_map")
CONFIG = RunConfig("mnist-4v9", train=40, validation=20, ridge=20.0)


@pytest.fixture(scope="module")
def exact(small_home: Path) -> Run:
    return pipeline.score(CONFIG)


@pytest.fixture(scope="module")
def primal(small_home: Path) -> Run:
    return pipeline.score(replace(CONFIG, kernel="primal", dimension=64))


def test_a_run_without_a_kernel_has_the_scores_of_one_with_it(exact: Run, primal: Run) -> None:
    assert list(primal.scores) == [name for name, each in SCORES.items() if each.needs not in (ALONG, CHECKPOINTS)]
    facts = primal.meta["kernel"]
    assert facts["kind"] == "primal" and facts["dimension"] == 40 and facts["kept"] == pytest.approx(1, abs=1e-5)
    assert 0 < facts["fidelity"] < 0.05 and not (primal.path / "gram.npy").exists()
    for name in ("functional_information", "weight_information", "leave_one_out_error", "grand", "influence"):
        found, wanted = (run.samples[name].to_numpy()[:40] for run in (primal, exact))
        assert stats.spearmanr(found, wanted).statistic > 0.95, name
        assert np.corrcoef(found, wanted)[0, 1] > 0.97, name
    for name in ("prototypicality", "laplace_information", "odd_pixels", "outlyingness", "squeezing"):
        np.testing.assert_allclose(primal.samples[name], exact.samples[name], rtol=1e-9)
    assert primal.meta["accuracy"] == pytest.approx(exact.meta["accuracy"], abs=0.06)
    assert Shards.open(primal.path / "features-train").sizes() == (40,)


def test_it_is_found_again_and_depends_on_the_dimension(primal: Run) -> None:
    config = store.config_of(primal)
    assert pipeline.score(config).id == primal.id
    assert replace(CONFIG, dimension=64).identity() == CONFIG.identity()
    assert replace(config, dimension=32).identity() != config.identity()
    assert replace(config, coordinates=500).identity() != config.identity()


def test_other_images_after_a_cancelled_run_get_a_projection_of_their_own(tmp_path: Path, small_home: Path) -> None:
    def draw(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for row in range(24):
            file = tmp_path / "images" / ("even", "odd")[row % 2] / f"{row}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(file)

    def stop(stage: str, done: float, total: float) -> None:
        if stage == "kernel" and done >= 2:
            raise Cancelled("enough")

    config = RunConfig(
        str(tmp_path / "images"), train=16, validation=8, kernel="primal", dimension=16, ridge=1.0, shard=4
    )
    draw(0)
    with pytest.raises(Cancelled):
        pipeline.score(config, tmp_path / "run", stop)
    assert feature_shards._loaded.cache_info().currsize == 0
    draw(1)
    runs = [pipeline.score(config, tmp_path / name) for name in ("run", "other")]
    there, anew = (Shards.open(run.path / "features-train").read(1) for run in runs)
    np.testing.assert_allclose(there @ there.T, anew @ anew.T, rtol=1e-3)


def test_coordinates_can_be_asked_for(primal: Run, small_home: Path) -> None:
    fewer = pipeline.score(replace(CONFIG, kernel="primal", dimension=64, coordinates=500))
    assert 400 < fewer.meta["kernel"]["coordinates"] <= 500 < primal.meta["kernel"]["coordinates"]
    assert fewer.meta["kernel"]["fidelity"] > primal.meta["kernel"]["fidelity"]
    spec = models.find("resnet20")
    with pytest.raises(InvalidSetting, match=r"coordinates must be at least [0-9]+, one for each tensor"):
        planning.estimate(replace(CONFIG, kernel="primal", coordinates=len(spec.tensors)))
    with pytest.raises(InvalidSetting, match="coordinates belongs to the kernel 'primal'"):
        replace(CONFIG, kernel="exact", coordinates=500)


def test_a_ridge_is_chosen_and_steps_can_be_given(small_home: Path) -> None:
    chosen = pipeline.score(replace(CONFIG, kernel="primal", dimension=32, ridge=None))
    assert chosen.meta["ridge"]["value"] in chosen.meta["training"]["grid"]
    assert np.isfinite(chosen.meta["training"]["errors"]).all()
    finite = pipeline.score(replace(CONFIG, kernel="primal", dimension=32, ridge=None, steps=50))
    assert finite.meta["training"]["steps"] == 50 and np.isfinite(finite.samples["functional_information"][:40]).all()
    with pytest.raises(InvalidSetting, match="steps 'auto' needs the kernel"):
        pipeline.score(replace(CONFIG, kernel="primal", dimension=32, ridge=None, steps="auto"))


def test_what_a_kernel_alone_can_do_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="'along-training' needs a kernel; choose another than 'primal'"):
        replace(CONFIG, kernel="primal", method="along-training")
    with pytest.raises(InvalidSetting, match="steps 'auto' needs the kernel between all images"):
        replace(CONFIG, kernel="primal", ridge=None, steps="auto")
    with pytest.raises(InvalidSetting, match="dimension must be at least 16 features, got 3"):
        replace(CONFIG, kernel="primal", dimension=3)
    with pytest.raises(InvalidSetting, match="Ask for fewer dimensions with --dimension"):
        planning.estimate(replace(CONFIG, kernel="primal", dimension=200_000, memory=4.0))


def test_the_plan_takes_features_where_no_kernel_fits() -> None:
    ten = RunConfig("digits", train=4000, validation=1000, memory=3.0, dimension=512)
    plan = planning.estimate(ten)
    assert plan.kernel == "primal"
    assert plan.reason.startswith("features of 512 dimensions in shards, which rank the images less truly: a kernel")
    assert plan.memory < 3 * planning.GIB
    assert planning.estimate(replace(ten, memory=30.0)).kernel == "shared"
    assert planning.estimate(replace(ten, memory=30.0, train=500)).kernel in ("exact", "subset")


@pytest.mark.parametrize("page", ["explore", "summaries", "sources", "classes", "review", "validate"])
def test_pages_show_such_a_run_or_say_what_it_lacks(page: str, primal: Run) -> None:
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=60)
    app.query_params["run"] = primal.id
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    said = " ".join(each.value for each in [*app.error, *app.info, *app.warning, *app.caption, *app.markdown])
    # its one source is what the Sources page says first
    assert ("no kernel between all" in said) == (page in ("summaries", "classes", "review", "validate"))


def test_commands_say_what_such_a_run_lacks(primal: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from sampleinfo.cli import main

    for command in (["classes"], ["review"], ["summarize"], ["validate"]):
        assert main([*command, primal.id]) == 1
        assert "no kernel between all" in capsys.readouterr().err
    assert main(["show", primal.id]) == 0
