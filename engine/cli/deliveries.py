"""`runbook deliveries`: what arrived, and what became of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from engine.cli.session import Session
from engine.cli.text import ago
from engine.core.cells import clean

if TYPE_CHECKING:
    from engine.journal.ledger import Delivery, Verdict

WORDS = ("started", "joined", "ignored", "refused", "open")


@click.group(invoke_without_command=True)
@click.option(
    "--source",
    metavar="NAME",
    help="pagerduty, alertmanager, webhook[:NAME], schedule, slack, link.",
)
@click.option("--verdict", type=click.Choice(WORDS), help="Only those with this verdict.")
@click.option("--text", metavar="TEXT", help="Only those about this.")
@click.option("--run", metavar="RUN", help="Only those that started or joined RUN.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.pass_context
def deliveries(ctx: click.Context, /, limit: int, **wanted: Any) -> int:
    """What arrived from outside and what became of it, the newest first."""
    if ctx.invoked_subcommand is not None:
        return 0
    session: Session = ctx.obj

    async def work() -> int:
        async with session.open_store() as store:
            if wanted["run"] is not None:
                wanted["run"] = await store.find(wanted["run"])
            rows = await _ledger(session, store).latest(**wanted, limit=limit)
        if session.json:
            for row in rows:
                session.output.object(_json(row))
        elif rows:
            head = ("DELIVERY", "VERDICT", "SOURCE", "WHAT", "ABOUT", "CAME", "WHY")
            now_us = time.time_ns() // 1000
            session.output.table(head, [_cells(row, now_us) for row in rows], keep=3)
        else:
            session.output.note(
                "nothing arrived" if not any(wanted.values()) else "no such deliveries"
            )
        return 0

    return session.run(work())


@deliveries.command()
@click.argument("delivery", default="last")
@click.pass_obj
def show(session: Session, delivery: str) -> int:
    """One DELIVERY: what came, and what became of it for each runbook."""

    async def work() -> int:
        async with session.open_store() as store:
            row, body = await _ledger(session, store).get(delivery)
        text = body.decode("utf-8", "replace")
        if session.json:
            session.output.object({**_json(row), "body": text})
            return 0
        out = session.output.line
        out(f"{row.id}  {row.source}  {row.kind}  {clean(row.about)}")
        for verdict in row.verdicts:
            run = f" {verdict.run}" if verdict.run else ""
            name = f" {verdict.runbook}" if verdict.runbook else ""
            out(f"  {verdict.word}{run}{name}{': ' + clean(verdict.why) if verdict.why else ''}")
        if row.settled_us is None:
            out("  nobody has looked at it yet: is `runbook serve` up?")
        if row.times > 1:
            out(f"  it came {row.times} times")
        out(_pretty(text))
        return 0

    return session.run(work())


@deliveries.command()
@click.argument("delivery")
@click.pass_obj
def replay(session: Session, delivery: str) -> int:
    """Take DELIVERY in once more, as if it had come now. A running server looks at it."""

    async def work() -> int:
        from engine.server.replaying import replay_into  # noqa: PLC0415

        async with session.open_store() as store:
            if session.server_url is not None:
                name = (await _ledger(session, store).api.post(f"/deliveries/{delivery}/replay"))[
                    "delivery"
                ]
            else:
                ledger = _ledger(session, store)
                actor = session.actor(None, "", "")
                name = await replay_into(ledger, delivery, actor, time.time_ns() // 1000)
        session.output.line(name)
        session.output.note(f"what becomes of it: {session.output.command} deliveries show {name}")
        return 0

    return session.run(work())


def _ledger(session: Session, store: Any) -> Any:
    """The ledger, or a server that is asked for it."""
    from engine.journal.ledger import Ledger  # noqa: PLC0415

    return store if session.server_url is not None else Ledger(session.lasting(store))


def _json(row: Delivery) -> dict[str, Any]:
    from engine.server.api_shown import delivery_json  # noqa: PLC0415

    return {"type": "delivery", **delivery_json(row)}


def _cells(row: Delivery, now_us: int) -> tuple[str, ...]:
    about = row.about
    told = [_told(verdict) for verdict in row.verdicts]
    if row.kind == "press":  # what became of it is what it is about: said once
        about, told = about.partition(": ")[2], [v.run for v in row.verdicts if v.run]
    times = f" x{row.times}" if row.times > 1 else ""
    came = ago((now_us - row.received_us) / 1e6) + times
    verdict = row.verdict or "open"
    return (row.id, verdict, row.source, row.kind, clean(about), came, clean("; ".join(told)))


def _told(verdict: Verdict) -> str:
    """Where it led to, and where that came to nothing, why."""
    nothing = verdict.word in ("ignored", "refused")
    why = f": {verdict.why}" if verdict.run and nothing else ""
    return f"{verdict.runbook + ' ' if verdict.runbook else ''}{verdict.run or verdict.why}{why}"


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return clean(text)
