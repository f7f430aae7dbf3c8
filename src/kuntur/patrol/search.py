"""Making the mixture better: a trust region of cuts on the exact derivative, and new columns where the crossers go.

Survival against the best response is the greatest of the crosser's policies' survivals, each linear in the
probabilities of any one wave. A round evaluates one mixture exactly (`game.backward`) and follows best responses of the
free crosser and of those held to parts of the border; each gives a cut, its survival and the derivative by every
probability (`game.respond`). A linear program over the cuts, within `radius` of the best mixture, makes the next one;
the radius grows when it was better and shrinks when not. New columns are priced at the best mixture: per aircraft the
path between its hubs that sees most of the crosser flow not yet seen by the aircraft placed before it; a candidate
enters if its exact price is below the wave's. Only the certified floor of the best mixture counts, so nothing in here
needs to be exact, and stopping at any time leaves it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from kuntur.patrol import game
from kuntur.patrol.columns import Column, Crew, column, layouts, noise
from kuntur.patrol.exposure import View
from kuntur.patrol.game import Bound, Mixture, Response

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

GROUPS: Final = 16  # parts of the border that crossers are held to
KINDS: Final = 8  # of those, how many are followed in a round: the best ones
WARM: Final = 4  # rounds of multiplicative weights at first, and as long as they gain
GAIN: Final = 0.02  # that much in WARM rounds
PLATEAU: Final = 0.02  # below this floor somebody passes almost unseen: sharp cuts have no slope there, soft ones have
STEP: Final = 1.0  # of those, on derivatives scaled to a spread of 1
RADIUS: Final = 0.3  # of the trust region at first: by what share of itself a probability may change in a round
LEAST_RADIUS: Final = 0.004
MOST_RADIUS: Final = 1.0
SLACK: Final = 0.1  # probability that a column is taken to have at least, when it comes to changing it
CUTS: Final = 160  # kept: the latest, and those that bound the last step
HOTTEST: Final = 0.02  # temperature of the crossers' choice of start in those rounds
TEMPERATURE: Final = 0.02  # later, times the radius: nearly best starts show at once while steps are large
BATCH: Final = 8  # candidates priced in one sweep: the kernel's lanes
NOISES: Final = (0.0, 0.3, 0.6, 1.0)  # strength of the noise on the flow that candidates aim at
FLOW_MEMORY: Final = 0.75  # of the flow of the rounds before
SHARE_PRICED: Final = 0.15  # of the waves get candidates in a round, as long as there is time
KEPT: Final = 6  # rounds that a column is kept without any probability
NEARLY: Final = 1e-6


class Cut(Struct, kw_only=True, eq=False):
    """One policy of the crosser: survival about value + slope . (sigma - at), waves end to end."""

    slope: FloatArray
    offset: float
    idle: int = 0


class Search(Struct, kw_only=True, eq=False):
    """The search as it stands. columns, sigma: the best mixture, wave by wave; trial: what is evaluated next.

    flow: per class and wave, what new columns aim at. idle: rounds each column has been without probability. history:
    (floor of the round, best floor).
    """

    crews: list[Crew]
    views: list[View]
    rng: np.random.Generator
    columns: list[list[Column]]
    sigma: list[FloatArray]
    trial: list[FloatArray]
    groups: list[IntArray]
    flow: list[list[SingleArray]]
    cuts: list[Cut]
    idle: list[IntArray]
    radius: float
    best_floor: float
    predicted: float
    history: list[tuple[float, float]]

    @property
    def mixture(self) -> Mixture:
        """The best mixture so far."""
        return mixture_of(self.columns, self.sigma)


def search(crews: list[Crew], views: list[View], columns: list[list[Column]], rng: np.random.Generator) -> Search:
    """Start from given columns, equally likely."""
    sigma = [_even(wave) for wave in columns]
    return Search(
        crews=crews,
        views=views,
        rng=rng,
        columns=[list(wave) for wave in columns],
        sigma=sigma,
        trial=list(sigma),
        groups=[_parts(view) for view in views],
        flow=[],
        cuts=[],
        idle=[np.zeros(len(wave), np.int32) for wave in columns],
        radius=RADIUS,
        best_floor=-1.0,
        predicted=0.0,
        history=[],
    )


def _even(wave: list[Column]) -> FloatArray:
    begins = np.array([c.begins for c in wave])
    return np.asarray(1.0 / np.bincount(begins)[begins])


def _parts(view: View) -> IntArray:
    """The part of the border each start cell lies in."""
    chainage = view.graph.chainage_m[view.graph.starts]
    low, high = float(chainage.min()), float(chainage.max())
    return np.minimum((chainage - low) / (high - low + 1.0) * GROUPS, GROUPS - 1).astype(np.int32)


def mixture_of(columns: list[list[Column]], sigma: list[FloatArray]) -> Mixture:
    return game.mixture(
        [np.ascontiguousarray(np.stack([c.plan for c in wave])) for wave in columns],
        sigma,
        [np.array([c.begins for c in wave], np.int32) for wave in columns],
        [np.array([c.ends for c in wave], np.int32) for wave in columns],
        _first(columns[0]),
    )


def _first(wave: list[Column]) -> FloatArray:
    """The layouts at the first boundary are equally likely (`strategy.evenly`)."""
    count = 1 + max(c.begins for c in wave)
    return np.full(count, 1.0 / count)


def step(found: Search, left: float, *, threads: int = 2) -> None:
    """One round: evaluate the trial, cut, take it or not, price new columns, make the next trial. left: share of the
    solving time that is left, 1 at first; no new columns in the last tenth."""
    mixture = mixture_of(found.columns, found.trial)
    bounds = [
        game.backward(view, mixture, threads=threads, group=group)
        for view, group in zip(found.views, found.groups, strict=True)
    ]
    floor = min(bound.floor for bound in bounds)
    warm = _warm(found)
    responses = _respond(found, mixture, bounds, warm, threads)
    if not warm:
        _cut(found, responses)
    better = floor - found.best_floor
    if better > 0.0:
        found.radius = found.radius if warm else min(MOST_RADIUS, 1.5 * found.radius)
        found.best_floor, found.sigma = floor, list(found.trial)
    else:
        found.radius = found.radius if warm else max(LEAST_RADIUS, 0.6 * found.radius)
    found.history.append((floor, found.best_floor))
    if left > 0.1:
        _follow_flow(found, responses)
        _price(found, bounds, responses, threads)
    _tidy(found)
    if warm or len(found.cuts) == 0:
        _reweigh(found, responses)
    else:
        _next(found)


def _warm(found: Search) -> bool:
    """Whether multiplicative weights still pay: the best floor rose by GAIN within the last WARM rounds."""
    if found.best_floor < PLATEAU:
        return True
    past = found.history[-WARM - 1] if len(found.history) > WARM else (0.0, -1.0)
    return (not found.cuts and found.best_floor >= past[1] + GAIN) or len(found.history) <= WARM


def _reweigh(found: Search, responses: list[Response | None]) -> None:
    """The next trial by multiplicative weights from this one: coarse, but it needs no cuts."""
    split = [
        np.sum([r.weight @ r.survival[w] for r in responses if r is not None], axis=0) for w in range(len(found.trial))
    ]
    spread = max(float(np.ptp(d)) for d in split) + 1e-12
    for w, d in enumerate(split):
        new = len(found.trial[w]) - len(d)
        share = np.maximum(found.trial[w], 0.002)
        share[: len(d)] *= np.exp(-STEP * (d - d.mean()) / spread)
        if new:
            share[len(d) :] = share[: len(d)].mean()
        found.trial[w] = _whole(share, found.columns[w])


def _respond(found: Search, mixture: Mixture, bounds: list[Bound], warm: bool, threads: int) -> list[Response | None]:
    """Best responses of each class that is not far from the worst one: free, and held to the best parts."""
    worst = max(float(bound.out[0] @ mixture.start) for bound in bounds)
    responses: list[Response | None] = []
    for view, bound in zip(found.views, bounds, strict=True):
        held = mixture.start @ bound.held[0]
        if float(bound.out[0] @ mixture.start) < worst - 0.05:
            responses.append(None)
            continue
        best = np.argsort(-held)[: 0 if warm else KINDS]
        kinds = np.append(-1, best[held[best] > worst - 0.1]).astype(np.int32)
        near = np.where(kinds < 0, float(bound.out[0] @ mixture.start), held[np.maximum(kinds, 0)])
        weight = np.exp((near - worst) / 0.02)
        responses.append(
            game.respond(
                view,
                mixture,
                bound,
                found.rng,
                temperature=HOTTEST if warm else TEMPERATURE * found.radius,
                threads=threads,
                kinds=kinds,
                weight=weight / weight.sum(),
            )
        )
    return responses


def _cut(found: Search, responses: list[Response | None]) -> None:
    """A cut for every kind followed, at the trial."""
    at = np.concatenate(found.trial)
    for response in responses:
        if response is None:
            continue
        first = len(found.trial[0])
        for k in range(len(response.kinds)):
            slope = np.concatenate([survival[k] for survival in response.survival])
            found.cuts.append(Cut(slope=slope, offset=float(slope[:first] @ at[:first] - slope @ at)))


def _follow_flow(found: Search, responses: list[Response | None]) -> None:
    """Average the crossers' flow over rounds, in steps of the plan."""
    steps = found.columns[0][0].plan.shape[1]
    if not found.flow:
        found.flow = [[np.zeros((steps, view.graph.count), np.float32) for _ in found.columns] for view in found.views]
    for mine, response in zip(found.flow, responses, strict=True):
        for w, flow in enumerate(mine):
            flow *= np.float32(FLOW_MEMORY)
            if response is not None:
                fine = response.flow[w].reshape(steps, -1, flow.shape[1]).sum(axis=1)
                flow += np.float32(1.0 - FLOW_MEMORY) * fine


def _price(found: Search, bounds: list[Bound], responses: list[Response | None], threads: int) -> None:
    """New columns for some of the waves, from each layout to each."""
    count = max(1, round(SHARE_PRICED * len(found.columns)))
    for wave in found.rng.permutation(len(found.columns))[:count]:
        for begins, ends in layouts(found.crews, int(wave)):
            _renew(found, int(wave), begins, ends, bounds, responses, threads)


def _renew(
    found: Search,
    wave: int,
    begins: int,
    ends: int,
    bounds: list[Bound],
    responses: list[Response | None],
    threads: int,
) -> None:
    """Price a batch of candidates for one wave and add the best of them."""
    steps = found.columns[wave][0].plan.shape[1]
    candidates = []
    for k in range(BATCH):
        flows = [
            flow[wave] * noise(view, steps, NOISES[k % len(NOISES)], found.rng)
            for view, flow in zip(found.views, found.flow, strict=True)
        ]
        made = column(found.crews, found.views, wave, flows, found.rng, 1 + k % 3, begins=begins, ends=ends)
        if made is not None:
            candidates.append(made)
    if not candidates:
        return
    plan = np.stack([c.plan for c in candidates])
    known = len(next(r for r in responses if r is not None).survival[wave][0])  # others came in this round
    old = np.flatnonzero(np.array([c.begins for c in found.columns[wave][:known]]) == begins)
    survival, worth = np.zeros(len(candidates)), 0.0
    for view, bound, response in zip(found.views, bounds, responses, strict=True):
        if response is not None:
            priced = game.price(view, plan, wave, bound, response, begins=begins, ends=ends, threads=threads)
            survival += response.weight @ priced
            worth += float(response.weight @ (response.survival[wave][:, old] @ found.trial[wave][old]))
    for i in np.argsort(survival)[:2]:
        if survival[i] < worth - 1e-5:
            _add(found, wave, candidates[int(i)], float(survival[i] - worth))


def _add(found: Search, wave: int, new: Column, gain: float) -> None:
    """A column more, with no probability yet. Older cuts are taken to like it as this round's do, by half."""
    at = sum(len(s) for s in found.sigma[: wave + 1])
    part = slice(at - len(found.sigma[wave]), at)
    mine = np.array([c.begins for c in found.columns[wave]]) == new.begins
    for cut in found.cuts:
        mean = float(cut.slope[part][mine] @ found.sigma[wave][mine])
        cut.slope = np.insert(cut.slope, at, mean + 0.5 * gain)
    found.columns[wave].append(new)
    found.sigma[wave] = np.append(found.sigma[wave], 0.0)
    found.trial[wave] = np.append(found.trial[wave], 0.0)
    found.idle[wave] = np.append(found.idle[wave], 0)


def _tidy(found: Search) -> None:
    """Forget columns that have had no probability for a while, and cuts that have not mattered."""
    keep_all = []
    for wave, sigma in enumerate(found.sigma):
        used = sigma if found.cuts else np.maximum(sigma, found.trial[wave])
        found.idle[wave] = np.where(used > NEARLY, 0, found.idle[wave] + 1).astype(np.int32)
        keep = found.idle[wave] <= KEPT
        keep_all.append(keep)
        found.columns[wave] = list(itertools.compress(found.columns[wave], keep))
        found.idle[wave] = found.idle[wave][keep]
        found.sigma[wave] = _whole(sigma[keep], found.columns[wave])
        found.trial[wave] = found.trial[wave][keep]
    mask = np.concatenate(keep_all)
    kept = sorted(found.cuts, key=lambda cut: cut.idle)[:CUTS]
    for cut in kept:
        cut.slope = cut.slope[mask]
    found.cuts = kept


def _whole(sigma: FloatArray, wave: list[Column]) -> FloatArray:
    begins = np.array([c.begins for c in wave])
    return np.asarray(sigma / np.bincount(begins, sigma)[begins])


def _next(found: Search) -> None:
    """The next trial: least of the greatest cut within the radius, by linear program."""
    at = np.concatenate(found.sigma)
    value = 1.0 - found.best_floor
    for cut in found.cuts:  # survival is not convex over several waves: no cut may claim more than is true here
        cut.offset = min(cut.offset, value - float(cut.slope @ at))
    rows, n = np.stack([cut.slope for cut in found.cuts]), len(at)
    which: list[tuple[int, int]] = []
    first = 0
    sums: list[tuple[int, int]] = []
    for w, wave in enumerate(found.columns):
        for begins in sorted({c.begins for c in wave}):
            for k, c in enumerate(wave):
                if c.begins == begins:
                    sums.append((len(which), first + k))
            which.append((w, begins))
        first += len(wave)
    equal = csr_array((np.ones(len(sums)), ([r for r, _ in sums], [c for _, c in sums])), shape=(len(which), n + 1))
    reach = found.radius * (at + SLACK)
    low, high = np.maximum(at - reach, 0.0), np.minimum(at + reach, 1.0)
    answer = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.hstack([rows, -np.ones((len(rows), 1))]),
        b_ub=-np.array([cut.offset for cut in found.cuts]),
        A_eq=equal,
        b_eq=np.ones(len(which)),
        bounds=[*zip(low, high, strict=True), (None, None)],
        method="highs",
    )
    if answer.x is None:
        found.trial = [s.copy() for s in found.sigma]
        return
    for cut, dual in zip(found.cuts, -answer.ineqlin.marginals, strict=True):
        cut.idle = 0 if dual > NEARLY else cut.idle + 1
    found.predicted = value - float(answer.x[-1])
    made = np.maximum(answer.x[:-1], 0.0)
    found.trial = [_whole(part, wave) for part, wave in zip(_split(made, found.columns), found.columns, strict=True)]


def _split(flat: FloatArray, columns: list[list[Column]] | list[FloatArray]) -> Iterator[FloatArray]:
    first = 0
    for wave in columns:
        yield flat[first : first + len(wave)]
        first += len(wave)
