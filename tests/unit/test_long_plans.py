"""Plans that take long: several layouts, a search kept and taken up again, a border in sectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from test_plan import walkers_only

from kuntur.errors import ConfigError, InfeasibleError
from kuntur.model.place import Area
from kuntur.model.plans import Strategy
from kuntur.ops import plan as ops
from kuntur.ops import plan_resume, sectors
from kuntur.ops.plan_check import check_strategy
from kuntur.patrol import crossers, draw, exposure, strategy


@pytest.fixture(scope="module")
def area() -> Area:
    return walkers_only()


@pytest.fixture(scope="module")
def turned(area: Area, tmp_path_factory: pytest.TempPathFactory) -> tuple[Strategy, Path]:
    kept = tmp_path_factory.mktemp("search") / "plan.search"
    return ops.plan(area, seconds=4.0, seed=3, accept_best=True, layouts=2, kept=kept), kept


def test_a_plan_with_layouts_passes_the_checker_and_is_drawn(area: Area, turned: tuple[Strategy, Path]) -> None:
    planned, _ = turned
    assert check_strategy(area, planned) == []
    ends = {column.ends for wave in planned.waves for column in wave.columns}
    assert ends == {0, 1}, "some columns lead to each of two layouts"
    tasking = draw.draw(planned, bytes(range(32)), 0)
    layout = 0
    for wave, chosen in zip(planned.waves, tasking.column_indices, strict=True):
        assert wave.columns[chosen].begins == layout
        layout = wave.columns[chosen].ends
    assert planned.certificate.floor >= 0.0
    assert planned.certificate.uninformed_floor is None, "the second proof is for one layout"


def test_a_kept_search_is_taken_up_where_it_stood(area: Area, turned: tuple[Strategy, Path]) -> None:
    planned, kept = turned
    again = ops.plan(area, seconds=2.0, seed=4, accept_best=True, layouts=2, kept=kept, resume=True)
    assert again.certificate.rounds > planned.certificate.rounds
    assert again.certificate.history[0] == planned.certificate.history[0]
    assert again.certificate.solve_s > planned.certificate.solve_s
    before = max(one.floor for one in planned.certificate.history)
    assert max(one.floor for one in again.certificate.history) >= before - 1e-9


def test_a_search_of_something_else_is_refused(area: Area, turned: tuple[Strategy, Path], tmp_path: Path) -> None:
    _, kept = turned
    with pytest.raises(ConfigError, match="another area, fleet or requirement"):
        ops.plan(area, seconds=1.0, kept=kept, resume=True)  # one layout, not two
    broken = tmp_path / "broken.search"
    broken.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(ConfigError, match="not a kept search"):
        plan_resume.load(broken, "")
    with pytest.raises(ConfigError, match="cannot be read"):
        plan_resume.load(tmp_path / "none.search", "")


def test_whoever_leaves_a_sector_sideways_is_through(area: Area) -> None:
    """Starts lie in the core alone; ways out at the sides make no crossing slower; all the line is dark."""
    cells = crossers.strip(area, area.requirement.crosser_cell_m)
    whole = crossers.graph(area, cells, area.crossers[0], 60.0)
    length_m = float(whole.chainage_m.max())
    core = (0.3 * length_m, 0.7 * length_m)
    sector = replace(area, border=replace(area.border, core_m=core))
    graph = crossers.graph(sector, cells, area.crossers[0], 60.0)
    at_m = graph.chainage_m[graph.starts]
    assert 0 < len(graph.starts) < len(whole.starts)
    assert at_m.min() >= core[0] and at_m.max() <= core[1]
    assert np.median(crossers.fastest_s(graph)) <= np.median(crossers.fastest_s(whole))
    sideways = np.flatnonzero(graph.arc_to == graph.count)
    begin = np.repeat(np.arange(graph.count), np.diff(graph.arc_start))[sideways]
    assert (graph.inward_m[begin] < 0.5 * area.requirement.depth_m).any(), "the goal is reached far from the depth too"
    lit = exposure._looked_at(sector, graph)
    dark = set(graph.index[graph.index >= 0][~lit].tolist())
    assert set(whole.cell[whole.starts].tolist()) <= dark


def test_sectors_share_the_fleet_by_bases_and_the_least_promise_counts(area: Area, tmp_path: Path) -> None:
    with pytest.raises(InfeasibleError, match="need aircraft at 40 bases"):
        sectors.split(area, 40)
    found = sectors.split(area, 1, margin_m=1000.0)
    assert [one.id for one in found[0].area.fleet.aircraft] == [one.id for one in area.fleet.aircraft]
    whole = sectors.plan_border(area, tmp_path, count=1, margin_m=1000.0, seconds=3.0)
    assert whole.floor == min(one.floor for one in whole.sectors)
    stamp = (tmp_path / "sector_1.json").stat().st_mtime_ns
    again = sectors.plan_border(area, tmp_path, count=1, margin_m=1000.0, seconds=3.0)
    assert again == whole and (tmp_path / "sector_1.json").stat().st_mtime_ns == stamp, "kept, not planned again"


def test_neighbouring_sectors_fly_in_other_layers(area: Area) -> None:
    low, high = strategy.flight_nets(area), strategy.flight_nets(area, len(area.fleet.aircraft))
    for below, above in zip(low, high, strict=True):
        lift = above.node_m[: below.base_node, 2] - below.node_m[: below.base_node, 2]
        assert np.median(lift) >= 60.0 * len(area.fleet.aircraft) - 1.0
