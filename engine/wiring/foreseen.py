"""What an action that waits for approval would do, asked of its target before people are told, so
that the message says it, and when that was: without it a reader at night approves blind.

It goes the way of a rehearsal: there is nothing to write with. The event of the level keeps what
was said, so a message that is sent again says the same. What cannot be previewed, or not in time,
is said to be so, and people are told all the same; a reminder asks anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.clock import Clock
from engine.core.judge import Outcome
from engine.core.state import State
from engine.core.words import when

PREVIEW_S = 5.0
"""For one preview: whoever may approve is told by then, with it or without."""

LINES_MAX = 2
"""Of what a preview says: its essence. All of it is behind the link, and asked afresh there."""

LINE_MAX_CHARS = 200

Rehearsing = Callable[[Mapping[str, Any], Callable[[str], None]], Awaitable[Outcome]]
"""Previews a plan."""


@dataclass(slots=True)
class Foreseeing:
    """Asks for one run. What was said for a level is kept until the level is written down."""

    rehearse: Rehearsing
    redact: Callable[[Any], Any]
    clock: Clock
    _seen: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def first(self, state: State, body: Mapping[str, Any]) -> Coroutine[Any, Any, None] | None:
        """What is asked before people are told; None: nothing, or it is known."""
        asked = state.escalations[body["escalation"]].question
        if asked.get("kind") != "approve" or body.get("skipped") or _key(body) in self._seen:
            return None
        plan = state.steps[asked["path"]].plan
        return self._first(_key(body), str(asked["path"]), plan)

    def taken(self, body: Mapping[str, Any]) -> list[str]:
        """What was said for a level, once; empty where nothing was asked."""
        return self._seen.pop(_key(body), [])

    async def _first(self, key: tuple[str, int], path: str, plan: Mapping[str, Any]) -> None:
        body = {"path": path, "kind": "action", "attempt": 1, "plan": plan}
        try:
            async with asyncio.timeout(PREVIEW_S):
                outcome = await self.rehearse(body, lambda _text: None)
        except TimeoutError:
            self._seen[key] = [f"It could not be previewed: no answer within {PREVIEW_S:g} s"]
            return
        now_us = self.clock.now_us()
        self._seen[key] = list(essence(self.redact(_found(outcome)), plan, when(now_us, now_us)))


def _key(body: Mapping[str, Any]) -> tuple[str, int]:
    return body["escalation"], body.get("round", 1)


def _found(outcome: Outcome) -> dict[str, Any]:
    """`{error}`, or a preview."""
    if outcome.error is not None:
        return {"error": outcome.error["message"]}
    return dict((outcome.result or {}).get("preview") or {})


def essence(found: Mapping[str, Any], plan: Mapping[str, Any], at: str) -> list[str]:
    """A preview in a line or two, with its time. `found`: without secrets, before anything is cut:
    half a secret would not be recognised.
    """
    if "error" in found:
        return [_line(f"It could not be previewed: {found['error']}")]
    said = [_line(line) for line in str(found.get("text") or "").splitlines() if line.strip()]
    if not said:
        return ["It could not be previewed: its preview says nothing"]
    lines = [f"Preview at {at}: {said[0]}", *said[1:LINES_MAX]]
    if len(said) > LINES_MAX:
        lines[-1] += " (it goes on)"
    affected, most = found.get("affected"), plan.get("max_affected")
    if affected is not None and most is not None and affected > most:
        lines.append(f"That is {affected}, and at most {most} may be: it would not be done")
    if found.get("doubt"):
        lines.append(_line(f"But {found['doubt']}"))
    return lines


def _line(text: str) -> str:
    said = " ".join(text.split())
    return said if len(said) <= LINE_MAX_CHARS else f"{said[: LINE_MAX_CHARS - 3]}..."


def together(*asking: Coroutine[Any, Any, None] | None) -> Coroutine[Any, Any, None] | None:
    """What is to be asked, all at the same time; None: nothing."""
    wanted = [one for one in asking if one is not None]
    return _all(wanted) if wanted else None


async def _all(asking: list[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*asking)
