"""Where the settings come from: kuntur.toml and the environment."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from kuntur import config
from kuntur.errors import ConfigError


def load(path: Path | None = None) -> config.Settings:
    """Settings of `path`, else of the file that KUNTUR_CONFIG names, else of ./kuntur.toml, else the defaults."""
    named = path or (Path(os.environ["KUNTUR_CONFIG"]) if os.environ.get("KUNTUR_CONFIG") else None)
    found = named or Path("kuntur.toml")
    if not found.is_file():
        if named is not None:
            raise ConfigError(f"There is no settings file {found}.", remedy="Correct the path, or leave it out.")
        return config.settings({}, os.environ)
    try:
        table = tomllib.loads(found.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{found} is no readable TOML: {error}.", remedy="Correct the file.") from error
    return config.settings(table, os.environ, str(found))


def cache_folder(settings: config.Settings | None = None) -> Path:
    """The folder of downloads and drawings: the setting, else $XDG_CACHE_HOME/kuntur, else ~/.cache/kuntur."""
    chosen = settings or load()
    if chosen.cache_folder:
        return Path(chosen.cache_folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "kuntur"
