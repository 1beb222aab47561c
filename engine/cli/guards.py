"""`runbook freeze`, `runbook thaw` and `runbook guards`: what is held back, and by whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from engine.cli.session import Session
from engine.cli.text import clean

if TYPE_CHECKING:
    from engine.core.guards import Switch
    from engine.journal.contract import Holding, Standing
    from engine.wiring.guarding import EnvironmentClosed


@click.command()
@click.option("--why", required=True, metavar="TEXT", help="What everybody who is refused reads.")
@click.pass_obj
def freeze(session: Session, why: str) -> int:
    """Refuse every run that would change something, until `runbook thaw`.

    What is under way goes on, and runbooks that only look may be run.
    """

    async def turn() -> int:
        async with session.open_store() as store:
            on = await session.engine(store).freeze(why, session.actor(None, "", ""))
        return _told(session, "frozen", on)

    return session.run(turn())


@click.command()
@click.option("--why", required=True, metavar="TEXT", help="For the record.")
@click.pass_obj
def thaw(session: Session, why: str) -> int:
    """End a freeze."""

    async def turn() -> int:
        async with session.open_store() as store:
            was = await session.engine(store).thaw(why, session.actor(None, "", ""))
        return _told(session, "thawed", was)

    return session.run(turn())


def _told(session: Session, word: str, switch: Switch) -> int:
    from engine.core.guards import moment  # noqa: PLC0415 - not for help and completion

    if session.json:
        session.output.object({"type": word, **asdict(switch)})
    elif word == "frozen":
        since = moment(switch.at_us)
        session.output.line(f"frozen since {since} by {switch.by}: {clean(switch.why)}")
    else:
        session.output.line(f"thawed; it was frozen since {moment(switch.at_us)} by {switch.by}")
    return 0


@click.command()
@click.pass_obj
def guards(session: Session) -> int:
    """What is frozen, held, in line, cooling down or open, and since when."""

    async def show() -> int:
        async with session.open_store() as store:
            engine = session.engine(store)
            rows = [*_rows(await engine.standing()), *map(_window, engine.closed_now())]
        if session.json:
            for row in rows:
                session.output.object({"type": "guard", **row})
        elif rows:
            head = ("GUARD", "WHAT", "IN", "SINCE", "UNTIL", "WHY")
            session.output.table(head, [_cells(row) for row in rows], keep=3)
        else:
            session.output.note("nothing is held back")
        return 0

    return session.run(show())


def _rows(standing: Standing) -> list[dict[str, Any]]:
    rows = []
    if (on := standing.frozen) is not None:
        rows.append(_row("frozen", "everything", None, on.at_us, why=f"{on.by}: {on.why}"))
    rows += [_held("held", one) for one in standing.held if one.lock is not None]
    rows += [_held("queued", one) for one in standing.waiting]
    words = {"breaker": "open", "cooldown": "cooling", "max_runs": "used up"}
    for asked, verdict in standing.closed:
        row = _row(words[verdict.guard], asked.runbook, asked.environment, verdict.since_us or 0)
        rows.append(
            {**row, "lock": asked.lock, "until_us": verdict.until_us, "why": verdict.reason}
        )
    return rows


def _held(word: str, one: Holding) -> dict[str, Any]:
    status = one.status
    if not one.alive and one.status in ("running", "queued"):
        status += f"; nobody drives it: take it up with `runbook resume {one.run}`, or cancel it"
    why = f"run {one.run} of {one.runbook}, {status}"
    row = _row(word, one.lock or one.runbook, one.environment, one.since_us, why=why)
    more = {"runbook": one.runbook, "lock": one.lock, "alive": one.alive, "driver": one.driver}
    return {**row, "run": one.run, **more}


def _window(one: EnvironmentClosed) -> dict[str, Any]:
    closed = one.window
    row = _row("window", one.pack, one.environment, closed.from_us, why=closed.why)
    return {**row, "until_us": closed.until_us}


def _row(
    guard: str, what: str, environment: str | None, since_us: int, *, why: str = ""
) -> dict[str, Any]:
    named = {"guard": guard, "what": what, "environment": environment}
    return {**named, "since_us": since_us, "until_us": None, "why": why}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from engine.core.guards import moment  # noqa: PLC0415 - not for help and completion

    until = moment(row["until_us"]) if row["until_us"] is not None else ""
    what, where = clean(row["what"]), row["environment"] or "everywhere"
    return (row["guard"], what, where, moment(row["since_us"]), until, clean(row["why"]))
