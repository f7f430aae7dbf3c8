"""The data link over the terrain: free space, one knife edge, and the first Fresnel zone.

Both ends are taken to carry the same antenna and transmitter. What the catalog does not know stays unknown (NaN), and a
link about which nothing is known is not claimed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.assets import Radio
from kuntur.model.place import Terrain
from kuntur.units import SPEED_OF_LIGHT_MPS
from kuntur.visibility import _kernels

FloatArray = NDArray[np.float64]

RADIO_REFRACTION = 0.25
"""Effective earth radius 4/3, the median of a temperate climate (ITU-R P.530-18, 2.2.2): 1 - k = 3/4."""

FRESNEL_CLEARANCE = 0.6
"""Share of the first Fresnel zone's radius that must be clear for free-space propagation (ITU-R P.530-18, 2.2.2)."""


def margin_db(
    terrain: Terrain, a_m: ArrayLike, b_m: ArrayLike, radio: Radio, *, refraction: float = RADIO_REFRACTION
) -> FloatArray:
    """Received power over the sensitivity in dB: (n,); NaN where a figure of the radio or the terrain is unknown.

    a_m, b_m: (n, 3) x, y, alt_msl of the antennas; one may be a single point. Free-space loss (ITU-R P.525-4) and
    the loss over the worst obstacle as a single knife edge (ITU-R P.526-15, eq. 31); several ridges in a row lose more.
    """
    a, b = _kernels.points(a_m, b_m)
    if radio.tx_power_dbm is None or radio.antenna_gain_dbi is None or radio.sensitivity_dbm is None:
        return np.full(len(a), np.nan)
    wavelength_m = SPEED_OF_LIGHT_MPS / radio.frequency_hz
    distance_m = np.maximum(np.linalg.norm(b - a, axis=1), wavelength_m)
    free_space_db = 20.0 * np.log10(4.0 * np.pi * distance_m / wavelength_m)
    clearance = _kernels.fresnel_ratio(terrain, a, b, refraction, wavelength_m)
    nu = -np.sqrt(2.0) * np.minimum(clearance, 1e6)
    over = np.maximum(nu, -0.78) - 0.1
    knife_edge_db = np.where(nu > -0.78, 6.9 + 20.0 * np.log10(np.hypot(over, 1.0) + over), 0.0)
    knife_edge_db = np.where(np.isnan(clearance), np.nan, knife_edge_db)
    received_dbm = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi - free_space_db - knife_edge_db
    return np.asarray(received_dbm - radio.sensitivity_dbm)


def reach(
    terrain: Terrain, a_m: ArrayLike, b_m: ArrayLike, radio: Radio, *, refraction: float = RADIO_REFRACTION
) -> NDArray[np.bool_]:
    """Where the link may be counted on: (n,) bool, a_m and b_m as in `margin_db`.

    Sight with FRESNEL_CLEARANCE of the first Fresnel zone free, within the catalog's range where it is known, and with
    a margin of at least 0 dB where that can be computed. Over a void, outside the terrain, or with neither range nor
    link budget in the catalog: False.
    """
    a, b = _kernels.points(a_m, b_m)
    wavelength_m = SPEED_OF_LIGHT_MPS / radio.frequency_hz
    good = _kernels.fresnel_ratio(terrain, a, b, refraction, wavelength_m) >= FRESNEL_CLEARANCE  # NaN: False
    margin = margin_db(terrain, a, b, radio, refraction=refraction)
    known = not np.isnan(margin).all() or radio.max_range_m is not None
    good &= np.isnan(margin) | (margin >= 0.0)
    if radio.max_range_m is not None:
        good &= np.linalg.norm(b - a, axis=1) <= radio.max_range_m
    return good if known else np.zeros(len(a), bool)
