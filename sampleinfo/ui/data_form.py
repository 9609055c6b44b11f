"""Which data set: built in, a person's own, or torchvision's; and a first look at it."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import streamlit as st

from sampleinfo import datasets, jobs
from sampleinfo.config import RunConfig, home
from sampleinfo.datasets import Facts, Options, preview, problems
from sampleinfo.errors import SampleInfoError
from sampleinfo.ui.tables import page_of, pages
from sampleinfo.ui.words import plain

OWN, TORCHVISION = "own images", "torchvision"
KINDS = {OWN: "Images of your own: a folder, a table, an archive", TORCHVISION: "A data set of torchvision"}
PATH_HELP = (
    "A path on the machine that runs this dashboard: a folder with a folder for every class, image Parquet, a table "
    "(.csv, .tsv, .jsonl, .parquet) of paths and labels, an .npz with images and labels, or a .zip of one of these. "
    "Several joined with + become the sources of one data set; classes are matched by name."
)
LAYOUT_HELP = (
    "Auto: class/image, or split/class/image where all folders are called train, val or test. With source/class the "
    "outer folders are sources to compare."
)
COLUMNS_HELP = (
    "Where a table calls its columns otherwise than path, label, split, source and sample_id: pairs such as "
    "path=file, label=breed. All other columns become colours and filters."
)
TILE = 72
BOX = f"width:{TILE}px;height:{TILE}px;border-radius:4px"


@dataclass(frozen=True)
class Chosen:
    """A data set and how to read it."""

    name: str
    options: Options


def data_form() -> tuple[Chosen, Facts] | None:
    """The fields; the data set and what is known of it, or None after a word of what is missing or wrong."""
    titles = {name: preset.facts.title for name, preset in datasets.PRESETS.items()} | KINDS
    kind = st.selectbox("Data", list(titles), format_func=titles.__getitem__, key="data")
    try:
        chosen = _own() if kind == OWN else _torchvision() if kind == TORCHVISION else Chosen(kind, Options())
        if chosen is None:
            return None
        with st.spinner("Reading the list of images"):
            facts = datasets.find_facts(chosen.name, chosen.options)
    except SampleInfoError as error:
        st.error(plain(error), icon=":material/error:")
        return None
    _look(chosen, facts)
    return chosen, facts


def _own() -> Chosen | None:
    name = st.text_input(
        "Path", key="path", placeholder="/data/animals, photos.parquet, labels.csv, first + second", help=PATH_HELP
    )
    uploaded = st.file_uploader(
        "or a zip archive from this computer, to 200 MB (a larger one by its path)",
        type="zip",
        key="upload",
        max_upload_size=200,
    )
    if uploaded is not None and not name.strip():
        key = f"uploaded-{uploaded.file_id}"
        if key not in st.session_state:
            st.session_state[key] = str(_kept(uploaded.name, uploaded.getbuffer()))
        name = st.session_state[key]
    with st.expander("How to read it"):
        left, right = st.columns(2)
        layout = left.selectbox("Folders", datasets.LAYOUTS, key="layout", help=LAYOUT_HELP)
        columns = right.text_input("Columns", key="columns", placeholder="path=file, label=breed", help=COLUMNS_HELP)
    if not name.strip():
        st.info("Name a path, or drop a zip archive: a folder for every class with its images in it is enough.")
        return None
    pairs = [pair.partition("=") for pair in columns.split(",") if pair.strip()]
    options = Options(layout or "auto", tuple((role.strip(), column.strip()) for role, _, column in pairs))
    return Chosen(datasets.canonical(name.strip()), options)


def _torchvision() -> Chosen | None:
    bare = st.selectbox("torchvision data set", list(datasets.torchvision.KNOWN), key="torchvision")
    name = datasets.torchvision.PREFIX + str(bare)
    if not datasets.missing(name):
        return Chosen(name, Options())
    expects = datasets.torchvision.find(name).expects
    st.info(
        f"{plain(bare)} is not on this machine yet. Without a connection put {plain(expects)} into "
        f"`{datasets.torchvision.folder()}`, then press the button all the same."
    )
    if st.button("Download", icon=":material/download:", key="download"):
        jobs.start(RunConfig(name), jobs.FETCH)
        st.rerun()
    return None


def _kept(name: str, data: memoryview) -> Path:
    """An uploaded archive as a file; the same content is kept once."""
    stem = re.sub(r"[^\w.-]+", "-", Path(name).stem, flags=re.ASCII).strip("-.")[:60] or "archive"
    path = home() / "uploads" / hashlib.sha256(data).hexdigest()[:24] / f"{stem}.zip"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_bytes(data)
        temporary.replace(path)
    return path


def _look(chosen: Chosen, facts: Facts) -> None:
    """Counts, a few images, and what is wrong with the data set."""
    sources = f" from {len(facts.sources)} sources" if len(facts.sources) > 1 else ""
    splits = f" in the splits {', '.join(map(plain, facts.splits))}" if facts.splits else ""
    words = f"{facts.images:,} images{sources} of {len(facts.class_names)} classes{splits}"
    st.caption(f"**{plain(facts.name)}**: {words}")
    own = chosen.name not in datasets.PRESETS
    title = "Look at it: 24 images, classes" + ", problems" * own
    with st.expander(title, expanded=own, key=f"look-{chosen.name}", on_change="rerun") as look:
        if not look.open:
            return
        try:
            with st.spinner("Reading 24 images"):
                tiles = preview.preview(chosen.name, chosen.options)
            st.html(_sheet(tiles))
        except SampleInfoError as error:
            st.error(plain(error))
        st.dataframe(
            _counts(facts), hide_index=True, height=min(38 + 35 * len(facts.class_names), 248), key="class-counts",
            column_config={"images": st.column_config.ProgressColumn(
                "images", format="%d", min_value=0, max_value=max(facts.per_class().values(), default=1)
            )},
        )  # fmt: skip
        if own:
            _problems(chosen)


def _counts(facts: Facts) -> pd.DataFrame:
    """Images of every class, in all and by source and split."""
    table = pd.DataFrame({"class": facts.class_names, "images": [facts.per_class()[n] for n in facts.class_names]})
    places = list(dict.fromkeys((each.source, each.split) for each in facts.strata))
    if len(places) > 1:
        found = {(each.class_name, each.source, each.split): each.images for each in facts.strata}
        for source, split in places:
            title = ", ".join(filter(None, (source if len(facts.sources) > 1 else "", split))) or "no split"
            table[title] = [found.get((name, source, split), 0) for name in facts.class_names]
    return table


def _sheet(tiles: list[preview.Tile]) -> str:
    cells = []
    for tile in tiles:
        hint = html.escape(f"{tile.sample_id}: {tile.class_name}, {tile.source}", quote=True)
        picture = (
            f'<img alt="{hint}" src="data:image/webp;base64,{tile.webp}" '
            f'style="{BOX};object-fit:contain;background:#000;display:block">'
            if tile.webp
            else f'<div style="{BOX};border:1px dashed #d1495b;font-size:10px;overflow:hidden;padding:4px;'
            f'box-sizing:border-box">{html.escape(tile.reason)}</div>'
        )
        name = html.escape(tile.class_name)
        cells.append(
            f'<figure title="{hint}" style="margin:0;width:{TILE}px">{picture}<figcaption style="font-size:11px;'
            f'overflow:hidden;text-overflow:ellipsis;white-space:nowrap;text-align:center">{name}</figcaption></figure>'
        )
    return f'<div style="display:flex;flex-wrap:wrap;gap:6px">{"".join(cells)}</div>'


def _problems(chosen: Chosen) -> None:
    found = datasets.known_findings(chosen.name, chosen.options)
    if found is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Check every image", icon=":material/fact_check:", key="check"):
                config = replace(RunConfig(chosen.name), layout=chosen.options.layout, columns=chosen.options.columns)
                jobs.start(config, jobs.CHECK)
                st.rerun()
            st.caption("Finds what cannot be read, and equal images. A run does so too, before it begins.")
    else:
        fine = "every image was read: nothing is wrong, and no two are equal"
        findings_table(problems.table(found), fine, "findings")


def findings_table(table: pd.DataFrame, otherwise: str, key: str) -> None:
    """What is wrong with a data set, with its counts, in pages; ``otherwise`` where nothing is."""
    if table.empty:
        st.markdown(f":green[:material/check_circle:] {otherwise[0].upper()}{otherwise[1:]}.")
        return
    counts = table["kind"].value_counts()
    st.markdown("  \n".join(f"**{counts[k]}** {problems.WORDS[k]}" for k in problems.KINDS if k in counts))
    st.dataframe(page_of(table, key), hide_index=True, height=min(38 + 35 * len(table), 248), key=f"{key}-table")
    pages(table, key)
