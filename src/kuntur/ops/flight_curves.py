"""What an airframe can do in thin air, drawn against density altitude: endurance, airspeeds, best climb.

Every curve is the budget that plans are made with (`aircraft.performance`), in still air.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kuntur.aircraft import performance
from kuntur.model.assets import Airframe
from kuntur.model.place import Weather
from kuntur.ops.maps import INK

STEP_M: Final = 100.0
COLOURS: Final = ("#a3122b", "#1f6f8b", "#2f6f4f")


def draw(airframe: Airframe, folder: Path) -> Path:
    """`flight_ID.png` in the folder, which is made. Up to the ceiling; and with half of the greatest payload where that
    is known and not part of the catalog mass."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11.0, 4.4), dpi=100, layout="constrained")
    endurance, speeds, climb = figure.subplots(1, 3)
    loads = [(0.0, "-", "")]
    if airframe.kind == "multirotor" and airframe.max_payload_kg is not None:
        half_kg = airframe.max_payload_kg / 2.0
        loads.append((half_kg, "--", f", {half_kg:g} kg payload"))
    for payload_kg, line, words in loads:
        _draw(endurance, speeds, climb, budgets(airframe, payload_kg), line, words)
    endurance.set(title="Endurance to plan with", ylabel="h")
    speeds.set(title="True airspeed", ylabel="m/s")
    climb.set(title="Best climb", ylabel="m/s")
    for axes in (endurance, speeds, climb):
        axes.set_xlabel("density altitude (m)")
        axes.grid(alpha=0.25)
        axes.set_ylim(bottom=0.0)
        axes.legend(fontsize=7, framealpha=0.9)
    figure.suptitle(airframe.name, fontsize=11, color=INK)
    lacking = f"not published: {', '.join(airframe.unknown)}" if airframe.unknown else "every figure published"
    figure.supxlabel(f"reserve of {performance.RESERVE:.0%} left out · {lacking}", fontsize=7.5, color=INK)
    path = folder / f"flight_{airframe.id}.png"
    FigureCanvasAgg(figure).print_figure(path)
    return path


def budgets(airframe: Airframe, payload_kg: float) -> list[performance.Budget]:
    """From sea level to the highest that it flies with that payload."""
    altitudes_m = np.arange(0.0, airframe.ceiling_msl_m + 1.0, STEP_M)
    every = [performance.budget(airframe, payload_kg, float(alt), Weather()) for alt in altitudes_m]
    return [one for one in every if one.can_fly]


def _draw(endurance: Axes, speeds: Axes, climb: Axes, flown: list[performance.Budget], line: str, words: str) -> None:
    alt_m = [one.density_altitude_m for one in flown]
    endurance.plot(alt_m, [one.endurance_s / 3600.0 for one in flown], line, color=COLOURS[0], label=f"patrol{words}")
    slower = [one.loiter_endurance_s / 3600.0 for one in flown]
    endurance.plot(alt_m, slower, line, color=COLOURS[1], label=f"at loiter speed{words}")
    speeds.plot(alt_m, [one.max_airspeed_mps for one in flown], line, color=COLOURS[0], label=f"greatest{words}")
    speeds.plot(alt_m, [one.airspeed_mps for one in flown], line, color=COLOURS[1], label=f"cruise{words}")
    speeds.plot(alt_m, [one.loiter_mps for one in flown], line, color=COLOURS[2], label=f"loiter{words}")
    climb.plot(alt_m, [one.climb_mps for one in flown], line, color=COLOURS[0], label=f"rate{words}")
