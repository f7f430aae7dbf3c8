"""The integer program of a sizing, the prices, what the area file may say of them, and the words of the answer."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import small_area

from kuntur.errors import ConfigError, InfeasibleError
from kuntur.io import area as area_io
from kuntur.model.sizing import AircraftCost
from kuntur.ops import size, size_answer, size_picture
from kuntur.patrol import sizing


def exposure_cut(*worth: float) -> sizing.Cut:
    return sizing.Cut(worth=worth, capped=False, crosser="walker")


def test_a_cut_asks_for_exposure_or_for_detection() -> None:
    cut, capped = exposure_cut(0.5, 1.0), sizing.Cut(worth=(0.2, 0.1), capped=True, crosser="walker")
    assert cut.least(1.0 - np.exp(-2.0)) == pytest.approx(2.0)
    assert capped.least(0.7) == 0.7
    assert cut.bound((2, 1)) == pytest.approx(1.0 - np.exp(-2.0))
    assert capped.bound((2, 1)) == pytest.approx(0.5)
    assert capped.bound((9, 9)) == 1.0
    assert sizing.ceiling([cut, capped], (2, 1)) == pytest.approx(0.5)
    assert sizing.ceiling([], (1, 1)) == 1.0
    assert sizing.ceilings([cut, capped], np.array([[2, 1], [1, 0]])) == pytest.approx([0.5, 0.2])


@pytest.mark.parametrize("seed", range(12))
def test_the_program_finds_the_cheapest_fleet_that_keeps_the_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, most, wanted = 4, 5, 0.6
    prices = sizing.Prices(
        aircraft=rng.uniform(1.0, 9.0, options), base=np.array([0, 1, 1, 2], np.int32), opening=rng.uniform(0.0, 6.0, 3)
    )
    cuts = [exposure_cut(*rng.uniform(0.0, 0.7, options)) for _ in range(4)]
    cuts.append(sizing.Cut(worth=tuple(rng.uniform(0.0, 0.5, options)), capped=True, crosser="walker"))
    able = [n for n in sizing.fleets(options, most) if sizing.ceiling(cuts, n) >= wanted]
    found = sizing.cheapest(prices, cuts, wanted, most)
    if not able:
        assert found is None
        return
    assert found is not None
    assert found[0] == pytest.approx(min(prices.of(n) for n in able), rel=1e-6)
    assert sizing.ceiling(cuts, found[1]) >= wanted - 1e-6
    assert sizing.highest(cuts, options, most) >= max(sizing.ceiling(cuts, n) for n in able) - 1e-9


def test_every_fleet_is_counted_once() -> None:
    fleets = sizing.fleets(3, 4)
    assert len(fleets) == 34  # C(3 + 4, 4) - 1
    assert len({tuple(n) for n in fleets}) == 34
    assert fleets.sum(axis=1).min() == 1 and fleets.sum(axis=1).max() == 4


def test_a_base_is_paid_for_once() -> None:
    prices = sizing.Prices(aircraft=np.array([3.0, 4.0]), base=np.array([0, 1], np.int32), opening=np.array([1.0, 7.0]))
    assert prices.of((2, 0)) == 7.0
    assert prices.of((2, 1)) == 18.0


def test_the_cost_of_a_watch() -> None:
    cost = AircraftCost(
        type_id="a", base_id=None, purchase=500_000.0, life_watches=1000.0, crew_per_watch=300.0, per_flight_hour=40.0,
        source="a test",
    )  # fmt: skip
    assert cost.per_watch(flight_hours=5.0) == 500.0 + 300.0 + 200.0


SIZE = """
[size]
most_aircraft = 4
currency = "CLP"
[[size.aircraft]]
id = "scout"
name = "Scout"
airframe = "matrice_4td"
camera = "matrice_4_thermal"
radio = "o4_enterprise_m4"
turnround_s = 500.0
[[candidate_base]]
id = "ridge"
name = "The ridge"
lat_deg = -10.01
lon_deg = -69.98
pads = 1
[[cost]]
aircraft = "scout"
purchase = 1000.0
life_watches = 10.0
crew_per_watch = 1.0
per_flight_hour = 2.0
source = "a test"
[[base_cost]]
base = "ridge"
per_watch = 5.0
source = "a test"

[weather]"""


def loaded(folder: Path, *changes: tuple[str, str]) -> area_io.Area:
    text = SIZE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return area_io.load(small_area.write(folder, ("\n[weather]", text)), cache_folder=folder)


def test_the_area_file_names_types_bases_and_costs(tmp_path: Path) -> None:
    question = loaded(tmp_path).sizing
    assert question is not None
    assert [(one.id, one.turnround_s, one.base_id) for one in question.types] == [("scout", 500.0, "")]
    assert [base.id for base in question.candidate_bases] == ["ridge"]
    assert question.candidate_bases[0].alt_msl_m == pytest.approx(3000.0, abs=2.0)
    assert question.most_aircraft == 4 and question.currency == "CLP"
    assert question.aircraft_costs[0].per_watch(1.0) == 103.0
    assert question.base_costs[0].per_watch == 5.0


def test_without_a_word_of_it_the_types_are_those_of_the_fleet(tmp_path: Path) -> None:
    question = area_io.load(small_area.write(tmp_path), cache_folder=tmp_path).sizing
    assert question is not None
    assert [one.id for one in question.types] == ["matrice_4td"]
    assert question.aircraft_costs == () and question.base_costs == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('aircraft = "scout"\npurchase', 'aircraft = "plane"\npurchase'), "no type of aircraft"),
        (('base = "ridge"', 'base = "valley"'), "no base"),
        (('id = "ridge"', 'id = "post"'), "two bases"),
        (("lon_deg = -69.98", "lon_deg = -70.03"), "wrong side"),
        (("life_watches = 10.0", "life_watches = 0.0"), "life_watches"),
        (('camera = "matrice_4_thermal"', 'camera = "zenmuse_x"'), "nobody has described"),
        (("per_flight_hour = 2.0\n", ""), "per_flight_hour"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(ConfigError if says != "wrong side" else Exception, match=says):
        loaded(tmp_path, change)


def test_a_detection_must_be_a_probability(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no probability"):
        size.size(loaded(tmp_path), tmp_path / "out", detection_prob=1.0)


def test_too_many_fleets_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too many"):
        size._require_countable(20, 10)


def answer(**changes: object) -> size_answer.Answer:
    tried = tuple(
        size_answer.Tried(fleet={name: n}, cost=cost, ceiling=0.9, floor=floor, attack=None, seconds=1.0, why=why)
        for name, n, cost, floor, why in (
            ("wing at a", 1, 10.0, 0.1, None),
            ("rotor at a", 2, 12.0, 0.05, None),
            ("wing at a", 2, 20.0, 0.45, None),
            ("rotor at b", 9, 25.0, None, "cannot fly"),
        )
    )
    told = size_answer.Answer(
        area_id="small", title="A small area", detection_prob=0.4, unit="USD per watch", cost_floor=10.0,
        floor_fleet={"wing at a": 1}, floor_closed=True, cuts=3, highest=0.99, most_aircraft=4, certified_cost=20.0,
        certified_fleet={"wing at a": 2}, tried=tried, ceilings=((10.0, 0.7), (20.0, 0.9)),
        base_fleet={"wing at a": 2}, more=(), notes=(), stopped=False, window_s=3600.0, simulated=("sketched terrain",),
        seconds=1.0, input_hashes={},
    )  # fmt: skip
    return msgspec.structs.replace(told, **changes)


def test_both_ends_of_the_interval_are_always_said() -> None:
    said = " ".join(size_answer.interval(answer()))
    assert "Proven: no fleet below 10" in said and "Certified: 2 wing at a, at 20" in said and "ratio 2.00" in said
    none = " ".join(size_answer.interval(answer(certified_cost=None, certified_fleet=None)))
    assert "Proven: no fleet below 10" in none and "none of the 4 fleets" in none and "proves nothing too small" in none
    assert "cheapest fleet is" not in said + none, "a heuristic's find is never called the cheapest there is"


def test_the_front_leaves_out_what_is_dearer_and_no_better() -> None:
    assert [one.cost for one in size_answer.front(answer())] == [10.0, 20.0]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    path = size_picture.draw(answer(), tmp_path / "size.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.stat().st_size > 20_000


def test_nothing_that_can_fly_is_said_with_the_reason(tmp_path: Path) -> None:
    """A summit that the rotor does not climb to: the question ends there, with what binds."""
    area = loaded(tmp_path)
    high = msgspec.structs.replace(
        area, terrain=msgspec.structs.replace(area.terrain, heights_m=area.terrain.heights_m + np.float32(6000.0))
    )
    with pytest.raises(InfeasibleError, match="None of these aircraft can fly"):
        size.size(high, tmp_path / "out", seconds=1.0)
