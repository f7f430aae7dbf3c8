"""Doubt in the terrain: error fields, the probability of being seen, what is certain, and how the two agree."""

from __future__ import annotations

from itertools import islice
from statistics import NormalDist

import numpy as np
import places
import pytest
import visibility_oracle
from msgspec.structs import replace

from kuntur.errors import ConfigError
from kuntur.geodesy import grid
from kuntur.model.place import Terrain, VerticalError
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import doubt, viewshed

ERROR = VerticalError(sigma_m=5.5, correlation_m=146.0, source="round figures for tests")


def eye(terrain: Terrain, x_m: float, y_m: float, height_agl_m: float) -> tuple[float, float, float]:
    return x_m, y_m, float(grid.height_at(terrain, x_m, y_m)) + height_agl_m


def test_error_fields_have_the_spread_and_the_correlation_asked_for() -> None:
    fields = doubt.error_fields((120, 150), 30.0, ERROR, np.random.default_rng(1))
    drawn = np.stack(list(islice(fields, 300)))
    # 300 fields of (120 x 150) x (30 m)^2 over about 2 pi L^2 each: some 36,000 independent values.
    assert drawn.std() == pytest.approx(5.5, rel=0.02)
    assert abs(drawn.mean()) < 0.15
    for k in (1, 4, 10):
        for there, here in ((drawn[:, k:], drawn[:, :-k]), (drawn[:, :, k:], drawn[:, :, :-k])):
            assert (there * here).mean() / drawn.var() == pytest.approx(np.exp(-30.0 * k / 146.0), abs=0.03)
    # No trace of the torus: opposite edges have nothing to do with each other.
    assert abs((drawn[:, :, 0] * drawn[:, :, -1]).mean() / drawn.var()) < 0.03


def ridge_line(clearance_m: float) -> tuple[Terrain, tuple[float, float, float], int, int]:
    """A deep trench with one wall across it: the sight line along its middle row clears that wall alone, by so much."""
    heights = np.full((5, 41), 1000.0)
    # From column 40 (a target on a height of 1,300 m) over the wall in column 30 to an eye high over column 0.
    heights[:, [30, 40]] = 1300.0
    terrain = replace(places.terrain(heights, 30.0), error=ERROR)
    slope = (clearance_m - 1.0) / 300.0
    return terrain, (terrain.west_m + 15.0, 0.0, 1301.0 + slope * 1200.0), 2, 40


@pytest.mark.parametrize("clearance_m", [-4.0, 0.0, 3.0, 8.0])
def test_one_obstacle_gives_the_probability_of_the_margins_own_formula(clearance_m: float) -> None:
    """The only case with a closed form: the line clears one wall, P = Phi(clearance / standard deviation)."""
    terrain, observer, row, col = ridge_line(clearance_m)
    n = 600
    found = doubt.seen_probability(
        terrain, observer, target_height_m=1.0, max_range_m=5000.0, realizations=n, seed=7, refraction=1.0
    )
    one = doubt.Doubt(sigma_m=5.5, correlation_m=146.0, z=1.0)
    wanted = NormalDist().cdf(clearance_m / float(one.margin_m(300.0 / 1200.0, 300.0)))
    assert abs(found.prob[row, col] - wanted) < 4.0 * np.sqrt(wanted * (1.0 - wanted) / n)
    assert found.standard_error_prob[row, col] == pytest.approx(np.sqrt(wanted * (1.0 - wanted) / n), rel=0.2)


def test_the_margin_vanishes_at_the_target_and_is_whole_under_the_observer() -> None:
    one = doubt.Doubt(sigma_m=4.0, correlation_m=100.0, z=2.0)
    assert one.margin_m(0.0, 0.0) == 0.0
    assert one.margin_m(1.0, 3000.0) == pytest.approx(8.0)
    assert one.margin_m(0.01, 1e6) == pytest.approx(8.0 * np.sqrt(1.0 + 0.99**2))


def test_a_seed_draws_the_same_terrains_again() -> None:
    terrain = replace(places.cone_terrain(size=41), error=ERROR)
    observer = eye(terrain, -400.0, 0.0, 60.0)
    one, again, other = (
        doubt.seen_probability(
            terrain, observer, target_height_m=1.0, max_range_m=800.0, realizations=20, seed=seed
        ).prob
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_modes_of_the_viewshed_give_nearly_the_same_probability() -> None:
    terrain = replace(places.ridge_terrain(cell_m=120.0), error=ERROR)
    observer = eye(terrain, 1530.0, 420.0, 200.0)
    fast, accurate, exact = (
        doubt.seen_probability(
            terrain, observer, target_height_m=1.0, max_range_m=3000.0, realizations=40, mode=mode
        ).prob
        for mode in ("fast", "accurate", "exact")
    )
    assert np.abs(accurate - exact).mean() < 0.005
    assert np.abs(fast - exact).mean() < 0.03


def test_far_ground_is_never_seen_and_void_ground_unknown() -> None:
    terrain = places.cone_terrain(size=61)
    holed = terrain.heights_m.copy()
    holed[20:25, 20:25] = np.nan
    terrain = replace(terrain, heights_m=holed, error=ERROR)
    found = doubt.seen_probability(
        terrain, eye(terrain, 600.0, 600.0, 200.0), target_height_m=1.0, max_range_m=900.0, realizations=10
    )
    x_m, y_m = np.meshgrid((np.arange(61) - 30) * 30.0, (30 - np.arange(61)) * 30.0)
    far = np.hypot(x_m - 600.0, y_m - 600.0) > 900.0
    assert (found.prob[far] == 0.0).all()
    assert np.isnan(found.prob[np.isnan(holed) & ~far]).all()
    assert np.nanmax(found.prob) == 1.0


def test_a_route_sees_what_its_stations_see_and_more() -> None:
    terrain = replace(places.ridge_terrain(cell_m=120.0), error=ERROR)
    stations = np.array([eye(terrain, x, -500.0, 40.0) for x in (1000.0, 2500.0)])
    alone, both = (
        doubt.seen_probability(terrain, at, target_height_m=1.0, max_range_m=3000.0, realizations=20).prob
        for at in (stations[0], stations)
    )
    assert (both > 0.0).sum() > (alone > 0.0).sum()
    # Other stations, other window, other draws: the same probability but for chance.
    assert both[alone == 1.0].min() > 0.7


def test_without_a_known_error_there_is_no_probability() -> None:
    terrain = places.cone_terrain(size=21)
    with pytest.raises(ConfigError, match="unknown"):
        doubt.seen_probability(terrain, (0.0, 0.0, 5000.0), target_height_m=1.0, max_range_m=500.0)
    assert doubt.of(terrain, 0.95) is None
    assert doubt.of(replace(terrain, error=ERROR), 0.95) == doubt.Doubt(
        sigma_m=5.5, correlation_m=146.0, z=pytest.approx(1.96, abs=1e-3)
    )
    assert doubt.quantile(0.0) == 0.0


def test_an_areas_own_figures_go_first_and_a_mosaic_is_as_bad_as_its_worst() -> None:
    assert doubt.stated(doubt.SRTM, le90_m=None, correlation_m=None) is doubt.SRTM
    assert doubt.stated(None, le90_m=None, correlation_m=50.0) is None
    shorter = doubt.stated(doubt.SRTM, le90_m=None, correlation_m=50.0)
    assert shorter is not None and (shorter.sigma_m, shorter.correlation_m) == (doubt.SRTM.sigma_m, 50.0)
    own = doubt.stated(doubt.SRTM, le90_m=16.449, correlation_m=None)
    assert own is not None and own.sigma_m == pytest.approx(10.0, abs=1e-3) and own.correlation_m == 146.0
    bare = doubt.stated(None, le90_m=5.0, correlation_m=None)
    assert bare is not None and "assumed" in bare.source
    both = doubt.worst([doubt.SRTM, doubt.COPERNICUS_GLO_30])
    assert both is not None and both.sigma_m == doubt.SRTM.sigma_m
    assert doubt.worst([doubt.SRTM, None]) is None
    for error in (doubt.SRTM, doubt.COPERNICUS_GLO_30, doubt.ASTER_GDEM):
        assert "orrelation" in error.source and "sigma" in error.source


def test_certain_sight_is_the_oracles() -> None:
    terrain = places.ridge_terrain(cell_m=120.0)
    margin = doubt.Doubt(sigma_m=5.5, correlation_m=146.0)
    observer = np.array(eye(terrain, 1530.0, 420.0, 250.0))
    found = doubt.certain(terrain, observer, margin, target_height_m=1.0, max_range_m=3500.0)
    rng = np.random.default_rng(0)
    row, col = rng.integers(0, terrain.rows, 400), rng.integers(0, terrain.cols, 400)
    compared = 0
    for r, c in zip(row, col, strict=True):
        target = np.array(
            [
                terrain.west_m + (c + 0.5) * terrain.cell_m,
                terrain.north_m - (r + 0.5) * terrain.cell_m,
                terrain.heights_m[r, c] + 1.0,
            ]
        )
        if np.hypot(*(target - observer)[:2]) <= 3500.0:
            wanted = visibility_oracle.sight(terrain, observer, target, REFRACTION_COEFFICIENT, margin)
            assert found[r, c] == wanted, (r, c)
            compared += 1
    assert compared > 100 and 0 < (found == 1).sum() < (found == 0).sum()


def test_more_margin_never_shows_more_and_none_is_plain_sight() -> None:
    terrain = places.ridge_terrain(cell_m=120.0)
    x_m, y_m, alt_m = eye(terrain, 1500.0, 400.0, 120.0)
    plain = viewshed.visible(terrain, x_m, y_m, alt_m, target_height_m=1.0, max_range_m=3500.0)
    views = [
        doubt.certain(
            terrain,
            (x_m, y_m, alt_m),
            doubt.Doubt(sigma_m=5.5, correlation_m=146.0, z=z),
            target_height_m=1.0,
            max_range_m=3500.0,
        )
        for z in (0.0, 0.7, 1.96, 4.0)
    ]
    assert np.array_equal(views[0], plain)
    for less, more in zip(views[1:], views[:-1], strict=True):
        assert not ((less == 1) & (more != 1)).any()
        assert (less == 1).sum() < (more == 1).sum()


@pytest.mark.parametrize("height_agl_m", [30.0, 250.0])
def test_what_is_certain_is_seen_in_the_terrains_drawn(height_agl_m: float) -> None:
    """What the margin promises, cell by cell: 95 % of the terrains that the survey could stand for show the cell."""
    terrain = replace(places.ridge_terrain(), error=ERROR)
    observer = eye(terrain, 1530.0, 420.0, height_agl_m)
    margin = doubt.of(terrain, 0.95)
    assert margin is not None
    drawn = doubt.seen_probability(
        terrain, observer, target_height_m=1.0, max_range_m=3000.0, realizations=300, seed=5, mode="exact"
    )
    sure = doubt.certain(terrain, observer, margin, target_height_m=1.0, max_range_m=3000.0) == 1
    plain = doubt.certain(terrain, observer, replace(margin, z=0.0), target_height_m=1.0, max_range_m=3000.0) == 1
    assert sure.sum() > 300
    assert drawn.prob[sure].mean() > 0.99
    allowed = 0.95 - 3.0 * np.sqrt(0.95 * 0.05 / 300)
    assert drawn.prob[sure].min() > allowed
    # The test can fail: sight without a margin does not hold like that.
    assert drawn.prob[plain].min() < 0.7
