"""The standard atmosphere with a temperature deviation, and density altitude.

ICAO Doc 7488/3 and ISO 2533:1975, troposphere only (-5 to 11 km). Altitudes are taken as geopotential; a height above
sea level is geometric, and the difference (2.5 m at 4,000 m) makes the air too thin by 0.03 %, the safe side.
Weather with an ISA deviation keeps the standard pressure at each altitude and adds the deviation to the temperature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.place import Weather
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
    alt = np.asarray(alt_msl_m, float)
    known = (alt >= LOWEST_M) & (alt <= TROPOPAUSE_M)
    ratio = 1.0 - LAPSE_K_PER_M * np.where(known, alt, 0.0) / TEMPERATURE_0_K
    return np.where(known, PRESSURE_0_PA * ratio**_EXPONENT, np.nan)


def temperature_k(alt_msl_m: ArrayLike, weather: Weather) -> FloatArray:
    """Air temperature: standard plus the ISA deviation."""
    return TEMPERATURE_0_K - LAPSE_K_PER_M * np.asarray(alt_msl_m, float) + weather.isa_offset_k


def density_kgpm3(alt_msl_m: ArrayLike, weather: Weather) -> FloatArray:
    """Air density in kg/m3 (ideal gas); NaN outside -5..11 km.

    >>> round(float(density_kgpm3(4000.0, Weather())), 4)
    0.8191
    """
    return pressure_pa(alt_msl_m) / (GAS_CONSTANT_AIR * temperature_k(alt_msl_m, weather))


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
