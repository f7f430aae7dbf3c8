"""Sectors of any width, of any camera: no gaps, never slower than the sweep, no more promised than a look a round."""

from __future__ import annotations

import math

import numpy as np
import places
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kuntur.geodesy import frames
from kuntur.model.place import Weather
from kuntur.model.plans import Look
from kuntur.visibility import detection, looks

WIDTHS = st.floats(math.radians(5.0), detection.WHOLE_TURN_RAD)
CAMERAS = st.builds(
    lambda h, v: replace(places.CAMERA, hfov_rad=math.radians(h), vfov_rad=math.radians(v)),
    st.floats(6.0, 60.0),
    st.floats(6.0, 50.0),
)


@settings(max_examples=40, deadline=None)
@given(camera=CAMERAS, width_rad=WIDTHS, seed=st.integers(0, 2**40), middle_rad=st.floats(0.0, 6.28))
def test_whatever_a_sector_covers_is_in_a_picture_of_every_round(camera, width_rad, seed, middle_rad) -> None:
    sweep = detection.search_pattern(camera, 300.0, 1500.0)
    sector = detection.sector(sweep, width_rad)
    slots = round(sector.revolution_s / sector.look_s)
    rng = np.random.default_rng(seed)
    azimuth = middle_rad + rng.uniform(-0.5, 0.5, 200) * width_rad
    depression = rng.uniform(sector.least_depression_rad, sector.greatest_depression_rad, 200)
    to = frames.direction_enu(azimuth, -depression)
    covered = np.zeros(200, bool)
    first = seed % 1000 * slots
    for slot in range(first, first + slots):
        at, up_rad = detection.pointing(sector, slot * sector.look_s, seed=seed, middle_rad=middle_rad)
        along, right, up = frames.camera_axes(at, up_rad, 0.0) @ to.T
        inside = (along > 0.0) & (np.abs(right) <= math.tan(camera.hfov_rad / 2.0) * along + 1e-9)
        covered |= inside & (np.abs(up) <= math.tan(camera.vfov_rad / 2.0) * along + 1e-9)
    assert covered.all()


@given(camera=CAMERAS, width_rad=WIDTHS, range_m=st.floats(50.0, 3000.0), depression_rad=st.floats(0.0, 1.5))
def test_a_sectors_rate_is_one_look_a_round_and_never_one_in_less_than_the_correlation(
    camera, width_rad, range_m, depression_rad
) -> None:
    sweep = detection.search_pattern(camera, 300.0, 1500.0)
    sector = detection.sector(sweep, width_rad)
    assert sector.independent_s >= max(sector.revolution_s, detection.CORRELATION_S)
    assert sector.revolution_s <= sweep.revolution_s + sweep.look_s
    assert (sector.least_depression_rad, sector.greatest_depression_rad) == (
        sweep.least_depression_rad,
        sweep.greatest_depression_rad,
    )
    for wide, narrow in zip(sweep.bands, sector.bands, strict=True):
        assert narrow.elevation_rad == wide.elevation_rad
        assert width_rad / narrow.looks <= detection.WHOLE_TURN_RAD / wide.looks * (1.0 + 1e-9)
    glimpse = float(detection.glimpse_prob(camera, "person", range_m, Weather()))
    rates = [
        float(detection.detection_rate_hz(camera, search, "person", Weather(), range_m, depression_rad))
        for search in (sweep, sector)
    ]
    assert rates[1] * sector.independent_s <= glimpse * (1.0 + 1e-12)
    assert (rates[1] > 0.0) == (rates[0] > 0.0)


@given(
    middle_rad=st.floats(0.0, 6.28),
    ends=st.tuples(*[st.floats(-1500.0, 1500.0)] * 4),
    point=st.tuples(*[st.floats(-3000.0, 3000.0)] * 2),
    margin_m=st.floats(0.0, 500.0),
    share=st.floats(0.0, 1.0),
)
def test_what_a_sector_holds_from_both_ends_of_a_leg_it_holds_all_along(
    middle_rad, ends, point, margin_m, share
) -> None:
    look = Look("stare", middle_rad)
    a, b, p = np.array(ends[:2]), np.array(ends[2:]), np.array(point)
    if looks.holds(look, *(p - a), margin_m=margin_m) and looks.holds(look, *(p - b), margin_m=margin_m):
        assert looks.holds(look, *(p - (1.0 - share) * a - share * b), margin_m=margin_m - 1e-6)
