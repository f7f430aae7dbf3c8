"""The three frozen instances of the patrol benchmark: areas beside this file, terrain made or given, hashes checked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
import terrain
from numpy.typing import NDArray
from rasterio.transform import from_origin

from kuntur.errors import TerrainError
from kuntur.model.place import Area
from kuntur.ops import area as areas

FOLDER: Final = Path(__file__).parent / "instances"
BUILT: Final = Path(__file__).resolve().parents[1] / "build" / "bench"
SURVEYS: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "terrain"

NAMES: Final = ("synthetic_40km", "tambo_quemado_114km", "aconcagua_60km")
SPECTRAL_SHA256: Final = "b6a37e6029fa3aec070d8865edaa858e0e9f2bf5a2d59379c0ab1a5b5a4b5b12"
POSTS: Final = 512
POST_M: Final = 125.0
LOWEST_M, HIGHEST_M = 2990, 5490


def spectral() -> NDArray[np.int16]:
    """Heights (POSTS, POSTS) in whole metres on POST_M cells: a Gaussian field with power spectrum k^-3.4."""
    field = terrain.spectral(POSTS, 3.4, np.random.default_rng(4040))
    low, high = float(field.min()), float(field.max())
    return np.round(LOWEST_M + (field - low) * ((HIGHEST_M - LOWEST_M) / (high - low))).astype(np.int16)


def _spectral_file() -> Path:
    heights = spectral()
    found = hashlib.sha256(heights.tobytes()).hexdigest()
    if SPECTRAL_SHA256 and found != SPECTRAL_SHA256:
        raise TerrainError(
            f"The instance's terrain came out different here: {found}.",
            remedy="Its figures do not hold for this terrain; report the versions of NumPy and SciPy.",
        )
    path = BUILT / "synthetic_40km.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    half = POSTS * POST_M / 2.0
    with rasterio.open(
        path, "w", driver="GTiff", width=POSTS, height=POSTS, count=1, dtype="int16",
        crs="+proj=tmerc +lat_0=-18 +lon_0=-68.95 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
        transform=from_origin(-half, half, POST_M, POST_M),
    ) as file:  # fmt: skip
        file.write(heights, 1)
    return path


def load(name: str) -> Area | None:
    """The area of an instance; None where its terrain is not on this machine."""
    if name == "synthetic_40km":
        return areas.load(FOLDER / name / "area.toml", [_spectral_file()])
    if name == "aconcagua_60km":
        survey = SURVEYS / "S33W071_srtm3_filled.tif"
        return areas.load(FOLDER / name / "area.toml", [survey]) if survey.exists() else None
    return areas.load(FOLDER / name / "area.toml")
