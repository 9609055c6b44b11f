"""A network at its initial weights with its images: what is trained for real and linearized alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.reproduction.options import Journal, Options
from sampleinfo import descent, kernels, linearized, models, targets
from sampleinfo.jacobians import Coordinates, all_coordinates
from sampleinfo.linearized import Fit, Problem, Training
from sampleinfo.models.pretrained import Network
from sampleinfo.types import Dataset, FloatArray, IntArray

#: Share of the largest stable learning rate that is used where none is given.
SHARE = 0.25
NETWORKS = {
    "mlp": "MLP 784-1024-1 with ReLU, from scratch (torch's default initialisation)",
    "cnn": "CNN of four convolutions (32 and 32 of 4x4, 64 of 3x3, all with stride 2; 256 of 3x3) and a linear layer "
    "with ReLU, from scratch (torch's default initialisation)",
    "cnn-he": "the same CNN, from scratch with He's initialisation for ReLU (normal, fan in)",
    "resnet20": "ResNet-20 with the bundled CIFAR-10 weights and a fresh head",
}


@dataclass(frozen=True, eq=False)
class Setup:
    """A network and N prepared images, of which the first n are trained on.

    Args:
        module: the network at w0, in eval mode.
        images: (N, c, h, w).
        targets: (N, k) 0/1 or one-hot.
        initial: (N, k) outputs of the network at w0.
        start: (N, k) outputs that training is taken to begin at: ``initial``, or the same constant for all (centred).
        n: training images.
    """

    module: nn.Module
    images: Tensor
    targets: FloatArray
    initial: FloatArray
    start: FloatArray
    n: int

    @classmethod
    def plain(cls, module: nn.Module, images: Tensor, labels: IntArray, classes: int, n: int) -> Setup:
        """The network's own outputs are trained: residual y - f_0."""
        initial = _outputs(module, images)
        return cls(module, images, targets.encode(labels, classes), initial, initial, n)

    @classmethod
    def centred(cls, module: nn.Module, images: Tensor, labels: IntArray, classes: int, n: int) -> Setup:
        """f_w - f_0 + 1/2 (1/k) is trained, which takes the noise of a random head away: residual y - 1/2 (1/k)."""
        initial = _outputs(module, images)
        start = np.full_like(initial, targets.centre(classes))
        return cls(module, images, targets.encode(labels, classes), initial, start, n)

    @property
    def residual(self) -> FloatArray:
        """(n, k)."""
        return self.targets[: self.n] - self.start[: self.n]

    @property
    def coordinates(self) -> list[Coordinates]:
        """Every parameter."""
        return all_coordinates(self.module)

    def task(self) -> descent.Task:
        """For real training: f_w is trained towards f_0 + residual, the same as f_w - f_0 + start towards y."""
        wanted = torch.from_numpy(self.initial[: self.n] + self.residual).float()
        names = descent.trained_names(self.module, self.coordinates)
        return descent.Task(self.module, lambda rows: self.images[rows], wanted, len(self.images), names)

    def predictions(self, outputs: FloatArray, rows: slice) -> FloatArray:
        """Trained network outputs (b, k) on ``rows`` as values that are compared with targets."""
        return outputs - self.initial[rows] + self.start[rows]

    def problem(self, journal: Journal) -> Problem:
        """The linearized problem with the exact kernel of all layers at w0."""
        n, k = self.n, self.targets.shape[1]
        inputs = kernels.Inputs(lambda low, high: self.images[low:high], n, len(self.images), k)
        gram, cross = kernels.kernel(self.module, inputs, self.coordinates, journal.report)
        return Problem(gram, cross, self.residual, self.start[n:], self.targets[n:], self.targets[:n])


def _outputs(module: nn.Module, images: Tensor) -> FloatArray:
    with torch.no_grad():
        return torch.cat([module(part) for part in images.split(128)]).double().numpy()


def rate(problem: Problem, ridge: float, options: Options) -> float:
    """The learning rate given, or ``SHARE`` of the largest on the mean loss that does not diverge."""
    if options.lr is not None:
        return options.lr
    largest = float(np.linalg.eigvalsh(problem.gram)[-1])
    return SHARE * 2 * problem.n / (largest + ridge)


def fitted(setup: Setup, options: Options, journal: Journal) -> Fit:
    """The linearized network in closed form: trained as given, or to convergence with the best ridge."""
    with journal.stage("kernel"):
        problem = setup.problem(journal)
    with journal.stage("closed form"):
        return linearized.fit(problem, _training(problem, options))


def _training(problem: Problem, options: Options) -> Training:
    if options.steps is not None:
        ridge = options.ridge or 0.0
        return Training(options.steps, rate(problem, ridge, options), ridge)
    return Training.auto(problem) if options.ridge is None else Training(ridge=options.ridge)


def trained_how(training: Training) -> str:
    """In words."""
    if training.steps is None:
        return f"to convergence with the ridge {training.ridge:.4g}"
    return f"for {training.steps} steps at the learning rate {training.lr:.4g} with the ridge {training.ridge:.4g}"


def from_scratch(name: str, seed: int) -> nn.Module:
    """The ``mlp``, the ``cnn`` or the ``cnn-he`` for (1, 28, 28) images with one output, at random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = (_mlp if name == "mlp" else _cnn)().eval()
        if name == "cnn-he":
            module.apply(_he)
        return module


def _he(layer: nn.Module) -> None:
    """He et al., "Delving deep into rectifiers", ICCV 2015, equation 10."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1))


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(),
        nn.Conv2d(64, 256, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 1),
    )  # fmt: skip


def grey(dataset: Dataset) -> Tensor:
    """(N, 1, h, w) of grey pictures of one size, scaled to [0, 1]."""
    pictures = np.stack([np.asarray(dataset.images[row]) for row in range(len(dataset))])
    return torch.from_numpy(pictures.reshape(*pictures.shape[:3], -1)[..., 0].copy()).float()[:, None] / 255


def pretrained(outputs: int, seed: int) -> Network:
    """The bundled ResNet-20 with a fresh head."""
    return models.load(models.find("resnet20"), outputs, seed)


def resnet_setup(dataset: Dataset, labels: IntArray, n: int, seed: int) -> Setup:
    """The bundled ResNet-20 on a data set, outputs centred; ``labels`` may be others than the data set's own."""
    classes = len(dataset.class_names)
    network = pretrained(targets.num_outputs(classes), seed)
    images = network.prepare(dataset.images, range(len(dataset)))
    return Setup.centred(network.module, images, labels, classes, n)
