"""Freeze windows of an environment: times at which nothing is changed there.

```yaml
freeze:
  - {cron: "0 16 * * FRI", timezone: Europe/Berlin, length: 64h, why: nobody is here at the weekend}
  - {from: 2026-12-24, until: 2026-12-27 12:00, timezone: Europe/Berlin, why: holidays}
```

The cron expression (five fields, as of Debian's cron) says when a window begins, on the clocks of
its time zone; `length` is time that passes, so that a window of 64 h is as long at the weekends at
which the clocks change. A beginning that the clocks skip is at the end of what they skip; one that
they show twice is the first of the two. An expression that means every hour goes by time that
passes: every hour is every hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from engine.clock import MICROSECONDS
from engine.config.fields import Fields
from engine.core.guards import Closed
from engine.language.cron import CRON_HINT, cron_problem, times, us_of, zone_hint, zone_of
from engine.language.nodes import Mapping, Node, Scalar
from engine.language.words import named

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

KEYS = ("cron", "from", "length", "timezone", "until", "why")

LENGTH_MAX_S = 31 * 86400
"""Of one window that comes again. Longer ones lie over each other: freeze by `runbook freeze`."""

_LOOK_BACK_S = (3600, 86400)
"""How far back the latest beginning is looked for, before it is looked for as far back as a window
is long: an expression that begins one every minute has thousands of them in a month."""


class Window(Struct, frozen=True, kw_only=True):
    """One window, or, with `cron`, one that comes again."""

    timezone: str = "UTC"
    why: str = ""
    cron: str | None = None
    length_us: int = 0
    from_us: int = 0
    until_us: int = 0


def read_window(fields: Fields, node: Mapping) -> Window | None:
    """A window of the list; None where it says what cannot be understood, which is told."""
    given = {key.text: value for key, value in fields.mapping(node, "freeze", KEYS)}
    zone = given.get("timezone")
    timezone = (fields.text(zone, "timezone") if zone is not None else None) or "UTC"
    if zone_of(timezone) is None:
        what = f"there is no time zone {named(timezone)}"
        fields.error("RB840", what, zone or node, zone_hint(timezone))
        return None
    why = given.get("why")
    common: dict[str, Any] = {"timezone": timezone}
    if why is not None:
        common["why"] = fields.text(why, "why") or ""
    if "cron" in given:
        return _recurring(fields, node, given, common)
    return _once(fields, node, given, common)


def _recurring(
    fields: Fields, node: Mapping, given: dict[str, Node], common: dict[str, Any]
) -> Window | None:
    if not _whole(fields, node, given, ("cron", "length"), ("from", "until")):
        return None
    cron = fields.text(given["cron"], "cron")
    if cron is None:
        return None
    if (problem := cron_problem(cron)) is not None:
        what = f"{named(cron)} is no cron expression: {problem}"
        fields.error("RB841", what, given["cron"], CRON_HINT)
        return None
    length_s = fields.seconds(given["length"], "length")
    if length_s is None:
        return None
    if not 0 < length_s <= LENGTH_MAX_S:
        what = f"a window is longer than nothing and at most {LENGTH_MAX_S // 86400}d long"
        fields.error("RB842", what, given["length"])
        return None
    return Window(cron=cron, length_us=round(length_s * MICROSECONDS), **common)


def _once(
    fields: Fields, node: Mapping, given: dict[str, Node], common: dict[str, Any]
) -> Window | None:
    if not _whole(fields, node, given, ("from", "until"), ("length",)):
        return None
    zone = zone_of(common["timezone"])
    times = [_time(fields, given[key], key, zone) for key in ("from", "until")]
    if times[0] is None or times[1] is None:
        return None
    if times[0] >= times[1]:
        fields.error("RB842", "a window ends after it begins", given["until"])
        return None
    return Window(from_us=times[0], until_us=times[1], **common)


def _whole(
    fields: Fields,
    node: Mapping,
    given: dict[str, Node],
    needed: tuple[str, ...],
    other: tuple[str, ...],
) -> bool:
    """Whether a window has what its kind needs, and nothing of the other kind."""
    hint = "a window has `cron` and `length`, or `from` and `until`"
    for key in needed:
        if key not in given:
            fields.error("RB843", f"the window has no {named(key)}", node, hint)
            return False
    for key in other:
        if key in given:
            what = f"{named(key)} does not go with {named(needed[0])}"
            fields.error("RB843", what, given[key], hint)
            return False
    return True


def _time(fields: Fields, node: Node, name: str, zone: ZoneInfo | None) -> int | None:
    text = node.value if isinstance(node, Scalar) else None
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None:
        fields.wrong(name, "a time like 2026-12-24 or 2026-12-24 18:00", node)
        return None
    aware = found if found.tzinfo is not None else found.replace(tzinfo=zone)
    return us_of(aware)


def closed_times(windows: tuple[Window, ...], from_us: int, until_us: int) -> tuple[Closed, ...]:
    """The times at which the windows are open between these two, in order; those that touch each
    other and have the same reason as one.
    """
    found = [one for window in windows for one in _times(window, from_us, until_us)]
    merged: list[Closed] = []
    for one in sorted(found, key=lambda closed: (closed.why, closed.from_us)):
        last = merged[-1] if merged else None
        if last is not None and last.why == one.why and one.from_us <= last.until_us:
            merged[-1] = Closed(last.from_us, max(last.until_us, one.until_us), one.why)
        else:
            merged.append(one)
    return tuple(sorted(merged, key=lambda closed: (closed.from_us, -closed.until_us)))


def _times(window: Window, from_us: int, until_us: int) -> Iterator[Closed]:
    if window.cron is None:
        if window.from_us < until_us and window.until_us > from_us:
            yield Closed(window.from_us, window.until_us, window.why)
        return
    latest = _latest(window, from_us)
    if latest is not None and latest + window.length_us > from_us:
        yield Closed(latest, latest + window.length_us, window.why)
    for begin_us in times(window.cron, window.timezone, from_us):
        if begin_us >= until_us:
            return
        yield Closed(begin_us, begin_us + window.length_us, window.why)


def _latest(window: Window, at_us: int) -> int | None:
    """The last beginning until this time that matters now: one before it ended before it."""
    length_s = window.length_us // MICROSECONDS + 1
    for back_s in sorted({min(length_s, back_s) for back_s in (*_LOOK_BACK_S, length_s)}):
        found = None
        for begin_us in times(window.cron or "", window.timezone, at_us - back_s * MICROSECONDS):
            if begin_us > at_us:
                break
            found = begin_us
        if found is not None:
            return found
    return None
