"""Attack, leak, doubt and reveal on games small enough to know better."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import small_games
from small_games import view as small_view

from kuntur.patrol import _kernels, bounds, doubts, exposure, game, reveal

STEPS = 4


def instance(seed: int, *, layouts: bool = False) -> tuple[exposure.View, game.Mixture]:
    rng = np.random.default_rng(seed)
    cells, columns = 5, 4
    arcs = {(int(rng.integers(cells)), int(rng.integers(cells + 1))): int(rng.integers(1, 6)) for _ in range(8)}
    arcs |= {(u, u + 1): int(rng.integers(1, 4)) for u in range(cells)}
    pieces = [{int(c): float(rng.exponential(0.9)) for c in rng.permutation(cells)[:3]} for _ in range(6)]
    view = small_view([(u, v, t) for (u, v), t in arcs.items() if u != v], cells, [0, 1], pieces, [3, 3])
    plans = [rng.integers(-1, 6, (columns, 2, STEPS)).astype(np.int32) for _ in range(3)]
    if not layouts:
        return view, game.mixture(plans, [rng.dirichlet(np.ones(columns)) for _ in range(3)])
    begins = [np.zeros(4, np.int32), np.array([0, 0, 1, 1], np.int32), np.array([0, 0, 1, 1], np.int32)]
    ends = [np.array([0, 1, 0, 1], np.int32), np.array([0, 1, 1, 0], np.int32), np.zeros(4, np.int32)]
    sigma = [np.ones(4) / 4, np.array([0.3, 0.7, 0.9, 0.1]), np.array([0.5, 0.5, 0.2, 0.8])]
    return view, game.mixture(plans, sigma, begins, ends)


def every_route(view: exposure.View, steps: int) -> np.ndarray:
    found: set[tuple[int, ...]] = set()

    def walk(t: int, u: int, way: tuple[int, ...]) -> None:
        if u == view.graph.count:
            found.add(way + (-1,) * (steps - t))
            return
        if t < steps:
            walk(t + 1, u, (*way, u))
        for a in range(view.graph.arc_start[u], view.graph.arc_start[u + 1]):
            if t + int(view.graph.arc_tau[a]) <= steps:
                walk(t + int(view.graph.arc_tau[a]), int(view.graph.arc_to[a]), way + (u,) * int(view.graph.arc_tau[a]))

    for t in range(steps):
        for u in view.graph.starts:
            walk(t, int(u), (-1,) * t)
    return np.array(sorted(found), np.int32)


def two_schedules() -> tuple[exposure.View, game.Mixture]:
    """Two equally likely schedules that expose the one route to 0 and to 2."""
    view = small_view([(0, 1, 1)], 1, [0], [{0: 2.0}])
    return view, game.mixture([np.array([[[-1]], [[0]]], np.int32)], [np.array([0.5, 0.5])])


def test_two_schedules_with_exposures_0_and_2_are_worth_043_and_never_063() -> None:
    view, mixture = two_schedules()
    truth = 0.5 * (1.0 - math.exp(-2.0))
    attack = bounds.attack(view, mixture, np.random.default_rng(0))
    assert truth == pytest.approx(0.432, abs=5e-4)
    assert attack.detection[0] == pytest.approx(truth, abs=1e-6)
    assert game.backward(view, mixture).floor == pytest.approx(truth, abs=1e-6)
    forbidden = 1.0 - math.exp(-1.0)  # of the expected exposure: a ceiling, 0.632
    assert attack.detection[0] < forbidden - 0.19
    leaked, error = bounds.leak(view, mixture, np.random.default_rng(0), nights=400)
    assert leaked == pytest.approx(truth, abs=5.0 * error)  # there is one route only: knowing the draw helps nobody
    low, high = bounds.leak_interval(leaked, error, 400)
    assert low < truth < high


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("layouts", [False, True])
def test_the_attack_finds_the_best_route_of_a_tiny_game(seed: int, layouts: bool) -> None:
    view, mixture = instance(seed, layouts=layouts)
    routes = every_route(view, 3 * STEPS)
    truth = float(game.route_detection(view, mixture, routes).min())
    found = bounds.attack(view, mixture, np.random.default_rng(seed), segments=2)
    assert (np.diff(found.detection) >= 0.0).all()
    assert found.detection == pytest.approx(game.route_detection(view, mixture, found.routes), abs=1e-12)
    assert truth - 1e-9 <= found.detection[0] <= truth + 1e-6
    known = {route.tobytes() for route in routes}
    assert all(route.tobytes() in known for route in found.routes)


def test_an_attack_begins_from_the_routes_given() -> None:
    view, mixture = instance(3)
    routes = every_route(view, 3 * STEPS)
    best = routes[[int(game.route_detection(view, mixture, routes).argmin())]]
    found = bounds.attack(view, mixture, np.random.default_rng(0), tries=1, rounds=0, known=best)
    assert (found.routes[0] == best[0]).all() or found.detection[0] <= game.route_detection(view, mixture, best)[0]


@pytest.mark.parametrize("seed", range(4))
def test_the_same_numbers_on_any_number_of_threads(seed: int) -> None:
    view, mixture = instance(seed)
    one = bounds.attack(view, mixture, np.random.default_rng(seed), threads=1)
    two = bounds.attack(view, mixture, np.random.default_rng(seed), threads=3)
    assert (one.routes == two.routes).all() and (one.detection == two.detection).all()
    assert bounds.leak(view, mixture, np.random.default_rng(seed), nights=9, threads=1) == bounds.leak(
        view, mixture, np.random.default_rng(seed), nights=9, threads=3
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_leak_is_the_mean_over_nights_of_the_best_route(seed: int) -> None:
    view, mixture = instance(seed)
    routes = every_route(view, 3 * STEPS)
    plan, share = game.squared(mixture, view)
    h = _kernels.route_exposure(view.seen, plan, routes, 1)
    exact = 0.0
    for night in itertools.product(range(4), repeat=3):
        p = math.prod(share[w, s] for w, s in enumerate(night))
        exact += p * -math.expm1(-min(sum(h[r, w, s] for w, s in enumerate(night)) for r in range(len(routes))))
    mean, error = bounds.leak(view, mixture, np.random.default_rng(seed), nights=600)
    assert abs(mean - exact) < 5.0 * error + 1e-4
    assert mean <= game.backward(view, mixture).floor + 5.0 * error


@pytest.mark.parametrize("seed", range(6))
def test_least_cost_is_rounded_down_and_its_route_is_real(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view, _ = instance(seed)
    cost = rng.exponential(0.3, (12, 5)).astype(np.float32)
    routes = every_route(view, 12)
    exact = np.where(routes >= 0, cost[np.arange(12), np.maximum(routes, 0)].astype(np.float64), 0.0).sum(axis=1)
    least, found = _kernels.cheapest_routes(view.arcs, cost, np.zeros(2, np.int32), np.array([0, 12], np.int32))
    assert exact.min() - 12 * 2.0**-20 <= least[0] <= exact.min()
    of_found = cost[np.flatnonzero(found[0] >= 0), found[0][found[0] >= 0]].astype(np.float64).sum()
    assert of_found <= exact.min() + 12 * 2.0**-20
    assert found[0].tobytes() in {route.tobytes() for route in routes}
    untraced, none = _kernels.cheapest_routes(
        view.arcs, cost, np.zeros(2, np.int32), np.array([0, 12], np.int32), trace=False, threads=2
    )
    assert untraced[0] == least[0] and len(none) == 0


def test_doubt_lowers_the_floor_and_the_worst_is_the_least_theta() -> None:
    view, mixture = instance(1)
    plain = game.backward(view, mixture).floor
    thetas = (1.0, 0.7, 0.4, 0.0)
    known = doubts.floors(view, mixture, thetas)
    assert [theta for theta, _ in known] == list(thetas)
    values = [floor for _, floor in known]
    assert values[0] == plain
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.0
    assert doubts.worst(known) == known[-1]
    with_never = doubts.floors(view, mixture, thetas, never_prob=0.1)
    for (_, floor), (_, less) in zip(known, with_never, strict=True):
        assert less <= 0.9 * floor <= less + 1e-9


def test_a_told_theta_is_averaged_after_the_exponential() -> None:
    view, mixture = two_schedules()
    known = doubts.floors(view, mixture, (1.0, 0.5))
    floor = doubts.mixed(known, (0.5, 0.5))
    assert floor <= 0.25 * (1.0 - math.exp(-2.0)) + 0.25 * (1.0 - math.exp(-1.0))
    assert floor == pytest.approx(0.25 * (2.0 - math.exp(-2.0) - math.exp(-1.0)), abs=1e-5)
    assert floor < 0.5 * (1.0 - math.exp(-1.5)) - 0.01  # what the mean exposure would claim
    with pytest.raises(ValueError, match="sum to 1"):
        doubts.mixed(known, (0.5, 0.4))
    with pytest.raises(ValueError, match="theta"):
        doubts.weakened(view, 1.5)


def test_told_more_the_crosser_fares_better() -> None:
    view, mixture = instance(4)
    told = reveal.measured(view, mixture, np.random.default_rng(0), (0.0, 4 / 60, 8 / 60, 12 / 60), samples=6)
    assert [t.minutes for t in told] == pytest.approx([0.0, 4 / 60, 8 / 60, 12 / 60])
    assert told[1].detection == game.backward(view, mixture).floor and told[1].error == 0.0
    for less, more in itertools.pairwise(told):
        assert more.detection <= less.detection + 4.0 * (less.error + more.error) + 1e-6
    curve = reveal.curve(view, mixture, np.random.default_rng(0), (4 / 60,))
    assert curve == ((told[1].minutes, told[1].detection),)


@pytest.mark.parametrize("layouts", [False, True])
def test_waves_told_one_at_a_time_are_the_game_itself(layouts: bool) -> None:
    view, mixture = instance(2, layouts=layouts)
    sampled = reveal.blocks(mixture, np.random.default_rng(0), 1, draws=4000)
    assert sampled.layouts == mixture.layouts
    assert game.backward(view, sampled).floor == pytest.approx(game.backward(view, mixture).floor, abs=0.02)


def test_advice_is_the_longest_wave_that_costs_little() -> None:
    curve = ((0.0, 0.57), (20.0, 0.56), (40.0, 0.552), (60.0, 0.37), (480.0, 0.01))
    assert reveal.advice(curve) == 40.0
    assert reveal.advice(curve, loss=0.012) == 20.0
    assert reveal.advice(((0.0, 0.6), (20.0, 0.2))) == 20.0  # nothing shorter was measured
    with pytest.raises(ValueError, match="without points"):
        reveal.advice(())


def test_a_committed_matrix_game_is_attacked_at_its_value() -> None:
    """Rock, paper, scissors with cameras: three routes, each column sees one; the value is a third."""
    view = small_games.committed(3, 1, [{(j, 0): small_games.CERTAIN} for j in range(3)])
    mixture = small_games.committed_mixture(np.array([[[0]], [[1]], [[2]]], np.int32), np.ones(3) / 3)
    found = bounds.attack(view, mixture, np.random.default_rng(0), segments=2)
    assert found.detection[0] == pytest.approx(1.0 / 3.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_ceiling_is_above_the_value_over_all_schedules(seed: int) -> None:
    """Every path of one aircraft, or of two, against every route: the matrix game's value is what can be reached."""
    rng = np.random.default_rng(seed)
    places, steps, cells, fleet = 3, 5, 4, 1 + seed % 2
    arcs = {(u, u + 1): int(rng.integers(1, 3)) for u in range(cells)} | {(0, 2): 3, (1, 3): 2, (1, 0): 1}
    shown = [{int(c): float(rng.exponential(1.2)) for c in rng.permutation(cells)[:2]} for _ in range(fleet * places)]
    view = small_view([(u, v, t) for (u, v), t in arcs.items()], cells, [0, 1], shown, [places] * fleet)
    net = small_games.walker_net(places, [(0, 1), (1, 2)])
    routes = every_route(view, steps)
    one = small_games.paths(net, steps)
    h = [
        _kernels.route_exposure(view.seen, np.ascontiguousarray(one + k * places)[None, :, None], routes, 1)[:, 0]
        for k in range(fleet)
    ]
    joint = h[0].T if fleet == 1 else (h[0].T[:, None] + h[1].T[None]).reshape(-1, len(routes))
    value, _, _ = small_games.matrix_value(-np.expm1(-joint))
    pieces = [np.where(net.arc_from < places, k * places + net.arc_from, -1).astype(np.int32) for k in range(fleet)]
    ceiling = bounds.ceiling(view, [net] * fleet, pieces, routes[:2], steps, rounds=25)
    assert value - 1e-6 <= ceiling <= 1.0
    additive, _, _ = small_games.matrix_value(joint)  # the bound's own limit: the game of expected exposure
    assert ceiling >= -math.expm1(-additive) - 1e-4
    assert ceiling <= -math.expm1(-1.3 * additive) + 1e-3  # and it comes near that
