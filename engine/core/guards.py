"""May a run begin now? The rules of admission: pure; every store asks them in its transaction.

What is asked for is an `Admission`, what the store knows is `Seen`, the answer a `Verdict`. The
guards are asked in this order, and the first that objects is the reason that is recorded:

1. Somebody asks for what is being done already, and the lock says `join`: the running one is it.
2. The switch (`runbook freeze`), then the freeze windows of the environment. Both stop what would
   change something; a runbook of checks alone may look at any time.
3. The breaker: after so many runs in a row that did not resolve, only one approved run at a time
   tries, `reset` after the last of them at the earliest. A cancelled run says nothing either way.
4. `max_runs`, then the cool-down. A run about another lock is about another thing: it does not
   cool this one down.
5. The lock: free, or the run waits in line, or is refused.

A run that waited in line is asked all of it again when its turn comes. Times are fields; there is
no clock in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from engine.clock import MICROSECONDS, to_datetime
from engine.language.duration import format_duration

QUEUE_S = 24 * 3600
"""A run that waited so long for a lock is refused: what it was asked for is a day old, and nobody
expects it to begin out of the blue."""

QUEUE_MAX = 100
"""Runs in line for one lock. More are asked for by something that went wild."""

WhenTaken = Literal["queue", "reject", "join"]
Answer = Literal["admitted", "queued", "refused", "joined"]

AUTONOMIES = ("guide", "propose", "auto")
"""How far a run goes by itself, from the least to the most."""


def autonomy_of(environment: str, runbook: str | None) -> str:
    """How far a run goes by itself: as far as the environment lets it, less where the runbook says
    less.
    """
    return min(environment, runbook or "auto", key=AUTONOMIES.index)


class Lock(Struct, frozen=True):
    """What only one run at a time may hold in an environment, and what another does meanwhile."""

    key: str
    when_taken: WhenTaken = "queue"


class Closed(Struct, frozen=True):
    """A time in which nothing is changed."""

    from_us: int
    until_us: int
    why: str


class Rules(Struct, frozen=True, kw_only=True):
    """The guards of a runbook, rendered, and the times its environment is closed."""

    lock: Lock | None = None
    cooldown_us: int | None = None
    max_runs: int | None = None
    per_us: int = 0
    breaker_after: int | None = None
    breaker_reset_us: int = 0
    closed: tuple[Closed, ...] = ()
    """From the asking on until `QUEUE_S` later, and no further."""

    def to_json(self) -> dict[str, Any]:
        lock = self.lock
        return {
            "lock": [lock.key, lock.when_taken] if lock is not None else None,
            "cooldown_us": self.cooldown_us,
            "max_runs": self.max_runs,
            "per_us": self.per_us,
            "breaker_after": self.breaker_after,
            "breaker_reset_us": self.breaker_reset_us,
            "closed": [[one.from_us, one.until_us, one.why] for one in self.closed],
        }

    @classmethod
    def of_json(cls, body: Mapping[str, Any]) -> Rules:
        lock = Lock(*body["lock"]) if body["lock"] is not None else None
        closed = tuple(Closed(*one) for one in body["closed"])
        return cls(**{**body, "lock": lock, "closed": closed})


class Admission(Struct, frozen=True):
    """What is asked for. `through`: the reason why it may try an open breaker."""

    runbook: str
    environment: str
    rules: Rules
    acts: bool = True
    """Whether it would change anything."""
    through: str | None = None

    @property
    def lock(self) -> str | None:
        return self.rules.lock.key if self.rules.lock is not None else None


class Switch(Struct, frozen=True):
    """Since when nothing is changed anywhere, why, and by whose word."""

    at_us: int
    why: str
    by: str


class Ended(Struct, frozen=True):
    """A run that is over."""

    run: str
    outcome: str
    at_us: int


class Seen(Struct, frozen=True, kw_only=True):
    """What the store knows that bears on an admission."""

    frozen: Switch | None = None
    ended: tuple[Ended, ...] = ()
    """The latest runs of this runbook and environment that say something about it, newest first;
    at least as many as its breaker counts."""
    last: Ended | None = None
    """The latest one about the same lock."""
    begun_us: tuple[int, ...] = ()
    """When the latest of its runs began, newest first; at least as many as `max_runs` counts."""
    trying: str | None = None
    """The run that tries an open breaker now."""
    holder: str | None = None
    """The run that holds the lock, and its runbook."""
    holder_runbook: str = ""
    waiting: int = 0
    """Runs in line for the lock."""


class Verdict(Struct, frozen=True):
    """The answer. `run`: who is in the way; `until_us`: when to ask again, if that is known."""

    answer: Answer
    guard: str = ""
    reason: str = ""
    until_us: int | None = None
    since_us: int | None = None
    run: str | None = None


ADMITTED = Verdict("admitted")


def judge(asked: Admission, seen: Seen, at_us: int) -> Verdict:
    """Whether the run may begin at this time."""
    if _joins(asked, seen):
        reason = f"run {seen.holder} does it already"
        return Verdict("joined", "lock", reason, run=seen.holder)
    for rule in (_switch, _windows, _breaker, _max_runs, _cooldown):
        verdict = rule(asked, seen, at_us)
        if verdict is not None:
            return verdict
    return _lock(asked, seen)


def _joins(asked: Admission, seen: Seen) -> bool:
    lock = asked.rules.lock
    if lock is None or lock.when_taken != "join":
        return False
    return seen.holder is not None and seen.holder_runbook == asked.runbook


def _switch(asked: Admission, seen: Seen, _at_us: int) -> Verdict | None:
    on = seen.frozen
    if on is None or not asked.acts:
        return None
    reason = f"everything is frozen since {moment(on.at_us)} by {on.by}: {on.why}"
    return Verdict("refused", "freeze", reason, since_us=on.at_us)


def _windows(asked: Admission, _seen: Seen, at_us: int) -> Verdict | None:
    for one in asked.rules.closed if asked.acts else ():
        if one.from_us <= at_us < one.until_us:
            why = f": {one.why}" if one.why else ""
            until = moment(one.until_us)
            reason = f"{asked.environment} is in a freeze window until {until}{why}"
            return Verdict("refused", "window", reason, one.until_us, one.from_us)
    return None


def _breaker(asked: Admission, seen: Seen, at_us: int) -> Verdict | None:
    after = asked.rules.breaker_after
    row = unresolved_in_a_row(seen.ended)
    if after is None or row < after:
        return None
    last = seen.ended[0]
    half_us = last.at_us + asked.rules.breaker_reset_us
    count = f"{after} runs in a row" if after > 1 else "a run"
    open_ = f"the breaker is open: {count} did not resolve, the last was {last.run}"
    if at_us < half_us:
        reason = f"{open_}; one approved run may try from {moment(half_us)} on"
        return Verdict("refused", "breaker", reason, half_us, last.at_us)
    if seen.trying is not None:
        reason = f"{open_}; run {seen.trying} tries now"
        return Verdict("refused", "breaker", reason, since_us=last.at_us, run=seen.trying)
    if asked.through is None:
        reason = f"{open_}; one approved run may try"
        return Verdict("refused", "breaker", reason, since_us=last.at_us)
    return None


def unresolved_in_a_row(ended: tuple[Ended, ...]) -> int:
    """How many of the latest runs did not resolve, one after the other."""
    count = 0
    for one in ended:
        if one.outcome == "resolved":
            break
        count += 1
    return count


def _max_runs(asked: Admission, seen: Seen, at_us: int) -> Verdict | None:
    most, per_us = asked.rules.max_runs, asked.rules.per_us
    if most is None:
        return None
    recent = [begun_us for begun_us in seen.begun_us if begun_us > at_us - per_us]
    if len(recent) < most:
        return None
    until_us = recent[most - 1] + per_us
    count = f"{len(recent)} run{'s' if len(recent) > 1 else ''}"
    per = format_duration(per_us / MICROSECONDS)
    reason = f"{count} in the last {per}, and {most} may be; the next from {moment(until_us)} on"
    return Verdict("refused", "max_runs", reason, until_us, recent[-1])


def _cooldown(asked: Admission, seen: Seen, at_us: int) -> Verdict | None:
    for_us, last = asked.rules.cooldown_us, seen.last
    if for_us is None or last is None or at_us >= last.at_us + for_us:
        return None
    until_us = last.at_us + for_us
    reason = f"it cools down until {moment(until_us)}: run {last.run} ended {moment(last.at_us)}"
    return Verdict("refused", "cooldown", reason, until_us, last.at_us)


def _lock(asked: Admission, seen: Seen) -> Verdict:
    lock = asked.rules.lock
    if lock is None or seen.holder is None:
        return ADMITTED
    whose = f"run {seen.holder} of {seen.holder_runbook}"
    if lock.when_taken == "queue":
        if seen.waiting >= QUEUE_MAX:
            reason = f"{seen.waiting} runs wait for the lock {lock.key} already"
            return Verdict("refused", "lock", reason, run=seen.holder)
        reason = f"it waits for the lock {lock.key}, which {whose} holds"
        return Verdict("queued", "lock", reason, run=seen.holder)
    reason = f"the lock {lock.key} is held by {whose}"
    if lock.when_taken == "join":
        reason += ", which does something else and cannot be joined"
    return Verdict("refused", "lock", reason, run=seen.holder)


def moment(at_us: int) -> str:
    """A time in a reason: to the second, in UTC, which the journal speaks."""
    return to_datetime(at_us).strftime("%Y-%m-%d %H:%M:%S UTC")
