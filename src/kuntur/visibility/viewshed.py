"""Which ground is seen from points: many viewsheds in one call, summed up as they are made.

Three modes, one question ("does this sight line clear the terrain?"), told in docs/explanation/visibility-engine.md:

- `fast`: XDraw (Wang, Robinson & White 2000), the answer of GDAL's viewshed;
- `accurate`: R2 (Franklin & Ray 1994) with the horizon interpolated between sight lines and the last rows before a cell
  compared exactly;
- `exact`: R3, one sight line a cell, as `rays.line_of_sight`.

The earth's curvature and refraction lower the ground at distance d by (1 - k) d^2 / (2 R). A cell is seen where the
point `target_height_m` above its centre is; touching the horizon is seeing. A void hides nothing for certain and shows
nothing for certain: its cell and all that lies behind it are unknown, unless known ground hides them anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from kuntur.errors import TerrainError
from kuntur.model.place import HeightArray, Terrain
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels

FloatArray = NDArray[np.float64]
Mode = Literal["fast", "accurate", "exact"]
Quantity = Literal["count", "unknown", "best_slant_m", "least_height_m", "exposure"]
Window = tuple[int, int, int, int]

USUAL: tuple[Quantity, ...] = ("count", "unknown", "best_slant_m")


class Sector(Struct, frozen=True, kw_only=True):
    """What a camera can look at: an azimuth sector (edges included) and the depressions of its sight lines.

    azimuth_rad: the sector's middle, clockwise from grid north. Depression is positive below the level. The cell an
    observer stands over lies in every azimuth.
    """

    azimuth_rad: float = 0.0
    width_rad: float = 2.0 * np.pi
    least_depression_rad: float = -0.5 * np.pi
    greatest_depression_rad: float = 0.5 * np.pi

    def __post_init__(self) -> None:
        numbers = (self.azimuth_rad, self.width_rad, self.least_depression_rad, self.greatest_depression_rad)
        if not np.isfinite(numbers).all() or not 0.0 <= self.width_rad <= 2.0 * np.pi + 1e-9:
            raise ValueError("a sector needs finite angles and a width from 0 to 2 pi")
        if not -0.5 * np.pi - 1e-9 <= numbers[2] <= numbers[3] <= 0.5 * np.pi + 1e-9:
            raise ValueError("depressions run from -pi/2 to pi/2, the least first")


class RangeTable(Struct, frozen=True, kw_only=True):
    """A rate by slant range: values[k] (float32) holds in [k, k + 1) * step_m, 0 beyond the last."""

    values: NDArray[np.float32]
    step_m: float


class Seen(Struct, frozen=True, kw_only=True):
    """Sums over all observers on `window` (row0, col0, rows, cols); a quantity that was not asked for is None.

    count: uint16, observers that see the target point of the cell; saturates at 65535.
    unknown: uint16, observers for which that is unknown (never also in `count`).
    best_slant_m: float32, least slant range of those that see it; inf where never seen.
    least_height_m: float32, least height above ground at which something here is seen by some observer; 0 where the
    ground is; inf where no observer looks; NaN where every observer that looks is stopped by a void.
    exposure: float32, sum over the observers that see the cell of weight_s * rate(slant range).
    """

    window: Window
    count: NDArray[np.uint16] | None = None
    unknown: NDArray[np.uint16] | None = None
    best_slant_m: NDArray[np.float32] | None = None
    least_height_m: NDArray[np.float32] | None = None
    exposure: NDArray[np.float32] | None = None


def accumulate(
    terrain: Terrain,
    observers_m: ArrayLike,
    *,
    max_range_m: ArrayLike,
    target_height_m: float = 0.0,
    mode: Mode = "accurate",
    sectors: Sector | Sequence[Sector] | None = None,
    want: Sequence[Quantity] = USUAL,
    rate: RangeTable | None = None,
    weights_s: ArrayLike | None = None,
    refraction: float = REFRACTION_COEFFICIENT,
    window: Window | None = None,
    threads: int = 2,
) -> Seen:
    """What many observers together see of a terrain's surface.

    observers_m: (n, 3) x, y, alt_msl in the local frame, anywhere inside the terrain and above its surface.
    max_range_m: across the ground, one or (n,); cells farther away are not looked at (neither seen nor unknown). rate
    and weights_s (1 s each by default) make the exposure. window: row0, col0, rows, cols of what is wanted; observers
    may stand outside it. On cover a target hides: it is seen only above the surface of its own cell.

    The same bytes for any window and number of threads. Raises TerrainError naming the observers that are outside,
    below the surface or over a void.
    """
    observers = _finite(observers_m, 3)
    places = np.column_stack(
        [
            (observers[:, 0] - terrain.west_m) / terrain.cell_m - 0.5,
            (terrain.north_m - observers[:, 1]) / terrain.cell_m - 0.5,
            observers[:, 2],
        ]
    )
    target_alt_m = None
    if terrain.cover_m is not None:
        target_alt_m = (terrain.heights_m + np.float32(target_height_m)).astype(np.float32)
    return sweep(
        terrain.surface_m,
        places,
        (terrain.cell_m, terrain.cell_m),
        max_range_m=max_range_m,
        target_alt_m=target_alt_m,
        target_height_m=target_height_m,
        mode=mode,
        sectors=sectors,
        want=want,
        rate=rate,
        weights_s=weights_s,
        refraction=refraction,
        window=window,
        threads=threads,
    )


def sweep(
    heights_m: HeightArray,
    observers: ArrayLike,
    spacing_m: ArrayLike,
    *,
    max_range_m: ArrayLike,
    target_alt_m: HeightArray | None = None,
    target_height_m: float = 0.0,
    mode: Mode = "accurate",
    sectors: Sector | Sequence[Sector] | None = None,
    want: Sequence[Quantity] = USUAL,
    rate: RangeTable | None = None,
    weights_s: ArrayLike | None = None,
    refraction: float = REFRACTION_COEFFICIENT,
    window: Window | None = None,
    threads: int = 2,
) -> Seen:
    """`accumulate` on a bare grid whose cells need not be square.

    heights_m: (rows, cols) float32, row 0 northernmost, NaN a void. observers: (n, 3) column, row, altitude; whole
    numbers at cell centres. spacing_m: (n, 2) or one pair, a cell's size east-west and north-south at each observer: on
    a geographic grid each observer brings its own, which is a local metric grid around it. target_alt_m: (rows, cols)
    float32 altitudes looked at, where they are not `target_height_m` above the surface.
    """
    heights_m = np.ascontiguousarray(heights_m, dtype=np.float32)
    rows, cols = heights_m.shape
    places = _finite(observers, 3)
    n = len(places)
    orders = _kernels.observer_table(
        places,
        _each(spacing_m, (n, 2), "cell sizes"),
        _each(max_range_m, (n,), "ranges"),
        _each(1.0 if weights_s is None else weights_s, (n,), "weights", zero=True),
        _sector_table(sectors, n),
    )
    _check_places(heights_m, places)
    row0, col0, height, width = window = (0, 0, rows, cols) if window is None else window
    if min(row0, col0) < 0 or min(height, width) < 1 or row0 + height > rows or col0 + width > cols:
        raise TerrainError(
            f"The window {window} does not lie inside the {rows} x {cols} cells of the terrain.",
            remedy="Give row0, col0, rows, cols inside it.",
        )
    if "exposure" in want and rate is None:
        raise ValueError("an exposure needs a rate table")
    if target_alt_m is not None:
        target_alt_m = np.ascontiguousarray(target_alt_m, dtype=np.float32)
    starts = {"count": 0, "unknown": 0, "best_slant_m": np.inf, "least_height_m": np.inf, "exposure": 0}
    planes = {
        name: np.zeros((height, width), _kernels.PLANE_TYPES[name])
        if start == 0
        else np.full((height, width), start, _kernels.PLANE_TYPES[name])
        for name, start in starts.items()
        if name in want
    }
    _kernels.sweep(
        heights_m,
        target_alt_m,
        orders,
        mode,
        target_height_m,
        refraction,
        None if rate is None else (rate.values, rate.step_m),
        (row0, col0),
        planes,
        threads,
    )
    return Seen(window=window, **planes)


def visible(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    alt_msl_m: float,
    *,
    target_height_m: float,
    max_range_m: float,
    mode: Mode = "exact",
    sector: Sector | None = None,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
) -> NDArray[np.uint8]:
    """Cell centres whose point `target_height_m` above ground is seen from (x, y, alt_msl): (rows, cols) uint8.

    0 hidden, farther than `max_range_m` across the ground or outside the sector; 1 visible; 2 unknown (a void cell, or
    a void on the way that known ground does not hide).
    """
    seen = accumulate(
        terrain,
        (x_m, y_m, alt_msl_m),
        max_range_m=max_range_m,
        target_height_m=target_height_m,
        mode=mode,
        sectors=sector,
        want=("count", "unknown"),
        refraction=refraction,
        threads=threads,
    )
    assert seen.count is not None
    assert seen.unknown is not None
    return np.asarray(seen.count + 2 * seen.unknown, np.uint8)


def _finite(values: ArrayLike, columns: int) -> FloatArray:
    array = np.ascontiguousarray(np.atleast_2d(np.asarray(values, float)))
    if array.shape[1:] != (columns,):
        raise ValueError(f"observers are rows of {columns} numbers, not an array of shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise TerrainError(
            f"{_named(bad)}: a position is not a number.", remedy="Leave these observers out or give their position."
        )
    return array


def _each(values: ArrayLike, shape: tuple[int, ...], what: str, *, zero: bool = False) -> FloatArray:
    array = np.array(np.broadcast_to(np.asarray(values, float), shape))
    if not np.isfinite(array).all() or not ((array >= 0.0) if zero else (array > 0.0)).all():
        raise ValueError(f"{what} must be finite and {'not negative' if zero else 'above 0'}")
    return array


def _sector_table(sectors: Sector | Sequence[Sector] | None, n: int) -> FloatArray:
    each = [Sector()] if sectors is None else [sectors] if isinstance(sectors, Sector) else list(sectors)
    if len(each) not in (1, n):
        raise ValueError(f"{len(each)} sectors for {n} observers")
    rows = [(s.azimuth_rad, s.width_rad, s.least_depression_rad, s.greatest_depression_rad) for s in each]
    return np.array(np.broadcast_to(np.array(rows, float), (n, 4)))


def _check_places(heights_m: HeightArray, places: FloatArray) -> None:
    """Every observer stands inside the grid, over known ground and not below it."""
    rows, cols = heights_m.shape
    u, v = places[:, 0], places[:, 1]
    slack = 1e-6  # a position that arithmetic has moved off a cell centre
    inside = (u >= -slack) & (v >= -slack) & (u <= cols - 1 + slack) & (v <= rows - 1 + slack)
    if not inside.all():
        raise TerrainError(
            f"{_named(np.flatnonzero(~inside))}: outside the terrain (its outermost cell centres are its edge).",
            remedy="Leave them out, or take a terrain that covers them.",
        )
    ground_m = _ground_below(heights_m, u, v)
    if np.isnan(ground_m).any():
        raise TerrainError(
            f"{_named(np.flatnonzero(np.isnan(ground_m)))}: over a void of the terrain, so the height above ground is "
            "unknown.",
            remedy="Move them, or fill the void with another survey.",
        )
    below_m = ground_m - places[:, 2]
    if (below_m > 1e-3).any():
        bad = np.flatnonzero(below_m > 1e-3)
        raise TerrainError(
            f"{_named(bad)}: below the surface, by up to {below_m.max():.1f} m.",
            remedy="Give altitudes above mean sea level (ground plus height), not heights above ground.",
        )


def _ground_below(heights_m: HeightArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Bilinear heights; a neighbour with no weight is not asked."""
    rows, cols = heights_m.shape
    u, v = (np.where(np.abs(w - np.round(w)) < 1e-6, np.round(w), w) for w in (u, v))
    col, row = (np.clip(np.floor(w).astype(int), 0, size - 1) for w, size in ((u, cols), (v, rows)))
    f, g = u - col, v - row
    total = np.zeros(len(u))
    for share, r, c in (
        ((1 - g) * (1 - f), row, col),
        ((1 - g) * f, row, np.minimum(col + 1, cols - 1)),
        (g * (1 - f), np.minimum(row + 1, rows - 1), col),
        (g * f, np.minimum(row + 1, rows - 1), np.minimum(col + 1, cols - 1)),
    ):
        total += np.where(share > 0.0, share * heights_m[r, c], 0.0)
    return total


def _named(which: NDArray[np.intp]) -> str:
    shown = ", ".join(str(k) for k in which[:5])
    more = f" and {len(which) - 5} more" if len(which) > 5 else ""
    return f"Observer {shown}{more}" if len(which) == 1 else f"Observers {shown}{more}"
