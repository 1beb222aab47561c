"""What is to be done next: the answer of `decide`.

Effects are imperatives. `Record` is an event that follows from what is known already; `Perform` is
one whose event announces something in the world: the runner makes the event durable, then does it.
The event of either has no time yet: the runner gives it the present one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field


class Record(Struct, frozen=True):
    """Append this event; nothing else is done."""

    type: str
    body: Mapping[str, Any]


class Perform(Struct, frozen=True):
    """Append this `StepStarted`; once it is durable, carry out its plan."""

    body: Mapping[str, Any]
    type: str = "StepStarted"


class Tell(Struct, frozen=True):
    """Append this `TellStarted`; once it is durable, tell somebody by one channel.

    `words`: what there is to say (from the `LevelDue`); `receipt`: of the message it follows up;
    `thread`: of the first message of this run at the same place.
    """

    body: Mapping[str, Any]
    words: Mapping[str, Any]
    receipt: Mapping[str, Any] | None = None
    thread: Mapping[str, Any] | None = None
    type: str = "TellStarted"


class Question(Struct, frozen=True):
    """What a person is asked; the run goes on when an `Answered` for this path is in the journal.

    `kind`: `confirm` (yes, no), `do` (done, not-done), `acknowledge` (acknowledged), `doubt` (to be
    settled: happened or not).
    """

    path: str
    id: str
    kind: str
    type: str
    title: str
    params: Mapping[str, Any]
    answers: tuple[str, ...]
    text: str | None = None
    """What to do, of an action that is handed to a person; else the step type has the words."""


class Decision(Struct):
    """`record`: events to append, in order. `stop`: paths of checks in flight that are no longer
    wanted. `wake_us`: when to append a `TimeReached`, if nothing else happens before. `ask`:
    open questions.
    """

    record: list[Record | Perform | Tell] = field(default_factory=list)
    stop: list[str] = field(default_factory=list)
    wake_us: int | None = None
    ask: list[Question] = field(default_factory=list)
    in_flight: int = 0

    def wake(self, at_us: int) -> None:
        self.wake_us = at_us if self.wake_us is None else min(self.wake_us, at_us)
