"""The data link over the terrain: free space, clearance of the first Fresnel zone, diffraction, and the margin left.

Both ends carry the same radio; an end may have an antenna of its own. What the catalog does not know stays unknown
(NaN), and a link about which nothing is known is not claimed. Losses are medians of the standard's methods: fading by
weather, the aircraft's own shadow when it banks, woods passed through and interference are not in them; `reach`
therefore wants a reserve. docs/explanation/radio.md draws the methods and compares them with others.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.errors import TerrainError
from kuntur.geodesy import grid
from kuntur.model.assets import Polarisation, Radio
from kuntur.model.place import Lattice, Terrain
from kuntur.units import SPEED_OF_LIGHT_MPS
from kuntur.visibility import _kernels

FloatArray = NDArray[np.float64]

Diffraction = Literal["bullington", "delta_bullington", "deygout"]
"""Recommendation ITU-R P.526-16, 4.5: the profile as one edge where the tangents from both ends meet; the same and what
a smooth earth of these heights loses beyond it, which is the method the Recommendation proposes for any path on land
(the default); P.526-11, 4.4.2: the sharpest edge and one more on either side of it."""

RADIO_REFRACTION: Final = 0.25
"""Effective earth radius 4/3, the median of a temperate climate (ITU-R P.530-18, 2.2.2): 1 - k = 3/4."""

FRESNEL_CLEARANCE: Final = 0.6
"""Share of the first Fresnel zone's radius that must be clear for free-space propagation (ITU-R P.530-18, 2.2.2)."""

RESERVE_DB: Final = 20.0
"""Margin that planning keeps: "at least 20 dB to ensure reliable communication" (Microhard pMDDL2450 Operating Manual,
System deploying). It stands for fading, banking and all else that the median loss leaves out."""


class Profiles(Struct, frozen=True, kw_only=True):
    """Terrain under n links, ends included: link i has the points starts[i] to starts[i + 1].

    starts: (n + 1,) int64. distance_m: (k,) float64, from the link's first end, along the ground. height_m: (k,)
    float64, surface above the terrain's datum; NaN over a void or outside.
    """

    starts: NDArray[np.int64]
    distance_m: FloatArray
    height_m: FloatArray

    def link(self, i: int) -> tuple[FloatArray, FloatArray]:
        """distance_m and height_m of link i."""
        points = slice(int(self.starts[i]), int(self.starts[i + 1]))
        return self.distance_m[points], self.height_m[points]


class Stand(Struct, frozen=True, kw_only=True):
    """Where a relay serves best. relay: index of the position. reached: (n,) bool, aircraft positions it can be counted
    on for. margin_db: (n,) the weaker hop to each; NaN unknown."""

    relay: int
    reached: NDArray[np.bool_]
    margin_db: FloatArray


def free_space_db(distance_m: ArrayLike, frequency_hz: float) -> FloatArray:
    """Free-space basic transmission loss, 20 log(4 pi d / lambda) (ITU-R P.525-4, 2.3); 22 dB within a wavelength."""
    wavelength_m = SPEED_OF_LIGHT_MPS / frequency_hz
    distance = np.maximum(np.asarray(distance_m, float), wavelength_m)
    return np.asarray(20.0 * np.log10(4.0 * np.pi * distance / wavelength_m))


def profiles(terrain: Terrain, a_m: ArrayLike, b_m: ArrayLike) -> Profiles:
    """The surface under each link, at every row line and column line of the grid that it crosses (bilinear heights).

    a_m, b_m: (n, 3) x, y, alt_msl of the antennas; one may be a single point.
    """
    starts, distance_m, height_m = _kernels.terrain_profiles(terrain, *_kernels.points(a_m, b_m))
    return Profiles(starts=starts, distance_m=distance_m, height_m=height_m)


def diffraction_db(
    terrain: Terrain,
    a_m: ArrayLike,
    b_m: ArrayLike,
    frequency_hz: float,
    *,
    model: Diffraction = "delta_bullington",
    polarisation: Polarisation | None = None,
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> FloatArray:
    """Loss by diffraction over the terrain, beyond free space: (n,) dB; a_m, b_m as in `profiles`.

    NaN over a void or outside the terrain; infinite where an antenna is in the ground. Polarisation matters to the
    spherical earth only, and over land only to antennas lower than a wavelength; unknown is taken as horizontal, which
    loses more.
    """
    a, b = _kernels.points(a_m, b_m)
    return _kernels.radio_links(terrain, a, b, _wave(frequency_hz, model, polarisation, refraction), threads)[0]


def fresnel_clearance(
    terrain: Terrain,
    a_m: ArrayLike,
    b_m: ArrayLike,
    frequency_hz: float,
    *,
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> FloatArray:
    """Least clearance of each line over the terrain in radii of its first Fresnel zone there (ITU-R P.526-16, 2): (n,).

    Negative: the terrain stands above the line. Infinite: nothing is crossed. NaN: over a void or outside.
    """
    a, b = _kernels.points(a_m, b_m)
    return _kernels.radio_links(terrain, a, b, _wave(frequency_hz, "bullington", None, refraction), threads)[1]


def profile_diffraction_db(
    ground: Profiles,
    first_alt_msl_m: ArrayLike,
    last_alt_msl_m: ArrayLike,
    frequency_hz: float,
    *,
    model: Diffraction = "delta_bullington",
    polarisation: Polarisation | None = None,
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> FloatArray:
    """`diffraction_db` over profiles from anywhere: (n,) dB. first_alt_msl_m, last_alt_msl_m: (n,), the antennas.

    TerrainError where a profile has no length or its points do not advance.
    """
    count = len(ground.starts) - 1
    for i in range(count):
        distance_m, _ = ground.link(i)
        if len(distance_m) < 2 or not (np.diff(distance_m) > 0.0).all():
            raise TerrainError(
                f"Profile {i} is not a profile: it needs two points or more at growing distances.",
                remedy="Sort its points by distance from the first antenna and drop those that repeat.",
            )
    first_m, last_m = (
        np.ascontiguousarray(np.broadcast_to(np.asarray(a, float), count)) for a in (first_alt_msl_m, last_alt_msl_m)
    )
    wave = _wave(frequency_hz, model, polarisation, refraction)
    return _kernels.radio_profiles(
        ground.starts, ground.distance_m, ground.height_m, first_m, last_m, wave, threads
    )[0]  # fmt: skip


def margin_db(
    terrain: Terrain,
    a_m: ArrayLike,
    b_m: ArrayLike,
    radio: Radio,
    *,
    a_gain_dbi: float | None = None,
    b_gain_dbi: float | None = None,
    model: Diffraction = "delta_bullington",
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> FloatArray:
    """Received power over the sensitivity in dB: (n,); NaN where a figure of the radio or the terrain is unknown.

    a_m, b_m: (n, 3) x, y, alt_msl of the antennas; one may be a single point. a_gain_dbi, b_gain_dbi: the gain of an
    end's own antenna less its feeder's loss; None is the radio's own antenna. Minus infinity: an antenna in the ground.
    Link margin = power + gains - free space (ITU-R P.525-4) - diffraction (ITU-R P.526-16) - sensitivity.
    """
    a, b = _kernels.points(a_m, b_m)
    budget_db = _budget_db(radio, a_gain_dbi, b_gain_dbi)
    if np.isnan(budget_db):
        return np.full(len(a), np.nan)
    wave = _wave(radio.frequency_hz, model, radio.polarisation, refraction)
    diffraction, _ = _kernels.radio_links(terrain, a, b, wave, threads)
    return budget_db - free_space_db(np.linalg.norm(b - a, axis=1), radio.frequency_hz) - diffraction


def reach(
    terrain: Terrain,
    a_m: ArrayLike,
    b_m: ArrayLike,
    radio: Radio,
    *,
    a_gain_dbi: float | None = None,
    b_gain_dbi: float | None = None,
    reserve_db: float = RESERVE_DB,
    model: Diffraction = "delta_bullington",
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> NDArray[np.bool_]:
    """Where the link may be counted on: (n,) bool, arguments as in `margin_db`.

    Sight with FRESNEL_CLEARANCE of the first Fresnel zone free, within the catalog's range where it is known, and with
    a margin of at least `reserve_db` where that can be computed. Over a void, outside the terrain, or with neither
    range nor link budget in the catalog: False.
    """
    return _judge(terrain, a_m, b_m, radio, (a_gain_dbi, b_gain_dbi), reserve_db, model, refraction, threads)[0]


def field_db(
    terrain: Terrain,
    lattice: Lattice,
    mast_m: ArrayLike,
    radio: Radio,
    *,
    height_agl_m: float,
    mast_gain_dbi: float | None = None,
    model: Diffraction = "delta_bullington",
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> FloatArray:
    """The margin from one mast to an aircraft over every cell of a lattice: (rows, cols) dB; NaN unknown.

    mast_m: (3,) x, y, alt_msl of its antenna. The aircraft is over the middle of the cell, `height_agl_m` above the
    highest surface (ground with what stands on it) in it.
    """
    there_m = over_cells(terrain, lattice, height_agl_m)
    margin = margin_db(
        terrain, mast_m, there_m, radio, a_gain_dbi=mast_gain_dbi, model=model, refraction=refraction, threads=threads
    )
    return margin.reshape(lattice.rows, lattice.cols)


def over_cells(terrain: Terrain, lattice: Lattice, height_agl_m: float) -> FloatArray:
    """(rows * cols, 3) x, y, alt_msl over the middles of the cells, `height_agl_m` above each one's highest surface."""
    x_m, y_m = np.meshgrid(*lattice.centres())
    top_m = grid.blocks(grid.surface(terrain), lattice).max(axis=-1)
    return np.stack([x_m.ravel(), y_m.ravel(), top_m.ravel() + height_agl_m], axis=-1)


def relay_margin_db(
    terrain: Terrain,
    base_m: ArrayLike,
    relays_m: ArrayLike,
    aircraft_m: ArrayLike,
    radio: Radio,
    *,
    base_gain_dbi: float | None = None,
    model: Diffraction = "delta_bullington",
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> tuple[FloatArray, NDArray[np.intp]]:
    """The best link from a base through one other drone: margin_db (n,) of its weaker hop, and which relay (n,).

    base_m: (3,); relays_m: (r, 3) positions a relay could take; aircraft_m: (n, 3). A relay with a hop of unknown
    margin is passed over; where none is left, NaN and -1. A relay that repeats on one channel halves the data rate;
    that is not in the margin.
    """
    relays, aircraft = _kernels.points(relays_m)[0], _kernels.points(aircraft_m)[0]
    up = margin_db(terrain, base_m, relays, radio, a_gain_dbi=base_gain_dbi, model=model, refraction=refraction)
    across = margin_db(terrain, *_pairs(relays, aircraft), radio, model=model, refraction=refraction, threads=threads)
    weaker = np.minimum(up[:, None], across.reshape(len(relays), len(aircraft)))
    known = ~np.isnan(weaker)
    best = np.where(known, weaker, -np.inf).argmax(axis=0)
    columns = np.arange(len(aircraft))
    some = known.any(axis=0)
    return np.where(some, weaker[best, columns], np.nan), np.where(some, best, -1)


def relay_stand(
    terrain: Terrain,
    base_m: ArrayLike,
    relays_m: ArrayLike,
    aircraft_m: ArrayLike,
    radio: Radio,
    *,
    base_gain_dbi: float | None = None,
    reserve_db: float = RESERVE_DB,
    model: Diffraction = "delta_bullington",
    refraction: float = RADIO_REFRACTION,
    threads: int = 2,
) -> Stand | None:
    """Which of the positions a relay should take: the one that most aircraft positions can be counted on through.

    Both hops must `reach`. Ties go to the greatest margin at its weakest served position, then to the first given.
    None where no position serves any. Arguments as in `relay_margin_db`.
    """
    relays, aircraft = _kernels.points(relays_m)[0], _kernels.points(aircraft_m)[0]
    up, up_db = _judge(
        terrain, base_m, relays, radio, (base_gain_dbi, None), reserve_db, model, refraction, threads
    )  # fmt: skip
    across, across_db = _judge(
        terrain, *_pairs(relays, aircraft), radio, (None, None), reserve_db, model, refraction, threads
    )
    reached = up[:, None] & across.reshape(len(relays), -1)
    weaker_db = np.minimum(up_db[:, None], across_db.reshape(len(relays), -1))
    if not reached.any():
        return None
    served = np.count_nonzero(reached, axis=1)
    weakest_db = np.where(reached & ~np.isnan(weaker_db), weaker_db, np.inf).min(axis=1)
    best = int(np.lexsort((-weakest_db, -served))[0])
    return Stand(relay=best, reached=reached[best], margin_db=weaker_db[best])


def _pairs(relays_m: FloatArray, aircraft_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Every relay with every aircraft, relays slowest."""
    return np.repeat(relays_m, len(aircraft_m), axis=0), np.tile(aircraft_m, (len(relays_m), 1))


def _judge(
    terrain: Terrain,
    a_m: ArrayLike,
    b_m: ArrayLike,
    radio: Radio,
    gains_dbi: tuple[float | None, float | None],
    reserve_db: float,
    model: Diffraction,
    refraction: float,
    threads: int,
) -> tuple[NDArray[np.bool_], FloatArray]:
    """`reach` and `margin_db` of the same links from one pass over the terrain."""
    a, b = _kernels.points(a_m, b_m)
    budget_db = _budget_db(radio, *gains_dbi)
    # Without a budget nobody asks for the loss: the quickest method gives the clearance too.
    wave = _wave(radio.frequency_hz, "bullington" if np.isnan(budget_db) else model, radio.polarisation, refraction)
    diffraction, clearance = _kernels.radio_links(terrain, a, b, wave, threads)
    distance_m = np.linalg.norm(b - a, axis=1)
    margin = budget_db - free_space_db(distance_m, radio.frequency_hz) - diffraction
    good = clearance >= FRESNEL_CLEARANCE  # NaN: False
    if not np.isnan(budget_db):
        good &= margin >= reserve_db
    elif radio.max_range_m is None:
        return np.zeros(len(a), bool), margin
    if radio.max_range_m is not None:
        good &= distance_m <= radio.max_range_m
    return np.asarray(good), margin


def _budget_db(radio: Radio, a_gain_dbi: float | None, b_gain_dbi: float | None) -> float:
    """The loss at which the received power equals the sensitivity; NaN where a figure of it is unknown."""
    gains = [radio.antenna_gain_dbi if gain is None else gain for gain in (a_gain_dbi, b_gain_dbi)]
    figures = [radio.tx_power_dbm, *gains, None if radio.sensitivity_dbm is None else -radio.sensitivity_dbm]
    return float("nan") if None in figures else float(sum(f for f in figures if f is not None))


def _wave(
    frequency_hz: float, model: Diffraction, polarisation: Polarisation | None, refraction: float
) -> _kernels.Wave:
    return _kernels.Wave(
        wavelength_m=SPEED_OF_LIGHT_MPS / frequency_hz,
        vertical=polarisation == "vertical",
        model=get_args(Diffraction).index(model),
        refraction=refraction,
    )
