"""The rota of a night: layouts, caps that hold for every sequence of them, and the errors that say what binds."""

from __future__ import annotations

import functools
import itertools

import lattice_ways
import numpy as np
import places
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kuntur.errors import InfeasibleError
from kuntur.model.place import Area
from kuntur.patrol import flights, rota, strategy

WAVE_STEPS, WAVES = 20, 6


@functools.cache
def area() -> Area:
    area = places.ridge_area()
    lasting = tuple(
        replace(a, airframe=replace(a.airframe, endurance_s=21_600.0, battery_wh=None, rotor_disc_area_m2=None))
        for a in area.fleet.aircraft
    )
    need = replace(area.requirement, crosser_step_s=60.0, duration_s=7200.0)
    return replace(area, requirement=need, fleet=replace(area.fleet, aircraft=lasting))


@functools.cache
def nets() -> tuple[flights.FlightNet, ...]:
    return tuple(strategy.flight_nets(area()))


def wanted(net: flights.FlightNet, shares: tuple[float, ...]) -> rota.Wanted:
    length_m = float(net.chainage_m.max())
    return [[(length_m * share, 1500.0), (length_m * (1.0 - share), 1500.0)] for share in shares]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_sequence_of_columns_is_within_endurance(data: st.DataObject) -> None:
    """Layouts and ways drawn at random wave by wave: they join, and no flight uses more than the aircraft has."""
    net = data.draw(st.sampled_from(nets()))
    flown = rota.rota(area(), net, WAVE_STEPS, WAVES, turn=data.draw(st.integers(0, 2)))
    hubs = rota.hubs(net, flown, wanted(net, (0.2, 0.5, 0.8)), WAVE_STEPS, WAVES)
    stages = rota.stages(net, flown, hubs, WAVE_STEPS, WAVES)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    for flight in flown:
        layout, at, used_s, step = 0, net.base_node, 0.0, flight.take_off
        for wave in range(flight.take_off // WAVE_STEPS, -(-flight.landing // WAVE_STEPS)):
            following = int(rng.integers(3))
            stage = rota.stage_of(stages, wave, layout, following)
            assert stage.kind == "fly" and stage.start == at
            assert wave * WAVE_STEPS + stage.from_step == step
            arcs = lattice_ways.random_way(net, stage, rng)
            assert net.arc_from[arcs[0]] == at and net.arc_to[arcs[-1]] == stage.end
            assert all(net.arc_to[a] == net.arc_from[b] for a, b in itertools.pairwise(arcs))
            used_s += float(net.arc_use_s[arcs].sum())
            step += int(net.arc_steps[arcs].sum())
            layout, at = following, stage.end
        assert at == net.landed_node and step == flight.landing
        assert used_s <= net.usable_s + 1e-6


def test_no_way_leads_through_the_base() -> None:
    for net in nets():
        assert set(net.arc_to[net.arc_from == net.landed_node]) == {net.landed_node}
        assert set(net.arc_from[net.arc_to == net.base_node]) == {net.base_node}


def test_layouts_are_apart_where_there_is_room() -> None:
    net = nets()[0]
    flown = rota.rota(area(), net, WAVE_STEPS, WAVES, turn=0)
    hubs = rota.hubs(net, flown, wanted(net, (0.2, 0.8)), WAVE_STEPS, WAVES)
    assert all(len(nodes) == 2 for nodes in hubs.values())
    assert any(len(set(nodes)) == 2 for nodes in hubs.values())
    alone = rota.hubs(net, flown, wanted(net, (0.2,)), WAVE_STEPS, WAVES)
    assert {b: nodes[0] for b, nodes in hubs.items()} == {b: nodes[0] for b, nodes in alone.items()}


def test_the_caps_of_every_sequence_add_up_to_what_there_is() -> None:
    """Caps differ between layouts, and yet each sequence may use exactly the endurance: none is lost, none too much."""
    net = nets()[0]
    flown = rota.rota(area(), net, WAVE_STEPS, WAVES, turn=0)
    hubs = rota.hubs(net, flown, wanted(net, (0.2, 0.5, 0.8)), WAVE_STEPS, WAVES)
    stages = rota.stages(net, flown, hubs, WAVE_STEPS, WAVES)
    flight = flown[0]
    waves = range(flight.take_off // WAVE_STEPS, -(-flight.landing // WAVE_STEPS))
    for layouts in itertools.islice(itertools.product(range(3), repeat=len(waves) - 1), 200):
        at = [0, *layouts, 0]
        total_s = sum(rota.stage_of(stages, w, at[k], at[k + 1]).use_cap_s for k, w in enumerate(waves))
        assert total_s == pytest.approx(net.usable_s)


def test_too_little_endurance_for_the_climbs_is_named() -> None:
    net = nets()[0]
    flown = rota.rota(area(), net, WAVE_STEPS, WAVES, turn=0)
    airborne_s = max(f.landing - f.take_off for f in flown) * net.step_s
    tired = replace(net, usable_s=airborne_s + 1.0)
    with pytest.raises(InfeasibleError, match=r"too little endurance for a flight of .* min: with its climbs it takes"):
        rota.hubs(tired, flown, wanted(net, (0.5,)), WAVE_STEPS, WAVES)
