"""What it costs to tell the crosser more: his detection if he learns all draws of so many minutes ahead.

The floor assumes that he learns each wave's draw as the wave begins. Told two waves at a time he fares better, told the
whole night he fares best (`bounds.leak`); told nothing, worst (`bounds.attack`). The curve between these says how long
waves may be before telling a wave hurts: about the time that somebody needs to reach the next hiding place. Except for
one wave, which is exact, the points are estimates: joint draws of several waves are too many, so some are sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kuntur.patrol import bounds, game
from kuntur.patrol.exposure import View
from kuntur.patrol.game import Mixture

IntArray = NDArray[np.int32]
Progress = Callable[[float, str], None]

DRAWS = 48  # joint draws that stand for all of a block's
ADVISED_LOSS = 0.02  # of detection, by telling a wave: judged small enough


class Told(Struct, frozen=True, kw_only=True):
    """Detection of a crosser told all draws of so many minutes ahead, and its standard error (0: exact)."""

    minutes: float
    detection: float
    error: float


def curve(
    view: View,
    mixture: Mixture,
    rng: np.random.Generator,
    minutes: Sequence[float],
    *,
    samples: int = 4,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> tuple[tuple[float, float], ...]:
    """(minutes, detection) as `measured` finds them."""
    found = measured(view, mixture, rng, minutes, samples=samples, threads=threads, progress=progress)
    return tuple((told.minutes, told.detection) for told in found)


def measured(
    view: View,
    mixture: Mixture,
    rng: np.random.Generator,
    minutes: Sequence[float],
    *,
    samples: int = 4,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> tuple[Told, ...]:
    """The curve at these lengths, each taken up to whole waves; 0 is the crosser who is told nothing (strongest attack
    found). samples: independent repetitions, from whose spread the error comes."""
    waves = len(mixture.plans)
    wave_min = mixture.plans[0].shape[2] * view.graph.divisions * view.graph.step_s / 60.0
    found: dict[int, Told] = {}
    for k, wanted in enumerate(minutes):
        count = min(waves, max(0, math.ceil(wanted / wave_min - 1e-9)))
        if count not in found:
            detection, error = _told(view, mixture, rng, count, samples, threads)
            found[count] = Told(minutes=count * wave_min, detection=detection, error=error)
        progress((k + 1) / len(minutes), "what telling the draws costs")
    return tuple(found[count] for count in sorted(found))


def _told(
    view: View, mixture: Mixture, rng: np.random.Generator, count: int, samples: int, threads: int
) -> tuple[float, float]:
    waves = len(mixture.plans)
    if count == 0:
        return float(bounds.attack(view, mixture, rng, threads=threads).detection.min(initial=1.0)), 0.0
    if count == 1:
        return game.backward(view, mixture, threads=threads).floor, 0.0
    if count == waves:
        return bounds.leak(view, mixture, rng, nights=DRAWS * samples, threads=threads)
    values = [game.backward(view, blocks(mixture, rng, count), threads=threads).floor for _ in range(samples)]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(samples)) if samples > 1 else math.nan


def blocks(mixture: Mixture, rng: np.random.Generator, count: int, *, draws: int = DRAWS) -> Mixture:
    """The mixture with `count` waves made one, which begins with one of some joint draws of them, sampled anew."""
    plans, sigma, begins, ends = [], [], [], []
    for first in range(0, len(mixture.plans), count):
        last = min(first + count, len(mixture.plans))
        layouts = mixture.layouts[first]
        paths = [(layout, *_path(mixture, rng, first, last, layout)) for layout in range(layouts) for _ in range(draws)]
        plans.append(np.stack([path[1] for path in paths]))
        sigma.append(np.full(len(paths), 1.0 / draws))
        begins.append(np.array([path[0] for path in paths], np.int32))
        ends.append(np.array([path[2] for path in paths], np.int32))
    return game.mixture(plans, sigma, begins, ends, mixture.start)


def _path(mixture: Mixture, rng: np.random.Generator, first: int, last: int, layout: int) -> tuple[IntArray, int]:
    """The joint plan (aircraft, steps) of waves first to last drawn from one layout, and the layout it leads to."""
    parts = []
    for w in range(first, last):
        share = np.where(mixture.begins[w] == layout, mixture.sigma[w], 0.0)
        column = int(rng.choice(len(share), p=share / share.sum()))
        parts.append(mixture.plans[w][column])
        layout = int(mixture.ends[w][column])
    return np.concatenate(parts, axis=1), layout


def advice(curve: Sequence[tuple[float, float]], *, loss: float = ADVISED_LOSS) -> float:
    """The longest time in minutes that may be told ahead with at most this loss of detection against the least told."""
    if not curve:
        raise ValueError("a curve without points gives no advice")
    best = curve[0][1]
    good = [minutes for minutes, detection in curve if minutes > 0.0 and detection >= best - loss]
    return max(good, default=min((minutes for minutes, _ in curve if minutes > 0.0), default=0.0))
