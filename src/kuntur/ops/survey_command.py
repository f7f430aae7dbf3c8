"""`kuntur survey`: an area's survey, or a wide one of terrain files, from what was typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from kuntur.errors import ConfigError
from kuntur.ops import area as area_ops
from kuntur.ops import survey, wide
from kuntur.ops.cluster import Cluster
from kuntur.ops.window import Looks
from kuntur.visibility import detection

Progress = Callable[[float, str], None]


class Asked(Struct, frozen=True, kw_only=True):
    """The options. Those of a wide survey are refused beside an area, which says them itself."""

    route: Path | None = None
    step_m: float = 100.0
    viewpoints: Path | None = None
    every_km: float | None = None
    height_agl_m: float | None = None
    range_m: float | None = None
    target_height_m: float = detection.VISIBLE_HEIGHT_M["person"]
    mode: str = "accurate"
    quantities: tuple[str, ...] = ()
    vertical_datum: str | None = None
    block: int = wide.BLOCK
    workers: int = 0
    scheduler: str = ""


WIDE_ONLY = {
    "route": "--route", "step_m": "--step", "viewpoints": "--viewpoints", "every_km": "--every-km",
    "height_agl_m": "--height", "range_m": "--range", "target_height_m": "--target-height", "mode": "--mode",
    "quantities": "--quantity", "vertical_datum": "--vertical-datum", "block": "--block",
}  # fmt: skip


def run(area: str | None, terrain: Sequence[Path], folder: Path, asked: Asked, *, progress: Progress) -> str:
    """Survey, write to `folder`, and return what to tell the user. Raises ConfigError where options contradict."""
    cluster = Cluster(workers=asked.workers, scheduler=asked.scheduler)
    if area is None:
        return _wide(terrain, folder, asked, cluster, progress)
    for field in msgspec.structs.fields(Asked):
        if field.name in WIDE_ONLY and getattr(asked, field.name) != field.default:
            raise ConfigError(
                f"An area says itself what to survey; {WIDE_ONLY[field.name]} is for a survey of terrain files.",
                remedy="Leave out the AREA, or the option.",
            )
    loaded = area_ops.load(area, terrain)
    result = survey.survey(loaded, cluster=cluster, progress=progress)
    return "\n".join(str(path) for path in survey.write_survey(result, loaded, folder))


def _wide(terrain: Sequence[Path], folder: Path, asked: Asked, cluster: Cluster, progress: Progress) -> str:
    if not terrain:
        raise ConfigError("There is nothing to survey.", remedy="Give an AREA, or files by --terrain.")
    if asked.height_agl_m is None or asked.range_m is None:
        raise ConfigError(
            "A survey of terrain files needs to know how high and how far.", remedy="Give --height and --range."
        )
    try:
        looks = msgspec.convert(
            {
                "height_agl_m": asked.height_agl_m,
                "range_m": asked.range_m,
                "target_height_m": asked.target_height_m,
                "mode": asked.mode,
                **({"quantities": asked.quantities} if asked.quantities else {}),
            },
            Looks,
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"That cannot be surveyed: {error}.", remedy="See kuntur survey --help.") from error
    result = wide.survey_files(
        terrain, looks, folder, route=asked.route, points=asked.viewpoints,
        every_m=None if asked.every_km is None else asked.every_km * 1e3, step_m=asked.step_m,
        vertical_datum=asked.vertical_datum, block=asked.block, cluster=cluster, progress=progress,
    )  # fmt: skip
    return _told(result)


def _told(result: wide.Wide) -> str:
    summary = result.summary
    points = summary["viewpoints"]
    lines = [
        f"{points['count']} viewpoints see {summary['seen_km2']:.1f} km²; unknown: {summary['unknown_km2']:.1f} km²."
    ]
    if points["without_ground"]:
        lines.append(
            f"{points['without_ground']} viewpoints have no known ground below them: nothing was seen from them."
        )
    lines.append(f"A line of sight may lie {summary['line_error_m']:g} m beside the true one.")
    return "\n".join([*lines, *(str(path) for path in result.rasters.values())])
