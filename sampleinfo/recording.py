"""One forward pass that notes the inputs of layers, and the gradients of the outputs at those layers' outputs.

Only layers of the kinds in ``RULES`` can be noted; anything else is left to ``torch.func`` (see ``jacobians``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sampleinfo.devices import empty
from sampleinfo.errors import InvalidSetting

#: Kinds of layers with a rule for their parameters' gradients, and the number of dimensions of their inputs.
RULES: dict[type[nn.Module], tuple[int, ...]] = {
    nn.Conv2d: (4,),
    nn.Linear: (2,),
    nn.BatchNorm2d: (4,),
    nn.GroupNorm: (2, 3, 4, 5),
}
#: Bytes of output gradients that wait until their layers are handed over.
TOGETHER = 2**27
#: Per layer its input (b, ...) and the gradients (b, o, channels, ...) of o outputs at its output.
Noted = dict[str, tuple[Tensor, Tensor]]
#: Takes layers, and the number of the first of those outputs.
Consume = Callable[[Noted, int], None]
CONSEQUENCE = "its gradients are formed by torch.func, which needs more time and memory"


class NotRecordable(Exception):
    """Layer inputs and output gradients do not give the parameter gradients of this network; the text says why."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Outputs (b, k); per layer its input (b, ...) and its output's shape. Layers that were not called lack.

    ``starts`` are the outputs of the layers at which the graph begins.
    """

    outputs: Tensor
    entering: dict[str, Tensor]
    leaving: dict[str, torch.Size]
    starts: list[GradientEdge]
    listeners: list[Callable[[str, Tensor], None]]

    def visit(self, consume: Consume, together: Collection[str] = ()) -> None:
        """Run backward, once for every output, and hand over finished layers, some at a time, to be forgotten then.

        Layers ``together`` come with all k outputs, the others with one output at a time. What no output depends on is
        never handed over. A recording serves once.
        """
        k, waiting = self.outputs.shape[1], dict[str, Tensor]()
        joined, missing = dict[str, Tensor](), dict[str, set[int]]()

        def hand_over(layers: dict[str, Tensor], first: int, last: bool) -> None:
            entering = self.entering.pop if last else self.entering.__getitem__
            if layers:
                consume({name: (entering(name), layers.pop(name)) for name in list(layers)}, first)

        def listen(output: int, name: str, tangent: Tensor) -> None:
            if k > 1 and name in together:
                _join(joined, output, k, name, tangent.detach())
                missing.setdefault(name, set(range(k))).discard(output)
                return
            waiting[name] = tangent.detach()[:, None]
            if sum(each.nbytes for each in waiting.values()) > TOGETHER:
                hand_over(waiting, output, output + 1 == k)

        with torch.enable_grad():
            for o in range(k if self.starts else 0):
                self.listeners[:] = [partial(listen, o)]
                sums = self.outputs[:, o].sum()
                torch.autograd.grad(sums, self.starts, retain_graph=o + 1 < k, allow_unused=True)
                hand_over(waiting, o, o + 1 == k)
        self.listeners.clear()
        for name, outputs in missing.items():
            joined[name][:, list(outputs)] = 0
        hand_over(joined, 0, True)


def _join(joined: dict[str, Tensor], output: int, k: int, name: str, tangent: Tensor) -> None:
    """Put the gradients (b, c, ...) of one output into their place; they keep their memory order."""
    innermost = tangent.dim() == 4 and tangent.is_contiguous(memory_format=torch.channels_last)
    if name not in joined:
        joined[name] = empty((len(tangent), k, *tangent.shape[1:]), tangent, innermost)
    joined[name][:, output] = tangent


def check_mode(module: nn.Module) -> None:
    """Refuse networks in which the images of a batch influence one another.

    Raises:
        InvalidSetting: a part in training mode, or a BatchNorm without running statistics.
    """
    for name, part in module.named_modules():
        if part.training:
            where = f"layer {name!r}" if name else "the network"
            raise InvalidSetting(f"{where} is in training mode; per-image gradients need eval mode: call eval() first.")
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None:
            raise InvalidSetting(
                f"layer {name!r} is a {type(part).__name__} without running statistics (track_running_stats=False): it "
                "mixes the images of a batch even in eval mode, so that single images have no gradients of their own. "
                "Allowed: BatchNorm with running statistics, GroupNorm."
            )


def static_reason(module: nn.Module) -> str | None:
    """Why the layers' inputs and output gradients do not suffice, as far as the layers themselves tell; or None."""
    owners: dict[int, str] = {}
    for name, part in module.named_modules():
        own = dict(part.named_parameters(recurse=False))
        if not own:
            continue
        kind = type(part).__name__
        if type(part) not in RULES or not set(own) <= {"weight", "bias"}:
            return f"layer {name!r} is a {kind}, for which there is no rule; {CONSEQUENCE}"
        if isinstance(part, nn.Conv2d) and (isinstance(part.padding, str) or part.padding_mode != "zeros"):
            return f"layer {name!r} is a {kind} with padding {part.padding!r} ({part.padding_mode}); {CONSEQUENCE}"
        for parameter in own.values():
            if owners.setdefault(id(parameter), name) != name:
                return f"layers {owners[id(parameter)]!r} and {name!r} share a parameter; {CONSEQUENCE}"
    return None


def record(module: nn.Module, images: Tensor, layers: list[str]) -> Recording:
    """Note ``layers`` during one forward pass; what lies before the first of them makes no graph.

    Raises:
        NotRecordable: a layer used twice, an input changed in place, or one of an unexpected shape.
        InvalidSetting: outputs that are not (b, k).
    """
    notes = _Notes({}, {}, {}, [], [], [])
    with torch.enable_grad(), _frozen(module), _hooked(module, layers, notes):
        outputs = module(images.clone() if images.is_inference() else images.detach())
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or len(outputs) != len(images):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InvalidSetting(f"the network gave {got} for {len(images)} images; allowed: a tensor (images, outputs).")
    for name, tensor in notes.entering.items():
        if tensor._version != notes.versions[name]:
            notes.problems.append(f"the input of layer {name!r} is changed in place afterwards")
        elif len(tensor) != len(images):
            notes.problems.append(f"the input of layer {name!r} has another first dimension than the images")
    if notes.problems:
        raise NotRecordable(f"{notes.problems[0]}; {CONSEQUENCE}")
    return Recording(outputs, notes.entering, notes.leaving, notes.starts, notes.listeners)


@dataclass(frozen=True)
class _Notes:
    """What the hooks write down."""

    entering: dict[str, Tensor]
    versions: dict[str, int]
    leaving: dict[str, torch.Size]
    starts: list[GradientEdge]
    listeners: list[Callable[[str, Tensor], None]]
    problems: list[str]


@contextmanager
def _hooked(module: nn.Module, layers: list[str], notes: _Notes) -> Iterator[None]:
    handles = []
    for name in layers:
        layer = module.get_submodule(name)
        handles += [
            layer.register_forward_pre_hook(_ask_for_gradients),
            layer.register_forward_hook(_note(name, notes)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Parameters get no gradients inside."""
    frozen = [p for p in module.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _ask_for_gradients(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The graph begins at the first noted layer."""
    if args and isinstance(args[0], Tensor) and not args[0].requires_grad:
        return (args[0].detach().requires_grad_(), *args[1:])
    return None


def _note(name: str, notes: _Notes) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def hook(layer: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if name in notes.entering:
            notes.problems.append(f"layer {name!r} is used more than once")
        elif not args or not isinstance(args[0], Tensor) or args[0].dim() not in RULES[type(layer)]:
            shape = tuple(args[0].shape) if args and isinstance(args[0], Tensor) else "no positional tensor"
            notes.problems.append(f"layer {name!r} is a {type(layer).__name__} with an input of shape {shape}")
        elif not isinstance(output, Tensor) or output.grad_fn is None:
            notes.problems.append(f"layer {name!r} is used without gradients")
        else:
            notes.entering[name], notes.versions[name] = args[0].detach(), args[0]._version
            notes.leaving[name] = output.shape
            if args[0].is_leaf:
                notes.starts.append(get_gradient_edge(output))
            # Whatever changes the output in place later on: this is the gradient at the values it has now.
            output.register_hook(partial(_tell, notes.listeners, name))  # type: ignore[no-untyped-call]

    return hook


def _tell(listeners: list[Callable[[str, Tensor], None]], name: str, tangent: Tensor) -> None:
    for listener in listeners:
        listener(name, tangent)
