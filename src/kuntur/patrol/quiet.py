"""Columns of the waves outside the promise: on the way to the stations and home, equally likely.

Nothing is promised of these waves, but a habit would show in them: the same minute of take-off, the same way out. So
each has several columns, of different minutes and different ways, and the draw chooses among them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kuntur.patrol import columns
from kuntur.patrol.columns import Column
from kuntur.patrol.strategy import Setting, no_column

SingleArray = NDArray[np.float32]

COLUMNS: Final = 8  # in each wave: our choice
TRIES: Final = 24  # at a column, before the wave is given up or is content with fewer
LOOKS: Final = 2  # times in a wave at which a way is pulled somewhere at random


def quiet_columns(setting: Setting, waves: range, rng: np.random.Generator) -> list[list[Column]]:
    """Up to COLUMNS different columns for each of these waves. InfeasibleError where a wave has none."""
    found = []
    for w in waves:
        wave = []
        for begins, ends in columns.layouts(setting.crews, w):
            wave += _between(setting, w, begins, ends, rng)
        if not wave:
            raise no_column(w)
        found.append(wave)
    return columns.connected(found)


def _between(setting: Setting, wave: int, begins: int, ends: int, rng: np.random.Generator) -> list[Column]:
    """Up to COLUMNS different columns from one layout to another."""
    made: dict[bytes, Column] = {}
    for k in range(COLUMNS * TRIES):
        if len(made) == COLUMNS or (made and k >= 2 * COLUMNS) or (k >= TRIES and not made):
            break
        minutes_prob = 1.0 if k < TRIES // 2 or made else 0.0  # at last only the earliest minute, if that is all
        one = columns.column(
            setting.crews,
            setting.views,
            wave,
            _drawn(setting, rng),
            rng,
            1,
            begins=begins,
            ends=ends,
            minutes_prob=minutes_prob,
        )
        if one is not None:
            made[one.plan.tobytes()] = one
    return list(made.values())


def _drawn(setting: Setting, rng: np.random.Generator) -> list[SingleArray]:
    """Per class, something to look at here and there at random (steps, nodes)."""
    fields = []
    every = max(1, setting.wave_steps // LOOKS)
    for view in setting.views:
        field = np.zeros((setting.wave_steps, view.graph.count), np.float32)
        field[::every] = columns.noise(view, setting.wave_steps, 1.0, rng)[::every]
        fields.append(field)
    return fields
