"""Jacobians and kernels against what torch itself needs for the same work, in the same process.

python benchmarks/kernels.py [--quick]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sampleinfo import jacobians, kernels, models
from sampleinfo.kernels import Inputs

Line = tuple[str, float, float]


def seconds_in_turn(works: list[Callable[[], object]], rounds: int) -> list[float]:
    """Best time of each, measured in turn so that all see the same machine; one round before does not count."""
    best = [float("inf")] * len(works)
    for number in range(rounds + 1):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            if number:
                best[place] = min(best[place], time.perf_counter() - start)
    return best


def activation_gradients(module: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Torch's own forward pass, and backward pass to the outputs of all layers with parameters."""
    edges: list[GradientEdge] = []

    def begin(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(value if value.requires_grad else value.detach().requires_grad_() for value in args)

    def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        edges.append(get_gradient_edge(output))

    layers = [part for part in module.modules() if any(True for _ in part.parameters(recurse=False))]
    handles = [handle for part in layers for handle in
               (part.register_forward_pre_hook(begin), part.register_forward_hook(note))]  # fmt: skip
    outputs = module(images)
    for handle in handles:
        handle.remove()
    return torch.autograd.grad(outputs.sum(), edges)


def random_entries(batch: int, rounds: int) -> Line:
    """ResNet-18, 224 px, one output: 2000 random entries of every tensor, against the gradients at the activations."""
    torch.manual_seed(0)
    module = torchvision.models.resnet18(weights=None, num_classes=1).eval().requires_grad_(False)
    images = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    chosen = jacobians.random_coordinates(module, 2000, seed=0)
    ours, theirs = seconds_in_turn(
        [
            lambda: jacobians.jacobian_rows(module, images, chosen),
            lambda: activation_gradients(module, images),
        ],
        rounds,
    )
    return f"ResNet-18, {batch} images, 2000 random entries / activations only", ours, theirs


def product_rate(size: int = 4096) -> float:
    """Floating-point operations per second of a float32 product, by torch's or NumPy's library, whichever is faster."""
    first, second = torch.randn(size, size), torch.randn(size, size)
    best = seconds_in_turn([lambda: first @ second, lambda: first.numpy() @ second.numpy()], 3)
    return 2 * size**3 / min(best)


def exact_kernel(train: int, validation: int, memory: int) -> Line:
    """ResNet-20, 32 px, 10 outputs: the whole exact kernel against its operations at the rate of one large product."""
    network = models.load("resnet20", 10, 0)
    images = torch.randn(train + validation, 3, 32, 32)
    inputs = Inputs(lambda start, stop: images[start:stop], train, len(images), 10)
    everything = jacobians.all_coordinates(network.module)
    nk, mk = 10 * train, 10 * validation
    operations = (nk * (nk + 1) + 2 * mk * nk) * sum(map(len, everything))
    before = product_rate()
    start = time.perf_counter()
    kernels.kernel(network.module, inputs, everything, memory=memory)
    ours = time.perf_counter() - start
    return f"ResNet-20 exact kernel, {train} + {validation} images x 10", ours, operations / max(before, product_rate())


def lines(quick: bool) -> list[Line]:
    """(name, our seconds, baseline seconds); the baselines are lower bounds, so ratios below 1 are expected."""
    return [
        random_entries(16 if quick else 32, 3 if quick else 8),
        exact_kernel(*((150, 50) if quick else (800, 200)), 4 * 2**30),
    ]


def main(quick: bool) -> None:
    """Run and print."""
    print(f"{'work':66}{'ours, s':>10}{'baseline, s':>13}{'ratio':>9}")
    for name, ours, baseline in lines(quick):
        print(f"{name:66}{ours:10.3f}{baseline:13.3f}{baseline / ours:9.2f}")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
