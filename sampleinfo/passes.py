"""Which passes over the images an exact or random-subset kernel needs, so that it stays within a given memory.

A pass runs every image forward and backward once and handles consecutive parameters. Of a layer with many parameters
and few positions it keeps the input and the output gradients of every image ("cached"), from which the Jacobian is
formed block by block afterwards; the Jacobian of all others is formed and kept at once ("direct").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sampleinfo import gradients, recording
from sampleinfo.jacobians import Coordinates
from sampleinfo.recording import NotRecordable, Recording

FLOAT = 4
#: Images of one batch, at most; shares of the memory for a batch and for a block formed from cached layers.
BATCH, BATCH_SHARE, BLOCK_SHARE = 16, 0.25, 0.25
#: Bytes beyond which a block is cut: larger ones only cost time to write.
BLOCK = 2**29
#: Caching must save at least this share of a layer's direct storage.
WORTH = 0.2


@dataclass(frozen=True)
class Probe:
    """What one image's forward pass tells.

    ``entering`` and ``leaving`` are the shapes (without the image's dimension) of what a layer's gradients are formed
    from; ``saved`` the bytes that the graph of one image keeps; ``work`` multiply-adds of its forward pass;
    ``reason`` says why gradients are formed by ``torch.func``, None where they are not.
    """

    outputs: int
    reason: str | None
    entering: dict[str, tuple[int, ...]]
    leaving: dict[str, tuple[int, ...]]
    saved: int
    work: int


@dataclass(frozen=True, eq=False)
class Piece:
    """Entries start..stop-1 of ``item``; with ``inputs`` > 0 counted in the order (inputs, outputs, ``kernel``)."""

    item: Coordinates
    start: int
    stop: int
    inputs: int = 0
    kernel: int = 1

    def __len__(self) -> int:
        return self.stop - self.start

    def coordinates(self) -> Coordinates:
        """The entries themselves, worked out only when they are needed: they take more memory than one image's rows."""
        positions = self.item.positions
        if len(self) == len(positions):
            return self.item
        if self.inputs:
            channel = len(positions) // self.inputs
            by_output = positions.view(-1, self.inputs, self.kernel)
            if self.start % channel == 0 and self.stop % channel == 0:
                positions = by_output[:, self.start // channel : self.stop // channel].flatten()
            else:
                positions = by_output.transpose(0, 1).flatten()[self.start : self.stop].sort().values
        else:
            positions = positions[self.start : self.stop]
        return Coordinates(self.item.layer, self.item.parameter, positions, self.item.scale)


@dataclass(frozen=True, eq=False)
class Pass:
    """Groups of coordinates that one pass over the images serves, and the layers that are cached meanwhile."""

    groups: tuple[tuple[Piece, ...], ...]
    cached: frozenset[str]
    storage: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Passes in order, images per batch, and bytes: of a block formed from cached layers and of a batch's scratch."""

    passes: tuple[Pass, ...]
    batch: int
    block: int
    scratch: int

    @property
    def memory(self) -> int:
        """Bytes of caches, blocks and scratch at the peak."""
        return max(max(each.storage for each in self.passes) + self.block, 0) + self.scratch


def probe(module: nn.Module, image: Tensor) -> Probe:
    """Run ``image`` (1, c, h, w) forward once.

    Raises:
        InvalidSetting: a network in training mode, whose images influence one another, or without outputs (b, k).
    """
    recording.check_mode(module)
    layers = [name for name, part in module.named_modules() if any(True for _ in part.parameters(recurse=False))]
    reason = recording.static_reason(module)
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    if reason is None:
        try:
            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                noted = recording.record(module, image, layers)
            kept = sum(size for place, size in saved.items() if place not in weights)
            return _described(module, noted, kept)
        except NotRecordable as error:
            reason = str(error)
    with torch.no_grad():
        outputs = module(image).shape[1]
    return Probe(outputs, reason, {}, {}, 0, 0)


def _described(module: nn.Module, noted: Recording, saved: int) -> Probe:
    layers = {name: module.get_submodule(name) for name in noted.entering}
    entering = {name: tuple(gradients.used(layers[name], tensor).shape[1:]) for name, tensor in noted.entering.items()}
    leaving = {name: tuple(shape[1:]) for name, shape in noted.leaving.items()}
    work = 0
    for name, layer in layers.items():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            work += layer.weight[0].numel() * int(np.prod(leaving[name]))
    return Probe(noted.outputs.shape[1], None, entering, leaving, saved, work)


def plan(module: nn.Module, images: int, seen: Probe, coordinates: Sequence[Coordinates], memory: int) -> Plan:
    """Passes over ``images`` images within ``memory`` bytes, as far as the gradients of one image fit in half of it."""
    per_image = _scratch(module, seen, coordinates)
    batch = int(np.clip(BATCH_SHARE * memory // per_image, 1, min(BATCH, images)))
    scratch = batch * per_image
    column = FLOAT * images * seen.outputs
    free = max(column, memory // 2, memory - scratch)
    if column * sum(map(len, coordinates)) <= min(free, BLOCK):
        pieces = [Piece(item, 0, len(item)) for item in coordinates]
        return Plan(_passes(pieces, {}, column, free, free // column), batch, 0, scratch)
    block = max(column, min(BLOCK, int(BLOCK_SHARE * memory)))
    room = max(column, free - block)
    cached = _worth_caching(module, images, seen, coordinates, room)
    if not cached:
        limit = max(1, min(BLOCK, free // 8) // column)
        return Plan(_passes(_pieces(module, coordinates, limit), {}, column, free, limit), batch, 0, scratch)
    limit = max(1, block // column)
    return Plan(_passes(_pieces(module, coordinates, limit), cached, column, room, limit), batch, block, scratch)


def _scratch(module: nn.Module, seen: Probe, coordinates: Sequence[Coordinates]) -> int:
    """Bytes that one image of a batch takes: graph, gradients at layers, unfolded input, formed gradients."""
    k, layers = seen.outputs, {item.layer for item in coordinates}
    formed = k * max(map(len, coordinates))
    if seen.reason is not None:
        return (
            FLOAT * 3 * k * sum({item.name: module.get_parameter(item.name).numel() for item in coordinates}.values())
        )
    leaving = {name: int(np.prod(seen.leaving[name])) for name in layers & seen.leaving.keys()}
    together = {item.layer for item in coordinates if item.layer in leaving and _wants_all_outputs(module, seen, item)}
    unfolded = 0
    for name in together:
        layer = module.get_submodule(name)
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            columns = layer.in_channels * int(np.prod(layer.kernel_size))
            unfolded = max(unfolded, columns * int(np.prod(seen.leaving[name][1:])))
    tangents = sum(leaving.values()) + k * sum(leaving[name] for name in together if k > 1)
    return seen.saved + FLOAT * (tangents + 3 * max(leaving.values(), default=1) + unfolded + 2 * formed)


def _wants_all_outputs(module: nn.Module, seen: Probe, item: Coordinates) -> bool:
    """``gradients.wants_all_outputs``; of a whole weight without working out its entries, which take much memory."""
    layer = module.get_submodule(item.layer)
    if item.parameter != "weight" or not isinstance(layer, nn.Conv2d):
        return False
    if len(item) == layer.weight.numel():
        return True
    wanted = gradients.entries(layer, item.parameter, item.positions)
    shapes = seen.entering[item.layer], seen.leaving[item.layer]
    return gradients.wants_all_outputs(wanted, *shapes, layer.weight.device)


def _worth_caching(
    module: nn.Module, images: int, seen: Probe, coordinates: Sequence[Coordinates], room: int
) -> dict[str, int]:
    """Bytes of the caches of the layers for which they are clearly smaller than the Jacobian."""
    found = {}
    for item in coordinates:
        layer = module.get_submodule(item.layer)
        if item.parameter != "weight" or not isinstance(layer, nn.Conv2d | nn.Linear) or item.layer not in seen.leaving:
            continue
        size = int(np.prod(seen.entering[item.layer])) + seen.outputs * int(np.prod(seen.leaving[item.layer]))
        whole = len(item) == layer.weight.numel()
        if whole and size < (1 - WORTH) * seen.outputs * len(item) and FLOAT * images * size <= room:
            found[item.layer] = FLOAT * images * size
    return found


def _pieces(module: nn.Module, coordinates: Sequence[Coordinates], limit: int) -> Iterator[Piece]:
    """Cut tensors into pieces of at most ``limit`` entries, whole convolutions by input channels.

    Input channels come first in the order of pieces, so that a given number of finished entries means the same entries
    whatever the limit; pieces of one input channel or more are boxes, whose gradients cost no more than they must.
    """
    for item in coordinates:
        layer, step, inputs, kernel = module.get_submodule(item.layer), limit, 0, 1
        if (
            len(item) > limit
            and item.parameter == "weight"
            and isinstance(layer, nn.Conv2d)
            and len(item) == layer.weight.numel()
        ):
            inputs, kernel = layer.weight.shape[1], layer.weight[0, 0].numel()
            channel = len(item) // inputs
            if limit >= channel:
                cuts = -(-inputs // (limit // channel))
                step = -(-inputs // cuts) * channel
        for start in range(0, len(item), step):
            yield Piece(item, start, min(start + step, len(item)), inputs, kernel)


@dataclass
class _Builder:
    """Passes while they are being put together."""

    limit: int
    done: list[Pass] = field(default_factory=list)
    groups: list[tuple[Piece, ...]] = field(default_factory=list)
    group: list[Piece] = field(default_factory=list)
    cached: set[str] = field(default_factory=set)
    used: int = 0

    def close_group(self) -> None:
        if self.group:
            self.groups.append(tuple(self.group))
        self.group = []

    def close_pass(self) -> None:
        self.close_group()
        if self.groups:
            self.done.append(Pass(tuple(self.groups), frozenset(self.cached), self.used))
        self.groups, self.cached, self.used = [], set(), 0


def _passes(pieces: Iterable[Piece], caches: dict[str, int], column: int, room: int, limit: int) -> tuple[Pass, ...]:
    """Fill passes up to ``room`` bytes of storage, their groups up to ``limit`` entries; ``column`` bytes an entry."""
    made = _Builder(limit)
    for piece in pieces:
        layer = piece.item.layer
        cached = piece.item.parameter == "weight" and layer in caches
        need = column * len(piece)
        if cached:
            need = 0 if layer in made.cached else caches[layer]
        if made.used + need > room:
            made.close_pass()
            need = caches[layer] if cached else need
        if sum(map(len, made.group)) + len(piece) > limit:
            made.close_group()
        made.group.append(piece)
        made.used += need
        if cached:
            made.cached.add(layer)
    made.close_pass()
    return tuple(made.done)


def is_cached(piece: Piece, current: Pass) -> bool:
    """Whether a piece is formed after the pass."""
    return piece.item.parameter == "weight" and piece.item.layer in current.cached


def facts(made: Plan) -> dict[str, Any]:
    """Numbers for tests and messages."""
    return {
        "passes": len(made.passes),
        "groups": sum(len(each.groups) for each in made.passes),
        "cached": sorted(set().union(*(each.cached for each in made.passes))),
        "batch": made.batch,
    }
