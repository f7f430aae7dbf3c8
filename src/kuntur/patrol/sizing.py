"""The cheapest fleet that could reach a detection: a proven floor on cost, by an integer program with cuts.

A fleet is a count n(j) for every option j (a type of aircraft at a base). For one mixture rho of crossing routes:

    The fleet flies a joint schedule s. What it exposes a route to adds up over its aircraft, H_s = sum_k H_k, and so
    does the expectation over rho. E_rho[H_k] is at most R(j, rho), the greatest expected exposure of any flight of
    option j alone; its relaxation in `bounds` (begin and end anywhere, only the time in the air bounded) is greater
    still. Keeping aircraft apart, crews, pads and hubs forbid joint schedules and add none.
    (a) 1 - e^-H is concave in H, so E_rho[1 - e^-H_s] <= 1 - exp(-E_rho[H_s]) <= 1 - exp(-sum_j n(j) R(j, rho)).
    (b) A crossing is seen with a probability of at most the sum over aircraft and steps of 1 - e^-h, so
        E_rho[1 - e^-H_s] <= sum_j n(j) R'(j, rho), with R' the same maximum of the rewards 1 - e^-h of each step.
    Both hold for every s, so for every mixture of schedules; and the worst route of a mixture is seen no more often
    than the routes of rho on average. Hence a fleet that reaches p against every crosser has, for every rho,

        sum_j n(j) R(j, rho) >= -ln(1 - p)      and      sum_j n(j) R'(j, rho) >= p.

Every such line is a valid cut; the least cost under all cuts found is a floor under the cost of every fleet that can do
it, whatever its plan. rho comes from the additive game of the fleet that is cheapest so far: aircraft and crossers
answer each other's averages in turn (smoothed fictitious play). The cut is computed for the rho there is, so how far
that game has come decides how strong a cut is, never whether it holds.

What the floor is about: the rates and lattices of the plan, which are conservative, so "cannot be certified here", not
"cannot be seen". The routes lie in a window no longer than any plan must promise; nothing depends on the clock, so a
cut holds for every promised window of that length. R is the most over the layers that an aircraft may be given.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Final

import highspy
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.patrol import _kernels, bounds
from kuntur.patrol.exposure import View
from kuntur.patrol.flights import FlightNet

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Told = Callable[[str], None]
GoOn = Callable[[], bool]

ROUNDING: Final = 1e-4  # relative; over every sum of float32 in R, as in `bounds.ceiling`
GROUPS: Final = 16  # stretches of the border, and
WINDOWS: Final = 13  # departure windows, whose cheapest routes make the crossers' answer: tuned
TEMPERATURE: Final = 0.2  # of the choice among those routes, in exposure: tuned, 0.05 converges half as fast
FORGET: Final = 8  # rounds that the average counts as when an option comes in that it never answered
CHECK: Final = 5  # rounds between looks whether a cut is there
GRACE: Final = 20  # rounds that the capped rewards get once expected exposure cannot rule a fleet out


class Option(Struct, frozen=True, kw_only=True, eq=False):
    """A type of aircraft at a base, on each layer it may be given.

    nets: its lattice on each layer. pieces: per layer, the number in the views of the first piece of each arc. ranges:
    per layer, the first piece and the one after the last of those that `pieces` point into. flight_hours: the most that
    one can be in the air in a whole watch.
    """

    type_id: str
    base_id: str
    flight_hours: float
    nets: tuple[FlightNet, ...]
    pieces: tuple[IntArray, ...]
    ranges: tuple[tuple[int, int], ...]


class Cut(Struct, frozen=True, kw_only=True):
    """sum of counts * worth >= least, for every fleet that reaches the detection it was made for.

    capped: worth is the greatest sum of step detections, an upper bound of detection itself; else of exposure.
    """

    worth: tuple[float, ...]
    capped: bool
    crosser: str

    def least(self, detection_prob: float) -> float:
        return detection_prob if self.capped else -math.log1p(-detection_prob)

    def bound(self, counts: Sequence[int] | IntArray) -> float:
        """No plan of this fleet reaches more."""
        total = float(np.dot(self.worth, counts))
        return min(1.0, total if self.capped else -math.expm1(-total))


class Prices(Struct, frozen=True, kw_only=True, eq=False):
    """Cost per watch: of one aircraft of each option, and of having any at its base. base: number of each option's."""

    aircraft: FloatArray
    base: IntArray
    opening: FloatArray

    def of(self, counts: Sequence[int] | IntArray) -> float:
        counts = np.asarray(counts)
        opened = np.zeros(len(self.opening), bool)
        opened[self.base[counts > 0]] = True
        return float(self.aircraft @ counts + self.opening @ opened)


class CostFloor(Struct, frozen=True, kw_only=True):
    """No fleet of up to `most` aircraft of these options that costs less than `cost` reaches the detection.

    counts: a cheapest fleet that no cut found rules out, None where all are ruled out; then `highest` is the most that
    any of them could reach. closed: the last game was solved so far that its crossers cannot rule this fleet out.
    """

    cost: float
    counts: tuple[int, ...] | None
    highest: float
    cuts: tuple[Cut, ...]
    closed: bool
    rounds: int


def ceiling(cuts: Sequence[Cut], counts: Sequence[int] | IntArray) -> float:
    """No plan of this fleet reaches more than this."""
    return min((cut.bound(counts) for cut in cuts), default=1.0)


def ceilings(cuts: Sequence[Cut], fleets: IntArray) -> FloatArray:
    """`ceiling` of each row of counts."""
    best = np.ones(len(fleets))
    for cut in cuts:
        total = fleets @ np.array(cut.worth)
        best = np.minimum(best, total if cut.capped else -np.expm1(-total))
    return best


def cheapest(prices: Prices, cuts: Sequence[Cut], detection_prob: float, most: int) -> tuple[float, IntArray] | None:
    """Least cost of a fleet of up to `most` aircraft that keeps all cuts, and such a fleet; None if there is none.

    A mixed-integer program: counts of the options, and whether each base is open. The cost is the solver's proven
    bound, so what tolerances let through can only lower it.
    """
    options, bases = len(prices.aircraft), len(prices.opening)
    solver = _quiet_solver()
    for cost in prices.aircraft:
        solver.addVar(0.0, float(most))
        solver.changeColCost(solver.getNumCol() - 1, float(cost))
    for cost in prices.opening:
        solver.addVar(0.0, 1.0)
        solver.changeColCost(solver.getNumCol() - 1, float(cost))
    for k in range(options + bases):
        solver.changeColIntegrality(k, highspy.HighsVarType.kInteger)
    every = np.arange(options, dtype=np.int32)
    solver.addRow(1.0, float(most), options, every, np.ones(options))
    for b in range(bases):
        at = np.flatnonzero(prices.base == b).astype(np.int32)
        row = np.append(at, options + b).astype(np.int32)
        solver.addRow(-highspy.kHighsInf, 0.0, len(row), row, np.append(np.ones(len(at)), -float(most)))
    for cut in cuts:
        least = cut.least(detection_prob)
        if least > 0.0:
            solver.addRow(1.0 - 1e-7, highspy.kHighsInf, options, every, np.array(cut.worth) / least)
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return None
    counts = np.round(np.array(solver.getSolution().col_value[:options])).astype(np.int32)
    return min(prices.of(counts), float(solver.getInfo().mip_dual_bound)), counts


def highest(cuts: Sequence[Cut], options: int, most: int) -> float:
    """The most that any fleet of up to `most` aircraft could reach by these cuts: a linear program over its shares."""
    answer = 1.0
    for capped in (False, True):
        kept = [cut for cut in cuts if cut.capped == capped]
        if not kept:
            continue
        solver = _quiet_solver()
        for _ in range(options):
            solver.addVar(0.0, float(most))
        solver.addVar(0.0, highspy.kHighsInf)
        solver.changeColCost(options, -1.0)
        every = np.arange(options + 1, dtype=np.int32)
        solver.addRow(0.0, float(most), options, every[:-1], np.ones(options))
        for cut in kept:
            solver.addRow(0.0, highspy.kHighsInf, options + 1, every, np.append(cut.worth, -1.0))
        solver.run()
        total = -float(solver.getInfo().objective_function_value) * (1.0 + 1e-9)
        answer = min(answer, total if capped else -math.expm1(-total))
    return answer


def _quiet_solver() -> highspy.Highs:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 0.0)
    solver.setOptionValue("threads", 1)
    return solver


def fleets(options: int, most: int) -> IntArray:
    """Every fleet of 1 to `most` aircraft as rows of counts."""
    rows = [
        np.bincount(chosen, minlength=options)
        for size in range(1, most + 1)
        for chosen in itertools.combinations_with_replacement(range(options), size)
    ]
    return np.array(rows, np.int32).reshape(-1, options)


class _Duel:
    """The additive game of one crosser class, as far as it has been played: both sides' averages."""

    def __init__(self, view: View, options: Sequence[Option], steps: int, threads: int) -> None:
        self.view, self.options, self.steps, self.threads = view, options, steps, threads
        graph = view.graph
        chainage = graph.chainage_m[graph.starts]
        self.group = np.minimum(chainage / (chainage.max() + 1.0) * GROUPS, GROUPS - 1).astype(np.int32)
        self.window = np.linspace(0, steps * graph.divisions, WINDOWS + 1).astype(np.int32)
        self.flow: FloatArray | None = None
        self.shown: dict[int, SingleArray] = {}
        self.layer = [len(option.nets) - 1 for option in options]  # that sees most, as far as known
        self.age = 0

    def play(self, counts: IntArray) -> tuple[float, float]:
        """One round against a fleet: its worth against the crossers' average, each option on one layer, and the least
        exposure that a route has under the aircraft's averages."""
        if not set(np.flatnonzero(counts).tolist()) <= set(self.shown):  # somebody new to answer
            self.age = min(self.age, FORGET)
        graph = self.view.graph
        cost = np.zeros((self.steps * graph.divisions, graph.count), np.float32)
        for j, field in self.shown.items():
            cost += np.float32(counts[j]) * field
        found, routes = _kernels.cheapest_routes(self.view.arcs, cost, self.group, self.window)
        crossing = (routes >= 0).any(axis=1)
        found, routes = found[crossing], routes[crossing]
        share = np.exp(-(found - found.min()) / TEMPERATURE)
        new = bounds.flow_of(self.view, routes, share / share.sum(), self.steps).astype(np.float64)
        step = 2.0 / (self.age + 3.0)
        self.flow = new if self.flow is None else (1.0 - step) * self.flow + step * new
        self._rounded = (self.flow * (1.0 + 1e-6)).astype(np.float32)
        total = 0.0
        for j in np.flatnonzero(counts).tolist():
            worth, row = self._best(j, self.layer[j], capped=False)
            total += float(counts[j]) * worth
            plan = np.ascontiguousarray(np.repeat(row[None, None, None], graph.divisions, axis=3))
            seen = _kernels.mixture_exposure(self.view.seen, plan, np.ones((1, 1)), self.threads)
            old = self.shown.get(j, seen)
            self.shown[j] = np.ascontiguousarray(np.float32(1.0 - step) * old + np.float32(step) * seen)
        self.age += 1
        return total, float(found.min())

    def capped(self, counts: IntArray) -> float:
        """The fleet's worth in what its steps detect against the crossers' average, each option on one layer."""
        chosen = np.flatnonzero(counts).tolist()
        return sum(float(counts[j]) * self._best(j, self.layer[j], capped=True)[0] for j in chosen)

    def cuts(self) -> list[Cut]:
        """Both kinds, for the crossers' average as it is."""
        name = self.view.graph.crosser.id
        return [Cut(worth=self._worth(capped), capped=capped, crosser=name) for capped in (False, True)]

    def _worth(self, capped: bool) -> tuple[float, ...]:
        """Of one aircraft of each option against the crossers' average, the most over its layers."""
        result = []
        for j, option in enumerate(self.options):
            every = [self._best(j, k, capped=capped)[0] for k in range(len(option.nets))]
            self.layer[j] = int(np.argmax(every))
            result.append(max(every) * (1.0 + ROUNDING))
        return tuple(result)

    def _best(self, j: int, layer: int, *, capped: bool) -> tuple[float, IntArray]:
        option = self.options[j]
        first, last = option.ranges[layer]
        return bounds.best_schedule(
            self.view, option.nets[layer], option.pieces[layer], first, last, self._rounded, self.threads,
            additive=not capped,
        )  # fmt: skip


def cost_floor(
    options: Sequence[Option],
    views: Sequence[View],
    prices: Prices,
    detection_prob: float,
    most: int,
    steps: int,
    *,
    go_on: GoOn,
    known: Sequence[Cut] = (),
    threads: int = 2,
    told: Told = lambda _: None,
) -> CostFloor:
    """The proven floor, raised cut by cut until the crossers of no class rule the cheapest fleet left out, or until
    `go_on`, asked before every round, says no. known: cuts of an earlier run on the same options. Ctrl-C ends early
    with the floor so far."""
    cuts, rounds, closed = list(known), 0, False
    duels = [_Duel(view, options, steps, threads) for view in views]
    found = cheapest(prices, cuts, detection_prob, most)
    try:
        while found is not None and go_on():
            added, rounds_more, closed = _rule_out(duels, found[1], detection_prob, go_on)
            rounds += rounds_more
            if not added:
                break
            cuts += added
            found = cheapest(prices, cuts, detection_prob, most)
            if found is not None:
                told(f"{len(cuts)} cuts: no fleet below {found[0]:.4g}")
    except KeyboardInterrupt:
        closed = False
    return CostFloor(
        cost=math.inf if found is None else found[0],
        counts=None if found is None else tuple(int(n) for n in found[1]),
        highest=highest(cuts, len(options), most),
        cuts=tuple(cuts),
        closed=closed or found is None,
        rounds=rounds,
    )


def sharpened(
    options: Sequence[Option],
    views: Sequence[View],
    counts: Sequence[int],
    steps: int,
    *,
    go_on: GoOn,
    threads: int = 2,
) -> tuple[Cut, ...]:
    """Cuts made for this fleet: they tell its ceiling, and that of its multiples, as well as the time allows."""
    fleet = np.array(counts, np.int32)
    duels = [_Duel(view, options, steps, threads) for view in views]
    rounds = 0
    while rounds < 2 * CHECK or go_on():
        rounds += 1
        for duel in duels:
            duel.play(fleet)
    return tuple(cut for duel in duels for cut in duel.cuts())


def _rule_out(
    duels: Sequence[_Duel], counts: IntArray, detection_prob: float, go_on: GoOn
) -> tuple[list[Cut], int, bool]:
    """Cuts that this fleet breaks (none when time is over), rounds played, and whether every class gave up."""
    rounds, needed = 0, -math.log1p(-detection_prob)
    standing = dict.fromkeys(duels, GRACE)
    while standing and (rounds == 0 or go_on()):
        for duel in list(standing):
            above, below = duel.play(counts)
            rounds += 1
            if duel.age % CHECK == 0 and (above < needed or duel.capped(counts) < detection_prob):
                # All options on all layers: dear.
                added = [cut for cut in duel.cuts() if cut.bound(counts) < detection_prob * (1.0 - 1e-6)]
                if added:
                    return added, rounds, False
            if below >= needed:  # expected exposure will never rule it out; capped rewards may for a while
                standing[duel] -= 1
                if standing[duel] == 0:
                    del standing[duel]
    return [], rounds, not standing
