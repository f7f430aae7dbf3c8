"""The certificate of a written plan: every number computed from the schedule as it stands in the file, and again later.

Nothing of the search that made a plan is used here, so a plan read from a file, or edited and checked, is certified the
same way, and `ops.recompute` repeats it: what samples takes its randomness from the certificate's own seed. Only
`rounds`, `solve_s` and `history`, which tell of the search, are taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from kuntur.errors import ConfigError
from kuntur.model.place import Area, CrosserClass
from kuntur.model.plans import Certificate, Strategy
from kuntur.ops import plan_check_sight
from kuntur.ops.plan_check import check_schedule, check_strategy
from kuntur.patrol import bounds, crossers, doubts, draw, exposure, game, refute, reveal, strategy
from kuntur.units import RAD_TO_DEG
from kuntur.visibility.looks import OFF_TRACK_M, SECTOR_RAD

Progress = Callable[[float, str], None]

AUDIT_DIVIDES: Final = 2  # the audit's lattice: cell, step and viewpoint spacing divided by this
ATTACK, LEAK, REVEAL = 1, 2, 3  # which part of the randomness is whose
THETAS: Final = (1.0, 0.75, 0.5, 0.25)  # shared doubt: a stated set, no source says which holds
REFUTE_ROUNDS: Final = 16  # work spent on the second proof
TOLD_WAVES: Final = (2, 4)  # points of the curve of what telling costs, beside one wave and the whole night


class Played(Struct, frozen=True, kw_only=True, eq=False):
    """A written plan as a game against one class on the planning lattice, and its exact value."""

    view: exposure.View
    mixture: game.Mixture
    floor: float


def certified(
    area: Area,
    drafted: Strategy,
    *,
    seed: int,
    setting: strategy.Setting | None = None,
    progress: Progress = lambda *_: None,
) -> Strategy:
    """The plan with its certificate; of the one it has, only the hours and what tells of the search are kept.

    setting: the flight lattice that the ceiling is about, where the caller has it already.
    """
    need = area.requirement
    required = [crosser for crosser in area.crossers if crosser.required]
    played = {
        one.id: _played(area, drafted, one, _part(progress, 0.12 * i / len(required), 0.12 / len(required)))
        for i, one in enumerate(required)
    }
    weakest = min(played.values(), key=lambda one: one.floor)
    view, mixture = weakest.view, weakest.mixture
    attacked = bounds.attack(view, mixture, np.random.default_rng([seed, ATTACK]), progress=_part(progress, 0.12, 0.13))
    leak, leak_error = bounds.leak(view, mixture, np.random.default_rng([seed, LEAK]))
    ceiling = _ceiling(area, setting, view.graph.crosser, mixture, attacked, _part(progress, 0.27, 0.15))
    refuted = refute.floor(view, mixture, attack=attacked, rounds=REFUTE_ROUNDS, progress=_part(progress, 0.42, 0.1))
    attack = min([float(attacked.detection.min(initial=1.0)), *([refuted.found] if refuted else [])])
    audited = {
        one.id: audit(
            area, drafted, one, progress=_part(progress, 0.52 + 0.48 * i / len(required), 0.48 / len(required))
        )
        for i, one in enumerate(required)
    }
    class_floors = {name: min(one.floor, audited[name]) for name, one in played.items()}
    worst = min(class_floors, key=lambda name: class_floors[name])
    class_floors |= _optional_floors(area, played)
    before, error = drafted.certificate, area.terrain.error
    cell_m = view.graph.cells.cell_m
    certificate = Certificate(
        floor=class_floors[worst],
        floor_planning=min(one.floor for one in played.values()),
        floor_audit=min(audited.values()),
        attack=attack,
        ceiling=ceiling,
        leak=leak,
        class_floors=class_floors,
        crosser_class=worst,
        planning_cell_m=cell_m,
        planning_step_s=need.crosser_step_s,
        audit_cell_m=cell_m / AUDIT_DIVIDES,
        audit_step_s=need.crosser_step_s / AUDIT_DIVIDES,
        rounds=before.rounds,
        solve_s=before.solve_s,
        attackers=_attackers(view.graph.crosser, leak_error),
        caveats=_caveats(area, [one.view for one in played.values()], drafted),
        from_s=before.from_s,
        until_s=before.until_s,
        certainty_prob=None if error is None else need.certainty_prob,
        terrain_sigma_m=None if error is None else error.sigma_m,
        terrain_correlation_m=None if error is None else error.correlation_m,
        uninformed_floor=refuted.floor if refuted else None,
        doubted=doubts.floors(view, mixture, THETAS),
        reveal=_revealed(weakest, attack, leak, seed),
        history=before.history,
        schedule_sha256=draw.schedule_sha256(drafted),
        seed=seed,
    )
    progress(1.0, "certified")
    return replace(drafted, certificate=certificate)


def _revealed(weakest: Played, attack: float, leak: float, seed: int) -> tuple[tuple[float, float], ...]:
    """What telling the draws ahead costs: nothing told, a wave, some waves, the whole night."""
    view, mixture = weakest.view, weakest.mixture
    waves = len(mixture.plans)
    wave_min = mixture.plans[0].shape[2] * view.graph.divisions * view.graph.step_s / 60.0
    some = [count * wave_min for count in TOLD_WAVES if count < waves]
    between = reveal.curve(view, mixture, np.random.default_rng([seed, REVEAL]), some, samples=1)
    night = [(waves * wave_min, leak)] if waves > 1 else []
    return ((0.0, attack), (wave_min, weakest.floor), *between, *night)


def _played(area: Area, planned: Strategy, crosser: CrosserClass, progress: Progress) -> Played:
    view, mixture = on_planning_lattice(area, planned, crosser, progress=progress)
    return Played(view=view, mixture=mixture, floor=game.backward(view, mixture).floor)


def on_planning_lattice(
    area: Area, planned: Strategy, crosser: CrosserClass, *, progress: Progress = lambda *_: None
) -> tuple[exposure.View, game.Mixture]:
    """A written plan against one class, on the lattice it was planned on."""
    need = area.requirement
    return strategy.played(
        area,
        planned,
        crosser,
        cell_m=need.crosser_cell_m,
        step_s=need.crosser_step_s,
        spacing_m=strategy.SPACING_M,
        progress=progress,
    )


def _ceiling(
    area: Area,
    setting: strategy.Setting | None,
    crosser: CrosserClass,
    mixture: game.Mixture,
    attacked: bounds.Attack,
    progress: Progress,
) -> float:
    """The bound over every schedule of the fleet; it needs what all of the flight lattice sees, not the plan alone."""
    setting = setting or strategy.setting(area, progress=_part(progress, 0.0, 0.5))
    view = next(v for v in setting.views if v.graph.crosser.id == crosser.id)
    return bounds.ceiling(
        view,
        setting.nets,
        [crew.arc_piece for crew in setting.crews],
        attacked.routes,
        len(mixture.plans) * setting.wave_steps,
        progress=_part(progress, 0.5, 0.5),
    )


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


def _optional_floors(area: Area, played: dict[str, Played]) -> dict[str, float]:
    """Floors against classes outside the requirement. A class that another kind of target would need new rates for is
    given 0, which is always a valid floor."""
    found = {}
    for crosser in area.crossers:
        if crosser.required:
            continue
        same = next((one for one in played.values() if one.view.graph.crosser.target == crosser.target), None)
        view = None if same is None else strategy.same_rates(area, same.view, crosser)
        found[crosser.id] = 0.0 if same is None or view is None else game.backward(view, same.mixture).floor
    return found


def _attackers(crosser: CrosserClass, leak_error: float) -> dict[str, str]:
    return {
        "floor": f"{crosser.name}, fast, who knows the strategy, the terrain and the cameras and learns what is "
        "drawn for each wave as it begins: the exact value of the segment game, so a proven lower bound in this model",
        "attack": f"{crosser.name} who knows the strategy but sees no draw: the best of many fixed routes found; an "
        "upper estimate of what that crosser can be held to, not a bound",
        "uninformed_floor": f"{crosser.name} who knows the strategy but sees no draw: no route of his is seen less "
        "often, proven by refutation on the planning lattice; not audited on the finer one",
        "doubted": "as floor, if every look is worth only that share of what the model says, all looks alike",
        "reveal": f"{crosser.name} who is told all draws of that many minutes ahead: estimates from sampled draws",
        "ceiling": "no schedule of this fleet on this flight lattice is worth more against a certain mixture of routes "
        "(additive game): a proven upper bound in this model; the truth lies below it",
        "leak": f"{crosser.name} who knows the whole night's draw beforehand: the mean of sampled nights, each exact, "
        f"standard error {leak_error:.3f}",
    }


def _caveats(area: Area, views: list[exposure.View], planned: Strategy) -> tuple[str, ...]:
    from_s = planned.certificate.from_s
    until_s = planned.watch_duration_s if planned.certificate.until_s is None else planned.certificate.until_s
    hours = f"{from_s / 3600.0:.2f} h to {until_s / 3600.0:.2f} h after the start of the watch"
    fastest = [crossers.fastest_s(view.graph) for view in views]
    fits = min(float((one <= until_s - from_s).mean()) for one in fastest)
    median_s = max(float(np.median(one)) for one in fastest)
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
    if any(segment.looks for segment in planned.segments):
        said.append(
            f"Where a leg searches a sector, the camera's own search must turn through {SECTOR_RAD * RAD_TO_DEG:.0f} "
            "degrees about the region of interest that the mission names, and the aircraft be within "
            f"{OFF_TRACK_M:.0f} m of its track."
        )
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


def claims(area: Area, planned: Strategy, *, count: int | None = None) -> list[plan_check_sight.Claim]:
    """A sample of what the floor counts on, for `plan_check_sight`, drawn from the schedule's own hash."""
    crosser = next(one for one in area.crossers if one.id == planned.certificate.crosser_class)
    view, mixture = on_planning_lattice(area, planned, crosser)
    seed = draw.schedule_sha256(planned)
    return plan_check_sight.draw(
        planned, seed, view, mixture.plans, strategy.promised(planned), count or plan_check_sight.SAMPLES
    )


def require_sound(area: Area, planned: Strategy) -> None:
    """Raise ConfigError listing what the independent checker finds wrong with a plan."""
    _refuse(check_strategy(area, planned))


def require_seen(area: Area, planned: Strategy) -> None:
    """Raise ConfigError listing what the floor counts on and the checker does not see on the terrain."""
    _refuse(plan_check_sight.faults(area, planned, claims(area, planned)))


def _refuse(wrong: list[str]) -> None:
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise ConfigError(
            f"The plan fails {len(wrong)} independent checks: {shown}.",
            remedy="Plan again; if it stays, report a fault.",
        )


def recertified(area: Area, planned: Strategy, *, seed: int, progress: Progress = lambda *_: None) -> Strategy:
    """A plan that was edited, with a certificate of its own for the area as it is. The checker must pass it."""
    _refuse(check_schedule(area, planned))
    found = certified(area, replace(planned, input_hashes=dict(area.input_hashes)), seed=seed, progress=progress)
    require_sound(area, found)
    require_seen(area, found)
    return found


def require_flyable(area: Area, planned: Strategy) -> None:
    """Refuse a plan that the checker fails, or whose certificate is not about this schedule and these inputs."""
    require_sound(area, planned)
    proof = planned.certificate
    again = "Compute its numbers again with `kuntur plan AREA --certify PLAN`; it is checked on the way."
    if proof.schedule_sha256 != draw.schedule_sha256(planned):
        said = "does not say which schedule it is about" if not proof.schedule_sha256 else "does not belong to it"
        raise ConfigError(f"The schedule was edited or is not the one certified: its certificate {said}.", remedy=again)
    changed = [
        name
        for name in sorted(planned.input_hashes.keys() | area.input_hashes.keys())
        if planned.input_hashes.get(name) != area.input_hashes.get(name)
    ]
    if changed:
        raise ConfigError(
            f"The plan was made for other inputs than the area {area.id} has now: {', '.join(changed)}.",
            remedy="Plan again for the area as it is.",
        )
