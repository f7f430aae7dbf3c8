"""GeoJSON in and out: RFC 7946, WGS 84 longitude/latitude."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuntur.errors import BorderError, ConfigError

FloatArray = NDArray[np.float64]


def read_line(path: Path) -> FloatArray:
    """The one line in a GeoJSON file as (n, 2) lon_deg, lat_deg, in file order; BorderError for none or several.

    A line cut at the antimeridian (RFC 7946, 3.1.9) comes as a MultiLineString whose parts meet; they are joined.
    """
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BorderError(
            f"The border file {path} is missing.", remedy="Correct [border] file in the area file."
        ) from error
    except (OSError, ValueError) as error:
        raise BorderError(f"The border file {path} is no readable GeoJSON: {error}.", remedy="Replace it.") from error
    lines = [one for one in _geometries(document) if one.get("type") in ("LineString", "MultiLineString")]
    if len(lines) != 1:
        raise BorderError(
            f"The border file {path} holds {len(lines)} lines; it must hold exactly one.",
            remedy="Keep the one LineString that runs along the whole border of the area.",
        )
    try:
        parts = [lines[0]["coordinates"]] if lines[0]["type"] == "LineString" else lines[0]["coordinates"]
        arrays = [np.asarray([point[:2] for point in part], float).reshape(-1, 2) for part in parts]
    except (KeyError, TypeError, ValueError) as error:
        raise BorderError(
            f"The border file {path} has a line without usable coordinates.", remedy="Replace it."
        ) from error
    return _checked(np.vstack(_joined(arrays, path)), path)


def _geometries(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        return []
    if document.get("type") == "FeatureCollection":
        return [g for feature in document.get("features") or [] for g in _geometries(feature)]
    if document.get("type") == "Feature":
        return _geometries(document.get("geometry"))
    return [document]


def _joined(parts: list[FloatArray], path: Path) -> list[FloatArray]:
    for before, after in pairwise(parts):
        gap = np.abs(before[-1] - after[0])
        gap[0] = min(gap[0], 360.0 - gap[0])
        if gap.max() > 1e-6:
            raise BorderError(
                f"The border line in {path} has a gap between its parts.", remedy="Join them into one line."
            )
    return [parts[0], *(part[1:] for part in parts[1:])]


def _checked(lonlat: FloatArray, path: Path) -> FloatArray:
    lon, lat = lonlat[:, 0], lonlat[:, 1]
    if not np.all(np.isfinite(lonlat)) or np.abs(lat).max(initial=0.0) > 90.0 or np.abs(lon).max(initial=0.0) > 360.0:
        raise BorderError(
            f"The border file {path} has coordinates that are no longitude and latitude in degrees.",
            remedy="GeoJSON is WGS 84, longitude first; convert the file.",
        )
    keep = np.concatenate([[True], np.any(np.diff(lonlat, axis=0) != 0.0, axis=1)])
    if keep.sum() < 2:
        raise BorderError(f"The border line in {path} has fewer than two different points.", remedy="Replace it.")
    return np.asarray(lonlat[keep])


def read_route(path: Path) -> FloatArray:
    """The one line in a GeoJSON file as (n, 3) lon_deg, lat_deg, height; NaN for a height that a point does not have.

    ConfigError for none, several, or one that cannot be flown. RFC 7946, 3.1.1 means a height above the WGS 84
    ellipsoid; many programs write something else, so whoever reads says what it is.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The route {path} is no readable GeoJSON: {error}.", remedy="Give a file with one LineString."
        ) from error
    found = [one for one in _geometries(document) if one.get("type") == "LineString"]
    if len(found) != 1:
        raise ConfigError(f"The route {path} holds {len(found)} LineStrings; it must hold one.", remedy="Keep the one.")
    try:
        points = [[*point[:3], *[math.nan] * (3 - len(point))] for point in found[0]["coordinates"]]
        route = np.asarray(points, float).reshape(-1, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"The route {path} has no usable coordinates.", remedy="Replace it.") from error
    lonlat = route[:, :2]
    if len(route) < 2 or not np.isfinite(lonlat).all() or np.abs(lonlat[:, 1]).max() > 90.0:
        raise ConfigError(
            f"The route {path} needs two points or more, each with longitude and latitude in degrees.",
            remedy="GeoJSON is WGS 84, longitude first.",
        )
    return route


def read_points(path: Path, most: int = 100_000) -> Iterator[FloatArray]:
    """The points of a file as arrays (n, 2) lon_deg, lat_deg of up to `most`, in file order.

    GeoJSON is read whole; a text sequence (.geojsonl, .ndjson, .geojsons: one feature a line, RFC 8142) is streamed.
    ConfigError for a file that cannot be read, without a point, or with something else than points in it.
    """
    points: list[list[float]] = []
    found = 0
    for document in _documents(path):
        for one in _geometries(document):
            kind = one.get("type")
            if kind not in ("Point", "MultiPoint"):
                raise ConfigError(
                    f"{path} holds a {kind}; viewpoints are points.",
                    remedy="Give a line by --route, points alone here.",
                )
            points += [one["coordinates"]] if kind == "Point" else one["coordinates"]
        while len(points) >= most:
            yield _lonlat(points[:most], path)
            points, found = points[most:], found + most
    if points:
        yield _lonlat(points, path)
    elif not found:
        raise ConfigError(f"{path} holds no points.", remedy="Give a GeoJSON file of Point features.")


def _documents(path: Path) -> Iterator[Any]:
    try:
        if path.suffix.lower() in (".geojsonl", ".ndjson", ".geojsons"):
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    if text := line.strip("\x1e \r\n"):
                        yield json.loads(text)
        else:
            yield json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no readable GeoJSON: {error}.", remedy="Give a file of points.") from error


def _lonlat(points: list[list[float]], path: Path) -> FloatArray:
    try:
        lonlat = np.asarray([point[:2] for point in points], float).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} has a point without usable coordinates.", remedy="Correct it.") from error
    if not np.isfinite(lonlat).all() or np.abs(lonlat[:, 1]).max() > 90.0 or np.abs(lonlat[:, 0]).max() > 360.0:
        raise ConfigError(
            f"{path} has points that are no longitude and latitude in degrees.",
            remedy="GeoJSON is WGS 84, longitude first; convert the file.",
        )
    return lonlat


def feature(geometry_type: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    """One GeoJSON feature; coordinates as lon_deg, lat_deg lists."""
    return {
        "type": "Feature",
        "geometry": {"type": geometry_type, "coordinates": coordinates},
        "properties": properties,
    }


def write(path: Path, features: Iterable[Mapping[str, Any]]) -> None:
    """Write a FeatureCollection, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(
        json.dumps({"type": "FeatureCollection", "features": list(features)}, ensure_ascii=False, allow_nan=False),
        encoding="utf-8",
    )
    partial.replace(path)
