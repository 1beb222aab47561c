"""Who is on call at a time, and when somebody is not to be woken: by the clocks of a time zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from engine.clock import to_datetime
from engine.config.fields import Fields, plain
from engine.errors import Place
from engine.language.cron import zone_of
from engine.language.nodes import Node, Scalar
from engine.language.words import did_you_mean, named

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
WEEK = timedelta(days=7)

ROTA_KEYS = ("channel", "handover", "order", "overrides", "pagerduty", "since", "timezone")
OVERRIDE_KEYS = ("from", "until", "who")
QUIET_KEYS = ("from", "timezone", "until")

_HANDOVER = re.compile(r"(MON|TUE|WED|THU|FRI|SAT|SUN) ([01]\d|2[0-3]):([0-5]\d)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody stands in."""

    who: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """A weekly rota, or (with `schedule`) one that PagerDuty keeps.

    `first` is a handover, on the clocks of the time zone: at it the first of `order` takes over.
    """

    name: str
    place: Place
    order: tuple[str, ...] = ()
    timezone: str = "UTC"
    first: datetime | None = None
    overrides: tuple[Override, ...] = ()
    schedule: str | None = None
    channel: str | None = None
    """The channel whose connection knows the schedule."""

    def on_call(self, at_us: int) -> str | None:
        """Who carries the pager at this time; None where PagerDuty knows."""
        for one in self.overrides:
            if one.from_us <= at_us < one.until_us:
                return one.who
        if not self.order or self.first is None:
            return None
        face = to_datetime(at_us).astimezone(zone_of(self.timezone)).replace(tzinfo=None)
        return self.order[(face - self.first) // WEEK % len(self.order)]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of each day at which only what is critical is told."""

    begin: time
    end: time
    timezone: str = "UTC"

    def until_us(self, at_us: int) -> int | None:
        """When the quiet hours end that this time lies in; None when it lies in none."""
        zone = zone_of(self.timezone)
        face = to_datetime(at_us).astimezone(zone).replace(tzinfo=None)
        for day in (face.date() - timedelta(days=1), face.date()):
            begin = datetime.combine(day, self.begin)
            end = datetime.combine(day, self.end)
            if end <= begin:
                end += timedelta(days=1)
            if begin <= face < end:
                return round(end.replace(tzinfo=zone).timestamp() * 1e6)
        return None


def read_quiet(fields: Fields, node: Node, name: str) -> Quiet | None:
    """`{from: "22:00", until: "07:00", timezone: Europe/Berlin}`."""
    given = {k.text: v for k, v in fields.mapping(node, name, QUIET_KEYS)}
    if not given:
        return None
    times = [_clock(fields, given.get(key), key, node) for key in ("from", "until")]
    zone = read_zone(fields, given.get("timezone"))
    if times[0] is None or times[1] is None or zone is None:
        return None
    return Quiet(times[0], times[1], zone)


def read_zone(fields: Fields, node: Node | None) -> str | None:
    """A time zone; UTC unless given, None where there is none of that name, which is told."""
    if node is None:
        return "UTC"
    text = fields.text(node, "timezone")
    if text is not None and zone_of(text) is None:
        hint = "one is named like Europe/Berlin or America/New_York; UTC unless given"
        fields.error("RB840", f"there is no time zone {named(text)}", node, hint)
        return None
    return text


def _clock(fields: Fields, node: Node | None, key: str, at: Node) -> time | None:
    text = node.text if isinstance(node, Scalar) else ""
    found = _CLOCK.fullmatch(text)
    if found is None:
        fields.wrong(key, 'a time of day like "22:00"', node or at)
        return None
    return time(int(found[1]), int(found[2]))


@dataclass(slots=True)
class RotaReader:
    """Reads the rotas of one file. `people`: who there is."""

    fields: Fields
    people: Mapping[str, Any]

    def read(self, key: Scalar, node: Node) -> Rota | None:
        given = {k.text: v for k, v in self.fields.mapping(node, key.text, ROTA_KEYS)}
        if "pagerduty" in given:
            return self._kept_elsewhere(key, given)
        missing = [name for name in ("order", "since") if name not in given]
        if missing:
            what = f"the rota {named(key.text)} has no {named(missing[0])}"
            hint = "a rota is {order: [ana, bo], since: 2026-01-05}, or {pagerduty: SCHEDULE}"
            self.fields.error("RB824", what, key, hint)
            return None
        zone = read_zone(self.fields, given.get("timezone"))
        first = self._first(given["since"], given.get("handover"))
        order = tuple(who for who in self._who(given["order"], "order"))
        if zone is None or first is None or not order:
            return None
        overrides = self._overrides(given.get("overrides"), zone)
        more: dict[str, Any] = {"order": order, "timezone": zone, "first": first}
        return Rota(name=key.text, place=key.place, overrides=overrides, **more)

    def _kept_elsewhere(self, key: Scalar, given: Mapping[str, Node]) -> Rota | None:
        for name in sorted(set(given) - {"pagerduty", "channel"}):
            what = f"{named(name)} does not go with 'pagerduty', which keeps the rota"
            self.fields.error("RB824", what, given[name])
        schedule = self.fields.text(given["pagerduty"], "pagerduty")
        channel = self.fields.text(given["channel"], "channel") if "channel" in given else None
        if "channel" not in given:
            what = f"the rota {named(key.text)} has no 'channel'"
            self.fields.error("RB824", what, key, "name the channel that PagerDuty is asked by")
        return Rota(name=key.text, place=key.place, schedule=schedule, channel=channel)

    def _who(self, node: Node, name: str) -> list[str]:
        found = []
        for who, at in self.fields.texts_with_places(node, name):
            if who in self.people:
                found.append(who)
            else:
                hint = did_you_mean(who, self.people, "declare them under 'people'")
                self.fields.error("RB822", f"nobody is named {named(who)}", at, hint)
        return found

    def _first(self, since: Node, handover: Node | None) -> datetime | None:
        """The first handover on or after the day `since`."""
        day = _day(since)
        if day is None:
            self.fields.wrong("since", "a day like 2026-01-05", since)
        text = "MON 00:00"
        if handover is not None:
            text = handover.text.upper() if isinstance(handover, Scalar) else ""
        found = _HANDOVER.fullmatch(text)
        if found is None and handover is not None:
            self.fields.wrong("handover", 'a day and time like "MON 09:00"', handover)
        if day is None or found is None:
            return None
        day += timedelta(days=(DAYS.index(found[1]) - day.weekday()) % 7)
        return datetime.combine(day, time(int(found[2]), int(found[3])))

    def _overrides(self, node: Node | None, zone: str) -> tuple[Override, ...]:
        found: list[Override] = []
        items = getattr(node, "items", ()) if node is not None else ()
        if node is not None and not items:
            self.fields.wrong("overrides", "a list of {who, from, until}", node)
        for item in items:
            given = {k.text: v for k, v in self.fields.mapping(item, "override", OVERRIDE_KEYS)}
            times = [_moment(given.get(key), zone_of(zone)) for key in ("from", "until")]
            who = self._who(given["who"], "who") if "who" in given else []
            if not who or times[0] is None or times[1] is None or times[0] >= times[1]:
                what = "an override says who, from when and until when"
                hint = "{who: bo, from: 2026-02-01 09:00, until: 2026-02-03 09:00}"
                self.fields.error("RB824", what, item, hint)
                continue
            found.append(Override(who[0], times[0], times[1]))
        return tuple(found)


def _day(node: Node) -> date | None:
    try:
        return date.fromisoformat(str(plain(node)))
    except ValueError:
        return None


def _moment(node: Node | None, zone: ZoneInfo | None) -> int | None:
    try:
        found = datetime.fromisoformat(str(plain(node)) if node is not None else "")
    except ValueError:
        return None
    return round((found if found.tzinfo else found.replace(tzinfo=zone)).timestamp() * 1e6)
