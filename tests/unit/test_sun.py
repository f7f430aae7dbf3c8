"""The sun's place against published risings and settings, and what must hold anywhere."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from kuntur.geodesy import sun

MINUTE_NS = 60_000_000_000


def day_ns(year: int, month: int, day: int) -> np.ndarray:
    """Every minute of a day, UTC."""
    start = int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000_000
    return start + np.arange(24 * 60) * MINUTE_NS


# As tables of sunrise and sunset give them, UTC to the minute.
@pytest.mark.parametrize(
    ("date", "lat_deg", "lon_deg", "rises", "sets"),
    [
        ((2024, 6, 20), 51.5074, -0.1278, "03:43", "20:21"),  # London, longest day
        ((2024, 12, 21), 51.5074, -0.1278, "08:04", "15:53"),  # London, shortest day
        ((2024, 3, 20), 0.0, 0.0, "06:04", "18:11"),  # Null Island at the equinox
    ],
)
def test_risings_and_settings_are_the_published_ones(
    date: tuple[int, int, int], lat_deg: float, lon_deg: float, rises: str, sets: str
) -> None:
    up = sun.is_up(day_ns(*date), lat_deg, lon_deg)
    first, last = int(np.argmax(up)), len(up) - 1 - int(np.argmax(up[::-1]))
    for found, wanted in ((first, rises), (last, sets)):
        hour, minute = wanted.split(":")
        assert abs(found - (60 * int(hour) + int(minute))) <= 2


def test_midnight_sun_and_polar_night() -> None:
    assert sun.is_up(day_ns(2024, 6, 21), 69.65, 18.96).all()  # Tromso
    assert not sun.is_up(day_ns(2024, 12, 21), 69.65, 18.96).any()


def test_noon_is_highest_where_the_sun_culminates() -> None:
    """At the December solstice the sun passes overhead the tropic of Capricorn."""
    zenith = sun.zenith_rad(day_ns(2025, 12, 21), -23.44, -68.0)
    assert np.degrees(zenith.min()) < 0.5
    assert int(np.argmin(zenith)) == pytest.approx(12 * 60 + 4 * 68, abs=6)  # the equation of time is 2 min then


def test_the_year_joins_without_a_jump() -> None:
    last = sun.zenith_rad(day_ns(2023, 12, 31)[-1:], -18.0, -69.0)
    first = sun.zenith_rad(day_ns(2024, 1, 1)[:1], -18.0, -69.0)
    assert abs(float(first[0] - last[0])) < np.radians(0.35)  # a minute of turning is 0.25 degrees
