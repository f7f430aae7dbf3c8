"""Geolocation, filter, association and tracker: right where the answer is known, else honest."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import places
import pytest
from scipy import stats

from kuntur.geodesy import frames, grid, heights
from kuntur.model.place import Terrain
from kuntur.model.tracks import Detection, GroundDetection, SensorPose
from kuntur.tracking import associate, coverage, filters, geolocate, tracker
from kuntur.units import NS_PER_S

AREA = places.ridge_area()
NO_ERROR = geolocate.PoseError(horizontal_m=0.01, vertical_m=0.01, los_rad=1e-6, pixel_px=0.01)


def flat(le90_m: float = 0.0) -> Terrain:
    return msgspec.structs.replace(places.terrain(np.full((201, 201), 4000.0), 30.0), vertical_error_le90_m=le90_m)


def pose_over(terrain: Terrain, x_m: float, y_m: float, alt_msl_m: float, azimuth_rad: float, elevation_rad: float):
    """A pose whose view in the local frame is as given (azimuth from grid north)."""
    lat_deg, lon_deg = (float(v) for v in frames.to_geodetic(terrain.frame, x_m, y_m))
    return SensorPose(
        t_ns=0,
        aircraft_id="a",
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        alt_hae_m=float(heights.hae_from_msl(AREA.geoid, lat_deg, lon_deg, alt_msl_m)),
        azimuth_rad=azimuth_rad + frames.convergence_rad(terrain.frame, lat_deg, lon_deg),
        elevation_rad=elevation_rad,
        roll_rad=0.0,
        hfov_rad=math.radians(24.0),
        vfov_rad=math.radians(19.4),
        columns_px=640,
        rows_px=512,
    )


def mid(pose: SensorPose, column_px: float = 320.0, row_px: float = 256.0) -> Detection:
    return Detection(
        t_ns=pose.t_ns,
        aircraft_id=pose.aircraft_id,
        column_px=column_px,
        row_px=row_px,
        size_class="person",
        confidence_prob=0.9,
    )


def locate_one(terrain: Terrain, pose: SensorPose, error: geolocate.PoseError | None = None, **at: float):
    view = geolocate.camera_view(terrain, AREA.geoid, pose)
    return geolocate.locate(terrain, view, [mid(pose, **at)], max_range_m=8000.0, aim_height_m=0.0, error=error)[0]


# --- geolocation


def test_flat_ground_has_the_closed_form_position_and_covariance() -> None:
    terrain = flat(le90_m=8.2245)  # 5 m at one sigma
    depression = math.radians(30.0)
    pose = pose_over(terrain, 0.0, 0.0, 4500.0, math.radians(90.0), -depression)
    error = geolocate.PoseError(horizontal_m=3.0, vertical_m=4.0, los_rad=2e-3, pixel_px=1e-6)
    found = locate_one(terrain, pose, error)
    assert isinstance(found, GroundDetection)
    assert found.x_m == pytest.approx(500.0 / math.tan(depression), abs=0.5)  # curvature: a few centimetres
    assert found.y_m == pytest.approx(0.0, abs=0.1)
    slant = 500.0 / math.sin(depression)
    height = math.hypot(4.0, 5.0) / math.tan(depression)
    along = math.sqrt(3.0**2 + height**2 + (slant * 2e-3 / math.sin(depression)) ** 2)
    across = math.hypot(3.0, slant * 2e-3)
    assert math.sqrt(found.cov_m2[0]) == pytest.approx(along, rel=0.01)
    assert math.sqrt(found.cov_m2[2]) == pytest.approx(across, rel=0.01)
    assert abs(found.cov_m2[1]) < 1.0


def test_what_is_projected_into_the_picture_is_located_where_it_was() -> None:
    """Ground points all over the ridge's slope: picture and back, exact to the last metre."""
    terrain = AREA.terrain
    pose = pose_over(terrain, 2500.0, -600.0, 4900.0, math.radians(265.0), math.radians(-16.0))
    view = geolocate.camera_view(terrain, AREA.geoid, pose)
    rng = np.random.default_rng(1)
    x_m, y_m = rng.uniform(-200.0, 1500.0, 400), rng.uniform(-1500.0, 500.0, 400)
    points = np.stack([x_m, y_m, grid.height_at(terrain, x_m, y_m)], axis=-1)
    index, _ = coverage.seen(terrain, view, points, 6000.0)
    assert len(index) > 50
    column_px, row_px, _ = coverage.project(view, points[index])
    detections = [mid(pose, c, r) for c, r in zip(column_px, row_px, strict=True)]
    located = geolocate.locate(terrain, view, detections, max_range_m=8000.0, aim_height_m=0.0, error=NO_ERROR)
    assert all(isinstance(found, GroundDetection) for found in located)
    errors = [math.hypot(found.x_m - x_m[k], found.y_m - y_m[k]) for k, found in zip(index, located, strict=True)]
    assert max(errors) < 30.0  # a grazing ray may touch a swell a little in front of the point it was aimed at
    assert np.median(errors) < 0.5


def test_the_stated_covariance_holds_the_true_errors() -> None:
    """Monte Carlo over the whole error model on rough ground: mean NEES of two degrees of freedom."""
    terrain = AREA.terrain
    error = geolocate.PoseError()
    rng = np.random.default_rng(2)
    nees = []
    terrain_sigma_m = 5.0 / 1.6449
    for _ in range(600):
        x_m, y_m = rng.uniform(3000.0, 5000.0), rng.uniform(-3500.0, 3500.0)
        alt_m = float(grid.height_at(terrain, x_m, y_m)) + 400.0
        azimuth, elevation = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(-60.0, -20.0))
        true = geolocate.camera_view(terrain, AREA.geoid, pose_over(terrain, x_m, y_m, alt_m, azimuth, elevation))
        pixel = np.array([rng.uniform(50.0, 590.0)]), np.array([rng.uniform(50.0, 460.0)])
        direction = geolocate.pixel_rays(true, *pixel)
        raised = msgspec.structs.replace(true, alt_msl_m=alt_m + rng.normal(0.0, terrain_sigma_m))
        origin = np.array([[raised.x_m, raised.y_m, raised.alt_msl_m]])
        hits = geolocate.rays.ground_hits(terrain, origin, direction, 6000.0)
        if hits.status[0] != 1:
            continue
        dx, dy = rng.normal(0.0, error.horizontal_m, 2)
        told = pose_over(
            terrain,
            x_m + dx,
            y_m + dy,
            alt_m + rng.normal(0.0, error.vertical_m),
            azimuth + rng.normal(0.0, error.los_rad) / math.cos(elevation),
            elevation + rng.normal(0.0, error.los_rad),
        )
        found = locate_one(terrain, told, error, column_px=float(pixel[0][0]), row_px=float(pixel[1][0]))
        if isinstance(found, GroundDetection):
            xx, xy, yy = found.cov_m2
            miss = hits.hits_m[0, :2] - (found.x_m, found.y_m)
            nees.append(miss @ np.linalg.solve([[xx, xy], [xy, yy]], miss))
    assert len(nees) > 400
    assert 1.4 < np.mean(nees) < 2.4  # 2 is exact; sigma points on rough ground err on the wide side
    assert np.mean(np.array(nees) < stats.chi2.ppf(0.95, 2)) > 0.92


def test_a_look_at_the_sky_and_one_along_the_horizon_have_no_place() -> None:
    terrain = flat()
    up = locate_one(terrain, pose_over(terrain, 0.0, 0.0, 4500.0, 1.0, math.radians(20.0)))
    assert isinstance(up, geolocate.Unlocated)
    far = locate_one(terrain, pose_over(terrain, 0.0, 0.0, 4005.0, 1.0, math.radians(-0.15)))
    assert isinstance(far, geolocate.Unlocated)
    assert "horizon" in far.reason


def test_ellipse_of_a_known_covariance() -> None:
    major, minor, azimuth = geolocate.ellipse((100.0, 0.0, 400.0), 1.0 - math.exp(-0.5))
    assert (major, minor, azimuth) == pytest.approx((20.0, 10.0, 0.0), abs=1e-9)
    assert geolocate.ellipse((400.0, 0.0, 100.0), 0.5)[2] == pytest.approx(math.pi / 2)
    major, minor, azimuth = geolocate.ellipse((200.0, 150.0, 200.0), 1.0 - math.exp(-0.5))
    assert (major**2, minor**2, math.degrees(azimuth)) == pytest.approx((350.0, 50.0, 45.0))


# --- filter and association


def test_prediction_in_two_steps_is_prediction_in_one() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 4, 4))
    states, covs = rng.normal(size=(3, 4)), root @ root.transpose(0, 2, 1)
    speed, memory = np.array([1.0, 7.0, 2.0]), np.array([900.0, 300.0, 600.0])
    once = filters.predict(states, covs, np.full(3, 200.0), speed, memory)
    half = filters.predict(states, covs, np.full(3, 80.0), speed, memory)
    twice = filters.predict(*half, np.full(3, 120.0), speed, memory)
    np.testing.assert_allclose(once[0], twice[0], rtol=1e-12)
    np.testing.assert_allclose(once[1], twice[1], rtol=1e-9)


def test_filter_is_consistent_with_movers_of_its_own_model() -> None:
    """NEES of the full state over many movers seen at irregular times: within the 99 % interval of chi-square."""
    rng = np.random.default_rng(5)
    motion = filters.MOTIONS["person"]
    R = np.array([[900.0, 200.0], [200.0, 400.0]])
    root_R = np.linalg.cholesky(R)
    runs, nees = 300, []
    for _ in range(runs):
        truth = np.concatenate([rng.normal(0.0, 100.0, 2), rng.normal(0.0, motion.speed_mps, 2)])
        state, cov = filters.initial(truth[:2] + root_R @ rng.normal(size=2), R, motion)
        for _ in range(6):
            dt = np.array([rng.uniform(20.0, 400.0)])
            speed, memory = np.array([motion.speed_mps]), np.array([motion.memory_s])
            moved, spread = filters.predict(truth[None], np.zeros((1, 4, 4)), dt, speed, memory)
            truth = rng.multivariate_normal(moved[0], spread[0])
            states, covs = filters.predict(state[None], cov[None], dt, speed, memory)
            state, cov = filters.update(states[0], covs[0], truth[:2] + root_R @ rng.normal(size=2), R)
        error = truth - state
        nees.append(error @ np.linalg.solve(cov, error))
    low, high = stats.chi2.ppf([0.005, 0.995], 4 * runs) / runs
    assert low < np.mean(nees) < high


def test_assignment_takes_the_best_whole_not_the_best_single() -> None:
    gain = np.array([[5.0, 4.0], [4.5, 0.5]])
    assert associate.assign(gain, np.ones((2, 2), bool)) == [(0, 1), (1, 0)]
    assert associate.assign(gain, np.array([[True, False], [False, True]])) == [(0, 0), (1, 1)]
    assert associate.assign(-gain, np.ones((2, 2), bool)) == []
    assert associate.assign(np.array([[3.0, 7.0]]), np.array([[True, True]])) == [(0, 1)]


# --- tracker


def look(t_s: float, *detections: GroundDetection, found_prob: float = 0.5, per_m2: float = 1e-8) -> tracker.Look:
    return tracker.Look(
        t_ns=round(t_s * NS_PER_S),
        x_m=0.0,
        y_m=0.0,
        reach_m=5000.0,
        detections=detections,
        false_alarms_per_m2=(per_m2,) * len(detections),
        seen_prob=lambda xy_m, _: np.where(np.hypot(*xy_m.T) < 5000.0, found_prob, 0.0),
    )


def at(t_s: float, x_m: float, y_m: float, *, size_class: str = "person", sigma_m: float = 20.0) -> GroundDetection:
    return GroundDetection(
        t_ns=round(t_s * NS_PER_S),
        aircraft_id="a",
        x_m=x_m,
        y_m=y_m,
        alt_msl_m=4000.0,
        cov_m2=(sigma_m**2, 0.0, sigma_m**2),
        slant_range_m=1000.0,
        size_class=size_class,
        confidence_prob=0.8,
    )


def run(looks: list[tracker.Look]) -> tuple[tracker.TrackerState, list[tracker.Change]]:
    state, log = tracker.start(), []
    for one in looks:
        state, changes = tracker.step(state, one)
        log += changes
    return state, log


def test_a_walker_is_confirmed_kept_and_its_velocity_found() -> None:
    looks = [look(60.0 * k, at(60.0 * k, 1.2 * 60.0 * k, 500.0)) for k in range(8)]
    state, log = run(looks)
    assert [c.what for c in log].count("new") == 1 and [c.what for c in log].count("confirmed") == 1
    assert log[2].what == "confirmed" or log[1].what == "confirmed"
    assert state.confirmed.tolist() == [True] and state.hits.tolist() == [8]
    vx, vy = state.state[0, 2:]
    sigma_v = math.sqrt(state.cov[0, 2, 2])
    assert abs(vx - 1.2) < 3 * sigma_v and abs(vy) < 3 * sigma_v and sigma_v < 0.4


def test_one_false_alarm_dies_of_looks_that_do_not_show_it_again() -> None:
    state, log = run([look(0.0, at(0.0, 0.0, 0.0)), *[look(30.0 * k) for k in range(1, 12)]])
    assert [c.what for c in log] == ["new", "deleted"]
    assert len(state.id) == 0


def test_no_look_there_no_miss_but_time_ends_it() -> None:
    seen_elsewhere = [look(60.0 * k, found_prob=0.0) for k in range(1, 29)]
    state, _ = run([look(0.0, at(0.0, 0.0, 0.0)), *seen_elsewhere])
    assert len(state.id) == 1
    state, changes = tracker.step(state, look(2000.0, found_prob=0.0))
    assert len(state.id) == 0 and changes[0].what == "deleted"


def test_two_walkers_crossing_keep_their_tracks() -> None:
    looks = []
    for k in range(11):
        t, s = 30.0 * k, 30.0 * k - 150.0
        looks.append(look(t, at(t, s, 60.0 + 0.5 * s, sigma_m=5.0), at(t, -s, 60.0 + 0.5 * s, sigma_m=5.0)))
    state, log = run(looks)
    assert [c.what for c in log].count("new") == 2
    order = np.argsort(state.state[:, 2])
    assert state.state[order, 2] == pytest.approx([-1.0, 1.0], abs=0.2)


def test_a_vehicle_is_not_a_walkers_next_place() -> None:
    state, _ = run([look(0.0, at(0.0, 0.0, 0.0)), look(10.0, at(10.0, 5.0, 0.0, size_class="light_vehicle"))])
    assert len(state.id) == 2
    state, _ = run([look(0.0, at(0.0, 0.0, 0.0, size_class="unknown")), look(10.0, at(10.0, 5.0, 0.0))])
    assert state.size_class.tolist() == [1]


@pytest.mark.parametrize(("first", "then"), [("person", "pack_animal"), ("truck", "light_vehicle")])
def test_classes_of_one_size_pass_for_each_other(first: str, then: str) -> None:
    state, _ = run([look(0.0, at(0.0, 0.0, 0.0, size_class=first)), look(10.0, at(10.0, 5.0, 0.0, size_class=then))])
    assert [tracker.SIZE_CLASSES[kind] for kind in state.size_class] == [first]


def test_a_night_of_false_alarms_confirms_almost_nothing() -> None:
    """4 h, 4 cameras, 1 % false alarms a look over 250 km2: the sequential test's promise, with the misses it needs."""
    rng = np.random.default_rng(11)
    state, confirmed, begun = tracker.start(), 0, 0
    for second in range(0, 14_400, 10):  # 40 looks in one step: the same alarms, a tenth of the misses
        x_m, y_m = rng.uniform(-8000.0, 8000.0, 2)
        alarms = [
            at(second, x_m + dx, y_m + dy, sigma_m=40.0)
            for dx, dy in rng.uniform(-1500.0, 1500.0, (rng.poisson(0.4), 2))
        ]
        scan = msgspec.structs.replace(
            look(second, *alarms, per_m2=0.4 / 9e6),
            x_m=x_m,
            y_m=y_m,
            reach_m=2000.0,
            seen_prob=lambda xy_m, _, x=x_m, y=y_m: np.where(np.abs(xy_m - (x, y)).max(axis=1) < 1500.0, 0.4, 0.0),
        )
        state, changes = tracker.step(state, scan)
        confirmed += sum(c.what == "confirmed" for c in changes)
        begun += sum(c.what == "new" for c in changes)
    assert begun > 400
    assert confirmed <= 3
