"""Constants and conversions: the only place where they happen. SI and radians inside, degrees at the edges."""

from __future__ import annotations

import math
from typing import Final

DEG_TO_RAD: Final = math.pi / 180.0
RAD_TO_DEG: Final = 180.0 / math.pi
NS_PER_S: Final = 1_000_000_000
SPEED_OF_LIGHT_MPS: Final = 299_792_458.0  # exact, BIPM SI brochure (9th ed.), 2.2
STANDARD_GRAVITY_MPS2: Final = 9.80665  # exact, ISO 80000-3
EARTH_RADIUS_M: Final = 6_371_008.8  # mean radius R1 of the GRS80 ellipsoid (Moritz 2000)
# Terrestrial refraction bends sight lines downward; effective curvature is (1 - k) / R. k = 0.13 is the classical
# surveying value (Gauss; Brunner 1984). GDAL's viewshed default 0.85714 = 1 - 1/7 is the same idea with k = 1/7.
REFRACTION_COEFFICIENT: Final = 0.13
FEET_TO_M: Final = 0.3048  # exact, international foot
KNOT_TO_MPS: Final = 1852.0 / 3600.0  # exact
WH_TO_J: Final = 3600.0


def wrap_pi(angle_rad: float) -> float:
    """Return the same direction in [-pi, pi)."""
    return (angle_rad + math.pi) % (2.0 * math.pi) - math.pi


def at_least(prob: float, digits: int = 2) -> float:
    """A proven lower bound as it is printed: rounded down, so that no more is said than was proven."""
    return math.floor(prob * 10.0**digits + 1e-9) / 10.0**digits


def at_most(prob: float, digits: int = 2) -> float:
    """A proven upper bound as it is printed: rounded up."""
    return math.ceil(prob * 10.0**digits - 1e-9) / 10.0**digits


def seconds(t_ns: int) -> float:
    """Nanoseconds to seconds."""
    return t_ns / NS_PER_S


def nanoseconds(t_s: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(t_s * NS_PER_S)
