"""Which sets are compared, and under which mark.

Which ones is in the address (``compare=set:NAME``, ``compare=strategy:NAME:SIZE``, one for each), so that a reload and
a link show the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from sampleinfo import figures
from sampleinfo.decisions import Book
from sampleinfo.errors import SampleInfoError
from sampleinfo.evaluation import Evaluation
from sampleinfo.reports.strategies import STRATEGIES
from sampleinfo.store import Run
from sampleinfo.types import IntArray
from sampleinfo.ui import desks, sets
from sampleinfo.ui.words import count, plain

MOST = 4
ADDRESS, SET, STRATEGY = "compare", "set:", "strategy:"


@dataclass(frozen=True, eq=False)
class Compared:
    """One of the sets: its title, the place that decides its colour and mark, its training images in order.

    ``held``: how many images it has, in this run or not; ``reached``: with them alone, or None and ``reason``.
    """

    title: str
    place: int
    rows: IntArray
    held: int
    reached: Evaluation | None
    reason: str = ""

    @property
    def label(self) -> str:
        """Its title behind its mark, which no other one has."""
        return f"{figures.SET_MARKS[self.place]} {self.title}"


def understood(values: Sequence[str], names: Collection[str], n: int) -> tuple[list[str], list[str]]:
    """Of what an address asks for: what can be compared, each once, and in words what cannot.

    Args:
        values: ``set:NAME`` or ``strategy:NAME:SIZE``; anything else is taken for the name of a set.
        names: the sets there are.
        n: the training images there are.
    """
    tokens, unknown = [], []
    for value in filter(None, values):
        name, _, size = value.removeprefix(STRATEGY).rpartition(":")
        if not value.startswith(STRATEGY):
            name = value if value in names else value.removeprefix(SET)
            tokens += [SET + name] if name in names else []
            unknown += [] if name in names else [f"There is no set called {name!r}."]
        elif name not in STRATEGIES:
            unknown.append(f"There is no strategy called {name or size!r}.")
        elif not (size.isdecimal() and len(size) < 10 and 1 <= int(size) <= n):
            unknown.append(f"A strategy keeps between 1 and {n} images here, not {size!r}.")
        else:
            tokens.append(f"{STRATEGY}{name}:{int(size)}")
    tokens = list(dict.fromkeys(tokens))
    if len(tokens) > MOST:
        unknown.append(f"Only the first {MOST} of {len(tokens)} are compared.")
    return tokens[:MOST], list(dict.fromkeys(unknown))


def title(token: str) -> str:
    """What is asked for, for people."""
    if token.startswith(SET):
        return token.removeprefix(SET)
    name, _, size = token.removeprefix(STRATEGY).rpartition(":")
    return f"{STRATEGIES[name].title}, {count(int(size), 'image')}"


def places(tokens: Sequence[str], before: Mapping[str, int]) -> dict[str, int]:
    """A place for each of them, below ``MOST``; who had one ``before`` keeps it."""
    kept = {token: before[token] for token in tokens if token in before}
    free = (place for place in range(MOST) if place not in kept.values())
    return {token: kept[token] if token in kept else next(free) for token in tokens}


def choose(run: Run, names: Sequence[str]) -> list[str]:
    """The control, and what is said of names in the address that mean nothing."""
    n, key = int(run.meta["sizes"]["train"]), f"compare-{run.id}"
    tokens, unknown = understood(_asked(run, names), names, n)
    ready = [f"{STRATEGY}{name}:{budget(run)}" for name in STRATEGIES]
    st.session_state[key] = tokens
    st.multiselect(
        "Sets to compare", list(dict.fromkeys([*(SET + name for name in names), *ready, *tokens])),
        max_selections=MOST, key=key, placeholder=f"Choose up to {MOST}", format_func=title,
        on_change=lambda: keep(run, st.session_state[key]),
        help="Your own sets, and what strategies keep for the budget on *Strategies*. The choice is in the address.",
    )  # fmt: skip
    if unknown:
        st.warning(f"{' '.join(plain(each) for each in unknown)} Choose others above.", icon=":material/help:")
    return tokens


def budget(run: Run) -> int:
    """How many images the strategies keep: the budget of their tab, else a tenth."""
    return int(st.session_state.get(f"budget-{run.id}") or max(1, round(0.1 * int(run.meta["sizes"]["train"]))))


def _asked(run: Run, names: Sequence[str]) -> list[str]:
    """What the address asks for; else what was compared before on another page and back, else the first sets."""
    values = st.query_params.get_all(ADDRESS)
    if values:
        st.session_state[f"compared-{run.id}"] = values
        return values
    before: list[str] | None = st.session_state.get(f"compared-{run.id}")
    if before is None:
        return [SET + name for name in names[:MOST]]
    keep(run, before)
    return before


def keep(run: Run, tokens: Sequence[str]) -> None:
    """Put what is compared into the address; nothing at all is a choice as well."""
    st.session_state[f"compared-{run.id}"] = st.query_params[ADDRESS] = list(tokens) or [""]


def compared(run: Run, book: Book, tokens: Sequence[str]) -> list[Compared]:
    """The images of what is compared. A set keeps its mark while others come and go.

    Raises:
        SampleInfoError: a set was deleted just now, or the decisions or the run cannot be read.
    """
    place = places(tokens, st.session_state.get(f"places-{run.id}", {}))
    st.session_state[f"places-{run.id}"] = place
    found = []
    for token in tokens:
        if token.startswith(SET):
            ids = book.members(token.removeprefix(SET))
            rows, held = sets.members_of(run.table(sets.KNOWN), ids).rows, len(ids)
        else:
            name, _, size = token.removeprefix(STRATEGY).rpartition(":")
            rows, held = desks.summary(run, name, int(size)), int(size)
        found.append(_judged(run, Compared(title(token), place[token], rows, held, None)))
    return found


def _judged(run: Run, each: Compared) -> Compared:
    """The same with what is reached; a set that nothing can be said of says why, and the others are not held up."""
    if not len(each.rows):
        return replace(each, reason="No image of this set is in this run." if each.held else "This set is empty.")
    try:
        return replace(each, reached=desks.alone(run, each.rows))
    except SampleInfoError as error:
        return replace(each, reason=str(error))
