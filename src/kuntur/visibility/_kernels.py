"""The room's only door to the compiled core: typed wrappers, and one prepared relief for each terrain in use."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kuntur._core import Relief
from kuntur._core import cell_rates as _cell_rates
from kuntur._core import radio_links as _radio_links
from kuntur._core import radio_profiles as _radio_profiles
from kuntur._core import sweep as _sweep
from kuntur._core import terrain_profiles as _terrain_profiles
from kuntur.errors import ConfigError
from kuntur.model.place import Lattice, Terrain
from kuntur.units import EARTH_RADIUS_M

FloatArray = NDArray[np.float64]

_prepared: dict[tuple[int, int, float, float, float], Any] = {}


def relief(terrain: Terrain) -> Any:
    """The `kuntur._core.Relief` of a terrain's surface (ground and cover), made once for each pair of arrays alive."""
    arrays = [terrain.heights_m] if terrain.cover_m is None else [terrain.heights_m, terrain.cover_m]
    key = (id(arrays[0]), id(arrays[-1]), terrain.cell_m, terrain.west_m, terrain.north_m)
    found = _prepared.get(key)
    if found is None:
        # A copy of the heights: holding the terrain's own array here would keep it alive for ever.
        heights_m = np.array(terrain.surface_m, dtype=np.float32, order="C")
        x0_m = terrain.west_m + 0.5 * terrain.cell_m
        y0_m = terrain.north_m - 0.5 * terrain.cell_m
        found = Relief(heights_m, terrain.cell_m, terrain.cell_m, x0_m, y0_m)
        _prepared[key] = found
        for array in arrays:
            weakref.finalize(array, _prepared.pop, key, None)
    return found


def curvature_per_m(refraction: float) -> float:
    """(1 - k) / (2 R): what the ground at distance d falls below the sight line, over d^2. Brunner 1984; see units."""
    return (1.0 - refraction) / (2.0 * EARTH_RADIUS_M)


def points(*arrays: ArrayLike) -> tuple[FloatArray, ...]:
    """Each array as contiguous float64 (n, 3); a single point is repeated to the length of the others.

    Raises ConfigError for what are no points, and for lists of different lengths.
    """
    whole = [np.atleast_2d(np.asarray(array, float)) for array in arrays]
    n = max((len(a) for a in whole if len(a) != 1), default=1)
    for a in whole:
        if a.ndim != 2 or a.shape[1] != 3 or len(a) not in (1, n):
            raise ConfigError(
                f"Arrays of shape {', '.join(str(each.shape) for each in whole)} are no points that belong together.",
                remedy="Give x, y, z as (n, 3), all of the same n; one point may stand for n.",
            )
    return tuple(np.ascontiguousarray(np.broadcast_to(a, (n, 3))) for a in whole)


def line_of_sight(
    terrain: Terrain,
    a_m: FloatArray,
    b_m: FloatArray,
    refraction: float,
    error_m: float,
    correlation_m: float,
    threads: int,
) -> NDArray[np.uint8]:
    result: NDArray[np.uint8] = relief(terrain).line_of_sight(
        a_m, b_m, curvature_per_m(refraction), error_m, correlation_m, threads
    )
    return result


def sight_table(
    terrain: Terrain,
    from_m: FloatArray,
    to_m: FloatArray,
    refraction: float,
    error_m: float,
    correlation_m: float,
    threads: int,
) -> NDArray[np.uint8]:
    result: NDArray[np.uint8] = relief(terrain).sight_table(
        from_m, to_m, curvature_per_m(refraction), error_m, correlation_m, threads
    )
    return result


def ground_hits(
    terrain: Terrain,
    origins_m: FloatArray,
    directions_enu: FloatArray,
    max_range_m: float,
    refraction: float,
    threads: int,
) -> tuple[FloatArray, NDArray[np.uint8], FloatArray, FloatArray]:
    result: tuple[FloatArray, NDArray[np.uint8], FloatArray, FloatArray] = relief(terrain).ground_hits(
        origins_m, directions_enu, max_range_m, curvature_per_m(refraction), threads
    )
    return result


def cell_rates(
    terrain: Terrain,
    lattice: Lattice,
    viewpoints_m: FloatArray,
    rate_hz: NDArray[np.float32],
    step_m: float,
    depressions_rad: tuple[float, float],
    target_height_m: float,
    refraction: float,
    error_m: float,
    correlation_m: float,
    threads: int,
) -> NDArray[np.float32]:
    result: NDArray[np.float32] = _cell_rates(
        relief(terrain),
        _ground_m(terrain),
        (lattice.row0, lattice.col0, lattice.rows, lattice.cols, lattice.factor),
        viewpoints_m,
        rate_hz,
        step_m,
        *depressions_rad,
        target_height_m,
        curvature_per_m(refraction),
        error_m,
        correlation_m,
        threads,
    )
    return result


def _ground_m(terrain: Terrain) -> NDArray[np.float32]:
    """What targets stand on, below any cover."""
    return np.ascontiguousarray(terrain.heights_m, dtype=np.float32)


MODES = ("fast", "accurate", "exact")
PLANE_TYPES: dict[str, type[np.generic]] = {
    "count": np.uint16,
    "unknown": np.uint16,
    "best_slant_m": np.float32,
    "least_height_m": np.float32,
    "exposure": np.float32,
}


def observer_table(
    places: FloatArray, spacing_m: FloatArray, range_m: FloatArray, weights_s: FloatArray, sectors: FloatArray
) -> FloatArray:
    """One row an observer, as `kuntur._core.sweep` wants it."""
    return np.ascontiguousarray(np.column_stack([places, spacing_m, range_m, weights_s, sectors]))


def sweep(
    heights_m: NDArray[np.float32],
    target_alt_m: NDArray[np.float32] | None,
    observers: FloatArray,
    mode: str,
    target_height_m: float,
    refraction: float,
    rate: tuple[NDArray[np.float32], float] | None,
    corner: tuple[int, int],
    planes: dict[str, NDArray[Any]],
    threads: int,
) -> None:
    """Add what the observers see to the planes, which lie on the window of the heights that begins at `corner`."""
    table, step_m = (np.zeros(1, np.float32), 1.0) if rate is None else rate
    _sweep(
        heights_m,
        target_alt_m,
        observers,
        MODES.index(mode),
        target_height_m,
        curvature_per_m(refraction),
        np.ascontiguousarray(table, dtype=np.float32),
        step_m,
        corner,
        *(planes.get(name) for name in PLANE_TYPES),
        threads,
    )


class Wave(NamedTuple):
    """What a radio link's physics depends on besides its ends. model: 0 Bullington, 1 delta-Bullington, 2 Deygout."""

    wavelength_m: float
    vertical: bool
    model: int
    refraction: float


def radio_links(
    terrain: Terrain, a_m: FloatArray, b_m: FloatArray, wave: Wave, threads: int
) -> tuple[FloatArray, FloatArray]:
    """Loss by diffraction in dB and least clearance in first Fresnel radii, (n,) each."""
    result: tuple[FloatArray, FloatArray] = _radio_links(
        relief(terrain), a_m, b_m, curvature_per_m(wave.refraction), wave.wavelength_m, wave.vertical, wave.model,
        threads,
    )  # fmt: skip
    return result


def radio_profiles(
    starts: NDArray[np.int64],
    distance_m: FloatArray,
    height_m: FloatArray,
    first_alt_msl_m: FloatArray,
    last_alt_msl_m: FloatArray,
    wave: Wave,
    threads: int,
) -> tuple[FloatArray, FloatArray]:
    result: tuple[FloatArray, FloatArray] = _radio_profiles(
        starts, distance_m, height_m, first_alt_msl_m, last_alt_msl_m, curvature_per_m(wave.refraction),
        wave.wavelength_m, wave.vertical, wave.model, threads,
    )  # fmt: skip
    return result


def terrain_profiles(
    terrain: Terrain, a_m: FloatArray, b_m: FloatArray
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    result: tuple[NDArray[np.int64], FloatArray, FloatArray] = _terrain_profiles(relief(terrain), a_m, b_m)
    return result
