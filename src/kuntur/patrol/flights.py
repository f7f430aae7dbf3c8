"""What can be flown: a terrain-safe lattice for each aircraft.

Nodes are the centres of `flight_cell_m` cells on our side, `height_agl_m` above the highest ground within
`CIRCLE_M`; each aircraft of the fleet has its own layer, `LAYER_M` above the one before, so columns are deconflicted by
construction. A leg between neighbours is kept if it clears the ground in a corridor, stays on our side, outside no-fly
zones and within radio reach of a base; where the straight line is too low the aircraft climbs over a node first and
flies level.
Times are rounded up to whole steps; an aircraft that is early circles over the node. Energy is rounded up and counted
in seconds of endurance at the least of that aircraft's heights, after the reserve of `aircraft.performance`.

From every node and every vertex of a leg the way home is open: see `legs.with_way_home`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import shapely
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.aircraft import path, performance, wind
from kuntur.errors import InfeasibleError
from kuntur.geodesy import grid, lines
from kuntur.model.assets import Aircraft, Base, Rally
from kuntur.model.place import Area, Lattice
from kuntur.model.plans import SWEEP, Look
from kuntur.patrol import legs
from kuntur.patrol.legs import Arc, arc, cannot, least, line_of, with_way_home
from kuntur.visibility import detection, radio

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

LAYER_M: Final = 60.0  # vertical separation of aircraft: our choice, twice the 30 m height error allowed to each
CIRCLE_M: Final = 400.0  # around a node, for circling: twice the turn radius of the fastest wing we list
CORRIDOR_M: Final = 150.0  # a leg must be clear of all ground this far to either side: our choice
LEG_CLEARANCE_SHARE: Final = 0.5  # of height_agl_m, kept over the highest ground of a leg's corridor: our choice
REACH_SHARE: Final = 0.2  # of the camera's reach: flying higher wastes it on height; measured flat up to about here
CLIMB_LOSS: Final = 8.0  # a leg may take this many times its level time for the climb before nodes are raised: tuned
SAMPLE_M: Final = 100.0  # legs are looked at this often for border, zones and radio
BASE_LINKS: Final = 6  # nodes nearest to a base that it is joined to


class Relief(Struct, frozen=True, kw_only=True, eq=False):
    """The flight lattice before any aircraft: node xy, lowest safe node altitude, and neighbour legs.

    xy_m (n, 2), ground_m (n,) highest ground within CIRCLE_M, legs (m, 2) node numbers, leg_low_m (m,): the lowest
    altitude that is clear over the whole leg's corridor; leg_straight_m (m,): clearance of the straight line between
    the nodes' ground_m.
    """

    xy_m: FloatArray
    ground_m: FloatArray
    inward_m: FloatArray
    chainage_m: FloatArray
    legs: IntArray
    leg_low_m: FloatArray
    leg_straight_m: FloatArray


class FlightNet(Struct, frozen=True, kw_only=True, eq=False):
    """One aircraft's lattice. Arc a leaves its node for arc_to[a] in arc_steps[a]. Node n is its base before take-off,
    node n + 1 its base after landing, so no way leads through the base; waiting there costs no endurance.

    node_m (n + 2, 3) x, y, alt_msl. arc_use_s: endurance used, rounded up. Vertices of arc a, in seconds after its
    start: vertex_start[a] <= i < vertex_start[a + 1] into vertex_t_s and vertex_m. usable_s: endurance after the
    reserve. climb_mps: at its highest node. arc_look: what the camera does on the way, a number in `looks`. refuge_s
    (n + 2,): endurance to the nearest base or rally point with the strongest wind against every leg; None where it was
    not computed.
    """

    aircraft: Aircraft
    base: Base
    step_s: float
    node_m: FloatArray
    inward_m: FloatArray
    chainage_m: FloatArray
    arc_start: IntArray
    arc_from: IntArray
    arc_to: IntArray
    arc_steps: IntArray
    arc_use_s: FloatArray
    arc_look: IntArray
    vertex_start: IntArray
    vertex_t_s: FloatArray
    vertex_m: FloatArray
    usable_s: float
    climb_mps: float
    power_w: float | None
    looks: tuple[Look, ...] = (SWEEP,)
    refuge_s: FloatArray | None = None

    @property
    def base_node(self) -> int:
        """On the ground, before take-off."""
        return len(self.node_m) - 2

    @property
    def landed_node(self) -> int:
        """On the ground, after landing."""
        return len(self.node_m) - 1

    @property
    def flying(self) -> BoolArray:
        """(arcs,): which arcs are flown; the others wait on the ground."""
        return (self.arc_from < self.base_node) | (self.arc_to < self.base_node)


def relief(area: Area) -> Relief:
    """The nodes and legs that ground, border and lattice allow to any aircraft. InfeasibleError when there are none."""
    need = area.requirement
    border = area.border
    far_m = need.depth_m + need.flight_cell_m
    cells = _cells(area, far_m)
    x_m, y_m = cells.centres()
    gx, gy = np.meshgrid(x_m, y_m)
    chainage, inward = lines.inward_offset(border.xy_m, border.ours, gx, gy)
    length_m = float(lines.chainages(border.xy_m)[-1])
    wanted = (inward > 0.0) & (inward <= far_m) & (chainage > 0.0) & (chainage < length_m)
    for base in (b for b in area.bases if any(a.base_id == b.id for a in area.fleet.aircraft)):
        _, base_m = lines.inward_offset(border.xy_m, border.ours, base.x_m, base.y_m)
        way = np.hypot(gx - base.x_m, gy - base.y_m) <= max(float(base_m[0]) - need.depth_m, 2.0 * need.flight_cell_m)
        wanted |= way & (inward > 0.0)
    ground = np.full(wanted.shape, np.nan)  # stays NaN where a void may hide a peak
    for r, c in zip(*np.nonzero(wanted), strict=True):
        spot = np.array([[gx[r, c], gy[r, c], 0.0]] * 2)
        ground[r, c] = -path.clearance_m(area.terrain, spot, CIRCLE_M)[0]
    kept = wanted & ~np.isnan(ground)
    number = np.full(kept.shape, -1, np.int32)
    number[kept] = np.arange(int(kept.sum()))
    xy = np.stack([gx[kept], gy[kept]], axis=-1)
    if len(xy) == 0:
        raise InfeasibleError(
            f"No flight node lies behind the border: of {int(wanted.sum())} cells of {need.flight_cell_m:.0f} m within "
            f"{far_m / 1000.0:.1f} km none is without a void of the terrain within {CIRCLE_M:.0f} m of its middle."
            if wanted.any()
            else f"No flight node lies behind the border: no cell of {need.flight_cell_m:.0f} m within "
            f"{far_m / 1000.0:.1f} km has its middle on our side of it and on the terrain.",
            remedy="Use terrain without voids on our side, widen [extent], or lower [requirement] flight_cell_m.",
        )
    pairs = []
    for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = number[: cells.rows - dr, max(0, -dc) : cells.cols - max(0, dc)]
        there = number[dr:, max(0, dc) : cells.cols + min(0, dc)]
        both = (here >= 0) & (there >= 0)
        pairs.append(np.stack([here[both], there[both]], axis=-1))
    legs = np.concatenate(pairs)
    low, straight = np.full(len(legs), np.nan), np.full(len(legs), np.nan)
    for i, (a, b) in enumerate(legs):
        ends = np.array([[*xy[a], ground[kept][a]], [*xy[b], ground[kept][b]]])
        top = float(ends[:, 2].max())
        level = ends.copy()
        level[:, 2] = top
        low[i] = top - float(path.clearance_m(area.terrain, level, CORRIDOR_M)[0])
        straight[i] = float(path.clearance_m(area.terrain, ends, CORRIDOR_M)[0])
    return Relief(
        xy_m=xy,
        ground_m=ground[kept],
        inward_m=inward[kept],
        chainage_m=chainage[kept],
        legs=legs,
        leg_low_m=low,
        leg_straight_m=straight,
    )


def _cells(area: Area, far_m: float) -> Lattice:
    points = np.concatenate([area.border.xy_m, [[b.x_m, b.y_m] for b in area.bases]])
    low, high = points.min(axis=0) - far_m, points.max(axis=0) + far_m
    return grid.lattice(
        area.terrain, area.requirement.flight_cell_m, (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    )


def height_m(area: Area, aircraft: Aircraft) -> float:
    """Height above the highest ground of a cell: the required one, or less where the camera sees too short for it."""
    reach_m = min(detection.max_range_m(aircraft.camera, c.target, area.weather) for c in area.crossers)
    if reach_m == 0.0:
        raise InfeasibleError(
            f"{aircraft.name} finds nobody with its camera {aircraft.camera.name} by {area.weather.light} with "
            f"{area.weather.visibility_m:.0f} m of visibility.",
            remedy="Give it a thermal or low-light camera, leave it out of the fleet, or correct [weather] light and "
            "visibility_m.",
        )
    return min(area.requirement.height_agl_m, REACH_SHARE * reach_m)


def margin_m(airspeed_mps: float, wind_mps: float = 0.0) -> float:
    """How far an aircraft keeps from border and no-fly zones: its turn radius over the ground in the strongest wind,
    and 100 m of navigation error."""
    return 100.0 + performance.turn_radius_m(airspeed_mps + wind_mps)


def net(area: Area, ground: Relief, aircraft: Aircraft, layer: int, step_s: float) -> FlightNet:
    """The lattice of one aircraft. InfeasibleError names what binds: ceiling, wind, zones, radio, endurance."""
    _flyable(area, ground, aircraft, layer)
    try:
        return _net(area, ground, aircraft, layer, step_s)
    except InfeasibleError as error:
        binding = _binding(area, ground, aircraft, layer, step_s)
        if not binding:
            raise
        raise InfeasibleError(f"{error.message} What binds: {binding}.", remedy=error.remedy) from error


def _binding(area: Area, ground: Relief, aircraft: Aircraft, layer: int, step_s: float) -> str:
    """Which constraints, each lifted alone, would let the aircraft reach the strip; empty when none would."""
    need, frame, radio_id = area.requirement, aircraft.airframe, aircraft.radio.name
    no_fly = [zone for zone in area.zones if zone.kind == "no_fly"]
    calm = replace(area.weather, wind_speed_mps=0.0, winds=())
    lasting = replace(frame, endurance_s=100.0 * frame.endurance_s, battery_wh=None, rotor_disc_area_m2=None)
    climb_mps = frame.max_climb_mps or performance.CLIMB_ASSUMED_MPS
    lower = replace(need, height_agl_m=0.5 * need.height_agl_m)
    lifted = [
        (f"the no-fly zone {z.id}", replace(area, zones=tuple(o for o in area.zones if o is not z)), aircraft)
        for z in no_fly
    ]
    if len(no_fly) > 1:
        names = ", ".join(z.id for z in no_fly)
        free = replace(area, zones=tuple(z for z in area.zones if z.kind != "no_fly"))
        lifted.append((f"the no-fly zones {names} together", free, aircraft))
    if need.radio_required:
        masts = ", ".join(base.id for base in area.bases)
        lifted.append(
            (
                f"the radio ({radio_id} to {masts})",
                replace(area, requirement=replace(need, radio_required=False)),
                aircraft,
            )
        )
    lifted += [
        (f"the wind of {wind.strongest_mps(area.weather):.1f} m/s", replace(area, weather=calm), aircraft),
        ("the endurance", area, replace(aircraft, airframe=lasting)),
        ("the climb rate", area, replace(aircraft, airframe=replace(frame, max_climb_mps=5.0 * climb_mps))),
        (f"the working height of {need.height_agl_m:.0f} m", replace(area, requirement=lower), aircraft),
    ]
    binding = []
    for words, place, one in lifted:
        try:
            _net(place, ground, one, layer, step_s)
        except InfeasibleError:
            continue
        binding.append(words)
    return " or ".join(binding)


def _net(area: Area, ground: Relief, aircraft: Aircraft, layer: int, step_s: float) -> FlightNet:
    base = next(b for b in area.bases if b.id == aircraft.base_id)
    need = area.requirement
    height = height_m(area, aircraft)
    at_base, alt, flyable = _flyable(area, ground, aircraft, layer)
    alt = _climbable(ground.xy_m, alt, flyable, aircraft, area)
    if aircraft.airframe.kind == "fixed_wing":
        keep_m = margin_m(at_base.max_airspeed_mps, wind.strongest_mps(area.weather))
    else:
        keep_m = margin_m(at_base.airspeed_mps)
    inside = flyable & (ground.inward_m >= keep_m)
    allowed = inside & _outside_zones(area, ground.xy_m, alt, keep_m)
    if not allowed.any():
        cause = "no-fly zones" if inside.any() else f"the border, from which it keeps {keep_m:.0f} m,"
        raise cannot(aircraft, f"may fly nowhere: {cause} leave it none of {int(flyable.sum())} flight nodes")
    points = np.column_stack([ground.xy_m, alt])
    if need.radio_required:
        linked = _linked(area, points, aircraft)
        if not (allowed & linked).any():
            raise cannot(aircraft, f"has no radio link ({aircraft.radio.name}) to any base from any flight node")
        allowed &= linked
    ways = _ways(area, ground, aircraft, alt, allowed, keep_m, at_base.max_alt_msl_m)
    ways += _base_ways(area, base, points, allowed, height, at_base, keep_m)
    reached = _reachable(ways, len(points), len(points))
    ways = [w for w in ways if reached[w[0]] and reached[w[1]]]
    if not any(ground.inward_m[i] <= need.depth_m for i in np.flatnonzero(reached[:-1])):
        raise cannot(
            aircraft,
            f"cannot reach the strip behind the border from {base.name}: the way is cut off by height (it reaches "
            f"{at_base.max_alt_msl_m:.0f} m), zones or radio",
        )
    return _build(area, aircraft, base, points, ground, ways, step_s, keep_m)


def _flyable(
    area: Area, ground: Relief, aircraft: Aircraft, layer: int
) -> tuple[performance.Budget, FloatArray, BoolArray]:
    """What the aircraft can do at its base, the altitude of each node, and whether it can fly there."""
    base = next(b for b in area.bases if b.id == aircraft.base_id)
    at_base = performance.loaded_budget(aircraft, base.alt_msl_m, area.weather)
    if not at_base.can_fly:
        raise cannot(aircraft, f"cannot leave its base {base.name}: {at_base.why}")
    alt = ground.ground_m + height_m(area, aircraft) + layer * LAYER_M
    flyable = alt <= at_base.max_alt_msl_m
    if not flyable.any():
        raise cannot(
            aircraft,
            f"cannot fly above the strip: it reaches {at_base.max_alt_msl_m:.0f} m in this air with its payload "
            f"(published ceiling {aircraft.airframe.ceiling_msl_m:.0f} m), the lowest node is at {alt.min():.0f} m",
        )
    return at_base, alt, np.asarray(flyable)


def _climbable(xy_m: FloatArray, alt_m: FloatArray, flyable: BoolArray, aircraft: Aircraft, area: Area) -> FloatArray:
    """Raise nodes until neighbours differ by little more than the aircraft climbs on the way: time spent circling
    upwards is worth less than the height. Nodes it cannot reach at all raise nobody."""
    top = performance.budget(
        aircraft.airframe, aircraft.camera.mass_kg or 0.0, float(alt_m[flyable].max()), area.weather
    )
    slope = CLIMB_LOSS * top.climb_mps / max(top.airspeed_mps, 1.0)
    distance_m = np.hypot(*(xy_m[:, None, :] - xy_m[None, :, :]).transpose(2, 0, 1))
    needed = np.where(flyable[None, :], alt_m[None, :] - slope * distance_m, -np.inf).max(axis=1)
    return np.asarray(np.where(flyable, np.maximum(alt_m, needed), alt_m))


def _outside_zones(area: Area, xy_m: FloatArray, alt_m: FloatArray, keep_m: float) -> BoolArray:
    free = np.ones(len(xy_m), bool)
    for zone in area.zones:
        if zone.kind != "no_fly":
            continue
        ring = shapely.buffer(shapely.Polygon(zone.xy_m), keep_m)
        inside = shapely.contains_xy(ring, xy_m[:, 0], xy_m[:, 1])
        above = np.zeros(len(xy_m), bool) if zone.ceiling_msl_m is None else alt_m > zone.ceiling_msl_m + LAYER_M
        below = np.zeros(len(xy_m), bool) if zone.floor_msl_m is None else alt_m < zone.floor_msl_m - LAYER_M
        free &= ~inside | above | below
    return free


def _linked(area: Area, points_m: FloatArray, aircraft: Aircraft) -> BoolArray:
    linked = np.zeros(len(points_m), bool)
    for base in area.bases:
        mast = np.array([[base.x_m, base.y_m, base.alt_msl_m + base.mast_agl_m]])
        linked |= radio.reach(area.terrain, mast, points_m, aircraft.radio, a_gain_dbi=base.mast_gain_dbi)
    return linked


_Way = tuple[int, int, float]  # from node, to node, altitude at which the way is level (NaN: straight)


def _ways(
    area: Area, ground: Relief, aircraft: Aircraft, alt: FloatArray, allowed: BoolArray, keep_m: float, ceiling_m: float
) -> list[_Way]:
    """Directed legs between allowed nodes that keep clear of ground, border, zones, and in radio reach all along."""
    need = area.requirement
    lift = alt - ground.ground_m
    least_m = LEG_CLEARANCE_SHARE * height_m(area, aircraft) + path.terrain_error_m(area.terrain)
    both = allowed[ground.legs[:, 0]] & allowed[ground.legs[:, 1]]
    straight_ok = ground.leg_straight_m + lift[ground.legs[:, 0]] >= least_m
    top = np.maximum(alt[ground.legs[:, 0]], alt[ground.legs[:, 1]])
    top = np.maximum(top, ground.leg_low_m + least_m)
    picked = np.flatnonzero(both & (straight_ok | (top <= ceiling_m)))
    if len(picked) == 0:
        return []
    count = math.ceil(math.sqrt(2.0) * need.flight_cell_m / SAMPLE_M)
    share = (np.arange(1, count) / count)[None, :, None]
    a, b = ground.legs[picked, 0], ground.legs[picked, 1]
    ends_a, ends_b = np.column_stack([ground.xy_m[a], alt[a]]), np.column_stack([ground.xy_m[b], alt[b]])
    samples = (ends_a[:, None] * (1.0 - share) + ends_b[:, None] * share).reshape(-1, 3)
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, samples[:, 0], samples[:, 1])
    good = (inward >= keep_m) & _outside_zones(area, samples[:, :2], samples[:, 2], keep_m)
    whole = np.asarray(good.reshape(len(picked), -1).all(axis=1), bool)
    if need.radio_required:  # links change slowly: the middle and the quarters of a leg stand for it
        some = (ends_a[:, None] * (1.0 - _QUARTERS) + ends_b[:, None] * _QUARTERS).reshape(-1, 3)
        whole &= _linked(area, some, aircraft).reshape(len(picked), -1).all(axis=1)
    ways: list[_Way] = []
    for k, i in enumerate(picked):
        if whole[k]:
            level = math.nan if straight_ok[i] else float(top[i])
            ways += [(int(a[k]), int(b[k]), level), (int(b[k]), int(a[k]), level)]
    return ways


_QUARTERS: Final = np.array([0.25, 0.5, 0.75])[None, :, None]


def _base_ways(
    area: Area,
    place: Base | Rally,
    points_m: FloatArray,
    allowed: BoolArray,
    height: float,
    air: performance.Budget,
    keep_m: float,
) -> list[_Way]:
    """Level legs between over a base (or rally point) and the nodes soonest reached from it."""
    least_m = LEG_CLEARANCE_SHARE * height + path.terrain_error_m(area.terrain)
    away_m = np.hypot(points_m[:, 0] - place.x_m, points_m[:, 1] - place.y_m)
    climb_m = np.maximum(points_m[:, 2] - place.alt_msl_m, height)
    order = np.argsort(away_m / air.airspeed_mps + climb_m / air.climb_mps)
    ways: list[_Way] = []
    for node in order[allowed[order]][: 4 * BASE_LINKS]:
        level = float(max(points_m[node, 2], place.alt_msl_m + height))
        leg = np.array([[place.x_m, place.y_m, level], [*points_m[node, :2], level]])
        over = np.hypot(*(leg[1] - leg[0])[:2]) < 1.0
        if over or (
            path.clearance_m(area.terrain, leg, CORRIDOR_M)[0] >= least_m and _clear_of_zones(area, place, leg, keep_m)
        ):
            ways += [(len(points_m), int(node), level), (int(node), len(points_m), level)]
        if len(ways) == 2 * BASE_LINKS:
            break
    return ways


def _clear_of_zones(area: Area, place: Base | Rally, leg: FloatArray, keep_m: float) -> bool:
    """Whether the climb over a place and the level leg to or from there stay on our side and out of no-fly zones; they
    keep as far from both as the place itself does."""
    _, inward = lines.inward_offset(area.border.xy_m, area.border.ours, place.x_m, place.y_m)
    share = np.linspace(0.0, 1.0, max(2, math.ceil(math.dist(*leg) / SAMPLE_M)))[:, None]
    level = leg[0] * (1.0 - share) + leg[1] * share
    climb = np.column_stack([np.tile(leg[0, :2], (20, 1)), np.linspace(place.alt_msl_m, leg[0, 2], 20)])
    _, beside = lines.inward_offset(area.border.xy_m, area.border.ours, level[:, 0], level[:, 1])
    return bool(
        (beside >= min(keep_m, float(inward[0]) - 1.0)).all()
        and _outside_zones(area, np.concatenate([climb, level])[:, :2], np.concatenate([climb, level])[:, 2], 0.0).all()
    )


def _reachable(ways: list[_Way], start: int, count: int) -> BoolArray:
    """Nodes (and the base, last) that `start` reaches; ways come in pairs, so each also leads back."""
    neighbours: dict[int, list[int]] = {}
    for a, b, _ in ways:
        neighbours.setdefault(a, []).append(b)
    reached = np.zeros(count + 1, bool)
    reached[start] = True
    waiting = [start]
    while waiting:
        for b in neighbours.get(waiting.pop(), []):
            if not reached[b]:
                reached[b] = True
                waiting.append(b)
    return reached


def _build(
    area: Area,
    aircraft: Aircraft,
    base: Base,
    points: FloatArray,
    ground: Relief,
    ways: list[_Way],
    step_s: float,
    keep_m: float,
) -> FlightNet:
    """Arcs with their times, energy and vertices; standing arcs (one step of circling or hovering) at every node."""
    n = len(points)
    pad = [base.x_m, base.y_m, base.alt_msl_m]
    nodes = np.vstack([points, [pad, pad]])
    used = [int(i) for i in np.unique([w[:2] for w in ways]) if i != n]
    top_m = float(max(points[used, 2].max(), max(w[2] if w[2] == w[2] else 0.0 for w in ways)))
    top, low_m = performance.loaded_budget(aircraft, top_m, area.weather), float(nodes[[*used, n], 2].min())
    if not top.can_fly:
        raise cannot(aircraft, f"cannot fly at {top_m:.0f} m, which its way needs: {top.why}")
    air = legs.Air(aircraft=aircraft, weather=area.weather, top_msl_m=top_m)
    legs.require_room(air, low_m, CIRCLE_M, CORRIDOR_M)
    arcs: list[Arc] = []
    lines = [line_of(nodes[a], nodes[b], level) for a, b, level in ways]
    for (a, b, _), line, cost in zip(ways, lines, legs.flown(air, lines), strict=True):
        if math.isfinite(cost[0][-1]):
            arcs.append(arc(a, n + 1 if b == n else b, line, cost, air, b == n, step_s, top.circling))
    if not any(arc.tail == n for arc in arcs):
        raise cannot(aircraft, f"cannot leave its base against this wind of up to {air.strongest_wind_mps:.1f} m/s")
    hover_s = math.ceil(step_s * top.circling * 100.0 - 1e-6) / 100.0
    for i in (*used, n, n + 1):
        waits = hover_s if i < n else 0.0
        arcs.append(Arc(i, i, 1, waits, waits, np.array([0.0, step_s]), nodes[[i, i]]))
    usable_s = air.endurance_s(low_m)
    rallies = _rally_arcs(area, air, points, used, keep_m)
    arcs, refuge_s = with_way_home(aircraft, arcs, rallies, usable_s, n, ground.inward_m <= area.requirement.depth_m)
    arcs.sort(key=lambda arc: (arc.tail, arc.head))
    lengths = [len(arc.t_s) for arc in arcs]
    return FlightNet(
        aircraft=aircraft,
        base=base,
        step_s=step_s,
        node_m=nodes,
        inward_m=ground.inward_m,
        chainage_m=ground.chainage_m,
        arc_start=np.searchsorted([arc.tail for arc in arcs], np.arange(n + 3)).astype(np.int32),
        arc_from=np.array([arc.tail for arc in arcs], np.int32),
        arc_to=np.array([arc.head for arc in arcs], np.int32),
        arc_steps=np.array([arc.steps for arc in arcs], np.int32),
        arc_use_s=np.array([arc.use_s for arc in arcs]),
        arc_look=np.zeros(len(arcs), np.int32),
        vertex_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        vertex_t_s=np.concatenate([arc.t_s for arc in arcs]),
        vertex_m=np.concatenate([arc.xyz_m for arc in arcs]),
        usable_s=usable_s,
        climb_mps=top.climb_mps,
        power_w=top.hover_power_w if aircraft.airframe.kind == "multirotor" else top.cruise_power_w,
        refuge_s=refuge_s,
    )


def _rally_arcs(
    area: Area, air: legs.Air, points_m: FloatArray, used: list[int], keep_m: float
) -> list[tuple[int, float]]:
    """Nodes that have a clear way down to a rally point, and the endurance it takes against the strongest wind."""
    n, height = len(points_m), height_m(area, air.aircraft)
    allowed = np.zeros(n, bool)
    allowed[used] = True
    found = []
    for rally in area.rallies:
        there = air.at(rally.alt_msl_m)
        ways = _base_ways(area, rally, points_m, allowed, height, there, keep_m)
        lines = [
            line_of(points_m[a], np.array([rally.x_m, rally.y_m, rally.alt_msl_m]), level)
            for a, b, level in ways
            if b == n
        ]
        if lines and max(line[:, 2].max() for line in lines) <= air.top_msl_m:
            costs = legs.flown(air, lines)
            found += [
                (a, cost[3] + cost[1]) for (a, b, _), cost in zip([w for w in ways if w[1] == n], costs, strict=True)
            ]
    return found


def fewest_steps(net: FlightNet, start: int, *, backwards: bool = False) -> FloatArray:
    """Steps from `start` to every node (from every node to `start` when backwards); inf where there is no way."""
    tail, head = (net.arc_to, net.arc_from) if backwards else (net.arc_from, net.arc_to)
    return least(tail, head, net.arc_steps.astype(float), start, len(net.node_m))
