"""The checker: it passes a good plan, and every kind of damage fails it, each for its own reason."""

from __future__ import annotations

import ast
import itertools
import math
from pathlib import Path

import made_plans
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_plans import changed, recolumn
from msgspec.structs import replace

from kuntur.model.place import Area, Weather, WindLevel, Zone
from kuntur.model.plans import Look, Segment, Strategy, Wave
from kuntur.ops import plan_check_duty, plan_check_night
from kuntur.ops.plan_check import check_strategy

AREA, GOOD = made_plans.area(), made_plans.good()


def of(aircraft_id: str, wave: int) -> Segment:
    return next(s for s in GOOD.segments if s.aircraft_id == aircraft_id and s.wave == wave and s.t_s)


def moved(s: Segment, i: int, dx: float = 0.0, dy: float = 0.0, dz: float = 0.0, dt: float = 0.0) -> Strategy:
    """GOOD with one vertex of one segment elsewhere."""
    shifted = {}
    for field, by in (("x_m", dx), ("y_m", dy), ("alt_msl_m", dz), ("t_s", dt)):
        values = list(getattr(s, field))
        values[i] += by
        shifted[field] = tuple(values)
    return changed(GOOD, s.id, **shifted)


def said(planned: Strategy, area: Area = AREA) -> str:
    return "\n".join(check_strategy(area, planned))


def test_a_good_plan_passes() -> None:
    assert check_strategy(AREA, GOOD) == []


def test_it_shares_no_code_with_the_planner(repository: Path) -> None:
    for path in (repository / "src" / "kuntur" / "ops").glob("plan_check*.py"):
        names = []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
        assert not any("patrol" in name or "_core" in name or "rays" in name for name in names), path.name
        assert len(path.read_text(encoding="utf-8").splitlines()) < 600


WING, LAST, ROTOR = of("wing-n", 1), of("wing-n", 3), of("rotor", 2)


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (moved(WING, 1, dz=-690.0), "above the ground"),
        (moved(WING, 1, dx=-3500.0), "crosses the border"),
        (moved(WING, 1, dx=30_000.0), "leaves the terrain"),
        (moved(WING, 1, dy=6000.0), "faster than it flies"),
        (moved(WING, 1, dz=1400.0), "climbs at"),
        (moved(WING, 1, dz=1600.0), "above the ceiling"),
        (moved(WING, -1, dy=300.0), "do not join"),
        (moved(WING, 0, dz=40.0), "do not join"),
        (moved(LAST, 0, dx=200.0), "do not join"),
        (moved(LAST, -1, dt=-400.0), "sinks at"),
        (moved(LAST, -1, dx=60.0), "ends inside its wave away from the base"),
        (moved(of("wing-n", 0), 0, dx=60.0), "begins inside its wave away from the base"),
        (moved(WING, -1, dt=5.0), "outside its wave"),
        (moved(WING, 1, dt=-2000.0), "times do not rise"),
        (moved(WING, 1, dx=math.nan), "not a number"),
        (changed(GOOD, WING.id, x_m=WING.x_m[:-1]), "not of one length"),
        (changed(GOOD, WING.id, endurance_s=10.0), "states 10 s of endurance"),
        (changed(GOOD, WING.id, id=WING.id + 1), "the same id"),
        (changed(GOOD, WING.id, aircraft_id="wing-s"), "to wing-n"),
        (changed(GOOD, WING.id, looks=(Look(),)), "1 looks for"),
        (
            changed(GOOD, WING.id, looks=(Look(kind="stare"),) * (len(WING.t_s) - 1)),
            "looks by stare, which wing-n is not given",
        ),
        (recolumn(GOOD, 1, 0, weight=GOOD.waves[1].columns[0].weight + 1), "weights of wave 1 add up to 21, not 20"),
        (recolumn(GOOD, 1, 7, weight=-1), "negative weight"),
        (recolumn(GOOD, 1, 0, begins=1), "add up to"),
        (recolumn(GOOD, 1, 0, ends=1), "do not join in layout 1"),
        (recolumn(GOOD, 1, 0, segment_ids=GOOD.waves[2].columns[0].segment_ids), "wave 1 uses segment"),
        (recolumn(GOOD, 1, 0, segment_ids=GOOD.waves[1].columns[0].segment_ids[:2]), "2 segments for 3 aircraft"),
        (recolumn(GOOD, 1, 0, segment_ids=(999, 1, 2)), "segment 999, which does not exist"),
        (replace(GOOD, weight_total=19), "add up to 20, not 19"),
        (replace(GOOD, watch_duration_s=5000.0), "the watch at 5000 s"),
        (replace(GOOD, aircraft_ids=("wing-x", "wing-s", "rotor")), "wing-x is not in the area's fleet"),
        (replace(GOOD, base_ids=("north", "north", "south")), "based at south, not at north"),
        (replace(GOOD, base_ids=("north", "moon", "south")), "base moon is not in the area"),
    ],
)  # fmt: skip
def test_damage_is_found(damaged: Strategy, words: str) -> None:
    assert words in said(damaged)


def test_a_column_that_ends_in_another_layout_does_not_join() -> None:
    """Swapped between layouts, a column's segments end where those that may follow do not begin."""
    first, last = GOOD.waves[1].columns[0], GOOD.waves[1].columns[-1]
    assert first.ends != last.ends
    assert "do not join" in said(recolumn(GOOD, 1, 0, segment_ids=last.segment_ids))


def test_a_layout_that_can_be_reached_needs_columns() -> None:
    waves = list(GOOD.waves)
    waves[2] = replace(waves[2], columns=tuple(c for c in waves[2].columns if c.begins == 0))
    assert "no column of wave 2 in layout 1 begins there" in said(replace(GOOD, waves=tuple(waves)))
    only = tuple(replace(c, ends=0) for c in GOOD.waves[1].columns if c.ends == 0)
    scaled = tuple(replace(c, weight=10) for c in only)
    waves[1] = replace(waves[1], columns=scaled)
    assert "can be reached" not in said(replace(GOOD, waves=tuple(waves)))


def test_waves_follow_one_another() -> None:
    gap = replace(GOOD.waves[2], start_s=GOOD.waves[2].start_s + 1.0)
    waves: tuple[Wave, ...] = (*GOOD.waves[:2], gap, GOOD.waves[3])
    assert "wave 2 does not begin where the one before ends" in said(replace(GOOD, waves=waves))


def test_zones_radio_wind_and_air() -> None:
    x, y = WING.x_m[1], WING.y_m[1]
    ring = np.array([[x - 90, y - 90], [x + 90, y - 90], [x, y + 90]])
    for low, high, hit in ((None, None, True), (None, 4900.0, False), (4990.0, 5010.0, True), (5200.0, None, False)):
        zone = Zone(id="z", name="Z", kind="no_fly", xy_m=ring, floor_msl_m=low, ceiling_msl_m=high)
        assert ("enters the no-fly zone Z" in said(GOOD, replace(AREA, zones=(zone,)))) == hit
    deaf = tuple(replace(a, radio=replace(a.radio, max_range_m=1500.0)) for a in AREA.fleet.aircraft)
    assert "no radio link" in said(GOOD, replace(AREA, fleet=replace(AREA.fleet, aircraft=deaf)))
    weak = tuple(replace(a, radio=replace(a.radio, tx_power_dbm=-20.0)) for a in AREA.fleet.aircraft)
    assert "no radio link" in said(GOOD, replace(AREA, fleet=replace(AREA.fleet, aircraft=weak)))
    assert "faster than it flies" in said(GOOD, replace(AREA, weather=Weather(wind_speed_mps=12.0)))
    high = WindLevel(alt_msl_m=5000.0, wind_speed_mps=12.0, wind_from_rad=0.0)
    calm = WindLevel(alt_msl_m=4000.0, wind_speed_mps=0.0, wind_from_rad=0.0)
    assert "wing-n" in said(GOOD, replace(AREA, weather=Weather(winds=(calm, high))))
    assert "faster" in said(GOOD, replace(AREA, weather=Weather(winds=(replace(calm, spread_mps=12.0),))))


def test_a_hill_in_the_way_cuts_the_radio() -> None:
    """A wall between the mast and the rotor's way: higher than its sight line, lower than the wings' ways."""
    x0, y0, _ = made_plans.pad("rotor")
    x1, y1 = made_plans.HOP
    rows, cols = np.indices(AREA.terrain.heights_m.shape)
    x = AREA.terrain.west_m + (cols + 0.5) * AREA.terrain.cell_m
    y = AREA.terrain.north_m - (rows + 0.5) * AREA.terrain.cell_m
    middle = np.hypot(x - 0.5 * (x0 + x1), y - 0.5 * (y0 + y1)) < 70.0
    heights = np.where(middle, made_plans.ALT_M["rotor"] - 52.0, AREA.terrain.heights_m).astype(np.float32)
    walled = replace(AREA, terrain=replace(AREA.terrain, heights_m=heights))
    near = tuple(
        replace(a, radio=replace(a.radio, max_range_m=3000.0)) if a.id == "rotor" else a for a in AREA.fleet.aircraft
    )  # out of reach of the other mast
    assert check_strategy(replace(AREA, fleet=replace(AREA.fleet, aircraft=near)), GOOD) == []
    found = said(GOOD, replace(walled, fleet=replace(AREA.fleet, aircraft=near)))
    assert "no radio link" in found and "rotor" in found and "above the ground" not in found


def test_the_terrains_error_widens_the_clearance() -> None:
    low = moved(WING, 1, dz=0.0)
    assert check_strategy(AREA, low) == []
    doubtful = replace(AREA, terrain=replace(AREA.terrain, vertical_error_le90_m=400.0))
    assert "above the ground" in said(low, doubtful)


def fleet(**fields: object) -> Area:
    changed = tuple(replace(a, **fields) for a in AREA.fleet.aircraft)
    return replace(AREA, fleet=replace(AREA.fleet, aircraft=changed))


def airframes(**fields: object) -> Area:
    frames = tuple(replace(a, airframe=replace(a.airframe, **fields)) for a in AREA.fleet.aircraft)
    return replace(AREA, fleet=replace(AREA.fleet, aircraft=frames))


def bases(**fields: object) -> Area:
    return replace(AREA, bases=tuple(replace(b, **fields) for b in AREA.bases))


def test_energy_and_the_way_home() -> None:
    tired = airframes(endurance_s=3600.0, battery_wh=400.0)
    found = said(GOOD, tired)
    assert "s endurance" in found and "no way home" in found


def test_energy_is_that_of_the_dearest_way_through_the_layouts() -> None:
    """What has been used when the last wave begins: the most over every sequence of columns, tried one by one."""
    one = AREA.fleet.aircraft[0]
    segments = {s.id: s for s in GOOD.segments}
    air = plan_check_night.Air(AREA, one, [s for s in GOOD.segments if s.aircraft_id == one.id])
    found = {
        s.id: before.used_s
        for w, s, before in plan_check_night._flown(GOOD, 0, segments, made_plans.pad(one.id), air)
        if w == 3
    }
    most: dict[int, float] = {}
    for night in itertools.product(*(wave.columns for wave in GOOD.waves)):
        if all(a.ends == b.begins for a, b in itertools.pairwise(night)):
            used = sum(air.used_s(segments[c.segment_ids[0]])[-1] for c in night[:3])
            last = night[3].segment_ids[0]
            most[last] = max(most.get(last, 0.0), used)
    assert found == pytest.approx(most) and len(found) == 2


def test_turn_round() -> None:
    assert check_strategy(fleet(turnround_s=1900.0), GOOD) == []
    assert "takes off in wave 2" in said(GOOD, fleet(turnround_s=2300.0))


def test_pads_are_counted_across_a_wave_boundary() -> None:
    """The northern wing lands just before a boundary while another leaves the same base just after it."""
    assert "take-offs or landings at south" in said(GOOD, bases(pads=0))
    near = of("wing-s", 0)
    both = changed(GOOD, of("rotor", 0).id, t_s=tuple(t - 660.0 for t in of("rotor", 0).t_s))
    assert near.t_s[0] == 40.0 and "within 60 s" in said(both, bases(pads=1))
    assert "within 60 s" not in said(both, bases(pads=2))
    landed = plan_check_duty.Event(1195.0, "south", False)
    left = plan_check_duty.Event(1210.0, "south", True)
    assert list(plan_check_duty._crowds([landed, left], {"south": 1})) == [left]


def test_crews_and_their_hours() -> None:
    assert "cannot be dealt" not in said(GOOD, bases(crews=2))
    assert "the 3 flights from south cannot be dealt to its 1 crews" in said(GOOD, bases(crews=1))
    assert "of 30 min of duty" in said(GOOD, bases(crews=3, crew_duty_s=1800.0))
    assert "which has room for 1" in said(GOOD, bases(parking=1))


def test_flights_are_dealt_wherever_they_can_be() -> None:
    spans = [(0.0, 10.0), (5.0, 20.0), (12.0, 30.0), (21.0, 40.0)]
    assert plan_check_duty.dealt(spans, 2, math.inf)
    assert not plan_check_duty.dealt(spans, 1, math.inf)
    assert plan_check_duty.dealt(spans, 4, 20.0) and not plan_check_duty.dealt(spans, 4, 18.0)
    assert not plan_check_duty.dealt(spans, 2, 25.0)


def test_those_who_fly_by_day_stay_down_at_night() -> None:
    dated = replace(AREA, requirement=replace(AREA.requirement, date="2026-11-22"))  # the watch begins at 20:00
    with_fly = {f: fleet(fly=f).fleet for f in ("day", "night")}
    assert "flies only by day" in said(GOOD, replace(dated, fleet=with_fly["day"]))
    assert check_strategy(replace(dated, fleet=with_fly["night"]), GOOD) == []
    assert "does not say on which date" in said(GOOD, replace(AREA, fleet=with_fly["night"]))
    noon = replace(dated, requirement=replace(dated.requirement, start_local="11:00"))
    assert "the sun is up" in said(GOOD, replace(noon, fleet=with_fly["night"]))


def test_the_sun_stands_where_the_almanac_says() -> None:
    """Greenwich, equinox 2025: the sun's middle is on the horizon within minutes of 06:00 and 18:00 UTC."""
    start = plan_check_duty.datetime(2025, 3, 20, tzinfo=plan_check_duty.UTC)
    height = plan_check_duty.sun_height_rad(start, np.array([6.13, 12.12, 18.15]) * 3600.0, 51.48, 0.0)
    assert np.degrees(height[[0, 2]]) == pytest.approx([0.0, 0.0], abs=0.6)
    assert np.degrees(height[1]) == pytest.approx(90.0 - 51.48, abs=0.2)


def test_a_wing_needs_room_to_turn() -> None:
    """A hub moved to 60 m behind the line is on our side, but a wing cannot turn there."""
    border_x = 300.0 * math.sin(WING.y_m[1] / 2500.0)
    found = said(moved(WING, 1, dx=border_x + 60.0 - WING.x_m[1]))
    assert "from the border with a radius of" in found


def test_sectors_are_aimed_at_our_own_ground() -> None:
    sharp = replace(AREA.fleet.aircraft[0].camera, columns_px=3520, rows_px=2816)  # reaches over the border
    given = fleet(looks=("sweep", "stare"), camera=sharp)
    legs = len(WING.t_s) - 1
    east = changed(GOOD, WING.id, looks=(Look(kind="stare", azimuth_rad=math.pi / 2.0),) * legs)
    west = changed(GOOD, WING.id, looks=(Look(kind="stare", azimuth_rad=-math.pi / 2.0),) * legs)
    bare = replace(given, zones=())
    assert check_strategy(bare, east) == []
    assert "is aimed" in said(west, bare) and "abroad" in said(west, bare)
    ahead = np.array([[200.0, -300.0], [600.0, -300.0], [600.0, 300.0], [200.0, 300.0]])
    ahead = ahead + np.array([WING.x_m[1], WING.y_m[1]])
    hamlet = Zone(id="h", name="H", kind="no_look", xy_m=ahead)
    assert "into the no-look zone H" in said(east, replace(given, zones=(hamlet,)))


def test_aircraft_that_meet() -> None:
    """Also between two samples of any clock: two that pass each other head on at 50 m/s within 6 s."""
    one, other = (of(name, 1) for name in ("wing-n", "wing-s"))
    twin = changed(GOOD, other.id, alt_msl_m=one.alt_msl_m, x_m=one.x_m, y_m=one.y_m, t_s=one.t_s)
    assert "meet" in said(twin)
    east = Segment(
        id=0, aircraft_id="a", wave=0, t_s=(0.0, 100.0), x_m=(0.0, 2600.0), y_m=(0.0, 0.0), alt_msl_m=(5000.0,) * 2,
        energy_wh=0.0, endurance_s=0.0,
    )  # fmt: skip
    west = replace(east, id=1, x_m=(2600.0, 0.0))
    at_s = plan_check_night.meeting_s(east, west)
    assert at_s == pytest.approx(50.0 - 75.0 / 26.0, abs=1e-6)
    assert plan_check_night.meeting_s(east, replace(west, alt_msl_m=(5051.0, 5051.0))) is None
    assert plan_check_night.meeting_s(east, replace(west, y_m=(151.0, 151.0))) is None
    assert plan_check_night.meeting_s(east, replace(west, alt_msl_m=(5100.0, 4900.0))) is not None
    assert plan_check_night.meeting_s(east, replace(west, t_s=(100.0, 200.0))) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    a=st.tuples(*[st.floats(-400.0, 400.0)] * 4, *[st.floats(4900.0, 5100.0)] * 2),
    b=st.tuples(*[st.floats(-400.0, 400.0)] * 4, *[st.floats(4900.0, 5100.0)] * 2),
    shift=st.floats(0.0, 50.0),
)
def test_meeting_agrees_with_a_very_fine_clock(a: tuple, b: tuple, shift: float) -> None:
    def segment(v: tuple, t0: float) -> Segment:
        return Segment(
            id=0, aircraft_id="a", wave=0, t_s=(t0, t0 + 100.0), x_m=v[0:2], y_m=v[2:4], alt_msl_m=v[4:6],
            energy_wh=0.0, endurance_s=0.0,
        )  # fmt: skip

    one, other = segment(a, 0.0), segment(b, shift)
    t = np.linspace(shift, 100.0, 20_001)
    gap = np.array([np.interp(t, one.t_s, getattr(one, k)) - np.interp(t, other.t_s, getattr(other, k))
                    for k in ("x_m", "y_m", "alt_msl_m")])  # fmt: skip
    close = (np.hypot(gap[0], gap[1]) < 150.0) & (np.abs(gap[2]) < 50.0)
    found = plan_check_night.meeting_s(one, other)
    if found is None:
        assert not close.any()
    elif close.any():
        assert found == pytest.approx(float(t[close.argmax()]), abs=0.02)


FLYING = tuple(s.id for s in GOOD.segments if len(s.t_s) > 2)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    number=st.sampled_from(FLYING),
    place=st.floats(0.0, 1.0),
    by=st.tuples(*[st.floats(-1e5, 1e5)] * 3).filter(lambda v: np.linalg.norm(v) > 20_000.0),
)
def test_a_vertex_far_away_is_always_found(number: int, place: float, by: tuple[float, float, float]) -> None:
    s = GOOD.segments[number]
    i = round(place * (len(s.t_s) - 1))
    assert check_strategy(AREA, moved(s, i, *by)) != []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wave=st.integers(0, 3), number=st.integers(0, 7), by=st.integers(-20, 20).filter(bool))
def test_a_weight_that_is_raised_or_lowered_is_always_found(wave: int, number: int, by: int) -> None:
    columns = GOOD.waves[wave].columns
    number %= len(columns)
    assert check_strategy(AREA, recolumn(GOOD, wave, number, weight=columns[number].weight + by)) != []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wave=st.integers(1, 2), a=st.integers(0, 7), b=st.integers(0, 7))
def test_columns_swapped_between_layouts_are_always_found(wave: int, a: int, b: int) -> None:
    columns = GOOD.waves[wave].columns
    one, other = columns[a], columns[b]
    assume((one.begins, one.ends) != (other.begins, other.ends))
    swapped = recolumn(recolumn(GOOD, wave, a, segment_ids=other.segment_ids), wave, b, segment_ids=one.segment_ids)
    assert any("do not join" in words for words in check_strategy(AREA, swapped))
