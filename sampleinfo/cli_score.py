"""The command that computes the scores of a data set and keeps them as a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from sampleinfo import datasets, execution, models, planning, store
from sampleinfo.cli_data import add_reading, columns, names
from sampleinfo.cli_runs import print_summary
from sampleinfo.config import DEVICES, HEADS, KERNELS, METHODS, NOTHING, OUTPUTS, PLANTS, PRIMAL, SCOPES, RunConfig
from sampleinfo.console import INTERRUPTED, tracked
from sampleinfo.errors import InvalidSetting
from sampleinfo.planning import Estimate
from sampleinfo.progress import Tracker
from sampleinfo.store import Run


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_reading(parser)
    parser.add_argument("--model", default="resnet20", metavar="NAME", help="see 'sampleinfo models'")
    parser.add_argument("--weights", metavar="FILE|NAME", help="own weights (.pth, .safetensors), or other known ones")
    parser.add_argument("--image-size", type=int, metavar="PX", help="side of the network's input")
    parser.add_argument("--norm", default="batch", metavar="|".join(models.NORMS), help="group: weights trained so")
    parser.add_argument("--activation", default="relu", metavar="|".join(models.ACTIVATIONS), help="leaky: as in LQF")
    parser.add_argument(
        "--head", default="random", metavar="|".join(HEADS), help="trained: first on the frozen features, closed form"
    )
    parser.add_argument("--train", type=_size, metavar="N|P%", help="training images, or their share")
    parser.add_argument("--validation", type=_size, metavar="M|P%", help="validation images, or their share")
    parser.add_argument("--classes", default="", metavar="A,B", help="only these classes")
    parser.add_argument("--per-class", type=int, metavar="N", help="at most so many images of every class are read")
    parser.add_argument(
        "--validation-split", default="auto", metavar="auto|share|NAME",
        help="the data set's own split to validate on; share: a random share of all images",
    )  # fmt: skip
    parser.add_argument("--ridge", default="auto", metavar="auto|X", help="auto: by leave-one-out error")
    parser.add_argument("--steps", metavar="T|auto", help="gradient descent instead of convergence; ridge is then 0")
    parser.add_argument(
        "--lr", type=float, metavar="X", help="learning rate on the mean loss (default: half the largest stable)"
    )
    parser.add_argument("--continuous", action="store_true", help="gradient flow for the time T")
    parser.add_argument(
        "--method", default=METHODS[0], metavar="|".join(METHODS),
        help="along-training: also train the real network once, for --steps (default 100), and follow that run",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=int, metavar="B", help="of the real training (default: all images)")
    parser.add_argument("--segments", type=int, metavar="L", help="of the real training (default: as many as it takes)")
    parser.add_argument("--kernel", default="auto", metavar="|".join(KERNELS))
    parser.add_argument("--dimension", type=int, metavar="D", help="features of a row of the primal kernel (2048)")
    parser.add_argument("--coordinates", type=int, metavar="C", help="of the gradients they come from (by cost)")
    parser.add_argument("--scope", default="all", metavar="|".join(SCOPES), help="the layers that are trained")
    parser.add_argument("--outputs", default="centred", metavar="|".join(OUTPUTS), help="what training starts from")
    parser.add_argument("--corrected", action="store_true", help="with the labels and drops decided in the review")
    parser.add_argument("--plant", default=NOTHING, metavar="|".join(PLANTS), help="errors put into training images")
    parser.add_argument("--planted", type=float, default=0.1, metavar="P", help="share of them (default 0.1)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of split, head, subset kernel and map")
    _add_place(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: in the store)")
    parser.set_defaults(run=_score)


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where a run is computed, within which limits, and where its features are kept."""
    parser.add_argument("--memory", type=float, metavar="GIB", help="limit (default: 70 %% of what is free)")
    parser.add_argument("--device", default="auto", metavar="|".join(DEVICES), help="where the network runs")
    parser.add_argument("--workers", type=int, metavar="N", help="primal kernel: processes that make its features")
    parser.add_argument(
        "--ray", metavar="auto|local|HOST:PORT",
        help="primal kernel: on this Ray cluster, with --workers as the most tasks at a time (default: all its cores)",
    )  # fmt: skip
    parser.add_argument(
        "--storage", metavar="ADDRESS",
        help="primal kernel: folder of its features, a path or e.g. s3://bucket/folder, which all workers can reach",
    )  # fmt: skip
    parser.add_argument(
        "--shard", type=int, metavar="N",
        help="primal kernel: images of a piece of work, which a lost worker costs (default 256)",
    )  # fmt: skip


def _score(args: argparse.Namespace) -> int:
    config = _config(args)
    datasets.fetch(config.dataset, args.download)
    plan = planning.estimate(config)
    execution.backend_of(config.ray, config.workers)  # refuses more workers than there are cores
    if config.device not in ("auto", "cpu"):
        from sampleinfo.devices import choose_device

        choose_device(config.device)
    if args.out is not None and not args.out.exists():
        store.check_target(args.out)
    console = Console(stderr=True, soft_wrap=True)
    console.print(
        f"{config.dataset} with {config.model}: {plan.train} training and {plan.validation} validation images, "
        f"{plan.kernel} kernel ({plan.reason}); about {plan.seconds:.0f} s and {plan.memory / 2**30:.1f} GiB.",
        highlight=False,
    )
    _say_unused(config, plan.kernel, console)
    try:
        run = _with_progress(config, plan, args.out, console)
    except KeyboardInterrupt:
        print("sampleinfo: stopped; finished blocks are kept, the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    print_summary(run)
    return 0


def _with_progress(config: RunConfig, plan: Estimate, out: Path | None, console: Console) -> Run:
    """Compute the run, and say how far it is."""
    tracker = Tracker.of(plan)

    def announce(better: Estimate) -> None:
        if (better.train, better.validation, better.kernel) != (plan.train, plan.validation, plan.kernel):
            console.print(
                f"What can be read allows {better.train} + {better.validation} images, {better.kernel} kernel.",
                highlight=False,
            )
            _say_unused(config, better.kernel, console)
        if abs(better.seconds - tracker.planned) > 5:
            console.print(f"Expected now: about {better.seconds:.0f} s in all.", highlight=False)
        tracker.replan(better)

    with tracked(tracker, console) as report:
        from sampleinfo import pipeline

        return pipeline.score(config, out, report, announce=announce, tell=lambda words: _say(words, console))


def _say(words: str, console: Console) -> None:
    """Something out of the ordinary, at once."""
    console.print(words, highlight=False, markup=False)


def _say_unused(config: RunConfig, kernel: str, console: Console) -> None:
    """Which settings the kernel that ``auto`` became has no use for."""
    if config.spreading and kernel != PRIMAL:
        given = ", ".join(f"--{name}" for name in config.spreading)
        _say(f"Not used: {given}; only the {PRIMAL} kernel is made in shards, and this run takes {kernel}.", console)


def _config(args: argparse.Namespace) -> RunConfig:
    try:
        ridge = None if args.ridge == "auto" else float(args.ridge)
    except ValueError as error:
        raise InvalidSetting(f"ridge must be 'auto' or a number, 0 or above; got {args.ridge!r}.") from error
    try:
        steps = args.steps if args.steps in (None, "auto") else int(args.steps)
    except ValueError as error:
        raise InvalidSetting(f"steps must be 'auto' or a whole number, got {args.steps!r}.") from error
    return RunConfig(
        dataset=args.dataset, layout=args.layout, columns=columns(args.columns), classes=names(args.classes),
        per_class=args.per_class, validation_split=args.validation_split, train=args.train, validation=args.validation,
        model=args.model, weights=args.weights, image_size=args.image_size, norm=args.norm, activation=args.activation,
        head=args.head, ridge=ridge, steps=steps, lr=args.lr, continuous=args.continuous, kernel=args.kernel,
        scope=args.scope, outputs=args.outputs, method=args.method, batch_size=args.batch_size, segments=args.segments,
        seed=args.seed, memory=args.memory, device=args.device, plant=args.plant, planted=args.planted,
        dimension=args.dimension, coordinates=args.coordinates, workers=args.workers, ray=args.ray,
        storage=_address(args.storage), shard=args.shard,
        corrections=_corrections(args.dataset) if args.corrected else (),
    )  # fmt: skip


def _address(given: str | None) -> str | None:
    """Of a folder; a path counts from here, wherever workers stand."""
    return given if given is None or "://" in given else str(Path(given).expanduser().absolute())


def _corrections(dataset: str) -> tuple[tuple[str, str | None], ...]:
    """What was decided about a data set.

    Raises:
        InvalidSetting: nothing was.
    """
    from sampleinfo.decisions import open_decisions  # SQLAlchemy: other commands start without it

    found = open_decisions().book(datasets.canonical(dataset)).corrections()
    if not found:
        raise InvalidSetting(f"nothing is corrected in {dataset!r} yet; decide on the Review page first.")
    return found


def _size(given: str) -> int | float:
    """A number of images, or a share."""
    try:
        return float(given[:-1]) / 100 if given.endswith("%") else int(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a number such as 300 or a share such as 20%, got {given!r}") from error
