"""The stress test: its measures, its tables, its command, and the figure that compares it with cleanlab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from benchmarks.reproduction import cleanlab_scores, review
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.review_setup import prepare
from sampleinfo import cli, config, figures, pipeline, planting, store
from sampleinfo.errors import InvalidRun, InvalidSetting, UnknownName
from sampleinfo.reports import stress
from sampleinfo.reports.stress_measures import RESAMPLES, Ranking, found_after, interval, resampled
from sampleinfo.scores import SCORES
from sampleinfo.store import Run
from tests.conftest import SMALL

SEEDS = range(6)


def example(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A mask and a score with many equal values."""
    rng = np.random.default_rng(seed)
    planted = rng.random(60) < 0.2
    planted[:2] = True, False
    return planted, np.round(rng.normal(size=60) + planted, seed % 3)


def as_stress(run: Run, plant: str = "labels", share: float = 0.2, seed: int = 0, **other: object) -> Run:
    """A copy of a run beside it, as if errors had been planted; half of them score highest, half lowest."""
    path = run.path.with_name(f"{run.id}-{plant}-{round(100 * share)}")
    path.mkdir()
    samples, n = run.samples.copy(), int(run.meta["sizes"]["train"])
    rows = planting.rows(n, share, seed)
    samples["planted"] = np.isin(np.arange(len(samples)), rows)
    samples.loc[samples["planted"], "functional_information"] += 1e6 * (np.arange(len(rows)) % 2)
    samples.to_parquet(path / store.SAMPLES, index=False)
    settings = replace(store.config_of(run), plant=plant, planted=share, **other)
    store.write_json(path / store.SUMMARY, {**run.meta, "fingerprint": path.name, "config": settings.as_dict()})
    return store.open_run(path)


@pytest.mark.parametrize("seed", SEEDS)
def test_areas_are_those_of_scikit_learn_with_equal_scores(seed: int) -> None:
    planted, values = example(seed)
    found = Ranking.of(planted, values).point()
    wanted = roc_auc_score(planted, values), average_precision_score(planted, values)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_equal_scores_are_a_random_order() -> None:
    planted = np.arange(40) < 10
    np.testing.assert_allclose(Ranking.of(planted, np.zeros(40)).point(), [0.5, 0.25])
    assert found_after(planted, np.zeros(40), 8) == 2


def test_weights_are_repeated_images() -> None:
    planted, values = example(1)
    counts = np.random.default_rng(0).integers(0, 4, size=(3, 60))
    found = Ranking.of(planted, values).areas(*(counts[:, mask].T.astype(float) for mask in (planted, ~planted)))
    for draw, each in enumerate(counts):
        rows = np.repeat(np.arange(60), each)
        wanted = (measure(planted[rows], values[rows]) for measure in (roc_auc_score, average_precision_score))
        np.testing.assert_allclose(found[:, draw], list(wanted), rtol=1e-12)


def test_resamples_keep_the_groups_and_are_the_same_for_all_scores() -> None:
    planted, values = example(0)
    rankings = [Ranking.of(planted, each) for each in (values, 2 * values, -values)]
    whole = resampled(rankings)
    assert whole.shape == (3, 2, RESAMPLES) and np.isfinite(whole).all()
    np.testing.assert_array_equal(whole[0], whole[1])
    np.testing.assert_allclose(whole[0, 0], 1 - whole[2, 0], atol=1e-12)
    np.testing.assert_allclose(resampled([Ranking.of(planted, planted.astype(float))]), 1.0)
    point = rankings[0].point()
    for measure in (0, 1):
        low, high = interval(whole[0, measure])
        assert low < point[measure] < high
    np.testing.assert_allclose(whole[0, 0].std(), _delong(planted, values), rtol=0.25)


def _delong(planted: np.ndarray, values: np.ndarray) -> float:
    """Standard error of the AUROC by DeLong, DeLong and Clarke-Pearson (1988)."""
    wins = (values[planted][:, None] > values[~planted]) + 0.5 * (values[planted][:, None] == values[~planted])
    spread = wins.mean(axis=1).var(ddof=1) / planted.sum() + wins.mean(axis=0).var(ddof=1) / (~planted).sum()
    return float(np.sqrt(spread))


@pytest.mark.parametrize("seed", SEEDS)
def test_curves_are_those_of_scikit_learn(seed: int) -> None:
    planted, values = example(seed)
    table = stress._curve("score", planted, values)
    false, true, _ = roc_curve(planted, values, drop_intermediate=False)
    np.testing.assert_allclose(table["false_alarms"], false)
    np.testing.assert_allclose(table["found"], true)
    precision, recall, _ = precision_recall_curve(planted, values)
    np.testing.assert_allclose(table["found"][1:], recall[-2::-1])
    np.testing.assert_allclose(table["precision"][1:], precision[-2::-1])
    inspected = np.array([(values >= each).mean() for each in np.unique(values)[::-1]])
    np.testing.assert_allclose(table["inspected"][1:], inspected)
    area = (np.diff(table["found"]) * table["precision"].to_numpy()[1:]).sum()
    assert area == pytest.approx(average_precision_score(planted, values))


def test_the_table_has_every_score_the_best_first() -> None:
    planted = np.arange(40) < 8
    rng = np.random.default_rng(0)
    scores = {"noise": rng.normal(size=40), "good": planted + 0.1 * rng.normal(size=40), "bad": -planted.astype(float)}
    table = stress.measured(planted, scores)
    assert table["score"].tolist()[0] == "good" and table["score"].tolist()[-1] == "bad"
    best = table.iloc[0]
    assert (best["precision"], best["auroc"], best["difference"]) == (1, 1, 0)
    assert best["found_05"] == 2 / 8 and best["found_20"] == 1
    assert (table["difference"].iloc[1:] < 0).all() and (table["difference_high"].iloc[1:] < 0).all()
    assert (table["precision_low"] <= table["precision"]).all() and (table["auroc"] <= table["auroc_high"]).all()


def test_settings_and_plants_have_the_same_names() -> None:
    assert (config.NOTHING, *planting.PLANTS) == config.PLANTS


def test_planted_runs_are_those_of_the_same_settings(run: Run) -> None:
    assert stress.planted_runs(run) == []
    known = [as_stress(run), as_stress(run, share=0.3), as_stress(run, plant="blur")]
    as_stress(run, plant="noise", seed=1)
    other = as_stress(run, plant="pgd", ridge=7.0)
    ids = {each.id for each in stress.planted_runs(run)}
    assert {each.id for each in known} < ids and other.id not in ids and run.id not in ids
    assert {each.id for each in stress.planted_runs(known[0])} == ids  # seen from one of them as well
    found = stress.find_planted(run, "labels", 0.3)
    assert found is not None and found.id == known[1].id
    assert stress.find_planted(run, "labels", 0.4) is None
    with pytest.raises(UnknownName, match="Unknown plant 'fog'"):
        stress.planted_config(run, "fog", 0.1)
    with pytest.raises(InvalidSetting, match="between 0 and 100 %"):
        stress.planted_config(run, "labels", 1.5)


def test_the_conclusion_names_numbers_that_are_in_the_table(run: Run) -> None:
    planted = as_stress(run)
    table = stress.table(planted)
    assert set(table["score"]) == set(run.scores)
    assert table["title"].tolist() == [SCORES[name].title for name in table["score"]]
    words = stress.conclusion(planted, table)
    best = table.iloc[0]
    assert words.startswith(f"Wrong labels: {best['title']} finds ")
    assert f"{best['found_10'] * 12:.0f} of the 12 planted errors among the 6 of 60" in words
    assert "a random order finds 1.2" in words and stress.interval_words(best, "precision") in words
    clear = table["difference_high"].iloc[1:].max() < 0
    assert ("clearly above every other" in words) == clear
    shown = stress.numbers(table)
    assert list(shown) == ["score", "average precision", "AUROC", *(f"found in {s:.0%}" for s in stress.INSPECTED)]


def test_a_run_without_planted_errors_is_refused(run: Run) -> None:
    with pytest.raises(InvalidRun, match="nothing was planted into the run"):
        stress.table(run)
    planted = as_stress(run)
    samples = planted.samples.assign(planted=False)
    samples.to_parquet(planted.path / store.SAMPLES, index=False)
    with pytest.raises(InvalidRun, match="has 0 planted images among 60"):
        stress.table(store.open_run(planted.path))


def test_figures_draw_the_lines_that_are_asked_for(run: Run) -> None:
    planted = as_stress(run)
    table, curves = stress.table(planted), stress.curves(planted)
    titles = dict(zip(table["score"], table["title"], strict=True))
    some = list(titles)[1:3]
    part = curves[curves["score"].isin(some)]
    drawn = figures.found_curves(part, titles, 0.2), figures.roc_curves(part, titles)
    for figure in (*drawn, figures.precision_curves(part, titles, 0.2)):
        names = [each.name for each in figure.data if each.hoverinfo != "skip"]
        assert names == [titles[name] for name in some]
        assert all(np.isfinite(np.array(each.x, float)).all() for each in figure.data)
    whole = figures.roc_curves(curves, titles)
    colours = {each.name: each.line.color for each in whole.data}
    assert all(each.line.color == colours[each.name] for each in drawn[1].data)  # a score keeps its colour
    long = pd.DataFrame({"score": "a", "inspected": np.linspace(0, 1, 5000), "found": np.linspace(0, 1, 5000)})
    line = figures.found_curves(long, {"a": "A"}, 0.1).data[-1]
    assert len(line.x) <= 400 and line.x[0] == 0 and line.x[-1] == 1


@pytest.fixture(scope="module")
def noisy(small_run: Run) -> Run:
    """The small run with wrong labels, really made."""
    return pipeline.score(replace(SMALL, kernel="exact", plant="labels", planted=0.2))


def test_a_really_planted_run_is_measured(small_run: Run, noisy: Run) -> None:
    clean = small_run.samples["label"].to_numpy()
    planted = noisy.samples["planted"].to_numpy()
    assert planted.sum() == 12 and not planted[60:].any()
    np.testing.assert_array_equal(np.flatnonzero(noisy.samples["label"].to_numpy() != clean), np.flatnonzero(planted))
    found = stress.find_planted(small_run, "labels", 0.2)
    assert found is not None and found.id == noisy.id
    table = stress.table(noisy).set_index("score")
    assert table.loc["label_suspicion", "auroc"] > 0.9
    assert table.loc["label_suspicion", "precision"] > 3 * 0.2


def test_the_command_plants_prints_and_writes(
    small_run: Run, noisy: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "table.csv"
    assert cli.main(["stress", small_run.id, "--plant", "labels", "--share", "20%", "--to", str(to)]) == 0
    said = capsys.readouterr()
    assert said.err == ""  # it was made before
    table = stress.table(noisy)
    assert stress.conclusion(noisy, table) in " ".join(said.out.split())
    assert all(stress.interval_words(row, "precision") in said.out for _, row in table.iterrows())
    assert f"{len(table)} rows written" in said.out
    pd.testing.assert_frame_equal(pd.read_csv(to), table)
    assert cli.main(["stress", small_run.id, "--plant", "contrast", "--share", "0.1"]) == 0
    said = capsys.readouterr()
    assert "Low contrast planted into 10% of 60 training images" in said.err and "of the 6 planted" in said.out
    made = stress.find_planted(small_run, "contrast", 0.1)
    assert made is not None and made.samples["planted"].sum() == 6
    assert stress.table(made).set_index("score").loc["odd_pixels", "auroc"] > 0.8


def test_what_cannot_be_is_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--plant", "fog"], "Unknown plant 'fog'"),
        (["--share", "2"], "between 0 and 100 %, got 200 %"),
        (["--to", "table.xls"], "must be one of .csv, .parquet, .json"),
    ):
        assert cli.main(["stress", run.id, *arguments]) == 1
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["stress", run.id, "--share", "some"])
    assert "a share such as 0.1 or 10%" in capsys.readouterr().err
    assert len(store.list_runs()) == 1


TINY = Options(quick=True, train=40, validation=16, settings=("mnist-4v9",))


def test_the_base_of_the_figure_is_the_kernel_of_the_changed_images(one_thread: None) -> None:
    options = replace(TINY, train=12, validation=8)
    base = prepare("mnist-4v9", Sizes(12, 8), ("blur", "fgsm"), 2, options, Journal("test"))
    assert base.gram.shape == (16, 16) and base.cross.shape == (8, 16)
    evidence, planted = base.changed_images("fgsm", 1)
    assert planted.sum() == 1 and len(planted) == 12
    clean, _ = base.wrong_labels(0)
    rows = np.flatnonzero(~planted)
    np.testing.assert_array_equal(
        evidence.fit.problem.gram[np.ix_(rows, rows)], clean.fit.problem.gram[np.ix_(rows, rows)]
    )
    assert (evidence.fit.problem.gram[planted] != clean.fit.problem.gram[planted]).mean() > 0.9
    assert evidence.features is not None and clean.features is not None
    assert (evidence.features != clean.features).any(axis=1).tolist() == planted.tolist()
    assert (base.labels[:12] == evidence.labels).all()


def test_unshuffled_folds_leak_in_sorted_data() -> None:
    rng = np.random.default_rng(0)
    clean = np.repeat([0, 1], 150)
    features = rng.normal(size=(300, 5)) + 0.9 * clean[:, None]
    gains = []
    for seed in range(4):
        rows = planting.rows(300, 0.1, seed)
        found = cleanlab_scores.label_scores(features, planting.wrong_labels(clean, 2, rows, seed), seed)
        wrong = np.isin(np.arange(300), rows)
        each = [average_precision_score(wrong, found[cleanlab_scores.name_of("self_confidence", folds)])
                for folds in (cleanlab_scores.IN_ORDER, cleanlab_scores.SHUFFLED)]  # fmt: skip
        gains.append(each[0] - each[1])
    assert np.mean(gains) > 0.02
    np.testing.assert_allclose(
        found[review.BASELINES[0]].argsort(), found[review.BASELINES[1]].argsort()
    )  # of two classes the margin ranks as the confidence does


def test_the_figure(tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "PLANTS", ("noise", "pgd"))
    review.run(replace(TINY, to=tmp_path))
    text = (tmp_path / "review-quick.md").read_text()
    numbers = json.loads((tmp_path / "review-quick.json").read_text())["mnist-4v9"]
    assert "| score | AUROC | average precision |" in text and "nan" not in text
    assert "| score | Noise | Attack in ten steps (PGD) |" in text
    assert cleanlab_scores.IN_ORDER in text and "](review-quick-labels.png)" in text
    assert set(numbers["images"]) == {"noise", "pgd"} and len(numbers["kernels"]) == 2
    assert {"label_suspicion", cleanlab_scores.TUNED, *review.BASELINES} < set(numbers["labels"])
    assert all(len(each) == 2 for each in numbers["labels"].values())
    assert cleanlab_scores.OUTLIERS in numbers["images"]["noise"]
    assert (tmp_path / "review-quick-images.png").stat().st_size > 10_000
