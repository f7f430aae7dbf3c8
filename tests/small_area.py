"""A made-up area file with a survey of 22 x 22 km around 10 S 70 W: tests change one thing and look what is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

POST_DEG = 3.0 / 3600.0
SOUTH, NORTH, WEST, EAST = -10.10, -9.90, -70.10, -69.90

TOML = """
id = "small"
title = "A small made-up area"

[extent]
south_deg = -10.06
west_deg = -70.06
north_deg = -9.94
east_deg = -69.94

[terrain]
sources = ["survey.tif"]
cell_m = 90.0
vertical_datum = "EGM96"

[border]
file = "border.geojson"
name = "Here - There"
ours = "right"
our_country = "Here"
their_country = "There"
from_km = 1.0
to_km = 11.0

[[base]]
id = "post"
name = "The post"
lat_deg = -10.0
lon_deg = -69.97
pads = 1

[[aircraft]]
id = "rotor"
name = "Rotor"
system_id = 1
airframe = "matrice_4td"
camera = "matrice_4_thermal"
radio = "o4_enterprise_m4"
base = "post"
turnround_s = 600.0

[[crosser]]
id = "walker"
name = "A person on foot"
mode = "walk"
target = "person"

[requirement]
detection_prob = 0.5
start_local = "20:00"
utc_offset_h = -4.0
duration_s = 7200.0
depth_m = 3000.0
wave_s = 1200.0
crosser_cell_m = 450.0
crosser_step_s = 120.0
flight_cell_m = 1000.0
height_agl_m = 150.0

[weather]
wind_speed_mps = 3.0
"""


def heights(lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """A plane, so that bilinear interpolation is exact: 3,000 m at 10 S 70 W, rising to the north and the east."""
    return 3000.0 + 2000.0 * (lat_deg + 10.0) + 1000.0 * (lon_deg + 70.0)


def posts(
    south: float = SOUTH, north: float = NORTH, west: float = WEST, east: float = EAST
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes north to south, longitudes west to east, both ends included."""
    rows, cols = round((north - south) / POST_DEG) + 1, round((east - west) / POST_DEG) + 1
    return np.linspace(north, south, rows), np.linspace(west, east, cols)


def write_survey(
    path: Path,
    values: NDArray[np.generic] | None = None,
    *,
    south: float = SOUTH,
    north: float = NORTH,
    west: float = WEST,
    east: float = EAST,
    nodata: float | None = -32768,
    crs: str | None = "EPSG:4326",
    point: bool = False,
) -> Path:
    """Heights (or the plane) at posts, as a GeoTIFF whose pixel centres lie on the posts."""
    lat, lon = posts(south, north, west, east)
    if values is None:
        values = heights(lat[:, None], lon[None, :]).astype(np.float32)
    transform = Affine(POST_DEG, 0.0, west - POST_DEG / 2, 0.0, -POST_DEG, north + POST_DEG / 2)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        crs=crs, transform=transform, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values, 1)
        if point:
            file.update_tags(AREA_OR_POINT="Point")
    return path


def write_border(path: Path, coordinates: list[list[float]] | None = None) -> Path:
    """A line from south to north along 70 W with one bend."""
    line = coordinates or [[-70.0, -10.06], [-70.005, -10.0], [-70.0, -9.94]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "LineString", "coordinates": line}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


def write(folder: Path, *changes: tuple[str, str], survey: bool = True) -> Path:
    """The area with texts of its TOML replaced; every text must be there."""
    text = TOML
    for old, new in changes:
        assert old in text, f"{old!r} is not in the small area"
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "area.toml").write_text(text, encoding="utf-8")
    write_border(folder / "border.geojson")
    if survey:
        write_survey(folder / "survey.tif")
    return folder / "area.toml"
