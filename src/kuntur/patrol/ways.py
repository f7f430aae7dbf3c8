"""The ground that crossers go over, and the ways from place to place on it with the least time each can take.

Places are the cells' centres and, with 16 directions, the middles of the edges between cells, so that a knight's move
is two ways over an edge: no way leads past a cell that it does not begin in, end in or touch.

A way's time must be a lower bound for whoever goes straight. A straight line whose direction lies in the gap between
two neighbouring directions of the lattice is made up of these two; a metre of it in a direction u takes the lattice
xi . u, where xi is the one vector with xi . d = pace in both directions d of the gap. The line itself takes the pace in
its own direction, so both paces are multiplied by the least of (pace in direction u) / (xi . u) over the gap, and each
direction by the less of its two gaps. On flat ground that is the cosine of half the gap, cos(pi / 8) for 8 directions;
on a slope it also grants whoever goes along the hill what the zigzag of the lattice would cost him. The least is taken
over `_PARTS` parts of the gap, in each of them from the least pace and the greatest xi . u, so it errs down only. The
gradient in each direction comes from the plane through the neighbouring cells, at both ends of the way.

What stops a mode: cells in which every terrain cell is too steep or under water; ways for which every direction of both
gaps is too steep; ways between two such cells that touch at the corner only; ways across a river. Roads go over all of
them.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import shapely
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import grid, lines
from kuntur.model.place import Area, CrosserClass, Lattice, Mode
from kuntur.patrol import paces

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

Step = tuple[float, float]

CELL_STEPS: Final[tuple[Step, ...]] = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
"""From a centre to the eight around it: east and north, in cells."""
EDGE_STEPS: Final[tuple[Step, ...]] = tuple(
    (east * a, north * b) for a, b in ((1.0, 0.5), (0.5, 1.0)) for east in (1, -1) for north in (1, -1)
)
"""From a centre to the edges that a knight's move goes over, halfway."""

_PARTS: Final = 8


class Ground(Struct, frozen=True, kw_only=True, eq=False):
    """What the cells of a lattice are like, each array (rows, cols).

    height_m: mean height, NaN over a void. east, north: gradient of the plane through the neighbours, 0 beside a void.
    gentlest: least gradient of the terrain cells inside. under: paces.OPEN, TRACK or ROAD. wet: by mode, cells wholly
    in lakes that stop it. rivers: by mode, the rivers that stop it.
    """

    cells: Lattice
    height_m: FloatArray
    east: FloatArray
    north: FloatArray
    gentlest: FloatArray
    under: NDArray[np.int8]
    wet: dict[Mode, BoolArray]
    rivers: dict[Mode, tuple[FloatArray, ...]]


class Places(Struct, frozen=True, kw_only=True, eq=False):
    """Where somebody may stand: cells first, then edges. All (n,).

    row2, col2: int32, twice the row and column of the place: centres are even, edges have one odd. goal: through there.
    """

    row2: IntArray
    col2: IntArray
    goal: BoolArray
    cells: int
    """How many of them are centres."""


class Ways(Struct, frozen=True, kw_only=True, eq=False):
    """Ways between places: begin, end int32 (n,), the least time each takes, time_s float64 (n,), and whether it is a
    road or track, made bool (n,)."""

    begin: IntArray
    end: IntArray
    time_s: FloatArray
    made: BoolArray


def directions(neighbours: int) -> tuple[Step, ...]:
    """The directions of a lattice with so many neighbours, by angle from east, as whole steps."""
    steps: list[Step] = list(CELL_STEPS) + ([(2 * a, 2 * b) for a, b in EDGE_STEPS] if neighbours == 16 else [])
    return tuple(sorted(steps, key=lambda step: math.atan2(step[1], step[0]) % (2.0 * math.pi)))


def shortening(steps: tuple[Step, ...]) -> float:
    """The least straight length over the length by the lattice, over all directions: cos of half the widest gap."""
    angles = sorted(math.atan2(north, east) % (2.0 * math.pi) for east, north in steps)
    gaps = np.diff([*angles, angles[0] + 2.0 * math.pi])
    return math.cos(float(gaps.max()) / 2.0)


def ground(area: Area, cells: Lattice) -> Ground:
    """What a lattice's cells are like. A void counts as flat and passable, which favours the crosser."""
    heights = grid.blocks(area.terrain, cells).astype(np.float64)
    known = ~np.isnan(heights)
    count = known.sum(axis=2)
    mean = np.where(count > 0, np.where(known, heights, 0.0).sum(axis=2) / np.maximum(count, 1), np.nan)
    f = cells.factor
    window = area.terrain.heights_m[cells.row0 : cells.row0 + cells.rows * f, cells.col0 : cells.col0 + cells.cols * f]
    slope = np.nan_to_num(np.hypot(*np.gradient(window.astype(np.float64), area.terrain.cell_m)), nan=0.0)
    south, east = np.gradient(mean, cells.cell_m)
    under = np.zeros((cells.rows, cells.cols), np.int8)
    for kind, rank in (("track", paces.TRACK), ("road", paces.ROAD)):
        for road in area.roads:
            if road.kind == kind:
                under[touched(cells, lines.densify(road.xy_m, cells.cell_m / 8.0))] = rank
    return Ground(
        cells=cells,
        height_m=mean,
        east=np.nan_to_num(east, nan=0.0),
        north=-np.nan_to_num(south, nan=0.0),
        gentlest=slope.reshape(cells.rows, f, cells.cols, f).min(axis=(1, 3)),
        under=under,
        wet={mode: _wet(area, cells, mode) for mode in paces.STEEPEST},
        rivers={
            mode: tuple(w.xy_m for w in area.waters if w.kind == "river" and mode in w.stops) for mode in paces.STEEPEST
        },
    )


def touched(cells: Lattice, xy_m: FloatArray) -> BoolArray:
    """Cells (rows, cols) that a densified line passes through."""
    col = np.floor((xy_m[:, 0] - cells.west_m) / cells.cell_m).astype(int)
    row = np.floor((cells.north_m - xy_m[:, 1]) / cells.cell_m).astype(int)
    kept = (row >= 0) & (row < cells.rows) & (col >= 0) & (col < cells.cols)
    mask = np.zeros((cells.rows, cells.cols), bool)
    mask[row[kept], col[kept]] = True
    return mask


def _wet(area: Area, cells: Lattice, mode: Mode) -> BoolArray:
    """Cells that lie in lakes with every corner and edge: the shore belongs to who walks along it."""
    lakes = [shapely.Polygon(w.xy_m) for w in area.waters if w.kind == "lake" and mode in w.stops]
    wet = np.zeros((cells.rows, cells.cols), bool)
    if not lakes:
        return wet
    water = shapely.make_valid(shapely.union_all(shapely.make_valid(np.array(lakes))))
    x_m, y_m = cells.centres()
    half, (west, south, east, north) = cells.cell_m / 2.0, water.bounds
    rows, cols = np.flatnonzero((y_m > south) & (y_m < north)), np.flatnonzero((x_m > west) & (x_m < east))
    gx, gy = np.meshgrid(x_m[cols], y_m[rows])
    squares = shapely.box(gx - half, gy - half, gx + half, gy + half)
    shapely.prepare(water)
    wet[np.ix_(rows, cols)] = shapely.covers(water, squares)
    return wet


def passable(ground: Ground, crosser: CrosserClass, mode: Mode, roads_only: bool) -> BoolArray:
    """Cells (rows, cols) that a mode can be in."""
    if roads_only:
        return np.asarray(ground.under > paces.OPEN)
    return np.asarray(((ground.gentlest <= paces.STEEPEST[mode]) & ~ground.wet[mode]) | (ground.under > paces.OPEN))


def places(inside: BoolArray, goal: BoolArray, neighbours: int) -> Places:
    """Centres of the cells inside (in the order of rows) and of goal cells, and with 16 neighbours the edges between.

    An edge of a goal cell is itself the goal: it lies nearer than the centre, which favours the crosser.
    """
    either = inside | goal
    rows, cols = np.nonzero(inside)
    goal_rows, goal_cols = np.nonzero(goal)
    row2, col2 = [2 * rows, 2 * goal_rows], [2 * cols, 2 * goal_cols]
    through = [np.zeros(len(rows), bool), np.ones(len(goal_rows), bool)]
    if neighbours == 16:
        for down, right in ((0, 1), (1, 0)):
            here = (slice(0, inside.shape[0] - down), slice(0, inside.shape[1] - right))
            there = (slice(down, None), slice(right, None))
            r, c = np.nonzero(either[here] & either[there] & (inside[here] | inside[there]))
            row2.append(2 * r + down)
            col2.append(2 * c + right)
            through.append((goal[here] | goal[there])[r, c])
    return Places(
        row2=np.concatenate(row2).astype(np.int32),
        col2=np.concatenate(col2).astype(np.int32),
        goal=np.concatenate(through),
        cells=len(rows) + len(goal_rows),
    )


def ways(
    ground: Ground,
    at: Places,
    open_cells: BoolArray,
    crosser: CrosserClass,
    mode: Mode,
    neighbours: int,
    roads_only: bool,
    inward_m: FloatArray,
    depth_m: float,
) -> Ways:
    """All ways of one mode between these places, none out of the goal.

    open_cells: (rows, cols), where the mode can be. inward_m: (rows, cols) distance behind the border; a way counts
    only between the border and depth_m, so that who begins or ends in the middle of it is not slowed.
    """
    number = np.full((2 * ground.cells.rows, 2 * ground.cells.cols), -1, np.int64)
    number[at.row2, at.col2] = np.arange(len(at.row2))
    begins, ends, times, made = [], [], [], []
    for step in (*CELL_STEPS, *(EDGE_STEPS if neighbours == 16 else ())):
        row2, col2 = at.row2 - round(2 * step[1]), at.col2 + round(2 * step[0])
        fits = (row2 >= 0) & (row2 < number.shape[0]) & (col2 >= 0) & (col2 < number.shape[1]) & ~at.goal
        on_centre = np.arange(len(at.row2)) < at.cells
        fits &= on_centre | (step in EDGE_STEPS)
        begin = np.flatnonzero(fits)
        end = number[row2[begin], col2[begin]]
        begin, end = begin[end >= 0], end[end >= 0]
        time_s, free = _times(ground, at, begin, end, step, open_cells, crosser, mode, neighbours, roads_only)
        share = _counted(at, begin, end, inward_m, depth_m)
        begins.append(begin[free])
        ends.append(end[free])
        times.append((time_s * share)[free])
        made.append((_under(ground, at, begin, end) > paces.OPEN)[free])
    return Ways(
        begin=np.concatenate(begins).astype(np.int32),
        end=np.concatenate(ends).astype(np.int32),
        time_s=np.concatenate(times),
        made=np.concatenate(made),
    )


def cells_of(at: Places, number: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
    """Row and column of the cell of each place, and of the one beside it (the same for a centre)."""
    row2, col2 = at.row2[number].astype(np.intp), at.col2[number].astype(np.intp)
    return row2 // 2, col2 // 2, (row2 + 1) // 2, (col2 + 1) // 2


def _mean(field: FloatArray, at: Places, number: NDArray[np.intp]) -> FloatArray:
    r0, c0, r1, c1 = cells_of(at, number)
    return np.asarray(0.5 * (field[r0, c0] + field[r1, c1]))


def _times(
    ground: Ground,
    at: Places,
    begin: NDArray[np.intp],
    end: NDArray[np.intp],
    step: Step,
    open_cells: BoolArray,
    crosser: CrosserClass,
    mode: Mode,
    neighbours: int,
    roads_only: bool,
) -> tuple[FloatArray, BoolArray]:
    """Least time of each way, and whether it can be gone."""
    length_m = ground.cells.cell_m * math.hypot(*step)
    rise = (_mean(ground.height_m, at, end) - _mean(ground.height_m, at, begin)) / length_m
    rise = np.nan_to_num(rise, nan=0.0)
    under = _under(ground, at, begin, end)
    low, high, granted = rise.copy(), rise.copy(), np.ones(len(begin))
    for number in (begin, end):
        east, north = _mean(ground.east, at, number), _mean(ground.north, at, number)
        for first, last in _gaps(step, neighbours):
            least, greatest = _between(east, north, first, last)
            np.minimum(low, least, out=low)
            np.maximum(high, greatest, out=high)
            np.minimum(granted, _granted(crosser, mode, under, east, north, first, last), out=granted)
    speed = crosser.speed_factor * paces.top_speed_mps(mode, crosser.percentile, rise, rise, under)
    made, limit = under > paces.OPEN, paces.STEEPEST[mode]
    free = made | ((low <= limit) & (high >= -limit) & (not roads_only))
    free &= made | _not_cut(ground, at, begin, end, open_cells, mode)
    return length_m * granted / speed, free


def _granted(
    crosser: CrosserClass,
    mode: Mode,
    under: NDArray[np.int8],
    east: FloatArray,
    north: FloatArray,
    first: float,
    last: float,
) -> FloatArray:
    """Lower bound of (pace in direction u) / (xi . u) over the directions u of a gap, on planes of these gradients."""

    def pace(least: FloatArray, greatest: FloatArray) -> FloatArray:
        return 1.0 / paces.top_speed_mps(mode, crosser.percentile, least, greatest, under)

    ends = [east * math.cos(angle) + north * math.sin(angle) for angle in (first, last)]
    one, other = pace(ends[0], ends[0]), pace(ends[1], ends[1])
    gap = math.sin(last - first)
    xi_east = (one * math.sin(last) - other * math.sin(first)) / gap
    xi_north = (other * math.cos(first) - one * math.cos(last)) / gap
    least_ratio = np.ones(len(east))
    for k in range(_PARTS):
        a, b = (first + (last - first) * share / _PARTS for share in (k, k + 1))
        _, lattice = _between(xi_east, xi_north, a, b)
        np.minimum(least_ratio, pace(*_between(east, north, a, b)) / lattice, out=least_ratio)
    return least_ratio


def _under(ground: Ground, at: Places, begin: NDArray[np.intp], end: NDArray[np.intp]) -> NDArray[np.int8]:
    """What a way leads along from end to end; a place on an edge has the better of both cells."""
    ends = [cells_of(at, number) for number in (begin, end)]
    under = [np.maximum(ground.under[r0, c0], ground.under[r1, c1]) for r0, c0, r1, c1 in ends]
    return np.asarray(np.minimum(*under))


def _gaps(step: Step, neighbours: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """The two gaps between this direction and its neighbours: angles from east (rad), rising."""
    angles = [math.atan2(north, east) for east, north in directions(neighbours)]
    here = math.atan2(step[1], step[0])
    turns = sorted((angle - here) % (2.0 * math.pi) for angle in angles)
    return (here - (2.0 * math.pi - turns[-1]), here), (here, here + next(turn for turn in turns if turn > 1e-9))


def _between(east: FloatArray, north: FloatArray, first: float, last: float) -> tuple[FloatArray, FloatArray]:
    """Least and greatest gradient of a plane in directions between two angles."""
    steep, uphill = np.hypot(east, north), np.arctan2(north, east)
    ends = np.stack([steep * np.cos(uphill - first), steep * np.cos(uphill - last)])
    middle, half = 0.5 * (first + last), 0.5 * (last - first)
    up = np.abs((uphill - middle + np.pi) % (2.0 * np.pi) - np.pi) <= half
    down = np.abs((uphill - middle) % (2.0 * np.pi) - np.pi) <= half
    return np.where(down, -steep, ends.min(axis=0)), np.where(up, steep, ends.max(axis=0))


def _not_cut(
    ground: Ground, at: Places, begin: NDArray[np.intp], end: NDArray[np.intp], open_cells: BoolArray, mode: Mode
) -> BoolArray:
    """Whether a way neither squeezes between two closed cells that touch at a corner nor crosses a river."""
    r0, c0, _, _ = cells_of(at, begin)
    r1, c1, _, _ = cells_of(at, end)
    centres = (begin < at.cells) & (end < at.cells)
    free = ~centres | open_cells[r0, c1] | open_cells[r1, c0]
    if ground.rivers[mode] and len(begin):
        x0, y0 = _xy(ground.cells, at, begin)
        x1, y1 = _xy(ground.cells, at, end)
        segments = shapely.linestrings(np.stack([np.stack([x0, y0], -1), np.stack([x1, y1], -1)], axis=1))
        for river in ground.rivers[mode]:
            line = shapely.LineString(river)
            shapely.prepare(line)
            free &= ~shapely.intersects(line, segments)
    return np.asarray(free)


def _xy(cells: Lattice, at: Places, number: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    x_m = cells.west_m + (at.col2[number] + 1) * cells.cell_m / 2.0
    y_m = cells.north_m - (at.row2[number] + 1) * cells.cell_m / 2.0
    return np.asarray(x_m, float), np.asarray(y_m, float)


def position(cells: Lattice, at: Places) -> tuple[FloatArray, FloatArray]:
    """x_m, y_m of all places."""
    return _xy(cells, at, np.arange(len(at.row2)))


def _counted(
    at: Places, begin: NDArray[np.intp], end: NDArray[np.intp], inward_m: FloatArray, depth_m: float
) -> FloatArray:
    """Share of each way that lies behind the border and before the depth, where it leads in over one or the other."""
    here, there = _mean(inward_m, at, begin), _mean(inward_m, at, end)
    over = (there > here) & (there > 0.0)
    counted = np.minimum(there, depth_m) - np.maximum(here, 0.0)
    return np.where(over, np.clip(counted / np.where(over, there - here, 1.0), 0.0, 1.0), 1.0)
