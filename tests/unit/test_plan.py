"""Crossers, flight lattice, rota and the whole plan on the made-up ridge; the checker against plans made wrong."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import places
import pytest
from msgspec.structs import replace

from kuntur.errors import ConfigError, InfeasibleError
from kuntur.model.place import Area
from kuntur.model.plans import Segment, Strategy
from kuntur.ops import certify
from kuntur.ops import plan as ops
from kuntur.ops.plan_check import check_strategy
from kuntur.patrol import crossers, draw, exposure, game, paces, rota, strategy


def walkers_only() -> Area:
    area = places.ridge_area()
    wing = area.fleet.aircraft[0]
    lasting = replace(wing.airframe, endurance_s=21_600.0, battery_wh=2400.0, max_climb_mps=6.0)
    rotor = replace(area.fleet.aircraft[1].airframe, endurance_s=3600.0, battery_wh=900.0)
    rotors = tuple(replace(one, airframe=rotor) for one in area.fleet.aircraft[1:])
    return replace(
        area,
        fleet=replace(area.fleet, aircraft=(replace(wing, airframe=lasting), *rotors)),
        crossers=tuple(replace(c, required=c.mode == "walk", speed_factor=0.5) for c in area.crossers),
        requirement=replace(area.requirement, crosser_step_s=60.0, duration_s=7200.0, detection_prob=0.01),
    )


@pytest.fixture(scope="module")
def area() -> Area:
    return walkers_only()


@pytest.fixture(scope="module")
def planned(area: Area) -> Strategy:
    return ops.plan(area, seconds=6.0, seed=3, accept_best=True)


def test_campbell_is_fast_and_fastest_slightly_downhill() -> None:
    gradient = np.linspace(-0.6, 0.6, 241)
    fast = paces.campbell_mps(gradient)
    assert -0.1 < gradient[int(fast.argmax())] < 0.0
    assert (fast > paces.tobler_mps(gradient)).all()  # a fast percentile is above the typical walker everywhere
    assert fast[120] == pytest.approx(3.39, abs=0.02)  # on the flat; 0.6 of it off the path
    assert (fast > 0.0).all()


def test_travel_times_are_lower_bounds(area: Area) -> None:
    """No arc is slower than the straight line at the greatest speed, and no way slower than its straight length."""
    cells = crossers.strip(area, 240.0)
    graph = crossers.graph(area, cells, area.crossers[0], 60.0)
    top_mps = float(paces.campbell_mps(np.linspace(-0.3, 0.1, 400)).max())
    source = np.repeat(np.arange(graph.count), np.diff(graph.arc_start))
    inner = graph.arc_to < graph.count
    length = np.hypot(
        graph.x_m[source[inner]] - graph.x_m[graph.arc_to[inner]],
        graph.y_m[source[inner]] - graph.y_m[graph.arc_to[inner]],
    )
    assert (graph.arc_tau >= 1).all()
    assert (graph.arc_tau[inner] * graph.step_s <= length / 0.05).all()
    fastest = crossers.fastest_s(graph)
    assert np.isfinite(fastest).all()
    straight_s = (area.requirement.depth_m - graph.inward_m[graph.starts] - cells.cell_m) / top_mps
    assert (fastest >= math.cos(math.pi / 8.0) * 0.5 * straight_s).all()
    halved = crossers.fastest_s(crossers.graph(area, cells, replace(area.crossers[0], speed_factor=0.25), 60.0))
    assert (halved >= fastest).all() and halved.mean() > 1.7 * fastest.mean()


def test_vehicles_get_shorter_steps(area: Area) -> None:
    graph = crossers.graph(area, crossers.strip(area, 240.0), area.crossers[1], 60.0)
    assert graph.divisions > 1
    assert graph.step_s * graph.divisions == pytest.approx(60.0)
    assert graph.arc_tau.min() >= 1


def test_flight_lattice_is_safe_and_on_our_side(area: Area) -> None:
    for net in strategy.flight_nets(area):
        used = np.unique(net.arc_from)
        used = used[used < net.base_node]
        assert (net.inward_m[used] > 0.0).all()
        top = float(net.node_m[used, 2].max())
        assert top <= net.aircraft.airframe.ceiling_msl_m
        begin = net.vertex_t_s[net.vertex_start[:-1]]
        end = net.vertex_t_s[net.vertex_start[1:] - 1]
        assert begin == pytest.approx(0.0)
        assert end == pytest.approx(net.arc_steps * net.step_s)
        assert (net.arc_use_s >= net.arc_steps * net.step_s - 1e-6)[net.flying].all()  # climbing only adds
        assert (net.arc_use_s[~net.flying] == 0.0).all()  # waiting on the ground costs nothing


def test_short_endurance_and_ceiling_are_named(area: Area) -> None:
    rotor = area.fleet.aircraft[1]
    tired = replace(rotor.airframe, endurance_s=300.0, battery_wh=70.0, rotor_disc_area_m2=None)
    low = replace(rotor.airframe, ceiling_msl_m=4500.0)
    for airframe, word in (
        (tired, "its endurance in this air"),
        (low, "cannot fly above the strip: it reaches 4500 m"),
    ):
        fleet = replace(area.fleet, aircraft=(replace(rotor, airframe=airframe),))
        with pytest.raises(InfeasibleError, match=word):
            ops.plan(replace(area, fleet=fleet), seconds=1.0)


def test_strong_wind_is_named(area: Area) -> None:
    with pytest.raises(InfeasibleError, match="wind"):
        ops.plan(replace(area, weather=replace(area.weather, wind_speed_mps=16.0)), seconds=1.0)


def test_a_camera_that_needs_daylight_is_named_at_night(area: Area) -> None:
    rotor = area.fleet.aircraft[1]
    daylight = replace(rotor, camera=replace(rotor.camera, band="EO"))
    with pytest.raises(InfeasibleError, match=r"finds nobody with its camera .* by night") as told:
        ops.plan(replace(area, fleet=replace(area.fleet, aircraft=(daylight,))), seconds=1.0)
    assert "thermal or low-light" in str(told.value.remedy)


def test_a_watch_too_short_for_its_depth_is_refused(area: Area) -> None:
    slow = tuple(replace(c, speed_factor=0.2) for c in area.crossers)
    with pytest.raises(InfeasibleError, match="too short for its depth"):
        ops.plan(replace(area, crossers=slow), seconds=1.0)


def test_requirement_above_reach_says_the_best_reachable(area: Area) -> None:
    asked = replace(area, requirement=replace(area.requirement, detection_prob=0.999))
    with pytest.raises(ops.UnmetError, match="best certified floor is") as caught:
        ops.plan(asked, seconds=3.0)
    assert 0.0 <= caught.value.strategy.certificate.floor < 0.999


def test_certificate_orders_its_numbers(area: Area, planned: Strategy) -> None:
    c = planned.certificate
    assert 0.0 < c.floor == min(c.floor_planning, c.floor_audit)
    assert c.floor <= c.attack + 1e-6 <= c.ceiling + 1e-5
    assert c.leak <= c.attack + 0.1
    assert c.class_floors[c.crosser_class] == c.floor
    assert {"floor", "attack", "ceiling", "leak"} <= set(c.attackers)
    assert c.until_s is not None and c.from_s < c.until_s <= planned.watch_duration_s
    rows = ops.certificate_rows(planned)
    assert [r[0] for r in rows[:3]] == ["certified floor", "strongest attack found", "ceiling"]


def test_the_floor_is_recomputed_from_the_file_alone(area: Area, planned: Strategy, tmp_path: Path) -> None:
    path = ops.save_plan(planned, tmp_path / "plan.json")
    again = ops.load_plan(path)
    assert again == planned
    assert certify.audit(area, again, area.crossers[0]) == pytest.approx(planned.certificate.floor_audit, abs=1e-9)
    assert ops.strategy_sha256(again) == ops.strategy_sha256(planned)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ConfigError, match="is not a plan"):
        ops.load_plan(path)


def test_random_routes_never_survive_more_than_the_bound(area: Area, planned: Strategy) -> None:
    view, mixture = strategy.played(
        area, planned, area.crossers[0], cell_m=240.0, step_s=60.0, spacing_m=strategy.SPACING_M
    )
    bound = game.backward(view, mixture)
    rng, graph = np.random.default_rng(5), view.graph
    steps = sum(p.shape[2] for p in mixture.plans) * graph.divisions
    routes = []
    for _ in range(400):
        route = np.full(steps, -1, np.int32)
        t, u = int(rng.integers(steps // 8)), int(rng.choice(graph.starts))
        while t < steps and u != graph.count:
            arcs = np.arange(graph.arc_start[u], graph.arc_start[u + 1])
            deeper = np.array([graph.inward_m[v] if v < graph.count else 1e6 for v in graph.arc_to[arcs]])
            a = int(rng.choice(arcs[np.argsort(-deeper)[:2]]))
            route[t : t + int(graph.arc_tau[a])] = u
            t, u = t + int(graph.arc_tau[a]), int(graph.arc_to[a])
        if u == graph.count and t <= steps:
            routes.append(route)
    assert len(routes) > 10
    assert game.route_detection(view, mixture, np.array(routes)).min() >= bound.floor


def test_checker_passes_the_plan_and_every_draw_joins(area: Area, planned: Strategy) -> None:
    assert check_strategy(area, planned) == []
    for k in range(20):
        tasking = draw.draw(planned, bytes([k]) * 32, 0)
        bases = {b.id: b for b in area.bases}
        for sortie in tasking.sorties:
            base = bases[sortie.base_id]
            for end in (0, -1):
                assert math.hypot(sortie.x_m[end] - base.x_m, sortie.y_m[end] - base.y_m) < 1.0
            assert (np.diff(sortie.t_s) > 0.0).all()


def _changed(planned: Strategy, k: int, **fields: object) -> Strategy:
    segments = list(planned.segments)
    segments[k] = replace(segments[k], **fields)
    return replace(planned, segments=tuple(segments))


def _flying(planned: Strategy) -> tuple[int, Segment]:
    used = {i for wave in planned.waves for c in wave.columns for i in c.segment_ids}
    return next((k, s) for k, s in enumerate(planned.segments) if s.id in used and len(s.t_s) > 6)


def test_checker_sees_what_is_wrong(area: Area, planned: Strategy) -> None:
    k, s = _flying(planned)
    middle = len(s.t_s) // 2
    low = list(s.alt_msl_m)
    low[middle] = 4200.0
    assert any("above the ground" in w for w in check_strategy(area, _changed(planned, k, alt_msl_m=tuple(low))))
    west = list(s.x_m)
    west[middle] = -4000.0
    far = check_strategy(area, _changed(planned, k, x_m=tuple(west)))
    assert any("crosses the border" in w for w in far) and any("faster than it flies" in w for w in far)
    moved = check_strategy(area, _changed(planned, k, x_m=tuple(x + 300.0 for x in s.x_m)))
    assert any("do not join" in w for w in moved)
    heavy = replace(planned, weight_total=planned.weight_total + 1)
    assert any("add up to" in w for w in check_strategy(area, heavy))
    zone = replace(
        area.zones[1],
        xy_m=np.array([[s.x_m[middle] + dx, s.y_m[middle] + dy] for dx, dy in ((-90, -90), (90, -90), (0, 90))]),
    )
    assert any("no-fly" in w for w in check_strategy(replace(area, zones=(zone,)), planned))
    tired = tuple(
        replace(
            a,
            airframe=replace(
                a.airframe, endurance_s=a.airframe.endurance_s / 6.0, battery_wh=None, rotor_disc_area_m2=None
            ),
        )
        for a in area.fleet.aircraft
    )
    assert any(
        "endurance" in w for w in check_strategy(replace(area, fleet=replace(area.fleet, aircraft=tired)), planned)
    )
    with pytest.raises(ConfigError, match="independent checks"):
        certify.require_sound(area, heavy)


def test_checker_sees_aircraft_that_meet(area: Area, planned: Strategy) -> None:
    wave = next(
        w for w in planned.waves if sum(len(planned.segments[i].t_s) > 2 for i in w.columns[0].segment_ids) >= 2
    )
    first, second = [i for i in wave.columns[0].segment_ids if len(planned.segments[i].t_s) > 2][:2]
    a = planned.segments[first]
    twin = _changed(planned, second, t_s=a.t_s, x_m=a.x_m, y_m=a.y_m, alt_msl_m=a.alt_msl_m)
    assert any("meet" in w for w in check_strategy(area, twin))


def test_whole_weights_sum_exactly() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        sigma = rng.dirichlet(np.full(int(rng.integers(1, 30)), 0.3))
        weights = strategy.whole_weights(sigma)
        assert int(weights.sum()) == strategy.WEIGHT_TOTAL and (weights >= 0).all()
        kept = weights > 0
        assert weights[kept] / strategy.WEIGHT_TOTAL == pytest.approx(sigma[kept] / sigma[kept].sum(), abs=2e-6)


def test_pieces_bracket_their_step() -> None:
    track = exposure.Track(t_s=np.array([0.0, 100.0]), xyz_m=np.array([[0.0, 0.0, 9.0], [1000.0, 0.0, 9.0]]))
    pieces = exposure.cut([track], 20.0, 250.0)
    assert list(pieces.first) == [0, 5]
    for p in range(5):
        x = pieces.viewpoints_m[pieces.views[pieces.view_start[p] : pieces.view_start[p + 1]], 0]
        assert x.min() <= 200.0 * p + 1e-6 and x.max() >= 200.0 * (p + 1) - 1e-6
        assert x.max() - x.min() <= 200.0 + 2 * 250.0


def test_rota_keeps_turn_round_and_endurance(area: Area) -> None:
    for net in strategy.flight_nets(area):
        flights = rota.rota(area, net, 20, 9, turn=0)
        for flight in flights:
            assert (flight.landing - flight.take_off) * net.step_s <= net.usable_s
        for before, after in itertools.pairwise(flights):
            assert (after.take_off - before.landing) * net.step_s >= net.aircraft.turnround_s
