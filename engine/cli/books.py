"""Commands that read runbooks: list, show, lint, schema, version."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from engine.cli.complete import complete_runbooks
from engine.cli.outline import outline
from engine.cli.session import Session
from engine.clock import to_iso
from engine.errors import Diagnosed, RunbookError, Usage
from engine.language.model import Runbook
from engine.language.words import named

if TYPE_CHECKING:
    from engine.journal.contract import RunRow

RUN = re.compile(r"last|\d{8}-\d{6}-[0-9a-z]{8}")
"""How runs are named."""

SETTINGS = """\
Editors that speak to yaml-language-server (VS Code, Neovim, Emacs) complete and check runbooks:

  1. runbook schema > runbook.schema.json

  2. either the first line of a runbook:
       # yaml-language-server: $schema=../../runbook.schema.json

     or, for a whole folder, the editor's settings (VS Code: .vscode/settings.json):
       {"yaml.schemas": {"./runbook.schema.json": ["runbooks/*/*.yaml", "!runbooks/*/*.test.yaml",
                                                   "!runbooks/*/contacts.yaml"]}}

Write the schema anew after an update: it lists the checks and actions that are installed.
"""


@click.command("list")
@click.argument("pack", required=False)
@click.pass_obj
def list_runbooks(session: Session, pack: str | None) -> int:
    """Which runbooks there are, of all packs or of PACK.

    A runbook that does not read is listed too; `runbook lint` says what is wrong with it.
    """
    books = session.find_books()
    if pack is not None:
        books.pack(pack)
    names = [name for name in books.names() if pack is None or name.partition("/")[0] == pack]
    rows = [(name, _loaded(session, name)) for name in names]
    from engine.cli import rehearsals  # noqa: PLC0415  opens the store

    if session.json:
        found = rehearsals.look(session)
        for name, runbook in rows:
            last = {"rehearsed": _rehearsed_json(found.get(name))}
            session.output.object(_row_json(session, name, runbook) | last)
        return 0
    if not rows:
        session.output.note(f"no runbooks in {', '.join(map(str, books.folders))}")
        return 0
    head = ("RUNBOOK", "TITLE", "SEVERITY", "ENVIRONMENTS", "REHEARSED")
    told = rehearsals.columns(session, [runbook for _, runbook in rows])
    cells = [(*_row(session, name, book), told.get(name, "")) for name, book in rows]
    session.output.table(head, cells)
    return 0


def _rehearsed_json(row: RunRow | None) -> dict[str, Any] | None:
    if row is None or row.finished_us is None:
        return None
    at = to_iso(row.finished_us)
    return {"run": row.run, "at": at, "environment": row.environment, "verdict": row.because}


def _loaded(session: Session, name: str) -> Runbook | None:
    try:
        return session.load(name)
    except Diagnosed:
        return None


def _environments(session: Session, name: str) -> tuple[str, ...]:
    return session.find_books().environments(name.partition("/")[0])


def _row(session: Session, name: str, runbook: Runbook | None) -> tuple[str, ...]:
    where = ", ".join(_environments(session, name))
    if runbook is None:
        return name, f"(does not read: runbook lint {name})", "", where
    return name, runbook.title, runbook.severity or "", where


def _row_json(session: Session, name: str, runbook: Runbook | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": "runbook",
        "name": name,
        "environments": list(_environments(session, name)),
    }
    if runbook is None:
        return row | {"reads": False}
    return row | {
        "reads": True,
        "title": runbook.title,
        "severity": runbook.severity,
        "covers": list(runbook.covers),
        "tags": list(runbook.tags),
        "inputs": list(runbook.inputs),
        "digest": runbook.digest,
    }


@click.command()
@click.argument("name", shell_complete=complete_runbooks)
@click.pass_obj
def show(session: Session, name: str) -> int:
    """What the runbook NAME does: its inputs and, step by step, what it asks and changes."""
    from engine.cli import rehearsals  # noqa: PLC0415  opens the store

    if RUN.fullmatch(name):
        hint = f"runbook watch {name}, or runbook audit show {name}, show the run"
        raise Usage(f"{named(name)} is a run, and no runbook", help=hint)
    runbook = session.load(name)
    last = rehearsals.look(session, runbook.name).get(runbook.name)
    if session.json:
        session.output.object(_show_json(session, runbook) | {"rehearsed": _rehearsed_json(last)})
        return 0
    told = rehearsals.told(last, runbook.rehearse_every_s)
    around = (_environments(session, runbook.name), told, _starters(session, runbook))
    session.output.lines(
        outline(runbook, around, min(session.output.width, 120), session.output.style)
    )
    return 0


def _starters(session: Session, runbook: Runbook) -> str:
    """Who may start it: roles, and whoever is on call in a rota."""
    try:
        rotas = set(session.find_books().contacts(runbook.name.partition("/")[0]).rotas)
    except RunbookError:
        rotas = set()  # what is wrong with the contacts, `lint` says
    said = [f"on call in {who}" if who in rotas else who for who in runbook.who]
    return ", ".join(said) or "anybody"


def _show_json(session: Session, runbook: Runbook) -> dict[str, Any]:
    inputs = {
        name: {
            "type": spec.type,
            "required": spec.required,
            "default": spec.default,
            "description": spec.description,
        }
        for name, spec in runbook.inputs.items()
    }
    return _row_json(session, runbook.name, runbook) | {
        "description": runbook.description,
        "who": list(runbook.who),
        "owner": runbook.owner,
        "inputs": inputs,
        "text": runbook.text,
    }


@click.command()
@click.argument(
    "names", nargs=-1, metavar="[NAME | FILE | all]...", shell_complete=complete_runbooks
)
@click.pass_obj
def lint(session: Session, names: tuple[str, ...]) -> int:
    """Everything that is wrong in runbooks: of NAMEs (or packs), FILEs, or all of them.

    Ends with 2 when there are errors; warnings alone end with 0.
    """
    from engine.cli.linting import lint_all  # noqa: PLC0415  only lint needs it

    found, sources, files = lint_all(session.find_books, session.registry, names)
    from engine.language.report import as_json, render  # noqa: PLC0415  as above

    if session.json:
        for diagnostic in found:
            session.output.object({"type": "diagnostic", **as_json(diagnostic)})
    elif found:
        session.output.line(render(found, sources).rstrip("\n"))
    errors = sum(1 for d in found if d.severity == "error")
    session.output.note(_count(files, errors, len(found) - errors))
    return 2 if errors else 0


def _count(files: int, errors: int, warnings: int) -> str:
    parts = [
        f"{errors} error{'' if errors == 1 else 's'}",
        f"{warnings} warning{'' if warnings == 1 else 's'}",
    ]
    return f"{files} file{'' if files == 1 else 's'} read: {', '.join(parts)}"


@click.command()
@click.option("--settings", is_flag=True, help="How to make your editor use it.")
@click.option("--scenarios", is_flag=True, help="Of scenario files (`NAME.test.yaml`) instead.")
@click.pass_obj
def schema(session: Session, settings: bool, scenarios: bool) -> int:
    """The JSON Schema of runbooks, with all checks and actions that are installed."""
    if settings:
        session.output.lines(SETTINGS.splitlines())
        return 0
    if scenarios:
        from engine.scenario.schema import scenario_schema  # noqa: PLC0415  only for this option

        session.output.line(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))
        return 0
    from engine.language.schema import runbook_schema  # noqa: PLC0415  only this command needs it

    session.output.line(json.dumps(runbook_schema(session.registry), indent=2, ensure_ascii=False))
    return 0


@click.command()
@click.pass_obj
def version(session: Session) -> int:
    """Which version this is."""
    from importlib.metadata import version as installed  # noqa: PLC0415  slow, and only here

    if session.json:
        session.output.object({"type": "version", "version": installed("runbook")})
    else:
        session.output.line(f"runbook {installed('runbook')}")
    return 0
