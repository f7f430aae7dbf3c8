"""Watch: a pure fold over the feed. What arrived goes in item by item; platforms, freshness, tracks and alerts come
out.

The fold does not know whether an item comes from a socket or from the store, and the only time it knows is the items'
own. So a stored watch stepped through again gives the same tracks and the same alerts, byte for byte. Nothing here
opens a file or a socket: `ops.running` does.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.codecs import klv, mavlink, misb
from kuntur.errors import LinkError
from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area, Lattice, Target
from kuntur.model.plans import Strategy, Tasking
from kuntur.model.tracks import Alert, Detection, FeedItem, GroundDetection, PlatformState, SensorPose, Track
from kuntur.oversight.ledger import content_sha256
from kuntur.sim.world import SIMULATED
from kuntur.tracking import alerts, coverage, geolocate, tracker
from kuntur.tracking.geolocate import CameraView
from kuntur.tracking.tracks import to_tracks
from kuntur.units import DEG_TO_RAD, EARTH_RADIUS_M, NS_PER_S
from kuntur.visibility import detection

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOOKED_AT_PROB: Final = 0.1
"""Ground counts as looked at where one look finds a person with at least this probability. Chosen."""
BIN_M: Final = 250.0  # pieces of the border whose last look is kept; chosen
MARGIN_M: Final = 1500.0  # ground this far outside the required strip is shown and timed too; chosen
TRAIL_M: Final = 150.0  # spacing of an aircraft's trail; chosen
TRAIL_POINTS: Final = 120
RULES_EVERY_S: Final = 30.0  # how often coverage and silence are judged; chosen
LEAST_FALSE_ALARMS: Final = 1e-4  # a detector without any false alarm would make every speck a certain track
_AIM_HEIGHT_M: Final = 1.0  # where on a mover a look must reach: detection.VISIBLE_HEIGHT_M of persons and cars
_TARGETS: Final[dict[int, Target]] = {tracker.SIZE_CLASSES.index(one): one for one in get_args(Target)}
# Messages that change a PlatformState: heartbeat, system status, position, mission item, battery.
_TELLING: Final = frozenset({0, 1, 33, 42, 147})


class WatchSettings(Struct, frozen=True, kw_only=True):
    """How a watch reads its feed. Kept with the stored watch, because a replay must use the same.

    hold_s: how long a look waits for older ones from other aircraft (their packets come in out of step; at accelerated
    simulated time, much out of step). false_alarms_per_look: of the detector, from its trial; here the simulated one's.
    """

    hold_s: float = 2.0
    false_alarms_per_look: float = 0.001
    error: geolocate.PoseError = geolocate.PoseError()
    tracker: tracker.TrackerSettings = tracker.TrackerSettings()
    across_max_m: float | None = None
    """Detections farther than this across the border are dropped: the policy's `look_across_max_m`. None: no limit."""
    gap_s: float = 2700.0
    lost_s: float = 60.0


class Counts(Struct, kw_only=True):
    """What the feed held, good and bad: shown to the operator, never silently swallowed."""

    items: int = 0
    looks: int = 0
    late_looks: int = 0
    wrong_checksums: int = 0
    junk_octets: int = 0
    damaged_packets: int = 0
    faults: int = 0
    no_pose: int = 0
    unknown_aircraft: int = 0
    missing_looks: int = 0
    damaged_frames: int = 0
    detections: int = 0
    unlocated: int = 0
    not_looked_at: int = 0
    """Detections in a no-look zone or too far across the border: dropped before anything is made of them."""


class _CameraModel:
    """What one aircraft's camera can find, worked out once."""

    def __init__(self, area: Area, aircraft: Aircraft) -> None:
        camera = self.camera = aircraft.camera
        self.reach_m = {kind: detection.max_range_m(camera, target, area.weather) for kind, target in _TARGETS.items()}
        self.longest_m = max(self.reach_m.values())
        ranges_m = np.arange(10.0, self.reach_m[1] + 10.0, 10.0)
        worth = detection.glimpse_prob(camera, "person", ranges_m, area.weather) >= LOOKED_AT_PROB
        self.fresh_m = float(ranges_m[worth][-1]) if worth.any() else 0.0


class _Sight(Struct, frozen=True, kw_only=True):
    """One look ready to be folded in, ordered by its time."""

    view: CameraView
    model: Any
    detections: tuple[Detection, ...]


class Watch:
    """The fold. `step` takes items in the order of arrival; everything else only reads.

    tasking names the watch's start and what alerts refer to; without one the watch begins with its first item.
    watchable: (rows, cols) of the terrain, ground that some viewpoint can see (a survey's sight_count > 0): stretches
    of the border that nothing can see are no coverage gaps. None: all of it.
    """

    def __init__(
        self,
        area: Area,
        strategy: Strategy | None = None,
        *,
        tasking: Tasking | None = None,
        settings: WatchSettings | None = None,
        watchable: NDArray[np.bool_] | None = None,
    ) -> None:
        self.area = area
        self.strategy = strategy
        self.tasking = tasking
        self.settings = settings or WatchSettings()
        self.counts = Counts()
        self.platforms: dict[str, PlatformState] = {}
        self.heard_t_ns: dict[str, int] = {}
        self.views: dict[str, CameraView] = {}
        self.tracks = tracker.start()
        self.alerts: list[Alert] = []
        self.paths: dict[int, list[Track]] = {}
        """By track id: the track after each detection. Those let go before they were confirmed are not kept."""
        self.trails: dict[str, list[tuple[float, float]]] = {}
        """By aircraft id: (lon_deg, lat_deg) every TRAIL_M or more, the newest last."""
        self.simulated_cameras: set[str] = set()
        """Aircraft whose packets say that they are simulated."""
        self.t_ns = 0
        self.start_t_ns: int | None = tasking.start_t_ns if tasking else None
        self._tasking_sha256 = content_sha256(tasking) if tasking else ""
        self._cameras = {aircraft.id: _CameraModel(area, aircraft) for aircraft in area.fleet.aircraft}
        self._names = {aircraft.id: aircraft.name for aircraft in area.fleet.aircraft}
        self._no_look = [zone.xy_m for zone in area.zones if zone.kind == "no_look"]
        self._frame_numbers: dict[str, int] = {}
        self._last_told: dict[tuple[str, int], bytes] = {}
        self._held: list[tuple[int, str, int, _Sight]] = []
        self._released_t_ns = -(2**62)
        self._rules_t_ns = -(2**62)
        self._alert_settings = alerts.AlertSettings(
            depth_m=area.requirement.depth_m, gap_s=self.settings.gap_s, lost_s=self.settings.lost_s
        )
        self._alert_state = alerts.AlertState()
        self.ground = _Ground(area, watchable)

    # --- the fold

    def step(self, item: FeedItem) -> list[Alert | Track]:
        """Fold in one item; the alerts raised and the tracks changed by it (a deleted track as it last was)."""
        self.t_ns = max(self.t_ns, item.t_ns)
        if self.start_t_ns is None:
            self.start_t_ns = item.t_ns
        self.counts.items += 1
        if item.kind == "mavlink":
            self._telemetry(item)
        elif item.kind == "klv":
            self._metadata(item)
        return [*self._release(self.t_ns - round(self.settings.hold_s * NS_PER_S)), *self._rules()]

    def finish(self) -> list[Alert | Track]:
        """Fold in the looks still held back, at the end of a feed."""
        return self._release(2**62)

    def _telemetry(self, item: FeedItem) -> None:
        frame = item.payload
        if item.source not in self._cameras:
            self.counts.unknown_aircraft += 1
            return
        self.heard_t_ns[item.source] = item.t_ns
        if frame[:1] == b"\xfd":
            kind = int.from_bytes(frame[7:10], "little")
            if kind not in _TELLING or self._repeats(item.source, kind, frame[10:-2]):
                return
        known = self.platforms.get(item.source)
        try:
            state = mavlink.decode(frame, known, t_ns=item.t_ns, aircraft_id=item.source)
        except LinkError:
            self.counts.damaged_frames += 1
            return
        if state is not None:
            self.platforms[item.source] = state
            _extend(self.trails.setdefault(item.source, []), state)

    def _repeats(self, source: str, kind: int, payload: bytes) -> bool:
        """Whether this message says what the last of its kind said: most heartbeats do, and decoding is the cost."""
        if self._last_told.get((source, kind)) == payload:
            return True
        self._last_told[source, kind] = payload
        return False

    def _metadata(self, item: FeedItem) -> None:
        """Decode a datagram and hold its looks until older ones have had their time to arrive."""
        walk = klv.walk(item.payload)
        self.counts.junk_octets += walk.junk_octets
        self.counts.damaged_packets += walk.damaged + walk.truncated
        for packet in walk.packets:
            if packet.checksum != "right":
                self.counts.wrong_checksums += 1
                continue
            told = misb.decode(packet)
            self.counts.faults += len(told.faults)
            sight = self._sight(told.values, item.source)
            if sight is None:
                continue
            self.counts.looks += 1
            aircraft_id = sight.view.pose.aircraft_id
            self.heard_t_ns[aircraft_id] = item.t_ns
            self._count_missing(aircraft_id, told.values)
            if told.values.get("platform_designation") == SIMULATED:
                self.simulated_cameras.add(aircraft_id)
            heapq.heappush(self._held, (sight.view.pose.t_ns, aircraft_id, self.counts.looks, sight))

    def _sight(self, values: misb.Values, source: str) -> _Sight | None:
        aircraft_id = str(values.get("platform_tail_number", source))
        model = self._cameras.get(aircraft_id)
        if model is None:
            self.counts.unknown_aircraft += 1
            return None
        camera = model.camera
        pose = misb.sensor_pose(
            values, aircraft_id, self.area.geoid, columns_px=camera.columns_px, rows_px=camera.rows_px
        )
        if not isinstance(pose, SensorPose):
            self.counts.no_pose += 1
            return None
        view = geolocate.camera_view(self.area.terrain, self.area.geoid, pose)
        return _Sight(view=view, model=model, detections=tuple(misb.detections(values, pose)))

    def _count_missing(self, aircraft_id: str, values: misb.Values) -> None:
        """Frame numbers count looks: a jump is packets that never came."""
        number = values.get("vmti", {}).get("frame_number")
        if number is None:
            return
        before = self._frame_numbers.get(aircraft_id)
        if before is not None and number > before:
            self.counts.missing_looks += number - before - 1
        self._frame_numbers[aircraft_id] = number

    def _release(self, until_t_ns: int) -> list[Alert | Track]:
        """Fold in the held looks up to a time, in the order of their own times."""
        out: list[Alert | Track] = []
        while self._held and self._held[0][0] <= until_t_ns:
            t_ns, _, _, sight = heapq.heappop(self._held)
            if t_ns < self._released_t_ns:
                self.counts.late_looks += 1
            self._released_t_ns = max(self._released_t_ns, t_ns)
            out += self._look(sight)
        return out

    def _look(self, sight: _Sight) -> list[Alert | Track]:
        view, model = sight.view, sight.model
        self.views[view.pose.aircraft_id] = view
        self.ground.looked_at(view, model.fresh_m)
        found = self._locate(sight)
        before = self.tracks
        look = tracker.Look(
            t_ns=view.pose.t_ns,
            x_m=view.x_m,
            y_m=view.y_m,
            reach_m=model.longest_m,
            detections=tuple(found),
            false_alarms_per_m2=tuple(self._false_alarms_per_m2(view, d) for d in found),
            seen_prob=lambda xy_m, kinds: self._seen_prob(view, model, xy_m, kinds),
        )
        self.tracks, changes = tracker.step(before, look, self.settings.tracker)
        return self._changed(before, changes) if changes else []

    def _locate(self, sight: _Sight) -> list[GroundDetection]:
        """The look's detections on the ground; those where nobody may look are dropped here and only counted."""
        if not sight.detections:
            return []
        self.counts.detections += len(sight.detections)
        located = geolocate.locate(
            self.area.terrain,
            sight.view,
            sight.detections,
            max_range_m=1.5 * sight.model.longest_m,
            aim_height_m=_AIM_HEIGHT_M,
            error=self.settings.error,
        )
        found = [one for one in located if isinstance(one, GroundDetection)]
        self.counts.unlocated += len(located) - len(found)
        allowed = [d for d in found if self._may_look_at(d.x_m, d.y_m)]
        self.counts.not_looked_at += len(found) - len(allowed)
        return allowed

    def _may_look_at(self, x_m: float, y_m: float) -> bool:
        """Whether zones and policy let anything be made of what is seen here."""
        if self.settings.across_max_m is not None:
            _, inward_m = lines.inward_offset(self.area.border.xy_m, self.area.border.ours, x_m, y_m)
            if float(inward_m[0]) < -self.settings.across_max_m:
                return False
        return not any(lines.inside(ring, x_m, y_m).any() for ring in self._no_look)

    def _false_alarms_per_m2(self, view: CameraView, found: GroundDetection) -> float:
        """False alarms spread evenly over the picture: their density on the ground where this detection lies."""
        pose = view.pose
        solid_angle = max(pose.hfov_rad * pose.vfov_rad, 1e-9)  # metadata may claim a field of view of nothing
        range_m = max(found.slant_range_m, 1.0)  # a camera on its pad sees the ground at its feet
        down = max(view.alt_msl_m - found.alt_msl_m, 1.0) / range_m
        rate = max(self.settings.false_alarms_per_look, LEAST_FALSE_ALARMS)
        return rate * min(down, 1.0) / (solid_angle * range_m**2)

    def _seen_prob(self, view: CameraView, model: _CameraModel, xy_m: FloatArray, kinds: IntArray) -> FloatArray:
        """Probability that movers standing at these places are detected in this look."""
        terrain = self.area.terrain
        prob = np.zeros(len(xy_m))
        near = np.flatnonzero(np.hypot(xy_m[:, 0] - view.x_m, xy_m[:, 1] - view.y_m) <= model.longest_m)
        if len(near) == 0:
            return prob
        z_m = grid.height_at(terrain, xy_m[near, 0], xy_m[near, 1]) + _AIM_HEIGHT_M
        shown, slant_m = coverage.seen(terrain, view, np.column_stack([xy_m[near], z_m]), model.longest_m)
        index = near[shown]
        for kind in (0, *_TARGETS) if len(index) else ():
            mine = kinds[index] == kind
            if mine.any():
                target = _TARGETS.get(kind, "person")
                prob[index[mine]] = detection.glimpse_prob(model.camera, target, slant_m[mine], self.area.weather)
        return prob

    def _changed(self, before: tracker.TrackerState, changes: Sequence[tracker.Change]) -> list[Alert | Track]:
        """The tracks that changed as the model has them, and the alerts that follow."""
        gone = {c.track_id for c in changes if c.what == "deleted"}
        seen = {c.track_id for c in changes} - gone
        rows = np.flatnonzero(np.isin(self.tracks.id, sorted(seen)))
        now = to_tracks(self.area.frame, self.area.border, self.tracks, rows, None)
        lost_rows = np.flatnonzero(np.isin(before.id, sorted(gone)))
        lost = to_tracks(self.area.frame, self.area.border, before, lost_rows, None)
        ended = [msgspec.structs.replace(track, status="deleted") for track in lost if track.status == "confirmed"]
        for track in now:
            self.paths.setdefault(track.id, []).append(track)
        for track in lost:
            if track.status == "tentative":
                self.paths.pop(track.id, None)
            else:
                self.paths[track.id].append(msgspec.structs.replace(track, status="deleted"))
        self._alert_state, raised = alerts.on_tracks(self._alert_state, self._alert_settings, self.area.border, now)
        return [*now, *ended, *self._told(raised)]

    # --- rules of time

    def _rules(self) -> list[Alert | Track]:
        """Coverage gaps and silent aircraft, judged every RULES_EVERY_S of the feed's time."""
        if (self.t_ns - self._rules_t_ns) / NS_PER_S < RULES_EVERY_S:
            return []
        self._rules_t_ns = self.t_ns
        frame, border = self.area.frame, self.area.border
        self._alert_state, raised = alerts.on_aircraft(
            self._alert_state,
            self._alert_settings,
            frame,
            border,
            t_ns=self.t_ns,
            platforms=self.platforms,
            heard_t_ns=self.heard_t_ns,
            names=self._names,
        )
        if self._aircraft_up():
            age_s = self.ground.border_age_s(self.t_ns, self.start_t_ns or self.t_ns)
            self._alert_state, gaps = alerts.on_coverage(
                self._alert_state,
                self._alert_settings,
                frame,
                border,
                t_ns=self.t_ns,
                age_s=age_s,
                bin_m=self.ground.bin_m,
            )
            raised += gaps
        return list(self._told(raised))

    def _aircraft_up(self) -> bool:
        """Whether any aircraft flies (armed and not long silent), or should by the tasking."""
        recently = self.t_ns - round(2.0 * self.settings.lost_s * NS_PER_S)
        if any(p.armed and self.heard_t_ns[name] >= recently for name, p in self.platforms.items()):
            return True
        if self.tasking is None:
            return False
        t_s = (self.t_ns - self.tasking.start_t_ns) / NS_PER_S
        return any(sortie.t_s[0] <= t_s <= sortie.t_s[-1] for sortie in self.tasking.sorties)

    def _told(self, raised: Sequence[Alert]) -> list[Alert]:
        named = [msgspec.structs.replace(alert, tasking_sha256=self._tasking_sha256) for alert in raised]
        self.alerts += named
        return named

    def useful_range_m(self, aircraft_id: str) -> float:
        """Slant range up to which this camera can find a person at all."""
        return self._cameras[aircraft_id].reach_m[1]

    def freshness(self) -> tuple[NDArray[np.float32], Lattice]:
        """Seconds since each cell was last looked at, as `ops.live.LiveSource.freshness` has it."""
        return self.ground.age_s(self.t_ns), self.ground.cells


def _extend(trail: list[tuple[float, float]], state: PlatformState) -> None:
    """Add a position to a trail when it is far enough from the last one."""
    here = (state.lon_deg, state.lat_deg)
    if trail:
        east = (here[0] - trail[-1][0]) * math.cos(here[1] * DEG_TO_RAD)
        if math.hypot(east, here[1] - trail[-1][1]) * DEG_TO_RAD * EARTH_RADIUS_M < TRAIL_M:
            return
    trail.append(here)
    del trail[:-TRAIL_POINTS]


class _Ground:
    """When each cell of the strip along the border, and each piece of the border, was last looked at.

    expected: (pieces,) bool, the pieces of the border that a look is expected at.
    """

    def __init__(self, area: Area, watchable: NDArray[np.bool_] | None) -> None:
        need, terrain, border = area.requirement, area.terrain, area.border
        self._terrain = terrain
        reach_m = need.depth_m + MARGIN_M
        low, high = border.xy_m.min(axis=0) - reach_m, border.xy_m.max(axis=0) + reach_m
        self.cells = grid.lattice(terrain, need.crosser_cell_m, (low[0], low[1], high[0], high[1]))
        x_m, y_m = np.meshgrid(*self.cells.centres())
        _, inward_m = lines.inward_offset(border.xy_m, border.ours, x_m, y_m)
        strip = (inward_m >= -MARGIN_M) & (inward_m <= reach_m)
        z_m = np.where(strip, grid.height_at(terrain, x_m, y_m), np.nan) + _AIM_HEIGHT_M
        self._points = np.stack([x_m, y_m, z_m], axis=-1)
        self._last_t_ns = np.where(np.isnan(z_m), np.nan, -np.inf)
        length_m = float(lines.chainages(border.xy_m)[-1])
        bins = max(1, round(length_m / BIN_M))
        self.bin_m = length_m / bins
        middle = lines.point_at(border.xy_m, (np.arange(bins) + 0.5) * self.bin_m)
        self._border = np.column_stack([middle, grid.height_at(terrain, middle[:, 0], middle[:, 1]) + _AIM_HEIGHT_M])
        self._border_last_t_ns = np.full(bins, -np.inf)
        self.expected = ~np.isnan(self._border[:, 2])
        if watchable is not None:
            row, col = (np.rint(a).astype(int) for a in grid.to_index(terrain, middle[:, 0], middle[:, 1]))
            self.expected &= watchable[np.clip(row, 0, terrain.rows - 1), np.clip(col, 0, terrain.cols - 1)]

    def looked_at(self, view: CameraView, reach_m: float) -> None:
        """Mark what this look shows in clear line of sight."""
        cells = self.cells
        first_col = max(0, int((view.x_m - reach_m - cells.west_m) / cells.cell_m))
        last_col = min(cells.cols, int((view.x_m + reach_m - cells.west_m) / cells.cell_m) + 1)
        first_row = max(0, int((cells.north_m - view.y_m - reach_m) / cells.cell_m))
        last_row = min(cells.rows, int((cells.north_m - view.y_m + reach_m) / cells.cell_m) + 1)
        window = (slice(first_row, last_row), slice(first_col, last_col))
        points = self._points[window]
        shape, count = points.shape[:2], points.shape[0] * points.shape[1]
        if first_row >= last_row or first_col >= last_col:
            shape, count, points = (0, 0), 0, np.empty((0, 0, 3))
        seen, _ = coverage.seen(self._terrain, view, np.vstack([points.reshape(-1, 3), self._border]), reach_m)
        t_ns = float(view.pose.t_ns)
        on_border = seen[seen >= count] - count
        self._border_last_t_ns[on_border] = np.maximum(self._border_last_t_ns[on_border], t_ns)
        row, col = np.divmod(seen[seen < count], max(shape[1], 1))
        part = self._last_t_ns[window]
        part[row, col] = np.maximum(part[row, col], t_ns)

    def age_s(self, t_ns: int) -> NDArray[np.float32]:
        """(rows, cols): inf where nothing has looked yet, NaN outside the strip and over voids."""
        return np.maximum((float(t_ns) - self._last_t_ns) / NS_PER_S, 0.0).astype(np.float32)

    def border_age_s(self, t_ns: int, start_t_ns: int) -> FloatArray:
        """(bins,): seconds since the last look or the start of the watch; NaN where no look is expected."""
        last = np.maximum(self._border_last_t_ns, float(start_t_ns))
        return np.where(self.expected, (float(t_ns) - last) / NS_PER_S, np.nan)
