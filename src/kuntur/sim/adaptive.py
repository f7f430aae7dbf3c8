"""Simulated crossers who know the plan: its mixture, its sensors and the terrain, but not what will be drawn.

And one who knows nothing and learns: `Learner` sends somebody over each night and remembers who came through.

The uninformed one fixes his way and hour in advance: the best responses that `patrol.bounds.attack` finds. The informed
one learns what is drawn for each wave as the wave begins, and follows the exact best policy of the segment game, the
threat that a certificate's floor is about. Both begin from the lattice of the game and then leave it: `hide` shifts
stretches of the way within their cells, at no greater speed than the lattice grants (`PACE_TOLERANCE` apart), wherever
that lowers what the cameras really make of him, so relief finer than a cell is used against the patrol.

Whoever crosses appears at the centre of a cell that the border touches, as on the lattice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.geodesy import lines
from kuntur.model.place import Area, CrosserClass
from kuntur.model.plans import Strategy
from kuntur.patrol import bounds, crossers, game, policy, strategy
from kuntur.sim import crossings
from kuntur.sim.world import SimulatedCrosser

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Cost = Callable[[Sequence[SimulatedCrosser]], FloatArray]

PACE_TOLERANCE: Final = 1.05  # chosen: the lattice itself makes straight ways up to 8 % longer than they are
VIEW_SPACING_M: Final = 375.0  # chosen: a piece of flight is looked at from both ends of stretches this long
ALIKE: Final = 0.5  # chosen: two ways that share so much of their time in the same cells count as one

_AROUND: Final = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)], float)


class Way(Struct, frozen=True, kw_only=True, eq=False):
    """Waypoints (n, 2): when he arrives at and leaves each (n,), the middle of its cell, and how far he can go next.

    reach_m (n - 1,): the longest leg from each waypoint to the next that fits between leaving it and leaving the next.
    """

    xy_m: FloatArray
    centre_m: FloatArray
    arrive_s: FloatArray
    leave_s: FloatArray
    reach_m: FloatArray

    def crosser(self, crosser_id: str, crosser: CrosserClass) -> SimulatedCrosser:
        """Somebody who goes this way."""
        t_s = np.stack([self.arrive_s, self.leave_s], axis=-1).ravel()
        xy_m = np.repeat(self.xy_m, 2, axis=0)
        return crossings.from_route(crosser_id, crosser, t_s, xy_m[:, 0], xy_m[:, 1])


class Board:
    """The segment game of a finished strategy against one class, on a lattice of one's own choice.

    Only the waves that the certificate is about are played: nobody begins before them or is still under way after them.
    """

    def __init__(
        self,
        area: Area,
        planned: Strategy,
        crosser: CrosserClass,
        *,
        cell_m: float,
        step_s: float,
        threads: int = 2,
    ) -> None:
        self.crosser = crosser
        self._area = area
        self._threads = threads
        self.waves = strategy.promised(planned)
        self._from_s = planned.waves[self.waves.start].start_s
        self.graph = crossers.graph(area, crossers.strip(area, cell_m), crosser, step_s)
        self.cuts, self.mixture = strategy.flown(planned, step_s=step_s, spacing_m=VIEW_SPACING_M)
        aircraft = {a.id: a for a in area.fleet.aircraft}
        self.view = policy.expected_view(area, [aircraft[i] for i in planned.aircraft_ids], self.graph, self.cuts)
        self.bound = game.backward(self.view, self.mixture, threads=threads)
        self.policy = policy.Policy(self.view, self.mixture, self.bound, threads=threads)

    def fixed_ways(self, rng: np.random.Generator, count: int, *, tries: int = 8) -> list[Way]:
        """Up to `count` of the best ways found for a crosser who learns nothing, no two of them much the same."""
        found = bounds.attack(self.view, self.mixture, rng, tries=tries, threads=self._threads).routes
        kept: list[IntArray] = []
        for route in found:
            if all(_shared(route, other) < ALIKE for other in kept):
                kept.append(route)
            if len(kept) == count:
                break
        return [self._way(_stays(route)) for route in kept]

    def informed_way(self, columns: Sequence[int], rng: np.random.Generator) -> Way | None:
        """The best policy against these draws (all waves), each learnt as its wave begins; None if never through."""
        route = self.policy.route(columns[self.waves.start : self.waves.stop], rng)
        return None if route is None else self._way(_stays(route))

    def quick_ways(self, *, sections: int, windows: int) -> list[Way]:
        """The quickest way from each of so many sections of the border in each part of the promised hours: what
        somebody would try who knows the terrain and nothing of the patrol."""
        graph = self.graph
        steps = sum(game.plan_of(self.view, plan).shape[2] for plan in self.mixture.plans)
        chainage = graph.chainage_m[graph.starts]
        group = np.minimum(chainage / (chainage.max() + 1.0) * sections, sections - 1).astype(np.int32)
        parts = np.linspace(0, steps, windows + 1).astype(np.int32)
        found = policy.quickest_routes(self.view, group, parts, steps)
        return [self._way(_stays(route)) for route in found]

    def _way(self, stays: list[tuple[int, int, int]]) -> Way:
        """Waypoints at cell centres, each cell left as late as its next arc allows."""
        graph = self.graph
        cells = np.array([stay[0] for stay in stays])
        begin, end = self._from_s + np.array([stay[1:] for stay in stays], float).T * graph.step_s
        onward = [*cells[1:].tolist(), graph.count]
        took_s = np.array([self._tau(u, v) for u, v in zip(cells.tolist(), onward, strict=True)]) * graph.step_s
        centre = np.vstack([np.stack([graph.x_m[cells], graph.y_m[cells]], axis=-1), self._exit(int(cells[-1]))])
        leave = np.append(end - took_s, end[-1])
        legs_m = np.hypot(*np.diff(centre, axis=0).T)
        return Way(
            xy_m=centre,
            centre_m=centre,
            arrive_s=np.append(begin, end[-1]),
            leave_s=leave,
            reach_m=PACE_TOLERANCE * legs_m / took_s * np.diff(leave),
        )

    def _tau(self, cell: int, to: int) -> int:
        arcs = slice(self.graph.arc_start[cell], self.graph.arc_start[cell + 1])
        return int(self.graph.arc_tau[arcs][self.graph.arc_to[arcs] == to].min())

    def _exit(self, cell: int) -> FloatArray:
        """The nearest neighbouring cell centre that lies at the required depth or deeper."""
        cells = self.graph.cells
        at = np.array([self.graph.x_m[cell], self.graph.y_m[cell]])
        around = at + cells.cell_m * _AROUND
        _, inward = lines.inward_offset(self._area.border.xy_m, self._area.border.ours, around[:, 0], around[:, 1])
        beyond = np.flatnonzero(inward >= self._area.requirement.depth_m)
        return np.asarray(around[beyond[0]] if len(beyond) else around[int(inward.argmax())])


class Learner:
    """Somebody who sends one crossing a night, each along one of a few ways, and learns from who came through.

    He knows neither plan nor sensors nor draws, only how often each way was tried and found out. Thompson sampling
    (Thompson 1933, Biometrika 25:285; it plays each way as often as it is likely to be the best): each night he draws a
    chance of getting through for every way from what he has seen of it (Beta prior 1, 1) and takes the greatest.
    """

    def __init__(self, ways: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._through = np.ones(ways)
        self._caught = np.ones(ways)

    def choose(self) -> int:
        """The way for tonight."""
        return int(self._rng.beta(self._through, self._caught).argmax())

    def learn(self, way: int, *, caught: bool) -> None:
        """What became of last night's crossing."""
        (self._caught if caught else self._through)[way] += 1.0


def hide(
    way: Way,
    board: Board,
    cost: Cost,
    rng: np.random.Generator,
    *,
    rounds: int,
    variants: int,
    from_s: float = -math.inf,
    until_s: float = math.inf,
) -> Way:
    """A way through the same cells at the same times that costs less, by trying shifts of stretches of it.

    Only what lies wholly in the time from_s .. until_s is changed: legs begun before stay as they were. In each round
    the best of `variants` shifts is kept if it is better than what was.
    """
    crosser, cell_m = board.crosser, board.graph.cells.cell_m
    begun_s = np.append(way.arrive_s[:1], way.leave_s[:-1])  # when he sets out for each waypoint
    free = np.flatnonzero((begun_s >= from_s) & (begun_s < until_s))
    free = free[free < len(begun_s) - 1]  # the last one is through: it stays
    if len(free) == 0:
        return way
    least = float(cost([way.crosser("0", crosser)])[0])
    for _ in range(rounds):
        shifted = [w for w in (_shifted(way, free, cell_m, rng) for _ in range(variants)) if w is not None]
        if least <= 0.0 or not shifted:
            break
        costs = cost([w.crosser("0", crosser) for w in shifted])
        if float(costs.min()) < least:
            way, least = shifted[int(costs.argmin())], float(costs.min())
    return way


def _shifted(way: Way, free: NDArray[np.intp], cell_m: float, rng: np.random.Generator) -> Way | None:
    """A run of free waypoints moved together, each kept in its cell; None if a leg gets too long to be walked."""
    first = int(rng.integers(len(free)))
    run = free[first : first + 1 + int(rng.integers(len(free) - first))]
    xy_m = way.xy_m.copy()
    half_m = cell_m / 2.0
    shift_m = rng.normal(0.0, half_m * 10.0 ** -rng.uniform(0.0, 1.5), 2)  # long ones and short ones
    xy_m[run] = np.clip(xy_m[run] + shift_m, way.centre_m[run] - half_m, way.centre_m[run] + half_m)
    if (np.hypot(*np.diff(xy_m, axis=0).T) > way.reach_m).any():
        return None
    return replace(way, xy_m=xy_m)


def _stays(route: IntArray) -> list[tuple[int, int, int]]:
    """(cell, first step, step after the last) of each stay of a route (steps,) that is -1 outside."""
    change = np.flatnonzero(np.diff(route)) + 1
    edges = [0, *change.tolist(), len(route)]
    return [(int(route[a]), a, b) for a, b in itertools.pairwise(edges) if route[a] >= 0]


def _shared(route: IntArray, other: IntArray) -> float:
    """Share of the steps of a route that another spends in the same cells."""
    return float((route == other)[route >= 0].mean())
