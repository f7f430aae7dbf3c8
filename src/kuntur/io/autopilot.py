"""The link to one aircraft: MAVLink over UDP or TCP, with retries, limits and read-back. Only `ops` may use it.

What it takes care of, because real autopilots differ (docs/explanation/autopilots.md): it answers MISSION_REQUEST and
MISSION_REQUEST_INT alike; it takes whatever MAVLink version the aircraft speaks; it compares what the aircraft holds
with what was sent, in the canonical form; it changes modes by SET_MODE and believes the heartbeat alone; it is the
terrain server that an aircraft with terrain-frame items waits for.

`arm_and_launch` is the only way to make an aircraft leave the ground, and it wants a permit and the entry of the record
that announces the launch. Time limits are wall time: the link is real even where the aircraft is simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.codecs import mavlink, missions
from kuntur.codecs.missions import Mission, MissionItem
from kuntur.errors import LinkError, RefusedError
from kuntur.geodesy import frames, grid
from kuntur.io.link import Link
from kuntur.model.assets import Aircraft
from kuntur.model.place import Terrain
from kuntur.model.records import LogEntry, Permit
from kuntur.model.tracks import FeedItem, PlatformState
from kuntur.units import EARTH_RADIUS_M, NS_PER_S, RAD_TO_DEG

GCS_SYSTEM: Final = 255
GCS_COMPONENT: Final = int(dialect.MAV_COMP_ID_MISSIONPLANNER)
AUTOPILOT: Final = int(dialect.MAV_COMP_ID_AUTOPILOT1)
RETRY_S: Final = 0.7
TRIES: Final = 8
ITEM_RETRY_S: Final = 0.25  # mavlink.io, "Mission Protocol": shorter for mission items, and more often
ITEM_TRIES: Final = 24
HEARTBEAT_S: Final = 0.05  # shortest pause between heartbeats, wall time
CLOCK_TOLERANCE_S: Final = 5.0  # wall seconds an aircraft's clock may differ from ours and still be believed
_PERMITTED: Final = ("fly", "launch")
_MISSION: Final = int(dialect.MAV_MISSION_TYPE_MISSION)

_MISSION_RESULTS: Final = {
    int(dialect.MAV_MISSION_DENIED): "it is flying its mission, or talking to another ground station",
    int(dialect.MAV_MISSION_NO_SPACE): "the mission is too long for it",
    int(dialect.MAV_MISSION_UNSUPPORTED): "an item has a command it does not know",
    int(dialect.MAV_MISSION_UNSUPPORTED_FRAME): "an item has an altitude frame it does not know",
    int(dialect.MAV_MISSION_INVALID_SEQUENCE): "the items came out of order",
    int(dialect.MAV_MISSION_OPERATION_CANCELLED): "the upload took too long",
}
_COMMAND_RESULTS: Final = {
    int(dialect.MAV_RESULT_TEMPORARILY_REJECTED): "not now",
    int(dialect.MAV_RESULT_DENIED): "denied",
    int(dialect.MAV_RESULT_UNSUPPORTED): "not supported",
    int(dialect.MAV_RESULT_FAILED): "failed",
}

Feed = Callable[[FeedItem], None]


class Autopilot:
    """One aircraft, from first heartbeat to landing.

    `state` is the newest known state, `home` (lat_deg, lon_deg, alt_msl_m) its home, `heard_s` the monotonic time it
    was last heard, `texts` its newest words. feed gets every frame, on_position every new position, on_item(wire item,
    t_ns) every mission item it turns to. now_ns is the clock flown by, speed how fast that runs.

    `failed` is the first exception one of these listeners raised: the event loop would only print it, so whoever flies
    must look. on_item comes from MISSION_CURRENT: MISSION_ITEM_REACHED names the wrong item on ArduCopter 3.5 (seen).
    """

    def __init__(self, aircraft: Aircraft, terrain: Terrain, *, now_ns: Callable[[], int], speed: float = 1.0) -> None:
        self.aircraft = aircraft
        self.state: PlatformState | None = None
        self.home: tuple[float, float, float] | None = None
        self.heard_s = 0.0
        self.texts: deque[str] = deque(maxlen=20)
        self.feed: Feed = _ignore
        self.on_position: Callable[[PlatformState], None] = _ignore
        self.on_item: Callable[[int, int], None] = _ignore_item
        self.terrain_unanswered = 0
        self.failed: Exception | None = None
        self._terrain = terrain
        self._now_ns, self._speed = now_ns, speed
        self._splitter = mavlink.Splitter()
        self._packer = mavlink.Packer(GCS_SYSTEM, GCS_COMPONENT)
        self._link: Link | None = None
        self._beating: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Callable[[Any], bool], asyncio.Future[Any]]] = []
        self._mission_inbox: asyncio.Queue[Any] | None = None
        self._vehicle_type = 0
        self._mode, self._armed = "", False
        self._boot_t_ns: int | None = None
        self._t_ns = self._item = 0
        self._loaded: Mission | None = None

    # --- the link

    @property
    def junk_bytes(self) -> int:
        """Bytes received that were no MAVLink."""
        return self._splitter.junk_bytes

    @property
    def mode(self) -> str:
        return self._mode

    @property
    def armed(self) -> bool:
        return self._armed

    @property
    def t_ns(self) -> int:
        """When the newest message was said."""
        return self._t_ns

    @property
    def item(self) -> int:
        """The wire item it flies."""
        return self._item

    @property
    def wing(self) -> bool:
        return self._vehicle_type == int(dialect.MAV_TYPE_FIXED_WING)

    def receive(self, data: bytes) -> None:
        """Take bytes from the link: give this to the link as its receiver."""
        datagrams = self._link is None or self._link.datagrams
        for said in self._splitter.datagram(data) if datagrams else self._splitter.stream(data):
            if said.get_srcSystem() == self.aircraft.system_id and said.get_srcComponent() == AUTOPILOT:
                self._take(said)

    async def connect(self, link: Link, timeout_s: float = 15.0) -> None:
        """Wait for the aircraft on `link`, then for its position and home. Raises LinkError when it does not answer."""
        self._link = link
        self._beating = asyncio.create_task(self._beat())
        until_s = time.monotonic() + timeout_s
        while not self._vehicle_type:
            if time.monotonic() > until_s:
                raise LinkError(
                    f"{self.aircraft.name} does not answer: no heartbeat of system {self.aircraft.system_id} in "
                    f"{timeout_s:.0f} s.",
                    remedy="Switch it on, check the radio, its address, and SYSID_THISMAV.",
                )
            await asyncio.sleep(0.02)
        expected = self.aircraft.airframe.kind == "fixed_wing"
        if self.wing != expected:
            raise LinkError(
                f"{self.aircraft.name} should be a {self.aircraft.airframe.kind}, but says it is of MAV_TYPE "
                f"{self._vehicle_type}.",
                remedy="Check which aircraft has this system id.",
            )
        self._send(dialect.MAVLink_request_data_stream_message(*self._target, 0, 2, 1))
        while self.home is None or self.state is None:
            if time.monotonic() > until_s:
                missing = "home position" if self.home is None else "position"
                raise LinkError(f"{self.aircraft.name} tells no {missing}.", remedy="Wait for its position fix.")
            with contextlib.suppress(LinkError):
                await self._command(dialect.MAV_CMD_GET_HOME_POSITION, tries=1)
            await asyncio.sleep(0.2)

    def close(self) -> None:
        """Stop talking. The aircraft is left as it is."""
        if self._beating is not None:
            self._beating.cancel()
        if self._link is not None:
            self._link.close()

    @property
    def _target(self) -> tuple[int, int]:
        return self.aircraft.system_id, AUTOPILOT

    def _send(self, message: Any) -> None:
        if self._link is None:
            raise LinkError(f"{self.aircraft.name} is not connected.", remedy="Connect first.")
        self._link.send(self._packer.frame(message))

    async def _beat(self) -> None:
        """Heartbeats at 1 Hz of the aircraft's time, as far as HEARTBEAT_S allows: failsafe clocks run in its time."""
        pause_s = max(1.0 / self._speed, HEARTBEAT_S)
        kind, none = int(dialect.MAV_TYPE_GCS), int(dialect.MAV_AUTOPILOT_INVALID)
        beat = dialect.MAVLink_heartbeat_message(kind, none, 0, 0, int(dialect.MAV_STATE_ACTIVE), 3)
        while True:
            self._send(beat)
            await asyncio.sleep(pause_s)

    # --- what it says

    def _take(self, said: Any) -> None:
        self.heard_s = time.monotonic()
        kind = said.get_msgId()
        self._tell_time(said, kind)
        turned = kind == dialect.MAVLINK_MSG_ID_MISSION_CURRENT and said.seq != self._item
        if kind == dialect.MAVLINK_MSG_ID_HEARTBEAT:
            self._vehicle_type = said.type
            self._mode = mavlink.mode_name(said.type, said.custom_mode)
            self._armed = bool(said.base_mode & mavlink.ARMED)
        elif kind == dialect.MAVLINK_MSG_ID_HOME_POSITION:
            self.home = (said.latitude / 1e7, said.longitude / 1e7, said.altitude / 1000.0)
        elif kind == dialect.MAVLINK_MSG_ID_STATUSTEXT:
            self.texts.append(said.text)
        elif turned:
            self._item = said.seq
        elif kind == dialect.MAVLINK_MSG_ID_TERRAIN_REQUEST:
            self._answer_terrain(said)
        elif self._mission_inbox is not None and getattr(said, "mission_type", None) == _MISSION:
            self._mission_inbox.put_nowait(said)
        self.state = mavlink.update(said, self.state, t_ns=self._t_ns, aircraft_id=self.aircraft.id)
        for wanted, future in self._waiting:
            if not future.done() and wanted(said):
                future.set_result(said)
        try:
            self._tell_listeners(said, turned=turned, moved=kind == dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT)
        except Exception as error:  # kept for whoever flies; the link itself goes on
            self.failed = self.failed or error

    def _tell_listeners(self, said: Any, *, turned: bool, moved: bool) -> None:
        self.feed(FeedItem(t_ns=self._t_ns, source=self.aircraft.id, kind="mavlink", payload=bytes(said.get_msgbuf())))
        if turned:
            self.on_item(said.seq, self._t_ns)
        if moved and self.state is not None:
            self.on_position(self.state)

    def _tell_time(self, said: Any, kind: int) -> None:
        """When this was said: by the aircraft's clock while that agrees with ours, else now."""
        now_ns = self._now_ns()
        if kind == dialect.MAVLINK_MSG_ID_SYSTEM_TIME and said.time_unix_usec > 0:
            self._boot_t_ns = said.time_unix_usec * 1000 - said.time_boot_ms * 1_000_000
        boot_ms = getattr(said, "time_boot_ms", None)
        if self._boot_t_ns is None:
            self._t_ns = now_ns
        elif boot_ms is not None:
            told_ns = int(self._boot_t_ns + boot_ms * 1_000_000)
            believed = abs(told_ns - now_ns) < CLOCK_TOLERANCE_S * self._speed * NS_PER_S
            self._t_ns = told_ns if believed else now_ns

    def _answer_terrain(self, said: Any) -> None:
        """Heights for the 4 x 4 posts of each bit asked for; a bit with a void stays unanswered, never zero."""
        step = np.arange(4) * said.grid_spacing
        for bit in (b for b in range(56) if said.mask >> b & 1):
            north = bit // 8 * 4 * said.grid_spacing + step[:, None]
            east = bit % 8 * 4 * said.grid_spacing + step[None, :]
            lat0_deg, lon0_deg = said.lat / 1e7, said.lon / 1e7
            lat_deg = lat0_deg + north / EARTH_RADIUS_M * RAD_TO_DEG
            lon_deg = lon0_deg + east / (EARTH_RADIUS_M * np.cos(np.radians(lat_deg))) * RAD_TO_DEG
            x_m, y_m = frames.to_local(self._terrain.frame, *np.broadcast_arrays(lat_deg, lon_deg))
            heights = grid.height_at(self._terrain, x_m, y_m)
            if np.isnan(heights).any():
                self.terrain_unanswered += 1
                continue
            data = [int(h) for h in np.ceil(heights).ravel()]
            self._send(dialect.MAVLink_terrain_data_message(said.lat, said.lon, said.grid_spacing, bit, data))

    # --- asking

    async def _ask(
        self, message: Any, wanted: Callable[[Any], bool], *, tries: int = TRIES, retry_s: float = RETRY_S
    ) -> Any | None:
        """Send until the message wanted comes; None when it never does."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        entry = (wanted, future)
        self._waiting.append(entry)
        try:
            for _ in range(tries):
                self._send(message)
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(future), retry_s)
            return None
        finally:
            self._waiting.remove(entry)

    async def _command(self, command: int, *params: float, tries: int = TRIES) -> None:
        """Send a command until it is acknowledged. Raises LinkError unless the answer is "accepted"."""
        padded = [*params, *([0.0] * (7 - len(params)))]
        ask = dialect.MAVLink_command_long_message(*self._target, int(command), 0, *padded)
        ack = await self._ask(
            ask,
            lambda m: (
                m.get_msgId() == dialect.MAVLINK_MSG_ID_COMMAND_ACK
                and m.command == command
                and m.result != dialect.MAV_RESULT_IN_PROGRESS
            ),
            tries=tries,
        )
        name = dialect.enums["MAV_CMD"][int(command)].name.removeprefix("MAV_CMD_")
        if ack is None:
            raise self._silent(f"to {name}")
        if ack.result != dialect.MAV_RESULT_ACCEPTED:
            answer = _COMMAND_RESULTS.get(ack.result, f"result {ack.result}")
            raise LinkError(f"{self.aircraft.name} answers {name} with: {answer}.{self._last_words()}")

    def _silent(self, what: str) -> LinkError:
        return LinkError(
            f"{self.aircraft.name} does not answer {what}, asked again and again for {TRIES * RETRY_S:.0f} s.",
            remedy="Check the radio link; the aircraft keeps what it had.",
        )

    def _last_words(self) -> str:
        return f" It says: {self.texts[-1]}" if self.texts else ""

    # --- missions

    async def upload(self, mission: Mission) -> None:
        """Send a mission, read it back, compare. Raises LinkError unless the aircraft holds exactly what was sent."""
        self._loaded = None
        with self._mission_talk() as inbox:
            await self._send_items(mission, inbox)
        found = missions.differences(mission.items, await self.download())
        if found:
            raise LinkError(
                f"{self.aircraft.name} holds another mission than the one sent: {'; '.join(found[:3])}.",
                remedy="Send it again; do not fly it as it is.",
            )
        self._loaded = mission

    async def _send_items(self, mission: Mission, inbox: asyncio.Queue[Any]) -> None:
        home = MissionItem(
            command=missions.WAYPOINT,
            frame=missions.FRAME_MSL,
            lat_deg=mission.home_lat_deg,
            lon_deg=mission.home_lon_deg,
            alt_m=mission.home_alt_msl_m,
        )
        items = (home, *mission.items)
        last: Any = dialect.MAVLink_mission_count_message(*self._target, len(items), _MISSION)
        self._send(last)
        silences = 0
        while silences < ITEM_TRIES:
            try:
                said = await asyncio.wait_for(inbox.get(), ITEM_RETRY_S)
            except TimeoutError:
                silences += 1
                self._send(last)
                continue
            kind = said.get_msgId()
            if kind in (dialect.MAVLINK_MSG_ID_MISSION_REQUEST, dialect.MAVLINK_MSG_ID_MISSION_REQUEST_INT):
                if said.seq < len(items):
                    silences = 0
                    last = mavlink.mission_item_message(items[said.seq], self._target, said.seq)
                    self._send(last)
            elif kind == dialect.MAVLINK_MSG_ID_MISSION_ACK:
                if said.type == dialect.MAV_MISSION_ACCEPTED:
                    return
                raise self._refused(said.type)
        raise self._silent("to the mission upload")

    def _refused(self, result: int) -> LinkError:
        name = dialect.enums["MAV_MISSION_RESULT"][result].name.removeprefix("MAV_MISSION_")
        why = _MISSION_RESULTS.get(result, "an item is not valid for it")
        return LinkError(
            f"{self.aircraft.name} refuses the mission: {name} ({why}).", remedy="It keeps the mission it had."
        )

    async def download(self) -> tuple[MissionItem, ...]:
        """The mission the aircraft holds, without item 0 (its home). Raises LinkError when it does not tell."""
        with self._mission_talk():
            ask: Any = dialect.MAVLink_mission_request_list_message(*self._target, _MISSION)
            count = await self._ask(ask, lambda m: m.get_msgId() == dialect.MAVLINK_MSG_ID_MISSION_COUNT)
            if count is None:
                raise self._silent("to the mission download")
            items = []
            for seq in range(count.count):
                ask = dialect.MAVLink_mission_request_int_message(*self._target, seq, _MISSION)
                said = await self._ask(ask, partial(_is_item, seq=seq), tries=ITEM_TRIES, retry_s=ITEM_RETRY_S)
                if said is None:
                    raise self._silent(f"to the request for mission item {seq}")
                items.append(mavlink.mission_item(said))
            accepted = int(dialect.MAV_MISSION_ACCEPTED)
            self._send(dialect.MAVLink_mission_ack_message(*self._target, accepted, _MISSION))
        return tuple(items[1:])

    @contextlib.contextmanager
    def _mission_talk(self) -> Any:
        if self._mission_inbox is not None:
            raise LinkError(f"{self.aircraft.name} is being sent a mission already.", remedy="Wait for that to end.")
        self._mission_inbox = asyncio.Queue()
        try:
            yield self._mission_inbox
        finally:
            self._mission_inbox = None

    # --- parameters

    async def parameter(self, name: str) -> float:
        """A parameter's value. Raises LinkError when the aircraft has none of that name, or is silent."""
        ask = dialect.MAVLink_param_request_read_message(*self._target, name.encode(), -1)
        said = await self._ask(ask, lambda m: _is_parameter(m, name))
        if said is None:
            raise self._silent(f"to a question for parameter {name}")
        return float(said.param_value)

    async def set_parameter(self, name: str, value: float) -> None:
        """Set a parameter and read it back. Raises LinkError unless it then holds the value."""
        real32 = int(dialect.MAV_PARAM_TYPE_REAL32)
        ask = dialect.MAVLink_param_set_message(*self._target, name.encode(), value, real32)
        await self._ask(ask, lambda m: _is_parameter(m, name))
        held = await self.parameter(name)
        if abs(held - value) > 1e-4 * max(1.0, abs(value)):
            raise LinkError(
                f"{self.aircraft.name} holds {name} = {held:g}, not the {value:g} that was set.",
                remedy="Set it in the ground station; do not fly before.",
            )

    # --- flying

    async def arm_and_launch(self, permit: Permit, entry: LogEntry, *, patience_s: float = 8.0) -> None:
        """Arm the aircraft and start the mission that was uploaded and read back.

        permit: to fly this aircraft now. entry: the record's entry of this launch, already written, naming the permit.
        patience_s: how long it may take to become ready. Raises RefusedError without these, LinkError when it does not.
        """
        self._check_leave(permit, entry)
        if self._loaded is None:
            raise LinkError(
                f"{self.aircraft.name} holds no mission of ours that was read back.", remedy="Upload first."
            )
        await self._set_mode("AUTO" if self.wing else "GUIDED")
        until_s = time.monotonic() + patience_s
        while not self._armed:
            try:
                await self._command(dialect.MAV_CMD_COMPONENT_ARM_DISARM, 1.0)
                await self._until(lambda: self._armed, RETRY_S)
            except LinkError:
                if time.monotonic() > until_s:
                    raise
                await asyncio.sleep(max(1.0 / self._speed, HEARTBEAT_S))
        if self.wing:
            return
        try:
            await self._command(dialect.MAV_CMD_MISSION_START)
            if not await self._until(lambda: self._mode == "AUTO", 5.0):
                raise LinkError(f"{self.aircraft.name} armed but stays in {self._mode}.{self._last_words()}")
        except LinkError:
            with contextlib.suppress(LinkError):  # refused when it did take off after all
                await self._command(dialect.MAV_CMD_COMPONENT_ARM_DISARM, 0.0)
            raise

    def _check_leave(self, permit: Permit, entry: LogEntry) -> None:
        subject = self.aircraft.id
        now_ns = self._now_ns()
        wrong = ""
        if permit.action not in _PERMITTED or permit.subject != subject:
            wrong = "has no permit to fly"
        elif not permit.from_t_ns <= now_ns <= permit.until_t_ns:
            wrong = "has a permit for another time"
        elif (entry.action, entry.subject) != ("launch", subject):
            wrong = "has no entry of its launch in the record"
        elif entry.inputs.get("permit") != permit.id:
            wrong = "has an entry in the record for another permit"
        if wrong:
            raise RefusedError(f"{subject} {wrong}; it stays on the ground.", remedy="Ask for a permit and record it.")

    async def _set_mode(self, name: str) -> None:
        """Change the mode and wait for the heartbeat that says so."""
        number = mavlink.mode_number(self._vehicle_type, name)
        custom = int(dialect.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED)
        for _ in range(TRIES):
            self._send(dialect.MAVLink_set_mode_message(self.aircraft.system_id, custom, number))
            if await self._until(lambda: self._mode == name, 1.5):
                return
        raise LinkError(f"{self.aircraft.name} stays in {self._mode}, {name} was asked for.{self._last_words()}")

    async def command_return(self) -> None:
        """Call it home."""
        await self._set_mode("RTL")

    async def go_on(self, seq: int) -> None:
        """Leave the present mission item and fly wire item `seq`. Raises LinkError when it does not."""
        for _ in range(3):
            self._send(dialect.MAVLink_mission_set_current_message(*self._target, seq))
            if await self._until(lambda: self._item >= seq, RETRY_S):
                return
        raise self._silent(f"to going on with item {seq}")

    async def change_speed(self, speed_mps: float) -> None:
        """Fly the rest of this leg at `speed_mps` (airspeed for a wing, over ground for a multirotor)."""
        kind = 0.0 if self.wing else 1.0
        await self._command(dialect.MAV_CMD_DO_CHANGE_SPEED, kind, speed_mps, -1.0, tries=2)

    async def _until(self, true: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the aircraft's messages have made something true; False when they have not in time."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        entry = (lambda _said: true(), future)
        self._waiting.append(entry)
        try:
            if not true():
                await asyncio.wait_for(future, timeout_s)
            return True
        except TimeoutError:
            return False
        finally:
            self._waiting.remove(entry)


def _is_item(said: Any, seq: int) -> bool:
    kinds = (dialect.MAVLINK_MSG_ID_MISSION_ITEM_INT, dialect.MAVLINK_MSG_ID_MISSION_ITEM)
    return bool(said.get_msgId() in kinds and said.seq == seq)


def _is_parameter(said: Any, name: str) -> bool:
    return bool(said.get_msgId() == dialect.MAVLINK_MSG_ID_PARAM_VALUE and said.param_id == name)


def _ignore(_item: object) -> None:
    """Nobody listens."""


def _ignore_item(_seq: int, _t_ns: int) -> None:
    """Nobody listens."""
