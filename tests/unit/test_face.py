"""The Python face is exactly what `kuntur.__all__` lists."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import kuntur

FACE = ["KunturError", "__version__", "load", "plan", "see", "survey"]


def test_it_exports_exactly_this() -> None:
    assert kuntur.__all__ == FACE
    assert dir(kuntur) == sorted(FACE)


@pytest.mark.parametrize("name", FACE)
def test_every_name_is_there_and_explains_itself(name: str) -> None:
    exported = getattr(kuntur, name)
    if name == "__version__":
        assert exported == version("kuntur")
        return
    assert inspect.getdoc(exported), f"kuntur.{name} has no docstring"


def test_anything_else_is_refused_with_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'watch'; it exports KunturError, __version__, load"):
        kuntur.watch  # noqa: B018


def test_importing_it_loads_no_room() -> None:
    """The compiled core is a submodule of the face: were the face eager, rooms and face would import one another."""
    code = "import kuntur, sys; print(*(n for n in sys.modules if n.startswith('kuntur.')))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == []


def test_the_reference_page_has_every_name_and_no_other(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## `(\w+)", page, re.MULTILINE)) == sorted(FACE)
