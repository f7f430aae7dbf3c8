"""How likely one look finds its target: camera, target, air and light -> probability.

The Targeting Task Performance metric (TTP: Vollmerhausen & Jacobs 2004, Technical Report AMSEL-NV-TR-230;
Vollmerhausen, Jacobs & Driggers 2004, Optical Engineering 43:2806) adds up the contrast a picture carries over all
spatial frequencies that can be told from grey. Johnson's criterion (1958) stands beside it for comparison; it looks at
the highest frequency only and knows no contrast. Every figure is a published one or is called an assumption: nothing
here has been tried against people walking at 4,000 m.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur.model.assets import Camera
from kuntur.model.place import Light, Shown, Weather

FloatArray = NDArray[np.float64]

# --- targets

CRITICAL_DIMENSION_M: Final[dict[Shown, float]] = {
    "person": 0.75,
    "pack_animal": 0.70,
    "light_vehicle": 1.65,
    "truck": 2.75,
    "hidden_person": 0.35,
}
"""Critical dimension: the square root of the area that faces the camera, here the LEAST the target shows.

person: a 1.8 m x 0.5 m human, the customary 0.75 m (FLIR technical note TN-0002); upright it shows sqrt(1.8 x 0.5) =
0.95 m from the side and still 0.76 m at STEEPEST_DEPRESSION_RAD. pack_animal: a llama from the front, 1.09 m to
1.19 m at the shoulder (Wikipedia, "Lamoid") and an assumed 0.45 m across the loaded body. light_vehicle: a pickup
from the front, 1.855 m x 1.815 m (Toyota Hilux data sheet), with an assumed 0.81 of that rectangle filled. truck: a
lorry from the front, 2.55 m wide (Council Directive 96/53/EC, the legal most) and an assumed 3.0 m high. STANAG 4347's
2.3 m x 2.3 m is a tank; it is not used. hidden_person: somebody who lies flat, seen from the feet: judged, 0.5 m across
and 0.25 m deep."""

VISIBLE_HEIGHT_M: Final[dict[Shown, float]] = {
    "person": 1.0,
    "pack_animal": 0.8,
    "light_vehicle": 1.0,
    "truck": 1.5,
    "hidden_person": 0.2,
}
"""Sight must reach down to this height: the upper half of a person or lorry, an animal's trunk, a car's windows,
most of somebody lying. Judged, not measured."""

THERMAL_CONTRAST_K: Final = 2.0
"""Target against ground, as in STANAG 4347 (nominal static range of thermal imaging systems). A walker at night in the
open shows more; ground still warm from the sun, less, for an hour or two none."""

SCENE_CONTRAST_K: Final = 5.0
"""Assumption: the step in temperature that lifts the screen from black to its mean, so that 10 K of ground fill it. The
target's contrast on the screen is then THERMAL_CONTRAST_K / (2 x this) = 0.2."""

VISIBLE_CONTRAST: Final = 0.2
"""Assumption: target against ground in daylight, (bright - dark) / (bright + dark). People who hide show less."""

NIGHT_LUX: Final = 1e-4
"""Overcast night without moon: 1e-5 foot-candles (Biberman 1971, "Natural levels of illumination and irradiance").
Whoever crosses chooses the night, so the darkest one is planned for."""

# --- air

CONTRAST_EXTINCTION: Final = 3.912
"""Koschmieder 1924: contrast falls as exp(-3.912 R / V), to 2 % at the visibility V."""

INFRARED_EXTINCTION_PER_M: Final = 0.2e-3
"""Least extinction in the infrared: 0.2 per km, STANAG 4347's good conditions. Haze is taken to dim heat as much as
light, which it never quite does; fog does. Warm wet air (more than about 10 g/m3 of water) absorbs more than this."""

# --- the camera, where its data sheet is silent

UNKNOWN_OPTICS_Q: Final = 1.2
"""Assumption for a camera without f-number or pixel pitch: wavelength x f-number / pitch. f/1.4 at 10 um on 12 um gives
1.17; most lenses are faster for their pixels, and then sharper."""

UNKNOWN_NETD_K: Final = 0.06
"""Assumption for a thermal camera without stated sensitivity: the loosest grade of a common uncooled core (Teledyne
FLIR Boson: 40, 50 or 60 mK)."""

WAVELENGTH_M: Final = {"EO": 0.55e-6, "MWIR": 4.0e-6, "LWIR": 10.0e-6}
"""Middle of each band."""

BLUR_PIXELS: Final = 0.3
"""Assumption: focus and lens faults together, one sigma of a Gaussian."""

JITTER_RAD: Final = math.radians(0.01) / 3.0
"""Assumption: shake of the gimbal, one sigma, a third of the +-0.01 degrees published for small ones (DJI Zenmuse H20
specifications). It is what ends the reach of long lenses."""

FRAME_S: Final = 1.0 / 9.0
"""Assumption: nine pictures a second, the rate of uncooled cores that need no export licence."""

DAY_NOISE: Final = 0.01
"""Assumption: noise of one pixel of one picture by daylight, as a share of the mean (40 dB)."""

NIGHT_NOISE: Final = 0.1
"""Assumption: the same for a low-light camera at the least light it is rated for (20 dB)."""

# --- the screen and the eye

SCREEN_PIXEL_RAD: Final = 0.27e-3 / 0.6
"""Assumption: one camera pixel on one pixel of 0.27 mm (24 inches, 1920 across) at 0.6 m, without zoom. Whatever a
program finds, somebody must be able to see it on the screen."""

SCREEN_CDPM2: Final = 34.26
"""Assumption: mean luminance of the screen, 10 foot-lamberts."""

SCREEN_DEG: Final = 15.0
"""Assumption: how much of the screen the eye takes in at once."""

NOISE_RTHZ: Final = 169.6
"""Weight of noise in the eye's threshold, in root hertz (Vollmerhausen & Jacobs 2004)."""

# --- finding

DETECTION_CYCLES: Final = 1.0
"""Johnson's cycles across the critical dimension for 50 % detection: 1.0 +- 0.25 (Johnson 1958, "Analysis of image
forming systems", Table 1); 1 line pair in STANAG 4347; moderate clutter in Schmieder & Weathersby 1983 (IEEE
Transactions AES-19:622). FLIR's notes use 0.75; the stricter is kept."""

DETECTION_V50: Final = 4.0
"""TTP cycles for 50 % detection. MITRE's public thermal model (IRwhaleDetect 2025), after the US Army's, takes 2.0;
doubled here, on the safe side: 50 % on a target of good contrast then takes about two pixels across its critical
dimension, as strict as DETECTION_CYCLES. Less contrast takes more."""

AVAILABILITY: Final = 0.558
"""Upper limit of what one look is worth, however near the target: the successful detection probability of an automatic
detector of persons in drone video (Doull, Chalmers, Fergus, Longmore, Piel & Wich 2021, Sensors 21:4074). It stands for
the detector, camouflage and posture together. It is taken as fresh in every look; misses that persist over looks (a
hidden heat source, a tired operator) are not in it, so a plan must state them apart. Assumption: animals, cars and
lorries are found no better than persons."""

LEAST_PIXELS: Final = 1.0
"""Ours: nothing is counted that is smaller than a pixel across its critical dimension (an upright person is then 2.4
pixels tall). The metric was fitted to targets that are resolved, and its curve falls slowly where they are not."""

USEFUL_GLIMPSE_PROB: Final = 0.02
"""Looks worth less than this are not counted at all; ours."""

_FREQUENCIES: Final = 256
_CONTRASTS: Final = np.geomspace(1e-5, 1.0, 400)


def glimpse_prob(camera: Camera, target: Shown, slant_range_m: ArrayLike, weather: Weather) -> FloatArray:
    """Probability that one look finds a target that is in the picture and in line of sight; same shape as the ranges.

    AVAILABILITY x P, P = x^E / (1 + x^E), E = 1.51 + 0.24 x, x = V / DETECTION_V50 (target transfer probability
    function of Vollmerhausen & Jacobs 2004), V = TTP cycles on the target (`ttp_cycles`). 0 where that is below
    USEFUL_GLIMPSE_PROB, where the target is smaller than LEAST_PIXELS, and at night for a camera that needs daylight.
    Falls with range.
    """
    prob = _found_prob(camera, target, np.asarray(slant_range_m, float), weather)
    return np.where(prob >= USEFUL_GLIMPSE_PROB, prob, 0.0)


def johnson_prob(camera: Camera, target: Shown, slant_range_m: ArrayLike, weather: Weather) -> FloatArray:
    """What Johnson's criterion would say, for comparison: no plan uses it. Same shape as the ranges.

    x = cycles / DETECTION_CYCLES, cycles = critical dimension / (2 x range x angle of the coarser pixel), E = 2.7 +
    0.7 x (Ratches 1976, Static Performance Model; Holst, Electro-Optical Imaging System Performance), times the
    transmission of the air and AVAILABILITY. Contrast, blur, noise and light are not in it.
    """
    range_m = np.maximum(np.asarray(slant_range_m, float), 1.0)
    cycles = CRITICAL_DIMENSION_M[target] / (2.0 * max(pixels_rad(camera)) * range_m)
    # Beyond 20 times the cycles needed the curve is flat; the limit keeps x^E finite.
    x = np.minimum(cycles / DETECTION_CYCLES, 20.0)
    power = x ** (2.7 + 0.7 * x)
    transmission = np.exp(-_extinction_per_m(camera, weather) * range_m)
    return np.asarray(AVAILABILITY * transmission * power / (1.0 + power))


def ttp_cycles(camera: Camera, target: Shown, slant_range_m: ArrayLike, weather: Weather) -> FloatArray:
    """V: TTP cycles on the target at these slant ranges, same shape; 0 where the camera sees nothing.

    Critical dimension / range x the geometric mean over both axes of the integral of sqrt(C / CTF(f)) df, C the
    target's contrast behind the air and CTF the threshold of camera, screen and eye together.
    """
    range_m = np.maximum(np.asarray(slant_range_m, float), 1.0)
    if not _has_light(camera, weather.light):
        return np.zeros_like(range_m)
    inherent = VISIBLE_CONTRAST if camera.band == "EO" else THERMAL_CONTRAST_K / (2.0 * SCENE_CONTRAST_K)
    log_contrast = math.log(inherent) - _extinction_per_m(camera, weather) * range_m
    metric_prad = np.interp(log_contrast, np.log(_CONTRASTS), _metric_prad(camera, weather.light), left=0.0)
    return np.asarray(CRITICAL_DIMENSION_M[target] / range_m * metric_prad)


def _found_prob(camera: Camera, target: Shown, slant_range_m: FloatArray, weather: Weather) -> FloatArray:
    pixels = CRITICAL_DIMENSION_M[target] / (max(pixels_rad(camera)) * np.maximum(slant_range_m, 1.0))
    x = np.minimum(ttp_cycles(camera, target, slant_range_m, weather) / DETECTION_V50, 20.0)  # flat beyond, and finite
    power = x ** (1.51 + 0.24 * x)
    return np.where(pixels >= LEAST_PIXELS, AVAILABILITY * power / (1.0 + power), 0.0)


@lru_cache(maxsize=256)
def max_range_m(camera: Camera, target: Shown, weather: Weather) -> float:
    """Slant range beyond which a look is worth less than USEFUL_GLIMPSE_PROB (rounded down to 1 cm); 0 if always."""
    if camera.law is not None:
        return camera.law.cut_m
    low, high = 1.0, 100_000.0
    if _found_prob(camera, target, np.asarray(low), weather) < USEFUL_GLIMPSE_PROB:
        return 0.0
    while high - low > 0.01:
        middle = 0.5 * (low + high)
        if _found_prob(camera, target, np.asarray(middle), weather) >= USEFUL_GLIMPSE_PROB:
            low = middle
        else:
            high = middle
    return low


def pixels_rad(camera: Camera) -> tuple[float, float]:
    """Angle of a pixel in the picture's middle, across and down.

    From the field of view, and from pitch and focal length where both are known: the coarser, if the data sheet's
    figures differ.
    """
    across = 2.0 * math.tan(camera.hfov_rad / 2.0) / camera.columns_px
    down = 2.0 * math.tan(camera.vfov_rad / 2.0) / camera.rows_px
    if camera.pixel_pitch_m is None or camera.focal_length_m is None:
        return across, down
    told = camera.pixel_pitch_m / camera.focal_length_m
    return max(across, told), max(down, told)


def assumed(camera: Camera) -> tuple[str, ...]:
    """The fields of a camera that are unknown and for which this model takes a stated assumption instead.

    The focal length is not among them: without it the angle of a pixel comes from the field of view.
    """
    needed = ("pixel_pitch_m", "f_number", "least_light_lux" if camera.band == "EO" else "netd_k")
    return tuple(field for field in needed if getattr(camera, field) is None)


def _has_light(camera: Camera, light: Light) -> bool:
    if camera.band != "EO" or light == "day":
        return True
    return camera.least_light_lux is not None and camera.least_light_lux <= NIGHT_LUX


def _extinction_per_m(camera: Camera, weather: Weather) -> float:
    """How fast contrast falls along the slant path. The air at the ground, the thickest, is taken along all of it."""
    extinction_per_m = CONTRAST_EXTINCTION / weather.visibility_m
    return extinction_per_m if camera.band == "EO" else max(extinction_per_m, INFRARED_EXTINCTION_PER_M)


@lru_cache(maxsize=256)
def _metric_prad(camera: Camera, light: Light) -> FloatArray:
    """TTP metric in cycles per radian at each of _CONTRASTS: geometric mean of the two axes."""
    noise = _pixel_noise(camera, light)
    across, down = (_axis_metric_prad(pixel, optics_q(camera), noise) for pixel in pixels_rad(camera))
    return np.asarray(np.sqrt(across * down))


def _pixel_noise(camera: Camera, light: Light) -> float:
    """Noise of one pixel of one picture as a share of the screen's mean."""
    if camera.band == "EO":
        return DAY_NOISE if light == "day" else NIGHT_NOISE
    return (UNKNOWN_NETD_K if camera.netd_k is None else camera.netd_k) / SCENE_CONTRAST_K


def optics_q(camera: Camera) -> float:
    """Wavelength x f-number / pixel pitch: how many pixels the lens's cut-off spans; above 2 the lens is the limit."""
    if camera.f_number is None or camera.pixel_pitch_m is None:
        return UNKNOWN_OPTICS_Q
    return WAVELENGTH_M[camera.band] * camera.f_number / camera.pixel_pitch_m


def _axis_metric_prad(pixel_rad: float, q: float, noise: float) -> FloatArray:
    """Integral of sqrt(C / CTF) from 0 to half the sampling frequency, where CTF < C, for each of _CONTRASTS.

    Frequencies in cycles per pixel. What lies above half the sampling frequency folds back; it is left out, as if it
    told nothing. Noise passes the screen and the eye's channel exp(-2.2 log10(v / f)^2) (Vollmerhausen & Jacobs 2004).
    """
    step = 0.5 / _FREQUENCIES
    f = (np.arange(_FREQUENCIES) + 0.5) * step
    blur = math.hypot(BLUR_PIXELS, JITTER_RAD / pixel_rad)
    passed = optics_mtf(f, q) * pixel_mtf(f) * blur_mtf(f, blur) * pixel_mtf(f)  # lens, detector, blur, screen
    v = (np.arange(8 * _FREQUENCIES) + 0.5) * step
    channel = np.exp(-4.4 * np.log10(v[None, :] / f[:, None]) ** 2) * pixel_mtf(v) ** 2
    # Both signs of frequency along this axis; across it the screen's pixel passes a bandwidth of one cycle per pixel.
    bandwidth = 2.0 * channel.sum(axis=1) * step
    noisy = np.sqrt(1.0 + (NOISE_RTHZ * noise) ** 2 * FRAME_S * bandwidth)
    ctf = noisy * eye_ctf(f / math.degrees(SCREEN_PIXEL_RAD)) / np.maximum(passed, 1e-12)
    ratio = _CONTRASTS[:, None] / ctf[None, :]
    return np.asarray(np.where(ratio > 1.0, np.sqrt(ratio), 0.0).sum(axis=1) * step / pixel_rad)


def optics_mtf(cycles_per_pixel: ArrayLike, q: float) -> FloatArray:
    """A perfect round lens (Goodman, Introduction to Fourier Optics): 0 from 1 / q cycles per pixel on."""
    share = np.minimum(np.asarray(cycles_per_pixel, float) * q, 1.0)
    return np.asarray(2.0 / math.pi * (np.arccos(share) - share * np.sqrt(1.0 - share**2)))


def blur_mtf(cycles_per_pixel: ArrayLike, sigma_pixels: float) -> FloatArray:
    """A Gaussian smear of this many pixels, one sigma."""
    return np.asarray(np.exp(-2.0 * (math.pi * sigma_pixels * np.asarray(cycles_per_pixel, float)) ** 2))


def pixel_mtf(cycles_per_pixel: ArrayLike) -> FloatArray:
    """A square pixel that is all sensitive (or all lit, on the screen)."""
    return np.asarray(np.abs(np.sinc(np.asarray(cycles_per_pixel, float))))


def eye_ctf(cycles_per_deg: ArrayLike) -> FloatArray:
    """Least modulation that the eye tells from grey on the screen (Barten 1990, JOSA A 7:2024, both eyes open)."""
    u = np.asarray(cycles_per_deg, float)
    a = 540.0 * (1.0 + 0.7 / SCREEN_CDPM2) ** -0.2 / (1.0 + 12.0 / (SCREEN_DEG * (1.0 + u / 3.0) ** 2))
    b = 0.3 * (1.0 + 100.0 / SCREEN_CDPM2) ** 0.15
    return np.asarray(1.0 / (a * u * np.exp(-b * u) * np.sqrt(1.0 + 0.06 * np.exp(b * u))))
