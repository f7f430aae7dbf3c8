"""The visibility engine beside its peers: `make bench-visibility`. Every ratio is of two clocks read in this run.

CPU seconds, least of several runs, ours on one thread, unless "wall" is said. Ours through the public Python call; GDAL
is its library called in this process on a raster in memory, only its algorithm on the clock. It works with two threads,
whose waiting for each other is CPU time too, so its time on one core stands beside. Truth is the exact mode (R3),
itself held against a plain NumPy R3 by the tests.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import gdal
import numpy as np
import radio
import terrain
from figures import Figure, best_cpu_s, best_wall_s, write
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.io import elevation, geoid
from kuntur.model.place import LocalFrame, Terrain
from kuntur.visibility import rays, viewshed

ROOT = Path(__file__).resolve().parents[1]
SURVEYS = ROOT.parent / "shared" / "data" / "terrain"
PEERS = ROOT / "build" / "bench"
REFRACTION = 1.0 / 7.0  # what GDAL's curvature coefficient of 0.857 stands for
HEIGHTS_M = (100.0, 500.0, 1500.0, 3000.0)
FloatArray = NDArray[np.float64]
Goals = dict[viewshed.Mode, tuple[float | None, float | None]]


class Ground(Struct, frozen=True):
    """A terrain of the benchmark and how it is called."""

    name: str
    terrain: Terrain


def grounds() -> list[Ground]:
    found = [Ground("Andes, synthetic 30 m", _local(terrain.andes(), terrain.CELL_M))]
    for name, file, lat, lon, half_x_m, half_y_m, cell_m in (
        ('Davos, SRTM 1" at 30 m', "davos_srtm1.tif", 46.80, 9.90, 22_000.0, 32_000.0, 30.0),
        ('Aconcagua, SRTM 3" at 90 m', "S33W071_srtm3_filled.tif", -32.5, -70.5, 45_000.0, 53_000.0, 90.0),
    ):
        if (SURVEYS / file).exists():
            frame = LocalFrame(lat0_deg=lat, lon0_deg=lon)
            bounds = (-half_x_m, -half_y_m, half_x_m, half_y_m)
            made = elevation.terrain([SURVEYS / file], frame, bounds, geoid=geoid.read(), cell_m=cell_m)
            found.append(Ground(name, made))
    return found


def _local(heights_m: NDArray[np.float32], cell_m: float) -> Terrain:
    rows, cols = heights_m.shape
    return Terrain(
        frame=LocalFrame(lat0_deg=-18.0, lon0_deg=-69.0), heights_m=heights_m, cell_m=cell_m,
        west_m=-0.5 * cols * cell_m, north_m=0.5 * rows * cell_m, vertical_datum="EGM96", product="synthetic",
        sketched=True, attribution="made for the benchmark",
    )  # fmt: skip


class Work(Struct, frozen=True):
    """Observers at cell centres, so that GDAL can stand there too: (n, 3) row, column, height above ground."""

    name: str
    at: FloatArray
    reach: int

    def observers_m(self, ground: Terrain) -> FloatArray:
        row, col = self.at[:, 0].astype(int), self.at[:, 1].astype(int)
        x_m = ground.west_m + (col + 0.5) * ground.cell_m
        y_m = ground.north_m - (row + 0.5) * ground.cell_m
        return np.stack([x_m, y_m, ground.heights_m[row, col] + self.at[:, 2]], axis=1)


def route(ground: Terrain, count: int = 500, reach: int = 333) -> Work:
    """Viewpoints each 100 m along a straight 50 km through the middle of the tile, 800 m above the ground below."""
    step = np.arange(count) - 0.5 * (count - 1)
    angle = np.arctan2(ground.rows, ground.cols)
    row = np.round(0.5 * ground.rows + step * 100.0 / ground.cell_m * np.sin(angle))
    col = np.round(0.5 * ground.cols + step * 100.0 / ground.cell_m * np.cos(angle))
    return Work("route of 500", np.stack([row, col, np.full(count, 800.0)], axis=1), reach)


def scattered(ground: Terrain, count: int, reach: int, seed: int = 7) -> Work:
    """Viewpoints anywhere whose disc lies in the tile where the tile is large enough, at the four heights in turn."""
    rng = np.random.default_rng(seed)
    margin = [min(reach, size // 2 - 20) for size in (ground.rows, ground.cols)]
    row = rng.integers(margin[0], ground.rows - margin[0], count)
    col = rng.integers(margin[1], ground.cols - margin[1], count)
    height = np.resize(HEIGHTS_M, count)
    return Work(f"{count} scattered", np.stack([row, col, height], axis=1).astype(float), reach)


def sweep(ground: Terrain, work: Work, mode: viewshed.Mode, want: Sequence[str], threads: int = 1) -> viewshed.Seen:
    """One call for all viewpoints, its answer on the smallest rectangle that holds what they reach (as GDAL's is)."""
    row, col = work.at[:, 0].astype(int), work.at[:, 1].astype(int)
    row0, col0 = max(0, row.min() - work.reach), max(0, col.min() - work.reach)
    row1, col1 = min(ground.rows, row.max() + work.reach + 1), min(ground.cols, col.max() + work.reach + 1)
    return viewshed.accumulate(
        ground, work.observers_m(ground), max_range_m=work.reach * ground.cell_m, target_height_m=0.0, mode=mode,
        want=tuple(want), refraction=REFRACTION, threads=threads, rate=_rate(work.reach * ground.cell_m),
        weights_s=np.full(len(work.at), 4.0), window=(int(row0), int(col0), int(row1 - row0), int(col1 - col0)),
    )  # fmt: skip


def counted(ground: Terrain, one: Work, mode: viewshed.Mode) -> NDArray[np.bool_]:
    """Seen cells of one viewpoint on the whole terrain."""
    seen = sweep(ground, one, mode, BARE)
    row0, col0, rows, cols = seen.window
    whole = np.zeros((ground.rows, ground.cols), bool)
    whole[row0 : row0 + rows, col0 : col0 + cols] = seen.count > 0
    return whole


def _rate(range_m: float) -> viewshed.RangeTable:
    """A detection rate that falls with slant range to nothing at the end of the range."""
    steps = 400
    return viewshed.RangeTable(values=np.linspace(0.02, 0.0, steps, dtype=np.float32), step_m=range_m / steps)


FEW = 4000  # pairs for a peer that is called one by one
BARE, USUAL, FULL = ("count",), ("count", "best_slant_m"), ("exposure",)


def against_gdal(ground: Ground, library: gdal.Library) -> list[Figure]:
    """Route and scattered viewpoints, fast and accurate, against GDAL's algorithm on the same raster in memory."""
    land, cell_m = ground.terrain, ground.terrain.cell_m
    raster = library.dataset(land.heights_m, cell_m)
    found = []
    bulk: Goals = {"fast": (12.0, None), "accurate": (6.0, None)}
    small: Goals = {"fast": (None, None), "accurate": (None, None)}  # what a small call pays: as found
    for work, peer_runs, goals in (
        (route(land), 25, {"fast": (50.0, 80.0), "accurate": (12.0, 25.0)}),
        (scattered(land, 500, 333), 25, bulk),
        (scattered(land, 64, 333), 16, small),
        (scattered(land, 64, 1000), 6, bulk),
    ):
        some = np.linspace(0, len(work.at) - 1, peer_runs).astype(int)
        peer = [best_cpu_s(partial(_gdal, library, raster, work, k, cell_m, read=False)) for k in some]
        peer_s = float(np.mean(peer))
        with one_core():
            alone = [best_cpu_s(partial(_gdal, library, raster, work, k, cell_m, read=False)) for k in some]
        alone_s = float(np.mean(alone))
        truth, words = _accuracy(ground, work.reach, library, raster)
        for mode, (goal, stretch) in goals.items():
            ours_s = best_cpu_s(partial(sweep, land, work, mode, USUAL)) / len(work.at)
            ratio = peer_s / ours_s
            kept = f"; GDAL kept to one core {alone_s * 1e3:.3g} ms: {alone_s / ours_s:.3g} x"
            wanted = f">= {goal:g} x" + (f", stretch {stretch:g} x" if stretch else "") if goal else None
            good = mode == "fast" or (truth[mode][0] >= 0.997 and (not stretch or truth[mode][1] >= 0.99))
            found.append(
                Figure(
                    figure=f"{ground.name}: {work.name}, r = {work.reach}, {mode}, count + best range, ms a viewshed",
                    ours=ours_s * 1e3,
                    peer=f"GDAL {library.version}",
                    peer_value=peer_s * 1e3,
                    ratio=ratio,
                    accuracy=words[mode] + kept,
                    goal=wanted,
                    met=bool(ratio >= goal and good) if goal else None,
                )
            )  # fmt: skip
    library.close(raster)
    return found


@contextmanager
def one_core() -> Iterator[None]:
    """Keep all threads of this process to one core: GDAL's two then spend no time on waiting for each other."""
    threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    before = os.sched_getaffinity(0)
    for thread in threads:
        os.sched_setaffinity(thread, {min(before)})
    try:
        yield
    finally:
        for thread in threads:
            os.sched_setaffinity(thread, before)


def _gdal(library, raster, work, k, cell_m, *, read):  # type: ignore[no-untyped-def]
    row, col, height = work.at[k]
    return library.viewshed(raster, int(row), int(col), float(height), cell_m, work.reach * cell_m, read=read)


def _accuracy(
    ground: Ground, reach: int, library: gdal.Library, raster: object
) -> tuple[dict[str, tuple[float, float]], dict[str, str]]:
    """Agreement and overlap (IoU) with the exact mode over the cells in range, of both modes and of GDAL."""
    land = ground.terrain
    work = scattered(land, 8 if reach <= 333 else 4, reach, seed=11)
    agree = dict.fromkeys(("fast", "accurate", "GDAL"), 0)
    both, either, cells, unlike = dict(agree), dict(agree), 0, 0
    for k in range(len(work.at)):
        one = Work("one", work.at[k : k + 1], reach)
        disc = _disc(land, one)
        truth = counted(land, one, "exact")[disc]
        masks = {mode: counted(land, one, mode)[disc] for mode in ("fast", "accurate")}
        seen, row0, col0 = _gdal(library, raster, work, k, land.cell_m, read=True)
        whole = np.zeros(land.heights_m.shape, bool)
        whole[row0 : row0 + seen.shape[0], col0 : col0 + seen.shape[1]] = seen == 1
        masks["GDAL"] = whole[disc]
        cells += len(truth)
        unlike += int((masks["fast"] != masks["GDAL"]).sum())
        for name, mask in masks.items():
            agree[name] += int((mask == truth).sum())
            both[name] += int((mask & truth).sum())
            either[name] += int((mask | truth).sum())
    figures = {name: (agree[name] / cells, both[name] / either[name]) for name in agree}
    told = {name: f"{a:.4f} / IoU {b:.3f} of exact" for name, (a, b) in figures.items()}
    told["fast"] += (
        f"; GDAL {figures['GDAL'][0]:.4f} / {figures['GDAL'][1]:.3f}; {unlike} of {cells:,} cells unlike GDAL"
    )
    told["accurate"] += f"; GDAL {figures['GDAL'][0]:.4f} / {figures['GDAL'][1]:.3f}"
    return figures, told


def _disc(land: Terrain, one: Work) -> NDArray[np.bool_]:
    row, col, _ = one.at[0]
    down, across = np.ogrid[: land.rows, : land.cols]
    inside = (down - row) ** 2 + (across - col) ** 2 <= (one.reach - 1) ** 2
    inside[int(row), int(col)] = False
    return np.asarray(inside)


def accumulation(ground: Ground) -> list[Figure]:
    """Everything on the route against the bare count."""
    work, found = route(ground.terrain), []
    for mode in ("fast", "accurate"):
        bare_s = best_cpu_s(partial(sweep, ground.terrain, work, mode, BARE))
        full_s = best_cpu_s(partial(sweep, ground.terrain, work, mode, FULL))
        found.append(
            Figure(
                figure=f"{ground.name}: {work.name}, {mode}, exposure (sight x sensor x range), s",
                ours=full_s,
                peer="our bare count",
                peer_value=bare_s,
                ratio=bare_s / full_s,
                accuracy=f"{full_s / bare_s:.2f} x the bare count's time",
                goal="<= 2.5 x its time",
                met=bool(full_s <= 2.5 * bare_s),
            )
        )  # fmt: skip
    return found


def threads(ground: Ground) -> list[Figure]:
    found = []
    for work in (route(ground.terrain), scattered(ground.terrain, 500, 333)):
        for mode in ("fast", "accurate"):
            one = best_wall_s(partial(sweep, ground.terrain, work, mode, USUAL, 1))
            two = best_wall_s(partial(sweep, ground.terrain, work, mode, USUAL, 2))
            found.append(
                Figure(
                    figure=f"{ground.name}: {work.name}, {mode}, two threads, wall s",
                    ours=two,
                    peer="one thread",
                    peer_value=one,
                    ratio=one / two,
                    accuracy="same bytes",
                    goal=">= 1.7 x",
                    met=bool(one / two >= 1.7),
                )
            )  # fmt: skip
    return found


def lines_of_sight(ground: Ground, library: gdal.Library, count: int = 200_000) -> list[Figure]:
    """Exact sight between point pairs, one thread, against GDAL's point to point call (whole-pixel ends)."""
    land, rng, found = ground.terrain, np.random.default_rng(3), []
    raster = library.dataset(land.heights_m, land.cell_m)
    for name, span_m, low, high, target, goal in (
        ("air-ground, <= 10 km", 10_000.0, 300.0, 1500.0, 1.0, 2.0),
        ("air-ground, <= 30 km", 30_000.0, 300.0, 1500.0, 1.0, None),
        ("mast-ground, <= 10 km", 10_000.0, 10.0, 10.0, 1.0, None),
        ("air-air, <= 30 km, free", 30_000.0, 300.0, 1500.0, None, 1.3),
    ):
        a, b = _pairs(land, rng, 3 * count if target is None else count, span_m, low, high, target)
        seen = rays.line_of_sight(land, a, b, refraction=REFRACTION)
        if target is None:
            a, b = a[seen == rays.CLEAR][:count], b[seen == rays.CLEAR][:count]
            seen = np.full(len(a), rays.CLEAR, np.uint8)
        ours = (
            len(a) / best_cpu_s(lambda a=a, b=b: rays.line_of_sight(land, a, b, refraction=REFRACTION, threads=1)) / 1e6
        )
        peer = FEW / best_cpu_s(partial(library.sight, raster, land, a[:FEW], b[:FEW])) / 1e6
        found.append(
            Figure(
                figure=f"{ground.name}: exact line of sight, {name}, million pairs/s/core",
                ours=ours,
                peer=f"GDAL {library.version}, called from a Python loop",
                peer_value=peer,
                ratio=ours / peer,
                accuracy=f"{np.mean(seen == rays.CLEAR):.0%} clear",
                goal=f">= {goal:g} M" if goal else None,
                met=bool(ours >= goal) if goal else None,
            )
        )  # fmt: skip
    library.close(raster)
    return found


def _pairs(
    land: Terrain, rng: np.random.Generator, count: int, span_m: float, low_m: float, high_m: float,
    target_m: float | None,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Pairs inside the tile: one end `low_m` to `high_m` above its ground, the other on target_m or up there too."""
    inside_m = 2.0 * land.cell_m
    limit = np.array([land.east_m, land.north_m]) - inside_m
    a = rng.uniform(-limit, limit, (4 * count, 2))
    turn, far = rng.uniform(0.0, 2.0 * np.pi, 4 * count), span_m * np.sqrt(rng.uniform(0.0, 1.0, 4 * count))
    b = a + far[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    keep = np.nonzero((np.abs(b) < limit).all(axis=1))[0][:count]
    a, b = a[keep], b[keep]

    def above(xy: FloatArray, height_m: FloatArray | float) -> FloatArray:
        row = np.round((land.north_m - xy[:, 1]) / land.cell_m - 0.5).astype(int)
        col = np.round((xy[:, 0] - land.west_m) / land.cell_m - 0.5).astype(int)
        return land.heights_m[row, col].astype(float) + height_m

    up = rng.uniform(low_m, high_m, len(a))
    other = rng.uniform(low_m, high_m, len(a)) if target_m is None else target_m
    return np.column_stack([a, above(a, up)]), np.column_stack([b, above(b, other)])


def other_peers(ground: Ground, names: Sequence[str]) -> tuple[list[Figure], list[str]]:
    """GRASS, whitebox-workflows and xarray-spatial on four of the scattered viewpoints; and what is missing."""
    land, found, missing = ground.terrain, [], []
    work = scattered(land, 8, 333, seed=11)
    work = Work("4 scattered", work.at[::2], 333)
    ours_s = best_cpu_s(lambda: sweep(land, work, "accurate", USUAL)) / len(work.at)
    truths = {}
    for name in names:
        curved = name.startswith("GRASS")
        result = _run_peer(name, land, work)
        if isinstance(result, str):
            missing.append(f"{name}: {result}")
            continue
        seen, seconds = result
        agree, both, either, cells = 0, 0, 0, 0
        for k in range(len(work.at)):
            one = Work("one", work.at[k : k + 1], 333)
            if (curved, k) not in truths:
                truths[curved, k] = viewshed.accumulate(
                    land, one.observers_m(land), max_range_m=333 * land.cell_m, mode="exact", want=("count",),
                    refraction=REFRACTION if curved else 1.0,
                ).count  # fmt: skip
            disc = _disc(land, one)
            truth, mask = truths[curved, k][disc] > 0, seen[k][disc] > 0
            agree, cells = agree + int((truth == mask).sum()), cells + len(truth)
            both, either = both + int((truth & mask).sum()), either + int((truth | mask).sum())
        told = f"theirs {agree / cells:.4f} / IoU {both / either:.3f} of exact" + ("" if curved else " on a flat earth")
        found.append(
            Figure(
                figure=f"{ground.name}: {work.name}, r = 333, accurate, ms a viewshed",
                ours=ours_s * 1e3,
                peer=name,
                peer_value=float(seconds.mean()) * 1e3,
                ratio=float(seconds.mean()) / ours_s,
                accuracy=told,
            )
        )  # fmt: skip
    return found, missing


def _run_peer(name: str, land: Terrain, work: Work) -> tuple[NDArray[np.uint8], FloatArray] | str:
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, "work.npz"), Path(folder, "answer.npz")
        observers = np.column_stack([work.at, np.full(len(work.at), work.reach * land.cell_m)])
        np.savez(given, heights=land.heights_m, cell_m=land.cell_m, observers=observers)
        command = [str(PEERS / "bin" / "python"), str(Path(__file__).with_name("peer_programs.py")), name]
        try:
            subprocess.run([*command, str(given), str(answer)], check=True, capture_output=True, timeout=900)
        except (OSError, subprocess.SubprocessError) as error:
            last = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip().splitlines()[-1:]
            return " ".join([f"{type(error).__name__}", *last])
        with np.load(answer) as found:
            return found["seen"], found["seconds"]


def machine_limits(ground: Ground) -> list[Figure]:
    """Copy bandwidth of this machine, the share of it reached at 16 bytes a cell, and cost against radius."""
    block = np.ones(32 * 1024 * 1024, np.float64)
    target = np.empty_like(block)
    copied = 2 * block.nbytes / best_wall_s(lambda: np.copyto(target, block)) / 1e9
    work = route(ground.terrain)
    cells = np.pi * work.reach**2 * len(work.at)
    spent = best_cpu_s(lambda: sweep(ground.terrain, work, "fast", USUAL))
    found = [
        Figure(
            figure=f"{ground.name}: {work.name}, fast, GB/s at 16 bytes a cell", ours=16 * cells / spent / 1e9,
            peer="copy of 256 MB, one thread", peer_value=copied, ratio=16 * cells / spent / 1e9 / copied,
            accuracy=f"{cells / spent / 1e9:.2f} Gcell/s",
        )
    ]  # fmt: skip
    centre = np.array([[ground.terrain.rows // 2, ground.terrain.cols // 2, 800.0]])
    for mode in ("fast", "accurate"):
        base_ns = None
        for reach in (180, 540, 1800):
            one = Work("one viewpoint", np.repeat(centre, 4, axis=0), reach)
            spent = best_cpu_s(partial(sweep, ground.terrain, one, mode, USUAL)) / 4
            cell_ns = spent / (np.pi * reach**2) * 1e9
            base_ns = base_ns or cell_ns
            found.append(
                Figure(
                    figure=f"{ground.name}: {mode}, radius {reach // 180} x (r = {reach}), ns a cell",
                    ours=cell_ns,
                    peer="radius 1 x",
                    peer_value=base_ns,
                    ratio=base_ns / cell_ns,
                    accuracy=f"{spent * 1e3:.2f} ms",
                )
            )  # fmt: skip
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the synthetic tile and GDAL alone")
    quick = parser.parse_args().quick
    notes, figures = [], []
    places = grounds()
    if len(places) < 3:
        notes.append(f"- Real tiles are missing: no {SURVEYS.name} folder of survey data beside the repository.")
    folders = [PEERS / "lib" / "python3.11" / "site-packages" / "pyogrio.libs", _rasterio_libraries()]
    library = gdal.Library(next(folder for folder in folders if folder.exists()))
    for ground in places[:1] if quick else places:
        print(f"# {ground.name}", file=sys.stderr, flush=True)
        figures += against_gdal(ground, library)
        figures += accumulation(ground)
    figures += threads(places[0])
    figures += lines_of_sight(places[0], library)
    figures += machine_limits(places[0])
    if not quick:
        more, missing = other_peers(places[0], ("GRASS r.viewshed", "whitebox-workflows", "xarray-spatial"))
        figures += more
        notes += [f"- Missing peer: {words}." for words in missing]
        linked, missing = radio.figures()
        figures += linked
        notes += missing
    write("visibility", "Visibility beside its peers", figures, notes)
    return 0


def _rasterio_libraries() -> Path:
    import rasterio

    return Path(rasterio.__file__).parents[1] / "rasterio.libs"


if __name__ == "__main__":
    sys.exit(main())
