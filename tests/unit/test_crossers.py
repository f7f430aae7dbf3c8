"""Speeds against the published table, barriers, layers, corridors, and what a class that cannot cross is told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import places
import pytest
from msgspec.structs import replace
from rich.console import Console

from kuntur.errors import BorderError, ConfigError, InfeasibleError
from kuntur.io import crossing
from kuntur.io.area_file import CrosserTable, RequirementTable, WaterTable
from kuntur.model.place import Area, CrosserClass, Percentile, Road, Water
from kuntur.ops import crossers as ops
from kuntur.patrol import corridors, crossers, exposure, game, paces, strategy, ways
from kuntur.sim import crossings

WALKER = CrosserClass(id="walker", name="Walker", mode="walk", target="person")


@pytest.fixture(scope="module")
def area() -> Area:
    base = places.ridge_area(cell_m=120.0)
    return replace(base, requirement=replace(base.requirement, depth_m=3000.0))


def graph_of(area: Area, crosser: CrosserClass, *, step_s: float = 1.0, neighbours: int = 8) -> crossers.CrosserGraph:
    asked = replace(area, requirement=replace(area.requirement, neighbours=neighbours))
    return crossers.graph(asked, crossers.strip(area, 240.0), crosser, step_s)


# --- speeds


@pytest.mark.parametrize(
    ("percentile", "flat_mps", "down_10_mps", "up_20_mps"),
    # By hand from table S1 of Campbell et al. 2019: c / (pi b (1 + ((s - a) / b)^2)) + d + e s.
    [(50, 2.5520, 1.9287, 0.8794), (90, 3.3908, 3.2233, 1.4557), (99, 4.5727, 4.4530, 2.4553)],
)
def test_speeds_are_the_published_ones(
    percentile: Percentile, flat_mps: float, down_10_mps: float, up_20_mps: float
) -> None:
    at = [math.tan(math.radians(s)) for s in (0.0, -10.0, 20.0)]
    assert paces.campbell_mps(at, percentile) == pytest.approx([flat_mps, down_10_mps, up_20_mps], abs=1e-4)


def test_curves_to_compare_are_the_published_ones() -> None:
    assert paces.tobler_mps(-0.05) == pytest.approx(6.0 / 3.6)  # 6 km/h at its best
    assert paces.tobler_mps(0.0) * 3.6 == pytest.approx(5.037, abs=1e-3)
    # Naismith: 5 km and 600 m of ascent in two hours; Langmuir: 10 min less for 300 m down gently, more steeply.
    assert 5000.0 / paces.naismith_mps(0.12) == pytest.approx(2.0 * 3600.0)
    assert 3000.0 / paces.naismith_mps(-0.1) == pytest.approx(36.0 * 60.0 - 600.0)
    assert 1000.0 / paces.naismith_mps(-0.3) == pytest.approx(12.0 * 60.0 + 600.0)


def test_animals_go_as_people_do_and_never_above_the_trot() -> None:
    rise = np.linspace(-0.5, 0.5, 101)
    people, animals = (paces.speed_mps(mode, 99, rise, paces.TRACK) for mode in ("walk", "pack"))
    assert (animals <= people).all() and animals.max() == pytest.approx(8.0 * 0.44704)
    assert paces.speed_mps("pack", 90, 0.0, paces.OPEN) == paces.speed_mps("walk", 90, 0.0, paces.OPEN)


def test_faster_percentiles_cross_faster(area: Area) -> None:
    took = [
        np.median(crossers.fastest_s(graph_of(area, replace(WALKER, percentile=p)))) for p in sorted(paces.CAMPBELL)
    ]
    assert (np.diff(took) < 0.0).all()


# --- barriers


def ring(west: float, south: float, east: float, north: float) -> np.ndarray:
    return np.array([(west, south), (east, south), (east, north), (west, north)])


def test_a_lake_is_gone_round_and_a_bridge_goes_over(area: Area) -> None:
    lake = Water(name="lake", kind="lake", xy_m=ring(900.0, -5200.0, 2100.0, 3000.0))
    free = crossers.fastest_s(graph_of(replace(area, roads=()), WALKER))
    wet_graph = graph_of(replace(area, waters=(lake,), roads=()), WALKER)
    wet = crossers.fastest_s(wet_graph)
    assert np.isfinite(wet).all() and (wet >= free - 1e-9).all() and (wet > 1.2 * free).any()
    x, y = wet_graph.x_m, wet_graph.y_m
    assert not ((x > 1200.0) & (x < 1800.0) & (y > -4500.0) & (y < 2500.0)).any()
    bridge = Road(name="bridge", kind="track", xy_m=np.array([(0.0, -2000.0), (3200.0, -2000.0)]))
    over = crossers.fastest_s(graph_of(replace(area, waters=(lake,), roads=(bridge,)), WALKER))
    assert (over <= wet + 1e-9).all() and (over < 0.9 * wet).any()


def test_a_river_that_can_be_waded_stops_vehicles_only(area: Area) -> None:
    line = np.array([(1500.0, -9000.0), (1500.0, 9000.0)])
    river = Water(name="river", kind="river", xy_m=line, stops=("drive",))
    wet = replace(area, waters=(river,), roads=())
    assert np.isfinite(crossers.fastest_s(graph_of(wet, WALKER))).all()
    driver = replace(WALKER, id="driver", name="Driver", mode="drive", target="light_vehicle")
    graph = graph_of(wet, driver)
    assert np.isinf(crossers.fastest_s(graph)).all()
    with pytest.raises(InfeasibleError, match=r"Driver finds no way over .* stop it"):
        crossers.require_way(wet, graph)
    nobody = replace(wet, crossers=(driver,))
    with pytest.raises(InfeasibleError, match="None of the area's crossers"):
        crossings.naive(nobody, np.random.default_rng(1), 3)
    both = replace(wet, crossers=(driver, WALKER))
    assert {c.target for c in crossings.naive(both, np.random.default_rng(1), 4)} == {"person"}


def test_a_class_that_can_be_nowhere_is_told_so(area: Area) -> None:
    driver = replace(WALKER, name="Driver", mode="drive", target="light_vehicle", off_road=False)
    with pytest.raises(BorderError, match="Driver can be nowhere"):
        graph_of(replace(area, roads=()), driver)
    aside = Road(name="aside", kind="road", xy_m=np.array([(1500.0, -2000.0), (1500.0, 2000.0)]))
    with pytest.raises(InfeasibleError, match="set foot on none of the border"):
        crossers.require_way(area, graph_of(replace(area, roads=(aside,)), driver))


def test_nobody_squeezes_between_cliffs_that_meet_at_a_corner(area: Area) -> None:
    """A wall of closed cells in a diagonal line: each touches the next at a corner only."""
    cells = crossers.strip(area, 240.0)
    ground = ways.ground(area, cells)
    n = min(cells.rows, cells.cols)
    mask = np.ones((cells.rows, cells.cols), bool)
    mask[np.arange(n), np.arange(n)] = False
    at = ways.places(mask, np.zeros_like(mask), 8)
    found = ways.ways(ground, at, mask, WALKER, "walk", 8, False, np.zeros(mask.shape), 1.0)
    side = np.sign(at.row2 - at.col2)
    inside = (np.maximum(at.row2, at.col2) < 2 * n)[found.begin] & (np.maximum(at.row2, at.col2) < 2 * n)[found.end]
    assert inside.sum() > 100
    assert (side[found.begin] == side[found.end])[inside].all()


def test_a_class_without_a_start_is_always_stopped(area: Area) -> None:
    """No start, and a start without a way: nobody survives, whatever is flown."""
    aside = Road(name="aside", kind="road", xy_m=np.array([(1500.0, -2000.0), (1500.0, 2000.0)]))
    driver = replace(WALKER, name="Driver", mode="drive", target="light_vehicle", off_road=False)
    graph = graph_of(replace(area, roads=(aside,)), driver, step_s=60.0)
    assert len(graph.starts) == 0
    path_m = np.array([[1500.0, -900.0, 4480.0], [1500.0, 900.0, 4480.0]])
    pieces = exposure.cut([exposure.Track(t_s=np.array([0.0, 240.0]), xyz_m=path_m)], 60.0, 400.0)
    view = exposure.view(area, [area.fleet.aircraft[0]], graph, [pieces])
    mixture = game.mixture((np.zeros((1, 1, 40), np.int32),), (np.ones(1),))
    assert game.backward(view, mixture).floor == pytest.approx(1.0, abs=1e-6)


def test_a_cyclic_watch_is_refused_with_reasons(area: Area) -> None:
    asked = replace(area, requirement=replace(area.requirement, cyclic=True, duration_s=86_400.0))
    with pytest.raises(ConfigError, match="cyclic watch cannot be planned"):
        strategy.setting(asked)


# --- layers


def test_who_is_carried_is_faster_than_who_walks_and_never_than_who_drives(area: Area) -> None:
    driver = replace(WALKER, mode="drive", target="light_vehicle")
    walk, ride, road, drive = (
        crossers.fastest_s(graph_of(area, c)).min()
        for c in (WALKER, replace(WALKER, ride="anywhere"), replace(WALKER, ride="road"), driver)
    )
    assert drive <= ride <= road < walk


def test_layers_of_a_ride_show_what_they_are(area: Area) -> None:
    graph = graph_of(area, replace(WALKER, ride="road"), step_s=60.0)
    assert graph.targets == ("person", "light_vehicle") and graph.step_s <= crossers.CHANGE_S
    in_vehicle = graph.node_target == 1
    on_road = ways.ground(area, graph.cells).under[graph.index >= 0] > paces.OPEN
    assert 0 < in_vehicle.sum() < graph.count // 4
    assert on_road[graph.cell[in_vehicle]].all()
    source = np.repeat(np.arange(graph.count), np.diff(graph.arc_start))
    inner = graph.arc_to < graph.count
    change = in_vehicle[source[inner]] != in_vehicle[graph.arc_to[inner]]
    assert change.any()
    assert (graph.cell[source[inner]] == graph.cell[graph.arc_to[inner]])[change].all()


@pytest.mark.parametrize("neighbours", [8, 16])
def test_hiding_costs_no_time_and_shows_less(area: Area, neighbours: int) -> None:
    plain = graph_of(area, WALKER, step_s=30.0, neighbours=neighbours)
    hiding = graph_of(area, replace(WALKER, hides=True), step_s=30.0, neighbours=neighbours)
    assert hiding.targets == ("person", "hidden_person")
    assert crossers.fastest_s(hiding) == pytest.approx(crossers.fastest_s(plain))
    lying = hiding.node_target == 1
    assert 0 < lying.sum() < plain.count and not lying[hiding.starts].any()
    # Whoever lies can only get up where he is, within a step; whoever arrives anywhere may lie at once.
    source = np.repeat(np.arange(hiding.count), np.diff(hiding.arc_start))
    up = lying[source]
    assert (hiding.arc_tau[up] == 1).all() and (np.bincount(source[up], minlength=hiding.count)[lying] == 1).all()
    assert (hiding.cell[source[up]] == hiding.cell[hiding.arc_to[up]]).all()
    path_m = np.array([[1500.0, -900.0, 4480.0], [1500.0, 900.0, 4480.0]])
    pieces = exposure.cut([exposure.Track(t_s=np.array([0.0, 240.0]), xyz_m=path_m)], 30.0, 400.0)
    start, node, rate_hz = exposure.rates(area, area.fleet.aircraft[0], hiding, pieces)[:3]
    seen = dict(zip(node[start[0] : start[1]].tolist(), rate_hz[start[0] : start[1]].tolist(), strict=True))
    standing = {
        int(hiding.cell[n]): rate
        for n, rate in seen.items()
        if hiding.node_target[n] == 0 and hiding.cell[n] == hiding.beside[n]
    }
    down = {int(hiding.cell[n]): rate for n, rate in seen.items() if hiding.node_target[n] == 1}
    assert standing and set(down) <= set(standing)
    assert all(rate < standing[cell] for cell, rate in down.items()) and len(down) < len(standing)


def test_a_place_on_an_edge_shows_no_more_than_either_cell(area: Area) -> None:
    graph = graph_of(area, WALKER, step_s=30.0, neighbours=16)
    path_m = np.array([[1500.0, -900.0, 4480.0], [1500.0, 900.0, 4480.0]])
    pieces = exposure.cut([exposure.Track(t_s=np.array([0.0, 240.0]), xyz_m=path_m)], 30.0, 400.0)
    start, node, rate_hz = exposure.rates(area, area.fleet.aircraft[0], graph, pieces)[:3]
    rate = np.zeros(graph.count)
    rate[node[start[0] : start[1]]] = rate_hz[start[0] : start[1]]
    centre = graph.cell == graph.beside
    at_cell = np.zeros(int(graph.cell.max()) + 1)
    at_cell[graph.cell[centre]] = rate[centre]
    edge = ~centre
    assert edge.sum() > 2 * centre.sum() * 0.8
    assert rate[edge] == pytest.approx(np.minimum(at_cell[graph.cell[edge]], at_cell[graph.beside[edge]]))
    assert (rate[edge] > 0.0).sum() > 20


def test_a_plain_walker_has_one_node_a_cell(area: Area) -> None:
    graph = graph_of(area, WALKER, step_s=60.0)
    assert graph.count == int((graph.index >= 0).sum())
    assert np.array_equal(graph.cell, np.arange(graph.count)) and np.array_equal(graph.beside, graph.cell)
    assert exposure.same_nodes(graph, graph_of(area, replace(WALKER, speed_factor=0.5), step_s=60.0))
    assert not exposure.same_nodes(graph, graph_of(area, replace(WALKER, hides=True), step_s=60.0))


def test_sixteen_directions_slow_him_where_eight_give_too_much(area: Area) -> None:
    eight, sixteen = (np.median(crossers.fastest_s(graph_of(area, WALKER, neighbours=n))) for n in (8, 16))
    assert eight < sixteen < 1.25 * eight
    assert ways.shortening(ways.directions(8)) == pytest.approx(math.cos(math.pi / 8.0))
    assert ways.shortening(ways.directions(16)) == pytest.approx(math.cos(math.atan(0.5) / 2.0))


# --- corridors and the command


def test_times_from_the_border_and_still_to_go_add_up(area: Area) -> None:
    found = corridors.corridors(area, WALKER, np.random.default_rng(1), samples=3)
    graph = found.graph
    through = found.from_border_s + found.to_go_s
    best = found.to_go_s[graph.starts].min()
    assert through.min() == pytest.approx(best)
    start = int(graph.starts[found.to_go_s[graph.starts].argmin()])
    route = found.route(start)
    assert route[0] == start and (np.diff(found.to_go_s[route]) < 0.0).all()
    assert through[route] == pytest.approx(np.full(len(route), best))
    # Everybody goes from the border to the depth: what passes a line between them is the whole border.
    length_m = float(np.ptp(graph.chainage_m[graph.starts]))
    assert np.nansum(found.border_m) >= length_m * 3000.0 / 240.0 * 0.8


def test_the_command_writes_a_table_pictures_and_geojson(area: Area, tmp_path: Path) -> None:
    walled = replace(
        area,
        waters=(
            Water(name="river", kind="river", xy_m=np.array([(1500.0, -9000.0), (1500.0, 9000.0)]), stops=("drive",)),
        ),
        roads=(),
    )
    console = Console(width=160, record=True, file=(tmp_path / "told.txt").open("w"))
    paths = ops.run(walled, tmp_path / "out", console, every_km=3.0)
    told = console.export_text()
    assert "no way" in told and "km 0 - 3" in told
    assert {path.name for path in paths} >= {
        "speeds.png",
        "walker-corridors.png",
        "driver-times.png",
        "crossers.geojson",
    }
    assert all(path.stat().st_size > 1000 for path in paths)
    features = json.loads((tmp_path / "out" / "crossers.geojson").read_text())["features"]
    kinds = {(f["properties"]["crosser"], f["properties"]["kind"]) for f in features}
    assert kinds >= {("walker", "quickest_way"), ("walker", "isochrone"), ("walker", "corridor")}
    assert ("driver", "quickest_way") not in kinds
    with pytest.raises(ConfigError, match="cannot be"):
        ops.run(area, tmp_path, console, every_km=0.0)


# --- the area file


NEED = RequirementTable(
    detection_prob=0.1, start_local="20:00", utc_offset_h=0.0, duration_s=21600.0, depth_m=1.0, wave_s=1.0,
    crosser_cell_m=1.0, crosser_step_s=1.0, flight_cell_m=1.0, height_agl_m=1.0,
)  # fmt: skip
TABLE = CrosserTable(id="a", name="A", mode="walk", target="person")


@pytest.mark.parametrize(
    ("times", "window"),
    [
        (("21:00", "23:30"), (3600.0, 12_600.0)),
        (("18:00", "22:00"), (0.0, 7200.0)),  # begun before the watch
        (("23:00", "01:00"), (10_800.0, 18_000.0)),
        (("20:00", "20:00"), (0.0, 86_400.0)),
    ],
)
def test_times_to_begin_count_from_the_start_of_the_watch(times: tuple[str, str], window: tuple[float, float]) -> None:
    made = crossing.crosser(replace(TABLE, starts_local=times), NEED)
    assert (made.start_from_s, made.start_until_s) == window


def test_a_window_that_comes_twice_in_a_day_is_the_whole_watch() -> None:
    made = crossing.crosser(replace(TABLE, starts_local=("18:00", "22:00")), replace(NEED, duration_s=86_400.0))
    assert (made.start_from_s, made.start_until_s) == (0.0, None)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (replace(TABLE, starts_local=("06:00", "08:00")), "the watch is over"),
        (replace(TABLE, mode="drive", hides=True), "only who walks"),
        (replace(TABLE, mode="drive", ride="road"), "drives already"),
    ],
)
def test_contradictions_of_a_class_are_named(table: CrosserTable, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        crossing.crosser(table, NEED)


CIRCLE = {"lat_deg": -18.1, "lon_deg": -69.0, "radius_m": 500.0}


@pytest.mark.parametrize(
    "table",
    [
        WaterTable(name="w", kind="lake"),
        WaterTable(name="w", kind="lake", lat_deg=-18.1, lon_deg=-69.0),
        WaterTable(name="w", kind="lake", ring=((-69.0, -18.1), (-69.1, -18.1), (-69.0, -18.1))),
        WaterTable(name="w", kind="lake", line=((-69.0, -18.1), (-69.1, -18.1))),
        WaterTable(name="w", kind="river", **CIRCLE),
        WaterTable(name="w", kind="river", line=((-69.0, -18.1),)),
    ],
)
def test_water_that_is_neither_lake_nor_river_is_refused(table: WaterTable) -> None:
    with pytest.raises(ConfigError, match="water"):
        crossing.water(table, places.FRAME)


def test_a_round_lake_lies_inside_its_circle() -> None:
    made = crossing.water(WaterTable(name="w", kind="lake", **CIRCLE), places.FRAME)
    assert np.hypot(*made.xy_m.T).max() == pytest.approx(500.0, abs=1.0)
