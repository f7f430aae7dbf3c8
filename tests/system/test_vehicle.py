"""The link against a real simulated aircraft in its own process: over UDP, over a bad link, among junk, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import flights
import msgspec
import places
import pytest

from kuntur.codecs import areas, missions
from kuntur.codecs.missions import TimedMission
from kuntur.errors import BusyError, LinkError, RefusedError
from kuntur.io.autopilot import Autopilot
from kuntur.io.link import TcpLink, UdpLink, udp_socket
from kuntur.model.plans import SWEEP, Look
from kuntur.model.tracks import FeedItem
from kuntur.sim.clock import real_time

pytestmark = pytest.mark.mavlink

AREA = places.ridge_area()
QUAD = AREA.fleet.aircraft[1]


def _timed(index: int = 1) -> TimedMission:
    aircraft = AREA.fleet.aircraft[index]
    base = next(b for b in AREA.bases if b.id == aircraft.base_id)
    return missions.from_sortie(flights.sortie(AREA, aircraft), base, aircraft, AREA.frame, AREA.weather)


@asynccontextmanager
async def _connected(
    folder: Path, *, speed: float = 50.0, loss: float = 0.0, index: int = 1
) -> AsyncIterator[Autopilot]:
    """A link to a running simulated aircraft, through a relay that loses a share of the datagrams when asked to."""
    aircraft = AREA.fleet.aircraft[index]
    clock = msgspec.structs.replace(real_time(), speed=speed)
    link = Autopilot(aircraft, AREA.terrain, now_ns=clock.now_ns, speed=speed)
    sock = udp_socket()
    async with flights.LossyRelay(sock.getsockname()[1], loss=loss, seed=5) as relay:
        with flights.VehicleProcess(folder, relay.port, aircraft.id, clock):
            try:
                await link.connect(await UdpLink.open(link.receive, sock), timeout_s=20.0)
                yield link
            finally:
                link.close()


def test_upload_read_back_and_parameters(tmp_path: Path) -> None:
    async def run() -> None:
        async with _connected(tmp_path) as link:
            timed = _timed()
            await link.upload(timed.mission)
            assert missions.differences(timed.mission.items, await link.download()) == []
            await link.set_parameter("RTL_ALT", 12_300.0)
            assert await link.parameter("RTL_ALT") == 12_300.0
            with pytest.raises(LinkError, match="holds RTL_ALT"):
                await link.set_parameter("RTL_ALT", 1e9)
            base = next(b for b in AREA.bases if b.id == QUAD.base_id)
            assert link.home is not None
            assert link.home[2] == pytest.approx(base.alt_msl_m, abs=0.01)

    asyncio.run(run())


@pytest.mark.parametrize("index", [0, 1])
def test_the_gimbals_items_are_on_board_as_they_were_sent(tmp_path: Path, index: int) -> None:
    aircraft = AREA.fleet.aircraft[index]
    base = next(b for b in AREA.bases if b.id == aircraft.base_id)
    sortie = flights.sortie(AREA, aircraft, points=3)
    looks = [SWEEP] * (len(sortie.t_s) - 1)
    looks[2] = Look("border", 1.25)
    timed = missions.from_sortie(
        msgspec.structs.replace(sortie, looks=tuple(looks)), base, aircraft, AREA.frame, AREA.weather
    )

    async def run() -> None:
        async with _connected(tmp_path, index=index) as link:
            await link.upload(timed.mission)  # reads back and compares
            held = await link.download()
            assert [item.command for item in held].count(missions.SET_ROI) == 2
            assert missions.differences(timed.mission.items, held) == []

    asyncio.run(run())


@pytest.mark.parametrize("loss", [0.1, 0.25])
def test_a_lossy_link_delivers_the_whole_mission_or_nothing(tmp_path: Path, loss: float) -> None:
    async def run() -> None:
        async with _connected(tmp_path, loss=loss) as link:
            for _ in range(3):
                try:
                    await link.upload(_timed().mission)  # reads it back
                    return
                except LinkError:
                    continue
            raise AssertionError("three uploads failed")

    asyncio.run(run())


def test_a_dead_link_ends_in_one_clear_error_in_time(tmp_path: Path) -> None:
    async def run() -> None:
        link = Autopilot(QUAD, AREA.terrain, now_ns=time.time_ns)
        try:
            with pytest.raises(LinkError, match="no heartbeat") as caught:
                await link.connect(await UdpLink.open(link.receive, udp_socket()), timeout_s=0.5)
            assert caught.value.remedy
        finally:
            link.close()
        with pytest.raises(LinkError, match="Nobody answers"):
            await TcpLink.connect(link.receive, "127.0.0.1", 9)
        async with _connected(tmp_path) as alive:
            timed = _timed()
            broken = msgspec.structs.replace(timed.mission.items[2], frame=1)
            items = (*timed.mission.items[:2], broken, *timed.mission.items[3:])
            with pytest.raises(LinkError, match="UNSUPPORTED_FRAME"):
                await alive.upload(msgspec.structs.replace(timed.mission, items=items))

    asyncio.run(run())


def test_nothing_takes_off_without_a_permit_and_an_entry_of_the_launch(tmp_path: Path) -> None:
    async def run() -> None:
        async with _connected(tmp_path) as link:
            now_ns = link._now_ns()
            good = flights.permit(QUAD.id, now_ns - 10**9, now_ns + 10**13)
            entry = flights.launch_entry(good)
            with pytest.raises(LinkError, match="no mission"):
                await link.arm_and_launch(good, entry)
            await link.upload(_timed().mission)
            late = flights.permit(QUAD.id, now_ns - 10**13, now_ns - 10**12)
            wrong = [
                (flights.permit("somebody-else", now_ns - 10**9, now_ns + 10**13), entry),
                (flights.permit(QUAD.id, now_ns - 10**9, now_ns + 10**13, action="look"), entry),
                (late, flights.launch_entry(late)),
                (good, flights.Diary().record_entry("upload", QUAD.id, permit=good)),
                (good, flights.Diary().record_entry("launch", QUAD.id)),
                (good, flights.launch_entry(late)),
            ]
            for permit, said in wrong:
                with pytest.raises(RefusedError, match="stays on the ground"):
                    await link.arm_and_launch(permit, said)
                assert not link.armed
            await link.arm_and_launch(good, entry)
            assert link.armed and link.mode == "AUTO"
            await link.command_return()
            assert link.mode in ("RTL", "LAND")

    asyncio.run(run())


def test_no_other_way_off_the_ground_exists() -> None:
    """Every public coroutine of the link but arm_and_launch leaves an aircraft on the ground where it is."""
    public = {name: member for name, member in vars(Autopilot).items() if not name.startswith("_")}
    verbs = {name for name, member in public.items() if asyncio.iscoroutinefunction(member)}
    on_ground = {
        "connect",
        "upload",
        "download",
        "parameter",
        "set_parameter",
        "command_return",
        "change_speed",
        "go_on",
    }
    assert verbs - on_ground == {"arm_and_launch"}


def test_junk_on_the_socket_is_counted_and_does_no_harm(tmp_path: Path) -> None:
    async def run() -> None:
        heard: list[FeedItem] = []
        async with _connected(tmp_path) as link:
            link.feed = heard.append
            assert link._link is not None
            for k in range(200):
                link._link.send(os.urandom(k))
                link.receive(os.urandom(k))
            link._link.send(b"\xfd\xff\x00\x00" + bytes(30))
            await link.upload(_timed().mission)
            assert link.junk_bytes > 10_000
            assert all(item.payload[0] in (0xFD, 0xFE) and item.kind == "mavlink" for item in heard)
            assert link.state is not None

    asyncio.run(run())


def test_terrain_is_served_before_a_terrain_mission_can_arm(tmp_path: Path) -> None:
    async def run() -> None:
        async with _connected(tmp_path, speed=20.0) as link:
            timed = _timed()
            items = tuple(
                msgspec.structs.replace(item, frame=10, alt_m=300.0) if item.command == missions.WAYPOINT else item
                for item in timed.mission.items
            )
            await link.upload(msgspec.structs.replace(timed.mission, items=items))
            now_ns = link._now_ns()
            permit = flights.permit(QUAD.id, now_ns - 10**9, now_ns + 10**13)
            await link.arm_and_launch(permit, flights.launch_entry(permit), patience_s=20.0)
            assert link.armed

    asyncio.run(run())


def test_telemetry_is_stamped_with_the_aircraft_s_clock_and_passed_on_whole(tmp_path: Path) -> None:
    async def run() -> None:
        heard: list[FeedItem] = []
        async with _connected(tmp_path, speed=100.0) as link:
            link.feed = heard.append
            await asyncio.sleep(0.6)
            behind_s = (link._now_ns() - heard[-1].t_ns) / 1e9
            assert behind_s + 1.0 >= 0.0 and behind_s < 100.0
        times = [item.t_ns for item in heard]
        assert times == sorted(times)
        assert times[-1] - times[0] > 30e9

    asyncio.run(run())


def test_it_ends_on_sigterm_and_with_the_program_that_started_it(tmp_path: Path) -> None:
    with flights.VehicleProcess(tmp_path, 9, "multirotor-2") as vehicle:
        time.sleep(1.0)
        assert vehicle.process.poll() is None
        vehicle.process.send_signal(signal.SIGTERM)
        assert vehicle.process.wait(5.0) == 0
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"area = {str(tmp_path / 'area.msgpack')!r}\n"
            "options = ['--area', area, '--aircraft', 'multirotor-2', '--mavlink', '9']\n"
            "command = [sys.executable, '-m', 'kuntur.sim.vehicle', '--lifeline', *options]\n"
            "p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
            "p.stdout.readline(); p.stdin.write(b'%r\\n' % time.monotonic()); p.stdin.flush()\n"
            "print(p.pid, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.3)
    assert _alive(child)
    parent.kill()
    parent.wait()
    until_s = time.monotonic() + 5.0
    while _alive(child) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except FileNotFoundError:
        return False


def test_a_start_that_cannot_work_says_why(tmp_path: Path) -> None:
    packed = tmp_path / "area.msgpack"
    packed.write_bytes(areas.encode(AREA)[:1000])
    command = [sys.executable, "-m", "kuntur.sim.vehicle", "--mavlink", "9", "--area", str(packed), "--aircraft"]
    broken = subprocess.run([*command, "multirotor-2"], capture_output=True, text=True, timeout=30)
    assert broken.returncode == 2 and "not a packed area" in broken.stderr and "Traceback" not in broken.stderr
    packed.write_bytes(areas.encode(AREA))
    unknown = subprocess.run([*command, "nobody"], capture_output=True, text=True, timeout=30)
    assert unknown.returncode == 2 and "multirotor-2" in unknown.stderr


def test_a_busy_port_is_named() -> None:
    with udp_socket() as taken, pytest.raises(BusyError, match=str(taken.getsockname()[1])):
        udp_socket(taken.getsockname()[1])
