"""A raster too large for memory, made of windows: each a file of its own, at last one Cloud Optimized GeoTIFF.

Windows are encoded where they were computed and travel as bytes. The COG is copied from a virtual raster over their
files, so memory stays bounded by GDAL's cache, whatever the size.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import rasterio
import rasterio.shutil
from msgspec import Struct
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from kuntur.errors import StoreError

CACHE_MB = 128
_VRT_TYPES = {"uint16": "UInt16", "float32": "Float32"}


class Grid(Struct, frozen=True, kw_only=True):
    """Where the pixels of the whole raster lie: `west`, `north` are outer edges, in the units of `crs` (WKT)."""

    rows: int
    cols: int
    west: float
    north: float
    step_x: float
    step_y: float
    crs: str


class Piece(Struct, frozen=True, kw_only=True):
    """The file of one window and the place of its first pixel in the whole; it may reach over the edge."""

    path: Path
    row0: int
    col0: int
    rows: int
    cols: int


def encode(values: NDArray[Any], grid: Grid, row0: int, col0: int, nodata: float | None) -> bytes:
    """A window as the bytes of a GeoTIFF (deflate, tiled); the same values always give the same bytes."""
    place = Affine(grid.step_x, 0.0, grid.west + col0 * grid.step_x, 0.0, -grid.step_y, grid.north - row0 * grid.step_y)
    rows, cols = values.shape
    predictor = 3 if values.dtype.kind == "f" else 2
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=rows, width=cols, count=1, dtype=values.dtype, tiled=True, blockxsize=512,
            blockysize=512, compress="deflate", zlevel=1, predictor=predictor, bigtiff="if_safer", crs=grid.crs,
            transform=place, nodata=nodata,
        ) as file:  # fmt: skip
            file.write(values, 1)
        memory.seek(0)
        return bytes(memory.read())


def decode(path: Path) -> NDArray[Any]:
    """The values of a window's file."""
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


def assemble(
    path: Path,
    grid: Grid,
    pieces: Iterable[Piece],
    *,
    dtype: str,
    nodata: float | None,
    description: str,
    tags: Mapping[str, str],
) -> None:
    """Write one COG of all pieces; ground without a piece is `nodata`, or 0 without one. Written whole or not at all.

    Overviews show the nearest value, so that none is made up.
    """
    virtual = path.with_name(f".{path.name}.{os.getpid()}.vrt")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    virtual.write_bytes(_virtual(grid, pieces, dtype, nodata, description, tags))
    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
            rasterio.shutil.copy(
                virtual, partial, driver="COG", compress="deflate", level=1, bigtiff="if_safer", sparse_ok=True,
                predictor="floating_point" if dtype.startswith("float") else "standard", overview_resampling="nearest",
            )  # fmt: skip
        partial.replace(path)
    except rasterio.errors.RasterioError as error:
        raise StoreError(
            f"{path} cannot be made from its windows: {error}.", remedy="Check the disk's space; run the command again."
        ) from error
    finally:
        for leftover in path.parent.glob(f".{path.name}.{os.getpid()}.*"):
            leftover.unlink()


def _virtual(
    grid: Grid,
    pieces: Iterable[Piece],
    dtype: str,
    nodata: float | None,
    description: str,
    tags: Mapping[str, str],
) -> bytes:
    """The text of a GDAL virtual raster (VRT)."""
    root = Element("VRTDataset", rasterXSize=str(grid.cols), rasterYSize=str(grid.rows))
    SubElement(root, "SRS").text = grid.crs
    numbers = (grid.west, grid.step_x, 0.0, grid.north, 0.0, -grid.step_y)
    SubElement(root, "GeoTransform").text = ", ".join(repr(float(number)) for number in numbers)
    metadata = SubElement(root, "Metadata")
    for key, value in tags.items():
        SubElement(metadata, "MDI", key=key).text = value
    band = SubElement(root, "VRTRasterBand", dataType=_VRT_TYPES[dtype], band="1")
    SubElement(band, "Description").text = description
    if nodata is not None:
        SubElement(band, "NoDataValue").text = repr(float(nodata))
    for piece in pieces:
        top, left = max(0, piece.row0), max(0, piece.col0)
        rows = min(grid.rows, piece.row0 + piece.rows) - top
        cols = min(grid.cols, piece.col0 + piece.cols) - left
        if rows <= 0 or cols <= 0:
            continue
        source = SubElement(band, "SimpleSource")
        SubElement(source, "SourceFilename", relativeToVRT="0").text = str(piece.path.absolute())
        SubElement(source, "SourceBand").text = "1"
        for name, x, y in (("SrcRect", left - piece.col0, top - piece.row0), ("DstRect", left, top)):
            SubElement(source, name, xOff=str(x), yOff=str(y), xSize=str(cols), ySize=str(rows))
    return tostring(root)
