"""What `kuntur size` answers: an interval of cost, every fleet that was planned, and what one more aircraft brings."""

from __future__ import annotations

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from kuntur.units import at_least, at_most


class Tried(Struct, frozen=True, kw_only=True):
    """A fleet that was planned. ceiling: proven, no plan of it exceeds that. floor, attack: of its plan's certificate;
    None where it has no plan, and then why."""

    fleet: dict[str, int]
    cost: float
    ceiling: float
    floor: float | None
    attack: float | None
    seconds: float
    why: str | None


class Marginal(Struct, frozen=True, kw_only=True):
    """One aircraft more than `base_fleet`. floor_gain: by the plans made, None where it was not planned."""

    more: str
    opens_base: bool
    cost: float
    ceiling_gain: float
    floor_gain: float | None


class Answer(Struct, frozen=True, kw_only=True):
    """The interval [cost_floor, certified_cost] and all it rests on.

    cost_floor: proven, no fleet of up to `most_aircraft` that costs less can be certified for `detection_prob` on this
    lattice; floor_fleet: a cheapest one that is not ruled out; floor_closed: more time with the same method would not
    rule it out. certified_cost: the cheapest fleet found whose plan is certified; None where none was. ceilings: (cost,
    detection) that no fleet of up to that cost exceeds, as steps. window_s: the promise covers at least that long.
    """

    area_id: str
    title: str
    detection_prob: float
    unit: str
    cost_floor: float
    floor_fleet: dict[str, int]
    floor_closed: bool
    cuts: int
    highest: float
    most_aircraft: int
    certified_cost: float | None
    certified_fleet: dict[str, int] | None
    tried: tuple[Tried, ...]
    ceilings: tuple[tuple[float, float], ...]
    base_fleet: dict[str, int] | None
    more: tuple[Marginal, ...]
    notes: tuple[str, ...]
    stopped: bool
    window_s: float
    simulated: tuple[str, ...]
    seconds: float
    input_hashes: dict[str, str]


def words(fleet: dict[str, int]) -> str:
    """ "2 scaneagle at sajama, 1 rotor at post"."""
    return ", ".join(f"{count} {name}" for name, count in fleet.items())


def front(answer: Answer) -> list[Tried]:
    """Fleets that no cheaper or equally dear planned one matches, cheapest first."""
    best, kept = 0.0, []
    for one in sorted(answer.tried, key=lambda one: (one.cost, -(one.floor or 0.0))):
        if one.floor is not None and one.floor > best:
            kept.append(one)
            best = one.floor
    return kept


def interval(answer: Answer) -> list[str]:
    """The answer in sentences: what is proven, what is certified, and how far they are apart."""
    p = f"{answer.detection_prob:.2f}"
    said = [
        f"Proven: no fleet below {amount(answer.cost_floor)} {answer.unit} can be certified for a detection of {p}. "
        f"The cheapest that is not ruled out: {words(answer.floor_fleet)}."
    ]
    if answer.certified_cost is None or answer.certified_fleet is None:
        best = max((one.floor or 0.0 for one in answer.tried), default=0.0)
        said.append(
            f"Certified: none of the {len(answer.tried)} fleets planned; the highest certified floor is "
            f"{at_least(best):.2f}. "
            f"That proves nothing too small: more time may do it. Proven is that no fleet of up to "
            f"{answer.most_aircraft} exceeds {at_most(answer.highest):.2f}."
        )
    else:
        above = amount(answer.certified_cost, up=True)
        said.append(
            f"Certified: {words(answer.certified_fleet)}, at {above} {answer.unit}: the cheapest certified of the "
            f"{len(answer.tried)} fleets planned."
        )
        said.append(
            f"So the cheapest fleet that can be certified costs between {amount(answer.cost_floor)} and {above} "
            f"{answer.unit} (ratio {answer.certified_cost / answer.cost_floor:.2f})."
        )
    if answer.stopped:
        said.append("Stopped early: the same command with the same folder goes on from here.")
    return said


def amount(cost: float, *, up: bool = False) -> str:
    """A cost for people: a proven floor rounded down, a price to be paid rounded up."""
    rounded = at_most if up else at_least
    return f"{rounded(cost, 0):,.0f}" if cost >= 100.0 or cost == int(cost) else f"{rounded(cost):.2f}"


def show(answer: Answer, console: Console) -> None:
    """Every fleet planned, what one more aircraft brings, and the interval, in this order: the answer stands last."""
    best = front(answer)
    tried = Table(title="Fleets planned, cheapest first (* on the Pareto front)", title_justify="left")
    for column in ("", "fleet", answer.unit, "certified", "attack found", "ceiling"):
        tried.add_column(column)
    for one in answer.tried:
        numbers = (
            "-" if value is None else f"{said(value):.2f}"
            for value, said in ((one.floor, at_least), (one.attack, float), (one.ceiling, at_most))
        )
        tried.add_row("*" if one in best else "", "\n".join(words({k: n}) for k, n in one.fleet.items()),
                      amount(one.cost, up=True), *numbers)  # fmt: skip
    console.print(tried)
    for why in dict.fromkeys(one.why for one in answer.tried if one.why):
        console.print(f"No plan: {why}", markup=False, soft_wrap=True)
    if answer.base_fleet is not None and answer.more:
        more = Table(title=f"One aircraft more than {words(answer.base_fleet)}", title_justify="left")
        for column in ("", answer.unit, "certified floor gains", "proven ceiling gains"):
            more.add_column(column)
        for extra in sorted(answer.more, key=lambda extra: (-(extra.floor_gain or 0.0), -extra.ceiling_gain)):
            gain = "not planned" if extra.floor_gain is None else f"{extra.floor_gain:+.2f}"
            name = f"{extra.more}{' (opens the base)' if extra.opens_base else ''}"
            more.add_row(name, amount(extra.cost, up=True), gain, f"{extra.ceiling_gain:+.2f}")
        console.print(more)
    for text in (*answer.notes, *interval(answer)):
        console.print(text, markup=False, soft_wrap=True)
