"""What terrain data cannot know: its vertical error, and what that leaves of a sight line.

Two answers to the same question. `seen_probability` draws many terrains that the survey could stand for and counts in
how many of them a cell is seen (Fisher 1992, Photogrammetric Engineering & Remote Sensing 58(3)). `certain` asks once,
exactly, with the known terrain raised by a margin: what it sees, planning may promise on. The aircraft's altitude is
absolute in both; the target stands on the ground, wherever that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import NormalDist
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from kuntur.errors import ConfigError
from kuntur.geodesy import grid
from kuntur.model.place import Terrain, VerticalError
from kuntur.units import REFRACTION_COEFFICIENT
from kuntur.visibility import _kernels, rays, viewshed

FloatArray = NDArray[np.float64]

LE90_SIGMAS: Final = NormalDist().inv_cdf(0.95)
"""1.645: linear error at 90 % in standard deviations of a Gaussian error."""

CORRELATION_ASSUMED_M: Final = 146.0
"""Where a product has no published error variogram, SRTM's is taken. An assumption: a shorter one is the safer one,
for it makes the margin larger ([terrain] error_correlation_m states another)."""

SRTM: Final = VerticalError(
    sigma_m=9.0 / LE90_SIGMAS,
    correlation_m=146.0,
    source="sigma: the largest of the six continental absolute errors at 90 %, 9.0 m in North America; 6.2 m in South "
    "America and Eurasia (Rodriguez, Morris & Belz 2006, Photogrammetric Engineering & Remote Sensing 72(3)). "
    "Correlation: mean exponential variogram of SRTM 3 arc-second less lidar on 20 floodplains, range 0.00131 degrees "
    "for 96 % of the variance (Hawker et al. 2018, doi:10.1029/2018WR023279, data of its R package); that it holds in "
    "mountains and for 1 arc-second is assumed",
)
COPERNICUS_GLO_30: Final = VerticalError(
    sigma_m=4.0 / LE90_SIGMAS,
    correlation_m=CORRELATION_ASSUMED_M,
    source="sigma: absolute vertical accuracy below 4 m at 90 % (Copernicus DEM Product Handbook). Correlation: no "
    "published figure found, SRTM's assumed",
)
ASTER_GDEM: Final = VerticalError(
    sigma_m=17.0 / NormalDist().inv_cdf(0.975),
    correlation_m=CORRELATION_ASSUMED_M,
    source="sigma: 17 m at 95 % (Tachikawa et al. 2011, ASTER GDEM version 2 summary of validation results); root mean "
    "square errors of 20 m (Apeh et al. 2019, doi:10.4236/jgis.2019.112009) and 22 m (Al-Fugara 2015, "
    "doi:10.4236/ijg.2015.611096) are published too, state your own. Correlation: no published figure found, SRTM's "
    "assumed",
)


class Doubt(Struct, frozen=True, kw_only=True):
    """The vertical error of a terrain, and how far planning stays away from it.

    sigma_m: standard deviation. correlation_m: the distance at which the correlation of two places' errors has fallen
    to exp(-1). z: how many standard deviations of the sight line's own error are kept clear. 1.645 would leave 5 % to
    one obstacle; 1.96 shares them between two, which made the worst cells hold in trials (tests, decision 0017).
    """

    sigma_m: float
    correlation_m: float
    z: float = 1.96

    def margin_m(self, share: ArrayLike, distance_m: ArrayLike) -> FloatArray:
        """What known terrain is raised by, at this share of the way from target to observer and distance from target.

        The obstacle stands its error higher, and the line its far end's share of the target's error higher: the
        variance of the difference is sigma^2 (1 + w^2 - 2 w exp(-d / L)), w = 1 - share.
        """
        w = 1.0 - np.asarray(share, float)
        correlation = np.exp(-np.asarray(distance_m, float) / self.correlation_m)
        return self.z * self.sigma_m * np.sqrt(np.maximum(1.0 + w * w - 2.0 * w * correlation, 0.0))


class SeenProbability(Struct, frozen=True, kw_only=True):
    """prob: float32 (rows, cols) of the terrain; NaN unknown, 0 beyond the range. realizations: terrains drawn."""

    prob: NDArray[np.float32]
    realizations: int

    @property
    def standard_error_prob(self) -> NDArray[np.float32]:
        """Monte Carlo standard error of each cell, by Laplace's rule (k + 1) / (n + 2): never 0, though all agreed."""
        n = self.realizations
        p = (self.prob * n + 1.0) / (n + 2.0)
        return np.sqrt(p * (1.0 - p) / n).astype(np.float32)


def quantile(certainty_prob: float) -> float:
    """z for a wanted certainty of a sight line: its doubt is shared between two obstacles; 0 asks for no margin."""
    return NormalDist().inv_cdf(0.5 * (1.0 + certainty_prob))


def of(terrain: Terrain, certainty_prob: float) -> Doubt | None:
    """The doubt that promises on this terrain must bear; None where its error is unknown (sketched, or not stated)."""
    error = terrain.error
    if error is None:
        return None
    return Doubt(sigma_m=error.sigma_m, correlation_m=error.correlation_m, z=quantile(certainty_prob))


def worst(errors: Iterable[VerticalError | None]) -> VerticalError | None:
    """One error for a mosaic: the largest sigma, the shortest correlation; None as soon as one is unknown."""
    known: list[VerticalError] = []
    for error in errors:
        if error is None:
            return None
        known.append(error)
    if not known:
        return None
    return VerticalError(
        sigma_m=max(e.sigma_m for e in known),
        correlation_m=min(e.correlation_m for e in known),
        source="; ".join(dict.fromkeys(e.source for e in known)),
    )


def stated(known: VerticalError | None, *, le90_m: float | None, correlation_m: float | None) -> VerticalError | None:
    """The error after what an area states about its own terrain: that goes before what is known of the product."""
    if le90_m is None and (known is None or correlation_m is None):
        return known
    sigma_m = le90_m / LE90_SIGMAS if le90_m is not None else known.sigma_m  # type: ignore[union-attr]
    length_m = correlation_m or (known.correlation_m if known else CORRELATION_ASSUMED_M)
    said = [] if le90_m is None else [f"{le90_m:g} m at 90 %"]
    said += [] if correlation_m is None else [f"correlation over {correlation_m:g} m"]
    assumed = "" if known or correlation_m is not None else "; correlation assumed to be SRTM's"
    source = f"stated for this area: {', '.join(said)}{assumed}" + (f"; else: {known.source}" if known else "")
    return VerticalError(sigma_m=sigma_m, correlation_m=length_m, source=source)


def error_fields(
    shape: tuple[int, int], cell_m: float, error: VerticalError, rng: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Endless independent Gaussian fields (rows, cols) in metres with the error's sigma and exponential correlation.

    Circulant embedding (Dietrich & Newsam 1997, SIAM J. Sci. Comput. 18): exact covariance between all cells, two
    fields for each transform. The torus is wider than twice the field by eight correlation lengths; should an
    eigenvalue of it still be negative, it is set to 0 and the variance restored (Wood & Chan 1994).
    """
    pad = int(np.ceil(8.0 * error.correlation_m / cell_m))
    rows, cols = (int(fft.next_fast_len(2 * (size + pad))) for size in shape)
    y = np.minimum(np.arange(rows), rows - np.arange(rows)) * cell_m
    x = np.minimum(np.arange(cols), cols - np.arange(cols)) * cell_m
    eigen = np.maximum(fft.fft2(np.exp(-np.hypot(y[:, None], x) / error.correlation_m)).real, 0.0)
    amplitude = (error.sigma_m * np.sqrt(eigen / eigen.sum())).astype(np.float32)
    while True:
        noise = rng.standard_normal((2, rows, cols), dtype=np.float32)
        waves = fft.fft2(amplitude * (noise[0] + 1j * noise[1]), workers=2, overwrite_x=True)
        for part in (waves.real, waves.imag):
            yield part[: shape[0], : shape[1]]


def seen_probability(
    terrain: Terrain,
    observers_m: ArrayLike,
    *,
    target_height_m: float,
    max_range_m: float,
    error: VerticalError | None = None,
    realizations: int = 100,
    seed: int = 0,
    mode: viewshed.Mode = "accurate",
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
) -> SeenProbability:
    """Probability that a point `target_height_m` above the ground of each cell is seen from at least one observer.

    observers_m: (n, 3) x, y, alt_msl in the local frame, or one; a route is its stations, all over the same drawn
    terrain. error: the terrain's own where left out. Frequency over `realizations` terrains drawn from `seed`: the
    survey plus a correlated Gaussian error; `mode` of the viewsheds as in `viewshed.accumulate`. A cell is NaN where a
    void keeps any draw from an answer. An observer that the drawn surface rises above sees nothing in that draw. Raises
    ConfigError where no error is known, TerrainError for observers outside the terrain or over a void.
    """
    error = terrain.error if error is None else error
    if error is None:
        raise ConfigError(
            f"The vertical error of this terrain ({terrain.product}) is unknown: no probability of sight follows.",
            remedy="State [terrain] vertical_error_le90_m, or give error=.",
        )
    if realizations < 1:
        raise ConfigError("seen_probability needs at least one realization.", remedy="Give realizations >= 1.")
    (observers,) = _kernels.points(observers_m)
    place, at = _around(terrain, observers, max_range_m)
    seen = np.zeros(place.heights_m.shape, np.int32)
    unknown = np.zeros(place.heights_m.shape, bool)
    fields = error_fields((place.rows, place.cols), terrain.cell_m, error, np.random.default_rng(seed))
    for _, field in zip(range(realizations), fields, strict=False):
        drawn = replace(place, heights_m=place.heights_m + field)
        buried = grid.height_at(grid.surface(drawn), observers[:, 0], observers[:, 1]) > observers[:, 2]
        if buried.all():
            continue
        view = viewshed.accumulate(
            drawn, observers[~buried], max_range_m=max_range_m, target_height_m=target_height_m, mode=mode,
            want=("count", "unknown"), refraction=refraction, threads=threads,
        )  # fmt: skip
        assert view.count is not None
        assert view.unknown is not None
        seen += view.count > 0
        unknown |= (view.count == 0) & (view.unknown > 0)
    prob = np.zeros(terrain.heights_m.shape, np.float32)
    prob[at] = np.where(unknown, np.nan, seen / realizations)
    return SeenProbability(prob=prob, realizations=realizations)


def certain(
    terrain: Terrain,
    observer_m: ArrayLike,
    doubt: Doubt,
    *,
    target_height_m: float,
    max_range_m: float,
    refraction: float = REFRACTION_COEFFICIENT,
    threads: int = 2,
) -> NDArray[np.uint8]:
    """Cells seen with the doubt's margin: (rows, cols) uint8, 0 not certain or too far, 1 certain, 2 unknown. Exact."""
    observer = np.asarray(observer_m, float)
    x_m = terrain.west_m + (np.arange(terrain.cols) + 0.5) * terrain.cell_m
    y_m = terrain.north_m - (np.arange(terrain.rows) + 0.5) * terrain.cell_m
    near = np.square(x_m[None, :] - observer[0]) + np.square(y_m[:, None] - observer[1]) <= max_range_m**2
    known = near & ~np.isnan(terrain.heights_m)
    row, col = np.nonzero(known)
    targets = np.stack([x_m[col], y_m[row], terrain.heights_m[row, col] + target_height_m], axis=-1)
    result = np.where(near, 2, 0).astype(np.uint8)
    if len(row):
        result[known] = rays.line_of_sight(
            terrain, observer, targets, refraction=refraction, threads=threads, doubt=doubt
        )
    return result


def _around(terrain: Terrain, observers_m: FloatArray, reach_m: float) -> tuple[Terrain, tuple[slice, slice]]:
    """The part of the terrain within reach of the observers, and where in it that lies."""
    low, high = observers_m[:, :2].min(axis=0) - reach_m, observers_m[:, :2].max(axis=0) + reach_m
    row0, col0 = (int(np.floor(float(v))) - 1 for v in grid.to_index(terrain, low[0], high[1]))
    row1, col1 = (int(np.ceil(float(v))) + 2 for v in grid.to_index(terrain, high[0], low[1]))
    rows = slice(max(row0, 0), min(row1, terrain.rows))
    cols = slice(max(col0, 0), min(col1, terrain.cols))
    part = replace(
        terrain,
        heights_m=np.ascontiguousarray(terrain.heights_m[rows, cols]),
        cover_m=None if terrain.cover_m is None else np.ascontiguousarray(terrain.cover_m[rows, cols]),
        west_m=terrain.west_m + cols.start * terrain.cell_m,
        north_m=terrain.north_m - rows.start * terrain.cell_m,
    )
    return part, (rows, cols)
