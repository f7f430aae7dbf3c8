"""Recompute: every number of a plan, a draw, a trial and a report, once more from what it was made of.

Nothing that is compared is taken over: the certificate is computed anew from the schedule (`ops.certify`) with the seed
it names, the draw from the revealed seed, the trial from its seed, and the report is written again from the store and
compared word by word. What cannot be computed again is named: how long the solver took, and its rounds.
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from kuntur.errors import ConfigError, RecordError
from kuntur.model.place import Area
from kuntur.model.plans import Certificate, Strategy, Tasking
from kuntur.model.records import LogEntry
from kuntur.ops import area as area_ops
from kuntur.ops import certify, plan_check_sight, report, stored
from kuntur.ops import plan as plan_ops
from kuntur.ops import review as review_ops
from kuntur.ops import trial as trials
from kuntur.ops.plan_check import check_strategy
from kuntur.oversight.audit import audit
from kuntur.patrol import draw
from kuntur.sim.world import load_world
from kuntur.store import record as record_store

Progress = Callable[[float, str], None]

TOLERANCE: Final = 1e-6  # between two machines' last digits; a probability is printed with two
OF_THE_SEARCH: Final = ("rounds", "solve_s", "history")
SHOWN: Final = 12  # differing pieces of a report
RECORD, REPORT, TRIAL = "record", "report.html", "trial.json"


class Row(Struct, frozen=True, kw_only=True):
    """One number. same: None where it cannot be computed again."""

    name: str
    claimed: str
    recomputed: str
    same: bool | None


class Recomputed(Struct, frozen=True, kw_only=True):
    """Everything that was compared, in order."""

    rows: tuple[Row, ...]

    @property
    def different(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.same is False)


def require_same(found: Recomputed) -> None:
    """RecordError (exit code 7) naming the first number that is not what it is said to be."""
    if not found.different:
        return
    first, more = found.different[0], len(found.different) - 1
    raise RecordError(
        f"{first.name} is claimed to be {first.claimed}; recomputed it is {first.recomputed}."
        + f" {more} more differ." * (more > 0),
        remedy="Do not rely on this plan or report. Compare area, terrain and version with those it was made with.",
    )


def require_something(record: Path | None, what: Path | None, area: str | None) -> None:
    """Raise ConfigError where `kuntur verify` was asked for nothing, or to recompute without an area."""
    if record is None and what is None:
        raise ConfigError(
            "Nothing to verify was named.", remedy="Name a record folder, or --recompute PLAN --area AREA, or both."
        )
    if what is not None and area is None:
        raise ConfigError(
            f"Recomputing {what} needs the area it was planned for.",
            remedy="Add --area NAME (tambo_quemado, or its TOML file), and --terrain where the plan used other files.",
        )


def recompute_named(
    area: str, terrain: Sequence[Path], what: Path, *, record: Path | None, progress: Callable[[str, float, str], None]
) -> Recomputed:
    """`recompute` for an area by its name or file."""
    loaded = area_ops.load(area, terrain, progress=lambda f, w: progress("area", f, w))
    return recompute(loaded, what, record=record, progress=lambda f, w: progress("recompute", f, w))


def recompute(
    area: Area, what: Path, *, record: Path | None = None, progress: Progress = lambda *_: None
) -> Recomputed:
    """A plan (a JSON file), or all that lies in a watch folder. record: where the record is, if not in that folder."""
    folder = what if what.is_dir() else None
    if folder is not None and not (folder / stored.PLAN).exists():
        raise ConfigError(f"{folder} holds no {stored.PLAN}.", remedy="Name a plan, or the folder of a watch.")
    planned = plan_ops.load_plan(what if folder is None else folder / stored.PLAN)
    parts: list[tuple[float, Callable[[Progress], list[Row]]]] = [
        (0.02, lambda _: [*input_rows(area, planned), *checker_rows(area, planned)]),
        (0.08, lambda p: sight_rows(area, planned, p)),
        (0.5, lambda p: certificate_rows(area, planned, p)),
    ]
    record = record or (folder / RECORD if folder is not None and (folder / RECORD).exists() else None)
    if record is not None:
        entries = _entries(record)
        parts.append((0.02, lambda _: draw_rows(area, planned, entries, folder)))
    if folder is not None and (folder / TRIAL).exists():
        parts.append((0.2, lambda p: trial_rows(area, planned, folder / TRIAL, p)))
    if folder is not None and (folder / REPORT).exists():
        parts.append((0.18, lambda p: report_rows(area, planned, folder, p)))
    rows, done, whole = [], 0.0, sum(share for share, _ in parts)
    for share, part in parts:
        rows += part(lambda f, w, d=done, s=share: progress((d + s * f) / whole, w))  # type: ignore[misc]
        done += share
    progress(1.0, f"{len(rows)} numbers compared")
    return Recomputed(rows=tuple(rows))


# --- inputs and schedule


def input_rows(area: Area, planned: Strategy) -> list[Row]:
    """Hashes of the area's files as the plan names them and as they are, and the schedule its certificate is about."""
    names = sorted(planned.input_hashes.keys() | area.input_hashes.keys())
    rows = [
        _words(f"input {name}", planned.input_hashes.get(name, "none"), area.input_hashes.get(name, "none"))
        for name in names
    ]
    rows.append(_words("area", planned.area_id, area.id))
    proof = planned.certificate
    rows.append(_words("schedule certified", proof.schedule_sha256 or "not stated", draw.schedule_sha256(planned)))
    return rows


def checker_rows(area: Area, planned: Strategy) -> list[Row]:
    """What the independent checker finds; a sound plan claims nothing to be found."""
    wrong = check_strategy(area, planned)
    rows = [_count("faults found by the checker", 0, len(wrong))]
    return rows + [_words("fault", "none", words) for words in wrong[:SHOWN]]


def sight_rows(area: Area, planned: Strategy, progress: Progress) -> list[Row]:
    """A sample of what the floor counts on, looked at again."""
    progress(0.0, "looking at the terrain again")
    if planned.certificate.crosser_class not in {one.id for one in area.crossers}:
        return [_words("class of crosser", planned.certificate.crosser_class, "not in the area")]
    claims = certify.claims(area, planned)
    short = plan_check_sight.shortfalls(area, planned, claims)
    wrong = plan_check_sight.faults(area, planned, claims)
    kept = Row(
        name="entries of the sight table kept",
        claimed=f"{len(claims)} sampled",
        recomputed=f"{len(claims) - len(short)} kept",
        same=not wrong,
    )
    return [kept, *(_words("sight", "seen", words) for words in wrong[:SHOWN])]


# --- the certificate


def certificate_rows(area: Area, planned: Strategy, progress: Progress) -> list[Row]:
    """Every field of the certificate against one computed anew."""
    claimed = planned.certificate
    if claimed.seed is None:
        return [_words("certificate's seed", "not stated", "needed: attack, leak and ceiling cannot be repeated")]
    again = certify.certified(area, planned, seed=claimed.seed, progress=progress).certificate
    return compared(claimed, again)


def compared(claimed: Certificate, again: Certificate) -> list[Row]:
    """All fields of two certificates, numbers within TOLERANCE."""
    rows = []
    for name in Certificate.__struct_fields__:
        one, other = (dict(_flat(name, getattr(proof, name))) for proof in (claimed, again))
        if name in OF_THE_SEARCH:
            said = f"{len(claimed.history)} moments" if name == "history" else f"{getattr(claimed, name):g}"
            rows.append(Row(name=name, claimed=said, recomputed="tells of the search", same=None))
            continue
        rows += [_value(key, one.get(key), other.get(key)) for key in dict.fromkeys((*one, *other))]
    return rows


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Fields of fields, one by one: class_floors.walker, doubted[1][0], ..."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}", part)
    elif isinstance(value, tuple):
        for i, part in enumerate(value):
            yield from _flat(f"{name}[{i}]", part)
    elif isinstance(value, Struct):
        for key in value.__struct_fields__:
            yield from _flat(f"{name}.{key}", getattr(value, key))
    else:
        yield name, value


# --- draw, trial, report


def _entries(record: Path) -> Sequence[LogEntry]:
    verification, entries = audit(record_store.read(record)[0])
    if not verification.ok:
        raise RecordError(
            f"The record {record} is {verification.verdict}: {verification.findings[0]}.",
            remedy="See `kuntur verify RECORD` alone.",
        )
    return entries


def draw_rows(area: Area, planned: Strategy, entries: Sequence[LogEntry], folder: Path | None) -> list[Row]:
    """Every revealed draw made again and compared with what was launched, and with the tasking that was kept."""
    rows = []
    for one in review_ops.redraws(area, planned, entries):
        rows.append(_words(f"plan committed at the draw of entry {one.revealed_at}", "this one",
                           "this one" if one.same_plan else "another"))  # fmt: skip
        fits = one.launches - len(one.strangers)
        rows.append(_count(f"missions launched before entry {one.revealed_at} that its seed draws", one.launches, fits))
    if folder is not None and (folder / stored.TASKING).exists():
        kept = stored.read(folder / stored.TASKING, Tasking)
        seeds = [bytes.fromhex(str(e.detail.get("seed", ""))) for e in entries if e.action == "reveal_draw"]
        seed = next((s for s in seeds if draw.commitment(s) == kept.seed_commitment), None)
        if seed is None:
            rows.append(Row(name="tasking", claimed=kept.seed_commitment, recomputed="no seed revealed", same=None))
        else:
            again = draw.draw(planned, seed, kept.start_t_ns)
            rows.append(_words("columns drawn", _listed(kept.column_indices), _listed(again.column_indices)))
            rows.append(_words("tasking as kept", "as drawn", "as drawn" if again == kept else "another"))
    return rows


def trial_rows(area: Area, planned: Strategy, path: Path, progress: Progress) -> list[Row]:
    """The trial again, with its own seed and as many nights."""
    kept = stored.read(path, trials.Trial)
    again = trials.trial(
        area, planned, nights=kept.nights, seed=kept.seed, cell_m=kept.cell_m, step_s=kept.step_s,
        crosser_class=kept.crosser_class, confidence=kept.confidence, progress=progress,
    )  # fmt: skip
    one, other = (dict(_flat("trial", value)) for value in (kept, again))
    return [_value(key, one.get(key), other.get(key)) for key in dict.fromkeys((*one, *other))]


def report_rows(area: Area, planned: Strategy, folder: Path, progress: Progress) -> list[Row]:
    """The report written again from the store, word by word."""
    made = stored.read(folder / stored.MADE, stored.ReportMade) if (folder / stored.MADE).exists() else None
    agrees = made.replay_agrees if made is not None else None
    tasking = stored.read(folder / stored.TASKING, Tasking)
    if agrees is not None:
        agrees = review_ops.replay_agrees(area, planned, tasking, folder, progress=lambda f, w: progress(0.5 * f, w))
    tried = stored.read(folder / TRIAL, trials.Trial) if made is not None and made.tried else None
    review = review_ops.gather(
        area,
        planned,
        tasking,
        folder,
        world=load_world(folder / stored.WORLD),
        trial=tried,
        replay_agrees=agrees,
        progress=lambda f, w: progress(0.5 + 0.5 * f, w),
    )
    return page_rows((folder / REPORT).read_text(encoding="utf-8"), report.html(review, area))


def page_rows(claimed: str, again: str) -> list[Row]:
    """Two pages piece of text by piece of text; what differs is named by the heading it stands under."""
    one, other = _pieces(claimed), _pieces(again)
    if claimed == again:
        return [_count("pieces of text in the report", len(one), len(other))]
    rows = []
    match = difflib.SequenceMatcher(a=[p for _, p in one], b=[p for _, p in other], autojunk=False)
    for kind, a, b, c, d in match.get_opcodes():
        if kind != "equal":
            under = (one[a:b] or other[c:d])[0][0]
            said, found = (" ".join(p for _, p in part)[:120] or "nothing" for part in (one[a:b], other[c:d]))
            rows.append(_words(f"report, {under}", said, found))
    return rows[:SHOWN] or [_words("report", "drawn so", "drawn otherwise: a picture differs")]


def _pieces(page: str) -> list[tuple[str, str]]:
    """(heading, text) of everything a reader sees, pictures' labels included."""
    heading = "head"
    found: list[tuple[str, str]] = []
    for tag, text in re.findall(r"<(/?\w+)[^>]*>([^<]*)", page):
        words = html.unescape(text).strip()
        if words and tag not in ("style", "script"):
            if tag == "h2" or (found and found[-1][1] == "\0"):
                heading = words
            found.append((heading, words))
        if tag == "h2" and not words:
            found.append((heading, "\0"))  # the heading's words stand in the next tag
    return [(under, words) for under, words in found if words != "\0"]


# --- rows


def _listed(numbers: Sequence[int]) -> str:
    return " ".join(str(n) for n in numbers)


def _words(name: str, claimed: str, found: str) -> Row:
    return Row(name=name, claimed=claimed, recomputed=found, same=claimed == found)


def _count(name: str, claimed: int, found: int) -> Row:
    return Row(name=name, claimed=f"{claimed}", recomputed=f"{found}", same=claimed == found)


def _value(name: str, claimed: Any, found: Any) -> Row:
    """Numbers within TOLERANCE; all else must be the same."""
    same = claimed == found
    number = all(isinstance(v, float | int) and not isinstance(v, bool) for v in (claimed, found))
    if number:
        same = abs(float(claimed) - float(found)) <= TOLERANCE * max(1.0, abs(float(claimed)))
    return Row(name=name, claimed=_shown(claimed), recomputed=_shown(found), same=same)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
