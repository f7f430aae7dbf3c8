"""How a turning gimbal spreads its looks, and the detection rate that follows.

The chain is: one look (`acquisition`: probability that it finds its target) -> looks at a point (the search pattern) ->
rate in 1/s -> lateral range curve and sweep width. Everything here is a model: the constants are published ones or
assumptions called so, the product has not been tried against real crossers (see `AVAILABILITY`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.errors import ConfigError
from kuntur.model.assets import Camera
from kuntur.model.place import Shown, Target, Weather
from kuntur.visibility.acquisition import AVAILABILITY, VISIBLE_HEIGHT_M, glimpse_prob, max_range_m

__all__ = [
    "AVAILABILITY",
    "VISIBLE_HEIGHT_M",
    "Band",
    "SearchPattern",
    "Shown",
    "Target",
    "detection_rate_hz",
    "glimpse_prob",
    "lateral_range_prob",
    "max_range_m",
    "pass_prob",
    "pointing",
    "search_for",
    "search_pattern",
    "sweep_width_m",
]

FloatArray = NDArray[np.float64]

STEEPEST_DEPRESSION_RAD: Final = math.radians(60.0)
"""The search stops here: steeper, a standing person is foreshortened below the critical dimension, and the cone under
the aircraft is looked at before and after it passes overhead."""

WHOLE_TURN_RAD: Final = 2.0 * math.pi

LOOK_S: Final = 1.0
"""Step and stare: half a second to turn by one picture and settle, half a second of still picture. Judged, not
measured."""

CORRELATION_S: Final = 10.0
"""Assumption: two looks at a point closer in time than this count once. In 10 s a wing at 30 m/s sees a target 1 km off
from 17 degrees farther round, behind other stones and another side of it; a walker has gone ten paces."""

RELIEF_M: Final = 300.0
"""The search looks high enough to see ground this much higher than the ground below the aircraft at full range."""


class Band(Struct, frozen=True, kw_only=True):
    """One turn of the gimbal at one elevation (negative is down). share_prob: this band's share of all looks."""

    elevation_rad: float
    looks: int
    share_prob: float


class SearchPattern(Struct, frozen=True, kw_only=True):
    """Looks that cover every azimuth of a whole turn, or of a sector, at each band in turn, one every `look_s`.

    Every direction with a depression between the two limits, and within half of `width_rad` of the sector's middle, is
    in at least one picture of each revolution. Where in the round a revolution begins is drawn anew each time
    (`pointing`), so that nobody can walk in step with the gimbal.
    """

    bands: tuple[Band, ...]
    revolution_s: float
    look_s: float
    least_depression_rad: float
    greatest_depression_rad: float
    width_rad: float = WHOLE_TURN_RAD

    @property
    def independent_s(self) -> float:
        """Time in which looks at a point count once: whole revolutions, and no less than CORRELATION_S."""
        return self.revolution_s * max(1, math.ceil(CORRELATION_S / self.revolution_s - 1e-9))


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


def sector(search: SearchPattern, width_rad: float) -> SearchPattern:
    """The part of a search all round that covers a sector of this width, without gaps; a whole turn is the search.

    Each band keeps its elevation, and its pictures lie no farther apart than before, so the same depressions are
    covered. A whole turn ends where it began; a sector is turned through to and fro, band by band, and then has to be
    swung back: one slot of each of its revolutions is no look.
    """
    if search.width_rad != WHOLE_TURN_RAD or not 0.0 < width_rad <= WHOLE_TURN_RAD:
        raise ConfigError(
            f"A sector of {math.degrees(width_rad):.0f} degrees cannot be cut out of a search of "
            f"{math.degrees(search.width_rad):.0f}.",
            remedy="Cut more than 0 and at most 360 degrees out of a search all round.",
        )
    if width_rad == WHOLE_TURN_RAD:
        return search
    looks = [math.ceil(band.looks * width_rad / WHOLE_TURN_RAD - 1e-9) for band in search.bands]
    return SearchPattern(
        bands=tuple(
            Band(elevation_rad=band.elevation_rad, looks=n, share_prob=n / sum(looks))
            for band, n in zip(search.bands, looks, strict=True)
        ),
        revolution_s=(sum(looks) + 1) * search.look_s,
        look_s=search.look_s,
        least_depression_rad=search.least_depression_rad,
        greatest_depression_rad=search.greatest_depression_rad,
        width_rad=width_rad,
    )


def search_for(camera: Camera, targets: Iterable[Shown], height_agl_m: float, weather: Weather) -> SearchPattern:
    """The one search a camera flies for several targets at once: it reaches to the least of their useful ranges."""
    reach_m = min(max_range_m(camera, target, weather) for target in targets)
    return search_pattern(camera, height_agl_m, max(reach_m, 1.0))


def _band_bottom(lower_edge_rad: float, looks: int) -> float:
    """Depression down to which a turn of `looks` pictures leaves no gap; the pictures' lower edge passes nadir at
    90."""
    if lower_edge_rad >= math.pi / 2.0:
        return math.pi / 2.0
    return math.atan(math.tan(lower_edge_rad) * math.cos(math.pi / looks))


def pointing(search: SearchPattern, t_s: float, *, seed: int = 0, middle_rad: float = 0.0) -> tuple[float, float]:
    """Where the camera looks at time t_s: azimuth from north and elevation (rad), constant during one look.

    middle_rad: azimuth of the middle of a sector; a whole turn begins at north. While a sector's camera is swung back
    no picture counts, and its elevation is NaN.

    The round starts at a place drawn anew for each revolution from `seed` (splitmix64), so the look that covers a given
    direction falls in each slot of a revolution with equal probability.
    """
    slots = round(search.revolution_s / search.look_s)
    slot = math.floor(t_s / search.look_s + 1e-9)
    revolution, step = divmod(slot, slots)
    step = (step + _mix(seed * 0x9E3779B97F4A7C15 + revolution) % slots) % slots
    for number, band in enumerate(search.bands):
        if step < band.looks:
            if search.width_rad == WHOLE_TURN_RAD:
                return (step + 0.5) * 2.0 * math.pi / band.looks, band.elevation_rad
            along = step if number % 2 == 0 else band.looks - 1 - step  # to and fro
            off_rad = ((along + 0.5) / band.looks - 0.5) * search.width_rad
            return (middle_rad + off_rad) % WHOLE_TURN_RAD, band.elevation_rad
        step -= band.looks
    return middle_rad, math.nan


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
    target: Shown,
    weather: Weather,
    slant_range_m: ArrayLike,
    depression_rad: ArrayLike,
) -> FloatArray:
    """Detection rate in 1/s of a target in line of sight at these ranges and depressions (broadcast together).

    glimpse probability / `search.independent_s` where the depression is covered, else 0: at most ONE look counts in
    each revolution (or in as many as CORRELATION_S takes), so overlapping and successive frames are never taken as
    independent looks.

    Why p and not -ln(1 - p): the look that counts comes once in that time at a random moment, not as a Poisson process.
    A point exposed for the share r <= 1 of it is missed with probability 1 - p r <= exp(-p r), and whole ones multiply,
    so 1 - exp(-exposure) with the rate p / time is never more than the looks deliver, for any coming and going in and
    out of view. With -ln(1 - p) it would promise too much: (1 - p)^r <= 1 - p r (Bernoulli).

    A camera with a law of its own (`RangeLaw`) has the rate that this says, at every depression.
    """
    range_m, depression = np.broadcast_arrays(np.asarray(slant_range_m, float), np.asarray(depression_rad, float))
    if camera.law is not None:
        rate = camera.law.rate_hz * np.exp(-((range_m / camera.law.scale_m) ** 2))
        return np.where(range_m < camera.law.cut_m, rate, 0.0)
    covered = (depression >= search.least_depression_rad) & (depression <= search.greatest_depression_rad)
    rate = glimpse_prob(camera, target, range_m, weather) / search.independent_s
    return np.where(covered, rate, 0.0)


def lateral_range_prob(
    camera: Camera,
    search: SearchPattern,
    target: Shown,
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
    limit_m.

    The rate is taken once at 20,001 ranges and is linear in between.
    """
    ranges_m = np.linspace(0.0, limit_m, 20_001)
    rates = rate_hz(ranges_m)
    half_m = np.linspace(0.0, limit_m, 1001)  # the other half of the pass is the same
    offsets = np.atleast_1d(np.asarray(offset_m, float))
    along = np.interp(np.hypot(half_m[None, :], offsets[:, None]), ranges_m, rates, right=0.0)
    exposure = 2.0 * np.trapezoid(along, half_m, axis=1) / ground_speed_mps
    return np.asarray(-np.expm1(-exposure)).reshape(np.shape(offset_m))


def sweep_width_m(
    camera: Camera,
    search: SearchPattern,
    target: Shown,
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
