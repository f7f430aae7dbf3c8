"""The segment game: its exact value, the best response to a mixture, and the price of new columns.

A night is cut into waves. At the boundary before each wave the aircraft are in one of a few *layouts* (joint hub
places), which the crosser is told; a column s leads from one layout to another and is drawn with probability
sigma_w(s | layout), independently of all else. One layout everywhere is the plain game with fixed hubs. Survival of a
crosser who is exposed to H is exp(-H).

`backward` computes the exact survival of a crosser who learns each wave's column as the wave begins and may then start,
wait or move as he likes. States at a boundary: the layout, with: in cell u, on arc a with r steps to go, or not yet
started. For the last wave first, V(., u) = 0 unless u is the goal; then for every column s, which ends in layout j,

    M_s(t, u) = max( stay one step: e^-h M_s(t + 1, u),
                     for each arc of tau steps: e^-(h of tau steps in u) M_s(t + tau, v) ),   M_s(end, u) = V_w+1(j, u)

with the mid-arc value at the wave's end where an arc crosses it, V_w(i) = sum of sigma_w(s | i) M_s(start of w) over
the columns that begin in i, the same for mid-arc states, and O_w(i) = sum of sigma_w(s | i) max(O_w+1(j), best start in
the wave). The floor is 1 - sum of start(i) O_0(i). A crosser who knows less has fewer policies, so nobody survives more
often; no expectation is ever taken inside the exponential.

Rounding: survival factors, their products over a wave, V, mid-arc values and O are rounded up; the two products left to
nearest in each hop are covered by `_inflation`, so that the floor errs down only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import ConfigError
from kuntur.patrol import _kernels
from kuntur.patrol.exposure import View

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

_HALF_ULP: Final = 2.0**-24  # relative rounding of one float32 operation
STATES_KEPT: Final = 400  # boundary states the best response is followed from; the rest stand for by resampling
WHOLE: Final = 1e-12  # probabilities sum to 1 within this: every expectation is raised by as much
_REMEDY: Final = "Plan again, or correct the weights: they must add up in every layout."


class Mixture(Struct, frozen=True, kw_only=True, eq=False):
    """Columns and their probabilities, wave by wave. Made by `mixture`.

    plans: per wave int32 (columns, aircraft, steps): the piece each aircraft flies in each step, -1 where it is not
    seen to look. sigma: per wave float64 (columns,), summing to 1 over the columns that begin in one layout. begins,
    ends: per wave int32 (columns,), the layouts a column leads from and to. start: probability of each first layout.
    """

    plans: tuple[IntArray, ...]
    sigma: tuple[FloatArray, ...]
    begins: tuple[IntArray, ...]
    ends: tuple[IntArray, ...]
    start: FloatArray

    @property
    def layouts(self) -> tuple[int, ...]:
        """How many layouts there are at each boundary, the end included; some may be met with probability 0."""
        later = [*self.begins[1:], np.zeros(0, np.int32)]
        most = [
            int(max(ends.max(initial=0), begins.max(initial=0))) + 1
            for ends, begins in zip(self.ends, later, strict=True)
        ]
        return (len(self.start), *most)


class Bound(Struct, frozen=True, kw_only=True, eq=False):
    """The exact value and what it is made of: survival of each state at each boundary 0..W.

    value (layouts, cells), mid (layouts, mid-arc states), out (layouts,): one array a boundary. held (layouts, groups):
    out for crossers who must start in one group of the start cells (`group`, (start cells,)).
    """

    floor: float
    value: tuple[SingleArray, ...]
    mid: tuple[SingleArray, ...]
    out: tuple[FloatArray, ...]
    held: tuple[FloatArray, ...]
    group: IntArray


class Standing(Struct, frozen=True, kw_only=True, eq=False):
    """Undetected crossers at a wave's beginning, by kind and layout: states and mass of layout after layout of kind
    after kind from start[i] on; those not yet started are out (kinds, layouts)."""

    start: NDArray[np.int64]
    state: IntArray
    mass: FloatArray
    out: FloatArray


class Response(Struct, frozen=True, kw_only=True, eq=False):
    """Where best responses go. kinds: the group of start cells each kind of crosser is held to, -1 for none.

    survival: per wave (kinds, columns), of those who meet the column, the derivative of the kind's survival by its
    probability. flow: per wave (steps, cells), undetected mass there times its survival to go, summed over kinds by
    weight (kinds,). standing: at each wave's beginning.
    """

    kinds: IntArray
    weight: FloatArray
    survival: tuple[FloatArray, ...]
    flow: tuple[SingleArray, ...]
    standing: tuple[Standing, ...]


def mixture(
    plans: Sequence[IntArray],
    sigma: Sequence[FloatArray],
    begins: Sequence[IntArray] | None = None,
    ends: Sequence[IntArray] | None = None,
    start: FloatArray | None = None,
) -> Mixture:
    """A mixture; with one layout at every boundary where none are given.

    ConfigError where the probabilities of the columns that begin in a layout do not sum to 1, or of the first layouts:
    a night that may end before its waves do would be worth too much.
    """
    none = [np.zeros(len(s), np.int32) for s in sigma]
    made = Mixture(
        plans=tuple(plans),
        sigma=tuple(sigma),
        begins=tuple(none if begins is None else begins),
        ends=tuple(none if ends is None else ends),
        start=np.ones(1) if start is None else start,
    )
    if abs(float(made.start.sum()) - 1.0) > WHOLE:
        raise ConfigError(f"The first layouts' probabilities sum to {made.start.sum():.9g}, not to 1.", remedy=_REMEDY)
    for wave, (chances, from_layout, layouts) in enumerate(zip(made.sigma, made.begins, made.layouts, strict=False)):
        total = np.bincount(from_layout, chances, layouts)
        wrong = np.flatnonzero(np.abs(total - 1.0) > WHOLE)
        if len(total) > layouts or len(wrong):
            at = layouts if len(total) > layouts else int(wrong[0])
            raise ConfigError(
                f"The probabilities of wave {wave}'s columns from layout {at} sum to {total[at]:.9g}, not to 1"
                f"{', and nothing leads to that layout' if at >= layouts else ''}.",
                remedy=_REMEDY,
            )
    return made


def plan_of(view: View, plan: IntArray) -> IntArray:
    """A plan in this class's steps."""
    divisions = view.graph.divisions
    return np.ascontiguousarray(np.repeat(plan, divisions, axis=2) if divisions > 1 else plan)


def backward(
    view: View, mixture: Mixture, *, threads: int = 2, cycles: int = 1, group: IntArray | None = None
) -> Bound:
    """The exact value of a mixture against one class of crosser, and its certified floor.

    cycles: with 2, the plan is drawn anew and flown again at once, and whoever began in the first may end in the second
    (a day of 24 hours that repeats; the last boundary has one layout then). The arrays are those of the first. group:
    of each start cell, for `Bound.held`.
    """
    group = np.zeros(len(view.graph.starts), np.int32) if group is None else group
    end = (
        np.zeros((mixture.layouts[-1], view.graph.count), np.float32),
        np.zeros((mixture.layouts[-1], view.arcs.mids), np.float32),
    )
    for _ in range(cycles - 1):  # nobody starts in a later cycle
        value, mid, _, _ = _swept(view, mixture, *end, group, threads)
        end = (
            _up(mixture.start @ value[0].astype(np.float64))[None],
            _up(mixture.start @ mid[0].astype(np.float64))[None],
        )
    value, mid, out, held = _swept(view, mixture, *end, group, threads)
    survival = float(mixture.start @ out[0]) * (1.0 + 1e-12) * _inflation(view, mixture) ** cycles
    return Bound(
        floor=max(0.0, math.nextafter(1.0 - survival, -1.0)),
        value=tuple(value),
        mid=tuple(mid),
        out=tuple(out),
        held=tuple(held),
        group=group,
    )


def _swept(
    view: View, mixture: Mixture, value_end: SingleArray, mid_end: SingleArray, group: IntArray, threads: int
) -> tuple[list[SingleArray], list[SingleArray], list[FloatArray], list[FloatArray]]:
    """Values of all boundaries, from those at the end on."""
    groups = int(group.max(initial=0)) + 1
    value, mid = [value_end], [mid_end]
    out, held = [np.zeros(len(value_end))], [np.zeros((len(value_end), groups))]
    for wave in reversed(range(len(mixture.plans))):
        layouts = mixture.layouts[wave]
        v, x = np.zeros((layouts, view.graph.count)), np.zeros((layouts, view.arcs.mids))
        o, h = np.zeros(layouts), np.zeros((layouts, groups))
        for end, chosen in columns_by_end(mixture, wave):
            share = weights(mixture, wave, chosen)
            got = _kernels.backward_wave(
                view.arcs,
                view.seen,
                plan_of(view, mixture.plans[wave][chosen]),
                share,
                value[0][end],
                mid[0][end],
                group,
                threads,
            )
            v += got[0]
            x += got[1]
            o += share @ np.maximum(got[2].max(axis=1), out[0][end])
            h += share @ np.maximum(got[2], held[0][end])
        value.insert(0, _up(v))
        mid.insert(0, _up(x))
        out.insert(0, o * (1.0 + 1e-12))
        held.insert(0, h)
    return value, mid, out, held


def _up(exact: FloatArray) -> SingleArray:
    """To float32, never below."""
    exact = exact * (1.0 + 1e-12)
    near = exact.astype(np.float32)
    return np.where(near < exact, np.nextafter(near, np.float32(2.0)), near)


def columns_by_end(mixture: Mixture, wave: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The columns of a wave that lead to each layout."""
    for end in range(mixture.layouts[wave + 1]):
        chosen = np.flatnonzero(mixture.ends[wave] == end)
        if len(chosen):
            yield end, chosen


def weights(mixture: Mixture, wave: int, chosen: NDArray[np.intp]) -> FloatArray:
    """(layouts at the wave's beginning, chosen columns): the probability there, 0 for columns of other layouts."""
    table = np.zeros((mixture.layouts[wave], len(chosen)))
    table[mixture.begins[wave][chosen], np.arange(len(chosen))] = mixture.sigma[wave][chosen]
    return table


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
    kinds: IntArray | None = None,
    weight: FloatArray | None = None,
) -> Response:
    """Follow the best response forward. A temperature above 0 spreads the choice of where and when to start.

    kinds: groups of `bound.group` that a kind of crosser each is held to (-1: none, the only one by default); weight:
    of each kind in the flow.
    """
    kinds = np.full(1, -1, np.int32) if kinds is None else kinds
    weight = np.ones(len(kinds)) if weight is None else weight
    waves = len(mixture.plans)
    standing = Standing(
        start=np.zeros(len(kinds) * len(mixture.start) + 1, np.int64),
        state=np.zeros(0, np.int32),
        mass=np.zeros(0),
        out=np.tile(mixture.start, (len(kinds), 1)),
    )
    survival, flows, stood = [], [], [standing]
    for w in range(waves):
        met = np.zeros((len(kinds), len(mixture.sigma[w])))
        flow = np.zeros((mixture.plans[w].shape[2] * view.graph.divisions, view.graph.count), np.float32)
        masses: dict[int, FloatArray] = {}
        out = np.zeros((len(kinds), mixture.layouts[w + 1]))
        for end, chosen in columns_by_end(mixture, w):
            met[:, chosen], masses[end], out[:, end], part = _followed(
                view,
                mixture.plans[w][chosen],
                mixture.sigma[w][chosen],
                mixture.begins[w][chosen],
                bound,
                (w + 1, end),
                standing,
                kinds,
                weight,
                temperature=temperature,
                follow=True,
                threads=threads,
            )
            flow += part
        survival.append(met)
        flows.append(flow)
        standing = _stood(masses, out, rng)
        stood.append(standing)
    return Response(kinds=kinds, weight=weight, survival=tuple(survival), flow=tuple(flows), standing=tuple(stood[:-1]))


def _stood(masses: dict[int, FloatArray], out: FloatArray, rng: np.random.Generator) -> Standing:
    """The crossers at a boundary, resampled. masses: by layout, (kinds, states)."""
    kinds, layouts = out.shape
    most = max(STATES_KEPT // layouts, STATES_KEPT // 4)
    nobody = np.zeros(0)
    picked = [
        _resampled(masses[layout][kind] if layout in masses else nobody, rng, most)
        for kind in range(kinds)
        for layout in range(layouts)
    ]
    return Standing(
        start=np.concatenate([[0], np.cumsum([len(s) for s, _ in picked])]).astype(np.int64),
        state=np.concatenate([s for s, _ in picked]),
        mass=np.concatenate([m for _, m in picked]),
        out=out,
    )


def _followed(
    view: View,
    plan: IntArray,
    sigma: FloatArray,
    begins: IntArray,
    bound: Bound,
    after: tuple[int, int],
    standing: Standing,
    kinds: IntArray,
    weight: FloatArray,
    *,
    temperature: float,
    follow: bool,
    threads: int,
) -> tuple[FloatArray, FloatArray, FloatArray, SingleArray]:
    """One wave's columns that end in one layout; after: boundary and layout at its end."""
    boundary, layout = after
    held = np.append(bound.held[boundary][layout], bound.out[boundary][layout])  # kind -1 finds the last
    return _kernels.forward_wave(
        view.arcs,
        view.seen,
        plan_of(view, plan),
        sigma,
        begins,
        bound.value[boundary][layout],
        bound.mid[boundary][layout],
        bound.group,
        kinds,
        held[kinds],
        standing.start,
        standing.state,
        standing.mass,
        standing.out,
        weight,
        temperature,
        len(bound.out) - 1 - boundary,
        follow,
        threads,
    )


def _resampled(mass: FloatArray, rng: np.random.Generator, most: int) -> tuple[IntArray, FloatArray]:
    """At most `most` states with their masses, the same in expectation (systematic resampling)."""
    states = np.flatnonzero(mass).astype(np.int32)
    if len(states) <= most:
        return states, np.asarray(mass[states], np.float64)
    total = float(mass.sum())
    points = (np.arange(most) + rng.random()) / most * total
    picked, times = np.unique(np.searchsorted(np.cumsum(mass[states]), points), return_counts=True)
    picked = np.minimum(picked, len(states) - 1)
    return states[picked], np.asarray(times * (total / most), np.float64)


def price(
    view: View,
    candidates: IntArray,
    wave: int,
    bound: Bound,
    response: Response,
    *,
    begins: int = 0,
    ends: int = 0,
    temperature: float = 0.0,
    threads: int = 2,
) -> FloatArray:
    """Survival (kinds, candidates) that each candidate column (candidates, aircraft, steps) would leave of those who
    meet it in this wave: the reduced cost."""
    return _followed(
        view,
        candidates,
        np.zeros(len(candidates)),
        np.full(len(candidates), begins, np.int32),
        bound,
        (wave + 1, ends),
        response.standing[wave],
        response.kinds,
        response.weight,
        temperature=temperature,
        follow=False,
        threads=threads,
    )[0]


def marginal(mixture: Mixture) -> list[FloatArray]:
    """Probability of each column of each wave before anything is known."""
    found, layout = [], mixture.start
    for wave, (sigma, begins, ends) in enumerate(zip(mixture.sigma, mixture.begins, mixture.ends, strict=True)):
        found.append(layout[begins] * sigma)
        layout = _summed(ends, found[-1], mixture.layouts[wave + 1])
    return found


def _summed(layout: IntArray, mass: FloatArray, layouts: int) -> FloatArray:
    return np.asarray(np.bincount(layout, mass, layouts), np.float64)


def posterior(mixture: Mixture, exposure: FloatArray) -> tuple[FloatArray, float]:
    """For a fixed route with this exposure (waves, columns): probability of each column given that it was not seen
    all night (waves, columns; 0 beyond a wave's columns), and the probability of that."""
    waves = len(mixture.plans)
    unseen = [sigma * np.exp(-exposure[w, : len(sigma)]) for w, sigma in enumerate(mixture.sigma)]
    later = [np.ones(mixture.layouts[-1])]
    for w in reversed(range(waves)):
        later.append(_summed(mixture.begins[w], unseen[w] * later[-1][mixture.ends[w]], mixture.layouts[w]))
    later.reverse()
    survival = float(mixture.start @ later[0])
    found = np.zeros((waves, exposure.shape[1]))
    layout = mixture.start / max(survival, 1e-300)
    for w in range(waves):
        passed = layout[mixture.begins[w]] * unseen[w]
        found[w, : len(passed)] = passed * later[w + 1][mixture.ends[w]]
        layout = _summed(mixture.ends[w], passed, mixture.layouts[w + 1])
    return found, survival


def sampled(mixture: Mixture, rng: np.random.Generator) -> tuple[int, ...]:
    """One night: the column of each wave."""
    layout, drawn = int(rng.choice(len(mixture.start), p=mixture.start / mixture.start.sum())), []
    for sigma, begins, ends in zip(mixture.sigma, mixture.begins, mixture.ends, strict=True):
        share = np.where(begins == layout, sigma, 0.0)
        drawn.append(int(rng.choice(len(share), p=share / share.sum())))
        layout = int(ends[drawn[-1]])
    return tuple(drawn)


def squared(mixture: Mixture, view: View) -> tuple[IntArray, FloatArray]:
    """plans (waves, columns, aircraft, steps) and unconditional probabilities (waves, columns), padded with empty
    columns of weight 0."""
    shares = marginal(mixture)
    most = max(len(s) for s in shares)
    plans = [plan_of(view, plan) for plan in mixture.plans]
    plan = np.full((len(plans), most, *plans[0].shape[1:]), -1, np.int32)
    share = np.zeros((len(plans), most))
    for w, (columns, weight) in enumerate(zip(plans, shares, strict=True)):
        plan[w, : len(columns)] = columns
        share[w, : len(weight)] = weight
    return plan, share


def route_detection(view: View, mixture: Mixture, routes: IntArray, *, threads: int = 2) -> FloatArray:
    """Exact detection probability of fixed routes (routes, steps), over all draws: E outside the exponential."""
    plan, _ = squared(mixture, view)
    exposure = _kernels.route_exposure(view.seen, plan, np.ascontiguousarray(routes), threads)
    return np.array([1.0 - posterior(mixture, one)[1] for one in exposure])
