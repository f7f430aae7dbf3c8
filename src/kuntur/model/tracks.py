"""What is seen: the feed as it arrived, platform and sensor states, detections, tracks, alerts."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from kuntur.model.place import Target

AlertKind = Literal["crossing", "approach", "coverage_gap", "aircraft_lost", "zone_entry"]


class FeedItem(Struct, frozen=True, kw_only=True):
    """One message as it arrived, before any interpretation: the unit of storage and of replay.

    source: aircraft id or other feed name. kind: how to read the payload: "mavlink" (one MAVLink 2 frame) or
    "klv" (one MISB ST 0601 packet) or "clock" (no payload; time passes).
    """

    t_ns: int
    source: str
    kind: Literal["mavlink", "klv", "clock"]
    payload: bytes


class PlatformState(Struct, frozen=True, kw_only=True):
    """Where an aircraft is and how it is. Unknown is None."""

    t_ns: int
    aircraft_id: str
    lat_deg: float
    lon_deg: float
    alt_msl_m: float
    heading_rad: float | None = None
    ground_speed_mps: float | None = None
    mode: str = ""
    armed: bool = False
    battery_fraction: float | None = None
    mission_item: int | None = None


class SensorPose(Struct, frozen=True, kw_only=True):
    """Where a camera is and where it looks: line of sight as azimuth from true north and elevation (negative is down).

    hfov/vfov: full angles. Position standard deviations are horizontal/vertical 1-sigma; los_sigma is per axis.
    """

    t_ns: int
    aircraft_id: str
    lat_deg: float
    lon_deg: float
    alt_hae_m: float
    azimuth_rad: float
    elevation_rad: float
    roll_rad: float
    hfov_rad: float
    vfov_rad: float
    columns_px: int
    rows_px: int


class Detection(Struct, frozen=True, kw_only=True):
    """A mover in the picture: pixel in its frame (column, row from the top left), size class and confidence."""

    t_ns: int
    aircraft_id: str
    column_px: float
    row_px: float
    size_class: Target | Literal["unknown"]
    confidence_prob: float


class GroundDetection(Struct, frozen=True, kw_only=True):
    """A detection on the ground in the local frame. cov_m2: (xx, xy, yy), frame x east, y north."""

    t_ns: int
    aircraft_id: str
    x_m: float
    y_m: float
    alt_msl_m: float
    cov_m2: tuple[float, float, float]
    slant_range_m: float
    size_class: str
    confidence_prob: float


class Track(Struct, frozen=True, kw_only=True):
    """A mover followed over time. state: x, y, vx, vy (m, m/s, local frame). cov: row-major 4 x 4 of the same."""

    id: int
    t_ns: int
    first_t_ns: int
    state: tuple[float, float, float, float]
    cov: tuple[float, ...]
    status: Literal["tentative", "confirmed", "deleted"]
    size_class: str
    hits: int
    lat_deg: float
    lon_deg: float
    chainage_m: float
    """Chainage of the nearest point of the border."""
    offset_m: float
    """Signed distance from the border, positive on our side."""


class Alert(Struct, frozen=True, kw_only=True):
    """Something a person should look at now. text_en / text_es: what happened, where (chainage), with which error."""

    id: str
    t_ns: int
    kind: AlertKind
    severity: Literal["info", "warning", "urgent"]
    text_en: str
    text_es: str
    lat_deg: float | None
    lon_deg: float | None
    chainage_m: float | None
    track_id: int | None = None
    aircraft_id: str | None = None
    tasking_sha256: str = ""


class Acknowledgement(Struct, frozen=True, kw_only=True):
    alert_id: str
    t_ns: int
    actor: str
    note: str = ""
