"""Simulated aircraft for a watch: one process each, on loopback, gone when the program that started them is gone."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec import Struct

from kuntur.codecs import areas
from kuntur.errors import LinkError
from kuntur.io.autopilot import Autopilot
from kuntur.io.link import UdpLink, udp_socket
from kuntur.model.place import Area
from kuntur.sim.clock import SimClock
from kuntur.units import NS_PER_S

READY_S = 60.0  # a process imports numpy and pyproj; on two busy cores that takes seconds
STOP_S = 5.0
PACE_S = 0.1  # how often the pace is looked at, wall time
BEHIND_S = 0.6  # wall seconds this program may be behind its aircraft: our choice, well above a batch of the watch
SILENT_S = 2.0
TELEMETRY_S = 2.5  # of its time: telemetry is never newer than its period of 1 s and a turn of both loops

Progress = Callable[[float, str], None]


class SimulatedFleet(Struct, frozen=True, kw_only=True):
    """Running simulated aircraft: their clock, the link to each, and their processes, by aircraft id.

    lags: who else says by how many wall seconds it is behind. While anybody is behind by more than BEHIND_S the
    simulated clock stands still, here and in every process, so a busy machine flies slower and not later.
    """

    clock: SimClock
    links: dict[str, Autopilot]
    processes: dict[str, asyncio.subprocess.Process]
    lags: list[Callable[[], float]]

    def behind_s(self) -> float:
        """Wall seconds by which this program is behind its aircraft; those that have fallen silent do not count."""
        now_ns, now_s = self.clock.now_ns(), time.monotonic()
        heard = [link.t_ns for link in self.links.values() if now_s - link.heard_s < SILENT_S]
        links = [((now_ns - t_ns) / NS_PER_S - TELEMETRY_S) / self.clock.speed for t_ns in heard]
        return max([0.0, *links, *(lag() for lag in self.lags)])

    async def keep_pace(self) -> None:
        """Hold the clock while anybody is behind, until cancelled."""
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(PACE_S)
            if self.behind_s() > BEHIND_S:
                self.clock.hold(time.monotonic() - began_s)
                self.tell_start()

    def tell_start(self) -> None:
        """Tell every process when the clock started."""
        for process in self.processes.values():
            if process.returncode is None:
                _stdin(process).write(f"{self.clock.wall0_s!r}\n".encode())


@asynccontextmanager
async def launch_simulated(
    area: Area,
    *,
    start_t_ns: int,
    speed: float = 1.0,
    klv_port: int = 0,
    world: Path | None = None,
    seed: int = 0,
    progress: Progress = lambda _share, _words: None,
) -> AsyncIterator[SimulatedFleet]:
    """Start every aircraft of the area's fleet on its pad and connect to it; stop them all at the end.

    The clock reads start_t_ns when all are ready and runs at `speed`. world: file with the simulated crossers; with it
    every aircraft's simulated camera sends its packets to UDP klv_port on loopback. Raises LinkError when one does not
    start or does not answer.
    """
    processes: dict[str, asyncio.subprocess.Process] = {}
    links: dict[str, Autopilot] = {}
    with tempfile.TemporaryDirectory(prefix="kuntur-") as folder:
        packed = Path(folder) / "area.msgpack"
        packed.write_bytes(areas.encode(area))
        sockets = {aircraft.id: udp_socket() for aircraft in area.fleet.aircraft}
        try:
            for aircraft in area.fleet.aircraft:
                options = {
                    "--area": packed,
                    "--aircraft": aircraft.id,
                    "--mavlink": sockets[aircraft.id].getsockname()[1],
                    "--start-t-ns": start_t_ns,
                    "--speed": speed,
                    "--klv-port": klv_port,
                    "--seed": seed,
                }
                if world is not None:
                    options["--world"] = world
                processes[aircraft.id] = await _start(options, Path(folder) / f"{aircraft.id}.err")
            for done, (aircraft_id, process) in enumerate(processes.items(), 1):
                await _ready(aircraft_id, process, Path(folder) / f"{aircraft_id}.err")
                progress(0.8 * done / len(processes), f"{aircraft_id} is on its pad")
            clock = SimClock(start_t_ns=start_t_ns, wall0_s=time.monotonic(), speed=speed)
            fleet = SimulatedFleet(clock=clock, links=links, processes=processes, lags=[])
            fleet.tell_start()
            for aircraft in area.fleet.aircraft:
                link = links[aircraft.id] = Autopilot(aircraft, area.terrain, now_ns=clock.now_ns, speed=speed)
                udp = await UdpLink.open(link.receive, sockets[aircraft.id])
                await link.connect(udp)
            progress(1.0, f"{len(links)} simulated aircraft answer")
            pace = asyncio.create_task(fleet.keep_pace())
            try:
                yield fleet
            finally:
                pace.cancel()
        finally:
            for link in links.values():
                link.close()
            for sock in sockets.values():
                sock.close()
            await _stop(processes)


async def _start(options: dict[str, object], errors: Path) -> asyncio.subprocess.Process:
    arguments = [str(part) for pair in options.items() for part in pair]
    with errors.open("wb") as stderr:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "kuntur.sim.vehicle", "--lifeline", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C is for us; we stop them in order
        )


async def _ready(aircraft_id: str, process: asyncio.subprocess.Process, errors: Path) -> None:
    assert process.stdout is not None
    line = b""
    with suppress(TimeoutError):
        line = await asyncio.wait_for(process.stdout.readline(), READY_S)
    if line.strip() != b"ready":
        said = errors.read_text(errors="replace").strip().splitlines()
        why = said[-1] if said else f"nothing in {READY_S:.0f} s"
        raise LinkError(f"The simulated aircraft {aircraft_id} did not start: {why}.", remedy="Try again; report it.")


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin


async def _stop(processes: dict[str, asyncio.subprocess.Process]) -> None:
    """Close every lifeline, then insist."""
    for process in processes.values():
        _stdin(process).close()
    for process in processes.values():
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_S)
        if process.returncode is None:
            process.kill()
            await process.wait()
