"""How much a multirotor uses: momentum theory in hover and forward flight, fitted to the catalog's figures.

Everything is a *load*: power over the power at which the catalog's endurance holds.

* Hover: power ~ mass^1.5 / density^0.5, the induced part by momentum theory, the profile part because rotors of fixed
  pitch turn faster in the same proportion (Leishman 2006, Principles of Helicopter Aerodynamics, 2.2-2.8).
* Forward: the induced part falls as the rotors meet more air (Glauert: wake^4 + speed^2 wake^2 = hover wake^4), and
  drag adds density * speed^3. How much of the hover power is relieved is fitted to a published pair of hover and
  forward endurance; without such a pair, or without a disc area, nothing is relieved.
* Drag is not published. It is taken as large as it can be: so that at the published top speed at sea level all the
  power there is goes into it.
* The power there is: what hover needs at the published ceiling with catalog mass, or at sea level with the published
  payload, whichever is more. Altitude and speed change nothing in it (batteries and motors), so thin air takes away
  climb and top speed first and hover last.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.aircraft import atmosphere
from kuntur.model.assets import Airframe
from kuntur.units import STANDARD_GRAVITY_MPS2

FloatArray = NDArray[np.float64]

# Power in the most economical forward flight over power in hover. Makers' pairs of endurance: 0.84 (Mavic 3T), 0.87
# (Matrice 4TD), 0.88 (Matrice 30T), 0.90 (Matrice 400), 0.90 (EVO Max 4T); 16 A over 20 A measured on a 3DR Solo
# (discuss.ardupilot.org, topic 32200). The least of them: where an endurance may be one of forward flight, hover is
# charged this much more.
FORWARD_OVER_HOVER = 0.80
_SPEEDS = 200  # speeds looked at for the most economical one


class Rotor(Struct, frozen=True, kw_only=True):
    """The loads of one multirotor. hover: at sea level with catalog mass. wake_mps: induced velocity there; None where
    the disc area is not published. relief: share of the hover power that forward flight can relieve. drag: load of the
    drag at top_mps at sea level. available: the load that all power there is can carry."""

    hover: float
    available: float
    drag: float
    top_mps: float
    relief: float = 0.0
    wake_mps: float | None = None

    def load(self, airspeed_mps: float, mass_factor: float, sigma: float) -> float:
        """In level flight. mass_factor: mass over catalog mass."""
        part = 1.0 - self.relief * (1.0 - self._wake_share(airspeed_mps, mass_factor, sigma))
        hover = self.hover * math.pow(mass_factor, 1.5) / math.sqrt(sigma)
        return hover * part + self.drag * sigma * (airspeed_mps / self.top_mps) ** 3

    def full_load(self, airspeed_mps: float, sigma: float) -> float:
        """With all the power there is."""
        return self.available

    def ceiling_sigma(self, mass_factor: float) -> float:
        """Density ratio at the ceiling with this mass: hover takes all the power there is."""
        return mass_factor**3 * (self.hover / self.available) ** 2

    def climb(self, mass_factor: float, sigma: float) -> tuple[float, float]:
        """Best climb rate over that at sea level with catalog mass, by the power that hover leaves (0 at and above the
        ceiling), and its airspeed: it climbs at any."""
        left = self.available - self.load(0.0, mass_factor, sigma)
        return max(left, 0.0) / mass_factor / (self.available - self.hover), math.inf

    def patrol_load(self, cruise_mps: float, mass_factor: float, sigma: float) -> float:
        """What a patrol is charged: the dearer of hover and cruise, as fast as there is power for."""
        hover = self.load(0.0, mass_factor, sigma)
        return max(hover, min(self.load(cruise_mps, mass_factor, sigma), self.available))

    def fastest_mps(self, mass_factor: float, sigma: float) -> float:
        """The speed at which level flight takes all the power there is; 0 where hover takes as much."""
        low, high = 0.0, self.top_mps
        if self.load(high, mass_factor, sigma) <= self.available:
            return high
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.load(middle, mass_factor, sigma) <= self.available else (low, middle)
        return low

    def loiter_mps(self, mass_factor: float, sigma: float) -> float:
        """The most economical speed: least load."""
        speeds = np.linspace(0.0, self.top_mps, _SPEEDS + 1)
        return float(speeds[np.argmin([self.load(float(v), mass_factor, sigma) for v in speeds])])

    def range_mps(self, mass_factor: float, sigma: float) -> float:
        """The speed of the longest way in still air: least load per metre."""
        speeds = np.linspace(0.0, self.top_mps, _SPEEDS + 1)[1:]
        return float(speeds[np.argmin([self.load(float(v), mass_factor, sigma) / v for v in speeds])])

    def _wake_share(self, airspeed_mps: float, mass_factor: float, sigma: float) -> float:
        """Induced velocity over that of hover: the root of Glauert's equation for level flight at small tilt."""
        if self.wake_mps is None:
            return 1.0
        speed2 = airspeed_mps**2 / (self.wake_mps**2 * mass_factor / sigma)
        return math.sqrt(math.sqrt(0.25 * speed2**2 + 1.0) - 0.5 * speed2)


def fit(airframe: Airframe, sigma_ceiling: float) -> Rotor:
    """The loads that agree with the catalog. sigma_ceiling: density ratio at the published ceiling."""
    hover = 1.0 if airframe.endurance_mps == 0.0 else 1.0 / FORWARD_OVER_HOVER
    laden = 1.0 + (airframe.max_payload_kg or 0.0) / airframe.mass_kg
    margin = max(1.0 / math.sqrt(sigma_ceiling), math.pow(laden, 1.5))
    wake_mps = None
    if airframe.rotor_disc_area_m2 is not None:
        weight_n = airframe.mass_kg * STANDARD_GRAVITY_MPS2
        wake_mps = math.sqrt(weight_n / (2.0 * atmosphere.DENSITY_0_KGPM3 * airframe.rotor_disc_area_m2))

    def with_relief(relief: float) -> Rotor:
        bare = Rotor(
            hover=hover, available=hover * margin, drag=0.0, top_mps=airframe.max_speed_mps, relief=relief,
            wake_mps=wake_mps,
        )  # fmt: skip
        left = bare.available - bare.load(airframe.max_speed_mps, 1.0, 1.0)
        return Rotor(
            hover=hover, available=bare.available, drag=max(left, 0.0), top_mps=airframe.max_speed_mps, relief=relief,
            wake_mps=wake_mps,
        )  # fmt: skip

    if wake_mps is None or airframe.forward_endurance_s is None or airframe.endurance_mps != 0.0:
        return with_relief(0.0)
    wanted = airframe.endurance_s / airframe.forward_endurance_s
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        one = with_relief(middle)
        low, high = (middle, high) if one.load(one.loiter_mps(1.0, 1.0), 1.0, 1.0) > wanted else (low, middle)
    return with_relief(low)  # the lesser relief of the two
