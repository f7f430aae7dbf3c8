"""Simulated crossings: naive crossers who take a quick way over the border, and crossers who walk a given route.

A naive crosser does not know the patrol. The way is the fastest one over the terrain from a border cell drawn evenly
along the border to the required depth (`patrol.crossers`), begun at a moment drawn evenly over the watch (or the times
of its class), at a typical speed: Tobler's off-path walker, or the class's driving speed. Adaptive crossers come from
`patrol.game` as routes with their own times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kuntur.errors import InfeasibleError
from kuntur.geodesy import grid, lines
from kuntur.model.place import Area, CrosserClass
from kuntur.patrol import crossers, paces
from kuntur.sim.world import SimulatedCrosser

FloatArray = NDArray[np.float64]

APPROACH_M: Final = 600.0  # chosen: where a naive crosser comes from, on the other side of the border
STEP_M: Final = 100.0  # chosen: spacing of a path's points
DRIVE_FACTOR: Final = 0.6  # chosen: a naive driver goes at this share of the class's greatest speed


def naive(area: Area, rng: np.random.Generator, n: int) -> list[SimulatedCrosser]:
    """n crossers of the classes that find a way, in turn, all through before the watch ends where it is short enough.

    Raises InfeasibleError where no class finds one.
    """
    routes = [ways for ways in (_Routes(area, crosser) for crosser in area.crossers) if ways.found]
    if not routes:
        raise InfeasibleError(
            f"None of the area's crossers finds a way over {area.border.name}.",
            remedy="Correct [[crosser]], [[water]] or [[road]].",
        )
    found = []
    for k in range(n):
        ways = routes[k % len(routes)]
        xy_m = ways.draw(rng)
        took_s = _times(area, ways.crosser, xy_m)
        crosser, latest_s = ways.crosser, max(area.requirement.duration_s - took_s[-1], 0.0)
        until_s = latest_s if crosser.start_until_s is None else min(latest_s, crosser.start_until_s)
        start_s = rng.uniform(min(crosser.start_from_s, until_s), until_s)
        found.append(from_route(f"naive-{k + 1}", ways.crosser, start_s + took_s, xy_m[:, 0], xy_m[:, 1]))
    return found


def from_route(
    crosser_id: str,
    crosser: CrosserClass,
    t_s: Sequence[float] | FloatArray,
    x_m: Sequence[float] | FloatArray,
    y_m: Sequence[float] | FloatArray,
) -> SimulatedCrosser:
    """A crosser who is at these points at these times. Points that do not advance in time are left out."""
    kept = [0]
    for k in range(1, len(t_s)):
        if t_s[k] > t_s[kept[-1]]:
            kept.append(k)
    return SimulatedCrosser(
        id=crosser_id,
        crosser_class=crosser.id,
        target=crosser.target,
        t_s=tuple(float(t_s[k]) for k in kept),
        x_m=tuple(float(x_m[k]) for k in kept),
        y_m=tuple(float(y_m[k]) for k in kept),
    )


class _Routes:
    """The fastest ways of one class from every border cell, and a draw among them."""

    def __init__(self, area: Area, crosser: CrosserClass) -> None:
        need = area.requirement
        self.crosser = crosser
        self._area = area
        self._graph = graph = crossers.graph(
            area, crossers.strip(area, need.crosser_cell_m), crosser, need.crosser_step_s
        )
        took, self._next = crossers.steps_to_goal(graph)
        self._starts = graph.starts[np.isfinite(took[graph.starts])]

    @property
    def found(self) -> bool:
        """Whether there is any way."""
        return len(self._starts) > 0

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Points (k, 2) of one way: from the other side, over the border, to the depth."""
        graph = self._graph
        length_m = float(lines.chainages(self._area.border.xy_m)[-1])
        at_m = rng.uniform(0.0, length_m)
        cell = int(self._starts[np.argmin(np.abs(graph.chainage_m[self._starts] - at_m))])
        cells = []
        while cell != graph.count:
            cells.append(cell)
            cell = int(self._next[cell])
        path = np.stack([graph.x_m[cells], graph.y_m[cells]], axis=-1)
        inward = self._inward(path[0])
        outside = path[0] - inward * (APPROACH_M + graph.inward_m[cells[0]])
        beyond = path[-1] + self._inward(path[-1]) * (self._area.requirement.depth_m - graph.inward_m[cells[-1]] + 50.0)
        return lines.densify(np.vstack([outside, path, beyond]), STEP_M)

    def _inward(self, at_m: FloatArray) -> FloatArray:
        """Unit vector away from the border into our side."""
        border, ours = self._area.border.xy_m, self._area.border.ours
        around = at_m + np.array([[25.0, 0.0], [-25.0, 0.0], [0.0, 25.0], [0.0, -25.0]])
        _, d = lines.inward_offset(border, ours, around[:, 0], around[:, 1])
        slope = np.array([d[0] - d[1], d[2] - d[3]])
        return slope / max(float(np.linalg.norm(slope)), 1e-9)


def _times(area: Area, crosser: CrosserClass, xy_m: FloatArray) -> FloatArray:
    """Seconds from the start at each point, at the class's typical speed; unknown ground counts as flat."""
    step_m = np.hypot(*np.diff(xy_m, axis=0).T)
    if crosser.mode == "drive":
        speed_mps = np.full(len(step_m), paces.OFF_ROAD_MPS * DRIVE_FACTOR)
    else:
        rise_m = np.nan_to_num(np.diff(grid.height_at(area.terrain, xy_m[:, 0], xy_m[:, 1])))
        speed_mps = paces.tobler_mps(np.clip(rise_m / step_m, -1.0, 1.0)) * paces.OFF_PATH_FACTOR
    return np.concatenate([[0.0], np.cumsum(step_m / (speed_mps * crosser.speed_factor))])
