"""What cleanlab says of the same images: the baseline of the review figure."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sampleinfo.types import FloatArray, IntArray

FOLDS = 5
#: Inverse strengths of the penalty of logistic regression: the default, and those tried.
DEFAULT, TRIED = 1.0, (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SHUFFLED, IN_ORDER = "folds shuffled", "folds in file order (leaks where the data are sorted)"
METHODS = {"self_confidence": "self-confidence", "normalized_margin": "normalized margin"}
OUTLIERS = "cleanlab, out of distribution"
TUNED = "cleanlab, self-confidence, C by log loss out of sample"


def name_of(method: str, folds: str = SHUFFLED) -> str:
    """Of a row of the table."""
    return f"cleanlab, {METHODS[method]}" + (f", {folds}" if folds != SHUFFLED else "")


def label_scores(features: FloatArray, labels: IntArray, seed: int) -> dict[str, FloatArray]:
    """(n,) how little each label is believed, by name; high where it is not.

    Out-of-sample probabilities of logistic regression over frozen features, in stratified folds, with C = 1, and with
    the C of least log loss on the given labels, as the scores of this package choose their ridge. The folds are
    made by the labels that are there, wrong ones among them: where the images come class by class, folds in file order
    put all images of a class with a wrong label next to each other into one fold, whose training part then lacks them.
    """
    from cleanlab.rank import get_label_quality_scores

    known = {folds: _probabilities(features, labels, folds, seed) for folds in (SHUFFLED, IN_ORDER)}
    found = {
        name_of(method, folds): -np.asarray(get_label_quality_scores(labels, each, method=method))
        for folds, each in known.items()
        for method in METHODS
    }
    tried = [_probabilities(features, labels, SHUFFLED, seed, strength) for strength in TRIED]
    best = min(tried, key=lambda each: float(log_loss(labels, each)))
    return {**found, TUNED: -np.asarray(get_label_quality_scores(labels, best, method="self_confidence"))}


def confidence(features: FloatArray, labels: IntArray, seed: int) -> dict[str, FloatArray]:
    """The first of these alone: self-confidence at C = 1."""
    from cleanlab.rank import get_label_quality_scores

    probabilities = _probabilities(features, labels, SHUFFLED, seed)
    return {name_of("self_confidence"): -np.asarray(get_label_quality_scores(labels, probabilities))}


def outlier_scores(features: FloatArray) -> dict[str, FloatArray]:
    """(n,) how far each image is from its neighbours; high where it is far."""
    from cleanlab.outlier import OutOfDistribution

    return {OUTLIERS: -np.asarray(OutOfDistribution().fit_score(features=features, verbose=False))}


def _probabilities(
    features: FloatArray, labels: IntArray, folds: str, seed: int, strength: float = DEFAULT
) -> FloatArray:
    """(n, classes)."""
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=seed) if folds == SHUFFLED else StratifiedKFold(FOLDS)
    model = LogisticRegression(C=strength, max_iter=5000)
    return np.asarray(cross_val_predict(model, features, labels, cv=split, method="predict_proba"))
