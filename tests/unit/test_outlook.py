"""Exposure of places and the border part by part, on games small enough to list every route; then a plan's own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import small_games
from msgspec.structs import replace
from test_plan import walkers_only

from kuntur.errors import ConfigError
from kuntur.ops import certify, plan_seen, plan_seen_picture
from kuntur.ops import plan as planning
from kuntur.patrol import exposure, game, outlook

STEPS = 4
PART = np.array([0, 1], np.int32)


def instance(seed: int) -> tuple[exposure.View, game.Mixture]:
    rng = np.random.default_rng(seed)
    cells, columns = 5, 4
    arcs = {(u, u + 1): int(rng.integers(1, 4)) for u in range(cells)} | {(0, 3): 4, (1, 4): 5}
    pieces = [{int(c): float(rng.exponential(0.9)) for c in rng.permutation(cells)[:3]} for _ in range(6)]
    view = small_games.view([(u, v, t) for (u, v), t in arcs.items()], cells, [0, 1], pieces, [3, 3])
    plans = [rng.integers(-1, 6, (columns, 2, STEPS)).astype(np.int32) for _ in range(3)]
    return view, game.mixture(plans, [rng.dirichlet(np.ones(columns)) for _ in range(3)])


@pytest.mark.parametrize("seed", range(4))
def test_floors_by_part_are_the_games_own(seed: int) -> None:
    view, mixture = instance(seed)
    floors = outlook.floors(view, mixture, PART)
    bound = game.backward(view, mixture, group=PART)
    assert floors == pytest.approx(1.0 - mixture.start @ bound.held[0], abs=1e-12)
    assert floors.min() >= bound.floor
    assert np.isnan(outlook.floors(view, mixture, np.array([0, 2], np.int32))[1])  # no start lies there


@pytest.mark.parametrize("seed", range(4))
def test_the_best_route_of_a_part_is_real_and_no_better_than_all(seed: int) -> None:
    view, mixture = instance(seed)
    every = small_games.cells_of(view, small_games.every_walk(view, 3 * STEPS))
    detection = game.route_detection(view, mixture, every)
    found, routes = outlook.weakest(view, mixture, PART, every[:0])
    floors = outlook.floors(view, mixture, PART)
    first = np.array([row[row >= 0][0] if (row >= 0).any() else -1 for row in every])
    for part in (0, 1):
        assert routes[part][routes[part] >= 0][0] == part
        assert game.route_detection(view, mixture, routes[part][None])[0] == pytest.approx(found[part])
        best = float(detection[first == part].min())
        assert best - 1e-9 <= found[part] <= best + 0.1
        assert found[part] >= floors[part] - 1e-9
        known = every[first == part][[int(detection[first == part].argmin())]]
        assert outlook.weakest(view, mixture, PART, known)[0][part] == pytest.approx(best)


def test_standing_is_the_expected_exposure_of_the_whole_night() -> None:
    """One piece that shows cell 0 with 2 in a step, flown in one step of a wave by a column of probability 1/4."""
    view = small_games.view([(0, 1, 1), (1, 2, 1)], 2, [0], [{0: 2.0}], [1])
    plan = np.array([[[0, -1]], [[-1, -1]]], np.int32)
    mixture = game.mixture([plan] * 3, [np.array([0.25, 0.75])] * 3)
    standing = outlook.standing(view, mixture)
    assert standing[view.graph.index == 0] == pytest.approx(3 * 0.25 * 2.0, rel=1e-5)
    assert standing[view.graph.index == 1] == pytest.approx(0.0)
    assert np.isnan(standing[view.graph.index < 0]).all()


def test_a_plan_has_its_picture_and_data_beside_it(tmp_path: Path) -> None:
    area = walkers_only()
    planned = planning.plan(area, seconds=3.0, seed=3, accept_best=True)
    proof, path = planned.certificate, tmp_path / "plan.json"
    png, data = plan_seen_picture.write_seen(area, planned, path)
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and png.name == "plan-seen.png"
    shown = plan_seen.load(path, planned)
    assert shown is not None

    # The chart is the game's own value by kilometre, rounded down.
    crosser = next(one for one in area.crossers if one.id == proof.crosser_class)
    view, mixture = certify.on_planning_lattice(area, planned, crosser)
    part = (view.graph.chainage_m[view.graph.starts] // 1000.0).astype(np.int32)
    held = np.maximum(0.0, 1.0 - mixture.start @ game.backward(view, mixture, group=part).held[0])
    told = np.array(shown.floor_prob, float)
    known = ~np.isnan(told)
    assert told[known].max() > 0.0 and len(shown.edges_m) == len(told) + 1
    assert (told[known] <= held[known]).all() and (held[known] - told[known] < 1e-4).all()
    assert (np.array(shown.attack_prob, float)[known] >= told[known] - 1e-4).all()

    # Routes begin on the border, the strongest first, and the strongest is the attack of the certificate or better.
    routes = [one for one in shown.features if one.properties["layer"] == "route"]
    probs = [one.properties["detection_prob"] for one in routes]
    assert probs == sorted(probs) and probs[0] == min(x for x in shown.attack_prob if x is not None)
    assert all(
        shown.from_s <= one.properties["begins_t_s"] < one.properties["through_t_s"] <= shown.until_s for one in routes
    )
    assert msgspec.json.decode(data.read_bytes())["type"] == "FeatureCollection"

    # It belongs to one schedule: another one gets nothing, and what is broken is said.
    last = planned.segments[-1]
    edited = replace(planned, segments=(*planned.segments[:-1], replace(last, energy_wh=last.energy_wh + 1.0)))
    assert plan_seen.load(path, edited) is None
    assert plan_seen.load(tmp_path / "other.json", planned) is None
    data.write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        plan_seen.load(path, planned)
