"""The rota of an aircraft's night, the hubs it is over at the boundaries of waves, and the segments between them.

The rota says for each wave whether an aircraft is on the ground, takes off, stays up or lands. Where it stays up across
a wave's boundary it is over one of a few *hubs*, one for each layout, and the crosser is taken to know which. Every
transition between the hubs of successive boundaries can be flown, so any segments that meet in a layout join; the caps
of the stages keep every sequence of layouts within the endurance.
"""

from __future__ import annotations

import itertools
import math
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.model.place import Area
from kuntur.model.plans import SWEEP, Look, Segment
from kuntur.patrol import _kernels
from kuntur.patrol.flights import FlightNet, fewest_steps
from kuntur.patrol.legs import cannot

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

CLIMB_ALLOWANCE: Final = 1.05  # endurance planned for a second of flight: climbs over the lattice cost the rest
SPARE_STEPS: Final = (4, 2, 0)  # left over on the way to a hub, so that aircraft can keep out of each other's way


class Sortie(Struct, frozen=True, kw_only=True):
    """A flight in the rota: from step `take_off` to step `landing`, counted from the start of the watch."""

    take_off: int
    landing: int


class Stage(Struct, frozen=True, kw_only=True):
    """What one aircraft does in one wave: from node `start` at step `from_step` to node `end` at step `to_step`.

    start is the base node when it takes off inside the wave, end the landed node when it lands: the steps are then the
    earliest for the one and the latest for the other. A stage on the ground has kind "ground".
    use_cap_s: endurance it may use, so that the sortie's sum stays within what the aircraft has. spare_steps: more than
    the shortest way between the two takes.
    """

    kind: Literal["ground", "fly"]
    start: int
    from_step: int
    end: int
    to_step: int
    use_cap_s: float
    spare_steps: int = 0


Stages = tuple[tuple[tuple[Stage, ...], ...], ...]
"""stages[wave][i][j]: from layout i at the wave's beginning to layout j at its end."""


def rota(area: Area, net: FlightNet, wave_steps: int, waves: int, *, turn: int, kind: int = 1) -> tuple[Sortie, ...]:
    """The flights of one aircraft's night: as much time over the strip as endurance and turn-round allow.

    A cycle of c waves holds one flight over m <= c waves, no longer than the endurance, with the turn-round outside it.
    `turn`: waves by which this aircraft's cycle is shifted. kind: of how many whose flights are short against the watch
    it is one; they spread their rests evenly over the cycle, and fly shorter where the turn-round then fits in.
    Raises InfeasibleError when no flight reaches the strip and returns.
    """
    out = fewest_steps(net, net.base_node)
    back = fewest_steps(net, net.landed_node, backwards=True)
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
    legs = max(base_legs(net))
    best: tuple[float, int, int] | None = None
    for m, c in itertools.product(range(1, waves + 1), range(1, waves + 3)):
        length = min(longest, m * wave_steps)
        if c < m or length <= transit or (m > 1 and length <= (m - 2) * wave_steps + 2):
            continue
        if c * wave_steps - length < rest and m < waves:
            length = c * wave_steps - rest  # shorter, where that leaves room for both ends of the flight
            if kind == 1 or m < 2 or length - (m - 2) * wave_steps < 2 * (legs + max(SPARE_STEPS)):
                continue
        worth = (length - transit) / (c * wave_steps)
        if best is None or worth > best[0] + 1e-9:
            best = (worth, m, c)
    if best is None:
        raise cannot(net.aircraft, "has no rota: its turn-round leaves no wave to fly in")
    _, m, c = best
    if m < waves and kind > 1:
        longest = min(longest, c * wave_steps - rest)
    flights: list[Sortie] = []
    shift = turn if kind == 1 else round(turn * c / kind)
    first = shift % c if c < waves else 0  # a flight through the whole watch is not shifted
    if first and min(first, m) * wave_steps > transit:
        flights += _flight(0, min(first, m), wave_steps, longest, rest if first <= m else 0, transit)
    for wave in range(first, waves, c):
        span = min(m, waves - wave)
        after = rest if c == m and wave + c < waves else 0
        usual = max(0, (m * wave_steps - after - longest) // 2)  # also where the end of the watch cuts it off
        flights += _flight(wave, span, wave_steps, longest, after, transit, usual)
    return tuple(in_whole_legs(net, flight, wave_steps) for flight in flights)


def base_legs(net: FlightNet) -> tuple[int, int]:
    """Steps of the shortest way from the base to a node, and from a node to the base."""
    out = net.arc_steps[net.flying & (net.arc_from == net.base_node)]
    back = net.arc_steps[net.flying & (net.arc_to == net.landed_node)]
    return int(out.min()), int(back.min())


def in_whole_legs(net: FlightNet, flight: Sortie, wave_steps: int) -> Sortie:
    """A flight that can be over a node at every wave boundary: it starts, or lands, at one where the leg to or from
    the base would straddle it."""
    first_leg, last_leg = base_legs(net)
    take_off, landing = flight.take_off, flight.landing
    after, before = (take_off // wave_steps + 1) * wave_steps, (landing - 1) // wave_steps * wave_steps
    if after < landing and after - take_off < first_leg:
        take_off = after
    if take_off < before and landing - before < last_leg:
        landing = before
    return Sortie(take_off=take_off, landing=landing)


def _climb_out_s(net: FlightNet) -> float:
    """Endurance that the climb from the base to the lattice takes beyond its time, on the dearest of the ways out."""
    out = net.flying & (net.arc_from == net.base_node)
    return float((net.arc_use_s[out] - net.arc_steps[out] * net.step_s).max())


def _flight(
    wave: int, span: int, wave_steps: int, longest: int, rest_after: int, transit: float, least_start: int = 0
) -> list[Sortie]:
    """One flight in waves wave .. wave + span - 1: landed `rest_after` before their end, centred in what is left, but
    not before step `least_start` of them."""
    room = span * wave_steps - rest_after
    start = max((room - min(longest, room)) // 2, least_start)
    length = min(longest, room - start)
    if length <= transit:
        return []
    return [Sortie(take_off=wave * wave_steps + start, landing=wave * wave_steps + start + length)]


def stage_of(stages: Stages, wave: int, begins: int = 0, ends: int = 0) -> Stage:
    """The stage of a wave between two layouts. An aircraft on the ground at a boundary takes no part in its layouts."""
    row = stages[wave][min(begins, len(stages[wave]) - 1)]
    return row[min(ends, len(row) - 1)]


def at_another_minute(net: FlightNet, stage: Stage, rng: np.random.Generator) -> Stage:
    """The stage with its take-off later and its landing earlier by a random part of half its spare time."""
    spare = int(rng.integers(stage.spare_steps // 2 + 1))
    out, home = stage.start == net.base_node, stage.end == net.landed_node
    late = spare if out and not home else int(rng.integers(spare + 1)) if out else 0
    early = spare - late if home else 0
    return replace(stage, from_step=stage.from_step + late, to_step=stage.to_step - early)


def with_waits(net: FlightNet, stage: Stage, flown: Stage, arcs: IntArray) -> IntArray:
    """Arcs of a stage flown `at_another_minute` as arcs of the stage itself: with the waits on the ground."""
    waits = np.flatnonzero(~net.flying).astype(np.int32)
    before = np.full(flown.from_step - stage.from_step, waits[net.arc_from[waits] == net.base_node][0], np.int32)
    after = np.full(stage.to_step - flown.to_step, waits[net.arc_from[waits] == net.landed_node][0], np.int32)
    return np.concatenate([before, arcs, after])


def stages(
    net: FlightNet, flights: tuple[Sortie, ...], hubs: dict[int, tuple[int, ...]], wave_steps: int, waves: int
) -> Stages:
    """stages[wave][i][j]: from hub i at the wave's beginning to hub j at its end; [0][0] on the ground.

    The endurance that may have been used on arrival is fixed for every hub of every boundary, and a stage may use the
    difference: so the caps of any sequence of layouts add up to `usable_s`. hubs as made by `hubs`.
    """
    base = net.base_node
    ground = Stage(kind="ground", start=base, from_step=0, end=base, to_step=0, use_cap_s=0.0)
    result: list[tuple[tuple[Stage, ...], ...]] = [((ground,),)] * waves
    needs = _Needs(net)
    away = {base: fewest_steps(net, base)}
    for nodes in hubs.values():
        away |= {node: fewest_steps(net, node) for node in nodes if node not in away}
    for flight in flights:
        steps, places, needed = _course(needs, flight, hubs, wave_steps)
        used = _used(steps, needed, net.usable_s)
        first = flight.take_off // wave_steps
        for k, (begins, ends) in enumerate(itertools.pairwise(places)):
            offset = (first + k) * wave_steps
            result[first + k] = tuple(
                tuple(
                    Stage(
                        kind="fly",
                        start=start,
                        from_step=steps[k] - offset,
                        end=end,
                        to_step=steps[k + 1] - offset,
                        use_cap_s=float(used[k + 1][j] - used[k][i]),
                        spare_steps=steps[k + 1] - steps[k] - int(away[start][end]),
                    )
                    for j, end in enumerate(ends)
                )
                for i, start in enumerate(begins)
            )
    return tuple(result)


class _Needs:
    """Least endurance that a way between two nodes takes in exactly so many steps, none of them spent on the ground;
    each found once. inf where there is none."""

    def __init__(self, net: FlightNet) -> None:
        self.net = net
        self._known: dict[tuple[int, int, int], float] = {}

    def __call__(self, start: int, end: int, steps: int) -> float:
        key = (start, end, steps)
        if key not in self._known:
            net = self.net
            use_s = np.where(net.flying, net.arc_use_s, net.step_s)
            none = np.full(len(net.arc_to), -1, np.int32)
            worth, arcs = _kernels.best_path(
                net.arc_start,
                net.arc_to,
                net.arc_steps,
                none,
                use_s - net.arc_steps * net.step_s,
                np.zeros((steps, 1), np.float32),
                start,
                0,
                end,
                steps,
            )
            self._known[key] = float(use_s[arcs].sum()) if math.isfinite(worth) else math.inf
        return self._known[key]


def _course(
    needs: _Needs, flight: Sortie, hubs: dict[int, tuple[int, ...]], wave_steps: int
) -> tuple[list[int], list[tuple[int, ...]], list[FloatArray]]:
    """Of one flight: the steps at which its stages meet, the nodes it may be at there, and the least endurance between
    them, (nodes before, nodes after) for each stage."""
    base, landed = (needs.net.base_node,), (needs.net.landed_node,)
    at = [w for w in sorted(hubs) if flight.take_off < w * wave_steps < flight.landing]
    steps = [flight.take_off, *(w * wave_steps for w in at), flight.landing]
    places = [base, *(hubs[w] for w in at), landed]
    needed = [
        np.array([[needs(a, b, steps[k + 1] - steps[k]) for b in places[k + 1]] for a in places[k]])
        for k in range(len(steps) - 1)
    ]
    return steps, places, needed


def _used(steps: list[int], needed: list[FloatArray], usable_s: float) -> list[FloatArray]:
    """Endurance that may have been used on arrival at each place of a flight, whatever the way there.

    Between what the dearest way there needs and what the dearest way on leaves; what is spare is shared out by time.
    A difference over a stage is never less than the stage needs: with F, G the two, F' - F >= need and G' - G >= need,
    and G - F, the spare, is not negative where the dearest way through fits.
    """
    until = [np.zeros(1)]
    for need in needed:
        until.append((until[-1][:, None] + need).max(axis=0))
    rest = [np.zeros(1)]
    for need in reversed(needed):
        rest.append((need + rest[-1][None, :]).max(axis=1))
    rest.reverse()
    length = steps[-1] - steps[0]
    return [
        before + (step - steps[0]) / length * (usable_s - after - before)
        for step, before, after in zip(steps, until, rest, strict=True)
    ]


def _dearest(needed: list[FloatArray]) -> float:
    most = np.zeros(1)
    for need in needed:
        most = (most[:, None] + need).max(axis=0)
    return float(most.max())


def boundaries(flight: Sortie, wave_steps: int) -> range:
    """The wave boundaries at which a flight is in the air."""
    return range(flight.take_off // wave_steps + 1, -(-flight.landing // wave_steps))


Wanted = list[list[tuple[float, float]]]


def hubs(
    net: FlightNet, flights: tuple[Sortie, ...], wanted: Wanted, wave_steps: int, waves: int
) -> dict[int, tuple[int, ...]]:
    """For every boundary in the air one node for each layout: the nodes nearest to the wanted places from which every
    transition between successive boundaries, and the landing after, can be flown in time and endurance.

    wanted[l][b % len(wanted[l])]: (chainage_m, inward_m) wanted in layout l at boundary b. Layouts coincide where no
    more nodes fit. InfeasibleError when not even the first layout can be flown.
    """
    found: dict[int, tuple[int, ...]] = {}
    out = fewest_steps(net, net.base_node)
    back = fewest_steps(net, net.landed_node, backwards=True)
    needs = _Needs(net)
    for flight in flights:
        chain = _chain(net, flight, wanted[0], wave_steps, out, back)
        for layouts in range(len(wanted), 0, -1):
            places = _layouts(net, flight, chain, wanted[:layouts], wave_steps, out, back)
            needed_s = _dearest(_course(needs, flight, places, wave_steps)[2])
            if needed_s <= net.usable_s:
                break
        else:
            steps = flight.landing - flight.take_off
            raise cannot(
                net.aircraft,
                f"has too little endurance for a flight of {steps * net.step_s / 60.0:.0f} min: with its climbs it "
                f"takes {needed_s / 60.0:.0f} min of endurance, in this air after the reserve it has "
                f"{net.usable_s / 60.0:.0f} min",
            )
        found |= {b: nodes + nodes[:1] * (len(wanted) - len(nodes)) for b, nodes in places.items()}
    return found


def _away_m(net: FlightNet, wanted: list[tuple[float, float]], boundary: int) -> FloatArray:
    """Distance of every node from the place wanted at a boundary; inf on the ground."""
    chainage_m, inward_m = wanted[boundary % len(wanted)]
    return np.append(np.hypot(net.chainage_m - chainage_m, net.inward_m - inward_m), [np.inf, np.inf])


def _chain(
    net: FlightNet,
    flight: Sortie,
    wanted: list[tuple[float, float]],
    wave_steps: int,
    out: FloatArray,
    back: FloatArray,
) -> dict[int, int]:
    """One node for every boundary of a flight, each within reach of the one before and of the landing."""
    found: dict[int, int] = {}
    before = out
    for boundary in boundaries(flight, wave_steps):
        since, until = boundary * wave_steps - flight.take_off, flight.landing - boundary * wave_steps
        for spare in SPARE_STEPS:
            fits = (before <= min(since, wave_steps) - spare) & (back <= until - spare)
            fits[net.base_node :] = False
            if fits.any():
                break
        else:
            raise cannot(
                net.aircraft,
                f"finds no place to be at the end of wave {boundary}: [requirement] wave_s "
                f"{wave_steps * net.step_s:.0f} s is too short for its legs on the lattice (the shortest way out "
                f"of its base takes {out[out > 0].min() * net.step_s:.0f} s, most of it climbing)",
            )
        found[boundary] = int(np.argmin(np.where(fits, _away_m(net, wanted, boundary), np.inf)))
        before = fewest_steps(net, found[boundary])
    return found


def _layouts(
    net: FlightNet,
    flight: Sortie,
    chain: dict[int, int],
    wanted: Wanted,
    wave_steps: int,
    out: FloatArray,
    back: FloatArray,
) -> dict[int, tuple[int, ...]]:
    """The chain's nodes and, for each further layout, the nearest node that lies within reach of all nodes of the
    boundary before and from which the chain's next node is within reach: so there is always a next one."""
    places: dict[int, tuple[int, ...]] = {}
    reach = [out]
    for boundary in chain:
        since, until = boundary * wave_steps - flight.take_off, flight.landing - boundary * wave_steps
        late = np.maximum.reduce(reach)
        on = fewest_steps(net, chain[boundary + 1], backwards=True) if boundary + 1 in chain else np.zeros_like(back)
        nodes = [chain[boundary]]
        for layout in wanted[1:]:
            spare = SPARE_STEPS[0]
            fits = (late <= min(since, wave_steps) - spare) & (on <= wave_steps - spare) & (back <= until - spare)
            fits[net.base_node :] = False
            away_m = np.where(fits, _away_m(net, layout, boundary), np.inf)
            nodes.append(int(np.argmin(away_m)) if fits.any() else chain[boundary])
        places[boundary] = tuple(nodes)
        reach = [fewest_steps(net, node) for node in dict.fromkeys(nodes)]
    return places


def segment(net: FlightNet, stage: Stage, arcs: IntArray, *, number: int, wave: int, wave_start_s: float) -> Segment:
    """The flown segment: vertices of its arcs with times after the start of the watch; no points on the ground."""
    t_s: list[float] = []
    points: list[FloatArray] = []
    looks: list[Look] = []  # on the way to each point
    clock = wave_start_s + stage.from_step * net.step_s
    use_s = float(net.arc_use_s[arcs].sum()) if stage.kind == "fly" else 0.0
    flying = net.flying
    for a in arcs if stage.kind == "fly" else ():
        for i in range(net.vertex_start[a], net.vertex_start[a + 1]) if flying[a] else ():
            t, point = clock + float(net.vertex_t_s[i]), net.vertex_m[i]
            if t_s and t <= t_s[-1] + 1e-6:
                continue
            t_s.append(t)
            points.append(point)
            looks.append(net.looks[net.arc_look[a]])
        clock += float(net.arc_steps[a]) * net.step_s
    keep = _corners(points, looks)
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
        looks=() if set(looks) <= {SWEEP} else tuple(looks[i] for i in keep[1:]),
    )


def _corners(points: list[FloatArray], looks: list[Look]) -> list[int]:
    """Vertices that are not simply passed while standing still at the same place with the same look."""
    last = len(points) - 1
    return [
        i
        for i in range(len(points))
        if i in (0, last)
        or looks[i] != looks[i + 1]
        or not (np.array_equal(points[i - 1], points[i]) and np.array_equal(points[i], points[i + 1]))
    ]
