"""What was flown, against what was planned."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import lines
from kuntur.model.plans import Sortie

FloatArray = NDArray[np.float64]

Status = Literal["landed", "returned", "lost", "not_flown"]
NEAR_BASE_M = 500.0  # closer to its base an aircraft is climbing or landing and has no track to keep


class ArrivalFlown(Struct, frozen=True, kw_only=True):
    """A mission item done with: when it was planned and when it was, in seconds after the start of the watch."""

    seq: int
    planned_s: float
    flown_s: float


class SortieFlown(Struct, frozen=True, kw_only=True):
    """One sortie as flown. status: landed as planned, returned early, lost or not flown; `why` in words if not landed.

    t_s, x_m, y_m, alt_msl_m: the path told by the aircraft, local frame, seconds after the start of the watch.
    cross_track: distance from the planned line, away from the base; a wing that waits circles beside it. time_error:
    flown minus planned arrival, without the one over the base at the end, where nobody waits for the clock.
    """

    sortie_id: str
    aircraft_id: str
    status: Status
    why: str = ""
    lift_off_s: float = 0.0
    launch_error_s: float | None = None
    landed_s: float | None = None
    battery_left: float | None = None
    arrivals: tuple[ArrivalFlown, ...] = ()
    t_s: tuple[float, ...] = ()
    x_m: tuple[float, ...] = ()
    y_m: tuple[float, ...] = ()
    alt_msl_m: tuple[float, ...] = ()
    cross_track_p95_m: float | None = None
    cross_track_max_m: float | None = None
    time_error_p95_s: float | None = None
    time_error_max_s: float | None = None

    def against(self, sortie: Sortie, base_xy_m: tuple[float, float], last_seq: int) -> SortieFlown:
        """The same with its errors against the plan filled in. last_seq: the wire item over the base at the end."""
        errors_s = np.array([abs(a.flown_s - a.planned_s) for a in self.arrivals if a.seq != last_seq])
        xy = np.column_stack([self.x_m, self.y_m])
        away = np.hypot(*(xy - base_xy_m).T) > NEAR_BASE_M
        off_m = distance_to_line(np.column_stack([sortie.x_m, sortie.y_m]), xy[away])
        return msgspec.structs.replace(
            self,
            cross_track_p95_m=_quantile(off_m, 0.95),
            cross_track_max_m=_quantile(off_m, 1.0),
            time_error_p95_s=_quantile(errors_s, 0.95),
            time_error_max_s=_quantile(errors_s, 1.0),
        )

    def summary(self) -> dict[str, Any]:
        """The figures for the record, rounded to what they are worth."""
        figures = {
            "launch_error_s": self.launch_error_s,
            "time_error_p95_s": self.time_error_p95_s,
            "time_error_max_s": self.time_error_max_s,
            "cross_track_p95_m": self.cross_track_p95_m,
            "cross_track_max_m": self.cross_track_max_m,
            "battery_left": self.battery_left,
        }
        known = {name: round(value, 2) for name, value in figures.items() if value is not None}
        return {"status": self.status, "why": self.why, **known}


class FlightLog(Struct, frozen=True, kw_only=True):
    """All sorties of one tasking as flown, in order of lift-off. speed: of the clock flown by (1: real time)."""

    start_t_ns: int
    speed: float
    sorties: tuple[SortieFlown, ...]

    def worst(self, name: str) -> float | None:
        """The largest value of a figure over all sorties that have it."""
        values = [abs(value) for flown in self.sorties if (value := getattr(flown, name)) is not None]
        return max(values, default=None)


def distance_to_line(line_m: FloatArray, points_m: FloatArray) -> FloatArray:
    """Distance of points (n, 2) from a polyline (k, 2); repeated vertices are allowed."""
    if len(points_m) == 0:
        return np.empty(0)
    moved = np.concatenate([[True], np.hypot(*np.diff(line_m, axis=0).T) > 1e-6])
    if moved.sum() == 1:
        return np.asarray(np.hypot(*(points_m - line_m[0]).T))
    _, offset = lines.project(line_m[moved], points_m[:, 0], points_m[:, 1])
    return np.abs(offset)


def _quantile(values: FloatArray, share: float) -> float | None:
    return float(np.quantile(values, share)) if len(values) else None
