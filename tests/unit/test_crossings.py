"""Naive crossers: over the whole border, from the other side to the depth, at speeds people have."""

from __future__ import annotations

import numpy as np
import places
import pytest

from kuntur.geodesy import lines
from kuntur.sim import crossings

AREA = places.ridge_area()


@pytest.fixture(scope="module")
def found():
    return crossings.naive(AREA, np.random.default_rng(3), 40)


def test_each_comes_from_the_other_side_and_gets_through(found) -> None:
    for one in found:
        _, offset_m = lines.inward_offset(AREA.border.xy_m, AREA.border.ours, np.array(one.x_m), np.array(one.y_m))
        assert offset_m[0] < -100.0
        assert offset_m[-1] >= AREA.requirement.depth_m - 60.0
        assert one.t_s[0] >= 0.0 and list(one.t_s) == sorted(one.t_s)


def test_classes_take_turns_and_speeds_are_theirs(found) -> None:
    assert [one.target for one in found[:4]] == ["person", "light_vehicle", "person", "light_vehicle"]
    for one in found:
        speed = np.hypot(np.diff(one.x_m), np.diff(one.y_m)) / np.diff(one.t_s)
        assert speed.max() < (1.01 if one.target == "person" else 5.01)
        assert speed.min() > 0.02


def test_they_are_spread_over_border_and_night(found) -> None:
    chainage_m, _ = lines.project(AREA.border.xy_m, [o.x_m[0] for o in found], [o.y_m[0] for o in found])
    length_m = lines.chainages(AREA.border.xy_m)[-1]
    assert np.histogram(chainage_m, bins=4, range=(0.0, length_m))[0].min() >= 3
    drivers = [o for o in found if o.target == "light_vehicle"]
    assert np.std([o.t_s[0] for o in drivers]) > 300.0


def test_the_same_generator_gives_the_same_crossers(found) -> None:
    assert crossings.naive(AREA, np.random.default_rng(3), 40) == found


def test_a_route_with_waiting_and_repeated_times_is_made_proper() -> None:
    one = crossings.from_route("a", AREA.crossers[0], [0.0, 60.0, 60.0, 120.0], [0.0, 1.0, 2.0, 2.0], [0.0] * 4)
    assert one.t_s == (0.0, 60.0, 120.0) and one.x_m == (0.0, 1.0, 2.0)
    assert one.at(90.0) == (1.5, 0.0)
