"""The crossers' lattice against ground where the truth is known: planes, and barriers drawn at random."""

from __future__ import annotations

import math

import numpy as np
import places
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.geodesy import grid
from kuntur.model.place import Area, CrosserClass, Mode, Percentile, Water
from kuntur.patrol import crossers, paces, ways

SIDE, CELL_M = 21, 100.0
MODES: tuple[Mode, ...] = ("walk", "pack", "drive")


def plane(east: float, north: float, waters: tuple[Water, ...] = ()) -> Area:
    """Bare ground of this gradient, SIDE cells square."""
    at_m = (np.arange(SIDE) - SIDE // 2) * CELL_M
    heights = 10_000.0 + east * at_m[None, :] - north * at_m[:, None]
    base = places.ridge_area()
    return replace(base, terrain=places.terrain(heights, CELL_M), roads=(), zones=(), waters=waters)


def table(area: Area, crosser: CrosserClass, neighbours: int) -> tuple[csr_array, ways.Places, ways.Ways]:
    """Least times between all places of a square without goal or border."""
    terrain = area.terrain
    cells = grid.lattice(terrain, CELL_M, (terrain.west_m, terrain.south_m, terrain.east_m, terrain.north_m))
    ground = ways.ground(area, cells)
    mask = ways.passable(ground, crosser, crosser.mode, False)
    at = ways.places(mask, np.zeros_like(mask), neighbours)
    deep = np.broadcast_to(np.arange(cells.cols) * 1.0, mask.shape)
    found = ways.ways(ground, at, mask, crosser, crosser.mode, neighbours, False, deep, 1e9)
    size = len(at.row2)
    return csr_array((found.time_s, (found.begin, found.end)), shape=(size, size)), at, found


crossing = st.builds(
    lambda mode, percentile, factor: CrosserClass(
        id="c", name="c", mode=mode, target="person", percentile=percentile, speed_factor=factor
    ),
    st.sampled_from(MODES),
    st.sampled_from(sorted(paces.CAMPBELL)),
    st.floats(0.3, 1.5),
)


@settings(max_examples=60, deadline=None)
@given(
    crossing,
    st.sampled_from([8, 16]),
    st.just(0.0) | st.floats(0.0, 0.95),
    st.sampled_from([math.pi / 2.0, -math.pi / 2.0]) | st.floats(0.0, 2.0 * math.pi),
    st.tuples(st.integers(-8, 8), st.integers(-8, 8)).filter(lambda step: step != (0, 0)),
)
def test_nobody_who_goes_straight_is_faster_than_the_lattice(
    crosser: CrosserClass, neighbours: int, steepness: float, turn: float, step: tuple[int, int]
) -> None:
    """On any plane, in any direction that can be gone (`turn` from uphill; along the hill the lattice has to zigzag):
    lattice time <= time on the straight line."""
    uphill = math.atan2(step[1], step[0]) + turn
    east, north = steepness * math.cos(uphill), steepness * math.sin(uphill)
    length = math.hypot(*step)
    rise = (east * step[0] + north * step[1]) / length
    if abs(rise) > paces.STEEPEST[crosser.mode] or (crosser.mode == "drive" and steepness > paces.STEEPEST["drive"]):
        return  # it cannot be gone, or the ground itself cannot be driven
    times, at, _ = table(plane(east, north), crosser, neighbours)
    number = {
        (int(r), int(c)): i for i, (r, c) in enumerate(zip(at.row2[: at.cells], at.col2[: at.cells], strict=True))
    }
    middle = SIDE // 2
    begin = number[2 * middle, 2 * middle]
    end = number[2 * (middle - step[1]), 2 * (middle + step[0])]
    lattice_s = float(dijkstra(times, indices=begin)[end])
    straight_s = (
        length
        * CELL_M
        / (crosser.speed_factor * float(paces.speed_mps(crosser.mode, crosser.percentile, rise, paces.OPEN)))
    )
    assert lattice_s <= straight_s * (1.0 + 1e-4)  # heights are single precision
    if steepness == 0.0:
        assert lattice_s >= straight_s * ways.shortening(ways.directions(neighbours)) * (1.0 - 1e-9)


@pytest.mark.parametrize("steps", [ways.CELL_STEPS[::2], ways.directions(8), ways.directions(16)])
def test_shortening_is_the_least_over_all_directions(steps: tuple[ways.Step, ...]) -> None:
    """Against the definition: straight length over the shortest way by lattice directions, for many directions."""
    lengths = np.array([math.hypot(*step) for step in steps])
    units = np.array(steps) / lengths[:, None]
    worst = 1.0
    for angle in np.linspace(0.0, 2.0 * math.pi, 481):
        aim = np.array([math.cos(angle), math.sin(angle)])
        best = math.inf
        for i in range(len(units)):
            for j in range(i):
                matrix = np.stack([units[i], units[j]], axis=1)
                if abs(np.linalg.det(matrix)) > 1e-9:
                    parts = np.linalg.solve(matrix, aim)
                    best = min(best, float(parts.sum())) if (parts >= -1e-12).all() else best
        worst = min(worst, 1.0 / best)
    assert ways.shortening(steps) == pytest.approx(worst, abs=2e-4)
    assert ways.shortening(steps) <= worst + 1e-12


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([8, 16]), st.floats(-900.0, 900.0), st.floats(-0.8, 0.8), st.randoms(use_true_random=False))
def test_a_river_from_edge_to_edge_lets_nobody_through(
    neighbours: int, at_m: float, lean: float, random: object
) -> None:
    """A crooked line from the north edge to the south edge: no way, straight or over edges, leads across."""
    y_m = np.linspace(-1100.0, 1100.0, 12)
    bends = np.array([random.uniform(-150.0, 150.0) for _ in y_m])  # type: ignore[attr-defined]
    line = np.stack([at_m * 0.5 + lean * y_m * 0.5 + bends, y_m], axis=-1)
    walker = CrosserClass(id="w", name="w", mode="walk", target="person")
    area = plane(0.05, 0.0, (Water(name="river", kind="river", xy_m=line),))
    times, at, _ = table(area, walker, neighbours)
    x_m, y_at = ways.position(grid.lattice(area.terrain, CELL_M, (-1050.0, -1050.0, 1050.0, 1050.0)), at)
    east = x_m > np.interp(y_at, y_m, line[:, 0])
    begin = int(np.flatnonzero(~east)[0]) if (~east).any() else None
    if begin is None or not east.any():
        return
    assert np.isinf(dijkstra(times, indices=begin)[east]).all()


@settings(max_examples=15, deadline=None)
@given(crossing, st.floats(0.0, 0.3), st.floats(20.0, 90.0))
def test_a_graph_only_rounds_down(crosser: CrosserClass, hill: float, step_s: float) -> None:
    """Whole steps of a graph never exceed the times they stand for, and finer steps come nearer from below."""
    base = places.ridge_area(cell_m=120.0)
    area = replace(base, requirement=replace(base.requirement, depth_m=2000.0))
    cells = crossers.strip(area, 240.0)
    coarse, fine = (crossers.fastest_s(crossers.graph(area, cells, crosser, s)) for s in (step_s, step_s / 64.0))
    both = np.isfinite(fine)
    assert (np.isfinite(coarse) == both).all()
    assert (coarse[both] <= fine[both] + 8.0 * step_s / 64.0 + step_s).all()


PERCENTILES: tuple[Percentile, ...] = (50, 75, 90, 95, 99)


@pytest.mark.parametrize("percentile", PERCENTILES)
@pytest.mark.parametrize("mode", MODES)
def test_the_top_speed_between_two_gradients_is_the_greatest_there(mode: Mode, percentile: Percentile) -> None:
    rng = np.random.default_rng(1)
    low = rng.uniform(-1.2, 1.2, 400)
    high = low + rng.exponential(0.3, 400)
    top = paces.top_speed_mps(mode, percentile, low, high, paces.OPEN)
    limit = paces.STEEPEST[mode]
    between = np.clip(low + np.linspace(0.0, 1.0, 101)[:, None] * (high - low), -limit, limit)
    assert (paces.speed_mps(mode, percentile, between, paces.OPEN).max(axis=0) <= top * (1.0 + 1e-8)).all()
