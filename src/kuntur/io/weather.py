"""[weather] of an area -> model.Weather: an ISA deviation, a station's reading, winds by altitude, or a forecast file.

A file (NetCDF, or GRIB by the GDAL inside rasterio) gives temperature, wind and geopotential on pressure levels, or
temperature, wind and pressure on levels of altitude. Planning takes the worst of it: at each level the thinnest air,
and a wind vector with the most by which any wind differs from it, over all grid points in and around the area, all
hours of the watch and all members of an ensemble. So one budget holds everywhere and all night; it may be dear.
"""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import xarray as xr
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.aircraft import atmosphere
from kuntur.errors import ConfigError
from kuntur.io.area_file import ExtentTable, RequirementTable, WeatherTable
from kuntur.model.place import AirLevel, Weather, WindLevel
from kuntur.units import DEG_TO_RAD, STANDARD_GRAVITY_MPS2

FloatArray = NDArray[np.float64]

# Sea-level pressure has been 870 to 1,085 hPa (WMO Weather and Climate Extremes Archive): -14 and +7 % of standard.
PRESSURE_SHARE: Final = (0.86, 1.07)
TEMPERATURE_K: Final = (183.0, 330.0)  # the coldest and warmest air measured at the ground, same archive, rounded out
LEAST_LEVELS: Final = 2

# Names of a quantity in files: CF standard names first, then the short names of ECMWF and NCEP.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "temperature": ("air_temperature", "t", "ta", "TMP", "temperature"),
    "east": ("eastward_wind", "u", "ua", "UGRD"),
    "north": ("northward_wind", "v", "va", "VGRD"),
    "pressure": ("air_pressure", "pressure", "pres", "p", "PRES"),
    "height": ("geopotential_height", "gh", "zg", "HGT"),
    "geopotential": ("geopotential", "z", "GP"),
}
_LEVELS: Final = ("isobaricInhPa", "pressure_level", "level", "plev", "altitude", "air_pressure", "lev", "height")
_MEMBERS: Final = ("number", "member", "realization", "ensemble")
_GRIB_ELEMENTS: Final = {"TMP": "t", "UGRD": "u", "VGRD": "v", "HGT": "gh", "GP": "z"}


class Columns(Struct, frozen=True, kw_only=True):
    """What a file says: one column of air for each grid point, hour and member. All (columns, levels), upwards."""

    alt_msl_m: FloatArray
    temperature_k: FloatArray
    pressure_pa: FloatArray
    east_mps: FloatArray
    north_mps: FloatArray


def planned(
    table: WeatherTable, folder: Path, extent: ExtentTable, need: RequirementTable, highest_msl_m: float
) -> Weather:
    """The weather to plan with. folder: where the area file is. highest_msl_m: the highest place that is flown.

    Raises ConfigError for values that contradict each other or no air on earth has, and for a file that does not cover
    the area, the watch or the height.
    """
    _require_one_source(table)
    base: dict[str, Any] = {"visibility_m": table.visibility_m, "light": table.light}
    if table.field is not None:
        columns = read(folder / table.field, extent, _watch(need))
        return worst(columns, folder / table.field, highest_msl_m, **base)
    if table.station_alt_msl_m is not None:
        base["air"] = (_station(table),)
    winds = tuple(
        WindLevel(
            alt_msl_m=one.alt_msl_m, wind_speed_mps=one.wind_speed_mps, wind_from_rad=one.wind_from_deg * DEG_TO_RAD
        )
        for one in table.layers
    )
    if any(low.alt_msl_m >= high.alt_msl_m for low, high in itertools.pairwise(winds)):
        raise ConfigError("[[weather.layers]] must rise in alt_msl_m.", remedy="Put the lowest first, each once.")
    return Weather(
        isa_offset_k=table.isa_offset_k,
        wind_speed_mps=table.wind_speed_mps,
        wind_from_rad=table.wind_from_deg * DEG_TO_RAD,
        winds=winds,
        **base,
    )


def _require_one_source(table: WeatherTable) -> None:
    station = (table.station_alt_msl_m, table.station_temperature_c, table.station_pressure_hpa, table.station_qnh_hpa)
    reads = any(part is not None for part in station)
    pressures = (table.station_pressure_hpa is not None) + (table.station_qnh_hpa is not None)
    steady = table.wind_speed_mps != 0.0
    if reads and (None in station[:2] or pressures != 1):
        raise ConfigError(
            "[weather]: a station needs station_alt_msl_m, station_temperature_c and one of station_pressure_hpa (as "
            "the barometer there reads) and station_qnh_hpa (as given to altimeters).",
            remedy="Give exactly these three.",
        )
    if reads and table.isa_offset_k != 0.0:
        raise ConfigError(
            "[weather]: isa_offset_k and a station's reading both say how warm the air is.", remedy="Give one of them."
        )
    if table.layers and steady:
        raise ConfigError("[weather]: wind_speed_mps and [[weather.layers]] both say the wind.", remedy="Give one.")
    if table.field is not None and (reads or table.layers or steady or table.isa_offset_k != 0.0):
        raise ConfigError(
            "[weather]: `field` already says temperature, pressure and wind.",
            remedy="Leave out isa_offset_k, wind_speed_mps, station_* and layers beside it.",
        )


def _station(table: WeatherTable) -> AirLevel:
    assert table.station_alt_msl_m is not None and table.station_temperature_c is not None, "checked before"
    alt_msl_m, temperature_k = table.station_alt_msl_m, table.station_temperature_c + 273.15
    if table.station_qnh_hpa is not None:
        pressure_pa = atmosphere.station_pressure_pa(table.station_qnh_hpa * 100.0, alt_msl_m)
    else:
        assert table.station_pressure_hpa is not None, "checked before"
        pressure_pa = table.station_pressure_hpa * 100.0
    standard_pa = float(atmosphere.pressure_pa(alt_msl_m))
    if not PRESSURE_SHARE[0] <= pressure_pa / standard_pa <= PRESSURE_SHARE[1]:
        given = "station_pressure_hpa" if table.station_qnh_hpa is None else "station_qnh_hpa"
        hint = (
            "That looks like a QNH: give it as station_qnh_hpa."
            if given == "station_pressure_hpa" and 860.0 <= pressure_pa / 100.0 <= 1090.0
            else f"About {standard_pa / 100.0:.0f} hPa is usual there. Check {given} and station_alt_msl_m."
        )
        raise ConfigError(
            f"[weather]: {pressure_pa / 100.0:.0f} hPa is no pressure of the air at {alt_msl_m:.0f} m.", remedy=hint
        )
    if not TEMPERATURE_K[0] <= temperature_k <= TEMPERATURE_K[1]:
        raise ConfigError(
            f"[weather]: station_temperature_c {table.station_temperature_c:g} is no temperature of air on earth.",
            remedy="Give degrees Celsius.",
        )
    return AirLevel(alt_msl_m=alt_msl_m, temperature_k=temperature_k, pressure_pa=pressure_pa)


def _watch(need: RequirementTable) -> tuple[datetime, datetime] | float:
    """Begin and end of the watch, UTC; or only how long it is, where the area file names no night."""
    if need.date is None:
        return need.duration_s
    zone = timezone(timedelta(hours=need.utc_offset_h))
    start = datetime.fromisoformat(f"{need.date}T{need.start_local}").replace(tzinfo=zone).astimezone(UTC)
    return start, start + timedelta(seconds=need.duration_s)


def read(path: Path, extent: ExtentTable, watch: tuple[datetime, datetime] | float) -> Columns:
    """Columns of the grid points in and next to the extent, of the hours of the watch, of all members."""
    try:
        with path.open("rb") as file:
            is_grib = file.read(4) == b"GRIB"
        data = _grib(path) if is_grib else xr.open_dataset(path, decode_timedelta=False)
        with data:
            return _columns(_cut(data, path, extent, watch), path)
    except (OSError, ValueError, KeyError, rasterio.errors.RasterioError) as error:
        raise ConfigError(
            f"The weather file {path} cannot be read: {error}.",
            remedy="Give NetCDF (3 or 4) or GRIB, with temperature, wind and geopotential on pressure levels.",
        ) from error


def worst(columns: Columns, path: Path, highest_msl_m: float, **rest: Any) -> Weather:
    """The thinnest air and the wind with its spread at common altitudes of all columns."""
    low, high = float(columns.alt_msl_m[:, 0].max()), float(columns.alt_msl_m[:, -1].min())
    if high < highest_msl_m:
        raise ConfigError(
            f"The weather file {path} ends at {high:.0f} m, and {highest_msl_m:.0f} m is flown.",
            remedy="Give higher levels too (lower pressures: 400 hPa is about 7,200 m).",
        )
    middle = columns.alt_msl_m.mean(axis=0)
    levels_m = np.unique(np.concatenate([[low], middle[(middle > low) & (middle < high)], [high]]))
    levels_m = levels_m[levels_m <= atmosphere.TROPOPAUSE_M]

    def at_levels(values: FloatArray) -> FloatArray:
        rows = zip(columns.alt_msl_m, values, strict=True)
        return np.array([np.interp(levels_m, alt, row) for alt, row in rows])

    temperature_k, pressure_pa = at_levels(columns.temperature_k), np.exp(at_levels(np.log(columns.pressure_pa)))
    thinnest = np.argmin(pressure_pa / temperature_k, axis=0)
    east, north = at_levels(columns.east_mps), at_levels(columns.north_mps)
    mean_east, mean_north = east.mean(axis=0), north.mean(axis=0)
    spread = np.hypot(east - mean_east, north - mean_north).max(axis=0)
    air = [
        AirLevel(alt_msl_m=float(alt), temperature_k=float(temperature_k[i, k]), pressure_pa=float(pressure_pa[i, k]))
        for k, (alt, i) in enumerate(zip(levels_m, thinnest, strict=True))
    ]
    winds = [
        WindLevel(
            alt_msl_m=float(alt),
            wind_speed_mps=math.hypot(mean_east[k], mean_north[k]),
            wind_from_rad=math.atan2(-mean_east[k], -mean_north[k]) % (2.0 * math.pi),
            spread_mps=float(spread[k]),
        )
        for k, alt in enumerate(levels_m)
    ]
    return Weather(air=tuple(air), winds=tuple(winds), **rest)


# --- reading


def _grib(path: Path) -> xr.Dataset:
    """GRIB messages on isobaric surfaces as a dataset (time, level, latitude, longitude), units as in the file."""
    fields: dict[str, dict[tuple[int, float], NDArray[Any]]] = {}
    with rasterio.Env(GRIB_NORMALIZE_UNITS="NO"), rasterio.open(path) as source:
        for band in source.indexes:
            tags = source.tags(band)
            level, _, surface = tags.get("GRIB_SHORT_NAME", "").partition("-")
            name = _GRIB_ELEMENTS.get(tags.get("GRIB_ELEMENT", ""))
            if name is None or surface != "ISBL":
                continue
            valid_s = int(tags["GRIB_VALID_TIME"].split()[0])
            fields.setdefault(name, {})[valid_s, float(level)] = source.read(band, masked=True).filled(np.nan)
        first, step = source.transform @ (0.5, 0.5), (source.transform.a, source.transform.e)
        lon = first[0] + step[0] * np.arange(source.width)
        lat = first[1] + step[1] * np.arange(source.height)
    if not fields:
        raise ValueError("no message of temperature, wind or geopotential on an isobaric surface")
    keys = {name: set(found) for name, found in fields.items()}
    every = set.union(*keys.values())
    times, levels = sorted({t for t, _ in every}), sorted({p for _, p in every})
    data = {}
    for name, found in fields.items():
        lacking = [(t, p) for t in times for p in levels if (t, p) not in found]
        if lacking:
            raise ValueError(f"{name} lacks the level {lacking[0][1] / 100.0:g} hPa at {lacking[0][0]} s after 1970")
        grid = np.array([[found[t, p] for p in levels] for t in times], float)
        data[name] = (("time", "plev", "latitude", "longitude"), grid)
    coords = {
        "time": np.array(times, "datetime64[s]").astype("datetime64[ns]"),
        "plev": ("plev", np.array(levels), {"units": "Pa"}),
        "latitude": lat,
        "longitude": lon,
    }
    return xr.Dataset(data, coords=coords)


def _cut(data: xr.Dataset, path: Path, extent: ExtentTable, watch: tuple[datetime, datetime] | float) -> xr.Dataset:
    """Grid points in the extent and next to it, hours of the watch; checked to cover both."""
    lat_name, lon_name = _coordinate(data, "latitude", "lat"), _coordinate(data, "longitude", "lon")
    if data[lat_name].ndim != 1 or data[lon_name].ndim != 1:
        raise ValueError("its grid is not one of latitudes and longitudes")
    centre = extent.west_deg + ((extent.east_deg - extent.west_deg) % 360.0) / 2.0
    lon = (data[lon_name].values - centre + 180.0) % 360.0 - 180.0 + centre
    east_deg = extent.west_deg + (extent.east_deg - extent.west_deg) % 360.0
    rows = _around(data[lat_name].values, extent.south_deg, extent.north_deg)
    cols = _around(lon, extent.west_deg, east_deg)
    if rows is None or cols is None:
        lat = data[lat_name].values
        have = f"{lat.min():.2f} to {lat.max():.2f} N, {lon.min():.2f} to {lon.max():.2f} E"
        raise ConfigError(
            f"The weather file {path} does not cover the area: it has {have}.",
            remedy="Ask for a grid that reaches past [extent] on every side.",
        )
    return _hours(data.isel({lat_name: rows, lon_name: cols}), path, watch)


def _around(values: FloatArray, low: float, high: float) -> NDArray[np.intp] | None:
    """Indices of the points between low and high and of the next one on each side; None where they do not reach."""
    below, above = values[values <= low], values[values >= high]
    if not below.size or not above.size:
        return None
    return np.flatnonzero((values >= below.max()) & (values <= above.min()))


def _hours(data: xr.Dataset, path: Path, watch: tuple[datetime, datetime] | float) -> xr.Dataset:
    name = next((one for one in ("valid_time", "time") if one in data.coords and data[one].dims), None)
    times = np.sort(data[name].values) if name is not None else np.array([], "datetime64[ns]")
    if not times.size or data[name].ndim != 1:
        raise ConfigError(
            f"The weather file {path} has no hours.", remedy="Give the forecast of the whole watch, not one moment."
        )
    if isinstance(watch, float):
        if (times[-1] - times[0]) / np.timedelta64(1, "s") < watch:
            raise ConfigError(
                f"The weather file {path} spans {(times[-1] - times[0]) / np.timedelta64(1, 'h'):.0f} hours, the watch "
                f"lasts {watch / 3600.0:.1f}.",
                remedy="Give a forecast of the whole watch.",
            )
        return data
    begin, end = (np.datetime64(one.replace(tzinfo=None), "ns") for one in watch)
    if times[0] > begin or times[-1] < end:
        raise ConfigError(
            f"The weather file {path} does not cover the watch of {watch[0]:%Y-%m-%d %H:%M} to {watch[1]:%H:%M} UTC: "
            f"it has {str(times[0])[:16]} to {str(times[-1])[:16]}.",
            remedy="Correct [requirement] date, or give the forecast of that night.",
        )
    first, last = times[times <= begin].max(), times[times >= end].min()
    values = data[name].values
    return data.isel({str(data[name].dims[0]): np.flatnonzero((values >= first) & (values <= last))})


def _columns(data: xr.Dataset, path: Path) -> Columns:
    level = next((name for name in _LEVELS if name in data.dims), None)
    if level is None or data.sizes[level] < LEAST_LEVELS:
        raise ValueError(f"it has no {LEAST_LEVELS} levels of pressure or altitude")
    height, pressure = _heights(data, level)
    parts = [height, pressure, _needed(data, "temperature", "temperature")]
    parts += [_needed(data, key, f"{key}ward wind") for key in ("east", "north")]
    shaped = xr.broadcast(*parts)
    others = [name for name in shaped[0].dims if name != level]
    strange = set(others) - {*_MEMBERS, "time", "valid_time", "step", "latitude", "longitude", "lat", "lon"}
    if strange:
        raise ValueError(f"nobody knows what its dimension {', '.join(map(str, strange))} is")
    flat = [one.transpose(*others, level).values.reshape(-1, data.sizes[level]).astype(float) for one in shaped]
    if not all(np.isfinite(one).all() for one in flat):
        raise ValueError("there are gaps in the levels over the area")
    order = np.argsort(flat[0].mean(axis=0))
    alt, pressure_pa, temperature, east, north = (one[:, order] for one in flat)
    if not (np.diff(alt, axis=1) > 0.0).all():
        raise ValueError("its heights do not rise from level to level")
    columns = Columns(alt_msl_m=alt, temperature_k=temperature, pressure_pa=pressure_pa, east_mps=east, north_mps=north)
    _require_air(columns, path)
    return columns


def _heights(data: xr.Dataset, level: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Altitude in m and pressure in Pa of the levels, one of them from the level itself."""
    axis, units = data[level].astype(float), str(data[level].attrs.get("units", "")).lower()
    if units in ("hpa", "millibars", "mb", "mbar", "pa"):
        pressure = axis if units == "pa" else axis * 100.0
        height = _variable(data, _NAMES["height"])
        if height is None:
            what = "geopotential (z) or geopotential height (gh) of its pressure levels"
            height = _needed(data, "geopotential", what) / STANDARD_GRAVITY_MPS2
        return height, pressure
    if units in ("m", "meters", "metres") and level == "altitude":
        return axis, _needed(data, "pressure", "pressure on its levels of altitude")
    raise ValueError(f'its level "{level}" is in "{units}", neither a pressure nor an altitude above the sea')


def _needed(data: xr.Dataset, key: str, what: str) -> xr.DataArray:
    found = _variable(data, _NAMES[key])
    if found is None:
        raise ValueError(f"it has no {what}")
    return found


def _require_air(columns: Columns, path: Path) -> None:
    t, inside = columns.temperature_k, columns.alt_msl_m < atmosphere.TROPOPAUSE_M
    share = np.where(inside, columns.pressure_pa / atmosphere.pressure_pa(columns.alt_msl_m), 1.0)
    wind = np.hypot(columns.east_mps, columns.north_mps)
    for wrong, what in (
        ((t < TEMPERATURE_K[0]) | (t > TEMPERATURE_K[1]), "temperatures that no air on earth has (they must be in K)"),
        ((share < PRESSURE_SHARE[0]) | (share > PRESSURE_SHARE[1]), "pressures that do not belong to their heights"),
        (wind > 150.0, "winds above 150 m/s"),
    ):
        if wrong.any():
            raise ConfigError(f"The weather file {path} has {what}.", remedy="Check the units of its variables.")


def _coordinate(data: xr.Dataset, *names: str) -> str:
    for name in names:
        if name in data.coords:
            return name
    raise ValueError(f"it has no {names[0]}")


def _variable(data: xr.Dataset, names: tuple[str, ...]) -> xr.DataArray | None:
    for name in names:
        for key, variable in data.data_vars.items():
            if variable.attrs.get("standard_name") == name or key == name:
                return variable
    return None
