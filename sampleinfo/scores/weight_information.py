"""SI: unique information in the weights (Harutyunyan et al. 2021, eq. 5, isotropic smoothing)."""

from sampleinfo.information import weight_information
from sampleinfo.scores.base import INFORMATION, LINEAR, Score

SCORE = Score(
    name="weight_information",
    title="Weight information (SI)",
    unit="nats",
    sentence="How far the trained weights would move if this image were left out of training.",
    assumes=LINEAR,
    compute=lambda evidence: weight_information(evidence.fit),
    kind=INFORMATION,
)
