"""The first tab of the Review page: the queue, one image with its evidence, five answers, and what was decided."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sampleinfo.config import NOTHING
from sampleinfo.errors import SampleInfoError
from sampleinfo.reports.analysis import Tables
from sampleinfo.reports.review import CAUSES, evidence_for
from sampleinfo.store import Run, config_of
from sampleinfo.ui import sets
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.review_answers import Shown, answers, moves, way_back
from sampleinfo.ui.review_decided import decided
from sampleinfo.ui.review_evidence import PICTURE, evidence, opened, picture
from sampleinfo.ui.review_keys import keys
from sampleinfo.ui.review_queue import JUDGED, LENGTH, SHOWN, WAITING, Queue, current_of, look_at, ranking
from sampleinfo.ui.review_words import short_verdict, tally
from sampleinfo.ui.sets import WayBack
from sampleinfo.ui.words import count, plain

#: The fragment that is drawn anew with every answer; the gallery of the queue, and its tiles.
DESK, STRIP, BEFORE, TILES, TILE = "review-desk", "review-queue", 3, 30, 52
RANK, CLASS, SHOW, QUEUE = "rank", "only", "listed", "queue"
#: Edits that are searched for who gave a verdict and when.
REMEMBERED = 2000
ALL = "All classes"
KEYS = (
    "**K** keep · **R** relabel as suggested · **D** drop · **U** unsure  \n**Z** or **Ctrl+Z** undo · **N** or **→** "
    "next · **P** or **←** previous  \nWith more than two classes a digit relabels: the keys are on the buttons.  \n"
    "A key pressed in a text field does nothing here, and an image that is out of view is shown before it is judged."
)
RANK_HELP = "What makes an image come first. " + " ".join(
    f"**{each.title}:** {each.words}" for each in CAUSES.values()
)  # fmt: skip


@st.fragment(key=DESK)
def desk(run: Run, tables: Tables) -> None:
    """The whole of it; an answer draws only this part of the page anew, and so does an edit of somebody else."""
    sets.watch(run, _drawn(run, tables), DESK)


def _drawn(run: Run, tables: Tables) -> int | None:
    """Draw it; up to which edit of anybody, or None where the decisions cannot be read."""
    images = tables["images"]
    if is_planted(run):
        st.info(
            "**Errors were planted into this run** to see which scores find them. Verdicts are about the data set as "
            "it is and cannot be given here; see the tab *Stress test*, or choose the run without planted errors."
        )
        return sets.revision_of(run)
    revision = sets.revision_of(run)  # before all else: what is edited meanwhile is drawn the next time
    with st.container(horizontal=True, vertical_alignment="bottom", key="review-controls"):
        controls = _controls(run, images)
        place = st.container(width="stretch", key="review-progress")
    try:
        queue, way = _known(run, images, *controls)
    except SampleInfoError as error:
        sets.trouble()
        st.error(plain(error), icon=":material/error:")
        return revision
    sets.others(run, way.history, revision)
    opened(STRIP, "review-given", "review-suggested")
    with place:
        _progress(queue)
    current = current_of(queue, set(images["sample_id"]))
    _strip(run, queue, current)
    sets.trouble()
    if current is None:
        _nothing_left(queue, len(images))
        _back(run, way)
    else:
        _image(run, tables, queue, way, current, f"{revision} {current}", " ".join(map(str, controls)))
    decided(run, images, queue.verdicts, way.history)
    return revision


def is_planted(run: Run) -> bool:
    """Whether the run was made of a copy of its data set with planted errors."""
    return config_of(run).plant != NOTHING


def _known(
    run: Run, images: pd.DataFrame, by: str, class_name: str | None, show: str, length: int
) -> tuple[Queue, WayBack]:
    book = sets.book_of(run)
    order = ranking(run, images, by, class_name)
    ids = tuple(images["sample_id"].to_numpy()[order[:length]])
    way = WayBack(book.history(REMEMBERED), book.next_undo(), book.next_redo())
    return Queue(ids, len(order), book.verdicts(), show), way


def _controls(run: Run, images: pd.DataFrame) -> tuple[str, str | None, str, int]:
    """By what images are ranked, of which class, which of them are listed, and how many are to be judged."""
    causes = {each.name: each.title for each in CAUSES.values()}
    scores = {name: f"Score: {score.title}" for name, score in run.scores.items()}
    titles, classes = causes | scores, [ALL, *(str(each) for each in run.meta["dataset"]["class_names"])]
    by = st.selectbox(
        "Rank by", list(titles), format_func=titles.__getitem__, key=RANK, bind="query-params", width=250,
        help=RANK_HELP + " A score ranks its largest values first.", on_change=look_at, args=(None,),
    )  # fmt: skip
    class_name = st.selectbox(
        "Given label", classes, key=CLASS, bind="query-params", width=200, on_change=look_at, args=(None,),
        help="Only images with this label.",
    )  # fmt: skip
    show = st.segmented_control(
        "Show", SHOWN, default=WAITING, key=SHOW, required=True, bind="query-params", on_change=look_at,
        args=(None,),
    )  # fmt: skip
    length = st.number_input(
        "Queue length", 1, len(images), min(LENGTH, len(images)), key=QUEUE, bind="query-params", width=130,
        help="How many images of the ranking are to be judged, the most suspicious first.",
    )  # fmt: skip
    with st.popover("Keys", icon=":material/keyboard:", key="review-help"):
        st.markdown(KEYS)
    return str(by), None if class_name == ALL else str(class_name), str(show), int(length or LENGTH)


def _progress(queue: Queue) -> None:
    """How far the queue is judged, and how."""
    size = len(queue.ids)
    if not size:
        return
    words = tally(queue.verdicts[each] for each in queue.ids if each in queue.verdicts)
    st.progress(queue.judged / size, f"**{queue.judged} of {size} judged**" + (f" · {words}" if words else ""))


def _strip(run: Run, queue: Queue, current: str | None) -> None:
    """The images around the current one."""
    ids = queue.around(current, BEFORE, TILES)
    if not ids:
        return
    rows = [int(each) for each in pd.Index(run.column("sample_id")).get_indexer(pd.Index(ids))]
    places = {each: place for place, each in enumerate(queue.ids, 1)}
    notes = [short_verdict(queue.verdicts.get(each)) or f"{places[each]}" for each in ids]
    gallery(run, rows, notes, key=STRIP, label="Queue", opened=current or "", tile=TILE, row=True)


def _nothing_left(queue: Queue, n: int) -> None:
    """What to do where no image is listed."""
    if not queue.total:
        st.info("No training image has this label in this run. Choose another one above.")
    elif queue.show == JUDGED:
        st.info("None of the images of this queue is judged yet. Choose *Not yet judged* above to begin.")
    elif queue.show == WAITING and queue.judged == len(queue.ids):
        more = min(LENGTH, queue.total - len(queue.ids))
        st.success(
            f"**All {count(len(queue.ids), 'image')} of this queue {'is' if len(queue.ids) == 1 else 'are'} judged.** "
            "What you decided is below: take it away, or score the corrected data set.",
            icon=":material/check_circle:",
        )
        if more > 0:
            st.button(
                f"Go on with the next {more}" if more > 1 else "Go on with the next one", key="review-more",
                icon=":material/arrow_forward:", on_click=_lengthen, args=(min(n, len(queue.ids) + more),),
            )  # fmt: skip


def _back(run: Run, way: WayBack) -> None:
    """The way back from there."""
    with st.container(horizontal=True, key="review-moves", gap="xsmall"):
        buttons = way_back(run, way)
    sets.last_edit(way)
    keys(buttons, PICTURE, str(way.history[0].revision if way.history else 0), "")


def _lengthen(length: int) -> None:
    st.session_state[QUEUE] = length


def _image(
    run: Run, tables: Tables, queue: Queue, way: WayBack, current: str, drawn: str, scope: str
) -> None:  # fmt: skip
    """The image that is looked at, what speaks for and against its label, and the answers."""
    row, neighbours = evidence_for(tables, current)
    shown = Shown.of(tables["images"], current, queue.verdicts.get(current))
    with st.container(key="review-halves"):
        left, right = st.columns([5, 6], gap="medium")
        with left:
            picture(run, shown, row)
            buttons = answers(run, queue, shown)
            buttons |= moves(run, queue, shown, way)
            sets.last_edit(way)
        with right:
            evidence(run, shown, row, neighbours)
    keys(buttons, PICTURE, drawn, scope)
