"""What the numbers of classes and groups allow to be said: pure functions on the tables of ``classes``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from sampleinfo.types import FloatArray, IntArray

#: A group is small up to this share of its class.
SMALL = 0.25
#: Names that a sentence lists.
LISTED = 3
NEED = (
    "Need: a random fifth of a class's training images is left out and the mean loss on the validation images of the "
    "class is predicted again, in closed form; the rise of the loss, divided by the share that was left out, is the "
    "need: what the next images of the class are worth, in loss units per whole class. Mean over 20 draws; the 95 % "
    "interval is over draws and validation images."
)
UNDER_SAMPLED = (
    "Under-sampled: a class whose need is clearly above the median of the classes (the whole 95 % interval is) and "
    "whose share of the information is clearly above its share of the training images (the whole 95 % interval is)."
)
GROUP = (
    f"Small and informative: a group of at most {SMALL:.0%} of its class whose images carry clearly more information "
    "each than the rest of the class (the whole 95 % bootstrap interval of the ratio of the means is above 1). Likely "
    "an under-sampled sub-class; mislabeled images and outliers look the same, so look at them. A group with a larger "
    "share of the validation images than of the training images speaks for the sub-class."
)
SMALL_INFORMATIVE, INFORMATIVE, SMALL_ONLY, TYPICAL, ALONE = (
    "small and informative", "informative", "small", "typical", "the whole class"
)  # fmt: skip

Mask = npt.NDArray[np.bool_]


def under_sampled(
    need: FloatArray, need_low: FloatArray, share: FloatArray, information_low: FloatArray
) -> Mask:  # fmt: skip
    """(C,) whether each class is under-sampled, as ``UNDER_SAMPLED`` defines it; never where something is not known.

    Args:
        need: (C,) of each class; NaN where it has no validation images.
        need_low: (C,) lower ends of its interval.
        share: (C,) share of the training images.
        information_low: (C,) lower ends of the interval of the share of the information.
    """
    known = need[np.isfinite(need)]
    median = float(np.median(known)) if len(known) > 1 else np.nan
    return np.asarray((need_low > median) & (information_low > share), dtype=bool)


def rank_ranges(low: FloatArray, high: FloatArray) -> tuple[IntArray, IntArray]:
    """(C,) best and worst rank of each class, 1 for the greatest need; 0 where nothing is known.

    The best is one more than how many are clearly above (their whole interval is), the worst leaves below only those
    that clearly are. A class whose need is known without an interval overlaps with all.
    """
    known = np.isfinite(low) & np.isfinite(high)
    above = np.array([int((low[known] > each).sum()) for each in high], dtype=np.int64)
    below = np.array([int((high[known] < each).sum()) for each in low], dtype=np.int64)
    return above + 1, len(low) - below


def group_word(size: int, whole: int, ratio_low: float, groups: int) -> str:
    """What a group of ``size`` of ``whole`` images is; ``ratio_low``: see ``GROUP``."""
    if groups == 1:
        return ALONE
    small, informative = size <= SMALL * whole, bool(ratio_low > 1)
    if small:
        return SMALL_INFORMATIVE if informative else SMALL_ONLY
    return INFORMATIVE if informative else TYPICAL


def conclusion(classes: pd.DataFrame, groups: pd.DataFrame) -> str:
    """What the evidence supports, in plain text."""
    known = classes[classes["need"].notna()]
    if known.empty:
        return "No class can be judged: none has both training and validation images."
    return " ".join(each for each in (_classes_words(known), _order_words(known), _groups_words(groups)) if each)


def _classes_words(known: pd.DataFrame) -> str:
    found = known[known["under_sampled"]]
    if found.empty:
        return (
            "No class is clearly under-sampled: none both needs images clearly more than the median class and gives "
            "clearly more than its share of the information."
        )
    names = listed(found["class_name"])
    information, share = found["information_share"].sum(), found["share"].sum()
    verb = "is" if len(found) == 1 else "are"
    return (
        f"{names} {verb} under-sampled: more images there would lower the loss more than in the median class, and "
        f"{share:.0%} of the images give {information:.0%} of the information."
    )


def _order_words(known: pd.DataFrame) -> str:
    """Which class needs images most, or between which there is no clear order."""
    if len(known) < 2:
        return ""
    first = known[known["rank_low"] == 1]
    if len(first) == 1:
        return f"Images of {first['class_name'].iloc[0]} are needed most."
    if len(first) == len(known):
        return "There is no clear order of need between the classes."
    return f"There is no clear order between those that need images most: {listed(first['class_name'])}."


def _groups_words(groups: pd.DataFrame) -> str:
    found = groups[groups["verdict"] == SMALL_INFORMATIVE].sort_values(
        ["class_need", "ratio"], ascending=False, kind="stable"
    )
    if found.empty:
        return ""
    top = found.iloc[0]
    more = len(found) - 1
    others = f" ({more} more such {'group' if more == 1 else 'groups'})" if more else ""
    return (
        f"Inside {top['class_name']}, group {int(top['group'])} of {int(top['size'])} images "
        f"({top['share_of_class']:.0%} of the training images of the class, {top['nearest']:.0%} of its validation "
        f"images) carries {top['ratio']:.1f} times the information of the rest per image: likely an under-sampled "
        f"sub-class, or mislabeled images{others}."
    )


def listed(names: Sequence[str] | pd.Series) -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b, c and 4 more``."""
    each = [str(name) for name in names]
    if len(each) > LISTED + 1:
        return f"{', '.join(each[:LISTED])} and {len(each) - LISTED} more"
    return each[0] if len(each) == 1 else f"{', '.join(each[:-1])} and {each[-1]}"
