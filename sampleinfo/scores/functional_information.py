"""F-SI: unique information in the predictions (Harutyunyan et al. 2021, eq. 8 and 16)."""

from sampleinfo.information import functional_information
from sampleinfo.scores.base import INFORMATION, LINEAR, Score

SCORE = Score(
    name="functional_information",
    title="Functional information (F-SI)",
    unit="nats",
    sentence="How much the predictions on the validation images would change if this image were left out of training.",
    assumes=LINEAR,
    compute=lambda evidence: functional_information(evidence.fit),
    kind=INFORMATION,
)
