"""A second proof: a floor for the crosser who sees no draw, by showing that no route can be cheaper.

`game.backward` answers a crosser who is told each wave's draw. One who is told nothing has fewer ways, so his floor is
at least that and may be higher. Here it is raised by refutation. Write a route's survival as a product over the waves
of 1 - x_w, with x_w the chance to be seen in wave w, and its cost as -log of it.

1. Per wave and column there are additive fields g(t, u) whose sum along any route is at most 1 - exp(-exposure), valid
   for all routes through the points still *open* (kernels/routes_fields.cpp). So x_w >= the sum of g.
2. -log(1 - x) lies above its tangents, s x + log s + 1 - s for any s >= 1. A route pays that for the waves it is about
   in, and nothing for the others; so for chosen slopes one shortest path bounds all routes. At every wave's beginning
   the cost to go is at least what the crosser who is told every draw must pay, which `game.backward` knows exactly: the
   bound starts at the informed floor and only rises.
3. Assume a route cheaper than a target. Points that no such route can pass are closed; with fewer routes left the
   fields grow; repeat. Nothing left open: there is no such route.
4. When that stalls: the route is left or right of a place at some step, or not about yet, or no more. Each by itself.

Stopped at any time, the least bound over the cases still open is proven. Rounding: exposures, fields, costs and
constants down, the target up, sums in whole numbers (kernels/routes_prune.cpp). Only for mixtures with one layout: with
several the waves are not independent, and the product above does not hold.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.patrol import _kernels, game
from kuntur.patrol.bounds import Attack
from kuntur.patrol.exposure import View
from kuntur.patrol.game import Mixture

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
Told = tuple[SingleArray, SingleArray, SingleArray]
Progress = Callable[[float, str], None]

STEEPEST: Final = 20.0  # slope of the steepest tangent used
PASSES: Final = 3  # shortest paths for each set of fields
FIRST_EFFORT: Final = 6  # rounds spent on the first target before a lower one is tried
LEAST_STEP: Final = 1e-3  # of survival: targets nearer than this to what is proven are not worth a try
ROUTES_KEPT: Final = 400
_STALLED: Final = 0.97  # share of the points that must close in a round, or the case is split


class Refuted(Struct, frozen=True, kw_only=True):
    """floor: proven for every crosser who sees no draw. informed: what he could do at most if told every draw.

    proved: floor is the strongest attack known, to within `LEAST_STEP`. found: least detection of a route met, given
    attacks included. rounds: work done; the same `rounds` give the same numbers. cases: how many were looked into.
    """

    floor: float
    informed: float
    found: float
    proved: bool
    rounds: int
    cases: int


class _Case(Struct, eq=False):
    """A set of routes: through open points, started by last_start, ended no sooner than first_end."""

    open: ByteArray  # packed bits of (steps, cells)
    last_start: int
    first_end: int


class _Proof:
    """What all cases of one mixture share."""

    def __init__(self, view: View, mixture: Mixture, threads: int) -> None:
        self.view, self.mixture, self.threads = view, mixture, threads
        self.plans = [game.plan_of(view, plan) for plan in mixture.plans]
        self.waves, self.wave_steps = len(self.plans), self.plans[0].shape[2]
        self.shape = (self.waves * self.wave_steps, view.graph.count)
        bound = game.backward(view, mixture, threads=threads)
        self.informed = bound.floor
        slack = math.log(game._inflation(view, mixture)) + 1e-9
        self.told = (
            _cost(np.stack([v[0] for v in bound.value[:-1]]), slack),
            _cost(np.stack([x[0] for x in bound.mid[:-1]]), slack),
            _cost(np.array([o[0] for o in bound.out[:-1]]), slack),
        )
        self.routes = np.zeros((0, self.shape[0]), np.int32)
        self.cost = np.zeros(0)  # exact, of each route
        self.found = math.inf  # least of all costs met
        self.rounds = self.cases = 0

    def learn(self, routes: IntArray) -> None:
        """Remember routes and what they really cost."""
        if len(routes):
            seen = game.route_detection(self.view, self.mixture, routes, threads=self.threads)
            cost = -np.log1p(-np.minimum(seen, 1.0 - 1e-12))
            self.found = min(self.found, float(cost.min()))
            self.routes = np.vstack([self.routes, routes])[-ROUTES_KEPT:]
            self.cost = np.append(self.cost, cost)[-ROUTES_KEPT:]

    def fields(self, points: BoolArray, flow: SingleArray) -> SingleArray:
        """The fields of all waves, (steps, cells)."""
        parts = []
        for w, plan in enumerate(self.plans):
            part = slice(w * self.wave_steps, (w + 1) * self.wave_steps)
            parts.append(
                _kernels.wave_field(
                    self.view.arcs,
                    self.view.seen,
                    plan,
                    self.mixture.sigma[w],
                    points[part].view(np.uint8),
                    np.ascontiguousarray(flow[part]),
                    w == 0,
                    self.threads,
                )
            )
        return np.concatenate(parts)

    def per_wave(self, field: SingleArray, routes: IntArray) -> tuple[FloatArray, BoolArray]:
        """Sums of a field along routes, (routes, waves), and in which waves each is about."""
        about = routes >= 0
        steps = np.arange(self.shape[0])
        paid = np.where(about, field[steps, np.maximum(routes, 0)], 0.0).astype(np.float64)
        cut = (len(routes), self.waves, self.wave_steps)
        return paid.reshape(cut).sum(axis=2), np.asarray(about.reshape(cut).any(axis=2), bool)

    def flow(self, routes: IntArray, cost: FloatArray) -> SingleArray:
        """Where the cheapest routes are, (steps, cells)."""
        flow = np.zeros(self.shape, np.float32)
        share = np.exp(-(cost - cost.min(initial=0.0)) / 0.05)
        for route, part in zip(routes, share / max(float(share.sum()), 1e-9), strict=True):
            t = np.flatnonzero(route >= 0)
            flow[t, route[t]] += np.float32(part)
        return flow


def floor(
    view: View,
    mixture: Mixture,
    *,
    attack: Attack | None = None,
    rounds: int = 120,
    stop: Callable[[], bool] = lambda: False,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> Refuted | None:
    """A proven floor for the crosser who sees no draw; None for mixtures with several layouts.

    attack: routes found, to aim at and to place the tangents. rounds: most work done; stop is asked between rounds.
    """
    if any(count != 1 for count in mixture.layouts):
        return None
    proof = _Proof(view, mixture, threads)
    if attack is not None:
        proof.learn(attack.routes[:40])
    proven = -math.log1p(-min(proof.informed, 1.0 - 1e-12))
    everything = _reachable(proof)
    if not everything.open.any():
        return Refuted(floor=1.0, informed=proof.informed, found=1.0, proved=True, rounds=0, cases=0)
    if not len(proof.routes):
        _round(proof, everything, _opened(proof, everything), math.inf)
    effort, highest = FIRST_EFFORT, math.inf

    def done() -> bool:
        progress(min(1.0, proof.rounds / max(rounds, 1)), f"proving: {-math.expm1(-proven):.3f}")
        return proof.rounds >= rounds or stop()

    while not done():
        top = min(highest, proof.found)
        if not math.isfinite(top):
            break
        if math.exp(-proven) - math.exp(-top) < LEAST_STEP:
            if not math.isfinite(highest):
                break
            effort, highest = 2 * effort, math.inf  # everything higher failed with less effort
            continue
        target = proven + 0.5 * (top - proven) if math.isfinite(highest) else proven + 0.7 * (top - proven)
        reached = _refute(proof, everything, target, proven, effort, done)
        if reached < target:
            highest = target
        proven = max(proven, reached)
    value = max(proof.informed, math.nextafter(-math.expm1(-proven), -1.0))
    return Refuted(
        floor=value,
        informed=proof.informed,
        found=-math.expm1(-proof.found),
        proved=math.exp(-proven) - math.exp(-proof.found) < LEAST_STEP,
        rounds=proof.rounds,
        cases=proof.cases,
    )


def _cost(survival: FloatArray | SingleArray, slack: float) -> SingleArray:
    """-log survival less slack, rounded down to float32, not below 0."""
    with np.errstate(divide="ignore"):
        exact = np.minimum(-np.log(survival.astype(np.float64)) - slack, 60.0)
    return np.ascontiguousarray(np.maximum(np.nextafter(exact.astype(np.float32), np.float32(-1.0)), np.float32(0.0)))


def _reachable(proof: _Proof) -> _Case:
    """All routes that get through at all."""
    every = _Case(open=np.packbits(np.ones(proof.shape, bool)), last_start=proof.shape[0] - 1, first_end=0)
    nothing = (np.zeros_like(proof.told[0]), np.zeros_like(proof.told[1]), np.zeros_like(proof.told[2]))
    flat = np.zeros(proof.shape, np.float32)
    _, kept, _ = _pass(proof, every, _opened(proof, every), flat, np.zeros(proof.waves), nothing, 1.0)
    return _Case(open=np.packbits(kept), last_start=every.last_start, first_end=0)


def _opened(proof: _Proof, case: _Case) -> BoolArray:
    return np.unpackbits(case.open, count=math.prod(proof.shape)).reshape(proof.shape).astype(bool)


def _pass(
    proof: _Proof, case: _Case, points: BoolArray, cost: SingleArray, constant: FloatArray, told: Told, target: float
) -> tuple[float, BoolArray, IntArray]:
    reached, kept, route = _kernels.prune(
        proof.view.arcs,
        np.ascontiguousarray(cost, np.float32),
        points.view(np.uint8),
        proof.wave_steps,
        constant,
        told,
        target,
        case.last_start,
        case.first_end,
    )
    return reached, kept.view(np.bool_), route


def _refute(
    proof: _Proof, everything: _Case, target: float, proven: float, effort: int, done: Callable[[], bool]
) -> float:
    """Proven least cost over all routes, at most target: the cases with the least bounds first."""
    cases = [(proven, 0, everything)]
    number, stop_at = 0, proof.rounds + effort
    while cases:
        if proof.rounds >= stop_at or done() or proof.found < target:
            return min(target, cases[0][0])
        bound, _, case = heapq.heappop(cases)
        proof.cases += 1
        points, before = _opened(proof, case), math.inf
        while bound < target and points.any() and points.sum() <= _STALLED * before and proof.rounds < stop_at:
            before = float(points.sum())
            reached, points, route = _round(proof, case, points, target)
            bound = max(bound, reached)
        if bound < target and points.any():
            for part in _split(proof, case, points, route):
                number += 1
                heapq.heappush(cases, (bound, number, part))
    return target


def _round(proof: _Proof, case: _Case, points: BoolArray, target: float) -> tuple[float, BoolArray, IntArray]:
    """New fields, a few shortest paths with ever better tangents: the best bound, what stays open, the last route."""
    proof.rounds += 1
    inside = _inside(points, proof.routes)
    routes, cost = proof.routes[inside][-60:], proof.cost[inside][-60:]
    field = proof.fields(points, proof.flow(routes, cost) if len(routes) else points.astype(np.float32))
    slope = np.ones(proof.waves)
    best, route = 0.0, np.full(proof.shape[0], -1, np.int32)
    for _ in range(PASSES):
        if len(routes):
            slope = _slopes(*proof.per_wave(field, routes), slope)
        weighted = field * np.repeat(slope * (1.0 - 1e-6), proof.wave_steps).astype(np.float32)[:, None]
        constant = np.minimum(np.log(slope) + 1.0 - slope - 1e-9, 0.0)
        reached, kept, route = _pass(proof, case, points, weighted, constant, proof.told, min(target, 50.0))
        best = max(best, reached)
        if reached >= target:
            return best, np.zeros_like(points), route
        points = points & kept
        proof.learn(route[None])
        routes = np.vstack([routes, route[None]])
    return best, points, route


def _inside(points: BoolArray, routes: IntArray) -> BoolArray:
    """Which routes stay in open points."""
    steps = np.arange(points.shape[0])
    return np.asarray(((routes < 0) | points[steps, np.maximum(routes, 0)]).all(axis=1))


def _slopes(seen: FloatArray, about: BoolArray, slope: FloatArray) -> FloatArray:
    """Slopes of the tangents that make the least bound over these routes great: concave in them, so supergradient
    steps. Any slopes of at least 1 are valid."""

    def bounds(at: FloatArray) -> FloatArray:
        return np.asarray((seen * at + about * (np.log(at) + 1.0 - at)).sum(axis=1))

    best, best_value, at = slope, float(bounds(slope).min()), slope
    for k in range(120):
        worst = int(bounds(at).argmin())
        gradient = seen[worst] + about[worst] * (1.0 / at - 1.0)
        size = float(np.abs(gradient).max())
        if size < 1e-9:
            break
        at = np.clip(at + gradient / size * (0.5 / (1.0 + 0.25 * k)), 1.0, STEEPEST)
        value = float(bounds(at).min())
        if value > best_value:
            best, best_value = at, value
    return best


def _split(proof: _Proof, case: _Case, points: BoolArray, route: IntArray) -> list[_Case]:
    """Cases that cover all these routes: where the crosser is at one step, or not about yet, or no more."""
    about = np.flatnonzero(route >= 0)
    step = int(about[points.sum(axis=1)[about].argmax()])
    cells = np.flatnonzero(points[step])
    sides = [cells]
    for place in (proof.view.graph.chainage_m, proof.view.graph.inward_m, np.arange(proof.shape[1], dtype=float)):
        left = place[cells] < np.median(place[cells])
        if left.any() and not left.all():
            sides = [cells[left], cells[~left]]
            break
    last, first = min(case.last_start, step), max(case.first_end, step + 1)
    parts = []
    for side in sides:
        part = points.copy()
        part[step] = False
        part[step, side] = True
        parts.append(_Case(open=np.packbits(part), last_start=last, first_end=first))
    early, late = points.copy(), points.copy()
    early[step:] = False
    late[: step + 1] = False
    parts.append(_Case(open=np.packbits(early), last_start=last, first_end=case.first_end))
    parts.append(_Case(open=np.packbits(late), last_start=case.last_start, first_end=first))
    return [part for part in parts if part.open.any()]
