"""How likely one look finds its target, how a turning gimbal spreads its looks, and the detection rate that follows.

The chain is: resolution on target (Johnson 1958) -> probability that one look finds it (target transfer probability
function, atmosphere, availability) -> looks at a point (the search pattern) -> rate in 1/s. Everything here is a model:
the constants are published ones, the product has not been tried against real crossers (see `AVAILABILITY`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.model.assets import Camera
from kuntur.model.place import Weather

FloatArray = NDArray[np.float64]
Target = Literal["person", "light_vehicle"]

CRITICAL_DIMENSION_M: Final[dict[Target, float]] = {
    "person": 0.75,  # of a 1.8 m x 0.5 m human: FLIR technical note TN-0002, "How far can you see with it?"
    "light_vehicle": 2.3,  # NATO standard target 2.3 m x 2.3 m: STANAG 4347
}
VISIBLE_HEIGHT_M: Final[dict[Target, float]] = {"person": 1.0, "light_vehicle": 1.0}
"""Sight must reach down to this height: about the upper half of a person, the upper third of a car. Judged, not
measured."""

DETECTION_CYCLES: Final = 1.0
"""Cycles across the critical dimension for 50 % detection: 1.0 +- 0.25 (Johnson 1958, "Analysis of image forming
systems", Table 1); 1 line pair in STANAG 4347 and 4348. FLIR's notes use 0.75; the stricter is kept."""

AVAILABILITY: Final = 0.558
"""Upper limit of what one look is worth, however near the target: the successful detection probability of an automatic
detector of persons in drone video (Doull, Chalmers, Fergus, Longmore, Piel & Wich 2021, Sensors 21:4074). It stands for
the detector, camouflage and posture together. It is taken as fresh in every look; misses that persist over looks (a
hidden heat source, a tired operator) are not in it, so a plan must state them apart."""

CONTRAST_EXTINCTION: Final = 3.912
"""Koschmieder 1924: contrast falls as exp(-3.912 R / V), to 2 % at the visibility V. Used for every band; long-wave
infrared suffers less from haze, so there it errs on the safe side."""

USEFUL_GLIMPSE_PROB: Final = 0.02
"""Looks worth less than this are not counted at all."""

STEEPEST_DEPRESSION_RAD: Final = math.radians(60.0)
"""The search stops here: steeper, a standing person is foreshortened below the critical dimension, and the cone under
the aircraft is looked at before and after it passes overhead."""

LOOK_S: Final = 1.0
"""Step and stare: half a second to turn by one picture and settle, half a second of still picture. Judged, not
measured."""

RELIEF_M: Final = 300.0
"""The search looks high enough to see ground this much higher than the ground below the aircraft at full range."""


class Band(Struct, frozen=True, kw_only=True):
    """One turn of the gimbal at one elevation (negative is down). share_prob: this band's share of all looks."""

    elevation_rad: float
    looks: int
    share_prob: float


class SearchPattern(Struct, frozen=True, kw_only=True):
    """Looks that cover every azimuth at each band in turn, one every `look_s`.

    Every direction with a depression between the two limits is in at least one picture of each revolution. Where in the
    round a revolution begins is drawn anew each time (`pointing`), so that nobody can walk in step with the gimbal.
    """

    bands: tuple[Band, ...]
    revolution_s: float
    look_s: float
    least_depression_rad: float
    greatest_depression_rad: float


def glimpse_prob(camera: Camera, target: Target, slant_range_m: ArrayLike, weather: Weather) -> FloatArray:
    """Probability that one look finds a target that is in the picture and in line of sight; same shape as the ranges.

    Cycles on target N = critical dimension / (2 x range x angle of the coarser pixel at the picture's middle);
    P = x^E / (1 + x^E), x = N / N50, E = 2.7 + 0.7 x (target transfer probability function: Ratches 1976, Static
    Performance Model; Holst, Electro-Optical Imaging System Performance), times the contrast transmission of the air
    and AVAILABILITY. 0 where that is below USEFUL_GLIMPSE_PROB. Falls with range. Daylight is not in it: an EO camera
    is taken to have light enough.
    """
    prob = _found_prob(camera, target, np.asarray(slant_range_m, float), weather)
    return np.where(prob >= USEFUL_GLIMPSE_PROB, prob, 0.0)


def _found_prob(camera: Camera, target: Target, slant_range_m: FloatArray, weather: Weather) -> FloatArray:
    pixel_rad = max(
        2.0 * math.tan(camera.hfov_rad / 2.0) / camera.columns_px,
        2.0 * math.tan(camera.vfov_rad / 2.0) / camera.rows_px,
    )
    range_m = np.maximum(slant_range_m, 1.0)
    # Beyond 20 times the cycles needed the curve is flat; the limit keeps x^E finite.
    x = np.minimum(CRITICAL_DIMENSION_M[target] / (2.0 * pixel_rad * range_m) / DETECTION_CYCLES, 20.0)
    power = x ** (2.7 + 0.7 * x)
    transmission = np.exp(-CONTRAST_EXTINCTION * range_m / weather.visibility_m)
    return np.asarray(AVAILABILITY * transmission * power / (1.0 + power))


def max_range_m(camera: Camera, target: Target, weather: Weather) -> float:
    """Slant range beyond which a look is worth less than USEFUL_GLIMPSE_PROB (rounded down to 1 cm); 0 if always."""
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


def search_pattern(
    camera: Camera, height_agl_m: float, max_range_m: float, *, relief_m: float = RELIEF_M, look_s: float = LOOK_S
) -> SearchPattern:
    """Bands from the far edge of the ground in range down to STEEPEST_DEPRESSION_RAD, without gaps between pictures.

    Geometry of a level pinhole camera: at line-of-sight depression q, half fields of view h and v, a picture's upper
    edge is at depression q - v in its middle and lower at its sides; it is tan(h) / (cos q + tan(v) sin q) wide (half,
    tangent of azimuth) at that edge, its narrowest. With n pictures a turn the band is whole down to atan(tan(q + v)
    cos(pi / n)).
    """
    half_h, half_v = camera.hfov_rad / 2.0, camera.vfov_rad / 2.0
    # One band at least, even where the ground below is out of range.
    least = max(0.0, min(math.atan2(height_agl_m - relief_m, max_range_m), STEEPEST_DEPRESSION_RAD - camera.vfov_rad))
    top = least
    turns: list[tuple[float, int]] = []
    while top < STEEPEST_DEPRESSION_RAD:
        q = top + half_v
        fewest = math.ceil(math.pi / math.atan2(math.tan(half_h), math.cos(q) + math.tan(half_v) * math.sin(q)))
        # More pictures a turn overlap more but leave a deeper whole band: take the fewest looks for the depth gained.
        n = max(range(max(fewest, 3), 2 * max(fewest, 3) + 1), key=lambda k: (_band_bottom(q + half_v, k) - top) / k)
        turns.append((q, n))
        top = _band_bottom(q + half_v, n)
    total = sum(n for _, n in turns)
    return SearchPattern(
        bands=tuple(Band(elevation_rad=-q, looks=n, share_prob=n / total) for q, n in turns),
        revolution_s=total * look_s,
        look_s=look_s,
        least_depression_rad=least,
        greatest_depression_rad=top,
    )


def search_for(camera: Camera, targets: Iterable[Target], height_agl_m: float, weather: Weather) -> SearchPattern:
    """The one search a camera flies for several targets at once: it reaches to the least of their useful ranges."""
    reach_m = min(max_range_m(camera, target, weather) for target in targets)
    return search_pattern(camera, height_agl_m, max(reach_m, 1.0))


def _band_bottom(lower_edge_rad: float, looks: int) -> float:
    """Depression down to which a turn of `looks` pictures leaves no gap; the pictures' lower edge passes nadir at
    90."""
    if lower_edge_rad >= math.pi / 2.0:
        return math.pi / 2.0
    return math.atan(math.tan(lower_edge_rad) * math.cos(math.pi / looks))


def pointing(search: SearchPattern, t_s: float, *, seed: int = 0) -> tuple[float, float]:
    """Where the camera looks at time t_s: azimuth from true north and elevation (rad), constant during one look.

    The round starts at a place drawn anew for each revolution from `seed` (splitmix64), so the look that covers a given
    direction falls in each slot of a revolution with equal probability.
    """
    total = sum(band.looks for band in search.bands)
    slot = math.floor(t_s / search.look_s + 1e-9)
    revolution, step = divmod(slot, total)
    step = (step + _mix(seed * 0x9E3779B97F4A7C15 + revolution) % total) % total
    for band in search.bands:
        if step < band.looks:
            return (step + 0.5) * 2.0 * math.pi / band.looks, band.elevation_rad
        step -= band.looks
    raise AssertionError("a step below the number of looks lies in a band")


def _mix(value: int) -> int:
    """splitmix64 (Steele, Lea & Flood 2014): a well-spread 64-bit number for each 64-bit number."""
    mask = (1 << 64) - 1
    z = (value + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def detection_rate_hz(
    camera: Camera,
    search: SearchPattern,
    target: Target,
    weather: Weather,
    slant_range_m: ArrayLike,
    depression_rad: ArrayLike,
) -> FloatArray:
    """Detection rate in 1/s of a target in line of sight at these ranges and depressions (broadcast together).

    glimpse probability / revolution time where the depression is covered, else 0: at most ONE look counts in each
    revolution, so overlapping and successive frames are never taken as independent looks.

    Why p and not -ln(1 - p): looks come once a revolution at a random moment, not as a Poisson process. A point exposed
    for the share r <= 1 of a revolution is missed with probability 1 - p r <= exp(-p r), and whole revolutions
    multiply, so 1 - exp(-exposure) with the rate p / revolution is never more than the looks deliver, for any coming
    and going in and out of view. With -ln(1 - p) it would promise too much: (1 - p)^r <= 1 - p r (Bernoulli).
    """
    range_m, depression = np.broadcast_arrays(np.asarray(slant_range_m, float), np.asarray(depression_rad, float))
    covered = (depression >= search.least_depression_rad) & (depression <= search.greatest_depression_rad)
    rate = glimpse_prob(camera, target, range_m, weather) / search.revolution_s
    return np.where(covered, rate, 0.0)


def lateral_range_prob(
    camera: Camera,
    search: SearchPattern,
    target: Target,
    weather: Weather,
    *,
    height_agl_m: float,
    ground_speed_mps: float,
    offset_m: ArrayLike,
) -> FloatArray:
    """Probability that one straight pass over flat ground detects a target whose closest distance to the track is
    offset_m.

    The lateral range curve of search theory (Koopman 1980, Search and Screening, ch. 3).
    """

    def rate_hz(ground_range_m: FloatArray) -> FloatArray:
        return detection_rate_hz(
            camera,
            search,
            target,
            weather,
            np.hypot(ground_range_m, height_agl_m),
            np.arctan2(height_agl_m, ground_range_m),
        )

    limit_m = max_range_m(camera, target, weather)
    return pass_prob(rate_hz, limit_m, ground_speed_mps, offset_m)


def pass_prob(
    rate_hz: Callable[[FloatArray], FloatArray], limit_m: float, ground_speed_mps: float, offset_m: ArrayLike
) -> FloatArray:
    """1 - exp(-integral of the rate over a straight pass) for any rate that depends on ground range and ends at
    limit_m."""
    along_m = np.linspace(-limit_m, limit_m, 4001)
    offsets = np.atleast_1d(np.asarray(offset_m, float))
    rates = rate_hz(np.hypot(along_m[None, :], offsets[:, None]))
    exposure = np.trapezoid(rates, along_m, axis=1) / ground_speed_mps
    return np.asarray(-np.expm1(-exposure)).reshape(np.shape(offset_m))


def sweep_width_m(
    camera: Camera,
    search: SearchPattern,
    target: Target,
    weather: Weather,
    *,
    height_agl_m: float,
    ground_speed_mps: float,
) -> float:
    """Integral of the lateral range curve over all offsets: the width a pass clears, in Koopman's sense."""
    limit_m = max_range_m(camera, target, weather)
    offsets = np.linspace(0.0, limit_m, 801)
    prob = lateral_range_prob(
        camera,
        search,
        target,
        weather,
        height_agl_m=height_agl_m,
        ground_speed_mps=ground_speed_mps,
        offset_m=offsets,
    )
    return float(2.0 * np.trapezoid(prob, offsets))
