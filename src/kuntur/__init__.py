"""Kuntur: unarmed drone surveillance of a mountain border, from terrain to a tamper-evident record."""

__version__ = "0.1.0"
