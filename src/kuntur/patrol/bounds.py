"""The numbers around the floor: the strongest attack found, the ceiling, and the value if the draw leaks.

attack: a crosser who knows the mixture but sees no draw; found, not proven, an upper estimate of his value.
ceiling: the additive game. Detection is concave in exposure, so for any crosser mixture rho no schedule of the fleet is
worth more than 1 - exp(-max over schedules of E_rho[H]); the maximum is taken over more than what can be flown.
leak: a crosser who knows the whole night's draw beforehand; exact for each night, the mean of sampled nights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import t as student_t

from kuntur.patrol import _kernels
from kuntur.patrol.exposure import View
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.game import Mixture, posterior, sampled, squared

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

_NIGHTS_AT_ONCE: Final = 16
_PARTS: Final = 8  # border segments and departure windows that the additive game's routes are looked for in
_ROUTES_KEPT: Final = 1000
_STEP: Final = 0.15  # tuned on one instance: 0.4 and half-way steps end higher after as many rounds
_SPREAD: Final = 4  # fields of chance costs whose cheapest routes begin it


class Attack(Struct, frozen=True, kw_only=True, eq=False):
    """Fixed routes of a crosser who knows the mixture but no draw. detection: (routes,) float64, least first.

    routes: (routes, steps) cell in each step of the class's steps, -1 before the start and after the goal.
    """

    detection: FloatArray
    routes: IntArray


def attack(
    view: View,
    mixture: Mixture,
    rng: np.random.Generator,
    *,
    tries: int = 24,
    rounds: int = 10,
    segments: int = 16,
    known: IntArray | None = None,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> Attack:
    """The strongest attack found by a crosser who sees no draw: an upper estimate of his value, not a bound.

    Three sweeps of `tries` descents each. A descent looks for the cheapest route through the exposure expected given
    that the last route was not seen, until that gains nothing: -log E[e^-H] is concave in H, so no step loses. They
    begin from the cheapest routes of every border segment and departure window and those in `known` (best first, and
    the best of each segment), then from averages of one to six nights drawn, then from the best routes so far with
    their weights shaken. `tries` and `rounds` are the whole effort; rng is the only chance.
    """
    plan, share = squared(mixture, view)
    waves, steps = plan.shape[0], plan.shape[0] * plan.shape[3]
    chainage = view.graph.chainage_m[view.graph.starts]
    group = np.minimum(chainage / (chainage.max() + 1.0) * segments, segments - 1).astype(np.int32)
    windows = np.linspace(0, steps, waves + 1).astype(np.int32)
    exposure = _kernels.mixture_exposure(view.seen, plan, share, threads)
    _, found = _kernels.cheapest_routes(view.arcs, exposure, group, windows, threads=threads)
    if known is not None and len(known):
        found = np.vstack([found, known])
    found = np.unique(found[(found >= 0).any(axis=1)], axis=0)
    if len(found) == 0:
        return Attack(detection=np.ones(0), routes=found)
    pool = _Pool(view, mixture, plan, threads)
    pool.add(found)
    pool.descend(pool.spread(tries, group), rounds)
    progress(1.0 / 3.0, "attacking the plan")
    nights = [_nights(mixture, share, rng, 1 + k % 6) for k in range(tries)]
    pool.descend(pool.answers(np.stack(nights)), rounds)
    progress(2.0 / 3.0, "attacking the plan")
    best = pool.weights(pool.routes[pool.order()[: max(1, tries // 4)]])[0]
    shaken = [best[k % len(best)] * np.exp(rng.normal(0.0, (0.3, 1.0, 2.0)[k % 3], share.shape)) for k in range(tries)]
    pool.descend(pool.answers(np.stack([_normal(weight) for weight in shaken])), rounds)
    progress(1.0, "attacking the plan")
    order = pool.order()
    return Attack(detection=pool.detection[order], routes=pool.routes[order])


class _Pool:
    """Routes met, each once, with what they are worth."""

    def __init__(self, view: View, mixture: Mixture, plan: IntArray, threads: int) -> None:
        self.view, self.mixture, self.plan, self.threads = view, mixture, plan, threads
        self.routes = np.zeros((0, plan.shape[0] * plan.shape[3]), np.int32)
        self.detection = np.zeros(0)
        self._met: set[bytes] = set()

    def add(self, routes: IntArray) -> IntArray:
        """Those of the routes that are new."""
        fresh = [r for r in routes if r.max(initial=-1) >= 0 and r.tobytes() not in self._met]
        fresh = list({r.tobytes(): r for r in fresh}.values())
        if not fresh:
            return self.routes[:0]
        new = np.stack(fresh)
        self._met.update(r.tobytes() for r in new)
        self.routes = np.vstack([self.routes, new])
        self.detection = np.append(self.detection, self.weights(new)[1])
        return new

    def weights(self, routes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Of each route: probability of every column given that it was not seen, and its detection."""
        exposure = _kernels.route_exposure(self.view.seen, self.plan, np.ascontiguousarray(routes), self.threads)
        known = [posterior(self.mixture, one) for one in exposure]
        return np.stack([weight for weight, _ in known]), np.array([1.0 - survival for _, survival in known])

    def answers(self, weight: FloatArray) -> IntArray:
        """The cheapest route through each weighting of the columns."""
        _, routes = _kernels.cheapest_answers(
            self.view.arcs, self.view.seen, self.plan, np.ascontiguousarray(weight), self.threads
        )
        return routes

    def descend(self, routes: IntArray, rounds: int) -> None:
        self.add(routes)
        for _ in range(rounds):
            if len(routes) == 0:
                break
            routes = self.add(self.answers(self.weights(routes)[0]))

    def spread(self, count: int, group: IntArray) -> IntArray:
        """The best routes, half of them from all, half the best of each border segment."""
        where = dict(zip(self.view.graph.starts.tolist(), group.tolist(), strict=True))
        order = self.order()
        first: dict[int, int] = {}
        for i in order:
            route = self.routes[i]
            first.setdefault(where[int(route[route >= 0][0])], int(i))
        picked = list(dict.fromkeys([*order[: count // 2].tolist(), *first.values()]))
        return self.routes[picked[:count]]

    def order(self) -> NDArray[np.intp]:
        return np.argsort(self.detection, kind="stable")


def _nights(mixture: Mixture, share: FloatArray, rng: np.random.Generator, count: int) -> FloatArray:
    """Weights (waves, columns) of a few nights drawn, each as likely."""
    weight = np.zeros_like(share)
    for _ in range(count):
        weight[np.arange(len(share)), sampled(mixture, rng)] += 1.0 / count
    return weight


def _normal(weight: FloatArray) -> FloatArray:
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300))


def leak(
    view: View,
    mixture: Mixture,
    rng: np.random.Generator,
    *,
    nights: int = 100,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> tuple[float, float]:
    """Mean and standard error of detection when the whole night's draw is known beforehand, over sampled nights.

    For each night one shortest path, its cost rounded down; the number of joint nights forbids all of them.
    """
    plan, share = squared(mixture, view)
    seen: list[float] = []
    for begin in range(0, nights, _NIGHTS_AT_ONCE):
        some = range(begin, min(nights, begin + _NIGHTS_AT_ONCE))
        weight = np.stack([_nights(mixture, share, rng, 1) for _ in some])
        cost, _ = _kernels.cheapest_answers(view.arcs, view.seen, plan, weight, threads, trace=False)
        seen.extend((-np.expm1(-cost)).tolist())
        progress(len(seen) / nights, "drawing whole nights")
    return float(np.mean(seen)), float(np.std(seen, ddof=1) / math.sqrt(nights)) if nights > 1 else math.nan


def leak_interval(detection: float, error: float, nights: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of confidence around the mean of `leak` (Student's t), within 0 and 1."""
    if nights < 2:
        return 0.0, 1.0
    reach = float(student_t.ppf(0.5 + confidence / 2.0, nights - 1)) * error
    return max(0.0, detection - reach), min(1.0, detection + reach)


def ceiling(
    view: View,
    nets: list[FlightNet],
    arc_pieces: list[IntArray],
    routes: IntArray,
    steps: int,
    *,
    rounds: int = 60,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> float:
    """Upper bound of what any schedule of these aircraft on their lattices can be worth against this class.

    routes: (n, steps * divisions) known routes to begin with. arc_pieces: per aircraft the first piece of each arc.
    Each round bounds every aircraft's best schedule against a mixture rho of routes, adds those schedules and the
    crosser's cheapest routes, and solves the additive game of all routes and schedules known: expected exposure is a
    sum over aircraft, so each has a mixture of its own. The next rho lies a little
    towards its solution, which jumps, from the best rho so far. Every round's bound is valid; the least is returned.
    """
    if len(routes) == 0:
        return 1.0
    known = _Additive(view, len(nets), np.unique(routes, axis=0)[:100], steps, threads)
    rho = np.full(len(known.routes), 1.0 / len(known.routes))
    best, least = rho, math.inf
    for k in range(rounds):
        flow = flow_of(view, known.routes, rho, steps)
        found = [
            best_schedule(view, net, piece, int(view.offsets[i]), int(view.offsets[i + 1]), flow, threads)
            for i, (net, piece) in enumerate(zip(nets, arc_pieces, strict=True))
        ]
        reached = sum(bound for bound, _ in found)
        if reached < least:
            least, best = reached, rho
        known.fly([row for _, row in found])
        known.walk()
        solved = known.solved()
        best = np.append(best, np.zeros(len(solved) - len(best)))
        rho = (1.0 - _STEP) * best + _STEP * solved
        if len(rho) > _ROUTES_KEPT:
            used = known.forget(np.maximum(rho, best))
            best, rho = best[used] / best[used].sum(), rho[used] / rho[used].sum()
        progress((k + 1) / rounds, f"no plan can exceed {-math.expm1(-least):.3f}")
    return min(1.0, -math.expm1(-least * (1.0 + 1e-4)))


class _Additive:
    """The additive game of the routes and schedules met: exposure matrices (routes, schedules), one an aircraft."""

    def __init__(self, view: View, fleet: int, routes: IntArray, steps: int, threads: int) -> None:
        self.view, self.routes, self.threads = view, np.ascontiguousarray(routes), threads
        self.plans = [np.zeros((1, 0, 1, steps * view.graph.divisions), np.int32) for _ in range(fleet)]
        self.exposure = [np.zeros((len(routes), 0)) for _ in range(fleet)]
        chainage = view.graph.chainage_m[view.graph.starts]
        self._group = np.minimum(chainage / (chainage.max() + 1.0) * _PARTS, _PARTS - 1).astype(np.int32)
        self._windows = np.linspace(0, steps * view.graph.divisions, _PARTS + 1).astype(np.int32)
        self._shares = [np.zeros(0)] * fleet
        for seed in range(_SPREAD):  # spread out, or the first rounds would chase the schedules from place to place
            uneven = np.random.default_rng(seed).random((steps * view.graph.divisions, view.graph.count), np.float32)
            self._add(_kernels.cheapest_routes(view.arcs, uneven, self._group, self._windows, threads=threads)[1])

    def fly(self, rows: list[IntArray]) -> None:
        """One more schedule of each aircraft, given as its piece in each step of the plan."""
        for i, row in enumerate(rows):
            plan = np.repeat(row, self.view.graph.divisions)[None, None, None].astype(np.int32)
            self.plans[i] = np.ascontiguousarray(np.concatenate([self.plans[i], plan], axis=1))
            self.exposure[i] = np.hstack([self.exposure[i], self._exposed(plan, self.routes)])

    def walk(self) -> None:
        """The cheapest routes of border segments and departure windows through the schedules' mixtures, a little of
        every schedule mixed in."""
        cost = np.zeros((self.plans[0].shape[3], self.view.graph.count), np.float32)
        for plan, share in zip(self.plans, self._shares, strict=True):
            weight = np.full(plan.shape[1], 0.15 / plan.shape[1])
            weight[: len(share)] += 0.85 * share
            cost += _kernels.mixture_exposure(self.view.seen, plan, weight[None], self.threads)
        paid, found = _kernels.cheapest_routes(self.view.arcs, cost, self._group, self._windows, threads=self.threads)
        self._add(found[paid <= 1.3 * paid.min() + 0.05])

    def _add(self, found: IntArray) -> None:
        met = {route.tobytes() for route in self.routes}
        new = [r for r in np.unique(found, axis=0) if r.max(initial=-1) >= 0 and r.tobytes() not in met]
        if new:
            self.routes = np.vstack([self.routes, *new])
            for i, plan in enumerate(self.plans):
                self.exposure[i] = np.vstack([self.exposure[i], self._exposed(plan, np.stack(new))])

    def solved(self) -> FloatArray:
        """Mixture of routes that makes the sum of the aircraft's best exposures least."""
        fleet, routes = len(self.plans), len(self.routes)
        blocks = []
        for i, exposure in enumerate(self.exposure):
            own = np.zeros((exposure.shape[1], fleet))
            own[:, i] = -1.0
            blocks.append(np.hstack([exposure.T, own]))
        answer = linprog(
            np.append(np.zeros(routes), np.ones(fleet)),
            A_ub=np.vstack(blocks),
            b_ub=np.zeros(sum(len(block) for block in blocks)),
            A_eq=np.append(np.ones(routes), np.zeros(fleet))[None],
            b_eq=[1.0],
            bounds=[(0.0, None)] * routes + [(None, None)] * fleet,
            method="highs",
        )
        rho = np.maximum(answer.x[:routes], 0.0)
        dual = np.maximum(-answer.ineqlin.marginals, 0.0)
        shares = np.split(dual, np.cumsum([len(block) for block in blocks])[:-1])
        self._shares = [share / max(float(share.sum()), 1e-12) for share in shares]
        return np.asarray(rho / rho.sum())

    def forget(self, weight: FloatArray) -> NDArray[np.intp]:
        """Keep the newest half and the routes with weight; their numbers."""
        used = np.flatnonzero((weight > 1e-9) | (np.arange(len(weight)) >= len(weight) - _ROUTES_KEPT // 2))
        self.routes = np.ascontiguousarray(self.routes[used])
        self.exposure = [exposure[used] for exposure in self.exposure]
        return used

    def _exposed(self, plan: IntArray, routes: IntArray) -> FloatArray:
        return np.asarray(
            _kernels.route_exposure(
                self.view.seen, np.ascontiguousarray(plan), np.ascontiguousarray(routes), self.threads
            )[:, 0, :]
        )


def flow_of(view: View, routes: IntArray, rho: FloatArray, steps: int) -> SingleArray:
    """Crossers of a route mixture in each cell, in steps of the plan."""
    fine = np.zeros((routes.shape[1], view.graph.count), np.float32)
    for route, share in zip(routes, rho, strict=True):
        t = np.flatnonzero(route >= 0)
        fine[t, route[t]] += np.float32(share)
    return np.ascontiguousarray(fine.reshape(steps, -1, view.graph.count).sum(axis=1))


def best_schedule(
    view: View,
    net: FlightNet,
    piece: IntArray,
    first: int,
    last: int,
    flow: SingleArray,
    threads: int,
    *,
    additive: bool = True,
) -> tuple[float, IntArray]:
    """Upper bound of E_rho[exposure] over all flights of one aircraft, and the pieces of one that comes near it.

    Not additive: of the sum of what each step detects, 1 - e^-h, which is no less than what the flight detects.
    Relaxed: it may begin and end anywhere, and only its total time in the air is bounded (a price for every step in the
    air, the best over a few prices; each price gives a valid bound).
    """
    steps = len(flow)
    worth = _kernels.piece_worth(view.seen, flow, first, last, additive, threads)
    rest = math.ceil(net.aircraft.turnround_s / net.step_s)
    to = np.append(net.arc_to, net.base_node).astype(np.int32)  # the last arc: turned round, from landed to ready
    if rest == 0:
        to[to == net.landed_node] = net.base_node
    length = np.append(net.arc_steps, max(1, rest)).astype(np.int32)
    local = np.append(np.where(piece >= 0, piece - first, -1), -1).astype(np.int32)
    start = np.append(net.arc_start[:-1], len(net.arc_to) + 1).astype(np.int32)
    air = np.append(np.where(net.flying, net.arc_steps, 0).astype(float), 0.0)
    most = airtime(net, steps)
    best, row = math.inf, np.full(steps, -1, np.int32)
    low, high = 0.0, 4.0 * float(worth.max(initial=0.0))
    for k in range(6):
        price = 0.0 if k == 0 else 0.5 * (low + high)
        value, arcs = _kernels.best_path(start, to, length, local, price * air, worth, -1, 0, -1, steps)
        flown = float(air[arcs].sum())
        if value + price * most < best:
            best = value + price * most
            row, at = np.full(steps, -1, np.int32), 0
            for a in arcs:
                if local[a] >= 0:
                    row[at : at + length[a]] = piece[a] + np.arange(length[a])
                at += int(length[a])
        if flown <= most and price == 0.0:
            break
        low, high = (price, high) if flown > most else (low, price)
    return best, row


def airtime(net: FlightNet, steps: int) -> int:
    """Most steps in the air within `steps`: full flights with the turn-round between them."""
    flight = math.floor(net.usable_s / net.step_s + 1e-9)
    rest = math.ceil(net.aircraft.turnround_s / net.step_s)
    cycles, left = divmod(steps + rest, flight + rest)
    return min(steps, cycles * flight + max(0, min(left, flight)))
