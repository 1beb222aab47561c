"""`runbook rehearse`: what a run would do, told by the targets, with nothing written."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any

import click

from engine.cli.complete import complete_environments, complete_inputs, complete_runbooks
from engine.cli.drive import drive
from engine.cli.face import Face
from engine.cli.people import messages_lines
from engine.cli.run import BY_CTRL_C, pack_of
from engine.cli.session import Session
from engine.core.events import Event
from engine.core.state import State
from engine.wiring import RunResult

HASH_SHOWN_CHARS = 12
"""Of a plan hash in a table: enough to compare by eye; the journal and --json have all of it."""


@click.command()
@click.argument("name", shell_complete=complete_runbooks)
@click.option(
    "-e",
    "--env",
    "environment",
    metavar="NAME",
    shell_complete=complete_environments,
    help="Where: an environment of the pack.",
)
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_inputs,
    help="An input of the runbook; may be given several times.",
)
@click.option("--as", "as_name", metavar="NAME", help="On whose behalf, where that is allowed.")
@click.option("--explore", is_flag=True, help="Rehearse every other way of each choose too.")
@click.pass_obj
def rehearse(
    session: Session, /, name: str, environment: str | None, inputs: tuple[str, ...], **more: Any
) -> int:
    """Rehearse the runbook NAME: checks ask, actions are previewed, nothing is written.

    Ends with 0 when it would resolve, 1 when it would stop at a step, 3 when it cannot tell from a
    step on. `runbook run NAME --plan RUN` carries out what was rehearsed.
    """
    where = session.environment(name, environment)
    asked = rehearsed(session, name, where, inputs, more["as_name"], explore=more["explore"])
    return session.run(asked)


async def rehearsed(  # noqa: PLR0913 - the words of one command
    session: Session,
    name: str,
    environment: str,
    inputs: tuple[str, ...],
    as_name: str | None,
    *,
    explore: bool = False,
) -> int:
    """One rehearsal, from its first event to its plan and its verdict; with `explore`, of the other
    ways too.
    """
    runbook = session.load(name)
    actor = session.actor(as_name, name, environment)
    async with session.open_store() as store:
        engine = session.engine(store)
        given = engine.parse_inputs(runbook, inputs)
        results: list[RunResult] = []
        async with session.sandbox(pack_of(name), environment, runbook) as around:
            asked: dict[str, Any] = {
                "name": name,
                "environment": environment,
                "inputs": {**around.inputs, **given},
                "actor": actor,
                "services": around.services,
            }

            async def begin(face: Face) -> RunResult:
                result = await engine.run(faces=face.faces(), rehearsal=True, **asked)
                results.append(result)
                return result

            def start(face: Face) -> Awaitable[RunResult]:
                return begin(face)

            code = await drive(
                session.output, start, lambda run: engine.cancel(run, BY_CTRL_C, actor)
            )
            if results and explore:
                session.output.note("now every other way of each choose ...")
                results = await engine.explore(results[0], **asked)
        if results and not session.json:
            show_plan(session, await store.events(results[0].run))
            on_call = await engine.asked_now(pack_of(name), environment)
            _show_told(session, await engine.state(results[0].run), on_call)
        if explore:
            _show_ways(session, [await store.events(result.run) for result in results])
    return code


def _show_told(session: Session, state: State, on_call: Any) -> None:
    """Who would be called, when, and in which words."""
    from engine.wiring.preview import would_tell  # noqa: PLC0415 - only where somebody is called

    told = would_tell(session.find_books(), session.registry, state, on_call)
    if told:
        session.output.line("")
        session.output.lines(list(messages_lines(told, min(session.output.width, 100)))[:-1])


def _show_ways(session: Session, rehearsals: list[list[Event]]) -> None:
    """A line for each way: what was forced, the verdict, what would be changed on it."""
    rows = [_way(events) for events in rehearsals]
    if session.json:
        for row in rows:
            session.output.object({"type": "way", **row})
        return
    session.output.line("")
    cells = [
        (
            ", ".join(f"{path}: {way}" for path, way in row["forced"].items()) or "as it is now",
            row["verdict"],
            ", ".join(row["changes"]) or "nothing",
            row["run"],
        )
        for row in rows
    ]
    session.output.table(("WAY", "VERDICT", "WOULD CHANGE", "RUN"), cells)


def _way(events: list[Event]) -> dict[str, Any]:
    named = {
        event.body["path"]: event.body["plan"].get("name") or event.body["plan"]["way"]
        for event in events
        if event.type == "StepStarted" and "way" in event.body["plan"]
    }
    forced = events[0].body.get("forced") or {}
    end = events[-1].body.get("verdict") or {"word": "it did not come to its end", "at": None}
    return {
        "forced": {path: str(named.get(path, way)) for path, way in forced.items()},
        "verdict": " ".join(str(end[key]) for key in ("word", "at") if end.get(key)),
        "changes": [row[0] for row in _rows(events)],
        "run": events[0].run,
    }


def show_plan(session: Session, events: list[Event]) -> None:
    """The plan as a table: what would be done where, to how many, and its hash."""
    rows = list(_rows(events))
    if not rows:
        session.output.line("it would change nothing")
        return
    head = ("STEP", "WHAT", "WHERE", "AFFECTED", "PLAN HASH", "PREVIEW")
    session.output.table(head, rows)


def _rows(events: list[Event]) -> Iterator[tuple[str, ...]]:
    started = {e.body["path"]: e.body for e in events if e.type == "StepStarted"}
    for event in events:
        body = event.body
        begun = started.get(body.get("path", ""))
        if event.type != "StepFinished" or begun is None or begun["kind"] != "action":
            continue
        plan = begun["plan"]
        found = ((body["outcome"] or {}).get("result") or {}).get("preview") or {}
        affected = found.get("affected")
        said = found.get("text") or "; ".join(body["why"]) or body["status"]
        where = f"{plan['target']} ({plan['fingerprint']})" if plan.get("target") else "-"
        yield (
            body["path"],
            plan["type"],
            where,
            "-" if affected is None else str(affected),
            begun.get("hash", "")[:HASH_SHOWN_CHARS],
            " ".join(str(said).split()),
        )
