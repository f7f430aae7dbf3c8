"""The catalog as people read it: tables to choose by, an entry with the source of every figure, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from kuntur.aircraft import performance
from kuntur.errors import ConfigError
from kuntur.io import catalog
from kuntur.io.area_file import AirframeTable, CameraTable, CatalogFile, RadioTable
from kuntur.model.assets import Camera
from kuntur.model.place import Target, Weather
from kuntur.ops import curves, flight_curves
from kuntur.visibility import acquisition

UNKNOWN = "?"
THIN_AIR_M = 4000.0  # where the drone cell of the first area works


class Comparison(NamedTuple):
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


WIDE = 120
"""Columns of a screen from which on the whole table fits."""


class Figure(NamedTuple):
    """One published figure. checked: somebody compared it with the source."""

    key: str
    value: str
    source: str
    checked: bool


def show(entry_id: str | None, console: Console) -> None:
    """The whole catalog, or one entry of it; ConfigError when nothing has that id."""
    if entry_id is None:
        for comparison in compare(catalog.read()):
            console.print(_table(comparison, console.width))
        console.print(f"{UNKNOWN}: not published. {LEGEND}", markup=False)
        return
    entry = find(entry_id)
    console.print(f"{entry.name}  ({entry.id})", markup=False, highlight=False)
    table = Table()
    for column in ("figure", "value", "checked", "not from the source below but"):
        table.add_column(column)
    for one in figures(entry):
        table.add_row(one.key, one.value, "yes" if one.checked else "no", _elsewhere(entry, one))
    console.print(table)
    console.print(f"Source: {entry.source}.", markup=False, soft_wrap=True)
    for line in remarks(entry):
        console.print(line, markup=False, soft_wrap=True)


LEGEND = (
    "Figures are the makers', at sea level in still standard air. Speed: cruise to greatest. MALE: medium altitude, "
    "long endurance. Sees a person: slant range beyond which one look is worth less than "
    f"{acquisition.USEFUL_GLIMPSE_PROB:.0%}, when the person is in the picture and in sight, at a visibility of 20 km; "
    "an EO camera by day, the others by night."
)


def find(entry_id: str) -> catalog.Entry:
    entries = catalog.entries(catalog.read())
    for entry in entries:
        if entry.id == entry_id:
            return entry
    raise ConfigError(
        f'The catalog has no "{entry_id}".', remedy=f"It has: {', '.join(sorted(one.id for one in entries))}."
    )


def compare(known: CatalogFile) -> tuple[Comparison, ...]:
    """The tables to choose by: airframes, cameras, radios."""
    return (
        Comparison(
            "Aircraft",
            (
                "id",
                "name",
                "class",
                "launch",
                "mass kg",
                "endurance h",
                "ceiling m",
                "speed m/s",
                "plan with it",
            ),
            tuple(_airframe_row(one) for one in known.airframe),
        ),
        Comparison(
            "Cameras",
            ("id", "name", "band", "pixels", "picture degrees", "mass kg", "sees a person m", "plan with it"),
            tuple(_camera_row(one) for one in known.camera),
        ),
        Comparison(
            "Radios",
            ("id", "name", "MHz", "range km", "link budget"),
            tuple(_radio_row(one) for one in known.radio),
        ),
    )


def _airframe_row(one: AirframeTable) -> tuple[str, ...]:
    hours = None if one.endurance_s is None else one.endurance_s / 3600.0
    return (
        one.id, one.name, one.category or UNKNOWN, one.launch or UNKNOWN, _number(one.mass_kg), _number(hours, 2),
        _number(one.ceiling_msl_m, 0), f"{_number(one.cruise_mps, 1)} to {_number(one.max_speed_mps, 1)}",
        _plannable(one),
    )  # fmt: skip


def _camera_row(one: CameraTable) -> tuple[str, ...]:
    angles = UNKNOWN if one.hfov_deg is None else f"{one.hfov_deg:g} x {_number(one.vfov_deg)}"
    reach_m = None if catalog.lacking(one) else person_range_m(catalog.camera(one))
    mass = "part of the aircraft" if one.built_into else _number(one.mass_kg)
    pixels = f"{one.columns_px} x {one.rows_px}"
    return (one.id, one.name, one.band, pixels, angles, mass, _number(reach_m, -1), _plannable(one))


def _radio_row(one: RadioTable) -> tuple[str, ...]:
    known = None not in (one.tx_power_dbm, one.antenna_gain_dbi, one.sensitivity_dbm)
    reach_km = None if one.max_range_m is None else one.max_range_m / 1000.0
    return (one.id, one.name, f"{one.frequency_hz / 1e6:g}", _number(reach_km), "yes" if known else "only the range")


def person_range_m(camera: Camera, target: Target = "person") -> float:
    return acquisition.max_range_m(camera, target, _weather(camera))


def _weather(camera: Camera) -> Weather:
    return Weather(light="day" if camera.band == "EO" else "night")


def draw_curves(entry_id: str | None, folder: Path) -> list[Path]:
    """Pictures of what cameras can find and of what airframes can do in thin air: of one, of an airframe and the
    cameras it is built with, or of all.

    Raises ConfigError where there is nothing to draw.
    """
    flown = [one for one in catalog.read().airframe if entry_id in (None, one.id) and not catalog.lacking(one)]
    known = catalog.read().camera
    wanted = [one for one in known if entry_id in (None, one.id, *one.built_into)]
    cameras = [catalog.camera(one) for one in wanted if one.id == entry_id or not catalog.lacking(one)]
    if entry_id is not None and not cameras and not flown:
        entry = find(entry_id)
        raise ConfigError(
            f'"{entry.id}" ({entry.name}) is not a camera, not an airframe to plan with, and no camera of the catalog '
            "is built into it.",
            remedy="Name an airframe with the figures that planning needs, or a camera: "
            f"{', '.join(sorted(one.id for one in known))}.",
        )
    seen = [path for camera in cameras for path in curves.draw([camera], _weather(camera), folder)]
    return seen + [flight_curves.draw(catalog.airframe(one), folder) for one in flown]


def _plannable(entry: catalog.Entry) -> str:
    lacks = catalog.lacking(entry)
    return f"lacks {', '.join(lacks)}" if lacks else "yes"


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:g}" if digits is None else f"{round(value, digits):g}"


def figures(entry: catalog.Entry) -> tuple[Figure, ...]:
    """Every published figure of an entry with where it is from."""
    return tuple(
        Figure(key, _spoken(key, value), catalog.source_of(entry, key), key not in entry.unverified)
        for key, value in catalog.figures(entry).items()
        if key not in ("propulsion", "band", "polarisation")
    )


def _elsewhere(entry: catalog.Entry, figure: Figure) -> str:
    return "" if figure.source == entry.source else figure.source


def _spoken(key: str, value: float) -> str:
    if key == "endurance_s":
        return f"{value:g} ({value / 3600.0:.2g} h)"
    return f"{value:g}"


def remarks(entry: catalog.Entry) -> list[str]:
    """What is unknown, what stands between the entry and a plan, and what the models make of it."""
    words = [f"Not published or not found: {', '.join(entry.unknown)}."] if entry.unknown else []
    lacks = catalog.lacking(entry)
    if lacks:
        words.append(f"Nothing can be planned with it: it lacks {', '.join(lacks)}.")
    elif isinstance(entry, AirframeTable):
        words.append(_in_thin_air(entry))
    elif isinstance(entry, CameraTable):
        reach = ", ".join(f"{name} {person_range_m(catalog.camera(entry), name):.0f} m" for name in _TARGETS)
        words.append(f"Range at which one look is still worth {acquisition.USEFUL_GLIMPSE_PROB:.0%}: {reach}.")
        assumed = acquisition.assumed(catalog.camera(entry))
        words += [f"The sensor model assumes: {', '.join(assumed)}."] if assumed else []
    if isinstance(entry, CameraTable) and entry.built_into:
        words.append(f"Part of: {', '.join(entry.built_into)}.")
    return words


_TARGETS: tuple[Target, ...] = ("person", "pack_animal", "light_vehicle", "truck")


def _in_thin_air(table: AirframeTable) -> str:
    budget = performance.budget(catalog.airframe(table), 0.0, THIN_AIR_M, Weather())
    if not budget.can_fly:
        return f"At {THIN_AIR_M:.0f} m in standard air it cannot fly: {budget.why}."
    return (
        f"At {THIN_AIR_M:.0f} m in standard air: {budget.endurance_s / 3600.0:.1f} h to plan with (beyond a reserve of "
        f"{performance.RESERVE:.0%}), {budget.airspeed_mps:.0f} m/s airspeed, climb {budget.climb_mps:.1f} m/s."
    )


def _table(comparison: Comparison, width: int) -> Table:
    """The id is never cut, because the next command needs it; on a narrow screen name and launch make room."""
    left_out = {"name", "launch"} if width < WIDE else set()
    shown = [k for k, column in enumerate(comparison.columns) if column not in left_out]
    table = Table(title=comparison.title, title_justify="left")
    for k in shown:
        column = comparison.columns[k]
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for row in comparison.rows:
        table.add_row(*(row[k] for k in shown))
    return table


# --- the page


def write_page(path: Path) -> Path:
    path.write_text(page(), encoding="utf-8")
    return path


def page() -> str:
    """docs/reference/fleet.md, whole."""
    known = catalog.read()
    entries = catalog.entries(known)
    total = sum(len(figures(one)) for one in entries)
    checked = sum(figure.checked for one in entries for figure in figures(one))
    blocks = [
        _INTRODUCTION.format(airframes=len(known.airframe), cameras=len(known.camera), total=total, checked=checked)
    ]
    blocks.append(LEGEND)
    for comparison in compare(known):
        blocks.append(f"## {comparison.title}")
        blocks.append(_rows((comparison.columns, *comparison.rows)))
    blocks.append("## Every figure and its source")
    for entry in entries:
        blocks.append(f"### {entry.id}")
        blocks.append(f"{entry.name}. {' '.join(remarks(entry))}".strip())
        body = [
            (f"`{one.key}`", one.value, "yes" if one.checked else "no", _elsewhere(entry, one))
            for one in figures(entry)
        ]
        blocks.append(_rows((("figure", "value", "checked", "not from the source below but"), *body)))
        blocks.append(f"Source: {entry.source}.")
    return "\n\n".join(blocks) + "\n"


_INTRODUCTION = """\
# Fleet

The {airframes} aircraft, {cameras} cameras and the radios that come with Kuntur, as public figures. Nothing here is
armed. `kuntur fleet --page FILE` writes this page from `src/kuntur/data/catalog.toml`; a test holds the two equal.

Of {total} figures, {checked} were compared with the document they are from or a quotation of it. The others are from
general knowledge of it (*checked: no*): trust them less, and correct them in the catalog or in your own area file
([its keys](area-file.md)). A question mark is a figure that nobody publishes or that we did not find. What lacks a
figure that planning needs is refused by name, never guessed."""


def _rows(rows: tuple[tuple[str, ...], ...]) -> str:
    head, *body = (f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
    return "\n".join((head, f"|{'---|' * len(rows[0])}", *body))
