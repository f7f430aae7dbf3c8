"""Small made-up terrain tiles in degrees: parts of one continuous landscape, so that any cut gives the same ground."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

FloatArray = NDArray[np.float64]
STEP_DEG = 1.0 / 3600.0


def hills(lat_deg: FloatArray, lon_deg: FloatArray) -> FloatArray:
    """Hills of 100 to 500 m over 0.5 to 4 km round 3,000 m; longitude counts modulo 360."""
    x, y = np.radians(lon_deg) * 6.371e6, np.radians(lat_deg) * 6.371e6
    x = np.where(x < 0.0, x + 2.0 * np.pi * 6.371e6, x)
    height = 3000.0 + 250.0 * np.sin(x / 640.0) * np.cos(y / 710.0)
    return height + 120.0 * np.sin((x + y) / 190.0) + 40.0 * np.cos((x - 2.0 * y) / 83.0)


def write_tile(
    path: Path,
    south_deg: float,
    west_deg: float,
    *,
    posts: int = 181,
    step_deg: float = STEP_DEG,
    land: Callable[[FloatArray, FloatArray], FloatArray] = hills,
    dtype: str = "int16",
    void: tuple[slice, slice] | None = None,
    crs: str = "EPSG:4326",
) -> Path:
    """A square tile whose first and last posts lie on its edges, as SRTM's do."""
    lat = south_deg + np.arange(posts)[::-1] * step_deg
    lon = west_deg + np.arange(posts) * step_deg
    values = np.round(land(lat[:, None], lon[None, :])).astype(dtype)
    if void is not None:
        values[void] = -32768
    north = south_deg + (posts - 1) * step_deg
    with rasterio.open(
        path, "w", driver="GTiff", height=posts, width=posts, count=1, dtype=dtype, crs=crs, nodata=-32768,
        transform=Affine(step_deg, 0.0, west_deg - step_deg / 2, 0.0, -step_deg, north + step_deg / 2),
        compress="deflate",
    ) as file:  # fmt: skip
        file.update_tags(AREA_OR_POINT="Point", DTED_DigitizingSystem="SRTM")
        file.write(values, 1)
    return path


def write_block(
    folder: Path,
    south_deg: float,
    west_deg: float,
    rows: int,
    cols: int,
    *,
    posts: int = 181,
    missing: Iterable[int] = (),
) -> list[Path]:
    """Tiles in rows from the south; `missing` names tiles that are not written, counted from the south-west."""
    folder.mkdir(parents=True, exist_ok=True)
    side_deg = (posts - 1) * STEP_DEG
    paths = []
    for number in range(rows * cols):
        if number not in missing:
            lon = (west_deg + number % cols * side_deg + 180.0) % 360.0 - 180.0
            south = south_deg + number // cols * side_deg
            paths.append(write_tile(folder / f"tile{number}_srtm.tif", south, lon, posts=posts))
    return paths


def write_features(path: Path, *geometries: tuple[str, list[list[float]] | list[float]]) -> Path:
    features = [{"type": "Feature", "geometry": {"type": kind, "coordinates": at}} for kind, at in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path
