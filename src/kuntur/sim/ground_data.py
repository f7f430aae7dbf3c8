"""Terrain as an autopilot gets it: it asks the ground station for blocks of heights and keeps what comes.

A block is 28 posts north by 32 east; the 56 bits of its mask stand for 4 x 4 posts each, eight to a row from the
south-west corner (mavlink.io, "Terrain Protocol").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as dialect

from kuntur.geodesy import frames
from kuntur.model.place import LocalFrame

Send = Callable[[Any], None]
Key = tuple[int, int]

ALL: Final = (1 << 56) - 1
ASK_AGAIN_S: Final = 0.5


class GroundData:
    """The heights received so far, and the asking for those still missing."""

    def __init__(self, frame: LocalFrame, spacing_m: float, send: Send) -> None:
        self.frame = frame
        self.spacing_m = round(spacing_m)
        self._send = send
        self._blocks: dict[Key, dict[int, tuple[int, ...]]] = {}
        self._missing: dict[Key, int] = {}
        self._corners: dict[tuple[int, int], Key] = {}
        self._asked_s = -math.inf

    @property
    def complete(self) -> bool:
        return not self._missing

    def want(self, points_m: Iterable[tuple[float, float]]) -> None:
        """Ask for the blocks that hold these points and their neighbours."""
        for x, y in points_m:
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
                key, bit, _ = self._find(x + dx * self.spacing_m, y + dy * self.spacing_m)
                if bit not in self._blocks.get(key, {}):
                    self._missing[key] = self._missing.get(key, 0) | 1 << bit

    def tick(self, wall_s: float) -> None:
        """Ask (again) for one missing block."""
        if self._missing and wall_s - self._asked_s > ASK_AGAIN_S:
            self._asked_s = wall_s
            key = next(iter(self._missing))
            lat, lon = self._corner(key)
            self._send(dialect.MAVLink_terrain_request_message(lat, lon, self.spacing_m, self._missing[key]))

    def handle(self, said: Any) -> None:
        """Take one TERRAIN_DATA; what was not asked for is ignored."""
        key = self._corners.get((said.lat, said.lon))
        if key is None or said.grid_spacing != self.spacing_m or said.gridbit >= 56:
            return
        self._blocks.setdefault(key, {})[said.gridbit] = tuple(said.data)
        left = self._missing.get(key, 0) & ~(1 << said.gridbit)
        if left:
            self._missing[key] = left
        elif self._missing.pop(key, None) is not None:
            self._asked_s = -math.inf  # the next block at once

    def height_m(self, x_m: float, y_m: float) -> float | None:
        """Height of the ground as received, highest of the four posts around; None where nothing was received."""
        heights = []
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            key, bit, k = self._find(x_m + dx * self.spacing_m, y_m + dy * self.spacing_m)
            data = self._blocks.get(key, {}).get(bit)
            if data is None:
                return None
            heights.append(data[k])
        return float(max(heights))

    def _find(self, x_m: float, y_m: float) -> tuple[Key, int, int]:
        """Block, bit and post of the post south-west of a point."""
        east, north = math.floor(x_m / self.spacing_m), math.floor(y_m / self.spacing_m)
        key = (east // 32, north // 28)
        e, n = east % 32, north % 28
        return key, n // 4 * 8 + e // 4, n % 4 * 4 + e % 4

    def _corner(self, key: Key) -> tuple[int, int]:
        lat_deg, lon_deg = frames.to_geodetic(self.frame, key[0] * 32 * self.spacing_m, key[1] * 28 * self.spacing_m)
        corner = (round(float(lat_deg) * 1e7), round(float(lon_deg) * 1e7))
        self._corners[corner] = key
        return corner
