"""What stands on the ground: read without loss; it blocks and hides, may be unknown, and is cleared by aircraft."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import places
import pytest
import rasterio
from msgspec.structs import replace
from rasterio.transform import from_origin

from kuntur.aircraft import path
from kuntur.errors import TerrainError
from kuntur.io import cover
from kuntur.model.assets import Camera
from kuntur.model.place import Lattice, Terrain, Weather
from kuntur.visibility import detection, doubt, radio, rays, relief, viewshed
from kuntur.visibility.rates import cell_rates


def plain(size: int = 41, cell_m: float = 30.0) -> Terrain:
    return places.terrain(np.full((size, size), 4000.0), cell_m)


def covered(terrain: Terrain, *stands: tuple[slice, slice, float]) -> Terrain:
    cover_m = np.zeros(terrain.heights_m.shape, np.float32)
    for rows, cols, height_m in stands:
        cover_m[rows, cols] = height_m
    return replace(terrain, cover_m=cover_m)


def write(file: Path, values: np.ndarray, terrain: Terrain, pixel_m: float, west_m: float, north_m: float) -> Path:
    """A raster of heights above ground in the terrain's own frame."""
    with rasterio.open(
        file, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="float32",
        crs=terrain.frame.proj4, transform=from_origin(west_m, north_m, pixel_m, pixel_m), nodata=-1.0,
    ) as raster:  # fmt: skip
        raster.write(values.astype(np.float32), 1)
    return file


# --- reading


def test_a_hedge_narrower_than_a_cell_is_not_averaged_away(tmp_path: Path) -> None:
    terrain = plain(10)
    values = np.zeros((300, 300))
    values[150:152, 40:260] = 6.0  # 2 m wide at 1 m pixels, in cells of 30 m
    read = cover.laid(terrain, [write(tmp_path / "h.tif", values, terrain, 1.0, terrain.west_m, terrain.north_m)])
    assert read.cover_m is not None
    wanted = np.zeros((10, 10), np.float32)
    wanted[5, 1:9] = 6.0
    assert np.array_equal(read.cover_m, wanted)
    assert read.sha256 != terrain.sha256


def test_a_pixel_larger_than_a_cell_stands_on_every_cell_it_touches(tmp_path: Path) -> None:
    terrain = plain(10)
    values = np.zeros((5, 5))
    values[2, 3] = 12.0
    # Pixels of 100 m, west edge 40 m west of the terrain's: pixel column 3 lies from 260 m to 360 m.
    file = write(tmp_path / "c.tif", values, terrain, 100.0, terrain.west_m - 40.0, terrain.north_m + 50.0)
    read = cover.laid(terrain, [file])
    assert read.cover_m is not None
    rows, cols = np.nonzero(read.cover_m)
    assert set(rows) == {5, 6, 7, 8} and set(cols) == {8, 9}  # 150 to 250 m south, 260 to 300 m east


def test_a_void_pixel_and_ground_without_a_file_are_unknown(tmp_path: Path) -> None:
    terrain = plain(10)
    values = np.full((200, 300), 3.0)
    values[100, 100], values[10, 10] = -1.0, -4.0  # void, and the noise of a subtraction
    file = write(tmp_path / "v.tif", values, terrain, 1.0, terrain.west_m, terrain.north_m)
    read = cover.laid(terrain, [file])
    assert read.cover_m is not None
    assert np.isnan(read.cover_m[3, 3]) and np.isnan(read.cover_m[7:]).all()
    assert np.isnan(read.cover_m).sum() == 31 and np.nanmin(read.cover_m) == 3.0
    assert np.array_equal(np.isnan(read.surface_m), np.isnan(read.cover_m))


def test_several_files_leave_the_highest_and_a_degree_grid_is_placed(tmp_path: Path) -> None:
    terrain = plain(10)
    low = write(tmp_path / "l.tif", np.full((10, 10), 2.0), terrain, 30.0, terrain.west_m, terrain.north_m)
    with rasterio.open(
        tmp_path / "g.tif", "w", driver="GTiff", height=1, width=1, count=1, dtype="float32", crs="EPSG:4326",
        transform=from_origin(terrain.frame.lon0_deg + 1e-5, terrain.frame.lat0_deg - 1e-5, 2e-4, 2e-4),
    ) as raster:  # fmt: skip
        raster.write(np.full((1, 1), 9.0, np.float32), 1)
    read = cover.laid(terrain, [low, tmp_path / "g.tif"])
    assert read.cover_m is not None
    assert read.cover_m[5, 5] == 9.0 and (read.cover_m == 9.0).sum() == 1 and np.nanmin(read.cover_m) == 2.0


def test_a_cover_elsewhere_is_refused(tmp_path: Path) -> None:
    terrain = plain(10)
    far = write(tmp_path / "f.tif", np.ones((5, 5)), terrain, 30.0, terrain.east_m + 1e4, terrain.north_m)
    with pytest.raises(TerrainError, match="do not touch"):
        cover.laid(terrain, [far])
    (tmp_path / "bad.tif").write_bytes(b"no raster")
    with pytest.raises(TerrainError, match="cannot be read"):
        cover.laid(terrain, [tmp_path / "bad.tif"])


# --- sight

HEDGE = (slice(20, 21), slice(5, 36), 4.0)
WOOD = (slice(8, 14), slice(8, 14), 15.0)


def test_a_hedge_blocks_who_stands_behind_it_and_not_who_is_taller() -> None:
    bare = plain()
    hedged = covered(bare, HEDGE)
    eye = (0.0, -500.0, 4003.0)
    before, behind = (viewshed.visible(t, *eye, target_height_m=1.7, max_range_m=2000.0) for t in (bare, hedged))
    assert (before == 1).all()
    assert (behind[:20, 15:26] == 0).all()  # north of the hedge
    assert (behind[21:] == 1).all()  # this side of it
    assert (behind[20, 5:36] == 0).all()  # inside it
    tall = viewshed.visible(hedged, *eye, target_height_m=6.0, max_range_m=2000.0)
    assert (tall == 1).all()


def test_a_wood_hides_who_walks_in_it_even_from_above() -> None:
    wooded = covered(plain(), WOOD)
    above = (0.0, 0.0, 4600.0)
    seen = viewshed.visible(wooded, *above, target_height_m=1.7, max_range_m=2000.0)
    assert (seen[WOOD[:2]] == 0).all()
    assert (seen[:, 20:] == 1).all()
    treetop = viewshed.visible(wooded, *above, target_height_m=15.0, max_range_m=2000.0)
    assert (treetop == 1).all()


def test_an_unknown_cover_is_unknown_not_bare() -> None:
    terrain = covered(plain(), WOOD)
    assert terrain.cover_m is not None
    torn = terrain.cover_m.copy()
    torn[18:22, 18:22] = np.nan
    seen = viewshed.visible(
        replace(terrain, cover_m=torn), 0.0, -500.0, 4030.0, target_height_m=1.7, max_range_m=2000.0
    )
    assert (seen[18:22, 18:22] == 2).all()
    assert (seen[2:10, 20] == 2).all()  # behind it
    assert (seen[23:, :] == 1).all()


def test_the_promise_is_nothing_in_a_wood_and_behind_a_hedge() -> None:
    bare = plain(60)
    cells = Lattice(row0=0, col0=0, rows=20, cols=20, factor=3, cell_m=90.0, west_m=bare.west_m, north_m=bare.north_m)
    camera: Camera = places.CAMERA
    search = detection.search_for(camera, ["person"], 120.0, Weather())
    eyes = [(0.0, -300.0, 4120.0)]
    wooded = covered(bare, WOOD, (slice(30, 31), slice(0, 60), 30.0))
    before, after = (cell_rates(t, cells, eyes, camera, search, "person", Weather())[0] for t in (bare, wooded))
    wood = (slice(3, 4), slice(3, 4))
    assert (after[wood] == 0.0).all()
    assert (after <= before).all()
    assert (before[10] > 0.0).any() and (after[10] == 0.0).all()  # the hedge's own row of cells
    # This side of the hedge people stand on the ground as before: the same promise.
    assert np.array_equal(after[12:], before[12:]) and (after[12:] > 0.0).any()


def test_drawn_terrains_keep_the_cover_on_them() -> None:
    terrain = replace(covered(plain(), HEDGE), error=doubt.COPERNICUS_GLO_30)
    found = doubt.seen_probability(
        terrain, (0.0, -500.0, 4100.0), target_height_m=1.0, max_range_m=2000.0, realizations=20
    )
    assert found.prob[20, 5:36].max() == 0.0
    assert found.prob[30:, 15:26].min() > 0.9


def test_radio_and_pictures_meet_the_cover_and_the_hillshade_does_not() -> None:
    bare, walled = plain(), covered(plain(), (slice(20, 21), slice(0, 41), 40.0))
    a_m, b_m = (0.0, -500.0, 4010.0), (0.0, 500.0, 4010.0)
    one = places.RADIO
    assert radio.margin_db(walled, a_m, b_m, one)[0] < radio.margin_db(bare, a_m, b_m, one)[0] - 6.0
    down = np.array([0.0, np.cos(0.1), -np.sin(0.1)])
    hits = [rays.ground_hits(t, (0.0, -200.0, 4020.0), down, 3000.0) for t in (bare, walled)]
    assert _slant_m(hits[1]) < _slant_m(hits[0])
    assert np.array_equal(relief.shade(bare), relief.shade(walled))


def _slant_m(hits: object) -> float:
    slant = hits.slant_m if hasattr(hits, "slant_m") else hits[2]  # type: ignore[index]
    return float(slant[0])


# --- flight


def test_aircraft_clear_what_stands_on_the_ground() -> None:
    bare, wooded = plain(), covered(plain(), WOOD)
    x_m, y_m = bare.west_m + 11 * 30.0, bare.north_m - 11 * 30.0
    line = np.array([[x_m - 200.0, y_m, 4100.0], [x_m + 200.0, y_m, 4100.0]])
    assert path.clearance_m(bare, line, 60.0)[0] == pytest.approx(100.0)
    assert path.clearance_m(wooded, line, 60.0)[0] == pytest.approx(85.0)
    low, high = (path.safe_altitude_m(t, line[:, :2], 60.0, 50.0)[0] for t in (bare, wooded))
    assert high - low == pytest.approx(15.0)
    torn = np.full(bare.heights_m.shape, np.nan, np.float32)
    assert np.isnan(path.clearance_m(replace(bare, cover_m=torn), line, 60.0)).all()
