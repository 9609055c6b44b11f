"""One class of the Classes page: the groups of alike images inside it, on a map, in a chart and as pictures."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sampleinfo import figures
from sampleinfo.reports.class_judgement import ALONE, GROUP, SMALL_INFORMATIVE
from sampleinfo.reports.class_words import (
    accuracy_words,
    fall_words,
    need_words,
    ratio_words,
    rise_words,
    short_interval,
)
from sampleinfo.reports.groups import CRITERION
from sampleinfo.store import Run
from sampleinfo.ui.classes_state import choose_group, chosen_group, clicked
from sampleinfo.ui.gallery import gallery
from sampleinfo.ui.words import count, plain, shortened

#: Images nearest to the centre of a group, images of the gallery, and the side of their pictures in pixels.
EXEMPLARS, SHOWN, SMALL_TILE, TILE = 8, 200, 60, 64
NEAREST, HIGHEST = "nearest to the centre", "most informative"
GROUP_NEED = (
    "Need of a group: a random half of it is left out and the mean loss on the validation images of the class that are "
    "nearest to the group (on those of the whole class, where fewer than 5 are) is predicted again; the rise of the "
    "loss, divided by the share that was left out. Mean over 20 draws, 95 % interval over draws and validation images."
)


def one_class(run: Run, row: pd.Series, groups: pd.DataFrame, members: pd.DataFrame) -> None:
    """The class that is looked at."""
    name = str(row["class_name"])
    st.subheader(f"Class {plain(shortened(name, 60))}", anchor=False)
    _facts(row)
    if groups.empty:
        st.info("This class has no training images in this run: there is nothing to look at.")
        return
    group = _choice(run, groups, members, name)
    with st.container(key="class-halves"):
        left, right = st.columns([6, 5], gap="medium")
        with left:
            _chart(groups, group)
            _exemplars(run, groups, members, group)
        with right:
            _map(run, members, group, len(groups))
            _gallery(run, members if group is None else members[members["group"] == group], group)


def _facts(row: pd.Series) -> None:
    if not row["train"]:
        return
    if row["need"] != row["need"]:
        st.caption(f"{count(int(row['train']), 'training image')}. Its need is not known: it has no validation images.")
        return
    images = f"{count(int(row['train']), 'training image')}, {count(int(row['validation']), 'validation image')}"
    st.caption(
        f"{images}; right when left out {accuracy_words(row, 'leave_one_out')}, on validation images "
        f"{accuracy_words(row, 'validation')}. "
        f"Without {row['removed']} of its images, drawn at random: loss {rise_words(row)}, accuracy "
        f"{fall_words(row)}. Need {need_words(row)}." + (" **Under-sampled.**" if row["under_sampled"] else "")
    )


def _choice(run: Run, groups: pd.DataFrame, members: pd.DataFrame, name: str) -> int | None:
    """The group that is looked at, to be changed by keyboard as well, and the way to Explore."""
    group = chosen_group(groups)
    key = f"group-choice-{run.id}-{groups['label'].iloc[0]}"
    titles = {0: "Whole class"} | {int(each["group"]): _title(each) for _, each in groups.iterrows()}
    st.session_state[key] = group or 0
    with st.container(horizontal=True, vertical_alignment="bottom", key="group-bar"):
        if len(groups) > 1:
            st.selectbox(
                "Group", list(titles), key=key, format_func=titles.__getitem__, width=420,
                on_change=lambda: choose_group(int(st.session_state[key]) or None),
                help=f"Groups of alike images, found without labels by {CRITERION}.",
            )  # fmt: skip
            with st.popover("How groups are found", icon=":material/help:", key="group-words"):
                st.markdown(f"**Groups:** {plain(CRITERION)}.")
                for each in (GROUP, GROUP_NEED):
                    word, rest = each.split(":", 1)
                    st.markdown(f"**{word}:** {plain(rest)}")
        if st.button("Show in Explore", icon=":material/scatter_plot:", key="class-explore"):
            _explore(run, members, name, group)
    return group


def _title(row: pd.Series) -> str:
    verdict = "" if row["verdict"] == ALONE else f" · {row['verdict']}"
    return f"Group {row['group']} · {count(int(row['size']), 'image')}{verdict}"


def _explore(run: Run, members: pd.DataFrame, name: str, group: int | None) -> None:
    """Explore with the class as its filter; with the images of a group selected."""
    st.session_state[f"filter-{run.id}-class_name"] = [name]
    rows = [] if group is None else members.loc[members["group"] == group, "row"].astype(int).tolist()
    st.session_state[f"selection-{run.id}"] = rows
    st.switch_page("pages/explore.py", query_params={"run": run.id})


def _chart(groups: pd.DataFrame, group: int | None) -> None:
    if len(groups) == 1:
        st.info("The images of this class are one group: splitting them would explain the features no better.")
        return
    st.markdown("**Its groups** :small[click a bar to look at the group]", help=f"{GROUP} {GROUP_NEED}")
    event = st.plotly_chart(
        figures.group_needs(groups, group), key="group-needs", on_select="rerun", selection_mode="points",
        config={"displayModeBar": False}, alt="Mean F-SI and need of each group",
    )  # fmt: skip
    found = clicked(event, "group-needs")
    _follow(found if found in set(groups["group"]) else None)
    few = groups.loc[groups["measured_on"] == "class", "group"].tolist()
    words = "Lines: 95 % intervals. Colours are those of the map."
    if few:
        names = ", ".join(str(each) for each in few)
        words += f" Need of {'group' if len(few) == 1 else 'groups'} {names}: on all validation images of the class."
    st.caption(words)


def _exemplars(run: Run, groups: pd.DataFrame, members: pd.DataFrame, group: int | None) -> None:
    """The images nearest to the centre of every group, or of the chosen one."""
    for _, row in groups.iterrows():
        if group not in (None, row["group"]):
            continue
        part = members[members["group"] == row["group"]].sort_values("place").head(EXEMPLARS)
        mark = f':color[●]{{foreground="{figures.group_colour(int(row["group"]))}"}}'
        verdict = f"**{row['verdict']}**" if row["verdict"] == SMALL_INFORMATIVE else str(row["verdict"])
        shares = f"{row['share_of_class']:.0%} of the training, {row['nearest']:.0%} of the validation images"
        more = "" if len(groups) == 1 else f", {ratio_words(row)} that of the rest"
        mean = short_interval(row["mean"], row["mean_low"], row["mean_high"])
        facts = f"{shares} · mean F-SI {mean}{more}" if len(groups) > 1 else f"mean F-SI {mean}"
        st.markdown(
            f"{mark} **Group {row['group']}** · {count(int(row['size']), 'image')}, {verdict}  \n"
            f":small[{plain(facts)} · need {plain(need_words(row))}]"
        )
        _pictures(run, part, f"exemplars-{row['group']}", f"Group {row['group']}, {NEAREST}", None, SMALL_TILE)


def _map(run: Run, members: pd.DataFrame, group: int | None, groups: int) -> None:
    hint = " :small[click a point to look at its group]" if groups > 1 else ""
    st.markdown(
        f"**On the map**{hint}",
        help="UMAP of the features: near means alike to the network. Grey: other classes.",
    )
    figure = figures.group_map(run.samples, members, group)
    event = st.plotly_chart(
        figure, key="group-map", on_select="rerun", selection_mode="points",
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["autoScale2d", "toImage",
        "select2d", "lasso2d"]}, alt="Map of the images of the class, coloured by group",
    )  # fmt: skip
    found = clicked(event, "group-map")
    hit = members.loc[members["row"] == found, "group"]
    if groups > 1 and not hit.empty:
        _follow(int(hit.iloc[0]))


def _follow(group: int | None) -> None:
    """Look at the group that was just clicked."""
    if group is not None:
        choose_group(group)
        st.rerun()


def _gallery(run: Run, part: pd.DataFrame, group: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="class-gallery-head"):
        where = "of the class" if group is None else f"of group {group}"
        st.markdown(f"**{count(len(part), 'image')}** {where}", width="content")
        order = st.selectbox(
            "Order", [HIGHEST, NEAREST], key="class-order", label_visibility="collapsed", width=210,
            format_func=lambda each: f"{each} first",
        )  # fmt: skip
    column, ascending = ("nats", False) if order == HIGHEST else ("place", True)
    ordered = part.sort_values(column, ascending=ascending, kind="stable")
    _pictures(run, ordered.head(SHOWN), "class-gallery", "Images of the class", 330, TILE)
    if len(part) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(part)}.")


def _pictures(run: Run, part: pd.DataFrame, key: str, label: str, height: int | None, tile: int) -> None:
    """A gallery; a click opens the image on Explore."""
    opened = gallery(
        run, part["row"].astype(int).tolist(), [figures.short(each) for each in part["nats"]], key=key, label=label,
        opened="", height=height, tile=tile,
    )  # fmt: skip
    if opened:
        st.switch_page("pages/explore.py", query_params={"run": run.id, "sample": opened})
