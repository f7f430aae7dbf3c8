"""The floor on a fleet's cost, held to fleets whose best patrol is known by listing every joint schedule."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import small_games
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kuntur.patrol import sizing
from kuntur.patrol.exposure import View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

ROUTES, STEPS, MOST = 3, 3, 3
LINE = [(0, 1), (1, 2)]
"""Places of the aircraft: each sees the route of its number; from one to the next takes a step."""


def instance(sharpness: tuple[float, float]) -> tuple[View, list[sizing.Option]]:
    """A committed game with two options, whose looks are worth `sharpness` of exposure a step."""
    net = small_games.walker_net(ROUTES, LINE)
    pieces = [{(j, t): h for t in range(STEPS)} for h in sharpness for j in range(ROUTES)]
    view = small_games.committed(ROUTES, STEPS, pieces, [ROUTES, ROUTES])
    options = [
        sizing.Option(
            type_id=f"type_{k}",
            base_id="b",
            flight_hours=1.0,
            nets=(net,),
            pieces=((k * ROUTES + net.arc_from).astype(np.int32),),
            ranges=((k * ROUTES, (k + 1) * ROUTES),),
        )
        for k in range(2)
    ]
    return view, options


def value(sharpness: tuple[float, float], counts: tuple[int, ...]) -> float:
    """What this fleet's best mixture is worth: every joint schedule against every route, by linear program."""
    walks = small_games.paths(small_games.walker_net(ROUTES, LINE), STEPS)
    visits = np.unique([np.bincount(walk, minlength=ROUTES) for walk in walks], axis=0)
    exposures = np.zeros((1, ROUTES))
    for h, count in zip(sharpness, counts, strict=True):
        for _ in range(count):
            exposures = np.unique((exposures[:, None, :] + h * visits[None, :, :]).reshape(-1, ROUTES), axis=0)
    return small_games.matrix_value(1.0 - np.exp(-exposures))[0]


def rounds(count: int) -> Callable[[], bool]:
    """Yes so many times, then no."""
    left = itertools.chain(itertools.repeat(True, count), itertools.repeat(False))
    return lambda: next(left)


def every_fleet() -> list[tuple[int, ...]]:
    return [n for n in itertools.product(range(MOST + 1), repeat=2) if 1 <= sum(n) <= MOST]


def prices(each: tuple[float, float], opening: float = 0.0) -> sizing.Prices:
    return sizing.Prices(aircraft=np.array(each), base=np.zeros(2, np.int32), opening=np.array([opening]))


sharp = st.tuples(st.floats(0.05, 2.0), st.floats(0.05, 2.0))
costs = st.tuples(st.floats(0.5, 5.0), st.floats(0.5, 5.0))


@settings(max_examples=25, deadline=None)
@given(sharp, costs, st.floats(0.05, 0.95))
def test_no_fleet_below_the_floor_reaches_the_detection(
    sharpness: tuple[float, float], each: tuple[float, float], detection_prob: float
) -> None:
    view, options = instance(sharpness)
    found = sizing.cost_floor(
        options, [view], prices(each), detection_prob, MOST, 2 * STEPS, go_on=rounds(30), threads=1
    )
    for counts in every_fleet():
        true = value(sharpness, counts)
        assert true <= sizing.ceiling(found.cuts, counts) + 1e-9, "every cut holds for every fleet"
        assert true <= found.highest + 1e-9
        if prices(each).of(counts) < found.cost - 1e-9:
            assert true < detection_prob, "a fleet below the proven floor does what was asked for"


def test_the_floor_is_exact_where_exposures_add_up() -> None:
    """Looks so faint that nobody is seen twice: detection is exposure, and the additive game is the game."""
    h, p = 0.004, 0.009
    enough = [n for n in every_fleet() if value((h, 2.5 * h), n) >= p]
    assert 0 < len(enough) < len(every_fleet()), "the requirement must divide the fleets"
    view, options = instance((h, 2.5 * h))
    for each in ((1.0, 1.0), (1.0, 2.2), (1.0, 3.5)):
        least = min(prices(each, 0.5).of(n) for n in enough)
        found = sizing.cost_floor(options, [view], prices(each, 0.5), p, MOST, 2 * STEPS, go_on=rounds(4000), threads=1)
        assert found.cost == least
        assert found.counts in enough


def test_the_floor_leaves_out_fleets_that_cannot_do_it() -> None:
    """It is not the trivial floor of one aircraft: here one cannot, and the program knows it."""
    view, options = instance((0.3, 0.3))
    found = sizing.cost_floor(options, [view], prices((1.0, 1.0)), 0.5, MOST, 2 * STEPS, go_on=rounds(2000), threads=1)
    assert found.cost == 3.0 and found.closed
    assert value((0.3, 0.3), (2, 0)) < 0.5


def test_a_requirement_above_every_ceiling_is_known_as_such() -> None:
    view, options = instance((0.1, 0.1))
    found = sizing.cost_floor(options, [view], prices((1.0, 1.0)), 0.9, MOST, 2 * STEPS, go_on=rounds(2000), threads=1)
    assert found.counts is None and found.cost == np.inf
    best = max(value((0.1, 0.1), n) for n in every_fleet())
    assert best <= found.highest < 0.4


def test_the_two_schedules_of_the_science_page() -> None:
    """Exposures 0 and 2, drawn evenly, on the only route: seen with 0.43. Expected exposure says 0.63, a ceiling; what
    a step can be worth says 0.43."""
    seen = small_games.committed(2, 1, [{(0, 0): 2.0}, {(1, 0): 2.0}])
    net = small_games.walker_net(2, [])
    option = sizing.Option(
        type_id="t",
        base_id="b",
        flight_hours=1.0,
        nets=(net,),
        pieces=(net.arc_from.astype(np.int32),),
        ranges=((0, 2),),
    )
    truth = (1.0 - np.exp(-2.0)) / 2.0
    one = sizing.Prices(aircraft=np.ones(1), base=np.zeros(1, np.int32), opening=np.zeros(1))
    able = sizing.cost_floor([option], [seen], one, truth - 0.01, 1, 2, go_on=rounds(2000), threads=1)
    assert able.counts == (1,), "what can be done is never ruled out"
    for wanted in (0.5, 0.62, 0.66):
        above = sizing.cost_floor([option], [seen], one, wanted, 1, 2, go_on=rounds(2000), threads=1)
        assert above.counts is None
        assert truth <= above.highest < 0.45
    added = [sizing.Cut(worth=cut.worth, capped=False, crosser="w") for cut in above.cuts if not cut.capped]
    assert sizing.ceiling(added, (1,)) >= 1.0 - np.exp(-1.0), "expected exposure alone never goes below 0.63"
