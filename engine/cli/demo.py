"""`runbook demo`: breaks something in a sandbox, and lets a runbook find and repair it before your
eyes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from engine.cli.complete import complete_runbooks
from engine.cli.drive import EXIT_LEFT
from engine.cli.run import start
from engine.cli.session import Session
from engine.cli.text import Style, wrap
from engine.core.cells import clean
from engine.errors import Usage

DEFAULT = "stratum/redis-memory-pressure"
"""Shows a check, a decision, a change and its verification in a few seconds."""

SANDBOX = "sandbox"


@click.command()
@click.argument("name", required=False, shell_complete=complete_runbooks)
@click.option("--list", "only_list", is_flag=True, help="Which demonstrations there are.")
@click.pass_obj
def demo(session: Session, name: str | None, only_list: bool) -> int:
    """Watch a runbook find a real fault, repair it, and verify the repair.

    What it talks to is started for the time of the run and stopped afterwards; nothing of yours is
    touched.
    """
    faults = dict(_faults(session))
    if only_list:
        return _list(session, faults)
    if not faults:
        raise Usage(
            "no runbook here has a fault in a sandbox", help="name the folder with --books DIR"
        )
    chosen = name or (DEFAULT if DEFAULT in faults else min(faults))
    if chosen not in faults:
        raise Usage(
            f"there is no demonstration of '{chosen}'",
            help=f"there are: {', '.join(sorted(faults))}",
        )
    runbook = session.load(chosen)
    actor = session.actor(None, chosen, SANDBOX)
    if not session.json:
        for line in introduction(runbook.title, chosen, faults[chosen], session.output.error_style):
            session.output.note(line)
    session.own_sandbox = True  # with its fault, whatever is up
    code = session.run(start(session, chosen, SANDBOX, (), actor))
    if not session.json and code != EXIT_LEFT:
        for line in afterwards(session.output.command, session.output.error_style):
            session.output.note(line)
    return code


def _faults(session: Session) -> Iterator[tuple[str, str]]:
    """Every runbook for which some sandbox has a fault, with what is broken."""
    books = session.find_books()
    names = books.names()
    for pack in books.packs():
        if SANDBOX not in books.environments(pack):
            continue
        written: Mapping[str, Any] = books.environment(
            pack, SANDBOX, session.registry, only=()
        ).faults
        for name, fault in written.items():
            if f"{pack}/{name}" in names:
                summary = fault.get("summary") if isinstance(fault, Mapping) else None
                yield f"{pack}/{name}", " ".join(str(summary or "").split())


def _list(session: Session, faults: Mapping[str, str]) -> int:
    if session.json:
        for name, summary in sorted(faults.items()):
            session.output.object({"type": "demo", "name": name, "broken": summary})
        return 0
    for name, summary in sorted(faults.items()):
        session.output.line(session.output.style.paint(name, "bold"))
        for line in wrap(summary, min(session.output.width, 100) - 2):
            session.output.line(f"  {line}")
    if not faults:
        session.output.note("no runbook here has a fault in a sandbox")
    return 0


def introduction(title: str, name: str, summary: str, style: Style) -> Iterator[str]:
    yield style.paint(f"{clean(title)}  ({name})", "bold")
    for line in wrap(summary, 78):
        yield f"  {line}"
    yield ""


def afterwards(command: str, style: Style) -> Iterator[str]:
    yield ""
    yield style.paint("What to look at now", "bold")
    for words, why in (
        ("audit show last", "what happened: when, who, what, why"),
        ("audit verify last", "that no byte of it was altered since"),
        ("demo --list", "what else can be broken and repaired"),
    ):
        yield f"  {command} {words:<18} {why}"
