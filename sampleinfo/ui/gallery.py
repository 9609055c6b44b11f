"""A gallery of thumbnails: a list box driven by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
.picture {width: var(--tile); height: var(--tile); border-radius: 4px; background-color: #000; margin: 0 auto}
.caption {overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
.wrong {color: #d1495b; font-weight: 600}
.note {opacity: .75; font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
"""
JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  let grid = parentElement.querySelector('.grid')
  if (!grid) {
    grid = document.createElement('div')
    grid.className = 'grid'
    grid.setAttribute('role', 'listbox')
    parentElement.appendChild(grid)
  }
  grid.setAttribute('aria-label', data.label)
  grid.style.maxHeight = data.height ? data.height + 'px' : ''
  const side = data.side, per = side * side, tile = data.tile
  grid.style.setProperty('--tile', tile + 'px')
  const signature = JSON.stringify(data.items)
  const open = (item) => setTriggerValue('opened', item.dataset.sampleId)
  if (grid.dataset.signature !== signature) {
    grid.dataset.signature = signature
    grid.replaceChildren(...data.items.map((entry) => {
      const item = document.createElement('div')
      item.className = 'item'
      item.setAttribute('role', 'option')
      item.dataset.sampleId = entry.id
      item.title = entry.hint
      item.setAttribute('aria-label', entry.hint)
      item.tabIndex = -1
      const picture = document.createElement('div')
      picture.className = 'picture'
      const place = entry.row % per, sheet = Math.floor(entry.row / per)
      picture.style.backgroundImage = `url("${data.folder}/${String(sheet).padStart(3, '0')}.webp")`
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
    grid.scrollTop = 0
  }
  const items = [...grid.children]
  for (const item of items) {
    item.setAttribute('aria-selected', String(item.dataset.sampleId === data.opened))
  }
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
  grid.onclick = (event) => {
    const item = event.target.closest('.item')
    if (item) { move(items.indexOf(item)); open(item) }
  }
  grid.onkeydown = (event) => {
    const at = items.indexOf(event.target.closest('.item'))
    if (at < 0) return
    const line = Math.max(1, items.filter((item) => item.offsetTop === items[0].offsetTop).length)
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: line, ArrowUp: -line, Home: -at, End: items.length }
    if (event.key in steps) { event.preventDefault(); move(at + steps[event.key]) }
    if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); open(items[at]) }
  }
}
"""
_component = st.components.v2.component("sampleinfo_gallery", css=CSS, js=JS)


def gallery(
    run: Run, rows: Sequence[int], notes: Sequence[str], *, key: str, label: str, opened: str,
    height: int | None = None, tile: int = pictures.TILE,
) -> str | None:  # fmt: skip
    """Show the images at ``rows`` with a caption (class) and a note each; the id of the one just opened, or None.

    Click, Enter or Space opens; arrows, Home and End move. Wrong predictions have a red caption.
    ``height`` limits the gallery, which then scrolls; ``tile`` is the side of a picture; both in pixels.
    """
    data = {
        "label": label, "opened": opened, "height": height, "tile": tile, "side": pictures.SHEET_SIDE,
        "folder": media.publish(run),
        "items": [_item(run, int(row), note) for row, note in zip(rows, notes, strict=True)],
    }  # fmt: skip
    result = _component(key=key, data=data, on_opened_change=lambda: None)
    return result.get("opened") if hasattr(result, "get") else getattr(result, "opened", None)


def _item(run: Run, row: int, note: str) -> dict[str, Any]:
    sample = run.samples.iloc[row]
    wrong = sample["predicted"] != sample["class_name"]
    hint = f"{sample['sample_id']}: label {sample['class_name']}, predicted {sample['predicted']}"
    hint += f"{' (wrong)' if wrong else ''}, {sample['source']}; {note}"
    caption = f"{sample['class_name']} → {sample['predicted']}" if wrong else str(sample["class_name"])
    return {"id": sample["sample_id"], "row": row, "caption": caption, "note": note, "hint": hint, "wrong": bool(wrong)}
