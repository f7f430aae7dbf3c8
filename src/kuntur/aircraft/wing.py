"""How much a fixed wing uses: a parabolic drag polar and an engine, fitted to the catalog's figures.

Everything is a *load*: power over the power at which the catalog's endurance holds.

* Level flight at a parabolic polar: power = least power * (x^3 + 3 / x) / 4, x the speed over that of least power;
  both speed and least power change with mass and density as (mass / density)^0.5 and mass^1.5 / density^0.5
  (Anderson 1999, Aircraft Performance and Design, 5.3-5.6).
* The power there is: a piston engine's falls as 1.132 sigma - 0.132 (Gagg and Ferrar 1934, SAE Journal 34); a battery's
  does not. At the published ceiling it is the least power of level flight with catalog mass.
* So ceiling and top speed fix the polar: the published top speed at sea level is where level flight takes all the power
  there is, and one value of x has that load. The speed of least power is never below a published stall speed.
* Where the maker does not say at which speed the endurance holds, it is the most economical one: flying faster then
  costs what the polar says. A wing whose makers mean cruise lasts longer than planned.
"""

from __future__ import annotations

import math

from msgspec import Struct

from kuntur.model.assets import Airframe

RANGE_OVER_LOITER = 3.0**0.25  # speed of best glide over that of least power (Anderson 1999, 5.4)


class Wing(Struct, frozen=True, kw_only=True):
    """The loads of one fixed wing. least: load at loiter0_mps, the speed of least power at sea level with catalog mass.
    margin: power there is over least power there. piston: whether thin air takes power away."""

    least: float
    margin: float
    loiter0_mps: float
    piston: bool

    def load(self, airspeed_mps: float, mass_factor: float, sigma: float) -> float:
        """In level flight; in a turn, mass_factor times the load factor stands for the mass."""
        return (
            self.least
            * math.pow(mass_factor, 1.5)
            / math.sqrt(sigma)
            * _polar(airspeed_mps / self.loiter_mps(mass_factor, sigma))
        )

    def greatest_load(self, sigma: float) -> float:
        return self.least * self.margin * lapse(self.piston, sigma)

    def patrol_load(self, cruise_mps: float, mass_factor: float, sigma: float) -> float:
        """What a patrol is charged at the sea-level cruise speed cruise_mps, kept as indicated speed as far as there is
        power: the dearest at this density or any greater one, because it flies below its highest point too."""
        polar = _polar(cruise_mps / self.loiter0_mps)

        def wanted(at_sigma: float) -> float:
            return self.least * math.pow(mass_factor, 1.5) / math.sqrt(at_sigma) * polar

        if wanted(sigma) <= self.greatest_load(sigma):
            return wanted(sigma)
        low, high = sigma, 3.0  # the density at which all power there is goes into that cruise
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if wanted(middle) <= self.greatest_load(middle) else (middle, high)
        return max(wanted(high), self.load(self.loiter_mps(mass_factor, sigma), mass_factor, sigma))

    def loiter_mps(self, mass_factor: float, sigma: float) -> float:
        """The most economical speed."""
        return self.loiter0_mps * math.sqrt(mass_factor / sigma)

    def range_mps(self, mass_factor: float, sigma: float) -> float:
        """The speed of the longest way in still air."""
        return RANGE_OVER_LOITER * self.loiter_mps(mass_factor, sigma)

    def fastest_mps(self, mass_factor: float, sigma: float) -> float:
        """The speed at which level flight takes all the power there is; that of least power where that takes more."""
        slowest = self.loiter_mps(mass_factor, sigma)
        least = self.load(slowest, mass_factor, sigma)
        return slowest * _speed_of(max(self.greatest_load(sigma) / least, 1.0))


def fit(airframe: Airframe, sigma_ceiling: float) -> Wing:
    """The loads that agree with the catalog. sigma_ceiling: density ratio at the published ceiling."""
    piston = airframe.propulsion == "combustion"
    margin = 1.0 / (math.sqrt(sigma_ceiling) * lapse(piston, sigma_ceiling))
    loiter_mps = max(airframe.max_speed_mps / _speed_of(margin), airframe.stall_mps or 0.0)
    held = loiter_mps if airframe.endurance_mps is None else airframe.endurance_mps
    return Wing(least=1.0 / _polar(held / loiter_mps), margin=margin, loiter0_mps=loiter_mps, piston=piston)


def lapse(piston: bool, sigma: float) -> float:
    """Power there is over power there is at sea level."""
    return 1.132 * sigma - 0.132 if piston else 1.0


def _polar(x: float) -> float:
    """Power over least power at x times the speed of least power."""
    return (x**3 + 3.0 / x) / 4.0


def _speed_of(power: float) -> float:
    """The x >= 1 at which `_polar` is `power` >= 1."""
    low, high = 1.0, 2.0 + (4.0 * power) ** (1.0 / 3.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _polar(middle) < power else (low, middle)
    return low
