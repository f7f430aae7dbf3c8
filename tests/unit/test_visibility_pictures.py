"""Footprints, the radio link and the hillshade."""

import math
import time

import msgspec
import numpy as np
import places
import pytest
import shapely

from kuntur.geodesy import frames, grid
from kuntur.visibility import footprint, radio, rays, relief

LOOK = {"roll_rad": 0.0, "hfov_rad": math.radians(24.0), "vfov_rad": math.radians(19.0)}


def test_footprint_of_an_oblique_look_on_a_plain() -> None:
    """Near and far edge at height / tan(depression -+ half field of view), symmetric about the line of sight."""
    terrain = places.terrain(np.full((200, 200), 4000.0), 30.0)
    ring = footprint.footprint(
        terrain, 0.0, -1000.0, 4400.0, 0.0, math.radians(-30.0), max_range_m=3000.0, edge_points=8, **LOOK
    )
    near_m, far_m = (400.0 / math.tan(math.radians(30.0 + half)) for half in (9.5, -9.5))
    assert ring[:, 1].min() + 1000.0 == pytest.approx(near_m, rel=0.05)
    assert ring[:, 1].max() + 1000.0 == pytest.approx(far_m, rel=0.01)
    assert ring[:, 0].min() == pytest.approx(-ring[:, 0].max(), abs=0.5)
    polygon = shapely.Polygon(ring)
    assert polygon.is_valid
    assert polygon.contains(shapely.Point(0.0, -1000.0 + 400.0 / math.tan(math.radians(30.0))))


def test_every_pixel_lands_inside_the_footprint_and_a_turned_camera_turns_it() -> None:
    terrain = places.terrain(np.full((200, 200), 4000.0), 30.0)
    for azimuth, roll in ((0.7, 0.0), (3.9, 0.3)):
        pose = (0.0, 0.0, 4500.0, azimuth, math.radians(-50.0), roll, LOOK["hfov_rad"], LOOK["vfov_rad"])
        polygon = shapely.Polygon(footprint.footprint(terrain, *pose, 3000.0)).buffer(1.0)
        pixels = np.random.default_rng(0).uniform(0.0, 1.0, (50, 2))
        directions = frames.pixel_directions_enu(
            azimuth, pose[4], roll, pose[6], pose[7], 1, 1, pixels[:, 0], pixels[:, 1]
        )
        hits = rays.ground_hits(terrain, [0.0, 0.0, 4500.0], directions, 3000.0)
        assert (hits.status == rays.HIT).all()
        assert all(polygon.contains(shapely.Point(x, y)) for x, y, _ in hits.hits_m)


def test_footprint_is_cut_at_full_range_and_empty_in_the_sky() -> None:
    terrain = places.terrain(np.full((300, 300), 4000.0), 30.0)
    ring = footprint.footprint(terrain, 0.0, 0.0, 4200.0, 1.0, math.radians(-5.0), max_range_m=2000.0, **LOOK)
    assert np.hypot(*ring.T).max() <= 2000.0
    assert np.hypot(*ring.T).max() > 1900.0
    sky = footprint.footprint(terrain, 0.0, 0.0, 4200.0, 1.0, math.radians(30.0), max_range_m=2000.0, **LOOK)
    assert sky.shape == (0, 2)


def test_footprint_is_fast_enough_for_every_look_on_the_map() -> None:
    terrain = places.ridge_terrain()
    pose = (500.0, 0.0, 5100.0, 1.0, -0.5, 0.0, LOOK["hfov_rad"], LOOK["vfov_rad"], 2500.0)
    footprint.footprint(terrain, *pose)
    start = time.process_time()
    for _ in range(200):
        footprint.footprint(terrain, *pose)
    assert (time.process_time() - start) / 200 < 2e-3  # 0.06 ms on a quiet core


def test_free_space_margin() -> None:
    """2.4 GHz over 10 km: 120.05 dB (ITU-R P.525: 32.4 + 20 log f_MHz + 20 log d_km)."""
    terrain = places.terrain(np.full((40, 500), 0.0), 30.0)
    a, b = [-5000.0, 0.0, 900.0], [5000.0, 0.0, 900.0]
    margin = radio.margin_db(terrain, a, b, places.RADIO)
    loss_db = 32.4 + 20.0 * math.log10(2400.0) + 20.0 * math.log10(10.0)
    assert margin[0] == pytest.approx(30.0 + 2.0 + 2.0 - loss_db + 95.0, abs=0.1)
    assert radio.reach(terrain, a, b, places.RADIO)[0]


def test_a_grazing_edge_costs_six_decibels_and_the_link_is_not_counted_on() -> None:
    """Knife edge at the line of sight: 6 dB (ITU-R P.526, J(0) = 6.03)."""
    heights_m = np.zeros((41, 501))
    heights_m[:, 250] = 300.0
    terrain = places.terrain(heights_m, 30.0)
    sag_m = (1.0 - radio.RADIO_REFRACTION) * 5000.0**2 / (2.0 * 6_371_008.8)
    a = np.array([-5000.0, 0.0, 300.0 + sag_m])
    b = a * [-1.0, 1.0, 1.0]
    up = np.array([0.0, 0.0, 400.0])
    lost = radio.margin_db(terrain, a + up, b + up, places.RADIO) - radio.margin_db(terrain, a, b, places.RADIO)
    assert lost[0] == pytest.approx(6.03, abs=0.05)
    assert not radio.reach(terrain, a, b, places.RADIO)[0]
    # 0.6 of the first Fresnel zone: sqrt(lambda d1 d2 / (d1 + d2)) = 17.7 m in the middle.
    radius_m = math.sqrt(299_792_458.0 / 2.4e9 * 2500.0)
    for share, good in ((0.55, False), (0.65, True)):
        lift = np.array([0.0, 0.0, share * radius_m])
        assert radio.reach(terrain, a + lift, b + lift, places.RADIO)[0] == good


def test_unknown_figures_stay_unknown() -> None:
    terrain = places.terrain(np.full((40, 500), 0.0), 30.0)
    a, b = [-5000.0, 0.0, 900.0], [[5000.0, 0.0, 900.0], [99e3, 0.0, 900.0]]
    vague = msgspec.structs.replace(places.RADIO, sensitivity_dbm=None)
    assert np.isnan(radio.margin_db(terrain, a, b, vague)).all()
    np.testing.assert_array_equal(radio.reach(terrain, a, b, vague), [True, False])  # by its known range; outside
    nothing = msgspec.structs.replace(vague, max_range_m=None)
    assert not radio.reach(terrain, a, b, nothing).any()
    short = msgspec.structs.replace(places.RADIO, max_range_m=9000.0)
    assert not radio.reach(terrain, a, b, short).any()
    weak = msgspec.structs.replace(places.RADIO, tx_power_dbm=-20.0, max_range_m=None)
    assert not radio.reach(terrain, a, b, weak).any()


def test_hillshade_is_bright_to_the_north_west() -> None:
    terrain = places.cone_terrain()
    shaded = relief.shade(terrain)
    assert shaded.dtype == np.uint8
    assert shaded[43, 43] > shaded[5, 5] > shaded[57, 57]  # north-west slope, plain, south-east slope
    heights_m = terrain.heights_m.copy()
    heights_m[20, 20] = np.nan
    assert relief.shade(msgspec.structs.replace(terrain, heights_m=heights_m))[20, 20] == 0


def test_ground_below_a_camera_matches_the_grid() -> None:
    terrain = places.ridge_terrain()
    hits = rays.ground_hits(terrain, [333.0, -77.0, 6000.0], [0.0, 0.0, -1.0], 5000.0)
    assert hits.hits_m[0, 2] == pytest.approx(float(grid.height_at(terrain, 333.0, -77.0)), abs=1e-4)
