"""Networks by name. One file per family; what is imported here is free of torch, so that pages may read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampleinfo.models.sources import check, identity
from sampleinfo.models.specs import ACTIVATIONS, MODELS, NORMS, SUFFIXES, ModelSpec, find
from sampleinfo.types import Reporter, silent

if TYPE_CHECKING:
    from sampleinfo.models.pretrained import Network

__all__ = ["ACTIVATIONS", "MODELS", "NORMS", "SUFFIXES", "ModelSpec", "check", "find", "identity", "load"]


def load(
    spec: ModelSpec,
    outputs: int,
    seed: int,
    weights: str | None = None,
    norm: str = "batch",
    activation: str = "relu",
    report: Reporter = silent,
) -> Network:
    """The network with pre-trained weights and a fresh head of ``outputs`` outputs, in eval mode.

    The head's weight is N(0, 1/features) by ``seed``, its bias 0. ``weights``: None for the default ones, a name out of
    ``spec.weights_names`` (downloaded at first use; reported as stage ``weights``), or a file. ``norm`` and
    ``activation``: see ``NORMS`` and ``ACTIVATIONS``.

    Raises:
        InvalidSetting: as ``check``.
        StorageError: weights that are missing, or cannot be read or downloaded.
        InvalidData: a file that holds no weights for this network, or something else than weights.
    """
    from sampleinfo.models import pretrained

    check(spec, weights, norm, activation)
    return pretrained.load(spec, outputs, seed, weights, norm, activation, report)
