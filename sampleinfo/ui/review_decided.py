"""What was decided on the Review page: the table of verdicts, taking it away, and scoring the corrected data set."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import exports
from sampleinfo.decisions import DROP, RELABEL, Action, Verdict
from sampleinfo.reports.review import with_verdicts
from sampleinfo.store import Run
from sampleinfo.types import IntArray
from sampleinfo.ui.review_corrected import corrected
from sampleinfo.ui.review_words import made_by, tally
from sampleinfo.ui.tables import page_of, pages
from sampleinfo.ui.takeaway import MIME, file_name, take_away
from sampleinfo.ui.words import count

#: Lines of the table that are seen at once, in pixels, and how many it takes before it scrolls.
HEIGHT, WHOLE = 320, 8
KINDS = {".csv": "CSV", ".parquet": "Parquet", ".json": "JSON"}


def decided(run: Run, images: pd.DataFrame, verdicts: Mapping[str, Verdict], history: Sequence[Action]) -> None:
    """Below the queue."""
    st.subheader("What you decided", anchor=False)
    if not verdicts:
        st.info(
            "**Nothing yet.** Every answer is kept at once and belongs to the data set: every run on it has the same "
            "ones. Here they can be taken away, and the corrected data set be scored."
        )
        _take_review(run, images, verdicts)
        return
    table = verdict_table(images, verdicts, made_by(verdicts, history))
    st.caption(f"{count(len(verdicts), 'image')} of this data set: {tally(verdicts.values())}.")
    st.dataframe(
        page_of(table, "verdicts"), hide_index=True, key="review-verdicts",
        height="auto" if len(table) <= WHOLE else HEIGHT,
        column_config={"at": st.column_config.DatetimeColumn("at (UTC)", format="YYYY-MM-DD HH:mm")},
    )  # fmt: skip
    pages(table, "verdicts")
    with st.container(key="review-results"):
        left, right = st.columns(2, gap="medium")
        with left, st.container(border=True):
            st.markdown("**Take it away**")
            _take_review(run, images, verdicts)
            rows = kept_rows(images, verdicts)
            st.caption(_corrected_words(images, verdicts, len(rows)))
            take_away(run, rows, "Corrected data set", "review-away")
        with right, st.container(border=True):
            corrected(run, images, verdicts)


def verdict_table(
    images: pd.DataFrame, verdicts: Mapping[str, Verdict], made: Mapping[str, Action]
) -> pd.DataFrame:  # fmt: skip
    """A line per verdict, the newest first: image, given label, new label, verdict, who gave it and when.

    ``made``: the edits that gave them, where these are known. Images that the run does not have come last.
    """
    given = dict(zip(images["sample_id"], images["class_name"], strict=True))
    names, by = list(verdicts), [made.get(name) for name in verdicts]
    at = [None if each is None else each.at.replace(tzinfo=None) for each in by]
    table = pd.DataFrame({
        "image": names, "given": [given.get(name, "not in this run") for name in names],
        "verdict": [each.kind for each in verdicts.values()],
        "new label": [each.class_name or "" for each in verdicts.values()],
        "by": ["" if each is None else each.author for each in by], "at": np.array(at, dtype="datetime64[us]"),
    })  # fmt: skip
    order = pd.DataFrame({"gone": ~table["image"].isin(list(given)), "at": table["at"], "image": table["image"]})
    places = order.sort_values(["gone", "at", "image"], ascending=[True, False, True], kind="stable").index
    return table.loc[places].reset_index(drop=True)


def kept_rows(images: pd.DataFrame, verdicts: Mapping[str, Verdict]) -> IntArray:
    """Rows of the training images that are not dropped."""
    gone = [name for name, each in verdicts.items() if each.kind == DROP]
    return np.flatnonzero(~images["sample_id"].isin(gone).to_numpy()).astype(np.int64)


def _corrected_words(images: pd.DataFrame, verdicts: Mapping[str, Verdict], kept: int) -> str:
    here = set(images["sample_id"])
    new = sum(each.kind == RELABEL and name in here for name, each in verdicts.items())
    return (
        f"The corrected data set: {count(kept, 'training image')} with {count(new, 'new label')}; {len(images) - kept} "
        "dropped."
    )


def _take_review(run: Run, images: pd.DataFrame, verdicts: Mapping[str, Verdict]) -> None:
    """The table of the review, in three formats."""
    st.caption(f"The review: all {count(len(images), 'training image')} with evidence, verdict and new class.")
    with st.popover("Take away the review", icon=":material/table:", key="review-table"):
        for suffix, title in KINDS.items():
            st.download_button(
                title, lambda suffix=suffix: review_file(images, verdicts, suffix),  # type: ignore[misc]
                f"{file_name(f'review of {run.title}')}{suffix}", MIME.get(suffix), key=f"review-download{suffix}",
                on_click="ignore", icon=":material/download:", width="stretch",
            )  # fmt: skip


def review_file(images: pd.DataFrame, verdicts: Mapping[str, Verdict], suffix: str) -> bytes:
    """The review as a file with this ending: one row per training image, with verdict and new class."""
    with tempfile.TemporaryDirectory(prefix="sampleinfo-") as folder:
        path = Path(folder, f"review{suffix}")
        exports.write(with_verdicts(images, verdicts), path)
        return path.read_bytes()
