"""Which detection belongs to which track: gating, then the one-to-one assignment of greatest likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

FloatArray = NDArray[np.float64]

_NEVER = 1e9


def assign(gain: FloatArray, allowed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Global nearest neighbour: pairs (track, detection) that together gain most, at most one of each.

    gain: (n, m) log-likelihood ratio of each pair against leaving both alone; pairs that gain nothing stay apart.
    Blackman & Popoli 1999, section 6.4: the assignment matrix is widened by "left alone" columns of gain zero.
    """
    useful = allowed & (gain > 0.0)
    if not useful.any():
        return []
    rows, cols = np.flatnonzero(useful.any(axis=1)), np.flatnonzero(useful.any(axis=0))
    part = np.where(useful, gain, -_NEVER)[np.ix_(rows, cols)]
    if len(rows) == 1 or len(cols) == 1:
        best = int(np.argmax(part))
        i, j = divmod(best, len(cols))
        return [(int(rows[i]), int(cols[j]))]
    widened = np.concatenate([part, np.zeros((len(rows), len(rows)))], axis=1)
    chosen = zip(*linear_sum_assignment(widened, maximize=True), strict=True)
    return [(int(rows[i]), int(cols[j])) for i, j in chosen if j < len(cols)]
