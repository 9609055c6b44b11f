"""Values between the stages, settings and their ranges, errors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleinfo.config import RunConfig, fingerprint, home
from sampleinfo.errors import InvalidSetting, SampleInfoError, UnknownName
from sampleinfo.types import TRAIN, VALIDATION, Concatenated, Dataset, Subset, narrowed

IMAGES = np.arange(4 * 2 * 2, dtype=np.uint8).reshape(4, 2, 2)
SPLIT = (TRAIN, VALIDATION, TRAIN, VALIDATION)


def dataset(**changes: Any) -> Dataset:
    values: dict[str, Any] = {
        "name": "four", "sample_ids": tuple("pqrs"), "images": IMAGES, "labels": np.array([0, 1, 0, 1]),
        "class_names": ("a", "b"), "sources": ("x", "x", "y", "y"), "split": SPLIT,
    }  # fmt: skip
    return Dataset(**{**values, **changes})


def test_subset_keeps_the_fields_together() -> None:
    part = dataset().subset([3, 0])
    assert (part.sample_ids, part.sources, part.split) == (("s", "p"), ("y", "x"), (VALIDATION, TRAIN))
    assert part.labels.tolist() == [1, 0]
    assert np.array_equal(part.images[0], IMAGES[3])
    assert part.subset([1]).sample_ids == ("p",)
    assert dataset().subset([1, 2], split=(TRAIN, TRAIN)).split == (TRAIN, TRAIN)


@pytest.mark.parametrize("changes", [{"labels": np.array([0])}, {"sources": ("x",)}, {"split": (TRAIN,)}])
def test_fields_of_different_length_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="fields of 'four' differ in length"):
        dataset(**changes)


def test_lazy_pictures_look_like_one_sequence() -> None:
    joined = Concatenated((IMAGES, Subset(IMAGES, np.array([2, 1]))))
    assert len(joined) == 6
    assert np.array_equal(joined[4], IMAGES[2])
    for beyond in (6, -1):
        with pytest.raises(IndexError):
            joined[beyond]


@pytest.mark.parametrize("rows", [[5, 0, 4, 4], [1], [5, 4], []])
def test_narrowed_pictures_are_those_and_no_others(rows: list[int]) -> None:
    joined = Concatenated((IMAGES, Subset(IMAGES, np.array([2, 1]))))
    found = narrowed(Subset(joined, np.arange(6)[::-1]), rows)
    assert [each.tolist() for each in found] == [joined[5 - row].tolist() for row in rows]


def test_an_error_is_one_printable_line() -> None:
    assert str(SampleInfoError("no file a\nb\x1b\udcff.png in \u00e9.")) == "no file a\\nb\\x1b\\udcff.png in \u00e9."


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"train": 3}, "train must be at least 4 images, got 3."),
        ({"validation": 0}, "validation must be at least 1 images, got 0."),
        ({"steps": 0}, "steps must be at least 1, 'auto', or left out for convergence; got 0."),
        ({"steps": "some"}, "steps must be at least 1, 'auto', or left out for convergence; got 'some'."),
        ({"continuous": True}, "a learning rate and gradient flow need a number of steps, or steps 'auto'."),
        ({"steps": 5, "lr": -1.0}, "lr must be a finite number above 0, or 'auto'; got -1.0."),
        ({"memory": 0.0}, "memory must be a finite number above 0, or 'auto'; got 0.0."),
        ({"scope": "tail"}, "scope must be one of all, last-stage, head; got 'tail'."),
        ({"device": "tpu"}, "device must be one of auto, cpu, cuda, mps; got 'tpu'."),
        ({"ridge": -1.0}, "ridge must be a finite number, 0 or above, or 'auto'; got -1.0."),
        ({"ridge": math.nan}, "ridge must be a finite number, 0 or above, or 'auto'; got nan."),
        ({"ridge": math.inf}, "ridge must be a finite number, 0 or above, or 'auto'; got inf."),
        ({"kernel": "full"}, "kernel must be one of auto, exact, subset, shared, primal; got 'full'."),
        ({"outputs": "none"}, "outputs must be one of centred, initial; got 'none'."),
        ({"seed": -1}, "seed must be between 0 and 4294967295, got -1."),
        ({"seed": 2**32}, "seed must be between 0 and 4294967295, got 4294967296."),
    ],
)
def test_setting_outside_its_range(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        RunConfig("digits", **setting)
    assert str(caught.value) == words


def test_settings_at_the_ends_of_their_ranges() -> None:
    config = RunConfig("digits", train=4, validation=1, ridge=1e-300, seed=2**32 - 1)
    assert (config.train, config.validation) == (4, 1)


def test_settings_survive_json() -> None:
    config = RunConfig("digits", classes=("4", "9"), ridge=0.5, train=40)
    assert RunConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_unknown_settings_are_named() -> None:
    with pytest.raises(InvalidSetting, match="unknown settings: batch, size"):
        RunConfig.from_dict({"dataset": "digits", "size": 3, "batch": 1})


def test_fingerprint_depends_on_every_part_and_not_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}, 3) == fingerprint({"b": 2, "a": 1}, 3)
    assert len({fingerprint(1, 2), fingerprint(2, 1), fingerprint(1), fingerprint(1.5, 2)}) == 4


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLEINFO_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("SAMPLEINFO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert home() == tmp_path / "sampleinfo"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".local/share/sampleinfo"


def test_unknown_name_suggests_only_what_is_near() -> None:
    assert str(UnknownName("model", "resnet2", ["resnet20"])) == (
        "Unknown model 'resnet2'. Did you mean 'resnet20'? Known: resnet20."
    )
    assert "Did you mean" not in str(UnknownName("model", "vit", ["resnet20"]))
    assert issubclass(InvalidSetting, SampleInfoError)
