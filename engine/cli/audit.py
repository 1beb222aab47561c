"""`runbook audit`: the trail of a run to read, to prove and to take along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import click

from engine.cli.complete import complete_runs
from engine.cli.rows import Rows
from engine.cli.session import Session
from engine.cli.trail import entry_lines, event_json
from engine.core.cells import clean
from engine.core.events import Event
from engine.errors import Broken, Usage
from engine.journal.contract import Store
from engine.journal.export import to_csv, to_jsonl

PAGE_EVENTS = 500
"""Events read from the store at once, so that a long run does not fill the memory."""


@click.group()
def audit() -> None:
    """The audit trail: show, verify, export."""


@audit.command("show")
@click.argument("run", default="last", shell_complete=complete_runs)
@click.pass_obj
def audit_show(session: Session, run: str) -> int:
    """What happened in RUN: when, who, what, found, why.

    RUN is an id, its beginning, or `last`.
    """

    async def show() -> int:
        async with session.open_store() as store:
            rows = Rows()
            async for event in all_events(store, await store.find(run)):
                rows.apply(event)
                if session.json:
                    session.output.object(event_json(event))
                else:
                    session.output.lines(entry_lines(event, rows, session.output.width))
        return 0

    return session.run(show())


@audit.command("verify")
@click.argument("run", required=False, shell_complete=complete_runs)
@click.pass_obj
def audit_verify(session: Session, run: str | None) -> int:
    """Recompute every hash of RUN, or of all runs.

    Ends with 1 and names run and event when one was altered.
    """

    async def verify() -> int:
        async with session.open_store() as store:
            name = await store.find(run) if run else None
            try:
                read = await store.verify(name)
            except Broken as e:
                return _told_broken(session, e)
        what = f"run {name}" if name else f"{read.runs} {'run' if read.runs == 1 else 'runs'}"
        if session.json:
            session.output.object(
                {
                    "type": "verified",
                    "whole": True,
                    "run": name,
                    "runs": read.runs,
                    "events": read.events,
                    "head": dict(read.head),
                }
            )
            return 0
        style = session.output.style
        word = style.paint(f"{style.symbol('ok')} whole", "green")
        session.output.line(
            f"{word}  {what}, {read.events} events: every hash fits the one before it"
        )
        if read.head:
            session.output.line(f"         head {read.head.get('seq')} {read.head.get('hash')}")
        return 0

    return session.run(verify())


def _told_broken(session: Session, error: Broken) -> int:
    if session.json:
        said = {"run": error.run, "seq": error.seq, "message": error.message}
        session.output.object({"type": "verified", "whole": False, **said})
    else:
        style = session.output.style
        word = style.paint(f"{style.symbol('failed')} broken", "red")
        session.output.line(f"{word}  run {error.run}, event {error.seq}: {clean(error.message)}")
        session.output.note(
            "help: what comes after that event proves nothing; compare with a backup"
        )
    return 1


@audit.command("export")
@click.argument("run", default="last", shell_complete=complete_runs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="One JSON object a line, or comma-separated values with a header.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write to FILE instead of stdout. It must not exist yet.",
)
@click.pass_obj
def audit_export(session: Session, run: str, form: str, target: str | None) -> int:
    """All events of RUN for another program: whole, with their hashes."""

    async def export() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            if target is None:
                await _write(
                    store, name, form, lambda text: session.output.line(text.rstrip("\r\n"))
                )
                return 0
            count = await _write_file(store, name, form, Path(target))
        session.output.note(f"{count} events of run {name} written to {target}")
        return 0

    return session.run(export())


async def _write_file(store: Store, run: str, form: str, target: Path) -> int:
    try:
        with target.open("x", encoding="utf-8", newline="") as file:
            return await _write(store, run, form, file.write)
    except FileExistsError as e:
        raise Usage(f"{target} exists", help="name a file that does not exist yet") from e
    except OSError as e:
        raise Usage(f"{target} cannot be written: {e.strerror}") from e


async def _write(store: Store, run: str, form: str, write: Callable[[str], object]) -> int:
    """Writes the events a page at a time; the number of them."""
    count = 0
    async for page in pages(store, run):
        texts = to_csv(page) if form == "csv" else to_jsonl(page)
        for number, text in enumerate(texts):
            if form == "jsonl" or number > 0 or count == 0:
                write(text)
        count += len(page)
    return count


async def pages(store: Store, run: str, after: int = 0) -> AsyncIterator[list[Event]]:
    """The events of a run behind seq `after`, in order, `PAGE_EVENTS` at a time."""
    while page := await store.events(run, after, PAGE_EVENTS):
        yield page
        after = page[-1].seq


async def all_events(store: Store, run: str, after: int = 0) -> AsyncIterator[Event]:
    async for page in pages(store, run, after):
        for event in page:
            yield event
