"""Which image is under the pointer of a raster map: asked for when the pointer rests, and told beside it.

It is a fragment of its own: the rest of the page is not drawn again, and only the columns that are told are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from sampleinfo import columns, figures
from sampleinfo.store import SAMPLES, Run
from sampleinfo.ui.map_picture import GRAPH, REACH
from sampleinfo.ui.map_select import nearest

#: Milliseconds for which a pointer rests before it is asked what is under it.
REST = 120
CSS = """
.tip {position: fixed; z-index: 1000; pointer-events: none; padding: 5px 8px; border-radius: 4px; max-width: 340px;
  font: 12px/1.4 var(--st-font); background: var(--st-background-color); color: var(--st-text-color);
  border: 1px solid var(--st-primary-color); box-shadow: 0 2px 8px rgba(0, 0, 0, .25); overflow-wrap: anywhere}
.ring {position: fixed; z-index: 999; pointer-events: none; width: 12px; height: 12px; margin: -8px 0 0 -8px;
  border: 2px solid var(--st-primary-color); border-radius: 50%}
"""
JS = (
    GRAPH
    + """
const made = (element) => {
  const hover = { number: 0, parts: [] }
  hover.hide = () => { hover.parts.forEach((part) => part.remove()); hover.parts = [] }
  const left = () => hover.at && hover.now && Math.hypot(hover.now[0] - hover.at[0], hover.now[1] - hover.at[1]) > 6
  const moved = (event) => {
    clearTimeout(hover.timer)
    hover.now = [event.clientX, event.clientY]
    const graph = chart(hover.data.chart)
    const here = graph && !event.buttons && graph.contains(event.target) && spot(graph, event).inside
    if (!here || left()) hover.hide()
    if (!here) return
    hover.timer = setTimeout(() => {
      hover.at = [event.clientX, event.clientY]
      const { at, unit } = spot(graph, event)
      hover.number = Math.max(Date.now(), hover.number + 1)
      hover.setStateValue('pointer', { at, unit, number: hover.number })
    }, hover.data.rest)
  }
  hover.show = () => {
    const { tip } = hover.data, graph = chart(hover.data.chart)
    if (!tip || !graph || tip.number !== hover.number || !hover.at || left()) return
    hover.hide()
    const [x, y] = axes(graph), box = graph.querySelector('.nsewdrag').getBoundingClientRect()
    const across = box.left + (tip.x - x.range[0]) / (x.range[1] - x.range[0]) * box.width
    const top = box.top + (y.range[1] - tip.y) / (y.range[1] - y.range[0]) * box.height
    const ring = document.createElement('div'), words = document.createElement('div')
    ring.className = 'ring'
    ring.style.left = `${across}px`
    ring.style.top = `${top}px`
    words.className = 'tip'
    words.setAttribute('role', 'status')
    for (const line of tip.lines) words.appendChild(document.createElement('div')).textContent = line
    element.append(ring, words)
    const width = words.offsetWidth
    words.style.left = `${across + 14 + width > window.innerWidth ? across - 14 - width : across + 14}px`
    words.style.top = `${Math.max(4, Math.min(top - 12, window.innerHeight - words.offsetHeight - 4))}px`
    hover.parts = [ring, words]
  }
  document.addEventListener('pointermove', moved, true)
  document.addEventListener('pointerdown', hover.hide, true)
  document.addEventListener('scroll', hover.hide, true)
  hover.end = () => {
    clearTimeout(hover.timer)
    hover.hide()
    document.removeEventListener('pointermove', moved, true)
    document.removeEventListener('pointerdown', hover.hide, true)
    document.removeEventListener('scroll', hover.hide, true)
    element.hover = null
  }
  return hover
}
export default function ({ data, parentElement, setStateValue }) {
  const hover = parentElement.hover = parentElement.hover || made(parentElement)
  Object.assign(hover, { data, setStateValue })
  hover.show()
  return () => hover.end()
}
"""
)
_component = st.components.v2.component("sampleinfo_map_hover", css=CSS, js=JS)


def hover(run: Run, key: str, layout: str, splits: tuple[str, ...], column: str, title: str) -> None:
    """Tell which image is under the pointer on the chart with this key, with its value of ``column``."""
    _hover(str(run.path / SAMPLES), key, layout, splits, column, title)


@st.fragment
def _hover(path: str, key: str, layout: str, splits: tuple[str, ...], column: str, title: str) -> None:
    state = st.session_state.get(f"{key}-hover")
    said = None if state is None else state.get("pointer")
    tip = tip_at(_columns(path, layout, column), layout, splits, column, title, said) if said else None
    _component(
        key=f"{key}-hover", data={"chart": key, "tip": tip, "rest": REST}, height=1, on_pointer_change=lambda: None
    )  # fmt: skip


def _columns(path: str, layout: str, column: str) -> pd.DataFrame:
    """What is told of an image, of all images."""
    names = ["sample_id", "class_name", "predicted", "source", "split", f"{layout}_x", f"{layout}_y"]
    if column != "outcome":
        names.append(column)
    return columns.read(Path(path), list(dict.fromkeys(names)))


def tip_at(
    table: pd.DataFrame, layout: str, splits: tuple[str, ...], column: str, title: str, said: Any
) -> dict[str, Any] | None:  # fmt: skip
    """Place and words of the image nearest to a pointer; None where none is near.

    ``said``: ``at`` and ``unit`` (coordinates, and how much of each a pixel spans) and the ``number`` of the question.
    """
    rows = np.flatnonzero(table["split"].isin(splits).to_numpy())
    places = np.column_stack([table[f"{layout}_{axis}"].to_numpy(dtype=np.float64)[rows] for axis in "xy"])
    try:
        found = nearest(places, [float(x) for x in said["at"]], [float(x) for x in said["unit"]], REACH)
        number = int(said["number"])
    except (TypeError, KeyError, ValueError):
        return None
    if found is None:
        return None
    image = table.iloc[int(rows[found])]
    lines = [
        image["sample_id"], f"label {image['class_name']}, predicted {image['predicted']}", image["source"],
        _value(image, column, title),
    ]  # fmt: skip
    return {"x": float(places[found, 0]), "y": float(places[found, 1]), "number": number,
            "lines": [str(line)[:120] for line in lines]}  # fmt: skip


def _value(image: pd.Series, column: str, title: str) -> str:
    if column == "outcome":
        return "right" if image["predicted"] == image["class_name"] else "wrong"
    value = image[column]
    if pd.isna(value):
        return f"{title}: none"
    return f"{title}: {figures.short(float(value), 3)}" if isinstance(value, int | float | np.integer) else str(value)
