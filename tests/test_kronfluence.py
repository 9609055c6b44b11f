"""EK-FAC by Kronfluence: exact for one linear layer, close for a small network, and left out without the library."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from benchmarks import reproduce
from benchmarks.reproduction import kronfluence, table1
from benchmarks.reproduction.options import Journal, Options
from sampleinfo import descent, influence
from sampleinfo.descent import Task
from sampleinfo.errors import InvalidData, InvalidSetting, UnknownName
from sampleinfo.jacobians import all_coordinates
from sampleinfo.recipe import Recipe
from sampleinfo.unrolled import Changes

N, M = 30, 12
EVERY = np.arange(N)
TINY = Options(quick=True, train=16, validation=8, steps=5, removals=4, segments=2, settings=("mnist-mlp",))
needs_library = pytest.mark.skipif(find_spec("kronfluence") is None, reason="kronfluence is not installed")


def task_of(*layers: nn.Module, shape: tuple[int, ...]) -> Task:
    generator = torch.Generator().manual_seed(0)
    images, targets = torch.randn(N + M, *shape, generator=generator), torch.randn(N, 1, generator=generator)
    module = nn.Sequential(*layers).eval()
    names = descent.trained_names(module, all_coordinates(module))
    return Task(module, lambda rows: images[rows], targets, N + M, names)


def network(name: str) -> Task:
    torch.manual_seed(0)
    if name == "linear":
        return task_of(nn.Flatten(), nn.Linear(6, 1), shape=(2, 3))
    if name == "mlp":
        return task_of(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), shape=(6,))
    layers = (nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 1))
    return task_of(*layers, shape=(1, 6, 6))


def both(task: Task, recipe: Recipe, damping: float) -> tuple[Changes, Changes, Changes]:
    """By conjugate gradients for all; by EK-FAC for three samples and for all."""
    weights = descent.train(task, recipe)
    solved = influence.conjugate_gradients(task, weights, EVERY, damping, tolerance=1e-6)
    some, every = kronfluence.ekfac(task, weights, np.array([7, 2, 11]), damping, Journal("test"))
    return solved.changes, some, every


@needs_library
@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_one_linear_layer_is_exact(ridge: float, one_thread: None) -> None:
    recipe = Recipe(40, 0.1, ridge)
    solved, some, every = both(network("linear"), recipe, influence.damping_of(recipe, N))
    largest = np.abs(solved.val_change).max()
    np.testing.assert_allclose(every.val_change, solved.val_change, rtol=0, atol=1e-4 * largest)
    np.testing.assert_allclose(some.val_change, every.val_change[:, :, [7, 2, 11]], rtol=0, atol=1e-6 * largest)


@needs_library
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_far_above_the_curvature_the_damping_alone_counts(name: str, one_thread: None) -> None:
    """Every layer and bias takes part, at the right scale."""
    solved, _, every = both(network(name), Recipe(60, 0.1), damping=1e6)
    largest = np.abs(solved.val_change).max()
    np.testing.assert_allclose(every.val_change, solved.val_change, rtol=0, atol=1e-3 * largest)


@needs_library
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_small_networks_are_ranked_as_by_conjugate_gradients(name: str, one_thread: None) -> None:
    recipe = Recipe(60, 0.1)
    solved, _, every = both(network(name), recipe, influence.damping_of(recipe, N))
    ours, theirs = every.functional_information(), solved.functional_information()
    assert stats.spearmanr(ours, theirs).statistic > 0.9


def block(a: torch.Tensor, g: torch.Tensor, errors: torch.Tensor, damping: float) -> torch.Tensor:
    """(M, N) part of f_-i - f that one layer makes, by EK-FAC with explicit matrices.

    Inputs (N + M, T, in) with a 1 appended and gradients of the network's output with respect to the layer's own
    (N + M, T, out), at its T places; errors of the training images (N,).
    """
    gradients = torch.einsum("ito,ita->ioa", g, a)
    _, left = torch.linalg.eigh(torch.einsum("ito,itp->op", g[:N], g[:N]))
    _, right = torch.linalg.eigh(torch.einsum("ita,itb->ab", a[:N], a[:N]))
    turned = torch.einsum("op,ioa,ab->ipb", left, gradients, right)
    curvature = turned[:N].square().sum(dim=0) + damping
    return torch.einsum("jpb,pb,ipb,i->ji", turned[N:], 1 / curvature, turned[:N], errors)


def inputs_and_gradients(module: nn.Module, images: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What ``block`` takes, of every layer."""
    seen: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = []
    layers = [each for each in module if isinstance(each, nn.Linear | nn.Conv2d)]
    hooks = [each.register_forward_hook(lambda layer, got, out: seen.append((layer, *got, out))) for each in layers]
    total = module(images).sum()
    found = torch.autograd.grad(total, [out for _, _, out in seen])
    for each in hooks:
        each.remove()
    pairs = []
    for (layer, inputs, _), gradient in zip(seen, found, strict=True):
        if isinstance(layer, nn.Conv2d):
            patches = nn.functional.unfold(inputs, layer.kernel_size, padding=layer.padding, stride=layer.stride)
            a, g = patches.transpose(1, 2), gradient.flatten(2).transpose(1, 2)
        else:
            a, g = inputs[:, None], gradient[:, None]
        pairs.append((torch.cat([a, torch.ones_like(a[..., :1])], dim=2).detach(), g))
    return pairs


@needs_library
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_ekfac_by_hand(name: str, one_thread: None) -> None:
    task, recipe = network(name), Recipe(60, 0.1, ridge=2.0)
    weights, damping = descent.train(task, recipe), influence.damping_of(recipe, N)
    _, found = kronfluence.ekfac(task, weights, EVERY[:1], damping, Journal("test"))
    errors = (task.outputs(weights, EVERY) - task.targets)[:, 0]
    task.module.load_state_dict(weights)
    parts = [block(a, g, errors, damping) for a, g in inputs_and_gradients(task.module, task.images(np.arange(N + M)))]
    wanted = -sum(parts).numpy()
    np.testing.assert_allclose(found.val_change[:, 0], wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """The folder of a Table 1 with one setting."""
    folder = tmp_path_factory.mktemp("table1")
    table1.run(replace(TINY, to=folder))
    return folder


@needs_library
def test_page(measured: Path, one_thread: None) -> None:
    kronfluence.run(Options(quick=True, to=measured))
    found = json.loads((measured / "kronfluence-quick.json").read_text())["settings"]["mnist-mlp"]
    assert set(found["correlations"]) == set(kronfluence.ESTIMATES)
    assert found["loss"] == pytest.approx(found["stored loss"])
    assert len(found["nats"][kronfluence.EKFAC]) == 4
    np.testing.assert_allclose(
        np.array(found["nats"]["EK-FAC of all"])[found["removed"]], found["nats"][kronfluence.EKFAC], rtol=1e-4
    )
    text = (measured / "kronfluence-quick.md").read_text()
    assert text.count("EK-FAC (Kronfluence) | **") == 1
    assert "nan" not in text
    assert str(measured) not in text
    assert (measured / "kronfluence-quick-mnist-mlp.png").exists()


@needs_library
def test_other_truth_is_refused(measured: Path, tmp_path: Path, one_thread: None) -> None:
    numbers = json.loads((measured / "table1-quick.json").read_text())
    numbers["settings"]["mnist-mlp"]["loss"][1] *= 2
    (tmp_path / "table1-quick.json").write_text(json.dumps(numbers))
    with pytest.raises(InvalidData, match="does not repeat that of table1"):
        kronfluence.run(Options(quick=True, to=tmp_path))


@needs_library
def test_what_cannot_be_compared(measured: Path, tmp_path: Path) -> None:
    options = Options(quick=True, to=measured)
    with pytest.raises(InvalidSetting, match="run table1 first"):
        kronfluence.run(replace(options, to=tmp_path))
    with pytest.raises(InvalidSetting, match=r"takes its sizes .* needs no --train, --lr"):
        kronfluence.run(replace(options, train=5, lr=0.1))
    with pytest.raises(UnknownName, match=r"'mnist-resnet20'.* Known: mnist-mlp\."):
        kronfluence.run(replace(options, settings=("mnist-resnet20",)))


def test_without_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kronfluence, "find_spec", lambda _: None)
    assert reproduce.main(["kronfluence", "--to", str(tmp_path)]) == 1
    assert "needs that library: python -m pip install" in capsys.readouterr().err
    monkeypatch.setattr(reproduce, "NAMES", ("kronfluence",))
    assert reproduce.main(["all", "--quick", "--to", str(tmp_path)]) == 0
    assert "left out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
