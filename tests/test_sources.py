"""The comparison of sources against training from scratch on each part, and what it says in words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sampleinfo import analysing, figures, linearized, store, whatif
from sampleinfo.errors import InvalidSetting
from sampleinfo.evaluation import Accuracy, evaluate_outputs
from sampleinfo.information import group_information, interaction
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.reports import source_values as values
from sampleinfo.reports import sources
from sampleinfo.reports.analysis import Tables, answer
from sampleinfo.reports.sources import BATCHES, SEED, SETS, TABLES, compare, described, restricted
from sampleinfo.reports.sources_members import ALL, Member, caveats, check_match, members, shown_first
from sampleinfo.reports.sources_verdict import verdict
from sampleinfo.reports.sources_words import long, reasons, sections
from sampleinfo.reports.truest import score_of
from sampleinfo.store import Run
from sampleinfo.types import FloatArray, IntArray
from tests.test_pages import opened, texts

TRAININGS = [Training(ridge=0.2), Training(steps=40, lr=0.05)]
SIZES = {"a": 12, "b": 8, "c <b>": 5}
NATS = "functional_information"


def problem(classes: int = 3, shared: bool = False) -> tuple[Problem, np.ndarray]:
    """25 training images of three sources and 18 validation images; and the sources of these."""
    rng, (n, m), k = np.random.default_rng(5), (25, 18), 1 if classes == 2 else classes
    labels, val_labels = np.arange(n) % classes, np.arange(m) % classes
    centres = rng.normal(size=(classes, 10))
    x, v = (2 * centres[each] + rng.normal(size=(len(each), 10)) for each in (labels, val_labels))
    gram, cross = x @ x.T / 10, v @ x.T / 10
    if k > 1 and not shared:
        gram, cross = np.kron(gram, np.eye(k)), np.kron(cross, np.eye(k))
    hot = [each[:, None].astype(float) if k == 1 else np.eye(k)[each] for each in (labels, val_labels)]
    start = 1 / classes
    tested = np.array(["a"] * 9 + ["b"] * 9, dtype=object)  # none of the third source
    return Problem(gram, cross, hot[0] - start, np.full((m, k), start), hot[1], hot[0]), tested


def parts() -> list[Member]:
    ends = np.cumsum([0, *SIZES.values()])
    return [
        Member(None, name, name, np.arange(ends[at], ends[at + 1]), 9 * (at < 2))  # type: ignore[arg-type]
        for at, name in enumerate(SIZES)
    ]


def scratch(known: Problem, training: Training, rows: IntArray) -> FloatArray:
    return linearized.fit(known.subset(np.sort(rows)), training).val_outputs


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize(("classes", "shared"), [(2, False), (3, False), (3, True)])
def test_whole_sources_are_training_without_them(classes: int, shared: bool, training: Training) -> None:
    known, tested = problem(classes, shared)
    fit, found, shares = linearized.fit(known, training), parts(), [0.0]
    tables = compare(fit, found, tested, shares.append)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    everything, wanted = np.arange(25), known.val_targets
    assert wanted is not None

    def nats(rows: IntArray) -> float:
        change = fit.val_outputs - scratch(known, training, np.setdiff1d(everything, rows))
        return float(np.sum(change**2) / (2 * len(change)))

    for each, row in zip(found, tables["groups"].to_dict("records"), strict=True):
        assert row["functional"] == pytest.approx(nats(each.rows), rel=1e-7)
        assert row["functional"] == pytest.approx(group_information(fit, each.rows).functional, rel=1e-7)
        assert row["per_image"] == pytest.approx(row["functional"] / len(each.rows))
        left = evaluate_outputs(scratch(known, training, np.setdiff1d(everything, each.rows)), wanted).overall
        assert row["accuracy_without"] == left.accuracy and row["loss_without"] == pytest.approx(left.loss, rel=1e-7)
        assert row["low"] < row["functional"] < row["high"]
    pairs = tables["pairs"].to_dict("records")
    assert len(pairs) == 3
    for row, (one, two) in zip(pairs, [(0, 1), (0, 2), (1, 2)], strict=True):
        first, second = found[one].rows, found[two].rows
        both = nats(np.concatenate([first, second]))
        assert row["together"] == pytest.approx(both, rel=1e-7)
        assert row["interaction"] == pytest.approx(both - nats(first) - nats(second), abs=1e-9)
        assert row["interaction"] == pytest.approx(interaction(fit, first, second).functional, abs=1e-9)


@pytest.mark.parametrize("training", TRAININGS)
def test_teaching_is_training_on_a_source_alone(training: Training) -> None:
    known, tested = problem()
    fit, found = linearized.fit(known, training), parts()
    table = compare(fit, found, tested, lambda _: None)["teaches"].set_index(["trained_on", "tested_on"])
    assert len(table) == 4 * 4 and known.val_targets is not None
    for name, rows in [*((each.label, each.rows) for each in found), (ALL, np.arange(25))]:
        outputs = scratch(known, training, rows)
        for pupil in [*SIZES, ALL]:
            asked, cell = (tested == pupil) | (pupil == ALL), table.loc[(name, pupil)]
            assert cell["count"] == asked.sum() and cell["images"] == len(rows)
            if not asked.any():
                assert np.isnan(cell["accuracy"])
                continue
            reached = evaluate_outputs(outputs[asked], known.val_targets[asked]).overall
            assert cell["accuracy"] == reached.accuracy and cell["loss"] == pytest.approx(reached.loss, rel=1e-7)
            assert (cell["low"], cell["high"]) == reached.interval()


@pytest.mark.parametrize("training", TRAININGS)
def test_batches_and_random_sets_are_training_without_and_with_them(training: Training) -> None:
    known, tested = problem()
    fit, found, everything = linearized.fit(known, training), parts(), np.arange(25)
    tables = compare(fit, found, tested, lambda _: None)
    full, wanted = fit.val_outputs, known.val_targets
    assert wanted is not None
    for place, (each, row) in enumerate(zip(found, tables["batches"].to_dict("records"), strict=True)):
        assert row["size"] == 2 and row["draws"] == BATCHES >= 20
        rng, gains = np.random.default_rng((SEED, 3, place)), []
        for _ in range(BATCHES):
            batch = rng.choice(each.rows, 2, replace=False)
            left = scratch(known, training, np.setdiff1d(everything, batch))
            one, two = evaluate_outputs(left, wanted).overall, evaluate_outputs(full, wanted).overall
            gains.append((one.loss - two.loss, two.accuracy - one.accuracy, np.sum((full - left) ** 2) / 36))
        for name, column in zip(("loss_gain", "accuracy_gain", "functional"), np.array(gains).T, strict=True):
            assert row[name] == pytest.approx(column.mean(), abs=1e-9)
            low, high = np.quantile(column, [0.025, 0.975])
            assert row[f"{name}_low"] == pytest.approx(low, abs=1e-9)
            assert row[f"{name}_high"] == pytest.approx(high, abs=1e-9)
    equal = tables["equal"]
    assert sorted(equal["size"].unique()) == [1, 2, 4] and set(equal["source"]) == {*SIZES, ALL}
    for place, (name, rows) in enumerate([*((each.label, each.rows) for each in found), (ALL, everything)]):
        rng, reached = np.random.default_rng((SEED, 4, place)), []
        for _ in range(SETS):
            order = rng.permutation(rows)[:4]
            reached.append(evaluate_outputs(scratch(known, training, order), wanted).overall)
        row = equal[(equal["source"] == name) & (equal["size"] == 4)].iloc[0]
        assert row["accuracy"] == pytest.approx(np.mean([each.accuracy for each in reached]))
        assert row["loss"] == pytest.approx(np.mean([each.loss for each in reached]), rel=1e-7)
        assert row["loss_sd"] == pytest.approx(np.std([each.loss for each in reached], ddof=1), abs=1e-8)


def test_a_rate_that_diverges_on_a_source_is_told_of() -> None:
    known, tested = problem()
    largest = [float(np.linalg.eigvalsh(known.subset(each.rows).gram)[-1]) / len(each.rows) for each in parts()]
    whole = float(np.linalg.eigvalsh(known.gram)[-1]) / 25
    assert max(largest) > whole
    training = Training(steps=5, lr=2 / ((max(largest) + max(whole, sorted(largest)[-2])) / 2))
    tables = compare(linearized.fit(known, training), parts(), tested, lambda _: None)
    steep = list(SIZES)[int(np.argmax(largest))]
    mine = tables["teaches"][tables["teaches"]["trained_on"] == steep]
    assert mine["accuracy"].isna().all() and all("diverges" in each for each in mine["reason"])
    assert any("must stay below" in each for each in reasons(tables))
    text = sections(tables)["teaches"].table.set_index("trained on").loc[f"{steep} ({SIZES[steep]})"]
    assert text["a"] == "diverges" and text["c <b>"] == "none held out"
    figure = figures.teaching(tables["teaches"])
    assert "diverges" in [each.text for each in figure.layout.annotations]


def test_intervals() -> None:
    rng = np.random.default_rng(0)
    sample = rng.gamma(0.7, 1.0, size=400)
    low, high = values.mean_interval(sample, (1, 2))
    half = 1.96 * sample.std(ddof=1) / 20
    assert low == pytest.approx(sample.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.15 * half)
    assert values.mean_interval(sample, (1, 2)) == (low, high) != values.mean_interval(sample, (1, 3))
    assert all(np.isnan(values.mean_interval(sample[:1], (0,))))
    one, two = (values.resampled_means(each, (at,)) for at, each in enumerate((sample, sample / 3)))
    low, high = values.ratio_interval(one, two)
    assert low < 3 < high and high - low < 1.2
    wide = values.ratio_interval(one, two, 0.995)
    assert wide[0] < low and wide[1] > high
    assert all(np.isnan(values.ratio_interval(one, np.zeros_like(one))))
    big = values.resampled_means(np.arange(values.AT_ONCE // 2, dtype=float), (0,), 5)  # in several parts
    assert len(big) == 5 and np.ptp(big) > 0


def test_an_interval_of_the_ratio_holds_it_as_often_as_it_says() -> None:
    rng, inside = np.random.default_rng(1), 0
    for seed in range(100):
        drawn = [
            values.resampled_means(rng.exponential(scale, size=80), (seed, at), 400)
            for at, scale in enumerate((2.0, 1.0))
        ]
        low, high = values.ratio_interval(*drawn)
        inside += low < 2 < high
    assert 86 <= inside <= 100


def ratio(first: str, second: str, middle: float, low: float, high: float) -> dict[str, Any]:
    return {"first": first, "second": second, "ratio": middle, "low": low, "high": high}


def told(worth: dict[str, float], ratios: list[dict[str, Any]], teaches: Any = (), gains: Any = ()) -> Tables:
    """Tables as far as the verdict reads them; ``teaches``: teacher, pupil, share and images."""
    tables = {
        "worth": pd.DataFrame({"source": list(worth), "mean": list(worth.values())}),
        "ratios": pd.DataFrame(ratios),
    }
    if teaches:
        rows = [(a, b, n, p, *(Accuracy(n, p, 0.0).interval() if n else (p, p))) for a, b, p, n in teaches]
        columns = ["trained_on", "tested_on", "count", "accuracy", "low", "high"]
        tables["teaches"] = pd.DataFrame(rows, columns=columns)
    if gains:
        columns = ["source", "size", "loss_gain", "loss_gain_low", "loss_gain_high"]
        tables["batches"] = pd.DataFrame(gains, columns=columns)
    return tables


TWO = {"mnist": 1.0, "svhn": 3.1}
CLEAR = [ratio("svhn", "mnist", 3.1, 2.6, 3.7)]


def test_the_verdict_of_two_sources() -> None:
    teaches = [("svhn", "mnist", 0.71, 400), ("mnist", "svhn", 0.24, 400), ("svhn", "svhn", 0.9, 400)]
    assert verdict(told(TWO, CLEAR, teaches)) == (
        "An image of svhn is worth 3.1 times [2.6, 3.7] one of mnist (F-SI per image); alone, svhn teaches mnist to "
        "71 % [66, 75], mnist teaches svhn to 24 % [20, 28]."
    )
    near = [("svhn", "mnist", 0.71, 40), ("mnist", "svhn", 0.6, 40)]
    assert "60 % [45, 74], no clear difference." in verdict(told(TWO, CLEAR, near))
    one = [("svhn", "mnist", 0.71, 40), ("mnist", "svhn", np.nan, 40)]
    assert verdict(told(TWO, CLEAR, one)).endswith("alone, svhn teaches mnist to 71 % [56, 83].")
    unclear = [ratio("svhn", "mnist", 1.1, 0.9, 1.4)]
    assert verdict(told(TWO, unclear)) == (
        "No clear difference between an image of svhn and one of mnist (1.1 times [0.9, 1.4], F-SI per image)."
    )
    barely = [ratio("svhn", "mnist", 1.4, 1.03, 1.8)]
    assert verdict(told(TWO, barely)).startswith("An image of svhn is worth 1.4 times [1.03, 1.8] one of mnist")
    unknown = [ratio("svhn", "mnist", np.nan, np.nan, np.nan)]
    assert verdict(told(TWO, unknown)).startswith("No clear difference")


def test_the_verdict_does_not_take_change_for_help() -> None:
    harmless = [("svhn", 50, 0.01, 0.002, 0.02), ("mnist", 50, 0.0, -0.1, 0.1)]
    assert "F-SI says how much" not in verdict(told(TWO, CLEAR, gains=harmless))
    doubtful = [("svhn", 50, 0.01, -0.002, 0.02), ("mnist", 50, 0.0, -0.1, 0.1)]
    words = "without 50 random images of svhn the validation loss changes by 0.01 [-0.002, 0.02]"
    assert verdict(told(TWO, CLEAR, gains=doubtful)).endswith(f"{words}, not clearly for the worse.")
    harmful = [("svhn", 50, -0.01, -0.02, -0.001), ("mnist", 50, 0.0, -0.1, 0.1)]
    assert verdict(told(TWO, CLEAR, gains=harmful)).endswith("so they do harm.")


def test_the_verdict_of_more_sources() -> None:
    worth = {"a": 1.0, "b": 2.0, "c": 3.0}
    clear = [ratio("c", "a", 3, 2, 4), ratio("c", "b", 1.5, 1.2, 1.8), ratio("b", "a", 2, 1.5, 2.5)]
    assert verdict(told(worth, clear)) == (
        "An image of c is worth 3 times [2, 4] one of a (F-SI per image), and the most of all."
    )
    some = [clear[0], ratio("c", "b", 1.5, 0.9, 2.1), clear[2]]
    assert verdict(told(worth, some)).endswith("and not clearly more than one of b.")
    none = [ratio("c", "a", 3, 0.9, 4), ratio("c", "b", 1.5, 0.9, 2.1), ratio("b", "a", 2, 0.5, 2.5)]
    assert verdict(told(worth, none)) == "No clear difference between images of these 3 sources (F-SI per image)."
    rare = [ratio("c", "a", 3, 0.9, 4), ratio("c", "b", 1.5, 0.9, 2.1), clear[2]]  # the widest gap is not the clear one
    assert verdict(told(worth, rare)) == (
        "An image of b is worth 2 times [1.5, 2.5] one of a (F-SI per image), and not clearly more than one of c."
    )
    teaches = [("a", "b", 0.9, 100), ("a", "c", 0.7, 100), ("b", "a", 0.3, 100), ("b", "c", 0.3, 100),
               ("c", "a", 0.5, 100), ("c", "b", np.nan, 0)]  # fmt: skip
    assert verdict(told(worth, clear, teaches)).endswith(
        "alone, a teaches the others to 80 % [74, 85], b, which teaches them least, to 30 % [24, 37]."
    )
    alike = [(a, b, 0.5, 20) for a in "abc" for b in "abc" if a != b]
    assert "no source clearly teaches the others better" in verdict(told(worth, clear, alike))


def test_the_tables_of_a_run(sources_run: Run) -> None:
    tables = analysing.analyse(sources_run, "sources")
    assert answer(sources_run, sources.ANALYSIS) is not None and set(tables) == set(TABLES)
    train = sources_run.samples[sources_run.samples["split"] == "train"]
    worth = tables["worth"].set_index("source")
    assert list(worth.index) == ["pen", "tablet <b>"]
    for name, part in train.groupby("source"):
        row = worth.loc[str(name)]
        assert row["mean"] == pytest.approx(part[NATS].mean()) and row["images"] == len(part)
        assert row["low"] < row["mean"] < row["high"]
        classes = tables["classes"].set_index(["source", "class_name"]).loc[str(name)]
        assert classes["mean"].to_dict() == pytest.approx(part.groupby("class_name")[NATS].mean().to_dict())
        assert classes["images"].sum() == len(part)
    fit = whatif.fit_of(sources_run)
    mine = np.flatnonzero((train["source"] == "tablet <b>").to_numpy())
    group = tables["groups"].set_index("source").loc["tablet <b>"]
    assert group["functional"] == pytest.approx(group_information(fit, mine).functional, rel=1e-6)
    again = sources._compute(sources_run, lambda *_: None)
    for name in TABLES:
        pd.testing.assert_frame_equal(again[name], tables[name], check_dtype=False)


def test_every_number_is_in_the_long_table(sources_run: Run) -> None:
    tables = analysing.analyse(sources_run, "sources")
    found = long(tables)
    assert list(found.columns) == ["quantity", "source", "other", "images", "value", "low", "high", "spread", "unit"]
    assert found["quantity"].nunique() == 16 and found["unit"].notna().all()
    row = found[(found["quantity"] == "accuracy on the other, trained on the source alone") &
                (found["source"] == "pen") & (found["other"] == "tablet <b>")].iloc[0]  # fmt: skip
    cell = tables["teaches"][(tables["teaches"]["trained_on"] == "pen") &
                             (tables["teaches"]["tested_on"] == "tablet <b>")].iloc[0]  # fmt: skip
    assert (row["value"], row["low"], row["high"], row["images"]) == (
        cell["accuracy"], cell["low"], cell["high"], cell["count"]
    )  # fmt: skip
    assert len(found) == sum(len(tables[name]) for name, *_ in sources_long())


def sources_long() -> tuple[tuple[str, ...], ...]:
    from sampleinfo.reports.sources_words import LONG

    return LONG


def test_one_source_is_refused(small_run: Run) -> None:
    with pytest.raises(InvalidSetting, match="has one source, 'MNIST'; score several as one data set"):
        analysing.analyse(small_run, "sources")


def twin(run: Run, name: str, **changes: Any) -> Run:
    """A copy of a run beside it whose summary says otherwise."""
    path = run.path.with_name(name)
    shutil.copytree(run.path, path, ignore=shutil.ignore_patterns("analyses"))
    store.write_json(path / store.SUMMARY, {**run.meta, "fingerprint": name, **changes})
    return store.open_run(path)


def test_two_runs_stand_beside_each_other_where_they_match(sources_run: Run) -> None:
    other = twin(sources_run, "other", ridge={**sources_run.meta["ridge"], "value": 9.0})
    found = members(sources_run, other)
    labels = [each.label for each in found]
    assert len(set(labels)) == 4 and labels[0] == f"pen ({sources_run.id[-10:]})" and labels[2] == "pen (other)"
    tables = described(found, score_of(sources_run, other).name)
    assert tables["worth"]["mean"].tolist()[:2] == tables["worth"]["mean"].tolist()[2:]
    assert len(tables["ratios"]) == 6 and verdict(tables)
    words = " ".join(caveats(sources_run, other))
    assert "Their ridges are" in words and "validation images of its own run" in words
    assert [each.own for each in shown_first(found)] == [True, True, False, False]
    few = restricted(tables, labels[:2])
    assert few["worth"]["source"].tolist() == labels[:2] and len(few["ratios"]) == 1


def test_runs_that_do_not_match_are_refused(sources_run: Run, small_run: Run, along_run: Run) -> None:
    with pytest.raises(InvalidSetting, match="cannot be compared with itself"):
        check_match(sources_run, sources_run)
    with pytest.raises(InvalidSetting, match=r"differ in method \(closed form and along the training\), training"):
        check_match(small_run, along_run)
    meta = sources_run.meta
    for number, (words, changes) in enumerate({
        r"classes \(4, 9 and 4, 8\)": {"dataset": {**meta["dataset"], "class_names": ["4", "8"]}},
        r"network \(.* and ResNet-18\)": {"model": {**meta["model"], "title": "ResNet-18"}},
        r"kernel \(exact and subset\)": {"kernel": {**meta["kernel"], "kind": "subset"}},
        r"layers trained \(all and head\)": {"kernel": {**meta["kernel"], "scope": "head"}},
        r"outputs \(centred and initial\)": {"model": {**meta["model"], "outputs": "initial"}},
    }.items()):  # fmt: skip
        with pytest.raises(InvalidSetting, match=f"they differ in {words}. Choose a run"):
            check_match(sources_run, twin(sources_run, f"twin{number}", **changes))


def test_batches_are_equally_large() -> None:
    found = [replace(parts()[0], rows=np.arange(size)) for size in (900, 500, 260, 230, 40, 3)]
    assert [sources.batch_size(found, each) for each in found] == [100, 100, 100, 100, 20, 1]
    assert sources.batch_size(found[2:], found[2]) == 1
    assert values.sizes_alone(1) == [1] and values.sizes_alone(106) == [13, 26, 53, 80]


def test_figures_keep_one_colour_per_source(sources_run: Run) -> None:
    tables = analysing.analyse(sources_run, "sources")
    place = {"pen": 0, "tablet <b>": 1}
    found = members(sources_run)
    drawn = figures.source_distributions({each.label: each.values(NATS) for each in found}, "F-SI", "log")
    colours = {(each.name, each.line.color) for each in drawn.data}
    means = figures.source_intervals(tables["worth"], [("mean", "low", "high")], ["F-SI"], place)
    over = figures.source_map(
        sources_run.samples, [each.rows for each in found], [each.label for each in found], "pca", [0, 1]
    )
    wanted = set(zip(place, figures.SET_COLOURS, strict=False))
    wanted = {(name.replace("<", "&lt;").replace(">", "&gt;"), colour) for name, colour in wanted}
    assert colours == wanted
    assert {(each.name, each.marker.color) for each in [*means.data, *over.data]} == wanted
    panels = figures.source_panels(
        sources_run.samples, [each.rows for each in found], [each.label for each in found], "pca", [0, 1]
    )
    assert [len(each.x) for each in panels.data] == [
        len(found[1].rows), len(found[0].rows), len(found[0].rows), len(found[1].rows)
    ]  # fmt: skip
    equal = figures.equal_sizes(tables["equal"], ALL, place)
    assert "a mix of all" in [each.name for each in equal.data]
    assert isinstance(whatif.fit_of(sources_run), Fit)


def test_odd_names_are_told_apart(sources_run: Run) -> None:
    table = sources_run.samples.copy()
    table["source"] = table["source"].map({"pen": ALL, "tablet <b>": ""})
    table.to_parquet(sources_run.path / store.SAMPLES, index=False)
    run = store.open_run(sources_run.path)
    assert [each.label for each in members(run)] == [f"{ALL} (one source)", "(no name)"]
    tables = analysing.analyse(run, "sources")
    cells = tables["teaches"].set_index(["trained_on", "tested_on"])["count"]
    assert cells[(ALL, ALL)] == 40 and cells[(ALL, f"{ALL} (one source)")] + cells[(ALL, "(no name)")] == 40
    assert verdict(tables) and len(sections(tables)["teaches"].table) == 3


def test_long_names_are_cut_for_an_axis() -> None:
    from sampleinfo.figures.sources import wrapped

    assert wrapped("MNIST", 12, 3) == "MNIST" and wrapped("", 12, 3) == ""
    assert wrapped("written by census employees, scanned", 17, 2) == "written by census<br>employees,…"
    assert wrapped("a<b>" * 9, 12, 2) == "a&lt;b&gt;" * 3 + "<br>" + "a&lt;b&gt;" * 2 + "a&lt;b…"


def test_a_run_along_the_training(along_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images by their truest score; whole sources in closed form, and the page says so."""
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path / "home"))
    path = tmp_path / "home" / "runs" / "along"
    shutil.copytree(along_run.path, path, ignore=shutil.ignore_patterns("validations"))
    table = along_run.samples.assign(source=[f"s{row % 2}" for row in range(len(along_run.samples))])
    table.to_parquet(path / store.SAMPLES, index=False)
    run = store.open_run(path)
    tables = analysing.analyse(run, "sources")
    train = table[table["split"] == "train"]
    assert score_of(run).name == "functional_information_along"
    wanted = train.groupby("source")["functional_information_along"].mean()
    assert tables["worth"].set_index("source")["mean"].to_dict() == pytest.approx(wanted.to_dict())
    page = texts(opened("pages/sources.py", run="along", part="As a whole"))
    assert "The scores of single images follow the real training run instead." in page
