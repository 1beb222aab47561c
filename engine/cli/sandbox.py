"""`runbook sandbox`: what the runbooks of a pack talk to, up between commands, and what is broken
in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from engine.cli.complete import complete_packs, complete_runbooks
from engine.cli.inbox import counted
from engine.cli.session import SANDBOX, Session, sandboxes_folder
from engine.cli.text import wrap
from engine.core.cells import clean
from engine.errors import RunbookError, Usage
from engine.sandbox.standing import (
    ANSWER_S,
    CHANGE_S,
    STAYS_S,
    Standing,
    Wish,
    end,
    records,
    standing,
    start,
)

TEXT_COLUMNS = 100


@click.group()
def sandbox() -> None:
    """What runbooks talk to here: up, broken, down."""


@sandbox.command("up")
@click.argument("pack", required=False, shell_complete=complete_packs)
@click.option("--fault", default="", metavar="NAME", help="Broken in this way from the start.")
@click.option("--for", "stays", metavar="TIME", help="How long it stays at most; 8h unless given.")
@click.pass_obj
def sandbox_up(session: Session, pack: str | None, fault: str, stays: str | None) -> int:
    """Start all that the runbooks of PACK talk to, and leave it up.

    `runbook run NAME --env sandbox` uses it from then on, so that you can break something, look,
    run, and look again. It ends with `runbook sandbox down`, or after its time.
    """
    chosen = _pack(session, pack)
    up = standing(sandboxes_folder(), chosen)
    if up is not None:
        session.output.note(f"the sandbox of {chosen} is up already, since {up.record['since']}")
        if fault:
            return _break(session, up, fault)
        return _show(session, up, [])
    wish = Wish(chosen, _folders(session), fault, _seconds(stays))
    up = start(sandboxes_folder(), wish, lambda text: _progress(session, text))
    for name, why in up.record["left_out"].items():
        session.output.note(f"sandbox: without {name}: {why}")
    return _show(session, up, [])


@sandbox.command("down", short_help="End it, also what a killed one left behind.")
@click.argument("pack", required=False, shell_complete=complete_packs)
@click.pass_obj
def sandbox_down(session: Session, pack: str | None) -> int:
    """End the sandbox of PACK, or all that are up, and remove what is left of them.

    Also what a killed one left behind.
    """
    found = [one for one in records(sandboxes_folder()) if pack in (None, one.pack)]
    for one in found:
        was_up = end(one)
        if session.json:
            session.output.object({"type": "sandbox", "pack": one.pack, "up": False})
        else:
            words = "is down" if was_up else "was gone; what was left of it is removed"
            session.output.line(f"the sandbox of {one.pack} {words}")
    if not found:
        session.output.note(f"no sandbox{f' of {pack}' if pack else ''} is up")
    return 0


@sandbox.command("status", short_help="Which are up, where, and what is broken.")
@click.argument("pack", required=False, shell_complete=complete_packs)
@click.pass_obj
def sandbox_status(session: Session, pack: str | None) -> int:
    """Which sandboxes are up, where their services are, what is broken in them."""
    found = [one for one in records(sandboxes_folder()) if pack in (None, one.pack)]
    code = 0
    for one in found:
        try:
            said = one.call({"do": "ask"}, ANSWER_S)
        except RunbookError as e:
            session.output.note(f"error: {e.message}\nhelp: {e.help}")
            code = e.exit_code
            continue
        _show(session, Standing(one.file, said["up"]), said["problems"])
        if said["letters"] and not session.json:
            shows = f"`runbook sandbox inbox {one.pack}` shows them"
            session.output.note(f"inbox: {counted(said['letters'])}; {shows}")
    if not found:
        session.output.note(f"no sandbox{f' of {pack}' if pack else ''} is up")
    return code


@sandbox.command("inbox", short_help="What people were told there.")
@click.argument("pack", required=False, shell_complete=complete_packs)
@click.pass_obj
def sandbox_inbox(session: Session, pack: str | None) -> int:
    """What people were told in the sandbox of PACK, and what became of it.

    Each message once, with what follows it: that somebody took it, or that it is over.
    """
    from engine.cli.inbox import listed  # noqa: PLC0415  only here

    up = _the_one(pack or "")
    said = up.call({"do": "inbox"}, ANSWER_S)
    if session.json:
        for letter in said["letters"]:
            session.output.object({"type": "letter", "pack": up.pack, **letter})
        return 0
    if not said["inbox"]:
        session.output.note(f"the sandbox of {up.pack} has no inbox")
    elif not said["letters"]:
        session.output.note("nobody was told anything yet")
    for line in listed(said["letters"], min(session.output.width, TEXT_COLUMNS)):
        session.output.line(line)
    return 0


def _the_one(pack: str) -> Standing:
    """The sandbox of this pack that is up, or the only one. Raises Usage."""
    up = [one for one in records(sandboxes_folder()) if pack in ("", one.pack)]
    if not up:
        named = pack or "PACK"
        raise Usage(
            f"no sandbox{f' of {pack}' if pack else ''} is up",
            help=f"`runbook sandbox up {named}` starts it",
        )
    if len(up) > 1:
        packs = ", ".join(one.pack for one in up)
        raise Usage("several sandboxes are up", help=f"name it with its pack, one of {packs}")
    return up[0]


@sandbox.command("break", short_help="Break the one that is up, as FAULT says.")
@click.argument("fault", shell_complete=complete_runbooks)
@click.pass_obj
def sandbox_break(session: Session, fault: str) -> int:
    """Break the sandbox that is up as FAULT says: the name of a runbook, which is for it.

    The services that it concerns start anew, the others go on. What was broken before is whole
    again.
    """
    pack, _, _name = fault.rpartition("/")
    return _break(session, _the_one(pack), fault)


def _break(session: Session, up: Standing, fault: str) -> int:
    asked = {"do": "break", "fault": fault}
    said = up.call(asked, CHANGE_S, lambda text: _progress(session, text))
    return _show(session, Standing(up.file, said["up"]), [])


@sandbox.command("faults", short_help="What can be broken.")
@click.argument("pack", required=False, shell_complete=complete_packs)
@click.pass_obj
def sandbox_faults(session: Session, pack: str | None) -> int:
    """What can be broken in the sandbox of PACK, or of every pack, and which runbook is for it."""
    books = session.find_books()
    if pack is not None and pack not in books.packs():
        raise Usage(f"there is no pack {pack}", help=f"there are {', '.join(books.packs())}")
    for one in (pack,) if pack else books.packs():
        for name, summary in _faults(session, one):
            if session.json:
                session.output.object({"type": "fault", "name": name, "broken": summary})
                continue
            session.output.line(session.output.style.paint(name, "bold"))
            for line in wrap(summary, min(session.output.width, TEXT_COLUMNS) - 2):
                session.output.line(f"  {line}")
    return 0


def _faults(session: Session, pack: str) -> Iterator[tuple[str, str]]:
    books = session.find_books()
    if SANDBOX not in books.environments(pack):
        return
    written: Mapping[str, Any] = books.environment(pack, SANDBOX, session.registry, only=()).faults
    for name, fault in sorted(written.items()):
        summary = fault.get("summary") if isinstance(fault, Mapping) else None
        yield f"{pack}/{name}", " ".join(str(summary or "").split())


def _show(session: Session, up: Standing, problems: list[str]) -> int:
    """Where everything is. Values that are no addresses are in `--json` only."""
    record, output = up.record, session.output
    if session.json:
        output.object({"type": "sandbox", "up": True, **record, "problems": problems})
        return 0
    broken = record["fault"]
    output.line(
        f"the sandbox of {up.pack} is up since {record['since']}, "
        f"{f'broken: {broken}' if broken else 'healthy'}"
    )
    if broken:
        for line in wrap(" ".join(record["summary"].split()), TEXT_COLUMNS - 2):
            output.line(f"  {clean(line)}")
    rows = [
        (name, kind, up.services.get(f"{name}.url") or up.services.get(f"{name}.home") or "")
        for name, kind in record["kinds"].items()
    ]
    output.table(("SERVICE", "KIND", "WHERE"), rows)
    for problem in problems:
        output.note(f"a service's own description is wrong: {clean(problem)}")
    return 0


def _pack(session: Session, given: str | None) -> str:
    """The pack that is named, or the only one that has a sandbox. Raises Usage."""
    books = session.find_books()
    having = [pack for pack in books.packs() if SANDBOX in books.environments(pack)]
    if given in having:
        return str(given)
    if given is not None:
        raise Usage(
            f"there is no pack {given} with a sandbox", help=f"there are {', '.join(having)}"
        )
    if len(having) != 1:
        raise Usage("say of which pack", help=f"there are {', '.join(having) or 'none'}")
    return having[0]


def _folders(session: Session) -> tuple[str, ...]:
    return tuple(str(folder) for folder in session.book_folders)


def _seconds(given: str | None) -> float:
    from engine.language.duration import parse_duration  # noqa: PLC0415  not for completion

    if given is None:
        return STAYS_S
    try:
        return parse_duration(given)
    except ValueError as e:
        raise Usage(f"--for: {e}") from e


def _progress(session: Session, text: str) -> None:
    session.output.note(session.output.error_style.paint(f"sandbox: {text}", "dim"))
