"""The whole chain, from an area to an accounted watch; prose in test_the_chain.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kuntur.codecs import missions
from kuntur.errors import RecordError
from kuntur.model.plans import Strategy, Tasking
from kuntur.ops import review, stored
from kuntur.patrol import draw

pytestmark = pytest.mark.timeout(900)  # a whole night: survey, plan, flight, account

PRODUCTS = [
    "plan.json",
    "map.png",
    "report.html",
    "tracks.geojson",
    "alerts.geojson",
    "checkpoint.txt",
    "record/entries.jsonl",
    "survey/never_seen.png",
]


def entries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "record" / "entries.jsonl").read_text().splitlines()]


def check_the_chain(folder: Path) -> None:
    """What must hold of any finished watch, whatever the area."""
    for name in PRODUCTS:
        assert (folder / name).stat().st_size > 0, name

    # Plan: three numbers in their order, and what is not real said in the plan.
    strategy = stored.read(folder / "plan.json", Strategy)
    proof = strategy.certificate
    # On the surveys a walker may find a way that no look is certain of: their floor may be 0, and says so.
    assert (0.0 if strategy.simulated == () else 0.2) <= proof.floor <= proof.attack <= proof.ceiling <= 1.0
    assert proof.floor == min(proof.floor_planning, proof.floor_audit)
    assert proof.audit_cell_m < proof.planning_cell_m and proof.audit_step_s < proof.planning_step_s

    # Draw: anybody with the revealed seed gets the same night; it was committed to before the first launch.
    tasking = stored.read(folder / "tasking.json", Tasking)
    said = entries(folder)
    actions = [entry["action"] for entry in said]
    seed = bytes.fromhex(next(e["detail"]["seed"] for e in said if e["action"] == "reveal_draw"))
    assert draw.check(strategy, tasking, seed)
    assert actions.index("commit_draw") < actions.index("launch")

    # Fly: every launch has its permit; every sortie is a pair of mission files that read back.
    permits = {e["outputs"]["permit"] for e in said if e["action"] == "permit"}
    launches = [e for e in said if e["action"] == "launch"]
    assert launches and all(e["inputs"]["permit"] in permits for e in launches)
    for sortie in tasking.sorties:
        plan = missions.from_plan((folder / "missions" / f"{sortie.id}.plan").read_bytes())
        waypoints = missions.from_waypoints((folder / "missions" / f"{sortie.id}.waypoints").read_text(), plan.kind)
        assert not missions.differences(plan.items, waypoints.items)
    flights = json.loads((folder / "flights.json").read_text())["sorties"]
    assert {f["status"] for f in flights} == {"landed"}

    # Watch: alerts were written down before they were shown; the replay through the same code raises the same.
    alerts = json.loads((folder / "alerts.geojson").read_text())["features"]
    assert actions.count("alert") == len(alerts)

    # Review: the report says what is simulated, and the record is whole.
    report = (folder / "report.html").read_text()
    assert "SIMULATED" in report.upper()
    assert "intact" in review.verify_text(folder / "record", folder / "checkpoint.txt")


def test_the_embedded_area(flown_night: Path) -> None:
    check_the_chain(flown_night)
    assert "SKETCHED TERRAIN" in (flown_night / "report.html").read_text().upper()


def test_one_changed_byte_is_found(flown_night: Path, tmp_path: Path) -> None:
    copy = tmp_path / "record"
    copy.mkdir()
    for path in (flown_night / "record").iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    line = (copy / "entries.jsonl").read_bytes().splitlines(keepends=True)
    at = sum(map(len, line[:4])) + 20
    data = bytearray((copy / "entries.jsonl").read_bytes())
    data[at] ^= 1
    (copy / "entries.jsonl").write_bytes(bytes(data))
    with pytest.raises(RecordError, match="entry 4"):
        review.verify_text(copy)


@pytest.mark.parametrize(
    ("area", "terrain"),
    [("aconcagua", "S33W071_srtm3_filled.tif"), ("davos", "davos_srtm1.tif")],
)
def test_real_survey_terrain(
    area: str, terrain: str, shared_data: Path, repository: Path, fly_night: Callable[..., Path]
) -> None:
    # The time that these areas ask for themselves: on certain sight alone, two rounds leave a way unseen.
    folder = fly_night(
        str(repository / "examples" / area / "area.toml"), [shared_data / "terrain" / terrain], seconds=45.0
    )
    check_the_chain(folder)
    assert "SKETCHED TERRAIN" not in (folder / "report.html").read_text().upper()
