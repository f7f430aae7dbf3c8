"""The part of an area file that `kuntur size` asks about: types, candidate bases and costs, checked.

Without [[size.aircraft]] the types are those of the area's own fleet. Costs are never made up: a type without one has
none, and the answer is then counted in aircraft.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import asdict, replace

from kuntur.errors import ConfigError
from kuntur.io import catalog
from kuntur.io.area_file import AircraftTable, AreaFile, BaseTable
from kuntur.model.assets import Aircraft, Base
from kuntur.model.sizing import AircraftCost, BaseCost, Sizing


def read(file: AreaFile, based: Callable[[BaseTable], Base]) -> Sizing:
    """The question of an area. based: a base of the file in the area's frame, on its terrain."""
    types = _types(file)
    bases = {base.id for base in file.base}
    for base in file.candidate_base:
        if base.id in bases:
            raise ConfigError(f'There are two bases "{base.id}".', remedy="Give [[candidate_base]] an id of its own.")
        bases.add(base.id)
    kinds = {one.id for one in types}
    costs: dict[tuple[str, str | None], AircraftCost] = {}
    for cost in file.cost:
        _known(cost.aircraft, kinds, "[[cost]] aircraft", "type of aircraft")
        if cost.base is not None:
            _known(cost.base, bases, "[[cost]] base", "base")
        if (cost.aircraft, cost.base) in costs:
            raise ConfigError(f'There are two costs of "{cost.aircraft}" at one place.', remedy="Keep one [[cost]].")
        words = {key: value for key, value in asdict(cost).items() if key not in ("aircraft", "base")}
        costs[cost.aircraft, cost.base] = AircraftCost(type_id=cost.aircraft, base_id=cost.base, **words)
    opening: dict[str, BaseCost] = {}
    for one in file.base_cost:
        _known(one.base, bases, "[[base_cost]] base", "base")
        if one.base in opening:
            raise ConfigError(f'There are two costs of the base "{one.base}".', remedy="Keep one [[base_cost]].")
        opening[one.base] = BaseCost(base_id=one.base, per_watch=one.per_watch, source=one.source, example=one.example)
    return Sizing(
        types=types,
        candidate_bases=tuple(based(base) for base in file.candidate_base),
        most_aircraft=file.size.most_aircraft,
        currency=file.size.currency,
        aircraft_costs=tuple(costs.values()),
        base_costs=tuple(opening.values()),
    )


def _known(name: str, names: set[str], where: str, kind: str) -> None:
    if name not in names:
        raise ConfigError(
            f'{where} names "{name}", which is no {kind} of this area.', remedy=f"Known: {', '.join(sorted(names))}."
        )


def _types(file: AreaFile) -> tuple[Aircraft, ...]:
    """The types asked for, or those that the area's own fleet consists of, each once."""
    base = file.base[0].id if file.base else ""
    if file.size.aircraft:
        tables = tuple(
            AircraftTable(system_id=k, base=base, **asdict(one)) for k, one in enumerate(file.size.aircraft, 1)
        )
        fleet = catalog.fleet(replace(file, aircraft=tables)).aircraft
    else:
        fleet = _distinct(catalog.fleet(file).aircraft)
    return tuple(replace(one, base_id="", system_id=0) for one in fleet)


def _distinct(fleet: tuple[Aircraft, ...]) -> tuple[Aircraft, ...]:
    """One of each make, called after its airframe (and camera, where two differ only there)."""
    makes: dict[tuple[str, ...], Aircraft] = {}
    for one in fleet:
        make = (one.airframe.id, one.camera.id, one.radio.id, str(one.turnround_s), *one.looks)
        makes.setdefault(make, one)
    named: dict[str, Aircraft] = {}
    for one in makes.values():
        name, words = one.airframe.id, one.airframe.name
        if name in named:
            name, words = f"{name}_{len(named) + 1}", f"{words} with {one.camera.name}"
        named[name] = replace(one, id=name, name=words)
    return tuple(named.values())
