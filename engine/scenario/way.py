"""The way that a run took, and where another run of the same kind goes another way.

A way is a list of moments: a step begins (asking this), ends (with this status), is skipped; the
run ends. What is only said of a step (its title, its limits of time) is no part of it. Steps of one
block come one after the other, so moments are compared block by block: in what order parallel
branches got on is chance. Numbers in ids that nobody gave (`choose-2`) move when a step is put in
front, so they count for nothing.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.core.events import Draft, Event
from engine.scenario.names import plain_id
from engine.scenario.recorded import asked

_BLOCK = re.compile(r"(way|branch|item)-\d+")
_STEPS = ("check", "action", "escalate")
_BEGINS = ("StepStarted", "ApprovalRequested")


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. Two are the same when `block`, `what` and `of` are."""

    block: str
    of: str
    """The step, by its id without the loader's number; empty for the run."""
    what: tuple[str, ...]
    event: Event | Draft

    @property
    def path(self) -> str:
        return str(self.event.body.get("path", ""))

    def same(self, other: Moment) -> bool:
        mine, others = (self.block, self.of, self.what), (other.block, other.of, other.what)
        return mine == others


def way(events: Iterable[Event | Draft]) -> list[Moment]:
    """The moments of a run, in order."""
    found: list[Moment] = []
    names: dict[str, str] = {}
    for event in events:
        body, path = event.body, str(event.body.get("path", ""))
        what = _what(event)
        if event.type in _BEGINS and "way" in body["plan"]:
            names[f"{path}/way-{body['plan']['way']}"] = body["plan"]["name"] or "otherwise"
        if what is not None:
            block, _, last = path.rpartition("/")
            found.append(Moment(_block(block, names), plain_id(last), what, event))
    return found


def _what(event: Event | Draft) -> tuple[str, ...] | None:
    body = event.body
    if event.type in _BEGINS:
        if body.get("attempt", 0) > 1:
            return None
        word = "begins" if event.type == "StepStarted" else "waits for approval"
        return (word, json.dumps(_asks(body, event.at_us), sort_keys=True))
    if event.type == "StepFinished":
        return ("ends", body["status"])
    if event.type == "StepSkipped":
        return ("is skipped",)
    if event.type == "RunFinished":
        return ("the run ends", body["outcome"], body["because"] or "")
    return None


def _asks(body: Mapping[str, Any], at_us: int) -> dict[str, Any]:
    plan = asked(body["plan"])
    plan.pop("branches", None)  # one more shows itself
    if "name" in plan and "way" in plan:
        plan = {"way": plan["name"]} if plan["name"] else {"way": plan["way"] is not None}
    if "until_us" in plan:
        plan = {"waits_us": plan["until_us"] - at_us}
    return plan


def _block(block: str, names: Mapping[str, str]) -> str:
    """The block without the numbers that move."""
    parts, so_far = [], ""
    for part in block.split("/"):
        so_far = f"{so_far}/{part}" if so_far else part
        if so_far in names:
            parts.append(f"way {names[so_far]}")
        else:
            parts.append(part if _BLOCK.fullmatch(part) else plain_id(part))
    return "/".join(parts)


def parting(then: list[Moment], now: list[Moment]) -> tuple[Moment | None, Moment | None] | None:
    """The first moment in which two ways differ, of each; None where they do not."""
    theirs: dict[str, list[Moment]] = defaultdict(list)
    for moment in then:
        theirs[moment.block].append(moment)
    seen: dict[str, int] = defaultdict(int)
    for moment in now:
        at = seen[moment.block]
        seen[moment.block] += 1
        own = theirs[moment.block]
        if at >= len(own):
            return None, moment
        if not own[at].same(moment):
            return own[at], moment
    for moment in then:
        if moment in theirs[moment.block][seen[moment.block] :]:
            return moment, None
    return None


def taken(moments: Iterable[Moment]) -> dict[tuple[str, str], Moment]:
    """The checks, actions and escalations that were begun, by block and step."""
    return {
        (moment.block, moment.of): moment
        for moment in moments
        if moment.what[0] == "begins" and moment.event.body["kind"] in _STEPS
    }
