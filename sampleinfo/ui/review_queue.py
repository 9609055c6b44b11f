"""The queue of the Review page: in which order images come, which is looked at, and which comes next.

What is looked at is in the address (``sample``), so that a reload and a link show the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo.decisions import Verdict
from sampleinfo.reports.review import CAUSES
from sampleinfo.store import Run
from sampleinfo.types import IntArray
from sampleinfo.ui.words import plain

SAMPLE = "sample"
WAITING, EVERY, JUDGED = SHOWN = ("Not yet judged", "All", "Judged")
#: Images in a queue unless another number is asked for.
LENGTH = 50


@dataclass(frozen=True, eq=False)
class Queue:
    """The images to be judged, the most suspicious first.

    ``ids``: of the first images of the ranking, as many as were asked for; ``total``: how many the ranking has.
    ``verdicts``: of every image of the data set that has one. ``show``: one of ``SHOWN``.
    """

    ids: tuple[str, ...]
    total: int
    verdicts: Mapping[str, Verdict]
    show: str = WAITING

    @cached_property
    def judged(self) -> int:
        """How many of the images have a verdict."""
        return sum(each in self.verdicts for each in self.ids)

    @cached_property
    def shown(self) -> list[str]:
        """The images that are listed."""
        if self.show == EVERY:
            return list(self.ids)
        return [each for each in self.ids if (each in self.verdicts) == (self.show == JUDGED)]

    def first(self) -> str | None:
        """The image to begin with; None where there is none left."""
        return next(iter(self.shown), None)

    def after(self, current: str) -> str | None:
        """The image that comes when ``current`` has been judged: the next without a verdict, at the end from the start.

        Where judged images are listed, the next of these.
        """
        if self.show == JUDGED:
            return self.beside(current, 1)
        start = self.ids.index(current) + 1 if current in self.ids else 0
        return next((e for e in self.ids[start:] + self.ids[:start] if e not in self.verdicts and e != current), None)

    def beside(self, current: str, step: int) -> str | None:
        """The listed image before (-1) or after (1) this one; None at the end."""
        if current not in self.shown and current not in self.ids:
            return self.first() if step > 0 else None
        place = self.ids.index(current)
        ways = self.ids[place + 1 :] if step > 0 else self.ids[:place][::-1]
        listed = set(self.shown)
        return next((each for each in ways if each in listed), None)

    def around(self, current: str | None, before: int, size: int) -> list[str]:
        """At most ``size`` of the listed images, ``before`` of them before the current one."""
        if current is None or current not in self.ids:
            return self.shown[:size]
        listed, place = set(self.shown) | {current}, self.ids.index(current)
        early = [each for each in self.ids[:place] if each in listed]
        return (early[-before:] + [each for each in self.ids[place:] if each in listed])[:size]


def ranking(run: Run, images: pd.DataFrame, by: str, class_name: str | None) -> IntArray:
    """Rows of ``images``, the most suspicious first; equal ones in their order.

    ``by``: a cause, or the name of a score of the run, whose largest values come first. ``class_name``: images with
    this label only; None: all.
    """
    if by in CAUSES:
        order = np.argsort(images[CAUSES[by].rank].to_numpy(), kind="stable")
    else:
        values = run.column(by).to_numpy(dtype=np.float64)[: len(images)]
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    if class_name is not None:
        order = order[(images["class_name"] == class_name).to_numpy()[order]]
    return np.asarray(order, dtype=np.int64)


def current_of(queue: Queue, known: Collection[str]) -> str | None:
    """The image named in the address; the first one of the queue where none is named, or one that is not ``known``."""
    wanted = st.query_params.get(SAMPLE)
    if wanted is None:
        return queue.first()
    if wanted not in known:
        st.warning(f"This run has no training image called {plain(repr(wanted))}.", icon=":material/warning:")
        return queue.first()
    return wanted


def look_at(sample_id: str | None) -> None:
    """Look at this image; None: at the first one of the queue."""
    if sample_id is None:
        st.query_params.pop(SAMPLE, None)
    else:
        st.query_params[SAMPLE] = sample_id
