"""Rings around points of a map, drawn over it: the map itself is not drawn anew, so a click stays fast.

Of very many that lie close together only some are drawn: no list of all images is sent to the browser.
They are placed by the axes of the chart. Where the browser's chart is not as expected, the rings are missing and
nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from sampleinfo import figures
from sampleinfo.figures import Window
from sampleinfo.store import Run
from sampleinfo.ui.map_picture import BEYOND, looked_at

#: Rings up to which all are drawn; beyond that one for each square of so many pixels.
MOST, APART = 1500, 12
JS = """
const NS = 'http://www.w3.org/2000/svg'
export default function ({ data, parentElement }) {
  const chart = () => document.querySelector(`.st-key-${data.chart} .js-plotly-plot`)
  let before = ''
  const draw = () => {
    const graph = chart(), layout = graph && graph._fullLayout
    if (!layout || !layout.xaxis || !layout._size) return
    const host = graph.querySelector('.svg-container') || graph
    let svg = host.querySelector(':scope > svg.rings')
    const { xaxis, yaxis, _size: room } = layout
    const now = JSON.stringify([xaxis.range, yaxis.range, room, layout.width, layout.height])
    if (svg && now === before) return
    before = now
    if (!svg) {
      svg = document.createElementNS(NS, 'svg')
      svg.setAttribute('class', 'rings')
      svg.setAttribute('aria-hidden', 'true')
      host.appendChild(svg)
    }
    svg.setAttribute('style', `position: absolute; pointer-events: none; overflow: hidden; left: ${room.l}px; ` +
      `top: ${room.t}px; width: ${xaxis._length}px; height: ${yaxis._length}px`)
    svg.replaceChildren(...data.points.map(([x, y]) => {
      const ring = document.createElementNS(NS, 'circle')
      const set = { cx: xaxis.l2p(x), cy: yaxis.l2p(y), r: 7, fill: 'none', stroke: data.colour, 'stroke-width': 2.5 }
      for (const [name, value] of Object.entries(set)) ring.setAttribute(name, value)
      return ring
    }))
  }
  const again = () => { before = ''; draw() }
  clearInterval(parentElement.rings)
  parentElement.rings = setInterval(draw, 150)
  again()
  return () => {
    clearInterval(parentElement.rings)
    const graph = chart()
    if (graph) graph.querySelectorAll('svg.rings').forEach((each) => each.remove())
  }
}
"""
_component = st.components.v2.component("sampleinfo_rings", js=JS)


def rings(run: Run, rows: Sequence[int], layout: str, chart: str) -> None:
    """Mark the images in ``rows`` on the map with this key; ``layout`` is the prefix of the coordinate columns."""
    columns = [run.column(f"{layout}_{axis}").to_numpy(dtype=np.float64) for axis in "xy"]
    everything = np.column_stack(columns)
    looked = looked_at(chart, f"{run.id} {layout}")
    if looked is None:
        window = figures.whole(everything)
    else:
        window = Window(looked.x, looked.y, looked.width, looked.height).wider(BEYOND)
    places = thinned(everything[list(rows)], window)
    data = {"chart": chart, "colour": figures.MARKED, "points": places.round(4).tolist()}
    _component(key=f"{chart}-rings", data=data, height=1)


def thinned(places: np.ndarray, window: Window) -> np.ndarray:
    """The (n, 2) places, or of more than ``MOST`` those that are in the window, one in each of its squares."""
    if len(places) <= MOST:
        return places
    inside, squares = replace(window, sharpness=1 / APART).pixels(places)
    _, first = np.unique(squares, return_index=True)
    return np.asarray(places[inside][np.sort(first)])
