"""Times in a `contacts.yaml` that are too short to mean anything, or that bring nothing: told while
the file is written, not at night.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.config.fields import Fields
from engine.language.duration import format_duration
from engine.language.nodes import Node, Scalar
from engine.language.words import named

if TYPE_CHECKING:
    from engine.config.contacts import Contacts, Level

SHORTEST_S = 60.0
"""What it takes at least until people are told again, until what was taken begins anew, and until
an answer is due: people need a minute to find their telephone, and a place that is written to more
often is one that nobody reads.
"""


def seconds(fields: Fields, node: Node, name: str) -> float | None:
    """A time that has a shortest one."""
    found = fields.seconds(node, name)
    if found is not None and found < SHORTEST_S:
        what = f"{named(name)} takes {format_duration(SHORTEST_S)} or more"
        fields.error("RB826", f"{what}, not {format_duration(found)}", node)
    return found


def waited(fields: Fields, node: Node | None, name: str) -> float | None:
    """A time to wait until people are called. A number without a unit counts seconds, and whoever
    wrote it may have meant minutes.
    """
    if node is None:
        return None
    found = fields.seconds(node, name)
    value = node.value if isinstance(node, Scalar) else None
    if found and isinstance(value, int | float):
        what = f"{named(name)} is {format_duration(found)}: a number without a unit counts seconds"
        hint = f"{value}m, if minutes are meant; or {value}s"
        fields.warn("RB875", what, node, hint)
    return found


def check_levels(fields: Fields, levels: Sequence[Level]) -> None:
    """Nobody is called twice at one moment by one channel: the second brings nothing."""
    together: list[Level] = []
    for number, level in enumerate(levels, 1):
        if level.after_s:
            together = []
        for other in together:
            same = [who for who in level.who if who in other.who and level.by[:1] == other.by[:1]]
            if same:
                what = f"level {number} calls {named(same[0])} at the same time by the same channel"
                first = number - len(together) + together.index(other)
                hint = "give it an `after`, or another channel"
                fields.collector.warn("RB828", f"{what} as level {first}", level.place, hint)
                break
        together.append(level)


def check_severity(fields: Fields, node: Node, respond_s: float | None, contacts: Contacts) -> None:
    """Somebody is called before they should have answered. `node`: of the severity."""
    given = {key.text: value for key, value in getattr(node, "pairs", ())}
    policy = getattr(given.get("policy"), "text", "default")
    levels = contacts.policies.get(policy)
    if not levels or respond_s is None or levels[0].after_s < respond_s:
        return
    within, after = format_duration(respond_s), format_duration(levels[0].after_s)
    what = f"the policy {named(policy)} calls nobody within {within}: its first level comes after"
    hint = "call the first level sooner: behind its `after` nobody can have answered in time"
    fields.warn("RB828", f"{what} {after}", given["respond_within"], hint)
