"""Reports: a Markdown page with tables and pictures, and the raw numbers beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import table
from benchmarks.reproduction.options import Options
from benchmarks.reproduction.paper import SOURCE
from sampleinfo.evaluation import evaluate
from sampleinfo.linearized import Fit


@dataclass(frozen=True)
class Table:
    """Rows of text under column names."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True)
class Page:
    """One figure's report; ``parts`` are paragraphs and tables in their order, ``pictures`` come where they are named.

    ``numbers`` is what the JSON file holds.
    """

    figure: str
    title: str
    parts: Sequence[str | Table]
    numbers: Mapping[str, Any]
    pictures: Mapping[str, Figure] = field(default_factory=dict)


def stem(figure: str, options: Options) -> str:
    """Name of a report's files without the suffix."""
    return f"{figure}-quick" if options.quick else figure


def picture(figure: str, name: str, options: Options) -> str:
    """File name of a picture."""
    return f"{stem(figure, options)}-{name}.png"


def command(figure: str, options: Options) -> str:
    """What to type to make the page again; DIR stands for the folder of data."""
    values = {
        name: getattr(options, name)
        for name in ("train", "validation", "steps", "removals", "segments", "lr", "ridge", "seed")
    }
    given = [
        f" --{name} {value}" for name, value in values.items() if value is not None and (name, value) != ("seed", 0)
    ]
    flags = " --quick" * options.quick + "".join(given) + " --data DIR" * (options.data is not None)
    return f"python -m benchmarks.reproduce {figure}{flags}"


def write(page: Page, options: Options) -> Path:
    """Write a report and its pictures; the path of the Markdown file."""
    options.to.mkdir(parents=True, exist_ok=True)
    for name, drawn in page.pictures.items():
        drawn.savefig(options.to / picture(page.figure, name, options), dpi=130, facecolor="white")
    name = stem(page.figure, options)
    (options.to / f"{name}.json").write_text(json.dumps({"figure": page.figure, **page.numbers}, indent=1) + "\n")
    text = [f"# {page.title}", *map(str, page.parts), f"The paper: {SOURCE}. Raw numbers: [{name}.json]({name}.json)."]
    text.append(f"Made by `{command(page.figure, options)}`; `--help` lists what can be set.")
    path = options.to / f"{name}.md"
    path.write_text("\n\n".join(text) + "\n")
    return path


def settings_of(figure: str, options: Options) -> dict[str, Any]:
    """The settings that the figure's JSON file holds; none where there is no file."""
    path = options.to / f"{stem(figure, options)}.json"
    return dict(json.loads(path.read_text())["settings"]) if path.exists() else {}


def facts() -> dict[str, Any]:
    """Machine and versions."""
    return {**table.machine(), "matplotlib": metadata.version("matplotlib")}


def machine_and_times(numbers: Mapping[str, Any]) -> str:
    """A paragraph on the machine, the seed and the wall times in ``numbers``."""
    times = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in numbers["seconds"].items())
    return f"Machine: {table.described(numbers['machine'])}. Seed {numbers['seed']}. Wall times: {times}."


def image(figure: str, name: str, options: Options, words: str) -> str:
    """The picture inside the page."""
    return f"![{words}]({picture(figure, name, options)})"


def sections(figure: str, numbers: Mapping[str, Mapping[str, Any]], options: Options, words: str) -> list[str]:
    """For each data set its heading, how it was trained and where, and its picture of ``words``."""
    return [
        part
        for name, found in numbers.items()
        for part in (
            f"## {name}", f"Trained {found['trained']}. {machine_and_times(found)}",
            image(figure, name, options, f"{words} of {name}"),
        )
    ]  # fmt: skip


def between(low: float, high: float, digits: int = 3) -> str:
    """An interval."""
    return f"[{low:.{digits}g}, {high:.{digits}g}]"


def accuracy(fit: Fit) -> float:
    """Share of the validation images that the linearized network predicts rightly."""
    return evaluate(fit).overall.accuracy
