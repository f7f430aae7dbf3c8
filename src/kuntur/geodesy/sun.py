"""Where the sun stands: NOAA's general solar position equations.

NOAA Global Monitoring Division, General Solar Position Calculations (the formulas of its solar calculator, after
Spencer 1971 and Meeus): a Fourier series in the fractional year, good to about a minute of time away from the poles.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.units import DEG_TO_RAD

FloatArray = NDArray[np.float64]

HORIZON_RAD: Final = 90.833 * DEG_TO_RAD  # zenith angle at sunrise and sunset: half a disc and refraction (NOAA)
_NS_PER_MINUTE: Final = 60_000_000_000


def zenith_rad(t_ns: ArrayLike, lat_deg: float, lon_deg: float) -> FloatArray:
    """Angle between the sun and straight up, without refraction, at UTC times t_ns (ns since 1970); their shape."""
    at = np.asarray(t_ns, np.int64).astype("datetime64[ns]")
    year = at.astype("datetime64[Y]")
    days = (year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")
    gone = (at - year.astype("datetime64[ns]")).astype(np.int64) / (24.0 * 60.0 * _NS_PER_MINUTE)
    gamma = 2.0 * np.pi / days.astype(np.int64) * (gone - 0.5)
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * np.cos(gamma)
        - 0.032077 * np.sin(gamma)
        - 0.014615 * np.cos(2.0 * gamma)
        - 0.040849 * np.sin(2.0 * gamma)
    )
    declination = (
        0.006918
        - 0.399912 * np.cos(gamma)
        + 0.070257 * np.sin(gamma)
        - 0.006758 * np.cos(2.0 * gamma)
        + 0.000907 * np.sin(2.0 * gamma)
        - 0.002697 * np.cos(3.0 * gamma)
        + 0.00148 * np.sin(3.0 * gamma)
    )
    minutes = (at - at.astype("datetime64[D]")).astype(np.int64) / _NS_PER_MINUTE
    hour_angle = ((minutes + equation_min + 4.0 * lon_deg) / 4.0 - 180.0) * DEG_TO_RAD
    lat = lat_deg * DEG_TO_RAD
    cosine = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(hour_angle)
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)), float)


def is_up(t_ns: ArrayLike, lat_deg: float, lon_deg: float) -> NDArray[np.bool_]:
    """Whether any of the sun's disc stands over a level horizon."""
    return zenith_rad(t_ns, lat_deg, lon_deg) < HORIZON_RAD
