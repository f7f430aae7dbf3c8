"""The numbers around the floor: the strongest attack found, the ceiling, and the value if the draw leaks.

attack: a crosser who knows the mixture but sees no draw; found, not proven, an upper estimate of his value.
ceiling: the additive game. Detection is concave in exposure, so for any crosser mixture rho no schedule of the fleet is
worth more than 1 - exp(-max over schedules of E_rho[H]); the maximum is taken over more than what can be flown.
leak: a crosser who knows the whole night's draw beforehand; exact for each night, the mean of sampled nights.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.optimize import linprog

from kuntur.patrol import _kernels
from kuntur.patrol.exposure import View
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.game import Mixture, route_detection, squared

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]


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
    tries: int = 6,
    rounds: int = 6,
    segments: int = 8,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> Attack:
    """The strongest attack found by a crosser who sees no draw: an upper estimate of his value, not a bound.

    From the expected exposure, the cheapest route of every border segment and departure window; then, for the best
    `tries` and as many random reweightings, weights sigma e^-H along the route and its cheapest route again, until that
    gains nothing (each round can only lower detection: -log E[e^-H] is concave in H).
    """
    plan, sigma = squared(mixture, view)
    waves, steps = plan.shape[0], plan.shape[0] * plan.shape[3]
    chainage = view.graph.chainage_m[view.graph.starts]
    group = np.minimum(chainage / (chainage.max() + 1.0) * segments, segments - 1).astype(np.int32)
    windows = np.linspace(0, steps, waves + 1).astype(np.int32)
    anywhere, anytime = np.zeros(len(group), np.int32), np.array([0, steps], np.int32)
    _, found = _kernels.cheapest_routes(
        view.arcs, _kernels.mixture_exposure(view.seen, plan, sigma, threads), group, windows
    )
    found = found[(found >= 0).any(axis=1)]
    if len(found) == 0:
        return Attack(detection=np.ones(0), routes=found)
    detection = route_detection(view, mixture, found, threads=threads)
    starts = list(found[np.argsort(detection)[:tries]])
    known = [found]
    for k in range(2 * tries):
        if k < len(starts):
            route = starts[k]
        else:
            noise = rng.dirichlet(np.ones(plan.shape[1]), size=waves) * sigma
            noise /= noise.sum(axis=1, keepdims=True)
            exposure = _kernels.mixture_exposure(view.seen, plan, noise, threads)
            route = _kernels.cheapest_routes(view.arcs, exposure, anywhere, anytime)[1][0]
        best = math.inf
        for _ in range(rounds):
            h = _kernels.route_exposure(view.seen, plan, np.ascontiguousarray(route[None]), threads)[0]
            weight = sigma * np.exp(-h)
            reached = 1.0 - float(np.prod(weight.sum(axis=1)))
            if reached >= best - 1e-6:
                break
            best = reached
            known.append(route[None])
            weight /= weight.sum(axis=1, keepdims=True)
            exposure = _kernels.mixture_exposure(view.seen, plan, weight, threads)
            route = _kernels.cheapest_routes(view.arcs, exposure, anywhere, anytime)[1][0]
        progress((k + 1) / (2 * tries), "attacking the plan")
    routes = np.unique(np.concatenate(known), axis=0)
    detection = route_detection(view, mixture, routes, threads=threads)
    order = np.argsort(detection, kind="stable")
    return Attack(detection=detection[order], routes=routes[order])


def leak(
    view: View, mixture: Mixture, rng: np.random.Generator, *, nights: int = 24, threads: int = 2
) -> tuple[float, float]:
    """Mean and standard error of detection when the whole night's draw is known beforehand, over sampled nights.

    Exact for each night (one shortest path); the number of joint nights forbids all of them.
    """
    plan, sigma = squared(mixture, view)
    steps = plan.shape[0] * plan.shape[3]
    anywhere, anytime = np.zeros(len(view.graph.starts), np.int32), np.array([0, steps], np.int32)
    seen = []
    for _ in range(nights):
        drawn = np.zeros_like(sigma)
        for w, weights in enumerate(sigma):
            drawn[w, rng.choice(len(weights), p=weights / weights.sum())] = 1.0
        exposure = _kernels.mixture_exposure(view.seen, plan, drawn, threads)
        cost, _ = _kernels.cheapest_routes(view.arcs, exposure, anywhere, anytime)
        seen.append(1.0 - math.exp(-float(cost[0])))
    return float(np.mean(seen)), float(np.std(seen, ddof=1) / math.sqrt(nights)) if nights > 1 else math.nan


def ceiling(
    view: View,
    nets: list[FlightNet],
    arc_pieces: list[IntArray],
    routes: IntArray,
    steps: int,
    *,
    rounds: int = 12,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> float:
    """Upper bound of what any schedule of these aircraft on their lattices can be worth against this class.

    routes: (n, steps * divisions) known routes to begin with. arc_pieces: per aircraft the first piece of each arc.
    Each round solves the restricted additive game for rho, bounds every aircraft's best schedule against it, and adds
    that schedule and the crosser's cheapest route. Every round's bound is valid; the least is returned.
    """
    if len(routes) == 0:
        return 1.0
    divisions = view.graph.divisions
    anywhere = np.zeros(len(view.graph.starts), np.int32)
    anytime = np.array([0, steps * divisions], np.int32)
    known = np.ascontiguousarray(routes[:200])
    rho = np.full(len(known), 1.0 / len(known))
    total = np.zeros((steps * divisions, view.graph.count), np.float32)
    plans: list[IntArray] = []
    least = math.inf
    for k in range(rounds):
        flow = flow_of(view, known, rho, steps)
        found = [
            best_schedule(view, net, piece, int(view.offsets[i]), int(view.offsets[i + 1]), flow, threads)
            for i, (net, piece) in enumerate(zip(nets, arc_pieces, strict=True))
        ]
        least = min(least, sum(bound for bound, _ in found))
        rows = np.stack([row for _, row in found])[None, None]
        plans.append(np.ascontiguousarray(np.repeat(rows, divisions, axis=3)))
        total += _kernels.mixture_exposure(view.seen, plans[-1], np.ones((1, 1)), threads)
        cost = np.ascontiguousarray(total / np.float32(k + 1))
        _, answer = _kernels.cheapest_routes(view.arcs, cost, anywhere, anytime)
        if not (known == answer).all(axis=1).any():
            known, rho = np.vstack([known, answer]), np.append(rho, 0.0)
        matrix = _kernels.route_exposure(view.seen, np.concatenate(plans, axis=1), known, threads)[:, 0, :]
        rho = 0.5 * rho + 0.5 * _least_mixture(matrix)
        progress((k + 1) / rounds, "bounding every schedule")
    return min(1.0, -math.expm1(-least * (1.0 + 1e-4)))


def flow_of(view: View, routes: IntArray, rho: FloatArray, steps: int) -> SingleArray:
    """Crossers of a route mixture in each cell, in steps of the plan."""
    fine = np.zeros((routes.shape[1], view.graph.count), np.float32)
    for route, share in zip(routes, rho, strict=True):
        t = np.flatnonzero(route >= 0)
        fine[t, route[t]] += np.float32(share)
    return np.ascontiguousarray(fine.reshape(steps, -1, view.graph.count).sum(axis=1))


def _least_mixture(matrix: FloatArray) -> FloatArray:
    """The row mixture whose largest column value is least (linear program)."""
    rows, columns = matrix.shape
    answer = linprog(
        np.append(np.zeros(rows), 1.0),
        A_ub=np.hstack([matrix.T, -np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * rows + [(None, None)],
        method="highs",
    )
    rho = np.maximum(answer.x[:rows], 0.0)
    return np.asarray(rho / rho.sum())


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
