"""Alert rules: each cause once, in both languages, with place and error; nothing when nothing is sure."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import places
import pytest

from kuntur.geodesy import frames, lines
from kuntur.model.tracks import PlatformState, Track
from kuntur.tracking import alerts
from kuntur.tracking.tracks import side
from kuntur.units import NS_PER_S

AREA = places.ridge_area()
BORDER = AREA.border
SETTINGS = alerts.AlertSettings(depth_m=2500.0)


def track(
    x_m: float, vx_mps: float = 1.0, *, sigma_m: float = 20.0, track_id: int = 1, status: str = "confirmed"
) -> Track:
    """A mover at y = 0, where the border runs north through x = 0."""
    lat_deg, lon_deg = frames.to_geodetic(AREA.frame, x_m, 0.0)
    chainage_m, offset_m = lines.inward_offset(BORDER.xy_m, BORDER.ours, x_m, 0.0)
    cov = np.diag([sigma_m**2, sigma_m**2, 0.1, 0.1])
    return Track(
        id=track_id,
        t_ns=60 * NS_PER_S,
        first_t_ns=0,
        state=(x_m, 0.0, vx_mps, 0.0),
        cov=tuple(cov.ravel().tolist()),
        status=status,  # type: ignore[arg-type]
        size_class="person",
        hits=3,
        lat_deg=float(lat_deg),
        lon_deg=float(lon_deg),
        chainage_m=float(chainage_m[0]),
        offset_m=float(offset_m[0]),
    )


def kinds(*tracks: Track) -> list[str]:
    state, told = alerts.AlertState(), []
    for one in tracks:
        state, new = alerts.on_tracks(state, SETTINGS, BORDER, [one])
        told += [alert.kind for alert in new]
    return told


def test_side_takes_the_error_along_the_way_to_the_border() -> None:
    where = side(BORDER, track(300.0, 1.2))
    # The border runs 1 in 8.3 off north there, so offset and speed are cos(6.8 degrees) of what they are along x.
    slant = math.cos(math.atan(300.0 / 2500.0))
    assert where.offset_m == pytest.approx(300.0 * slant, rel=0.01)
    assert where.inward_mps == pytest.approx(1.2 * slant, rel=0.01)
    assert where.offset_sigma_m == pytest.approx(20.0, rel=1e-3)
    assert side(BORDER, track(0.0)).ours_prob == pytest.approx(0.5, abs=0.05)


def test_from_their_side_to_ours_is_an_approach_then_a_crossing_each_once() -> None:
    assert kinds(*(track(x) for x in (-900.0, -400.0, -30.0, 30.0, 200.0, 400.0))) == ["approach", "crossing"]


def test_one_who_was_on_their_side_has_crossed_even_standing_still() -> None:
    assert kinds(track(-400.0, 0.0), track(400.0, 0.0)) == ["crossing"]


def test_first_seen_inside_counts_only_when_going_in_and_not_too_deep() -> None:
    assert kinds(track(800.0, 1.0)) == ["crossing"]
    assert kinds(track(800.0, -1.0)) == []
    assert kinds(track(4000.0, 1.0)) == []


def test_inside_with_unknown_direction_is_told_and_told_again_when_it_goes_in() -> None:
    state, (first,) = alerts.on_tracks(alerts.AlertState(), SETTINGS, BORDER, [track(800.0, 0.1)])
    assert (first.kind, first.severity, first.id) == ("crossing", "warning", "inside-1")
    assert "direction not known yet" in first.text_en and "m/s" not in first.text_en
    state, told = alerts.on_tracks(state, SETTINGS, BORDER, [track(810.0, 0.1)])
    assert told == []
    state, (second,) = alerts.on_tracks(state, SETTINGS, BORDER, [track(900.0, 1.0)])
    assert (second.severity, second.id) == ("urgent", "crossing-1")
    assert alerts.on_tracks(state, SETTINGS, BORDER, [track(900.0, 0.1)])[1] == []


def test_unsure_tracks_say_nothing() -> None:
    assert kinds(track(10.0, 0.0, sigma_m=80.0)) == []
    assert kinds(track(800.0, status="tentative")) == []
    assert kinds(track(-5000.0)) == [] and kinds(track(-900.0, -1.0)) == []


def test_the_text_says_what_where_and_how_sure_in_both_languages() -> None:
    _, (alert,) = alerts.on_tracks(alerts.AlertState(), SETTINGS, BORDER, [track(310.0, 1.2)])
    assert alert.severity == "urgent" and alert.track_id == 1 and alert.id == "crossing-1"
    assert alert.text_en == (
        "Person-sized mover is inside the border, going in: km 4.5, 308 m inside, ±49 m (95 %), 1.2 m/s inward"
    )
    assert alert.text_es == (
        "Móvil del tamaño de una persona está dentro de la frontera y avanza: km 4,5, 308 m adentro, ±49 m (95 %), "
        "1,2 m/s hacia adentro"
    )
    state, _ = alerts.on_tracks(alerts.AlertState(), SETTINGS, BORDER, [track(-310.0, 0.0)])
    _, (alert,) = alerts.on_tracks(state, SETTINGS, BORDER, [track(310.0)])
    assert "has crossed the border" in alert.text_en and "ha cruzado la frontera" in alert.text_es


def coverage(state: alerts.AlertState, age_s: np.ndarray) -> tuple[alerts.AlertState, list]:
    return alerts.on_coverage(state, SETTINGS, AREA.frame, BORDER, t_ns=1, age_s=age_s, bin_m=250.0)


def test_a_gap_is_told_once_again_when_it_grows_and_again_after_it_was_closed() -> None:
    age_s = np.zeros(30)
    state, told = coverage(alerts.AlertState(), age_s)
    assert told == []
    age_s[4:7] = 3000.0
    state, told = coverage(state, age_s)
    assert told == []  # 750 m: too short to tell
    age_s[4:10] = 3000.0
    state, (alert,) = coverage(state, age_s)
    assert alert.kind == "coverage_gap" and alert.chainage_m == 1750.0
    assert "from km 1.0 to km 2.5 for 50 min" in alert.text_en and "del km 1,0 al km 2,5" in alert.text_es
    state, told = coverage(state, age_s)
    assert told == []
    age_s[4:14] = 3000.0
    state, told = coverage(state, age_s)
    assert told == []  # grown by 1 km
    age_s[4:25] = 3000.0
    state, told = coverage(state, age_s)
    assert len(told) == 1
    state, told = coverage(state, np.zeros(30))
    state, (again,) = coverage(state, age_s)
    assert again.id != alert.id


def test_ground_that_is_not_expected_to_be_seen_is_no_gap() -> None:
    assert coverage(alerts.AlertState(), np.full(30, np.nan))[1] == []


def aircraft(
    state: alerts.AlertState, t_s: float, heard_s: float, *, armed: bool = True
) -> tuple[alerts.AlertState, list]:
    lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(AREA.frame, 2000.0, 0.0))
    platform = PlatformState(t_ns=0, aircraft_id="a", lat_deg=lat_deg, lon_deg=lon_deg, alt_msl_m=4800.4, armed=armed)
    return alerts.on_aircraft(
        state,
        SETTINGS,
        AREA.frame,
        BORDER,
        t_ns=round(t_s * NS_PER_S),
        platforms={"a": platform},
        heard_t_ns={"a": round(heard_s * NS_PER_S)},
        names={"a": "Vultur 1"},
    )


def test_a_silent_aircraft_is_told_once_and_again_after_it_was_heard() -> None:
    state, told = aircraft(alerts.AlertState(), 50.0, 0.0)
    assert told == []
    state, (alert,) = aircraft(state, 90.0, 0.0)
    assert alert.text_en == "No word from Vultur 1 for 90 s; last heard abreast of km 4.7, 4800 m above the sea"
    assert "Sin noticias de Vultur 1 desde hace 90 s" in alert.text_es and alert.aircraft_id == "a"
    state, told = aircraft(state, 120.0, 0.0)
    assert told == []
    state, told = aircraft(state, 121.0, 120.0)
    state, (again,) = aircraft(state, 300.0, 120.0)
    assert again.id != alert.id
    assert aircraft(alerts.AlertState(), 90.0, 0.0, armed=False)[1] == []


def test_alerts_are_plain_values() -> None:
    _, (alert,) = alerts.on_tracks(alerts.AlertState(), SETTINGS, BORDER, [track(310.0)])
    assert msgspec.json.decode(msgspec.json.encode(alert), type=type(alert)) == alert
