"""What must hold for any relief: sight goes both ways, height and refraction only help, a void is never seen."""

from itertools import pairwise

import msgspec
import numpy as np
import places
import visibility_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kuntur.geodesy import grid
from kuntur.model.place import Terrain, Weather
from kuntur.visibility import detection, rays, viewshed
from kuntur.visibility.doubt import Doubt

CELL_M = 30.0


@st.composite
def terrains(draw: st.DrawFn, voids: bool = False) -> Terrain:
    shape = draw(st.tuples(st.integers(2, 24), st.integers(2, 24)))
    heights = draw(npst.arrays(np.float32, shape, elements=st.floats(0.0, 400.0, width=32)))
    if voids:
        heights = np.where(draw(npst.arrays(np.bool_, shape)), np.nan, heights)
    return places.terrain(heights, CELL_M)


@st.composite
def points(draw: st.DrawFn, terrain: Terrain) -> np.ndarray:
    """A point over the terrain, from below the ground to high above it."""
    share = st.floats(0.0, 1.0)
    x_m = terrain.west_m + CELL_M * (0.5 + draw(share) * (terrain.cols - 1))
    y_m = terrain.south_m + CELL_M * (0.5 + draw(share) * (terrain.rows - 1))
    return np.array([x_m, y_m, draw(st.floats(-50.0, 900.0))])


@given(st.data())
def test_sight_lines_are_reciprocal(data: st.DataObject) -> None:
    terrain = data.draw(terrains(voids=data.draw(st.booleans())))
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    assert rays.line_of_sight(terrain, a_m, b_m) == rays.line_of_sight(terrain, b_m, a_m)


@given(st.data(), st.floats(0.0, 500.0))
def test_a_higher_eye_never_sees_less(data: st.DataObject, lift_m: float) -> None:
    terrain = data.draw(terrains())
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    if rays.line_of_sight(terrain, a_m, b_m) == rays.CLEAR:
        assert rays.line_of_sight(terrain, a_m + np.array([0.0, 0.0, lift_m]), b_m) == rays.CLEAR


@given(st.data(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_refraction_never_hides(data: st.DataObject, k1: float, k2: float) -> None:
    terrain = data.draw(terrains())
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    less, more = (rays.line_of_sight(terrain, a_m, b_m, refraction=k)[0] for k in sorted((k1, k2)))
    assert more >= less


@given(st.data())
def test_a_void_only_makes_sight_unknown_and_is_never_visible(data: st.DataObject) -> None:
    terrain = data.draw(terrains())
    eye_m = data.draw(points(terrain))
    eye_m[2] = abs(eye_m[2]) + float(grid.height_at(terrain, *eye_m[:2]))
    hole = data.draw(npst.arrays(np.bool_, terrain.heights_m.shape))
    col, row = (eye_m[0] - terrain.west_m) / CELL_M - 0.5, (terrain.north_m - eye_m[1]) / CELL_M - 0.5
    hole[int(row) : int(row) + 2, int(col) : int(col) + 2] = False  # the ground below the eye is known
    holed = places.terrain(np.where(hole, np.nan, terrain.heights_m), CELL_M)
    whole, torn = (
        viewshed.visible(t, *eye_m, target_height_m=1.0, max_range_m=1e4, threads=1) for t in (terrain, holed)
    )
    assert (torn[hole] == rays.UNKNOWN).all()
    assert (torn[whole == rays.BLOCKED] != rays.CLEAR).all()  # losing knowledge never makes a hidden cell visible
    assert (whole[torn == rays.CLEAR] == rays.CLEAR).all()
    assert (whole[torn == rays.BLOCKED] == rays.BLOCKED).all()


@given(st.data(), st.floats(0.0, 30.0), st.floats(0.0, 30.0), st.floats(1.0, 1000.0))
def test_more_doubt_never_sees_more(data: st.DataObject, sigma1: float, sigma2: float, correlation_m: float) -> None:
    terrain = data.draw(terrains(voids=data.draw(st.booleans())))
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    plain = rays.line_of_sight(terrain, a_m, b_m)[0]
    less, more = (
        rays.line_of_sight(terrain, a_m, b_m, doubt=Doubt(sigma_m=sigma, correlation_m=correlation_m))[0]
        for sigma in sorted((sigma1, sigma2))
    )
    # Known ground only gets higher: what it hid stays hidden, and no void becomes known.
    for lower, higher in ((plain, less), (less, more)):
        assert higher in (lower, rays.BLOCKED)


@given(st.data())
def test_certain_sight_is_the_reference(data: st.DataObject) -> None:
    terrain = data.draw(terrains(voids=data.draw(st.booleans())))
    a_m, b_m = data.draw(points(terrain)), data.draw(points(terrain))
    doubt = Doubt(sigma_m=data.draw(st.floats(0.0, 20.0)), correlation_m=data.draw(st.floats(1.0, 1000.0)))
    want = visibility_oracle.sight(terrain, a_m, b_m, 0.13, doubt)
    got = rays.line_of_sight(terrain, a_m, b_m, doubt=doubt)[0]
    if got != want:  # only a line that touches within rounding may be judged either way
        nearly = [
            visibility_oracle.sight(terrain, a_m + np.array([0, 0, dz]), b_m + np.array([0, 0, dz]), 0.13, doubt)
            for dz in (-1e-8, 1e-8)
        ]
        assert nearly[0] != nearly[1]


@given(st.data())
def test_a_ray_over_a_void_is_never_a_hit_behind_it(data: st.DataObject) -> None:
    """With more voids a ray hits where it did before, or is lost; it never hits farther away."""
    terrain = data.draw(terrains())
    origin_m = data.draw(points(terrain))
    d = np.array([data.draw(st.floats(-1, 1)), data.draw(st.floats(-1, 1)), data.draw(st.floats(-1, 0.1))])
    hole = data.draw(npst.arrays(np.bool_, terrain.heights_m.shape))
    holed = places.terrain(np.where(hole, np.nan, terrain.heights_m), CELL_M)
    whole, torn = (rays.ground_hits(t, origin_m, d, 2000.0) for t in (terrain, holed))
    assert torn.status[0] in (whole.status[0], rays.VOID)
    if torn.status[0] == rays.HIT:
        np.testing.assert_array_equal(torn.hits_m, whole.hits_m)
        np.testing.assert_array_equal(torn.incidence_rad, whole.incidence_rad)


@given(st.data(), st.floats(0.0, 2 * np.pi), st.floats(-np.pi / 2, np.pi / 2))
def test_a_hit_lies_on_the_ground(data: st.DataObject, azimuth: float, elevation: float) -> None:
    terrain = data.draw(terrains())
    origin_m = data.draw(points(terrain))
    d = np.array([np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
    found = rays.ground_hits(terrain, origin_m, d, 2000.0)
    hits, status, slant = found.hits_m, found.status, found.slant_m
    ground_m = float(grid.height_at(terrain, *origin_m[:2]))
    if ground_m > origin_m[2]:
        assert status[0] == rays.HIT
        assert slant[0] < 1e-3
    elif status[0] == rays.HIT and slant[0] > 1e-3:
        assert abs(hits[0, 2] - grid.height_at(terrain, hits[0, 0], hits[0, 1])) < 1e-2
    else:
        assert status[0] != rays.HIT or slant[0] <= 1e-3


@settings(max_examples=50)
@given(st.floats(50.0, 3000.0), st.floats(0.05, 1.2), st.floats(0.05, 1.2), st.floats(300.0, 6000.0))
def test_bands_join_and_share_all_looks(height_m: float, hfov: float, vfov: float, range_m: float) -> None:
    camera = msgspec.structs.replace(places.CAMERA, hfov_rad=hfov, vfov_rad=vfov)
    search = detection.search_pattern(camera, height_m, range_m)
    assert search.least_depression_rad >= 0.0
    assert abs(sum(band.share_prob for band in search.bands) - 1.0) < 1e-9
    assert search.revolution_s == sum(band.looks for band in search.bands) * search.look_s
    elevations = [band.elevation_rad for band in search.bands]
    assert all(0 < a - b <= vfov for a, b in pairwise(elevations))


@given(st.lists(st.floats(1.0, 10_000.0), min_size=2, max_size=20), st.floats(500.0, 1e5))
def test_glimpse_is_a_falling_probability(ranges_m: list[float], visibility_m: float) -> None:
    prob = detection.glimpse_prob(places.CAMERA, "person", np.sort(ranges_m), Weather(visibility_m=visibility_m))
    assert ((prob >= 0.0) & (prob <= detection.AVAILABILITY)).all()
    assert (np.diff(prob) <= 0.0).all()
