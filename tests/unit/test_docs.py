"""Documentation that cannot lie: what the pages say is compared with the program itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import typer.main

from kuntur import cli, errors
from kuntur.config import Settings
from kuntur.model.place import Area
from kuntur.model.plans import Certificate
from kuntur.model.records import Action
from kuntur.model.tracks import AlertKind, FeedItem
from kuntur.ops import area as area_ops
from kuntur.store import embedded
from kuntur.visibility import acquisition, detection, looks

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FRONT = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES = sorted([*(ROOT / name for name in FRONT), *DOCS.rglob("*.md"), *(ROOT / "tests" / "scenario").glob("*.md")])
CODE = {".py", ".cpp", ".hpp"}


def text(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- commands


def commands(command: Any = None, path: str = "kuntur") -> Iterator[tuple[str, Any]]:
    """Every command of the program with its whole name, groups as well."""
    command = typer.main.get_command(cli.app) if command is None else command
    yield path, command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {word}")


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^## `?{re.escape(heading)}`?$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/commands.md has no section about `{heading}`"
    return found[1]


def options(command: Any) -> dict[str, Any]:
    return {option: one for one in command.params if one.param_type_name == "option" for option in one.opts}


@pytest.mark.parametrize("path", [path for path, command in commands() if not getattr(command, "commands", None)])
def test_every_command_and_option_is_in_the_reference(path: str) -> None:
    command = dict(commands())[path]
    words = section(text("docs", "reference", "commands.md"), path)
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(--[\w-]+)`[^|]*\| ([^|]*)\|", words, re.MULTILINE)}
    assert set(rows) == set(options(command)), f"the options of `{path}`"
    for option, parameter in options(command).items():
        told = rows[option].strip().strip("`")
        default = parameter.default
        if parameter.is_flag:
            for other in parameter.secondary_opts:
                assert f"`{other}`" in words, f"`{path}`: {other}"
            assert told == (option if default else parameter.secondary_opts[0])
        elif parameter.required:
            assert told == "required"
        elif default is None or callable(default):
            assert told, f"`{path}` {option}: say what holds without it"
        else:
            assert told == f"{default:g}" if isinstance(default, float) else told == str(default), f"{path} {option}"
    usage = [one.name.upper() for one in command.params if one.param_type_name == "argument"]
    assert re.search(rf"`{path}{''.join(f' {word}' for word in usage)}\b", words), f"`{path}` takes {usage}"


def test_the_reference_has_no_command_that_is_not_there() -> None:
    page = text("docs", "reference", "commands.md")
    assert set(re.findall(r"^## `(.+)`$", page, re.MULTILINE)) == {
        path for path, command in commands() if path == "kuntur" or not getattr(command, "commands", None)
    }
    told = set(re.findall(r"^\| `(--[\w-]+)`", section(page, "kuntur"), re.MULTILINE))
    assert told == set(options(dict(commands())["kuntur"]))


def code_blocks(page: str) -> Iterator[str]:
    """The lines of the page's fenced blocks, also of those inside a list."""
    for body in re.findall(r"^ *```\w*\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL):
        yield from (line.strip() for line in body.splitlines())


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of every `kuntur ...` line in the page's code blocks."""
    for line in code_blocks(page.read_text(encoding="utf-8")):
        command = line.removeprefix("$ ").removeprefix(".venv/bin/")
        if command.startswith("kuntur "):
            yield shlex.split(command, comments=True)[1:]


def parse(words: list[str]) -> None:
    """Parse a command line as the program would, without running it."""
    command = typer.main.get_command(cli.app)
    with command.make_context("kuntur", list(words)) as above:
        context = above
        rest = list(words)
        while hasattr(command, "resolve_command"):
            _, command, rest = command.resolve_command(context, rest)
            context = command.make_context(command.name, list(rest), parent=context)


def test_the_parser_of_this_test_refuses_what_the_program_refuses() -> None:
    parse(["plan", "tambo_quemado", "--seconds", "20"])
    parse(["area", "check", "tambo_quemado", "--no-draw"])
    for wrong in (["plan"], ["plant", "x"], ["plan", "x", "--second", "2"], ["area", "check"]):
        with pytest.raises(Exception, match=r"Missing|No such|Try"):
            parse(wrong)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_line_in_the_docs_is_understood(page: Path) -> None:
    for words in command_lines(page):
        parse(words)
    inline = re.findall(r"`kuntur ([a-z][a-z ]*)", page.read_text(encoding="utf-8"))
    known = {path.removeprefix("kuntur ") for path, _ in commands()}
    for words in inline:
        assert any(words.strip() == one or words.startswith(f"{one} ") for one in known), f"kuntur {words}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_in_the_docs_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    words = page.read_text(encoding="utf-8")
    lines = [line for line in code_blocks(words) if line.startswith("make ")]
    told = {line.split()[1] for line in lines} | set(re.findall(r"`make ([a-z-]+)[^`]*`", words))
    assert told <= targets, f"{name(page)}: {told - targets}"


def test_the_readme_names_the_two_commands_and_shows_the_map() -> None:
    page = text("README.md")
    for words in ("make demo", "make test", "make demo HEADLESS=1", "demo-out/", "docs/images/map.png", "Apache-2.0"):
        assert words in page
    for words in ("floor", "strongest attack found", "ceiling", "SIMULATED", "SKETCHED", "Unarmed", "OpenStreetMap"):
        assert words.lower() in page.lower()


def test_the_tutorial_shows_what_the_check_of_the_area_prints(tambo_quemado: Area) -> None:
    checked = area_ops.check(tambo_quemado)
    rows = dict(checked.rows)
    shown = re.search(r"^```text\n(terrain .*?)^```", text("docs", "tutorial", "first-watch.md"), re.M | re.S)
    assert shown
    for line in shown[1].splitlines():
        label = next(known for known in rows if line.startswith(f"{known} "))
        assert line.removeprefix(label).strip() == rows[label]
    assert any("26 min" in row for row in checked.aircraft if "DJI Matrice 4TD" in row)


def test_the_sensor_page_has_the_constants_of_the_code() -> None:
    page = text("docs", "explanation", "sensor-model.md")
    rows = re.findall(r"^\| `([A-Z_]+)`( [a-z_]+)? \| ([\d.]+)", page, re.MULTILINE)
    assert len(rows) >= 30
    for constant, target, value in rows:
        known = next(getattr(room, constant) for room in (acquisition, detection, looks) if hasattr(room, constant))
        told = known[target.strip()] if target else next(iter(known.values())) if isinstance(known, dict) else known
        assert float(value) == pytest.approx(told, rel=1e-3), constant


# --- settings and errors


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    page = text("docs", "reference", "settings.md")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| `KUNTUR_[A-Z_]+` \| (.*?) \|", page, re.MULTILINE))
    assert set(rows) == set(Settings.__struct_fields__)
    for field in msgspec.structs.fields(Settings):
        assert f"`KUNTUR_{field.name.upper()}`" in page
        assert (f"`{field.default}`" if field.default else "empty") in rows[field.name]
    read = set()
    for source in [*(ROOT / "src" / "kuntur").rglob("*.py"), *(ROOT / "kernels").glob("*.cpp")]:
        read |= set(re.findall(r"(?:environ\S*|getenv\()[^\"\n]*\"([A-Z_]+)\"", source.read_text(encoding="utf-8")))
    for variable in read:
        assert variable in page, f"{variable} is read from the environment"


def error_classes() -> list[type[errors.KunturError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.KunturError)]


def test_every_error_is_in_the_table_of_exit_codes_and_in_the_tree() -> None:
    table = section(text("docs", "reference", "commands.md"), "Exit codes")
    told = {(error, int(code)) for code, error in re.findall(r"^\| (\d+) \| `(\w+)`", table, re.MULTILINE)}
    assert told == {(one.__name__, one.exit_code) for one in error_classes()}
    assert errors.__doc__
    for one in error_classes():
        assert one.__name__ in errors.__doc__


# --- files and words


def test_the_feed_and_its_files_are_described() -> None:
    page = text("docs", "reference", "feed-and-files.md")
    kinds = [*get_args(msgspec.structs.fields(FeedItem)[2].type), *get_args(AlertKind)]
    tables = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", embedded._SCHEMA)
    for word in (*kinds, *tables, *Certificate.__struct_fields__):
        assert f"`{word}`" in page, f"docs/reference/feed-and-files.md does not tell of `{word}`"


def test_every_action_that_needs_leave_is_in_the_page_about_the_record() -> None:
    page = text("docs", "explanation", "record.md")
    table = set(re.findall(r"^\| (\w+) \| (?:operator|commander|overseer)", page, re.MULTILINE))
    assert table == set(get_args(Action))


def modules() -> set[str]:
    package = ROOT / "src" / "kuntur"
    found = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    kept = {one for one in found if not one.endswith(("__init__.py", "_kernels.py"))}
    return kept | {f"kernels/{path.name}" for path in (ROOT / "kernels").iterdir() if path.suffix in CODE}


def test_where_is_it_names_every_file_and_no_other() -> None:
    """Two steps to any behaviour: this page, then the file."""
    page = text("docs", "reference", "where-is-it.md")
    told = set(re.findall(r"^\| `([\w/]+\.(?:py|cpp|hpp))`", page, re.MULTILINE))
    missing, gone = sorted(modules() - told), sorted(told - modules())
    assert not missing, f"docs/reference/where-is-it.md: add a line about {missing}"
    assert not gone, f"docs/reference/where-is-it.md names files that are not there: {gone}"


# --- links and hygiene


def anchors(page: Path) -> set[str]:
    """The anchors a code host makes of the page's headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    words = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", words):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link} names a heading that is not there"


def test_every_page_is_reached_from_the_index() -> None:
    seen: set[Path] = set()
    ahead = [DOCS / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        ahead += [(page.parent / link).resolve() for link in links if not re.match(r"[a-z]+:", link)]
    lost = [name(page) for page in DOCS.rglob("*.md") if page not in seen]
    assert not lost, f"no way leads from docs/README.md to {lost}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_a_path_of_somebodys_machine(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:home|root|work|tmp|Users)/\w", words)


def test_every_decision_is_in_the_list() -> None:
    folder = DOCS / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in sorted(folder.glob("0*.md")):
        heading = page.read_text(encoding="utf-8").splitlines()[0]
        number, _, title = heading.removeprefix("# ").partition(". ")
        assert int(number) == int(page.name[:4])
        assert f"| [{number}]({page.name}) | {title} |" in index
        for word in ("**Decided", "**Over**", "**Would change it"):
            assert word in page.read_text(encoding="utf-8"), f"{name(page)}: {word}"
