"""The simulated camera sees what the sensor model says it should see, tells it with the errors it says, and says so."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import places
import pytest

from kuntur.codecs import klv, misb
from kuntur.errors import ConfigError
from kuntur.geodesy import frames, grid
from kuntur.model.tracks import GroundDetection
from kuntur.sim import world as sim
from kuntur.tracking import coverage, geolocate
from kuntur.units import NS_PER_S
from kuntur.visibility import detection, looks

AREA = places.ridge_area()
WING = AREA.fleet.aircraft[0]


def crosser(x_m: float, y_m: float, *, to: tuple[float, float] | None = None) -> sim.SimulatedCrosser:
    end = to or (x_m, y_m)
    return sim.SimulatedCrosser(
        id="c",
        crosser_class="walker",
        target="person",
        t_s=(0.0, 40_000.0),
        x_m=(x_m, end[0]),
        y_m=(y_m, end[1]),
    )


def camera(
    *crossers: sim.SimulatedCrosser, seed: int = 1, false_alarms: float = 0.0, dwell_looks: int = 0
) -> sim.SimulatedCamera:
    world = sim.World(area_id=AREA.id, seed=0, crossers=crossers)
    return sim.SimulatedCamera(AREA, WING, world, 0, seed, false_alarms_per_look=false_alarms, dwell_looks=dwell_looks)


def packets(cam: sim.SimulatedCamera, x_m: float, y_m: float, height_agl_m: float, seconds: range):
    lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(AREA.frame, x_m, y_m))
    alt_msl_m = float(grid.height_at(AREA.terrain, x_m, y_m)) + height_agl_m
    for t_s in seconds:
        octets = cam.look(t_s * NS_PER_S, lat_deg, lon_deg, alt_msl_m, heading_rad=1.0)
        (packet,) = klv.walk(octets).packets
        yield octets, misb.decode(packet)


def test_every_packet_is_whole_and_says_it_is_simulated() -> None:
    for octets, decoded in packets(camera(false_alarms=0.5), 3000.0, 0.0, 350.0, range(50)):
        assert decoded.checksum == "right" and decoded.faults == () and decoded.unread == 0
        assert decoded.values["mission_id"] == decoded.values["platform_designation"] == "KUNTUR-SIM"
        assert octets.count(b"KUNTUR-SIM") == 3


def test_found_as_often_as_the_sensor_model_says() -> None:
    """A mover standing in the open: detections against the sum of glimpse probabilities of the looks that show it."""
    x_m, y_m = 3500.0, 400.0
    search, reach_m = sim.camera_search(AREA, WING)
    cam = camera(crosser(x_m, y_m))
    lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(AREA.frame, 3000.0, 0.0))
    alt_msl_m = float(grid.height_at(AREA.terrain, 3000.0, 0.0)) + 350.0
    point = np.array([[x_m, y_m, float(grid.height_at(AREA.terrain, x_m, y_m)) + 1.0]])
    assert geolocate.rays.line_of_sight(AREA.terrain, [3000.0, 0.0, alt_msl_m], point)[0] == 1
    slant_m = float(np.linalg.norm(point[0] - [3000.0, 0.0, alt_msl_m]))
    prob = float(detection.glimpse_prob(WING.camera, "person", slant_m, AREA.weather))
    found = shown = 0
    for t_s in range(5_000):
        octets = cam.look(t_s * NS_PER_S, lat_deg, lon_deg, alt_msl_m)
        found += len(misb.decode(klv.walk(octets).packets[0]).values["vmti"].get("targets", ()))
        azimuth_rad, elevation_rad = detection.pointing(search, t_s, seed=cam._pointing_seed)
        view = cam._true_view(0, lat_deg, lon_deg, alt_msl_m, azimuth_rad, elevation_rad)
        shown += len(coverage.in_picture(view, point, math.inf)[0])
    assert slant_m < reach_m and shown >= 5_000 // round(search.revolution_s)
    assert abs(found - shown * prob) < 4.0 * math.sqrt(shown * prob * (1.0 - prob))


def test_nobody_is_found_behind_the_ridge() -> None:
    hidden = crosser(-1800.0, 1500.0)
    cam = camera(hidden)
    ground = float(grid.height_at(AREA.terrain, -1800.0, 1500.0))
    eye = [1500.0, 1500.0, float(grid.height_at(AREA.terrain, 1500.0, 1500.0)) + 60.0]
    assert geolocate.rays.line_of_sight(AREA.terrain, eye, [-1800.0, 1500.0, ground + 1.0])[0] == 0
    for _, decoded in packets(cam, 1500.0, 1500.0, 60.0, range(600)):
        assert "targets" not in decoded.values["vmti"]


def test_false_alarms_come_at_the_stated_rate_and_are_known_as_such() -> None:
    ids = []
    for _, decoded in packets(camera(false_alarms=0.2), 3000.0, 0.0, 350.0, range(3000)):
        ids += [target["id"] for target in decoded.values["vmti"].get("targets", ())]
    assert abs(len(ids) - 600) < 4.0 * math.sqrt(600.0)
    assert all(sim.true_crosser(i) is None for i in ids)
    assert sim.true_crosser(1) == 0


def test_after_a_detection_the_camera_looks_there_again() -> None:
    directions, found = [], []
    for _, decoded in packets(camera(false_alarms=0.03, dwell_looks=3), 3000.0, 0.0, 350.0, range(400)):
        pose = misb.sensor_pose(decoded.values, "a", AREA.geoid, columns_px=1, rows_px=1)
        assert not isinstance(pose, str)
        directions.append((pose.azimuth_rad, pose.elevation_rad))
        found.append("targets" in decoded.values["vmti"])
    first = found.index(True)
    staying = np.ptp(directions[first : first + 4], axis=0)
    leaving = np.abs(np.subtract(directions[first + 4], directions[first]))
    assert staying.max() < math.radians(2.0) < leaving.max()


def test_located_detections_lie_within_their_stated_error() -> None:
    walkers = [crosser(x, y, to=(x + 200.0, y)) for x in (2700.0, 3300.0) for y in (-600.0, -350.0, 350.0, 600.0)]
    cam = camera(*walkers)
    nees = []
    for _, decoded in packets(cam, 3000.0, 0.0, 350.0, range(5_000)):
        pose = misb.sensor_pose(decoded.values, "a", AREA.geoid, columns_px=1, rows_px=1)
        assert not isinstance(pose, str)
        targets = decoded.values["vmti"].get("targets", [])
        if not targets:
            continue
        view = geolocate.camera_view(AREA.terrain, AREA.geoid, pose)
        located = geolocate.locate(AREA.terrain, view, misb.detections(decoded.values, pose), max_range_m=4000.0)
        for target, found in zip(targets, located, strict=True):
            who = sim.true_crosser(target["id"])
            if who is None or not isinstance(found, GroundDetection):
                continue
            truth = walkers[who].at(pose.t_ns / NS_PER_S)
            assert truth is not None
            xx, xy, yy = found.cov_m2
            miss = np.array([found.x_m - truth[0], found.y_m - truth[1]])
            nees.append(miss @ np.linalg.solve([[xx, xy], [xy, yy]], miss))
    assert len(nees) > 100
    # 2 is exact. The terrain of the simulation has no error, the stated covariance allows for one: a little below.
    assert 1.4 < np.mean(nees) < 2.3


def test_a_world_may_begin_later_than_the_aircraft_do() -> None:
    """Somebody who stands in the open for the first 300 s of a watch that begins at 500 s."""
    one = sim.SimulatedCrosser(
        id="c", crosser_class="walker", target="person", t_s=(0.0, 300.0), x_m=(3500.0, 3500.0), y_m=(400.0, 400.0)
    )
    world = sim.World(area_id=AREA.id, seed=0, crossers=(one,), start_t_ns=500 * NS_PER_S)
    cam = sim.SimulatedCamera(AREA, WING, world, 0, 1, false_alarms_per_look=0.0)
    found = [
        t_s
        for t_s, (_, decoded) in zip(range(1000), packets(cam, 3000.0, 0.0, 350.0, range(1000)), strict=True)
        if "targets" in decoded.values["vmti"]
    ]
    assert found and min(found) >= 500 and max(found) <= 800


def test_the_same_seed_gives_the_same_packets() -> None:
    one, two, other = (
        [
            octets
            for octets, _ in packets(
                camera(crosser(3500.0, 400.0), seed=s, false_alarms=0.1), 3000.0, 0.0, 350.0, range(60)
            )
        ]
        for s in (5, 5, 6)
    )
    assert one == two and one != other


def test_worlds_are_written_and_read_and_bad_ones_refused(tmp_path: Path) -> None:
    world = sim.World(area_id="a", seed=4, crossers=(crosser(1.0, 2.0, to=(3.0, 4.0)),))
    sim.save_world(world, tmp_path / "world.json")
    assert sim.load_world(tmp_path / "world.json") == world
    assert world.crossers[0].at(20_000.0) == (2.0, 3.0)
    assert world.crossers[0].at(-1.0) is None and world.crossers[0].at(40_001.0) is None
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be used"):
        sim.load_world(tmp_path / "bad.json")
    with pytest.raises(ConfigError, match="cannot be used"):
        sim.load_world(tmp_path / "none.json")
    text = (tmp_path / "world.json").read_text().replace("40000.0", "0.0")
    (tmp_path / "still.json").write_text(text)
    with pytest.raises(ConfigError, match="no proper path"):
        sim.load_world(tmp_path / "still.json")


def test_told_a_sector_the_camera_looks_nowhere_else_and_rests_while_it_swings_back() -> None:
    cam, middle_rad = camera(), math.radians(120.0)
    lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(AREA.frame, 3000.0, 0.0))
    alt_msl_m = float(grid.height_at(AREA.terrain, 3000.0, 0.0)) + 350.0
    slots = round(cam.sector.revolution_s)
    off, silent = [], 0
    for t_s in range(10 * slots):
        octets = cam.look(t_s * NS_PER_S, lat_deg, lon_deg, alt_msl_m, heading_rad=2.0, middle_rad=middle_rad)
        if octets is None:
            silent += 1
            continue
        values = misb.decode(klv.walk(octets).packets[0]).values
        pose = misb.sensor_pose(values, "a", AREA.geoid, columns_px=1, rows_px=1)
        assert not isinstance(pose, str)
        grid_rad = frames.grid_azimuth(AREA.frame, lat_deg, lon_deg, pose.azimuth_rad)
        off.append(math.remainder(grid_rad - middle_rad, 2.0 * math.pi))
    assert silent == 10
    assert max(map(abs, off)) < looks.SECTOR_RAD / 2.0
    assert max(off) > 0.3 * looks.SECTOR_RAD and min(off) < -0.3 * looks.SECTOR_RAD


def test_a_mover_in_the_sector_is_found_sooner_than_by_a_sweep_and_one_outside_never() -> None:
    def found(middle_rad: float | None) -> int:
        cam = camera(crosser(3500.0, 400.0))
        lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(AREA.frame, 3000.0, 0.0))
        alt_msl_m = float(grid.height_at(AREA.terrain, 3000.0, 0.0)) + 350.0
        told = (cam.look(t * NS_PER_S, lat_deg, lon_deg, alt_msl_m, middle_rad=middle_rad) for t in range(3000))
        return sum("targets" in misb.decode(klv.walk(o).packets[0]).values["vmti"] for o in told if o is not None)

    north_east = math.radians(51.0)
    assert found(north_east) > 1.5 * found(None) > 0
    assert found(north_east + math.pi) == 0
