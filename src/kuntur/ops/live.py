"""What the operator's screen shows now: plain values in degrees and metres, ready for the wire, and who provides them.

The server asks a `LiveSource` up to five times a second and sends its `LiveView` to every screen as JSON. These structs
are the edge of the system, so angles are degrees here; unknown is None and is shown as unknown.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.place import Area, Lattice
from kuntur.model.plans import Strategy, Tasking
from kuntur.model.tracks import AlertKind
from kuntur.ops.plan_seen import Seen

LonLat = tuple[float, float]


class AircraftView(Struct, frozen=True, kw_only=True):
    """One aircraft as last heard. heading_deg: from true north, clockwise. age_s: since the last telemetry.

    armed: False is on the ground with its motors off.
    """

    id: str
    name: str
    kind: Literal["multirotor", "fixed_wing"]
    lat_deg: float
    lon_deg: float
    alt_msl_m: float
    height_agl_m: float | None = None
    heading_deg: float | None = None
    ground_speed_mps: float | None = None
    mode: str = ""
    armed: bool = True
    battery_fraction: float | None = None
    age_s: float = 0.0
    trail: tuple[LonLat, ...] = ()


class FootprintView(Struct, frozen=True, kw_only=True):
    """What one camera sees on the ground now: ring of (lon_deg, lat_deg), first vertex not repeated."""

    aircraft_id: str
    ring_lonlat: tuple[LonLat, ...]


class TrackView(Struct, frozen=True, kw_only=True):
    """A mover. The ellipse holds 95 % of the position error; orientation_deg is its major axis from true north."""

    id: int
    lat_deg: float
    lon_deg: float
    semi_major_m: float
    semi_minor_m: float
    orientation_deg: float
    status: Literal["tentative", "confirmed"]
    size_class: str
    speed_mps: float
    course_deg: float
    age_s: float
    chainage_m: float | None = None
    offset_m: float | None = None
    trail: tuple[LonLat, ...] = ()


class AlertView(Struct, frozen=True, kw_only=True):
    """An `Alert` and whether a person has seen to it."""

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
    acknowledged: bool = False
    acknowledged_by: str = ""


class LiveView(Struct, frozen=True, kw_only=True):
    """Everything that moves, at `t_ns`. speed: simulated seconds per second of wall clock, 1 when nothing is simulated.

    simulated: what on this screen is not real, in words ("aircraft", "terrain", "crossers"); empty when all of it is.
    alerts: newest first. phase_en / phase_es: one short line on where the watch stands. tasking: the seed commitment of
    the tasking being flown; when it changes, the page asks for the planned sorties anew.
    """

    t_ns: int
    speed: float = 1.0
    simulated: tuple[str, ...] = ()
    phase_en: str = ""
    phase_es: str = ""
    tasking: str = ""
    aircraft: tuple[AircraftView, ...] = ()
    footprints: tuple[FootprintView, ...] = ()
    tracks: tuple[TrackView, ...] = ()
    alerts: tuple[AlertView, ...] = ()


class LiveSource(Protocol):
    """Whoever knows the present: the running watch, or a replay of a stored one. Called on the server's event loop."""

    def snapshot(self) -> LiveView:
        """The present, as one consistent value; quick (a few milliseconds)."""
        ...

    def acknowledge(self, alert_id: str, actor: str, note: str) -> bool:
        """Write down that `actor` has seen to this alert. False when there is no such alert."""
        ...

    def freshness(self) -> tuple[NDArray[np.float32], Lattice]:
        """Seconds since each cell of the lattice was last looked at, (rows, cols) float32, row 0 northernmost.

        inf: not looked at since the watch began. NaN: not to be watched, or unknown; drawn as nothing.
        """
        ...


class LiveWatch(Protocol):
    """A watch that a server can show: what stands still, who knows the present, and what keeps it going.

    `run` is awaited beside the server and cancelled when the server stops; it lands and closes what it opened. A watch
    with nothing to drive returns at once.
    """

    @property
    def area(self) -> Area: ...

    @property
    def strategy(self) -> Strategy | None: ...

    @property
    def seen(self) -> Seen | None:
        """What the plan sees and where its strongest attackers walk, as written beside it."""
        ...

    @property
    def tasking(self) -> Tasking | None: ...

    @property
    def live(self) -> LiveSource: ...

    async def run(self) -> None: ...
