"""Per-sample Jacobians of the outputs, from one forward pass and one backward pass per output.

For a batch of b images in eval mode the samples do not mix, so the gradient of sum_b f_o(x_b) with respect to the
*output* of a layer holds every sample's own gradient; with the layer's input it gives the parameter gradients
(``gradients``). No loop over images is needed and only the coordinates asked for are kept. Networks with parameters in
other kinds of layers, or that use a layer more than once, are left to ``torch.func``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from sampleinfo import gradients, recording
from sampleinfo.errors import InvalidSetting
from sampleinfo.gradients import Entries, Sums
from sampleinfo.recording import Noted, NotRecordable, Recording

#: Numbers in the Jacobians that ``torch.func`` forms at once.
FUNCTIONAL_CHUNK = 2**25


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Entries of one parameter tensor, as flat positions (d,), and the factor their gradients are multiplied by."""

    layer: str
    parameter: str
    positions: Tensor
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def name(self) -> str:
        """The tensor's name inside the network."""
        return f"{self.layer}.{self.parameter}" if self.layer else self.parameter


def all_coordinates(module: nn.Module) -> list[Coordinates]:
    """Every entry of every parameter; one that several layers share counts once, at the first of them."""
    found, seen = [], set[int]()
    for layer, part in module.named_modules():
        for parameter, tensor in part.named_parameters(recurse=False):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                found.append(Coordinates(layer, parameter, torch.arange(tensor.numel())))
    return found


def random_coordinates(module: nn.Module, per_tensor: int, seed: int) -> list[Coordinates]:
    """At most ``per_tensor`` random entries of every parameter tensor, scaled by sqrt(size / kept).

    The scaled kernel is an unbiased estimate of the exact one (the random subset of Harutyunyan et al. 2021).
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for whole in all_coordinates(module):
        size, kept = len(whole), min(per_tensor, len(whole))
        positions = torch.randperm(size, generator=generator)[:kept].sort().values
        chosen.append(Coordinates(whole.layer, whole.parameter, positions, (size / kept) ** 0.5))
    return chosen


def in_scope(coordinates: Iterable[Coordinates], prefixes: Sequence[str]) -> list[Coordinates]:
    """Those whose layer is one of ``prefixes`` or lies below one: "layer4" holds "layer4.1.conv1", not "layer40".

    Raises:
        InvalidSetting: nothing is left.
    """
    everything = list(coordinates)
    kept = [
        item
        for item in everything
        if any(item.layer == prefix or item.layer.startswith(prefix + ".") for prefix in prefixes)
    ]
    if not kept:
        layers = dict.fromkeys(item.layer.split(".")[0] for item in everything)
        raise InvalidSetting(
            f"no parameters in the scope {', '.join(map(repr, prefixes)) or 'of no layers'}; this network has "
            f"parameters in {', '.join(map(repr, layers))} (and below)."
        )
    return kept


def group(coordinates: Iterable[Coordinates], limit: int) -> list[list[Coordinates]]:
    """Cut into consecutive groups of at most ``limit`` entries each; a tensor larger than that is cut, too."""
    groups: list[list[Coordinates]] = [[]]
    room = limit
    for item in coordinates:
        start = 0
        while start < len(item):
            if room == 0:
                groups.append([])
                room = limit
            part = item.positions[start : start + room]
            groups[-1].append(Coordinates(item.layer, item.parameter, part, item.scale))
            start += len(part)
            room -= len(part)
    return groups


def fallback_reason(module: nn.Module) -> str | None:
    """One sentence on why gradients are formed by ``torch.func``, as far as the layers tell; None where they are not.

    What only shows when the network runs (a layer used twice, inputs changed in place) is found by ``probe``.
    """
    return recording.static_reason(module)


def jacobian_rows(module: nn.Module, images: Tensor, coordinates: list[Coordinates]) -> Tensor:
    """(b, k, d) derivatives of every output by the chosen entries, times their scales; d = sum of their numbers.

    Raises:
        InvalidSetting: a network in training mode, or whose images influence one another, or without outputs (b, k).
    """
    recording.check_mode(module)
    return torch.cat(list(Rows.of(module, coordinates).each(images)), dim=2)


@dataclass(frozen=True, eq=False)
class Rows:
    """Jacobian rows over fixed coordinates, with what can be worked out beforehand; ``module`` must be in eval mode.

    ``entries`` is None where ``torch.func`` does the work.
    """

    module: nn.Module
    coordinates: tuple[Coordinates, ...]
    entries: tuple[Entries, ...] | None

    @classmethod
    def of(cls, module: nn.Module, coordinates: Sequence[Coordinates]) -> Rows:
        """Look up layers and places."""
        if recording.static_reason(module) is not None:
            return cls(module, tuple(coordinates), None)
        entries = [gradients.entries(module.get_submodule(c.layer), c.parameter, c.positions) for c in coordinates]
        return cls(module, tuple(coordinates), tuple(entries))

    @classmethod
    def functional(cls, module: nn.Module, coordinates: Sequence[Coordinates]) -> Rows:
        """All by ``torch.func``."""
        return cls(module, tuple(coordinates), None)

    def each(self, images: Tensor) -> Iterator[Tensor]:
        """(b, k, d_i) for each of ``coordinates``, scaled."""
        if self.entries is None:
            yield from functional_rows(self.module, images, self.coordinates)
            return
        layers = list(dict.fromkeys(item.layer for item in self.coordinates))
        try:
            noted = recording.record(self.module, channels_last(images), layers)
        except NotRecordable:
            yield from functional_rows(self.module, images, self.coordinates)
            return
        b, k = noted.outputs.shape
        found = [noted.outputs.detach().new_zeros(b, k, len(item)) for item in self.coordinates]

        def consume(layers: Noted, first: int) -> None:
            for number, values in self.formed(layers):
                found[number][:, first : first + values.shape[1]] = values

        noted.visit(consume, self.together(noted))
        yield from found

    def together(self, noted: Recording) -> set[str]:
        """Layers whose gradients are better formed for all outputs at once."""
        assert self.entries is not None
        names = set()
        for item, wanted in zip(self.coordinates, self.entries, strict=True):
            if item.layer in noted.entering:
                entering, leaving = noted.entering[item.layer], noted.leaving[item.layer]
                if gradients.wants_all_outputs(wanted, entering.shape[1:], leaving[1:], entering.device):
                    names.add(item.layer)
        return names

    def formed(self, layers: Noted) -> Iterator[tuple[int, Tensor]]:
        """Number and rows (b, k, d_i) of each of ``coordinates`` in ``layers``.

        Matrix products come first, sums in own threads behind: the threads of the former go on turning for a while.
        """
        assert self.entries is not None
        known: Sums = {}
        order = sorted(enumerate(self.entries), key=lambda each: isinstance(each[1].layer, nn.BatchNorm2d))
        for number, wanted in order:
            item = self.coordinates[number]
            if item.layer not in layers:
                continue
            found = gradients.form(wanted, *layers[item.layer], known)
            yield number, found if item.scale == 1.0 else _scaled(found, item.scale)


def _scaled(values: Tensor, scale: float) -> Tensor:
    """``values * scale``; on the CPU without torch's threads (see ``Rows.formed``)."""
    return torch.from_numpy(values.numpy() * scale) if values.device.type == "cpu" else values * scale


def channels_last(images: Tensor) -> Tensor:
    """Channels innermost in memory, in which convolutions are fastest; the values are the same."""
    return images.contiguous(memory_format=torch.channels_last) if images.dim() == 4 else images


def functional_rows(module: nn.Module, images: Tensor, coordinates: Sequence[Coordinates]) -> Iterator[Tensor]:
    """(b, k, d_i) for each of ``coordinates`` by ``torch.func``: the whole gradients of the tensors, image by image."""
    names = list(dict.fromkeys(item.name for item in coordinates))
    values = {name: module.get_parameter(name).detach() for name in names}
    with torch.no_grad():
        k = module(images[:1]).shape[1]

    def outputs(chosen: dict[str, Tensor], image: Tensor) -> Tensor:
        result: Tensor = functional_call(module, chosen, (image[None],))[0]
        return result

    chunk = max(1, FUNCTIONAL_CHUNK // (k * sum(value.numel() for value in values.values())))
    derivatives = vmap(jacrev(outputs), in_dims=(None, 0), chunk_size=chunk)(values, images)
    for item in coordinates:
        found = derivatives[item.name].detach().flatten(2)[:, :, item.positions.to(images.device)]
        yield found if item.scale == 1.0 else found * item.scale
