"""Load, check, draw an area, and fetch its terrain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from kuntur.aircraft import atmosphere, home, performance
from kuntur.errors import ConfigError, InfeasibleError
from kuntur.geodesy import frames, grid, lines
from kuntur.io import area as area_io
from kuntur.io import settings as settings_io
from kuntur.io import tiles
from kuntur.model.assets import Aircraft, Base, Rally
from kuntur.model.place import Area
from kuntur.visibility import relief

Progress = Callable[[float, str], None]


def quiet(fraction: float, words: str) -> None:
    """No progress wanted."""


class Check(Struct, frozen=True, kw_only=True):
    """What there is to know of an area before planning. notes: what a person should know, none of it forbidding."""

    rows: tuple[tuple[str, str], ...]
    aircraft: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def load(area: str | Path, terrain_paths: Sequence[str | Path] = (), *, progress: Progress = quiet) -> Area:
    """The area, every aircraft of its fleet able to fly there; else ConfigError, Terrain-, Border-, InfeasibleError."""
    loaded = area_io.load(area, terrain_paths=terrain_paths, progress=progress)
    require_flyable(loaded)
    return loaded


def check_and_show(area: str | Path, terrain_paths: Sequence[str | Path], png: Path | None, console: Console) -> None:
    """Print the check of an area and draw it; InfeasibleError after printing when an aircraft cannot fly."""
    loaded = area_io.load(area, terrain_paths=terrain_paths)
    result = check(loaded)
    table = Table(title=loaded.title, show_header=False, box=None)
    for row in result.rows:
        table.add_row(*row)
    columns = ("aircraft", "airframe", "base", "endurance there", "highest", "to border and back", "way home from it")
    fleet = Table(*columns, box=None)
    for line in result.aircraft:
        fleet.add_row(*line)
    console.print(table)
    console.print(fleet)
    for name, source in sorted({(a.airframe.name, a.airframe.source) for a in loaded.fleet.aircraft}):
        console.print(f"{name}: {source}.")
    for note in result.notes:
        console.print(f"Note: {note}")
    if png is not None:
        draw(loaded, png)
        console.print(str(png))
    require_flyable(loaded)


def check(area: Area) -> Check:
    """The table of `kuntur area check`."""
    terrain = area.terrain
    lat, lon = frames.to_geodetic(area.frame, [terrain.west_m, terrain.east_m], [terrain.south_m, terrain.north_m])
    voids = float(np.isnan(terrain.heights_m).mean())
    length_km = float(lines.chainages(area.border.xy_m)[-1]) / 1000.0
    rows = [
        ("terrain", "SKETCHED: " + terrain.product if terrain.sketched else terrain.product),
        (
            "extent",
            f"{(terrain.east_m - terrain.west_m) / 1000:.1f} x {(terrain.north_m - terrain.south_m) / 1000:.1f} km, "
            f"{lat[0]:.3f} to {lat[1]:.3f} N, {lon[0]:.3f} to {lon[1]:.3f} E",
        ),
        ("cell", f"{terrain.cell_m:g} m, {terrain.rows} x {terrain.cols}"),
        ("heights", f"{np.nanmin(terrain.heights_m):.0f} to {np.nanmax(terrain.heights_m):.0f} m"),
        ("voids", f"{voids:.2%}"),
        ("vertical datum", terrain.vertical_datum),
        ("vertical error", _error_text(terrain.vertical_error_le90_m)),
        *_sight_rows(area),
        ("border inside", f"{length_km:.2f} km, {area.border.our_country} on the {area.border.ours}"),
    ]
    for base in area.bases:
        distance = float(np.abs(lines.project(area.border.xy_m, base.x_m, base.y_m)[1]).min())
        density = float(atmosphere.density_altitude_m(base.alt_msl_m, area.weather))
        rows.append(
            (
                f"base {base.id}",
                f"{base.alt_msl_m:.0f} m, density altitude {density:.0f} m, {distance / 1000:.1f} km from the border",
            )
        )
    rows += [(f"zone {zone.id}", f"{zone.kind}: {zone.name}") for zone in area.zones]
    return Check(
        rows=tuple(rows),
        aircraft=tuple(_aircraft_row(area, one) for one in area.fleet.aircraft),
        notes=tuple(_notes(area, voids)),
    )


def _sight_rows(area: Area) -> list[tuple[str, str]]:
    """What sight lines must clear beyond the ground itself, where there is any such thing."""
    terrain, rows = area.terrain, []
    if terrain.error is not None:
        rows.append(
            (
                "sight lines",
                f"{area.requirement.certainty_prob:.0%} certain, against an error of {terrain.error.sigma_m:.1f} m "
                f"(1 sigma) correlated over {terrain.error.correlation_m:.0f} m",
            )
        )
    if terrain.cover_m is not None:
        unknown = float(np.isnan(terrain.cover_m).mean())
        covered = float((terrain.cover_m > 0.5).mean())
        rows.append(("cover", f"over half a metre on {covered:.1%} of the ground, unknown on {unknown:.1%}"))
    return rows


def _error_text(le90_m: float | None) -> str:
    return "not stated by the product" if le90_m is None else f"{le90_m:g} m (linear error, 90 %)"


def _aircraft_row(area: Area, one: Aircraft) -> tuple[str, ...]:
    budget = _budget(area, one)
    out_and_back = _out_and_back_s(area, one, budget)
    return (
        one.name,
        one.airframe.name,
        one.base_id,
        f"{budget.endurance_s / 60.0:.0f} min" if budget.can_fly else f"CANNOT FLY: {budget.why}",
        f"{budget.max_alt_msl_m:.0f} m",
        f"{out_and_back / 60.0:.0f} min" if np.isfinite(out_and_back) else "no way against the wind",
        _way_home(area, one, budget),
    )


def _way_home(area: Area, one: Aircraft, budget: performance.Budget) -> str:
    """From over the nearest point of the border, up over what lies between, to the base or the best rally point."""
    base = _base(area, one)
    at, climb = _border_point(area, base)
    left_s = budget.endurance_s - float(
        performance.leg(one.airframe, budget, at[0] - base.x_m, at[1] - base.y_m, climb, area.weather).endurance_s
    )
    places: list[Base | Rally] = [base, *area.rallies]
    ways = [
        home.way(area.terrain, one, at, place.name, (place.x_m, place.y_m, place.alt_msl_m), area.weather)
        for place in places
    ]
    best = home.nearest(ways, left_s)
    if best is not None:
        return f"{best.time_s / 60.0:.0f} min at {best.alt_msl_m:.0f} m to {best.place}"
    return f"none: {ways[0].why}" if ways[0].why else f"none: {ways[0].used_s / 60.0:.0f} min, {left_s / 60.0:.0f} left"


def _notes(area: Area, voids: float) -> list[str]:
    notes = []
    if area.terrain.sketched:
        notes.append("the terrain is SKETCHED: it depicts no survey and is not for flying.")
    if area.terrain.vertical_datum == "EGM2008":
        notes.append(
            "heights stay on EGM2008, the geoid used is EGM96: they differ by about 1 m (1 sigma; the stated accuracy "
            "of EGM96 is 0.5 to 1 m, NIMA TR8350.2), more in mountains with few gravity measurements."
        )
    if voids > 0.0:
        notes.append(f"{voids:.2%} of the terrain is void: nothing is planned over it or seen on it.")
    short = _depth_outside(area)
    if short > 0.0:
        notes.append(
            f"for {short:.0%} of the border, the terrain ends within the depth of {area.requirement.depth_m:.0f} m."
        )
    notes += [
        f"{one.airframe.name}: not published: {', '.join(one.airframe.unknown)}."
        for one in {a.airframe.id: a for a in area.fleet.aircraft}.values()
        if one.airframe.unknown
    ]
    return notes


def _depth_outside(area: Area) -> float:
    """Share of the border behind which the terrain ends before the required depth."""
    points = lines.densify(area.border.xy_m, 500.0)
    along = np.gradient(points, axis=0)
    inward = np.stack([along[:, 1], -along[:, 0]], axis=-1) * (1.0 if area.border.ours == "right" else -1.0)
    deep = points + inward / np.linalg.norm(inward, axis=1, keepdims=True) * area.requirement.depth_m
    return float((~grid.covers(area.terrain, deep[:, 0], deep[:, 1])).mean())


def _base(area: Area, one: Aircraft) -> Base:
    return next(base for base in area.bases if base.id == one.base_id)


def _budget(area: Area, one: Aircraft) -> performance.Budget:
    """At the working height over its base, with its camera aboard."""
    alt_m = _base(area, one).alt_msl_m + area.requirement.height_agl_m
    return performance.budget(one.airframe, one.camera.mass_kg or 0.0, alt_m, area.weather)


def _out_and_back_s(area: Area, one: Aircraft, budget: performance.Budget) -> float:
    """Endurance used by climbing, flying to the nearest point of the border and straight back, in this wind."""
    base = _base(area, one)
    at, climb = _border_point(area, base)
    dx, dy = at[0] - base.x_m, at[1] - base.y_m
    cost = performance.leg(one.airframe, budget, [dx, -dx], [dy, -dy], [climb, 0.0], area.weather)
    return float(cost.endurance_s.sum())


def _border_point(area: Area, base: Base) -> tuple[tuple[float, float, float], float]:
    """The working height over the nearest point of the border (x, y, alt_msl_m), and the climb to it from the base."""
    chainage, _ = lines.project(area.border.xy_m, base.x_m, base.y_m)
    x_m, y_m = (float(v) for v in lines.point_at(area.border.xy_m, chainage)[0])
    rise = max(0.0, float(grid.height_at(area.terrain, x_m, y_m)) - base.alt_msl_m)
    climb = rise + area.requirement.height_agl_m
    return (x_m, y_m, base.alt_msl_m + climb), climb


def require_flyable(area: Area) -> None:
    """InfeasibleError for the first aircraft that cannot fly at its base, or cannot reach the border and return."""
    for one in area.fleet.aircraft:
        budget = _budget(area, one)
        base = _base(area, one)
        if not budget.can_fly:
            raise InfeasibleError(
                f'{one.name} ({one.airframe.name}) cannot fly at base "{base.id}": {budget.why}.',
                remedy="Choose another airframe or a lighter camera, a lower base, or other weather.",
            )
        needed_s = _out_and_back_s(area, one, budget)
        if needed_s > budget.endurance_s:
            raise InfeasibleError(
                f'{one.name} ({one.airframe.name}) cannot reach the border from base "{base.id}" and return: '
                f"that takes {needed_s / 60.0:.0f} min of flight, and it has {budget.endurance_s / 60.0:.0f} min there."
                if np.isfinite(needed_s)
                else f'{one.name} ({one.airframe.name}) cannot return to base "{base.id}" against this wind.',
                remedy="Move the base nearer to the border, or choose an airframe with more endurance.",
            )


def draw(area: Area, path: Path) -> None:
    """A map of the area as PNG: hillshade, border with chainage, bases, zones, roads, places."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    terrain = area.terrain
    aspect = (terrain.north_m - terrain.south_m) / (terrain.east_m - terrain.west_m)
    figure = Figure(figsize=(9.0, 9.0 * aspect + 0.6), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    box = (terrain.west_m / 1e3, terrain.east_m / 1e3, terrain.south_m / 1e3, terrain.north_m / 1e3)
    axes.imshow(relief.shade(terrain), cmap="gray", extent=box, vmin=0, vmax=255)
    axes.imshow(terrain.heights_m, cmap="terrain", alpha=0.35, extent=box)
    colours = {"no_fly": "tab:red", "no_look": "tab:purple", "protected": "tab:green"}
    for zone in area.zones:
        axes.fill(
            *(zone.xy_m / 1e3).T,
            fc="none",
            ec=colours[zone.kind],
            hatch="//",
            lw=1.2,
            label=f"{zone.kind}: {zone.name}",
        )
    for road in area.roads:
        axes.plot(*(road.xy_m / 1e3).T, color="saddlebrown", lw=1.2 if road.kind == "road" else 0.7)
    border = area.border.xy_m
    axes.plot(*(border / 1e3).T, color="black", lw=2.2)
    axes.plot(*(border / 1e3).T, color="yellow", lw=1.2, label=area.border.name)
    for km in range(0, int(lines.chainages(border)[-1] // 1000) + 1, 5):
        x, y = lines.point_at(border, 1000.0 * km) / 1e3
        axes.plot(x, y, "o", ms=3, color="black")
        axes.annotate(f"km {km}", (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
    for place in area.places:
        axes.plot(place.x_m / 1e3, place.y_m / 1e3, "^" if place.kind == "peak" else ".", color="black", ms=4)
        axes.annotate(
            place.name, (place.x_m / 1e3, place.y_m / 1e3), xytext=(4, -9), textcoords="offset points", fontsize=7
        )
    for base in area.bases:
        axes.plot(base.x_m / 1e3, base.y_m / 1e3, "s", ms=8, mfc="tab:blue", mec="white", label=f"base {base.name}")
    axes.set(xlim=box[:2], ylim=box[2:], xlabel="km east", ylabel="km north", title=area.title)
    axes.legend(loc="lower right", fontsize=7, framealpha=0.9)
    figure.text(0.005, 0.002, "  ".join(area.attributions), fontsize=5)
    if terrain.sketched:
        axes.text(
            0.02,
            0.98,
            "SKETCHED TERRAIN",
            transform=axes.transAxes,
            va="top",
            fontsize=16,
            color="tab:red",
            weight="bold",
        )
    partial = path.with_name(f".{path.name}.part")
    try:
        canvas.print_png(str(partial))  # type: ignore[no-untyped-call]
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"The picture {path} cannot be written: {error}.", remedy="Give another folder.") from error


def fetch_tiles(
    area: str | Path, folder: Path | None = None, address: str | None = None, progress: Progress = quiet
) -> list[Path]:
    """Bring the Copernicus GLO-30 tiles of an area to `folder`, by default where `load` finds them by itself."""
    settings = settings_io.load()
    wanted = area_io.tile_names(area)
    return tiles.fetch(wanted, address or settings.tile_address, folder or area_io.tile_folder(), progress)
