"""Checking and drawing an area, and the aircraft that cannot fly there."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import small_area
from matplotlib import image
from rich.console import Console

from kuntur.errors import InfeasibleError, KunturError
from kuntur.model.place import Area
from kuntur.ops import area as area_ops


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def show(area: Path, png: Path | None = None) -> str:
    console = Console(file=StringIO(), width=200)
    area_ops.check_and_show(area, [], png, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_table_of_a_small_area(tmp_path: Path) -> None:
    png = tmp_path / "map.png"
    text = show(small_area.write(tmp_path / "area"), png)
    for words in (
        "13.1 x 13.1 km, -10.059 to -9.941 N, -70.060 to -69.940 E",
        "90 m, 146 x 146",
        "voids 0.00%",
        "vertical datum EGM96",
        "border inside 10.00 km, Here on the right",
        "3030 m, density altitude 3030 m, 3.8 km from the border",
        "DJI Matrice 4TD",
        "max_climb_mps",
        str(png),
    ):
        assert " ".join(words.split()) in " ".join(text.split()), words
    picture = image.imread(png)
    assert picture.shape[0] > 500
    assert picture[..., :3].std() > 0.05, "not blank"


def test_the_embedded_area_says_that_it_is_sketched(tambo_quemado: Area, tmp_path: Path) -> None:
    result = area_ops.check(tambo_quemado)
    rows = dict(result.rows)
    assert rows["terrain"].startswith("SKETCHED")
    assert rows["border inside"] == "40.00 km, Bolivia on the right"
    assert "4199 m, density altitude 4199 m" in rows["base sajama"]
    assert any("SKETCHED" in note for note in result.notes)
    assert len(result.aircraft) == len(tambo_quemado.fleet.aircraft) == 6
    area_ops.require_flyable(tambo_quemado)


SLOW = """[[airframe]]
id = "slow"
name = "Slow"
kind = "multirotor"
propulsion = "electric"
mass_kg = 2.0
endurance_s = 900.0
endurance_mps = 0.0
cruise_mps = 8.0
max_speed_mps = 12.0
ceiling_msl_m = 6000.0
source = "made up for a test"

[[crosser]]"""
OTHER_CAMERA = [('camera = "matrice_4_thermal"', 'camera = "boson_640_18mm"')]  # that one is built into its airframe
INFEASIBLE = {
    "ceiling": (
        [
            *OTHER_CAMERA,
            ('airframe = "matrice_4td"', 'airframe = "deltaquad_pro"'),
            ("height_agl_m = 150.0", "height_agl_m = 1200.0"),
        ],
        'Rotor (DeltaQuad Pro (VTOL)) cannot fly at base "post": 4230 m is above its ceiling of 4000 m',
    ),
    "wind": ([("wind_speed_mps = 3.0", "wind_speed_mps = 13.0")], "wind 13.0 m/s is above its limit of 12.0 m/s"),
    # 3.83 km each way across 3 m/s of wind at 8 m/s: 2 x 3830 / sqrt(64 - 9) = 1033 s
    "reach": (
        [*OTHER_CAMERA, ('airframe = "matrice_4td"', 'airframe = "slow"'), ("[[crosser]]", SLOW)],
        'cannot reach the border from base "post" and return: that takes 17 min of flight, and it has 9 min there',
    ),
}


@pytest.mark.parametrize(("changes", "words"), INFEASIBLE.values(), ids=INFEASIBLE)
def test_aircraft_that_cannot_do_it(tmp_path: Path, changes: list[tuple[str, str]], words: str) -> None:
    toml = small_area.write(tmp_path / "area", *changes)
    for attempt in (area_ops.load, show):
        with pytest.raises(InfeasibleError) as caught:
            attempt(toml)
        assert words in str(caught.value)
        assert caught.value.exit_code != 0
        assert caught.value.remedy


def test_hot_air_grounds_what_flies_in_standard_air(tmp_path: Path) -> None:
    """Density altitude, not altitude, decides."""
    lat, lon = small_area.posts()
    high = (small_area.heights(lat[:, None], lon[None, :]) + 3200.0).astype(np.float32)
    for name, isa_offset_k in (("standard", 0.0), ("hot", 30.0)):
        weather = ("wind_speed_mps = 3.0", f"isa_offset_k = {isa_offset_k}")
        toml = small_area.write(tmp_path / name, weather)
        small_area.write_survey(tmp_path / name / "survey.tif", high)
        if isa_offset_k == 0.0:
            assert area_ops.load(toml).bases[0].alt_msl_m == pytest.approx(6230.0, abs=0.5)
        else:
            with pytest.raises(InfeasibleError, match="density altitude"):
                area_ops.load(toml)


def test_nothing_half_written_when_it_fails(tmp_path: Path) -> None:
    png = tmp_path / "map.png"
    with pytest.raises(KunturError):
        show(small_area.write(tmp_path / "area", ('ours = "right"', 'ours = "left"')), png)
    assert not png.exists()
    with pytest.raises(KunturError, match="cannot be written"):
        show(small_area.write(tmp_path / "area"), tmp_path / "no" / "map.png")
