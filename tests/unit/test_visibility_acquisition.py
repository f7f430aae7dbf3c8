"""One look: the metric against a plain integral, anchor points, light, air, and what is assumed for unknown figures."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import places
import pytest
from scipy.integrate import quad

from kuntur.model.assets import Camera
from kuntur.model.place import Target, Weather
from kuntur.visibility import acquisition

CLEAR_AIR = Weather(visibility_m=1e9, light="day")
CAMERA = places.CAMERA
EYE = msgspec.structs.replace(CAMERA, band="EO")
KNOWN = msgspec.structs.replace(CAMERA, pixel_pitch_m=12e-6, focal_length_m=25e-3, f_number=1.0, netd_k=0.04)
TARGETS: tuple[Target, ...] = ("person", "pack_animal", "light_vehicle", "truck")


def pixel_rad(camera: Camera) -> float:
    return max(acquisition.pixels_rad(camera))


@pytest.mark.parametrize("target", TARGETS)
def test_johnson_anchor_points(target: Target) -> None:
    """The target transfer probability function is 0.5 at one N50; Holst's table gives 0.95 at 2 and 0.10 at 0.5 N50."""
    at = acquisition.CRITICAL_DIMENSION_M[target] / (2.0 * pixel_rad(EYE))  # one cycle: two pixels on the target
    prob = acquisition.johnson_prob(EYE, target, [at, at / 2, at * 2, at / 100], CLEAR_AIR) / acquisition.AVAILABILITY
    np.testing.assert_allclose(prob, [0.5, 0.95, 0.10, 1.0], atol=0.012)


def test_the_metric_is_the_integral_of_the_paper() -> None:
    """Against an adaptive quadrature of the written formula, at one contrast, with the noise integral done anew."""
    q, noise = acquisition.optics_q(KNOWN), 0.04 / acquisition.SCENE_CONTRAST_K
    range_m, air = 600.0, Weather(visibility_m=1e9)
    across, down = acquisition.pixels_rad(KNOWN)
    contrast = 0.2 * math.exp(-0.2e-3 * range_m)

    def ctf(f: float) -> float:
        lens = 2 / math.pi * (math.acos(f * q) - f * q * math.sqrt(1 - (f * q) ** 2))
        blur2 = 0.3**2 + (math.radians(0.01) / 3 / math.sqrt(across * down)) ** 2
        passed = lens * np.sinc(f) ** 2 * math.exp(-2 * math.pi**2 * blur2 * f**2)

        def channel(t: float) -> float:  # v = f 10^t
            return float(math.exp(-4.4 * t**2) * np.sinc(f * 10**t) ** 2 * f * 10**t * math.log(10.0))

        band = 2 * quad(channel, -3.0, math.log10(4 / f), limit=400)[0]
        u = f * math.radians(1) / (0.27e-3 / 0.6)
        noisy = math.sqrt(1 + 169.6**2 * noise**2 / 9.0 * band)
        return float(noisy * acquisition.eye_ctf(u) / passed)

    total, _ = quad(lambda f: math.sqrt(contrast / ctf(f)) if ctf(f) < contrast else 0.0, 1e-6, 0.5, limit=200)
    expected = 0.75 / range_m * total / math.sqrt(across * down)
    assert float(acquisition.ttp_cycles(KNOWN, "person", range_m, air)) == pytest.approx(expected, rel=2e-3)


def test_half_are_found_at_v50_and_about_two_pixels() -> None:
    ranges_m = np.arange(50.0, 3000.0)
    prob = acquisition.glimpse_prob(CAMERA, "person", ranges_m, CLEAR_AIR) / acquisition.AVAILABILITY
    half_m = ranges_m[prob >= 0.5][-1]
    cycles = acquisition.ttp_cycles(CAMERA, "person", half_m, CLEAR_AIR)
    assert float(cycles) == pytest.approx(acquisition.DETECTION_V50, rel=0.01)
    assert 1.6 < 0.75 / pixel_rad(CAMERA) / half_m < 2.2
    # The exponent is 1.51 + 0.24 x: 0.78 of the targets at twice V50 ... 2^1.99 / (1 + 2^1.99).
    twice_m = np.interp(
        -2.0 * acquisition.DETECTION_V50, -acquisition.ttp_cycles(CAMERA, "person", ranges_m, CLEAR_AIR), ranges_m
    )
    assert float(np.interp(twice_m, ranges_m, prob)) == pytest.approx(2**1.99 / (1 + 2**1.99), abs=2e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_a_glimpse_falls_with_range_and_ends_at_max_range(target: Target) -> None:
    ranges_m = np.linspace(1.0, 9000.0, 4000)
    prob = acquisition.glimpse_prob(CAMERA, target, ranges_m, Weather())
    assert (np.diff(prob) <= 0).all()
    limit_m = acquisition.max_range_m(CAMERA, target, Weather())
    assert (prob[ranges_m <= limit_m] >= acquisition.USEFUL_GLIMPSE_PROB).all()
    assert not prob[ranges_m > limit_m + 0.02].any()
    assert prob.max() <= acquisition.AVAILABILITY


def test_nothing_below_one_pixel_is_counted() -> None:
    one_pixel_m = 0.75 / pixel_rad(CAMERA)
    near, far = acquisition.glimpse_prob(CAMERA, "person", [one_pixel_m - 1.0, one_pixel_m + 1.0], CLEAR_AIR)
    assert near > 0.1
    assert far == 0.0


def test_haze_fewer_pixels_blur_and_noise_never_help() -> None:
    at = [300.0, 500.0, 800.0]
    clear = acquisition.glimpse_prob(KNOWN, "person", at, Weather(visibility_m=20_000.0))
    assert (acquisition.glimpse_prob(KNOWN, "person", at, Weather(visibility_m=5000.0)) < clear).all()
    for worse in (
        {"columns_px": 440, "rows_px": 352, "pixel_pitch_m": 24e-6},
        {"f_number": 1.8},
        {"netd_k": 0.2},
        {"focal_length_m": 18e-3},  # a data sheet at odds with itself: the coarser pixel holds
    ):
        other = msgspec.structs.replace(KNOWN, **worse)
        assert (acquisition.glimpse_prob(other, "person", at, Weather()) < clear).all(), worse
    blind = msgspec.structs.replace(CAMERA, columns_px=1, rows_px=1)
    assert acquisition.max_range_m(blind, "person", Weather()) < 10.0


def test_unknown_figures_are_told_and_never_better_than_good_known_ones() -> None:
    assert acquisition.assumed(CAMERA) == ("pixel_pitch_m", "f_number", "netd_k")
    assert acquisition.assumed(KNOWN) == ()
    assert acquisition.assumed(EYE) == ("pixel_pitch_m", "f_number", "least_light_lux")
    at = np.linspace(100.0, 1000.0, 10)
    assumed = acquisition.glimpse_prob(CAMERA, "person", at, Weather())
    assert (assumed < acquisition.glimpse_prob(KNOWN, "person", at, Weather())).all()


def test_at_night_the_visible_band_sees_nothing_without_a_low_light_camera() -> None:
    night, day = Weather(), Weather(light="day")
    assert night.light == "night"
    assert acquisition.max_range_m(EYE, "truck", night) == 0.0
    assert not acquisition.glimpse_prob(EYE, "truck", [1.0, 10.0, 100.0], night).any()
    assert float(acquisition.glimpse_prob(EYE, "truck", 100.0, day)) > 0.4
    for lux, sees in ((0.001, False), (1e-4, True)):
        dim = msgspec.structs.replace(EYE, least_light_lux=lux)
        by_night = float(acquisition.glimpse_prob(dim, "person", 300.0, night))
        assert (by_night > 0.0) is sees
        assert by_night < float(acquisition.glimpse_prob(dim, "person", 300.0, day))
    # Heat does not need light.
    assert acquisition.max_range_m(CAMERA, "person", night) == acquisition.max_range_m(CAMERA, "person", day)


def test_infrared_is_never_clearer_than_the_standard_and_never_better_than_light() -> None:
    """Transmission read back from Johnson, whose other factors are the same for both bands."""
    for visibility_m in (1000.0, 10_000.0, 100_000.0):
        air = Weather(visibility_m=visibility_m, light="day")
        light = float(acquisition.johnson_prob(EYE, "truck", 1000.0, air))
        heat = float(acquisition.johnson_prob(CAMERA, "truck", 1000.0, air))
        assert heat <= light
        unclouded = float(acquisition.johnson_prob(EYE, "truck", 1000.0, CLEAR_AIR))
        assert heat / unclouded == pytest.approx(math.exp(-max(3912.0 / visibility_m, 0.2)), rel=1e-3)


def test_a_target_never_shows_less_than_its_size_down_to_the_steepest_look() -> None:
    """A standing person, 1.8 x 0.5 x 0.3 m, from the front at 60 degrees of depression."""
    steep = math.radians(60.0)
    shown_m2 = 1.8 * 0.5 * math.cos(steep) + 0.5 * 0.3 * math.sin(steep)
    assert math.sqrt(shown_m2) >= acquisition.CRITICAL_DIMENSION_M["person"]
    assert set(acquisition.CRITICAL_DIMENSION_M) == set(acquisition.VISIBLE_HEIGHT_M) == {*TARGETS, "hidden_person"}
