"""The crosser's side of the game, for attacks on a finished plan: what he expects to be seen, and where he then goes.

A certificate counts the least rate in each cell. A crosser who plays against that sees many ways as equally safe that
are not: his own best estimate is the rate in the middle of a cell. `expected_view` is the game as he sees it; nothing
computed on it is a bound.

`game.backward` gives what the informed crosser survives with; `Policy` gives where he goes, given the columns drawn. He
learns the column of a wave as it begins, and nothing of later waves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area
from kuntur.patrol import _kernels, exposure, game
from kuntur.patrol.crossers import CrosserGraph
from kuntur.visibility import detection, rays

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


def expected_view(area: Area, fleet: list[Aircraft], graph: CrosserGraph, cuts: list[exposure.Pieces]) -> exposure.View:
    """Like `exposure.view`, with the mean rate of each piece's viewpoints at the middle of each cell.

    Nobody is seen abroad or inside a no-look zone.
    """
    starts, cells, factors, offsets = [np.zeros(1, np.int64)], [], [], [0]
    for aircraft, pieces in zip(fleet, cuts, strict=True):
        table = _mean_by_piece(pieces) @ _rates(area, aircraft, graph, pieces.viewpoints_m)
        table.sort_indices()
        starts.append(table.indptr[1:].astype(np.int64) + starts[-1][-1])
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
    """(pieces, viewpoints): the share of each viewpoint in its piece."""
    lengths = np.diff(pieces.view_start)
    share = np.repeat(1.0 / np.maximum(lengths, 1), lengths)
    return csr_array((share, pieces.views, pieces.view_start), shape=(len(lengths), len(pieces.viewpoints_m)))


def _rates(area: Area, aircraft: Aircraft, graph: CrosserGraph, viewpoints_m: FloatArray) -> csr_array:
    """Detection rate (viewpoints, cells) in 1/s at the middle of each cell."""
    target = graph.crosser.target
    open_to_looks = graph.inward_m >= 0.0
    for zone in area.zones:
        if zone.kind == "no_look":
            open_to_looks &= ~lines.inside(zone.xy_m, graph.x_m, graph.y_m)
    ground_m = grid.height_at(area.terrain, graph.x_m, graph.y_m)
    middle_m = np.stack([graph.x_m, graph.y_m, ground_m + detection.VISIBLE_HEIGHT_M[target]], axis=-1)
    targets = {crosser.target for crosser in area.crossers}
    search = detection.search_for(aircraft.camera, targets, area.requirement.height_agl_m, area.weather)
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


class Policy:
    """The best response to a mixture on one view. Among equally good starts one is drawn."""

    def __init__(self, view: exposure.View, mixture: game.Mixture, bound: game.Bound, *, threads: int = 2) -> None:
        self._view = view
        self._plans = [game.plan_of(view, plan) for plan in mixture.plans]
        self._bound = bound
        self._threads = threads
        self._options: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
        self._traces: dict[tuple[int, int, int, int], tuple[IntArray, int | None]] = {}

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
            following, _, flow = self._follow(wave, column, first, state)
            cells = np.where(flow.max(axis=1) > 0.0, flow.argmax(axis=1), -1).astype(np.int32)
            self._traces[key] = (cells, int(following.argmax()) if following.any() else None)
        return self._traces[key]

    def _starts(self, wave: int, column: int) -> tuple[float, list[tuple[int, int]]]:
        """Share of equally good choices that is to stay outside for this wave, and the (step, cell) starts in it."""
        if (wave, column) not in self._options:
            _, stay_prob, flow = self._follow(wave, column, 0, None)
            cells = self._view.graph.starts
            taken = flow[:, cells] > 0.0
            first = taken.argmax(axis=0)
            options = [(int(first[i]), int(cells[i])) for i in np.flatnonzero(taken.any(axis=0))]
            self._options[wave, column] = (stay_prob, options)
        return self._options[wave, column]

    def _follow(self, wave: int, column: int, first: int, state: int | None) -> tuple[FloatArray, float, SingleArray]:
        """From step `first` of a wave on, in `state` or still outside: next states, share outside, flow by step."""
        outside = state is None
        _, following, stay, flow = _kernels.forward_wave(
            self._view.arcs,
            self._view.seen,
            np.ascontiguousarray(self._plans[wave][column : column + 1, :, first:]),
            np.ones(1),
            self._bound.value[wave + 1],
            self._bound.mid[wave + 1],
            self._bound.out[wave + 1],
            np.array([] if outside else [state], np.int32),
            np.ones(0 if outside else 1),
            1.0 if outside else 0.0,
            0.0,
            len(self._plans) - 1 - wave,
            True,
            self._threads,
        )
        return following, stay, flow
