"""Sorties, taskings, sessions and simulated aircraft that the tests of flying share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import places

from kuntur.aircraft import performance
from kuntur.codecs import areas
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area
from kuntur.model.plans import Sortie, Tasking
from kuntur.model.records import Actor, LogEntry, Permit, Purpose
from kuntur.sim.clock import SimClock, real_time

START_T_NS = 1_800_000_000_000_000_000
LEVEL_M = 4880.0  # above everything in places.ridge_area


def sortie(
    area: Area,
    aircraft: Aircraft,
    *,
    t0_s: float = 60.0,
    points: int = 2,
    seed: int = 0,
    pace: float = 0.9,
    wait_s: float = 0.0,
) -> Sortie:
    """A sortie over seeded points on our side at `pace` of cruise speed, with a climb over the base and back; at each
    point it waits `wait_s`."""
    base = next(b for b in area.bases if b.id == aircraft.base_id)
    budget = performance.loaded_budget(aircraft, LEVEL_M, area.weather)
    speed = pace * budget.airspeed_mps - area.weather.wind_speed_mps
    rng = np.random.default_rng(seed)
    x, y, t = [base.x_m, base.x_m], [base.y_m, base.y_m], [t0_s]
    t.append(t0_s + (LEVEL_M - base.alt_msl_m) / budget.climb_mps + 5.0)
    for _ in range(points):
        x.append(rng.uniform(1000.0, 3500.0))
        y.append(base.y_m + rng.uniform(-1500.0, 1500.0))
        t.append(t[-1] + np.hypot(x[-1] - x[-2], y[-1] - y[-2]) / speed)
        if wait_s:
            x.append(x[-1])
            y.append(y[-1])
            t.append(t[-1] + wait_s)
    x += [base.x_m, base.x_m]
    y += [base.y_m, base.y_m]
    t.append(t[-1] + np.hypot(x[-1] - x[-3], y[-1] - y[-3]) / speed)
    t.append(t[-1] + (LEVEL_M - base.alt_msl_m) / budget.descent_mps + 10.0)
    alt = [base.alt_msl_m, *([LEVEL_M] * (len(t) - 2)), base.alt_msl_m]
    return Sortie(
        id=f"{aircraft.id}-{seed}",
        aircraft_id=aircraft.id,
        base_id=base.id,
        t_s=tuple(map(float, t)),
        x_m=tuple(map(float, x)),
        y_m=tuple(map(float, y)),
        alt_msl_m=tuple(alt),
        energy_wh=0.0,
        endurance_s=float(t[-1] - t0_s),
    )


def tasking(sorties: list[Sortie], *, start_t_ns: int = START_T_NS) -> Tasking:
    """A tasking of these sorties."""
    return Tasking(
        strategy_sha256="ab" * 32,
        seed_commitment="",
        start_t_ns=start_t_ns,
        column_indices=(),
        sorties=tuple(sorties),
    )


class Diary:
    """A session that grants every permit and keeps every entry in a list, in the form `ops.fly` needs."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []

    def record_entry(
        self,
        action: str,
        subject: str,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        detail: Mapping[str, Any] | None = None,
        *,
        permit: Permit | None = None,
    ) -> LogEntry:
        named = dict(inputs or {}) | ({} if permit is None else {"permit": permit.id})
        entry = LogEntry(
            index=len(self.entries),
            t_ns=0,
            actor="tester",
            purpose="test",
            action=action,
            subject=subject,
            inputs=named,
            outputs=dict(outputs or {}),
            detail=dict(detail or {}),
        )
        self.entries.append(entry)
        return entry

    def permit(self, action: Any, subject: str, from_t_ns: int, until_t_ns: int, *, path_m: Any = None) -> Permit:
        assert path_m is not None and path_m.shape[1] == 3
        return permit(subject, from_t_ns, until_t_ns, action=action)

    def actions(self, subject: str) -> list[str]:
        return [entry.action for entry in self.entries if entry.subject == subject]


def permit(subject: str, from_t_ns: int, until_t_ns: int, action: Any = "fly") -> Permit:
    """A permit made up for a test."""
    return Permit(
        id=f"permit-{subject}-{from_t_ns}",
        actor=Actor(id="tester", role="operator"),
        purpose=Purpose(code="test"),
        action=action,
        subject=subject,
        from_t_ns=from_t_ns,
        until_t_ns=until_t_ns,
    )


def launch_entry(of: Permit) -> LogEntry:
    """The record's entry of a launch on this permit."""
    return Diary().record_entry("launch", of.subject, permit=of)


class VehicleProcess:
    """One real simulated aircraft in its own process, sending to `port`."""

    def __init__(self, folder: Path, port: int, aircraft_id: str, clock: SimClock | None = None) -> None:
        packed = folder / "area.msgpack"
        packed.write_bytes(areas.encode(places.ridge_area()))
        clock = clock or real_time()
        arguments = ["--area", packed, "--aircraft", aircraft_id, "--mavlink", port, "--speed", clock.speed]
        arguments += ["--start-t-ns", clock.start_t_ns, "--wall0", clock.wall0_s]
        self.process = subprocess.Popen([sys.executable, "-m", "kuntur.sim.vehicle", *map(str, arguments)])

    def __enter__(self) -> VehicleProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class LossyRelay:
    """Forwards datagrams between an aircraft and a ground station, losing and swapping a seeded share of them.

    The aircraft sends to `port`; the ground station listens on `to_port`.
    """

    def __init__(self, to_port: int, *, loss: float, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._loss = loss
        self._ground = ("127.0.0.1", to_port)
        self._aircraft: tuple[str, int] | None = None
        self._held: bytes | None = None
        self.lost = self.passed = 0
        self.port = 0

    async def __aenter__(self) -> LossyRelay:
        loop = asyncio.get_running_loop()
        self._inner, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_aircraft), ("127.0.0.1", 0))
        self._outer, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_ground), ("127.0.0.1", 0))
        self.port = self._inner.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inner.close()
        self._outer.close()

    def _from_aircraft(self, data: bytes, peer: tuple[str, int]) -> None:
        self._aircraft = peer
        for datagram in self._weather(data):
            self._outer.sendto(datagram, self._ground)

    def _from_ground(self, data: bytes, _peer: tuple[str, int]) -> None:
        for datagram in self._weather(data):
            if self._aircraft is not None:
                self._inner.sendto(datagram, self._aircraft)

    def _weather(self, data: bytes) -> list[bytes]:
        """What of a datagram gets through, and in which order: some are held back and come after the next."""
        if self._rng.random() < self._loss:
            self.lost += 1
            return []
        self.passed += 1
        if self._loss and self._held is None and self._rng.random() < 0.1:
            self._held = data
            return []
        late, self._held = self._held, None
        return [data] if late is None else [data, late]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, receive: Any) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data, addr)
