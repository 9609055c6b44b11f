"""What the paper reports, as far as it is set beside our figures."""

from __future__ import annotations

SOURCE = (
    'Harutyunyan, Achille, Paolini, Majumder, Ravichandran, Bhotika, Soatto, "Estimating informativeness of samples '
    'with Smooth Unique Information", ICLR 2021, [arXiv 2101.06640](https://arxiv.org/abs/2101.06640), section 6'
)
CLOSED, INFLUENCE = "closed form", "influence function"
#: Table 1: Pearson correlation with real retraining, (weights, predictions) of each estimate; 1000 training samples.
#: By network and ridge.
TABLE1: dict[tuple[str, int], dict[str, tuple[float, float]]] = {
    ("MNIST 4v9 MLP", 0): {CLOSED: (0.987, 0.993), INFLUENCE: (0.935, 0.920)},
    ("MNIST 4v9 MLP", 1000): {CLOSED: (0.977, 0.993), INFLUENCE: (0.978, 0.990)},
    ("MNIST 4v9 CNN from scratch", 0): {CLOSED: (0.193, 0.033), INFLUENCE: (0.319, 0.647)},
    ("MNIST 4v9 CNN pre-trained", 0): {CLOSED: (0.870, 0.875), INFLUENCE: (0.736, 0.770)},
    ("MNIST 4v9 CNN pre-trained", 1000): {CLOSED: (0.964, 0.974), INFLUENCE: (0.979, 0.954)},
    ("cats vs dogs ResNet-18", 0): {CLOSED: (0.895, 0.877), INFLUENCE: (0.675, 0.530)},
}
SAMPLES = "easy and typical images are low, odd ones high, and most are near zero"
#: By source; SVHN stands where ours has the UCI digits.
SOURCES = {
    "MNIST": "MNIST: far less informative (500 of each, ResNet-18)",
    "UCI digits": "SVHN: far more informative (500 of each, ResNet-18)",
}
MISLABELED = "mislabeled samples have clearly higher F-SI (10 % uniform label noise, clean validation set)"
#: By strategy.
SUMMARIES = {"bottom-iterative": "best by far when most samples go", "top": "worst"}
SUBCLASS = "cats carry more information each than dogs, though never labelled as such (200 cats, 4000 dogs, 4000 deer)"
ADVERSARIAL = "adversarial samples carry more information than the others"
