"""The build keeps its promises: locks without hosts, one version, the floors, the geoid grid, a wheel with its page."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import rasterio

import kuntur
from check_locks import faults_of_node_lock, faults_of_python_lock


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this virtual environment and catch its output."""
    return subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )


# --- locks


def test_python_lock_names_no_host_and_hashes_every_package(repository: Path) -> None:
    assert faults_of_python_lock((repository / "requirements.lock").read_text()) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("--index-url somewhere", "sets a pip option"),
        ("numpy @ https://host.invalid/numpy.whl", "names a host"),
        ("numpy==2.4.6", "has no hash"),
        ("numpy>=2 \\", "does not pin a version"),
    ],
)
def test_a_faulty_python_lock_is_noticed(line: str, fault: str) -> None:
    (found,) = [text for text in faults_of_python_lock(f"{line}\n") if fault in text]
    assert line in found


def test_an_empty_python_lock_is_noticed() -> None:
    assert faults_of_python_lock("") == ["the lock is empty"]


def test_node_lock_names_no_download_address(repository: Path) -> None:
    lock = repository / "web" / "package-lock.json"
    if not lock.exists():
        pytest.skip("the page has no package-lock.json yet")
    assert faults_of_node_lock(lock.read_text()) == []


def test_a_faulty_node_lock_is_noticed() -> None:
    assert len(faults_of_node_lock('{\n"resolved": "https://host.invalid/x.tgz"\n}')) == 1


def locked_names(repository: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", (repository / "requirements.lock").read_text(), re.MULTILINE))


def test_every_dependency_of_the_package_is_locked(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    required = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in required}
    assert names
    assert names <= locked_names(repository)


def test_installed_packages_are_the_locked_ones(repository: Path) -> None:
    lock = re.findall(r"^([a-z0-9._-]+)==(\S+)", (repository / "requirements.lock").read_text(), re.MULTILINE)
    assert lock
    assert {name: metadata.version(name) for name, _ in lock} == dict(lock)


# --- one version, one set of floors


def test_version_is_the_same_everywhere(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert kuntur.__version__ == project["version"] == metadata.version("kuntur")
    assert f"## {project['version']}" in (repository / "CHANGELOG.md").read_text()


def test_imports_keep_to_the_floors(repository: Path) -> None:
    result = run("lint-imports", "--no-logo", "--no-cache", cwd=repository)
    assert result.returncode == 0, result.stdout
    assert re.search(r"[5-9] kept, 0 broken", result.stdout)


# --- compiled core


def simd_level(repository: Path, wish: str) -> subprocess.CompletedProcess[str]:
    return run("python", "-c", "from kuntur import _core; print(_core.simd_level())", cwd=repository, KUNTUR_SIMD=wish)


def test_the_environment_lowers_the_instruction_level(repository: Path) -> None:
    assert simd_level(repository, "baseline").stdout.strip() == "baseline"
    assert simd_level(repository, "").stdout.strip() in {"baseline", "avx2", "avx512"}


def test_an_unknown_instruction_level_is_refused(repository: Path) -> None:
    result = simd_level(repository, "avx9")
    assert result.returncode != 0
    assert "KUNTUR_SIMD is 'avx9'; write 'baseline', 'avx2' or 'avx512'" in result.stdout


# --- geoid grid

# Test points of NGA's EGM96 interpolation program (F477): latitude, longitude [deg], undulation [m].
EGM96_POINTS = [
    (38.6281550, 269.7791550, -31.628),
    (-14.6212170, 305.0211140, -2.969),
    (46.8743190, 102.4487290, -43.575),
    (-23.6174460, 133.8747120, 15.871),
    (38.6254730, 359.9995000, 50.066),
    (-0.4667440, 0.0023000, 17.329),
]


def test_the_geoid_grid_is_egm96(repository: Path) -> None:
    with rasterio.open(repository / "src" / "kuntur" / "io" / "egm96_15.gtx") as grid:
        undulation_m, west_deg, north_deg = grid.read(1), grid.transform.c + 0.125, grid.transform.f - 0.125
    for lat_deg, lon_deg, expected_m in EGM96_POINTS:
        row, column = (north_deg - lat_deg) / 0.25, (lon_deg - west_deg) % 360 / 0.25
        i, j = int(row), int(column)
        corners = undulation_m[np.ix_([i, i + 1], [j, (j + 1) % 1440])]
        found_m = np.array([i + 1 - row, row - i]) @ corners @ np.array([j + 1 - column, column - j])
        # bilinear between nodes 15' apart; the program fits a spline, and reaches these values to the millimetre
        assert found_m == pytest.approx(expected_m, abs=0.06)


# --- wheel


def copy_of_repository(repository: Path, target: Path) -> Path:
    """Copy what git tracks or would track, without the page."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (source := repository / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    grid = Path("src/kuntur/io/egm96_15.gtx")
    (target / grid).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(repository / grid, target / grid)
    return target


def build_wheel(project: Path) -> subprocess.CompletedProcess[str]:
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist", "."]
    return run("python", "-m", "pip", "wheel", *options, cwd=project)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_wheel_without_the_page_fails_and_one_with_it_carries_it(repository: Path, tmp_path: Path) -> None:
    project = copy_of_repository(repository, tmp_path / "kuntur")

    refused = build_wheel(project)
    assert refused.returncode != 0
    assert "The map page is missing" in refused.stdout
    assert not list(project.glob("dist/*.whl"))

    page = project / "src" / "kuntur" / "server" / "static" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html><title>Kuntur</title>")
    built = build_wheel(project)
    assert built.returncode == 0, built.stdout
    (wheel,) = project.glob("dist/*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "kuntur/server/static/index.html" in names
    assert "kuntur/io/egm96_15.gtx" in names
    assert any(re.fullmatch(r"kuntur/_core\..*\.so", name) for name in names)
    assert not [name for name in names if name.endswith((".cpp", ".hpp", ".ts")) or "tests" in name]
