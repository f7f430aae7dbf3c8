"""The exception tree. Every error says what is wrong, where, and what to do.

    KunturError
    |-- ConfigError        a settings or area file that cannot be used (unknown key, wrong type, contradiction)
    |-- TerrainError       terrain missing, unreadable, void where it matters, or not covering the place asked for
    |-- BorderError        border outside the terrain, degenerate, or the wrong side called ours
    |-- InfeasibleError    no plan, sortie or fleet can do what was asked: the binding constraint and the best reachable
    |-- LinkError          an aircraft or a feed does not answer, refuses, or answers with something else
    |-- RefusedError       policy did not grant a permit
    |-- RecordError        the oversight record is damaged, or cannot be appended to: names the first bad entry
    |-- StoreError         the watch store is missing, locked or damaged
    '-- BusyError          a port or a folder is in use by somebody else

The command line prints `message` and `remedy` and exits with `exit_code`; nothing else is ever shown for one of these.
"""

from __future__ import annotations


class KunturError(Exception):
    """Something a person can put right. `message` says what and where; `remedy` says what to do."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigError(KunturError):
    exit_code = 2


class TerrainError(KunturError):
    exit_code = 3


class BorderError(KunturError):
    exit_code = 3


class InfeasibleError(KunturError):
    exit_code = 4


class LinkError(KunturError):
    exit_code = 5


class RefusedError(KunturError):
    exit_code = 6


class RecordError(KunturError):
    exit_code = 7


class StoreError(KunturError):
    exit_code = 8


class BusyError(KunturError):
    exit_code = 9
