"""`runbook trigger`: which runbooks an event would start, without starting any."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.session import Session
from engine.core.cells import clean
from engine.errors import Diagnosed, Usage
from engine.language.words import did_you_mean

if TYPE_CHECKING:
    from engine.core.arrivals import Arrival
    from engine.core.rules import Matched, Ruling
    from engine.language.model import Runbook

SOURCES = ("alertmanager", "pagerduty", "webhook:NAME")

FILE_MAX_BYTES = 1024 * 1024
"""What a server takes."""


@click.command()
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--source",
    metavar="NAME",
    help="alertmanager, pagerduty, webhook:NAME.  [default: as it looks]",
)
@click.option("--explain", is_flag=True, help="Also why the other runbooks do not match.")
@click.pass_obj
def trigger(session: Session, file: str, source: str | None, explain: bool) -> int:
    """Which runbooks the event in FILE (as it is sent to a webhook; `-`: stdin) would start, in
    which order and with which inputs. Nothing is started.

    Ends with 1 when none would be started.
    """
    from engine.core.rules import Matched, rule  # noqa: PLC0415

    arrival = _arrival(_read(file), source)
    books, broken = _books(session)
    rulings = rule(books.values(), arrival)
    matched = [one for one in rulings if isinstance(one, Matched)]
    told = [_matched(session, books[one.runbook], one) for one in matched]
    starts = any(one["problem"] is None for one in told)
    if session.json:
        others = [_not_matched(one) for one in rulings if not isinstance(one, Matched)]
        for found in [*told, *others, *({"runbook": name, "reads": False} for name in broken)]:
            session.output.object({"type": "ruling", "source": arrival.source, **found})
        return 0 if starts else 1
    out = session.output.line
    out(f"{arrival.source} {arrival.kind}: {clean(arrival.about)}")
    for number, one in enumerate(told, 1):
        session.output.lines(_lines(number, one))
    if not told:
        out("  no runbook matches" + ("" if explain else "; --explain says why"))
    if explain:
        session.output.lines(_others(rulings, books, arrival.source))
    for name in broken:
        session.output.note(f"{name} does not read, so it is as if it were not there")
        session.output.note(f"help: runbook lint {name}")
    return 0 if starts else 1


def _books(session: Session) -> tuple[dict[str, Runbook], list[str]]:
    """Every runbook by name, and the names of those that do not read."""
    books: dict[str, Runbook] = {}
    broken = []
    for name in session.find_books().names():
        try:
            books[name] = session.load(name)
        except Diagnosed:
            broken.append(name)
    return books, broken


def _matched(session: Session, runbook: Runbook, one: Matched) -> dict[str, Any]:
    """What is told of a runbook that matches, also as JSON."""
    given = dict(one.inputs)
    defaults = {
        name: spec.default
        for name, spec in runbook.inputs.items()
        if name not in given and not spec.required
    }
    return {
        "runbook": one.runbook,
        "matches": True,
        "environment": one.environment,
        "autonomy": one.autonomy,
        "priority": one.priority,
        "inputs": given,
        "defaults": defaults,
        "alerts": [alert["labels"] for alert in one.event.get("alerts", ()) if "labels" in alert],
        "problem": one.problem or _no_environment(session, one),
        "trigger": str(one.trigger.place),
    }


def _no_environment(session: Session, one: Matched) -> str | None:
    pack = one.runbook.partition("/")[0]
    known = session.find_books().environments(pack)
    if one.environment is None or one.environment in known:
        return None
    return f"the pack {pack} has no environment {one.environment}"


def _lines(number: int, one: dict[str, Any]) -> Iterator[str]:
    where = f"in {one['environment']}" if one["environment"] else "in the server's environment"
    autonomy = f", {one['autonomy']} at most" if one["autonomy"] else ""
    priority = f", priority {one['priority']:g}" if one["priority"] else ""
    alerts = f", for {len(one['alerts'])} alerts" if len(one["alerts"]) > 1 else ""
    yield f"  {number}. {one['runbook']} {where}{autonomy}{priority}{alerts}"
    for name, value in one["inputs"].items():
        yield f"       {name}: {_value(value)}"
    for name, value in one["defaults"].items():
        yield f"       {name}: {_value(value)} (its default)"
    if one["problem"] is not None:
        yield f"       it would be refused: {clean(one['problem'])}"
    yield f"       by {one['trigger']}"


def _value(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False, default=str))


def _others(rulings: Sequence[Ruling], books: Mapping[str, Runbook], source: str) -> Iterator[str]:
    """Why the others do not match: each trigger of this source, and how many have none."""
    from engine.core.rules import NotMatched  # noqa: PLC0415

    for one in rulings:
        if isinstance(one, NotMatched):
            yield f"  not {one.runbook}, by {one.trigger.place}"
            for line in one.why:
                yield f"       {clean(line)}"
    silent = len(books) - len({one.runbook for one in rulings})
    if silent:
        yield f"  {silent} runbook{'' if silent == 1 else 's'} without a trigger for {source}"


def _not_matched(one: Ruling) -> dict[str, Any]:
    told = {"runbook": one.runbook, "matches": False, "trigger": str(one.trigger.place)}
    return told | {"why": list(getattr(one, "why", ()))}


def _read(file: str) -> Any:
    if file == "-":
        data = sys.stdin.buffer.read(FILE_MAX_BYTES + 1)
    else:
        try:
            with Path(file).open("rb") as stream:
                data = stream.read(FILE_MAX_BYTES + 1)
        except OSError as error:
            raise Usage(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > FILE_MAX_BYTES:
        raise Usage(f"{file} is over 1 MiB, and a server takes no more")
    from engine.core.arrivals import Unreadable, read_json  # noqa: PLC0415

    try:
        return read_json(data)
    except Unreadable as error:
        raise Usage(f"{file} would not be read: {error}") from error


def _arrival(payload: Any, source: str | None) -> Arrival:
    from engine.core import arrivals  # noqa: PLC0415

    kind, _, name = (source or _looks_like(payload)).partition(":")
    try:
        if kind == "alertmanager":
            return arrivals.from_alertmanager(payload)
        if kind == "pagerduty":
            return arrivals.from_pagerduty(payload)
    except arrivals.Unreadable as error:
        raise Usage(f"this is nothing that {kind} sends: {error}") from error
    if kind == "webhook" and name:
        return arrivals.from_webhook(name, payload)
    if kind == "webhook":
        raise Usage("say which webhook it is", help="--source webhook:NAME")
    otherwise = "--source alertmanager, pagerduty or webhook:NAME"
    raise Usage(
        f"`{source or ''}` is no source of events", help=did_you_mean(kind, SOURCES, otherwise)
    )


def _looks_like(payload: Any) -> str:
    if isinstance(payload, dict) and isinstance(payload.get("event"), dict):
        return "pagerduty"
    if isinstance(payload, dict) and isinstance(payload.get("alerts"), list):
        return "alertmanager"
    raise Usage(
        "this looks like no event of PagerDuty or Alertmanager",
        help="of a webhook of your own: --source webhook:NAME",
    )
