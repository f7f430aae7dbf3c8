"""What a watch shows: the present as a `LiveView`, and tracks and alerts as GeoJSON. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from kuntur.geodesy import frames, grid
from kuntur.model.tracks import Acknowledgement, Alert, PlatformState, Track
from kuntur.ops.live import AircraftView, AlertView, FootprintView, LiveView, LonLat, TrackView
from kuntur.ops.watch import Watch
from kuntur.tracking.geolocate import ellipse
from kuntur.tracking.tracks import to_tracks
from kuntur.units import NS_PER_S, RAD_TO_DEG
from kuntur.visibility.footprint import footprint

ELLIPSE_PROB: Final = 0.95
FOOTPRINT_S: Final = 10.0  # a picture older than this is not shown as the present; chosen
TENTATIVE_HITS: Final = 2  # tracks of a single detection are mostly false alarms: not shown; chosen
_SHOWN_ALERTS: Final = 200


def view(
    watch: Watch,
    acknowledgements: Sequence[Acknowledgement] = (),
    *,
    speed: float = 1.0,
    simulated: tuple[str, ...] = (),
    phase: tuple[str, str] = ("", ""),
    tasking: str = "",
) -> LiveView:
    """The present of the watch. phase: one line in English and Spanish; empty: what the watch has to say."""
    if watch.simulated_cameras and "cameras" not in simulated:
        simulated = (*simulated, "cameras")
    phase_en, phase_es = phase if phase[0] else status_line(watch)
    return LiveView(
        t_ns=watch.t_ns,
        speed=speed,
        simulated=simulated,
        phase_en=phase_en,
        phase_es=phase_es,
        tasking=tasking,
        aircraft=tuple(_aircraft(watch, state) for state in watch.platforms.values()),
        footprints=tuple(_footprints(watch)),
        tracks=tuple(_tracks(watch)),
        alerts=tuple(_alerts(watch.alerts, acknowledgements)),
    )


def status_line(watch: Watch) -> tuple[str, str]:
    """Aircraft up, confirmed tracks, and what is wrong with the feed, in English and Spanish."""
    counts = watch.counts
    up = sum(1 for state in watch.platforms.values() if state.armed)
    confirmed = int(np.count_nonzero(watch.tracks.confirmed))
    damaged = counts.wrong_checksums + counts.damaged_packets + counts.damaged_frames
    english, spanish = [f"{up} aircraft up", f"{confirmed} tracks"], [f"{up} aeronaves en vuelo", f"{confirmed} trazas"]
    for number, en, es in (
        (counts.missing_looks, "pictures lost on the way", "imágenes perdidas en el camino"),
        (damaged, "packets damaged", "paquetes dañados"),
        (counts.no_pose, "pictures without a usable pose", "imágenes sin posición utilizable"),
    ):
        if number:
            english.append(f"{number} {en}")
            spanish.append(f"{number} {es}")
    return " · ".join(english), " · ".join(spanish)


def _aircraft(watch: Watch, state: PlatformState) -> AircraftView:
    area = watch.area
    aircraft = next(a for a in area.fleet.aircraft if a.id == state.aircraft_id)
    x_m, y_m = frames.to_local(area.frame, state.lat_deg, state.lon_deg)
    ground_m = float(grid.height_at(area.terrain, x_m, y_m))
    return AircraftView(
        id=aircraft.id,
        name=aircraft.name,
        kind=aircraft.airframe.kind,
        lat_deg=state.lat_deg,
        lon_deg=state.lon_deg,
        alt_msl_m=state.alt_msl_m,
        height_agl_m=state.alt_msl_m - ground_m if np.isfinite(ground_m) else None,
        heading_deg=None if state.heading_rad is None else state.heading_rad * RAD_TO_DEG % 360.0,
        ground_speed_mps=state.ground_speed_mps,
        mode=state.mode,
        armed=state.armed,
        battery_fraction=state.battery_fraction,
        age_s=(watch.t_ns - watch.heard_t_ns[aircraft.id]) / NS_PER_S,
        trail=tuple(watch.trails.get(aircraft.id, ())),
    )


def _footprints(watch: Watch) -> list[FootprintView]:
    shown = []
    for aircraft_id, seen in watch.views.items():
        pose = seen.pose
        if (watch.t_ns - pose.t_ns) / NS_PER_S > FOOTPRINT_S + watch.settings.hold_s:
            continue
        ring_m = footprint(
            watch.area.terrain,
            seen.x_m,
            seen.y_m,
            seen.alt_msl_m,
            seen.azimuth_rad,
            pose.elevation_rad,
            pose.roll_rad,
            pose.hfov_rad,
            pose.vfov_rad,
            watch.useful_range_m(aircraft_id),
        )
        if len(ring_m):
            lat_deg, lon_deg = frames.to_geodetic(watch.area.frame, ring_m[:, 0], ring_m[:, 1])
            ring = tuple(zip(lon_deg.tolist(), lat_deg.tolist(), strict=True))
            shown.append(FootprintView(aircraft_id=aircraft_id, ring_lonlat=ring))
    return shown


def _tracks(watch: Watch) -> list[TrackView]:
    """Confirmed tracks and those on the way to it, predicted to now."""
    state = watch.tracks
    rows = np.flatnonzero(state.confirmed | (state.hits >= TENTATIVE_HITS))
    return [_track(watch, track) for track in to_tracks(watch.area.frame, watch.area.border, state, rows, watch.t_ns)]


def _track(watch: Watch, track: Track) -> TrackView:
    convergence_rad = frames.convergence_rad(watch.area.frame, track.lat_deg, track.lon_deg)
    major_m, minor_m, azimuth_rad = ellipse((track.cov[0], track.cov[1], track.cov[5]), ELLIPSE_PROB)
    path = watch.paths.get(track.id, ())
    _, _, vx_mps, vy_mps = track.state
    return TrackView(
        id=track.id,
        lat_deg=track.lat_deg,
        lon_deg=track.lon_deg,
        semi_major_m=major_m,
        semi_minor_m=minor_m,
        orientation_deg=(azimuth_rad + convergence_rad) * RAD_TO_DEG % 180.0,
        status="confirmed" if track.status == "confirmed" else "tentative",
        size_class=track.size_class,
        speed_mps=float(np.hypot(vx_mps, vy_mps)),
        course_deg=float((np.arctan2(vx_mps, vy_mps) + convergence_rad) * RAD_TO_DEG % 360.0),
        age_s=(watch.t_ns - path[-1].t_ns) / NS_PER_S if path else 0.0,
        chainage_m=track.chainage_m,
        offset_m=track.offset_m,
        trail=tuple((hit.lon_deg, hit.lat_deg) for hit in path),
    )


def _alerts(alerts: Sequence[Alert], acknowledgements: Sequence[Acknowledgement]) -> list[AlertView]:
    """Newest first."""
    seen_to = {a.alert_id: a.actor for a in acknowledgements}
    return [
        AlertView(
            id=alert.id,
            t_ns=alert.t_ns,
            kind=alert.kind,
            severity=alert.severity,
            text_en=alert.text_en,
            text_es=alert.text_es,
            lat_deg=alert.lat_deg,
            lon_deg=alert.lon_deg,
            chainage_m=alert.chainage_m,
            track_id=alert.track_id,
            aircraft_id=alert.aircraft_id,
            acknowledged=alert.id in seen_to,
            acknowledged_by=seen_to.get(alert.id, ""),
        )
        for alert in reversed(alerts[-_SHOWN_ALERTS:])
    ]


# --- GeoJSON (RFC 7946: WGS 84 longitude, latitude)


def tracks_geojson(watch: Watch, simulated: Sequence[str] = ()) -> dict[str, Any]:
    """Every track that was ever confirmed, as the line of its detections (a point where there is one place only)."""
    features = []
    for track_id, path in sorted(watch.paths.items()):
        hits = [hit for hit in path if hit.status != "deleted"]
        if not any(hit.status == "confirmed" for hit in path):
            continue
        last = path[-1]
        major_m, minor_m, _ = ellipse((last.cov[0], last.cov[1], last.cov[5]), ELLIPSE_PROB)
        features.append(
            _feature(
                [(hit.lon_deg, hit.lat_deg) for hit in hits],
                {
                    "track": track_id,
                    "status": last.status,
                    "size_class": last.size_class,
                    "hits": last.hits,
                    "first_t_ns": last.first_t_ns,
                    "last_t_ns": hits[-1].t_ns,
                    "chainage_m": round(last.chainage_m, 1),
                    "offset_m": round(last.offset_m, 1),
                    "ellipse95_semi_major_m": round(major_m, 1),
                    "ellipse95_semi_minor_m": round(minor_m, 1),
                },
            )
        )
    return _collection(features, simulated)


def alerts_geojson(
    alerts: Sequence[Alert], acknowledgements: Sequence[Acknowledgement] = (), simulated: Sequence[str] = ()
) -> dict[str, Any]:
    """Every alert, in the order raised; one without a place has no geometry."""
    seen_to = {a.alert_id: a for a in acknowledgements}
    features = []
    for alert in alerts:
        acknowledged = seen_to.get(alert.id)
        place = [] if alert.lat_deg is None or alert.lon_deg is None else [(alert.lon_deg, alert.lat_deg)]
        features.append(
            _feature(
                place,
                {
                    "id": alert.id,
                    "t_ns": alert.t_ns,
                    "kind": alert.kind,
                    "severity": alert.severity,
                    "text_en": alert.text_en,
                    "text_es": alert.text_es,
                    "chainage_m": alert.chainage_m,
                    "track": alert.track_id,
                    "aircraft": alert.aircraft_id,
                    "tasking_sha256": alert.tasking_sha256,
                    "acknowledged_by": acknowledged.actor if acknowledged else None,
                },
            )
        )
    return _collection(features, simulated)


def _feature(points: Sequence[LonLat], properties: Mapping[str, Any]) -> dict[str, Any]:
    rounded = [[round(lon, 7), round(lat, 7)] for lon, lat in points]
    kind: Literal["Point", "LineString"] = "LineString" if len(rounded) > 1 else "Point"
    geometry = {"type": kind, "coordinates": rounded if len(rounded) > 1 else rounded[0]} if rounded else None
    return {"type": "Feature", "geometry": geometry, "properties": dict(properties)}


def _collection(features: list[dict[str, Any]], simulated: Sequence[str]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "simulated": list(simulated), "features": features}
