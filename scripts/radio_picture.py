"""Draw a link over a ridge and the field of a mast, for docs/explanation/radio.md.

    python scripts/radio_picture.py examples/davos TERRAIN docs/images/radio.png

Left the profile from the mast at Klosters to an aircraft, with the first Fresnel zone and the tangents that meet at
Bullington's edge; right the margin of the RFD900x over every cell, and where it may be counted on. Prints the figures.
"""

from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import kuntur
from kuntur.geodesy import grid
from kuntur.model.assets import Radio
from kuntur.model.place import Terrain
from kuntur.units import EARTH_RADIUS_M, SPEED_OF_LIGHT_MPS
from kuntur.visibility import radio, relief

HEIGHT_AGL_M, OFF_M = 120.0, np.array([6500.0, -5200.0])
HALF_M = 12_000.0


def main() -> None:
    area = kuntur.load(sys.argv[1], terrain_paths=[sys.argv[2]])
    terrain = area.terrain
    base = area.bases[0]
    link = next(a.radio for a in area.fleet.aircraft if a.radio.sensitivity_dbm is not None)
    mast_m = np.array([base.x_m, base.y_m, base.alt_msl_m + base.mast_agl_m])
    there = mast_m[:2] + OFF_M
    air_m = np.array([*there, float(grid.height_at(terrain, *there)) + HEIGHT_AGL_M])
    figure = Figure(figsize=(8.8, 4.2), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_profile(left, terrain, mast_m, air_m, link.frequency_hz)
    _draw_field(right, terrain, mast_m, air_m, link)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
    picture.quantize(128).save(sys.argv[3], optimize=True)
    for model in ("bullington", "delta_bullington", "deygout"):
        loss = radio.diffraction_db(terrain, mast_m, air_m, link.frequency_hz, model=model)[0]
        print(f"{model}: {loss:.1f} dB, margin {radio.margin_db(terrain, mast_m, air_m, link, model=model)[0]:.1f} dB")


def _draw_profile(
    axes: Axes, terrain: Terrain, mast_m: np.ndarray, air_m: np.ndarray, frequency_hz: float
) -> None:  # fmt: skip
    distance_m, height_m = radio.profiles(terrain, mast_m, air_m).link(0)
    whole = distance_m[-1]
    bulge_m = (1.0 - radio.RADIO_REFRACTION) / (2.0 * EARTH_RADIUS_M) * distance_m * (whole - distance_m)
    ground = height_m + bulge_m
    line = mast_m[2] + (air_m[2] - mast_m[2]) * distance_m / whole
    radius = np.sqrt(SPEED_OF_LIGHT_MPS / frequency_hz * distance_m * (whole - distance_m) / whole)
    inside = slice(1, -1)
    rise_a = ((ground - mast_m[2])[inside] / distance_m[inside]).max()
    rise_b = ((ground - air_m[2])[inside] / (whole - distance_m[inside])).max()
    meet = (air_m[2] - mast_m[2] + rise_b * whole) / (rise_a + rise_b)
    km = 1e-3 * distance_m
    axes.fill_between(km, ground, ground.min() - 50.0, color="#b9a98c")
    axes.fill_between(km, line - radius, line + radius, color="#4292c6", alpha=0.35, lw=0, label="first Fresnel zone")
    axes.plot(km, line, color="#08519c", lw=1, label="line between the antennas")
    axes.plot(
        [0.0, 1e-3 * meet, km[-1]],
        [mast_m[2], mast_m[2] + rise_a * meet, air_m[2]],
        color="#d7301f",
        lw=1,
        ls="--",
        label="tangents: Bullington's edge",
    )
    axes.set(title="a link over a ridge", xlabel="km from the mast", ylabel="m above sea, on the effective earth")
    axes.legend(fontsize=8, loc="upper left")
    axes.margins(x=0)
    axes.set_ylim(ground.min() - 50.0, mast_m[2] + rise_a * meet + 350.0)


def _draw_field(axes: Axes, terrain: Terrain, mast_m: np.ndarray, air_m: np.ndarray, link: Radio) -> None:
    x, y = mast_m[:2]
    bounds = (x - HALF_M, y - HALF_M, x + HALF_M, y + HALF_M)
    lattice = grid.lattice(terrain, 120.0, bounds)
    field = radio.field_db(terrain, lattice, mast_m, link, height_agl_m=HEIGHT_AGL_M)
    over = radio.over_cells(terrain, lattice, HEIGHT_AGL_M)
    counted = radio.reach(terrain, mast_m, over, link).reshape(field.shape)
    cx, cy = lattice.centres()
    extent = tuple(1e-3 * v for v in (cx[0] - x, cx[-1] - x, cy[-1] - y, cy[0] - y))
    f = lattice.factor
    shade = relief.shade(terrain)[lattice.row0 :, lattice.col0 :][: lattice.rows * f : f, : lattice.cols * f : f]
    axes.imshow(shade, cmap="gray", extent=extent, vmin=-60, vmax=300)
    drawn = axes.imshow(field, cmap=mpl.colormaps["RdYlBu"], vmin=-40.0, vmax=80.0, alpha=0.65, extent=extent)
    axes.contour(1e-3 * (cx - x), 1e-3 * (cy - y), counted, levels=[0.5], colors="k", linewidths=0.5)
    axes.plot(0, 0, "^", color="k", mec="white", ms=8)
    axes.plot(*(1e-3 * (air_m[:2] - mast_m[:2])), "o", color="k", mec="white", ms=6)
    axes.set(title=f"margin at {HEIGHT_AGL_M:.0f} m; outlined: counted on", xlabel="km east")
    axes.figure.colorbar(drawn, ax=axes, label="dB", shrink=0.8)
    print(f"{counted.mean():.1%} of the cells may be counted on, {(field >= 0).mean():.1%} have a margin of 0 dB")


if __name__ == "__main__":
    main()
