"""Sight lines and ground hits against a plain reference, on made-up and on real terrain."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import places
import pytest
import rasterio
import visibility_oracle
from kuntur._core import Relief

from kuntur.errors import ConfigError
from kuntur.geodesy import grid
from kuntur.model.place import Terrain
from kuntur.units import EARTH_RADIUS_M
from kuntur.visibility import rays
from kuntur.visibility.doubt import Doubt

UP = np.array([0.0, 0.0, 1.0])


def rough_terrain(seed: int, *, rows: int = 70, cols: int = 90, voids: int = 0) -> Terrain:
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 1.0, (rows, cols))
    smooth = sum(np.roll(steps, (i, j), (0, 1)) for i in range(-2, 3) for j in range(-2, 3))
    heights_m = 4000.0 + 40.0 * smooth
    for _ in range(voids):
        row, col = rng.integers(0, rows - 4), rng.integers(0, cols - 4)
        heights_m[row : row + 3, col : col + 4] = np.nan
    return places.terrain(heights_m, 30.0)


def random_ends(terrain: Terrain, n: int, seed: int, above_m: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    half_x, half_y = (terrain.cols - 1) * terrain.cell_m / 2, (terrain.rows - 1) * terrain.cell_m / 2
    x_m, y_m = rng.uniform(-half_x, half_x, n), rng.uniform(-half_y, half_y, n)
    ground_m = grid.height_at(terrain, x_m, y_m)
    return np.stack([x_m, y_m, np.where(np.isnan(ground_m), 4000.0, ground_m) + rng.exponential(above_m, n)], axis=-1)


@pytest.mark.parametrize("voids", [0, 6])
@pytest.mark.parametrize("refraction", [0.0, 0.13, 0.25, 400.0])  # the last: lines bent into arches
def test_sight_lines_equal_the_reference(voids: int, refraction: float) -> None:
    terrain = rough_terrain(3, voids=voids)
    a_m, b_m = random_ends(terrain, 1500, 1, 60.0), random_ends(terrain, 1500, 2, 60.0)
    got = rays.line_of_sight(terrain, a_m, b_m, refraction=refraction)
    want = [visibility_oracle.sight(terrain, a, b, refraction) for a, b in zip(a_m, b_m, strict=True)]
    np.testing.assert_array_equal(got, want)
    assert set(np.unique(got)) == ({0, 1, 2} if voids else {0, 1})


@pytest.mark.parametrize(("sigma_m", "correlation_m", "voids"), [(2.5, 146.0, 0), (6.0, 400.0, 6), (9.0, 40.0, 6)])
def test_certain_sight_equals_the_reference_with_its_margin(sigma_m: float, correlation_m: float, voids: int) -> None:
    terrain = rough_terrain(3, voids=voids)
    doubt = Doubt(sigma_m=sigma_m, correlation_m=correlation_m)
    a_m, b_m = random_ends(terrain, 1500, 1, 120.0), random_ends(terrain, 1500, 2, 4.0)
    got = rays.line_of_sight(terrain, a_m, b_m, refraction=0.13, doubt=doubt)
    want = [visibility_oracle.sight(terrain, a, b, 0.13, doubt) for a, b in zip(a_m, b_m, strict=True)]
    np.testing.assert_array_equal(got, want)
    plain = rays.line_of_sight(terrain, a_m, b_m, refraction=0.13)
    assert 0 < (got == rays.CLEAR).sum() < (plain == rays.CLEAR).sum()
    # A target above the observer: the margin still begins at the target.
    np.testing.assert_array_equal(
        rays.line_of_sight(terrain, b_m, a_m, refraction=0.13, doubt=doubt),
        [visibility_oracle.sight(terrain, b, a, 0.13, doubt) for a, b in zip(a_m, b_m, strict=True)],
    )


def test_no_error_is_no_doubt_and_a_doubt_that_is_none_is_refused() -> None:
    terrain = rough_terrain(3)
    a_m, b_m = random_ends(terrain, 500, 1, 60.0), random_ends(terrain, 500, 2, 6.0)
    sure = rays.line_of_sight(terrain, a_m, b_m, doubt=Doubt(sigma_m=0.0, correlation_m=100.0))
    np.testing.assert_array_equal(sure, rays.line_of_sight(terrain, a_m, b_m))
    for sigma_m, correlation_m, z in ((-1.0, 100.0, 1.6), (3.0, 0.0, 1.6), (3.0, 100.0, np.nan)):
        with pytest.raises(ConfigError, match="doubt"):
            rays.line_of_sight(terrain, a_m, b_m, doubt=Doubt(sigma_m=sigma_m, correlation_m=correlation_m, z=z))


def test_sight_lines_between_cell_centres_equal_the_reference() -> None:
    """Along rows, columns and exact diagonals, where lines are crossed at corners."""
    terrain = rough_terrain(5, voids=3)
    x_m = terrain.west_m + (np.array([3, 3, 40, 10, 80]) + 0.5) * terrain.cell_m
    y_m = terrain.north_m - (np.array([2, 60, 2, 10, 55]) + 0.5) * terrain.cell_m
    nodes = [(x, y, float(grid.height_at(terrain, x, y)) + up) for x in x_m for y in y_m for up in (0.0, 150.0)]
    a_m = np.array([p for p in nodes for _ in nodes])
    b_m = np.array([q for _ in nodes for q in nodes])
    keep = ~np.isnan(a_m[:, 2] + b_m[:, 2])
    a_m, b_m = a_m[keep], b_m[keep]
    got = rays.line_of_sight(terrain, a_m, b_m, refraction=0.13)
    np.testing.assert_array_equal(
        got, [visibility_oracle.sight(terrain, a, b, 0.13) for a, b in zip(a_m, b_m, strict=True)]
    )


def test_the_horizon_of_a_smooth_earth() -> None:
    """Over flat sea the horizon lies where d^2 (1 - k) / (2 R) is the eye's height."""
    cell_m = 300.0
    terrain = places.terrain(np.zeros((3, 401)), cell_m)
    eye_m, k = 100.0, 0.13
    horizon_m = np.sqrt(2.0 * EARTH_RADIUS_M * eye_m / (1.0 - k))
    a_m = np.array([terrain.west_m + 0.5 * cell_m, 0.0, eye_m])
    for distance_m, clear in ((horizon_m - 2 * cell_m, 1), (horizon_m + 6 * cell_m, 0)):
        b_m = [a_m[0] + distance_m, 0.0, 0.0]
        assert rays.line_of_sight(terrain, a_m, b_m, refraction=k)[0] == clear


def test_outside_is_unknown_and_underground_is_blocked() -> None:
    terrain = places.cone_terrain()
    eye = np.array([0.0, -1000.0, 4500.0])
    assert rays.line_of_sight(terrain, eye, [9e4, 0.0, 5000.0])[0] == rays.UNKNOWN
    assert rays.line_of_sight(terrain, eye, [500.0, -1000.0, 3990.0])[0] == rays.BLOCKED


def test_what_is_no_number_is_unknown() -> None:
    terrain = places.cone_terrain()
    eye = np.array([0.0, -1000.0, 4500.0])
    wrong = np.array([[np.nan, 0, 4600.0], [0, np.nan, 4600.0], [0, 0, np.nan], [0, 0, np.inf], [0, 0, -np.inf]])
    assert (rays.line_of_sight(terrain, eye, wrong) == rays.UNKNOWN).all()
    assert (rays.line_of_sight(terrain, wrong, eye) == rays.UNKNOWN).all()


def test_points_that_are_none_are_refused_and_no_points_give_no_answers() -> None:
    terrain = places.cone_terrain()
    for a_m, b_m in ((np.zeros((4, 3)), np.zeros((5, 3))), (np.zeros((4, 2)), np.zeros((4, 3))), (0.0, np.zeros(3))):
        with pytest.raises(ConfigError, match="no points"):
            rays.line_of_sight(terrain, a_m, b_m)
    assert rays.line_of_sight(terrain, np.zeros((0, 3)), np.zeros(3)).shape == (0,)
    assert rays.ground_hits(terrain, np.zeros((0, 3)), np.zeros(3), 100.0).hits_m.shape == (0, 3)


def test_behind_the_cone_is_hidden() -> None:
    terrain = places.cone_terrain()
    targets = np.array([[0.0, 1000.0, 4001.0], [1200.0, 900.0, 4001.0], [0.0, 1000.0, 4700.0]])
    got = rays.line_of_sight(terrain, [0.0, -1200.0, 4050.0], targets)
    np.testing.assert_array_equal(got, [rays.BLOCKED, rays.CLEAR, rays.CLEAR])


def test_hits_lie_on_the_ground_with_clear_sight_before_them() -> None:
    terrain = rough_terrain(11)
    origins = random_ends(terrain, 800, 4, 150.0) + 5.0 * UP
    rng = np.random.default_rng(5)
    azimuth, elevation = rng.uniform(0, 2 * np.pi, 800), rng.uniform(-1.5, 0.1, 800)
    d = np.stack([np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)], -1)
    found = rays.ground_hits(terrain, origins, d, 5000.0)
    hits, status, slant = found.hits_m, found.status, found.slant_m
    hit = status == rays.HIT
    assert 300 < hit.sum() < 800
    np.testing.assert_allclose(hits[hit, 2], grid.height_at(terrain, hits[hit, 0], hits[hit, 1]), atol=1e-4)
    rise_m = 0.87 * (slant * np.cos(elevation)) ** 2 / (2.0 * EARTH_RADIUS_M)  # the ground curves away below the ray
    straight = origins + slant[:, None] * d + np.outer(rise_m, UP)
    np.testing.assert_allclose(hits[hit], straight[hit], atol=1e-4)
    assert np.isnan(hits[~hit]).all()
    assert np.isnan(slant[~hit]).all()
    # Nothing stands between the origin and a point just before the hit.
    before = origins + ((slant - 3.0)[:, None] * d)
    before[:, 2] += 0.6  # within a cell the patch may bulge over the R3 profile at the crossings
    clear = rays.line_of_sight(terrain, origins[hit & (slant > 5)], before[hit & (slant > 5)])
    assert (clear == rays.CLEAR).mean() > 0.99


def test_a_ray_straight_down_and_one_into_the_sky() -> None:
    terrain = places.cone_terrain()
    found = rays.ground_hits(terrain, [10.0, 20.0, 5000.0], [[0, 0, -1.0], [0, 0, 1.0], [0, 1.0, 0]], 900.0)
    np.testing.assert_array_equal(found.status, [rays.HIT, rays.NO_HIT, rays.NO_HIT])
    assert found.slant_m[0] == pytest.approx(5000.0 - float(grid.height_at(terrain, 10.0, 20.0)), abs=1e-4)
    far = rays.ground_hits(terrain, [0.0, 0.0, 5000.0], [[0.0, 1.0, 0.0]], 50_000.0)
    assert far.status[0] == rays.LEFT


def test_a_ray_over_a_void_is_lost() -> None:
    terrain = places.terrain(np.where(np.arange(60) > 30, np.nan, 4000.0) * np.ones((40, 1)), 30.0)
    down = np.array([0.8, 0.0, -0.6])
    high, low = (rays.ground_hits(terrain, [-600.0, 0.0, z], down, 5000.0) for z in (4900.0, 4300.0))
    assert high.status[0] == rays.VOID
    assert np.isnan(high.slant_m[0])
    assert low.status[0] == rays.HIT


def test_a_ray_that_is_none_is_marked_and_its_length_does_not_matter() -> None:
    terrain = places.cone_terrain()
    eye = [0.0, -1000.0, 4500.0]
    found = rays.ground_hits(terrain, eye, [[0, 0, 0], [np.nan, 0, -1], [0, 0, -1], [0, 0, -7.5]], 2000.0)
    np.testing.assert_array_equal(found.status, [rays.LEFT, rays.LEFT, rays.HIT, rays.HIT])
    assert found.slant_m[2] == found.slant_m[3] == pytest.approx(500.0, abs=1e-6)
    outside = rays.ground_hits(terrain, [[9e4, 0.0, 5e3], [np.nan, 0.0, 5e3], [0.0, 0.0, np.nan]], -UP, 2000.0)
    assert (outside.status == rays.LEFT).all()
    none = rays.ground_hits(terrain, eye, [0.0, 0.0, -1.0], 0.0)
    assert none.status[0] == rays.NO_HIT
    for range_m in (-1.0, np.nan, np.inf):
        with pytest.raises(ConfigError, match="Rays cannot be followed"):
            rays.ground_hits(terrain, eye, [0.0, 0.0, -1.0], range_m)


def test_incidence_is_the_angle_to_the_normal_of_the_ground() -> None:
    x_m, y_m = np.meshgrid(np.arange(60) * 30.0, -np.arange(50) * 30.0)
    east, north = 0.4, -0.25
    terrain = places.terrain(4000.0 + east * x_m + north * y_m, 30.0)
    normal = np.array([-east, -north, 1.0]) / np.sqrt(east**2 + north**2 + 1.0)
    rng = np.random.default_rng(1)
    d = np.stack([rng.normal(size=300), rng.normal(size=300), rng.uniform(-2.0, -0.3, 300)], axis=-1)
    found = rays.ground_hits(terrain, [0.0, 0.0, 5200.0], d, 5000.0, refraction=1.0)
    hit = found.status == rays.HIT
    assert hit.sum() > 50
    cosine = -(d @ normal) / np.linalg.norm(d, axis=1)
    np.testing.assert_allclose(found.incidence_rad[hit], np.arccos(cosine[hit]), atol=1e-4)
    assert np.isnan(found.incidence_rad[~hit]).all()
    buried = rays.ground_hits(terrain, [0.0, 0.0, 3000.0], -UP, 5000.0)
    assert (buried.status[0], buried.slant_m[0]) == (rays.HIT, 0.0)
    assert np.isnan(buried.incidence_rad[0])


def test_a_ray_that_grazes_the_ground_inside_one_cell_hits_it() -> None:
    """Between two high and two low corners the ground bulges where no edge of the cell is crossed below it."""
    heights_m = np.full((6, 6), 100.0)
    heights_m[2, 2] = heights_m[3, 3] = 100.0
    heights_m[2, 3] = heights_m[3, 2] = 110.0
    terrain = places.terrain(heights_m, 30.0)
    d = np.array([1.0, -1.0, 0.0]) / np.sqrt(2.0)  # along the low diagonal: 100 + 20 t (1 - t), 105 in the middle
    found = rays.ground_hits(terrain, [-16.0, 16.0, 104.0], d, 100.0, refraction=1.0)
    t = 0.5 - np.sqrt(0.25 - 4.0 / 20.0)
    assert found.status[0] == rays.HIT
    np.testing.assert_allclose(found.hits_m[0], [-15.0 + 30.0 * t, 15.0 - 30.0 * t, 104.0], atol=1e-9)
    over = rays.ground_hits(terrain, [-16.0, 16.0, 105.01], d, 60.0, refraction=1.0)
    assert over.status[0] == rays.NO_HIT


def test_threads_do_not_change_sight_lines_and_hits() -> None:
    terrain = rough_terrain(7, voids=5)
    a_m, b_m = random_ends(terrain, 9000, 1, 60.0), random_ends(terrain, 9000, 2, 60.0)
    for run in (rays.line_of_sight, lambda *args, threads: rays.ground_hits(*args, 2000.0, threads=threads).slant_m):
        one, three = (run(terrain, a_m, b_m - a_m * (run is not rays.line_of_sight), threads=k) for k in (1, 3))
        np.testing.assert_array_equal(one, three)


def test_a_corridor_is_the_sight_lines_to_its_stations() -> None:
    terrain = rough_terrain(5, voids=2)
    from_m = random_ends(terrain, 7, 3, 200.0)
    route = np.array([[-1000.0, -700.0], [-200.0, 500.0], [900.0, 600.0]])
    doubt = Doubt(sigma_m=3.0, correlation_m=146.0)
    for options in ({}, {"doubt": doubt}):
        found = rays.corridor(terrain, from_m, route, step_m=45.0, height_agl_m=1.5, **options)
        assert found.sight.shape == (7, len(found.chainage_m)) == (7, len(found.stations_m))
        for point, row in zip(from_m, found.sight, strict=True):
            np.testing.assert_array_equal(row, rays.line_of_sight(terrain, point, found.stations_m, **options))
    length_m = np.hypot(800.0, 1200.0) + np.hypot(1100.0, 100.0)
    np.testing.assert_allclose(np.diff(found.chainage_m)[:-1], 45.0)
    assert found.chainage_m[-1] == pytest.approx(length_m)
    np.testing.assert_allclose(found.stations_m[[0, -1], :2], route[[0, -1]])
    ground_m = grid.height_at(terrain, found.stations_m[:, 0], found.stations_m[:, 1])
    np.testing.assert_allclose(found.stations_m[:, 2], ground_m + 1.5)
    assert (found.sight[:, np.isnan(ground_m)] == rays.UNKNOWN).all()


def test_a_corridor_between_aircraft_keeps_the_altitudes_of_its_route() -> None:
    terrain = places.cone_terrain()
    route = np.array([[-1400.0, 1200.0, 4100.0], [1400.0, 1200.0, 4100.0]])  # behind the cone, below its top
    found = rays.corridor(terrain, [0.0, -1300.0, 4100.0], route, step_m=100.0)
    np.testing.assert_allclose(found.stations_m[:, 2], 4100.0)
    assert found.sight[0, 0] == found.sight[0, -1] == rays.CLEAR
    assert found.sight[0, len(found.chainage_m) // 2] == rays.BLOCKED
    for wrong in (
        {"route_m": route, "height_agl_m": 2.0},
        {"route_m": route[:, :2]},
        {"route_m": route[:, :2] * np.nan, "height_agl_m": 2.0},
        {"route_m": route, "step_m": 0.0},
        {"route_m": route, "doubt": Doubt(sigma_m=1.0, correlation_m=100.0)},
    ):
        with pytest.raises(ConfigError):
            rays.corridor(terrain, [0.0, -1300.0, 4100.0], **wrong)


def test_cells_that_are_not_square_only_change_what_is_measured_in_metres() -> None:
    """A 3 arc-second tile at 33 S: 92 m from row to row, 77 m from column to column."""
    heights_m = np.ascontiguousarray(rough_terrain(9, voids=3).heights_m)
    square, oblong = Relief(heights_m, 1.0, 1.0, 0.0, 0.0), Relief(heights_m, 77.0, 92.0, 0.0, 0.0)
    rng = np.random.default_rng(4)
    rows, cols = heights_m.shape
    u, v = rng.uniform(0.0, cols - 1.0, (2, 2000)), rng.uniform(0.0, rows - 1.0, (2, 2000))
    z = rng.uniform(3900.0, 4600.0, (2, 2000))
    small = [np.stack([u[k], -v[k], z[k]], axis=-1) for k in (0, 1)]
    large = [np.stack([77.0 * u[k], -92.0 * v[k], z[k]], axis=-1) for k in (0, 1)]
    flat = [relief.line_of_sight(a, b, 0.0, 0.0, 1.0, 1) for relief, (a, b) in ((square, small), (oblong, large))]
    np.testing.assert_array_equal(*flat)
    curved = oblong.line_of_sight(*large, 1e-5, 0.0, 1.0, 1)
    distance2_m2 = (77.0 * (u[1] - u[0])) ** 2 + (92.0 * (v[1] - v[0])) ** 2
    for k in range(0, 2000, 20):  # curvature drops the ground by the square of metres, whatever the cells
        per_cell = 1e-5 * distance2_m2[k] / ((u[1, k] - u[0, k]) ** 2 + (v[1, k] - v[0, k]) ** 2)
        assert square.line_of_sight(small[0][k : k + 1], small[1][k : k + 1], per_cell, 0.0, 1.0, 1) == curved[k]
    d = large[1] - large[0]
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    hits_m, status, slant_m, _ = oblong.ground_hits(large[0], d, 1e4, 0.0, 1)
    hit = (status == rays.HIT) & (slant_m > 0.0)
    assert hit.sum() > 200
    np.testing.assert_allclose(hits_m[hit], (large[0] + slant_m[:, None] * d)[hit], atol=1e-6)
    as_square = places.terrain(heights_m, 1.0)
    ground_m = grid.height_at(
        as_square, hits_m[hit, 0] / 77.0 + as_square.west_m + 0.5, hits_m[hit, 1] / 92.0 + as_square.north_m - 0.5
    )
    np.testing.assert_allclose(hits_m[hit, 2], ground_m, atol=1e-4)


def test_a_new_terrain_in_the_same_array_place_is_not_mistaken_for_the_old() -> None:
    """The prepared relief belongs to the array and its place, not to a reused memory address."""
    for k in range(20):
        terrain = places.terrain(np.full((30, 30), 1000.0 + k), 30.0)
        found = rays.ground_hits(terrain, [0.0, 0.0, 5000.0], [0.0, 0.0, -1.0], 9000.0)
        assert found.hits_m[0, 2] == pytest.approx(1000.0 + k, abs=1e-3)
        wider = msgspec.structs.replace(terrain, cell_m=300.0, west_m=-4500.0, north_m=4500.0)
        assert rays.line_of_sight(wider, [0.0, 0.0, 5000.0], [4000.0, 0.0, 5000.0])[0] == rays.CLEAR
        assert rays.line_of_sight(terrain, [0.0, 0.0, 5000.0], [4000.0, 0.0, 5000.0])[0] == rays.UNKNOWN


DIGEST = """
import hashlib, sys
sys.path[:0] = {paths!r}
import numpy as np, places
from test_visibility_rays import random_ends, rough_terrain
from kuntur.visibility import rays, viewshed
t = rough_terrain(3, voids=4)
a, b = random_ends(t, 4000, 1, 60.0), random_ends(t, 4000, 2, 60.0)
d = hashlib.sha256(rays.line_of_sight(t, a, b).tobytes())
d.update(viewshed.visible(t, 0.0, 0.0, 4300.0, target_height_m=1.0, max_range_m=2e3).tobytes())
found = rays.ground_hits(t, a, b - a, 3000.0)
for part in (found.hits_m, found.status, found.slant_m, found.incidence_rad):
    d.update(part.tobytes())
print(d.hexdigest())
"""


def test_every_instruction_level_gives_the_same_bits() -> None:
    here = Path(__file__).resolve().parent
    code = DIGEST.format(paths=[str(here), str(here.parent)])
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "KUNTUR_SIMD": level},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for level in ("baseline", "avx2", "avx512")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_real_andes_equal_the_reference(shared_data: Path) -> None:
    """Aconcagua, 3 arc-seconds, as if its cells were 90 m squares."""
    with rasterio.open(shared_data / "terrain" / "S33W071_srtm3_filled.tif") as source:
        terrain = places.terrain(source.read(1).astype(float), 90.0, sketched=False)
    rng = np.random.default_rng(8)
    x_m, y_m = rng.uniform(-30e3, 30e3, (2, 2, 300))
    ends = [
        np.stack([x, y, grid.height_at(terrain, x, y) + up], axis=-1)
        for x, y, up in zip(x_m, y_m, (1500.0, 2.0), strict=True)
    ]
    got = rays.line_of_sight(terrain, *ends)
    want = [visibility_oracle.sight(terrain, a, b, 0.13) for a, b in zip(*ends, strict=True)]
    np.testing.assert_array_equal(got, want)
    assert 0.02 < (got == rays.CLEAR).mean() < 0.98
