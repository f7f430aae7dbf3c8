"""Recomputing: an honest plan comes out the same, every number touched is named, and an edited plan does not fly."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import made_plans
import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from kuntur.errors import ConfigError, RecordError
from kuntur.model.plans import Certificate, Strategy
from kuntur.model.records import Actor, Purpose
from kuntur.ops import certify, night, plan, plan_check_sight, recompute, stored, trial
from kuntur.ops.session import Session
from kuntur.patrol import draw

AREA = made_plans.area()
SEED = hashlib.sha256(b"a night").digest()


@pytest.fixture(scope="module")
def honest() -> Strategy:
    return certify.certified(AREA, made_plans.good(), seed=7)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_check_sight, "SAMPLES", 60)


@pytest.fixture
def file(honest: Strategy, tmp_path: Path) -> Path:
    return plan.save_plan(honest, tmp_path / "plan.json")


def names(found: recompute.Recomputed) -> set[str]:
    return {row.name for row in found.different}


def test_an_honest_plan_comes_out_the_same(file: Path) -> None:
    found = recompute.recompute(AREA, file)
    recompute.require_same(found)
    said = {row.name: row for row in found.rows}
    for name in ("floor", "floor_planning", "floor_audit", "attack", "ceiling", "leak", "class_floors.walker"):
        assert said[name].same and float(said[name].claimed) > 0.3
    assert said["input terrain"].same and said["schedule certified"].same
    assert said["entries of the sight table kept"].same and said["faults found by the checker"].recomputed == "0"
    assert [row.name for row in found.rows if row.same is None] == ["rounds", "solve_s", "history"]


def test_every_number_of_the_certificate_is_computed_again(honest: Strategy) -> None:
    """No field is passed over: a new one is compared as soon as it is there."""
    rows = recompute.compared(honest.certificate, honest.certificate)
    covered = {row.name.split(".")[0].split("[")[0] for row in rows}
    empty = {name for name in Certificate.__struct_fields__ if getattr(honest.certificate, name) in ((), {})}
    assert covered | empty == set(Certificate.__struct_fields__)


@pytest.mark.parametrize(
    "field", ["floor", "floor_planning", "floor_audit", "attack", "ceiling", "leak", "planning_cell_m", "audit_step_s"]
)
def test_a_number_that_was_touched_is_named(file: Path, honest: Strategy, field: str) -> None:
    value = getattr(honest.certificate, field)
    told = replace(honest, certificate=replace(honest.certificate, **{field: value + 0.01}))
    again = certify.certified(AREA, told, seed=7).certificate
    different = [row.name for row in recompute.compared(told.certificate, again) if row.same is False]
    assert different == [field]
    with pytest.raises(RecordError, match=f"^{field} is claimed to be") as refused:
        rows = tuple(recompute.compared(told.certificate, again))
        recompute.require_same(recompute.Recomputed(rows=rows))
    assert refused.value.exit_code == 7


def test_floors_of_classes_words_and_seed_are_compared(honest: Strategy) -> None:
    proof = honest.certificate
    for told, name in (
        (replace(proof, class_floors={"walker": 0.9}), "class_floors.walker"),
        (replace(proof, caveats=(*proof.caveats[:-1], "no caveat")), f"caveats[{len(proof.caveats) - 1}]"),
        (replace(proof, caveats=proof.caveats[1:]), f"caveats[{len(proof.caveats) - 1}]"),
        (replace(proof, attackers=proof.attackers | {"floor": "anybody"}), "attackers.floor"),
        (replace(proof, doubted=((0.5, 0.4),)), "doubted[0][1]"),
    ):
        assert name in {row.name for row in recompute.compared(told, proof) if row.same is False}
    other = certify.certified(AREA, honest, seed=8).certificate
    assert other.floor == proof.floor and other.leak != proof.leak  # exact ones need no seed, sampled ones do


def test_an_edited_schedule_and_other_inputs_are_named(file: Path, honest: Strategy) -> None:
    edited = made_plans.changed(honest, 0, energy_wh=1.0)
    found = recompute.recompute(AREA, plan.save_plan(edited, file))
    assert "schedule certified" in names(found) and "schedule_sha256" in names(found)
    elsewhere = replace(AREA, input_hashes={"terrain": "cd", "border": "ef"})
    rows = recompute.input_rows(elsewhere, honest)
    assert {row.name for row in rows if not row.same} == {"input terrain", "input border"}


def test_a_plan_without_a_seed_cannot_be_recomputed(honest: Strategy) -> None:
    rows = recompute.certificate_rows(
        AREA, replace(honest, certificate=replace(honest.certificate, seed=None)), lambda *_: None
    )
    assert [row.name for row in rows if row.same is False] == ["certificate's seed"]


def test_a_hidden_valley_is_found_by_sight(honest: Strategy) -> None:
    """The same plan over terrain with a wall: the floor's table no longer holds, and so neither do its numbers."""
    x = AREA.terrain.west_m + (np.arange(AREA.terrain.cols) + 0.5) * AREA.terrain.cell_m
    wall = np.where(np.abs(x - 1100.0) < 40.0, 4850.0, 0.0).astype(np.float32)
    walled = replace(AREA.terrain, heights_m=np.maximum(AREA.terrain.heights_m, wall[None, :]))
    rows = recompute.certificate_rows(replace(AREA, terrain=walled), honest, lambda *_: None)
    assert {"floor", "attack"} <= {row.name for row in rows if row.same is False}


# --- draws, trials and reports


@pytest.fixture
def watch(honest: Strategy, tmp_path: Path) -> Path:
    """A watch folder with a record of a draw, its tasking and a small trial; nothing was flown."""
    folder = tmp_path / "watch"
    clock = iter(range(10**9, 10**12, 10**6))
    who, why = Actor(id="o", role="operator"), Purpose(code="test")
    keys = tmp_path / "keys"
    with Session.open(folder, AREA, who, why, now_ns=lambda: next(clock), keys_folder=keys) as session:
        inputs = {"strategy": draw.strategy_sha256(honest)}
        out = {"commitment": draw.commitment(SEED)}
        session.record_entry("commit_draw", AREA.id, inputs, out, {"start_t_ns": 0})
        session.record_entry("reveal_draw", AREA.id, inputs, detail={"seed": SEED.hex()})
    plan.save_plan(honest, folder / stored.PLAN)
    stored.write(folder / stored.TASKING, draw.draw(honest, SEED, 0))
    return folder


def test_the_draw_of_a_watch_folder_is_made_again(watch: Path, honest: Strategy) -> None:
    entries = recompute._entries(watch / "record")
    rows = recompute.draw_rows(AREA, honest, entries, watch)
    assert [row.same for row in rows] == [True] * 4
    other = draw.draw(honest, hashlib.sha256(b"another").digest(), 0)
    kept = replace(other, seed_commitment=draw.commitment(SEED))
    stored.write(watch / stored.TASKING, kept)
    different = {row.name for row in recompute.draw_rows(AREA, honest, entries, watch) if row.same is False}
    assert different == {"columns drawn", "tasking as kept"}
    another = replace(honest, watch_duration_s=honest.watch_duration_s + 1e-9)
    rows = recompute.draw_rows(AREA, another, entries, watch)
    assert rows[0].same is False and "plan committed" in rows[0].name


def test_a_damaged_record_is_not_built_on(watch: Path) -> None:
    lines = (watch / "record" / "entries.jsonl").read_bytes()
    (watch / "record" / "entries.jsonl").write_bytes(lines.replace(b"reveal_draw", b"reveal_drew"))
    with pytest.raises(RecordError, match="damaged"):
        recompute.recompute(AREA, watch)


def test_a_whole_watch_folder_in_one_go(watch: Path, honest: Strategy) -> None:
    tried = trial.trial(AREA, honest, nights=3, seed=2, confidence=0.9)
    trial.save_trial(tried, watch / "trial.json")
    said: list[float] = []
    found = recompute.recompute(AREA, watch, progress=lambda f, _: said.append(f))
    assert found.different == () and said == sorted(said) and said[-1] == 1.0
    assert {"trial.outcomes[3].rate_prob", "columns drawn", "floor"} <= {row.name for row in found.rows}
    lied = replace(tried, outcomes=(replace(tried.outcomes[0], detected=99), *tried.outcomes[1:]))
    trial.save_trial(lied, watch / "trial.json")
    rows = recompute.trial_rows(AREA, honest, watch / "trial.json", lambda *_: None)
    assert [row.name for row in rows if row.same is False] == ["trial.outcomes[0].detected"]


def test_a_page_that_was_touched_is_named_by_its_heading() -> None:
    page = "<html><body><h2><span>Alerts</span></h2><p>12 alerts</p><h2><b>Looks</b></h2><td>45 %</td></body></html>"
    assert [row.same for row in recompute.page_rows(page, page)] == [True]
    (row,) = [row for row in recompute.page_rows(page.replace("45", "54"), page) if row.same is False]
    assert (row.name, row.claimed, row.recomputed) == ("report, Looks", "54 %", "45 %")
    drawn = recompute.page_rows(page.replace("<td>", "<td class='x'>"), page)
    assert drawn[0].same is False and "picture" in drawn[0].recomputed


# --- edited plans


def edited_by_hand(file: Path, change: str) -> Path:
    """The plan's JSON as somebody with an editor would change it."""
    told = msgspec.json.decode(file.read_bytes())
    if change == "a vertex":
        told["segments"][6]["x_m"][1] += 5.0
    elif change == "a weight":
        told["waves"][1]["columns"][0]["weight"] += 1
        told["waves"][1]["columns"][1]["weight"] -= 1
    elif change == "a column":
        columns = told["waves"][1]["columns"]
        columns[0]["segment_ids"], columns[1]["segment_ids"] = columns[1]["segment_ids"], columns[0]["segment_ids"]
    file.write_bytes(msgspec.json.encode(told))
    return file


@pytest.mark.parametrize("change", ["a vertex", "a weight", "a column"])
def test_a_schedule_edited_by_hand_is_not_flown(file: Path, change: str) -> None:
    """The edits are harmless to the checker, which passes them; the certificate is not about them."""
    certify.require_flyable(AREA, plan.load_plan(file))
    edited = plan.load_plan(edited_by_hand(file, change))
    certify.require_sound(AREA, edited)
    with pytest.raises(ConfigError, match="does not belong to it") as refused:
        certify.require_flyable(AREA, edited)
    assert "--certify" in refused.value.remedy


def test_the_night_refuses_it_before_anything_is_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night.area_ops, "load", lambda *_args, **_named: AREA)
    folder = tmp_path / "flown"
    with pytest.raises(ConfigError, match="does not belong to it"):
        night.fly_watch(
            "ridge", [], edited_by_hand(file, "a weight"), folder, speed=1.0, crossers=1, progress=lambda *_: None
        )
    assert not folder.exists()


def test_other_inputs_and_unstated_schedules_do_not_fly(honest: Strategy) -> None:
    with pytest.raises(ConfigError, match=r"other inputs than the area .* terrain"):
        certify.require_flyable(replace(AREA, input_hashes={"terrain": "cd"}), honest)
    old = replace(honest, certificate=replace(honest.certificate, schedule_sha256=""))
    with pytest.raises(ConfigError, match="does not say which schedule"):
        certify.require_flyable(AREA, old)


def test_an_edited_plan_that_the_checker_passes_gets_a_certificate_of_its_own(file: Path, honest: Strategy) -> None:
    edited = plan.load_plan(edited_by_hand(file, "a weight"))
    again = certify.recertified(AREA, edited, seed=3)
    certify.require_flyable(AREA, again)
    assert again.certificate.schedule_sha256 != honest.certificate.schedule_sha256 and again.certificate.seed == 3
    assert again.segments == edited.segments and again.waves == edited.waves
    bad = made_plans.changed(edited, 6, x_m=tuple(x - 4000.0 for x in edited.segments[6].x_m))
    with pytest.raises(ConfigError, match="independent checks"):
        certify.recertified(AREA, bad, seed=3)


def test_nothing_to_verify_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing to verify"):
        recompute.require_something(None, None, None)
    with pytest.raises(ConfigError, match="needs the area"):
        recompute.require_something(None, tmp_path, None)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    with pytest.raises(ConfigError, match=r"holds no plan\.json"):
        recompute.recompute(AREA, tmp_path)
