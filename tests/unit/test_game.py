"""The segment game on instances small enough to enumerate, and the bounds around it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from msgspec.structs import replace

from kuntur.model.place import CrosserClass, Lattice
from kuntur.patrol import _kernels, bounds, exposure, game
from kuntur.patrol.crossers import CrosserGraph

WALKER = CrosserClass(id="w", name="walker", mode="walk", target="person")


def small_view(
    arcs: list[tuple[int, int, int]], cells: int, starts: list[int], pieces: list[dict[int, float]], aircraft: int = 1
) -> exposure.View:
    """A view from bare arcs (from, to, tau) and pieces (cell -> exposure in one step); `cells` is the goal."""
    arcs = sorted(arcs)
    start = np.searchsorted([a[0] for a in arcs], np.arange(cells + 1)).astype(np.int32)
    to, tau = np.array([a[1] for a in arcs], np.int32), np.array([a[2] for a in arcs], np.int32)
    zero = np.zeros(cells)
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
        y_m=zero,
        inward_m=zero,
        chainage_m=np.arange(cells) * 100.0 + 1.0,
        arc_start=start,
        arc_to=to,
        arc_tau=tau,
        starts=np.array(starts, np.int32),
    )
    piece_start = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64)
    cell = np.array([c for p in pieces for c in sorted(p)], np.int32)
    factor = exposure.factors(np.array([p[c] for p in pieces for c in sorted(p)]), 1.0)
    return exposure.View(
        graph=graph,
        arcs=_kernels.arcs(start, to, tau, graph.starts),
        seen=_kernels.pieces(piece_start, cell, factor, cells),
        offsets=np.linspace(0, len(pieces), aircraft + 1).astype(np.int32),
        start=piece_start,
        cell=cell,
        factor=factor,
    )


def exposure_at(view: exposure.View, plan: np.ndarray, t: int, u: int) -> float:
    total = 0.0
    for row in plan:
        piece = int(row[t])
        if piece >= 0:
            part = slice(view.start[piece], view.start[piece + 1])
            total += sum(-math.log(f) for c, f in zip(view.cell[part], view.factor[part], strict=True) if c == u)
    return total


def told_value(view: exposure.View, mixture: game.Mixture) -> float:
    """The informed crosser's survival by plain recursion over (wave, column, step, place): no clever algebra."""
    graph, n, waves = view.graph, mixture.plans[0].shape[2], len(mixture.plans)
    memo: dict[tuple[object, ...], float] = {}

    def before(w: int, layout: int, state: object) -> float:  # a wave is about to begin; its draw is not known yet
        if w == waves:
            return 0.0
        key = ("before", w, layout, state)
        if key not in memo:
            drawn = [(s, p) for s, p in enumerate(mixture.sigma[w]) if mixture.begins[w][s] == layout]
            memo[key] = sum(p * during(w, s, 0, state) for s, p in drawn)
        return memo[key]

    def during(w: int, s: int, t: int, state: object) -> float:
        if t == n:
            return before(w + 1, int(mixture.ends[w][s]), state)
        key = (w, s, t, state)
        if key in memo:
            return memo[key]
        plan = mixture.plans[w][s]
        if state == "out":
            value = max([during(w, s, t + 1, "out"), *(during(w, s, t, ("in", int(u))) for u in graph.starts)])
        elif state[0] == "in":  # type: ignore[index]
            u = state[1]  # type: ignore[index]
            seen = math.exp(-exposure_at(view, plan, t, u))
            options = [during(w, s, t + 1, state)]
            for a in range(graph.arc_start[u], graph.arc_start[u + 1]):
                options.append(moved(w, s, t + 1, int(a), int(graph.arc_tau[a]) - 1))
            value = seen * max(options)
        else:
            _, a, left = state  # type: ignore[misc]
            u = int(np.searchsorted(graph.arc_start, a, side="right")) - 1
            value = math.exp(-exposure_at(view, plan, t, u)) * moved(w, s, t + 1, a, left - 1)
        memo[key] = value
        return value

    def moved(w: int, s: int, t: int, a: int, left: int) -> float:
        if left > 0:
            return during(w, s, t, ("arc", a, left))
        v = int(graph.arc_to[a])
        return 1.0 if v == graph.count else during(w, s, t, ("in", v))

    return sum(float(p) * before(0, layout, "out") for layout, p in enumerate(mixture.start))


def random_instance(seed: int, *, columns: int = 2) -> tuple[exposure.View, game.Mixture]:
    rng = np.random.default_rng(seed)
    cells, waves, steps = 4, 3, 4
    arcs = {(int(rng.integers(cells)), int(rng.integers(cells + 1))): int(rng.integers(1, 7)) for _ in range(9)}
    arcs |= {(u, u + 1): int(rng.integers(1, 4)) for u in range(cells)}
    pieces = [{int(c): float(rng.exponential(0.7)) for c in rng.permutation(cells)[:2]} for _ in range(6)]
    view = small_view([(u, v, t) for (u, v), t in arcs.items() if u != v], cells, [0, 1], pieces, aircraft=2)
    plans = tuple(rng.integers(-1, 6, (columns, 2, steps)).astype(np.int32) for _ in range(waves))
    sigma = tuple(rng.dirichlet(np.ones(columns)) for _ in range(waves))
    return view, game.mixture(plans, sigma)


def with_layouts(mixture: game.Mixture, seed: int, layouts: int = 2) -> game.Mixture:
    """The same columns, spread over layouts: every layout of a wave has some to begin with."""
    rng = np.random.default_rng(seed)
    begins = [np.arange(len(s)).astype(np.int32) % layouts for s in mixture.sigma]
    ends = [rng.permutation(np.arange(len(s)) % layouts).astype(np.int32) for s in mixture.sigma]
    sigma = [s / np.bincount(b, s)[b] for s, b in zip(mixture.sigma, begins, strict=True)]
    return game.mixture(mixture.plans, sigma, begins, ends, rng.dirichlet(np.ones(layouts)))


@pytest.mark.parametrize("seed", range(12))
def test_layouts_equal_plain_recursion(seed: int) -> None:
    view, plain = random_instance(seed, columns=5)
    mixture = with_layouts(plain, seed)
    exact = told_value(view, mixture)
    bound = game.backward(view, mixture)
    assert 1.0 - bound.floor == pytest.approx(exact, rel=2e-5)
    assert bound.floor <= 1.0 - exact + 1e-6
    response = game.respond(view, mixture, bound, np.random.default_rng(seed))
    shares = game.marginal(mixture)
    assert response.survival[0][0] @ mixture.sigma[0] == pytest.approx(exact, rel=1e-4)
    for w in range(3):
        assert response.survival[w][0] @ mixture.sigma[w] <= exact * (1.0 + 1e-4)  # some are through by then
        assert shares[w].sum() == pytest.approx(1.0)
        for i, j in itertools.product(range(2), range(2)):
            chosen = np.flatnonzero((mixture.begins[w] == i) & (mixture.ends[w] == j))
            if len(chosen):
                priced = game.price(view, mixture.plans[w][chosen], w, bound, response, begins=i, ends=j)
                assert priced == pytest.approx(response.survival[w][:, chosen], rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_kinds_held_to_a_group_of_starts(seed: int) -> None:
    """Held to one start, a crosser is worth what he is on a graph with that start alone; nobody beats the free one."""
    view, mixture = random_instance(seed, columns=3)
    bound = game.backward(view, mixture, group=np.array([0, 1], np.int32))
    kinds = np.array([-1, 0, 1], np.int32)
    response = game.respond(view, mixture, bound, np.random.default_rng(seed), kinds=kinds)
    for k, cell in enumerate(view.graph.starts):
        alone = small_view_of(view, [int(cell)])
        value = 1.0 - game.backward(alone, mixture).floor
        assert bound.held[0][0, k] == pytest.approx(value, rel=1e-4)
        assert response.survival[0][k + 1] @ mixture.sigma[0] == pytest.approx(value, rel=1e-4)
    assert bound.held[0][0].max() <= bound.out[0][0] * (1.0 + 1e-9)
    assert response.survival[0][0] @ mixture.sigma[0] == pytest.approx(bound.out[0][0], rel=1e-4)
    both = game.price(view, mixture.plans[1], 1, bound, response)
    assert both == pytest.approx(response.survival[1], rel=1e-5)


def small_view_of(view: exposure.View, starts: list[int]) -> exposure.View:
    """The same view with other start cells."""
    graph = replace(view.graph, starts=np.array(starts, np.int32))
    arcs = _kernels.arcs(graph.arc_start, graph.arc_to, graph.arc_tau, graph.starts)
    return replace(view, graph=graph, arcs=arcs)


@pytest.mark.parametrize("seed", range(8))
def test_fixed_routes_through_layouts(seed: int) -> None:
    """A route's detection and the posterior of what was flown, by enumeration of all nights."""
    view, plain = random_instance(seed, columns=5)
    mixture = with_layouts(plain, seed)
    route = np.full((1, 12), -1, np.int32)
    route[0, 2:9] = [0, 0, 1, 1, 2, 3, 3]
    plan, _ = game.squared(mixture, view)
    exposure = _kernels.route_exposure(view.seen, plan, route, 1)[0]
    weights, survival = game.posterior(mixture, exposure)
    total, by_column = 0.0, np.zeros_like(weights)
    for night in itertools.product(*(range(len(s)) for s in mixture.sigma)):
        probability = mixture.start[mixture.begins[0][night[0]]]
        for w, s in enumerate(night):
            joined = w == 0 or mixture.begins[w][s] == mixture.ends[w - 1][night[w - 1]]
            probability *= mixture.sigma[w][s] if joined else 0.0
        miss = probability * math.exp(-sum(exposure[w, s] for w, s in enumerate(night)))
        total += miss
        for w, s in enumerate(night):
            by_column[w, s] += miss
    assert survival == pytest.approx(total)
    assert weights == pytest.approx(by_column / total)
    assert game.route_detection(view, mixture, route) == pytest.approx([1.0 - total])
    assert 1.0 - total >= game.backward(view, mixture).floor - 1e-7


def test_a_repeated_day_lets_crossers_end_in_the_second() -> None:
    """Three steps to cross, four in a day, seen at the beginning of each: only who ends tomorrow is safe."""
    view = small_view([(0, 1, 3)], 1, [0], [{0: 1.0}])
    plan = np.array([[[0, 0, -1, -1]]], np.int32)
    mixture = game.mixture([plan], [np.ones(1)])
    assert game.backward(view, mixture).floor == pytest.approx(1.0 - math.exp(-1.0), abs=1e-5)
    view = small_view([(0, 1, 2)], 1, [0], [{0: 1.0}])
    plan = np.array([[[-1, 0, 0, -1]]], np.int32)
    mixture = game.mixture([plan], [np.ones(1)])
    assert game.backward(view, mixture).floor == pytest.approx(1.0 - math.exp(-1.0), abs=1e-5)
    assert game.backward(view, mixture, cycles=2).floor == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("seed", range(25))
def test_backward_equals_plain_recursion(seed: int) -> None:
    view, mixture = random_instance(seed)
    exact = told_value(view, mixture)
    bound = game.backward(view, mixture)
    assert bound.out[0][0] == pytest.approx(exact, rel=2e-5)
    assert bound.out[0][0] * (1.0 + 1e-6) >= exact  # rounded up
    assert bound.floor <= 1.0 - exact + 1e-9  # the certified floor errs down
    assert bound.floor >= 1.0 - exact * (1.0 + 1e-4) - 1e-6


@pytest.mark.parametrize("seed", range(8))
def test_one_column_per_wave_is_the_shortest_path(seed: int) -> None:
    view, mixture = random_instance(seed, columns=1)
    plan, sigma = game.squared(mixture, view)
    cost = _kernels.mixture_exposure(view.seen, plan, sigma, 1)
    least, _ = _kernels.cheapest_routes(view.arcs, cost, np.zeros(2, np.int32), np.array([0, 12], np.int32))
    assert game.backward(view, mixture).out[0][0] == pytest.approx(
        math.exp(-least[0]) if least[0] < 1e9 else 0.0, rel=1e-4
    )


@pytest.mark.parametrize("seed", range(10))
def test_no_route_beats_the_floor_and_the_attack_is_a_real_route(seed: int) -> None:
    view, mixture = random_instance(seed, columns=3)
    floor = game.backward(view, mixture).floor
    found = bounds.attack(view, mixture, np.random.default_rng(seed), segments=2)
    assert (np.diff(found.detection) >= 0.0).all()
    if len(found.detection):
        assert found.detection[0] >= floor - 1e-6
        by_hand = 1.0
        for w, (plans, sigma) in enumerate(zip(mixture.plans, mixture.sigma, strict=True)):
            survived = 0.0
            for plan, p in zip(plans, sigma, strict=True):
                h = sum(
                    exposure_at(view, plan, t, int(u))
                    for t, u in enumerate(found.routes[0][w * 4 : w * 4 + 4])
                    if u >= 0
                )
                survived += p * math.exp(-h)
            by_hand *= survived
        assert found.detection[0] == pytest.approx(1.0 - by_hand, abs=1e-5)


def test_two_schedules_with_exposures_0_and_2_give_043_not_063() -> None:
    view = small_view([(0, 1, 1)], 1, [0], [{0: 2.0}])
    plan = np.array([[[-1]], [[0]]], np.int32)
    mixture = game.mixture((plan,), (np.array([0.5, 0.5]),))
    truth = 1.0 - 0.5 * (1.0 + math.exp(-2.0))
    fixed = game.route_detection(view, mixture, np.array([[0]], np.int32))
    assert fixed[0] == pytest.approx(truth, abs=1e-6)
    assert truth == pytest.approx(0.432, abs=1e-3)
    assert 1.0 - math.exp(-1.0) == pytest.approx(0.632, abs=1e-3)  # what the forbidden shortcut would say
    # Told the draw, and with a single step to cross in, he stays at home or goes when nobody looks.
    assert game.backward(view, mixture).floor == pytest.approx(truth, abs=1e-6)


def test_mid_arc_states_are_carried_over_the_boundary() -> None:
    # One arc of 3 steps through waves of 2: exposed in the second wave only, while still on the arc.
    view = small_view([(0, 1, 3)], 1, [0], [{0: 1.0}])
    quiet, seen = np.array([[[-1, -1]]], np.int32), np.array([[[0, 0]]], np.int32)
    one = (np.ones(1),) * 2
    assert game.backward(view, game.mixture((seen, quiet), one)).out[0][0] == pytest.approx(math.exp(-1.0))
    assert game.backward(view, game.mixture((quiet, seen), one)).out[0][0] == pytest.approx(math.exp(-1.0))


@pytest.mark.parametrize("seed", range(6))
def test_derivative_supports_the_value_from_below(seed: int) -> None:
    """The best response is one policy, worth S . sigma: it stays that good for other weights, others may do better."""
    view, mixture = random_instance(seed, columns=3)
    bound = game.backward(view, mixture)
    response = game.respond(view, mixture, bound, np.random.default_rng(0))
    assert response.survival[0][0] @ mixture.sigma[0] == pytest.approx(bound.out[0][0], rel=1e-4)
    for w, sigma in enumerate(mixture.sigma):
        priced = game.price(view, mixture.plans[w], w, bound, response)
        assert priced == pytest.approx(response.survival[w], rel=1e-6)
        for step in (1e-3, 0.3):
            moved = (1.0 - step) * sigma + step * np.eye(3)[int(response.survival[w][0].argmin())]
            other = game.backward(
                view, game.mixture(mixture.plans, (*mixture.sigma[:w], moved, *mixture.sigma[w + 1 :]))
            )
            below = bound.out[0][0] + response.survival[w][0] @ (moved - sigma)
            assert other.out[0][0] >= below - 2e-5
            if step == 1e-3:
                assert other.out[0][0] == pytest.approx(below, abs=2e-3)


def test_survival_factors_are_rounded_up() -> None:
    rate = np.array([0.0, 1e-9, 0.1, 3.0, 500.0])
    factor = exposure.factors(rate, 1.0)
    assert factor.dtype == np.float32
    assert (factor.astype(float) >= np.exp(-rate)).all() and (factor <= 1.0).all() and factor[-1] > 0.0


def line_patrol(cells: int, steps: int) -> float:
    """Value of the patrol game on a line against somebody who stays `steps` at one cell: linear program over walks."""
    from scipy.optimize import linprog

    walks = [
        w
        for w in itertools.product(range(cells), repeat=steps)
        if all(abs(a - b) <= 1 for a, b in itertools.pairwise(w))
    ]
    hit = np.array([[float(c in w) for w in walks] for c in range(cells)])
    answer = linprog(
        np.append(np.zeros(len(walks)), -1.0),
        A_ub=np.hstack([-hit, np.ones((cells, 1))]),
        b_ub=np.zeros(cells),
        A_eq=np.append(np.ones(len(walks)), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * len(walks) + [(None, None)],
    )
    return float(answer.x[-1])


@pytest.mark.parametrize(("cells", "steps"), [(4, 3), (5, 4)])
def test_line_patrol_known_value(cells: int, steps: int) -> None:
    """The optimum of the line patrol against an attacker who is told nothing is m / (n + m - 1) here."""
    value = line_patrol(cells, steps)
    assert value == pytest.approx(steps / (cells + steps - 1), abs=1e-9)


def test_line_patrol_mixture_is_worth_its_value_to_a_fixed_route() -> None:
    cells, steps = 5, 4
    walks = [
        w
        for w in itertools.product(range(cells), repeat=steps)
        if all(abs(a - b) <= 1 for a, b in itertools.pairwise(w))
    ]
    arcs = [(c, cells, steps) for c in range(cells)]
    view = small_view(arcs, cells, list(range(cells)), [{c: 40.0} for c in range(cells)])
    from scipy.optimize import linprog

    hit = np.array([[float(c in w) for w in walks] for c in range(cells)])
    answer = linprog(
        np.append(np.zeros(len(walks)), -1.0),
        A_ub=np.hstack([-hit, np.ones((cells, 1))]),
        b_ub=np.zeros(cells),
        A_eq=np.append(np.ones(len(walks)), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * len(walks) + [(None, None)],
    )
    used = [(w, p) for w, p in zip(walks, answer.x, strict=False) if p > 1e-9]
    plan = np.array([[w] for w, _ in used], np.int32)
    mixture = game.mixture((plan,), (np.array([p for _, p in used]),))
    routes = np.repeat(np.arange(cells, dtype=np.int32)[:, None], steps, axis=1)
    detection = game.route_detection(view, mixture, routes)
    assert detection.min() == pytest.approx(steps / (cells + steps - 1), abs=1e-6)
    assert bounds.attack(view, mixture, np.random.default_rng(0), segments=2).detection[0] == pytest.approx(
        detection.min(), abs=1e-6
    )
