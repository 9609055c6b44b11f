"""The command that predicts a run with other training images or labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sampleinfo import store
from sampleinfo.console import print_table
from sampleinfo.errors import StorageError


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("reference", metavar="RUN", help="id of a run, or its folder")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--without", action="store_true", help="leave these images out")
    which.add_argument("--keep", action="store_true", help="train on these images alone")
    which.add_argument("--relabel", metavar="CLASS", help="give these images another label")
    parser.add_argument("images", nargs="+", metavar="ID", help="sample ids, or @FILE with one on each line")
    parser.set_defaults(run=_what_if)


def _what_if(args: argparse.Namespace) -> None:
    from sampleinfo import whatif, whatif_primal

    run, images = store.open_run(args.reference), _ids(args.images)
    ask = whatif_primal if whatif_primal.answers(run) else whatif
    if args.relabel is not None:
        answer, words = ask.relabel(run, images, args.relabel), f"{len(images)} images labelled {args.relabel}"
    elif args.keep:
        answer, words = ask.keep(run, images), f"only these {len(images)} images"
    else:
        answer, words = ask.without(run, images), f"without {len(images)} images"
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
