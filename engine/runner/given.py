"""What a driver is given, and what it hears of while it drives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from msgspec import Struct

from engine.clock import Clock
from engine.core.effects import Question, Tell
from engine.core.events import Actor, Event
from engine.core.judge import Outcome
from engine.core.state import State
from engine.journal.contract import Lease, Store
from engine.language.model import Runbook
from engine.runner.minding import Minding

Performing = Callable[[Mapping[str, Any], Callable[[str], None]], Awaitable[Outcome]]
"""Carries out the plan of a `StepStarted` body; never raises but for CancelledError."""

Called = Callable[[State, Mapping[str, Any]], Mapping[str, Any]]
"""Whom a level calls, and what there is to say: what a `LevelDue` has besides what was decided."""

First = Callable[[State, Mapping[str, Any]], Coroutine[Any, Any, None] | None]
"""What is to be asked before it can be said whom a level calls; None: nothing. It ends in seconds,
and raises CancelledError only.
"""

Telling = Callable[[Tell, Callable[[], Awaitable[bool]]], Awaitable[Outcome]]
"""Tells somebody by a channel, unless the second says that nobody needs it any more; never raises
but for CancelledError.
"""

Asker = Callable[[Question], Awaitable[Coroutine[Any, Any, None] | None]]
"""Asks whoever sits at the terminal: what records their answer, or None to leave the question open.
It raises JournalError only.
"""


def to_judge(outcome: Outcome, redact: Callable[[Any], Any]) -> Outcome:
    """With its share of chance, and without secrets: a line that is cut could cut one."""
    drawn = random.random()  # noqa: S311 - jitter, no secret
    return Outcome(redact(outcome.result), redact(outcome.error), outcome.elapsed_ms, drawn)


class Came(Struct, frozen=True):
    """An attempt came to its end."""

    path: str
    outcome: Outcome
    at_us: int


class Told(Struct, frozen=True):
    """A channel answered."""

    escalation: str
    summons: str
    outcome: Outcome
    at_us: int


class Said(Struct, frozen=True):
    """A step told how far it is."""

    path: str
    text: str
    at_us: int


TIME = "time"
NEWS = "news"
ASKED = "asked"
Item = Came | Told | Said | str


class Driving(Struct, frozen=True):
    """What a driver is given."""

    store: Store
    lease: Lease
    runbook: Runbook
    perform: Performing
    redact: Callable[[Any], Any]
    clock: Clock
    actor: Actor
    observe: Callable[[Event], None] | None = None
    ask: Asker | None = None
    leave: asyncio.Event | None = None
    """Once it is set nothing new is begun, what is under way comes to its end, and the driver lets
    go.
    """
    first: First | None = None
    called: Called | None = None
    tell: Telling | None = None
    minding: Minding | None = None
    """What it shares with the other drivers of this process."""
