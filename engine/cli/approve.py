"""What people decide about a run: approve, deny, pause, undo."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import click

from engine.cli.complete import complete_runs
from engine.cli.drive import drive
from engine.cli.face import Face
from engine.cli.output import to_json
from engine.cli.run import BY_CTRL_C, pack_of
from engine.cli.runs import told, who
from engine.cli.session import Session
from engine.errors import Usage
from engine.wiring import RunResult

AS = click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("step", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why you agree.")
@click.option("--hash", "hash_", metavar="HASH", help="The plan hash you looked at.")
@AS
@click.pass_obj
def approve(session: Session, /, run: str, step: str | None, **said: Any) -> int:
    """Agree to exactly what STEP of RUN would do. It is shown, with a fresh preview, first."""
    return session.run(_decide(session, run, step, said, deny=False))


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("step", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why it must not be done.")
@AS
@click.pass_obj
def deny(session: Session, /, run: str, step: str | None, **said: Any) -> int:
    """Deny what STEP of RUN waits to do. One denial ends it."""
    return session.run(_decide(session, run, step, said, deny=True))


async def _decide(
    session: Session, run: str, step: str | None, said: dict[str, Any], *, deny: bool
) -> int:
    async with session.open_store() as store:
        name = await store.find(run)
        actor = await who(session, store, name, said["as_name"])
        engine = session.engine(store)
        if not deny:
            await _show(session, name, await engine.preview(name, step or ""))
        event = await engine.approve(
            name, step or "", said["reason"], actor, hash=said.get("hash_"), deny=deny
        )
        given, state = (await engine.met(event)).given, await engine.state(name)
    word = "denied" if deny else "approved"
    if given and not deny:
        word += f" ({given})"
    return told(session, event, f"{word}: {event.body['path']} of run {name}", state)


async def _show(session: Session, run: str, seen: Any) -> None:
    """What is agreed to: the rendered step, and what its target says of it now."""
    if session.json:
        return
    evidence = seen["question"].evidence
    note = session.output.note
    note(f"{seen['question'].path} of run {run}: {seen['question'].text}")
    if evidence["target"] is not None:
        note(f"  at        {evidence['target']}")
    note(f"  with      {to_json(evidence['params'])}")
    note(f"  plan hash {evidence['hash']}")
    if "error" in seen:
        note(f"  preview   could not be had: {seen['error']}")
    else:
        note(f"  preview   {seen['preview']['text']}")
        if seen["preview"].get("diff"):
            for line in str(seen["preview"]["diff"]).splitlines():
                note(f"            {line}")


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.option("--reason", required=True, metavar="TEXT", help="Why it has to wait.")
@AS
@click.pass_obj
def pause(session: Session, run: str, reason: str, as_name: str | None) -> int:
    """Let RUN begin nothing new. What is under way ends; `runbook resume RUN` goes on."""

    async def ask() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            actor = await who(session, store, name, as_name)
            engine = session.engine(store)
            event = await engine.pause(name, reason, actor)
            state = await engine.state(name)
        return told(session, event, f"run {name} begins nothing new", state)

    return session.run(ask())


@click.command()
@click.argument("run", default="last", shell_complete=complete_runs)
@click.option("--reason", metavar="TEXT", help="Why it is undone.")
@click.option("--rehearse", is_flag=True, help="Only show what it would change.")
@AS
@click.pass_obj
def undo(
    session: Session, run: str, reason: str | None, rehearse: bool, as_name: str | None
) -> int:
    """Undo what the finished RUN did, the last first: only what happened, or may have.

    With --rehearse nothing is written and nothing is recorded; it ends with 0 when all of it would
    be undone, 1 when it would stop at a step, 3 when it cannot tell from a step on.
    """
    if rehearse:
        return session.run(_rehearse_undo(session, run, as_name))
    if reason is None or not reason.strip():
        raise Usage("--reason is missing", help="say why it is undone: it stands in the trail")
    return session.run(_undo(session, run, reason, as_name))


async def _rehearse_undo(session: Session, run: str, as_name: str | None) -> int:
    from engine.cli.rehearse import show_plan  # noqa: PLC0415 - for this only
    from engine.wiring.undoing import rehearse_undo  # noqa: PLC0415 - for this only

    async with session.open_store() as store:
        name = await store.find(run)
        engine = session.engine(store)
        state = await engine.state(name)
        actor = session.actor(as_name, state.runbook.name, state.environment)
        pack = pack_of(state.runbook.name)
        async with session.sandbox(pack, state.environment, state.runbook) as around:
            found = await rehearse_undo(engine, name, actor=actor, services=around.services)
    if session.json:
        told = {"would_undo": found.would_undo, "fails_at": found.fails_at, "why": found.why}
        session.output.object({"type": "undo", "run": name, **told, "uncertain": found.uncertain})
        return found.exit_code
    show_plan(session, list(found.events))
    if found.fails_at is not None:
        session.output.line(f"would stop at {found.fails_at}: {found.why}")
    elif found.uncertain is not None:
        session.output.line(f"cannot tell from {found.uncertain} on")
    else:
        session.output.line(f"would undo {', '.join(found.would_undo)}")
    return found.exit_code


async def _undo(session: Session, run: str, reason: str, as_name: str | None) -> int:
    async with session.open_store() as store:
        name = await store.find(run)
        engine = session.engine(store)
        state = await engine.state(name)
        actor = session.actor(as_name, state.runbook.name, state.environment)
        pack = pack_of(state.runbook.name)
        async with session.sandbox(pack, state.environment, state.runbook) as around:

            def begin(face: Face) -> Awaitable[RunResult]:
                return engine.undo(
                    name, reason, actor=actor, services=around.services, faces=face.faces()
                )

            return await drive(
                session.output, begin, lambda run: engine.cancel(run, BY_CTRL_C, actor)
            )
