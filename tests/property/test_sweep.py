"""What must hold for viewsheds in bulk on any relief, by any of the three ways of sweeping it."""

from __future__ import annotations

import numpy as np
import places
import pytest
import visibility_oracle as oracle
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kuntur.model.place import Terrain
from kuntur.visibility import viewshed

CELL_M = 30.0
HIDDEN, CLEAR, UNKNOWN = 0, 1, 2
MODES: tuple[viewshed.Mode, ...] = ("fast", "accurate", "exact")
ALL: tuple[viewshed.Quantity, ...] = ("count", "unknown", "best_slant_m", "least_height_m", "exposure")
TABLE = viewshed.RangeTable(values=np.linspace(1.0, 0.0, 30, dtype=np.float32), step_m=25.0)

UP = np.array([0.0, 0.0, 1.0])

modes = st.sampled_from(MODES)
few = settings(max_examples=60, deadline=None)


@st.composite
def terrains(draw: st.DrawFn, *, voids: bool = False) -> Terrain:
    shape = draw(st.tuples(st.integers(3, 20), st.integers(3, 20)))
    heights = draw(npst.arrays(np.float32, shape, elements=st.floats(0.0, 300.0, width=32)))
    if voids:
        heights = np.where(draw(npst.arrays(np.bool_, shape, elements=st.booleans())), np.nan, heights)
    return places.terrain(heights, CELL_M)


def over(land: Terrain, row: float, col: float, agl_m: float) -> np.ndarray:
    """A point above the surface of a place in rows and columns."""
    x_m, y_m = land.west_m + CELL_M * (col + 0.5), land.north_m - CELL_M * (row + 0.5)
    ground_m = oracle._bilinear(land.surface_m.astype(float), np.array([row]), np.array([col]))[0]
    return np.array([x_m, y_m, ground_m + agl_m])


@st.composite
def eyes(draw: st.DrawFn, land: Terrain, *, centred: bool = False) -> np.ndarray:
    """An observer anywhere over the terrain, or at the centre of a cell."""
    if centred:
        row, col = float(draw(st.integers(0, land.rows - 1))), float(draw(st.integers(0, land.cols - 1)))
    else:
        row, col = draw(st.floats(0.0, land.rows - 1.0)), draw(st.floats(0.0, land.cols - 1.0))
    return over(land, row, col, draw(st.floats(0.5, 200.0)))


def sees(land: Terrain, eye_m: np.ndarray, mode: viewshed.Mode, **more: object) -> np.ndarray:
    return viewshed.visible(
        land, *eye_m, **{"target_height_m": 0.0, "max_range_m": 1e4, "threads": 1, **more}, mode=mode
    )


@few
@given(st.data(), st.floats(0.0, 20.0), st.booleans())
def test_exact_is_the_oracle_cell_by_cell(data: st.DataObject, target_m: float, torn: bool) -> None:
    land = data.draw(terrains(voids=torn))
    eye_m = data.draw(eyes(land))
    assume(np.isfinite(eye_m).all())
    seen = sees(land, eye_m, "exact", target_height_m=target_m)
    for row, col in np.ndindex(land.rows, land.cols):
        if np.isnan(land.heights_m[row, col]):
            assert seen[row, col] == UNKNOWN
            continue
        target = over(land, row, col, target_m)
        nudges = {oracle.sight(land, eye_m, target + UP * dz, 0.13) for dz in (-1e-3, 0.0, 1e-3)}
        assert seen[row, col] in nudges, (row, col)  # a millimetre is float32's doubt about a grazing line


@few
@given(st.data(), st.floats(0.5, 50.0))
def test_two_places_see_each_other_or_not(data: st.DataObject, height_m: float) -> None:
    """Reciprocity: eyes and targets at the same height above the centres of two cells."""
    land = data.draw(terrains())
    cells = [(data.draw(st.integers(0, land.rows - 1)), data.draw(st.integers(0, land.cols - 1))) for _ in range(2)]
    a, b = cells
    there = sees(land, over(land, *a, height_m), "exact", target_height_m=height_m)[b]
    back = sees(land, over(land, *b, height_m), "exact", target_height_m=height_m)[a]
    if there != back:  # unless the line grazes the ground within float32's doubt
        up = sees(land, over(land, *a, height_m + 1e-3), "exact", target_height_m=height_m + 1e-3)[b]
        down = sees(land, over(land, *a, height_m - 1e-3), "exact", target_height_m=height_m - 1e-3)[b]
        assert up == CLEAR and down == HIDDEN


@few
@given(st.data(), st.floats(0.0, 300.0))
def test_a_higher_eye_never_sees_less(data: st.DataObject, lift_m: float) -> None:
    land = data.draw(terrains())
    eye_m = data.draw(eyes(land))
    low, high = sees(land, eye_m, "exact"), sees(land, eye_m + UP * lift_m, "exact", target_height_m=1e-3)
    assert (high[low == CLEAR] == CLEAR).all()


@few
@given(npst.arrays(np.float32, st.integers(3, 60), elements=st.floats(0.0, 300.0, width=32)), st.data(), modes)
def test_along_one_ray_every_mode_is_exact(profile: np.ndarray, data: st.DataObject, mode: viewshed.Mode) -> None:
    """Where the ground varies along one axis only, the sight lines along that axis are no approximation in any mode; so
    a higher eye sees no less along them."""
    heights = np.tile(profile, (3, 1))
    land = places.terrain(heights if data.draw(st.booleans()) else heights.T, CELL_M)
    along = np.s_[1, :] if land.rows == 3 else np.s_[:, 1]
    at = data.draw(st.integers(0, len(profile) - 1))
    place = (1, at) if land.rows == 3 else (at, 1)
    agl_m, lift_m = data.draw(st.floats(0.5, 100.0)), data.draw(st.floats(1.0, 100.0))
    told = sees(land, over(land, *place, agl_m), mode)[along]
    more = sees(land, over(land, *place, agl_m), "exact", target_height_m=2e-3)[along]
    less = sees(land, over(land, *place, agl_m - 2e-3), "exact", target_height_m=0.0)[along]
    assert (told >= less).all() and (told <= more).all(), "the oracle's answer but for grazing lines"
    higher = sees(land, over(land, *place, agl_m + lift_m), mode, target_height_m=2e-3)[along]
    assert (higher[told == CLEAR] == CLEAR).all()


@few
@given(st.data(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_refraction_never_hides(data: st.DataObject, k1: float, k2: float) -> None:
    land = data.draw(terrains())
    eye_m = data.draw(eyes(land))
    less, more = (sees(land, eye_m, "exact", refraction=k) for k in sorted((k1, k2)))
    more = np.maximum(more, sees(land, eye_m, "exact", refraction=max(k1, k2), target_height_m=1e-3))
    assert (more >= less).all()


@few
@given(st.data(), modes, st.floats(-7.0, 7.0), st.floats(0.0, 2.0 * np.pi))
def test_a_sector_is_a_mask_on_the_circle(
    data: st.DataObject, mode: viewshed.Mode, azimuth: float, width: float
) -> None:
    # The fast mode mixes neighbouring lines: how little it differs is measured in tests/unit/test_viewshed_sweep.py.
    land = data.draw(terrains())
    eye_m = data.draw(eyes(land))
    whole = sees(land, eye_m, mode)
    part = sees(land, eye_m, mode, sector=viewshed.Sector(azimuth_rad=azimuth, width_rad=width))
    rows, cols = np.indices(whole.shape)
    east = land.west_m + CELL_M * (cols + 0.5) - eye_m[0]
    north = land.north_m - CELL_M * (rows + 0.5) - eye_m[1]
    off = np.abs((np.arctan2(east, north) - azimuth + np.pi) % (2.0 * np.pi) - np.pi)
    below = np.hypot(east, north) < CELL_M  # the cell under the observer lies in every azimuth
    inside, outside = off < width / 2.0 - 1e-4, off > width / 2.0 + 1e-4
    assert (part[outside & ~below] == HIDDEN).all()
    if mode == "fast":  # it leans each line on its neighbours; beside a sector it takes a level horizon for those
        return
    assert (part[inside & ~below] == whole[inside & ~below]).all()
    assert ((part == whole) | (part == HIDDEN)).all()


def test_in_a_sector_the_fast_mode_is_the_circle_but_for_grazing_lines_at_its_edge() -> None:
    random = np.random.default_rng(3)
    heights = np.cumsum(np.cumsum(random.normal(size=(201, 201)), axis=0), axis=1)
    land = places.terrain(
        (heights - heights.min()) / np.ptp(heights) * 600.0 + random.uniform(0.0, 8.0, (201, 201)), CELL_M
    )
    looked, wrong = 0, 0
    for _ in range(30):
        row, col = (int(value) for value in random.integers(20, 180, 2))
        eye_m, azimuth, width = over(land, row, col, 20.0), random.uniform(0.0, 6.3), random.choice([0.01, 0.3, 1.5])
        part = sees(land, eye_m, "fast", sector=viewshed.Sector(azimuth_rad=azimuth, width_rad=width))
        rows, cols = np.indices(part.shape)
        off = np.abs((np.arctan2(cols - col, row - rows) - azimuth + np.pi) % (2.0 * np.pi) - np.pi)
        inside = off < width / 2.0 - 1e-6
        looked, wrong = looked + inside.sum(), wrong + (part[inside] != sees(land, eye_m, "fast")[inside]).sum()
    assert looked > 50_000
    assert wrong <= looked / 5_000


@few
@given(st.data(), modes, st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_depression_limits_are_a_mask_too(data: st.DataObject, mode: viewshed.Mode, one: float, other: float) -> None:
    land = data.draw(terrains())
    eye_m = data.draw(eyes(land))
    least, most = sorted((one, other))
    whole = sees(land, eye_m, mode, target_height_m=1.0)
    limits = viewshed.Sector(least_depression_rad=least, greatest_depression_rad=most)
    part = sees(land, eye_m, mode, target_height_m=1.0, sector=limits)
    rows, cols = np.indices(whole.shape)
    far_m = np.hypot(land.west_m + CELL_M * (cols + 0.5) - eye_m[0], land.north_m - CELL_M * (rows + 0.5) - eye_m[1])
    down = np.arctan2(eye_m[2] - land.heights_m - 1.0, far_m)
    inside, outside = (down > least + 1e-4) & (down < most - 1e-4), (down < least - 1e-4) | (down > most + 1e-4)
    assert (part[inside] == whole[inside]).all()
    assert (part[outside] == HIDDEN).all()


@few
@given(st.data(), modes)
def test_seams_are_invisible(data: st.DataObject, mode: viewshed.Mode) -> None:
    """Any window of the result is that window of the whole result, to the last bit; observers may stand outside it."""
    land = data.draw(terrains(voids=data.draw(st.booleans())))
    watch = [data.draw(eyes(land)) for _ in range(data.draw(st.integers(1, 4)))]
    assume(np.isfinite(watch).all())
    ask = {"max_range_m": data.draw(st.floats(20.0, 900.0)), "mode": mode, "want": ALL, "rate": TABLE}
    whole = viewshed.accumulate(land, watch, threads=1, **ask)
    row, col = data.draw(st.integers(0, land.rows - 1)), data.draw(st.integers(0, land.cols - 1))
    height, width = data.draw(st.integers(1, land.rows - row)), data.draw(st.integers(1, land.cols - col))
    part = viewshed.accumulate(land, watch, threads=2, window=(row, col, height, width), **ask)
    for name in ALL:
        cut = getattr(whole, name)[row : row + height, col : col + width]
        assert cut.tobytes() == getattr(part, name).tobytes(), name


@few
@given(st.data(), modes)
def test_many_observers_are_the_sum_of_each(data: st.DataObject, mode: viewshed.Mode) -> None:
    land = data.draw(terrains(voids=data.draw(st.booleans())))
    watch = np.array([data.draw(eyes(land)) for _ in range(data.draw(st.integers(2, 5)))])
    assume(np.isfinite(watch).all())
    ask = {"max_range_m": 500.0, "mode": mode, "want": ALL, "rate": TABLE, "threads": 1}
    together, alone = viewshed.accumulate(land, watch, **ask), [viewshed.accumulate(land, one, **ask) for one in watch]
    np.testing.assert_array_equal(together.count, sum(one.count for one in alone))
    np.testing.assert_array_equal(together.unknown, sum(one.unknown for one in alone))
    np.testing.assert_array_equal(together.best_slant_m, np.min([one.best_slant_m for one in alone], axis=0))
    np.testing.assert_allclose(together.exposure, sum(one.exposure for one in alone), rtol=1e-5)


@few
@given(st.data(), modes)
def test_a_void_is_never_seen_and_never_helps(data: st.DataObject, mode: viewshed.Mode) -> None:
    land = data.draw(terrains())
    eye_m = data.draw(eyes(land))
    hole = data.draw(npst.arrays(np.bool_, land.heights_m.shape))
    torn = places.terrain(np.where(hole, np.nan, land.heights_m), CELL_M)
    row, col = (land.north_m - eye_m[1]) / CELL_M - 0.5, (eye_m[0] - land.west_m) / CELL_M - 0.5
    assume(np.isfinite(oracle._bilinear(torn.heights_m.astype(float), np.array([row]), np.array([col]))).all())
    whole, part = sees(land, eye_m, mode), sees(torn, eye_m, mode)
    assert (part[hole] == UNKNOWN).all()
    assert (part[~hole & (whole == HIDDEN)] != CLEAR).all(), "losing knowledge shows nothing that was hidden"
    assert (whole[part == CLEAR] == CLEAR).all()


@few
@given(st.data(), st.floats(0.5, 100.0))
def test_least_height_is_the_height_at_which_a_target_comes_into_view(data: st.DataObject, step_m: float) -> None:
    land = data.draw(terrains())
    eye_m = data.draw(eyes(land))
    ask = {"max_range_m": 1e4, "mode": "exact", "threads": 1}
    least = viewshed.accumulate(land, eye_m, want=("least_height_m",), **ask).least_height_m
    row, col = data.draw(st.integers(0, land.rows - 1)), data.draw(st.integers(0, land.cols - 1))
    above, below = least[row, col] + step_m, least[row, col] - step_m
    assert sees(land, eye_m, "exact", target_height_m=float(above))[row, col] == CLEAR
    if below > 0.0:
        assert sees(land, eye_m, "exact", target_height_m=float(below))[row, col] == HIDDEN
    assert (least[sees(land, eye_m, "exact") == CLEAR] <= 1e-2).all()


# --- shapes whose answer is known


@pytest.mark.parametrize("mode", MODES)
def test_the_horizon_of_a_sphere(mode: viewshed.Mode) -> None:
    """A sea, the eye 3 m above it: seen to sqrt(2 R h / (1 - k)) in every direction."""
    land = places.terrain(np.zeros((161, 161)), 100.0)
    seen = viewshed.visible(
        land, 0.0, 0.0, 3.0, target_height_m=0.0, max_range_m=1e4, mode=mode, refraction=0.13, threads=1
    )
    horizon_m = np.sqrt(2.0 * 6_371_008.8 * 3.0 / 0.87)
    rows, cols = np.indices(seen.shape)
    far_m = np.hypot(rows - 80, cols - 80) * 100.0
    assert (seen[far_m < horizon_m - 100.0] == CLEAR).all()
    assert (seen[far_m > horizon_m + 100.0] == HIDDEN).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_shadow_of_a_ridge(mode: viewshed.Mode) -> None:
    """A straight wall 40 m high at 300 m, the eye at 50 m: dark from the wall to where the line over it meets the
    plain, 1,500 m away from the eye's parallel to it. The wall is one cell thick: where lines cross it aslant between
    two rows, `accurate`, which looks at the rows only, sees through it here and there."""
    heights = np.zeros((161, 201))
    heights[:, 40] = 40.0
    land = places.terrain(heights, 10.0)
    eye_m = np.array([land.west_m + 105.0, land.north_m - 805.0, 50.0])
    seen = viewshed.visible(land, *eye_m, target_height_m=0.0, max_range_m=5e3, mode=mode, refraction=1.0, threads=1)
    assert (seen[:, 11:40] == CLEAR).all()
    assert (seen[:, 42:159] == CLEAR).mean() <= (0.01 if mode == "accurate" else 0.0)
    assert (seen[:, 162:] == CLEAR).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_far_side_of_a_cone(mode: viewshed.Mode) -> None:
    """From the plain, a cone hides its far side and, beyond it, what the lines touching its flanks leave out; from
    above its top all is seen."""
    n, cell_m, height_m, radius_m = 201, 10.0, 300.0, 600.0
    rows, cols = np.indices((n, n))
    far_m = np.hypot(rows - 100, cols - 100) * cell_m
    land = places.terrain(np.maximum(height_m * (1.0 - far_m / radius_m), 0.0), cell_m)
    eye_m = np.array([-950.0, 0.0, 2.0])
    ask = {"target_height_m": 0.0, "max_range_m": 5e3, "mode": mode, "refraction": 1.0, "threads": 1}
    seen = viewshed.visible(land, *eye_m, **ask)
    # The eye almost in the plane of the foot: its tangent planes touch the cone along the lines to the tangent points.
    x_m, y_m = (cols - 100) * cell_m, (100 - rows) * cell_m
    touch = np.arccos(radius_m / 950.0)
    bearing = np.abs(np.arctan2(y_m, -x_m))
    flank = (far_m > 40.0) & (far_m < radius_m - 20.0)
    assert (seen[flank & (bearing < touch - 0.06)] == CLEAR).all()
    assert (seen[flank & (bearing > touch + 0.06)] == HIDDEN).all()
    off_axis = np.abs(np.arctan2(y_m, x_m + 950.0))
    beyond = (far_m > radius_m + 20.0) & (x_m > 0.0)
    assert (seen[beyond & (off_axis < np.arcsin(radius_m / 950.0) - 0.03) & (x_m < 600.0)] == HIDDEN).all()
    assert (seen[beyond & (off_axis > np.arcsin(radius_m / 950.0) + 0.03)] == CLEAR).all()
    assert (viewshed.visible(land, 0.0, 0.0, height_m + 50.0, **ask) == CLEAR).all()
