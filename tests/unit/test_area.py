"""An area file: what it becomes, and the one clear message for each way it can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import small_area
from msgspec import Struct

from kuntur.errors import BorderError, ConfigError, KunturError, TerrainError
from kuntur.geodesy import lines
from kuntur.io import area as area_io
from kuntur.io import area_file
from kuntur.model.place import Area


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "area"


def test_a_small_area(folder: Path) -> None:
    area = area_io.load(small_area.write(folder))
    assert lines.chainages(area.border.xy_m)[-1] == pytest.approx(10_000.0)
    base = area.bases[0]
    assert base.alt_msl_m == pytest.approx(3030.0, abs=0.1)
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, base.x_m, base.y_m)
    assert float(inward[0]) == pytest.approx(3290.0 + 540.0, abs=30.0)
    assert set(area.input_hashes) == {"area.toml", "border.geojson", "survey.tif"}
    assert all(len(digest) == 64 for digest in area.input_hashes.values())
    assert area.weather.wind_from_rad == 0.0
    assert area.geoid.name == "EGM96"
    assert not area.terrain.sketched
    assert area_io.load(folder).terrain.sha256 == area.terrain.sha256, "a folder stands for the area.toml in it"


def test_terrain_given_on_the_spot_goes_first(folder: Path, tmp_path: Path) -> None:
    toml = small_area.write(folder)
    other = small_area.write_survey(tmp_path / "other.tif", small_area_plus(100.0))
    area = area_io.load(toml, terrain_paths=[other])
    assert area.bases[0].alt_msl_m == pytest.approx(3130.0, abs=0.1)
    assert "other.tif" in area.input_hashes


def small_area_plus(metres: float) -> np.ndarray:
    lat, lon = small_area.posts()
    return (small_area.heights(lat[:, None], lon[None, :]) + metres).astype(np.float32)


def with_void(folder: Path, lat_deg: float, lon_deg: float) -> None:
    lat, lon = small_area.posts()
    values = small_area_plus(0.0)
    row, col = np.abs(lat - lat_deg).argmin(), np.abs(lon - lon_deg).argmin()
    values[row - 2 : row + 3, col - 2 : col + 3] = -32768
    small_area.write_survey(folder / "survey.tif", values)


def adding(text: str) -> list[tuple[str, str]]:
    """The change that adds tables to the file."""
    return [("[[aircraft]]", f"{text}\n[[aircraft]]")]


def zone(kind: str, keys: str) -> list[tuple[str, str]]:
    return adding(f'[[zone]]\nid = "z"\nname = "Z"\nkind = "{kind}"\n{keys}')


CIRCLE = "lat_deg = -10.0\nlon_deg = -69.97\nradius_m = 300.0"
FAR_BASE = '[[base]]\nid = "far"\nname = "Far"\nlat_deg = -10.0\nlon_deg = -70.03\npads = 1'
SECOND_WALKER = '[[crosser]]\nid = "walker"\nname = "x"\nmode = "walk"\ntarget = "person"'

BAD_TERRAIN = {
    "no such file": ([("survey.tif", "none.tif")], "no terrain at"),
    "none named": ([('sources = ["survey.tif"]', "")], "comes without terrain"),
    "base outside": ([("lon_deg = -69.97", "lon_deg = -69.93")], 'Base "post" lies outside'),
    "unknown datum": ([('vertical_datum = "EGM96"', "")], "which vertical datum"),
}
BAD_BORDER = {
    "wrong side": ([('ours = "right"', 'ours = "left"')], 'set [border] ours = "right"'),
    "one base beyond it": (adding(FAR_BASE), 'Base "far" lies 2.7 km on the wrong side of the border (There). Move'),
    "beyond the terrain": ([("north_deg = -9.94", "north_deg = -9.98")], "lies outside the terrain, first at km 7"),
    "no such file": ([("border.geojson", "b.geojson")], "b.geojson is missing"),
}
BAD_CONFIG = {
    "unknown key": (
        [("height_agl_m = 150.0", "height_alg_m = 150.0")],
        'area.toml, [requirement]: unknown key "height_alg_m". Did you mean "height_agl_m"?',
    ),
    "unknown table": ([("[[crosser]]", "[[croser]]")], 'Did you mean "crosser"?'),
    "wrong type": ([("pads = 1", 'pads = "one"')], '[[base]] 1 ("post"): "pads" is \'one\''),
    "broken TOML": ([("[[base]]", "[[base]")], "no readable TOML"),
    "not a number": ([("lat_deg = -10.0\n", "lat_deg = nan\n")], '"lat_deg" is nan'),
    "latitude over 90": ([("north_deg = -9.94", "north_deg = 94")], '"north_deg" is 94'),
    "extent upside down": ([("north_deg = -9.94", "north_deg = -10.94")], "north_deg must lie above"),
    "extent too large": ([("north_deg = -9.94", "north_deg = -1.94")], "too large for one area"),
    "base in a no-fly zone": (zone("no_fly", CIRCLE), 'no-fly zone "z"'),
    "two shapes": (zone("no_look", f"{CIRCLE}\nring = [[0,0],[1,0],[1,1]]"), "and not both"),
    "half a circle": (zone("no_look", "lat_deg = -10.0"), "a circle needs"),
    "two corners": (zone("no_look", "ring = [[0,0],[1,0]]"), "fewer than three corners"),
    "chainage": ([("to_km = 11.0", "to_km = 99.0")], "do not lie in order on the border of 13.3"),
    "airframe": ([('airframe = "matrice_4td"', 'airframe = "condor"')], 'names the airframe "condor"'),
    "base": ([('base = "post"', 'base = "pots"')], 'names the base "pots"'),
    "same id twice": (adding(SECOND_WALKER), 'two crossers "walker"'),
    "datum": ([('vertical_datum = "EGM96"', 'vertical_datum = "NAVD88"')], "\"vertical_datum\" is 'NAVD88'"),
    "waves": ([("wave_s = 1200.0", "wave_s = 9000.0")], "nor wave_s duration_s"),
    "cells": ([("crosser_cell_m = 450.0", "crosser_cell_m = 50.0")], "below the terrain cell of 90 m"),
    "hour": ([('start_local = "20:00"', 'start_local = "25:00"')], "\"start_local\" is '25:00'"),
}


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        pytest.param(kind, *case, id=f"{kind.__name__}: {name}")
        for kind, cases in ((TerrainError, BAD_TERRAIN), (BorderError, BAD_BORDER), (ConfigError, BAD_CONFIG))
        for name, case in cases.items()
    ],
)
def test_bad_files(folder: Path, kind: type[KunturError], changes: list[tuple[str, str]], words: str) -> None:
    toml = small_area.write(folder, *changes)
    with pytest.raises(kind) as caught:
        area_io.load(toml)
    assert words in str(caught.value)
    assert caught.value.remedy, "every error says what to do"


def test_a_void_under_a_base(folder: Path) -> None:
    toml = small_area.write(folder)
    with_void(folder, -10.0, -69.97)
    with pytest.raises(TerrainError, match=r'\(void\) under base "post"'):
        area_io.load(toml)


def test_a_void_on_the_border(folder: Path) -> None:
    toml = small_area.write(folder)
    with_void(folder, -10.0, -70.005)
    with pytest.raises(TerrainError, match=r"void on \d\.\d% of the border, first at km 5\.\d"):
        area_io.load(toml)


def test_a_void_elsewhere_is_kept(folder: Path) -> None:
    toml = small_area.write(folder)
    with_void(folder, -10.04, -69.96)
    assert 0.0 < np.isnan(area_io.load(toml).terrain.heights_m).mean() < 0.01


def test_unreadable_terrain(folder: Path) -> None:
    toml = small_area.write(folder)
    (folder / "survey.tif").write_bytes(b"no tif")
    with pytest.raises(TerrainError, match="cannot be read"):
        area_io.load(toml)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no readable GeoJSON"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "holds 0 lines"),
        (json.dumps({"type": "LineString", "coordinates": [[-70, -10]]}), "fewer than two"),
        (json.dumps({"type": "LineString", "coordinates": [[-70, -10], [-70, -10]]}), "fewer than two"),
        (json.dumps({"type": "LineString", "coordinates": [["a", 1], [2, 3]]}), "without usable coordinates"),
        (
            json.dumps({"type": "LineString", "coordinates": [[500_000, 8_000_000], [1, 2]]}),
            "no longitude",
        ),
        (json.dumps({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 0]], [[2, 0], [3, 0]]]}), "a gap"),
    ],
)
def test_bad_borders(folder: Path, content: str, words: str) -> None:
    toml = small_area.write(folder)
    (folder / "border.geojson").write_text(content)
    with pytest.raises(BorderError, match=words):
        area_io.load(toml)


def test_no_such_area_names_the_embedded_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tambo_quemado"):
        area_io.load(tmp_path / "nowhere")


def test_the_side_is_told_by_the_whole_line(folder: Path) -> None:
    """North of the watched part the line turns west, and a base there is ours although it lies beyond the end."""
    there = '[[base]]\nid = "north"\nname = "N"\nlat_deg = -9.95\nlon_deg = -70.02\npads = 1'
    toml = small_area.write(folder, ("to_km = 11.0", "to_km = 6.0"), *adding(there))
    small_area.write_border(folder / "border.geojson", [[-70.0, -10.06], [-70.0, -9.99], [-70.06, -9.97]])
    assert len(area_io.load(toml).bases) == 2
    small_area.write_border(folder / "border.geojson", [[-70.0, -10.06], [-70.0, -9.94]])
    with pytest.raises(BorderError, match='"north"'):
        area_io.load(toml)


def test_a_border_across_the_antimeridian(folder: Path) -> None:
    """A line that RFC 7946 cuts at 180 degrees, in an extent with west_deg > east_deg."""
    toml = small_area.write(
        folder,
        ("west_deg = -70.06", "west_deg = 179.94"),
        ("east_deg = -69.94", "east_deg = -179.94"),
        ("lon_deg = -69.97", "lon_deg = -179.97"),
        ('sources = ["survey.tif"]', 'sources = ["west.tif", "east.tif"]'),
        survey=False,
    )
    parts = [[[179.99, -10.06], [180.0, -10.0]], [[-180.0, -10.0], [-179.995, -9.94]]]
    (folder / "border.geojson").write_text(json.dumps({"type": "MultiLineString", "coordinates": parts}))
    values = np.full((241, 121), 1500, np.int16)
    small_area.write_survey(folder / "west.tif", values, west=179.9, east=180.0)
    small_area.write_survey(folder / "east.tif", values, west=-180.0, east=-179.9)
    area = area_io.load(toml)
    assert lines.chainages(area.border.xy_m)[-1] == pytest.approx(10_000.0)
    assert np.abs(area.border.xy_m[:, 0]).max() < 2000.0
    assert (area.terrain.heights_m == 1500.0).all()
    assert float(lines.inward_offset(area.border.xy_m, "right", area.bases[0].x_m, area.bases[0].y_m)[1][0]) > 2500.0


def test_the_embedded_area(tambo_quemado: Area) -> None:
    assert tambo_quemado.terrain.sketched
    assert "SKETCHED" in " ".join(tambo_quemado.attributions)
    assert any("OpenStreetMap" in text and "ODbL" in text for text in tambo_quemado.attributions)
    assert lines.chainages(tambo_quemado.border.xy_m)[-1] == pytest.approx(40_000.0)
    assert {a.airframe.kind for a in tambo_quemado.fleet.aircraft} == {"fixed_wing", "multirotor"}
    assert len({a.base_id for a in tambo_quemado.fleet.aircraft}) == 2
    assert all(place.approximate for place in tambo_quemado.places)


def test_bolivia_lies_east_of_the_line(tambo_quemado: Area) -> None:
    """Sajama village and peak are Bolivian, Lake Chungara and Guallatiri Chilean."""
    named = {place.name: place for place in tambo_quemado.places}
    for name, ours in (("Sajama", True), ("Nevado Sajama", True), ("Lake Chungara", False), ("Guallatiri", False)):
        _, inward = lines.inward_offset(
            tambo_quemado.border.xy_m, tambo_quemado.border.ours, named[name].x_m, named[name].y_m
        )
        assert (float(inward[0]) > 0.0) is ours, name


def test_the_simplified_border_stays_on_the_real_one(tambo_quemado: Area, shared_data: Path) -> None:
    from kuntur.geodesy import frames
    from kuntur.io import vectors

    real = vectors.read_line(shared_data / "areas" / "tambo_quemado_border.geojson")
    x, y = frames.to_local(tambo_quemado.frame, real[:, 1], real[:, 0])
    _, offset = lines.project(np.stack([x, y], -1), *tambo_quemado.border.xy_m.T)
    assert np.abs(offset).max() < 1.0, "its vertices are vertices of the real line"
    inside = (y > tambo_quemado.border.xy_m[0, 1] + 500) & (y < tambo_quemado.border.xy_m[-1, 1] - 500)
    _, offset = lines.project(tambo_quemado.border.xy_m, x[inside], y[inside])
    assert np.abs(offset).max() < 16.0


def test_every_key_is_in_the_reference(repository: Path) -> None:
    """The page cannot lie by omission: each key of each table of the area file stands in it."""
    page = (repository / "docs" / "reference" / "area-file.md").read_text(encoding="utf-8")
    for schema in (s for s in vars(area_file).values() if isinstance(s, type) and issubclass(s, Struct)):
        if schema in (Struct, area_file.AreaFile, area_file.CatalogFile):
            continue
        for key in schema.__struct_fields__:
            assert f"`{key}`" in page, f"{schema.__name__}.{key}"
    for table in area_file.AreaFile.__struct_fields__:
        assert f"[{table}]" in page or f"`{table}`" in page, table
