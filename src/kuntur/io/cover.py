"""What stands on the ground (woods, hedges, buildings) from canopy and building height rasters, laid on a terrain.

A cell takes the highest pixel that touches it: a hedge narrower than a cell is not averaged away. Where a pixel is
void, or no file reaches, the cover is unknown, which is not the same as bare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
from msgspec.structs import replace
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.windows import Window, from_bounds

from kuntur.errors import TerrainError
from kuntur.geodesy import grid
from kuntur.model.place import HeightArray, Terrain

FloatArray = NDArray[np.float64]

LEAST_M, HIGHEST_M = -10.0, 1000.0
"""Values outside stand for nothing: no tree is over 116 m (Hyperion), no building over 828 m (Burj Khalifa). Slightly
negative heights are noise of the subtraction that made the file, and count as bare ground."""
_STRIP_PX = 1 << 20


def laid(terrain: Terrain, paths: Sequence[Path]) -> Terrain:
    """The terrain with `cover_m` from rasters of height above ground in metres; several files: the highest.

    Raises TerrainError for a file that cannot be read or placed, and where no file touches the terrain.
    """
    cover = np.full(terrain.heights_m.shape, -np.inf, np.float32)
    for path in paths:
        _lay(cover, terrain, path)
    if np.isneginf(cover).all():
        raise TerrainError(
            f"The cover files ({', '.join(path.name for path in paths)}) do not touch the terrain.",
            remedy="Give files that cover the area in [terrain] cover, or remove the key.",
        )
    cover = np.where(np.isneginf(cover), np.float32(np.nan), np.maximum(cover, np.float32(0.0)))
    digest = hashlib.sha256(terrain.sha256.encode() + cover.tobytes()).hexdigest()
    return replace(terrain, cover_m=cover, sha256=digest)


def _lay(cover: HeightArray, terrain: Terrain, path: Path) -> None:
    """Raise the cells that each pixel touches to its height."""
    try:
        with rasterio.open(path) as file:
            if file.crs is None or file.transform.is_identity:
                raise TerrainError(f"The cover file {path} does not say where it lies.", remedy="Georeference it.")
            to_local = Transformer.from_crs(file.crs, terrain.frame.proj4, always_xy=True)
            for window in _strips(file, terrain, to_local):
                values = file.read(1, window=window).astype(np.float32)
                if file.nodata is not None:
                    values[values == np.float32(file.nodata)] = np.nan
                values[~((values >= LEAST_M) & (values <= HIGHEST_M))] = np.nan
                _touch(cover, terrain, values, file.window_transform(window), to_local)
    except rasterio.errors.RasterioError as error:
        raise TerrainError(
            f"The cover file {path} cannot be read: {error}.",
            remedy="Use a GeoTIFF of heights above ground in metres; fetch a damaged file again.",
        ) from error


def _strips(file: rasterio.DatasetReader, terrain: Terrain, to_local: Transformer) -> Iterator[Window]:
    """Windows of the file that together hold all of it over the terrain, small enough for the memory."""
    west, south, east, north = to_local.transform_bounds(
        terrain.west_m, terrain.south_m, terrain.east_m, terrain.north_m, direction="INVERSE"
    )
    wanted = from_bounds(west, south, east, north, transform=file.transform)
    row0, col0 = max(0, int(wanted.row_off) - 1), max(0, int(wanted.col_off) - 1)
    row1 = min(file.height, int(np.ceil(wanted.row_off + wanted.height)) + 1)
    col1 = min(file.width, int(np.ceil(wanted.col_off + wanted.width)) + 1)
    if row0 >= row1 or col0 >= col1:
        return
    step = max(1, _STRIP_PX // (col1 - col0))
    for row in range(row0, row1, step):
        yield Window(col0, row, col1 - col0, min(step, row1 - row))


def _touch(
    cover: HeightArray, terrain: Terrain, values: HeightArray, transform: rasterio.Affine, to_local: Transformer
) -> None:
    """Points of every pixel, from edge to edge and no farther apart than a cell, each raise the cell they fall in."""
    rows, cols = values.shape
    corner_x, corner_y = to_local.transform(
        *(transform * (np.array([0.0, 1.0, 0.0]) + cols / 2, np.array([0.0, 0.0, 1.0]) + rows / 2))
    )
    size_m = max(float(np.hypot(np.diff(corner_x[[0, k]]), np.diff(corner_y[[0, k]]))[0]) for k in (1, 2))
    # Just inside the edge: a pixel that ends where a cell begins does not touch it.
    offsets = np.linspace(1e-6, 1.0 - 1e-6, int(np.ceil(size_m / terrain.cell_m)) + 1)
    row, col = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    for down in offsets:
        for right in offsets:
            x_m, y_m = to_local.transform(*(transform * (col + right, row + down)))
            at_row, at_col = (np.rint(v).astype(np.intp) for v in grid.to_index(terrain, x_m, y_m))
            inside = (at_row >= 0) & (at_row < terrain.rows) & (at_col >= 0) & (at_col < terrain.cols)
            np.maximum.at(cover, (at_row[inside], at_col[inside]), values[inside])
