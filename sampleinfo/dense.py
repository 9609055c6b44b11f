"""Dense layers whose weights' kernel is formed without their Jacobian.

The Jacobian of a dense layer's weight is g x^T, so that its kernel <g, g'> <x, x'> costs c_in + c_out multiply-adds for
each pair of rows instead of c_in c_out.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sampleinfo.jacobians import Coordinates
from sampleinfo.passes import Probe

#: How many times cheaper the kernel of a dense layer's weight must be without its Jacobian.
FACTOR = 32


def factored(module: nn.Module, seen: Probe, coordinates: list[Coordinates]) -> tuple[list[Coordinates], list[str]]:
    """The entries whose Jacobian is formed, and the dense layers whose weights' kernel has the shorter form."""
    formed, shorter = [], []
    for item in coordinates:
        layer = module.get_submodule(item.layer)
        if (
            seen.reason is None and isinstance(layer, nn.Linear) and item.parameter == "weight" and item.scale == 1.0
            and len(seen.entering.get(item.layer, ())) == 1 and len(item) == layer.weight.numel()
            and len(item) >= FACTOR * sum(layer.weight.shape)
        ):  # fmt: skip
            shorter.append(item.layer)
        else:
            formed.append(item)
    return (formed, shorter) if formed else (coordinates, [])


def kept_memory(seen: Probe, layers: Sequence[str], images: int) -> int:
    """Bytes of x and g of these layers for all images."""
    return sum(4 * images * (seen.entering[name][0] + seen.outputs * seen.leaving[name][0]) for name in layers)
