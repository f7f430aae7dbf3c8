"""The example of the Python face runs from top to bottom and shows what it says. The prose is beside this file."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from kuntur.ops import survey

pytestmark = pytest.mark.timeout(600)  # the first test waits for the whole example: survey and plan at full size


@pytest.fixture(scope="module")
def shown(repository: Path) -> dict[str, Any]:
    """Everything the example has in its hands when it ends."""
    return runpy.run_path(str(repository / "examples" / "first_look.py"))


def test_the_area_says_that_it_is_sketched(shown) -> None:
    area = shown["area"]
    assert area.id == "tambo_quemado"
    assert area.terrain.sketched
    assert "sketched" in area.terrain.product


def test_some_of_the_circle_is_in_sight_and_some_is_hidden(shown) -> None:
    seen = shown["seen"]
    assert seen.dims == ("y", "x") and seen.rio.crs is not None
    assert set(map(int, set(seen.values.ravel()))) <= {0, 1, 2, 255}
    assert seen.rio.nodata == 255 and "SKETCHED" in seen.attrs["summary"]
    assert 1.0 < shown["visible_km2"] < 3.14159 * 4.0**2


def test_the_survey_finds_ground_that_nobody_sees(shown) -> None:
    found = shown["survey"]
    assert len(found.viewpoints_m) > 100
    assert 0.0 < shown["never"] < 0.5
    assert not (found.never_seen & ~found.fine_corridor).any()


def test_the_survey_writes_the_files_that_the_pages_name(shown, repository: Path, tmp_path: Path) -> None:
    written = [path.name for path in survey.write_survey(shown["survey"], shown["area"], tmp_path)]
    tutorial = (repository / "docs" / "tutorial" / "first-watch.md").read_text(encoding="utf-8")
    assert re.findall(r"^survey/(\S+)$", tutorial, re.MULTILINE) == written
    reference = (repository / "docs" / "reference" / "feed-and-files.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in reference for name in written if name.endswith(".tif"))


def test_the_plan_carries_three_numbers_in_order(shown) -> None:
    promise = shown["promise"]
    assert 0.0 < promise.floor <= promise.attack + 1e-6
    assert promise.attack <= promise.ceiling + 1e-6 <= 1.0 + 2e-6
    assert promise.leak < promise.attack, "knowing the draw beforehand must help"
    assert promise.floor == min(promise.floor_planning, promise.floor_audit)
    assert set(promise.attackers) >= {"floor", "attack", "ceiling", "leak"}
    assert set(promise.class_floors) == {crosser.id for crosser in shown["area"].crossers}
    assert promise.caveats


def test_the_plan_is_a_mixture_that_adds_up(shown) -> None:
    strategy = shown["strategy"]
    need = shown["area"].requirement
    assert len(strategy.waves) == round(need.duration_s / need.wave_s)
    for wave in strategy.waves:
        assert sum(column.weight for column in wave.columns) == strategy.weight_total
    assert any(len(wave.columns) > 1 for wave in strategy.waves), "one schedule alone can be learned"
    assert any("sketched" in word for word in strategy.simulated)
