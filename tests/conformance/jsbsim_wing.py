"""Run inside the peers' environment: `python jsbsim_wing.py ANSWER.json`. Flies JSBSim's c172x level and at full power.

For altitudes and true airspeeds: drag (N) and engine power (W) of trimmed level flight, null where it cannot be
trimmed; and the thrust (N) at full throttle with the mixture that gives most of it. Still standard air.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import jsbsim

MODEL = "c172x"
ALTITUDES_M = (100.0, 4000.0, 6000.0, 7000.0, 7500.0)
SPEEDS_MPS = tuple(float(v) for v in range(24, 75, 5))
FT, LBF, HORSEPOWER_W = 0.3048, 4.4482216, 745.7


def at(alt_m: float, speed_mps: float, throttle: float, mixture: float) -> jsbsim.FGFDMExec:
    """The aircraft at a point, engine running, in a simulation of its own: a failed trim spoils what follows it."""
    fdm = jsbsim.FGFDMExec(None)
    fdm.set_debug_level(0)
    fdm.load_model(MODEL)
    fdm.disable_output()
    fdm["ic/terrain-elevation-ft"] = -3000.0
    fdm["ic/h-sl-ft"], fdm["ic/vt-fps"] = alt_m / FT, speed_mps / FT
    fdm["ic/gamma-deg"], fdm["ic/alpha-deg"] = 0.0, 3.0
    fdm["fcs/throttle-cmd-norm"], fdm["fcs/mixture-cmd-norm"] = throttle, mixture
    fdm["propulsion/magneto_cmd"], fdm["propulsion/set-running"] = 3, -1
    fdm.run_ic()
    return fdm


def level(alt_m: float, speed_mps: float) -> tuple[float, float] | None:
    """Drag in N and power of the engine in W."""
    for mixture in (1.0, 0.8, 0.6):
        fdm = at(alt_m, speed_mps, 0.8, mixture)
        try:
            fdm.do_trim(0)
        except jsbsim.TrimFailureError:
            continue
        return abs(float(fdm["forces/fwx-aero-lbs"])) * LBF, float(fdm["propulsion/engine/power-hp"]) * HORSEPOWER_W
    return None


def full_thrust_n(alt_m: float, speed_mps: float) -> float:
    best = 0.0
    for mixture in (1.0, 0.8, 0.6):
        fdm = at(alt_m, speed_mps, 1.0, mixture)
        fdm["fcs/throttle-pos-norm"], fdm["fcs/mixture-pos-norm"] = 1.0, mixture
        fdm.get_propulsion().get_steady_state()
        best = max(best, float(fdm["propulsion/engine/thrust-lbs"]) * LBF)
    return best


def main() -> None:
    answer = Path(sys.argv[1]).resolve()
    os.chdir(tempfile.mkdtemp())  # the model writes a log where it stands
    points = [
        {"alt_m": alt, "speed_mps": v, "level": level(alt, v), "thrust_n": full_thrust_n(alt, v)}
        for alt in ALTITUDES_M
        for v in SPEEDS_MPS
    ]
    weight_n = float(at(1000.0, 50.0, 0.8, 0.8)["inertia/weight-lbs"]) * LBF
    answer.write_text(json.dumps({"model": MODEL, "weight_n": weight_n, "points": points}))


if __name__ == "__main__":
    main()
