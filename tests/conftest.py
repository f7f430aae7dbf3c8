"""What several rooms' tests share: where the real survey data lies, and that a test which needs it says so."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kuntur.io import area
from kuntur.model.place import Area
from kuntur.ops import night

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real survey data (terrain, borders, recordings), which is no part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real survey data is not here: no folder ../shared/data beside the repository")
    return SHARED_DATA


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this test run's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def tambo_quemado(cache_folder: Path) -> Area:
    """The embedded area, its sketch drawn once in a test run (about 6 s)."""
    return area.load("tambo_quemado", cache_folder=cache_folder)


@pytest.fixture(scope="session")
def fly_night(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Run the whole chain on an area, with little time to plan and fast simulated aircraft; returns its folder."""

    def fly(name: str, terrain: Sequence[Path] = (), *, seconds: float = 10.0) -> Path:
        folder = tmp_path_factory.mktemp("night") / "out"
        night.headless(name, terrain, folder, speed=300.0, seconds=seconds, progress=lambda *_: None)
        return folder

    return fly


@pytest.fixture(scope="session")
def flown_night(fly_night: Callable[..., Path]) -> Path:
    """One flown watch of the embedded area, for every test that looks at its products."""
    return fly_night("tambo_quemado")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for the survey data, so that `-m shared` selects them all."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.shared)
