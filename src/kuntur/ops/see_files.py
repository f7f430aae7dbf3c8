"""What `kuntur see` leaves in its folder: picture, raster, polygons, and a map page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features
from rasterio.transform import Affine

from kuntur.errors import ConfigError
from kuntur.geodesy import frames
from kuntur.io import rasters, vectors
from kuntur.model.place import LocalFrame
from kuntur.ops import see_page, see_picture
from kuntur.ops.see_view import NOT_LOOKED, SEEN, View, summary

NAMES = ("seen.png", "seen.tif", "layers.tif", "seen.geojson", "map.html")
TURNS_DEG = (-540.0, -180.0, 180.0)
"""West ends of the turns round the globe that an outline may reach into."""


def write(view: View, folder: Path) -> list[Path]:
    """Write everything, each file whole or not at all; returns the paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in NAMES]
        see_picture.draw(view, paths[0])
        _write_rasters(view, paths[1], paths[2])
        vectors.write(paths[3], _features(view))
        see_page.write(view, paths[4])
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error}.", remedy="Give another folder with --out.") from error
    return paths


def _write_rasters(view: View, seen: Path, layers: Path) -> None:
    terrain = view.ground.terrain
    place = (terrain.frame, terrain.west_m, terrain.north_m, terrain.cell_m)
    tags = {
        "terrain": view.terrain_words,
        "attribution": " · ".join(view.ground.attributions),
        "summary": summary(view),
        "values": "0 hidden, 1 seen, 2 unknown, 255 not looked at",
    }
    rasters.write(seen, {"seen": view.seen}, *place, tags=tags, nodata=NOT_LOOKED, cog=True)
    bands: dict[str, NDArray[Any] | None] = {
        "slant range (m)": view.slant_m,
        "how tall to be seen (m)": view.least_height_m,
        "stations that see it": np.where(view.seen == NOT_LOOKED, np.nan, view.count).astype(np.float32),
        "ground sample distance (m)": view.gsd_m,
        "chance in one look": view.look_prob,
        "chance on the flight": view.exposure_prob,
        "chance of being in sight": view.certain_prob,
    }
    present = {name: band for name, band in bands.items() if band is not None}
    rasters.write(layers, present, *place, tags=tags, nodata=float("nan"), cog=True)


def _features(view: View) -> Iterator[dict[str, Any]]:
    """Seen ground as one MultiPolygon with holes, and the eye: RFC 7946."""
    terrain = view.ground.terrain
    transform = Affine(terrain.cell_m, 0.0, terrain.west_m, 0.0, -terrain.cell_m, terrain.north_m)
    found = features.shapes(view.seen, mask=view.seen == SEEN, transform=transform)
    parts = [shapely.geometry.shape(geometry) for geometry, _ in found]
    ground = in_degrees(shapely.MultiPolygon(parts), terrain.frame)
    about = {"terrain": view.terrain_words, "attribution": " · ".join(view.ground.attributions)}
    yield vectors.feature(
        ground.geom_type, shapely.geometry.mapping(ground)["coordinates"], kind="seen", summary=summary(view), **about
    )
    lon, lat, alt = view.stations.lon_deg, view.stations.lat_deg, view.ground.observers_m[:, 2]
    points = [[round(float(x), 7), round(float(y), 7)] for x, y in zip(lon, lat, strict=True)]
    above = [round(float(h), 1) for h in alt - view.ground.ground_m]
    if view.stations.route:
        line = in_degrees(shapely.LineString(view.ground.observers_m[:, :2]), terrain.frame)
        yield vectors.feature(
            line.geom_type, shapely.geometry.mapping(line)["coordinates"], kind="route", height_agl_m=above
        )
    else:
        yield vectors.feature("Point", points[0], kind="eye", height_agl_m=above[0], alt_msl_m=round(float(alt[0]), 1))


def in_degrees(shape: Any, frame: LocalFrame) -> Any:
    """A shape of the local frame in longitude, latitude: rings counterclockwise, holes clockwise, cut at the
    antimeridian (RFC 7946, 3.1.6 and 3.1.9), seven decimals (1 cm)."""

    def degrees(xy_m: NDArray[np.float64]) -> NDArray[np.float64]:
        lat, lon = frames.to_geodetic(frame, xy_m[:, 0], xy_m[:, 1])
        lon = frame.lon0_deg + (lon - frame.lon0_deg + 180.0) % 360.0 - 180.0  # runs on across the antimeridian
        return np.asarray(np.round(np.stack([lon, lat], axis=-1), 7), float)

    round_it = shapely.transform(shape, degrees)
    if not round_it.is_empty and (round_it.bounds[0] < -180.0 or round_it.bounds[2] > 180.0):
        whole = shapely.make_valid(round_it)
        turns = {low: shapely.intersection(whole, shapely.box(low, -90.0, low + 360.0, 90.0)) for low in TURNS_DEG}
        round_it = shapely.union_all(
            [shapely.transform(part, lambda xy, by=low + 180.0: xy - [by, 0.0]) for low, part in turns.items()]
        )
    kind = "Polygon" if "Polygon" in shape.geom_type else "LineString"
    # A cut may leave points and lines where an outline touches the antimeridian: they are none of it.
    pieces = shapely.get_parts(shapely.get_parts(round_it))
    kept = [piece for piece in pieces if piece.geom_type == kind]
    if kind == "Polygon":
        return shapely.orient_polygons(shapely.MultiPolygon(kept))
    return kept[0] if len(kept) == 1 else shapely.MultiLineString(kept)
