"""Looks that make no sense geometrically must not stop the watch."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import places
import pytest

from kuntur.model.tracks import GroundDetection
from kuntur.ops.watch import Watch


@pytest.mark.parametrize(("slant_range_m", "fov_rad"), [(0.0, 0.2), (500.0, 0.0), (0.0, 0.0)])
def test_a_camera_on_its_pad_or_without_a_field_of_view(slant_range_m: float, fov_rad: float) -> None:
    view: Any = SimpleNamespace(alt_msl_m=100.0, pose=SimpleNamespace(hfov_rad=fov_rad, vfov_rad=fov_rad))
    found = GroundDetection(
        t_ns=0,
        aircraft_id="a",
        x_m=0.0,
        y_m=0.0,
        alt_msl_m=100.0,
        cov_m2=(1.0, 0.0, 1.0),
        slant_range_m=slant_range_m,
        size_class="person",
        confidence_prob=0.5,
    )
    density = Watch(places.ridge_area())._false_alarms_per_m2(view, found)
    assert math.isfinite(density) and density > 0.0
