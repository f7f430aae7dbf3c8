"""What a person should look at now: rules over tracks, coverage and aircraft, as a fold. Each cause is told once.

- crossing: a confirmed track on our side that was on theirs, or that moves in within the required depth (urgent); one
  within the depth whose direction is not known yet (warning, and told again when it is)
- approach: a confirmed track on their side, near the border and closing
- coverage_gap: a stretch of the border that no camera has looked at for too long while aircraft are up
- aircraft_lost: no word from an aircraft that was flying

Texts give chainage, distance from the border and the error, in English and Spanish. They say what moves by its size and
never who; they designate nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import frames, lines
from kuntur.model.place import Border, LocalFrame
from kuntur.model.tracks import Alert, AlertKind, PlatformState, Track
from kuntur.tracking.geolocate import ellipse
from kuntur.tracking.tracks import Side, side
from kuntur.units import NS_PER_S

ELLIPSE_PROB: Final = 0.95
_NAMES: Final = {
    "person": ("Person-sized mover", "Móvil del tamaño de una persona"),
    "pack_animal": ("Animal-sized mover", "Móvil del tamaño de un animal de carga"),
    "light_vehicle": ("Vehicle-sized mover", "Móvil del tamaño de un vehículo"),
    "truck": ("Lorry-sized mover", "Móvil del tamaño de un camión"),
    "unknown": ("Mover of unknown size", "Móvil de tamaño desconocido"),
}


class AlertSettings(Struct, frozen=True, kw_only=True):
    """Chosen. depth_m: how far inside a mover going in is still a crossing (the requirement's depth).

    gap_m: shortest stretch told as a gap; one already told is told again only when it has grown by growth_m.
    """

    depth_m: float
    approach_m: float = 1500.0
    side_prob: float = 0.9
    moving_prob: float = 0.8
    gap_s: float = 2700.0
    gap_m: float = 1000.0
    growth_m: float = 3000.0
    lost_s: float = 60.0


class AlertState(Struct, frozen=True, kw_only=True):
    """What was told, and who was seen on the other side.

    told: track id -> rank of what was told of it; gaps: border bins told; lost: aircraft told.
    """

    told: dict[int, int] = msgspec.field(default_factory=dict)
    theirs: frozenset[int] = frozenset()
    gaps: frozenset[int] = frozenset()
    lost: frozenset[str] = frozenset()
    count: int = 0


def _km(chainage_m: float) -> tuple[str, str]:
    english = f"{chainage_m / 1000.0:.1f}"
    return english, english.replace(".", ",")


def on_tracks(
    state: AlertState, settings: AlertSettings, border: Border, tracks: Sequence[Track]
) -> tuple[AlertState, list[Alert]]:
    """After these tracks were seen: crossings and approaches."""
    alerts: list[Alert] = []
    for track in tracks:
        if track.status != "confirmed":
            continue
        where = side(border, track)
        if where.ours_prob <= 1.0 - settings.side_prob:
            state = msgspec.structs.replace(state, theirs=state.theirs | {track.id})
        found = _finding(state, settings, track.id, where)
        if found and found.rank > state.told.get(track.id, 0):
            state = msgspec.structs.replace(state, told={**state.told, track.id: found.rank})
            alerts.append(_track_alert(found, track, where))
    return state, alerts


class _Finding(Struct, frozen=True, kw_only=True):
    """What a track against the border amounts to; a track is told again only at a higher rank."""

    rank: int
    kind: AlertKind
    severity: Literal["warning", "urgent"]
    id: str
    text_en: str
    text_es: str


_APPROACH = _Finding(
    rank=1,
    kind="approach",
    severity="warning",
    id="approach",
    text_en="is closing on the border",
    text_es="se acerca a la frontera",
)
_AT_BORDER = msgspec.structs.replace(
    _APPROACH, text_en="is at the border, going in", text_es="está en la frontera y avanza"
)
_INSIDE = _Finding(
    rank=2,
    kind="crossing",
    severity="warning",
    id="inside",
    text_en="is inside the border, direction not known yet",
    text_es="está dentro de la frontera, dirección aún desconocida",
)
_GOING_IN = _Finding(
    rank=3,
    kind="crossing",
    severity="urgent",
    id="crossing",
    text_en="is inside the border, going in",
    text_es="está dentro de la frontera y avanza",
)
_CROSSED = msgspec.structs.replace(_GOING_IN, text_en="has crossed the border", text_es="ha cruzado la frontera")


def _finding(state: AlertState, settings: AlertSettings, track_id: int, where: Side) -> _Finding | None:
    moving_in = where.inward_prob >= settings.moving_prob
    moving_out = where.inward_prob <= 1.0 - settings.moving_prob
    if where.ours_prob >= settings.side_prob:
        if track_id in state.theirs:
            return _CROSSED
        if where.offset_m > settings.depth_m or moving_out:
            return None
        return _GOING_IN if moving_in else _INSIDE
    if not moving_in or where.offset_m < -settings.approach_m:
        return None
    return _APPROACH if where.offset_m < 0.0 else _AT_BORDER


def _track_alert(found: _Finding, track: Track, where: Side) -> Alert:
    name_en, name_es = _NAMES[track.size_class]
    km_en, km_es = _km(track.chainage_m)
    away_m = f"{abs(where.offset_m):.0f}"
    major_m = ellipse((track.cov[0], track.cov[1], track.cov[5]), ELLIPSE_PROB)[0]
    error = f"±{major_m:.0f} m (95 %)"
    inside_en, inside_es = ("inside", "adentro") if where.offset_m >= 0 else ("outside", "afuera")
    pace_en = pace_es = ""
    if where.inward_mps > where.inward_sigma_mps:
        speed = f"{where.inward_mps:.1f} m/s"
        pace_en, pace_es = f", {speed} inward", f", {speed.replace('.', ',')} hacia adentro"
    return Alert(
        id=f"{found.id}-{track.id}",
        t_ns=track.t_ns,
        kind=found.kind,
        severity=found.severity,
        text_en=f"{name_en} {found.text_en}: km {km_en}, {away_m} m {inside_en}, {error}{pace_en}",
        text_es=f"{name_es} {found.text_es}: km {km_es}, {away_m} m {inside_es}, {error}{pace_es}",
        lat_deg=track.lat_deg,
        lon_deg=track.lon_deg,
        chainage_m=track.chainage_m,
        track_id=track.id,
    )


def on_coverage(
    state: AlertState,
    settings: AlertSettings,
    frame: LocalFrame,
    border: Border,
    *,
    t_ns: int,
    age_s: NDArray[np.float64],
    bin_m: float,
) -> tuple[AlertState, list[Alert]]:
    """Gaps of coverage. age_s: (bins,) seconds since each bin of the border was looked at; NaN where none is expected.

    A bin that has been looked at again may be told anew later.
    """
    overdue = age_s > settings.gap_s  # NaN compares false
    told = frozenset(k for k in state.gaps if overdue[k])
    alerts: list[Alert] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], overdue, [False]]).astype(np.int8)))
    for first, end in edges.reshape(-1, 2).tolist():
        run = frozenset(range(first, end))
        untold_m = len(run - told) * bin_m
        least_m = settings.growth_m if run & told else settings.gap_m
        if untold_m < least_m:
            continue
        told |= run
        state = msgspec.structs.replace(state, count=state.count + 1)
        alerts.append(_gap_alert(state.count, frame, border, t_ns, first * bin_m, end * bin_m, age_s[first:end]))
    return msgspec.structs.replace(state, gaps=told), alerts


def _gap_alert(
    number: int,
    frame: LocalFrame,
    border: Border,
    t_ns: int,
    from_m: float,
    to_m: float,
    age_s: NDArray[np.float64],
) -> Alert:
    middle_m = (from_m + to_m) / 2.0
    x_m, y_m = lines.point_at(border.xy_m, middle_m)
    lat_deg, lon_deg = frames.to_geodetic(frame, x_m, y_m)
    (a_en, a_es), (b_en, b_es) = _km(from_m), _km(to_m)
    minutes = int(age_s.min() // 60)
    return Alert(
        id=f"coverage_gap-{number}",
        t_ns=t_ns,
        kind="coverage_gap",
        severity="info",
        text_en=f"No camera has looked at the border from km {a_en} to km {b_en} for {minutes} min or longer",
        text_es=f"Ninguna cámara ha mirado la frontera del km {a_es} al km {b_es} desde hace {minutes} min o más",
        lat_deg=float(lat_deg),
        lon_deg=float(lon_deg),
        chainage_m=middle_m,
    )


def on_aircraft(
    state: AlertState,
    settings: AlertSettings,
    frame: LocalFrame,
    border: Border,
    *,
    t_ns: int,
    platforms: Mapping[str, PlatformState],
    heard_t_ns: Mapping[str, int],
    names: Mapping[str, str],
) -> tuple[AlertState, list[Alert]]:
    """Aircraft that were flying (armed) and have gone silent. One heard again may be told anew later.

    platforms: last state of each aircraft; heard_t_ns: when anything was last heard from it.
    """
    silent = {
        aircraft_id: (t_ns - heard_t_ns[aircraft_id]) / NS_PER_S
        for aircraft_id, platform in platforms.items()
        if platform.armed and (t_ns - heard_t_ns[aircraft_id]) / NS_PER_S > settings.lost_s
    }
    alerts: list[Alert] = []
    for aircraft_id in sorted(set(silent) - state.lost):
        state = msgspec.structs.replace(state, count=state.count + 1)
        last = platforms[aircraft_id]
        x_m, y_m = frames.to_local(frame, last.lat_deg, last.lon_deg)
        chainage_m = float(lines.project(border.xy_m, x_m, y_m)[0].ravel()[0])
        km_en, km_es = _km(chainage_m)
        name, seconds = names.get(aircraft_id, aircraft_id), f"{silent[aircraft_id]:.0f}"
        alt = f"{last.alt_msl_m:.0f}"
        alerts.append(
            Alert(
                id=f"aircraft_lost-{state.count}",
                t_ns=t_ns,
                kind="aircraft_lost",
                severity="warning",
                text_en=f"No word from {name} for {seconds} s; last heard abreast of km {km_en}, {alt} m above the sea",
                text_es=f"Sin noticias de {name} desde hace {seconds} s; último contacto a la altura del km {km_es}, "
                f"a {alt} m sobre el mar",
                lat_deg=last.lat_deg,
                lon_deg=last.lon_deg,
                chainage_m=chainage_m,
                aircraft_id=aircraft_id,
            )
        )
    return msgspec.structs.replace(state, lost=frozenset(silent)), alerts
