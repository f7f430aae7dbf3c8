"""An area: one TOML file with its GeoJSON and terrain -> model.Area, checked, or one clear error."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur import config
from kuntur.errors import BorderError, ConfigError
from kuntur.geodesy import frames, grid, lines
from kuntur.io import elevation, geoid, vectors
from kuntur.io.area_file import (
    AircraftTable,
    AreaFile,
    BaseTable,
    CameraTable,
    CatalogFile,
    ExtentTable,
    ZoneTable,
)
from kuntur.model.assets import Aircraft, Airframe, Base, Camera, Fleet, Radio
from kuntur.model.place import (
    Area,
    Border,
    CrosserClass,
    LocalFrame,
    Place,
    Requirement,
    Road,
    Terrain,
    Weather,
    Zone,
)
from kuntur.units import DEG_TO_RAD

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
    cache_folder: where a drawn sketch is kept; default $XDG_CACHE_HOME/kuntur. Raises ConfigError, TerrainError or BorderError.
    """
    toml = _find(path)
    table, digest = _read_toml(toml)
    file = config.decode(table, AreaFile, toml.name if toml.parent.name in EMBEDDED else str(toml))
    frame = _frame(file.extent)
    hashes = {toml.name: digest}
    lonlat = _border_lonlat(toml, file, hashes)
    whole = np.stack(frames.to_local(frame, lonlat[:, 1], lonlat[:, 0]), axis=-1)
    progress(0.1, "border read")
    terrain = elevation.terrain(
        file.terrain, toml.parent, frame, _bounds(file.extent, frame), whole,
        override=[Path(p) for p in terrain_paths], cache_folder=cache_folder, progress=progress, hashes=hashes,
    )  # fmt: skip
    border = _border(file, whole, terrain, hashes)
    zones = tuple(_zone(one, frame) for one in file.zone)
    bases = tuple(_base(one, frame, terrain) for one in file.base)
    area = Area(
        id=file.id,
        title=file.title,
        frame=frame,
        terrain=terrain,
        geoid=geoid.read(),
        border=border,
        bases=bases,
        zones=zones,
        roads=tuple(
            Road(name=r.name, kind=r.kind, xy_m=_ring(r.line, frame), approximate=r.approximate) for r in file.road
        ),
        places=tuple(_place(p, frame) for p in file.place),
        fleet=_fleet(file, toml),
        crossers=tuple(
            CrosserClass(id=c.id, name=c.name, mode=c.mode, target=c.target, speed_factor=c.speed_factor)
            for c in file.crosser
        ),
        requirement=Requirement(**_fields(file.requirement)),
        weather=_weather(file),
        attributions=tuple(dict.fromkeys(text for text in (border.attribution, terrain.attribution) if text)),
        input_hashes=hashes,
    )
    progress(1.0, "area loaded")
    return area


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


def _border_lonlat(toml: Path, file: AreaFile, hashes: dict[str, str]) -> FloatArray:
    path = toml.parent / file.border.file
    lonlat = vectors.read_line(path)
    hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return lonlat


def _border(file: AreaFile, whole: FloatArray, terrain: Terrain, hashes: Mapping[str, str]) -> Border:
    table = file.border
    length_km = lines.chainages(whole)[-1] / 1000.0
    to_km = length_km if table.to_km is None else table.to_km
    if not table.from_km < to_km <= length_km + 1e-6:
        raise ConfigError(
            f"[border]: from_km {table.from_km:g} and to_km {to_km:g} do not lie in order on the border of {length_km:.2f} km.",
            remedy="Correct from_km and to_km.",
        )
    xy = lines.clip(whole, table.from_km * 1000.0, to_km * 1000.0)
    points = lines.densify(xy, terrain.cell_m)
    outside = ~grid.covers(terrain, points[:, 0], points[:, 1])
    if outside.any():
        at_km = table.from_km + float(np.argmax(outside)) / (len(points) - 1) * (to_km - table.from_km)
        raise BorderError(
            f"{outside.mean():.0%} of the border lies outside the terrain, first at km {at_km:.1f} of the border file.",
            remedy="Widen [extent], add the missing terrain tiles, or shorten [border] from_km .. to_km.",
        )
    return Border(
        name=table.name, xy_m=xy, ours=table.ours, our_country=table.our_country, their_country=table.their_country,
        attribution=table.attribution, sha256=hashes[Path(table.file).name],
    )  # fmt: skip


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
    )  # fmt: skip


def _place(table: Any, frame: LocalFrame) -> Place:
    x, y = (float(v) for v in frames.to_local(frame, table.lat_deg, table.lon_deg))
    return Place(
        name=table.name, kind=table.kind, x_m=x, y_m=y, alt_msl_m=table.alt_msl_m, approximate=table.approximate
    )


def _weather(file: AreaFile) -> Weather:
    w = file.weather
    return Weather(
        isa_offset_k=w.isa_offset_k,
        wind_speed_mps=w.wind_speed_mps,
        wind_from_rad=w.wind_from_deg * DEG_TO_RAD,
        visibility_m=w.visibility_m,
    )


def catalog() -> CatalogFile:
    """The airframes, cameras and radios that come with Kuntur, each with its public source."""
    table, _ = _read_toml(DATA / "catalog.toml")
    return config.decode(table, CatalogFile, "catalog.toml")


def _fleet(file: AreaFile, toml: Path) -> Fleet:
    known = catalog()
    airframes = _by_id((*known.airframe, *file.airframe), "airframe")
    cameras = _by_id((*known.camera, *file.camera), "camera")
    radios = _by_id((*known.radio, *file.radio), "radio")
    bases = _by_id(file.base, "base")
    _by_id(file.aircraft, "aircraft")
    _by_id(file.zone, "zone")
    _by_id(file.crosser, "crosser")
    seen: dict[int, str] = {}
    fleet = []
    for one in file.aircraft:
        if one.system_id in seen:
            raise ConfigError(
                f'Aircraft "{one.id}" and "{seen[one.system_id]}" both have system_id {one.system_id}.',
                remedy="Every aircraft needs a MAVLink system id of its own.",
            )
        seen[one.system_id] = one.id
        _pick(bases, one.base, one, "base")
        fleet.append(
            Aircraft(
                id=one.id,
                name=one.name,
                system_id=one.system_id,
                base_id=one.base,
                turnround_s=one.turnround_s,
                airframe=Airframe(**_fields(_pick(airframes, one.airframe, one, "airframe"))),
                camera=_camera(_pick(cameras, one.camera, one, "camera")),
                radio=Radio(**_fields(_pick(radios, one.radio, one, "radio"))),
            )  # fmt: skip
        )
    return Fleet(aircraft=tuple(fleet))


def _by_id(tables: Sequence[T], kind: str) -> dict[str, T]:
    found: dict[str, T] = {}
    for table in tables:
        name: str = table.id  # type: ignore[attr-defined]
        if name in found:
            raise ConfigError(f'There are two {kind}s "{name}".', remedy="Give each an id of its own.")
        found[name] = table
    return found


def _pick(tables: Mapping[str, T], name: str, aircraft: AircraftTable, kind: str) -> T:
    if name not in tables:
        raise ConfigError(
            f'Aircraft "{aircraft.id}" names the {kind} "{name}", which nobody has described.',
            remedy=f"Known: {', '.join(sorted(tables))}.",
        )
    return tables[name]


def _camera(table: CameraTable) -> Camera:
    return Camera(
        id=table.id, name=table.name, band=table.band, columns_px=table.columns_px, rows_px=table.rows_px,
        hfov_rad=table.hfov_deg * DEG_TO_RAD, vfov_rad=table.vfov_deg * DEG_TO_RAD, source=table.source, mass_kg=table.mass_kg,
    )  # fmt: skip
