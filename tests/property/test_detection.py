"""The sensor model over random cameras, targets and air: monotone, bounded, and swept area as the curve says."""

from __future__ import annotations

import math
from typing import get_args

import msgspec
import numpy as np
import places
from hypothesis import given, settings
from hypothesis import strategies as st

from kuntur.model.assets import Camera
from kuntur.model.place import Target, Weather
from kuntur.visibility import acquisition, detection


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    hfov = math.radians(draw(st.floats(3.0, 70.0)))
    maybe = st.none()
    return msgspec.structs.replace(
        places.CAMERA,
        band=draw(st.sampled_from(["EO", "LWIR", "MWIR"])),
        columns_px=draw(st.integers(160, 3840)),
        rows_px=draw(st.integers(120, 2160)),
        hfov_rad=hfov,
        vfov_rad=0.75 * hfov,
        pixel_pitch_m=draw(maybe | st.floats(2e-6, 30e-6)),
        f_number=draw(maybe | st.floats(0.9, 8.0)),
        netd_k=draw(maybe | st.floats(0.01, 0.3)),
        least_light_lux=draw(maybe | st.sampled_from([1e-5, 0.01])),
    )


targets = st.sampled_from(get_args(Target))
airs = st.builds(Weather, visibility_m=st.floats(200.0, 1e5), light=st.sampled_from(["day", "night"]))


@settings(max_examples=60, deadline=None)
@given(cameras(), targets, airs, st.floats(1.0, 4.0))
def test_never_above_availability_and_falling_with_range_haze_and_smallness(
    camera: Camera, target: Target, air: Weather, hazier: float
) -> None:
    ranges_m = np.geomspace(1.0, 30_000.0, 60)
    prob = acquisition.glimpse_prob(camera, target, ranges_m, air)
    assert ((prob >= 0.0) & (prob <= acquisition.AVAILABILITY)).all()
    assert (np.diff(prob) <= 0.0).all()
    haze = msgspec.structs.replace(air, visibility_m=air.visibility_m / hazier)
    assert (acquisition.glimpse_prob(camera, target, ranges_m, haze) <= prob).all()
    sizes = acquisition.CRITICAL_DIMENSION_M
    for other in get_args(Target):
        if sizes[other] <= sizes[target]:
            assert (acquisition.glimpse_prob(camera, other, ranges_m, air) <= prob).all()
    night = msgspec.structs.replace(air, light="night")
    assert (acquisition.glimpse_prob(camera, target, ranges_m, night) <= prob).all() or air.light == "night"
    assert acquisition.max_range_m(camera, target, haze) <= acquisition.max_range_m(camera, target, air)


@settings(max_examples=8, deadline=None)
@given(cameras(), targets, airs, st.floats(100.0, 800.0), st.floats(8.0, 40.0))
def test_sweep_width_is_the_area_under_the_curve_and_never_wider_than_the_reach(
    camera: Camera, target: Target, air: Weather, height_m: float, speed_mps: float
) -> None:
    reach_m = detection.max_range_m(camera, target, air)
    search = detection.search_for(camera, [target], height_m, air)
    assert search.independent_s >= max(search.revolution_s, detection.CORRELATION_S)
    flight = {"height_agl_m": height_m, "ground_speed_mps": speed_mps}
    offsets = np.linspace(-reach_m - 1.0, reach_m + 1.0, 601)
    curve = detection.lateral_range_prob(camera, search, target, air, offset_m=offsets, **flight)
    width_m = detection.sweep_width_m(camera, search, target, air, **flight)
    assert ((curve >= 0.0) & (curve <= 1.0)).all()
    np.testing.assert_allclose(curve, curve[::-1], atol=1e-12)
    assert abs(width_m - float(np.trapezoid(curve, offsets))) <= 0.01 * width_m + 2.0
    assert width_m <= 2.0 * reach_m
    # No pass can promise more than its looks: one for each independent time in reach.
    in_reach_s = 2.0 * reach_m / speed_mps
    assert float(curve.max()) <= acquisition.AVAILABILITY * in_reach_s / search.independent_s + 1e-9
