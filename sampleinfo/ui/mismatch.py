"""Whether a run assumes another training than the real network had, and what to do then."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sampleinfo.config import REAL_STEPS
from sampleinfo.store import Run, recipe_words
from sampleinfo.trainings import differences, is_descent, own_recipe
from sampleinfo.ui.words import times
from sampleinfo.validations import ALONG, MATCHED, METHODS, PREDICTIONS, RUN, Request, Validation, short


def requested(run: Run, request: Request) -> dict[str, Any]:
    """The training that is asked for, as far as it is known before it begins."""
    own = own_recipe(run)
    return {
        "steps": request.steps or (own["steps"] if is_descent(run) else REAL_STEPS),
        "lr": request.lr or own["lr"],
        "ridge": own["ridge"] if request.ridge is None else request.ridge,
        "batch_size": request.batch_size or own["batch_size"],
    }


def foretold(run: Run, request: Request) -> str:
    """The same before a validation, in a sentence; empty where nothing differs."""
    found = differences(run, requested(run, request))
    if not found:
        return ""
    assumed, real = (", ".join(words) for words in zip(*found, strict=True))
    return f"The network is trained with {real}; the scores of this run assume {assumed}."


def mismatch(run: Run, found: Validation) -> bool:
    """A loud word where the real training was another than the run's; whether there was one."""
    differing = differences(run, found.meta["recipe"])
    if not differing:
        return False
    assumed, real = (", ".join(words) for words in zip(*differing, strict=True))
    advice = _along_advice() if run.meta.get("along") else _advice(found)
    title = f"**The real network was trained with {real}; the scores of this run assume {assumed}{_cost(run, found)}.**"
    st.warning(f"{title}  \n{advice}", icon=":material/warning:")
    return True


def _cost(run: Run, found: Validation) -> str:
    """How far off the run's own scores are by that; nothing where they were not compared."""
    known = None if run.meta.get("along") else found.agreement(RUN, PREDICTIONS)
    if known is None or known.pearson is None:
        return ""
    size = "" if known.ratio is None else f" and are {times(known.ratio)} times the real nats at the median"
    return f", agree with r\u00a0=\u00a0{short(known.pearson)}{size}"


def _advice(found: Validation) -> str:
    fair = []
    for name in (MATCHED, ALONG):
        known = found.agreement(name, PREDICTIONS)
        if known is not None and known.pearson is not None:
            fair.append(f"*{METHODS[name].title}* (r\u00a0=\u00a0{short(known.pearson)})")
    look = f"Look at {' or '.join(fair)} below; to" if fair else "To"
    return (
        f"{look} score every image so, start a run on Home with the method *Along the training* and "
        f"{recipe_words(found.meta['recipe'])}."
    )


def _along_advice() -> str:
    return (
        f"*{METHODS[ALONG].title}* below is that method in the other training, not the numbers of this run. To check "
        "those, validate again with the fields under *More settings* empty."
    )
