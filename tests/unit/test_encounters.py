"""The encounter integrator against search theory: lateral range curve, looks one by one, hiding, and who counts."""

from __future__ import annotations

import math

import numpy as np
import places
import pytest
from msgspec.structs import replace

from kuntur.model.place import Area, CrosserClass
from kuntur.model.plans import SWEEP, Look, Sortie
from kuntur.sim import crossings, encounters
from kuntur.visibility import detection

HEIGHT_M = 350.0
WALKER = CrosserClass(id="walker", name="Person on foot", mode="walk", target="person")


def flat_area(*, hill_m: float = 0.0) -> Area:
    """A 12 km plain, border along its western edge; with hill_m a wall along x = 300 m north of y = 0."""
    heights_m = np.full((400, 400), 4300.0)
    if hill_m:
        heights_m[:200, 208:212] += hill_m
    terrain = places.terrain(heights_m, 30.0)
    area = places.ridge_area()
    border = replace(area.border, xy_m=np.array([[-5500.0, -5500.0], [-5500.0, 5500.0]]))
    need = replace(area.requirement, depth_m=10_500.0, height_agl_m=HEIGHT_M)
    return replace(area, terrain=terrain, border=border, zones=(), crossers=(WALKER,), requirement=need)


def hovering(area: Area, *, x_m: float = 0.0, until_s: float = 90_000.0) -> tuple[encounters.Flight, ...]:
    aircraft = area.fleet.aircraft[1]
    z_m = 4300.0 + HEIGHT_M
    sortie = Sortie(
        id="s", aircraft_id=aircraft.id, base_id=aircraft.base_id, t_s=(0.0, until_s), x_m=(x_m, x_m), y_m=(0.0, 0.0),
        alt_msl_m=(z_m, z_m), energy_wh=0.0, endurance_s=0.0,
    )  # fmt: skip
    return encounters.flights(area, [sortie])


def passing(offset_m: float, speed_mps: float = 1.5, *, start_s: float = 0.0) -> encounters.SimulatedCrosser:
    """Straight from south to north, offset_m east of the hovering aircraft."""
    took_s = 8000.0 / speed_mps
    return crossings.from_route("w", WALKER, [start_s, start_s + took_s], [offset_m] * 2, [-4000.0, 4000.0])


def curve(area: Area, offset_m: float, speed_mps: float = 1.5) -> float:
    aircraft = area.fleet.aircraft[1]
    search = detection.search_for(aircraft.camera, ["person"], HEIGHT_M, area.weather)
    target_height_m = detection.VISIBLE_HEIGHT_M["person"]
    prob = detection.lateral_range_prob(
        aircraft.camera, search, "person", area.weather, height_agl_m=HEIGHT_M - target_height_m,
        ground_speed_mps=speed_mps, offset_m=offset_m,
    )  # fmt: skip
    return float(prob)


@pytest.mark.parametrize("offset_m", [0.0, 250.0, 600.0, 1000.0, 1350.0])
@pytest.mark.parametrize("speed_mps", [1.5, 15.0])
def test_a_walker_past_a_hovering_aircraft_reproduces_the_lateral_range_curve(
    offset_m: float, speed_mps: float
) -> None:
    area = flat_area()
    exposure = encounters.exposures(area, hovering(area), [passing(offset_m, speed_mps)], step_s=0.5)
    assert -math.expm1(-exposure[0]) == pytest.approx(curve(area, offset_m, speed_mps), abs=0.002)


def test_ten_second_steps_are_fine_enough() -> None:
    area, rng = flat_area(), np.random.default_rng(1)
    walkers = [passing(offset, start_s=float(rng.uniform(0.0, 10.0))) for offset in rng.uniform(0.0, 1200.0, 20)]
    coarse = encounters.exposures(area, hovering(area), walkers)
    fine = encounters.exposures(area, hovering(area), walkers, step_s=1.0)
    assert coarse == pytest.approx(fine, rel=0.02)


def test_the_looks_deliver_at_least_what_the_rate_promises_and_not_much_more() -> None:
    area = flat_area()
    flown = hovering(area)
    for offset_m in (300.0, 900.0):
        walker = passing(offset_m, 12.0)
        promised = -math.expm1(-encounters.exposures(area, flown, [walker], step_s=1.0)[0])
        looks = np.array([1.0 - encounters.look_miss_prob(area, flown, walker, 1000 * k) for k in range(150)])
        error = looks.std() / math.sqrt(len(looks))
        assert promised - 3.0 * error <= looks.mean() <= promised + 0.12
        assert 0.1 < promised < 0.95


def test_ground_in_the_way_hides() -> None:
    open_plain, walled = flat_area(), flat_area(hill_m=1500.0)
    walker = passing(900.0)
    seen = encounters.exposures(open_plain, hovering(open_plain), [walker])[0]
    half = encounters.exposures(walled, hovering(walled), [walker])[0]  # the northern half lies behind the wall
    assert half == pytest.approx(seen / 2.0, rel=0.1)


def test_nobody_is_exposed_on_the_ground_abroad_beyond_the_depth_or_where_looking_is_forbidden() -> None:
    area = flat_area()
    walker = passing(300.0)
    landed = hovering(area, until_s=100.0)
    assert encounters.exposures(area, landed, [walker])[0] == 0.0
    east = replace(area, border=replace(area.border, ours="left"))
    assert encounters.exposures(east, hovering(area), [walker])[0] == 0.0
    near = replace(area, requirement=replace(area.requirement, depth_m=5500.0))
    assert encounters.exposures(near, hovering(area), [walker])[0] == 0.0
    half = places._square("village", "no_look", 300.0, 2000.0, 2000.0)
    closed = replace(area, zones=(half,))
    whole = encounters.exposures(area, hovering(area), [walker])[0]
    assert encounters.exposures(closed, hovering(area), [walker])[0] == pytest.approx(whole / 2.0, rel=0.02)
    assert encounters.look_miss_prob(near, hovering(area), walker, 1) == 1.0


def test_two_aircraft_add_their_exposures() -> None:
    area = flat_area()
    walker = passing(300.0)
    one, other = hovering(area), hovering(area, x_m=800.0)
    alone = [encounters.exposures(area, flown, [walker])[0] for flown in (one, other)]
    assert encounters.exposures(area, one + other, [walker])[0] == pytest.approx(sum(alone), rel=1e-12)


def turned(flown: tuple[encounters.Flight, ...], look: Look) -> tuple[encounters.Flight, ...]:
    """The same flights with the gimbal on one sector all the way."""
    middle = np.where(np.isnan(flown[0].xyz_m[:-1, 0]) | np.isnan(flown[0].xyz_m[1:, 0]), math.nan, look.azimuth_rad)
    return (replace(flown[0], middle_rad=middle),)


def test_in_a_sector_the_looks_deliver_at_least_what_its_rate_promises_and_elsewhere_nothing() -> None:
    area = flat_area()
    east, west = (turned(hovering(area), Look("stare", side * math.pi / 2.0)) for side in (1.0, -1.0))
    for offset_m in (300.0, 900.0):
        walker = passing(offset_m, 12.0)
        swept = encounters.exposures(area, hovering(area), [walker], step_s=1.0)[0]
        exposure = encounters.exposures(area, east, [walker], step_s=1.0)[0]
        promised = -math.expm1(-exposure)
        looked = np.array([1.0 - encounters.look_miss_prob(area, east, walker, 1000 * k) for k in range(150)])
        error = looked.std() / math.sqrt(len(looked))
        assert promised - 3.0 * error <= looked.mean() <= promised + 0.18  # its pictures overlap more than a sweep's
        assert exposure > 1.05 * swept  # twice as often, for half as long
        assert encounters.exposures(area, west, [walker], step_s=1.0)[0] == 0.0
        # A look's picture may show a little beyond the sector's edge, but not what lies behind the camera.
        assert encounters.look_miss_prob(area, west, walker, 1) == 1.0


def test_a_flight_turns_its_gimbal_leg_by_leg() -> None:
    area = flat_area()
    aircraft = area.fleet.aircraft[1]
    z_m, east = 4300.0 + HEIGHT_M, Look("stare", math.pi / 2.0)
    sortie = Sortie(
        id="s", aircraft_id=aircraft.id, base_id=aircraft.base_id, t_s=(0.0, 100.0, 200.0, 300.0), x_m=(0.0,) * 4,
        y_m=(0.0,) * 4, alt_msl_m=(z_m,) * 4, energy_wh=0.0, endurance_s=0.0, looks=(SWEEP, east, SWEEP),
    )  # fmt: skip
    later = replace(sortie, id="t", t_s=(400.0, 450.0, 500.0, 600.0), looks=())
    flown = encounters.flight(area, aircraft.id, [later, sortie])
    at = flown.middle_at(np.array([-5.0, 50.0, 150.0, 199.9, 250.0, 350.0, 470.0, 700.0]))
    assert np.array_equal(at, [math.nan, math.nan, east.azimuth_rad, east.azimuth_rad, *[math.nan] * 4], equal_nan=True)
