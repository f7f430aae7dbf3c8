"""Try a finished plan by simulation: crossers of four kinds against freshly drawn nights, off the lattice of the plan.

Each night is drawn from its own seed as a real one would be, and one crosser of each kind crosses it: a naive one, one
who knows nothing and learns over the nights from who came through, one who knows the plan but learns no draw, and one
who learns each wave's draw as it begins. Those of a night meet the same flights, so kinds are never pooled; within a
kind every crossing has its own independent night, and the Clopper-Pearson interval of its detection rate is exact. The
one who learns chooses by what happened before, so his crossings are not alike; but if every one of them is seen with
probability `floor` at least, whatever went before, fewer detections than the interval allows are as unlikely as for
independent ones (his count is then never likelier to be small), so the verdict on the floor holds for him too.

Space and time are continuous and sight is exact (`sim.encounters`); the adaptive crossers look for hiding places finer
than a cell (`sim.adaptive`). Whether somebody is seen is decided look by look, the gimbal turning as it will; the rate
that plans count with makes a prediction for the same crossing, and the table of predicted against observed says whether
it may be relied on. What is not tried here is what one look is worth: plan and trial share that.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.errors import ConfigError
from kuntur.model.place import Area, CrosserClass
from kuntur.model.plans import Strategy, Tasking, Wave
from kuntur.ops.account import share
from kuntur.patrol import draw
from kuntur.sim import adaptive, encounters
from kuntur.sim.crossings import naive
from kuntur.sim.world import SimulatedCrosser

FloatArray = NDArray[np.float64]
Progress = Callable[[float, str], None]
Kind = Literal["naive", "learning", "uninformed", "informed"]

KINDS: Final[dict[Kind, str]] = {
    "naive": "does not know the plan: a quick way at any hour, at a typical speed",
    "learning": "knows nothing and tries quick ways night after night, more often those that got through",
    "uninformed": "knows the plan but no draw: the strongest ways found, hiding in relief finer than the lattice",
    "informed": "learns each wave's draw as it begins: the best policy, hiding in relief finer than the lattice",
}
LABELS: Final[dict[Kind, str]] = {
    "naive": "does not know the plan",
    "learning": "learns over the nights",
    "uninformed": "knows the plan",
    "informed": "and is told each draw",
}
FIXED_WAYS: Final = 6  # ways searched for the uninformed crosser, unlike one another
FIXED_WAYS_USED: Final = 3  # the strongest of them, of which each crosser takes one
FIXED_EFFORT: Final = (24, 12)  # rounds and shifts a round of the search for hiding places, once for each way
NIGHT_EFFORT: Final = (4, 6)  # the same for the informed crosser, in each wave of each night
HASTE_SHARE: Final = 0.9  # a naive crosser is through in this share of the certified hours at the latest
SECTIONS, WINDOWS = 6, 4  # of the border and of the hours, from and in which the learning one has a quick way each
LAST_SHARE: Final = 0.25  # of the nights, at the end: how the learning one fares when he has learnt
CONFIDENCE: Final = 0.99
BINS: Final = 10  # of the table of predicted against observed


class Outcome(Struct, frozen=True, kw_only=True):
    """How one kind of crosser fared, look by look. low_prob, high_prob: Clopper-Pearson interval of the detection rate.

    predicted_prob: mean of 1 - exp(-exposure) of the same crossings, by the rate that plans count with. looked_prob:
    mean of what the looks themselves gave. last_prob: detection rate in the last quarter of the nights.
    """

    kind: Kind
    crossings: int
    detected: int
    rate_prob: float
    low_prob: float
    high_prob: float
    predicted_prob: float
    looked_prob: float
    last_prob: float
    verdict: Literal["above the floor", "at the floor, within the interval", "below the floor"]


class Bin(Struct, frozen=True, kw_only=True):
    """Crossings of all kinds whose predicted detection probability lies in low_prob .. high_prob: the mean of the
    prediction, and how many were seen, with the interval of that share."""

    low_prob: float
    high_prob: float
    crossings: int
    predicted_prob: float
    detected: int
    least_prob: float
    most_prob: float

    @property
    def kept(self) -> bool:
        """Whether so few detections are explained by chance, if the prediction is not too high."""
        return self.predicted_prob <= self.most_prob


class Trial(Struct, frozen=True, kw_only=True):
    """A trial of a strategy. floor_prob: the certified floor that was tried.

    strongest_fixed_prob: exact detection probability of the strongest fixed way found (no night drawn). informed_prob:
    value of the segment game as the informed crosser sees it on his lattice; an estimate, not a bound. cell_m, step_s:
    of that lattice, as asked for.
    """

    area_id: str
    crosser_class: str
    strategy_sha256: str
    seed: int
    nights: int
    floor_prob: float
    strongest_fixed_prob: float
    informed_prob: float
    cell_m: float
    step_s: float
    outcomes: tuple[Outcome, ...]
    confidence: float = 0.95
    bins: tuple[Bin, ...] = ()
    simulated: str = "every night and every crosser of this trial is simulated"

    @property
    def passed(self) -> bool:
        """Whether no kind of crosser was detected significantly less often than the floor says."""
        return all(outcome.verdict != "below the floor" for outcome in self.outcomes)

    @property
    def calibrated(self) -> bool:
        """Whether no bin of predictions was seen significantly less often than predicted."""
        return all(one.kept for one in self.bins)

    def reliability(self) -> list[tuple[str, str, str, str, str]]:
        """A table: predicted from .. to, crossings, mean prediction, observed, its interval."""
        return [
            (
                f"{one.low_prob:.1f} .. {one.high_prob:.1f}",
                f"{one.crossings}",
                f"{one.predicted_prob:.3f}",
                f"{one.detected / one.crossings:.3f}",
                f"{one.least_prob:.3f} .. {one.most_prob:.3f}{'' if one.kept else ' TOO LOW'}",
            )
            for one in self.bins
        ]

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """A table: kind, crossings, detected, interval, predicted, verdict against the floor."""
        return [
            (
                f"{one.kind}: {KINDS[one.kind]}",
                f"{one.crossings}",
                f"{one.rate_prob:.3f}",
                f"{one.low_prob:.3f} .. {one.high_prob:.3f}",
                f"{one.predicted_prob:.3f}",
                f"{one.verdict} ({self.floor_prob:.3f})",
            )
            for one in self.outcomes
        ]


def trial(
    area: Area,
    strategy: Strategy,
    *,
    crossings: int = 2000,
    nights: int | None = None,
    seed: int = 1,
    cell_m: float | None = None,
    step_s: float | None = None,
    crosser_class: str | None = None,
    confidence: float = CONFIDENCE,
    threads: int = 2,
    progress: Progress = lambda *_: None,
) -> Trial:
    """Cross `crossings` times (or one crossing of each kind on `nights` nights) and count the detections.

    cell_m, step_s: lattice of the adaptive crossers, by default that of the plan. crosser_class: by default the one
    that the certificate's floor is about. confidence: of every interval and verdict. Raises ConfigError for a class
    that area or certificate do not have.
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"A confidence of {confidence:g} is none.", remedy="Give one between 0 and 1, such as 0.99.")
    crosser, floor_prob = _crosser(area, strategy, crosser_class or strategy.certificate.crosser_class)
    count = nights if nights is not None else math.ceil(crossings / len(KINDS))
    rng = np.random.default_rng(seed)
    certificate = strategy.certificate
    progress(0.0, "looking for the strongest attacks")
    board = adaptive.Board(
        area,
        strategy,
        crosser,
        cell_m=(cell_m := cell_m or certificate.planning_cell_m),
        step_s=(step_s := step_s or certificate.planning_step_s),
        threads=threads,
    )
    parties = _Parties(area, strategy, board, rng, count)
    predicted, looked = np.zeros((count, len(KINDS))), np.zeros((count, len(KINDS)))
    found = np.zeros((count, len(KINDS)), bool)
    for night in range(count):
        tasking = draw.draw(strategy, _night_seed(seed, night), 0)
        flown = encounters.flights(area, tasking.sorties)
        party = parties.cross(night, tasking, flown)
        predicted[night] = -np.expm1(-encounters.exposures(area, flown, party))
        turn = int(rng.integers(2**40))
        looked[night] = [1.0 - encounters.look_miss_prob(area, flown, one, turn) for one in party]
        found[night] = rng.random(len(KINDS)) < looked[night]
        parties.hear(found[night])
        progress(0.2 + 0.8 * (night + 1) / count, f"night {night + 1} of {count}")
    return Trial(
        area_id=area.id,
        crosser_class=crosser.id,
        strategy_sha256=tasking.strategy_sha256,
        seed=seed,
        nights=count,
        floor_prob=floor_prob,
        strongest_fixed_prob=parties.strongest_fixed_prob,
        informed_prob=board.bound.floor,
        cell_m=cell_m,
        step_s=step_s,
        outcomes=tuple(
            _outcome(kind, floor_prob, predicted[:, k], found[:, k], looked[:, k], confidence)
            for k, kind in enumerate(KINDS)
        ),
        confidence=confidence,
        bins=_bins(predicted.ravel(), found.ravel(), confidence),
    )


def _crosser(area: Area, strategy: Strategy, wanted: str) -> tuple[CrosserClass, float]:
    """The class and its certified floor."""
    floors = strategy.certificate.class_floors
    for crosser in area.crossers:
        if crosser.id == wanted and wanted in floors:
            return crosser, floors[wanted]
    raise ConfigError(
        f"The plan has no floor for crossers of class {wanted!r} in the area {area.id}.",
        remedy=f"Certified are: {', '.join(sorted(floors)) or 'none'}. Plan again if the area has changed.",
    )


def _night_seed(seed: int, night: int) -> bytes:
    return hashlib.sha256(f"kuntur trial {seed} night {night}".encode()).digest()


def _naive(
    area: Area, crosser: CrosserClass, waves: Sequence[Wave], rng: np.random.Generator, count: int
) -> list[SimulatedCrosser]:
    """Naive crossers of one class within these waves; those too slow for that go as much faster as they need."""
    window_s = waves[-1].end_s - waves[0].start_s
    alone = replace(area, crossers=(crosser,), requirement=replace(area.requirement, duration_s=window_s))
    found = []
    for one in naive(alone, rng, count):
        t_s = np.array(one.t_s)
        took_s = t_s[-1] - t_s[0]
        if took_s > HASTE_SHARE * window_s:
            start_s = rng.uniform(0.0, (1.0 - HASTE_SHARE) * window_s)
            t_s = start_s + (t_s - t_s[0]) * (HASTE_SHARE * window_s / took_s)
        found.append(replace(one, t_s=tuple((waves[0].start_s + t_s).tolist())))
    return found


class _Parties:
    """Who crosses on each night: one of each kind, in the order of KINDS."""

    def __init__(
        self, area: Area, strategy: Strategy, board: adaptive.Board, rng: np.random.Generator, nights: int
    ) -> None:
        self._area, self._board, self._rng = area, board, rng
        self._waves_s = [(wave.start_s, wave.end_s) for wave in strategy.waves]
        self._naive = _naive(area, board.crosser, strategy.waves[board.waves.start : board.waves.stop], rng, nights)
        odds = encounters.Odds(area, strategy)
        rounds, variants = FIXED_EFFORT
        ways = [
            self._named(adaptive.hide(way, board, odds.detection_prob, rng, rounds=rounds, variants=variants))
            for way in board.fixed_ways(rng, FIXED_WAYS)
        ]
        detection = odds.detection_prob(ways)
        order = np.argsort(detection)
        self._fixed: list[SimulatedCrosser] = [ways[i] for i in order[:FIXED_WAYS_USED]]
        self.strongest_fixed_prob = float(detection[order[0]])
        self._quick = [self._named(way) for way in board.quick_ways(sections=SECTIONS, windows=WINDOWS)]
        self._learner = adaptive.Learner(max(1, len(self._quick)), rng)
        self._tried = 0

    def _named(self, way: adaptive.Way) -> SimulatedCrosser:
        return way.crosser("simulated", self._board.crosser)

    def cross(self, night: int, tasking: Tasking, flown: tuple[encounters.Flight, ...]) -> list[SimulatedCrosser]:
        fixed = self._fixed[int(self._rng.integers(len(self._fixed)))]
        self._tried = self._learner.choose()
        learning = self._quick[self._tried] if self._quick else self._naive[night]
        return [self._naive[night], learning, fixed, self._informed(tasking, flown)]

    def hear(self, found: NDArray[np.bool_]) -> None:
        """Tell the one who learns what became of his crossing; of the others he knows nothing."""
        self._learner.learn(self._tried, caught=bool(found[list(KINDS).index("learning")]))

    def _informed(self, tasking: Tasking, flown: tuple[encounters.Flight, ...]) -> SimulatedCrosser:
        """Follows the policy, and in each wave hides from what was drawn for that wave, blind to the later ones."""
        way = self._board.informed_way(tasking.column_indices, self._rng)
        if way is None:  # no policy got him through: he goes as he would without news
            return self._fixed[0]
        rounds, variants = NIGHT_EFFORT
        for start_s, end_s in self._waves_s:
            if end_s <= way.arrive_s[0] or start_s >= way.arrive_s[-1]:
                continue

            def cost(ways: Sequence[SimulatedCrosser], start_s: float = start_s, end_s: float = end_s) -> FloatArray:
                return encounters.exposures(self._area, flown, ways, from_s=start_s, until_s=end_s)

            way = adaptive.hide(
                way, self._board, cost, self._rng, rounds=rounds, variants=variants, from_s=start_s, until_s=end_s
            )
        return self._named(way)


def _outcome(
    kind: Kind,
    floor_prob: float,
    predicted: FloatArray,
    found: NDArray[np.bool_],
    looked: FloatArray,
    confidence: float,
) -> Outcome:
    count = share(int(found.sum()), len(found), confidence=confidence)
    verdict: Literal["above the floor", "at the floor, within the interval", "below the floor"]
    if count.low_prob >= floor_prob:
        verdict = "above the floor"
    elif count.high_prob >= floor_prob:
        verdict = "at the floor, within the interval"
    else:
        verdict = "below the floor"
    last = found[-max(1, round(LAST_SHARE * len(found))) :]
    return Outcome(
        kind=kind,
        crossings=count.trials,
        detected=count.hits,
        rate_prob=count.hits / count.trials,
        low_prob=count.low_prob,
        high_prob=count.high_prob,
        predicted_prob=float(predicted.mean()),
        looked_prob=float(looked.mean()),
        last_prob=float(last.mean()),
        verdict=verdict,
    )


def _bins(predicted: FloatArray, found: NDArray[np.bool_], confidence: float) -> tuple[Bin, ...]:
    """Predicted against observed in bins of equal width; empty ones are left out."""
    number = np.minimum((predicted * BINS).astype(int), BINS - 1)
    made = []
    for k in range(BINS):
        own = number == k
        if own.any():
            count = share(int(found[own].sum()), int(own.sum()), confidence=confidence)
            made.append(
                Bin(
                    low_prob=k / BINS,
                    high_prob=(k + 1) / BINS,
                    crossings=count.trials,
                    predicted_prob=float(predicted[own].mean()),
                    detected=count.hits,
                    least_prob=count.low_prob,
                    most_prob=count.high_prob,
                )
            )
    return tuple(made)


def save_trial(result: Trial, path: Path) -> Path:
    """Write the trial as JSON, whole or not at all."""
    return _whole(path, lambda part: part.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1)))


def draw_trial(result: Trial, path: Path) -> Path:
    """A PNG: detection rate and interval of each kind of crosser against the certified floor."""
    figure = Figure(figsize=(8.6, 3.2), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for k, one in enumerate(result.outcomes):
        below = one.verdict == "below the floor"
        axes.barh(k, one.rate_prob, height=0.5, color="#a3122b" if below else "#0b5c8a", alpha=0.85)
        wings = [[one.rate_prob - one.low_prob], [one.high_prob - one.rate_prob]]
        axes.errorbar(one.rate_prob, k, xerr=wings, color="#1d2a33", capsize=5, linewidth=1.4)
    axes.axvline(result.floor_prob, color="#1d2a33", linestyle=(0, (5, 2)), linewidth=1.6)
    axes.text(
        result.floor_prob, -0.62, f" certified floor {result.floor_prob:.2f}", va="bottom", fontsize=9, color="#1d2a33"
    )
    names = [f"{LABELS[one.kind]}\n{one.detected} of {one.crossings}" for one in result.outcomes]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(len(names) - 0.5, -0.75)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel(
        f"crossings detected, with {100 * result.confidence:g} % interval; simulated nights and crossers", fontsize=9
    )
    axes.set_title(f"{result.area_id}: {result.crosser_class}, {result.nights} nights", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return _whole(path, lambda part: figure.savefig(part, format="png"))


def _whole(path: Path, write: Callable[[Path], object]) -> Path:
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
