"""The crosser's side of the game, for attacks on a finished plan: what he expects to be seen, and where he then goes.

A certificate counts the least rate in each cell. A crosser who plays against that sees many ways as equally safe that
are not: his own best estimate is the rate in the middle of a cell. `expected_view` is the game as he sees it; nothing
computed on it is a bound.

`game.backward` gives what the informed crosser survives with; `Policy` gives where he goes, given the columns drawn. He
learns the column of a wave as it begins, with it the layout the aircraft will be in at its end, and nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area
from kuntur.model.plans import SWEEP
from kuntur.patrol import _kernels, exposure, game
from kuntur.patrol.crossers import CrosserGraph
from kuntur.visibility import detection, looks, rays

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


def expected_view(area: Area, fleet: list[Aircraft], graph: CrosserGraph, cuts: list[exposure.Pieces]) -> exposure.View:
    """Like `exposure.view`, with the mean rate of each piece's viewpoints at each node.

    Nobody is seen abroad or inside a no-look zone.
    """
    starts, offsets = [np.zeros(1, np.int64)], [0]
    cells: list[IntArray] = []
    factors: list[SingleArray] = []
    for aircraft, pieces in zip(fleet, cuts, strict=True):
        table = _mean_by_piece(pieces) @ _rates(area, aircraft, graph, pieces)
        table.sort_indices()
        starts.append(table.indptr[1:].astype(np.int64) + sum(len(known) for known in cells))
        cells.append(table.indices.astype(np.int32))
        factors.append(exposure.factors(table.data, graph.step_s))
        offsets.append(offsets[-1] + table.shape[0])
    start, cell, factor = np.concatenate(starts), np.concatenate(cells), np.concatenate(factors)
    return exposure.View(
        graph=graph,
        arcs=_kernels.arcs(graph.arc_start, graph.arc_to, graph.arc_tau, graph.starts),
        seen=_kernels.pieces(start, cell, factor, graph.count),
        offsets=np.array(offsets, np.int32),
        start=start,
        cell=cell,
        factor=factor,
    )


def _mean_by_piece(pieces: exposure.Pieces) -> csr_array:
    """(pieces, aims): the share of each aim in its piece."""
    lengths = np.diff(pieces.view_start)
    share = np.repeat(1.0 / np.maximum(lengths, 1), lengths)
    return csr_array((share, pieces.views, pieces.view_start), shape=(len(lengths), len(pieces.aims)))


def _rates(area: Area, aircraft: Aircraft, graph: CrosserGraph, pieces: exposure.Pieces) -> csr_array:
    """Detection rate (aims, nodes) in 1/s at the middle of each node."""
    points_m, looks_at = pieces.viewpoints_m, pieces.aims[:, 1]
    each = [_rates_of(area, aircraft, graph, points_m, number) for number in range(len(graph.targets))]
    table = csr_array(csr_array(sum(each[1:], start=each[0]))[pieces.aims[:, 0]])
    aim = np.repeat(np.arange(len(pieces.aims)), np.diff(table.indptr))
    sweep_s = exposure.search_of(area, aircraft, SWEEP).independent_s
    for number, look in enumerate(pieces.looks):
        if look == SWEEP:
            continue
        own = np.flatnonzero(looks_at[aim] == number)
        x_m, y_m, _ = points_m[pieces.aims[aim[own], 0]].T
        node = table.indices[own]
        sooner = sweep_s / exposure.search_of(area, aircraft, look).independent_s
        table.data[own] *= sooner * looks.holds(look, graph.x_m[node] - x_m, graph.y_m[node] - y_m)
    table.eliminate_zeros()
    return table


def _rates_of(area: Area, aircraft: Aircraft, graph: CrosserGraph, viewpoints_m: FloatArray, number: int) -> csr_array:
    """What sweeps see, (viewpoints, nodes), of the nodes that show one of the graph's targets."""
    target = graph.targets[number]
    open_to_looks = (graph.inward_m >= 0.0) & (graph.node_target == number)
    for zone in area.zones:
        if zone.kind == "no_look":
            open_to_looks &= ~lines.inside(zone.xy_m, graph.x_m, graph.y_m)
    ground_m = grid.height_at(area.terrain, graph.x_m, graph.y_m)
    middle_m = np.stack([graph.x_m, graph.y_m, ground_m + detection.VISIBLE_HEIGHT_M[target]], axis=-1)
    search = exposure.search_of(area, aircraft, SWEEP)
    reach_m = detection.max_range_m(aircraft.camera, target, area.weather)
    near = [
        np.flatnonzero(open_to_looks & ((graph.x_m - x) ** 2 + (graph.y_m - y) ** 2 <= reach_m**2))
        for x, y, _ in viewpoints_m
    ]
    cell = np.concatenate([np.zeros(0, np.intp), *near])
    view = np.repeat(np.arange(len(near)), [len(n) for n in near])
    away = viewpoints_m[view] - middle_m[cell]
    across_m = np.hypot(away[:, 0], away[:, 1])
    rate = detection.detection_rate_hz(
        aircraft.camera,
        search,
        target,
        area.weather,
        np.hypot(across_m, away[:, 2]),
        np.arctan2(away[:, 2], across_m),
    )
    seen = np.flatnonzero(rate > 0.0)
    seen = seen[rays.line_of_sight(area.terrain, viewpoints_m[view[seen]], middle_m[cell[seen]]) == rays.CLEAR]
    return csr_array((rate[seen], (view[seen], cell[seen])), shape=(len(viewpoints_m), graph.count))


def quickest_routes(view: exposure.View, group: IntArray, window: IntArray, steps: int) -> IntArray:
    """Routes (n, steps) of those who know only the terrain: the quickest from each group of starts in each window of
    start steps, for all that get through in time. group: (starts,); window: (windows + 1,) rising steps."""
    bored = np.full((steps, view.graph.count), 1e-3, np.float32)  # every step costs the same
    _, found = _kernels.cheapest_routes(view.arcs, bored, group, window)
    return np.asarray(found[(found >= 0).any(axis=1)])


class Policy:
    """The best response to a mixture on one view. Among equally good starts one is drawn."""

    def __init__(self, view: exposure.View, mixture: game.Mixture, bound: game.Bound, *, threads: int = 2) -> None:
        self._view = view
        self._plans = [game.plan_of(view, plan) for plan in mixture.plans]
        self._ends = mixture.ends
        self._bound = bound
        self._threads = threads
        self._options: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
        self._traces: dict[tuple[int, int, int, int], tuple[IntArray, int | None]] = {}
        graph = view.graph
        self._exposure = -np.log(view.factor.astype(np.float64))
        self._arc_from = np.repeat(np.arange(graph.count), np.diff(graph.arc_start))
        self._mid_start = np.concatenate([[0], np.cumsum(graph.arc_tau - 1)])  # as in the kernel: tau - 1 states an arc
        between = graph.arc_to < graph.count
        ends = (self._arc_from[between], graph.arc_to[between])
        self._arcs = csr_array((graph.arc_tau[between].astype(float), ends), shape=(graph.count, graph.count))

    def route(self, columns: Sequence[int], rng: np.random.Generator) -> IntArray | None:
        """The cell in each step of the class's steps (all waves end to end), -1 before the start and after the goal.

        None if he never set out, or did not get through in time.
        """
        steps = self._plans[0].shape[2]
        route = np.full(steps * len(columns), -1, np.int32)
        state: int | None = None
        for wave, column in enumerate(columns):
            first = 0
            if state is None:
                stay_prob, options = self._starts(wave, column)
                if not options or rng.random() < stay_prob:
                    continue
                first, state = options[int(rng.integers(len(options)))]
            cells, state = self._trace(wave, column, first, state)
            route[wave * steps + first : (wave + 1) * steps] = cells
            if state is None:
                return route
        return None

    def _trace(self, wave: int, column: int, first: int, state: int) -> tuple[IntArray, int | None]:
        """The cell in each step from `first` to the wave's end, and the state there; None if through."""
        key = (wave, column, first, state)
        if key not in self._traces:
            self._traces[key] = self._followed(wave, column, first, state)
        return self._traces[key]

    def _followed(self, wave: int, column: int, first: int, state: int) -> tuple[IntArray, int | None]:
        graph, steps = self._view.graph, self._plans[wave].shape[2]
        cells = np.full(steps - first, -1, np.int32)
        if state < graph.count:
            at, cell = first, state
        else:  # on an arc: on to its end
            arc = int(np.searchsorted(self._mid_start, state - graph.count, side="right")) - 1
            left = state - graph.count - int(self._mid_start[arc]) + 1
            at, cell = first + left, int(graph.arc_to[arc])
            cells[:left] = self._arc_from[arc]
            if at > steps:
                return cells, state - (steps - first)
            if cell == graph.count:
                return cells, None
        moves = self._reachable(wave, column, at, cell) if at < steps else None
        while at < steps and moves is not None:
            leave = moves.choose(at, cell)
            if leave is None:
                cells[at - first] = cell
                at += 1
                continue
            then = at + int(graph.arc_tau[leave])
            cells[at - first : then - first] = cell
            if then > steps:
                return cells, graph.count + int(self._mid_start[leave]) + then - steps - 1
            at, cell = then, int(graph.arc_to[leave])
            if cell == graph.count:
                return cells, None
        return cells, cell

    def _reachable(self, wave: int, column: int, first: int, cell: int) -> _Moves:
        """The game of the rest of one wave, on what can be reached from a cell by its end."""
        graph, steps = self._view.graph, self._plans[wave].shape[2]
        took = dijkstra(self._arcs, indices=cell, limit=steps - first)[: graph.count]
        region = np.flatnonzero(np.isfinite(took))
        place = np.full(graph.count, -1)
        place[region] = np.arange(len(region))
        exposure = np.zeros((steps - first, len(region)))
        for row in self._plans[wave][column]:
            for k, piece in enumerate(row[first:]):
                if piece >= 0:
                    part = slice(self._view.start[piece], self._view.start[piece + 1])
                    at = place[self._view.cell[part]]
                    exposure[k, at[at >= 0]] += self._exposure[part][at >= 0]
        layout = int(self._ends[wave][column])
        return _Moves(
            graph,
            self._mid_start,
            region,
            exposure,
            first,
            self._bound.value[wave + 1][layout],
            self._bound.mid[wave + 1][layout],
        )

    def _starts(self, wave: int, column: int) -> tuple[float, list[tuple[int, int]]]:
        """Share of equally good choices that is to stay outside for this wave, and the (step, cell) starts in it."""
        if (wave, column) not in self._options:
            stay_prob, flow = self._outside(wave, column)
            cells = self._view.graph.starts
            taken = flow[:, cells] > 0.0
            first = taken.argmax(axis=0)
            options = [(int(first[i]), int(cells[i])) for i in np.flatnonzero(taken.any(axis=0))]
            self._options[wave, column] = (stay_prob, options)
        return self._options[wave, column]

    def _outside(self, wave: int, column: int) -> tuple[float, SingleArray]:
        """Still outside when a wave begins: share that stays there, flow by step of the others."""
        layout = int(self._ends[wave][column])
        _, _, stay, flow = _kernels.forward_wave(
            self._view.arcs,
            self._view.seen,
            np.ascontiguousarray(self._plans[wave][column : column + 1]),
            np.ones(1),
            np.zeros(1, np.int32),
            self._bound.value[wave + 1][layout],
            self._bound.mid[wave + 1][layout],
            self._bound.group,
            np.full(1, -1, np.int32),
            self._bound.out[wave + 1][layout : layout + 1],
            np.zeros(2, np.int64),
            np.zeros(0, np.int32),
            np.zeros(0),
            np.ones((1, 1)),
            np.ones(1),
            0.0,
            len(self._plans) - 1 - wave,
            True,
            self._threads,
        )
        return float(stay[0]), flow


class _Moves:
    """Best moves on a few cells through the rest of a wave, by the recursion of `game`, in double precision.

    exposure: (steps left, cells of the region). The region holds all that can be reached from where `choose` begins.
    """

    def __init__(
        self,
        graph: CrosserGraph,
        mid_start: NDArray[np.int64],
        region: NDArray[np.intp],
        exposure: FloatArray,
        first: int,
        value: SingleArray,
        mid: SingleArray,
    ) -> None:
        steps, cells = exposure.shape
        place = np.full(graph.count + 1, cells, np.intp)  # what lies outside the region cannot be reached in time
        place[region] = np.arange(cells)
        place[graph.count] = cells + 1
        spans = [np.arange(graph.arc_start[u], graph.arc_start[u + 1]) for u in region]
        arcs = np.concatenate(spans)
        self._first, self._place, self._arcs = first, place, arcs
        self._bounds = np.concatenate([[0], np.cumsum([len(span) for span in spans])])
        here = np.repeat(np.arange(cells), np.diff(self._bounds))
        to, tau = place[graph.arc_to[arcs]], graph.arc_tau[arcs]
        passed = np.vstack([np.zeros(cells), np.cumsum(exposure, axis=0)])
        then = np.arange(steps)[:, None] + tau
        lost = np.exp(passed[:-1, here] - passed[np.minimum(then, steps), here])
        late = mid[np.maximum(mid_start[arcs] + then - steps - 1, 0)]
        best = np.zeros((steps + 1, cells + 2))
        best[:, cells + 1] = 1.0
        best[steps, :cells] = value[region]
        self._stay = np.zeros((steps, cells))
        self._go = np.zeros((steps, len(arcs)))
        for t in range(steps - 1, -1, -1):
            self._stay[t] = np.exp(-exposure[t]) * best[t + 1, :cells]
            self._go[t] = lost[t] * np.where(then[t] <= steps, best[np.minimum(then[t], steps), to], late[t])
            best[t, :cells] = np.maximum(self._stay[t], np.maximum.reduceat(self._go[t], self._bounds[:-1]))

    def choose(self, at: int, cell: int) -> int | None:
        """The arc to leave a cell by at a step; None to stay. To go wins a tie."""
        u = self._place[cell]
        row = self._go[at - self._first, self._bounds[u] : self._bounds[u + 1]]
        best = int(row.argmax())
        if row[best] < self._stay[at - self._first, u]:
            return None
        return int(self._arcs[self._bounds[u] + best])
