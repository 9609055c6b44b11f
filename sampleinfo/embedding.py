"""Two-dimensional maps and neighbours of the penultimate features.

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

from sampleinfo.errors import NumericalError, SampleInfoError
from sampleinfo.types import FloatArray, IntArray

Features = npt.NDArray[np.float32]
NEIGHBOURS = 15


def pca(features: Features) -> FloatArray:
    """(N, 2) coordinates along the two directions of largest variance; constant features give zeros."""
    centred = np.asarray(features, dtype=np.float64) - features.mean(axis=0)
    left, scales, right = np.linalg.svd(centred, full_matrices=False)
    count = min(2, len(scales))
    signs = np.sign(right[np.arange(count), np.abs(right[:count]).argmax(axis=1)])
    coordinates = np.zeros((len(features), 2))
    coordinates[:, :count] = left[:, :count] * scales[:count] * signs
    return coordinates


def nearest(features: Features, count: int) -> IntArray:
    """(N, min(count, N - 1)) rows of each sample's nearest others, by Euclidean distance, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(features) - 1)
    index = NearestNeighbors(n_neighbors=count).fit(features)
    return np.asarray(index.kneighbors(return_distance=False), dtype=np.int64)


def umap(features: Features, seed: int) -> FloatArray:
    """(N, 2) UMAP coordinates (McInnes et al. 2018), the same for the same seed; PCA below 8 samples."""
    if len(features) < 8:
        return pca(features)
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
    result = umap(np.load(features), int(seed))
    temporary = Path(coordinates + ".tmp.npy")
    np.save(temporary, result)
    os.replace(temporary, coordinates)


if __name__ == "__main__":
    _main(*sys.argv[1:])
