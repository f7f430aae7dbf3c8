"""How fast people, animals and vehicles go over a slope: published curves, and what is assumed where none was found.

People: the percentiles of Campbell, Dennison, Butler and Page 2019 (Applied Geography 106, "Using crowdsourced fitness
tracker data to model the relationship between slope and travel rates", supplement, table S1): a Lorentz curve in the
slope, fitted to the trips of 29,928 people on trails; all of them were out for sport and carried little. A promise must
hold against fast ones, so the 90th percentile is what a class gets that does not ask for another: 3.4 m/s on the flat.
Off roads and tracks it is multiplied by Tobler's off-path factor (1993, NCGIA technical report 93-1).

To compare, never to plan with: Tobler's hiking function, and Naismith's rule with Langmuir's refinement for descents
(Naismith 1892; Langmuir 1984, Mountaincraft and Leadership): what a walker with a rucksack keeps up all day.

Pack animals: published is the march of mules and horses, 4 miles an hour at the walk and 8 at the trot (Cole and
Schoonmaker 1917, Military Instructors' Manual; Dyer 1896, Handbook for Light Artillery, wants laden mules kept from
trotting). How slope slows a mule or a llama in a hurry was not found. People on foot lead or drive them, so they are
taken to go as the people do, and never above the trot: rounded in their favour.

Vehicles: no source found for what they do on Altiplano tracks by night: the speeds are assumed.

Night slows nobody here. How much it does is not known well enough, and a guarantee may only be rounded in favour of who
crosses.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.place import Mode, Percentile
from kuntur.units import RAD_TO_DEG

FloatArray = NDArray[np.float64]

CAMPBELL: Final[dict[Percentile, tuple[float, float, float, float, float]]] = {
    50: (-2.171, 10.064, 63.660, 0.628, -0.00463),
    75: (-3.067, 13.888, 113.655, 0.518, -0.00488),
    90: (-3.060, 16.653, 138.875, 0.823, -0.01386),
    95: (-3.485, 17.033, 138.040, 1.179, -0.01252),
    99: (-4.000, 13.903, 123.515, 1.961, -0.01081),
}
"""Table S1: a, b, c, d, e of rate = c / (pi b (1 + ((s - a) / b)^2)) + d + e s, with the slope s in degrees."""

OFF_PATH_FACTOR: Final = 0.6  # Tobler 1993
PACK_WALK_MPS: Final = 4.0 * 1609.344 / 3600.0  # Cole and Schoonmaker 1917; to compare
PACK_TROT_MPS: Final = 8.0 * 1609.344 / 3600.0
ROAD_MPS: Final = 80.0 / 3.6  # assumed
TRACK_MPS: Final = 40.0 / 3.6  # assumed
OFF_ROAD_MPS: Final = 30.0 / 3.6  # assumed
STEEPEST: Final[dict[Mode, float]] = {
    "walk": math.tan(math.radians(45.0)),  # judged: steeper ground is climbed, not walked
    "pack": math.tan(math.radians(45.0)),  # unknown for animals: as for the people who lead them
    "drive": 0.6,  # 60 %, what light military trucks are specified to climb
}
"""The steepest gradient (rise over run) that is gone up or down off roads and tracks."""

OPEN, TRACK, ROAD = 0, 1, 2
"""What lies under a way: nothing made, a track, a road."""


def campbell_mps(gradient: ArrayLike, percentile: Percentile = 90) -> FloatArray:
    """Travel rate on a path for a gradient (rise over run, uphill positive)."""
    slope_deg = np.arctan(np.asarray(gradient, float)) * RAD_TO_DEG
    a, b, c, d, e = CAMPBELL[percentile]
    return np.asarray(c / (math.pi * b * (1.0 + ((slope_deg - a) / b) ** 2)) + d + e * slope_deg)


def tobler_mps(gradient: ArrayLike) -> FloatArray:
    """Tobler's hiking function 1993: 6 km/h exp(-3.5 |gradient + 0.05|), the speed of a typical walker on a path."""
    return np.asarray(6.0 / 3.6 * np.exp(-3.5 * np.abs(np.asarray(gradient, float) + 0.05)))


def naismith_mps(gradient: ArrayLike) -> FloatArray:
    """Naismith's rule as refined by Langmuir: 5 km an hour, an hour more for 600 m of ascent, 10 minutes less for 300 m
    of gentle descent (5 to 12 degrees), 10 minutes more for 300 m of steeper descent."""
    rise = np.asarray(gradient, float)
    slope_deg = np.arctan(rise) * RAD_TO_DEG
    pace = np.full(rise.shape, 0.72)
    pace = np.where(rise > 0.0, 0.72 + 6.0 * rise, pace)
    pace = np.where((slope_deg <= -5.0) & (slope_deg >= -12.0), 0.72 + 2.0 * rise, pace)
    return np.asarray(1.0 / np.where(slope_deg < -12.0, 0.72 - 2.0 * rise, pace))


def speed_mps(mode: Mode, percentile: Percentile, gradient: ArrayLike, under: ArrayLike) -> FloatArray:
    """Speed of a mode for gradients and what lies under the way (OPEN, TRACK, ROAD), broadcast together."""
    rise, made = np.broadcast_arrays(np.asarray(gradient, float), np.asarray(under))
    if mode == "drive":
        return np.asarray(np.choose(made, [OFF_ROAD_MPS, TRACK_MPS, ROAD_MPS]))
    speed = campbell_mps(rise, percentile) * np.where(made > OPEN, 1.0, OFF_PATH_FACTOR)
    return np.asarray(np.minimum(speed, PACK_TROT_MPS) if mode == "pack" else speed)


def top_speed_mps(
    mode: Mode, percentile: Percentile, least: ArrayLike, greatest: ArrayLike, under: ArrayLike
) -> FloatArray:
    """The greatest speed for any gradient between two, neither steeper than STEEPEST: a bound on what a way that turns
    within these can do.

    Campbell's curves rise to one peak and fall after it, all over the slopes that are walked (a test says so).
    """
    limit = STEEPEST[mode]
    low, high = np.clip(np.asarray(least, float), -limit, limit), np.clip(np.asarray(greatest, float), -limit, limit)
    best = np.clip(_PEAK[percentile], low, high)
    return speed_mps(mode, percentile, best, under)


def _peak(percentile: Percentile) -> float:
    """The gradient of the greatest rate, to a thousandth of a degree: the rate is flat there."""
    gradient = np.tan(np.radians(np.linspace(-12.0, 2.0, 14_001)))
    return float(gradient[int(campbell_mps(gradient, percentile).argmax())])


_PEAK: Final[dict[Percentile, float]] = {percentile: _peak(percentile) for percentile in CAMPBELL}
