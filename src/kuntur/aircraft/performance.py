"""What an airframe can do in thin air: power, endurance, speed, climb, ceiling.

The catalog's figures hold at sea level in standard air, with `mass_kg` and no extra payload. From there:

* Multirotor: momentum theory, hover power = (m g)^1.5 / sqrt(2 rho A) / efficiency (Leishman 2006, Principles of
  Helicopter Aerodynamics, 2.2-2.8). The efficiency is fixed by the catalog's endurance and battery, so power scales as
  mass^1.5 * density^-0.5 and the disc area drops out of the endurance. Forward flight is charged as hover: at the
  speeds used it costs about the same or less, and the catalog's endurance is what both are fitted to.
* Fixed wing at constant lift to drag ratio: airspeed ~ sqrt(mass / density), power ~ mass^1.5 * density^-0.5
  (Anderson 1999, Aircraft Performance and Design, 5.6): endurance falls with the root of density, range stays.
* Combustion: the same power is needed, fuel follows power; the power there is falls as 1.132 sigma - 0.132
  (Gagg and Ferrar 1934, SAE Journal 34), which lowers the ceiling with payload.
* Ceiling: the published ceiling is where the power there is equals the power needed at catalog mass; extra mass or warm
  air lowers it. Never above the published figure itself.

Energy and time are rounded up, endurance down.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.aircraft import atmosphere
from kuntur.errors import ConfigError
from kuntur.model.assets import Aircraft, Airframe
from kuntur.model.place import Weather
from kuntur.units import STANDARD_GRAVITY_MPS2, WH_TO_J

FloatArray = NDArray[np.float64]

RESERVE = 0.25  # share of battery or fuel that no plan may touch: our choice
SERVICE_CEILING_CLIMB_MPS = (
    100 * 0.3048 / 60
)  # 100 ft/min, the definition of a service ceiling (FAA-H-8083-25C, ch. 11)
CLIMB_ASSUMED_MPS = 2.0  # where the catalog has no figure: our choice, below every multirotor and wing we list
WING_DESCENT_MPS = 2.0  # gliding at cruise speed needs about this; ArduPlane's TECS_SINK_MAX allows 5: our choice
CLIMB_EFFICIENCY = 0.5  # battery to height gained, where no better figure can be derived: our choice
STALL_MARGIN = 1.2  # slowest flying speed over stall speed: our choice, as V2 in CS 25.107
BANK_LIMIT_RAD = math.radians(45.0)  # ArduPlane's default ROLL_LIMIT_DEG
LEAST_GROUND_SPEED_MPS = 1.0  # a leg slower than this over ground is no plan: our choice


class Budget(Struct, frozen=True, kw_only=True):
    """What one airframe can do with one payload at one altitude in one weather.

    endurance_s: usable, after the reserve, rounded down; 0 when it cannot fly. Powers are None where the catalog has no
    battery figure (combustion). airspeed_mps: true, at cruise; min/max are the true airspeeds it can hold.
    climb_mps: best rate here; descent_mps: rate down, never less. climb_surcharge: extra endurance used per metre
    climbed, in seconds.
    """

    hover_power_w: float | None
    cruise_power_w: float | None
    endurance_s: float
    airspeed_mps: float
    min_airspeed_mps: float
    max_airspeed_mps: float
    climb_mps: float
    descent_mps: float
    climb_surcharge_s_per_m: float
    max_alt_msl_m: float
    density_altitude_m: float
    can_fly: bool
    why: str
    """Empty when it can fly; else what forbids it."""


class LegCost(Struct, frozen=True, kw_only=True):
    """What a leg costs; arrays of the legs' shape. energy_wh is None where the catalog has no battery figure.

    A leg that cannot be flown against the wind costs infinity.
    """

    time_s: FloatArray
    energy_wh: FloatArray | None
    endurance_s: FloatArray


def _lapse(airframe: Airframe, sigma: float) -> float:
    """Power there is over power there is at sea level."""
    return 1.132 * sigma - 0.132 if airframe.propulsion == "combustion" else 1.0


def _power_margin(airframe: Airframe, sigma: float) -> float:
    """Power there is over power needed at catalog mass, up to a constant: sqrt(sigma) * lapse, rising with sigma."""
    return math.sqrt(sigma) * _lapse(airframe, sigma)


def _least_sigma(airframe: Airframe, mass_factor: float) -> float:
    """Density ratio at which power there is equals power needed with mass_factor = (mass / catalog mass)^1.5."""
    sigma_ceiling = float(atmosphere.density_ratio(airframe.ceiling_msl_m, Weather()))
    if not math.isfinite(sigma_ceiling) or _lapse(airframe, sigma_ceiling) <= 0:
        raise ConfigError(
            f"Airframe {airframe.id}: ceiling_msl_m {airframe.ceiling_msl_m:.0f} m is beyond the model of the air.",
            remedy="Give the published ceiling in metres above sea level (below 11,000 m).",
        )
    wanted = mass_factor * _power_margin(airframe, sigma_ceiling)
    low, high = 0.2, 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _power_margin(airframe, middle) < wanted else (low, middle)
    return high


def _altitude_of(density_altitude_m: float, weather: Weather) -> float:
    """Altitude above sea level at which this weather has that density altitude (bisection; monotone)."""
    low, high = atmosphere.LOWEST_M, atmosphere.TROPOPAUSE_M
    for _ in range(50):
        middle = 0.5 * (low + high)
        if float(atmosphere.density_altitude_m(middle, weather)) < density_altitude_m:
            low = middle
        else:
            high = middle
    return low


def power_w(airframe: Airframe, payload_kg: float, sigma: float) -> float | None:
    """Electrical power to stay up at this density ratio; None without a battery figure.

    Raises ConfigError when battery, endurance, mass and disc area contradict momentum theory (efficiency above 1).
    """
    if airframe.battery_wh is None:
        return None
    at_sea_level = airframe.battery_wh * WH_TO_J / airframe.endurance_s
    if airframe.kind == "multirotor" and airframe.rotor_disc_area_m2 is not None:
        weight_n = airframe.mass_kg * STANDARD_GRAVITY_MPS2
        ideal = weight_n**1.5 / math.sqrt(2.0 * atmosphere.DENSITY_0_KGPM3 * airframe.rotor_disc_area_m2)
        if ideal > at_sea_level:
            raise ConfigError(
                f"Airframe {airframe.id}: {airframe.battery_wh:.0f} Wh over {airframe.endurance_s:.0f} s is "
                f"{at_sea_level:.0f} W, less than the {ideal:.0f} W that an ideal rotor of "
                f"{airframe.rotor_disc_area_m2:.2f} m2 needs to hover.",
                remedy="Check mass_kg, battery_wh, endurance_s and rotor_disc_area_m2 in the catalog.",
            )
    return at_sea_level * _mass_factor(airframe, payload_kg) / math.sqrt(sigma)


def _mass_factor(airframe: Airframe, payload_kg: float) -> float:
    return math.pow((airframe.mass_kg + payload_kg) / airframe.mass_kg, 1.5)


def budget(airframe: Airframe, payload_kg: float, alt_msl_m: float, weather: Weather) -> Budget:
    """The budget of `airframe` with `payload_kg` beyond its catalog mass, at `alt_msl_m` in `weather`."""
    factor = _mass_factor(airframe, payload_kg)
    highest_density_alt_m = float(atmosphere.altitude_of_density_ratio_m(_least_sigma(airframe, factor)))
    highest_density_alt_m = min(highest_density_alt_m, airframe.ceiling_msl_m)
    max_alt_msl_m = min(airframe.ceiling_msl_m, _altitude_of(highest_density_alt_m, weather))
    sigma = float(atmosphere.density_ratio(alt_msl_m, weather))
    if not math.isfinite(sigma):
        raise ConfigError(f"{alt_msl_m:.0f} m lies outside the standard troposphere (-5,000 to 11,000 m).")
    density_alt_m = float(atmosphere.density_altitude_m(alt_msl_m, weather))
    airspeed, slowest, fastest = _airspeeds(airframe, factor, sigma)
    why = _why_not(airframe, payload_kg, alt_msl_m, weather, max_alt_msl_m, density_alt_m, airspeed, slowest, fastest)
    power = power_w(airframe, payload_kg, sigma)
    endurance_s = math.floor(airframe.endurance_s * (1.0 - RESERVE) * math.sqrt(sigma) / factor)
    climb_mps = _climb_mps(airframe, density_alt_m, highest_density_alt_m)
    return Budget(
        hover_power_w=power if airframe.kind == "multirotor" else None,
        cruise_power_w=power,
        endurance_s=0.0 if why else float(endurance_s),
        airspeed_mps=airspeed,
        min_airspeed_mps=slowest,
        max_airspeed_mps=fastest,
        climb_mps=climb_mps,
        descent_mps=max(climb_mps, WING_DESCENT_MPS) if airframe.kind == "fixed_wing" else climb_mps,
        climb_surcharge_s_per_m=_climb_surcharge(airframe, payload_kg, sigma, climb_mps, power),
        max_alt_msl_m=max_alt_msl_m,
        density_altitude_m=density_alt_m,
        can_fly=not why,
        why=why,
    )


def loaded_budget(aircraft: Aircraft, alt_msl_m: float, weather: Weather) -> Budget:
    """The budget of an aircraft of the fleet: its airframe with its camera as payload (none where the mass is unknown,
    as for cameras that are part of the airframe)."""
    return budget(aircraft.airframe, aircraft.camera.mass_kg or 0.0, alt_msl_m, weather)


def _airspeeds(airframe: Airframe, mass_factor: float, sigma: float) -> tuple[float, float, float]:
    """True airspeeds at cruise, slowest, fastest. A wing keeps its indicated speed; a multirotor its true one.

    The published top speed is taken as a true airspeed that no altitude raises (power falls as speed would rise).
    """
    if airframe.kind == "multirotor":
        return airframe.cruise_mps, 0.0, airframe.max_speed_mps
    stretch = mass_factor ** (1.0 / 3.0) / math.sqrt(sigma)
    cruise = min(airframe.cruise_mps * stretch, airframe.max_speed_mps)
    slowest = cruise if airframe.stall_mps is None else STALL_MARGIN * airframe.stall_mps * stretch
    return cruise, slowest, max(cruise, airframe.max_speed_mps)


def _why_not(
    airframe: Airframe,
    payload_kg: float,
    alt_msl_m: float,
    weather: Weather,
    max_alt_msl_m: float,
    density_alt_m: float,
    airspeed_mps: float,
    slowest_mps: float,
    fastest_mps: float,
) -> str:
    if airframe.max_payload_kg is not None and payload_kg > airframe.max_payload_kg:
        return f"payload {payload_kg:.2f} kg is above the {airframe.max_payload_kg:.2f} kg it carries"
    if alt_msl_m > airframe.ceiling_msl_m:
        return f"{alt_msl_m:.0f} m is above its ceiling of {airframe.ceiling_msl_m:.0f} m"
    if alt_msl_m > max_alt_msl_m:
        return (
            f"density altitude {density_alt_m:.0f} m at {alt_msl_m:.0f} m is beyond what it can fly in with "
            f"{payload_kg:.2f} kg payload (at most {max_alt_msl_m:.0f} m in this weather)"
        )
    if airframe.max_wind_mps is not None and weather.wind_speed_mps > airframe.max_wind_mps:
        return f"wind {weather.wind_speed_mps:.1f} m/s is above its limit of {airframe.max_wind_mps:.1f} m/s"
    if weather.wind_speed_mps + LEAST_GROUND_SPEED_MPS > airspeed_mps:
        return f"wind {weather.wind_speed_mps:.1f} m/s leaves no speed over ground at {airspeed_mps:.1f} m/s airspeed"
    if airspeed_mps < slowest_mps:
        return (
            f"top speed {fastest_mps:.1f} m/s is below {STALL_MARGIN} times the stall speed in this air "
            f"({slowest_mps:.1f} m/s)"
        )
    return ""


def _climb_mps(airframe: Airframe, density_alt_m: float, highest_density_alt_m: float) -> float:
    """Best climb rate. A wing's falls linearly with density altitude to 100 ft/min at its ceiling (Anderson 1999,
    5.10); a multirotor's is set by its flight controller and kept."""
    best = CLIMB_ASSUMED_MPS if airframe.max_climb_mps is None else airframe.max_climb_mps
    if airframe.kind == "multirotor":
        return best
    share = min(max(density_alt_m / max(highest_density_alt_m, 1.0), 0.0), 1.0)
    return max(best + (SERVICE_CEILING_CLIMB_MPS - best) * share, SERVICE_CEILING_CLIMB_MPS)


def _climb_surcharge(
    airframe: Airframe, payload_kg: float, sigma: float, climb_mps: float, power: float | None
) -> float:
    """Seconds of level flight that a metre of climb costs on top of the time it takes."""
    if power is None:  # full power over level power while climbing, as at the ceiling both are equal
        sigma_least = _least_sigma(airframe, _mass_factor(airframe, payload_kg))
        ratio = _power_margin(airframe, sigma) / _power_margin(airframe, sigma_least)
        return max(ratio - 1.0, 0.0) / climb_mps
    weight_n = (airframe.mass_kg + payload_kg) * STANDARD_GRAVITY_MPS2
    return weight_n / CLIMB_EFFICIENCY / power


def consumption(budget: Budget, time_s: ArrayLike, dz_m: ArrayLike) -> tuple[FloatArray | None, FloatArray]:
    """Energy in Wh (None without a battery figure; rounded up to 0.01 Wh) and endurance in s used by flying `time_s`
    while changing height by `dz_m`. Descending gives nothing back. Compare the second with `Budget.endurance_s`."""
    climb_m = np.maximum(np.asarray(dz_m, float), 0.0)
    endurance_s = _round_up(np.asarray(time_s, float) + climb_m * budget.climb_surcharge_s_per_m)
    energy_wh = None if budget.cruise_power_w is None else _round_up(endurance_s * budget.cruise_power_w / WH_TO_J)
    return energy_wh, endurance_s


def leg(
    airframe: Airframe, budget: Budget, dx_m: ArrayLike, dy_m: ArrayLike, dz_m: ArrayLike, weather: Weather
) -> LegCost:
    """Time and energy of straight legs at cruise airspeed with wind triangle and climb; arrays broadcast together.

    dx east, dy north, dz up. The wind's direction is from true north; the frame's north differs by under 0.5 degrees.
    """
    dx, dy, dz = np.broadcast_arrays(np.asarray(dx_m, float), np.asarray(dy_m, float), np.asarray(dz_m, float))
    time_s = leg_time_s(budget.airspeed_mps, budget.climb_mps, dx, dy, dz, weather)
    energy_wh, endurance_s = consumption(budget, time_s, dz)
    return LegCost(time_s=time_s, energy_wh=energy_wh, endurance_s=endurance_s)


def leg_time_s(
    airspeed_mps: float, climb_mps: float, dx_m: ArrayLike, dy_m: ArrayLike, dz_m: ArrayLike, weather: Weather
) -> FloatArray:
    """Least time of straight legs, rounded up to 0.01 s; infinity where the wind forbids the leg."""
    dx, dy, dz = np.broadcast_arrays(np.asarray(dx_m, float), np.asarray(dy_m, float), np.asarray(dz_m, float))
    ground = np.hypot(dx, dy)
    along, across = wind_along_across(dx, dy, weather)
    headroom = airspeed_mps**2 - across**2
    speed = np.sqrt(np.maximum(headroom, 0.0)) + along
    flyable = (headroom > 0) & (speed >= LEAST_GROUND_SPEED_MPS)
    level_s = np.where(flyable, ground / np.where(flyable, speed, 1.0), np.inf)
    level_s = np.where(ground == 0.0, 0.0, level_s)
    return _round_up(np.maximum(level_s, np.abs(dz) / climb_mps))


def wind_along_across(dx_m: FloatArray, dy_m: FloatArray, weather: Weather) -> tuple[FloatArray, FloatArray]:
    """Components of the wind along (tail wind positive) and across (towards the right positive) the legs' direction."""
    length = np.maximum(np.hypot(dx_m, dy_m), 1e-9)
    ux, uy = dx_m / length, dy_m / length
    east = -weather.wind_speed_mps * math.sin(weather.wind_from_rad)
    north = -weather.wind_speed_mps * math.cos(weather.wind_from_rad)
    return ux * east + uy * north, uy * east - ux * north


def turn_radius_m(airspeed_mps: float, bank_rad: float = BANK_LIMIT_RAD) -> float:
    """Radius of a level coordinated turn in still air (Anderson 1999, 6.2)."""
    return airspeed_mps**2 / (STANDARD_GRAVITY_MPS2 * math.tan(bank_rad))


def _round_up(value: FloatArray) -> FloatArray:
    """Up to the next 0.01."""
    return np.ceil(np.asarray(value, float) * 100.0 - 1e-6) / 100.0
