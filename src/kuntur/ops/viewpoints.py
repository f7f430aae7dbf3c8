"""Where the aircraft of a wide survey look from: along a route, at points, over a lattice; millions of them, binned.

Places come as a stream of arrays (n, 2) lon_deg, lat_deg. They are numbered in that order and put into one file for
each block of posts they lie in, so that a window reads those near it and never all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import posts
from kuntur.io import vectors
from kuntur.io.mosaic import Mosaic

FloatArray = NDArray[np.float64]
PLACE = 2.0**-16
"""Viewpoints are rounded to this part of a post's step (0.5 mm at 1"), so that their place in any window is exact."""
BATCH = 100_000


def route(path: Path, step_m: float) -> Iterator[FloatArray]:
    """Places along the one line of a GeoJSON file, each `step_m` or a little less."""
    _require_step(step_m)
    yield posts.along(vectors.read_route(path)[:, :2], step_m)


def points(path: Path) -> Iterator[FloatArray]:
    """The points of a GeoJSON file, or of a text sequence with one feature a line, which is streamed."""
    return vectors.read_points(path, BATCH)


def lattice(terrain: Mosaic, step_m: float) -> Iterator[FloatArray]:
    """Places about `step_m` apart over the rectangle of the mosaic."""
    _require_step(step_m)
    return posts.lattice(terrain.bounds_deg, step_m)


def _require_step(step_m: float) -> None:
    if not (math.isfinite(step_m) and step_m > 0.0):
        raise ConfigError(
            f"Viewpoints {step_m:g} m apart cannot be laid out.", remedy="Give a distance greater than zero."
        )


class Bin(Struct, frozen=True, kw_only=True):
    """The viewpoints of one block: the file that holds them, and the bounds of the posts their discs touch."""

    path: Path
    row0: int
    col0: int
    row1: int
    col1: int


class Bins(Struct, frozen=True, kw_only=True):
    """All viewpoints, sorted into blocks of posts. worst_bend_m: of `geodesy.posts`, over all of them.

    sha256: of all of them in their order, whatever the blocks.
    """

    terrain: Mosaic
    range_m: float
    bins: tuple[Bin, ...]
    count: int
    sha256: str
    worst_bend_m: float

    def windows(self, block: int) -> list[tuple[int, int]]:
        """First row and column of the windows that may be touched, row by row from the north-west."""
        found = set()
        for one in self.bins:
            for row in range(one.row0 // block, (one.row1 - 1) // block + 1):
                found |= {(row, col) for col in range(one.col0 // block, (one.col1 - 1) // block + 1)}
        return [(row * block, col * block) for row, col in sorted(found)]

    def reaching(self, row0: int, col0: int, row1: int, col1: int) -> FloatArray:
        """The viewpoints (n, 3) number, row, col whose discs touch posts [row0, row1) x [col0, col1), by number."""
        near = [b for b in self.bins if b.row0 < row1 and b.row1 > row0 and b.col0 < col1 and b.col1 > col0]
        held = [np.fromfile(one.path).reshape(-1, 3) for one in near]
        if not held:
            return np.empty((0, 3))
        all_near = np.concatenate(held)
        touched = _touched(self.terrain, self.range_m, all_near)
        keep = (touched[:, 0] < row1) & (touched[:, 2] > row0) & (touched[:, 1] < col1) & (touched[:, 3] > col0)
        chosen = all_near[keep]
        return np.ascontiguousarray(chosen[np.argsort(chosen[:, 0])])

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """First row and column, last row and column + 1 of the posts that any disc touches."""
        return (
            min(one.row0 for one in self.bins),
            min(one.col0 for one in self.bins),
            max(one.row1 for one in self.bins),
            max(one.col1 for one in self.bins),
        )


def sort_into_bins(terrain: Mosaic, places: Iterable[FloatArray], range_m: float, block: int, folder: Path) -> Bins:
    """Write the places into one file a block in `folder`, a batch at a time.

    Raises TerrainError for a place outside the mosaic, and where `range_m` is too far for the latitude: a line of the
    grid would leave the true line of sight by more than half a post.
    """
    limits: dict[tuple[int, int], FloatArray] = {}
    count, worst_m, digest = 0, 0.0, hashlib.sha256()
    for lonlat in _batches(places):
        batch = _placed(terrain, lonlat, count)
        count += len(batch)
        digest.update(batch.tobytes())
        worst_m = max(worst_m, _require_straight(terrain, batch, range_m))
        touched = _touched(terrain, range_m, batch)
        keys = np.floor(batch[:, 1:] / block).astype(np.int64)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        edges = np.flatnonzero(np.any(np.diff(keys[order], axis=0) != 0, axis=1)) + 1
        for part in np.split(order, edges):
            key = (int(keys[part[0], 0]), int(keys[part[0], 1]))
            with _file(folder, key).open("ab") as file:
                file.write(batch[np.sort(part)].tobytes())
            first, last = touched[part, :2].min(axis=0), touched[part, 2:].max(axis=0)
            if key in limits:
                first, last = np.minimum(first, limits[key][:2]), np.maximum(last, limits[key][2:])
            limits[key] = np.concatenate([first, last])
    if not count:
        raise ConfigError("There are no viewpoints.", remedy="Give a route, points, or a smaller distance.")
    bins = [
        Bin(path=_file(folder, key), row0=int(r0), col0=int(c0), row1=int(r1), col1=int(c1))
        for key, (r0, c0, r1, c1) in sorted(limits.items())
    ]
    return Bins(
        terrain=terrain, range_m=range_m, bins=tuple(bins), count=count, sha256=digest.hexdigest(), worst_bend_m=worst_m
    )


def _file(folder: Path, key: tuple[int, int]) -> Path:
    return folder / f"{key[0]}_{key[1]}.bin"


def _batches(places: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """The same places in arrays of about `BATCH`."""
    held: list[FloatArray] = []
    size = 0
    for part in places:
        for start in range(0, len(part), BATCH):
            held.append(part[start : start + BATCH])
            size += len(held[-1])
            if size >= BATCH:
                yield np.concatenate(held)
                held, size = [], 0
    if size:
        yield np.concatenate(held)


def _placed(terrain: Mosaic, lonlat: FloatArray, first: int) -> FloatArray:
    """(n, 3) number, row, col."""
    row, col = (np.round(one / PLACE) * PLACE for one in terrain.index(lonlat[:, 1], lonlat[:, 0]))
    outside = ~((row >= 0) & (row <= terrain.rows - 1) & (col >= 0) & (col <= terrain.cols - 1))
    if outside.any():
        lon, lat = lonlat[np.argmax(outside)]
        south, west, north, east = terrain.bounds_deg
        raise TerrainError(
            f"The viewpoint at {lat:.5f}, {lon:.5f} lies outside the terrain (latitude {south:g} to {north:g}, "
            f"longitude {west:g} to {east:g}).",
            remedy="Add the tiles that it lies in, or leave it out.",
        )
    return np.stack([first + np.arange(len(row)), row, col], axis=-1)


def _require_straight(terrain: Mosaic, batch: FloatArray, range_m: float) -> float:
    lat = terrain.lat_deg(batch[:, 1])
    bend_m = posts.bend_m(lat, range_m)
    half_m = 0.5 * posts.spacing_m(lat, terrain.step_lat_deg, terrain.step_lon_deg).min(axis=1)
    wrong = np.argmax(bend_m / half_m)
    if bend_m[wrong] > half_m[wrong]:
        farthest_m = range_m * math.sqrt(half_m[wrong] / bend_m[wrong]) if np.isfinite(bend_m[wrong]) else 0.0
        raise TerrainError(
            f"At latitude {lat[wrong]:.2f} a line of the grid leaves the true line of sight by {bend_m[wrong]:.1f} m "
            f"over {range_m / 1e3:g} km, more than half a post ({half_m[wrong]:.1f} m).",
            remedy=f"Look no farther than about {farthest_m / 1e3:.1f} km there, or describe an area, which is "
            "computed in a metric frame of its own (kuntur survey AREA).",
        )
    return float(bend_m.max())


def _touched(terrain: Mosaic, range_m: float, batch: FloatArray) -> NDArray[np.int64]:
    """(n, 4): first row, first col, last row + 1, last col + 1 of the posts in range, within the mosaic."""
    step_m = posts.spacing_m(terrain.lat_deg(batch[:, 1]), terrain.step_lat_deg, terrain.step_lon_deg)
    reach = range_m / step_m[:, ::-1]
    first = np.ceil(batch[:, 1:] - reach)
    last = np.floor(batch[:, 1:] + reach) + 1
    edge = np.array([terrain.rows, terrain.cols])
    return np.concatenate([np.clip(first, 0, edge - 1), np.clip(last, 1, edge)], axis=1).astype(np.int64)
