"""A ground station made of MAVSDK, run as a program of its own: it flies what is on its standard input and prints JSON.

A program of its own because MAVSDK calls back from its own threads, also while it goes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from mavsdk.asyncio import ComponentType, Configuration, Mavsdk
from mavsdk.asyncio.plugins.action import ActionAsync
from mavsdk.asyncio.plugins.mission_raw import MissionRawAsync
from mavsdk.asyncio.plugins.param import ParamAsync
from mavsdk.asyncio.plugins.telemetry import TelemetryAsync
from mavsdk.plugins.mission_raw import MissionItem

FIELDS = ("seq", "frame", "command", "autocontinue", "param1", "param2", "param3", "param4", "x", "y", "z")


async def _first(stream: Any, true: Any, timeout_s: float) -> bool:
    async def watch() -> None:
        async for value in stream:
            if true(value):
                return

    try:
        await asyncio.wait_for(watch(), timeout_s)
    except TimeoutError:
        return False
    return True


async def fly(order: dict[str, Any]) -> dict[str, Any]:
    """Find the aircraft, read a parameter, upload, download, arm, start, and call it home."""
    station = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
    await station.add_any_connection(f"udpin://127.0.0.1:{order['port']}")
    system = await station.first_autopilot(20.0)
    assert system is not None, "no aircraft found"
    raw, action, telemetry = MissionRawAsync(system), ActionAsync(system), TelemetryAsync(system)
    parameter = await ParamAsync(system).get_param_float(order["parameter"])
    await raw.upload_mission([MissionItem(**item) for item in order["items"]])
    held = [{name: getattr(item, name) for name in FIELDS} for item in await raw.download_mission()]
    await action.arm()
    await raw.start_mission()
    climbed = await _first(telemetry.subscribe_position(), lambda p: p.relative_altitude_m > 60.0, 60.0)
    await action.return_to_launch()
    landed = await _first(telemetry.subscribe_position(), lambda p: p.relative_altitude_m < 1.0, 60.0)
    return {
        "system_id": await system.get_system_id(),
        "parameter": parameter,
        "held": held,
        "climbed": climbed,
        "landed": landed,
    }


if __name__ == "__main__":
    result = asyncio.run(fly(json.load(sys.stdin)))
    print("RESULT " + json.dumps(result), flush=True)  # noqa: T201
