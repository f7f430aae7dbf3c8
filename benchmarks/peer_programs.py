"""Run inside the peers' own environment: `python peer_programs.py NAME WORK.npz ANSWER.npz`, one peer a process.

WORK holds heights (float32), cell_m, and observers (n, 4): row, col, height above ground, range. ANSWER gets for each
observer the seen cells of the whole grid (uint8) and the CPU seconds of the tool's own call, files and start left out.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Answer = Iterator[tuple[np.ndarray, float]]


def xarray_spatial(heights: np.ndarray, cell_m: float, observers: np.ndarray) -> Answer:
    import xarray as xr
    from xrspatial import viewshed

    rows, cols = heights.shape
    y = -(np.arange(rows) + 0.5) * cell_m
    x = (np.arange(cols) + 0.5) * cell_m
    warm = False
    for row, col, height, range_m in observers:
        r0, r1, c0, c1 = _window(heights, row, col, range_m / cell_m)
        cut = xr.DataArray(
            heights[r0:r1, c0:c1].astype(float), dims=("y", "x"), coords={"y": y[r0:r1], "x": x[c0:c1]}
        )  # fmt: skip
        call = lambda: viewshed(cut, x=x[int(col)], y=y[int(row)], observer_elev=height, target_elev=0.0)  # noqa: E731, B023
        if not warm:  # numba compiles at the first call: not on the clock
            call()
            warm = True
        start = time.process_time()
        seen = call()
        spent = time.process_time() - start
        whole = np.zeros(heights.shape, np.uint8)
        whole[r0:r1, c0:c1] = seen.values > -1.0
        yield whole, spent


def whitebox(heights: np.ndarray, cell_m: float, observers: np.ndarray) -> Answer:
    import whitebox_workflows as wbw

    wbe = wbw.WbEnvironment()
    with tempfile.TemporaryDirectory() as folder:
        dem, point = Path(folder, "dem.asc"), Path(folder, "point.geojson")
        for row, col, height, range_m in observers:
            r0, r1, c0, c1 = _window(heights, row, col, range_m / cell_m)
            corner = f"xllcorner {c0 * cell_m}\nyllcorner {-r1 * cell_m}\ncellsize {cell_m}\nNODATA_value -32768"
            head = f"ncols {c1 - c0}\nnrows {r1 - r0}\n{corner}"
            np.savetxt(dem, heights[r0:r1, c0:c1], "%.4f", header=head, comments="")
            place = [(col + 0.5) * cell_m, -(row + 0.5) * cell_m]
            geometry = {"type": "Point", "coordinates": place}
            feature = {"type": "Feature", "properties": {"id": 1}, "geometry": geometry}
            point.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
            raster, stations = wbe.read_raster(str(dem)), wbe.read_vector(str(point))
            start = time.process_time()
            seen = wbe.viewshed(raster, stations, height=float(height))
            spent = time.process_time() - start
            whole = np.zeros(heights.shape, np.uint8)
            whole[r0:r1, c0:c1] = seen.to_numpy() > 0.0
            yield whole, spent


def grass(heights: np.ndarray, cell_m: float, observers: np.ndarray) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        for row, col, height, range_m in observers:
            r0, r1, c0, c1 = _window(heights, row, col, range_m / cell_m)
            raw, out, used = Path(folder, "dem.bin"), Path(folder, "seen.bin"), Path(folder, "cpu.txt")
            np.ascontiguousarray(heights[r0:r1, c0:c1]).tofile(raw)
            place = f"north={-r0 * cell_m} south={-r1 * cell_m} west={c0 * cell_m} east={c1 * cell_m}"
            script = Path(folder, "run.sh")
            script.write_text(
                f"set -e\nr.in.bin --o --q -f input={raw} output=dem bytes=4 rows={r1 - r0} cols={c1 - c0} {place}\n"
                "g.region raster=dem\n"
                f"python3 {Path(__file__).resolve()} --timed {used} r.viewshed --o --q -c -r -b input=dem output=seen "
                f"coordinates={(col + 0.5) * cell_m},{-(row + 0.5) * cell_m} observer_elevation={height} "
                f"target_elevation=0 max_distance={range_m} refraction_coeff={1.0 / 7.0} memory=2000\n"
                f"r.out.bin --o --q input=seen output={out} bytes=1 null=0\n"
            )
            subprocess.run(
                ["grass", "--tmp-location", "XY", "--exec", "bash", str(script)], check=True, capture_output=True
            )
            whole = np.zeros(heights.shape, np.uint8)
            whole[r0:r1, c0:c1] = np.fromfile(out, np.uint8).reshape(r1 - r0, c1 - c0)
            yield whole, float(used.read_text())


def _window(heights: np.ndarray, row: float, col: float, reach: float) -> tuple[int, int, int, int]:
    """The square of cells that the range touches: tools without a range of their own get no more to do than we."""
    rows, cols = heights.shape
    size = int(reach)
    return (
        max(0, int(row) - size),
        min(rows, int(row) + size + 1),
        max(0, int(col) - size),
        min(cols, int(col) + size + 1),
    )


def _timed(command: list[str], report: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report.write_text(str(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))


PEERS: dict[str, Callable[[np.ndarray, float, np.ndarray], Answer]] = {
    "GRASS r.viewshed": grass,
    "whitebox-workflows": whitebox,
    "xarray-spatial": xarray_spatial,
}

if __name__ == "__main__":
    if sys.argv[1] == "--timed":
        _timed(sys.argv[3:], Path(sys.argv[2]))
    else:
        name, work, answer = sys.argv[1:]
        given = np.load(work)
        results = list(PEERS[name](given["heights"], float(given["cell_m"]), given["observers"]))
        np.savez_compressed(answer, seen=np.stack([s for s, _ in results]), seconds=np.array([t for _, t in results]))
