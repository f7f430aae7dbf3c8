"""Sight recomputed: the plain look agrees with an independent one, honest claims are kept, false ones are found."""

from __future__ import annotations

import math

import made_plans
import numpy as np
import places
import pytest
from msgspec.structs import replace

from kuntur.geodesy import grid
from kuntur.model.place import VerticalError
from kuntur.model.plans import Look
from kuntur.ops import certify, plan_check_sight
from kuntur.visibility import doubt, rays

AREA, GOOD = made_plans.area(), made_plans.good()


@pytest.fixture(scope="module")
def claims() -> list[plan_check_sight.Claim]:
    planned = replace(GOOD, certificate=replace(GOOD.certificate, crosser_class="walker"))
    return certify.claims(AREA, planned, count=150)


@pytest.mark.parametrize("error", [None, VerticalError(sigma_m=5.0, correlation_m=146.0, source="test")])
def test_the_plain_look_agrees_with_the_rays_of_the_survey(error: VerticalError | None) -> None:
    """Two programs, one model: the same answer but where a line grazes the ground."""
    rng = np.random.default_rng(4)
    area = replace(AREA, terrain=replace(AREA.terrain, error=error))
    certain = doubt.of(area.terrain, area.requirement.certainty_prob)
    feet = np.stack([rng.uniform(-3000.0, 3000.0, 3000), rng.uniform(-3500.0, 3500.0, 3000), np.zeros(3000)], axis=-1)
    feet[:, 2] = grid.height_at(area.terrain, feet[:, 0], feet[:, 1]) + 1.0
    for eye in (np.array([1500.0, 700.0, 4520.0]), np.array([-200.0, -1100.0, 4650.0])):
        plain = plan_check_sight.clear(area, eye, feet)
        other = rays.line_of_sight(area.terrain, eye, feet, doubt=certain) == rays.CLEAR
        assert 0.05 < plain.mean() < 0.95
        assert (plain != other).mean() < 0.002


def test_a_wall_hides_and_a_void_is_no_sight() -> None:
    cone = places.cone_terrain()
    area = replace(AREA, terrain=cone)
    eye, low = np.array([900.0, 0.0, 4100.0]), np.array([[-900.0, 0.0, 4001.0], [900.0, 600.0, 4001.0]])
    assert plan_check_sight.clear(area, eye, low).tolist() == [False, True]
    heights = cone.heights_m.copy()
    heights[40, 80] = np.nan
    holed = replace(area, terrain=replace(cone, heights_m=heights))
    x = cone.west_m + 80.5 * cone.cell_m
    y = cone.north_m - 40.5 * cone.cell_m
    across = np.array([[x, y - 200.0, 4001.0]])
    assert not plan_check_sight.clear(holed, np.array([x, y + 200.0, 4100.0]), across)[0]


def test_the_claims_of_an_honest_table_are_kept(claims: list[plan_check_sight.Claim]) -> None:
    assert len(claims) == 150 and len({(c.segment.id, c.begin_s) for c in claims}) > 60
    assert plan_check_sight.faults(AREA, GOOD, claims) == []
    seen = np.array([plan_check_sight.exposure(AREA, GOOD, claim) for claim in claims])
    claimed = np.array([claim.exposure for claim in claims])
    assert (claimed > 0.0).all() and seen.sum() >= claimed.sum()


def test_claims_are_drawn_from_the_schedules_own_hash(claims: list[plan_check_sight.Claim]) -> None:
    planned = replace(GOOD, certificate=replace(GOOD.certificate, crosser_class="walker"))
    again = certify.claims(AREA, planned, count=5)
    assert [c.exposure for c in again] == [c.exposure for c in claims[:5]]
    edited = certify.claims(AREA, made_plans.changed(planned, 0, energy_wh=1.0), count=5)
    assert [c.exposure for c in edited] != [c.exposure for c in claims[:5]]


@pytest.mark.parametrize("damage", ["raised", "elsewhere", "hidden"])
def test_false_claims_are_found(claims: list[plan_check_sight.Claim], damage: str) -> None:
    """A table that counts double; that puts what is seen into other cells; that forgets a wall."""
    area, told = AREA, claims
    if damage == "raised":
        told = [replace(c, exposure=2.0 * c.exposure) for c in claims]
    elif damage == "elsewhere":
        told = [replace(c, rows=c.rows + 25) for c in claims]
    else:
        x = AREA.terrain.west_m + (np.arange(AREA.terrain.cols) + 0.5) * AREA.terrain.cell_m
        wall = np.where(np.abs(x - 1100.0) < 40.0, 4950.0, 0.0).astype(np.float32)
        heights = np.maximum(AREA.terrain.heights_m, wall[None, :])
        area = replace(AREA, terrain=replace(AREA.terrain, heights_m=heights))
    wrong = plan_check_sight.faults(area, GOOD, told)
    assert len(wrong) > 10 and all("the floor counts on an exposure of" in words for words in wrong)


def test_a_few_that_hide_between_viewpoints_are_passed_over_and_no_more(claims: list) -> None:
    def lying(n: int) -> list[plan_check_sight.Claim]:
        return [replace(c, exposure=c.exposure + 0.001) if k < n else c for k, c in enumerate(exact)]

    exact = [replace(c, exposure=plan_check_sight.exposure(AREA, GOOD, c)) for c in claims[:100]]
    exact = [c for c in exact if c.exposure > 0.0]
    few = int(plan_check_sight.MOST_SHORT * len(exact))
    assert few >= 1 and plan_check_sight.faults(AREA, GOOD, lying(few)) == []
    assert len(plan_check_sight.faults(AREA, GOOD, lying(few + 1))) == few + 1


def test_a_sector_gives_nothing_outside_it(claims: list[plan_check_sight.Claim]) -> None:
    claim = max(claims, key=lambda c: c.exposure)
    s = claim.segment
    x, y = plan_check_sight._centres(AREA.terrain, claim.rows, claim.cols)
    moment = 0.5 * (claim.begin_s + claim.end_s)
    at = [np.interp(moment, s.t_s, axis) for axis in (s.x_m, s.y_m)]
    towards = math.atan2(float(x.mean() - at[0]), float(y.mean() - at[1]))

    def with_look(azimuth: float) -> float:
        looking = tuple(Look(kind="stare", azimuth_rad=azimuth) for _ in range(len(s.t_s) - 1))
        return plan_check_sight.exposure(AREA, GOOD, replace(claim, segment=replace(s, looks=looking)))

    assert with_look(towards + math.pi) == 0.0
    assert with_look(towards) > plan_check_sight.exposure(AREA, GOOD, claim) > 0.0
