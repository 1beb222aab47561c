"""Carries out one telling: finds the channel and the address, renders the words, keeps to the
channel's pace, and sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from engine.channels.console import ConsoleChannel
from engine.channels.fitting import cut
from engine.clock import Clock
from engine.core.effects import Tell
from engine.core.judge import Outcome
from engine.errors import JournalError, RunbookError, StepError
from engine.plugin import to_json
from engine.plugin.channel import Button, Message
from engine.runner.connections import Connections, fault
from engine.runner.wording import ASKS, Own, Said, said

SEND_TIMEOUT_S = 60.0
"""For one message: longer than any channel takes by its own limits."""

TITLE_MAX_CHARS = 200
"""Of a title: what a lock screen shows."""


class Pace:
    """When something was last told at a place: shared by all runs of a process."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._free_s: dict[str, float] = {}

    async def turn(self, place: str, interval_s: float) -> None:
        """Waits until the place takes another message."""
        if interval_s <= 0:
            return
        now_s = self.clock.monotonic_s()  # nobody waits for a wall clock that was set back
        mine_s = max(now_s, self._free_s.get(place, now_s))
        self._free_s[place] = mine_s + interval_s
        if mine_s > now_s:
            await self.clock.sleep(mine_s - now_s)


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody is reached by a channel: the name of its connection (None: the console), and
    their address there.
    """

    connection: str | None
    to: str | None


class Ways(Protocol):
    """Where people are reached, as the contacts say at that moment."""

    def way(self, who: str, channel: str) -> Way:
        """Raises RunbookError when there is none (any more)."""
        ...

    def text(self, words: Mapping[str, Any], kind: str) -> Own | None:
        """The pack's own words, where it has some."""
        ...

    def page(self, words: Mapping[str, Any]) -> str:
        """The severity of a page: critical, error, warning or info."""
        ...

    def link(self, run: str) -> str | None: ...

    def is_person(self, who: str) -> bool:
        """Whether this is somebody, and no place."""
        ...


@dataclass(frozen=True, slots=True)
class Stake:
    """What a button or a link says in answer to a question. `who`: whose it is; empty where the
    channel says who pressed. `answer` empty: the reader chooses. `hash`: of what is agreed to.
    """

    run: str
    escalation: str
    key: str
    who: str
    answer: str
    hash: str
    expires_us: int | None


BUTTONS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "approve": (("Approve", "approve", False), ("Deny", "deny", True)),
    "confirm": (("Yes", "yes", False), ("No", "no", True)),
    "do": (("Done", "done", False), ("Not done", "not-done", True)),
    "doubt": (("It happened", "happened", False), ("It did not", "did-not", True)),
}
"""Label, answer and danger of the buttons of a question, by its kind."""


class _Ready(NamedTuple):
    """What is sent, and by what. `remark`: why it is not said as the pack has it."""

    channel: Any
    message: Message | None = None
    remark: str = ""


@dataclass(slots=True)
class Teller:
    """Tells people of one run."""

    run: str
    connections: Connections
    ways: Ways
    pace: Pace
    clock: Clock
    say: Callable[[str], None] | None = None
    incident: str | None = None
    button: Callable[[str, str], str] | None = None
    """The value of a button: of a run and an escalation; None where nobody takes presses in."""
    take: Callable[[str, str], str] | None = None
    """A link that does what a button does, for a channel without buttons. It holds another claim:
    whoever sees a message in Slack can read what its buttons hold.
    """
    stake: Callable[[Stake], str] | None = None
    """The value of a button that answers; None where nobody takes answers in."""
    pressed: bool = True
    """Whether somebody takes in what is pressed: a button that only shows an error is none."""
    server: str | None = None
    """Where the server is reached that drives the run: there its links lead."""
    _console: ConsoleChannel = field(init=False)

    def __post_init__(self) -> None:
        self._console = ConsoleChannel(self.say)

    async def __call__(self, effect: Tell, wanted: Callable[[], Awaitable[bool]]) -> Outcome:
        """What came of it. Raises CancelledError only."""
        begun_s = self.clock.monotonic_s()
        receipt: Mapping[str, Any] | None = None
        error: dict[str, Any] | None = None
        try:
            ready = await self._made(effect, wanted)
            if ready.message is None:
                error = _error("it was taken meanwhile, and not sent", "stopped", False, False)
            else:
                receipt, error = await self._send(ready)
        except JournalError as e:  # whether it is wanted is not known: it is asked again
            error = _error(e.message, "journal", False, True)
        except StepError as e:
            error = _of_step(e)
        except RunbookError as e:
            error = _error(e.message, "refused", False, False)
        except Exception as e:  # noqa: BLE001 - a channel may be anybody's: a fault of it is an outcome
            error = _error(fault(e), "bug", False, False)
        return Outcome(receipt, error, round((self.clock.monotonic_s() - begun_s) * 1000, 3))

    async def _made(self, effect: Tell, wanted: Callable[[], Awaitable[bool]]) -> _Ready:
        """The channel and the message, once the place takes it; none: nobody needs it any more."""
        body = effect.body
        channel, way = self._channel(body["who"], body["channel"])
        await self.pace.turn(f"{body['channel']}:{way.to}", channel.interval_s)
        if not await wanted():
            return _Ready(channel)
        words = said(self.ways, effect.words, body["kind"])
        message = self.message(effect, words, way.to, channel.text_max_chars)
        return _Ready(channel, message, words.remark)

    async def _send(self, ready: _Ready) -> tuple[Mapping[str, Any] | None, dict[str, Any] | None]:
        """What came of it: from here on it may have gone out, whatever goes wrong."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                receipt = to_json(await ready.channel.send(ready.message))
                return receipt | ({"remark": ready.remark} if ready.remark else {}), None
        except TimeoutError:
            return None, _error(f"no answer within {SEND_TIMEOUT_S:g} s", "timeout", True, True)
        except StepError as e:
            return None, _of_step(e)
        except RunbookError as e:
            return None, _error(e.message, "refused", False, False)
        except Exception as e:  # noqa: BLE001 - a channel may be anybody's: a fault of it is an outcome
            return None, _error(fault(e), "bug", True, False)

    def _channel(self, who: str, channel: str) -> tuple[Any, Way]:
        way = self.ways.way(who, channel)
        if way.connection is None:
            return self._console, way
        return self.connections.adapter(way.connection), way

    def message(self, effect: Tell, told: Said, to: str | None, text_max_chars: int) -> Message:
        """What is told, in the length of its channel."""
        body, words = effect.body, effect.words
        kind = body["kind"]
        level = body.get("group") or body["summons"].partition(":")[0].rpartition(".")[0]
        redact = self.connections.redact
        press = self.button(body["escalation"], body["key"]) if self.button is not None else None
        buttons: tuple[Button, ...] = ()
        if press and kind == "page" and not words.get("informs"):
            buttons = (Button("Take it", press),)
        take_link = None
        if buttons and self.take is not None:
            take_link = self.take(body["escalation"], body["key"])
        asks = kind in ASKS
        if asks:
            buttons = self._answers(body, words)
        return Message(
            key=body["key"],
            group=f"{self.run}:{body['escalation']}:{level}",
            run=self.run,
            kind=kind,
            title=fit(redact(told.title), TITLE_MAX_CHARS),
            text=fit(redact(told.text), text_max_chars),
            public=(fit(redact(told.public[0]), TITLE_MAX_CHARS), redact(told.public[1])),
            outcome=str(words.get("outcome") or ""),
            to=to,
            name=body["name"],
            severity=self.ways.page(words),
            source=f"{words.get('runbook', '')} in {words.get('environment', '')}",
            link=self._link(),
            incident=self.incident,
            attempt=body["attempt"],
            buttons=buttons if self.pressed else (),
            take_link=take_link,
            answer_link=self._answer_link(body, words) if asks else None,
            reason=reason_label(words) if asks else None,
            details={key: words.get(key) for key in DETAILS[asks]},
            receipt=effect.receipt,
            thread=effect.thread,
        )

    def _link(self) -> str | None:
        """Where the run is looked at: as the contacts say, else on the server that drives it."""
        own = self.ways.link(self.run)
        return own or (f"{self.server}/runs/{self.run}" if self.server is not None else None)

    def _answers(self, body: Mapping[str, Any], words: Mapping[str, Any]) -> tuple[Button, ...]:
        """The buttons of a question, each with a claim of its own."""
        if self.stake is None:
            return ()
        found = []
        for label, answer, danger in BUTTONS[words["question"]["kind"]]:
            found.append(Button(label, self.stake(self._stake(body, words, "", answer)), danger))
        return tuple(found)

    def _answer_link(self, body: Mapping[str, Any], words: Mapping[str, Any]) -> str | None:
        """A person's own link; a place has none: whoever opens it would be anybody."""
        if self.stake is None or self.server is None or not self.ways.is_person(body["who"]):
            return None
        return f"{self.server}/ask/{self.stake(self._stake(body, words, body['who'], ''))}"

    def _stake(
        self, body: Mapping[str, Any], words: Mapping[str, Any], who: str, answer: str
    ) -> Stake:
        asked = words["question"]
        place = (self.run, body["escalation"], body["key"], who, answer)
        return Stake(*place, asked.get("hash") or "", asked.get("expires_us"))


DETAILS = (("policy", "level", "wrong", "asked"), ("level", "wrong", "asked", "happens", "why"))
"""What a message says in parts too, for programs: of any, and of a question."""


def reason_label(words: Mapping[str, Any]) -> str | None:
    """What stands above the field for a reason: of an approval and a doubt, which need one, and a
    note with any other answer.
    """
    asked = words["question"]
    if asked.get("reason_min"):
        return f"Reason (at least {asked['reason_min']} characters)"
    return "Reason" if asked["kind"] in ("approve", "doubt") else "Note"


def _error(message: str, kind: str, maybe_done: bool, retryable: bool) -> dict[str, Any]:
    known: dict[str, Any] = {"message": message, "help": None, "kind": kind, "detail": {}}
    return {**known, "maybe_done": maybe_done, "retryable": retryable}


def _of_step(e: StepError) -> dict[str, Any]:
    error = _error(e.message, "adapter", e.maybe_done, e.retryable)
    return error | {"help": e.help, "detail": dict(e.detail)}


def fit(text: str, limit: int) -> str:
    """A text in the length of a channel; what is cut off is said to be."""
    return cut(text.strip(), limit)
