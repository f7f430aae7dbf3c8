"""Plan: patrols that an adaptive crosser cannot exploit, with a certificate of three numbers and what they hold for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from kuntur.errors import ConfigError, InfeasibleError
from kuntur.model.place import Area, CrosserClass
from kuntur.model.plans import Certificate, Strategy
from kuntur.ops.plan_check import check_strategy
from kuntur.ops.plan_picture import draw_plan
from kuntur.patrol import bounds, columns, game, strategy
from kuntur.patrol.draw import strategy_sha256

Progress = Callable[[float, str], None]

__all__ = [
    "certificate_rows",
    "check_strategy",
    "draw_plan",
    "load_plan",
    "plan",
    "require_sound",
    "save_plan",
    "strategy_sha256",
]

COLUMNS: Final = 16  # a wave: two groups of the kernel's eight lanes
AUDIT_DIVIDES: Final = 2  # the audit's lattice: cell, step and viewpoint spacing divided by this
PROOF_SHARE: Final = 0.5  # of the time, kept for attack, ceiling, leak and audit


class UnmetError(InfeasibleError):
    """The best plan found does not meet the requirement; it is in `strategy`."""

    def __init__(self, message: str, *, remedy: str, strategy: Strategy) -> None:
        super().__init__(message, remedy=remedy)
        self.strategy = strategy


def plan(
    area: Area,
    survey: object = None,
    *,
    seconds: float | None = None,
    seed: int = 1,
    accept_best: bool = False,
    progress: Progress = lambda *_: None,
) -> Strategy:
    """The best strategy found in about `seconds` (the area's solve_s otherwise), every number of its certificate proven
    or named for what it is.

    Raises InfeasibleError when nothing can be flown, UnmetError (an InfeasibleError that carries the plan) when the
    floor is below the requirement and `accept_best` is not set. Ctrl-C ends the search early with the best plan so far.
    """
    began, seconds = time.monotonic(), seconds or area.requirement.solve_s
    rng = np.random.default_rng(seed)
    setting = strategy.setting(area, progress=lambda f, w: progress(0.2 * f, w))
    strategy.require_window(setting)
    search = _searched(setting, rng, began, seconds, progress)
    certified = _certified(setting, search, rng, time.monotonic() - began, progress)
    require_sound(area, certified)
    best = certified.certificate.floor
    if best < area.requirement.detection_prob and not accept_best:
        raise UnmetError(
            f"No plan found meets the requirement: detection {area.requirement.detection_prob:.2f} is asked for, the "
            f"best certified floor is {best:.2f}, the strongest attack found leaves "
            f"{certified.certificate.attack:.2f}, and no schedule of this fleet exceeds "
            f"{certified.certificate.ceiling:.2f}.",
            remedy="Add aircraft or better cameras, lower [requirement] detection_prob, give more --seconds, or keep "
            "the best plan with --accept-best.",
            strategy=certified,
        )
    progress(1.0, f"floor {best:.2f}")
    return certified


def _searched(
    setting: strategy.Setting, rng: np.random.Generator, began: float, seconds: float, progress: Progress
) -> columns.Search:
    """Improve until the time kept for the proof begins. Ctrl-C stops early, once there is something to show."""
    promised = range(setting.lead, setting.waves - setting.tail)
    crews = [replace(c, stages=c.stages[promised.start : promised.stop]) for c in setting.crews]
    prepared = time.monotonic() - began
    first = columns.begin(
        crews,
        setting.views,
        len(promised),
        setting.wave_steps,
        COLUMNS,
        rng,
        progress=lambda f, w: progress(0.2 + 0.1 * f, w),
    )
    for w, wave in enumerate(first):
        if not wave:
            raise strategy.no_column(promised.start + w)
    search = columns.search(crews, setting.views, first, rng)
    start = time.monotonic()
    stop = max(start + 0.1 * seconds, began + seconds - max(PROOF_SHARE * (seconds - prepared), 0.7 * prepared))
    try:
        while (now := time.monotonic()) < stop or len(search.history) < 2:
            columns.step(search, max(0.0, 1.0 - (now - start) / (stop - start)))
            done = min(1.0, (time.monotonic() - start) / (stop - start))
            progress(0.3 + 0.3 * done, f"round {len(search.history)}: floor {search.best_floor:.3f}")
    except KeyboardInterrupt:
        if search.best_floor < 0.0:
            raise
    return search


def _certified(
    setting: strategy.Setting, search: columns.Search, rng: np.random.Generator, spent_s: float, progress: Progress
) -> Strategy:
    """The written plan with its certificate, computed on the plan as written."""
    area = setting.area
    need = area.requirement
    before = strategy.quiet_columns(setting, range(setting.lead), rng)
    after = strategy.quiet_columns(setting, range(setting.waves - setting.tail, setting.waves), rng)
    wave_s = setting.wave_steps * need.crosser_step_s
    blank = _blank(setting, search, setting.lead * wave_s, (setting.waves - setting.tail) * wave_s, spent_s)
    drafted = strategy.written(setting, search.best_columns, search.best_sigma, before, after, blank)
    mixture = _as_written(search, drafted, setting.lead)
    floors = {v.graph.crosser.id: game.backward(v, mixture).floor for v in setting.views}
    weakest = min(setting.views, key=lambda v: floors[v.graph.crosser.id])
    attacked = bounds.attack(weakest, mixture, rng, progress=lambda f, w: progress(0.6 + 0.06 * f, w))
    leak, leak_error = bounds.leak(weakest, mixture, rng)
    ceiling = bounds.ceiling(
        weakest,
        setting.nets,
        [c.arc_piece for c in setting.crews],
        attacked.routes,
        len(mixture.plans) * setting.wave_steps,
        progress=lambda f, w: progress(0.66 + 0.1 * f, w),
    )
    audited = {}
    for i, v in enumerate(setting.views):
        part = _part(progress, 0.76 + 0.22 * i / len(floors), 0.22 / len(floors))
        audited[v.graph.crosser.id] = audit(area, drafted, v.graph.crosser, progress=part)
    class_floors = {name: min(floors[name], audited[name]) for name in floors}
    worst = min(class_floors, key=lambda name: class_floors[name])
    class_floors |= _optional_floors(setting, mixture)
    certificate = replace(
        blank,
        floor=class_floors[worst],
        floor_planning=min(floors.values()),
        floor_audit=min(audited.values()),
        attack=float(attacked.detection.min(initial=1.0)),
        ceiling=ceiling,
        leak=leak,
        crosser_class=worst,
        class_floors=class_floors,
        attackers=_attackers(weakest.graph.crosser, leak_error),
    )
    return replace(drafted, certificate=certificate)


def _part(progress: Progress, begin: float, length: float) -> Progress:
    return lambda f, w: progress(begin + length * f, w)


def audit(area: Area, planned: Strategy, crosser: CrosserClass, *, progress: Progress = lambda *_: None) -> float:
    """The exact floor of a written plan against one class on a lattice twice as fine in space, time and viewpoints."""
    need = area.requirement
    view, mixture = strategy.played(
        area,
        planned,
        crosser,
        cell_m=need.crosser_cell_m / AUDIT_DIVIDES,
        step_s=need.crosser_step_s / AUDIT_DIVIDES,
        spacing_m=strategy.SPACING_M / AUDIT_DIVIDES,
        progress=lambda f, _: progress(f, "auditing on a finer lattice"),
    )
    return game.backward(view, mixture).floor


def _as_written(search: columns.Search, drafted: Strategy, lead: int) -> game.Mixture:
    """The mixture of the promised waves with exactly the weights that are drawn from."""
    kept, sigma = [], []
    for w, options in enumerate(search.best_columns):
        weights = strategy.whole_weights(search.best_sigma[w])
        kept.append([c for c, weight in zip(options, weights, strict=True) if weight > 0])
        sigma.append(np.array([c.weight for c in drafted.waves[lead + w].columns]) / drafted.weight_total)
    return columns.mixture_of(kept, sigma)


def _optional_floors(setting: strategy.Setting, mixture: game.Mixture) -> dict[str, float]:
    """Floors against classes outside the requirement. A class that another kind of target would need new rates for is
    given 0, which is always a valid floor."""
    found = {}
    for crosser in setting.area.crossers:
        if crosser.required:
            continue
        same = next((v for v in setting.views if v.graph.crosser.target == crosser.target), None)
        view = None if same is None else strategy.same_rates(setting.area, same, crosser)
        found[crosser.id] = 0.0 if view is None else game.backward(view, mixture).floor
    return found


def _blank(
    setting: strategy.Setting, search: columns.Search, from_s: float, until_s: float, spent_s: float
) -> Certificate:
    need = setting.area.requirement
    cells = setting.views[0].graph.cells
    error = setting.area.terrain.error
    return Certificate(
        floor=0.0,
        floor_planning=0.0,
        floor_audit=0.0,
        attack=1.0,
        ceiling=1.0,
        leak=0.0,
        crosser_class="",
        class_floors={},
        planning_cell_m=cells.cell_m,
        planning_step_s=need.crosser_step_s,
        audit_cell_m=cells.cell_m / AUDIT_DIVIDES,
        audit_step_s=need.crosser_step_s / AUDIT_DIVIDES,
        rounds=len(search.history),
        solve_s=spent_s,
        attackers={},
        caveats=_caveats(setting, from_s, until_s),
        from_s=from_s,
        until_s=until_s,
        certainty_prob=None if error is None else need.certainty_prob,
        terrain_sigma_m=None if error is None else error.sigma_m,
        terrain_correlation_m=None if error is None else error.correlation_m,
    )


def _attackers(crosser: CrosserClass, leak_error: float) -> dict[str, str]:
    return {
        "floor": f"{crosser.name}, fast, who knows the strategy, the terrain and the cameras and learns what is "
        "drawn for each wave as it begins: the exact value of the segment game, so a proven lower bound in this model",
        "attack": f"{crosser.name} who knows the strategy but sees no draw: the best of many fixed routes found; an "
        "upper estimate of what that crosser can be held to, not a bound",
        "ceiling": "no schedule of this fleet on this flight lattice is worth more against a certain mixture of routes "
        "(additive game): a proven upper bound in this model; the truth lies below it",
        "leak": f"{crosser.name} who knows the whole night's draw beforehand: the mean of sampled nights, each exact, "
        f"standard error {leak_error:.3f}",
    }


def _caveats(setting: strategy.Setting, from_s: float, until_s: float) -> tuple[str, ...]:
    area = setting.area
    hours = f"{from_s / 3600.0:.2f} h to {until_s / 3600.0:.2f} h after the start of the watch"
    fits, median_s = strategy.crossing_fit(setting)
    said = [
        f"Holds for crossings that begin and end within {hours}: before, aircraft are on the way to their stations; "
        "after, on the way home. A crosser already inside, or still inside at the end, is not counted. The fastest "
        f"crossing takes {median_s / 60.0:.0f} min from the middle one of the border cells, and fits from {fits:.0%} "
        "of them.",
        "Crossers move on a lattice of cells; a step is charged to the cell they leave, at the worst terrain cell in "
        "it. A path that zigzags along the edge of two cells faster than a step is not covered; the audit on half the "
        "cell and step measures how much that matters, it does not bound it.",
        "Between viewpoints along a leg the view is not computed: the least of the neighbouring viewpoints counts.",
        "Looks are independent given route and conditions; camouflage, weather and a tired operator that spoil all "
        "looks alike are not in it. Detection rates are a model, never calibrated against real crossers.",
        "Crossers appear at the border line between its ends; the far side and ways round the ends are not modelled.",
        "The ceiling is about the same conservative rates as the floor, not about the best that cameras could do.",
    ]
    said.append(_terrain_caveat(area))
    return tuple(said)


def _terrain_caveat(area: Area) -> str:
    """What the certificate makes of the terrain's own error."""
    terrain, certainty = area.terrain, area.requirement.certainty_prob
    if terrain.sketched:
        return (
            "The terrain is SKETCHED: every number is about a drawing, not about a real border. A drawing has no known "
            "error, so sight lines keep no margin from one."
        )
    if terrain.error is None:
        return "The vertical error of the terrain is unknown: sight lines keep no margin from it."
    error = f"{terrain.error.sigma_m:.1f} m (1 sigma), correlated over {terrain.error.correlation_m:.0f} m"
    if certainty == 0.0:
        return f"Sight lines keep no margin from the terrain's error of {error}, by [requirement] certainty_prob = 0."
    return (
        f"Every sight line counted on clears the terrain with {certainty:.0%} certainty, its error taken as {error}. "
        "The rest is not in the floor, and lines over the same ground fail together. Larger errors, where the product "
        "filled voids or the ground is steep, are not covered."
    )


def certificate_rows(planned: Strategy) -> list[tuple[str, str, str]]:
    """(name, value, against whom) for the screen: three numbers and what is said beside them."""
    c = planned.certificate
    rows = [
        ("certified floor", f"{c.floor:.2f}", c.attackers.get("floor", "")),
        ("strongest attack found", f"{c.attack:.2f}", c.attackers.get("attack", "")),
        ("ceiling", f"{c.ceiling:.2f}", c.attackers.get("ceiling", "")),
        ("if the draw leaks", f"{c.leak:.2f}", c.attackers.get("leak", "")),
        (
            "audit",
            f"{c.floor_audit:.2f}",
            f"floor on {c.audit_cell_m:.0f} m / {c.audit_step_s:.0f} s; on the planning lattice of "
            f"{c.planning_cell_m:.0f} m / {c.planning_step_s:.0f} s it is {c.floor_planning:.2f}",
        ),
    ]
    rows += [
        (f"floor against {name}", f"{value:.2f}", "not part of the requirement")
        for name, value in c.class_floors.items()
        if name != c.crosser_class
    ]
    return rows


def save_plan(planned: Strategy, path: Path) -> Path:
    """Write the plan as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(planned, order="deterministic"), indent=1))
    part.replace(path)
    return path


def load_plan(path: Path) -> Strategy:
    """Read a plan. Raises ConfigError when the file is missing or is not a plan."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Strategy)
    except OSError as error:
        raise ConfigError(f"The plan {path} cannot be read: {error}.", remedy="Make one with `kuntur plan`.") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is not a plan: {error}.", remedy="Make one with `kuntur plan`.") from error


def require_sound(area: Area, planned: Strategy) -> None:
    """Raise ConfigError listing what the independent checker finds wrong with a plan."""
    wrong = check_strategy(area, planned)
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise ConfigError(
            f"The plan fails {len(wrong)} independent checks: {shown}.",
            remedy="Plan again; if it stays, report a fault.",
        )
