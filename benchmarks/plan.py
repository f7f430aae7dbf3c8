"""The patrol planner on its frozen instances: `make bench-plan`. Nobody else has published values for them.

Plans are kept in build/bench/plans and taken up again: a second run only certifies and compares. `--minutes` is the
solving time of the 40 km instance; the others get fixed shares of it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import instances
import numpy as np
import ordinary
from figures import Figure, best_cpu_s, best_wall_s, write
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.errors import InfeasibleError
from kuntur.model.place import Area
from kuntur.model.plans import Strategy
from kuntur.ops import plan as planning
from kuntur.ops import sectors, trial
from kuntur.patrol import _kernels, columns, game, search, strategy

PLANS = instances.BUILT / "plans"
PROTOTYPE = "prototype of the study"
IntArray = NDArray[np.int32]


class _Bare:
    """A view of a bare graph: only what `game` asks of one."""

    def __init__(self, arcs: Any, seen: Any, least: int) -> None:
        self.arcs, self.seen = arcs, seen
        self.graph = _Counted(arcs.cells, least)


class _Counted:
    def __init__(self, cells: int, least: int) -> None:
        self.divisions, self.count, self.arc_tau = 1, cells, np.array([least])
        self.starts = np.zeros(0, np.int32)


def lattice(rows: int, cols: int, tau: tuple[int, int]) -> tuple[Any, int, IntArray]:
    """A grid with eight neighbours and random travel times, the goal beyond the last column; and how many arcs."""
    rng = np.random.default_rng(1)
    row, col = np.divmod(np.arange(rows * cols), cols)
    begin, end = [], []
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            r, c = row + dr, col + dc
            kept = ((dr, dc) != (0, 0)) & (r >= 0) & (r < rows) & (c >= 0) & (c <= cols)
            begin.append(np.flatnonzero(kept))
            end.append(np.where(c < cols, r * cols + c, rows * cols)[kept])
    first, last = np.concatenate(begin), np.concatenate(end)
    order = np.argsort(first, kind="stable")
    took = rng.integers(tau[0], tau[1] + 1, len(first))
    start = np.searchsorted(first[order], np.arange(rows * cols + 1)).astype(np.int32)
    starts = (np.arange(rows) * cols).astype(np.int32)
    graph = _kernels.arcs(start, last[order].astype(np.int32), took.astype(np.int32), starts)
    return graph, len(first), starts


def passes() -> list[Figure]:
    """One exact backward pass at the two sizes of the study, on two cores."""
    found = []
    for rows, cols, waves, count, steps, goal_s, peer_s in (
        (50, 40, 24, 26, 5, 0.3, 0.9),
        (200, 40, 24, 72, 10, 2.0, 7.0),
    ):
        rng = np.random.default_rng(2)
        graph, _, starts = lattice(rows, cols, (2, 4))
        cells = [np.sort(rng.choice(rows * cols, 120, replace=False)) for _ in range(400)]
        start = np.concatenate([[0], np.cumsum([len(one) for one in cells])]).astype(np.int64)
        factor = rng.uniform(0.6, 1.0, int(start[-1])).astype(np.float32)
        seen = _kernels.pieces(start, np.concatenate(cells).astype(np.int32), factor, rows * cols)
        view: Any = _Bare(graph, seen, 2)
        view.graph.starts = starts
        plans = [rng.integers(0, 400, (count, 3, steps)).astype(np.int32) for _ in range(waves)]
        mixture = game.mixture(plans, [np.full(count, 1.0 / count)] * waves)
        two_s = best_wall_s(lambda view=view, mixture=mixture: game.backward(view, mixture, threads=2))  # type: ignore[misc]
        one_s = best_cpu_s(lambda view=view, mixture=mixture: game.backward(view, mixture, threads=1))  # type: ignore[misc]
        best_s = min(one_s, two_s)
        found.append(
            Figure(
                figure=f"exact backward pass, {waves * count} columns x {rows * cols} cells x {steps} steps, s wall",
                ours=best_s, peer=PROTOTYPE + (", both passes" if peer_s > 5 else ""), peer_value=peer_s,
                ratio=peer_s / best_s, accuracy=f"two threads {two_s:.2f} s, one {one_s:.2f} s CPU",
                goal=f"<= {goal_s}", met=best_s <= goal_s,
            )
        )  # fmt: skip
    return found


def programs() -> list[Figure]:
    """The crosser's own dynamic programme over 24,000 cells and 720 steps."""
    rows, cols, steps = 400, 60, 720
    graph, arcs, starts = lattice(rows, cols, (2, 9))
    cost = np.random.default_rng(3).random((steps, rows * cols), np.float32) ** 8
    group, window = np.zeros(len(starts), np.int32), np.array([0, steps], np.int32)

    def values() -> None:
        _kernels.cheapest_routes(graph, cost, group, window, trace=False, threads=1)

    def routes() -> None:
        _kernels.cheapest_routes(graph, cost, group, window, trace=True, threads=1)

    value_s, route_s = best_cpu_s(values), best_cpu_s(routes)
    million = (arcs + rows * cols) * steps / 1e6
    return [
        Figure(
            figure="crosser programme, M relaxations/s/core (arcs and waiting)", ours=million / value_s,
            accuracy=f"with the route traced {million / route_s:.0f}", goal=">= 200", met=million / value_s >= 200.0,
        ),
        Figure(
            figure=f"crosser programme, {rows * cols * steps / 1e6:.1f} M states, s CPU", ours=value_s,
            accuracy=f"with the route traced {route_s:.2f} s", goal="< 1", met=route_s < 1.0,
        ),
    ]  # fmt: skip


def planned(name: str, area: Area, seconds: float, layouts: int = 1) -> Strategy:
    """The kept plan of an instance, or a new one."""
    PLANS.mkdir(parents=True, exist_ok=True)
    path = PLANS / f"{name}.json"
    if not path.exists():
        started = time.monotonic()
        made = planning.plan(
            area, seconds=seconds, accept_best=True, layouts=layouts, kept=path.with_suffix(".search"),
            progress=_told(name),
        )  # fmt: skip
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        planning.save_plan(made, path)
    return planning.load_plan(path)


def _told(name: str) -> Callable[[float, str], None]:
    last = [0.0]

    def progress(_: float, words: str) -> None:
        if time.monotonic() - last[0] > 60.0:
            last[0] = time.monotonic()
            print(f"{name}: {words}", file=sys.stderr)

    return progress


def numbers(name: str, made: Strategy, goal: float | None, first: float | None = None) -> list[Figure]:
    """The certified numbers of a plan, each with its attacker in the accuracy column."""
    c = made.certificate
    gap = c.attack - c.floor_planning
    rows = [
        Figure(
            figure=f"{name}: certified floor, audited", ours=c.floor, peer=None if first is None else PROTOTYPE,
            peer_value=first, ratio=None if first is None else c.floor / first,
            accuracy=f"plan {c.floor_planning:.3f}, audit {c.floor_audit:.3f}; {c.rounds} rounds, {c.solve_s:.0f} s",
            goal=None if goal is None else f">= {goal}", met=None if goal is None else c.floor >= goal,
        ),
        Figure(
            figure=f"{name}: strongest attack found - floor, same lattice", ours=gap,
            peer=None if first is None else PROTOTYPE, peer_value=None if first is None else 0.044,
            accuracy=f"attack {c.attack:.3f} (uninformed), floor {c.floor_planning:.3f} (told each draw)"
            + ("" if c.uninformed_floor is None else f", second proof {c.uninformed_floor:.3f} (uninformed)"),
            goal="<= 0.03" if goal is not None else None, met=gap <= 0.03 if goal is not None else None,
        ),
        Figure(figure=f"{name}: ceiling - floor", ours=c.ceiling - c.floor, accuracy=f"ceiling {c.ceiling:.3f}"),
        Figure(
            figure=f"{name}: loss of the floor at half the cell and step", ours=c.floor_planning - c.floor_audit,
            goal="<= 0.03", met=c.floor_planning - c.floor_audit <= 0.03,
        ),
        Figure(figure=f"{name}: detection if the whole night leaks", ours=c.leak),
    ]  # fmt: skip
    if c.uninformed_floor is not None:
        rows.insert(
            2,
            Figure(
                figure=f"{name}: strongest attack found - second proof, uninformed crosser",
                ours=c.attack - c.uninformed_floor,
            ),
        )
    return rows


def beside_ordinary(made: Strategy, area: Area) -> Figure:
    setting = strategy.setting(area)
    worths = ordinary.compared(setting, np.random.default_rng(5), nights=16)
    best = max(worths, key=lambda name: worths[name].attack)
    value = worths[best].attack
    return Figure(
        figure="synthetic 40 km: certified floor over the best ordinary patrol, same audit lattice",
        ours=made.certificate.floor, peer=f"{best}, strongest attack found", peer_value=value,
        ratio=made.certificate.floor / max(value, 1e-3),
        accuracy="; ".join(f"{name} {one.attack:.3f}" for name, one in worths.items()),
        goal=">= 4 x", met=made.certificate.floor >= 4.0 * value,
    )  # fmt: skip


def crossings(name: str, made: Strategy, area: Area, count: int) -> list[Figure]:
    result = trial.trial(area, made, crossings=count, confidence=0.99, progress=_told(f"{name}, crossings"))
    return [
        Figure(
            figure=f"{name}: simulated crossings, {one.kind}, detected", ours=one.rate_prob,
            peer="certified floor", peer_value=result.floor_prob,
            accuracy=f"{one.detected} of {one.crossings}, 99 % interval {one.low_prob:.3f} to {one.high_prob:.3f}, "
            f"predicted {one.predicted_prob:.3f}",
            goal=">= floor at 99 %", met=one.low_prob >= result.floor_prob,
        )
        for one in result.outcomes
    ]  # fmt: skip


def border(minutes: float) -> list[Figure]:
    """All 114 km of Tambo Quemado as three sectors."""
    area = instances.load("tambo_quemado_114km")
    assert area is not None, "the sketch is always there"
    started = time.monotonic()
    whole = sectors.plan_border(area, PLANS / "tambo_114", count=3, seconds=60.0 * minutes, progress=_told("sectors"))
    took = time.monotonic() - started
    floors = ", ".join(f"{one.floor:.3f}" for one in whole.sectors)
    return [
        Figure(
            figure="Tambo Quemado 114 km, 3 sectors, 6 wings: certified floor of the whole border", ours=whole.floor,
            accuracy=f"sectors {floors}; strongest attacks {', '.join(f'{one.attack:.3f}' for one in whole.sectors)}; "
            f"{took:.0f} s this run",
        )
    ]  # fmt: skip


def memory() -> Figure:
    """Peak of a process that plans 114 km x 15 km x 24 h at 240 m: lattice, rates, first columns, two rounds."""
    subprocess.run([sys.executable, __file__, "--memory"], check=True)
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    return Figure(
        figure="memory, 114 km x 15 km x 24 h at 240 m, 120 s steps: lattice, rates and two rounds, GB",
        ours=peak_gb, goal="<= 6", met=peak_gb <= 6.0,
    )  # fmt: skip


def _whole_day() -> None:
    area = instances.load("tambo_quemado_114km")
    assert area is not None, "the sketch is always there"
    need = replace(area.requirement, duration_s=86_400.0, depth_m=15_000.0, crosser_step_s=120.0, wave_s=3600.0)
    setting = strategy.setting(replace(area, requirement=need))
    promised = slice(setting.lead, setting.waves - setting.tail)
    crews = [replace(crew, stages=crew.stages[promised]) for crew in setting.crews]
    waves = setting.waves - setting.lead - setting.tail
    rng = np.random.default_rng(1)
    first = columns.begin(crews, setting.views, waves, setting.wave_steps, 8, rng)
    found = search.search(crews, setting.views, first, rng)
    started = time.monotonic()
    for _ in range(2):
        search.step(found, 0.0)
    cells = setting.views[0].graph.count
    print(f"{cells} cells, {waves} waves, {(time.monotonic() - started) / 2.0:.1f} s a round", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="solving time of the 40 km instance")
    parser.add_argument("--crossings", type=int, default=10_000)
    parser.add_argument("--short", action="store_true", help="the kernels and the 40 km instance at 250 m only")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory:
        _whole_day()
        return
    figures = [*passes(), *programs()]
    notes = [
        "",
        "Floors are exact values of the segment game against a crosser who is told each wave's draw as it begins; "
        "attacks are by one who sees no draw. Prototype values are those of the study our goals come from: another "
        "terrain, and exposure neither rounded nor taken at its least within a cell, so ratios to it are no race.",
    ]
    synthetic = instances.load("synthetic_40km")
    assert synthetic is not None, "its terrain is made here"
    fine = planned("synthetic_40km", synthetic, 60.0 * asked.minutes)
    figures += numbers("synthetic 40 km, 250 m", fine, 0.55, 0.355)
    figures.append(beside_ordinary(fine, synthetic))
    figures += crossings("synthetic 40 km, 250 m", fine, synthetic, asked.crossings)
    if not asked.short:
        coarse_need = replace(synthetic.requirement, crosser_cell_m=500.0, crosser_step_s=120.0)
        coarse = planned("synthetic_40km_500m", replace(synthetic, requirement=coarse_need), 10.0 * asked.minutes)
        figures += numbers("synthetic 40 km, 500 m", coarse, 0.72, 0.693)
        for name, part in (("memory", lambda: [memory()]), ("sectors", lambda: border(asked.minutes / 7.5))):
            try:
                figures += part()
            except (InfeasibleError, subprocess.CalledProcessError) as error:
                notes.append(f"{name}: not measured, {error}")
        aconcagua = instances.load("aconcagua_60km")
        if aconcagua is None:
            notes.append("Aconcagua 60 km is left out: its SRTM tile is not on this machine.")
        else:
            figures += numbers("Aconcagua 60 km", planned("aconcagua_60km", aconcagua, 8.0 * asked.minutes), None)
    write("plan", "The patrol planner on its frozen instances", figures, notes)


if __name__ == "__main__":
    main()
