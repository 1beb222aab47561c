"""A world in which people are told: channels that answer as a test says, in virtual time.

`Phone` drives one run. A message takes a tenth of a second. What a channel does is a list: what its
sends come to, in order, the last one for all further ones: True (it took it), an `Oops`, or `HANG`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.core.decide import decide
from engine.core.effects import Perform, Record, Tell
from engine.core.escalate import conclude_tell
from engine.core.events import Actor, Draft
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from engine.language.model import Runbook
from tests.core.world import ALICE, HANG, SECOND, Oops

MINUTE = 60 * SECOND
START = 1_000 * SECOND


def level(who: str, by: str, after_s: float = 0, **more: Any) -> dict[str, Any]:
    """`who` and `by` are words with blanks between them."""
    said = {"who": who.split(), "by": by.split(), "after_us": round(after_s * SECOND)}
    return {**said, "unless": "acknowledged", **more}


def telling(*levels: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The `telling` of a `RunStarted`: one policy, `default`."""
    policy = {"levels": list(levels), **more}
    return {"policies": {"default": policy}}


@dataclass
class Phone:
    """Drives one run in which people are told."""

    runbook: Runbook
    telling: Mapping[str, Any] | None
    channels: Mapping[str, list[Any]] = field(default_factory=dict)
    again: frozenset[str] = frozenset({"page"})
    """Channels that know a message by its key."""
    by_key: frozenset[str] = frozenset()
    """Channels that follow a message up by its key alone."""
    later: Mapping[str, int] = field(default_factory=dict)
    """People who are not told before this time."""
    script: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "real"
    more: Mapping[str, Any] = field(default_factory=dict)
    """Of what its `RunStarted` says besides."""
    events: list[Draft] = field(default_factory=list)
    sent: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Seconds since the start, kind, person, channel: what came to a channel."""
    keys: list[str] = field(default_factory=list)
    tells: list[Tell] = field(default_factory=list)
    told: list[Mapping[str, Any]] = field(default_factory=list)
    """The words of every message."""
    now_us: int = START
    state: State = field(init=False)
    flying: list[tuple[int, Callable[[], Record]]] = field(default_factory=list)
    words: dict[int, list[Callable[[], None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = State("r", self.runbook)

    def begin(self) -> Phone:
        body = {"name": "t/main", "digest": "", "texts": {}, "inputs": {}, "event": None}
        body |= {"environment": "test", "mode": self.mode, "engine": "0", "connections": {}}
        self.put("RunStarted", {**body, "telling": self.telling, **self.more}, ALICE)
        return self

    def put(self, type_: str, body: Mapping[str, Any], actor: Actor | None = None) -> None:
        draft = Draft(type_, body, self.now_us, *([actor] if actor else []))
        self.state.apply(draft)
        self.events.append(draft)

    def at(self, seconds: float, type_: str, **body: Any) -> Phone:
        """Somebody says something at a time."""
        say = lambda: self.put(type_, body, Actor("bo", "os-user"))  # noqa: E731
        self.words.setdefault(START + round(seconds * SECOND), []).append(say)
        return self

    def acked(self, seconds: float, *escalations: str) -> Phone:
        return self.at(seconds, "Acknowledged", escalations=list(escalations), note="on it")

    def take_up(self, events: list[Draft], now_us: int) -> Phone:
        """As a new driver does after the old one died behind these events."""
        for event in events:
            self.state.apply(event)
            self.events.append(event)
        self.now_us = max(now_us, self.state.now_us)
        interrupted = [s.path for s in self.state.steps.values() if s.in_flight]
        self.put("RunTakenUp", {"driver": "h:1:1", "interrupted": interrupted})
        return self

    def go(self, until_s: float = float("inf"), *, steps: int = 20_000) -> Phone:
        """Until nothing more comes by itself, or the time is over, or so many steps were done."""
        limit_us = START + until_s * SECOND
        for _ in range(steps):
            decision = decide(self.state)
            if decision.record:
                self._record(decision.record)
                continue
            times = [t for t, _ in self.flying] + list(self.words)
            if decision.wake_us is not None:
                times.append(decision.wake_us)
            if not times or min(times) > limit_us:
                return self
            self._next(max(min(times), self.now_us))
        return self

    def _next(self, at_us: int) -> None:
        self.now_us = at_us
        said = [t for t in self.words if t <= at_us]
        if said:
            for say in self.words.pop(min(said)):
                say()
            return
        landed = [one for one in self.flying if one[0] <= at_us]
        if landed:
            one = min(landed, key=lambda f: f[0])
            self.flying.remove(one)
            record = one[1]()
            self.put(record.type, record.body)
        else:
            self.put("TimeReached", {})

    def _record(self, records: list[Any]) -> None:
        turns = self.state.turns
        for record in records:
            body = record.body
            if record.type == "LevelDue":
                body = {**body, "recipients": self._recipients(body), "words": {"title": "Oh"}}
            self.put(record.type, body)
            if isinstance(record, Tell):
                self._send(record)
            elif isinstance(record, Perform):
                self._perform(body)
            if self.state.turns != turns:
                return

    def _recipients(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        by = [{"channel": name, "again": name in self.again} for name in body["by"]]
        by = [{**one, "by_key": True} if one["channel"] in self.by_key else one for one in by]
        found = [{"id": w, "name": w.title(), "by": by} for w in body["who"] if w != "nobody"]
        return [{**r, "not_before_us": self.later.get(r["id"])} for r in found]

    def _send(self, effect: Tell) -> None:
        body = effect.body
        said = self.channels.get(body["channel"], [True])
        nth = sum(1 for s in self.sent if s[3] == body["channel"])
        answer = said[min(nth, len(said) - 1)]
        at_s = (self.now_us - START) // SECOND
        self.sent.append((at_s, body["kind"], body["who"], body["channel"]))
        self.keys.append(body["key"])
        self.tells.append(effect)
        self.told.append(effect.words)
        if answer is HANG:
            return
        follows = {
            "follows": body["channel"] in ("page", "chat"),
            "edits": body["channel"] == "chat",
        }
        outcome = answer.outcome() if isinstance(answer, Oops) else Outcome(follows, None, 1.0, 0.0)
        place = (body["escalation"], body["summons"])
        land_us = self.now_us + SECOND // 10
        self.flying.append((land_us, lambda: conclude_tell(self.state, *place, outcome, land_us)))

    def _perform(self, body: Mapping[str, Any]) -> None:
        path = body["path"]
        found = self.script.get(path, {"ok": True})
        outcome = found.outcome() if isinstance(found, Oops) else Outcome(found, None, 1.0, 0.5)
        land_us = self.now_us + SECOND // 10
        self.flying.append((land_us, lambda: conclude(self.state, path, outcome, land_us)))

    # -- what tests look at ------------------------------------------------------------------------

    @property
    def pages(self) -> list[tuple[int, str, str]]:
        """Seconds, person, channel of every page that came to a channel."""
        return [(at_s, who, by) for at_s, kind, who, by in self.sent if kind == "page"]

    def types(self) -> list[str]:
        return [e.type for e in self.events]

    def last(self, type_: str) -> Mapping[str, Any]:
        return next(e.body for e in reversed(self.events) if e.type == type_)
