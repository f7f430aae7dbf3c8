"""A session writes before it does, launches nothing without a permit, and is held to it by the audit afterwards."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from places import ridge_area

from kuntur.errors import RecordError, RefusedError
from kuntur.model.place import Area
from kuntur.model.records import Actor, LogEntry, Permit, Purpose
from kuntur.ops.session import CHECKPOINT_COPY, Session
from kuntur.oversight.audit import Verification, audit, check_launches
from kuntur.store import record as store

COMMANDER = Actor(id="condori", role="commander")
PATROL = Purpose(code="border_patrol")
NIGHT_NS = 4 * 3600 * 10**9


class Clock:
    def __init__(self) -> None:
        self.t_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        self.t_ns += 1_000_000
        return self.t_ns


@pytest.fixture(scope="module")
def area() -> Area:
    return ridge_area()


def begin(folder: Path, area: Area, clock: Clock, actor: Actor = COMMANDER, purpose: Purpose = PATROL) -> Session:
    return Session.open(
        folder, area, actor, purpose, now_ns=clock, simulated=("simulated aircraft",), keys_folder=folder / "keys"
    )


def fly_permit(session: Session, aircraft_id: str, clock: Clock) -> Permit:
    path_m = np.array([[4200.0, 2000.0, 4800.0], [1000.0, 0.0, 4900.0]])
    return session.permit("fly", aircraft_id, clock.t_ns, clock.t_ns + NIGHT_NS, path_m=path_m)


def outcome(folder: Path) -> tuple[Verification, tuple[LogEntry, ...]]:
    return audit(store.read(folder / "record")[0])


def test_a_whole_night(tmp_path: Path, area: Area) -> None:
    clock, seed = Clock(), bytes(range(32))
    with begin(tmp_path, area, clock) as session:
        session.record_entry("commit_draw", area.id, outputs={"commitment": hashlib.sha256(seed).hexdigest()})
        permit = fly_permit(session, "wing-1", clock)
        session.permit("look_across", "wing-1", clock.t_ns, clock.t_ns + NIGHT_NS, across_m=1500.0)
        session.record_entry("launch", "wing-1", permit=permit)
        session.record_entry("reveal_draw", area.id, detail={"seed": seed.hex()})
    verification, entries = outcome(tmp_path)
    assert verification.ok, verification.findings
    assert [entry.action for entry in entries] == [
        "open",
        "commit_draw",
        "permit",
        "permit",
        "launch",
        "reveal_draw",
        "close",
    ]
    assert entries[0].detail["simulated"] == ["simulated aircraft"]
    assert entries[0].actor == "commander:condori"
    assert entries[4].inputs["permit"] == permit.id == entries[2].outputs["permit"]
    kept = (tmp_path / CHECKPOINT_COPY).read_text(encoding="utf-8")
    assert audit(store.read(tmp_path / "record")[0], outside_note=kept)[0].ok


def test_a_refusal_is_written_down_and_raised(tmp_path: Path, area: Area) -> None:
    clock = Clock()
    with begin(tmp_path, area, clock, Actor(id="v", role="overseer")) as session:
        with pytest.raises(RefusedError, match="overseer"):
            fly_permit(session, "wing-1", clock)
        entry = session.record.entries()[-1]
        assert (entry.action, entry.subject, entry.detail["action"]) == ("refuse", "wing-1", "fly")


def test_a_path_into_a_no_fly_zone_is_refused(tmp_path: Path, area: Area) -> None:
    clock = Clock()
    with begin(tmp_path, area, clock) as session, pytest.raises(RefusedError, match="airstrip"):
        session.permit("fly", "wing-1", clock.t_ns, clock.t_ns + NIGHT_NS, path_m=np.array([[5200.0, -4000.0, 4700.0]]))


def test_no_launch_without_a_permit_that_holds(tmp_path: Path, area: Area) -> None:
    clock = Clock()
    with begin(tmp_path, area, clock) as session:
        good = fly_permit(session, "wing-1", clock)
        look = session.permit("look", "wing-1", clock.t_ns, clock.t_ns + NIGHT_NS)
        stranger = replace(good, subject="quad-2")
        for permit, subject in ((None, "wing-1"), (good, "quad-2"), (look, "wing-1"), (stranger, "quad-2")):
            with pytest.raises(RefusedError):
                session.record_entry("launch", subject, permit=permit)
        forged = replace(good, until_t_ns=good.until_t_ns + NIGHT_NS)
        with pytest.raises(RefusedError):
            session.record_entry("launch", "wing-1", permit=forged)
        clock.t_ns = good.until_t_ns
        with pytest.raises(RefusedError, match="time"):
            session.record_entry("launch", "wing-1", permit=good)
        assert all(entry.action != "launch" for entry in session.record.entries())
    assert outcome(tmp_path)[0].ok


def test_the_audit_finds_a_launch_that_went_round_the_session(tmp_path: Path, area: Area) -> None:
    clock = Clock()
    with begin(tmp_path, area, clock) as session:
        permit = fly_permit(session, "wing-1", clock)
        for subject, named in (("wing-1", "00" * 32), ("quad-2", permit.id)):
            session.record.append(
                t_ns=clock(),
                actor=COMMANDER,
                purpose=PATROL,
                action="launch",
                subject=subject,
                inputs={"permit": named},
            )
    verification, _ = outcome(tmp_path)
    assert verification.verdict == "damaged"
    assert [finding.index for finding in verification.findings] == [2, 3]
    assert "without a permit" in verification.findings[0].reason
    assert "given to wing-1" in verification.findings[1].reason


def test_the_audit_finds_a_permit_that_is_not_what_its_hash_says(tmp_path: Path, area: Area) -> None:
    clock = Clock()
    with begin(tmp_path, area, clock) as session:
        fly_permit(session, "wing-1", clock)
        entry = session.record.entries()[-1]
    longer = {**entry.detail["permit"], "until_t_ns": 2**62}
    findings = check_launches([replace(entry, detail={"permit": longer})])
    assert "hash" in findings[0].reason


@pytest.mark.parametrize("seed", [bytes(32), b""])
def test_the_audit_finds_a_seed_that_was_not_committed_to(tmp_path: Path, area: Area, seed: bytes) -> None:
    with begin(tmp_path, area, Clock()) as session:
        session.record_entry("commit_draw", area.id, outputs={"commitment": hashlib.sha256(b"other").hexdigest()})
        session.record_entry("reveal_draw", area.id, detail={"seed": seed.hex()})
    verification, _ = outcome(tmp_path)
    assert verification.verdict == "damaged"
    assert (verification.findings[0].index, verification.findings[0].action) == (2, "reveal_draw")


def test_a_draw_not_revealed_yet_is_noted(tmp_path: Path, area: Area) -> None:
    with begin(tmp_path, area, Clock()) as session:
        session.record_entry("commit_draw", area.id, outputs={"commitment": "00" * 32})
    verification, _ = outcome(tmp_path)
    assert verification.ok
    assert verification.notes == ("the draw committed at entry 1 has not been revealed",)


def test_an_error_ends_the_session_as_aborted(tmp_path: Path, area: Area) -> None:
    with pytest.raises(ZeroDivisionError), begin(tmp_path, area, Clock()):
        raise ZeroDivisionError
    verification, entries = outcome(tmp_path)
    assert verification.ok
    assert entries[-1].action == "abort"
    assert entries[-1].detail == {"error": "ZeroDivisionError"}


def test_nothing_can_be_recorded_after_the_end(tmp_path: Path, area: Area) -> None:
    with begin(tmp_path, area, Clock()) as session:
        pass
    with pytest.raises(RecordError, match="closed"):
        session.record_entry("note", "x")


def test_sessions_follow_each_other_in_one_record(tmp_path: Path, area: Area) -> None:
    clock = Clock()
    for _ in range(2):
        with begin(tmp_path, area, clock):
            pass
    verification, entries = outcome(tmp_path)
    assert verification.ok
    assert [entry.action for entry in entries] == ["open", "close", "open", "close"]
