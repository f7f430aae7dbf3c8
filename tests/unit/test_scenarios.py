"""Every scenario is prose beside code: a Markdown file and a Python file of one name, with the same steps in order.

A step is a heading `## Its words` in the prose and a function `test_its_words` in the code.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).resolve().parents[1] / "scenario"
NAMES = sorted({path.stem for path in SCENARIOS.iterdir() if path.stem.startswith("test_")})


def told(words: str) -> list[str]:
    """The steps of a scenario's prose, as test names."""
    headings = re.findall(r"^## (.+)$", words, re.MULTILINE)
    return ["test_" + re.sub(r"\W+", "_", heading.replace("`", "").strip().lower()).strip("_") for heading in headings]


def done(code: str) -> list[str]:
    """The steps of a scenario's code: its test functions in order."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [one.name for one in ast.parse(code).body if isinstance(one, kinds) and one.name.startswith("test_")]


@pytest.mark.parametrize("name", NAMES)
def test_prose_and_code_have_the_same_steps(name: str) -> None:
    prose, code = SCENARIOS / f"{name}.md", SCENARIOS / f"{name}.py"
    assert prose.exists(), f"write {prose.name} beside {code.name}: one heading `## ...` for each step"
    assert code.exists(), f"{prose.name} tells of a scenario that no code runs"
    words = prose.read_text(encoding="utf-8")
    assert told(words) == done(code.read_text(encoding="utf-8"))
    assert all(part.strip() for part in re.split(r"^## .+$", words, flags=re.MULTILINE)), "every step is explained"


def test_the_comparison_finds_a_difference() -> None:
    assert told("# A night\n\n## The crew's *first* flight\n\n## `kuntur plan` meets 2 needs\n") == [
        "test_the_crew_s_first_flight",
        "test_kuntur_plan_meets_2_needs",
    ]
    assert done("def helper(): ...\ndef test_b(): ...\nasync def test_a(x): ...\n") == ["test_b", "test_a"]
