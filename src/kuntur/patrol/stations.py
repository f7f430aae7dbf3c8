"""Every way to station one aircraft: each type at each base on each layer, and what it sees of each crosser class.

This is the pool that `sizing` counts from. The lattice is that of all bases together, so it is a little wider than the
one of a fleet that leaves some of them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from kuntur.errors import InfeasibleError
from kuntur.model.assets import Aircraft, Base, Fleet
from kuntur.model.place import Area
from kuntur.patrol import bounds, columns, crossers, exposure, flights, gimbal, strategy
from kuntur.patrol.exposure import View
from kuntur.patrol.flights import FlightNet
from kuntur.patrol.sizing import Option

Progress = Callable[[float, str], None]


class Stations(Struct, frozen=True, kw_only=True, eq=False):
    """options: what can fly. views: one per required class, whose pieces are those of all options.

    steps: of the shortest window that a plan has to promise. left_out: type and base -> why none of it can fly there.
    """

    options: tuple[Option, ...]
    views: tuple[View, ...]
    steps: int
    left_out: dict[tuple[str, str], str]


def fleet(area: Area, types: Sequence[Aircraft], chosen: Sequence[tuple[str, str, int]]) -> Area:
    """The area with the fleet (type, base, how many) and all its bases. Types in turn, so that ids are stable."""
    known = {one.id: one for one in types}
    aircraft: list[Aircraft] = []
    for type_id, base_id, count in chosen:
        for _ in range(count):
            k = len(aircraft) + 1
            one = known[type_id]
            aircraft.append(replace(one, id=f"{type_id}_{k}", name=f"{one.name} {k}", system_id=k, base_id=base_id))
    used = {base_id for _, base_id, count in chosen if count}
    own = {base.id for base in area.bases}
    extra = () if area.sizing is None else tuple(b for b in area.sizing.candidate_bases if b.id in used - own)
    return replace(area, bases=(*area.bases, *extra), fleet=Fleet(aircraft=tuple(aircraft)))


def stations(
    area: Area,
    types: Sequence[Aircraft],
    bases: Sequence[Base],
    most: int,
    *,
    progress: Progress = lambda *_: None,
) -> Stations:
    """The pool. Raises InfeasibleError when nothing can fly from anywhere, saying why for the first."""
    need = area.requirement
    pool = fleet(area, types, [(one.id, base.id, 1) for one in types for base in bases])
    ground = flights.relief(pool)
    nets: dict[tuple[str, str], list[FlightNet]] = {}
    left_out: dict[tuple[str, str], str] = {}
    for k, aircraft in enumerate(pool.fleet.aircraft):
        key = (aircraft.id.rpartition("_")[0], aircraft.base_id)
        progress(0.1 * k / len(pool.fleet.aircraft), f"flight lattice of {key[0]} at {key[1]}")
        try:
            for layer in range(most):
                net = flights.net(pool, ground, aircraft, layer, need.crosser_step_s)
                nets.setdefault(key, []).append(gimbal.with_looks(pool, net, aircraft.looks))
        except InfeasibleError as error:
            if key not in nets:  # else the higher layers alone are beyond it
                left_out[key] = error.message
    if not nets:
        raise InfeasibleError(
            f"None of these aircraft can fly from any of these bases. {next(iter(left_out.values()))}",
            remedy="Name other types in [[size.aircraft]], or other bases in [[candidate_base]].",
        )
    groups = [(one.id, layer) for one in types for layer in range(most)]
    sharing = {g: [key for key in nets if key[0] == g[0] and g[1] < len(nets[key])] for g in groups}
    groups = [g for g in groups if sharing[g]]
    cuts, first = [], {}
    for group in groups:
        tracks: list[exposure.Track] = []
        for key in sharing[group]:
            first[key, group[1]] = len(tracks)
            tracks += columns.tracks(nets[key][group[1]])
        cuts.append(exposure.cut(tracks, need.crosser_step_s, strategy.SPACING_M))
    views = _views(pool, [nets[sharing[g][0]][g[1]].aircraft for g in groups], cuts, progress)
    options, watch_steps = [], round(need.duration_s / need.crosser_step_s)
    for key, layers in nets.items():
        pieces, ranges = [], []
        for layer, net in enumerate(layers):
            at, begin = groups.index((key[0], layer)), first[key, layer]
            offset = int(views[0].offsets[at])
            end = begin + int(net.flying.sum())
            piece = np.full(len(net.arc_to), -1, np.int32)
            piece[net.flying] = cuts[at].first[begin:end] + offset
            pieces.append(piece)
            ranges.append((int(cuts[at].first[begin]) + offset, int(cuts[at].first[end]) + offset))
        options.append(
            Option(
                type_id=key[0],
                base_id=key[1],
                flight_hours=bounds.airtime(layers[0], watch_steps) * need.crosser_step_s / 3600.0,
                nets=tuple(layers),
                pieces=tuple(pieces),
                ranges=tuple(ranges),
            )
        )
    return Stations(options=tuple(options), views=tuple(views), steps=window_steps(area, views), left_out=left_out)


def _views(pool: Area, aircraft: list[Aircraft], cuts: list[exposure.Pieces], progress: Progress) -> list[View]:
    required = [crosser for crosser in pool.crossers if crosser.required]
    cells = crossers.strip(pool, pool.requirement.crosser_cell_m)
    views = []
    for i, crosser in enumerate(required):

        def told(fraction: float, words: str, i: int = i) -> None:
            progress(0.1 + 0.9 * (i + fraction) / len(required), words)

        graph = crossers.graph(pool, cells, crosser, pool.requirement.crosser_step_s)
        views.append(exposure.view(pool, aircraft, graph, cuts, told))
    return views


def window_steps(area: Area, views: Sequence[View]) -> int:
    """Steps of the least window that `strategy.require_window` lets a plan promise."""
    median_s = max(float(np.median(crossers.fastest_s(view.graph))) for view in views)
    if strategy.LEAST_WINDOW * median_s > area.requirement.duration_s:
        raise InfeasibleError(
            f"The watch of {area.requirement.duration_s / 60.0:.0f} min is too short for its depth: a promise has to "
            f"cover {strategy.LEAST_WINDOW * median_s / 60.0:.0f} min, twice the fastest crossing from the middle one "
            "of the border cells.",
            remedy="Lengthen [requirement] duration_s, or lower depth_m.",
        )
    return math.floor(strategy.LEAST_WINDOW * median_s / area.requirement.crosser_step_s)
