"""Air, power and terrain clearance against published tables, closed forms and a brute-force check."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import places
import pytest

from kuntur.aircraft import atmosphere, home, path, performance, rotor, wing
from kuntur.errors import ConfigError
from kuntur.geodesy import grid
from kuntur.model.assets import Aircraft, Airframe
from kuntur.model.place import LocalFrame, Terrain, Weather, WindLevel

STILL = Weather()

QUAD = Airframe(
    id="quad",
    name="a quadrotor made up for these tests",
    kind="multirotor",
    propulsion="electric",
    mass_kg=4.0,
    endurance_s=2400.0,
    cruise_mps=15.0,
    max_speed_mps=20.0,
    ceiling_msl_m=6000.0,
    source="test",
    battery_wh=280.0,
    endurance_mps=0.0,
    rotor_disc_area_m2=0.5,
    max_payload_kg=1.0,
    max_wind_mps=12.0,
    max_climb_mps=5.0,
)
WING = Airframe(
    id="wing",
    name="a piston wing made up for these tests",
    kind="fixed_wing",
    propulsion="combustion",
    mass_kg=20.0,
    endurance_s=36_000.0,
    cruise_mps=22.0,
    max_speed_mps=40.0,
    ceiling_msl_m=6000.0,
    source="test",
    stall_mps=15.0,
    endurance_mps=22.0,
    max_climb_mps=4.0,
)


@pytest.mark.parametrize(  # ISO 2533:1975 / US Standard Atmosphere 1976, by geopotential altitude
    ("alt_msl_m", "density", "pressure_pa"),
    [(0, 1.2250, 101_325), (1000, 1.1116, 89_875), (2000, 1.0065, 79_495), (4000, 0.8191, 61_640),
     (5000, 0.7361, 54_020), (6000, 0.6597, 47_181), (11_000, 0.3639, 22_632)],
)  # fmt: skip
def test_standard_atmosphere_is_the_published_table(alt_msl_m: float, density: float, pressure_pa: float) -> None:
    assert float(atmosphere.density_kgpm3(alt_msl_m, STILL)) == pytest.approx(density, abs=6e-5)
    assert float(atmosphere.pressure_pa(alt_msl_m)) == pytest.approx(pressure_pa, abs=1.0)


def test_density_altitude() -> None:
    altitudes = np.array([0.0, 2000.0, 4000.0, 9000.0])
    np.testing.assert_allclose(atmosphere.density_altitude_m(altitudes, STILL), altitudes, atol=1e-6)
    # Rule of thumb 120 ft per kelvin (FAA-H-8083-25C, ch. 11): 15 K at 4,000 m is about 550 m.
    warm = float(atmosphere.density_altitude_m(4000.0, Weather(isa_offset_k=15.0)))
    assert warm - 4000.0 == pytest.approx(15 * 120 * 0.3048, rel=0.12)
    assert np.isnan(atmosphere.density_altitude_m(12_000.0, STILL))


def test_endurance_at_4000_m_is_082_of_sea_level() -> None:
    """SCIENCE, "Endurance": density ratio 0.669, so 0.82 for both kinds; airspeed 1.22 for the wing."""
    hovering = msgspec.structs.replace(QUAD, cruise_mps=1.5)  # hardly any drag: hover is the dearest
    for airframe in (hovering, WING):
        low = performance.budget(airframe, 0.0, 0.0, STILL)
        high = performance.budget(airframe, 0.0, 4000.0, STILL)
        assert high.endurance_s / low.endurance_s == pytest.approx(0.8177, abs=7e-4)
        assert low.endurance_s == pytest.approx(airframe.endurance_s * (1 - performance.RESERVE), abs=1.0)
    assert performance.budget(WING, 0.0, 4000.0, STILL).airspeed_mps / WING.cruise_mps == pytest.approx(
        1.2229, abs=1e-3
    )
    assert performance.budget(QUAD, 0.0, 4000.0, STILL).airspeed_mps == QUAD.cruise_mps


def test_hover_power_follows_momentum_theory_and_the_battery_lasts_the_catalog_endurance() -> None:
    at_sea_level = performance.power_w(QUAD, 0.0, 1.0)
    assert at_sea_level == pytest.approx(280 * 3600 / 2400)
    heavier = performance.power_w(QUAD, 1.0, 1.0)
    assert heavier == pytest.approx(at_sea_level * (5 / 4) ** 1.5)
    assert performance.power_w(QUAD, 0.0, 0.25) == pytest.approx(2 * at_sea_level)
    with pytest.raises(ConfigError, match="ideal rotor"):
        performance.power_w(msgspec.structs.replace(QUAD, rotor_disc_area_m2=0.05), 0.0, 1.0)


def test_an_endurance_that_may_be_one_of_forward_flight_is_not_taken_for_hover() -> None:
    unsaid = msgspec.structs.replace(QUAD, endurance_mps=None)
    assert performance.power_w(unsaid, 0.0, 1.0) == pytest.approx(280 * 3600 / 2400 / rotor.FORWARD_OVER_HOVER)
    loiter = msgspec.structs.replace(WING, endurance_mps=None)
    assert (
        performance.budget(loiter, 0.0, 0.0, STILL).endurance_s < performance.budget(WING, 0.0, 0.0, STILL).endurance_s
    )


def test_forward_flight_agrees_with_a_published_pair_of_endurances() -> None:
    pair = msgspec.structs.replace(QUAD, forward_endurance_s=2700.0)
    loads = performance.loads(pair)
    best = loads.loiter_mps(1.0, 1.0)
    assert loads.load(0.0, 1.0, 1.0) == 1.0
    assert loads.load(best, 1.0, 1.0) == pytest.approx(2400 / 2700, abs=2e-3)
    assert loads.load(best, 1.0, 1.0) >= 2400 / 2700  # the fit errs to the dear side
    assert 5.0 < best < loads.range_mps(1.0, 1.0) <= 20.0
    # All the power there is goes into the published top speed: nothing is left for drag to be greater.
    assert loads.load(20.0, 1.0, 1.0) == pytest.approx(loads.full_load(20.0, 1.0))
    # Glauert's wake: wake^4 + speed^2 wake^2 = hover wake^4.
    share = loads._wake_share(8.0, 1.0, 0.7)
    wake, hover2 = share * loads.wake_mps / 0.7**0.5, loads.wake_mps**2 / 0.7
    assert wake**4 + 64.0 * wake**2 == pytest.approx(hover2**2)


def test_a_wing_s_polar_goes_through_its_published_figures() -> None:
    loads = performance.loads(WING)
    assert loads.load(22.0, 1.0, 1.0) == pytest.approx(1.0)  # where the endurance holds
    assert loads.load(40.0, 1.0, 1.0) == pytest.approx(loads.full_load(40.0, 1.0))  # top speed takes all the power
    assert loads.fastest_mps(1.0, 1.0) == pytest.approx(40.0)
    sigma = float(atmosphere.density_ratio(6000.0, STILL))
    assert loads.ceiling_sigma(1.0) == pytest.approx(sigma)
    ceiling_mps = loads.range_mps(1.0, sigma)
    assert loads.load(ceiling_mps, 1.0, sigma) == pytest.approx(loads.full_load(ceiling_mps, sigma))  # the ceiling too
    assert [loads.climb(1.0, at)[0] for at in (sigma, 1.0)] == pytest.approx([0.0, 1.0], abs=1e-9)
    glide = loads.range_mps(1.0, 1.0)
    least = wing.LEAST_OVER_GLIDE * glide
    assert least < glide < loads.loiter_mps(1.0, 1.0)
    for speed in (0.99, 1.01):  # the speeds of least power and of best glide are what they are called
        assert loads.load(speed * least, 1.0, 1.0) > loads.load(least, 1.0, 1.0)
        assert loads.load(speed * glide, 1.0, 1.0) / speed > loads.load(glide, 1.0, 1.0)
    best, at_mps = loads.climb(1.0, 0.8)  # no other speed climbs better: power left over, at 80 % of the density
    left = [loads.full_load(v, 0.8) - loads.load(v, 1.0, 0.8) for v in (at_mps, 0.98 * at_mps, 1.02 * at_mps)]
    assert left[0] > max(left[1:])
    at_sea_level_mps = loads.climb(1.0, 1.0)[1]
    below = loads.full_load(at_sea_level_mps, 1.0) - loads.load(at_sea_level_mps, 1.0, 1.0)
    assert best == pytest.approx(left[0] / below)


def test_thin_air_takes_climb_and_top_speed_before_it_takes_hover() -> None:
    low, high = (performance.budget(QUAD, 0.0, alt, STILL) for alt in (0.0, 5500.0))
    assert high.climb_mps < 0.3 * low.climb_mps and high.max_airspeed_mps < 0.7 * low.max_airspeed_mps
    assert high.can_fly
    top = performance.budget(WING, 0.0, 6000.0, STILL)
    assert top.climb_mps == pytest.approx(performance.SERVICE_CEILING_CLIMB_MPS, abs=1e-6)
    assert top.climb_airspeed_mps == pytest.approx(top.max_airspeed_mps)
    assert performance.budget(WING, 0.0, 0.0, STILL).climb_mps == pytest.approx(WING.max_climb_mps)


def test_waiting_in_a_circle_costs_more_than_flying_on() -> None:
    assert performance.budget(QUAD, 0.0, 4000.0, STILL).circling == 1.0
    circling = performance.budget(WING, 0.0, 3000.0, STILL).circling
    bank = math.atan(1.0 / performance.CIRCLE_OVER_TURN)  # of a circle 1.2 times as wide as one at 45 degrees
    loads, sigma = performance.loads(WING), float(atmosphere.density_ratio(3000.0, STILL))
    speed = performance.budget(WING, 0.0, 3000.0, STILL).airspeed_mps
    full = loads.load(speed, 1.0 / math.cos(bank), sigma) / loads.load(speed, 1.0, sigma)
    assert 1.1 < circling == pytest.approx(full)


def test_reasons_not_to_fly() -> None:
    def why(airframe: Airframe, payload_kg: float, alt_msl_m: float, weather: Weather) -> str:
        budget = performance.budget(airframe, payload_kg, alt_msl_m, weather)
        assert budget.can_fly == (not budget.why)
        assert budget.can_fly or budget.endurance_s == 0.0
        return budget.why

    assert why(QUAD, 0.0, 5900.0, STILL) == ""
    assert "ceiling" in why(QUAD, 0.0, 6100.0, STILL)
    assert "density altitude" in why(QUAD, 0.0, 5900.0, Weather(isa_offset_k=20.0))
    assert "density altitude" in why(QUAD, 1.0, 5000.0, STILL)
    assert "payload" in why(QUAD, 1.5, 0.0, STILL)
    assert "above its limit" in why(QUAD, 0.0, 4000.0, Weather(wind_speed_mps=13.0))
    assert "no speed over ground" in why(WING, 0.0, 4000.0, Weather(wind_speed_mps=27.0))
    slow = msgspec.structs.replace(WING, stall_mps=21.0)
    assert "stall" in why(slow, 0.0, 4000.0, STILL)


def test_payload_and_thin_air_lower_the_ceiling_of_a_piston_engine_more_than_of_a_battery() -> None:
    electric = msgspec.structs.replace(WING, propulsion="electric", battery_wh=5000.0)
    loss = [6000.0 - performance.budget(airframe, 1.0, 0.0, STILL).max_alt_msl_m for airframe in (WING, electric)]
    assert (
        0.0 < loss[0] < loss[1]
    )  # the engine's own lapse makes the margin steeper, so the same mass costs less height
    assert performance.budget(WING, 0.0, 0.0, STILL).max_alt_msl_m == pytest.approx(6000.0, abs=0.1)


def test_wind_triangle() -> None:
    wind = Weather(wind_speed_mps=9.0, wind_from_rad=math.radians(270.0))  # from the west: blows east
    budget = performance.budget(QUAD, 0.0, 4000.0, wind)
    cost = performance.leg(QUAD, budget, [1200.0, -1200.0, 0.0, 0.0], [0.0, 0.0, 1200.0, 0.0], 0.0, wind)
    np.testing.assert_allclose(cost.time_s[:3], [1200 / 24, 1200 / 6, 1200 / 12], atol=0.011)
    assert cost.time_s[3] == 0.0
    storm = Weather(wind_speed_mps=16.0, wind_from_rad=math.radians(270.0))
    cost = performance.leg(QUAD, budget, [-1200.0, 1200.0], 0.0, 0.0, storm)
    assert np.isinf(cost.time_s[0]) and np.isinf(cost.endurance_s[0])


def test_climb_costs_time_and_energy_and_descending_gives_nothing_back() -> None:
    budget = performance.budget(QUAD, 0.0, 4000.0, STILL)
    level, up, down = performance.leg(QUAD, budget, 1500.0, 0.0, [0.0, 200.0, -200.0], STILL).energy_wh
    assert up - level == pytest.approx(4.0 * 9.80665 * 200 / 0.5 / 3600, abs=0.03)
    assert down == level
    steep = performance.leg(QUAD, budget, 0.0, 0.0, 200.0, STILL)
    assert steep.time_s == pytest.approx(200.0 / budget.climb_mps, abs=0.011)


def test_a_wing_falls_behind_while_it_climbs() -> None:
    hasty = msgspec.structs.replace(WING, cruise_mps=32.0)
    budget = performance.budget(hasty, 0.0, 2000.0, STILL)
    assert budget.climb_airspeed_mps < budget.airspeed_mps
    level, up, down = performance.leg(hasty, budget, 6000.0, 0.0, [0.0, 100.0, -100.0], STILL).time_s
    climb_s = 100.0 / budget.climb_mps
    slow_m = budget.climb_airspeed_mps * climb_s  # flown while climbing, the rest at cruise
    assert up == pytest.approx(climb_s + (6000.0 - slow_m) / budget.airspeed_mps, abs=0.011)
    assert down == level < up


def test_rounding_is_always_to_the_safe_side() -> None:
    rng = np.random.default_rng(3)
    budget = performance.budget(QUAD, 0.3, 4123.0, STILL)
    dx, dy, dz = rng.uniform(-3000, 3000, (3, 500))
    dz /= 10
    cost = performance.leg(QUAD, budget, dx, dy, dz, STILL)
    exact_s = np.maximum(np.hypot(dx, dy) / budget.airspeed_mps, np.abs(dz) / budget.climb_mps)
    assert np.all(cost.time_s >= exact_s - 1e-8) and np.all(cost.time_s <= exact_s + 0.0101)
    exact_endurance = exact_s + np.maximum(dz, 0) * budget.climb_surcharge_s_per_m
    assert np.all(cost.endurance_s >= exact_endurance - 1e-8)
    assert cost.energy_wh is not None
    assert np.all(cost.energy_wh >= exact_endurance * budget.cruise_power_w / 3600 - 1e-8)
    assert budget.endurance_s == math.floor(budget.endurance_s)


def _terrain(seed: int, **changes: object) -> Terrain:
    heights = 4000 + 400 * np.random.default_rng(seed).random((60, 70), dtype=np.float32)
    return msgspec.structs.replace(
        Terrain(
            frame=LocalFrame(lat0_deg=-18.0, lon0_deg=-69.0),
            heights_m=heights,
            cell_m=30.0,
            west_m=-1050.0,
            north_m=900.0,
            vertical_datum="EGM96",
            product="made up",
            sketched=True,
            attribution="",
            vertical_error_le90_m=4.0,
        ),
        **changes,
    )


@pytest.mark.parametrize("seed", range(8))
def test_clearance_is_never_above_a_brute_force_check(seed: int) -> None:
    terrain = _terrain(seed)
    rng = np.random.default_rng(seed)
    ends = np.column_stack([rng.uniform(-700, 700, 2), rng.uniform(-600, 600, 2), rng.uniform(4500, 5000, 2)])
    corridor_m = 100.0
    (clearance,) = path.clearance_m(terrain, ends, corridor_m)
    s = np.linspace(0, 1, 400)[:, None]
    points = ends[0] + s * (ends[1] - ends[0])
    angle, radius = np.meshgrid(np.linspace(0, 2 * np.pi, 24), np.linspace(0, corridor_m, 12))
    around_x = points[:, 0, None] + (radius * np.cos(angle)).ravel()
    around_y = points[:, 1, None] + (radius * np.sin(angle)).ravel()
    seen = points[:, 2, None] - grid.height_at(terrain, around_x, around_y)
    assert clearance <= seen.min() + 1e-6
    assert clearance >= seen.min() - 60.0  # not absurdly cautious: the padding is one cell diagonal


def test_clearance_finds_the_ridge_between_safe_waypoints() -> None:
    heights = np.full((60, 70), 4000.0, np.float32)
    heights[:, 35] = 4600.0
    terrain = _terrain(0, heights_m=heights)
    line = [[-600.0, 0.0, 4300.0], [600.0, 0.0, 4300.0]]
    assert path.clearance_m(terrain, line, 60.0)[0] == pytest.approx(-300.0)
    assert not path.is_safe(terrain, line, 60.0, 100.0)
    (safe,) = path.safe_altitude_m(terrain, np.array(line)[:, :2], 60.0, 100.0)
    assert safe == pytest.approx(4704.0)
    assert path.is_safe(terrain, [[-600.0, 0.0, safe], [600.0, 0.0, safe]], 60.0, 100.0)


def test_a_void_or_the_edge_in_the_corridor_is_unknown_not_safe() -> None:
    heights = np.full((60, 70), 4000.0, np.float32)
    heights[28, 40] = np.nan
    terrain = _terrain(0, heights_m=heights)
    assert np.isnan(path.clearance_m(terrain, [[-600.0, 0.0, 5000.0], [600.0, 0.0, 5000.0]], 60.0)[0])
    assert np.isnan(path.clearance_m(terrain, [[-1000.0, -500.0, 5000.0], [0.0, -500.0, 5000.0]], 60.0)[0])
    assert not path.is_safe(terrain, [[-600.0, 0.0, 5000.0], [600.0, 0.0, 5000.0]], 60.0, 100.0)
    unstated = msgspec.structs.replace(terrain, vertical_error_le90_m=None)
    assert path.terrain_error_m(unstated) == path.UNKNOWN_ERROR_LE90_M


# --- the way home


def _aircraft(airframe: Airframe) -> Aircraft:
    one = places.ridge_area().fleet.aircraft[0]
    return msgspec.structs.replace(one, airframe=airframe, camera=msgspec.structs.replace(one.camera, mass_kg=None))


def _ridge(height_m: float = 4600.0) -> Terrain:
    heights = np.full((200, 260), 4000.0, np.float32)
    heights[:, 130] = height_m
    return _terrain(0, heights_m=heights, west_m=-3900.0, north_m=3000.0)


def test_the_way_home_climbs_over_what_lies_between() -> None:
    flown = _aircraft(QUAD)
    beside = home.way(_ridge(), flown, (-3000.0, 0.0, 4200.0), "post", (-1000.0, 0.0, 4000.0), STILL)
    beyond = home.way(_ridge(), flown, (-1000.0, 0.0, 4200.0), "post", (1000.0, 0.0, 4000.0), STILL)
    assert beside.alt_msl_m == 4200.0 and not beside.why
    assert beyond.alt_msl_m == pytest.approx(4600.0 + home.HEIGHT_M + 4.0)  # the ridge, the margin, the terrain's error
    top = performance.loaded_budget(flown, beyond.alt_msl_m, STILL)
    climb_m, down_m = beyond.alt_msl_m - 4200.0, beyond.alt_msl_m - 4000.0
    by_hand_s = climb_m / top.climb_mps + 2000.0 / top.airspeed_mps + down_m / top.descent_mps
    assert beyond.time_s == pytest.approx(by_hand_s, abs=0.02)
    assert beyond.used_s == pytest.approx(by_hand_s + climb_m * top.climb_surcharge_s_per_m, abs=0.05)
    assert beyond.energy_wh == pytest.approx(beyond.used_s * top.cruise_power_w / 3600.0, abs=0.02)
    assert beyond.reachable(beyond.used_s) and not beyond.reachable(beyond.used_s - 0.01)
    assert home.nearest([beside, beyond], 1e4) is beside and home.nearest([beside, beyond], 10.0) is None


def test_the_way_home_is_refused_where_wind_ceiling_or_ignorance_forbid_it() -> None:
    flown, start, post = _aircraft(QUAD), (-1000.0, 0.0, 4200.0), (1000.0, 0.0, 4000.0)
    up_high = Weather(winds=tuple(WindLevel(alt_msl_m=alt, wind_speed_mps=speed, wind_from_rad=math.radians(90.0))
                                  for alt, speed in ((4200.0, 2.0), (4600.0, 20.0))))  # fmt: skip
    against = home.way(_ridge(), flown, start, "post", post, up_high)
    assert "wind" in against.why and math.isinf(against.used_s) and not against.reachable(1e9)
    assert not home.way(_ridge(4000.0), flown, start, "post", post, up_high).why  # nothing to climb over: calm there
    assert "ceiling" in home.way(_ridge(5990.0), flown, start, "post", post, STILL).why
    void = _ridge()
    void.heights_m[100, 140] = np.nan
    assert "unknown" in home.way(void, flown, start, "post", post, STILL).why
    headwind, tailwind = (
        home.way(_ridge(), flown, start, "post", post, Weather(wind_speed_mps=6.0, wind_from_rad=math.radians(deg)))
        for deg in (90.0, 270.0)
    )
    assert tailwind.used_s < home.way(_ridge(), flown, start, "post", post, STILL).used_s < headwind.used_s
