"""A survey larger than memory: what many viewpoints see of a mosaic of tiles, a window at a time.

The output is cut into windows. A window's work is one pure function of the terrain around it and of the viewpoints
whose discs touch it, so the bytes are the same whatever the size of the windows, in one process or on a cluster. Each
finished window is kept as files; a run that was stopped goes on where it stopped. At last the windows become one Cloud
Optimized GeoTIFF a quantity.

Sight is worked out on the grid in degrees itself, without resampling: `geodesy.posts` says how wrong that can be, and
`ops.viewpoints` refuses ranges and latitudes where it would be half a post.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import BusyError, ConfigError, StoreError, TerrainError
from kuntur.io import elevation, mosaic, windows
from kuntur.io.mosaic import Mosaic
from kuntur.ops import cluster as clusters
from kuntur.ops import viewpoints
from kuntur.ops.cluster import HERE, Cluster
from kuntur.ops.window import ALWAYS, Finished, Job, Looks, Tally, Window, around, grid, look, name_of, nodata
from kuntur.visibility import viewshed

FloatArray = NDArray[np.float64]
Progress = Callable[[float, str], None]
BLOCK = 2048
MOST_POSTS = 120_000_000
"""Terrain that one window may need at once: 480 MB of heights."""
WORDS: dict[viewshed.Quantity, str] = {
    "count": "viewpoints that see a target here",
    "unknown": "viewpoints for which it is unknown: void here, or on the way",
    "best_slant_m": "metres to the nearest viewpoint that sees a target here",
    "least_height_m": "metres above ground from which on something here is seen",
    "exposure": "detection rate times the viewpoints' time, summed",
}


class Record(Struct, frozen=True, kw_only=True):
    """What stands beside a finished window's files: the key they were made for, and their hashes."""

    row0: int
    col0: int
    key: str
    files: dict[str, str]
    tally: Tally


class Wide(Struct, frozen=True, kw_only=True):
    """What a wide survey leaves: its rasters by quantity, and its summary, as in survey.json."""

    rasters: dict[viewshed.Quantity, Path]
    summary: dict[str, Any]


def wide_survey(
    terrain: Mosaic,
    places: Iterable[FloatArray],
    looks: Looks,
    folder: Path,
    *,
    block: int = BLOCK,
    cluster: Cluster = HERE,
    progress: Progress = lambda fraction, words: None,
) -> Wide:
    """Survey a mosaic from `places` (arrays of lon_deg, lat_deg, as `ops.viewpoints` streams them) into `folder`.

    The rasters cover the posts that some viewpoint has in range. The same call again does what is left to do, and does
    again what was made from other terrain, viewpoints or looks. Raises TerrainError for a viewpoint outside the mosaic,
    a range too far for the latitude, damaged or changed terrain, or no viewpoint with known ground; StoreError where
    the folder cannot be written.
    """
    _require_usable(looks, block)
    with _own(folder), tempfile.TemporaryDirectory(prefix=".viewpoints-", dir=folder) as spool:
        bins = viewpoints.sort_into_bins(terrain, places, looks.range_m, block, Path(spool))
        job = Job(terrain=terrain, looks=looks)
        rasters = {name: folder / f"{name}.tif" for name in looks.wanted}
        inputs_sha256 = _hash(_made_from(job), terrain.sheets, bins.sha256)
        if summary := _done_before(folder, rasters, inputs_sha256):
            return Wide(rasters=rasters, summary=summary)
        records = _look_everywhere(job, bins, block, folder, cluster, progress)
        summary = _summary(job, bins, records, inputs_sha256)
        if summary["viewpoints"]["without_ground"] == bins.count:
            raise TerrainError(
                f"None of the {bins.count} viewpoints has known ground below it.", remedy="Add the tiles they lie in."
            )
        _assemble(job, bins, records, summary, rasters, block, progress)
        summary["rasters"] = {path.name: _sha256(path) for path in rasters.values()}
        _put(folder / "survey.json", msgspec.json.format(msgspec.json.encode(summary), indent=1))
        progress(1.0, "surveyed")
        return Wide(rasters=rasters, summary=summary)


def survey_files(
    sources: Sequence[str | Path],
    looks: Looks,
    folder: Path,
    *,
    route: Path | None = None,
    points: Path | None = None,
    every_m: float | None = None,
    step_m: float = 100.0,
    vertical_datum: str | None = None,
    block: int = BLOCK,
    cluster: Cluster = HERE,
    progress: Progress = lambda fraction, words: None,
) -> Wide:
    """A wide survey of terrain files, folders and patterns, from the viewpoints that are given in one of three ways.

    route: a GeoJSON line, sampled each `step_m`. points: GeoJSON points. every_m: a lattice over the whole mosaic.
    """
    if sum(one is not None for one in (route, points, every_m)) != 1:
        raise ConfigError(
            "A survey of terrain files needs to know where it is seen from.",
            remedy="Give an AREA, or one of --route, --viewpoints, --every-km.",
        )
    terrain = mosaic.describe(
        elevation.files(sources, Path()),
        vertical_datum=vertical_datum,
        progress=lambda fraction, words: progress(0.05 * fraction, words),
    )
    if route is not None:
        places = viewpoints.route(route, step_m)
    elif points is not None:
        places = viewpoints.points(points)
    else:
        places = viewpoints.lattice(terrain, every_m or 0.0)
    return wide_survey(terrain, places, looks, folder, block=block, cluster=cluster, progress=progress)


def _require_usable(looks: Looks, block: int) -> None:
    for name, value in (("height", looks.height_agl_m), ("range", looks.range_m)):
        if not (math.isfinite(value) and value > 0.0):
            raise ConfigError(f"A {name} of {value:g} m cannot be surveyed.", remedy="Give metres, more than zero.")
    if not (math.isfinite(looks.target_height_m) and looks.target_height_m >= 0.0):
        raise ConfigError("A target stands on the ground or above it.", remedy="Give its height from 0 m.")
    if ("exposure" in looks.quantities) != (looks.rate is not None):
        raise ConfigError("Exposure needs a rate table, and a rate table is for exposure.", remedy="Give both.")
    if not 32 <= block <= 16_384:
        raise ConfigError(f"Windows of {block} posts are not made.", remedy="Give 32 to 16384; 2048 is usual.")


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Hold the folder for this run alone, without what a run that was killed has left half-done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(
                    f"Another survey is writing to {folder}.", remedy="Wait for it, or give another folder."
                ) from error
            for spool in folder.glob(".viewpoints-*"):
                shutil.rmtree(spool)
            for partial in (*folder.glob(".*.tif.*"), *folder.rglob("*.part")):
                partial.unlink(missing_ok=True)
            yield
    except OSError as error:
        raise StoreError(
            f"The survey cannot be written to {folder}: {error}.",
            remedy="Make room or give another folder; the same command goes on from what is finished.",
        ) from error


def _look_everywhere(
    job: Job, bins: viewpoints.Bins, block: int, folder: Path, cluster: Cluster, progress: Progress
) -> dict[str, Record]:
    """The records of all windows, by name; those that are not finished yet are looked at."""
    places = bins.windows(block)
    store = folder / "windows"
    store.mkdir(exist_ok=True)
    records: dict[str, Record] = {}
    passed: list[str] = []  # touched by no viewpoint after all

    def unfinished() -> Iterator[Window]:
        for row0, col0 in places:
            window = _window(job, bins, row0, col0, block)
            if record := _kept(store, window):
                records[window.name] = record
            elif len(window.viewpoints):
                yield window
            else:
                passed.append(window.name)

    try:
        with closing(clusters.mapped(look, job, unfinished(), cluster)) as finished:
            for done in finished:
                records[name_of(done.row0, done.col0)] = _keep(store, done)
                number = len(records) + len(passed)
                progress(0.05 + 0.8 * number / len(places), f"{number} of {len(places)} windows")
    except KeyboardInterrupt as stop:
        stop.add_note(f"{len(records)} windows are finished in {folder}; the same command goes on from there.")
        raise
    for stale in store.iterdir():
        if stale.name.split(".")[0] not in records:
            stale.unlink()
    return dict(sorted(records.items()))


def _window(job: Job, bins: viewpoints.Bins, row0: int, col0: int, block: int) -> Window:
    terrain = job.terrain
    rows, cols = min(block, terrain.rows - row0), min(block, terrain.cols - col0)
    window = Window(
        row0=row0, col0=col0, rows=rows, cols=cols,
        viewpoints=bins.reaching(row0, col0, row0 + rows, col0 + cols),
    )  # fmt: skip
    if not len(window.viewpoints):
        return window
    top, left, bottom, right = around(terrain, window)
    if (bottom - top) * (right - left) > MOST_POSTS:
        raise ConfigError(
            f"One window needs {(bottom - top) * (right - left) / 1e6:.0f} million posts of terrain at once.",
            remedy="Look less far, give a smaller --block, or take coarser terrain.",
        )
    sheets = terrain.within(top, left, bottom - top, right - left)
    seen_from = hashlib.sha256(window.viewpoints.tobytes()).hexdigest()
    key = _hash(_made_from(job), sheets, (row0, col0, rows, cols), seen_from, _core_sha256())
    return msgspec.structs.replace(window, key=key)


def _made_from(job: Job) -> tuple[Any, ...]:
    """What every window's bytes depend on, beside its terrain and its viewpoints."""
    terrain = job.terrain
    steps = (terrain.step_lat_deg, terrain.step_lon_deg)
    return version("kuntur"), job.looks, (terrain.rows, terrain.cols, terrain.north_deg, terrain.west_deg), steps


def _hash(made_from: tuple[Any, ...], sheets: Iterable[mosaic.Sheet], *more: Any) -> str:
    places = [(sheet.row0, sheet.col0, sheet.sha256) for sheet in sheets]
    return hashlib.sha256(msgspec.json.encode((*made_from, places, *more), enc_hook=_plain)).hexdigest()


@lru_cache(maxsize=1)
def _core_sha256() -> str:
    """Of the compiled core: another build is not trusted to have the same bits."""
    found = find_spec("kuntur._core")
    return _sha256(Path(found.origin)) if found and found.origin else ""


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value)} is not part of a key")


def _kept(store: Path, window: Window) -> Record | None:
    """The record of a window that was finished before from the same inputs and whose files are whole."""
    try:
        record = msgspec.json.decode((store / f"{window.name}.json").read_bytes(), type=Record)
        whole = all(_sha256(store / f"{window.name}.{name}.tif") == sha256 for name, sha256 in record.files.items())
    except (OSError, msgspec.DecodeError):
        return None
    return record if whole and record.key == window.key else None


def _keep(store: Path, done: Finished) -> Record:
    """Write a finished window: its files, and last the record that makes them count."""
    window = name_of(done.row0, done.col0)
    files: dict[str, str] = {}
    for name, data in done.files.items():
        _put(store / f"{window}.{name}.tif", data)
        files[name] = hashlib.sha256(data).hexdigest()
    record = Record(row0=done.row0, col0=done.col0, key=done.key, files=files, tally=done.tally)
    _put(store / f"{window}.json", msgspec.json.encode(record))
    return record


def _put(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(data)
    partial.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _summary(job: Job, bins: viewpoints.Bins, records: dict[str, Record], inputs_sha256: str) -> dict[str, Any]:
    terrain, looks = job.terrain, job.looks
    tallies = [record.tally for record in records.values()]
    return {
        "kuntur": version("kuntur"),
        "core_sha256": _core_sha256(),
        "terrain": {
            "product": terrain.product,
            "vertical_datum": terrain.vertical_datum,
            "attribution": terrain.attribution,
            "files": {sheet.tile.path.name: sheet.sha256 for sheet in terrain.sheets},
        },
        "viewpoints": {
            "count": bins.count,
            "without_ground": sum(tally.without_ground for tally in tallies),
            "height_agl_m": looks.height_agl_m,
            "range_m": looks.range_m,
        },
        "target_height_m": looks.target_height_m,
        "mode": looks.mode,
        "refraction": looks.refraction,
        "line_error_m": round(bins.worst_bend_m, 3),
        "seen_km2": round(math.fsum(tally.seen_km2 for tally in tallies), 3),
        "unknown_km2": round(math.fsum(tally.unknown_km2 for tally in tallies), 3),
        "inputs_sha256": inputs_sha256,
    }


def _assemble(
    job: Job,
    bins: viewpoints.Bins,
    records: dict[str, Record],
    summary: dict[str, Any],
    rasters: dict[viewshed.Quantity, Path],
    block: int,
    progress: Progress,
) -> None:
    """One COG a quantity from the windows' files."""
    row0, col0, row1, col1 = bins.bounds
    tags = {
        "terrain": summary["terrain"]["product"],
        "attribution": summary["terrain"]["attribution"],
        "viewpoints": f"{bins.count}, {job.looks.height_agl_m:g} m above ground, range {job.looks.range_m:g} m",
        "inputs_sha256": summary["inputs_sha256"],
    }
    for number, (name, path) in enumerate(rasters.items()):
        progress(0.85 + 0.15 * number / len(rasters), f"putting {path.name} together")
        pieces = [
            windows.Piece(
                path=path.parent / "windows" / f"{window}.{name}.tif",
                row0=record.row0 - row0, col0=record.col0 - col0, rows=block, cols=block,
            )
            for window, record in records.items() if record.files
        ]  # fmt: skip
        windows.assemble(
            path, grid(job.terrain, (row0, col0, row1, col1)), pieces,
            dtype="uint16" if name in ALWAYS else "float32", nodata=nodata(name), description=WORDS[name], tags=tags,
        )  # fmt: skip


def _done_before(folder: Path, rasters: dict[Any, Path], inputs_sha256: str) -> dict[str, Any] | None:
    """The summary of a survey that was finished here from the same inputs and whose rasters are whole."""
    try:
        summary: dict[str, Any] = msgspec.json.decode((folder / "survey.json").read_bytes())
        same = summary["inputs_sha256"] == inputs_sha256 and summary["core_sha256"] == _core_sha256()
        whole = same and summary["rasters"] == {path.name: _sha256(path) for path in rasters.values()}
    except (OSError, KeyError, TypeError, msgspec.DecodeError):
        return None
    return summary if whole else None
