"""The picture over a raster map: drawn anew for what is selected and for the part that is looked at.

The chart itself stays as it is, with a picture of everything in it: so the browser keeps its zoom and the outline of
the lasso, and where its chart is not as expected that first picture is still there. What is looked at, and clicks,
come back from here; lassos and boxes from the chart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from sampleinfo.figures import Window
from sampleinfo.ui.map_select import nearest

#: The picture reaches so much further than what is looked at, on every side; then moving it a little shows no gap.
BEYOND = 0.25
#: Pixels around a click in which an image is looked for.
REACH = 10.0
#: Parts of the whole from which all of it is looked at; pixels of a map, at most; pixels per pixel of the screen.
WHOLE, LARGEST, SHARPNESS = 0.98, 4000, (1.5, 2.0)
GRAPH = """
const chart = (name) => {
  const graph = document.querySelector(`.st-key-${name} .js-plotly-plot`)
  const layout = graph && graph._fullLayout
  return layout && layout.xaxis && layout.yaxis && layout._size && graph.querySelector('.nsewdrag') ? graph : null
}
const axes = (graph) => [graph._fullLayout.xaxis, graph._fullLayout.yaxis]
const spot = (graph, event) => {
  const [x, y] = axes(graph), box = graph.querySelector('.nsewdrag').getBoundingClientRect()
  const unit = [(x.range[1] - x.range[0]) / box.width, (y.range[1] - y.range[0]) / box.height]
  const at = [x.range[0] + (event.clientX - box.left) * unit[0], y.range[1] - (event.clientY - box.top) * unit[1]]
  return { at, unit: unit.map(Math.abs), inside: event.clientX >= box.left && event.clientX <= box.right &&
    event.clientY >= box.top && event.clientY <= box.bottom }
}
"""
JS = (
    GRAPH
    + """
const NS = 'http://www.w3.org/2000/svg'
const place = (graph, data) => {
  const drawn = graph.querySelector('.imagelayer image'), first = drawn && drawn.closest('.imagelayer')
  const below = first && first.parentNode
  if (!below) return
  let own = below.querySelector(':scope > g.raster')
  first.style.display = data.picture ? 'none' : ''
  if (!data.picture) { if (own) own.remove(); return }
  if (!own) {
    own = document.createElementNS(NS, 'g')
    own.setAttribute('class', 'raster')
    const frame = own.appendChild(document.createElementNS(NS, 'svg'))
    frame.setAttribute('overflow', 'hidden')
    frame.appendChild(document.createElementNS(NS, 'image')).setAttribute('preserveAspectRatio', 'none')
    below.appendChild(own)
  }
  const [x, y] = axes(graph), frame = own.firstChild, image = frame.firstChild
  const across = x._length / (x.range[1] - x.range[0]), up = y._length / (y.range[1] - y.range[0])
  const set = (element, values) => {
    for (const [name, value] of Object.entries(values)) {
      if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value)
    }
  }
  set(frame, { x: x._offset, y: y._offset, width: x._length, height: y._length })
  set(image, { href: data.picture, x: (data.x[0] - x.range[0]) * across, y: (y.range[1] - data.y[1]) * up,
    width: (data.x[1] - data.x[0]) * across, height: (data.y[1] - data.y[0]) * up })
}
const differs = (one, other) => ['x', 'y'].some((axis) => {
  const span = Math.abs(other[axis][1] - other[axis][0])
  return one[axis].some((end, at) => Math.abs(end - other[axis][at]) > 0.01 * span)
}) || ['width', 'height'].some((side) => Math.abs(one[side] / other[side] - 1) > 0.15)
  || one.ratio > 1.2 * other.ratio
const made = (element) => {
  const map = { before: '', sent: element.sent || '' }
  const redraw = () => { if (map.graph) place(map.graph, map.data) }
  const twice = () => map.setTriggerValue('click', { clear: true })
  const events = { doubleclick: twice, deselect: twice, relayouting: redraw, relayout: redraw, afterplot: redraw }
  map.bind = (graph) => {
    if (map.graph === graph) return
    for (const [name, act] of Object.entries(events)) {
      if (map.graph && map.graph.removeListener) map.graph.removeListener(`plotly_${name}`, act)
      if (graph) graph.on(`plotly_${name}`, act)
    }
    map.graph = graph
  }
  const down = (event) => {
    const here = map.graph && map.graph.contains(event.target) && !event.button
    map.down = here ? [event.clientX, event.clientY] : null
  }
  const up = (event) => {
    const from = map.down
    map.down = null
    if (!map.graph || !from || Math.hypot(event.clientX - from[0], event.clientY - from[1]) > 3) return
    if (!event.target.closest || event.target.closest('.modebar, .legend, .infolayer')) return
    const { at, unit, inside } = spot(map.graph, event)
    if (inside) map.setTriggerValue('click', { at, unit })
  }
  const report = (graph) => {
    const [x, y] = axes(graph)
    const now = { x: [...x.range], y: [...y.range], width: x._length, height: y._length,
      ratio: window.devicePixelRatio || 1, token: map.data.token }
    const words = JSON.stringify(now), moving = words !== map.before
    map.before = words
    if (moving || map.down || words === map.sent || !differs(now, map.data.drawn)) return
    map.sent = element.sent = words
    map.setStateValue('view', now)
  }
  map.tick = () => {
    const graph = chart(map.data.chart)
    map.bind(graph)
    if (graph) { redraw(); report(graph) }
  }
  document.addEventListener('pointerdown', down, true)
  document.addEventListener('pointerup', up, true)
  const timer = setInterval(() => map.tick(), 200)
  map.end = () => {
    clearInterval(timer)
    document.removeEventListener('pointerdown', down, true)
    document.removeEventListener('pointerup', up, true)
    map.bind(null)
    element.map = null
  }
  return map
}
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const map = parentElement.map = parentElement.map || made(parentElement)
  Object.assign(map, { data, setStateValue, setTriggerValue })
  map.tick()
  return () => map.end()
}
"""
)
_component = st.components.v2.component("sampleinfo_map_picture", js=JS)


@dataclass(frozen=True)
class Laid:
    """A picture (a ``data:`` address), and the ranges of both axes that it covers."""

    picture: str
    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class Looked:
    """What the browser said it shows of the map ``token``: ranges of both axes, pixels, and device pixels per pixel."""

    token: str
    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int
    ratio: float

    @classmethod
    def of(cls, value: object) -> Looked | None:
        """The same from a message of the browser; None where it is not one."""
        try:
            (left, right), (low, high) = (tuple(map(float, value[axis])) for axis in "xy")  # type: ignore[index]
            width, height, ratio = (float(value[name]) for name in ("width", "height", "ratio"))  # type: ignore[index]
            token = str(value["token"])  # type: ignore[index]
        except (TypeError, KeyError, ValueError):
            return None
        known = all(map(math.isfinite, (left, right, low, high, ratio))) and left < right and low < high
        if not (known and 1 <= width <= LARGEST and 1 <= height <= LARGEST and ratio > 0):
            return None
        return cls(token, (left, right), (low, high), round(width), round(height), ratio)


def looked_at(key: str, token: str) -> Looked | None:
    """What the browser said it shows of the map ``token`` on the chart with this key; None where it has not yet."""
    looked = Looked.of(_said(key, "view"))
    return looked if looked is not None and looked.token == token else None


def window_of(key: str, token: str, home: Window) -> Window:
    """What is looked at of the map ``token`` on the chart with this key, as far as its browser has said; else all.

    ``home``: all of it.
    """
    said, looked = Looked.of(_said(key, "view")), looked_at(key, token)
    if said is None:
        return home
    sharpness = float(np.clip(said.ratio, *SHARPNESS))
    sized = replace(home, width=said.width, height=said.height, sharpness=sharpness)
    if looked is None or all(_covered(*ends) for ends in ((looked.x, home.x), (looked.y, home.y))):
        return sized
    return replace(sized, x=looked.x, y=looked.y)


def _covered(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether one range has all of the other in it, nearly."""
    return min(one[1], other[1]) - max(one[0], other[0]) >= WHOLE * (other[1] - other[0])


def clicked(key: str, places: np.ndarray) -> int | None:
    """The number of the place that was just clicked on the chart with this key; None where there was none."""
    value = _said(key, "click")
    try:
        at, unit = ([float(each) for each in value[name]] for name in ("at", "unit"))  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return None
    return nearest(places, at, unit, REACH) if len(at) == len(unit) == 2 and min(unit) > 0 else None


def cleared(key: str) -> bool:
    """Whether the chart with this key was just clicked twice: nothing is to be selected any more."""
    value = _said(key, "click")
    return isinstance(value, Mapping) and bool(value.get("clear"))


def follow(key: str, token: str, window: Window, laid: Laid | None = None) -> None:
    """Listen to the chart with this key, which shows ``window`` of the map ``token``, and lay a picture over it."""
    data: dict[str, Any] = {"chart": key, "token": token, "picture": None, "drawn": {
        "x": window.x, "y": window.y, "width": window.width, "height": window.height, "ratio": window.sharpness,
    }}  # fmt: skip
    if laid is not None:
        data |= {"picture": laid.picture, "x": laid.x, "y": laid.y}
    _component(
        key=f"{key}-picture", data=data, height=1, on_view_change=lambda: None, on_click_change=lambda: None
    )  # fmt: skip


def _said(key: str, name: str) -> object:
    """What the component of a chart has said; None where it has not."""
    state = st.session_state.get(f"{key}-picture")
    return None if state is None else state.get(name)
