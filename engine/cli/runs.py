"""Commands that speak about runs, and to them: runs, watch, answer, settle, cancel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from engine.cli.audit import all_events
from engine.cli.called import Calls
from engine.cli.complete import complete_runbooks, complete_runs
from engine.cli.face import Face, make_face
from engine.cli.rows import Rows
from engine.cli.session import Session
from engine.cli.text import ago, took
from engine.cli.trail import event_json
from engine.clock import to_iso
from engine.core.cells import clean
from engine.core.events import Actor, Event
from engine.errors import Usage
from engine.journal.contract import RunRow, Store
from engine.wiring import RunResult

LOOK_AGAIN_S = 10.0
"""Between two looks at a run that says nothing: how soon a watcher notices that its driver is gone.
"""

ANSWERS = ("yes", "no", "done", "not-done", "acknowledged")
STATUSES = (
    "queued", "running", "waiting", "in doubt", "resolved", "unresolved", "failed", "aborted",
    "cancelled", "refused",
)  # fmt: skip


CALLING_STATUSES = ("running", "waiting", "in doubt")
"""Of runs that are not over and may call people."""


@click.command()
@click.option(
    "--name", metavar="NAME", shell_complete=complete_runbooks, help="Only of this runbook."
)
@click.option(
    "--status",
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help=f"Only those with this status: {', '.join(STATUSES)}.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many."
)
@click.pass_obj
def runs(session: Session, name: str | None, status: str | None, limit: int) -> int:
    """Which runs there were and are, the newest first."""

    async def show() -> int:
        async with session.open_store() as store:
            rows = await store.runs(name=name, status=status, limit=limit)
            calls, untaken, held = await _calls(store, rows)
        if session.json:
            for row in rows:
                found: dict[str, Any] = {"calls": calls.get(row.run, [])}
                found["untaken"] = untaken.get(row.run, [])
                found["held"] = held[row.run][0] if row.run in held else None
                session.output.object(row_json(row) | found)
        elif rows:
            head = ("RUN", "STATUS", "RUNBOOK", "STARTED", "IN", "BY", "TOOK", "BECAUSE")
            now_us = time.time_ns() // 1000
            words = dict.fromkeys(untaken, ", untaken") | dict.fromkeys(calls, ", calls")
            rests = dict.fromkeys(held, ", held")
            said = {row.run: rests.get(row.run, "") + words.get(row.run, "") for row in rows}
            cells = [_cells(row, now_us, said[row.run]) for row in rows]
            session.output.table(head, cells, keep=4)
            if held:
                why = f"`{session.output.command} watch RUN` says why"
                session.output.note(f"held: it cannot be gone on with as things are; {why}")
            if untaken:
                session.output.note("untaken: all levels were called, and nobody took it")
            if words:
                session.output.note(
                    f"to take what a run calls for: {session.output.command} ack RUN"
                )
        else:
            session.output.note("no runs yet" if not (name or status) else "no such runs")
        return 0

    return session.run(show())


Calling = dict[str, list[str]]
"""What runs call people for, by their ids."""


async def _calls(store: Store, rows: Sequence[RunRow]) -> tuple[Calling, Calling, Calling]:
    """Of these runs, those that call people, also behind their end: what for; what nobody took
    though all who there are were called; and why those rest that cannot be gone on with.
    """
    from engine.journal.called import exhausted, may_call  # noqa: PLC0415 - only where there is a file
    from engine.journal.sqlite import SqliteStore  # noqa: PLC0415

    if not isinstance(store, SqliteStore):
        return {}, {}, {}
    listed = [row.run for row in rows]
    some = set(await may_call(store, time.time_ns() // 1000, listed))
    some |= set(await exhausted(store, listed))
    found: tuple[Calling, Calling, Calling] = ({}, {}, {})
    for row in rows:
        if row.mode == "real" and (row.run in some or row.status in CALLING_STATUSES):
            calls = Calls()
            async for event in all_events(store, row.run, 0):
                calls.apply(event)
            if what := [one.title for one in calls.calling() if not one.untaken]:
                found[0][row.run] = what
            if what := [one.title for one in calls.shown() if one.untaken]:
                found[1][row.run] = what
            if calls.held:
                found[2][row.run] = [calls.held]
    return found


def row_json(row: RunRow) -> dict[str, Any]:
    return {
        "type": "run",
        "run": row.run,
        "name": row.name,
        "environment": row.environment,
        "mode": row.mode,
        "actor": row.actor,
        "status": row.status,
        "because": row.because,
        "started": to_iso(row.started_us),
        "finished": to_iso(row.finished_us) if row.finished_us is not None else None,
        "events": row.last_seq,
    }


def _cells(row: RunRow, now_us: int, calls: str) -> tuple[str, ...]:
    time_taken = took((row.finished_us - row.started_us) / 1e6) if row.finished_us else ""
    started = ago((now_us - row.started_us) / 1e6)
    because = clean(row.because or "")
    status = row.status if row.mode != "rehearsal" or row.finished_us is None else "rehearsed"
    status += calls
    return (
        row.run, status, row.name, started, row.environment, row.actor, time_taken, because
    )  # fmt: skip


@click.command()
@click.argument("run", default="last", shell_complete=complete_runs)
@click.pass_obj
def watch(session: Session, run: str) -> int:
    """Follow RUN, which goes on elsewhere, until it ends.

    Ctrl-C stops the watching, not the run.
    """

    async def follow() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            face = make_face(session.output)
            rows = Rows()
            async with face:
                await _follow(store, name, face, rows)
        return finish_watch(face, name, rows)

    try:
        return session.run(follow())
    except KeyboardInterrupt:
        session.output.note("stopped watching; the run goes on")
        return 0


async def _follow(store: Store, run: str, face: Face, rows: Rows) -> None:
    """Shows events as they come until the run is over, and calls nobody any more."""
    while not rows.over:
        async for event in all_events(store, run, rows.seq):
            rows.apply(event)
            face.observe(event)
        if not rows.over:
            await store.wait_for_more(run, rows.seq, LOOK_AGAIN_S)


def finish_watch(face: Face, run: str, rows: Rows) -> int:
    """The last words about a run that was watched to its end, and its exit code."""
    body = rows.finished or {}
    status = str(body.get("outcome"))
    bad = body.get("worst") in ("errored", "unknown")
    code = 0 if status == "resolved" else 3 if bad else 1
    face.finish(RunResult(run, status, code, body.get("because"), ()))
    return code


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("words", nargs=-1, metavar="[STEP] " + "|".join(ANSWERS))
@click.option("--note", default="", metavar="TEXT", help="For the record: what was seen or done.")
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.pass_obj
def answer(
    session: Session, run: str, words: tuple[str, ...], note: str, as_name: str | None
) -> int:
    """Answer what RUN asks a person.

    STEP is needed only when more than one question is open. A run that nobody drives goes on with
    `runbook resume RUN`.
    """
    step, given = _step_and_answer(words)

    async def give() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            actor = await who(session, store, name, as_name)
            event = await session.engine(store).answer(name, step or "", given, note, actor)
        return told(session, event, f"answered {given} to {event.body['path']} of run {name}", name)

    return session.run(give())


def _step_and_answer(words: tuple[str, ...]) -> tuple[str | None, str]:
    if len(words) == 1:
        step, given = None, words[0]
    elif len(words) == 2:
        step, given = words
    else:
        raise Usage("an answer is missing", help=f"runbook answer RUN [STEP] {'|'.join(ANSWERS)}")
    if given not in ANSWERS:
        raise Usage(f"'{given}' is no answer", help=f"one of {', '.join(ANSWERS)}")
    return step, given


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("step", required=False)
@click.option(
    "--happened/--did-not", "happened", default=None, help="Whether the change took place."
)
@click.option("--reason", required=True, metavar="TEXT", help="How you know.")
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.pass_obj
def settle(
    session: Session, /, run: str, step: str | None, happened: bool | None, **said: Any
) -> int:
    """Say whether the action STEP of RUN, which is in doubt, happened.

    `--happened`: it counts as done. `--did-not`: it is done again by `runbook resume RUN`.
    """
    if happened is None:
        raise Usage("say --happened or --did-not", help="look at the target of the action first")

    async def record() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            actor = await who(session, store, name, said["as_name"])
            engine = session.engine(store)
            event = await engine.settle(name, step or "", happened, said["reason"], actor)
        word = "happened" if happened else "did not happen"
        return told(session, event, f"settled: {event.body['path']} of run {name} {word}", name)

    return session.run(record())


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.option("--reason", required=True, metavar="TEXT", help="Why it is stopped.")
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.pass_obj
def cancel(session: Session, run: str, reason: str, as_name: str | None) -> int:
    """Ask RUN to stop. It stops what can be stopped and waits for what cannot."""

    async def ask() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            actor = await who(session, store, name, as_name)
            event = await session.engine(store).cancel(name, reason, actor)
        command = session.output.command
        session.output.note(f"where nobody drives it any more: {command} resume {name} ends it")
        return told(session, event, f"asked run {name} to stop", None)

    return session.run(ask())


def told(session: Session, event: Event, text: str, resume: str | None) -> int:
    """Says that something is recorded, and how the run goes on."""
    if session.json:
        session.output.object(event_json(event))
    else:
        session.output.line(text)
        if resume:
            command = session.output.command
            session.output.note(f"a run that nobody drives goes on with: {command} resume {resume}")
    return 0


async def who(session: Session, store: Store, run: str, as_name: str | None) -> Actor:
    """Who speaks to a run. On whose behalf one may speak is the matter of the run's environment."""
    if as_name is None:
        return session.actor(None, "", "")
    body = (await store.events(run, 0, 1))[0].body
    return session.actor(as_name, str(body["name"]), str(body["environment"]))
