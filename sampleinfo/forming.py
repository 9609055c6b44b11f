"""One pass over the images: forms the Jacobian blocks of its groups, at once or from cached layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from sampleinfo import gradients, recording
from sampleinfo.devices import empty
from sampleinfo.errors import InvalidSetting
from sampleinfo.jacobians import Coordinates, Rows, channels_last
from sampleinfo.passes import Pass, Piece, Probe, is_cached
from sampleinfo.products import Block
from sampleinfo.recording import Noted, NotRecordable

Caches = dict[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class Place:
    """Where the rows of some entries go: a block, from a column on."""

    item: Coordinates
    block: Block
    column: int


@dataclass(frozen=True)
class Former:
    """Makes Jacobian blocks of ``images`` images, ``batch`` at a time; ``take(start, stop)`` prepares them.

    No batch reaches over one of the ``cuts``, where ``take`` may give the network other weights.
    """

    module: nn.Module
    take: Callable[[int, int], Tensor]
    images: int
    seen: Probe
    batch: int
    cuts: tuple[int, ...] = ()

    def _spans(self) -> Iterator[tuple[int, int]]:
        """Starts and ends of the batches."""
        for low, high in pairwise((0, *(cut for cut in self.cuts if 0 < cut < self.images), self.images)):
            for start in range(low, high, self.batch):
                yield start, min(start + self.batch, high)

    def run(self, current: Pass, progress: Callable[[float], None]) -> Iterator[list[Tensor]]:
        """For each group the contiguous pieces (images * k, columns) of its block.

        ``progress`` is told each further share of the images that has passed.
        """
        later = [[piece for piece in group if is_cached(piece, current)] for group in current.groups]
        direct = [[piece for piece in group if not is_cached(piece, current)] for group in current.groups]
        places = [self._places(pieces) for pieces in direct]
        layers = dict.fromkeys(piece.item.layer for pieces in later for piece in pieces)
        caches = {name: self._cache(name) for name in layers}
        self._fill([each for group in places for each in group], caches, progress)
        while places:
            chunks = _chunks(places.pop(0))
            if expanded := self._places(later.pop(0)):
                self._expand(expanded, caches)
                chunks += _chunks(expanded)
            del expanded
            yield chunks

    def dense(self, layers: list[str], progress: Callable[[float], None]) -> Caches:
        """Of dense layers the inputs (images, in) and the gradients at the outputs (images, k, out), in one pass."""
        caches = {name: self._cache(name) for name in layers}
        self._fill([], caches, progress)
        return caches

    def _some(self) -> Tensor:
        return next(self.module.parameters())

    def _places(self, pieces: list[Piece]) -> list[Place]:
        """Columns one after the other in one new block."""
        some = self._some()
        block = Block(self.images * self.seen.outputs, sum(map(len, pieces)), some)
        places, column = [], 0
        for piece in pieces:
            places.append(Place(piece.coordinates(), block, column))
            column += len(piece)
        return places

    def _cache(self, name: str) -> tuple[Tensor, Tensor]:
        """Room for a layer's inputs and the gradients at its outputs, of all images, channels innermost."""
        k, some, made = self.seen.outputs, self._some(), []
        leaving = self.seen.leaving[name]
        for shape in (self.seen.entering[name], (k, *leaving)):
            made.append(empty((self.images, *shape), some, channels_last=len(leaving) == 3))
        return made[0], made[1]

    def _fill(self, places: list[Place], caches: Caches, progress: Callable[[float], None]) -> None:
        """Run all images forward and backward once."""
        items = [each.item for each in places]
        by_layers = self.seen.reason is None
        rows = Rows.of(self.module, items) if by_layers else Rows.functional(self.module, items)
        for start, stop in self._spans():
            images = self.take(start, stop).to(self._some().device)
            if by_layers:
                self._run(rows, places, images, start, caches)
            else:
                for place, values in zip(places, rows.each(images), strict=True):
                    self._write(place, values, start, 0)
            progress((stop - start) / self.images)

    def _run(self, rows: Rows, places: list[Place], images: Tensor, start: int, caches: Caches) -> None:
        """One batch: write its rows, and its part of the caches, layer by layer."""
        layers = [*dict.fromkeys([*(item.layer for item in rows.coordinates), *caches])]
        try:
            noted = recording.record(self.module, channels_last(images), layers)
        except NotRecordable as error:
            raise InvalidSetting(f"the network treats images differently: after the first image, {error}.") from error
        part, k = slice(start, start + len(images)), self.seen.outputs
        missing = {(each, o) for each in [*caches, *range(len(places))] for o in range(k)}

        def consume(layers: Noted, first: int) -> None:
            for name in caches.keys() & layers.keys():
                entering, tangents = layers[name]
                outputs = range(first, first + tangents.shape[1])
                caches[name][0][part] = gradients.used(self.module.get_submodule(name), entering)
                caches[name][1][part, first : outputs.stop] = tangents
                missing.difference_update((name, o) for o in outputs)
            for number, values in rows.formed(layers):
                self._write(places[number], values, start, first)
                missing.difference_update((number, first + o) for o in range(values.shape[1]))

        noted.visit(consume, rows.together(noted))
        for each, o in missing:
            if isinstance(each, str):
                caches[each][0][part], caches[each][1][part, o] = 0, 0
            else:
                zeros = images.new_zeros(len(images), 1, len(places[each].item))
                self._write(places[each], zeros, start, o)

    def _expand(self, places: list[Place], caches: Caches) -> None:
        """Form the rows of all images from cached layers."""
        rows = Rows.of(self.module, [each.item for each in places])
        for start in range(0, self.images, self.batch):
            part = slice(start, min(start + self.batch, self.images))
            noted = {name: (caches[name][0][part], caches[name][1][part]) for name in caches}
            for number, values in rows.formed(noted):
                self._write(places[number], values, start, 0)

    def _write(self, place: Place, values: Tensor, start: int, first: int) -> None:
        """Rows (b, o, d) of images from ``start`` on and outputs from ``first`` on; o is 1 or k."""
        k = self.seen.outputs
        rows = slice(start * k + first, (start + len(values)) * k, k // values.shape[1])
        place.block.write(rows, place.column, values.flatten(0, 1))


def _chunks(places: list[Place]) -> list[Tensor]:
    return list(places[0].block.chunks) if places else []
