"""The airframes, cameras and radios that come with Kuntur, and the fleet of an area made of them.

A catalog entry holds what is published and no more, so most of its figures may be missing. An aircraft of an area needs
certain ones to be planned with: `airframe` and `camera` make the model's nouns and name what is missing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from kuntur import config
from kuntur.errors import ConfigError
from kuntur.io.area_file import AircraftTable, AirframeTable, AreaFile, CameraTable, CatalogFile, RadioTable
from kuntur.model.assets import Aircraft, Airframe, Camera, Fleet, Radio, RangeLaw
from kuntur.model.plans import LookKind
from kuntur.units import DEG_TO_RAD

T = TypeVar("T", bound=Struct)
Entry = AirframeTable | CameraTable | RadioTable

NEEDED: Final[dict[type[Struct], tuple[str, ...]]] = {
    AirframeTable: ("mass_kg", "endurance_s", "cruise_mps", "max_speed_mps", "ceiling_msl_m"),
    CameraTable: ("hfov_deg", "vfov_deg"),
    RadioTable: (),
}
"""Figures without which nothing can be planned: what `aircraft.performance` and the search pattern are made of."""

WORDS = ("id", "name", "kind", "category", "launch", "built_into", "law", "source", "sources", "unverified", "unknown")
"""Keys of an entry that are not figures."""

CATALOG = Path(__file__).resolve().parents[1] / "data" / "catalog.toml"


def read() -> CatalogFile:
    """The airframes, cameras and radios that come with Kuntur, each with its public source."""
    known = config.decode(tomllib.loads(CATALOG.read_text(encoding="utf-8")), CatalogFile, CATALOG.name)
    for entry in entries(known):
        _check(entry)
    return known


def entries(file: CatalogFile | AreaFile) -> tuple[Entry, ...]:
    """Airframes, then cameras, then radios."""
    airframes: tuple[Entry, ...] = file.airframe
    return airframes + file.camera + file.radio


def figures(entry: Entry) -> dict[str, Any]:
    """The published figures of an entry by key, in the order of its table; what is not published is not there."""
    every = msgspec.structs.asdict(entry).items()
    return {key: value for key, value in every if key not in WORDS and value is not None}


def missing(entry: Entry) -> tuple[str, ...]:
    """Keys of figures that this entry could have and does not: what does not apply to it is left out."""
    absent = [key for key in entry.__struct_fields__ if key not in WORDS and getattr(entry, key) is None]
    return tuple(key for key in absent if _applies(entry, key))


def source_of(entry: Entry, key: str) -> str:
    """Where a figure is from."""
    return entry.sources.get(key, entry.source)


def lacking(entry: Entry) -> tuple[str, ...]:
    """What stands between this entry and a plan; empty when it can be planned with."""
    lacks = [key for key in NEEDED[type(entry)] if getattr(entry, key) is None]
    if isinstance(entry, AirframeTable) and entry.kind == "helicopter":
        lacks.append("a performance model of helicopters")
    return tuple(lacks)


def _applies(entry: Entry, key: str) -> bool:
    if isinstance(entry, AirframeTable):
        return not (
            (key == "battery_wh" and entry.propulsion == "combustion")
            or (key in ("rotor_disc_area_m2", "forward_endurance_s") and entry.kind == "fixed_wing")
            or (key in ("wing_span_m", "wing_area_m2", "stall_mps") and entry.kind != "fixed_wing")
        )
    if isinstance(entry, CameraTable):
        return not (
            (key == "netd_k" and entry.band == "EO")
            or (key == "least_light_lux" and entry.band != "EO")
            or (key == "mass_kg" and entry.built_into)
        )
    return True


def _check(entry: Entry) -> None:
    """Sources and doubts must be about figures that are there."""
    known = figures(entry)
    for key in (*entry.sources, *entry.unverified):
        if key not in known:
            raise ConfigError(
                f'"{entry.id}" names the figure "{key}" in `sources` or `unverified`, and has no such figure.',
                remedy=f"Figures of this entry: {', '.join(known)}.",
            )


def airframe(table: AirframeTable) -> Airframe:
    """The airframe to plan with; ConfigError naming the figures that nobody publishes."""
    _need(table)
    return Airframe(**{key: getattr(table, key) for key in Airframe.__struct_fields__})


def _need(entry: Entry) -> None:
    lacks = lacking(entry)
    if lacks:
        raise ConfigError(
            f'Nothing can be planned with "{entry.id}" ({entry.name}): it lacks {", ".join(lacks)}.',
            remedy="Take another, or describe it in the area file with figures that you have. "
            f"`kuntur fleet {entry.id}` shows what is known.",
        )


def fleet(file: AreaFile) -> Fleet:
    known = read()
    for entry in entries(file):
        _check(entry)
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
                fly=one.fly,
                looks=_looks(one, _pick(cameras, one.camera, one, "camera")),
                airframe=airframe(_pick(airframes, one.airframe, one, "airframe")),
                camera=camera(_fitting(_pick(cameras, one.camera, one, "camera"), one)),
                radio=radio(_pick(radios, one.radio, one, "radio")),
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


def _looks(one: AircraftTable, table: CameraTable) -> tuple[LookKind, ...]:
    """What its gimbal may do, each kind once; a sweep is always among it, for the ways out and home."""
    if table.law is not None and set(one.looks) != {"sweep"}:
        raise ConfigError(
            f'Aircraft "{one.id}" asks for looks {", ".join(one.looks)}, but its camera "{table.id}" has a detection '
            "law of its own, which knows no sectors.",
            remedy="Leave `looks` out, or give it a camera that searches.",
        )
    return tuple(dict.fromkeys(("sweep", *one.looks)))


def _fitting(table: CameraTable, aircraft: AircraftTable) -> CameraTable:
    if table.built_into and aircraft.airframe not in table.built_into:
        raise ConfigError(
            f'Aircraft "{aircraft.id}" names the camera "{table.id}", which is part of another airframe.',
            remedy=f"It is built into: {', '.join(table.built_into)}. Name another camera, or that airframe.",
        )
    return table


def camera(table: CameraTable) -> Camera:
    """The camera to plan with; ConfigError naming the figures that nobody publishes."""
    _need(table)
    assert table.hfov_deg is not None and table.vfov_deg is not None, "checked by _need"
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
        pixel_pitch_m=table.pixel_pitch_m,
        focal_length_m=table.focal_length_m,
        f_number=table.f_number,
        netd_k=table.netd_k,
        least_light_lux=table.least_light_lux,
        law=None
        if table.law is None
        else RangeLaw(rate_hz=table.law.rate_hz, scale_m=table.law.scale_m, cut_m=table.law.cut_m),
    )


def radio(table: RadioTable) -> Radio:
    return Radio(**{key: getattr(table, key) for key in Radio.__struct_fields__})
