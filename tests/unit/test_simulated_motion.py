"""The simulated aircraft obey their limits: bank, climb, wind, and the endurance the planner counts with."""

from __future__ import annotations

import math

import flights
import msgspec
import numpy as np
import places
import pytest

from kuntur.aircraft import performance
from kuntur.model.place import Weather
from kuntur.sim.motion import STEP_S, Body, Multirotor, Wing

AREA = places.ridge_area()
WING, QUAD = AREA.fleet.aircraft[0], AREA.fleet.aircraft[1]
BANK = math.radians(45.0)


def _wing(weather: Weather = AREA.weather) -> Wing:
    wing = Wing(Body(WING, weather, (0.0, 0.0, 4500.0)), waypoint_radius_m=90.0, loiter_radius_m=80.0, bank_rad=BANK)
    wing.launch((5000.0, 0.0, 4500.0))
    return wing


def test_a_wing_never_turns_tighter_than_its_bank_allows_nor_flies_slower_than_it_can() -> None:
    wing = _wing()
    body = wing.body
    targets = [(3000.0, 0.0, 4600.0), (3000.0, 500.0, 4600.0), (0.0, 400.0, 4500.0), (200.0, -3000.0, 4520.0)]
    start, headings, speeds = body.position, [], []
    for target in targets:
        for _ in range(4000):
            before = body.heading_rad
            there = wing.follow(STEP_S, start, target, 20.0, False)
            turned = abs(math.remainder(body.heading_rad - before, math.tau)) / STEP_S
            headings.append(turned * body.airspeed_mps / 9.80665)
            speeds.append(body.airspeed_mps)
            if there:
                break
        assert there
        start = target
    assert max(headings) <= math.tan(BANK) + 1e-9
    assert min(speeds) >= body.budget.min_airspeed_mps - 0.3
    assert max(speeds) <= body.budget.max_airspeed_mps


def test_a_wing_follows_its_line_in_a_cross_wind_and_circles_round_its_point() -> None:
    wing = _wing(Weather(wind_speed_mps=8.0, wind_from_rad=0.0))
    body = wing.body
    off = []
    while not wing.follow(STEP_S, (0.0, 0.0, 4500.0), (6000.0, 0.0, 4500.0), 22.0, False):
        if body.x_m > 1000.0:
            off.append(abs(body.y_m))
    assert max(off) < 15.0
    distances = []
    for k in range(1200):
        wing.stay(STEP_S, (6500.0, 0.0, 4500.0))
        if k > 400:
            distances.append(math.hypot(body.x_m - 6500.0, body.y_m))
    assert min(distances) > 40.0 and max(distances) < 200.0
    assert body.ground_speed_mps > 0.0


def test_climb_is_limited_and_stops_at_the_ceiling() -> None:
    wing = _wing()
    body = wing.body
    body.alt_msl_m = body.budget.max_alt_msl_m - 50.0
    rates = []
    for _ in range(2400):
        wing.climb_to(STEP_S, (0.0, 0.0, body.budget.max_alt_msl_m + 500.0))
        rates.append(body.vz_mps)
    assert max(rates) <= WING.airframe.max_climb_mps
    assert body.alt_msl_m == pytest.approx(body.budget.max_alt_msl_m, abs=5.0)


def test_a_multirotor_holds_its_track_in_the_wind_and_keeps_its_time() -> None:
    quad = Multirotor(Body(QUAD, Weather(wind_speed_mps=9.0, wind_from_rad=0.0), (0.0, 0.0, 4500.0)))
    body = quad.body
    steps, off = 0, 0.0
    while not quad.follow(STEP_S, (0.0, 0.0, 4500.0), (1500.0, 0.0, 4560.0), 10.0, True):
        steps += 1
        off = max(off, abs(body.y_m))
        assert body.airspeed_mps <= body.budget.max_airspeed_mps + 0.2  # the limit falls as it climbs
        assert steps < 2000
    assert off < 1e-6
    assert steps * STEP_S == pytest.approx(150.0, abs=8.0)
    assert body.alt_msl_m == pytest.approx(4560.0, abs=2.0)
    into_the_wind = Multirotor(Body(QUAD, Weather(wind_speed_mps=13.0, wind_from_rad=0.0), (0.0, 0.0, 4500.0)))
    for _ in range(400):
        into_the_wind.follow(STEP_S, (0.0, 0.0, 4500.0), (0.0, 5000.0, 4500.0), 18.0, False)
    assert into_the_wind.body.airspeed_mps <= into_the_wind.body.budget.max_airspeed_mps + 1e-6


@pytest.mark.parametrize("aircraft", [WING, QUAD])
def test_the_battery_lasts_as_long_as_the_planner_says(aircraft: object) -> None:
    body = Body(aircraft, AREA.weather, (0.0, 0.0, 4800.0))  # type: ignore[arg-type]
    motion = Multirotor(body) if aircraft is QUAD else _wing()
    body = motion.body
    body.alt_msl_m = 4800.0
    planned_s = performance.loaded_budget(aircraft, 4800.0, AREA.weather).endurance_s  # type: ignore[arg-type]
    flown_s = 0.0
    while body.energy_left > performance.RESERVE:
        motion.stay(STEP_S, (0.0, 0.0, 4800.0))
        flown_s += STEP_S
    assert flown_s == pytest.approx(planned_s, rel=0.01)


def test_a_planned_sortie_uses_no_more_energy_flown_than_planned() -> None:
    sortie = flights.sortie(AREA, QUAD, points=3)
    body = Body(QUAD, AREA.weather, (sortie.x_m[0], sortie.y_m[0], sortie.alt_msl_m[0]))
    quad = Multirotor(body)
    planned = 0.0
    for k in range(1, len(sortie.t_s)):
        step = np.diff([sortie.x_m[k - 1 : k + 1], sortie.y_m[k - 1 : k + 1]], axis=1).ravel()
        dz = sortie.alt_msl_m[k] - sortie.alt_msl_m[k - 1]
        top = performance.loaded_budget(QUAD, flights.LEVEL_M, AREA.weather)
        cost = performance.leg(QUAD.airframe, top, step[0], step[1], dz, AREA.weather)
        planned += float(cost.endurance_s) / (top.endurance_s / (1.0 - performance.RESERVE))
        target = (sortie.x_m[k], sortie.y_m[k], sortie.alt_msl_m[k])
        move = quad.climb_to if np.hypot(*step) < 1.0 else lambda dt, t: quad.follow(dt, t, t, 14.0, False)
        while not move(STEP_S, target):
            pass
    assert 1.0 - body.energy_left <= planned * 1.03  # starting and stopping is not in the plan's legs


def test_copies_do_not_share_their_air() -> None:
    calm = Body(QUAD, AREA.weather, (0.0, 0.0, 4500.0))
    heavy = Body(
        msgspec.structs.replace(QUAD, camera=msgspec.structs.replace(QUAD.camera, mass_kg=1.5)),
        AREA.weather,
        (0.0, 0.0, 4500.0),
    )
    assert heavy.budget.endurance_s < calm.budget.endurance_s
