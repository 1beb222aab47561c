"""`runbook freeze`, `runbook thaw` and `runbook guards`: what is held back, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from engine.cli.session import Session
from engine.core.cells import clean

if TYPE_CHECKING:
    from engine.core.guards import Switch


@click.command()
@click.option(
    "--why",
    "--reason",
    "why",
    required=True,
    metavar="TEXT",
    help="What everybody who is refused reads.",
)
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
@click.option("--why", "--reason", "why", required=True, metavar="TEXT", help="For the record.")
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
            rows = await session.engine(store).guard_rows()
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


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from engine.core.guards import moment  # noqa: PLC0415 - not for help and completion

    until = moment(row["until_us"]) if row["until_us"] is not None else ""
    what, where = clean(row["what"]), row["environment"] or "everywhere"
    return (row["guard"], what, where, moment(row["since_us"]), until, clean(row["why"]))
