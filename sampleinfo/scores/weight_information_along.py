"""SI along the training: unique information in the weights of the really trained network (``unrolled``)."""

from sampleinfo.scores.base import ALONG, INFORMATION, PATH, Evidence, Score
from sampleinfo.types import FloatArray


def weight_information_along(evidence: Evidence) -> FloatArray:
    """(n,) nats, from the changes of the recorded run."""
    assert evidence.changes is not None
    return evidence.changes.weight_information()


SCORE = Score(
    name="weight_information_along",
    title="SI (along training)",
    unit="nats",
    sentence="How far the weights would end elsewhere if this image were left out of the real training run.",
    assumes=PATH,
    compute=weight_information_along,
    kind=INFORMATION,
    needs=ALONG,
)
