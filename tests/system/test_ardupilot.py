"""Our link flies a real ArduCopter (its own simulation build), where one is given by KUNTUR_ARDUCOPTER=PATH.

The program is not part of this repository. Its parameter file, if it needs one: KUNTUR_ARDUCOPTER_PARAMETERS.
It simulates its own flight and listens on TCP 5760; nothing of ours is simulated here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import flights
import msgspec
import numpy as np
import places
import pytest

from kuntur.codecs import mavlink, missions
from kuntur.errors import LinkError
from kuntur.geodesy import frames
from kuntur.io.autopilot import Autopilot
from kuntur.io.link import TcpLink
from kuntur.model.plans import SWEEP, Look, Sortie
from kuntur.model.tracks import FeedItem, PlatformState
from kuntur.ops.flown import distance_to_line
from kuntur.sim.clock import real_time

PROGRAM = os.environ.get("KUNTUR_ARDUCOPTER", "")
PARAMETERS = os.environ.get("KUNTUR_ARDUCOPTER_PARAMETERS", "")
SPEED = 8.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.mavlink,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PROGRAM, reason="no ArduCopter to fly: set KUNTUR_ARDUCOPTER to a simulation build of it"),
]

AREA = places.ridge_area()
QUAD = msgspec.structs.replace(AREA.fleet.aircraft[1], system_id=1)
BASE = next(b for b in AREA.bases if b.id == QUAD.base_id)
UP_M = 80.0
SORTIE = Sortie(
    id="short",
    aircraft_id=QUAD.id,
    base_id=BASE.id,
    t_s=(0.0, 90.0, 150.0, 170.0, 280.0),
    x_m=(BASE.x_m, BASE.x_m - 300.0, BASE.x_m - 300.0, BASE.x_m - 300.0, BASE.x_m),
    y_m=(BASE.y_m, BASE.y_m, BASE.y_m + 300.0, BASE.y_m + 300.0, BASE.y_m),
    alt_msl_m=(BASE.alt_msl_m, *([BASE.alt_msl_m + UP_M] * 3), BASE.alt_msl_m),
    energy_wh=0.0,
    endurance_s=280.0,
    looks=(SWEEP, Look("stare", 0.8), Look("stare", 0.8), SWEEP),
)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    home = f"{BASE.lat_deg:.7f},{BASE.lon_deg:.7f},{BASE.alt_msl_m:.2f},0"
    command = [PROGRAM, "-S", "-w", "--model", "+", "--speedup", str(SPEED), "--home", home]
    if PARAMETERS:
        command += ["--defaults", PARAMETERS]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def _connect(link: Autopilot) -> TcpLink:
    for _ in range(20):
        try:
            return await TcpLink.connect(link.receive, "127.0.0.1", 5760)
        except LinkError:
            await asyncio.sleep(0.5)
    raise AssertionError("ArduCopter does not listen on TCP 5760")


def test_it_flies_our_mission(tmp_path: Path) -> None:
    clock = msgspec.structs.replace(real_time(), speed=SPEED)
    link = Autopilot(QUAD, AREA.terrain, now_ns=clock.now_ns, speed=SPEED)
    heard: list[FeedItem] = []
    path: list[PlatformState] = []
    turned: list[int] = []
    timed = missions.from_sortie(SORTIE, BASE, QUAD, AREA.frame, AREA.weather)

    async def run() -> None:
        await link.connect(await _connect(link), timeout_s=60.0)
        link.feed, link.on_position, link.on_item = heard.append, path.append, lambda seq, _t: turned.append(seq)
        assert link.home is not None and link.home[2] == pytest.approx(BASE.alt_msl_m, abs=1.0)
        await link.set_parameter("RTL_ALT", 9_000.0)
        await link.set_parameter("FS_GCS_ENABLE", 1.0)
        await link.upload(timed.mission)  # reads back and compares
        now_ns = clock.now_ns()
        permit = flights.permit(QUAD.id, now_ns - 10**9, now_ns + 10**13)
        await link.arm_and_launch(permit, flights.launch_entry(permit), patience_s=90.0)
        until_s = time.monotonic() + 120.0
        while link.armed and time.monotonic() < until_s:
            await asyncio.sleep(0.1)
        assert not link.armed
        link.close()

    process = _start(tmp_path)
    try:
        asyncio.run(run())
    finally:
        process.kill()
        process.wait()
    flown = [s for s in path if s.armed and s.alt_msl_m > BASE.alt_msl_m + UP_M - 5.0]
    x_m, y_m = frames.to_local(AREA.frame, [s.lat_deg for s in flown], [s.lon_deg for s in flown])
    off_m = distance_to_line(np.column_stack([SORTIE.x_m, SORTIE.y_m]), np.column_stack([x_m, y_m]))
    assert float(np.quantile(off_m, 0.95)) < 15.0
    for k in (1, 2):
        assert np.min(np.hypot(x_m - SORTIE.x_m[k], y_m - SORTIE.y_m[k])) < 10.0
    assert max(s.alt_msl_m for s in flown) < BASE.alt_msl_m + UP_M + 10.0
    assert turned[-1] >= timed.arrivals[-1].seq or turned[-1] == 0  # it forgets its place after landing
    reports = [m for m in map(mavlink.message, (i.payload for i in heard)) if m.get_type() == "TERRAIN_REPORT"]
    served = [m.terrain_height for m in reports if m.spacing > 0]
    assert served and abs(served[-1] - BASE.alt_msl_m) < 60.0  # it took our terrain for its own
