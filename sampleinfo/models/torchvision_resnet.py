"""Torchvision's ResNets, ResNeXts and wide ResNets, and the files of their ImageNet weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlparse

import torch
import torchvision
from torch import nn

from sampleinfo import downloads
from sampleinfo.types import Reporter

NORMS = {"batch": nn.BatchNorm2d, "group": partial(nn.GroupNorm, 32)}


def network(name: str, outputs: int, norm: str) -> nn.Module:
    """The network called ``name`` with a head ``fc`` of ``outputs`` outputs; ``norm`` is a key of ``NORMS``."""
    made: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=outputs, norm_layer=NORMS[norm])
    return made


def weights_file(name: str, weights: str, report: Reporter) -> Path:
    """The file of the ``weights`` called so, where torchvision looks for it too; downloaded at first use.

    Raises:
        StorageError: it cannot be downloaded or written.
        InvalidData: the file there is another one.
    """
    url: str = torchvision.models.get_model_weights(name)[weights].url
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    return downloads.fetch(url, target, report)
