"""An independent ground station, MAVSDK, flies our simulated aircraft: we speak MAVLink, not a dialect of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import flights
import msgspec
import places
import pytest

from kuntur.codecs import missions
from kuntur.codecs.missions import MissionItem
from kuntur.io.link import udp_socket
from kuntur.sim.clock import real_time

pytest.importorskip("mavsdk", reason="MAVSDK, the independent ground station, is not installed")
pytestmark = pytest.mark.mavlink

AREA = places.ridge_area()
STATION = Path(__file__).with_name("mavsdk_station.py")
SPEED = 40.0


def _to_wire(seq: int, item: MissionItem) -> dict[str, Any]:
    names = ("param1", "param2", "param3", "param4")
    return {
        "seq": seq,
        "frame": item.frame,
        "command": item.command,
        "current": int(seq == 0),
        "autocontinue": 1,
        **dict(zip(names, item.params, strict=True)),
        "x": round(item.lat_deg * 1e7),
        "y": round(item.lon_deg * 1e7),
        "z": item.alt_m,
    }


def _from_wire(said: dict[str, Any]) -> MissionItem:
    return MissionItem(
        command=said["command"],
        frame=said["frame"],
        lat_deg=said["x"] / 1e7,
        lon_deg=said["y"] / 1e7,
        alt_m=said["z"],
        params=(said["param1"], said["param2"], said["param3"], said["param4"]),
    )


@pytest.mark.parametrize(("index", "parameter", "value"), [(0, "ALT_HOLD_RTL", 10_000.0), (1, "RTL_ALT", 1500.0)])
def test_it_finds_uploads_downloads_starts_and_returns(
    tmp_path: Path, index: int, parameter: str, value: float
) -> None:
    aircraft = AREA.fleet.aircraft[index]
    base = next(b for b in AREA.bases if b.id == aircraft.base_id)
    sortie = flights.sortie(AREA, aircraft)
    mission = missions.from_sortie(sortie, base, aircraft, AREA.frame, AREA.weather).mission
    home = MissionItem(command=missions.WAYPOINT, frame=missions.FRAME_MSL, alt_m=1.0)
    with udp_socket() as free:
        port = free.getsockname()[1]
    items = [_to_wire(seq, item) for seq, item in enumerate((home, *mission.items))]
    order = {"port": port, "parameter": parameter, "items": items}
    clock = msgspec.structs.replace(real_time(), speed=SPEED)
    with flights.VehicleProcess(tmp_path, port, aircraft.id, clock):
        said = subprocess.run(
            [sys.executable, str(STATION)], input=json.dumps(order), capture_output=True, text=True, timeout=110
        )
    lines = [line for line in said.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, said.stderr[-2000:]
    result = json.loads(lines[0].removeprefix("RESULT "))
    assert (result["system_id"], result["parameter"]) == (aircraft.system_id, value)
    first, *held = map(_from_wire, result["held"])
    assert missions.differences(mission.items, held) == []
    assert first.alt_m == pytest.approx(base.alt_msl_m, abs=0.01)  # its own home, not the one sent
    assert result["climbed"] and result["landed"]
    assert "KUNTUR SIMULATED AIRCRAFT" in said.stdout + said.stderr
