"""Terrain tiles that share one grid in degrees, as one raster that is read a window at a time and never held whole.

A `Mosaic` is a short description (files and where their posts lie), so it travels to other processes and machines,
which open the files themselves under the same paths. Posts are numbered from the north-west corner of the tiles'
rectangle. Nothing is resampled. Point-registered neighbours (SRTM) share the posts of their common edge: the file that
comes first by name gives them, and two tiles that disagree there by more than `SEAM_M` in the median are refused.
Ground that no tile covers is void.
"""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from rasterio.windows import Window

from kuntur.errors import TerrainError
from kuntur.io import elevation
from kuntur.model.place import HeightArray

FloatArray = NDArray[np.float64]
SEAM_M = 50.0
"""Chosen: several times any product's error (LE90 16 m), far below a tile in feet or in the wrong place."""
CACHE_MB = 64
"""GDAL keeps decoded blocks up to this; by itself it would take 5 % of the machine's memory."""


class Sheet(Struct, frozen=True, kw_only=True):
    """One file of a mosaic: the place of its first post, and the bytes it had when the mosaic was described."""

    tile: elevation.Tile
    row0: int
    col0: int
    sha256: str


class Mosaic(Struct, frozen=True, kw_only=True):
    """The grid that all sheets share. north_deg, west_deg: post (0, 0); west_deg in [-180, 180), the east may pass it.

    crs: WKT, geographic. vertical_datum, product: as `io.elevation` tells them.
    """

    sheets: tuple[Sheet, ...]
    rows: int
    cols: int
    north_deg: float
    west_deg: float
    step_lat_deg: float
    step_lon_deg: float
    crs: str
    vertical_datum: str
    product: str
    attribution: str

    @property
    def bounds_deg(self) -> tuple[float, float, float, float]:
        """South, west, north, east of the outermost posts; east may pass 180."""
        south = self.north_deg - (self.rows - 1) * self.step_lat_deg
        return south, self.west_deg, self.north_deg, self.west_deg + (self.cols - 1) * self.step_lon_deg

    def lat_deg(self, row: ArrayLike) -> FloatArray:
        """Latitude of a row, whole or fractional."""
        return np.asarray(self.north_deg - np.asarray(row, float) * self.step_lat_deg)

    def index(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Fractional (row, col) of places; a longitude is turned by whole circles to lie in or next to the mosaic."""
        _, west, _, east = self.bounds_deg
        lon = np.asarray(lon_deg, float)
        lon = lon - 360.0 * np.round((lon - 0.5 * (west + east)) / 360.0)
        return (self.north_deg - np.asarray(lat_deg, float)) / self.step_lat_deg, (lon - west) / self.step_lon_deg

    def within(self, row0: int, col0: int, rows: int, cols: int) -> Iterator[Sheet]:
        """The sheets with posts in a window."""
        for sheet in self.sheets:
            down, right = row0 - sheet.row0, col0 - sheet.col0
            if -rows < down < sheet.tile.rows and -cols < right < sheet.tile.cols:
                yield sheet


def describe(
    paths: Sequence[Path],
    *,
    vertical_datum: str | None = None,
    progress: Callable[[float, str], None] = lambda fraction, words: None,
) -> Mosaic:
    """The mosaic of these files, in whatever order they are given. Every file is read once for its hash.

    Raises TerrainError where they have no common grid in degrees or several vertical datums, ConfigError where the
    datum declared is not that of a file.
    """
    if not paths:
        raise TerrainError("A mosaic needs terrain files.", remedy="Give them by --terrain.")
    tiles = [elevation.open_tile(path.absolute(), vertical_datum, None) for path in sorted(paths)]
    datum = elevation.one_datum(tiles)
    lead = tiles[0]
    for tile in tiles:
        _require_same_grid(tile, lead)
    west = _unwrapped_west(tiles)
    left, top = min(west), max(tile.north for tile in tiles)
    sheets = []
    for number, (tile, edge) in enumerate(zip(tiles, west, strict=True)):
        progress(number / len(tiles), f"reading {tile.path.name}")
        row0, col0 = _whole(top - tile.north, lead.step_y, tile, lead), _whole(edge - left, lead.step_x, tile, lead)
        sheets.append(Sheet(tile=tile, row0=row0, col0=col0, sha256=_sha256(tile.path)))
    products = dict.fromkeys(tile.product.name if tile.product else "unnamed survey" for tile in tiles)
    credits = dict.fromkeys(t.product.attribution for t in tiles if t.product and t.product.attribution)
    middle = left + 0.5 * lead.step_x
    return Mosaic(
        sheets=tuple(sheets),
        rows=max(sheet.row0 + sheet.tile.rows for sheet in sheets),
        cols=max(sheet.col0 + sheet.tile.cols for sheet in sheets),
        north_deg=top - 0.5 * lead.step_y,
        west_deg=middle - 360.0 * math.floor((middle + 180.0) / 360.0),
        step_lat_deg=lead.step_y,
        step_lon_deg=lead.step_x,
        crs=lead.crs,
        vertical_datum=datum,
        product=" + ".join(products),
        attribution="; ".join(credits),
    )


def read(mosaic: Mosaic, row0: int, col0: int, rows: int, cols: int) -> HeightArray:
    """Heights of a window: float32 (rows, cols), NaN where void or covered by no tile. It may reach over the edge.

    Raises TerrainError for a file that is missing here, changed since the mosaic was described, damaged, or at odds
    with its neighbour.
    """
    posts = np.full((rows, cols), np.nan, np.float32)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        for sheet in mosaic.within(row0, col0, rows, cols):
            tile = sheet.tile
            _require_unchanged(sheet)
            top, bottom = max(row0, sheet.row0), min(row0 + rows, sheet.row0 + tile.rows)
            left, right = max(col0, sheet.col0), min(col0 + cols, sheet.col0 + tile.cols)
            part = posts[top - row0 : bottom - row0, left - col0 : right - col0]
            window = Window(left - sheet.col0, top - sheet.row0, right - left, bottom - top)
            new = elevation.read_posts(tile, window)
            void = np.isnan(part)
            if not void.all():
                _require_agreement(np.abs(new - part)[~void & ~np.isnan(new)], tile.path)
            np.copyto(part, new, where=void)
    return posts


def _require_same_grid(tile: elevation.Tile, lead: elevation.Tile) -> None:
    if not tile.geographic:
        raise TerrainError(
            f"{tile.path.name} is not in degrees; a mosaic is of tiles in latitude and longitude (SRTM, Copernicus).",
            remedy="Warp it to EPSG:4326, or survey an area: its terrain may have any coordinate system.",
        )
    if tile.crs != lead.crs or not np.allclose((tile.step_x, tile.step_y), (lead.step_x, lead.step_y), rtol=1e-7):
        raise TerrainError(
            f"{tile.path.name} has posts {tile.step_y * 3600:.6g} x {tile.step_x * 3600:.6g} arc-seconds apart, "
            f"{lead.path.name} {lead.step_y * 3600:.6g} x {lead.step_x * 3600:.6g}: no common grid.",
            remedy="Survey them one product at a time (Copernicus tiles change their step at 50, 60 ... degrees).",
        )


def _whole(distance: float, step: float, tile: elevation.Tile, lead: elevation.Tile) -> int:
    posts = distance / step
    if abs(posts - round(posts)) > 0.01:
        raise TerrainError(
            f"The posts of {tile.path.name} lie between those of its neighbours ({posts % 1.0:.2f} of a step off).",
            remedy="Survey the files separately, or warp them to one grid.",
        )
    return round(posts)


def _unwrapped_west(tiles: Sequence[elevation.Tile]) -> list[float]:
    """Western edges on one turn of the globe that has its cut in the widest gap between the tiles."""
    middles = np.array([(tile.west + 0.5 * tile.cols * tile.step_x) % 360.0 for tile in tiles])
    order = np.sort(middles)
    gaps = np.diff(np.append(order, order[0] + 360.0))
    start = order[(int(np.argmax(gaps)) + 1) % len(order)]
    turned = start + (middles - start) % 360.0
    return [float(middle - 0.5 * tile.cols * tile.step_x) for middle, tile in zip(turned, tiles, strict=True)]


def _require_agreement(difference_m: HeightArray, path: Path) -> None:
    if difference_m.size >= 16 and float(np.median(difference_m)) > SEAM_M:
        raise TerrainError(
            f"{path.name} and its neighbour differ by {np.median(difference_m):.0f} m (median) where they overlap.",
            remedy="One of them is misplaced, or in other units or on another datum: leave it out or replace it.",
        )


def _require_unchanged(sheet: Sheet) -> None:
    try:
        state = sheet.tile.path.stat()
        same = _sha256_of(sheet.tile.path, state.st_size, state.st_mtime_ns) == sheet.sha256
    except OSError as error:
        raise TerrainError(
            f"{platform.node()} cannot open the terrain file {sheet.tile.path}: {error.strerror}.",
            remedy="Every worker opens the terrain itself: give it the same files under the same paths.",
        ) from error
    if not same:
        raise TerrainError(
            f"The terrain file {sheet.tile.path} on {platform.node()} is not the one that this survey began with.",
            remedy="Run the same command again; on a cluster, give every worker the same files.",
        )


def _sha256(path: Path) -> str:
    state = path.stat()
    return _sha256_of(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256_of(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """Of the file in this state; each process reads a file once for it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
