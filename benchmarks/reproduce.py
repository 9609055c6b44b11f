"""The paper's figures, made again: each writes a page with the paper's own beside ours, pictures and the raw numbers.

python -m benchmarks.reproduce FIGURE [--quick] [--train N] [--validation M] [--steps T] [--lr X] [--ridge R]
    [--removals R] [--segments L] [--seed S] [--setting NAME] [--data DIR] [--to DIR]
python -m benchmarks.reproduce all --quick
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from benchmarks.reproduction import data
from benchmarks.reproduction.options import Journal, Options
from sampleinfo.errors import InvalidSetting, SampleInfoError

NAMES = (
    "table1", "speed", "kronfluence", "samples", "sources", "worth", "mislabeled", "summaries", "strategies",
    "subclass", "adversarial", "review",
)  # fmt: skip
PARTED = ("table1", "kronfluence", "samples", "mislabeled", "strategies", "adversarial", "review")
FIGURES: dict[str, ModuleType] = {name: import_module(f"benchmarks.reproduction.{name}") for name in NAMES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one figure, or all whose data are there; 1 where that cannot be done."""
    given = vars(_parser().parse_args(arguments))
    figure = given.pop("figure")
    options = Options(**{**given, "settings": tuple(given["settings"] or ())})
    try:
        if options.settings and figure not in PARTED:
            raise InvalidSetting(f"{figure} has no settings to choose from; those that have: {', '.join(PARTED)}.")
        for name in NAMES if figure == "all" else (figure,):
            reason = _left_out(FIGURES[name], options) if figure == "all" else ""
            if reason:
                Journal(name).say(f"left out: {reason}")
                continue
            start = time.perf_counter()
            FIGURES[name].run(options)
            Journal(name).say(f"written to {options.to} after {time.perf_counter() - start:.0f} s")
    except SampleInfoError as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 1
    return 0


def _left_out(module: ModuleType, options: Options) -> str:
    """Why a figure cannot be among ``all``; empty if it can."""
    task = getattr(module, "TASK", None)
    if task is not None and not data.is_there(task, options):
        return "there are no data (see --data)"
    return str(module.hindrance(options)) if hasattr(module, "hindrance") else ""


def _parser() -> argparse.ArgumentParser:
    figures = "\n".join(f"  {name:12} {module.HELP}" for name, module in FIGURES.items())
    folders = "\n".join(f"  {name:12} {words}" for name, words in data.FOLDERS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reproduce",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="The paper's figures, made again with this package.",
        epilog=f"figures:\n{figures}\n  {'all':12} all of them\n\nfolders that DIR of --data may hold:\n{folders}",
    )
    parser.add_argument("figure", choices=(*NAMES, "all"), metavar="FIGURE", help="see below")
    parser.add_argument("--quick", action="store_true", help="sizes of minutes instead of hours")
    for name, words in (
        ("train", "training images"), ("validation", "validation images"), ("steps", "steps of gradient descent"),
        ("removals", "samples left out for real"), ("segments", "segments of the recorded run"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=_positive, metavar="N", help=words)
    parser.add_argument("--lr", type=float, help="learning rate on the mean loss; a quarter of the largest stable one")
    parser.add_argument("--ridge", type=float, help="pull towards the initial weights, on the summed loss")
    parser.add_argument("--seed", type=int, default=0, help="of splits, initial weights and draws (0)")
    parser.add_argument("--setting", action="append", dest="settings", metavar="NAME",
                        help="one part of the figure, may be repeated; all that the data allow")  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of images that do not come with the package")
    parser.add_argument(
        "--to", type=Path, default=Options.to, metavar="DIR", help=f"folder of the reports ({Options.to})"
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


if __name__ == "__main__":
    sys.exit(main())
