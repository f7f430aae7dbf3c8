"""Air density and density altitude: the standard atmosphere with a temperature deviation, or levels of real air.

ICAO Doc 7488/3 and ISO 2533:1975, troposphere only (-5 to 11 km). Altitudes are taken as geopotential; a height above
sea level is geometric, and the difference (2.5 m at 4,000 m) makes the air too thin by 0.03 %, the safe side.

* An ISA deviation keeps the standard pressure at each altitude and adds the deviation to the temperature.
* Levels (a station, a sounding, a forecast): between two of them the logarithm of density is linear in altitude; beyond
  them the air goes on in hydrostatic balance with the standard lapse of temperature. Where each level holds the
  thinnest air of an area, the line between two such levels is nowhere denser than any one column of the area
  (a least of straight lines lies above the chord of its ends): the safe side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.place import AirLevel, Weather
from kuntur.units import STANDARD_GRAVITY_MPS2

FloatArray = NDArray[np.float64]

# ISO 2533:1975, table 1 and clause 2.
TEMPERATURE_0_K = 288.15
PRESSURE_0_PA = 101_325.0
LAPSE_K_PER_M = 0.0065
GAS_CONSTANT_AIR = 287.052_87  # J/(kg K)
DENSITY_0_KGPM3 = PRESSURE_0_PA / (GAS_CONSTANT_AIR * TEMPERATURE_0_K)
LOWEST_M, TROPOPAUSE_M = -5_000.0, 11_000.0

_EXPONENT = STANDARD_GRAVITY_MPS2 / (GAS_CONSTANT_AIR * LAPSE_K_PER_M)


def pressure_pa(alt_msl_m: ArrayLike) -> FloatArray:
    """Standard pressure; NaN outside -5..11 km."""
    alt = _known(alt_msl_m)
    return PRESSURE_0_PA * (1.0 - LAPSE_K_PER_M * alt / TEMPERATURE_0_K) ** _EXPONENT


def temperature_k(alt_msl_m: ArrayLike) -> FloatArray:
    """Standard temperature; NaN outside -5..11 km."""
    return TEMPERATURE_0_K - LAPSE_K_PER_M * _known(alt_msl_m)


def station_pressure_pa(qnh_pa: float, alt_msl_m: float) -> float:
    """Pressure at a station from the altimeter setting: QNH is that pressure brought down to sea level through the
    standard atmosphere (ICAO Doc 8896, Manual of Aeronautical Meteorological Practice)."""
    return float(qnh_pa / PRESSURE_0_PA * pressure_pa(alt_msl_m))


def density_kgpm3(alt_msl_m: ArrayLike, weather: Weather) -> FloatArray:
    """Air density in kg/m3 (ideal gas, dry); NaN outside -5..11 km.

    >>> round(float(density_kgpm3(4000.0, Weather())), 4)
    0.8191
    """
    if weather.air:
        return _between_levels(_known(alt_msl_m), weather.air)
    return pressure_pa(alt_msl_m) / (GAS_CONSTANT_AIR * (temperature_k(alt_msl_m) + weather.isa_offset_k))


def density_ratio(alt_msl_m: ArrayLike, weather: Weather) -> FloatArray:
    """Density over standard sea-level density; NaN outside -5..11 km."""
    return density_kgpm3(alt_msl_m, weather) / DENSITY_0_KGPM3


def altitude_of_density_ratio_m(ratio: ArrayLike) -> FloatArray:
    """Altitude in the standard atmosphere that has this density ratio: `density_ratio` without deviation, inverted."""
    sigma = np.asarray(ratio, float)
    return TEMPERATURE_0_K / LAPSE_K_PER_M * (1.0 - sigma ** (1.0 / (_EXPONENT - 1.0)))


def density_altitude_m(alt_msl_m: ArrayLike, weather: Weather) -> FloatArray:
    """Altitude in the standard atmosphere with the density of this weather at alt_msl_m; NaN outside -5..11 km."""
    return altitude_of_density_ratio_m(density_ratio(alt_msl_m, weather))


def _known(alt_msl_m: ArrayLike) -> FloatArray:
    alt = np.asarray(alt_msl_m, float)
    return np.where((alt >= LOWEST_M) & (alt <= TROPOPAUSE_M), alt, np.nan)


def _between_levels(alt_msl_m: FloatArray, air: tuple[AirLevel, ...]) -> FloatArray:
    at = np.array([level.alt_msl_m for level in air])
    dense = np.array([level.pressure_pa / (GAS_CONSTANT_AIR * level.temperature_k) for level in air])
    between = np.exp(np.interp(alt_msl_m, at, np.log(dense)))
    end_k = np.where(alt_msl_m < at[0], air[0].temperature_k, air[-1].temperature_k)
    beyond_m = alt_msl_m - np.clip(alt_msl_m, at[0], at[-1])
    return np.asarray(between * (1.0 - LAPSE_K_PER_M * beyond_m / end_k) ** (_EXPONENT - 1.0))
