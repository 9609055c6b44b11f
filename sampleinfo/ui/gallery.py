"""A gallery of thumbnails: a list box driven by mouse and keyboard, to open images or to pick them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from sampleinfo import pictures
from sampleinfo.store import Run
from sampleinfo.ui import media

CSS = """
.grid {display: flex; flex-wrap: wrap; gap: 4px; overflow-y: auto; padding: 4px; align-content: flex-start}
.item {width: calc(var(--tile) + 8px); cursor: pointer; border: 2px solid transparent; border-radius: 6px; padding: 2px;
  color: var(--st-text-color); font: 12px/1.3 var(--st-font); text-align: center; box-sizing: border-box}
.item:hover {background: var(--st-secondary-background-color)}
.item:focus-visible {outline: 3px solid var(--st-primary-color); outline-offset: 1px}
.item[aria-selected=true] {border-color: var(--st-primary-color); background: var(--st-secondary-background-color)}
.picking .item[aria-selected=true] {position: relative}
.picking .item[aria-selected=true]::after {content: "\\2713"; position: absolute; top: 2px; right: 2px; width: 17px;
  height: 17px; border-radius: 9px; background: var(--st-primary-color); color: #fff; font: 700 12px/17px sans-serif}
.row {flex-wrap: nowrap; overflow-x: auto; overflow-y: hidden}
.row .item {flex: none}
.picture {width: var(--tile); height: var(--tile); border-radius: 4px; background-color: #000; margin: 0 auto}
.caption {overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
.wrong {color: #d1495b; font-weight: 600}
.note {opacity: .75; font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
"""
JS = """
export default function ({ data, parentElement, setTriggerValue, setStateValue }) {
  let grid = parentElement.querySelector('.grid')
  if (!grid) {
    grid = document.createElement('div')
    grid.setAttribute('role', 'listbox')
    parentElement.appendChild(grid)
  }
  grid.className = 'grid' + (data.picking ? ' picking' : '') + (data.row ? ' row' : '')
  grid.setAttribute('aria-label', data.label)
  if (data.picking) grid.setAttribute('aria-multiselectable', 'true')
  grid.style.maxHeight = data.height ? data.height + 'px' : ''
  const side = data.side, tile = data.tile
  grid.style.setProperty('--tile', tile + 'px')
  const signature = data.sheet + JSON.stringify(data.items)
  const open = (item) => setTriggerValue('opened', item.dataset.sampleId)
  const holder = parentElement.getRootNode ? parentElement.getRootNode() : parentElement
  if (grid.dataset.signature !== signature) {
    const before = grid.dataset.ids || '', had = [...grid.children].indexOf(holder.activeElement)
    const name = had < 0 ? '' : holder.activeElement.dataset.sampleId
    grid.dataset.signature = signature
    grid.dataset.ids = JSON.stringify(data.items.map((entry) => entry.id))
    grid.replaceChildren(...data.items.map((entry, place) => {
      const item = document.createElement('div')
      item.className = 'item'
      item.setAttribute('role', 'option')
      item.dataset.sampleId = entry.id
      item.title = entry.hint
      item.setAttribute('aria-label', entry.hint)
      item.tabIndex = -1
      const picture = document.createElement('div')
      picture.className = 'picture'
      picture.style.backgroundImage = `url("${data.sheet}")`
      picture.style.backgroundSize = `${tile * side}px auto`
      picture.style.backgroundPosition = `-${tile * (place % side)}px -${tile * Math.floor(place / side)}px`
      const caption = document.createElement('div')
      caption.className = entry.wrong ? 'caption wrong' : 'caption'
      caption.textContent = entry.caption
      const note = document.createElement('div')
      note.className = 'note'
      note.textContent = entry.note
      item.append(picture, caption, note)
      return item
    }))
    if (before !== grid.dataset.ids) { grid.scrollTop = 0; grid.scrollLeft = 0; delete grid.dataset.anchor }
    if (had >= 0 && grid.children.length) {
      const same = [...grid.children].find((item) => item.dataset.sampleId === name)
      const target = same || grid.children[Math.min(had, grid.children.length - 1)]
      target.tabIndex = 0
      target.focus({ preventScroll: true })
    }
  }
  const items = [...grid.children]
  // Picking: what was clicked and is not yet acknowledged (id -> what is wanted, and the number of the message).
  const wanted = grid.wanted = grid.target === data.target && grid.wanted || new Map()
  grid.target = data.target
  for (const [id, each] of wanted) if (each.number <= data.acknowledged) wanted.delete(id)
  const base = new Set(data.picked || [])
  const picked = (item) => {
    const id = item.dataset.sampleId
    return wanted.has(id) ? wanted.get(id).want : base.has(id)
  }
  const mark = () => items.forEach((item) => item.setAttribute('aria-selected',
    String(data.picking ? picked(item) : item.dataset.sampleId === data.opened)))
  mark()
  const focused = items.findIndex((item) => item.tabIndex === 0)
  if (focused < 0 && items.length) {
    (items.find((item) => item.dataset.sampleId === data.opened) || items[0]).tabIndex = 0
  }
  const move = (to) => {
    const target = items[Math.max(0, Math.min(items.length - 1, to))]
    items.forEach((item) => { item.tabIndex = item === target ? 0 : -1 })
    target.focus()
    target.scrollIntoView({ block: 'nearest' })
  }
  // Nobody hears a message while the server is away: it is sent again until it is acknowledged.
  const insist = () => {
    clearTimeout(grid.again)
    if (wanted.size) grid.again = setTimeout(() => { grid.attempt = (grid.attempt || 0) + 1; send() }, data.patience)
  }
  const send = () => {
    clearTimeout(grid.timer)
    grid.timer = 0
    insist()
    if (!wanted.size) return
    const ids = (want) => [...wanted].filter(([, each]) => each.want === want).map(([id]) => id)
    setStateValue('picked', { number: grid.number, target: data.target, add: ids(true), remove: ids(false),
      attempt: grid.attempt || 0 })
  }
  grid.send = send
  insist()
  const pick = (at, range) => {
    const item = items[at], anchor = items.findIndex((each) => each.dataset.sampleId === grid.dataset.anchor)
    const want = range && anchor >= 0 ? picked(items[anchor]) : !picked(item)
    const alone = !wanted.size && !range
    const [low, high] = range && anchor >= 0 ? [Math.min(anchor, at), Math.max(anchor, at)] : [at, at]
    grid.number = Math.max(Date.now(), (grid.number || 0) + 1)
    for (const each of items.slice(low, high + 1)) {
      if (picked(each) !== want) wanted.set(each.dataset.sampleId, { want, number: grid.number })
    }
    if (!range) grid.dataset.anchor = item.dataset.sampleId
    mark()
    clearTimeout(grid.timer)
    grid.timer = setTimeout(send, alone ? 0 : data.delay)
  }
  grid.onclick = (event) => {
    const item = event.target.closest('.item')
    if (!item) return
    move(items.indexOf(item))
    data.picking ? pick(items.indexOf(item), event.shiftKey) : open(item)
  }
  grid.onmousedown = (event) => { if (event.shiftKey) event.preventDefault() }
  grid.onkeydown = (event) => {
    const at = items.indexOf(event.target.closest('.item'))
    if (at < 0) return
    const line = Math.max(1, items.filter((item) => item.offsetTop === items[0].offsetTop).length)
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: line, ArrowUp: -line, Home: -at, End: items.length }
    if (event.key in steps) { event.preventDefault(); move(at + steps[event.key]) }
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault()
      data.picking ? pick(at, event.shiftKey) : open(items[at])
    }
  }
  // Galleries of one group scroll together: who is scrolled by a person tells the others.
  if (grid.unlink) grid.unlink()
  grid.unlink = grid.onscroll = null
  if (data.group) {
    const follow = (event) => {
      const { group, from, left, top } = event.detail
      if (group !== data.group || from === grid) return
      grid.scrollLeft = left
      grid.scrollTop = top
      grid.followed = `${grid.scrollLeft} ${grid.scrollTop}`
    }
    grid.onscroll = () => {
      if (grid.followed === `${grid.scrollLeft} ${grid.scrollTop}`) return
      grid.followed = ''
      const detail = { group: data.group, from: grid, left: grid.scrollLeft, top: grid.scrollTop }
      document.dispatchEvent(new CustomEvent('sampleinfo-gallery-scroll', { detail }))
    }
    document.addEventListener('sampleinfo-gallery-scroll', follow)
    grid.unlink = () => document.removeEventListener('sampleinfo-gallery-scroll', follow)
  }
  // What was picked a moment ago is sent before anything else is pressed.
  const outside = (event) => { if (grid.timer && !event.composedPath().includes(grid)) grid.send() }
  const command = (event) => {
    if (!event.ctrlKey && !event.metaKey) return
    // In a text field Ctrl+Z is about the text, and not the shortcut of a button.
    if (event.target.matches && event.target.matches('input, textarea')) event.stopPropagation()
    else if (grid.timer) grid.send()
  }
  if (data.picking) {
    if (grid.leave) grid.leave()
    document.addEventListener('pointerdown', outside, true)
    window.addEventListener('keydown', command, true)
    grid.leave = () => {
      document.removeEventListener('pointerdown', outside, true)
      window.removeEventListener('keydown', command, true)
    }
  }
  return () => {
    if (grid.timer) grid.send()
    clearTimeout(grid.again)
    if (grid.leave) grid.leave()
    if (grid.unlink) grid.unlink()
  }
}
"""
#: Columns that a gallery tells of an image.
TOLD = ("sample_id", "class_name", "predicted", "source")
_component = st.components.v2.component("sampleinfo_gallery", css=CSS, js=JS)
#: Milliseconds without a further click after which picks are sent together (the first one is sent at once), and after
#: which those that are not acknowledged are sent again.
DELAY, PATIENCE = 250, 5000


@dataclass(frozen=True)
class Picks:
    """What was picked: ``add`` and ``remove`` are ids, ``target`` says what for, ``number`` grows with every message.

    A message holds everything that has not been acknowledged yet, so that one that is never seen loses nothing.
    """

    number: int
    target: str
    add: tuple[str, ...]
    remove: tuple[str, ...]


def gallery(
    run: Run, rows: Sequence[int], notes: Sequence[str], *, key: str, label: str, opened: str,
    height: int | None = None, tile: int = pictures.TILE, row: bool = False, group: str = "",
) -> str | None:  # fmt: skip
    """Show the images at ``rows`` with a caption (class) and a note each; the id of the one just opened, or None.

    Click, Enter or Space opens; arrows, Home and End move. Wrong predictions have a red caption.
    ``height`` limits the gallery, which then scrolls; ``tile`` is the side of a picture; both in pixels. ``row``: in
    one line that scrolls. Galleries of one ``group`` scroll together.
    """
    data = _data(run, rows, notes, label, height, tile) | {"opened": opened, "row": row, "group": group}
    result = _component(key=key, data=data, on_opened_change=lambda: None)
    return result.get("opened") if hasattr(result, "get") else getattr(result, "opened", None)


def picker(
    run: Run, rows: Sequence[int], notes: Sequence[str], picked: Sequence[str], *, key: str, label: str, target: str,
    acknowledged: int, on_pick: Callable[[], None], height: int | None = None, tile: int = pictures.TILE,
    row: bool = False,
) -> None:  # fmt: skip
    """The same, to pick from: click, Enter or Space puts an image in or takes it out, with Shift a range.

    The browser shows a pick at once and sends it after a moment; ``on_pick`` is called then and reads ``picks(key)``.
    Picks with numbers up to ``acknowledged`` are carried out (or refused): ``picked``, the ids that are in, is true of
    them. ``row``: in one line that scrolls.
    """
    data = _data(run, rows, notes, label, height, tile) | {
        "picking": True, "picked": list(picked), "target": target, "acknowledged": acknowledged, "row": row,
        "delay": DELAY, "patience": PATIENCE, "opened": "",
    }  # fmt: skip
    _component(key=key, data=data, on_picked_change=on_pick)


def picks(key: str) -> Picks | None:
    """The last message of a picker; None where there is none."""
    state = st.session_state.get(key)
    found = None if state is None else state.get("picked")
    if not found:
        return None
    add, remove = (tuple(str(each) for each in found[name]) for name in ("add", "remove"))
    return Picks(int(found["number"]), str(found["target"]), add, remove)


def _data(
    run: Run, rows: Sequence[int], notes: Sequence[str], label: str, height: int | None, tile: int
) -> dict[str, Any]:
    return {
        "label": label, "height": height, "tile": tile, "side": pictures.SHEET_SIDE, "sheet": media.publish(run, rows),
        "items": _items(run.table(TOLD), rows, notes),
    }  # fmt: skip


def _items(samples: pd.DataFrame, rows: Sequence[int], notes: Sequence[str]) -> list[dict[str, Any]]:
    """What the browser is told of each image. By columns: a row of a table is a hundred times slower to get at."""
    columns = [samples[name].iloc[list(rows)].tolist() for name in TOLD]
    items = []
    for note, id_, label, predicted, source in zip(notes, *columns, strict=True):
        wrong = predicted != label
        hint = f"{id_}: label {label}, predicted {predicted}{' (wrong)' * wrong}, {source}; {note}"
        caption = f"{label} → {predicted}" if wrong else str(label)
        items.append({"id": id_, "caption": caption, "note": note, "hint": hint, "wrong": wrong})
    return items
