"""The account of a watch in numbers: what was promised against what was seen, and where the cameras looked. Pure.

Nothing here reads a file or asks the time: arrays and structs in, arrays and structs out, so that every number of the
report can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from kuntur.geodesy import frames, heights, lines
from kuntur.model.place import Area
from kuntur.model.plans import Certificate, Sortie
from kuntur.model.records import LogEntry
from kuntur.model.tracks import Acknowledgement, Alert, SensorPose
from kuntur.oversight.audit import Verification
from kuntur.units import NS_PER_S
from kuntur.visibility import rays

FloatArray = NDArray[np.float64]

PICTURE_REACH_M = 20_000.0  # how far a picture is followed to the ground; beyond, nothing on it can be told apart


class Share(Struct, frozen=True, kw_only=True):
    """So many of so many, with the exact (Clopper-Pearson) confidence interval of the probability behind it."""

    hits: int
    trials: int
    low_prob: float
    high_prob: float
    confidence: float = 0.95

    @property
    def prob(self) -> float | None:
        """The share itself; None when there was nothing to count."""
        return self.hits / self.trials if self.trials else None


def share(hits: int, trials: int, *, confidence: float = 0.95) -> Share:
    """Clopper & Pearson 1934 (Biometrika 26:404): covers the truth at least as often as it says, whatever it is."""
    tail = (1.0 - confidence) / 2.0
    low = float(beta.ppf(tail, hits, trials - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1.0 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return Share(hits=hits, trials=trials, low_prob=low, high_prob=high, confidence=confidence)


class Poses(Struct, frozen=True, kw_only=True):
    """All pictures of a watch as columns, n rows in time order. Positions in the local frame, azimuth from grid north.

    t_s: seconds after the start of the watch. aircraft: index into `aircraft_ids`.
    """

    aircraft_ids: tuple[str, ...]
    t_s: FloatArray
    aircraft: NDArray[np.int64]
    position_m: FloatArray
    azimuth_rad: FloatArray
    elevation_rad: FloatArray
    roll_rad: FloatArray
    hfov_rad: FloatArray
    vfov_rad: FloatArray

    def __len__(self) -> int:
        return len(self.t_s)


def poses(area: Area, pictures: Sequence[SensorPose], start_t_ns: int) -> Poses:
    """The columns of these pictures."""
    ids = tuple(dict.fromkeys(picture.aircraft_id for picture in pictures))
    number = {aircraft_id: k for k, aircraft_id in enumerate(ids)}
    columns = np.array(
        [
            (
                (p.t_ns - start_t_ns) / NS_PER_S,
                p.lat_deg,
                p.lon_deg,
                p.alt_hae_m,
                frames.grid_azimuth(area.frame, p.lat_deg, p.lon_deg, p.azimuth_rad),
                p.elevation_rad,
                p.roll_rad,
                p.hfov_rad,
                p.vfov_rad,
            )
            for p in pictures
        ],
        dtype=float,
    ).reshape(len(pictures), 9)
    t_s, lat, lon, hae, azimuth, elevation, roll, hfov, vfov = columns.T
    x_m, y_m = frames.to_local(area.frame, lat, lon)
    alt_msl_m = heights.msl_from_hae(area.geoid, lat, lon, hae)
    return Poses(
        aircraft_ids=ids,
        t_s=t_s,
        aircraft=np.array([number[p.aircraft_id] for p in pictures], dtype=np.int64),
        position_m=np.stack([x_m, y_m, alt_msl_m], axis=-1),
        azimuth_rad=azimuth,
        elevation_rad=elevation,
        roll_rad=roll,
        hfov_rad=hfov,
        vfov_rad=vfov,
    )


def _axes(pictures: Poses) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forward, right and up of each picture, (n, 3) each, as `frames.pixel_directions_enu` has them."""
    az, roll = pictures.azimuth_rad, pictures.roll_rad[:, None]
    forward = frames.direction_enu(az, pictures.elevation_rad)
    level_right = np.stack([np.cos(az), -np.sin(az), np.zeros_like(az)], axis=-1)
    level_up = np.cross(level_right, forward)
    right = np.cos(roll) * level_right - np.sin(roll) * level_up
    up = np.sin(roll) * level_right + np.cos(roll) * level_up
    return forward, right, up


class Looks(Struct, frozen=True, kw_only=True):
    """Where the pictures fell, n rows like `Poses`; NaN where a picture met no ground.

    offset_m: distance of the picture's centre from the border, positive on our side. farthest_m: the same for the
    corner, or centre, that lies farthest on the other side. no_look: whether any of them fell into a no-look zone.
    """

    chainage_m: FloatArray
    offset_m: FloatArray
    farthest_m: FloatArray
    no_look: NDArray[np.bool_]


def looks(area: Area, pictures: Poses) -> Looks:
    """Follow the centre and the corners of each picture to the ground."""
    n = len(pictures)
    forward, right, up = _axes(pictures)
    half_u, half_v = np.tan(pictures.hfov_rad / 2.0)[:, None], np.tan(pictures.vfov_rad / 2.0)[:, None]
    chainage = np.full((5, n), np.nan)
    offset = np.full((5, n), np.nan)
    no_look = np.zeros(n, bool)
    zones = [shapely.Polygon(zone.xy_m) for zone in area.zones if zone.kind == "no_look"]
    for k, (u, v) in enumerate([(0, 0), (-1, 1), (1, 1), (1, -1), (-1, -1)]):
        direction = forward + u * half_u * right + v * half_v * up
        hits = rays.ground_hits(area.terrain, pictures.position_m, direction, PICTURE_REACH_M)
        met = np.flatnonzero(hits.status == rays.HIT)
        if met.size:
            x_m, y_m = hits.hits_m[met, 0], hits.hits_m[met, 1]
            chainage[k, met], offset[k, met] = lines.inward_offset(area.border.xy_m, area.border.ours, x_m, y_m)
            for zone in zones:
                no_look[met] |= shapely.contains_xy(zone, x_m, y_m)
    return Looks(
        chainage_m=chainage[0],
        offset_m=offset[0],
        farthest_m=np.fmin.reduce(offset, axis=0) if n else np.empty(0),
        no_look=no_look,
    )


class LookSummary(Struct, frozen=True, kw_only=True):
    """Counts of pictures: on our side, across, off the ground; how far across; how many beyond the limit.

    edges_m (k+1), counts (k): histogram of the centres' distances from the border, the outer bins open-ended.
    """

    pictures: int
    ours: int
    across: int
    no_ground: int
    touching_across: int
    beyond_limit: int
    limit_m: float
    no_look: int
    edges_m: tuple[float, ...]
    counts: tuple[int, ...]


def summarise_looks(seen: Looks, limit_m: float, *, reach_m: float = 8000.0, bin_m: float = 500.0) -> LookSummary:
    """The counts of `Looks`; every picture is in exactly one of ours, across and no_ground."""
    edges = np.arange(-reach_m, reach_m + bin_m / 2.0, bin_m)
    centre = seen.offset_m[~np.isnan(seen.offset_m)]
    counts, _ = np.histogram(np.clip(centre, -reach_m, reach_m - bin_m / 2.0), edges)
    return LookSummary(
        pictures=len(seen.offset_m),
        ours=int((centre >= 0.0).sum()),
        across=int((centre < 0.0).sum()),
        no_ground=int(np.isnan(seen.offset_m).sum()),
        touching_across=int((seen.farthest_m < 0.0).sum()),
        beyond_limit=int((seen.farthest_m < -limit_m).sum()),
        limit_m=limit_m,
        no_look=int(seen.no_look.sum()),
        edges_m=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
    )


class Coverage(Struct, frozen=True, kw_only=True):
    """How often each piece of the border was in a picture, near enough to find a person and in plain sight.

    chainage_m (s,): the stations. edges_s (b+1,): the time bins. looks (s, b) int64.
    """

    chainage_m: FloatArray
    edges_s: FloatArray
    looks: NDArray[np.int64]

    @property
    def watched_prob(self) -> float:
        """Share of border and time bins that were looked at, at least once."""
        return float((self.looks > 0).mean()) if self.looks.size else 0.0

    @property
    def longest_gap_s(self) -> FloatArray:
        """(s,) for each station the longest run of bins without a look, in seconds."""
        gaps = np.zeros(len(self.chainage_m))
        run = np.zeros(len(self.chainage_m))
        for k, width in enumerate(np.diff(self.edges_s)):
            run = np.where(self.looks[:, k] > 0, 0.0, run + width)
            gaps = np.maximum(gaps, run)
        return gaps


def coverage(
    area: Area,
    pictures: Poses,
    max_range_m: Mapping[str, float],
    duration_s: float,
    *,
    station_m: float = 250.0,
    bin_s: float = 300.0,
    target_height_m: float = 1.0,
) -> Coverage:
    """Count, for stations along the border and bins of time, the pictures each station was in.

    max_range_m: aircraft id -> slant range to which its camera finds a person. A station counts as seen when a target
    of `target_height_m` there is inside the picture, within range, and nothing stands between.
    """
    from_m, to_m = 0.0, float(lines.chainages(area.border.xy_m)[-1])
    stations = max(1, round((to_m - from_m) / station_m))
    chainage = (np.arange(stations) + 0.5) * (to_m - from_m) / stations
    spot = lines.point_at(area.border.xy_m, chainage)
    ground = heights.msl_from_agl(area.terrain, spot[:, 0], spot[:, 1], target_height_m)
    target = np.column_stack([spot, ground])
    edges = np.append(np.arange(0.0, duration_s, bin_s), duration_s)
    counts = np.zeros((stations, len(edges) - 1), np.int64)
    if len(pictures):
        picture, station = _in_picture(pictures, target, max_range_m)
        clear = (
            rays.line_of_sight(area.terrain, pictures.position_m[picture], target[station]) == rays.CLEAR
            if picture.size
            else np.empty(0, bool)
        )
        time_bin = np.searchsorted(edges, pictures.t_s[picture], side="right") - 1
        inside = clear & (time_bin >= 0) & (time_bin < counts.shape[1])
        np.add.at(counts, (station[inside], time_bin[inside]), 1)
    return Coverage(chainage_m=chainage, edges_s=edges, looks=counts)


def _in_picture(
    pictures: Poses, target: FloatArray, max_range_m: Mapping[str, float], *, block: int = 4096
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs (picture, target) where the target is in the picture's field of view and range; sight not tested."""
    forward, right, up = _axes(pictures)
    reach = np.array([max_range_m.get(i, 0.0) for i in pictures.aircraft_ids])[pictures.aircraft]
    tan_u, tan_v = np.tan(pictures.hfov_rad / 2.0), np.tan(pictures.vfov_rad / 2.0)
    found: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for at in range(0, len(pictures), block):
        part = slice(at, at + block)
        ray = target[None, :, :] - pictures.position_m[part, None, :]
        ahead = np.einsum("nmk,nk->nm", ray, forward[part])
        sideways = np.abs(np.einsum("nmk,nk->nm", ray, right[part]))
        upward = np.abs(np.einsum("nmk,nk->nm", ray, up[part]))
        near = np.einsum("nmk,nmk->nm", ray, ray) <= reach[part, None] ** 2
        inside = near & (ahead > 0) & (sideways <= ahead * tan_u[part, None]) & (upward <= ahead * tan_v[part, None])
        k, m = np.nonzero(inside)
        found.append((k + at, m))
    return np.concatenate([k for k, _ in found]), np.concatenate([m for _, m in found])


class FlownSortie(Struct, frozen=True, kw_only=True):
    """One planned sortie and what the aircraft did in its time. Deviations are from the planned path at any time.

    Distances are None when nothing was heard of the aircraft in that time.
    """

    sortie_id: str
    aircraft_id: str
    planned_s: float
    heard_s: float
    airborne_s: float
    median_off_path_m: float | None
    worst_off_path_m: float | None
    worst_below_plan_m: float | None
    median_late_s: float | None
    complete: bool
    outcome: str = ""
    """How the flight ended and why, as the record has it; empty when it does not say."""


def flown(
    sortie: Sortie, t_s: ArrayLike, x_m: ArrayLike, y_m: ArrayLike, alt_msl_m: ArrayLike, *, near_m: float = 300.0
) -> FlownSortie:
    """Compare one sortie with its aircraft's telemetry: arrays in time order; times far from the sortie's are left out.

    Off path: horizontal distance from the nearest point of the planned path flown within ten minutes of that moment.
    Late: how much later than planned that nearest point was passed. Below plan: how far under the planned height there.
    complete: the aircraft came within `near_m` of every planned point.
    """
    t, x, y, z = (np.asarray(column, float) for column in (t_s, x_m, y_m, alt_msl_m))
    plan_t, plan = np.asarray(sortie.t_s), np.column_stack([sortie.x_m, sortie.y_m, sortie.alt_msl_m])
    planned_s = float(plan_t[-1] - plan_t[0])
    window = (t >= plan_t[0] - 60.0) & (t <= plan_t[-1] + 600.0)
    t, x, y, z = t[window], x[window], y[window], z[window]
    up = z > min(plan[0, 2], plan[-1, 2]) + 20.0
    if not up.any():
        return FlownSortie(
            sortie_id=sortie.id,
            aircraft_id=sortie.aircraft_id,
            planned_s=planned_s,
            heard_s=_span(t),
            airborne_s=0.0,
            median_off_path_m=None,
            worst_off_path_m=None,
            worst_below_plan_m=None,
            median_late_s=None,
            complete=False,
        )
    fine_t = np.arange(plan_t[0], plan_t[-1] + 0.5, 1.0)
    fine = np.column_stack([np.interp(fine_t, plan_t, column) for column in plan.T])
    off, late, below = (np.empty(int(up.sum())) for _ in range(3))
    for k, i in enumerate(np.flatnonzero(up)):
        low, high = np.searchsorted(fine_t, [t[i] - 600.0, t[i] + 600.0])
        low, high = min(low, len(fine_t) - 1), max(high, low + 1)
        gap = np.hypot(fine[low:high, 0] - x[i], fine[low:high, 1] - y[i])
        best = int(np.argmin(gap + 1e-3 * np.abs(fine_t[low:high] - t[i])))
        off[k], late[k], below[k] = gap[best], t[i] - fine_t[low + best], fine[low + best, 2] - z[i]
    passed = [float(np.hypot(x[up] - px, y[up] - py).min()) <= near_m for px, py in plan[:, :2]]
    return FlownSortie(
        sortie_id=sortie.id,
        aircraft_id=sortie.aircraft_id,
        planned_s=planned_s,
        heard_s=_span(t),
        airborne_s=_span(t[up]),
        median_off_path_m=float(np.median(off)),
        worst_off_path_m=float(off.max()),
        worst_below_plan_m=float(below.max()),
        median_late_s=float(np.median(late)),
        complete=all(passed),
    )


def _span(t_s: FloatArray) -> float:
    return float(t_s[-1] - t_s[0]) if len(t_s) else 0.0


class Crossing(Struct, frozen=True, kw_only=True):
    """One SIMULATED crosser, whose truth is known, and what the watch made of it.

    crossed_s: when it crossed the border line, seconds after the start. adaptive: it chose its way against the plan.
    required: whether the plan's promise is about its class.
    """

    id: str
    crosser_class: str
    adaptive: bool
    required: bool
    crossed_s: float
    chainage_m: float
    xy_m: tuple[tuple[float, float], ...]
    detections: int
    tracked: bool
    alerted: bool

    @property
    def detected(self) -> bool:
        return self.detections > 0


class Tried(Struct, frozen=True, kw_only=True):
    """The plan tried over many simulated nights. shares: kind of crosser -> share detected, one crossing a night.

    predicted: (crossings, mean prediction, share seen, as much as chance allows) of each bin of predictions.
    """

    nights: int
    floor_prob: float
    shares: dict[str, Share]
    predicted: tuple[tuple[int, float, float, float], ...] = ()


class Redraw(Struct, frozen=True, kw_only=True):
    """One revealed draw made again from its seed: whether the plan is the one committed to, and what was launched.

    strangers: record entries of launches whose mission is not among the drawn sorties' missions.
    """

    revealed_at: int
    same_plan: bool
    sorties: int
    launches: int
    strangers: tuple[int, ...]

    @property
    def holds(self) -> bool:
        return self.same_plan and not self.strangers


class Review(Struct, frozen=True, kw_only=True):
    """Everything the report says, gathered.

    simulated: what in the watch was not real, in words. paths: aircraft id -> flown (n, 2). unexplained_alerts: alerts
    of movers near which no simulated crosser was. replay_agrees: whether replaying the stored feed raised the same
    alerts again; None when it was not tried. losses: stretches of the feed that are known to be lost, in words.
    """

    start_t_ns: int
    duration_s: float
    simulated: tuple[str, ...]
    certificate: Certificate | None
    crossings: tuple[Crossing, ...]
    unexplained_alerts: int
    looks: LookSummary
    coverage: Coverage
    flown: tuple[FlownSortie, ...]
    planned: tuple[Sortie, ...]
    paths: dict[str, FloatArray]
    alerts: tuple[Alert, ...]
    acknowledgements: tuple[Acknowledgement, ...]
    entries: tuple[LogEntry, ...]
    verification: Verification
    checkpoint: str
    inputs: dict[str, str]
    replay_agrees: bool | None
    losses: tuple[str, ...]
    unreadable: int
    tried: Tried | None = None
    redraws: tuple[Redraw, ...] = ()


def achieved(crossings: Sequence[Crossing]) -> dict[str, Share]:
    """Shares detected at least once, tracked and alerted, and detected by kind, of the classes the promise is about.

    "other": the share detected of the classes it is not about.
    """
    promised = [c for c in crossings if c.required]
    groups = {
        "detected": [c.detected for c in promised],
        "tracked": [c.tracked for c in promised],
        "alerted": [c.alerted for c in promised],
        "adaptive": [c.detected for c in promised if c.adaptive],
        "naive": [c.detected for c in promised if not c.adaptive],
        "other": [c.detected for c in crossings if not c.required],
    }
    return {name: share(sum(seen), len(seen)) for name, seen in groups.items()}
