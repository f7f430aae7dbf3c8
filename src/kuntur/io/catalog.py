"""The airframes, cameras and radios that come with Kuntur, and the fleet of an area made of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from kuntur import config
from kuntur.errors import ConfigError
from kuntur.io.area_file import AircraftTable, AreaFile, CameraTable, CatalogFile
from kuntur.model.assets import Aircraft, Airframe, Camera, Fleet, Radio
from kuntur.units import DEG_TO_RAD

T = TypeVar("T", bound=Struct)

CATALOG = Path(__file__).resolve().parents[1] / "data" / "catalog.toml"


def read() -> CatalogFile:
    """The airframes, cameras and radios that come with Kuntur, each with its public source."""
    return config.decode(tomllib.loads(CATALOG.read_text(encoding="utf-8")), CatalogFile, CATALOG.name)


def fleet(file: AreaFile) -> Fleet:
    known = read()
    airframes = _by_id((*known.airframe, *file.airframe), "airframe")
    cameras = _by_id((*known.camera, *file.camera), "camera")
    radios = _by_id((*known.radio, *file.radio), "radio")
    bases = _by_id(file.base, "base")
    _by_id(file.aircraft, "aircraft")
    _by_id(file.zone, "zone")
    _by_id(file.crosser, "crosser")
    seen: dict[int, str] = {}
    aircraft = []
    for one in file.aircraft:
        if one.system_id in seen:
            raise ConfigError(
                f'Aircraft "{one.id}" and "{seen[one.system_id]}" both have system_id {one.system_id}.',
                remedy="Every aircraft needs a MAVLink system id of its own.",
            )
        seen[one.system_id] = one.id
        _pick(bases, one.base, one, "base")
        aircraft.append(
            Aircraft(
                id=one.id,
                name=one.name,
                system_id=one.system_id,
                base_id=one.base,
                turnround_s=one.turnround_s,
                airframe=Airframe(**msgspec.structs.asdict(_pick(airframes, one.airframe, one, "airframe"))),
                camera=_camera(_pick(cameras, one.camera, one, "camera")),
                radio=Radio(**msgspec.structs.asdict(_pick(radios, one.radio, one, "radio"))),
            )
        )
    return Fleet(aircraft=tuple(aircraft))


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
        id=table.id,
        name=table.name,
        band=table.band,
        columns_px=table.columns_px,
        rows_px=table.rows_px,
        hfov_rad=table.hfov_deg * DEG_TO_RAD,
        vfov_rad=table.vfov_deg * DEG_TO_RAD,
        source=table.source,
        mass_kg=table.mass_kg,
    )
