"""Making the mixture better: multiplicative weights on the exact derivative, and new columns where the crossers go.

Each round: the exact value (`game.backward`) of every crosser class, the best response of the class that fares best,
the derivative of its survival by every column's probability, and a step away from the columns that let it through. New
columns are priced as well: per aircraft, the path between its hubs that sees most of the crosser flow not yet seen by
the aircraft placed before it; a candidate enters in place of the lightest column if its exact price is better than the
wave's. The best mixture seen is kept; only its certified floor counts, so nothing here needs to be exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.patrol import _kernels, duty, game
from kuntur.patrol.exposure import Pieces, Track, View
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.game import Mixture
from kuntur.patrol.rota import Stage, Stages, at_another_minute, stage_of, with_waits

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

UNIFORM_SHARE: Final = 0.01  # mixed into every wave's probabilities, so that no column is ever lost for good
MINUTES_PROB: Final = 0.5  # of a candidate with a minute of take-off or landing drawn at random: our choice
FORBIDDEN: Final = -1e9  # worth of a piece that another aircraft is too near to
APART_M: Final = 200.0  # aircraft of a column keep this far apart across, or
APART_HEIGHT_M: Final = 55.0  # this far in height: our choices; layers are 60 m apart
BATCH: Final = 8  # candidates priced in one sweep: the kernel's lanes
NOISES: Final = (0.0, 0.3, 0.6, 1.0)  # strength of the noise on the flow that candidates aim at
WAVES_PRICED: Final = 2  # waves that get candidates in one round
STEP: Final = 1.0  # first step of the multiplicative weights, on derivatives scaled to a spread of 1
HOTTEST: Final = 0.02  # temperature of the crossers' choice of start at the beginning
CLASS_TEMPERATURE: Final = 0.01  # classes whose floors differ by more than this from the least do not count
FLOW_MEMORY: Final = 0.7  # of the flow of the rounds before


class Crew(Struct, frozen=True, kw_only=True, eq=False):
    """One aircraft in the game: its lattice, its stages in each wave, the first piece of each of its arcs (-1 on the
    ground).

    boxes: (pieces, 5) float64 x, y, radius, lowest and highest altitude of each of its pieces; `first` is its first.
    """

    net: FlightNet
    stages: Stages
    arc_piece: IntArray
    boxes: FloatArray
    first: int


class Column(Struct, frozen=True, kw_only=True, eq=False):
    """arcs: per aircraft int32, the arcs flown. plan: int32 (aircraft, steps)."""

    arcs: tuple[IntArray, ...]
    plan: IntArray


def tracks(net: FlightNet) -> list[Track]:
    """One track for every arc that is flown."""
    found = []
    for a in np.flatnonzero(net.flying):
        part = slice(net.vertex_start[a], net.vertex_start[a + 1])
        look = net.looks[net.arc_look[a]]
        found.append(
            Track(t_s=net.vertex_t_s[part], xyz_m=net.vertex_m[part], looks=(look,) * (part.stop - part.start - 1))
        )
    return found


def crew(net: FlightNet, stages: Stages, pieces: Pieces, first: int) -> Crew:
    boxes = []
    for track in tracks(net):
        steps = round(float(track.t_s[-1] - track.t_s[0]) / net.step_s)
        for k in range(max(1, steps)):
            begin, end = track.t_s[0] + k * net.step_s, track.t_s[0] + (k + 1) * net.step_s
            t = np.concatenate([[begin], track.t_s[(track.t_s > begin) & (track.t_s < end)], [end]])
            at = np.stack([np.interp(t, track.t_s, axis) for axis in track.xyz_m.T], axis=-1)
            low, high = at.min(axis=0), at.max(axis=0)
            radius = 0.5 * math.hypot(high[0] - low[0], high[1] - low[1])
            boxes.append((0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), radius, low[2], high[2]))
    arc_piece = np.full(len(net.arc_to), -1, np.int32)
    arc_piece[net.flying] = pieces.first[:-1] + first
    return Crew(net=net, stages=stages, arc_piece=arc_piece, boxes=np.array(boxes), first=first)


def plan_row(member: Crew, stage: Stage, arcs: IntArray, steps: int) -> IntArray:
    """The piece flown in each step of the wave."""
    row = np.full(steps, -1, np.int32)
    at = stage.from_step
    for a in arcs:
        length = int(member.net.arc_steps[a])
        if member.arc_piece[a] >= 0:
            row[at : at + length] = member.arc_piece[a] + np.arange(length)
        at += length
    return row


def segment_arcs(member: Crew, stage: Stage, worth: SingleArray, tries: int = 4) -> IntArray | None:
    """The path of greatest worth of one aircraft in one wave within its share of endurance; None if there is none.

    worth: (steps, pieces of this aircraft). Climbs are made dearer until the energy fits.
    """
    if stage.kind == "ground":
        return np.zeros(0, np.int32)
    net = member.net
    local = np.where(member.arc_piece >= 0, member.arc_piece - member.first, -1).astype(np.int32)
    over_s = net.arc_use_s - net.arc_steps * net.step_s
    price = 0.0
    for _ in range(tries):
        gain, arcs = _kernels.best_path(
            net.arc_start,
            net.arc_to,
            net.arc_steps,
            local,
            price * over_s + 1e-12 * (net.arc_from != net.arc_to),
            worth,
            stage.start,
            stage.from_step,
            stage.end,
            stage.to_step,
        )
        if gain <= FORBIDDEN / 2.0:
            return None
        if float(net.arc_use_s[arcs].sum()) <= stage.use_cap_s:
            return arcs
        price = max(4.0 * price, float(worth.max(initial=0.0)) / net.step_s, 1e-9)
    return None


def column(
    crews: list[Crew],
    views: list[View],
    wave: int,
    flows: list[SingleArray],
    rng: np.random.Generator,
    passes: int = 2,
    *,
    minutes_prob: float = MINUTES_PROB,
) -> Column | None:
    """Aircraft placed one after another in random order, each against the flow that those before it leave unseen.

    Seeing the same crosser for longer is worth less and less, which a path of greatest sum does not know: each path is
    found again `passes - 1` times, with what the path before it sees around the same time taken off. Whoever takes off
    or lands in this wave does so at another minute than the first or last possible one with probability minutes_prob.
    """
    stages = [stage_of(crew.stages, wave) for crew in crews]
    steps = flows[0].shape[0]
    left = [flow.copy() for flow in flows]
    arcs: list[IntArray] = [np.zeros(0, np.int32)] * len(crews)
    plan = np.full((len(crews), steps), -1, np.int32)
    for k in rng.permutation(len(crews)):
        member, stage = crews[k], stages[k]
        if stage.kind == "ground":
            continue
        flown = at_another_minute(member.net, stage, rng) if rng.random() < minutes_prob else stage
        first, last = int(views[0].offsets[k]), int(views[0].offsets[k + 1])
        now = left
        for _ in range(passes):
            worth = np.zeros((steps, last - first), np.float32)
            for view, flow in zip(views, now, strict=True):
                worth += _kernels.piece_worth(view.seen, flow, first, last, False, 2)
            _keep_apart(crews, plan, k, worth)
            _keep_pads(crews, plan, stages, k, worth)
            found = segment_arcs(member, flown, worth)
            if found is None:
                return None
            found = with_waits(member.net, stage, flown, found)
            arcs[k], plan[k] = found, plan_row(member, stage, found, steps)
            unseen = [_unseen(view, flow, plan[k]) for view, flow in zip(views, left, strict=True)]
            now = [np.float32(0.5) * (a + b) for a, b in zip(now, unseen, strict=True)]
        left = unseen
    return Column(arcs=tuple(arcs), plan=plan)


def _keep_apart(crews: list[Crew], plan: IntArray, k: int, worth: SingleArray) -> None:
    """Forbid the pieces of aircraft k that come near those already placed at the same time, at the same height."""
    for other, row in zip(crews, plan, strict=True):
        if other is not crews[k]:
            path = np.where(row >= 0, row - other.first, -1).astype(np.int32)
            _kernels.forbid(worth, crews[k].boxes, other.boxes, path, APART_M, APART_HEIGHT_M, FORBIDDEN)


def _keep_pads(crews: list[Crew], plan: IntArray, stages: list[Stage], k: int, worth: SingleArray) -> None:
    """Forbid take-offs and landings of aircraft k while those already placed have all the pads of its base."""
    net = crews[k].net
    local = crews[k].arc_piece - crews[k].first
    for t in np.flatnonzero(duty.taken([crew.net for crew in crews], plan, stages, k, len(worth))):
        if t < len(worth):
            worth[t, local[net.flying & (net.arc_from == net.base_node)]] = FORBIDDEN
        if t > 0:
            home = net.flying & (net.arc_to == net.landed_node)
            worth[t - 1, local[home] + net.arc_steps[home] - 1] = FORBIDDEN


def _unseen(view: View, flow: SingleArray, row: IntArray) -> SingleArray:
    """The flow that a path leaves: what it sees of a cell within a quarter of the wave counts against that crosser."""
    steps = len(row)
    exposure = np.zeros((steps + 1, flow.shape[1]), np.float32)
    for t, piece in enumerate(row):
        if piece >= 0:
            part = slice(view.start[piece], view.start[piece + 1])
            exposure[t + 1, view.cell[part]] = -np.log(view.factor[part])
    np.cumsum(exposure, axis=0, out=exposure)
    reach = steps // 4
    at = np.arange(steps)
    near = exposure[np.minimum(at + reach + 1, steps)] - exposure[np.maximum(at - reach, 0)]
    return np.asarray(flow * np.exp(-near), np.float32)


def noise(view: View, steps: int, strength: float, rng: np.random.Generator) -> SingleArray:
    """A random field (steps, cells) with mean about 1: lognormal, constant over blocks of border, depth and time."""
    graph = view.graph
    border = np.minimum((graph.chainage_m / (graph.chainage_m.max() + 1.0) * 16).astype(int), 15)
    depth = np.minimum((np.maximum(graph.inward_m, 0.0) / (graph.inward_m.max() + 1.0) * 4).astype(int), 3)
    time = np.arange(steps) * 4 // steps
    block = np.exp(strength * rng.standard_normal((4, 16, 4)) - 0.5 * strength**2).astype(np.float32)
    return np.ascontiguousarray(block[time[:, None], border[None, :], depth[None, :]])


def begin(
    crews: list[Crew],
    views: list[View],
    waves: int,
    steps: int,
    count: int,
    rng: np.random.Generator,
    *,
    progress: Progress = lambda *_: None,
) -> list[list[Column]]:
    """First columns: `count` rounds of fictitious play of the additive game without reveal.

    Crossers take the cheapest routes from every part of the border in every wave through the exposure so far; the
    aircraft answer with one column a wave. InfeasibleError is left to the caller: a wave may stay empty.
    """
    columns: list[list[Column]] = [[] for _ in range(waves)]
    total = [np.zeros((waves * steps * view.graph.divisions, view.graph.count), np.float32) for view in views]
    for done in range(count):
        mean = np.float32(1.0 / max(done, 1))
        flows = [_route_flow(view, cost * mean, waves, rng) for view, cost in zip(views, total, strict=True)]
        made = []
        for wave in range(waves):
            part = slice(wave * steps, (wave + 1) * steps)
            aim = [np.ascontiguousarray(flow[part]) for flow in flows]
            found = column(crews, views, wave, aim, rng, passes=1 + done % 2)
            if found is not None:
                columns[wave].append(found)
                made.append(found.plan)
        progress((done + 1) / count, "first patrols")
        if len(made) == waves:
            plan = np.stack(made)[:, None]
            for view, cost in zip(views, total, strict=True):
                fine = np.ascontiguousarray(np.repeat(plan, view.graph.divisions, axis=3))
                cost += _kernels.mixture_exposure(view.seen, fine, np.ones((waves, 1)), 2)
    return columns


def _route_flow(view: View, cost: SingleArray, waves: int, rng: np.random.Generator) -> SingleArray:
    """Where crossers go who take the cheapest routes of 16 parts of the border in each wave, the cheap ones more often.

    In steps of the plan: (waves * steps, cells).
    """
    steps = cost.shape[0]
    chainage = view.graph.chainage_m[view.graph.starts]
    group = np.minimum(chainage / (chainage.max() + 1.0) * 16, 15).astype(np.int32)
    windows = np.linspace(0, steps, waves + 1).astype(np.int32)
    speckled = np.ascontiguousarray(cost + rng.random(cost.shape, np.float32) * np.float32(1e-3))
    least, routes = _kernels.cheapest_routes(view.arcs, speckled, group, windows)
    flow = np.zeros((steps, view.graph.count), np.float32)
    good = np.isfinite(least)
    for share, route in zip(np.exp(-(least[good] - least[good].min())), routes[good], strict=True):
        t = np.flatnonzero(route >= 0)
        flow[t, route[t]] += share
    divisions = view.graph.divisions
    return np.ascontiguousarray(flow.reshape(steps // divisions, divisions, -1).sum(axis=1))


def sigma_of(logits: FloatArray) -> FloatArray:
    weight = np.exp(logits - logits.max())
    return np.asarray((1.0 - UNIFORM_SHARE) * weight / weight.sum() + UNIFORM_SHARE / len(weight))


def mixture_of(columns: list[list[Column]], sigma: list[FloatArray]) -> Mixture:
    return game.mixture([np.ascontiguousarray(np.stack([c.plan for c in wave])) for wave in columns], sigma)


class Search(Struct, kw_only=True, eq=False):
    """The search as it stands. columns, logits: per wave; flow: per class and wave, what `column` aims at.

    best_columns, best_sigma: the mixture with the highest floor of any round; history: (floor, best) of each round.
    """

    crews: list[Crew]
    views: list[View]
    rng: np.random.Generator
    columns: list[list[Column]]
    logits: list[FloatArray]
    flow: list[list[SingleArray]]
    best_floor: float
    best_columns: list[list[Column]]
    best_sigma: list[FloatArray]
    history: list[tuple[float, float]]


def search(crews: list[Crew], views: list[View], columns: list[list[Column]], rng: np.random.Generator) -> Search:
    """Start from given columns, equally likely."""
    sigma = [np.full(len(wave), 1.0 / len(wave)) for wave in columns]
    return Search(
        crews=crews,
        views=views,
        rng=rng,
        columns=[list(wave) for wave in columns],
        logits=[np.zeros(len(wave)) for wave in columns],
        flow=[],
        best_floor=-1.0,
        best_columns=[list(wave) for wave in columns],
        best_sigma=sigma,
        history=[],
    )


def step(found: Search, left: float) -> None:
    """One round. left: share of the solving time that is left, 1 at first; steps and temperature fall with it."""
    sigma = [sigma_of(logits) for logits in found.logits]
    mixture = mixture_of(found.columns, sigma)
    bounds = [game.backward(view, mixture) for view in found.views]
    floors = np.array([bound.floor for bound in bounds])
    if floors.min() > found.best_floor:
        found.best_floor = float(floors.min())
        found.best_columns = [list(wave) for wave in found.columns]
        found.best_sigma = sigma
    found.history.append((float(floors.min()), found.best_floor))
    weight = np.exp((floors.min() - floors) / CLASS_TEMPERATURE)
    weight /= weight.sum()
    temperature = HOTTEST * max(left, 0.15)
    responses: list[game.Response | None] = [
        game.respond(view, mixture, bound, found.rng, temperature=temperature) if share > 0.02 else None
        for view, bound, share in zip(found.views, bounds, weight, strict=True)
    ]
    _follow_flow(found, responses, weight)
    derivative = [
        sum(
            (share * r.survival[w][0] for r, share in zip(responses, weight, strict=True) if r is not None), np.zeros(1)
        )
        for w in range(len(found.columns))
    ]
    spread = max(float(np.ptp(d)) for d in derivative) + 1e-12
    rate = STEP / math.sqrt(1.0 + len(found.history) / 20.0)
    for w, d in enumerate(derivative):
        logits = found.logits[w] - rate * (d - d.mean()) / spread
        found.logits[w] = np.maximum(logits - logits.max(), -8.0)
    if len(found.history) >= 2 and left > 0.2:
        waves = found.rng.permutation(len(found.columns))[:WAVES_PRICED]
        for w in waves:
            _renew(found, int(w), bounds, responses, weight, derivative[w] @ sigma[w], temperature)


def _follow_flow(found: Search, responses: list[game.Response | None], weight: FloatArray) -> None:
    """Average the crossers' flow over rounds, in steps of the plan."""
    steps = found.columns[0][0].plan.shape[1]
    if not found.flow:
        found.flow = [[np.zeros((steps, view.graph.count), np.float32) for _ in found.columns] for view in found.views]
    for c, response in enumerate(responses):
        for w, flow in enumerate(found.flow[c]):
            flow *= np.float32(FLOW_MEMORY)
            if response is not None:
                fine = response.flow[w].reshape(steps, -1, flow.shape[1]).sum(axis=1)
                flow += np.float32((1.0 - FLOW_MEMORY) * weight[c]) * fine


def _renew(
    found: Search,
    wave: int,
    bounds: list[game.Bound],
    responses: list[game.Response | None],
    weight: FloatArray,
    worth: float,
    temperature: float,
) -> None:
    """Price a batch of candidates for one wave and let the best of them take the lightest columns' places."""
    steps = found.columns[wave][0].plan.shape[1]
    candidates = []
    for k in range(BATCH):
        flows = [
            flow[wave] * noise(view, steps, NOISES[k % len(NOISES)], found.rng)
            for view, flow in zip(found.views, found.flow, strict=True)
        ]
        made = column(found.crews, found.views, wave, flows, found.rng, passes=1 + k % 3)
        if made is not None:
            candidates.append(made)
    if not candidates:
        return
    plan = np.stack([c.plan for c in candidates])
    survival = np.zeros(len(candidates))
    for view, bound, response, share in zip(found.views, bounds, responses, weight, strict=True):
        if response is not None:
            survival += share * game.price(view, plan, wave, bound, response, temperature=temperature)[0]
    for i in np.argsort(survival)[:2]:
        if survival[i] >= worth - 1e-5:
            break
        lightest = int(np.argmin(found.logits[wave]))
        found.columns[wave][lightest] = candidates[int(i)]
        found.logits[wave][lightest] = math.log(float(np.mean(np.exp(found.logits[wave]))))
