"""What a scenario of a recorded run says of the people who were called: who took it and when, what
the channels did, and who was to be called.

A scenario takes no time for what its steps find, so times count from where people were begun to be
called, then and in the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from engine.core.escalate import DELAY_FACTOR, DELAY_MAX_S, DELAY_S, TRIES
from engine.core.events import Draft, Event
from engine.core.held import HELD
from engine.language.duration import format_duration
from engine.scenario.calls import short_names, told_only
from engine.scenario.play import Played
from engine.scenario.story import heard_in, since

NEAR_S: Final = 5
"""Times of a scenario this near to those of the run are the same ones: what lies between is how
long its steps and channels took.
"""

SLOW_S: Final = 1.0
"""A channel that takes longer than this is slow, which is worth a word."""

CUT: Final = "the engine died while this was sent"

Play = Callable[[Mapping[str, Any]], Played | None]
"""Plays the scenario with these keys besides; None where it cannot be played."""


@dataclass(frozen=True, slots=True)
class Took:
    """Somebody took these escalations."""

    at_us: int
    by: str
    keys: tuple[str, ...]
    note: str


def without_holds(events: Sequence[Event]) -> Iterator[Event]:
    """Without whom it called because it could not be gone on with: nothing is in the way of a
    scenario.
    """
    for event in events:
        body = event.body
        if event.type == "Acknowledged":
            keys = [key for key in body["escalations"] if not key.startswith(HELD)]
            if keys:
                yield structs.replace(event, body={**body, "escalations": keys})
        elif not str(body.get("escalation", "")).startswith(HELD):
            yield event


class Called:
    """Who was called in a recorded run."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = tuple(without_holds(events))
        self._starts = starts(self._events)
        self._began_us = events[0].at_us
        self._names = short_names(dict.fromkeys(key for key, number in self._starts if number))
        self._environment = str(events[0].body["environment"])

    @property
    def any(self) -> bool:
        return any(event.type == "LevelDue" for event in self._events)

    def keys(self, play: Play) -> dict[str, Any]:
        """`calls`, `acknowledges` and `channels` of the scenario."""
        made: dict[str, Any] = {"calls": self._environment}
        channels = channels_of(self._events)
        if channels:
            made["channels"] = channels
        for took in self._takings():
            played = play(made)
            one = self._taking(took, starts(played.events) if played is not None else {})
            made["acknowledges"] = [*made.get("acknowledges", []), one]
        return made

    def expect(self, played: Played | None) -> dict[str, Any]:
        """What it expects of people."""
        heard = heard_in(self._events, self._names)
        pages = [one for one in heard.told if one["kind"] == "page"]
        cut = any(event.type == "RunTakenUp" for event in self._events)
        now = [one for one in played.heard.told if one["kind"] == "page"] if played else []
        told = []
        for then, other in _pairs(pages, now):
            at = self._at(then, other, played, cut)
            said = {"at": at, "who": then["who"], "by": then["by"]}
            told.append({key: value for key, value in said.items() if value is not None})
        ends = {
            name: {key: one[key] for key in ("taken_by", "exhausted") if one[key]}
            for name, one in heard.escalations.items()
        }
        ends = {name: one for name, one in ends.items() if one and not told_only(name)}
        return {"pages": told, **({"escalations": ends} if ends else {})}

    def _at(
        self,
        then: Mapping[str, Any],
        now: Mapping[str, Any] | None,
        played: Played | None,
        cut: bool,
    ) -> str | None:
        """When somebody is to be told: as in the scenario, where that is the time of the run.

        `cut`: its driver died, and what was due then may have been told later: None says so.
        """
        key = next(key for key, name in self._names.items() if name == then["of"]), 1
        begun_us = starts(played.events).get(key) if played is not None else None
        if begun_us is None or played is None:
            return None if cut else str(then["at"])
        _, then_s = since(self._starts[key], self._began_us)
        _, now_s = since(begun_us, _began_us(played))
        meant_s = then["at_s"] - then_s + now_s
        if now is not None and abs(now["at_s"] - meant_s) <= NEAR_S:
            return str(now["at"])
        return None if cut else format_duration(max(0, meant_s))

    def _takings(self) -> Iterable[Took]:
        """Who took what nobody had taken."""
        taken: set[str] = set()
        for event in self._events:
            path = event.body.get("path")
            if event.type == "EscalationReopened":
                taken.discard(str(event.body["escalation"]))
            if event.type == "Acknowledged":
                keys = tuple(event.body["escalations"])
            elif event.type == "Answered" and (path, 1) in self._starts:
                keys = (str(path),)
            else:
                continue
            if taken.issuperset(keys):
                continue
            taken.update(keys)
            yield Took(event.at_us, event.actor["name"], keys, event.body.get("note") or "")

    def _taking(self, took: Took, now: Mapping[tuple[str, int], int]) -> dict[str, Any]:
        """As an entry of `acknowledges`. `now`: when escalations begin in the scenario."""
        known = [
            (key, number)
            for key, number in self._starts
            if key in took.keys and self._starts[key, number] <= took.at_us
        ]
        at_us = took.at_us - self._began_us
        if known and known[-1] in now:
            begun_us = now[known[-1]] - now[STARTED]
            at_us = took.at_us - self._starts[known[-1]] + begun_us
        whole_us = -(-at_us // SECOND_US) * SECOND_US
        if self._between(took.at_us, took.at_us + whole_us - at_us):
            whole_us = -(-at_us // 1000) * 1000
        made: dict[str, Any] = {"at": _time(max(0, whole_us)), "by": took.by}
        others = [key for key in self._names if not told_only(key)]
        if len(took.keys) == 1 and len(others) > 1:
            made["step"] = self._names.get(took.keys[0], took.keys[0])
        return made | ({"note": took.note} if took.note else {})

    def _between(self, after_us: int, until_us: int) -> bool:
        """Whether something came that it was in front of."""
        return any(
            event.type in _FOLLOWS and after_us < event.at_us <= until_us for event in self._events
        )


SECOND_US: Final = 1_000_000
_FOLLOWS: Final = ("LevelDue", "EscalationReopened", "Acknowledged")

STARTED: Final = ("", 0)
"""The beginning of the run itself, among those of escalations."""


def starts(events: Iterable[Event | Draft]) -> dict[tuple[str, int], int]:
    """When escalations began, by their key and how often they had begun then."""
    found: dict[tuple[str, int], int] = {}
    times: dict[str, int] = {}
    for event in events:
        body = event.body
        key = None
        if event.type == "RunStarted":
            found[STARTED] = event.at_us
        elif event.type == "StepStarted":
            tells = body["kind"] == "escalate" and body["attempt"] == 1
            key = str(body["path"]) if tells else None
        elif event.type in ("EscalationStarted", "EscalationReopened", "LevelDue"):
            key = str(body["escalation"])
            if event.type == "LevelDue" and key in times:
                key = None
        if key is not None:
            times[key] = times.get(key, 0) + 1
            found[key, times[key]] = event.at_us
    return found


def _pairs(
    then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """The messages of the run, each with the one of the scenario, and in its order where that has
    the same ones: of two that are sent together any may arrive first.
    """
    rest = list(then)
    found: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = []
    for one in now:
        same = next((t for t in rest if all(t[key] == one[key] for key in _SAME)), None)
        if same is None:
            break
        rest.remove(same)
        found.append((same, one))
    if rest or len(found) < len(now):
        return [(one, None) for one in then]
    return found


_SAME: Final = ("of", "who", "by", "level")


def _began_us(played: Played) -> int:
    return played.events[0].at_us


def _time(at_us: int) -> str:
    """`15m`, or `15m0.002s` where it is not a whole second."""
    seconds, rest_us = divmod(at_us, SECOND_US)
    if not rest_us:
        return format_duration(seconds)
    minutes = format_duration(seconds - seconds % 60) if seconds >= 60 else ""
    return f"{minutes}{seconds % 60 + rest_us / SECOND_US:g}s"


# -- channels --------------------------------------------------------------------------------------


def channels_of(events: Iterable[Event]) -> dict[str, Any]:
    """What each channel did with its messages, in order; channels that took all are left out."""
    sent: list[tuple[str, str]] = []
    ends: dict[str, Any] = {}
    under_way: dict[str, str] = {}
    last: dict[str, bool] = {}
    for event in events:
        body = event.body
        if event.type == "LevelDue":
            last |= _lasts(body)
        elif event.type == "TellStarted":
            id_ = f"{body['key']} {len(sent)}"
            sent.append((str(body["channel"]), id_))
            under_way[body["key"]] = id_
        elif event.type in ("Told", "TellFailed") and body["key"] in under_way:
            ends[under_way.pop(body["key"])] = _sending(event, last)
    by_channel: dict[str, list[Any]] = {}
    for channel, id_ in sent:
        by_channel.setdefault(channel, []).append(ends.get(id_, {"unknown": CUT}))
    return {
        name: _short(said) for name, said in by_channel.items() if set(map(str, said)) != {"ok"}
    }


def _lasts(body: Mapping[str, Any]) -> dict[str, bool]:
    """Whether a channel is the last that somebody has: it is tried longer."""
    return {
        f"{one['id']}/{by['channel']}": at + 1 == len(one["by"])
        for one in body["recipients"]
        for at, by in enumerate(one["by"])
    }


def _short(said: list[Any]) -> Any:
    while len(said) > 1 and said[-1] == said[-2]:
        said.pop()
    return said[0] if len(said) == 1 else said


def _sending(event: Event, last: Mapping[str, bool]) -> Any:
    body = event.body
    took_s = body["elapsed_ms"] / 1000
    takes = {"takes": format_duration(took_s)} if took_s > SLOW_S else {}
    if event.type == "Told":
        return takes or "ok"
    if body["doubt"]:
        return {"unknown": body["why"], **takes}
    made = {"errored": body["why"], **takes}
    next_us = body["next_us"] if body["next_us"] is not None else body.get("later_us")
    if next_us is None:
        who = body["summons"].partition(":")[2]
        final = last.get(f"{who}/{body['key'].rpartition(':')[2]}", False)
        tired = body["attempt"] >= TRIES and not final
        return made if tired else {**made, "retryable": False}
    wait_s = min(DELAY_MAX_S, DELAY_S * DELAY_FACTOR ** (body["attempt"] - 1))
    wait_s += wait_s * body["random"] / 2
    told_s = (next_us - event.at_us) / 1e6
    return made if told_s <= wait_s + SLOW_S else {**made, "retry_after": format_duration(told_s)}
