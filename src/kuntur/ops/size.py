"""The cheapest fleet that meets a requirement: a proven floor on cost, a fleet certified to do it, and what is between.

Two different things are reported, never one for the other. The *proven floor*: no fleet of these types at these bases
that costs less can be certified, whatever its plan (`patrol.sizing`). The *certified* fleet: the cheapest of those that
were planned and whose plan's certificate meets the requirement. Which fleets are planned is a heuristic; a fleet that
is not certified is not proven too small.

Every plan made is kept in the folder under the hash of what it was made from; a second run takes it from there.
"""

from __future__ import annotations

import hashlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.errors import ConfigError, InfeasibleError, KunturError
from kuntur.model.assets import Base
from kuntur.model.place import Area
from kuntur.model.plans import Strategy
from kuntur.model.sizing import Sizing
from kuntur.ops import cluster, plan, size_picture
from kuntur.ops.size_answer import Answer, Marginal, Tried, words
from kuntur.patrol import sizing, stations
from kuntur.units import at_least, at_most

Progress = Callable[[float, str], None]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

MOST_FLEETS: Final = 300_000  # counted out one by one when the next one to plan is chosen
BOUND_SHARE: Final = 0.25  # of the time, for the proven floor
SHARPEN_SHARE: Final = 0.4  # of the floor's time, for the ceilings of all fleets
MORE_SHARE: Final = 0.25  # of what is left then, for one aircraft more than the answer
NEAR: Final = 0.8  # a cheaper fleet is worth a plan if this share of the exposure it needs is expected of it: chosen
FIRST_GUESS: Final = 0.3  # of its ceiling's exposure, that a plan is expected to be certified for before any was made
UNLIKELY: Final = 0.1  # that a fleet can do what one inside it cannot even fly
GUESS_WEIGHT: Final = 0.2  # of that guess beside the plans made, a plan of the fleet itself weighing 1


class _Planned(Struct, frozen=True, kw_only=True):
    """What became of one fleet: its plan, or why it has none. lasting: it would be no different another time."""

    strategy: Strategy | None
    why: str | None
    seconds: float
    lasting: bool = True


def size(
    area: Area,
    folder: Path,
    *,
    detection_prob: float | None = None,
    seconds: float = 1200.0,
    each_s: float | None = None,
    seed: int = 1,
    workers: int = 0,
    progress: Progress = lambda *_: None,
) -> Answer:
    """Floor, certified fleet, Pareto front and what one more aircraft brings; written to `folder` as it is found.

    Raises InfeasibleError when nothing can fly, or when the requirement lies above what any of these fleets can reach
    (with that ceiling). Ctrl-C ends with the best so far.
    """
    began = time.monotonic()
    wanted = area.requirement.detection_prob if detection_prob is None else detection_prob
    if not 0.0 < wanted < 1.0:
        raise ConfigError(f"A detection of {wanted:g} is no probability between 0 and 1.", remedy="Give 0.4, say.")
    question = _question(area)
    bases = [base for base in (*area.bases, *question.candidate_bases) if base.pads > 0]
    _require_countable(len(question.types) * len(bases), question.most_aircraft)
    folder.mkdir(parents=True, exist_ok=True)
    pool = stations.stations(
        area, question.types, bases, question.most_aircraft, progress=lambda f, w: progress(0.1 * f, w)
    )
    prices, unit, notes = _prices(area, question, pool, bases)
    work = _Work(
        area=area, question=question, pool=pool, prices=prices, folder=folder, seed=seed, workers=workers,
        wanted=wanted, notes=[*notes, *_pool_notes(pool, bases)], unit=unit, progress=progress,
    )  # fmt: skip
    with _watched_for_stop() as stopped:
        floor = work.bound(BOUND_SHARE * seconds)
        if floor.counts is None:
            raise InfeasibleError(
                f"No fleet of up to {question.most_aircraft} of these aircraft can be certified for a detection of "
                f"{wanted:.2f}: none of them exceeds {at_most(floor.highest):.2f}, whatever its plan "
                "(proven, on this lattice).",
                remedy=f"Ask for less than {at_least(floor.highest):.2f}, raise [size] most_aircraft, or name better "
                "cameras.",
            )
        left = began + seconds - time.monotonic()
        each = each_s or max(area.requirement.solve_s, left / 8.0)
        work.search(floor, began + seconds - MORE_SHARE * max(left, 0.0), each, stopped)
        work.one_more(began + seconds, each, stopped)
        answer = work.answer(floor, time.monotonic() - began, stopped())
    _write(folder / "size.json", msgspec.json.format(msgspec.json.encode(answer), indent=1))
    size_picture.draw(answer, folder / "size.png")
    progress(1.0, "done")
    return answer


def _question(area: Area) -> Sizing:
    if area.sizing is None or not area.sizing.types:
        raise ConfigError("The area names no type of aircraft.", remedy="Add [[size.aircraft]] or an [[aircraft]].")
    return area.sizing


def _require_countable(options: int, most: int) -> None:
    count = math.comb(options + most, most) - 1
    if count > MOST_FLEETS:
        raise ConfigError(
            f"{options} ways to station an aircraft make {count:,} fleets of up to {most}: too many.",
            remedy=f"Name fewer types or bases, or lower [size] most_aircraft, to stay under {MOST_FLEETS:,}.",
        )


def _prices(
    area: Area, question: Sizing, pool: stations.Stations, bases: Sequence[Base]
) -> tuple[sizing.Prices, str, list[str]]:
    """Cost per watch of each option and base, in what unit, and what has to be said about it."""
    names = [base.id for base in bases]
    number = np.array([names.index(option.base_id) for option in pool.options], np.int32)
    costs = {(one.type_id, one.base_id): one for one in question.aircraft_costs}
    found = [costs.get((o.type_id, o.base_id)) or costs.get((o.type_id, None)) for o in pool.options]
    if any(cost is None for cost in found):
        missing = sorted({o.type_id for o, cost in zip(pool.options, found, strict=True) if cost is None})
        aircraft = sizing.Prices(aircraft=np.ones(len(found)), base=number, opening=np.zeros(len(bases)))
        return (
            aircraft,
            "aircraft",
            [f"Counted in aircraft, each worth the same: the area gives no [[cost]] of {', '.join(missing)}."],
        )
    per_watch = np.array(
        [cost.per_watch(o.flight_hours) for o, cost in zip(pool.options, found, strict=True) if cost is not None]
    )
    opened = {one.base_id: one for one in question.base_costs}
    opening = np.array([opened[name].per_watch if name in opened else 0.0 for name in names])
    notes = [
        "Cost per watch: purchase spread over the watches of an aircraft's life, its crew for one watch, and its "
        "flight hours, charged as the most hours that it can be in the air in one watch; then what each open base "
        "costs."
    ]
    if any(cost is not None and cost.example for cost in found) or any(one.example for one in opened.values()):
        notes.append(
            "The costs are EXAMPLE FIGURES of the area file: they show the form of the answer and are nobody's prices. "
            "The one published figure known to us is of another class of aircraft: 12,255 USD per flight hour, "
            "everything counted, for the Predator B of United States border protection (DHS Office of Inspector "
            "General, OIG-15-17, December 2014)."
        )
    return sizing.Prices(aircraft=per_watch, base=number, opening=opening), f"{question.currency} per watch", notes


def _pool_notes(pool: stations.Stations, bases: Sequence[Base]) -> list[str]:
    names = {base.id: base.name for base in bases}
    return [f"Left out: {kind} at {names[base]}. {why}" for (kind, base), why in pool.left_out.items()]


def _for(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() < until


@contextmanager
def _watched_for_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, also where the work below it ended quietly with its best so far."""
    pressed = False
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


class _Work:
    """One run: what is known of every fleet so far, in memory and in the folder."""

    def __init__(
        self,
        *,
        area: Area,
        question: Sizing,
        pool: stations.Stations,
        prices: sizing.Prices,
        folder: Path,
        seed: int,
        workers: int,
        wanted: float,
        notes: list[str],
        unit: str,
        progress: Progress,
    ) -> None:
        self.area, self.question, self.pool, self.prices = area, question, pool, prices
        self.folder, self.seed, self.workers, self.wanted = folder, seed, workers, wanted
        self.notes, self.unit, self.progress = notes, unit, progress
        self.fleets = sizing.fleets(len(pool.options), question.most_aircraft)
        self.costs = np.array([prices.of(counts) for counts in self.fleets])
        self.row = {tuple(int(n) for n in counts): k for k, counts in enumerate(self.fleets)}
        self.ceilings = np.ones(len(self.fleets))
        self.planned: dict[int, _Planned] = {}
        self.ground = _ground_hash(area)

    # --- the proven floor

    def bound(self, seconds: float) -> sizing.CostFloor:
        """The floor on cost; cuts of an earlier run on the same pool are taken up again."""
        kept, key = self.folder / "cuts.json", self._key([(t.id, b.base_id) for t, b in self._pairs()])
        known: tuple[sizing.Cut, ...] = ()
        if kept.is_file():
            old_key, old = msgspec.json.decode(kept.read_bytes(), type=tuple[str, tuple[sizing.Cut, ...]])
            known = old if old_key == key else ()
        if not known:
            known = self._sharpened(SHARPEN_SHARE * seconds)
        floor = sizing.cost_floor(
            self.pool.options, self.pool.views, self.prices, self.wanted, self.question.most_aircraft, self.pool.steps,
            go_on=_for((1.0 - SHARPEN_SHARE) * seconds), known=known, told=lambda w: self.progress(0.2, w),
        )  # fmt: skip
        _write(kept, msgspec.json.encode((key, floor.cuts)))
        self.ceilings = sizing.ceilings(floor.cuts, self.fleets)
        return floor

    def _sharpened(self, seconds: float) -> tuple[sizing.Cut, ...]:
        """Cuts for each type at all its bases, and for all together: the cheapest fleets alone would say little of
        the ceilings of others."""
        kinds = np.array([option.type_id for option in self.pool.options])
        mixes = [(kinds == one.id).astype(int) for one in self.question.types if one.id in kinds]
        mixes += [np.ones(len(kinds), int)] if len(mixes) > 1 else []
        found: list[sizing.Cut] = []
        try:
            for k, mix in enumerate(mixes):
                self.progress(0.1 + 0.05 * k / len(mixes), "crossers against each type")
                found += sizing.sharpened(
                    self.pool.options, self.pool.views, mix.tolist(), self.pool.steps, go_on=_for(seconds / len(mixes))
                )
        except KeyboardInterrupt:
            pass  # the cuts so far hold
        return tuple(found)

    def _pairs(self) -> list[tuple[Any, sizing.Option]]:
        types = {one.id: one for one in self.question.types}
        return [(types[option.type_id], option) for option in self.pool.options]

    # --- fleets that are planned

    def search(self, floor: sizing.CostFloor, until: float, each_s: float, stopped: Callable[[], bool]) -> None:
        """From the cheapest fleet that no cut rules out, plan one after another until none cheaper looks possible."""
        assert floor.counts is not None, "an infeasible requirement was raised before"
        self._adopt()
        first = self.row[floor.counts]
        begin = time.monotonic()
        chosen = self._promising()[: max(1, self.workers)] if first in self.planned else [first]
        while chosen and not stopped() and (not self.planned or time.monotonic() + 0.5 * each_s < until):
            done = (time.monotonic() - begin) / max(until - begin, 1.0)
            self._plan(chosen, each_s, 0.3 + 0.5 * min(1.0, done))
            chosen = [k for k in self._promising() if k not in self.planned][: max(1, self.workers)]

    def _adopt(self) -> None:
        """Take up what earlier runs planned."""
        kept = set((self.folder / "plans").glob("*.json"))
        for k in range(len(self.fleets)) if kept else ():
            if (path := self._path(self._task(k, 0.0))) in kept:
                self.planned[k] = msgspec.json.decode(path.read_bytes(), type=_Planned)

    def _promising(self) -> list[int]:
        """Rows of fleets worth a plan next, best first: those cheaper than the certified one that may do it as well.
        While none is certified: the best expected ones half way, in cost, from the dearest one planned to the dearest
        there is."""
        expected, best = self._expected(), self._certified()
        able = np.flatnonzero(self.ceilings >= self.wanted * (1.0 - 1e-9))
        waiting = able[[k not in self.planned for k in able]]
        if best is None:
            made = [self.costs[k] for k in self.planned if self.planned[k].strategy is not None]
            half_way = 0.5 * (max(made, default=0.0) + float(self.costs.max()))
            nearer = waiting[self.costs[waiting] <= half_way]
            waiting = nearer if len(nearer) else waiting
        else:
            waiting = waiting[self.costs[waiting] < self.costs[best] - 1e-9]
            waiting = waiting[expected[waiting] >= NEAR * -math.log1p(-self.wanted)]
        return [int(k) for k in waiting[np.lexsort((self.costs[waiting], -expected[waiting]))]]

    def _expected(self) -> FloatArray:
        """Exposure that a plan of each fleet is expected to be certified for: a share of that of its ceiling, the
        share taken from the plans made, nearer fleets counting more. A guess that chooses what is planned next."""
        exposure = -np.log1p(-np.minimum(self.ceilings, 1.0 - 1e-12))
        known = [k for k in self.planned if exposure[k] > 0.0]
        reached = np.array([-math.log1p(-min(self._floor(k), 1.0 - 1e-12)) for k in known])
        apart = np.abs(self.fleets[:, None, :] - self.fleets[known][None, :, :]).sum(axis=2)
        weight = 1.0 / (1.0 + apart) ** 2
        share = (GUESS_WEIGHT * FIRST_GUESS + weight @ (reached / exposure[known])) / (
            GUESS_WEIGHT + weight.sum(axis=1)
        )
        for k, planned in self.planned.items():
            if planned.strategy is None:  # what cannot be flown is seldom mended by more of the same
                share[(self.fleets >= self.fleets[k]).all(axis=1)] *= UNLIKELY
        return np.asarray(share * exposure)

    def _plan(self, rows: Sequence[int], each_s: float, done: float) -> None:
        """Plan these fleets, from the folder where they were planned before."""
        waiting = []
        for k in rows:
            task = self._task(k, each_s)
            path = self._path(task)
            if path.is_file():
                self.planned[k] = msgspec.json.decode(path.read_bytes(), type=_Planned)
            else:
                waiting.append((k, task, path))
        if not waiting:
            return
        names = ", ".join(self.words(k) for k, _, _ in waiting)
        if self.workers:
            made = cluster.mapped(
                _planned_apart, (self.area, self.question), [task for _, task, _ in waiting],
                cluster.Cluster(workers=min(self.workers, len(waiting))),
            )  # fmt: skip
            self.progress(done, f"planning {names}")
        else:
            told = lambda f, w: self.progress(done, f"{names}: {w}")  # noqa: E731
            made = (_planned(self.area, self.question, task, told) for _, task, _ in waiting)
        try:
            for (k, _, path), planned in zip(waiting, made, strict=True):
                self.planned[k] = planned
                if planned.lasting:
                    _write(path, msgspec.json.encode(planned))
        except KeyboardInterrupt:
            return  # what was asked to stop is not what could not be planned

    def one_more(self, until: float, each_s: float, stopped: Callable[[], bool]) -> None:
        """Plan the fleets with one aircraft more than the best one, those that gain most by their ceiling first."""
        base = self._base()
        if base is None:
            return
        more = [k for _, k in self._with_one_more(base) if k is not None]
        for k in sorted(more, key=lambda k: -(self.ceilings[k] - self.ceilings[base])):
            if stopped() or time.monotonic() + 0.5 * each_s > until:
                return
            self._plan([k], each_s, 0.9)

    def _with_one_more(self, base: int) -> list[tuple[int, int | None]]:
        """(option, row of the fleet with one more of it, None where that is more than may be counted)."""
        found = []
        for j in range(len(self.pool.options)):
            counts = self.fleets[base].copy()
            counts[j] += 1
            found.append((j, self.row.get(tuple(int(n) for n in counts))))
        return found

    # --- what is known

    def _floor(self, k: int) -> float:
        """The certified floor of a planned fleet; 0 where it has no plan, or one that promises too short a window."""
        made = self.planned[k].strategy
        if made is None:
            return 0.0
        until_s = made.watch_duration_s if made.certificate.until_s is None else made.certificate.until_s
        window_s = self.pool.steps * self.area.requirement.crosser_step_s
        return made.certificate.floor if until_s - made.certificate.from_s >= window_s - 1e-6 else 0.0

    def _certified(self) -> int | None:
        """The cheapest planned fleet that is certified for what is wanted."""
        able = [k for k in self.planned if self._floor(k) >= self.wanted]
        return min(able, key=lambda k: (self.costs[k], -self._floor(k)), default=None)

    def _base(self) -> int | None:
        """The certified fleet, or else the one with the highest floor."""
        best = self._certified()
        return best if best is not None else max(self.planned, key=self._floor, default=None)

    def words(self, k: int) -> str:
        return words(self.names(k))

    def names(self, k: int) -> dict[str, int]:
        options = self.pool.options
        return {f"{options[j].type_id} at {options[j].base_id}": int(n) for j, n in enumerate(self.fleets[k]) if n}

    def answer(self, floor: sizing.CostFloor, seconds: float, stopped: bool) -> Answer:
        assert floor.counts is not None, "an infeasible requirement was raised before"
        certified, base = self._certified(), self._base()
        order = np.argsort(self.costs, kind="stable")
        best = np.maximum.accumulate(self.ceilings[order])
        steps = [i for i in range(len(order)) if i == 0 or best[i] > best[i - 1] + 1e-9]
        return Answer(
            area_id=self.area.id,
            title=self.area.title,
            detection_prob=self.wanted,
            unit=self.unit,
            cost_floor=floor.cost,
            floor_fleet=self.names(self.row[floor.counts]),
            floor_closed=floor.closed,
            cuts=len(floor.cuts),
            highest=floor.highest,
            most_aircraft=self.question.most_aircraft,
            certified_cost=None if certified is None else float(self.costs[certified]),
            certified_fleet=None if certified is None else self.names(certified),
            tried=tuple(self._tried(k) for k in sorted(self.planned, key=lambda k: self.costs[k])),
            ceilings=tuple((float(self.costs[order[i]]), float(best[i])) for i in steps),
            base_fleet=None if base is None else self.names(base),
            more=() if base is None else tuple(self._more(base)),
            notes=tuple(self.notes),
            stopped=stopped,
            window_s=self.pool.steps * self.area.requirement.crosser_step_s,
            simulated=("sketched terrain",) if self.area.terrain.sketched else (),
            seconds=seconds,
            input_hashes=dict(self.area.input_hashes),
        )

    def _tried(self, k: int) -> Tried:
        planned = self.planned[k]
        c = None if planned.strategy is None else planned.strategy.certificate
        floor = self._floor(k)
        if floor > self.ceilings[k] + 1e-9:
            self.notes.append(
                f"CONTRADICTION: {self.words(k)} is certified at {floor:.3f}, above its proven ceiling of "
                f"{self.ceilings[k]:.3f}. Neither number can be relied on; report it."
            )
        why = planned.why
        if c is not None and floor == 0.0 < c.floor:
            why = "its plan promises a window shorter than the one asked for"
        return Tried(
            fleet=self.names(k),
            cost=float(self.costs[k]),
            ceiling=float(self.ceilings[k]),
            floor=None if c is None else floor,
            attack=None if c is None else c.attack,
            seconds=planned.seconds,
            why=why,
        )

    def _more(self, base: int) -> Iterator[Marginal]:
        options = self.pool.options
        for j, k in self._with_one_more(base):
            if k is None:
                continue
            made = self.planned.get(k)
            yield Marginal(
                more=f"{options[j].type_id} at {options[j].base_id}",
                opens_base=not any(
                    n and options[i].base_id == options[j].base_id for i, n in enumerate(self.fleets[base])
                ),
                cost=float(self.costs[k] - self.costs[base]),
                ceiling_gain=float(self.ceilings[k] - self.ceilings[base]),
                floor_gain=None if made is None else self._floor(k) - self._floor(base),
            )

    # --- names of files

    def _task(self, k: int, each_s: float) -> _Task:
        chosen = tuple(
            (option.type_id, option.base_id, int(n))
            for option, n in zip(self.pool.options, self.fleets[k], strict=True)
            if n
        )
        return _Task(chosen=chosen, seconds=each_s, seed=self.seed)

    def _path(self, task: _Task) -> Path:
        types = [one for one in self.question.types if any(one.id == kind for kind, _, _ in task.chosen)]
        return self.folder / "plans" / f"{self._key([types, task.chosen, task.seed])[:24]}.json"

    def _key(self, what: Any) -> str:
        parts = (version("kuntur"), self.ground, self.question.types, self.question.most_aircraft, what)
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


class _Task(Struct, frozen=True, kw_only=True):
    chosen: tuple[tuple[str, str, int], ...]
    seconds: float
    seed: int


def _planned_apart(shared: tuple[Area, Sizing], task: _Task) -> _Planned:
    """In a process of its own."""
    return _planned(*shared, task, lambda *_: None)


def _planned(area: Area, question: Sizing, task: _Task, progress: Progress) -> _Planned:
    began = time.monotonic()
    try:
        made = plan.plan(
            stations.fleet(area, question.types, task.chosen), seconds=task.seconds, seed=task.seed, accept_best=True,
            progress=progress,
        )  # fmt: skip
    except KunturError as error:  # one fleet's trouble is not the end of the others
        lasting = isinstance(error, InfeasibleError)
        return _Planned(strategy=None, why=error.message, seconds=time.monotonic() - began, lasting=lasting)
    return _Planned(strategy=made, why=None, seconds=time.monotonic() - began)


def _ground_hash(area: Area) -> str:
    """Of all that a plan depends on but its fleet and what is asked of it: costs may change, plans stay."""
    rest = replace(area.requirement, detection_prob=0.0, solve_s=0.0)
    parts = (area.bases, area.zones, area.roads, area.border, area.crossers, area.weather, rest)
    digest = hashlib.sha256(msgspec.json.encode(parts, enc_hook=lambda array: array.tolist(), order="deterministic"))
    for field in (area.terrain.heights_m, area.terrain.cover_m):
        digest.update(b"" if field is None else np.ascontiguousarray(field).tobytes())
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
