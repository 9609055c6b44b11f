"""The command line: arguments in, words out. Every error is one sentence and a non-zero exit code."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sampleinfo import (
    cli_classes,
    cli_data,
    cli_review,
    cli_runs,
    cli_score,
    cli_sources,
    cli_stress,
    cli_summarize,
    cli_validate,
    cli_what_if,
    processes,
)
from sampleinfo.console import INTERRUPTED
from sampleinfo.errors import InvalidSetting, SampleInfoError

APP = Path(__file__).resolve().parents[1] / "app.py"


class _Parser(argparse.ArgumentParser):
    """One sentence instead of the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See '{self.prog} --help'.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    args = _parser().parse_args(argv)
    try:
        with processes.interruptible():
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
    cli_score.add(commands.add_parser("score", help="compute the scores of a data set and keep them as a run"))
    for name, action, words in (
        ("datasets", cli_data.list_datasets, "the data sets that are built in, and the formats that are read"),
        ("models", cli_data.list_models, "the pre-trained networks"),
    ):
        commands.add_parser(name, help=words).set_defaults(run=action)
    for name, add, words in (
        ("runs", cli_runs.add_runs, "the finished runs; copy one to an object store and back"),
        ("check", cli_data.add_check, "read every image of a data set and say what is wrong with it"),
        ("show", cli_runs.add_show, "the most and least informative images of a run"),
        ("export", cli_runs.add_export, "write the table of a run to a file"),
        ("classes", cli_classes.add, "which classes need more images, and which groups inside them"),
        ("review", cli_review.add, "which training images look mislabeled, corrupted or adversarial, and the evidence"),
        ("sources", cli_sources.add, "which source of a run is worth more, and what each teaches the others"),
        ("stress", cli_stress.add, "plant errors into a copy of a run's data and say which scores find them"),
        ("summarize", cli_summarize.add, "compare strategies for smaller sets, choose one and take it away"),
        ("validate", cli_validate.add, "retrain for real and say how true a run's scores are"),
        ("what-if", cli_what_if.add, "predict a finished run with other training images or labels"),
    ):
        add(commands.add_parser(name, help=words))
    app = commands.add_parser("app", help="open the dashboard on this machine")
    app.add_argument("--port", type=int, default=8501)
    app.set_defaults(run=_app)
    job = commands.add_parser("job", help="the process of a background job (started by the dashboard)")
    job.add_argument("folder", type=Path)
    job.set_defaults(run=_job)
    return parser


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
    command = [sys.executable, "-m", "sampleinfo.ui.serve", str(APP), "--server.port", str(args.port),
               "--server.address", "localhost", "--server.headless", "true"]  # fmt: skip
    os.chdir(APP.parent)
    os.execv(sys.executable, command)


def _job(args: argparse.Namespace) -> int:
    from sampleinfo import jobs

    return jobs.work(args.folder)
