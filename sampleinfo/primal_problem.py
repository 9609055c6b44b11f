"""The linearized training problem on feature rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleinfo.errors import InvalidSetting
from sampleinfo.primal_passes import Source
from sampleinfo.problem import check_arrays
from sampleinfo.types import FloatArray


@dataclass(frozen=True, eq=False)
class PrimalProblem:
    """One linearized training problem on feature rows.

    Args:
        train: feature rows of the n training images, q = k rows each; or 1, features shared by all k outputs.
        val: of the m validation images.
        residual: (n, k) targets minus initial outputs.
        val_outputs: (m, k) initial outputs on the validation images.
        val_targets: (m, k) or None; predicted accuracy and loss need them.
        targets: (n, k) or None; relabelling needs them.

    Raises:
        InvalidSetting: sizes that do not fit each other.
        NumericalError: a value that is not finite.
    """

    train: Source
    val: Source
    residual: FloatArray
    val_outputs: FloatArray
    val_targets: FloatArray | None = None
    targets: FloatArray | None = None

    def __post_init__(self) -> None:
        (n, k), m = np.shape(self.residual), len(self.val_outputs)
        check_arrays(
            self, {"residual": (n, k), "val_outputs": (m, k), "val_targets": (m, k), "targets": (n, k)}
        )  # fmt: skip
        if self.train.rows not in (1, k) or (self.val.rows, self.val.dimension) != (self.q, self.train.dimension):
            raise InvalidSetting(
                f"features must have {k} rows per image or 1, as many of the validation images, and one dimension; "
                f"got {self.train.rows} and {self.val.rows} rows of {self.train.dimension} and {self.val.dimension}."
            )
        for source, count, words in ((self.train, n, "training"), (self.val, m, "validation")):
            if (found := sum(source.sizes())) != count or count == 0:
                raise InvalidSetting(f"the shards hold {found} {words} images, the arrays {count}; at least 1 of each.")

    @property
    def n(self) -> int:
        """Training images."""
        return len(self.residual)

    @property
    def k(self) -> int:
        """Outputs per image."""
        return int(self.residual.shape[1])

    @property
    def m(self) -> int:
        """Validation images."""
        return len(self.val_outputs)

    @property
    def q(self) -> int:
        """Feature rows per image."""
        return self.train.rows
