"""How people, animals and vehicles move over this terrain, as a graph of places with travel times in whole steps.

Speeds are in `paces`, the ground and the ways over it in `ways`. All that is rounded is rounded in favour of who
crosses: times down, to lower bounds and then to whole steps; what stops him, only where all of a cell does.

A class moves in layers. On foot (or with pack animals) and in a vehicle are two layers over the same cells; getting in
or out takes one step, of at most `CHANGE_S`. Who may hide has a layer of lying still: he lies at once where he arrives,
shows `hidden_person` for whole steps, and rises at once; lying down and getting up take no time. So the waits of a
crosser are spent hidden, his ways are not.

The far side of the border is not modelled: a crosser appears in a cell that the border touches, at any step in which
his class may begin, and is through where he is `depth_m` behind the border.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.errors import BorderError, InfeasibleError
from kuntur.geodesy import grid, lines
from kuntur.model.place import Area, CrosserClass, Lattice, Mode, Shown
from kuntur.patrol import ways

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

LEAST_TAU: Final = 2  # ways shorter than this many steps lose too much to rounding: then the step is divided
SHORT_SHARE: Final = 0.01  # of the moves off roads and tracks may be shorter, one step or more each: tuned
CHANGE_S: Final = 10.0  # judged: nobody with a load is in or out of a vehicle in less


class CrosserGraph(Struct, frozen=True, kw_only=True, eq=False):
    """Where one class of crosser can go. Nodes are numbered 0..n-1; the goal is n and absorbs.

    A node is a place and a way of being there: on foot, in a vehicle, lying hidden. Who only walks has one a place.
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

    def opens(self, from_s: float, until_s: float) -> bool:
        """Whether the class may begin in this part of the watch (seconds after its start)."""
        last = math.inf if self.crosser.start_until_s is None else self.crosser.start_until_s
        return from_s < last and until_s > self.crosser.start_from_s


def strip(area: Area, cell_m: float) -> Lattice:
    """The lattice over the border and the ground up to the required depth behind it, a cell more on every side."""
    reach_m = area.requirement.depth_m + 2.0 * cell_m
    low, high = area.border.xy_m.min(axis=0) - reach_m, area.border.xy_m.max(axis=0) + reach_m
    return grid.lattice(area.terrain, cell_m, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def graph(area: Area, cells: Lattice, crosser: CrosserClass, step_s: float) -> CrosserGraph:
    """The graph of one class on one lattice; it may have no starts or no way through (`require_way`).

    Raises BorderError when border or required depth are not on the lattice, or the class can be nowhere on it.

    step_s is divided by a whole number when ways would be shorter than two steps, or a change of vehicle longer.
    """
    found = _Strip(area, cells)
    ground = ways.ground(area, cells)
    modes = _modes(crosser)
    open_cells = [ways.passable(ground, crosser, mode, roads) for _, mode, roads in modes]
    inside = np.logical_or.reduce([found.zone & mask for mask in open_cells])
    if not (found.zone & found.touched).any():
        raise BorderError(
            f"No cell of the crosser lattice lies on the border {area.border.name}.",
            remedy="Check that the terrain covers the border and that [border] ours names the right side.",
        )
    if not found.goal.any():
        raise BorderError(
            f"The terrain ends before {area.requirement.depth_m:.0f} m behind the border {area.border.name}.",
            remedy="Lower [requirement] depth_m or add terrain on our side of the border.",
        )
    if not inside.any():
        raise BorderError(
            f"{crosser.name} can be nowhere between the border {area.border.name} and the depth asked for.",
            remedy="Take the class out, or look at its mode, [[water]] and [[road]].",
        )
    index = np.full(inside.shape, -1, np.int32)
    index[inside] = np.arange(int(inside.sum()), dtype=np.int32)
    near, depth_m = area.requirement.neighbours, area.requirement.depth_m
    layers = []
    for (shown, mode, roads), mask in zip(modes, open_cells, strict=True):
        at = ways.places(found.zone & mask, found.goal & mask, near)
        moves = ways.ways(ground, at, mask, crosser, mode, near, roads, found.inward_m, depth_m)
        layers.append(_Layer(found, index, shown, at, ~at.goal, moves))
    divisions = _divisions(layers, step_s)
    return _numbered(crosser, cells, index, layers, step_s / divisions, divisions)


def require_way(area: Area, graph: CrosserGraph) -> None:
    """Raise InfeasibleError for a class that gets through nowhere: nothing need be planned against it."""
    if not np.isfinite(fastest_s(graph)).any():
        raise InfeasibleError(
            f"{graph.crosser.name} finds no way over {area.border.name}: "
            + (
                "water, cliffs or missing roads stop it"
                if len(graph.starts)
                else "it can set foot on none of the border"
            )
            + f" before {area.requirement.depth_m:.0f} m.",
            remedy=f'Set required = false for [[crosser]] "{graph.crosser.id}", or correct its mode and what stops it.',
        )


def _modes(crosser: CrosserClass) -> list[tuple[Shown, Mode, bool]]:
    """What is shown, how it moves, and whether on roads and tracks only; the class's own mode first."""
    own = (crosser.target, crosser.mode, crosser.mode == "drive" and not crosser.off_road)
    if crosser.mode == "drive" or crosser.ride == "none":
        return [own]
    return [own, (crosser.ride_target, "drive", crosser.ride == "road")]


class _Strip:
    """The ground between border and depth: chainage_m, inward_m, and what cells are in it, each (rows, cols)."""

    def __init__(self, area: Area, cells: Lattice) -> None:
        self.cells = cells
        self.chainage_m, self.inward_m = _offsets(area, cells)
        length_m = float(lines.chainages(area.border.xy_m)[-1])
        abreast = (self.chainage_m > 0.0) & (self.chainage_m < length_m)  # beyond the border's ends nobody goes
        self.touched = ways.touched(cells, lines.densify(area.border.xy_m, cells.cell_m / 8.0))
        deep = self.inward_m >= area.requirement.depth_m
        self.goal = abreast & deep
        self.core = self.touched
        if area.border.core_m is not None:  # a sector: sideways is through, and starts are the core's
            self.goal |= ~abreast & ~deep & (self.inward_m >= 0.0)
            begin_m, end_m = area.border.core_m
            self.core = self.touched & (self.chainage_m >= begin_m) & (self.chainage_m <= end_m)
        self.zone = abreast & ~deep & ((self.inward_m >= 0.0) | self.touched)


class _Layer:
    """One way of being: the places it has nodes at, what they show, and the moves between them.

    number: (places,) the node of each place within the layer, -1 for the goal and for places without one.
    """

    def __init__(
        self, found: _Strip, index: IntArray, shown: Shown, at: ways.Places, kept: BoolArray, moves: ways.Ways
    ) -> None:
        self.shown, self.at, self.moves, self.found = shown, at, moves, found
        self.number = np.full(len(kept), -1, np.int64)
        self.number[kept] = np.arange(int(kept.sum()))
        row, col, row1, col1 = ways.cells_of(at, np.flatnonzero(kept))
        self.cell, self.beside = index[row, col], index[row1, col1]
        x_m, y_m = ways.position(found.cells, at)
        self.x_m, self.y_m = x_m[kept], y_m[kept]
        self.inward_m = 0.5 * (found.inward_m[row, col] + found.inward_m[row1, col1])
        self.chainage_m = found.chainage_m[row, col]
        self.on_line = found.core[row, col] & (self.cell == self.beside)

    def lying(self, index: IntArray) -> _Layer:
        """The places where somebody on foot may lie hidden: centres off the line, where there is something to fear."""
        row, col, _, _ = ways.cells_of(self.at, np.arange(len(self.number)))
        kept = (self.number >= 0) & (np.arange(len(self.number)) < self.at.cells) & ~self.found.touched[row, col]
        return _Layer(self.found, index, "hidden_person", self.at, kept, self.moves)


def _divisions(layers: list[_Layer], step_s: float) -> int:
    """Into how many a step is divided: every whole move takes one of them or more, nearly all LEAST_TAU or more."""
    divisions = 1
    for layer in layers:
        begin, end = layer.number[layer.moves.begin], layer.number[layer.moves.end]
        whole = (end >= 0) & (layer.inward_m[begin] >= 0.0)
        made, bare = (layer.moves.time_s[whole & kind] for kind in (layer.moves.made, ~layer.moves.made))
        least_s = [float(made.min()) / LEAST_TAU] if len(made) else []
        if len(bare):
            least_s += [float(bare.min()), float(np.quantile(bare, SHORT_SHARE)) / LEAST_TAU]
        divisions = max([divisions, *(math.ceil(step_s / short_s - 1e-9) for short_s in least_s)])
    return max(divisions, math.ceil(step_s / CHANGE_S)) if len(layers) > 1 else divisions


def _numbered(
    crosser: CrosserClass, cells: Lattice, index: IntArray, layers: list[_Layer], step_s: float, divisions: int
) -> CrosserGraph:
    """All layers as one graph: nodes numbered through, moves and changes between layers in whole steps."""
    parts = [*layers, layers[0].lying(index)] if crosser.hides else layers
    first = np.concatenate([[0], np.cumsum([len(part.cell) for part in parts])])
    count = int(first[-1])
    arcs: list[tuple[NDArray[np.int64], NDArray[np.int64], IntArray]] = []
    for part, offset in zip(layers, first[:-1], strict=False):
        tau = np.maximum(1, np.floor(part.moves.time_s / step_s * (1.0 - 1e-12))).astype(np.int32)
        begin, end = part.number[part.moves.begin], part.number[part.moves.end]
        arcs.append((begin + offset, np.where(end < 0, count, end + offset), tau))
    if len(layers) > 1:
        for one, other in ((0, 1), (1, 0)):
            arcs.append(_changes(parts[one], parts[other], int(first[one]), int(first[other])))
    if crosser.hides:
        begin, _, tau = arcs[0]
        down = parts[-1].number[layers[0].moves.end]
        lies = down >= 0
        arcs.append((begin[lies], down[lies] + first[-2], tau[lies]))
        arcs.append(_changes(parts[-1], parts[0], int(first[-2]), 0))
        if len(layers) > 1:
            arcs.append(_changes(parts[1], parts[-1], int(first[1]), int(first[-2])))
    begin, end, tau = (np.concatenate(column) for column in zip(*arcs, strict=True))
    order = np.argsort(begin, kind="stable")
    targets = tuple(dict.fromkeys(part.shown for part in parts))
    return CrosserGraph(
        crosser=crosser,
        cells=cells,
        step_s=step_s,
        divisions=divisions,
        index=index,
        cell=np.concatenate([part.cell for part in parts]),
        beside=np.concatenate([part.beside for part in parts]),
        targets=targets,
        node_target=np.concatenate([np.full(len(part.cell), targets.index(part.shown), np.int32) for part in parts]),
        x_m=np.concatenate([part.x_m for part in parts]),
        y_m=np.concatenate([part.y_m for part in parts]),
        inward_m=np.concatenate([part.inward_m for part in parts]),
        chainage_m=np.concatenate([part.chainage_m for part in parts]),
        arc_start=np.concatenate([[0], np.cumsum(np.bincount(begin, minlength=count))]).astype(np.int32),
        arc_to=end[order].astype(np.int32),
        arc_tau=tau[order],
        starts=np.flatnonzero(np.concatenate([part.on_line for part in parts])).astype(np.int32),
    )


def _changes(
    one: _Layer, other: _Layer, first: int, other_first: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], IntArray]:
    """Arcs of one step from a layer's nodes at cells to another's at the same cells."""
    centre = np.flatnonzero(one.cell == one.beside)
    there = np.full(int(max(one.cell.max(), other.cell.max(initial=0))) + 1, -1, np.int64)
    at = np.flatnonzero(other.cell == other.beside)
    there[other.cell[at]] = at
    both = centre[there[one.cell[centre]] >= 0]
    return both + first, there[one.cell[both]] + other_first, np.ones(len(both), np.int32)


def steps_to_goal(graph: CrosserGraph, *, longer: FloatArray | None = None) -> tuple[FloatArray, IntArray]:
    """Least steps from each node to the goal, (n,) float64, inf where there is no way; and the next node on that way,
    (n,) int32, the goal's number before the goal, -1 where there is none. longer: (arcs,), multiplies each arc's time.
    """
    took, onward = _dijkstra(graph, np.array([graph.count]), backward=True, longer=longer)
    return took[:-1], np.where(onward[:-1] < 0, -1, onward[:-1]).astype(np.int32)


def steps_from_border(graph: CrosserGraph) -> FloatArray:
    """Least steps from any start to each node, (n,) float64; inf where there is no way."""
    return _dijkstra(graph, graph.starts, backward=False)[0][:-1]


def fastest_s(graph: CrosserGraph) -> FloatArray:
    """Least time in seconds from each start node to the goal, (starts,); inf where there is no way."""
    return np.asarray(steps_to_goal(graph)[0][graph.starts] * graph.step_s)


def _dijkstra(
    graph: CrosserGraph, sources: IntArray, *, backward: bool, longer: FloatArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Least steps from the nearest source, and the node before on that way, over the n nodes and the goal."""
    begin, end = np.repeat(np.arange(graph.count), np.diff(graph.arc_start)), graph.arc_to
    steps = graph.arc_tau * (1.0 if longer is None else longer)
    # Several arcs lead from a cell to the one goal, and csr_array adds them up: keep the shortest.
    order = np.lexsort((steps, begin, end))
    pairs = np.stack([end[order], begin[order]])
    kept = order[np.append(True, (np.diff(pairs, axis=1) != 0).any(axis=0))] if len(order) else order
    here, there = (end[kept], begin[kept]) if backward else (begin[kept], end[kept])
    table = csr_array((steps[kept].astype(float), (here, there)), shape=(graph.count + 1, graph.count + 1))
    if len(sources) == 0:
        return np.full(graph.count + 1, np.inf), np.full(graph.count + 1, -1, np.int32)
    took, before, _ = dijkstra(table, indices=sources, return_predecessors=True, min_only=True)
    return np.asarray(took), np.asarray(before)


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
