"""The checker's look at sight: is what the floor counts on really to be seen from the schedule as written?

The floor rests on a table: so much exposure for somebody in this cell while that segment flies that step. A sample of
its entries, drawn from the plan's own hash so that nobody can choose it, is computed again here from the schedule and
the terrain: rays walked through the grid in NumPy, the surface linear between posts at every row and column line they
cross, the earth's curve, the margin for the terrain's own error, and every terrain cell inside the crosser's cell. The
least of those must not be below what the table says. The worth of one look is `visibility`'s: there is one model of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.geodesy import grid
from kuntur.model.assets import Aircraft
from kuntur.model.place import Area, Shown, Terrain
from kuntur.model.plans import SWEEP, Look, Segment, Strategy
from kuntur.units import EARTH_RADIUS_M, REFRACTION_COEFFICIENT
from kuntur.visibility import detection, looks

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SAMPLES: Final = 400
MOST_SHORT: Final = 0.02  # of the sample; between viewpoints the planner does not look (a caveat of every certificate)
MOMENTS: Final = 12  # at which a step is looked at: its middle twelfths
SHORTFALL: Final = 1e-3  # of a claim that is passed over: rounding of places to 1 cm and of factors to single precision
_RAYS: Final = 4000  # walked at once


class Claim(Struct, frozen=True, kw_only=True, eq=False):
    """One entry of the table: in step `step` of its wave (seconds begin_s to end_s) this segment gives `exposure` to
    somebody who shows `target` in one of these terrain cells (rows, cols)."""

    segment: Segment
    begin_s: float
    end_s: float
    target: Shown
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    exposure: float


class Shortfall(Struct, frozen=True, kw_only=True, eq=False):
    """A claim and what the terrain gives."""

    claim: Claim
    seen: float


def faults(area: Area, planned: Strategy, claims: list[Claim]) -> list[str]:
    """What is claimed and not there, in words; empty where no more is missing than hides between two viewpoints.

    A plan's certificate says that it looks from viewpoints and not between them. So up to MOST_SHORT of the entries may
    fall short, as long as all together are worth no more than the terrain gives.
    """
    short = shortfalls(area, planned, claims)
    missing = sum(one.claim.exposure - one.seen for one in short)
    total = sum(claim.exposure for claim in claims)
    if len(short) <= MOST_SHORT * len(claims) and missing <= MOST_SHORT * total:
        return []
    return [
        f"segment {s.claim.segment.id} ({s.claim.segment.aircraft_id}, wave {s.claim.segment.wave}): "
        f"{s.claim.begin_s:.0f} s into the watch the floor counts on an exposure of {s.claim.exposure:.4f} of a "
        f"{s.claim.target.replace('_', ' ')} {_place(area, s.claim)}, the terrain gives {s.seen:.4f}"
        for s in short
    ]


def _place(area: Area, claim: Claim) -> str:
    x_m, y_m = _centres(area.terrain, claim.rows, claim.cols)
    return f"near x {x_m.mean():.0f} m, y {y_m.mean():.0f} m"


def shortfalls(area: Area, planned: Strategy, claims: list[Claim]) -> list[Shortfall]:
    """The claims that the terrain does not keep."""
    found = []
    for claim in claims:
        seen = exposure(area, planned, claim)
        if seen < claim.exposure * (1.0 - SHORTFALL) - 1e-9:
            found.append(Shortfall(claim=claim, seen=seen))
    return found


def draw(
    planned: Strategy, seed_hex: str, view: Any, plans: tuple[NDArray[np.int32], ...], promised: range, count: int
) -> list[Claim]:
    """Entries of the table, each drawn the same way: a wave, a column, an aircraft, a step, a node that it sees.

    view: the table (`patrol.exposure.View`): pieces seen, nodes, factors. plans: the piece of each (column, aircraft,
    step) of the promised waves. seed_hex: the schedule's hash.
    """
    rng = np.random.default_rng(int(seed_hex, 16))
    segments = {s.id: s for s in planned.segments}
    found: list[Claim] = []
    for _ in range(60 * count):
        if len(found) == count:
            break
        w = int(rng.integers(len(plans)))
        wave = planned.waves[promised[w]]
        c, k, step = (int(rng.integers(n)) for n in plans[w].shape)
        piece = int(plans[w][c, k, step])
        if piece < 0 or view.start[piece] == view.start[piece + 1]:
            continue
        entry = int(rng.integers(view.start[piece], view.start[piece + 1]))
        step_s = (wave.end_s - wave.start_s) / plans[w].shape[2]
        node, begin_s = int(view.cell[entry]), wave.start_s + step * step_s
        rows, cols = _inside(view.graph, node)
        found.append(
            Claim(
                segment=segments[wave.columns[c].segment_ids[k]],
                begin_s=begin_s,
                end_s=begin_s + step_s,
                target=view.graph.targets[view.graph.node_target[node]],
                rows=rows,
                cols=cols,
                exposure=-math.log(float(view.factor[entry])) * view.graph.divisions,
            )
        )
    return found


def _inside(graph: Any, node: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Terrain rows and columns of the cell of a node, and of the one beside it."""
    cells = graph.cells
    rows, cols = [], []
    for cell in {int(graph.cell[node]), int(graph.beside[node])}:
        (r,), (c,) = np.nonzero(graph.index == cell)
        inner = np.arange(cells.factor)
        row, col = np.meshgrid(cells.row0 + r * cells.factor + inner, cells.col0 + c * cells.factor + inner)
        rows.append(row.ravel())
        cols.append(col.ravel())
    return np.concatenate(rows), np.concatenate(cols)


def exposure(area: Area, planned: Strategy, claim: Claim) -> float:
    """What the worst terrain cell gives: the mean rate at MOMENTS of the step, times its length; 0 over a void."""
    s = claim.segment
    aircraft = next(a for a in area.fleet.aircraft if a.id == s.aircraft_id)
    moment = claim.begin_s + (np.arange(MOMENTS) + 0.5) / MOMENTS * (claim.end_s - claim.begin_s)
    eyes = np.stack([np.interp(moment, s.t_s, axis) for axis in (s.x_m, s.y_m, s.alt_msl_m)], axis=-1)
    flying = (moment >= s.t_s[0]) & (moment <= s.t_s[-1])
    x_m, y_m = _centres(area.terrain, claim.rows, claim.cols)
    ground = area.terrain.heights_m[claim.rows, claim.cols].astype(float)
    feet = np.stack([x_m, y_m, ground + detection.VISIBLE_HEIGHT_M[claim.target]], axis=-1)
    rate = _rates_of(area, aircraft, claim.target)
    total = np.zeros(len(feet))
    for i in np.flatnonzero(flying):
        look = (
            s.looks[min(max(int(np.searchsorted(s.t_s, moment[i], side="right")) - 1, 0), len(s.looks) - 1)]
            if s.looks
            else SWEEP
        )
        total += rate(look, eyes[i], feet) * clear(area, eyes[i], feet)
    return float((total * (claim.end_s - claim.begin_s) / MOMENTS).min())


def _centres(terrain: Terrain, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    x_m, y_m = terrain.west_m + (cols + 0.5) * terrain.cell_m, terrain.north_m - (rows + 0.5) * terrain.cell_m
    return np.asarray(x_m, float), np.asarray(y_m, float)


def _rates_of(area: Area, aircraft: Aircraft, target: Shown) -> Callable[[Look, FloatArray, FloatArray], FloatArray]:
    """Rate in 1/s of a look at points (n, 3) from one place, if nothing stands between."""
    targets = {shown for crosser in area.crossers for shown in (crosser.target,)}

    def rate(look: Look, eye: FloatArray, feet: FloatArray) -> FloatArray:
        search = looks.search_of(look.kind, aircraft.camera, targets, area.requirement.height_agl_m, area.weather)
        away = feet - eye
        across = np.hypot(away[:, 0], away[:, 1])
        below = across**2 * _BEND_PER_M - away[:, 2]
        found = detection.detection_rate_hz(
            aircraft.camera, search, target, area.weather, np.hypot(across, below), np.arctan2(below, across)
        )
        if look.kind != "sweep":
            bearing = np.arctan2(away[:, 0], away[:, 1])
            off = np.abs((bearing - look.azimuth_rad + math.pi) % (2.0 * math.pi) - math.pi)
            found = np.where(off <= looks.SECTOR_RAD / 2.0, found, 0.0)
        return np.asarray(found)

    return rate


_BEND_PER_M: Final = (1.0 - REFRACTION_COEFFICIENT) / (2.0 * EARTH_RADIUS_M)


def clear(area: Area, eye_m: FloatArray, feet_m: FloatArray) -> BoolArray:
    """Whether the sight lines from the points (n, 3) to the eye clear the surface, with the margin for its error."""
    surface = grid.surface(area.terrain)
    parts = [feet_m[i : i + _RAYS] for i in range(0, len(feet_m), _RAYS)]
    return np.concatenate([_clear(area, surface, eye_m, part) for part in parts])


def _clear(area: Area, surface: Terrain, eye_m: FloatArray, feet_m: FloatArray) -> BoolArray:
    known = ~np.isnan(feet_m[:, 2])
    row1, col1 = grid.to_index(surface, eye_m[0], eye_m[1])
    row0, col0 = grid.to_index(surface, feet_m[:, 0], feet_m[:, 1])
    length = np.hypot(feet_m[:, 0] - eye_m[0], feet_m[:, 1] - eye_m[1])
    free = known.copy()
    for first, last, other0, other1, by_row in (
        (row0, float(row1), col0, float(col1), True),
        (col0, float(col1), row0, float(row1), False),
    ):
        span = last - first
        count = int(np.ceil(np.abs(span).max(initial=0.0))) + 1
        line = np.floor(np.minimum(first, last))[:, None] + 1.0 + np.arange(count)
        crossed = (line > np.minimum(first, last)[:, None]) & (line < np.maximum(first, last)[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(crossed, (line - first[:, None]) / span[:, None], 0.5)
        across = other0[:, None] + share * (other1 - other0)[:, None]
        top = _on_line(surface, np.where(crossed, line, 0.0), np.where(crossed, across, 0.0), by_row)
        d, rest = share * length[:, None], (1.0 - share) * length[:, None]
        sight = feet_m[:, 2:] + share * (eye_m[2] - feet_m[:, 2])[:, None] - _BEND_PER_M * d * rest
        free &= ~(crossed & ~(sight >= top + _margin_m(area, share, d))).any(axis=1)
    return np.asarray(free)


def _on_line(surface: Terrain, line: FloatArray, across: FloatArray, by_row: bool) -> FloatArray:
    """Height where a row line (or column line) is crossed: linear between its two posts; NaN outside or over a void."""
    most = (surface.rows if by_row else surface.cols) - 1, (surface.cols if by_row else surface.rows) - 1
    inside = (line >= 0) & (line <= most[0]) & (across >= 0) & (across <= most[1])
    fixed = np.where(inside, line, 0).astype(int)
    low = np.minimum(np.floor(np.where(inside, across, 0)).astype(int), max(most[1] - 1, 0))
    part = np.where(inside, across, 0.0) - low
    h = surface.heights_m
    a, b = (h[fixed, low], h[fixed, low + 1]) if by_row else (h[low, fixed], h[low + 1, fixed])
    with np.errstate(invalid="ignore"):
        mixed = np.where(part == 0.0, a, np.where(part == 1.0, b, a * (1.0 - part) + b * part))
    return np.where(inside, mixed, np.nan)


def _margin_m(area: Area, share: FloatArray, d_m: FloatArray) -> FloatArray:
    """What the terrain is raised by: wanted standard deviations of the error of obstacle against line (decision 0017).

    The obstacle's error and the far end's share w of the target's, correlated over the distance between them.
    """
    error, asked = area.terrain.error, area.requirement.certainty_prob
    if error is None or asked == 0.0:
        return np.zeros_like(share)
    w = 1.0 - share
    variance = 1.0 + w * w - 2.0 * w * np.exp(-d_m / error.correlation_m)
    return np.asarray(NormalDist().inv_cdf(0.5 * (1.0 + asked)) * error.sigma_m * np.sqrt(np.maximum(variance, 0.0)))
