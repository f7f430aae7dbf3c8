"""Games small enough to know their value: views, lattices and crews built on bare arrays, no terrain and no camera.

The segment game tells the crosser each wave's draw as the wave begins. A *committed* game takes that away: in the first
wave nobody flies and a crosser must set out at its first step, by the one gate that leads to his route, to be through
in time; so he has chosen before anything is drawn, and the value of our game is the value of the matrix game between
columns and routes. Published values of patrols and matrix games are about such a crosser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import places as made_up
from numpy.typing import NDArray
from scipy.optimize import linprog

from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import CrosserClass, Lattice
from kuntur.patrol import _kernels, columns, exposure, game, search
from kuntur.patrol.crossers import CrosserGraph
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.rota import Stage

WALKER = CrosserClass(id="w", name="walker", mode="walk", target="person")
CERTAIN = 40.0
"""Exposure of a look that nobody survives: exp(-40) is 4e-18."""


FAR_APART_M = 10_000.0

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float64]


def view(
    arcs: Sequence[tuple[int, int, int]],
    cells: int,
    starts: Sequence[int],
    pieces: Sequence[Mapping[int, float]],
    aircraft: Sequence[int] | None = None,
) -> exposure.View:
    """A view from bare arcs (from, to, steps) and pieces (cell -> exposure in one step); the goal is number `cells`.

    aircraft: how many of the pieces each aircraft has, all of them one aircraft's by default.
    """
    ordered = sorted(arcs)
    arc_start = np.searchsorted([a[0] for a in ordered], np.arange(cells + 1)).astype(np.int32)
    to, tau = np.array([a[1] for a in ordered], np.int32), np.array([a[2] for a in ordered], np.int32)
    graph = CrosserGraph(
        crosser=WALKER,
        cells=Lattice(row0=0, col0=0, rows=1, cols=cells, factor=1, cell_m=100.0, west_m=0.0, north_m=0.0),
        step_s=1.0,
        divisions=1,
        index=np.arange(cells, dtype=np.int32)[None],
        cell=np.arange(cells, dtype=np.int32),
        beside=np.arange(cells, dtype=np.int32),
        targets=("person",),
        node_target=np.zeros(cells, np.int32),
        x_m=np.arange(cells) * 100.0,
        y_m=np.zeros(cells),
        inward_m=np.zeros(cells),
        chainage_m=np.arange(cells) * 100.0 + 1.0,
        arc_start=arc_start,
        arc_to=to,
        arc_tau=tau,
        starts=np.array(sorted(starts), np.int32),
    )
    piece_start = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64)
    cell = np.array([c for p in pieces for c in sorted(p)], np.int32)
    factor = exposure.factors(np.array([p[c] for p in pieces for c in sorted(p)]), 1.0)
    return exposure.View(
        graph=graph,
        arcs=_kernels.arcs(arc_start, to, tau, graph.starts),
        seen=_kernels.pieces(piece_start, cell, factor, cells),
        offsets=np.concatenate([[0], np.cumsum([len(pieces)] if aircraft is None else aircraft)]).astype(np.int32),
        start=piece_start,
        cell=cell,
        factor=factor,
    )


def committed(
    routes: int, steps: int, pieces: Sequence[Mapping[tuple[int, int], float]], aircraft: Sequence[int] | None = None
) -> exposure.View:
    """The committed game of two waves of `steps` steps. pieces: (route, step of the second wave) -> exposure.

    Route j: gate j, an arc of `steps` steps, then a cell of its own in every step of the second wave.
    """
    here = routes + np.arange(routes)[:, None] * steps + np.arange(steps)
    goal = routes + routes * steps
    arcs = [(j, int(here[j, 0]), steps) for j in range(routes)]
    arcs += [(int(here[j, t]), int(here[j, t + 1]) if t + 1 < steps else goal, 1) for j, t in np.ndindex(routes, steps)]
    seen = [{int(here[j, t]): h for (j, t), h in piece.items()} for piece in pieces]
    return view(arcs, goal, range(routes), seen, aircraft)


def committed_mixture(plans: IntArray, sigma: FloatArray) -> game.Mixture:
    """Nobody flies in the first wave; plans (columns, aircraft, steps) with their probabilities in the second."""
    quiet = np.full((1, *plans.shape[1:]), -1, np.int32)
    return game.mixture([quiet, np.ascontiguousarray(plans)], [np.ones(1), np.asarray(sigma, float)])


def committed_routes(routes: int, steps: int) -> IntArray:
    """What `game.route_detection` takes: the cell of each route in each step of both waves."""
    own = routes + np.arange(routes)[:, None] * steps + np.arange(steps)
    return np.hstack([np.repeat(np.arange(routes)[:, None], steps, axis=1), own]).astype(np.int32)


def matrix_value(detection: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Value of a matrix game (rows maximise), an optimal row mixture and an optimal column mixture, by HiGHS."""
    rows, cols = detection.shape
    answer = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack([-detection.T, np.ones((cols, 1))]),
        b_ub=np.zeros(cols),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * rows + [(None, None)],
        method="highs",
    )
    sigma = np.maximum(answer.x[:rows], 0.0)
    rho = np.maximum(-answer.ineqlin.marginals, 0.0)
    return float(answer.x[-1]), sigma / sigma.sum(), rho / rho.sum()


def walker_net(places: int, links: Sequence[tuple[int, int]]) -> FlightNet:
    """A flight lattice of bare places: one step along each link (both ways) or standing still.

    Nothing is flown here, no energy is counted, and the base is joined to nothing but itself.
    """
    both = {(a, b) for a, b in links} | {(b, a) for a, b in links} | {(p, p) for p in range(places + 2)}
    arcs = np.array(sorted(both), np.int32)
    at_m = np.column_stack([FAR_APART_M * np.arange(places + 2), np.zeros(places + 2), np.full(places + 2, 100.0)])
    return FlightNet(
        aircraft=Aircraft(
            id="a", name="walker on a graph", system_id=1, airframe=made_up.MULTIROTOR, camera=made_up.CAMERA,
            radio=made_up.RADIO, base_id="b", turnround_s=0.0,
        ),
        base=Base(id="b", name="b", lat_deg=0.0, lon_deg=0.0, x_m=0.0, y_m=0.0, alt_msl_m=0.0, pads=1),
        step_s=1.0,
        node_m=at_m,
        inward_m=np.zeros(places),
        chainage_m=FAR_APART_M * np.arange(places),
        arc_start=np.searchsorted(arcs[:, 0], np.arange(places + 3)).astype(np.int32),
        arc_from=np.ascontiguousarray(arcs[:, 0]),
        arc_to=np.ascontiguousarray(arcs[:, 1]),
        arc_steps=np.ones(len(arcs), np.int32),
        arc_use_s=np.ones(len(arcs)),
        arc_look=np.zeros(len(arcs), np.int32),
        vertex_start=2 * np.arange(len(arcs) + 1, dtype=np.int32),
        vertex_t_s=np.tile([0.0, 1.0], len(arcs)),
        vertex_m=at_m[arcs].reshape(-1, 3),
        usable_s=1e9,
        climb_mps=1.0,
        power_w=None,
    )  # fmt: skip


def walker_crew(
    net: FlightNet, steps: int, *, first: int = 0, start: int = -1, end: int = -1, east_m: float = 0.0
) -> columns.Crew:
    """One aircraft on a `walker_net` that stands still in the first wave of a committed game and walks in the second.

    Its pieces are its places, from piece `first` on: in each step it sees from where it began the step. Places lie
    from east_m on, FAR_APART_M from each other: aircraft of different east_m never meet.
    """
    places = net.base_node
    ground = Stage(kind="ground", start=places, from_step=0, end=places, to_step=0, use_cap_s=0.0)
    walk = Stage(kind="fly", start=start, from_step=0, end=end, to_step=steps, use_cap_s=1e9)
    x_m = east_m + FAR_APART_M * np.arange(places)
    flat = np.zeros(places)
    return columns.Crew(
        net=net,
        stages=(((ground,),), ((walk,),)),
        arc_piece=np.where(net.flying, first + net.arc_from, -1).astype(np.int32),
        boxes=np.column_stack([x_m, flat, flat, flat, flat]),
        first=first,
    )


def paths(net: FlightNet, steps: int, start: int = -1) -> IntArray:
    """All walks (n, steps): the place at each step."""
    begin = range(net.base_node) if start < 0 else [start]
    found = np.array([[p] for p in begin], np.int32)
    for _ in range(steps - 1):
        longer = []
        for walk in found:
            for a in range(net.arc_start[walk[-1]], net.arc_start[walk[-1] + 1]):
                longer.append([*walk, net.arc_to[a]])
        found = np.array(longer, np.int32)
    return found


def every_walk(seen: exposure.View, steps: int) -> IntArray:
    """All ways through to the goal (n, steps): in each step -1 before the start and after the goal, the cell where he
    waits, or cells + a on arc a. Who is on an arc has decided; who waits has not."""
    graph, found = seen.graph, []

    def onward(walk: list[int], u: int) -> None:
        if u == graph.count:
            found.append(walk + [-1] * (steps - len(walk)))
            return
        if len(walk) >= steps:
            return
        onward([*walk, u], u)
        for a in range(graph.arc_start[u], graph.arc_start[u + 1]):
            if len(walk) + graph.arc_tau[a] <= steps:
                onward(walk + [graph.count + a] * int(graph.arc_tau[a]), int(graph.arc_to[a]))

    for begin in range(steps):
        for u in graph.starts:
            onward([-1] * begin, int(u))
    return np.array(found, np.int32).reshape(-1, steps)


def cells_of(seen: exposure.View, walks: IntArray) -> IntArray:
    """The cell in each step of walks, -1 outside."""
    graph = seen.graph
    source = np.searchsorted(graph.arc_start, np.arange(len(graph.arc_to)), side="right") - 1
    table = np.concatenate([np.arange(graph.count), source, [-1]])  # the last is -1: outside
    return table[walks].astype(np.int32)


def every_route(seen: exposure.View, steps: int) -> IntArray:
    """All fixed routes through to the goal (n, steps): the cell in each step, -1 outside."""
    return np.unique(cells_of(seen, every_walk(seen, steps)), axis=0)


def exposure_field(seen: exposure.View, plan: IntArray) -> FloatArray:
    """(steps, cells) exposure of one column (aircraft, steps), from the bare arrays."""
    field = np.zeros((plan.shape[1], seen.graph.count))
    for row in plan:
        for t, piece in enumerate(row):
            if piece >= 0:
                part = slice(seen.start[piece], seen.start[piece + 1])
                np.add.at(field[t], seen.cell[part], -np.log(seen.factor[part].astype(float)))
    return field


def route_exposures(seen: exposure.View, plan: IntArray, routes: IntArray) -> FloatArray:
    """(routes,) exposure of routes (n, steps) to one column (aircraft, steps)."""
    field = np.hstack([exposure_field(seen, plan), np.zeros((plan.shape[1], 1))])  # the last one is -1: not inside
    return np.asarray(field[np.arange(plan.shape[1]), routes].sum(axis=1))


def fixed_detection(seen: exposure.View, mixture: game.Mixture, routes: IntArray) -> FloatArray:
    """Detection of fixed routes by summing over every sequence of draws: one layout or many, no algebra but the sum."""
    steps = mixture.plans[0].shape[2]
    per_wave = [
        np.stack([np.exp(-route_exposures(seen, plan, routes[:, w * steps : (w + 1) * steps])) for plan in plans])
        for w, plans in enumerate(mixture.plans)
    ]
    total = np.zeros(len(routes))
    for night in np.ndindex(*[len(plans) for plans in mixture.plans]):
        prob, layout = 1.0, -1
        for w, s in enumerate(night):
            begins = int(mixture.begins[w][s])
            prob *= float(mixture.sigma[w][s]) * (float(mixture.start[begins]) if w == 0 else float(begins == layout))
            layout = int(mixture.ends[w][s])
        if prob > 0.0:
            total += prob * np.prod([per_wave[w][s] for w, s in enumerate(night)], axis=0)
    return np.asarray(1.0 - total)


def told_survival(seen: exposure.View, mixture: game.Mixture, walks: IntArray) -> float:
    """Survival of the crosser who learns each wave's column as it begins, by listing what he can do: for each column
    drawn he picks how to go on in that wave among all walks that agree so far, whatever is drawn later."""
    steps = mixture.plans[0].shape[2]
    waves = len(mixture.plans)

    def best(w: int, layout: int, agreeing: IntArray) -> float:
        if w == waves:
            return 1.0
        part = slice(w * steps, (w + 1) * steps)
        ways, which = np.unique(agreeing[:, part], axis=0, return_inverse=True)
        which = which.reshape(-1)
        total = 0.0
        for s, plan in enumerate(mixture.plans[w]):
            prob = float(mixture.sigma[w][s])
            if mixture.begins[w][s] != layout or prob == 0.0:
                continue
            lived = np.exp(-route_exposures(seen, plan, cells_of(seen, ways)))
            total += prob * max(
                float(lived[k]) * best(w + 1, int(mixture.ends[w][s]), agreeing[which == k]) for k in range(len(ways))
            )
        return total

    if len(walks) == 0:
        return 0.0
    return sum(float(p) * best(0, i, walks) for i, p in enumerate(mixture.start))


def searched(
    crews: list[columns.Crew], seen: exposure.View, steps: int, *, rounds: int, count: int = 16, seed: int = 1
) -> search.Search:
    """The product's own search on a committed game, from its own first columns."""
    rng = np.random.default_rng(seed)
    first = columns.begin(crews, [seen], 2, steps, count, rng)
    found = search.search(crews, [seen], first, rng)
    for k in range(rounds):
        search.step(found, 1.0 - k / rounds)
    return found
