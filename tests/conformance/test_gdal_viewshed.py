"""GDAL's viewshed, called in this process, against ours and the tests' plain R3: who is right where they differ.

The errors that GDAL's users reported (OSGeo/gdal #10588, #8291, #12518, #4488) are rebuilt on small made-up terrains.
What was found, with numbers, is in docs/explanation/visibility-and-gdal.md. A test that fails because GDAL has become
right is good news: change the page with it.
"""

from __future__ import annotations

import ctypes as ct
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import places
import pytest
import rasterio
import visibility_oracle as oracle

from kuntur.model.place import Terrain
from kuntur.units import EARTH_RADIUS_M
from kuntur.visibility import viewshed

MODES: tuple[viewshed.Mode, ...] = ("fast", "accurate", "exact")
K = 1.0 / 7.0
"""Refraction of GDAL's curvature coefficient 6/7."""
CLEAR = 1


@pytest.fixture(scope="module")
def peer(repository: Path) -> ModuleType:
    """The benchmark's way to GDAL's C interface."""
    spec = importlib.util.spec_from_file_location("benchmarks_gdal", repository / "benchmarks" / "gdal.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gdal(peer: ModuleType) -> object:
    try:
        return peer.Library(Path(rasterio.__file__).resolve().parents[1] / "rasterio.libs")
    except FileNotFoundError:
        pytest.skip("this rasterio does not carry its own libgdal")


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "explanation" / "visibility-and-gdal.md").read_text(encoding="utf-8")


def held_by_page(page: str, *cells: object) -> None:
    """The page's table has this row."""
    row = f"| {' | '.join(str(cell) for cell in cells)} |"
    assert row in page, f"docs/explanation/visibility-and-gdal.md should say: {row}"


def gdal_sees(
    gdal: object, heights: np.ndarray, row: int, col: int, agl_m: float, cell: float, reach: float, *,
    target_m: float = 0.0, nodata: float | None = None, system: str | None = None,
) -> np.ndarray:  # fmt: skip
    """What GDAL shows as visible from the centre of a cell, on the whole grid; cell and reach in units of the grid."""
    raster = gdal.dataset(heights.astype(np.float32), cell, **({} if system is None else {"system": system}))
    if nodata is not None:
        band = ct.c_void_p(gdal._lib.GDALGetRasterBand(raster, 1))
        gdal._lib.GDALSetRasterNoDataValue(band, ct.c_double(nodata))
    found, row0, col0 = gdal.viewshed(raster, row, col, agl_m, cell, reach, target_height_m=target_m)
    gdal.close(raster)
    whole = np.zeros(heights.shape, bool)
    whole[row0 : row0 + found.shape[0], col0 : col0 + found.shape[1]] = found == 1
    return whole


def eye(land: Terrain, row: int, col: int, agl_m: float) -> np.ndarray:
    x_m, y_m = land.west_m + land.cell_m * (col + 0.5), land.north_m - land.cell_m * (row + 0.5)
    return np.array([x_m, y_m, float(land.heights_m[row, col]) + agl_m])


def ours(land: Terrain, eye_m: np.ndarray, reach_m: float, mode: str, target_m: float = 0.0) -> np.ndarray:
    """0 hidden, 1 seen, 2 unknown."""
    return viewshed.visible(
        land, *eye_m, target_height_m=target_m, max_range_m=reach_m, mode=mode, refraction=K, threads=1
    )


def truth(land: Terrain, eye_m: np.ndarray, cells: np.ndarray, target_m: float = 0.0) -> np.ndarray:
    """The plain R3, cell by cell: every crossing of every row and column on the line to the centre of each cell."""
    seen = np.zeros(len(cells), bool)
    for n, (row, col) in enumerate(cells):
        seen[n] = oracle.sight(land, eye_m, eye(land, row, col, target_m), K) == CLEAR
    return seen


def around(shape: tuple[int, int], row: int, col: int, least: float, most: float) -> np.ndarray:
    """Cells between two distances (in cells) of a cell: (n, 2)."""
    rows, cols = np.indices(shape)
    far = np.hypot(rows - row, cols - col)
    return np.argwhere((far >= least) & (far <= most))


# --- #10588: a peak on the way does not hide what lies far behind it


def peak_before_a_front(azimuth: float, half_width: int) -> tuple[np.ndarray, int, int, np.ndarray]:
    """A plain, a peak of 300 m at 11 km, a mountain front from 34 km on; the cells of the front behind the peak.

    From 20 m above the plain the peak's top stands at 1.4 degrees, the front's cells at 0.3 to 1.0 degrees: what lies
    straight behind the peak is hidden.
    """
    n, cell, row, col = 460, 90.0, 230, 10
    rows, cols = np.indices((n, n))
    far_m = np.hypot(rows - row, cols - col) * cell
    heights = np.clip((far_m - 34_000.0) * 0.25, 0.0, 1100.0)
    top = round(row - 122 * np.sin(azimuth)), round(col + 122 * np.cos(azimuth))
    heights[top[0] - half_width : top[0] + half_width + 1, top[1] - half_width : top[1] + half_width + 1] = 300.0
    off = np.arctan2(row - rows, cols - col) - np.arctan2(row - top[0], top[1] - col)
    return heights, row, col, np.argwhere((far_m > 35_000.0) & (far_m < 37_000.0) & (np.abs(off) < 0.02))


@pytest.mark.parametrize("half_width", [0, 1])
@pytest.mark.parametrize("azimuth", [0.1, 0.3])
def test_10588_gdal_forgets_a_peak_far_behind_it(gdal: object, page: str, azimuth: float, half_width: int) -> None:
    heights, row, col, cells = peak_before_a_front(azimuth, half_width)
    land = places.terrain(heights, 90.0)
    eye_m = eye(land, row, col, 20.0)
    right = truth(land, eye_m, cells, 1.0)
    told = gdal_sees(gdal, heights, row, col, 20.0, 90.0, 40_000.0, target_m=1.0)[*cells.T]
    hidden = ~right
    assert hidden.sum() > 40, "the peak does hide something"
    assert told[hidden].mean() > (0.6 if half_width else 0.95), "GDAL shows most of what the peak hides as visible"
    seen = {mode: ours(land, eye_m, 40_000.0, mode, 1.0)[*cells.T] == CLEAR for mode in MODES}
    assert (seen["exact"] == right).all()
    assert (seen["accurate"] == right).mean() > 0.99
    assert (seen["fast"] == told).all(), "the fast mode is GDAL's algorithm, and has GDAL's error"
    shown = [int((one & hidden).sum()) for one in (told, *seen.values())]
    held_by_page(page, f"{azimuth:g} rad, {2 * half_width + 1} cells wide", int(hidden.sum()), *shown)


# --- #8291: an observer on a cliff


def test_8291_from_a_pinnacle_the_butterfly_is_gone_and_all_is_seen(gdal: object) -> None:
    """One cell of 255 m on a plain. Heights are posts with straight slopes between them, so the eye 2 m above the top
    looks down its slopes and sees everything. GDAL 3.7 showed two quarters of the plain hidden."""
    heights = np.zeros((61, 61))
    heights[30, 30] = 255.0
    land = places.terrain(heights, 30.0)
    eye_m = eye(land, 30, 30, 2.0)
    cells = around(heights.shape, 30, 30, 0.0, 28.0)
    assert truth(land, eye_m, cells).all()
    for mode in MODES:
        assert (ours(land, eye_m, 28 * 30.0, mode)[*cells.T] == CLEAR).all(), mode
    assert gdal_sees(gdal, heights, 30, 30, 2.0, 30.0, 28 * 30.0)[*cells.T].all()


@pytest.mark.parametrize(("row", "col"), [(60, 60), (60, 62), (58, 62)])
def test_8291_a_flat_top_hides_the_ground_below_it(gdal: object, row: int, col: int) -> None:
    """What the reporter meant by a cell: a square of level ground. Drawn as one (5 x 5 posts), it hides what the eye's
    line over its rim leaves out, and GDAL, our three modes and the oracle agree."""
    heights = np.zeros((121, 121))
    heights[58:63, 58:63] = 25.0
    land = places.terrain(heights, 6.0)
    eye_m = eye(land, row, col, 2.0)
    cells = around(heights.shape, row, col, 0.0, 55.0)
    right = truth(land, eye_m, cells)
    assert 0.2 < right.mean() < 0.9
    assert (ours(land, eye_m, 55 * 6.0, "exact")[*cells.T] == right).all()
    for mode in ("accurate", "fast"):
        assert ((ours(land, eye_m, 55 * 6.0, mode)[*cells.T] == CLEAR) == right).mean() > 0.975, mode
    assert (gdal_sees(gdal, heights, row, col, 2.0, 6.0, 55 * 6.0)[*cells.T] == right).mean() > 0.975
    if (row, col) == (60, 60):  # the rim, 12 m off and 2 m below the eye: the line over it meets the plain at 162 m
        line = {c: s for (r, c), s in zip(cells.tolist(), right, strict=True) if r == 60}
        assert not any(line[60 + n] for n in range(3, 27)) and all(line[60 + n] for n in range(28, 55))


# --- #12518: from very high up nothing is seen


@pytest.mark.parametrize("agl_m", [1e4, 7.5e5, 750_367.0, 1e6])
def test_12518_from_very_high_all_is_seen(gdal: object, agl_m: float) -> None:
    """Reported of GDAL 3.10.2 above 750,366 m; the library here does not do it."""
    heights = np.random.default_rng(8).uniform(0.0, 60.0, (81, 81))
    land = places.terrain(heights, 30.0)
    cells = around(heights.shape, 40, 40, 0.0, 38.0)
    assert truth(land, eye(land, 40, 40, agl_m), cells).all()
    for mode in MODES:
        assert (ours(land, eye(land, 40, 40, agl_m), 38 * 30.0, mode)[*cells.T] == CLEAR).all(), mode
    assert gdal_sees(gdal, heights, 40, 40, agl_m, 30.0, 38 * 30.0)[*cells.T].all()


# --- #4488: what is void


def test_4488_gdal_sees_voids_and_through_them(gdal: object) -> None:
    """A wall of unknown height. GDAL takes the nodata value for a depth and shows the ground behind as visible; ours
    says unknown for the void and for what lies behind it."""
    heights = np.zeros((61, 61))
    heights[:, 40:43] = -9999.0
    told = gdal_sees(gdal, heights, 30, 10, 2.0, 30.0, 1500.0, nodata=-9999.0)
    assert told[20:41, 44:55].all()
    land = places.terrain(np.where(heights < -9000.0, np.nan, heights), 30.0)
    for mode in MODES:
        seen = ours(land, eye(land, 30, 10, 2.0), 1500.0, mode)
        assert (seen[20:41, 40:43] == 2).all(), f"{mode}: the void"
        assert (seen[20:41, 44:55] == 2).all(), f"{mode}: behind the void"
        assert (seen[20:41, 11:38] == CLEAR).all(), f"{mode}: before the void"


# --- the curve of the earth


def test_gdal_forgets_the_curve_of_the_earth(gdal: object, peer: ModuleType) -> None:
    """A sea, the eye 2 m above it: its horizon is at 5.4 km. A raster without a reference system, or with one in
    degrees, is shown as visible to any range, and nothing warns. Our sweep takes metres, for each observer."""
    sea = np.zeros((3, 301))
    cell_deg, cell_m = 3.0 / 3600.0, 92.0
    horizon_cells = np.sqrt(2.0 * 2.0 * EARTH_RADIUS_M / (1.0 - K)) / cell_m
    assert gdal_sees(gdal, sea, 1, 0, 2.0, cell_m, 25_000.0)[1].sum() == pytest.approx(horizon_cells, abs=1)
    assert gdal_sees(gdal, sea, 1, 0, 2.0, cell_m, 25_000.0, system="")[1, :270].all()
    assert gdal_sees(gdal, sea, 1, 0, 2.0, cell_deg, 0.25, system=peer.SPHERE)[1, :300].all()
    for mode in MODES:
        seen = viewshed.sweep(
            sea.astype(np.float32), [(0.0, 1.0, 2.0)], (cell_m, cell_m), max_range_m=25_000.0, mode=mode,
            want=("count",), refraction=K, threads=1,
        )  # fmt: skip
        assert int(seen.count[1].sum()) == pytest.approx(horizon_cells, abs=1), mode


# --- rough ground


def rough(seed: int, n: int = 101) -> np.ndarray:
    """Heights with a power spectrum of 1 / f^3: rough at every scale, as bare rock is; 0 to 600 m."""
    spectrum = np.fft.rfftfreq(n)[None, :] ** 2 + np.fft.fftfreq(n)[:, None] ** 2
    spectrum[0, 0] = 1.0
    random = np.random.default_rng(seed)
    noise = random.normal(size=spectrum.shape) + 1j * random.normal(size=spectrum.shape)
    heights = np.fft.irfft2(noise * spectrum**-0.75, s=(n, n))
    return (heights - heights.min()) / np.ptp(heights) * 600.0


@pytest.fixture(scope="module", params=[1, 2, 3])
def rough_case(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[np.ndarray, Terrain, np.ndarray, np.ndarray, np.ndarray]]:
    heights = rough(request.param)
    land = places.terrain(heights, 30.0)
    eye_m = eye(land, 50, 50, 10.0)
    cells = around(heights.shape, 50, 50, 2.0, 48.0)
    yield heights, land, eye_m, cells, truth(land, eye_m, cells)


def test_on_rough_ground_exact_is_the_oracle(rough_case) -> None:
    _, land, eye_m, cells, right = rough_case
    assert ((ours(land, eye_m, 48 * 30.0, "exact")[*cells.T] == CLEAR) == right).all()


def test_on_rough_ground_ours_is_nearer_to_the_truth_than_gdal(gdal: object, rough_case) -> None:
    heights, land, eye_m, cells, right = rough_case
    told = gdal_sees(gdal, heights, 50, 50, 10.0, 30.0, 48 * 30.0)[*cells.T]
    accurate = ours(land, eye_m, 48 * 30.0, "accurate")[*cells.T] == CLEAR
    fast = ours(land, eye_m, 48 * 30.0, "fast")[*cells.T] == CLEAR
    assert (accurate == right).mean() > 0.985
    assert (accurate != right).sum() < 0.5 * (told != right).sum()
    assert (fast == told).all(), "the fast mode is GDAL's algorithm"


# --- real terrain


@pytest.mark.shared
@pytest.mark.parametrize(
    ("tile", "cell_m"),
    [("davos_srtm1.tif", 30.0), ("S33W071_srtm3_filled.tif", 90.0), ("bigtujunga_srtm1_utm11n.tif", 30.0)],
)
def test_on_real_terrain(gdal: object, page: str, shared_data: Path, tile: str, cell_m: float) -> None:
    """Five viewpoints, 20 m above ground, 200 cells around them, the tile's posts taken as a square grid. `exact` is
    the truth here, having been the oracle's answer everywhere above."""
    with rasterio.open(shared_data / "terrain" / tile) as source:
        ground = source.read(1).astype(np.float64)
    reach, wrong, seen_cells, all_cells = 200, {name: np.zeros(2, int) for name in ("GDAL", "fast", "accurate")}, 0, 0
    random = np.random.default_rng(12)
    for _ in range(5):
        row, col = (int(random.integers(reach + 1, size - reach - 1)) for size in ground.shape)
        heights = ground[row - reach - 1 : row + reach + 2, col - reach - 1 : col + reach + 2]
        land, middle = places.terrain(heights, cell_m), reach + 1
        eye_m, reach_m = eye(land, middle, middle, 20.0), reach * cell_m
        cells = around(heights.shape, middle, middle, 2.0, reach - 1.0)
        right = ours(land, eye_m, reach_m, "exact")[*cells.T] == CLEAR
        told = {"GDAL": gdal_sees(gdal, heights, middle, middle, 20.0, cell_m, reach_m)[*cells.T]}
        told |= {mode: ours(land, eye_m, reach_m, mode)[*cells.T] == CLEAR for mode in ("fast", "accurate")}
        assert (told["fast"] == told["GDAL"]).all(), "the fast mode is GDAL's algorithm"
        for name, one in told.items():
            wrong[name] += [(one & ~right).sum(), (~one & right).sum()]
        seen_cells, all_cells = seen_cells + int(right.sum()), all_cells + len(cells)
    assert wrong["accurate"].sum() < 0.003 * all_cells
    assert wrong["accurate"].sum() < 0.3 * wrong["GDAL"].sum()
    shares = [f"{share:.1%}" for name in wrong for share in wrong[name] / seen_cells]
    held_by_page(page, tile, f"{seen_cells / all_cells:.1%}", *shares)
