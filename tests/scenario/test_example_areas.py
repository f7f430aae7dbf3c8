"""The example areas on real survey data: Aconcagua (SRTM 90 m) and Davos (SRTM 30 m)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuntur.geodesy import grid, lines
from kuntur.model.place import Area
from kuntur.ops import area as area_ops

TILES = {"aconcagua": "S33W071_srtm3_filled.tif", "davos": "davos_srtm1.tif"}


@pytest.fixture(scope="module", params=sorted(TILES))
def example(request: pytest.FixtureRequest, repository: Path, shared_data: Path) -> Area:
    name = request.param
    return area_ops.load(repository / "examples" / name, [shared_data / "terrain" / TILES[name]])


def test_it_loads_whole(example: Area) -> None:
    assert not example.terrain.sketched
    assert example.terrain.vertical_datum == "EGM96"
    assert example.terrain.vertical_error_le90_m == 16.0
    assert 19.9 <= lines.chainages(example.border.xy_m)[-1] / 1000.0 <= 30.0
    assert not np.isnan(example.terrain.heights_m).any()
    assert any("OpenStreetMap" in text for text in example.attributions)
    assert any("SRTM" in text for text in example.attributions)
    assert TILES[example.id] in example.input_hashes


def test_the_border_follows_the_crest(example: Area) -> None:
    """A real watershed border on real terrain: it lies far above the ground 1 km to either side, so both are in place.

    A shift of half a degree, a mirrored axis or a swapped column would put it on ordinary ground.
    """
    points = lines.densify(example.border.xy_m, 250.0)
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], -1) / np.linalg.norm(along, axis=1, keepdims=True)
    crest = grid.height_at(example.terrain, *points.T)
    for distance_m in (-1000.0, 1000.0):
        beside = grid.height_at(example.terrain, *(points + distance_m * across).T)
        assert np.nanmean(crest - beside) > 150.0
    # Moved by as little as 500 m the line is lower on the whole: it is registered better than that.
    for shift in ((500.0, 0.0), (-500.0, 0.0), (0.0, 500.0), (0.0, -500.0)):
        assert np.nanmean(grid.height_at(example.terrain, *(points + shift).T)) < crest.mean()


def test_named_peaks_are_where_the_terrain_has_them(example: Area) -> None:
    for place in example.places:
        if place.kind != "peak" or place.alt_msl_m is None:
            continue
        steps = np.arange(-400.0, 401.0, 50.0)
        dx, dy = np.meshgrid(steps, steps)
        top = float(np.nanmax(grid.height_at(example.terrain, place.x_m + dx, place.y_m + dy)))
        assert place.alt_msl_m - 130.0 < top < place.alt_msl_m + 20.0, "SRTM rounds summits off"


def test_bases_stand_on_our_side(example: Area) -> None:
    for base in example.bases:
        _, inward = lines.inward_offset(example.border.xy_m, example.border.ours, base.x_m, base.y_m)
        assert float(inward[0]) > 500.0
    assert len(area_ops.check(example).aircraft) == 4
