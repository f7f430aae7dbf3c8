"""What terrain data cannot know: its vertical error, and what that leaves of a sight line."""

from __future__ import annotations

from msgspec import Struct


class Doubt(Struct, frozen=True, kw_only=True):
    """The vertical error of a terrain, and how far planning stays away from it.

    sigma_m: standard deviation. correlation_m: the distance at which the correlation of two places' errors has fallen
    to exp(-1). z: how many standard deviations of the sight line's own error are kept clear (1.645: 95 % one-sided).
    """

    sigma_m: float
    correlation_m: float
    z: float = 1.645
