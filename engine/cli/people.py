"""Telling people: `ack`, `notify preview`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from engine.cli.complete import complete_runbooks, complete_runs
from engine.cli.runs import told, who
from engine.cli.session import Session
from engine.cli.text import clean, wrap

if TYPE_CHECKING:
    from engine.wiring.preview import Told


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("step", required=False)
@click.option("--note", default="", metavar="TEXT", help="For the record, and for the others.")
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.pass_obj
def ack(session: Session, /, run: str, step: str | None, note: str, as_name: str | None) -> int:
    """Take what RUN calls people for: nobody else is called, and those who were are told.

    STEP: only what that step calls for; `run` is the run's own escalation.
    """

    async def take() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            actor = await who(session, store, name, as_name)
            event = await session.engine(store).acknowledge(name, actor, note, path=step or "")
        taken = ", ".join(event.body["escalations"])
        return told(session, event, f"{actor.name} has taken {taken} of run {name}", None)

    return session.run(take())


@click.group()
def notify() -> None:
    """What people are told."""


@notify.command()
@click.argument("name", metavar="RUNBOOK", shell_complete=complete_runbooks)
@click.option("--env", "environment", metavar="NAME", help="Where it would run.")
@click.pass_obj
def preview(session: Session, name: str, environment: str | None) -> int:
    """Every message a run of RUNBOOK could send: when, to whom, by what, in which words."""
    from engine.wiring.preview import preview as previewed  # noqa: PLC0415 - the whole engine

    runbook = session.load(name)
    place = session.environment(name, environment)
    found = previewed(session.find_books(), session.registry, runbook, place)
    if session.json:
        for one in found:
            session.output.object(one.to_json())
        return 0
    if not found:
        session.output.line(f"{name} tells nobody")
    for one in found:
        session.output.lines(list(message_lines(one, min(session.output.width, 100))))
    return 0


def message_lines(one: Told, width: int) -> Iterator[str]:
    """A message that would be told, and an empty line."""
    told: dict[str, Any] = one.to_json()
    yield f"{told['when']}  {clean(told['name'])}  by {', '.join(told['by']) or 'nobody'}"
    yield f"    {clean(told['title'])}"
    for line in told["text"].splitlines():
        yield from (f"    {part}".rstrip() for part in wrap(line, width - 4) or [""])
    for remark in told["remarks"]:
        yield f"    ! {clean(remark)}"
    yield ""
