"""F-SI along the training: unique information in the predictions of the really trained network (``unrolled``)."""

from sampleinfo.scores.base import ALONG, INFORMATION, PATH, Evidence, Score
from sampleinfo.types import FloatArray


def functional_information_along(evidence: Evidence) -> FloatArray:
    """(n,) nats, from the changes of the recorded run."""
    assert evidence.changes is not None
    return evidence.changes.functional_information()


SCORE = Score(
    name="functional_information_along",
    title="F-SI (along training)",
    unit="nats",
    sentence="How much the predictions on the validation images would change if this image were left out of the real "
    "training run.",
    assumes=PATH,
    compute=functional_information_along,
    kind=INFORMATION,
    needs=ALONG,
)
