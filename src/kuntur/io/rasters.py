"""Rasters in the local frame, as GeoTIFF: written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine

from kuntur.errors import TerrainError
from kuntur.model.place import LocalFrame


def write(
    path: Path,
    bands: Mapping[str, NDArray[Any]],
    frame: LocalFrame,
    west_m: float,
    north_m: float,
    cell_m: float,
    *,
    tags: Mapping[str, str],
    nodata: float | None = None,
    cog: bool = False,
) -> None:
    """Write named bands (all rows x cols, one dtype) in the local frame. Row 0 is the northernmost."""
    arrays = list(bands.values())
    if any(array.shape != arrays[0].shape or array.dtype != arrays[0].dtype for array in arrays):
        raise ValueError("the bands of one raster have one shape and one dtype")  # GDAL would stretch them silently
    profile: dict[str, Any] = {
        "height": arrays[0].shape[0],
        "width": arrays[0].shape[1],
        "count": len(arrays),
        "dtype": arrays[0].dtype,
        "crs": CRS.from_proj4(frame.proj4),
        "transform": Affine(cell_m, 0.0, west_m, 0.0, -cell_m, north_m),
        "nodata": nodata,
        "compress": "deflate",
        "predictor": 3 if arrays[0].dtype.kind == "f" else 2,
    }
    # Overviews of classes and counts must not blend them (GDAL's own choice would be cubic).
    overviews = "average" if arrays[0].dtype.kind == "f" else "nearest"
    profile |= {"driver": "COG", "overview_resampling": overviews} if cog else {"driver": "GTiff", "tiled": True}
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with rasterio.open(partial, "w", **profile) as file:
            file.update_tags(**tags)
            for number, (name, array) in enumerate(bands.items(), 1):
                file.write(array, number)
                file.set_band_description(number, name)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> tuple[NDArray[np.float32], dict[str, str]]:
    """First band and tags of a raster written by `write`; TerrainError when it cannot be read."""
    try:
        with rasterio.open(path) as file:
            return file.read(1), dict(file.tags())
    except rasterio.errors.RasterioError as error:
        raise TerrainError(f"{path} cannot be read: {error}.", remedy="Delete it; it will be made anew.") from error
