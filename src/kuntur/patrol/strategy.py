"""From an area to a game, from a solved game to a `Strategy`, and from a `Strategy` back to a game.

`setting` makes everything the search needs. `written` turns columns and probabilities into the plan that is flown and
drawn from, with whole-number weights. `played` rebuilds the game from such a plan alone, on any lattice: the
certificate is computed on what `played` returns for the weights as written, so it speaks of the plan that is flown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import ConfigError, InfeasibleError
from kuntur.model.place import Area, CrosserClass
from kuntur.model.plans import Certificate, Segment, Strategy, Wave
from kuntur.model.plans import Column as WrittenColumn
from kuntur.patrol import columns, crossers, duty, exposure, flights, game, gimbal, rota
from kuntur.patrol.columns import Column, Crew
from kuntur.patrol.exposure import Track, View
from kuntur.patrol.game import Mixture

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

WEIGHT_TOTAL: Final = 1_000_000
LEAST_SHARE: Final = 0.0001  # columns drawn less often than this are dropped before the weights are rounded
LEAST_WINDOW: Final = 2.0  # times the median fastest crossing; in less, starting early or late is a way out
HUB_SHARES: Final = (0.25, 0.75)  # of its stretch of the border: where an aircraft that stays up is, turn about: tuned
SHORT_SHARE: Final = 0.3  # of the watch: aircraft that fly for less rest in turn, the others stay up together: tuned
HUB_ASIDE: Final = 0.3  # of a drone's share of the border: how far from its base the other layouts' hubs are: tuned
HUB_DEPTH_SHARE: Final = 0.4  # of the required depth behind the border, where hubs are wanted: tuned
LAUNCH_APART_M: Final = 75.0  # an aircraft has climbed this far when the next one leaves the same base
STATION_M: Final = 5000.0  # an aircraft this near to its usual hub is on station
SPACING_M: Final = 800.0  # viewpoints along a leg while planning; the audit halves it


class Setting(Struct, frozen=True, kw_only=True, eq=False):
    """Everything the search needs, in the order of `area.fleet.aircraft`.

    crews: stages of the whole watch. views: one per required class. lead, tail: waves before and after the promise.
    """

    area: Area
    nets: list[flights.FlightNet]
    crews: list[Crew]
    cuts: list[exposure.Pieces]
    views: list[View]
    waves: int
    wave_steps: int
    lead: int
    tail: int


def setting(area: Area, *, layouts: int = 1, first_layer: int = 0, progress: Progress = lambda *_: None) -> Setting:
    """Lattices, rotas, hubs and rates. Raises InfeasibleError, BorderError or ConfigError saying what binds.

    layouts: how many joint hub places there are at each wave boundary; which one is met is drawn, and told.
    first_layer: of the heights that the aircraft are parted by; a neighbour's aircraft may need the ones below.
    """
    need = area.requirement
    step_s = need.crosser_step_s
    wave_steps, waves = round(need.wave_s / step_s), round(need.duration_s / need.wave_s)
    if abs(wave_steps * step_s - need.wave_s) > 1e-6 or abs(waves * need.wave_s - need.duration_s) > 1e-6 or waves < 1:
        raise ConfigError(
            f"[requirement] wave_s {need.wave_s:g} must be a whole number of crosser_step_s {step_s:g}, and duration_s "
            f"{need.duration_s:g} a whole number of waves.",
            remedy="Change one of the three.",
        )
    if need.cyclic:  # game.backward could (cycles=2); lead, tail, attack, leak and refutation of such a day cannot yet
        raise ConfigError(
            "[requirement]: a cyclic watch cannot be planned yet: who goes from one day into the next would be missed.",
            remedy="Set cyclic = false; the plan then speaks of crossings that begin and end within the watch.",
        )
    required = [crosser for crosser in area.crossers if crosser.required]
    if not required or not area.fleet.aircraft:
        raise ConfigError(
            "The area names no required crosser class or no aircraft.", remedy="Add a [[crosser]] and an [[aircraft]]."
        )
    duty.require_places(area)
    progress(0.0, "flight lattice")
    nets = flight_nets(area, first_layer)
    sorties, hubs, lead, tail = _rotas(area, nets, wave_steps, waves, layouts)
    cells = crossers.strip(area, need.crosser_cell_m)
    graphs = [crossers.graph(area, cells, crosser, step_s) for crosser in required]
    for graph in graphs:
        crossers.require_way(area, graph)
    cuts = [exposure.cut(columns.tracks(net), step_s, SPACING_M) for net in nets]
    views = [
        exposure.view(
            area,
            list(area.fleet.aircraft),
            graph,
            cuts,
            lambda f, w, i=i: progress((i + f) / len(graphs), w),  # type: ignore[misc]
        )
        for i, graph in enumerate(graphs)
    ]
    crews = [
        columns.crew(net, rota.stages(net, flown, hub, wave_steps, waves), cut, int(offset))
        for net, flown, hub, cut, offset in zip(nets, sorties, hubs, cuts, views[0].offsets, strict=False)
    ]
    return Setting(
        area=area,
        nets=nets,
        crews=crews,
        cuts=cuts,
        views=views,
        waves=waves,
        wave_steps=wave_steps,
        lead=lead,
        tail=tail,
    )


def crossing_fit(setting: Setting) -> tuple[float, float]:
    """Share of the border cells from which the fastest crossing fits into the promised window, and the median of the
    fastest crossings in seconds; the slower class decides."""
    window_s = (setting.waves - setting.lead - setting.tail) * setting.area.requirement.wave_s
    fits, median_s = 1.0, 0.0
    for view in setting.views:
        fastest = crossers.fastest_s(view.graph)
        fits = min(fits, float((fastest <= window_s).mean()))
        median_s = max(median_s, float(np.median(fastest)))
    return fits, median_s


def require_window(setting: Setting) -> None:
    """Refuse a watch too short to promise anything: a window below LEAST_WINDOW times the median fastest crossing."""
    need = setting.area.requirement
    window_s = (setting.waves - setting.lead - setting.tail) * need.wave_s
    fits, median_s = crossing_fit(setting)
    if window_s < LEAST_WINDOW * median_s:
        raise InfeasibleError(
            f"The watch is too short for its depth: the aircraft are on station for {window_s / 60.0:.0f} min, the "
            f"fastest crossing of {need.depth_m:.0f} m takes {median_s / 60.0:.0f} min from the middle one of the "
            f"border cells (it fits at all from {fits:.0%}): too many begin or end outside what would be promised.",
            remedy=f"Lengthen [requirement] duration_s by {LEAST_WINDOW * median_s - window_s:.0f} s or more, or lower "
            "depth_m.",
        )


def flight_nets(area: Area, first_layer: int = 0) -> list[flights.FlightNet]:
    """One lattice an aircraft, the lowest layer for the one that flies lowest."""
    ground = flights.relief(area)
    order = sorted(range(len(area.fleet.aircraft)), key=lambda i: (flights.height_m(area, area.fleet.aircraft[i]), i))
    layer = {i: first_layer + k for k, i in enumerate(order)}
    nets = (
        flights.net(area, ground, aircraft, layer[i], area.requirement.crosser_step_s)
        for i, aircraft in enumerate(area.fleet.aircraft)
    )
    return [gimbal.with_looks(area, net, net.aircraft.looks) for net in nets]


def _rotas(
    area: Area, nets: list[flights.FlightNet], wave_steps: int, waves: int, layouts: int
) -> tuple[list[tuple[rota.Sortie, ...]], list[dict[int, tuple[int, ...]]], int, int]:
    """Flights and hubs of every aircraft, and the waves before and after the promise.

    Those that stay up share the border among them, in the order of their bases; others stay near theirs.
    """
    need = area.requirement
    short = [net.usable_s < SHORT_SHARE * need.duration_s for net in nets]
    kinds = [(net.aircraft.airframe.id, "" if brief else net.base.id) for net, brief in zip(nets, short, strict=True)]
    turns: dict[tuple[str, str], int] = {}
    sorties: list[tuple[rota.Sortie, ...]] = [()] * len(nets)
    taken: dict[tuple[str, str], list[tuple[int, int]]] = {}  # (base, which end) -> steps and gaps of who stays up
    for i in sorted(range(len(nets)), key=lambda i: flights.height_m(area, nets[i].aircraft)):
        net, kind = nets[i], kinds[i]
        alone = rota.rota(
            area, net, wave_steps, waves, turn=turns.get(kind, 0), kind=kinds.count(kind) if short[i] else 1
        )
        sorties[i] = duty.in_hours(area, net, alone, wave_steps, waves)
        turns[kind] = turns.get(kind, 0) + 1
        if _stays(sorties[i], wave_steps):
            sorties[i] = (_spaced(net, sorties[i][0], taken, wave_steps, waves),)
    stayers = [flown if _stays(flown, wave_steps) else () for flown in sorties]
    for i, flown in enumerate(duty.staffed(area, nets, stayers, wave_steps)):
        sorties[i] = flown or (() if stayers[i] else sorties[i])
    staying = [i for i, flown in enumerate(sorties) if _stays(flown, wave_steps)]
    home = [_home_chainage_m(net) for net in nets]
    staying.sort(key=lambda i: home[i])
    length_m = max(float(net.chainage_m.max()) for net in nets)
    depth_m = HUB_DEPTH_SHARE * need.depth_m
    places = {i: [length_m * (k + share) / len(staying) for share in HUB_SHARES] for k, i in enumerate(staying)}

    def hubs(i: int) -> dict[int, tuple[int, ...]]:
        near = [home[i], *(home[i] + side * HUB_ASIDE * length_m / len(nets) for side in (1.0, -1.0))]
        around = places.get(i, near if layouts > 1 else near[:1])
        turned = [around[k:] + around[:k] for k in range(layouts)] if i in places else [[at_m] for at_m in around]
        wanted = [[(at_m, depth_m) for at_m in turned[k % len(turned)]] for k in range(layouts)]
        return rota.hubs(nets[i], sorties[i], wanted, wave_steps, waves)

    lead, tail = _window([nets[i] for i in staying], [hubs(i) for i in staying], waves)
    settled: list[int] = list(staying)
    for i in sorted(set(range(len(nets))) - set(staying), key=lambda i: nets[i].climb_mps):
        begin, end = lead * wave_steps, (waves - tail) * wave_steps  # short flights rest until they count
        wanted = tuple(f for f in sorties[i] if f.landing > begin and f.landing <= end)
        sorties[i] = _out_of_the_way(
            nets, sorties, [j for j in settled if nets[j].base.id == nets[i].base.id], i, wanted
        )
        settled.append(i)
    sorties = duty.clear_of_pads(area, nets, duty.staffed(area, nets, sorties, wave_steps), wave_steps)
    return sorties, [hubs(i) for i in range(len(nets))], lead, tail


def _stays(flown: tuple[rota.Sortie, ...], wave_steps: int) -> bool:
    return len(flown) == 1 and flown[0].landing - flown[0].take_off > wave_steps


def _spaced(
    net: flights.FlightNet,
    flight: rota.Sortie,
    taken: dict[tuple[str, str], list[tuple[int, int]]],
    wave_steps: int,
    waves: int,
) -> rota.Sortie:
    """A long flight moved so that it leaves after, and is back before, those of the same base by a climb's time, and is
    over a node at every wave boundary."""
    gap = math.ceil((LAUNCH_APART_M / net.climb_mps + 2.0 * net.step_s) / net.step_s)
    legs, end = rota.base_legs(net), waves * wave_steps
    moved = []
    for which, begin, leg in (("out", flight.take_off, legs[0]), ("home", end - flight.landing, legs[1])):
        others = taken.setdefault((net.base.id, which), [])
        t = begin
        while True:
            clash = [x + max(gap, g) for x, g in others if abs(t - x) < max(gap, g)]
            boundary = (t // wave_steps + 1) * wave_steps
            if clash:
                t = max(clash)
            elif boundary - t < leg and boundary < end:
                t = boundary
            else:
                break
        others.append((t, gap))
        moved.append(t)
    return rota.Sortie(take_off=moved[0], landing=end - moved[1])


def _out_of_the_way(
    nets: list[flights.FlightNet],
    sorties: list[tuple[rota.Sortie, ...]],
    others: list[int],
    i: int,
    wanted: tuple[rota.Sortie, ...],
) -> tuple[rota.Sortie, ...]:
    """Flights that neither begin nor end while another aircraft climbs or comes down over the same base."""
    busy = []
    for k in others:
        first_leg, last_leg = rota.base_legs(nets[k])
        for flight in sorties[k]:
            busy.append((flight.take_off - 2, flight.take_off + first_leg))
            busy.append((flight.landing - last_leg, flight.landing + 2))
    kept = []
    for flight in wanted:
        take_off, landing = flight.take_off, flight.landing
        for begin, end in sorted(busy):
            take_off = end + 1 if begin <= take_off <= end else take_off
        for begin, end in sorted(busy, reverse=True):
            landing = begin - 1 if begin <= landing <= end else landing
        if landing - take_off > sum(rota.base_legs(nets[i])) + 2:
            kept.append(rota.Sortie(take_off=take_off, landing=landing))
    return tuple(kept)


def _home_chainage_m(net: flights.FlightNet) -> float:
    nearest = int(np.argmin(np.hypot(*(net.node_m[: net.base_node, :2] - net.node_m[net.base_node, :2]).T)))
    return float(net.chainage_m[nearest])


def _window(nets: list[flights.FlightNet], hubs: list[dict[int, tuple[int, ...]]], waves: int) -> tuple[int, int]:
    """Waves before every aircraft that stays up is at its station (near its usual hub), and after one has left it.

    The wave that begins at the stations and ends on the way home still counts: what it sees is in the game.
    """
    lead, tail = 0, 0
    for net, hub in zip(nets, hubs, strict=True):
        places = [node for layouts in hub.values() for node in layouts]
        usual = {node for node in places if places.count(node) > 1} or set(places)
        held = [
            w
            for w, layouts in hub.items()
            if all(
                min(np.hypot(*(net.node_m[node, :2] - net.node_m[other, :2])) for other in usual) <= STATION_M
                for node in layouts
            )
        ]
        lead, tail = max(lead, min(held)), max(tail, waves - 1 - max(held))
    return (lead, tail) if waves - lead - tail >= 1 else (0, 0)


def written(
    setting: Setting,
    chosen: list[list[Column]],
    sigma: list[FloatArray],
    before: list[list[Column]],
    after: list[list[Column]],
    certificate: Certificate,
) -> Strategy:
    """The plan as it is flown and drawn from. chosen, sigma: the promised waves; before, after: the waves around them,
    each next layout equally likely, and among the columns that lead there each."""
    area = setting.area
    step_s = area.requirement.crosser_step_s
    segments: list[Segment] = []
    known: dict[tuple[int, int, bytes], int] = {}
    waves = []
    all_columns = before + chosen + after
    even = [[evenly(wave) for wave in waves] for waves in (before, after)]
    all_sigma = even[0] + sigma + even[1]
    for w, (options, shares) in enumerate(zip(all_columns, all_sigma, strict=True)):
        weights = np.zeros(len(options), np.int32)
        begins = np.array([option.begins for option in options])
        for layout in np.unique(begins):
            weights[begins == layout] = whole_weights(shares[begins == layout])
        drawn = []
        for option, weight in zip(options, weights, strict=True):
            if weight == 0:
                continue
            ids = []
            for k, member in enumerate(setting.crews):
                stage = rota.stage_of(member.stages, w, option.begins, option.ends)
                key = (w, k, option.arcs[k].tobytes())
                if key not in known:
                    known[key] = len(segments)
                    segments.append(
                        rota.segment(
                            member.net,
                            stage,
                            option.arcs[k],
                            number=len(segments),
                            wave=w,
                            wave_start_s=w * setting.wave_steps * step_s,
                        )
                    )
                ids.append(known[key])
            drawn.append(
                WrittenColumn(segment_ids=tuple(ids), weight=int(weight), begins=option.begins, ends=option.ends)
            )
        start_s = w * setting.wave_steps * step_s
        waves.append(Wave(start_s=start_s, end_s=start_s + setting.wave_steps * step_s, columns=tuple(drawn)))
    return Strategy(
        area_id=area.id,
        watch_duration_s=area.requirement.duration_s,
        weight_total=WEIGHT_TOTAL,
        aircraft_ids=tuple(a.id for a in area.fleet.aircraft),
        base_ids=tuple(a.base_id for a in area.fleet.aircraft),
        segments=tuple(segments),
        waves=tuple(waves),
        certificate=certificate,
        input_hashes=dict(area.input_hashes),
        simulated=("sketched terrain",) if area.terrain.sketched else (),
        frame_lat0_deg=area.frame.lat0_deg,
        frame_lon0_deg=area.frame.lon0_deg,
    )


def evenly(wave: list[Column]) -> FloatArray:
    """Probabilities of columns by which each next layout is equally likely from each layout, where columns lead."""
    pairs = [(column.begins, column.ends) for column in wave]
    nexts = {i: len({ends for begins, ends in pairs if begins == i}) for i, _ in pairs}
    return np.array([1.0 / (nexts[pair[0]] * pairs.count(pair)) for pair in pairs])


def whole_weights(sigma: FloatArray) -> IntArray:
    """Whole numbers proportional to sigma that sum to WEIGHT_TOTAL; shares under LEAST_SHARE become 0."""
    kept = np.where(sigma >= min(LEAST_SHARE, float(sigma.max())), sigma, 0.0)
    exact = kept / kept.sum() * WEIGHT_TOTAL
    weights = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - weights), kind="stable")[: WEIGHT_TOTAL - int(weights.sum())]
    weights[largest] += 1
    return np.asarray(weights, np.int32)


def promised(strategy: Strategy) -> range:
    """Numbers of the waves that the certificate is about: those wholly between its from_s and until_s."""
    until_s = strategy.watch_duration_s if strategy.certificate.until_s is None else strategy.certificate.until_s
    inside = [
        w
        for w, wave in enumerate(strategy.waves)
        if wave.start_s >= strategy.certificate.from_s - 1e-6 and wave.end_s <= until_s + 1e-6
    ]
    return range(inside[0], inside[-1] + 1)


def played(
    area: Area,
    strategy: Strategy,
    crosser: CrosserClass,
    *,
    cell_m: float,
    step_s: float,
    spacing_m: float,
    progress: Progress = lambda *_: None,
) -> tuple[View, Mixture]:
    """The game of a written plan on any lattice: its promised waves, against one class. step_s must divide the waves.

    Rates are taken anew along the segments as written, viewpoints at most spacing_m apart.
    """
    cuts, mixture = flown(strategy, step_s=step_s, spacing_m=spacing_m)
    graph = crossers.graph(area, crossers.strip(area, cell_m), crosser, step_s)
    aircraft = {a.id: a for a in area.fleet.aircraft}
    return exposure.view(area, [aircraft[i] for i in strategy.aircraft_ids], graph, cuts, progress), mixture


def flown(strategy: Strategy, *, step_s: float, spacing_m: float) -> tuple[list[exposure.Pieces], Mixture]:
    """The promised waves of a written plan in pieces of one step, for each aircraft, and the columns they make."""
    waves = promised(strategy)
    wave_s = strategy.waves[waves.start].end_s - strategy.waves[waves.start].start_s
    steps = round(wave_s / step_s)
    if abs(steps * step_s - wave_s) > 1e-6:
        raise ConfigError(
            f"A step of {step_s:g} s does not divide the waves of the plan.", remedy="Choose another step."
        )
    tracks: list[list[Track]] = [[] for _ in strategy.aircraft_ids]
    place: dict[int, tuple[int, int]] = {}
    for segment in strategy.segments:
        if segment.wave in waves and len(segment.t_s) >= 2:
            k = strategy.aircraft_ids.index(segment.aircraft_id)
            start_s = strategy.waves[segment.wave].start_s
            place[segment.id] = (len(tracks[k]), round((segment.t_s[0] - start_s) / step_s))
            xyz = np.column_stack([segment.x_m, segment.y_m, segment.alt_msl_m])
            tracks[k].append(Track(t_s=np.array(segment.t_s), xyz_m=xyz, looks=segment.looks))
    cuts = [exposure.cut(parts, step_s, spacing_m) for parts in tracks]
    offsets = np.concatenate([[0], np.cumsum([int(cut.first[-1]) for cut in cuts])])
    plans, sigma, begins, ends = [], [], [], []
    for wave in strategy.waves[waves.start : waves.stop]:
        plan = np.full((len(wave.columns), len(strategy.aircraft_ids), steps), -1, np.int32)
        for s, column in enumerate(wave.columns):
            for k, segment_id in enumerate(column.segment_ids):
                if segment_id in place:
                    number, first = place[segment_id]
                    begin, end = int(cuts[k].first[number]), int(cuts[k].first[number + 1])
                    plan[s, k, first : first + end - begin] = offsets[k] + np.arange(begin, end)
        plans.append(plan)
        sigma.append(np.array([column.weight for column in wave.columns]) / strategy.weight_total)
        begins.append(np.array([column.begins for column in wave.columns], np.int32))
        ends.append(np.array([column.ends for column in wave.columns], np.int32))
    return cuts, game.mixture(plans, sigma, begins, ends, first_layouts(strategy, waves.start))


def first_layouts(strategy: Strategy, wave: int) -> FloatArray:
    """Probability of each layout when a wave begins, before anything is known of the night."""
    layouts = 1 + max(column.begins for column in strategy.waves[wave].columns)
    share = np.zeros(layouts)
    reached = {0: 1.0}
    for before in strategy.waves[:wave]:
        after: dict[int, float] = {}
        for column in before.columns:
            part = reached.get(column.begins, 0.0) * column.weight / strategy.weight_total
            after[column.ends] = after.get(column.ends, 0.0) + part
        reached = after
    for layout, part in reached.items():
        if layout >= layouts:
            raise ConfigError(
                f"No column of wave {wave} begins in layout {layout}, which can be reached.",
                remedy="Use the plan as `kuntur plan` wrote it.",
            )
        share[layout] = part
    return share


def same_rates(area: Area, view: View, crosser: CrosserClass) -> View | None:
    """The same sensors before another class that shows the same at the same nodes; None if it does not."""
    graph = crossers.graph(area, view.graph.cells, crosser, area.requirement.crosser_step_s)
    if not exposure.same_nodes(graph, view.graph):
        return None
    return exposure.with_graph(view, graph)


def no_column(wave: int) -> InfeasibleError:
    return InfeasibleError(
        f"No flyable column was found for wave {wave}: an aircraft cannot get from its hub to the next one in time or "
        "within its endurance.",
        remedy="Lengthen [requirement] wave_s, or move a base nearer to the border.",
    )
