"""An area: one TOML file with its GeoJSON and terrain -> model.Area, checked, or one clear error."""

from __future__ import annotations

import datetime
import hashlib
import math
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur import config
from kuntur.errors import BorderError, ConfigError, TerrainError
from kuntur.geodesy import frames, grid, lines
from kuntur.io import catalog, cover, crossing, elevation, geoid, settings, sizing, sketched, tiles, vectors, weather
from kuntur.io.area_file import (
    AreaFile,
    BaseTable,
    ExtentTable,
    RallyTable,
    ZoneTable,
)
from kuntur.model.assets import Base, Rally
from kuntur.model.place import (
    Area,
    Border,
    LocalFrame,
    Place,
    Requirement,
    Road,
    Terrain,
    Weather,
    Zone,
)

FloatArray = NDArray[np.float64]
Progress = Callable[[float, str], None]
T = TypeVar("T", bound=Struct)

DATA = Path(__file__).resolve().parents[1] / "data"
EMBEDDED = tuple(sorted(folder.parent.name for folder in DATA.glob("*/area.toml")))


def load(
    path: Path | str,
    *,
    terrain_paths: Sequence[Path | str] = (),
    cache_folder: Path | None = None,
    progress: Progress = lambda fraction, words: None,
) -> Area:
    """The area of `path`: the name of an embedded area ("tambo_quemado"), an area.toml, or a folder that holds one.

    terrain_paths: survey files (or folders of them) to use instead of the [terrain] sources of the file.
    Without any, tiles that `kuntur area fetch` brought for the whole extent are used, and last the area's sketch.
    cache_folder: where fetched tiles and drawn sketches are; default by the settings (io.settings.cache_folder).
    Raises ConfigError, TerrainError or BorderError, each with what to do.
    """
    toml, file, digest = _read_area(path)
    frame = _frame(file.extent)
    cache = cache_folder or settings.cache_folder()
    lonlat, border_digest = _border_lonlat(toml, file)
    whole = np.stack(frames.to_local(frame, lonlat[:, 1], lonlat[:, 0]), axis=-1)
    progress(0.1, "border read")
    terrain, terrain_hashes = _terrain(file, toml, frame, whole, terrain_paths, cache, progress)
    progress(0.9, "terrain read")
    area = Area(
        id=file.id,
        title=file.title,
        frame=frame,
        terrain=terrain,
        geoid=geoid.read(),
        border=_border(file, whole, border_digest),
        bases=tuple(_base(one, frame, terrain) for one in file.base),
        zones=tuple(_zone(one, frame) for one in file.zone),
        roads=tuple(
            Road(name=r.name, kind=r.kind, xy_m=_ring(r.line, frame), approximate=r.approximate) for r in file.road
        ),
        waters=tuple(crossing.water(one, frame) for one in file.water),
        places=tuple(_place(one, frame) for one in file.place),
        fleet=catalog.fleet(file),
        crossers=tuple(crossing.crosser(one, file.requirement) for one in file.crosser),
        requirement=Requirement(**_fields(file.requirement)),
        weather=_weather(file, toml, terrain),
        attributions=tuple(dict.fromkeys(text for text in (file.border.attribution, terrain.attribution) if text)),
        input_hashes={
            toml.name: digest,
            Path(file.border.file).name: border_digest,
            **terrain_hashes,
            **_weather_hash(file, toml),
        },
        rallies=tuple(_rally(one, frame, terrain) for one in file.rally),
        sizing=sizing.read(file, lambda one: _base(one, frame, terrain)),
    )
    _require_usable(area)
    _require_our_side(area, whole)
    progress(1.0, "area loaded")
    return area


def _terrain(
    file: AreaFile,
    toml: Path,
    frame: LocalFrame,
    border_m: FloatArray,
    given: Sequence[Path | str],
    cache: Path,
    progress: Progress,
) -> tuple[Terrain, dict[str, str]]:
    """Files given on the spot, else those of the area file, else fetched tiles, else its sketch; and their hashes."""
    bounds = _bounds(file.extent, frame)
    table = file.terrain
    if given or table.sources:
        paths = elevation.files(given or table.sources, Path() if given else toml.parent)
    else:
        paths = tiles.kept(tile_folder(cache), _tile_names(file.extent)) or []
    if paths:
        terrain = elevation.terrain(
            paths,
            frame,
            bounds,
            geoid=geoid.read(),
            cell_m=table.cell_m,
            vertical_datum=table.vertical_datum,
            vertical_error_le90_m=table.vertical_error_le90_m,
            error_correlation_m=table.error_correlation_m,
            attribution=table.attribution,
        )
        return _covered(terrain, table.cover, toml, {path.name: _sha256(path) for path in paths})
    if table.sketch is None:
        raise TerrainError(
            f'The area "{file.id}" comes without terrain.',
            remedy="Give the files by --terrain, name them in [terrain] sources, or run `kuntur area fetch`.",
        )
    cell_m = table.cell_m or sketched.DEFAULT_CELL_M
    drawn = sketched.terrain(table.sketch, frame, bounds, cell_m, border_m, cache, progress)
    return _covered(drawn, table.cover, toml, {})


def _covered(
    terrain: Terrain, sources: Sequence[str], toml: Path, hashes: dict[str, str]
) -> tuple[Terrain, dict[str, str]]:
    """The terrain with what stands on it, where the area names such files, and the hashes of all its files."""
    if not sources:
        return terrain, hashes
    paths = elevation.files(sources, toml.parent)
    return cover.laid(terrain, paths), hashes | {path.name: _sha256(path) for path in paths}


def tile_folder(cache: Path | None = None) -> Path:
    """Where `kuntur area fetch` keeps Copernicus GLO-30 tiles."""
    return (cache or settings.cache_folder()) / "copernicus-glo-30"


def extent_deg(path: Path | str) -> tuple[float, float, float, float]:
    """South, west, north, east of an area, read from its file alone."""
    extent = _read_area(path)[1].extent
    return extent.south_deg, extent.west_deg, extent.north_deg, extent.east_deg


def tile_names(path: Path | str) -> list[str]:
    """The Copernicus GLO-30 tiles that an area needs."""
    return _tile_names(_read_area(path)[1].extent)


def _tile_names(extent: ExtentTable) -> list[str]:
    return tiles.names(extent.south_deg, extent.west_deg, extent.north_deg, extent.east_deg)


def _read_area(path: Path | str) -> tuple[Path, AreaFile, str]:
    toml = _find(path)
    table, digest = _read_toml(toml)
    return toml, config.decode(table, AreaFile, toml.name if toml.parent.parent == DATA else str(toml)), digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_usable(area: Area) -> None:
    """Raise for what no later step can work with."""
    _require_border(area)
    for base in _every_base(area):
        _require_base(area, base)
    need, cell_m = area.requirement, area.terrain.cell_m
    if need.wave_s > need.duration_s or need.crosser_step_s > need.wave_s:
        raise ConfigError(
            "[requirement]: crosser_step_s must not exceed wave_s, nor wave_s duration_s.", remedy="Correct the three."
        )
    if min(need.crosser_cell_m, need.flight_cell_m) < cell_m:
        raise ConfigError(
            f"[requirement]: crosser_cell_m and flight_cell_m must not be below the terrain cell of {cell_m:g} m.",
            remedy="Enlarge them, or make [terrain] cell_m smaller.",
        )
    _require_date(area)
    if need.cyclic and need.duration_s != crossing.DAY_S:
        raise ConfigError(
            f"[requirement]: a cyclic watch lasts a day, 86400 s, not {need.duration_s:g} s.",
            remedy="Set duration_s = 86400.0, or cyclic = false.",
        )
    if not area.fleet.aircraft or not area.crossers:
        raise ConfigError("The area needs at least one [[aircraft]] and one [[crosser]].", remedy="Add them.")


def _every_base(area: Area) -> tuple[Base, ...]:
    """The area's own and those that `kuntur size` may open."""
    return area.bases if area.sizing is None else (*area.bases, *area.sizing.candidate_bases)


def _require_our_side(area: Area, whole_m: FloatArray) -> None:
    """Bases must lie on our side of the whole line in the file: beside the end of a part, the side misleads."""
    border = area.border
    bases = _every_base(area)
    x = [base.x_m for base in bases]
    y = [base.y_m for base in bases]
    _, inward = lines.inward_offset(whole_m, border.ours, x, y)
    wrong = [(base, -float(off)) for base, off in zip(bases, inward, strict=True) if off < 0.0]
    if not wrong:
        return
    base, distance_m = wrong[0]
    other = "left" if border.ours == "right" else "right"
    raise BorderError(
        f'Base "{base.id}" lies {distance_m / 1000.0:.1f} km on the wrong side of the border ({border.their_country}).',
        remedy=f'If {border.our_country} is on the {other} looking along the file, set [border] ours = "{other}".'
        if len(wrong) == len(bases)
        else "Move the base to our side.",
    )


def _require_border(area: Area) -> None:
    points = lines.densify(area.border.xy_m, area.terrain.cell_m)
    km = np.linspace(0.0, lines.chainages(area.border.xy_m)[-1] / 1000.0, len(points))
    outside = ~grid.covers(area.terrain, points[:, 0], points[:, 1])
    if outside.any():
        raise BorderError(
            f"{outside.mean():.0%} of the border lies outside the terrain, first at km {km[np.argmax(outside)]:.1f}.",
            remedy="Widen [extent], add the missing terrain tiles, or shorten [border] from_km .. to_km.",
        )
    void = np.isnan(grid.height_at(area.terrain, points[:, 0], points[:, 1]))
    if void.any():
        raise TerrainError(
            f"The terrain is void on {void.mean():.1%} of the border, first at km {km[np.argmax(void)]:.1f}.",
            remedy="Use a void-filled product (Copernicus GLO-30: `kuntur area fetch`), or shorten [border].",
        )


def _require_date(area: Area) -> None:
    """A date that is one, wherever an aircraft's hours depend on the sun."""
    date = area.requirement.date
    bound = [a.id for a in area.fleet.aircraft if a.fly != "any"]
    if date is None and bound:
        raise ConfigError(
            f'Aircraft "{bound[0]}" flies by the sun, and nothing says which day it is.',
            remedy='Give [requirement] date = "YYYY-MM-DD", the day on which the watch begins.',
        )
    if date is not None:
        try:
            datetime.date.fromisoformat(date)
        except ValueError as error:
            raise ConfigError(f"[requirement] date {date} is no day of the calendar.", remedy="Correct it.") from error


def _require_base(area: Area, base: Base) -> None:
    if not grid.covers(area.terrain, base.x_m, base.y_m):
        raise TerrainError(f'Base "{base.id}" lies outside the terrain.', remedy="Widen [extent], or move the base.")
    if np.isnan(base.alt_msl_m):
        raise TerrainError(
            f'The terrain has no height (void) under base "{base.id}".',
            remedy="Use a void-filled product (Copernicus GLO-30: `kuntur area fetch`), or move the base.",
        )
    for zone in area.zones:
        low = zone.floor_msl_m is None or zone.floor_msl_m <= base.alt_msl_m + 1.0
        if zone.kind == "no_fly" and low and lines.inside(zone.xy_m, base.x_m, base.y_m).any():
            raise ConfigError(
                f'Base "{base.id}" lies in the no-fly zone "{zone.id}": nothing could take off.',
                remedy="Move the base, or shrink the zone.",
            )


def _find(path: Path | str) -> Path:
    if str(path) in EMBEDDED:
        return DATA / str(path) / "area.toml"
    found = Path(path)
    if found.is_dir():
        found = found / "area.toml"
    if not found.is_file():
        raise ConfigError(
            f"There is no area file {found}.",
            remedy=f"Give an area.toml, a folder that holds one, or an embedded area ({', '.join(EMBEDDED)}).",
        )
    return found


def _read_toml(path: Path) -> tuple[dict[str, Any], str]:
    try:
        content = path.read_bytes()
        return tomllib.loads(content.decode("utf-8")), hashlib.sha256(content).hexdigest()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is no readable TOML: {error}.", remedy="Correct the file.") from error


def _fields(table: Struct) -> dict[str, Any]:
    return {name: getattr(table, name) for name in table.__struct_fields__}


def _frame(extent: ExtentTable) -> LocalFrame:
    """Centred on the extent; an extent across the antimeridian has west_deg > east_deg."""
    width = (extent.east_deg - extent.west_deg) % 360.0
    if extent.north_deg <= extent.south_deg or width == 0.0:
        raise ConfigError(
            "[extent]: north_deg must lie above south_deg, and east_deg east of west_deg.", remedy="Correct it."
        )
    if width > 3.0 or extent.north_deg - extent.south_deg > 3.0:
        raise ConfigError(
            f"[extent]: {width:.1f} by {extent.north_deg - extent.south_deg:.1f} degrees is too large for one area.",
            remedy="Keep one area under 3 degrees each way; a longer border is several areas.",
        )
    lon0 = (extent.west_deg + width / 2.0 + 180.0) % 360.0 - 180.0
    return LocalFrame(lat0_deg=(extent.south_deg + extent.north_deg) / 2.0, lon0_deg=lon0)


def _bounds(extent: ExtentTable, frame: LocalFrame) -> tuple[float, float, float, float]:
    """West, south, east, north of the extent in the local frame: the largest rectangle inside its curved edges."""
    lat = np.linspace(extent.south_deg, extent.north_deg, 33)
    lon = extent.west_deg + np.linspace(0.0, (extent.east_deg - extent.west_deg) % 360.0, 33)
    west, _ = frames.to_local(frame, lat, np.full(33, extent.west_deg))
    east, _ = frames.to_local(frame, lat, np.full(33, extent.east_deg))
    _, south = frames.to_local(frame, np.full(33, extent.south_deg), lon)
    _, north = frames.to_local(frame, np.full(33, extent.north_deg), lon)
    return float(west.max()), float(south.max()), float(east.min()), float(north.min())


def _border_lonlat(toml: Path, file: AreaFile) -> tuple[FloatArray, str]:
    path = toml.parent / file.border.file
    return vectors.read_line(path), _sha256(path)


def _border(file: AreaFile, whole: FloatArray, digest: str) -> Border:
    table = file.border
    length_km = float(lines.chainages(whole)[-1]) / 1000.0
    to_km = length_km if table.to_km is None else table.to_km
    if not table.from_km < to_km <= length_km + 1e-6:
        raise ConfigError(
            f"[border]: from_km {table.from_km:g} and to_km {to_km:g} do not lie in order "
            f"on the border of {length_km:.2f} km.",
            remedy="Correct from_km and to_km.",
        )
    return Border(
        name=table.name,
        xy_m=lines.clip(whole, table.from_km * 1000.0, to_km * 1000.0),
        ours=table.ours,
        our_country=table.our_country,
        their_country=table.their_country,
        attribution=table.attribution,
        sha256=digest,
    )


def _ring(lonlat: Sequence[tuple[float, float]], frame: LocalFrame) -> FloatArray:
    points = np.asarray(lonlat, float)
    return np.stack(frames.to_local(frame, points[:, 1], points[:, 0]), axis=-1)


def _zone(table: ZoneTable, frame: LocalFrame) -> Zone:
    circle = (table.lat_deg, table.lon_deg, table.radius_m)
    if bool(table.ring) == any(part is not None for part in circle):
        raise ConfigError(
            f'Zone "{table.id}" needs either a ring or a circle (lat_deg, lon_deg, radius_m), and not both.',
            remedy="Correct [[zone]].",
        )
    if table.ring:
        ring = _ring(table.ring, frame)
        if len(ring) > 1 and np.allclose(ring[0], ring[-1], atol=0.01):
            ring = ring[:-1]
        if len(ring) < 3:
            raise ConfigError(f'Zone "{table.id}" has fewer than three corners.', remedy="Correct its ring.")
    elif table.lat_deg is None or table.lon_deg is None or table.radius_m is None:
        raise ConfigError(
            f'Zone "{table.id}": a circle needs lat_deg, lon_deg and radius_m.', remedy="Add what is missing."
        )
    else:
        x, y = frames.to_local(frame, table.lat_deg, table.lon_deg)
        angle = np.linspace(0.0, 2.0 * math.pi, 48, endpoint=False)
        # The polygon goes around the circle, not inside it: a zone may be larger than asked for, never smaller.
        reach = table.radius_m / math.cos(math.pi / 48)
        ring = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=-1)
    return Zone(
        id=table.id, name=table.name, kind=table.kind, xy_m=ring,
        floor_msl_m=table.floor_msl_m, ceiling_msl_m=table.ceiling_msl_m,
    )  # fmt: skip


def _base(table: BaseTable, frame: LocalFrame, terrain: Terrain) -> Base:
    x, y = (float(v) for v in frames.to_local(frame, table.lat_deg, table.lon_deg))
    return Base(
        id=table.id, name=table.name, lat_deg=table.lat_deg, lon_deg=table.lon_deg, x_m=x, y_m=y,
        alt_msl_m=float(grid.height_at(terrain, x, y)), pads=table.pads, mast_agl_m=table.mast_agl_m,
        mast_gain_dbi=table.mast_gain_dbi, parking=table.parking, crews=table.crews, crew_duty_s=table.crew_duty_s,
    )  # fmt: skip


def _rally(table: RallyTable, frame: LocalFrame, terrain: Terrain) -> Rally:
    x, y = (float(v) for v in frames.to_local(frame, table.lat_deg, table.lon_deg))
    alt_msl_m = float(grid.height_at(terrain, x, y)) if grid.covers(terrain, x, y) else math.nan
    if math.isnan(alt_msl_m):
        raise TerrainError(
            f'Rally point "{table.id}" lies outside the terrain or on a void of it.',
            remedy="Move it, or add the missing terrain.",
        )
    return Rally(
        id=table.id, name=table.name, lat_deg=table.lat_deg, lon_deg=table.lon_deg, x_m=x, y_m=y, alt_msl_m=alt_msl_m
    )


def _place(table: Any, frame: LocalFrame) -> Place:
    x, y = (float(v) for v in frames.to_local(frame, table.lat_deg, table.lon_deg))
    return Place(
        name=table.name, kind=table.kind, x_m=x, y_m=y, alt_msl_m=table.alt_msl_m, approximate=table.approximate
    )


def _weather(file: AreaFile, toml: Path, terrain: Terrain) -> Weather:
    highest_msl_m = float(np.nanmax(terrain.heights_m)) + file.requirement.height_agl_m
    return weather.planned(file.weather, toml.parent, file.extent, file.requirement, highest_msl_m)


def _weather_hash(file: AreaFile, toml: Path) -> dict[str, str]:
    field = file.weather.field
    return {} if field is None else {Path(field).name: _sha256(toml.parent / field)}
