"""The one-point geoid undulation is the array one."""

from __future__ import annotations

import math

import numpy as np

from kuntur.geodesy import heights
from kuntur.model.place import Geoid


def test_one_point_agrees_with_arrays_everywhere_and_outside() -> None:
    rng = np.random.default_rng(0)
    for west_deg, cols in ((-180.0, 25), (0.0, 25), (-72.0, 6)):
        values = rng.normal(30.0, 20.0, (13, cols)).astype(np.float32)
        geoid = Geoid(name="g", south_deg=-90.0, west_deg=west_deg, step_deg=15.0, undulation_m=values)
        lat, lon = rng.uniform(-95.0, 95.0, 300), rng.uniform(-180.0, 360.0, 300)
        lat[:4], lon[:4] = (-90.0, 90.0, 0.0, 15.0), (west_deg, west_deg, west_deg + 15.0, west_deg + 7.5)
        whole = heights.undulation_m(geoid, lat, lon)
        single = [heights.undulation_at(geoid, float(a), float(b)) for a, b in zip(lat, lon, strict=True)]
        np.testing.assert_allclose(single, whole, atol=1e-9, equal_nan=True)
        assert any(math.isnan(v) for v in single)
