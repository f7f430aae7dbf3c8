"""The area file: what may stand in area.toml, table by table. Units are in the key names; degrees only here.

Lengths along the border (from_km, to_km) count from the first point of the border file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from kuntur.model.place import Light, Mode, Percentile, Target
from kuntur.model.plans import LookKind

Latitude = Annotated[float, Meta(ge=-90.0, le=90.0)]
Longitude = Annotated[float, Meta(ge=-180.0, le=180.0)]
Altitude = Annotated[float, Meta(ge=-500.0, le=9000.0)]
Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Certainty = Annotated[float, Meta(ge=0.0, lt=1.0)]
ClockTime = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Identifier = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=64)]
Datum = Literal["EGM96", "EGM2008", "WGS84 ellipsoid"]


class ExtentTable(Struct, frozen=True, kw_only=True):
    """The rectangle worked on. West of the antimeridian and east of it: west_deg > east_deg."""

    south_deg: Latitude
    west_deg: Longitude
    north_deg: Latitude
    east_deg: Longitude


class HeightTable(Struct, frozen=True, kw_only=True):
    """One known height. `approximate` is kept with it."""

    name: str
    lat_deg: Latitude
    lon_deg: Longitude
    alt_msl_m: Altitude
    approximate: bool = True


class ConeTable(Struct, frozen=True, kw_only=True):
    """A volcano of the sketch. radius_m: where its flanks have come down to one eighth."""

    name: str
    lat_deg: Latitude
    lon_deg: Longitude
    alt_msl_m: Altitude
    radius_m: Positive


class LakeTable(Struct, frozen=True, kw_only=True):
    name: str
    lat_deg: Latitude
    lon_deg: Longitude
    alt_msl_m: Altitude
    radius_m: Positive


class CrestTable(Struct, frozen=True, kw_only=True):
    """Height of the crest that the border follows, at a distance along the border file."""

    at_km: NotNegative
    alt_msl_m: Altitude


class SketchTable(Struct, frozen=True, kw_only=True):
    """How to draw the terrain when there is no survey of it: known heights and a seed."""

    seed: int
    ground: tuple[HeightTable, ...]
    fixed: tuple[HeightTable, ...] = ()
    cone: tuple[ConeTable, ...] = ()
    lake: tuple[LakeTable, ...] = ()
    crest: tuple[CrestTable, ...] = ()
    attribution: str = ""


class TerrainTable(Struct, frozen=True, kw_only=True):
    """Heights: survey files (`sources`, paths or patterns beside the area file) or, without any, a sketch.

    cell_m: the square cell worked with; left out, the files' own, rounded. vertical_datum: needed when the product does
    not tell it. vertical_error_le90_m: linear error at 90 % of the product, when known; error_correlation_m: the
    distance at which that error's correlation has fallen to exp(-1). cover: rasters of what stands on the ground.
    """

    sources: tuple[str, ...] = ()
    cell_m: Annotated[float, Meta(ge=1.0, le=1000.0)] | None = None
    vertical_datum: Datum | None = None
    vertical_error_le90_m: Positive | None = None
    error_correlation_m: Positive | None = None
    cover: tuple[str, ...] = ()
    attribution: str = ""
    sketch: SketchTable | None = None


class BorderTable(Struct, frozen=True, kw_only=True):
    """The border line. ours: which side is ours, looking along the file from its first point."""

    file: str
    name: str
    ours: Literal["left", "right"]
    our_country: str
    their_country: str
    from_km: NotNegative = 0.0
    to_km: Positive | None = None
    attribution: str = ""


class BaseTable(Struct, frozen=True, kw_only=True):
    id: Identifier
    name: str
    lat_deg: Latitude
    lon_deg: Longitude
    pads: Annotated[int, Meta(ge=0)]
    mast_agl_m: Positive = 10.0
    mast_gain_dbi: float | None = None
    parking: Annotated[int, Meta(ge=0)] | None = None
    crews: Annotated[int, Meta(ge=0)] | None = None
    crew_duty_s: Positive | None = None


class RallyTable(Struct, frozen=True, kw_only=True):
    """A place where an aircraft may land in an emergency."""

    id: Identifier
    name: str
    lat_deg: Latitude
    lon_deg: Longitude


class ZoneTable(Struct, frozen=True, kw_only=True):
    """A polygon with a rule: `ring` as [lon_deg, lat_deg] pairs, or a circle by lat_deg, lon_deg, radius_m."""

    id: Identifier
    name: str
    kind: Literal["no_fly", "no_look", "protected"]
    ring: tuple[tuple[Longitude, Latitude], ...] = ()
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    radius_m: Positive | None = None
    floor_msl_m: Altitude | None = None
    ceiling_msl_m: Altitude | None = None


class RoadTable(Struct, frozen=True, kw_only=True):
    """A road or track: `line` as [lon_deg, lat_deg] pairs."""

    name: str
    kind: Literal["road", "track"]
    line: tuple[tuple[Longitude, Latitude], ...]
    approximate: bool = False


class WaterTable(Struct, frozen=True, kw_only=True):
    """What stops whoever crosses: a lake as `ring` or as a circle by lat_deg, lon_deg, radius_m; a river as `line`."""

    name: str
    kind: Literal["lake", "river"]
    ring: tuple[tuple[Longitude, Latitude], ...] = ()
    line: tuple[tuple[Longitude, Latitude], ...] = ()
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    radius_m: Positive | None = None
    stops: tuple[Mode, ...] = ("walk", "pack", "drive")
    approximate: bool = False


class PlaceTable(Struct, frozen=True, kw_only=True):
    name: str
    kind: Literal["village", "peak", "pass", "lake", "post"]
    lat_deg: Latitude
    lon_deg: Longitude
    alt_msl_m: Altitude | None = None
    approximate: bool = False


class AircraftTable(Struct, frozen=True, kw_only=True):
    """One aircraft: ids of an airframe, a camera and a radio in the catalog (or in this file), and its base."""

    id: Identifier
    name: str
    system_id: Annotated[int, Meta(ge=1, le=250)]
    airframe: Identifier
    camera: Identifier
    radio: Identifier
    base: Identifier
    turnround_s: NotNegative
    fly: Literal["any", "day", "night"] = "any"
    looks: Annotated[tuple[LookKind, ...], Meta(min_length=1)] = ("sweep",)


class TypeTable(Struct, frozen=True, kw_only=True):
    """A type of aircraft that `kuntur size` may choose: the keys of [[aircraft]] without number and base."""

    id: Identifier
    name: str
    airframe: Identifier
    camera: Identifier
    radio: Identifier
    turnround_s: NotNegative
    looks: Annotated[tuple[LookKind, ...], Meta(min_length=1)] = ("sweep",)


class SizeTable(Struct, frozen=True, kw_only=True):
    """What `kuntur size` looks for: fleets of up to `most_aircraft` of these types. aircraft: [[size.aircraft]]."""

    most_aircraft: Annotated[int, Meta(ge=1, le=40)] = 6
    currency: str = "USD"
    aircraft: tuple[TypeTable, ...] = ()


class CostTable(Struct, frozen=True, kw_only=True):
    """What one aircraft of a type costs; `base` where it holds at that base only. example: a made-up figure."""

    aircraft: Identifier
    purchase: NotNegative
    life_watches: Positive
    crew_per_watch: NotNegative
    per_flight_hour: NotNegative
    source: str
    base: Identifier | None = None
    example: bool = False


class BaseCostTable(Struct, frozen=True, kw_only=True):
    """What a base costs for each watch that it is open."""

    base: Identifier
    per_watch: NotNegative
    source: str
    example: bool = False


class CrosserTable(Struct, frozen=True, kw_only=True):
    id: Identifier
    name: str
    mode: Mode
    target: Target
    speed_factor: Positive = 1.0
    required: bool = True
    percentile: Percentile = 90
    hides: bool = False
    off_road: bool = True
    ride: Literal["none", "road", "anywhere"] = "none"
    ride_target: Target = "light_vehicle"
    starts_local: tuple[ClockTime, ClockTime] | None = None


class WindTable(Struct, frozen=True, kw_only=True):
    """The wind at one altitude."""

    alt_msl_m: Altitude
    wind_speed_mps: Annotated[float, Meta(ge=0.0, le=100.0)]
    wind_from_deg: Annotated[float, Meta(ge=0.0, le=360.0)]


class WeatherTable(Struct, frozen=True, kw_only=True):
    """station_*: what a barometer and a thermometer at one place read. layers: winds from low to high. field: a
    NetCDF or GRIB file beside the area file, which then says temperature, pressure and wind."""

    isa_offset_k: Annotated[float, Meta(ge=-80.0, le=60.0)] = 0.0
    wind_speed_mps: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0
    wind_from_deg: Annotated[float, Meta(ge=0.0, le=360.0)] = 0.0
    visibility_m: Positive = 20_000.0
    light: Light = "night"
    station_alt_msl_m: Altitude | None = None
    station_temperature_c: float | None = None
    station_pressure_hpa: Positive | None = None
    station_qnh_hpa: Positive | None = None
    layers: tuple[WindTable, ...] = ()
    field: str | None = None


class RequirementTable(Struct, frozen=True, kw_only=True):
    detection_prob: Probability
    start_local: ClockTime
    utc_offset_h: Annotated[float, Meta(ge=-12.0, le=14.0)]
    duration_s: Positive
    depth_m: Positive
    wave_s: Positive
    crosser_cell_m: Positive
    crosser_step_s: Positive
    flight_cell_m: Positive
    height_agl_m: Positive
    radio_required: bool = True
    date: Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    solve_s: Positive = 45.0
    certainty_prob: Certainty = 0.95
    cyclic: bool = False
    neighbours: Literal[8, 16] = 8


class LawTable(Struct, frozen=True, kw_only=True):
    """A detection rate that is given: rate_hz exp(-(slant range / scale_m)^2), 0 from cut_m on."""

    rate_hz: Positive
    scale_m: Positive
    cut_m: Positive


class CameraTable(Struct, frozen=True, kw_only=True):
    """What is published about an imaging channel. built_into: the airframes it is part of; empty, it fits any."""

    id: Identifier
    name: str
    band: Literal["EO", "LWIR", "MWIR"]
    columns_px: Annotated[int, Meta(ge=1)]
    rows_px: Annotated[int, Meta(ge=1)]
    source: str
    hfov_deg: Annotated[float, Meta(gt=0.0, lt=180.0)] | None = None
    vfov_deg: Annotated[float, Meta(gt=0.0, lt=180.0)] | None = None
    mass_kg: Positive | None = None
    pixel_pitch_m: Annotated[float, Meta(gt=0.0, lt=1e-3)] | None = None
    focal_length_m: Annotated[float, Meta(gt=0.0, lt=10.0)] | None = None
    f_number: Positive | None = None
    netd_k: Annotated[float, Meta(gt=0.0, lt=10.0)] | None = None
    least_light_lux: Positive | None = None
    law: LawTable | None = None
    built_into: tuple[str, ...] = ()
    sources: dict[str, str] = {}
    unverified: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class RadioTable(Struct, frozen=True, kw_only=True):
    id: Identifier
    name: str
    frequency_hz: Positive
    source: str
    tx_power_dbm: float | None = None
    antenna_gain_dbi: float | None = None
    sensitivity_dbm: float | None = None
    max_range_m: Positive | None = None
    polarisation: Literal["vertical", "horizontal"] | None = None
    sources: dict[str, str] = {}
    unverified: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class AirframeTable(Struct, frozen=True, kw_only=True):
    """What is published about an airframe. What an area flies needs more than a catalog may know: `catalog.airframe`.

    mass_kg: at which the endurance holds. category: the class people buy it in.
    """

    id: Identifier
    name: str
    kind: Literal["multirotor", "fixed_wing", "helicopter"]
    propulsion: Literal["electric", "combustion"]
    source: str
    category: str | None = None
    launch: Literal["vertical", "hand", "catapult", "runway"] | None = None
    mass_kg: Positive | None = None
    endurance_s: Positive | None = None
    cruise_mps: Positive | None = None
    max_speed_mps: Positive | None = None
    ceiling_msl_m: Positive | None = None
    battery_wh: Positive | None = None
    rotor_disc_area_m2: Positive | None = None
    wing_span_m: Positive | None = None
    wing_area_m2: Positive | None = None
    max_payload_kg: Positive | None = None
    max_wind_mps: Positive | None = None
    max_climb_mps: Positive | None = None
    stall_mps: Positive | None = None
    endurance_mps: NotNegative | None = None
    forward_endurance_s: Positive | None = None
    sources: dict[str, str] = {}
    unverified: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class CatalogFile(Struct, frozen=True, kw_only=True):
    airframe: tuple[AirframeTable, ...] = ()
    camera: tuple[CameraTable, ...] = ()
    radio: tuple[RadioTable, ...] = ()


class AreaFile(Struct, frozen=True, kw_only=True):
    id: Identifier
    title: str
    extent: ExtentTable
    terrain: TerrainTable
    border: BorderTable
    base: tuple[BaseTable, ...]
    aircraft: tuple[AircraftTable, ...]
    crosser: tuple[CrosserTable, ...]
    requirement: RequirementTable
    weather: WeatherTable = WeatherTable()
    zone: tuple[ZoneTable, ...] = ()
    rally: tuple[RallyTable, ...] = ()
    road: tuple[RoadTable, ...] = ()
    water: tuple[WaterTable, ...] = ()
    place: tuple[PlaceTable, ...] = ()
    size: SizeTable = SizeTable()
    candidate_base: tuple[BaseTable, ...] = ()
    cost: tuple[CostTable, ...] = ()
    base_cost: tuple[BaseCostTable, ...] = ()
    airframe: tuple[AirframeTable, ...] = ()
    camera: tuple[CameraTable, ...] = ()
    radio: tuple[RadioTable, ...] = ()
