"""What a simulated aircraft says about itself, message by message, and how often it does so without being asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol

from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.sim.mission_link import MissionLink
from kuntur.sim.motion import Body
from kuntur.units import RAD_TO_DEG

SAYS: Final = "KUNTUR SIMULATED AIRCRAFT"
_CUSTOM: Final = int(dialect.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED)
_CAPABILITIES: Final = int(
    dialect.MAV_PROTOCOL_CAPABILITY_MISSION_INT
    | dialect.MAV_PROTOCOL_CAPABILITY_MISSION_FLOAT
    | dialect.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
    | dialect.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_C_CAST
    | dialect.MAV_PROTOCOL_CAPABILITY_MAVLINK2
    | dialect.MAV_PROTOCOL_CAPABILITY_TERRAIN
)

# Message and its period in simulated seconds.
STREAMS: Final[dict[int, float]] = {
    dialect.MAVLINK_MSG_ID_HEARTBEAT: 1.0,
    dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 1.0,
    dialect.MAVLINK_MSG_ID_ATTITUDE: 5.0,
    dialect.MAVLINK_MSG_ID_VFR_HUD: 5.0,
    dialect.MAVLINK_MSG_ID_MISSION_CURRENT: 2.0,
    dialect.MAVLINK_MSG_ID_SYSTEM_TIME: 5.0,
    dialect.MAVLINK_MSG_ID_SYS_STATUS: 5.0,
    dialect.MAVLINK_MSG_ID_BATTERY_STATUS: 10.0,
    dialect.MAVLINK_MSG_ID_HOME_POSITION: 30.0,
}


class Reporting(Protocol):
    """What the reports are made from."""

    body: Body
    mission: MissionLink
    wing: bool
    vehicle_type: int
    armed: bool
    airborne: bool
    wrecked: bool
    current: int
    junk_bytes: int

    @property
    def custom_mode(self) -> int: ...
    @property
    def boot_ms(self) -> int: ...
    @property
    def t_ns(self) -> int: ...
    def geodetic(self) -> tuple[float, float]: ...
    def convergence_rad(self) -> float: ...


def _heartbeat(a: Reporting) -> Any:
    status = dialect.MAV_STATE_ACTIVE if a.airborne else dialect.MAV_STATE_STANDBY
    if a.wrecked:
        status = dialect.MAV_STATE_EMERGENCY
    base = _CUSTOM | (int(dialect.MAV_MODE_FLAG_SAFETY_ARMED) if a.armed else 0)
    autopilot = int(dialect.MAV_AUTOPILOT_ARDUPILOTMEGA)
    return dialect.MAVLink_heartbeat_message(a.vehicle_type, autopilot, base, a.custom_mode, int(status), 3)


def _heading_cdeg(a: Reporting) -> int:
    true_rad = a.body.heading_rad + a.convergence_rad()
    return round(true_rad * RAD_TO_DEG * 100.0) % 36_000


def _position(a: Reporting) -> Any:
    body = a.body
    lat_deg, lon_deg = a.geodetic()
    return dialect.MAVLink_global_position_int_message(
        a.boot_ms,
        round(lat_deg * 1e7),
        round(lon_deg * 1e7),
        round(body.alt_msl_m * 1000.0),
        round((body.alt_msl_m - a.mission.home.alt_m) * 1000.0),
        round(body.vy_mps * 100.0),
        round(body.vx_mps * 100.0),
        round(-body.vz_mps * 100.0),
        _heading_cdeg(a),
    )


def _attitude(a: Reporting) -> Any:
    pitch = math.atan2(a.body.vz_mps, a.body.ground_speed_mps) if a.wing and a.airborne else 0.0
    yaw = math.remainder(a.body.heading_rad + a.convergence_rad(), math.tau)
    return dialect.MAVLink_attitude_message(a.boot_ms, a.body.bank_rad, pitch, yaw, 0.0, 0.0, 0.0)


def _hud(a: Reporting) -> Any:
    body = a.body
    return dialect.MAVLink_vfr_hud_message(
        body.airspeed_mps,
        body.ground_speed_mps,
        _heading_cdeg(a) // 100,
        50 if a.airborne else 0,
        body.alt_msl_m,
        body.vz_mps,
    )


def _mission_current(a: Reporting) -> Any:
    return dialect.MAVLink_mission_current_message(min(a.current, len(a.mission.items)), len(a.mission.items))


def _left_percent(a: Reporting) -> int:
    return math.floor(a.body.energy_left * 100.0)


def _system_status(a: Reporting) -> Any:
    unknown_mv, unknown_ca = 65_535, -1
    errors = min(a.junk_bytes, 65_535)
    return dialect.MAVLink_sys_status_message(
        *(0, 0, 0, 0, unknown_mv, unknown_ca, _left_percent(a), 0, errors, 0, 0, 0, 0)
    )


def _battery(a: Reporting) -> Any:
    unknown = [65_535] * 10
    return dialect.MAVLink_battery_status_message(0, 0, 0, 32_767, unknown, -1, -1, -1, _left_percent(a))


def _system_time(a: Reporting) -> Any:
    return dialect.MAVLink_system_time_message(a.t_ns // 1000, a.boot_ms)


def _home(a: Reporting) -> Any:
    home = a.mission.home
    return dialect.MAVLink_home_position_message(
        round(home.lat_deg * 1e7),
        round(home.lon_deg * 1e7),
        round(home.alt_m * 1000.0),
        *(0.0, 0.0, 0.0),
        [1.0, 0.0, 0.0, 0.0],
        *(0.0, 0.0, 0.0),
    )


def _version(a: Reporting) -> Any:
    custom = list(b"KUNTURSM")  # 8 bytes where ArduPilot puts its commit
    return dialect.MAVLink_autopilot_version_message(_CAPABILITIES, 0, 0, 0, 0, custom, custom, custom, 0, 0, 1)


REPORTS: Final[dict[int, Callable[[Reporting], Any]]] = {
    dialect.MAVLINK_MSG_ID_HEARTBEAT: _heartbeat,
    dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: _position,
    dialect.MAVLINK_MSG_ID_ATTITUDE: _attitude,
    dialect.MAVLINK_MSG_ID_VFR_HUD: _hud,
    dialect.MAVLINK_MSG_ID_MISSION_CURRENT: _mission_current,
    dialect.MAVLINK_MSG_ID_SYSTEM_TIME: _system_time,
    dialect.MAVLINK_MSG_ID_SYS_STATUS: _system_status,
    dialect.MAVLINK_MSG_ID_BATTERY_STATUS: _battery,
    dialect.MAVLINK_MSG_ID_HOME_POSITION: _home,
    dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION: _version,
}
