"""The command line: parse, call one function of `ops`, show the result. No logic lives here."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from kuntur.errors import KunturError
from kuntur.model.plans import Strategy

if TYPE_CHECKING:
    from kuntur.ops.recompute import Row

app = typer.Typer(
    name="kuntur",
    help="Unarmed drone surveillance of a mountain border: survey, plan with a certificate, fly, watch, review.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
area_app = typer.Typer(help="Check, draw and fetch terrain for an area.", no_args_is_help=True)
app.add_typer(area_app, name="area")
record_app = typer.Typer(help="Mend an interrupted record.", no_args_is_help=True)
app.add_typer(record_app, name="record")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

AreaArgument = Annotated[
    str, typer.Argument(help="An area: the name of the embedded one (tambo_quemado) or a TOML file.")
]
TerrainOption = Annotated[
    list[Path] | None,
    typer.Option("--terrain", help="Terrain file to use instead of the area's own; repeat for several."),
]
FolderOption = Annotated[Path, typer.Option("--folder", help="The watch folder: plan, record, store, report.")]


@contextmanager
def stage_bar() -> Iterator[Callable[[str, float, str], None]]:
    """A progress bar per stage; returns `progress(stage, fraction, words)`."""
    with Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}"),
        console=err,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, fraction: float, words: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0, words="")
            bars.update(tasks[stage], completed=fraction, words=escape(words))

        try:
            yield progress
        except KeyboardInterrupt as stop:
            err.print(" ".join(["Stopped.", *getattr(stop, "__notes__", [])]), markup=False)
            raise


def say(text: str) -> None:
    """Print words as they are: no markup, no wrapping."""
    out.print(text, markup=False, soft_wrap=True)


def _print_strategy(strategy: Strategy) -> None:
    from kuntur.ops import plan

    table = Table(title="What this plan promises: three numbers, never one", title_justify="left")
    for column in ("", "detection", "against whom"):
        table.add_column(column)
    for name, value, words in plan.certificate_rows(strategy):
        table.add_row(name, value, words)
    out.print(table)


def _print_recomputed(rows: Iterable[Row]) -> None:
    table = Table(title="Claimed and recomputed", title_justify="left")
    for column in ("", "claimed", "recomputed", "same"):
        table.add_column(column, overflow="fold")
    for row in rows:
        same = "-" if row.same is None else "yes" if row.same else "[bold red]NO[/]"
        table.add_row(escape(row.name), escape(row.claimed), escape(row.recomputed), same)
    out.print(table)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"kuntur {importlib.metadata.version('kuntur')}")
        raise typer.Exit()


@app.callback()
def kuntur_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Unarmed drone surveillance of a mountain border: survey, plan with a certificate, fly, watch, review."""


@area_app.command("check")
def area_check(area: AreaArgument, terrain: TerrainOption = None, draw: bool = True) -> None:
    """Check an area file: extent, voids, datum, border, bases, fleet; draws it beside."""
    from kuntur.ops import area as ops

    ops.check_and_show(area, terrain or [], Path(f"{Path(area).stem}-area.png") if draw else None, out)


@area_app.command("fetch")
def area_fetch(
    area: AreaArgument,
    to: Annotated[Path | None, typer.Option(help="Folder for the tiles (default: the cache).")] = None,
    address: Annotated[str | None, typer.Option(help="Base address of the Copernicus GLO-30 tiles.")] = None,
) -> None:
    """Download the Copernicus GLO-30 tiles that an area needs; resumes where it stopped."""
    from kuntur.ops import area as ops

    with stage_bar() as progress:
        for path in ops.fetch_tiles(area, to, address, lambda f, w: progress("fetch", f, w)):
            say(str(path))


@app.command("fleet")
def fleet_command(
    entry: Annotated[str | None, typer.Argument(help="An aircraft, camera or radio of the catalog.")] = None,
    curves: Annotated[
        Path | None, typer.Option(help="Folder for pictures of what cameras find and aircraft do.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write the catalog as a page of Markdown.")] = None,
) -> None:
    """The aircraft, cameras and radios that come with Kuntur; one of them with the source of every figure."""
    from kuntur.ops import fleet as ops

    if curves is not None:
        for path in ops.draw_curves(entry, curves):
            say(str(path))
    elif page is not None:
        say(str(ops.write_page(page)))
    else:
        ops.show(entry, out)


@app.command()
def survey(
    area: Annotated[
        str | None, typer.Argument(help="An area; without one, terrain files are surveyed from viewpoints.")
    ] = None,
    terrain: TerrainOption = None,
    folder: Annotated[Path, typer.Option("--out", help="Folder for rasters and pictures.")] = Path("survey"),
    route: Annotated[Path | None, typer.Option(help="Viewpoints along the line of this GeoJSON file.")] = None,
    step: Annotated[float, typer.Option(help="Metres between viewpoints of the route.")] = 100.0,
    viewpoints: Annotated[Path | None, typer.Option(help="Viewpoints at the points of this GeoJSON file.")] = None,
    every_km: Annotated[float | None, typer.Option(help="Viewpoints in a lattice over all terrain.")] = None,
    height: Annotated[float | None, typer.Option(help="Metres of a viewpoint above the ground below it.")] = None,
    view_range: Annotated[float | None, typer.Option("--range", help="How far a viewpoint looks, in metres.")] = None,
    target_height: Annotated[float, typer.Option(help="Metres of the target above its ground.")] = 1.0,
    mode: Annotated[str, typer.Option(help="fast, accurate or exact.")] = "accurate",
    quantity: Annotated[
        list[str] | None, typer.Option(help="What to write beside count and unknown; repeat for several.")
    ] = None,
    vertical_datum: Annotated[str | None, typer.Option(help="Where the terrain files do not tell it.")] = None,
    block: Annotated[int, typer.Option(help="Posts on a side of the windows that the work is cut into.")] = 2048,
    workers: Annotated[int, typer.Option(help="Work in this many local processes.")] = 0,
    scheduler: Annotated[str, typer.Option(help="Work on the Dask cluster with this scheduler's address.")] = "",
) -> None:
    """What can be seen, and what the radio reaches, of an area; or what is seen of terrain of any size."""
    from kuntur.ops import survey_command as ops

    asked = ops.Asked(
        route=route, step_m=step, viewpoints=viewpoints, every_km=every_km, height_agl_m=height, range_m=view_range,
        target_height_m=target_height, mode=mode, quantities=tuple(quantity or ()), vertical_datum=vertical_datum,
        block=block, workers=workers, scheduler=scheduler,
    )  # fmt: skip
    with stage_bar() as progress:
        told = ops.run(area, terrain or [], folder, asked, progress=lambda f, w: progress("survey", f, w))
    say(told)


@app.command("crossers")
def crossers_command(
    area: AreaArgument,
    terrain: TerrainOption = None,
    every: Annotated[float, typer.Option(help="Kilometres of border to a row of the table.")] = 5.0,
    folder: Annotated[Path, typer.Option("--out", help="Folder for pictures and GeoJSON.")] = Path("crossers"),
) -> None:
    """Where whoever crosses is likely to go and how fast: corridors, isochrones, quickest ways, per class."""
    from kuntur.ops import area as area_ops
    from kuntur.ops import crossers as ops

    with stage_bar() as progress:
        loaded = area_ops.load(area, terrain or [])
        paths = ops.run(loaded, folder, out, every_km=every, progress=lambda f, w: progress("crossers", f, w))
    for path in paths:
        say(str(path))


@app.command(context_settings={"ignore_unknown_options": True})  # so that -18.28 is a number
def see(
    lat: Annotated[str | None, typer.Argument(help="Latitude: -18.28, 18.28S or 18:16:48 S.")] = None,
    lon: Annotated[str | None, typer.Argument(help="Longitude: -69.05, 69.05W or 69:03:00 W.")] = None,
    height: Annotated[str | None, typer.Argument(help="Metres above the ground.")] = None,
    area: Annotated[
        str | None, typer.Option("--area", help="An area whose terrain is used (default: the embedded one).")
    ] = None,
    terrain: Annotated[
        list[str] | None, typer.Option("--terrain", help="Terrain file, folder or pattern; repeat for several.")
    ] = None,
    route: Annotated[Path | None, typer.Option("--route", help="Look from a GeoJSON LineString instead.")] = None,
    height_agl_m: Annotated[
        float | None, typer.Option("--height", help="Metres above the ground for the whole route.")
    ] = None,
    heights_are: Annotated[
        str, typer.Option("--heights-are", help="What the route's own heights are above: hae, msl or agl.")
    ] = "hae",
    every: Annotated[float, typer.Option(help="Look from the route each so many metres.")] = 100.0,
    speed: Annotated[float, typer.Option(help="Ground speed along the route, m/s.")] = 15.0,
    max_range_m: Annotated[float | None, typer.Option("--range", help="How far to look, metres.")] = None,
    target: Annotated[str, typer.Option(help="person, pack_animal, light_vehicle or truck.")] = "person",
    target_height_m: Annotated[
        float | None, typer.Option("--target-height", help="Sight must reach down to this height, metres.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="A camera of the catalog, by its id.")] = None,
    light: Annotated[str, typer.Option(help="day or night, for the camera.")] = "day",
    sector: Annotated[
        str | None,
        typer.Option(help="What the camera looks at: AZIMUTH/WIDTH or AZIMUTH/WIDTH/LEAST/GREATEST degrees."),
    ] = None,
    mode: Annotated[str, typer.Option(help="fast, accurate or exact.")] = "accurate",
    doubt: Annotated[
        bool,
        typer.Option("--doubt/--no-doubt", help="Also the chance of being in sight, over the terrain's own error."),
    ] = False,
    folder: Annotated[Path, typer.Option("--out", help="Folder for picture, rasters, polygons and map page.")] = Path(
        "seen"
    ),
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Then serve a map page on which to move and draw.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of that page.")] = 8643,
) -> None:
    """The picture of what is seen from LAT LON HEIGHT, or from a route: PNG, COG, GeoJSON and a map page."""
    from kuntur.ops import see as ops
    from kuntur.ops import see_files, see_view
    from kuntur.server import see as server

    with stage_bar() as progress:
        view = ops.from_words(
            lat, lon, height, area=area, terrain=terrain, route=route, height_agl_m=height_agl_m, sector=sector,
            heights_are=heights_are, every_m=every, speed_mps=speed, max_range_m=max_range_m, target=target,
            target_height_m=target_height_m, camera=camera, light=light, mode=mode, with_doubt=doubt,
            progress=lambda f, w: progress("see", f, w),
        )  # fmt: skip
        paths = see_files.write(view, folder)
        progress("see", 1.0, "")
    say(see_view.summary(view))
    for path in paths:
        say(str(path))
    if show:
        with server.open_socket("127.0.0.1", port) as listening:
            server.run(view, listening, announce=say)


@app.command()
def plan(
    area: AreaArgument,
    terrain: TerrainOption = None,
    to: Annotated[Path, typer.Option("--out", help="Where plan.json goes; its pictures go beside it.")] = Path(
        "plan.json"
    ),
    seconds: Annotated[float | None, typer.Option(help="Time to improve the plan (default: the area's).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the solver's own randomness, not of the draw.")] = 1,
    accept_best: Annotated[
        bool, typer.Option(help="Keep the best plan even when it does not meet the requirement.")
    ] = False,
    layouts: Annotated[
        int, typer.Option(help="Joint hub places at each wave boundary; more hide better and take longer to solve.")
    ] = 1,
    resume: Annotated[bool, typer.Option(help="Go on from the search kept beside --out, for --seconds more.")] = False,
    sectors: Annotated[
        int, typer.Option(help="Plan a long border as this many sectors, into the folder of --out.")
    ] = 0,
    margin_km: Annotated[float, typer.Option(help="Ground to either side of a sector that its aircraft watch.")] = 8.0,
    workers: Annotated[int, typer.Option(help="Plan sectors in this many local processes.")] = 0,
    scheduler: Annotated[str, typer.Option(help="Plan sectors on the Dask cluster with this address.")] = "",
    certify: Annotated[
        Path | None,
        typer.Option(help="Plan nothing: check this plan.json, edited by hand, and compute its certificate again."),
    ] = None,
) -> None:
    """Patrols an adaptive crosser cannot exploit, with floor, strongest attack found and ceiling."""
    from kuntur.ops import area as area_ops
    from kuntur.ops import certify as proofs
    from kuntur.ops import plan as ops
    from kuntur.ops import plan_seen_picture

    if sectors:
        from kuntur.ops import sectors as border_ops

        with stage_bar() as progress:
            whole = border_ops.plan_border(
                area_ops.load(area, terrain or []), to.parent, count=sectors, margin_m=1000.0 * margin_km,
                seconds=seconds, seed=seed, workers=workers, scheduler=scheduler,
                progress=lambda f, w: progress("sectors", f, w),
            )  # fmt: skip
        say(border_ops.table(whole))
        return
    with stage_bar() as progress:
        loaded = area_ops.load(area, terrain or [])
        strategy = (
            ops.plan(
                loaded,
                seconds=seconds,
                seed=seed,
                accept_best=accept_best,
                layouts=layouts,
                kept=to.with_suffix(".search"),
                resume=resume,
                progress=lambda f, w: progress("plan", f, w),
            )
            if certify is None
            else proofs.recertified(
                loaded, ops.load_plan(certify), seed=seed, progress=lambda f, w: progress("certify", f, w)
            )
        )
        ops.save_plan(strategy, to)
        ops.draw_plan(loaded, strategy, to.with_suffix(".png"))
        pictures = plan_seen_picture.write_seen(loaded, strategy, to)
    _print_strategy(strategy)
    say("\n".join(str(path) for path in (to, to.with_suffix(".png"), *pictures)))


@app.command("size")
def size_command(
    area: AreaArgument,
    terrain: TerrainOption = None,
    detection: Annotated[
        float | None, typer.Option(help="Detection to be certified (default: the area's requirement).")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time for everything.")] = 1200.0,
    each: Annotated[float | None, typer.Option(help="Time to plan one fleet (default: an eighth of the rest).")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Folder for plans, cuts, answer and picture.")] = Path("size"),
    seed: Annotated[int, typer.Option(help="Seed of the solver's own randomness.")] = 1,
    workers: Annotated[int, typer.Option(help="Plan this many fleets at a time, in local processes.")] = 0,
) -> None:
    """The cheapest fleet for a detection: a proven floor on cost, a certified fleet, and what is between."""
    from kuntur.ops import area as area_ops
    from kuntur.ops import size as ops
    from kuntur.ops import size_answer

    with stage_bar() as progress:
        answer = ops.size(
            area_ops.load(area, terrain or []), folder, detection_prob=detection, seconds=seconds, each_s=each,
            seed=seed, workers=workers, progress=lambda f, w: progress("size", f, w),
        )  # fmt: skip
    size_answer.show(answer, out)
    say(f"{folder / 'size.json'}\n{folder / 'size.png'}")


@app.command()
def fly(
    area: AreaArgument,
    plan_file: Annotated[Path, typer.Argument(help="plan.json of `kuntur plan`.")],
    folder: FolderOption,
    terrain: TerrainOption = None,
    speed: Annotated[
        float, typer.Option(help="How many times faster than real time the SIMULATED aircraft fly.")
    ] = 20.0,
    crossers: Annotated[int, typer.Option(help="How many SIMULATED crossers walk during the watch.")] = 40,
) -> None:
    """Draw tonight's schedule, ask for permits, upload, launch and supervise simulated aircraft over MAVLink."""
    from kuntur.ops import night

    with stage_bar() as progress:
        night.fly_watch(area, terrain or [], plan_file, folder, speed=speed, crossers=crossers, progress=progress)
    say(f"The watch is stored in {folder}.")
    say(f"Look at it: kuntur watch {area} {folder}")
    say(f"Account for it: kuntur review {area} {folder}")


@app.command()
def watch(
    area: AreaArgument,
    folder: Annotated[Path, typer.Argument(help="Folder of a watch, running or finished.")],
    terrain: TerrainOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the map page.")] = 8642,
    speed: Annotated[float, typer.Option(help="Replay speed for a finished watch.")] = 60.0,
) -> None:
    """The live map of a watch: follows a running one, replays a finished one, through the same code."""
    from kuntur.ops import area as area_ops
    from kuntur.ops import stored
    from kuntur.server import app as server

    loaded = area_ops.load(area, terrain or [])
    with server.open_socket(host, port) as listening, stored.Follow(loaded, folder, speed=speed) as followed:
        server.run(followed, listening, announce=say)


@app.command()
def review(
    area: AreaArgument,
    folder: Annotated[Path, typer.Argument(help="Folder of a finished watch.")],
    terrain: TerrainOption = None,
    trial: Annotated[
        int, typer.Option(help="Also fly a Monte Carlo of this many simulated crossings against the plan.")
    ] = 0,
    confidence: Annotated[float, typer.Option(help="Confidence of the trial's intervals.")] = 0.99,
) -> None:
    """Replay a stored watch and write its report: promised against achieved, flown against planned."""
    from kuntur.ops import area as area_ops
    from kuntur.ops import stored

    with stage_bar() as progress:
        loaded = area_ops.load(area, terrain or [], progress=lambda f, w: progress("area", f, w))
        report = stored.review_folder(loaded, folder, trial=trial, confidence=confidence, progress=progress)
    say(str(report))


@app.command()
def verify(
    record: Annotated[
        Path | None, typer.Argument(help="The record folder; not needed when only a plan is recomputed.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint kept outside: proves that nothing older was rewritten.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The station's public key, kept outside: proves who signed.")] = None,
    recompute: Annotated[
        Path | None, typer.Option(help="A plan.json or a watch folder: compute every number of it again.")
    ] = None,
    area: Annotated[str | None, typer.Option("--area", help="With --recompute: the area the plan is for.")] = None,
    terrain: TerrainOption = None,
) -> None:
    """Check the whole tamper-evident record offline; with --recompute every number of plan, draw and report again."""
    from kuntur.ops import recompute as again
    from kuntur.ops import review as ops

    again.require_something(record, recompute, area)
    if record is not None:
        say(ops.verify_text(record, checkpoint, key))
    if recompute is not None and area is not None:
        with stage_bar() as progress:
            found = again.recompute_named(area, terrain or [], recompute, record=record, progress=progress)
        _print_recomputed(found.rows)
        again.require_same(found)


@record_app.command("recover")
def record_recover(
    record: Annotated[Path, typer.Argument(help="The record folder.")],
    operator: Annotated[str, typer.Option(help="Who recovers it: this id goes into the record.")] = "operator",
) -> None:
    """Finish the last entry that a power cut left half-written; says so in the record. A damaged record is refused."""
    from kuntur.model.records import Actor
    from kuntur.ops import review as ops

    say(ops.recover(record, Actor(id=operator, role="operator")))


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option(help="Fly one accelerated watch, write everything to --out, and end.")
    ] = False,
    folder: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("demo-out"),
    area: Annotated[str, typer.Option(help="The area to show.")] = "tambo_quemado",
    terrain: TerrainOption = None,
    port: Annotated[int, typer.Option(help="Port of the map page.")] = 8642,
    speed: Annotated[
        float | None, typer.Option(help="Speed of the simulated watch (default 20; headless 300).")
    ] = None,
) -> None:
    """The whole chain on simulated aircraft: survey, plan, fly, watch, review."""
    from kuntur.ops import night
    from kuntur.server import app as server

    if headless:
        with stage_bar() as progress:
            summary = night.headless(area, terrain or [], folder, speed=speed or 300.0, progress=progress)
        say(summary)
        return
    server.check_page()
    with server.open_socket("127.0.0.1", port) as listening:
        with stage_bar() as progress:
            prepared = night.prepare(area, terrain or [], folder, speed=speed or 20.0, progress=progress)
        with prepared:
            server.run(prepared, listening, announce=say)


def main() -> None:
    """Run, turning a KunturError into its message and remedy, and Ctrl-C into a clean end."""
    try:
        if code := app(standalone_mode=False, prog_name="kuntur"):  # Typer makes 130 of Ctrl-C
            sys.exit(code)
    except KunturError as error:
        err.print(f"[bold red]Error:[/] {escape(error.message)}")
        if error.remedy:
            err.print(f"[bold]What to do:[/] {escape(error.remedy)}")
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(130)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except Exception as error:
        # A mistake in the command line. Typer carries its own click, so such an error is known by what it can do.
        if callable(show := getattr(error, "show", None)) and isinstance(
            code := getattr(error, "exit_code", None), int
        ):
            show()
            sys.exit(code)
        raise
