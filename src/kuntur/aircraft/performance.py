"""What an airframe can do in the air it is in: endurance, speeds, climb, ceiling, and what a leg costs.

The catalog's figures hold at sea level in standard air, with `mass_kg` and no extra payload. From there `rotor` and
`wing` say what flight takes and what power there is, as loads: multiples of the power at which the catalog's endurance
holds. A budget turns loads into what a plan needs:

* Endurance is charged at the dearer of cruise and, for a multirotor, hover: a patrol does either. Thinner air never
  gives more of it, though it may slow an aircraft down.
* Ceiling: the published ceiling is where the power there is equals the least power needed at catalog mass; extra mass
  or thin air lowers it. Never above the published figure itself.
* Climb: the published (or assumed) best rate at sea level and 100 ft/min where no power is left, and between them in
  proportion to what the power left over gives (Anderson 1999, Aircraft Performance and Design, 5.10).

Energy and time are rounded up, endurance down.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.aircraft import atmosphere, rotor, wing
from kuntur.aircraft import wind as wind_at
from kuntur.errors import ConfigError
from kuntur.model.assets import Aircraft, Airframe
from kuntur.model.place import Weather
from kuntur.units import STANDARD_GRAVITY_MPS2, WH_TO_J

FloatArray = NDArray[np.float64]
Loads = rotor.Rotor | wing.Wing

RESERVE = 0.25  # share of battery or fuel that no plan may touch: our choice
SERVICE_CEILING_CLIMB_MPS = (
    100 * 0.3048 / 60
)  # 100 ft/min, the definition of a service ceiling (FAA-H-8083-25C, ch. 11)
CLIMB_ASSUMED_MPS = 2.0  # where the catalog has no figure: our choice, below every multirotor and wing we list
WING_DESCENT_MPS = 2.0  # gliding at cruise speed needs about this; ArduPlane's TECS_SINK_MAX allows 5: our choice
CLIMB_EFFICIENCY = 0.5  # battery to height gained, where no better figure can be derived: our choice
BANK_LIMIT_RAD = math.radians(45.0)  # ArduPlane's default ROLL_LIMIT_DEG
CIRCLE_OVER_TURN = 1.2  # radius of a waiting circle over the tightest turn: our choice, room to steer
LEAST_GROUND_SPEED_MPS = 1.0  # a leg slower than this over ground is no plan: our choice


class Budget(Struct, frozen=True, kw_only=True):
    """What one airframe can do with one payload at one altitude in one weather.

    endurance_s: usable, after the reserve, rounded down; 0 when it cannot fly. Powers are None where the catalog has no
    battery figure (combustion). airspeed_mps: true, at cruise; min/max are the true airspeeds it can hold.
    climb_mps: best rate here; descent_mps: rate down, never less. climb_surcharge: extra endurance used per metre
    climbed, in seconds. loiter_mps: the most economical airspeed it can hold, loiter_endurance_s the endurance at it;
    range_mps: that of the longest way in still air. circling: endurance used per second of waiting in a circle (1 for a
    multirotor, which stands). climb_airspeed_mps: at which it climbs at climb_mps; a wing's is that of least power.
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
    loiter_mps: float
    loiter_endurance_s: float
    range_mps: float
    circling: float
    climb_airspeed_mps: float

    @property
    def climb_rad(self) -> float:
        """Steepest climb in still air."""
        return math.asin(min(self.climb_mps / max(self.climb_airspeed_mps, 1e-9), 1.0))


class LegCost(Struct, frozen=True, kw_only=True):
    """What a leg costs; arrays of the legs' shape. energy_wh is None where the catalog has no battery figure.

    A leg that cannot be flown against the wind costs infinity.
    """

    time_s: FloatArray
    energy_wh: FloatArray | None
    endurance_s: FloatArray


@lru_cache(maxsize=256)
def loads(airframe: Airframe) -> Loads:
    """What flight takes and what power there is, fitted to the catalog's figures."""
    sigma_ceiling = float(atmosphere.density_ratio(airframe.ceiling_msl_m, Weather()))
    beyond = not math.isfinite(sigma_ceiling) or sigma_ceiling >= 1.0
    if beyond or wing.lapse(airframe.propulsion == "combustion", sigma_ceiling) <= 0:
        raise ConfigError(
            f"Airframe {airframe.id}: ceiling_msl_m {airframe.ceiling_msl_m:.0f} m is beyond the model of the air.",
            remedy="Give the published ceiling in metres above sea level (above 0, below 11,000 m).",
        )
    if airframe.kind == "multirotor":
        return rotor.fit(airframe, sigma_ceiling)
    return wing.fit(airframe, sigma_ceiling)


def _least_load(power: Loads, mass_factor: float, sigma: float) -> float:
    """Of staying up: hover, or the most economical speed of a wing."""
    return power.load(
        0.0 if isinstance(power, rotor.Rotor) else power.loiter_mps(mass_factor, sigma), mass_factor, sigma
    )


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


def power_w(airframe: Airframe, payload_kg: float, sigma: float, airspeed_mps: float | None = None) -> float | None:
    """Electrical power of level flight at this true airspeed, at this density ratio; None without a battery figure.

    airspeed_mps None: hover for a multirotor, the most economical speed for a wing. Raises ConfigError when battery,
    endurance, mass and disc area contradict momentum theory (efficiency above 1).
    """
    if airframe.battery_wh is None:
        return None
    power, factor = loads(airframe), _mass_factor(airframe, payload_kg)
    unit_w = airframe.battery_wh * WH_TO_J / airframe.endurance_s
    if airframe.kind == "multirotor" and airframe.rotor_disc_area_m2 is not None:
        hover_w = unit_w * power.load(0.0, 1.0, 1.0)
        weight_n = airframe.mass_kg * STANDARD_GRAVITY_MPS2
        ideal_w = weight_n**1.5 / math.sqrt(2.0 * atmosphere.DENSITY_0_KGPM3 * airframe.rotor_disc_area_m2)
        if ideal_w > hover_w:
            raise ConfigError(
                f"Airframe {airframe.id}: {airframe.battery_wh:.0f} Wh over {airframe.endurance_s:.0f} s is "
                f"{hover_w:.0f} W in hover, less than the {ideal_w:.0f} W that an ideal rotor of "
                f"{airframe.rotor_disc_area_m2:.2f} m2 needs.",
                remedy="Check mass_kg, battery_wh, endurance_s and rotor_disc_area_m2 in the catalog.",
            )
    if airspeed_mps is None:
        return unit_w * _least_load(power, factor, sigma)
    return unit_w * power.load(airspeed_mps, factor, sigma)


def _mass_factor(airframe: Airframe, payload_kg: float) -> float:
    return (airframe.mass_kg + payload_kg) / airframe.mass_kg


@lru_cache(maxsize=4096)
def budget(airframe: Airframe, payload_kg: float, alt_msl_m: float, weather: Weather) -> Budget:
    """The budget of `airframe` with `payload_kg` beyond its catalog mass, at `alt_msl_m` in `weather`."""
    power, factor = loads(airframe), _mass_factor(airframe, payload_kg)
    highest_density_alt_m = float(atmosphere.altitude_of_density_ratio_m(power.ceiling_sigma(factor)))
    highest_density_alt_m = min(highest_density_alt_m, airframe.ceiling_msl_m)
    max_alt_msl_m = min(airframe.ceiling_msl_m, _altitude_of(highest_density_alt_m, weather))
    sigma = float(atmosphere.density_ratio(alt_msl_m, weather))
    if not math.isfinite(sigma):
        raise ConfigError(f"{alt_msl_m:.0f} m lies outside the standard troposphere (-5,000 to 11,000 m).")
    density_alt_m = float(atmosphere.density_altitude_m(alt_msl_m, weather))
    airspeed, slowest, fastest = _airspeeds(airframe, power, factor, sigma)
    why = _why_not(airframe, payload_kg, alt_msl_m, weather, max_alt_msl_m, density_alt_m, airspeed, slowest, fastest)
    dearest = power.patrol_load(airframe.cruise_mps, factor, sigma)
    loiter = min(max(power.loiter_mps(factor, sigma), slowest), fastest)
    no_slower = airframe.kind == "fixed_wing" and loiter >= airspeed
    loiter_load = dearest if no_slower else min(power.load(loiter, factor, sigma), dearest)
    usable_s = airframe.endurance_s * (1.0 - RESERVE)
    climb_mps, climb_airspeed = _climb(airframe, power, factor, sigma)
    climb_airspeed = min(climb_airspeed, airspeed)
    unit_w = None if airframe.battery_wh is None else airframe.battery_wh * WH_TO_J / airframe.endurance_s
    cruise_w = None if unit_w is None else unit_w * dearest
    return Budget(
        hover_power_w=power_w(airframe, payload_kg, sigma) if airframe.kind == "multirotor" else None,
        cruise_power_w=cruise_w,
        endurance_s=0.0 if why else float(math.floor(usable_s / dearest)),
        airspeed_mps=airspeed,
        min_airspeed_mps=slowest,
        max_airspeed_mps=fastest,
        climb_mps=climb_mps,
        descent_mps=_descent_mps(airframe, climb_mps),
        climb_surcharge_s_per_m=_climb_surcharge(
            airframe, payload_kg, power.full_load(climb_airspeed, sigma) / dearest, climb_mps, cruise_w
        ),
        max_alt_msl_m=max_alt_msl_m,
        density_altitude_m=density_alt_m,
        can_fly=not why,
        why=why,
        loiter_mps=loiter,
        loiter_endurance_s=0.0 if why else float(math.floor(usable_s / loiter_load)),
        range_mps=min(max(power.range_mps(factor, sigma), slowest), fastest),
        circling=_circling(airframe, power, factor, sigma, airspeed),
        climb_airspeed_mps=climb_airspeed,
    )


def loaded_budget(aircraft: Aircraft, alt_msl_m: float, weather: Weather) -> Budget:
    """The budget of an aircraft of the fleet: its airframe with its camera as payload (none where the mass is unknown,
    as for cameras that are part of the airframe)."""
    return budget(aircraft.airframe, aircraft.camera.mass_kg or 0.0, alt_msl_m, weather)


def _airspeeds(airframe: Airframe, power: Loads, mass_factor: float, sigma: float) -> tuple[float, float, float]:
    """True airspeeds at cruise, slowest, fastest. A wing keeps its indicated cruise, a multirotor its true one, both as
    far as there is power; nobody flies faster than the published top speed."""
    fastest = min(power.fastest_mps(mass_factor, sigma), airframe.max_speed_mps)
    if airframe.kind == "multirotor":
        return min(airframe.cruise_mps, fastest), 0.0, fastest
    stretch = math.sqrt(mass_factor / sigma)
    cruise = min(airframe.cruise_mps * stretch, fastest)
    slowest = cruise if airframe.stall_mps is None else wing.STALL_MARGIN * airframe.stall_mps * stretch
    return cruise, slowest, max(cruise, fastest)


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
    if alt_msl_m > max_alt_msl_m + 0.01:
        return (
            f"density altitude {density_alt_m:.0f} m at {alt_msl_m:.0f} m is beyond what it can fly in with "
            f"{payload_kg:.2f} kg payload (at most {max_alt_msl_m:.0f} m in this weather)"
        )
    wind_mps = float(wind_at.at(weather, alt_msl_m).strongest_mps)
    if airframe.max_wind_mps is not None and wind_mps > airframe.max_wind_mps:
        return f"wind {wind_mps:.1f} m/s is above its limit of {airframe.max_wind_mps:.1f} m/s"
    if wind_mps + LEAST_GROUND_SPEED_MPS > airspeed_mps:
        return f"wind {wind_mps:.1f} m/s leaves no speed over ground at {airspeed_mps:.1f} m/s airspeed"
    if airspeed_mps < slowest_mps:
        return (
            f"top speed {fastest_mps:.1f} m/s is below {wing.STALL_MARGIN} times the stall speed in this air "
            f"({slowest_mps:.1f} m/s)"
        )
    return ""


def _climb(airframe: Airframe, power: Loads, mass_factor: float, sigma: float) -> tuple[float, float]:
    """Best climb rate, from the published (or assumed) one at sea level to 100 ft/min at the ceiling; its airspeed."""
    best = CLIMB_ASSUMED_MPS if airframe.max_climb_mps is None else airframe.max_climb_mps
    least = min(best, SERVICE_CEILING_CLIMB_MPS)
    share, airspeed_mps = power.climb(mass_factor, sigma)
    return least + (best - least) * min(share, 1.0), airspeed_mps


def _descent_mps(airframe: Airframe, climb_mps: float) -> float:
    """A wing's is that of a glide; a multirotor sinks as fast as it climbs where there is power to spare."""
    if airframe.kind == "fixed_wing":
        return max(climb_mps, WING_DESCENT_MPS)
    return CLIMB_ASSUMED_MPS if airframe.max_climb_mps is None else airframe.max_climb_mps


def _climb_surcharge(
    airframe: Airframe, payload_kg: float, full_over_cruise: float, climb_mps: float, cruise_w: float | None
) -> float:
    """Seconds of level flight that a metre of climb costs on top of the time it takes."""
    if cruise_w is None:  # full power while climbing
        return max(full_over_cruise - 1.0, 0.0) / climb_mps
    weight_n = (airframe.mass_kg + payload_kg) * STANDARD_GRAVITY_MPS2
    return weight_n / CLIMB_EFFICIENCY / cruise_w


def _circling(airframe: Airframe, power: Loads, mass_factor: float, sigma: float, airspeed_mps: float) -> float:
    """Load of a waiting circle at cruise over that of level flight: lift is weight over cos(bank), which costs as much
    mass would. Never more than full power: what cannot hold its speed in the turn slows down."""
    if airframe.kind == "multirotor":
        return 1.0
    bank_rad = math.atan(math.tan(BANK_LIMIT_RAD) / CIRCLE_OVER_TURN)
    turning = power.load(airspeed_mps, mass_factor / math.cos(bank_rad), sigma)
    level = power.load(airspeed_mps, mass_factor, sigma)
    return max(min(turning, power.full_load(airspeed_mps, sigma)) / level, 1.0)


def consumption(budget: Budget, time_s: ArrayLike, dz_m: ArrayLike) -> tuple[FloatArray | None, FloatArray]:
    """Energy in Wh (None without a battery figure; rounded up to 0.01 Wh) and endurance in s used by flying `time_s`
    while changing height by `dz_m`. Descending gives nothing back. Compare the second with `Budget.endurance_s`."""
    climb_m = np.maximum(np.asarray(dz_m, float), 0.0)
    endurance_s = _round_up(np.asarray(time_s, float) + climb_m * budget.climb_surcharge_s_per_m)
    energy_wh = None if budget.cruise_power_w is None else _round_up(endurance_s * budget.cruise_power_w / WH_TO_J)
    return energy_wh, endurance_s


def leg(
    airframe: Airframe,
    budget: Budget,
    dx_m: ArrayLike,
    dy_m: ArrayLike,
    dz_m: ArrayLike,
    weather: Weather,
    alt_msl_m: ArrayLike | None = None,
) -> LegCost:
    """Time and energy of straight legs at cruise airspeed with wind triangle and climb; arrays broadcast together.

    dx east, dy north, dz up. alt_msl_m: where each leg begins; None: anywhere, so in the worst wind of all levels.
    """
    dx, dy, dz = np.broadcast_arrays(np.asarray(dx_m, float), np.asarray(dy_m, float), np.asarray(dz_m, float))
    time_s = leg_time_s(
        budget.airspeed_mps, budget.climb_mps, dx, dy, dz, weather, alt_msl_m, budget.climb_airspeed_mps
    )
    energy_wh, endurance_s = consumption(budget, time_s, dz)
    return LegCost(time_s=time_s, energy_wh=energy_wh, endurance_s=endurance_s)


def leg_time_s(
    airspeed_mps: ArrayLike,
    climb_mps: ArrayLike,
    dx_m: ArrayLike,
    dy_m: ArrayLike,
    dz_m: ArrayLike,
    weather: Weather,
    alt_msl_m: ArrayLike | None = None,
    climb_airspeed_mps: ArrayLike | None = None,
) -> FloatArray:
    """Least time of straight legs, rounded up to 0.01 s; infinity where the wind forbids the leg.

    Speeds are one for all legs or one for each. climb_mps: the rate up, and down where a leg descends. alt_msl_m: where
    each leg begins; None: anywhere, so in the worst wind of all levels. The speed over ground is a concave function of
    the wind, and the wind is linear between levels: the worst of a leg is that of its two ends or of a level between
    them. climb_airspeed_mps: slower than cruise while it climbs (`Budget.climb_airspeed_mps`);
    None: it climbs at airspeed_mps.
    """
    dx, dy, dz = np.broadcast_arrays(np.asarray(dx_m, float), np.asarray(dy_m, float), np.asarray(dz_m, float))
    ground = np.hypot(dx, dy)
    winds = [wind_at.at(weather, alt) for alt in _altitudes_flown(dz, weather, alt_msl_m)]

    def over_ground(airspeed: ArrayLike) -> FloatArray:
        worst = np.min([wind_at.least_ground_speed_mps(airspeed, dx, dy, wind) for wind in winds], axis=0)
        return np.asarray(worst, float)

    speed = over_ground(airspeed_mps)
    flyable = speed >= LEAST_GROUND_SPEED_MPS
    speed = np.where(flyable, speed, 1.0)
    level_s = np.where(flyable, ground / speed, np.inf)
    vertical_s = np.abs(dz) / np.asarray(climb_mps, float)
    if climb_airspeed_mps is not None:  # what it falls behind while it climbs
        behind = np.maximum(1.0 - over_ground(climb_airspeed_mps) / speed, 0.0)
        level_s = level_s + np.where(dz > 0.0, behind * vertical_s, 0.0)
    level_s = np.where(ground == 0.0, 0.0, level_s)
    return _round_up(np.maximum(level_s, vertical_s))


def _altitudes_flown(dz_m: FloatArray, weather: Weather, alt_msl_m: ArrayLike | None) -> list[FloatArray]:
    """Altitudes, each of the legs' shape, at one of which every leg has its worst wind."""
    levels = wind_at.levels_m(weather)
    if len(levels) == 0:
        return [np.zeros(dz_m.shape)]
    if alt_msl_m is None:
        return [np.full(dz_m.shape, level) for level in levels]
    start = np.broadcast_to(np.asarray(alt_msl_m, float), dz_m.shape)
    end = start + dz_m
    low, high = np.minimum(start, end), np.maximum(start, end)
    return [start, end, *(np.clip(level, low, high) for level in levels)]


def turn_radius_m(airspeed_mps: float, bank_rad: float = BANK_LIMIT_RAD) -> float:
    """Radius of a level coordinated turn in still air (Anderson 1999, 6.2)."""
    return airspeed_mps**2 / (STANDARD_GRAVITY_MPS2 * math.tan(bank_rad))


def _round_up(value: FloatArray) -> FloatArray:
    """Up to the next 0.01."""
    return np.ceil(np.asarray(value, float) * 100.0 - 1e-6) / 100.0
