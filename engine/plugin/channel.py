"""The door for channels: ways to tell people. Ours and anybody's come through the entry points
`runbook.channels`, each `family = module:Class`.

A channel is made with the settings of a connection, as an adapter is, and tells one message at a
time. It never retries, waits or decides whom to tell: the engine does, around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

Kind = Literal["page", "status", "acknowledged", "resolved", "question", "counted", "answered"]


@dataclass(frozen=True, slots=True)
class Button:
    """What the reader can press, where the channel has buttons.

    `value` is opaque, and bound on our side: to a run, an escalation or a step, and, where it
    agrees to something, to its plan hash.
    """

    label: str
    value: str
    danger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that is told to one reader by one channel. It holds no secret."""

    key: str
    """The same at every attempt to tell this."""
    group: str
    """The same for all that is told of one level of one escalation."""
    run: str
    kind: Kind
    title: str
    text: str
    """At most `text_max_chars` of the channel."""
    public: tuple[str, str] | None = None
    """Name and text where customers read it, in place of title and text."""
    outcome: str = ""
    """How the run ended, where that is what is told."""
    to: str | None = None
    """The reader's address at this channel; None where the connection leads to one place."""
    name: str = ""
    """The reader, for people."""
    severity: str = "critical"
    """critical, error, warning or info."""
    source: str = ""
    """Runbook and environment."""
    link: str | None = None
    incident: str | None = None
    """The provider's incident that started the run."""
    attempt: int = 1
    buttons: tuple[Button, ...] = ()
    take_link: str | None = None
    """What a button does, for a channel without buttons."""
    answer_link: str | None = None
    """Where this reader, and nobody else, answers a question: for a channel without buttons."""
    reason: str | None = None
    """What stands above a field for a reason that goes with a button; None: there is none."""
    details: Mapping[str, Any] = field(default_factory=dict)
    receipt: Mapping[str, Any] | None = None
    """Of the message that this follows up."""
    thread: Mapping[str, Any] | None = None
    """The receipt of the first message about this run at the same place."""


class Channel(Protocol):
    """See the module. `send` raises AdapterError, which says whether the message may have gone out
    (`maybe_done`), whether trying again can help, and (`detail["blocked_for_s"]`) when.

    One with `by_key = True` follows a message up by its `group` alone, without a receipt, and that
    does nothing where it never came: there a message is followed up also where nobody saw it come.
    """

    family: ClassVar[str]
    addressed: ClassVar[bool]
    """Whether each reader has an address of their own there; else it leads to one place."""
    again: bool
    """Whether sending once more with the same key leaves the reader with one message."""
    text_max_chars: ClassVar[int]
    interval_s: ClassVar[float]
    """Between two messages to one place: what the provider allows."""

    def fingerprint(self) -> str:
        """Where it leads; no secret."""
        ...

    async def ping(self) -> str:
        """One line of what answered; tells nobody anything. Raises AdapterError."""
        ...

    async def send(self, message: Message) -> Mapping[str, Any]:
        """The receipt: JSON, kept as evidence. `follows: true` in it asks to hear what becomes of
        the matter, with this receipt in the message then; `edits: true` says that this changes the
        message, so that it has to be done for each.
        """
        ...

    async def close(self) -> None: ...
