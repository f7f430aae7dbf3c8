"""MAVLink frames <-> what they say about an aircraft. The dialect is pymavlink's; no socket, no clock, no mavutil.

(mavutil would start in MAVLink 1 and open ports; the dialect alone is version 2 and does neither.)
"""

from __future__ import annotations

from typing import Any

import msgspec
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.codecs.missions import MissionItem
from kuntur.errors import LinkError
from kuntur.model.tracks import PlatformState
from kuntur.units import DEG_TO_RAD

# ArduPilot's custom_mode numbers (COPTER_MODE and PLANE_MODE in its dialect) for the modes named here.
COPTER_MODES = {0: "STABILIZE", 3: "AUTO", 4: "GUIDED", 5: "LOITER", 6: "RTL", 9: "LAND"}
PLANE_MODES = {0: "MANUAL", 5: "FBWA", 10: "AUTO", 11: "RTL", 12: "LOITER", 15: "GUIDED"}
ARMED = int(dialect.MAV_MODE_FLAG_SAFETY_ARMED)
UNKNOWN_HEADING = 65_535
_DECODER = dialect.MAVLink(None)


class Packer:
    """Messages -> MAVLink 2 frames of one sender, numbered."""

    def __init__(self, system_id: int, component_id: int) -> None:
        self._mav = dialect.MAVLink(None, srcSystem=system_id, srcComponent=component_id)

    def frame(self, message: Any) -> bytes:
        """The bytes of one message."""
        packed = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return packed


class Splitter:
    """Bytes as they arrive -> whole, undamaged messages (MAVLink 1 or 2). Everything else is counted in `junk_bytes`.

    After anything that only looked like a frame the search goes on one byte later, so junk never hides a good frame.
    """

    def __init__(self) -> None:
        self.junk_bytes = 0
        self._rest = b""

    def datagram(self, data: bytes) -> list[Any]:
        """Messages of one datagram, which holds whole frames only."""
        return self._split(data, more_may_come=False)[0]

    def stream(self, data: bytes) -> list[Any]:
        """Messages that became whole with these bytes of a stream."""
        messages, self._rest = self._split(self._rest + data, more_may_come=True)
        return messages

    def _split(self, data: bytes, *, more_may_come: bool) -> tuple[list[Any], bytes]:
        messages: list[Any] = []
        k = 0
        while k < len(data):
            length = _frame_length(data, k)
            if k + length > len(data) and more_may_come:
                return messages, data[k:]
            said = _try_message(data[k : k + length]) if 0 < length <= len(data) - k else None
            if said is None:
                k, self.junk_bytes = k + 1, self.junk_bytes + 1
            else:
                messages.append(said)
                k += length
        return messages, b""


def _try_message(frame: bytes) -> Any | None:
    """The message in a whole frame; None when it is damaged or of an unknown kind (whose checksum nobody can check)."""
    try:
        said = _DECODER.decode(bytearray(frame))
    except dialect.MAVError:
        return None
    return None if said.get_type().startswith("UNKNOWN") else said


def _frame_length(data: bytes, k: int) -> int:
    """Length of the frame that seems to begin at k; 0 where none begins; the least it can be when its header is cut."""
    if data[k] == dialect.PROTOCOL_MARKER_V1:
        return 8 + (data[k + 1] if k + 1 < len(data) else 0)
    if data[k] != dialect.PROTOCOL_MARKER_V2:
        return 0
    if k + 2 >= len(data):
        return 12
    signature = dialect.MAVLINK_SIGNATURE_BLOCK_LEN if data[k + 2] & dialect.MAVLINK_IFLAG_SIGNED else 0
    return int(12 + data[k + 1] + signature)


def message(frame: bytes) -> Any:
    """The message in one whole frame (MAVLink 1 or 2). Raises LinkError when it is not one whole, undamaged frame."""
    try:
        return _DECODER.decode(bytearray(frame))
    except dialect.MAVError as error:
        raise LinkError(f"Not a MAVLink frame: {error}.", remedy="The link or the stored feed is damaged.") from error
    except (IndexError, ValueError, TypeError) as error:  # cut short inside the header
        raise LinkError("Not a MAVLink frame: cut short.", remedy="The link or the stored feed is damaged.") from error


def mission_item(said: Any) -> MissionItem:
    """The item in a MISSION_ITEM or MISSION_ITEM_INT message."""
    whole = said.get_msgId() == dialect.MAVLINK_MSG_ID_MISSION_ITEM_INT
    return MissionItem(
        command=said.command,
        frame=said.frame,
        lat_deg=said.x / 1e7 if whole else said.x,
        lon_deg=said.y / 1e7 if whole else said.y,
        alt_m=said.z,
        params=(said.param1, said.param2, said.param3, said.param4),
        autocontinue=bool(said.autocontinue),
    )


def mission_item_message(item: MissionItem, target: tuple[int, int], seq: int, *, as_int: bool = True) -> Any:
    """An item as MISSION_ITEM_INT for (system, component), or as MISSION_ITEM with its float32 coordinates (1 m)."""
    kind = dialect.MAVLink_mission_item_int_message if as_int else dialect.MAVLink_mission_item_message
    x, y = (round(item.lat_deg * 1e7), round(item.lon_deg * 1e7)) if as_int else (item.lat_deg, item.lon_deg)
    auto = int(item.autocontinue)
    return kind(*target, seq, item.frame, item.command, 0, auto, *item.params, x, y, item.alt_m, 0)


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
