"""What-if questions to a run without a kernel: the answers are those of the kernel of the same features."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleinfo import linearized, pipeline, store, whatif, whatif_primal
from sampleinfo.blocks import product
from sampleinfo.config import RunConfig
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.primal_passes import Selection, gather, in_turn
from sampleinfo.primal_sets import Moments
from sampleinfo.problem import Training
from sampleinfo.reports import sets_primal
from sampleinfo.shards import Shards
from sampleinfo.store import Run
from sampleinfo.whatif import Answer

pytestmark = pytest.mark.usefixtures("plain_map")
CONFIG = RunConfig("mnist-4v9", train=60, validation=40, kernel="primal", dimension=48)
KINDS: dict[str, dict[str, object]] = {
    "convergence": {}, "steps": {"steps": 40}, "flow": {"steps": 25, "continuous": True},
    "initial outputs": {"outputs": "initial"}, "more validation rows than features": {"dimension": 24, "ridge": 2.0},
}  # fmt: skip


@pytest.fixture(scope="module", params=[*KINDS, "ten classes"])
def primal(request: pytest.FixtureRequest, small_home: Path) -> Run:
    config = replace(CONFIG, **KINDS.get(request.param, {}))
    return pipeline.score(replace(config, dataset="mnist") if request.param == "ten classes" else config)


@pytest.fixture(scope="module")
def dual(primal: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run with the kernel of its features."""
    return with_kernel(primal, tmp_path_factory.mktemp("dual") / "run")


def with_kernel(run: Run, path: Path) -> Run:
    shutil.copytree(run.path, path)
    train, val = (
        gather(Selection.everything(Shards.open(run.path / name)), in_turn)
        for name in (whatif_primal.TRAIN, whatif_primal.VALIDATION)
    )
    gram, cross, how = product(train, train.T), product(val, train.T), run.meta["training"]
    residual, outputs = np.array(run.array("residual")), np.array(run.array("val_outputs"))
    training = Training(how["steps"], how["lr"], run.meta["ridge"]["value"], how["continuous"])
    fit = linearized.fit(linearized.Problem(gram, cross, residual, np.zeros_like(outputs)), training)
    arrays = {"gram": gram, "cross": cross, "coefficients": fit.coefficients}
    for name, values in arrays.items():
        np.save(path / f"{name}.npy", values)
    store.write_json(path / store.SUMMARY, {**run.meta, "kernel": {**run.meta["kernel"], "kind": "exact"}})
    return store.open_run(path)


def same(found: Answer, wanted: Answer) -> None:
    assert found.kept == wanted.kept
    np.testing.assert_allclose(
        [found.weight, found.functional], [wanted.weight, wanted.functional], rtol=1e-8, atol=1e-12
    )
    for one, two in ((found.now, wanted.now), (found.then, wanted.then)):
        assert one.overall.accuracy == two.overall.accuracy and one.overall.count == two.overall.count
        assert one.overall.loss == pytest.approx(two.overall.loss, rel=1e-8)
        assert list(one.per_class) == list(two.per_class) and list(one.per_source) == list(two.per_source)


@pytest.mark.parametrize(
    ("ask", "size"), [("without", 0), ("without", 5), ("without", 59), ("keep", 1), ("keep", 33), ("keep", 60)]
)
def test_answers_are_those_of_the_kernel(primal: Run, dual: Run, ask: str, size: int) -> None:
    ids = primal.samples["sample_id"][np.random.default_rng(size).permutation(60)[:size]].tolist()
    answers: list[Callable[..., Answer]] = [getattr(each, ask) for each in (whatif_primal, whatif)]
    same(answers[0](primal, ids), answers[1](dual, ids))


def test_relabelling_and_the_accuracy_of_the_run(primal: Run, dual: Run) -> None:
    ids = primal.samples["sample_id"][:20].tolist()
    name = primal.meta["dataset"]["class_names"][1]
    found = whatif_primal.relabel(primal, ids, name)
    same(found, whatif.relabel(dual, ids, name))
    assert found.now.overall.accuracy == pytest.approx(primal.meta["accuracy"]["validation"])
    own = primal.samples[:60].query("class_name == @name")["sample_id"].tolist()
    assert whatif_primal.relabel(primal, own, name).functional == pytest.approx(0, abs=1e-20)
    with pytest.raises(UnknownName, match="Unknown class 'nobody'"):
        whatif_primal.relabel(primal, ids, "nobody")


@pytest.fixture
def one(small_home: Path) -> Run:
    return pipeline.score(CONFIG)


def test_a_set_is_judged(one: Run) -> None:
    rows, ids = np.arange(7), one.samples["sample_id"][:7].tolist()
    found, left = sets_primal.panel(one, rows), whatif_primal.without(one, ids)
    assert (found.weight, found.functional) == (left.weight, left.functional) and found.random is None
    assert found.without == left.then.overall and found.full == left.now.overall
    assert found.alone == whatif_primal.keep(one, ids).then.overall
    assert sets_primal.panel(one, rows[:1]).interaction == pytest.approx(0, abs=1e-5 * found.functional)
    assert sets_primal.panel(one, np.arange(0)).alone is None
    everything = sets_primal.panel(one, np.arange(60))
    assert everything.without is None and everything.alone is not None
    assert everything.alone.accuracy == everything.full.accuracy


def test_a_run_without_the_sums_is_refused_as_before(one: Run, small_run: Run, tmp_path: Path) -> None:
    shutil.copytree(one.path, tmp_path / "old")
    (tmp_path / "old" / f"{whatif_primal.GRAM}.npy").unlink()
    old = store.open_run(tmp_path / "old")
    assert whatif_primal.answers(one) and not whatif_primal.answers(old) and not whatif_primal.answers(small_run)
    with pytest.raises(InvalidSetting, match="no kernel between all of them"):
        whatif_primal.without(old, [])
    selection = Selection.everything(Shards.open(one.path / whatif_primal.TRAIN))
    with pytest.raises(InvalidSetting, match=r"the sums must have shapes \(48, 48\) and \(48, 1\), got \(2, 2\)"):
        Moments.known(selection, np.zeros((60, 1, 1)), np.eye(2), np.zeros((48, 1)), in_turn)


def test_the_page_answers(one: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from streamlit.testing.v1 import AppTest

    from sampleinfo.ui import panel, sets

    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path))
    monkeypatch.delenv("SAMPLEINFO_DATABASE", raising=False)
    shutil.copytree(one.path, tmp_path / "runs" / one.id)
    monkeypatch.setattr(sets, "author", lambda: "somebody")
    sets.book_of(one).create_set("seven", one.samples["sample_id"][:7].tolist())
    app = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=60)
    app.query_params["run"], app.query_params["tab"], app.query_params["set"] = one.id, "By hand", "seven"
    app.switch_page("pages/summaries.py").run()
    assert not app.exception and not app.error
    assert [each.label for each in app.metric][:2] == ["7 images alone", "All the others"]
    assert any("need a kernel" in each.value for each in app.caption)
    monkeypatch.setattr(panel, "AT_ONCE", 0.0)
    app.run()
    assert not app.metric and not app.exception
    app.button(key="predict").click().run()
    assert len(app.metric) == 5 and not app.exception
