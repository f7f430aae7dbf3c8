"""Curves of a camera: the pictures are written and small, and the ranges beside them are those of the model."""

import re
from pathlib import Path

import msgspec
import numpy as np
import places
import pytest
from matplotlib import image

from kuntur.io import catalog
from kuntur.model.place import Weather
from kuntur.ops import curves
from kuntur.visibility import acquisition, detection


def test_one_small_picture_for_each_camera(tmp_path: Path) -> None:
    other = msgspec.structs.replace(places.CAMERA, id="test-eo", band="EO")  # sees nothing at night: an empty sheet
    paths = curves.draw([places.CAMERA, other], Weather(), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["curves_test-lwir.png", "curves_test-eo.png"]
    seeing, blind = (image.imread(path) for path in paths)
    assert seeing.shape[:2] == blind.shape[:2] == (440, 1100)
    assert all(path.stat().st_size < 200_000 for path in paths)
    red = np.abs(seeing[..., :3] - [0.639, 0.071, 0.169]).max(axis=-1) < 0.1
    assert red[:, 400:].sum() > 100 > (np.abs(blind[..., :3] - [0.639, 0.071, 0.169]).max(axis=-1) < 0.1)[:, 400:].sum()


def test_the_sensor_page_has_the_ranges_of_the_program(repository: Path) -> None:
    page = (repository / "docs" / "explanation" / "sensor-model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|((?: \d+ \|){8})$", page, re.MULTILINE)
    known = [one for one in catalog.read().camera if not catalog.lacking(one)]
    assert [name for name, _ in rows] == [one.id for one in known]
    for one, (name, told) in zip(known, rows, strict=True):
        camera = catalog.camera(one)
        air = Weather(light="day" if camera.band == "EO" else "night")
        found = [curves.ranges(camera, target, air) for target in ("person", "light_vehicle")]
        values = [v for r in found for v in (r.half_m, r.johnson_half_m, r.reach_m, r.johnson_reach_m)]
        assert [float(v) for v in told.split("|")[:-1]] == values, name


def test_ranges_are_where_the_looks_are_worth_it() -> None:
    told = curves.ranges(places.CAMERA, "person", Weather())
    assert told.reach_m == np.floor(detection.max_range_m(places.CAMERA, "person", Weather()))
    half = float(acquisition.glimpse_prob(places.CAMERA, "person", told.half_m, Weather()))
    assert half == pytest.approx(acquisition.AVAILABILITY / 2.0, abs=1e-3)
    johnson = float(acquisition.johnson_prob(places.CAMERA, "person", told.johnson_half_m, Weather()))
    assert johnson == pytest.approx(acquisition.AVAILABILITY / 2.0, abs=1e-3)
    blind = curves.ranges(msgspec.structs.replace(places.CAMERA, band="EO"), "person", Weather())
    assert (blind.half_m, blind.reach_m) == (0.0, 0.0)
    widths = curves.sweep_widths_m(places.CAMERA, "truck", Weather(), np.array([100.0, 300.0]), 20.0)
    assert (widths > 0.0).all()
