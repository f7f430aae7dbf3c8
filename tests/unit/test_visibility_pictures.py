"""Footprints and the hillshade."""

import math
import time

import msgspec
import numpy as np
import places
import pytest
import shapely

from kuntur.geodesy import frames, grid
from kuntur.visibility import footprint, rays, relief

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
