"""Commands that speak about runs, and to them: runs, watch, answer, settle, cancel."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from engine.cli.audit import all_events
from engine.cli.complete import complete_runbooks, complete_runs
from engine.cli.face import Face, make_face
from engine.cli.marks import hints, marks_of, stands_still
from engine.cli.rows import Rows
from engine.cli.session import Session
from engine.cli.text import ago, took
from engine.cli.trail import event_json
from engine.clock import to_iso
from engine.core.cells import clean
from engine.core.events import Actor, Event
from engine.core.held import holding, mend_of, why_of
from engine.errors import Usage
from engine.journal.calls import Mark
from engine.journal.contract import RunRow, Store
from engine.wiring import RunResult

if TYPE_CHECKING:
    from engine.core.state import State

LOOK_AGAIN_S = 10.0
"""Between two looks at a run that says nothing: how soon a watcher notices that its driver is gone.
"""

ANSWERS = ("yes", "no", "done", "not-done", "acknowledged")
STATUSES = (
    "queued", "running", "waiting", "in doubt", "resolved", "unresolved", "failed", "aborted",
    "cancelled", "refused",
)  # fmt: skip


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
            marks = await marks_of(store, rows)
        if session.json:
            for row in rows:
                mark = marks.get(row.run, Mark())
                session.output.object(row_json(row) | mark.to_json())
        elif rows:
            head = ("RUN", "STATUS", "RUNBOOK", "STARTED", "IN", "BY", "TOOK", "BECAUSE")
            now_us = time.time_ns() // 1000
            cells = [_cells(row, now_us, marks.get(row.run, Mark()).words) for row in rows]
            session.output.table(head, cells, keep=4, whole=2)  # a status is read whole
            for hint in hints(marks, session.output.command):
                session.output.note(hint)
        else:
            session.output.note("no runs yet" if not (name or status) else "no such runs")
        return 0

    return session.run(show())


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


def _cells(row: RunRow, now_us: int, marks: Sequence[str]) -> tuple[str, ...]:
    time_taken = took((row.finished_us - row.started_us) / 1e6) if row.finished_us else ""
    started = ago((now_us - row.started_us) / 1e6)
    because = clean(row.because or "")
    status = row.status if row.mode != "rehearsal" or row.finished_us is None else "rehearsed"
    status = ", ".join([status, *marks])
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
    return watched(session, run)


def watched(session: Session, run: str) -> int:
    """Follows a run to its end; its exit code, or 0 where whoever watches stopped."""
    seen = Seen()

    async def follow() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            face = make_face(session.output)
            async with face:
                await _follow(store, name, face, seen)
        return finish_watch(face, name, seen.rows)

    try:
        return session.run(follow())
    except KeyboardInterrupt:
        rests = seen.alone or seen.rows.calls.held  # why, it was told
        session.output.note("stopped watching" if rests else "stopped watching; the run goes on")
        return 0


@dataclass(slots=True)
class Seen:
    """What whoever watches was shown. `alone`: that nobody drives it."""

    rows: Rows = field(default_factory=Rows)
    alone: bool = False


async def _follow(store: Store, run: str, face: Face, seen: Seen) -> None:
    """Shows events as they come until the run is over, and calls nobody any more."""
    rows, asked, quiet = seen.rows, set[str](), True
    while not rows.over:
        async for event in all_events(store, run, rows.seq):
            rows.apply(event)
            face.observe(event)
        said = dict(_to_say(rows, face.output.command))
        for path in said.keys() - asked:
            face.say(said[path])
        asked = {*said}
        was = seen.alone
        if quiet:  # what says something is driven, and a server need not be asked
            seen.alone = not rows.over and await stands_still(store, run, rows.calls)
        if seen.alone and not was:
            command = face.output.command
            face.say(
                f"nobody drives this run now: nothing goes on, and nobody else is called, until "
                f"`{command} resume {run}`, or a server takes it up"
            )
        if not rows.over:
            quiet = not await store.wait_for_more(run, rows.seq, LOOK_AGAIN_S)


def _to_say(rows: Rows, command: str) -> Iterator[tuple[str, str]]:
    """How a person who watches answers what a run asks: by path, the command."""
    if rows.finished is not None or rows.rehearsing:
        return
    for row in rows.open_questions():
        answers = "yes|no" if row.type == "human.confirm" else "done|not-done"
        said = f"{command} answer {rows.run} {row.path} {answers} --note '...'"
        yield row.path, f"{command} ack {rows.run}" if row.kind == "escalate" else said
    for row in rows.in_doubt():
        how = f"{command} settle {rows.run} {row.path} --happened|--did-not --reason '...'"
        yield row.path, how


def finish_watch(face: Face, run: str, rows: Rows) -> int:
    """The last words about a run that was watched to its end, and its exit code."""
    body = rows.finished or {}
    status = str(body.get("outcome"))
    bad = body.get("worst") in ("errored", "unknown")
    code = 0 if status == "resolved" else 3 if bad else 1
    if rows.rehearsing and body.get("verdict"):  # it is not resolved: it would be
        from engine.wiring.ended import judged  # noqa: PLC0415 - the state and all it knows

        status, code = judged(body["verdict"])
    face.finish(RunResult(run, status, code, body.get("because"), ()))
    return code


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("words", nargs=-1, metavar="[STEP] " + "|".join(ANSWERS))
@click.option(
    "--note", "--reason", "note",
    default="", metavar="TEXT", help="For the record: what was seen or done.",
)  # fmt: skip
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
            engine = session.engine(store)
            event = await engine.answer(name, step or "", given, note, actor)
            state = await engine.state(name)
        return told(
            session, event, f"answered {given} to {event.body['path']} of run {name}", state
        )

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
            state = await engine.state(name)
        word = "happened" if happened else "did not happen"
        return told(session, event, f"settled: {event.body['path']} of run {name} {word}", state)

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
            engine = session.engine(store)
            event = await engine.cancel(name, reason, actor)
            met = await engine.met(event)
        if met.remark:
            session.output.note(met.remark)
        command = session.output.command
        session.output.note(f"where nobody drives it any more: {command} resume {name} ends it")
        return told(session, event, f"asked run {name} to stop", None)

    return session.run(ask())


def told(session: Session, event: Event, text: str, state: State | None) -> int:
    """Says that something is recorded, and how the run goes on, or what holds it."""
    if session.json:
        session.output.object(event_json(event))
        return 0
    session.output.line(text)
    command, run = session.output.command, event.run
    if state is not None and holding(state):
        session.output.note(f"it is held, and cannot be gone on with: {clean(why_of(state))}")
        if mend := clean(mend_of(state)):
            session.output.note(f"to put it right: {mend}")
        here = "" if session.server_url is not None else f", or with {command} resume {run}"
        session.output.note(f"then it goes on, by itself where a server drives it{here}")
        session.output.note(f"or end it: {command} cancel {run} --reason '...'")
    elif state is not None and session.server_url is None:  # a server drives its runs itself
        session.output.note(f"a run that nobody drives goes on with: {command} resume {run}")
    return 0


async def who(session: Session, store: Store, run: str, as_name: str | None) -> Actor:
    """Who speaks to a run. On whose behalf one may speak is the matter of the run's environment."""
    if as_name is None:
        return session.actor(None, "", "")
    body = (await store.events(run, 0, 1))[0].body
    return session.actor(as_name, str(body["name"]), str(body["environment"]))
