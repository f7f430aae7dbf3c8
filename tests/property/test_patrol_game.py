"""What must hold of the segment game on any graph, any columns, any mixture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_games
from hypothesis import given, settings
from hypothesis import strategies as st

from kuntur.patrol import _kernels, doubts, exposure, game

STEPS = 4
FEW = settings(max_examples=40, deadline=None)
SLACK = 1e-6


@st.composite
def games(draw: st.DrawFn, most_layouts: int = 2) -> tuple[exposure.View, game.Mixture]:
    """Up to six cells, three waves, two aircraft, some columns, one or two layouts at each inner boundary."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cells, waves = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    links = {(int(a), int(b)) for a, b in rng.integers(0, cells + 1, (3 * cells, 2)) if a < cells and a != b}
    links |= {(u, u + 1) for u in range(cells)}
    longest = draw(st.sampled_from([1, 3, 7]))  # in steps: up to almost two waves
    arcs = [(u, v, int(rng.integers(1, longest + 1))) for u, v in sorted(links)]
    loud = draw(st.sampled_from([0.05, 1.0, 30.0]))
    pieces = [
        {int(c): float(rng.exponential(loud)) for c in rng.permutation(cells)[: int(rng.integers(0, cells + 1))]}
        for _ in range(6)
    ]
    starts = sorted({0, int(rng.integers(cells))})
    view = small_games.view(arcs, cells, starts, pieces, [3, 3])
    layouts = [1, *(int(rng.integers(1, most_layouts + 1)) for _ in range(waves - 1)), 1]
    plans, sigma, begins, ends = [], [], [], []
    for w in range(waves):
        count = int(rng.integers(1, 12))
        come = np.concatenate([np.arange(layouts[w]), rng.integers(0, layouts[w], count)]).astype(np.int32)
        go = rng.integers(0, layouts[w + 1], len(come)).astype(np.int32)
        go[: layouts[w + 1]] = np.arange(layouts[w + 1])  # each is led to
        own = rng.integers(-1, 3, (len(come), 2, STEPS))
        plans.append(np.where(own >= 0, own + np.array([0, 3])[None, :, None], -1).astype(np.int32))
        share = rng.exponential(1.0, len(come)) + 1e-3
        sigma.append(share / np.bincount(come, share)[come])
        begins.append(come)
        ends.append(go)
    return view, game.mixture(plans, sigma, begins, ends)


def wandering(view: exposure.View, mixture: game.Mixture, rng: np.random.Generator) -> np.ndarray:
    """Random fixed routes that get through in time."""
    graph, steps = view.graph, STEPS * len(mixture.plans)
    found = []
    for _ in range(60):
        route, t, u = np.full(steps, -1, np.int32), int(rng.integers(steps)), int(rng.choice(graph.starts))
        while t < steps and u != graph.count:
            a = int(rng.integers(graph.arc_start[u] - 1, graph.arc_start[u + 1]))
            tau, v = (1, u) if a < graph.arc_start[u] else (int(graph.arc_tau[a]), int(graph.arc_to[a]))
            route[t : t + tau] = u
            t, u = t + tau, v
        if u == graph.count and t <= steps:
            found.append(route)
    return np.array(found, np.int32).reshape(-1, steps)


@FEW
@given(games(), st.integers(0, 1000))
def test_no_route_is_detected_less_often_than_the_floor(made: tuple[exposure.View, game.Mixture], seed: int) -> None:
    view, mixture = made
    routes = wandering(view, mixture, np.random.default_rng(seed))
    if len(routes):
        assert game.route_detection(view, mixture, routes).min() >= game.backward(view, mixture).floor - 1e-12


@FEW
@given(games(), st.integers(0, 1000))
def test_no_informed_policy_survives_more_often_than_the_floor_allows(
    made: tuple[exposure.View, game.Mixture], seed: int
) -> None:
    """A policy that sees each draw: per wave and column a fixed random table of moves, walked through by simulation of
    every sequence of draws."""
    view, mixture = made
    rng = np.random.default_rng(seed)
    graph = view.graph
    fields = [[small_games.exposure_field(view, plan) for plan in plans] for plans in mixture.plans]
    moves = [rng.integers(-1, 3, (len(plans), STEPS, graph.count)) for plans in mixture.plans]
    begin = [rng.integers(0, STEPS + 2, len(plans)) for plans in mixture.plans]
    survived = 0.0

    def fly(w: int, layout: int, state: tuple[int, int, int], odds: float) -> None:
        nonlocal survived
        if w == len(mixture.plans):
            return
        for s in np.flatnonzero(mixture.begins[w] == layout):
            u, v, left = state  # in u; on the way to v with `left` steps to go, or -1 outside
            lived = odds * float(mixture.sigma[w][s])
            through = False
            for t in range(STEPS):
                if u < 0:
                    if t == begin[w][s]:
                        u = v = int(graph.starts[int(moves[w][s, t, 0]) % len(graph.starts)])
                        left = 0
                    else:
                        continue
                if left == 0:
                    choice = int(moves[w][s, t, u])
                    a = graph.arc_start[u] + choice
                    if choice >= 0 and a < graph.arc_start[u + 1]:
                        v, left = int(graph.arc_to[a]), int(graph.arc_tau[a])
                lived *= float(np.exp(-fields[w][s][t, u]))
                if left > 0:
                    left -= 1
                    if left == 0:
                        u = v
                        if u == graph.count:
                            through = True
                            break
            if through:
                survived += lived
            else:
                fly(w + 1, int(mixture.ends[w][s]), (u, v, left), lived)

    fly(0, 0, (-1, -1, 0), 1.0)
    assert survived <= 1.0 - game.backward(view, mixture).floor + 1e-9


@FEW
@given(games(most_layouts=1))
def test_one_column_a_wave_is_the_shortest_path(made: tuple[exposure.View, game.Mixture]) -> None:
    view, mixture = made
    one = game.mixture([plan[:1] for plan in mixture.plans], [np.ones(1) for _ in mixture.plans])
    plan, sigma = game.squared(one, view)
    steps = plan.shape[0] * plan.shape[3]
    cost = _kernels.mixture_exposure(view.seen, plan, sigma, 1)
    anywhere = np.zeros(len(view.graph.starts), np.int32)
    least, _ = _kernels.cheapest_routes(view.arcs, cost, anywhere, np.array([0, steps], np.int32))
    survival = float(np.exp(-least[0])) if least[0] < 1e9 else 0.0
    assert 1.0 - game.backward(view, one).floor == pytest.approx(survival, rel=1e-4, abs=SLACK)


@FEW
@given(games(), st.integers(0, 1000))
def test_a_column_of_weight_0_and_the_order_of_columns_change_nothing(
    made: tuple[exposure.View, game.Mixture], seed: int
) -> None:
    view, mixture = made
    rng = np.random.default_rng(seed)
    floor = game.backward(view, mixture).floor
    order = [rng.permutation(len(s)) for s in mixture.sigma]
    shuffled = game.mixture(
        *(
            [part[w][order[w]] for w in range(len(order))]
            for part in (mixture.plans, mixture.sigma, mixture.begins, mixture.ends)
        )
    )
    assert game.backward(view, shuffled).floor == pytest.approx(floor, abs=SLACK)
    silent = game.mixture(
        [np.concatenate([p, np.full((1, *p.shape[1:]), -1, np.int32)]) for p in mixture.plans],
        [np.append(s, 0.0) for s in mixture.sigma],
        [np.append(b, np.int32(0)) for b in mixture.begins],
        [np.append(e, np.int32(0)) for e in mixture.ends],
    )
    assert game.backward(view, silent).floor == pytest.approx(floor, abs=SLACK)


@FEW
@given(games(), st.floats(0.0, 1.0))
def test_more_exposure_never_lowers_the_floor(made: tuple[exposure.View, game.Mixture], share: float) -> None:
    view, mixture = made
    weaker = game.backward(doubts.weakened(view, share), mixture).floor
    assert weaker <= game.backward(view, mixture).floor + SLACK
    blind = game.mixture(
        [np.full_like(p, -1) for p in mixture.plans], mixture.sigma, mixture.begins, mixture.ends, mixture.start
    )
    through = len(small_games.every_walk(view, STEPS)) > 0 or game.backward(view, blind).out[0][0] > 0.5
    assert game.backward(view, blind).floor == (0.0 if through else pytest.approx(1.0))


@FEW
@given(games(most_layouts=1), st.integers(0, 1000))
def test_layouts_with_the_same_columns_are_the_merged_game(made: tuple[exposure.View, game.Mixture], seed: int) -> None:
    """Two layouts that nothing tells apart: every column twice, once from each, its weight shared between both ends."""
    view, mixture = made
    rng, waves = np.random.default_rng(seed), len(mixture.plans)
    plans, sigma, begins, ends = [], [], [], []
    for w in range(waves):
        come, go = (1 if w == 0 else 2), (1 if w == waves - 1 else 2)
        cut = rng.random(len(mixture.sigma[w]))
        shares = [mixture.sigma[w]] if go == 1 else [mixture.sigma[w] * cut, mixture.sigma[w] * (1.0 - cut)]
        for i in range(come):
            for j, part in enumerate(shares):
                plans.append((w, mixture.plans[w]))
                sigma.append(part)
                begins.append(np.full(len(part), i, np.int32))
                ends.append(np.full(len(part), j, np.int32))

    def gathered(parts: list[np.ndarray]) -> list[np.ndarray]:
        return [np.concatenate([p for p, (of, _) in zip(parts, plans, strict=True) if of == w]) for w in range(waves)]

    doubled = game.mixture(gathered([p for _, p in plans]), gathered(sigma), gathered(begins), gathered(ends))
    merged = game.backward(view, mixture).floor
    assert game.backward(view, doubled).floor == pytest.approx(merged, abs=SLACK)


@settings(max_examples=15, deadline=None)
@given(games())
def test_threads_give_the_same_bits(made: tuple[exposure.View, game.Mixture]) -> None:
    view, mixture = made
    one, four = game.backward(view, mixture, threads=1), game.backward(view, mixture, threads=4)
    assert one.floor == four.floor
    for a, b in zip((*one.value, *one.mid, *one.out), (*four.value, *four.mid, *four.out), strict=True):
        assert np.array_equal(a, b)


def bits() -> str:
    """Floors and boundary values of a few games, as hexadecimal."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cells = 9
        links = [(u, v) for u in range(cells) for v in range(cells + 1) if u != v and rng.random() < 0.4]
        arcs = [(u, v, int(rng.integers(1, 4))) for u, v in links]
        pieces = [{int(c): float(rng.exponential(3.0)) for c in rng.permutation(cells)[:4]} for _ in range(5)]
        view = small_games.view([*arcs, (cells - 1, cells, 2)], cells, [0, 1], pieces)
        plans = [rng.integers(-1, 5, (11, 1, STEPS)).astype(np.int32) for _ in range(3)]
        bound = game.backward(view, game.mixture(plans, [rng.dirichlet(np.ones(11)) for _ in plans]))
        found += [bound.floor.hex(), *(value.tobytes().hex() for value in bound.value)]
    return " ".join(found)


@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_every_instruction_level_gives_the_same_bits(level: str) -> None:
    """The level is chosen when the core is loaded, so each runs in a process of its own."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), *sys.path])
    asked = subprocess.run(
        [sys.executable, "-c", "import test_patrol_game; print(test_patrol_game.bits())"],
        env=os.environ | {"KUNTUR_SIMD": level, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == bits()
