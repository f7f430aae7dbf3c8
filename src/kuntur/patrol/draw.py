"""Tonight's draw: strategy + secret seed -> tasking, the same for anybody who holds the seed.

The seed's SHA-256 is published before the watch and the seed after it, so anyone can check that the night flown was
drawn and not chosen. Random bits are HMAC-SHA256(seed, wave, counter), turned into whole numbers below the total weight
by rejection, so every column has exactly the probability the certificate was computed with.

A wave is drawn among the columns that begin in the layout which the wave before ended in; the watch begins in layout 0.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from kuntur.errors import ConfigError
from kuntur.model.plans import SWEEP, Segment, Sortie, Strategy, Tasking

SEED_BYTES = 32
JOIN_S = 1e-6
"""A segment that begins when the one before ended carries the flight on; after a landing comes time on the ground."""


def commitment(seed: bytes) -> str:
    """SHA-256 of the seed, hex: what is written down before the watch."""
    return hashlib.sha256(seed).hexdigest()


def strategy_sha256(strategy: Strategy) -> str:
    """SHA-256 of the strategy as JSON (msgspec, deterministic order), hex."""
    return hashlib.sha256(msgspec.json.encode(strategy, order="deterministic")).hexdigest()


def schedule_sha256(strategy: Strategy) -> str:
    """SHA-256 of what is flown and drawn from (all but the certificate) and of its inputs, hex: what a certificate is
    about. The same number whatever the certificate says."""
    parts = {name: getattr(strategy, name) for name in strategy.__struct_fields__ if name != "certificate"}
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def draw(strategy: Strategy, seed: bytes, start_t_ns: int) -> Tasking:
    """One column a wave, given only the layout that the wave before ended in, and the sorties they make.

    ConfigError for a short seed, weights that do not add up, or a layout from which nothing leads on.
    """
    if len(seed) < SEED_BYTES:
        raise ConfigError(f"The seed has {len(seed)} bytes.", remedy=f"Draw with {SEED_BYTES} random bytes or more.")
    chosen = columns(strategy, seed)
    return Tasking(
        strategy_sha256=strategy_sha256(strategy),
        seed_commitment=commitment(seed),
        start_t_ns=start_t_ns,
        column_indices=chosen,
        sorties=tuple(_sorties(strategy, chosen)),
    )


def check(strategy: Strategy, tasking: Tasking, seed: bytes) -> bool:
    """Whether this tasking is what this seed draws from this strategy."""
    return draw(strategy, seed, tasking.start_t_ns) == tasking


def columns(strategy: Strategy, seed: bytes) -> tuple[int, ...]:
    """Index of the column drawn for each wave, layouts followed from one to the next. ConfigError as `draw`."""
    chosen, layout = [], 0
    for wave in range(len(strategy.waves)):
        chosen.append(_column(strategy, wave, layout, seed))
        layout = strategy.waves[wave].columns[chosen[-1]].ends
    return tuple(chosen)


def _column(strategy: Strategy, wave: int, layout: int, seed: bytes) -> int:
    """Index of the column drawn for one wave, among those that begin in a layout."""
    options = [k for k, column in enumerate(strategy.waves[wave].columns) if column.begins == layout]
    weights = [strategy.waves[wave].columns[k].weight for k in options]
    remedy = "Use the plan as `kuntur plan` wrote it."
    if not options:
        raise ConfigError(f"No column of wave {wave} begins in layout {layout}, which can be reached.", remedy=remedy)
    if min(weights) < 0 or sum(weights) != strategy.weight_total:
        raise ConfigError(
            f"The weights of wave {wave}{f' in layout {layout}' * (layout > 0)} add up to {sum(weights)}, not to "
            f"{strategy.weight_total}.",
            remedy=remedy,
        )
    number = _below(strategy.weight_total, seed, wave)
    return options[next(k for k, upper in enumerate(accumulate(weights)) if number < upper)]


def _below(limit: int, seed: bytes, wave: int) -> int:
    """A whole number 0 <= n < limit, each equally likely: 256-bit words, those past the last full multiple rejected."""
    usable = (1 << 256) // limit * limit
    return next(word for word in _words(seed, wave) if word < usable) % limit


def _words(seed: bytes, wave: int) -> Iterator[int]:
    counter = 0
    while True:
        message = f"kuntur draw, wave {wave}, word {counter}".encode()
        yield int.from_bytes(hmac.new(seed, message, hashlib.sha256).digest(), "big")
        counter += 1


def _sorties(strategy: Strategy, chosen: tuple[int, ...]) -> Iterator[Sortie]:
    """The drawn segments of each aircraft, joined from take-off to landing."""
    segments = {segment.id: segment for segment in strategy.segments}
    for k, aircraft_id in enumerate(strategy.aircraft_ids):
        flights: list[list[Segment]] = []
        for wave, column in zip(strategy.waves, chosen, strict=True):
            segment = segments[wave.columns[column].segment_ids[k]]
            if not segment.t_s:
                continue
            if flights and abs(flights[-1][-1].t_s[-1] - segment.t_s[0]) <= JOIN_S:
                flights[-1].append(segment)
            else:
                flights.append([segment])
        for number, flight in enumerate(flights, 1):
            yield _joined(flight, f"{aircraft_id}-{number}", strategy.base_ids[k])


def _joined(flight: list[Segment], sortie_id: str, base_id: str) -> Sortie:
    """One flight; the point two segments share stands once."""
    points = list(zip(flight[0].t_s, flight[0].x_m, flight[0].y_m, flight[0].alt_msl_m, strict=True))
    for segment in flight[1:]:
        points += list(zip(segment.t_s, segment.x_m, segment.y_m, segment.alt_msl_m, strict=True))[1:]
    t_s, x_m, y_m, alt_msl_m = zip(*points, strict=True)
    looks = tuple(look for segment in flight for look in segment.looks or (SWEEP,) * (len(segment.t_s) - 1))
    return Sortie(
        id=sortie_id,
        aircraft_id=flight[0].aircraft_id,
        base_id=base_id,
        t_s=t_s,
        x_m=x_m,
        y_m=y_m,
        alt_msl_m=alt_msl_m,
        energy_wh=sum(segment.energy_wh for segment in flight),
        endurance_s=sum(segment.endurance_s for segment in flight),
        looks=() if set(looks) == {SWEEP} else looks,
    )
