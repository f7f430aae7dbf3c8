"""The numbers of the report against cases worked out by hand, on a flat plain with a straight border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from places import ridge_area, terrain
from scipy.stats import binom, binomtest

from kuntur.geodesy import frames, heights
from kuntur.model.place import Area, Zone
from kuntur.model.plans import Sortie
from kuntur.model.tracks import SensorPose
from kuntur.ops import account

START_NS = 1_800_000_000_000_000_000
GROUND_M = 4000.0


@pytest.fixture(scope="module")
def plain() -> Area:
    """12 km of flat ground; the border runs north along x = 0 from y = -5 to 5 km, and ours is the east."""
    area = ridge_area()
    border = replace(area.border, xy_m=np.array([[0.0, -5000.0], [0.0, 0.0], [0.0, 5000.0]]), ours="right")
    flat = terrain(np.full((200, 200), GROUND_M), 60.0)
    return replace(area, terrain=flat, border=border, zones=())


def picture(
    area: Area, t_s: float, x_m: float, y_m: float, *, azimuth_deg: float, down_deg: float, aircraft_id: str = "a"
) -> SensorPose:
    """A picture from 1,000 m above the plain; azimuth from grid north, 24 by 20 degrees wide."""
    lat, lon = (float(v) for v in frames.to_geodetic(area.frame, x_m, y_m))
    return SensorPose(
        t_ns=START_NS + round(t_s * 1e9),
        aircraft_id=aircraft_id,
        lat_deg=lat,
        lon_deg=lon,
        alt_hae_m=float(heights.hae_from_msl(area.geoid, lat, lon, GROUND_M + 1000.0)),
        azimuth_rad=np.radians(azimuth_deg) + frames.convergence_rad(area.frame, lat, lon),
        elevation_rad=-np.radians(down_deg),
        roll_rad=0.0,
        hfov_rad=np.radians(24.0),
        vfov_rad=np.radians(20.0),
        columns_px=640,
        rows_px=512,
    )


# --- shares


@given(st.integers(1, 400), st.data())
def test_shares_agree_with_scipys_exact_interval(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    ours, theirs = account.share(hits, trials), binomtest(hits, trials).proportion_ci(method="exact")
    assert (ours.low_prob, ours.high_prob) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert ours.low_prob <= hits / trials <= ours.high_prob


@pytest.mark.parametrize("trials", [1, 7, 40])
def test_the_interval_covers_the_truth_as_often_as_it_says(trials: int) -> None:
    intervals = [account.share(k, trials) for k in range(trials + 1)]
    for truth in np.linspace(0.01, 0.99, 50):
        caught = [k for k, s in enumerate(intervals) if s.low_prob <= truth <= s.high_prob]
        assert binom.pmf(caught, trials, truth).sum() >= 0.95


def test_nothing_to_count_is_no_share() -> None:
    nothing = account.share(0, 0)
    assert (nothing.prob, nothing.low_prob, nothing.high_prob) == (None, 0.0, 1.0)


# --- looks


def test_where_a_picture_falls(plain: Area) -> None:
    """From 1,000 m up, 45 degrees down, the centre lies 1,000 m away; west of an aircraft at x = 300 it is across."""
    pictures = account.poses(
        plain,
        [
            picture(plain, 0.0, 300.0, 0.0, azimuth_deg=270.0, down_deg=45.0),
            picture(plain, 1.0, 300.0, 0.0, azimuth_deg=90.0, down_deg=45.0),
            picture(plain, 2.0, 300.0, 0.0, azimuth_deg=90.0, down_deg=-5.0),
        ],
        START_NS,
    )
    seen = account.looks(plain, pictures)
    assert seen.offset_m[:2] == pytest.approx([-700.0, 1300.0], abs=2.0)
    assert np.isnan(seen.offset_m[2])
    assert seen.chainage_m[:2] == pytest.approx([5000.0, 5000.0], abs=2.0)
    upper_edge_m = 1000.0 / np.tan(np.radians(35.0))
    assert seen.farthest_m[0] == pytest.approx(300.0 - upper_edge_m, abs=30.0)
    summary = account.summarise_looks(seen, limit_m=1000.0)
    assert (summary.pictures, summary.ours, summary.across, summary.no_ground) == (3, 1, 1, 1)
    assert (summary.touching_across, summary.beyond_limit) == (1, 1)
    assert account.summarise_looks(seen, limit_m=1500.0).beyond_limit == 0
    assert sum(summary.counts) == 2


def test_a_picture_into_a_no_look_zone_is_counted(plain: Area) -> None:
    square = np.array([[1200.0, -100.0], [1400.0, -100.0], [1400.0, 100.0], [1200.0, 100.0]])
    for kind, counted in (("no_look", 1), ("protected", 0)):
        area = replace(plain, zones=(Zone(id="z", name="z", kind=kind, xy_m=square),))  # type: ignore[arg-type]
        pictures = account.poses(area, [picture(area, 0, 300.0, 0.0, azimuth_deg=90, down_deg=45)], START_NS)
        assert account.summarise_looks(account.looks(area, pictures), 1000.0).no_look == counted


def test_no_pictures_are_no_looks(plain: Area) -> None:
    nothing = account.poses(plain, [], START_NS)
    summary = account.summarise_looks(account.looks(plain, nothing), 1000.0)
    assert summary.pictures == sum(summary.counts) == 0
    assert account.coverage(plain, nothing, {}, 3600.0).watched_prob == 0.0


@given(st.floats(-8000, 8000), st.floats(0, 3000))
def test_every_picture_is_counted_once(offset_m: float, limit_m: float) -> None:
    column = np.array([offset_m])
    seen = account.Looks(chainage_m=column, offset_m=column, farthest_m=column, no_look=np.array([False]))
    summary = account.summarise_looks(seen, limit_m)
    assert summary.ours + summary.across == sum(summary.counts) == 1
    k = summary.counts.index(1)
    assert (summary.edges_m[k] >= 0) == (offset_m >= 0)


# --- coverage


def test_which_pieces_of_the_border_were_in_the_picture(plain: Area) -> None:
    """At x = 1,000 m, looking west 45 degrees down: the centre lies on the border."""
    pictures = account.poses(
        plain,
        [
            picture(plain, 10.0, 1000.0, 500.0, azimuth_deg=270.0, down_deg=45.0),
            picture(plain, 20.0, 1000.0, 500.0, azimuth_deg=270.0, down_deg=45.0),
            picture(plain, 400.0, 1000.0, 500.0, azimuth_deg=270.0, down_deg=45.0, aircraft_id="b"),
            picture(plain, 410.0, 1000.0, 500.0, azimuth_deg=90.0, down_deg=45.0),
        ],
        START_NS,
    )
    seen = account.coverage(plain, pictures, {"a": 2000.0, "b": 2000.0}, 900.0, station_m=100.0, bin_s=300.0)
    assert seen.looks.shape == (100, 3)
    half_m = 1000.0 * np.sqrt(2.0) * np.tan(np.radians(12.0))  # half width where the centre meets the ground
    inside = np.abs(seen.chainage_m - 5500.0) <= half_m
    assert 0 < inside.sum() < 10
    assert np.array_equal(seen.looks[:, 0], np.where(inside, 2, 0))
    assert np.array_equal(seen.looks[:, 1], np.where(inside, 1, 0))
    assert not seen.looks[:, 2].any()
    assert seen.longest_gap_s[inside].max() == 300.0
    assert seen.longest_gap_s[~inside].min() == 900.0
    near_sighted = account.coverage(plain, pictures, {"a": 1300.0}, 900.0, station_m=100.0)
    assert not near_sighted.looks.any()


def test_what_a_hill_hides_was_not_watched(plain: Area) -> None:
    relief = np.full((200, 200), GROUND_M)
    relief[:, 108:110] += 800.0  # a wall at x = 500 m
    walled = replace(plain, terrain=terrain(relief, 60.0))
    pictures = account.poses(walled, [picture(walled, 10, 1000.0, 500.0, azimuth_deg=270, down_deg=45)], START_NS)
    assert not account.coverage(walled, pictures, {"a": 2000.0}, 900.0).looks.any()


@settings(deadline=None)
@given(
    st.floats(0, 360),
    st.floats(5, 85),
    st.floats(-30, 30),
    st.floats(-1.4, 1.4),
    st.floats(-1.4, 1.4),
    st.floats(1, 5e3),
)
def test_in_the_picture_is_what_the_pixel_rays_say(
    azimuth_deg: float, down_deg: float, roll_deg: float, u: float, v: float, far_m: float
) -> None:
    """A point on the ray through a pixel is in the picture exactly when the pixel is."""
    angles = np.radians([azimuth_deg, -down_deg, roll_deg, 24.0, 20.0])
    ray = frames.pixel_directions_enu(*angles, 640, 512, [320 + 320 * u], [256 - 256 * v])  # type: ignore[misc]
    one = np.ones(1)
    pictures = account.Poses(
        aircraft_ids=("a",),
        t_s=one,
        aircraft=np.zeros(1, np.int64),
        position_m=np.zeros((1, 3)),
        azimuth_rad=angles[0] * one,
        elevation_rad=angles[1] * one,
        roll_rad=angles[2] * one,
        hfov_rad=angles[3] * one,
        vfov_rad=angles[4] * one,
    )
    if min(abs(abs(u) - 1.0), abs(abs(v) - 1.0)) < 1e-6:
        return
    k, m = account._in_picture(pictures, ray * far_m, {"a": 1e4})
    assert len(k) == len(m) == int(abs(u) < 1 and abs(v) < 1)


# --- flights

SORTIE = Sortie(
    id="s1",
    aircraft_id="a",
    base_id="b",
    t_s=(0.0, 60.0, 360.0, 660.0, 720.0),
    x_m=(0.0, 0.0, 3000.0, 0.0, 0.0),
    y_m=(0.0, 0.0, 4000.0, 0.0, 0.0),
    alt_msl_m=(4000.0, 4400.0, 4500.0, 4400.0, 4000.0),
    energy_wh=1.0,
    endurance_s=0.0,
)


def telemetry(late_s: float = 0.0, aside_m: float = 0.0, below_m: float = 0.0) -> list[np.ndarray]:
    t = np.arange(0.0, 760.0)
    x, y, z = (np.interp(t - late_s, SORTIE.t_s, c) for c in (SORTIE.x_m, SORTIE.y_m, SORTIE.alt_msl_m))
    return [t, x + 0.8 * aside_m, y - 0.6 * aside_m, z - below_m]


def test_flown_as_planned() -> None:
    result = account.flown(SORTIE, *telemetry())
    assert result.complete
    assert result.planned_s == 720.0
    assert result.airborne_s == pytest.approx(712.0, abs=4.0)
    assert (result.worst_off_path_m, result.median_late_s) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert result.worst_below_plan_m == pytest.approx(0.0, abs=1e-6)


def test_flown_late_beside_and_below_the_plan() -> None:
    assert account.flown(SORTIE, *telemetry(late_s=30.0)).median_late_s == pytest.approx(30.0, abs=1.0)
    assert account.flown(SORTIE, *telemetry(late_s=30.0)).median_off_path_m == pytest.approx(0.0, abs=2.0)
    assert account.flown(SORTIE, *telemetry(aside_m=100.0)).median_off_path_m == pytest.approx(100.0, abs=2.0)
    assert account.flown(SORTIE, *telemetry(below_m=15.0)).worst_below_plan_m == pytest.approx(15.0, abs=1.0)


def test_a_flight_broken_off_is_not_whole() -> None:
    broken = [column[:200] for column in telemetry()]
    result = account.flown(SORTIE, *broken)
    assert not result.complete
    assert result.airborne_s < 200.0


def test_an_aircraft_that_stayed_down_or_silent_flew_nothing() -> None:
    t = np.arange(0.0, 700.0)
    for columns in ([t, 0 * t, 0 * t, 0 * t + 4000.0], [[], [], [], []]):
        result = account.flown(SORTIE, *columns)
        assert not result.complete
        assert result.airborne_s == 0.0
        assert result.median_off_path_m is None
