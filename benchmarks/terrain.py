"""The synthetic Andes tile of the benchmarks: made here from a seed, so that it can be made again anywhere."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

SIZE = 3601
"""Posts along a side: one degree at 1 arc-second."""
CELL_M = 30.0
LOWEST_M, HIGHEST_M = 3500.0, 6050.0


def andes(size: int = SIZE, *, seed: int = 2026) -> NDArray[np.float32]:
    """Heights (size, size) float32 on 30 m cells, deliberately harder than a real 30 m survey of the Andes.

    Two Gaussian fields with power spectra k^-3.25 and k^-2.75; the first is folded to ridges (1 - |a|). At the full
    size the slopes are 32, 48 and 58 degrees at the 50th, 90th and 99th percentile (`slopes_deg`).
    """
    rng = np.random.default_rng(seed)
    ridged = 1.0 - np.abs(spectral(size, 3.25, rng))
    heights = ridged + 0.4 * spectral(size, 2.75, rng)
    low, high = float(heights.min()), float(heights.max())
    scaled: NDArray[np.float32] = (LOWEST_M + (heights - low) * ((HIGHEST_M - LOWEST_M) / (high - low))).astype(
        np.float32
    )
    return scaled


def spectral(size: int, exponent: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A periodic Gaussian field of unit variance whose power spectrum falls as k^-exponent (k >= 1 wave a tile)."""
    whole = scipy.fft.next_fast_len(size, real=True)
    ky = scipy.fft.fftfreq(whole)[:, None] * whole
    kx = scipy.fft.rfftfreq(whole)[None, :] * whole
    k = np.hypot(kx, ky)
    k[0, 0] = np.inf
    noise = scipy.fft.rfft2(rng.standard_normal((whole, whole)))
    field = scipy.fft.irfft2(noise * k ** (-exponent / 2.0), s=(whole, whole))[:size, :size]
    return np.asarray(field / field.std())


def slopes_deg(heights: NDArray[np.float32], cell_m: float = CELL_M) -> tuple[float, float, float]:
    """The 50th, 90th and 99th percentile of the slope by central differences."""
    dy, dx = np.gradient(heights.astype(float), cell_m)
    p50, p90, p99 = np.percentile(np.degrees(np.arctan(np.hypot(dx, dy))), (50, 90, 99))
    return float(p50), float(p90), float(p99)
