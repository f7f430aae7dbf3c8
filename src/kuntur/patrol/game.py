"""The segment game: its exact value, the best response to a mixture, and the price of new columns.

A night is cut into waves. In wave w a column s is drawn with probability sigma_w(s), independently of other waves; a
column is one segment for each aircraft between fixed hubs. Survival of a crosser who is exposed to H is exp(-H).

`backward` computes the exact survival of a crosser who learns each wave's column as the wave begins and may then start,
wait or move as he likes. States at a wave's boundary: in cell u, on arc a with r steps to go, or not yet started. For
the last wave first, V(u) = 0 unless u is the goal; then for every column s

    M_s(t, u) = max( stay one step: e^-h M_s(t + 1, u),
                     for each arc of tau steps: e^-(h of tau steps in u) M_s(t + tau, v) )

with the mid-arc value at the wave's end where an arc crosses it, V_w = sum_s sigma_w(s) M_s(start of w), the same for
mid-arc states, and O_w = sum_s sigma_w(s) max(O_w+1, best start in the wave). The floor is 1 - O_0. A crosser who knows
less has fewer policies, so nobody survives more often; no expectation is ever taken inside the exponential.

Rounding: survival factors, their products over a wave, V, mid-arc values and O are rounded up; the two products left to
nearest in each hop are covered by `_inflation`, so that the floor errs down only.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.patrol import _kernels
from kuntur.patrol.exposure import View

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

_HALF_ULP: Final = 2.0**-24  # relative rounding of one float32 operation
STATES_KEPT: Final = 400  # boundary states the best response is followed from; the rest stand for by resampling


class Mixture(Struct, frozen=True, kw_only=True, eq=False):
    """Columns and their probabilities, wave by wave.

    plans: per wave int32 (columns, aircraft, steps): the piece each aircraft flies in each step, -1 where it is not
    seen to look. sigma: per wave float64 (columns,), summing to 1.
    """

    plans: tuple[IntArray, ...]
    sigma: tuple[FloatArray, ...]


class Bound(Struct, frozen=True, kw_only=True, eq=False):
    """The exact value and what it is made of. value, mid, out: per wave boundary 0..W, survival of each state."""

    floor: float
    value: tuple[SingleArray, ...]
    mid: tuple[SingleArray, ...]
    out: tuple[float, ...]


class Response(Struct, frozen=True, kw_only=True, eq=False):
    """Where the best response goes. survival: per wave (columns,), the derivative of survival by sigma. flow: per wave
    (steps, cells), undetected mass there times its survival to go. states, mass, out_mass: at each wave's beginning."""

    survival: tuple[FloatArray, ...]
    flow: tuple[SingleArray, ...]
    states: tuple[IntArray, ...]
    mass: tuple[FloatArray, ...]
    out_mass: tuple[float, ...]


def plan_of(view: View, plan: IntArray) -> IntArray:
    """A plan in this class's steps."""
    divisions = view.graph.divisions
    return np.ascontiguousarray(np.repeat(plan, divisions, axis=2) if divisions > 1 else plan)


def backward(view: View, mixture: Mixture, *, threads: int = 2) -> Bound:
    """The exact value of a mixture against one class of crosser, and its certified floor."""
    value = [np.zeros(view.graph.count, np.float32)]
    mid = [np.zeros(view.arcs.mids, np.float32)]
    out = [0.0]
    for plan, sigma in zip(reversed(mixture.plans), reversed(mixture.sigma), strict=True):
        v, x, o, _ = _kernels.backward_wave(
            view.arcs, view.seen, plan_of(view, plan), sigma, value[-1], mid[-1], out[-1], threads
        )
        value.append(v)
        mid.append(x)
        out.append(o)
    survival = out[-1] * _inflation(view, mixture)
    return Bound(
        floor=max(0.0, math.nextafter(1.0 - survival, -1.0)),
        value=tuple(reversed(value)),
        mid=tuple(reversed(mid)),
        out=tuple(reversed(out)),
    )


def _inflation(view: View, mixture: Mixture) -> float:
    """Upper bound of the relative error of all roundings to nearest on the longest chain.

    A hop (wait and leave) has two products, at most one hop every least tau and two at each boundary; each step's
    factor is a product over the aircraft.
    """
    waves = len(mixture.plans)
    steps = waves * mixture.plans[0].shape[2] * view.graph.divisions
    hops = steps / max(1, int(view.graph.arc_tau.min(initial=1))) + 2 * waves
    return float((1.0 + _HALF_ULP) ** (2.0 * hops + (mixture.plans[0].shape[1] - 1) * steps))


def respond(
    view: View,
    mixture: Mixture,
    bound: Bound,
    rng: np.random.Generator,
    *,
    temperature: float = 0.0,
    threads: int = 2,
) -> Response:
    """Follow the best response forward. A temperature above 0 spreads the choice of where and when to start."""
    waves = len(mixture.plans)
    states, mass, out_mass = np.zeros(0, np.int32), np.zeros(0), 1.0
    survival, flow, all_states, all_mass, all_out = [], [], [], [], []
    for w in range(waves):
        all_states.append(states)
        all_mass.append(mass)
        all_out.append(out_mass)
        s, following, out_mass, f = _kernels.forward_wave(
            view.arcs,
            view.seen,
            plan_of(view, mixture.plans[w]),
            mixture.sigma[w],
            bound.value[w + 1],
            bound.mid[w + 1],
            bound.out[w + 1],
            states,
            mass,
            out_mass,
            temperature,
            waves - 1 - w,
            True,
            threads,
        )
        survival.append(s)
        flow.append(f)
        states, mass = _resampled(following, rng)
    return Response(
        survival=tuple(survival),
        flow=tuple(flow),
        states=tuple(all_states),
        mass=tuple(all_mass),
        out_mass=tuple(all_out),
    )


def _resampled(mass: FloatArray, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """At most STATES_KEPT states with their masses, the same in expectation (systematic resampling)."""
    states = np.flatnonzero(mass).astype(np.int32)
    if len(states) <= STATES_KEPT:
        return states, np.asarray(mass[states], np.float64)
    total = float(mass.sum())
    points = (np.arange(STATES_KEPT) + rng.random()) / STATES_KEPT * total
    picked, times = np.unique(np.searchsorted(np.cumsum(mass[states]), points), return_counts=True)
    picked = np.minimum(picked, len(states) - 1)
    return states[picked], np.asarray(times * (total / STATES_KEPT), np.float64)


def price(
    view: View,
    candidates: IntArray,
    wave: int,
    bound: Bound,
    response: Response,
    *,
    temperature: float = 0.0,
    threads: int = 2,
) -> FloatArray:
    """Survival that each candidate column (candidates, aircraft, steps) would leave in this wave: the reduced cost."""
    return _kernels.forward_wave(
        view.arcs,
        view.seen,
        plan_of(view, candidates),
        np.zeros(len(candidates)),
        bound.value[wave + 1],
        bound.mid[wave + 1],
        bound.out[wave + 1],
        response.states[wave],
        response.mass[wave],
        response.out_mass[wave],
        temperature,
        len(bound.out) - 2 - wave,
        False,
        threads,
    )[0]


def squared(mixture: Mixture, view: View) -> tuple[IntArray, FloatArray]:
    """plans (waves, columns, aircraft, steps) and sigma (waves, columns), padded with empty columns of weight 0."""
    most = max(len(s) for s in mixture.sigma)
    plans = [plan_of(view, plan) for plan in mixture.plans]
    plan = np.full((len(plans), most, *plans[0].shape[1:]), -1, np.int32)
    sigma = np.zeros((len(plans), most))
    for w, (columns, weights) in enumerate(zip(plans, mixture.sigma, strict=True)):
        plan[w, : len(columns)] = columns
        sigma[w, : len(weights)] = weights
    return plan, sigma


def route_detection(view: View, mixture: Mixture, routes: IntArray, *, threads: int = 2) -> FloatArray:
    """Exact detection probability of fixed routes: 1 - product over waves of E[exp(-exposure)], E outside the exp."""
    plan, sigma = squared(mixture, view)
    exposure = _kernels.route_exposure(view.seen, plan, np.ascontiguousarray(routes), threads)
    return np.asarray(1.0 - np.prod((sigma * np.exp(-exposure)).sum(axis=2), axis=1))
