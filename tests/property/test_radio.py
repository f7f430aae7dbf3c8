"""What must hold for any link: it is the same both ways, more ground never helps, a curved earth never helps."""

from __future__ import annotations

from typing import get_args

import msgspec
import numpy as np
import places
from hypothesis import given
from hypothesis import strategies as st
from test_visibility import points, terrains

from kuntur.visibility import radio, rays

FREQUENCIES_HZ = st.sampled_from([40e6, 433e6, 2.4e9, 5.8e9])
MODELS = st.sampled_from(get_args(radio.Diffraction))


@given(st.data(), FREQUENCIES_HZ, MODELS)
def test_a_link_is_the_same_both_ways(data: st.DataObject, frequency_hz: float, model: radio.Diffraction) -> None:
    terrain = data.draw(terrains(voids=data.draw(st.booleans())))
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    there = radio.diffraction_db(terrain, a_m, b_m, frequency_hz, model=model)
    back = radio.diffraction_db(terrain, b_m, a_m, frequency_hz, model=model)
    np.testing.assert_array_equal(there, back)
    assert np.isnan(there[0]) or there[0] >= 0.0


@given(st.data(), FREQUENCIES_HZ)
def test_more_ground_never_loses_less(data: st.DataObject, frequency_hz: float) -> None:
    """Bullington alone: a second edge may hide behind the first of Deygout's, and a smooth earth may fit better."""
    terrain = data.draw(terrains())
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    row, col = data.draw(st.integers(0, terrain.rows - 1)), data.draw(st.integers(0, terrain.cols - 1))
    raised = terrain.heights_m.copy()
    raised[row, col] += data.draw(st.floats(0.0, 300.0, width=32))
    before = radio.diffraction_db(terrain, a_m, b_m, frequency_hz, model="bullington")[0]
    more = msgspec.structs.replace(terrain, heights_m=raised)
    assert radio.diffraction_db(more, a_m, b_m, frequency_hz, model="bullington")[0] >= before - 1e-9


@given(st.data(), FREQUENCIES_HZ, st.floats(0.0, 0.9), st.floats(0.0, 0.9))
def test_more_refraction_never_loses_more(data: st.DataObject, frequency_hz: float, k1: float, k2: float) -> None:
    terrain = data.draw(terrains())
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    less, more = sorted((k1, k2))
    bent = radio.diffraction_db(terrain, a_m, b_m, frequency_hz, model="bullington", refraction=more)[0]
    straight = radio.diffraction_db(terrain, a_m, b_m, frequency_hz, model="bullington", refraction=less)[0]
    assert bent <= straight + 1e-9


@given(st.data(), FREQUENCIES_HZ)
def test_the_smooth_earth_only_adds(data: st.DataObject, frequency_hz: float) -> None:
    terrain = data.draw(terrains())
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    bullington, delta = (
        radio.diffraction_db(terrain, a_m, b_m, frequency_hz, model=m)[0] for m in ("bullington", "delta_bullington")
    )
    assert delta >= bullington


@given(st.data(), FREQUENCIES_HZ)
def test_clearance_and_sight_agree(data: st.DataObject, frequency_hz: float) -> None:
    terrain = data.draw(terrains(voids=data.draw(st.booleans())))
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    clearance = radio.fresnel_clearance(terrain, a_m, b_m, frequency_hz)[0]
    sight = rays.line_of_sight(terrain, a_m, b_m, refraction=radio.RADIO_REFRACTION)[0]
    if clearance > 1e-3:
        assert sight == rays.CLEAR
    elif clearance < -1e-3:
        assert sight == rays.BLOCKED


@given(st.data())
def test_a_buried_antenna_reaches_nobody(data: st.DataObject) -> None:
    terrain = data.draw(terrains())
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    b_m[2] = -60.0
    assert radio.margin_db(terrain, a_m, b_m, places.RADIO)[0] == -np.inf
