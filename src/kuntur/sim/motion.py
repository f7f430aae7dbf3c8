"""How a simulated aircraft moves: point masses with the limits that matter to a patrol.

A multirotor holds its track in any wind it can fly in, with limited acceleration and climb. A wing never stops: it
turns at limited bank, drifts with the wind, follows lines and circles by the vector fields of Nelson, Barber, McLain
and Beard (2007, IEEE Transactions on Robotics 23(3), 519-529), and climbs at limited rate. Speeds, climb and endurance
are those of `aircraft.performance` at the height flown: a plan and its flight speak about the same aircraft. No gusts.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from kuntur.aircraft import performance, wind
from kuntur.model.assets import Aircraft
from kuntur.model.place import Weather
from kuntur.units import STANDARD_GRAVITY_MPS2, wrap_pi

STEP_S = 0.25
ACCELERATION_MPS2 = 2.5  # ArduCopter's default WPNAV_ACCEL
WING_ACCELERATION_MPS2 = 1.0
COURSE_GAIN_HZ = 0.8  # how fast a wing turns onto the course wanted; our choice, stable at STEP_S
ARRIVED_M = 2.0  # ArduCopter's default WPNAV_RADIUS
REFRESH_S = 30.0  # how often limits are taken anew from the height flown

Point = tuple[float, float, float]


class Body:
    """Where the aircraft is, how it moves, and what is left in it. Local frame; heading clockwise from grid north."""

    def __init__(self, aircraft: Aircraft, weather: Weather, at: Point) -> None:
        self.aircraft = aircraft
        self.weather = weather
        self.x_m, self.y_m, self.alt_msl_m = at
        self.heading_rad = 0.0
        self.vx_mps = self.vy_mps = self.vz_mps = 0.0
        self.airspeed_mps = 0.0
        self.bank_rad = 0.0
        self.energy_left = 1.0  # share of the battery or tank
        self._refresh()
        self._full_s = self._full_endurance_s()

    @property
    def position(self) -> Point:
        return self.x_m, self.y_m, self.alt_msl_m

    @property
    def ground_speed_mps(self) -> float:
        return math.hypot(self.vx_mps, self.vy_mps)

    def stop(self, at: Point) -> None:
        """Stand at `at`."""
        self.x_m, self.y_m, self.alt_msl_m = at
        self.vx_mps = self.vy_mps = self.vz_mps = self.airspeed_mps = self.bank_rad = 0.0

    def _full_endurance_s(self) -> float:
        usable = self.budget.endurance_s or performance.loaded_budget(self.aircraft, 0.0, Weather()).endurance_s / 2.0
        return usable / (1.0 - performance.RESERVE)

    def _spend(self, dt_s: float) -> None:
        """Use energy for `dt_s` of flight at the present climb, and refresh the limits now and then."""
        climbed_m = max(self.vz_mps, 0.0) * dt_s
        used_s = dt_s + climbed_m * self.budget.climb_surcharge_s_per_m
        self.energy_left = max(self.energy_left - used_s / self._full_s, 0.0)
        self._refresh_in_s -= dt_s
        if self._refresh_in_s <= 0.0:
            self._refresh()
            self._full_s = self._full_endurance_s()

    def _refresh(self) -> None:
        """Limits and wind of the height flown."""
        self._refresh_in_s = REFRESH_S
        self.budget = performance.loaded_budget(self.aircraft, self.alt_msl_m, self.weather)
        here = wind.at(self.weather, self.alt_msl_m)
        self._wind_x, self._wind_y = float(here.east_mps), float(here.north_mps)

    def _vertical(self, wanted_mps: float) -> float:
        """Climb rate allowed: limited, and none above the ceiling."""
        highest = 0.0 if self.alt_msl_m >= self.budget.max_alt_msl_m else self.budget.climb_mps
        return min(max(wanted_mps, -self.budget.descent_mps), highest)


class Motion(Protocol):
    """What a pilot can ask of an aircraft; each call moves it by `dt_s`. True: there."""

    body: Body

    def launch(self, towards: Point) -> None: ...
    def climb_to(self, dt_s: float, target: Point) -> bool: ...
    def follow(self, dt_s: float, start: Point, end: Point, speed_mps: float, stop_there: bool) -> bool: ...
    def stay(self, dt_s: float, target: Point) -> bool: ...
    def land(self, dt_s: float, target: Point) -> bool: ...


class Multirotor:
    """Flies straight to where it is sent."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def launch(self, towards: Point) -> None:
        """Leave the ground."""

    def climb_to(self, dt_s: float, target: Point) -> bool:
        """Climb or sink on the spot to the target's altitude."""
        return self._move(dt_s, (self.body.x_m, self.body.y_m, target[2]), 0.0, stop_there=True)

    def follow(self, dt_s: float, start: Point, end: Point, speed_mps: float, stop_there: bool) -> bool:
        """Straight from where it is to `end` at `speed_mps` over ground."""
        return self._move(dt_s, end, speed_mps, stop_there)

    def stay(self, dt_s: float, target: Point) -> bool:
        """Hover at the target."""
        return self._move(dt_s, target, self.body.budget.airspeed_mps, stop_there=True)

    def land(self, dt_s: float, target: Point) -> bool:
        """Go over the target, then down to its altitude."""
        body = self.body
        if math.hypot(target[0] - body.x_m, target[1] - body.y_m) > ARRIVED_M:
            self._move(dt_s, (target[0], target[1], body.alt_msl_m), body.budget.airspeed_mps, stop_there=True)
            return False
        return self.climb_to(dt_s, target)

    def _move(self, dt_s: float, end: Point, speed_mps: float, stop_there: bool) -> bool:
        body = self.body
        dx, dy, dz = end[0] - body.x_m, end[1] - body.y_m, end[2] - body.alt_msl_m
        level = math.hypot(dx, dy)
        speed = min(speed_mps, self._fastest(dx, dy, level), body.ground_speed_mps + ACCELERATION_MPS2 * dt_s)
        if stop_there:
            speed = min(speed, math.sqrt(2.0 * ACCELERATION_MPS2 * level) + 0.1)
        if level > 0.1 and abs(dz) > 0.1:  # keep to the slope of the leg: slow down for a climb too steep
            speed = min(speed, max(level / abs(dz) * body.budget.climb_mps, 0.5))
        travel = min(speed * dt_s, level)
        if level > 0.1:
            body.heading_rad = math.atan2(dx, dy)
            body.vx_mps, body.vy_mps = dx / level * travel / dt_s, dy / level * travel / dt_s
            rate = dz * travel / level / dt_s
        else:
            body.vx_mps = body.vy_mps = 0.0
            rate = dz / dt_s
        body.vz_mps = body._vertical(rate)
        body.airspeed_mps = math.hypot(body.vx_mps - body._wind_x, body.vy_mps - body._wind_y)
        body.x_m += body.vx_mps * dt_s
        body.y_m += body.vy_mps * dt_s
        body.alt_msl_m += body.vz_mps * dt_s
        body._spend(dt_s)
        return level - travel <= ARRIVED_M and abs(end[2] - body.alt_msl_m) <= ARRIVED_M

    def _fastest(self, dx: float, dy: float, level: float) -> float:
        body = self.body
        if level < 1e-6:
            return 0.0
        along = (dx * body._wind_x + dy * body._wind_y) / level
        across = (dx * body._wind_y - dy * body._wind_x) / level
        return max(math.sqrt(max(body.budget.max_airspeed_mps**2 - across**2, 0.0)) + along, 0.5)


class Wing:
    """Always moves through the air; `heading_rad` is where its nose points."""

    def __init__(self, body: Body, *, waypoint_radius_m: float, loiter_radius_m: float, bank_rad: float) -> None:
        self.body = body
        self.waypoint_radius_m = waypoint_radius_m
        self.loiter_radius_m = loiter_radius_m
        self.bank_limit_rad = bank_rad

    def launch(self, towards: Point) -> None:
        """Off the catapult at cruise speed, nose towards the target (into the wind when there is none)."""
        body = self.body
        dx, dy = towards[0] - body.x_m, towards[1] - body.y_m
        body.heading_rad = math.atan2(dx, dy) if math.hypot(dx, dy) > 1.0 else math.atan2(-body._wind_x, -body._wind_y)
        body.airspeed_mps = body.budget.airspeed_mps

    def climb_to(self, dt_s: float, target: Point) -> bool:
        """Circle over the target until at its altitude."""
        self.stay(dt_s, target)
        return abs(self.body.alt_msl_m - target[2]) <= ARRIVED_M

    def follow(self, dt_s: float, start: Point, end: Point, speed_mps: float, stop_there: bool) -> bool:
        """Along the line from `start` to `end`, altitude in step with the way made, at airspeed `speed_mps`."""
        body = self.body
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy)
        if length < 1.0:
            self._fly(dt_s, math.atan2(end[0] - body.x_m, end[1] - body.y_m), 0.0, end[2], speed_mps)
            return math.hypot(end[0] - body.x_m, end[1] - body.y_m) <= self.waypoint_radius_m
        px, py = body.x_m - start[0], body.y_m - start[1]
        made = (px * dx + py * dy) / length
        right = (px * dy - py * dx) / length  # distance to the right of the line
        course = math.atan2(dx, dy) - math.atan(right / (1.5 * self._turn_radius()))
        share = min(max(made / length, 0.0), 1.0)
        self._fly(dt_s, course, 0.0, start[2] + share * (end[2] - start[2]), speed_mps)
        return made >= length or math.hypot(end[0] - body.x_m, end[1] - body.y_m) <= self.waypoint_radius_m

    def stay(self, dt_s: float, target: Point) -> bool:
        """Circle clockwise round the target. True once on the circle."""
        body = self.body
        radius = max(self.loiter_radius_m, 1.2 * self._turn_radius())
        ox, oy = body.x_m - target[0], body.y_m - target[1]
        distance = math.hypot(ox, oy)
        outward = math.atan2(ox, oy)
        course = outward + math.pi / 2.0 + math.atan(2.0 * (distance - radius) / radius)
        rate = body.ground_speed_mps / radius if distance < 1.5 * radius else 0.0
        self._fly(dt_s, course, rate, target[2], body.budget.airspeed_mps)
        return distance < 1.3 * radius

    def land(self, dt_s: float, target: Point) -> bool:
        """Circle down to the target's altitude."""
        self.stay(dt_s, (target[0], target[1], target[2] - 5.0))
        return self.body.alt_msl_m <= target[2] + 0.5

    def _turn_radius(self) -> float:
        return performance.turn_radius_m(self.body.airspeed_mps, self.bank_limit_rad)

    def _fly(self, dt_s: float, course_rad: float, rate_rps: float, alt_msl_m: float, speed_mps: float) -> None:
        """One step: turn towards the course over ground with at most the bank allowed, approach altitude and speed."""
        body = self.body
        wanted = min(max(speed_mps, body.budget.min_airspeed_mps), body.budget.max_airspeed_mps)
        change = WING_ACCELERATION_MPS2 * dt_s
        body.airspeed_mps += min(max(wanted - body.airspeed_mps, -change), change)
        flown = math.atan2(body.vx_mps, body.vy_mps) if body.ground_speed_mps > 1.0 else body.heading_rad
        fastest = STANDARD_GRAVITY_MPS2 * math.tan(self.bank_limit_rad) / max(body.airspeed_mps, 1.0)
        turn = min(max(rate_rps + COURSE_GAIN_HZ * wrap_pi(course_rad - flown), -fastest), fastest)
        body.bank_rad = math.atan(turn * body.airspeed_mps / STANDARD_GRAVITY_MPS2)
        body.heading_rad = wrap_pi(body.heading_rad + turn * dt_s)
        body.vx_mps = body.airspeed_mps * math.sin(body.heading_rad) + body._wind_x
        body.vy_mps = body.airspeed_mps * math.cos(body.heading_rad) + body._wind_y
        body.vz_mps = body._vertical((alt_msl_m - body.alt_msl_m) / max(dt_s, 1.0))
        body.x_m += body.vx_mps * dt_s
        body.y_m += body.vy_mps * dt_s
        body.alt_msl_m += body.vz_mps * dt_s
        body._spend(dt_s)


def crashed(heights_m: np.ndarray, west_m: float, north_m: float, cell_m: float, at: Point) -> bool:
    """Whether a point is below the terrain cell it is over; False outside the terrain and over voids."""
    row, col = int((north_m - at[1]) // cell_m), int((at[0] - west_m) // cell_m)
    if not (0 <= row < heights_m.shape[0] and 0 <= col < heights_m.shape[1]):
        return False
    return at[2] < float(heights_m[row, col])
