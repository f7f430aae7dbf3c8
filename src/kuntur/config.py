"""Settings, and the strict reader that every TOML file of Kuntur goes through.

A file is refused for an unknown key (the nearest known one is named), a wrong type, a missing key or a number that is
not finite. `decode` works on a parsed table: reading files is the business of `io`.
"""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from kuntur.errors import ConfigError

T = TypeVar("T", bound=Struct)


class Settings(Struct, frozen=True, kw_only=True):
    """What is not of one area but of this installation: kuntur.toml, each key also as KUNTUR_<KEY> in the environment.

    tile_address: where `kuntur area fetch` finds Copernicus GLO-30, as <address>/<tile>/<tile>.tif.
    cache_folder: downloaded tiles and drawn sketches; empty is $XDG_CACHE_HOME/kuntur or ~/.cache/kuntur.
    """

    tile_address: Annotated[str, Meta(pattern="^https?://")] = "https://copernicus-dem-30m.s3.amazonaws.com"
    cache_folder: str = ""


def settings(table: Mapping[str, Any], environment: Mapping[str, str], where: str = "kuntur.toml") -> Settings:
    """Settings of a parsed kuntur.toml; the environment wins. ConfigError for an unknown key or a wrong value."""
    from_environment = {
        field.name: environment[name]
        for field in msgspec.structs.fields(Settings)
        if (name := f"KUNTUR_{field.name.upper()}") in environment
    }
    decode(table, Settings, where)
    return decode({**table, **from_environment}, Settings, f"{where} and the environment (KUNTUR_...)")


def decode(table: Mapping[str, Any], schema: type[T], where: str) -> T:
    """`table` as `schema`; ConfigError naming `where` (file, then table) and the key otherwise."""
    hints = get_type_hints(schema, include_extras=True)
    for key in table:
        if key not in hints:
            raise _unknown_key(where, key, hints)
    values = {key: _value(value, hints[key], where, key) for key, value in table.items()}
    for field in msgspec.structs.fields(schema):
        if field.required and field.name not in values:
            raise ConfigError(f'{where}: the key "{field.name}" is missing.', remedy="Add it.")
    return schema(**values)


def _value(value: Any, hint: Any, where: str, key: str) -> Any:
    inner = _inner(hint)
    if isinstance(inner, type) and issubclass(inner, Struct):
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where}: "{key}" must be a table.', remedy=f"Write [{key}] and its keys below it.")
        return decode(value, inner, f"{where}, [{key}]")
    if get_origin(inner) is tuple and isinstance(item := get_args(inner)[0], type) and issubclass(item, Struct):
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise ConfigError(f'{where}: "{key}" must be an array of tables.', remedy=f"Write [[{key}]] for each.")
        return tuple(decode(one, item, f"{where}, [[{key}]] {_label(one, n)}") for n, one in enumerate(value, 1))
    _refuse_infinite(value, where, key)
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        reason = str(error).split(" - at ")[0]
        raise ConfigError(f'{where}: "{key}" is {value!r}. {reason}.', remedy="Correct the value.") from error


def _inner(hint: Any) -> Any:
    """The struct or tuple type inside `X | None`."""
    if get_origin(hint) in (typing.Union, typing.get_origin(int | None)):
        rest = [arg for arg in get_args(hint) if arg is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _label(table: Any, number: int) -> str:
    name = table.get("id") or table.get("name") if isinstance(table, Mapping) else None
    return f'{number} ("{name}")' if name else str(number)


def _refuse_infinite(value: Any, where: str, key: str) -> None:
    if isinstance(value, list):
        for one in value:
            _refuse_infinite(one, where, key)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f'{where}: "{key}" is {value}, which is no number to work with.', remedy="Correct the value.")


def _unknown_key(where: str, key: str, known: Mapping[str, Any]) -> ConfigError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f'Did you mean "{near[0]}"?' if near else f"Known keys: {', '.join(sorted(known))}."
    return ConfigError(f'{where}: unknown key "{key}".', remedy=hint)
