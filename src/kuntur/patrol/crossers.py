"""How people and vehicles move over this terrain, as a graph of cells with travel times in whole steps, rounded down.

Walkers move at the 90th percentile of Campbell, Dennison, Butler and Page 2019 (Applied Geography 106, "Using
crowdsourced fitness tracker data to model the relationship between slope and travel rates", supplement, table S1: a
Lorentz curve in the slope), because a guarantee must hold against fast ones: on the flat 3.4 m/s on roads and tracks.
Off them the speed is multiplied by 0.6, the off-path factor of Tobler 1993 (NCGIA technical report 93-1), which leaves
2.0 m/s on the flat. `CrosserClass.speed_factor` multiplies both. Tobler's own curve is `tobler_mps`, a cross-check.

Vehicles: assumed, no source found: 80 km/h on roads, 40 km/h on tracks, 30 km/h off them, everywhere that a path
gentler than 31 degrees exists (a 60 % grade, what light military trucks are specified to climb).

Travel times are lower bounds: a path on eight neighbours is up to 1 / cos(pi / 8) = 1.082 times as long as the
straight one, so every time is multiplied by cos(pi / 8), and then rounded down to whole steps. A cell is impassable
only if every terrain cell in it is too steep. The far side of the border is not modelled: a crosser appears in a cell
that the border touches, at any step, and is through in a cell whose centre lies `depth_m` behind it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.errors import BorderError
from kuntur.geodesy import grid, lines
from kuntur.model.place import Area, CrosserClass, Lattice, Shown
from kuntur.units import RAD_TO_DEG

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

# Campbell et al. 2019, table S1, 90th percentile: rate = c / (pi b (1 + ((s - a) / b)^2)) + d + e s, s in degrees.
_CAMPBELL_90: Final = (-3.06, 16.653, 138.875, 0.823, -0.01386)
OFF_PATH_FACTOR: Final = 0.6  # Tobler 1993
STEEPEST_WALK_RAD: Final = math.radians(45.0)  # judged: steeper ground is climbed, not walked
ROAD_MPS: Final = 80.0 / 3.6  # assumed
TRACK_MPS: Final = 40.0 / 3.6  # assumed
OFF_ROAD_MPS: Final = 30.0 / 3.6  # assumed
STEEPEST_DRIVE_RAD: Final = math.atan(0.6)  # 60 % grade
LATTICE_CORRECTION: Final = math.cos(math.pi / 8.0)
LEAST_TAU: Final = 2  # an arc shorter than this many steps would lose too much to rounding: the step is divided
_NEIGHBOURS: Final = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))


class CrosserGraph(Struct, frozen=True, kw_only=True, eq=False):
    """Where one class of crosser can go. Nodes are numbered 0..n-1; the goal is n and absorbs.

    A node is a cell and a way of being there: on foot, in a vehicle, lying hidden. Who only walks has one node a cell.
    index: (rows, cols) int32, number of the cell on the lattice or -1. cell, beside: (n,) int32, the cell of a node,
    and the one it shares with it where the node lies on their common edge, else the same. targets, node_target (n,)
    int32: what a camera has before it there. x_m, y_m, inward_m, chainage_m: (n,) float64 of nodes. Arcs of node u:
    arc_start[u] <= a < arc_start[u + 1]; arc_to, arc_tau (steps of step_s, at least 1): int32. starts: int32, nodes of
    cells the border touches. step_s * divisions is the step asked for: vehicles need shorter ones.
    """

    crosser: CrosserClass
    cells: Lattice
    step_s: float
    divisions: int
    index: IntArray
    cell: IntArray
    beside: IntArray
    targets: tuple[Shown, ...]
    node_target: IntArray
    x_m: FloatArray
    y_m: FloatArray
    inward_m: FloatArray
    chainage_m: FloatArray
    arc_start: IntArray
    arc_to: IntArray
    arc_tau: IntArray
    starts: IntArray

    @property
    def count(self) -> int:
        return len(self.x_m)


def campbell_mps(gradient: ArrayLike) -> FloatArray:
    """90th percentile travel rate on a path for a gradient (rise over run, uphill positive); source above."""
    slope_deg = np.arctan(np.asarray(gradient, float)) * RAD_TO_DEG
    a, b, c, d, e = _CAMPBELL_90
    return np.asarray(c / (math.pi * b * (1.0 + ((slope_deg - a) / b) ** 2)) + d + e * slope_deg)


def tobler_mps(gradient: ArrayLike) -> FloatArray:
    """Tobler's hiking function 1993: 6 km/h exp(-3.5 |gradient + 0.05|), the speed of a typical walker on a path."""
    return np.asarray(6.0 / 3.6 * np.exp(-3.5 * np.abs(np.asarray(gradient, float) + 0.05)))


def strip(area: Area, cell_m: float) -> Lattice:
    """The lattice over the border and the ground up to the required depth behind it, a cell more on every side."""
    reach_m = area.requirement.depth_m + 2.0 * cell_m
    low, high = area.border.xy_m.min(axis=0) - reach_m, area.border.xy_m.max(axis=0) + reach_m
    return grid.lattice(area.terrain, cell_m, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def graph(area: Area, cells: Lattice, crosser: CrosserClass, step_s: float) -> CrosserGraph:
    """The graph of one class on one lattice. Raises BorderError when border or required depth are not on it.

    step_s is divided by a whole number when arcs would be shorter than two steps.
    """
    chainage, inward = _offsets(area, cells)
    length_m = float(lines.chainages(area.border.xy_m)[-1])
    abreast = (chainage > 0.0) & (chainage < length_m)  # beyond the ends of the modelled border nobody goes
    touched = _touched(cells, lines.densify(area.border.xy_m, cells.cell_m / 8.0))
    height, passable, speed_class = _ground(area, cells, crosser)
    inside = passable & abreast & ((inward >= 0.0) | touched)
    goal = inside & (inward >= area.requirement.depth_m)
    inside &= ~goal
    if not (inside & touched).any():
        raise BorderError(
            f"No cell of the crosser lattice lies on the border {area.border.name}.",
            remedy="Check that the terrain covers the border and that [border] ours names the right side.",
        )
    if not goal.any():
        raise BorderError(
            f"The terrain ends before {area.requirement.depth_m:.0f} m behind the border {area.border.name}.",
            remedy="Lower [requirement] depth_m or add terrain on our side of the border.",
        )
    index = np.full(inside.shape, -1, np.int32)
    index[inside] = np.arange(int(inside.sum()), dtype=np.int32)
    start, to, time_s = _arcs(cells, crosser, index, goal, height, speed_class)
    divisions = 1 if len(time_s) == 0 else max(1, math.ceil(LEAST_TAU * step_s / float(time_s.min())))
    fine_s = step_s / divisions
    x_m, y_m = cells.centres()
    rows, cols = np.nonzero(inside)
    number = np.arange(len(rows), dtype=np.int32)
    return CrosserGraph(
        crosser=crosser,
        cells=cells,
        step_s=fine_s,
        divisions=divisions,
        index=index,
        cell=number,
        beside=number,
        targets=(crosser.target,),
        node_target=np.zeros(len(rows), np.int32),
        x_m=x_m[cols],
        y_m=y_m[rows],
        inward_m=inward[inside],
        chainage_m=chainage[inside],
        arc_start=start,
        arc_to=to,
        arc_tau=np.maximum(1, np.floor(time_s / fine_s * (1.0 - 1e-12))).astype(np.int32),
        starts=index[inside & touched],
    )


def fastest_s(graph: CrosserGraph) -> FloatArray:
    """Least time in seconds from each start cell to the goal, (starts,); inf where there is no way."""
    source = np.repeat(np.arange(graph.count), np.diff(graph.arc_start))
    # Several arcs lead from a cell to the one goal, and csr_array adds them up: keep the shortest.
    order = np.lexsort((graph.arc_tau, source, graph.arc_to))
    pairs = np.stack([graph.arc_to[order], source[order]])
    first = np.append(True, (np.diff(pairs, axis=1) != 0).any(axis=0))
    kept = order[first]
    shape = (graph.count + 1, graph.count + 1)
    reverse = csr_array((graph.arc_tau[kept].astype(float), (graph.arc_to[kept], source[kept])), shape=shape)
    steps = dijkstra(reverse, indices=graph.count)
    return np.asarray(steps[graph.starts] * graph.step_s)


def _offsets(area: Area, cells: Lattice) -> tuple[FloatArray, FloatArray]:
    """Chainage and distance behind the border of every cell centre; NaN where that is far outside the strip."""
    x_m, y_m = cells.centres()
    block = max(1, math.ceil(500.0 / cells.cell_m))
    rows, cols = np.arange(cells.rows), np.arange(cells.cols)
    coarse_r, coarse_c = rows[block // 2 :: block], cols[block // 2 :: block]
    gx, gy = np.meshgrid(x_m[coarse_c], y_m[coarse_r])
    _, coarse = lines.inward_offset(area.border.xy_m, area.border.ours, gx, gy)
    margin = 2.0 * block * cells.cell_m
    near = np.abs(coarse - area.requirement.depth_m / 2.0) <= area.requirement.depth_m / 2.0 + margin
    pick = near[np.minimum(rows // block, len(coarse_r) - 1)][:, np.minimum(cols // block, len(coarse_c) - 1)]
    chainage = np.full((cells.rows, cells.cols), np.nan)
    inward = np.full((cells.rows, cells.cols), np.nan)
    r, c = np.nonzero(pick)
    chainage[pick], inward[pick] = lines.inward_offset(area.border.xy_m, area.border.ours, x_m[c], y_m[r])
    return chainage, inward


def _touched(cells: Lattice, xy_m: FloatArray) -> NDArray[np.bool_]:
    """Cells that a densified line passes through."""
    col = np.floor((xy_m[:, 0] - cells.west_m) / cells.cell_m).astype(int)
    row = np.floor((cells.north_m - xy_m[:, 1]) / cells.cell_m).astype(int)
    kept = (row >= 0) & (row < cells.rows) & (col >= 0) & (col < cells.cols)
    mask = np.zeros((cells.rows, cells.cols), bool)
    mask[row[kept], col[kept]] = True
    return mask


def _ground(
    area: Area, cells: Lattice, crosser: CrosserClass
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.int8]]:
    """Mean height, passability and road class (0 open, 1 track, 2 road) of each cell.

    Slopes come from central differences; a void counts as passable and flat, which favours the crosser.
    """
    heights = grid.blocks(area.terrain, cells).astype(np.float64)
    known = ~np.isnan(heights)
    mean = np.where(known, heights, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    f = cells.factor
    window = area.terrain.heights_m[cells.row0 : cells.row0 + cells.rows * f, cells.col0 : cells.col0 + cells.cols * f]
    dy, dx = np.gradient(window.astype(np.float64), area.terrain.cell_m)
    slope = np.nan_to_num(np.hypot(dx, dy), nan=0.0)
    gentlest = slope.reshape(cells.rows, f, cells.cols, f).min(axis=(1, 3))
    limit = STEEPEST_WALK_RAD if crosser.mode == "walk" else STEEPEST_DRIVE_RAD
    roads = np.zeros((cells.rows, cells.cols), np.int8)
    for kind, rank in (("track", 1), ("road", 2)):
        for road in area.roads:
            if road.kind == kind:
                roads[_touched(cells, lines.densify(road.xy_m, cells.cell_m / 8.0))] = rank
    return mean, gentlest <= math.tan(limit), roads


def _arcs(
    cells: Lattice,
    crosser: CrosserClass,
    index: IntArray,
    goal: NDArray[np.bool_],
    height: FloatArray,
    road: NDArray[np.int8],
) -> tuple[IntArray, IntArray, FloatArray]:
    """arc_start, arc_to and least travel time in seconds of the moves to eight neighbours; all goal cells are one."""
    count = int(index.max()) + 1
    target = np.where(goal, count, index)
    limit = math.tan(STEEPEST_WALK_RAD if crosser.mode == "walk" else STEEPEST_DRIVE_RAD)
    sources, ends, times = [], [], []
    for dr, dc in _NEIGHBOURS:
        here = (slice(max(0, -dr), cells.rows - max(0, dr)), slice(max(0, -dc), cells.cols - max(0, dc)))
        there = (slice(max(0, dr), cells.rows + min(0, dr)), slice(max(0, dc), cells.cols + min(0, dc)))
        length_m = cells.cell_m * math.hypot(dr, dc)
        gradient = (height[there] - height[here]) / length_m
        rank = np.minimum(road[here], road[there])
        speed = crosser.speed_factor * _speed_mps(crosser, gradient, rank)
        allowed = (index[here] >= 0) & (target[there] >= 0) & ((np.abs(gradient) <= limit) | (rank > 0))
        sources.append(index[here][allowed])
        ends.append(target[there][allowed])
        times.append(length_m * LATTICE_CORRECTION / speed[allowed])
    source, end, time_s = np.concatenate(sources), np.concatenate(ends), np.concatenate(times)
    order = np.argsort(source, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=count))]).astype(np.int32)
    return start, end[order].astype(np.int32), time_s[order]


def _speed_mps(crosser: CrosserClass, gradient: FloatArray, road: NDArray[np.int8]) -> FloatArray:
    if crosser.mode == "walk":
        return campbell_mps(gradient) * np.where(road > 0, 1.0, OFF_PATH_FACTOR)
    return np.choose(road, [np.full(gradient.shape, OFF_ROAD_MPS), TRACK_MPS, ROAD_MPS])
