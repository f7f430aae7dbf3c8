"""Plan: patrols that an adaptive crosser cannot exploit, with a certificate of three numbers and what they hold for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from kuntur.errors import ConfigError, InfeasibleError
from kuntur.model.place import Area
from kuntur.model.plans import Certificate, Solved, Strategy
from kuntur.ops import certify, plan_resume
from kuntur.ops.plan_check import check_strategy
from kuntur.ops.plan_picture import draw_plan
from kuntur.patrol import blind, columns, quiet, search, strategy
from kuntur.patrol.draw import strategy_sha256
from kuntur.units import at_least, at_most

Progress = Callable[[float, str], None]

__all__ = [
    "certificate_rows",
    "check_strategy",
    "draw_plan",
    "load_plan",
    "plan",
    "save_plan",
    "strategy_sha256",
]

COLUMNS: Final = 16  # a wave: two groups of the kernel's eight lanes
PROOF_SHARE: Final = 0.5  # of the time, kept for attack, ceiling, leak and audit
MOST_PROOF_S: Final = 180.0  # of a long solve
SAVED_S: Final = 30.0  # between two savings of the search


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
    layouts: int = 1,
    first_layer: int = 0,
    kept: Path | None = None,
    resume: bool = False,
    progress: Progress = lambda *_: None,
) -> Strategy:
    """The best strategy found in about `seconds` (the area's solve_s otherwise), every number of its certificate proven
    or named for what it is.

    layouts: joint hub places at each wave boundary. first_layer: of heights, where a neighbour's aircraft fly below.
    kept: file that the search is written to now and then; resume: go on from there.

    Raises InfeasibleError when nothing can be flown, UnmetError (an InfeasibleError that carries the plan) when the
    floor is below the requirement and `accept_best` is not set. Ctrl-C ends the search early with the best plan so far.
    """
    began, seconds = time.monotonic(), seconds or area.requirement.solve_s
    rng = np.random.default_rng(seed)
    key = plan_resume.key_of(area, layouts, first_layer)
    before = plan_resume.load(kept, key) if resume and kept is not None else None
    setting = strategy.setting(
        area, layouts=layouts, first_layer=first_layer, progress=lambda f, w: progress(0.2 * f, w)
    )
    strategy.require_window(setting)
    if not accept_best:
        window_s = (setting.waves - setting.lead - setting.tail) * area.requirement.wave_s
        blind.require_sight(setting.views, setting.nets, window_s)
    work = _Work(setting=setting, rng=rng, began=began, seconds=seconds, key=key, kept=kept, before=before)
    found, history = _searched(work, progress)
    drafted = _drafted(setting, found, rng, history)
    certified = certify.certified(
        area, drafted, seed=seed, setting=setting, progress=lambda f, w: progress(0.6 + 0.38 * f, w)
    )
    certify.require_sound(area, certified)
    certify.require_seen(area, certified)
    best = certified.certificate.floor
    if best < area.requirement.detection_prob and not accept_best:
        raise UnmetError(
            f"No plan found meets the requirement: detection {area.requirement.detection_prob:.2f} is asked for, the "
            f"best certified floor is {at_least(best):.2f}, the strongest attack found leaves "
            f"{certified.certificate.attack:.2f}, and no schedule of this fleet exceeds "
            f"{at_most(certified.certificate.ceiling):.2f}.",
            remedy="Add aircraft or better cameras, lower [requirement] detection_prob, give more --seconds, or keep "
            "the best plan with --accept-best.",
            strategy=certified,
        )
    progress(1.0, f"floor {at_least(best):.2f}")
    return certified


class _Work(Struct, frozen=True, kw_only=True, eq=False):
    """What the search is given. before: an earlier search to go on from."""

    setting: strategy.Setting
    rng: np.random.Generator
    began: float
    seconds: float
    key: str
    kept: Path | None
    before: plan_resume.Kept | None


def _searched(work: _Work, progress: Progress) -> tuple[search.Search, list[Solved]]:
    """Improve until the time kept for the proof begins. Ctrl-C stops early, once there is something to show."""
    setting = work.setting
    promised = range(setting.lead, setting.waves - setting.tail)
    crews = [replace(c, stages=c.stages[promised.start : promised.stop]) for c in setting.crews]
    prepared = time.monotonic() - work.began
    found = _begun(work, crews, promised, progress)
    history = [] if work.before is None else list(work.before.history)
    spent = 0.0 if work.before is None else work.before.spent_s
    start = saved = time.monotonic()
    proof_s = min(max(PROOF_SHARE * (work.seconds - prepared), 0.7 * prepared), MOST_PROOF_S)
    stop = max(start + 0.1 * work.seconds, work.began + work.seconds - proof_s)
    try:
        while (now := time.monotonic()) < stop or len(found.history) < 2:
            search.step(found, max(0.0, 1.0 - (now - start) / (stop - start)))
            now = time.monotonic()
            history.append(Solved(t_s=round(spent + now - work.began, 1), floor=found.best_floor))
            done = min(1.0, (now - start) / (stop - start))
            progress(0.3 + 0.3 * done, f"round {len(found.history)}: floor {found.best_floor:.3f}")
            if work.kept is not None and now - saved > SAVED_S:
                plan_resume.save(work.kept, work.key, history[-1].t_s, history, found)
                saved = now
    except KeyboardInterrupt:
        if found.best_floor < 0.0:
            raise
    if work.kept is not None and history:
        plan_resume.save(work.kept, work.key, history[-1].t_s, history, found)
    return found, history


def _begun(work: _Work, crews: list[columns.Crew], promised: range, progress: Progress) -> search.Search:
    """The search taken up again, or begun with first columns."""
    setting = work.setting
    if work.before is not None:
        return plan_resume.taken_up(work.before, crews, setting.views, setting.wave_steps, work.rng)
    pairs = max(len(columns.layouts(crews, w)) for w in range(len(promised)))
    first = columns.begin(
        crews,
        setting.views,
        len(promised),
        setting.wave_steps,
        max(COLUMNS, 4 * pairs),
        work.rng,
        progress=lambda f, w: progress(0.2 + 0.1 * f, w),
    )
    for w, wave in enumerate(first):
        if not wave:
            raise strategy.no_column(promised.start + w)
    return search.search(crews, setting.views, first, work.rng)


def _drafted(
    setting: strategy.Setting, found: search.Search, rng: np.random.Generator, history: list[Solved]
) -> Strategy:
    """The written plan with a certificate that promises nothing yet."""
    before = quiet.quiet_columns(setting, range(setting.lead), rng)
    after = quiet.quiet_columns(setting, range(setting.waves - setting.tail, setting.waves), rng)
    wave_s = setting.wave_steps * setting.area.requirement.crosser_step_s
    blank = _blank(setting, history, setting.lead * wave_s, (setting.waves - setting.tail) * wave_s)
    return strategy.written(setting, found.columns, found.sigma, before, after, blank)


def _blank(setting: strategy.Setting, history: list[Solved], from_s: float, until_s: float) -> Certificate:
    need = setting.area.requirement
    cell_m = setting.views[0].graph.cells.cell_m
    return Certificate(
        floor=0.0,
        floor_planning=0.0,
        floor_audit=0.0,
        attack=1.0,
        ceiling=1.0,
        leak=0.0,
        crosser_class="",
        class_floors={},
        planning_cell_m=cell_m,
        planning_step_s=need.crosser_step_s,
        audit_cell_m=cell_m,
        audit_step_s=need.crosser_step_s,
        rounds=len(history),
        solve_s=history[-1].t_s if history else 0.0,
        attackers={},
        caveats=(),
        from_s=from_s,
        until_s=until_s,
        history=tuple(history),
    )


def certificate_rows(planned: Strategy) -> list[tuple[str, str, str]]:
    """(name, value, against whom) for the screen: three numbers and what is said beside them."""
    c = planned.certificate
    rows = [
        ("certified floor", f"{at_least(c.floor):.2f}", c.attackers.get("floor", "")),
        ("strongest attack found", f"{c.attack:.2f}", c.attackers.get("attack", "")),
        ("ceiling", f"{at_most(c.ceiling):.2f}", c.attackers.get("ceiling", "")),
        ("if the draw leaks", f"{c.leak:.2f}", c.attackers.get("leak", "")),
        (
            "audit",
            f"{at_least(c.floor_audit):.2f}",
            f"floor on {c.audit_cell_m:.0f} m / {c.audit_step_s:.0f} s; on the planning lattice of "
            f"{c.planning_cell_m:.0f} m / {c.planning_step_s:.0f} s it is {at_least(c.floor_planning):.2f}",
        ),
    ]
    rows += [
        (f"floor against {name}", f"{at_least(value):.2f}", "not part of the requirement")
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
