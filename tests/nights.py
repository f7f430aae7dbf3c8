"""A short simulated night over the made-up ridge, as the feed items of a watch: what the watch's tests share.

Three aircraft go to and fro behind the border with simulated cameras; walkers cross under them. Telemetry is real
MAVLink. No processes and no sockets: `tests/system` has those.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import places
from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.geodesy import frames, grid, lines
from kuntur.model.place import Area
from kuntur.model.tracks import FeedItem
from kuntur.sim.world import SimulatedCamera, SimulatedCrosser, World
from kuntur.units import NS_PER_S

START_T_NS = 1_760_000_000 * NS_PER_S


def walker(k: int, chainage_m: float, start_s: float, *, inward_mps: float = 1.2) -> SimulatedCrosser:
    """Across the border at a chainage, from 300 m outside to 2,000 m inside."""
    border = places.ridge_area().border
    x_m, y_m = lines.point_at(border.xy_m, chainage_m)
    return SimulatedCrosser(
        id=f"walker-{k}",
        crosser_class="walker",
        target="person",
        t_s=(start_s, start_s + 2300.0 / inward_mps),
        x_m=(float(x_m) - 300.0, float(x_m) + 2000.0),
        y_m=(float(y_m), float(y_m)),
    )


@lru_cache(maxsize=2)
def night(duration_s: int = 1000, seed: int = 3) -> tuple[Area, World, tuple[FeedItem, ...]]:
    """The area, who crosses, and everything that arrives, in order of arrival."""
    area = places.ridge_area()
    world = World(
        area_id=area.id, seed=seed, crossers=tuple(walker(k, 900.0 * k + 800.0, 20.0 * k - 600.0) for k in range(9))
    )
    items: list[FeedItem] = []
    for number, aircraft in enumerate(area.fleet.aircraft):
        camera = SimulatedCamera(area, aircraft, world, START_T_NS, seed, false_alarms_per_look=0.002)
        packer = dialect.MAVLink(None, srcSystem=aircraft.system_id, srcComponent=1)
        for second in range(duration_s):
            t_ns = START_T_NS + second * NS_PER_S
            y_m = -3200.0 + 3200.0 * number + 1200.0 * np.sin(second / 90.0)
            lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(area.frame, 1300.0, y_m))
            alt_m = float(grid.height_at(area.terrain, 1300.0, y_m)) + 350.0
            position = dialect.MAVLink_global_position_int_message(
                second * 1000, int(lat_deg * 1e7), int(lon_deg * 1e7), int(alt_m * 1000), 350_000, 0, 1300, 0, 9000
            )
            beat = dialect.MAVLink_heartbeat_message(
                dialect.MAV_TYPE_FIXED_WING, dialect.MAV_AUTOPILOT_ARDUPILOTMEGA, 129, 10, 4, 3
            )
            late_ns = (number + 1) * 150_000_000
            for said in (position, beat):
                items.append(
                    FeedItem(t_ns=t_ns + late_ns, source=aircraft.id, kind="mavlink", payload=said.pack(packer))
                )
            packet = camera.look(t_ns, lat_deg, lon_deg, alt_m, 1.5)
            items.append(FeedItem(t_ns=t_ns + late_ns, source="klv", kind="klv", payload=packet))
    items.sort(key=lambda item: item.t_ns)
    return area, world, tuple(items)
