"""What the faces give to a run, and what they get of it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from engine.core.events import Actor, Event


class Question(Struct, frozen=True):
    """What a person is asked. `kind`: confirm, do, acknowledge or doubt."""

    path: str
    id: str
    kind: str
    type: str
    title: str
    text: str
    answers: tuple[str, ...]
    evidence: Any = None


class RunResult(Struct, frozen=True):
    """How a run ended, or for whom it waits. `status`: an outcome, `waiting`, `in doubt`, `left`
    (in the middle, as it was asked to), or `held` (it cannot be gone on with here).
    """

    run: str
    status: str
    exit_code: int
    because: str | None
    questions: tuple[Question, ...] = ()
    outputs: Mapping[str, Any] | None = None


class Ping(Struct, frozen=True):
    """Whether a connection answers, and how long that took."""

    connection: str
    adapter: str
    fingerprint: str
    ok: bool
    took_ms: float
    message: str
    help: str | None = None


Answerer = Callable[[Question], Awaitable[tuple[str, str] | None]]
"""Asks whoever sits there: `(answer, note)`, or None to leave the question open."""


class Faces(Struct, frozen=True):
    """Who looks on (`observe`), who can be asked (`ask`), where a console escalation is said
    (`console`), who is told the run's id as soon as there is one (`started`), and what tells the
    run to begin nothing more and let go (`leave`, once it is set). `hold`: whether people are
    called for a run that cannot be gone on with here; else whoever takes it up is told why.
    """

    observe: Callable[[Event], None] | None = None
    ask: Answerer | None = None
    console: Callable[[str], None] | None = None
    started: Callable[[str], None] | None = None
    leave: asyncio.Event | None = None
    hold: bool = False

    async def tell(self, policy: str, message: str | None) -> Mapping[str, Any]:
        """The console contact: whoever reads the standard error of this process."""
        self.say(f"ESCALATION ({policy}): {message or 'no message'}")
        return {"policy": policy, "told": [{"contact": "console", "channel": "console"}]}

    def say(self, text: str) -> None:
        """To whoever sits there."""
        if self.console is not None:
            self.console(text)
        else:
            print(text, file=sys.stderr, flush=True)


def os_actor() -> Actor:
    """The operating system's word for who runs this process; not `$USER`, which anybody may set."""
    import pwd  # noqa: PLC0415 - a command that changes nothing needs no actor

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
    return Actor(name, "os-user")
