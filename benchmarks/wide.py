"""A survey larger than memory: 36 one-degree 1" tiles, 21,601 x 21,601 posts, by one process and by two Dask workers.

    python benchmarks/wide.py [--side 6] [--every-km 5] [--workers 2]

The tiles are synthetic (one periodic tile of `terrain.andes` that meets itself on every edge, on a wide swell that
makes each tile another one) and are deleted afterwards; they need about 0.5 GB of disk, windows and rasters about 5 GB
more. What is measured is the command line itself, from start to end. Memory is the resident size of the whole tree of
processes, sampled ten times a second; pages that several processes share are counted in each.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import rasterio
import terrain
from figures import Figure, write
from rasterio.transform import Affine

POSTS = 3600
SOUTH_DEG, WEST_DEG = -36, -72
MOST_BYTES = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Run:
    wall_s: float
    cpu_s: float
    peak_bytes: int
    hashes: dict[str, str]
    told: str


def write_tiles(folder: Path, side: int) -> int:
    """side x side tiles named as SRTM names them; returns the bytes they take."""
    folder.mkdir(parents=True)
    relief = np.pad(terrain.andes(POSTS), ((0, 1), (0, 1)), mode="wrap")  # periodic: the last post is the first
    step = 1.0 / POSTS
    for row in range(side):
        for col in range(side):
            south, west = SOUTH_DEG + row, WEST_DEG + col
            lat = south + 1.0 - np.arange(POSTS + 1) * step
            lon = west + np.arange(POSTS + 1) * step
            swell = 400.0 * np.sin(1.3 * lat)[:, None] * np.cos(0.9 * lon)[None, :]
            with rasterio.open(
                folder / f"S{-south:02d}W{-west:03d}_srtm1.tif", "w", driver="GTiff", height=POSTS + 1, width=POSTS + 1,
                count=1, dtype="int16", crs="EPSG:4326", nodata=-32768, compress="deflate", predictor=2, tiled=True,
                transform=Affine(step, 0.0, west - step / 2, 0.0, -step, south + 1.0 + step / 2),
            ) as file:  # fmt: skip
                file.update_tags(AREA_OR_POINT="Point")
                file.write(np.round(relief + swell).astype(np.int16), 1)
    return sum(path.stat().st_size for path in folder.iterdir())


def survey(tiles: Path, out: Path, every_km: float, *more: str) -> Run:
    """`kuntur survey` over all tiles, 800 m above ground, 10 km range."""
    command = [
        sys.executable, "-c", "from kuntur import cli; cli.main()", "survey", "--terrain", f"{tiles}/*.tif",
        "--every-km", f"{every_km:g}", "--height", "800", "--range", "10000", "--out", str(out), *more,
    ]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process))
        time.sleep(0.1)
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    told = process.stdout.read()
    return Run(
        wall_s=wall_s,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_bytes=peak,
        hashes=json.loads((out / "survey.json").read_text())["rasters"],
        told=told,
    )


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def figures(side: int = 6, every_km: float = 5.0, workers: int = 2, scratch: Path | None = None) -> list[Figure]:
    """Memory, wall and CPU time of one process and of Dask workers on the same tiles, and whether the bytes agree."""
    with tempfile.TemporaryDirectory(prefix="kuntur-wide-", dir=scratch) as held:
        folder = Path(held)
        size = write_tiles(folder / "tiles", side)
        posts = side * POSTS + 1
        mosaic = f'{side * side} tiles, {posts:,} x {posts:,} posts of 1"'
        one = survey(folder / "tiles", folder / "one", every_km)
        shutil.rmtree(folder / "one")
        many = survey(folder / "tiles", folder / "many", every_km, "--workers", str(workers))
    same = "the same bytes" if one.hashes == many.hashes else "OTHER BYTES"
    seen = one.told.splitlines()[0]
    whole = "heights alone, as float32 in memory"
    here, there = "one process, 2 threads", f"{workers} Dask workers"
    return [
        Figure(
            figure=f"wide survey, {here}: peak memory, GB", ours=one.peak_bytes / 1e9, peer=whole,
            peer_value=4e-9 * posts**2, ratio=4.0 * posts**2 / one.peak_bytes, accuracy=f"{mosaic}; {seen}",
            goal="<= 2 GB", met=one.peak_bytes <= MOST_BYTES,
        ),
        Figure(
            figure=f"wide survey, {there}: peak memory of all processes, GB", ours=many.peak_bytes / 1e9, peer=whole,
            peer_value=4e-9 * posts**2, ratio=4.0 * posts**2 / many.peak_bytes, accuracy=same,
            goal="<= 2 GB, same bytes", met=many.peak_bytes <= MOST_BYTES and one.hashes == many.hashes,
        ),
        Figure(figure=f"wide survey, {here}: wall, s", ours=one.wall_s, accuracy=f"tiles: {size / 1e6:.0f} MB on disk"),
        Figure(figure=f"wide survey, {here}: CPU, s", ours=one.cpu_s),
        Figure(figure=f"wide survey, {there}: wall, s", ours=many.wall_s, accuracy=same),
        Figure(figure=f"wide survey, {there}: CPU, s", ours=many.cpu_s, accuracy=same),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=6, help="tiles on a side")
    parser.add_argument("--every-km", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="folder with about 6 GB free (default: the system's)")
    asked = parser.parse_args()
    found = figures(asked.side, asked.every_km, asked.workers, asked.scratch)
    write("wide", "A survey larger than memory", found, ["Command line from start to end; synthetic tiles."])
    return 0 if all(figure.met is not False for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
