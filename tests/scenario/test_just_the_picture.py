"""`kuntur see` on a real survey, as a user runs it. The prose is beside this file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray
import shapely
import xarray as xr
from pyproj import Geod, Transformer

import kuntur
from kuntur import cli
from kuntur.io import vectors

EYE = {"lat_deg": 46.80, "lon_deg": 9.85}


@pytest.fixture(scope="module")
def davos(shared_data: Path) -> Path:
    return shared_data / "terrain" / "davos_srtm1.tif"


@pytest.fixture(scope="module")
def told(davos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command printed, and its folder."""
    folder = tmp_path_factory.mktemp("picture")
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sys.argv", ["kuntur", "see", "46.80N", "9.85E", "400", "--terrain", str(davos), "--out", str(folder)]
        )
        patch.setattr(cli, "say", printed.append)
        cli.main()
    return "\n".join(printed), folder


def test_one_sentence_says_what_is_seen_and_what_hides_the_rest(told: tuple[str, Path]) -> None:
    sentence, *files = told[0].splitlines()
    assert sentence.startswith("From 46.80000° N 9.85000° E, 400 m above the ground (2036 m above the sea), a person")
    assert re.search(r"in sight on \d\d\.\d km² of the 314 km² within 10 km \(2\d%\), 7\d% is hidden", sentence)
    why = r"the largest share to the [a-z-]+ \(\d+%\) behind ground \d\.\d km away that rises to \d{4} m"
    assert re.search(why, sentence)
    assert sentence.endswith("none is unknown.")
    assert [Path(file).name for file in files] == ["seen.png", "seen.tif", "layers.tif", "seen.geojson", "map.html"]
    assert all(Path(file).stat().st_size > 1000 for file in files)


def test_qgis_and_rioxarray_find_the_picture_where_it_lies(told: tuple[str, Path]) -> None:
    with rasterio.open(told[1] / "seen.tif") as raster:
        assert raster.nodata == 255 and raster.overviews(1)
    with rioxarray.open_rasterio(told[1] / "seen.tif") as opened:
        warped = opened.rio.reproject("EPSG:4326").sel(band=1)
    assert int(warped.sel(x=EYE["lon_deg"], y=EYE["lat_deg"], method="nearest")) == 1
    assert set(np.unique(warped.values)) == {0, 1, 255}


def test_the_polygons_are_the_same_picture(told: tuple[str, Path]) -> None:
    document = json.loads((told[1] / "seen.geojson").read_text(encoding="utf-8"))
    ground = shapely.geometry.shape(document["features"][0]["geometry"])
    area_m2, _ = Geod(ellps="WGS84").geometry_area_perimeter(ground)
    with rasterio.open(told[1] / "seen.tif") as raster:
        cells_m2 = float((raster.read(1) == 1).sum()) * abs(raster.transform.a * raster.transform.e)
    assert area_m2 == pytest.approx(cells_m2, rel=1e-3)
    assert sum(len(part.interiors) for part in ground.geoms) > 10


def test_a_higher_eye_sees_more(davos: Path) -> None:
    low, high = (kuntur.see(davos, **EYE, height_agl_m=height, max_range_m=5000.0) for height in (100.0, 800.0))
    assert (high == 1).sum() > 1.2 * (low == 1).sum()
    taller = (high.least_height_m - low.least_height_m).values
    assert np.nanmax(taller) < 1.0, "tolerance of the interpolated horizon"


def test_a_patrol_sees_what_its_points_see(davos: Path, tmp_path: Path) -> None:
    line = [[9.75, 46.78], [9.85, 46.80], [9.90, 46.79]]
    vectors.write(tmp_path / "patrol.geojson", [vectors.feature("LineString", line)])
    wish = {"camera": "boson_640_36mm", "max_range_m": 3000.0, "every_m": 300.0, "height_agl_m": 200.0}
    patrol = kuntur.see(davos, route=tmp_path / "patrol.geojson", **wish)
    assert 38 <= int(re.search(r"From (\d+) points", patrol.attrs["summary"])[1]) <= 50
    assert float(patrol.exposure_prob.max()) > 0.2
    assert ((patrol["count"] > 0) == (patrol == 1)).all()
    alone = kuntur.see(davos, route=[line[0], [9.7505, 46.7801]], **wish)
    row, col = np.nonzero(alone.values == 1)
    there = Transformer.from_crs(alone.rio.crs, patrol.rio.crs, always_xy=True)
    x, y = there.transform(alone.x.values[col], alone.y.values[row])
    both = patrol.sel(x=xr.DataArray(x, dims="place"), y=xr.DataArray(y, dims="place"), method="nearest")
    assert float((both == 1).mean()) > 0.95, "two grids whose cells do not coincide: edges may differ"


def test_the_edge_of_the_survey_is_no_clear_view(davos: Path) -> None:
    view = kuntur.see(davos, lat_deg=46.80, lon_deg=9.61, height_agl_m=2000.0, max_range_m=6000.0)
    beyond = view.where(view.x < -1000.0, drop=True)
    assert set(np.unique(beyond.values[np.isfinite(beyond.values)])) <= {2.0, 255.0}
    assert (beyond == 2).sum() > 10_000
