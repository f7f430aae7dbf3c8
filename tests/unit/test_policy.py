"""Who may do what: every rule of the default policy, both ways, and that permits come from nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kuntur.model.place import Zone
from kuntur.model.records import Action, Actor, Permit, Purpose, Refusal
from kuntur.oversight.ledger import content_sha256
from kuntur.oversight.policy import DEFAULT_POLICY, decide, path_enters, permit_content, policy_sha256, policy_table

HOUR_NS = 3600 * 10**9
ROLES = ("operator", "commander", "overseer", "system")
PURPOSES = ("border_patrol", "search_and_rescue", "training", "test")
SQUARE = np.array([[0.0, 0.0], [1000.0, 0.0], [1000.0, 1000.0], [0.0, 1000.0]])
NO_FLY = Zone(id="airstrip", name="Airstrip", kind="no_fly", xy_m=SQUARE)
NO_LOOK = Zone(id="hamlet", name="Hamlet", kind="no_look", xy_m=SQUARE)


def ask(role: str, purpose: str, action: str, **keywords: Any) -> Permit | Refusal:
    return decide(
        Actor(id="x", role=role),  # type: ignore[arg-type]
        Purpose(code=purpose),  # type: ignore[arg-type]
        action,  # type: ignore[arg-type]
        "wing-1",
        0,
        HOUR_NS,
        policy=DEFAULT_POLICY,
        **keywords,
    )


# The whole default policy written out a second time, by hand: role -> what it may do for an ordinary patrol.
ALLOWED = {
    "operator": {"fly", "launch", "look", "acknowledge"},
    "commander": {"fly", "launch", "look", "look_across", "acknowledge", "export"},
    "overseer": {"export", "delete"},
    "system": set(),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", get_args(Action))
def test_roles(role: str, action: str) -> None:
    assert isinstance(ask(role, "border_patrol", action), Permit) == (action in ALLOWED[role])


@pytest.mark.parametrize("purpose", PURPOSES)
def test_looking_across_is_for_service_not_for_practice(purpose: str) -> None:
    allowed = purpose in ("border_patrol", "search_and_rescue")
    assert isinstance(ask("commander", purpose, "look_across"), Permit) == allowed


def test_an_action_without_a_rule_is_refused() -> None:
    answer = ask("commander", "border_patrol", "designate_target")
    assert isinstance(answer, Refusal)
    assert "no rule" in answer.reason


@pytest.mark.parametrize(("across_m", "allowed"), [(0.0, True), (2000.0, True), (2000.1, False), (np.nan, False)])
def test_how_far_across(across_m: float, allowed: bool) -> None:
    assert isinstance(ask("commander", "border_patrol", "look_across", across_m=across_m), Permit) == allowed


def test_a_permit_to_look_across_carries_its_limit() -> None:
    answer = ask("commander", "border_patrol", "look_across")
    assert isinstance(answer, Permit)
    assert any("2000 m beyond the border" in condition for condition in answer.conditions)


@pytest.mark.parametrize(
    ("until_t_ns", "allowed"), [(0, True), (-1, False), (24 * HOUR_NS, True), (25 * HOUR_NS, False)]
)
def test_times(until_t_ns: int, allowed: bool) -> None:
    answer = decide(
        Actor(id="x", role="operator"),
        Purpose(code="training"),
        "fly",
        "wing-1",
        0,
        until_t_ns,
        policy=DEFAULT_POLICY,
    )
    assert isinstance(answer, Permit) == allowed


@pytest.mark.parametrize(
    ("path", "enters"),
    [
        ([[-500, 500, 5000], [1500, 500, 5000]], True),  # straight through, both ends outside
        ([[500, 500, 5000]], True),
        ([[-500, -500, 5000], [-500, 1500, 5000]], False),
        ([[-1, 500, 5000], [-1, 900, 5000], [-1, 1500, 5000]], False),
        ([[1000, 1000, 5000], [2000, 2000, 5000]], True),  # touches the corner
    ],
)
def test_paths_into_a_zone(path: list[list[float]], enters: bool) -> None:
    path_m = np.array(path, float)
    assert path_enters(path_m, NO_FLY) == enters
    answer = ask("operator", "border_patrol", "fly", zones=[NO_FLY, NO_LOOK], path_m=path_m)
    assert isinstance(answer, Refusal) == enters
    if isinstance(answer, Permit):
        assert answer.zone_ids == ("airstrip",)


def test_a_flight_without_its_path_is_not_judged_where_there_are_no_fly_zones() -> None:
    assert isinstance(ask("operator", "border_patrol", "fly", zones=[NO_FLY]), Refusal)
    assert isinstance(ask("operator", "border_patrol", "fly", zones=[NO_LOOK]), Permit)


def test_floor_and_ceiling_of_a_zone() -> None:
    low = replace(NO_FLY, ceiling_msl_m=4500.0)
    through = np.array([[-500.0, 500.0, 5000.0], [1500.0, 500.0, 5000.0]])
    assert not path_enters(through, low)
    assert path_enters(through - [0, 0, 600.0], low)
    assert path_enters(np.array([[-500.0, 500.0, 4400.0], [1500.0, 500.0, 5000.0]]), low)  # descends somewhere in it
    assert not path_enters(through, replace(NO_FLY, floor_msl_m=5500.0))
    assert path_enters(np.array([[-500.0, 500.0, np.nan], [1500.0, 500.0, 5000.0]]), low)  # unknown height: not let in


def test_a_permit_is_named_by_its_content() -> None:
    answer = ask("operator", "border_patrol", "fly")
    assert isinstance(answer, Permit)
    assert answer.id == content_sha256(permit_content(answer))
    assert "id" not in permit_content(answer)


@given(st.sampled_from(ROLES), st.sampled_from(PURPOSES), st.sampled_from(get_args(Action)), st.integers(1, 100))
def test_the_same_question_has_the_same_answer(role: str, purpose: str, action: str, hours: int) -> None:
    actor, why = Actor(id="x", role=role), Purpose(code=purpose)  # type: ignore[arg-type]
    one, two = (
        decide(actor, why, action, "s", 0, hours * HOUR_NS, policy=DEFAULT_POLICY)  # type: ignore[arg-type]
        for _ in range(2)
    )
    assert one == two
    if isinstance(one, Refusal):
        assert one.reason.endswith(".")
        assert one.remedy.endswith(".")


def test_the_hash_of_a_policy_is_that_of_its_rules() -> None:
    assert policy_sha256(DEFAULT_POLICY) != policy_sha256(replace(DEFAULT_POLICY, look_across_max_m=2001.0))


def test_the_documented_table_is_the_policy(repository: Path) -> None:
    page = (repository / "docs" / "explanation" / "record.md").read_text(encoding="utf-8")
    for row in policy_table(DEFAULT_POLICY):
        assert f"| {' | '.join(row)} |" in page
    assert f"{DEFAULT_POLICY.look_across_max_m:.0f} m" in page


def test_nobody_else_makes_a_permit(repository: Path) -> None:
    makers = set()
    for path in (repository / "src" / "kuntur").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name == "Permit":
                    makers.add(path.relative_to(repository / "src" / "kuntur").as_posix())
    assert makers == {"oversight/policy.py"}
