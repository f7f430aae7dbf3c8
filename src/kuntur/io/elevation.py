"""Heights from survey files (GeoTIFF/COG, .hgt, .hgt.zip, DTED) brought to the local frame.

Tiles that share a grid are laid together first, so that cells between two tiles see both. Every target cell is bilinear
in the four posts around it (the mean of several such samples when it is larger than a post's spacing), and a void as
soon as one post that counts is a void: voids are kept, never interpolated away. GDAL places the centre of a pixel on
the post for point-registered files (.hgt, DTED, GeoTIFF marked Point), so both registrations read alike here.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import rasterio
from msgspec import Struct
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from kuntur.errors import ConfigError, TerrainError
from kuntur.geodesy import frames, heights
from kuntur.model.place import Geoid, HeightArray, LocalFrame, Terrain, VerticalError
from kuntur.visibility import doubt

FloatArray = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

SUFFIXES = (".tif", ".tiff", ".hgt", ".dt0", ".dt1", ".dt2")
ELLIPSOID = "WGS84 ellipsoid"
LOWEST_M, HIGHEST_M = -500.0, 9000.0  # no land outside: the Dead Sea shore is at -430 m, Everest at 8,849 m
FOOT_M, SURVEY_FOOT_M = 0.3048, 1200.0 / 3937.0  # international; of the US survey, as in many US elevation files
HEIGHT_UNITS_M = dict.fromkeys(("", "m", "metre", "meter", "metres", "meters"), 1.0)
HEIGHT_UNITS_M |= dict.fromkeys(("ft", "foot", "feet", "international foot"), FOOT_M)
HEIGHT_UNITS_M |= dict.fromkeys(("us-ft", "ftus", "us survey foot", "foot_us", "sft"), SURVEY_FOOT_M)
MOST_CELLS = 60_000_000  # 240 MB of heights


class Product(Struct, frozen=True, kw_only=True):
    """What a survey is known to be. vertical_error_le90_m: linear error at 90 %, from the product's specification;
    error: as measured by others, for sight lines (visibility.doubt)."""

    name: str
    vertical_datum: str
    vertical_error_le90_m: float | None
    attribution: str
    error: VerticalError | None = None


SRTM = Product(
    name="SRTM",
    vertical_datum="EGM96",
    vertical_error_le90_m=16.0,  # mission requirement (Farr et al. 2007, doi:10.1029/2005RG000183)
    attribution="Terrain: SRTM, NASA / NGA / USGS, public domain",
    error=doubt.SRTM,
)
COPERNICUS = Product(
    name="Copernicus DEM GLO-30",
    vertical_datum="EGM2008",
    vertical_error_le90_m=4.0,  # Copernicus DEM Product Handbook, absolute vertical accuracy
    attribution="Terrain: produced using Copernicus WorldDEM-30 © DLR e.V. 2010-2014 and © Airbus Defence and Space "
    "GmbH 2014-2018 provided under COPERNICUS by the European Union and ESA; all rights reserved",
    error=doubt.COPERNICUS_GLO_30,
)
ASTER = Product(
    name="ASTER GDEM",
    vertical_datum="EGM96",
    vertical_error_le90_m=None,
    attribution="Terrain: ASTER GDEM, a product of METI and NASA",
    error=doubt.ASTER_GDEM,
)
DTED = Product(name="DTED", vertical_datum="EGM96", vertical_error_le90_m=None, attribution="")


class Tile(Struct, frozen=True, kw_only=True):
    """One opened file: where its pixels lie, and what heights they hold. west, north: outer edges; steps > 0."""

    path: Path
    address: str
    crs: str
    geographic: bool
    west: float
    north: float
    step_x: float
    step_y: float
    rows: int
    cols: int
    nodata: float | None
    product: Product | None
    vertical_datum: str
    unit_m: float  # of a projected CRS: metres in one of its units
    height_unit_m: float


def files(sources: Iterable[str | Path], folder: Path) -> list[Path]:
    """The files that paths, patterns and folders (relative to `folder`) stand for; TerrainError for one without any."""
    found: list[Path] = []
    for source in sources:
        path = folder / source
        if path.is_dir():
            matches = sorted(p for p in path.iterdir() if p.suffix.lower() in (*SUFFIXES, ".zip"))
        elif any(letter in str(source) for letter in "*?["):
            parts = Path(source)
            root = Path(parts.anchor) if parts.is_absolute() else folder
            matches = sorted(root.glob(str(parts.relative_to(parts.anchor))))
        else:
            matches = [path] if path.is_file() else []
        if not matches:
            raise TerrainError(
                f"There is no terrain at {path}.",
                remedy="Give the files by --terrain, correct [terrain] sources, or run `kuntur area fetch`.",
            )
        found += matches
    return list(dict.fromkeys(found))


def terrain(
    paths: Sequence[Path],
    frame: LocalFrame,
    bounds_m: Bounds,
    *,
    geoid: Geoid,
    cell_m: float | None = None,
    vertical_datum: str | None = None,
    vertical_error_le90_m: float | None = None,
    error_correlation_m: float | None = None,
    attribution: str = "",
    undeclared: str | None = None,
) -> Terrain:
    """The terrain of `bounds_m` (west, south, east, north in `frame`) from survey files, first file first.

    cell_m: None is the files' own spacing, rounded to 5 m. vertical_datum: needed where the product does not tell it,
    unless `undeclared` gives a name for that case (what is only seen needs no datum). Heights in feet, where the file
    says so, become metres.
    Ellipsoidal heights are brought to EGM96 by `geoid`; EGM2008 stays what it is. Raises TerrainError and ConfigError.
    """
    tiles = [open_tile(path, vertical_datum, undeclared) for path in paths]
    datum = one_datum(tiles)
    cell_m = cell_m or _native_cell_m(tiles, frame)
    west, south = np.ceil(np.asarray(bounds_m[:2]) / cell_m) * cell_m
    east, north = np.floor(np.asarray(bounds_m[2:]) / cell_m) * cell_m
    rows, cols = round((north - south) / cell_m), round((east - west) / cell_m)
    if rows < 2 or cols < 2 or rows * cols > MOST_CELLS:
        raise ConfigError(
            f"[extent] gives {rows} x {cols} cells of {cell_m:g} m: too {'many' if rows * cols > 4 else 'few'}.",
            remedy="Change [extent] or [terrain] cell_m.",
        )
    x = west + (np.arange(cols) + 0.5) * cell_m
    y = north - (np.arange(rows) + 0.5) * cell_m
    grid = np.full((rows, cols), np.nan, np.float32)
    for group in _groups(tiles, frame):
        _fill(grid, x, y, cell_m, group, frame)
        if not np.isnan(grid).any():
            break
    if np.isnan(grid).all():
        raise TerrainError(
            f"The terrain files ({', '.join(p.name for p in paths)}) do not touch the extent of the area.",
            remedy="Give the tiles that cover [extent]; the file names usually hold their south-west corner.",
        )
    if datum == ELLIPSOID:
        lat, lon = frames.to_geodetic(frame, *np.meshgrid(x, y))
        grid = (grid - heights.undulation_m(geoid, lat, lon)).astype(np.float32)
        datum = geoid.name
    products = list(dict.fromkeys(t.product.name if t.product else "unnamed survey" for t in tiles))
    errors = [t.product.vertical_error_le90_m if t.product else None for t in tiles]
    known = None if None in errors else max(e for e in errors if e is not None)
    credits = dict.fromkeys(t.product.attribution for t in tiles if t.product and t.product.attribution)
    return Terrain(
        frame=frame,
        heights_m=grid,
        cell_m=float(cell_m),
        west_m=float(west),
        north_m=float(north),
        vertical_datum=datum,
        product=" + ".join(products) + f" ({', '.join(p.name for p in paths)})",
        sketched=False,
        attribution=attribution or "; ".join(credits),
        vertical_error_le90_m=vertical_error_le90_m if vertical_error_le90_m is not None else known,
        sha256=hashlib.sha256(grid.tobytes()).hexdigest(),
        error=doubt.stated(
            doubt.worst(t.product.error if t.product else None for t in tiles),
            le90_m=vertical_error_le90_m,
            correlation_m=error_correlation_m,
        ),
    )


def native_cell_m(paths: Sequence[Path], frame: LocalFrame, *, undeclared: str | None = None) -> float:
    """The cell that `terrain` takes for these files by itself. Raises TerrainError for a file that cannot be used."""
    return _native_cell_m([open_tile(path, None, undeclared) for path in paths], frame)


def extent_deg(paths: Sequence[Path]) -> tuple[float, float, float, float]:
    """South, west, north, east of the rectangle round the files; west > east where it crosses the antimeridian."""
    boxes = []
    for path in paths:
        with rasterio.open(_address(path)) as file:
            boxes.append(transform_bounds(file.crs, "EPSG:4326", *file.bounds) if file.crs else file.bounds)
    west, south, east, north = (np.array(edge) for edge in zip(*boxes, strict=True))
    if np.ptp(west) > 180.0:  # tiles on both sides of the antimeridian
        west, east = west % 360.0, east % 360.0
    edges = (west.min(), east.max())
    turned = [float(lon) if abs(lon) <= 180.0 else (float(lon) + 180.0) % 360.0 - 180.0 for lon in edges]
    return float(south.min()), turned[0], float(north.max()), turned[1]


def open_tile(path: Path, declared: str | None, undeclared: str | None) -> Tile:
    """Where a file's posts lie and on which vertical datum; TerrainError or ConfigError where it cannot be used."""
    address = _address(path)
    try:
        with rasterio.open(address) as file:
            transform, crs, tags, driver = file.transform, file.crs, file.tags(), file.driver
            rows, cols, nodata, units = file.height, file.width, file.nodata, file.units
            # Reading a corner finds a truncated file now, not in the middle of the work.
            file.read(1, window=Window(cols - 1, rows - 1, 1, 1))
    except rasterio.errors.RasterioError as error:
        raise TerrainError(
            f"The terrain file {path} cannot be read: {error}.",
            remedy="Use GeoTIFF/COG, .hgt (named like S19W070.hgt), .hgt.zip or DTED; fetch a damaged file again.",
        ) from error
    if crs is None or transform.is_identity:
        raise TerrainError(
            f"The terrain file {path} does not say where it lies (no {'CRS' if crs is None else 'geotransform'}).",
            remedy="Georeference it.",
        )
    if transform.b != 0.0 or transform.d != 0.0 or transform.a <= 0.0 or transform.e >= 0.0:
        raise TerrainError(f"The terrain file {path} is not north-up.", remedy="Warp it to a north-up grid first.")
    product, told = _product(path, driver, tags, crs.to_wkt())
    if declared and told and declared != told:
        raise ConfigError(
            f'[terrain] vertical_datum says "{declared}", but {path.name} is on {told}.',
            remedy="Remove vertical_datum, or give the file that it describes.",
        )
    _require_degrees_or_metres(path, crs, transform, cols)
    datum = declared or told or undeclared
    if datum is None:
        raise TerrainError(
            f"Nothing tells on which vertical datum the heights of {path.name} are.",
            remedy='Declare [terrain] vertical_datum = "EGM96", "EGM2008" or "WGS84 ellipsoid".',
        )
    return Tile(
        path=path, address=address, crs=crs.to_wkt(), geographic=bool(crs.is_geographic),
        west=transform.c, north=transform.f, step_x=transform.a, step_y=-transform.e,
        rows=rows, cols=cols, nodata=nodata, product=product, vertical_datum=datum,
        unit_m=1.0 if crs.is_geographic else float(crs.linear_units_factor[1]),
        height_unit_m=_height_unit_m(path, units[0]),
    )  # fmt: skip


def _require_degrees_or_metres(path: Path, crs: CRS, transform: Affine, cols: int) -> None:
    """Raise for degrees called metres, and the other way round."""
    beyond = abs(transform.f) > 90.0 + transform.a or transform.a * cols > 360.0 + 2.0 * transform.a
    if crs.is_geographic and beyond:
        raise TerrainError(
            f"The terrain file {path} says degrees, but its corner lies at {transform.c:.7g}, {transform.f:.7g}.",
            remedy="Its coordinate system is declared wrongly; assign the right one (gdal_edit -a_srs).",
        )
    if not crs.is_geographic and transform.a < 0.02 and max(abs(transform.c), abs(transform.f)) <= 360.0:
        raise TerrainError(
            f"The terrain file {path} says metres, but its cells are {transform.a:.3g} wide: these are degrees.",
            remedy="Its coordinate system is declared wrongly; assign the right one (gdal_edit -a_srs EPSG:4326).",
        )


def _height_unit_m(path: Path, unit: str | None) -> float:
    """Metres in one unit of the heights; metres where the file says nothing, as every product here does."""
    name = (unit or "m").strip().lower()
    if name in HEIGHT_UNITS_M:
        return HEIGHT_UNITS_M[name]
    raise TerrainError(f"The heights of {path} are in {unit!r}, an unknown unit.", remedy="Convert them to metres.")


def _address(path: Path) -> str:
    """What GDAL opens: the file, or the one survey file inside a zip."""
    if not path.is_file():
        raise TerrainError(f"There is no terrain file {path}.", remedy="Correct the path, or fetch the file.")
    if path.suffix.lower() != ".zip":
        return str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if Path(name).suffix.lower() in SUFFIXES]
    except (zipfile.BadZipFile, OSError) as error:
        raise TerrainError(f"The terrain file {path} is no readable zip.", remedy="Fetch it again.") from error
    if len(inside) != 1:
        raise TerrainError(f"{path} holds {len(inside)} terrain files; it must hold one.", remedy="Unpack it.")
    return f"/vsizip/{path.resolve()}/{inside[0]}"


def _product(path: Path, driver: str, tags: dict[str, str], wkt: str) -> tuple[Product | None, str | None]:
    """The product a file belongs to, and the vertical datum that its own contents or its product tell."""
    name = path.name.lower()
    product = None
    if "copernicus_dsm" in name:
        product = COPERNICUS
    elif name.startswith("astgtm"):
        product = ASTER
    elif driver == "SRTMHGT" or "srtm" in name or tags.get("DTED_DigitizingSystem", "").strip() == "SRTM":
        product = SRTM
    elif driver == "DTED":
        product = DTED
    told = product.vertical_datum if product else None
    if tags.get("DTED_VerticalDatum", "").strip() == "E96":
        told = "EGM96"
    for word in ("EGM2008", "EGM96"):
        if word in wkt.replace(" ", ""):
            told = word
    return product, told


def one_datum(tiles: Sequence[Tile]) -> str:
    """The vertical datum that all tiles share; TerrainError where they do not."""
    first = tiles[0]
    for tile in tiles:
        if tile.vertical_datum != first.vertical_datum:
            raise TerrainError(
                f"{first.path.name} is on {first.vertical_datum}, {tile.path.name} on {tile.vertical_datum}: "
                "two vertical datums in one mosaic.",
                remedy="Use files of one datum; Kuntur does not mix them silently.",
            )
    return first.vertical_datum


def _native_cell_m(tiles: Sequence[Tile], frame: LocalFrame) -> float:
    """The finest tile's spacing as the side of a square cell, rounded to 5 m (to 1 m below 10 m)."""
    sizes = []
    for tile in tiles:
        scale = 111_320.0 if tile.geographic else tile.unit_m  # metres in a degree of latitude
        shrink = np.cos(np.radians(frame.lat0_deg)) if tile.geographic else 1.0
        sizes.append(float(np.sqrt(tile.step_x * tile.step_y * shrink)) * scale)
    finest = min(sizes)
    return max(1.0, round(finest)) if finest < 10.0 else 5.0 * round(finest / 5.0)


def _near(tile: Tile, frame: LocalFrame) -> float:
    """West edge of a tile, moved by whole turns to lie beside the area (the antimeridian cuts no area)."""
    if not tile.geographic:
        return tile.west
    middle = tile.west + 0.5 * tile.cols * tile.step_x
    return tile.west + 360.0 * round((frame.lon0_deg - middle) / 360.0)


def _groups(tiles: Sequence[Tile], frame: LocalFrame) -> list[list[Tile]]:
    """Tiles that share CRS, spacing and alignment, in the order given."""
    groups: list[list[Tile]] = []
    for tile in tiles:
        for group in groups:
            lead = group[0]
            dx = (_near(tile, frame) - _near(lead, frame)) / lead.step_x
            dy = (tile.north - lead.north) / lead.step_y
            aligned = abs(dx - round(dx)) < 0.01 and abs(dy - round(dy)) < 0.01
            same = np.allclose((tile.step_x, tile.step_y), (lead.step_x, lead.step_y), rtol=1e-7, atol=0.0)
            if tile.crs == lead.crs and same and aligned:
                group.append(tile)
                break
        else:
            groups.append([tile])
    return groups


def _fill(
    grid: HeightArray, x: FloatArray, y: FloatArray, cell_m: float, group: Sequence[Tile], frame: LocalFrame
) -> None:
    """Put a group's heights into the cells that are still void."""
    lead = group[0]
    to_source = Transformer.from_crs(frame.proj4, lead.crs, always_xy=True)
    post_m = _native_cell_m([lead], frame)
    samples = max(1, round(cell_m / post_m))
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * cell_m
    west = _near(lead, frame)

    def position(px: FloatArray, py: FloatArray) -> tuple[FloatArray, FloatArray]:
        sx, sy = to_source.transform(px, py)
        if lead.geographic:
            sx = sx + 360.0 * np.round((frame.lon0_deg - sx) / 360.0)
        return (lead.north - sy) / lead.step_y - 0.5, (sx - west) / lead.step_x - 0.5

    edge_x = np.concatenate([x, x, np.full(y.size, x[0]), np.full(y.size, x[-1])])
    edge_y = np.concatenate([np.full(x.size, y[0]), np.full(x.size, y[-1]), y, y])
    row, col = position(edge_x, edge_y)
    posts, row0, col0 = _lay(group, frame, (row.min() - 3, row.max() + 4, col.min() - 3, col.max() + 4))
    if posts.size == 0:
        return
    for start in range(0, y.size, 256):  # strips keep the working memory small
        strip = slice(start, start + 256)
        xx, yy = np.meshgrid(x, y[strip])
        total = np.zeros(xx.shape)
        for dy in offsets:
            for dx in offsets:
                row, col = position(xx + dx, yy + dy)
                total += _bilinear(posts, row - row0, col - col0)
        void = np.isnan(grid[strip])
        grid[strip][void] = (total / samples**2)[void]


def _lay(
    group: Sequence[Tile], frame: LocalFrame, window: tuple[float, float, float, float]
) -> tuple[HeightArray, int, int]:
    """The posts of a group inside a window of the lead tile's (row, column) numbers; NaN is a void or no tile."""
    lead = group[0]
    places = [
        (round((lead.north - t.north) / lead.step_y), round((_near(t, frame) - _near(lead, frame)) / lead.step_x))
        for t in group
    ]
    row0 = max(int(np.floor(window[0])), min(r for r, _ in places))
    row1 = min(int(np.ceil(window[1])), max(r + t.rows for (r, _), t in zip(places, group, strict=True)))
    col0 = max(int(np.floor(window[2])), min(c for _, c in places))
    col1 = min(int(np.ceil(window[3])), max(c + t.cols for (_, c), t in zip(places, group, strict=True)))
    posts = np.full((max(0, row1 - row0), max(0, col1 - col0)), np.nan, np.float32)
    for (row, col), tile in zip(places, group, strict=True):
        top, bottom = max(row0, row), min(row1, row + tile.rows)
        left, right = max(col0, col), min(col1, col + tile.cols)
        if top >= bottom or left >= right:
            continue
        part = posts[top - row0 : bottom - row0, left - col0 : right - col0]
        new = read_posts(tile, Window(left - col, top - row, right - left, bottom - top))
        np.copyto(part, new, where=np.isnan(part))
    return posts, row0, col0


def read_posts(tile: Tile, window: Window) -> HeightArray:
    """Heights in metres of a window of a tile: float32 (rows, cols), NaN for a void."""
    try:
        with rasterio.open(tile.address) as file:
            values = file.read(1, window=window).astype(np.float32)
    except rasterio.errors.RasterioError as error:
        raise TerrainError(f"The terrain file {tile.path} is damaged: {error}.", remedy="Fetch it again.") from error
    if tile.nodata is not None:
        values[values == np.float32(tile.nodata)] = np.nan
    values *= np.float32(tile.height_unit_m)
    # Void values that a file uses without declaring them (-32768, -32767, -9999, 32767) are all no height on Earth.
    values[~((values > LOWEST_M) & (values < HIGHEST_M))] = np.nan
    return np.asarray(values, np.float32)


def _bilinear(posts: HeightArray, row: FloatArray, col: FloatArray) -> FloatArray:
    """Bilinear between posts; NaN where a post with weight is void, or over half a spacing beyond the last post."""
    rows, cols = posts.shape
    inside = (row >= -0.5) & (row <= rows - 0.5) & (col >= -0.5) & (col <= cols - 0.5)
    r, c = row.clip(0.0, rows - 1.0), col.clip(0.0, cols - 1.0)
    r0, c0 = np.floor(r).astype(np.intp), np.floor(c).astype(np.intp)
    r1, c1 = np.minimum(r0 + 1, rows - 1), np.minimum(c0 + 1, cols - 1)
    fr, fc = r - r0, c - c0
    height = np.zeros(row.shape)
    for at_r, at_c, weight in (
        (r0, c0, (1.0 - fr) * (1.0 - fc)),
        (r0, c1, (1.0 - fr) * fc),
        (r1, c0, fr * (1.0 - fc)),
        (r1, c1, fr * fc),
    ):
        height += np.where(weight > 1e-6, weight * posts[at_r, at_c], 0.0)
    return np.where(inside, height, np.nan)
