"""The place: terrain, border, zones and the area that holds them.

Everything is in one local metric frame (x east, y north, metres): a transverse Mercator projection centred on the area.
Its scale error at distance x from the central meridian is x^2 / (2 R^2): 1.1e-5 at 30 km, 4.9e-5 at 63 km
(Snyder 1987, Map Projections: A Working Manual, eq. 8-10).
Heights are `alt_msl_m` above the terrain's vertical datum (EGM96 unless the area says otherwise).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.assets import Base, Fleet, Rally
from kuntur.model.sizing import Sizing

FloatArray = NDArray[np.float64]
HeightArray = NDArray[np.float32]
Light = Literal["day", "night"]
Target = Literal["person", "pack_animal", "light_vehicle", "truck"]
"""What a camera looks for: a size on the ground, never somebody."""
Shown = Literal["person", "pack_animal", "light_vehicle", "truck", "hidden_person"]
"""What it may have before it: a target, or a person who lies still to hide."""
Mode = Literal["walk", "pack", "drive"]
Percentile = Literal[50, 75, 90, 95, 99]
"""Of walkers: 90 is one in ten who is as fast or faster."""


class LocalFrame(Struct, frozen=True, kw_only=True):
    """A transverse Mercator frame on WGS 84 with scale 1 and its origin at (lat0, lon0)."""

    lat0_deg: float
    lon0_deg: float

    @property
    def proj4(self) -> str:
        return (
            f"+proj=tmerc +lat_0={self.lat0_deg:.9f} +lon_0={self.lon0_deg:.9f} +k=1 +x_0=0 +y_0=0 "
            "+datum=WGS84 +units=m +no_defs"
        )


class Geoid(Struct, frozen=True, kw_only=True):
    """Geoid undulation N on a regular latitude/longitude grid: alt_hae = alt_msl + N.

    undulation_m: (rows, cols) float32, row 0 southernmost, column 0 westernmost.
    """

    name: str
    south_deg: float
    west_deg: float
    step_deg: float
    undulation_m: HeightArray


class VerticalError(Struct, frozen=True, kw_only=True):
    """What a survey's heights are wrong by: a Gaussian error, the same everywhere, with exponential correlation.

    sigma_m: standard deviation. correlation_m: the distance at which the correlation of two places' errors has fallen
    to exp(-1). source: where the two figures are from, and what in them is assumed.
    """

    sigma_m: float
    correlation_m: float
    source: str


class Terrain(Struct, frozen=True, kw_only=True):
    """A height grid in the local frame. Row 0 is the northernmost; heights are at cell centres; NaN is a void.

    heights_m: (rows, cols) float32, metres above `vertical_datum`. west_m, north_m: outer corner of cell (0, 0).
    cover_m: (rows, cols) float32, what stands on the ground there (woods, buildings), metres above it; NaN where that
    is unknown; None where nothing is known to stand anywhere. vertical_error_le90_m: what aircraft keep clear by, the
    specification where that is stated. error: the error that sight lines are judged by; None is unknown.
    """

    frame: LocalFrame
    heights_m: HeightArray
    cell_m: float
    west_m: float
    north_m: float
    vertical_datum: str
    product: str
    sketched: bool
    attribution: str
    vertical_error_le90_m: float | None = None
    sha256: str = ""
    error: VerticalError | None = None
    cover_m: HeightArray | None = None

    @property
    def surface_m(self) -> HeightArray:
        """(rows, cols) float32: the ground with what stands on it; NaN where either is unknown."""
        return self.heights_m if self.cover_m is None else self.heights_m + self.cover_m

    @property
    def rows(self) -> int:
        return int(self.heights_m.shape[0])

    @property
    def cols(self) -> int:
        return int(self.heights_m.shape[1])

    @property
    def east_m(self) -> float:
        return self.west_m + self.cols * self.cell_m

    @property
    def south_m(self) -> float:
        return self.north_m - self.rows * self.cell_m


class Lattice(Struct, frozen=True, kw_only=True):
    """A coarser grid aligned with the terrain: cells of `factor` x `factor` terrain cells, from (row0, col0) on."""

    row0: int
    col0: int
    rows: int
    cols: int
    factor: int
    cell_m: float
    west_m: float
    north_m: float

    def centres(self) -> tuple[FloatArray, FloatArray]:
        """x_m (cols,), y_m (rows,) of the cell centres."""
        x_m = self.west_m + (np.arange(self.cols) + 0.5) * self.cell_m
        y_m = self.north_m - (np.arange(self.rows) + 0.5) * self.cell_m
        return np.asarray(x_m, float), np.asarray(y_m, float)


class Border(Struct, frozen=True, kw_only=True):
    """The border line in the order of its chainage (km 0 at its first vertex), and which side is ours.

    xy_m: (n, 2) float64. ours: the side, looking along increasing chainage. core_m: of a sector of a longer border, the
    chainages between which crossers start; beyond its ends they are through. None: nobody goes beyond the ends.
    """

    name: str
    xy_m: FloatArray
    ours: Literal["left", "right"]
    our_country: str
    their_country: str
    attribution: str
    sha256: str = ""
    core_m: tuple[float, float] | None = None


class Zone(Struct, frozen=True, kw_only=True):
    """A polygon with a rule. no_fly: no aircraft; no_look: no camera footprint; protected: looks are recorded.

    xy_m: (n, 2) float64, outer ring, first vertex not repeated. floor/ceiling: None is unlimited.
    """

    id: str
    name: str
    kind: Literal["no_fly", "no_look", "protected"]
    xy_m: FloatArray
    floor_msl_m: float | None = None
    ceiling_msl_m: float | None = None


class Road(Struct, frozen=True, kw_only=True):
    """A road or track a vehicle can follow. xy_m: (n, 2) float64."""

    name: str
    kind: Literal["road", "track"]
    xy_m: FloatArray
    approximate: bool = False


class Water(Struct, frozen=True, kw_only=True):
    """A lake (a ring, first vertex not repeated) or a river (a line) that stops these modes, except on roads over it.

    xy_m: (n, 2) float64.
    """

    name: str
    kind: Literal["lake", "river"]
    xy_m: FloatArray
    stops: tuple[Mode, ...] = ("walk", "pack", "drive")
    approximate: bool = False


class Place(Struct, frozen=True, kw_only=True):
    """A named point for the map: a village, a peak, a pass."""

    name: str
    kind: Literal["village", "peak", "pass", "lake", "post"]
    x_m: float
    y_m: float
    alt_msl_m: float | None = None
    approximate: bool = False


class AirLevel(Struct, frozen=True, kw_only=True):
    """The air at one altitude, measured or forecast. Where it stands for an area, the thinnest that was found there."""

    alt_msl_m: float
    temperature_k: float
    pressure_pa: float


class WindLevel(Struct, frozen=True, kw_only=True):
    """The wind at one altitude: a vector, and the most by which the wind anywhere in the area differs from it.

    wind_from_rad: where it blows from, clockwise from true north.
    """

    alt_msl_m: float
    wind_speed_mps: float
    wind_from_rad: float
    spread_mps: float = 0.0


class Weather(Struct, frozen=True, kw_only=True):
    """The air planned for: ISA deviation and a steady wind (where it blows FROM, clockwise from true north).

    air: levels from low to high; where there are any, they and not isa_offset_k say how dense the air is.
    winds: levels from low to high; where there are any, they and not the steady wind hold.
    light: at night a camera in the visible band finds nothing unless it is a low-light one (`Camera.least_light_lux`).
    """

    isa_offset_k: float = 0.0
    wind_speed_mps: float = 0.0
    wind_from_rad: float = 0.0
    visibility_m: float = 20_000.0
    light: Light = "night"
    air: tuple[AirLevel, ...] = ()
    winds: tuple[WindLevel, ...] = ()


class CrosserClass(Struct, frozen=True, kw_only=True):
    """One way of crossing. `speed_factor` multiplies the speed of the mode, at this percentile of people on foot.

    required: whether the requirement must hold against this class. The floor against every class is printed either way.
    hides: may lie down and wait hidden anywhere. off_road: may drive where there is neither road nor track.
    ride: who walks may go any part of the way in a vehicle, which then shows as ride_target: along roads and tracks, or
    anywhere that can be driven. start_from_s, start_until_s: when a crossing may begin, from the watch's start on.
    """

    id: str
    name: str
    mode: Mode
    target: Target
    speed_factor: float = 1.0
    required: bool = True
    percentile: Percentile = 90
    hides: bool = False
    off_road: bool = True
    ride: Literal["none", "road", "anywhere"] = "none"
    ride_target: Target = "light_vehicle"
    start_from_s: float = 0.0
    start_until_s: float | None = None


class Requirement(Struct, frozen=True, kw_only=True):
    """What the patrol is asked for.

    detection_prob: wanted probability that a crossing is seen, against a crosser who knows the plan but not the draw.
    depth_m: how far behind the border a crosser must get to be through. start_local: "HH:MM" at utc_offset_h.
    certainty_prob: how certain a sight line must be, given the terrain's error, before anything is promised on it.
    cyclic: the watch is the same every day, and who comes late in one may go on into the next; duration_s is 24 h.
    neighbours: directions in which crossers leave a cell: 8, or 16 with half as many errors of direction.
    """

    detection_prob: float
    start_local: str
    duration_s: float
    date: str | None = None
    """Of the watch's start, "YYYY-MM-DD" at utc_offset_h: says where the sun is. None: unknown."""
    depth_m: float
    utc_offset_h: float
    wave_s: float
    crosser_cell_m: float
    crosser_step_s: float
    flight_cell_m: float
    height_agl_m: float
    radio_required: bool = True
    solve_s: float = 45.0
    certainty_prob: float = 0.95
    cyclic: bool = False
    neighbours: Literal[8, 16] = 8


class Area(Struct, frozen=True, kw_only=True):
    """Everything the chain is given. `input_hashes`: name of each input file -> sha256 hex."""

    id: str
    title: str
    frame: LocalFrame
    terrain: Terrain
    geoid: Geoid
    border: Border
    bases: tuple[Base, ...]
    zones: tuple[Zone, ...]
    roads: tuple[Road, ...]
    waters: tuple[Water, ...] = ()
    places: tuple[Place, ...]
    fleet: Fleet
    crossers: tuple[CrosserClass, ...]
    requirement: Requirement
    weather: Weather
    attributions: tuple[str, ...]
    input_hashes: dict[str, str]
    rallies: tuple[Rally, ...] = ()
    sizing: Sizing | None = None
    """What `kuntur size` may choose from; None where nobody asked."""
