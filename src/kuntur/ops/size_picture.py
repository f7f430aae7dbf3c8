"""The picture of a sizing: cost against detection, what is certified, what is proven impossible, what is open."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kuntur.ops.size_answer import Answer, amount, front

WORTH_A_NAME = 0.03  # less detection than this stays a dot
INK, CERTIFIED, IMPOSSIBLE = "#1d2a33", "#1b6ca8", "#a3122b"


def draw(answer: Answer, path: Path) -> Path:
    """The Pareto front as PNG: certified below the blue steps, proven impossible above the red ones, open between."""
    figure = Figure(figsize=(9.0, 6.2), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    dearest = max([cost for cost, _ in answer.ceilings] + [one.cost for one in answer.tried]) * 1.06
    cost, top = _steps([(0.0, 0.0), *answer.ceilings], dearest)
    axes.fill_between(cost, top, 1.0, color=IMPOSSIBLE, alpha=0.13, lw=0)
    axes.plot(cost, top, color=IMPOSSIBLE, lw=1.6, label="proven: no fleet of that cost exceeds this")
    best = front(answer)
    cost, low = _steps([(0.0, 0.0), *((one.cost, one.floor or 0.0) for one in best)], dearest)
    axes.fill_between(cost, 0.0, low, color=CERTIFIED, alpha=0.13, lw=0)
    axes.plot(cost, low, color=CERTIFIED, lw=1.6, label="certified by a plan")
    for one in answer.tried:
        floor = one.floor or 0.0
        axes.plot(one.cost, floor, "o", ms=6 if one in best else 4, color=CERTIFIED, alpha=1.0 if one in best else 0.45)
    for one in (one for one in best if (one.floor or 0.0) >= WORTH_A_NAME):
        name = "\n".join(f"{count} {name}" for name, count in one.fleet.items())
        right = one.cost < 0.75 * dearest
        axes.annotate(
            f"{name}\n{one.floor:.2f}", (one.cost, one.floor or 0.0), xytext=(6 if right else -6, 4), fontsize=7,
            textcoords="offset points", va="bottom", ha="left" if right else "right", color=INK,
        )  # fmt: skip
    axes.axhline(answer.detection_prob, color=INK, lw=1.0, ls="--", label=f"asked for: {answer.detection_prob:.2f}")
    axes.axvline(answer.cost_floor, color=IMPOSSIBLE, lw=1.0, ls=":")
    axes.annotate(
        f"proven floor {amount(answer.cost_floor)}", (answer.cost_floor, 0.99), rotation=90, va="top", ha="right",
        fontsize=8, color=IMPOSSIBLE, xytext=(-3, 0), textcoords="offset points",
    )  # fmt: skip
    if answer.certified_cost is not None:
        axes.axvline(answer.certified_cost, color=CERTIFIED, lw=1.0, ls=":")
        axes.annotate(
            f"certified {amount(answer.certified_cost, up=True)}", (answer.certified_cost, 0.99), rotation=90, va="top",
            ha="right", fontsize=8, color=CERTIFIED, xytext=(-3, 0), textcoords="offset points",
        )  # fmt: skip
    unit = "aircraft" if answer.unit == "aircraft" else f"cost, {answer.unit}"
    examples = any("EXAMPLE" in note for note in answer.notes)
    axes.set(
        xlim=(0.0, dearest), ylim=(0.0, 1.0), xlabel=f"{unit}{' (EXAMPLE COSTS)' if examples else ''}",
        ylabel="detection of the worst crossing", title=f"Fleets for {answer.title}",
    )  # fmt: skip
    axes.grid(color=INK, alpha=0.12)
    axes.legend(loc="center right", fontsize=8, framealpha=0.9)
    if answer.simulated:
        axes.text(
            0.5,
            0.8,
            "SKETCHED TERRAIN",
            transform=axes.transAxes,
            ha="center",
            fontsize=22,
            color=IMPOSSIBLE,
            alpha=0.25,
        )
    partial = path.with_name(f".{path.name}.part")
    canvas.print_png(str(partial))  # type: ignore[no-untyped-call]
    partial.replace(path)
    return path


def _steps(points: list[tuple[float, float]], until: float) -> tuple[list[float], list[float]]:
    """A line that keeps each height until the next point."""
    x, y = [points[0][0]], [points[0][1]]
    for cost, height in points[1:]:
        x += [cost, cost]
        y += [y[-1], height]
    return [*x, until], [*y, y[-1]]
