"""Fail when a lock names a host, sets an option or holds a package without hash (run by `make check`)."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def faults_of_python_lock(text: str) -> list[str]:
    """Return one sentence for each fault of a requirements lock; an empty list when it is sound."""
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("-"):
            faults.append(f"line {number} sets a pip option: {line}")
        if "://" in line:
            faults.append(f"line {number} names a host: {line}")
        if line and not line.startswith((" ", "#", "-")):
            if not re.match(r"^[a-z0-9._-]+(\[[a-z0-9,._-]+\])?==\S+", line, re.IGNORECASE):
                faults.append(f"line {number} does not pin a version: {line}")
            elif not line.endswith("\\"):
                faults.append(f"line {number} has no hash: {line}")
    if not text.strip():
        faults.append("the lock is empty")
    return faults


def faults_of_node_lock(text: str) -> list[str]:
    """Return one sentence for each place of a package-lock.json that names where a package came from."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"line {number} holds a download address: {line.strip()}" for number, line in lines if '"resolved"' in line]


def main() -> int:
    faults = [
        f"{name}: {fault}"
        for name in ("requirements.lock", "benchmarks/peers.lock")
        for fault in faults_of_python_lock((ROOT / name).read_text())
    ]
    node_lock = ROOT / "web" / "package-lock.json"
    if node_lock.exists():
        faults += [f"web/package-lock.json: {fault}" for fault in faults_of_node_lock(node_lock.read_text())]
    print("\n".join(faults) if faults else "locks: no host, no option, every package hashed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
