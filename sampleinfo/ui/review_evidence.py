"""One image of the Review page: its picture, and the evidence for and against its label."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import pandas as pd
import streamlit as st

from sampleinfo import figures, store
from sampleinfo.reports.class_words import short_interval
from sampleinfo.reports.review import CAUSES, GIVEN, SUGGESTED
from sampleinfo.reports.review_words import EFFECT, MARGIN
from sampleinfo.store import Run
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.review_answers import Shown
from sampleinfo.ui.review_queue import look_at
from sampleinfo.ui.review_words import cut, right_words, verdict_words
from sampleinfo.ui.words import plain

#: Pixels of the picture at most, and of a neighbour's; letters of a class name in a line.
SIDE, TILE, NAME = 320, 64, 40
PICTURE = "review-picture"
COLOURS = {"keep": "green", "relabel": "blue", "drop": "red", "unsure": "orange"}


def picture(run: Run, shown: Shown, row: pd.Series) -> None:
    """The image, large, and what it is."""
    webp, height, width = run.picture(shown.row)
    crisp = max(height, width) < SIDE
    with st.container(key=PICTURE, gap="xsmall"):
        st.html(
            f'<img alt="{html.escape(shown.sample_id)}" style="width:100%;max-width:{SIDE}px;aspect-ratio:1;'
            f"object-fit:contain;background:#000;border-radius:6px;display:block;"
            f'image-rendering:{"pixelated" if crisp else "auto"}" '
            f'src="data:image/webp;base64,{base64.b64encode(webp).decode()}">'
        )
        st.caption(f"{plain(cut(shown.sample_id, 80))} · {plain(row['source'])} · {width} × {height} px")


def evidence(run: Run, shown: Shown, row: pd.Series, neighbours: pd.DataFrame) -> None:
    """What speaks for the label, and what against it."""
    _label(shown, row)
    _effects(run, shown, row)
    _neighbours(run, shown, neighbours)
    _scores(run, shown)


def _label(shown: Shown, row: pd.Series) -> None:
    disagrees = bool(row["disagrees"])
    badge = ":red-badge[contradicted]" if disagrees else ":green-badge[agreed]"
    if shown.verdict is not None:
        words = plain(cut(verdict_words(shown.verdict), NAME))
        badge += f" :{COLOURS[shown.verdict.kind]}-badge[{words}]"
    margin = f"{float(row['margin']):+.2f}".replace("-", "−")
    st.markdown(
        f"Labelled **{_name(shown.given)}** · predicted without it **{_name(row['predicted'])}** {badge}  \n"
        f":small[Margin {margin} output units" + ("" if disagrees else f", next best {_name(shown.suggested)}") + "]",
        help=MARGIN,
    )


def _name(name: object) -> str:
    return plain(cut(name, NAME))


def _effects(run: Run, shown: Shown, row: pd.Series) -> None:
    """What relabelling and dropping would change, in a small table."""
    validation = int(run.meta["sizes"]["validation"])
    st.markdown("**What a change does to the validation images** :small[predicted]", help=EFFECT)
    lines = []
    for title, change in ((f"Relabel to {cut(shown.suggested, NAME)}", "relabel"), ("Drop", "drop")):
        loss = float(row[f"{change}_loss"])
        words = ("falls by" if loss < 0 else "rises by") + f" {short_interval(abs(loss))}" if loss else "unchanged"
        lines.append(
            f"<tr><th>{html.escape(title)}</th><td>{right_words(row, change, validation)}</td><td>{words}</td></tr>"
        )
    st.html(
        "<table class=review-effects><tr><td></td><td>predicted rightly</td><td>mean loss</td></tr>"
        f"{''.join(lines)}</table>"
    )


def _neighbours(run: Run, shown: Shown, neighbours: pd.DataFrame) -> None:
    """The training images most alike, of the given class and of the suggested one; a click looks at one."""
    with st.container(key="review-neighbours"):
        for column, side, name in zip(
            st.columns(2, gap="small"), (GIVEN, SUGGESTED), (shown.given, shown.suggested), strict=True
        ):
            with column:
                st.markdown(
                    f"Nearest labelled **{_name(name)}**",
                    help="The training images most alike in the features of the network, and their cosine distance: 0 "
                    "is the same direction. A click looks at one.",
                )
                part = neighbours[neighbours["side"] == side].sort_values("place")
                if part.empty:
                    st.caption("No other training image has this label.")
                    continue
                gallery(
                    run, _rows(run, part["neighbour"]), [figures.short(each) for each in part["distance"]],
                    key=f"review-{side}", label=f"Nearest, {side} class", opened="", tile=TILE, row=True,
                )  # fmt: skip


def opened(*names: str) -> None:
    """Look at the image that was just clicked in one of these galleries; to be called before they are drawn."""
    for key in names:
        state = st.session_state.get(key)
        found = None if state is None else state.get("opened")
        if found:
            look_at(str(found))


def _rows(run: Run, ids: pd.Series) -> list[int]:
    return [int(each) for each in pd.Index(run.column("sample_id")).get_indexer(pd.Index(ids))]


def _scores(run: Run, shown: Shown) -> None:
    """The scores that rank by a cause, then all the others, each with its rank among the training images."""
    places, causes = _places(str(run.path), str(run.meta["fingerprint"])), [each.score for each in CAUSES.values()]
    st.markdown(
        "**Scores**", help="The bar: the share of training images with a smaller value. Point at a name for what it is."
    )
    st.html(_lines(run, shown, causes, places))
    others = [name for name in run.scores if name not in causes]
    if others:
        with st.expander(f"{len(others)} other scores", key="review-scores"):
            st.html(_lines(run, shown, others, places))


def _lines(run: Run, shown: Shown, names: list[str], places: pd.DataFrame) -> str:
    titles = {each.score: each.title for each in CAUSES.values()}
    cells = []
    for name in names:
        value, share = float(run.column(name).iloc[shown.row]), float(places[name].iloc[shown.row])
        score, cause = run.scores[name], titles.get(name)
        words = html.escape(score.title) + (f" <em>{cause.lower()}</em>" if cause else "")
        unit = html.escape(score.unit)
        cells.append(
            f'<span title="{html.escape(score.sentence)}">{words}</span>'
            f"<b>{figures.short(value, 3)} <small>{unit}</small></b>"
            f"<div class=track><i style='width:{share:.1f}%'></i></div><b>{share_words(share)}</b>"
        )
    return f"<div class=review-scores>{''.join(cells)}</div>"


def share_words(share: float) -> str:
    """``97 %``; 100 is kept for the highest value."""
    return f"{share:.0f} %" if share >= 100 or share < 99 else f"{min(int(10 * share) / 10, 99.9):g} %"


@st.cache_data(max_entries=8, show_spinner=False)
def _places(path: str, fingerprint: str) -> pd.DataFrame:  # noqa: ARG001 - it is part of the key
    """Of every score of every training image: how many of the others are smaller, in %; 100 for the largest."""
    run = store.open_run(Path(path))
    values = run.table(list(run.scores))[run.training]
    return (values.rank(method="min") - 1) * (100 / max(1, len(values) - 1))
