"""Where the quick ways of a class run: how long from the border, how long still to go, and where many of them meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.model.place import Area, CrosserClass
from kuntur.patrol import crossers
from kuntur.patrol.crossers import CrosserGraph

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

STEP_S: Final = 1.0  # as good as no rounding
NEAR: Final = 0.3  # chosen: ways up to about this much longer than the quickest count as quick


class Corridors(Struct, frozen=True, kw_only=True, eq=False):
    """Quick ways of one class. from_border_s, to_go_s: (n,) of the graph's nodes, inf where there is no way.

    onward: (n,) int32, the next node on the quickest way out, as `crossers.steps_to_goal`. border_m: (rows, cols), NaN
    outside: the length of border whose quick ways lead through the cell.
    """

    graph: CrosserGraph
    from_border_s: FloatArray
    to_go_s: FloatArray
    onward: IntArray
    border_m: FloatArray

    def grid(self, values: FloatArray) -> FloatArray:
        """(rows, cols): the least value of the nodes at each cell's centre, NaN where there is none or it is inf."""
        graph = self.graph
        centre = graph.cell == graph.beside
        least = np.full(int(graph.cell.max()) + 1, np.inf)
        np.minimum.at(least, graph.cell[centre], values[centre])
        table = np.where(graph.index >= 0, least[graph.index], np.inf)
        return np.where(np.isfinite(table), table, np.nan)

    def route(self, start: int) -> IntArray:
        """Nodes of the quickest way from a start that has one; the goal is left out."""
        found = [start]
        while self.onward[found[-1]] != self.graph.count:
            found.append(int(self.onward[found[-1]]))
        return np.array(found, np.int32)


def corridors(
    area: Area,
    crosser: CrosserClass,
    rng: np.random.Generator,
    *,
    samples: int = 24,
    progress: Progress = lambda *_: None,
) -> Corridors:
    """The quick ways of a class: 16 directions, times as good as unrounded, on the planning lattice.

    For each sample all times are made longer by up to 2 x NEAR, each by its own draw, and the quickest ways of that
    ground are counted: so nobody's way has to be the very quickest. Raises BorderError as `crossers.graph`.
    """
    need = replace(area.requirement, neighbours=16)
    graph = crossers.graph(
        replace(area, requirement=need),
        crossers.strip(area, need.crosser_cell_m),
        replace(crosser, hides=False),
        STEP_S,
    )
    to_go, onward = crossers.steps_to_goal(graph)
    from_border = crossers.steps_from_border(graph)
    length_m = float(np.ptp(graph.chainage_m[graph.starts])) if len(graph.starts) else 0.0
    flow = np.zeros(graph.count)
    for k in range(samples):
        progress(k / samples, crosser.name)
        longer = rng.uniform(1.0, 1.0 + 2.0 * NEAR, len(graph.arc_tau))
        flow += _flow(graph, *crossers.steps_to_goal(graph, longer=longer)) / samples
    at_cell = np.zeros(int(graph.cell.max()) + 1)
    for cells in (graph.cell, graph.beside):  # a way over an edge is half in each of both cells
        np.add.at(at_cell, cells, 0.5 * flow)
    each_m = length_m / max(len(graph.starts), 1)
    return Corridors(
        graph=graph,
        from_border_s=from_border * graph.step_s,
        to_go_s=to_go * graph.step_s,
        onward=onward,
        border_m=np.where(graph.index >= 0, at_cell[graph.index] * each_m, np.nan),
    )


def _flow(graph: CrosserGraph, took: FloatArray, onward: IntArray) -> FloatArray:
    """How many of the starts have their way through each node."""
    flow = np.zeros(graph.count + 1)
    flow[graph.starts] = np.isfinite(took[graph.starts])
    order = np.argsort(-took, kind="stable")  # whoever is farther from the goal comes first
    for node in order[np.isfinite(took[order])].tolist():
        flow[onward[node]] += flow[node]
    return flow[:-1]
