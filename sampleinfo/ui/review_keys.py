"""Keys of the Review page: a key presses a button of the page, as a click does.

Streamlit's own ``shortcut`` of a button keeps R for itself, takes Ctrl+Z out of text fields, and would take the arrows
from lists. A key does nothing in a text field or a popover, and judges only an image that is in view.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

#: Milliseconds for which a second answer waits for the next image to appear, if nothing else happens.
PATIENCE = 1500
JS = """
const FIELDS = ['TEXTAREA', 'SELECT']
const LISTS = ['listbox', 'option', 'tab', 'tablist', 'radio', 'radiogroup', 'slider', 'grid', 'spinbutton']
const isField = (each) => each.tagName && (FIELDS.includes(each.tagName) || each.isContentEditable ||
  (each.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'submit'].includes(each.type)))
const isOver = (each) => each.getAttribute && (each.getAttribute('data-testid') === 'stPopoverBody' ||
  each.getAttribute('role') === 'dialog')
const isList = (each) => each.getAttribute && LISTS.includes(each.getAttribute('role'))
export default function ({ data, parentElement }) {
  const place = parentElement
  if (place.drawn !== data.drawn) { place.drawn = data.drawn; place.until = 0 }
  const active = document.activeElement
  // After a choice in a list above, the keys are about the image again.
  if (place.scope !== undefined && place.scope !== data.scope && active && active.tagName === 'INPUT' &&
      active.getAttribute('role') === 'combobox') active.blur()
  place.scope = data.scope
  const seen = () => {
    const picture = document.querySelector(`.st-key-${data.picture}`)
    if (!picture) return true
    const box = picture.getBoundingClientRect(), middle = (box.top + box.bottom) / 2
    if (middle > 0 && middle < window.innerHeight) return true
    picture.scrollIntoView({ block: 'center' })
    return false
  }
  const named = (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (event.altKey) return ''
    if (!event.ctrlKey && !event.metaKey) return key
    return key === 'z' ? (event.shiftKey ? 'redo' : 'undo') : ''
  }
  const press = (event) => {
    const path = event.composedPath(), key = named(event)
    const target = Object.hasOwn(data.keys, key) ? data.keys[key] : null
    if (!target || path.some(isField) || path.some(isOver)) return
    if (key.startsWith('Arrow') && path.some(isList)) return
    event.preventDefault()
    event.stopImmediatePropagation()
    const moves = key.startsWith('Arrow')
    if ((event.repeat && !moves) || !seen()) return
    const button = document.querySelector(`.st-key-${target} button`)
    if (!button || button.disabled || Date.now() < place.until) return
    place.until = Date.now() + data.patience
    button.click()
  }
  if (place.leave) place.leave()
  window.addEventListener('keydown', press, true)
  place.leave = () => window.removeEventListener('keydown', press, true)
  return () => { if (place.leave) place.leave() }
}
"""
_component = st.components.v2.component("sampleinfo_review_keys", js=JS)


def keys(buttons: Mapping[str, str], picture: str, drawn: str, scope: str) -> None:
    """Let keys press buttons; to be called after these are drawn.

    Args:
        buttons: of each key (a letter or digit, ``ArrowLeft``, ``undo`` for Ctrl+Z, ``redo`` for Ctrl+Shift+Z) the key
            of the button.
        picture: the key of the container that must be in view.
        drawn: another text each time that another image or another verdict is shown; until then one key is enough.
        scope: another text when the choice above the image changes; the focus leaves its lists then.
    """
    data = {"keys": dict(buttons), "picture": picture, "drawn": drawn, "scope": scope, "patience": PATIENCE}
    _component(key="review-keys", data=data, height=1)
