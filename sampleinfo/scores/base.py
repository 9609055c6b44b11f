"""What every score offers, and what it is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from sampleinfo.linearized import Fit
from sampleinfo.scores.held_out import HeldOut, held_out
from sampleinfo.types import FloatArray, IntArray
from sampleinfo.unrolled import Changes

#: The part of the evidence that a score cannot do without.
FIT, FEATURES, ALONG, CHECKPOINTS = "fit", "features", "changes", "gradient_spread"
SMOOTHED, APPEARANCE = "smoothed", "appearance"
#: What a score is for: what an image adds, how hard it is, and whether something is wrong with it.
INFORMATION, DIFFICULTY, SUSPICION = "information", "difficulty", "suspicion"
KINDS = (INFORMATION, DIFFICULTY, SUSPICION)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of the n training images of a run.

    Args:
        fit: the linearized network, trained on all of them.
        labels: (n,) given labels.
        features: (n, d) of the network at its initial weights, before its head; None where they are unknown.
        seed: of what is drawn at random.
        changes: what leaving out each image does to a recorded training run; None where there is none.
        gradient_spread: (n,) how far the slope of each image's own output by its pixels varied over the checkpoints of
            that run (``recorded.gradient_spread``); None where there is none.
        mirrored, smoothed: (n, d) features of the mirrored and of the smoothed images (``models.views``), or None.
        appearance: (n, 4) statistics of the pixels (``appearance.appearance``), or None.
    """

    fit: Fit
    labels: IntArray
    features: FloatArray | None = None
    seed: int = 0
    changes: Changes | None = None
    gradient_spread: FloatArray | None = None
    mirrored: FloatArray | None = None
    smoothed: FloatArray | None = None
    appearance: FloatArray | None = None

    @cached_property
    def held_out(self) -> HeldOut:
        """What the best network says of each image without having seen it."""
        return held_out(self.fit, self.labels, self.features, self.mirrored)


@dataclass(frozen=True)
class Score:
    """One number per training image; ``compute`` maps the evidence to (n,) finite values, larger meaning more.

    ``name`` is the column in a run's table; ``sentence`` explains a value to the person looking at it, ``assumes`` what
    it rests on. ``kind`` is what the score is for, ``needs`` the part of the evidence that must be there. The values of
    a ``signed`` score may be below 0; those of any other are 0 or above.
    """

    name: str
    title: str
    unit: str
    sentence: str
    assumes: str
    compute: Callable[[Evidence], FloatArray]
    kind: str
    needs: str = FIT
    signed: bool = False

    def available(self, evidence: Evidence) -> bool:
        """Whether ``compute`` has what it needs."""
        return getattr(evidence, self.needs) is not None


LINEAR = "Assumes that training keeps the network so near its initial weights that it is linear in them; instant."
PATH = "Follows one real training run and assumes that leaving out an image bends its path only a little."
FROZEN = "Looks at the features of the network before training and at nothing that training changes; instant."
