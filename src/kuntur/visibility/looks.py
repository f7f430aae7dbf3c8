"""Gimbal plans: the search that each kind of look is, which ground its sector holds, and where it is aimed.

A *sweep* turns all round. A *sector* is a quarter of a turn whose middle keeps its azimuth over a whole leg, whatever
the aircraft's heading; the gimbal is round in it sooner, so ground in it is looked at more often and other ground not
at all. All sectors are equally wide, so an aircraft need only be told the middle (`codecs.missions`).

Two kinds of sector differ in how they are aimed:

- *border*: square to the border line, on the side where more of the watched strip lies: away from the line in the
  strip's outer half, towards it in the inner one. Near the line half of a sweep is spent abroad, where nothing counts.
- *stare*: fixed on the ground to the north, east, south or west, whichever the planner finds worth most.
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

SECTOR_RAD: Final = math.radians(90.0)
"""Ours: a usual camera is round in about 10 s then, `detection.CORRELATION_S`; sooner would count no more."""

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
    """The looks of these kinds that a camera of this reach may be given there, the sweep first.

    A sector is aimed neither abroad nor into a no-look zone: none of the ground within reach on its middle line may lie
    there. (What its sides, or a sweep, show of such ground counts nothing; whether it may be looked at is for
    `oversight.policy` to say.)
    """
    found = [SWEEP]
    for kind in kinds:
        if kind == "border":
            found.append(_border(area, x_m, y_m))
        elif kind == "stare":
            found.extend(STARES)
    return tuple(look for look in found if look.kind == "sweep" or _allowed(area, look, x_m, y_m, reach_m))


def _border(area: Area, x_m: float, y_m: float) -> Look:
    """Square to the border line, to the whole degree: equal looks are one."""
    line = area.border.xy_m
    chainage, inward = lines.inward_offset(line, area.border.ours, x_m, y_m)
    foot = lines.point_at(line, chainage[0])
    away = math.atan2(x_m - foot[0], y_m - foot[1])  # from the line to here: inwards, for here is on our side
    outer = float(inward[0]) < area.requirement.depth_m / 2.0
    azimuth_deg = round(math.degrees(away if outer else away + math.pi)) % 360
    return Look(kind="border", azimuth_rad=math.radians(azimuth_deg))


def _allowed(area: Area, look: Look, x_m: float, y_m: float, reach_m: float) -> bool:
    far_m = np.linspace(0.0, reach_m, 12)
    x, y = x_m + far_m * math.sin(look.azimuth_rad), y_m + far_m * math.cos(look.azimuth_rad)
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, x, y)
    if (inward < 0.0).any():
        return False
    return not any(zone.kind == "no_look" and lines.inside(zone.xy_m, x, y).any() for zone in area.zones)
