"""Telling people: `ack`, `notify preview`, `notify who`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from engine.cli.complete import (
    complete_packs,
    complete_runbooks,
    complete_runs,
    environment_option,
)
from engine.cli.runs import told, who
from engine.cli.session import Session
from engine.cli.text import in_turn, pad, wrap
from engine.core.cells import cells, clean
from engine.core.events import spoken
from engine.core.held import HELD
from engine.core.summons import OWN
from engine.errors import Usage
from engine.language.words import did_you_mean, listed, named

if TYPE_CHECKING:
    from engine.wiring.preview import Told
    from engine.wiring.standing import WouldCall


@click.command()
@click.argument("run", shell_complete=complete_runs)
@click.argument("step", required=False)
@click.option(
    "--note", "--reason", "note",
    default="", metavar="TEXT", help="For the record, and for the others.",
)  # fmt: skip
@click.option(
    "--as", "as_name", metavar="NAME", help="On whose behalf, where the environment allows it."
)
@click.pass_obj
def ack(session: Session, /, run: str, step: str | None, note: str, as_name: str | None) -> int:
    """Take what RUN calls people for: those who were called are told, and nobody else is called,
    but by levels that do so `unless: resolved`.

    STEP: only what that step calls for; `run` is the run's own escalation.
    """

    async def take() -> int:
        async with session.open_store() as store:
            name = await store.find(run)
            actor = await who(session, store, name, as_name)
            engine = session.engine(store)
            event = await engine.acknowledge(name, actor, note, path=step or "")
            met, state = await engine.met(event), await engine.state(name)
        if met.remark:
            session.output.note(met.remark)
        keys = met.of or event.body["escalations"]
        steps = ", ".join(key for key in keys if key != OWN and not key.startswith(HELD))
        what = f"{steps} of run {name}" if steps else f"run {name}"
        word = "has taken" if met.of else "holds, too,"
        return told(session, event, f"{clean(spoken(event.actor))} {word} {what}", state)

    return session.run(take())


@click.group()
def notify() -> None:
    """What people are told."""


@notify.command(short_help="Every message a run of RUNBOOK could send.")
@click.argument("name", metavar="RUNBOOK", shell_complete=complete_runbooks)
@environment_option("Where it would run; needed where a pack has several.")
@click.pass_obj
def preview(session: Session, name: str, environment: str | None) -> int:
    """Every message a run of RUNBOOK could send: when, to whom, by what, in which words.

    Several channels are tried in their order, until one works.
    """
    from engine.wiring.hurry import hurry_of  # noqa: PLC0415 - the whole engine
    from engine.wiring.preview import preview as previewed  # noqa: PLC0415

    runbook = session.load(name)
    books, pack = session.find_books(), runbook.name.partition("/")[0]
    place = session.environment_to_ask(pack, environment)
    asked: Any = {}
    if any(rota.connection for rota in books.contacts(pack).rotas.values()):
        asked = session.run(_asked(session, pack, place))
    found = previewed(books, session.registry, runbook, place, asked)
    services = books.environment(pack, place, session.registry, only=()).services
    if found and (hurry := hurry_of(services) or 1) > 1:
        session.output.note(f"in {place} people are called {hurry:g} times as fast as written")
    if session.json:
        for one in found:
            session.output.object(one.to_json())
        return 0
    if not found:
        session.output.line(f"{name} tells nobody")
    session.output.lines(list(messages_lines(found, min(session.output.width, 100))))
    services = books.environment(pack, place, session.registry, only=()).services
    if found and (hurry := hurry_of(services) or 1) > 1:
        session.output.note(f"in {place} people are called {hurry:g} times as fast as written")
    return 0


async def _asked(session: Session, pack: str, environment: str) -> Any:
    """What those say who keep rotas of the pack."""
    async with session.open_store() as store:
        return await session.engine(store).asked_now(pack, environment)


def messages_lines(found: Sequence[Told], width: int) -> Iterator[str]:
    """Messages that would be told, with an empty line behind each; what several people are told in
    the same words stands there once.
    """
    for (when, *_), same in groupby(found, lambda one: (one.when, one.title, one.text)):
        told = list(same)
        people = [f"{clean(one.name)}  by {in_turn(one.by) or 'nobody'}" for one in told]
        head = f"{clean(when)}  {people[0]}"
        if len(people) == 1 and cells(head) <= width:
            yield head
        else:
            yield from wrap(when, width)
            yield from (f"  {one}" for one in people)
        yield from _message(told, width)


def _of_all(remark: str, told: Sequence[Told]) -> bool:
    return all(remark in one.remarks for one in told)


def _message(told: Sequence[Told], width: int) -> Iterator[str]:
    for line in (told[0].title, *told[0].text.splitlines()):
        yield from (f"    {part}".rstrip() for part in wrap(line, width - 4) or [""])
    for remark in dict.fromkeys(remark for one in told for remark in one.remarks):
        whose = "" if _of_all(remark, told) else f"{_whose(remark, told)}: "
        yield f"    ! {clean(whose + remark)}"
    yield ""


def _whose(remark: str, told: Sequence[Told]) -> str:
    return ", ".join(one.name for one in told if remark in one.remarks)


@notify.command("who", short_help="Whom each level would call now.")
@click.argument("pack", required=False, shell_complete=complete_packs)
@environment_option("Where it would be; needed where a pack has several.")
@click.option(
    "--severity", metavar="NAME", help="Of a run; what is not critical keeps quiet hours."
)
@click.pass_obj
def called(
    session: Session, pack: str | None, environment: str | None, severity: str | None
) -> int:
    """Who would be called now: for each level of PACK's policies who it is, by what, until when."""
    books = session.find_books()
    name = session.pack_of(pack, "notify who")
    place = session.environment_to_ask(name, environment)
    if place == "sandbox":
        raise Usage("in a sandbox nobody real is called", help="name another environment")
    if severity is not None and severity not in (known := books.contacts(name).severities):
        hint = did_you_mean(severity, known, f"there are {listed(known, 'and') or 'none'}")
        raise Usage(f"the contacts have no severity {named(severity)}", help=hint)
    found = session.run(_who(session, name, place, severity))
    if session.json:
        for one in found:
            session.output.object(one.to_json())
    else:
        session.output.lines(list(_levels(found, min(session.output.width, 100))))
    if not found:
        session.output.note(
            f"{name} has no policies in its contacts.yaml: only the console is told"
        )
    return 0


async def _who(
    session: Session, pack: str, environment: str, severity: str | None
) -> list[WouldCall]:
    async with session.open_store() as store:
        return await session.engine(store).who(pack, environment, severity)


def _levels(found: list[WouldCall], width: int) -> Iterator[str]:
    from engine.language.duration import format_duration  # noqa: PLC0415 - `ack` does without
    from engine.wiring.standing import face  # noqa: PLC0415

    policy = ""
    who = max((len(one.who) for one in found), default=0)
    for one in found:
        if one.policy != policy:
            yield from ([""] if policy else [])
            yield one.policy
            policy = one.policy
        at = f"+ {format_duration(one.after_s)}" if one.after_s else "at once"
        lead = f"  {pad(at, 9)}  {pad(one.who, who)}  "
        yield f"{lead}{clean(one.name)} by {in_turn(one.by) or 'nobody'}"
        said = [f"! {remark}" for remark in one.remarks]
        if one.standing is not None and one.standing.trouble is None:
            said.insert(0, f"on call: {one.standing.said}")
        if one.not_before_us is not None:
            zone = one.standing.timezone if one.standing is not None else "UTC"
            said.append(f"! quiet hours: not before {face(one.not_before_us, zone)}")
        for line in said:
            yield from (f"{' ' * len(lead)}{part}" for part in wrap(line, width - len(lead)))
