"""How a run ends, and whom it calls: what a replay puts beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.events import Draft, Event
from engine.scenario.story import heard_in


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ends. `outcome` is None where that is not known: `waits_for` says for what."""

    outcome: str | None
    because: str | None = None
    outputs: Mapping[str, Any] | None = None
    messages: tuple[tuple[str, str | None], ...] = ()
    """Policy and text of what people are told."""

    def to_json(self) -> dict[str, Any]:
        messages = [{"policy": policy, "text": text} for policy, text in self.messages]
        known = {"outcome": self.outcome, "because": self.because, "outputs": self.outputs}
        return {**known, "messages": messages}


def ending(events: Sequence[Event | Draft]) -> Ending:
    """How a list of events ends."""
    messages = tuple(
        (event.body["plan"]["policy"], event.body["plan"]["message"])
        for event in events
        if event.type == "StepStarted"
        and event.body["kind"] == "escalate"
        and event.body["attempt"] == 1
    )
    last = [event.body for event in events if event.type == "RunFinished"]
    if not last:
        return Ending(None, messages=messages)
    return Ending(last[0]["outcome"], last[0]["because"], last[0]["outputs"], messages)


def pages(events: Sequence[Event | Draft]) -> list[Mapping[str, Any]]:
    """Messages by which people were called."""
    return [one for one in heard_in(events).told if one["kind"] == "page"]


def besides_of(
    some: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """Messages that the others have not, whenever it was."""
    rest = [(one["of"], one["who"], one["by"]) for one in others]
    found = []
    for one in some:
        called = (one["of"], one["who"], one["by"])
        if called in rest:
            rest.remove(called)
        else:
            found.append(one)
    return tuple(found)
