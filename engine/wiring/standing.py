"""Who is on call now, and so who would be called: for people who want to know before the night."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.clock import to_datetime, to_iso
from engine.config import Contacts
from engine.config.contacts import Level
from engine.config.rotas import Rota
from engine.language.cron import zone_of
from engine.runner.on_call import Known
from engine.wiring.calling import Directory
from engine.wiring.on_call import Asked, person_of, trouble_of


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is on call in a rota, until when, and who is then. `trouble`: why that is not known."""

    rota: str
    source: str
    now: tuple[str, ...]
    until_us: int | None
    then: tuple[str, ...]
    timezone: str
    trouble: str | None = None

    @property
    def said(self) -> str:
        """In a line."""
        if self.trouble is not None:
            return self.trouble
        if not self.now:
            return f"known to {self.source}"
        words = ", ".join(self.now)
        if self.until_us is None:
            return words
        then = f", then {', '.join(self.then)}" if self.then else ""
        return f"{words} until {face(self.until_us, self.timezone)}{then}"

    def to_json(self) -> dict[str, Any]:
        until = to_iso(self.until_us) if self.until_us is not None else None
        found = {"rota": self.rota, "source": self.source, "ok": self.trouble is None}
        found |= {"now": list(self.now), "until": until, "then": list(self.then)}
        return {"type": "rota", **found, "trouble": self.trouble}


def face(at_us: int, timezone: str) -> str:
    return to_datetime(at_us).astimezone(zone_of(timezone)).strftime("%a %Y-%m-%d %H:%M %Z")


def standing(contacts: Contacts, rota: Rota, asked: Asked, at_us: int) -> Standing:
    if rota.schedule is None:
        until_us = rota.until(at_us)
        now = _names(contacts, rota.on_call(at_us))
        then = _names(contacts, rota.on_call(until_us)) if until_us is not None else ()
        return Standing(rota.name, "a weekly rota", now, until_us, then, rota.timezone)
    source = f"PagerDuty's schedule {rota.schedule}"
    known = asked.get(rota.name)
    if known is None:
        paged = f", and it is paged by {rota.channel}" if rota.channel is not None else ""
        return Standing(rota.name, f"{source}{paged}", (), None, (), "UTC")
    until_us = known.until(at_us)
    now = _carriers(contacts, known, at_us)
    then = _carriers(contacts, known, until_us) if until_us is not None else ()
    trouble = trouble_of(rota, known, at_us)
    return Standing(rota.name, source, now, until_us, then, "UTC", trouble)


def _names(contacts: Contacts, who: str | None) -> tuple[str, ...]:
    person = contacts.people.get(who or "")
    return (person.name,) if person is not None else ()


def _carriers(contacts: Contacts, known: Known, at_us: int) -> tuple[str, ...]:
    found = []
    for turn in known.at(at_us):
        person = person_of(contacts, turn)
        stranger = f"{turn.name} ({turn.user} of PagerDuty, nobody in the contacts)"
        found.append(person.name if person is not None else stranger)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class WouldCall:
    """Somebody whom a level would call now. `after_s`: from the beginning on; `by`: channels, the
    first that works; `standing`: of the rota that says so.
    """

    policy: str
    level: int
    after_s: float
    who: str
    name: str
    by: tuple[str, ...]
    not_before_us: int | None = None
    standing: Standing | None = None
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "would call", "policy": self.policy, "level": self.level}
        found |= {"after_s": self.after_s, "who": self.who, "name": self.name, "by": list(self.by)}
        later = to_iso(self.not_before_us) if self.not_before_us is not None else None
        found |= {"not_before": later, "remarks": list(self.remarks)}
        return found | {"rota": self.standing.to_json() if self.standing is not None else None}


def would_call(directory: Directory, asked: Asked, at_us: int) -> Iterator[WouldCall]:
    """Whom each level of each policy would call if it were due now."""
    for policy, levels in directory.contacts.policies.items():
        after_s = 0.0
        directory.severity = directory.contacts.severity_of.get(policy)
        for number, level in enumerate(levels, 1):
            after_s += level.after_s
            for who in level.who:
                place = (policy, number, after_s, who)
                yield from _level(directory, level, place, asked, at_us)


def _level(
    directory: Directory,
    level: Level,
    place: tuple[str, int, float, str],
    asked: Asked,
    at_us: int,
) -> Iterator[WouldCall]:
    contacts, who = directory.contacts, place[3]
    due = directory.recipients([who], list(level.by), at_us, asked)
    rota = contacts.rotas.get(who)
    now = standing(contacts, rota, asked, at_us) if rota is not None else None
    remarks = tuple(fact["trouble"] for fact in due.get("on_call", ()) if fact["trouble"])
    for one in due["recipients"]:
        by = tuple(way["channel"] for way in one["by"])
        missing = [name for name in level.by if name not in by and one["id"] not in by]
        if missing and one["id"] not in contacts.rotas:
            remarks += (f"not by {', '.join(missing)}: no address or no connection there",)
        yield WouldCall(*place, one["name"], by, one.get("not_before_us"), now, remarks)
        remarks, now = (), None
    for nobody in due["nobody"]:
        remark = f"nobody is found for {nobody}: the next level is told at once"
        yield WouldCall(*place, nobody, (), remarks=(remark,))
