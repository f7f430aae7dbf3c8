"""The draw: reproducible from its seed, exactly as likely as the weights say, and joined into whole flights."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest
from msgspec.structs import replace

from kuntur.errors import ConfigError
from kuntur.model.plans import Certificate, Column, Segment, Strategy, Wave
from kuntur.patrol import draw

CERTIFICATE = Certificate(
    floor=0.0,
    floor_planning=0.0,
    floor_audit=0.0,
    attack=0.0,
    ceiling=1.0,
    leak=0.0,
    class_floors={},
    crosser_class="walker",
    planning_cell_m=500.0,
    planning_step_s=60.0,
    audit_cell_m=250.0,
    audit_step_s=30.0,
    rounds=0,
    solve_s=0.0,
    attackers={},
    caveats=(),
)


def segment(number: int, wave: int, t_s: tuple[float, ...]) -> Segment:
    return Segment(
        id=number,
        aircraft_id="wing",
        wave=wave,
        t_s=t_s,
        x_m=tuple(100.0 * t for t in t_s),
        y_m=tuple(0.0 for _ in t_s),
        alt_msl_m=tuple(5000.0 for _ in t_s),
        energy_wh=10.0,
        endurance_s=t_s[-1] - t_s[0] if t_s else 0.0,
    )


STRATEGY = Strategy(
    area_id="line",
    watch_duration_s=40.0,
    weight_total=7,
    aircraft_ids=("wing",),
    base_ids=("hut",),
    segments=(
        segment(0, 0, (1.0, 10.0)),
        segment(1, 0, (2.0, 5.0, 10.0)),
        segment(2, 1, (10.0, 20.0)),
        segment(3, 2, ()),
        segment(4, 3, (30.0, 40.0)),
    ),
    waves=(
        Wave(start_s=0.0, end_s=10.0, columns=(Column(segment_ids=(0,), weight=2), Column(segment_ids=(1,), weight=5))),
        Wave(start_s=10.0, end_s=20.0, columns=(Column(segment_ids=(2,), weight=7),)),
        Wave(start_s=20.0, end_s=30.0, columns=(Column(segment_ids=(3,), weight=7),)),
        Wave(start_s=30.0, end_s=40.0, columns=(Column(segment_ids=(4,), weight=7),)),
    ),
    certificate=CERTIFICATE,
    input_hashes={},
    simulated=(),
    frame_lat0_deg=-18.0,
    frame_lon0_deg=-69.0,
)


def seed(k: int) -> bytes:
    return hashlib.sha256(f"test {k}".encode()).digest()


def test_the_seed_alone_makes_the_night() -> None:
    first = draw.draw(STRATEGY, seed(1), 0)
    assert draw.check(STRATEGY, first, seed(1))
    other = next(seed(k) for k in range(2, 50) if draw.draw(STRATEGY, seed(k), 0).sorties != first.sorties)
    assert not draw.check(STRATEGY, first, other)
    assert first.seed_commitment == hashlib.sha256(seed(1)).hexdigest()


def test_columns_come_as_often_as_their_weights_say() -> None:
    count = Counter(draw.draw(STRATEGY, seed(k), 0).column_indices[0] for k in range(2000))
    # Binomial with 2/7: 571.4 +- 20.2; five standard deviations.
    assert abs(count[0] - 2000 * 2 / 7) < 101


def test_segments_are_joined_from_take_off_to_landing() -> None:
    drawn = next(t for t in (draw.draw(STRATEGY, seed(k), 0) for k in range(50)) if t.column_indices[0] == 1)
    assert [s.id for s in drawn.sorties] == ["wing-1", "wing-2"]
    assert drawn.sorties[0].t_s == (2.0, 5.0, 10.0, 20.0)
    assert drawn.sorties[0].energy_wh == 20.0
    assert drawn.sorties[1].t_s == (30.0, 40.0)
    assert {s.base_id for s in drawn.sorties} == {"hut"}


def test_a_word_past_the_last_multiple_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "_words", lambda _seed, _wave: iter([2**256 - 1, 3]))
    assert draw._below(7, b"", 0) == 3  # 2^256 = 2 mod 7: the last two words belong to no full multiple


def test_edited_weights_are_refused() -> None:
    waves = (replace(STRATEGY.waves[0], columns=STRATEGY.waves[0].columns[:1]), *STRATEGY.waves[1:])
    with pytest.raises(ConfigError, match="add up to 2, not to 7"):
        draw.draw(replace(STRATEGY, waves=waves), seed(1), 0)


def test_a_short_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="4 bytes"):
        draw.draw(STRATEGY, b"weak", 0)


def test_one_layout_draws_what_it_always_drew() -> None:
    """Written down before layouts were known: nights on record must draw again as they were drawn."""
    rows = [draw.draw(STRATEGY, seed(k), 0).column_indices for k in range(64)]
    golden = "d7d1576211a9fbc60386472f01c2e02d9b0d548acb25b3d1d730aed2294a1ad8"
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == golden


def column(weight: int, begins: int, ends: int) -> Column:
    return Column(segment_ids=(3,), weight=weight, begins=begins, ends=ends)


LAYOUTS = replace(
    STRATEGY,
    waves=(
        replace(STRATEGY.waves[0], columns=(column(2, 0, 1), column(5, 0, 0))),
        replace(STRATEGY.waves[1], columns=(column(6, 0, 0), column(1, 0, 1), column(3, 1, 0), column(4, 1, 1))),
        replace(STRATEGY.waves[2], columns=(column(7, 1, 0), column(7, 0, 0))),
    ),
)


def test_a_wave_is_drawn_among_the_columns_of_the_layout_before() -> None:
    nights = [draw.draw(LAYOUTS, seed(k), 0).column_indices for k in range(4000)]
    for night in nights:
        layout = 0
        for wave, k in zip(LAYOUTS.waves, night, strict=True):
            assert wave.columns[k].begins == layout
            layout = wave.columns[k].ends
    count = Counter(night[:2] for night in nights)
    expected = {(0, 2): 2 / 7 * 3 / 7, (0, 3): 2 / 7 * 4 / 7, (1, 0): 5 / 7 * 6 / 7, (1, 1): 5 / 7 * 1 / 7}
    assert set(count) == set(expected)
    for pair, prob in expected.items():
        assert abs(count[pair] - 4000 * prob) < 5.0 * (4000 * prob * (1.0 - prob)) ** 0.5


def test_a_layout_that_leads_nowhere_is_refused() -> None:
    waves = (*LAYOUTS.waves[:2], replace(LAYOUTS.waves[2], columns=LAYOUTS.waves[2].columns[1:]))
    lost = next(k for k in range(50) if draw.columns(LAYOUTS, seed(k))[1] in (1, 3))  # ends in layout 1
    with pytest.raises(ConfigError, match="No column of wave 2 begins in layout 1"):
        draw.draw(replace(LAYOUTS, waves=waves), seed(lost), 0)


def test_weights_are_summed_within_a_layout() -> None:
    columns = (*LAYOUTS.waves[1].columns[:3], column(5, 1, 1))
    waves = (LAYOUTS.waves[0], replace(LAYOUTS.waves[1], columns=columns), LAYOUTS.waves[2])
    edited = replace(LAYOUTS, waves=waves)
    found = next(k for k in range(50) if draw.columns(LAYOUTS, seed(k))[0] == 0)
    with pytest.raises(ConfigError, match="wave 1 in layout 1 add up to 8, not to 7"):
        draw.draw(edited, seed(found), 0)


def test_a_schedule_is_known_by_everything_but_its_certificate() -> None:
    whole = draw.schedule_sha256(STRATEGY)
    assert whole == draw.schedule_sha256(replace(STRATEGY, certificate=replace(CERTIFICATE, floor=0.9)))
    segments = (replace(STRATEGY.segments[0], x_m=(0.0, 0.5)), *STRATEGY.segments[1:])
    waves = (*STRATEGY.waves[:3], replace(STRATEGY.waves[3], end_s=41.0))
    for edited in (
        replace(STRATEGY, segments=segments),
        replace(STRATEGY, waves=waves),
        replace(STRATEGY, weight_total=8),
        replace(STRATEGY, input_hashes={"terrain": "0"}),
    ):
        assert draw.schedule_sha256(edited) != whole
