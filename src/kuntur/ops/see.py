"""See: what is seen from one point, or from a route, for somebody who just wants the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import rioxarray  # noqa: F401  gives xarray its .rio
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kuntur.errors import ConfigError
from kuntur.geodesy import angles, frames
from kuntur.io import catalog
from kuntur.model.assets import Camera
from kuntur.model.place import Light, Weather
from kuntur.ops.see_ground import Ground, Progress, Stations, Where, along_route, at_point, prepare
from kuntur.ops.see_view import HIDDEN, NOT_LOOKED, SEEN, UNKNOWN, Link, View, summary
from kuntur.units import DEG_TO_RAD
from kuntur.visibility import detection, doubt, radio, viewshed

FloatArray = NDArray[np.float64]

DEFAULT_RANGE_M = 10_000.0
EVERY_M = 100.0
REALIZATIONS = 50
"""Terrains drawn for the chance of being in sight: a standard error of 0.07 at one half."""


def see(
    where: Where = None,
    *,
    lat_deg: float | None = None,
    lon_deg: float | None = None,
    height_agl_m: float | None = None,
    route: str | Path | Sequence[Sequence[float]] | None = None,
    every_m: float = EVERY_M,
    heights_are: str = "hae",
    target: detection.Target = "person",
    target_height_m: float | None = None,
    max_range_m: float | None = None,
    camera: str | Camera | None = None,
    sector_deg: Sequence[float] | None = None,
    mode: viewshed.Mode = "accurate",
    light: Light = "day",
    speed_mps: float = 15.0,
    with_doubt: bool = False,
    progress: Progress = lambda fraction, words: None,
) -> xr.DataArray:
    """What is seen from one point (`lat_deg`, `lon_deg`, `height_agl_m`) or from a `route`, as an array with its CRS.

    where: an Area, the name or file of one, terrain files (GeoTIFF, .hgt, DTED), or nothing for the embedded area.
    Returns uint8 (y, x): 0 hidden, 1 seen, 2 unknown, 255 not looked at (beyond the range or outside the sector), which
    is the array's nodata. x, y are cell centres in metres of a transverse Mercator frame, which the array carries as
    its CRS (rioxarray). Further layers ride along as coordinates over (y, x): `count`, `slant_m`, `least_height_m` and,
    with a camera, `gsd_m`, `look_prob`, `exposure_prob` (see `View`); `seen.reset_coords()` makes a Dataset of all.

        seen = kuntur.see("davos.tif", lat_deg=46.8, lon_deg=9.85, height_agl_m=120.0)
        seen.least_height_m.plot()
        seen.rio.to_raster("seen.tif")

    sector_deg: azimuth from true north, width[, least and greatest depression] of what the camera looks at. Raises
    ConfigError and TerrainError, each with what to do.
    """
    stations = _stations(lat_deg, lon_deg, height_agl_m, route, every_m, heights_are)
    view = look(
        where, stations, target=target, target_height_m=target_height_m, max_range_m=max_range_m, camera=camera,
        sector_deg=sector_deg, mode=mode, light=light, speed_mps=speed_mps, with_doubt=with_doubt, progress=progress,
    )  # fmt: skip
    return as_array(view)


def _stations(
    lat_deg: float | None,
    lon_deg: float | None,
    height_agl_m: float | None,
    route: str | Path | Sequence[Sequence[float]] | None,
    every_m: float,
    heights_are: str,
) -> Stations:
    if route is not None:
        if lat_deg is not None or lon_deg is not None:
            raise ConfigError("There is a point and a route to look from.", remedy="Give one of them.")
        return along_route(route, every_m, height_agl_m, heights_are)
    if lat_deg is None or lon_deg is None or height_agl_m is None:
        raise ConfigError(
            "There is nothing to look from.", remedy="Give latitude, longitude and height above the ground, or a route."
        )
    return at_point(lat_deg, lon_deg, height_agl_m)


def look(
    where: Where,
    stations: Stations,
    *,
    target: detection.Target = "person",
    target_height_m: float | None = None,
    max_range_m: float | None = None,
    camera: str | Camera | None = None,
    sector_deg: Sequence[float] | None = None,
    mode: viewshed.Mode = "accurate",
    light: Light = "day",
    speed_mps: float = 15.0,
    with_doubt: bool = False,
    progress: Progress = lambda fraction, words: None,
) -> View:
    """Make the picture: the ground, then one pass of the engine, then what a camera makes of it."""
    if target not in detection.VISIBLE_HEIGHT_M:
        known = ", ".join(detection.VISIBLE_HEIGHT_M)
        raise ConfigError(f"There is no target {target!r}.", remedy=f"Known: {known}.")
    if mode not in get_args(viewshed.Mode):
        raise ConfigError(f"There is no mode {mode!r}.", remedy=f"Known: {', '.join(get_args(viewshed.Mode))}.")
    height_m = detection.VISIBLE_HEIGHT_M[target] if target_height_m is None else target_height_m
    if light not in get_args(Light):
        raise ConfigError(f"There is no light {light!r}.", remedy="Known: day, night.")
    if not (math.isfinite(height_m) and height_m >= 0.0):
        raise ConfigError(f"A target {height_m:g} m high cannot be.", remedy="Give its height in metres, 0 or more.")
    if not (math.isfinite(speed_mps) and speed_mps > 0.0):
        raise ConfigError(f"Nothing flies at {speed_mps:g} m/s.", remedy="Give a ground speed above 0.")
    eye = _camera(camera) if isinstance(camera, str) else camera
    weather = Weather(light=light)
    reach_m = _reach_m(max_range_m, eye, target, weather)
    progress(0.02, "terrain")
    ground = prepare(where, stations, reach_m, progress=lambda f, w: progress(0.02 + 0.3 * f, w))
    if ground.area is not None:
        weather = msgspec.structs.replace(ground.area.weather, light=light)
    sector = _sector(sector_deg, ground, stations)
    progress(0.35, f"looking from {len(stations.lat_deg)} point{'s' * stations.route}, {reach_m / 1e3:g} km each way")
    seen = viewshed.accumulate(
        ground.terrain, ground.observers_m, max_range_m=reach_m, target_height_m=height_m, mode=mode, sectors=sector,
        want=("count", "unknown", "best_slant_m", "least_height_m"),
    )  # fmt: skip
    assert seen.count is not None and seen.unknown is not None
    assert seen.best_slant_m is not None and seen.least_height_m is not None
    progress(0.8, "what the camera makes of it" if eye else "picture")
    void = _voids_in_range(ground, sector, reach_m)
    # No least height: no station looks there. At which depression a void lies nobody knows, so it counts as looked at.
    looked = ~np.isposinf(seen.least_height_m) | void
    picture = np.where(seen.count > 0, SEEN, np.where((seen.unknown > 0) | void, UNKNOWN, HIDDEN))
    picture = np.where(looked, picture, NOT_LOOKED).astype(np.uint8)
    slant = np.where(np.isfinite(seen.best_slant_m) & (picture == SEEN), seen.best_slant_m, np.nan).astype(np.float32)
    least = np.where(np.isfinite(seen.least_height_m) & looked, seen.least_height_m, np.nan).astype(np.float32)
    probs = _probabilities(ground, stations, eye, target, weather, slant, reach_m, height_m, mode, speed_mps)
    return View(
        ground=ground, stations=stations, max_range_m=reach_m, target=target, target_height_m=height_m, mode=mode,
        sector=sector, sector_deg=None if sector_deg is None else tuple(sector_deg), camera=eye,
        light=light, speed_mps=speed_mps, seen=picture, count=seen.count, slant_m=slant,
        least_height_m=least, links=_links(ground), **probs,
        certain_prob=_in_doubt(ground, reach_m, height_m, looked, progress) if with_doubt else None,
    )  # fmt: skip


def again(view: View, points: Sequence[Sequence[float]], height_agl_m: float, max_range_m: float) -> View:
    """The same wishes from another place: one point or a route, latitude and longitude in degrees."""
    if len(points) == 1:
        stations = at_point(points[0][0], points[0][1], height_agl_m)
    else:
        stations = along_route([(lon, lat) for lat, lon in points], EVERY_M, height_agl_m, "agl")
    return look(
        view.ground.where, stations, target=view.target, target_height_m=view.target_height_m, camera=view.camera,
        max_range_m=max_range_m, sector_deg=view.sector_deg, mode=view.mode, light=view.light,
        speed_mps=view.speed_mps,
    )  # fmt: skip


def from_words(
    lat: str | None,
    lon: str | None,
    height: str | None,
    *,
    area: str | None,
    terrain: Sequence[str] | None,
    route: Path | None,
    height_agl_m: float | None,
    heights_are: str,
    every_m: float,
    sector: str | None,
    **wishes: Any,
) -> View:
    """`look` for a command line: positions as people write them, area or terrain files, a sector with slashes."""
    given = [word for word in (lat, lon, height) if word is not None]
    unknown = [word for word in given if word.startswith("--") or (word.startswith("-") and word[1:2].isalpha())]
    if unknown:
        raise ConfigError(f"There is no option {unknown[0]}.", remedy="`kuntur see --help` lists them all.")
    if area is not None and terrain:
        raise ConfigError("There is an area and terrain files.", remedy="Give --area or --terrain, not both.")
    where: Where = list(terrain) if terrain else area
    if route is not None:
        if given:
            raise ConfigError("There is a point and a route to look from.", remedy="Give LAT LON HEIGHT or --route.")
        stations = along_route(route, every_m, height_agl_m, heights_are)
    elif lat is None or lon is None or (height is None and height_agl_m is None):
        raise ConfigError(
            "A picture needs a point to look from.",
            remedy="Give LAT LON HEIGHT, such as -18.28 -69.05 150, or --route.",
        )
    else:
        above = _number(height, "HEIGHT") if height is not None else height_agl_m
        stations = at_point(angles.degrees(lat, "lat"), angles.degrees(lon, "lon"), above or 0.0)
    sector_deg = None if sector is None else [_number(part, "--sector") for part in sector.split("/")]
    return look(where, stations, sector_deg=sector_deg, **wishes)


def _number(word: str, name: str) -> float:
    try:
        return float(word.strip().removesuffix("m").replace(",", "."))
    except ValueError:
        raise ConfigError(f"{name}: {word!r} is no number.", remedy="Give metres or degrees as a number.") from None


def _camera(name: str) -> Camera:
    known = {table.id: table for table in catalog.read().camera}
    if name not in known:
        raise ConfigError(f'There is no camera "{name}".', remedy=f"Known: {', '.join(sorted(known))}.")
    return catalog.camera(known[name])


def _reach_m(max_range_m: float | None, camera: Camera | None, target: detection.Target, weather: Weather) -> float:
    """What was asked for; else as far as the camera finds the target, rounded up to 100 m; else 10 km."""
    if max_range_m is not None:
        return float(max_range_m)
    if camera is None:
        return DEFAULT_RANGE_M
    useful_m = detection.max_range_m(camera, target, weather)
    if useful_m <= 0.0:
        raise ConfigError(
            f"{camera.name} does not find a {target.replace('_', ' ')} by {weather.light} at any distance.",
            remedy="Take a thermal camera by night, or give --range to see the ground in sight alone.",
        )
    return 100.0 * math.ceil(useful_m / 100.0)


def _sector(sector_deg: Sequence[float] | None, ground: Ground, stations: Stations) -> viewshed.Sector | None:
    """Azimuth (true) and width, and perhaps least and greatest depression, in the frame of the ground."""
    if sector_deg is None:
        return None
    values = [float(value) for value in sector_deg]
    wrong = len(values) not in (2, 4) or not all(map(math.isfinite, values)) or not 0.0 < values[1] <= 360.0
    if wrong or (len(values) == 4 and not -90.0 <= values[2] < values[3] <= 90.0):
        raise ConfigError(
            f"The sector {'/'.join(f'{value:g}' for value in values)} is none.",
            remedy="Give AZIMUTH/WIDTH or AZIMUTH/WIDTH/LEAST/GREATEST in degrees: 270/60/0/45 looks west, 60 wide, "
            "from level down to 45 below.",
        )
    least, greatest = values[2:] or (-90.0, 90.0)
    middle = len(stations.lat_deg) // 2
    lat, lon = float(stations.lat_deg[middle]), float(stations.lon_deg[middle])
    return viewshed.Sector(
        azimuth_rad=frames.grid_azimuth(ground.terrain.frame, lat, lon, values[0] % 360.0 * DEG_TO_RAD),
        width_rad=values[1] * DEG_TO_RAD,
        least_depression_rad=least * DEG_TO_RAD,
        greatest_depression_rad=greatest * DEG_TO_RAD,
    )


def _voids_in_range(ground: Ground, sector: viewshed.Sector | None, reach_m: float) -> NDArray[np.bool_]:
    """Void cells within range of a station, and of a single one within its sector's azimuths: (rows, cols)."""
    found = np.isnan(ground.terrain.surface_m)
    row, col = np.nonzero(found)
    x_m, y_m = ground.centres_m()
    xy_m = np.stack([x_m[col], y_m[row]], axis=-1)
    if len(ground.observers_m) > 1:
        distance_m, _ = cKDTree(ground.observers_m[:, :2]).query(xy_m, distance_upper_bound=reach_m * (1.0 + 1e-9))
        found[row, col] = np.isfinite(distance_m)
        return found
    dx, dy = (xy_m - ground.observers_m[0, :2]).T
    near = np.hypot(dx, dy) <= reach_m
    if sector is not None and sector.width_rad < 2.0 * math.pi:
        off = (np.arctan2(dx, dy) - sector.azimuth_rad + math.pi) % (2.0 * math.pi) - math.pi
        near &= np.abs(off) <= sector.width_rad / 2.0
    found[row, col] = near
    return found


def _probabilities(
    ground: Ground,
    stations: Stations,
    camera: Camera | None,
    target: detection.Target,
    weather: Weather,
    slant_m: NDArray[np.float32],
    reach_m: float,
    target_height_m: float,
    mode: viewshed.Mode,
    speed_mps: float,
) -> dict[str, Any]:
    """What a camera adds: ground sample distance, one look, and along a route the whole flight with its search."""
    if camera is None:
        return {}
    look_prob = np.zeros(slant_m.shape, np.float32)
    seen = ~np.isnan(slant_m)
    look_prob[seen] = detection.glimpse_prob(camera, target, slant_m[seen], weather)
    found = {
        "gsd_m": (slant_m * pixel_rad(camera)).astype(np.float32),
        "look_prob": look_prob,
    }
    if not stations.route:
        return found
    agl_m = float(np.median(ground.observers_m[:, 2] - ground.ground_m))
    search = detection.search_for(camera, (target,), agl_m, weather)
    step_m = 10.0
    ranges_m = (np.arange(math.ceil(math.hypot(reach_m, 10_000.0) / step_m)) + 1.0) * step_m  # far end: never too much
    rate = detection.glimpse_prob(camera, target, ranges_m, weather) / search.independent_s
    apart_s = np.diff(stations.chainage_m) / speed_mps
    flown = viewshed.accumulate(
        ground.terrain, ground.observers_m, max_range_m=reach_m, target_height_m=target_height_m, mode=mode,
        sectors=viewshed.Sector(
            least_depression_rad=search.least_depression_rad, greatest_depression_rad=search.greatest_depression_rad
        ),
        want=("exposure",), rate=viewshed.RangeTable(values=rate.astype(np.float32), step_m=step_m),
        weights_s=0.5 * (np.append(apart_s, 0.0) + np.insert(apart_s, 0, 0.0)),
    )  # fmt: skip
    assert flown.exposure is not None
    return found | {"exposure_prob": -np.expm1(-flown.exposure).astype(np.float32)}


def _in_doubt(
    ground: Ground, reach_m: float, target_height_m: float, looked: NDArray[np.bool_], progress: Progress
) -> NDArray[np.float32]:
    """Chance of being in sight, over terrains that the survey could stand for; NaN unknown or not looked at."""
    progress(0.85, f"{REALIZATIONS} terrains drawn from the error of this one")
    found = doubt.seen_probability(
        ground.terrain, ground.observers_m, target_height_m=target_height_m, max_range_m=reach_m,
        realizations=REALIZATIONS,
    )  # fmt: skip
    return np.where(looked, found.prob, np.nan).astype(np.float32)


def _links(ground: Ground) -> tuple[Link, ...]:
    """From each base's mast with every radio stationed there (the fleet's where none is) to each station."""
    area = ground.area
    if area is None:
        return ()
    links = []
    for base in area.bases:
        stationed = [a.radio for a in area.fleet.aircraft if a.base_id == base.id]
        mast_m = np.array([base.x_m, base.y_m, base.alt_msl_m + base.mast_agl_m])
        good = np.ones(len(ground.observers_m), bool)
        for one in {r.id: r for r in stationed or [a.radio for a in area.fleet.aircraft]}.values():
            good &= radio.reach(area.terrain, mast_m, ground.observers_m, one, a_gain_dbi=base.mast_gain_dbi)
        links.append(Link(base=base.name, reached=int(good.sum())))
    return tuple(links)


def pixel_rad(camera: Camera) -> float:
    """Angle of the coarser pixel at the picture's middle."""
    return max(
        2.0 * math.tan(camera.hfov_rad / 2.0) / camera.columns_px,
        2.0 * math.tan(camera.vfov_rad / 2.0) / camera.rows_px,
    )


def as_array(view: View) -> xr.DataArray:
    """The picture as `see` returns it."""
    x_m, y_m = view.ground.centres_m()
    layers = {
        "count": (view.count, "stations that see it", "1"),
        "slant_m": (view.slant_m, "slant range from the nearest station that sees it", "m"),
        "least_height_m": (view.least_height_m, "how tall something must be here to be seen", "m"),
        "gsd_m": (view.gsd_m, "ground covered by one pixel, across the sight line", "m"),
        "look_prob": (view.look_prob, f"chance that one look finds a {view.target}", "1"),
        "exposure_prob": (view.exposure_prob, f"chance that the flight finds a {view.target}", "1"),
        "certain_prob": (view.certain_prob, "chance of being in sight, over the error of the terrain", "1"),
    }
    coords: dict[str, xr.Variable] = {"y": xr.Variable("y", y_m), "x": xr.Variable("x", x_m)}
    for name, (values, words, unit) in layers.items():
        if values is not None:
            coords[name] = xr.Variable(("y", "x"), values, {"long_name": words, "units": unit})
    array = xr.DataArray(
        view.seen, dims=("y", "x"), coords=coords, name="seen",
        attrs={
            "long_name": "what is seen",
            "flag_values": np.array([HIDDEN, SEEN, UNKNOWN], np.uint8),
            "flag_meanings": "hidden seen unknown",
            "terrain": view.terrain_words,
            "summary": summary(view),
        },
    )  # fmt: skip
    placed: xr.DataArray = array.rio.write_crs(view.ground.terrain.frame.proj4).rio.write_nodata(NOT_LOOKED)
    return placed
