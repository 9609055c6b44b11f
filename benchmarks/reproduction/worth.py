"""Two sources of one task, judged by training the network itself without images of each, and on those alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.reproduction import data, drawing, measures, report
from benchmarks.reproduction.options import Journal, Options, Sizes
from benchmarks.reproduction.report import Page, Table
from benchmarks.reproduction.setups import NETWORKS, Setup, rate, resnet_setup
from sampleinfo import datasets, descent, information, linearized, retraining, targets
from sampleinfo.linearized import Fit, Training
from sampleinfo.projection import landmarks
from sampleinfo.recipe import Recipe
from sampleinfo.types import FloatArray, IntArray

HELP = "what images of either source are worth, by real training without them and on them alone"
FIGURE = "worth"
FULL, QUICK = Sizes(400, 200, 600), Sizes(60, 40, 8)
#: Images of a step.
BATCH, QUICK_BATCH = 50, 20
#: Draws of each source, how many images each holds, and the share of the largest stable rate.
DRAWS, SIZE, QUICK_DRAWS, QUICK_SIZE, FAST = 5, 40, 2, 6, 2.0


def run(options: Options) -> None:
    """Predict, retrain, compare."""
    found = _measured(options, Journal(FIGURE))
    names, text = sorted(found["draws"]), _text(found)
    columns = ("source", "n", "mean F-SI of an image (predicted)", "without a draw: F-SI of the draw, predicted",
               "F-SI of the draw, retrained", "rise of the loss, retrained",
               *(f"trained on a draw alone: accuracy on {name}" for name in (*names, "both")))  # fmt: skip
    rows = [_row(name, found, names) for name in names]
    ratios = [_ratio_row(*each, found) for each in _quantities(found)]
    parts: list[str | Table] = [
        text, Table(columns, rows), _verdict(found),
        Table((f"{found['higher']} against {found['lower']}", "ratio", "95 % interval", "clearly above 1"), ratios),
        report.image(FIGURE, "draws", options, "Draws of both sources"), report.machine_and_times(found),
    ]  # fmt: skip
    title = "What a source's images are worth, by real training"
    report.write(Page(FIGURE, title, parts, found, {"draws": _picture(found)}), options)


def _measured(options: Options, journal: Journal) -> dict[str, Any]:
    sizes = options.sizes(QUICK, FULL)
    dataset = datasets.split_at_most(datasets.prepare("digits"), sizes.train, sizes.validation, options.seed)
    n, sources = data.training_images(dataset), np.array(dataset.sources)
    setup = resnet_setup(dataset, dataset.labels, n, options.seed)
    with journal.stage("kernel"):
        problem = setup.problem(journal)
    batch, ridge = QUICK_BATCH if options.quick else BATCH, options.ridge or 0.0
    lr = rate(problem, ridge, options) * (1.0 if options.lr else FAST)
    recipe = Recipe(sizes.steps, lr, ridge, min(batch, n), options.seed)
    fit = linearized.fit(problem, Training(recipe.steps, recipe.lr, recipe.ridge))
    draws = {str(name): _draws(sources[:n] == name, dataset.labels[:n], options) for name in np.unique(sources)}
    with journal.stage("predictions"):
        nats = information.functional_information(linearized.fit(problem, Training.auto(problem)))
        predicted = {name: [_nats(fit, rows) for rows in each] for name, each in draws.items()}
    with journal.stage("retraining"):
        real = _retrained(setup, recipe, draws, sources[n:], journal)
    means = {name: float(nats[sources[:n] == name].mean()) for name in draws}
    higher, lower = sorted(means, key=lambda name: -means[name])
    return {
        "train": n, "validation": len(dataset) - n, **recipe.as_dict(), "seed": options.seed,
        "nats": {name: nats[sources[:n] == name].tolist() for name in draws}, "higher": higher, "lower": lower,
        "draws": {name: len(each[0]) for name, each in draws.items()}, "predicted": predicted, "real": real,
        "seconds": journal.seconds, "machine": report.facts(),
    }  # fmt: skip


def _draws(mine: np.ndarray, labels: IntArray, options: Options) -> list[IntArray]:
    """Rows of a source, in proportion from its digits, drawn without replacement, again for each draw."""
    count, size = (QUICK_DRAWS, QUICK_SIZE) if options.quick else (DRAWS, SIZE)
    rows = np.flatnonzero(mine)
    return [rows[landmarks(labels[rows], size, options.seed + number)] for number in range(count)]


def _nats(fit: Fit, rows: IntArray) -> float:
    """F-SI of a set by the closed form."""
    return float(information.between(fit, fit.without(rows))[1])


def _retrained(
    setup: Setup, recipe: Recipe, draws: dict[str, list[IntArray]], val_sources: np.ndarray, journal: Journal
) -> dict[str, Any]:
    """Of every draw: nats and rise of the validation loss without it, and accuracy on each source with it alone."""
    task, n = setup.task(), setup.n
    final = descent.train(task, recipe)
    flat = [(name, rows) for name, each in draws.items() for rows in each]
    sets = [rows for _, rows in flat] + [np.setdiff1d(np.arange(n), rows) for _, rows in flat]
    changes = retraining.retrain(task, recipe, final, sets, report=journal.report)
    whole, wanted = setup.predictions(task.val_outputs(final), slice(n, None)), setup.targets[n:]
    nats = changes.functional_information()

    def loss(outputs: FloatArray) -> float:
        return float(((outputs - wanted) ** 2).sum(axis=1).mean() / 2)

    def right(outputs: FloatArray) -> dict[str, float]:
        hits = targets.decode(outputs) == targets.decode(wanted)
        return {**{name: float(hits[val_sources == name].mean()) for name in draws}, "both": float(hits.mean())}

    found: dict[str, Any] = {
        name: {"nats": [], "loss": [], "accuracy": [], "all": right(whole)} for name in draws
    }  # fmt: skip
    for place, (name, _) in enumerate(flat):
        found[name]["nats"].append(float(nats[place]))
        found[name]["loss"].append(loss(whole - changes.val_change[:, :, place]) - loss(whole))
        found[name]["accuracy"].append(right(whole - changes.val_change[:, :, len(flat) + place]))
    return found


def _text(found: dict[str, Any]) -> str:
    size = next(iter(found["draws"].values()))
    count = len(found["real"][found["higher"]]["nats"])
    everything = found["real"][found["higher"]]["all"]
    return (
        f"{NETWORKS['resnet20']}, ten outputs, centred, trained for {found['steps']} steps of {found['batch_size']} "
        f"images at the learning rate {found['lr']:.4g} (half of the largest stable one unless given) on "
        f"{found['train']} images of the preset *digits*, validated on {found['validation']} others, both sources in "
        f"their proportion. {count} draws of {size} images of each source, as many of every digit as its share, are "
        "taken away, one after the other, and the network is trained again for real without them; and it is trained "
        "for real on every draw alone. *Predicted* is the closed form at the initial weights: of an image as the "
        "Sources page has it (to convergence, ridge by leave-one-out error), of a draw with the same number of steps, "
        "full batches. Means over the draws with their standard deviation. Trained on all, the network reaches "
        f"{everything['both']:.3f}."
    )


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3g} ± {np.std(values, ddof=1):.2g}"


def _row(name: str, found: dict[str, Any], names: list[str]) -> tuple[str, ...]:
    real = found["real"][name]
    accuracies = [_spread([each[on] for each in real["accuracy"]]) for on in (*names, "both")]
    first = (name, str(len(found["nats"][name])), f"{np.mean(found['nats'][name]):.3g}")
    return (
        *first,
        _spread(found["predicted"][name]),
        f"**{_spread(real['nats'])}**",
        _spread(real["loss"]),
        *accuracies,
    )


def _quantities(found: dict[str, Any]) -> list[tuple[str, FloatArray, FloatArray]]:
    """What is compared: words, values of the source that is predicted to be worth more, and of the other."""
    real = found["real"]
    kinds: dict[str, dict[str, Any]] = {
        "F-SI of an image, predicted": found["nats"],
        "F-SI of a draw, predicted": found["predicted"],
        "F-SI of a draw, retrained": {name: each["nats"] for name, each in real.items()},
        "rise of the loss without a draw, retrained": {name: each["loss"] for name, each in real.items()},
    }
    both = found["higher"], found["lower"]
    return [(words, np.array(each[both[0]]), np.array(each[both[1]])) for words, each in kinds.items()]


def _ratio_row(words: str, above: FloatArray, below: FloatArray, found: dict[str, Any]) -> tuple[str, ...]:
    low, high = measures.ratio_interval(above, below, found["seed"])
    return words, f"**{above.mean() / below.mean():.3g}**", report.between(low, high), "yes" if low > 1 else "no"


def _verdict(found: dict[str, Any]) -> str:
    """Whether real training says the same as the prediction."""
    _, _, (_, above, below), _ = _quantities(found)
    low, high = measures.ratio_interval(above, below, found["seed"])
    agrees = "agrees" if low > 1 else "neither confirms nor contradicts it" if high > 1 else "contradicts it"
    return (
        f"Predicted to be worth more per image: **{found['higher']}**. Real training **{agrees}**: without a draw of "
        f"{found['higher']} the trained network's predictions change {above.mean() / below.mean():.3g} times "
        f"{report.between(low, high)} as much as without one of {found['lower']}, in nats. Intervals are 95 % "
        "bootstrap intervals of ratios of means, over images or draws."
    )


def _picture(found: dict[str, Any]) -> Figure:
    """Every draw: predicted against retrained, and what it teaches alone."""
    figure, (left, right) = drawing.panels(2)
    for (name, predicted), colour, marker in zip(
        found["predicted"].items(), drawing.COLOURS, drawing.MARKERS, strict=False
    ):
        real = found["real"][name]
        left.scatter(real["nats"], predicted, c=colour, marker=marker, label=name)
        points = [[each[on] for each in real["accuracy"]] for on in sorted(found["draws"])]
        right.scatter(points[0], points[1], c=colour, marker=marker, label=f"trained on {name}")
    drawing.name(left, "Without a draw", "F-SI retrained, nats", "F-SI predicted, nats")
    first, second = sorted(found["draws"])
    drawing.name(right, "On a draw alone", f"accuracy on {first}", f"accuracy on {second}")
    left.xaxis.set_major_locator(MaxNLocator(5))
    for axes in (left, right):
        axes.legend(fontsize=drawing.SIZE - 1, frameon=False)
    return figure
