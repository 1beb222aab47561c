"""People who are called in a scenario: who takes it and when, what the channels do, and what comes
of it, in virtual time.

Whom a level calls, and by which channels, is what the pack's contacts say of an environment: a
`Caller` knows, who is handed in from above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from engine.core.effects import Tell
from engine.core.escalation import left
from engine.core.events import Actor
from engine.core.judge import Outcome
from engine.core.state import State
from engine.core.summons import STATUS
from engine.errors import RunbookError
from engine.language.duration import format_duration
from engine.language.model import Runbook
from engine.scenario.virtual import TOLD_US, Came, Said

PRODUCTION: Final = "production"
"""Whose contacts are played where a scenario does not say."""


@dataclass(frozen=True, slots=True)
class Taking:
    """Somebody takes what people are called for, so long after the run began.

    `step`: the escalation of this step (or `run`) alone; None: all that is open then.
    """

    at_s: float
    by: str | None = None
    step: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sending:
    """What a channel does with one message. `status` is None where it takes it, else `errored` or
    `unknown`: it may have gone out.
    """

    status: str | None = None
    why: str = ""
    retryable: bool = True
    retry_after_s: float | None = None
    takes_s: float = TOLD_US / 1e6


OK: Final = Sending()
DOWN: Final = Sending("errored", "it is down")


@dataclass(frozen=True, slots=True)
class Calls:
    """How a scenario plays the levels of its run.

    `channels`: by channel (`sms`) or by person and channel (`bo/sms`), what they do, message by
    message.
    """

    environment: str = PRODUCTION
    takings: tuple[Taking, ...] = ()
    channels: Mapping[str, tuple[Sending, ...]] = field(default_factory=dict)


class Caller(Protocol):
    """Whom a run calls."""

    @property
    def telling(self) -> Mapping[str, Any]:
        """What a run is told when it begins: policies, status updates."""
        ...

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `LevelDue` says besides what was decided: recipients, and whom nobody knows."""
        ...

    def follows(self, channel: str) -> bool:
        """Whether a channel that told somebody tells them what became of it, too."""
        ...

    def roles(self, who: str, at_us: int) -> tuple[frozenset[str], frozenset[str]]:
        """The roles of somebody, with the rotas that they carry then, and every name they have."""
        ...


Callers = Callable[[Runbook, str], Caller]
"""Who is called by a runbook in an environment. Raises Usage, Diagnosed."""


class Unheard(RunbookError):
    """Somebody takes what nobody is called for."""

    exit_code = 1


class Phones:
    """The channels of a scenario, and the people who answer."""

    def __init__(self, calls: Calls, caller: Caller, actor: str) -> None:
        self.caller = caller
        self._calls = calls
        self._actor = actor
        self._sent: Counter[str] = Counter()
        self._takings = sorted(calls.takings, key=lambda taking: taking.at_s)

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.caller.called(state, body)

    def tell(self, _state: State, effect: Tell) -> Came:
        """What a channel does with a message: the next thing that is said of it."""
        body = effect.body
        sending = self._next(f"{body['who']}/{body['channel']}", body["channel"])
        took_us = round(sending.takes_s * 1e6)
        if sending.status is None:
            receipt = {"follows": self.caller.follows(body["channel"])}
            return Came(Outcome(receipt, None, took_us / 1000, 0.5), took_us)
        return Came(Outcome(None, _error(sending), took_us / 1000, 0.5), took_us)

    def _next(self, *names: str) -> Sending:
        """Of the first of these names that is spoken of."""
        for name in names:
            said = self._calls.channels.get(name)
            if said:
                self._sent[name] += 1
                return said[min(self._sent[name], len(said)) - 1]
        return OK

    def word(self, state: State, heard: Mapping[str, int]) -> Said | None:
        """Who takes it next."""
        number = heard.get("Acknowledged", 0)
        if number >= len(self._takings):
            return None
        taking = self._takings[number]
        at_us = state.started_us + round(taking.at_s * 1e6)
        body = {"escalations": meant(state, taking.step), "note": taking.note, "via": None}
        return Said(at_us, "Acknowledged", body, Actor(taking.by or self._actor, "scenario"))

    def check(self, state: State, heard: Sequence[Mapping[str, Any]]) -> None:
        """Raises Unheard for the first who took what nobody was called for then.

        `heard`: the bodies of what was said, in order.
        """
        for number, taking in enumerate(self._takings):
            if number < len(heard) and heard[number]["escalations"]:
                continue
            what = f"`acknowledges[{number}]`: {taking.by or self._actor} takes it after "
            what += format_duration(taking.at_s)
            at = f" at `{taking.step}`" if taking.step else ""
            if number >= len(heard):
                raise Unheard(f"{what}, and it is played until before that", help="see `until`")
            raise Unheard(f"{what}, and nobody is called{at} then", help=_ends(state))


def _error(sending: Sending) -> dict[str, Any]:
    after_s = sending.retry_after_s
    detail = {"blocked_for_s": after_s} if after_s is not None else {}
    known: dict[str, Any] = {"message": sending.why, "help": None, "kind": "adapter"}
    doubt = sending.status == "unknown"
    return {**known, "maybe_done": doubt, "retryable": sending.retryable, "detail": detail}


def told_only(key: str) -> bool:
    """Whether nobody can take an escalation: how a run stands is only told, and a question (whose
    key is no path and has a colon) is answered.
    """
    return key == STATUS or ":" in key


def meant(state: State, step: str | None) -> list[str]:
    """The escalations that somebody can take now: all of them, or those of a step."""
    open_ = [
        key
        for key, one in state.escalations.items()
        if one.closed is None and one.acknowledged is None and not told_only(key)
    ]
    return [
        key for key in open_ or left(state) if step is None or step in (key, key.rpartition("/")[2])
    ]


def _ends(state: State) -> str:
    """Why nobody is called any more, of every escalation."""
    lines = [
        f"`{key}`: {one.closed or 'open'}"
        for key, one in state.escalations.items()
        if not told_only(key)
    ]
    return "; ".join(lines) or "the run calls nobody at all"


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Escalations by the id of their step, where no other has it: `group/call` is `call`."""
    known = list(keys)
    ids = {key: key if ":" in key else key.rpartition("/")[2] for key in known}
    often = Counter(ids.values())
    return {key: id_ if often[id_] == 1 else key for key, id_ in ids.items()}
