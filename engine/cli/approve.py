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
        state = await engine.state(name)
        approval = state.steps[event.body["path"]].approval
    word = "denied" if deny else "approved"
    if approval is not None and not deny:
        word += f" ({len(approval.given)} of {approval.count})"
    return told(session, event, f"{word}: {event.body['path']} of run {name}", name)


async def _show(session: Session, run: str, seen: Any) -> None:
    """What is agreed to: the rendered step, and what its target says of it now."""
    if session.json:
        return
    evidence = seen["question"].evidence
    note = session.output.note
    note(f"{seen['question'].path} of run {run}: {seen['question'].text}")
    note(f"  at        {evidence['target']}")
    note(f"  with      {to_json(evidence['params'])}")
    note(f"  plan hash {evidence['hash']}")
    if "error" in seen:
        note(f"  preview   could not be had: {seen['error']}")
    else:
        note(f"  preview   {seen['preview']['text']}")
        if seen["preview"].get("diff"):
            note(seen["preview"]["diff"])


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
            event = await session.engine(store).pause(name, reason, actor)
        return told(session, event, f"run {name} begins nothing new", name)

    return session.run(ask())


@click.command()
@click.argument("run", default="last", shell_complete=complete_runs)
@click.option("--reason", required=True, metavar="TEXT", help="Why it is undone.")
@AS
@click.pass_obj
def undo(session: Session, run: str, reason: str, as_name: str | None) -> int:
    """Undo what the finished RUN did, the last first: only what happened, or may have."""
    return session.run(_undo(session, run, reason, as_name))


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
