"""When aircraft may be in the air: by the sun, by the crews of their bases and their hours, by pads and parking.

The rota of each aircraft is made as if it were alone; here the flights of all are cut down to what the bases can staff,
so that a plan keeps to it whatever is drawn: a flight of the rota is the longest that can be drawn from it.
"""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import InfeasibleError
from kuntur.geodesy import sun
from kuntur.model.assets import Aircraft, Base
from kuntur.model.place import Area
from kuntur.patrol import rota
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.legs import cannot
from kuntur.patrol.rota import Sortie
from kuntur.units import NS_PER_S

BoolArray = NDArray[np.bool_]

PAD_S: Final = 60.0  # a take-off or a landing has a pad to itself for this long: our choice


def require_places(area: Area) -> None:
    """Raise InfeasibleError for a base whose pads, parking or crews contradict the aircraft stationed there."""
    for base in area.bases:
        stationed = sum(a.base_id == base.id for a in area.fleet.aircraft)
        if not stationed:
            continue
        aircraft = f"{stationed} aircraft {'is' if stationed == 1 else 'are'} stationed"
        if base.pads == 0:
            raise _base_cannot(base, f"has no pad to take off from, and {aircraft} there", "pads")
        if base.crews == 0:
            raise _base_cannot(base, f"has no crew, and {aircraft} there", "crews")
        if base.parking is not None and base.parking < stationed:
            raise _base_cannot(base, f"has room on the ground for {base.parking}, and {aircraft} there", "parking")


def _base_cannot(base: Base, why: str, key: str) -> InfeasibleError:
    return InfeasibleError(
        f"Base {base.name} {why}.", remedy=f"Correct [[base]] {key}, or station the aircraft elsewhere."
    )


def may_fly(area: Area, aircraft: Aircraft, step_s: float, steps: int) -> BoolArray:
    """(steps,): whether an aircraft may be in the air throughout each step, by the sun over the middle of the area."""
    need = area.requirement
    if aircraft.fly == "any" or need.date is None:
        return np.ones(steps, bool)
    midnight = datetime.fromisoformat(need.date).replace(tzinfo=UTC) - timedelta(hours=need.utc_offset_h)
    hour, minute = (int(part) for part in need.start_local.split(":"))
    begin_s = midnight.timestamp() + 3600.0 * hour + 60.0 * minute
    t_ns = np.array([round((begin_s + k * step_s) * NS_PER_S) for k in range(steps + 1)], np.int64)
    up = sun.is_up(t_ns, area.frame.lat0_deg, area.frame.lon0_deg)
    fits = up if aircraft.fly == "day" else ~up
    return np.asarray(fits[:-1] & fits[1:])


def in_hours(
    area: Area, net: FlightNet, flights: tuple[Sortie, ...], wave_steps: int, waves: int
) -> tuple[Sortie, ...]:
    """Flights cut down to the hours in which the aircraft may fly. InfeasibleError when nothing is left of any."""
    allowed = may_fly(area, net.aircraft, net.step_s, wave_steps * waves)
    kept = []
    for flight in flights:
        inside = allowed[flight.take_off : flight.landing]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
        spans = [(flight.take_off + int(a), flight.take_off + int(b)) for a, b in edges.reshape(-1, 2)]
        kept += _usable(net, max(spans, key=lambda span: span[1] - span[0], default=(0, 0)), wave_steps)
    if not kept and flights:
        up = "up" if net.aircraft.fly == "night" else "down"
        dark_min = float(allowed.sum()) * net.step_s / 60.0
        raise cannot(
            net.aircraft,
            f"flies only by {net.aircraft.fly}: on {area.requirement.date} the sun is {up} in all but {dark_min:.0f} "
            f"min of the watch, and no flight to the strip and back fits into them",
        )
    return tuple(kept)


def _usable(net: FlightNet, span: tuple[int, int], wave_steps: int) -> list[Sortie]:
    """The flight of a span of steps, where it is long enough to get out and back."""
    flight = rota.in_whole_legs(net, Sortie(take_off=span[0], landing=span[1]), wave_steps)
    return [flight] if flight.landing - flight.take_off > sum(rota.base_legs(net)) + 2 else []


class _Crew(Struct):
    """A crew and its flights so far, in no order."""

    flights: list[Sortie]

    def longest(self, wanted: Sortie, duty: float) -> Sortie:
        """The longest part of a flight in which the crew is free and within its hours."""
        first = min((f.take_off for f in self.flights), default=wanted.take_off)
        last = max((f.landing for f in self.flights), default=wanted.landing)
        begin = max(wanted.take_off, last - duty) if self.flights else wanted.take_off
        end = min(wanted.landing, first + duty) if self.flights else min(wanted.landing, wanted.take_off + duty)
        busy = sorted((f.take_off, f.landing) for f in self.flights)
        free = itertools.pairwise([(0, 0), *busy, (wanted.landing, wanted.landing)])
        gaps = [(max(begin, a[1]), min(end, b[0])) for a, b in free]
        a, b = max(gaps, key=lambda gap: gap[1] - gap[0])
        return Sortie(take_off=int(a), landing=int(max(a, b)))


def staffed(
    area: Area, nets: list[FlightNet], flights: list[tuple[Sortie, ...]], wave_steps: int
) -> list[tuple[Sortie, ...]]:
    """The flights that the bases' crews can hold in the air: the longest first, others cut down or left out.

    InfeasibleError when a base's crews leave none of its aircraft's flights. Longest first is not the best packing: the
    same flights staffed again may be cut further, never beyond what the crews hold.
    """
    result: list[list[Sortie]] = [[] for _ in nets]
    for base in area.bases:
        own = [i for i, net in enumerate(nets) if net.base.id == base.id]
        wanted = sorted(
            ((f, i) for i in own for f in flights[i]), key=lambda w: (w[0].take_off - w[0].landing, w[0].take_off, w[1])
        )
        if base.crews is None and base.crew_duty_s is None:
            for flight, i in wanted:
                result[i].append(flight)
            continue
        crews = [_Crew(flights=[]) for _ in range(len(wanted) if base.crews is None else base.crews)]
        step_s = nets[own[0]].step_s if own else 1.0
        duty = math.inf if base.crew_duty_s is None else math.floor(base.crew_duty_s / step_s)
        for flight, i in wanted:
            offers = [crew.longest(flight, duty) for crew in crews]
            best = max(range(len(crews)), key=lambda k: (offers[k].landing - offers[k].take_off, len(crews[k].flights)))
            for kept in _usable(nets[i], (offers[best].take_off, offers[best].landing), wave_steps):
                crews[best].flights.append(kept)
                result[i].append(kept)
        if wanted and not any(result[i] for i in own):
            hours = "" if base.crew_duty_s is None else f" on duty for {base.crew_duty_s / 60.0:.0f} min each"
            raise _base_cannot(
                base,
                f"cannot staff a flight: its crews{hours} leave no time to get to the strip and back, which takes "
                f"{min(sum(rota.base_legs(nets[i])) + 2 for i in own) * step_s / 60.0:.0f} min at least",
                "crews and crew_duty_s",
            )
    return [tuple(sorted(found, key=lambda f: f.take_off)) for found in result]


def clear_of_pads(
    area: Area, nets: list[FlightNet], flights: list[tuple[Sortie, ...]], wave_steps: int
) -> list[tuple[Sortie, ...]]:
    """Flights whose take-offs at the beginning of a wave leave the pads to landings at the end of the wave before.

    Within a wave `columns` keeps them apart; draws of different waves know nothing of each other.
    """
    result = [list(flown) for flown in flights]
    for base in area.bases:
        own = [i for i, net in enumerate(nets) if net.base.id == base.id]
        if not own:
            continue
        gap = pad_steps(nets[own[0]].step_s)
        last = max((f.landing for i in own for f in result[i]), default=0)
        for boundary in range(wave_steps, last, wave_steps):
            down = sum(boundary - gap < f.landing <= boundary for i in own for f in result[i])
            up = [(i, f) for i in own for f in result[i] if boundary <= f.take_off < boundary + gap]
            if not down or down + len(up) <= base.pads:
                continue
            for i, f in up:
                result[i].remove(f)
                result[i] += _usable(nets[i], (boundary + gap, f.landing), wave_steps)
    return [tuple(sorted(found, key=lambda f: f.take_off)) for found in result]


def pad_steps(step_s: float) -> int:
    """Steps for which a take-off or landing has its pad."""
    return math.ceil(PAD_S / step_s - 1e-9)


def taken(nets: list[FlightNet], plan: NDArray[np.int32], stages: list[rota.Stage], k: int, steps: int) -> BoolArray:
    """(steps + 1,): when aircraft k can neither take off nor land, because aircraft placed before have all pads of its
    base. plan (aircraft, steps): pieces flown, -1 on the ground; stages: of all aircraft in this wave."""
    net = nets[k]
    busy = np.zeros(steps + 1, np.int32)
    gap = pad_steps(net.step_s)
    for other, row, stage in zip(nets, plan, stages, strict=True):
        if other is net or other.base.id != net.base.id or not (row >= 0).any():
            continue
        up, down = int(np.argmax(row >= 0)), steps - int(np.argmax(row[::-1] >= 0))
        events = [up] * (stage.start == other.base_node) + [down] * (stage.end == other.landed_node)
        for at in events:
            busy[max(0, at - gap + 1) : at + gap] += 1
    return np.asarray(busy >= net.base.pads)
