"""Ratios against baselines run in the same process, printed as one table and kept in ``benchmarks/results.json``.

python benchmarks/run.py [--quick]
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sampleinfo import kernels, linearized
from sampleinfo.linearized import Problem, Training


def seconds(work: Callable[[], object]) -> float:
    """Best of three."""
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def leave_one_out(n: int) -> tuple[str, float, float]:
    """All leave-one-outs in closed form against solving each (10 samples, scaled)."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2 * n, 2 * n))
    train, val = features[:n], features[n:]
    gram, cross, residual = train @ train.T, val @ train.T, rng.normal(size=(n, 1))
    problem = Problem(gram, cross, residual, np.zeros((n, 1)))

    def naive() -> None:
        for i in range(10):
            keep = np.delete(np.arange(n), i)
            cross[:, keep] @ np.linalg.solve(gram[np.ix_(keep, keep)] + np.eye(n - 1), residual[keep])

    ours = seconds(lambda: linearized.fit(problem, Training(ridge=1.0)).leave_each_out())
    return f"all {n} leave-one-outs against a solve each", ours, seconds(naive) * n / 10


def accumulation(nk: int, d: int) -> tuple[str, float, float]:
    """The symmetric half of a kernel block against the whole product (float32)."""
    rows = torch.randn(nk, d)
    gram, cross = np.zeros((nk, nk)), np.zeros((0, nk))
    ours = seconds(lambda: kernels._accumulate(gram, cross, rows, nk, lambda _: None))
    return f"kernel block {nk} x {d} against the whole product", ours, seconds(lambda: rows @ rows.T)


def main(quick: bool) -> None:
    """Run, print, keep."""
    lines = [leave_one_out(500 if quick else 1000), accumulation(2000 if quick else 5000, 20_000)]
    print(f"{'work':58}{'ours, s':>10}{'baseline, s':>13}{'ratio':>9}")
    for name, ours, baseline in lines:
        print(f"{name:58}{ours:10.3f}{baseline:13.3f}{baseline / ours:9.1f}")
    facts = {"cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__,
             "numpy": np.__version__}  # fmt: skip
    rows = [{"work": name, "seconds": ours, "baseline_seconds": base} for name, ours, base in lines]
    Path(__file__).with_name("results.json").write_text(json.dumps({"machine": facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
