"""The gimbal on the flight lattice: every way may be flown with each look that its aircraft is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from kuntur.model.place import Area
from kuntur.model.plans import SWEEP, Look, LookKind
from kuntur.patrol.flights import FlightNet
from kuntur.visibility import detection, looks


def with_looks(area: Area, net: FlightNet, kinds: Sequence[LookKind]) -> FlightNet:
    """The lattice with each arc again for every look of these kinds that is aimed from its middle (`looks.aimed`).

    Arcs from and to the base, or on the ground, keep their sweep alone: climbing and landing aircraft are no place to
    aim from. With nothing but sweeps it is the same lattice.
    """
    if set(kinds) == {"sweep"}:
        return net
    reach_m = max(detection.max_range_m(net.aircraft.camera, c.target, area.weather) for c in area.crossers)
    numbers: dict[Look, int] = {SWEEP: 0}
    arcs: list[int] = []
    arc_look: list[int] = []
    for a in range(len(net.arc_to)):
        own: tuple[Look, ...] = (SWEEP,)
        if max(net.arc_from[a], net.arc_to[a]) < net.base_node:
            x_m, y_m = 0.5 * (net.node_m[net.arc_from[a], :2] + net.node_m[net.arc_to[a], :2])
            own = looks.aimed(area, kinds, float(x_m), float(y_m), reach_m)
        arcs += [a] * len(own)
        arc_look += [numbers.setdefault(look, len(numbers)) for look in own]
    again = np.array(arcs)
    lengths = np.diff(net.vertex_start)[again]
    vertex = np.concatenate([np.arange(net.vertex_start[a], net.vertex_start[a + 1]) for a in arcs])
    return replace(
        net,
        arc_start=np.searchsorted(net.arc_from[again], np.arange(len(net.node_m) + 1)).astype(np.int32),
        arc_from=net.arc_from[again],
        arc_to=net.arc_to[again],
        arc_steps=net.arc_steps[again],
        arc_use_s=net.arc_use_s[again],
        arc_look=np.array(arc_look, np.int32),
        looks=tuple(numbers),
        vertex_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        vertex_t_s=net.vertex_t_s[vertex],
        vertex_m=net.vertex_m[vertex],
    )
