"""The command line itself: mistakes end in a clear word and an exit code, never in a traceback."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

import kuntur
from kuntur import cli


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """What `kuntur ARGUMENTS` exits with; 0 where it simply returns."""
    monkeypatch.setattr(sys, "argv", ["kuntur", *arguments])
    try:
        cli.main()
    except SystemExit as end:
        assert isinstance(end.code, int), "an exit code is a number"
        return end.code
    return 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan"], "Missing"),
        (["nonsense"], "No such command"),
        (["survey", "tambo_quemado", "--nonsense"], "No such option"),
        (["plan", "tambo_quemado", "--seconds", "many"], "Invalid value for '--seconds'"),
    ],
)
def test_a_mistake_in_the_command_line(monkeypatch, capsys, arguments: list[str], words: str) -> None:
    assert run(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert words in told.err + told.out
    assert "Traceback" not in told.err


@pytest.mark.parametrize("arguments", [[], ["area"], ["record"], ["--help"], ["plan", "--help"]])
def test_help(monkeypatch, capsys, arguments: list[str]) -> None:
    code = run(monkeypatch, *arguments)
    assert code == (0 if "--help" in arguments else 2)
    told = capsys.readouterr()
    assert "Usage: kuntur" in told.out + told.err


def test_version(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == f"kuntur {version('kuntur')}" == f"kuntur {kuntur.__version__}"


def test_an_error_of_kuntur_is_said_with_its_remedy(monkeypatch, capsys, tmp_path) -> None:
    assert run(monkeypatch, "verify", str(tmp_path / "nowhere")) == 7
    told = capsys.readouterr().err
    assert "Error: There is no record at" in told
    assert "What to do: Name the folder that holds entries.jsonl." in " ".join(told.split())


def test_recovering_nothing_says_so(monkeypatch, capsys, tmp_path) -> None:
    assert run(monkeypatch, "record", "recover", str(tmp_path / "nowhere")) == 7
