"""The review: what relabelling and dropping change, suggestions, neighbours, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sampleinfo import analysing, linearized, store, targets, whatif
from sampleinfo.decisions.verdicts import DROP, RELABEL, Verdict
from sampleinfo.errors import InvalidRun, InvalidSetting, UnknownName
from sampleinfo.evaluation import evaluate
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.reports import review, review_effects, review_neighbours
from sampleinfo.reports.review import ANALYSIS, CAUSES
from sampleinfo.reports.review_effects import Effect, Effects
from sampleinfo.reports.review_neighbours import directions, nearest_of_class
from sampleinfo.reports.review_words import conclusion, effect_words, explained, network_words
from sampleinfo.store import Run
from sampleinfo.types import FloatArray, IntArray
from tests.reference import LinearNetwork, random_network, shared_network, shared_problem

pytestmark = pytest.mark.usefixtures("one_thread")

TRAININGS = [(None, 0.5, False), (None, 0.01, False), (40, 0.0, False), (40, 0.2, False), (60, 0.1, True)]
SUSPICION = {"kernel": "head", "title": "the features", "ridge": 0.1, "errors": {"head": 0.0611, "run": 0.2}}


def network_of(kind: str) -> tuple[LinearNetwork, Problem]:
    """A random network whose targets are classes, and its problem: ``1``, ``2``, ``3`` outputs, or ``shared``."""
    k = 3 if kind == "shared" else int(kind)
    made = shared_network(14, 9, 3, 20, 5) if kind == "shared" else random_network(n=14, m=9, k=k, p=90, seed=k)
    labels = np.arange(14) % max(k, 2)
    network = replace(made, targets=np.eye(k)[labels] if k > 1 else labels[:, None] * 1.0)
    return network, shared_problem(network) if kind == "shared" else network.problem()


def others_of(network: LinearNetwork) -> FloatArray:
    """(n, k) targets of another class for each image."""
    k = network.targets.shape[1]
    return 1 - network.targets if k == 1 else np.roll(network.targets, 1, axis=1)


def reached(outputs: FloatArray, wanted: FloatArray) -> tuple[float, float]:
    """Accuracy and mean loss by definition."""
    if wanted.shape[1] == 1:
        right = (outputs[:, 0] > 0.5) == (wanted[:, 0] == 1)
    else:
        right = outputs.argmax(axis=1) == wanted.argmax(axis=1)
    return float(right.mean()), float(np.mean(np.sum((wanted - outputs) ** 2, axis=1) / 2))


@pytest.mark.parametrize("kind", ["1", "2", "3", "shared"])
@pytest.mark.parametrize(("steps", "ridge", "continuous"), TRAININGS)
@pytest.mark.parametrize("block", [review_effects.BLOCK, 4000])
def test_effects_are_those_of_training_again(
    kind: str, steps: int | None, ridge: float, continuous: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_effects, "BLOCK", block)
    network, problem = network_of(kind)
    training = Training(steps, 0.5 * network.stable_lr(ridge), ridge, continuous)
    fit, wanted = linearized.fit(problem, training), others_of(network)
    effects = Effects(fit)
    relabelled, dropped = effects.relabelled(wanted), effects.left_out()
    everything = np.arange(network.n)
    now = reached(network.predict(network.train(everything, training)), problem.val_targets)
    for i in range(network.n):
        other = network.relabelled([i], wanted[i : i + 1])
        check(relabelled, i, reached(other.predict(other.train(everything, training)), problem.val_targets), now)
        check(dropped, i, reached(network.predict(network.without([i], training)), problem.val_targets), now)
        check(relabelled, i, evaluated(fit.relabel([i], wanted[i : i + 1])), evaluated(fit))
        check(dropped, i, evaluated(fit.without([i])), evaluated(fit))


def check(found: Effect, i: int, then: tuple[float, float], now: tuple[float, float]) -> None:
    assert found.accuracy[i] == pytest.approx(then[0] - now[0], abs=1e-12)
    assert found.loss[i] == pytest.approx(then[1] - now[1], abs=1e-9)


def evaluated(fit: Fit) -> tuple[float, float]:
    whole = evaluate(fit).overall
    return whole.accuracy, whole.loss


def test_effects_of_ten_outputs_and_of_a_relabelled_fit() -> None:
    rng = np.random.default_rng(3)
    network = random_network(n=20, m=15, k=10, p=260, seed=1)
    network = replace(network, targets=targets.encode(np.arange(20) % 10, 10))
    fit = linearized.fit(network.problem(), Training(ridge=0.3)).relabel([2, 5], np.eye(10)[[7, 8]])
    wanted = targets.encode(rng.integers(10, size=20), 10)
    relabelled, dropped = Effects(fit).relabelled(wanted), Effects(fit).left_out()
    assert np.ptp(dropped.loss) > 0
    for i in range(20):
        check(relabelled, i, evaluated(fit.relabel([i], wanted[i : i + 1])), evaluated(fit))
        check(dropped, i, evaluated(fit.without([i])), evaluated(fit))


def test_effects_refuse_what_they_cannot_measure() -> None:
    _, problem = network_of("3")
    fit = linearized.fit(problem, Training(ridge=1.0))
    for lacking in (replace(problem, val_targets=None), replace(problem, targets=None)):
        with pytest.raises(InvalidSetting, match="measured on validation images"):
            Effects(linearized.fit(lacking, fit.training))
    with pytest.raises(InvalidSetting, match="a fit of all samples"):
        Effects(fit.without([3]))
    with pytest.raises(InvalidSetting, match=r"targets must have shape \(14, 3\), got \(14, 2\)"):
        Effects(fit).relabelled(np.zeros((14, 2)))


def test_suggestions() -> None:
    outputs = np.array([[0.2, 0.7, 0.1], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.1, 0.2, 0.9]])
    predicted, suggested, margin = review.suggestions(outputs, np.array([0, 0, 1, 2]))
    assert predicted.tolist() == [1, 0, 0, 2] and suggested.tolist() == [1, 1, 0, 1]
    assert margin == pytest.approx([-0.5, 0.0, 0.0, 0.7])
    one = np.array([[0.9], [0.2], [0.5]])
    predicted, suggested, margin = review.suggestions(one, np.array([0, 0, 1]))
    assert predicted.tolist() == [1, 0, 0] and suggested.tolist() == [1, 1, 0]
    assert margin == pytest.approx([-0.8, 0.6, 0.0]) and one[0, 0] == 0.9


def test_ranks_and_the_top() -> None:
    assert review.ranks(np.array([0.1, 0.9, 0.1, 0.9, 0.5])).tolist() == [4, 1, 5, 2, 3]
    images = pd.DataFrame({"sample_id": list("abc"), "odd": 0, "corrupted_rank": [2, 3, 1]})
    assert review.most_suspicious(images, CAUSES["corrupted"], 2)["sample_id"].tolist() == ["c", "a"]
    assert review.find("adversarial") is CAUSES["adversarial"]
    with pytest.raises(UnknownName, match="Unknown cause 'odd'"):
        review.find("odd")


def by_definition(features: FloatArray, labels: IntArray, i: int, label: int, count: int) -> list[tuple[int, float]]:
    def apart(j: int) -> float:
        return 1 - features[i] @ features[j] / np.linalg.norm(features[i]) / np.linalg.norm(features[j])

    found = sorted((round(float(apart(int(j))), 9), int(j)) for j in np.flatnonzero(labels == label) if j != i)
    return [(j, distance) for distance, j in found[:count]]


@pytest.mark.parametrize("block", [2**26, 200])
def test_neighbours_are_the_nearest_of_their_class(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_neighbours, "BLOCK", block)
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(30, 5)), rng.integers(3, size=30)
    features[20], features[7], labels[[3, 7, 20]] = features[3], 2 * features[3], 1  # all three at the distance 0
    wanted = (labels + 1) % 3
    for asked in (labels, wanted):
        rows, distances = nearest_of_class(features, labels, asked, 3)
        for i in range(30):
            expected = by_definition(features, labels, i, int(asked[i]), 3)
            assert rows[i].tolist() == [j for j, _ in expected]
            assert distances[i] == pytest.approx([distance for _, distance in expected], abs=1e-8)
    rows, distances = nearest_of_class(features, labels, labels, 3)
    assert rows[3, :2].tolist() == [7, 20] and rows[20, :2].tolist() == [3, 7] and (distances[3, :2] == 0).all()


def test_neighbours_of_small_classes_and_of_no_features() -> None:
    features = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    assert directions(features)[1].tolist() == [0.0, 0.0]
    rows, distances = nearest_of_class(features, np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    assert rows.tolist() == [[1, -1], [2, -1], [-1, -1]]
    assert distances[:2, 0].tolist() == [1.0, 1.0] and np.isnan(distances[2]).all() and np.isnan(distances[:, 1]).all()
    rows, _ = nearest_of_class(features, np.array([0, 0, 0]), np.array([1, 1, 1]), 2)
    assert (rows == -1).all()


def test_the_tables_of_a_run(run: Run) -> None:
    tables = analysing.analyse(run, "review")
    images, samples = tables["images"], run.samples
    n = int(run.meta["sizes"]["train"])
    assert images["sample_id"].tolist() == samples["sample_id"][:n].tolist()
    outputs = np.array(run.array("held_out"))
    predicted = np.array(run.meta["dataset"]["class_names"])[(outputs[:, 0] > 0.5).astype(int)]
    assert images["predicted"].tolist() == predicted.tolist()
    assert (images["disagrees"] == (images["predicted"] != images["class_name"])).all()
    assert (images["suggested"] != images["class_name"]).all()
    assert ((images["margin"] < 0) == images["disagrees"]).all()
    for cause in CAUSES.values():
        scores = samples[cause.score].to_numpy()[:n]
        assert images[cause.name].tolist() == scores.tolist()
        assert images[cause.rank].tolist() == review.ranks(scores).tolist()
    for i in (0, n - 1):
        name, row = images["sample_id"][i], images.iloc[i]
        for change, answer in (
            ("relabel", whatif.relabel(run, [name], row["suggested"])), ("drop", whatif.without(run, [name])),
        ):  # fmt: skip
            now, then = answer.now.overall, answer.then.overall
            assert row[f"{change}_accuracy"] == pytest.approx(then.accuracy - now.accuracy, abs=1e-12)
            assert row[f"{change}_loss"] == pytest.approx(then.loss - now.loss, abs=1e-9)
    check_neighbours(run, tables)
    matrix = review.matrix_of(tables["agreement"])
    assert list(matrix.index) == list(matrix.columns) == list(run.scores) and len(tables["agreement"]) == matrix.size
    assert matrix.loc["weight_information", "weight_information"] == 1.0


def check_neighbours(run: Run, tables: dict[str, pd.DataFrame]) -> None:
    images, near = tables["images"].set_index("sample_id"), tables["neighbours"]
    assert len(near) == 6 * len(images) and near["sample_id"].drop_duplicates().tolist() == images.index.tolist()
    assert (near["sample_id"] != near["neighbour"]).all() and near["place"].tolist() == [1, 2, 3] * (2 * len(images))
    labels = images["class_name"][near["neighbour"]].to_numpy()
    wanted = np.where(near["side"] == "given", images["class_name"][near["sample_id"]],
                      images["suggested"][near["sample_id"]])  # fmt: skip
    assert (labels == wanted).all() and near["side"].tolist() == (["given"] * 3 + ["suggested"] * 3) * len(images)
    assert (near.groupby(["sample_id", "side"])["distance"].diff().dropna() >= 0).all()
    row, mine = review.evidence_for(tables, str(images.index[4]))
    assert row["sample_id"] == images.index[4] and len(mine) == 6
    with pytest.raises(InvalidSetting, match="'img' is no training image of this run; their ids look like"):
        review.evidence_for(tables, "img")


def test_runs_without_the_evidence_are_refused(run: Run) -> None:
    (run.path / "held_out.npy").unlink()
    with pytest.raises(InvalidRun, match="lacks held_out, which the review needs; score it again with this version"):
        ANALYSIS.seconds(run)
    run.samples.drop(columns=["odd_pixels", "adversarial_suspicion"]).to_parquet(run.path / store.SAMPLES)
    meta = json.loads((run.path / store.SUMMARY).read_text())
    del meta["suspicion"]
    store.write_json(run.path / store.SUMMARY, meta)
    with pytest.raises(InvalidRun, match="lacks odd_pixels, adversarial_suspicion, held_out, suspicion"):
        analysing.analyse(store.open_run(run.path), "review")


def test_runs_without_validation_images_are_refused(run: Run) -> None:
    empty = replace(run, meta={**run.meta, "sizes": {"train": 60, "validation": 0}})
    with pytest.raises(InvalidSetting, match="this run has none"):
        ANALYSIS.seconds(empty)


def test_verdicts_beside_the_numbers() -> None:
    images = pd.DataFrame({"sample_id": ["a", "b", "c"]}, index=[4, 5, 6])
    found = review.with_verdicts(images, {"c": Verdict(RELABEL, "nine"), "a": Verdict(DROP), "other": Verdict(DROP)})
    assert found["verdict"].tolist() == ["drop", None, "relabel"] and found["new_class"].tolist() == [
        None,
        None,
        "nine",
    ]
    assert list(images.columns) == ["sample_id"]


def judged(*disagrees: bool, loss: float = -1e-4) -> pd.DataFrame:
    ids = [f"img-{place}" for place in range(len(disagrees))]
    return pd.DataFrame({"sample_id": ids, "disagrees": disagrees, "relabel_loss": loss})


def test_conclusions_say_what_is_there() -> None:
    network = "(kernel: the features, leave-one-out error 0.0611)"
    assert network_words(SUSPICION) == network[1:-1]
    some = judged(True, True, False)
    assert conclusion(some, SUSPICION) == (
        "2 of 3 training images are predicted to be another class by the network that has not seen them "
        f"{network}. Start with these. Relabelling is predicted to lower the validation loss for each of them, taken "
        "one by one."
    )
    some.loc[0, "relabel_loss"] = 1e-3
    found = conclusion(some, SUSPICION, ["img-1", "img-2"])
    assert "1 of them has a verdict; go on with the other. Relabelling" in found and "for 1 of them" in found
    assert "Every one of them has a verdict." in conclusion(some, SUSPICION, ["img-0", "img-1"])
    assert "for none of them" in conclusion(judged(True, True, loss=0.0), SUSPICION)
    one = conclusion(judged(True, False), SUSPICION)
    assert one.startswith("1 of 2 training images is predicted") and "that has not seen it" in one
    assert one.endswith("Start with it. Relabelling it is predicted to lower the validation loss.")
    assert conclusion(judged(False, False), SUSPICION) == (
        f"None of 2 training images is predicted to be another class by the network that has not seen it {network}: "
        "no label is contradicted."
    )


def test_the_evidence_for_an_image_in_sentences() -> None:
    row = pd.Series({
        "class_name": "4", "predicted": "9", "suggested": "9", "margin": -0.53, "disagrees": True,
        "mislabeled_rank": 3, "corrupted_rank": 120, "adversarial_rank": 44, "relabel_accuracy": 2 / 200,
        "relabel_loss": -1.2e-4, "drop_accuracy": -1 / 200, "drop_loss": 3e-5,
    })  # fmt: skip
    assert explained(row, 400, 200) == (
        "It is labelled 4; the network that has not seen it predicts 9, by 0.53.",
        "By suspicion it is number 3 as mislabeled, 120 as corrupted and 44 as adversarial, of 400 training images.",
        "Relabelled as 9: 2 more of the 200 validation images are predicted rightly, and their mean loss falls by "
        "0.00012.",
        "Dropped: 1 fewer of the 200 validation images is predicted rightly, and their mean loss rises by 3e-5.",
    )
    row["disagrees"], row["predicted"], row["margin"], row["drop_accuracy"], row["drop_loss"] = (
        False,
        "4",
        0.3,
        0.0,
        0.0,
    )
    said = explained(row, 400, 200)
    assert said[0] == "It is labelled 4, and the network that has not seen it agrees: 0.3 ahead of 9."
    assert (
        said[3]
        == "Dropped: as many of the 200 validation images are predicted rightly as now, and their mean loss stays."
    )
    assert effect_words(row, "relabel", 200) == "+2, loss −0.00012" and effect_words(row, "drop", 200) == "0, loss 0"
