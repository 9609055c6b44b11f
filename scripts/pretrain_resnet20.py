"""Pre-train the bundled ResNet-20 on CIFAR-10 and write its weights with a model card.

    python scripts/pretrain_resnet20.py --data FOLDER_OR_PARQUET [--epochs 44] [--out assets]

``--data`` is either a folder with ``train.parquet`` and ``test.parquet`` (columns ``image: {bytes, path}``, ``label``)
or ``torchvision``, which downloads CIFAR-10 through torchvision into ``--cache``.
The run saves a checkpoint after every epoch and goes on from it when it is started again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sampleinfo.models.cifar_resnet import resnet20
from sampleinfo.models.transforms import CIFAR_MEAN, CIFAR_STD

NAME = "resnet20_cifar10"


def read_parquet(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) uint8 and labels (n,) of an image Parquet file."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    images = [np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in table["image"].to_pylist()]
    return np.stack(images), np.asarray(table["label"])


def read_torchvision(cache: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same through torchvision, downloaded on first use."""
    from torchvision.datasets import CIFAR10

    dataset = CIFAR10(str(cache), train=train, download=True)
    return np.asarray(dataset.data), np.asarray(dataset.targets)


def normalise(images: np.ndarray) -> Tensor:
    """uint8 (n, 32, 32, 3) to float32 (n, 3, 32, 32), channels last in memory."""
    mean, std = torch.tensor(CIFAR_MEAN), torch.tensor(CIFAR_STD)
    scaled = (torch.from_numpy(images).float() / 255 - mean) / std
    return scaled.permute(0, 3, 1, 2)


def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Random shift by up to four pixels (zero padding) and random mirror, per image."""
    b, _, h, w = batch.shape
    padded = functional.pad(batch, (4, 4, 4, 4))
    dy, dx = torch.randint(0, 9, (2, b), generator=generator)
    rows = (dy[:, None] + torch.arange(h))[:, :, None]
    columns = dx[:, None] + torch.arange(w)
    mirrored = torch.rand(b, generator=generator) < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)[:, None, :]
    picked = padded.permute(0, 2, 3, 1)[torch.arange(b)[:, None, None], rows, columns]
    return picked.permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of right predictions in eval mode, float32."""
    model.eval()
    hits = sum(
        int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(1000), labels.split(1000), strict=True)
    )
    return hits / len(labels)


def train(args: argparse.Namespace, data: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[nn.Module, float]:
    """SGD with Nesterov momentum and a one-cycle rate; bfloat16 autocast for the products."""
    x_train, y_train, x_test, y_test = data
    torch.manual_seed(args.seed)
    model = resnet20().to(memory_format=torch.channels_last)
    steps = len(x_train) // args.batch
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, epochs=args.epochs, steps_per_epoch=steps, pct_start=0.2, cycle_momentum=False
    )
    checkpoint, first = args.out / f"{NAME}.checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
    for epoch in range(first, args.epochs):
        start, generator = time.time(), torch.Generator().manual_seed(args.seed + epoch)
        model.train()
        total = 0.0
        for batch in torch.randperm(len(x_train), generator=generator)[: steps * args.batch].split(args.batch):
            x = augment(x_train[batch], generator)
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(x)
            loss = functional.cross_entropy(outputs.float(), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}/{args.epochs}: loss {total / steps:.4f}, test accuracy "
              f"{accuracy(model, x_test, y_test):.4f}, {time.time() - start:.0f} s", flush=True)  # fmt: skip
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
        torch.save({**state, "epoch": epoch + 1}, checkpoint.with_suffix(".tmp"))
        os.replace(checkpoint.with_suffix(".tmp"), checkpoint)
    return model, accuracy(model, x_test, y_test)


def write_assets(model: nn.Module, args: argparse.Namespace, test_accuracy: float, test_images: int) -> None:
    """Weights as safetensors and a machine-readable summary that the model card quotes."""
    weights = args.out / f"{NAME}.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if "num_batches" not in k}, weights)
    assert set(load_file(weights)) <= set(model.state_dict())
    facts = {
        "name": NAME,
        "parameters": sum(p.numel() for p in model.parameters()),
        "test_accuracy": round(test_accuracy, 4),
        "test_images": test_images,
        "epochs": args.epochs,
        "batch": args.batch,
        "peak_lr": args.lr,
        "seed": args.seed,
        "torch": torch.__version__,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    (args.out / f"{NAME}.json").write_text(json.dumps(facts, indent=2) + "\n")
    (args.out / f"{NAME}.checkpoint.pt").unlink(missing_ok=True)
    print(json.dumps(facts, indent=2))


def main(argv: list[str]) -> None:
    """Read the arguments, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "sampleinfo")
    parser.add_argument("--out", type=Path, default=Path("assets"))
    parser.add_argument("--epochs", type=int, default=44)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.data == "torchvision":
        splits = [read_torchvision(args.cache, train=flag) for flag in (True, False)]
    else:
        splits = [read_parquet(Path(args.data) / f"{name}.parquet") for name in ("train", "test")]
    (x_train, y_train), (x_test, y_test) = [(normalise(x), torch.from_numpy(y).long()) for x, y in splits]
    model, test_accuracy = train(args, (x_train, y_train, x_test, y_test))
    write_assets(model, args, test_accuracy, len(y_test))


if __name__ == "__main__":
    main(sys.argv[1:])
