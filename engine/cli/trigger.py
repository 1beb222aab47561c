"""`runbook trigger`: which runbooks an event would start, without starting any."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.session import Session
from engine.cli.text import clean
from engine.errors import Usage

if TYPE_CHECKING:
    from engine.core.arrivals import Arrival
    from engine.core.rules import Ruling

FILE_MAX_BYTES = 1024 * 1024
"""What a server takes."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--source",
    metavar="NAME",
    help="alertmanager, pagerduty, webhook:NAME.  [default: as it looks]",
)
@click.option("--explain", is_flag=True, help="Also why the other runbooks do not match.")
@click.pass_obj
def trigger(session: Session, file: str, source: str | None, explain: bool) -> int:
    """Which runbooks the event in FILE (as it is sent to a webhook; `-`: stdin) would start, with
    which inputs. Nothing is started.
    """
    from engine.core.rules import Matched, rule  # noqa: PLC0415

    arrival = _arrival(_read(file), source)
    books = [session.load(name) for name in session.find_books().names()]
    rulings = rule(books, arrival)
    matched = [one for one in rulings if isinstance(one, Matched)]
    if session.json:
        for one in rulings:
            session.output.object(_json(one))
        return 0 if matched else 1
    out = session.output.line
    out(f"{arrival.source} {arrival.kind}: {clean(arrival.about)}")
    for number, one in enumerate(matched, 1):
        _tell(session, number, one)
    if not matched:
        out("  no runbook matches" + ("" if explain else "; --explain says why"))
    if explain:
        for ruling in rulings:
            if not isinstance(ruling, Matched):
                out(f"  not {ruling.runbook}: {'; '.join(ruling.why) or 'no'}")
        silent = len(books) - len({one.runbook for one in rulings})
        out(f"  {silent} runbooks have no trigger for {arrival.source}")
    return 0 if matched else 1


def _tell(session: Session, number: int, one: Any) -> None:
    where = f"in {one.environment}" if one.environment else "where the server's `environment` is"
    autonomy = f", {one.autonomy}" if one.autonomy else ""
    session.output.line(f"  {number}. {one.runbook} {where}{autonomy}")
    for name, value in one.inputs.items():
        session.output.line(f"       {name}: {json.dumps(value, ensure_ascii=False)}")
    if one.problem is not None:
        session.output.line(f"       it would be refused: {one.problem}")
    session.output.line(f"       by {one.trigger.place}")


def _read(file: str) -> Any:
    if file == "-":
        data = sys.stdin.buffer.read(FILE_MAX_BYTES + 1)
    else:
        with Path(file).open("rb") as stream:
            data = stream.read(FILE_MAX_BYTES + 1)
    if len(data) > FILE_MAX_BYTES:
        raise Usage(f"{file} is over 1 MiB, and a server takes no more")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Usage(f"{file} is no JSON: {error}") from error


def _arrival(payload: Any, source: str | None) -> Arrival:
    from engine.core import arrivals  # noqa: PLC0415

    kind, _, name = (source or _looks_like(payload)).partition(":")
    try:
        arrivals.check_depth(payload)
        if kind == "alertmanager":
            return arrivals.from_alertmanager(payload)
        if kind == "pagerduty":
            return arrivals.from_pagerduty(payload)
    except arrivals.Unreadable as error:
        raise Usage(f"this is nothing that {kind} sends: {error}") from error
    if kind == "webhook" and name:
        return arrivals.from_webhook(name, payload)
    raise Usage(
        f"`{source or ''}` is no source of events",
        help="--source alertmanager, pagerduty or webhook:NAME",
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


def _json(one: Ruling) -> dict[str, Any]:
    from engine.core.rules import Matched  # noqa: PLC0415

    told: dict[str, Any] = {"runbook": one.runbook, "trigger": str(one.trigger.place)}
    if isinstance(one, Matched):
        told |= {"matches": True, "environment": one.environment, "autonomy": one.autonomy}
        return told | {"inputs": dict(one.inputs), "problem": one.problem}
    return told | {"matches": False, "why": list(one.why)}
