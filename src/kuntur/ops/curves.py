"""What a camera can find, drawn: one look against range, one pass against distance, sweep width against height.

Every curve is the function that survey and plan use (`visibility.acquisition`, `visibility.detection`), for one camera
in one weather over flat ground without obstacles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.model.assets import Camera
from kuntur.model.place import Target, Weather
from kuntur.ops.maps import INK
from kuntur.visibility import acquisition, detection

HEIGHT_AGL_M: Final = 300.0
GROUND_SPEED_MPS: Final = 20.0
COLOURS: Final[dict[Target, str]] = {
    "person": "#a3122b",
    "pack_animal": "#b8860b",
    "light_vehicle": "#1f6f8b",
    "truck": "#2f6f4f",
}
_HEIGHTS_M: Final = np.array([50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0])


class Ranges(Struct, frozen=True, kw_only=True):
    """How far a camera finds a target, by the TTP metric and by Johnson's criterion.

    half_m: slant range where one look is worth half of AVAILABILITY. reach_m: where it is worth USEFUL_GLIMPSE_PROB,
    the end of what is counted. 0 where the camera finds nothing.
    """

    half_m: float
    reach_m: float
    johnson_half_m: float
    johnson_reach_m: float


def ranges(camera: Camera, target: Target, weather: Weather) -> Ranges:
    """Both metrics' ranges to the metre, rounded down."""
    slant_m = np.arange(1.0, 30_000.0)
    half, least = acquisition.AVAILABILITY / 2.0, acquisition.USEFUL_GLIMPSE_PROB
    found = acquisition.glimpse_prob(camera, target, slant_m, weather)
    johnson = acquisition.johnson_prob(camera, target, slant_m, weather)
    return Ranges(
        half_m=_last(slant_m, found >= half),
        reach_m=_last(slant_m, found >= least),
        johnson_half_m=_last(slant_m, johnson >= half),
        johnson_reach_m=_last(slant_m, johnson >= least),
    )


def draw(
    cameras: Sequence[Camera],
    weather: Weather,
    folder: Path,
    *,
    height_agl_m: float = HEIGHT_AGL_M,
    ground_speed_mps: float = GROUND_SPEED_MPS,
) -> list[Path]:
    """One PNG a camera, `curves_ID.png`, in the folder, which is made; the paths in the order of the cameras."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_sheet(camera, weather, folder, height_agl_m, ground_speed_mps) for camera in cameras]


def _sheet(camera: Camera, weather: Weather, folder: Path, height_m: float, speed_mps: float) -> Path:
    figure = Figure(figsize=(11.0, 4.4), dpi=100, layout="constrained")
    look, sweep, heights = figure.subplots(1, 3)
    _draw_looks(look, camera, weather)
    _draw_pass(sweep, camera, weather, height_m, speed_mps)
    _draw_heights(heights, camera, weather, speed_mps)
    for axes in (look, sweep, heights):
        axes.grid(alpha=0.25)
        axes.set_ylim(bottom=0.0)
        axes.set_xlim(left=0.0)
    look.legend(fontsize=7, framealpha=0.9)
    lacking = acquisition.assumed(camera)
    known = f"assumed, not published: {', '.join(lacking)}" if lacking else "every figure published"
    figure.suptitle(f"{camera.name} ({camera.band})", fontsize=11, color=INK)
    air = f"{weather.light}, visibility {weather.visibility_m / 1e3:.0f} km"
    figure.supxlabel(f"{air} · {known} · a model, not tried in the field", fontsize=7.5, color=INK)
    path = folder / f"curves_{camera.id}.png"
    FigureCanvasAgg(figure).print_figure(path)
    return path


def _draw_looks(axes: Axes, camera: Camera, weather: Weather) -> None:
    reach_m = max(max(r.reach_m, r.johnson_reach_m) for r in (ranges(camera, t, weather) for t in get_args(Target)))
    slant_m = np.linspace(1.0, max(1.05 * reach_m, 100.0), 600)
    for target in get_args(Target):
        prob = acquisition.glimpse_prob(camera, target, slant_m, weather)
        axes.plot(slant_m, prob, color=COLOURS[target], label=target.replace("_", " "))
        prob = acquisition.johnson_prob(camera, target, slant_m, weather)
        axes.plot(slant_m, prob, color=COLOURS[target], linestyle=":", linewidth=1.0)
    axes.axhline(acquisition.AVAILABILITY, color=INK, linewidth=0.8)
    axes.plot([], [], color=INK, linestyle=":", label="Johnson, to compare")
    axes.set(title="One look", xlabel="slant range (m)", ylabel="probability; line: availability")


def _draw_pass(axes: Axes, camera: Camera, weather: Weather, height_m: float, speed_mps: float) -> None:
    search = detection.search_for(camera, get_args(Target), height_m, weather)
    reach_m = max(detection.max_range_m(camera, target, weather) for target in get_args(Target))
    offset_m = np.linspace(0.0, max(1.05 * reach_m, 100.0), 300)
    for target in get_args(Target):
        flight = {"height_agl_m": height_m, "ground_speed_mps": speed_mps}
        prob = detection.lateral_range_prob(camera, search, target, weather, offset_m=offset_m, **flight)
        axes.plot(offset_m, prob, color=COLOURS[target])
    flown = f"One pass at {height_m:.0f} m, {speed_mps:.0f} m/s"
    axes.set(
        title=f"{flown}\n(the camera is round in {search.revolution_s:.0f} s)",
        xlabel="distance from the track (m)",
        ylabel="probability",
    )


def _draw_heights(axes: Axes, camera: Camera, weather: Weather, speed_mps: float) -> None:
    for target in get_args(Target):
        axes.plot(_HEIGHTS_M, sweep_widths_m(camera, target, weather, _HEIGHTS_M, speed_mps), color=COLOURS[target])
    axes.set(title=f"Sweep width at {speed_mps:.0f} m/s", xlabel="height above ground (m)", ylabel="m")


def sweep_widths_m(
    camera: Camera, target: Target, weather: Weather, heights_m: NDArray[np.float64], ground_speed_mps: float
) -> NDArray[np.float64]:
    """Sweep width over flat ground at each height, with the search made for all targets, as a patrol flies it."""
    widths = []
    for height_m in heights_m.tolist():
        search = detection.search_for(camera, get_args(Target), height_m, weather)
        flight = {"height_agl_m": height_m, "ground_speed_mps": ground_speed_mps}
        widths.append(detection.sweep_width_m(camera, search, target, weather, **flight))
    return np.array(widths)


def _last(slant_m: NDArray[np.float64], holds: NDArray[np.bool_]) -> float:
    return float(slant_m[holds][-1]) if holds.any() else 0.0
