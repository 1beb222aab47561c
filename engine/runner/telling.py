"""Carries out one telling: finds the channel and the address, renders the words, keeps to the
channel's pace, and sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.channels.console import ConsoleChannel
from engine.channels.fitting import cut
from engine.clock import Clock, to_datetime
from engine.core.effects import Tell
from engine.core.judge import Outcome
from engine.errors import JournalError, RunbookError, StepError
from engine.plugin import to_json
from engine.plugin.channel import Button, Message
from engine.runner.connections import Connections, fault

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

    def text(self, words: Mapping[str, Any], kind: str) -> tuple[str, str] | None:
        """Title and text in the pack's own words, where it has some."""
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


ASKS = ("question", "counted")
"""Kinds of messages that are answered."""

BUTTONS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "approve": (("Approve", "approve", False), ("Deny", "deny", True)),
    "confirm": (("Yes", "yes", False), ("No", "no", True)),
    "do": (("Done", "done", False), ("Not done", "not-done", True)),
    "doubt": (("It happened", "happened", False), ("It did not", "did-not", True)),
}
"""Label, answer and danger of the buttons of a question, by its kind."""


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
    ask_at: str | None = None
    """The address before what a link holds that answers."""
    _console: ConsoleChannel = field(init=False)

    def __post_init__(self) -> None:
        self._console = ConsoleChannel(self.say)

    async def __call__(self, effect: Tell, wanted: Callable[[], Awaitable[bool]]) -> Outcome:
        """What came of it. Raises CancelledError only."""
        begun_s = self.clock.monotonic_s()
        receipt: Mapping[str, Any] | None = None
        error: dict[str, Any] | None = None
        try:
            channel, message = await self._made(effect, wanted)
            if message is None:
                error = _error("it was taken meanwhile, and not sent", "stopped", False, False)
            else:
                receipt, error = await self._send(channel, message)
        except JournalError as e:  # whether it is wanted is not known: it is asked again
            error = _error(e.message, "journal", False, True)
        except StepError as e:
            error = _of_step(e)
        except RunbookError as e:
            error = _error(e.message, "refused", False, False)
        except Exception as e:  # noqa: BLE001 - a channel may be anybody's: a fault of it is an outcome
            error = _error(fault(e), "bug", False, False)
        return Outcome(receipt, error, round((self.clock.monotonic_s() - begun_s) * 1000, 3))

    async def _made(
        self, effect: Tell, wanted: Callable[[], Awaitable[bool]]
    ) -> tuple[Any, Message | None]:
        """The channel and the message, once the place takes it; None: nobody needs it any more."""
        body = effect.body
        channel, way = self._channel(body["who"], body["channel"])
        await self.pace.turn(f"{body['channel']}:{way.to}", channel.interval_s)
        if not await wanted():
            return channel, None
        return channel, self.message(effect, way.to, channel.text_max_chars)

    async def _send(
        self, channel: Any, message: Message
    ) -> tuple[Mapping[str, Any] | None, dict[str, Any] | None]:
        """What came of it: from here on it may have gone out, whatever goes wrong."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                return to_json(await channel.send(message)), None
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

    def message(self, effect: Tell, to: str | None, text_max_chars: int) -> Message:
        """What is told, in the length of its channel."""
        body, words = effect.body, effect.words
        kind = body["kind"]
        own = self.ways.text(words, kind)
        title, text = own or (title_of(words, kind), text_of(words, kind))
        level = body["summons"].partition(":")[0].rpartition(".")[0]
        redact = self.connections.redact
        press = self.button(body["escalation"], body["key"]) if self.button is not None else None
        buttons: tuple[Button, ...] = ()
        if press and kind == "page":
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
            title=fit(redact(title), TITLE_MAX_CHARS),
            text=fit(redact(text), text_max_chars),
            to=to,
            name=body["name"],
            severity=self.ways.page(words),
            source=f"{words.get('runbook', '')} in {words.get('environment', '')}",
            link=self.ways.link(self.run),
            incident=self.incident,
            attempt=body["attempt"],
            buttons=buttons,
            take_link=take_link,
            answer_link=self._answer_link(body, words) if asks else None,
            reason=reason_label(words) if asks else None,
            details={key: words.get(key) for key in DETAILS[asks]},
            receipt=effect.receipt,
            thread=effect.thread,
        )

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
        if self.stake is None or self.ask_at is None or not self.ways.is_person(body["who"]):
            return None
        return f"{self.ask_at}{self.stake(self._stake(body, words, body['who'], ''))}"

    def _stake(
        self, body: Mapping[str, Any], words: Mapping[str, Any], who: str, answer: str
    ) -> Stake:
        asked = words["question"]
        place = (self.run, body["escalation"], body["key"], who, answer)
        return Stake(*place, asked.get("hash") or "", asked.get("expires_us"))


DETAILS = (("policy", "level", "wrong"), ("level", "wrong", "asked", "happens", "why"))
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


UNSAID: Mapping[str, str] = {"taken_by": "", "note": "", "outcome": "", "because": "", "after": ""}
"""What is known only once somebody took it, or the run is over; a pack's own words may name it."""


def title_of(words: Mapping[str, Any], kind: str) -> str:
    """What a lock screen shows: of what follows, first how it stands now."""
    head = ""
    if kind == "status":
        head = "Status: "
    elif kind == "acknowledged":
        head = f"Taken by {words['taken_by']}: " if words.get("taken_by") else "Taken: "
    elif kind in ("question", "counted"):
        head = "Asked: "
    elif kind == "answered" and words.get("became"):
        head = f"{words['became'].partition(':')[0]}: "
    elif kind == "resolved":
        head = f"{str(words.get('outcome') or 'over').capitalize()}: "
    severity = f"[{words['severity']}] " if words.get("severity") else ""
    return f"{head}{severity}{words.get('title') or 'runbook'}"


PARTS = (("What:", "happens"), ("Why:", "why"), ("Found:", "found"), ("Done:", "done"))
"""Lists of a message, with what stands above them."""


def text_of(words: Mapping[str, Any], kind: str) -> str:
    """The usual words: what is wrong, what is asked and by when, what was found and done; of what
    follows, first who took it and how the run ended.
    """
    lines = _meanwhile(words, kind)
    if words.get("wrong"):
        lines += ["", words["wrong"]]
    if kind == "counted" and words.get("counted"):
        lines += ["", words["counted"]]
    if kind in ("page", *ASKS) and words.get("asked"):
        by = f" (by {clock_face(words['by_us'])})" if words.get("by_us") else ""
        lines += ["", f"{words['asked']}{by}"]
    if kind == "answered" and words.get("became"):
        lines = [f"{words['became']} ({clock_face(words['at_us'])})", *lines]
    for head, key in PARTS:
        if words.get(key):
            lines += ["", head, *[f"- {line}" for line in words[key]]]
    return "\n".join(lines).strip()


def _meanwhile(words: Mapping[str, Any], kind: str) -> list[str]:
    """What became of it since people were told."""
    if kind not in ("acknowledged", "resolved"):
        return []
    lines = []
    if words.get("outcome"):
        because = f": {words['because']}" if words["because"] else ""
        lines.append(f"The run is {words['outcome']} after {words['after']}{because}")
    if words.get("taken_by"):
        note = f": {words['note']}" if words["note"] else ""
        lines.append(f"{words['taken_by']} took it at {clock_face(words['taken_us'])}{note}")
    return lines


def clock_face(at_us: int) -> str:
    return to_datetime(at_us).strftime("%H:%M UTC")


def fit(text: str, limit: int) -> str:
    """A text in the length of a channel; what is cut off is said to be."""
    return cut(text.strip(), limit)
