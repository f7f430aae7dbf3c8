"""Diffraction against the numbers that ITU-R Study Group 3 and its members publish for implementers.

The profile Regensburg - Munich and its results stand in Py1812, the Swiss OFCOM's reference implementation of
Recommendation ITU-R P.1812, whose 4.3 is the delta-Bullington method of P.526, 4.5. The Study Group's own twenty
examples ("Validation examples for the delta Bullington diffraction prediction method", delB_valid_temp.xlsx) need four
profiles that state no licence: they are read from the folder that KUNTUR_ITU_EXAMPLES names, as dbull_path1.csv to
dbull_path4.csv (distance in km, height in m, one heading line), and that test is left out without it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from kuntur.units import EARTH_RADIUS_M, SPEED_OF_LIGHT_MPS
from kuntur.visibility import radio

PROFILE = Path(__file__).with_name("regensburg_munich_profile.txt")
HEIGHTS_M = np.array([
    word for line in PROFILE.read_text().splitlines() if not line.startswith("#") for word in line.split()
], float)  # fmt: skip


def _loss_db(
    distance_m: np.ndarray,
    height_m: np.ndarray,
    masts_agl_m: tuple[float, float],
    wavelength_m: float,
    radius_m: float,
    model: radio.Diffraction,
) -> float:
    ground = radio.Profiles(starts=np.array([0, len(height_m)]), distance_m=distance_m, height_m=height_m)
    loss = radio.profile_diffraction_db(
        ground,
        height_m[0] + masts_agl_m[0],
        height_m[-1] + masts_agl_m[1],
        SPEED_OF_LIGHT_MPS / wavelength_m,
        model=model,
        polarisation="horizontal",
        refraction=1.0 - EARTH_RADIUS_M / radius_m,
    )
    return float(loss[0])


@pytest.mark.parametrize(
    ("masts_agl_m", "bullington_db", "beta0_db", "median_db"),
    [
        ((12.0, 19.0), 33.10888247, 54.3600255, 60.53920448),
        ((200.0, 200.0), 6.964682673, 7.015265591, 13.64139205),
        ((1000.0, 200.0), 0.0, 0.0, 0.0),
    ],
)
def test_regensburg_to_munich(
    masts_agl_m: tuple[float, float], bullington_db: float, beta0_db: float, median_db: float
) -> None:
    """Py1812, rburg_rural_noclutter*: Lbulla and Ldb at the effective radius of 3 (P.1812, eq. 7b), Ld50 at 8931 km."""
    distance_m = 100.0 * np.arange(len(HEIGHTS_M))
    wavelength_m = 0.2998 / 0.0982  # their speed of light
    work = (distance_m, HEIGHTS_M, masts_agl_m, wavelength_m)
    assert _loss_db(*work, 3.0 * 6371e3, "bullington") == pytest.approx(bullington_db, abs=1e-6)
    assert _loss_db(*work, 3.0 * 6371e3, "delta_bullington") == pytest.approx(beta0_db, abs=1e-3)
    assert _loss_db(*work, 157.0 / 112.0 * 6371e3, "delta_bullington") == pytest.approx(median_db, abs=1e-3)


MASTS_AGL_M = ((30.0, 30.0), (50.0, 10.0), (20.0, 20.0), (40.0, 50.0), (70.0, 5.0))
FREQUENCIES_GHZ = (1.0, 2.5, 0.6, 0.2, 0.15)
BULLINGTON_DB = (
    (32.84284766, 37.229036, 31.22595813, 24.87792613, 24.78223928),
    (36.20419305, 44.81240928, 34.43917939, 28.37368149, 34.61746032),
    (17.62040631, 25.1016907, 20.25488733, 10.1899085, 16.27593106),
    (7.8709851352, 0.0, 15.30876397, 6.526730443, 0.0),
)
DELTA_BULLINGTON_DB = (
    (34.44302652, 42.32928281, 36.34606901, 27.69744396, 42.99074274),
    (69.83036947, 90.68232743, 66.46062522, 46.38832061, 51.38547874),
    (17.62040631, 25.1016907, 20.25488733, 10.1899085, 20.73949248),
    (7.870985135, 0.0, 15.30876397, 6.526730443, 0.0),
)
EXAMPLES = os.environ.get("KUNTUR_ITU_EXAMPLES")


@pytest.mark.skipif(EXAMPLES is None, reason="KUNTUR_ITU_EXAMPLES names no folder with the ITU's four profiles")
@pytest.mark.parametrize("path", range(4))
@pytest.mark.parametrize("link", range(5))
def test_the_twenty_examples(path: int, link: int) -> None:
    """Effective radius 8500 km, speed of light 3e8 m/s; the examples' own tolerance is 0.1 dB."""
    file = Path(EXAMPLES or "", f"dbull_path{path + 1}.csv")
    distance_km, height_m = np.genfromtxt(file, delimiter=",", skip_header=1).T
    work = (1e3 * distance_km, height_m.copy(), MASTS_AGL_M[link], 0.3 / FREQUENCIES_GHZ[link], 8500e3)
    assert _loss_db(*work, "bullington") == pytest.approx(BULLINGTON_DB[path][link], abs=1e-6)
    assert _loss_db(*work, "delta_bullington") == pytest.approx(DELTA_BULLINGTON_DB[path][link], abs=0.02)
