"""The room's only door to the compiled core: arrays in, arrays out, with types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import kuntur._core as _core

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


def arcs(arc_start: IntArray, arc_to: IntArray, arc_tau: IntArray, starts: IntArray) -> Any:
    """A `CrosserArcs`: .cells, .mids (mid-arc states), .longest (largest tau)."""
    return _core.CrosserArcs(arc_start, arc_to, arc_tau, starts)


def pieces(start: NDArray[np.int64], cell: IntArray, factor: SingleArray, cells: int) -> Any:
    """`SeenPieces`: the cells that each flown piece sees in one step, and the survival factor there."""
    return _core.SeenPieces(start, cell, factor, cells)


def backward_wave(
    graph: Any,
    seen: Any,
    plan: IntArray,
    sigma: FloatArray,
    value_next: SingleArray,
    mid_next: SingleArray,
    group: IntArray,
    threads: int,
) -> tuple[SingleArray, SingleArray, SingleArray]:
    """For columns (columns, aircraft, steps) that end in one layout, with weights sigma (layouts at the beginning,
    columns): value of cells and of mid-arc states, each by layout, and of the best start (columns, start groups)."""
    result: tuple[SingleArray, SingleArray, SingleArray] = _core.backward_wave(
        graph, seen, plan, sigma, value_next, mid_next, group, threads
    )
    return result


def forward_wave(
    graph: Any,
    seen: Any,
    plan: IntArray,
    sigma: FloatArray,
    begin: IntArray,
    value_next: SingleArray,
    mid_next: SingleArray,
    group: IntArray,
    held_to: IntArray,
    out_next: FloatArray,
    state_start: NDArray[np.int64],
    state: IntArray,
    mass: FloatArray,
    out_mass: FloatArray,
    flow_weight: FloatArray,
    temperature: float,
    waves_after: int,
    follow: bool,
    threads: int,
) -> tuple[FloatArray, FloatArray, FloatArray, SingleArray]:
    """For columns that end in one layout and kinds of crosser held to a group of starts: survival (kinds, columns),
    next masses (kinds, cells then mid-arc states), mass still outside (kinds), weighted flow (steps, cells). State are
    those of layout after layout of kind after kind, from state_start (kinds * layouts + 1,); out_mass (kinds, layouts).
    """
    result: tuple[FloatArray, FloatArray, FloatArray, SingleArray] = _core.forward_wave(
        graph,
        seen,
        plan,
        sigma,
        begin,
        value_next,
        mid_next,
        group,
        held_to,
        out_next,
        state_start,
        state,
        mass,
        out_mass,
        flow_weight,
        temperature,
        waves_after,
        follow,
        threads,
    )
    return result


def mixture_exposure(seen: Any, plan: IntArray, weight: FloatArray, threads: int) -> SingleArray:
    """Weighted exposure (waves * steps, cells); plan (waves, columns, aircraft, steps), weight (waves, columns)."""
    result: SingleArray = _core.mixture_exposure(seen, plan, weight, threads)
    return result


def cheapest_routes(
    graph: Any, cost: SingleArray, group: IntArray, window: IntArray, *, trace: bool = True, threads: int = 1
) -> tuple[FloatArray, IntArray]:
    """Least cost, rounded down, and route for each group of start cells and each window of start steps, windows running
    fastest. Without `trace` no routes, and no memory for them."""
    result: tuple[FloatArray, IntArray] = _core.cheapest_routes(graph, cost, group, window, trace, threads)
    return result


def cheapest_answers(
    graph: Any, seen: Any, plan: IntArray, weight: FloatArray, threads: int, *, trace: bool = True
) -> tuple[FloatArray, IntArray]:
    """Least cost (answers,), rounded down, and route (answers, steps) through each weighting (answers, waves, columns)
    of the columns of plan (waves, columns, aircraft, steps)."""
    result: tuple[FloatArray, IntArray] = _core.cheapest_answers(graph, seen, plan, weight, trace, threads)
    return result


def wave_field(
    graph: Any,
    seen: Any,
    plan: IntArray,
    sigma: FloatArray,
    points: NDArray[np.uint8],
    flow: SingleArray,
    first: bool,
    threads: int,
) -> SingleArray:
    """(steps, cells): its sum along a route through open points is at most the chance to be seen in this wave.

    plan (columns, aircraft, steps). The field charges the routes of `flow` (steps, cells) as much as it can."""
    result: SingleArray = _core.wave_field(graph, seen, plan, sigma, points, flow, first, threads)
    return result


def prune(
    graph: Any,
    cost: SingleArray,
    points: NDArray[np.uint8],
    wave_steps: int,
    constant: FloatArray,
    told: tuple[SingleArray, SingleArray, SingleArray],
    target: float,
    last_start: int,
    first_end: int,
) -> tuple[float, NDArray[np.uint8], IntArray]:
    """Least bound of a route through open points (inf: none is left), the points that routes below target need, and the
    route of the least bound. told: what the crosser who is told every draw pays from each wave's beginning on, by cell,
    by mid-arc state and from outside. Meant are routes that start by last_start and end no sooner than first_end.
    """
    result: tuple[float, NDArray[np.uint8], IntArray] = _core.prune(
        graph, cost, points, wave_steps, constant, *told, target, last_start, first_end
    )
    return result


def route_exposure(seen: Any, plan: IntArray, route: IntArray, threads: int) -> FloatArray:
    """Exposure (routes, waves, columns) of fixed routes (routes, waves * steps)."""
    result: FloatArray = _core.route_exposure(seen, plan, route, threads)
    return result


def piece_worth(seen: Any, flow: SingleArray, first: int, last: int, additive: bool, threads: int) -> SingleArray:
    """(steps, last - first): sum over cells of flow * (1 - factor), or of flow * exposure when additive."""
    result: SingleArray = _core.piece_worth(seen, flow, first, last, additive, threads)
    return result


def forbid(
    worth: SingleArray,
    own: FloatArray,
    other: FloatArray,
    path: IntArray,
    apart_m: float,
    apart_height_m: float,
    value: float,
) -> None:
    """Write value into worth (steps, pieces) where a piece comes near another aircraft's path; boxes (pieces, 5)."""
    _core.forbid(worth, own, other, path, apart_m, apart_height_m, value)


def best_path(
    arc_start: IntArray,
    arc_to: IntArray,
    arc_steps: IntArray,
    arc_piece: IntArray,
    arc_price: FloatArray,
    worth: SingleArray,
    start: int,
    from_step: int,
    end: int,
    to_step: int,
) -> tuple[float, IntArray]:
    """Greatest worth of a path on a flight lattice and its arcs; -inf and none if the end cannot be reached in time."""
    result: tuple[float, IntArray] = _core.best_path(
        arc_start, arc_to, arc_steps, arc_piece, arc_price, worth, start, from_step, end, to_step
    )
    return result
