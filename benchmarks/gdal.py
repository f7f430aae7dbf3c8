"""GDAL's own library, called in this process through its C interface: no start of a program, no file."""

from __future__ import annotations

import ctypes as ct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuntur.model.place import Terrain
from kuntur.units import EARTH_RADIUS_M

FloatArray = NDArray[np.float64]

CURVATURE = 6.0 / 7.0
"""1 - k with k = 1/7, the value of gdal_viewshed's manual; GDAL lowers the ground by this x d^2 / (2 R)."""

SPHERE = (
    f'GEOGCS["sphere",DATUM["sphere",SPHEROID["sphere",{EARTH_RADIUS_M},0]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]]'
)
SPHERE_M = f'PROJCS["sphere",{SPHERE},PROJECTION["Transverse_Mercator"],UNIT["metre",1]]'
"""A reference system on our sphere, in degrees and in metres. On a raster without any, GDAL 3.10 leaves the curvature
out and says nothing."""

_FLOAT32, _BYTE, _READ, _WRITE = 6, 1, 0, 1
_EDGE_MODE, _VISIBILITY = 2, 1  # GDALViewshedMode GVM_Edge, GDALViewshedOutputType GVOT_NORMAL


class Library:
    """One shared library of GDAL, found in a folder where a wheel keeps it (pyogrio.libs, rasterio.libs)."""

    def __init__(self, folder: Path) -> None:
        found = sorted(folder.glob("libgdal*.so*"))
        if not found:
            raise FileNotFoundError(f"no libgdal in {folder}")
        lib = self._lib = ct.CDLL(str(found[0]))
        lib.GDALVersionInfo.restype = ct.c_char_p
        for name in ("GDALGetDriverByName", "GDALCreate", "GDALGetRasterBand", "GDALViewshedGenerate"):
            getattr(lib, name).restype = ct.c_void_p
        lib.GDALIsLineOfSightVisible.restype = ct.c_bool
        lib.GDALAllRegister()
        self.version = lib.GDALVersionInfo(b"RELEASE_NAME").decode()
        self._memory = ct.c_void_p(lib.GDALGetDriverByName(b"MEM"))

    def dataset(self, heights: NDArray[np.float32], cell_m: float, system: str = SPHERE_M) -> ct.c_void_p:
        """The heights as a raster in memory, row 0 northernmost, the outer corner of cell (0, 0) at (0, 0).

        system: WKT of its reference system, in whose unit cell_m then is; "" for none."""
        lib, (rows, cols) = self._lib, heights.shape
        made = ct.c_void_p(lib.GDALCreate(self._memory, b"", cols, rows, 1, _FLOAT32, None))
        lib.GDALSetGeoTransform(made, (ct.c_double * 6)(0.0, cell_m, 0.0, 0.0, 0.0, -cell_m))
        if system:
            lib.GDALSetProjection(made, system.encode())
        data = np.ascontiguousarray(heights, dtype=np.float32)
        band = ct.c_void_p(lib.GDALGetRasterBand(made, 1))
        pointer = ct.c_void_p(data.ctypes.data)
        lib.GDALRasterIO(band, _WRITE, 0, 0, cols, rows, pointer, cols, rows, _FLOAT32, 0, 0)
        return made

    def viewshed(
        self, raster: ct.c_void_p, row: int, col: int, height_agl_m: float, cell_m: float, range_m: float,
        *, target_height_m: float = 0.0, read: bool = True,
    ) -> tuple[NDArray[np.uint8], int, int] | None:  # fmt: skip
        """Visible (1) cells within range of the centre of cell (row, col), and the row and column of its corner.

        None with read=False, which leaves the answer in GDAL's memory: GDAL's algorithm alone is on the clock.
        """
        lib = self._lib
        band = ct.c_void_p(lib.GDALGetRasterBand(raster, 1))
        double = ct.c_double
        answer = ct.c_void_p(
            lib.GDALViewshedGenerate(
                band, b"MEM", b"", None, double((col + 0.5) * cell_m), double(-(row + 0.5) * cell_m),
                double(height_agl_m), double(target_height_m), double(1.0), double(0.0), double(0.0), double(-1.0),
                double(CURVATURE), _EDGE_MODE, double(range_m), None, None, _VISIBILITY, None,
            )
        )  # fmt: skip
        if not answer:
            raise RuntimeError("GDALViewshedGenerate failed")
        try:
            if not read:
                return None
            rows, cols = lib.GDALGetRasterYSize(answer), lib.GDALGetRasterXSize(answer)
            out = np.empty((rows, cols), np.uint8)
            pointer = ct.c_void_p(out.ctypes.data)
            seen = ct.c_void_p(lib.GDALGetRasterBand(answer, 1))
            lib.GDALRasterIO(seen, _READ, 0, 0, cols, rows, pointer, cols, rows, _BYTE, 0, 0)
            place = (ct.c_double * 6)()
            lib.GDALGetGeoTransform(answer, place)
            return out, round(-place[3] / cell_m), round(place[0] / cell_m)
        finally:
            lib.GDALClose(answer)

    def sight(self, raster: ct.c_void_p, land: Terrain, a_m: FloatArray, b_m: FloatArray) -> int:
        """How many of the pairs see each other by GDALIsLineOfSightVisible; ends at the centres of their cells."""
        band = ct.c_void_p(self._lib.GDALGetRasterBand(raster, 1))
        ask, seen = self._lib.GDALIsLineOfSightVisible, 0
        ends = []
        for end in (a_m, b_m):
            col = np.round((end[:, 0] - land.west_m) / land.cell_m - 0.5).astype(int)
            row = np.round((land.north_m - end[:, 1]) / land.cell_m - 0.5).astype(int)
            ends += [col.tolist(), row.tolist(), end[:, 2].tolist()]
        x, y = ct.c_int(), ct.c_int()
        for xa, ya, za, xb, yb, zb in zip(*ends, strict=True):
            seen += ask(band, xa, ya, ct.c_double(za), xb, yb, ct.c_double(zb), ct.byref(x), ct.byref(y), None)
        return seen

    def close(self, raster: ct.c_void_p) -> None:
        self._lib.GDALClose(raster)
