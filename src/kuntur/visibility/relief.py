"""The look of the land: a hillshade to draw things on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kuntur.model.place import Terrain

SUN_AZIMUTH_RAD = np.radians(315.0)
SUN_ELEVATION_RAD = np.radians(45.0)


def shade(terrain: Terrain, *, exaggeration: float = 1.0) -> NDArray[np.uint8]:
    """Hillshade (rows, cols) uint8, 1 dark to 255 bright, 0 over voids; light from the north-west (Horn 1981)."""
    z = terrain.heights_m.astype(np.float32) * np.float32(exaggeration)
    north, east = np.gradient(z, -terrain.cell_m, terrain.cell_m)
    light = (
        np.sin(SUN_ELEVATION_RAD)
        - np.cos(SUN_ELEVATION_RAD) * (np.sin(SUN_AZIMUTH_RAD) * east + np.cos(SUN_AZIMUTH_RAD) * north)
    ) / np.sqrt(1.0 + east**2 + north**2)
    return np.where(np.isnan(light + z), 0.0, 1.0 + 254.0 * np.clip(light, 0.0, 1.0)).astype(np.uint8)
