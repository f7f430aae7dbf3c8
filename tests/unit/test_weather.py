"""The weather of an area: stations, winds by altitude and forecast files, the worst of them taken, the rest refused."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import small_area
import xarray as xr
from rasterio.transform import from_origin

from kuntur import config
from kuntur.aircraft import atmosphere, wind
from kuntur.errors import ConfigError, InfeasibleError
from kuntur.io import weather
from kuntur.io.area_file import ExtentTable, RequirementTable, WeatherTable
from kuntur.model.place import Weather
from kuntur.ops import area as area_ops

EXTENT = ExtentTable(south_deg=-18.2, west_deg=-69.2, north_deg=-17.8, east_deg=-68.8)
NEED = RequirementTable(
    detection_prob=0.5, start_local="20:00", utc_offset_h=-4.0, duration_s=6 * 3600.0, depth_m=8000.0, wave_s=1200.0,
    crosser_cell_m=250.0, crosser_step_s=60.0, flight_cell_m=1000.0, height_agl_m=150.0, date="2026-07-15",
)  # fmt: skip
LEVELS_HPA = np.array([700.0, 600.0, 500.0, 400.0])
HOURS = np.datetime64("2026-07-16T00:00", "ns") + np.arange(0, 7, 3) * np.timedelta64(1, "h")  # 20:00 to 02:00 there


def planned(table: dict, folder: Path = Path(), **changes: object) -> Weather:
    need = msgspec.structs.replace(NEED, **changes)
    return weather.planned(config.decode(table, WeatherTable, "test"), folder, EXTENT, need, 5500.0)


def forecast() -> xr.Dataset:
    """A winter night over the Altiplano, invented: warm in one place at one hour, windy from the north in another."""
    lat, lon = np.arange(-19.0, -16.9, 0.5), np.arange(290.0, 292.1, 0.5)
    shape = (len(HOURS), len(LEVELS_HPA), len(lat), len(lon))
    gh = np.broadcast_to(np.array([3140.0, 4410.0, 5860.0, 7570.0])[None, :, None, None], shape).copy()
    t = np.broadcast_to(np.array([282.0, 273.0, 263.0, 250.0])[None, :, None, None], shape).copy()
    u, v = np.full(shape, 10.0), np.zeros(shape)
    t[1, 1, 2, 2] += 12.0  # at 17.95 S, within the area: the thinnest at 600 hPa
    v[2, 2, 2, 2] = -8.0  # from the north there, at 500 hPa
    t[:, :, 0, 0] += 30.0  # far outside
    dims = ("time", "isobaricInhPa", "latitude", "longitude")
    return xr.Dataset(
        {"t": (dims, t), "u": (dims, u), "v": (dims, v), "z": (dims, gh * 9.80665)},
        coords={
            "time": HOURS, "isobaricInhPa": ("isobaricInhPa", LEVELS_HPA, {"units": "hPa"}),
            "latitude": lat, "longitude": lon,
        },
    )  # fmt: skip


def stored(folder: Path, data: xr.Dataset, name: str = "field.nc", engine: str = "h5netcdf") -> dict:
    data.to_netcdf(folder / name, engine=engine)
    return {"field": name}


# --- a station


def test_a_station_of_standard_air_is_the_standard_atmosphere() -> None:
    reading = {"station_alt_msl_m": 4000.0, "station_temperature_c": -11.0, "station_pressure_hpa": 616.402}
    alt = np.array([3000.0, 4000.0, 5500.0])
    np.testing.assert_allclose(atmosphere.density_altitude_m(alt, planned(reading)), alt, atol=0.5)
    by_qnh = {"station_alt_msl_m": 4000.0, "station_temperature_c": -11.0, "station_qnh_hpa": 1013.25}
    np.testing.assert_allclose(atmosphere.density_altitude_m(alt, planned(by_qnh)), alt, atol=0.5)


def test_a_warm_station_makes_the_air_thin_above_it_too() -> None:
    reading = {"station_alt_msl_m": 4061.0, "station_temperature_c": 18.0, "station_pressure_hpa": 625.0}
    air = planned(reading)
    here = float(atmosphere.density_kgpm3(4061.0, air))
    assert here == pytest.approx(62_500.0 / (287.05287 * 291.15))
    # El Alto on a warm day. 62,500 Pa is standard at 3,893 m, where 18 degrees is 28.2 K too warm; by the rule of thumb
    # 120 ft a kelvin (FAA-H-8083-25C, ch. 11) the density altitude is about 1,030 m above that.
    assert float(atmosphere.pressure_pa(3893.0)) == pytest.approx(62_500.0, abs=15.0)
    assert float(atmosphere.density_altitude_m(4061.0, air)) - 3893.0 == pytest.approx(28.2 * 120 * 0.3048, rel=0.12)
    # 1,000 m higher in hydrostatic balance: T falls by 6.5 K, p by the barometric formula.
    up_k = 291.15 - 6.5
    up_pa = 62_500.0 * (up_k / 291.15) ** (9.80665 / (287.05287 * 0.0065))
    assert float(atmosphere.density_kgpm3(5061.0, air)) == pytest.approx(up_pa / (287.05287 * up_k), rel=1e-9)


STATION = {"station_alt_msl_m": 4000.0, "station_temperature_c": 5.0, "station_pressure_hpa": 620.0}
LAYERS = [{"alt_msl_m": alt, "wind_speed_mps": 5.0, "wind_from_deg": 0.0} for alt in (5000.0, 4000.0)]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"station_alt_msl_m": 4000.0, "station_temperature_c": 5.0}, "one of station_pressure_hpa"),
        ({**STATION, "station_qnh_hpa": 1013.0}, "one of station_pressure_hpa"),
        ({"station_temperature_c": 5.0}, "needs station_alt_msl_m"),
        ({**STATION, "station_pressure_hpa": 1021.0}, "looks like a QNH"),
        ({**STATION, "station_pressure_hpa": 500.0}, "no pressure of the air"),
        ({**STATION, "station_temperature_c": 278.0}, "Celsius"),
        ({**STATION, "isa_offset_k": 5.0}, "both say"),
        ({"wind_speed_mps": 4.0, "layers": LAYERS[:1]}, "both say the wind"),
        ({"field": "f.nc", "isa_offset_k": 3.0}, "already says"),
        ({"field": "nowhere.nc"}, "cannot be read"),
        ({"layers": LAYERS}, "must rise"),
    ],
)
def test_what_contradicts_itself_is_refused(table: dict, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(table)
    assert words in str(caught.value)


# --- winds by altitude


def test_winds_by_altitude_are_vectors_between_their_levels() -> None:
    layers = [
        {"alt_msl_m": 4000.0, "wind_speed_mps": 6.0, "wind_from_deg": 270.0},
        {"alt_msl_m": 5000.0, "wind_speed_mps": 10.0, "wind_from_deg": 180.0},
    ]
    air = planned({"layers": layers})
    below, middle, above = (wind.at(air, alt) for alt in (3000.0, 4500.0, 9000.0))
    assert (float(below.east_mps), float(below.north_mps)) == pytest.approx((6.0, 0.0), abs=1e-12)
    assert (float(middle.east_mps), float(middle.north_mps)) == pytest.approx((3.0, 5.0), abs=1e-12)
    assert (float(above.east_mps), float(above.north_mps)) == pytest.approx((0.0, 10.0), abs=1e-12)
    assert wind.strongest_mps(air) == pytest.approx(10.0)


# --- forecast files


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])  # NetCDF 4 and 3
def test_a_forecast_gives_the_thinnest_air_and_every_wind(tmp_path: Path, engine: str) -> None:
    data = forecast()
    air = planned(stored(tmp_path, data, engine=engine), tmp_path)
    inside = data.sel(latitude=slice(-18.5, -17.5), longitude=slice(290.5, 291.5))
    dense = inside["isobaricInhPa"] * 100.0 / (287.05287 * inside["t"])
    at_m = np.array([3140.0, 4410.0, 5860.0, 7570.0])
    lowest = dense.min(("time", "latitude", "longitude")).values
    np.testing.assert_allclose(atmosphere.density_kgpm3(at_m, air), lowest, rtol=1e-6)
    for alt in (3700.0, 5000.0, 6500.0):  # between levels no column is thinner than what is planned with
        columns = np.log(dense.transpose(..., "isobaricInhPa").values.reshape(-1, 4))
        assert (
            float(atmosphere.density_kgpm3(alt, air)) <= np.exp([np.interp(alt, at_m, c) for c in columns]).min() + 1e-9
        )
    for alt in (3140.0, 5135.0, 5860.0):  # every wind of the file lies within the spread
        here = wind.at(air, alt)
        for member in range(inside["u"].values[:, 0].size):
            index = np.unravel_index(member, inside["u"].values[:, 0].shape)
            u = np.interp(alt, at_m, inside["u"].values[index[0], :, index[1], index[2]])
            v = np.interp(alt, at_m, inside["v"].values[index[0], :, index[1], index[2]])
            assert math.hypot(u - here.east_mps, v - here.north_mps) <= here.spread_mps + 1e-6
    assert float(wind.at(air, 5860.0).spread_mps) > 7.0
    assert float(wind.at(air, 3140.0).spread_mps) == pytest.approx(0.0, abs=1e-6)


def test_levels_of_altitude_members_and_cf_names_are_read_too(tmp_path: Path) -> None:
    data = forecast()
    alt = np.array([3140.0, 4410.0, 5860.0, 7570.0])
    pressure = data["isobaricInhPa"].values * 100.0
    by_height = (
        data.drop_vars("z")
        .rename(isobaricInhPa="altitude", t="air", u="eastward", v="northward")
        .assign_coords(altitude=("altitude", alt, {"units": "m"}))
    )
    by_height["pres"] = ("altitude", pressure)
    for name, standard in (("air", "air_temperature"), ("eastward", "eastward_wind"), ("northward", "northward_wind")):
        by_height[name].attrs["standard_name"] = standard
    warmer = by_height.copy(deep=True)
    warmer["air"] = by_height["air"].copy(data=by_height["air"].values + 5.0)
    members = xr.concat([by_height, warmer], "number")
    one = planned(stored(tmp_path, by_height, "one.nc"), tmp_path)
    both = planned(stored(tmp_path, members, "both.nc"), tmp_path)
    plain = planned(stored(tmp_path, data), tmp_path)
    at_m = np.linspace(3200.0, 7500.0, 9)
    np.testing.assert_allclose(atmosphere.density_kgpm3(at_m, one), atmosphere.density_kgpm3(at_m, plain), rtol=1e-4)
    assert np.all(atmosphere.density_kgpm3(at_m, both) < atmosphere.density_kgpm3(at_m, one))


def test_grib_says_the_same_as_netcdf(tmp_path: Path) -> None:
    data = forecast().astype("float32")
    write_grib(tmp_path / "field.grib2", data)
    ours = planned({"field": "field.grib2"}, tmp_path)
    same = planned(stored(tmp_path, data), tmp_path)
    at_m = np.linspace(3200.0, 7500.0, 9)
    # Packed to 0.01 in its own units.
    np.testing.assert_allclose(atmosphere.density_kgpm3(at_m, ours), atmosphere.density_kgpm3(at_m, same), rtol=2e-4)
    np.testing.assert_allclose(wind.at(ours, at_m).east_mps, wind.at(same, at_m).east_mps, atol=0.02)
    np.testing.assert_allclose(wind.at(ours, at_m).spread_mps, wind.at(same, at_m).spread_mps, atol=0.05)


def test_a_forecast_that_does_not_cover_area_watch_or_height_is_refused(tmp_path: Path) -> None:
    data = forecast()
    cases = {
        "does not cover the area": (data.isel(latitude=slice(2, None)), {}),
        "does not cover the watch": (data, {"date": "2026-07-16"}),
        "spans 3 hours": (data.isel(time=slice(0, 2)), {"date": None}),
        "has no hours": (data.isel(time=0, drop=True), {}),
        "ends at 4410 m": (data.isel(isobaricInhPa=slice(0, 2)), {}),
        "no northward wind": (data.drop_vars("v"), {}),
        "geopotential": (data.drop_vars("z"), {}),
        "gaps": (data.where(data["isobaricInhPa"] != 500.0), {}),
        "must be in K": (data.assign(t=data["t"] - 273.15), {}),
        "do not belong to their heights": (data.assign(z=data["z"] / 2.0), {}),
    }
    for number, (words, (changed, need)) in enumerate(cases.items()):
        name = f"{number}.nc"
        changed.to_netcdf(tmp_path / name, engine="h5netcdf")
        with pytest.raises(ConfigError) as caught:
            planned({"field": name}, tmp_path, **need)
        assert words in str(caught.value)
    (tmp_path / "text.nc").write_text("not a forecast")
    with pytest.raises(ConfigError, match="cannot be read"):
        planned({"field": "text.nc"}, tmp_path)
    assert planned(stored(tmp_path, data), tmp_path, date=None).air


def test_an_area_plans_with_its_forecast_and_remembers_its_hash(tmp_path: Path) -> None:
    toml = small_area.write(tmp_path / "area", ("wind_speed_mps = 3.0", 'field = "field.nc"'))
    text = toml.read_text(encoding="utf-8")
    extent = tomllib.loads(text)["extent"]
    data = forecast().assign_coords(
        latitude=np.linspace(extent["south_deg"] - 0.2, extent["north_deg"] + 0.2, 5),
        longitude=np.linspace(extent["west_deg"] - 0.2, extent["east_deg"] + 0.2, 5),
    )
    for wrong in ("wind_from_deg", "isa_offset_k"):
        text = re.sub(rf"^{wrong} = .*\n", "", text, flags=re.MULTILINE)
    toml.write_text(text, encoding="utf-8")
    data.to_netcdf(toml.parent / "field.nc", engine="h5netcdf")
    with pytest.raises(InfeasibleError, match="wind"):  # 10 m/s with a spread of 8 in the middle is too much for it
        area_ops.load(toml)
    data.assign(u=data["u"] * 0.0, v=data["v"] * 0.0).to_netcdf(toml.parent / "field.nc", engine="h5netcdf")
    area = area_ops.load(toml)
    assert len(area.weather.air) >= 3
    assert area.input_hashes["field.nc"] == hashlib.sha256((toml.parent / "field.nc").read_bytes()).hexdigest()


# --- writing GRIB, by GDAL

_ELEMENT = {"t": (0, 0), "u": (2, 2), "v": (2, 3), "z": (3, 4)}  # GRIB2 code table 4.2: category and number


def write_grib(path: Path, data: xr.Dataset) -> None:
    """Messages of product template 4.0 on isobaric surfaces, one a quantity, hour and level."""
    lat, lon = data["latitude"].values, data["longitude"].values
    first = data["time"].values[0]
    reference = datetime.fromtimestamp(float((first - np.datetime64(0, "s")) / np.timedelta64(1, "s")), UTC)
    options, grids = {}, []
    for name, (category, number) in _ELEMENT.items():
        for time in data["time"].values:
            hours = int((time - first) / np.timedelta64(1, "h"))
            for hpa in data["isobaricInhPa"].values:
                band = len(grids) + 1
                options[f"BAND_{band}_PDS_PDTN"] = "0"
                values = (category, number, 2, 0, 0, 0, 0, 1, hours, 100, 0, int(hpa * 100), 255, 0, 0)
                options[f"BAND_{band}_PDS_TEMPLATE_ASSEMBLED_VALUES"] = " ".join(map(str, values))
                grids.append(data[name].sel(time=time, isobaricInhPa=hpa).values[::-1])
    profile = {
        "driver": "GTiff", "height": len(lat), "width": len(lon), "count": len(grids), "dtype": "float64",
        "crs": "EPSG:4326", "transform": from_origin(lon[0] - 0.25, lat[-1] + 0.25, 0.5, 0.5),
    }  # fmt: skip
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(np.array(grids, float))
        rasterio.shutil.copy(
            memory.name, str(path), driver="GRIB", DISCIPLINE="0", DATA_ENCODING="IEEE_FLOATING_POINT",
            INPUT_UNIT="K", IDS=f"CENTER=0 REF_TIME={reference:%Y-%m-%dT%H:%M:%SZ}", **options,
        )  # fmt: skip
