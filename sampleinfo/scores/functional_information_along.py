"""F-SI along the training: unique information in the predictions of the really trained network (``unrolled``)."""

from sampleinfo.scores.base import ALONG, PATH, Score
from sampleinfo.unrolled import Changes

SCORE = Score(
    name="functional_information_along",
    title="F-SI (along training)",
    unit="nats",
    sentence="How much the predictions on the validation images would change if this image were left out of the real "
    "training run.",
    assumes=PATH,
    compute=Changes.functional_information,
    needs=ALONG,
)
