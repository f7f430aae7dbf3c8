"""The wide survey over real processes: Dask workers, one killed, a running cluster, Ctrl-C in the terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mosaics
import numpy as np
import places
import psutil
import pytest

from kuntur.errors import LinkError, TerrainError
from kuntur.geodesy import posts
from kuntur.io import mosaic
from kuntur.ops import survey, wide
from kuntur.ops.cluster import Cluster, mapped
from kuntur.ops.window import Looks

pytestmark = pytest.mark.timeout(300)  # processes start slowly on a machine that is busy otherwise
SOUTH, WEST = -33.1, -70.1
LOOKS = Looks(height_agl_m=150.0, range_m=1500.0)
BLOCK = 48


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return mosaics.write_block(tmp_path_factory.mktemp("tiles"), SOUTH, WEST, 2, 2)


@pytest.fixture(scope="module")
def terrain(tiles: list[Path]) -> mosaic.Mosaic:
    return mosaic.describe(tiles)


def lattice(terrain: mosaic.Mosaic) -> Iterator[np.ndarray]:
    return posts.lattice(terrain.bounds_deg, 1200.0)


@pytest.fixture(scope="module")
def expected(terrain: mosaic.Mosaic, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """From one process and one window."""
    return rasters(wide.wide_survey(terrain, lattice(terrain), LOOKS, tmp_path_factory.mktemp("one"), block=512))


def rasters(result: wide.Wide) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in result.rasters.items()}


def workers_of(process: int) -> list[psutil.Process]:
    """Dask's worker processes below this one."""
    return [p for p in psutil.Process(process).children(recursive=True) if any("spawn_main" in a for a in p.cmdline())]


def test_local_workers_give_the_same_bytes_and_leave_nothing_behind(
    terrain: mosaic.Mosaic, expected: dict[str, bytes], tmp_path: Path
) -> None:
    seen: list[int] = []
    listening: set[str] = set()

    def progress(fraction: float, words: str) -> None:
        if "windows" in words and not seen:
            seen.extend(p.pid for p in workers_of(os.getpid()))
            for process in (psutil.Process(), *workers_of(os.getpid())):
                ports = [c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
                listening.update(c.laddr.ip for c in ports)

    result = wide.wide_survey(
        terrain, lattice(terrain), LOOKS, tmp_path, block=BLOCK, cluster=Cluster(workers=2), progress=progress
    )
    assert rasters(result) == expected
    assert len(seen) == 2
    assert listening == {"127.0.0.1"}
    assert not any(psutil.pid_exists(pid) for pid in seen)


def test_a_worker_killed_on_the_way_changes_nothing(
    terrain: mosaic.Mosaic, expected: dict[str, bytes], tmp_path: Path
) -> None:
    killed: list[int] = []

    def progress(fraction: float, words: str) -> None:
        if words.startswith(("2 of", "9 of")):
            victim = workers_of(os.getpid())[0]
            victim.send_signal(signal.SIGKILL)
            killed.append(victim.pid)

    result = wide.wide_survey(
        terrain, lattice(terrain), LOOKS, tmp_path, block=BLOCK, cluster=Cluster(workers=2), progress=progress
    )
    assert len(set(killed)) == 2
    assert rasters(result) == expected


def end_of_worker(shared: int, value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


@pytest.mark.slow
def test_work_that_ends_every_worker_is_one_clear_error() -> None:
    with pytest.raises(LinkError, match="ended every worker") as raised:
        list(mapped(end_of_worker, 0, [1], Cluster(workers=1)))
    assert "memory" in raised.value.remedy


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Dask cluster started as its own manual says: one scheduler, one worker, on the loopback interface."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
        [
            *dask, "worker", "--scheduler-file", str(file), "--nthreads", "2", "--no-dashboard", "--host", "127.0.0.1",
            "--local-directory", str(folder),
        ],
    ]  # fmt: skip
    started = []
    try:
        for command in commands:
            started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder))
            limit = time.monotonic() + 30.0
            while not file.exists():
                assert time.monotonic() < limit, "the Dask scheduler did not start"
                time.sleep(0.05)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait(10)


def test_a_running_cluster_gives_the_same_bytes(
    terrain: mosaic.Mosaic, expected: dict[str, bytes], scheduler: str, tmp_path: Path
) -> None:
    result = wide.wide_survey(
        terrain, lattice(terrain), LOOKS, tmp_path, block=BLOCK, cluster=Cluster(scheduler=scheduler)
    )
    assert rasters(result) == expected


def test_an_area_is_surveyed_to_the_same_bytes_on_a_cluster(scheduler: str) -> None:
    area = places.ridge_area()
    here, there = survey.survey(area), survey.survey(area, cluster=Cluster(scheduler=scheduler))
    assert here.rates_hz.max() > 0.0
    assert here.rates_hz.tobytes() == there.rates_hz.tobytes()
    assert here.sight_count.tobytes() == there.sight_count.tobytes()


def test_a_worker_that_cannot_open_the_terrain_names_itself_and_the_file(scheduler: str, tmp_path: Path) -> None:
    path = mosaics.write_tile(tmp_path / "gone_srtm.tif", SOUTH, WEST)
    terrain = mosaic.describe([path])
    path.unlink()
    with pytest.raises(TerrainError, match=r"cannot open the terrain file .*gone_srtm") as raised:
        wide.wide_survey(
            terrain, [np.array([[WEST + 0.02, SOUTH + 0.02]])], LOOKS, tmp_path / "out",
            cluster=Cluster(scheduler=scheduler),
        )  # fmt: skip
    assert "same paths" in raised.value.remedy


def test_no_scheduler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuntur.ops.cluster.ANSWER_S", 1)
    with pytest.raises(LinkError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9") as raised:
        list(mapped(end_of_worker, 0, [1], Cluster(scheduler="tcp://127.0.0.1:9")))
    assert "dask scheduler" in raised.value.remedy


@pytest.mark.parametrize(
    "more", [[], pytest.param(["--workers", "2"], marks=pytest.mark.slow)], ids=["threads", "workers"]
)
def test_ctrl_c_in_the_terminal_leaves_a_survey_that_goes_on(
    tiles: list[Path], expected: dict[str, bytes], tmp_path: Path, more: list[str]
) -> None:
    """SIGINT goes to the whole process group, as a terminal sends it."""
    folder = tmp_path / "out"
    # A suite started in a shell's background hands down an ignored SIGINT: the program under test gets its own back.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from kuntur import cli; cli.main()"
    )
    command = [
        sys.executable, "-c", start, "survey", "--terrain", f"{tiles[0].parent}/*.tif",
        "--every-km", "1.2", "--height", "150", "--range", "1500", "--block", str(BLOCK), "--out", str(folder), *more,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    limit = time.monotonic() + 60.0
    while len(list(folder.glob("windows/*.json"))) < 3:
        assert time.monotonic() < limit and process.poll() is None, process.communicate()
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    words = " ".join(told.decode().split())
    assert process.returncode == 130, words
    assert "Traceback" not in words
    assert "windows are finished" in words and "goes on from there" in words
    finished = {path.name for path in folder.glob("windows/*.json")}
    assert len(finished) < 64
    assert not (folder / "survey.json").exists()
    again = subprocess.run(command, capture_output=True, timeout=100)
    assert again.returncode == 0, again.stderr.decode()
    assert "viewpoints see" in again.stdout.decode()
    assert {name: (folder / f"{name}.tif").read_bytes() for name in expected} == expected
