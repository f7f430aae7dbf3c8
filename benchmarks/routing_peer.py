"""The pricing of our patrols as a router: team orienteering against PyVRP, both against the best values known.

Planning a wave asks: which paths, one an aircraft, see most in the time there is? With prizes at points instead of
crossers that move, that is team orienteering. Chao's instances (Chao, Golden, Wasil 1996) are its standard test; the
table of best known values was collected by others from several papers and is quoted as found.

ours    `best_path`, the kernel that prices patrols, on the complete graph: one path at a time through a lattice of time
        steps, prizes as the worth of arriving. It may come by the same point again, so, as the search does, the path is
        found again with what was met twice discounted, each aircraft against what the others leave, with noise, and
        paths are thrown away and found anew. Nothing else: no insertion, no exchange. Times are rounded up to a step.
PyVRP   an iterated local search for vehicle routing. Prizes are scaled by 20,000, above its penalties' grid, or its
        answers come out up to a quarter worse than they need to.

The files are not ours to give away. KUNTUR_ROUTING names a folder with instances (p4.2.a.txt ...) and chaoResults.txt:

    KUNTUR_ROUTING=FOLDER python benchmarks/routing_peer.py [--seconds 10] [--peer PYTHON]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

PRIZE_SCALE: Final = 20_000
DISTANCE_SCALE: Final = 1000
STEPS: Final = 900  # of the time there is, for ours
PASSES: Final = 30
NOISES: Final = (0.0, 0.3, 0.6, 1.0)
PEER: Final = Path(__file__).resolve().parents[1] / "build" / "bench" / "bin" / "python"


def instance(path: Path) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Points (n, 2), prizes (n,), paths, time for each. The first point is the start, the last the end."""
    lines = path.read_text().split("\n")
    count, paths, time_each = int(lines[0].split()[1]), int(lines[1].split()[1]), float(lines[2].split()[1])
    rows = np.array([[float(x) for x in line.split()] for line in lines[3 : 3 + count]])
    return rows[:, :2], rows[:, 2], paths, time_each


def ours(file: Path, seconds: float, seed: int) -> tuple[float, float]:
    """Prizes collected, and the time after which that was found."""
    from kuntur.patrol import _kernels

    points, prizes, count, time_each = instance(file)
    rng, n = np.random.default_rng(seed), len(points)
    away = np.hypot(*(points[:, None] - points[None, :]).transpose(2, 0, 1))
    kept = [i for i in range(n) if away[0, i] + away[i, -1] <= time_each + 1e-9]
    if 0 not in kept or n - 1 not in kept:
        return 0.0, 0.0
    steps = np.ceil(away / time_each * STEPS - 1e-9).astype(np.int32)
    links = [(i, j) for i in kept for j in kept if i != j and i != n - 1 and j != 0 and steps[i, j] > 0]
    start, end = np.array(links, np.int32).T
    arc_start = np.searchsorted(start, np.arange(n + 1)).astype(np.int32)
    length = steps[start, end]
    wait = np.zeros(len(links) + 1, bool)  # at the end, for a path that needs less than all of the time
    wait[-1] = True
    arc_start[n] += 1
    arc_to, arc_steps = np.append(end, n - 1).astype(np.int32), np.append(length, 1).astype(np.int32)
    blind = np.full(len(arc_to), -1, np.int32)
    nothing = np.zeros((STEPS, 1), np.float32)

    def path(worth: np.ndarray) -> np.ndarray:
        price = np.where(wait, 0.0, -worth[arc_to])
        gain, arcs = _kernels.best_path(
            arc_start, arc_to, arc_steps, blind, price, nothing, 0, 0, n - 1, STEPS
        )  # fmt: skip
        return arc_to[arcs[~wait[arcs]]] if np.isfinite(gain) else np.array([n - 1], np.int32)

    def single(worth: np.ndarray) -> set[int]:
        """The best path found that counts every point once, its points: those met twice are discounted, again and
        again, until none is."""
        best, found, discount = -1.0, set[int](), np.ones(n)
        for _ in range(PASSES):
            met = np.bincount(path(worth * discount), minlength=n)
            points_met = set(np.flatnonzero(met)) - {n - 1}
            total = float(sum(prizes[i] * (worth[i] > 0.0) for i in points_met))
            if total > best:
                best, found = total, points_met
            if (met <= 1).all():
                break
            discount = np.where(met > 1, discount / np.sqrt(np.maximum(met, 1)), np.minimum(discount * 1.03, 1.0))
        return found

    began = time.perf_counter()
    routes: list[set[int]] = [set() for _ in range(count)]
    best, at_s, rounds = -1.0, 0.0, 0
    while time.perf_counter() - began < seconds:
        before = [set(route) for route in routes]
        ruined = rng.permutation(count)[: 1 if rounds < count else int(rng.integers(1, count + 1))]
        for k in ruined:
            routes[k] = set()
        for k in ruined:
            taken = set().union(*routes)
            worth = prizes.copy()
            worth[list(taken)] = 0.0
            routes[k] = single(worth * np.exp(rng.choice(NOISES) * rng.standard_normal(n)))
        total = float(prizes[list(set().union(*routes))].sum())
        if total > best + 1e-9:
            best, at_s = total, time.perf_counter() - began
        elif total < best - 0.02 * best * rng.random():
            routes = before
        rounds += 1
    return best, at_s


def peer(file: Path, seconds: float, seed: int) -> tuple[float, float]:
    """PyVRP's best feasible prizes. Run by its own environment's Python."""
    from pyvrp import Model
    from pyvrp.stop import MaxRuntime

    points, prizes, count, time_each = instance(file)
    model = Model()
    places = [model.add_location(float(x), float(y)) for x, y in points]
    depots = model.add_depot(places[0]), model.add_depot(places[-1])
    for place, prize in zip(places[1:-1], prizes[1:-1], strict=True):
        model.add_client(place, prize=int(prize * PRIZE_SCALE), required=False)
    model.add_vehicle_type(
        count, start_depot=depots[0], end_depot=depots[1], max_distance=math.floor(time_each * DISTANCE_SCALE + 1e-6)
    )
    for i, a in enumerate(points):
        for j, b in enumerate(points):
            model.add_edge(places[i], places[j], distance=math.ceil(math.dist(a, b) * DISTANCE_SCALE - 1e-6))
    began = time.perf_counter()
    result = model.solve(MaxRuntime(seconds), seed=seed, display=False)
    if not result.is_feasible():
        return 0.0, seconds
    return result.best.prizes() / PRIZE_SCALE, time.perf_counter() - began


def main() -> None:
    reading = argparse.ArgumentParser(description="Our pricing and PyVRP on Chao's team orienteering instances.")
    reading.add_argument("--seconds", type=float, default=10.0)
    reading.add_argument("--seed", type=int, default=1)
    reading.add_argument("--peer", type=Path, default=PEER, help="Python of an environment with PyVRP")
    reading.add_argument("--solve", type=Path, help=argparse.SUPPRESS)  # one instance by the peer, in its own process
    given = reading.parse_args()
    if given.solve is not None:
        print(json.dumps(peer(given.solve, given.seconds, given.seed)))
        return
    if "KUNTUR_ROUTING" not in os.environ:
        raise SystemExit("KUNTUR_ROUTING names no folder: see the head of this file.")
    folder = Path(os.environ["KUNTUR_ROUTING"])
    known = dict(line.split() for line in (folder / "chaoResults.txt").read_text().splitlines() if line.strip())
    print(f"{'instance':10}{'best known':>12}{'ours':>10}{'%':>7}{'found s':>9}{'PyVRP':>10}{'%':>7}")
    shares = []
    for file in sorted(folder.glob("p*.txt")):
        best = float(known[file.name])
        mine, at_s = ours(file, given.seconds, given.seed)
        asked = [str(given.peer), __file__, "--solve", str(file), "--seconds", str(given.seconds)]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        theirs = float(json.loads(told.stdout)[0]) if told.returncode == 0 else math.nan
        if told.returncode != 0:
            print(told.stderr.strip().split("\n")[-1], file=sys.stderr)
        shares.append((mine / best, theirs / best))
        print(f"{file.stem:10}{best:12.0f}{mine:10.0f}{100 * mine / best:7.1f}{at_s:9.1f}{theirs:10.0f}"
              f"{100 * theirs / best:7.1f}", flush=True)  # fmt: skip
    if shares:
        mean, least = 100.0 * np.mean(shares, axis=0), 100.0 * np.min(shares, axis=0)
        print(
            f"mean: ours {mean[0]:.1f} %, PyVRP {mean[1]:.1f} %; least: ours {least[0]:.1f} %, PyVRP {least[1]:.1f} %"
        )
        print(f"{given.seconds:g} s an instance and solver, one core")


if __name__ == "__main__":
    main()
