"""Making the mixture better: multiplicative weights on the exact derivative, and new columns where the crossers go.

Each round: the exact value (`game.backward`) of every crosser class, the best response of the class that fares best, the
derivative of its survival by every column's probability, and a step away from the columns that let it through. Every few
rounds new columns are priced: per aircraft, the path between its hubs that sees most of the crosser flow not yet seen by
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

from kuntur.patrol import _kernels, game
from kuntur.patrol.exposure import Pieces, Track, View
from kuntur.patrol.game import Mixture
from kuntur.patrol.sorties import FlightNet, Stage

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

UNIFORM_SHARE: Final = 0.01  # mixed into every wave's probabilities, so that no column is ever lost for good
BATCH: Final = 8  # candidates priced in one sweep: the kernel's lanes


class Crew(Struct, frozen=True, kw_only=True, eq=False):
    """One aircraft in the game: its lattice, its stage in each wave, and the first piece of each of its arcs (-1: none)."""

    net: FlightNet
    stages: tuple[Stage, ...]
    arc_piece: IntArray


class Column(Struct, frozen=True, kw_only=True, eq=False):
    """arcs: per aircraft int32, the arcs flown. plan: int32 (aircraft, steps)."""

    arcs: tuple[IntArray, ...]
    plan: IntArray


class State(Struct, kw_only=True, eq=False):
    """The search as it stands. columns, logits: per wave. best: the mixture with the highest certified floor so far."""

    columns: list[list[Column]]
    logits: list[FloatArray]
    flow: list[SingleArray]
    rounds: int = 0
    best_floor: float = -1.0
    best_columns: list[list[Column]]
    best_sigma: list[FloatArray]


def tracks(net: FlightNet) -> list[Track]:
    """One track for every arc on which the camera counts."""
    found = []
    for a in np.flatnonzero(net.arc_seen):
        part = slice(net.vertex_start[a], net.vertex_start[a + 1])
        found.append(Track(t_s=net.vertex_t_s[part], xyz_m=net.vertex_m[part]))
    return found


def crew(net: FlightNet, stages: tuple[Stage, ...], pieces: Pieces, offset: int) -> Crew:
    piece = np.full(len(net.arc_to), -1, np.int32)
    piece[net.arc_seen] = pieces.first[:-1] + offset
    return Crew(net=net, stages=stages, arc_piece=piece)


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


def segment_arcs(member: Crew, stage: Stage, worth: SingleArray, offset: int, tries: int = 4) -> IntArray | None:
    """The path of greatest worth of one aircraft in one wave that keeps within its share of endurance; None if none does.

    worth: (steps, pieces of this aircraft). Climbs are made dearer until the energy fits.
    """
    if stage.kind == "ground":
        return np.zeros(0, np.int32)
    net = member.net
    local = np.where(member.arc_piece >= 0, member.arc_piece - offset, -1).astype(np.int32)
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
        if not math.isfinite(gain):
            return None
        if float(net.arc_use_s[arcs].sum()) <= stage.use_cap_s:
            return arcs
        price = max(4.0 * price, float(worth.max(initial=0.0)) / max(net.step_s, 1.0), 1e-9)
    return None


def column(
    crews: list[Crew], views: list[View], wave: int, flows: list[SingleArray], rng: np.random.Generator
) -> Column | None:
    """Aircraft placed one after another in random order, each against the flow that those before it leave unseen."""
    steps = flows[0].shape[0]
    left = [flow.copy() for flow in flows]
    arcs: list[IntArray] = [np.zeros(0, np.int32)] * len(crews)
    plan = np.full((len(crews), steps), -1, np.int32)
    for k in rng.permutation(len(crews)):
        member, stage = crews[k], crews[k].stages[wave]
        if stage.kind == "ground":
            continue
        first, last = int(views[0].offsets[k]), int(views[0].offsets[k + 1])
        worth = np.zeros((steps, last - first), np.float32)
        for view, flow in zip(views, left, strict=True):
            worth += _kernels.piece_worth(view.seen, flow, first, last, False, 2)
        found = segment_arcs(member, stage, worth, first)
        if found is None:
            return None
        arcs[k] = found
        plan[k] = plan_row(member, stage, found, steps)
        for view, flow in zip(views, left, strict=True):
            _discount(view, flow, plan[k])
    return Column(arcs=tuple(arcs), plan=plan)


def _discount(view: View, flow: SingleArray, row: IntArray) -> None:
    for t, piece in enumerate(row):
        if piece >= 0:
            part = slice(view.start[piece], view.start[piece + 1])
            flow[t, view.cell[part]] *= view.factor[part]


def noise(view: View, steps: int, strength: float, rng: np.random.Generator) -> SingleArray:
    """A random field (steps, cells) with mean about 1: lognormal, constant over blocks of border, depth and time."""
    graph = view.graph
    border = np.minimum((graph.chainage_m / (graph.chainage_m.max() + 1.0) * 16).astype(int), 15)
    depth = np.minimum((np.maximum(graph.inward_m, 0.0) / (graph.inward_m.max() + 1.0) * 4).astype(int), 3)
    time = np.arange(steps) * 4 // steps
    block = np.exp(strength * rng.standard_normal((4, 16, 4)) - 0.5 * strength**2).astype(np.float32)
    return np.ascontiguousarray(block[time[:, None], border[None, :], depth[None, :]])


def begin(crews: list[Crew], views: list[View], waves: int, steps: int, count: int, rng: np.random.Generator) -> State:
    """A first mixture: `count` columns a wave against random crosser fields, equally likely."""
    columns: list[list[Column]] = []
    for wave in range(waves):
        made = []
        for _ in range(count):
            fields = [noise(view, steps, 1.5, rng) for view in views]
            found = column(crews, views, wave, fields, rng)
            if found is not None:
                made.append(found)
        columns.append(made)
    flow = [np.zeros((steps, views[0].graph.count), np.float32) for _ in range(waves)]
    return State(
        columns=columns,
        logits=[np.zeros(len(c)) for c in columns],
        flow=flow,
        best_columns=columns,
        best_sigma=[],
    )


def sigma_of(logits: FloatArray) -> FloatArray:
    weight = np.exp(logits - logits.max())
    return np.asarray((1.0 - UNIFORM_SHARE) * weight / weight.sum() + UNIFORM_SHARE / len(weight))


def mixture_of(columns: list[list[Column]], sigma: list[FloatArray]) -> Mixture:
    return Mixture(
        plans=tuple(np.ascontiguousarray(np.stack([c.plan for c in wave])) for wave in columns), sigma=tuple(sigma)
    )
