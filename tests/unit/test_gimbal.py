"""Looks on the flight lattice and in the exposure: parallel arcs, and never more promised than a sector can hold."""

from __future__ import annotations

import math

import numpy as np
import places
import pytest
import strategies
from msgspec.structs import replace

from kuntur.model.plans import SWEEP, Look, Segment
from kuntur.ops import trial
from kuntur.patrol import crossers, draw, exposure, flights, game, gimbal, policy, rota, strategy
from kuntur.sim import encounters
from kuntur.visibility import looks

AREA = strategies.narrow_ridge()
AIRCRAFT = AREA.fleet.aircraft[0]
EAST = Look("stare", math.pi / 2.0)


@pytest.fixture(scope="module")
def net() -> flights.FlightNet:
    area = replace(places.ridge_area(), zones=())
    return flights.net(area, flights.relief(area), area.fleet.aircraft[1], 0, area.requirement.crosser_step_s)


@pytest.fixture(scope="module")
def graph() -> crossers.CrosserGraph:
    return crossers.graph(AREA, crossers.strip(AREA, 120.0), AREA.crossers[0], 60.0)


def passing(*at: Look, x_m: float = 500.0) -> exposure.Track:
    """Northwards along the border at 350 m, in as many legs as there are looks."""
    y_m = np.linspace(-150.0, 150.0, max(len(at), 1) + 1)
    xyz_m = np.column_stack([np.full(len(y_m), x_m), y_m, np.full(len(y_m), 4900.0)])
    return exposure.Track(t_s=np.linspace(0.0, 240.0, len(y_m)), xyz_m=xyz_m, looks=at)


def rates(graph: crossers.CrosserGraph, *at: Look) -> np.ndarray:
    """Rate (pieces, nodes) of a pass."""
    pieces = exposure.cut([passing(*at)], 120.0, 400.0)
    start, node, rate_hz = exposure.rates(AREA, AIRCRAFT, graph, pieces)
    table = np.zeros((len(start) - 1, graph.count))
    for p in range(len(table)):
        part = slice(start[p], start[p + 1])
        table[p, node[part]] = rate_hz[part]
    return table


def test_a_pass_without_looks_is_one_of_sweeps_bit_by_bit(graph) -> None:
    plain = rates(graph)
    assert np.array_equal(plain, rates(graph, SWEEP)) and (plain > 0.0).sum() > 50


def test_a_sector_promises_its_own_rate_inside_and_nothing_outside(graph) -> None:
    sweep, sector = rates(graph, SWEEP), rates(graph, EAST)
    of = {kind: looks.search_of(kind, AIRCRAFT.camera, ["person"], AREA.requirement.height_agl_m, AREA.weather)
          for kind in ("sweep", "stare")}  # fmt: skip
    sooner = of["sweep"].independent_s / of["stare"].independent_s
    assert sooner > 1.5
    inside = sector > 0.0
    assert inside.any() and (sweep[inside] > 0.0).all()
    assert sector[inside] == pytest.approx(sweep[inside] * sooner, rel=1e-5)
    assert (sector <= sweep * sooner).all()  # rounded down
    half_m = graph.cells.cell_m / 2.0
    ends = passing(EAST).xyz_m
    for corner in ((-half_m, -half_m), (half_m, -half_m), (-half_m, half_m), (half_m, half_m)):
        for off in ((0.0, looks.OFF_TRACK_M), (0.0, -looks.OFF_TRACK_M), (-looks.OFF_TRACK_M, 0.0)):
            for eye in (0.5 * (ends[0] + ends[1]), *ends):
                dx, dy = graph.x_m + corner[0] - eye[0] - off[0], graph.y_m + corner[1] - eye[1] - off[1]
                piece = 0 if eye[1] < 0.0 else slice(None) if eye[1] == 0.0 else 1
                assert looks.holds(EAST, dx, dy)[np.atleast_2d(inside[piece]).any(axis=0)].all()


def test_a_piece_on_two_looks_counts_the_least_of_both(graph) -> None:
    both = rates(graph, SWEEP, EAST, SWEEP)
    swept, turned = rates(graph, SWEEP, SWEEP, SWEEP), rates(graph, EAST, EAST, EAST)
    held = turned > 0.0
    assert held.any() and (both[held] >= swept[held]).all() and (both[held] < turned[held]).all()
    assert (swept[both > 0.0] > 0.0).all() and (both > 0.0).sum() < (swept > 0.0).sum()


def test_every_way_comes_again_with_each_look_and_flies_the_same(net) -> None:
    area = replace(places.ridge_area(), zones=())
    more = gimbal.with_looks(area, net, ["sweep", "border", "stare"])
    assert gimbal.with_looks(area, net, ["sweep"]) is net
    assert len(more.arc_to) > 1.5 * len(net.arc_to)
    swept = np.flatnonzero(more.arc_look == 0)
    for name in ("arc_from", "arc_to", "arc_steps", "arc_use_s"):
        assert np.array_equal(getattr(more, name)[swept], getattr(net, name)), name
    assert np.array_equal(np.diff(more.arc_start), np.bincount(more.arc_from, minlength=len(more.node_m)))
    for a in np.flatnonzero(more.arc_look):
        twin = swept[(more.arc_from[swept] == more.arc_from[a]) & (more.arc_to[swept] == more.arc_to[a])]
        assert max(more.arc_from[a], more.arc_to[a]) < more.base_node and len(twin) == 1
        ours, its = (slice(more.vertex_start[i], more.vertex_start[i + 1]) for i in (a, int(twin[0])))
        assert np.array_equal(more.vertex_m[ours], more.vertex_m[its])
    assert {look.kind for look in more.looks} == {"sweep", "border", "stare"}


def test_a_written_segment_says_what_is_looked_at_on_each_leg(net) -> None:
    more = gimbal.with_looks(replace(places.ridge_area(), zones=()), net, ["border", "stare"])
    spots = np.flatnonzero((more.arc_from == more.arc_to) & (more.arc_from < more.base_node))
    node = int(np.bincount(more.arc_from[spots]).argmax())
    at = {int(more.arc_look[a]): int(a) for a in spots if more.arc_from[a] == node}
    first, second = sorted(look for look in at if look)[:2]
    flown = [at[first], at[first], at[second], at[0], at[0]]
    stage = rota.Stage(kind="fly", start=node, from_step=0, end=node, to_step=5, use_cap_s=math.inf)
    made = rota.segment(more, stage, np.array(flown), number=0, wave=0, wave_start_s=0.0)
    assert made.looks == (more.looks[first], more.looks[second], SWEEP)
    step_s = more.step_s
    assert made.t_s == (0.0, 2 * step_s, 3 * step_s, 5 * step_s)
    plain = rota.segment(more, stage, np.array([at[0]] * 5), number=0, wave=0, wave_start_s=0.0)
    assert plain.looks == () and plain.t_s == (0.0, 5 * step_s)


def test_what_he_expects_of_a_sector_is_what_the_integrator_gives(graph) -> None:
    """The middle of each cell from the first viewpoint, by the policy's table and by the simulated encounters."""
    pieces = exposure.cut([passing(EAST)], 120.0, 400.0)
    aim = int(np.flatnonzero(pieces.aims[:, 0] == 0)[0])
    eye = pieces.viewpoints_m[0]
    table = policy._rates(AREA, AIRCRAFT, graph, pieces).toarray()[aim]
    still = strategies.segment(AREA, 0, AIRCRAFT.id, 0, (0.0, 2.0), np.array([eye[:2]] * 2))
    still = replace(still, alt_msl_m=(float(eye[2]),) * 2, looks=(EAST,))
    flown = [encounters.flight(AREA, AIRCRAFT.id, [still])]
    exact = encounters.rates_hz(AREA, flown, "person", np.full(graph.count, 1.0), graph.x_m, graph.y_m)
    inside = graph.inward_m <= AREA.requirement.depth_m
    assert table[inside] == pytest.approx(exact[inside], rel=1e-3, abs=1e-9)
    assert (table > 0.0).sum() > 10
    everywhere = encounters.rates_hz(
        AREA, [encounters.flight(AREA, AIRCRAFT.id, [replace(still, looks=())])], "person", np.full(graph.count, 1.0),
        graph.x_m, graph.y_m,
    )  # fmt: skip
    west = graph.x_m < eye[0] - 10.0
    assert exact[west].max() == 0.0 < everywhere[west].max()


def test_a_sortie_carries_the_looks_of_its_segments() -> None:
    planned = strategies.out_and_back(AREA, half_m=700.0)
    turned = tuple(replace(s, looks=(EAST, SWEEP, EAST)) if s.wave % 2 else s for s in planned.segments)
    tasking = draw.draw(replace(planned, segments=turned), b"x" * 32, 0)
    sortie = tasking.sorties[0]
    assert len(sortie.looks) == len(sortie.t_s) - 1
    assert sortie.looks[:6] == (SWEEP, SWEEP, SWEEP, EAST, SWEEP, EAST)
    plain = draw.draw(planned, b"x" * 32, 0)
    assert all(s.looks == () for s in plain.sorties)


def test_a_plan_with_sectors_is_played_with_them(graph) -> None:
    planned = strategies.out_and_back(AREA, half_m=700.0)
    away = replace(planned, segments=tuple(replace(s, looks=(Look("stare", 0.0),) * 3) for s in planned.segments))
    views = [
        strategy.played(AREA, one, AREA.crossers[0], cell_m=240.0, step_s=120.0, spacing_m=400.0)[0]
        for one in (planned, away)
    ]
    assert 0 < len(views[1].cell) < len(views[0].cell)
    assert views[1].factor.min() < views[0].factor.min()


def test_a_plan_with_sectors_keeps_its_floor_and_its_looks_deliver_what_its_rates_say() -> None:
    rng = np.random.default_rng(3)
    planned = strategies.out_and_back(AREA, half_m=700.0)

    choice = (SWEEP, Look("border", math.pi / 2.0), *looks.STARES)

    def turned(segment: Segment) -> Segment:
        return replace(segment, looks=tuple(choice[int(k)] for k in rng.integers(len(choice), size=3)))

    planned = replace(planned, segments=tuple(turned(s) if s.id % 3 == 1 else s for s in planned.segments))
    kinds = [look.kind for segment in planned.segments for look in segment.looks]
    assert min(kinds.count(kind) for kind in ("sweep", "border", "stare")) > 5
    view, mixture = strategy.played(AREA, planned, AREA.crossers[0], cell_m=120.0, step_s=60.0, spacing_m=400.0)
    floor = game.backward(view, mixture).floor
    certificate = replace(planned.certificate, floor=floor, class_floors={"walker": floor})
    result = trial.trial(AREA, replace(planned, certificate=certificate), nights=100, seed=5)
    assert result.passed and 0.02 < floor < 0.8
    for one in result.outcomes:
        # The rate may promise less than the looks deliver, not more (detection.detection_rate_hz).
        assert -0.02 <= one.looked_prob - one.predicted_prob < 0.15
