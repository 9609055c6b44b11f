"""The answers of the Review page: five buttons with keys, what they do, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.decisions import DROP, KEEP, RELABEL, UNSURE, Action, Book, Verdict
from sampleinfo.reports.review import HELD_OUT
from sampleinfo.store import Run
from sampleinfo.ui import sets
from sampleinfo.ui.review_queue import Queue, look_at
from sampleinfo.ui.review_words import cut, verdict_words
from sampleinfo.ui.sets import WayBack
from sampleinfo.ui.words import plain

#: Classes up to which each has a key of its own; of more, the likeliest nine have one.
FEW, NINE = 10, 9
#: Letters of a class on a button.
NAME = 18
#: The kinds of edits that are made here; others are undone where they were made.
JUDGE = "judge"
ARROWS = {-1: "left", 1: "right"}


@dataclass(frozen=True)
class Shown:
    """The image that is looked at: its row in the run, id, given and suggested class, and its verdict."""

    row: int
    sample_id: str
    given: str
    suggested: str
    verdict: Verdict | None

    @classmethod
    def of(cls, images: pd.DataFrame, sample_id: str, verdict: Verdict | None) -> Shown:
        """One image of the report; its rows are those of the run."""
        row = int(np.flatnonzero((images["sample_id"] == sample_id).to_numpy())[0])
        found = images.iloc[row]
        return cls(row, sample_id, str(found["class_name"]), str(found["suggested"]), verdict)


def answers(run: Run, queue: Queue, shown: Shown) -> dict[str, str]:
    """The buttons; of each key the button that it presses."""
    following = queue.after(shown.sample_id)

    def answer(label: str, icon: str, verdict: Verdict, kind: str, help_: str) -> str:
        key = f"{kind}-{shown.row}"
        st.button(
            label, key=key, icon=icon, help=help_, on_click=_judge, args=(run, shown, verdict, following),
            type="primary" if verdict == shown.verdict else "secondary",
        )  # fmt: skip
        return key

    with st.container(horizontal=True, key="review-answers", gap="small"):
        found = {
            "k": answer(_label("Keep", "K"), ":material/check:", Verdict(KEEP), KEEP,
                        f"The label {plain(shown.given)} is right."),
            "r": answer(
                _label(f"Relabel to {plain(cut(shown.suggested, NAME))}", "R"), ":material/label:",
                Verdict(RELABEL, shown.suggested), RELABEL,
                f"Relabel: the right class is {plain(shown.suggested)}, the best other class by the network that has "
                "not seen the image.",
            ),
            "d": answer(_label("Drop", "D"), ":material/delete:", Verdict(DROP), DROP,
                        "Leave this image out of the corrected data set."),
            "u": answer(_label("Unsure", "U"), ":material/question_mark:", Verdict(UNSURE), UNSURE,
                        "Somebody else should look at it. Nothing changes in the data set."),
        }  # fmt: skip
    return found | _other_classes(run, shown, following)


def _label(words: str, key: str) -> str:
    return f"{words} :gray-badge[{key}]"


def _other_classes(run: Run, shown: Shown, following: str | None) -> dict[str, str]:
    """Every other class: with a key where there are few, in a list in any case where there are many."""
    names = [str(each) for each in run.meta["dataset"]["class_names"]]
    if len(names) == 2:
        return {}
    keyed, found = class_keys(names, _outputs(run, shown.row)), {}
    with st.container(horizontal=True, key="review-classes", gap="xsmall", vertical_alignment="center"):
        st.caption("Relabel to", width="content")
        for digit, name in keyed.items():
            key = f"class{digit}-{shown.row}"
            own = name == shown.given
            verdict = Verdict(KEEP) if own else Verdict(RELABEL, name)
            st.button(
                f"{plain(cut(name, NAME))}" + ("" if name == digit else f" :gray-badge[{digit}]"), key=key,
                type="primary" if verdict == shown.verdict else "secondary",
                help=f"{plain(name)}: " + ("the given label, as Keep." if own else f"relabel. Key {digit}."),
                on_click=_judge, args=(run, shown, verdict, following),
            )  # fmt: skip
            found[digit] = key
        if len(names) > FEW:
            field = f"review-class-{shown.row}"
            st.selectbox(
                "Any class", names, index=None, key=field, placeholder="any class", label_visibility="collapsed",
                width=200, on_change=_judge_any, args=(run, shown, field, following),
            )  # fmt: skip
    return found


def class_keys(names: list[str], outputs: np.ndarray) -> dict[str, str]:
    """Of each digit the class it stands for.

    Classes that are digits are their own keys. Up to ten classes have the keys 1 to 9 and 0 in their order; of more,
    the nine with the largest outputs (k,) have the keys 1 to 9.
    """
    if all(len(each) == 1 and each in "0123456789" for each in names):
        return {each: each for each in names}
    if len(names) <= FEW:
        return {str((place + 1) % 10): name for place, name in enumerate(names)}
    order = np.argsort(-outputs, kind="stable")[:NINE]
    return {str(place + 1): names[label] for place, label in enumerate(order)}


def _outputs(run: Run, row: int) -> np.ndarray:
    return np.asarray(run.array(HELD_OUT)[row], dtype=np.float64)


def _judge_any(run: Run, shown: Shown, field: str, following: str | None) -> None:
    name = st.session_state[field]
    if name is not None:
        verdict = Verdict(KEEP) if name == shown.given else Verdict(RELABEL, str(name))
        _judge(run, shown, verdict, following)


def _judge(run: Run, shown: Shown, verdict: Verdict | None, following: str | None) -> None:
    """Carry out an answer; what has been seen before goes with it, so that nobody's verdict is overwritten unseen."""
    expected = {shown.sample_id: shown.verdict}
    if sets.edit(run, lambda book: book.judge([shown.sample_id], verdict, expected)):
        look_at(following)


def moves(run: Run, queue: Queue, shown: Shown, way: WayBack) -> dict[str, str]:
    """Undo, redo, and the ways to the images beside; of each key the button that it presses."""
    with st.container(horizontal=True, key="review-moves", gap="xsmall"):
        found = way_back(run, way)
        for label, icon, step, key in (
            ("Previous", ":material/arrow_back:", -1, "P"), ("Next", ":material/arrow_forward:", 1, "N"),
        ):  # fmt: skip
            there = queue.beside(shown.sample_id, step)
            st.button(
                _label(label, key), icon=icon, key=f"review-{label.lower()}", type="tertiary", disabled=there is None,
                on_click=look_at, args=(there,), help=f"Without an answer. Key {key}, or the arrow {ARROWS[step]}.",
            )  # fmt: skip
        if shown.verdict is not None:
            st.button(
                "Take the verdict back", key=f"take-back-{shown.row}", type="tertiary", icon=":material/backspace:",
                on_click=_judge, args=(run, shown, None, shown.sample_id),
                help=f"Decided so far: {plain(verdict_words(shown.verdict))}.",
            )  # fmt: skip
    ways = {"n": "review-next", "p": "review-previous"}
    return found | ways | {"ArrowRight": ways["n"], "ArrowLeft": ways["p"]}


def way_back(run: Run, way: WayBack) -> dict[str, str]:
    """Undo and redo; of each key the button that it presses."""
    _step_button(run, "Undo", "Z", ":material/undo:", way.back, Book.undo)
    _step_button(run, "Redo", "", ":material/redo:", way.again, Book.redo)
    return {"z": "review-undo", "undo": "review-undo", "redo": "review-redo"}


def _step_button(
    run: Run, label: str, key: str, icon: str, about: Action | None, step: Callable[[Book], Action | None]
) -> None:  # fmt: skip
    elsewhere = about is not None and about.kind != JUDGE
    words = (
        "nothing of yours is left" if about is None
        else f"your last edit was not made here ({plain(about.words)}). Undo it on Summaries" if elsewhere
        else plain(about.words[:1].lower() + about.words[1:])
    )  # fmt: skip
    st.button(
        _label(label, key) if key else label, icon=icon, key=f"review-{label.lower()}", type="tertiary",
        disabled=about is None or elsewhere, help=f"{label}: {words}", on_click=_step, args=(run, step),
    )  # fmt: skip


def _step(run: Run, step: Callable[[Book], Action | None]) -> None:
    """Undo or redo; the image that it was about is looked at, and what happened is said."""

    def change(book: Book) -> None:
        before = book.verdicts()
        action = step(book)
        if action is not None:
            st.toast(plain(action.words), icon=":material/undo:")
            _follow(before, book.verdicts())

    sets.edit(run, change)


def _follow(before: Mapping[str, Verdict], now: Mapping[str, Verdict]) -> None:
    changed = [each for each in dict.fromkeys([*before, *now]) if before.get(each) != now.get(each)]
    if changed:
        look_at(changed[0])
