"""The EGM96 geoid grid that comes with Kuntur (15', public domain), in NOAA's GTX format."""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path

import numpy as np

from kuntur.errors import TerrainError
from kuntur.model.place import Geoid

EGM96 = Path(__file__).with_name("egm96_15.gtx")
_HEADER = struct.Struct(">4d2i")  # south, west, step in latitude, step in longitude; rows, columns


@lru_cache(maxsize=2)
def read(path: Path = EGM96) -> Geoid:
    """Read a GTX grid: rows from south to north, big-endian float32. TerrainError when missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TerrainError(
            f"The geoid grid {path.name} is missing.",
            remedy="Run `make geoid` (or install the wheel, which carries it).",
        ) from error
    if len(content) < _HEADER.size:
        raise TerrainError(f"The geoid grid {path} is damaged.", remedy="Run `make geoid` again.")
    south, west, step_lat, step_lon, rows, cols = _HEADER.unpack_from(content)
    values = np.frombuffer(content, ">f4", offset=_HEADER.size)
    if rows < 2 or cols < 2 or values.size != rows * cols or not np.isclose(step_lat, step_lon):
        raise TerrainError(f"The geoid grid {path} is damaged.", remedy="Run `make geoid` again.")
    grid = values.reshape(rows, cols).astype(np.float32)
    grid[grid < -9000.0] = np.nan  # GTX marks unknown nodes with -88.8888 or a large negative number
    return Geoid(name="EGM96", south_deg=south, west_deg=west, step_deg=step_lat, undulation_m=grid)
