"""The strict reader says which key, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from kuntur import config
from kuntur.errors import ConfigError
from kuntur.io import settings


class Wheel(Struct, frozen=True, kw_only=True):
    id: str
    radius_m: float


class Cart(Struct, frozen=True, kw_only=True):
    name: str
    wheel: tuple[Wheel, ...]
    load_kg: float | None = None
    spare: Wheel | None = None


GOOD = {"name": "cart", "load_kg": 12, "wheel": [{"id": "left", "radius_m": 0.5}, {"id": "right", "radius_m": 0.5}]}


def test_a_good_table() -> None:
    cart = config.decode({**GOOD, "spare": {"id": "spare", "radius_m": 1}}, Cart, "cart.toml")
    assert cart.load_kg == 12.0
    assert [wheel.id for wheel in cart.wheel] == ["left", "right"]
    assert cart.spare == Wheel(id="spare", radius_m=1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lod_kg": 1.0}, ['cart.toml: unknown key "lod_kg"', 'Did you mean "load_kg"?']),
        ({"zzz": 1.0}, ['unknown key "zzz"', "Known keys: load_kg, name, spare, wheel"]),
        ({"load_kg": "heavy"}, ['"load_kg" is \'heavy\'', "float"]),
        ({"load_kg": float("nan")}, ['"load_kg" is nan']),
        ({"load_kg": float("inf")}, ['"load_kg" is inf']),
        ({"wheel": 4}, ['"wheel" must be an array of tables']),
        ({"spare": 4}, ['"spare" must be a table']),
        ({"spare": {"id": "x"}}, ["cart.toml, [spare]", '"radius_m" is missing']),
        ({"wheel": [{"id": "left", "radius_m": 0.5}, {"id": "right", "radius": 0.5}]},
         ['cart.toml, [[wheel]] 2 ("right")', 'unknown key "radius"', 'Did you mean "radius_m"?']),
        ({"wheel": [{"id": "left", "radius_m": True}]}, ['[[wheel]] 1 ("left")', '"radius_m" is True']),
    ],
)  # fmt: skip
def test_what_is_refused(change: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config.decode({**GOOD, **change}, Cart, "cart.toml")
    for word in words:
        assert word in str(caught.value)


def test_settings_come_from_the_file_and_the_environment_wins(tmp_path, monkeypatch) -> None:
    file = tmp_path / "kuntur.toml"
    file.write_text('tile_address = "https://a.example"\ncache_folder = "~/tiles"\n', encoding="utf-8")
    assert settings.load(file).tile_address == "https://a.example"
    monkeypatch.setenv("KUNTUR_TILE_ADDRESS", "http://b.example/x")
    assert settings.load(file).tile_address == "http://b.example/x"
    assert settings.cache_folder(settings.load(file)) == Path("~/tiles").expanduser()
    monkeypatch.setenv("KUNTUR_TILE_ADDRESS", "ftp://b.example")
    with pytest.raises(ConfigError, match="tile_address"):
        settings.load(file)


def test_the_cache_folder_follows_the_user(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUNTUR_CACHE_FOLDER", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert settings.cache_folder() == tmp_path / "c" / "kuntur"
    monkeypatch.setenv("KUNTUR_CACHE_FOLDER", str(tmp_path / "d"))
    assert settings.cache_folder() == tmp_path / "d"


def test_an_unknown_setting_and_a_missing_file_are_errors(tmp_path, monkeypatch) -> None:
    file = tmp_path / "kuntur.toml"
    file.write_text('tile_adress = "https://a.example"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r'unknown key "tile_adress".* Did you mean "tile_address"\?'):
        settings.load(file)
    file.write_text("tile_address = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="no readable TOML"):
        settings.load(file)
    monkeypatch.setenv("KUNTUR_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="no settings file"):
        settings.load()


def test_every_setting_is_described() -> None:
    for name in config.Settings.__struct_fields__:
        assert f"{name}:" in (config.Settings.__doc__ or "")
