"""The wind at an altitude, and what it does to a leg."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.place import Weather

FloatArray = NDArray[np.float64]


class Wind(NamedTuple):
    """Where the air goes, east and north, and the most by which it may differ from that; arrays of the altitudes'
    shape."""

    east_mps: FloatArray
    north_mps: FloatArray
    spread_mps: FloatArray

    @property
    def strongest_mps(self) -> FloatArray:
        return np.hypot(self.east_mps, self.north_mps) + self.spread_mps


def at(weather: Weather, alt_msl_m: ArrayLike) -> Wind:
    """The wind at alt_msl_m: the vector between two levels' vectors, the end levels' own beyond them.

    Where the wind of each place is itself linear between two levels, it differs from this vector by at most the spread
    between the levels' spreads (triangle inequality).
    """
    alt = np.asarray(alt_msl_m, float)
    if not weather.winds:
        east, north = _towards(weather.wind_speed_mps, weather.wind_from_rad)
        return Wind(np.full(alt.shape, east), np.full(alt.shape, north), np.zeros(alt.shape))
    levels = levels_m(weather)
    vectors = np.array([_towards(level.wind_speed_mps, level.wind_from_rad) for level in weather.winds])
    spread = [level.spread_mps for level in weather.winds]
    return Wind(
        np.interp(alt, levels, vectors[:, 0]), np.interp(alt, levels, vectors[:, 1]), np.interp(alt, levels, spread)
    )


def levels_m(weather: Weather) -> FloatArray:
    """Altitudes at which the wind is given; empty for one wind everywhere."""
    return np.array([level.alt_msl_m for level in weather.winds])


def strongest_mps(weather: Weather) -> float:
    """The strongest wind at any altitude, its spread included."""
    return float(at(weather, levels_m(weather) if weather.winds else 0.0).strongest_mps.max())


def along_across(dx_m: ArrayLike, dy_m: ArrayLike, wind: Wind) -> tuple[FloatArray, FloatArray]:
    """Components along (tail wind positive) and across (towards the right positive) the direction (dx east, dy north).

    The wind's north is true north; the local frame's differs by under 0.5 degrees within an area.
    """
    dx, dy = np.asarray(dx_m, float), np.asarray(dy_m, float)
    length = np.maximum(np.hypot(dx, dy), 1e-9)
    ux, uy = dx / length, dy / length
    return ux * wind.east_mps + uy * wind.north_mps, uy * wind.east_mps - ux * wind.north_mps


def least_ground_speed_mps(airspeed_mps: ArrayLike, dx_m: ArrayLike, dy_m: ArrayLike, wind: Wind) -> FloatArray:
    """Speed over ground towards (dx, dy) in the worst wind within the spread; not above 0 where it cannot hold its
    course."""
    along, across = along_across(dx_m, dy_m, wind)
    aside = np.abs(across) + wind.spread_mps
    headroom = np.asarray(airspeed_mps, float) ** 2 - aside**2
    speed = np.sqrt(np.maximum(headroom, 0.0)) + along - wind.spread_mps
    return np.asarray(np.where(headroom > 0.0, speed, np.minimum(speed, 0.0)))


def _towards(speed_mps: float, from_rad: float) -> tuple[float, float]:
    return -speed_mps * float(np.sin(from_rad)), -speed_mps * float(np.cos(from_rad))
