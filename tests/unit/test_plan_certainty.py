"""Promises on terrain with a known error: certain sight only, said in the certificate, seen by the checker."""

from __future__ import annotations

import numpy as np
import places
import pytest
from msgspec.structs import replace

from kuntur.model.place import Area, VerticalError
from kuntur.model.plans import Certificate, Strategy
from kuntur.ops import certify
from kuntur.ops import plan as plan_ops
from kuntur.ops.plan_check import check_strategy
from kuntur.ops.survey import survey
from kuntur.patrol import crossers, exposure

ERROR = VerticalError(sigma_m=5.5, correlation_m=146.0, source="round figures for tests")


def with_error(area: Area, error: VerticalError | None, certainty_prob: float = 0.95) -> Area:
    return replace(
        area,
        terrain=replace(area.terrain, error=error, sketched=False),
        requirement=replace(area.requirement, certainty_prob=certainty_prob),
    )


@pytest.fixture(scope="module")
def ridge() -> Area:
    """The made-up ridge before loaded walkers, with a wing that lasts the two hours."""
    area = places.ridge_area()
    wing = area.fleet.aircraft[0]
    lasting = replace(wing.airframe, endurance_s=21_600.0, battery_wh=2400.0, max_climb_mps=6.0)
    return replace(
        area,
        fleet=replace(area.fleet, aircraft=(replace(wing, airframe=lasting),)),
        crossers=(replace(area.crossers[0], speed_factor=0.5),),
        requirement=replace(area.requirement, crosser_step_s=60.0, duration_s=7200.0, detection_prob=0.01),
    )


@pytest.fixture(scope="module")
def planned(ridge: Area) -> Strategy:
    return plan_ops.plan(with_error(ridge, ERROR), seconds=3.0, seed=3, accept_best=True)


def seen(area: Area) -> dict[tuple[int, int], float]:
    """Rate of each (piece, cell) of one aircraft's first pieces."""
    graph = crossers.graph(area, crossers.strip(area, 240.0), area.crossers[0], 60.0)
    path_m = np.array([[1500.0, -900.0, 4480.0], [1500.0, 900.0, 4480.0]])
    pieces = exposure.cut([exposure.Track(t_s=np.array([0.0, 240.0]), xyz_m=path_m)], 120.0, 400.0)
    start, cell, rate_hz = exposure.rates(area, area.fleet.aircraft[0], graph, pieces)
    piece = np.repeat(np.arange(len(start) - 1), np.diff(start))
    return {(int(p), int(c)): float(r) for p, c, r in zip(piece, cell, rate_hz, strict=True)}


def test_a_known_error_only_takes_from_the_promise(ridge: Area) -> None:
    unknown, none, some, much = (
        seen(with_error(ridge, error, certainty))
        for error, certainty in ((None, 0.95), (ERROR, 0.0), (ERROR, 0.95), (replace(ERROR, sigma_m=9.0), 0.95))
    )
    assert unknown == none  # no margin asked for, or none to be taken
    for less, more in ((some, none), (much, some)):
        assert less.items() <= more.items()
        assert 0 < len(less) < len(more)


def test_a_survey_promises_as_a_plan_does() -> None:
    area = places.ridge_area(cell_m=120.0)
    plain, sure = survey(with_error(area, ERROR, 0.0)), survey(with_error(area, ERROR))
    assert (sure.rates_hz <= plain.rates_hz).all()
    assert 0 < np.count_nonzero(sure.rates_hz) < np.count_nonzero(plain.rates_hz)


def test_the_certificate_says_what_it_is_certain_against(ridge: Area, planned: Strategy) -> None:
    proof = planned.certificate
    assert (proof.certainty_prob, proof.terrain_sigma_m, proof.terrain_correlation_m) == (0.95, 5.5, 146.0)
    assert any("95% certainty" in said and "5.5 m" in said for said in proof.caveats)
    assert check_strategy(with_error(ridge, ERROR), planned) == []


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"certainty_prob": None, "terrain_sigma_m": None, "terrain_correlation_m": None}, "not about terrain"),
        ({"certainty_prob": 0.8}, "80% certain"),
        ({"terrain_sigma_m": 2.0}, "terrain error of 2.0 m"),
        ({"terrain_correlation_m": 500.0}, "over 500 m"),
    ],
)
def test_the_checker_refuses_a_plan_that_kept_less(
    ridge: Area, planned: Strategy, kept: dict[str, float | None], words: str
) -> None:
    proof: Certificate = replace(planned.certificate, **kept)
    wrong = check_strategy(with_error(ridge, ERROR), replace(planned, certificate=proof))
    assert len(wrong) == 1 and words in wrong[0]
    # More than asked for is no fault, and where nothing is asked nothing is.
    assert check_strategy(with_error(ridge, replace(ERROR, sigma_m=1.0)), planned) == []
    assert check_strategy(with_error(ridge, None), replace(planned, certificate=proof)) == []


def test_what_is_not_known_is_said(ridge: Area) -> None:
    for area, words in (
        (ridge, "A drawing has no known error"),
        (with_error(ridge, None), "unknown: sight lines keep no margin"),
        (with_error(ridge, ERROR, 0.0), "keep no margin from the terrain's error of 5.5 m"),
    ):
        assert words in certify._terrain_caveat(area)


def test_the_checker_wants_aircraft_clear_of_what_stands_on_the_ground(ridge: Area, planned: Strategy) -> None:
    area = with_error(ridge, ERROR)
    tall = np.full(area.terrain.heights_m.shape, 330.0, np.float32)
    forest = replace(area, terrain=replace(area.terrain, cover_m=tall))
    assert any("what stands on it" in said for said in check_strategy(forest, planned))
