"""Crossers who know the plan: the policy against its recursion, ways off the lattice, hiding, exact odds."""

from __future__ import annotations

import math

import numpy as np
import places
import pytest
import strategies
from msgspec.structs import replace

from kuntur.geodesy import lines
from kuntur.model.plans import Column, Wave
from kuntur.patrol import _kernels, exposure, game, policy, strategy
from kuntur.sim import adaptive, encounters
from kuntur.sim.world import SimulatedCrosser

AREA = strategies.narrow_ridge()
STRATEGY = strategies.out_and_back(AREA, half_m=700.0)


@pytest.fixture(scope="module")
def board() -> adaptive.Board:
    return adaptive.Board(AREA, STRATEGY, AREA.crossers[0], cell_m=240.0, step_s=120.0)


@pytest.fixture(scope="module")
def odds() -> encounters.Odds:
    return encounters.Odds(AREA, STRATEGY)


@pytest.fixture(scope="module")
def ways(board) -> list[adaptive.Way]:
    return board.fixed_ways(np.random.default_rng(4), 6)


def drawn(rng: np.random.Generator, board: adaptive.Board) -> list[int]:
    return [int(rng.choice(len(sigma), p=sigma)) for sigma in board.mixture.sigma]


def test_the_policy_earns_what_the_recursion_says(board) -> None:
    rng = np.random.default_rng(7)
    plan, _ = game.squared(board.mixture, board.view)
    survived = []
    for _ in range(400):
        columns = drawn(rng, board)
        route = board.policy.route(columns, rng)
        seen = _kernels.route_exposure(board.view.seen, plan, route[None], 2)[0]
        survived.append(math.exp(-sum(seen[wave, column] for wave, column in enumerate(columns))))
    error = np.std(survived) / math.sqrt(len(survived))
    assert np.mean(survived) == pytest.approx(1.0 - board.bound.floor, abs=3.5 * error)
    assert error < 0.01


def test_the_policy_does_not_look_ahead(board) -> None:
    """Two nights that differ in a later wave alone have the same beginning."""
    rng = np.random.default_rng(8)
    same = 0
    for _ in range(30):
        columns = drawn(rng, board)
        other = [*columns[:-1], (columns[-1] + 1) % len(board.mixture.sigma[-1])]
        routes = [board.policy.route(c, np.random.default_rng(1)) for c in (columns, other)]
        before = len(routes[0]) * (len(columns) - 1) // len(columns)
        assert np.array_equal(routes[0][:before], routes[1][:before])
        same += int((routes[0][:before] >= 0).any())
    assert same > 0


def test_what_he_expects_lies_above_what_is_certified(board) -> None:
    certified = exposure.view(AREA, list(AREA.fleet.aircraft), board.graph, board.cuts)
    floor = game.backward(certified, board.mixture).floor
    assert 0.1 < floor < board.bound.floor < 1.0


def test_expected_rates_are_those_in_the_middle_of_the_cells(board) -> None:
    """Against the integrator: an aircraft over its first viewpoint, somebody standing in the middle of a cell."""
    aircraft = AREA.fleet.aircraft[0]
    eye = board.cuts[0].viewpoints_m[:1]
    rates = policy._rates_of(AREA, aircraft, board.graph, eye, 0).toarray()[0]
    inside = board.graph.inward_m <= AREA.requirement.depth_m
    t_s = np.full(board.graph.count, 1.0)
    x_m, y_m, alt_msl_m = (float(v) for v in eye[0])
    still = strategies.segment(AREA, 0, aircraft.id, 0, (0.0, 2.0), np.array([[x_m, y_m]] * 2))
    still = replace(still, alt_msl_m=(alt_msl_m, alt_msl_m))
    flown = [encounters.flight(AREA, aircraft.id, [still])]
    exact = encounters.rates_hz(AREA, flown, "person", t_s, board.graph.x_m, board.graph.y_m)
    assert rates[inside] == pytest.approx(exact[inside], rel=1e-3, abs=1e-9)
    assert (rates > 0.0).sum() > 20


def test_a_way_is_at_the_right_cells_at_the_right_times(board, ways) -> None:
    graph, need = board.graph, AREA.requirement
    assert len(ways) >= 2
    for way in ways:
        assert (np.diff(way.arrive_s) > 0.0).all() and (way.leave_s >= way.arrive_s).all()
        walker = way.crosser("a", board.crosser)
        _, inward = lines.inward_offset(AREA.border.xy_m, AREA.border.ours, way.centre_m[:, 0], way.centre_m[:, 1])
        assert inward[0] < graph.cells.cell_m and inward[-1] >= need.depth_m and walker.t_s[-1] <= need.duration_s
        # From the middle of one cell to the middle of a neighbour, no quicker than the lattice grants.
        legs = np.abs(np.diff(way.centre_m, axis=0))
        assert legs.max() <= graph.cells.cell_m + 1e-6
        pace = np.hypot(*legs.T) / (way.arrive_s[1:] - way.leave_s[:-1])
        # The fastest walk on a track, 3.4 m/s, with the lattice's roundings in his favour; the first and the last way
        # begin and end on the lines that they lead over, not in the middle of a cell.
        assert pace[1:-1].max() < 6.0
        assert (np.hypot(*legs.T) <= way.reach_m).all()


def test_hiding_helps_and_keeps_to_cells_times_and_pace(board, ways, odds) -> None:
    before = odds.detection_prob([way.crosser("a", board.crosser) for way in ways])
    rng = np.random.default_rng(2)
    hidden = [adaptive.hide(way, board, odds.detection_prob, rng, rounds=15, variants=8) for way in ways]
    after = odds.detection_prob([way.crosser("a", board.crosser) for way in hidden])
    assert (after <= before + 1e-12).all() and (after < before - 0.005).any()
    for way in hidden:
        assert np.abs(way.xy_m - way.centre_m).max() <= board.graph.cells.cell_m / 2.0 + 1e-9
        assert (np.hypot(*np.diff(way.xy_m, axis=0).T) <= way.reach_m).all()
        assert np.array_equal(way.xy_m[-1], way.centre_m[-1])


def test_hiding_changes_nothing_that_was_begun_before(board, ways) -> None:
    def easterly(crossers: list[SimulatedCrosser]) -> np.ndarray:
        return np.array([1000.0 - sum(c.x_m) / 1e3 for c in crossers])

    way = ways[0]
    middle_s = float(way.leave_s[len(way.leave_s) // 2])
    moved = adaptive.hide(
        way, board, easterly, np.random.default_rng(3), rounds=30, variants=8, from_s=middle_s, until_s=math.inf
    )
    changed = np.flatnonzero((moved.xy_m != way.xy_m).any(axis=1))
    assert len(changed) and way.leave_s[changed.min() - 1] >= middle_s


def test_odds_take_the_expectation_outside_the_exponential() -> None:
    """SCIENCE I.7.1: two equally likely schedules, exposures 0 and 2 on the only route: 0.43, not 1 - 1/e = 0.63."""
    area = strategies.narrow_ridge()
    ids = area.fleet.aircraft[0].id
    here = np.array([[1500.0, 0.0], [1500.0, 0.0]])
    over = strategies.segment(area, 0, ids, 0, (0.0, 3600.0), here)
    landed = strategies.segment(area, 1, ids, 0, (), np.zeros((0, 2)))
    columns = (Column(segment_ids=(0,), weight=1), Column(segment_ids=(1,), weight=1))
    game_of_two = strategies.strategy(area, (Wave(start_s=0.0, end_s=3600.0, columns=columns),), (over, landed))
    rate_hz = encounters.rates_hz(
        area, [encounters.flight(area, ids, [over])], "person", np.ones(1), np.full(1, 2000.0), np.zeros(1)
    )[0]
    waiting = SimulatedCrosser(
        id="w", crosser_class="walker", target="person", t_s=(0.0, 2.0 / rate_hz), x_m=(2000.0,) * 2, y_m=(0.0,) * 2
    )
    assert 2.0 / rate_hz < 3600.0
    detection = encounters.Odds(area, game_of_two).detection_prob([waiting])[0]
    assert detection == pytest.approx(0.5 * -math.expm1(-2.0), abs=1e-6)
    assert detection == pytest.approx(0.432, abs=0.001)


def test_odds_are_the_mean_over_drawn_nights(board, ways, odds) -> None:
    rng = np.random.default_rng(5)
    segments = {s.id: s for s in STRATEGY.segments}
    walkers = [way.crosser("a", board.crosser) for way in ways]
    seen = []
    for _ in range(150):
        parts: dict[str, list] = {}
        for wave, column in zip(STRATEGY.waves, drawn(rng, board), strict=True):
            for i in wave.columns[column].segment_ids:
                parts.setdefault(segments[i].aircraft_id, []).append(segments[i])
        flown = [encounters.flight(AREA, aircraft_id, path) for aircraft_id, path in parts.items()]
        seen.append(-np.expm1(-encounters.exposures(AREA, flown, walkers)))
    error = np.std(seen, axis=0) / math.sqrt(len(seen))
    assert (np.abs(np.mean(seen, axis=0) - odds.detection_prob(walkers)) <= 3.5 * error + 1e-3).all()


def test_nobody_is_seen_where_looking_is_forbidden(board) -> None:
    zone = places._square("village", "no_look", 1500.0, 0.0, 900.0)
    closed = adaptive.Board(replace(AREA, zones=(zone,)), STRATEGY, AREA.crossers[0], cell_m=240.0, step_s=120.0)
    inside = lines.inside(zone.xy_m, closed.graph.x_m, closed.graph.y_m)
    assert inside.any() and not inside[closed.view.cell].any() and inside[board.view.cell].any()
    assert closed.bound.floor < board.bound.floor


def test_only_the_certified_waves_are_played() -> None:
    """The first wave left out: as the whole game on a strategy that has the last two waves alone, a wave later."""
    late = replace(STRATEGY, certificate=replace(STRATEGY.certificate, from_s=1200.0))
    board = adaptive.Board(AREA, late, AREA.crossers[0], cell_m=240.0, step_s=120.0)
    assert board.waves == range(1, 3) and len(board.mixture.sigma) == 2
    way = board.informed_way([0, 1, 2], np.random.default_rng(1))
    assert way is not None and way.arrive_s[0] >= 1200.0 and way.arrive_s[-1] <= 3600.0
    other = board.informed_way([3, 1, 2], np.random.default_rng(1))
    assert other is not None and np.array_equal(way.arrive_s, other.arrive_s)
    early = replace(STRATEGY, certificate=replace(STRATEGY.certificate, until_s=2400.0))
    assert strategy.promised(early) == range(2)
