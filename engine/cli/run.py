"""`runbook run` and `runbook resume`: the commands that drive a run."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.cli.complete import (
    complete_inputs,
    complete_runbooks,
    complete_runs,
    environment_option,
)
from engine.cli.drive import drive
from engine.cli.face import Face
from engine.cli.session import Session
from engine.core.events import Actor
from engine.errors import Usage
from engine.wiring import RunResult
from engine.wiring.admission import SANDBOX

if TYPE_CHECKING:
    from engine.core.events import Event
    from engine.journal.contract import Store
    from engine.language.model import Runbook
    from engine.wiring import Engine

BY_CTRL_C = "Ctrl-C"
"""The reason of a cancel that came from the keyboard."""


@click.command()
@click.argument("name", shell_complete=complete_runbooks)
@environment_option("Where: an environment of the pack.")
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_inputs,
    help="An input of the runbook; may be given several times.",
)
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.option(
    "--through-breaker",
    "through",
    metavar="REASON",
    help="Why it may try although the breaker is open.",
)
@click.option("--dry-run", is_flag=True, help="The same as `runbook rehearse`.")
@click.option(
    "--plan", metavar="RUN", help="Carry out what this rehearsal showed; what differs is asked."
)
@click.pass_obj
def run(
    session: Session, /, name: str, environment: str | None, inputs: tuple[str, ...], **more: Any
) -> int:
    """Run the runbook NAME.

    Ends with 0 when it is resolved; see `runbook --help` for the other exit codes.
    """
    where = session.environment(name, environment)
    if more["dry_run"]:
        from engine.cli.rehearse import rehearsed  # noqa: PLC0415  a run does without

        return session.run(rehearsed(session, name, where, inputs, more["as_name"]))
    actor = session.actor(more["as_name"], name, where)
    through = more["through"]
    if through is not None and not through.strip():
        raise Usage("--through-breaker takes the reason")
    return session.run(
        start(session, name, where, inputs, actor, plan=more["plan"], through=through)
    )


async def start(  # noqa: PLR0913 - what a run is asked with
    session: Session,
    name: str,
    environment: str,
    inputs: Sequence[str],
    actor: Actor,
    *,
    plan: str | None = None,
    through: str | None = None,
) -> int:
    """A new run, from its first event to its last words."""
    runbook = session.load(name)
    async with session.open_store() as store:
        engine = session.engine(store)
        given = engine.parse_inputs(runbook, inputs)
        rehearsal = await store.find(plan) if plan is not None else None
        if environment != SANDBOX and not session.json:
            await _say_when_rehearsed(session, store, runbook)
        async with session.sandbox(pack_of(name), environment, runbook) as around:

            def begin(face: Face) -> Awaitable[RunResult]:
                return engine.run(
                    name,
                    environment=environment,
                    inputs={**around.inputs, **given},
                    actor=actor,
                    services=around.services,
                    faces=face.faces(),
                    plan=rehearsal,
                    through=through,
                )

            code = await drive(
                session.output, begin, lambda run: engine.cancel(run, BY_CTRL_C, actor)
            )
            session.tell_of_inbox(around)
            return code


async def _say_when_rehearsed(session: Session, store: Store, runbook: Runbook) -> None:
    """Of a runbook that is rehearsed, or should be: how much its last rehearsal is worth."""
    from engine.cli.rehearsals import latest, told  # noqa: PLC0415  not for help and completion

    last = (await latest(store, runbook.name)).get(runbook.name)
    if last is not None or runbook.rehearse_every_s is not None:
        session.output.note(f"rehearsed: {told(last, runbook.rehearse_every_s)}")


@click.command()
@click.argument("run", default="last", shell_complete=complete_runs)
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.option("--force", is_flag=True, help="Take it from a driver that still seems alive.")
@click.pass_obj
def resume(session: Session, run: str, as_name: str | None, force: bool) -> int:
    """Take up RUN, which was cut short or waits, where its journal ends.

    Nothing that is finished is done again. An action that was cut short is in doubt: say first by
    `runbook settle` whether it happened.
    """
    from engine.cli.runs import watched  # noqa: PLC0415  not for help and completion

    done = session.run(_take_up(session, run, as_name, force))
    return watched(session, done) if isinstance(done, str) else done


async def _take_up(session: Session, run: str, as_name: str | None, force: bool) -> int | str:
    """Its exit code; or its id, where a server said that it is under way by itself."""
    from engine.cli.audit import all_events  # noqa: PLC0415  a new run does without

    async with session.open_store() as store:
        name = await store.find(run)
        engine = session.engine(store)
        past = [event async for event in all_events(store, name)]
        state = await engine.state(name)
        if state.finished is not None and state.over:
            raise Usage(f"run {name} is over: {state.finished['outcome']}")
        actor = session.actor(as_name, state.runbook.name, state.environment)
        if session.server_url is not None:
            return await _take_up_there(session, engine, actor, past)
        pack = pack_of(state.runbook.name)
        async with session.sandbox(pack, state.environment, state.runbook) as around:

            def begin(face: Face) -> Awaitable[RunResult]:
                return engine.resume(
                    name,
                    actor=actor,
                    services=around.services,
                    faces=face.faces(),
                    force=force,
                )

            cancel = lambda run: engine.cancel(run, BY_CTRL_C, actor)  # noqa: E731
            code = await drive(session.output, begin, cancel, past)
            session.tell_of_inbox(around)
            return code


async def _take_up_there(
    session: Session, engine: Engine, actor: Actor, past: list[Event]
) -> int | str:
    """As `_take_up`, by a server. What is under way by itself is not asked to stop by Ctrl-C."""
    from engine.cli.remote_engine import RemoteEngine  # noqa: PLC0415  httpx

    if not isinstance(engine, RemoteEngine):
        raise TypeError(f"{engine} is no server's")
    run, seen = past[-1].run, past[-1].seq
    if remark := await engine.ask_to_resume(run):
        command = session.output.command
        session.output.note(remark)
        session.output.note(f"Ctrl-C stops the watching; {command} cancel {run} ends the run")
        return run
    return await drive(
        session.output,
        lambda face: engine.look_on(run, face.faces(), seen),
        lambda run: engine.cancel(run, BY_CTRL_C, actor),
        past,
    )


def pack_of(name: str) -> str:
    return name.partition("/")[0]
