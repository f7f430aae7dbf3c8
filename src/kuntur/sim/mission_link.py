"""The aircraft's end of the mission protocol (mavlink.io, "Mission Protocol"), with ArduPilot's habits.

It asks with MISSION_REQUEST and takes MISSION_ITEM_INT or MISSION_ITEM; item 0 is home and is replaced by its own;
frames 5, 6 and 11 come back as 0, 3 and 10. A half-sent mission times out with a MISSION_ACK and the old mission stays.
Timers run in wall time, because the link does. No fence and no rally points: those are refused as unsupported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.codecs import mavlink, missions
from kuntur.codecs.missions import MissionItem

Send = Callable[[Any], None]

MOST_ITEMS: Final = 512
ASK_AGAIN_S: Final = 0.25  # mavlink.io, "Mission Protocol", time-outs and retries
GIVE_UP_S: Final = 4.0
ACCEPTED_FRAMES: Final = (0, 2, 3, 10)  # after `missions.plain_frame`
ACCEPTED_COMMANDS: Final = (
    missions.WAYPOINT,
    missions.LOITER_TIME,
    missions.RETURN_TO_LAUNCH,
    missions.LAND,
    missions.TAKEOFF,
    missions.LOITER_TO_ALT,
    missions.CHANGE_SPEED,
    missions.SET_ROI,
)
_INVALID: Final = (
    dialect.MAV_MISSION_INVALID_PARAM1,
    dialect.MAV_MISSION_INVALID_PARAM2,
    dialect.MAV_MISSION_INVALID_PARAM3,
    dialect.MAV_MISSION_INVALID_PARAM4,
)
_MISSION: Final = int(dialect.MAV_MISSION_TYPE_MISSION)


def refusal(item: MissionItem) -> int:
    """MAV_MISSION_RESULT of an item: ACCEPTED, or why not."""
    if item.frame not in ACCEPTED_FRAMES:
        return int(dialect.MAV_MISSION_UNSUPPORTED_FRAME)
    if item.command not in ACCEPTED_COMMANDS:
        return int(dialect.MAV_MISSION_UNSUPPORTED)
    for n, (value, code) in enumerate(zip(item.params, _INVALID, strict=True), 1):
        heading_left_open = n == 4 and math.isnan(value)
        if not math.isfinite(value) and not heading_left_open:
            return int(code)
    if not abs(item.lat_deg) <= 90.0:
        return int(dialect.MAV_MISSION_INVALID_PARAM5_X)
    if not abs(item.lon_deg) <= 180.0:
        return int(dialect.MAV_MISSION_INVALID_PARAM6_Y)
    if not abs(item.alt_m) < 20_000.0:  # NaN too
        return int(dialect.MAV_MISSION_INVALID_PARAM7)
    if item.command == missions.CHANGE_SPEED and not item.params[1] > 0.0:
        return int(dialect.MAV_MISSION_INVALID_PARAM2)
    return int(dialect.MAV_MISSION_ACCEPTED)


class MissionLink:
    """The mission on board and the conversation about it.

    `items` are the wire items from 1 on. `busy`: whether changes are refused (a mission is being flown).
    """

    def __init__(self, home: MissionItem, send: Send, busy: Callable[[], bool]) -> None:
        self.items: tuple[MissionItem, ...] = ()
        self.home = home
        self.changed = False
        self._send = send
        self._busy = busy
        self._peer = (0, 0)
        self._incoming: list[MissionItem] = []
        self._wanted = 0
        self._asked_s = self._heard_s = 0.0

    @property
    def receiving(self) -> bool:
        return self._wanted > 0

    def handle(self, said: Any, wall_s: float) -> None:
        """Take one MISSION_* message."""
        peer = (said.get_srcSystem(), said.get_srcComponent())
        kind = said.get_msgId()
        if getattr(said, "mission_type", _MISSION) != _MISSION:
            if kind in (
                dialect.MAVLINK_MSG_ID_MISSION_COUNT,
                dialect.MAVLINK_MSG_ID_MISSION_CLEAR_ALL,
                dialect.MAVLINK_MSG_ID_MISSION_REQUEST_LIST,
            ):
                self._ack(peer, dialect.MAV_MISSION_UNSUPPORTED, said.mission_type)
        elif kind == dialect.MAVLINK_MSG_ID_MISSION_COUNT:
            self._begin(peer, said.count, wall_s)
        elif kind in (dialect.MAVLINK_MSG_ID_MISSION_ITEM_INT, dialect.MAVLINK_MSG_ID_MISSION_ITEM):
            self._take(peer, said, wall_s)
        elif kind == dialect.MAVLINK_MSG_ID_MISSION_REQUEST_LIST:
            self._send(dialect.MAVLink_mission_count_message(*peer, len(self.items) + 1, _MISSION))
        elif kind in (dialect.MAVLINK_MSG_ID_MISSION_REQUEST_INT, dialect.MAVLINK_MSG_ID_MISSION_REQUEST):
            self._give(peer, said.seq, as_int=kind == dialect.MAVLINK_MSG_ID_MISSION_REQUEST_INT)
        elif kind == dialect.MAVLINK_MSG_ID_MISSION_CLEAR_ALL:
            if self._busy():
                self._ack(peer, dialect.MAV_MISSION_DENIED)
            else:
                self._wanted, self.items, self.changed = 0, (), True
                self._ack(peer, dialect.MAV_MISSION_ACCEPTED)

    def tick(self, wall_s: float) -> None:
        """Ask again for an item that has not come; give up on a sender that has gone."""
        if not self.receiving:
            return
        if wall_s - self._heard_s > GIVE_UP_S:
            self._wanted = 0
            self._ack(self._peer, dialect.MAV_MISSION_OPERATION_CANCELLED)
        elif wall_s - self._asked_s > ASK_AGAIN_S:
            self._ask(wall_s)

    def _begin(self, peer: tuple[int, int], count: int, wall_s: float) -> None:
        if self._busy() or (self.receiving and peer != self._peer):
            self._ack(peer, dialect.MAV_MISSION_DENIED)
        elif count > MOST_ITEMS:
            self._ack(peer, dialect.MAV_MISSION_NO_SPACE)
        elif count == 0:
            self._wanted, self.items, self.changed = 0, (), True
            self._ack(peer, dialect.MAV_MISSION_ACCEPTED)
        else:
            self._peer, self._incoming, self._wanted, self._heard_s = peer, [], count, wall_s
            self._ask(wall_s)

    def _ask(self, wall_s: float) -> None:
        self._asked_s = wall_s
        self._send(dialect.MAVLink_mission_request_message(*self._peer, len(self._incoming), _MISSION))

    def _take(self, peer: tuple[int, int], said: Any, wall_s: float) -> None:
        if not self.receiving:
            if said.seq == len(self.items):  # the last item again: our acknowledgement was lost
                self._ack(peer, dialect.MAV_MISSION_ACCEPTED)
            else:
                self._ack(peer, dialect.MAV_MISSION_ERROR)
            return
        if peer != self._peer:
            return
        self._heard_s = wall_s
        if said.seq != len(self._incoming):
            return  # early, late or twice: the item wanted is asked for again by tick
        item = mavlink.mission_item(said)
        item = msgspec.structs.replace(item, frame=missions.plain_frame(item.frame))
        result = refusal(item) if said.seq > 0 else int(dialect.MAV_MISSION_ACCEPTED)
        if result != dialect.MAV_MISSION_ACCEPTED:
            self._wanted = 0
            self._ack(peer, result)
            return
        self._incoming.append(item)
        if len(self._incoming) < self._wanted:
            self._ask(wall_s)
            return
        self._wanted, self.items, self.changed = 0, tuple(self._incoming[1:]), True
        self._ack(peer, dialect.MAV_MISSION_ACCEPTED)

    def _give(self, peer: tuple[int, int], seq: int, *, as_int: bool) -> None:
        if not 0 <= seq <= len(self.items):
            self._ack(peer, dialect.MAV_MISSION_INVALID_SEQUENCE)
            return
        item = self.home if seq == 0 else self.items[seq - 1]
        self._send(mavlink.mission_item_message(item, peer, seq, as_int=as_int))

    def _ack(self, peer: tuple[int, int], result: int, mission_type: int = _MISSION) -> None:
        self._send(dialect.MAVLink_mission_ack_message(*peer, int(result), mission_type))
