"""A fleet is sized, stopped, and sized on: see test_size_and_stop.md."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest
import small_area

from kuntur.errors import InfeasibleError
from kuntur.io import area as area_io
from kuntur.model.place import Area
from kuntur.ops import size
from kuntur.ops.size_answer import Answer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


WINGS = """
[size]
most_aircraft = 3
[[size.aircraft]]
id = "wing"
name = "Wing"
airframe = "scaneagle"
camera = "lwir_1280_35mm"
radio = "rfd900x"
turnround_s = 1800.0
"""


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Area:
    folder = tmp_path_factory.mktemp("area")
    sized = ("\n[weather]", WINGS + "\n[weather]")
    return area_io.load(small_area.write(folder, ("pads = 1", "pads = 4"), sized), cache_folder=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("size")


@pytest.fixture(scope="module")
def first(area: Area, folder: Path) -> Answer:
    return size.size(area, folder, detection_prob=0.03, seconds=15.0, each_s=2.0)


def test_both_ends_are_told(first: Answer) -> None:
    assert first.unit == "aircraft" and any("no [[cost]]" in note for note in first.notes)
    assert 1.0 <= first.cost_floor <= 3.0
    assert first.tried
    if first.certified_cost is not None:
        assert first.certified_cost >= first.cost_floor
    for one in first.tried:
        assert one.floor is None or one.floor <= one.ceiling
        assert (one.floor is None) == (one.why is not None)
    assert list(first.ceilings) == sorted(first.ceilings)
    assert not any("CONTRADICTION" in note for note in first.notes)
    assert not first.stopped


def test_everything_is_kept(first: Answer, folder: Path) -> None:
    assert msgspec.json.decode((folder / "size.json").read_bytes(), type=Answer) == first
    assert (folder / "size.png").stat().st_size > 10_000
    assert (folder / "cuts.json").is_file()
    assert len(list((folder / "plans").glob("*.json"))) == len(first.tried)


def test_it_goes_on_from_the_folder(first: Answer, area: Area, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "plans").glob("*.json")}
    again = size.size(area, folder, detection_prob=0.03, seconds=8.0, each_s=2.0)
    assert before.items() <= {path: path.stat().st_mtime_ns for path in (folder / "plans").glob("*.json")}.items()
    assert again.cost_floor >= first.cost_floor
    assert again.cuts >= first.cuts


def test_ctrl_c_ends_with_what_is_known(area: Area, tmp_path: Path) -> None:
    pressed = []

    def press(_: float, words: str) -> None:
        if "round" in words and not pressed:
            pressed.append(words)
            signal.raise_signal(signal.SIGINT)

    answer = size.size(area, tmp_path, detection_prob=0.03, seconds=60.0, each_s=20.0, progress=press)
    assert pressed and answer.stopped
    assert answer.cost_floor >= 1.0
    assert len(answer.tried) <= 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_above_the_ceiling_is_refused_with_the_ceiling(area: Area, tmp_path: Path) -> None:
    assert area.sizing is not None
    single = msgspec.structs.replace(area, sizing=msgspec.structs.replace(area.sizing, most_aircraft=1))
    with pytest.raises(InfeasibleError, match=r"none of them exceeds 0\.\d\d, whatever its plan") as told:
        size.size(single, tmp_path, detection_prob=0.99, seconds=20.0)
    assert told.value.exit_code == 4
