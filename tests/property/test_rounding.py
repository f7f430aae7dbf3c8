"""Everything that is rounded is rounded against us: travel times down, exposure down, survival and energy up."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import places as made_up
import pytest
import small_games
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kuntur.patrol import _kernels, crossers, doubts, exposure, game

RATES = st.floats(0.0, 200.0)


@given(rate_hz=st.lists(RATES, min_size=1, max_size=20), step_s=st.floats(1e-3, 600.0))
def test_survival_of_a_step_is_rounded_up(rate_hz: list[float], step_s: float) -> None:
    factor = exposure.factors(np.array(rate_hz), step_s)
    assert factor.dtype == np.float32
    for f, rate in zip(factor, rate_hz, strict=True):
        assert 0.0 < f <= 1.0
        assert float(f) >= min(1.0, math.exp(-rate * step_s) * (1.0 - 1e-15))


@given(theta=st.floats(0.0, 1.0), rate=st.lists(st.floats(0.0, 50.0), min_size=1, max_size=8))
def test_doubt_rounds_survival_up_and_never_adds_exposure(theta: float, rate: list[float]) -> None:
    view = small_games.view([(0, 8, 1)], 8, [0], [dict(enumerate(rate))])
    weak = doubts.weakened(view, theta)
    assert (weak.factor >= view.factor).all()
    for f, full in zip(weak.factor, view.factor, strict=True):
        assert float(f) >= min(1.0, float(full) ** theta * (1.0 - 1e-15))


@given(rates=st.lists(st.floats(1e-6, 3.0), min_size=1, max_size=6), steps=st.integers(1, 6))
@settings(max_examples=60)
def test_the_floor_of_one_fixed_schedule_is_below_the_exact_one(rates: list[float], steps: int) -> None:
    """A corridor of cells, one column: exact rational survival against the floor of the kernel."""
    cells = len(rates)
    arcs = [(u, u + 1, steps) for u in range(cells)]
    view = small_games.view(arcs, cells, [0], [dict(enumerate(rates))])
    plan = np.zeros((1, 1, cells * steps), np.int32)
    bound = game.backward(view, game.mixture([plan], [np.ones(1)]), threads=1)
    survival = Fraction(1)
    for f in view.factor:
        survival *= Fraction(float(f)) ** steps  # nobody need wait: straight through is best
    assert Fraction(bound.floor) <= 1 - survival
    assert bound.floor >= float(1 - survival) - 1e-5


@given(
    cost=st.lists(st.floats(0.0, 20.0, width=32), min_size=4, max_size=4),
    tau=st.lists(st.integers(1, 3), min_size=4, max_size=4),
)
def test_the_least_cost_of_a_route_is_rounded_down(cost: list[float], tau: list[int]) -> None:
    arcs = [(u, u + 1, t) for u, t in enumerate(tau)]
    view = small_games.view(arcs, 4, [0], [{0: 1.0}])
    steps = sum(tau)
    field = np.tile(np.array(cost, np.float32), (steps, 1))
    least, _ = _kernels.cheapest_routes(view.arcs, field, np.zeros(1, np.int32), np.array([0, steps], np.int32))
    exact = sum(Fraction(float(c)) * t for c, t in zip(np.array(cost, np.float32), tau, strict=True))
    assert Fraction(least[0]) <= exact
    if max(cost) <= 16.0:  # a dearer step is never taken for more
        assert least[0] >= float(exact) - steps * 2.0**-21


@given(seed=st.integers(0, 10_000), loud=st.floats(0.05, 20.0))
@settings(max_examples=80)
def test_a_field_of_the_second_proof_is_rounded_down(seed: int, loud: float) -> None:
    """One cell, one column, the crosser in it all the time: the field may not exceed the chance to be seen."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 7))
    pieces = [{0: float(h)} for h in rng.exponential(loud, steps)]
    view = small_games.view([(0, 1, steps)], 1, [0], pieces)
    plan = np.arange(steps, dtype=np.int32)[None, None]
    field = _kernels.wave_field(
        view.arcs,
        view.seen,
        plan,
        np.ones(1),
        np.ones((steps, 1), np.uint8),
        rng.random((steps, 1), np.float32),
        True,
        1,
    )
    exact = -math.expm1(sum(math.log(float(f)) for f in view.factor))
    assert float(field.astype(np.float64).sum()) <= exact


@pytest.mark.parametrize("step_s", [20.0, 45.0, 60.0, 97.0])
def test_travel_times_are_rounded_down(step_s: float) -> None:
    """No coarse step makes a crossing slower than it truly is: at most what steps of a second, each arc a second more,
    say. Rounded to the nearest step, some would be slower."""
    area = made_up.ridge_area()
    cells = crossers.strip(area, 240.0)
    second = crossers.graph(area, cells, area.crossers[0], 1.0)
    slower = replace(second, arc_tau=second.arc_tau + 1)
    coarse = crossers.graph(area, cells, area.crossers[0], step_s)
    assert (crossers.fastest_s(coarse) <= crossers.fastest_s(slower)).all()
    nearest = replace(coarse, arc_tau=coarse.arc_tau + 1)
    assert (crossers.fastest_s(nearest) > crossers.fastest_s(second)).any()  # the test can fail
