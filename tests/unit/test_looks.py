"""Sectors: cut out of a sweep without gaps, promised no more than their looks deliver, aimed at our own ground."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import places
import pytest
from msgspec.structs import replace

from kuntur.errors import ConfigError
from kuntur.geodesy import frames, lines
from kuntur.io import catalog
from kuntur.model.place import Weather
from kuntur.model.plans import SWEEP, Look
from kuntur.visibility import detection, looks

CAMERA = places.CAMERA
SEARCH = detection.search_pattern(CAMERA, 400.0, 1500.0)
AREA = places.ridge_area()


def in_picture(to: np.ndarray, azimuth_rad: np.ndarray, elevation_rad: np.ndarray) -> np.ndarray:
    """Which vectors (n, 3) a level pinhole camera has in its picture, pointed there for all or for each (n,)."""
    forward = frames.direction_enu(azimuth_rad, elevation_rad)
    right = np.stack([np.cos(azimuth_rad), -np.sin(azimuth_rad), np.zeros_like(azimuth_rad)], axis=-1)
    up = np.cross(right, forward)
    ahead = (to * forward).sum(-1)
    return (  # NaN, while it swings back: nothing
        (ahead > 0)
        & (np.abs((to * right).sum(-1)) <= ahead * math.tan(CAMERA.hfov_rad / 2) + 1e-9)
        & (np.abs((to * up).sum(-1)) <= ahead * math.tan(CAMERA.vfov_rad / 2) + 1e-9)
    )


@pytest.mark.parametrize("width_deg", [20.0, 90.0, 131.0, 300.0])
def test_every_direction_of_a_sector_is_in_a_picture_of_each_revolution(width_deg: float) -> None:
    sector = detection.sector(SEARCH, math.radians(width_deg))
    rng = np.random.default_rng(1)
    depression = rng.uniform(sector.least_depression_rad, sector.greatest_depression_rad, 3000)
    middle = 1.1
    azimuth = middle + rng.uniform(-0.5, 0.5, 3000) * sector.width_rad
    directions = frames.direction_enu(azimuth, -depression)
    seen = np.zeros(3000, bool)
    slots = round(sector.revolution_s / sector.look_s)
    for k in range(5 * slots, 6 * slots):
        seen |= in_picture(directions, *detection.pointing(sector, k * sector.look_s, seed=3, middle_rad=middle))
    assert seen.all()
    assert sector.revolution_s < SEARCH.revolution_s * width_deg / 360.0 + len(SEARCH.bands) + 1.0


def test_a_whole_turn_is_the_sweep_itself() -> None:
    assert detection.sector(SEARCH, detection.WHOLE_TURN_RAD) is SEARCH
    with pytest.raises(ConfigError, match="cannot be cut"):
        detection.sector(SEARCH, 0.0)
    with pytest.raises(ConfigError, match="cannot be cut"):
        detection.sector(detection.sector(SEARCH, 1.0), 0.5)


def test_a_sector_swings_back_once_in_each_revolution_and_goes_to_and_fro() -> None:
    sector = detection.sector(SEARCH, math.pi / 2.0)
    slots = round(sector.revolution_s / sector.look_s)
    assert slots == sum(band.looks for band in sector.bands) + 1
    for revolution in range(30):
        each = [detection.pointing(sector, revolution * slots + k, seed=5) for k in range(slots)]
        back = [k for k, (_, elevation) in enumerate(each) if math.isnan(elevation)]
        assert len(back) == 1
        cycle = each[back[0] + 1 :] + each[: back[0]]  # from the first picture of the pattern to its last
        turns = [abs(math.remainder(b[0] - a[0], 2 * math.pi)) for a, b in itertools.pairwise(cycle)]
        assert max(turns) <= 1.01 * sector.width_rad / min(band.looks for band in sector.bands)
    starts = {detection.pointing(sector, r * slots, seed=5)[0] for r in range(60)}
    assert len(starts) > 5


@pytest.mark.parametrize("from_s", [0, 4, 9])
def test_whoever_is_in_a_sector_for_a_part_of_a_revolution_is_looked_at_as_often_as_promised(from_s: int) -> None:
    """The proof of the rate wants this: the look at a direction falls in each slot with equal probability, the slot of
    the swing among them. A window of 3 slots that somebody chooses must hold it in 3 / slots of all revolutions."""
    sector = detection.sector(SEARCH, math.pi / 2.0)
    slots = round(sector.revolution_s / sector.look_s)
    band = sector.bands[1]
    exactly = frames.direction_enu(0.4, band.elevation_rad)[None]
    rounds, hits = 3000, 0
    for r in range(rounds):
        pointed = [detection.pointing(sector, r * slots + from_s + k, seed=11, middle_rad=0.4) for k in range(3)]
        hits += any(in_picture(exactly, a, e)[0] for a, e in pointed)
    share = 3.0 / slots
    assert hits / rounds >= share - 3.5 * math.sqrt(share / rounds)


@pytest.mark.parametrize("offset_m", [300.0, 800.0])
def test_a_simulated_pass_with_a_sector_detects_at_least_what_its_rate_promises(offset_m: float) -> None:
    """As for the sweep: passes over flat ground with the real pointing, the sector held square to the track."""
    height_m, speed_mps = 400.0, 18.0
    sector = detection.sector(SEARCH, looks.SECTOR_RAD)
    look = Look("stare", math.pi / 2.0)
    rng = np.random.default_rng(4)
    t_s = np.arange(0.0, 200.0, sector.look_s)
    exposures, missed = [], []
    for k in range(600):
        along_m = -1800.0 + speed_mps * t_s + rng.uniform(0.0, speed_mps)
        across_m = np.hypot(offset_m, along_m)
        rate_hz = detection.detection_rate_hz(
            CAMERA, sector, "person", Weather(), np.hypot(across_m, height_m), np.arctan2(height_m, across_m)
        )
        held = looks.holds(look, np.full(len(t_s), offset_m), -along_m)
        exposures.append(float((rate_hz * held).sum()) * sector.look_s)
        phase_s = rng.integers(10_000)
        to = np.stack([np.full(len(t_s), offset_m), -along_m, np.full(len(t_s), -height_m)], axis=-1)
        slant_m = np.linalg.norm(to, axis=1)
        prob = detection.glimpse_prob(CAMERA, "person", slant_m, Weather())
        pointed = np.array([detection.pointing(sector, t, seed=k, middle_rad=look.azimuth_rad) for t in t_s + phase_s])
        inside = in_picture(to, *pointed.T)
        missed.append(np.prod(1.0 - prob[inside]))
    promised = float(np.mean(-np.expm1(-np.array(exposures))))
    achieved, error = 1.0 - np.mean(missed), np.std(missed) / math.sqrt(len(missed))
    assert 0.1 < promised <= achieved + 3.0 * error
    assert achieved < promised + 0.2


def test_a_sector_holds_what_lies_in_it_from_both_ends_of_a_leg_all_along_the_leg() -> None:
    rng = np.random.default_rng(2)
    look = Look("border", 2.0)
    a, b, points = rng.uniform(-900, 900, 2), rng.uniform(-900, 900, 2), rng.uniform(-2500, 2500, (4000, 2))
    both = looks.holds(look, *(points - a).T, margin_m=150.0) & looks.holds(look, *(points - b).T, margin_m=150.0)
    assert 100 < both.sum() < 3000
    for share in np.linspace(0.0, 1.0, 9):
        assert looks.holds(look, *(points - a - share * (b - a)).T, margin_m=150.0 - 1e-6)[both].all()


def test_the_margin_is_the_distance_to_the_sectors_edges() -> None:
    look = Look("stare", 0.0)  # north
    deep_m = 1000.0 * math.sin(looks.SECTOR_RAD / 2.0)
    assert looks.holds(look, 0.0, 1000.0, margin_m=deep_m - 1.0)
    assert not looks.holds(look, 0.0, 1000.0, margin_m=deep_m + 1.0)
    assert not looks.holds(look, 0.0, -1000.0)
    assert looks.holds(SWEEP, 0.0, -1000.0, margin_m=1e9)


def at(inward_m: float) -> tuple[float, float]:
    """A place so far behind the middle of the border, which runs north; ours lies east."""
    foot = lines.point_at(FLAT.border.xy_m, lines.chainages(FLAT.border.xy_m)[-1] / 2.0)
    return float(foot[0]) + inward_m, float(foot[1])


FLAT = replace(
    AREA, zones=(), border=replace(AREA.border, xy_m=np.array([[0.0, -4000.0], [0.0, 4000.0]])),
    requirement=replace(AREA.requirement, depth_m=6000.0),
)  # fmt: skip
EAST, WEST = math.pi / 2.0, 1.5 * math.pi


def test_a_border_look_is_square_to_the_line_and_faces_the_middle_of_the_strip() -> None:
    for inward_m, azimuth_rad in ((300.0, EAST), (5700.0, WEST)):
        (sweep, look) = looks.aimed(FLAT, ["sweep", "border"], *at(inward_m), 1500.0)
        assert sweep == SWEEP and look == Look("border", pytest.approx(azimuth_rad))


def test_no_sector_is_offered_where_a_sweep_wastes_nothing() -> None:
    assert looks.aimed(FLAT, ["sweep", "border", "stare"], *at(3000.0), 1500.0) == (SWEEP,)


def test_no_sector_is_aimed_abroad_or_into_a_no_look_zone() -> None:
    towards = [look.azimuth_rad for look in looks.aimed(FLAT, ["stare"], *at(200.0), 1500.0)[1:]]
    assert towards == [pytest.approx(EAST)]
    x_m, y_m = at(3000.0)
    village = places._square("village", "no_look", x_m + 900.0, y_m, 850.0)
    away = [look.azimuth_rad for look in looks.aimed(replace(FLAT, zones=(village,)), ["stare"], x_m, y_m, 1500.0)[1:]]
    assert away == [pytest.approx(WEST)]


def test_the_pages_sweep_widths_of_each_look_are_those_of_the_code() -> None:
    """A straight pass of the page's camera, the sector square to the track or ahead."""
    one = next(camera for camera in catalog.read().camera if camera.id == "lwir_1280_35mm")
    camera, speed_mps, height_m = catalog.camera(one), 35.2, 300.0
    sweep = looks.search_of("sweep", camera, ["person"], height_m, Weather())
    sector = looks.search_of("stare", camera, ["person"], height_m, Weather())
    reach_m = detection.max_range_m(camera, "person", Weather())
    off, along = np.meshgrid(np.linspace(-reach_m, reach_m, 401), np.linspace(-reach_m, reach_m, 801), indexing="ij")
    across_m = np.hypot(off, along)
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "sensor-model.md").read_text()
    for name, search, look in (
        ("sweep", sweep, SWEEP),
        ("sector to one side", sector, Look("stare", EAST)),
        ("sector ahead", sector, Look("stare", 0.0)),
    ):
        rate_hz = detection.detection_rate_hz(
            camera, search, "person", Weather(), np.hypot(across_m, height_m), np.arctan2(height_m, across_m)
        )
        exposure = np.trapezoid(rate_hz * looks.holds(look, off, along), along, axis=1) / speed_mps
        widths = [
            float(np.trapezoid(-np.expm1(-exposure[side]), off[side, 0]))
            for side in (slice(None), slice(len(off) // 2, None))
        ]
        row = re.search(rf"^\| {name} \| (\d+) s \| (\d+) m \| (\d+) m \|$", page, re.MULTILINE)
        assert row
        assert [float(told) for told in row.groups()] == pytest.approx([search.revolution_s, *widths], rel=0.005)
