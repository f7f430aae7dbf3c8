"""What a mixture shows of each place, and what each part of the border is worth to who sets out there: for pictures.

Nothing here is a new promise. `floors` are parts of the game's own value, so none is below its floor. `weakest` are
routes found, each with its exact detection: upper estimates, as the strongest attack is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kuntur.patrol import _kernels, game
from kuntur.patrol.crossers import CrosserGraph
from kuntur.patrol.exposure import View
from kuntur.patrol.game import Mixture

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

DESCENTS: Final = 1  # rounds for each part of the border; more gain next to nothing


def parts(graph: CrosserGraph, part_m: float) -> IntArray:
    """(starts,) the part of the border each start lies in: its chainage in whole part_m."""
    return np.asarray(graph.chainage_m[graph.starts] // part_m, np.int32)


def standing(view: View, mixture: Mixture) -> FloatArray:
    """(rows, cols) expected detections, over all waves, of somebody of the class who stays in a cell the whole time.

    Of the least rates, which the floor counts on. NaN where no crosser can be.
    """
    graph = view.graph
    plan, share = game.squared(mixture, view)
    total = _kernels.mixture_exposure(view.seen, plan, share, 2).sum(axis=0, dtype=np.float64)
    openly = np.array([target == graph.crosser.target for target in graph.targets])[graph.node_target]
    shown = np.flatnonzero(openly & (graph.cell == graph.beside))
    of_cell = np.full(int(graph.index.max()) + 1, np.nan)
    np.fmax.at(of_cell, graph.cell[shown], total[shown])
    return np.where(graph.index >= 0, of_cell[graph.index], np.nan)


def floors(view: View, mixture: Mixture, part: IntArray) -> FloatArray:
    """Detection of who learns each draw as its wave begins and must start in one part; NaN where no way leads through.

    part: (starts,). The least of them is not below the floor, where he may still choose the part after a draw.
    """
    bound = game.backward(view, mixture, group=part)
    survival = mixture.start @ bound.held[0]
    return np.where(survival > 0.0, np.maximum(0.0, 1.0 - survival), np.nan)


def weakest(view: View, mixture: Mixture, part: IntArray, known: IntArray) -> tuple[FloatArray, IntArray]:
    """Of each part the best route found for who sees no draw: its exact detection (NaN: none found), and its cells.

    known: (routes, steps) to begin with, beside the cheapest routes through the expected exposure from every part in
    each wave. From the best of a part, on to the cheapest route given that the last was not seen, while that gains.
    """
    plan, share = game.squared(mixture, view)
    exposure = _kernels.mixture_exposure(view.seen, plan, share, 2)
    windows = np.linspace(0, len(exposure), len(plan) + 1).astype(np.int32)
    _, found = _kernels.cheapest_routes(view.arcs, exposure, part, windows, threads=2)
    routes = np.vstack([found, known])
    routes = np.ascontiguousarray(routes[(routes >= 0).any(axis=1)])
    best = np.full(int(part.max(initial=0)) + 1, np.nan)
    chosen = np.full((len(best), len(exposure)), -1, np.int32)
    if len(routes):
        met = _kernels.route_exposure(view.seen, plan, routes, 2)
        detection = np.array([1.0 - game.posterior(mixture, one)[1] for one in met])
        where = dict(zip(view.graph.starts.tolist(), part.tolist(), strict=True))
        for i in np.argsort(detection, kind="stable"):
            begins = where[int(routes[i][routes[i] >= 0][0])]
            if np.isnan(best[begins]):
                best[begins], chosen[begins] = detection[i], routes[i]
    for number in np.flatnonzero(~np.isnan(best)):
        best[number], chosen[number] = _descended(view, mixture, plan, part == number, chosen[number])
    return best, chosen


def _descended(
    view: View, mixture: Mixture, plan: IntArray, here: NDArray[np.bool_], route: IntArray
) -> tuple[float, IntArray]:
    """The route, or a better one from the same part."""
    night = np.array([0, len(route)], np.int32)
    only = np.where(here, 0, -1).astype(np.int32)
    weight, survival = game.posterior(mixture, _kernels.route_exposure(view.seen, plan, route[None], 2)[0])
    for _ in range(DESCENTS):
        cost = _kernels.mixture_exposure(view.seen, plan, weight, 2)
        _, found = _kernels.cheapest_routes(view.arcs, cost, only, night, threads=2)
        weight, reached = game.posterior(mixture, _kernels.route_exposure(view.seen, plan, found, 2)[0])
        if reached <= survival:
            break
        route, survival = found[0], reached
    return 1.0 - survival, route
