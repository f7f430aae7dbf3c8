"""A border that no aircraft reaches: ways through ground which nobody sees from anywhere he may fly.

Against such a way every plan is worth 0, so this is said before planning and not after it.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from kuntur.errors import InfeasibleError
from kuntur.patrol.exposure import View
from kuntur.patrol.flights import FlightNet

FloatArray = NDArray[np.float64]


class BlindWay(Struct, frozen=True, kw_only=True):
    """Where unseen ways begin: the stretch of border (first and last chainage), their share of the border's cells, and
    the time of the quickest."""

    from_m: float
    to_m: float
    share: float
    least_s: float


def blind_way(view: View, window_s: float) -> BlindWay | None:
    """The ways of a class that no piece of any aircraft ever sees and that fit into window_s; None without one."""
    graph = view.graph
    hidden = np.ones(graph.count + 1, bool)
    hidden[np.unique(view.cell)] = False
    hidden[graph.count] = True
    tail = np.repeat(np.arange(graph.count), np.diff(graph.arc_start))
    kept = hidden[tail] & hidden[graph.arc_to]
    size = graph.count + 1
    backwards = csr_array((graph.arc_tau[kept].astype(float), (graph.arc_to[kept], tail[kept])), shape=(size, size))
    to_goal_s = dijkstra(backwards, indices=graph.count)[graph.starts] * graph.step_s
    through = to_goal_s <= window_s
    if not through.any():
        return None
    at_m = graph.chainage_m[graph.starts[through]]
    return BlindWay(
        from_m=float(at_m.min()),
        to_m=float(at_m.max()),
        share=float(through.mean()),
        least_s=float(to_goal_s.min()),
    )


def require_sight(views: list[View], nets: list[FlightNet], window_s: float) -> None:
    """Raise InfeasibleError when some required class has a way that nobody can ever see."""
    for view in views:
        way = blind_way(view, window_s)
        if way is None:
            continue
        starts = view.graph.starts
        inside = (view.graph.chainage_m[starts] >= way.from_m) & (view.graph.chainage_m[starts] <= way.to_m)
        x_m, y_m = view.graph.x_m[starts[inside]], view.graph.y_m[starts[inside]]
        points = np.concatenate([net.node_m[np.unique(net.arc_from[net.arc_from < net.base_node]), :2] for net in nets])
        nearest_m = np.hypot(x_m[:, None] - points[None, :, 0], y_m[:, None] - points[None, :, 1]).min(axis=1)
        raise InfeasibleError(
            f"No aircraft ever sees all of the border: {view.graph.crosser.name} gets through unseen from "
            f"{way.share:.0%} of its cells, between km {way.from_m / 1000.0:.1f} and {way.to_m / 1000.0:.1f}, in "
            f"{way.least_s / 60.0:.0f} min at the quickest. The lattice of the fleet passes those cells at "
            f"{nearest_m.min() / 1000.0:.1f} to {nearest_m.max() / 1000.0:.1f} km. No plan of this fleet can promise "
            "more than 0.",
            remedy="Give the fleet a base, a radio mast or a camera that reaches there, shorten [border] from_km .. "
            "to_km, or plan all the same with --accept-best.",
        )
