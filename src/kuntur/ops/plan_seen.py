"""What tonight's patrol sees, where its strongest attackers walk, and what each part of the border is worth.

`plan-seen.json` beside a plan, for its picture (`plan_seen_picture`) and the map page. It opens as GeoJSON: the
features are routes and hubs, the rest foreign members (RFC 7946, 6.1). All of it follows from the written plan, for the
class of crosser that fares best, on the planning lattice.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.errors import ConfigError
from kuntur.geodesy import frames
from kuntur.model.place import Area, Lattice
from kuntur.model.plans import Strategy
from kuntur.ops import certify
from kuntur.patrol import bounds, crossers, draw, outlook, strategy
from kuntur.patrol.exposure import View

FloatArray = NDArray[np.float64]

ROUTES: Final = 5  # drawn: the strongest found, and the strongest away from those
PARTS_M: Final = (1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0, 50_000.0)
MOST_PARTS: Final = 64
ATTACKER: Final = "attack"  # whose routes these are, in `Certificate.attackers`


class Feature(Struct, frozen=True, kw_only=True, tag_field="type", tag="Feature"):
    """A GeoJSON feature; properties.layer says which: "route" or "hub"."""

    geometry: dict[str, Any]
    properties: dict[str, Any]


class Seen(Struct, frozen=True, kw_only=True, tag_field="type", tag="FeatureCollection"):
    """What the picture and the page show of a plan.

    per_hour: of each cell of the lattice, row after row from the north, the expected detections an hour of somebody of
    the class who stays there all the promised hours, at the least rates that the floor counts on; None where he cannot
    be. floor_prob, attack_prob: of each part of the border, from edges_m[k] to edges_m[k + 1]: detection of the crosser
    who learns each draw as its wave begins and must start there, and of the best route found there for the one who sees
    no draw; None where no way through begins. Both on the planning lattice.
    """

    features: tuple[Feature, ...]
    schedule_sha256: str
    """Of the schedule all of this is about, as in the certificate."""
    crosser_class: str
    crosser_name: str
    attacker: str
    """Whose the routes are, in a sentence."""
    simulated: tuple[str, ...]
    from_s: float
    until_s: float
    cells: Lattice
    per_hour: tuple[float | None, ...]
    edges_m: tuple[float, ...]
    floor_prob: tuple[float | None, ...]
    attack_prob: tuple[float | None, ...]

    def rates(self) -> FloatArray:
        """per_hour as (rows, cols), NaN for None."""
        return np.array(self.per_hour, float).reshape(self.cells.rows, self.cells.cols)


def seen(area: Area, planned: Strategy) -> Seen:
    """Compute it from a written plan: some 8 s for the embedded area. The certificate's seed is its only chance."""
    proof = planned.certificate
    crosser = next(one for one in area.crossers if one.id == proof.crosser_class)
    view, mixture = certify.on_planning_lattice(area, planned, crosser)
    part_m = _part_m(view.graph)
    part = outlook.parts(view.graph, part_m)
    rng = np.random.default_rng([1 if proof.seed is None else proof.seed, certify.ATTACK])
    attacked = bounds.attack(view, mixture, rng)
    attack_prob, best = outlook.weakest(view, mixture, part, attacked.routes)
    detection = np.concatenate([attacked.detection, attack_prob])
    routes = np.vstack([attacked.routes, best])
    waves = [planned.waves[w] for w in strategy.promised(planned)]
    hours = (waves[-1].end_s - waves[0].start_s) / 3600.0
    return Seen(
        features=(
            *_routes(area, view, waves[0].start_s, detection, routes),
            *_hubs(area, planned),
        ),
        schedule_sha256=draw.schedule_sha256(planned),
        crosser_class=crosser.id,
        crosser_name=crosser.name,
        attacker=proof.attackers.get(ATTACKER, ""),
        simulated=planned.simulated,
        from_s=waves[0].start_s,
        until_s=waves[-1].end_s,
        cells=view.graph.cells,
        per_hour=_plain(outlook.standing(view, mixture).ravel() / hours, digits=3),
        edges_m=tuple(part_m * k for k in range(len(attack_prob) + 1)),
        floor_prob=_plain(outlook.floors(view, mixture, part), digits=4, down=True),
        attack_prob=_plain(attack_prob, digits=4),
    )


def _part_m(graph: crossers.CrosserGraph) -> float:
    """A kilometre of border, or more where it is long."""
    length_m = float(graph.chainage_m[graph.starts].max(initial=0.0))
    return next((part_m for part_m in PARTS_M if length_m / part_m <= MOST_PARTS), PARTS_M[-1])


def _plain(values: FloatArray, *, digits: int, down: bool = False) -> tuple[float | None, ...]:
    """Rounded, a promise down; None for NaN."""
    scale = 10.0**digits
    rounded = np.floor(values * scale) / scale if down else np.round(values, digits)
    return tuple(None if math.isnan(value) else round(value, digits) for value in rounded.tolist())


def _routes(area: Area, view: View, from_s: float, detection: FloatArray, routes: NDArray[np.int32]) -> list[Feature]:
    """The strongest routes, each beginning well away from the stronger ones."""
    graph = view.graph
    apart_m = float(np.ptp(graph.chainage_m[graph.starts])) / (2 * ROUTES)
    found: list[Feature] = []
    for i in np.argsort(detection, kind="stable"):  # NaN last
        steps = np.flatnonzero(routes[i] >= 0)
        if len(found) == ROUTES or len(steps) == 0 or math.isnan(detection[i]):
            break
        nodes = routes[i][steps]
        begins_m = float(graph.chainage_m[nodes[0]])
        if any(abs(begins_m - one.properties["chainage_m"]) < apart_m for one in found):
            continue
        moved = np.append(True, nodes[1:] != nodes[:-1])
        line = _lonlat(area, graph.x_m[nodes[moved]], graph.y_m[nodes[moved]])
        found.append(
            Feature(
                geometry={"type": "LineString", "coordinates": line if len(line) > 1 else line * 2},
                properties={
                    "layer": "route",
                    "rank": len(found) + 1,
                    "detection_prob": round(float(detection[i]), 4),
                    "chainage_m": round(begins_m),
                    "begins_t_s": from_s + float(steps[0]) * graph.step_s,
                    "through_t_s": from_s + float(steps[-1] + 1) * graph.step_s,
                    "attacker": ATTACKER,
                },
            )
        )
    return found


def _hubs(area: Area, planned: Strategy) -> list[Feature]:
    """Where aircraft stay up from one wave to the next: the crosser is taken to know these places."""
    places: dict[tuple[int, int], set[str]] = {}
    for segment in planned.segments:
        if segment.t_s and segment.t_s[-1] >= planned.waves[segment.wave].end_s - 1e-3:
            place = (round(segment.x_m[-1]), round(segment.y_m[-1]))
            places.setdefault(place, set()).add(segment.aircraft_id)
    return [
        Feature(
            geometry={"type": "Point", "coordinates": _lonlat(area, np.array([x_m]), np.array([y_m]))[0]},
            properties={"layer": "hub", "aircraft_ids": sorted(names)},
        )
        for (x_m, y_m), names in sorted(places.items())
    ]


def _lonlat(area: Area, x_m: FloatArray, y_m: FloatArray) -> list[list[float]]:
    lat, lon = frames.to_geodetic(area.frame, x_m, y_m)
    return np.round(np.stack([lon, lat], axis=-1), 6).tolist()  # type: ignore[no-any-return]


def beside(plan_file: Path) -> Path:
    """Where it lies for a plan: plan.json has plan-seen.json."""
    return plan_file.with_name(f"{plan_file.stem}-seen.json")


def save(shown: Seen, path: Path) -> Path:
    """Write it as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.encode(shown, order="deterministic"))
    part.replace(path)
    return path


def load(plan_file: Path, planned: Strategy) -> Seen | None:
    """What was written beside a plan; None where there is nothing, or where it is about another schedule."""
    path = beside(plan_file)
    try:
        shown = msgspec.json.decode(path.read_bytes(), type=Seen)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", remedy="Delete it; the plan does not need it, the map shows less."
        ) from error
    fits = shown.schedule_sha256 == draw.schedule_sha256(planned)
    return shown if fits and len(shown.per_hour) == shown.cells.rows * shown.cells.cols else None
