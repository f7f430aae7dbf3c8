"""Who may be in the air when: crews and their hours, pads, parking, the sun; and the error that says which binds."""

from __future__ import annotations

import functools

import numpy as np
import places
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kuntur.errors import InfeasibleError
from kuntur.model.assets import Base, Fleet
from kuntur.model.place import Area
from kuntur.patrol import duty, flights, rota, strategy

WAVE_STEPS, WAVES = 20, 6
STEPS = WAVE_STEPS * WAVES


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
    """Four aircraft of one base."""
    rotor = area().fleet.aircraft[1]
    fleet = tuple(replace(rotor, id=f"rotor_{k}", name=f"Rotor {k}", system_id=k + 1) for k in range(4))
    return tuple(strategy.flight_nets(replace(area(), fleet=Fleet(aircraft=fleet))))


def at_base(**fields: object) -> Area:
    base_id = nets()[0].base.id
    bases = tuple(replace(b, **fields) if b.id == base_id else b for b in area().bases)
    return replace(area(), bases=bases)


def with_base(place: Area) -> list[flights.FlightNet]:
    base: Base = next(b for b in place.bases if b.id == nets()[0].base.id)
    return [replace(net, base=base) for net in nets()]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, STEPS - 10), st.integers(10, STEPS)), min_size=1, max_size=10),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(30, STEPS)),
)
def test_no_crew_has_two_aircraft_up_or_works_too_long(
    spans: list[tuple[int, int]], crews: int, duty_steps: int | None
) -> None:
    place = at_base(crews=crews, crew_duty_s=None if duty_steps is None else 60.0 * duty_steps)
    wanted: list[list[rota.Sortie]] = [[] for _ in nets()]
    for k, (begin, length) in enumerate(spans):
        flight = rota.Sortie(take_off=begin, landing=min(begin + length, STEPS))
        if flight.landing - flight.take_off > 20:
            wanted[k % len(wanted)].append(flight)
    try:
        staffed = duty.staffed(place, with_base(place), [tuple(w) for w in wanted], WAVE_STEPS)
    except InfeasibleError as error:
        assert any(wanted) and "cannot staff a flight" in error.message
        return
    flown = [f for own in staffed for f in own]
    for step in range(STEPS):
        assert sum(f.take_off <= step < f.landing for f in flown) <= crews
    for own, asked in zip(staffed, wanted, strict=True):
        assert all(any(a.take_off <= f.take_off and f.landing <= a.landing for a in asked) for f in own)
    if duty_steps is not None:
        assert all(f.landing - f.take_off <= duty_steps for f in flown)
        if crews == 1 and flown:
            assert max(f.landing for f in flown) - min(f.take_off for f in flown) <= duty_steps
    again = duty.staffed(place, with_base(place), staffed, WAVE_STEPS)
    assert sum(f.landing - f.take_off for own in again for f in own) <= sum(f.landing - f.take_off for f in flown)
    for step in range(STEPS):
        assert sum(f.take_off <= step < f.landing for own in again for f in own) <= crews


def test_pads_parking_and_crews_that_contradict_the_fleet_are_named() -> None:
    fleet = Fleet(aircraft=tuple(net.aircraft for net in nets()))
    for fields, word in (
        ({"pads": 0}, r"has no pad to take off from, and 4 aircraft are stationed there"),
        ({"crews": 0}, r"has no crew, and 4 aircraft are stationed there"),
        ({"parking": 2}, r"has room on the ground for 2, and 4 aircraft are stationed there"),
    ):
        with pytest.raises(InfeasibleError, match=word):
            duty.require_places(replace(at_base(**fields), fleet=fleet))
    duty.require_places(replace(at_base(pads=1, crews=1, parking=4), fleet=fleet))


def test_crews_without_time_to_reach_the_strip_are_named() -> None:
    place = at_base(crews=2, crew_duty_s=180.0)
    wanted = [(rota.Sortie(take_off=0, landing=STEPS),)] * 4
    with pytest.raises(InfeasibleError, match=r"cannot staff a flight: its crews on duty for 3 min each leave no time"):
        duty.staffed(place, with_base(place), wanted, WAVE_STEPS)


def test_flying_by_the_sun() -> None:
    """At 18 degrees south and 69 west the December sun sets at about 19:10 local time (UTC-4)."""
    need = replace(area().requirement, date="2025-12-21", start_local="18:00", utc_offset_h=-4.0)
    place = replace(area(), requirement=need)
    by_night = replace(nets()[0].aircraft, fly="night")
    dark = duty.may_fly(place, by_night, 60.0, STEPS)
    bright = duty.may_fly(place, replace(by_night, fly="day"), 60.0, STEPS)
    dusk = int(np.argmax(dark))
    assert 66 <= dusk <= 74 and dark[dusk:].all() and bright[: dusk - 1].all()
    assert not (dark & bright).any()
    assert duty.may_fly(place, replace(by_night, fly="any"), 60.0, STEPS).all()
    net = replace(nets()[0], aircraft=by_night)
    whole = (rota.Sortie(take_off=0, landing=STEPS),)
    (kept,) = duty.in_hours(place, net, whole, WAVE_STEPS, WAVES)
    assert dusk <= kept.take_off and kept.landing == STEPS
    noon = replace(place, requirement=replace(need, start_local="10:00"))
    with pytest.raises(InfeasibleError, match=r"flies only by night: on 2025-12-21 the sun is up in all but 0 min"):
        duty.in_hours(noon, net, whole, WAVE_STEPS, WAVES)


def test_a_landing_at_the_end_of_a_wave_has_its_pad() -> None:
    place = at_base(pads=1)
    wanted = [(rota.Sortie(take_off=5, landing=40),), (rota.Sortie(take_off=40, landing=80),), (), ()]
    before, after = duty.clear_of_pads(place, with_base(place), wanted, WAVE_STEPS)[:2]
    assert before[0].landing == 40 and after[0].take_off >= 40 + duty.pad_steps(60.0)
    place = at_base(pads=2)
    assert duty.clear_of_pads(place, with_base(place), wanted, WAVE_STEPS) == wanted


def test_pads_are_taken_for_their_minute() -> None:
    place = at_base(pads=1)
    own = with_base(place)
    stage = rota.Stage(kind="fly", start=own[0].base_node, from_step=0, end=0, to_step=20, use_cap_s=1e9, spare_steps=0)
    plan = np.full((4, 20), -1, np.int32)
    plan[1, 6:] = 3
    steps = np.flatnonzero(duty.taken(own, plan, [stage] * 4, 0, 20))
    assert list(steps) == [6]  # a step is a minute
    assert not duty.taken(own, plan, [stage] * 4, 1, 20).any()  # its own take-off does not hinder it
    roomy = with_base(at_base(pads=2))
    assert not duty.taken(roomy, plan, [stage] * 4, 0, 20).any()
