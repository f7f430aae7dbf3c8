"""Who may do what, and the account of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Action = Literal["fly", "look", "look_across", "launch", "delete", "export", "acknowledge"]


class Actor(Struct, frozen=True, kw_only=True):
    """A person or an automatic part, by role; never more personal data than the role needs."""

    id: str
    role: Literal["operator", "commander", "overseer", "system"]


class Purpose(Struct, frozen=True, kw_only=True):
    """Why: one of the purposes the area's policy allows."""

    code: Literal["border_patrol", "search_and_rescue", "training", "test"]
    text: str = ""


class Permit(Struct, frozen=True, kw_only=True):
    """Leave to do one thing, made only by `oversight.policy.decide`. Times are UTC; `zone_ids`: those decided on."""

    id: str
    actor: Actor
    purpose: Purpose
    action: Action
    subject: str
    from_t_ns: int
    until_t_ns: int
    conditions: tuple[str, ...] = ()
    zone_ids: tuple[str, ...] = ()


class Refusal(Struct, frozen=True, kw_only=True):
    """No, why, and what would change the answer."""

    actor: Actor
    purpose: Purpose
    action: Action
    subject: str
    reason: str
    remedy: str


class LogEntry(Struct, frozen=True, kw_only=True):
    """One entry of the tamper-evident record, written BEFORE the effect happens.

    inputs / outputs: name -> sha256 hex. detail: small, JSON-able facts.
    """

    index: int
    t_ns: int
    actor: str
    purpose: str
    action: str
    subject: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    detail: dict[str, Any]


class Checkpoint(Struct, frozen=True, kw_only=True):
    """A signed statement of the record's size and Merkle root (RFC 6962; written as a C2SP signed note)."""

    origin: str
    size: int
    root_sha256: str
    signature: str
    key_id: str
