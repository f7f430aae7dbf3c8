"""A finished picture: its layers, and what it says in one sentence."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import angles, grid
from kuntur.model.assets import Camera
from kuntur.model.place import Light
from kuntur.ops.see_ground import Ground, Stations
from kuntur.units import EARTH_RADIUS_M, REFRACTION_COEFFICIENT
from kuntur.visibility import detection, viewshed

FloatArray = NDArray[np.float64]

HIDDEN, SEEN, UNKNOWN, NOT_LOOKED = 0, 1, 2, 255
"""Values of a picture's cells; NOT_LOOKED is beyond the range, or outside the camera's sector."""


class Link(Struct, frozen=True, kw_only=True):
    """How many of the stations the radios of a base reach, all of those stationed there."""

    base: str
    reached: int


class View(Struct, frozen=True, kw_only=True):
    """A finished picture. All arrays are (rows, cols) of `ground.terrain`.

    seen: uint8, HIDDEN, SEEN, UNKNOWN or NOT_LOOKED. count: uint16, stations that see it. slant_m: float32, from the
    nearest station that sees it, NaN where none does. least_height_m: float32, how tall something must be here to be
    seen, 0 where the ground itself is, NaN where unknown or not looked at. With a camera: gsd_m: float32, ground
    covered by one pixel across the sight line; look_prob: float32, one look's chance to find the target; along a route
    exposure_prob: float32, the chance on the whole flight. certain_prob: float32, the chance that the target is in
    sight at all, over the terrain's own error. Anything not asked for is None. links: for each base of an area.
    """

    ground: Ground
    stations: Stations
    max_range_m: float
    target: detection.Target
    target_height_m: float
    mode: viewshed.Mode
    sector: viewshed.Sector | None
    sector_deg: tuple[float, ...] | None
    camera: Camera | None
    light: Light
    speed_mps: float
    seen: NDArray[np.uint8]
    count: NDArray[np.uint16]
    slant_m: NDArray[np.float32]
    least_height_m: NDArray[np.float32]
    gsd_m: NDArray[np.float32] | None = None
    look_prob: NDArray[np.float32] | None = None
    exposure_prob: NDArray[np.float32] | None = None
    certain_prob: NDArray[np.float32] | None = None
    links: tuple[Link, ...] = ()

    def area_km2(self, value: int) -> float:
        return float(np.count_nonzero(self.seen == value)) * self.ground.terrain.cell_m**2 / 1e6

    @property
    def looked_km2(self) -> float:
        return sum(self.area_km2(value) for value in (HIDDEN, SEEN, UNKNOWN))

    @property
    def terrain_words(self) -> str:
        terrain = self.ground.terrain
        return "SKETCHED, not a survey" if terrain.sketched else terrain.product


class Hider(Struct, frozen=True, kw_only=True):
    """The one of eight directions (octant: 0 north, clockwise) with the most hidden ground.

    share_prob: of all that is hidden. distance_m, alt_msl_m: the ridge that hides it (medians over the hidden ground).
    """

    octant: int
    share_prob: float
    distance_m: float
    alt_msl_m: float


RAYS = 720


def hider(view: View) -> Hider | None:
    """What hides most, from one point: rays round it, each keeping the highest ground so far. None where none does."""
    x0, y0, alt = view.ground.observers_m[0]
    step_m = view.ground.terrain.cell_m
    distance_m = np.arange(1.0, max(2.0, view.max_range_m / step_m)) * step_m
    azimuth = (np.arange(RAYS) + 0.5) * 2.0 * math.pi / RAYS
    x_m = x0 + distance_m * np.sin(azimuth)[:, None]
    y_m = y0 + distance_m * np.cos(azimuth)[:, None]
    ground_m = grid.height_at(view.ground.terrain, x_m, y_m)
    drop_m = distance_m**2 * (1.0 - REFRACTION_COEFFICIENT) / (2.0 * EARTH_RADIUS_M)
    slope = (np.nan_to_num(ground_m, nan=-1e9) - drop_m - alt) / distance_m
    top = np.maximum.accumulate(slope, axis=1)
    # Where the highest so far stands: the last place at which it was reached.
    place = np.maximum.accumulate(np.where(slope >= top, np.arange(len(distance_m)), 0), axis=1)
    before = np.pad(place, ((0, 0), (1, 0)))[:, :-1]
    target = (ground_m + view.target_height_m - drop_m - alt) / distance_m
    looked = view.seen[_cell_of(view, x_m, y_m)] == HIDDEN
    hidden = looked & (target < np.take_along_axis(top, before, axis=1))
    if not hidden.any():
        return None
    area = np.broadcast_to(distance_m, hidden.shape) * hidden
    octant = np.round(azimuth / (math.pi / 4.0)).astype(int) % 8
    sums = np.array([area[octant == k].sum() for k in range(8)])
    most = int(np.argmax(sums))
    inside = hidden & (octant == most)[:, None]
    by = before[inside]
    return Hider(
        octant=most,
        share_prob=float(sums[most] / sums.sum()),
        distance_m=float(np.median(distance_m[by])),
        alt_msl_m=float(np.nanmedian(np.take_along_axis(ground_m, before, axis=1)[inside])),
    )


def _cell_of(view: View, x_m: FloatArray, y_m: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    row, col = grid.to_index(view.ground.terrain, x_m, y_m)
    rows, cols = view.seen.shape
    return np.rint(row).astype(np.intp).clip(0, rows - 1), np.rint(col).astype(np.intp).clip(0, cols - 1)


def summary(view: View) -> str:
    """How much ground is seen, what hides the rest, and the unknown share, in one sentence."""
    looked = max(view.looked_km2, 1e-9)
    seen, hidden, unknown = (view.area_km2(value) for value in (SEEN, HIDDEN, UNKNOWN))
    what = f"a {view.target.replace('_', ' ')} would be in sight" if view.target_height_m else "the ground is in sight"
    words = [
        f"{_from(view)} {what} on {_km2(seen)} of the {_km2(looked)} "
        f"{'looked at ' if view.sector else ''}within {view.max_range_m / 1e3:g} km ({seen / looked:.0%})"
    ]
    if hidden > 0.0:
        words.append(f"{hidden / looked:.0%} is hidden{_by(view)}")
    words.append(
        f"{max(unknown / looked, 0.001):.1%} is unknown (void or beyond the data)" if unknown else "none is unknown"
    )
    radio = _radio(view)
    sketched = " The terrain is SKETCHED: no survey." if view.ground.terrain.sketched else ""
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] + "." + radio + sketched


def _from(view: View) -> str:
    place = angles.words(float(view.stations.lat_deg[0]), float(view.stations.lon_deg[0]))
    above = view.ground.observers_m[:, 2] - view.ground.ground_m
    if view.stations.route:
        km = view.stations.chainage_m[-1] / 1e3
        low, high = f"{above.min():.0f}", f"{above.max():.0f}"
        heights = low if low == high else f"{low} to {high}"
        return f"From {len(above)} points along {km:.1f} km, {heights} m above the ground,"
    return f"From {place}, {above[0]:.4g} m above the ground ({view.ground.observers_m[0, 2]:.0f} m above the sea),"


def _radio(view: View) -> str:
    if not view.links:
        return ""
    best = max(view.links, key=lambda link: link.reached)
    if best.reached == 0:
        return " No base's radio reaches " + ("any of them." if view.stations.route else "it.")
    many = f"{best.reached} of {len(view.stations.lat_deg)} points" if view.stations.route else "it"
    return f" The radio of {best.base} reaches {many}."


def _by(view: View) -> str:
    most = None if view.stations.route else hider(view)
    if most is None:
        return " by the ground"
    direction = angles.compass(most.octant * math.pi / 4.0)
    return (
        f", the largest share to the {direction} ({most.share_prob:.0%}) behind ground "
        f"{most.distance_m / 1e3:.1f} km away that rises to {most.alt_msl_m:.0f} m"
    )


def _km2(area: float) -> str:
    return f"{area:.0f} km²" if area >= 100.0 else f"{area:.1f} km²" if area >= 1.0 else f"{area:.3f} km²"
