"""Draw what doubt in the terrain does to one view, for docs/explanation/terrain-doubt.md.

    python scripts/doubt_picture.py examples/davos TERRAIN docs/images/terrain-doubt.png [HEIGHT_AGL_M]

Left what plain sight says, right the probability of being seen with the outline of what is certain. Prints how often
what is certain with several margins is in sight in the terrains drawn.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import kuntur
from kuntur.geodesy import frames, grid
from kuntur.visibility import doubt, relief, viewshed

LAT_DEG, LON_DEG = 46.93, 9.93
RANGE_M, TARGET_M, REALIZATIONS, SEED = 4000.0, 1.0, 1000, 11


def main() -> None:
    height_agl_m = float(sys.argv[4]) if len(sys.argv) > 4 else 300.0
    area = kuntur.load(sys.argv[1], terrain_paths=[sys.argv[2]])
    terrain = area.terrain
    x_m, y_m = (float(v) for v in frames.to_local(area.frame, LAT_DEG, LON_DEG))
    eye = (x_m, y_m, float(grid.height_at(terrain, x_m, y_m)) + height_agl_m)
    plain = viewshed.visible(terrain, *eye, target_height_m=TARGET_M, max_range_m=RANGE_M) == 1
    drawn = doubt.seen_probability(
        terrain, eye, target_height_m=TARGET_M, max_range_m=RANGE_M, realizations=REALIZATIONS, seed=SEED, mode="exact"
    )
    for certainty_prob in (0.0, 0.9, 0.98, area.requirement.certainty_prob):
        margin = doubt.of(terrain, certainty_prob)
        assert margin is not None
        sure = doubt.certain(terrain, eye, margin, target_height_m=TARGET_M, max_range_m=RANGE_M) == 1
        print(
            f"z {margin.z:.3f}: {sure.sum()} cells ({sure.sum() / plain.sum():.1%} of plain sight), in sight in "
            f"{drawn.prob[sure].mean():.2%} of the terrains, the worst in {drawn.prob[sure].min():.1%}; "
            f"{(drawn.prob[sure] < 0.95).sum()} in less than 95 %"
        )
    print(f"standard error of one cell at most {drawn.standard_error_prob.max():.1%}")

    col = (np.arange(terrain.cols) + 0.5) * terrain.cell_m + terrain.west_m - x_m
    row = terrain.north_m - (np.arange(terrain.rows) + 0.5) * terrain.cell_m - y_m
    near_col, near_row = np.abs(col) < 1.04 * RANGE_M, np.abs(row) < 1.04 * RANGE_M
    cut = np.ix_(near_row, near_col)
    km = 1e-3 * 1.04 * RANGE_M
    figure = Figure(figsize=(8.4, 4.5), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes in (left, right):
        axes.imshow(relief.shade(terrain)[cut], cmap="gray", extent=(-km, km, -km, km), vmin=-60, vmax=300)
        axes.plot(0, 0, "^", color="#d7301f", mec="white", ms=9)
        axes.set_xlabel("km east")
    left.set(title="plain sight: seen or not", ylabel="km north")
    left.imshow(
        np.ma.masked_where(~plain, plain)[cut], cmap="viridis", vmin=0, vmax=1, alpha=0.7, extent=(-km, km, -km, km)
    )
    right.set_title(f"probability of being seen; line: {area.requirement.certainty_prob:.0%} certain")
    shown = np.ma.masked_where(~(drawn.prob > 0.01), drawn.prob)[cut]
    image = right.imshow(shown, cmap="viridis", vmin=0, vmax=1, alpha=0.75, extent=(-km, km, -km, km))
    right.contour(col[near_col] / 1e3, row[near_row] / 1e3, sure[cut], levels=[0.5], colors="#d7301f", linewidths=0.6)
    figure.colorbar(image, ax=right, shrink=0.8)
    figure.text(0.005, 0.005, f"{terrain.attribution} · {height_agl_m:.0f} m above ground", fontsize=6)
    out = Path(sys.argv[3])
    FigureCanvasAgg(figure).print_png(str(out))  # type: ignore[no-untyped-call]
    Image.open(out).convert("RGB").quantize(128).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size // 1024} kB")


main()
