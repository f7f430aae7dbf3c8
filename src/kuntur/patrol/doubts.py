"""Doubt that all looks share: fog, camouflage, a tired operator make every look worth less at once.

Exposures add up only given the conditions. So let the conditions be one number theta: every look has theta times its
rate. The chance to be seen is then averaged over theta *after* the exponential; multiplying chances to be missed over
looks that fail together would over-claim. A stated share of crossers may moreover be such that no look ever finds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.patrol import _kernels, game
from kuntur.patrol.exposure import LEAST_FACTOR, View
from kuntur.patrol.game import Mixture

SingleArray = NDArray[np.float32]


def weakened(view: View, theta: float) -> View:
    """The same view with every exposure times theta (0 <= theta <= 1); survival factors rounded up."""
    if not 0.0 <= theta <= 1.0:
        raise ValueError(f"theta {theta} is not between 0 and 1")
    exact = np.maximum(np.power(view.factor.astype(np.float64), theta) * (1.0 + 1e-15), LEAST_FACTOR)
    near = exact.astype(np.float32)
    above = np.where(near < exact, np.nextafter(near, np.float32(2.0)), near)
    # A factor is already rounded up, so at theta 1 nothing is to be added.
    factor = np.minimum(np.maximum(above, view.factor) if theta < 1.0 else view.factor, np.float32(1.0))
    factor = np.ascontiguousarray(factor, np.float32)
    return replace(view, factor=factor, seen=_kernels.pieces(view.start, view.cell, factor, view.graph.count))


def floors(
    view: View, mixture: Mixture, thetas: Sequence[float], *, never_prob: float = 0.0, threads: int = 2
) -> tuple[tuple[float, float], ...]:
    """(theta, floor) for each theta of a stated set, the crosser told theta; the worst is that of the least theta.

    never_prob: share of crossers that no look ever finds; each floor is of all crossers.
    """
    found = []
    for theta in thetas:
        floor = game.backward(weakened(view, theta), mixture, threads=threads).floor
        found.append((float(theta), _of_all(floor, never_prob)))
    return tuple(found)


def mixed(known: Sequence[tuple[float, float]], probabilities: Sequence[float]) -> float:
    """Floor when theta is drawn with these probabilities, from (theta, floor) of each: valid because there the crosser
    was even told theta."""
    if len(known) != len(probabilities) or min(probabilities) < 0.0 or abs(math.fsum(probabilities) - 1.0) > 1e-9:
        raise ValueError("the probabilities of theta are not one each, or do not sum to 1")
    total = math.fsum(floor * p for (_, floor), p in zip(known, probabilities, strict=True))
    return max(0.0, math.nextafter(total * (1.0 - 1e-9), -1.0))


def worst(known: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(theta, floor) of the least floor of the set."""
    return min(known, key=lambda pair: pair[1])


def _of_all(floor: float, never_prob: float) -> float:
    if not 0.0 <= never_prob <= 1.0:
        raise ValueError(f"never_prob {never_prob} is not between 0 and 1")
    return max(0.0, math.nextafter(floor * (1.0 - never_prob), -1.0)) if never_prob else floor
