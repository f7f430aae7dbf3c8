"""Radio links beside SPLAT! and itmlogic, on the very profiles that SPLAT! read out of its terrain.

All three get the same heights, antennas and frequency, average land and an effective radius of 4/3; compared is the
median loss beyond free space. SPLAT! (Debian) runs as a user runs it, one process a link, with Longley-Rice (`-olditm`)
and with its default, ITWOM 3.0; itmlogic is the Longley-Rice model in Python. Neither is the truth: their model is
statistical, holds for horizons less than 200 mrad up, and says itself where it was asked more than that.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import terrain
from figures import Figure, best_cpu_s
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import grid
from kuntur.model.assets import Radio
from kuntur.model.place import LocalFrame, Terrain
from kuntur.visibility import radio

ROOT = Path(__file__).resolve().parents[1]
SURVEYS = ROOT.parent / "shared" / "data" / "terrain"
PYTHON = ROOT / "build" / "bench" / "bin" / "python"
POSTS = 1201  # along a side of the only tiles that SPLAT! reads: one degree at 3"
MASTS_AGL_M = (10.0, 120.0)  # a mast at the base, an aircraft
FREQUENCIES_HZ = (915e6, 2400e6)
LINKS = 40
PATIENCE_S = 2.0
MODELS: tuple[radio.Diffraction, ...] = (
    "delta_bullington",
    "deygout",
)  # Bullington alone gives the first's figures here
FloatArray = NDArray[np.float64]


class Tile(Struct, frozen=True, kw_only=True):
    """One degree of heights, row 0 in the north; `part`: the rows and columns that are real."""

    name: str
    south_deg: int
    west_deg: int
    heights_m: NDArray[np.int16]
    part: tuple[int, int, int, int] = (0, POSTS, 0, POSTS)


class Links(Struct, frozen=True, kw_only=True):
    """Links of a tile with SPLAT!'s profiles (from the mast to the aircraft) and what it said of them."""

    ground: radio.Profiles
    frequency_hz: FloatArray
    loss_db: dict[str, FloatArray]
    warned: dict[str, NDArray[np.bool_]]
    seconds: dict[str, float]
    endless: int

    def ends_m(self) -> tuple[FloatArray, FloatArray]:
        first, last = self.ground.starts[:-1], self.ground.starts[1:] - 1
        return self.ground.height_m[first] + MASTS_AGL_M[0], self.ground.height_m[last] + MASTS_AGL_M[1]


def figures() -> tuple[list[Figure], list[str]]:
    """The rows of the table, and a note for each peer or tile that is missing."""
    if shutil.which("splat") is None or shutil.which("srtm2sdf") is None:
        return [], ["- Missing peer: SPLAT! (Debian package splat); without its profiles itmlogic is not compared."]
    found, notes = [], []
    for tile in _tiles(notes):
        with tempfile.TemporaryDirectory() as folder:
            links = _splat(tile, Path(folder))
            area = _splat_area(tile, Path(folder))
        itm = _itmlogic(links)
        if isinstance(itm, str):
            notes.append(f"- Missing peer: itmlogic: {itm}.")
        found += [*_differences(tile, links), *area]
    return found, list(dict.fromkeys(notes))


def _tiles(notes: list[str]) -> list[Tile]:
    made = np.round(terrain.andes(POSTS)).astype(np.int16)
    tiles = [Tile(name='Andes, synthetic 3"', south_deg=-18, west_deg=-69, heights_m=made)]
    for name, file, south, west in (
        ('Davos, SRTM 1" at every third post', "davos_srtm1.tif", 46, 9),
        ('Aconcagua, SRTM 3"', "S33W071_srtm3_filled.tif", -33, -71),
    ):
        if (SURVEYS / file).exists():
            tiles.append(_survey_tile(SURVEYS / file, name, south, west))
        else:
            notes.append(f"- {name} is missing: no {file} in the folder of survey data beside the repository.")
    return tiles


def _survey_tile(file: Path, name: str, south_deg: int, west_deg: int) -> Tile:
    import rasterio

    with rasterio.open(file) as raster:
        heights, across, down = raster.read(1), raster.transform.a, raster.transform.e
        # Posts are where the file says its pixels begin or end up to half a pixel: nearest is near enough here.
        column = np.round((west_deg + np.arange(POSTS) / (POSTS - 1) - raster.transform.c) / across).astype(int)
        row = np.round((south_deg + 1 - np.arange(POSTS) / (POSTS - 1) - raster.transform.f) / down).astype(int)
    rows, cols = ((k >= 0) & (k < size) for k, size in zip((row, column), heights.shape, strict=True))
    tile = np.zeros((POSTS, POSTS), np.int16)
    tile[np.ix_(rows, cols)] = heights[np.ix_(row[rows], column[cols])]
    inside = [np.flatnonzero(k) for k in (rows, cols)]
    part = (int(inside[0][0]), int(inside[0][-1]) + 1, int(inside[1][0]), int(inside[1][-1]) + 1)
    return Tile(name=name, south_deg=south_deg, west_deg=west_deg, heights_m=tile, part=part)


def _write_tile(tile: Tile, folder: Path) -> None:
    ns, ew = "NS"[tile.south_deg < 0], "EW"[tile.west_deg < 0]
    name = f"{ns}{abs(tile.south_deg):02d}{ew}{abs(tile.west_deg):03d}.hgt"
    tile.heights_m.astype(">i2").tofile(folder / name)
    subprocess.run(["srtm2sdf", name], cwd=folder, check=True, capture_output=True)


def _write_site(folder: Path, name: str, lat_deg: float, lon_deg: float, agl_m: float, frequency_hz: float) -> None:
    (folder / f"{name}.qth").write_text(f"{name}\n{lat_deg:.6f}\n{-lon_deg:.6f}\n{agl_m} m\n")
    lines = ("22.000", "0.003", "301.000", f"{frequency_hz / 1e6:.3f}", "5", "1", "0.50", "0.50")
    (folder / f"{name}.lrp").write_text("".join(f"{line} ;\n" for line in lines))


def _run_splat(folder: Path, *words: str, patience_s: float | None = None) -> float:
    """CPU seconds of one run; infinite where it had to be stopped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(
            ["splat", "-d", ".", "-metric", *words], cwd=folder, check=True, capture_output=True, timeout=patience_s
        )
    except subprocess.TimeoutExpired:
        return float("inf")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _report(folder: Path, pair: tuple[str, ...], name: str) -> tuple[float, bool, float] | None:
    """Path loss, whether the model doubts it, CPU seconds; None where SPLAT! 1.4.2 loops without end.

    It does so in its analysis of obstructions, on some links with ground high over the line; it has no switch for that.
    """
    (folder / "mast-to-air.txt").unlink(missing_ok=True)
    choice = ("-olditm",) if "Longley" in name else ()
    seconds = _run_splat(folder, *pair, *choice, patience_s=PATIENCE_S)
    if np.isinf(seconds):
        return None
    report = (folder / "mast-to-air.txt").read_text("latin-1")
    whole = float(re.findall(r"path loss: ([\d.]+) dB", report)[1])  # behind the one of free space
    return whole, "No error" not in report.split("error number")[1][:40], seconds


def _splat(tile: Tile, folder: Path) -> Links:
    """SPLAT! over random links of 2 to 25 km: its reports, and the profiles it took out of the tile."""
    _write_tile(tile, folder)
    rng = np.random.default_rng(5)
    row0, row1, col0, col1 = tile.part
    starts, distances, heights, frequencies = [0], [], [], []
    loss: dict[str, list[float]] = {"SPLAT! Longley-Rice": [], "SPLAT! ITWOM": []}
    warned: dict[str, list[bool]] = {name: [] for name in loss}
    seconds: dict[str, list[float]] = {name: [] for name in loss}
    endless = 0
    while len(frequencies) < LINKS:
        a = np.array([rng.uniform(row0 + 5, row1 - 5), rng.uniform(col0 + 5, col1 - 5)])
        angle, length = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(2.0, 25.0) / 0.0927
        b = a + length * np.array([np.sin(angle), np.cos(angle)])
        if not (row0 + 5 < b[0] < row1 - 5 and col0 + 5 < b[1] < col1 - 5):
            continue
        frequency_hz = FREQUENCIES_HZ[len(frequencies) % 2]
        for name, (row, col), agl_m in (("mast", a, MASTS_AGL_M[0]), ("air", b, MASTS_AGL_M[1])):
            lat_deg = tile.south_deg + 1.0 - row / (POSTS - 1)
            _write_site(folder, name, lat_deg, tile.west_deg + col / (POSTS - 1), agl_m, frequency_hz)
        pair = ("-t", "mast.qth", "-r", "air.qth")
        runs = {name: _report(folder, pair, name) for name in loss}
        if any(run is None for run in runs.values()):
            endless += 1
            continue
        for name, run in runs.items():
            assert run is not None
            loss[name].append(run[0])
            warned[name].append(run[1])
            seconds[name].append(run[2])
        # Plotted the other way round, the profile begins at the mast as the report's does. The report's last answer is
        # for the aircraft two points short of its place (its loop ends there, the model is told of one point less).
        _run_splat(folder, "-t", "air.qth", "-r", "mast.qth", "-N", "-gpsav", "-p", "profile.png")
        profile = np.loadtxt(folder / "profile.gp")[:-2]
        step_m = 1e3 * float(profile[1, 0])
        free_db = float(radio.free_space_db(step_m * (len(profile) - 1), frequency_hz))
        for name in loss:
            loss[name][-1] -= free_db
        distances.append(step_m * np.arange(len(profile)))
        heights.append(profile[:, 1])
        starts.append(starts[-1] + len(profile))
        frequencies.append(frequency_hz)
    ground = radio.Profiles(
        starts=np.array(starts), distance_m=np.concatenate(distances), height_m=np.concatenate(heights)
    )
    return Links(
        ground=ground,
        frequency_hz=np.array(frequencies),
        loss_db={name: np.array(v) for name, v in loss.items()},
        warned={name: np.array(v) for name, v in warned.items()},
        seconds={name: float(np.median(v)) for name, v in seconds.items()},
        endless=endless,
    )


def _itmlogic(links: Links) -> str | None:
    """Add itmlogic's answers to the links; what went wrong if it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        work, answer = Path(folder, "work.npz"), Path(folder, "answer.npz")
        count = len(links.frequency_hz)
        np.savez(
            work, starts=links.ground.starts, height_m=links.ground.height_m,
            step_m=links.ground.distance_m[links.ground.starts[:-1] + 1],
            masts_agl_m=np.tile(MASTS_AGL_M, (count, 1)), frequency_hz=links.frequency_hz,
        )  # fmt: skip
        try:
            command = [str(PYTHON), str(Path(__file__).with_name("itm_program.py")), str(work), str(answer)]
            subprocess.run(command, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            last = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip().splitlines()[-1:]
            return " ".join([type(error).__name__, *last])
        with np.load(answer) as found:
            links.loss_db["itmlogic"] = found["loss_db"]
            links.warned["itmlogic"] = found["warned"] > 0
            links.seconds["itmlogic"] = float(found["seconds"]) / count
    return None


def _ours(links: Links, model: radio.Diffraction) -> FloatArray:
    loss_db = np.empty(len(links.frequency_hz))
    first_m, last_m = links.ends_m()
    for frequency_hz in FREQUENCIES_HZ:
        of = links.frequency_hz == frequency_hz
        whole = radio.profile_diffraction_db(
            links.ground, first_m, last_m, frequency_hz, model=model, polarisation="vertical", threads=1
        )
        loss_db[of] = whole[of]
    return loss_db


def _differences(tile: Tile, links: Links) -> list[Figure]:
    ours_s = best_cpu_s(lambda: _ours(links, "delta_bullington")) / (2 * LINKS)  # every link at both frequencies
    found = []
    for peer, theirs in links.loss_db.items():
        for model in MODELS:
            ours = _ours(links, model)
            difference = ours - theirs
            seen = ours < 0.5
            found.append(
                Figure(
                    figure=f"{tile.name}: {LINKS} links of 2-25 km, {model}, mean loss beyond free space, dB",
                    ours=float(ours.mean()), peer=peer, peer_value=float(theirs.mean()),
                    accuracy=f"difference sd {difference.std():.1f}, worst {_worst(difference):+.1f} dB; "
                    f"{int(seen.sum())} clear links {_mean(difference[seen])}, others {_mean(difference[~seen])} dB; "
                    f"{peer} doubts {int(links.warned[peer].sum())} of its answers, "
                    f"the others {_mean(difference[~links.warned[peer]])} dB",
                )
            )  # fmt: skip
        splat = peer.startswith("SPLAT")
        found.append(
            Figure(
                figure=f"{tile.name}: a link on its profile, CPU us", ours=ours_s * 1e6, peer=peer,
                peer_value=links.seconds[peer] * 1e6, ratio=links.seconds[peer] / ours_s,
                accuracy=f"median of its processes; on {links.endless} more links they did not end" if splat else "",
            )
        )  # fmt: skip
    return found


def _worst(difference: FloatArray) -> float:
    return float(difference[np.abs(difference).argmax()])


def _mean(difference: FloatArray) -> str:
    return "none" if len(difference) == 0 else f"{difference.mean():+.1f} +- {difference.std():.1f}"


def _splat_area(tile: Tile, folder: Path) -> list[Figure]:
    """A mast's field: SPLAT!'s path loss map of 15 km against ours over as many cells as it computed."""
    row0, row1, col0, col1 = tile.part
    row, col = 0.5 * (row0 + row1), 0.5 * (col0 + col1)
    lat_deg, lon_deg = tile.south_deg + 1.0 - row / (POSTS - 1), tile.west_deg + col / (POSTS - 1)
    _write_site(folder, "mast", lat_deg, lon_deg, MASTS_AGL_M[0], FREQUENCIES_HZ[1])
    start_s = _run_splat(folder, "-t", "mast.qth", "-L", "120", "-R", "0.5", "-olditm", "-N")
    spent_s = (
        _run_splat(folder, "-t", "mast.qth", "-L", "120", "-R", "15", "-olditm", "-N", "-ano", "loss.txt") - start_s
    )
    pixels = sum(1 for _ in (folder / "loss.txt").open(encoding="latin-1")) - 2
    land = Terrain(
        frame=LocalFrame(lat0_deg=lat_deg, lon0_deg=lon_deg), heights_m=tile.heights_m.astype(np.float32),
        cell_m=90.0, west_m=-col * 90.0, north_m=row * 90.0, vertical_datum="EGM96", product=tile.name,
        sketched=True, attribution="made for the benchmark",
    )  # fmt: skip
    lattice = grid.lattice(land, 90.0, (-13_300.0, -13_300.0, 13_300.0, 13_300.0))  # the area of a circle of 15 km
    mast_m = np.array([0.0, 0.0, float(grid.height_at(land, 0.0, 0.0)) + MASTS_AGL_M[0]])
    known = Radio(
        id="bench", name="bench", frequency_hz=FREQUENCIES_HZ[1], tx_power_dbm=30.0, antenna_gain_dbi=2.0,
        sensitivity_dbm=-100.0, max_range_m=None, source="round figures",
    )  # fmt: skip
    cells = lattice.rows * lattice.cols
    ours_s = best_cpu_s(
        lambda: radio.field_db(land, lattice, mast_m, known, height_agl_m=MASTS_AGL_M[1], threads=1)
    )  # fmt: skip
    return [
        Figure(
            figure=f'{tile.name}: field of a mast over 15 km, thousand links/s/core', ours=cells / ours_s / 1e3,
            peer="SPLAT! Longley-Rice", peer_value=pixels / spent_s / 1e3, ratio=cells / ours_s / (pixels / spent_s),
            accuracy=f"{cells} cells, {pixels} of its points; its start left out",
        )
    ]  # fmt: skip
