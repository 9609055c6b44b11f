"""Two-dimensional maps of the penultimate features.

UMAP compiles for about 20 s in every fresh process, so it runs in a process of its own beside the kernel:
``python -m sampleinfo.embedding FEATURES.npy COORDINATES.npy SEED``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampleinfo import neighbours, processes
from sampleinfo.errors import NumericalError, SampleInfoError
from sampleinfo.types import FloatArray

Features = npt.NDArray[np.float32]
#: Neighbours that UMAP looks at; images that it lays out, the others being placed among them.
NEIGHBOURS, LAID_OUT = 15, 100_000


def pca(features: Features) -> FloatArray:
    """(N, 2) coordinates along the two directions of largest variance; constant features give zeros."""
    centred = np.asarray(features, dtype=np.float64) - features.mean(axis=0)
    left, scales, right = np.linalg.svd(centred, full_matrices=False)
    count = min(2, len(scales))
    signs = np.sign(right[np.arange(count), np.abs(right[:count]).argmax(axis=1)])
    coordinates = np.zeros((len(features), 2))
    coordinates[:, :count] = left[:, :count] * scales[:count] * signs
    return coordinates


def umap(features: Features, seed: int, most: int = LAID_OUT) -> FloatArray:
    """(N, 2) UMAP coordinates (McInnes et al. 2018), the same for the same seed; PCA below 8 samples.

    Of more than ``most`` samples a random part is laid out and the others are placed among it (``neighbours.places``),
    which takes seconds where UMAP's own placing took 5.5 ms per sample. Laying out 60,000 took 47 s on one core.
    """
    if len(features) < 8:
        return pca(features)
    if len(features) <= most:
        return _laid_out(features, seed)
    chosen = np.zeros(len(features), dtype=bool)
    chosen[np.random.default_rng(seed).choice(len(features), most, replace=False)] = True
    coordinates = np.empty((len(features), 2))
    coordinates[chosen] = _laid_out(features[chosen], seed)
    coordinates[~chosen] = neighbours.places(features[chosen], coordinates[chosen], features[~chosen], seed)
    return coordinates


def _laid_out(features: Features, seed: int) -> FloatArray:
    import warnings

    from umap import UMAP

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*n_jobs value.*")
        reducer = UMAP(n_neighbors=min(NEIGHBOURS, len(features) - 1), random_state=seed)
        coordinates = np.asarray(reducer.fit_transform(features), dtype=np.float64)
    if not np.isfinite(coordinates).all():
        raise NumericalError("UMAP gave coordinates that are not finite.")
    return coordinates


def start_umap(features: Path, coordinates: Path, seed: int) -> subprocess.Popen[bytes]:
    """Start UMAP in a process of its own with one thread; it writes ``coordinates`` when done."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "sampleinfo.embedding", str(features), str(coordinates), str(seed)]
    return subprocess.Popen(
        command, env={**os.environ, **threads}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def finish_umap(process: subprocess.Popen[bytes], coordinates: Path) -> FloatArray:
    """Wait for ``start_umap`` and read its result.

    Raises:
        SampleInfoError: with the process's last line when it failed.
    """
    _, stderr = process.communicate()
    if process.returncode != 0 or not coordinates.is_file():
        lines = stderr.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise SampleInfoError(f"UMAP failed: {lines[-1]}")
    return np.asarray(np.load(coordinates), dtype=np.float64)


def _main(features: str, coordinates: str, seed: str) -> None:
    processes.end_with_parent()
    result = umap(np.load(features), int(seed))
    temporary = Path(f"{coordinates}.{os.getpid()}.tmp.npy")
    np.save(temporary, result)
    os.replace(temporary, coordinates)


if __name__ == "__main__":
    _main(*sys.argv[1:])
