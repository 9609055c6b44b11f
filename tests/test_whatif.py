"""What-if questions to a finished run, from Python and from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleinfo import information, linearized, pipeline, whatif
from sampleinfo.errors import InvalidSetting, UnknownName
from sampleinfo.store import Run
from tests.conftest import SMALL
from tests.test_cli import call


def test_the_fit_of_a_run_gives_its_scores_back(small_run: Run) -> None:
    fit = whatif.fit_of(small_run)
    table = small_run.samples
    for name, score in (
        ("functional_information", information.functional_information),
        ("weight_information", information.weight_information),
    ):
        assert np.allclose(score(fit), table[name][:60], rtol=1e-8)
    assert np.allclose(fit.val_outputs, small_run.array("val_outputs"), atol=1e-10)
    assert np.allclose(fit.whole.val_outputs, 0.5, atol=1e-9)  # centred outputs start from 1/2
    now = whatif.without(small_run, []).now
    assert now.overall.accuracy == pytest.approx(small_run.meta["accuracy"]["validation"])


@pytest.mark.parametrize("settings", [{"steps": 40}, {"steps": 25, "continuous": True}, {"outputs": "initial"}])
def test_answers_equal_training_on_the_changed_set(small_run: Run, tmp_path: Path, settings: dict[str, object]) -> None:
    run = pipeline.score(replace(SMALL, **settings), tmp_path / "run")  # type: ignore[arg-type]
    fit, ids = whatif.fit_of(run), list(run.samples["sample_id"][[3, 11, 40]])
    assert np.allclose(information.functional_information(fit), run.samples["functional_information"][:60], rtol=1e-6)
    rest = np.delete(np.arange(60), [3, 11, 40])
    direct = linearized.fit(fit.whole.subset(rest), fit.training)
    answer = whatif.without(run, ids)
    moved = float(np.sum((direct.val_outputs - fit.val_outputs) ** 2) / 2 / 40)
    assert answer.kept == 57 and answer.functional == pytest.approx(moved, rel=1e-6)
    assert answer.then == whatif.keep(run, list(run.samples["sample_id"][rest])).then


def test_relabelling_and_its_errors(small_run: Run) -> None:
    ids = list(small_run.samples["sample_id"][:20])
    answer = whatif.relabel(small_run, ids, "4")
    assert answer.kept == 60
    fit = whatif.fit_of(small_run)
    moved = fit.relabel(range(20), np.zeros((20, 1))).val_outputs - fit.val_outputs  # class 4 is the 0 of one output
    assert answer.functional == pytest.approx(float(np.sum(moved**2)) / 80)
    assert whatif.relabel(small_run, ids, "9").functional + answer.functional > 0
    same = [name for name, label in zip(ids, small_run.samples["class_name"], strict=False) if label == "4"]
    assert whatif.relabel(small_run, same, "4").functional == pytest.approx(0, abs=1e-12)
    with pytest.raises(UnknownName, match="Unknown class '5'"):
        whatif.relabel(small_run, ids, "5")
    with pytest.raises(InvalidSetting, match="Unknown image 'nobody'; the ids of this run look like 'mnist-"):
        whatif.without(small_run, ["nobody"])
    with pytest.raises(InvalidSetting, match="is a validation image"):
        whatif.without(small_run, [small_run.samples["sample_id"].iloc[-1]])
    with pytest.raises(InvalidSetting, match="an image is given twice"):
        whatif.without(small_run, [ids[0], ids[0]])


def test_command_line(small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = list(small_run.samples["sample_id"][:50])
    (tmp_path / "ids.txt").write_text("\n".join(ids) + "\n")
    code, out, _ = call(capsys, "what-if", small_run.id, "--without", f"@{tmp_path / 'ids.txt'}")
    answer = whatif.without(small_run, ids)
    assert code == 0 and "10 training images in all" in out
    assert f"{answer.functional:.4g} in the predictions" in out and f"{answer.then.overall.accuracy:.1%}" in out
    assert "class 4" in out and "class 9" in out
    code, kept, _ = call(capsys, "what-if", small_run.id, "--keep", *small_run.samples["sample_id"][50:60])
    assert code == 0 and kept.splitlines()[2:] == out.splitlines()[2:]
    assert "labelled 9" in call(capsys, "what-if", small_run.id, "--relabel", "9", ids[0])[1]
    for args, words in (
        (["what-if", small_run.id, "--without", "nobody"], "Unknown image 'nobody'"),
        (["what-if", small_run.id, "--without", "@/nowhere"], "cannot read /nowhere"),
        (["what-if", small_run.id, ids[0]], "one of the arguments --without --keep --relabel is required"),
        (["what-if", "nothing", "--without", ids[0]], "no run called 'nothing'"),
    ):
        code, out, err = call(capsys, *args)
        assert code != 0 and out == "" and words in err and len(err.strip().splitlines()) == 1
