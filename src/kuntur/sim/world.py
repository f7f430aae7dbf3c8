"""Simulated crossers, and a simulated camera that sees them as the plan's sensor model says it should.

Nothing here is real and every packet says so: mission id and platform designation are KUNTUR-SIM. The camera points
as `visibility.detection.pointing` says, all round or about the region of interest that its aircraft's mission has set,
needs exact line of sight to the mover, finds it with `glimpse_prob` in each look on its own, and adds false alarms.
After a detection it looks there again a few times before it goes on with the pattern. Whoever is found is sized right:
a person and a car differ twofold at a known range. A real detector takes animals for persons and lorries for cars, so
the tracker lets them pass for each other. It then tells a pose with errors (`tracking.geolocate.PoseError`), so what
the watch makes of it has the errors it would have. One look is one MISB ST 0601 packet with its ST 0903 targets.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.codecs import misb
from kuntur.errors import ConfigError
from kuntur.geodesy import frames, grid, heights
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area, Target
from kuntur.model.tracks import SensorPose
from kuntur.tracking import coverage
from kuntur.tracking.geolocate import CameraView, PoseError
from kuntur.units import EARTH_RADIUS_M, NS_PER_S, RAD_TO_DEG
from kuntur.visibility import detection, looks

FloatArray = NDArray[np.float64]

SIMULATED: Final = "KUNTUR-SIM"
FALSE_ALARMS_PER_LOOK: Final = 0.001
"""Chosen: one in 17 minutes from each camera. Single pictures bring far more (Doull et al. 2021, Sensors 21:4074: about
five for each person), but a look is half a second of pictures, and a mover must be in most of them."""
DWELL_LOOKS: Final = 3  # chosen: after a detection the camera looks at the same place this often again
FALSE_ALARM_VEHICLES: Final = 0.2  # chosen: share of false alarms that look vehicle-sized
FIRST_FALSE_TARGET_ID: Final = 100_000
"""Target ids tell the simulation's truth: crosser k of the world has id k + 1, false alarms begin here. Trackers must
not, and do not, read them; reviews do."""


class SimulatedCrosser(Struct, frozen=True, kw_only=True):
    """One crossing: where the crosser is at each t_s after the start of the watch, straight in between, local frame."""

    id: str
    crosser_class: str
    target: Target
    t_s: tuple[float, ...]
    x_m: tuple[float, ...]
    y_m: tuple[float, ...]

    def at(self, t_s: float) -> tuple[float, float] | None:
        """Position at t_s, None before the first and after the last point."""
        if not self.t_s[0] <= t_s <= self.t_s[-1]:
            return None
        k = min(bisect_right(self.t_s, t_s), len(self.t_s) - 1)
        part = (t_s - self.t_s[k - 1]) / (self.t_s[k] - self.t_s[k - 1])
        return (
            self.x_m[k - 1] + part * (self.x_m[k] - self.x_m[k - 1]),
            self.y_m[k - 1] + part * (self.y_m[k] - self.y_m[k - 1]),
        )


class World(Struct, frozen=True, kw_only=True):
    """Everybody who crosses tonight. seed: what the crossers were drawn from.

    start_t_ns: the start of the watch, which the crossers' t_s count from; None: the start the camera is given.
    """

    area_id: str
    seed: int
    crossers: tuple[SimulatedCrosser, ...]
    start_t_ns: int | None = None
    simulated: str = "every crosser in this file is simulated"


def save_world(world: World, path: Path | str) -> None:
    """Write the world as JSON."""
    Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(world), indent=1))


def load_world(path: Path | str) -> World:
    """Read what `save_world` wrote. Raises ConfigError with what is wrong in it."""
    try:
        world = msgspec.json.decode(Path(path).read_bytes(), type=World)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"The simulated world {path} cannot be used: {error}.", remedy="Write it again with `kuntur fly`."
        ) from error
    for crosser in world.crossers:
        count = len(crosser.t_s)
        rising = all(a < b for a, b in zip(crosser.t_s, crosser.t_s[1:], strict=False))
        if count < 2 or len(crosser.x_m) != count or len(crosser.y_m) != count or not rising:
            raise ConfigError(
                f"Crosser {crosser.id} of the simulated world {path} has no proper path: it needs two or more points "
                "of rising time, each with x and y."
            )
    return world


def camera_search(area: Area, aircraft: Aircraft) -> tuple[detection.SearchPattern, float]:
    """The search pattern an aircraft's camera turns through in this area, and the slant range it is made for.

    Made for the class of crosser seen least far, so that nobody is passed over.
    """
    targets = {crosser.target for crosser in area.crossers}
    reach_m = min(detection.max_range_m(aircraft.camera, target, area.weather) for target in targets)
    return detection.search_for(aircraft.camera, targets, area.requirement.height_agl_m, area.weather), reach_m


class SimulatedCamera:
    """The gimbal camera of one aircraft. Call `look` once every `look_s` while the aircraft flies."""

    def __init__(
        self,
        area: Area,
        aircraft: Aircraft,
        world: World,
        start_t_ns: int,
        seed: int,
        *,
        false_alarms_per_look: float = FALSE_ALARMS_PER_LOOK,
        dwell_looks: int = DWELL_LOOKS,
        error: PoseError | None = None,
    ) -> None:
        self.search, _ = camera_search(area, aircraft)
        self.sector = detection.sector(self.search, looks.SECTOR_RAD)
        self.look_s = self.search.look_s
        self._area = area
        self._aircraft = aircraft
        self._world = world
        self._start_t_ns = start_t_ns if world.start_t_ns is None else world.start_t_ns
        self._false_alarms = false_alarms_per_look
        self._dwell_looks = dwell_looks
        self._dwell: tuple[int, float, float] = (0, 0.0, 0.0)  # looks left, azimuth, elevation
        self._error = error or PoseError()
        stream = zlib.crc32(aircraft.id.encode())
        self._pointing_seed = (seed << 32) ^ stream
        self._rng = np.random.default_rng([seed, stream])
        self._frame_number = 0
        camera = aircraft.camera
        self._reach_m: dict[Target, float] = {
            one: detection.max_range_m(camera, one, area.weather) for one in get_args(Target)
        }

    def look(
        self,
        t_ns: int,
        lat_deg: float,
        lon_deg: float,
        alt_msl_m: float,
        heading_rad: float = 0.0,
        *,
        middle_rad: float | None = None,
    ) -> bytes | None:
        """The packet of one look from where the aircraft really is; None while the gimbal swings back.

        heading_rad: the nose, from true north. middle_rad: middle of the sector searched, from grid north; None: all
        round.
        """
        t_s = (t_ns - self._start_t_ns) / NS_PER_S
        left, azimuth_rad, elevation_rad = self._dwell
        if left == 0:
            azimuth_rad, elevation_rad = self._pointing(t_s, lat_deg, lon_deg, middle_rad)
            if math.isnan(elevation_rad):
                return None
        view = self._true_view(t_ns, lat_deg, lon_deg, alt_msl_m, azimuth_rad, elevation_rad)
        targets = [*self._found(view, t_s), *self._false_targets()]
        self._dwell = (left - 1 if left else self._dwell_looks * bool(targets), azimuth_rad, elevation_rad)
        self._frame_number += 1
        return misb.encode(self._told(view, heading_rad, targets))

    def _pointing(self, t_s: float, lat_deg: float, lon_deg: float, middle_rad: float | None) -> tuple[float, float]:
        """Azimuth from true north, and elevation, of the look at this time."""
        if middle_rad is None:
            return detection.pointing(self.search, t_s, seed=self._pointing_seed)
        true_rad = middle_rad - frames.grid_azimuth(self._area.frame, lat_deg, lon_deg, 0.0)
        return detection.pointing(self.sector, t_s, seed=self._pointing_seed, middle_rad=true_rad)

    def _true_view(
        self, t_ns: int, lat_deg: float, lon_deg: float, alt_msl_m: float, azimuth_rad: float, elevation_rad: float
    ) -> CameraView:
        camera, frame = self._aircraft.camera, self._area.frame
        pose = SensorPose(
            t_ns=t_ns,
            aircraft_id=self._aircraft.id,
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            alt_hae_m=alt_msl_m + heights.undulation_at(self._area.geoid, lat_deg, lon_deg),
            azimuth_rad=azimuth_rad,
            elevation_rad=elevation_rad,
            roll_rad=0.0,
            hfov_rad=camera.hfov_rad,
            vfov_rad=camera.vfov_rad,
            columns_px=camera.columns_px,
            rows_px=camera.rows_px,
        )
        x_m, y_m = frames.to_local(frame, lat_deg, lon_deg)
        return CameraView(
            pose=pose,
            x_m=float(x_m),
            y_m=float(y_m),
            alt_msl_m=alt_msl_m,
            azimuth_rad=frames.grid_azimuth(frame, lat_deg, lon_deg, azimuth_rad),
        )

    def _found(self, view: CameraView, t_s: float) -> list[dict[str, Any]]:
        """Movers in the picture, in line of sight, and found by this look."""
        near: list[tuple[int, SimulatedCrosser, float, float]] = []
        for k, crosser in enumerate(self._world.crossers):
            at = crosser.at(t_s)
            if at and math.hypot(at[0] - view.x_m, at[1] - view.y_m) <= self._reach_m[crosser.target]:
                near.append((k, crosser, *at))
        if not near:
            return []
        ground_m = grid.height_at(self._area.terrain, [n[2] for n in near], [n[3] for n in near])
        raised_m = [detection.VISIBLE_HEIGHT_M[n[1].target] for n in near]
        points = np.column_stack([[n[2:] for n in near], ground_m + raised_m])
        columns, rows, slants_m = coverage.project(view, points)
        found = []
        for i in coverage.seen(self._area.terrain, view, points, math.inf)[0]:
            k, crosser, _, _ = near[i]
            camera, slant_m = self._aircraft.camera, float(slants_m[i])
            prob = float(detection.glimpse_prob(camera, crosser.target, slant_m, self._area.weather))
            if self._rng.random() < prob:
                confidence = self._rng.uniform(0.5, 0.95)
                found.append(self._target(k + 1, float(columns[i]), float(rows[i]), crosser.target, confidence))
        return found

    def _false_targets(self) -> list[dict[str, Any]]:
        camera, rng = self._aircraft.camera, self._rng
        false = []
        for k in range(int(rng.poisson(self._false_alarms))):
            size_class = "light_vehicle" if rng.random() < FALSE_ALARM_VEHICLES else "person"
            column_px, row_px = rng.random() * camera.columns_px, rng.random() * camera.rows_px
            false.append(self._target(FIRST_FALSE_TARGET_ID + k, column_px, row_px, size_class, rng.uniform(0.3, 0.8)))
        return false

    def _target(
        self, target_id: int, column_px: float, row_px: float, size_class: str, confidence_prob: float
    ) -> dict[str, Any]:
        camera = self._aircraft.camera
        column_px, row_px = min(column_px, camera.columns_px - 1.0), min(row_px, camera.rows_px - 1.0)
        return {
            "id": target_id,
            "centroid_pixel_number": misb.pixel_number(column_px, row_px, camera.columns_px),
            "confidence_percent": round(100.0 * confidence_prob),
            "object": {"ontology": misb.SIZE_CLASS_ONTOLOGY, "ontology_class": size_class},
        }

    def _told(self, view: CameraView, heading_rad: float, targets: list[dict[str, Any]]) -> dict[str, Any]:
        """The packet's values: the true pose with the errors of position and pointing, and the targets."""
        pose, error = view.pose, self._error
        east, north, up, across, along = self._rng.standard_normal(5).tolist()
        lat_deg = pose.lat_deg + north * error.horizontal_m / EARTH_RADIUS_M * RAD_TO_DEG
        parallel_m = EARTH_RADIUS_M * math.cos(math.radians(pose.lat_deg))
        lon_deg = pose.lon_deg + east * error.horizontal_m / parallel_m * RAD_TO_DEG
        azimuth_rad = pose.azimuth_rad + across * error.los_rad / math.cos(pose.elevation_rad)
        elevation_rad = pose.elevation_rad + along * error.los_rad
        alt_error_m = up * error.vertical_m
        return {
            "time_us": pose.t_ns // 1000,
            "mission_id": SIMULATED,
            "platform_tail_number": self._aircraft.id,
            "platform_heading_deg": heading_rad * RAD_TO_DEG % 360.0,
            "platform_pitch_deg": 0.0,
            "platform_roll_deg": 0.0,
            "platform_designation": SIMULATED,
            "image_source_sensor": self._aircraft.camera.band,
            "image_coordinate_system": "Geodetic WGS84",
            "sensor_lat_deg": lat_deg,
            "sensor_lon_deg": lon_deg,
            "sensor_alt_msl_m": view.alt_msl_m + alt_error_m,
            "sensor_hfov_deg": pose.hfov_rad * RAD_TO_DEG,
            "sensor_vfov_deg": pose.vfov_rad * RAD_TO_DEG,
            "sensor_relative_azimuth_deg": (azimuth_rad - heading_rad) * RAD_TO_DEG % 360.0,
            "sensor_relative_elevation_deg": elevation_rad * RAD_TO_DEG,
            "sensor_relative_roll_deg": 0.0,
            "uas_ls_version": 19,
            "sensor_alt_hae_extended_m": pose.alt_hae_m + alt_error_m,
            "vmti": {
                "system_name": SIMULATED,
                "vmti_ls_version": 6,
                "targets_detected": len(targets),
                "targets_reported": len(targets),
                "frame_number": self._frame_number % (1 << 24),
                "frame_width_px": pose.columns_px,
                "frame_height_px": pose.rows_px,
                "targets": targets,
            },
        }


def true_crosser(target_id: int) -> int | None:
    """Which crosser of the world a simulated target was: its place in `World.crossers`; None for a false alarm."""
    return target_id - 1 if 1 <= target_id < FIRST_FALSE_TARGET_ID else None
