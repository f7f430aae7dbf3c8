"""How much a fixed wing uses: a parabolic drag polar and a propeller, fitted to the catalog's figures.

Everything is a *load*: power over the power at which the catalog's endurance holds.

* Level flight at a parabolic polar: drag = least drag * (y^2 + 1 / y^2) / 2, y the speed over that of best glide. That
  speed changes with mass and density as (mass / density)^0.5, the least drag with mass (Anderson 1999, Aircraft
  Performance and Design, 5.3-5.6). Power is drag times speed: the propeller's efficiency is taken as constant.
* The thrust there is: of a fixed-pitch propeller at full power it hardly changes with speed. With height a piston
  engine's falls as 1.132 sigma - 0.132 (Gagg and Ferrar 1934, SAE Journal 34), an electric motor's, whose speed its
  voltage limits, as sigma.
* So ceiling and top speed fix the polar: at the ceiling with catalog mass the thrust there is equals the least drag,
  at the published top speed at sea level the drag. Best glide is never below 1.2 times a published stall speed: a wing
  can fly at its ceiling.
* Where the maker does not say at which speed the endurance holds, it is the most economical one that can be flown:
  that of least power, but not below 1.2 times the stall speed; where that is unknown, the speed of best glide. Flying
  faster then costs what the polar says. A wing whose makers mean cruise lasts longer than planned.

Beside JSBSim's Cessna 172: tests/conformance/test_wing_jsbsim.py.
"""

from __future__ import annotations

import math

from msgspec import Struct

from kuntur.model.assets import Airframe

LEAST_OVER_GLIDE = 3.0**-0.25  # speed of least power over that of best glide (Anderson 1999, 5.4)
# Where to loiter: not slower, because a fixed-pitch propeller loses there what the polar gains. The engine power of
# JSBSim's Cessna 172 is 4 % above ours at this speed, 11 % at that of best glide, and least there.
LOITER_OVER_GLIDE = 1.1
STALL_MARGIN = 1.2  # slowest flying speed over stall speed: our choice, as V2 in CS 25.107


class Wing(Struct, frozen=True, kw_only=True):
    """The loads of one fixed wing. glide0_mps: its speed of best glide at sea level with catalog mass, and glide_load
    the load of it. thrust: at sea level, over the least drag. piston: or else electric."""

    glide0_mps: float
    glide_load: float
    thrust: float
    piston: bool

    def load(self, airspeed_mps: float, mass_factor: float, sigma: float) -> float:
        """In level flight; in a turn, mass_factor times the load factor stands for the mass."""
        y = airspeed_mps / self.range_mps(mass_factor, sigma)
        return self.glide_load * math.pow(mass_factor, 1.5) / math.sqrt(sigma) * y * _drag(y)

    def full_load(self, airspeed_mps: float, sigma: float) -> float:
        """With all the power there is."""
        return self.glide_load * airspeed_mps / self.glide0_mps * self.thrust * lapse(self.piston, sigma)

    def patrol_load(self, cruise_mps: float, mass_factor: float, sigma: float) -> float:
        """What a patrol is charged at the sea-level cruise speed cruise_mps, kept as indicated speed as far as there is
        thrust: the dearest at this density or any greater one, because it flies below its highest point too."""
        return max(
            self._cruise_load(cruise_mps, mass_factor, at) for at in self._densities(cruise_mps, mass_factor, sigma)
        )

    def _cruise_load(self, cruise_mps: float, mass_factor: float, sigma: float) -> float:
        wanted = cruise_mps * math.sqrt(mass_factor / sigma)
        return self.load(min(wanted, self.fastest_mps(mass_factor, sigma)), mass_factor, sigma)

    def _densities(self, cruise_mps: float, mass_factor: float, sigma: float) -> tuple[float, ...]:
        """Where the load can be greatest: it rises with thinner air until full power, and falls from there."""
        limit = self._sigma_of(mass_factor * _drag(cruise_mps / self.glide0_mps))
        return (sigma,) if limit <= sigma else (sigma, limit)

    def loiter_mps(self, mass_factor: float, sigma: float) -> float:
        """The most economical speed."""
        return LOITER_OVER_GLIDE * self.range_mps(mass_factor, sigma)

    def range_mps(self, mass_factor: float, sigma: float) -> float:
        """The speed of best glide: the longest way in still air."""
        return self.glide0_mps * math.sqrt(mass_factor / sigma)

    def fastest_mps(self, mass_factor: float, sigma: float) -> float:
        """The speed at which the drag takes all the thrust there is; that of best glide where even it takes more."""
        excess = max(self._excess(mass_factor, sigma), 1.0)
        return self.range_mps(mass_factor, sigma) * _speed_of(excess)

    def climb(self, mass_factor: float, sigma: float) -> tuple[float, float]:
        """Best climb rate over that at sea level with catalog mass (0 at and above the ceiling), and its airspeed."""
        rate, y = _best_climb(max(self._excess(mass_factor, sigma), 1.0))
        stretch = math.sqrt(mass_factor / sigma)
        return stretch * rate / _best_climb(self.thrust)[0], self.glide0_mps * stretch * y

    def ceiling_sigma(self, mass_factor: float) -> float:
        """Density ratio at the ceiling with this mass."""
        return self._sigma_of(mass_factor)

    def _excess(self, mass_factor: float, sigma: float) -> float:
        """Thrust there is over least drag."""
        return self.thrust * lapse(self.piston, sigma) / mass_factor

    def _sigma_of(self, drag: float) -> float:
        """Density ratio at which the thrust there is, is `drag` (in least drags with catalog mass)."""
        return (drag / self.thrust + 0.132) / 1.132 if self.piston else drag / self.thrust


def fit(airframe: Airframe, sigma_ceiling: float) -> Wing:
    """The loads that agree with the catalog. sigma_ceiling: density ratio at the published ceiling."""
    piston = airframe.propulsion == "combustion"
    thrust = 1.0 / lapse(piston, sigma_ceiling)
    glide_mps = max(airframe.max_speed_mps / _speed_of(thrust), STALL_MARGIN * (airframe.stall_mps or 0.0))
    held_mps = airframe.endurance_mps
    if held_mps is None and airframe.stall_mps is not None:
        held_mps = max(LEAST_OVER_GLIDE * glide_mps, STALL_MARGIN * airframe.stall_mps)
    elif held_mps is None:
        held_mps = min(glide_mps, airframe.cruise_mps)
    y = held_mps / glide_mps
    return Wing(glide0_mps=glide_mps, glide_load=1.0 / (y * _drag(y)), thrust=thrust, piston=piston)


def lapse(piston: bool, sigma: float) -> float:
    """Thrust there is over thrust there is at sea level."""
    return 1.132 * sigma - 0.132 if piston else sigma


def _drag(y: float) -> float:
    """Drag over least drag at y times the speed of best glide."""
    return 0.5 * (y * y + 1.0 / (y * y))


def _speed_of(drag: float) -> float:
    """The y >= 1 at which `_drag` is `drag` >= 1."""
    return math.sqrt(drag + math.sqrt(drag * drag - 1.0))


def _best_climb(thrust: float) -> tuple[float, float]:
    """Greatest (thrust - drag) * speed in units of best glide, and the y where it is: the root of its derivative."""
    y = math.sqrt((thrust + math.sqrt(thrust * thrust + 3.0)) / 3.0)
    return max((thrust - _drag(y)) * y, 0.0), y
