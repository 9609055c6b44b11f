"""What classes need: the numbers by definition, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sampleinfo import analysing, figures, linearized
from sampleinfo.errors import InvalidSetting
from sampleinfo.linearized import Problem, Training
from sampleinfo.reports import class_judgement, class_needs, classes
from sampleinfo.reports.class_judgement import SMALL_INFORMATIVE, conclusion, listed, rank_ranges, under_sampled
from sampleinfo.reports.class_needs import Interval
from sampleinfo.reports.class_words import fall_words, need_words, percent_words, rank_words, ratio_words, rise_words
from sampleinfo.reports.classes import ANALYSIS, Evidence
from sampleinfo.reports.truest import score_of
from sampleinfo.store import Run
from sampleinfo.types import FloatArray, IntArray, silent

pytestmark = pytest.mark.usefixtures("one_thread")


def problem(k: int, shared: bool, n: int = 24, m: int = 15, seed: int = 0) -> tuple[Problem, IntArray]:
    """A random problem of k outputs and its labels (n + m,): two classes for one output, else k."""
    rng = np.random.default_rng(seed)
    q, count = (1 if shared else k), (2 if k == 1 else k)
    features = rng.normal(size=((n + m) * q, 40))
    labels = np.arange(n + m) % count
    wanted = labels[:, None].astype(float) if k == 1 else np.eye(k)[labels]
    start = rng.normal(size=(n + m, k)) / 5
    train, rest = features[: n * q], features[n * q :]
    made = Problem(train @ train.T, rest @ train.T, wanted[:n] - start[:n], start[n:], wanted[n:], wanted[:n])
    return made, labels


def retrained(whole: Problem, training: Training, gone: IntArray) -> FloatArray:
    """(m, k) outputs after training on the others, from nothing."""
    rest = np.setdiff1d(np.arange(whole.n), gone)
    return linearized.fit(whole.subset(rest), training).val_outputs


@pytest.mark.parametrize("training", [Training(ridge=0.7), Training(30, 0.01, 0.1)])
@pytest.mark.parametrize(("k", "shared"), [(1, False), (3, False), (3, True)])
def test_the_cost_of_removals_is_that_of_training_again(k: int, shared: bool, training: Training) -> None:
    whole, labels = problem(k, shared)
    rows, images = np.flatnonzero(labels[:24] == 1), np.flatnonzero(labels[24:] == 1)
    found = class_needs.cost(linearized.fit(whole, training), rows, images, 0.3, draws=5, seed=3)
    assert found.removed == round(0.3 * len(rows)) and found.size == len(rows)
    wanted, rng = whole.val_targets, np.random.default_rng(3)
    assert wanted is not None
    before = retrained(whole, training, np.array([], dtype=np.int64))
    for draw in range(5):
        after = retrained(whole, training, rng.permutation(rows)[: found.removed])
        for place, image in enumerate(images):
            rise = np.sum((wanted[image] - after[image]) ** 2) / 2 - np.sum((wanted[image] - before[image]) ** 2) / 2
            assert found.rises[draw, place] == pytest.approx(rise, abs=1e-9)
            right = [(each[image, 0] > 0.5) == (wanted[image, 0] == 1) if k == 1 else
                     each[image].argmax() == wanted[image].argmax() for each in (before, after)]  # fmt: skip
            assert found.falls[draw, place] == float(right[0]) - float(right[1])
    need = found.need()
    assert need.mean == pytest.approx(found.rises.mean() * found.size / found.removed)
    assert need.low < need.mean < need.high


def test_impossible_removals_are_refused() -> None:
    whole, _ = problem(1, False)
    fit, images = linearized.fit(whole, Training(ridge=1.0)), np.arange(3)
    for rows, share in ((np.array([], dtype=np.int64), 0.2), (np.arange(3), 0.0), (np.arange(3), 1.5)):
        with pytest.raises(InvalidSetting, match="a share in"):
            class_needs.cost(fit, rows, images, share)
    with pytest.raises(InvalidSetting, match="nothing would be left"):
        class_needs.cost(fit, np.arange(24), images, 1.0)
    with pytest.raises(InvalidSetting, match="validation targets"):
        class_needs.cost(linearized.fit(replace(whole, val_targets=None), fit.training), np.arange(3), images, 0.2)


def test_intervals() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 1)) + 3 * rng.normal(size=(1, 50))
    draws, both = class_needs.over_draws(values), class_needs.crossed(values)
    assert draws.mean == pytest.approx(both.mean) == pytest.approx(values.mean())
    means = values.mean(axis=1)
    assert draws.high - draws.mean == pytest.approx(2.093 * means.std(ddof=1) / np.sqrt(20), rel=1e-3)
    # The spread over images is far larger than that over draws: sqrt(9 / 50 + 1 / 20).
    assert both.high - both.low == pytest.approx(2 * 1.96 * np.sqrt(9 / 50 + 1 / 20), rel=0.3)
    assert np.isnan(class_needs.crossed(values[:, :1]).low)  # one image says nothing about others
    assert np.isnan(class_needs.crossed(values[:, :0]).mean) and np.isnan(class_needs.over_draws(values[:, :0]).mean)
    one = class_needs.mean_interval(np.array([2.0]))
    assert one.mean == 2.0 and np.isnan(one.low)
    ratio = class_needs.ratio_interval(rng.exponential(2.0, 300), rng.exponential(1.0, 300))
    assert ratio.low < 2.0 < ratio.high and ratio.high - ratio.low < 1.2
    assert np.isnan(class_needs.ratio_interval(np.ones(1), np.ones(5)).mean)


def test_bootstraps_cover_the_truth() -> None:
    rng, inside = np.random.default_rng(1), 0
    for seed in range(60):
        found = class_needs.mean_interval(rng.exponential(1.0, 60), seed)
        inside += found.low < 1.0 < found.high
    assert inside >= 50


def test_shares_of_the_information() -> None:
    values, labels = np.array([1.0, 2.0, 3.0, 4.0, 0.0]), np.array([0, 0, 2, 2, 2])
    found = class_needs.share_intervals(values, labels, 3)
    assert [each.mean for each in found] == pytest.approx([0.3, 0.0, 0.7])
    assert found[0].low < 0.3 < found[0].high and (found[1].low, found[1].high) == (0.0, 0.0)
    assert all(np.isnan(each.mean) for each in class_needs.share_intervals(np.zeros(5), labels, 3))


def test_under_sampled_takes_both() -> None:
    need, low = np.array([0.9, 0.8, 0.2, 0.1, np.nan]), np.array([0.7, 0.4, 0.1, 0.05, np.nan])
    share = np.full(5, 0.2)
    information = np.array([0.3, 0.3, 0.3, 0.1, 0.4])
    assert under_sampled(need, low, share, information).tolist() == [True, False, False, False, False]  # median .5
    assert not under_sampled(need, low, share, np.full(5, 0.2)).any()  # exactly its share is not above it
    assert not under_sampled(need[:1], low[:1], share[:1], information[:1]).any()  # of one class there is no median
    assert not under_sampled(need, np.full(5, np.nan), share, information).any()


def test_ranks_are_ranges_where_intervals_overlap() -> None:
    low, high = np.array([5.0, 1.0, 2.0, -1.0]), np.array([6.0, 2.5, 3.0, 0.5])
    assert [each.tolist() for each in rank_ranges(low, high)] == [[1, 2, 2, 4], [1, 3, 3, 4]]
    low[1] = high[1] = np.nan
    assert [each.tolist() for each in rank_ranges(low, high)] == [[1, 1, 2, 3], [2, 4, 3, 4]]


def test_words_of_groups() -> None:
    word = class_judgement.group_word
    assert word(20, 100, 1.1, 3) == SMALL_INFORMATIVE and word(20, 100, 0.9, 3) == "small"
    assert word(26, 100, 1.1, 3) == "informative" and word(26, 100, 1.0, 3) == "typical"
    assert word(20, 100, np.nan, 3) == "small" and word(100, 100, np.nan, 1) == "the whole class"


def judged(*lines: tuple[str, float, int, int, bool]) -> pd.DataFrame:
    columns = ["class_name", "need", "rank_low", "rank_high", "under_sampled"]
    return pd.DataFrame(list(lines), columns=columns).assign(information_share=0.4, share=0.2)


def groups_of(*ratios: float) -> pd.DataFrame:
    rows = [("b", place + 2, 9, ratio, SMALL_INFORMATIVE) for place, ratio in enumerate(ratios)]
    found = pd.DataFrame(
        [("b", 1, 80, 0.5, "typical"), *rows], columns=["class_name", "group", "size", "ratio", "verdict"]
    )
    return found.assign(share_of_class=0.1, nearest=0.3, class_need=0.5)


def test_the_sentence_says_what_the_evidence_supports() -> None:
    clear = conclusion(judged(("a", 0.9, 1, 1, True), ("b", 0.3, 2, 3, False), ("c", 0.2, 2, 3, False)), groups_of())
    assert clear.startswith("a is under-sampled:") and "20% of the images give 40% of the information" in clear
    assert clear.endswith("Images of a are needed most.") and "Inside" not in clear
    ties = conclusion(judged(("a", 0.9, 1, 2, False), ("b", 0.8, 1, 2, False), ("c", 0.1, 3, 3, False)), groups_of(2.5))
    assert ties.startswith("No class is clearly under-sampled")
    assert "no clear order between those that need images most: a and b." in ties
    assert "Inside b, group 2 of 9 images (10% of the training images of the class, 30% of its" in ties
    assert "carries 2.5 times" in ties and "or mislabeled images." in ties
    alike = conclusion(judged(("a", 0.9, 1, 2, False), ("b", 0.8, 1, 2, False)), groups_of(1.5, 2.0))
    assert "no clear order of need between the classes" in alike
    assert "group 3 of 9 images (" in alike and "carries 2.0 times" in alike and "(1 more such group)" in alike
    assert "cannot" not in alike
    assert conclusion(judged(("a", np.nan, 0, 0, False)), groups_of()).startswith("No class can be judged")
    two = conclusion(judged(("a", 0.9, 1, 2, True), ("b", 0.8, 1, 2, True), ("c", 0.1, 3, 3, False)), groups_of())
    assert two.startswith("a and b are under-sampled") and "40% of the images give 80%" in two


def test_lists_of_names() -> None:
    assert [listed(list("abcdef"[:size])) for size in (1, 2, 4, 6)] == [
        "a", "a and b", "a, b, c and d", "a, b, c and 3 more",
    ]  # fmt: skip


def evidence(k: int = 3, n: int = 240, m: int = 90) -> Evidence:
    """Classes in features: class 0 with a hard minority far from its other images, the last class with few images."""
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.repeat(np.arange(k), (n - 30) // (k - 1))[: n - 30], np.full(30, k - 1)])
    labels = np.concatenate([labels, np.arange(m) % k])
    minority = np.zeros(n + m, dtype=bool)
    minority[:12] = minority[n::9] = True  # of class 0
    centres = 2 * rng.normal(size=(k + 1, 12))
    features = centres[np.where(minority & (labels == 0), k, labels)] + rng.normal(size=(n + m, 12)) * 0.5
    wanted = np.eye(k)[labels]
    train, rest = features[:n], features[n:]
    whole = Problem(train @ train.T, rest @ train.T, wanted[:n] - 1 / k, np.full((m, k), 1 / k), wanted[n:], wanted[:n])
    fit = linearized.fit(whole, Training(ridge=1.0))
    from sampleinfo.information import functional_information

    right = np.ones(n + m)
    names = tuple(f"class {each}" for each in range(k))
    return Evidence(fit, names, labels, functional_information(fit), right, features)


def test_tables_of_planted_classes() -> None:
    known = evidence()
    table = classes.classes_table(known, silent)
    assert table["train"].sum() == 240 and table["validation"].sum() == 90
    assert table["share"].sum() == pytest.approx(1) == table["information_share"].sum()
    assert (table["need"].to_numpy() == np.sort(table["need"])[::-1]).all()
    assert (table["rank_low"] <= np.arange(1, 4)).all() and (table["rank_high"] >= np.arange(1, 4)).all()
    few = table.iloc[0]
    assert few["class_name"] == "class 2" and few["train"] == 30  # few images: each is needed
    assert table["under_sampled"].tolist() == [True, False, False]
    nats = known.nats[known.training(2)]
    assert few["information"] == pytest.approx(nats.sum()) and few["q50"] == pytest.approx(np.median(nats))
    assert few["need"] == pytest.approx(few["rise"] * 30 / 6) and few["removed"] == 6
    found, members = classes.groups_tables(known, silent)
    mine = found[found["label"] == 0]
    assert len(mine) == 2 and mine["size"].tolist() == [93, 12]
    assert mine["verdict"].tolist() == ["typical", SMALL_INFORMATIVE]
    assert mine["measured_on"].tolist() == ["group", "group"] and mine["ratio"].iloc[1] > 1
    assert members["row"].tolist() == list(range(240))
    assert (members.loc[members["row"] < 12, "group"] == 2).all()
    for _, part in members.groupby(["label", "group"]):
        assert sorted(part["place"]) == list(range(len(part)))


def test_classes_without_images_on_one_side() -> None:
    known = evidence()
    labels = known.labels.copy()
    labels[240:][labels[240:] == 1] = 0  # no validation images of class 1
    known = replace(known, labels=labels, names=(*known.names, "nobody"))
    table = classes.classes_table(known, silent).set_index("class_name")
    assert np.isnan(table.loc["class 1", "need"]) and table.loc["class 1", "rank_low"] == 0
    assert table.loc["nobody", "train"] == 0 and np.isnan(table.loc["nobody", "mean"])
    assert rank_words(table.loc["class 1"]) == "–" == need_words(table.loc["nobody"])
    assert table["need"].isna().tolist() == [False, False, True, True]
    found, _ = classes.groups_tables(known, silent)
    assert set(found["label"]) == {0, 1, 2} and found.loc[found["label"] == 1, "need"].isna().all()
    assert conclusion(table.reset_index(), found)


def test_words_of_numbers() -> None:
    row = pd.Series({
        "need": 0.01234, "need_low": -0.00001, "need_high": 0.02, "rank_low": 2, "rank_high": 4, "rise": 0.002,
        "rise_low": 0.001, "rise_high": 0.003, "fall": 0.02, "fall_low": 0.01, "fall_high": 0.03, "ratio": 2.34,
        "ratio_low": 1.2, "ratio_high": 3.45, "share": 0.311, "share_low": 0.28, "share_high": 0.35,
    })  # fmt: skip
    assert need_words(row) == "0.0123 [−1e-5, 0.02]" and rank_words(row) == "2–4"
    assert rise_words(row) == "+0.002 [0.001, 0.003]" and fall_words(row) == "−2.0 [−3.0, −1.0] points"
    assert ratio_words(row) == "2.3 [1.2, 3.5] times" and percent_words(row, "share") == "31 % [28, 35]"


def test_a_run_is_answered_once(run: Run) -> None:
    reports: list[float] = []
    tables = analysing.analyse(run, "classes", lambda stage, done, total: reports.append(done / total))
    assert list(tables) == ["classes", "groups", "members"] and ANALYSIS.seconds(run) < 30
    assert reports == sorted(reports) and reports[-1] == 1
    table, members = tables["classes"], tables["members"]
    samples = run.samples.iloc[members["row"].to_numpy()]
    assert members["sample_id"].tolist() == samples["sample_id"].tolist() == run.samples["sample_id"][:60].tolist()
    assert members["nats"].tolist() == samples["functional_information"].tolist()
    for _, row in table.iterrows():
        part = run.samples[run.samples["class_name"] == row["class_name"]]
        right = (part["predicted"] == part["class_name"]).groupby(part["split"]).mean()
        assert row["leave_one_out_accuracy"] == right["train"] and row["validation_accuracy"] == right["validation"]
    again = analysing.analyse(run, "classes")
    assert all(again[name].equals(tables[name]) for name in tables)


def test_a_run_along_the_training_is_asked_by_its_own_scores(along_run: Run) -> None:
    assert score_of(along_run).name == "functional_information_along"
    known = classes.evidence_of(along_run)
    assert known.nats.tolist() == along_run.samples["functional_information_along"][:24].tolist()
    assert classes.classes_table(known, silent)["need"].notna().all() and ANALYSIS.seconds(along_run) > 0


@pytest.mark.parametrize("count", [2, 200])
def test_figures(count: int) -> None:
    names = [f"class <b>{each}</b> with a long name" for each in range(count)]
    table = pd.DataFrame({"class_name": names, "label": range(count), "share": 1 / count, "under_sampled": False})
    table.loc[0, "under_sampled"] = True
    for column in ("need", "information_share", "leave_one_out_accuracy", "validation_accuracy"):
        table = table.assign(**{column: 0.5, f"{column}_low": 0.4, f"{column}_high": 0.7})
    table = table.assign(q05=1e-6, q25=1e-4, q50=1e-3, q75=2e-3, q95=1e-2, mean=3e-3)
    table.loc[1, "need"] = np.nan
    for figure in (figures.class_needs(table, 0), figures.class_spread(table, 0)):
        assert figure.layout.height > 25 * count
        texts = figure.layout.yaxis.ticktext
        assert len(texts) == count and texts[0].startswith("<b>▸ class &lt;b&gt;") and len(texts[1]) < 40
    bars = [each for each in figures.class_needs(table, 0).data if each.type == "bar"]
    assert sorted(int(label) for each in bars[::2] for label in each.customdata) == list(range(count))
    assert {each.marker.color for each in bars if 0 in each.customdata} != {bars[0].marker.color}
    assert Interval(1.0, 0.0, 2.0).mean == 1.0
