"""SI along the training: unique information in the weights of the really trained network (``unrolled``)."""

from sampleinfo.scores.base import ALONG, PATH, Score
from sampleinfo.unrolled import Changes

SCORE = Score(
    name="weight_information_along",
    title="SI (along training)",
    unit="nats",
    sentence="How far the weights would end elsewhere if this image were left out of the real training run.",
    assumes=PATH,
    compute=Changes.weight_information,
    needs=ALONG,
)
