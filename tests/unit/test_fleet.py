"""The catalog: each entry works in the models or says what it lacks, each figure has a source, none is a weapon."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from kuntur.aircraft import performance
from kuntur.errors import ConfigError
from kuntur.io import area_file, catalog
from kuntur.io.area_file import AirframeTable, CameraTable
from kuntur.model.place import Weather
from kuntur.ops import fleet
from kuntur.visibility import acquisition

KNOWN = catalog.read()
ENTRIES = catalog.entries(KNOWN)
BY_ID = {one.id: one for one in ENTRIES}


def entry_id(entry: catalog.Entry) -> str:
    return entry.id


def test_there_is_a_choice_of_every_class() -> None:
    assert len(KNOWN.airframe) >= 12 and len(KNOWN.camera) >= 8
    assert {one.category for one in KNOWN.airframe} >= {
        "small multirotor",
        "multirotor",
        "VTOL wing",
        "small wing",
        "MALE wing",
    }
    assert {one.band for one in KNOWN.camera} == {"EO", "LWIR", "MWIR"}
    assert len(BY_ID) == len(ENTRIES), "ids are unique over all three tables"


@pytest.mark.parametrize("entry", ENTRIES, ids=entry_id)
def test_every_figure_has_a_source(entry: catalog.Entry) -> None:
    for figure in fleet.figures(entry):
        assert len(figure.source) > 20, figure
    assert len(entry.source) > 20


@pytest.mark.parametrize("entry", ENTRIES, ids=entry_id)
def test_what_is_missing_is_listed_as_unknown_and_nothing_else_is(entry: catalog.Entry) -> None:
    keys = set(entry.__struct_fields__)
    assert {word for word in entry.unknown if word in keys} == set(catalog.missing(entry))


@pytest.mark.parametrize("entry", ENTRIES, ids=entry_id)
def test_no_entry_is_or_carries_a_weapon(entry: catalog.Entry) -> None:
    words = set(re.findall(r"[a-z]+", " ".join(str(value) for value in msgspec.structs.astuple(entry)).lower()))
    armed = {
        "weapon",
        "missile",
        "munition",
        "bomb",
        "warhead",
        "rocket",
        "gun",
        "strike",
        "attack",
        "combat",
        "kamikaze",
    }
    armed |= {f"{word}s" for word in armed} | {"armed", "loitering", "laser", "designator", "designation", "hardpoint"}
    assert not words & armed


@pytest.mark.parametrize("table", KNOWN.airframe, ids=entry_id)
def test_an_airframe_flies_in_the_model_or_is_refused_by_what_it_lacks(table: AirframeTable) -> None:
    lacks = catalog.lacking(table)
    if lacks:
        with pytest.raises(ConfigError) as refused:
            catalog.airframe(table)
        assert all(word in refused.value.message for word in (table.id, *lacks))
        return
    airframe = catalog.airframe(table)
    low = performance.budget(airframe, 0.0, 0.0, Weather())
    # Never more than published; half of it only where the makers do not say at which speed it holds.
    assert low.can_fly and 0.5 < low.endurance_s / (0.75 * airframe.endurance_s) <= 1.0
    assert low.loiter_endurance_s <= 0.75 * (airframe.forward_endurance_s or airframe.endurance_s)
    assert low.loiter_endurance_s >= low.endurance_s
    high = performance.budget(airframe, 0.0, airframe.ceiling_msl_m - 1.0, Weather())
    assert high.can_fly, high.why
    assert not performance.budget(airframe, 0.0, airframe.ceiling_msl_m + 1.0, Weather()).can_fly


@pytest.mark.parametrize("table", KNOWN.camera, ids=entry_id)
def test_a_camera_sees_in_the_model_or_is_refused_by_what_it_lacks(table: CameraTable) -> None:
    lacks = catalog.lacking(table)
    if lacks:
        with pytest.raises(ConfigError) as refused:
            catalog.camera(table)
        assert all(word in refused.value.message for word in (table.id, *lacks))
        return
    camera = catalog.camera(table)
    day, night = (
        [acquisition.max_range_m(camera, target, Weather(light=light)) for target in ("person", "truck")]
        for light in ("day", "night")
    )
    assert 100.0 < day[0] < day[1]
    assert (night == day) if table.band != "EO" else (night == [0.0, 0.0])


@pytest.mark.parametrize("table", KNOWN.camera, ids=entry_id)
def test_lens_pitch_and_angle_agree(table: CameraTable) -> None:
    """A pinhole of the published lens and pitch gives the published angle, within the lens's distortion."""
    if catalog.lacking(table):
        return
    camera = catalog.camera(table)
    assert camera.hfov_rad > camera.vfov_rad
    if camera.pixel_pitch_m is None or camera.focal_length_m is None:
        return
    across = 2.0 * math.atan(camera.columns_px * camera.pixel_pitch_m / (2.0 * camera.focal_length_m))
    assert across == pytest.approx(camera.hfov_rad, rel=0.10)


def test_figures_that_are_not_there_have_no_source_and_no_doubt() -> None:
    scaneagle = BY_ID["scaneagle"]
    for wrong in ({"sources": {"stall_mps": "a page"}}, {"unverified": ("stall_mps",)}, {"unverified": ("colour",)}):
        with pytest.raises(ConfigError, match=r"stall_mps|colour"):
            catalog._check(msgspec.structs.replace(scaneagle, **wrong))


def test_a_built_in_camera_flies_on_its_own_airframe_only(small_fleet: area_file.AreaFile) -> None:
    assert catalog.fleet(small_fleet).aircraft[0].camera.id == "mavic_3t_thermal"
    wrong = msgspec.structs.replace(small_fleet.aircraft[0], airframe="matrice_400")
    with pytest.raises(ConfigError, match="part of another airframe"):
        catalog.fleet(msgspec.structs.replace(small_fleet, aircraft=(wrong,)))


def test_an_area_that_names_an_aircraft_with_missing_figures_hears_which(small_fleet: area_file.AreaFile) -> None:
    wrong = msgspec.structs.replace(small_fleet.aircraft[0], airframe="heron", camera="boson_640_36mm")
    with pytest.raises(ConfigError, match="it lacks cruise_mps, max_speed_mps") as refused:
        catalog.fleet(msgspec.structs.replace(small_fleet, aircraft=(wrong,)))
    assert "kuntur fleet heron" in refused.value.remedy
    mine = msgspec.structs.replace(BY_ID["heron"], id="our_heron", cruise_mps=35.0, max_speed_mps=55.0, unknown=())
    right = msgspec.structs.replace(wrong, airframe="our_heron")
    flown = catalog.fleet(msgspec.structs.replace(small_fleet, airframe=(mine,), aircraft=(right,)))
    assert flown.aircraft[0].airframe.cruise_mps == 35.0


@pytest.fixture
def small_fleet() -> area_file.AreaFile:
    """As much of an area file as its fleet needs."""
    base = area_file.BaseTable(id="post", name="Post", lat_deg=0.0, lon_deg=0.0, pads=1)
    one = area_file.AircraftTable(
        id="one", name="One", system_id=1, airframe="mavic_3t", camera="mavic_3t_thermal", radio="o3_enterprise",
        base="post", turnround_s=600.0,
    )  # fmt: skip
    terrain = area_file.TerrainTable()
    extent = area_file.ExtentTable(south_deg=0.0, west_deg=0.0, north_deg=1.0, east_deg=1.0)
    border = area_file.BorderTable(file="x", name="x", ours="left", our_country="A", their_country="B")
    need = area_file.RequirementTable(
        detection_prob=0.1, start_local="20:00", utc_offset_h=0.0, duration_s=1.0, depth_m=1.0, wave_s=1.0,
        crosser_cell_m=1.0, crosser_step_s=1.0, flight_cell_m=1.0, height_agl_m=1.0,
    )  # fmt: skip
    return area_file.AreaFile(
        id="x", title="x", extent=extent, terrain=terrain, border=border, base=(base,), aircraft=(one,), crosser=(),
        requirement=need,
    )  # fmt: skip


# --- as people read it


def printed(entry: str | None) -> str:
    lines = io.StringIO()
    fleet.show(entry, Console(file=lines, width=240))
    return lines.getvalue()


def test_the_table_has_every_entry_and_the_range_to_a_person() -> None:
    words = printed(None)
    for one in ENTRIES:
        assert one.id in words
    boson = catalog.camera(KNOWN.camera[0])
    assert f"{round(acquisition.max_range_m(boson, 'person', Weather()), -1):g}" in words
    assert "lacks cruise_mps" in words


@pytest.mark.parametrize("entry", ENTRIES, ids=entry_id)
def test_one_entry_shows_each_figure_its_source_and_what_is_unknown(entry: catalog.Entry) -> None:
    words = " ".join(printed(entry.id).split())
    for figure in fleet.figures(entry):
        assert figure.key in words and figure.value in words
    assert " ".join(entry.source.split()) in words
    for unknown in entry.unknown:
        assert unknown in words


def test_doubt_is_shown() -> None:
    rows = {one.key: one.checked for one in fleet.figures(BY_ID["scaneagle"])}
    assert rows["ceiling_msl_m"] and not rows["cruise_mps"]


def test_nothing_of_that_name() -> None:
    with pytest.raises(ConfigError, match='no "reaper"'):
        fleet.show("reaper", Console(file=io.StringIO()))


def test_the_page_is_the_catalog(repository: Path, tmp_path: Path) -> None:
    """Mend with: kuntur fleet --page docs/reference/fleet.md"""
    written = fleet.write_page(tmp_path / "fleet.md").read_text(encoding="utf-8")
    assert written == (repository / "docs" / "reference" / "fleet.md").read_text(encoding="utf-8")


def test_curves_of_the_camera_that_an_aircraft_is_built_with(tmp_path: Path) -> None:
    drawn = fleet.draw_curves("matrice_30t", tmp_path)
    assert [path.name for path in drawn] == ["curves_matrice_30t_thermal.png", "flight_matrice_30t.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert [path.name for path in fleet.draw_curves("scaneagle", tmp_path)] == ["flight_scaneagle.png"]
    for wrong, words in (("heron", "not a camera"), ("wescam_mx_10", "lacks hfov_deg"), ("reaper", 'no "reaper"')):
        with pytest.raises(ConfigError, match=words):
            fleet.draw_curves(wrong, tmp_path)
