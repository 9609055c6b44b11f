"""The training that a run's scores are of, and how another one differs from it."""

from __future__ import annotations

import math
from typing import Any

from sampleinfo.store import Run


def own_recipe(run: Run) -> dict[str, Any]:
    """The training that a run's scores are of: ``steps`` is None where it goes on to convergence."""
    along, how = run.meta.get("along"), run.meta["training"]
    if along:
        return dict(along["recipe"])
    return {"steps": how["steps"], "lr": how["lr"], "ridge": run.meta["ridge"]["value"], "batch_size": None}


def is_descent(run: Run) -> bool:
    """Whether a run's scores are of gradient descent in steps, which a real network can be trained by as well."""
    how = run.meta["training"]
    return bool(run.meta.get("along")) or (how["steps"] is not None and not how["continuous"])


def differences(run: Run, recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """What the run assumes and what was really done instead, in words, where the two differ."""
    own, found = own_recipe(run), []
    if not is_descent(run):
        time = own["steps"]
        assumed = "training to convergence" if time is None else f"gradient flow for the time {time:g}"
        found.append((assumed, f"{recipe['steps']} steps"))
    else:
        if own["steps"] != recipe["steps"]:
            found.append((f"{own['steps']} steps", f"{recipe['steps']} steps"))
        if not math.isclose(own["lr"], recipe["lr"], rel_tol=1e-6):
            found.append((f"lr {own['lr']:.3g}", f"lr {recipe['lr']:.3g}"))
    if not math.isclose(own["ridge"], recipe["ridge"], rel_tol=1e-6):
        found.append((f"ridge {own['ridge']:.3g}", f"ridge {recipe['ridge']:.3g}"))
    if _batch(run, own) != _batch(run, recipe):
        found.append((_batch(run, own), _batch(run, recipe)))
    return found


def _batch(run: Run, recipe: dict[str, Any]) -> str:
    size = recipe["batch_size"]
    return "full batches" if size in (None, run.meta["sizes"]["train"]) else f"batches of {size}"
