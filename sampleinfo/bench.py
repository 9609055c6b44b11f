"""The workbench of a run without a kernel: the head and the projection, where every worker finds them.

One driver at a time works on it. ``projection.json`` is written last and holds the matrix's checksum: a projection is
there whole or not at all.
"""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sampleinfo import processes, projection
from sampleinfo.config import RunConfig
from sampleinfo.devices import device_of
from sampleinfo.errors import InvalidRun, StorageError
from sampleinfo.execution_storage import Place
from sampleinfo.jacobians import Coordinates, in_scope
from sampleinfo.models.pretrained import Network
from sampleinfo.prepared import Prepared
from sampleinfo.types import IntArray

HEAD, MATRIX, FACTS, MARK = "head.npz", "projection.npy", "projection.json", "driver.json"


@dataclass(frozen=True)
class Laid:
    """A projection that is there: its dimension, the share of the landmarks it keeps, how many coordinates; the bytes
    of its file and their SHA-256."""

    dimension: int
    kept: float
    coordinates: int
    bytes: int
    sha256: str


@contextmanager
def held(place: Place) -> Iterator[None]:
    """Work there alone. The mark of a process of this machine that has ended counts for nothing.

    Raises:
        StorageError: another process works there, or one of another machine left its mark.
    """
    here = {"host": socket.gethostname(), **processes.noted(os.getpid())}
    other = _mark(place)
    if other is not None and (other.get("host") != here["host"] or processes.runs(other)):
        raise StorageError(
            f"process {other.get('pid')} of the machine {other.get('host')} computes this run in {place} already. Wait "
            f"for it; if it has ended, delete {MARK} there."
        )
    place.put(MARK, json.dumps(here).encode())
    try:
        yield
    finally:
        place.remove(MARK)


def _mark(place: Place) -> dict[str, Any] | None:
    if not place.exists(MARK):
        return None
    try:
        found = json.loads(place.get(MARK))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def chosen(config: RunConfig, network: Network, most: int) -> list[Coordinates]:
    """The coordinates of a run's projected features: ``most`` at most, of the layers in its scope."""
    found = projection.budgeted(network.module, most, config.seed)
    layers = network.spec.layers(config.scope)
    return in_scope(found, layers) if layers else found


def laid(place: Place) -> Laid | None:
    """The projection that is there and whole: shards may have been made with it."""
    try:
        found = Laid(**json.loads(place.get(FACTS))) if place.exists(FACTS) else None
    except (ValueError, TypeError):
        return None
    return found if found is not None and _whole(place, found) else None


def _whole(place: Place, found: Laid) -> bool:
    stamp = place.stamp(MATRIX)
    return stamp is not None and stamp[0] == found.bytes and place.digest(MATRIX) == found.sha256


def lay_head(ready: Prepared, place: Place) -> None:
    """The head that the network was given."""
    weight, bias = (part.detach().cpu().numpy() for part in (ready.network.head.weight, ready.network.head.bias))
    with place.writing(HEAD) as file:
        np.savez(file, weight=weight, bias=bias)


def lay_projection(ready: Prepared, rows: IntArray, most: int, dimension: int, place: Place) -> Laid:
    """The projection onto the main directions of the landmarks ``rows``, of ``most`` coordinates at most."""
    network, pixels = ready.network, ready.pixels
    device = device_of(network.module)
    parts = np.array_split(rows, max(1, len(rows) // 64))
    batches = (network.normalise(np.array(pixels[part])).to(device) for part in parts)
    found = projection.project(network.module, batches, chosen(ready.config, network, most), dimension)
    place.remove(FACTS)
    with place.writing(MATRIX) as file:
        np.save(file, found.matrix.numpy())
    size, _ = place.stamp(MATRIX) or (0, "")
    made = Laid(found.dimension, found.kept, sum(map(len, found.coordinates)), size, place.digest(MATRIX))
    place.put(FACTS, json.dumps(asdict(made)).encode())  # the last: all is there
    return made


def head(place: Place) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Weight and bias."""
    with np.load(io.BytesIO(place.get(HEAD)), allow_pickle=False) as found:
        return found["weight"], found["bias"]


def matrix(place: Place) -> npt.NDArray[np.float32]:
    """(d, D) the projection.

    Raises:
        InvalidRun: it is missing or damaged.
    """
    if laid(place) is None:
        raise InvalidRun(
            f"the projection in {place} is missing or damaged. Run again with the same settings: it is made anew."
        )
    if place.local:  # mapped, so that the processes of a machine share it; "c": torch wants an array it could write to
        return np.asarray(np.load(place.path(MATRIX), mmap_mode="c"))
    return np.asarray(np.load(io.BytesIO(place.get(MATRIX)), allow_pickle=False))


def clear(place: Place) -> None:
    """Remove head and projection, the projection's facts first."""
    for name in (FACTS, MATRIX, HEAD):
        place.remove(name)
