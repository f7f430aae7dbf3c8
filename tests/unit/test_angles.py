"""Positions as people write them: every form to the same degrees, and nothing ambiguous guessed."""

from __future__ import annotations

import math

import pytest

from kuntur.errors import ConfigError
from kuntur.geodesy import angles


@pytest.mark.parametrize(
    "text",
    ["-18.28", "18.28S", "18.28 s", "S18.28", "18,28S", "18°16'48\"S", "18:16:48S", "18 16 48 S", "18d16m48sS",
     "S 18 16.8", "-18 16 48", "18° 16′ 48″ S", "18°16'48''S"],
)  # fmt: skip
def test_one_latitude_in_many_forms(text: str) -> None:
    assert angles.degrees(text, "lat") == pytest.approx(-18.28, abs=1e-12)


@pytest.mark.parametrize("text", ["69.05W", "69.05O", "-69.05", "290.95", "W 69 3", "69:03:00 W", "-69 3 0"])
def test_one_longitude_in_many_forms(text: str) -> None:
    assert angles.degrees(text, "lon") == pytest.approx(-69.05, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    ["91", "18.5 30 S", "18 60 S", "18 16 60 S", "-18S", "18W", "S18S", "nan", "", "18 16.5 30 S", "18d16m48s", "1e1"],
)
def test_what_is_no_latitude_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        angles.degrees(text, "lat")
    assert "18.28S" in refused.value.remedy


def test_the_antimeridian_and_the_poles_are_positions() -> None:
    assert angles.degrees("180", "lon") == 180.0
    assert angles.degrees("-180", "lon") == -180.0
    assert angles.degrees("360", "lon") == 0.0
    assert angles.degrees("90S", "lat") == -90.0


def test_words_and_compass() -> None:
    assert angles.words(-18.28, -69.05, 2) == "18.28° S 69.05° W"
    assert [angles.compass(math.radians(a)) for a in (0, 44, 100, 350, 181)] == [
        "north", "north-east", "east", "north", "south",
    ]  # fmt: skip
