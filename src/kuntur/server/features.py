"""What stands still on the map: the area as GeoJSON, and the facts that the page writes round it.

Each feature carries `properties.layer`, which says how it is drawn. Coordinates are WGS 84 (RFC 7946).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from kuntur.geodesy import frames, lines
from kuntur.model.place import Area, CrosserClass, LocalFrame
from kuntur.model.plans import Certificate, Tasking
from kuntur.ops.plan_seen import Seen
from kuntur.server.tiles import (
    FRESHNESS_CLASSES,
    MIN_ZOOM,
    SEEN_CLASSES,
    Bounds,
    FreshnessClass,
    SeenClass,
    TerrainTiles,
    bounds,
)

Feature = dict[str, Any]
KM_M: Final = 1000.0
COUNTRY_LABEL_OFFSET_M: Final = 4000.0
HEIGHT_SHARES: Final = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.985, 1.0)  # where the relief's colours are pinned


class TerrainFacts(Struct, frozen=True, kw_only=True):
    """The terrain on the map. height_quantiles_m: heights at `HEIGHT_SHARES` of the cells, for the relief's colours."""

    product: str
    sketched: bool
    attribution: str
    vertical_datum: str
    cell_m: float
    height_quantiles_m: tuple[float, ...]
    min_zoom: int
    max_zoom: int
    bounds: Bounds
    voids: Bounds | None


class SeenFacts(Struct, frozen=True, kw_only=True):
    """What the plan sees, but for its picture and routes: whose, for which hours, and the border part by part."""

    bounds: Bounds
    classes: tuple[SeenClass, ...]
    crosser_name: str
    attacker: str
    from_s: float
    until_s: float
    edges_m: tuple[float, ...]
    floor_prob: tuple[float | None, ...]
    attack_prob: tuple[float | None, ...]


class Meta(Struct, frozen=True, kw_only=True):
    """What the page must know before its first picture. focus: border and bases, which the map fits to."""

    area_id: str
    title: str
    focus: Bounds
    border_length_m: float
    depth_m: float
    detection_prob: float
    utc_offset_h: float
    attributions: tuple[str, ...]
    terrain: TerrainFacts
    freshness: Bounds
    freshness_classes: tuple[FreshnessClass, ...]
    certificate: Certificate | None
    seen: SeenFacts | None
    crossers: tuple[CrosserClass, ...]
    simulated: tuple[str, ...]
    languages: tuple[str, ...] = ("en", "es")


def _lonlat(frame: LocalFrame, x_m: ArrayLike, y_m: ArrayLike) -> list[list[float]]:
    lat, lon = frames.to_geodetic(frame, x_m, y_m)
    return np.round(np.stack([lon, lat], axis=-1), 6).reshape(-1, 2).tolist()


def _feature(layer: str, geometry: str, coordinates: Any, **properties: Any) -> Feature:
    return {
        "type": "Feature",
        "geometry": {"type": geometry, "coordinates": coordinates},
        "properties": {"layer": layer, **properties},
    }


def _border(area: Area) -> Iterator[Feature]:
    border, frame = area.border, area.frame
    xy = border.xy_m
    yield _feature("border", "LineString", _lonlat(frame, *xy.T), name=border.name)
    length_m = float(lines.chainages(xy)[-1])
    for at_m in np.arange(0.0, length_m + 1e-6, KM_M):
        km = round(at_m / KM_M)
        point = _lonlat(frame, *lines.point_at(xy, at_m))[0]
        yield _feature("chainage", "Point", point, km=km, major=km % 5 == 0)
    for share in (0.2, 0.8):
        a, b = lines.point_at(xy, np.array([share - 0.02, share + 0.02]) * length_m)
        along = (b - a) / max(float(np.hypot(*(b - a))), 1e-9)
        left = np.array([-along[1], along[0]]) * COUNTRY_LABEL_OFFSET_M
        ours = left if border.ours == "left" else -left
        middle = (a + b) / 2.0
        yield _feature("country", "Point", _lonlat(frame, *(middle + ours))[0], name=border.our_country, ours=True)
        yield _feature("country", "Point", _lonlat(frame, *(middle - ours))[0], name=border.their_country, ours=False)


def _sorties(area: Area, tasking: Tasking) -> Iterator[Feature]:
    for sortie in tasking.sorties:
        yield _feature(
            "sortie",
            "LineString",
            _lonlat(area.frame, sortie.x_m, sortie.y_m),
            id=sortie.id,
            aircraft_id=sortie.aircraft_id,
            from_t_s=sortie.t_s[0],
            until_t_s=sortie.t_s[-1],
        )


def _routes(seen: Seen) -> Iterator[Feature]:
    """The strongest routes found and the hubs, and a point where each route is through, for its label."""
    for one in seen.features:
        yield {"type": "Feature", "geometry": one.geometry, "properties": one.properties}
        if one.properties["layer"] == "route":
            end = one.geometry["coordinates"][-1]
            yield _feature("route_end", "Point", end, **{k: one.properties[k] for k in ("rank", "detection_prob")})


def seen_facts(seen: Seen, picture: Bounds) -> SeenFacts:
    return SeenFacts(
        bounds=picture,
        classes=SEEN_CLASSES,
        crosser_name=seen.crosser_name,
        attacker=seen.attacker,
        from_s=seen.from_s,
        until_s=seen.until_s,
        edges_m=seen.edges_m,
        floor_prob=seen.floor_prob,
        attack_prob=seen.attack_prob,
    )


def area_features(area: Area, tasking: Tasking | None, seen: Seen | None = None) -> dict[str, Any]:
    """GeoJSON FeatureCollection; layers: border, chainage, country, zone, road, place, base, sortie, route, route_end,
    hub."""
    frame = area.frame
    features = list(_border(area))
    for zone in area.zones:
        ring = _lonlat(frame, *zone.xy_m.T)
        features.append(_feature("zone", "Polygon", [[*ring, ring[0]]], name=zone.name, kind=zone.kind))
    for road in area.roads:
        features.append(_feature("road", "LineString", _lonlat(frame, *road.xy_m.T), name=road.name, kind=road.kind))
    for place in area.places:
        at = _lonlat(frame, place.x_m, place.y_m)[0]
        features.append(_feature("place", "Point", at, name=place.name, kind=place.kind, alt_msl_m=place.alt_msl_m))
    for base in area.bases:
        at = [base.lon_deg, base.lat_deg]
        features.append(_feature("base", "Point", at, id=base.id, name=base.name, alt_msl_m=base.alt_msl_m))
    if tasking is not None:
        features.extend(_sorties(area, tasking))
    if seen is not None:
        features.extend(_routes(seen))
    return {"type": "FeatureCollection", "features": features}


def meta(
    area: Area,
    tiles: TerrainTiles,
    *,
    voids: Bounds | None,
    freshness: Bounds,
    certificate: Certificate | None,
    simulated: tuple[str, ...],
    seen: SeenFacts | None = None,
) -> Meta:
    """The page's facts about this area and this plan."""
    terrain, xy = area.terrain, area.border.xy_m
    wanted = np.vstack([xy, *([[base.x_m, base.y_m]] for base in area.bases)])
    known = terrain.heights_m[~np.isnan(terrain.heights_m)]
    return Meta(
        area_id=area.id,
        title=area.title,
        focus=bounds(area.frame, *wanted.min(axis=0), *wanted.max(axis=0)),
        border_length_m=float(lines.chainages(xy)[-1]),
        depth_m=area.requirement.depth_m,
        detection_prob=area.requirement.detection_prob,
        utc_offset_h=area.requirement.utc_offset_h,
        attributions=area.attributions,
        terrain=TerrainFacts(
            product=terrain.product,
            sketched=terrain.sketched,
            attribution=terrain.attribution,
            vertical_datum=terrain.vertical_datum,
            cell_m=terrain.cell_m,
            height_quantiles_m=tuple(np.quantile(known[::7], HEIGHT_SHARES).tolist()) if known.size else (),
            min_zoom=MIN_ZOOM,
            max_zoom=tiles.max_zoom,
            bounds=tiles.bounds,
            voids=voids,
        ),
        freshness=freshness,
        freshness_classes=FRESHNESS_CLASSES,
        certificate=certificate,
        seen=seen,
        crossers=area.crossers,
        simulated=simulated,
    )
