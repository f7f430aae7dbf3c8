"""MAVLink frames <-> what they say about an aircraft. The dialect is pymavlink's; no socket, no clock, no mavutil.

(mavutil would start in MAVLink 1 and open ports; the dialect alone is version 2 and does neither.)
"""

from __future__ import annotations

from typing import Any

import msgspec
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.errors import LinkError
from kuntur.model.tracks import PlatformState
from kuntur.units import DEG_TO_RAD

# ArduPilot's custom_mode numbers (COPTER_MODE and PLANE_MODE in its dialect) for the modes named here.
COPTER_MODES = {0: "STABILIZE", 3: "AUTO", 4: "GUIDED", 5: "LOITER", 6: "RTL", 9: "LAND"}
PLANE_MODES = {0: "MANUAL", 5: "FBWA", 10: "AUTO", 11: "RTL", 12: "LOITER", 15: "GUIDED"}
ARMED = int(dialect.MAV_MODE_FLAG_SAFETY_ARMED)
UNKNOWN_HEADING = 65_535
_DECODER = dialect.MAVLink(None)


def parser(system_id: int = 255, component_id: int = int(dialect.MAV_COMP_ID_MISSIONPLANNER)) -> Any:
    """A stream parser and packer for one link. `parse_buffer(bytes)` returns the messages that became whole; damaged
    stretches come back as messages of type BAD_DATA, never as exceptions."""
    mav = dialect.MAVLink(None, srcSystem=system_id, srcComponent=component_id)
    mav.robust_parsing = True
    return mav


def message(frame: bytes) -> Any:
    """The message in one whole frame (MAVLink 1 or 2). Raises LinkError when it is not one whole, undamaged frame."""
    try:
        return _DECODER.decode(bytearray(frame))
    except dialect.MAVError as error:
        raise LinkError(f"Not a MAVLink frame: {error}.", remedy="The link or the stored feed is damaged.") from error
    except (IndexError, ValueError, TypeError) as error:  # cut short inside the header
        raise LinkError("Not a MAVLink frame: cut short.", remedy="The link or the stored feed is damaged.") from error


def mode_name(vehicle_type: int, custom_mode: int) -> str:
    """ArduPilot's name of a mode, or "MODE n"."""
    modes = PLANE_MODES if vehicle_type == dialect.MAV_TYPE_FIXED_WING else COPTER_MODES
    return modes.get(custom_mode, f"MODE {custom_mode}")


def mode_number(vehicle_type: int, name: str) -> int:
    """ArduPilot's number of a mode by the name used here."""
    modes = PLANE_MODES if vehicle_type == dialect.MAV_TYPE_FIXED_WING else COPTER_MODES
    return next(number for number, known in modes.items() if known == name)


def decode(frame: bytes, state: PlatformState | None, *, t_ns: int, aircraft_id: str) -> PlatformState | None:
    """The aircraft's state after this frame: a fold, so that live and replay are the same code.

    Returns `state` itself when the frame says nothing about it, None until the first position. Raises LinkError for a
    damaged frame.
    """
    return update(message(frame), state, t_ns=t_ns, aircraft_id=aircraft_id)


def update(said: Any, state: PlatformState | None, *, t_ns: int, aircraft_id: str) -> PlatformState | None:
    """As `decode`, from a message already parsed."""
    kind = said.get_msgId()
    if kind == dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT:
        return _position(said, state, t_ns, aircraft_id)
    if state is None:
        return None
    if kind == dialect.MAVLINK_MSG_ID_HEARTBEAT and said.autopilot != dialect.MAV_AUTOPILOT_INVALID:
        mode = mode_name(said.type, said.custom_mode)
        armed = bool(said.base_mode & ARMED)
        if (mode, armed) != (state.mode, state.armed):
            return msgspec.structs.replace(state, t_ns=t_ns, mode=mode, armed=armed)
    elif kind in (dialect.MAVLINK_MSG_ID_SYS_STATUS, dialect.MAVLINK_MSG_ID_BATTERY_STATUS):
        if said.battery_remaining >= 0:
            return msgspec.structs.replace(state, t_ns=t_ns, battery_fraction=said.battery_remaining / 100.0)
    elif kind == dialect.MAVLINK_MSG_ID_MISSION_CURRENT and said.seq != state.mission_item:
        return msgspec.structs.replace(state, t_ns=t_ns, mission_item=said.seq)
    return state


def _position(said: Any, state: PlatformState | None, t_ns: int, aircraft_id: str) -> PlatformState | None:
    if said.lat == 0 and said.lon == 0:  # what autopilots send before they know where they are
        return state
    heading = None if said.hdg == UNKNOWN_HEADING else said.hdg / 100.0 * DEG_TO_RAD
    fresh = PlatformState(
        t_ns=t_ns,
        aircraft_id=aircraft_id,
        lat_deg=said.lat / 1e7,
        lon_deg=said.lon / 1e7,
        alt_msl_m=said.alt / 1000.0,
        heading_rad=heading,
        ground_speed_mps=(said.vx**2 + said.vy**2) ** 0.5 / 100.0,
    )
    if state is None:
        return fresh
    return msgspec.structs.replace(
        fresh,
        mode=state.mode,
        armed=state.armed,
        battery_fraction=state.battery_fraction,
        mission_item=state.mission_item,
    )
