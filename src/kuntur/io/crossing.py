"""Who crosses, and the water in the way: these tables of an area file, checked."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from kuntur.errors import ConfigError
from kuntur.geodesy import frames
from kuntur.io.area_file import CrosserTable, RequirementTable, WaterTable
from kuntur.model.place import CrosserClass, LocalFrame, Water

DAY_S: Final = 86_400.0


def water(table: WaterTable, frame: LocalFrame) -> Water:
    """A lake or river in the local frame."""
    circle = [part for part in (table.lat_deg, table.lon_deg, table.radius_m) if part is not None]
    lake = table.kind == "lake"
    if (lake and (table.line or bool(table.ring) == (len(circle) == 3))) or (not lake and (table.ring or circle)):
        raise ConfigError(
            f'[[water]] "{table.name}": a lake is a ring or a circle (lat_deg, lon_deg, radius_m), a river a line.',
            remedy="Correct [[water]].",
        )
    if not lake or table.ring:
        points = np.asarray(table.ring or table.line, float).reshape(-1, 2)
        xy_m = np.stack(frames.to_local(frame, points[:, 1], points[:, 0]), axis=-1)
        xy_m = xy_m[:-1] if lake and len(xy_m) > 1 and np.allclose(xy_m[0], xy_m[-1], atol=0.01) else xy_m
        if len(xy_m) < (3 if lake else 2):
            raise ConfigError(
                f'[[water]] "{table.name}" has fewer than {"three corners" if lake else "two points"}.',
                remedy="Correct it.",
            )
    else:
        x, y = frames.to_local(frame, *circle[:2])
        angle = np.linspace(0.0, 2.0 * math.pi, 48, endpoint=False)
        # Inside the circle: a lake may stop less than it does in truth, never more.
        xy_m = np.stack([x + circle[2] * np.cos(angle), y + circle[2] * np.sin(angle)], axis=-1)
    return Water(name=table.name, kind=table.kind, xy_m=xy_m, stops=table.stops, approximate=table.approximate)


def crosser(table: CrosserTable, need: RequirementTable) -> CrosserClass:
    """A class of crosser, with the times it may begin at counted from the start of the watch."""
    if table.hides and table.mode != "walk":
        raise ConfigError(
            f'[[crosser]] "{table.id}": only who walks can hide.', remedy="Take out hides, or correct mode."
        )
    if table.mode == "drive" and table.ride != "none":
        raise ConfigError(f'[[crosser]] "{table.id}" drives already.', remedy="Take out ride, or correct mode.")
    from_s, until_s = 0.0, None
    if table.starts_local is not None:
        begin, first, last = (60.0 * _minutes(t) for t in (need.start_local, *table.starts_local))
        from_s = (first - begin) % DAY_S
        until_s = from_s + ((last - first) % DAY_S or DAY_S)
        if until_s > DAY_S:  # it began before the watch and goes on into it; if it begins again, it is never over
            from_s, until_s = 0.0, until_s - DAY_S if from_s >= need.duration_s else None
        if from_s >= need.duration_s:
            raise ConfigError(
                f'[[crosser]] "{table.id}" begins between {table.starts_local[0]} and {table.starts_local[1]}: '
                "the watch is over then.",
                remedy="Correct starts_local, or [requirement] start_local and duration_s.",
            )
    return CrosserClass(
        id=table.id,
        name=table.name,
        mode=table.mode,
        target=table.target,
        speed_factor=table.speed_factor,
        required=table.required,
        percentile=table.percentile,
        hides=table.hides,
        off_road=table.off_road,
        ride=table.ride,
        ride_target=table.ride_target,
        start_from_s=from_s,
        start_until_s=until_s,
    )


def _minutes(clock: str) -> float:
    return 60.0 * int(clock[:2]) + int(clock[3:])
