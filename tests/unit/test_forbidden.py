"""The shortcuts that would make the promise false, one test each: every one fails if the product takes it.

The list is the project's own (docs/explanation/three-numbers.md says why each is wrong); its numbers are kept here.
"""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import places
import pytest
import small_games
from msgspec.structs import replace

from kuntur import units
from kuntur.aircraft import performance
from kuntur.errors import ConfigError
from kuntur.model.place import Area
from kuntur.model.plans import Strategy
from kuntur.ops import plan as ops
from kuntur.ops.plan_check import check_strategy
from kuntur.patrol import bounds, crossers, doubts, draw, exposure, game, paces, sizing, strategy
from kuntur.visibility import detection

CERTAIN = small_games.CERTAIN


@pytest.fixture(scope="module")
def area() -> Area:
    """The made-up ridge with one wing that lasts and one rotor, against slow walkers."""
    made = places.ridge_area()
    wing, rotor = made.fleet.aircraft[0], made.fleet.aircraft[1]
    lasting = replace(wing.airframe, endurance_s=21_600.0, battery_wh=2400.0, max_climb_mps=6.0)
    hovering = replace(rotor.airframe, endurance_s=3600.0, battery_wh=900.0)
    return replace(
        made,
        fleet=replace(made.fleet, aircraft=(replace(wing, airframe=lasting), replace(rotor, airframe=hovering))),
        crossers=tuple(replace(c, required=c.mode == "walk", speed_factor=0.5) for c in made.crossers),
        requirement=replace(made.requirement, crosser_step_s=60.0, duration_s=7200.0, detection_prob=0.9999),
    )


@pytest.fixture(scope="module")
def unmet(area: Area) -> ops.UnmetError:
    """More is asked for than any plan can give; the best one found comes with the refusal."""
    with pytest.raises(ops.UnmetError) as refused:
        ops.plan(area, seconds=2.0, seed=3)
    return refused.value


@pytest.fixture(scope="module")
def planned(unmet: ops.UnmetError) -> Strategy:
    return unmet.strategy


def test_1_expected_exposure_is_a_ceiling_and_never_the_guarantee() -> None:
    """Two equally likely schedules with exposures 0 and 2 on the only route: 0.63 by expectation, 0.43 in truth."""
    view = small_games.committed(1, 1, [{}, {(0, 0): 2.0}])
    mixture = small_games.committed_mixture(np.array([[[0]], [[1]]], np.int32), np.array([0.5, 0.5]))
    by_expectation = -math.expm1(-1.0)
    assert game.backward(view, mixture).floor == pytest.approx(0.432, abs=1e-3)
    assert game.backward(view, mixture).floor < by_expectation - 0.19
    assert bounds.attack(view, mixture, np.random.default_rng(0)).detection[0] == pytest.approx(0.432, abs=1e-3)
    net = small_games.walker_net(2, [])
    crew = small_games.walker_crew(net, 1)
    assert bounds.ceiling(view, [net], [crew.arc_piece], small_games.committed_routes(1, 1), 2) >= by_expectation


def test_2_a_drone_is_in_one_place() -> None:
    """Half the nights over A, half over B, both steps: somebody who crosses A is met every other night. Presence of 0.5
    at each step, drawn anew, would say 0.75; summed over steps, 1."""
    both = [{(0, t): CERTAIN for t in range(2)}, {(1, t): CERTAIN for t in range(2)}]
    view = small_games.committed(2, 2, both)
    nights = np.array([[[0, 0]], [[1, 1]]], np.int32)
    floor = game.backward(view, small_games.committed_mixture(nights, np.array([0.5, 0.5]))).floor
    assert floor == pytest.approx(0.5, abs=1e-5)
    # Waves that are drawn anew do multiply, and only they:
    each = game.mixture([np.full((1, 1, 2), -1, np.int32), nights], [np.ones(1), np.array([0.5, 0.5])])
    assert game.backward(view, each).floor == pytest.approx(0.5, abs=1e-5)


def test_3_what_was_only_found_is_never_called_proven(area: Area, planned: Strategy) -> None:
    c = planned.certificate
    assert c.floor == min(c.floor_planning, c.floor_audit) <= c.attack + 1e-9
    assert "not a bound" in c.attackers["attack"]
    assert "proven" in c.attackers["floor"] and "proven" in c.attackers["ceiling"]
    # The floor is a value of the plan's own mixture against everybody, and not that of the routes met in the search.
    view, mixture = small_games.view([(0, 1, 1)], 1, [0], [{0: 1.0}]), None
    mixture = game.mixture([np.array([[[-1, 0]], [[0, -1]]], np.int32)], [np.array([0.5, 0.5])])
    attacked = bounds.attack(view, mixture, np.random.default_rng(0)).detection[0]
    assert attacked == pytest.approx(-0.5 * math.expm1(-1.0), abs=1e-6)
    assert game.backward(view, mixture).floor == 0.0  # told the draw, he goes when nobody looks


def test_4_crossers_start_anywhere_at_any_time_wait_and_are_fast(area: Area) -> None:
    graph = crossers.graph(area, crossers.strip(area, area.requirement.crosser_cell_m), area.crossers[0], 60.0)
    at_border = graph.inward_m[graph.starts]
    assert len(graph.starts) > 20 and np.abs(at_border).max() <= graph.cells.cell_m
    along = np.sort(graph.chainage_m[graph.starts])
    assert np.diff(along).max() <= 2.0 * graph.cells.cell_m  # no gap in where he may appear
    for gradient in np.linspace(-0.5, 0.5, 21):
        assert paces.campbell_mps(gradient) > paces.tobler_mps(gradient)  # a fast percentile, not the typical walker
    one_gap = np.zeros((1, 1, 9), np.int32)
    one_gap[0, 0, 6] = -1
    every_start = small_games.view([(0, 1, 1)], 1, [0], [{0: CERTAIN}])
    assert game.backward(every_start, game.mixture([one_gap], [np.ones(1)])).floor == 0.0  # he starts at that step
    blind_first = np.zeros((1, 1, 9), np.int32)
    blind_first[0, 0, :] = [1, 1, 1, 1, 1, 0, 0, 0, 0]  # looks at the far cell, then at the near one
    waits = small_games.view([(0, 1, 1), (1, 2, 1)], 2, [0], [{0: CERTAIN}, {1: CERTAIN}])
    assert game.backward(waits, game.mixture([blind_first], [np.ones(1)])).floor == 0.0  # he waits for the change


def test_5_the_audit_is_on_a_finer_lattice_and_counts(planned: Strategy) -> None:
    c = planned.certificate
    assert c.audit_cell_m <= c.planning_cell_m / 2.0 and c.audit_step_s <= c.planning_step_s / 2.0
    assert c.floor <= c.floor_audit and c.floor <= c.floor_planning


def test_6_naive_crossers_are_no_measure(area: Area) -> None:
    """A patrol that meets every straight crosser and no other is worth nothing, whatever share of ground it covers."""
    view = small_games.view([(0, 2, 1), (1, 2, 2)], 2, [0, 1], [{0: CERTAIN}])
    always = game.mixture([np.zeros((1, 1, 6), np.int32)], [np.ones(1)])
    straight = np.full((1, 6), -1, np.int32)
    straight[0, 2] = 0
    assert game.route_detection(view, always, straight)[0] == pytest.approx(1.0)  # the fastest way, at any time
    assert game.backward(view, always).floor == 0.0


def test_7_a_random_phase_of_one_route_is_not_what_the_search_settles_for() -> None:
    """Line of 7 places, attacks of 3 steps at any time of 6: a sweep of random phase against the product's search."""
    places_, lasting, steps = 7, 3, 6
    every = [(p, t) for p in range(places_) for t in range(steps - lasting + 1)]
    seen = [{(j, t): CERTAIN for j, (at, begin) in enumerate(every) if at == p for t in range(begin, begin + lasting)}
            for p in range(places_)]  # fmt: skip
    view = small_games.committed(len(every), steps, seen)
    loop = np.concatenate([np.arange(places_), np.arange(places_ - 2, 0, -1)])
    phases = np.stack([np.roll(loop, -k)[:steps] for k in range(len(loop))]).astype(np.int32)
    sweep = game.backward(
        view, small_games.committed_mixture(phases[:, None, :], np.full(len(phases), 1.0 / len(phases)))
    ).floor
    assert sweep == pytest.approx(lasting / (2 * (places_ - 1)), abs=1e-5)
    net = small_games.walker_net(places_, list(itertools.pairwise(range(places_))))
    found = small_games.searched([small_games.walker_crew(net, steps)], view, steps, rounds=40)
    assert found.best_floor > sweep + 0.03


def test_8_thin_air_wind_climb_and_reserve_are_in_every_figure(area: Area) -> None:
    for aircraft in area.fleet.aircraft:
        low = performance.budget(aircraft.airframe, 0.0, 0.0, area.weather)
        high = performance.budget(aircraft.airframe, 0.0, 4000.0, area.weather)
        assert (
            high.endurance_s < low.endurance_s < aircraft.airframe.endurance_s
        )  # less than the catalog, by reserve too
        loaded = performance.budget(aircraft.airframe, 0.5, 4000.0, area.weather)
        assert loaded.endurance_s < high.endurance_s
        calm = replace(area.weather, wind_speed_mps=0.0)
        windy = replace(area.weather, wind_speed_mps=8.0, wind_from_rad=0.0)
        ways = [performance.leg(aircraft.airframe, high, 0.0, dy, 0.0, w).time_s
                for dy, w in ((5000.0, calm), (5000.0, windy), (-5000.0, windy))]  # fmt: skip
        assert float(ways[1]) > float(ways[0])
        assert float(ways[1] + ways[2]) > 2.0 * float(ways[0])  # there and back costs more in any wind
        level, up = (performance.leg(aircraft.airframe, high, 5000.0, 0.0, dz, calm) for dz in (0.0, 300.0))
        assert float(up.endurance_s) > float(level.endurance_s)
    turns = [performance.turn_radius_m(v) for v in (20.0, 20.0 / math.sqrt(0.669))]
    assert turns[1] == pytest.approx(1.49 * turns[0], rel=0.01)


def test_8_sensors_are_no_flat_discs(area: Area) -> None:
    """The same camera over the same ground: cells behind the ridge are not seen, and far ones less than near ones."""
    made = strategy.setting(area)
    view = made.views[0]
    reach_m = detection.max_range_m(area.fleet.aircraft[0].camera, "person", area.weather)
    pieces = np.flatnonzero(np.diff(view.start) > 0)
    shares = []
    for p in pieces[:: max(1, len(pieces) // 200)]:
        cells = view.cell[view.start[p] : view.start[p + 1]]
        x, y = view.graph.x_m[cells].mean(), view.graph.y_m[cells].mean()
        disc = np.hypot(view.graph.x_m - x, view.graph.y_m - y) <= 0.7 * reach_m
        shares.append(len(cells) / disc.sum())
    assert min(shares) < 0.6
    assert view.factor.min() < view.factor.max() - 0.01


def test_9_frames_are_not_looks_and_common_doubt_is_not_multiplied(area: Area) -> None:
    camera = area.fleet.aircraft[0].camera
    search = detection.search_for(camera, {"person"}, 400.0, area.weather)
    rate = detection.detection_rate_hz(camera, search, "person", area.weather, [600.0], [math.radians(45.0)])
    assert float(np.max(rate)) * search.independent_s <= 1.0 + 1e-9  # one look in a revolution, at most
    # Two drones look, exposure 2 each; half of all nights a cloud makes every look worthless.
    view = small_games.committed(1, 1, [{(0, 0): 2.0}, {(0, 0): 2.0}], [1, 1])
    mixture = small_games.committed_mixture(np.array([[[0], [1]]], np.int32), np.ones(1))
    clear = -math.expm1(-4.0)
    as_if_apart = 1.0 - (1.0 - 0.5 * -math.expm1(-2.0)) ** 2
    floor = doubts.mixed(doubts.floors(view, mixture, (0.0, 1.0)), (0.5, 0.5))
    assert floor == pytest.approx(0.5 * clear, abs=1e-5)
    assert floor < as_if_apart - 0.15


def test_10_every_column_is_flyable_before_it_enters(area: Area, planned: Strategy) -> None:
    assert check_strategy(area, planned) == []
    for wave in planned.waves:
        assert all(column.weight > 0 for column in wave.columns)
    used = {k for wave in planned.waves for column in wave.columns for k in column.segment_ids}
    flying = [s for s in planned.segments if s.id in used and len(s.t_s) > 2]
    one = flying[0]
    other = next(
        s for s in flying if s.aircraft_id != one.aircraft_id
        and any({s.id, one.id} <= set(c.segment_ids) for w in planned.waves for c in w.columns)
    )  # fmt: skip
    segments = tuple(
        replace(other, t_s=one.t_s, x_m=one.x_m, y_m=one.y_m, alt_msl_m=one.alt_msl_m, looks=())
        if s.id == other.id
        else s
        for s in planned.segments
    )
    assert check_strategy(area, replace(planned, segments=segments))


def test_11_a_fleet_is_too_small_only_when_that_is_proven() -> None:
    """What rules a fleet out is a bound over all its plans; that our search failed with it rules out nothing."""
    cut = sizing.Cut(worth=(0.5, 0.9), capped=False, crosser="walker")
    assert sizing.ceiling([cut], [1, 0]) == pytest.approx(-math.expm1(-0.5))
    assert sizing.ceiling([cut], [1, 1]) == pytest.approx(-math.expm1(-1.4))
    assert sizing.ceiling([], [1, 0]) == 1.0  # nothing proven: nothing excluded
    tighter = sizing.Cut(worth=(0.2, 0.3), capped=True, crosser="walker")
    assert sizing.ceiling([cut, tighter], [1, 1]) == pytest.approx(0.5)  # the least of the proofs counts


def test_12_the_draw_is_late_secret_and_open_to_anybody_afterwards(planned: Strategy) -> None:
    one, other = bytes(range(32)), bytes(range(1, 33))
    tasking = draw.draw(planned, one, 0)
    assert draw.check(planned, tasking, one) and not draw.check(planned, tasking, other)
    assert tasking.seed_commitment == draw.commitment(one) and one.hex() not in tasking.seed_commitment
    with pytest.raises(ConfigError):
        draw.draw(planned, b"1234", 0)  # nothing that could be tried out
    nights = {draw.columns(planned, bytes([k]) * 32) for k in range(30)}
    assert len(nights) > 20
    # The plan's own seed is public: it must not tell the draw.
    assert draw.columns(replace(planned, certificate=replace(planned.certificate, seed=99)), one) == draw.columns(
        planned, one
    )


def test_13_travel_time_and_exposure_are_rounded_down_energy_up(area: Area) -> None:
    rates = np.array([0.0, 1e-12, 0.01, 0.3, 7.0])
    assert (exposure.factors(rates, 60.0).astype(float) >= np.exp(-60.0 * rates)).all()
    cells = crossers.strip(area, area.requirement.crosser_cell_m)
    fine, coarse = (crossers.fastest_s(crossers.graph(area, cells, area.crossers[0], s)) for s in (10.0, 60.0))
    assert (coarse <= fine + 1e-6).all()  # whole steps are whole steps less, never more
    aircraft = area.fleet.aircraft[1]
    exact = performance.loaded_budget(aircraft, 4500.0, area.weather)
    spent = performance.leg(aircraft.airframe, exact, 1000.1, 0.0, 33.3, area.weather)
    assert float(spent.endurance_s) >= float(spent.time_s)
    view = small_games.committed(1, 1, [{(0, 0): 1.0}])
    mixture = small_games.committed_mixture(np.zeros((1, 1, 1), np.int32), np.ones(1))
    assert 0.0 < -math.expm1(-1.0) - game.backward(view, mixture).floor < 1e-5  # the floor errs down, and by little


def test_13_what_is_printed_is_not_more_than_what_is_proven(planned: Strategy) -> None:
    assert units.at_least(0.3599) == 0.35 and units.at_most(0.9501) == 0.96
    assert units.at_least(0.29) == 0.29 and units.at_most(0.29) == 0.29  # 0.29 * 100 is 28.999999999999996
    odd = replace(planned.certificate, floor=0.35999, ceiling=0.95001, floor_audit=0.35999, floor_planning=0.37999)
    said = {name: value for name, value, _ in ops.certificate_rows(replace(planned, certificate=odd))}
    assert said["certified floor"] == "0.35" and said["ceiling"] == "0.96"


def test_14_the_mixture_in_force_is_the_one_certified(planned: Strategy) -> None:
    """The certificate names the schedule it was computed on; one weight changed, and it is another."""
    assert draw.schedule_sha256(planned) == planned.certificate.schedule_sha256
    wave = next(w for w in planned.waves if len(w.columns) > 1 and w.columns[0].begins == w.columns[1].begins)
    first, second, *rest = wave.columns
    moved = (replace(first, weight=first.weight + 1), replace(second, weight=second.weight - 1), *rest)
    waves = tuple(replace(w, columns=moved) if w is wave else w for w in planned.waves)
    assert draw.schedule_sha256(replace(planned, waves=waves)) != planned.certificate.schedule_sha256
    # ... and the weights are the ones that the draw uses.
    total = {i: sum(c.weight for c in wave.columns if c.begins == i) for i in {c.begins for c in wave.columns}}
    assert set(total.values()) == {planned.weight_total}


def test_no_mixture_without_a_whole_draw_has_a_value() -> None:
    """A layout from which nothing leads on would count as never through: refused, not valued."""
    plan, half, home = np.full((2, 1, 1), -1, np.int32), np.array([0.5, 0.5]), np.zeros(2, np.int32)
    apart = np.array([0, 1], np.int32)
    with pytest.raises(ConfigError, match="layout 1"):
        game.mixture([plan, plan], [half, half], [home, home], [apart, home])
    with pytest.raises(ConfigError, match=r"sum to 0\.9"):
        game.mixture([plan], [np.array([0.5, 0.4])])


def test_the_floor_is_never_said_without_the_leak_and_without_calibration(planned: Strategy) -> None:
    names = [row[0] for row in ops.certificate_rows(planned)]
    assert names.index("certified floor") < names.index("if the draw leaks")
    assert all(row[2] for row in ops.certificate_rows(planned)[:4])  # each names its attacker
    assert any("calibrated" in caveat for caveat in planned.certificate.caveats)


def test_a_requirement_above_the_ceiling_is_told_the_ceiling(unmet: ops.UnmetError) -> None:
    told = re.search(r"no schedule of this fleet exceeds (\d\.\d\d)", str(unmet))
    assert told is not None
    assert float(told[1]) == units.at_most(unmet.strategy.certificate.ceiling)
