"""The rota of an aircraft's night, the hubs it is over at the boundaries of waves, and the segments between them.

The rota says for each wave whether an aircraft is on the ground, takes off, stays up or lands; where it stays up across
a wave's boundary it is over its *hub*, which the crosser is taken to know. Any segments of successive waves join,
because hubs are fixed; the energy of a sortie is at most the sum of its segments' shares.
"""

from __future__ import annotations

import itertools
import math
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.place import Area
from kuntur.model.plans import Segment
from kuntur.patrol.flights import FlightNet, cannot, fewest_steps, least

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

CLIMB_ALLOWANCE: Final = 1.05  # endurance planned for a second of flight: climbs over the lattice cost the rest


class Sortie(Struct, frozen=True, kw_only=True):
    """A flight in the rota: from step `take_off` to step `landing`, counted from the start of the watch."""

    take_off: int
    landing: int


class Stage(Struct, frozen=True, kw_only=True):
    """What one aircraft does in one wave: from node `start` at step `from_step` to node `end` at step `to_step`.

    start or end is the base node when it takes off or lands inside the wave; a stage on the ground has kind "ground".
    use_cap_s: endurance it may use, so that the sortie's sum stays within what the aircraft has.
    """

    kind: Literal["ground", "fly"]
    start: int
    from_step: int
    end: int
    to_step: int
    use_cap_s: float


def rota(area: Area, net: FlightNet, wave_steps: int, waves: int, *, turn: int) -> tuple[Sortie, ...]:
    """The flights of one aircraft's night: as much time over the strip as endurance and turn-round allow.

    A cycle of c waves holds one flight over m <= c waves, no longer than the endurance, with the turn-round outside it.
    `turn`: waves by which this aircraft's cycle is shifted, so that two of a kind do not rest together.
    Raises InfeasibleError when no flight reaches the strip and returns.
    """
    out = fewest_steps(net, net.base_node)
    back = fewest_steps(net, net.base_node, backwards=True)
    over = np.flatnonzero(net.inward_m <= area.requirement.depth_m)
    transit = float(np.min(out[over] + back[over])) if len(over) else math.inf
    longest = math.floor((net.usable_s - _climb_out_s(net)) / (CLIMB_ALLOWANCE * net.step_s) + 1e-9)
    if transit + 2 > longest or not math.isfinite(transit):
        raise cannot(
            net.aircraft,
            f"cannot reach the strip behind the border and return: the way there and back takes "
            f"{transit * net.step_s / 60.0:.0f} min, its endurance in this air after the reserve is "
            f"{net.usable_s / 60.0:.0f} min",
        )
    rest = math.ceil(net.aircraft.turnround_s / net.step_s)
    best: tuple[float, int, int] | None = None
    for m, c in itertools.product(range(1, waves + 1), range(1, waves + 3)):
        length = min(longest, m * wave_steps)
        if c < m or length <= transit or (m > 1 and length <= (m - 2) * wave_steps + 2):
            continue
        if c * wave_steps - length < rest and m < waves:
            continue
        worth = (length - transit) / (c * wave_steps)
        if best is None or worth > best[0] + 1e-9:
            best = (worth, m, c)
    if best is None:
        raise cannot(net.aircraft, "has no rota: its turn-round leaves no wave to fly in")
    _, m, c = best
    flights: list[Sortie] = []
    first = turn % c if c < waves else 0  # a flight through the whole watch is not shifted
    if first and min(first, m) * wave_steps > transit:
        flights += _flight(0, min(first, m), wave_steps, longest, rest if first <= m else 0, transit)
    for wave in range(first, waves, c):
        span = min(m, waves - wave)
        flights += _flight(wave, span, wave_steps, longest, rest if c == m and wave + c < waves else 0, transit)
    first_leg, last_leg = base_legs(net)
    return tuple(_in_whole_legs(flight, wave_steps, first_leg, last_leg) for flight in flights)


def base_legs(net: FlightNet) -> tuple[int, int]:
    """Steps of the shortest way from the base to a node, and from a node to the base."""
    out = net.arc_steps[(net.arc_from == net.base_node)]
    back = net.arc_steps[(net.arc_to == net.base_node)]
    return int(out.min()), int(back.min())


def _in_whole_legs(flight: Sortie, wave_steps: int, first_leg: int, last_leg: int) -> Sortie:
    """A flight that can be over a node at every wave boundary: it starts, or lands, at one where the leg to or from
    the base would straddle it."""
    take_off, landing = flight.take_off, flight.landing
    after, before = (take_off // wave_steps + 1) * wave_steps, (landing - 1) // wave_steps * wave_steps
    if after < landing and after - take_off < first_leg:
        take_off = after
    if take_off < before and landing - before < last_leg:
        landing = before
    return Sortie(take_off=take_off, landing=landing)


def _climb_out_s(net: FlightNet) -> float:
    """Endurance that the climb from the base to the lattice takes beyond its time, on the dearest of the ways out."""
    out = net.arc_from == net.base_node
    return float((net.arc_use_s[out] - net.arc_steps[out] * net.step_s).max())


def _flight(wave: int, span: int, wave_steps: int, longest: int, rest_after: int, transit: float) -> list[Sortie]:
    """One flight in waves wave .. wave + span - 1: landed `rest_after` before their end, centred in what is left."""
    room = span * wave_steps - rest_after
    length = min(longest, room)
    if length <= transit:
        return []
    start = wave * wave_steps + (room - length) // 2
    return [Sortie(take_off=start, landing=start + length)]


def stages(
    net: FlightNet, flights: tuple[Sortie, ...], hubs: dict[int, int], wave_steps: int, waves: int
) -> tuple[Stage, ...]:
    """The stage of each wave. hubs: wave boundary -> node, for every boundary at which a flight is in the air."""
    result = []
    spare = {flight: _spare(net, flight, hubs, wave_steps) for flight in flights}
    for wave in range(waves):
        begin, end = wave * wave_steps, (wave + 1) * wave_steps
        flight = next((f for f in flights if f.take_off < end and f.landing > begin), None)
        if flight is None:
            base = net.base_node
            result.append(Stage(kind="ground", start=base, from_step=0, end=base, to_step=0, use_cap_s=0.0))
            continue
        from_step, to_step = max(flight.take_off, begin), min(flight.landing, end)
        start = net.base_node if flight.take_off >= begin else hubs[wave]
        stop = net.base_node if flight.landing <= end else hubs[wave + 1]
        steps = to_step - from_step
        share_s = spare[flight] * steps / (flight.landing - flight.take_off)
        result.append(
            Stage(
                kind="fly",
                start=start,
                from_step=from_step - begin,
                end=stop,
                to_step=to_step - begin,
                use_cap_s=steps * net.step_s + least_climb_s(net, start)[stop] + share_s,
            )
        )
    return tuple(result)


def _spare(net: FlightNet, flight: Sortie, hubs: dict[int, int], wave_steps: int) -> float:
    """Endurance in seconds that a flight has left for climbs, after its time and the least climbs between its hubs."""
    at = [hubs[w] for w in sorted(hubs) if flight.take_off < w * wave_steps < flight.landing]
    ways = itertools.pairwise([net.base_node, *at, net.base_node])
    needed_s = sum(float(least_climb_s(net, a)[b]) for a, b in ways)
    return net.usable_s - (flight.landing - flight.take_off) * net.step_s - needed_s


def least_climb_s(net: FlightNet, start: int) -> FloatArray:
    """Endurance beyond its time that the way from `start` to every node takes at least."""
    return least(net.arc_from, net.arc_to, net.arc_use_s - net.arc_steps * net.step_s, start, len(net.node_m))


def boundaries(flights: tuple[Sortie, ...], wave_steps: int, waves: int) -> list[tuple[int, int, int]]:
    """(boundary, steps since take-off, steps until landing) for every wave boundary at which a flight is in the air."""
    return [
        (w, w * wave_steps - f.take_off, f.landing - w * wave_steps)
        for f in flights
        for w in range(1, waves)
        if f.take_off < w * wave_steps < f.landing
    ]


def hubs(
    net: FlightNet,
    flights: tuple[Sortie, ...],
    chainage_m: tuple[float, ...],
    inward_m: float,
    wave_steps: int,
    waves: int,
) -> dict[int, int]:
    """For every boundary in the air: the node nearest to the wanted place that fits between the hubs before and the
    landing after. chainage_m: the places wanted in turn. InfeasibleError when there is none."""
    found: dict[int, int] = {}
    out = fewest_steps(net, net.base_node)
    back = fewest_steps(net, net.base_node, backwards=True)
    for boundary, since, until in boundaries(flights, wave_steps, waves):
        wanted_m = chainage_m[boundary % len(chainage_m)]
        away_m = np.append(np.hypot(net.chainage_m - wanted_m, net.inward_m - inward_m), np.inf)
        before = fewest_steps(net, found[boundary - 1]) if since > wave_steps else out
        for spare in (4, 2, 0):  # steps left over, so that aircraft can keep out of each other's way
            fits = (before <= min(since, wave_steps) - spare) & (back <= until - spare)
            fits[net.base_node] = False
            if fits.any():
                break
        else:
            raise cannot(
                net.aircraft,
                f"finds no place to be at the end of wave {boundary}: [requirement] wave_s "
                f"{wave_steps * net.step_s:.0f} s is too short for its legs on the lattice (the shortest way out "
                f"of its base takes {out[out > 0].min() * net.step_s:.0f} s, most of it climbing)",
            )
        found[boundary] = int(np.argmin(np.where(fits, away_m, np.inf)))
    return found


def segment(net: FlightNet, stage: Stage, arcs: IntArray, *, number: int, wave: int, wave_start_s: float) -> Segment:
    """The flown segment: vertices of its arcs with times after the start of the watch; no points on the ground."""
    t_s: list[float] = []
    points: list[FloatArray] = []
    clock = wave_start_s + stage.from_step * net.step_s
    use_s = float(net.arc_use_s[arcs].sum()) if stage.kind == "fly" else 0.0
    for a in arcs if stage.kind == "fly" else ():
        for i in range(net.vertex_start[a], net.vertex_start[a + 1]):
            t, point = clock + float(net.vertex_t_s[i]), net.vertex_m[i]
            if t_s and t <= t_s[-1] + 1e-6:
                continue
            t_s.append(t)
            points.append(point)
        clock += float(net.arc_steps[a]) * net.step_s
    keep = _corners(t_s, points)
    xyz = np.array([points[i] for i in keep]).reshape(-1, 3)
    return Segment(
        id=number,
        aircraft_id=net.aircraft.id,
        wave=wave,
        t_s=tuple(round(t_s[i], 3) for i in keep),
        x_m=tuple(round(float(v), 2) for v in xyz[:, 0]),
        y_m=tuple(round(float(v), 2) for v in xyz[:, 1]),
        alt_msl_m=tuple(round(float(v), 2) for v in xyz[:, 2]),
        energy_wh=0.0 if net.power_w is None else math.ceil(use_s * net.power_w / 36.0) / 100.0,
        endurance_s=math.ceil(use_s * 100.0) / 100.0,
    )


def _corners(t_s: list[float], points: list[FloatArray]) -> list[int]:
    """Vertices that are not simply passed while standing still at the same place."""
    last = len(points) - 1
    return [
        i
        for i in range(len(points))
        if i in (0, last) or not (np.array_equal(points[i - 1], points[i]) and np.array_equal(points[i], points[i + 1]))
    ]
