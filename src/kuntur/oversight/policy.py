"""Who may do what, where and when: the only place that makes a `Permit`.

The rules are data (`DEFAULT_POLICY`); their hash goes into the record when a session opens. There is no action for a
weapon, for designating a target or for recognising a person, so nobody can be given leave for one. Actions that only
make things safer (come home, land) need no permit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from msgspec import Struct, to_builtins
from msgspec.structs import replace
from numpy.typing import NDArray

from kuntur.model.place import Zone
from kuntur.model.records import Action, Actor, Permit, Purpose, Refusal
from kuntur.oversight.ledger import content_sha256
from kuntur.units import NS_PER_S

FloatArray = NDArray[np.float64]


class Rule(Struct, frozen=True, kw_only=True):
    """Which roles may do one action for which purposes, and for how long one permit lasts at most."""

    action: Action
    roles: tuple[str, ...]
    purposes: tuple[str, ...]
    longest_s: int
    reason: str


class Policy(Struct, frozen=True, kw_only=True):
    """look_across_max_m: how far beyond the border a camera's picture may reach at most."""

    name: str
    rules: tuple[Rule, ...]
    look_across_max_m: float


_ALL = ("border_patrol", "search_and_rescue", "training", "test")
_SERVICE = ("border_patrol", "search_and_rescue")
_HOUR_S = 3600

# A starting point to be set by whoever is answerable for the area; the numbers are choices, not measurements.
DEFAULT_POLICY = Policy(
    name="default",
    look_across_max_m=2000.0,
    rules=(
        Rule(
            action="fly",
            roles=("operator", "commander"),
            purposes=_ALL,
            longest_s=24 * _HOUR_S,
            reason="The crew on duty flies.",
        ),
        Rule(
            action="launch",
            roles=("operator", "commander"),
            purposes=_ALL,
            longest_s=24 * _HOUR_S,
            reason="The crew on duty launches.",
        ),
        Rule(
            action="look",
            roles=("operator", "commander"),
            purposes=_ALL,
            longest_s=24 * _HOUR_S,
            reason="Looking at our own side is what a patrol is for.",
        ),
        Rule(
            action="look_across",
            roles=("commander",),
            purposes=_SERVICE,
            longest_s=12 * _HOUR_S,
            reason="Looking into another country is for a commander to answer for, and never practice.",
        ),
        Rule(
            action="acknowledge",
            roles=("operator", "commander"),
            purposes=_ALL,
            longest_s=24 * _HOUR_S,
            reason="Whoever is on watch answers an alert.",
        ),
        Rule(
            action="export",
            roles=("commander", "overseer"),
            purposes=_ALL,
            longest_s=1 * _HOUR_S,
            reason="What leaves the station leaves with a name on it.",
        ),
        Rule(
            action="delete",
            roles=("overseer",),
            purposes=_ALL,
            longest_s=1 * _HOUR_S,
            reason="Those who fly do not erase; the record itself can be deleted by nobody.",
        ),
    ),
)


def policy_sha256(policy: Policy) -> str:
    """The hash of the rules as they stand in the record."""
    return content_sha256(policy)


def permit_content(permit: Permit) -> dict[str, Any]:
    """Everything in a permit but its id, which is the SHA-256 of the canonical JSON of this."""
    content: dict[str, Any] = to_builtins(permit)
    del content["id"]
    return content


def decide(
    actor: Actor,
    purpose: Purpose,
    action: Action,
    subject: str,
    from_t_ns: int,
    until_t_ns: int,
    *,
    policy: Policy,
    zones: Sequence[Zone] = (),
    path_m: FloatArray | None = None,
    across_m: float | None = None,
) -> Permit | Refusal:
    """Leave to do `action` with `subject` (an aircraft, an alert, a file) from one time until another, or why not.

    path_m: (n, 3) float64, x, y, alt_msl of the flight, straight between points; needed for "fly" where the area has
    no-fly zones. across_m: how far beyond the border the pictures will reach; None asks for as far as the policy
    allows. zones: the area's; those that bear on the action are named in the permit and become its conditions.
    """

    def refuse(reason: str, remedy: str) -> Refusal:
        return Refusal(actor=actor, purpose=purpose, action=action, subject=subject, reason=reason, remedy=remedy)

    rule = next((rule for rule in policy.rules if rule.action == action), None)
    if rule is None:
        return refuse(f"The policy '{policy.name}' has no rule for '{action}'.", "Add a rule for it to the policy.")
    if actor.role not in rule.roles:
        return refuse(
            f"{actor.id} is {actor.role}; '{action}' is for {_words(rule.roles)}.",
            f"Ask {_words(rule.roles)} to do it.",
        )
    if purpose.code not in rule.purposes:
        return refuse(
            f"'{action}' is not allowed for {purpose.code}, only for {_words(rule.purposes)}.",
            "Leave it out, or state the purpose it truly serves.",
        )
    if until_t_ns < from_t_ns:
        return refuse(
            f"The permit would end at {_utc(until_t_ns)}, before it begins.",
            "Give an end that is not before the beginning.",
        )
    if until_t_ns - from_t_ns > rule.longest_s * NS_PER_S:
        return refuse(
            f"The permit would last {(until_t_ns - from_t_ns) / NS_PER_S / _HOUR_S:.1f} h; "
            f"'{action}' is given for {rule.longest_s / _HOUR_S:.0f} h at most.",
            "Ask for a shorter time, and again when it is over.",
        )
    if action == "fly":
        barred = [zone for zone in zones if zone.kind == "no_fly"]
        if barred and path_m is None:
            return refuse(
                f"The area has no-fly zones ({_words([z.name for z in barred])}) and the flight path was not given.",
                "Ask again with the planned path.",
            )
        for zone in barred:
            if path_m is not None and path_enters(path_m, zone):
                return refuse(
                    f"The flight of {subject} would enter the no-fly zone '{zone.name}'.", "Plan a path around it."
                )
    if across_m is not None and action == "look_across" and not across_m <= policy.look_across_max_m:
        return refuse(
            f"The pictures of {subject} would reach {across_m:.0f} m beyond the border; "
            f"{policy.look_across_max_m:.0f} m are allowed.",
            "Fly farther back or look down more steeply.",
        )
    conditions, zone_ids = _conditions(action, policy, zones)
    permit = Permit(
        id="",
        actor=actor,
        purpose=purpose,
        action=action,
        subject=subject,
        from_t_ns=from_t_ns,
        until_t_ns=until_t_ns,
        conditions=conditions,
        zone_ids=zone_ids,
    )
    return replace(permit, id=content_sha256(permit_content(permit)))


def path_enters(path_m: FloatArray, zone: Zone) -> bool:
    """Whether a polyline (n, 3) of x, y, alt_msl touches the zone, between its floor and ceiling where it has them.

    Heights are judged piece by piece: a piece whose two ends are both above the ceiling (or below the floor) passes.
    """
    path = np.asarray(path_m, float)
    polygon = shapely.Polygon(zone.xy_m)
    if len(path) == 1:
        path = np.vstack([path, path])
    pieces = shapely.linestrings(np.stack([path[:-1, :2], path[1:, :2]], axis=1))
    touching = shapely.intersects(pieces, polygon)
    low = np.minimum(path[:-1, 2], path[1:, 2])
    high = np.maximum(path[:-1, 2], path[1:, 2])
    if zone.ceiling_msl_m is not None:
        touching &= ~(low > zone.ceiling_msl_m)
    if zone.floor_msl_m is not None:
        touching &= ~(high < zone.floor_msl_m)
    return bool(touching.any())


def policy_table(policy: Policy) -> list[tuple[str, str, str, str, str]]:
    """The rules as rows for people: action, roles, purposes, longest permit, why."""
    return [
        (
            rule.action,
            ", ".join(rule.roles),
            "all" if set(rule.purposes) == set(_ALL) else ", ".join(rule.purposes),
            f"{rule.longest_s / _HOUR_S:.0f} h",
            rule.reason,
        )
        for rule in policy.rules
    ]


def _conditions(action: Action, policy: Policy, zones: Sequence[Zone]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    bearing = {"fly": ("no_fly",), "launch": ("no_fly",), "look": ("no_look", "protected"), "look_across": ("no_look",)}
    words = {"no_fly": "stay out of", "no_look": "keep the picture off", "protected": "every look is recorded in"}
    concerned = [zone for zone in zones if zone.kind in bearing.get(action, ())]
    conditions = [f"{words[zone.kind]} {zone.name}" for zone in concerned]
    if action == "look_across":
        conditions.append(f"no picture farther than {policy.look_across_max_m:.0f} m beyond the border; all recorded")
    return tuple(conditions), tuple(zone.id for zone in concerned)


def _words(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"


def _utc(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns / NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
