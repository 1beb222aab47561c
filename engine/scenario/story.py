"""Who was called in a run, when, by what, and who took it: of its events, as data and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.core.events import Draft, Event
from engine.language.duration import format_duration
from engine.scenario.calls import short_names

TOLD: Final = ("at", "at_s", "who", "by", "level", "kind", "of")
"""What is said of a message that was told: seconds since the run began (and in words), to whom, by
which channel, of which level, page, status, acknowledged or resolved, of which escalation.
"""

REFUSED: Final = ("at", "at_s", "who", "of", "why")
"""Of an approval or a denial that does not count: who said it, of which step, and why not."""

NOT_TOLD: Final = (*TOLD, "why", "doubt")
"""Of one that was not."""

ESCALATIONS: Final = (
    *("levels", "taken_by", "taken_at", "reopened", "exhausted", "closed", "nobody", "why"),
)
"""What is said of an escalation."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Who was called. `lines`: all of it in words, in order."""

    told: tuple[Mapping[str, Any], ...] = ()
    not_told: tuple[Mapping[str, Any], ...] = ()
    refused: tuple[Mapping[str, Any], ...] = ()
    escalations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    @property
    def nobody(self) -> list[str]:
        return [who for one in self.escalations.values() for who in one["nobody"]]

    def to_json(self) -> dict[str, Any]:
        return {
            "told": [dict(one) for one in self.told],
            "pages": [dict(one) for one in self.told if one["kind"] == "page"],
            "updates": [dict(one) for one in self.told if one["kind"] == "status"],
            "asked": [dict(one) for one in self.told if one["kind"] == "question"],
            "refused": [dict(one) for one in self.refused],
            "not_told": [dict(one) for one in self.not_told],
            "escalations": {name: dict(one) for name, one in self.escalations.items()},
            "nobody": self.nobody,
        }


def heard_in(events: Sequence[Event | Draft], keys: Iterable[str] = ()) -> Heard:
    """Of a run, by its events. `keys`: further escalations, of which no event speaks."""
    found = [event.body["escalation"] for event in events if "escalation" in event.body]
    known = dict.fromkeys([*keys, *found])
    if not known:
        return Heard()
    reader = _Reader(short_names(known), events[0].at_us)
    for event in events:
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(reader, event)
    # two that are sent together arrive in any order
    told = sorted(reader.told, key=lambda one: (one[1]["at_s"], one[0]))
    messages = tuple(message for _, message in told)
    not_told, refused = tuple(reader.not_told), tuple(reader.refused)
    return Heard(messages, not_told, refused, reader.escalations, tuple(reader.lines))


def since(at_us: int, started_us: int) -> tuple[str, int]:
    """How long after the beginning, to a second: in words and in seconds."""
    at_s = round((at_us - started_us) / 1e6)
    return format_duration(at_s), at_s


class _Reader:
    """Reads the events of one run."""

    def __init__(self, names: Mapping[str, str], started_us: int) -> None:
        self.told: list[tuple[int, Mapping[str, Any]]] = []
        """With the number of its sending."""
        self.not_told: list[Mapping[str, Any]] = []
        self.refused: list[Mapping[str, Any]] = []
        self.escalations: dict[str, dict[str, Any]] = {name: _fresh() for name in names.values()}
        self.lines: list[str] = []
        self._names = names
        self._started_us = started_us
        self._under_way: dict[str, Mapping[str, Any]] = {}
        self._numbers: dict[str, int] = {}

    def _of(self, event: Event | Draft) -> tuple[str, dict[str, Any]]:
        name = self._names[event.body["escalation"]]
        return name, self.escalations[name]

    def _tell(self, event: Event | Draft, text: str) -> None:
        at, _ = since(event.at_us, self._started_us)
        self.lines.append(f"{at:8} {text}")

    def began(self, event: Event | Draft) -> None:
        name, one = self._of(event)
        one["why"] = event.body["why"]
        self._tell(event, f"`{name}` begins: {event.body['why']}")

    def due(self, event: Event | Draft) -> None:
        name, one = self._of(event)
        body = event.body
        one["levels"] = body["level"]
        nobody = [who for who in body.get("nobody", []) if who not in one["nobody"]]
        one["nobody"] += nobody
        for who in nobody:
            self._tell(event, f"level {body['level']} of `{name}`: nobody is found for {who}")
        for one in body["recipients"]:
            if (one.get("not_before_us") or 0) > event.at_us:
                at, _ = since(one["not_before_us"], self._started_us)
                what = (
                    f"level {body['level']} of `{name}`: {one['name']} has quiet hours until {at}"
                )
                self._tell(event, what)

    def sent(self, event: Event | Draft) -> None:
        self._under_way[event.body["key"]] = event.body
        self._numbers[event.body["key"]] = len(self._numbers)

    def arrived(self, event: Event | Draft) -> None:
        made = self._made(event)
        if made is not None:
            self.told.append((self._numbers[event.body["key"]], made))
            self._tell(event, words(made, self._under_way[event.body["key"]]["name"]))

    def failed(self, event: Event | Draft) -> None:
        made, body = self._made(event), event.body
        if made is None:
            return
        self.not_told.append({**made, "why": body["why"], "doubt": body["doubt"]})
        what = "in doubt" if body["doubt"] else "failed"
        name = self._under_way[body["key"]]["name"]
        self._tell(event, f"{words(made, name)}: {what}: {body['why']}")

    def _made(self, event: Event | Draft) -> dict[str, Any] | None:
        sent = self._under_way.get(event.body["key"])
        if sent is None:
            return None
        at, at_s = since(event.at_us, self._started_us)
        return {
            "at": at,
            "at_s": at_s,
            "who": sent["who"],
            "by": sent["channel"],
            "level": int(sent["summons"].partition(":")[0].split(".")[1]),
            "kind": sent["kind"],
            "of": self._names[sent["escalation"]],
        }

    def taken(self, event: Event | Draft) -> None:
        """Only what nobody took before."""
        keys = event.body.get("escalations") or [event.body.get("path")]
        for key in keys:
            one = self.escalations.get(self._names.get(str(key), ""))
            if one is None or one["taken_by"] is not None:
                continue
            if one["closed"] is not None and not one["exhausted"]:
                continue
            one["taken_by"] = _name(event)
            one["taken_at"], _ = since(event.at_us, self._started_us)
            self._tell(event, f"{_name(event)} takes `{self._names[str(key)]}`")

    def reopened(self, event: Event | Draft) -> None:
        name, one = self._of(event)
        one |= {"taken_by": None, "taken_at": None, "exhausted": False}
        one["reopened"] += 1
        self._tell(event, f"`{name}` begins anew: {event.body['why']}")

    def exhausted(self, event: Event | Draft) -> None:
        name, one = self._of(event)
        one["exhausted"] = True
        self._tell(event, f"`{name}`: {event.body['why']}")

    def closed(self, event: Event | Draft) -> None:
        name, one = self._of(event)
        one["closed"] = event.body["why"]
        self._tell(event, f"`{name}` is closed: {event.body['why']}")

    def answered(self, event: Event | Draft) -> None:
        name, _ = self._of(event)
        self._tell(event, f"`{name}`: {event.body['word']}")

    def decided(self, event: Event | Draft) -> None:
        self._tell(event, f"{_name(event)} {event.type.lower()} `{event.body['path']}`")

    def refuse(self, event: Event | Draft) -> None:
        (at, at_s), body = since(event.at_us, self._started_us), event.body
        made = {"at": at, "at_s": at_s, "who": _name(event), "of": body["path"]}
        self.refused.append({**made, "why": body["why"]})
        what = f"{made['who']} would {body['wanted']} `{body['path']}`"
        self._tell(event, f"{what}, and it does not count: {body['why']}")

    def over(self, event: Event | Draft) -> None:
        self._tell(event, f"the run ends {event.body['outcome']}")


_HANDLERS: Final[Mapping[str, Callable[[_Reader, Event | Draft], None]]] = {
    "EscalationStarted": _Reader.began,
    "LevelDue": _Reader.due,
    "TellStarted": _Reader.sent,
    "Told": _Reader.arrived,
    "TellFailed": _Reader.failed,
    "Acknowledged": _Reader.taken,
    "Answered": _Reader.taken,
    "Approved": _Reader.decided,
    "ApprovalRefused": _Reader.refuse,
    "Denied": _Reader.decided,
    "EscalationReopened": _Reader.reopened,
    "EscalationExhausted": _Reader.exhausted,
    "EscalationClosed": _Reader.closed,
    "QuestionClosed": _Reader.answered,
    "RunFinished": _Reader.over,
}


def _name(event: Event | Draft) -> str:
    actor = event.actor if isinstance(event.actor, Mapping) else event.actor.to_json()
    return str(actor["name"])


def _fresh() -> dict[str, Any]:
    made = dict.fromkeys(ESCALATIONS)
    return {**made, "levels": 0, "reopened": 0, "exhausted": False, "nobody": []}


_KINDS: Final[Mapping[str, str]] = {
    "page": "",
    "status": "how it stands, ",
    "acknowledged": "that somebody took it, ",
    "resolved": "that it is over, ",
    "question": "a question, ",
    "answered": "what became of the question, ",
    "counted": "that one of several approved it, ",
}


def words(one: Mapping[str, Any], name: str | None = None) -> str:
    """A message in words: what is said of it, so far as it is."""
    parts = [str(name or one.get("who", "somebody"))]
    kind = _KINDS.get(str(one.get("kind", "page")), f"{one.get('kind')}, ")
    if one.get("by") is not None:
        parts.append(f"by {_one(one['by'])}")
    level = f"level {_one(one['level'])}" if one.get("level") is not None else ""
    level += f" of `{_one(one['of'])}`" if one.get("of") is not None else ""
    told = f"{' '.join(parts)} ({kind}{level})" if kind or level else " ".join(parts)
    return told.replace(", )", ")").strip()


def _one(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows under each other."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
