"""Games so small that every route, every night and every patrol can be listed: all our numbers against the list.

Three crossers, three exact values. Told each wave's column as it begins: listed by what he can do after each draw. Told
nothing, against a known mixture: the best of all fixed routes; where there are too many to list, one mixed-integer
program (HiGHS) over routes and over how much each night has seen. Told nothing, patrols chosen against him: the matrix
game over all patrols and all routes. None of the references shares code with the product.
"""

from __future__ import annotations

import itertools

import highspy
import numpy as np
import pytest
import small_games

from kuntur.patrol import bounds, game

STEPS = 3


def tiny(seed: int, *, layouts: int = 1, waves: int = 3) -> tuple[small_games.exposure.View, game.Mixture]:
    """Four cells, two aircraft with three pieces each; with layouts, every one is led to and from by two columns."""
    rng = np.random.default_rng(seed)
    cells = 4
    arcs = {(u, u + 1): int(rng.integers(1, 4)) for u in range(cells)}
    arcs |= {(int(rng.integers(cells)), int(rng.integers(cells + 1))): int(rng.integers(1, 5)) for _ in range(4)}
    pieces = [{int(c): float(rng.exponential(0.8)) for c in rng.permutation(cells)[:2]} for _ in range(6)]
    view = small_games.view([(u, v, t) for (u, v), t in arcs.items() if u != v], cells, [0, 1], pieces, [3, 3])
    plans, sigma, begins, ends = [], [], [], []
    for w in range(waves):
        come, go = (1 if w == 0 else layouts), (1 if w == waves - 1 else layouts)
        pairs = list(itertools.product(range(come), range(go))) * (2 if layouts == 1 or w in (0, waves - 1) else 1)
        begins.append(np.array([i for i, _ in pairs], np.int32))
        ends.append(np.array([j for _, j in pairs], np.int32))
        own = rng.integers(-1, 3, (len(pairs), 2, STEPS))
        plans.append(np.where(own >= 0, own + np.array([0, 3])[None, :, None], -1).astype(np.int32))
        share = rng.exponential(1.0, len(pairs))
        sigma.append(share / np.array([share[begins[-1] == i].sum() for i in begins[-1]]))
    return view, game.mixture(plans, sigma, begins, ends)


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize("layouts", [1, 2])
def test_the_floor_is_the_listed_value_of_the_told_crosser(seed: int, layouts: int) -> None:
    view, mixture = tiny(seed, layouts=layouts)
    told = small_games.told_survival(view, mixture, small_games.every_walk(view, 3 * STEPS))
    bound = game.backward(view, mixture)
    assert 1.0 - told - 2e-5 <= bound.floor <= 1.0 - told + 1e-9


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize("layouts", [1, 2])
def test_fixed_routes_and_attack_against_the_list(seed: int, layouts: int) -> None:
    """floor <= the best of all fixed routes <= the attack found; detection of each is the sum over all nights."""
    view, mixture = tiny(seed, layouts=layouts)
    routes = small_games.every_route(view, 3 * STEPS)
    if len(routes) == 0:
        assert game.backward(view, mixture).floor > 1.0 - 1e-9  # nobody gets through this one in time
        return
    listed = small_games.fixed_detection(view, mixture, routes)
    some = np.random.default_rng(seed).permutation(len(routes))[:200]
    assert game.route_detection(view, mixture, routes[some]) == pytest.approx(listed[some], abs=2e-6)
    assert game.backward(view, mixture).floor <= listed.min() + 1e-9
    attacked = bounds.attack(view, mixture, np.random.default_rng(seed), segments=2)
    assert attacked.detection[0] >= listed.min() - 2e-6
    assert attacked.detection[0] <= listed.min() + 0.08  # found, not proven: on these it is never far off


def best_route_by_mip(view: small_games.exposure.View, mixture: game.Mixture, quantum: float, deepest: int) -> float:
    """Least detection of any fixed route: exposures are whole multiples of `quantum`, at most `deepest` a wave count.

    Binary flow of one crosser through (step, cell), and for every wave's column one choice of how many quanta it has
    seen; survival of one wave is linear in those. One free wave only: the product over waves is not linear.
    """
    graph, plans, sigma = view.graph, mixture.plans[0], mixture.sigma[0]
    steps = plans.shape[2]
    quanta = np.stack([np.round(small_games.exposure_field(view, plan) / quantum) for plan in plans])
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    flow: dict[tuple[int, int, int, int], highspy.highs.highs_var] = {}
    for t, u in np.ndindex(steps, graph.count):
        flow[t, u, u, 1] = solver.addBinary()  # stays
        for a in range(graph.arc_start[u], graph.arc_start[u + 1]):
            if t + graph.arc_tau[a] <= steps:
                flow[t, u, int(graph.arc_to[a]), int(graph.arc_tau[a])] = solver.addBinary()
    begin = {(t, int(u)): solver.addBinary() for t in range(steps) for u in graph.starts}
    solver.addConstr(sum(begin.values()) == 1)
    for t, u in np.ndindex(steps + 1, graph.count):
        out = [x for (s, v, _, _), x in flow.items() if (s, v) == (t, u)]
        into = [x for (s, _, v, tau), x in flow.items() if (s + tau, v) == (t, u)]
        total = sum(into) + begin.get((t, u), 0)
        if t == steps:  # who is inside at the end is not through
            if into:
                solver.addConstr(sum(into) == 0)
        elif into or (t, u) in begin:
            solver.addConstr(total - sum(out) == 0)
        else:
            solver.addConstr(sum(out) == 0)
    worth = 0
    for s, field in enumerate(quanta):
        depth = [solver.addBinary() for _ in range(deepest + 1)]
        solver.addConstr(sum(depth) == 1)
        seen = sum(
            float(field[t : t + tau, u].sum()) * x for (t, u, _, tau), x in flow.items() if field[t : t + tau, u].any()
        )
        solver.addConstr(sum(k * z for k, z in enumerate(depth)) - seen >= 0)
        worth += sum(float(sigma[s]) * float(np.exp(-k * quantum)) * z for k, z in enumerate(depth))
    solver.maximize(worth)
    return 1.0 - solver.getObjectiveValue()


def grid_night(seed: int) -> tuple[small_games.exposure.View, game.Mixture]:
    """A crosser on 3 x 4 cells, twelve steps, six nights of one aircraft that wanders and sees a cross of cells."""
    rng = np.random.default_rng(seed)
    rows, cols, steps = 3, 4, 12
    number = np.arange(rows * cols).reshape(rows, cols)
    arcs = [(int(number[r, c]), int(number[q, d]), 1 + int(rng.integers(3)))
            for r, c, q, d in itertools.product(range(rows), range(cols), range(rows), range(cols))
            if abs(r - q) + abs(c - d) == 1]  # fmt: skip
    arcs += [(int(number[-1, c]), rows * cols, 2) for c in range(cols)]
    seen = [
        {int(number[q, d]): 0.5 * (3 - abs(r - q) - abs(c - d)) for q in range(rows) for d in range(cols)
         if abs(r - q) + abs(c - d) <= 2}
        for r in range(rows) for c in range(cols)
    ]  # fmt: skip
    view = small_games.view(arcs, rows * cols, number[0].tolist(), seen)
    plans = np.zeros((6, 1, steps), np.int32)
    for s in range(6):
        r, c = int(rng.integers(rows)), int(rng.integers(cols))
        for t in range(steps):
            plans[s, 0, t] = number[r, c]
            r, c = (
                min(max(r + int(rng.integers(-1, 2)), 0), rows - 1),
                min(max(c + int(rng.integers(-1, 2)), 0), cols - 1),
            )
    return view, game.mixture([plans], [rng.dirichlet(np.ones(6))])


@pytest.mark.parametrize("seed", range(4))
def test_attack_and_floor_enclose_the_mixed_integer_optimum(seed: int) -> None:
    view, mixture = grid_night(seed)
    exact = best_route_by_mip(view, mixture, 0.5, 40)
    floor = game.backward(view, mixture).floor
    assert floor <= exact + 1e-6
    attacked = bounds.attack(view, mixture, np.random.default_rng(seed), segments=2, tries=12)
    assert exact - 1e-5 <= attacked.detection[0] <= exact + 0.08


@pytest.mark.parametrize("seed", range(4))
def test_everything_lies_in_order_around_the_value_of_the_whole_game(seed: int) -> None:
    """All patrols of a small lattice against all routes: what is certified <= value <= what is called the ceiling."""
    rng = np.random.default_rng(seed)
    places, steps = 5, 4
    links = [(0, 1), (1, 2), (2, 3), (3, 4), (1, 3)]
    net = small_games.walker_net(places, links)
    cells = 6
    links_on_foot = [(0, 2), (1, 3), (2, 4), (3, 5), (2, 3), (3, 2), (4, 6), (5, 6)]
    arcs = [(u, v, 1 + int(u > 3 and rng.random() < 0.5)) for u, v in links_on_foot]
    pieces = [{int(c): float(rng.exponential(1.0)) for c in rng.permutation(cells)[:3]} for _ in range(places)]
    free = small_games.view(arcs, cells, [0, 1], pieces)
    routes = small_games.every_route(free, steps)
    patrols = small_games.paths(net, steps)
    detection = -np.expm1(-np.stack([small_games.route_exposures(free, p[None], routes) for p in patrols]))
    value, sigma, _ = small_games.matrix_value(detection)
    seen = [{(j, t): h for j, route in enumerate(routes.tolist()) for t, u in enumerate(route)
             if u >= 0 and (h := piece.get(u, 0.0)) > 0.0} for piece in pieces]  # fmt: skip
    view = small_games.committed(len(routes), steps, seen)
    assert game.backward(view, small_games.committed_mixture(patrols[:, None], sigma)).floor == pytest.approx(
        value, abs=5e-6
    )
    told = game.backward(free, game.mixture([patrols[:, None].astype(np.int32)], [sigma])).floor
    assert told <= value + 1e-6  # the crosser who is told the draw has more to go by
    crew = small_games.walker_crew(net, steps)
    ceiling = bounds.ceiling(view, [net], [crew.arc_piece], small_games.committed_routes(len(routes), steps), 2 * steps)
    assert ceiling >= value


def test_who_passes_before_a_long_look_is_charged_for_his_own_part_of_it() -> None:
    """A drone that stays over one cell all wave leaves far more exposure there than a float can hold; whoever passes
    early meets his share of it all the same: two steps at 10 leave exp(-20), and none of it comes from underflow."""
    view = small_games.view([(0, 1, 2)], 1, [0], [{0: 10.0}])
    for first in (0, 4, 8):
        plan = np.full((1, 1, 10), -1, np.int32)
        plan[0, 0, first:] = 0
        bound = game.backward(view, game.mixture([plan], [np.ones(1)]))
        assert bound.floor == pytest.approx(0.0 if first >= 2 else 1.0 - np.exp(-20.0), abs=1e-6)
