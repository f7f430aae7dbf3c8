"""The second certificate on games small enough to walk every route."""

from __future__ import annotations

import numpy as np
import pytest
import small_games

from kuntur.patrol import _kernels, bounds, exposure, game, refute

WAVES, STEPS = 3, 4


def instance(seed: int, *, columns: int = 3, loud: float = 0.7) -> tuple[exposure.View, game.Mixture]:
    """Five cells, arcs of up to six steps (longer than a wave), two aircraft."""
    rng = np.random.default_rng(seed)
    cells = 5
    arcs = {(int(rng.integers(cells)), int(rng.integers(cells + 1))): int(rng.integers(1, 7)) for _ in range(8)}
    arcs |= {(u, u + 1): int(rng.integers(1, 4)) for u in range(cells)}
    pieces = [{int(c): float(rng.exponential(loud)) for c in rng.permutation(cells)[:3]} for _ in range(6)]
    view = small_games.view([(u, v, t) for (u, v), t in arcs.items() if u != v], cells, [0, 1], pieces, [3, 3])
    plans = [rng.integers(-1, 6, (columns, 2, STEPS)).astype(np.int32) for _ in range(WAVES)]
    return view, game.mixture(plans, [rng.dirichlet(np.ones(columns)) for _ in range(WAVES)])


def every_route(view: exposure.View) -> np.ndarray:
    """All ways to start, wait, walk and be through before the end, as cells by step."""
    graph, steps = view.graph, WAVES * STEPS
    found: set[tuple[int, ...]] = set()

    def walk(t: int, u: int, way: tuple[int, ...]) -> None:
        if u == graph.count:
            found.add(way + (-1,) * (steps - t))
            return
        if t < steps:
            walk(t + 1, u, (*way, u))
        for a in range(graph.arc_start[u], graph.arc_start[u + 1]):
            tau = int(graph.arc_tau[a])
            if t + tau <= steps:
                walk(t + tau, int(graph.arc_to[a]), way + (u,) * tau)

    for t in range(steps):
        for u in graph.starts:
            walk(t, int(u), (-1,) * t)
    return np.array(sorted(found), np.int32)


@pytest.mark.parametrize("seed", range(12))
def test_a_proven_floor_is_never_above_the_best_of_all_routes(seed: int) -> None:
    view, mixture = instance(seed, loud=[0.2, 0.7, 2.5][seed % 3])
    truth = float(game.route_detection(view, mixture, every_route(view)).min())
    informed = game.backward(view, mixture).floor
    attack = bounds.attack(view, mixture, np.random.default_rng(seed), segments=2)
    proven = refute.floor(view, mixture, attack=attack, rounds=150)
    assert proven is not None
    assert informed <= proven.floor <= truth + 1e-9
    assert proven.found >= truth - 1e-9
    assert proven.proved  # so small a game is decided
    assert proven.floor >= truth - 2e-3


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rounds", [0, 1, 8])
def test_stopped_early_it_is_still_a_floor(seed: int, rounds: int) -> None:
    view, mixture = instance(seed, columns=6, loud=1.5)
    truth = float(game.route_detection(view, mixture, every_route(view)).min())
    proven = refute.floor(view, mixture, rounds=rounds)
    again = refute.floor(view, mixture, rounds=rounds)
    assert proven is not None and again is not None
    assert proven.informed <= proven.floor <= truth + 1e-9
    assert proven.floor == again.floor


@pytest.mark.parametrize("seed", range(10))
def test_fields_never_charge_a_route_more_than_its_chance_to_be_seen(seed: int) -> None:
    view, mixture = instance(seed, columns=4, loud=2.0)
    routes = every_route(view)
    rng = np.random.default_rng(seed)
    kept = routes[rng.random(len(routes)) < 0.02]
    for subset in (routes, kept):
        points = np.zeros((WAVES * STEPS, view.graph.count), np.uint8)
        for t in range(WAVES * STEPS):
            points[t, np.unique(subset[:, t][subset[:, t] >= 0])] = 1
        inside = ((routes < 0) | (points[np.arange(WAVES * STEPS), np.maximum(routes, 0)] > 0)).all(axis=1)
        plan, _ = game.squared(mixture, view)
        seen = -np.expm1(-_kernels.route_exposure(view.seen, plan, routes, 1))
        for w in range(WAVES):
            part = slice(w * STEPS, (w + 1) * STEPS)
            for column in range(4):
                field = _kernels.wave_field(
                    view.arcs,
                    view.seen,
                    mixture.plans[w][[column]],
                    np.ones(1),
                    points[part],
                    rng.random((STEPS, view.graph.count), np.float32),
                    w == 0,
                    1,
                )
                paid = np.where(routes[:, part] >= 0, field[np.arange(STEPS), np.maximum(routes[:, part], 0)], 0.0)
                assert (paid.sum(axis=1)[inside] <= seen[inside, w, column] + 1e-12).all()


def test_with_several_layouts_there_is_no_second_proof() -> None:
    view, mixture = instance(0)
    two = game.mixture(
        mixture.plans,
        [np.ones(3) / 3, np.array([0.5, 0.5, 1.0]), np.ones(3) / 3],
        begins=[np.zeros(3, np.int32), np.array([0, 0, 1], np.int32), np.zeros(3, np.int32)],
        ends=[np.array([0, 1, 1], np.int32), np.zeros(3, np.int32), np.zeros(3, np.int32)],
    )
    assert refute.floor(view, two) is None


def test_nobody_gets_through_where_there_is_no_way() -> None:
    view = small_games.view([(0, 1, 1), (1, 0, 1)], 2, [0], [{0: 1.0}])
    mixture = game.mixture([np.zeros((1, 1, 4), np.int32)], [np.ones(1)])
    proven = refute.floor(view, mixture)
    assert proven is not None and proven.floor == 1.0
