"""The sweep on real-sized ground: how near its modes come to exact sight, the same bits on every instruction level,
cells that are not square, and what it says of input it cannot use."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import places
import pytest
import visibility_oracle

from kuntur.errors import TerrainError
from kuntur.visibility import viewshed
from kuntur.visibility.viewshed import RangeTable, Sector, sweep

ALL = ("count", "unknown", "best_slant_m", "least_height_m", "exposure")
RATE = RangeTable(values=np.linspace(0.02, 0.0, 100, dtype=np.float32), step_m=40.0)


def rough(rows: int, cols: int, seed: int = 5) -> np.ndarray:
    """Spectral ground (power k^-3.25, folded to ridges), as steep as the benchmark's Andes."""
    rng = np.random.default_rng(seed)
    n = 512
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]) * n
    k[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((n, n))) * k**-1.625, s=(n, n))
    ridged = 1.0 - np.abs(field / field.std())
    return (4000.0 + 300.0 * ridged[:rows, :cols]).astype(np.float32)


def standing(heights: np.ndarray, n: int, seed: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = heights.shape
    places_in = np.column_stack([rng.uniform(1, cols - 2, n), rng.uniform(1, rows - 2, n)])
    col, row = places_in.astype(int).T
    top = np.maximum.reduce([heights[row + i, col + j] for i in (0, 1) for j in (0, 1)])
    return np.column_stack([places_in, top + np.resize([60.0, 300.0, 800.0, 2000.0], n)])


def test_accurate_agrees_with_exact_sight() -> None:
    heights = rough(420, 420)
    agree, both, either, cells = 0, 0, 0, 0
    for eye in standing(heights, 4):
        told, truth = (
            sweep(heights, eye, (30.0, 30.0), max_range_m=5000.0, mode=mode, want=("count",)).count > 0
            for mode in ("accurate", "exact")
        )
        rows, cols = np.indices(heights.shape)
        disc = np.hypot(rows - eye[1], cols - eye[0]) * 30.0 < 5000.0
        agree += (told == truth)[disc].sum()
        both, either, cells = both + (told & truth).sum(), either + (told | truth).sum(), cells + disc.sum()
    assert agree / cells >= 0.997
    assert both / either >= 0.99


def test_cells_that_are_not_square() -> None:
    """An oracle of its own on 92 x 77 m cells: the terrain stretched to metres, line by line."""
    heights = rough(60, 70)[::1, ::1]
    eye = standing(heights, 3)[1]
    spacing = np.array([92.0, 77.0])
    got = {
        m: sweep(heights, eye, spacing, max_range_m=4000.0, mode=m, want=("count", "best_slant_m"))
        for m in ("fast", "accurate", "exact")
    }
    rows, cols = np.indices(heights.shape)
    x_m, y_m = (cols - eye[0]) * spacing[0], (rows - eye[1]) * spacing[1]
    across = np.hypot(x_m, y_m)
    truth = np.zeros(heights.shape, int)
    for row, col in zip(*np.nonzero(across <= 4000.0), strict=True):
        truth[row, col] = _clear(heights.astype(float), eye, row, col, across[row, col])
    np.testing.assert_array_equal(got["exact"].count, truth)
    below = eye[2] - heights + across**2 * 0.87 / (2.0 * 6_371_008.8)
    slant = np.where(truth == 1, np.hypot(across, below), np.inf)
    np.testing.assert_allclose(got["exact"].best_slant_m, slant, rtol=1e-5)
    for mode, least in (("fast", 0.97), ("accurate", 0.995)):
        assert (got[mode].count == truth).mean() >= least
        seen = (got[mode].count == 1) & (truth == 1)
        np.testing.assert_allclose(got[mode].best_slant_m[seen], slant[seen], rtol=1e-5)


def _clear(h: np.ndarray, eye: np.ndarray, row: int, col: int, across_m: float) -> bool:
    """R3 in index coordinates; only the earth's drop knows metres."""
    shares = []
    for start, end in ((eye[0], col), (eye[1], row)):
        lines = np.arange(np.ceil(min(start, end)), np.floor(max(start, end)) + 1)
        shares.append((lines - start) / (end - start) if start != end else [])
    s = np.concatenate([*shares, [1.0]])
    ground = visibility_oracle._bilinear(h, eye[1] + s * (row - eye[1]), eye[0] + s * (col - eye[0]))
    drop = across_m**2 * 0.87 / (2.0 * 6_371_008.8)
    return bool((ground - s**2 * drop <= eye[2] + s * (h[row, col] - drop - eye[2]) + 1e-6).all())


def test_a_sector_costs_only_its_blur_in_fast_mode() -> None:
    """Six sectors make the circle: in fast mode the horizon beside a sector is not followed, so a few cells differ."""
    heights = rough(300, 300)
    eye = standing(heights, 2)[1]
    keywords = {"max_range_m": 4000.0, "want": ("count",)}
    for mode, least in (("fast", 0.9995), ("accurate", 1.0), ("exact", 1.0)):
        whole = sweep(heights, eye, (30.0, 30.0), mode=mode, **keywords).count
        parts = [Sector(azimuth_rad=0.2 + k * np.pi / 3.0, width_rad=np.pi / 3.0) for k in range(6)]
        told = sweep(heights, np.tile(eye, (6, 1)), (30.0, 30.0), mode=mode, sectors=parts, **keywords).count
        assert (told == whole).mean() >= least, mode


BITS = """
import hashlib, sys
sys.path[:0] = {paths!r}
from test_viewshed_sweep import digest
print(digest())
"""


def digest() -> str:
    """Of all that both row-by-row modes tell: voids, cover, sectors, depressions, cells that are not square."""
    heights = rough(150, 170)
    torn = heights.copy()
    torn[40:44, 90:99] = np.nan
    told = hashlib.sha256()
    for ground in (heights, torn):
        eyes = standing(heights, 12)
        eyes = eyes[~np.isnan([ground[int(v) : int(v) + 2, int(u) : int(u) + 2].sum() for u, v, _ in eyes])]
        for mode in ("fast", "accurate"):
            for sector, targets in (
                (None, None),
                (Sector(azimuth_rad=1.0, width_rad=2.0, least_depression_rad=0.05), ground + 2),
            ):
                for want in (("count",), ("count", "best_slant_m"), ALL):
                    seen = sweep(ground, eyes, (30.0, 24.0), max_range_m=2500.0, mode=mode, sectors=sector, want=want,
                                 rate=RATE, target_alt_m=targets, target_height_m=2.0, threads=1)  # fmt: skip
                    for name in want:
                        told.update(np.ascontiguousarray(getattr(seen, name)).tobytes())
    return told.hexdigest()


def test_every_instruction_level_gives_the_same_bits() -> None:
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    told = {
        level: subprocess.run(
            [sys.executable, "-c", BITS.format(paths=paths)],
            env={**os.environ, "KUNTUR_SIMD": level},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for level in ("baseline", "avx2", "avx512")
    }
    assert len(set(told.values())) == 1, told
    assert len(told["baseline"]) == 64


def test_counts_saturate_and_exposure_is_their_sum() -> None:
    heights = np.zeros((5, 5), np.float32)
    n = 65_540
    eyes = np.tile([2.0, 2.0, 30.0], (n, 1))
    rate = RangeTable(values=np.array([0.0, 0.0, 0.0, 1.0], np.float32), step_m=10.0)
    keywords = {"max_range_m": 15.0, "want": ("count", "exposure"), "rate": rate, "weights_s": 0.5}
    seen = sweep(heights, eyes, (10.0, 10.0), mode="fast", **keywords)
    assert seen.count[2, 2] == seen.count[1, 2] == 65_535
    assert seen.count[0, 2] == 0  # 20 m away
    assert seen.exposure[1, 2] == n * 0.5  # at 31.6 m
    assert seen.exposure[0, 2] == 0.0


@pytest.mark.parametrize("mode", ["fast", "accurate", "exact"])
def test_input_that_cannot_be_used_is_named(mode: viewshed.Mode) -> None:
    heights = rough(40, 40)
    heights[10, 10] = np.nan
    good = [20.0, 20.0, 5000.0]
    for bad, words in (
        ([5.0, 5.0, 100.0], "Observer 1: below the surface"),
        ([-0.7, 5.0, 5000.0], "Observer 1: outside the terrain"),
        ([10.4, 10.0, 5000.0], "Observer 1: over a void"),
        ([5.0, np.nan, 5000.0], "Observer 1: a position is not a number"),
    ):
        with pytest.raises(TerrainError, match=words) as told:
            sweep(heights, [good, bad], (30.0, 30.0), max_range_m=500.0, mode=mode)
        assert told.value.remedy
    for keywords in ({"max_range_m": 0.0}, {"max_range_m": np.nan}, {"max_range_m": 500.0, "want": ("exposure",)}):
        with pytest.raises(ValueError, match=r"ranges must be finite and above 0|needs a rate table"):
            sweep(heights, good, (30.0, 30.0), mode=mode, **keywords)
    with pytest.raises(TerrainError, match="window"):
        sweep(heights, good, (30.0, 30.0), max_range_m=500.0, mode=mode, window=(0, 0, 41, 40))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["fast", "accurate", "exact"])
def test_nothing_is_said_beyond_the_range(mode: viewshed.Mode, threads: int) -> None:
    """Again and again, on fresh ground: what earlier work left in memory must not show."""
    for seed in range(4):
        heights = rough(200, 230, seed=seed)
        eye = standing(heights, 4, seed=seed)[3]
        seen = sweep(heights, eye, (30.0, 30.0), max_range_m=2000.0, mode=mode, want=ALL, rate=RATE, threads=threads)
        rows, cols = np.indices(heights.shape)
        outside = np.hypot(rows - eye[1], cols - eye[0]) * 30.0 > 2000.0
        assert seen.count.max() == 1
        for name, nothing in (("count", 0), ("unknown", 0), ("exposure", 0.0), ("best_slant_m", np.inf)):
            assert (getattr(seen, name)[outside] == nothing).all(), name
        assert np.array_equal(np.isinf(seen.least_height_m), outside)
        assert np.array_equal(np.isfinite(seen.best_slant_m), seen.count == 1)


def test_an_observer_at_the_rim_and_a_range_beyond_the_terrain() -> None:
    heights = rough(50, 30)
    for mode in ("fast", "accurate", "exact"):
        for col, row in ((0.0, 0.0), (29.0, 49.0), (28.7, 0.3)):
            seen = sweep(heights, (col, row, 9000.0), (30.0, 30.0), max_range_m=1e6, mode=mode)
            assert (seen.count == 1).all(), mode  # from 5 km above ground, all of so small a terrain


def test_the_terrain_call_is_the_grid_call() -> None:
    land = places.terrain(rough(60, 80), 25.0)
    eye = standing(land.heights_m, 1)[0]
    x_m, y_m = land.west_m + (eye[0] + 0.5) * 25.0, land.north_m - (eye[1] + 0.5) * 25.0
    a = viewshed.accumulate(land, (x_m, y_m, eye[2]), max_range_m=900.0, target_height_m=1.7)
    b = sweep(land.heights_m, eye, (25.0, 25.0), max_range_m=900.0, target_height_m=1.7)
    np.testing.assert_array_equal(a.count, b.count)
    np.testing.assert_allclose(a.best_slant_m, b.best_slant_m, rtol=1e-6)
    status = viewshed.visible(land, x_m, y_m, eye[2], target_height_m=1.7, max_range_m=900.0, mode="accurate")
    np.testing.assert_array_equal(status, a.count)
