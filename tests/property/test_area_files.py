"""Whatever stands in a file: an area, or an error a person can act on."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import small_area
from hypothesis import given, settings
from hypothesis import strategies as st

from kuntur import config
from kuntur.errors import BorderError, ConfigError
from kuntur.io import vectors
from kuntur.io.area_file import AreaFile

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
GOOD = tomllib.loads(small_area.TOML)


def places(table: dict[str, Any], prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key of a table, as a path."""
    found = []
    for key, value in table.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += places(value, (*prefix, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found += places(value[0], (*prefix, key, 0))
    return found


@given(st.sampled_from(places(GOOD)), anything)
@settings(max_examples=200)
def test_any_value_in_any_place(path: tuple[Any, ...], value: Any) -> None:
    table = json.loads(json.dumps(GOOD))
    spot = table
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = value
    try:
        config.decode(table, AreaFile, "area.toml")
    except ConfigError as error:
        assert "area.toml" in error.message
        assert error.remedy


@pytest.mark.parametrize("path", places(GOOD), ids=lambda path: ".".join(map(str, path)))
def test_any_misspelt_key_is_named_with_the_right_one(path: tuple[Any, ...]) -> None:
    table = json.loads(json.dumps(GOOD))
    spot = table
    for step in path[:-1]:
        spot = spot[step]
    key = path[-1]
    spot[f"{key}x"] = spot.pop(key)
    with pytest.raises(ConfigError) as caught:
        config.decode(table, AreaFile, "area.toml")
    assert f'unknown key "{key}x"' in caught.value.message
    assert caught.value.remedy == f'Did you mean "{key}"?'


@given(anything | st.fixed_dictionaries({"type": st.sampled_from(["LineString", "Feature"]), "coordinates": anything}))
def test_any_json_as_a_border(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "any.geojson"
    path.write_text(json.dumps(document))
    try:
        line = vectors.read_line(path)
    except BorderError as error:
        assert error.remedy
    else:
        assert line.shape[1] == 2
        assert len(line) >= 2
