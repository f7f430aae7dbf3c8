"""What is flown and from where. Catalog figures carry their public source; None is unknown, never a guess."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from kuntur.model.plans import LookKind


class RangeLaw(Struct, frozen=True, kw_only=True):
    """A detection rate that is given and not computed: rate_hz exp(-(slant range / scale_m)^2), 0 from cut_m on.

    For benchmark instances that others can rebuild, and for sensors of which only a measured curve is known.
    """

    rate_hz: float
    scale_m: float
    cut_m: float


class Camera(Struct, frozen=True, kw_only=True):
    """One imaging channel. hfov/vfov: the field of view used for search. pixels: columns, rows.

    f_number, pixel_pitch_m, focal_length_m: of the lens and detector at that field of view. netd_k: noise-equivalent
    temperature difference (infrared). least_light_lux: the rated minimum illumination (visible band, without lamps).
    None is unknown: what the sensor model then assumes is in `visibility.acquisition.assumed`.
    """

    id: str
    name: str
    band: Literal["EO", "LWIR", "MWIR"]
    columns_px: int
    rows_px: int
    hfov_rad: float
    vfov_rad: float
    source: str
    mass_kg: float | None = None
    pixel_pitch_m: float | None = None
    focal_length_m: float | None = None
    f_number: float | None = None
    netd_k: float | None = None
    least_light_lux: float | None = None
    law: RangeLaw | None = None
    """Takes the place of all that would be computed from the figures above."""


Polarisation = Literal["vertical", "horizontal"]


class Radio(Struct, frozen=True, kw_only=True):
    """A data link, the same at both ends. Unknown figures are None; the link budget then says so instead of guessing.

    antenna_gain_dbi: of the antenna it comes with. sensitivity_dbm: at the data rate that the source names.
    """

    id: str
    name: str
    frequency_hz: float
    tx_power_dbm: float | None
    antenna_gain_dbi: float | None
    sensitivity_dbm: float | None
    max_range_m: float | None
    source: str
    polarisation: Polarisation | None = None


class Airframe(Struct, frozen=True, kw_only=True):
    """A type of aircraft with its public figures. Energy is electrical (battery_wh) or chemical (endurance only).

    endurance_mps: the airspeed at which endurance_s holds, 0 for hover; None: not published, so the aircraft's most
    economical. forward_endurance_s: a multirotor's longest in forward flight, where endurance_s is in hover.
    """

    id: str
    name: str
    kind: Literal["multirotor", "fixed_wing"]
    propulsion: Literal["electric", "combustion"]
    mass_kg: float
    endurance_s: float
    cruise_mps: float
    max_speed_mps: float
    ceiling_msl_m: float
    source: str
    battery_wh: float | None = None
    rotor_disc_area_m2: float | None = None
    wing_span_m: float | None = None
    wing_area_m2: float | None = None
    max_payload_kg: float | None = None
    max_wind_mps: float | None = None
    max_climb_mps: float | None = None
    stall_mps: float | None = None
    endurance_mps: float | None = None
    forward_endurance_s: float | None = None
    unknown: tuple[str, ...] = ()


class Base(Struct, frozen=True, kw_only=True):
    """A place aircraft start from and return to. x_m, y_m in the local frame.

    pads: aircraft that can start and land at the same time. parking: aircraft that have room on the ground. crews: of
    those who fly, one aircraft in the air for each; crew_duty_s: from a crew's first take-off to its last landing.
    None: as many, or as long, as asked for.
    mast_gain_dbi: the mast's own antenna less its feeder's loss; None is the antenna that each radio comes with.
    """

    id: str
    name: str
    lat_deg: float
    lon_deg: float
    x_m: float
    y_m: float
    alt_msl_m: float
    pads: int
    mast_agl_m: float = 10.0
    mast_gain_dbi: float | None = None
    parking: int | None = None
    crews: int | None = None
    crew_duty_s: float | None = None


class Rally(Struct, frozen=True, kw_only=True):
    """A place where an aircraft may land in an emergency. x_m, y_m in the local frame."""

    id: str
    name: str
    lat_deg: float
    lon_deg: float
    x_m: float
    y_m: float
    alt_msl_m: float


class Aircraft(Struct, frozen=True, kw_only=True):
    """An airframe with a camera and a radio, stationed at a base. system_id: its MAVLink id.

    looks: what its gimbal may be told to do; a plan chooses among them leg by leg.
    """

    id: str
    name: str
    system_id: int
    airframe: Airframe
    camera: Camera
    radio: Radio
    base_id: str
    turnround_s: float
    fly: Literal["any", "day", "night"] = "any"
    """When it may be in the air: whatever the sun does, only while it is up, or only while it is down."""
    looks: tuple[LookKind, ...] = ("sweep",)


class Fleet(Struct, frozen=True, kw_only=True):
    aircraft: tuple[Aircraft, ...]
