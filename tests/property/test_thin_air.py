"""What never happens: thin air, mass or a headwind that help, a figure rounded to the unsafe side."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kuntur.aircraft import atmosphere, performance, wind
from kuntur.model.assets import Airframe
from kuntur.model.place import AirLevel, Weather, WindLevel

STILL = Weather()


@st.composite
def airframes(draw: st.DrawFn) -> Airframe:
    """Any airframe a catalog could hold: figures may be missing, and need not be typical."""
    kind = draw(st.sampled_from(["multirotor", "fixed_wing"]))
    rotor = kind == "multirotor"
    electric = rotor or draw(st.booleans())
    mass_kg = draw(st.floats(0.5, 500.0))
    endurance_s = draw(st.floats(600.0, 100_000.0))
    top_mps = draw(st.floats(10.0, 70.0))
    cruise_mps = top_mps * draw(st.floats(0.3, 0.95))
    hovers = rotor and draw(st.booleans())
    battery = None
    if electric and draw(st.booleans()):  # at least what an ideal rotor of the disc below needs
        battery = (
            draw(st.floats(1.2, 4.0))
            * (mass_kg * 9.81) ** 1.5
            / math.sqrt(2 * 1.225 * mass_kg / 5)
            * endurance_s
            / 3600
        )
    return Airframe(
        id="any",
        name="any",
        kind=kind,
        propulsion="electric" if electric else "combustion",
        mass_kg=mass_kg,
        endurance_s=endurance_s,
        cruise_mps=cruise_mps,
        max_speed_mps=top_mps,
        ceiling_msl_m=draw(st.floats(3500.0, 9500.0)),
        source="drawn",
        battery_wh=battery,
        rotor_disc_area_m2=mass_kg / 5.0 if rotor and draw(st.booleans()) else None,
        max_payload_kg=draw(st.none() | st.just(0.3 * mass_kg)),
        max_climb_mps=draw(st.none() | st.floats(0.6, 10.0)),
        stall_mps=None if rotor else draw(st.none() | st.just(0.7 * cruise_mps)),
        endurance_mps=0.0 if hovers else draw(st.none() | (st.just(cruise_mps) if not rotor else st.nothing())),
        forward_endurance_s=endurance_s * draw(st.floats(1.02, 1.25)) if hovers and draw(st.booleans()) else None,
    )


ALTITUDES = st.lists(st.floats(0.0, 9000.0), min_size=2, max_size=5, unique=True).map(sorted)


@settings(max_examples=150, deadline=None)
@given(airframes(), ALTITUDES)
def test_thinner_air_gives_less_endurance_climb_and_costs_more(airframe: Airframe, altitudes: list[float]) -> None:
    for low_m, high_m in itertools.pairwise(altitudes):
        low, high = (performance.budget(airframe, 0.0, alt, STILL) for alt in (low_m, high_m))
        assert high.endurance_s <= low.endurance_s
        assert high.loiter_endurance_s <= low.loiter_endurance_s + 1.0 or not high.loiter_endurance_s
        assert high.endurance_s <= high.loiter_endurance_s
        assert high.climb_mps <= low.climb_mps + 1e-9
        assert high.can_fly <= low.can_fly
        if high.cruise_power_w is not None and low.cruise_power_w is not None:
            assert high.cruise_power_w >= low.cruise_power_w * (1 - 1e-9)
        assert low.max_alt_msl_m == pytest.approx(high.max_alt_msl_m)


@settings(max_examples=150, deadline=None)
@given(airframes(), st.floats(0.0, 5000.0), st.floats(0.0, 0.15), st.floats(0.0, 0.15))
def test_mass_never_helps(airframe: Airframe, alt_m: float, share: float, more: float) -> None:
    light, heavy = (performance.budget(airframe, airframe.mass_kg * s, alt_m, STILL) for s in (share, share + more))
    assert heavy.endurance_s <= light.endurance_s
    assert heavy.climb_mps <= light.climb_mps + 1e-9
    assert heavy.max_alt_msl_m <= light.max_alt_msl_m + 1e-6
    assert heavy.can_fly <= light.can_fly


@settings(max_examples=100, deadline=None)
@given(airframes(), st.floats(-40.0, 40.0), st.floats(0.0, 30.0), st.floats(0.0, 6000.0))
def test_warmth_never_helps(airframe: Airframe, offset_k: float, more_k: float, alt_m: float) -> None:
    cold, warm = (
        performance.budget(airframe, 0.0, alt_m, Weather(isa_offset_k=k)) for k in (offset_k, offset_k + more_k)
    )
    assert warm.endurance_s <= cold.endurance_s
    assert warm.max_alt_msl_m <= cold.max_alt_msl_m + 1e-6


ANGLE = st.floats(0.0, 2.0 * math.pi)


@settings(max_examples=200, deadline=None)
@given(st.floats(8.0, 60.0), st.floats(0.0, 0.9), ANGLE, ANGLE, st.floats(200.0, 20_000.0), st.floats(-300.0, 300.0))
def test_there_and_back_in_wind_is_never_shorter_than_in_still_air(
    airspeed_mps: float, share: float, from_rad: float, course_rad: float, length_m: float, dz_m: float
) -> None:
    blowing = Weather(wind_speed_mps=share * airspeed_mps, wind_from_rad=from_rad)
    dx, dy = length_m * math.sin(course_rad), length_m * math.cos(course_rad)
    legs = ([dx, -dx], [dy, -dy], [dz_m, -dz_m])
    still, windy = (performance.leg_time_s(airspeed_mps, 3.0, *legs, air, 4000.0) for air in (STILL, blowing))
    assert windy.sum() >= still.sum() - 0.03
    against = performance.leg_time_s(airspeed_mps, 3.0, dx, dy, 0.0, Weather(wind_speed_mps=share * airspeed_mps,
                                                                            wind_from_rad=course_rad))  # fmt: skip
    assert against >= performance.leg_time_s(airspeed_mps, 3.0, dx, dy, 0.0, STILL)
    assert (still >= np.hypot(dx, dy) / airspeed_mps - 1e-8).all()  # rounded up


@st.composite
def soundings(draw: st.DrawFn) -> tuple[WindLevel, ...]:
    heights = draw(st.lists(st.integers(3000, 7000), min_size=1, max_size=4, unique=True))
    return tuple(
        WindLevel(
            alt_msl_m=float(alt),
            wind_speed_mps=draw(st.floats(0.0, 12.0)),
            wind_from_rad=draw(ANGLE),
            spread_mps=draw(st.floats(0.0, 3.0)),
        )
        for alt in sorted(heights)
    )


@settings(max_examples=150, deadline=None)
@given(
    soundings(),
    ANGLE,
    st.floats(3000.0, 7000.0),
    st.floats(-800.0, 800.0),
    st.floats(0.0, 1.0),
    ANGLE,
    st.floats(0.0, 1.0),
)
def test_no_wind_within_the_levels_and_their_spread_is_worse_than_planned(
    levels: tuple[WindLevel, ...],
    course_rad: float,
    alt_m: float,
    dz_m: float,
    part: float,
    aside_rad: float,
    off: float,
) -> None:
    """Any wind that a place of the leg may have, flown at its own speed over ground, is no slower than the plan's."""
    weather = Weather(winds=levels)
    dx, dy = 5000.0 * math.sin(course_rad), 5000.0 * math.cos(course_rad)
    planned_s = float(performance.leg_time_s(20.0, 5.0, dx, dy, dz_m, weather, alt_m))
    anywhere_s = float(performance.leg_time_s(20.0, 5.0, dx, dy, dz_m, weather))
    assert anywhere_s >= planned_s
    assume(math.isfinite(planned_s))
    here = wind.at(weather, alt_m + part * dz_m)
    blow = wind.Wind(
        here.east_mps + off * here.spread_mps * math.sin(aside_rad),
        here.north_mps + off * here.spread_mps * math.cos(aside_rad),
        np.zeros(()),
    )
    flown_mps = float(wind.least_ground_speed_mps(20.0, dx, dy, blow))
    assert 5000.0 / flown_mps <= planned_s + 1e-6


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-25.0, 25.0), st.floats(0.95, 1.05)), min_size=2, max_size=5))
def test_density_between_levels_rises_downwards_and_goes_through_them(levels: list[tuple[float, float]]) -> None:
    heights = 3000.0 + 1200.0 * np.arange(len(levels))
    air = tuple(
        AirLevel(
            alt_msl_m=float(alt),
            temperature_k=float(atmosphere.temperature_k(alt)) + offset,
            pressure_pa=float(atmosphere.pressure_pa(alt)) * share,
        )
        for alt, (offset, share) in zip(heights, levels, strict=True)
    )
    dense = np.array([level.pressure_pa / (atmosphere.GAS_CONSTANT_AIR * level.temperature_k) for level in air])
    weather = Weather(air=air)
    np.testing.assert_allclose(atmosphere.density_kgpm3(heights, weather), dense, rtol=1e-12)
    below, above = heights[0] - np.arange(1.0, 900.0, 100.0), heights[-1] + np.arange(1.0, 900.0, 100.0)
    assert (np.diff(atmosphere.density_kgpm3(below, weather)) > 0).all()
    assert (np.diff(atmosphere.density_kgpm3(above, weather)) < 0).all()


@settings(max_examples=100, deadline=None)
@given(airframes(), st.floats(0.0, 3000.0), st.floats(10.0, 5000.0), st.floats(-500.0, 500.0))
def test_energy_is_rounded_up_and_endurance_down(airframe: Airframe, alt_m: float, time_s: float, dz_m: float) -> None:
    budget = performance.budget(airframe, 0.0, alt_m, STILL)
    assert budget.endurance_s == math.floor(budget.endurance_s) <= airframe.endurance_s * (1 - performance.RESERVE)
    energy_wh, used_s = performance.consumption(budget, time_s, dz_m)
    exact_s = time_s + max(dz_m, 0.0) * budget.climb_surcharge_s_per_m
    assert exact_s - 1e-6 <= used_s <= exact_s + 0.0101
    if energy_wh is not None and budget.cruise_power_w is not None:
        assert energy_wh >= exact_s * budget.cruise_power_w / 3600.0 - 1e-6
