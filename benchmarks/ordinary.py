"""The four ordinary patrols, flown on our own flight lattice and judged by our own audit: what a certified floor beats.

back_and_forth      every aircraft flies its stretch of the border to and fro at one depth: a timetable.
random_phase        the same with depth, direction and place of beginning drawn each night: "random" as often meant.
random_patrol       to a place drawn anywhere in the strip, then to the next.
coverage            the one night that finds most of the crossers who go the fastest way at any time.

They get every favour: the bases, flight times and sensors of the plan they are compared with, no deconfliction, no
count of the energy of climbs, and the crosser they face is told nothing while ours is told each wave's draw. A night of
theirs is one schedule, so a mixture of nights is a game of one wave as long as the promise.

    python benchmarks/ordinary.py AREA.toml [--nights 40]     # a table; kuntur plan's own numbers are not in it
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.ops import area as areas
from kuntur.patrol import _kernels, bounds, columns, crossers, exposure, game, strategy
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.rota import Sortie, stage_of

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]

DEPTHS: Final = (0.2, 0.4, 0.7)  # of the required depth behind the border: where lines are flown to and fro
NIGHTS: Final = 40  # drawn for the two random patrols
NAIVE: Final = 48  # parts of the border from which naive crossers come, and as many times of the night

Flown = tuple[tuple[int, IntArray], ...]  # one aircraft's night: (step of take-off, arcs) of every flight
Night = tuple[Flown, ...]


class Worth(Struct, frozen=True, kw_only=True):
    """What a patrol is worth. attack: detection left by the strongest attack found by a crosser who is told nothing (an
    upper estimate; exact where `nights` is 1). told: exact, for one who is told the night's draw as it begins. naive:
    mean detection of crossers who take the fastest way at any time."""

    nights: int
    attack: float
    told: float
    naive: float


def patrols(setting: strategy.Setting, rng: np.random.Generator, *, nights: int = NIGHTS) -> dict[str, game.Mixture]:
    """The four as mixtures over whole nights, on the planning lattice of a setting, for `setting.views`."""
    return {name: mixture(setting, some) for name, some in flown(setting, rng, nights=nights).items()}


def flown(setting: strategy.Setting, rng: np.random.Generator, *, nights: int = NIGHTS) -> dict[str, list[Night]]:
    """The nights of each patrol; of the fixed one, a mixture of one for every depth."""
    made = {f"back_and_forth {depth:.0%} deep": [_lines(setting, lambda i, d=depth: (d, 0, 1))] for depth in DEPTHS}  # type: ignore[misc]
    made["random_phase"] = [
        _lines(setting, lambda _: (float(rng.choice(DEPTHS)), int(rng.integers(1000)), int(rng.choice([-1, 1]))))
        for _ in range(nights)
    ]
    made["random_patrol"] = [_wandering(setting, rng) for _ in range(nights)]
    made["coverage"] = [_covering(setting)]
    return made


def mixture(
    setting: strategy.Setting, nights: Sequence[Night], divide: int = 1, firsts: Sequence[IntArray] = ()
) -> game.Mixture:
    """Equally likely nights as one wave over the promised hours. divide, firsts: on a lattice whose step is that many
    times shorter, the first piece of every flown arc of each aircraft there (`audited`)."""
    begin = setting.lead * setting.wave_steps * divide
    end = (setting.waves - setting.tail) * setting.wave_steps * divide
    plans = np.stack([_rows(setting, night, divide, firsts) for night in nights])
    return game.mixture([np.ascontiguousarray(plans[:, :, begin:end])], [np.full(len(nights), 1.0 / len(nights))])


def _rows(
    setting: strategy.Setting, night: Sequence[Flown], divide: int = 1, firsts: Sequence[IntArray] = ()
) -> IntArray:
    """(aircraft, steps of the whole watch): the piece flown in each step, -1 on the ground."""
    rows = np.full((len(setting.nets), setting.waves * setting.wave_steps * divide), -1, np.int32)
    for k, (net, member) in enumerate(zip(setting.nets, setting.crews, strict=True)):
        pieces = firsts[k] if firsts else member.arc_piece
        for take_off, arcs in night[k]:
            at = take_off * divide
            for a in arcs:
                length = int(net.arc_steps[a]) * divide
                if pieces[a] >= 0:
                    rows[k, at : at + length] = pieces[a] + np.arange(length)
                at += length
    return rows


def audited(
    setting: strategy.Setting, nights: dict[str, list[Night]], *, divide: int = 2
) -> tuple[exposure.View, dict[str, game.Mixture]]:
    """The first class of crosser on cells, steps and viewpoints `divide` times finer, and the patrols there."""
    area, need = setting.area, setting.area.requirement
    step_s = need.crosser_step_s / divide
    cuts = [exposure.cut(columns.tracks(net), step_s, strategy.SPACING_M / divide) for net in setting.nets]
    graph = crossers.graph(
        area, crossers.strip(area, need.crosser_cell_m / divide), setting.views[0].graph.crosser, step_s
    )
    view = exposure.view(area, list(area.fleet.aircraft), graph, cuts)
    firsts = []
    for net, cut, offset in zip(setting.nets, cuts, view.offsets, strict=False):
        first = np.full(len(net.arc_to), -1, np.int32)
        first[net.flying] = cut.first[:-1] + offset
        firsts.append(first)
    return view, {name: mixture(setting, some, divide, firsts) for name, some in nights.items()}


def worth(view: exposure.View, patrol: game.Mixture, rng: np.random.Generator) -> Worth:
    """One patrol under our own audit. With one night only, the crosser who knows the mixture knows the night."""
    told = game.backward(view, patrol).floor
    nights = len(patrol.sigma[0])
    attack = told if nights == 1 else max(0.0, float(bounds.attack(view, patrol, rng).detection.min(initial=1.0)))
    routes = _naive(view, patrol.plans[0].shape[2] * view.graph.divisions)
    return Worth(
        nights=nights, attack=attack, told=told, naive=float(game.route_detection(view, patrol, routes).mean())
    )


def _sorties(setting: strategy.Setting, k: int) -> list[Sortie]:
    """The flights that the rota gives this aircraft."""
    net, begins, found = setting.nets[k], 0, []
    for w in range(setting.waves):
        stage = stage_of(setting.crews[k].stages, w)
        if stage.kind == "fly":
            if stage.start == net.base_node:
                begins = w * setting.wave_steps + stage.from_step
            if stage.end == net.landed_node:
                found.append(Sortie(take_off=begins, landing=w * setting.wave_steps + stage.to_step))
    return found


class _Ways:
    """Quickest ways on one lattice."""

    def __init__(self, net: FlightNet) -> None:
        self.net = net
        order = np.lexsort((net.arc_steps, net.arc_to, net.arc_from))  # of parallel arcs the quickest comes first
        pairs = np.stack([net.arc_from[order], net.arc_to[order]], axis=1)
        kept = order[np.r_[True, (np.diff(pairs, axis=0) != 0).any(axis=1)]]
        kept = kept[net.flying[kept] & (net.arc_from[kept] != net.arc_to[kept])]
        self.arc = {(int(net.arc_from[a]), int(net.arc_to[a])): int(a) for a in kept}
        size = len(net.node_m)
        ends = (net.arc_from[kept], net.arc_to[kept])
        self._graph = csr_array((net.arc_steps[kept].astype(float), ends), shape=(size, size))
        self.stay = {int(net.arc_from[a]): int(a) for a in np.flatnonzero(net.arc_from == net.arc_to) if net.flying[a]}
        self._onward: dict[int, tuple[FloatArray, IntArray]] = {}

    def to(self, end: int) -> tuple[FloatArray, IntArray]:
        """Steps from every node to `end`, and the next node on the way."""
        if end not in self._onward:
            steps, after = dijkstra(self._graph.T.tocsr(), indices=end, return_predecessors=True)
            self._onward[end] = (steps, after)
        return self._onward[end]

    def nearest(self, chainage_m: float, inward_m: float) -> int:
        net = self.net
        away_m = np.hypot(net.chainage_m - chainage_m, net.inward_m - inward_m)
        joined = np.isfinite(self.to(net.landed_node)[0][: net.base_node])
        return int(np.argmin(np.where(joined, away_m, np.inf)))

    def tour(self, flight: Sortie, places: Iterator[int]) -> IntArray:
        """From the base through as many places as there is time for, and home by the landing; spare time circling."""
        net = self.net
        home = self.to(net.landed_node)[0]
        at, t, arcs = net.base_node, flight.take_off, []
        target = next(places)
        for _ in range(4 * (flight.landing - flight.take_off)):
            while at == target:
                target = next(places)
            onward = int(self.to(target)[1][at])
            if onward < 0:
                break
            a = self.arc[at, onward]
            if t + net.arc_steps[a] + home[onward] > flight.landing:
                break
            arcs.append(a)
            t, at = t + int(net.arc_steps[a]), onward
        while at in self.stay and t + 1 + home[at] <= flight.landing:
            arcs.append(self.stay[at])
            t += 1
        while at != net.landed_node and np.isfinite(home[at]):
            onward = int(self.to(net.landed_node)[1][at])
            arcs.append(self.arc[at, onward])
            at = onward
        return np.array(arcs, np.int32)


def _each(setting: strategy.Setting, places: Callable[[int, _Ways], Iterator[int]]) -> Night:
    ways = [_Ways(net) for net in setting.nets]
    return tuple(
        tuple((flight.take_off, ways[k].tour(flight, places(k, ways[k]))) for flight in _sorties(setting, k))
        for k in range(len(setting.nets))
    )


def _lines(setting: strategy.Setting, chosen: Callable[[int], tuple[float, int, int]]) -> Night:
    """To and fro along each aircraft's stretch of the border. chosen: depth share, first place, direction of each."""
    count = len(setting.nets)
    home = [float(net.chainage_m[np.argmin(np.hypot(*(net.node_m[: net.base_node, :2] - net.node_m[-1, :2]).T))])
            for net in setting.nets]  # fmt: skip
    place = np.argsort(np.argsort(home, kind="stable"))
    length_m = max(float(net.chainage_m.max()) for net in setting.nets)
    need = setting.area.requirement

    def places(k: int, ways: _Ways) -> Iterator[int]:
        depth, first, direction = chosen(k)
        share = np.arange(max(2, round(length_m / count / need.flight_cell_m) + 1))
        along = length_m * (place[k] + share / share[-1]) / count
        there = [ways.nearest(float(c), depth * need.depth_m) for c in along]
        loop = there + there[-2:0:-1]
        if len(set(loop)) < 2:  # a stretch of one node: circle there
            loop = [*loop, ways.nearest(float(along[0]), need.depth_m)]
        at = first % len(loop)
        while True:
            yield loop[at]
            at = (at + direction) % len(loop)

    return _each(setting, places)


def _wandering(setting: strategy.Setting, rng: np.random.Generator) -> Night:
    def places(_: int, ways: _Ways) -> Iterator[int]:
        net = ways.net
        reached = np.isfinite(ways.to(net.landed_node)[0][: net.base_node])
        wanted = np.flatnonzero(reached & (net.inward_m <= setting.area.requirement.depth_m))
        while True:
            yield int(rng.choice(wanted))

    return _each(setting, places)


def _naive(view: exposure.View, steps: int) -> IntArray:
    """The fastest ways from many parts of the border at many times."""
    chainage = view.graph.chainage_m[view.graph.starts]
    group = np.minimum(chainage / (chainage.max() + 1.0) * NAIVE, NAIVE - 1).astype(np.int32)
    cost = np.full((steps, view.graph.count), 1e-3, np.float32)
    windows = np.unique(np.linspace(0, steps, NAIVE + 1).astype(np.int32))
    least, routes = _kernels.cheapest_routes(view.arcs, cost, group, windows)
    return np.ascontiguousarray(routes[np.isfinite(least) & (routes >= 0).any(axis=1)])


def _covering(setting: strategy.Setting, passes: int = 4) -> Night:
    """The best single night found against naive crossers: each aircraft in turn flies where most of them are left by
    the others, and by half of what it saw itself the time before; the best of all passes."""
    view = setting.views[0]
    steps, divisions = setting.waves * setting.wave_steps, view.graph.divisions
    promised = (setting.waves - setting.lead - setting.tail) * setting.wave_steps * divisions
    inside = _naive(view, promised)
    routes = np.full((len(inside), steps * divisions), -1, np.int32)
    routes[:, setting.lead * setting.wave_steps * divisions :][:, :promised] = inside
    seen = np.zeros((len(setting.nets), len(routes)))  # exposure of each crosser to each aircraft
    night: list[Flown] = [() for _ in setting.nets]
    best, found = -1.0, tuple(night)
    for _ in range(passes):
        for k in range(len(setting.nets)):
            left = np.exp(-(seen.sum(axis=0) - 0.5 * seen[k]))
            night[k] = tuple(
                (flight.take_off, _best_flight(setting, k, routes, left, flight)) for flight in _sorties(setting, k)
            )
            alone = [flown if i == k else () for i, flown in enumerate(night)]
            plan = _rows(setting, alone)
            fine = np.ascontiguousarray(np.repeat(plan, divisions, axis=1)[None, None])
            seen[k] = _kernels.route_exposure(view.seen, fine, routes, 2)[:, 0, 0]
        mean = float(1.0 - np.exp(-seen.sum(axis=0)).mean())
        if mean > best:
            best, found = mean, tuple(night)
    return found


def _best_flight(setting: strategy.Setting, k: int, routes: IntArray, left: FloatArray, flight: Sortie) -> IntArray:
    """The flight of greatest sum over the crossers it passes, each counted with its share `left`."""
    view, net = setting.views[0], setting.nets[k]
    steps = setting.waves * setting.wave_steps
    flow = np.zeros((routes.shape[1], view.graph.count), np.float32)
    for route, share in zip(routes, left, strict=True):
        t = np.flatnonzero(route >= 0)
        flow[t, route[t]] += np.float32(share)
    flow = np.ascontiguousarray(flow.reshape(steps, view.graph.divisions, -1).sum(axis=1))
    first, last = int(view.offsets[k]), int(view.offsets[k + 1])
    piece = setting.crews[k].arc_piece
    gain, arcs = _kernels.best_path(
        net.arc_start, net.arc_to, net.arc_steps, np.where(piece >= 0, piece - first, -1).astype(np.int32),
        1e-12 * (net.arc_from != net.arc_to), _kernels.piece_worth(view.seen, flow, first, last, False, 2),
        net.base_node, flight.take_off, net.landed_node, flight.landing,
    )  # fmt: skip
    return arcs if np.isfinite(gain) else np.zeros(0, np.int32)


def compared(
    setting: strategy.Setting, rng: np.random.Generator, *, nights: int = NIGHTS, divide: int = 2
) -> dict[str, Worth]:
    """The worth of all of them on the audit's lattice (the planning lattice with divide = 1)."""
    made = flown(setting, rng, nights=nights)
    if divide == 1:
        return {name: worth(setting.views[0], mixture(setting, some), rng) for name, some in made.items()}
    view, mixed = audited(setting, made, divide=divide)
    return {name: worth(view, one, rng) for name, one in mixed.items()}


def main() -> None:
    reading = argparse.ArgumentParser(description="What four ordinary patrols of an area's fleet are worth.")
    reading.add_argument("area", type=Path)
    reading.add_argument("--nights", type=int, default=NIGHTS)
    reading.add_argument("--divide", type=int, default=2, help="cells, steps and viewpoints this many times finer")
    given = reading.parse_args()
    setting = strategy.setting(areas.load(given.area))
    table = compared(setting, np.random.default_rng(1), nights=given.nights, divide=given.divide)
    print(f"{'patrol':28}{'nights':>8}{'attack':>10}{'told':>10}{'naive':>10}")
    for name, found in table.items():
        print(f"{name:28}{found.nights:8d}{found.attack:10.3f}{found.told:10.3f}{found.naive:10.3f}")


if __name__ == "__main__":
    main()
