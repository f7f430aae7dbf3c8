"""Kuntur: unarmed drone surveillance of a mountain border, from terrain to a tamper-evident record.

The Python face is what `__all__` lists; everything else may move.

    import kuntur

    area = kuntur.load("tambo_quemado")
    seen = kuntur.see(area, lat_deg=-18.28, lon_deg=-69.05, height_agl_m=150.0)   # an xarray DataArray with its CRS
    survey = kuntur.survey(area)
    strategy = kuntur.plan(area, seconds=30)
    print(strategy.certificate.floor, strategy.certificate.attack, strategy.certificate.ceiling)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["KunturError", "__version__", "load", "plan", "see", "survey"]

# Loaded on first use: the compiled core is a submodule, so importing it must not pull in the rooms that import it.
_HOME = {
    "KunturError": "kuntur.errors",
    "load": "kuntur.ops.area",
    "plan": "kuntur.ops.plan",
    "see": "kuntur.ops.see",
    "survey": "kuntur.ops.survey",
}

if TYPE_CHECKING:
    from kuntur.errors import KunturError
    from kuntur.ops.area import load
    from kuntur.ops.plan import plan
    from kuntur.ops.see import see
    from kuntur.ops.survey import survey


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kuntur' has no attribute {name!r}; it exports {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
