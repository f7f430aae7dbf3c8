"""The map page of a picture: one file that opens from disk and asks nobody for anything.

The grids travel in it as deflated base64; the page colours them itself, so the pointer can tell what lies under it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from kuntur.geodesy import frames
from kuntur.ops import see_picture
from kuntur.ops.see_view import HIDDEN, SEEN, UNKNOWN, View, hider
from kuntur.units import EARTH_RADIUS_M, REFRACTION_COEFFICIENT

SOURCE = Path(__file__).with_name("page")
SCRIPTS = ("words.js", "see.js", "hands.js")
MOST_CELLS = 1_500_000
"""More cells than this are thinned out: the page stays near 3 MB and quick on an old laptop."""
NONE = 65535
MOST_EYES = 2000


def write(view: View, path: Path) -> Path:
    """The page with its picture in it, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(html(payload(view), connect="'none'"), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def served() -> str:
    """The same page for `kuntur see --open`: it brings no picture but asks its server, and may draw."""
    return html({"served": True}, connect="'self'")


def policy(connect: str) -> str:
    """Content-Security-Policy: this one script, and nothing from anywhere."""
    digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def html(data: dict[str, Any], connect: str) -> str:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    page = (SOURCE / "see.html").read_text(encoding="utf-8")
    page = page.replace("@POLICY@", policy(connect)).replace("@STYLE@", (SOURCE / "see.css").read_text("utf-8"))
    return page.replace("@SCRIPT@", _script()).replace("@DATA@", text)


@cache
def _script() -> str:
    parts = "\n".join((SOURCE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f"'use strict';\n{parts}"


def payload(view: View) -> dict[str, Any]:
    """Everything the page shows: facts in plain words and numbers, and the grids."""
    terrain = view.ground.terrain
    stride = max(1, int(np.ceil(np.sqrt(view.seen.size / MOST_CELLS))))
    thin = (slice(stride // 2, None, stride), slice(stride // 2, None, stride))
    heights = terrain.heights_m[thin]
    known = heights[np.isfinite(heights)]
    bottom, top = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    low, high = (float(v) for v in np.percentile(known, [1.0, 99.5])) if known.size else (0.0, 1.0)
    quantum = max(0.1, (top - bottom) / 65_000.0)
    slant_quantum = max(1.0, float(np.nan_to_num(view.slant_m).max()) / 65_000.0)
    layers = {
        "height": _u16((heights - bottom) / quantum),
        "seen": _pack(view.seen[thin].tobytes()),
        "least_height": _u16(view.least_height_m[thin] / 0.1),
    }
    if view.stations.route:
        layers |= {"slant": _u16(view.slant_m[thin] / slant_quantum), "count": _u16(view.count[thin])}
    for name, prob in (("look", view.look_prob), ("exposure", view.exposure_prob), ("certain", view.certain_prob)):
        if prob is not None:
            layers[name] = _u8(prob[thin])
    grid = {
        "rows": heights.shape[0], "cols": heights.shape[1], "cell_m": terrain.cell_m, "stride": stride,
        "step_m": terrain.cell_m * stride, "west_m": terrain.west_m, "north_m": terrain.north_m,
        "z0_m": bottom, "zq_m": quantum, "low_m": low, "high_m": high, "least_q_m": 0.1, "slant_q_m": slant_quantum,
    }  # fmt: skip
    return _facts(view) | {"grid": grid, "positions": _positions(view), "layers": layers}


def _facts(view: View) -> dict[str, Any]:
    stations, ground = view.stations, view.ground
    above = ground.observers_m[:, 2] - ground.ground_m
    most = None if stations.route else hider(view)
    eyes = ground.observers_m[:: max(1, len(above) // MOST_EYES)]
    return {
        "served": False,
        "title": ground.title,
        "lat_deg": float(stations.lat_deg[0]),
        "lon_deg": float(stations.lon_deg[0]),
        "height_agl_m": round(float(above[0]), 1),
        "alt_msl_m": round(float(ground.observers_m[0, 2]), 1),
        "route": {
            "length_m": float(stations.chainage_m[-1]), "stations": len(above),
            "lowest_m": round(float(above.min()), 1), "highest_m": round(float(above.max()), 1),
        } if stations.route else None,
        "eyes": np.round(eyes, 1).tolist(),
        "range_m": view.max_range_m,
        "rings_m": [round(1000.0 * ring, 3) for ring in see_picture.ring_steps_km(view.max_range_m / 1e3)],
        "edge": _edge(view) if stations.route else [],
        "target": view.target,
        "target_height_m": view.target_height_m,
        "seen_km2": view.area_km2(SEEN),
        "hidden_km2": view.area_km2(HIDDEN),
        "unknown_km2": view.area_km2(UNKNOWN),
        "looked_km2": max(view.looked_km2, 1e-9),
        "most_count": int(view.count.max()),
        "hider": most and {"octant": most.octant, "distance_m": most.distance_m, "alt_msl_m": most.alt_msl_m},
        "camera": view.camera.name if view.camera else None,
        "light": view.light,
        "sector": view.sector is not None,
        "sketched": ground.terrain.sketched,
        "attributions": list(ground.attributions),
        "notes": list(ground.notes),
        "links": [{"base": link.base, "reached": link.reached} for link in view.links],
        "curvature_per_m": (1.0 - REFRACTION_COEFFICIENT) / (2.0 * EARTH_RADIUS_M),
        "border": [np.round(ground.area.border.xy_m, 1).tolist()] if ground.area else [],
        "places": _places(view),
    }  # fmt: skip


def _edge(view: View) -> list[Any]:
    """Outline of everything within range of a route."""
    around = shapely.LineString(view.ground.observers_m[:, :2]).buffer(view.max_range_m, quad_segs=32)
    return [np.round(np.asarray(ring.coords), 0).tolist() for ring in (around.exterior, *around.interiors)]


def _places(view: View) -> list[dict[str, Any]]:
    terrain = view.ground.terrain
    inside = [
        place
        for place in (view.ground.area.places if view.ground.area else ())
        if terrain.west_m < place.x_m < terrain.east_m and terrain.south_m < place.y_m < terrain.north_m
    ]
    return [{"name": place.name, "x_m": round(place.x_m), "y_m": round(place.y_m)} for place in inside]


def _positions(view: View) -> dict[str, Any]:
    """Latitudes and longitudes of a 33 x 33 table over the window, south-west first; longitudes run on at 180."""
    terrain, n = view.ground.terrain, 33
    x_m, y_m = np.meshgrid(
        np.linspace(terrain.west_m, terrain.east_m, n), np.linspace(terrain.south_m, terrain.north_m, n)
    )
    lat, lon = frames.to_geodetic(terrain.frame, x_m.ravel(), y_m.ravel())
    lon0 = terrain.frame.lon0_deg
    lon = lon0 + (lon - lon0 + 180.0) % 360.0 - 180.0
    edges = {"west_m": terrain.west_m, "south_m": terrain.south_m, "east_m": terrain.east_m, "north_m": terrain.north_m}
    return {"n": n, "lat": np.round(lat, 7).tolist(), "lon": np.round(lon, 7).tolist(), **edges}


def _u16(values: NDArray[Any]) -> str:
    """Rounded to uint16, NONE where not finite; as differences, low bytes before high bytes: both deflate well."""
    whole = np.where(np.isfinite(values), np.clip(np.rint(np.nan_to_num(values)), 0, NONE - 1), NONE).astype(np.uint16)
    steps = np.diff(whole.ravel(), prepend=np.uint16(0)).astype(np.uint16)
    return _pack((steps & 0xFF).astype(np.uint8).tobytes() + (steps >> 8).astype(np.uint8).tobytes())


def _u8(prob: NDArray[Any]) -> str:
    """Probabilities in 200ths, 255 unknown."""
    return _pack(np.where(np.isfinite(prob), np.rint(np.nan_to_num(prob) * 200.0), 255.0).astype(np.uint8).tobytes())


def _pack(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")
