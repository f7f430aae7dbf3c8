"""A sketched terrain: plausible mountains from a few published heights, for areas without survey data.

It is a drawing, not a survey: right at the named points, plausible between them. Volcanoes are concave cones, borders
follow ridges, plains interpolate known heights; fractal relief is then cut by running water from coarse to fine cells:
detachment-limited stream power E = K A^m S solved implicitly down the drainage tree (Braun & Willett 2013,
doi:10.1016/j.geomorph.2012.10.008), and by slope failure above the angle of repose. The drainage tree is the minimum
spanning tree of the grid under the weight "height of the higher end", which drains every hollow over its lowest saddle
(the same saddles as priority flood; Barnes et al. 2014, doi:10.1016/j.cageo.2013.04.024).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from kuntur.geodesy import lines
from kuntur.model.place import HeightArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_AREA_EXPONENT = 0.45  # m in E = K A^m S; 0.35-0.6 in nature (Whipple & Tucker 1999, doi:10.1029/1999JB900120)
_REPOSE_SLOPE = 0.84  # tan 40 degrees: steepest stable rock debris and ash
_EROSION = (  # cell in finest cells, passes, K dt of each pass: together about 100 m of incision at A = 1 km2, S = 0.3
    (8, 14, 0.040),
    (4, 6, 0.040),
    (2, 3, 0.040),
)


class Cone(Struct, frozen=True, kw_only=True):
    """A volcano: summit, and the radius at which its flanks have come down to one eighth of their height."""

    x_m: float
    y_m: float
    alt_msl_m: float
    radius_m: float


class Lake(Struct, frozen=True, kw_only=True):
    """A lake, flat at its level, roughly round."""

    x_m: float
    y_m: float
    alt_msl_m: float
    radius_m: float


class Sketch(Struct, frozen=True, kw_only=True):
    """What is known of the place. Everything in one local frame, heights alt_msl_m.

    bounds_m: west, south, east, north, whole multiples of 8 cells apart. ground_m: (n, 3) x, y, alt of open ground.
    fixed_m: (n, 3) further points that must come out right (passes, villages). ridges_m: (k, 3) crest lines x, y, alt.
    """

    bounds_m: tuple[float, float, float, float]
    cell_m: float
    seed: int
    ground_m: FloatArray
    fixed_m: FloatArray
    cones: tuple[Cone, ...] = ()
    lakes: tuple[Lake, ...] = ()
    ridges_m: tuple[FloatArray, ...] = ()
    ridge_halfwidth_m: float = 2200.0


def draw(sketch: Sketch) -> HeightArray:
    """Heights (rows, cols) float32, row 0 northernmost; the same bytes on every run for the same sketch."""
    rng = np.random.default_rng(sketch.seed)
    coarsest = _EROSION[0][0]
    height = _macro_relief(sketch, coarsest, rng)
    for factor, passes, erodibility in _EROSION:
        if factor != coarsest:
            height = _refine(sketch, height, factor, rng)
        cell_m = sketch.cell_m * factor
        lake = _lake_mask(sketch, factor)
        for _ in range(passes):
            # Roughness, more where it is steeper, hides the eight directions of the grid.
            height = height + rng.standard_normal(height.shape) * 0.08 * cell_m * _slope(height, cell_m)
            height = _incise(_settled(height), cell_m, erodibility, lake)
            height = _slump(height, cell_m, passes=2)
    height = _refine(sketch, height, 1, rng)
    height = _slump(height, sketch.cell_m, passes=4)
    return _settled(_pin(sketch, height)).astype(np.float32)


def _settled(height: FloatArray) -> FloatArray:
    """Rounded to 1/1024 m, so that the last bits of another machine's exp and sqrt do not send water another way."""
    return np.asarray(np.round(height * 1024.0) / 1024.0)


def _axes(sketch: Sketch, factor: int) -> tuple[FloatArray, FloatArray]:
    west, south, east, north = sketch.bounds_m
    cell_m = sketch.cell_m * factor
    cols, rows = round((east - west) / cell_m), round((north - south) / cell_m)
    x, y = west + (np.arange(cols) + 0.5) * cell_m, north - (np.arange(rows) + 0.5) * cell_m
    xx, yy = np.meshgrid(x, y)
    return xx, yy


def _noise(shape: tuple[int, int], wave_cells: float, rng: np.random.Generator) -> FloatArray:
    """Smooth noise of unit standard deviation and about the wavelength asked for."""
    knots = [max(4, int(np.ceil(n / wave_cells * 2.0)) + 3) for n in shape]
    field = ndimage.zoom(
        rng.standard_normal(knots), [n / k for n, k in zip(shape, knots, strict=True)], order=3, mode="nearest"
    )
    return np.asarray(field / field.std())


def _macro_relief(sketch: Sketch, factor: int, rng: np.random.Generator) -> FloatArray:
    """Plain + cones + ridges + fractal relief that grows with height above the plain."""
    x, y = _axes(sketch, factor)
    cell_m = sketch.cell_m * factor
    shape = (x.shape[0], x.shape[1])
    plain = _plain(sketch, x, y)
    # Nature has no circles and no straight ridges; but summits stay where they are.
    free = np.ones(shape)
    for cone in sketch.cones:
        free *= 1.0 - np.exp(-((x - cone.x_m) ** 2 + (y - cone.y_m) ** 2) / 1300.0**2)
    warp = [_noise(shape, 5000.0 / cell_m, rng) * 330.0 + _noise(shape, 1600.0 / cell_m, rng) * 120.0 for _ in range(2)]
    wx, wy = x + free * warp[0], y + free * warp[1]
    power = 3.0  # a soft maximum: overlapping volcanoes and ridges merge without doubling
    relief = np.zeros(shape)
    for cone in sketch.cones:
        decay_m = cone.radius_m / np.log(8.0)
        radius = np.sqrt((wx - cone.x_m) ** 2 + (wy - cone.y_m) ** 2 + 150.0**2)
        relief += ((cone.alt_msl_m - plain) * np.exp((150.0 - radius) / decay_m)).clip(0.0) ** power
    for ridge in sketch.ridges_m:
        line = ridge[:, :2]
        chainage, offset = lines.project(line, wx, wy)
        crest = np.interp(chainage, lines.chainages(line), ridge[:, 2])
        relief += ((crest - plain).clip(0.0) * np.exp(-np.abs(offset) / sketch.ridge_halfwidth_m)) ** power
    relief = relief ** (1.0 / power)
    steep = relief / (relief + 350.0)
    hills = np.zeros(shape)
    for wave_m, amplitude_m in ((8000.0, 110.0), (4000.0, 95.0), (2000.0, 60.0), (1000.0, 34.0)):
        noise = _noise(shape, wave_m / cell_m, rng)
        hills += amplitude_m * ((0.8 - np.abs(noise)) * steep * free + 0.10 * noise * (1.0 - steep))
    height = plain + relief + hills
    for lake in sketch.lakes:
        shore = np.hypot(x - lake.x_m, y - lake.y_m) / lake.radius_m
        height += np.exp(-((shore / 1.5) ** 4)) * (lake.alt_msl_m - height)
    return np.asarray(height)


def _plain(sketch: Sketch, x: FloatArray, y: FloatArray) -> FloatArray:
    """Open ground between the known points: inverse-distance weighting (Shepard 1968), softened at the points."""
    known = [*sketch.ground_m, *((lake.x_m, lake.y_m, lake.alt_msl_m) for lake in sketch.lakes)]
    total, weight = np.zeros(x.shape), np.zeros(x.shape)
    for px, py, alt in known:
        w = 1.0 / (((x - px) ** 2 + (y - py) ** 2) / 1e6 + 9.0) ** 1.5
        total += w * alt
        weight += w
    return np.asarray(total / weight)


def _refine(sketch: Sketch, height: FloatArray, factor: int, rng: np.random.Generator) -> FloatArray:
    """Twice as fine, with the next octaves of relief added where the ground is steep."""
    fine = ndimage.zoom(height, 2, order=3, mode="nearest", grid_mode=True)
    cell_m = sketch.cell_m * factor
    rough = _roughness(fine, cell_m)
    shape = (fine.shape[0], fine.shape[1])
    for cells, share in ((9.0, 0.26), (4.5, 0.14)):
        fine = fine - np.abs(_noise(shape, cells, rng)) * (share * cell_m * rough + 0.1)
    return np.asarray(fine)


def _roughness(height: FloatArray, cell_m: float) -> FloatArray:
    """0 on the plain to nearly 1 on a rock face: how much detail the ground carries."""
    slope = _slope(height, cell_m)
    return np.asarray(slope**2 / (slope**2 + 0.25**2))


def _slope(height: FloatArray, cell_m: float) -> FloatArray:
    """Slope (rise over run) of the ground seen through a two-cell blur."""
    return np.asarray(np.hypot(*np.gradient(ndimage.gaussian_filter(height, 2.0), cell_m)))


def _lake_mask(sketch: Sketch, factor: int) -> NDArray[np.bool_]:
    x, y = _axes(sketch, factor)
    mask = np.zeros(x.shape, bool)
    for lake in sketch.lakes:
        angle = np.arctan2(y - lake.y_m, x - lake.x_m)
        shore = lake.radius_m * (1.0 + 0.18 * np.cos(2.0 * angle + 0.7) + 0.08 * np.cos(5.0 * angle))
        mask |= np.hypot(x - lake.x_m, y - lake.y_m) < shore
    return mask


def _drainage(height: FloatArray, outlet: NDArray[np.bool_]) -> tuple[IntArray, IntArray, IntArray]:
    """The drainage tree: nodes in breadth-first order from the outlets, each one's parent position, level limits.

    Position 0 is a virtual sea behind all outlets; position k > 0 is cell order[k] (flat index).
    """
    rows, cols = height.shape
    sea = rows * cols
    flat = height.ravel()
    index = np.arange(sea).reshape(rows, cols)
    pairs = (
        (index[:, :-1], index[:, 1:], 1.0),
        (index[:-1], index[1:], 1.0),
        (index[:-1, :-1], index[1:, 1:], np.sqrt(2.0)),
        (index[1:, :-1], index[:-1, 1:], np.sqrt(2.0)),
    )
    a = np.concatenate([p.ravel() for p, _, _ in pairs])
    b = np.concatenate([q.ravel() for _, q, _ in pairs])
    step = np.concatenate([np.full(p.size, d) for p, _, d in pairs])
    # Among a cell's lower neighbours the steepest wins, on a flat one chosen by its number; both terms are far below
    # any height difference that matters, and no two weights are equal, so the order of sorting does not either.
    chance = (a * 0.6180339887498949 + b * 0.7548776662466927) % 1.0
    weight = np.maximum(flat[a], flat[b]) - 1e-4 * np.abs(flat[a] - flat[b]) / step + 1e-6 * chance
    mouths = np.flatnonzero(outlet)
    a, b = np.concatenate([a, np.full(mouths.size, sea)]), np.concatenate([b, mouths])
    weight = np.concatenate([weight, np.full(mouths.size, flat.min() - 1.0)])
    graph = csr_array((weight - flat.min() + 2.0, (a, b)), shape=(sea + 1, sea + 1))
    order, parent = breadth_first_order(minimum_spanning_tree(graph), sea, directed=False)
    position = np.empty(sea + 1, np.int64)
    position[order] = np.arange(sea + 1)
    above = np.zeros(sea + 1, np.int64)
    above[1:] = position[parent[order[1:]]]
    limits = [0, 1]
    while limits[-1] < sea + 1:
        limits.append(1 + int(np.searchsorted(above[1:], limits[-1])))
    return order.astype(np.int64), above, np.asarray(limits)


def _incise(height: FloatArray, cell_m: float, erodibility: float, lake: NDArray[np.bool_]) -> FloatArray:
    """One implicit step of stream power down the drainage tree; hollows are filled to their outlet on the way."""
    outlet = lake.copy()
    outlet[[0, -1], :] = True
    outlet[:, [0, -1]] = True
    order, above, limits = _drainage(height, outlet)
    cols = height.shape[1]
    levels = list(pairwise(limits.tolist()))
    area = np.full(order.size, cell_m**2)
    for start, stop in reversed(levels[1:]):
        np.add.at(area, above[start:stop], area[start:stop])
    row, col = order // cols, order % cols
    step_m = cell_m * np.hypot(row - row[above], col - col[above]).clip(1.0)
    factor = erodibility * area**_AREA_EXPONENT / step_m
    level = np.concatenate([[0.0], height.ravel()[order[1:]]])
    for start, stop in levels[2:]:
        here, below, f = level[start:stop], level[above[start:stop]], factor[start:stop]
        level[start:stop] = np.where(here > below, (here + f * below) / (1.0 + f), below + 1e-3)
    result = np.empty(height.size)
    result[order[1:]] = level[1:]
    return result.reshape(height.shape)


def _slump(height: FloatArray, cell_m: float, passes: int) -> FloatArray:
    """Ground steeper than the angle of repose slides to its lower neighbours, keeping its volume."""
    h = height.copy()
    limit = _REPOSE_SLOPE * cell_m
    for _ in range(passes):
        change = np.zeros_like(h)
        for upper, lower in (
            ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
            ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ):
            drop = h[upper] - h[lower]
            slide = 0.2 * np.sign(drop) * (np.abs(drop) - limit).clip(0.0)
            change[upper] -= slide
            change[lower] += slide
        h += change
    return h


def _pin(sketch: Sketch, height: FloatArray) -> FloatArray:
    """Bring the named points to their heights by smooth local corrections, and level the lakes."""
    x, y = _axes(sketch, 1)
    west, _, _, north = sketch.bounds_m
    for lake in sketch.lakes:
        beside = ndimage.gaussian_filter(_lake_mask(sketch, 1).astype(float), 12.0)
        height = height + beside * (lake.alt_msl_m - height)
    points = [(c.x_m, c.y_m, c.alt_msl_m, 600.0) for c in sketch.cones]
    points += [(p[0], p[1], p[2], 1500.0) for p in sketch.fixed_m]
    if points:
        at = np.asarray(points)
        row = ((north - at[:, 1]) / sketch.cell_m - 0.5).round().astype(int)
        col = ((at[:, 0] - west) / sketch.cell_m - 0.5).round().astype(int)
        near = np.exp(
            -((at[:, None, 0] - at[None, :, 0]) ** 2 + (at[:, None, 1] - at[None, :, 1]) ** 2)
            / (2.0 * at[None, :, 3] ** 2)
        )
        strength = np.linalg.solve(near, at[:, 2] - height[row, col])
        for (px, py, _, width_m), s in zip(points, strength, strict=True):
            height = height + s * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2.0 * width_m**2))
    water = _lake_mask(sketch, 1)
    for lake in sketch.lakes:
        height = np.where(water & (np.hypot(x - lake.x_m, y - lake.y_m) < 1.5 * lake.radius_m), lake.alt_msl_m, height)
    return np.asarray(height)
