"""Jacobians and kernels against what torch itself needs for the same work, in the same process.

python -m benchmarks.kernels [--quick]
"""

from __future__ import annotations

import sys
import time

import torch
import torchvision
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from benchmarks.table import Line, seconds, seconds_in_turn, show
from sampleinfo import jacobians, kernels, models, products
from sampleinfo.kernels import Inputs


def activation_gradients(module: nn.Module, images: Tensor) -> list[tuple[Tensor, ...]]:
    """Torch's own forward pass, and one backward pass per output to what the layers with parameters put out."""
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
    sums, last = outputs.sum(0), outputs.shape[1] - 1
    return [torch.autograd.grad(sums[o], edges, retain_graph=o < last) for o in range(last + 1)]


def random_entries(batch: int, rounds: int, k: int) -> Line:
    """ResNet-18, 224 px: 2000 random entries of every tensor, against the gradients at the activations."""
    torch.manual_seed(0)
    module = torchvision.models.resnet18(weights=None, num_classes=k).eval().requires_grad_(False)
    images = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    chosen = jacobians.random_coordinates(module, 2000, seed=0)
    ours, theirs = seconds_in_turn(
        [lambda: jacobians.jacobian_rows(module, images, chosen), lambda: activation_gradients(module, images)], rounds
    )
    words = f"ResNet-18, 224 px, {batch} images: 2000 random entries a tensor, k = {k}"
    return Line(words, ours, "torch, to the activations", theirs, 1 / 1.3, f"{ours / theirs:.2f} times its time")


def product_rate(size: int = 4096) -> float:
    """Floating-point operations per second of a float32 product, by torch's or NumPy's library, whichever is faster."""
    first, second = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(seconds(lambda: first @ second), seconds(lambda: first.numpy() @ second.numpy()))


def exact_kernel(train: int, validation: int, memory: int) -> Line:
    """ResNet-20, 32 px, 10 outputs: the whole exact kernel against its operations at the rate of one large product."""
    network = models.load(models.find("resnet20"), 10, 0)
    images = torch.randn(train + validation, 3, 32, 32)
    inputs = Inputs(lambda start, stop: images[start:stop], train, len(images), 10)
    everything = jacobians.all_coordinates(network.module)
    nk, mk = 10 * train, 10 * validation
    operations = (nk * (nk + 1) + 2 * mk * nk) * sum(map(len, everything))
    before = product_rate()
    start = time.perf_counter()
    kernels.kernel(network.module, inputs, everything, memory=memory)
    ours = time.perf_counter() - start
    rate = max(before, product_rate())
    return Line(f"ResNet-20 exact kernel, {train} + {validation} images, k = 10, passes and all", ours,
                "its products at the GEMM peak", operations / rate, 0.7, f"peak {rate / 1e9:.0f} GFLOP/s")  # fmt: skip


def accumulation(rows: int, columns: int) -> Line:
    """The symmetric half of one block's products, added up in float64, against its operations at the peak."""
    chunks = list(torch.randn(rows, columns).split(products.CHUNK, dim=1))
    chunks = [chunk.contiguous() for chunk in chunks]
    gram, cross = torch.zeros(rows, rows).double().numpy(), torch.zeros(0, rows).double().numpy()
    ours = seconds(lambda: products.accumulate(gram, cross, chunks, lambda _: None))
    rate = product_rate()
    return Line(f"products of one block, {rows} x {columns}", ours, "its products at the GEMM peak",
                rows * (rows + 1) * columns / rate, 0.7, f"peak {rate / 1e9:.0f} GFLOP/s")  # fmt: skip


def lines(quick: bool) -> list[Line]:
    """Every line of this file; what torch does is a lower bound of what is to be done, so ratios stay below 1."""
    batch, rounds = (16, 3) if quick else (32, 8)
    return [
        random_entries(batch, rounds, 1),
        random_entries(batch // 4, rounds, 10),
        accumulation(4000 if quick else 8000, 2**14),
        exact_kernel(*((150, 50) if quick else (800, 200)), 4 * 2**30),
    ]


if __name__ == "__main__":
    show(lines("--quick" in sys.argv[1:]))
