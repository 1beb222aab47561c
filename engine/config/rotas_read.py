"""Reads rotas and quiet hours: what fits, and everything that is wrong, each with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from engine.config.fields import Fields, plain
from engine.config.rotas import Override, Quiet, Rota, instant
from engine.language.cron import zone_hint, zone_of
from engine.language.nodes import Node, Scalar
from engine.language.words import did_you_mean, named

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

ROTA_KEYS = (
    *("channel", "connection", "handover", "order", "overrides"),
    *("pagerduty", "since", "timezone"),
)
KEPT_ELSEWHERE_KEYS = ("channel", "connection", "order", "pagerduty")
"""Of a rota that PagerDuty keeps."""

WEEKLY_HINT = "a rota is {order: [ana, bo], since: 2026-01-05}, or {pagerduty: SCHEDULE}"
OVERRIDE_KEYS = ("from", "until", "who")
QUIET_KEYS = ("from", "timezone", "until")

OVERRIDES_MAX = 500
"""Of one rota: one for each day of a year and more; those that are over can go. Each is compared
with those before it."""

NOON, NIGHT = time(12), time(3)
"""Hours that are quiet at noon and not at three in the night are written the wrong way round."""

ZONE_HINT = "timezone: Europe/Berlin, or timezone: UTC if that is meant"

_HANDOVER = re.compile(r"(MON|TUE|WED|THU|FRI|SAT|SUN) ([01]\d|2[0-3]):([0-5]\d)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def read_quiet(fields: Fields, node: Node, name: str) -> Quiet | None:
    """`{from: "22:00", until: "07:00", timezone: Europe/Berlin}`."""
    given = {k.text: v for k, v in fields.mapping(node, name, QUIET_KEYS)}
    if not given:
        return None
    times = [_clock(fields, given.get(key), key, node) for key in ("from", "until")]
    zone = read_zone(fields, given.get("timezone"))
    if times[0] is None or times[1] is None or zone is None:
        return None
    if "timezone" not in given:
        fields.warn("RB876", "quiet hours without 'timezone' go by UTC", node, ZONE_HINT)
    made = Quiet(times[0], times[1], zone)
    if _lies(NOON, made) and not _lies(NIGHT, made):
        what = "these hours are quiet by day, and not at night"
        turned = f'{{from: "{times[1]:%H:%M}", until: "{times[0]:%H:%M}"}}'
        fields.warn("RB877", what, node, f"the other way round: {turned}")
    if times[0] == times[1]:
        what = "quiet hours that begin and end at the same time last all day"
        fields.warn("RB870", what, given["until"], "what is not critical is told at that time only")
    return made


def _lies(at: time, quiet: Quiet) -> bool:
    if quiet.begin < quiet.end:
        return quiet.begin <= at < quiet.end
    return at >= quiet.begin or at < quiet.end


def read_zone(fields: Fields, node: Node | None) -> str | None:
    """A time zone; UTC unless given, None where there is none of that name, which is told."""
    if node is None:
        return "UTC"
    text = fields.text(node, "timezone")
    if text is not None and zone_of(text) is None:
        fields.error("RB840", f"there is no time zone {named(text)}", node, zone_hint(text))
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
        for name in sorted({"channel", "connection"} & set(given)):
            what = f"{named(name)} goes with 'pagerduty': a weekly rota is known here"
            self.fields.error("RB824", what, given[name], WEEKLY_HINT)
        missing = [name for name in ("order", "since") if name not in given]
        if missing:
            what = f"the rota {named(key.text)} has no {named(missing[0])}"
            self.fields.error("RB824", what, key, WEEKLY_HINT)
            return None
        zone = read_zone(self.fields, given.get("timezone"))
        first = self._first(given["since"], given.get("handover"))
        order = tuple(self._order(given["order"]))
        if zone is None or first is None or not order:
            return None
        if "timezone" not in given:
            what = f"the rota {named(key.text)} has no 'timezone': its hand-overs go by UTC"
            self.fields.warn("RB876", what, key, ZONE_HINT)
        overrides = self._overrides(given.get("overrides"), zone)
        more: dict[str, Any] = {"order": order, "timezone": zone, "first": first}
        return Rota(name=key.text, place=key.place, overrides=overrides, **more)

    def _kept_elsewhere(self, key: Scalar, given: Mapping[str, Node]) -> Rota | None:
        fields = self.fields
        for name in sorted(set(given) - set(KEPT_ELSEWHERE_KEYS)):
            what = f"{named(name)} does not go with 'pagerduty', which keeps the rota"
            fields.error("RB824", what, given[name])
        names = ("pagerduty", "connection", "channel")
        text = {name: fields.text(given[name], name) for name in names if name in given}
        order = tuple(self._order(given["order"])) if "order" in given else ()
        self._check_ways(key, given)
        ways: dict[str, Any] = {name: text.get(name) for name in ("connection", "channel")}
        made = {"order": order, "schedule": text["pagerduty"], **ways}
        return Rota(name=key.text, place=key.place, **made)

    def _check_ways(self, key: Scalar, given: Mapping[str, Node]) -> None:
        """How whoever is on call is reached: as they are known, or by PagerDuty."""
        if "connection" not in given and "channel" not in given:
            what = f"the rota {named(key.text)} has neither 'connection' nor 'channel'"
            hint = (
                "a connection by which PagerDuty is asked who it is, or a channel that pages them"
            )
            self.fields.error("RB824", what, key, hint)
        elif "connection" not in given and "order" in given:
            what = (
                "'order' is for when PagerDuty cannot be asked, and without 'connection' it is not"
            )
            self.fields.error("RB824", what, given["order"], "name the connection, or leave it out")
        elif "channel" in given and "order" in given:
            what = "'channel' and 'order' both say what is done when PagerDuty cannot be asked"
            self.fields.error("RB824", what, given["order"], "leave one of them out")
        elif "channel" not in given and "order" not in given:
            what = "when PagerDuty cannot be asked, only the console is told"
            hint = "`channel` pages whoever is on call, `order` names people who are called then"
            self.fields.warn("RB871", what, key, hint)

    def _order(self, node: Node) -> list[str]:
        if not getattr(node, "items", True):
            self.fields.error("RB824", "'order' names nobody", node, "name people, in turn")
        return self._who(node, "order")

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
        ahead = timedelta(days=(DAYS.index(found[1]) - day.weekday()) % 7)
        if day > date.max - ahead:
            self.fields.wrong("since", "a day like 2026-01-05", since)
            return None
        day += ahead
        return datetime.combine(day, time(int(found[2]), int(found[3])))

    def _overrides(self, node: Node | None, zone: str) -> tuple[Override, ...]:
        found: list[Override] = []
        items = getattr(node, "items", ()) if node is not None else ()
        if node is not None and not items:
            self.fields.wrong("overrides", "a list of {who, from, until}", node)
        if len(items) > OVERRIDES_MAX:
            what = f"a rota has at most {OVERRIDES_MAX} overrides"
            self.fields.error("RB826", what, items[OVERRIDES_MAX], "take out those that are over")
        for item in items[:OVERRIDES_MAX]:
            given = {k.text: v for k, v in self.fields.mapping(item, "override", OVERRIDE_KEYS)}
            times = [_moment(given.get(key), zone_of(zone)) for key in ("from", "until")]
            who = self._who(given["who"], "who") if "who" in given else []
            if not who or times[0] is None or times[1] is None or times[0] >= times[1]:
                what = "an override says who, from when and until when"
                if times[0] is not None and times[1] is not None and times[0] >= times[1]:
                    what = "an override ends when it begins, or before"
                hint = "{who: bo, from: 2026-02-01 09:00, until: 2026-02-03 09:00}"
                self.fields.error("RB824", what, item, hint)
                continue
            if len(who) > 1:
                what = "an override names one person, and is given for each who stands in"
                self.fields.error("RB824", what, given["who"])
            made = Override(who[0], times[0], times[1])
            self._check_overlap(made, found, item)
            found.append(made)
        return tuple(found)

    def _check_overlap(self, made: Override, before: list[Override], at: Node) -> None:
        for one in before:
            if one.who != made.who and one.from_us < made.until_us and made.from_us < one.until_us:
                what = f"{named(made.who)} and {named(one.who)} stand in at the same time"
                self.fields.warn("RB872", what, at, "the later in the file counts")
                return


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
    try:
        return round(found.timestamp() * 1e6) if found.tzinfo else instant(found, zone)
    except OverflowError:  # the first or the last day there is: for ever
        return instant(found.replace(tzinfo=None), UTC)
