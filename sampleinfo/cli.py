"""The command line: arguments in, words out. Every error is one sentence and a non-zero exit code."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import Progress

from sampleinfo import cli_validate, datasets, exports, models, planning, store, validations
from sampleinfo.config import ALONG_TRAINING, DEVICES, HEADS, KERNELS, METHODS, OUTPUTS, SCOPES, RunConfig
from sampleinfo.console import INTERRUPTED, print_table, tracked
from sampleinfo.datasets import problems
from sampleinfo.errors import InvalidSetting, SampleInfoError, StorageError, printable
from sampleinfo.planning import Estimate
from sampleinfo.progress import Tracker
from sampleinfo.scores import SCORES, find
from sampleinfo.store import Run, kernel_words, training_words

APP = Path(__file__).resolve().parents[1] / "app.py"
#: Rows of a table that are printed at most.
MOST_ROWS = 20
DATASET_HELP = "a name, the path of your own, torchvision:NAME, or several joined with +; see 'sampleinfo datasets'"


class _Parser(argparse.ArgumentParser):
    """One sentence instead of the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See '{self.prog} --help'.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except SampleInfoError as error:
        print(f"sampleinfo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sampleinfo: stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sampleinfo", description="Unique information of every image of a data set.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_score(commands.add_parser("score", help="compute the scores of a data set and keep them as a run"))
    for name, action, words in (
        ("datasets", _datasets, "the data sets that are built in, and the formats that are read"),
        ("models", _models, "the pre-trained networks"),
        ("runs", _runs, "the finished runs"),
    ):
        commands.add_parser(name, help=words).set_defaults(run=action)
    check = commands.add_parser("check", help="read every image of a data set and say what is wrong with it")
    check.add_argument("dataset", metavar="DATASET", help=DATASET_HELP)
    _add_reading(check)
    check.add_argument("--to", type=Path, metavar="FILE", help="write the findings to *.csv, *.parquet or *.json")
    check.set_defaults(run=_check)
    show = commands.add_parser("show", help="the most and least informative images of a run")
    show.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    show.add_argument("--score", help=f"one of {', '.join(SCORES)} (default: the run's truest)")
    show.add_argument("--count", type=int, default=10, help="rows of each table (default 10)")
    show.set_defaults(run=_show)
    export = commands.add_parser("export", help="write the table of a run to a file")
    export.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    export.add_argument("--to", type=Path, required=True, metavar="FILE", help="*.csv, *.parquet or *.json")
    export.set_defaults(run=_export)
    cli_validate.add(commands.add_parser("validate", help="retrain for real and say how true a run's scores are"))
    _add_what_if(commands.add_parser("what-if", help="predict a finished run with other training images or labels"))
    app = commands.add_parser("app", help="open the dashboard on this machine")
    app.add_argument("--port", type=int, default=8501)
    app.set_defaults(run=_app)
    job = commands.add_parser("job", help="the process of a background job (started by the dashboard)")
    job.add_argument("folder", type=Path)
    job.set_defaults(run=_job)
    return parser


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help=DATASET_HELP)
    _add_reading(parser)
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
    parser.add_argument("--scope", default="all", metavar="|".join(SCOPES), help="the layers that are trained")
    parser.add_argument("--outputs", default="centred", metavar="|".join(OUTPUTS), help="what training starts from")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of split, head, subset kernel and map")
    parser.add_argument("--memory", type=float, metavar="GIB", help="limit (default: 70 %% of what is free)")
    parser.add_argument("--device", default="auto", metavar="|".join(DEVICES), help="where the network runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: in the store)")
    parser.set_defaults(run=_score)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layout", default="auto", metavar="|".join(datasets.LAYOUTS), help="of an image folder")
    parser.add_argument(
        "--columns", default="", metavar="path=A,label=B", help=f"columns of a table: {', '.join(datasets.COLUMNS)}"
    )
    parser.add_argument("--download", action="store_true", help="fetch a torchvision data set that is not there yet")


def _add_what_if(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--without", action="store_true", help="leave these images out")
    which.add_argument("--keep", action="store_true", help="train on these images alone")
    which.add_argument("--relabel", metavar="CLASS", help="give these images another label")
    parser.add_argument("images", nargs="+", metavar="ID", help="sample ids, or @FILE with one on each line")
    parser.set_defaults(run=_what_if)


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
        dataset=args.dataset, layout=args.layout, columns=_columns(args.columns), classes=_names(args.classes),
        per_class=args.per_class, validation_split=args.validation_split, train=args.train, validation=args.validation,
        model=args.model, weights=args.weights, image_size=args.image_size, norm=args.norm, activation=args.activation,
        head=args.head, ridge=ridge, steps=steps, lr=args.lr, continuous=args.continuous, kernel=args.kernel,
        scope=args.scope, outputs=args.outputs, method=args.method, batch_size=args.batch_size, segments=args.segments,
        seed=args.seed, memory=args.memory, device=args.device,
    )  # fmt: skip


def _size(given: str) -> int | float:
    """A number of images, or a share."""
    try:
        return float(given[:-1]) / 100 if given.endswith("%") else int(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a number such as 300 or a share such as 20%, got {given!r}") from error


def _names(given: str) -> tuple[str, ...]:
    """Names between commas; a comma inside a name is written as two."""
    marked = given.replace(",,", "\0")
    return tuple(name.strip().replace("\0", ",") for name in marked.split(",") if name.strip())


def _columns(given: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in _names(given):
        role, mark, column = pair.partition("=")
        if not mark:
            raise InvalidSetting(f"columns must be pairs such as path=FILE_COLUMN; got {pair!r}.")
        pairs.append((role.strip(), column.strip()))
    return tuple(pairs)


def _check(args: argparse.Namespace) -> None:
    options = datasets.Options(args.layout, _columns(args.columns))
    datasets.fetch(args.dataset, args.download)
    if args.to is not None:
        exports.check_suffix(args.to)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading the images", total=1.0)
        dataset = datasets.prepare(
            args.dataset, options, report=lambda _, done, total: bar.update(task, completed=done / total)
        )
    found = problems.findings(dataset)
    facts = datasets.facts.of(dataset, dataset.name)
    print(f"data set   {dataset.name}: {len(dataset)} readable images, {len(dataset.class_names)} classes")
    places = [(s, p) for s in facts.sources for p in dict.fromkeys(x.split for x in facts.strata if x.source == s)]
    columns = ["class", *(f"{source}, {split}" if split else source for source, split in places), "all"]
    counts = {(x.class_name, x.source, x.split): x.images for x in facts.strata}
    each = facts.per_class()
    rows = [(n, *(str(counts.get((n, *place), 0)) for place in places), str(each[n])) for n in facts.class_names]
    print_table(columns, rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        print(f"... and {len(rows) - MOST_ROWS} more classes")
    for kind, number in problems.counts(found).items():
        print(f"\n{number} {problems.WORDS[kind]}")
        some = [each for each in found if each.kind == kind][:MOST_ROWS]
        print_table(("image", "reason"), [(printable(each.image), printable(each.reason)) for each in some])
        if number > MOST_ROWS:
            print(f"... and {number - MOST_ROWS} more; --to FILE writes all of them")
    if not found:
        print("\nnothing wrong was found: every image can be read, and no two are equal")
    if args.to is not None:
        print(f"\n{exports.write(problems.table(found), args.to)} findings written to {args.to}")


def _score(args: argparse.Namespace) -> int:
    config = _config(args)
    datasets.fetch(config.dataset, args.download)
    plan = planning.estimate(config)
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
    try:
        run = _with_progress(config, plan, args.out, console)
    except KeyboardInterrupt:
        print("sampleinfo: stopped; finished blocks are kept, the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    _print_summary(run)
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
        if abs(better.seconds - tracker.planned) > 5:
            console.print(f"Expected now: about {better.seconds:.0f} s in all.", highlight=False)
        tracker.replan(better)

    with tracked(tracker, console) as report:
        from sampleinfo import pipeline

        return pipeline.score(config, out, report, announce=announce)


def _print_summary(run: Run) -> None:
    meta = run.meta
    accuracy = meta["accuracy"]
    sizes, model = meta["sizes"], meta["model"]
    print(f"run        {run.path}")
    print(f"data       {meta['dataset']['title']}: {sizes['train']} training, {sizes['validation']} validation images")
    print(f"network    {model['title']}; head: {model['head']['initialisation']}; {model['outputs']} outputs")
    if model.get("left_out"):
        print(f"left out   of its weights: {', '.join(model['left_out'][:6])}")
    print(f"kernel     {kernel_words(run)}")
    print(f"training   {training_words(run)}")
    for kind, number in (meta["dataset"].get("problems") or {}).items():
        print(f"{kind:<10} {number} images; listed in {run.path / store.PROBLEMS}")
    if run.meta.get("along"):
        along = run.meta["along"]
        deviation = along["segments"]["deviation"]
        found = f", half as many segments deviate by {deviation:.1%}" if deviation is not None else ""
        print(f"really     trained once: accuracy {along['accuracy']:.1%}, loss {along['loss'][0]:.3f} to "
              f"{along['loss'][1]:.3f} in {along['recipe']['steps']} steps{found}")  # fmt: skip
    print(f"validated  {validations.badges(run)}")
    print(f"accuracy   validation {accuracy['validation']:.1%}, leave-one-out {accuracy['leave_one_out']:.1%}")


def _datasets(_: argparse.Namespace) -> None:
    rows = []
    for preset in datasets.PRESETS.values():
        facts, sizes = preset.facts, preset.facts.defaults or ()
        rows.append(
            (facts.name, str(facts.images), str(len(facts.class_names)), " + ".join(map(str, sizes)), facts.title)
        )
    print_table(("data set", "images", "classes", "default train + validation", "what"), rows)
    print(f"\nor the path of your own: {', '.join(datasets.FORMATS)}, or one of them in a .zip")
    print(f"or torchvision:NAME with one of {', '.join(datasets.torchvision.KNOWN)}")
    print("or several, joined with +: each becomes a source, classes are matched by name")


def _models(_: argparse.Namespace) -> None:
    rows = [
        (s.name, f"{s.parameters(10):,}", f"{s.image_size} px", ", ".join(s.weights_names) or "--weights FILE", s.title)
        for s in models.MODELS.values()
    ]
    print_table(("model", "parameters (10 classes)", "input", "weights, default last", "what"), rows)


def _runs(_: argparse.Namespace) -> None:
    runs, broken = store.list_runs(), store.broken_runs()
    rows = [
        (r.id, f"{r.meta['sizes']['train']} + {r.meta['sizes']['validation']}", r.meta["kernel"]["kind"],
         f"{r.meta['accuracy']['validation']:.1%}", r.meta["created"])
        for r in runs
    ]  # fmt: skip
    if rows:
        print_table(("run", "train + validation", "kernel", "validation accuracy", "created"), rows)
    else:
        print(f"No runs in {store.runs_folder()} yet. 'sampleinfo score digits' makes one.")
    for name, reason in broken.items():
        print(f"not readable: {name}: {reason}", file=sys.stderr)


def _show(args: argparse.Namespace) -> None:
    if args.count < 1:
        raise InvalidSetting(f"--count must be at least 1, got {args.count}.")
    run = store.open_run(args.reference)
    score = find(args.score) if args.score else next(iter(run.scores.values()))
    if score.name not in run.scores:
        raise InvalidSetting(
            f"the run {run.id} has no {score.title}; score its data with --method {ALONG_TRAINING} to have it."
        )
    _print_summary(run)
    table = run.samples
    ranked = table[table["split"] == "train"].sort_values(score.name, ascending=False, kind="stable")
    columns = ("image", "source", "label", "leave-one-out prediction", f"{score.title}, {score.unit}")
    for words, part in (("Most", ranked.head(args.count)), ("Least", ranked.tail(args.count)[::-1])):
        print(f"\n{words} informative:" if score.unit == "nats" else f"\n{words}:")
        fields = part[["sample_id", "source", "class_name", "predicted", score.name]].itertuples(index=False)
        print_table(columns, [(*map(str, row[:-1]), f"{row[-1]:.4g}") for row in fields])


def _export(args: argparse.Namespace) -> None:
    rows = exports.export(store.open_run(args.reference), args.to)
    print(f"{rows} rows written to {args.to}")


def _what_if(args: argparse.Namespace) -> None:
    from sampleinfo import whatif

    run, images = store.open_run(args.reference), _ids(args.images)
    if args.relabel is not None:
        answer, words = whatif.relabel(run, images, args.relabel), f"{len(images)} images labelled {args.relabel}"
    elif args.keep:
        answer, words = whatif.keep(run, images), f"only these {len(images)} images"
    else:
        answer, words = whatif.without(run, images), f"without {len(images)} images"
    print(f"run        {run.path}")
    print(f"change     {words}, {answer.kept} training images in all")
    print(f"nats       {answer.functional:.4g} in the predictions (F-SI), {answer.weight:.4g} in the weights (SI)")
    names, now, then = run.meta["dataset"]["class_names"], answer.now, answer.then
    parts = [("all validation images", now.overall, then.overall)]
    parts += [(f"class {names[label]}", now.per_class[label], then.per_class[label]) for label in now.per_class]
    if len(now.per_source) > 1:
        parts += [(f"source {name}", now.per_source[name], then.per_source[name]) for name in now.per_source]
    columns = ("predicted for", "images", "accuracy now", "then", "95 % interval", "loss now", "then")
    print_table(
        columns,
        [
            (name, str(one.count), f"{one.accuracy:.1%}", f"{two.accuracy:.1%}",
             "{:.1%} to {:.1%}".format(*two.interval()), f"{one.loss:.4f}", f"{two.loss:.4f}")
            for name, one, two in parts
        ],
    )  # fmt: skip


def _ids(given: Sequence[str]) -> list[str]:
    """Sample ids; @FILE stands for those on its lines."""
    found: list[str] = []
    for each in given:
        if not each.startswith("@"):
            found.append(each)
            continue
        try:
            lines = Path(each[1:]).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"cannot read {each[1:]}: {getattr(error, 'strerror', None) or error}.") from error
        found += [line.strip() for line in lines if line.strip()]
    return found


def _app(args: argparse.Namespace) -> int:
    if not 1 <= args.port <= 65535:
        raise InvalidSetting(f"port must be between 1 and 65535, got {args.port}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", args.port))
        except OSError as error:
            raise InvalidSetting(
                f"port {args.port} cannot be used ({(error.strerror or str(error)).lower()}); "
                f"choose another: make app PORT={args.port + 1 if args.port < 65535 else 8501}"
            ) from error
    print(f"sampleinfo is at http://localhost:{args.port}  (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(args.port),
               "--server.address", "localhost", "--server.headless", "true"]  # fmt: skip
    os.chdir(APP.parent)
    os.execv(sys.executable, command)


def _job(args: argparse.Namespace) -> int:
    from sampleinfo import jobs

    return jobs.work(args.folder)
