"""A trial of a hand-made strategy: it holds against its own certificate, and says so when a certificate is false."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import strategies
from msgspec.structs import replace

from kuntur.errors import ConfigError
from kuntur.ops import account, trial
from kuntur.patrol import crossers, draw, exposure, game
from kuntur.sim import adaptive, encounters

AREA = strategies.narrow_ridge()
NIGHTS = 150


def certified(floor: float) -> strategies.Strategy:
    made = strategies.out_and_back(AREA, half_m=700.0)
    return replace(made, certificate=replace(made.certificate, floor=floor, class_floors={"walker": floor}))


@pytest.fixture(scope="module")
def floor() -> float:
    """What the segment game certifies for the hand-made strategy, on the lattice of the trial's crossers."""
    board = adaptive.Board(AREA, certified(0.0), AREA.crossers[0], cell_m=240.0, step_s=120.0)
    view = exposure.view(AREA, list(AREA.fleet.aircraft), board.graph, board.cuts)
    return game.backward(view, board.mixture).floor


@pytest.fixture(scope="module")
def result(floor) -> trial.Trial:
    said: list[tuple[float, str]] = []
    found = trial.trial(AREA, certified(floor), nights=NIGHTS, seed=5, progress=lambda f, w: said.append((f, w)))
    assert said[0][0] == 0.0 and said[-1][0] == 1.0 and all(a[0] <= b[0] for a, b in itertools.pairwise(said))
    return found


def test_every_kind_is_seen_at_least_as_often_as_certified(result, floor) -> None:
    assert result.passed and 0.3 < floor < 0.8
    assert [one.kind for one in result.outcomes] == ["naive", "learning", "uninformed", "informed"]
    for one in result.outcomes:
        assert one.crossings == NIGHTS and one.verdict != "below the floor"
        assert one.predicted_prob > floor
    assert result.strongest_fixed_prob > floor


def test_those_who_know_more_are_seen_less(result) -> None:
    naive, _, uninformed, informed = result.outcomes
    assert naive.predicted_prob > uninformed.predicted_prob + 0.05
    assert naive.predicted_prob > informed.predicted_prob + 0.05
    assert informed.predicted_prob < result.strongest_fixed_prob + 0.1


def test_counts_agree_with_what_was_predicted_and_with_the_looks(result) -> None:
    assert result.confidence == 0.99
    for one in result.outcomes:
        count = account.share(one.detected, one.crossings, confidence=0.99)
        assert (one.low_prob, one.high_prob) == (count.low_prob, count.high_prob)
        wide = account.share(one.detected, one.crossings, confidence=0.999)
        assert wide.low_prob <= one.looked_prob <= wide.high_prob
        # The rate may promise less than the looks deliver, not more (detection.detection_rate_hz).
        assert -0.02 <= one.looked_prob - one.predicted_prob < 0.15


def test_predictions_are_kept_in_every_bin(result) -> None:
    assert result.calibrated
    assert sum(one.crossings for one in result.bins) == NIGHTS * len(trial.KINDS)
    assert sum(one.detected for one in result.bins) == sum(one.detected for one in result.outcomes)
    for one in result.bins:
        assert one.low_prob <= one.predicted_prob <= one.high_prob
    assert len(result.reliability()) == len(result.bins)


def test_a_prediction_that_promises_too_much_is_found_out() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.uniform(0.0, 1.0, 20_000)
    honest = trial._bins(predicted, rng.random(20_000) < predicted, 0.999)
    boastful = trial._bins(predicted, rng.random(20_000) < 0.8 * predicted, 0.999)
    assert all(one.kept for one in honest) and len(honest) == trial.BINS
    assert not any(one.kept for one in boastful[2:])


def test_a_false_certificate_is_found_out() -> None:
    found = trial.trial(AREA, certified(0.999), nights=30, seed=5)
    assert not found.passed
    assert [one.verdict for one in found.outcomes][2:] == ["below the floor"] * 2
    assert "below the floor (0.999)" in found.rows()[2][-1]


def test_a_wider_confidence_makes_wider_intervals() -> None:
    wide, narrow = (trial.trial(AREA, certified(0.5), nights=4, seed=2, confidence=c).outcomes for c in (0.99, 0.8))
    for one, other in zip(wide, narrow, strict=True):
        assert one.detected == other.detected
        assert one.low_prob <= other.low_prob and one.high_prob >= other.high_prob
        assert one.high_prob - one.low_prob > other.high_prob - other.low_prob
    with pytest.raises(ConfigError, match="confidence of 99"):
        trial.trial(AREA, certified(0.5), nights=2, confidence=99.0)


def test_who_learns_ends_up_where_nobody_looks() -> None:
    rng = np.random.default_rng(3)
    caught_prob = np.array([0.9, 0.8, 0.3, 0.9, 0.7])
    learner = adaptive.Learner(5, rng)
    chosen = []
    for _ in range(600):
        chosen.append(learner.choose())
        learner.learn(chosen[-1], caught=bool(rng.random() < caught_prob[chosen[-1]]))
    assert np.mean(np.array(chosen[-200:]) == 2) > 0.8 and len(set(chosen[:60])) == 5


def test_quick_ways_are_quick_and_from_everywhere() -> None:
    board = adaptive.Board(AREA, certified(0.0), AREA.crossers[0], cell_m=240.0, step_s=120.0)
    ways = board.quick_ways(sections=3, windows=2)
    assert len(ways) == 6
    starts = np.array([way.xy_m[0, 1] for way in ways])
    assert np.ptp(starts) > 1000.0
    fastest = crossers.fastest_s(board.graph).min()
    for way in ways:
        took_s = way.arrive_s[-1] - way.arrive_s[0]
        assert took_s <= 2.0 * fastest


def test_the_same_seed_gives_the_same_trial(monkeypatch) -> None:
    monkeypatch.setattr(trial, "FIXED_WAYS", 2)
    first, again, other = (trial.trial(AREA, certified(0.5), nights=6, seed=seed) for seed in (5, 5, 6))
    assert first == again and first.outcomes != other.outcomes


def test_two_thousand_crossings_are_at_least_two_thousand(monkeypatch) -> None:
    monkeypatch.setattr(trial, "_Parties", _Nobody)
    found = trial.trial(AREA, certified(0.0), crossings=301)
    assert found.nights == 76 and sum(one.crossings for one in found.outcomes) >= 301
    assert all(one.detected == 0 for one in found.outcomes)


class _Nobody:
    """Four who stay abroad: only the counting is of interest."""

    strongest_fixed_prob = 0.0

    def __init__(self, *_: object) -> None:
        abroad = adaptive.SimulatedCrosser(
            id="a", crosser_class="walker", target="person", t_s=(0.0, 60.0), x_m=(-4000.0,) * 2, y_m=(0.0,) * 2
        )
        self.cross = lambda *_: [abroad] * 4
        self.hear = lambda *_: None


def test_naive_crossers_keep_to_the_certified_hours() -> None:
    made = certified(0.5)
    slow = replace(AREA.crossers[0], speed_factor=0.5)
    for crosser in (AREA.crossers[0], slow):
        found = trial._naive(AREA, crosser, made.waves[1:], np.random.default_rng(1), 40)
        assert min(one.t_s[0] for one in found) >= 1200.0 and max(one.t_s[-1] for one in found) <= 3600.0
        assert np.std([one.t_s[0] for one in found]) > 30.0


def test_nights_are_drawn_as_the_strategy_says() -> None:
    """The seeds of the nights are fresh, and the columns come as often as their weights say."""
    made = certified(0.0)
    seeds = [trial._night_seed(1, night) for night in range(400)]
    assert len(set(seeds)) == 400 and seeds[0] != trial._night_seed(2, 0)
    columns = np.array([draw.draw(made, seed, 0).column_indices for seed in seeds])
    for wave in range(columns.shape[1]):
        weight = np.array([c.weight for c in made.waves[wave].columns], float)
        expected = 400.0 * weight / weight.sum()
        chi2 = ((np.bincount(columns[:, wave], minlength=len(weight)) - expected) ** 2 / expected).sum()
        assert chi2 < 16.3  # 99.9 % of chi-square with three degrees of freedom
    flown = encounters.flights(AREA, draw.draw(made, seeds[0], 0).sorties)
    assert {one.aircraft.id for one in flown} == {a.id for a in AREA.fleet.aircraft}


def test_a_class_without_a_floor_is_refused() -> None:
    with pytest.raises(ConfigError, match="'mule'"):
        trial.trial(AREA, certified(0.5), nights=2, crosser_class="mule")


def test_files(result, tmp_path) -> None:
    told = json.loads(trial.save_trial(result, tmp_path / "trial.json").read_bytes())
    assert told["floor_prob"] == result.floor_prob and len(told["outcomes"]) == 4 and "simulated" in told
    picture = trial.draw_trial(result, tmp_path / "trial.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trial.json", "trial.png"]
