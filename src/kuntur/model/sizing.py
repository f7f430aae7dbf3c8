"""What a fleet may be made of, where it may be based, and what that costs: the question that `kuntur size` answers."""

from __future__ import annotations

from msgspec import Struct

from kuntur.model.assets import Aircraft, Base


class AircraftCost(Struct, frozen=True, kw_only=True):
    """What one aircraft of a type costs, in the currency of the question; at one base where base_id says so.

    purchase: aircraft, camera, radio and its share of spares, once. life_watches: watches until it is replaced.
    crew_per_watch: all who are paid for it to fly one watch. per_flight_hour: fuel or charging, wear, repair.
    example: a made-up figure that shows the form of the answer, nobody's price.
    """

    type_id: str
    base_id: str | None
    purchase: float
    life_watches: float
    crew_per_watch: float
    per_flight_hour: float
    source: str
    example: bool = False

    def per_watch(self, flight_hours: float) -> float:
        """Purchase spread over the watches of its life, its crew, and the hours it flies."""
        return self.purchase / self.life_watches + self.crew_per_watch + self.per_flight_hour * flight_hours


class BaseCost(Struct, frozen=True, kw_only=True):
    """What it costs to keep a base open for one watch, however many aircraft are there."""

    base_id: str
    per_watch: float
    source: str
    example: bool = False


class Sizing(Struct, frozen=True, kw_only=True):
    """Types of aircraft (their base_id is empty, their system_id 0), bases beyond the area's, and costs where known.

    most_aircraft: fleets are looked for up to this size; every statement is about those. currency: of all costs.
    """

    types: tuple[Aircraft, ...]
    candidate_bases: tuple[Base, ...]
    most_aircraft: int
    currency: str
    aircraft_costs: tuple[AircraftCost, ...] = ()
    base_costs: tuple[BaseCost, ...] = ()
