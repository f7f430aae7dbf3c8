"""Missions from sorties: the timetable, the speeds, the waits, the frames, and what counts as the same mission."""

from __future__ import annotations

import math

import flights
import msgspec
import numpy as np
import places
import pytest

from kuntur.aircraft import performance
from kuntur.codecs import missions
from kuntur.codecs.missions import MissionItem, TimedMission
from kuntur.errors import ConfigError, InfeasibleError
from kuntur.geodesy import frames
from kuntur.model.plans import SWEEP, Look, Sortie

AREA = places.ridge_area()
WING, QUAD = AREA.fleet.aircraft[0], AREA.fleet.aircraft[1]


def _mission(sortie: Sortie, aircraft: object = QUAD) -> TimedMission:
    base = next(b for b in AREA.bases if b.id == aircraft.base_id)  # type: ignore[attr-defined]
    return missions.from_sortie(sortie, base, aircraft, AREA.frame, AREA.weather)  # type: ignore[arg-type]


@pytest.mark.parametrize("aircraft", [WING, QUAD])
def test_altitudes_are_relative_to_home_and_come_to_the_planned_height_above_sea(aircraft: object) -> None:
    timed = _mission(flights.sortie(AREA, aircraft), aircraft)  # type: ignore[arg-type]
    home = timed.mission.home_alt_msl_m
    for item in timed.mission.items:
        if item.command == missions.CHANGE_SPEED:
            continue
        assert item.frame == missions.FRAME_RELATIVE
        if item.command in (missions.WAYPOINT, missions.LOITER_TO_ALT) and item is not timed.mission.items[-2]:
            assert item.alt_m + home == pytest.approx(flights.LEVEL_M, abs=0.01)
    assert timed.mission.items[0].command == missions.TAKEOFF
    assert timed.mission.items[-1].command == missions.LAND
    assert timed.mission.items[-1].alt_m == 0.0


@pytest.mark.parametrize("aircraft", [WING, QUAD])
def test_commanded_speeds_cover_each_leg_in_its_time(aircraft: object) -> None:
    sortie = flights.sortie(AREA, aircraft, points=4)  # type: ignore[arg-type]
    timed = _mission(sortie, aircraft)
    speed, checked = 0.0, 0
    arrivals = {a.seq: a for a in timed.arrivals}
    previous = None
    for seq, item in enumerate(timed.mission.items, 1):
        if item.command == missions.CHANGE_SPEED:
            speed = item.params[1]
        if seq in arrivals:
            here = arrivals[seq]
            if previous is not None and here.hold_s == 0.0 and seq != timed.arrivals[-1].seq:
                flown_s = np.hypot(here.x_m - previous.x_m, here.y_m - previous.y_m) / speed
                assert previous.t_s + flown_s == pytest.approx(here.t_s, abs=1.0)
                checked += 1
            previous = here
    assert checked >= 2


def test_a_repeated_position_is_a_hover_for_a_multirotor_and_a_circle_for_a_wing() -> None:
    for aircraft, command in ((QUAD, missions.WAYPOINT), (WING, missions.LOITER_TIME)):
        sortie = flights.sortie(AREA, aircraft, points=3)
        k = 4  # the last patrol point: insert a wait of 150 s there
        later = [t + (150.0 if i >= k + 1 else 0.0) for i, t in enumerate(sortie.t_s)]
        t_s = (*sortie.t_s[: k + 1], sortie.t_s[k] + 150.0, *later[k + 1 :])
        sortie = msgspec.structs.replace(
            sortie,
            t_s=t_s,
            x_m=(*sortie.x_m[: k + 1], sortie.x_m[k], *sortie.x_m[k + 1 :]),
            y_m=(*sortie.y_m[: k + 1], sortie.y_m[k], *sortie.y_m[k + 1 :]),
            alt_msl_m=(*sortie.alt_msl_m[: k + 1], sortie.alt_msl_m[k], *sortie.alt_msl_m[k + 1 :]),
        )
        timed = _mission(sortie, aircraft)
        waits = [a for a in timed.arrivals if a.hold_s > 100.0 and (a.x_m, a.y_m) == (sortie.x_m[k], sortie.y_m[k])]
        assert [a.hold_s for a in waits] == [pytest.approx(150.0, abs=20.0)]
        assert timed.mission.items[waits[0].seq - 1].command == command


def test_a_change_of_height_on_the_spot_is_flown_before_going_on() -> None:
    sortie = flights.sortie(AREA, WING, points=2)
    k = 3
    up_s = 60.0 / performance.loaded_budget(WING, flights.LEVEL_M, AREA.weather).climb_mps + 2.0
    t_s = (*sortie.t_s[: k + 1], *(t + up_s for t in sortie.t_s[k:]))
    sortie = msgspec.structs.replace(
        sortie,
        t_s=t_s,
        x_m=(*sortie.x_m[: k + 1], *sortie.x_m[k:]),
        y_m=(*sortie.y_m[: k + 1], *sortie.y_m[k:]),
        alt_msl_m=(*sortie.alt_msl_m[: k + 1], sortie.alt_msl_m[k] + 60.0, *sortie.alt_msl_m[k + 1 :]),
    )
    commands = [item.command for item in _mission(sortie, WING).mission.items]
    assert commands.count(missions.LOITER_TO_ALT) == 3  # over the base, here, and down to the approach


def test_a_point_in_the_air_over_the_base_means_lifting_off_before_it() -> None:
    sortie = flights.sortie(AREA, QUAD)
    airborne = msgspec.structs.replace(sortie, alt_msl_m=(flights.LEVEL_M, *sortie.alt_msl_m[1:]))
    middle_m = (flights.LEVEL_M + AREA.bases[0].alt_msl_m) / 2.0
    climb = performance.loaded_budget(QUAD, middle_m, AREA.weather).climb_mps
    expected = sortie.t_s[0] - (flights.LEVEL_M - AREA.bases[0].alt_msl_m) / climb
    assert _mission(airborne).lift_off_s == pytest.approx(expected, abs=1.0)
    assert _mission(sortie).lift_off_s == sortie.t_s[0]


def test_a_leg_too_fast_for_the_aircraft_is_refused_with_the_leg_named() -> None:
    sortie = flights.sortie(AREA, QUAD, points=4)
    t_s = list(sortie.t_s)
    t_s[4] = t_s[3] + 5.0
    with pytest.raises(InfeasibleError, match="to point 4"):
        _mission(msgspec.structs.replace(sortie, t_s=tuple(t_s)))
    short = msgspec.structs.replace(sortie, t_s=(0.0, 1.0), x_m=(0.0, 1.0), y_m=(0.0, 1.0), alt_msl_m=(4300.0, 4300.0))
    with pytest.raises(InfeasibleError, match="needs three"):
        _mission(short)


def test_wind_is_in_the_commanded_speed() -> None:
    wind = msgspec.structs.replace(AREA.weather, wind_speed_mps=8.0, wind_from_rad=math.radians(270.0))
    east = missions.airspeed_for(20.0, 100.0, 0.0, wind, 4000.0)
    west = missions.airspeed_for(20.0, -100.0, 0.0, wind, 4000.0)
    assert (east, west) == (pytest.approx(12.0), pytest.approx(28.0))
    for dx, dy in ((100.0, 0.0), (-30.0, 70.0), (0.0, -1.0)):
        airspeed = missions.airspeed_for(15.0, dx, dy, wind, 4000.0)
        assert missions.ground_speed_for(airspeed, dx, dy, wind, 4000.0) == pytest.approx(15.0)


def test_read_back_forgives_what_autopilots_change_and_nothing_else() -> None:
    sent = MissionItem(command=16, frame=3, lat_deg=-18.1234567, lon_deg=-69.7654321, alt_m=716.8179321289062)
    as_stored = msgspec.structs.replace(sent, alt_m=716.82, params=(0.0, 0.0, 0.0, math.nan))
    assert missions.differences([sent], [as_stored]) == []
    assert missions.differences([msgspec.structs.replace(sent, frame=6)], [sent]) == []
    for changed in (
        msgspec.structs.replace(sent, frame=0),
        msgspec.structs.replace(sent, alt_m=717.0),
        msgspec.structs.replace(sent, lat_deg=sent.lat_deg + 2e-7),
        msgspec.structs.replace(sent, params=(5.0, 0.0, 0.0, 0.0)),
        msgspec.structs.replace(sent, command=17),
    ):
        assert len(missions.differences([sent], [changed])) == 1
    assert "2 items were sent" in missions.differences([sent, sent], [sent])[0]
    home = MissionItem(command=missions.RETURN_TO_LAUNCH, frame=3)
    assert missions.differences([home], [msgspec.structs.replace(home, frame=0, alt_m=3.0)]) == []


_PLAN = b'{"fileType":"Plan","version":1,"mission":'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"fileType":"Plan","version":2}',
        _PLAN + b"3}",
        _PLAN + b'{"plannedHomePosition":[0,0,0],"items":[{"type":"ComplexItem"}]}}',
        _PLAN + b'{"plannedHomePosition":[0,0,0],"items":[{"type":"SimpleItem","params":[1]}]}}',
    ],
)
def test_a_plan_file_that_is_none_ends_in_one_clear_error(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"\.plan"):
        missions.from_plan(data)


@pytest.mark.parametrize(
    ("text", "where"),
    [("", "empty"), ("QGC WPL 120\n", "QGC WPL 110"), ("QGC WPL 110\n", "home"), ("QGC WPL 110\n0\t1\t0\n", "Line 2"),
     ("QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\tx\t0\t0\t1\n", "Line 2")],
)  # fmt: skip
def test_a_waypoints_file_that_is_none_names_the_line(text: str, where: str) -> None:
    with pytest.raises(ConfigError, match=where):
        missions.from_waypoints(text)


def test_files_are_what_ground_stations_read() -> None:
    mission = _mission(flights.sortie(AREA, QUAD)).mission
    plan = msgspec.json.decode(missions.to_plan(mission))
    assert (plan["fileType"], plan["version"], plan["mission"]["firmwareType"]) == ("Plan", 1, 3)
    assert plan["mission"]["plannedHomePosition"][2] == mission.home_alt_msl_m
    assert [item["doJumpId"] for item in plan["mission"]["items"]] == list(range(1, len(mission.items) + 1))
    lines = missions.to_waypoints(mission).splitlines()
    assert lines[0] == "QGC WPL 110"
    assert all(len(line.split("\t")) == 12 for line in lines[1:])
    assert len(lines) == len(mission.items) + 2


NORTH_WEST = Look("stare", math.radians(315.0))


@pytest.mark.parametrize("aircraft", [WING, QUAD])
def test_where_the_look_changes_the_mission_names_a_region_of_interest(aircraft: object) -> None:
    plain = flights.sortie(AREA, aircraft, points=4)  # type: ignore[arg-type]
    legs = len(plain.t_s) - 1
    turned = msgspec.structs.replace(plain, looks=(SWEEP, SWEEP, NORTH_WEST, NORTH_WEST, *[SWEEP] * (legs - 4)))
    items = _mission(turned, aircraft).mission.items
    found = [(k, item) for k, item in enumerate(items) if item.command == missions.SET_ROI]
    assert len(found) == 2
    others = [item for item in items if item.command != missions.SET_ROI]
    assert tuple(others) == _mission(plain, aircraft).mission.items  # nothing else has changed
    (there, aim), (back, let_go) = found
    x_m, y_m = frames.to_local(AREA.frame, aim.lat_deg, aim.lon_deg)
    for k in (2, 3):  # the ends of the legs: from both it lies in the middle of the sector, within 10 degrees
        off = math.atan2(x_m - plain.x_m[k], y_m - plain.y_m[k]) - NORTH_WEST.azimuth_rad
        assert abs(math.remainder(off, 2.0 * math.pi)) < math.radians(10.0)
    assert let_go.lat_deg == let_go.lon_deg == let_go.alt_m == let_go.params[0] == 0.0
    places_before = [sum(item.command == missions.WAYPOINT for item in items[:k]) for k in (there, back)]
    assert places_before[1] - places_before[0] == 2  # the legs between


def test_a_change_of_look_cuts_a_wait_in_two() -> None:
    for aircraft in (QUAD, WING):
        sortie = flights.sortie(AREA, aircraft, points=2, wait_s=120.0)
        looks = [SWEEP] * (len(sortie.t_s) - 1)
        k = next(i for i in range(2, len(looks)) if sortie.x_m[i] == sortie.x_m[i + 1])  # waits on leg k
        looks[k] = NORTH_WEST
        timed = _mission(msgspec.structs.replace(sortie, looks=tuple(looks)), aircraft)
        roi = [i for i, item in enumerate(timed.mission.items, 1) if item.command == missions.SET_ROI]
        waits = [a for a in timed.arrivals if a.hold_s > 90.0 and (a.x_m, a.y_m) == (sortie.x_m[k], sortie.y_m[k])]
        assert len(roi) == 2 and len(waits) == 1
        assert roi[0] < waits[0].seq < roi[1]
        assert waits[0].t_s == pytest.approx(sortie.t_s[k + 1], abs=1.0)


def test_regions_of_interest_survive_the_files_and_the_canonical_form() -> None:
    legs = len(flights.sortie(AREA, QUAD).t_s) - 1
    turned = msgspec.structs.replace(flights.sortie(AREA, QUAD), looks=(SWEEP, NORTH_WEST, *[SWEEP] * (legs - 2)))
    mission = _mission(turned).mission
    assert missions.from_plan(missions.to_plan(mission)).items == mission.items
    assert missions.differences(mission.items, missions.from_waypoints(missions.to_waypoints(mission)).items) == []
    elsewhere = [
        msgspec.structs.replace(item, lat_deg=item.lat_deg + 1e-4) if item.command == missions.SET_ROI else item
        for item in mission.items
    ]
    assert len(missions.differences(mission.items, elsewhere)) == 2
