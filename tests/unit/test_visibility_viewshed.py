"""Viewsheds cell by cell."""

import numpy as np
import places
import visibility_oracle

from kuntur.model.place import Terrain
from kuntur.visibility import viewshed


def bumpy(voids: bool = False) -> Terrain:
    rng = np.random.default_rng(2)
    x_m, y_m = np.meshgrid(np.arange(120) * 30.0, np.arange(100) * 30.0)
    heights_m = 4000.0 + 60.0 * np.sin(x_m / 300.0) * np.cos(y_m / 260.0) + rng.normal(0.0, 3.0, x_m.shape)
    if voids:
        heights_m[40:43, 50:55] = np.nan
    return places.terrain(heights_m, 30.0)


def test_viewshed_equals_one_sight_line_a_cell() -> None:
    terrain = bumpy(voids=True)
    eye = np.array([100.0, -50.0, 4150.0])
    got = viewshed.visible(terrain, *eye, target_height_m=1.0, max_range_m=1000.0)
    x_m = terrain.west_m + (np.arange(terrain.cols) + 0.5) * terrain.cell_m
    y_m = terrain.north_m - (np.arange(terrain.rows) + 0.5) * terrain.cell_m
    for row in range(0, terrain.rows, 3):
        for col in range(terrain.cols):
            if np.hypot(x_m[col] - eye[0], y_m[row] - eye[1]) > 1000.0:
                assert got[row, col] == 0
                continue
            if np.isnan(terrain.heights_m[row, col]):
                assert got[row, col] == 2
                continue
            target = np.array([x_m[col], y_m[row], float(terrain.heights_m[row, col]) + 1.0])
            assert got[row, col] == visibility_oracle.sight(terrain, eye, target, 0.13), (row, col)
    assert {0, 1, 2} == set(np.unique(got))


def test_plain_is_seen_whole_and_the_cone_shades_its_far_side() -> None:
    terrain = places.cone_terrain()
    seen = viewshed.visible(terrain, 0.0, -1300.0, 4040.0, target_height_m=0.0, max_range_m=5000.0)
    assert seen[70:, :].all()  # our side of the plain
    assert not seen[20:35, 45:56].any()  # straight behind the cone
    assert seen[60, 50] == 1  # its near slope
