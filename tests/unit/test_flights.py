"""The flight lattice: speeds and rates of each leg's own heights, turns, the way home, and what binds when none is."""

from __future__ import annotations

import functools
import math

import lattice_ways
import numpy as np
import places
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kuntur.aircraft import performance
from kuntur.errors import InfeasibleError
from kuntur.model.assets import Aircraft, Fleet, Rally
from kuntur.model.place import Area, Weather, WindLevel, Zone
from kuntur.patrol import flights, legs, rota

STEP_S = 60.0
WAVE_STEPS, WAVES = 20, 6


@functools.cache
def area() -> Area:
    area = places.ridge_area()
    lasting = tuple(
        replace(a, airframe=replace(a.airframe, endurance_s=14_400.0, battery_wh=None, rotor_disc_area_m2=None))
        for a in area.fleet.aircraft
    )
    need = replace(area.requirement, crosser_step_s=STEP_S, duration_s=7200.0)
    weather = replace(area.weather, wind_speed_mps=6.0, wind_from_rad=1.0)
    return replace(area, requirement=need, weather=weather, fleet=Fleet(aircraft=lasting), zones=())


@functools.cache
def relief() -> flights.Relief:
    return flights.relief(area())


def wing() -> Aircraft:
    return area().fleet.aircraft[0]


def rotor() -> Aircraft:
    return area().fleet.aircraft[1]


def net(place: Area | None = None, aircraft: Aircraft | None = None, layer: int = 0) -> flights.FlightNet:
    return flights.net(place or area(), relief(), aircraft or wing(), layer, STEP_S)


@functools.cache
def both() -> tuple[flights.FlightNet, ...]:
    return net(), net(aircraft=rotor())


def home_s(lattice: flights.FlightNet) -> np.ndarray:
    return legs.least(lattice.arc_to, lattice.arc_from, lattice.arc_use_s, lattice.landed_node, len(lattice.node_m))


def sublegs(lattice: flights.FlightNet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends and seconds of every straight part of every flown arc."""
    inner = np.ones(len(lattice.vertex_t_s), bool)
    inner[lattice.vertex_start[1:] - 1] = False
    flown = np.repeat(lattice.flying, np.diff(lattice.vertex_start))
    first = np.flatnonzero(inner & flown)
    dt_s = lattice.vertex_t_s[first + 1] - lattice.vertex_t_s[first]
    return lattice.vertex_m[first], lattice.vertex_m[first + 1], dt_s


def test_no_leg_is_faster_than_its_own_heights_allow() -> None:
    """Speed through the air, climb and descent, against the budget at both ends of each part of a leg."""
    for lattice in both():
        weather = area().weather
        a, b, dt_s = sublegs(lattice)
        wind = -weather.wind_speed_mps * np.array([math.sin(weather.wind_from_rad), math.cos(weather.wind_from_rad)])
        moving = np.hypot(*(b - a)[:, :2].T) > 1.0
        through_air = np.linalg.norm((b - a)[:, :2] / dt_s[:, None] - wind, axis=1)
        rise = (b - a)[:, 2] / dt_s
        for i in range(len(a)):
            ends = [performance.loaded_budget(lattice.aircraft, z, weather) for z in (a[i, 2], b[i, 2])]
            assert not moving[i] or through_air[i] <= min(e.airspeed_mps for e in ends) + 1e-3
            assert rise[i] <= min(e.climb_mps for e in ends) + 1e-3
            assert -rise[i] <= min(e.descent_mps for e in ends) + 1e-3


def test_a_wind_above_slows_only_the_legs_that_are_in_it() -> None:
    low_m, high_m = np.quantile(net().node_m[:-2, 2], [0.0, 1.0])
    calm = Weather(winds=(WindLevel(alt_msl_m=0.0, wind_speed_mps=0.0, wind_from_rad=0.0),))
    windy = Weather(
        winds=(
            WindLevel(alt_msl_m=float(low_m), wind_speed_mps=0.0, wind_from_rad=0.0),
            WindLevel(alt_msl_m=float(high_m) + 1.0, wind_speed_mps=12.0, wind_from_rad=0.0),
        )
    )
    north = [np.array([[0.0, 0.0, z], [0.0, 4000.0, z]]) for z in (low_m, high_m)]
    times = []
    for weather in (calm, windy):
        air = legs.Air(aircraft=wing(), weather=weather, top_msl_m=float(high_m) + 60.0)
        times.append([float(cost[0][-1]) for cost in legs.flown(air, north)])
    assert times[1][0] == pytest.approx(times[0][0], rel=0.02)
    assert times[1][1] > 1.5 * times[0][1]  # a head wind of 12 m/s against 20 to 30


def test_the_reversal_is_as_long_and_as_wide_as_it_is_taken_to_be() -> None:
    """Left by 60 degrees, right by 300, left by 60, walked in small steps."""
    radius = 130.0
    full = np.concatenate([np.full(1000, 1.0), np.full(5000, -1.0), np.full(1000, 1.0)])
    ds = radius * math.pi / 3.0 / 1000.0
    heading = np.cumsum(full * ds / radius)
    xy = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=-1) * ds, axis=0)
    assert len(full) * ds == pytest.approx(7.0 * math.pi / 3.0 * radius)
    assert np.hypot(*xy[-1]) < 1.0 and abs(math.cos(heading[-1]) + 1.0) < 1e-6  # back where it began, the other way
    furthest = float(xy[:, 0].max())
    assert furthest == pytest.approx((1.0 + math.sqrt(3.0)) * radius, rel=1e-3)
    assert np.abs(xy[:, 1]).max() <= radius * 1.001
    extra = len(full) * ds - 2.0 * furthest  # instead of flying to the node and back
    assert extra == pytest.approx(legs.REVERSAL * radius, rel=1e-3)
    wide = np.abs(xy[:, 1]) > 100.0  # outside a corridor of 100 m it is inside this circle round the node
    reach = math.hypot(radius + math.sqrt(radius**2 - 100.0**2), radius)
    assert np.hypot(xy[wide, 0] - furthest, xy[wide, 1]).max() <= reach * 1.001


def test_turns_take_time_and_need_room() -> None:
    line = [np.array([[0.0, 0.0, 4600.0], [3000.0, 0.0, 4600.0]])]
    air = legs.Air(aircraft=wing(), weather=area().weather, top_msl_m=5000.0)
    turn_s = legs.flown(air, line)[0][2]
    speed = air.at(4600.0).airspeed_mps
    assert turn_s >= legs.REVERSAL * performance.turn_radius_m(speed + 6.0) / speed * 0.95
    still = legs.Air(aircraft=rotor(), weather=area().weather, top_msl_m=5000.0)
    assert legs.flown(still, line)[0][2] == 0.0
    legs.require_room(air, 4300.0, flights.CIRCLE_M, flights.CORRIDOR_M)
    fast = replace(wing().airframe, cruise_mps=60.0, max_speed_mps=70.0, stall_mps=30.0)
    with pytest.raises(InfeasibleError, match=r"turns too wide: with a radius of \d+ m in a wind of 6 m/s"):
        net(aircraft=replace(wing(), airframe=fast))


def test_a_leg_of_a_wing_has_time_for_the_turn_at_its_end() -> None:
    lattice = net()
    top_m = float(lattice.vertex_m[:, 2].max())
    air = legs.Air(aircraft=wing(), weather=area().weather, top_msl_m=top_m)
    inner = np.flatnonzero(lattice.flying & (lattice.arc_to < lattice.base_node) & (lattice.arc_from != lattice.arc_to))
    for a in inner:
        part = slice(lattice.vertex_start[a], lattice.vertex_start[a + 1])
        line = lattice.vertex_m[part]
        if np.array_equal(line[-1], line[-2]):
            line = line[:-1]
        times, _, turn_s, _ = legs.flown(air, [line])[0]
        assert times[-1] + turn_s <= lattice.arc_steps[a] * STEP_S + 1e-6


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_way_home_is_open_from_every_vertex_of_every_draw(data: st.DataObject) -> None:
    """The rule of legs.with_way_home, for ways drawn at random through the caps of the rota."""
    lattice = data.draw(st.sampled_from(both()))
    flown = rota.rota(area(), lattice, WAVE_STEPS, WAVES, turn=0)
    length_m = float(lattice.chainage_m.max())
    hubs = rota.hubs(lattice, flown, [[(0.3 * length_m, 1500.0)], [(0.7 * length_m, 1500.0)]], WAVE_STEPS, WAVES)
    stages = rota.stages(lattice, flown, hubs, WAVE_STEPS, WAVES)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    home, refuge = home_s(lattice), lattice.refuge_s
    assert refuge is not None
    reserve_s = lattice.usable_s * performance.RESERVE / (1.0 - performance.RESERVE)
    used_s, layout, checked = 0.0, 0, 0
    for wave in range(flown[0].take_off // WAVE_STEPS, -(-flown[0].landing // WAVE_STEPS)):
        following = int(rng.integers(2))
        stage = rota.stage_of(stages, wave, layout, following)
        layout = following
        for a in lattice_ways.random_way(lattice, stage, rng):
            head = lattice.arc_to[a]
            assert used_s + lattice.arc_use_s[a] + home[head] <= lattice.usable_s + 1e-6
            part = slice(lattice.vertex_start[a], lattice.vertex_start[a + 1])
            for gone_s in lattice.vertex_t_s[part] if lattice.flying[a] else ():
                used_here = used_s + gone_s
                rest = _against_s(lattice, a, gone_s)
                assert used_here + rest + refuge[head] <= lattice.usable_s + reserve_s + 1.0
                checked += 1
            used_s += float(lattice.arc_use_s[a])
    assert checked > 10


def _against_s(lattice: flights.FlightNet, a: int, gone_s: float) -> float:
    """Seconds to the end of an arc if the wind blew against it, by its parts that are still to be flown."""
    part = slice(lattice.vertex_start[a], lattice.vertex_start[a + 1])
    t_s, xyz = lattice.vertex_t_s[part], lattice.vertex_m[part]
    total = 0.0
    for i in range(len(t_s) - 1):
        if t_s[i] < gone_s - 1e-6:
            continue
        d = xyz[i + 1] - xyz[i]
        slow = min(
            performance.loaded_budget(lattice.aircraft, z, area().weather).airspeed_mps
            for z in (xyz[i, 2], xyz[i + 1, 2])
        )
        total += float(np.hypot(d[0], d[1])) / (slow - area().weather.wind_speed_mps)
    return total


def test_a_rally_point_opens_what_a_turning_wind_would_close() -> None:
    """Little endurance in a strong wind: nodes are left out for want of a refuge, a rally point brings them back."""
    strong = replace(area(), weather=replace(area().weather, wind_speed_mps=11.0, wind_from_rad=4.0))
    frame = replace(wing().airframe, max_climb_mps=8.0)
    found = None
    for endurance_s in range(2400, 7200, 300):
        tired = replace(wing(), airframe=replace(frame, endurance_s=float(endurance_s)))
        try:
            found = net(strong, tired)
            break
        except InfeasibleError:
            continue
    assert found is not None
    far = found.node_m[: found.base_node]
    base = found.base
    away = np.hypot(far[:, 0] - base.x_m, far[:, 1] - base.y_m)
    x_m, y_m = (float(v) for v in far[int(np.argmax(away))][:2])
    rally = Rally(
        id="rally", name="Rally", lat_deg=0.0, lon_deg=0.0, x_m=x_m, y_m=y_m,
        alt_msl_m=float(relief().ground_m.min()),
    )  # fmt: skip
    helped = net(replace(strong, rallies=(rally,)), tired)
    assert found.refuge_s is not None and helped.refuge_s is not None
    assert (helped.refuge_s <= found.refuge_s + 1e-6).all()
    assert (helped.refuge_s < found.refuge_s - 60.0).any()
    assert len(helped.arc_to) >= len(found.arc_to)


# --- what binds, each with its numbers


def refused(place: Area, aircraft: Aircraft) -> str:
    with pytest.raises(InfeasibleError) as told:
        lattice = flights.net(place, relief(), aircraft, 0, STEP_S)
        rota.rota(place, lattice, WAVE_STEPS, WAVES, turn=0)
    assert told.value.remedy
    return told.value.message


def test_the_ceiling_is_named() -> None:
    low = replace(rotor(), airframe=replace(rotor().airframe, ceiling_msl_m=4550.0))
    assert "cannot fly above the strip: it reaches 4550 m" in refused(area(), low)


def test_thin_air_is_named_where_it_cannot_even_take_off() -> None:
    heavy = replace(rotor(), airframe=replace(rotor().airframe, ceiling_msl_m=4400.0))
    hot = replace(area(), weather=replace(area().weather, isa_offset_k=35.0))
    assert "cannot leave its base" in refused(hot, heavy) and "density altitude" in refused(hot, heavy)


def test_a_wind_stronger_than_the_airspeed_is_named() -> None:
    storm = replace(area(), weather=replace(area().weather, wind_speed_mps=40.0))
    unlimited = replace(wing(), airframe=replace(wing().airframe, max_wind_mps=None))
    assert "wind 40.0 m/s leaves no speed over ground" in refused(storm, unlimited)


def test_endurance_is_named_with_both_times() -> None:
    tired = replace(rotor(), airframe=replace(rotor().airframe, endurance_s=500.0))
    said = refused(area(), tired)
    assert "the way there and back takes" in said and "its endurance in this air after the reserve is" in said
    assert "the endurance" in said.split("What binds:")[1]


def test_a_slow_climb_is_named() -> None:
    lame = replace(wing(), airframe=replace(wing().airframe, max_climb_mps=0.12, endurance_s=7200.0))
    assert "the climb rate" in refused(area(), lame).split("What binds:")[1]


def test_a_radio_out_of_reach_is_named() -> None:
    whisper = replace(rotor(), radio=replace(rotor().radio, max_range_m=300.0))
    said = refused(area(), whisper)
    assert "radio" in said and f"the radio ({whisper.radio.name} to" in said.split("What binds:")[1]


def _ring(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _over_strip() -> np.ndarray:
    xy = relief().xy_m
    return _ring(*(xy.min(axis=0) - 2000.0), *(xy.max(axis=0) + 2000.0))


def test_the_zone_that_closes_the_strip_is_named() -> None:
    base = next(b for b in area().bases if b.id == wing().base_id)
    closed = Zone(id="closed", name="Closed", kind="no_fly", xy_m=_over_strip(), floor_msl_m=base.alt_msl_m + 50.0)
    harmless = Zone(id="harmless", name="Harmless", kind="no_look", xy_m=_over_strip())
    said = refused(replace(area(), zones=(closed, harmless)), wing())
    assert "may fly nowhere: no-fly zones leave it none of" in said
    assert "the no-fly zone closed" in said and "harmless" not in said


def test_zones_that_close_the_strip_only_together_are_named_together() -> None:
    ring = _over_strip()
    middle = 0.5 * (ring[0, 1] + ring[2, 1])
    floor_m = min(b.alt_msl_m for b in area().bases) + 60.0
    south = Zone(
        id="south", name="S", kind="no_fly", xy_m=_ring(*ring[0], ring[1, 0], middle + 500.0), floor_msl_m=floor_m
    )
    north = Zone(
        id="north", name="N", kind="no_fly", xy_m=_ring(ring[0, 0], middle - 500.0, *ring[2]), floor_msl_m=floor_m
    )
    said = refused(replace(area(), zones=(south, north)), wing())
    assert "the no-fly zones south, north together" in said


def test_terrain_voids_are_named() -> None:
    void = replace(area(), terrain=replace(area().terrain, heights_m=np.full_like(area().terrain.heights_m, np.nan)))
    with pytest.raises(InfeasibleError, match=r"of \d+ cells of \d+ m within .* km none is without a void"):
        flights.relief(void)
