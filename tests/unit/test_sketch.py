"""The sketched terrain: right at the known points, plausible between them, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import small_area

from kuntur.geodesy import grid, sketch
from kuntur.io import area as area_io
from kuntur.model.place import Area


def small_sketch(seed: int = 7) -> sketch.Sketch:
    ground = np.array([[-5000.0, -5000.0, 4300.0], [5000.0, 5000.0, 4200.0], [5000.0, -5000.0, 4200.0]])
    cone = sketch.Cone(x_m=-1000.0, y_m=1000.0, alt_msl_m=5600.0, radius_m=4000.0)
    lake = sketch.Lake(x_m=3500.0, y_m=-3000.0, alt_msl_m=4190.0, radius_m=900.0)
    return sketch.Sketch(
        bounds_m=(-6000.0, -6000.0, 6000.0, 6000.0), cell_m=50.0, seed=seed, ground_m=ground,
        fixed_m=np.array([[4000.0, 3500.0, 4230.0]]), cones=(cone,), lakes=(lake,),
    )  # fmt: skip


def test_the_same_seed_draws_the_same_bytes() -> None:
    first, second, other = sketch.draw(small_sketch()), sketch.draw(small_sketch()), sketch.draw(small_sketch(8))
    assert first.tobytes() == second.tobytes()
    assert np.abs(first - other).max() > 20.0


def test_the_last_bits_of_another_machine_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions such as exp differ between processors in their last bit; erosion must not make mountains of it."""
    here = sketch.draw(small_sketch())
    relief = sketch._macro_relief

    def elsewhere(*args: object) -> np.ndarray:
        height = relief(*args)  # type: ignore[arg-type]
        return height * (1.0 + np.random.default_rng(0).choice([-1.0, 0.0, 1.0], height.shape) * 2.0**-52)

    monkeypatch.setattr(sketch, "_macro_relief", elsewhere)
    assert sketch.draw(small_sketch()).tobytes() == here.tobytes()


def test_named_heights_come_out_right(tambo_quemado: Area) -> None:
    for place in tambo_quemado.places:
        assert float(grid.height_at(tambo_quemado.terrain, place.x_m, place.y_m)) == pytest.approx(
            place.alt_msl_m, abs=30.0
        )


def test_summits_are_the_highest_ground_around(tambo_quemado: Area) -> None:
    terrain = tambo_quemado.terrain
    for place in (p for p in tambo_quemado.places if p.kind == "peak"):
        row, col = (round(float(v)) for v in grid.to_index(terrain, place.x_m, place.y_m))
        around = terrain.heights_m[max(0, row - 100) : row + 101, max(0, col - 100) : col + 101]
        assert float(around.max()) < place.alt_msl_m + 70.0, place.name
        assert float(np.median(around)) < place.alt_msl_m - 400.0, place.name


def test_it_looks_like_mountains_and_plains(tambo_quemado: Area) -> None:
    """Plains flat, flanks steep, rock no steeper than rock stands; and water finds its way off the map."""
    heights = tambo_quemado.terrain.heights_m.astype(float)
    slope = np.degrees(np.arctan(np.hypot(*np.gradient(heights, tambo_quemado.terrain.cell_m))))
    lake = next(p for p in tambo_quemado.places if p.kind == "lake")
    row, col = (round(float(v)) for v in grid.to_index(tambo_quemado.terrain, lake.x_m, lake.y_m))
    assert np.ptp(heights[row - 40 : row + 41, col - 40 : col + 41]) == 0.0
    low = heights < np.percentile(heights, 40)
    assert np.median(slope[low]) < 4.0
    assert np.median(slope[heights > 5300.0]) > 18.0
    assert np.percentile(slope, 99.9) < 60.0
    assert heights.min() > 4000.0
    assert heights.max() < 6600.0


def test_valleys_drain(tambo_quemado: Area) -> None:
    """On land cut by water hardly any cell is lower than all its neighbours (white noise: one in nine)."""
    heights = tambo_quemado.terrain.heights_m[::8, ::8].astype(float)
    middle = heights[1:-1, 1:-1]
    around = [heights[1 + dr : heights.shape[0] - 1 + dr, 1 + dc : heights.shape[1] - 1 + dc]
              for dr in (-1, 0, 1) for dc in (-1, 0, 1) if (dr, dc) != (0, 0)]  # fmt: skip
    pits = np.all([middle < other for other in around], axis=0)
    assert pits.mean() < 0.02


def sketched_area(folder: Path) -> Path:
    survey = 'sources = ["survey.tif"]\ncell_m = 90.0\nvertical_datum = "EGM96"'
    drawn = """cell_m = 90.0
[terrain.sketch]
seed = 3
ground = [{ name = "here", lat_deg = -10.0, lon_deg = -70.0, alt_msl_m = 4000.0 }]
cone = [{ name = "there", lat_deg = -10.03, lon_deg = -70.03, alt_msl_m = 5000.0, radius_m = 3000.0 }]
crest = [{ at_km = 0.0, alt_msl_m = 4300.0 }, { at_km = 13.0, alt_msl_m = 4200.0 }]
"""
    return small_area.write(folder, (survey, drawn), survey=False)


def test_it_is_kept_and_says_what_it_is(tmp_path: Path) -> None:
    toml, cache = sketched_area(tmp_path / "area"), tmp_path / "cache"
    first = area_io.load(toml, cache_folder=cache)
    assert first.terrain.sketched
    (kept,) = cache.glob("sketch-*.tif")
    with rasterio.open(kept) as file:
        assert file.tags()["KUNTUR_TERRAIN"] == "sketched"
        assert file.crs.is_projected
        np.testing.assert_array_equal(file.read(1), first.terrain.heights_m)
    stamp = kept.stat().st_mtime_ns
    assert area_io.load(toml, cache_folder=cache).terrain.sha256 == first.terrain.sha256
    assert kept.stat().st_mtime_ns == stamp, "taken from the cache, not drawn again"


def test_a_damaged_or_forbidden_cache_only_costs_time(tmp_path: Path) -> None:
    toml, cache = sketched_area(tmp_path / "area"), tmp_path / "cache"
    first = area_io.load(toml, cache_folder=cache)
    (kept,) = cache.glob("sketch-*.tif")
    kept.write_bytes(kept.read_bytes()[:2000])
    assert area_io.load(toml, cache_folder=cache).terrain.sha256 == first.terrain.sha256
    with rasterio.open(kept) as file:
        np.testing.assert_array_equal(file.read(1), first.terrain.heights_m)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert area_io.load(toml, cache_folder=in_the_way).terrain.sha256 == first.terrain.sha256
    assert not list(cache.glob(".*")), "nothing half-written is left"


def test_other_facts_are_another_drawing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    toml = sketched_area(tmp_path / "area")
    first = area_io.load(toml, cache_folder=cache)
    toml.write_text(toml.read_text().replace("alt_msl_m = 5000.0", "alt_msl_m = 5300.0"))
    second = area_io.load(toml, cache_folder=cache)
    assert second.terrain.heights_m.max() > first.terrain.heights_m.max() + 200.0
