"""Stationing along a line against shapely, and the side at sharp bends."""

from __future__ import annotations

import numpy as np
import shapely

from kuntur.geodesy import lines


def test_chainage_and_offset_agree_with_shapely() -> None:
    rng = np.random.default_rng(3)
    for n in (2, 5, 150):
        xy_m = np.cumsum(rng.normal(0.0, 300.0, (n, 2)), axis=0)
        x_m, y_m = rng.uniform(-4000.0, 4000.0, (2, 3000))
        line, points = shapely.LineString(xy_m), shapely.points(x_m, y_m)
        chainage_m, offset_m = lines.project(xy_m, x_m, y_m)
        np.testing.assert_allclose(np.abs(offset_m), shapely.distance(line, points), atol=1e-6)
        np.testing.assert_allclose(chainage_m, shapely.line_locate_point(line, points), atol=1e-6)


def test_the_side_inside_a_sharp_bend() -> None:
    """A hairpin whose tip points east: a point just beyond the tip is outside, whichever arm it is nearer to."""
    xy_m = np.array([[0.0, 10.0], [100.0, 0.0], [0.0, -10.0]])
    _, offset_m = lines.project(xy_m, [150.0, 150.0, 50.0, 0.0], [1.0, -1.0, 0.0, 100.0])
    assert (offset_m > 0).tolist() == [True, True, False, True]


def test_a_single_point_and_ours_to_the_right() -> None:
    xy_m = np.array([[0.0, 0.0], [0.0, 100.0]])
    chainage_m, offset_m = lines.inward_offset(xy_m, "right", 30.0, 40.0)
    assert chainage_m.shape == (1,) and chainage_m[0] == 40.0 and offset_m[0] == 30.0
