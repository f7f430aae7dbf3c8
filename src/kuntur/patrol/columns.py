"""Columns: one joint choice of all aircraft for one wave, and how new ones are made.

Per aircraft, in random order, the path between its hubs that sees most of a field of crossers not yet seen by the
aircraft placed before it. Whatever is made is flyable: within each aircraft's share of endurance, apart from others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.patrol import _kernels, duty
from kuntur.patrol.exposure import Pieces, Track, View
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.rota import Stage, Stages, at_another_minute, stage_of, with_waits

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

MINUTES_PROB: Final = 0.5  # of a candidate with a minute of take-off or landing drawn at random: our choice
FORBIDDEN: Final = -1e9  # worth of a piece that another aircraft is too near to
APART_M: Final = 200.0  # aircraft of a column keep this far apart across, or
APART_HEIGHT_M: Final = 55.0  # this far in height: our choices; layers are 60 m apart


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
    """arcs: per aircraft int32, the arcs flown. plan: int32 (aircraft, steps). begins, ends: its layouts."""

    arcs: tuple[IntArray, ...]
    plan: IntArray
    begins: int = 0
    ends: int = 0


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
    begins: int = 0,
    ends: int = 0,
    minutes_prob: float = MINUTES_PROB,
) -> Column | None:
    """Aircraft placed one after another in random order, each against the flow that those before it leave unseen.

    Seeing the same crosser for longer is worth less and less, which a path of greatest sum does not know: each path is
    found again `passes - 1` times, with what the path before it sees around the same time taken off. Whoever takes off
    or lands in this wave does so at another minute than the first or last possible one with probability minutes_prob.
    """
    stages = [stage_of(crew.stages, wave, begins, ends) for crew in crews]
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
    return Column(arcs=tuple(arcs), plan=plan, begins=begins, ends=ends)


def flown(
    crews: list[Crew], wave: int, steps: int, arcs: tuple[IntArray, ...], *, begins: int = 0, ends: int = 0
) -> Column:
    """The column that these arcs make, one array an aircraft."""
    rows = [
        plan_row(crew, stage_of(crew.stages, wave, begins, ends), own, steps)
        for crew, own in zip(crews, arcs, strict=True)
    ]
    return Column(arcs=arcs, plan=np.stack(rows), begins=begins, ends=ends)


def layouts(crews: list[Crew], wave: int) -> list[tuple[int, int]]:
    """The pairs of layouts that columns of a wave can lead from and to."""
    begins = max(len(crew.stages[wave]) for crew in crews)
    ends = max(len(crew.stages[wave][0]) for crew in crews)
    return list(itertools.product(range(begins), range(ends)))


def connected(waves: list[list[Column]]) -> list[list[Column]]:
    """Without the columns that lead to a layout from which nothing leads on in the next wave."""
    kept: list[list[Column]] = []
    for wave in reversed(waves):
        onward = {column.begins for column in kept[0]} if kept and kept[0] else {column.ends for column in wave}
        kept.insert(0, [column for column in wave if column.ends in onward])
    return kept


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
            pairs = layouts(crews, wave)
            begins, ends = pairs[done % len(pairs)]
            found = column(crews, views, wave, aim, rng, passes=1 + done % 2, begins=begins, ends=ends)
            if found is not None:
                columns[wave].append(found)
                made.append(found.plan)
        progress((done + 1) / count, "first patrols")
        if len(made) == waves:
            plan = np.stack(made)[:, None]
            for view, cost in zip(views, total, strict=True):
                fine = np.ascontiguousarray(np.repeat(plan, view.graph.divisions, axis=3))
                cost += _kernels.mixture_exposure(view.seen, fine, np.ones((waves, 1)), 2)
    return connected(columns)


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
