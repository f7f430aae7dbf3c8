"""The ground round the points that somebody looks from: a window of an area's terrain, or of bare terrain files.

The window holds the whole range. Where the data ends it goes on as a void, so that what lies there is called unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import angles, frames, grid, heights
from kuntur.io import area as area_io
from kuntur.io import elevation, geoid, vectors
from kuntur.model.place import Area, LocalFrame, Terrain

FloatArray = NDArray[np.float64]
Progress = Callable[[float, str], None]
Where = Area | str | Path | Sequence[str | Path] | None

HIGHEST_LAT_DEG = 85.0
"""The local frame itself holds to the poles; survey products and the web's maps do not (SRTM ends at 60, Web Mercator
at 85.05), and nothing here has been tried beyond."""
LONGEST_M = 200_000.0
"""Half the longest side of a window: the local frame is then stretched by 0.5 per mille (Snyder 1987, 8-10)."""
MOST_CELLS = 16_000_000
"""Above this the cells are made larger, and the picture says so."""
UNDECLARED = "not stated"


class Stations(Struct, frozen=True, kw_only=True):
    """The points looked from, in order: one, or a route's samples. lat_deg, lon_deg, height_m: float64 (n,).

    height_is: what height_m is above. chainage_m: float64 (n,) along the route, [0] for one point.
    """

    lat_deg: FloatArray
    lon_deg: FloatArray
    height_m: FloatArray
    height_is: str
    chainage_m: FloatArray

    @property
    def route(self) -> bool:
        return len(self.lat_deg) > 1

    def words(self, k: int) -> str:
        place = angles.words(float(self.lat_deg[k]), float(self.lon_deg[k]))
        return f"The route at km {self.chainage_m[k] / 1e3:.2f} ({place})" if self.route else f"The point {place}"


class Ground(Struct, frozen=True, kw_only=True):
    """The window of terrain, and what is known of it. observers_m: (n, 3) x, y, alt_msl; ground_m: (n,)
    below them. where: what it was made of, to make another."""

    terrain: Terrain
    title: str
    attributions: tuple[str, ...]
    notes: tuple[str, ...]
    area: Area | None
    where: Where
    observers_m: FloatArray
    ground_m: FloatArray

    def centres_m(self) -> tuple[FloatArray, FloatArray]:
        """x_m (cols,), y_m (rows,) of the cell centres."""
        terrain = self.terrain
        x_m = terrain.west_m + (np.arange(terrain.cols) + 0.5) * terrain.cell_m
        y_m = terrain.north_m - (np.arange(terrain.rows) + 0.5) * terrain.cell_m
        return np.asarray(x_m, float), np.asarray(y_m, float)


def at_point(lat_deg: float, lon_deg: float, height_agl_m: float) -> Stations:
    """One point, refused where no picture can be made of it."""
    for name, value in (("latitude", lat_deg), ("longitude", lon_deg), ("height", height_agl_m)):
        if not math.isfinite(value):
            raise ConfigError(f"The {name} {value} is no number.", remedy="Give LAT LON in degrees, HEIGHT in metres.")
    if height_agl_m <= 0.0:
        raise ConfigError(
            f"HEIGHT {height_agl_m:g} m is not above the ground.",
            remedy="Give metres above the ground: 1.7 for the eyes of somebody standing there, 120 for a drone.",
        )
    return _checked(
        Stations(
            lat_deg=np.array([lat_deg]), lon_deg=np.array([lon_deg]), height_m=np.array([height_agl_m]),
            height_is="agl", chainage_m=np.zeros(1),
        )
    )  # fmt: skip


def along_route(
    route: str | Path | Sequence[Sequence[float]], every_m: float, height_agl_m: float | None, height_is: str
) -> Stations:
    """Stations along a route, ends included, at most `every_m` apart.

    route: a GeoJSON file, or points lon_deg, lat_deg[, height_m]. height_agl_m overrides the heights of the route,
    which are above what `height_is` says: "hae" (WGS 84 ellipsoid, RFC 7946), "msl" or "agl".
    """
    if height_is not in ("hae", "msl", "agl"):
        raise ConfigError(f'"{height_is}" is no kind of height.', remedy='Use "hae", "msl" or "agl".')
    if not (math.isfinite(every_m) and every_m > 0.0):
        raise ConfigError(f"A station each {every_m:g} m cannot be.", remedy="Give a distance above 0, such as 100.")
    points = vectors.read_route(Path(route)) if isinstance(route, str | Path) else _points(route)
    if height_agl_m is not None:
        if not (math.isfinite(height_agl_m) and height_agl_m > 0.0):
            raise ConfigError(f"A height of {height_agl_m:g} m is not above the ground.", remedy="Give one above 0.")
        points, height_is = np.column_stack([points[:, :2], np.full(len(points), height_agl_m)]), "agl"
    if np.isnan(points[:, 2]).any():
        raise ConfigError(
            "The route does not say how high it is flown everywhere.",
            remedy="Give one height above the ground for all of it (--height), or a third number for every point.",
        )
    lon = np.rad2deg(np.unwrap(np.deg2rad(points[:, 0])))
    frame = _frame(points[:, 1], lon)
    x, y = frames.to_local(frame, points[:, 1], lon)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    if along[-1] < 1.0:
        raise ConfigError("The route is shorter than a metre.", remedy="Give two different points, or LAT LON HEIGHT.")
    number = max(2, math.ceil(along[-1] / every_m - 1e-9) + 1)
    at = np.linspace(0.0, along[-1], number)
    lat, lon = frames.to_geodetic(frame, np.interp(at, along, x), np.interp(at, along, y))
    return _checked(
        Stations(
            lat_deg=lat, lon_deg=lon, height_m=np.interp(at, along, points[:, 2]), height_is=height_is, chainage_m=at
        )
    )


def _points(route: Sequence[Sequence[float]]) -> FloatArray:
    try:
        points = np.array([[*point[:3], *[math.nan] * (3 - len(point))] for point in route], float)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "The route is no list of points.", remedy="Give points lon_deg, lat_deg, height_m."
        ) from error
    if len(points) < 2 or not np.isfinite(points[:, :2]).all() or np.abs(points[:, 1]).max() > 90.0:
        raise ConfigError("A route needs two points or more, in degrees.", remedy="Give lon_deg, lat_deg, height_m.")
    return points


def _checked(stations: Stations) -> Stations:
    k = int(np.argmax(np.abs(stations.lat_deg)))
    if abs(stations.lat_deg[k]) > HIGHEST_LAT_DEG:
        raise ConfigError(
            f"{stations.words(k)} lies beyond {HIGHEST_LAT_DEG:g} degrees, where no survey product reaches "
            "and nothing here has been tried.",
            remedy="Look from a place nearer to the equator.",
        )
    return stations


def _frame(lat_deg: FloatArray, lon_deg: FloatArray) -> LocalFrame:
    """Centred on the middle of the points; longitudes already run on across the antimeridian."""
    lon0 = (float(lon_deg.min() + lon_deg.max()) / 2.0 + 180.0) % 360.0 - 180.0
    return LocalFrame(lat0_deg=float(lat_deg.min() + lat_deg.max()) / 2.0, lon0_deg=lon0)


def prepare(where: Where, stations: Stations, max_range_m: float, *, progress: Progress) -> Ground:
    """The ground within range of all stations, and the stations on it.

    where: an Area, the name or file of one, terrain files (or folders, or patterns), or None for the embedded area.
    TerrainError where a station lies outside the data, over a void or below the ground.
    """
    if not (math.isfinite(max_range_m) and 0.0 < max_range_m <= LONGEST_M):
        raise ConfigError(
            f"A range of {max_range_m:g} m cannot be looked at.", remedy=f"Give one from 1 to {LONGEST_M:.0f} m."
        )
    area = where if isinstance(where, Area) else _named_area(where, stations, progress)
    found = _of_area(area, stations, max_range_m) if area else _of_files(where, stations, max_range_m, progress)
    _require_above_ground(found, stations)
    return found


def _named_area(where: Where, stations: Stations, progress: Progress) -> Area | None:
    """The area that is meant, or None for terrain files."""
    if where is None:
        name = area_io.EMBEDDED[0]
        extent = area_io.extent_deg(name)
        if not _inside(extent, stations).any():
            raise TerrainError(
                f"{stations.words(0)} lies outside the embedded area {name} ({_extent_words(*extent)}).",
                remedy="Give terrain for it with --terrain FILE (GeoTIFF, .hgt, DTED), or another --area.",
            )
        return area_io.load(name, progress=progress)
    if isinstance(where, str | Path) and (str(where) in area_io.EMBEDDED or _is_area_file(Path(where))):
        return area_io.load(where, progress=progress)
    return None


def _is_area_file(path: Path) -> bool:
    return path.suffix == ".toml" or (path / "area.toml").is_file()


def _inside(extent: tuple[float, float, float, float], stations: Stations) -> NDArray[np.bool_]:
    south, west, north, east = extent
    across = (stations.lon_deg - west) % 360.0 <= (east - west) % 360.0
    return np.asarray(across & (stations.lat_deg >= south) & (stations.lat_deg <= north))


def _extent_words(south: float, west: float, north: float, east: float) -> str:
    return f"{angles.words(south, west, 2)} to {angles.words(north, east, 2)}"


def _bounds(x_m: FloatArray, y_m: FloatArray, max_range_m: float, cell_m: float) -> tuple[float, float, float, float]:
    reach = max_range_m + 2.0 * cell_m
    west, south = float(x_m.min()) - reach, float(y_m.min()) - reach
    east, north = float(x_m.max()) + reach, float(y_m.max()) + reach
    if max(east - west, north - south) > 2.0 * LONGEST_M + 10.0 * cell_m:
        raise ConfigError(
            f"The picture would be {max(east - west, north - south) / 1e3:.0f} km wide; "
            f"one picture holds {2.0 * LONGEST_M / 1e3:.0f} km.",
            remedy="Cut the route into parts, or look less far.",
        )
    return west, south, east, north


def _of_area(area: Area, stations: Stations, max_range_m: float) -> Ground:
    terrain = area.terrain
    x_m, y_m = frames.to_local(area.frame, stations.lat_deg, stations.lon_deg)
    inside = grid.covers(terrain, x_m, y_m)
    if not inside.all():
        raise TerrainError(
            f"{stations.words(int(np.argmin(inside)))} lies outside the terrain of {area.title}.",
            remedy="Give a place inside the area, or terrain for this one with --terrain FILE.",
        )
    bounds = _bounds(x_m, y_m, max_range_m, terrain.cell_m)
    attributions = tuple(dict.fromkeys(text for text in (terrain.attribution, *area.attributions) if text))
    return _stand(area, area, window(terrain, bounds), area.title, attributions, (), stations, x_m, y_m)


def window(terrain: Terrain, bounds_m: tuple[float, float, float, float]) -> Terrain:
    """The part of a terrain within bounds, its cells kept; void where the bounds go beyond it."""
    west, south, east, north = bounds_m
    cell = terrain.cell_m
    col0, row0 = math.floor((west - terrain.west_m) / cell), math.floor((terrain.north_m - north) / cell)
    col1, row1 = math.ceil((east - terrain.west_m) / cell), math.ceil((terrain.north_m - south) / cell)

    def cut(values: NDArray[np.float32]) -> NDArray[np.float32]:
        part = np.full((row1 - row0, col1 - col0), np.nan, np.float32)
        r0, r1, c0, c1 = max(row0, 0), min(row1, terrain.rows), max(col0, 0), min(col1, terrain.cols)
        if r0 < r1 and c0 < c1:
            part[r0 - row0 : r1 - row0, c0 - col0 : c1 - col0] = values[r0:r1, c0:c1]
        return part

    return msgspec.structs.replace(
        terrain,
        heights_m=cut(terrain.heights_m),
        cover_m=None if terrain.cover_m is None else cut(terrain.cover_m),
        west_m=terrain.west_m + col0 * cell,
        north_m=terrain.north_m - row0 * cell,
    )


def _of_files(where: Where, stations: Stations, max_range_m: float, progress: Progress) -> Ground:
    sources = [where] if isinstance(where, str | Path) else list(where)  # type: ignore[arg-type]
    paths = elevation.files(sources, Path())
    frame = _frame(stations.lat_deg, np.rad2deg(np.unwrap(np.deg2rad(stations.lon_deg))))
    native_m = elevation.native_cell_m(paths, frame, undeclared=UNDECLARED)
    extent = elevation.extent_deg(paths)
    inside = _inside(extent, stations)
    if not inside.all():
        names = ", ".join(path.name for path in paths[:3]) + (" and others" if len(paths) > 3 else "")
        raise TerrainError(
            f"{stations.words(int(np.argmin(inside)))} lies outside the terrain: {names} "
            f"{'hold' if len(paths) > 1 else 'holds'} {_extent_words(*extent)}.",
            remedy="Give the terrain file of that place; latitude comes first, south and west are negative.",
        )
    x_m, y_m = frames.to_local(frame, stations.lat_deg, stations.lon_deg)
    bounds = _bounds(x_m, y_m, max_range_m, native_m)
    cells = (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])
    cell_m = max(native_m, float(math.ceil(math.sqrt(cells / MOST_CELLS))))
    notes = []
    if cell_m > native_m:
        notes.append(f"The cells of {native_m:g} m were drawn together to {cell_m:g} m for a range this long.")
    progress(0.1, f"terrain of {len(paths)} file{'s' * (len(paths) > 1)}")
    terrain = elevation.terrain(paths, frame, bounds, geoid=geoid.read(), cell_m=cell_m, undeclared=UNDECLARED)
    if terrain.vertical_datum == UNDECLARED:
        notes.append("The files do not say their vertical datum; what is seen does not depend on it.")
    credit = (terrain.attribution,) if terrain.attribution else ()
    return _stand(paths, None, terrain, _title(paths), credit, tuple(notes), stations, x_m, y_m)


def _title(paths: Sequence[Path]) -> str:
    return paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"


def _stand(
    where: Where,
    area: Area | None,
    terrain: Terrain,
    title: str,
    attributions: tuple[str, ...],
    notes: tuple[str, ...],
    stations: Stations,
    x_m: FloatArray,
    y_m: FloatArray,
) -> Ground:
    """Put the stations on the ground: heights above it, the sea or the ellipsoid become alt_msl_m."""
    ground_m = grid.height_at(terrain, x_m, y_m)
    alt_m = stations.height_m
    if stations.height_is == "agl":
        alt_m = alt_m + ground_m
    elif stations.height_is == "hae":
        alt_m = heights.msl_from_hae(geoid.read(), stations.lat_deg, stations.lon_deg, alt_m)
    return Ground(
        terrain=terrain, title=title, attributions=attributions, notes=notes, area=area, where=where,
        observers_m=np.stack([x_m, y_m, alt_m], axis=-1), ground_m=ground_m,
    )  # fmt: skip


def _require_above_ground(ground: Ground, stations: Stations) -> None:
    void = np.isnan(ground.ground_m)
    if void.any():
        raise TerrainError(
            f"{stations.words(int(np.argmax(void)))} lies over a void: the terrain has no height there.",
            remedy="Move it, or give a void-filled product (Copernicus GLO-30).",
        )
    below = ground.observers_m[:, 2] - ground.ground_m
    if (below <= 0.0).any():
        k = int(np.argmin(below))
        raise TerrainError(
            f"{stations.words(k)} is {-below[k]:.0f} m below the ground.",
            remedy="Give one height above the ground (--height), or say what the heights are above (--heights-are).",
        )
