"""One simulated aircraft as a process: `python -m kuntur.sim.vehicle --area FILE --aircraft ID --mavlink PORT`.

It sends MAVLink 2 by UDP to the ground station at 127.0.0.1:PORT and, when asked to, the packets of its simulated
camera to 127.0.0.1:KLV-PORT. The area is the file that `codecs.areas` writes. It ends on SIGTERM. With --lifeline it
prints "ready", waits for a line with the monotonic time at which its clock starts (later lines correct it), and ends
when its standard input closes, so that no aircraft outlives the program that started it.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from kuntur.codecs import areas, mavlink
from kuntur.errors import ConfigError, KunturError
from kuntur.sim.clock import SimClock
from kuntur.sim.pilot import Pilot

LOOPBACK = "127.0.0.1"
WAKE_S = 0.02  # shortest pause between looks at the clock
CHUNK_S = 20.0  # longest simulated time flown without looking at the link
MTU_BYTES = 1200


class Camera(Protocol):
    """What this process needs of `sim.world.SimulatedCamera`."""

    look_s: float

    def look(
        self,
        t_ns: int,
        lat_deg: float,
        lon_deg: float,
        alt_msl_m: float,
        heading_rad: float,
        *,
        middle_rad: float | None,
    ) -> bytes | None: ...


class Outbox:
    """Messages gathered into datagrams of many frames: at 200 times real time one each would be too many."""

    def __init__(self, sock: socket.socket, port: int, system_id: int) -> None:
        self._packer = mavlink.Packer(system_id, component_id=1)
        self._sock, self._to = sock, (LOOPBACK, port)
        self._waiting = bytearray()

    def send(self, message: Any) -> None:
        frame = self._packer.frame(message)
        if len(self._waiting) + len(frame) > MTU_BYTES:
            self.flush()
        self._waiting += frame

    def flush(self) -> None:
        if self._waiting:
            datagram, self._waiting = bytes(self._waiting), bytearray()
            transmit(self._sock, datagram, self._to)


def transmit(sock: socket.socket, datagram: bytes, to: tuple[str, int]) -> None:
    """Send one datagram; nobody listening, or a full buffer, loses it as the air would."""
    try:
        sock.sendto(datagram, to)
    except (ConnectionRefusedError, BlockingIOError):
        return


class Vehicle:
    """The aircraft, its link and its camera in one loop."""

    def __init__(
        self, pilot: Pilot, clock: SimClock, sock: socket.socket, outbox: Outbox, camera: Camera | None, klv_port: int
    ) -> None:
        self.pilot, self.clock, self.camera = pilot, clock, camera
        self._sock, self._outbox, self._klv_to = sock, outbox, (LOOPBACK, klv_port)
        self._splitter = mavlink.Splitter()
        self._next_look_s = 0.0
        self._half_line = b""
        self.running = True

    def run(self, lifeline: int | None) -> None:
        """Fly until told to stop."""
        waiting_for: list[Any] = [self._sock] if lifeline is None else [self._sock, lifeline]
        pause_s = min(max(1.0 / self.clock.speed / 4.0, WAKE_S), 0.25)
        while self.running:
            behind = self.clock.elapsed_s() - self.pilot.t_s > CHUNK_S
            ready, _, _ = select.select(waiting_for, [], [], 0.0 if behind else pause_s)
            if lifeline is not None and lifeline in ready and not self._hear_start(lifeline):
                return
            self._fly()
            if self._sock in ready:
                self._listen()
            self._outbox.flush()

    def _hear_start(self, lifeline: int) -> bool:
        """Take the newest start of the clock that the lifeline tells; False when it is closed."""
        heard = os.read(lifeline, 4096)
        *lines, self._half_line = (self._half_line + heard).split(b"\n")
        if lines:
            self.clock.wall0_s = float(lines[-1])
        return bool(heard)

    def _fly(self) -> None:
        """Catch up with the clock, by at most one chunk, stopping wherever the camera looks."""
        until_s = min(self.clock.elapsed_s(), self.pilot.t_s + CHUNK_S)
        while self.camera is not None and self._next_look_s <= until_s:
            self.pilot.advance(self._next_look_s, time.monotonic())
            self._next_look_s += self.camera.look_s
            packet = self._look(self.camera) if self.pilot.airborne else None
            if packet is not None:
                transmit(self._sock, packet, self._klv_to)
        self.pilot.advance(until_s, time.monotonic())

    def _look(self, camera: Camera) -> bytes | None:
        pilot = self.pilot
        lat_deg, lon_deg = pilot.geodetic()
        heading_rad = pilot.body.heading_rad + pilot.convergence_rad()
        alt_msl_m, middle_rad = pilot.body.alt_msl_m, pilot.roi_azimuth_rad
        return camera.look(pilot.t_ns, lat_deg, lon_deg, alt_msl_m, heading_rad, middle_rad=middle_rad)

    def _listen(self) -> None:
        """Take all that has come in. What is not MAVLink is counted and left."""
        while True:
            try:
                datagram = self._sock.recv(65_536)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # an earlier datagram of ours found nobody
                continue
            for said in self._splitter.datagram(datagram):
                self.pilot.handle(said, time.monotonic())
            self.pilot.junk_bytes = self._splitter.junk_bytes


def _camera(args: argparse.Namespace, pilot: Pilot) -> Camera | None:
    if args.world is None:
        return None
    from kuntur.sim import world as simulated_world

    world = simulated_world.load_world(args.world)
    camera: Camera = simulated_world.SimulatedCamera(pilot.area, pilot.aircraft, world, args.start_t_ns, args.seed)
    return camera


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kuntur.sim.vehicle", description="One simulated aircraft over MAVLink.")
    parser.add_argument("--area", type=Path, required=True, help="packed area (codecs.areas)")
    parser.add_argument("--aircraft", required=True, help="id of the aircraft in the area's fleet")
    parser.add_argument("--mavlink", type=int, required=True, help="UDP port of the ground station on this machine")
    parser.add_argument("--klv-port", type=int, default=0, help="UDP port for the camera's packets")
    parser.add_argument("--world", type=Path, help="world file with the simulated crossers; none: no camera")
    parser.add_argument("--start-t-ns", type=int, default=time.time_ns(), help="simulated UTC at wall0")
    parser.add_argument("--wall0", type=float, default=time.monotonic(), help="monotonic clock at the start, seconds")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
    parser.add_argument("--seed", type=int, default=0, help="seed of the camera's misses and false alarms")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input closes")
    return parser.parse_args(argv)


def _told_start() -> float:
    """Say that all is loaded, and wait to be told when the clock starts."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(sys.stdin.fileno(), 1)
        if not piece:
            raise ConfigError("The program that started this aircraft has gone.")
        line += piece
    return float(line)


def main(argv: list[str] | None = None) -> int:
    """Run one simulated aircraft; returns the exit status."""
    args = _arguments(sys.argv[1:] if argv is None else argv)
    try:
        area = areas.decode(args.area.read_bytes())
        aircraft = next((a for a in area.fleet.aircraft if a.id == args.aircraft), None)
        if aircraft is None:
            known = ", ".join(a.id for a in area.fleet.aircraft)
            raise ConfigError(f"No aircraft {args.aircraft!r} in the fleet of {area.id}.", remedy=f"Known: {known}.")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((LOOPBACK, 0))
            sock.setblocking(False)
            outbox = Outbox(sock, args.mavlink, aircraft.system_id)
            pilot = Pilot(area, aircraft, args.start_t_ns, outbox.send)
            camera = _camera(args, pilot)
            wall0_s = _told_start() if args.lifeline else args.wall0
            clock = SimClock(start_t_ns=args.start_t_ns, wall0_s=wall0_s, speed=args.speed)
            vehicle = Vehicle(pilot, clock, sock, outbox, camera, args.klv_port)

            def stop(_signal: int, _frame: Any) -> None:
                vehicle.running = False

            signal.signal(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent stops us in order
            pilot.skip_to(clock.elapsed_s())
            vehicle.run(sys.stdin.fileno() if args.lifeline else None)
    except KunturError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
