"""A simulated autopilot: modes, commands, mission and telemetry of one aircraft, without sockets.

It speaks MAVLink as ArduPilot does and says in words that it is simulated. `handle` takes a message, `advance` flies up
to a time; both hand what they say to `send`. Failsafe clocks run in simulated time, as ArduPilot's do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.codecs import missions
from kuntur.codecs.mavlink import mode_number
from kuntur.codecs.missions import MissionItem
from kuntur.geodesy import frames
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area
from kuntur.sim import telemetry
from kuntur.sim.ground_data import GroundData
from kuntur.sim.mission_link import MissionLink
from kuntur.sim.motion import STEP_S, Body, Motion, Multirotor, Point, Wing, crashed
from kuntur.sim.parameters import Parameters
from kuntur.units import NS_PER_S

LEAST_CHARGE: Final = 0.5  # does not arm below: our choice
MARK: Final = " (simulated)"
TEXT_BYTES: Final = 50  # of STATUSTEXT
LOW_CHARGE: Final = 0.12  # returns by itself below: our choice, inside the 25 % reserve of every plan

_ACCEPTED, _DENIED = int(dialect.MAV_RESULT_ACCEPTED), int(dialect.MAV_RESULT_DENIED)
_UNSUPPORTED, _FAILED = int(dialect.MAV_RESULT_UNSUPPORTED), int(dialect.MAV_RESULT_FAILED)


class Pilot:
    """One aircraft on its pad at its base, unarmed, with a full battery, at `start_t_ns`."""

    def __init__(self, area: Area, aircraft: Aircraft, start_t_ns: int, send: Callable[[Any], None]) -> None:
        self.area = area
        self._surface_m = area.terrain.surface_m
        self.aircraft = aircraft
        self.start_t_ns = start_t_ns
        self.t_s = 0.0
        self.wing = aircraft.airframe.kind == "fixed_wing"
        self._send = send
        base = next(base for base in area.bases if base.id == aircraft.base_id)
        self.home: Point = (base.x_m, base.y_m, base.alt_msl_m)
        self.body = Body(aircraft, area.weather, self.home)
        self.parameters = Parameters(wing=self.wing, system_id=aircraft.system_id, send=send)
        self.ground = GroundData(area.frame, self.parameters["TERRAIN_SPACING"], send)
        home_item = MissionItem(
            command=missions.WAYPOINT,
            frame=missions.FRAME_MSL,
            lat_deg=base.lat_deg,
            lon_deg=base.lon_deg,
            alt_m=base.alt_msl_m,
        )
        self.mission = MissionLink(home_item, send, busy=lambda: self.airborne and self.mode == "AUTO")
        self.motion: Motion = self._motion()
        reference_m = 10_000.0
        lat_deg, lon_deg = frames.to_geodetic(area.frame, reference_m, 0.0)
        convergence = frames.convergence_rad(area.frame, float(lat_deg), float(lon_deg))
        self._convergence_per_m = convergence / reference_m
        self.vehicle_type = int(dialect.MAV_TYPE_FIXED_WING if self.wing else dialect.MAV_TYPE_QUADROTOR)
        self.mode = self._manual = "MANUAL" if self.wing else "STABILIZE"
        self.armed = self.airborne = self.wrecked = False
        self.junk_bytes = 0  # received and not understood; reported in SYS_STATUS
        self.current = 1
        self._leg_from: Point = self.home
        self._speed_mps = self.body.budget.airspeed_mps
        self._hold_s = 0.0
        self._target: Point | None = None  # where the current item is; None: to be worked out
        self._returning = False
        self._roi_m: tuple[float, float] | None = None
        self._charged_at_s = math.inf
        self._gcs_heard_s = math.nan
        self._due = dict.fromkeys(telemetry.STREAMS, 0.0)
        self._every = dict(telemetry.STREAMS)

    def _motion(self) -> Motion:
        if not self.wing:
            return Multirotor(self.body)
        return Wing(
            self.body,
            waypoint_radius_m=self.parameters["WP_RADIUS"],
            loiter_radius_m=self.parameters["WP_LOITER_RAD"],
            bank_rad=math.radians(self.parameters["LIM_ROLL_CD"] / 100.0),
        )

    # --- time

    def advance(self, t_s: float, wall_s: float) -> None:
        """Fly up to `t_s` seconds after the start, sending telemetry as it falls due."""
        self.mission.tick(wall_s)
        self.ground.tick(wall_s)
        if self.mission.changed:
            self._new_mission()
        while self.t_s + STEP_S <= t_s:
            self.t_s += STEP_S
            if self.airborne:
                self._fly(STEP_S)
            elif self.t_s >= self._charged_at_s:
                self._charged_at_s, self.body.energy_left = math.inf, 1.0
                self._say("Battery changed" if self.aircraft.airframe.battery_wh else "Tank filled")
            self._watch_link()
            for kind, due_s in self._due.items():
                if due_s <= self.t_s:
                    self._due[kind] = self.t_s + self._every[kind]
                    self._report(kind)

    def skip_to(self, t_s: float) -> None:
        """Begin at `t_s` seconds after the start, standing on the pad."""
        self.t_s = max(0.0, t_s // STEP_S * STEP_S)

    def _new_mission(self) -> None:
        self.mission.changed, self.current = False, 1
        points = [self.home, *(self._place(item) for item in self.mission.items if self._has_place(item))]
        if any(item.frame == missions.FRAME_TERRAIN for item in self.mission.items):
            for a, b in pairwise(points):
                pieces = max(1, math.ceil(math.hypot(b[0] - a[0], b[1] - a[1]) / (2.0 * self.ground.spacing_m)))
                self.ground.want(
                    (a[0] + (b[0] - a[0]) * k / pieces, a[1] + (b[1] - a[1]) * k / pieces) for k in range(pieces + 1)
                )

    # --- flying

    def _fly(self, dt_s: float) -> None:
        if self.mode == "AUTO":
            self._fly_mission(dt_s)
        elif self.mode in ("RTL", "LAND"):
            self._fly_home(dt_s)
        else:
            self.motion.stay(dt_s, self._leg_from)
        if not self.airborne:
            return
        terrain = self.area.terrain
        away = math.hypot(self.body.x_m - self.home[0], self.body.y_m - self.home[1]) > 300.0
        if away and crashed(self._surface_m, terrain.west_m, terrain.north_m, terrain.cell_m, self.body.position):
            self._wreck("Hit the ground")
        elif self.body.energy_left <= 0.0:
            self._wreck("No energy left")
        elif self.body.energy_left < LOW_CHARGE and not self._returning and self.mode not in ("RTL", "LAND"):
            self._say("Battery failsafe: returning", severity=dialect.MAV_SEVERITY_CRITICAL)
            self._set_mode("RTL")

    def _fly_mission(self, dt_s: float) -> None:
        while self.current <= len(self.mission.items) and self._do_now(self.mission.items[self.current - 1]):
            self._reached()
        if self.current > len(self.mission.items):
            self._say("Mission complete")
            self._set_mode("RTL")
            return
        item = self.mission.items[self.current - 1]
        if self._target is None or item.frame == missions.FRAME_TERRAIN:
            self._target = self._place(item)
        target = self._target
        if self._fly_item(item, target, dt_s):
            self._leg_from = target if self._has_place(item) else self.body.position
            self._reached()

    def _do_now(self, item: MissionItem) -> bool:
        """Carry out an item that takes no time. True when it was one."""
        if item.command == missions.SET_ROI:
            self._set_roi(item)
        elif item.command == missions.CHANGE_SPEED:
            self._speed_mps = item.params[1]
        else:
            return False
        return True

    def _set_roi(self, item: MissionItem) -> None:
        """Turn the gimbal to a place; one at 0, 0 lets it go again, as ArduPilot has it."""
        if item.lat_deg == 0.0 and item.lon_deg == 0.0:
            self._roi_m = None
            return
        x_m, y_m = frames.to_local(self.area.frame, item.lat_deg, item.lon_deg)
        self._roi_m = (float(x_m), float(y_m))

    @property
    def roi_azimuth_rad(self) -> float | None:
        """Azimuth from grid north of the region of interest that the mission has set, None while there is none."""
        if self._roi_m is None or self.mode != "AUTO":
            return None
        return math.atan2(self._roi_m[0] - self.body.x_m, self._roi_m[1] - self.body.y_m)

    def _fly_item(self, item: MissionItem, target: Point, dt_s: float) -> bool:
        if item.command in (missions.TAKEOFF, missions.LOITER_TO_ALT):
            at = (self.home[0], self.home[1]) if item.command == missions.TAKEOFF else target[:2]
            return self.motion.climb_to(dt_s, (*at, target[2]))
        if item.command == missions.LAND:
            if self.motion.land(dt_s, target):
                self._touch_down()
            return False
        if item.command == missions.RETURN_TO_LAUNCH:
            self._set_mode("RTL")
            return False
        if self._hold_s > 0.0:
            self._hold_s -= dt_s
            self.motion.stay(dt_s, target)
            return self._hold_s <= 0.0
        wait_s = item.params[0]
        there = self.motion.follow(dt_s, self._leg_from, target, self._speed_mps, stop_there=wait_s > 0.0)
        if there and wait_s > 0.0:
            self._hold_s = wait_s
            return False
        return there

    def _fly_home(self, dt_s: float) -> None:
        """Return: to the return altitude, level to home, down. LAND goes down where it is."""
        body = self.body
        over = math.hypot(body.x_m - self.home[0], body.y_m - self.home[1])
        if self.mode == "LAND":
            if self.motion.land(dt_s, (self._leg_from[0], self._leg_from[1], self._ground_below())):
                self._touch_down()
            return
        high_enough = self._return_altitude()
        if self._returning and over < (2.5 * self._circle_m() if self.wing else 5.0):
            self._set_mode("LAND", at=self.home)
        elif not self.wing and body.alt_msl_m < high_enough - 2.0 and over > 5.0:
            self.motion.climb_to(dt_s, (body.x_m, body.y_m, high_enough))
        else:
            self._returning = True
            level = max(body.alt_msl_m, high_enough) if not self.wing else high_enough
            end = (self.home[0], self.home[1], level)
            start = (self._leg_from[0], self._leg_from[1], level)
            self.motion.follow(dt_s, start, end, body.budget.airspeed_mps, stop_there=True)

    def _circle_m(self) -> float:
        return self.parameters["WP_LOITER_RAD"]

    def _return_altitude(self) -> float:
        if self.wing:
            above = self.parameters["ALT_HOLD_RTL"]
            return self.body.alt_msl_m if above < 0.0 else self.home[2] + above / 100.0
        return self.home[2] + self.parameters["RTL_ALT"] / 100.0

    def _ground_below(self) -> float:
        if math.hypot(self._leg_from[0] - self.home[0], self._leg_from[1] - self.home[1]) < 300.0:
            return self.home[2]
        terrain = self.area.terrain
        row = int((terrain.north_m - self._leg_from[1]) // terrain.cell_m)
        col = int((self._leg_from[0] - terrain.west_m) // terrain.cell_m)
        return float(terrain.heights_m[row, col])

    def _reached(self) -> None:
        self._send(dialect.MAVLink_mission_item_reached_message(self.current))
        self.current += 1
        self._hold_s, self._target = 0.0, None
        self._report(dialect.MAVLINK_MSG_ID_MISSION_CURRENT)

    def _turn_to(self, seq: int) -> int:
        """Leave what it does and fly item `seq` from here."""
        if not (self.airborne and 1 <= seq <= len(self.mission.items)):
            return _DENIED
        self.current, self._hold_s, self._target = seq, 0.0, None
        self._leg_from = self.body.position
        self._report(dialect.MAVLINK_MSG_ID_MISSION_CURRENT)
        return _ACCEPTED

    def _touch_down(self) -> None:
        away = math.hypot(self.body.x_m - self.home[0], self.body.y_m - self.home[1])
        self.armed = self.airborne = self._returning = False
        if away < 600.0:  # the crew carries it back to its pad and changes the battery
            self.body.stop(self.home)
            self._charged_at_s = self.t_s + self.aircraft.turnround_s
        else:
            self.body.stop(self.body.position)
        self._say("Landed, disarmed")
        self._report(dialect.MAVLINK_MSG_ID_HEARTBEAT)

    def _wreck(self, why: str) -> None:
        self.armed = self.airborne = False
        self.wrecked = True
        self.body.stop(self.body.position)
        self._say(f"CRASH: {why}", severity=dialect.MAV_SEVERITY_EMERGENCY)

    def _watch_link(self) -> None:
        """The lost-link failsafe: only once a ground station was heard, only when it is switched on."""
        enabled = self.parameters["FS_GCS_ENABL" if self.wing else "FS_GCS_ENABLE"] > 0.0
        returns = not self.wing or self.parameters["FS_LONG_ACTN"] == 1.0
        timeout_s = self.parameters["FS_LONG_TIMEOUT" if self.wing else "FS_GCS_TIMEOUT"]
        if not (enabled and self.airborne) or not self.t_s - self._gcs_heard_s > timeout_s:
            return
        self._gcs_heard_s = math.nan
        self._say("GCS failsafe: " + ("returning" if returns else "continuing"), severity=dialect.MAV_SEVERITY_CRITICAL)
        if returns and self.mode != "LAND":
            self._set_mode("RTL")

    # --- what it is told

    def handle(self, said: Any, wall_s: float) -> None:
        """Take one message from a ground station; what is not for this aircraft or not known is left alone."""
        target = getattr(said, "target_system", 0)
        if target not in (0, self.aircraft.system_id):
            return
        kind = said.get_msgId()
        name = said.get_type()
        if kind == dialect.MAVLINK_MSG_ID_HEARTBEAT:
            if said.type == dialect.MAV_TYPE_GCS:
                self._gcs_heard_s = self.t_s
        elif kind == dialect.MAVLINK_MSG_ID_MISSION_SET_CURRENT:
            self._turn_to(said.seq)
        elif name.startswith("MISSION_") and kind != dialect.MAVLINK_MSG_ID_MISSION_ACK:
            self.mission.handle(said, wall_s)
        elif name.startswith("PARAM_"):
            self.parameters.handle(said)
            self.motion = self._motion() if self.wing and not self.airborne else self.motion
        elif kind == dialect.MAVLINK_MSG_ID_TERRAIN_DATA:
            self.ground.handle(said)
        elif kind in (dialect.MAVLINK_MSG_ID_COMMAND_LONG, dialect.MAVLINK_MSG_ID_COMMAND_INT):
            result = self._command(said)
            peer = (said.get_srcSystem(), said.get_srcComponent())
            self._send(dialect.MAVLink_command_ack_message(said.command, result, 0, 0, *peer))
        elif kind == dialect.MAVLINK_MSG_ID_SET_MODE:
            self._change_mode(said.custom_mode)

    def _command(self, said: Any) -> int:
        """Carry out one command; returns its MAV_RESULT."""
        known: dict[int, Callable[[Any], int]] = {
            int(dialect.MAV_CMD_COMPONENT_ARM_DISARM): lambda m: self._arm() if m.param1 > 0.5 else self._disarm(),
            int(dialect.MAV_CMD_MISSION_START): lambda _: self._start(),
            int(dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH): lambda _: self._set_mode("RTL"),
            int(dialect.MAV_CMD_NAV_LAND): lambda _: _UNSUPPORTED if self.wing else self._set_mode("LAND"),
            int(dialect.MAV_CMD_DO_SET_MODE): lambda m: self._change_mode(int(m.param2)),
            int(dialect.MAV_CMD_DO_CHANGE_SPEED): self._change_speed,
            int(dialect.MAV_CMD_DO_SET_MISSION_CURRENT): lambda m: self._turn_to(int(m.param1)),
            int(dialect.MAV_CMD_REQUEST_MESSAGE): lambda m: self._report(int(m.param1)),
            int(dialect.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES): lambda _: self._report(
                dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION
            ),
            int(dialect.MAV_CMD_GET_HOME_POSITION): lambda _: self._report(dialect.MAVLINK_MSG_ID_HOME_POSITION),
            int(dialect.MAV_CMD_SET_MESSAGE_INTERVAL): self._set_interval,
        }
        action = known.get(said.command)
        return _UNSUPPORTED if action is None else action(said)

    @property
    def custom_mode(self) -> int:
        shown = "RTL" if self.wing and self.mode == "LAND" else self.mode  # a wing has no landing mode of its own
        return mode_number(self.vehicle_type, shown)

    def _arm(self) -> int:
        if self.armed:
            return _ACCEPTED
        reason = self._not_ready()
        if reason:
            self._say(f"PreArm: {reason}", severity=dialect.MAV_SEVERITY_CRITICAL)
            return _FAILED
        self.armed = True
        self._say("Arming motors")
        self._report(dialect.MAVLINK_MSG_ID_HEARTBEAT)
        if self.wing and self.mode == "AUTO":
            self._take_off()
        return _ACCEPTED

    def _not_ready(self) -> str:
        if self.wrecked:
            return "crashed"
        if not self.body.budget.can_fly:
            return self.body.budget.why
        if self.body.energy_left < LEAST_CHARGE:
            return f"battery {self.body.energy_left:.0%}"
        if not self.ground.complete:
            return "waiting for terrain data"
        if not self.wing and self.mode == "AUTO":
            return "Auto mode not armable"
        if self.mode in ("RTL", "LAND"):
            return f"{self.mode} mode not armable"
        return ""

    def _disarm(self) -> int:
        if self.airborne:
            return _DENIED
        self.armed = False
        self._report(dialect.MAVLINK_MSG_ID_HEARTBEAT)
        return _ACCEPTED

    def _start(self) -> int:
        if not self.armed or not self.mission.items or self.mission.items[0].command != missions.TAKEOFF:
            return _DENIED
        self._set_mode("AUTO")
        if not self.airborne:
            self._take_off()
        return _ACCEPTED

    def _take_off(self) -> None:
        if not self.mission.items or self.mission.items[0].command != missions.TAKEOFF:
            self._say("No take-off in the mission", severity=dialect.MAV_SEVERITY_CRITICAL)
            return
        self.current, self.airborne = 1, True
        self._leg_from, self._hold_s, self._target, self._returning = self.home, 0.0, None, False
        self._roi_m = None
        self._speed_mps = self.body.budget.airspeed_mps
        places = [self._place(item) for item in self.mission.items[1:] if self._has_place(item)]
        self.motion.launch(places[0] if places else self.home)

    def _change_mode(self, number: int) -> int:
        modes = ("AUTO", "GUIDED", "LOITER", "RTL", self._manual) + (() if self.wing else ("LAND",))
        name = {mode_number(self.vehicle_type, mode): mode for mode in modes}.get(number)
        if name is None:
            return _UNSUPPORTED
        if name == self._manual and self.airborne:  # nobody is there to fly it by hand
            return _DENIED
        if name == "AUTO" and not self.mission.items:
            return _DENIED
        return self._set_mode(name)

    def _set_mode(self, name: str, at: Point | None = None) -> int:
        if name != self.mode:
            self.mode = name
            self._leg_from = at or self.body.position
            self._returning = False
            self._say(f"Mode {name}")
            self._report(dialect.MAVLINK_MSG_ID_HEARTBEAT)
        return _ACCEPTED

    def _change_speed(self, said: Any) -> int:
        if not (self.airborne and said.param2 > 0.0):
            return _DENIED
        self._speed_mps = float(said.param2)
        return _ACCEPTED

    def _set_interval(self, said: Any) -> int:
        kind = int(said.param1)
        if kind not in telemetry.STREAMS or not math.isfinite(said.param2):
            return _UNSUPPORTED
        if said.param2 == 0:
            self._every[kind] = telemetry.STREAMS[kind]
        elif said.param2 < 0:
            self._every[kind] = math.inf
        else:
            self._every[kind] = max(said.param2 / 1e6, STEP_S)
        self._due[kind] = self.t_s + self._every[kind]
        return _ACCEPTED

    # --- places

    @staticmethod
    def _has_place(item: MissionItem) -> bool:
        return item.command in (missions.WAYPOINT, missions.LOITER_TIME, missions.LOITER_TO_ALT, missions.LAND)

    def _place(self, item: MissionItem) -> Point:
        """Where an item is, in the local frame and above sea level. Position 0, 0 means: here."""
        x, y = self.body.x_m, self.body.y_m
        if item.lat_deg != 0.0 or item.lon_deg != 0.0:
            xs, ys = frames.to_local(self.area.frame, item.lat_deg, item.lon_deg)
            x, y = float(xs), float(ys)
        if item.frame == missions.FRAME_RELATIVE:
            return x, y, self.home[2] + item.alt_m
        if item.frame == missions.FRAME_TERRAIN:
            ground = self.ground.height_m(self.body.x_m, self.body.y_m) if self.airborne else None
            return x, y, (self.home[2] if ground is None else ground) + item.alt_m
        return x, y, item.alt_m

    # --- what it says

    def _say(self, text: str, severity: int = dialect.MAV_SEVERITY_INFO) -> None:
        marked = f"{text[: TEXT_BYTES - len(MARK)]}{MARK}"
        self._send(dialect.MAVLink_statustext_message(int(severity), marked.encode("ascii", "replace")))

    def _report(self, kind: int) -> int:
        """Send one message about itself; returns the MAV_RESULT of asking for it."""
        make = telemetry.REPORTS.get(kind)
        if make is None:
            return _UNSUPPORTED
        self._send(make(self))
        if kind == dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION:
            self._send(dialect.MAVLink_statustext_message(int(dialect.MAV_SEVERITY_NOTICE), telemetry.SAYS.encode()))
        return _ACCEPTED

    @property
    def boot_ms(self) -> int:
        return round(self.t_s * 1000.0) & 0xFFFFFFFF

    @property
    def t_ns(self) -> int:
        return self.start_t_ns + round(self.t_s * NS_PER_S)

    def geodetic(self) -> tuple[float, float]:
        """lat_deg, lon_deg of the aircraft."""
        lat_deg, lon_deg = frames.to_geodetic(self.area.frame, self.body.x_m, self.body.y_m)
        return float(lat_deg), float(lon_deg)

    def convergence_rad(self) -> float:
        """What to add to a heading from grid north to have it from true north."""
        return self.body.x_m * self._convergence_per_m
