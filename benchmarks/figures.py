"""One measured figure, and the two files a benchmark leaves: a table to read and a list for machines."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`ours` and `peer_value` in the unit that `figure` names; `ratio` is how many times better ours is.

    peer None: nothing to compare with. goal None: stated as found. met None: no goal, or the peer is missing.
    """

    figure: str
    ours: float | None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    accuracy: str = ""
    goal: str | None = None
    met: bool | None = None


def best_cpu_s(work: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU seconds of this process (all its threads) over several runs: other load only ever adds."""
    return min(_clocked(work, time.process_time) for _ in range(repeats))


def best_wall_s(work: Callable[[], object], repeats: int = 5) -> float:
    return min(_clocked(work, time.perf_counter) for _ in range(repeats))


def _clocked(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def write(name: str, title: str, figures: Sequence[Figure], notes: Sequence[str]) -> None:
    """benchmarks/results/NAME.json and NAME.md, and the table on the screen."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n")
    table = _table(figures)
    words = [f"# {title}", "", f"{datetime.now(UTC):%Y-%m-%d} on {_machine()}.", *notes, "", *table, ""]
    (RESULTS / f"{name}.md").write_text("\n".join(words))
    print("\n".join(table))


def _table(figures: Sequence[Figure]) -> list[str]:
    head = ("figure", "ours", "peer", "its value", "ratio", "accuracy", "goal", "met")
    rows = [
        (
            f.figure, _number(f.ours), f.peer or "", _number(f.peer_value), _number(f.ratio), f.accuracy, f.goal or "",
            {None: "", True: "yes", False: "NO"}[f.met],
        )
        for f in figures
    ]  # fmt: skip
    return ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _machine() -> str:
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
