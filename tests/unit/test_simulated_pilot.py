"""The simulated autopilot, message by message and without sockets: missions, parameters, arming, failsafes."""

from __future__ import annotations

import math
from typing import Any

import flights
import msgspec
import numpy as np
import places
import pytest
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.codecs import mavlink, missions
from kuntur.codecs.missions import MissionItem
from kuntur.geodesy import frames, grid
from kuntur.model.place import Area
from kuntur.model.plans import SWEEP, Look
from kuntur.sim import telemetry
from kuntur.sim.mission_link import ASK_AGAIN_S, GIVE_UP_S, MOST_ITEMS
from kuntur.sim.pilot import Pilot

AREA = places.ridge_area()
ACCEPTED = dialect.MAV_MISSION_ACCEPTED
OK, FAILED, DENIED, UNSUPPORTED = (
    dialect.MAV_RESULT_ACCEPTED,
    dialect.MAV_RESULT_FAILED,
    dialect.MAV_RESULT_DENIED,
    dialect.MAV_RESULT_UNSUPPORTED,
)


class Ground:
    """A ground station in a test's hands: what it says goes through real frames, what it hears is kept."""

    def __init__(self, index: int = 1, flown_in: Area = AREA) -> None:
        self.aircraft = AREA.fleet.aircraft[index]
        self.to = (self.aircraft.system_id, 1)
        self.heard: list[Any] = []
        self.wall_s = 0.0
        self._up, down = mavlink.Packer(255, 190), mavlink.Packer(self.aircraft.system_id, 1)
        self.pilot = Pilot(
            flown_in, self.aircraft, flights.START_T_NS, lambda m: self.heard.append(mavlink.message(down.frame(m)))
        )
        self.base = next(b for b in AREA.bases if b.id == self.aircraft.base_id)
        sortie = flights.sortie(AREA, self.aircraft, t0_s=0.0)
        self.mission = missions.from_sortie(sortie, self.base, self.aircraft, AREA.frame, AREA.weather).mission

    def say(self, message: Any) -> list[Any]:
        """Send one message; returns what the aircraft answers at once."""
        before = len(self.heard)
        self.pilot.handle(mavlink.message(self._up.frame(message)), self.wall_s)
        return self.heard[before:]

    def pass_time(self, sim_s: float, wall_s: float = 0.0, *, beat: bool = True) -> list[Any]:
        """Let time pass, with a heartbeat a second unless told otherwise; returns what is heard meanwhile."""
        before = len(self.heard)
        self.wall_s += wall_s
        for _ in range(max(1, round(sim_s))):
            if beat:
                self.say(dialect.MAVLink_heartbeat_message(dialect.MAV_TYPE_GCS, 8, 0, 0, 4, 3))
            self.pilot.advance(self.pilot.t_s + min(sim_s, 1.0), self.wall_s)
        return self.heard[before:]

    def command(self, number: int, *params: float) -> int:
        padded = [*params, *([0.0] * (7 - len(params)))]
        answers = self.say(dialect.MAVLink_command_long_message(*self.to, number, 0, *padded))
        return next(m.result for m in answers if m.get_type() == "COMMAND_ACK")

    def items(self) -> list[MissionItem]:
        strange = MissionItem(command=16, frame=0, lat_deg=1.0, lon_deg=2.0, alt_m=3.0)  # not its home
        return [strange, *self.mission.items]

    def give(self, item: MissionItem, seq: int, *, as_int: bool = True) -> list[Any]:
        return self.say(mavlink.mission_item_message(item, self.to, seq, as_int=as_int))

    def count(self, n: int, mission_type: int = 0) -> list[Any]:
        return self.say(dialect.MAVLink_mission_count_message(*self.to, n, mission_type))

    def upload(self, items: list[MissionItem] | None = None, *, as_int: bool = True) -> int:
        """The whole upload; returns the result in the acknowledgement."""
        items = self.items() if items is None else items
        answers = self.count(len(items))
        while answers[-1].get_type() == "MISSION_REQUEST":  # never MISSION_REQUEST_INT, as ArduPilot
            answers = self.give(items[answers[-1].seq], answers[-1].seq, as_int=as_int)
        assert answers[-1].get_type() == "MISSION_ACK"
        return int(answers[-1].type)

    def download(self) -> list[MissionItem]:
        (count,) = self.say(dialect.MAVLink_mission_request_list_message(*self.to, 0))
        ask = dialect.MAVLink_mission_request_int_message
        return [mavlink.mission_item(self.say(ask(*self.to, seq, 0))[0]) for seq in range(count.count)]

    def fly(self) -> None:
        """Upload, arm and start."""
        assert self.upload() == ACCEPTED
        self.pass_time(1.0)
        self.say(dialect.MAVLink_set_mode_message(self.to[0], 1, 10 if self.pilot.wing else 4))
        assert self.command(400, 1.0) == OK
        if not self.pilot.wing:
            assert self.command(300) == OK

    def texts(self) -> list[str]:
        return [m.text for m in self.heard if m.get_type() == "STATUSTEXT"]

    def set(self, name: str, value: float) -> float:
        (answer,) = self.say(dialect.MAVLink_param_set_message(*self.to, name.encode(), value, 9))
        return float(answer.param_value)


# --- missions


@pytest.mark.parametrize("as_int", [True, False])
def test_a_mission_goes_up_and_comes_back(as_int: bool) -> None:
    ground = Ground()
    assert ground.upload(as_int=as_int) == ACCEPTED
    home, *items = ground.download()
    if as_int:
        assert missions.differences(ground.mission.items, items) == []
    assert (home.frame, home.alt_m) == (0, pytest.approx(ground.base.alt_msl_m))
    assert home.lat_deg == pytest.approx(ground.base.lat_deg, abs=1e-7)  # its own, not the one sent


def test_lost_late_and_doubled_items_do_no_harm() -> None:
    ground = Ground()
    items = ground.items()
    (ask,) = ground.count(len(items))
    assert ask.seq == 0
    assert ground.give(items[3], 3) == []  # early
    (ask,) = ground.give(items[0], 0)
    assert ask.seq == 1
    assert ground.give(items[0], 0) == []  # twice
    (again,) = [m for m in ground.pass_time(0.3, ASK_AGAIN_S + 0.1) if m.get_type() == "MISSION_REQUEST"]
    assert again.seq == 1  # ours was lost, so it asks again
    for seq in range(1, len(items)):
        answer = ground.give(items[seq], seq)[-1]
    assert (answer.get_type(), answer.type) == ("MISSION_ACK", ACCEPTED)
    assert ground.give(items[-1], len(items) - 1)[-1].type == ACCEPTED  # the acknowledgement was lost
    assert missions.differences(ground.mission.items, ground.download()[1:]) == []


def test_a_half_sent_mission_times_out_and_the_old_one_stays() -> None:
    ground = Ground()
    assert ground.upload() == ACCEPTED
    ground.count(5)
    ground.give(ground.items()[0], 0)
    heard = ground.pass_time(0.3, GIVE_UP_S + 0.1)
    results = [m.type for m in heard if m.get_type() == "MISSION_ACK"]
    assert results == [dialect.MAV_MISSION_OPERATION_CANCELLED]
    assert missions.differences(ground.mission.items, ground.download()[1:]) == []


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"params": (math.inf, 0.0, 0.0, 0.0)}, dialect.MAV_MISSION_INVALID_PARAM1),
        ({"params": (0.0, math.nan, 0.0, 0.0)}, dialect.MAV_MISSION_INVALID_PARAM2),
        ({"params": (0.0, 0.0, -math.inf, 0.0)}, dialect.MAV_MISSION_INVALID_PARAM3),
        ({"params": (0.0, 0.0, 0.0, math.nan)}, ACCEPTED),  # heading left open
        ({"lat_deg": 95.0}, dialect.MAV_MISSION_INVALID_PARAM5_X),
        ({"lon_deg": 200.0}, dialect.MAV_MISSION_INVALID_PARAM6_Y),
        ({"alt_m": math.nan}, dialect.MAV_MISSION_INVALID_PARAM7),
        ({"frame": 1}, dialect.MAV_MISSION_UNSUPPORTED_FRAME),
        ({"frame": 6}, ACCEPTED),
        ({"command": 82}, dialect.MAV_MISSION_UNSUPPORTED),  # spline
    ],
)
def test_each_bad_item_is_refused_with_its_own_code(change: dict[str, Any], result: int) -> None:
    ground = Ground()
    items = ground.items()
    items[3] = msgspec.structs.replace(items[3], command=16, **{k: v for k, v in change.items() if k != "command"})
    if "command" in change:
        items[3] = msgspec.structs.replace(items[3], command=change["command"])
    assert ground.upload(items) == result
    if result != ACCEPTED:
        assert len(ground.download()) == 1  # nothing but home
    elif "frame" in change:
        assert ground.download()[3].frame == 3


def test_too_many_items_fences_and_unknown_numbers() -> None:
    ground = Ground()
    assert ground.count(MOST_ITEMS + 1)[-1].type == dialect.MAV_MISSION_NO_SPACE
    assert ground.count(3, mission_type=1)[-1].type == dialect.MAV_MISSION_UNSUPPORTED
    ask = dialect.MAVLink_mission_request_int_message(*ground.to, 77, 0)
    assert ground.say(ask)[-1].type == dialect.MAV_MISSION_INVALID_SEQUENCE
    assert ground.upload() == ACCEPTED
    assert ground.say(dialect.MAVLink_mission_clear_all_message(*ground.to, 0))[-1].type == ACCEPTED
    assert len(ground.download()) == 1


def test_a_mission_being_flown_cannot_be_changed() -> None:
    ground = Ground()
    ground.fly()
    ground.pass_time(5.0)
    assert ground.count(3)[-1].type == dialect.MAV_MISSION_DENIED
    assert ground.say(dialect.MAVLink_mission_clear_all_message(*ground.to, 0))[-1].type == dialect.MAV_MISSION_DENIED


def test_what_is_for_another_aircraft_is_left_alone() -> None:
    ground = Ground()
    other = dialect.MAVLink_command_long_message(77, 1, 400, 0, 1.0, *([0.0] * 6))
    assert ground.say(other) == []
    assert not ground.pilot.armed


# --- words and parameters


def test_it_says_that_it_is_simulated() -> None:
    ground = Ground()
    assert ground.command(dialect.MAV_CMD_REQUEST_MESSAGE, dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION) == OK
    assert any(m.get_type() == "AUTOPILOT_VERSION" for m in ground.heard)
    assert telemetry.SAYS in ground.texts()
    ground.fly()
    assert all("simulated" in text.lower() for text in ground.texts())


def test_parameters_are_listed_read_set_and_kept_in_range() -> None:
    ground = Ground(index=0)
    listed = ground.say(dialect.MAVLink_param_request_list_message(*ground.to))
    assert {m.param_count for m in listed} == {len(listed)}
    assert sorted(m.param_index for m in listed) == list(range(len(listed)))
    assert ground.set("FS_LONG_TIMEOUT", 20.0) == 20.0
    assert ground.set("LIM_ROLL_CD", 9000.0) == 4500.0  # out of range: the old value comes back
    assert ground.set("LIM_ROLL_CD", math.nan) == 4500.0
    read = dialect.MAVLink_param_request_read_message(*ground.to, b"FS_LONG_TIMEOUT", -1)
    assert ground.say(read)[0].param_value == 20.0
    assert ground.say(dialect.MAVLink_param_request_read_message(*ground.to, b"NO_SUCH", -1)) == []


def test_telemetry_comes_at_its_rate_and_the_rate_can_be_set() -> None:
    ground = Ground()

    def rate(kind: str) -> int:
        return sum(m.get_type() == kind for m in ground.pass_time(60.0))

    assert rate("GLOBAL_POSITION_INT") == pytest.approx(60, abs=1)
    interval = dialect.MAV_CMD_SET_MESSAGE_INTERVAL
    assert ground.command(interval, dialect.MAVLINK_MSG_ID_ATTITUDE, 10e6) == OK
    assert rate("ATTITUDE") == pytest.approx(6, abs=1)
    assert ground.command(interval, dialect.MAVLINK_MSG_ID_ATTITUDE, -1) == OK
    assert rate("ATTITUDE") == 0
    assert ground.command(interval, 12_345, 1e6) == UNSUPPORTED
    assert ground.command(31_999) == UNSUPPORTED


def test_what_it_tells_decodes_to_where_it_is() -> None:
    ground = Ground(index=0)
    ground.fly()
    state = None
    for said in ground.pass_time(900.0):
        t_ns = flights.START_T_NS + round(ground.pilot.t_s * 1e9)
        state = mavlink.decode(bytes(said.get_msgbuf()), state, t_ns=t_ns, aircraft_id="x")
    assert state is not None and state.armed and state.mode == "AUTO"
    x_m, y_m = frames.to_local(AREA.frame, state.lat_deg, state.lon_deg)
    body = ground.pilot.body
    assert np.hypot(x_m - body.x_m, y_m - body.y_m) < 2 * body.ground_speed_mps
    assert state.alt_msl_m == pytest.approx(body.alt_msl_m, abs=5.0)
    assert state.battery_fraction == pytest.approx(body.energy_left, abs=0.02)
    assert state.mission_item == ground.pilot.current


# --- flying


@pytest.mark.parametrize("index", [0, 1])
def test_a_mission_is_flown_to_its_points_in_order_and_landed(index: int) -> None:
    ground = Ground(index)
    ground.fly()
    nearest = {}
    targets = [i for i in ground.mission.items if i.command == missions.WAYPOINT]
    for _ in range(6000):
        ground.pass_time(1.0)
        for k, item in enumerate(targets):
            x_m, y_m = frames.to_local(AREA.frame, item.lat_deg, item.lon_deg)
            d = float(np.hypot(x_m - ground.pilot.body.x_m, y_m - ground.pilot.body.y_m))
            nearest[k] = min(nearest.get(k, math.inf), d)
        if not ground.pilot.armed:
            break
    assert not ground.pilot.armed and "Landed, disarmed (simulated)" in ground.texts()
    assert max(nearest.values()) < (100.0 if index == 0 else 10.0)  # seen once a second
    reached = [m.seq for m in ground.heard if m.get_type() == "MISSION_ITEM_REACHED"]
    assert reached == list(range(1, len(ground.mission.items)))
    used = ground.pilot.body.energy_left
    ground.pass_time(ground.aircraft.turnround_s + 2.0)
    assert used < 1.0 and ground.pilot.body.energy_left == 1.0


def test_it_turns_to_another_item_when_told() -> None:
    ground = Ground()
    set_current = dialect.MAVLink_mission_set_current_message
    ground.say(set_current(*ground.to, 3))
    assert ground.pilot.current == 1  # on the ground nothing changes
    ground.fly()
    ground.pass_time(30.0)
    assert ground.command(dialect.MAV_CMD_DO_SET_MISSION_CURRENT, 5) == OK
    assert ground.pilot.current == 5
    assert ground.command(dialect.MAV_CMD_DO_SET_MISSION_CURRENT, 99) == DENIED
    told = ground.say(set_current(*ground.to, 3))
    assert [m.seq for m in told if m.get_type() == "MISSION_CURRENT"] == [3]


def test_it_does_not_arm_when_it_should_not() -> None:
    ground = Ground()
    assert ground.command(300) == DENIED  # nothing on board, not armed
    ground.upload()
    ground.pass_time(1.0)
    ground.pilot.body.energy_left = 0.4
    assert ground.command(400, 1.0) == FAILED
    assert "PreArm: battery 40% (simulated)" in ground.texts()
    assert Ground().command(400, 1.0) == OK
    windy = msgspec.structs.replace(AREA, weather=msgspec.structs.replace(AREA.weather, wind_speed_mps=13.5))
    storm = Ground(flown_in=windy)
    assert storm.command(400, 1.0) == FAILED
    assert any("wind 13.5 m/s" in text for text in storm.texts())
    assert all(text.endswith("(simulated)") and len(text) <= 50 for text in storm.texts())


def test_terrain_items_wait_for_terrain_data_and_then_follow_the_ground() -> None:
    ground = Ground()
    ground.mission = msgspec.structs.replace(
        ground.mission,
        items=tuple(
            msgspec.structs.replace(item, frame=10, alt_m=300.0) if item.command == missions.WAYPOINT else item
            for item in ground.mission.items
        ),
    )
    assert ground.upload() == ACCEPTED
    ground.pass_time(1.0)
    ground.say(dialect.MAVLink_set_mode_message(ground.to[0], 1, 4))
    assert ground.command(400, 1.0) == FAILED
    assert "PreArm: waiting for terrain data (simulated)" in ground.texts()
    for _ in range(200):
        asked = [m for m in ground.pass_time(0.3, 1.0) if m.get_type() == "TERRAIN_REQUEST"]
        if not asked:
            break
        for data in _terrain_data(asked[-1]):
            ground.say(data)
    assert ground.command(400, 1.0) == OK
    assert ground.command(300) == OK
    heights = []
    while ground.pilot.armed and ground.pilot.current < len(ground.mission.items):
        ground.pass_time(5.0)
        body = ground.pilot.body
        if ground.pilot.current > 4 and math.hypot(body.x_m - ground.base.x_m, body.y_m - ground.base.y_m) > 600.0:
            heights.append(body.alt_msl_m - float(grid.height_at(AREA.terrain, body.x_m, body.y_m)))
    assert len(heights) > 10 and min(heights) > 200.0


def _terrain_data(asked: Any) -> list[Any]:
    """What a ground station answers, from the true terrain."""
    x0, y0 = frames.to_local(AREA.frame, asked.lat / 1e7, asked.lon / 1e7)
    answers = []
    for bit in (b for b in range(56) if asked.mask >> b & 1):
        north = (bit // 8 * 4 + np.repeat(np.arange(4), 4)) * asked.grid_spacing
        east = (bit % 8 * 4 + np.tile(np.arange(4), 4)) * asked.grid_spacing
        heights = grid.height_at(AREA.terrain, x0 + east, y0 + north)
        data = [4300 if np.isnan(h) else round(float(h)) for h in heights]
        answers.append(dialect.MAVLink_terrain_data_message(asked.lat, asked.lon, asked.grid_spacing, bit, data))
    return answers


@pytest.mark.parametrize(("index", "enable", "returns"), [(1, True, True), (1, False, False), (0, True, True)])
def test_a_lost_link_brings_it_home_only_when_that_was_set(index: int, enable: bool, returns: bool) -> None:
    ground = Ground(index)
    if enable and index == 1:
        ground.set("FS_GCS_ENABLE", 1.0)
        ground.set("FS_GCS_TIMEOUT", 20.0)
        ground.set("RTL_ALT", 60_000.0)
    elif enable:
        ground.set("FS_GCS_ENABL", 1.0)
        ground.set("FS_LONG_ACTN", 1.0)
        ground.set("FS_LONG_TIMEOUT", 20.0)
        ground.set("ALT_HOLD_RTL", 60_000.0)
    ground.fly()
    ground.pass_time(400.0)
    assert ground.pilot.mode == "AUTO"
    ground.pass_time(15.0, beat=False)
    assert ground.pilot.mode == "AUTO"  # not yet
    ground.pass_time(10.0, beat=False)
    assert ground.pilot.mode in (("RTL", "LAND") if returns else ("AUTO",))
    if returns:
        while ground.pilot.armed:
            ground.pass_time(10.0, beat=False)
        assert not ground.pilot.wrecked
        assert (ground.pilot.body.x_m, ground.pilot.body.y_m) == (ground.base.x_m, ground.base.y_m)


def test_the_plane_s_default_failsafe_carries_on() -> None:
    ground = Ground(index=0)
    ground.set("FS_GCS_ENABL", 1.0)
    ground.fly()
    ground.pass_time(60.0)
    ground.pass_time(60.0, beat=False)
    assert ground.pilot.mode == "AUTO"
    assert "GCS failsafe: continuing (simulated)" in ground.texts()


def test_return_on_command_climbs_to_the_return_altitude_first() -> None:
    ground = Ground()
    ground.set("RTL_ALT", 90_000.0)
    ground.fly()
    ground.pass_time(500.0)  # up and on its way
    level = ground.pilot.body.alt_msl_m
    assert level < ground.base.alt_msl_m + 800.0
    assert ground.command(20) == OK
    highest = level
    while ground.pilot.armed:
        ground.pass_time(5.0)
        highest = max(highest, ground.pilot.body.alt_msl_m)
    assert highest == pytest.approx(ground.base.alt_msl_m + 900.0, abs=5.0)
    assert not ground.pilot.wrecked


def test_it_crashes_into_a_ridge_it_is_sent_into_and_falls_when_empty() -> None:
    ground = Ground()
    low = tuple(
        msgspec.structs.replace(i, alt_m=min(i.alt_m, 120.0)) if i.command != missions.CHANGE_SPEED else i
        for i in ground.mission.items
    )
    x, y = frames.to_geodetic(AREA.frame, -300.0, 2000.0)
    through = msgspec.structs.replace(low[2], lat_deg=float(x), lon_deg=float(y), command=missions.WAYPOINT)
    ground.mission = msgspec.structs.replace(ground.mission, items=(low[0], through, low[-1]))
    ground.fly()
    ground.pass_time(1200.0)
    assert ground.pilot.wrecked and "CRASH: Hit the ground (simulated)" in ground.texts()
    assert ground.command(400, 1.0) == FAILED
    empty = Ground()
    empty.fly()
    empty.pass_time(120.0)
    empty.pilot.body.energy_left = 0.002
    empty.pass_time(120.0)
    assert empty.pilot.wrecked and "CRASH: No energy left (simulated)" in empty.texts()


def test_a_low_battery_brings_it_home_by_itself() -> None:
    ground = Ground()
    ground.fly()
    ground.pass_time(700.0)  # up and on its way
    ground.pilot.body.energy_left = 0.119
    ground.pass_time(3.0)
    assert ground.pilot.mode == "RTL"
    assert "Battery failsafe: returning (simulated)" in ground.texts()


def test_the_gimbal_goes_to_the_region_of_interest_and_lets_it_go_again() -> None:
    g = Ground()
    sortie = flights.sortie(AREA, g.aircraft, t0_s=0.0, points=3)
    azimuth_rad = math.radians(200.0)
    looks = [SWEEP] * (len(sortie.t_s) - 1)
    looks[2] = Look("border", azimuth_rad)
    sortie = msgspec.structs.replace(sortie, looks=tuple(looks))
    g.mission = missions.from_sortie(sortie, g.base, g.aircraft, AREA.frame, AREA.weather).mission
    g.fly()
    assert missions.differences(g.mission.items, g.download()[1:]) == []
    seen: list[tuple[int, float | None]] = []
    for _ in range(4000):
        g.pass_time(1.0)
        seen.append((g.pilot.current, g.pilot.roi_azimuth_rad))
        if not g.pilot.airborne:
            break
    roi = [k for k, item in enumerate(g.mission.items, 1) if item.command == missions.SET_ROI]
    on = [azimuth for current, azimuth in seen if roi[0] < current < roi[1]]
    off = [azimuth for current, azimuth in seen if not roi[0] <= current <= roi[1]]
    assert len(on) > 20 and len(off) > 20
    assert all(abs(math.remainder(a - azimuth_rad, 2 * math.pi)) < math.radians(10.0) for a in on if a is not None)
    assert None not in on and set(off) == {None}
