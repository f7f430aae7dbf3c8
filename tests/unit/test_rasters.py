"""Rasters and GeoJSON are written whole or not at all, and read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import CRS

from kuntur.errors import TerrainError
from kuntur.io import rasters, vectors
from kuntur.model.place import LocalFrame

FRAME = LocalFrame(lat0_deg=-18.285, lon0_deg=-69.03)


@pytest.mark.parametrize("cog", [False, True])
def test_bands_frame_and_tags_come_back(tmp_path: Path, cog: bool) -> None:
    path = tmp_path / "rates.tif"
    first = np.arange(600, dtype=np.float32).reshape(20, 30)
    first[3, 4] = np.nan
    bands = {"rate": first, "seen": first * 2}
    rasters.write(
        path, bands, FRAME, -900.0, 600.0, 60.0, tags={"KUNTUR_TERRAIN": "sketched"}, nodata=float("nan"), cog=cog
    )
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(2), bands["seen"])
        assert file.descriptions == ("rate", "seen")
        assert file.xy(0, 0) == (-870.0, 570.0)
        assert CRS.from_user_input(file.crs.to_wkt()).equals(CRS.from_proj4(FRAME.proj4), ignore_axis_order=True)
        assert np.isnan(file.nodata)
    values, tags = rasters.read(path)
    np.testing.assert_array_equal(values, first)
    assert tags["KUNTUR_TERRAIN"] == "sketched"
    assert [p.name for p in tmp_path.iterdir()] == ["rates.tif"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rates.tif"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="one shape"):
        rasters.write(path, {"a": np.zeros((4, 4)), "b": np.zeros((5, 5))}, FRAME, 0.0, 0.0, 1.0, tags={})
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["rates.tif"]
    with pytest.raises(rasterio.errors.RasterioError):
        rasters.write(tmp_path / "none" / "rates.tif", {"a": np.zeros((4, 4))}, FRAME, 0.0, 0.0, 1.0, tags={})
    with pytest.raises(TerrainError, match="cannot be read"):
        rasters.read(path)


def test_features_are_strict_json(tmp_path: Path) -> None:
    path = tmp_path / "tracks.geojson"
    vectors.write(path, [vectors.feature("Point", [-69.0, -18.0], name="Cóndor")])
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["features"][0]["properties"] == {"name": "Cóndor"}
    with pytest.raises(ValueError, match="JSON compliant"):
        vectors.write(path, [vectors.feature("Point", [float("nan"), 0.0])])
    assert json.loads(path.read_text(encoding="utf-8")) == document
