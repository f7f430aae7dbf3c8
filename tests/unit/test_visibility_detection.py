"""Search pattern, rate and sweep width: no gaps between looks, promise below simulation, Koopman's identities."""

import math

import msgspec
import numpy as np
import places
import pytest

from kuntur.geodesy import frames
from kuntur.model.place import Weather
from kuntur.visibility import detection

CAMERA = places.CAMERA


@pytest.mark.parametrize("hfov_deg", [6.0, 24.0, 45.0])
@pytest.mark.parametrize("height_m", [150.0, 400.0, 1200.0])
def test_every_promised_direction_is_in_a_picture_of_each_revolution(hfov_deg: float, height_m: float) -> None:
    camera = msgspec.structs.replace(
        CAMERA, hfov_rad=math.radians(hfov_deg), vfov_rad=2 * math.atan(0.8 * math.tan(math.radians(hfov_deg) / 2))
    )
    search = detection.search_pattern(camera, height_m, 2500.0)
    assert search.greatest_depression_rad >= detection.STEEPEST_DEPRESSION_RAD
    assert sum(band.share_prob for band in search.bands) == pytest.approx(1.0)
    rng = np.random.default_rng(1)
    depression = rng.uniform(search.least_depression_rad, search.greatest_depression_rad, 4000)
    azimuth = rng.uniform(0.0, 2.0 * math.pi, 4000)
    d = frames.direction_enu(azimuth, -depression)
    seen = np.zeros(4000, bool)
    looks = round(search.revolution_s / search.look_s)
    for k in range(7 * looks, 8 * looks):
        az, el = detection.pointing(search, k * search.look_s)
        forward = frames.direction_enu(az, el)
        right = np.array([math.cos(az), -math.sin(az), 0.0])
        up = np.cross(right, forward)
        ahead = d @ forward
        with np.errstate(divide="ignore", invalid="ignore"):
            seen |= (
                (ahead > 0)
                & (np.abs(d @ right / ahead) <= math.tan(camera.hfov_rad / 2) + 1e-9)
                & (np.abs(d @ up / ahead) <= math.tan(camera.vfov_rad / 2) + 1e-9)
            )
    assert seen.all()


def test_pointing_repeats_itself_and_starts_each_revolution_elsewhere() -> None:
    search = detection.search_pattern(CAMERA, 400.0, 1500.0)
    looks = round(search.revolution_s / search.look_s)
    rounds = [[detection.pointing(search, (r * looks + k) * search.look_s) for k in range(looks)] for r in range(40)]
    assert all(sorted(one) == sorted(rounds[0]) for one in rounds)  # each revolution makes every look once
    assert len({one[0] for one in rounds}) > 15
    assert detection.pointing(search, 12.0) == detection.pointing(search, 12.999 * search.look_s)
    assert [detection.pointing(search, k, seed=1) for k in range(99)] != [
        detection.pointing(search, k) for k in range(99)
    ]


def test_one_search_for_all_targets_reaches_to_the_nearest_range() -> None:
    search = detection.search_for(CAMERA, ("person", "light_vehicle"), 800.0, Weather())
    near_m = detection.max_range_m(CAMERA, "person", Weather())
    assert search == detection.search_pattern(CAMERA, 800.0, near_m)
    assert search != detection.search_pattern(CAMERA, 800.0, 2.0 * near_m)


def test_rate_is_one_look_a_revolution_inside_the_covered_depressions() -> None:
    search = detection.search_pattern(CAMERA, 1000.0, 1500.0)
    inside = 0.5 * (search.least_depression_rad + search.greatest_depression_rad)
    rate = detection.detection_rate_hz(CAMERA, search, "person", Weather(), 700.0, [inside, 0.0, 1.57])
    glimpse = detection.glimpse_prob(CAMERA, "person", 700.0, Weather())
    assert search.revolution_s > detection.CORRELATION_S
    np.testing.assert_allclose(rate, [glimpse / search.revolution_s, 0.0, 0.0])


def test_looks_closer_than_the_correlation_time_count_once() -> None:
    """A wide camera is round in 4 s; of its looks one in 12 s counts, three whole revolutions."""
    wide = msgspec.structs.replace(CAMERA, hfov_rad=math.radians(130.0), vfov_rad=math.radians(110.0))
    search = detection.search_pattern(wide, 400.0, 200.0)
    assert search.revolution_s == 4.0
    assert search.independent_s == 12.0
    rate = detection.detection_rate_hz(wide, search, "truck", Weather(), 100.0, 0.5)
    assert float(rate) == float(detection.glimpse_prob(wide, "truck", 100.0, Weather())) / 12.0 > 0.0
    quick = msgspec.structs.replace(search, revolution_s=5.0)
    assert quick.independent_s == 10.0


def test_lateral_range_of_the_inverse_cube_law() -> None:
    """Koopman 1980, ch. 3: rate k / r^3 gives miss exp(-2 k / (v x^2)) (m = 2 k / v) and sweep width 2 sqrt(pi m)."""
    m_m2, speed = 900.0, 20.0
    offsets = np.array([20.0, 60.0, 200.0])
    got = detection.pass_prob(lambda r: m_m2 * speed / 2.0 / np.maximum(r, 1e-6) ** 3, 5000.0, speed, offsets)
    np.testing.assert_allclose(got, 1.0 - np.exp(-m_m2 / offsets**2), rtol=2e-3)


def test_sweep_width_is_the_integral_of_the_lateral_range_curve() -> None:
    search = detection.search_pattern(CAMERA, 400.0, 1500.0)
    flight = {"height_agl_m": 400.0, "ground_speed_mps": 18.0}
    offsets = np.linspace(-1600.0, 1600.0, 3201)
    curve = detection.lateral_range_prob(CAMERA, search, "person", Weather(), offset_m=offsets, **flight)
    width = detection.sweep_width_m(CAMERA, search, "person", Weather(), **flight)
    assert width == pytest.approx(float(np.trapezoid(curve, offsets)), rel=2e-3)
    faster = detection.sweep_width_m(CAMERA, search, "person", Weather(), height_agl_m=400.0, ground_speed_mps=36.0)
    assert width / 2 < faster < width


def test_a_constant_rate_inside_a_circle_sweeps_as_koopman_says() -> None:
    """1 - exp(-2 k sqrt(R^2 - x^2) / v): as the rate k grows the curve becomes definite and the width 2 R."""
    radius_m, speed = 800.0, 20.0
    offsets = np.linspace(0.0, 1000.0, 2001)

    def curve(rate_hz: float) -> np.ndarray:
        return detection.pass_prob(lambda r: np.where(r <= radius_m, rate_hz, 0.0), 1000.0, speed, offsets)

    chord = 2.0 * np.sqrt(np.maximum(radius_m**2 - offsets**2, 0.0))
    away = np.abs(offsets - radius_m) > 5.0  # at the rim the rate is a ramp 5 cm wide
    np.testing.assert_allclose(curve(0.01)[away], (1.0 - np.exp(-0.01 * chord / speed))[away], atol=1e-3)
    assert 2.0 * float(np.trapezoid(curve(50.0), offsets)) == pytest.approx(2.0 * radius_m, rel=2e-3)


def test_as_many_are_found_as_stand_in_the_swept_area() -> None:
    """Swept-area identity, without the lateral range curve: 4,000 people anywhere in a strip, the exposure of each
    added up along the flight in time; the share found times the strip is sweep width times length of the track."""
    height_m, speed_mps, length_m, half_m, step_s = 400.0, 18.0, 4000.0, 2000.0, 1.0
    search = detection.search_pattern(CAMERA, height_m, 1200.0)
    rng = np.random.default_rng(11)
    # Even offsets with a random shift, so that few people give a small error.
    y_m = -half_m + (np.arange(4000) + rng.random()) * (2.0 * half_m / 4000)
    x_m = rng.uniform(0.0, length_m, len(y_m))
    exposure = np.zeros(len(y_m))
    for along_m in np.arange(-2000.0, length_m + 2000.0, speed_mps * step_s):
        across_m = np.hypot(x_m - along_m, y_m)
        exposure += step_s * detection.detection_rate_hz(
            CAMERA, search, "person", Weather(), np.hypot(across_m, height_m), np.arctan2(height_m, across_m)
        )
    found_m2 = float(np.mean(-np.expm1(-exposure))) * 2.0 * half_m * length_m
    width_m = detection.sweep_width_m(
        CAMERA, search, "person", Weather(), height_agl_m=height_m, ground_speed_mps=speed_mps
    )
    assert width_m > 100.0
    assert found_m2 == pytest.approx(width_m * length_m, rel=0.01)


@pytest.mark.parametrize("offset_m", [250.0, 700.0])
def test_a_simulated_pass_detects_at_least_what_the_rate_promises(offset_m: float) -> None:
    """3,000 passes over flat ground with the real pointing, one draw a look in which the target is in the picture."""
    height_m, speed_mps = 400.0, 18.0
    search = detection.search_pattern(CAMERA, height_m, 1500.0)
    promised = float(
        detection.lateral_range_prob(
            CAMERA,
            search,
            "person",
            Weather(),
            height_agl_m=height_m,
            ground_speed_mps=speed_mps,
            offset_m=offset_m,
        )
    )
    rng = np.random.default_rng(4)
    passes = 3000
    t_s = np.arange(0.0, 200.0, search.look_s)
    missed = np.ones(passes)
    for k in range(passes):
        phase_s = rng.uniform(0.0, search.revolution_s)
        along = -1800.0 + speed_mps * t_s + rng.uniform(0.0, speed_mps)
        pointings = np.array([detection.pointing(search, t + phase_s, seed=k) for t in t_s])
        forward = frames.direction_enu(pointings[:, 0], pointings[:, 1])
        right = np.stack([np.cos(pointings[:, 0]), -np.sin(pointings[:, 0]), np.zeros(len(t_s))], axis=-1)
        up = np.cross(right, forward)
        to = np.stack([np.full(len(t_s), offset_m), -along, np.full(len(t_s), -height_m)], axis=-1)
        ahead = (to * forward).sum(1)
        inside = (
            (ahead > 0)
            & (np.abs((to * right).sum(1)) <= ahead * math.tan(CAMERA.hfov_rad / 2))
            & (np.abs((to * up).sum(1)) <= ahead * math.tan(CAMERA.vfov_rad / 2))
        )
        slant = np.linalg.norm(to, axis=1)[inside]
        missed[k] = np.prod(1.0 - detection.glimpse_prob(CAMERA, "person", slant, Weather()))
    achieved = 1.0 - missed.mean()
    assert achieved >= promised - 3.0 * missed.std() / math.sqrt(passes)
    assert achieved < promised + 0.2  # and the promise is not empty
