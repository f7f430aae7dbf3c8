"""Terrain and grids as Web Mercator pictures, made on the fly from the area's own data.

Tiles follow the slippy-map scheme (256 px; OGC 17-083r4 WebMercatorQuad). Heights are packed as Mapbox terrain-RGB:
height = -10000 + 0.1 * (65536 R + 256 G + B) metres, in the terrain's own vertical datum.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

from kuntur.geodesy import frames, grid
from kuntur.model.place import Lattice, LocalFrame, Terrain

FloatArray = NDArray[np.float64]
ByteArray = NDArray[np.uint8]

TILE_PX: Final = 256
MIN_ZOOM: Final = 8
MAX_ZOOM: Final = 14
EQUATOR_PX_M: Final = 156_543.033_928  # metres a pixel at zoom 0 on the equator: 2 pi 6378137 / 256
_NODES: Final = 33  # exact projections a tile side; between them bilinear (error < 1 m at zoom 8, latitude 18)


class Bounds(Struct, frozen=True, kw_only=True):
    """An upright rectangle in degrees."""

    west_deg: float
    south_deg: float
    east_deg: float
    north_deg: float


class FreshnessClass(Struct, frozen=True, kw_only=True):
    """One step of the legend: last looked at `from_s` ago or longer, up to the next step (None: never)."""

    from_s: float | None
    rgba: tuple[int, int, int, int]


# Teal, sand, orange, purple: apart in lightness and along blue-yellow, so red-green blindness does not merge them.
FRESHNESS_CLASSES: Final = (
    FreshnessClass(from_s=0.0, rgba=(27, 158, 158, 110)),
    FreshnessClass(from_s=600.0, rgba=(132, 190, 150, 105)),
    FreshnessClass(from_s=1200.0, rgba=(236, 205, 105, 110)),
    FreshnessClass(from_s=2400.0, rgba=(224, 130, 20, 125)),
    FreshnessClass(from_s=3600.0, rgba=(140, 30, 105, 140)),
    FreshnessClass(from_s=None, rgba=(60, 22, 72, 150)),
)


class SeenClass(Struct, frozen=True, kw_only=True):
    """One step of the legend: `from_per_hour` expected detections or more, up to the next step (None: never seen)."""

    from_per_hour: float | None
    rgba: tuple[int, int, int, int]


# One hue from pale to deep, so that more is darker on every ground; what is never seen is of another hue.
SEEN_CLASSES: Final = (
    SeenClass(from_per_hour=None, rgba=(122, 52, 104, 150)),
    SeenClass(from_per_hour=0.0, rgba=(242, 246, 216, 120)),
    SeenClass(from_per_hour=0.5, rgba=(167, 216, 180, 130)),
    SeenClass(from_per_hour=1.0, rgba=(79, 179, 191, 140)),
    SeenClass(from_per_hour=2.0, rgba=(42, 127, 176, 155)),
    SeenClass(from_per_hour=4.0, rgba=(23, 63, 125, 170)),
)


def png(pixels: ByteArray) -> bytes:
    """(rows, cols, 3 or 4) uint8 as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def terrain_rgb(heights_m: FloatArray) -> ByteArray:
    """Heights (rows, cols) as (rows, cols, 3) terrain-RGB; no NaN allowed."""
    steps = np.clip(np.rint((heights_m + 10_000.0) * 10.0), 0, 2**24 - 1).astype(np.uint32)
    return np.stack([steps >> 16, (steps >> 8) & 255, steps & 255], axis=-1).astype(np.uint8)


def bounds(frame: LocalFrame, west_m: float, south_m: float, east_m: float, north_m: float) -> Bounds:
    """The smallest upright rectangle in degrees that holds this rectangle of the local frame."""
    x, y = np.linspace(west_m, east_m, 33), np.linspace(south_m, north_m, 33)
    ring_x = np.concatenate([x, x, np.full(33, west_m), np.full(33, east_m)])
    ring_y = np.concatenate([np.full(33, south_m), np.full(33, north_m), y, y])
    lat, lon = frames.to_geodetic(frame, ring_x, ring_y)
    return Bounds(
        west_deg=float(lon.min()), south_deg=float(lat.min()), east_deg=float(lon.max()), north_deg=float(lat.max())
    )


def _latitude_deg(mercator_y: FloatArray) -> FloatArray:
    """Inverse of the spherical Mercator ordinate, in radians of arc."""
    return np.degrees(np.arctan(np.sinh(mercator_y)))


def _mercator_y(lat_deg: float) -> float:
    return math.asinh(math.tan(math.radians(lat_deg)))


def _stretch(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Bilinear (rows, cols) from a grid of nodes that spans the picture from edge to edge, at the pixels' centres."""
    for axis, n in enumerate(size):
        at = (np.arange(n) + 0.5) / n * (values.shape[axis] - 1)
        low = np.minimum(at.astype(int), values.shape[axis] - 2)
        part = np.expand_dims(at - low, 1 - axis)
        values = np.take(values, low, axis) * (1.0 - part) + np.take(values, low + 1, axis) * part
    return values


def _local_pixels(
    frame: LocalFrame, west_deg: float, east_deg: float, top: float, bottom: float, size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """x_m, y_m (rows, cols) of the pixel centres of a Mercator picture between these meridians and ordinates."""
    lon, lat = np.meshgrid(np.linspace(west_deg, east_deg, _NODES), _latitude_deg(np.linspace(top, bottom, _NODES)))
    x_m, y_m = frames.to_local(frame, lat, lon)
    return _stretch(x_m, size), _stretch(y_m, size)


def _fill_voids(terrain: Terrain) -> Terrain:
    """The same terrain with each void given its nearest height: only for drawing, under a mask that says so."""
    void = np.isnan(terrain.heights_m)
    if not void.any():
        return terrain
    if void.all():
        return replace(terrain, heights_m=np.zeros_like(terrain.heights_m))
    row, col = distance_transform_edt(void, return_distances=False, return_indices=True)
    return replace(terrain, heights_m=terrain.heights_m[row, col])


def _halve(terrain: Terrain) -> Terrain:
    """Means of 2 x 2 cells; a last odd row or column is dropped."""
    rows, cols = terrain.rows // 2, terrain.cols // 2
    blocks = terrain.heights_m[: rows * 2, : cols * 2].reshape(rows, 2, cols, 2)
    return replace(terrain, heights_m=blocks.mean(axis=(1, 3), dtype=np.float32), cell_m=terrain.cell_m * 2.0)


class TerrainTiles:
    """terrain-RGB tiles of one terrain. Voids and the outside carry the nearest height: draw `void_mask` over them."""

    def __init__(self, terrain: Terrain, *, cached_tiles: int = 512) -> None:
        self.terrain = terrain
        self.bounds = bounds(terrain.frame, terrain.west_m, terrain.south_m, terrain.east_m, terrain.north_m)
        self.equator_scale = math.cos(math.radians(terrain.frame.lat0_deg))
        zoom = math.ceil(math.log2(EQUATOR_PX_M * self.equator_scale / terrain.cell_m))
        self.max_zoom = min(MAX_ZOOM, max(MIN_ZOOM, zoom))
        self.levels = [_fill_voids(terrain)]
        while min(self.levels[-1].heights_m.shape) >= 64:
            self.levels.append(_halve(self.levels[-1]))
        self.tile = lru_cache(maxsize=cached_tiles)(self._tile)

    def _level(self, zoom: int) -> Terrain:
        """The coarsest level whose cells are no larger than a pixel, so that far views do not flicker."""
        pixel_m = EQUATOR_PX_M * self.equator_scale / 2**zoom
        fitting = [level for level in self.levels if level.cell_m <= pixel_m]
        return fitting[-1] if fitting else self.levels[0]

    def _tile(self, zoom: int, column: int, row: int) -> bytes | None:
        """One PNG of 256 x 256 px, or None where the terrain does not reach or the zoom is not served."""
        n = 2**zoom
        if not (MIN_ZOOM <= zoom <= self.max_zoom and 0 <= column < n and 0 <= row < n):
            return None
        west, east = column / n * 360.0 - 180.0, (column + 1) / n * 360.0 - 180.0
        top, bottom = math.pi * (1.0 - 2.0 * row / n), math.pi * (1.0 - 2.0 * (row + 1) / n)
        b = self.bounds
        if west >= b.east_deg or east <= b.west_deg:
            return None
        if bottom >= _mercator_y(b.north_deg) or top <= _mercator_y(b.south_deg):
            return None
        level = self._level(zoom)
        x_m, y_m = _local_pixels(level.frame, west, east, top, bottom, (TILE_PX, TILE_PX))
        half = level.cell_m * 0.5
        x_m = np.clip(x_m, level.west_m + half, level.east_m - half)
        y_m = np.clip(y_m, level.south_m + half, level.north_m - half)
        return png(terrain_rgb(grid.height_at(level, x_m, y_m)))


class GridPicture:
    """A grid of the local frame as one upright Web Mercator picture: nearest cell, clear outside."""

    def __init__(self, frame: LocalFrame, cells: Lattice, *, longest_px: int = 1024) -> None:
        self.cells = cells
        east_m, south_m = cells.west_m + cells.cols * cells.cell_m, cells.north_m - cells.rows * cells.cell_m
        self.bounds = b = bounds(frame, cells.west_m, south_m, east_m, cells.north_m)
        top, bottom = _mercator_y(b.north_deg), _mercator_y(b.south_deg)
        width, height = math.radians(b.east_deg - b.west_deg), top - bottom
        scale = min(longest_px, 3 * max(cells.rows, cells.cols)) / max(width, height)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        x_m, y_m = _local_pixels(frame, b.west_deg, b.east_deg, top, bottom, size)
        row = np.floor((cells.north_m - y_m) / cells.cell_m).astype(int)
        col = np.floor((x_m - cells.west_m) / cells.cell_m).astype(int)
        self.outside = (row < 0) | (row >= cells.rows) | (col < 0) | (col >= cells.cols)
        self.row, self.col = np.where(self.outside, 0, row), np.where(self.outside, 0, col)

    def render(self, rgba: ByteArray) -> bytes:
        """(rows, cols, 4) uint8, one colour a cell, as a PNG."""
        pixels = rgba[self.row, self.col]
        pixels[self.outside] = 0
        return png(pixels)


def freshness_rgba(age_s: NDArray[np.float32]) -> ByteArray:
    """Colours (rows, cols, 4) of "time since last look"; NaN is clear, inf is never."""
    *steps, never = FRESHNESS_CLASSES
    palette = np.array([step.rgba for step in steps], np.uint8)
    rgba = palette[np.searchsorted([step.from_s or 0.0 for step in steps[1:]], age_s, side="right")]
    rgba[np.isinf(age_s)] = never.rgba
    rgba[np.isnan(age_s)] = 0
    return rgba


def seen_rgba(per_hour: FloatArray) -> ByteArray:
    """Colours (rows, cols, 4) of what a plan sees; NaN is clear, 0 is never."""
    never, *steps = SEEN_CLASSES
    palette = np.array([step.rgba for step in steps], np.uint8)
    rgba = palette[np.searchsorted([step.from_per_hour or 0.0 for step in steps[1:]], per_hour, side="right")]
    rgba[per_hour == 0.0] = never.rgba
    rgba[np.isnan(per_hour)] = 0
    return rgba


def void_mask(terrain: Terrain) -> tuple[bytes, Bounds] | None:
    """A picture that hides the terrain's voids under a flat grey, or None when there are none."""
    void = np.isnan(terrain.heights_m)
    if not void.any():
        return None
    cells = Lattice(
        row0=0,
        col0=0,
        rows=terrain.rows,
        cols=terrain.cols,
        factor=1,
        cell_m=terrain.cell_m,
        west_m=terrain.west_m,
        north_m=terrain.north_m,
    )
    picture = GridPicture(terrain.frame, cells, longest_px=2048)
    rgba = np.zeros((*void.shape, 4), np.uint8)
    rgba[void] = (120, 120, 120, 255)
    return picture.render(rgba), picture.bounds
