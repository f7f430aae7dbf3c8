"""What a flown track shows of each crosser node in each step: survival factors exp(-exposure), rounded up.

A track is cut into pieces of one step. A piece is looked at from the ends of every stretch of at most `spacing_m` that
it touches, and the least rate of those viewpoints, each with the look of its stretch, counts for the whole step.
`visibility.rates.cell_rates` gives the rate of a viewpoint: the worst terrain cell inside the crosser's cell, in
certain sight, rounded down. It is taken once for each cell and target; a node has that of its cell and of what it shows
there, and on an edge the least of both cells. So a piece may over-claim only by what hides between two neighbouring
viewpoints; the audit halves the spacing and all steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import shapely
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.assets import Aircraft
from kuntur.model.place import Area
from kuntur.model.plans import SWEEP, Look
from kuntur.patrol import _kernels
from kuntur.patrol.crossers import CrosserGraph
from kuntur.visibility import detection, doubt, looks
from kuntur.visibility.rates import cell_rates

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

LEAST_FACTOR: Final = 1e-20  # a step is never taken to leave less: keeps the kernel's floats far from their smallest
_BATCH: Final = 256


class Track(Struct, frozen=True, kw_only=True, eq=False):
    """A path in time: t_s (n,) rising from a multiple of the step, xyz_m (n, 3), looks: of the n - 1 legs between
    (empty: sweeps)."""

    t_s: FloatArray
    xyz_m: FloatArray
    looks: tuple[Look, ...] = ()


class Pieces(Struct, frozen=True, kw_only=True, eq=False):
    """Pieces of all tracks of one aircraft. Track i has pieces first[i] .. first[i + 1] - 1, one a step.

    viewpoints_m (v, 3); aims (a, 2): a viewpoint and a number in `looks`, each pair once. Piece p is looked at by
    views[view_start[p] : view_start[p + 1]], numbers of aims.
    """

    first: IntArray
    viewpoints_m: FloatArray
    aims: IntArray
    looks: tuple[Look, ...]
    view_start: IntArray
    views: IntArray


def cut(tracks: list[Track], step_s: float, spacing_m: float) -> Pieces:
    """Pieces of one step of each track; equal viewpoints are shared, also those of a leg flown both ways."""
    points: dict[tuple[float, float, float], int] = {}
    looks: dict[Look, int] = {SWEEP: 0}
    aims: dict[tuple[int, int], int] = {}
    first, view_start, views = [0], [0], []
    for track in tracks:
        steps = max(1, round((track.t_s[-1] - track.t_s[0]) / step_s))
        for k in range(steps):
            begin = track.t_s[0] + k * step_s
            for point, look in sorted(_seen_from(track, begin, begin + step_s, spacing_m, points, looks)):
                views.append(aims.setdefault((point, look), len(aims)))
            view_start.append(len(views))
        first.append(first[-1] + steps)
    return Pieces(
        first=np.array(first, np.int32),
        viewpoints_m=np.array(list(points), float).reshape(-1, 3),
        aims=np.array(list(aims), np.int32).reshape(-1, 2),
        looks=tuple(looks),
        view_start=np.array(view_start, np.int32),
        views=np.array(views, np.int32),
    )


def _seen_from(
    track: Track,
    begin_s: float,
    end_s: float,
    spacing_m: float,
    points: dict[tuple[float, float, float], int],
    looks: dict[Look, int],
) -> set[tuple[int, int]]:
    """Viewpoints that bracket every leg of the track touched between two times, each with the leg's look."""
    found = set()
    for i in range(len(track.t_s) - 1):
        t0, t1 = track.t_s[i], track.t_s[i + 1]
        if t1 <= begin_s + 1e-6 or t0 >= end_s - 1e-6:
            continue
        a, b = track.xyz_m[i], track.xyz_m[i + 1]
        parts = max(1, math.ceil(float(np.linalg.norm(b - a)) / spacing_m - 1e-9))
        low = math.floor(max(0.0, (begin_s - t0) / (t1 - t0)) * parts + 1e-6)
        high = math.ceil(min(1.0, (end_s - t0) / (t1 - t0)) * parts - 1e-6)
        for j in range(low, max(high, low + 1) + 1 if parts else low + 1):
            point = a + (b - a) * (min(j, parts) / parts)
            key = (round(float(point[0]), 1), round(float(point[1]), 1), round(float(point[2]), 1))
            look = track.looks[i] if track.looks else SWEEP
            found.add((points.setdefault(key, len(points)), looks.setdefault(look, len(looks))))
    return found


def rates(
    area: Area, aircraft: Aircraft, graph: CrosserGraph, pieces: Pieces, progress: Progress = lambda *_: None
) -> tuple[NDArray[np.int64], IntArray, FloatArray]:
    """Least rate in 1/s over each piece's viewpoints, as (start, node, rate_hz) of the nodes with a rate above 0.

    start: (pieces + 1,) int64; node numbers of the graph, rising within a piece.
    """
    looked_at = _looked_at(area, graph)
    search = search_of(area, aircraft, SWEEP)
    # What is promised on must be certain against the terrain's own error, where that is known.
    certainty = doubt.of(area.terrain, area.requirement.certainty_prob)
    seen: list[tuple[IntArray, SingleArray]] = []
    for begin in range(0, len(pieces.viewpoints_m), _BATCH):
        tables = [
            cell_rates(
                area.terrain,
                graph.cells,
                pieces.viewpoints_m[begin : begin + _BATCH],
                aircraft.camera,
                search,
                target,
                area.weather,
                doubt=certainty,
            )[:, graph.index >= 0]
            for target in graph.targets
        ]
        for rows in zip(*tables, strict=True):
            row = np.where(looked_at, np.stack(rows), np.float32(0.0))
            at_node = np.minimum(row[graph.node_target, graph.cell], row[graph.node_target, graph.beside])
            node = np.flatnonzero(at_node).astype(np.int32)
            seen.append((node, at_node[node]))
        progress(min(1.0, (begin + _BATCH) / len(pieces.viewpoints_m)), f"what {aircraft.name} sees")
    aimed = _aimed(area, aircraft, graph, pieces, seen)
    starts, cells, values = [0], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for p in range(len(pieces.view_start) - 1):
        cell, least = _least(aimed, pieces.views[pieces.view_start[p] : pieces.view_start[p + 1]])
        cells.append(cell)
        values.append(least)
        starts.append(starts[-1] + len(cell))
    return np.array(starts, np.int64), np.concatenate(cells), np.concatenate(values).astype(np.float64)


def search_of(area: Area, aircraft: Aircraft, look: Look) -> detection.SearchPattern:
    """The search of one look of an aircraft's camera, for all the crossers of its area at once."""
    targets = {crosser.target for crosser in area.crossers}
    return looks.search_of(look.kind, aircraft.camera, targets, area.requirement.height_agl_m, area.weather)


def _aimed(
    area: Area, aircraft: Aircraft, graph: CrosserGraph, pieces: Pieces, seen: list[tuple[IntArray, SingleArray]]
) -> list[tuple[IntArray, SingleArray]]:
    """What each aim of the pieces sees: what a sweep would see from there, as often as the look comes round.

    Of a sector only the nodes whose cells lie wholly inside it, wherever within OFF_TRACK_M the aircraft really is.
    Sight and range are the same for all looks of a viewpoint, so they are computed once, for the sweep.
    """
    half_m = graph.cells.cell_m * math.sqrt(0.5)
    rows, cols = np.nonzero(graph.index >= 0)  # in the order of the cells' numbers
    x_m, y_m = (centre[i] for centre, i in zip(graph.cells.centres(), (cols, rows), strict=True))
    sweep_s = search_of(area, aircraft, SWEEP).independent_s
    found = []
    for view, number in pieces.aims:
        look = pieces.looks[number]
        node, rate_hz = seen[view]
        if look != SWEEP:
            search = search_of(area, aircraft, look)
            sooner = np.float32(sweep_s / search.independent_s * (1.0 - 1e-6))
            x, y, _ = pieces.viewpoints_m[view]
            inside = np.ones(len(node), bool)
            for cell in (graph.cell[node], graph.beside[node]):
                inside &= looks.holds(look, x_m[cell] - x, y_m[cell] - y, margin_m=half_m + looks.OFF_TRACK_M)
            node, rate_hz = node[inside], rate_hz[inside] * sooner
        found.append((node, rate_hz))
    return found


def _looked_at(area: Area, graph: CrosserGraph) -> NDArray[np.bool_]:
    """Cells in which a crosser may be seen: not those that touch a no-look zone, nor the line itself, partly abroad."""
    half = graph.cells.cell_m / 2.0
    rows, cols = np.nonzero(graph.index >= 0)  # in the order of the cells' numbers
    x_m, y_m = (centre[i] for centre, i in zip(graph.cells.centres(), (cols, rows), strict=True))
    lit = np.ones(len(rows), bool)
    lit[graph.cell[graph.starts]] = False
    squares = shapely.box(x_m - half, y_m - half, x_m + half, y_m + half)
    if area.border.core_m is not None:  # all of a sector's line, not only where its crossers start
        lit &= ~shapely.intersects(squares, shapely.LineString(area.border.xy_m))
    for zone in area.zones:
        if zone.kind == "no_look":
            lit &= ~shapely.intersects(squares, shapely.Polygon(zone.xy_m))
    return lit


def _least(seen: list[tuple[IntArray, SingleArray]], views: IntArray) -> tuple[IntArray, SingleArray]:
    """Cells that all these viewpoints see, and the least rate."""
    cell, least = seen[views[0]]
    for view in views[1:]:
        others, rate = seen[view]
        if len(others) == 0:
            return others, rate
        at = np.minimum(np.searchsorted(others, cell), len(others) - 1)
        both = others[at] == cell
        cell, least = cell[both], np.minimum(least[both], rate[at[both]])
    return cell, least


def factors(rate_hz: FloatArray, step_s: float) -> SingleArray:
    """exp(-rate * step) in float32, rounded up, never above 1."""
    exact = np.maximum(np.exp(-rate_hz * step_s) * (1.0 + 1e-15), LEAST_FACTOR)
    near = exact.astype(np.float32)
    return np.minimum(np.where(near < exact, np.nextafter(near, np.float32(2.0)), near), np.float32(1.0))


class View(Struct, frozen=True, kw_only=True, eq=False):
    """One crosser class before all aircraft: its graph, the kernel's handles, and where each aircraft's pieces begin.

    offsets: (aircraft + 1,) int32. start (pieces + 1,), cell, factor: what each piece sees. A plan is repeated
    `graph.divisions` times along its steps for this class.
    """

    graph: CrosserGraph
    arcs: Any
    seen: Any
    offsets: IntArray
    start: NDArray[np.int64]
    cell: IntArray
    factor: SingleArray


def view(
    area: Area, fleet: list[Aircraft], graph: CrosserGraph, cuts: list[Pieces], progress: Progress = lambda *_: None
) -> View:
    """Rates of every aircraft's pieces on one graph, as the kernels want them."""
    starts, offsets = [np.zeros(1, np.int64)], [0]
    cells: list[IntArray] = []
    values: list[SingleArray] = []
    for k, (aircraft, pieces) in enumerate(zip(fleet, cuts, strict=True)):
        start, cell, rate_hz = rates(
            area,
            aircraft,
            graph,
            pieces,
            lambda f, w, k=k: progress((k + f) / len(fleet), w),  # type: ignore[misc]
        )
        starts.append(start[1:] + sum(len(known) for known in cells))
        cells.append(cell)
        values.append(factors(rate_hz, graph.step_s))
        offsets.append(offsets[-1] + len(start) - 1)
    start, cell, factor = np.concatenate(starts), np.concatenate(cells), np.concatenate(values)
    return View(
        graph=graph,
        arcs=_kernels.arcs(graph.arc_start, graph.arc_to, graph.arc_tau, graph.starts),
        seen=_kernels.pieces(start, cell, factor, graph.count),
        offsets=np.array(offsets, np.int32),
        start=start,
        cell=cell,
        factor=factor,
    )


def same_nodes(one: CrosserGraph, other: CrosserGraph) -> bool:
    """Whether each node is the same place and shows the same: then what a piece sees of one is what it sees of the
    other."""
    return one.targets == other.targets and all(
        np.array_equal(a, b)
        for a, b in (
            (one.index, other.index),
            (one.cell, other.cell),
            (one.beside, other.beside),
            (one.node_target, other.node_target),
        )
    )


def with_graph(view: View, graph: CrosserGraph) -> View:
    """The same pieces before another class with the same nodes (`same_nodes`); factors change with its step."""
    factor = factors(-np.log(view.factor.astype(np.float64)) / view.graph.step_s * (1.0 - 1e-7), graph.step_s)
    return View(
        graph=graph,
        arcs=_kernels.arcs(graph.arc_start, graph.arc_to, graph.arc_tau, graph.starts),
        seen=_kernels.pieces(view.start, view.cell, factor, graph.count),
        offsets=view.offsets,
        start=view.start,
        cell=view.cell,
        factor=factor,
    )
