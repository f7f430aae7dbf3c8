"""Run inside the peers' own environment: `python itm_program.py WORK.npz ANSWER.npz`, itmlogic over many profiles.

WORK: starts (n + 1), height_m, step_m (n), masts_agl_m (n, 2), frequency_hz (n). ANSWER: loss_db (n), the median
attenuation beyond free space; warned (n), the model's own error number (4: parameters out of range); seconds, CPU.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from itmlogic.preparatory_subroutines.qlrpfl import qlrpfl
from itmlogic.statistics.avar import avar

# The same ground and air as in the runs of SPLAT!: average land, 301 N-units (effective radius 4/3), temperate climate.
PERMITTIVITY, CONDUCTIVITY, REFRACTIVITY, CLIMATE = 22.0, 0.003, 301.0, 5
POINT_TO_POINT_BROADCAST = 12  # what SPLAT! asks of the variability


def median_db(height_m: np.ndarray, step_m: float, masts_agl_m: np.ndarray, frequency_hz: float) -> tuple[float, int]:
    wave = frequency_hz / 47.7e6
    surface = complex(PERMITTIVITY, 376.62 * CONDUCTIVITY / wave)
    prop = {
        "fmhz": frequency_hz / 1e6, "d": step_m * (len(height_m) - 1) / 1e3, "hg": [float(h) for h in masts_agl_m],
        "ipol": 1, "eps": PERMITTIVITY, "sgm": CONDUCTIVITY, "klim": CLIMATE, "ens0": REFRACTIVITY,
        "ens": REFRACTIVITY, "lvar": 5, "gma": 157e-9, "kwx": 0, "wn": wave, "klimx": 0,
        "mdvarx": POINT_TO_POINT_BROADCAST, "pfl": [len(height_m) - 1, step_m, *(float(h) for h in height_m)],
    }  # fmt: skip
    prop["gme"] = prop["gma"] * (1.0 - 0.04665 * np.exp(prop["ens"] / 179.3))
    prop["zgnd"] = np.sqrt(surface - 1.0) / surface  # vertical polarisation
    prop = qlrpfl(prop)
    loss_db, prop = avar(0.0, 0.0, 0.0, prop)
    return float(loss_db), int(prop["kwx"])


if __name__ == "__main__":
    with np.load(sys.argv[1]) as work:
        given = dict(work)
    links = range(len(given["step_m"]))
    heights = [given["height_m"][given["starts"][i] : given["starts"][i + 1]] for i in links]
    start = time.process_time()
    found = [
        median_db(heights[i], float(given["step_m"][i]), given["masts_agl_m"][i], float(given["frequency_hz"][i]))
        for i in links
    ]
    seconds = time.process_time() - start
    np.savez(sys.argv[2], loss_db=[f[0] for f in found], warned=[f[1] for f in found], seconds=seconds)
