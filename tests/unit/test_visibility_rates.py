"""The promise of the cell rates: never more than any sub-cell would give."""

import msgspec
import numpy as np
import places
import pytest

from kuntur.geodesy import grid
from kuntur.model.place import Lattice, Terrain, Weather
from kuntur.visibility import detection, rates, rays
from kuntur.visibility.doubt import Doubt

WEATHER = Weather()


def bumpy(voids: bool = False) -> Terrain:
    rng = np.random.default_rng(2)
    x_m, y_m = np.meshgrid(np.arange(120) * 30.0, np.arange(100) * 30.0)
    heights_m = 4000.0 + 60.0 * np.sin(x_m / 300.0) * np.cos(y_m / 260.0) + rng.normal(0.0, 3.0, x_m.shape)
    if voids:
        heights_m[40:43, 50:55] = np.nan
    return places.terrain(heights_m, 30.0)


def sub_cells(terrain: Terrain, lattice: Lattice, row: int, col: int) -> np.ndarray:
    """x, y, ground height of the terrain cells of one lattice cell (n, 3)."""
    f = lattice.factor
    rows = lattice.row0 + row * f + np.arange(f)
    cols = lattice.col0 + col * f + np.arange(f)
    r, c = [a.ravel() for a in np.meshgrid(rows, cols, indexing="ij")]
    return np.stack(
        [
            terrain.west_m + (c + 0.5) * terrain.cell_m,
            terrain.north_m - (r + 0.5) * terrain.cell_m,
            terrain.heights_m[r, c].astype(float),
        ],
        axis=-1,
    )


@pytest.mark.parametrize("target", ["person", "light_vehicle"])
def test_cell_rates_never_exceed_any_sub_cell(target: detection.Target) -> None:
    terrain = bumpy(voids=True)
    lattice = grid.lattice(terrain, 120.0, (-1500.0, -1200.0, 1500.0, 1200.0))
    limit_m = detection.max_range_m(places.CAMERA, target, WEATHER)
    search = detection.search_pattern(places.CAMERA, 200.0, limit_m)
    viewpoints = np.array([[0.0, 0.0, 4260.0], [700.0, -300.0, 4180.0], [-1200.0, 900.0, 4400.0], [9e5, 0.0, 5000.0]])
    got_hz = rates.cell_rates(terrain, lattice, viewpoints, places.CAMERA, search, target, WEATHER)
    assert got_hz.shape == (4, lattice.rows, lattice.cols)
    assert got_hz.dtype == np.float32
    assert not got_hz[3].any()  # outside the terrain nothing is promised
    positive = 0
    for v, eye in enumerate(viewpoints[:3]):
        for row in range(lattice.rows):
            for col in range(lattice.cols):
                ground = sub_cells(terrain, lattice, row, col)
                top = ground + np.array([0.0, 0.0, detection.VISIBLE_HEIGHT_M[target]])
                offset = ground - eye
                across = np.hypot(offset[:, 0], offset[:, 1])
                slant = np.hypot(across, offset[:, 2])
                each = detection.detection_rate_hz(
                    places.CAMERA, search, target, WEATHER, slant, np.arctan2(-offset[:, 2], across)
                )
                each = np.where(rays.line_of_sight(terrain, eye, top) == rays.CLEAR, each, 0.0)
                worst = 0.0 if np.isnan(ground).any() else float(each.min())
                got = float(got_hz[v, row, col])
                assert got <= worst
                positive += got > 0.0
                if got == 0.0 and worst > 0.0:  # only rounding of range or depression may lose a cell
                    margin = np.abs(np.arctan2(-offset[:, 2], across) - search.greatest_depression_rad).min()
                    margin = min(margin, np.abs(np.arctan2(-offset[:, 2], across) - search.least_depression_rad).min())
                    assert margin < 0.01 or slant.max() > limit_m - rates.RATE_STEP_M
                elif got > 0.0:
                    nearer = detection.glimpse_prob(places.CAMERA, target, slant.max() + 2 * rates.RATE_STEP_M, WEATHER)
                    assert got >= 0.999 * float(nearer) / search.revolution_s
    assert positive > 100


def test_one_hidden_sub_cell_empties_the_cell_and_one_void_too() -> None:
    flat = np.full((80, 80), 4000.0)
    limit_m = detection.max_range_m(places.CAMERA, "person", WEATHER)
    search = detection.search_pattern(places.CAMERA, 200.0, limit_m)
    eye = [[-300.0, 0.0, 4200.0]]

    def rates_on(heights_m: np.ndarray) -> np.ndarray:
        terrain = places.terrain(heights_m, 30.0)
        lattice = grid.lattice(terrain, 240.0, (-1200.0, -1200.0, 1200.0, 1200.0))
        return rates.cell_rates(terrain, lattice, eye, places.CAMERA, search, "person", WEATHER)[0]

    before = rates_on(flat)
    walled, holed = flat.copy(), flat.copy()
    walled[42, 53] = 4060.0  # in lattice cell (5, 6); throws a shadow eastward
    holed[28, 52] = np.nan  # in lattice cell (3, 6)
    assert before[5, 6] > 0
    assert before[3, 6] > 0
    assert rates_on(walled)[5, 6] == 0 or rates_on(walled)[5, 7] == 0
    assert rates_on(holed)[3, 6] == 0
    unchanged = np.ones_like(before, bool)
    unchanged[5, 6:] = unchanged[4, 6:] = False
    np.testing.assert_array_equal(rates_on(walled)[unchanged], before[unchanged])


def test_threads_do_not_change_the_rates() -> None:
    terrain = bumpy()
    lattice = grid.lattice(terrain, 120.0, (-1500.0, -1200.0, 1500.0, 1200.0))
    search = detection.search_pattern(places.CAMERA, 200.0, 1500.0)
    rng = np.random.default_rng(0)
    xy = rng.uniform(-1000.0, 1000.0, (70, 2))
    viewpoints = np.c_[xy, grid.height_at(terrain, xy[:, 0], xy[:, 1]) + 200.0]
    one, four = (
        rates.cell_rates(terrain, lattice, viewpoints, places.CAMERA, search, "person", WEATHER, threads=threads)
        for threads in (1, 4)
    )
    np.testing.assert_array_equal(one, four)
    assert (one > 0).sum() > 1000


def test_certain_rates_are_never_higher_and_hold_for_certain_sight() -> None:
    terrain = bumpy()
    lattice = grid.lattice(terrain, 120.0, (-1500.0, -1200.0, 1500.0, 1200.0))
    limit_m = detection.max_range_m(places.CAMERA, "light_vehicle", WEATHER)
    search = detection.search_pattern(places.CAMERA, 150.0, limit_m)
    eyes = np.array([[0.0, 0.0, 4200.0], [700.0, -300.0, 4140.0], [-1200.0, 900.0, 4250.0]])
    arguments = (terrain, lattice, eyes, places.CAMERA, search, "light_vehicle", WEATHER)
    plain = rates.cell_rates(*arguments)
    doubt = Doubt(sigma_m=2.0, correlation_m=146.0)
    certain = rates.cell_rates(*arguments, doubt=doubt)
    worse = rates.cell_rates(*arguments, doubt=Doubt(sigma_m=4.0, correlation_m=146.0))
    assert ((certain == plain) | (certain == 0.0)).all()
    assert ((worse == certain) | (worse == 0.0)).all()
    assert 50 < (worse > 0).sum() < (certain > 0).sum() < (plain > 0).sum()
    np.testing.assert_array_equal(plain, rates.cell_rates(*arguments, doubt=Doubt(sigma_m=0.0, correlation_m=146.0)))
    up_m = np.array([0.0, 0.0, detection.VISIBLE_HEIGHT_M["light_vehicle"]])
    for v, eye in enumerate(eyes):
        for row, col in zip(*np.nonzero(plain[v]), strict=True):
            sight = rays.line_of_sight(terrain, eye, sub_cells(terrain, lattice, row, col) + up_m, doubt=doubt)
            assert (certain[v, row, col] > 0) == (sight == rays.CLEAR).all()


def test_under_trees_nothing_is_promised_and_targets_stand_on_the_ground() -> None:
    terrain = places.terrain(np.full((80, 80), 4000.0), 30.0)
    lattice = grid.lattice(terrain, 240.0, (-1200.0, -1200.0, 1200.0, 1200.0))
    search = detection.search_pattern(places.CAMERA, 200.0, 1500.0)
    eye = [[0.0, 0.0, 4200.0]]

    def rates_under(cover_m: np.ndarray | None) -> np.ndarray:
        covered = msgspec.structs.replace(terrain, cover_m=cover_m)
        return rates.cell_rates(covered, lattice, eye, places.CAMERA, search, "light_vehicle", WEATHER)[0]

    bare = rates_under(None)
    wood = np.zeros((80, 80), np.float32)
    wood[48:56, 40:48] = 12.0  # lattice cell (6, 5) exactly
    got = rates_under(wood)
    assert bare[6, 5] > 0
    assert got[6, 5] == 0
    np.testing.assert_array_equal(got[:5], bare[:5])  # on the other side of the eye nothing changes
    np.testing.assert_array_equal(rates_under(np.zeros((80, 80), np.float32)), bare)
