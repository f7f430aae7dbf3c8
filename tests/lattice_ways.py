"""Ways on a flight lattice drawn at random, for the tests of rooms that fly on it."""

from __future__ import annotations

import math

import numpy as np

from kuntur.patrol import _kernels, flights, rota


def random_way(net: flights.FlightNet, stage: rota.Stage, rng: np.random.Generator) -> list[int]:
    """Arcs of a way of random worth through one stage, within its cap: climbs are made dearer until it fits."""
    worth = rng.random((stage.to_step, len(net.arc_to))).astype(np.float32)
    over_s = net.arc_use_s - net.arc_steps * net.step_s
    for price in (0.0, 0.01, 0.1, 1.0, 1e3, 1e6):
        gain, arcs = _kernels.best_path(
            net.arc_start,
            net.arc_to,
            net.arc_steps,
            np.where(net.arc_steps == 1, np.arange(len(net.arc_to)), -1).astype(np.int32),
            price * over_s,
            worth,
            stage.start,
            stage.from_step,
            stage.end,
            stage.to_step,
        )
        assert math.isfinite(gain), "the stage has no way at all"
        if net.arc_use_s[arcs].sum() <= stage.use_cap_s + 1e-6:
            return list(arcs)
    raise AssertionError("no way of the stage is within its cap")
