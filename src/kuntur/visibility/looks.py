"""Gimbal plans: the search that each kind of look is, which ground its sector holds, and where it is aimed.

A *sweep* turns all round. A *sector* is half a turn whose middle keeps its azimuth over a whole leg, whatever the
aircraft's heading; the gimbal is round in it sooner, so ground in it is looked at more often and other ground not at
all. All sectors are equally wide, so an aircraft need only be told the middle (`codecs.missions`).

Two kinds of sector differ in how they are aimed:

- *border*: square to the border line, on the side where more of the watched strip lies: away from the line in the
  strip's outer half, towards it in the inner one. Near the line half of a sweep is spent abroad, where nothing counts.
- *stare*: fixed on the ground to the north, east, south or west, whichever the planner finds worth most.

A sector is worth having only where a sweep wastes looks: over ground that all counts, the same looks spread all round
find more (each further look at a place is worth less). So one is offered only where it holds enough more of what
counts (`WORTH`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.geodesy import lines
from kuntur.model.assets import Camera
from kuntur.model.place import Area, Shown, Weather
from kuntur.model.plans import SWEEP, Look, LookKind
from kuntur.visibility import detection

FloatArray = NDArray[np.float64]

SECTOR_RAD: Final = math.radians(180.0)
"""Ours; tuned: see docs/decisions/0027."""

WORTH: Final = 1.3
"""Ours; tuned: a sector is offered where the share of its ground that counts is so many times that of a sweep."""

OFF_TRACK_M: Final = 200.0
"""An aircraft is within this of its planned place: it circles where it waits and cuts its corners, at the turn radius
of the fastest wing we list. Ground must lie this far inside both edges of a sector before it counts."""

STARES: Final = tuple(Look(kind="stare", azimuth_rad=k * math.pi / 2.0) for k in range(4))


def search_of(
    kind: LookKind, camera: Camera, targets: Iterable[Shown], height_agl_m: float, weather: Weather
) -> detection.SearchPattern:
    """The search pattern of one kind of look, made for the target seen least far (`detection.search_for`)."""
    search = _sweep(camera, frozenset(targets), height_agl_m, weather)
    return search if kind == "sweep" else detection.sector(search, SECTOR_RAD)


@lru_cache(maxsize=256)
def _sweep(camera: Camera, targets: frozenset[Shown], height_agl_m: float, weather: Weather) -> detection.SearchPattern:
    return detection.search_for(camera, targets, height_agl_m, weather)


def holds(look: Look, dx_m: ArrayLike, dy_m: ArrayLike, *, margin_m: float = 0.0) -> NDArray[np.bool_]:
    """Whether points so far east and north of the camera lie in the look's sector, margin_m inside both its edges.

    A sector is convex: what lies in it from both ends of a straight leg lies in it all along the leg.
    """
    if look.kind == "sweep":
        return np.ones(np.broadcast_shapes(np.shape(dx_m), np.shape(dy_m)), bool)
    return in_sector(look.azimuth_rad, dx_m, dy_m, margin_m=margin_m)


def in_sector(middle_rad: ArrayLike, dx_m: ArrayLike, dy_m: ArrayLike, *, margin_m: float = 0.0) -> NDArray[np.bool_]:
    """`holds` for sectors, each point with a middle of its own (broadcast together)."""
    middle, dx, dy = np.asarray(middle_rad, float), np.asarray(dx_m, float), np.asarray(dy_m, float)
    along = dx * np.sin(middle) + dy * np.cos(middle)
    across = np.abs(dx * np.cos(middle) - dy * np.sin(middle))
    half = SECTOR_RAD / 2.0
    return np.asarray(along * math.sin(half) - across * math.cos(half) >= margin_m)


def aimed(area: Area, kinds: Iterable[LookKind], x_m: float, y_m: float, reach_m: float) -> tuple[Look, ...]:
    """The looks of these kinds that are worth giving to a camera of this reach there, the sweep first.

    Ground counts inside the watched strip and outside no-look zones. None of the ground within reach on a sector's
    middle line may lie abroad or in such a zone; whether the little that its sides show of it may be looked at is for
    `oversight.policy` to say, as with a sweep.
    """
    wanted: list[Look] = []
    for kind in kinds:
        if kind == "border":
            wanted.append(_border(area, x_m, y_m))
        elif kind == "stare":
            wanted.extend(STARES)
    counts = _counts(area, x_m + reach_m * _AROUND[0], y_m + reach_m * _AROUND[1])
    worth = [look for look in wanted if counts[holds(look, *_AROUND)].mean() > WORTH * counts.mean()]
    return (SWEEP, *(look for look in worth if _allowed(area, look, x_m, y_m, reach_m)))


def _allowed(area: Area, look: Look, x_m: float, y_m: float, reach_m: float) -> bool:
    far_m = np.linspace(0.0, reach_m, 24)
    x, y = x_m + far_m * math.sin(look.azimuth_rad), y_m + far_m * math.cos(look.azimuth_rad)
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x, y)
    if (inward < 0.0).any():
        return False
    return not any(zone.kind == "no_look" and lines.inside(zone.xy_m, x, y).any() for zone in area.zones)


def _counts(area: Area, x_m: FloatArray, y_m: FloatArray) -> NDArray[np.bool_]:
    """Whether ground there lies in the watched strip and may be looked at."""
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x_m, y_m)
    found = np.asarray((inward >= 0.0) & (inward <= area.requirement.depth_m))
    for zone in area.zones:
        if zone.kind == "no_look":
            found &= ~lines.inside(zone.xy_m, x_m, y_m)
    return found


def _disc() -> FloatArray:
    """East and north of points (2, n) spread evenly over a disc of radius 1."""
    radius = np.sqrt((np.arange(8) + 0.5) / 8.0)
    azimuth = np.arange(32) * math.pi / 16.0 + math.pi / 32.0
    return np.stack([np.outer(radius, np.sin(azimuth)).ravel(), np.outer(radius, np.cos(azimuth)).ravel()])


_AROUND: Final = _disc()


def _border(area: Area, x_m: float, y_m: float) -> Look:
    """Square to the border line, to the whole degree: equal looks are one."""
    line = area.border.xy_m
    chainage, inward = lines.inward_offset(line, area.border.ours, x_m, y_m)
    foot = lines.point_at(line, chainage[0])
    away = math.atan2(x_m - foot[0], y_m - foot[1])  # from the line to here: inwards, for here is on our side
    outer = float(inward[0]) < area.requirement.depth_m / 2.0
    azimuth_deg = round(math.degrees(away if outer else away + math.pi)) % 360
    return Look(kind="border", azimuth_rad=math.radians(azimuth_deg))
