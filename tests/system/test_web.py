"""The page's pure functions, by Node's own test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def test_the_pages_pure_functions(repository: Path) -> None:
    npm = shutil.which("npm")
    if npm is None or not (repository / "web" / "node_modules").is_dir():
        pytest.skip("npm or web/node_modules is not here: make page")
    done = subprocess.run(
        [npm, "run", "--silent", "test"], cwd=repository / "web", capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
