"""A long search written down now and then, and taken up again: the columns of the best mixture and their probabilities.

Only what the search cannot make again is kept; rates and lattices are computed anew, and a search of another area or
other settings is refused by its key.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from kuntur.errors import ConfigError
from kuntur.model.place import Area
from kuntur.model.plans import Solved
from kuntur.patrol import columns, search
from kuntur.patrol.columns import Column, Crew
from kuntur.patrol.exposure import View


class KeptColumn(Struct, frozen=True, kw_only=True):
    """arcs: per aircraft, as flown."""

    arcs: tuple[tuple[int, ...], ...]
    begins: int
    ends: int
    probability: float


class Kept(Struct, frozen=True, kw_only=True):
    key: str
    spent_s: float
    floor: float
    history: tuple[Solved, ...]
    waves: tuple[tuple[KeptColumn, ...], ...]


def key_of(area: Area, layouts: int, first_layer: int) -> str:
    """What a search belongs to: the area's files and what the area became of them, and the layouts."""
    said = msgspec.json.encode(
        [sorted(area.input_hashes.items()), area.requirement, area.fleet, area.border.name, layouts, first_layer],
        enc_hook=str,
    )
    return hashlib.sha256(said).hexdigest()


def save(path: Path, key: str, spent_s: float, history: list[Solved], found: search.Search) -> None:
    """Write the best mixture so far, whole or not at all."""
    waves = tuple(
        tuple(
            KeptColumn(
                arcs=tuple(tuple(int(a) for a in own) for own in column.arcs),
                begins=column.begins,
                ends=column.ends,
                probability=float(probability),
            )
            for column, probability in zip(wave, sigma, strict=True)
        )
        for wave, sigma in zip(found.columns, found.sigma, strict=True)
    )
    kept = Kept(key=key, spent_s=spent_s, floor=found.best_floor, history=tuple(history), waves=waves)
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.msgpack.encode(kept))
    part.replace(path)


def load(path: Path, key: str) -> Kept:
    """Raises ConfigError when there is none, it cannot be read, or it is of another search."""
    try:
        kept = msgspec.msgpack.decode(path.read_bytes(), type=Kept)
    except OSError as error:
        raise ConfigError(f"The search {path} cannot be read: {error}.", remedy="Plan without --resume.") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is not a kept search: {error}.", remedy="Plan without --resume.") from error
    if kept.key != key:
        raise ConfigError(
            f"The search kept in {path} is of another area, fleet or requirement.",
            remedy="Plan without --resume, or with the area as it was then.",
        )
    return kept


def taken_up(kept: Kept, crews: list[Crew], views: list[View], steps: int, rng: np.random.Generator) -> search.Search:
    """The search as it was kept, its first trial the best mixture; steps: of a wave."""
    made = [[_column(one, crews, w, steps) for one in wave] for w, wave in enumerate(kept.waves)]
    found = search.search(crews, views, made, rng)
    found.sigma = [np.array([one.probability for one in wave]) for wave in kept.waves]
    found.trial = [sigma.copy() for sigma in found.sigma]
    return found


def _column(kept: KeptColumn, crews: list[Crew], wave: int, steps: int) -> Column:
    arcs = tuple(np.array(own, np.int32) for own in kept.arcs)
    return columns.flown(crews, wave, steps, arcs, begins=kept.begins, ends=kept.ends)
