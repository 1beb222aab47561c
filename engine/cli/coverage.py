"""`runbook coverage`: what of an inventory of documents runbooks and their steps carry out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.session import Session
from engine.core.cells import clean
from engine.errors import Diagnosed

if TYPE_CHECKING:
    from engine.coverage.count import Coverage, CoveredProcedure, CoveredRow, Remark
    from engine.language.model import Runbook

CALL_CHARS_MAX = 60
"""Of what a row says, in a table: enough to know it by."""


@click.command()
@click.argument("inventory", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("systems", metavar="[SYSTEM]...", nargs=-1)
@click.option("--rows", is_flag=True, help="Each row that a machine can execute, and its steps.")
@click.option("--missing", is_flag=True, help="Only what nothing carries out yet.")
@click.pass_obj
def coverage(
    session: Session, /, inventory: Path, systems: tuple[str, ...], rows: bool, missing: bool
) -> int:
    """Count what of the documents in an inventory runbooks carry out.

    FILE is CSV with the columns system, procedure_id, procedure, seed_lines, kind, call, effect. A
    runbook names procedures in the `covers` of its head (stratum/I3), a step the lines that it
    carries out (stratum/I3:245-262). Questions to people and notes carry out no row that a machine
    can execute. Exit code 1 when something is missing.
    """
    from engine.coverage.count import cover  # noqa: PLC0415  reads every runbook
    from engine.coverage.inventory import read_inventory  # noqa: PLC0415  as above

    procedures = read_inventory(inventory, systems)
    unread: list[str] = []
    found = cover(procedures, _runbooks(session, unread))
    _show(session, found, rows=rows, missing=missing)
    for name in unread:
        session.output.note(f"{name} does not read and counts for nothing: runbook lint {name}")
    return 0 if found.complete and not unread else 1


def _runbooks(session: Session, unread: list[str]) -> Iterator[Runbook]:
    """All that read; the names of the others go to `unread`."""
    for name in session.find_books().names():
        try:
            yield session.load(name)
        except Diagnosed:
            unread.append(name)


def _show(session: Session, found: Coverage, *, rows: bool, missing: bool) -> None:
    procedures = [one for one in found.procedures if not (missing and one.complete)]
    shown = [row for one in procedures for row in one.rows if not (missing and row.covered)]
    if session.json:
        _show_json(session, found, procedures, shown if rows else [])
        return
    if rows:
        if shown:
            head = ("ROW", "KIND", "STEPS", "WHAT")
            session.output.table(head, [_row(row) for row in shown], keep=3)
    elif procedures:
        head = ("PROCEDURE", "NAME", "ROWS", "RUNBOOKS")
        session.output.table(head, [_procedure(one) for one in procedures])
    for remark in found.unknown:
        session.output.line(f"unknown   {clean(str(remark))}")
    for remark in found.doubtful:
        session.output.line(f"doubtful  {clean(str(remark))}")
    session.output.line(_total(found))


def _total(found: Coverage) -> str:
    procedures = sum(bool(one.runbooks) for one in found.procedures)
    rows = sum(row.covered for row in found.rows)
    return (
        f"{procedures} of {len(found.procedures)} procedures, "
        f"{rows} of {len(found.rows)} executable rows"
    )


def _procedure(one: CoveredProcedure) -> tuple[str, ...]:
    done = f"{sum(row.covered for row in one.rows)}/{len(one.rows)}" if one.rows else "-"
    runbooks = ", ".join(one.runbooks) or "(none)"
    return one.procedure.covers, clean(one.procedure.name), done, runbooks


def _row(one: CoveredRow) -> tuple[str, ...]:
    working = ", ".join(str(claim) for claim in one.claims if claim.works)
    steps = working if one.covered else f"(missing) {working}".strip()
    call = clean(one.row.call)
    clipped = call if len(call) <= CALL_CHARS_MAX else call[: CALL_CHARS_MAX - 3] + "..."
    return one.row.covers, one.row.kind, steps, clipped


# -- for machines ----------------------------------------------------------------------------------


def _show_json(
    session: Session, found: Coverage, procedures: list[CoveredProcedure], rows: list[CoveredRow]
) -> None:
    for one in procedures:
        session.output.object(_procedure_json(one))
    for row in rows:
        session.output.object(_row_json(row))
    for word, remarks in (("unknown", found.unknown), ("doubtful", found.doubtful)):
        for remark in remarks:
            session.output.object(_remark_json(word, remark))
    counts = {
        "procedures": len(found.procedures),
        "covered": sum(bool(one.runbooks) for one in found.procedures),
        "rows": len(found.rows),
        "rows_covered": sum(row.covered for row in found.rows),
    }
    session.output.object({"type": "total", **counts})


def _procedure_json(one: CoveredProcedure) -> dict[str, object]:
    return {
        "type": "procedure",
        "procedure": one.procedure.covers,
        "name": one.procedure.name,
        "runbooks": list(one.runbooks),
        "rows": len(one.rows),
        "rows_covered": sum(row.covered for row in one.rows),
    }


def _row_json(one: CoveredRow) -> dict[str, object]:
    steps = [
        {
            "runbook": claim.runbook,
            "step": claim.step,
            "type": claim.type,
            "place": str(claim.place),
            "works": claim.works,
        }
        for claim in one.claims
    ]
    row = {"row": one.row.covers, "kind": one.row.kind, "call": one.row.call}
    return {"type": "row", **row, "covered": one.covered, "steps": steps}


def _remark_json(word: str, remark: Remark) -> dict[str, object]:
    return {"type": word, "place": str(remark.place), "what": remark.what, "help": remark.help}
